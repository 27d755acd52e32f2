//! `stl_load_commits`: files that COPY loaded, told once their transaction has committed.

use crate::error::Result;
use crate::history::{lock, shown_job};
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct StlLoadCommits;

impl SystemTable for StlLoadCommits {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "stl_load_commits"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("userid", SqlType::Integer),
            ("query", SqlType::Integer),
            ("slice", SqlType::Integer),
            ("name", SqlType::Char(256)),
            ("filename", SqlType::Char(256)),
            ("byte_offset", SqlType::Integer),
            ("lines_scanned", SqlType::BigInt),
            ("errors", SqlType::Integer),
            ("curtime", SqlType::Timestamp),
            ("status", SqlType::Integer),
            ("file_format", SqlType::Char(16)),
            ("is_partial", SqlType::Integer),
            ("start_offset", SqlType::BigInt),
            ("copy_job_id", SqlType::BigInt),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        let commits = lock(&ctx.server.history.load_commits);
        for commit in commits.iter().filter(|commit| ctx.sees(commit.userid)) {
            rows.push([
                Cell::from(commit.userid),
                commit.query.into(),
                commit.file.slice.into(),
                commit.file.filename.as_str().into(),
                commit.file.filename.as_str().into(),
                // A file is read by one slice, from its first byte to its last.
                0.into(),
                commit.file.lines.into(),
                commit.file.errors.into(),
                commit.curtime_us.into(),
                1.into(),
                "Text".into(),
                0.into(),
                0.into(),
                shown_job(commit.copy_job).into(),
            ]);
        }
        Ok(())
    }
}
