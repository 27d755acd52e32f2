//! Workload management: queues, slots, priorities, rules, and the lane of short statements.
//!
//! [`Wlm`] is one lock around the [`scheduler`], which knows no clock and no thread, and the way between it and the
//! statements. [`admission`] is what a statement sees of it; [`monitor`] is the thread that looks at the time. The README
//! of this crate tells the whole under "Workload management".

pub mod monitor;
pub mod admission;
pub mod explain;
pub mod scheduler;
pub mod queue;
pub mod limit;
pub mod classify;
pub mod config;
pub mod rule;
pub mod predictor;
pub mod priority;

use crate::error::{Error, Result};
use crate::history::wlm::{Attempt, RuleAction, WlmError};
use crate::history::{History, lock, now_us, push};
use admission::{Grant, Ticket};
use blueshift_sql::SqlState;
use classify::{Principal, class_of};
use config::{PARAMETER, SHORT_CLASS, SUPERUSER_CLASS, WlmConfig};
use monitor::Bell;
use predictor::Predictor;
use priority::Priority;
use rule::sample::Sample;
use rule::{Action, Rule, fired};
use scheduler::{Arrival, Hop, Job, Refusal, Scheduler, Stage};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, Weak};

/// Microseconds of a second.
const SECOND_US: f64 = 1e6;

/// What is predicted to take longer, in microseconds, runs with long plans, though queues may take it for short.
const EXPRESS_US: u64 = 200_000;

/// The queues of a server.
pub struct Wlm {
    state: Mutex<State>,
    predictor: Mutex<Predictor>,
    history: Arc<History>,
    /// What holds if no superuser said otherwise.
    given: Arc<WlmConfig>,
    /// Held while the configuration changes.
    configuring: Mutex<()>,
    wants_principals: AtomicBool,
    has_rules: AtomicBool,
    can_hop: AtomicBool,
    bell: Arc<Bell>,
    /// When the monitor looks next, in microseconds since 1970.
    next_look_us: AtomicI64,
}

struct State {
    scheduler: Scheduler,
    tickets: HashMap<i64, Weak<Ticket>>,
}

impl std::fmt::Debug for Wlm {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Wlm").finish_non_exhaustive()
    }
}

impl Drop for Wlm {
    fn drop(&mut self) {
        self.bell.close();
    }
}

/// What queues are opened on.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    /// Threads that run plans.
    pub processors: usize,
    /// Memory for queries, in bytes.
    pub memory_bytes: u64,
}

/// A statement in the queues, for the system tables.
#[derive(Clone, Debug)]
pub struct JobState {
    /// The statement.
    pub job: Job,
    /// The name of its queue.
    pub class_name: Arc<str>,
    /// Whether the queue has priorities.
    pub is_automatic: bool,
    /// Whether rows go to its client.
    pub is_returning: bool,
}

/// A queue, for the system tables.
#[derive(Clone, Debug)]
pub struct QueueState {
    /// As it is configured.
    pub config: Arc<config::QueueConfig>,
    /// Slots taken.
    pub slots_used: u32,
    /// Statements that run.
    pub executing: u32,
    /// Statements that wait.
    pub waiting: usize,
    /// Statements that were let in.
    pub serviced: u64,
    /// Statements that ran and ended.
    pub executed: u64,
    /// Bytes of memory of one slot.
    pub slot_bytes: u64,
    /// Whether it is an automatic one.
    pub is_automatic: bool,
    /// Whether it goes when what runs in it has ended.
    pub is_retired: bool,
}

