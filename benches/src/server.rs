//! The server under measurement: a release build in a process of its own, on a fresh data directory.

use anyhow::{Context, Result, ensure};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The password given to it.
pub const PASSWORD: &str = "Benchmark-1";

/// The unit of CPU time in `/proc`: it is the same on every Linux of today.
const TICKS_A_SECOND: f64 = 100.0;

/// Finds the server of this build, beside the driver.
pub fn binary() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    Ok(own.parent().context("target folder")?.join("blueshift"))
}

/// A running server; killed when dropped.
pub struct Server {
    child: Child,
    /// Where it listens, on loopback.
    pub port: u16,
    /// Its data directory.
    pub data: PathBuf,
}

impl Server {
    /// Builds the server in this profile and starts it on `data`, which is emptied first.
    pub async fn start(data: &Path, slices: u32, copy_root: &Path) -> Result<Server> {
        Self::start_with(data, slices, copy_root, &[]).await
    }

    /// Does the same with settings of the server from the environment.
    pub async fn start_with(
        data: &Path,
        slices: u32,
        copy_root: &Path,
        environment: &[(&str, &str)],
    ) -> Result<Server> {
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
        if !cfg!(debug_assertions) {
            let status = Command::new(cargo)
                .args([
                    "build",
                    "--release",
                    "--quiet",
                    "--workspace",
                    "--bin",
                    "blueshift",
                ])
                .status()?;
            ensure!(status.success(), "the server does not build");
        }
        if data.exists() {
            std::fs::remove_dir_all(data)?;
        }
        Self::launch(data, slices, copy_root, environment).await
    }

    /// Starts the server on `data` as it is.
    pub async fn start_again(data: &Path, slices: u32, copy_root: &Path) -> Result<Server> {
        Self::launch(data, slices, copy_root, &[]).await
    }

    async fn launch(
        data: &Path,
        slices: u32,
        copy_root: &Path,
        environment: &[(&str, &str)],
    ) -> Result<Server> {
        let binary = binary()?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let log = std::fs::File::create(data.with_extension("log"))?;
        let child = Command::new(&binary)
            .arg("serve")
            .arg("--data")
            .arg(data)
            .args([
                "--listen",
                &format!("127.0.0.1:{port}"),
                "--slices",
                &slices.to_string(),
            ])
            .arg("--copy-root")
            .arg(copy_root)
            .arg("--snapshot-root")
            .arg(copy_root)
            .env("BLUESHIFT_ADMIN_PASSWORD", PASSWORD)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("could not start {}", binary.display()))?;
        let mut server = Server {
            child,
            port,
            data: data.to_path_buf(),
        };
        for _ in 0..600 {
            if crate::client::connect(port).await.is_ok() {
                return Ok(server);
            }
            if let Some(status) = server.child.try_wait()? {
                anyhow::bail!(
                    "the server ended with {status}; see {}",
                    data.with_extension("log").display()
                );
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        anyhow::bail!("the server is not ready")
    }

    /// Reads a memory figure of the process in bytes: `VmHWM` is the peak, `VmRSS` the present.
    pub fn memory_bytes(&self, figure: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))
            .unwrap_or_default();
        let line = status
            .lines()
            .find(|line| line.starts_with(figure))
            .unwrap_or_default();
        line.split_whitespace()
            .nth(1)
            .and_then(|text| text.parse::<u64>().ok())
            .unwrap_or(0)
            * 1024
    }

    /// Reads the seconds of CPU the process has used, by all its threads.
    pub fn cpu_seconds(&self) -> f64 {
        let stat =
            std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        // The name of the program, in brackets, may hold spaces.
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        let ticks = after_name.split_whitespace().skip(11).take(2);
        let ticks: f64 = ticks.filter_map(|text| text.parse::<f64>().ok()).sum();
        ticks / TICKS_A_SECOND
    }

    /// Adds up the bytes of the row group files on disk.
    pub fn stored_bytes(&self) -> Result<u64> {
        let mut bytes = 0;
        let mut folders = vec![self.data.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder)? {
                let entry = entry?;
                if entry.file_type()?.is_dir() {
                    folders.push(entry.path());
                } else if entry
                    .path()
                    .extension()
                    .is_some_and(|extension| extension == "rg")
                {
                    bytes += entry.metadata()?.len();
                }
            }
        }
        Ok(bytes)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
