//! COPY ... SSH: loads what commands on other hosts print. A manifest names the hosts and the commands; the system's ssh
//! client, which reads no configuration of its own here, connects to them with the server's key.
//!
//! What a host is called in errors and system tables is its name and its place in the manifest, never the command, which
//! may hold secrets.

use super::LoadPlan;
use super::feed::{Feed, FileChunk, Part, RANGES_IN_FLIGHT};
use super::source;
use crate::error::{Error, Result};
use crate::object::ObjectPolicy;
use crate::reach::Reach;
use crate::write::joined;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use std::io::Read;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc::{Sender, channel};
use tokio::task::JoinSet;

/// Hosts of one manifest at most.
const HOSTS_MAX: usize = 1_000;
/// Connections at the same time.
const AT_ONCE: usize = 16;
/// Bytes that are read of a command at a time.
const READ_BYTES: usize = 1 << 20;
/// What is kept of the errors of a client.
const STDERR_BYTES_MAX: u64 = 16 << 10;
/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(10);
/// Between looks whether a client has ended.
const ENDED: Duration = Duration::from_millis(5);
/// The port of hosts that name none.
const PORT: u16 = 22;
/// What the client ends with if it could not connect, or lost the connection.
const NO_CONNECTION: i32 = 255;
/// The user of hosts that name none.
const USER: &str = "redshift";

/// The manifest.
#[derive(Deserialize)]
struct Manifest {
    entries: Vec<Entry>,
}

/// A host, as the manifest has it.
#[derive(Deserialize)]
struct Entry {
    endpoint: String,
    command: String,
    #[serde(default)]
    publickey: Option<String>,
    #[serde(default)]
    mandatory: bool,
    #[serde(default)]
    username: Option<String>,
}

/// A connection to make.
struct Host {
    /// What it is called.
    url: Arc<str>,
    name: String,
    port: u16,
    user: String,
    command: String,
    /// The kind and the text of the key it must show.
    key: Option<(String, String)>,
    mandatory: bool,
    slice: u32,
}

/// The hosts of one load.
pub(super) struct Hosts {
    hosts: Vec<Host>,
    reach: Reach,
    key: PathBuf,
    /// The manifest, for errors.
    source: String,
    /// Whether one of them was connected to.
    connected: Arc<AtomicBool>,
}

/// Refuses COPY ... SSH where the server has no key for it.
pub(super) fn ensure_allowed(policy: &ObjectPolicy) -> Result<()> {
    match policy.ssh_key {
        Some(_) => Ok(()),
        None => Err(Error::SourceNotAllowed {
            message: "COPY may not connect to other hosts".to_owned(),
            hint: "Start the server with --ssh-key naming the private key it logs in to them with."
                .to_owned(),
        }),
    }
}

impl Hosts {
    /// Reads the manifest.
    pub(super) async fn find(policy: &ObjectPolicy, plan: &LoadPlan) -> Result<Self> {
        ensure_allowed(policy)?;
        let bytes = source::read_hosts(policy, plan).await?;
        let invalid = |reason: String| Error::Source {
            url: plan.source.clone(),
            reason: format!(
                "not a manifest of hosts, which is {{\"entries\": [{{\"endpoint\": ..., \"command\": ...}}]}}: {reason}"
            ),
        };
        let manifest: Manifest =
            serde_json::from_slice(&bytes).map_err(|error| invalid(error.to_string()))?;
        let count = manifest.entries.len();
        if count == 0 || count > HOSTS_MAX {
            return Err(invalid(format!(
                "it has {count} entries, and may have 1 to {HOSTS_MAX}"
            )));
        }
        let hosts = (1..).zip(manifest.entries);
        let hosts = hosts.map(|(number, entry)| {
            Host::new(entry, number).map_err(|why| invalid(format!("entry {number}: {why}")))
        });
        Ok(Self {
            hosts: hosts.collect::<Result<_>>()?,
            reach: policy.reach.clone(),
            key: policy.ssh_key.clone().unwrap_or_default(),
            source: plan.source.clone(),
            connected: Arc::default(),
        })
    }

