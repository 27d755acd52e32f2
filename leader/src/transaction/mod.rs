//! Begin, read view, locks, conflict check, commit.
//!
//! A transaction works on one read view, taken at its first statement that reads or changes anything, with its own
//! uncommitted changes on top. What it will change is collected in one `Commit`; row group files named there are
//! durable already, and discarded if it ends any other way. The first statement takes its view after it got its
//! locks, so a waiting UPDATE works on what it waited for; later in a block the view stays, and rows changed since
//! are a conflict.

pub mod append;
mod audit;
pub mod ledger;
pub mod lock;
pub mod quota;
pub mod read;
pub mod serial;

use crate::catalog::cache::CatalogCache;
use crate::catalog::{Catalog, IsolationLevel, Oid};
use crate::error::{Error, Result};
use crate::history::transaction::{CommitFigures, TransactionEnd};
use crate::history::{Events, History, lock as guard, now_us, push};
use crate::wlm::admission::Seat;
use append::Append;
use blueshift_compute::write::IdentityCounter;
use blueshift_storage::row_group::RowGroupRecord;
use blueshift_storage::store::{CatalogChange, Commit, DeleteMaskRecord, ReadView, Store};
use blueshift_storage::table::delete;
use blueshift_storage::{TableId, TableLayout};
use futures::FutureExt;
use lock::{Lockable, Locks, Mode};
use serial::Serial;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What waits for a commit.
type AfterCommit = Box<dyn FnOnce() -> Result<()> + Send + Sync>;

/// The counters of identity columns, by table and column index.
type IdentityCounters = HashMap<(TableId, usize), Arc<IdentityCounter>>;

/// Write locks, decoded catalogs, and the way to the commit log; shared by all sessions.
pub struct Transactions {
    /// Who changes what.
    pub locks: Locks,
    store: Arc<Store>,
    catalogs: CatalogCache,
    history: Arc<History>,
    /// Commits that were asked for and are not durable.
    committing: Arc<AtomicU32>,
    identities: Mutex<IdentityCounters>,
    /// By transaction id.
    open: Mutex<HashMap<i64, OpenTransaction>>,
    /// When tables were last committed to, in microseconds since 1970.
    last_commits: Mutex<HashMap<u32, i64>>,
    /// Databases whose transactions that begin now are serializable.
    serializable: Mutex<HashSet<Oid>>,
    serial: Serial,
    /// STL_TR_CONFLICT.
    pub conflicts: Mutex<Events<ConflictEvent>>,
}

/// A transaction that was refused: STL_TR_CONFLICT.
#[derive(Clone, Copy, Debug)]
pub struct ConflictEvent {
    /// Who.
    pub transaction: OpenTransaction,
    /// When, in microseconds since 1970.
    pub abort_us: i64,
    /// The table's oid.
    pub table: u64,
}

/// A transaction as others see it: SVV_TRANSACTIONS.
#[derive(Clone, Copy, Debug)]
pub struct OpenTransaction {
    /// Its id.
    pub xid: i64,
    /// The process id of its session.
    pub pid: i32,
    /// When it began, in microseconds since 1970.
    pub starttime_us: i64,
}

impl Transactions {
    /// Makes the front of a store.
    pub fn new(store: Arc<Store>, history: Arc<History>) -> Self {
        Self {
            locks: Locks::default(),
            store,
            catalogs: CatalogCache::default(),
            history,
            committing: Arc::default(),
            identities: Mutex::default(),
            open: Mutex::default(),
            last_commits: Mutex::default(),
            serializable: Mutex::default(),
            serial: Serial::default(),
            conflicts: Mutex::default(),
        }
    }

    /// Begins a transaction of one database, as its isolation level wants it; `explicit` is one begun by BEGIN.
    pub fn begin_in(self: &Arc<Self>, database: Oid, pid: i32, explicit: bool) -> Transaction {
        let mut begun = self.begin(pid, explicit);
        begun.database = Some(database);
        begun.is_serializable = guard(&self.serializable).contains(&database);
        begun
    }

