//! `svv_rls_attached_policy`: which row policy is attached to what for whom, for security administrators.

use crate::error::Result;
use crate::system::grants::conjunction_word;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct SvvRlsAttachedPolicy;

impl SystemTable for SvvRlsAttachedPolicy {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "svv_rls_attached_policy"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("relschema", SqlType::Varchar(128)),
            ("relname", SqlType::Varchar(128)),
            ("relkind", SqlType::Varchar(128)),
            ("polname", SqlType::Varchar(128)),
            ("grantor", SqlType::Varchar(128)),
            ("grantee", SqlType::Varchar(128)),
            ("granteekind", SqlType::Varchar(128)),
            ("is_pol_on", SqlType::Boolean),
            ("is_rls_on", SqlType::Boolean),
            ("rls_conjunction_type", SqlType::Char(3)),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        for (relation, protection) in ctx.protections() {
            for attached in &protection.rows {
                let Some(policy) = ctx.catalog.policies.get(&attached.policy) else {
                    continue;
                };
                let (grantee, kind) = ctx.catalog.grantee_name(attached.grantee);
                rows.push([
                    Cell::from(ctx.schema_name(relation.schema())),
                    relation.name().into(),
                    relation.kind().into(),
                    policy.name.as_str().into(),
                    ctx.user_name(attached.grantor).into(),
                    grantee.into(),
                    kind.into(),
                    true.into(),
                    protection.is_on.into(),
                    conjunction_word(protection).into(),
                ]);
            }
        }
        Ok(())
    }
}
