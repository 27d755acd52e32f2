//! VACUUM on slices: which row groups to write again, and the work itself on the compute runtime.
//!
//! A sort takes the unsorted region of a slice and the part of the sorted region its keys overlap; the rest stays
//! as it is, so a table that mostly grows at its end is cheap to keep sorted. Giving back room takes row groups
//! with deleted rows, and joins row groups too small to be worth a file.

use super::blocking;
use super::figures::Figures;
use crate::error::{Error, Result};
use crate::node::Node;
use blueshift_storage::row_group::KeyRange;
use blueshift_storage::store::rewrite::RewriteOrder;
use blueshift_storage::store::version::{RowGroupEntry, TableVersion};
use blueshift_storage::table::merge::{
    MergeOptions, MergePlan, MergeProgress, Merged, live_rows, merge,
};
use blueshift_storage::{CommitVersion, SliceId, SortKey, TableId};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Arrow memory of all merges that run at once; a slice gets its share within the bounds below.
const BUFFER_BYTES: usize = 256 << 20;
const SLICE_BUFFER_BYTES: std::ops::RangeInclusive<usize> = (16 << 20)..=(128 << 20);

/// BOOST: how much more memory it takes.
const BOOST_TIMES: usize = 2;

/// A file below this is small; that many neighbours of them are worth joining.
const SMALL_BYTES: u64 = 2 << 20;
const SMALL_COUNT: usize = 8;

/// Rows of one merge whose new places are remembered for deletes that come meanwhile, at four bytes each; with more
/// rows deletes have to wait.
pub const ROWS_REMEMBERED_MAX: u64 = 64 << 20;

/// What a vacuum is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Sort, then give room back.
    Full,
    /// Sort.
    SortOnly,
    /// Give room back.
    DeleteOnly,
    /// Sort everything anew.
    Reindex,
    /// Sort the unsorted region within itself.
    Recluster,
}

/// What a vacuum of one table will do.
#[derive(Debug)]
pub struct Plan {
    /// `Started`, `Skipped(sorted>=95%)` and so on: STL_VACUUM.
    pub status: String,
    /// Whether there is nothing to do.
    pub is_skipped: bool,
    /// To be merged and published one by one, in order within a slice.
    pub merges: Vec<MergePlan>,
}

impl Plan {
    /// Counts the rows that will be written.
    pub fn rows(&self) -> u64 {
        let groups = self.merges.iter().flat_map(|merge| merge.runs.iter());
        groups.flatten().map(|group| live_rows(group)).sum()
    }

    /// Counts the most rows one merge reads.
    pub fn rows_at_once(&self) -> u64 {
        let rows = self.merges.iter().map(|merge| {
            let groups = merge.runs.iter().flatten();
            groups.map(|group| group.record.rows).sum()
        });
        rows.max().unwrap_or_default()
    }
}

/// Decides what to do about a table version. `threshold` is a share in percent: of sorted rows beyond which nothing
/// is sorted, and of rows that are not deleted beyond which no room is given back; 100 always does all there is.
pub fn plan(version: &TableVersion, mode: Mode, threshold: u8) -> Plan {
    let figures = Figures::of(version);
    let bound = f64::from(threshold);
    // At 100 anything unsorted or deleted is too much, at 0 nothing is.
    let is_sorted = match threshold {
        100 => figures.rows_sorted == figures.rows_live(),
        _ => figures.sorted_percent() >= bound,
    };
    let is_live = match threshold {
        100 => figures.rows_deleted == 0,
        _ => figures.live_percent() >= bound,
    };
    let has_key = version.layout.sort_key != SortKey::None;
    let sort = |all: bool| match has_key {
        true => sorts(version, all),
        false => Vec::new(),
    };
    let rooms = || rooms(version, !is_live, threshold > 0);
    let (started, skipped, merges) = match mode {
        Mode::Full if !is_sorted => {
            let mut merges = sort(false);
            merges.extend(leftovers(version, &merges));
            ("Started".to_owned(), "Skipped".to_owned(), merges)
        }
        Mode::Full => (
            format!("Started Delete Only (Sorted >= {threshold}%)"),
            format!("Skipped(sorted>={threshold}%)"),
            rooms(),
        ),
        Mode::SortOnly => (
            "Started Sort Only".to_owned(),
            "Skipped (sort only)".to_owned(),
            if is_sorted { Vec::new() } else { sort(false) },
        ),
        Mode::DeleteOnly => (
            "Started Delete Only".to_owned(),
            "Skipped (delete only)".to_owned(),
            rooms(),
        ),
        Mode::Reindex => {
            let merges = sort(true);
            ("Started Reindex".to_owned(), "Skipped".to_owned(), merges)
        }
        Mode::Recluster => {
            let merges = if has_key {
                reclusters(version)
            } else {
                Vec::new()
            };
            ("Started".to_owned(), "Skipped".to_owned(), merges)
        }
    };
    let is_skipped = merges.is_empty();
    Plan {
        status: if is_skipped { skipped } else { started },
        is_skipped,
        merges,
    }
}