    /// Begins a transaction of the server's own, which sees all databases.
    pub fn begin(self: &Arc<Self>, pid: i32, explicit: bool) -> Transaction {
        let xid = self.history.last_xid.fetch_add(1, Ordering::Relaxed) + 1;
        let starttime_us = now_us();
        let facts = OpenTransaction {
            xid,
            pid,
            starttime_us,
        };
        guard(&self.open).insert(xid, facts);
        Transaction {
            shared: self.clone(),
            xid,
            facts,
            database: None,
            is_serializable: false,
            is_explicit: explicit,
            is_read_only: false,
            lock_timeout: None,
            seat: None,
            is_fixed: false,
            has_queried: false,
            changes: 0,
            reads: BTreeSet::new(),
            writes: BTreeSet::new(),
            base: None,
            effective: None,
            own: Commit::default(),
            appends: Vec::new(),
            after_commit: Vec::new(),
            created: HashSet::new(),
            is_committed: false,
        }
    }

    /// Makes the transactions of a database that begin from now on serializable, or not.
    pub fn set_isolation(&self, database: Oid, level: IsolationLevel) {
        let mut serializable = guard(&self.serializable);
        match level {
            IsolationLevel::Serializable => serializable.insert(database),
            IsolationLevel::Snapshot => serializable.remove(&database),
        };
    }

    /// Makes and records the refusal of a transaction, with all that stand in its way.
    fn refuse(&self, transaction: OpenTransaction, table: u64, xids: &[i64]) -> Error {
        let abort_us = now_us();
        self.history.figures.conflicts.add(1);
        push(
            &self.conflicts,
            ConflictEvent {
                transaction,
                abort_us,
                table,
            },
        );
        lock::conflict(table, xids, transaction.pid)
    }

    /// Lists the open transactions in order of beginning.
    pub fn open(&self) -> Vec<OpenTransaction> {
        let mut open: Vec<_> = guard(&self.open).values().copied().collect();
        open.sort_by_key(|transaction| transaction.xid);
        open
    }

    /// Tells when a table was last committed to since the start, in microseconds since 1970.
    pub fn last_commit_us(&self, table: u32) -> Option<i64> {
        guard(&self.last_commits).get(&table).copied()
    }

    /// Gives the catalog of all databases as last committed.
    pub fn committed_catalog(&self) -> Result<Arc<Catalog>> {
        self.catalogs.of(&self.store.read_view())
    }

    /// Gives the counter of an identity column, made by `first` if no statement used it since the start.
    pub fn identity(
        &self,
        table: TableId,
        column_index: usize,
        first: impl FnOnce() -> Result<IdentityCounter>,
    ) -> Result<Arc<IdentityCounter>> {
        let mut identities = guard(&self.identities);
        if let Some(counter) = identities.get(&(table, column_index)) {
            return Ok(counter.clone());
        }
        let counter = Arc::new(first()?);
        identities.insert((table, column_index), counter.clone());
        Ok(counter)
    }
}

/// A transaction. Dropping it rolls it back.
pub struct Transaction {
    shared: Arc<Transactions>,
    /// Its id, for the log tables and conflicts.
    pub xid: i64,
    facts: OpenTransaction,
    /// The database whose catalog it sees; `None` sees all.
    database: Option<Oid>,
    /// Whether it is refused where it has no serial order.
    is_serializable: bool,
    /// Whether BEGIN began it; otherwise it ends with its one statement.
    pub is_explicit: bool,
    /// READ ONLY.
    pub is_read_only: bool,
    /// The longest wait for one lock.
    pub lock_timeout: Option<Duration>,
    /// The session's place in the queues of the workload manager; what it holds there it gives back before it waits.
    pub seat: Option<Arc<Seat>>,
    /// Whether a statement that is over has used the read view, which therefore stays.
    is_fixed: bool,
    /// Whether any statement has looked at anything.
    has_queried: bool,
    /// Changes made so far, of whatever kind.
    changes: u64,
    /// Tables read.
    reads: BTreeSet<u32>,
    /// Tables changed.
    writes: BTreeSet<u32>,
    base: Option<Arc<ReadView>>,
    effective: Option<Arc<ReadView>>,
    own: Commit,
    /// Rows not yet in `own`.
    appends: Vec<Append>,
    after_commit: Vec<AfterCommit>,
    /// Tables this transaction made.
    created: HashSet<TableId>,
    /// Whether its changes are durable.
    is_committed: bool,
}

