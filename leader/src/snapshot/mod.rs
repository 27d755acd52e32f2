//! Snapshots of the cluster this process serves: taken while it runs, put back into new slices.

pub mod schedule;

use crate::catalog::cache::{CatalogCache, put_materialized, put_table};
use crate::catalog::layout::distribution;
use crate::catalog::matview::MaterializedRows;
use crate::catalog::{Catalog, Table};
use crate::error::{Error, Result};
use crate::history::{lock, now_us};
use blueshift_compute::maintain::analyze::{Changes, Image};
use blueshift_compute::maintain::snapshot::transfer;
use blueshift_compute::node::Node;
use blueshift_compute::write::WriteTarget;
use blueshift_storage::env::{Random, SystemRandom};
use blueshift_storage::snapshot::{
    Created, Manifest, Repository, Request, Staged, Steps, create, stage_table,
};
use blueshift_storage::store::version::TableVersion;
use blueshift_storage::store::{Commit, ReadView, Store};
use blueshift_storage::{AnalyzedTable, CommitVersion, TableId, TableStatistics};
use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

/// The private file that names the data directory among all that share a repository.
const CLUSTER_FILE: &str = "cluster";

/// Snapshots remembered for `blueshift_snapshots`.
const EVENTS_MAX: usize = 1_000;

/// A snapshot this server took, or tried to.
#[derive(Clone, Debug)]
pub struct Event {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub place: String,
    /// Whether the schedule asked for it.
    pub automatic: bool,
    /// Microseconds since 1970.
    pub starttime_us: i64,
    /// Microseconds since 1970; `None` while it is being taken.
    pub endtime_us: Option<i64>,
    /// What came of it, once it ended.
    pub outcome: Option<Outcome>,
    /// How far it is.
    pub steps: Arc<Steps>,
}

/// A RESTORE TABLE that runs.
#[derive(Clone, Debug)]
pub struct Restoring {
    /// The new table's name.
    pub table: String,
    /// The snapshot's name.
    pub snapshot: String,
    /// Microseconds since 1970.
    pub starttime_us: i64,
    /// `fetch` while objects come from the snapshot, `load` while rows go to their slices.
    pub phase: &'static str,
    /// How far the phase is.
    pub steps: Arc<Steps>,
}

/// The place of a RESTORE TABLE among those that run; given up when dropped.
pub struct RestoreTurn {
    restores: Restores,
    steps: Arc<Steps>,
}

impl RestoreTurn {
    /// Begins a phase, and gives what counts it.
    pub fn enter(&mut self, phase: &'static str) -> Arc<Steps> {
        let steps = Arc::new(Steps::default());
        let mut restores = lock(&self.restores);
        let mut all = restores.iter_mut();
        if let Some(own) = all.find(|other| Arc::ptr_eq(&other.steps, &self.steps)) {
            own.phase = phase;
            own.steps = Arc::clone(&steps);
        }
        self.steps = Arc::clone(&steps);
        steps
    }
}

impl Drop for RestoreTurn {
    fn drop(&mut self) {
        lock(&self.restores).retain(|other| !Arc::ptr_eq(&other.steps, &self.steps));
    }
}

/// Those that run.
type Restores = Arc<Mutex<Vec<Restoring>>>;

/// What came of a snapshot.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It is there.
    Taken {
        /// The commit it shows.
        version: CommitVersion,
        /// Bytes of all its objects.
        bytes: u64,
        /// Of those, bytes uploaded for it.
        uploaded_bytes: u64,
    },
    /// It is not there, and why.
    Failed(String),
}

/// Takes snapshots one after the other, and remembers them.
#[derive(Debug, Default)]
pub struct Snapshots {
    turn: tokio::sync::Mutex<()>,
    random: SystemRandom,
    events: Mutex<VecDeque<Event>>,
    restores: Restores,
}

impl Snapshots {
    /// Gives the snapshots taken since the start, oldest first.
    pub fn events(&self) -> Vec<Event> {
        lock(&self.events).iter().cloned().collect()
    }

    /// Gives the RESTORE TABLE statements that run.
    pub fn restores(&self) -> Vec<Restoring> {
        lock(&self.restores).clone()
    }

    /// Shows a RESTORE TABLE until the answer is dropped.
    pub fn begin_restore(&self, table: &str, snapshot: &str) -> RestoreTurn {
        let steps = Arc::new(Steps::default());
        lock(&self.restores).push(Restoring {
            table: table.to_owned(),
            snapshot: snapshot.to_owned(),
            starttime_us: now_us(),
            phase: "fetch",
            steps: Arc::clone(&steps),
        });
        RestoreTurn {
            restores: Arc::clone(&self.restores),
            steps,
        }
    }

