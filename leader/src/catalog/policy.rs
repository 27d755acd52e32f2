//! Policies, and which relations they protect from whom.
//!
//! A policy is an object of its database. What is attached to a relation is kept apart from the relation, as access
//! lists are: one [`Protection`] for each relation that has a policy attached or row-level security on.

use super::access::{Grantee, SYS_SECADMIN_OID};
use super::{Catalog, Oid, User, ViewSource};
use blueshift_sql::SqlType;
use blueshift_sql::statement::policy::PolicyKind;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What a policy decides, as the catalog keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decides {
    /// Which rows are seen.
    Rows,
    /// What is shown of a column.
    Mask,
}

impl From<PolicyKind> for Decides {
    fn from(kind: PolicyKind) -> Self {
        match kind {
            PolicyKind::Rows => Self::Rows,
            PolicyKind::Mask => Self::Mask,
        }
    }
}

/// A policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// Its oid.
    pub oid: Oid,
    /// Its database.
    pub database: Oid,
    /// What it decides.
    pub decides: Decides,
    /// Its name.
    pub name: String,
    /// WITH: the columns it looks at, and their types.
    pub columns: Vec<(String, SqlType)>,
    /// The name that it knows the relation by.
    pub alias: String,
    /// The condition, or the values, as the user wrote it.
    pub text: String,
    /// The search path it was made under.
    pub search_path: Vec<String>,
    /// What the names of its lookup tables meant when it was made.
    #[serde(default)]
    pub sources: Vec<ViewSource>,
    /// Names of columns of lookup tables that it reads, by table.
    #[serde(default)]
    pub reads: Vec<(Oid, Vec<String>)>,
    /// The functions written in SQL that it calls.
    #[serde(default)]
    pub functions: Vec<Oid>,
    /// Lookup tables it may read whoever asks.
    #[serde(default)]
    pub granted: Vec<Oid>,
    /// Who changed it last.
    pub modified_by: Oid,
    /// When, in microseconds since 1970.
    pub modified_us: i64,
}

impl Policy {
    /// Gives its kind as statements name it.
    pub fn kind(&self) -> PolicyKind {
        match self.decides {
            Decides::Rows => PolicyKind::Rows,
            Decides::Mask => PolicyKind::Mask,
        }
    }

    /// Tells whether it looks things up in a relation.
    pub fn looks_up(&self, relation: Oid) -> bool {
        self.sources.iter().any(|source| source.oid == relation)
    }
}

/// A row policy on a relation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttachedRows {
    /// The policy.
    pub policy: Oid,
    /// For whom it holds.
    pub grantee: Grantee,
    /// Who attached it.
    pub grantor: Oid,
}

/// A mask on columns of a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttachedMask {
    /// The policy.
    pub policy: Oid,
    /// For whom it holds.
    pub grantee: Grantee,
    /// Who attached it.
    pub grantor: Oid,
    /// The ids of the columns it is shown in the place of.
    pub outputs: Vec<u32>,
    /// The ids of the columns it is computed from.
    pub inputs: Vec<u32>,
    /// The mask of highest priority is shown.
    pub priority: i32,
    /// The keys on the way to the part of a SUPER that each output is; none are whole columns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub output_paths: Vec<Vec<String>>,
    /// The same of the inputs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub input_paths: Vec<Vec<String>>,
}

impl AttachedMask {
    /// Gives the columns it is shown in the place of, each with the path to the part that is.
    pub fn shown(&self) -> impl Iterator<Item = (u32, &[String])> {
        let ids = self.outputs.iter().copied().enumerate();
        ids.map(|(place, id)| (id, path(&self.output_paths, place)))
    }

    /// Gives the columns it is computed from, each with the path to the part that is.
    pub fn read(&self) -> impl Iterator<Item = (u32, &[String])> {
        let ids = self.inputs.iter().copied().enumerate();
        ids.map(|(place, id)| (id, path(&self.input_paths, place)))
    }
}

fn path(paths: &[Vec<String>], place: usize) -> &[String] {
    paths.get(place).map_or(&[], Vec::as_slice)
}

/// What protects a relation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Protection {
    /// The relation.
    pub relation: Oid,
    /// ROW LEVEL SECURITY ON.
    pub is_on: bool,
    /// ROW LEVEL SECURITY ON for datashares; `None` is as for everybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_datashares: Option<bool>,
    /// CONJUNCTION TYPE OR: a row need pass one policy only.
    #[serde(default)]
    pub any: bool,
    /// Row policies, in the order they were attached.
    #[serde(default)]
    pub rows: Vec<AttachedRows>,
    /// Masks, in the order they were attached.
    #[serde(default)]
    pub masks: Vec<AttachedMask>,
}

impl Protection {
    /// Tells whether nothing is left of it.
    pub fn is_empty(&self) -> bool {
        let of = Self {
            relation: self.relation,
            ..Self::default()
        };
        *self == of
    }

    /// Tells whether row-level security is on for datashares.
    pub fn is_on_for_datashares(&self) -> bool {
        self.for_datashares.unwrap_or(self.is_on)
    }
}