impl Wlm {
    /// Opens the queues of `now`; `given` are those that ALTER SYSTEM RESET comes back to.
    pub fn new(
        history: Arc<History>,
        machine: Machine,
        given: Arc<WlmConfig>,
        now: Arc<WlmConfig>,
    ) -> Self {
        let wlm = Self {
            state: Mutex::new(State {
                scheduler: Scheduler::new(
                    Arc::clone(&now),
                    machine.processors,
                    machine.memory_bytes,
                ),
                tickets: HashMap::new(),
            }),
            predictor: Mutex::default(),
            history,
            given,
            configuring: Mutex::default(),
            wants_principals: AtomicBool::default(),
            has_rules: AtomicBool::default(),
            can_hop: AtomicBool::default(),
            bell: Arc::default(),
            next_look_us: AtomicI64::new(i64::MAX),
        };
        wlm.note(&now);
        wlm
    }

    fn note(&self, config: &WlmConfig) {
        let wants = config.wants_principals();
        self.wants_principals.store(wants, Ordering::Relaxed);
        self.has_rules.store(config.has_rules(), Ordering::Relaxed);
        self.can_hop.store(config.can_hop(), Ordering::Relaxed);
        self.history
            .watches_plans
            .store(config.has_rules(), Ordering::Relaxed);
    }

    /// Takes another configuration, at once: what `read` gives, or what the server was started with. Of two that come at
    /// once, the one that was read last stays.
    pub fn configure(&self, read: impl FnOnce() -> Option<Arc<WlmConfig>>) {
        let _turn = lock(&self.configuring);
        let config = read().unwrap_or_else(|| Arc::clone(&self.given));
        tracing::info!(
            queues = config.queues.len(),
            "workload management configured"
        );
        self.note(&config);
        self.change(|scheduler, started| scheduler.configure(config, now_us(), started));
    }

    /// Gives the configuration.
    pub fn config(&self) -> Arc<WlmConfig> {
        Arc::clone(lock(&self.state).scheduler.config())
    }

    /// Tells whether a statement must say which groups and roles its user has.
    pub fn wants_principals(&self) -> bool {
        self.wants_principals.load(Ordering::Relaxed)
    }

    /// Tells whether any queue sends statements on while they run.
    pub fn can_hop(&self) -> bool {
        self.can_hop.load(Ordering::Relaxed)
    }

    /// Changes the scheduler, and tells the statements whose turn has come.
    fn change<T>(&self, change: impl FnOnce(&mut Scheduler, &mut Vec<i64>) -> T) -> T {
        let mut started = Vec::new();
        let mut state = lock(&self.state);
        let answer = change(&mut state.scheduler, &mut started);
        let tickets = started.iter().filter_map(|query| state.tickets.get(query));
        let woken: Vec<Arc<Ticket>> = tickets.filter_map(Weak::upgrade).collect();
        for ticket in &woken {
            ticket.is_in.store(true, Ordering::Release);
            ticket.turn.notify_one();
        }
        drop(state);
        answer
    }

    /// Brings a statement to its queue; tells whether it may run at once.
    fn arrive(&self, ticket: &Arc<Ticket>) -> Result<bool> {
        let visitor = &ticket.visitor;
        let mut arrival = Arrival {
            query: visitor.query,
            pid: visitor.pid,
            kind: ticket.kind(),
            principal: Arc::clone(&visitor.principal),
            slots: visitor.slots,
            predicted_us: None,
        };
        let now = now_us();
        let mut state = lock(&self.state);
        // Only what would wait need be known to be short.
        if state.scheduler.config().short.is_some() && arrival.kind.is_query() {
            let features = *lock(&ticket.features);
            let shape = predictor::shape(&visitor.text);
            arrival.predicted_us = lock(&self.predictor).predict(shape, features.as_ref());
        }
        let outcome = state.scheduler.arrive(arrival, now);
        let Ok(runs) = outcome else {
            drop(state);
            return outcome.map_err(|refusal| self.refused(ticket, &refusal));
        };
        ticket.is_in.store(runs, Ordering::Release);
        state.tickets.insert(visitor.query, Arc::downgrade(ticket));
        let job = state.scheduler.job(visitor.query);
        let due = job.and_then(|job| job.deadline_us).unwrap_or(i64::MAX);
        drop(state);
        let is_watched = !runs || self.has_rules.load(Ordering::Relaxed);
        let look = if is_watched {
            now + monitor::TICK_US
        } else {
            i64::MAX
        };
        self.look_at(due.min(look));
        Ok(runs)
    }

