//! Snapshots hold one commit, share what did not change, come back byte for byte, and are refused when
//! a byte of them is not what was written.

use super::*;
use crate::env::SeededRandom;
use crate::layout::statistics::{AnalyzedColumn, TableStatistics};
use crate::schema::{
    ColumnLayout, ColumnType, EncodingName, SliceId, SortKey, TableId, TableLayout,
};
use crate::store::{CatalogChange, Commit, ReadView, Store, StoreOptions};
use crate::table::delete::write_masks;
use crate::table::scan::{RowGroupScan, ScanRequest, zone_count};
use crate::table::write::SliceWriter;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Int64Array, RecordBatch};
use futures::executor::block_on;
use roaring::RoaringBitmap;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const TABLE: TableId = TableId(100_001);

fn layout() -> TableLayout {
    TableLayout {
        columns: vec![ColumnLayout {
            id: 1,
            name: "id".to_owned(),
            ty: ColumnType::Int64,
            encoding: EncodingName::Raw,
            nullable: true,
        }],
        sort_key: SortKey::None,
    }
}

fn open(dir: &Path) -> Arc<Store> {
    let options = StoreOptions {
        dir: dir.to_owned(),
        cache_bytes: 1 << 20,
        slice_count: 2,
        sync: false,
    };
    Store::open(options).unwrap()
}

fn insert(store: &Arc<Store>, slice: u32, values: std::ops::Range<i64>) {
    let layout = Arc::new(layout());
    let mut writer = SliceWriter::new(store, TABLE, SliceId(slice), Arc::clone(&layout), 1 << 20);
    let rows = Int64Array::from_iter_values(values);
    let batch = RecordBatch::try_new(layout.arrow_schema(), vec![Arc::new(rows)]).unwrap();
    writer.write(batch).unwrap();
    let added = writer.finish().unwrap();
    let commit = Commit {
        added,
        ..Commit::default()
    };
    store.commit(commit).unwrap();
}

fn delete_row(store: &Arc<Store>, row: u32) {
    let view = store.read_view();
    let table = view.table(TABLE).unwrap();
    let group = table.row_groups[0].record.id;
    let rows = HashMap::from([(group, RoaringBitmap::from_iter([row]))]);
    let (masks, _) = write_masks(store, table, rows).unwrap();
    let commit = Commit {
        masks,
        base: view.version,
        ..Commit::default()
    };
    store.commit(commit).unwrap();
}

fn values(store: &Arc<Store>, view: &ReadView) -> Vec<i64> {
    let table = view.table(TABLE).unwrap();
    let request = Arc::new(ScanRequest {
        projection: vec![0],
        conjuncts: vec![],
        row_ids: false,
        batch_rows: 8_192,
    });
    let mut all = Vec::new();
    for group in table.row_groups.iter() {
        let zones = 0..zone_count(group.record.rows);
        let request = Arc::clone(&request);
        let mut scan = RowGroupScan::new(store, &table.layout, group, 0, zones, request).unwrap();
        while let Some(batch) = scan.next_batch().unwrap() {
            all.extend(batch.column(0).as_primitive::<Int64Type>().values().iter());
        }
    }
    all
}

struct Place {
    dir: tempfile::TempDir,
    store: Arc<Store>,
    repository: Repository,
    random: SeededRandom,
}

fn place() -> Place {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir.path().join("data"));
    let commit = Commit {
        layouts: vec![(TABLE, layout())],
        catalog: vec![CatalogChange {
            key: "table/100001".to_owned(),
            value: Some(serde_json::json!({"name": "t"})),
        }],
        ..Commit::default()
    };
    store.commit(commit).unwrap();
    let repository = Repository::at_dir(&dir.path().join("repository")).unwrap();
    Place {
        store,
        repository,
        dir,
        random: SeededRandom::new(7),
    }
}

impl Place {
    fn take(&self, name: &str) -> Result<Created> {
        self.take_view(name, &self.store.read_view(), &HashSet::new())
    }

