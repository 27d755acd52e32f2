//! Work that can wait until the client has its answer: reading what plans did.
//!
//! A connection does its own when it has sent an answer: waking a thread costs as much as reading a short plan, and a
//! plan that another thread reads later is no longer in any cache. What nobody did is done when somebody asks for what
//! happened, and once a second, when it is written.
//!
//! To read the plan of a lookup costs a twentieth of the lookup, and thousands a second push each other out of what is
//! kept within seconds. So work that says it is light is done for [`LIGHT_PER_SECOND`] statements; of the others only the
//! last of each session waits, for who asks what that did.

use super::figures::PLANS_UNREAD;
use super::lock;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::Instant;

/// How much may wait; with one more, all is done at once.
const WAITING_MAX: usize = 64;
/// How much light work is done in a second.
const LIGHT_PER_SECOND: f64 = 50.0;
/// How much of it may come at once.
const LIGHT_AT_ONCE: f64 = 500.0;

type Work = Box<dyn FnOnce() + Send>;

/// What waits.
#[derive(Default)]
pub struct Later {
    waiting: Mutex<Waiting>,
    /// How much waits to be done.
    count: AtomicUsize,
    /// Read by who does some of it, from before it is taken until it is done.
    at_work: RwLock<()>,
}

struct Waiting {
    /// What is to be done, in its order, with the process ids of the sessions.
    work: Vec<(i32, Work)>,
    /// What is done only if somebody asks before the session brings other light work.
    last: HashMap<i32, Work>,
    /// What is not done, and let go of when the client has its answer: that takes its time too.
    left: Vec<(i32, Work)>,
    allowance: Allowance,
}

impl Waiting {
    /// How much a session that catches up may find.
    fn count(&self) -> usize {
        self.work.len() + self.left.len()
    }
}

impl Default for Waiting {
    fn default() -> Self {
        Self {
            work: Vec::new(),
            last: HashMap::new(),
            left: Vec::new(),
            allowance: Allowance {
                left: LIGHT_AT_ONCE,
                at: Instant::now(),
            },
        }
    }
}

/// How much light work may be done.
struct Allowance {
    left: f64,
    at: Instant,
}

impl Allowance {
    /// Takes one; `false` if there is none.
    fn take(&mut self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.left = (self.left + passed * LIGHT_PER_SECOND).min(LIGHT_AT_ONCE);
        self.at = now;
        let is_left = self.left >= 1.0;
        if is_left {
            self.left -= 1.0;
        }
        is_left
    }
}

impl std::fmt::Debug for Later {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = formatter.debug_struct("Later");
        shown.field("count", &self.count).finish_non_exhaustive()
    }
}

impl Later {
    /// Has some work of a session done soon; does all at once if too much waits. What `is_light` may be left, see the
    /// module.
    pub fn add(&self, pid: i32, work: Work, is_light: bool) {
        let mut waiting = lock(&self.waiting);
        if is_light && !waiting.allowance.take(Instant::now()) {
            if let Some(before) = waiting.last.insert(pid, work) {
                PLANS_UNREAD.add(1);
                waiting.left.push((pid, before));
            }
        } else {
            waiting.work.push((pid, work));
        }
        let count = waiting.count();
        self.count.store(count, Ordering::Release);
        drop(waiting);
        if count > WAITING_MAX {
            self.work(|waiting| {
                let left = std::mem::take(&mut waiting.left);
                (std::mem::take(&mut waiting.work), left)
            });
        }
    }

    /// Does what a session left, on this thread. Blocks, for some microseconds a step of a plan.
    pub fn catch_up(&self, pid: i32) {
        if self.count.load(Ordering::Acquire) > 0 {
            let is_own = |(owner, _): &mut (i32, Work)| *owner == pid;
            self.work(|waiting| {
                let own = waiting.work.extract_if(.., is_own).collect();
                (own, waiting.left.extract_if(.., is_own).collect())
            });
        }
    }

    /// Does what is left, and waits for what others do of it. Blocks, for milliseconds.
    pub fn settle(&self) {
        self.work(|waiting| {
            let mut all = std::mem::take(&mut waiting.work);
            all.extend(waiting.last.drain());
            (all, std::mem::take(&mut waiting.left))
        });
        drop(self.at_work.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// Does the first of what is taken, and lets go of the second.
    fn work(&self, take: impl FnOnce(&mut Waiting) -> (Vec<(i32, Work)>, Vec<(i32, Work)>)) {
        let at_work = self.at_work.read().unwrap_or_else(PoisonError::into_inner);
        let mut waiting = lock(&self.waiting);
        let (taken, left) = take(&mut waiting);
        self.count.store(waiting.count(), Ordering::Release);
        drop(waiting);
        drop(left);
        for (_, work) in taken {
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
            later.add(pid, work, false);
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
        later.add(1, work, false);
        let worker = {
            let later = Arc::clone(&later);
            std::thread::spawn(move || later.catch_up(1))
        };
        has_begun.recv().expect("it has begun");
        later.settle();
        assert_eq!(done.load(Ordering::SeqCst), 1);
        worker.join().expect("it ended");
    }

    #[test]
    fn of_much_light_work_the_last_waits_for_who_asks() {
        let later = Later::default();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let all = LIGHT_AT_ONCE as usize + 2_000;
        for number in 0..all {
            let seen = Arc::clone(&seen);
            let work: Work = Box::new(move || lock(&seen).push(number));
            later.add(1, work, true);
            later.catch_up(1);
        }
        let done = lock(&seen).len();
        assert!((500..1_500).contains(&done), "{done}");
        later.settle();
        assert_eq!(lock(&seen).len(), done + 1);
        assert_eq!(lock(&seen).last(), Some(&(all - 1)));
    }

    #[test]
    fn an_allowance_fills_again() {
        let begun = Instant::now();
        let mut allowance = Allowance {
            left: 1.0,
            at: begun,
        };
        assert!(allowance.take(begun));
        assert!(!allowance.take(begun));
        let later = begun + std::time::Duration::from_secs(3_600);
        let taken = (0..10_000).filter(|_| allowance.take(later)).count();
        assert_eq!(taken, LIGHT_AT_ONCE as usize);
    }
}
