//! Automatic snapshots: every so often, kept for so long.
//!
//! The schedule is a private file of the data directory: it survives stops and is no part of a snapshot, so that a
//! restored cluster does not write where its origin does.

use super::Snapshots;
use crate::error::{Error, Result};
use crate::history::now_us;
use blueshift_compute::maintain::snapshot::repository;
use blueshift_compute::node::Node;
use blueshift_storage::snapshot::{Manifest, Repository, delete};
use blueshift_storage::store::Store;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tracing::{info, warn};

/// The private file that holds the schedule.
const SCHEDULE_FILE: &str = "snapshot-schedule";

/// How often it is looked whether a snapshot is due.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How long to wait after a snapshot that failed.
const RETRY_US: i64 = 60_000_000;

const MINUTE_US: i64 = 60_000_000;
const DAY_US: i64 = 24 * 60 * MINUTE_US;

/// How long automatic snapshots are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Retention {
    /// Until so many newer ones are there.
    Count(u32),
    /// So many days.
    Days(u32),
}

/// When automatic snapshots are taken and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// A directory or `s3://bucket/prefix`.
    pub place: String,
    /// Minutes between two.
    pub interval_minutes: u32,
    /// How long they are kept; for ever if `None`.
    pub retention: Option<Retention>,
    /// When it was made, in microseconds since 1970; the first snapshot is due at once.
    pub created_us: i64,
    /// When the last snapshot was begun, 0 before the first.
    pub last_us: i64,
}

impl Schedule {
    /// Gives when the next snapshot is due, in microseconds since 1970.
    pub fn next_us(&self) -> i64 {
        match self.last_us {
            0 => self.created_us,
            last => last.saturating_add(i64::from(self.interval_minutes) * MINUTE_US),
        }
    }
}

/// Reads the schedule, if there is one.
pub fn read(store: &Store) -> Result<Option<Schedule>> {
    let Some(bytes) = store.read_private(SCHEDULE_FILE)? else {
        return Ok(None);
    };
    let damaged = |error: serde_json::Error| {
        Error::new(
            blueshift_sql::SqlState::DATA_CORRUPTED,
            format!("the snapshot schedule cannot be read, create it again: {error}"),
        )
    };
    serde_json::from_slice(&bytes).map_err(damaged)
}

/// Writes the schedule; `None` ends it.
pub fn write(store: &Store, schedule: Option<&Schedule>) -> Result<()> {
    let json = serde_json::to_vec(&schedule).map_err(|error| Error::internal(error.to_string()))?;
    Ok(store.write_private(SCHEDULE_FILE, &json)?)
}

/// Takes snapshots when they are due, until the node is gone.
pub async fn run(snapshots: Weak<Snapshots>, node: Weak<Node>) {
    let mut not_before_us = 0;
    loop {
        tokio::time::sleep(LOOK_AGAIN).await;
        let (Some(snapshots), Some(node)) = (snapshots.upgrade(), node.upgrade()) else {
            return;
        };
        if now_us() < not_before_us || node.store.log_stopped() {
            continue;
        }
        if let Err(error) = look(&snapshots, &node).await {
            warn!(%error, "an automatic snapshot failed");
            not_before_us = now_us() + RETRY_US;
        }
    }
}

async fn look(snapshots: &Snapshots, node: &Arc<Node>) -> Result<()> {
    let Some(schedule) = read(&node.store)? else {
        return Ok(());
    };
    let now = now_us();
    if now < schedule.next_us() {
        return Ok(());
    }
    let repository = repository(&node.object_policy, &schedule.place, false)?;
    let begun = chrono::DateTime::from_timestamp_micros(now).unwrap_or_default();
    let name = format!("auto-{}", begun.format("%Y-%m-%dT%H%M%S%3f"));
    let created = snapshots.take(node, &repository, &name, true).await?;
    info!(
        name,
        version = created.manifest.version.0,
        "automatic snapshot taken"
    );
    // It may have been replaced meanwhile.
    if let Some(current) = read(&node.store)?.filter(|current| current.place == schedule.place) {
        let next = Schedule {
            last_us: now,
            ..current
        };
        write(&node.store, Some(&next))?;
    }
    if let Some(retention) = schedule.retention {
        retire(&repository, &created.manifest, retention).await?;
    }
    Ok(())
}

/// Removes automatic snapshots of this cluster that are kept long enough. The newest always stays.
async fn retire(repository: &Repository, newest: &Manifest, retention: Retention) -> Result<()> {
    let mut own = Vec::new();
    for name in repository.names().await? {
        match repository.manifest(&name).await {
            Ok(manifest) if manifest.automatic && manifest.cluster == newest.cluster => {
                own.push((manifest.created_us, name));
            }
            // Not ours to judge, or gone, or damaged: a person decides.
            Ok(_) | Err(_) => {}
        }
    }
    for name in ended(own, newest.created_us, retention) {
        delete(repository, &name).await?;
        info!(name, "automatic snapshot removed");
    }
    Ok(())
}

/// Gives the names of those that are kept long enough.
fn ended(mut own: Vec<(i64, String)>, now_us: i64, retention: Retention) -> Vec<String> {
    own.sort();
    // The newest stays whatever its age.
    own.pop();
    let ended: Vec<_> = match retention {
        Retention::Count(kept) => {
            let others = own.len().saturating_sub(kept.saturating_sub(1) as usize);
            own.drain(..others).collect()
        }
        Retention::Days(days) => {
            let oldest = now_us.saturating_sub(i64::from(days) * DAY_US);
            own.into_iter()
                .filter(|(taken, _)| *taken < oldest)
                .collect()
        }
    };
    ended.into_iter().map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_ones_end_and_the_newest_stays() {
        let own = |days: &[i64]| -> Vec<(i64, String)> {
            days.iter()
                .map(|day| (day * DAY_US, format!("d{day}")))
                .collect()
        };
        let is = |days: &[i64], retention, expected: &[&str]| {
            assert_eq!(ended(own(days), 10 * DAY_US, retention), expected);
        };
        is(&[10, 8, 9], Retention::Count(2), &["d8"]);
        is(&[10, 9], Retention::Count(2), &[]);
        is(&[1, 2, 3], Retention::Count(1), &["d1", "d2"]);
        is(&[10, 7, 3, 1], Retention::Days(5), &["d1", "d3"]);
        is(&[1], Retention::Days(1), &[]);
        is(&[], Retention::Count(1), &[]);
    }

    #[test]
    fn the_first_is_due_at_once_and_the_next_after_the_interval() {
        let mut schedule = Schedule {
            place: "/b".to_owned(),
            interval_minutes: 5,
            retention: None,
            created_us: 7,
            last_us: 0,
        };
        assert_eq!(schedule.next_us(), 7);
        schedule.last_us = 10;
        assert_eq!(schedule.next_us(), 10 + 5 * MINUTE_US);
    }
}
