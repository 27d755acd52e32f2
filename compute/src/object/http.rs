//! The HTTP client of object stores: one for all statements, so that connections are used again.
//!
//! It connects to what the operator allows and nowhere else, follows no redirect, and knows no proxy. An answer that is not
//! too large is read whole here: what breaks off halfway, or stops coming, is a failed request like any other, and is tried
//! again where all are.

use super::request::{Request, RequestLog, now_us, slice};
use crate::error::Error;
use crate::reach::Reach;
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use object_store::client::{
    ClientConfigKey, HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest,
    HttpResponse, HttpResponseBody, HttpService,
};
use object_store::{BackoffConfig, ClientOptions, RetryConfig};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{CONTENT_RANGE, HeaderMap, RANGE};
use reqwest::{Body, Client, Response, StatusCode, Url, redirect};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Answers so large are read whole before they are given on; larger ones, that only whole objects can be, as they come.
const WHOLE_BYTES_MAX: u64 = 64 << 20;
/// Connecting may take so long.
const CONNECT: Duration = Duration::from_secs(10);
/// A server that says nothing for so long is asked again, if nothing else is configured.
const STALL: Duration = Duration::from_secs(20);
/// What is sent goes at least so fast.
const SENT_BYTES_PER_S: u64 = 1 << 20;
/// Connections that wait for the next request, of each host.
const IDLE_MAX: usize = 32;
/// How long they wait; stores close theirs a little later.
const IDLE: Duration = Duration::from_secs(15);
/// Ports that a client is kept for: there are as many as there are endpoints.
const CLIENTS_MAX: usize = 64;

/// What is worth another try, whether or not the request was carried out: all of ours do the same when they are carried out
/// twice. Where an upload is ended twice the second end finds none, which is looked at there.
const AGAIN: HttpErrorKind = HttpErrorKind::Request;

/// Tells how often a request is tried, and how long between: some 10 times in some 20 s, never after a minute.
pub(super) fn retries() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(50),
            max_backoff: Duration::from_secs(5),
            base: 2.0,
        },
        max_retries: 10,
        retry_timeout: Duration::from_secs(60),
    }
}

/// Clients by port, made when they are needed: whether an address may be reached depends on the port too, and a resolver of
/// names is not told it.
#[derive(Debug)]
pub(super) struct Clients {
    reach: Reach,
    stall: Duration,
    by_port: Mutex<BTreeMap<u16, Client>>,
}

impl Clients {
    pub(super) fn new(reach: Reach, stall: Option<Duration>) -> Self {
        Self {
            reach,
            stall: stall.unwrap_or(STALL),
            by_port: Mutex::default(),
        }
    }

