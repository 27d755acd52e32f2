//! Who may be canceled: process ids and secrets of the open connections.

use crate::session::CancelHandle;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Secrets have four bytes before protocol 3.2.
const SECRET_BYTES_3_0: usize = 4;
/// And so many from then on.
const SECRET_BYTES_3_2: usize = 32;

#[derive(Default)]
struct State {
    last_pid: i32,
    open: HashMap<i32, (Vec<u8>, Option<CancelHandle>)>,
}

/// The open connections of a server.
#[derive(Default)]
pub(super) struct Registry {
    state: Mutex<State>,
}

impl Registry {
    /// Gives a new connection its process id and secret. They end with the returned value.
    pub(super) fn admit(self: &std::sync::Arc<Self>, minor: u16) -> Admission {
        let length = if minor < 2 {
            SECRET_BYTES_3_0
        } else {
            SECRET_BYTES_3_2
        };
        let secret: Vec<u8> = (0..length).map(|_| rand::random()).collect();
        let mut state = self.state();
        loop {
            state.last_pid = state.last_pid.checked_add(1).unwrap_or(1);
            let pid = state.last_pid;
            if let Entry::Vacant(free) = state.open.entry(pid) {
                free.insert((secret.clone(), None));
                return Admission {
                    registry: self.clone(),
                    pid,
                    secret,
                };
            }
        }
    }

    /// Cancels what the connection runs, if pid and secret fit. Nothing is told to who asked.
    pub(super) fn cancel(&self, pid: i32, secret: &[u8]) {
        let state = self.state();
        if let Some((own, Some(handle))) = state.open.get(&pid)
            && equal(own, secret)
        {
            handle.cancel();
        }
    }

    /// Cancels whatever runs.
    pub(super) fn cancel_all(&self) {
        self.state()
            .open
            .values()
            .filter_map(|(_, handle)| handle.as_ref())
            .for_each(|handle| {
                handle.cancel();
            });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Compares in a time that does not depend on where the difference is.
fn equal(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len() && left.iter().zip(right).fold(0, |all, (a, b)| all | (a ^ b)) == 0
}

/// A connection's place among the open ones.
pub(super) struct Admission {
    registry: std::sync::Arc<Registry>,
    /// Told to the client.
    pub(super) pid: i32,
    /// Told to the client.
    pub(super) secret: Vec<u8>,
}

impl Admission {
    /// Says how to cancel the connection's session.
    pub(super) fn set_handle(&self, handle: CancelHandle) {
        if let Some((_, place)) = self.registry.state().open.get_mut(&self.pid) {
            *place = Some(handle);
        }
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.registry.state().open.remove(&self.pid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn a_connection_is_known_until_it_ends() {
        let registry = Arc::new(Registry::default());
        let (first, second) = (registry.admit(0), registry.admit(2));
        assert_ne!(first.pid, second.pid);
        assert_eq!((first.secret.len(), second.secret.len()), (4, 32));
        drop(first);
        assert_eq!(registry.state().open.len(), 1);
    }

    #[test]
    fn secrets_fit_whole_or_not() {
        assert!(equal(b"abcd", b"abcd"));
        assert!(!equal(b"abcd", b"abce"));
        assert!(!equal(b"abcd", b"abc"));
    }
}
