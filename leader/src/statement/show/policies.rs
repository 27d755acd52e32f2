//! SHOW RLS POLICIES and SHOW MASKING POLICIES: those of the database, or those attached to a relation.
//!
//! They show what the views SVV_RLS_POLICY, SVV_RLS_ATTACHED_POLICY and their like show, to security administrators.

use super::{check_database, granted_to, literal, relation};
use crate::error::Result;
use crate::statement::names::SessionNames;
use blueshift_sql::SqlState;
use blueshift_sql::statement::ObjectName;
use blueshift_sql::statement::policy::PolicyKind;
use blueshift_sql::statement::show::ShownGrantee;

const ROWS: &str = "SELECT polname AS policy_name, polalias AS policy_alias, polatts AS policy_atts, \
    polqual AS policy_qual, polenabled AS policy_enabled, polmodifiedby::varchar(128) AS policy_modified_by, \
    polmodifiedtime AS policy_modified_time FROM pg_catalog.svv_rls_policy";

const MASKS: &str = "SELECT policy_name, input_columns, policy_expression, policy_modified_by, policy_modified_time \
    FROM pg_catalog.svv_masking_policy";

const ROWS_ATTACHED: &str = "SELECT polname AS policy_name, relschema AS schema_name, relname AS relation_name, \
    relkind AS relation_kind, grantor, grantee, granteekind AS grantee_kind, is_pol_on AS is_policy_on, is_rls_on, \
    rls_conjunction_type FROM pg_catalog.svv_rls_attached_policy";

const MASKS_ATTACHED: &str = "SELECT policy_name, schema_name, table_name, table_type, grantor, grantee, \
    grantee_type, priority, input_columns, output_columns FROM pg_catalog.svv_attached_masking_policy";

/// What is asked, and the condition, for the policies of a database.
pub(super) fn of_database(
    names: &SessionNames,
    kind: PolicyKind,
    database: Option<&str>,
) -> Result<(&'static str, String)> {
    ensure_administrator(names)?;
    if let Some(database) = database {
        check_database(names, database)?;
    }
    let text = match kind {
        PolicyKind::Rows => ROWS,
        PolicyKind::Mask => MASKS,
    };
    Ok((text, "true".to_owned()))
}

/// The same for what is attached to a relation, perhaps for one grantee.
pub(super) fn attached(
    names: &SessionNames,
    kind: PolicyKind,
    table: &ObjectName,
    grantee: Option<&ShownGrantee>,
) -> Result<(&'static str, String)> {
    ensure_administrator(names)?;
    let (schema, name) = relation(names, table)?;
    // Known, or refused; the columns have other names here.
    granted_to(names, grantee)?;
    let (text, named, kind) = match kind {
        PolicyKind::Rows => (ROWS_ATTACHED, "relation_name", "grantee_kind"),
        PolicyKind::Mask => (MASKS_ATTACHED, "table_name", "grantee_type"),
    };
    let mut condition = format!(
        "o.schema_name = {} AND o.{named} = {}",
        literal(&schema),
        literal(&name)
    );
    if let Some(grantee) = grantee {
        condition += &format!(
            " AND o.{kind} = {} AND o.grantee = {}",
            literal(grantee.kind),
            literal(&grantee.name)
        );
    }
    Ok((text, condition))
}

fn ensure_administrator(names: &SessionNames) -> Result<()> {
    match names
        .catalog()
        .is_security_administrator(&names.system.user)
    {
        true => Ok(()),
        false => Err(blueshift_sql::Error::new(
            SqlState::INSUFFICIENT_PRIVILEGE,
            "permission denied: must be superuser or have role sys:secadmin to list policies",
        )
        .into()),
    }
}
