//! Commits, conflicts, overlays, removal of files, and recovery from a stop at every durable step.

use super::*;
use crate::io::{Fault, Faulty, Memory};
use crate::schema::{ColumnLayout, ColumnType, EncodingName, SortKey};
use crate::table::delete::write_masks;
use roaring::RoaringBitmap;

pub(super) const TABLE: TableId = TableId(7);
pub(super) const SLICE: SliceId = SliceId(0);

fn options() -> StoreOptions {
    StoreOptions {
        dir: PathBuf::from("test"),
        cache_bytes: 1 << 20,
        slice_count: 2,
        sync: true,
    }
}

pub(super) fn open(io: Arc<dyn BlockStore>) -> Result<Arc<Store>> {
    Store::open_on(io, options(), PathBuf::from("test/spill"))
}

pub(super) fn layout(sort_key: SortKey) -> TableLayout {
    let column = ColumnLayout {
        id: 1,
        name: "a".to_owned(),
        ty: ColumnType::Int64,
        encoding: EncodingName::Auto,
        nullable: true,
    };
    TableLayout {
        columns: vec![column],
        sort_key,
    }
}

pub(super) fn create_table(store: &Store, table: TableId) -> Result<CommitVersion> {
    let layouts = vec![(table, layout(SortKey::Compound(vec![0])))];
    let value = Some(serde_json::json!({ "name": "t" }));
    let catalog = vec![CatalogChange {
        key: format!("table/{}", table.0),
        value,
    }];
    store.commit(Commit {
        layouts,
        catalog,
        ..Commit::default()
    })
}

/// Writes the file of a row group, with content only these tests read.
fn write_rows(store: &Store, table: TableId, slice: SliceId, rows: u64) -> Result<RowGroupRecord> {
    let id = RowGroupId(store.next_file_id());
    let path = name::row_group(slice, table, id);
    let file_bytes = store.io().create(&path, &mut |out| {
        out.write_all(b"rows")
            .map_err(|error| crate::io::failed("write", &path, error))
    })?;
    store.io().sync_dir(&name::table_dir(slice, table))?;
    Ok(RowGroupRecord {
        table,
        slice,
        id,
        rows,
        file_bytes,
        sorted: true,
        key_range: None,
        mixed: false,
        resident: None,
        extends: None,
    })
}

fn insert(store: &Store, table: TableId, rows: u64) -> Result<RowGroupId> {
    let record = write_rows(store, table, SLICE, rows)?;
    let id = record.id;
    store.commit(Commit {
        added: vec![record],
        ..Commit::default()
    })?;
    Ok(id)
}

pub(super) fn delete(
    store: &Arc<Store>,
    view: &ReadView,
    group: RowGroupId,
    rows: &[u32],
) -> Result<u64> {
    let rows = HashMap::from([(group, RoaringBitmap::from_iter(rows.iter().copied()))]);
    let (masks, deleted) = write_masks(store, view.table(TABLE)?, rows)?;
    let commit = Commit {
        masks: masks.clone(),
        base: view.version,
        ..Commit::default()
    };
    match store.commit(commit) {
        Ok(_) => Ok(deleted),
        Err(error) => {
            store.discard(&[], &masks);
            Err(error)
        }
    }
}

/// Everything a reader can see, as text.
fn describe(view: &ReadView) -> String {
    let mut tables: Vec<_> = view.tables.values().collect();
    tables.sort_by_key(|table| table.id);
    let tables: Vec<String> = tables
        .iter()
        .map(|table| {
            let groups = table.row_groups.iter().map(|group| {
                let record = &group.record;
                let deleted = group
                    .deleted
                    .as_ref()
                    .map(|deleted| deleted.iter().collect());
                let deleted: Vec<u32> = deleted.unwrap_or_default();
                format!(
                    "{}:{}:{}-{deleted:?}",
                    record.id.0, record.rows, record.sorted
                )
            });
            format!(
                "{} {:?} {:?}",
                table.id.0,
                table.layout,
                groups.collect::<Vec<_>>()
            )
        })
        .collect();
    format!("{} {tables:?} {:?}", view.version.0, view.catalog)
}

