//! RESTORE TABLE: the new table is protected as the table of the snapshot was, so far as the policies are still there.

use crate::catalog::access::Grantee;
use crate::catalog::cache::put_protection;
use crate::catalog::policy::{Decides, Policy, Protection};
use crate::catalog::{Catalog, Oid, Table};
use crate::error::Result;
use crate::statement::answer::Notice;
use crate::statement::context::Context;
use crate::statement::grant::lock;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Attaches to `new` what protected the table `old` of the catalog `kept`. Row-level security that was on stays on, even
/// without its policies: then only who may ignore it sees rows.
pub async fn restore(
    ctx: &mut Context<'_>,
    kept: &Arc<Catalog>,
    old: Oid,
    new: &Table,
) -> Result<()> {
    let Some(before) = kept.protections.get(&old) else {
        return Ok(());
    };
    lock(ctx).await?;
    let catalog = ctx.transaction.catalog()?;
    let mut after = Protection {
        relation: new.oid,
        ..Protection::clone(before)
    };
    let mut gone = BTreeSet::new();
    let mut stays = |policy: Oid, grantee: Grantee| {
        let was = kept.policies.get(&policy);
        let is = catalog.policies.get(&policy);
        let is_same = |one: &Arc<Policy>, other: &Arc<Policy>| {
            one.name == other.name
                && one.decides == other.decides
                && one.columns.len() == other.columns.len()
        };
        let stays = was.zip(is).is_some_and(|(was, is)| is_same(was, is))
            && is_known(&catalog, kept, grantee);
        if let (false, Some(was)) = (stays, was) {
            let kind = match was.decides {
                Decides::Rows => "RLS",
                Decides::Mask => "masking",
            };
            gone.insert(format!("{kind} policy \"{}\"", was.name));
        }
        stays
    };
    after.rows.retain(|one| stays(one.policy, one.grantee));
    after.masks.retain(|one| stays(one.policy, one.grantee));
    let count = after.rows.len() + after.masks.len();
    if count > 0 || after.is_on {
        let security = match after.is_on {
            true => "on",
            false => "off",
        };
        ctx.notices.push(Notice::info(format!(
            "table \"{}\" is protected as in the snapshot: row-level security {security}, {count} policies attached",
            new.name
        )));
    }
    for policy in gone {
        ctx.notices.push(Notice::info(format!(
            "{policy} is not attached to table \"{}\": it, or who it was attached to, is not there any more",
            new.name
        )));
    }
    ctx.transaction.change_catalog(put_protection(&after)?);
    Ok(())
}

/// Tells whether a user, group or role of the snapshot is still there, under the same name.
fn is_known(catalog: &Catalog, kept: &Catalog, grantee: Grantee) -> bool {
    let is_there = match grantee {
        Grantee::Public => true,
        Grantee::User(oid) => catalog.users.contains_key(&oid),
        Grantee::Group(oid) => catalog.groups.contains_key(&oid),
        Grantee::Role(oid) => catalog.roles.contains_key(&oid),
    };
    is_there && catalog.grantee_name(grantee) == kept.grantee_name(grantee)
}
