//! CREATE SNAPSHOT, and RESTORE TABLE: statements of our own, where Redshift has calls of its service.
//!
//! `CREATE SNAPSHOT name TO 'place'`
//! `RESTORE TABLE table FROM SNAPSHOT name AT 'place' AS new_table`
//! `CREATE SNAPSHOT SCHEDULE TO 'place' EVERY n { MINUTES | HOURS | DAYS } [KEEP n [DAYS]]`
//! `DROP SNAPSHOT SCHEDULE`

use super::{ObjectName, Statement};
use crate::error::{Error, Result};
use crate::parser::cursor::Cursor;
use crate::sqlstate::SqlState;

/// A CREATE SNAPSHOT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateSnapshot {
    /// The snapshot's name.
    pub name: String,
    /// A directory or `s3://bucket/prefix`.
    pub place: String,
}

/// A RESTORE TABLE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoreTable {
    /// The table, as the snapshot has it.
    pub table: ObjectName,
    /// The snapshot's name.
    pub snapshot: String,
    /// Where the snapshot is.
    pub place: String,
    /// The table to make.
    pub new_table: ObjectName,
}

/// How long automatic snapshots are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retention {
    /// Until so many newer ones are there.
    Count(u32),
    /// So many days.
    Days(u32),
}

/// A CREATE SNAPSHOT SCHEDULE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateSnapshotSchedule {
    /// Where snapshots go.
    pub place: String,
    /// Minutes between two.
    pub interval_minutes: u32,
    /// How long they are kept; for ever if `None`.
    pub retention: Option<Retention>,
}

/// The longest interval and retention: ten years.
const DAYS_MAX: i64 = 3_653;

/// Parses what follows CREATE, which was skipped.
pub(crate) fn parse_create(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect_word("snapshot")?;
    if cursor.are_words(&["schedule", "to"]) {
        cursor.skip();
        cursor.skip();
        return schedule(cursor);
    }
    let name = name(cursor)?;
    cursor.expect_word("to")?;
    let place = cursor.string()?;
    Ok(Statement::CreateSnapshot(CreateSnapshot { name, place }))
}

/// Parses DROP SNAPSHOT SCHEDULE.
pub(crate) fn parse_drop(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect_word("drop")?;
    cursor.expect_word("snapshot")?;
    cursor.expect_word("schedule")?;
    Ok(Statement::DropSnapshotSchedule)
}

/// Parses RESTORE TABLE.
pub(crate) fn parse_restore(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect_word("restore")?;
    cursor.expect_word("table")?;
    let table = cursor.object_name()?;
    cursor.expect_word("from")?;
    cursor.expect_word("snapshot")?;
    let snapshot = name(cursor)?;
    cursor.expect_word("at")?;
    let place = cursor.string()?;
    cursor.expect_word("as")?;
    let new_table = cursor.object_name()?;
    Ok(Statement::RestoreTable(Box::new(RestoreTable {
        table,
        snapshot,
        place,
        new_table,
    })))
}

fn name(cursor: &mut Cursor<'_>) -> Result<String> {
    match cursor.is_string() {
        true => cursor.string(),
        false => cursor.name(),
    }
}

fn schedule(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let place = cursor.string()?;
    cursor.expect_word("every")?;
    let at = cursor.position();
    let count = cursor.integer()?;
    let units: [(&[&str], i64); 3] = [
        (&["minutes", "minute"], 1),
        (&["hours", "hour"], 60),
        (&["days", "day"], 24 * 60),
    ];
    let unit = units
        .iter()
        .find(|(words, _)| words.iter().any(|word| cursor.take_word(word)));
    let Some((_, minutes)) = unit else {
        return Err(cursor.unexpected());
    };
    let interval = bounded(count.saturating_mul(*minutes), DAYS_MAX * 24 * 60, at)?;
    let mut retention = None;
    if cursor.take_word("keep") {
        let at = cursor.position();
        let count = bounded(cursor.integer()?, DAYS_MAX, at)?;
        let days = cursor.take_word("days") || cursor.take_word("day");
        retention = Some(match days {
            true => Retention::Days(count),
            false => Retention::Count(count),
        });
    }
    Ok(Statement::CreateSnapshotSchedule(CreateSnapshotSchedule {
        place,
        interval_minutes: interval,
        retention,
    }))
}

fn bounded(count: i64, most: i64, at: usize) -> Result<u32> {
    let fits = u32::try_from(count).ok();
    fits.filter(|_| (1..=most).contains(&count)).ok_or_else(|| {
        let text = "the interval and the retention of snapshots are between 1 and ten years";
        Error::new(SqlState::INVALID_PARAMETER_VALUE, text).at(at)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::parse as parse_all;

    fn parsed(text: &str) -> Statement {
        parse_all(text).unwrap().remove(0).statement
    }

    #[test]
    fn snapshots_and_restores_parse() {
        let Statement::CreateSnapshot(create) = parsed("CREATE SNAPSHOT nightly TO '/b'") else {
            panic!("no snapshot");
        };
        assert_eq!((&*create.name, &*create.place), ("nightly", "/b"));
        let Statement::CreateSnapshot(create) = parsed("create snapshot 'A-1' to 's3://b/p'")
        else {
            panic!("no snapshot");
        };
        assert_eq!(create.name, "A-1");
        let text = "RESTORE TABLE s.t FROM SNAPSHOT 'A-1' AT '/b' AS u";
        let Statement::RestoreTable(restore) = parsed(text) else {
            panic!("no restore");
        };
        assert_eq!((&*restore.table.name, &*restore.new_table.name), ("t", "u"));
    }

    #[test]
    fn schedules_parse() {
        let check = |text: &str, minutes, retention| {
            let whole = format!("CREATE SNAPSHOT SCHEDULE TO '/b' EVERY {text}");
            let Statement::CreateSnapshotSchedule(schedule) = parsed(&whole) else {
                panic!("no schedule");
            };
            assert_eq!(schedule.interval_minutes, minutes);
            assert_eq!(schedule.retention, retention);
        };
        check("15 MINUTES", 15, None);
        check("1 HOUR KEEP 3", 60, Some(Retention::Count(3)));
        check("2 days keep 7 days", 2_880, Some(Retention::Days(7)));
        assert!(matches!(
            parsed("DROP SNAPSHOT SCHEDULE"),
            Statement::DropSnapshotSchedule
        ));
        for text in [
            "CREATE SNAPSHOT SCHEDULE TO '/b' EVERY 0 MINUTES",
            "CREATE SNAPSHOT SCHEDULE TO '/b' EVERY 5 WEEKS",
            "CREATE SNAPSHOT SCHEDULE TO '/b' EVERY 1 DAY KEEP 0",
            "CREATE SNAPSHOT a",
            "CREATE SNAPSHOT a TO b",
            "RESTORE TABLE t FROM SNAPSHOT s AT '/b'",
        ] {
            assert!(parse_all(text).is_err(), "{text}");
        }
    }
}