    /// Has the monitor look at a moment, if it would look later.
    fn look_at(&self, at_us: i64) {
        if at_us < self.next_look_us.load(Ordering::Relaxed) {
            self.bell.ring();
        }
    }

    fn refused(&self, ticket: &Ticket, refusal: &Refusal) -> Error {
        let visitor = &ticket.visitor;
        let limit = SqlState::CONFIGURATION_LIMIT_EXCEEDED;
        let error = match refusal {
            Refusal::TooManySlots { queue, slots } => blueshift_sql::Error::new(
                limit,
                format!(
                    "wlm_query_slot_count is {}, but queue \"{queue}\" has {slots} slots",
                    visitor.slots
                ),
            )
            .with_hint("Set wlm_query_slot_count to as many slots as the queue has, or fewer."),
            Refusal::Full => blueshift_sql::Error::new(
                limit,
                format!(
                    "{} statements wait in the queues of the workload manager, which is the most",
                    scheduler::WAITING_MAX
                ),
            )
            .with_hint("Try again when some have ended; STV_WLM_QUERY_STATE shows them."),
        };
        push(
            &self.history.wlm_errors,
            WlmError {
                userid: visitor.principal.userid,
                pid: visitor.pid,
                error: error.message.clone(),
                recordtime_us: now_us(),
            },
        );
        error.into()
    }

    fn leave(&self, query: i64) {
        self.change(|scheduler, started| scheduler.leave(query, now_us(), started));
    }

    fn give_up(&self, query: i64) {
        self.change(|scheduler, started| scheduler.give_up(query, now_us(), started));
    }

    fn returning(&self, query: i64) {
        lock(&self.state).scheduler.returning(query);
    }

    fn is_short(&self, query: i64) -> bool {
        let state = lock(&self.state);
        let most = state.scheduler.short_most_us().min(EXPRESS_US);
        let job = state.scheduler.job(query);
        job.is_some_and(|job| {
            let is_predicted = job.arrival.predicted_us.is_some_and(|us| us <= most);
            is_predicted || matches!(job.class, SHORT_CLASS | SUPERUSER_CLASS)
        })
    }

    /// Gives the memory that a statement's slots are worth; `None` where queues have no share of their own.
    fn grant(&self, query: i64) -> Option<Grant> {
        let state = lock(&self.state);
        let job = state.scheduler.job(query)?;
        let config = state.scheduler.config().queue(job.class)?;
        (config.memory_percent > 0).then(|| Grant {
            queue: Arc::clone(&config.name),
            memory_bytes: state.scheduler.memory_of(job.class, job.slots),
        })
    }

    /// Ends a statement, and learns from it.
    fn finish(&self, ticket: &Ticket, succeeded: bool) -> Vec<Attempt> {
        if self.has_rules.load(Ordering::Relaxed) {
            self.judge_at_end(ticket);
        }
        let query = ticket.visitor.query;
        let attempts = self.change(|scheduler, started| scheduler.finish(query, now_us(), started));
        lock(&self.state).tickets.remove(&query);
        if succeeded
            && ticket.kind().is_query()
            && let Some(last) = attempts.last()
        {
            // Evicted attempts before were of the same run.
            let ran = attempts.iter().map(Attempt::exec_us).sum::<i64>();
            let ran = if attempts.len() > 1 {
                ran
            } else {
                last.exec_us()
            };
            let shape = predictor::shape(&ticket.visitor.text);
            let features = *lock(&ticket.features);
            lock(&self.predictor).learn(shape, features.as_ref(), ran.unsigned_abs());
        }
        attempts
    }

