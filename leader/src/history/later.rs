//! Work that can wait until the client has its answer: reading what plans did.
//!
//! A connection does its own when it has sent an answer: waking a thread costs as much as reading a short plan, and a
//! plan that another thread reads later is no longer in any cache. What nobody did is done when somebody asks for what
//! happened, and once a second, when it is written.

use super::lock;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, RwLock};

/// How much may wait; with one more, all is done at once.
const WAITING_MAX: usize = 64;

type Work = Box<dyn FnOnce() + Send>;

/// What waits, in its order.
#[derive(Default)]
pub struct Later {
    /// With the process ids of the sessions.
    waiting: Mutex<Vec<(i32, Work)>>,
    /// How much waits.
    count: AtomicUsize,
    /// Read by who does some of it, from before it is taken until it is done.
    at_work: RwLock<()>,
}

impl std::fmt::Debug for Later {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = formatter.debug_struct("Later");
        shown.field("count", &self.count).finish_non_exhaustive()
    }
}

impl Later {
    /// Has some work of a session done soon; does all at once if too much waits.
    pub fn add(&self, pid: i32, work: Work) {
        let mut waiting = lock(&self.waiting);
        waiting.push((pid, work));
        let count = waiting.len();
        self.count.store(count, Ordering::Release);
        drop(waiting);
        if count > WAITING_MAX {
            self.work(|_| true);
        }
    }

    /// Does what a session left, on this thread. Blocks, for some microseconds a step of a plan.
    pub fn catch_up(&self, pid: i32) {
        if self.count.load(Ordering::Acquire) > 0 {
            self.work(|owner| owner == pid);
        }
    }

    /// Does what is left, and waits for what others do of it. Blocks, for milliseconds.
    pub fn settle(&self) {
        self.work(|_| true);
        drop(self.at_work.write().unwrap_or_else(PoisonError::into_inner));
    }

    fn work(&self, is_wanted: impl Fn(i32) -> bool) {
        let at_work = self.at_work.read().unwrap_or_else(PoisonError::into_inner);
        let mut waiting = lock(&self.waiting);
        let wanted: Vec<_> = waiting.extract_if(.., |(pid, _)| is_wanted(*pid)).collect();
        self.count.store(waiting.len(), Ordering::Release);
        drop(waiting);
        for (_, work) in wanted {
            if catch_unwind(AssertUnwindSafe(work)).is_err() {
                tracing::error!("what a statement did is not kept");
            }
        }
        drop(at_work);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn work_is_done_in_order_by_its_owner_or_who_asks() {
        let later = Later::default();
        later.settle();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let add = |pid: i32, number: usize| {
            let seen = Arc::clone(&seen);
            let work: Work = Box::new(move || {
                lock(&seen).push(number);
                assert!(number != 3, "a mistake");
            });
            later.add(pid, work);
        };
        (0..10).for_each(|number| add(number as i32 % 2, number));
        assert!(lock(&seen).is_empty());
        later.catch_up(1);
        assert_eq!(*lock(&seen), [1, 3, 5, 7, 9]);
        later.catch_up(1);
        later.settle();
        assert_eq!(*lock(&seen), [1, 3, 5, 7, 9, 0, 2, 4, 6, 8]);
        (0..=WAITING_MAX).for_each(|number| add(7, 100 + number));
        assert_eq!(lock(&seen).len(), 10 + WAITING_MAX + 1);
    }

    #[test]
    fn who_asks_waits_for_what_others_do() {
        let later = Arc::new(Later::default());
        let (begun, has_begun) = std::sync::mpsc::channel();
        let done = Arc::new(AtomicUsize::new(0));
        let work: Work = {
            let done = Arc::clone(&done);
            Box::new(move || {
                begun.send(()).expect("somebody waits");
                std::thread::sleep(std::time::Duration::from_millis(50));
                done.store(1, Ordering::SeqCst);
            })
        };
        later.add(1, work);
        let worker = {
            let later = Arc::clone(&later);
            std::thread::spawn(move || later.catch_up(1))
        };
        has_begun.recv().expect("it has begun");
        later.settle();
        assert_eq!(done.load(Ordering::SeqCst), 1);
        worker.join().expect("it ended");
    }
}
