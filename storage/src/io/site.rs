//! Fault sites: the durable steps of [`super::Disk`] and of the directories snapshots are kept in, where
//! a test breaks the real server.
//!
//! A *site* is a step and the kind of file it is about, for example `sync mask` or `rename checkpoint`.
//! A debug build that finds the variable `BLUESHIFT_FAULT_DIR` looks into that directory at each step:
//!
//! - `trace`, if it exists, gets the name of every site that is passed, one a line;
//! - `plan` says what to break: a token that makes the plan a new one, an action, how many passes of
//!   the site are let through first, and the site (`*` for any), parted by blanks.
//!
//! The actions: `stop-before` and `stop-after` end the process without any cleaning up, `stop-half`
//! does so after half of a write, `eio` and `full` fail the step, which is then not done.
//! A release build has none of this.

use std::io;
use std::path::Path;

/// A durable step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A new file gets its name.
    Create,
    /// Bytes go into a new file.
    Write,
    /// A new file is synced.
    Sync,
    /// A directory is made.
    MakeDir,
    /// A directory is synced.
    SyncDir,
    /// Bytes are appended to a log.
    Append,
    /// A log is synced.
    SyncLog,
    /// A log is cut.
    Cut,
    /// A file takes the place of another.
    Rename,
    /// A file is removed.
    Remove,
}

/// Passes a site: runs `step`, or what a plan leaves of it.
pub(crate) fn pass<T>(
    name: Step,
    path: &Path,
    step: impl FnOnce() -> io::Result<T>,
) -> io::Result<T> {
    #[cfg(debug_assertions)]
    match plan::take(name, path) {
        None => {}
        Some(plan::Action::StopBefore | plan::Action::StopHalf) => std::process::abort(),
        Some(plan::Action::StopAfter) => {
            // Whether the step worked does not matter: nobody is left to learn of it.
            let _ = step();
            std::process::abort()
        }
        Some(plan::Action::Eio) => return Err(io::Error::from_raw_os_error(libc::EIO)),
        Some(plan::Action::Full) => return Err(io::Error::from_raw_os_error(libc::ENOSPC)),
    }
    #[cfg(not(debug_assertions))]
    let _ = (name, path);
    step()
}

/// Passes a site that writes `bytes`, and may write a part of them only.
pub(crate) fn pass_write<T>(
    name: Step,
    path: &Path,
    bytes: &[u8],
    mut write: impl FnMut(&[u8]) -> io::Result<T>,
) -> io::Result<T> {
    #[cfg(debug_assertions)]
    match plan::peek(name, path) {
        None => {}
        Some(action) => {
            let half = bytes.get(..bytes.len() / 2).unwrap_or_default();
            if matches!(action, plan::Action::StopHalf | plan::Action::Full) && !half.is_empty() {
                // A device that is full, or stops, may have taken a part.
                let _ = write(half);
            }
        }
    }
    pass(name, path, || write(bytes))
}

#[cfg(debug_assertions)]
mod plan {
    //! Reads the plan of a test.

    use super::Step;
    use std::fs::{self, OpenOptions};
    use std::io::Write;
    use std::path::{Path, PathBuf};
    use std::sync::{Mutex, OnceLock, PoisonError};

    /// The directory of the test, if there is one.
    const VARIABLE: &str = "BLUESHIFT_FAULT_DIR";

