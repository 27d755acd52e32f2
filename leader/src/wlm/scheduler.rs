//! Who runs, who waits, and who is next: all of workload management that needs no clock and no thread of its own.
//!
//! Time is passed in, in microseconds since 1970, so tests decide what it is. A statement is known by its query id. It
//! waits, runs, or has *left*: then it goes on without slots, as it waits for a lock or its client reads slowly.

mod change;
#[cfg(test)]
mod tests;

use super::classify::{Principal, class_of, next_class};
use super::config::{Mode, QueueConfig, SHORT_CLASS, SUPERUSER_CLASS, WlmConfig};
use super::limit::Limit;
use super::priority::Priority;
use super::queue::{Place, Queue};
use crate::history::wlm::{Attempt, FinalState};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Statements that wait in all queues together at most.
pub const WAITING_MAX: usize = 10_000;

/// What a statement is to queues.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// It needs no queue.
    #[default]
    Free,
    /// A query: it may hop, and may be short.
    Read,
    /// CREATE TABLE AS, SELECT INTO: likewise.
    ReadInto,
    /// INSERT, UPDATE, DELETE, UNLOAD and their like: canceled by a timeout, as it cannot hop.
    Write,
    /// COPY, ANALYZE, VACUUM: no timeout and no rule ends it.
    Maintenance,
}

impl Kind {
    /// Tells whether it may hop and be short.
    pub fn is_query(self) -> bool {
        matches!(self, Self::Read | Self::ReadInto)
    }
}

/// A statement that comes to the queues.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// Its query id.
    pub query: i64,
    /// The session's process id.
    pub pid: i32,
    /// What it is.
    pub kind: Kind,
    /// Whose it is.
    pub principal: Arc<Principal>,
    /// Slots it asks for.
    pub slots: u32,
    /// How long it will run, as the predictor has it, in microseconds.
    pub predicted_us: Option<u64>,
}

/// Why a statement is not let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It asks for more slots than the queue has.
    TooManySlots {
        /// The queue's name.
        queue: Arc<str>,
        /// The slots the queue has.
        slots: u32,
    },
    /// More statements wait than may.
    Full,
}

/// Where a statement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It waits.
    Waiting(Place),
    /// It runs with its slots.
    Running,
    /// It runs without.
    Left,
}

/// A statement in the queues.
#[derive(Clone, Debug)]
pub struct Job {
    /// As it came.
    pub arrival: Arrival,
    /// The service class it is in.
    pub class: i32,
    /// The service class it is in when it is no longer taken for short.
    home: i32,
    /// Where it is.
    pub stage: Stage,
    /// Its priority.
    pub priority: Priority,
    /// What a superuser or a rule made of its priority.
    own_priority: Option<Priority>,
    /// Slots it takes.
    pub slots: u32,
    /// When it came.
    pub arrived_us: i64,
    /// When it came to the class.
    pub class_start_us: i64,
    /// When it came to wait in the class.
    pub queue_start_us: i64,
    /// When it began to run in the class.
    pub exec_start_us: i64,
    /// What it waited in classes before, in microseconds.
    waited_us: i64,
    /// When the class ends it.
    pub deadline_us: Option<i64>,
    /// Attempts in other classes.
    attempts: Vec<Attempt>,
    /// Whether a timeout or a rule ends it.
    is_evicted: bool,
    /// Whether it stopped waiting before its turn.
    is_rejected: bool,
}

impl Job {
    /// Gives what it waited in queues until now, in microseconds.
    pub fn waited_us(&self, now_us: i64) -> i64 {
        let until = match self.stage {
            Stage::Waiting(_) => now_us,
            Stage::Running | Stage::Left => self.exec_start_us,
        };
        self.waited_us + (until - self.queue_start_us).max(0)
    }
}

/// What became of a hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hop {
    /// It runs on in another queue.
    Reassigned,
    /// It waits in another queue, or was let in there, and begins anew.
    Restarted,
    /// Another queue is there, but it has no room, and the statement cannot begin anew.
    Stays,
    /// No other queue is for it.
    Nowhere,
}

/// Why time is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// The queue's timeout.
    Timeout,
    /// It was taken for short, and was not: it was moved to its own queue.
    NotShort,
}

