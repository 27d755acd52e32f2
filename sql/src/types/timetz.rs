//! TIMETZ: a time of day and how far its clock is ahead of UTC, in one number that orders as PostgreSQL orders them:
//! by the instant, and of one instant the zone farther east first.
//!
//! In arrow it is a time in nanoseconds, a type that nothing else here has: so no cast of the engine's takes it for
//! a TIME.

use std::fmt::Write;

const MICROSECONDS: i64 = 1_000_000;
/// Microseconds of a minute.
const MINUTE: i64 = 60 * MICROSECONDS;
/// The bits of the zone: minutes west of Greenwich, from -2048.
const ZONE_BITS: u32 = 12;
const ZONE_MIDDLE: i64 = 1 << (ZONE_BITS - 1);
/// Zones go up to 15:59 to either side.
pub const ZONE_MINUTES_MAX: i64 = 15 * 60 + 59;

/// A time of day on a clock, in microseconds, and the minutes that it is ahead of UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeTz {
    /// Microseconds since midnight.
    pub local: i64,
    /// Minutes ahead of UTC.
    pub ahead: i64,
}

impl TimeTz {
    /// Packs it into the number that is kept.
    pub fn packed(self) -> i64 {
        let ahead = self.ahead.clamp(-ZONE_MINUTES_MAX, ZONE_MINUTES_MAX);
        let instant = self.local - ahead * MINUTE;
        (instant << ZONE_BITS) | (ZONE_MIDDLE - ahead)
    }

    /// Unpacks it.
    pub fn unpacked(packed: i64) -> Self {
        let instant = packed >> ZONE_BITS;
        let ahead = ZONE_MIDDLE - (packed & ((1 << ZONE_BITS) - 1));
        Self {
            local: instant + ahead * MINUTE,
            ahead,
        }
    }

    /// The same instant on clocks so many minutes ahead of UTC; `None` if there are no such clocks.
    pub fn on_clocks_ahead(self, ahead: i64) -> Option<Self> {
        let local = (self.instant() + ahead * MINUTE).rem_euclid(1_440 * MINUTE);
        (ahead.abs() <= ZONE_MINUTES_MAX).then_some(Self { local, ahead })
    }

    /// The same instant on the clocks of UTC; it may be of the day before or after.
    pub fn instant(self) -> i64 {
        self.local - self.ahead * MINUTE
    }

    /// Appends the offset as PostgreSQL writes it: `+02`, `-03:30`.
    pub fn write_zone(self, out: &mut impl Write) {
        let sign = if self.ahead < 0 { '-' } else { '+' };
        let minutes = self.ahead.abs();
        let _ = write!(out, "{sign}{:02}", minutes / 60);
        if minutes % 60 != 0 {
            let _ = write!(out, ":{:02}", minutes % 60);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{MINUTE, TimeTz, ZONE_MINUTES_MAX};

    #[test]
    fn packing_keeps_time_zone_and_order() {
        for local in [0, 1, 86_400_000_000, 43_200_000_000] {
            for ahead in [0, 1, -1, 330, -210, ZONE_MINUTES_MAX, -ZONE_MINUTES_MAX] {
                let time = TimeTz { local, ahead };
                assert_eq!(TimeTz::unpacked(time.packed()), time);
            }
        }
        let noon = |ahead| {
            TimeTz {
                local: 720 * MINUTE,
                ahead,
            }
            .packed()
        };
        assert!(noon(60) < noon(0) && noon(0) < noon(-60));
        let same = TimeTz {
            local: 780 * MINUTE,
            ahead: 60,
        }
        .packed();
        assert!(same < noon(0));
        let mut zone = String::new();
        TimeTz {
            local: 0,
            ahead: -210,
        }
        .write_zone(&mut zone);
        TimeTz {
            local: 0,
            ahead: 120,
        }
        .write_zone(&mut zone);
        assert_eq!(zone, "-03:30+02");
    }
}
