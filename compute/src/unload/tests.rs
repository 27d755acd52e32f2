//! Files of small bounds on a local directory: where they end, what is seen when, what a failure leaves.

use super::ledger::Finished;
use super::shape::PieceBody;
use super::*;
use crate::fixture::TestResult;
use crate::object::ObjectPolicy;
use arrow::array::{ArrayRef, Int32Array, RecordBatch, StringArray};
use arrow_schema::Schema;
use blueshift_sql::statement::copy::CopyCompression;
use std::collections::BTreeMap;
use std::path::Path;
use tokio::runtime::Handle;

/// Makes an UNLOAD of a number and a text to a directory.
fn plan(directory: &Path, options: UnloadOptions) -> UnloadPlan {
    let column = |name: &str, ty| UnloadColumn {
        name: name.to_owned(),
        ty,
    };
    UnloadPlan {
        columns: vec![
            column("id", SqlType::Integer),
            column("name", SqlType::Varchar(20)),
        ],
        destination: format!("file://{}/", directory.display()),
        authorization: Authorization::None,
        options,
        slice_count: 2,
        requests: Arc::default(),
        external: None,
    }
}

fn shared(directory: &Path, plan: &UnloadPlan, lane_bytes_max: usize) -> TestResult<Arc<Shared>> {
    let policy = ObjectPolicy {
        unload_roots: vec![directory.to_path_buf()],
        ..ObjectPolicy::default()
    };
    let ledger = Ledger::new(Destination::open(&policy, plan)?, Handle::current());
    let layout = Arc::new(Layout::new(plan)?);
    Ok(Arc::new(Shared::new(plan, layout, ledger, lane_bytes_max)))
}

fn batch(ids: std::ops::Range<i32>) -> TestResult<RecordBatch> {
    let names = ids.clone().map(|id| format!("name {}", id % 7));
    let names: StringArray = names.map(Some).collect();
    let columns: Vec<ArrayRef> = vec![Arc::new(Int32Array::from_iter_values(ids)), Arc::new(names)];
    let fields = ["id", "name"].into_iter().zip(&columns);
    let fields =
        fields.map(|(name, array)| arrow_schema::Field::new(name, array.data_type().clone(), true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    Ok(RecordBatch::try_new(schema, columns)?)
}

/// Reads all files below a directory, by name.
#[expect(
    clippy::disallowed_methods,
    reason = "these are the user's files, which nothing must survive"
)]
fn files(directory: &Path) -> TestResult<BTreeMap<String, Vec<u8>>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if path.is_dir() {
            let below = files(&path)?;
            found.extend(
                below
                    .into_iter()
                    .map(|(file, bytes)| (format!("{name}/{file}"), bytes)),
            );
        } else {
            found.insert(name, std::fs::read(&path)?);
        }
    }
    Ok(found)
}

async fn write(shared: &Arc<Shared>, rows: i32) -> TestResult<Lane> {
    let mut lane = Lane::new(shared, 1);
    let mut shaper = Shaper::new(&shared.layout)?;
    for start in (0..rows).step_by(500) {
        for piece in shaper.pieces(&batch(start..(start + 500).min(rows))?)? {
            lane.write(piece).await?;
        }
    }
    Ok(lane)
}