    fn of_port(&self, port: u16) -> Result<Client, HttpError> {
        let mut by_port = self.by_port.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = by_port.get(&port) {
            return Ok(client.clone());
        }
        let resolver = CheckedResolver {
            reach: self.reach.clone(),
            port,
        };
        let client = Client::builder()
            .dns_resolver(Arc::new(resolver))
            .redirect(redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT)
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_MAX)
            .user_agent(concat!("blueshift/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| HttpError::new(HttpErrorKind::Unknown, error))?;
        if by_port.len() >= CLIENTS_MAX {
            by_port.clear();
        }
        by_port.insert(port, client.clone());
        Ok(client)
    }
}

/// Resolves names and leaves out the addresses that may not be reached.
#[derive(Debug)]
struct CheckedResolver {
    reach: Reach,
    port: u16,
}

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (reach, port) = (self.reach.clone(), self.port);
        Box::pin(async move {
            let addresses = reach.addresses(name.as_str(), port).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// Makes the clients of one bucket.
#[derive(Debug)]
pub(super) struct Connector {
    pub(super) clients: Arc<Clients>,
    /// The bucket's name, for the log of requests.
    pub(super) bucket: Arc<str>,
    /// Where requests are noted.
    pub(super) log: Option<Arc<RequestLog>>,
}

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let allows_http = options.get_config_value(&ClientConfigKey::AllowHttp);
        Ok(HttpClient::new(Service {
            clients: Arc::clone(&self.clients),
            bucket: Arc::clone(&self.bucket),
            log: self.log.clone(),
            allows_http: allows_http.as_deref() == Some("true"),
        }))
    }
}

#[derive(Debug)]
struct Service {
    clients: Arc<Clients>,
    bucket: Arc<str>,
    log: Option<Arc<RequestLog>>,
    allows_http: bool,
}

#[async_trait]
impl HttpService for Service {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let started_us = now_us();
        let (parts, body) = request.into_parts();
        let sent_bytes = body.content_length() as u64;
        let unknown = |error: url::ParseError| HttpError::new(HttpErrorKind::Unknown, error);
        let url: Url = parts.uri.to_string().parse().map_err(unknown)?;
        let client = self.client(&url)?;
        let noted = self.log.as_ref().and_then(|_| {
            let range = parts
                .headers
                .get(RANGE)
                .and_then(|range| range.to_str().ok());
            Request::of(parts.method.as_str(), &url, &self.bucket, range)
        });
        let mut sent = reqwest::Request::new(parts.method, url);
        *sent.headers_mut() = parts.headers;
        *sent.body_mut() = Some(match body.as_bytes() {
            Some(bytes) => Body::from(bytes.clone()),
            None => Body::wrap(body),
        });
        let mut seen = Seen {
            sent_bytes,
            ..Seen::default()
        };
        let outcome = self.answer(&client, sent, &mut seen).await;
        if let (Some(log), Some(noted)) = (&self.log, noted) {
            log.add(Request {
                slice: slice(),
                started_us,
                ended_us: now_us(),
                transfer_bytes: match noted.method.as_str() {
                    "GET" | "HEAD" => seen.bytes,
                    _ => seen.sent_bytes,
                },
                request_id: seen.request_id,
                extended_request_id: seen.extended_request_id,
                ip_address: seen.address.map(|ip| ip.to_string()).unwrap_or_default(),
                error: match &outcome {
                    Err(error) => Some(super::reason_of(error)),
                    Ok(_) => seen.error,
                },
                ..noted
            });
        }
        outcome
    }
}

/// What is known of an answer, as far as it came.
#[derive(Default)]
struct Seen {
    /// Bytes of the request.
    sent_bytes: u64,
    /// Bytes of the answer.
    bytes: u64,
    address: Option<IpAddr>,
    request_id: String,
    extended_request_id: String,
    /// What the server said was wrong.
    error: Option<String>,
}

impl Service {
    /// Checks where a request goes, as far as its URL tells. A name is checked when it is resolved.
    fn client(&self, url: &Url) -> Result<Client, HttpError> {
        let port = url.port_or_known_default().unwrap_or(0);
        let ip: Option<IpAddr> = match url.host() {
            Some(url::Host::Ipv4(address)) => Some(address.into()),
            Some(url::Host::Ipv6(address)) => Some(address.into()),
            _ => None,
        };
        if let Some(ip) = ip {
            let host = url.host_str().unwrap_or_default();
            let checked = self.clients.reach.check(host, SocketAddr::new(ip, port));
            checked.map_err(|refused| refuse(refused.into()))?;
        }
        match url.scheme() {
            "https" => {}
            "http" if self.allows_http => {}
            _ => {
                return Err(refuse(Error::SourceNotAllowed {
                    message: "a store may not be reached without TLS".to_owned(),
                    hint: "Name its endpoint with http:// in the options of the server.".to_owned(),
                }));
            }
        }
        self.clients.of_port(port)
    }

    async fn answer(
        &self,
        client: &Client,
        request: reqwest::Request,
        seen: &mut Seen,
    ) -> Result<HttpResponse, HttpError> {
        let stall = self.clients.stall;
        let sending = Duration::from_secs(seen.sent_bytes / SENT_BYTES_PER_S);
        let sent = tokio::time::timeout(stall + sending, client.execute(request)).await;
        let mut response = sent.map_err(|_| stalled(stall))?.map_err(failed)?;
        seen.note(&response);
        if response.status().is_redirection() && response.status() != StatusCode::NOT_MODIFIED {
            return Err(HttpError::new(HttpErrorKind::Unknown, Redirected));
        }
        let expected = response.content_length();
        let status = response.status();
        let headers = std::mem::take(response.headers_mut());
        let body = if status.is_success() && expected.unwrap_or(0) > WHOLE_BYTES_MAX {
            seen.bytes = expected.unwrap_or(0);
            let body = Body::from(response).map_err(failed);
            HttpResponseBody::new(body)
        } else {
            let bytes = whole(response, stall, seen).await?;
            let missing = range_bytes(&headers).map_or(0, |range| range.saturating_sub(seen.bytes));
            if status == StatusCode::PARTIAL_CONTENT && missing > 0 {
                return Err(HttpError::new(AGAIN, BrokenOff(missing)));
            }
            if !status.is_success() {
                seen.error = Some(super::said(status.as_u16(), &bytes, &seen.request_id));
            }
            HttpResponseBody::from(bytes)
        };
        let mut answer = HttpResponse::new(body);
        *answer.status_mut() = status;
        *answer.headers_mut() = headers;
        Ok(answer)
    }
}