impl Transaction {
    /// Tells when it began, in microseconds since 1970.
    pub fn began_us(&self) -> i64 {
        self.facts.starttime_us
    }

    /// Gives what the transaction sees: its read view with its own changes.
    pub fn view(&mut self) -> Result<Arc<ReadView>> {
        if let Some(view) = &self.effective {
            return Ok(view.clone());
        }
        self.has_queried = true;
        if !self.appends.is_empty() {
            self.gather()?;
        }
        let base = match &self.base {
            Some(base) => base.clone(),
            None => {
                let newest = || self.shared.store.read_view();
                let base = match self.is_serializable {
                    true => self.shared.serial.begin(self.xid, newest),
                    false => newest(),
                };
                self.base = Some(base.clone());
                base
            }
        };
        let view = match self.own.is_empty() {
            true => base,
            false => Arc::new(base.with(&self.shared.store, &self.own)?),
        };
        self.effective = Some(view.clone());
        Ok(view)
    }

    /// Tells whether the read view was taken.
    pub fn has_view(&self) -> bool {
        self.base.is_some()
    }

    /// Tells whether any statement has looked at anything.
    pub fn has_queried(&self) -> bool {
        self.has_queried
    }

    /// Counts the changes made so far: a statement that made none may be run again.
    pub fn change_count(&self) -> u64 {
        self.changes
    }

    /// Ends a statement that read `tables`. Until one has read or changed a table the next takes a view of its own.
    /// Fails with 1023 in a serializable database if it has left no serial order.
    pub async fn end_statement(&mut self, tables: BTreeSet<u32>) -> Result<()> {
        self.reads.extend(tables);
        if self.is_serializable {
            let serial = &self.shared.serial;
            let noted = serial.note(self.xid, &self.reads, &self.writes).await;
            noted.map_err(|cycle| {
                let table = u64::from(cycle.table);
                self.shared.refuse(self.facts, table, &cycle.xids)
            })?;
        }
        self.is_fixed |= !self.reads.is_empty() || !self.writes.is_empty();
        if !self.is_fixed && self.own.is_empty() {
            self.forget_view();
        }
        Ok(())
    }

    /// Makes the refusal of what was built on a table that another transaction changed.
    pub fn conflict(&self, table: u32) -> Error {
        self.shared
            .refuse(self.facts, u64::from(table), &[self.xid])
    }

    /// Waits until a table is no longer under LOCK, and holds it for reading.
    pub async fn wait_to_read(&mut self, table: u32) -> Result<()> {
        self.lock(Lockable::Relation(table), Mode::Read).await
    }

    /// Lets the read view go, so that what it keeps may be removed; the next statement's is taken afresh. Only for a
    /// statement that works in transactions of its own.
    pub fn forget_view(&mut self) {
        self.base = None;
        self.effective = None;
    }

    /// Gives the catalog the transaction sees.
    pub fn catalog(&mut self) -> Result<Arc<Catalog>> {
        let view = self.view_of_names()?;
        self.catalog_of(&view)
    }

    /// Gives the catalog of a view, as far as the transaction sees it.
    pub fn catalog_of(&self, view: &ReadView) -> Result<Arc<Catalog>> {
        match self.database {
            Some(database) => self.shared.catalogs.of_database(view, database),
            None => self.shared.catalogs.of(view),
        }
    }

