//! `blueshift snapshot`: takes, lists, describes, removes and schedules snapshots.
//!
//! A running server takes them; the other commands look at the place where they are, and need no server.

use super::connect::{Connect, Output, Table, literal, print, query};
use super::progress::watched;
use crate::snapshot::catalog_of;
use anyhow::Result;
use blueshift_compute::maintain::snapshot::repository;
use blueshift_compute::object::ObjectPolicy;
use blueshift_compute::reach::Reach;
use blueshift_storage::snapshot::{Manifest, Repository, delete, ensure_name};
use clap::{Args, Subcommand};

#[derive(Args)]
pub(super) struct Snapshot {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Takes a snapshot of a running server; what earlier snapshots left in the place is not copied again.
    Create {
        /// Letters, digits, "-", "_" and ".".
        name: String,
        /// A directory under the server's --snapshot-root, or s3://bucket/prefix.
        #[arg(long)]
        to: String,
        #[command(flatten)]
        connect: Connect,
    },
    /// Lists the snapshots of a place.
    List(Place),
    /// Shows what a snapshot holds, table by table.
    Describe {
        /// The snapshot.
        name: String,
        #[command(flatten)]
        place: Place,
    },
    /// Removes a snapshot, and what no other one needs.
    Delete {
        /// The snapshot.
        name: String,
        #[command(flatten)]
        place: Place,
    },
    /// Shows, makes or ends the schedule of automatic snapshots of a running server.
    Schedule {
        /// Where they go: a directory under the server's --snapshot-root, or s3://bucket/prefix.
        #[arg(long, requires = "every")]
        to: Option<String>,
        /// Between two: a number and "m", "h" or "d", such as 6h.
        #[arg(long, requires = "to", value_parser = interval)]
        every: Option<String>,
        /// How many are kept.
        #[arg(long, requires = "to", conflicts_with = "keep_days")]
        keep: Option<u32>,
        /// How many days they are kept.
        #[arg(long, requires = "to")]
        keep_days: Option<u32>,
        /// Ends the schedule.
        #[arg(long, conflicts_with = "to")]
        off: bool,
        #[command(flatten)]
        connect: Connect,
    },
}

/// A place with snapshots.
#[derive(Args)]
pub(super) struct Place {
    /// A directory, or s3://bucket/prefix with the usual AWS_ variables.
    #[arg(long)]
    from: String,
    /// How the answer is printed.
    #[arg(long, value_enum, default_value = "table")]
    output: Output,
}

impl Place {
    fn open(&self) -> Result<Repository> {
        open(&self.from)
    }
}

/// Opens a place as the operator: directories may lie anywhere.
pub(super) fn open(place: &str) -> Result<Repository> {
    let policy = ObjectPolicy {
        reach: Reach::everywhere(),
        ..ObjectPolicy::default()
    };
    Ok(repository(&policy, place, true)?)
}

/// Runs the command.
pub(super) fn run(snapshot: &Snapshot) -> Result<()> {
    match &snapshot.command {
        Command::Create { name, to, connect } => create(name, to, connect),
        Command::List(place) => list(place),
        Command::Describe { name, place } => describe(name, place),
        Command::Delete { name, place } => remove(name, place),
        Command::Schedule { connect, off, .. } => {
            let sql = match off {
                true => Some("DROP SNAPSHOT SCHEDULE".to_owned()),
                false => schedule_statement(&snapshot.command)?,
            };
            let shown = connect.run(async |client| {
                if let Some(sql) = &sql {
                    query(client, sql).await?;
                }
                query(client, "SELECT * FROM blueshift_snapshot_schedule").await
            })?;
            print(&shown, connect.output)
        }
    }
}

/// Gives a runtime for commands that talk to a bucket.
pub(super) fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(work)
}

/// Makes a path of this machine whole, as the server stands elsewhere.
pub(super) fn whole(place: &str) -> Result<String> {
    if place.contains("://") {
        return Ok(place.to_owned());
    }
    Ok(std::path::absolute(place)?.display().to_string())
}

fn create(name: &str, to: &str, connect: &Connect) -> Result<()> {
    ensure_name(name)?;
    let sql = format!(
        "CREATE SNAPSHOT {} TO {}",
        literal(name),
        literal(&whole(to)?)
    );
    let report = format!(
        "SELECT snapshot, place, status, version, bytes, uploaded_bytes FROM blueshift_snapshots \
         WHERE snapshot = {} ORDER BY starttime DESC LIMIT 1",
        literal(name)
    );
    let view = format!(
        "SELECT 'snapshot ' || snapshot, progress FROM blueshift_snapshots WHERE snapshot = {} AND status = 'running'",
        literal(name)
    );
    let report = block_on(watched(connect, &view, async |client| {
        query(client, &sql).await?;
        query(client, &report).await
    }))?;
    print(&report, connect.output)
}

fn schedule_statement(command: &Command) -> Result<Option<String>> {
    let Command::Schedule {
        to: Some(to),
        every: Some(every),
        keep,
        keep_days,
        ..
    } = command
    else {
        return Ok(None);
    };
    let to = literal(&whole(to)?);
    let mut sql = format!("CREATE SNAPSHOT SCHEDULE TO {to} EVERY {every}");
    if let Some(count) = keep {
        sql += &format!(" KEEP {count}");
    }
    if let Some(days) = keep_days {
        sql += &format!(" KEEP {days} DAYS");
    }
    Ok(Some(sql))
}