    /// Takes a snapshot of everything committed when its turn comes. Dropped, it stops.
    pub async fn take(
        &self,
        node: &Arc<Node>,
        repository: &Repository,
        name: &str,
        automatic: bool,
    ) -> Result<Created> {
        let _turn = self.turn.lock().await;
        let started = now_us();
        let steps = Arc::new(Steps::default());
        self.remember(Event {
            name: name.to_owned(),
            place: repository.url().to_owned(),
            automatic,
            starttime_us: started,
            endtime_us: None,
            outcome: None,
            steps: Arc::clone(&steps),
        });
        let job = Job {
            store: Arc::clone(&node.store),
            repository: repository.clone(),
            name: name.to_owned(),
            automatic,
            // Chance of the process, handed on.
            seed: self.random.next(),
            steps,
        };
        let taken = job.run(&node.resources.compute).await;
        let outcome = match &taken {
            Ok(created) => Outcome::Taken {
                version: created.manifest.version,
                bytes: created.manifest.bytes,
                uploaded_bytes: created.manifest.uploaded_bytes,
            },
            Err(error) => Outcome::Failed(error.to_string()),
        };
        let mut events = lock(&self.events);
        if let Some(event) = events
            .iter_mut()
            .rev()
            .find(|event| event.starttime_us == started)
        {
            event.endtime_us = Some(now_us());
            event.outcome = Some(outcome);
        }
        drop(events);
        taken
    }

    /// Gives the name of the data directory in the form of a UUID.
    pub fn namespace(&self, store: &Store) -> Result<String> {
        let cluster = ensure_cluster(store, self.random.next())?;
        Ok(as_uuid(&cluster))
    }

    fn remember(&self, event: Event) {
        let mut events = lock(&self.events);
        // One that was dropped has no end; nothing else is running now.
        for open in events.iter_mut().filter(|open| open.endtime_us.is_none()) {
            open.endtime_us = Some(event.starttime_us);
            open.outcome = Some(Outcome::Failed("canceled".to_owned()));
        }
        if events.len() >= EVENTS_MAX {
            events.pop_front();
        }
        events.push_back(event);
    }
}

struct Job {
    store: Arc<Store>,
    repository: Repository,
    name: String,
    automatic: bool,
    seed: u64,
    steps: Arc<Steps>,
}

impl Job {
    /// Runs on a thread that may block, and stops there when this is dropped.
    async fn run(self, compute: &Handle) -> Result<Created> {
        let stop = CancellationToken::new();
        let _stops_when_dropped = stop.clone().drop_guard();
        let handle = compute.clone();
        let work = compute.spawn_blocking(move || {
            handle.block_on(async {
                tokio::select! {
                    created = self.create() => created,
                    () = stop.cancelled() => Err(blueshift_storage::Error::Canceled.into()),
                }
            })
        });
        match work.await {
            Ok(created) => created,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(error) => Err(Error::internal(error.to_string())),
            },
        }
    }

    async fn create(&self) -> Result<Created> {
        let cluster = ensure_cluster(&self.store, self.seed)?;
        let view = self.store.read_view();
        let without_rows = without_rows(&*CatalogCache::default().of(&view)?);
        let random = blueshift_storage::env::SeededRandom::new(self.seed);
        let request = Request {
            name: &self.name,
            cluster: &cluster,
            automatic: self.automatic,
            now_us: now_us(),
            random: &random,
            without_rows: &without_rows,
            steps: &self.steps,
        };
        Ok(create(&self.store, &view, &self.repository, &request).await?)
    }
}

/// Gives the name of the data directory, made at the first snapshot and never part of one.
fn ensure_cluster(store: &Store, seed: u64) -> Result<String> {
    if let Some(known) = store.read_private(CLUSTER_FILE)?
        && let Ok(known) = String::from_utf8(known)
        && !known.is_empty()
    {
        return Ok(known);
    }
    let made = format!("{:016x}", seed ^ now_us().unsigned_abs().rotate_left(32));
    store.write_private(CLUSTER_FILE, made.as_bytes())?;
    Ok(made)
}

/// Writes a name of 16 hexadecimal digits as a UUID of version 8, whose other digits follow from them.
fn as_uuid(cluster: &str) -> String {
    let known = u64::from_str_radix(cluster, 16).unwrap_or_default();
    // As SplitMix64 does, so that names that differ in one digit look different.
    let mix = |value: u64| {
        let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    };
    let (first, second) = (mix(known), mix(known.wrapping_add(0x9e37_79b9_7f4a_7c15)));
    format!(
        "{:08x}-{:04x}-8{:03x}-{:04x}-{:012x}",
        first >> 32,
        (first >> 16) & 0xffff,
        first & 0xfff,
        0x8000 | (second >> 50),
        second & 0xffff_ffff_ffff,
    )
}

