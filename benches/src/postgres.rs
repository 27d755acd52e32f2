//! PostgreSQL as a peer: a cluster of its own in a scratch folder, as Debian's packages install it.

use anyhow::{Context, Result, ensure};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The account Debian makes for it; the server refuses to run as root.
const ACCOUNT: &str = "postgres";

/// A running cluster; stopped and removed when dropped.
pub struct Postgres {
    folder: PathBuf,
    programs: PathBuf,
    /// Where it listens, on loopback.
    pub port: u16,
}

impl Postgres {
    /// Makes a cluster in `folder`, which is emptied first, and starts it; `None` if PostgreSQL is not installed.
    pub fn start(folder: &Path) -> Result<Option<Postgres>> {
        let Some(programs) = programs() else {
            return Ok(None);
        };
        if folder.exists() {
            std::fs::remove_dir_all(folder)?;
        }
        std::fs::create_dir_all(folder)?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let postgres = Postgres {
            folder: folder.to_path_buf(),
            programs,
            port,
        };
        if is_root() {
            let status = Command::new("chown").arg(ACCOUNT).arg(folder).status()?;
            ensure!(
                status.success(),
                "{} cannot be given away",
                folder.display()
            );
        }
        postgres.run("initdb", &["--auth=trust", "--username=admin"])?;
        // As much memory as a warehouse of this size would get; nothing else departs from what is installed.
        let options = format!(
            "-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c shared_buffers=512MB"
        );
        let log = folder.join("log");
        let log = log.to_str().context("folder")?;
        postgres.run("pg_ctl", &["start", "-w", "-l", log, "-o", &options])?;
        Ok(Some(postgres))
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Result<()> {
        let path = self.programs.join(program);
        let mut command = match is_root() {
            true => {
                let mut command = Command::new("runuser");
                command.args(["-u", ACCOUNT, "--"]).arg(&path);
                command
            }
            false => Command::new(&path),
        };
        command.arg("-D").arg(self.folder.join("data"));
        command.args(arguments).stdout(std::process::Stdio::null());
        command.current_dir(&self.folder);
        let status = command.status()?;
        ensure!(status.success(), "{program} of PostgreSQL failed");
        Ok(())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let _ = self.run("pg_ctl", &["stop", "-m", "immediate"]);
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Finds the programs of the newest version installed.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let versions = versions.filter_map(|version| Some(version.ok()?.path().join("bin")));
    versions.filter(|bin| bin.join("initdb").exists()).max()
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}
