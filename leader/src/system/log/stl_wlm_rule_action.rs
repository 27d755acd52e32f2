//! `stl_wlm_rule_action`: what query monitoring rules did.

use crate::error::Result;
use crate::history::lock;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct StlWlmRuleAction;

impl SystemTable for StlWlmRuleAction {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "stl_wlm_rule_action"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("userid", SqlType::Integer),
            ("query", SqlType::Integer),
            ("service_class", SqlType::Integer),
            ("rule", SqlType::Char(256)),
            ("action", SqlType::Char(256)),
            ("recordtime", SqlType::Timestamp),
            ("action_value", SqlType::Char(256)),
            ("service_class_name", SqlType::Char(64)),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        let actions = lock(&ctx.server.history.rule_actions);
        for action in actions.iter().filter(|action| ctx.sees(action.userid)) {
            rows.push([
                Cell::from(action.userid),
                action.query.into(),
                action.service_class.into(),
                (&*action.rule).into(),
                action.action.as_str().into(),
                action.recordtime_us.into(),
                action.value.as_deref().into(),
                (&*action.service_class_name).into(),
            ]);
        }
        Ok(())
    }
}