fn slices(version: &TableVersion) -> Vec<SliceId> {
    let groups = version.row_groups.iter();
    let mut slices: Vec<SliceId> = groups.map(|group| group.record.slice).collect();
    slices.sort_unstable();
    slices.dedup();
    slices
}

/// Plans to sort each slice that has an unsorted region; with `all` every row of each slice that is not, as it is, what
/// a sort of all its rows made: so a REINDEX that was cut off goes on with the slices it had not come to.
fn sorts(version: &TableVersion, all: bool) -> Vec<MergePlan> {
    let of_slice = |slice| {
        let groups: Vec<_> = version.on_slice(slice).cloned().collect();
        let unsorted = groups.iter().filter(|group| !group.record.sorted);
        let range = unsorted
            .map(|group| group.record.key_range)
            .reduce(united_option)?;
        let inputs = groups.into_iter();
        Some((
            slice,
            inputs
                .filter(|group| all || !group.record.sorted || overlaps(group, range))
                .collect(),
        ))
    };
    let everything = |slice| {
        let groups: Vec<_> = version.on_slice(slice).cloned().collect();
        let is_new = |group: &Arc<RowGroupEntry>| !group.record.sorted || group.deleted.is_some();
        groups.iter().any(is_new).then_some((slice, groups))
    };
    let planned = slices(version).into_iter().filter_map(|slice| match all {
        true => everything(slice),
        false => of_slice(slice),
    });
    planned
        .map(|(slice, run)| MergePlan {
            slice,
            order: RewriteOrder::Sorted,
            runs: vec![run],
        })
        .collect()
}

fn united_option(left: Option<KeyRange>, right: Option<KeyRange>) -> Option<KeyRange> {
    let (left, right) = (left?, right?);
    Some(KeyRange {
        first: left.first.min(right.first),
        last: left.last.max(right.last),
    })
}

/// Tells whether keys of a sorted row group may lie among those of `range`; equal leading keys may.
fn overlaps(group: &RowGroupEntry, range: Option<KeyRange>) -> bool {
    match (group.record.key_range, range) {
        (Some(own), Some(range)) => own.last >= range.first && own.first <= range.last,
        _ => true,
    }
}

/// Plans to give back the room of deleted rows in row groups that `sorts` leaves alone.
fn leftovers(version: &TableVersion, sorts: &[MergePlan]) -> Vec<MergePlan> {
    let is_sorted_anew = |group: &Arc<RowGroupEntry>| {
        let mut inputs = sorts.iter().flat_map(|plan| plan.runs.iter().flatten());
        inputs.any(|input| input.record.id == group.record.id)
    };
    keeps(version, |group| {
        group.deleted.is_some() && !is_sorted_anew(group)
    })
}

/// Plans to give back the room of deleted rows, and to join small row groups.
fn rooms(version: &TableVersion, deleted: bool, join: bool) -> Vec<MergePlan> {
    let is_small = |group: &RowGroupEntry| group.record.file_bytes < SMALL_BYTES;
    let wanted = |group: &Arc<RowGroupEntry>| {
        (deleted && group.deleted.is_some()) || (join && is_small(group))
    };
    let mut plans = keeps(version, wanted);
    for plan in &mut plans {
        plan.runs.retain(|run| {
            let has_deleted = deleted && run.iter().any(|group| group.deleted.is_some());
            has_deleted || run.iter().filter(|group| is_small(group)).count() >= SMALL_COUNT
        });
    }
    plans.retain(|plan| !plan.runs.is_empty());
    plans
}

/// Plans to write again, in the order they are in, neighbours that are `wanted`.
fn keeps(version: &TableVersion, wanted: impl Fn(&Arc<RowGroupEntry>) -> bool) -> Vec<MergePlan> {
    let of_slice = |slice| {
        let groups: Vec<_> = version.on_slice(slice).cloned().collect();
        let alike = |left: &Arc<RowGroupEntry>, right: &Arc<RowGroupEntry>| {
            left.record.sorted == right.record.sorted && wanted(left) == wanted(right)
        };
        let runs = groups.chunk_by(alike).filter(|run| run.iter().all(&wanted));
        MergePlan {
            slice,
            order: RewriteOrder::Kept,
            runs: runs.map(<[_]>::to_vec).collect(),
        }
    };
    let mut plans: Vec<MergePlan> = slices(version).into_iter().map(of_slice).collect();
    plans.retain(|plan| !plan.runs.is_empty());
    plans
}

