//! `svv_table_info`: what tables hold and how well they are kept. Empty tables are left out, as documented.
//!
//! `size` counts blocks of 1 MB, each file rounded up. `skew_rows` is the ratio of the fullest slice to the emptiest,
//! where an empty one counts as one row; a table that is kept once has no skew. `skew_sortkey1` compares whole
//! megabytes, so it is 1 for small tables. The rows a materialized view keeps are told under the view's name: tools
//! look for the view.

use crate::catalog::{Oid, Table, TableDistribution, TableSort};
use crate::error::Result;
use crate::system::pg_catalog::pg_attribute::encoding_word;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_compute::maintain::figures::{self, BLOCK_BYTES, Figures};
use blueshift_sql::SqlType;
use blueshift_storage::SliceId;
use blueshift_storage::store::Store;
use blueshift_storage::store::version::TableVersion;
use std::collections::HashMap;

/// The table.
pub struct SvvTableInfo;

impl SystemTable for SvvTableInfo {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "svv_table_info"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("database", SqlType::Varchar(256)),
            ("schema", SqlType::Varchar(256)),
            ("table_id", SqlType::Oid),
            ("table", SqlType::Varchar(256)),
            ("encoded", SqlType::Varchar(256)),
            ("diststyle", SqlType::Varchar(256)),
            ("sortkey1", SqlType::Varchar(256)),
            ("max_varchar", SqlType::Integer),
            ("sortkey1_enc", SqlType::Char(32)),
            ("sortkey_num", SqlType::Integer),
            ("size", SqlType::BigInt),
            (
                "pct_used",
                SqlType::Decimal {
                    precision: 10,
                    scale: 4,
                },
            ),
            ("empty", SqlType::BigInt),
            (
                "unsorted",
                SqlType::Decimal {
                    precision: 5,
                    scale: 2,
                },
            ),
            (
                "stats_off",
                SqlType::Decimal {
                    precision: 5,
                    scale: 2,
                },
            ),
            (
                "tbl_rows",
                SqlType::Decimal {
                    precision: 38,
                    scale: 0,
                },
            ),
            (
                "skew_sortkey1",
                SqlType::Decimal {
                    precision: 19,
                    scale: 2,
                },
            ),
            (
                "skew_rows",
                SqlType::Decimal {
                    precision: 19,
                    scale: 2,
                },
            ),
            (
                "estimated_visible_rows",
                SqlType::Decimal {
                    precision: 38,
                    scale: 0,
                },
            ),
            ("risk_event", SqlType::Varchar(256)),
            (
                "vacuum_sort_benefit",
                SqlType::Decimal {
                    precision: 12,
                    scale: 2,
                },
            ),
            ("create_time", SqlType::Timestamp),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        if !ctx.user.superuser {
            return Ok(());
        }
        let store = &ctx.server.node.store;
        let disk = store.disk_space()?;
        let views: HashMap<Oid, &str> = ctx
            .catalog
            .materialized
            .iter()
            .filter_map(|(oid, kept)| Some((kept.table, ctx.catalog.views.get(oid)?.name.as_str())))
            .collect();
        for table in ctx.catalog.tables.values() {
            let version = ctx.view.table(table.id())?;
            let figures = Figures::of(version);
            let Some(schema) = ctx.catalog.schemas.get(&table.schema) else {
                continue;
            };
            if figures.rows == 0 {
                continue;
            }
            let key = sort_columns(table);
            let first = key.first().and_then(|index| table.columns.get(*index));
            let first_encoding =
                first.map(|column| encoding_word(column.encoding.as_deref()).to_owned());
            let used = (figures.blocks * BLOCK_BYTES) as f64 / disk.total_bytes.max(1) as f64;
            let analyzed = ctx.server.history.statistics.last_analyze(table.oid);
            rows.push([
                Cell::from(ctx.catalog.database_name()),
                schema.name.as_str().into(),
                table.oid.into(),
                views
                    .get(&table.oid)
                    .copied()
                    .unwrap_or(table.name.as_str())
                    .into(),
                encoded(table).into(),
                dist_style(table).into(),
                sort_key(table).into(),
                max_varchar(table).into(),
                first_encoding.into(),
                key.len().into(),
                figures.blocks.into(),
                (used * 100.0).into(),
                0.into(),
                figures.unsorted_percent().into(),
                analyzed
                    .map_or(100.0, |analyzed| analyzed.percent_off(version))
                    .into(),
                figures.rows.into(),
                skew_sort_key(store, version, key)?.into(),
                skew_rows(ctx, table, version).into(),
                figures.rows_live().into(),
                Cell::Null,
                figures::sort_benefit_percent(version).into(),
                table.created_us.into(),
            ]);
        }
        Ok(())
    }
}

