//! What users scan of external tables, by day: counted for their limits, and shown by SVV_EXTERNAL_SCAN_LIMITS.
//!
//! A query counts on the day of UTC on which it began. After a start the counts go on from the queries that are remembered.

use super::{History, lock, now_us};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// Microseconds of a day.
const DAY_US: i64 = 86_400_000_000;
/// Users that are counted at most; beyond, those of other days are forgotten.
const USERS_MAX: usize = 100_000;

/// What users have scanned.
#[derive(Debug, Default)]
pub struct DailyScans {
    users: Mutex<HashMap<u32, (i64, Arc<AtomicU64>)>>,
}

impl History {
    /// Gives the count of bytes that a user scans today.
    pub fn scanned_today(&self, user: u32) -> Arc<AtomicU64> {
        let today = now_us().div_euclid(DAY_US);
        let mut users = lock(&self.daily_scans.users);
        if let Some((day, count)) = users.get(&user)
            && *day == today
        {
            return Arc::clone(count);
        }
        let before = match users.contains_key(&user) {
            // All that is remembered of today is counted.
            true => 0,
            false => self.remembered(user, today),
        };
        if users.len() >= USERS_MAX {
            users.retain(|_, (day, _)| *day == today);
        }
        let count = Arc::new(AtomicU64::new(before));
        users.insert(user, (today, Arc::clone(&count)));
        count
    }

    /// Gives the bytes that users have scanned today, of those who have begun to.
    pub fn all_scanned_today(&self) -> Vec<(u32, u64)> {
        let today = now_us().div_euclid(DAY_US);
        let users = lock(&self.daily_scans.users);
        let of_today = users.iter().filter(|(_, (day, _))| *day == today);
        let counts = of_today.map(|(user, (_, count))| (*user, count.load(Ordering::Relaxed)));
        counts.collect()
    }

    /// Adds up what queries of an earlier run of the server scanned.
    fn remembered(&self, user: u32, today: i64) -> u64 {
        let queries = self.executed_queries();
        let own = queries.filter(|query| query.userid == user);
        let scans = own.flat_map(|query| query.executed.external);
        let of_today = scans.filter(|scan| scan.started_us().div_euclid(DAY_US) == today);
        of_today
            .map(|scan| scan.sum(|work| work.bytes_scanned))
            .sum()
    }
}
