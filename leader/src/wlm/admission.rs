//! A statement at the door: it waits for its turn, holds its slots while it runs, and gives them back however it ends.
//!
//! A [`Ticket`] is made with each statement and costs nothing until a plan is about to run. A session's statements share
//! a [`Seat`]: when one comes to the queues, or waits for a lock, those before it that are not done, such as portals whose
//! rows were fetched in part, go on without slots. So nobody waits for a slot that their own session holds, and nobody
//! holds one while waiting for a lock.

use super::Wlm;
use super::classify::Principal;
use super::predictor::Features;
use super::scheduler::Kind;
use crate::error::Result;
use crate::history::plans::RunningPlans;
use crate::history::wlm::Attempt;
use crate::history::{lock, now_us};
use blueshift_compute::resource::memory::QueryPool;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// The memory that a running statement's slots are worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The queue's name.
    pub queue: Arc<str>,
    /// What it may use, in bytes.
    pub memory_bytes: u64,
}

/// The place of a session's statement that holds slots.
#[derive(Debug, Default)]
pub struct Seat {
    holder: Mutex<Weak<Ticket>>,
}

impl Seat {
    /// Gives back the slots that a statement of the session holds; it goes on without.
    pub fn leave(&self) {
        let holder = lock(&self.holder).upgrade();
        if let Some(holder) = holder {
            holder.leave();
        }
    }

    /// Gives the place to a statement.
    fn take(&self, ticket: &Arc<Ticket>) {
        let before = std::mem::replace(&mut *lock(&self.holder), Arc::downgrade(ticket));
        if let Some(before) = before.upgrade()
            && !Arc::ptr_eq(&before, ticket)
        {
            before.leave();
        }
    }
}

/// Who comes.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// The query id.
    pub query: i64,
    /// The process id of the session.
    pub pid: i32,
    /// The statement's text, by which it is known again.
    pub text: Arc<str>,
    /// Whose it is.
    pub principal: Arc<Principal>,
    /// `wlm_query_slot_count`.
    pub slots: u32,
    /// What its plans do.
    pub plans: Arc<RunningPlans>,
    /// Stops it.
    pub stop: CancellationToken,
    /// The session's place.
    pub seat: Arc<Seat>,
}

/// A statement's way through the queues.
#[derive(Debug)]
pub struct Ticket {
    wlm: Arc<Wlm>,
    pub(super) visitor: Visitor,
    kind: Mutex<Kind>,
    /// Whether it ever came to the queues.
    has_come: AtomicBool,
    /// Whether it runs with slots.
    pub(super) is_in: AtomicBool,
    /// Told when its turn has come.
    pub(super) turn: Notify,
    /// Told when it must begin anew.
    pub(super) restart: Notify,
    /// Whether it can begin anew.
    pub(super) can_restart: AtomicBool,
    /// Whether rows went to the client.
    pub(super) is_returning: AtomicBool,
    /// Rows that went to the client.
    pub(super) returned_rows: AtomicU64,
    /// Since when the client has not asked for more rows, in microseconds since 1970; 0 while it waits for them.
    pub(super) idle_since_us: AtomicI64,
    /// What the client is told if queues end it.
    message: Mutex<Option<String>>,
    /// Rules that did what they do only once.
    pub(super) rules_done: Mutex<Vec<Arc<str>>>,
    pub(super) features: Mutex<Option<Features>>,
    /// The statement's memory, which its queue limits.
    pool: OnceLock<Weak<QueryPool>>,
}

impl Ticket {
    /// Makes the ticket of a statement.
    pub fn new(wlm: Arc<Wlm>, visitor: Visitor) -> Arc<Self> {
        Arc::new(Self {
            wlm,
            visitor,
            kind: Mutex::default(),
            has_come: AtomicBool::new(false),
            is_in: AtomicBool::new(false),
            turn: Notify::new(),
            restart: Notify::new(),
            can_restart: AtomicBool::new(false),
            is_returning: AtomicBool::new(false),
            returned_rows: AtomicU64::new(0),
            idle_since_us: AtomicI64::new(0),
            message: Mutex::default(),
            rules_done: Mutex::default(),
            features: Mutex::default(),
            pool: OnceLock::new(),
        })
    }

    /// Makes the ticket of a statement within this one, with a query id of its own.
    pub fn within(&self, query: i64, text: Arc<str>, plans: Arc<RunningPlans>) -> Arc<Self> {
        let visitor = Visitor {
            query,
            text,
            plans,
            ..self.visitor.clone()
        };
        Self::new(Arc::clone(&self.wlm), visitor)
    }

    /// Gives the query id.
    pub fn query(&self) -> i64 {
        self.visitor.query
    }

    /// Gives the session's place.
    pub fn seat(&self) -> &Arc<Seat> {
        &self.visitor.seat
    }

    /// Notes that a rule acts on the statement, once; `false` if it has, maybe just now on another thread.
    pub(super) fn acts_first(&self, rule: &Arc<str>) -> bool {
        let mut done = lock(&self.rules_done);
        let is_first = !done.contains(rule);
        if is_first {
            done.push(Arc::clone(rule));
        }
        is_first
    }