/// Reads "6h" as SQL says it.
fn interval(text: &str) -> Result<String, String> {
    let refuse = || "a number and \"m\", \"h\" or \"d\" are wanted, such as 6h".to_owned();
    let (count, unit) = text
        .split_at_checked(text.len().saturating_sub(1))
        .ok_or_else(refuse)?;
    let count: u32 = count.parse().map_err(|_| refuse())?;
    let unit = match unit {
        "m" => "MINUTES",
        "h" => "HOURS",
        "d" => "DAYS",
        _ => return Err(refuse()),
    };
    Ok(format!("{count} {unit}"))
}

fn time(us: i64) -> String {
    let time = chrono::DateTime::from_timestamp_micros(us).unwrap_or_default();
    time.format("%Y-%m-%d %H:%M:%S").to_string()
}

fn row(manifest: &Manifest) -> Vec<Option<String>> {
    let kind = if manifest.automatic {
        "automatic"
    } else {
        "manual"
    };
    vec![
        Some(manifest.name.clone()),
        Some(time(manifest.created_us)),
        Some(kind.to_owned()),
        Some(manifest.version.0.to_string()),
        Some(manifest.slice_count.to_string()),
        Some(manifest.tables.len().to_string()),
        Some(manifest.bytes.to_string()),
        Some(manifest.uploaded_bytes.to_string()),
        None,
    ]
}

fn list(place: &Place) -> Result<()> {
    let repository = place.open()?;
    let rows = block_on(async {
        let mut rows = Vec::new();
        for name in repository.names().await? {
            rows.push(match repository.manifest(&name).await {
                Ok(manifest) => row(&manifest),
                // One that cannot be read is listed all the same.
                Err(error) => {
                    let mut cells = vec![Some(name)];
                    cells.extend(vec![None; 7]);
                    cells.push(Some(error.to_string()));
                    cells
                }
            });
        }
        Ok(rows)
    })?;
    let names = [
        "snapshot",
        "created",
        "type",
        "version",
        "slices",
        "tables",
        "bytes",
        "uploaded_bytes",
        "error",
    ];
    let numbers = ["version", "slices", "tables", "bytes", "uploaded_bytes"];
    print(&Table::new(&names, &numbers, rows), place.output)
}

fn describe(name: &str, place: &Place) -> Result<()> {
    let repository = place.open()?;
    let manifest = block_on(async { Ok(repository.manifest(name).await?) })?;
    let catalog = catalog_of(&manifest)?;
    let mut rows = Vec::new();
    for entry in &manifest.tables {
        let oid = u32::try_from(entry.id.0).ok();
        let Some(table) = oid.and_then(|oid| catalog.tables.get(&oid)) else {
            continue;
        };
        let schema = catalog.schemas.get(&table.schema);
        let schema = schema.map_or("", |schema| schema.name.as_str());
        let groups = &entry.row_groups;
        let written: u64 = groups.iter().map(|group| group.record.rows).sum();
        let bytes: u64 = groups
            .iter()
            .flat_map(|group| &group.file)
            .map(|file| file.bytes)
            .sum();
        let masked = groups.iter().filter(|group| group.mask.is_some()).count();
        rows.push(vec![
            Some(format!("{schema}.{}", table.name)),
            Some(groups.len().to_string()),
            Some(written.to_string()),
            Some(masked.to_string()),
            Some(bytes.to_string()),
            Some((!entry.without_rows).to_string()),
        ]);
    }
    rows.sort();
    let names = [
        "table",
        "row_groups",
        "rows_written",
        "with_deleted_rows",
        "bytes",
        "backup",
    ];
    let numbers = ["row_groups", "rows_written", "with_deleted_rows", "bytes"];
    print(&Table::new(&names, &numbers, rows), place.output)
}

fn remove(name: &str, place: &Place) -> Result<()> {
    let repository = place.open()?;
    let deleted = block_on(async { Ok(delete(&repository, name).await?) })?;
    let names = ["snapshot", "objects_removed", "bytes_removed", "put_off"];
    let cells = vec![
        Some(name.to_owned()),
        Some(deleted.objects.to_string()),
        Some(deleted.bytes.to_string()),
        Some(deleted.is_put_off.to_string()),
    ];
    let numbers = ["objects_removed", "bytes_removed"];
    print(&Table::new(&names, &numbers, vec![cells]), place.output)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        snapshot: Snapshot,
    }

    fn check(arguments: &str) -> Option<String> {
        let words = format!("x {arguments} --password p");
        let line = Line::try_parse_from(words.split_whitespace()).ok()?;
        schedule_statement(&line.snapshot.command).ok()?
    }

    #[test]
    fn a_schedule_becomes_its_statement() {
        let is = |arguments, sql: &str| assert_eq!(check(arguments).as_deref(), Some(sql));
        is(
            "schedule --to s3://b/p --every 6h --keep 4",
            "CREATE SNAPSHOT SCHEDULE TO 's3://b/p' EVERY 6 HOURS KEEP 4",
        );
        is(
            "schedule --to /b --every 1d --keep-days 7",
            "CREATE SNAPSHOT SCHEDULE TO '/b' EVERY 1 DAYS KEEP 7 DAYS",
        );
        for refused in [
            "schedule --to /b",
            "schedule --every 1d",
            "schedule --to /b --every 1w",
            "schedule --to /b --every 1d --keep 1 --keep-days 1",
            "schedule --to /b --every 1d --off",
        ] {
            assert_eq!(check(refused), None, "{refused}");
        }
    }
}
