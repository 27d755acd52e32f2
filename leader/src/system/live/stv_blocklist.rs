//! `stv_blocklist`: every block on disk.
//!
//! A block of ours is at most 1 MB and keeps its own length; rows that a small insert left in the log have none yet.
//! Extremes are shown in eight bytes, of text the first eight.

use crate::error::Result;
use crate::server::TEMP_SCHEMA_PREFIX;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_compute::maintain::blocks::blocks;
use blueshift_sql::SqlType;
use blueshift_storage::SortKey;

/// The table.
pub struct StvBlocklist;

impl SystemTable for StvBlocklist {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "stv_blocklist"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("slice", SqlType::Integer),
            ("col", SqlType::Integer),
            ("tbl", SqlType::Integer),
            ("blocknum", SqlType::Integer),
            ("num_values", SqlType::Integer),
            ("extended_limits", SqlType::Integer),
            ("minvalue", SqlType::BigInt),
            ("maxvalue", SqlType::BigInt),
            ("sb_pos", SqlType::BigInt),
            ("pinned", SqlType::Integer),
            ("on_disk", SqlType::Integer),
            ("modified", SqlType::Integer),
            ("hdr_modified", SqlType::Integer),
            ("unsorted", SqlType::Integer),
            ("tombstone", SqlType::Integer),
            ("preferred_diskno", SqlType::Integer),
            ("temporary", SqlType::Integer),
            ("newblock", SqlType::Integer),
            ("num_readers", SqlType::Integer),
            ("flags", SqlType::Integer),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        if !ctx.user.superuser {
            return Ok(());
        }
        for table in ctx.catalog.tables.values() {
            let version = ctx.view.table(table.id())?;
            let schema = ctx.catalog.schemas.get(&table.schema);
            let is_temporary =
                schema.is_some_and(|schema| schema.name.starts_with(TEMP_SCHEMA_PREFIX));
            let has_key = version.layout.sort_key != SortKey::None;
            for block in blocks(&ctx.server.node.store, version)? {
                let (least, most) = block.range.unzip();
                rows.push([
                    Cell::from(block.slice),
                    block.column.into(),
                    table.oid.into(),
                    block.number.into(),
                    block.rows.into(),
                    0.into(),
                    least.into(),
                    most.into(),
                    block.offset.into(),
                    0.into(),
                    1.into(),
                    0.into(),
                    0.into(),
                    i64::from(has_key && !block.sorted).into(),
                    0.into(),
                    0.into(),
                    i64::from(is_temporary).into(),
                    0.into(),
                    0.into(),
                    0.into(),
                ]);
            }
        }
        Ok(())
    }
}
