//! How many statements run at once in automatic queues: found out from how busy memory and processors are.
//!
//! While statements wait, one more may run each second if processors have time, and a quarter fewer if memory runs short.
//! Nothing is found out while nothing waits: then the number does not matter.

/// What the node is doing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Load {
    /// How busy the processors were since the last look, in percent.
    pub cpu_percent: u32,
    /// How much of the memory for queries is taken, in percent.
    pub memory_percent: u32,
}

/// Fewer statements than this never run at once.
pub const LEAST: u32 = 2;
/// More than this never do: the slots that manual queues may have.
pub const MOST: u32 = super::config::SLOTS_MAX;
/// Statements per processor to begin with.
const PER_PROCESSOR: u32 = 4;
/// Above this, one more statement would only make the others slower.
const BUSY_PERCENT: u32 = 85;
/// Above this, statements spill or fail.
const FULL_PERCENT: u32 = 85;
/// Above this nothing is let in beside what runs.
pub const CLOSED_PERCENT: u32 = 95;

/// The number, and what it follows.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// Statements that may run at once.
    pub statements: u32,
    /// What it began with, and comes back to.
    start: u32,
    /// Whether memory is so short that nothing more is let in.
    pub is_closed: bool,
}

impl Limit {
    /// Begins for a number of processors.
    pub fn new(processors: usize) -> Self {
        let processors = u32::try_from(processors).unwrap_or(MOST);
        let start = processors.saturating_mul(PER_PROCESSOR).clamp(5, MOST);
        Self {
            statements: start,
            start,
            is_closed: false,
        }
    }

    /// Follows what the node is doing; `waits` tells whether statements wait.
    pub fn follow(&mut self, load: Load, waits: bool) {
        self.is_closed = load.memory_percent >= CLOSED_PERCENT;
        if load.memory_percent >= FULL_PERCENT {
            let fewer = self.statements - self.statements.div_ceil(4).min(self.statements);
            self.statements = fewer.max(LEAST);
        } else if waits && load.cpu_percent < BUSY_PERCENT {
            self.statements = self.statements.saturating_add(1).min(MOST);
        } else if self.statements < self.start {
            self.statements += 1;
        } else if !waits && self.statements > self.start {
            self.statements -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_lowers_it_and_idle_processors_raise_it() {
        let mut limit = Limit::new(2);
        assert_eq!(limit.statements, 8);
        let full = Load {
            cpu_percent: 10,
            memory_percent: 90,
        };
        for _ in 0..10 {
            limit.follow(full, true);
        }
        assert_eq!(limit.statements, LEAST);
        assert!(!limit.is_closed);
        let idle = Load::default();
        for _ in 0..100 {
            limit.follow(idle, true);
        }
        assert_eq!(limit.statements, MOST);
        for _ in 0..100 {
            limit.follow(idle, false);
        }
        assert_eq!(limit.statements, 8);
        limit.follow(
            Load {
                cpu_percent: 100,
                memory_percent: 99,
            },
            true,
        );
        assert!(limit.is_closed);
    }
}
