//! From an accepted socket to a session: encryption, start-up message, password.

use crate::access::{md5, scram};
use crate::error::sqlstate::{self, Report};
use crate::history::connection::{ConnectionFacts, Happening};
use crate::history::now_us;
use crate::protocol::connection::{Connection, Socket};
use crate::protocol::frame::{self, Message};
use crate::protocol::{Shared, reply};
use crate::session::{LoginFacts, Session};
use blueshift_sql::SqlState;
use bytes::{Buf, Bytes, BytesMut};
use pgwire::api::auth::sasl::scram::ScramServerAuth;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Characters of a client's word about itself that are kept.
const FACT_CHARACTERS_MAX: usize = 250;
/// The largest start-up message, as in PostgreSQL.
const STARTUP_BYTES_MAX: usize = 10_000;
/// The largest message before the password was checked.
const PASSWORD_BYTES_MAX: usize = 10_000;
const CODE_CANCEL: u32 = 1234 << 16 | 5678;
const CODE_TLS: u32 = 1234 << 16 | 5679;
const CODE_GSS: u32 = 1234 << 16 | 5680;
/// The first byte of a TLS handshake.
const TLS_HANDSHAKE: u8 = 0x16;
/// How Redshift's Python driver begins its version.
const PYTHON_DRIVER: &str = "Redshift Python Driver";
const MECHANISM: &str = "SCRAM-SHA-256";
const MECHANISM_BOUND: &str = "SCRAM-SHA-256-PLUS";

/// Why there will be no session.
pub(super) enum Refused {
    /// The client went, or only had something to cancel.
    Gone,
    /// What it sent is not the protocol; said in the log, at debug.
    Garbage(String),
    /// It was told.
    Told(Report),
}

impl From<std::io::Error> for Refused {
    fn from(error: std::io::Error) -> Self {
        Refused::Garbage(error.to_string())
    }
}

/// The start-up message.
struct Startup {
    minor: u16,
    parameters: Vec<(String, String)>,
    /// Options of the protocol that are unknown here.
    unknown: Vec<String>,
}

/// Takes a socket to the point where queries may come.
pub(super) async fn start(
    socket: TcpStream,
    peer: SocketAddr,
    shared: &Arc<Shared>,
) -> Result<Connection, Refused> {
    let (mut connection, encrypted, startup) = negotiate(socket, shared).await?;
    let facts = Arc::new(facts(peer, encrypted, &startup));
    let history = &shared.server.history;
    match log_in(&mut connection, &facts, startup, shared).await {
        Ok(()) => Ok(connection),
        Err(Refused::Told(report)) => {
            history.connection(Happening::Failed, 0, &facts);
            reply::error(&mut connection.output, "FATAL", &report);
            connection.flush().await?;
            Err(Refused::Told(report))
        }
        Err(other) => Err(other),
    }
}

/// Answers requests for encryption until the start-up message comes.
async fn negotiate(
    mut tcp: TcpStream,
    shared: &Arc<Shared>,
) -> Result<(Connection, bool, Startup), Refused> {
    let mut first = [0_u8; 1];
    if tcp.peek(&mut first).await? == 0 {
        return Err(Refused::Gone);
    }
    let mut encrypted = first == [TLS_HANDSHAKE];
    let mut socket: Box<dyn Socket> = if encrypted {
        Box::new(shared.tls.accept(tcp).await?)
    } else {
        loop {
            // Bytes are read exactly, so that nothing sent before the handshake is taken for encrypted.
            match read_startup(&mut tcp).await? {
                (CODE_TLS, _) => {
                    tcp.write_all(b"S").await?;
                    encrypted = true;
                    break Box::new(shared.tls.accept(tcp).await?);
                }
                (CODE_GSS, _) => tcp.write_all(b"N").await?,
                (code, body) => return finish(Box::new(tcp), code, body, false, shared).await,
            }
        }
    };
    let (code, body) = read_startup(&mut socket).await?;
    finish(socket, code, body, encrypted, shared).await
}