impl Seen {
    fn note(&mut self, response: &Response) {
        let header = |name: &str| {
            let value = response.headers().get(name);
            value
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default()
                .to_owned()
        };
        self.address = response.remote_addr().map(|address| address.ip());
        self.request_id = header("x-amz-request-id");
        self.extended_request_id = header("x-amz-id-2");
    }
}

/// Tells how many bytes a part of an object has, by what its answer says: `bytes 0-9/100` has 10.
fn range_bytes(headers: &HeaderMap) -> Option<u64> {
    let range = headers.get(CONTENT_RANGE)?.to_str().ok()?;
    let (range, _) = range.strip_prefix("bytes ")?.split_once('/')?;
    let (start, end) = range.split_once('-')?;
    let (start, end): (u64, u64) = (start.parse().ok()?, end.parse().ok()?);
    (end + 1).checked_sub(start)
}

/// Reads an answer to its end. One that has less than it says, or says nothing for too long, has failed.
async fn whole(
    mut response: Response,
    stall: Duration,
    seen: &mut Seen,
) -> Result<Bytes, HttpError> {
    let expected = response.content_length();
    let mut first = None;
    let mut all = BytesMut::new();
    loop {
        let chunk = tokio::time::timeout(stall, response.chunk()).await;
        let chunk = match chunk.map_err(|_| stalled(stall))? {
            Ok(Some(chunk)) => chunk,
            Ok(None) => break,
            Err(error) => {
                let rest = expected.unwrap_or(0).saturating_sub(seen.bytes);
                return Err(match error.is_timeout() || rest == 0 {
                    true => failed(error),
                    false => HttpError::new(AGAIN, BrokenOff(rest)),
                });
            }
        };
        seen.bytes += chunk.len() as u64;
        if seen.bytes > WHOLE_BYTES_MAX {
            return Err(HttpError::new(HttpErrorKind::Decode, TooLarge));
        }
        // Most answers come in one piece.
        if first.is_none() && all.is_empty() {
            first = Some(chunk);
            continue;
        }
        if let Some(first) = first.take() {
            let capacity = expected.unwrap_or(0).max(seen.bytes);
            all.reserve(usize::try_from(capacity).unwrap_or_default());
            all.extend_from_slice(&first);
        }
        all.extend_from_slice(&chunk);
    }
    Ok(first.unwrap_or_else(|| all.freeze()))
}

/// Says how a request failed that was never answered, or not to the end. What the operator does not allow is not tried again.
fn failed(error: reqwest::Error) -> HttpError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(each) = cause {
        if let Some(Error::SourceNotAllowed { message, hint }) = each.downcast_ref::<Error>() {
            return refuse(Error::SourceNotAllowed {
                message: message.clone(),
                hint: hint.clone(),
            });
        }
        cause = each.source();
    }
    let kind = match error.is_builder() {
        true => HttpErrorKind::Unknown,
        false => AGAIN,
    };
    HttpError::new(kind, error.without_url())
}

fn refuse(error: Error) -> HttpError {
    HttpError::new(HttpErrorKind::Unknown, error)
}

fn stalled(stall: Duration) -> HttpError {
    HttpError::new(AGAIN, Stalled(stall.as_secs_f32()))
}

/// The server said nothing.
#[derive(Debug, thiserror::Error)]
#[error("no answer for {0} s")]
struct Stalled(f32);

/// The body ended early.
#[derive(Debug, thiserror::Error)]
#[error("transfer closed with {0} bytes remaining to read")]
struct BrokenOff(u64);