/// The queues and what is in them.
#[derive(Debug)]
pub struct Scheduler {
    config: Arc<WlmConfig>,
    queues: BTreeMap<i32, Queue>,
    jobs: HashMap<i64, Job>,
    /// How many statements automatic queues run at once.
    pub limit: Limit,
    /// Statements of CRITICAL priority that wait.
    critical: BTreeMap<Place, i64>,
    /// Counts arrivals.
    arrivals: u64,
    short_slots: u32,
    /// How long a short statement may run, in microseconds, as far as it is found out.
    pub short_us: u64,
    user_priorities: HashMap<u32, Priority>,
    session_priorities: HashMap<i32, Priority>,
    /// The memory of all queues, in bytes.
    memory_bytes: u64,
}

/// Slots of the short queue per processor.
const SHORT_SLOTS_PER_PROCESSOR: u32 = 2;
/// How long short statements may run before anything is known of the others, in microseconds.
const SHORT_US: u64 = 1_000_000;

impl Scheduler {
    /// Opens the queues of a configuration on a node with so many processors and so much memory for queries.
    pub fn new(config: Arc<WlmConfig>, processors: usize, memory_bytes: u64) -> Self {
        let count = u32::try_from(processors).unwrap_or(1).max(1);
        let mut scheduler = Self {
            config: Arc::clone(&config),
            queues: BTreeMap::new(),
            jobs: HashMap::new(),
            limit: Limit::new(processors),
            critical: BTreeMap::new(),
            arrivals: 0,
            short_slots: (count * SHORT_SLOTS_PER_PROCESSOR).max(4),
            short_us: SHORT_US,
            user_priorities: HashMap::new(),
            session_priorities: HashMap::new(),
            memory_bytes,
        };
        let mut started = Vec::new();
        scheduler.configure(config, 0, &mut started);
        scheduler
    }

    /// Gives the configuration.
    pub fn config(&self) -> &Arc<WlmConfig> {
        &self.config
    }

    /// Gives the queues by service class.
    pub fn queues(&self) -> impl Iterator<Item = &Queue> {
        self.queues.values()
    }

    /// Gives the statements that are in them.
    pub fn jobs(&self) -> impl Iterator<Item = &Job> {
        self.jobs.values()
    }

    /// Gives a statement.
    pub fn job(&self, query: i64) -> Option<&Job> {
        self.jobs.get(&query)
    }

    /// Tells whether anything waits.
    pub fn has_waiting(&self) -> bool {
        self.waiting() > 0
    }

    /// Counts what waits.
    pub fn waiting(&self) -> usize {
        let queues = self.queues.values().map(|queue| queue.waiting.len());
        queues.sum::<usize>() + self.critical.len()
    }

    /// Lets a statement in, or has it wait; tells whether it runs. One that runs already goes on.
    pub fn arrive(&mut self, arrival: Arrival, now_us: i64) -> Result<bool, Refusal> {
        let mut before = None;
        match self.jobs.get(&arrival.query).map(|job| job.stage) {
            Some(Stage::Running) => return Ok(true),
            Some(Stage::Waiting(_)) => return Ok(false),
            Some(Stage::Left) => {
                before = self.end_attempt(arrival.query, FinalState::Completed, now_us)
            }
            None => {}
        }
        let home = class_of(&self.config, &arrival.principal);
        let slots = self.slots_for(home, arrival.slots)?;
        let mut job = Job {
            class: home,
            home,
            stage: Stage::Left,
            priority: self.priority_for(home, &arrival, None),
            own_priority: None,
            slots,
            arrived_us: now_us,
            class_start_us: now_us,
            queue_start_us: now_us,
            exec_start_us: now_us,
            waited_us: 0,
            deadline_us: None,
            attempts: Vec::new(),
            is_evicted: false,
            is_rejected: false,
            arrival,
        };
        if let Some(before) = before {
            job.waited_us = before.waited_us(now_us);
            job.own_priority = before.own_priority;
            job.priority = self.priority_for(home, &job.arrival, job.own_priority);
            job.attempts = before.attempts;
        }
        if !self.may_start(&job) && self.is_short(&job) {
            job.class = SHORT_CLASS;
            job.slots = 1;
        }
        let query = job.arrival.query;
        if self.may_start(&job) {
            self.start(&mut job, now_us);
            self.jobs.insert(query, job);
            return Ok(true);
        }
        if self.waiting() >= WAITING_MAX {
            return Err(Refusal::Full);
        }
        self.wait(&mut job);
        self.jobs.insert(query, job);
        Ok(false)
    }

    /// Lets go of the slots of a statement that goes on without.
    pub fn leave(&mut self, query: i64, now_us: i64, started: &mut Vec<i64>) {
        let Some(job) = self.jobs.get_mut(&query) else {
            return;
        };
        if job.stage == Stage::Running {
            job.stage = Stage::Left;
            job.deadline_us = None;
            let (class, slots) = (job.class, job.slots);
            self.give_back(class, slots);
            self.dispatch(now_us, started);
        }
    }

