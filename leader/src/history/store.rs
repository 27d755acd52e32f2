//! What COPY, UNLOAD and scans of external tables asked object stores for: STL_S3CLIENT, STL_S3CLIENT_ERROR.

use super::{History, now_us, push};
use blueshift_compute::object::{Request, RequestLog};
use serde::{Deserialize, Serialize};

/// A request to an object store, with the statement that made it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct StoreRequest {
    /// The user's oid.
    pub userid: u32,
    /// The query id.
    pub query: i64,
    /// The process id of the session.
    pub pid: i32,
    /// Microseconds since 1970.
    pub recordtime_us: i64,
    /// The request.
    pub request: Request,
}

/// Records the requests of a statement when it ends, however it does.
pub struct RequestGuard<'a> {
    /// Where they go.
    pub history: &'a History,
    /// Where they are noted meanwhile.
    pub requests: std::sync::Arc<RequestLog>,
    /// The user's oid.
    pub userid: u32,
    /// The query id.
    pub query: i64,
    /// The process id of the session.
    pub pid: i32,
}

impl Drop for RequestGuard<'_> {
    fn drop(&mut self) {
        let who = Requester {
            userid: self.userid,
            query: self.query,
            pid: self.pid,
        };
        note(self.history, &self.requests, who);
    }
}

/// The statement that made requests.
#[derive(Clone, Copy, Debug)]
pub struct Requester {
    /// The user's oid.
    pub userid: u32,
    /// The query id.
    pub query: i64,
    /// The process id of the session.
    pub pid: i32,
}

/// Records the requests that were noted so far.
pub fn note(history: &History, requests: &RequestLog, who: Requester) {
    let row = |request| StoreRequest {
        userid: who.userid,
        query: who.query,
        pid: who.pid,
        recordtime_us: now_us(),
        request,
    };
    let (answered, failed) = requests.take();
    for request in answered {
        push(&history.store_requests, row(request));
    }
    for request in failed {
        push(&history.store_errors, row(request));
    }
}
