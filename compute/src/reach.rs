//! What this server may connect to for its users: every public address, and of the others those that the operator lists.
//!
//! Addresses are checked when a connection is made, never names when they are given: what a name stands for changes, and
//! whoever owns it may let it stand for an address of this network. Everything that connects for a user comes by here:
//! clients of object stores, catalogs, databases.

use crate::error::{Error, Result};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use tokio::net::TcpStream;

/// Loopback, link-local and private addresses that may be reached all the same.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    listed: Vec<Listed>,
}

/// An entry of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Listed {
    host: Host,
    /// Every port if `None`.
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    /// Whatever the name stands for; in lower case.
    Name(String),
    /// The addresses whose first bits are those of this one.
    Network(IpAddr, u8),
}

/// A place that may not be reached. Tells the name it was asked for by, not what that stands for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{host}\" has a loopback, link-local or private address, which may not be reached")]
pub struct Refused {
    host: String,
    port: u16,
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        let Refused { host, port } = &refused;
        let host = match host.contains(':') {
            true => format!("[{host}]"),
            false => host.clone(),
        };
        Error::SourceNotAllowed {
            message: refused.to_string(),
            hint: format!("Start the server with --reach {host}:{port} if it should be."),
        }
    }
}

impl Reach {
    /// Reads a list: `host`, `host:port`, `address`, `address:port`, `[address]:port`, `network/bits`. Gives the entry that
    /// is none of these.
    pub fn new<'a>(entries: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let listed = entries
            .into_iter()
            .map(|entry| Listed::parse(entry.trim()).ok_or_else(|| entry.to_owned()));
        Ok(Self {
            listed: listed.collect::<Result<_, String>>()?,
        })
    }

    /// Lists the host and port of a URL too: what the operator configured may be reached. A text that is no URL lists
    /// nothing.
    pub fn with_url(mut self, url: &str) -> Self {
        let url = url::Url::parse(url).ok();
        let entry = url.and_then(|url| {
            let port = url.port_or_known_default();
            let host = match url.host()? {
                url::Host::Domain(name) => Host::Name(name.to_lowercase()),
                url::Host::Ipv4(address) => Host::Network(address.into(), 32),
                url::Host::Ipv6(address) => Host::of_address(address.into()),
            };
            Some(Listed { host, port })
        });
        self.listed.extend(entry);
        self
    }

    /// Checks one address that a host stands for.
    pub fn check(&self, host: &str, address: SocketAddr) -> Result<(), Refused> {
        let ip = canonical(address.ip());
        let is_listed = || {
            self.listed.iter().any(|listed| {
                let is_host = match &listed.host {
                    Host::Name(name) => *name == plain(host),
                    Host::Network(network, bits) => is_within(ip, *network, *bits),
                };
                is_host && listed.port.is_none_or(|port| port == address.port())
            })
        };
        match is_public(ip) || is_listed() {
            true => Ok(()),
            false => Err(Refused {
                host: plain(host),
                port: address.port(),
            }),
        }
    }

    /// Keeps the addresses that may be reached. None of several is an error, as is none at all.
    pub fn allowed(
        &self,
        host: &str,
        found: impl IntoIterator<Item = SocketAddr>,
    ) -> Result<Vec<SocketAddr>> {
        let mut refused = None;
        let mut allowed = Vec::new();
        for address in found {
            match self.check(host, address) {
                Ok(()) => allowed.push(address),
                Err(error) => refused = Some(error),
            }
        }
        match (allowed.is_empty(), refused) {
            (false, _) => Ok(allowed),
            (true, Some(refused)) => Err(refused.into()),
            (true, None) => Err(unreachable(host, "the name has no address")),
        }
    }

    /// Resolves a host, a name or an address, and gives its addresses that may be reached. Whoever uses them must connect
    /// to these, and not resolve the name again.
    pub async fn addresses(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>> {
        let name = plain(host);
        let found = tokio::net::lookup_host((name.as_str(), port)).await;
        let found = found.map_err(|error| unreachable(host, &error.to_string()))?;
        self.allowed(host, found)
    }

    /// Connects to a host within a time, if it may be reached.
    pub async fn connect(&self, host: &str, port: u16, within: Duration) -> Result<TcpStream> {
        let connect = async {
            let addresses = self.addresses(host, port).await?;
            let stream = TcpStream::connect(addresses.as_slice()).await;
            stream.map_err(|error| unreachable(host, &error.to_string()))
        };
        match tokio::time::timeout(within, connect).await {
            Ok(connected) => connected,
            Err(_) => Err(unreachable(
                host,
                &format!("no answer in {} s", within.as_secs()),
            )),
        }
    }
}

