//! `blueshift_snapshots`: the snapshots this server took since it started, and what came of them. A table of our own.

use crate::error::Result;
use crate::snapshot::Outcome;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct BlueshiftSnapshots;

impl SystemTable for BlueshiftSnapshots {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "blueshift_snapshots"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("snapshot", SqlType::Varchar(256)),
            ("place", SqlType::Varchar(1024)),
            ("type", SqlType::Varchar(16)),
            ("starttime", SqlType::Timestamp),
            ("endtime", SqlType::Timestamp),
            ("status", SqlType::Varchar(16)),
            ("version", SqlType::BigInt),
            ("bytes", SqlType::BigInt),
            ("uploaded_bytes", SqlType::BigInt),
            ("error", SqlType::Varchar(1024)),
            ("progress", SqlType::Double),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        if !ctx.user.superuser {
            return Ok(());
        }
        for event in ctx.server.snapshots.events() {
            let (status, version, bytes, uploaded, error) = match event.outcome {
                None => ("running", Cell::Null, Cell::Null, Cell::Null, Cell::Null),
                Some(Outcome::Failed(error)) => {
                    ("failed", Cell::Null, Cell::Null, Cell::Null, error.into())
                }
                Some(Outcome::Taken {
                    version,
                    bytes,
                    uploaded_bytes,
                }) => (
                    "available",
                    version.0.into(),
                    bytes.into(),
                    uploaded_bytes.into(),
                    Cell::Null,
                ),
            };
            let kind = if event.automatic {
                "automatic"
            } else {
                "manual"
            };
            rows.push([
                event.name.into(),
                event.place.into(),
                kind.into(),
                event.starttime_us.into(),
                event.endtime_us.into(),
                status.into(),
                version,
                bytes,
                uploaded,
                error,
                match status {
                    "available" => 100.0.into(),
                    _ => event.steps.percent().into(),
                },
            ]);
        }
        Ok(())
    }
}