    /// Gives the catalog as last committed, which decides whether a name is free.
    pub fn committed_catalog(&self) -> Result<Arc<Catalog>> {
        self.catalog_of(&self.shared.store.read_view())
    }

    /// Gives the database the transaction is in.
    pub fn database(&self) -> Option<Oid> {
        self.database
    }

    /// Waits for a lock, held to the end of the transaction. In the first statement the next [`Transaction::view`] is
    /// taken afresh, so that it shows what was waited for.
    pub async fn lock(&mut self, on: Lockable, mode: Mode) -> Result<()> {
        let locks = &self.shared.locks;
        let mut taken = pin!(locks.take_within(self.xid, on, mode, self.lock_timeout));
        match taken.as_mut().now_or_never() {
            Some(outcome) => outcome?,
            None => {
                // Who has the lock may wait for the slots that this session holds.
                if let Some(seat) = &self.seat {
                    seat.leave();
                }
                taken.await?
            }
        };
        if !self.is_fixed && self.own.is_empty() {
            self.base = None;
            self.effective = None;
        }
        Ok(())
    }

    /// Waits for a table's lock and checks that the table has not gone, and stores rows as it did, since the read view
    /// was taken.
    pub async fn lock_table(&mut self, table: u32, mode: Mode) -> Result<()> {
        self.lock(Lockable::Relation(table), mode).await?;
        if mode != Mode::AccessExclusive {
            self.writes.insert(table);
        }
        if mode == Mode::Exclusive {
            // What ends or replaces all rows comes before those that are added later.
            self.reads.insert(table);
        }
        let id = TableId(u64::from(table));
        let is_own = self.created.contains(&id);
        if is_own {
            return Ok(());
        }
        let committed = self.committed_catalog()?;
        let is_altered = self.has_view() && !self.changes(table) && {
            let seen = self.catalog()?;
            match (seen.tables.get(&table), committed.tables.get(&table)) {
                (Some(seen), Some(now)) => !now.stores_like(seen),
                _ => false,
            }
        };
        if self.shared.store.read_view().tables.contains_key(&id) && !is_altered {
            return Ok(());
        }
        Err(self.conflict(table))
    }

    /// Counts the rows of a table as last committed: what another transaction may have added since.
    pub fn committed_rows(&self, table: TableId) -> u64 {
        let view = self.shared.store.read_view();
        view.tables
            .get(&table)
            .map_or(0, |version| version.row_count())
    }

    /// Adds a change of the catalog; a later change of the same key replaces an earlier.
    pub fn change_catalog(&mut self, change: CatalogChange) {
        self.own.catalog.retain(|earlier| earlier.key != change.key);
        self.own.catalog.push(change);
        self.note_change();
    }

    /// Adds a table.
    pub fn create_table(&mut self, id: TableId, layout: TableLayout) {
        self.created.insert(id);
        self.change_layout(id, layout);
    }

    /// Changes what a table stores from now on; rows that are there stay as they are.
    pub fn change_layout(&mut self, id: TableId, layout: TableLayout) {
        self.own.layouts.retain(|(own, _)| *own != id);
        self.own.layouts.push((id, layout));
        self.note_change();
    }

    /// Ends a table.
    pub fn drop_table(&mut self, id: TableId) {
        self.forget_own_rows(id);
        let is_own = self.created.contains(&id);
        self.own.layouts.retain(|(own, _)| *own != id);
        self.own.truncated_tables.retain(|own| *own != id);
        if !is_own {
            self.own.dropped_tables.push(id);
        }
        self.note_change();
    }

    /// Removes all rows of a table.
    pub fn truncate_table(&mut self, id: TableId) {
        self.forget_own_rows(id);
        let is_own = self.created.contains(&id);
        if !is_own && !self.own.truncated_tables.contains(&id) {
            self.own.truncated_tables.push(id);
        }
        self.note_change();
    }