impl Catalog {
    /// Finds a policy of its database.
    pub fn policy_named(&self, kind: PolicyKind, name: &str) -> Option<&Arc<Policy>> {
        let mut policies = self.policies.values();
        policies.find(|policy| {
            policy.kind() == kind && policy.name == name && policy.database == self.database
        })
    }

    /// Gives the policies in order of name.
    pub fn policies_by_name(&self, kind: PolicyKind) -> Vec<&Arc<Policy>> {
        let of_kind = self.policies.values().filter(|one| one.kind() == kind);
        let mut all: Vec<_> = of_kind.collect();
        all.sort_by(|one, other| (&one.name, one.oid).cmp(&(&other.name, other.oid)));
        all
    }

    /// Tells whether a user may make policies and say whom they are for.
    pub fn is_security_administrator(&self, user: &User) -> bool {
        self.is_superuser(user) || self.has_role(user.oid, SYS_SECADMIN_OID)
    }

    /// Gives the row policies of a relation that hold for a user, each once.
    pub fn row_policies(&self, protection: &Protection, user: &User) -> Vec<&Arc<Policy>> {
        let mut found: Vec<&Arc<Policy>> = Vec::new();
        for attached in &protection.rows {
            let policy = self.policies.get(&attached.policy);
            let policy = policy.filter(|_| self.is(user.oid, attached.grantee));
            if let Some(policy) = policy
                && !found.iter().any(|known| known.oid == policy.oid)
            {
                found.push(policy);
            }
        }
        found
    }

    /// Gives the masks that a user sees in the place of a column or of parts of it, those of highest priority, and
    /// which of the values of each.
    pub fn masks_of<'a>(
        &self,
        protection: &'a Protection,
        user: &User,
        column: u32,
    ) -> Vec<(&'a AttachedMask, usize)> {
        let mut found: Vec<(&AttachedMask, usize, &[String])> = Vec::new();
        for mask in &protection.masks {
            if !self.is(user.oid, mask.grantee) {
                continue;
            }
            for (place, (id, path)) in mask.shown().enumerate() {
                if id != column {
                    continue;
                }
                match found.iter_mut().find(|(_, _, known)| *known == path) {
                    Some((known, known_place, _)) if known.priority <= mask.priority => {
                        (*known, *known_place) = (mask, place);
                    }
                    Some(_) => {}
                    None => found.push((mask, place, path)),
                }
            }
        }
        let found = found.into_iter();
        found.map(|(mask, place, _)| (mask, place)).collect()
    }

    /// Tells whether something of a relation is kept from a user.
    pub fn is_kept_from(&self, relation: Oid, user: &User) -> bool {
        let Some(protection) = self.protections.get(&relation) else {
            return false;
        };
        let hides = protection.is_on && !self.ignores_row_policies(user);
        let mut masks = protection.masks.iter();
        hides || masks.any(|mask| self.is(user.oid, mask.grantee))
    }

    /// Tells whether a user sees all rows whatever the policies say.
    pub fn ignores_row_policies(&self, user: &User) -> bool {
        self.has_system_privilege(user, blueshift_sql::statement::grant::IGNORE_RLS)
    }

    /// Names a table at or below some relations of which something is kept from a user.
    pub fn kept_below(&self, relations: &[Oid], user: &User) -> Option<String> {
        let mut open = relations.to_vec();
        let mut next = 0;
        while let Some(oid) = open.get(next).copied() {
            next += 1;
            if self.is_kept_from(oid, user) {
                let relation = self.relation(oid);
                return Some(relation.map_or_else(String::new, |one| one.name().to_owned()));
            }
            for below in self
                .views
                .get(&oid)
                .into_iter()
                .flat_map(|view| &view.depends_on)
            {
                if !open.contains(below) {
                    open.push(*below);
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(policy: Oid, grantee: Grantee, priority: i32) -> AttachedMask {
        AttachedMask {
            policy,
            grantee,
            grantor: 100,
            outputs: vec![1],
            inputs: vec![1],
            priority,
            output_paths: Vec::new(),
            input_paths: Vec::new(),
        }
    }

    #[test]
    fn the_mask_of_highest_priority_is_seen() {
        let catalog = Catalog::initial();
        let user = User {
            oid: 101,
            ..User::default()
        };
        let protection = Protection {
            masks: vec![
                mask(1, Grantee::Public, 0),
                mask(2, Grantee::User(101), 10),
                mask(3, Grantee::User(102), 20),
            ],
            ..Protection::default()
        };
        let seen = |column| {
            let masks = catalog.masks_of(&protection, &user, column).into_iter();
            masks.map(|(mask, _)| mask.policy).collect::<Vec<_>>()
        };
        assert_eq!(seen(1), [2]);
        assert!(seen(2).is_empty());
    }

    #[test]
    fn a_protection_of_nothing_is_not_kept() {
        let mut protection = Protection {
            relation: 7,
            ..Protection::default()
        };
        assert!(protection.is_empty());
        protection.is_on = true;
        assert!(!protection.is_empty());
        assert!(protection.is_on_for_datashares());
    }
}
