//! `pg_settings`: the session's parameters.

use crate::error::Result;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct PgSettings;

impl SystemTable for PgSettings {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "pg_settings"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("name", SqlType::Varchar(256)),
            ("setting", SqlType::Varchar(65_535)),
            ("unit", SqlType::Varchar(256)),
            ("category", SqlType::Varchar(256)),
            ("short_desc", SqlType::Varchar(65_535)),
            ("extra_desc", SqlType::Varchar(65_535)),
            ("context", SqlType::Varchar(256)),
            ("vartype", SqlType::Varchar(256)),
            ("source", SqlType::Varchar(256)),
            ("min_val", SqlType::Varchar(256)),
            ("max_val", SqlType::Varchar(256)),
            ("boot_val", SqlType::Varchar(65_535)),
            ("reset_val", SqlType::Varchar(65_535)),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        use crate::settings::list::{Effect, find};
        use crate::settings::value::Kind;
        for (name, value, about) in ctx.settings.all() {
            let value = match name.as_str() {
                crate::wlm::config::PARAMETER => ctx.server.wlm.config().text.to_string(),
                _ => value,
            };
            let known = find(&name);
            let default = known.map(|parameter| parameter.default);
            let (kind, bounds) = match known.map(|parameter| parameter.kind) {
                Some(Kind::Switch | Kind::Truth) => ("bool", None),
                Some(Kind::Integer(least, most)) => ("integer", Some((least, most))),
                Some(Kind::Number(..)) => ("real", None),
                Some(Kind::Milliseconds) => ("integer", None),
                Some(Kind::Word(_)) => ("enum", None),
                _ => ("string", None),
            };
            let is_fixed = known.is_some_and(|parameter| parameter.effect == Effect::Fixed);
            let is_milliseconds =
                known.is_some_and(|parameter| matches!(parameter.kind, Kind::Milliseconds));
            let source = match default == Some(value.as_str()) {
                true => "default",
                false => "session",
            };
            rows.push([
                name.into(),
                value.into(),
                is_milliseconds.then_some("ms").into(),
                Cell::Null,
                about.into(),
                Cell::Null,
                if is_fixed { "internal" } else { "user" }.into(),
                kind.into(),
                source.into(),
                bounds.map(|(least, _)| least.to_string()).into(),
                bounds.map(|(_, most)| most.to_string()).into(),
                default.into(),
                default.into(),
            ]);
        }
        Ok(())
    }
}