    /// Takes a statement out of the queue that does not wait any more.
    pub fn give_up(&mut self, query: i64, now_us: i64, started: &mut Vec<i64>) {
        let Some(mut job) = self.jobs.remove(&query) else {
            return;
        };
        let before = job.stage;
        self.unqueue(&job);
        job.stage = Stage::Left;
        job.deadline_us = None;
        if before != Stage::Running {
            job.is_rejected = true;
            job.exec_start_us = now_us;
        }
        let (class, slots) = (job.class, job.slots);
        self.jobs.insert(query, job);
        if before == Stage::Running {
            self.give_back(class, slots);
        }
        self.dispatch(now_us, started);
    }

    /// Ends a statement, wherever it is, and gives its attempts in order.
    pub fn finish(&mut self, query: i64, now_us: i64, started: &mut Vec<i64>) -> Vec<Attempt> {
        let state = match self.jobs.get(&query) {
            Some(job) if job.is_rejected || matches!(job.stage, Stage::Waiting(_)) => {
                FinalState::Rejected
            }
            Some(job) if job.is_evicted => FinalState::Evicted,
            _ => FinalState::Completed,
        };
        let ended = self.end_attempt(query, state, now_us);
        self.dispatch(now_us, started);
        ended.map(|job| job.attempts).unwrap_or_default()
    }

    /// Sends a statement on to the next queue that is for it. It runs on there if slots are free and the memory it has is
    /// no more than it gets there; else it begins anew, if it `can_restart`.
    pub fn hop(
        &mut self,
        query: i64,
        memory_bytes: u64,
        can_restart: bool,
        now_us: i64,
        started: &mut Vec<i64>,
    ) -> Hop {
        let Some(job) = self
            .jobs
            .get(&query)
            .filter(|job| job.stage == Stage::Running)
        else {
            return Hop::Stays;
        };
        let Some(next) = next_class(&self.config, &job.arrival.principal, job.class) else {
            return Hop::Nowhere;
        };
        let slots = job.arrival.slots.max(1);
        let Some(queue) = self.queues.get(&next) else {
            return Hop::Nowhere;
        };
        if slots > queue.config.concurrency {
            return Hop::Nowhere;
        }
        let has_room = queue.waiting.is_empty() && queue.has_room(slots);
        let fits = has_room && memory_bytes <= self.memory_of(next, slots);
        if !fits && !can_restart {
            return Hop::Stays;
        }
        let Some(mut job) = self.end_attempt(query, FinalState::Evicted, now_us) else {
            return Hop::Stays;
        };
        job.waited_us = job.waited_us(now_us);
        job.class = next;
        job.home = next;
        job.slots = slots;
        job.class_start_us = now_us;
        job.queue_start_us = now_us;
        match has_room {
            true => self.start(&mut job, now_us),
            false => self.wait(&mut job),
        }
        self.jobs.insert(query, job);
        self.dispatch(now_us, started);
        match fits {
            true => Hop::Reassigned,
            false => Hop::Restarted,
        }
    }

    /// Gives the next moment at which time is up for a statement.
    pub fn next_due_us(&self) -> Option<i64> {
        self.jobs.values().filter_map(|job| job.deadline_us).min()
    }

    /// Gives the statements whose time is up. Those that were taken for short are moved to their own queues.
    pub fn expire(&mut self, now_us: i64, started: &mut Vec<i64>) -> Vec<(i64, Expiry)> {
        let due = self.jobs.values_mut().filter_map(|job| {
            let is_due = job.deadline_us.is_some_and(|deadline| deadline <= now_us);
            is_due.then(|| {
                job.deadline_us = None;
                (job.arrival.query, job.class)
            })
        });
        let due: Vec<(i64, i32)> = due.collect();
        let expired = due.into_iter().map(|(query, class)| {
            if class != SHORT_CLASS {
                return (query, Expiry::Timeout);
            }
            if let Some(mut job) = self.end_attempt(query, FinalState::Evicted, now_us) {
                job.waited_us = job.waited_us(now_us);
                // Its queue may have gone with an earlier configuration.
                if !self.queues.contains_key(&job.home) {
                    job.home = class_of(&self.config, &job.arrival.principal);
                }
                job.class = job.home;
                job.slots = job.arrival.slots.max(1);
                job.class_start_us = now_us;
                job.queue_start_us = now_us;
                // It runs already: its queue makes room for it when others end.
                self.start(&mut job, now_us);
                self.jobs.insert(query, job);
            }
            (query, Expiry::NotShort)
        });
        let expired = expired.collect();
        self.dispatch(now_us, started);
        expired
    }