#[test]
fn a_commit_survives_with_and_without_a_checkpoint() {
    for checkpoint in [false, true] {
        let io = Arc::new(Memory::default());
        let store = open(io.clone()).unwrap();
        create_table(&store, TABLE).unwrap();
        let group = insert(&store, TABLE, 10).unwrap();
        insert(&store, TABLE, 5).unwrap();
        assert_eq!(
            delete(&store, &store.read_view(), group, &[1, 3]).unwrap(),
            2
        );
        assert_eq!(
            delete(&store, &store.read_view(), group, &[3, 4]).unwrap(),
            1
        );
        let view = store.read_view();
        assert_eq!(view.table(TABLE).unwrap().row_count(), 12);
        let sorted: Vec<bool> = view
            .table(TABLE)
            .unwrap()
            .row_groups
            .iter()
            .map(|g| g.record.sorted)
            .collect();
        assert_eq!(
            sorted,
            [true, false],
            "only the first finds its slice empty"
        );
        let (ids, before) = (store.next_id(), describe(&view));
        if checkpoint {
            store.close().unwrap();
            assert!(insert(&store, TABLE, 1).is_err(), "closed");
        }
        drop((view, store));
        io.lose_power();
        let store = open(io).unwrap();
        assert_eq!(describe(&store.read_view()), before);
        assert_eq!(store.slice_count(), 2);
        assert!(store.next_id() + 1 >= ids);
    }
}

#[test]
fn concurrent_changes_conflict_as_documented() {
    let store = open(Arc::new(Memory::default())).unwrap();
    create_table(&store, TABLE).unwrap();
    let group = insert(&store, TABLE, 10).unwrap();
    let old = store.read_view();
    delete(&store, &old, group, &[1]).unwrap();
    let is_conflict = |result: Result<CommitVersion>| match result {
        Err(Error::Conflict { table }) => table == TABLE.0,
        _ => false,
    };
    let second = delete(&store, &old, group, &[2]);
    assert!(
        matches!(second, Err(Error::Conflict { table: 7 })),
        "the mask was replaced"
    );
    let base = old.version;
    let unchanged = Commit {
        unchanged_tables: vec![TABLE],
        catalog: vec![CatalogChange {
            key: "x".to_owned(),
            value: None,
        }],
        base,
        ..Commit::default()
    };
    assert!(
        is_conflict(store.commit(unchanged.clone())),
        "rows were deleted since"
    );
    let base_now = store.read_view().version;
    store
        .commit(Commit {
            base: base_now,
            ..unchanged
        })
        .unwrap();

    let reads = |base| Commit {
        catalog: vec![CatalogChange {
            key: "table/7".to_owned(),
            value: Some(1.into()),
        }],
        catalog_reads: vec!["table/7".to_owned()],
        base,
        ..Commit::default()
    };
    store.commit(reads(base)).unwrap();
    assert!(
        is_conflict(store.commit(reads(base))),
        "the key was changed since"
    );

    let gone = Commit {
        removed: vec![(TABLE, group)],
        ..Commit::default()
    };
    store.commit(gone.clone()).unwrap();
    assert!(is_conflict(store.commit(gone)), "a row group ends once");
    store
        .commit(Commit {
            dropped_tables: vec![TABLE],
            ..Commit::default()
        })
        .unwrap();
    let record = write_rows(&store, TABLE, SLICE, 1).unwrap();
    let late = Commit {
        added: vec![record],
        ..Commit::default()
    };
    assert!(is_conflict(store.commit(late)), "the table was dropped");
    assert!(matches!(
        store.table(TABLE),
        Err(Error::NoTable { table: 7 })
    ));
}

#[test]
fn a_transaction_sees_its_own_changes_and_others_do_not() {
    let store = open(Arc::new(Memory::default())).unwrap();
    create_table(&store, TABLE).unwrap();
    let view = store.read_view();
    let record = write_rows(&store, TABLE, SLICE, 4).unwrap();
    let mut own = Commit {
        added: vec![record.clone()],
        base: view.version,
        ..Commit::default()
    };
    let mine = view.with(&store, &own).unwrap();
    assert_eq!(mine.version, view.version);
    assert_eq!(mine.table(TABLE).unwrap().row_count(), 4);
    let rows = HashMap::from([(record.id, RoaringBitmap::from_iter([0_u32]))]);
    let (masks, _) = write_masks(&store, mine.table(TABLE).unwrap(), rows).unwrap();
    own.masks = masks;
    // A mask of a row group of the same commit applies once the row group is there.
    assert_eq!(store.read_view().table(TABLE).unwrap().row_count(), 0);
    let mine = view.with(&store, &own).unwrap();
    assert_eq!(mine.table(TABLE).unwrap().row_count(), 3);
    store.commit(own).unwrap();
    assert_eq!(store.read_view().table(TABLE).unwrap().row_count(), 3);
}

