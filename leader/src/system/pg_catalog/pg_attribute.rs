//! `pg_attribute`: columns of tables, views and system tables.

use super::pg_type::{type_modifier, type_oid, type_size};
use crate::catalog::{Oid, TableDistribution, TableSort};
use crate::error::Result;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct PgAttribute;

impl SystemTable for PgAttribute {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "pg_attribute"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("attrelid", SqlType::Oid),
            ("attname", SqlType::Name),
            ("atttypid", SqlType::Oid),
            ("attstattarget", SqlType::Integer),
            ("attlen", SqlType::SmallInt),
            ("attnum", SqlType::SmallInt),
            ("attndims", SqlType::Integer),
            ("attcacheoff", SqlType::Integer),
            ("atttypmod", SqlType::Integer),
            ("attbyval", SqlType::Boolean),
            ("attstorage", SqlType::Char(1)),
            ("attalign", SqlType::Char(1)),
            ("attnotnull", SqlType::Boolean),
            ("atthasdef", SqlType::Boolean),
            ("attisdropped", SqlType::Boolean),
            ("attislocal", SqlType::Boolean),
            ("attinhcount", SqlType::Integer),
            ("attcollation", SqlType::Oid),
            ("attidentity", SqlType::Char(1)),
            ("attgenerated", SqlType::Char(1)),
            ("attisdistkey", SqlType::Boolean),
            ("attispreloaded", SqlType::Boolean),
            ("attsortkeyord", SqlType::Integer),
            ("attencodingtype", SqlType::SmallInt),
            ("attencrypttype", SqlType::SmallInt),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        for table in ctx.catalog.tables.values() {
            for (index, column) in table.columns.iter().enumerate() {
                let facts = Facts {
                    not_null: column.not_null,
                    has_default: column.default.is_some(),
                    is_dist_key: table.distribution == TableDistribution::Key(index),
                    sort_order: sort_order(&table.sort, index),
                };
                rows.push(row(table.oid, &column.name, index, column.ty, &facts));
            }
        }
        for view in ctx.catalog.views.values() {
            for (index, column) in view.columns.iter().enumerate() {
                rows.push(row(
                    view.oid,
                    &column.name,
                    index,
                    column.ty,
                    &Facts::default(),
                ));
            }
        }
        for table in crate::system::TABLES {
            let oid = crate::system::oid(*table);
            for (index, (name, ty)) in table.columns().iter().enumerate() {
                rows.push(row(oid, name, index, *ty, &Facts::default()));
            }
        }
        Ok(())
    }
}

/// What only columns of tables have.
#[derive(Default)]
struct Facts {
    not_null: bool,
    has_default: bool,
    is_dist_key: bool,
    sort_order: i32,
}

/// The place of a column in the sort key, from 1; negative in turn for interleaved keys, 0 outside.
pub(super) fn sort_order(sort: &TableSort, index: usize) -> i32 {
    let (keys, is_interleaved) = match sort {
        TableSort::Compound(keys) => (keys, false),
        TableSort::Interleaved(keys) => (keys, true),
        TableSort::None | TableSort::Auto => return 0,
    };
    let place = keys.iter().position(|key| *key == index);
    let place = place
        .and_then(|place| i32::try_from(place + 1).ok())
        .unwrap_or(0);
    if is_interleaved && place % 2 == 0 {
        -place
    } else {
        place
    }
}

fn row(relation: Oid, name: &str, index: usize, ty: SqlType, facts: &Facts) -> Vec<Cell> {
    vec![
        relation.into(),
        name.into(),
        type_oid(ty).into(),
        (-1).into(),
        type_size(ty).into(),
        (index + 1).into(),
        0.into(),
        (-1).into(),
        type_modifier(ty).into(),
        (type_size(ty) > 0).into(),
        "p".into(),
        "i".into(),
        facts.not_null.into(),
        facts.has_default.into(),
        false.into(),
        true.into(),
        0.into(),
        0.into(),
        "".into(),
        "".into(),
        facts.is_dist_key.into(),
        false.into(),
        facts.sort_order.into(),
        0.into(),
        0.into(),
    ]
}
