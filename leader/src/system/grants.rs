//! What the views of grants and policies have in common: who sees which row, and how a grantee is told.

use super::SystemContext;
use super::rows::Cell;
use crate::catalog::Oid;
use crate::catalog::access::{AccessItem, AccessList, Grantee, ObjectKind};
use crate::catalog::name::Relation;
use crate::catalog::policy::{Policy, Protection};
use std::sync::Arc;

impl SystemContext {
    /// Tells whether the user sees everybody's grants.
    pub(super) fn sees_all_grants(&self) -> bool {
        self.catalog
            .has_system_privilege(&self.user, "ACCESS SYSTEM TABLE")
    }

    /// Tells whether the user sees what a grantee holds: one whose rights are also the user's, or a role of the user's.
    pub(super) fn sees_grantee(&self, grantee: Grantee) -> bool {
        let owns = match grantee {
            Grantee::Role(role) => {
                let role = self.catalog.roles.get(&role);
                role.is_some_and(|role| role.owner == self.user.oid)
            }
            Grantee::Public | Grantee::User(_) | Grantee::Group(_) => false,
        };
        owns || self.catalog.is(self.user.oid, grantee) || self.sees_all_grants()
    }

    /// Gives the lists that were written, by the oid of the object.
    pub(super) fn access_lists(&self) -> Vec<(Oid, &Arc<AccessList>)> {
        let lists = self.catalog.access.iter();
        let mut lists: Vec<_> = lists.map(|(oid, list)| (*oid, list)).collect();
        lists.sort_by_key(|(oid, _)| *oid);
        lists
    }

    /// Gives what was granted in a list to others than the owner, of what the user sees.
    pub(super) fn granted<'a>(
        &'a self,
        list: &'a AccessList,
        owner: Oid,
    ) -> impl Iterator<Item = &'a AccessItem> {
        list.items.iter().filter(move |item| {
            item.grantee != Grantee::User(owner) && self.sees_grantee(item.grantee)
        })
    }

    /// Gives what is protected in the database, with what protects it, in order of oid; nothing to who is no security
    /// administrator.
    pub(super) fn protections(&self) -> Vec<(Relation, &Arc<Protection>)> {
        if !self.catalog.is_security_administrator(&self.user) {
            return Vec::new();
        }
        let all = self.catalog.protections.values();
        let known = all.filter_map(|one| Some((self.catalog.relation(one.relation)?, one)));
        let mut known: Vec<_> = known.collect();
        known.sort_by_key(|(relation, _)| relation.oid());
        known
    }

    /// Gives the name of a schema.
    pub(super) fn schema_name(&self, oid: Oid) -> &str {
        let schema = self.catalog.schemas.get(&oid);
        schema.map_or("", |schema| schema.name.as_str())
    }

    /// Gives the name of a user.
    pub(super) fn user_name(&self, oid: Oid) -> String {
        self.catalog.grantee_name(Grantee::User(oid)).0
    }

    /// Gives id, name and kind of a grantee.
    pub(super) fn identity(&self, grantee: Grantee) -> [Cell; 3] {
        let oid = match grantee {
            Grantee::Public => 0,
            Grantee::User(oid) | Grantee::Group(oid) | Grantee::Role(oid) => oid,
        };
        let (name, kind) = self.catalog.grantee_name(grantee);
        [oid.into(), name.into(), kind.into()]
    }
}

/// Tells how the row policies of a relation go together.
pub(super) fn conjunction_word(protection: &Protection) -> &'static str {
    match protection.any {
        true => "or",
        false => "and",
    }
}

/// Writes the columns that a policy looks at as the views of policies show them.
pub(super) fn columns_text(policy: &Policy) -> String {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let columns = policy.columns.iter().map(|(name, ty)| {
        format!(
            "{{\"colname\":{},\"type\":{}}}",
            quoted(name),
            quoted(&ty.display())
        )
    });
    format!("[{}]", columns.collect::<Vec<_>>().join(","))
}

/// The word for all objects of a kind, as GRANT ... FOR has it.
pub(super) fn scope_word(kind: ObjectKind) -> String {
    match kind {
        ObjectKind::Relation => "TABLES".to_owned(),
        kind => format!("{}S", kind.word().to_uppercase()),
    }
}