#[test]
fn a_file_goes_only_when_no_view_can_read_it() {
    let io = Arc::new(Memory::default());
    let store = open(io.clone()).unwrap();
    create_table(&store, TABLE).unwrap();
    let group = insert(&store, TABLE, 10).unwrap();
    let path = name::row_group(SLICE, TABLE, group);
    let old = store.read_view();
    delete(&store, &old, group, &[1]).unwrap();
    store
        .commit(Commit {
            truncated_tables: vec![TABLE],
            ..Commit::default()
        })
        .unwrap();
    sweep::sweep(&store.inner);
    assert!(io.size(&path).unwrap().is_some(), "an old view may read it");
    drop(old);
    // The sweeper's own thread may be at it: it holds the lock only to choose.
    while io.size(&path).unwrap().is_some() {
        sweep::sweep(&store.inner);
        std::thread::yield_now();
    }
    drop(store);
    assert!(
        !io.files()
            .iter()
            .any(|path| name::greatest_id(path).is_some()),
        "{:?}",
        io.files()
    );
}

#[test]
fn orphans_are_swept_and_their_names_not_used_again() {
    let io = Arc::new(Memory::default());
    let store = open(io.clone()).unwrap();
    create_table(&store, TABLE).unwrap();
    let kept = insert(&store, TABLE, 1).unwrap();
    let orphan = write_rows(&store, TABLE, SLICE, 1).unwrap();
    let discarded = write_rows(&store, TABLE, SliceId(1), 1).unwrap();
    store.discard(std::slice::from_ref(&discarded), &[]);
    let path = |record: &RowGroupRecord| name::row_group(record.slice, record.table, record.id);
    assert_eq!(io.size(&path(&discarded)).unwrap(), None);
    drop(store);
    let store = open(io.clone()).unwrap();
    assert!(store.next_file_id() >> 32 > orphan.id.0 >> 32);
    while io.size(&path(&orphan)).unwrap().is_some() {
        std::thread::yield_now();
    }
    assert!(
        io.size(&name::row_group(SLICE, TABLE, kept))
            .unwrap()
            .is_some()
    );
}

#[test]
fn private_files_survive_and_have_plain_names() {
    let io = Arc::new(Memory::default());
    let store = open(io.clone()).unwrap();
    assert_eq!(store.read_private("server.key").unwrap(), None);
    store.write_private("server.key", b"one").unwrap();
    store.write_private("server.key", b"two").unwrap();
    assert!(store.write_private("../FORMAT", b"x").is_err());
    drop(store);
    io.lose_power();
    assert_eq!(
        open(io)
            .unwrap()
            .read_private("server.key")
            .unwrap()
            .unwrap(),
        b"two"
    );
}

/// Runs the script until something fails; tells each acknowledged state, and the one in flight.
fn script(io: Arc<dyn BlockStore>, acknowledged: &mut Vec<String>) -> Result<()> {
    acknowledged.clear();
    let store = open(io)?;
    let note = |acknowledged: &mut Vec<String>| acknowledged.push(describe(&store.read_view()));
    note(acknowledged);
    create_table(&store, TABLE)?;
    note(acknowledged);
    let group = insert(&store, TABLE, 10)?;
    note(acknowledged);
    delete(&store, &store.read_view(), group, &[1, 2])?;
    note(acknowledged);
    store.checkpoint()?;
    insert(&store, TABLE, 20)?;
    note(acknowledged);
    delete(&store, &store.read_view(), group, &[5])?;
    note(acknowledged);
    let record = write_rows(&store, TABLE, SliceId(1), 3)?;
    let (truncated_tables, added) = (vec![TABLE], vec![record]);
    store.commit(Commit {
        truncated_tables,
        added,
        ..Commit::default()
    })?;
    note(acknowledged);
    create_table(&store, TableId(8))?;
    note(acknowledged);
    store.commit(Commit {
        dropped_tables: vec![TABLE],
        ..Commit::default()
    })?;
    note(acknowledged);
    store.close()
}

#[test]
fn a_stop_at_any_durable_step_leaves_the_last_acknowledged_commit() {
    stop_everywhere(script, |store| describe(&store.read_view()));
}

