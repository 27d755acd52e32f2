//! One moment for all scans of a statement: a transaction in PostgreSQL hands its view of the database to others.
//!
//! A statement that names one table of a database needs none of it: a query sees one moment anyway. Source: Redshift's
//! guide, "Considerations when accessing federated data".

use super::connect::{Link, Source};
use crate::error::{Error, Result};
use blueshift_sql::SqlState;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OnceCell;

/// The views of databases that a statement has.
pub struct Snapshots {
    /// Whether scans see one moment: `pg_federation_repeatable_read`.
    is_repeatable: bool,
    known: Mutex<HashMap<String, Arc<Shared>>>,
}

/// What the scans of one database share.
#[derive(Default)]
struct Shared {
    tables: Mutex<usize>,
    exported: OnceCell<Exported>,
}

/// A transaction that stays open while others see what it sees.
struct Exported {
    _link: Link,
    id: String,
}

impl std::fmt::Debug for Snapshots {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Snapshots")
    }
}

impl Snapshots {
    /// Begins a statement.
    pub fn new(is_repeatable: bool) -> Self {
        Self {
            is_repeatable,
            known: Mutex::default(),
        }
    }

    /// Notes that the statement names a table of a database.
    pub fn name(&self, source: &Source) {
        let shared = self.shared(source);
        *shared.tables.lock().unwrap_or_else(PoisonError::into_inner) += 1;
    }

    fn shared(&self, source: &Source) -> Arc<Shared> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        // Who asks is a part of the key: one user must not see by the view of another.
        let key = format!("{}\n{}", source.place(), source.login.user);
        Arc::clone(known.entry(key).or_default())
    }

    /// Connects for one query.
    pub(super) async fn connect(&self, source: &Source) -> Result<Link> {
        let shared = self.shared(source);
        let tables = *shared.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let link = source.connect().await?;
        if tables < 2 || !self.is_repeatable {
            return Ok(link);
        }
        let exported = shared.exported.get_or_try_init(|| export(source)).await?;
        let begin = format!("{BEGIN}; SET TRANSACTION SNAPSHOT '{}'", exported.id);
        link.client
            .batch_execute(&begin)
            .await
            .map_err(|error| source.failed(&error))?;
        Ok(link)
    }
}

const BEGIN: &str = "START TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY";

async fn export(source: &Source) -> Result<Exported> {
    let link = source.connect().await?;
    let client = &link.client;
    client
        .batch_execute(BEGIN)
        .await
        .map_err(|error| source.failed(&error))?;
    let exported = client
        .query_one("SELECT pg_catalog.pg_export_snapshot()", &[])
        .await;
    let id: Result<String, _> = match exported {
        Ok(row) => row.try_get(0),
        Err(error) => Err(error),
    };
    let id = id.map_err(|error| match source.failed(&error) {
        Error::Sql(error) => {
            Error::Sql(error.with_hint("On a replica, SET pg_federation_repeatable_read TO off."))
        }
        other => other,
    })?;
    // It is put between quotes.
    let is_plain = |each: char| each.is_ascii_alphanumeric() || each == '-';
    if !id.chars().all(is_plain) {
        return Err(Error::Sql(blueshift_sql::Error::new(
            SqlState::PROTOCOL_VIOLATION,
            "PostgreSQL exported a snapshot without a name",
        )));
    }
    Ok(Exported { _link: link, id })
}