    fn take_view(
        &self,
        name: &str,
        view: &ReadView,
        without: &HashSet<TableId>,
    ) -> Result<Created> {
        let request = Request {
            name,
            cluster: "c1",
            automatic: false,
            now_us: 17,
            random: &self.random,
            without_rows: without,
            steps: &Steps::default(),
        };
        let created = block_on(create(&self.store, view, &self.repository, &request))?;
        let has_files = created.manifest.bytes > 0;
        assert_eq!(request.steps.percent(), if has_files { 100.0 } else { 0.0 });
        Ok(created)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn restore(&self, name: &str, into: &str) -> Result<Arc<Store>> {
        let dir = self.path(into);
        let manifest = block_on(self.repository.manifest(name))?;
        block_on(restore(&self.repository, &manifest, &dir, &|_, _| {}))?;
        Ok(open(&dir))
    }

    /// Files of the repository below a folder, whole paths.
    fn files(&self, folder: &str) -> Vec<PathBuf> {
        let listed = block_on(self.repository.list(folder)).unwrap();
        let root = self.path("repository").join(folder);
        listed.into_keys().map(|file| root.join(file)).collect()
    }
}

#[test]
fn a_snapshot_is_one_commit_and_comes_back_whole() {
    let place = place();
    insert(&place.store, 0, 0..1_000);
    insert(&place.store, 1, 1_000..1_500);
    delete_row(&place.store, 5);
    let view = place.store.read_view();
    let before = values(&place.store, &view);
    delete_row(&place.store, 6);
    insert(&place.store, 0, 5_000..5_001);
    let taken = place.take_view("first", &view, &HashSet::new()).unwrap();
    assert_eq!(taken.manifest.version, view.version);
    let restored = place.restore("first", "new").unwrap();
    let now = restored.read_view();
    assert_eq!(values(&restored, &now), before);
    assert_eq!(before.len(), 1_499);
    assert_eq!(now.version, view.version);
    assert_eq!(now.catalog, view.catalog);
    assert!(restored.next_id() >= 100_000);
    assert!(!place.path("new/RESTORE").exists());
    // It lives on: new files take names that were never used.
    insert(&restored, 0, 0..10);
    assert_eq!(values(&restored, &restored.read_view()).len(), 1_509);
}

#[test]
fn the_next_snapshot_uploads_only_what_is_new() {
    let place = place();
    insert(&place.store, 0, 0..100_000);
    insert(&place.store, 1, 0..100_000);
    let first = place.take("first").unwrap().manifest;
    assert_eq!(first.uploaded_bytes, first.bytes);
    let again = place.take("again").unwrap().manifest;
    assert_eq!(again.uploaded_bytes, 0);
    assert_eq!(again.bytes, first.bytes);
    insert(&place.store, 1, 0..2_000);
    let third = place.take("third").unwrap().manifest;
    let share = third.uploaded_bytes as f64 / third.bytes as f64;
    assert!(share > 0.0 && share < 0.03, "{share}");
    let twice = place.take("third").unwrap_err();
    assert!(matches!(twice, Error::SnapshotExists { .. }), "{twice}");
    let names = block_on(place.repository.names()).unwrap();
    assert_eq!(names, ["again", "first", "third"]);
    assert!(place.files("pending").is_empty());
}

#[test]
fn removing_a_snapshot_leaves_what_others_need() {
    let place = place();
    insert(&place.store, 0, 0..1_000);
    place.take("first").unwrap();
    insert(&place.store, 0, 1_000..2_000);
    delete_row(&place.store, 1);
    place.take("second").unwrap();
    assert_eq!(place.files("objects").len(), 3);
    let deleted = block_on(delete(&place.repository, "first")).unwrap();
    assert_eq!((deleted.objects, deleted.is_put_off), (0, false));
    let restored = place.restore("second", "new").unwrap();
    assert_eq!(values(&restored, &restored.read_view()).len(), 1_999);
    let deleted = block_on(delete(&place.repository, "second")).unwrap();
    assert_eq!(deleted.objects, 3);
    assert!(place.files("objects").is_empty());
    let gone = block_on(delete(&place.repository, "second")).unwrap_err();
    assert!(matches!(gone, Error::NoSnapshot { .. }), "{gone}");
}

#[test]
fn objects_stay_while_someone_takes_a_snapshot() {
    let place = place();
    insert(&place.store, 0, 0..1_000);
    place.take("first").unwrap();
    let marker = "pending/other.0";
    block_on(place.repository.put(marker, b"x".to_vec())).unwrap();
    let deleted = block_on(delete(&place.repository, "first")).unwrap();
    assert!(deleted.is_put_off);
    assert_eq!(place.files("objects").len(), 1);
    // A marker of an earlier run of this cluster is void; another's is not.
    block_on(place.repository.put("pending/c1.0", b"x".to_vec())).unwrap();
    place.take("second").unwrap();
    assert_eq!(place.files("pending").len(), 1);
    block_on(place.repository.remove(marker)).unwrap();
    let deleted = block_on(delete(&place.repository, "second")).unwrap();
    assert_eq!(deleted.objects, 2);
}

#[test]
fn every_damage_is_refused_and_leaves_nothing() {
    let place = place();
    insert(&place.store, 0, 0..300);
    delete_row(&place.store, 5);
    place.take("first").unwrap();
    let refused = |what: &str| {
        let error = place.restore("first", "new").err();
        let error = error.unwrap_or_else(|| panic!("{what} was not noticed"));
        assert!(matches!(error, Error::Corrupt { .. }), "{what}: {error}");
        assert!(!place.path("new").exists(), "{what}");
    };
    for path in [place.files("objects"), place.files("snapshots")].concat() {
        let whole = std::fs::read(&path).unwrap();
        for at in (0..whole.len()).step_by(61) {
            let mut damaged = whole.clone();
            damaged[at] ^= 1 << (at % 8);
            std::fs::write(&path, &damaged).unwrap();
            refused(&format!("byte {at} of {path:?}"));
        }
        std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        refused("a cut");
        if path.extension().unwrap() != "manifest" {
            std::fs::remove_file(&path).unwrap();
            refused("a missing object");
        }
        std::fs::write(&path, &whole).unwrap();
    }
    assert!(place.restore("first", "new").is_ok());
    let full = place.restore("first", "new").unwrap_err();
    assert!(matches!(full, Error::NotEmpty { .. }), "{full}");
}

#[test]
fn a_snapshot_of_damage_is_refused() {
    let place = place();
    insert(&place.store, 0, 0..300);
    let view = place.store.read_view();
    let record = view.table(TABLE).unwrap().row_groups[0].record.clone();
    let path = crate::layout::name::row_group(record.slice, record.table, record.id);
    let path = place.path("data").join(path);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let error = place.take("first").unwrap_err();
    assert!(matches!(error, Error::Corrupt { .. }), "{error}");
    assert_eq!(
        place.files("snapshots").len() + place.files("objects").len(),
        0
    );
}

#[test]
fn a_directory_whose_restore_did_not_finish_does_not_open() {
    let place = place();
    insert(&place.store, 0, 0..300);
    place.take("first").unwrap();
    drop(place.restore("first", "new").unwrap());
    std::fs::write(place.path("new/RESTORE"), b"").unwrap();
    let options = StoreOptions {
        dir: place.path("new"),
        cache_bytes: 1 << 20,
        slice_count: 2,
        sync: false,
    };
    let error = Store::open(options).unwrap_err();
    assert!(matches!(error, Error::UnfinishedRestore { .. }), "{error}");
}

#[test]
fn rows_of_some_tables_can_be_left_out() {
    let place = place();
    insert(&place.store, 0, 0..300);
    let without = HashSet::from([TABLE]);
    let view = place.store.read_view();
    let taken = place.take_view("first", &view, &without).unwrap();
    assert_eq!(taken.manifest.bytes, 0);
    let restored = place.restore("first", "new").unwrap();
    assert_eq!(values(&restored, &restored.read_view()).len(), 0);
}

#[test]
fn another_number_of_slices_is_filled_by_the_caller() {
    let place = place();
    insert(&place.store, 0, 0..300);
    insert(&place.store, 1, 300..400);
    place.take("first").unwrap();
    let manifest = block_on(place.repository.manifest("first")).unwrap();
    let dir = place.path("new");
    let fill = async |from: &Arc<Store>, to: &Arc<Store>| {
        assert_eq!((from.slice_count(), to.slice_count()), (2, 5));
        let rows = values(from, &from.read_view()).len() as i64;
        insert(to, 4, 0..rows);
        Ok(())
    };
    let done = restore_design(&place.repository, &manifest, &dir, 5, &|_, _| {}, fill);
    block_on(done).unwrap();
    let restored = open(&dir);
    assert_eq!(restored.slice_count(), 5);
    assert_eq!(values(&restored, &restored.read_view()).len(), 400);
    assert!(!dir.join("restore").exists() && !dir.join("RESTORE").exists());
    // A fill that fails leaves nothing.
    let fill = async |_: &Arc<Store>, _: &Arc<Store>| Err(Error::Canceled);
    let dir = place.path("failed");
    let done = restore_design(&place.repository, &manifest, &dir, 5, &|_, _| {}, fill);
    assert!(block_on(done).is_err());
    assert!(!dir.exists());
}

#[test]
fn statistics_and_what_rides_in_the_log_come_back() {
    let mut place = place();
    // A later run: its ids are not those of the first.
    let (dir, scratch) = (place.path("data"), place.path("scratch"));
    drop(std::mem::replace(&mut place.store, open(&scratch)));
    place.store = open(&dir);
    let layout = Arc::new(layout());
    let mut writer = SliceWriter::new(
        &place.store,
        TABLE,
        SliceId(0),
        Arc::clone(&layout),
        1 << 20,
    )
    .keep_small();
    let rows = Int64Array::from_iter_values(0..9);
    let batch = RecordBatch::try_new(layout.arrow_schema(), vec![Arc::new(rows)]).unwrap();
    writer.write(batch).unwrap();
    let commit = Commit {
        added: writer.finish().unwrap(),
        ..Commit::default()
    };
    place.store.commit(commit).unwrap();
    delete_row(&place.store, 4);
    let kept = TableStatistics {
        table: TABLE,
        analyzed: None,
        columns: vec![AnalyzedColumn {
            id: 1,
            filtered: 21,
            ..AnalyzedColumn::default()
        }],
    };
    place.store.keep_statistics(&kept).unwrap();
    place.take("first").unwrap();
    let without = HashSet::from([TABLE]);
    place
        .take_view("bare", &place.store.read_view(), &without)
        .unwrap();
    let restored = place.restore("first", "restored").unwrap();
    assert_eq!(
        values(&restored, &restored.read_view()),
        [0, 1, 2, 3, 5, 6, 7, 8]
    );
    assert_eq!(restored.kept_statistics().unwrap(), [kept]);
    let newest = restored.table(TABLE).unwrap().row_groups[0].record.id.0;
    assert!(
        restored.next_file_id() >> 32 > newest >> 32,
        "ids are used again"
    );
    let bare = place.restore("bare", "without").unwrap();
    assert_eq!(bare.kept_statistics().unwrap(), []);
}

#[test]
fn names_are_plain() {
    for name in ["a", "Nightly-2026.01_x", "7"] {
        assert!(ensure_name(name).is_ok(), "{name}");
    }
    for name in ["", ".a", "-a", "a/b", "a b", "ä", &"x".repeat(256)] {
        assert!(ensure_name(name).is_err(), "{name}");
    }
}

#[test]
fn golden_bytes_of_a_manifest() {
    let manifest = Manifest {
        format: 1,
        name: "n".to_owned(),
        cluster: "c".to_owned(),
        created_us: 2,
        automatic: true,
        version: crate::schema::CommitVersion(3),
        slice_count: 4,
        next_id: 5,
        tables: vec![],
        catalog: [("k".to_owned(), serde_json::json!(1))].into(),
        bytes: 6,
        uploaded_bytes: 7,
    };
    let bytes = manifest.encode().unwrap();
    let json = br#"{"format":1,"name":"n","cluster":"c","created_us":2,"automatic":true,"version":3,"slice_count":4,"next_id":5,"tables":[],"catalog":{"k":1},"bytes":6,"uploaded_bytes":7}"#;
    assert_eq!(&bytes[15..], json);
    assert_eq!(bytes[..7], [json.len() as u8, 0, 0, 0, 5, 1, 0]);
    assert_eq!(bytes[7..15], GOLDEN_CHECKSUM);
    assert_eq!(Manifest::decode("m", &bytes).unwrap(), manifest);
}

const GOLDEN_CHECKSUM: [u8; 8] = [246, 183, 41, 116, 209, 97, 7, 30];