async fn finish(
    socket: Box<dyn Socket>,
    code: u32,
    body: Bytes,
    encrypted: bool,
    shared: &Arc<Shared>,
) -> Result<(Connection, bool, Startup), Refused> {
    if code == CODE_CANCEL {
        let mut body = body;
        if let Ok(pid) = body.try_get_i32() {
            shared.registry.cancel(pid, &body);
        }
        return Err(Refused::Gone);
    }
    let (major, minor) = ((code >> 16) as u16, (code & 0xffff) as u16);
    let mut connection = Connection::new(socket, shared.clone());
    if major != 3 {
        if major > 9 {
            return Err(Refused::Garbage(format!(
                "start-up code {code:#x} is no protocol version"
            )));
        }
        let report = Report::new(
            SqlState::FEATURE_NOT_SUPPORTED,
            format!("unsupported frontend protocol {major}.{minor}: server supports 3.0 to 3.2"),
        );
        reply::error(&mut connection.output, "FATAL", &report);
        connection.flush().await?;
        return Err(Refused::Told(report));
    }
    let Some(startup) = parse(minor, &body) else {
        return Err(Refused::Garbage("invalid start-up packet layout".into()));
    };
    Ok((connection, encrypted, startup))
}

/// Reads a message without a kind: length, code, body.
async fn read_startup(
    socket: &mut (impl AsyncReadExt + Unpin + ?Sized),
) -> Result<(u32, Bytes), Refused> {
    let length = socket.read_u32().await? as usize;
    if !(8..=STARTUP_BYTES_MAX).contains(&length) {
        return Err(Refused::Garbage(format!(
            "invalid length of start-up packet {length}"
        )));
    }
    let code = socket.read_u32().await?;
    let mut body = vec![0; length - 8];
    socket.read_exact(&mut body).await?;
    Ok((code, body.into()))
}

/// Reads names and values; any name is accepted, as Redshift does.
fn parse(minor: u16, body: &[u8]) -> Option<Startup> {
    let text = std::str::from_utf8(body).ok()?;
    let mut words = text.split('\0');
    let (mut parameters, mut unknown) = (Vec::new(), Vec::new());
    loop {
        match words.next()? {
            "" => break,
            name if name.starts_with("_pq_.") => {
                unknown.push(name.to_string());
                words.next()?;
            }
            name => parameters.push((name.to_ascii_lowercase(), words.next()?.to_string())),
        }
    }
    Some(Startup {
        minor,
        parameters,
        unknown,
    })
}

/// Reads `-c name=value` and `--name=value`, as the start-up parameter `options` holds them: words parted by blanks, a
/// backslash before a blank that belongs to a word. The error is the word that is no option.
fn options(text: &str) -> Result<Vec<(String, String)>, String> {
    let (mut words, mut word, mut escaped) = (Vec::new(), String::new(), false);
    for character in text.chars() {
        match character {
            '\\' if !escaped => escaped = true,
            blank if blank.is_whitespace() && !escaped => {
                words.push(std::mem::take(&mut word));
            }
            other => {
                word.push(other);
                escaped = false;
            }
        }
    }
    words.push(word);
    let mut words = words.into_iter().filter(|word| !word.is_empty());
    let mut options = Vec::new();
    while let Some(word) = words.next() {
        let setting = match (word.strip_prefix("--"), word.strip_prefix("-c")) {
            (Some(setting), _) => setting.replace('-', "_"),
            (None, Some("")) => words.next().unwrap_or_default(),
            (None, Some(setting)) => setting.to_string(),
            (None, None) => return Err(word),
        };
        match setting.split_once('=') {
            Some((name, value)) => options.push((name.to_string(), value.to_string())),
            None => return Err(word),
        }
    }
    Ok(options)
}

/// Gathers what STL_CONNECTION_LOG tells of a connection.
fn facts(peer: SocketAddr, is_encrypted: bool, startup: &Startup) -> ConnectionFacts {
    let find = |name: &str| {
        let mut found = startup.parameters.iter();
        let found = found.find(|(key, _)| key == name);
        found.map_or_else(String::new, |(_, value)| {
            value.chars().take(FACT_CHARACTERS_MAX).collect()
        })
    };
    let user = find("user");
    let database = match find("database") {
        unnamed if unnamed.is_empty() => user.clone(),
        named => named,
    };
    ConnectionFacts {
        peer: Some(peer),
        database,
        user,
        is_encrypted,
        application_name: find("application_name"),
        driver_version: find("driver_version"),
        os_version: find("os_version"),
        plugin_name: find("plugin_name"),
        protocol_minor: startup.minor,
        begun_us: now_us(),
    }
}

