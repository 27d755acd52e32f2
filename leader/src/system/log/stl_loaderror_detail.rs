//! `stl_loaderror_detail`: the fields that COPY refused.

use crate::error::Result;
use crate::history::lock;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct StlLoaderrorDetail;

impl SystemTable for StlLoaderrorDetail {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "stl_loaderror_detail"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("userid", SqlType::Integer),
            ("slice", SqlType::Integer),
            ("session", SqlType::Integer),
            ("query", SqlType::Integer),
            ("filename", SqlType::Char(256)),
            ("line_number", SqlType::BigInt),
            ("field", SqlType::Integer),
            ("colname", SqlType::Char(1_024)),
            ("value", SqlType::Char(1_024)),
            ("is_null", SqlType::Integer),
            ("type", SqlType::Char(10)),
            ("col_length", SqlType::Char(10)),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        let errors = lock(&ctx.server.history.load_errors);
        for error in errors.iter().filter(|error| ctx.sees(error.userid)) {
            let reject = &error.reject;
            // A line that has too few or too many fields has none that is to blame.
            if reject.colname.is_empty() {
                continue;
            }
            let table = ctx.catalog.tables.get(&error.table);
            let place = table.and_then(|table| {
                let mut columns = table.columns.iter();
                columns.position(|column| column.name == reject.colname)
            });
            rows.push([
                Cell::from(error.userid),
                reject.slice.into(),
                error.session.into(),
                error.query.into(),
                reject.filename.as_str().into(),
                reject.line_number.into(),
                place.into(),
                reject.colname.as_str().into(),
                reject.raw_field_value.as_str().into(),
                0.into(),
                reject.ty.as_str().into(),
                reject.col_length.as_str().into(),
            ]);
        }
        Ok(())
    }
}