    /// Tells whether the transaction itself dropped an object.
    pub fn drops(&self, oid: u32) -> bool {
        self.changes_of(oid).any(|change| change.value.is_none())
    }

    /// Tells whether the transaction itself made or changed an object.
    pub fn changes(&self, oid: u32) -> bool {
        self.changes_of(oid).any(|change| change.value.is_some())
    }

    /// Tells whether what is committed of an object still stands for the transaction, which neither dropped nor
    /// changed it. A name that it gave up itself is free for it.
    pub fn leaves(&self, oid: u32) -> bool {
        self.changes_of(oid).next().is_none()
    }

    fn changes_of(&self, oid: u32) -> impl Iterator<Item = &CatalogChange> {
        let is_key =
            move |key: &str| key.split('/').nth(1).and_then(|text| text.parse().ok()) == Some(oid);
        // What is kept beside an object under its oid.
        let is_beside = |key: &str| {
            [
                "comment/",
                "access/",
                "default_access/",
                "protection/",
                "external_schema/",
                "external_partition/",
                "ledger/",
            ]
            .iter()
            .any(|prefix| key.starts_with(prefix))
        };
        let changes = self.own.catalog.iter();
        changes.filter(move |change| !is_beside(&change.key) && is_key(&change.key))
    }

    /// Tells whether the transaction itself added rows to a table, took some from it, or made or ended it.
    pub fn has_rows_of(&self, id: TableId) -> bool {
        let own = &self.own;
        own.added.iter().any(|record| record.table == id)
            || own.masks.iter().any(|mask| mask.table == id)
            || own.truncated_tables.contains(&id)
            || self.created.contains(&id)
            || self.appends.iter().any(|append| append.target.table == id)
    }

    /// Tells whether the transaction itself wrote or removed a key of the catalog.
    pub fn has_written(&self, key: &str) -> bool {
        self.own.catalog.iter().any(|change| change.key == key)
    }

    /// Adds rows that a write made durable.
    pub fn add_row_groups(&mut self, row_groups: Vec<RowGroupRecord>) {
        self.own.added.extend(row_groups);
        self.note_change();
    }

    /// Adds the rows of an insert, small ones in memory.
    pub fn add_rows(&mut self, layout: &TableLayout, rows: Vec<RowGroupRecord>) -> Result<()> {
        self.note_change();
        Ok(self.own.add_rows(layout, rows)?)
    }

    /// Gives rows of a table in memory that are too many to ride in the commit record.
    pub fn full_rows(&self, table: TableId) -> Option<RowGroupRecord> {
        self.own.full_rows(table).cloned()
    }

    /// Lets rows that have a file now take the place of those in memory.
    pub fn replace_rows(&mut self, written: RowGroupRecord) {
        for record in &mut self.own.added {
            if record.id == written.id {
                *record = written.clone();
            }
        }
        self.effective = None;
    }

    /// Gives a view that may lack the transaction's own rows: enough for names, and cheap after an insert.
    pub fn view_of_names(&mut self) -> Result<Arc<ReadView>> {
        let own = &self.own;
        let is_of_rows =
            own.catalog.is_empty() && own.layouts.is_empty() && own.dropped_tables.is_empty();
        match (&self.effective, &self.base) {
            (None, Some(base)) if is_of_rows => Ok(base.clone()),
            _ => self.view(),
        }
    }