    /// Deals the hosts to slices in turn, and tells which has which.
    pub(super) fn deal(&mut self, slice_count: u32) -> impl Iterator<Item = (String, u32)> + '_ {
        let slices = (0..slice_count.max(1)).cycle();
        self.hosts.iter_mut().zip(slices).map(|(host, slice)| {
            host.slice = slice;
            (host.url.to_string(), slice)
        })
    }

    /// Runs all commands and cuts what they print. Ends early without an error when the parsers have ended.
    pub(super) async fn run(self, feed: Feed, chunks: Sender<FileChunk>) -> Result<()> {
        let mut waiting = self.hosts.into_iter();
        let mut reading = JoinSet::new();
        loop {
            while reading.len() < AT_ONCE
                && let Some(host) = waiting.next()
            {
                let (sender, receiver) = channel(RANGES_IN_FLIGHT);
                let (url, slice) = (Arc::clone(&host.url), host.slice);
                let connection = Connection {
                    host,
                    reach: self.reach.clone(),
                    key: self.key.clone(),
                    connected: Arc::clone(&self.connected),
                    canceled: Arc::clone(&feed.progress),
                };
                let read = connection.read(sender);
                let feed = feed.clone();
                reading.spawn(feed.cut(url, slice, read, receiver, chunks.clone()));
            }
            match reading.join_next().await {
                Some(ended) => joined(ended)?,
                None => break,
            }
        }
        match self.connected.load(Ordering::Relaxed) {
            true => Ok(()),
            false => Err(Error::NoSource {
                message: format!(
                    "No connection to a host of the manifest '{}' succeeded",
                    self.source
                ),
            }),
        }
    }
}

impl Host {
    fn new(entry: Entry, number: usize) -> Result<Self, &'static str> {
        let (name, port) = match entry.endpoint.rsplit_once(':') {
            // More than one colon is an address of IPv6.
            Some((name, port)) if !name.contains(':') => {
                (name, port.parse().map_err(|_| "the port is no number")?)
            }
            _ => (entry.endpoint.as_str(), PORT),
        };
        let user = entry.username.unwrap_or_else(|| USER.to_owned());
        // What begins with a hyphen would be an option of the client.
        let is_name = |name: &str, others: &str| {
            let known = |each: char| each.is_ascii_alphanumeric() || others.contains(each);
            name.chars().all(known) && !name.starts_with('-') && !name.is_empty()
        };
        if !is_name(name, ".-_:") {
            return Err("the endpoint is neither the name of a host nor an address");
        }
        if !is_name(&user, ".-_@\\") {
            return Err("the username has characters that names do not have");
        }
        if entry.command.is_empty() || entry.command.contains('\0') {
            return Err("the command is missing");
        }
        let key = entry.publickey.filter(|key| !key.trim().is_empty());
        Ok(Self {
            url: format!("ssh://{user}@{}/{number}", entry.endpoint).into(),
            name: name.to_owned(),
            port,
            user,
            command: entry.command,
            key: key.map(|key| host_key(&key)).transpose()?,
            mandatory: entry.mandatory,
            slice: 0,
        })
    }
}

/// Reads the key of a host: its text, or a line of a file of keys, of which its text is a part. The text tells its kind.
fn host_key(line: &str) -> Result<(String, String), &'static str> {
    let wrong = "the publickey is not the key of a host";
    let kind = |text: &str| {
        let bytes = BASE64_STANDARD.decode(text).ok()?;
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let kind = rest.get(..u32::from_be_bytes(*length) as usize)?;
        let kind = std::str::from_utf8(kind).ok()?;
        let known = |each: char| each.is_ascii_alphanumeric() || "-.@".contains(each);
        (!kind.is_empty() && kind.chars().all(known)).then(|| kind.to_owned())
    };
    let mut words = line.split_whitespace();
    words
        .find_map(|word| Some((kind(word)?, word.to_owned())))
        .ok_or(wrong)
}

/// One command on its way.
struct Connection {
    host: Host,
    reach: Reach,
    key: PathBuf,
    connected: Arc<AtomicBool>,
    canceled: Arc<super::LoadProgress>,
}