    /// Measures a statement.
    fn sample(&self, ticket: &Ticket, job: &Job, is_automatic: bool, now: i64) -> Sample {
        let mut sample = Sample {
            queue_seconds: job.waited_us(now) as f64 / SECOND_US,
            returned_rows: ticket.returned_rows.load(Ordering::Relaxed),
            priority: is_automatic.then_some(job.priority),
            ..Sample::default()
        };
        if !matches!(job.stage, Stage::Waiting(_)) {
            sample.execution_seconds = (now - job.exec_start_us).max(0) as f64 / SECOND_US;
            let (steps, external) = ticket.visitor.plans.progress();
            sample.measure(&steps, &external, now);
        }
        sample
    }

    /// Looks at a statement with the rules of its queue, and does what the most severe says that has not been done.
    fn judge(&self, ticket: &Arc<Ticket>, state: &JobState, rules: &[Rule], now: i64) {
        let job = &state.job;
        let sample = self.sample(ticket, job, state.is_automatic, now);
        let waits = matches!(job.stage, Stage::Waiting(_));
        let is_due = |rule: &&Rule| {
            let is_done = lock(&ticket.rules_done).contains(&rule.name);
            let changes_nothing =
                matches!(rule.action, Action::ChangePriority(to) if to == job.priority);
            !is_done && !changes_nothing
        };
        let fired = fired(rules, &sample, waits);
        let Some(rule) = fired.into_iter().find(is_due) else {
            return;
        };
        let query = job.arrival.query;
        let (action, value) = match rule.action {
            Action::Log if !ticket.acts_first(&rule.name) => return,
            Action::Log => ("log", None),
            Action::Abort if job.arrival.kind == scheduler::Kind::Maintenance => ("none", None),
            Action::Abort => {
                self.abort(ticket, &rule.name);
                ("abort", None)
            }
            Action::ChangePriority(to) => {
                self.change(|scheduler, started| scheduler.change_query(query, to, now, started));
                ("change_query_priority", Some(to.name().to_lowercase()))
            }
            Action::Hop if !job.arrival.kind.is_query() => ("none", None),
            Action::Hop => match self.hop(ticket, sample.memory_bytes, now) {
                Hop::Reassigned => ("hop(reassign)", None),
                Hop::Restarted => ("hop(restart)", None),
                Hop::Stays => ("none", None),
                Hop::Nowhere => {
                    self.abort(ticket, &rule.name);
                    ("abort", None)
                }
            },
        };
        // The rules of another queue look at it anew.
        if !action.starts_with("hop") && value.is_none() {
            ticket.acts_first(&rule.name);
        }
        self.record(state, rule, action, value);
    }

    /// Notes what rules would have logged of a statement that was over before the monitor looked at it.
    fn judge_at_end(&self, ticket: &Ticket) {
        let Some(state) = self.job_state(ticket.visitor.query) else {
            return;
        };
        let Some(queue) = self.rules_of(state.job.class) else {
            return;
        };
        let is_open = |rule: &&Rule| {
            rule.action == Action::Log && !lock(&ticket.rules_done).contains(&rule.name)
        };
        if !queue.rules.iter().any(|rule| is_open(&rule)) {
            return;
        }
        let sample = self.sample(ticket, &state.job, state.is_automatic, now_us());
        let waits = matches!(state.job.stage, Stage::Waiting(_));
        for rule in fired(&queue.rules, &sample, waits)
            .into_iter()
            .filter(is_open)
        {
            if ticket.acts_first(&rule.name) {
                self.record(&state, rule, "log", None);
            }
        }
    }

    fn rules_of(&self, class: i32) -> Option<Arc<config::QueueConfig>> {
        let state = lock(&self.state);
        let config = state.scheduler.config().queue(class)?;
        (!config.rules.is_empty()).then(|| Arc::clone(config))
    }