/// Stops a script at every durable step in every way, with and without power loss, opens what is left,
/// and compares it with what was acknowledged.
pub(super) fn stop_everywhere(
    script: fn(Arc<dyn BlockStore>, &mut Vec<String>) -> Result<()>,
    seen: impl Fn(&Arc<Store>) -> String,
) {
    let mut whole = Vec::new();
    let count = Arc::new(Faulty::new(
        Arc::new(Memory::default()),
        usize::MAX,
        Fault::Fail,
    ));
    script(count.clone(), &mut whole).unwrap();
    // The sweeper removes files when it likes, so the number of steps differs a little.
    let steps = count.steps() + 8;
    let mut tried = 0;
    for fault in [
        Fault::StopBefore,
        Fault::StopAfter,
        Fault::Fail,
        Fault::Full,
    ] {
        for step in 0..steps {
            for power_loss in [false, true] {
                let io = Arc::new(Memory::default());
                let faulty = Arc::new(Faulty::new(io.clone(), step, fault));
                let mut acknowledged = Vec::new();
                let result = script(faulty, &mut acknowledged);
                if power_loss {
                    io.lose_power();
                }
                let store = open(io).unwrap_or_else(|error| {
                    panic!("{fault:?} at step {step}, power loss {power_loss}: {error}")
                });
                let found = seen(&store);
                let last = acknowledged
                    .last()
                    .cloned()
                    .unwrap_or_else(|| whole[0].clone());
                let next = whole
                    .get(acknowledged.len().max(1))
                    .filter(|_| result.is_err());
                assert!(
                    found == last || Some(&found) == next,
                    "{fault:?} at step {step}, power loss {power_loss}: found {found}, not {last}"
                );
                // And the store works on.
                create_table(&store, TableId(9)).unwrap();
                insert(&store, TableId(9), 1).unwrap();
                tried += 1;
            }
        }
    }
    assert!(tried > 100, "{tried} stops");
}

#[test]
fn eight_threads_commit_and_exactly_one_of_each_race_wins() {
    let io = Arc::new(Memory::default());
    let store = open(io.clone()).unwrap();
    create_table(&store, TABLE).unwrap();
    let group = insert(&store, TABLE, 10_000).unwrap();
    let won: u64 = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..8_u32)
            .map(|worker| {
                let store = Arc::clone(&store);
                scope.spawn(move || {
                    let mut won = 0;
                    for round in 0..40 {
                        insert(&store, TABLE, 1).unwrap();
                        let rows = [worker * 1_000 + round];
                        match delete(&store, &store.read_view(), group, &rows) {
                            Ok(deleted) => won += deleted,
                            Err(Error::Conflict { .. }) => {}
                            Err(error) => panic!("{error}"),
                        }
                    }
                    won
                })
            })
            .collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap())
            .sum()
    });
    assert!(won > 0);
    let view = store.read_view();
    let table = view.table(TABLE).unwrap();
    assert_eq!(table.row_count(), 10_000 + 8 * 40 - won);
    assert_eq!(
        view.version.0,
        2 + 8 * 40 + won,
        "a conflict makes no version"
    );
    let before = describe(&view);
    drop((view, store));
    assert_eq!(describe(&open(io).unwrap().read_view()), before);
}

#[test]
fn a_directory_on_disk_opens_again_with_a_thousand_row_groups() {
    let dir = tempfile::tempdir().unwrap();
    let options = StoreOptions {
        dir: dir.path().join("data"),
        sync: false,
        ..options()
    };
    let store = Store::open(options.clone()).unwrap();
    assert!(matches!(
        Store::open(options.clone()),
        Err(Error::Locked { .. })
    ));
    create_table(&store, TABLE).unwrap();
    let records = (0..1_000).map(|_| write_rows(&store, TABLE, SLICE, 1).unwrap());
    let added = records.collect();
    store
        .commit(Commit {
            added,
            ..Commit::default()
        })
        .unwrap();
    std::fs::write(store.spill_dir().join("left"), b"x").unwrap();
    drop(store);
    let store = Store::open(StoreOptions {
        slice_count: 9,
        ..options
    })
    .unwrap();
    assert_eq!(store.table(TABLE).unwrap().row_count(), 1_000);
    assert_eq!(store.slice_count(), 2, "fixed when the directory was made");
    assert_eq!(std::fs::read_dir(store.spill_dir()).unwrap().count(), 0);
}
