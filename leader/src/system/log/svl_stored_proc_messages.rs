//! `svl_stored_proc_messages`: what procedures said with RAISE.

use crate::error::Result;
use crate::history::lock;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct SvlStoredProcMessages;

impl SystemTable for SvlStoredProcMessages {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "svl_stored_proc_messages"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("userid", SqlType::Integer),
            ("session_userid", SqlType::Integer),
            ("pid", SqlType::Integer),
            ("xid", SqlType::BigInt),
            ("query", SqlType::Integer),
            ("recordtime", SqlType::Timestamp),
            ("loglevel", SqlType::Integer),
            ("loglevel_text", SqlType::Char(12)),
            ("message", SqlType::Char(1_024)),
            ("linenum", SqlType::Integer),
            ("querytxt", SqlType::Char(500)),
            ("label", SqlType::Char(320)),
            ("aborted", SqlType::Integer),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        let messages = lock(&ctx.server.history.call_messages);
        for said in messages.iter().filter(|said| ctx.sees(said.call.userid)) {
            let (call, message) = (&said.call, &said.message);
            rows.push([
                Cell::from(call.userid),
                call.userid.into(),
                call.pid.into(),
                call.xid.into(),
                call.query.into(),
                message.recordtime_us.into(),
                message.level.number().into(),
                message.level.word().into(),
                message.text.as_str().into(),
                message.line.into(),
                call.text.as_str().into(),
                "default".into(),
                i32::from(call.aborted).into(),
            ]);
        }
        Ok(())
    }
}
