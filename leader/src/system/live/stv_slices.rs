//! `stv_slices`: which node keeps which slice.

use crate::error::Result;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct StvSlices;

impl SystemTable for StvSlices {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "stv_slices"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("node", SqlType::Integer),
            ("slice", SqlType::Integer),
            ("localslice", SqlType::Integer),
            ("type", SqlType::Char(1)),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        for slice in 0..ctx.server.node.store.slice_count() {
            rows.push([Cell::from(0), slice.into(), slice.into(), "D".into()]);
        }
        Ok(())
    }
}
