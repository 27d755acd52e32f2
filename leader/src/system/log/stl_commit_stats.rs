//! `stl_commit_stats`: what commits took. All of a commit is done by the leader, node -1. Superusers only.

use crate::error::Result;
use crate::history::lock;
use crate::history::transaction::TransactionEnd;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType::{self, BigInt, Integer, Timestamp};

/// Bytes of a block of SVV_TABLE_INFO and its like.
const BLOCK_BYTES: u64 = 1 << 20;

/// The table.
pub struct StlCommitStats;

impl SystemTable for StlCommitStats {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "stl_commit_stats"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("xid", BigInt),
            ("node", Integer),
            ("startqueue", Timestamp),
            ("startwork", Timestamp),
            ("endflush", Timestamp),
            ("endstage", Timestamp),
            ("endlocal", Timestamp),
            ("startglobal", Timestamp),
            ("endtime", Timestamp),
            ("queuelen", BigInt),
            ("permblocks", BigInt),
            ("newblocks", BigInt),
            ("dirtyblocks", BigInt),
            ("headers", BigInt),
            ("numxids", Integer),
            ("oldestxid", BigInt),
            ("extwritelatency", BigInt),
            ("metadatawritten", Integer),
            ("tombstonedblocks", BigInt),
            ("tossedblocks", BigInt),
            ("batched_by", BigInt),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        if !ctx.user.superuser {
            return Ok(());
        }
        for ended in lock(&ctx.server.history.transactions).iter() {
            let TransactionEnd::Committed(figures) = ended.end else {
                continue;
            };
            // Blocks are durable before the commit is asked for; the commit writes their names, all nodes at once.
            rows.push([
                Cell::from(ended.xid),
                (-1).into(),
                figures.asked_us.into(),
                figures.begun_us.into(),
                figures.begun_us.into(),
                figures.durable_us.into(),
                figures.durable_us.into(),
                figures.durable_us.into(),
                figures.ended_us.into(),
                figures.others.into(),
                Cell::Null,
                figures.bytes_added.div_ceil(BLOCK_BYTES).into(),
                figures.bytes_added.div_ceil(BLOCK_BYTES).into(),
                figures.files.into(),
                figures.open.into(),
                figures.oldest.into(),
                Cell::Null,
                1.into(),
            ]);
        }
        Ok(())
    }
}