fn unreachable(host: &str, reason: &str) -> Error {
    Error::Sql(blueshift_sql::Error::new(
        blueshift_sql::SqlState::IO_ERROR,
        format!("could not connect to \"{}\": {reason}", plain(host)),
    ))
}

/// Gives a host without the brackets of an address and the dot that may end a name, in lower case.
fn plain(host: &str) -> String {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.trim_end_matches('.').to_lowercase()
}

impl Listed {
    fn parse(text: &str) -> Option<Self> {
        if let Some((network, bits)) = text.split_once('/') {
            let network: IpAddr = network.parse().ok()?;
            let bits: u8 = bits.parse().ok()?;
            let bits_max = if network.is_ipv4() { 32 } else { 128 };
            let host = Host::Network(network, bits);
            return (bits <= bits_max).then_some(Self { host, port: None });
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            let host = Host::of_address(address);
            return Some(Self { host, port: None });
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse().ok()?)),
            None => (text, None),
        };
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let host = match bare.parse::<IpAddr>() {
            Ok(address) => Host::of_address(address),
            Err(_) => Host::Name(plain(host)),
        };
        let is_name = |name: &str| {
            let known = |each: char| each.is_ascii_alphanumeric() || "-_.".contains(each);
            !name.is_empty() && name.chars().all(known)
        };
        match &host {
            Host::Name(name) if !is_name(name) => None,
            _ => Some(Self { host, port }),
        }
    }
}

impl Host {
    fn of_address(address: IpAddr) -> Self {
        let address = canonical(address);
        let bits = if address.is_ipv4() { 32 } else { 128 };
        Self::Network(address, bits)
    }
}

/// Gives the IPv4 address that an IPv6 address carries a packet to, or the address itself.
fn canonical(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else {
        return address;
    };
    let carried = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    match v6.segments() {
        // ::1 and :: are addresses of their own.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => address,
        // Mapped, compatible, and those of a translator (NAT64).
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            carried(high, low)
        }
        // 6to4.
        [0x2002, high, low, ..] => carried(high, low),
        _ => address,
    }
}

fn is_within(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    let bits = u32::from(bits);
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            let differ = u32::from(address) ^ u32::from(network);
            differ.checked_shr(32 - bits.min(32)).unwrap_or(0) == 0
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            let differ = u128::from(address) ^ u128::from(network);
            differ.checked_shr(128 - bits.min(128)).unwrap_or(0) == 0
        }
        _ => false,
    }
}

/// Networks of IPv4 that are not the internet's: this host, private, carriers', loopback, link-local, protocols',
/// benchmarks', multicast, reserved and broadcast.
const NOT_PUBLIC_V4: [(Ipv4Addr, u8); 11] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// The same of IPv6: unspecified and loopback, local translators, Teredo, private, link-local, site-local, multicast.
const NOT_PUBLIC_V6: [(Ipv6Addr, u8); 8] = [
    (Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0, 0), 96),
    (Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48),
    (Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 0), 64),
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7),
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10),
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10),
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8),
];

