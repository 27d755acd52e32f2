//! Vacuums: what they began and ended with, and how far those that run are.

use super::{History, lock, now_us, push};
use blueshift_compute::maintain::figures::Figures;
use blueshift_storage::table::merge::MergeProgress;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The start or the end of a vacuum of one table: STL_VACUUM.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct VacuumEvent {
    /// The user's oid.
    pub userid: u32,
    /// The transaction id of this table's vacuum.
    pub xid: i64,
    /// The table's oid.
    pub table: u32,
    /// The table's name.
    pub name: String,
    /// `Started`, `Finished`, `Skipped(sorted>=95%)` and so on.
    pub status: String,
    /// The table then.
    pub figures: Figures,
    /// Merges that were planned.
    pub merges: usize,
    /// Whether it is a RECLUSTER.
    pub is_recluster: bool,
    /// Microseconds since 1970.
    pub eventtime_us: i64,
}

impl VacuumEvent {
    /// Tells whether it is the end of a vacuum.
    pub fn is_end(&self) -> bool {
        self.status.ends_with("Finished")
    }

    /// Tells whether it is the start of a VACUUM REINDEX.
    pub fn is_reindex(&self) -> bool {
        self.status == "Started Reindex"
    }
}

/// A running vacuum of one table.
#[derive(Clone, Debug)]
pub struct RunningVacuum {
    /// The table's oid.
    pub table: u32,
    /// The table's name.
    pub name: String,
    /// What it does: `initialize`, `sort`, `delete`, `commit`.
    pub phase: &'static str,
    /// Rows to write; 0 while that is not known.
    pub rows: u64,
    /// How far it is.
    pub progress: Arc<MergeProgress>,
    /// Microseconds since 1970.
    pub starttime_us: i64,
    /// Whether nobody asked for it.
    pub is_background: bool,
}

impl RunningVacuum {
    /// Estimates the time left from the rows written so far; `None` before the first.
    pub fn seconds_left(&self) -> Option<u64> {
        let written = self.progress.rows.load(Ordering::Relaxed);
        let passed_us = u64::try_from(now_us() - self.starttime_us).ok()?;
        let left = self.rows.checked_sub(written)?;
        Some(passed_us.checked_mul(left)?.checked_div(written)? / 1_000_000)
    }
}

/// The vacuums that run, and the last one that ended.
#[derive(Debug, Default)]
pub struct RunningVacuums {
    /// One per table.
    pub running: Vec<RunningVacuum>,
    /// The table of the last that ended.
    pub last: Option<String>,
}

/// A vacuum's place among those that run; given up when dropped.
pub struct VacuumTurn {
    history: Arc<History>,
    table: u32,
    /// How far it is.
    pub progress: Arc<MergeProgress>,
}

impl VacuumTurn {
    /// Takes the turn of a table; `None` if a vacuum of it runs.
    pub fn take(
        history: &Arc<History>,
        table: u32,
        name: &str,
        is_background: bool,
    ) -> Option<Self> {
        let mut vacuums = lock(&history.running_vacuums);
        if let Some(other) = vacuums.running.iter().find(|other| other.table == table) {
            // What was asked for goes before what was not.
            if other.is_background && !is_background {
                other.progress.stop.store(true, Ordering::Relaxed);
            }
            return None;
        }
        let progress = Arc::new(MergeProgress::default());
        vacuums.running.push(RunningVacuum {
            table,
            name: name.to_owned(),
            phase: "initialize",
            rows: 0,
            progress: progress.clone(),
            starttime_us: now_us(),
            is_background,
        });
        drop(vacuums);
        Some(Self {
            history: history.clone(),
            table,
            progress,
        })
    }

    /// Tells whether it is a background vacuum that has a table's turn; told to stop, it will soon give it up.
    pub fn is_background(history: &History, table: u32) -> bool {
        let vacuums = lock(&history.running_vacuums);
        let mut running = vacuums.running.iter();
        running.any(|other| other.table == table && other.is_background)
    }

    /// Tells what is done now, to how many rows.
    pub fn enter(&self, phase: &'static str, rows: u64) {
        let mut vacuums = lock(&self.history.running_vacuums);
        let mut running = vacuums.running.iter_mut();
        if let Some(own) = running.find(|other| other.table == self.table) {
            own.phase = phase;
            own.rows = rows;
        }
    }
}

impl Drop for VacuumTurn {
    fn drop(&mut self) {
        let mut vacuums = lock(&self.history.running_vacuums);
        let own = vacuums.running.iter();
        if let Some(place) = own.clone().position(|other| other.table == self.table) {
            let ended = vacuums.running.swap_remove(place);
            vacuums.last = Some(ended.name);
        }
    }
}

impl History {
    /// Adds a row to STL_VACUUM.
    pub fn vacuum(&self, event: VacuumEvent) {
        push(&self.vacuums, event);
    }
}