/// Plans to sort the unsorted region of each slice within itself, where its row groups overlap.
fn reclusters(version: &TableVersion) -> Vec<MergePlan> {
    let of_slice = |slice| {
        let unsorted: Vec<_> = version
            .on_slice(slice)
            .filter(|group| !group.record.sorted)
            .cloned()
            .collect();
        let in_order = unsorted.windows(2).all(|pair| match pair {
            [left, right] => match (left.record.key_range, right.record.key_range) {
                (Some(left), Some(right)) => left.last <= right.first,
                _ => false,
            },
            _ => true,
        });
        let is_mixed = unsorted.iter().any(|group| group.record.mixed);
        (is_mixed || !in_order).then(|| MergePlan {
            slice,
            order: RewriteOrder::Sorted,
            runs: vec![unsorted],
        })
    };
    slices(version).into_iter().filter_map(of_slice).collect()
}

/// Gives rows of small inserts, which ride in the commit log, files of their own.
pub async fn fold(node: &Arc<Node>, table: TableId) -> Result<()> {
    let store = Arc::clone(&node.store);
    blocking(node, move || store.fold(Some(table))).await
}

/// Merges to run at once: they step back before queries, see [`Priority`].
pub fn merges_at_once(node: &Node) -> usize {
    node.resources.threads.max(1)
}

/// How a merge stands back behind queries that want the same cores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// Somebody waits for it: a query gets three times its share of a core.
    Asked,
    /// Nobody does: it takes what queries leave.
    Background,
}

impl Priority {
    /// Gives the niceness of its thread. Each step is a quarter less of a contended core.
    fn niceness(self) -> i32 {
        match self {
            Self::Asked => 5,
            Self::Background => 19,
        }
    }
}

/// Runs work on a thread of its own: a thread that has stepped back cannot step forward again.
async fn aside<T: Send + 'static>(
    priority: Priority,
    work: impl FnOnce() -> blueshift_storage::Result<T> + Send + 'static,
) -> Result<T> {
    let (ended, end) = tokio::sync::oneshot::channel();
    let thread = std::thread::Builder::new().name("vacuum".to_owned());
    let spawned = thread.spawn(move || {
        crate::resource::step_back(priority.niceness());
        // Nobody may wait any more; then what was written is thrown away.
        let _ = ended.send(work());
    });
    spawned.map_err(|error| Error::Internal(format!("could not start a vacuum: {error}")))?;
    match end.await {
        Ok(done) => Ok(done?),
        Err(_) => Err(Error::Internal("a vacuum ended without a word".to_owned())),
    }
}

/// Gives how to merge: `deletes_wait` if nobody can delete meanwhile.
pub fn options(node: &Node, boost: bool, deletes_wait: bool) -> MergeOptions {
    let share = node.resources.buffer_bytes(BUFFER_BYTES) / merges_at_once(node);
    let buffer_bytes = share.clamp(*SLICE_BUFFER_BYTES.start(), *SLICE_BUFFER_BYTES.end());
    MergeOptions {
        buffer_bytes: buffer_bytes * if boost { BOOST_TIMES } else { 1 },
        deletes_may_come: !deletes_wait,
    }
}

/// Writes the rows of one merge again, durable but not visible. Dropped, it stops soon and leaves nothing.
pub async fn run(
    node: &Arc<Node>,
    version: &Arc<TableVersion>,
    plan: MergePlan,
    options: MergeOptions,
    priority: Priority,
    progress: Arc<MergeProgress>,
) -> Result<Merged> {
    let mut stop = StopWhenDropped(Some(Arc::clone(&progress)));
    let (store, version) = (Arc::clone(&node.store), Arc::clone(version));
    let merged = aside(priority, move || {
        merge(&store, &version, plan, &options, &progress)
    });
    let merged = merged.await?;
    // A finished merge must not stop the others that share its progress.
    stop.0 = None;
    Ok(merged)
}

/// Makes a merge visible.
pub async fn publish(node: &Arc<Node>, merged: Merged) -> Result<CommitVersion> {
    blocking(node, move || merged.publish()).await
}

/// Ends a merge whose statement is gone.
struct StopWhenDropped(Option<Arc<MergeProgress>>);

impl Drop for StopWhenDropped {
    fn drop(&mut self) {
        if let Some(progress) = &self.0 {
            progress.stop.store(true, Ordering::Relaxed);
        }
    }
}