    /// Notes that a timeout or a rule ends a statement.
    pub fn evict(&mut self, query: i64) {
        if let Some(job) = self.jobs.get_mut(&query) {
            job.is_evicted = true;
        }
    }

    /// Ends the timeout of a statement: its rows are on their way to the client.
    pub fn returning(&mut self, query: i64) {
        if let Some(job) = self.jobs.get_mut(&query)
            && job.class != SHORT_CLASS
        {
            job.deadline_us = None;
        }
    }

    /// Gives the bytes of memory that a statement with so many slots may use.
    pub fn memory_of(&self, class: i32, slots: u32) -> u64 {
        let share = |bytes: u64, part: u32, of: u32| {
            let part = u64::from(part.min(of.max(1)));
            bytes / u64::from(of.max(1)) * part
        };
        match self.queues.get(&class) {
            Some(queue) if self.is_automatic(class) || queue.config.memory_percent == 0 => {
                share(self.memory_bytes, slots, self.limit.statements)
            }
            Some(queue) => {
                let own = self.memory_bytes / 100 * u64::from(queue.config.memory_percent);
                share(own, slots, queue.config.concurrency)
            }
            None => 0,
        }
    }

    /// Tells whether a service class is an automatic queue.
    pub fn is_automatic(&self, class: i32) -> bool {
        class >= super::config::AUTO_CLASS
    }

    /// Lets in what may run now, and gives the statements.
    pub fn dispatch(&mut self, now_us: i64, started: &mut Vec<i64>) {
        if !self.has_waiting() {
            return;
        }
        while let Some(query) = self.next_to_start() {
            let Some(mut job) = self.jobs.remove(&query) else {
                break;
            };
            self.unqueue(&job);
            self.start(&mut job, now_us);
            self.jobs.insert(query, job);
            started.push(query);
        }
    }

    /// Gives a statement that waits and may run.
    fn next_to_start(&self) -> Option<i64> {
        if let Some((_, query)) = self.critical.first_key_value()
            && !self.runs_critical()
        {
            return Some(*query);
        }
        let manual = self.queues.values().find_map(|queue| {
            let (_, query) = queue
                .next()
                .filter(|_| !self.is_automatic(queue.config.class))?;
            let job = self.jobs.get(&query)?;
            queue.has_room(job.slots).then_some(query)
        });
        if manual.is_some() || !self.has_automatic_room() {
            return manual;
        }
        let automatic = self.queues.values();
        let automatic = automatic.filter(|queue| self.is_automatic(queue.config.class));
        let first = automatic.filter_map(Queue::next).min();
        first.map(|(_, query)| query)
    }

    fn runs_critical(&self) -> bool {
        let is_critical =
            |job: &Job| job.priority == Priority::Critical && job.stage == Stage::Running;
        self.jobs.values().any(is_critical)
    }

    fn has_automatic_room(&self) -> bool {
        let automatic = self.queues.range(super::config::AUTO_CLASS..);
        let running: u32 = automatic.map(|(_, queue)| queue.executing).sum();
        running < self.limit.statements && (!self.limit.is_closed || running == 0)
    }

    /// Tells whether a statement that does not wait may run now.
    fn may_start(&self, job: &Job) -> bool {
        if job.priority == Priority::Critical {
            return !self.runs_critical();
        }
        if self.is_automatic(job.class) {
            let mut automatic = self.queues.range(super::config::AUTO_CLASS..);
            let is_first = automatic.all(|(_, queue)| queue.waiting.is_empty());
            return is_first && self.has_automatic_room();
        }
        let queue = self.queues.get(&job.class);
        queue.is_some_and(|queue| queue.waiting.is_empty() && queue.has_room(job.slots))
    }

    /// Gives how long a short statement may run, in microseconds: as configured, else as it is found out.
    pub fn short_most_us(&self) -> u64 {
        let given = self.config.short.and_then(|short| short.max_execution_ms);
        given.map_or(self.short_us, |ms| ms.saturating_mul(1_000))
    }

