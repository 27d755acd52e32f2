//! `stl_ddltext`: statements that made, changed or dropped objects, in pieces of 200 bytes.

use super::text::{COLUMNS, Kind, push};
use crate::error::Result;
use crate::system::rows::Rows;
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct StlDdltext;

impl SystemTable for StlDdltext {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "stl_ddltext"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        COLUMNS
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        push(ctx, rows, Kind::Definition);
        Ok(())
    }
}
