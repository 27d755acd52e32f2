//! `stv_wlm_classification_config`: which statements go to which queue, in the order it is looked at. Superusers only.

use crate::error::Result;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use crate::wlm::classify::conditions;
use blueshift_sql::SqlType;

/// The table.
pub struct StvWlmClassificationConfig;

impl SystemTable for StvWlmClassificationConfig {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "stv_wlm_classification_config"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("id", SqlType::Integer),
            ("condition", SqlType::Char(128)),
            ("action_seq", SqlType::Integer),
            ("action", SqlType::Char(64)),
            ("action_service_class", SqlType::Integer),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        if !ctx.user.superuser {
            return Ok(());
        }
        let conditions = conditions(&ctx.server.wlm.config());
        for (id, (condition, class)) in (1..).zip(conditions) {
            rows.push([
                Cell::Int(id),
                condition.into(),
                0.into(),
                "assign".into(),
                class.into(),
            ]);
        }
        Ok(())
    }
}
