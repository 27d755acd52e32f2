//! Work that can wait until the client has its answer: one thread that reads what plans did.

use crossbeam::channel::{Sender, TrySendError, bounded};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

/// How much may wait; what comes then is done at once.
const WAITING_MAX: usize = 64;

type Work = Box<dyn FnOnce() + Send>;

/// Does work in its order, on a thread of its own that begins with the first and ends with this.
#[derive(Debug, Default)]
pub struct Later {
    /// `None` if there is no thread.
    sender: OnceLock<Option<Sender<Work>>>,
}

impl Later {
    /// Does some work soon; at once if too much waits.
    pub fn run(&self, work: Work) {
        let refused = match self.sender.get_or_init(begin) {
            Some(sender) => sender.try_send(work).err(),
            None => Some(TrySendError::Disconnected(work)),
        };
        if let Some(TrySendError::Full(work) | TrySendError::Disconnected(work)) = refused {
            work();
        }
    }

    /// Waits until all is done that was given before. Blocks, for milliseconds.
    pub fn settle(&self) {
        let Some(Some(sender)) = self.sender.get() else {
            return;
        };
        let (done, is_done) = bounded::<()>(1);
        // Nobody listens any more if the thread is gone: then nothing waits.
        let mark: Work = Box::new(move || drop(done));
        if sender.send(mark).is_ok() {
            let _ = is_done.recv();
        }
    }
}

fn begin() -> Option<Sender<Work>> {
    let (sender, waiting) = bounded::<Work>(WAITING_MAX);
    let thread = std::thread::Builder::new().name("history".to_owned());
    // What a plan held may be let go of here for good, and some of that belongs to a runtime.
    let runtime = tokio::runtime::Handle::try_current().ok();
    let begun = thread.spawn(move || {
        let _entered = runtime.as_ref().map(tokio::runtime::Handle::enter);
        for work in waiting {
            if catch_unwind(AssertUnwindSafe(work)).is_err() {
                tracing::error!("what a statement did is not kept");
            }
        }
    });
    match begun {
        Ok(_) => Some(sender),
        Err(error) => {
            tracing::warn!(%error, "no thread for the history");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[test]
    fn work_is_done_in_order_and_waited_for() {
        let later = Later::default();
        later.settle();
        let seen = Arc::new(Mutex::new(Vec::new()));
        for number in 0..WAITING_MAX / 2 {
            let seen = Arc::clone(&seen);
            later.run(Box::new(move || {
                seen.lock().expect("a lock").push(number);
                assert!(number != 3, "a mistake");
            }));
        }
        later.settle();
        let seen = seen.lock().expect("a lock");
        assert_eq!(*seen, (0..WAITING_MAX / 2).collect::<Vec<_>>());
    }
}
