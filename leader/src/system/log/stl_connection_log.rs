//! `stl_connection_log`: logins, refused logins, and ends of sessions.

use crate::error::Result;
use crate::history::connection::Happening;
use crate::history::lock;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType::{self, BigInt, Char, Integer, Timestamp};

/// The table. Superusers alone see its rows.
pub struct StlConnectionLog;

impl SystemTable for StlConnectionLog {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "stl_connection_log"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("event", Char(50)),
            ("recordtime", Timestamp),
            ("remotehost", Char(45)),
            ("remoteport", Char(32)),
            ("pid", Integer),
            ("dbname", Char(50)),
            ("username", Char(50)),
            ("authmethod", Char(32)),
            ("duration", BigInt),
            ("sslversion", Char(50)),
            ("sslcipher", Char(128)),
            ("mtu", Integer),
            ("sslcompression", Char(64)),
            ("sslexpansion", Char(64)),
            ("iamauthguid", Char(36)),
            ("application_name", Char(250)),
            ("os_version", Char(64)),
            ("driver_version", Char(64)),
            ("plugin_name", Char(32)),
            ("protocol_version", Integer),
            ("sessionid", Char(36)),
            ("compression", Char(8)),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        if !ctx.sees(0) {
            return Ok(());
        }
        let events = lock(&ctx.server.history.connections);
        for event in events.iter() {
            let facts = &event.facts;
            let duration = match event.happening {
                Happening::Disconnected => event.recordtime_us - facts.begun_us,
                Happening::Authenticated | Happening::Failed => 0,
            };
            let host = facts.peer.map(|peer| peer.ip().to_canonical().to_string());
            let port = facts.peer.map(|peer| peer.port().to_string());
            rows.push([
                event.happening.words().into(),
                event.recordtime_us.into(),
                host.into(),
                port.into(),
                event.pid.into(),
                facts.database.as_str().into(),
                facts.user.as_str().into(),
                "password".into(),
                duration.into(),
                if facts.is_encrypted { "TLS" } else { "" }.into(),
                "".into(),
                Cell::Null,
                "".into(),
                "".into(),
                "".into(),
                facts.application_name.as_str().into(),
                facts.os_version.as_str().into(),
                facts.driver_version.as_str().into(),
                facts.plugin_name.as_str().into(),
                i32::from(facts.protocol_minor).into(),
                Cell::Null,
                Cell::Null,
            ]);
        }
        Ok(())
    }
}
