//! Changes while statements run: of the configuration, and of priorities.

use super::{Arrival, Job, Scheduler, Stage};
use crate::wlm::classify::class_of;
use crate::wlm::config::{QueueConfig, SUPERUSER_CLASS, WlmConfig};
use crate::wlm::priority::Priority;
use crate::wlm::queue::{Place, Queue};
use std::sync::Arc;

/// Users and sessions whose priority was changed, at most; sessions that ended are forgotten first.
const CHANGES_MAX: usize = 10_000;

impl Scheduler {
    /// Takes another configuration. What runs goes on where it is; what waits is assigned anew, in its order.
    pub fn configure(&mut self, config: Arc<WlmConfig>, now_us: i64, started: &mut Vec<i64>) {
        let mut wanted = vec![Arc::new(QueueConfig::of_superusers())];
        if config.short.is_some() {
            wanted.push(Arc::new(QueueConfig::of_short(self.short_slots)));
        }
        wanted.extend(config.queues.iter().cloned());
        self.config = config;
        let mut waiting: Vec<(Place, i64)> =
            std::mem::take(&mut self.critical).into_iter().collect();
        for queue in self.queues.values_mut() {
            waiting.extend(std::mem::take(&mut queue.waiting));
            queue.is_retired = true;
        }
        self.queues.retain(|_, queue| queue.executing > 0);
        // Totals of a class go with it, unless it is there again.
        for config in wanted {
            let class = config.class;
            let queue = self
                .queues
                .entry(class)
                .or_insert_with(|| Queue::new(Arc::clone(&config)));
            queue.config = config;
            queue.is_retired = false;
        }
        waiting.sort_by_key(|((_, arrival), _)| *arrival);
        for (_, query) in waiting {
            let Some(mut job) = self.jobs.remove(&query) else {
                continue;
            };
            let home = class_of(&self.config, &job.arrival.principal);
            job.class = home;
            job.home = home;
            // It was let wait with its slots; a smaller queue gives it all it has.
            let most = match self.is_automatic(home) {
                true => 1,
                false => self.queue_config(home).map_or(1, |queue| queue.concurrency),
            };
            job.slots = job.arrival.slots.clamp(1, most.max(1));
            job.priority = self.priority_for(home, &job.arrival, job.own_priority);
            self.wait(&mut job);
            self.jobs.insert(query, job);
        }
        self.dispatch(now_us, started);
    }

    /// Gives the priority of a statement: what it was given itself, else its session, its user, its queue.
    pub(super) fn priority_for(
        &self,
        class: i32,
        arrival: &Arrival,
        own: Option<Priority>,
    ) -> Priority {
        if !self.is_automatic(class) {
            return Priority::Normal;
        }
        let of_queue = || self.queue_config(class).map(|queue| queue.priority);
        own.or_else(|| self.session_priorities.get(&arrival.pid).copied())
            .or_else(|| self.user_priorities.get(&arrival.principal.userid).copied())
            .or_else(of_queue)
            .unwrap_or_default()
    }

    /// Changes the priority of one statement, and gives what it was; `None` if it is in no automatic queue.
    pub fn change_query(
        &mut self,
        query: i64,
        priority: Priority,
        now_us: i64,
        started: &mut Vec<i64>,
    ) -> Option<Priority> {
        let job = self.jobs.get(&query)?;
        if !self.is_automatic(job.class)
            && job.class != SUPERUSER_CLASS
            && !self.is_automatic(job.home)
        {
            return None;
        }
        let before = job.priority;
        if let Some(job) = self.jobs.get_mut(&query) {
            job.own_priority = Some(priority);
        }
        self.put(query, priority);
        self.dispatch(now_us, started);
        Some(before)
    }

    /// Changes the priority of a session, and gives what it was.
    pub fn change_session(
        &mut self,
        pid: i32,
        priority: Priority,
        now_us: i64,
        started: &mut Vec<i64>,
    ) -> Option<Priority> {
        if self.session_priorities.len() >= CHANGES_MAX {
            self.session_priorities.clear();
        }
        let before = self.session_priorities.insert(pid, priority);
        self.settle(|job| job.arrival.pid == pid);
        self.dispatch(now_us, started);
        before
    }

    /// Changes the priority of a user, `None` for that of their queues, and gives what it was.
    pub fn change_user(
        &mut self,
        userid: u32,
        priority: Option<Priority>,
        now_us: i64,
        started: &mut Vec<i64>,
    ) -> Option<Priority> {
        if self.user_priorities.len() >= CHANGES_MAX {
            self.user_priorities.clear();
        }
        let before = match priority {
            Some(priority) => self.user_priorities.insert(userid, priority),
            None => self.user_priorities.remove(&userid),
        };
        self.settle(|job| job.arrival.principal.userid == userid);
        self.dispatch(now_us, started);
        before
    }

    /// Forgets the priority of a session that ended.
    pub fn forget_session(&mut self, pid: i32) {
        self.session_priorities.remove(&pid);
    }

    /// Tells who has CRITICAL priority: another session or user than these.
    pub fn has_other_critical(&self, pid: Option<i32>, userid: Option<u32>) -> bool {
        let mut sessions = self.session_priorities.iter();
        let mut users = self.user_priorities.iter();
        sessions.any(|(other, priority)| *priority == Priority::Critical && Some(*other) != pid)
            || users
                .any(|(other, priority)| *priority == Priority::Critical && Some(*other) != userid)
    }

    fn settle(&mut self, is_of: impl Fn(&Job) -> bool) {
        let of: Vec<i64> = self
            .jobs
            .values()
            .filter(|job| is_of(job))
            .map(|job| job.arrival.query)
            .collect();
        for query in of {
            let Some(job) = self.jobs.get(&query) else {
                continue;
            };
            let priority = self.priority_for(job.class, &job.arrival, job.own_priority);
            self.put(query, priority);
        }
    }

    /// Gives a statement a priority; one that waits takes its new place.
    fn put(&mut self, query: i64, priority: Priority) {
        let Some(mut job) = self.jobs.remove(&query) else {
            return;
        };
        match job.stage {
            Stage::Waiting((_, arrival)) if self.is_automatic(job.class) => {
                self.unqueue(&job);
                job.priority = priority;
                let place = (priority.due_us(job.arrived_us), arrival);
                job.stage = Stage::Waiting(place);
                self.enqueue(&job, place);
            }
            _ => job.priority = priority,
        }
        self.jobs.insert(query, job);
    }
}
