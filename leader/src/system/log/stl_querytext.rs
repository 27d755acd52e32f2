//! `stl_querytext`: statements that read or changed rows, in pieces of 200 bytes.

use super::text::{Kind, for_each};
use crate::error::Result;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct StlQuerytext;

impl SystemTable for StlQuerytext {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "stl_querytext"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("userid", SqlType::Integer),
            ("xid", SqlType::BigInt),
            ("pid", SqlType::Integer),
            ("query", SqlType::Integer),
            ("sequence", SqlType::Integer),
            ("text", SqlType::Char(200)),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        for_each(ctx, Kind::Query, |query, sequence, piece| {
            rows.push([
                Cell::from(query.userid),
                query.xid.into(),
                query.pid.into(),
                query.query.into(),
                sequence.into(),
                piece.into(),
            ]);
        });
        Ok(())
    }
}
