//! ANALYZE: checks that the table is there. Statistics are gathered by every write and kept in each row group's
//! footer, so they are never stale and there is nothing to gather again.

use super::answer::Body;
use super::context::Context;
use crate::error::{Error, Result};
use blueshift_sql::SqlState;
use blueshift_sql::statement::ddl::Analyze;

/// Runs an ANALYZE.
pub fn run(ctx: &mut Context<'_>, analyze: &Analyze) -> Result<Body> {
    if let Some(name) = &analyze.table {
        let table = ctx.names()?.table_to_change(name)?;
        let is_known =
            |wanted: &&String| table.columns.iter().any(|column| column.name == **wanted);
        if let Some(unknown) = analyze.columns.iter().find(|wanted| !is_known(wanted)) {
            return Err(Error::new(
                SqlState::UNDEFINED_COLUMN,
                format!(
                    "column \"{unknown}\" of relation \"{}\" does not exist",
                    table.name
                ),
            ));
        }
    }
    Ok(Body::done("ANALYZE"))
}
