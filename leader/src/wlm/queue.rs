//! One queue: its slots, who waits in it, and what it has done.

use super::config::QueueConfig;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The order of those that wait: when they are due, then the order they came in.
pub type Place = (i64, u64);

/// A queue at work.
#[derive(Debug)]
pub struct Queue {
    /// As it is configured.
    pub config: Arc<QueueConfig>,
    /// Slots that are taken; more than there are after a change, and where a statement was moved in.
    pub slots_used: u32,
    /// Statements that run.
    pub executing: u32,
    /// Statements that wait, by place.
    pub waiting: BTreeMap<Place, i64>,
    /// Statements that came.
    pub serviced: u64,
    /// Statements that ran and ended here.
    pub executed: u64,
    /// Not in the configuration any more; it goes when what runs in it has ended.
    pub is_retired: bool,
}

impl Queue {
    /// Opens a queue.
    pub fn new(config: Arc<QueueConfig>) -> Self {
        Self {
            config,
            slots_used: 0,
            executing: 0,
            waiting: BTreeMap::new(),
            serviced: 0,
            executed: 0,
            is_retired: false,
        }
    }

    /// Tells whether so many slots are free.
    pub fn has_room(&self, slots: u32) -> bool {
        self.slots_used.saturating_add(slots) <= self.config.concurrency
    }

    /// Takes slots for a statement.
    pub fn take(&mut self, slots: u32) {
        self.slots_used = self.slots_used.saturating_add(slots);
        self.executing = self.executing.saturating_add(1);
    }

    /// Gives slots back.
    pub fn give_back(&mut self, slots: u32) {
        self.slots_used = self.slots_used.saturating_sub(slots);
        self.executing = self.executing.saturating_sub(1);
    }

    /// Gives the statement that goes next.
    pub fn next(&self) -> Option<(Place, i64)> {
        let first = self.waiting.first_key_value();
        first.map(|(place, query)| (*place, *query))
    }
}
