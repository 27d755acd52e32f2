//! The other end of the server's fault sites (`storage/src/io/site.rs`): what passes them, and what breaks there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long the server may take to remove what nobody can read.
pub(super) const REMOVED_MAX: Duration = Duration::from_secs(20);

/// Every kind of durable step the disk has; one that is not listed here, or that no test breaks, fails the tests.
pub(super) const STEPS: &[&str] = &[
    "create",
    "write",
    "sync",
    "make-directory",
    "sync-directory",
    "append",
    "sync-log",
    "cut",
    "rename",
    "remove",
];

/// One pass of a site: its name, and how many passes of it came before.
pub(super) type Pass = (String, usize);

/// The directory through which a test talks to a server's disk.
pub(super) struct Sites {
    directory: TempDir,
}

impl Sites {
    pub(super) fn new() -> Sites {
        Sites {
            directory: scratch(),
        }
    }

    /// Gives the environment of a server that listens to this.
    pub(super) fn environment(&self) -> (String, String) {
        let path = self.directory.path().display().to_string();
        ("BLUESHIFT_FAULT_DIR".into(), path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Notes from now on what passes, and forgets what did.
    pub(super) fn trace(&self) {
        std::fs::write(self.file("trace"), "").expect("write");
    }

    /// Gives the sites that were passed since [`Sites::trace`], in order.
    pub(super) fn traced(&self) -> Vec<String> {
        let traced = self.traced_files().into_iter();
        traced.map(|(site, _)| site).collect()
    }

    /// Gives the sites that were passed since [`Sites::trace`], in order, each with its file. The journal's are not among
    /// them: it is written when its time comes, and no statement depends on it.
    pub(super) fn traced_files(&self) -> Vec<(String, PathBuf)> {
        let text = std::fs::read_to_string(self.file("trace")).unwrap_or_default();
        // A server that was killed may have been writing the last line.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let split = |line: &str| {
            let (site, path) = line.split_once('\t').expect("a site and its file");
            (site.to_owned(), PathBuf::from(path))
        };
        let sites = whole.lines().map(split);
        sites
            .filter(|(site, _)| !site.ends_with(" journal"))
            .collect()
    }

    /// Counts the files removed since [`Sites::trace`].
    pub(super) fn removals(&self) -> usize {
        let traced = self.traced();
        let is_one = |site: &&String| site.starts_with("remove ");
        traced.iter().filter(is_one).count()
    }

    /// Counts the removals once no more were traced for a while.
    pub(super) async fn settled_removals(&self) -> usize {
        let (mut count, mut same) = (self.removals(), 0);
        while same < 20 {
            tokio::time::sleep(Duration::from_millis(5)).await;
            let now = self.removals();
            same = if now == count { same + 1 } else { 0 };
            count = now;
        }
        count
    }

    /// Waits until that many files were removed: the server does it some time after the last reader ends.
    pub(super) async fn await_removals(&self, count: usize) {
        let begun = Instant::now();
        while self.removals() < count {
            assert!(
                begun.elapsed() < REMOVED_MAX,
                "not {count} removals: {:?}",
                self.traced()
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Breaks a site at a pass, counted from now. The token tells this plan from the one before.
    pub(super) fn plan(&self, token: usize, action: &str, pass: &Pass) {
        let (site, let_through) = pass;
        let text = format!("{token} {action} {let_through} {site}\n");
        // Made whole under another name, for the server looks at any moment.
        std::fs::write(self.file("next"), text).expect("write");
        std::fs::rename(self.file("next"), self.file("plan")).expect("rename");
    }

    /// Tells whether the plan is about such a step.
    pub(super) fn is_planned(&self, step: &str) -> bool {
        std::fs::read_to_string(self.file("plan")).is_ok_and(|plan| plan.contains(step))
    }

    /// Breaks nothing any more.
    pub(super) fn clear(&self) {
        // There may be no plan.
        let _ = std::fs::remove_file(self.file("plan"));
    }
}

/// Makes a directory in memory, where there is one: a process that ends loses nothing it wrote, and a thousand servers
/// start faster.
pub(super) fn scratch() -> TempDir {
    TempDir::new_in("/dev/shm")
        .or_else(|_| TempDir::new())
        .expect("a temporary directory")
}

/// Numbers the passes of each site.
pub(super) fn passes(trace: &[String]) -> Vec<Pass> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut passes = Vec::new();
    for site in trace {
        let step = site.split(' ').next().unwrap_or_default();
        assert!(
            STEPS.contains(&step),
            "{site} is no step that is known here"
        );
        let count = counts.entry(site).or_default();
        passes.push((site.clone(), *count));
        *count += 1;
    }
    passes
}

/// Copies a data directory whose server is gone.
pub(super) fn copy_directory(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("create");
    for entry in std::fs::read_dir(from).expect("list").flatten() {
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        // Room that a server keeps, and makes anew.
        if entry.file_name() == "RESERVE" {
            continue;
        }
        if path.is_dir() {
            copy_directory(&path, &target);
        } else {
            std::fs::copy(&path, &target).expect("copy");
        }
    }
}

/// Lists the row groups and masks of a data directory.
pub(super) fn data_files(data: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![data.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("list").flatten() {
            let path = entry.path();
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("rg" | "mask") => found.push(path),
                _ if path.is_dir() => folders.push(path),
                _ => {}
            }
        }
    }
    found.sort();
    found
}