async fn log_in(
    connection: &mut Connection,
    facts: &Arc<ConnectionFacts>,
    startup: Startup,
    shared: &Arc<Shared>,
) -> Result<(), Refused> {
    let encrypted = facts.is_encrypted;
    let find = |name: &str| {
        startup
            .parameters
            .iter()
            .find(|(key, value)| key == name && !value.is_empty())
            .map(|(_, value)| value.clone())
    };
    let told = |code, text: String| Refused::Told(Report::new(code, text));
    let Some(user) = find("user") else {
        return Err(told(
            SqlState::INVALID_AUTHORIZATION,
            "no PostgreSQL user name specified in startup packet".into(),
        ));
    };
    let host = facts.peer.map(|peer| peer.ip().to_canonical());
    let is_near = host.is_some_and(|host| host.is_loopback());
    if !encrypted && !shared.insecure && !is_near {
        let host = host.map(|host| host.to_string()).unwrap_or_default();
        let report = Report::new(
            SqlState::INVALID_AUTHORIZATION,
            format!("no encryption: host \"{host}\", user \"{user}\""),
        );
        return Err(Refused::Told(report.with_hint(
            "Connect with sslmode=require, or start the server with --insecure on a network you trust.",
        )));
    }
    if startup.minor > 2 || !startup.unknown.is_empty() {
        reply::negotiate(&mut connection.output, &startup.unknown);
    }
    let Ok(place) = shared.places.clone().try_acquire_owned() else {
        return Err(told(
            SqlState::TOO_MANY_CONNECTIONS,
            "sorry, too many clients already".into(),
        ));
    };
    // Redshift's Python driver takes the zero at the end of the list of mechanisms for one more without a name.
    let has_end = !find("driver_version").is_some_and(|driver| driver.starts_with(PYTHON_DRIVER));
    check_password(connection, &user, encrypted && has_end, has_end, shared).await?;
    let admission = shared.registry.admit(startup.minor.min(2));
    let options = match find("options").map_or(Ok(Vec::new()), |text| options(&text)) {
        Ok(options) => options,
        Err(word) => {
            return Err(told(
                SqlState::SYNTAX_ERROR,
                format!("invalid command-line argument for server process: {word}"),
            ));
        }
    };
    let login = LoginFacts {
        options,
        database: find("database").unwrap_or_else(|| user.clone()),
        user,
        parameters: startup.parameters,
        peer: facts.peer,
        pid: admission.pid,
        connection: Some(Arc::clone(facts)),
    };
    let server = shared.server.clone();
    let opened = tokio::task::spawn_blocking(move || Session::open(server, login)).await;
    let session = match opened {
        Ok(Ok(session)) => session,
        Ok(Err(error)) => return Err(Refused::Told(sqlstate::report(&error))),
        Err(_) => return Err(Refused::Told(sqlstate::panicked())),
    };
    let history = &shared.server.history;
    history.connection(Happening::Authenticated, admission.pid, facts);
    connection.begin(session, admission, place);
    connection.flush().await?;
    Ok(())
}