    /// Adds delete masks. A second mask of a row group replaces the first of this transaction, and builds on what
    /// the first was built on. Fails with 40001 if a row was changed by another since the read view was taken.
    pub fn add_masks(&mut self, masks: Vec<DeleteMaskRecord>) -> Result<()> {
        let table = masks.first().map(|mask| mask.table);
        for mut mask in masks {
            let earlier = self
                .own
                .masks
                .iter()
                .position(|earlier| earlier.row_group == mask.row_group);
            if let Some(at) = earlier {
                let replaced = self.own.masks.swap_remove(at);
                mask.base_version = replaced.base_version;
                self.discard(Vec::new(), vec![replaced]);
            }
            self.own.masks.push(mask);
        }
        self.note_change();
        match table {
            Some(table) => self.ensure_rows_unchanged(table),
            None => Ok(()),
        }
    }

    /// Compares the deleted rows of a table with those deleted since the read view was taken. The lock that was taken
    /// to delete them keeps others from deleting more.
    fn ensure_rows_unchanged(&mut self, id: TableId) -> Result<()> {
        let newest = self.shared.store.read_view();
        let Some(now) = newest.tables.get(&id) else {
            return Ok(());
        };
        let is_of_table = |mask: &&DeleteMaskRecord| mask.table == id;
        let masks: Vec<_> = self.own.masks.iter().filter(is_of_table).cloned().collect();
        if !delete::are_overtaken(now, &masks) {
            return Ok(());
        }
        let own = self.view()?;
        let seen = self.base.as_ref().map(|base| base.table(id)).transpose()?;
        let (Some(seen), Ok(table)) = (seen, u32::try_from(id.0)) else {
            return Ok(());
        };
        match delete::ensure_apart(seen, own.table(id)?, now, &masks) {
            Err(blueshift_storage::Error::Conflict { .. }) => Err(self.conflict(table)),
            outcome => Ok(outcome?),
        }
    }

    /// Puts the masks of this transaction on top of those that others have committed since its read view was taken.
    /// Their rows are apart, or a statement would have been refused.
    fn rebase_masks(&mut self) -> blueshift_storage::Result<()> {
        let newest = self.shared.store.read_view();
        let tables: BTreeSet<TableId> = self.own.masks.iter().map(|mask| mask.table).collect();
        for id in tables {
            let (of_table, others): (Vec<_>, Vec<_>) = std::mem::take(&mut self.own.masks)
                .into_iter()
                .partition(|mask| mask.table == id);
            self.own.masks = of_table.clone();
            self.own.masks.extend(others.iter().cloned());
            let (Some(now), Some(base)) = (newest.tables.get(&id), self.base.clone()) else {
                continue;
            };
            if !delete::are_overtaken(now, &of_table) {
                continue;
            }
            let own = base.with(&self.shared.store, &self.own)?;
            let seen = base.table(id)?;
            let rebased =
                delete::rebase_masks(&self.shared.store, seen, own.table(id)?, now, &of_table)?;
            let replaced = of_table.into_iter().filter(|mask| !rebased.contains(mask));
            let replaced: Vec<_> = replaced.collect();
            self.own.masks = rebased;
            self.own.masks.extend(others);
            self.discard(Vec::new(), replaced);
        }
        Ok(())
    }

    fn note_change(&mut self) {
        self.changes += 1;
        self.effective = None;
    }

    /// Keeps something to be told once the transaction has committed, and never otherwise. It must not wait.
    pub fn after_commit(&mut self, tell: impl FnOnce() + Send + Sync + 'static) {
        self.after_commit_try(|| {
            tell();
            Ok(())
        });
    }

    /// Keeps something to be done once the transaction has committed, and never otherwise. It may block. If the
    /// transaction changed nothing, its failure is that of the commit; else the commit stands, and the log tells.
    pub fn after_commit_try(&mut self, act: impl FnOnce() -> Result<()> + Send + Sync + 'static) {
        self.after_commit.push(Box::new(act));
    }