#[tokio::test(flavor = "multi_thread")]
async fn files_end_before_they_are_too_large() -> TestResult {
    for (compression, suffix) in [(CopyCompression::None, ""), (CopyCompression::Gzip, ".gz")] {
        let directory = tempfile::tempdir()?;
        let file_bytes_max = 300_000;
        let options = UnloadOptions {
            header: true,
            compression,
            file_bytes_max,
            ..UnloadOptions::default()
        };
        let plan = plan(directory.path(), options);
        let shared = shared(directory.path(), &plan, 1 << 20)?;
        let lane = write(&shared, 50_000).await?;
        assert!(
            files(directory.path())?
                .keys()
                .all(|name| name.contains('#'))
        );
        let told = end(&plan, &shared, vec![lane]).await?;
        let found = files(directory.path())?;
        assert!(found.len() > 1);
        let mut lines = Vec::new();
        for (part, (file, (name, bytes))) in told.iter().zip(&found).enumerate() {
            assert_eq!(*name, format!("0001_part_{part:02}{suffix}"));
            assert!(file.url.ends_with(name.as_str()) && file.bytes == bytes.len() as u64);
            assert!(file.bytes <= file_bytes_max, "{}", file.bytes);
            let compression = match suffix {
                "" => crate::format::compression::Compression::None,
                _ => crate::format::compression::Compression::Gzip,
            };
            let mut text = String::new();
            let mut reader = crate::format::compression::reader(bytes.as_slice(), compression)?;
            std::io::Read::read_to_string(&mut reader, &mut text)?;
            assert_eq!(file.lines, text.lines().count() as u64);
            let mut own = text.lines().map(str::to_owned);
            assert_eq!(own.next().as_deref(), Some("id|name"));
            lines.extend(own);
        }
        let expected = (0..50_000).map(|id| format!("{id}|name {}", id % 7));
        assert!(lines == expected.collect::<Vec<_>>());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_that_take_too_much_memory_go_on_in_the_next_file() -> TestResult {
    let directory = tempfile::tempdir()?;
    let options = UnloadOptions {
        partition_by: vec!["name".to_owned()],
        ..UnloadOptions::default()
    };
    let plan = plan(directory.path(), options);
    let shared = shared(directory.path(), &plan, 64 << 10)?;
    let lane = write(&shared, 50_000).await?;
    let told = end(&plan, &shared, vec![lane]).await?;
    let found = files(directory.path())?;
    assert_eq!(told.len(), found.len());
    assert!(found.len() > 7 && found.contains_key("name=name 0/0001_part_01"));
    let mut ids = Vec::new();
    for (name, bytes) in &found {
        let rest = name
            .strip_prefix("name=name ")
            .and_then(|rest| rest.split_once('/'));
        let (partition, _) = rest.ok_or("a folder")?;
        for line in String::from_utf8_lossy(bytes).lines() {
            let id: i32 = line.parse()?;
            assert_eq!((id % 7).to_string(), partition);
            ids.push(id);
        }
    }
    ids.sort_unstable();
    assert!(ids == (0..50_000).collect::<Vec<_>>());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_back_leaves_nothing() -> TestResult {
    let directory = tempfile::tempdir()?;
    let plan = plan(directory.path(), UnloadOptions::default());
    let shared = shared(directory.path(), &plan, 1 << 20)?;
    let ledger = &shared.ledger;
    for number in 0..300 {
        let place = ledger.destination.place(&format!("{number:03}"))?;
        ledger.keep(place, Finished::Small("text".into())).await?;
    }
    // Some had to be completed early.
    assert_eq!(files(directory.path())?.len(), 300 - 256);
    let mut open = Lane::new(&shared, 0);
    let text = PieceBody::Text {
        bytes: vec![b'\n'; 20 << 20],
        ends: vec![20 << 20],
    };
    let piece = Piece {
        folder: "".into(),
        body: text,
    };
    open.write(piece).await?;
    assert!(
        files(directory.path())?
            .keys()
            .any(|name| name.contains('#'))
    );
    drop(open);
    ledger.roll_back().await;
    assert!(files(directory.path())?.is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_are_taken_are_refused_and_others_are_not() -> TestResult {
    let directory = tempfile::tempdir()?;
    let plan = plan(directory.path(), UnloadOptions::default());
    let shared = shared(directory.path(), &plan, 1 << 20)?;
    let destination = &shared.ledger.destination;
    shared.ledger.put("0000_part_00.gz", "x".to_owned()).await?;
    shared.ledger.put("manifest", "x".to_owned()).await?;
    destination.ensure_free(&shared.names).await?;
    shared.ledger.put("0007_part_00", "x".to_owned()).await?;
    assert!(destination.ensure_free(&shared.names).await.is_err());
    let stale = destination.existing("").await?;
    assert_eq!(stale.len(), 3);
    shared.ledger.release();
    shared.ledger.commit(stale).await?;
    assert!(files(directory.path())?.is_empty());
    Ok(())
}
