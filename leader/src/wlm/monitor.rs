//! The thread that looks at the time: timeouts, rules, the number of statements that run at once.
//!
//! It is a thread of its own, as those that run plans may be busy for longer than a timeout may be late. It sleeps until
//! the next timeout, or a second while statements wait or rules hold, and for ever while there is nothing to look at.

use super::Wlm;
use super::admission::Ticket;
use super::limit::Load;
use super::scheduler::{Expiry, Hop, Kind, Stage};
use crate::history::{lock, now_us};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::time::Duration;

/// Between two looks at rules, in microseconds. Redshift looks every ten seconds.
pub const TICK_US: i64 = 1_000_000;
/// A client that asks for no more rows for so long lets others run, in microseconds.
const IDLE_US: i64 = 1_000_000;

/// Wakes the monitor.
#[derive(Debug, Default)]
pub struct Bell {
    state: Mutex<Ring>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Ring {
    is_rung: bool,
    is_closed: bool,
}

impl Bell {
    /// Has the monitor look now.
    pub fn ring(&self) {
        lock(&self.state).is_rung = true;
        self.changed.notify_one();
    }

    /// Ends the monitor.
    pub fn close(&self) {
        lock(&self.state).is_closed = true;
        self.changed.notify_one();
    }

    /// Waits for the bell, or for a time; `false` at the end.
    fn wait(&self, at_most: Option<Duration>) -> bool {
        let ring = lock(&self.state);
        let sleeps = |ring: &mut Ring| !ring.is_rung && !ring.is_closed;
        let mut ring = match at_most {
            Some(at_most) => {
                let waited = self.changed.wait_timeout_while(ring, at_most, sleeps);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
            None => {
                let waited = self.changed.wait_while(ring, sleeps);
                waited.unwrap_or_else(PoisonError::into_inner)
            }
        };
        ring.is_rung = false;
        !ring.is_closed
    }
}

/// Starts the thread; it ends with the queues. `load` tells what the node is doing since it was last asked.
pub fn start(
    wlm: &Arc<Wlm>,
    mut load: impl FnMut() -> Load + Send + 'static,
) -> std::io::Result<()> {
    let (queues, bell) = (Arc::downgrade(wlm), Arc::clone(&wlm.bell));
    let run = move || {
        let mut last_tick_us = 0;
        loop {
            let Some(wlm) = Weak::upgrade(&queues) else {
                return;
            };
            let next = wlm.look(&mut last_tick_us, &mut load);
            drop(wlm);
            let left = next.map(|next| {
                let left = u64::try_from(next - now_us()).unwrap_or(0);
                Duration::from_micros(left)
            });
            if !bell.wait(left) {
                return;
            }
        }
    };
    let thread = std::thread::Builder::new().name("wlm".to_owned());
    thread.spawn(run).map(drop)
}

impl Wlm {
    /// Does what is due, and gives the moment of the next look.
    fn look(
        self: &Arc<Self>,
        last_tick_us: &mut i64,
        load: &mut impl FnMut() -> Load,
    ) -> Option<i64> {
        let now = now_us();
        // Whoever comes from here on has something earlier in mind, or rings.
        self.next_look_us.store(i64::MAX, Ordering::Relaxed);
        self.expire(now);
        if now - *last_tick_us >= TICK_US {
            *last_tick_us = now;
            self.tick(now, load());
        }
        let state = lock(&self.state);
        let scheduler = &state.scheduler;
        let has_rules = self.has_rules.load(Ordering::Relaxed);
        let is_watched =
            scheduler.has_waiting() || (has_rules && scheduler.jobs().next().is_some());
        let tick = is_watched.then_some(*last_tick_us + TICK_US);
        let next = scheduler.next_due_us().into_iter().chain(tick).min();
        self.next_look_us
            .store(next.unwrap_or(i64::MAX), Ordering::Relaxed);
        next
    }

    fn ticket(&self, query: i64) -> Option<Arc<Ticket>> {
        let state = lock(&self.state);
        state.tickets.get(&query).and_then(Weak::upgrade)
    }

    /// Ends, or sends on, what has run for as long as its queue lets it.
    fn expire(&self, now: i64) {
        let expired = self.change(|scheduler, started| match scheduler.next_due_us() {
            Some(due) if due <= now => scheduler.expire(now, started),
            _ => Vec::new(),
        });
        for (query, expiry) in expired {
            let Some(ticket) = self.ticket(query) else {
                continue;
            };
            if expiry == Expiry::NotShort {
                tracing::debug!(query_id = query, "not short after all");
                ticket.use_grant();
                continue;
            }
            let hop = match ticket.kind() {
                Kind::Read | Kind::ReadInto => {
                    let (steps, _) = ticket.visitor.plans.progress();
                    let memory = steps.iter().map(|step| step.sum(|work| work.memory)).sum();
                    self.hop(&ticket, memory, now)
                }
                _ => Hop::Nowhere,
            };
            if matches!(hop, Hop::Nowhere | Hop::Stays) {
                self.time_out(&ticket);
            }
        }
    }

    /// Does what is done once a second.
    fn tick(self: &Arc<Self>, now: i64, load: Load) {
        let short_us = lock(&self.predictor).short_us();
        let waits = self.change(|scheduler, started| {
            let waits = scheduler.has_waiting();
            scheduler.limit.follow(load, waits);
            if let Some(short_us) = short_us {
                scheduler.short_us = short_us;
            }
            scheduler.dispatch(now, started);
            waits
        });
        let has_rules = self.has_rules.load(Ordering::Relaxed);
        if !waits && !has_rules {
            return;
        }
        for state in self.jobs() {
            let Some(ticket) = self.ticket(state.job.arrival.query) else {
                continue;
            };
            let idle = ticket.idle_since_us.load(Ordering::Relaxed);
            if waits && idle != 0 && now - idle >= IDLE_US {
                ticket.leave();
            }
            if has_rules
                && state.job.stage != Stage::Left
                && let Some(queue) = self.rules_of(state.job.class)
            {
                self.judge(&ticket, &state, &queue.rules, now);
            }
        }
    }
}
