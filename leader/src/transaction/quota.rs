//! The quota of a schema: a transaction that adds rows may not leave its tables larger.

use super::Transaction;
use crate::catalog::{Catalog, Oid, Schema};
use crate::error::{Error, Result};
use blueshift_compute::maintain::figures::Figures;
use blueshift_sql::SqlState;
use blueshift_storage::store::ReadView;
use std::collections::BTreeSet;

/// Counts the megabytes that the tables of a schema take.
pub fn megabytes(catalog: &Catalog, view: &ReadView, schema: Oid) -> Result<u64> {
    let tables = catalog.tables.values();
    let of_schema = tables.filter(|table| table.schema == schema);
    let sizes = of_schema.map(|table| Ok(Figures::of(view.table(table.id())?).blocks));
    sizes.sum()
}

/// Refuses a transaction whose rows are too much for a schema. What only removes rows passes.
pub(super) fn ensure(transaction: &mut Transaction) -> Result<()> {
    if transaction.own.added.is_empty() {
        return Ok(());
    }
    let catalog = transaction.catalog()?;
    let added = transaction.own.added.iter().map(|group| group.table.0);
    let tables = added.filter_map(|id| catalog.tables.get(&u32::try_from(id).ok()?));
    let schemas: BTreeSet<Oid> = tables.map(|table| table.schema).collect();
    let limited = |oid: &Oid| {
        let schema = catalog.schemas.get(oid)?;
        Some((schema, schema.quota?))
    };
    let limited: Vec<(_, u64)> = schemas.iter().filter_map(limited).collect();
    if limited.is_empty() {
        return Ok(());
    }
    let view = transaction.view()?;
    for (schema, quota) in limited {
        let used = megabytes(&catalog, &view, schema.oid)?;
        if used > quota {
            return Err(exceeded(transaction.xid, schema, quota, used));
        }
    }
    Ok(())
}

fn exceeded(xid: i64, schema: &Schema, quota: u64, used: u64) -> Error {
    let error = blueshift_sql::Error::new(
        SqlState::DISK_FULL,
        format!(
            "Transaction {xid} is aborted due to exceeding the disk space quota in schema(s): (Schema: {}, Quota: {quota}, Current Disk Usage: {used})",
            schema.name
        ),
    );
    error
        .with_hint("Free up disk space with DROP TABLE, TRUNCATE, or DELETE and VACUUM, or have the quota changed with ALTER SCHEMA ... QUOTA.")
        .into()
}