    fn record(&self, state: &JobState, rule: &Rule, action: &str, value: Option<String>) {
        let arrival = &state.job.arrival;
        tracing::info!(query_id = arrival.query, rule = %rule.name, action, "query monitoring rule");
        push(
            &self.history.rule_actions,
            RuleAction {
                userid: arrival.principal.userid,
                query: arrival.query,
                service_class: state.job.class,
                service_class_name: Arc::clone(&state.class_name),
                rule: Arc::clone(&rule.name),
                action: action.to_owned(),
                value,
                recordtime_us: now_us(),
            },
        );
    }

    fn abort(&self, ticket: &Ticket, rule: &str) {
        let query = ticket.visitor.query;
        lock(&self.state).scheduler.evict(query);
        ticket.cancel(format!(
            "Query ({query}) cancelled by WLM abort action of Query Monitoring Rule \"{rule}\"."
        ));
    }

    /// Ends a statement whose queue gives it no more time.
    fn time_out(&self, ticket: &Ticket) {
        let query = ticket.visitor.query;
        lock(&self.state).scheduler.evict(query);
        ticket.cancel(format!("Query ({query}) cancelled by WLM timeout"));
    }

    fn hop(&self, ticket: &Arc<Ticket>, memory_bytes: u64, now: i64) -> Hop {
        let query = ticket.visitor.query;
        let can_restart = ticket.can_restart.load(Ordering::Acquire);
        let hop = self.change(|scheduler, started| {
            let hop = scheduler.hop(query, memory_bytes, can_restart, now, started);
            let waits = scheduler.job(query);
            let waits = waits.is_some_and(|job| matches!(job.stage, Stage::Waiting(_)));
            if hop == Hop::Restarted && waits {
                ticket.is_in.store(false, Ordering::Release);
            }
            hop
        });
        match hop {
            Hop::Reassigned => ticket.use_grant(),
            Hop::Restarted => {
                ticket.cannot_restart();
                ticket.restart.notify_one();
            }
            Hop::Stays | Hop::Nowhere => {}
        }
        hop
    }

    /// Gives what a ticket is of, if it is in the queues.
    fn job_state(&self, query: i64) -> Option<JobState> {
        let state = lock(&self.state);
        let described = Described::of(&state, state.scheduler.job(query)?);
        drop(state);
        Some(described.finish())
    }

    /// Lists the statements that are in the queues.
    pub fn jobs(&self) -> Vec<JobState> {
        let state = lock(&self.state);
        let jobs = state.scheduler.jobs();
        let jobs: Vec<Described> = jobs.map(|job| Described::of(&state, job)).collect();
        drop(state);
        let mut jobs: Vec<JobState> = jobs.into_iter().map(Described::finish).collect();
        jobs.sort_by_key(|state| state.job.arrival.query);
        jobs
    }

    /// Gives how long a short statement may run, in microseconds.
    pub fn short_us(&self) -> u64 {
        lock(&self.state).scheduler.short_most_us()
    }

    /// Lists the queues, by service class.
    pub fn queues(&self) -> Vec<QueueState> {
        let state = lock(&self.state);
        let scheduler = &state.scheduler;
        let critical = scheduler.jobs().filter(|job| {
            job.priority == Priority::Critical && matches!(job.stage, Stage::Waiting(_))
        });
        let critical: Vec<i32> = critical.map(|job| job.class).collect();
        let queues = scheduler.queues().map(|queue| {
            let class = queue.config.class;
            let is_critical = |other: &&i32| **other == class;
            let is_automatic = scheduler.is_automatic(class);
            let critical = if is_automatic {
                critical.iter().filter(is_critical).count()
            } else {
                0
            };
            QueueState {
                config: Arc::clone(&queue.config),
                slots_used: queue.slots_used,
                executing: queue.executing,
                waiting: queue.waiting.len() + critical,
                serviced: queue.serviced,
                executed: queue.executed,
                slot_bytes: scheduler.memory_of(class, 1),
                is_automatic,
                is_retired: queue.is_retired,
            }
        });
        queues.collect()
    }