/// Tells whether any column is encoded, and whether the server chooses how.
fn encoded(table: &Table) -> &'static str {
    let mut words = table
        .columns
        .iter()
        .map(|column| column.encoding.as_deref());
    if words.clone().all(|word| word.is_none()) {
        return "Y, AUTO(ENCODE)";
    }
    match words.any(|word| word != Some("raw")) {
        true => "Y",
        false => "N",
    }
}

fn dist_style(table: &Table) -> String {
    match table.distribution {
        TableDistribution::Even => "EVEN".to_owned(),
        TableDistribution::All => "ALL".to_owned(),
        TableDistribution::AutoAll => "AUTO(ALL)".to_owned(),
        TableDistribution::AutoEven => "AUTO(EVEN)".to_owned(),
        TableDistribution::Key(index) => {
            let column = table.columns.get(index);
            format!("KEY({})", column.map_or("", |column| column.name.as_str()))
        }
    }
}

fn sort_columns(table: &Table) -> &[usize] {
    match &table.sort {
        TableSort::Compound(key) | TableSort::Interleaved(key) | TableSort::AutoCompound(key) => {
            key
        }
        TableSort::None | TableSort::Auto => &[],
    }
}

fn sort_key(table: &Table) -> Option<String> {
    match &table.sort {
        TableSort::None => None,
        TableSort::Auto => Some("AUTO(SORTKEY)".to_owned()),
        TableSort::Interleaved(_) => Some("INTERLEAVED".to_owned()),
        TableSort::Compound(key) => {
            let column = key.first().and_then(|index| table.columns.get(*index));
            column.map(|column| column.name.clone())
        }
        TableSort::AutoCompound(key) => {
            let columns = key.iter().filter_map(|index| table.columns.get(*index));
            let names: Vec<&str> = columns.map(|column| column.name.as_str()).collect();
            Some(format!("AUTO(SORTKEY({}))", names.join(", ")))
        }
    }
}

fn max_varchar(table: &Table) -> u32 {
    let lengths = table.columns.iter().map(|column| match column.ty {
        SqlType::Varchar(length) => length,
        _ => 0,
    });
    lengths.max().unwrap_or_default()
}

/// Compares the largest column outside the sort key with the first of the key.
fn skew_sort_key(store: &Store, version: &TableVersion, key: &[usize]) -> Result<Option<f64>> {
    let Some(first) = key.first() else {
        return Ok(None);
    };
    let megabytes = |column| -> Result<u64> {
        let bytes = version.column_statistics(store, column)?.encoded_bytes;
        Ok(bytes.div_ceil(BLOCK_BYTES).max(1))
    };
    let others = (0..version.layout.columns.len()).filter(|column| !key.contains(column));
    let mut largest = None;
    for column in others {
        largest = largest.max(Some(megabytes(column)?));
    }
    let first = megabytes(*first)?;
    Ok(largest.map(|largest| largest as f64 / first as f64))
}

fn skew_rows(ctx: &SystemContext, table: &Table, version: &TableVersion) -> Option<f64> {
    if let TableDistribution::All | TableDistribution::AutoAll = table.distribution {
        return None;
    }
    let slices = 0..ctx.server.node.store.slice_count();
    let rows = slices.map(|slice| Figures::of_slice(version, SliceId(slice)).rows);
    let (least, most) = rows.fold((u64::MAX, 0), |(least, most), rows| {
        (least.min(rows), most.max(rows))
    });
    Some(most as f64 / least.max(1) as f64)
}
