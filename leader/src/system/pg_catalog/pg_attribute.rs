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
            ("attacl", SqlType::Varchar(65_535)),
            ("attoptions", SqlType::Varchar(65_535)),
            ("attfdwoptions", SqlType::Varchar(65_535)),
            ("attcompression", SqlType::Char(1)),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        let access = |oid: Oid, column: u32| {
            let list = ctx.catalog.access.get(&oid)?;
            ctx.catalog.access_text(list, Some(column))
        };
        for table in ctx.catalog.tables.values() {
            for (index, column) in table.columns.iter().enumerate() {
                let facts = Facts {
                    not_null: column.not_null,
                    has_default: column.default.is_some(),
                    is_dist_key: table.distribution == TableDistribution::Key(index),
                    sort_order: sort_order(&table.sort, index),
                    encoding: encoding_number(column.encoding.as_deref()),
                    access: access(table.oid, column.id),
                };
                rows.push(row(table.oid, &column.name, index, column.ty, &facts));
            }
            for key in table.named_constraints() {
                let columns = key.columns().iter().filter_map(|at| table.columns.get(*at));
                for (index, column) in columns.enumerate() {
                    let Some(oid) = key.index else { continue };
                    rows.push(row(oid, &column.name, index, column.ty, &Facts::default()));
                }
            }
        }
        for view in ctx.catalog.views.values() {
            for (index, column) in view.columns.iter().enumerate() {
                rows.push(row(
                    view.oid,
                    &column.name,
                    index,
                    column.ty,
                    &Facts {
                        access: access(view.oid, column.id),
                        ..Facts::default()
                    },
                ));
            }
        }
        for table in crate::system::tables() {
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
    encoding: usize,
    access: Option<String>,
}

/// The place of a column in the sort key, from 1; negative in turn for interleaved keys, 0 outside.
pub(super) fn sort_order(sort: &TableSort, index: usize) -> i32 {
    let (keys, is_interleaved) = match sort {
        TableSort::Compound(keys) | TableSort::AutoCompound(keys) => (keys, false),
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
        facts.encoding.into(),
        0.into(),
        facts.access.clone().into(),
        Cell::Null,
        Cell::Null,
        "".into(),
    ]
}

/// The words of ENCODE; a word's place is its `attencodingtype`, which `format_encoding` reads back.
const ENCODINGS: &[&str] = &[
    "none",
    "bytedict",
    "delta",
    "delta32k",
    "lzo",
    "mostly8",
    "mostly16",
    "mostly32",
    "runlength",
    "text255",
    "text32k",
    "zstd",
    "az64",
    "auto",
];

/// Gives the word PG_TABLE_DEF shows for an ENCODE word of a column.
pub fn encoding_word(declared: Option<&str>) -> &str {
    match declared {
        None => "auto",
        Some("raw") => "none",
        Some(word) => word,
    }
}

/// Gives the number of an encoding.
fn encoding_number(declared: Option<&str>) -> usize {
    let word = encoding_word(declared);
    let place = ENCODINGS.iter().position(|known| *known == word);
    place.unwrap_or_default()
}

/// Gives the word of a number.
pub fn encoding_of_number(number: i64) -> Option<&'static str> {
    let place = usize::try_from(number).ok()?;
    ENCODINGS.get(place).copied()
}