/// Tables whose rows are not kept: BACKUP NO, and temporary ones, which end with their session.
fn without_rows(catalog: &Catalog) -> HashSet<TableId> {
    let is_left_out = |table: &&Arc<Table>| {
        let schema = catalog.schemas.get(&table.schema);
        let temporary = schema.is_some_and(|schema| schema.name.starts_with("pg_temp_"));
        !table.backup || temporary
    };
    let tables = catalog.tables.values().filter(is_left_out);
    tables.map(|table| table.id()).collect()
}

/// Decodes the catalog of a snapshot.
pub fn catalog_of(manifest: &Manifest) -> Result<Arc<Catalog>> {
    let map = manifest.catalog.iter();
    let map = map.map(|(key, value)| (key.clone(), Arc::new(value.clone())));
    let view = ReadView {
        version: manifest.version,
        tables: Arc::default(),
        catalog: Arc::new(map.collect()),
    };
    CatalogCache::default().of(&view)
}

/// Fills the tables of store `to`, which has the design of `from` and another number of slices.
pub async fn reslice(compute: &Handle, from: &Arc<Store>, to: &Arc<Store>) -> Result<()> {
    let view = from.read_view();
    let catalog = CatalogCache::default().of(&view)?;
    let mut tables: Vec<_> = catalog.tables.values().collect();
    tables.sort_by_key(|table| table.oid);
    for table in tables {
        let version = view.table(table.id())?;
        let target = WriteTarget {
            table: table.id(),
            layout: Arc::clone(&version.layout),
            distribution: distribution(table.distribution),
            slice_count: to.slice_count(),
            first_slice: table.oid % to.slice_count().max(1),
            identities: Vec::new(),
            keeps_small: false,
        };
        let written = transfer(compute, from, version, to, &target, &Steps::default()).await?;
        // Rows were placed by today's hash, whatever placed them before.
        let placed = Table {
            placement_fingerprint: blueshift_compute::distribution::fingerprint(),
            ..Table::clone(table)
        };
        to.commit(Commit {
            added: written.row_groups,
            catalog: vec![put_table(&placed)?],
            base: to.read_view().version,
            ..Commit::default()
        })?;
        if let Some(kept) = from.statistics_of(table.id())? {
            to.keep_statistics(&moved_statistics(kept, version, &*to.table(table.id())?))?;
        }
    }
    forget_marks(&catalog, to)
}

/// Materialized views know their tables by row groups, which are others now.
fn forget_marks(catalog: &Catalog, to: &Arc<Store>) -> Result<()> {
    let rows = catalog.materialized.values().map(|rows| {
        let mut rows = MaterializedRows::clone(rows);
        rows.bases.iter_mut().for_each(|base| base.mark = None);
        put_materialized(&rows)
    });
    let catalog = rows.collect::<Result<Vec<_>>>()?;
    if !catalog.is_empty() {
        let base = to.read_view().version;
        to.commit(Commit {
            catalog,
            base,
            ..Commit::default()
        })?;
    }
    Ok(())
}

/// Gives what was known of `before`, whose rows `after` holds in other row groups.
pub fn moved_statistics(
    kept: TableStatistics,
    before: &TableVersion,
    after: &TableVersion,
) -> TableStatistics {
    let analyzed = kept.analyzed.map(|analyzed| {
        let changes = Changes {
            added: analyzed.added_before,
            deleted: analyzed.deleted_before,
        };
        let image = Image::of_parts(&analyzed.row_groups, changes).vacuumed(before, after);
        AnalyzedTable {
            added_before: image.before().added,
            deleted_before: image.before().deleted,
            row_groups: image.row_groups(),
            ..analyzed
        }
    });
    TableStatistics {
        table: after.id,
        analyzed,
        columns: kept.columns,
    }
}

/// Puts a table of a snapshot aside, to read it from there. It is gone when the answer is dropped.
pub async fn stage(
    node: &Arc<Node>,
    repository: Repository,
    manifest: Manifest,
    table: TableId,
    steps: Arc<Steps>,
) -> Result<Staged> {
    let aside = node
        .store
        .spill_dir()
        .join(format!("restore-{}", node.store.next_id()));
    let (compute, handle) = (&node.resources.compute, node.resources.compute.clone());
    let work = compute.spawn_blocking(move || {
        let told = |done, all| steps.tell(done, all);
        handle.block_on(stage_table(&repository, &manifest, table, &aside, &told))
    });
    match work.await {
        Ok(staged) => Ok(staged?),
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(error) => Err(Error::internal(error.to_string())),
        },
    }
}