    /// Changes the priority of a statement, and gives what it was. Fails with 42704 if it is in no automatic queue.
    pub fn change_query_priority(&self, query: i64, priority: Priority) -> Result<Priority> {
        let changed = self.change(|scheduler, started| {
            scheduler.change_query(query, priority, now_us(), started)
        });
        changed.ok_or_else(|| {
            blueshift_sql::Error::new(
                SqlState::UNDEFINED_OBJECT,
                format!("query {query} neither runs nor waits in an automatic queue"),
            )
            .with_hint("STV_WLM_QUERY_STATE shows the queries that do.")
            .into()
        })
    }

    /// Changes the priority of a session, and gives what it was if it was changed before.
    pub fn change_session_priority(
        &self,
        pid: i32,
        priority: Priority,
    ) -> Result<Option<Priority>> {
        self.ensure_critical(priority, Some(pid), None)?;
        Ok(self.change(|scheduler, started| {
            scheduler.change_session(pid, priority, now_us(), started)
        }))
    }

    /// Changes the priority of a user, `None` for that of their queues, and gives what it was if it was changed before.
    pub fn change_user_priority(
        &self,
        userid: u32,
        priority: Option<Priority>,
    ) -> Result<Option<Priority>> {
        if let Some(priority) = priority {
            self.ensure_critical(priority, None, Some(userid))?;
        }
        Ok(self.change(|scheduler, started| {
            scheduler.change_user(userid, priority, now_us(), started)
        }))
    }

    /// One session or user has CRITICAL priority at a time.
    fn ensure_critical(
        &self,
        priority: Priority,
        pid: Option<i32>,
        userid: Option<u32>,
    ) -> Result<()> {
        let state = lock(&self.state);
        match priority == Priority::Critical && state.scheduler.has_other_critical(pid, userid) {
            false => Ok(()),
            true => Err(blueshift_sql::Error::new(
                SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
                "another session or user has CRITICAL priority",
            )
            .with_hint("Give it another priority first; only one can have CRITICAL.")
            .into()),
        }
    }

    /// Forgets a session that ended.
    pub fn forget_session(&self, pid: i32) {
        lock(&self.state).scheduler.forget_session(pid);
    }

    /// Gives the service class that a statement would go to, and its name.
    pub fn class_of(&self, principal: &Principal) -> i32 {
        class_of(lock(&self.state).scheduler.config(), principal)
    }
}

/// A statement and its ticket. The ticket is looked at, and let go of, without the lock: the last to let go ends it, for
/// which the lock is needed.
struct Described {
    state: JobState,
    ticket: Option<Arc<Ticket>>,
}

impl Described {
    fn of(state: &State, job: &Job) -> Self {
        let scheduler = &state.scheduler;
        let mut queues = scheduler.queues();
        let queue = queues.find(|queue| queue.config.class == job.class);
        let ticket = state.tickets.get(&job.arrival.query);
        Self {
            state: JobState {
                job: job.clone(),
                class_name: queue.map_or_else(Arc::default, |queue| Arc::clone(&queue.config.name)),
                is_automatic: scheduler.is_automatic(job.class),
                is_returning: false,
            },
            ticket: ticket.and_then(Weak::upgrade),
        }
    }

    fn finish(self) -> JobState {
        let is_returning = |ticket: Arc<Ticket>| ticket.is_returning.load(Ordering::Relaxed);
        JobState {
            is_returning: self.ticket.is_some_and(is_returning),
            ..self.state
        }
    }
}

/// The key under which a configuration of ALTER SYSTEM is kept in the catalog.
pub const KEY: &str = "wlm/1";

/// Reads a kept configuration. One that is not understood, as a later server may have written it, is told of and left
/// out.
pub fn kept(value: Option<&serde_json::Value>) -> Option<Arc<WlmConfig>> {
    let text = value?.as_str()?;
    match WlmConfig::parse(text) {
        Ok(config) => Some(Arc::new(config)),
        Err(error) => {
            tracing::error!(%error, "the kept {PARAMETER} is not understood; the server's own holds");
            None
        }
    }
}
