//! `stv_wlm_qmr_config`: query monitoring rules, a row for each predicate. Superusers only.

use crate::error::Result;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use crate::wlm::rule::{Action, Predicate};
use blueshift_sql::SqlType;

/// The table.
pub struct StvWlmQmrConfig;

impl SystemTable for StvWlmQmrConfig {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "stv_wlm_qmr_config"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("service_class", SqlType::Integer),
            ("rule_name", SqlType::Char(256)),
            ("action", SqlType::Char(256)),
            ("metric_name", SqlType::Char(256)),
            ("metric_operator", SqlType::Char(256)),
            ("metric_value", SqlType::Double),
            ("action_value", SqlType::Char(256)),
            ("service_class_name", SqlType::Char(64)),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        if !ctx.user.superuser {
            return Ok(());
        }
        let config = ctx.server.wlm.config();
        for queue in &config.queues {
            for rule in &queue.rules {
                for predicate in &rule.predicates {
                    let value = match predicate {
                        Predicate::Number(_, _, value) => Cell::Float(*value),
                        Predicate::Priority(..) => Cell::Null,
                    };
                    let action_value = match rule.action {
                        Action::ChangePriority(to) => to.name().to_lowercase().into(),
                        _ => Cell::Null,
                    };
                    rows.push([
                        Cell::from(queue.class),
                        (&*rule.name).into(),
                        rule.action.word().into(),
                        predicate.metric().into(),
                        predicate.operator().sign().into(),
                        value,
                        action_value,
                        (&*queue.name).into(),
                    ]);
                }
            }
        }
        Ok(())
    }
}
