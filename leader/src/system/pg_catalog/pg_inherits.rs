//! `pg_inherits`: tables that inherit from others: none can be made.

use crate::error::Result;
use crate::system::rows::Rows;
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct PgInherits;

impl SystemTable for PgInherits {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "pg_inherits"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("inhrelid", SqlType::Oid),
            ("inhparent", SqlType::Oid),
            ("inhseqno", SqlType::Integer),
        ]
    }

    fn rows(&self, _ctx: &SystemContext, _rows: &mut Rows) -> Result<()> {
        Ok(())
    }
}
