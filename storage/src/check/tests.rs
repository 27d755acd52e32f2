//! Whole directories are found whole, every flipped bit is found, and what ended meanwhile is no damage.

use super::*;
use crate::io::Memory;
use crate::schema::{ColumnType, SortKey};
use crate::store::{Commit, Store, StoreOptions};
use crate::table::delete::write_mask_files;
use crate::table::write::SliceWriter;
use arrow_array::{Int64Array, RecordBatch, StringViewArray};
use roaring::RoaringBitmap;
use std::collections::HashMap;

const TABLE: TableId = TableId(100_001);

fn layout() -> TableLayout {
    let column = |id, name: &str, ty| ColumnLayout {
        id,
        name: name.to_owned(),
        ty,
        encoding: EncodingName::Auto,
        nullable: true,
    };
    TableLayout {
        columns: vec![
            column(1, "id", ColumnType::Int64),
            column(2, "label", ColumnType::Text),
        ],
        sort_key: SortKey::None,
    }
}

fn open(io: &Arc<Memory>) -> Arc<Store> {
    let options = StoreOptions {
        dir: PathBuf::from("test"),
        cache_bytes: 1 << 20,
        slice_count: 2,
        sync: true,
    };
    let io: Arc<dyn BlockStore> = Arc::clone(io) as _;
    Store::open_on(io, options, PathBuf::from("test/spill")).unwrap()
}

fn write(store: &Arc<Store>, slice: u32, rows: i64) {
    let layout = Arc::new(layout());
    let mut writer = SliceWriter::new(store, TABLE, SliceId(slice), Arc::clone(&layout), 1 << 20);
    let fields: Vec<_> = layout
        .columns
        .iter()
        .map(|column| arrow_schema::Field::new(&column.name, column.ty.arrow(), true))
        .collect();
    let ids = Int64Array::from_iter_values((0..rows).map(|row| row * 7_919 % 10_007));
    let labels = (0..rows).map(|row| Some(format!("label number {row}")));
    let batch = RecordBatch::try_new(
        Arc::new(arrow_schema::Schema::new(fields)),
        vec![Arc::new(ids), Arc::new(labels.collect::<StringViewArray>())],
    )
    .unwrap();
    writer.write(batch).unwrap();
    let added = writer.finish().unwrap();
    let commit = Commit {
        added,
        ..Commit::default()
    };
    store.commit(commit).unwrap();
}

fn delete(store: &Arc<Store>, row: u32) {
    let view = store.read_view();
    let table = view.table(TABLE).unwrap();
    let group = table.row_groups[0].record.id;
    let rows = HashMap::from([(group, RoaringBitmap::from_iter([row]))]);
    let (masks, _) = write_mask_files(store, table, rows).unwrap();
    let base = view.version;
    let commit = Commit {
        masks,
        base,
        ..Commit::default()
    };
    store.commit(commit).unwrap();
}

/// Two row groups on two slices, the first with a mask.
fn directory() -> Arc<Memory> {
    let io = Arc::new(Memory::default());
    let store = open(&io);
    let commit = Commit {
        layouts: vec![(TABLE, layout())],
        ..Commit::default()
    };
    store.commit(commit).unwrap();
    write(&store, 0, 500);
    write(&store, 1, 20);
    delete(&store, 3);
    store.close().unwrap();
    drop(store);
    io
}

fn checked(io: &Arc<Memory>) -> Result<Report> {
    let io: Arc<dyn BlockStore> = Arc::clone(io) as _;
    check_on(&io, &mut |_, _| {})
}

fn files(io: &Memory, extension: &str) -> Vec<PathBuf> {
    let slices = (0..2).map(|slice| name::table_dir(SliceId(slice), TABLE));
    let files = slices.flat_map(|dir| io.list(&dir).unwrap());
    files
        .filter(|path| path.extension().unwrap() == extension)
        .collect()
}

#[test]
fn a_whole_directory_is_found_whole() {
    let io = directory();
    let report = checked(&io).unwrap();
    assert_eq!(report.damages, []);
    assert_eq!((report.row_groups, report.masks), (2, 1));
    assert_eq!((report.blocks, report.slice_count), (4, 2));
    assert_eq!(report.orphans, [] as [PathBuf; 0]);
}

#[test]
fn every_flipped_byte_is_found_and_told_where_it_is() {
    let io = directory();
    let (mut bytes_flipped, mut in_blocks) = (0, 0);
    for path in [files(&io, "rg"), files(&io, "mask")].concat() {
        let whole = io.read(&path).unwrap().unwrap();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1 << (at % 8);
            io.overwrite(&path, damaged);
            let report = checked(&io).unwrap();
            let [damage] = report.damages.as_slice() else {
                panic!("byte {at} of {path:?}: {:?}", report.damages);
            };
            assert_eq!((damage.table, &damage.path), (Some(TABLE), &path));
            assert!(damage.slice.is_some() && damage.row_group.is_some());
            in_blocks += usize::from(damage.column.is_some() && damage.block == Some(0));
            bytes_flipped += 1;
        }
        io.overwrite(&path, whole);
    }
    assert!(
        in_blocks * 3 > bytes_flipped,
        "{in_blocks} of {bytes_flipped}"
    );
}

#[test]
fn a_damaged_log_is_an_error() {
    let io = directory();
    for path in io.list(Path::new(name::LOG_DIR)).unwrap() {
        let whole = io.read(&path).unwrap().unwrap();
        let mut damaged = whole.clone();
        damaged[whole.len() / 2] ^= 4;
        io.overwrite(&path, damaged);
        assert!(checked(&io).is_err(), "{path:?}");
        io.overwrite(&path, whole);
    }
}

#[test]
fn a_missing_file_is_damage_and_an_unnamed_one_an_orphan() {
    let io = directory();
    let path = files(&io, "rg").pop().unwrap();
    let bytes = io.read(&path).unwrap().unwrap();
    io.remove(&path).unwrap();
    let orphan = path.with_file_name("99.rg");
    io.overwrite(&orphan, bytes.clone());
    let report = checked(&io).unwrap();
    assert_eq!(report.damages.len(), 1);
    assert_eq!(report.damages[0].path, path);
    assert_eq!(report.orphans, [orphan]);
    assert_eq!(report.orphan_bytes, bytes.len() as u64);
}

#[test]
fn what_ended_meanwhile_is_no_damage() {
    let io = directory();
    let store = open(&io);
    let keeper: Arc<dyn BlockStore> = Arc::clone(&io) as _;
    let mut dropped = false;
    let report = check_on(&keeper, &mut |done, _| {
        if done == 1 && !dropped {
            dropped = true;
            delete(&store, 4);
            let commit = Commit {
                truncated_tables: vec![TABLE],
                ..Commit::default()
            };
            store.commit(commit).unwrap();
            store.checkpoint().unwrap();
            for path in files(&io, "rg") {
                io.remove(&path).unwrap();
            }
        }
    })
    .unwrap();
    assert_eq!(report.damages, []);
    assert_eq!(report.ended_meanwhile, 1);
    assert_eq!(checked(&io).unwrap().row_groups, 0);
}