/// Speaks SCRAM-SHA-256, bound to the TLS channel if there is one, or md5 where the server takes that and nothing
/// better is known of the password. All failures look alike.
async fn check_password(
    connection: &mut Connection,
    user: &str,
    may_bind: bool,
    has_end: bool,
    shared: &Arc<Shared>,
) -> Result<(), Refused> {
    let wrong = || {
        Refused::Told(Report::new(
            SqlState::INVALID_PASSWORD,
            format!("password authentication failed for user \"{user}\""),
        ))
    };
    let verifier = match shared.server.user(user) {
        // A password that is no longer valid is as good as none.
        Ok(found) => found
            .filter(|user| user.valid_until_us.is_none_or(|until| now_us() < until))
            .and_then(|user| user.verifier.clone()),
        Err(error) => return Err(Refused::Told(sqlstate::report(&error))),
    };
    let secret = match verifier {
        Some(digest) if md5::is_digest(&digest) && shared.server.md5 => {
            let salt = rand::random();
            reply::md5(&mut connection.output, salt);
            let answer = read_password(connection).await?;
            let answer = answer.strip_suffix(&[0]).ok_or_else(wrong)?;
            return match md5::answers(&digest, salt, answer) {
                true => Ok(()),
                false => Err(wrong()),
            };
        }
        // The server no longer takes it.
        Some(digest) if md5::is_digest(&digest) => scram::mock(user, &shared.mock_key),
        Some(verifier) => {
            scram::parse(&verifier).map_err(|error| Refused::Told(sqlstate::report(&error)))?
        }
        None => scram::mock(user, &shared.mock_key),
    };
    let bound = if may_bind {
        shared.scram_bound.clone()
    } else {
        None
    };
    let offered = match &bound {
        Some(_) => &[MECHANISM_BOUND, MECHANISM][..],
        None => &[MECHANISM][..],
    };
    let auth = bound.unwrap_or_else(ScramServerAuth::new);
    reply::sasl(&mut connection.output, offered, has_end);
    let mut first = read_password(connection).await?;
    let name_end = first.iter().position(|byte| *byte == 0).ok_or_else(wrong)?;
    let name = first.split_to(name_end);
    let chosen = offered
        .iter()
        .any(|mechanism| mechanism.as_bytes() == &name[..]);
    first.advance(1);
    let length = first.try_get_i32().map_err(|_| wrong())?;
    if !chosen || usize::try_from(length) != Ok(first.len()) {
        return Err(wrong());
    }
    let (server_first, waiting) = auth
        .on_client_first_message_with_secret(&first, secret)
        .map_err(|_| wrong())?;
    reply::sasl_continue(&mut connection.output, &server_first);
    let last = read_password(connection).await?;
    let server_final = waiting
        .on_client_final_message(&last)
        .map_err(|_| wrong())?;
    reply::sasl_final(&mut connection.output, &server_final);
    Ok(())
}

async fn read_password(connection: &mut Connection) -> Result<Bytes, Refused> {
    connection.flush().await?;
    match connection.read(PASSWORD_BYTES_MAX).await? {
        None | Some(Ok(Message::Terminate)) => Err(Refused::Gone),
        Some(Ok(Message::Password(bytes))) => Ok(bytes),
        Some(Ok(_)) => Err(Refused::Told(Report::new(
            SqlState::PROTOCOL_VIOLATION,
            "expected SASL response",
        ))),
        Some(Err(violation)) => Err(Refused::Garbage(violation.to_string())),
    }
}

/// Reads the next message of a buffer that grows from the socket.
pub(super) async fn read_message(
    socket: &mut Box<dyn Socket>,
    input: &mut BytesMut,
    bytes_max: usize,
) -> std::io::Result<Option<Result<Message, frame::Violation>>> {
    loop {
        match frame::next(input, bytes_max) {
            Ok(Some(message)) => return Ok(Some(Ok(message))),
            Err(violation) => return Ok(Some(Err(violation))),
            Ok(None) => {
                input.reserve(8 << 10);
                if socket.read_buf(input).await? == 0 {
                    return Ok(None);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_settings_in_words() {
        let check = |text: &str, expected: &[(&str, &str)]| {
            let expected: Vec<_> = expected
                .iter()
                .map(|(name, value)| ((*name).to_string(), (*value).to_string()))
                .collect();
            assert_eq!(options(text), Ok(expected), "{text}");
        };
        check("", &[]);
        check("-c a=1  -cb=2", &[("a", "1"), ("b", "2")]);
        check("--statement-timeout=5", &[("statement_timeout", "5")]);
        check("-c a=x\\ y\\\\", &[("a", "x y\\")]);
        assert_eq!(options("-x 1"), Err("-x".to_string()));
        assert_eq!(options("-c a"), Err("-c".to_string()));
    }

    #[test]
    fn start_up_parameters_of_any_name_are_kept() {
        let startup = parse(0, b"user\0u\0Driver_Version\0x\0_pq_.new\0y\0\0").unwrap();
        assert_eq!(
            startup.parameters,
            [
                ("user".to_string(), "u".to_string()),
                ("driver_version".into(), "x".into())
            ]
        );
        assert_eq!(startup.unknown, ["_pq_.new"]);
        for body in [&b"user"[..], b"user\0u", b"\xff\0"] {
            assert!(parse(0, body).is_none(), "{body:?}");
        }
    }
}
