//! Query priorities: which statement of an automatic queue goes first, and how waiting makes up for rank.

use std::fmt;

/// How important a statement is. Only superusers give `Critical`. Source: Redshift's guide, Query priority.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// Runs when nothing else wants to.
    Lowest,
    /// Below the usual.
    Low,
    /// What a queue has if nothing is said.
    #[default]
    Normal,
    /// Above the usual.
    High,
    /// The most a queue can have.
    Highest,
    /// One statement at a time, before all others.
    Critical,
}

/// What a step of rank is worth in waiting, in microseconds. A statement is overtaken only by those that come within
/// four steps after it, so the least important is behind nobody who came a minute later.
pub const STEP_US: i64 = 15_000_000;

/// What a queue can be given, least first.
pub const OF_QUEUES: [Priority; 5] = [
    Priority::Lowest,
    Priority::Low,
    Priority::Normal,
    Priority::High,
    Priority::Highest,
];

impl Priority {
    /// Reads the word of a configuration or a function, compared without case.
    pub fn parse(word: &str) -> Option<Self> {
        let mut all = OF_QUEUES.into_iter().chain([Self::Critical]);
        all.find(|one| one.name().eq_ignore_ascii_case(word.trim()))
    }

    /// Gives the word as the system tables show it: `Highest`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lowest => "Lowest",
            Self::Low => "Low",
            Self::Normal => "Normal",
            Self::High => "High",
            Self::Highest => "Highest",
            Self::Critical => "Critical",
        }
    }

    /// Gives the moment by which statements that wait are ordered: when it came, less what its rank is worth.
    pub fn due_us(self, arrived_us: i64) -> i64 {
        let steps = match self {
            Self::Lowest => 0,
            Self::Low => 1,
            Self::Normal => 2,
            Self::High => 3,
            Self::Highest | Self::Critical => 4,
        };
        arrived_us.saturating_sub(steps * STEP_US)
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_makes_up_for_rank() {
        let lowest = Priority::Lowest.due_us(0);
        assert!(Priority::Highest.due_us(59_000_000) < lowest);
        assert!(Priority::Highest.due_us(61_000_000) > lowest);
        assert!(Priority::High.due_us(0) < Priority::Normal.due_us(0));
    }

    #[test]
    fn words_are_read_in_any_case() {
        assert_eq!(Priority::parse("CRITICAL"), Some(Priority::Critical));
        assert_eq!(Priority::parse(" highest "), Some(Priority::Highest));
        assert_eq!(Priority::parse("urgent"), None);
    }
}
