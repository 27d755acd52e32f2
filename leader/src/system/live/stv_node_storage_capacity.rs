//! `stv_node_storage_capacity`: the disk of the node, in blocks of 1 MB.

use crate::error::Result;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_compute::maintain::figures::BLOCK_BYTES;
use blueshift_sql::SqlType;

/// The table.
pub struct StvNodeStorageCapacity;

impl SystemTable for StvNodeStorageCapacity {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "stv_node_storage_capacity"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("node", SqlType::Integer),
            ("used", SqlType::Integer),
            ("capacity", SqlType::Integer),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        if !ctx.user.superuser {
            return Ok(());
        }
        let disk = ctx.server.node.store.disk_space()?;
        let used = disk.total_bytes.saturating_sub(disk.free_bytes);
        rows.push([
            Cell::from(0),
            (used / BLOCK_BYTES).into(),
            (disk.total_bytes / BLOCK_BYTES).into(),
        ]);
        Ok(())
    }
}