    /// How a step breaks.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(super) enum Action {
        StopBefore,
        StopAfter,
        StopHalf,
        Eio,
        Full,
    }

    /// A plan, as its file says it.
    #[derive(Debug, PartialEq, Eq)]
    struct Plan<'a> {
        action: Action,
        let_through: usize,
        site: &'a str,
    }

    /// What was seen of the newest plan.
    #[derive(Debug, Default)]
    struct Progress {
        text: String,
        passes: usize,
    }

    /// Tells what the plan does to this pass, and counts it.
    pub(super) fn take(step: Step, path: &Path) -> Option<Action> {
        let directory = directory()?;
        let mut progress = progress().lock().unwrap_or_else(PoisonError::into_inner);
        let site = site(step, path);
        if let Ok(mut trace) = OpenOptions::new()
            .append(true)
            .open(directory.join("trace"))
        {
            // A test whose trace cannot be written misses the site and fails.
            let _ = writeln!(trace, "{site}\t{}", path.display());
        }
        let action = progress.next(directory, &site)?;
        progress.passes += 1;
        action
    }

    /// Tells the same, and counts nothing.
    pub(super) fn peek(step: Step, path: &Path) -> Option<Action> {
        let directory = directory()?;
        let mut progress = progress().lock().unwrap_or_else(PoisonError::into_inner);
        progress.next(directory, &site(step, path))?
    }

    impl Progress {
        /// `None` if no plan is about this site, else what happens at this pass of it.
        fn next(&mut self, directory: &Path, site: &str) -> Option<Option<Action>> {
            let text = fs::read_to_string(directory.join("plan")).ok()?;
            if text != self.text {
                (self.text, self.passes) = (text, 0);
            }
            let plan = parse(&self.text)?;
            if plan.site != "*" && plan.site != site {
                return None;
            }
            Some((plan.let_through == self.passes).then_some(plan.action))
        }
    }

    fn directory() -> Option<&'static Path> {
        static DIRECTORY: OnceLock<Option<PathBuf>> = OnceLock::new();
        DIRECTORY
            .get_or_init(|| std::env::var_os(VARIABLE).map(PathBuf::from))
            .as_deref()
    }

    fn progress() -> &'static Mutex<Progress> {
        static PROGRESS: OnceLock<Mutex<Progress>> = OnceLock::new();
        PROGRESS.get_or_init(Mutex::default)
    }

    fn parse(text: &str) -> Option<Plan<'_>> {
        let (_token, rest) = text.trim_end().split_once(' ')?;
        let (action, rest) = rest.split_once(' ')?;
        let (let_through, site) = rest.split_once(' ')?;
        let action = match action {
            "stop-before" => Action::StopBefore,
            "stop-after" => Action::StopAfter,
            "stop-half" => Action::StopHalf,
            "eio" => Action::Eio,
            "full" => Action::Full,
            _ => return None,
        };
        Some(Plan {
            action,
            let_through: let_through.parse().ok()?,
            site,
        })
    }

    fn site(step: Step, path: &Path) -> String {
        let step = match step {
            Step::Create => "create",
            Step::Write => "write",
            Step::Sync => "sync",
            Step::MakeDir => "make-directory",
            Step::SyncDir => "sync-directory",
            Step::Append => "append",
            Step::SyncLog => "sync-log",
            Step::Cut => "cut",
            Step::Rename => "rename",
            Step::Remove => "remove",
        };
        format!("{step} {}", kind(path))
    }

    /// Names files of one kind alike: `7.rg` is `rg`, `slice-0001` is `slice`.
    fn kind(path: &Path) -> String {
        let path = match path.extension() {
            Some(extension) if extension == "tmp" => path.with_extension(""),
            _ => path.to_owned(),
        };
        let name = path.extension().or_else(|| path.file_name());
        let name = name.unwrap_or_default().to_string_lossy();
        let plain = name.split(|letter: char| !letter.is_ascii_alphabetic());
        plain.into_iter().next().unwrap_or_default().to_owned()
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_plan_breaks_one_pass_of_one_site() {
            let directory = tempfile::tempdir().unwrap();
            let mut progress = Progress::default();
            let mut passes = |plan: &str, sites: &[&str]| -> Vec<Option<Action>> {
                fs::write(directory.path().join("plan"), plan).unwrap();
                let one = |site: &&str| {
                    let action = progress.next(directory.path(), site)?;
                    progress.passes += 1;
                    action
                };
                sites.iter().map(one).collect()
            };
            let sites = ["sync rg", "sync mask", "sync rg", "sync rg"];
            let found = passes("a eio 1 sync rg\n", &sites);
            assert_eq!(found, [None, None, Some(Action::Eio), None]);
            assert_eq!(passes("a eio 1 sync rg\n", &sites), [None; 4]);
            let found = passes("b full 0 *", &sites);
            assert_eq!(found, [Some(Action::Full), None, None, None]);
            assert_eq!(passes("rubbish", &sites), [None; 4]);
        }

        #[test]
        fn a_site_names_the_kind_of_file() {
            for (path, name) in [
                ("log/0000000000000002.checkpoint.tmp", "create checkpoint"),
                ("slice-0000/table-100/7.9.mask", "create mask"),
                ("slice-0000/table-100", "create table"),
                ("FORMAT.tmp", "create FORMAT"),
                ("private/server.key", "create key"),
            ] {
                assert_eq!(site(Step::Create, Path::new(path)), name);
            }
        }
    }
}
