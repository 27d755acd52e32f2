//! ALTER TABLE and ALTER MATERIALIZED VIEW ... ROW LEVEL SECURITY ON | OFF.

use super::{depend, ensure_administrator};
use crate::catalog::Oid;
use crate::catalog::cache::{protection_key, put_protection};
use crate::catalog::policy::Protection;
use crate::error::Result;
use crate::statement::context::Context;
use crate::statement::grant::newest;
use blueshift_sql::statement::policy::RowSecurity;

/// Turns row-level security of a relation on or off. The lock of the list of users is held.
pub fn change(ctx: &mut Context<'_>, relation: Oid, name: &str, wanted: RowSecurity) -> Result<()> {
    ensure_administrator(ctx, "turn row-level security on or off")?;
    let catalog = ctx.transaction.catalog()?;
    if wanted.is_on && depend::looking_up(&catalog, relation).is_some() {
        return Err(depend::is_lookup(name));
    }
    let mut protection = protection_of(ctx, relation)?;
    if wanted.for_datashares {
        protection.for_datashares = Some(wanted.is_on);
    } else {
        protection.is_on = wanted.is_on;
        protection.any = wanted.any.unwrap_or(protection.any && wanted.is_on);
    }
    ctx.transaction.change_catalog(put_protection(&protection)?);
    Ok(())
}

/// Gives what protects a relation, as it is newest. The lock of the list of users is held.
pub(super) fn protection_of(ctx: &mut Context<'_>, relation: Oid) -> Result<Protection> {
    let catalog = newest(ctx, &protection_key(relation))?;
    let known = catalog.protections.get(&relation);
    Ok(match known {
        Some(known) => Protection::clone(known),
        None => Protection {
            relation,
            ..Protection::default()
        },
    })
}
