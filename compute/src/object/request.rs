//! What was asked of object stores: the rows of STL_S3CLIENT and STL_S3CLIENT_ERROR.

use reqwest::Url;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// Requests of one statement that are noted; later ones are only counted.
const REQUESTS_MAX: usize = 10_000;
/// Failed requests of one statement that are noted.
const ERRORS_MAX: usize = 1_000;
/// Text of an error that is kept, in characters.
const ERROR_CHARS_MAX: usize = 256;

/// One request to an object store, or one that failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Request {
    /// The slice it was made for.
    pub slice: u32,
    /// GET, PUT and so on.
    pub method: String,
    /// The bucket.
    pub bucket: String,
    /// The key, or what is listed: `prefix=...;marker=...`.
    pub key: String,
    /// Whether it asked for a part of the object.
    pub is_partial: bool,
    /// Where that part begins.
    pub start_offset: u64,
    /// Bytes of the object, or of the answer, that went over the wire.
    pub transfer_bytes: u64,
    /// Microseconds since 1970.
    pub started_us: i64,
    /// Microseconds since 1970.
    pub ended_us: i64,
    /// How often the same was tried before and failed.
    pub retries: u32,
    /// The store's name for it.
    pub request_id: String,
    /// The store's longer name for it.
    pub extended_request_id: String,
    /// The address of the store that answered.
    pub ip_address: String,
    /// What it failed by.
    pub error: Option<String>,
}

impl Request {
    /// Describes a request to a bucket by its URL; `None` if it is not for the bucket, but for credentials.
    pub(super) fn of(method: &str, url: &Url, bucket: &str, range: Option<&str>) -> Option<Self> {
        let path = url.path().strip_prefix('/')?;
        let in_path = || {
            let rest = path.strip_prefix(bucket)?;
            match rest.is_empty() {
                true => Some(rest),
                false => rest.strip_prefix('/'),
            }
        };
        let in_host = || {
            let host = url.host_str()?.strip_prefix(bucket)?;
            host.starts_with('.').then_some(path)
        };
        let key = in_path().or_else(in_host)?;
        let asked = |name: &str| {
            let mut pairs = url.query_pairs();
            pairs.find(|(key, _)| key == name).map(|(_, value)| value)
        };
        let key = match asked("list-type") {
            Some(_) => {
                let marker = asked("continuation-token").or_else(|| asked("start-after"));
                format!(
                    "prefix={};marker={}",
                    asked("prefix").unwrap_or_default(),
                    marker.unwrap_or_default()
                )
            }
            None => decoded(key),
        };
        let start = range.and_then(|range| range.strip_prefix("bytes="));
        let start = start.and_then(|range| range.split('-').next()?.parse().ok());
        Some(Self {
            method: method.to_owned(),
            bucket: bucket.to_owned(),
            key,
            is_partial: range.is_some(),
            start_offset: start.unwrap_or(0),
            ..Self::default()
        })
    }

    /// Tells what it takes to be the same request again.
    fn place(&self) -> (String, String, u64) {
        (self.method.clone(), self.key.clone(), self.start_offset)
    }
}

/// Undoes what URLs write with `%`.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let code = after
            .get(..2)
            .and_then(|code| std::str::from_utf8(code).ok());
        let code = code.and_then(|code| u8::from_str_radix(code, 16).ok());
        match (first, code) {
            (b'%', Some(code)) => {
                bytes.push(code);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What one statement asked of object stores.
#[derive(Debug, Default)]
pub struct RequestLog {
    noted: Mutex<Noted>,
}

#[derive(Debug, Default)]
struct Noted {
    answered: Vec<Request>,
    failed: Vec<Request>,
    /// How often a request failed that was not answered since.
    tries: HashMap<(String, String, u64), u32>,
}

impl RequestLog {
    /// Notes a request. One with an error failed.
    pub(super) fn add(&self, mut request: Request) {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let place = request.place();
        match &mut request.error {
            Some(error) => {
                *error = error.chars().take(ERROR_CHARS_MAX).collect();
                if noted.tries.len() < ERRORS_MAX || noted.tries.contains_key(&place) {
                    *noted.tries.entry(place).or_default() += 1;
                }
                if noted.failed.len() < ERRORS_MAX {
                    noted.failed.push(request);
                }
            }
            None => {
                request.retries = noted.tries.remove(&place).unwrap_or(0);
                if noted.answered.len() < REQUESTS_MAX {
                    noted.answered.push(request);
                }
            }
        }
    }

    /// Takes what was noted: requests that were answered, and those that failed.
    pub fn take(&self) -> (Vec<Request>, Vec<Request>) {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let noted = std::mem::take(&mut *noted);
        (noted.answered, noted.failed)
    }
}

tokio::task_local! {
    static SLICE: u32;
}

/// Runs work whose requests are for a slice.
pub(crate) fn for_slice<F: Future>(slice: u32, work: F) -> impl Future<Output = F::Output> {
    SLICE.scope(slice, work)
}

/// Gives the slice that the running task makes requests for; the first if it did not say.
pub(crate) fn slice() -> u32 {
    SLICE.try_with(|slice| *slice).unwrap_or(0)
}

pub(super) fn now_us() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| i64::try_from(now.as_micros()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(method: &str, url: &str, range: Option<&str>) -> Option<Request> {
        Request::of(method, &url.parse().expect("a URL"), "bucket", range)
    }

    #[test]
    fn requests_tell_bucket_and_key() {
        let got = of(
            "GET",
            "http://127.0.0.1:1/bucket/a/b%20c?x=1",
            Some("bytes=5-9"),
        )
        .expect("a row");
        assert_eq!(
            (got.key.as_str(), got.is_partial, got.start_offset),
            ("a/b c", true, 5)
        );
        let got = of("PUT", "https://bucket.s3.us-east-1.amazonaws.com/k", None).expect("a row");
        assert_eq!((got.key.as_str(), got.bucket.as_str()), ("k", "bucket"));
        let listed = "http://h/bucket?list-type=2&prefix=a%2F&start-after=a%2Fb&delimiter=%2F";
        assert_eq!(
            of("GET", listed, None).expect("a row").key,
            "prefix=a/;marker=a/b"
        );
        assert_eq!(
            of("GET", "http://h/bucket?list-type=2", None)
                .expect("a row")
                .key,
            "prefix=;marker="
        );
        assert_eq!(
            of("PUT", "http://169.254.169.254/latest/api/token", None),
            None
        );
        assert_eq!(of("GET", "http://h/bucket2/k", None), None);
    }

    #[test]
    fn tries_are_counted_until_an_answer_and_all_is_bounded() {
        let log = RequestLog::default();
        let request = |key: &str, error: Option<&str>| Request {
            key: key.to_owned(),
            error: error.map(str::to_owned),
            ..Request::default()
        };
        log.add(request("a", Some("503")));
        log.add(request("a", Some(&"x".repeat(1000))));
        log.add(request("b", None));
        log.add(request("a", None));
        log.add(request("a", None));
        let (answered, failed) = log.take();
        let retries: Vec<_> = answered
            .iter()
            .map(|one| (one.key.as_str(), one.retries))
            .collect();
        assert_eq!(retries, [("b", 0), ("a", 2), ("a", 0)]);
        assert_eq!(
            failed[1].error.as_ref().map(String::len),
            Some(ERROR_CHARS_MAX)
        );
        for number in 0..20_000 {
            log.add(request(
                &number.to_string(),
                (number % 2 == 0).then_some("e"),
            ));
        }
        let (answered, failed) = log.take();
        assert_eq!((answered.len(), failed.len()), (REQUESTS_MAX, ERRORS_MAX));
    }
}
