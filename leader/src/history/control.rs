//! Stops what a session runs, or the session itself; used from other connections.

use super::lock;
use std::sync::Mutex;
use std::time::Instant;
use tokio_util::sync::CancellationToken;

/// When a running statement must stop: for work that goes on for long without giving way.
#[derive(Clone, Debug, Default)]
pub struct StopSign {
    /// Canceled to stop it.
    pub token: CancellationToken,
    /// When it has run for too long.
    pub deadline: Option<Instant>,
}

impl StopSign {
    /// Tells whether it must stop now.
    pub fn is_up(&self) -> bool {
        self.token.is_cancelled() || self.deadline.is_some_and(|end| Instant::now() >= end)
    }
}

/// What stops a session.
#[derive(Debug, Default)]
pub struct SessionControl {
    running: Mutex<Running>,
    /// Canceled to end the session.
    pub terminated: CancellationToken,
}

#[derive(Debug, Default)]
struct Running {
    token: CancellationToken,
    /// What the client is told instead of the usual text.
    message: Option<String>,
}

impl SessionControl {
    /// Cancels the running statement, rows on the way included; without one, nothing happens.
    pub fn cancel(&self, message: Option<&str>) {
        let mut running = lock(&self.running);
        if !running.token.is_cancelled() {
            running.message = message.map(str::to_owned);
        }
        running.token.cancel();
    }

    /// Ends the session, and what it runs with it.
    pub fn terminate(&self) {
        self.terminated.cancel();
        self.cancel(None);
    }

    /// Begins a statement: a cancel of an earlier one does not reach it, an end of the session does.
    pub fn renew(&self) -> CancellationToken {
        let token = self.terminated.child_token();
        *lock(&self.running) = Running {
            token: token.clone(),
            message: None,
        };
        token
    }

    /// Gives what the client of the canceled statement is told, if it is not the usual text.
    pub fn message(&self) -> Option<String> {
        lock(&self.running).message.clone()
    }
}