    /// Says what the statement is, which decides what a timeout does to it.
    pub fn set_kind(&self, kind: Kind) {
        *lock(&self.kind) = kind;
    }

    /// Tells what the statement is.
    pub fn kind(&self) -> Kind {
        *lock(&self.kind)
    }

    /// Waits for slots, unless the statement has them or needs none. Dropping the future gives up the place. Fails with
    /// 53400 if the statement asks for more slots than there are, or too many wait.
    pub async fn admit(
        self: &Arc<Self>,
        features: impl FnOnce() -> Option<Features>,
    ) -> Result<()> {
        let kind = self.kind();
        if kind == Kind::Free || self.is_in.load(Ordering::Acquire) {
            return Ok(());
        }
        self.visitor.seat.take(self);
        if kind.is_query() {
            *lock(&self.features) = features();
        }
        self.has_come.store(true, Ordering::Relaxed);
        match self.wlm.arrive(self)? {
            true => Ok(()),
            false => self.wait_turn().await,
        }
    }

    /// Waits until the queue lets it in.
    pub async fn wait_turn(self: &Arc<Self>) -> Result<()> {
        let mut guard = Waiting(Some(Arc::clone(self)));
        while !self.is_in.load(Ordering::Acquire) {
            self.turn.notified().await;
        }
        guard.0 = None;
        self.use_grant();
        Ok(())
    }

    /// Goes on without slots.
    pub fn leave(&self) {
        if self.is_in.swap(false, Ordering::AcqRel) {
            self.wlm.leave(self.visitor.query);
        }
    }

    /// Tells whether the statement runs with slots.
    pub fn has_slots(&self) -> bool {
        self.is_in.load(Ordering::Acquire)
    }

    /// Tells whether the statement is predicted to be short, is in the superusers' own queue, or needs no slots.
    pub fn is_short(&self) -> bool {
        match self.has_slots() {
            true => self.wlm.is_short(self.visitor.query),
            false => !self.has_come.load(Ordering::Relaxed),
        }
    }

    /// Has the statement's memory limited by the queues it runs in from now on.
    pub fn limit(&self, pool: &Arc<QueryPool>) {
        // A statement has one pool; were there two, the first is it.
        let _ = self.pool.set(Arc::downgrade(pool));
        self.use_grant();
    }

    /// Limits the statement's memory to what its queue grants it now.
    pub(super) fn use_grant(&self) {
        let pool = self.pool.get().and_then(Weak::upgrade);
        let Some(pool) = pool.filter(|_| self.is_in.load(Ordering::Acquire)) else {
            return;
        };
        let grant = self.wlm.grant(self.visitor.query);
        pool.set_grant(grant.map(|grant| {
            let bytes = usize::try_from(grant.memory_bytes).unwrap_or(usize::MAX);
            (bytes, grant.queue)
        }));
    }

    /// Tells whether the statement may be told to begin anew in another queue before its first row. Then who runs it
    /// must listen to [`Ticket::restarted`] until [`Ticket::cannot_restart`].
    pub fn may_restart(&self) -> bool {
        let may =
            self.kind().is_query() && self.wlm.can_hop() && self.is_in.load(Ordering::Acquire);
        self.can_restart.store(may, Ordering::Release);
        may
    }

    /// Waits until the statement must begin anew.
    pub async fn restarted(&self) {
        self.restart.notified().await;
    }

    /// Says that it is too late to begin anew.
    pub fn cannot_restart(&self) {
        self.can_restart.store(false, Ordering::Release);
    }

    /// Notes rows that go to the client, who has now to read them.
    pub fn returned(&self, rows: u64) {
        self.returned_rows.fetch_add(rows, Ordering::Relaxed);
        if self.has_come.load(Ordering::Relaxed) {
            if !self.is_returning.swap(true, Ordering::Relaxed) {
                self.wlm.returning(self.visitor.query);
            }
            self.idle_since_us.store(now_us(), Ordering::Relaxed);
        }
    }

    /// Notes that the client waits for rows.
    pub fn asked(&self) {
        if self.idle_since_us.load(Ordering::Relaxed) != 0 {
            self.idle_since_us.store(0, Ordering::Relaxed);
        }
    }

    /// Ends the statement, and has its client told why.
    pub(super) fn cancel(&self, message: String) {
        let mut kept = lock(&self.message);
        if kept.is_none() {
            *kept = Some(message);
        }
        drop(kept);
        self.visitor.stop.cancel();
    }

    /// Gives what the client is told, if queues ended the statement.
    pub fn message(&self) -> Option<String> {
        lock(&self.message).clone()
    }

    /// Gives everything back, and what the statement did in the queues. `succeeded` ones are learned from.
    pub fn finish(&self, succeeded: bool) -> Vec<Attempt> {
        if !self.has_come.swap(false, Ordering::AcqRel) {
            return Vec::new();
        }
        self.is_in.store(false, Ordering::Release);
        self.wlm.finish(self, succeeded)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.finish(false);
    }
}

/// Gives up the place of a statement that does not wait any more.
struct Waiting(Option<Arc<Ticket>>);

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(ticket) = self.0.take() {
            ticket.is_in.store(false, Ordering::Release);
            ticket.wlm.give_up(ticket.visitor.query);
        }
    }
}