impl Connection {
    /// Sends what the command prints.
    async fn read(self, sender: Sender<Part>) -> Result<()> {
        let host = &self.host;
        let address = self.reach.addresses(&host.name, host.port).await;
        let address = match address.map(|addresses| addresses.into_iter().next()) {
            Ok(Some(address)) => address,
            Ok(None) => return self.unconnected("the name has no address", sender).await,
            // What may not be reached is an error whether the host is mandatory or not.
            Err(error @ Error::SourceNotAllowed { .. }) => return Err(error),
            Err(error) => return self.unconnected(&error.to_string(), sender).await,
        };
        let mut child = self.command(address).spawn().map_err(|error| {
            self.failed(&format!("the ssh client could not be started: {error}"))
        })?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let child = Running(Mutex::new(child));
        let errors = tokio::task::spawn_blocking(move || {
            let mut text = Vec::new();
            let stderr = stderr.map(|stderr| stderr.take(STDERR_BYTES_MAX));
            // What is lost of an error is not worth another.
            let _ = stderr.map(|mut stderr| stderr.read_to_end(&mut text));
            String::from_utf8_lossy(&text).into_owned()
        });
        let (canceled, parts) = (Arc::clone(&self.canceled), sender.clone());
        let copied = tokio::task::spawn_blocking(move || {
            stdout.map_or(Ok(0), |stdout| copy(stdout, &parts, &canceled))
        });
        let copied = joined(copied.await.map(Ok))?;
        if copied.as_ref().is_ok_and(|bytes| *bytes > 0) {
            self.connected.store(true, Ordering::Relaxed);
        }
        let copied = match copied {
            Ok(bytes) => bytes,
            Err(Stop::Unheard) => return Ok(()),
            Err(Stop::Canceled) => return Err(Error::Canceled),
            Err(Stop::Failed(error)) => return Err(self.failed(&error.to_string())),
        };
        let status = child.ended().await;
        let said = errors.await.unwrap_or_default();
        let said = last_line(&said);
        match status.map(|status| status.code()) {
            Ok(Some(0)) => {
                self.connected.store(true, Ordering::Relaxed);
                // A receiver that has ended has an error of its own to tell.
                let _ended = sender.send(Part::End).await;
                Ok(())
            }
            Ok(Some(NO_CONNECTION)) if copied == 0 => self.unconnected(&said, sender).await,
            Ok(Some(code)) => {
                Err(self.failed(&format!("the command ended with status {code}: {said}")))
            }
            Ok(None) => Err(self.failed("the ssh client was killed")),
            Err(error) => Err(self.failed(&error.to_string())),
        }
    }

    /// Ends a host that could not be connected to: with nothing, if it is not mandatory.
    async fn unconnected(&self, why: &str, sender: Sender<Part>) -> Result<()> {
        if self.host.mandatory {
            return Err(self.failed(why));
        }
        tracing::info!(host = %self.host.url, why, "no connection to a host that is not mandatory");
        let _ended = sender.send(Part::End).await;
        Ok(())
    }

    fn failed(&self, why: &str) -> Error {
        Error::Sql(
            blueshift_sql::Error::new(
                blueshift_sql::SqlState::IO_ERROR,
                format!("could not read \"{}\": {why}", self.host.url),
            )
            .with_hint(
                "Check that the host lets the key of the server log in, that its publickey in the manifest is right, and \
                 that the command runs there.",
            ),
        )
    }