/// The body has no length and no end.
#[derive(Debug, thiserror::Error)]
#[error("the answer is larger than {} MB", WHOLE_BYTES_MAX >> 20)]
struct TooLarge;

/// The endpoint sends elsewhere.
#[derive(Debug, thiserror::Error)]
#[error("the endpoint answered with a redirect, which is not followed")]
pub(super) struct Redirected;

#[cfg(test)]
mod tests {
    use super::*;
    use object_store::client::HttpRequestBody;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// Answers every request with a text, and counts connections. Without a text it does not answer.
    async fn server(answer: Option<&'static str>) -> (u16, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                let mut request = [0; 4_096];
                let _read = socket.read(&mut request).await;
                match answer {
                    Some(answer) => {
                        let _written = socket.write_all(answer.as_bytes()).await;
                    }
                    None => std::future::pending().await,
                }
            }
        });
        (port, count)
    }

    async fn get(reach: &[&str], url: &str) -> Result<Bytes, HttpError> {
        let reach = Reach::new(reach.iter().copied()).expect("a list");
        let stall = Some(Duration::from_millis(200));
        let service = Service {
            clients: Arc::new(Clients::new(reach, stall)),
            bucket: "bucket".into(),
            log: None,
            allows_http: true,
        };
        let mut request = HttpRequest::new(HttpRequestBody::empty());
        *request.uri_mut() = url.parse().expect("a URL");
        service.call(request).await?.into_body().bytes().await
    }

    #[tokio::test]
    async fn addresses_are_checked_when_they_are_connected_to() {
        let (port, count) = server(Some("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")).await;
        let loopback = format!("127.0.0.1:{port}");
        let by_name = format!("localhost:{port}");
        let other = format!("127.0.0.1:{}", port.wrapping_add(1));
        for url in [
            format!("http://localhost:{port}/k"),
            format!("http://127.0.0.1:{port}/k"),
            format!("http://127.1:{port}/k"),
            format!("http://0x7f000001:{port}/k"),
            format!("http://[::ffff:127.0.0.1]:{port}/k"),
        ] {
            for reach in [&[][..], &[other.as_str()]] {
                let error = get(reach, &url).await.expect_err("not reached");
                assert_eq!(error.kind(), HttpErrorKind::Unknown, "not tried again");
                assert!(
                    super::super::reason_of(&error).contains("may not be reached"),
                    "{error}"
                );
            }
        }
        assert_eq!(count.load(Ordering::SeqCst), 0);
        for (reach, host) in [
            (loopback.as_str(), "127.0.0.1"),
            (loopback.as_str(), "localhost"),
            (by_name.as_str(), "localhost"),
        ] {
            let got = get(&[reach], &format!("http://{host}:{port}/k")).await;
            assert_eq!(got.expect("reached"), "ok");
        }
    }

    #[tokio::test]
    async fn what_is_not_whole_has_failed_and_is_worth_another_try() {
        for (answer, reason) in [
            (
                Some("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"),
                "transfer closed with 6 bytes remaining to read",
            ),
            (
                Some(
                    "HTTP/1.1 206 Partial\r\nContent-Range: bytes 0-9/20\r\nContent-Length: 4\r\n\r\nhalf",
                ),
                "transfer closed with 6 bytes remaining to read",
            ),
            (Some(""), ""),
            (None, "no answer for 0.2 s"),
        ] {
            let (port, _) = server(answer).await;
            let error = get(&["127.0.0.1"], &format!("http://127.0.0.1:{port}/k")).await;
            let error = error.expect_err("not whole");
            assert_eq!(error.kind(), AGAIN, "{error}");
            assert!(super::super::reason_of(&error).contains(reason), "{error}");
        }
    }

    #[tokio::test]
    async fn redirects_and_plain_http_are_refused() {
        let (port, _) = server(Some(
            "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n",
        ))
        .await;
        let error = get(&["127.0.0.1"], &format!("http://127.0.0.1:{port}/k")).await;
        let error = error.expect_err("a redirect");
        assert!(
            super::super::reason_of(&error).contains("redirect"),
            "{error}"
        );
        assert_eq!(error.kind(), HttpErrorKind::Unknown);
    }
}
