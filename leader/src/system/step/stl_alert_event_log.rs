//! `stl_alert_event_log`: advice on queries.

use crate::error::Result;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct StlAlertEventLog;

impl SystemTable for StlAlertEventLog {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "stl_alert_event_log"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("userid", SqlType::Integer),
            ("query", SqlType::Integer),
            ("slice", SqlType::Integer),
            ("segment", SqlType::Integer),
            ("step", SqlType::Integer),
            ("pid", SqlType::Integer),
            ("xid", SqlType::BigInt),
            ("event", SqlType::Char(1_024)),
            ("solution", SqlType::Char(1_024)),
            ("event_time", SqlType::Timestamp),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        let queries = ctx.server.history.executed_queries();
        for query in queries.filter(|query| ctx.sees(query.userid)) {
            for alert in &query.alerts {
                rows.push([
                    Cell::from(query.userid),
                    query.query.into(),
                    // Alerts are about a step on all slices.
                    0.into(),
                    alert.segment.into(),
                    alert.step.into(),
                    query.pid.into(),
                    query.xid.into(),
                    alert.event.as_str().into(),
                    alert.solution.as_ref().into(),
                    query.endtime_us.into(),
                ]);
            }
        }
        Ok(())
    }
}
