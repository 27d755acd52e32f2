//! `svv_attached_masking_policy`: which mask is attached to what for whom, for security administrators.

use crate::catalog::name::Relation;
use crate::error::Result;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct SvvAttachedMaskingPolicy;

impl SystemTable for SvvAttachedMaskingPolicy {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "svv_attached_masking_policy"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("policy_name", SqlType::Varchar(128)),
            ("schema_name", SqlType::Varchar(128)),
            ("table_name", SqlType::Varchar(128)),
            ("table_type", SqlType::Varchar(128)),
            ("grantor", SqlType::Varchar(128)),
            ("grantee", SqlType::Varchar(128)),
            ("grantee_type", SqlType::Varchar(128)),
            ("priority", SqlType::Integer),
            ("input_columns", SqlType::Varchar(65_535)),
            ("output_columns", SqlType::Varchar(65_535)),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        for (relation, protection) in ctx.protections() {
            for mask in &protection.masks {
                let Some(policy) = ctx.catalog.policies.get(&mask.policy) else {
                    continue;
                };
                let (grantee, kind) = ctx.catalog.grantee_name(mask.grantee);
                rows.push([
                    Cell::from(policy.name.as_str()),
                    ctx.schema_name(relation.schema()).into(),
                    relation.name().into(),
                    relation.kind().into(),
                    ctx.user_name(mask.grantor).into(),
                    grantee.into(),
                    kind.into(),
                    mask.priority.into(),
                    names(&relation, mask.read()).into(),
                    names(&relation, mask.shown()).into(),
                ]);
            }
        }
        Ok(())
    }
}

/// Writes columns and parts of them as a JSON array of their names.
fn names<'a>(relation: &Relation, places: impl Iterator<Item = (u32, &'a [String])>) -> String {
    let names = places.filter_map(|(id, path)| {
        let mut columns = relation.columns().iter();
        let column = columns.find(|column| column.id == id)?;
        let keys = path.iter().map(String::as_str);
        let parts: Vec<&str> = std::iter::once(column.name.as_str()).chain(keys).collect();
        Some(serde_json::Value::from(parts.join(".")))
    });
    serde_json::Value::from(names.collect::<Vec<_>>()).to_string()
}
