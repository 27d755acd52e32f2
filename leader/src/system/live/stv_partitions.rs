//! `stv_partitions`: the disk the data directory is on, in blocks of 1 MB.
//!
//! The system counts transfers, not the server, so the columns about them are null.

use crate::error::Result;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_compute::maintain::figures::BLOCK_BYTES;
use blueshift_sql::SqlType;

/// The table.
pub struct StvPartitions;

impl SystemTable for StvPartitions {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "stv_partitions"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("owner", SqlType::Integer),
            ("host", SqlType::Integer),
            ("diskno", SqlType::Integer),
            ("part_begin", SqlType::BigInt),
            ("part_end", SqlType::BigInt),
            ("used", SqlType::Integer),
            ("tossed", SqlType::Integer),
            ("capacity", SqlType::Integer),
            ("reads", SqlType::Integer),
            ("writes", SqlType::Integer),
            ("seek_forward", SqlType::Integer),
            ("seek_back", SqlType::Integer),
            ("is_san", SqlType::Integer),
            ("failed", SqlType::Integer),
            ("mbps", SqlType::Integer),
            ("mount", SqlType::Char(256)),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        if !ctx.user.superuser {
            return Ok(());
        }
        let store = &ctx.server.node.store;
        let disk = store.disk_space()?;
        let used = disk.total_bytes.saturating_sub(disk.free_bytes);
        rows.push([
            Cell::from(0),
            0.into(),
            0.into(),
            0.into(),
            disk.total_bytes.into(),
            (used / BLOCK_BYTES).into(),
            0.into(),
            (disk.total_bytes / BLOCK_BYTES).into(),
            Cell::Null,
            Cell::Null,
            Cell::Null,
            Cell::Null,
            0.into(),
            0.into(),
            Cell::Null,
            store.dir().display().to_string().into(),
        ]);
        Ok(())
    }
}