    /// Commits: durable and visible when this returns. Not stopped by dropping the future.
    pub async fn commit(mut self) -> Result<()> {
        self.end_appends()?;
        quota::ensure(&mut self)?;
        let after_commit = std::mem::take(&mut self.after_commit);
        if self.own.is_empty() {
            if self.is_serializable {
                let newest = self.shared.store.read_view().version.0;
                self.shared.serial.committed(self.xid, newest);
            }
            if after_commit.is_empty() {
                return Ok(());
            }
            let work = tokio::task::spawn_blocking(move || {
                let done = after_commit.into_iter().try_for_each(|act| act());
                drop(self);
                done
            });
            return work.await.map_err(Error::internal)?;
        }
        let (shared, facts) = (self.shared.clone(), self.facts);
        let user_changes = self.user_changes()?;
        let (mut figures, turn) = self.figures();
        let work = tokio::task::spawn_blocking(move || {
            let turn = turn;
            figures.begun_us = now_us();
            self.rebase_masks()?;
            if self.is_serializable {
                self.shared.serial.committing(self.xid);
            }
            let mut own = std::mem::take(&mut self.own);
            own.base = self
                .base
                .as_ref()
                .map(|view| view.version)
                .unwrap_or_default();
            let (written, masks) = (own.added.clone(), own.masks.clone());
            let dropped = own.dropped_tables.clone();
            let outcome = self.shared.store.commit(own);
            match &outcome {
                Ok(version) => {
                    if self.is_serializable {
                        self.shared.serial.committed(self.xid, version.0);
                    }
                    let now = now_us();
                    figures.durable_us = now;
                    drop(turn);
                    self.is_committed = true;
                    let written = self.writes.iter().map(|table| (*table, now));
                    let mut last_commits = guard(&self.shared.last_commits);
                    last_commits.extend(written);
                    if !dropped.is_empty() {
                        last_commits
                            .retain(|table, _| !dropped.contains(&TableId((*table).into())));
                    }
                    drop(last_commits);
                    for act in after_commit {
                        if let Err(error) = act() {
                            tracing::warn!(%error, "what follows a commit was not done");
                        }
                    }
                    figures.ended_us = now_us();
                    self.note_end(TransactionEnd::Committed(figures));
                    for change in user_changes {
                        push(&self.shared.history.user_changes, change);
                    }
                }
                Err(_) => self.shared.store.discard(&written, &masks),
            }
            // Dropped here, after the outcome is known: its locks are given back.
            drop(self);
            outcome
        });
        match work.await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(blueshift_storage::Error::Conflict { table })) => {
                Err(shared.refuse(facts, table, &[facts.xid]))
            }
            Ok(Err(error)) => Err(error.into()),
            Err(error) => Err(Error::internal(error)),
        }
    }

    fn forget_own_rows(&mut self, id: TableId) {
        self.appends.retain(|append| append.target.table != id);
        let is_own = |group: &RowGroupRecord| group.table == id;
        let (gone, kept) = std::mem::take(&mut self.own.added)
            .into_iter()
            .partition(is_own);
        self.own.added = kept;
        let is_own = |mask: &DeleteMaskRecord| mask.table == id;
        let (gone_masks, kept) = std::mem::take(&mut self.own.masks)
            .into_iter()
            .partition(is_own);
        self.own.masks = kept;
        self.discard(gone, gone_masks);
    }

    /// Removes files that no commit will name.
    fn discard(&self, row_groups: Vec<RowGroupRecord>, masks: Vec<DeleteMaskRecord>) {
        if !row_groups.is_empty() || !masks.is_empty() {
            self.shared.store.discard(&row_groups, &masks);
        }
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        let begun_us = now_us();
        let written = std::mem::take(&mut self.own.added);
        let masks = std::mem::take(&mut self.own.masks);
        self.discard(written, masks);
        if self.changes > 0 && !self.is_committed {
            let ended_us = now_us();
            self.note_end(TransactionEnd::Undone { begun_us, ended_us });
        }
        guard(&self.shared.open).remove(&self.xid);
        if self.is_serializable {
            self.shared.serial.end(self.xid);
        }
        self.shared.locks.release_all(self.xid);
    }
}