    fn is_short(&self, job: &Job) -> bool {
        if self.config.short.is_none() {
            return false;
        }
        let most = self.short_most_us();
        // As many as the short queue holds may turn out long at once; then it takes no more.
        let moved = self.jobs.values().filter(|job| {
            let was_short = |attempt: &Attempt| attempt.service_class == SHORT_CLASS;
            job.stage == Stage::Running && job.attempts.iter().any(was_short)
        });
        let is_predicted = |job: &Job| job.arrival.predicted_us.is_some_and(|us| us <= most);
        job.arrival.kind.is_query()
            && job.home != SUPERUSER_CLASS
            && is_predicted(job)
            && moved.count() < self.short_slots as usize
    }

    fn slots_for(&self, class: i32, wanted: u32) -> Result<u32, Refusal> {
        if self.is_automatic(class) {
            return Ok(1);
        }
        match self.queues.get(&class) {
            Some(queue) if wanted > queue.config.concurrency => Err(Refusal::TooManySlots {
                queue: Arc::clone(&queue.config.name),
                slots: queue.config.concurrency,
            }),
            _ => Ok(wanted.max(1)),
        }
    }

    fn start(&mut self, job: &mut Job, now_us: i64) {
        job.stage = Stage::Running;
        job.exec_start_us = now_us;
        job.deadline_us = self.deadline_of(job, now_us);
        if let Some(queue) = self.queues.get_mut(&job.class) {
            queue.serviced += 1;
            queue.take(job.slots);
        }
    }

    fn deadline_of(&self, job: &Job, now_us: i64) -> Option<i64> {
        let most_us = match job.class {
            SHORT_CLASS => self.short_most_us(),
            class => {
                let queue = self.queues.get(&class)?;
                let is_exempt = job.arrival.kind == Kind::Maintenance;
                let most = queue.config.max_execution_ms.saturating_mul(1_000);
                Some(most).filter(|most| *most > 0 && !is_exempt)?
            }
        };
        Some(now_us.saturating_add(i64::try_from(most_us).unwrap_or(i64::MAX)))
    }

    fn wait(&mut self, job: &mut Job) {
        self.arrivals += 1;
        let due = match self.is_automatic(job.class) {
            true => job.priority.due_us(job.arrived_us),
            false => 0,
        };
        let place = (due, self.arrivals);
        job.stage = Stage::Waiting(place);
        self.enqueue(job, place);
    }

    fn enqueue(&mut self, job: &Job, place: Place) {
        let query = job.arrival.query;
        if job.priority == Priority::Critical && self.is_automatic(job.class) {
            self.critical.insert(place, query);
        } else if let Some(queue) = self.queues.get_mut(&job.class) {
            queue.waiting.insert(place, query);
        }
    }

    fn unqueue(&mut self, job: &Job) {
        let Stage::Waiting(place) = job.stage else {
            return;
        };
        self.critical.remove(&place);
        if let Some(queue) = self.queues.get_mut(&job.class) {
            queue.waiting.remove(&place);
        }
    }

    fn give_back(&mut self, class: i32, slots: u32) {
        if let Some(queue) = self.queues.get_mut(&class) {
            queue.give_back(slots);
            if queue.is_retired && queue.executing == 0 {
                self.queues.remove(&class);
            }
        }
    }

    /// Takes a statement out of its class and notes what it did there.
    fn end_attempt(&mut self, query: i64, state: FinalState, now_us: i64) -> Option<Job> {
        let mut job = self.jobs.remove(&query)?;
        self.unqueue(&job);
        let queue = self.queues.get_mut(&job.class);
        let name = match queue {
            Some(queue) => {
                queue.executed += u64::from(!matches!(job.stage, Stage::Waiting(_)));
                Arc::clone(&queue.config.name)
            }
            None => Arc::default(),
        };
        let waits = matches!(job.stage, Stage::Waiting(_));
        let exec_start_us = if waits { now_us } else { job.exec_start_us };
        job.attempts.push(Attempt {
            service_class: job.class,
            service_class_name: name,
            slots: job.slots,
            class_start_us: job.class_start_us,
            queue_start_us: job.queue_start_us,
            exec_start_us,
            end_us: now_us,
            state,
            priority: self
                .is_automatic(job.class)
                .then(|| job.priority.name().into()),
        });
        if job.stage == Stage::Running {
            self.give_back(job.class, job.slots);
        }
        Some(job)
    }

    fn queue_config(&self, class: i32) -> Option<&Arc<QueueConfig>> {
        self.queues.get(&class).map(|queue| &queue.config)
    }

    /// Tells whether statements of a class are given slots by hand.
    pub fn is_manual(&self) -> bool {
        self.config.mode == Mode::Manual
    }
}
