//! Work that can wait until the client has its answer: one thread that reads what plans did.
//!
//! Waking a thread costs as much as reading a short plan: what comes while it pauses waits for the end of the pause.

use crossbeam::channel::{Receiver, Sender, TrySendError, bounded};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::time::Duration;

/// How much may wait; what comes then is done at once.
const WAITING_MAX: usize = 256;
/// How much may wait for the end of a pause.
const WAITING_MANY: usize = WAITING_MAX / 4;
/// How long the thread pauses when all is done.
const PAUSE: Duration = Duration::from_millis(10);

type Work = Box<dyn FnOnce() + Send>;

/// Does work in its order, on a thread of its own that begins with the first and ends with this.
#[derive(Debug, Default)]
pub struct Later {
    /// `None` if there is no thread.
    worker: OnceLock<Option<Worker>>,
}

/// The ends of what a thread listens to.
#[derive(Debug)]
struct Worker {
    work: Sender<Work>,
    /// Ends a pause.
    alarm: Sender<()>,
}

impl Worker {
    fn wake(&self) {
        // Full: it is being woken.
        let _ = self.alarm.try_send(());
    }
}

impl Later {
    /// Does some work soon; at once if too much waits. What `holds_much` does not wait for the end of a pause.
    pub fn run(&self, work: Work, holds_much: bool) {
        let refused = match self.worker.get_or_init(begin) {
            Some(worker) => {
                let sent = worker.work.try_send(work);
                if holds_much || worker.work.len() >= WAITING_MANY {
                    worker.wake();
                }
                sent.err()
            }
            None => Some(TrySendError::Disconnected(work)),
        };
        if let Some(TrySendError::Full(work) | TrySendError::Disconnected(work)) = refused {
            work();
        }
    }

    /// Waits until all is done that was given before. Blocks, for milliseconds.
    pub fn settle(&self) {
        let Some(Some(worker)) = self.worker.get() else {
            return;
        };
        let (done, is_done) = bounded::<()>(1);
        // Nobody listens any more if the thread is gone: then nothing waits.
        let mark: Work = Box::new(move || drop(done));
        if worker.work.send(mark).is_ok() {
            worker.wake();
            let _ = is_done.recv();
        }
    }
}

fn begin() -> Option<Worker> {
    let (work, waiting) = bounded::<Work>(WAITING_MAX);
    let (alarm, alarms) = bounded::<()>(1);
    let thread = std::thread::Builder::new().name("history".to_owned());
    // What a plan held may be let go of here for good, and some of that belongs to a runtime.
    let runtime = tokio::runtime::Handle::try_current().ok();
    let begun = thread.spawn(move || {
        let _entered = runtime.as_ref().map(tokio::runtime::Handle::enter);
        while let Ok(first) = waiting.recv() {
            std::iter::once(first)
                .chain(waiting.try_iter())
                .for_each(run);
            pause(&alarms);
        }
    });
    match begun {
        Ok(_) => Some(Worker { work, alarm }),
        Err(error) => {
            tracing::warn!(%error, "no thread for the history");
            None
        }
    }
}

fn run(work: Work) {
    if catch_unwind(AssertUnwindSafe(work)).is_err() {
        tracing::error!("what a statement did is not kept");
    }
}

/// Waits for the end of a pause, or an alarm. An alarm that came before is about work that is done.
fn pause(alarms: &Receiver<()>) {
    let _ = alarms.recv_timeout(PAUSE);
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
        for number in 0..WAITING_MAX * 2 {
            let seen = Arc::clone(&seen);
            let work: Work = Box::new(move || {
                seen.lock().expect("a lock").push(number);
                assert!(number != 3, "a mistake");
            });
            later.run(work, number % 7 == 0);
        }
        later.settle();
        let seen = seen.lock().expect("a lock");
        assert_eq!(*seen, (0..WAITING_MAX * 2).collect::<Vec<_>>());
    }
}