    /// Makes the client. It connects to the address that was checked, whatever the name stands for by then.
    fn command(&self, address: SocketAddr) -> Command {
        let host = &self.host;
        let mut command = Command::new("ssh");
        command
            .args(["-F", "none", "-T", "-n", "-l", &host.user])
            .args(["-p", &host.port.to_string()])
            .arg("-i")
            .arg(&self.key);
        let mut options = vec![
            "BatchMode=yes".to_owned(),
            "CheckHostIP=no".to_owned(),
            "ClearAllForwardings=yes".to_owned(),
            format!("ConnectTimeout={}", CONNECT.as_secs()),
            "ConnectionAttempts=1".to_owned(),
            "ControlPath=none".to_owned(),
            "ForwardAgent=no".to_owned(),
            "GlobalKnownHostsFile=/dev/null".to_owned(),
            format!("HostKeyAlias={}", host.name),
            format!("HostName={}", address.ip()),
            "IdentitiesOnly=yes".to_owned(),
            "IdentityAgent=none".to_owned(),
            "LogLevel=ERROR".to_owned(),
            "PermitLocalCommand=no".to_owned(),
            "ServerAliveCountMax=4".to_owned(),
            "ServerAliveInterval=15".to_owned(),
            "UpdateHostKeys=no".to_owned(),
            "UserKnownHostsFile=/dev/null".to_owned(),
        ];
        match &host.key {
            Some((kind, key)) => {
                options.push("StrictHostKeyChecking=yes".to_owned());
                options.push(format!(
                    "KnownHostsCommand=/bin/echo {} {kind} {key}",
                    host.name
                ));
            }
            None => options.push("StrictHostKeyChecking=no".to_owned()),
        }
        for option in options {
            command.arg("-o").arg(option);
        }
        command
            .args(["--", &host.name, &host.command])
            // The variables of the server hold secrets.
            .env_clear()
            .envs(
                ["PATH", "HOME"]
                    .into_iter()
                    .filter_map(|name| Some((name, std::env::var_os(name)?))),
            )
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

/// A client that runs; killed when the load is dropped.
struct Running(Mutex<Child>);

impl Running {
    fn child(&self) -> MutexGuard<'_, Child> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for its end, which is near when it has closed its output.
    async fn ended(&self) -> std::io::Result<ExitStatus> {
        loop {
            if let Some(status) = self.child().try_wait()? {
                return Ok(status);
            }
            tokio::time::sleep(ENDED).await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut child = self.child();
        // It may have ended.
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// Why no more is read of a command.
enum Stop {
    /// Nobody wants more.
    Unheard,
    Canceled,
    Failed(std::io::Error),
}

/// Sends what a command prints, in order, and counts its bytes.
fn copy(
    mut stdout: impl Read,
    parts: &Sender<Part>,
    progress: &super::LoadProgress,
) -> Result<u64, Stop> {
    let mut bytes = 0;
    loop {
        let mut part = Vec::with_capacity(READ_BYTES);
        let step = stdout.by_ref().take(READ_BYTES as u64);
        if { step }.read_to_end(&mut part).map_err(Stop::Failed)? == 0 {
            return Ok(bytes);
        }
        bytes += part.len() as u64;
        if progress.canceled.load(Ordering::Relaxed) {
            return Err(Stop::Canceled);
        }
        if parts.blocking_send(Part::Body(Bytes::from(part))).is_err() {
            return Err(Stop::Unheard);
        }
    }
}

/// Gives the last line that a client said, without what could disturb a terminal.
fn last_line(text: &str) -> String {
    let line = text.lines().rev().find(|line| !line.trim().is_empty());
    let line = line.unwrap_or("the ssh client did not say why").trim();
    line.chars()
        .filter(|each| !each.is_control())
        .take(300)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(endpoint: &str, user: Option<&str>, key: Option<&str>) -> Result<Host, &'static str> {
        let entry = Entry {
            endpoint: endpoint.to_owned(),
            command: "cat /data".to_owned(),
            publickey: key.map(str::to_owned),
            mandatory: false,
            username: user.map(str::to_owned),
        };
        Host::new(entry, 3)
    }

    #[test]
    fn hosts_are_read() {
        let host = entry("db.example.com", None, None).expect("a host");
        assert_eq!(
            (host.name.as_str(), host.port, host.user.as_str()),
            ("db.example.com", 22, "redshift")
        );
        assert_eq!(&*host.url, "ssh://redshift@db.example.com/3");
        let host = entry("10.0.0.1:2222", Some("me"), None).expect("a host");
        assert_eq!((host.name.as_str(), host.port), ("10.0.0.1", 2222));
        assert_eq!(
            entry("fd00::1", None, None).expect("a host").name,
            "fd00::1"
        );
        for wrong in ["-oProxyCommand=id", "a b", "a;b", "", "h:x", "$(id)"] {
            assert!(entry(wrong, None, None).is_err(), "{wrong}");
        }
        assert!(entry("h", Some("-oProxyCommand=id"), None).is_err());
        assert!(entry("h", Some("a b"), None).is_err());
    }

    #[test]
    fn a_key_tells_its_kind() {
        let text = BASE64_STANDARD.encode(b"\0\0\0\x0bssh-ed25519\0\0\0\x04four");
        for line in [text.clone(), format!("ssh-ed25519 {text} root@host")] {
            let host = entry("h", None, Some(&line)).expect("a host");
            assert_eq!(host.key, Some(("ssh-ed25519".to_owned(), text.clone())));
        }
        let evil = BASE64_STANDARD.encode(b"\0\0\0\x04a b;\0\0\0\x04four");
        for wrong in ["AAAA", "not base64!", evil.as_str()] {
            assert!(entry("h", None, Some(wrong)).is_err(), "{wrong}");
        }
        assert!(entry("h", None, Some(" ")).expect("a host").key.is_none());
    }

    #[test]
    fn the_client_reads_nothing_of_its_own_and_takes_no_option_from_a_manifest() {
        let connection = Connection {
            host: entry("h", None, None).expect("a host"),
            reach: Reach::default(),
            key: PathBuf::from("/key"),
            connected: Arc::default(),
            canceled: Arc::default(),
        };
        let command = connection.command(SocketAddr::from(([8, 8, 8, 8], 22)));
        let shown: Vec<_> = command
            .get_args()
            .map(|argument| argument.to_string_lossy())
            .collect();
        assert!(shown.contains(&"HostName=8.8.8.8".into()));
        assert_eq!(
            shown.get(shown.len() - 3..),
            Some(["--".into(), "h".into(), "cat /data".into()].as_slice())
        );
    }
}