/// Tells whether an address, in its canonical form, is one of the internet.
fn is_public(address: IpAddr) -> bool {
    let within = |network: IpAddr, bits| is_within(address, network, bits);
    !NOT_PUBLIC_V4
        .iter()
        .any(|(network, bits)| within(IpAddr::V4(*network), *bits))
        && !NOT_PUBLIC_V6
            .iter()
            .any(|(network, bits)| within(IpAddr::V6(*network), *bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(entries: &[&str]) -> Reach {
        Reach::new(entries.iter().copied()).expect("a list")
    }

    fn is_allowed(reach: &Reach, host: &str, address: &str) -> bool {
        reach
            .check(host, address.parse().expect("an address"))
            .is_ok()
    }

    #[test]
    fn only_public_addresses_are_reached_unless_listed() {
        let none = Reach::default();
        for public in [
            "8.8.8.8:443",
            "52.216.1.1:443",
            "172.15.0.1:1",
            "172.32.0.1:1",
            "[2600:1f18::1]:443",
            "[::ffff:8.8.8.8]:443",
        ] {
            assert!(is_allowed(&none, "x", public), "{public}");
        }
        for private in [
            "127.0.0.1:80",
            "127.255.0.1:80",
            "0.0.0.0:80",
            "10.1.2.3:80",
            "172.16.0.1:80",
            "172.31.255.255:80",
            "192.168.1.1:80",
            "169.254.169.254:80",
            "100.64.0.1:80",
            "224.0.0.1:80",
            "255.255.255.255:80",
            "[::1]:80",
            "[::]:80",
            "[fc00::1]:80",
            "[fd00:ec2::254]:80",
            "[fe80::1]:80",
            "[ff02::1]:80",
            "[::ffff:127.0.0.1]:80",
            "[::ffff:10.0.0.1]:80",
            "[::7f00:1]:80",
            "[64:ff9b::a9fe:a9fe]:80",
            "[2002:7f00:1::]:80",
            "[2001:0:1::1]:80",
        ] {
            assert!(!is_allowed(&none, "x", private), "{private}");
        }
    }

    #[test]
    fn a_list_names_hosts_networks_and_ports() {
        let some = reach(&[
            "10.0.0.5:9000",
            "192.168.0.0/16",
            "Store.internal.:9000",
            "fd00::/8",
            "[::1]:5432",
            "db",
        ]);
        assert!(is_allowed(&some, "x", "10.0.0.5:9000"));
        assert!(is_allowed(&some, "x", "[::ffff:10.0.0.5]:9000"));
        assert!(!is_allowed(&some, "x", "10.0.0.5:9001"));
        assert!(is_allowed(&some, "x", "192.168.77.1:1"));
        assert!(is_allowed(&some, "store.internal", "10.9.9.9:9000"));
        assert!(is_allowed(&some, "STORE.internal.", "10.9.9.9:9000"));
        assert!(!is_allowed(&some, "store.internal", "10.9.9.9:22"));
        assert!(!is_allowed(&some, "other.internal", "10.9.9.9:9000"));
        assert!(is_allowed(&some, "x", "[fd12::1]:1"));
        assert!(is_allowed(&some, "x", "[::1]:5432"));
        assert!(is_allowed(&some, "db", "127.0.0.1:5432"));
        let all = reach(&["0.0.0.0/0", "::/0"]);
        assert!(is_allowed(&all, "x", "127.0.0.1:1") && is_allowed(&all, "x", "[::1]:1"));
        for wrong in ["", "10.0.0.0/33", "x/8", "a b", "host:port", "http://x"] {
            assert_eq!(Reach::new([wrong]).err().as_deref(), Some(wrong));
        }
    }

    #[test]
    fn what_the_operator_configured_is_listed() {
        let some = Reach::default()
            .with_url("http://127.0.0.1:9000")
            .with_url("https://store.local/x");
        assert!(is_allowed(&some, "127.0.0.1", "127.0.0.1:9000"));
        assert!(!is_allowed(&some, "127.0.0.1", "127.0.0.1:9001"));
        assert!(is_allowed(&some, "store.local", "10.0.0.1:443"));
        assert!(!is_allowed(&some, "store.local", "10.0.0.1:80"));
    }

    #[tokio::test]
    async fn a_name_is_checked_by_what_it_stands_for() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
        let port = listener
            .as_ref()
            .expect("a port")
            .local_addr()
            .expect("it")
            .port();
        let within = Duration::from_secs(5);
        for host in ["localhost", "127.0.0.1", "127.1", "0"] {
            let refused = Reach::default().connect(host, port, within).await;
            let error = refused.err().map(|error| error.to_string());
            let error = error.unwrap_or_default();
            assert!(error.contains("may not be reached"), "{host}: {error}");
        }
        let listed = reach(&[&format!("127.0.0.1:{port}")]);
        assert!(listed.connect("127.0.0.1", port, within).await.is_ok());
        // Of several addresses those that are listed are used.
        assert!(listed.connect("localhost", port, within).await.is_ok());
    }

    #[test]
    fn an_error_tells_the_name_and_what_to_do() {
        let error =
            Reach::default().allowed("db.example.com", ["10.0.0.1:5432".parse().expect("")]);
        let Err(Error::SourceNotAllowed { message, hint }) = error else {
            panic!("{error:?}")
        };
        assert!(message.contains("db.example.com") && !message.contains("10.0.0.1"));
        assert!(hint.contains("--reach db.example.com:5432"));
    }
}
