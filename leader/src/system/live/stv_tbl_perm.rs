//! `stv_tbl_perm`: tables slice by slice, with rows that are deleted and not yet vacuumed.
//!
//! A table that is kept once for all slices is on slice 0 alone; elsewhere its rows are 0.

use crate::error::Result;
use crate::server::TEMP_SCHEMA_PREFIX;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_compute::maintain::figures::Figures;
use blueshift_sql::SqlType;
use blueshift_storage::SliceId;

/// The table.
pub struct StvTblPerm;

impl SystemTable for StvTblPerm {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "stv_tbl_perm"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("slice", SqlType::Integer),
            ("id", SqlType::Integer),
            ("name", SqlType::Char(72)),
            ("rows", SqlType::BigInt),
            ("sorted_rows", SqlType::BigInt),
            ("temp", SqlType::Integer),
            ("db_id", SqlType::Integer),
            ("insert_pristine", SqlType::Integer),
            ("delete_pristine", SqlType::Integer),
            ("backup", SqlType::Integer),
            ("block_count", SqlType::Integer),
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
            for slice in 0..ctx.server.node.store.slice_count() {
                let figures = Figures::of_slice(version, SliceId(slice));
                rows.push([
                    Cell::from(slice),
                    table.oid.into(),
                    table.name.as_str().into(),
                    figures.rows.into(),
                    figures.rows_sorted.into(),
                    i64::from(is_temporary).into(),
                    ctx.catalog.database.into(),
                    0.into(),
                    i64::from(figures.rows_deleted == 0).into(),
                    i64::from(table.backup && !is_temporary).into(),
                    figures.blocks.into(),
                ]);
            }
        }
        Ok(())
    }
}
