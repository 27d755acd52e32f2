//! `svv_external_scan_limits`: what users scanned of external tables today, and what they may. Not in Redshift.

use crate::access::scan_limit::limits_of;
use crate::error::Result;
use crate::settings::Settings;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct SvvExternalScanLimits;

impl SystemTable for SvvExternalScanLimits {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "svv_external_scan_limits"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("user_id", SqlType::Integer),
            ("user_name", SqlType::Varchar(128)),
            ("scanned_bytes_today", SqlType::BigInt),
            ("bytes_per_day", SqlType::BigInt),
            ("bytes_per_query", SqlType::BigInt),
        ]
    }

    /// Users see themselves, with the limits of their session.
    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        let scanned = ctx.server.history.all_scanned_today();
        let cell = |limit: Option<u64>| match limit {
            Some(limit) => Cell::from(i64::try_from(limit).unwrap_or(i64::MAX)),
            None => Cell::Null,
        };
        let plain = Settings::default();
        let mut users: Vec<_> = ctx.catalog.users.values().collect();
        users.sort_by_key(|user| user.oid);
        for user in users {
            if !ctx.sees(user.oid) {
                continue;
            }
            let is_own = user.oid == ctx.user.oid;
            let settings = if is_own { &ctx.settings } else { &plain };
            let limits = limits_of(ctx.server.scan_limits, user, settings);
            let today = scanned.iter().find(|(oid, _)| *oid == user.oid);
            let today = today.map_or(0, |(_, bytes)| *bytes);
            rows.push([
                Cell::from(user.oid),
                user.name.as_str().into(),
                cell(Some(today)),
                cell(limits.per_day),
                cell(limits.per_query),
            ]);
        }
        Ok(())
    }
}
