//! Groups, roles and access lists: who may do what, as the catalog keeps it.
//!
//! An object without an access list has the one it was born with: its owner may do everything, and PUBLIC what
//! [`ObjectKind::public`] says. The first GRANT or REVOKE writes that list out and changes it, as PostgreSQL does.
//! Lists are kept apart from their objects, so that a GRANT and an ALTER TABLE do not meet.

use super::{Catalog, INFORMATION_SCHEMA_OID, Oid, PG_CATALOG_OID, PUBLIC_OID, User};
use blueshift_sql::statement::grant::{Privilege, SYSTEM_PRIVILEGES};
use blueshift_sql::statement::routine::RoutineKind;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::Arc;

/// A set of privileges, kept as the letters of access lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Privileges(u16);

impl Privileges {
    /// No privilege.
    pub const NONE: Self = Self(0);

    /// Makes a set.
    pub fn of(privileges: &[Privilege]) -> Self {
        let bits = privileges.iter().map(|privilege| 1 << *privilege as u16);
        Self(bits.fold(0, |set, bit| set | bit))
    }

    /// Tells whether a privilege is in the set.
    pub fn has(self, privilege: Privilege) -> bool {
        self.0 & (1 << privilege as u16) != 0
    }

    /// Tells whether the set is empty.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Gives what is in either.
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Gives what is in the first alone.
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Gives what is in both.
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Gives the privileges in the order of access lists.
    pub fn iter(self) -> impl Iterator<Item = Privilege> {
        let all = Privilege::ALL.into_iter();
        all.filter(move |privilege| self.has(*privilege))
    }
}

/// The letter of a privilege in an access list.
fn letter(privilege: Privilege) -> char {
    match privilege {
        Privilege::Insert => 'a',
        Privilege::Select => 'r',
        Privilege::Update => 'w',
        Privilege::Delete => 'd',
        Privilege::References => 'x',
        Privilege::Drop => 'D',
        Privilege::Truncate => 'P',
        Privilege::Alter => 'A',
        Privilege::Execute => 'X',
        Privilege::Usage => 'U',
        Privilege::Create => 'C',
        Privilege::Temporary => 'T',
    }
}

impl From<String> for Privileges {
    fn from(letters: String) -> Self {
        let all = Privilege::ALL.into_iter();
        let named: Vec<_> = all
            .filter(|privilege| letters.contains(letter(*privilege)))
            .collect();
        Self::of(&named)
    }
}

impl From<Privileges> for String {
    fn from(privileges: Privileges) -> Self {
        privileges.iter().map(letter).collect()
    }
}

/// Who holds a privilege.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Grantee {
    /// Everybody.
    Public,
    /// A user.
    User(Oid),
    /// A group.
    Group(Oid),
    /// A role.
    Role(Oid),
}

/// What one grantee holds by one grantor, on the whole object or on a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessItem {
    /// Who holds it.
    pub grantee: Grantee,
    /// Who gave it.
    pub grantor: Oid,
    /// The id of the column; `None` is the whole object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// What is held.
    pub privileges: Privileges,
    /// What of it may be given on.
    #[serde(default)]
    pub grantable: Privileges,
}

/// Who holds what on an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessList {
    /// One item per grantee, grantor and column.
    pub items: Vec<AccessItem>,
}

/// What kind of object a list is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ObjectKind {
    /// A table or view.
    Relation,
    /// A schema.
    Schema,
    /// A database.
    Database,
    /// A function.
    Function,
    /// A procedure.
    Procedure,
    /// A language.
    Language,
}

impl ObjectKind {
    /// Gives the privileges there are on such an object: what ALL means, and what its owner has.
    pub fn all(self) -> Privileges {
        Privileges::of(match self {
            Self::Relation => &[
                Privilege::Insert,
                Privilege::Select,
                Privilege::Update,
                Privilege::Delete,
                Privilege::References,
                Privilege::Drop,
                Privilege::Truncate,
                Privilege::Alter,
            ],
            Self::Schema => &[
                Privilege::Usage,
                Privilege::Create,
                Privilege::Alter,
                Privilege::Drop,
            ],
            Self::Database => &[
                Privilege::Create,
                Privilege::Temporary,
                Privilege::Usage,
                Privilege::Alter,
            ],
            Self::Function | Self::Procedure => &[Privilege::Execute],
            Self::Language => &[Privilege::Usage],
        })
    }

    /// Gives what PUBLIC has on a new object.
    fn public(self, oid: Oid) -> Privileges {
        match self {
            Self::Schema => match oid {
                PUBLIC_OID => Privileges::of(&[Privilege::Usage, Privilege::Create]),
                PG_CATALOG_OID | INFORMATION_SCHEMA_OID => Privileges::of(&[Privilege::Usage]),
                _ => Privileges::NONE,
            },
            Self::Database => Privileges::of(&[Privilege::Temporary, Privilege::Usage]),
            Self::Function => Privileges::of(&[Privilege::Execute]),
            Self::Language => Privileges::of(&[Privilege::Usage]),
            Self::Relation | Self::Procedure => Privileges::NONE,
        }
    }

    /// Gives the word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Relation => "relation",
            Self::Schema => "schema",
            Self::Database => "database",
            Self::Function => "function",
            Self::Procedure => "procedure",
            Self::Language => "language",
        }
    }
}

/// An object that access lists are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its oid.
    pub oid: Oid,
    /// Its owner.
    pub owner: Oid,
    /// Its kind.
    pub kind: ObjectKind,
}

impl From<&super::Schema> for Object {
    fn from(schema: &super::Schema) -> Self {
        Self {
            oid: schema.oid,
            owner: schema.owner,
            kind: ObjectKind::Schema,
        }
    }
}

impl From<&super::routine::Routine> for Object {
    fn from(routine: &super::routine::Routine) -> Self {
        Self {
            oid: routine.oid,
            owner: routine.owner,
            kind: match routine.kind {
                RoutineKind::Function => ObjectKind::Function,
                RoutineKind::Procedure => ObjectKind::Procedure,
            },
        }
    }
}

impl From<&super::name::Relation> for Object {
    fn from(relation: &super::name::Relation) -> Self {
        Self {
            oid: relation.oid(),
            owner: relation.owner(),
            kind: ObjectKind::Relation,
        }
    }
}

impl AccessList {
    /// Gives the list an object is born with.
    pub fn initial(object: Object) -> Self {
        let mut list = Self::default();
        let all = object.kind.all();
        list.give(
            Grantee::User(object.owner),
            object.owner,
            None,
            all,
            Privileges::NONE,
        );
        let public = object.kind.public(object.oid);
        list.give(
            Grantee::Public,
            object.owner,
            None,
            public,
            Privileges::NONE,
        );
        list
    }

    /// Adds privileges.
    pub fn give(
        &mut self,
        grantee: Grantee,
        grantor: Oid,
        column: Option<u32>,
        privileges: Privileges,
        grantable: Privileges,
    ) {
        if privileges.is_empty() {
            return;
        }
        let known = self.items.iter_mut().find(|item| {
            item.grantee == grantee && item.grantor == grantor && item.column == column
        });
        match known {
            Some(item) => {
                item.privileges = item.privileges.with(privileges);
                item.grantable = item.grantable.with(grantable);
            }
            None => self.items.push(AccessItem {
                grantee,
                grantor,
                column,
                privileges,
                grantable,
            }),
        }
    }

    /// Takes privileges away, or the option to give them on alone, of every item that `is_meant`.
    pub fn take(
        &mut self,
        privileges: Privileges,
        option_only: bool,
        is_meant: impl Fn(&AccessItem) -> bool,
    ) {
        for item in self.items.iter_mut().filter(|item| is_meant(item)) {
            item.grantable = item.grantable.without(privileges);
            if !option_only {
                item.privileges = item.privileges.without(privileges);
            }
        }
        self.items.retain(|item| !item.privileges.is_empty());
    }

    /// Gives what was granted by and to the old owner to the new one.
    pub fn change_owner(&mut self, from: Oid, to: Oid) {
        let before = std::mem::take(&mut self.items);
        for mut item in before {
            if item.grantor == from {
                item.grantor = to;
            }
            if item.grantee == Grantee::User(from) {
                item.grantee = Grantee::User(to);
            }
            self.give(
                item.grantee,
                item.grantor,
                item.column,
                item.privileges,
                item.grantable,
            );
        }
    }

    /// Tells whether a user, group or role is named anywhere.
    pub fn names(&self, who: Grantee) -> bool {
        self.items
            .iter()
            .any(|item| item.grantee == who || Grantee::User(item.grantor) == who)
    }
}

/// A group of users.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// Its oid (`grosysid`).
    pub oid: Oid,
    /// Its name.
    pub name: String,
    /// Oids of its users, in the order they were added.
    pub users: Vec<Oid>,
}

/// Who has a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleMember {
    /// A user, a role or PUBLIC.
    pub who: Grantee,
    /// WITH ADMIN OPTION.
    #[serde(default)]
    pub admin: bool,
}

/// A role: permissions that users and other roles can have together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Role {
    /// Its oid.
    pub oid: Oid,
    /// Its name.
    pub name: String,
    /// The owner's oid.
    pub owner: Oid,
    /// Its id at an identity provider.
    #[serde(default)]
    pub external_id: Option<String>,
    /// Names of its system permissions.
    #[serde(default)]
    pub system: Vec<String>,
    /// Who has it.
    #[serde(default)]
    pub members: Vec<RoleMember>,
}

/// What new objects of a user are born with, beside the usual.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DefaultAccess {
    /// Whose objects.
    pub owner: Oid,
    /// In which schema; `None` is in all.
    pub schema: Option<Oid>,
    /// Of which kind: relation, function or procedure.
    pub kind: ObjectKind,
    /// What they are given. Without a schema this is the whole list, the owner's and PUBLIC's usual share included.
    pub list: AccessList,
}

/// The key of default privileges: owner, schema (0 is all) and kind.
pub type DefaultKey = (Oid, Oid, ObjectKind);

/// The oid of `sys:monitor`, the first of the system's roles.
const FIRST_SYSTEM_ROLE: Oid = 60;
/// The oid of `sys:secadmin`.
pub const SYS_SECADMIN_OID: Oid = 63;
/// The oid of `sys:superuser`.
pub const SYS_SUPERUSER_OID: Oid = 64;

/// System roles with the permissions they have of their own, in the order of their oids. Source: "Amazon Redshift
/// system-defined roles" of the guide. `sys:dba` also has what `sys:operator` has; `sys:superuser` has everything.
const SYSTEM_ROLES: &[(&str, &[&str])] = &[
    ("sys:monitor", &["ACCESS CATALOG", "ACCESS SYSTEM TABLE"]),
    (
        "sys:operator",
        &[
            "ACCESS CATALOG",
            "ACCESS SYSTEM TABLE",
            "ANALYZE",
            "VACUUM",
            "CANCEL",
        ],
    ),
    (
        "sys:dba",
        &[
            "CREATE SCHEMA",
            "CREATE TABLE",
            "DROP SCHEMA",
            "DROP TABLE",
            "TRUNCATE TABLE",
            "CREATE OR REPLACE PROCEDURE",
            "DROP PROCEDURE",
            "CREATE OR REPLACE FUNCTION",
            "CREATE OR REPLACE EXTERNAL FUNCTION",
            "CREATE OR REPLACE VIEW",
            "DROP VIEW",
            "ACCESS CATALOG",
            "ACCESS SYSTEM TABLE",
            "ANALYZE",
            "VACUUM",
            "CANCEL",
        ],
    ),
    (
        "sys:secadmin",
        &[
            "CREATE USER",
            "ALTER USER",
            "DROP USER",
            "CREATE ROLE",
            "DROP ROLE",
            "EXPLAIN MASKING",
            "EXPLAIN RLS",
            "IGNORE RLS",
        ],
    ),
    ("sys:superuser", SYSTEM_PRIVILEGES),
];

/// Gives the roles every database has. A data directory keeps one only once it has members.
pub(super) fn system_roles() -> HashMap<Oid, Arc<Role>> {
    let roles = (FIRST_SYSTEM_ROLE..).zip(SYSTEM_ROLES);
    roles
        .map(|(oid, (name, system))| {
            let role = Role {
                oid,
                name: (*name).to_string(),
                owner: super::ADMIN_OID,
                external_id: None,
                system: system.iter().map(|name| (*name).to_string()).collect(),
                members: Vec::new(),
            };
            (oid, Arc::new(role))
        })
        .collect()
}

impl Role {
    /// Tells whether the role is the system's own.
    pub fn is_system(&self) -> bool {
        self.name.starts_with("sys:")
    }
}

impl Catalog {
    /// Finds a group.
    pub fn group_named(&self, name: &str) -> Option<&Arc<Group>> {
        self.groups.values().find(|group| group.name == name)
    }

    /// Finds a role.
    pub fn role_named(&self, name: &str) -> Option<&Arc<Role>> {
        self.roles.values().find(|role| role.name == name)
    }

    /// Gives an object's access list as it is, or as the object was born.
    pub fn access_of(&self, object: Object) -> AccessList {
        match self.access.get(&object.oid) {
            Some(list) => AccessList::clone(list),
            None => AccessList::initial(object),
        }
    }

    /// Tells whether a user has a role, directly or through other roles.
    pub fn has_role(&self, user: Oid, role: Oid) -> bool {
        self.is_member(Grantee::User(user), role)
    }

    /// Tells whether a user or role has a role, directly or through other roles.
    pub fn is_member(&self, who: Grantee, role: Oid) -> bool {
        let mut seen = vec![role];
        let mut next = 0;
        while let Some(oid) = seen.get(next).copied() {
            next += 1;
            let Some(role) = self.roles.get(&oid) else {
                continue;
            };
            for member in &role.members {
                if member.who == who || member.who == Grantee::Public {
                    return true;
                }
                if let Grantee::Role(inner) = member.who
                    && !seen.contains(&inner)
                {
                    seen.push(inner);
                }
            }
        }
        false
    }

    /// Tells whether a user may do whatever is to be done.
    pub fn is_superuser(&self, user: &User) -> bool {
        user.superuser || self.has_role(user.oid, SYS_SUPERUSER_OID)
    }

    /// Tells whether a user has what a grantee was given.
    pub fn is(&self, user: Oid, grantee: Grantee) -> bool {
        match grantee {
            Grantee::Public => true,
            Grantee::User(oid) => oid == user,
            Grantee::Group(group) => {
                let group = self.groups.get(&group);
                group.is_some_and(|group| group.users.contains(&user))
            }
            Grantee::Role(role) => self.has_role(user, role),
        }
    }

    /// Tells whether a user has a system permission, by some role or as given to the user.
    pub fn has_system_privilege(&self, user: &User, privilege: &str) -> bool {
        user.superuser
            || user.system.iter().any(|name| name == privilege)
            || self.roles.values().any(|role| {
                role.system.iter().any(|name| name == privilege)
                    && self.has_role(user.oid, role.oid)
            })
    }

    /// Gives what a user may do with a whole object.
    pub fn privileges(&self, user: &User, object: Object) -> Privileges {
        if self.is_superuser(user) {
            return object.kind.all();
        }
        let scoped = self.scoped_privileges(user, object);
        let Some(list) = self.access.get(&object.oid) else {
            return match object.owner == user.oid {
                true => object.kind.all(),
                false => object.kind.public(object.oid).with(scoped),
            };
        };
        let items = list.items.iter().filter(|item| item.column.is_none());
        let held = items.filter(|item| self.is(user.oid, item.grantee));
        held.fold(scoped, |all, item| all.with(item.privileges))
    }

    /// Gives what a user may do with a column beside what they may do with the whole.
    pub fn column_privileges(&self, user: &User, object: Object, column: u32) -> Privileges {
        let Some(list) = self.access.get(&object.oid) else {
            return Privileges::NONE;
        };
        let items = list.items.iter();
        let held =
            items.filter(|item| item.column == Some(column) && self.is(user.oid, item.grantee));
        held.fold(Privileges::NONE, |all, item| all.with(item.privileges))
    }

    /// Tells whether a user may do something with a whole object.
    pub fn may(&self, user: &User, object: Object, privilege: Privilege) -> bool {
        self.privileges(user, object).has(privilege)
    }

    /// Gives what a user may give on: an owner and a superuser everything.
    pub fn grantable(&self, user: &User, object: Object) -> Privileges {
        if self.is_superuser(user) || object.owner == user.oid {
            return object.kind.all();
        }
        let scoped = self.scoped_grantable(user, object);
        let Some(list) = self.access.get(&object.oid) else {
            return scoped;
        };
        let items = list.items.iter().filter(|item| item.column.is_none());
        let held = items.filter(|item| item.grantee == Grantee::User(user.oid));
        held.fold(scoped, |all, item| all.with(item.grantable))
    }

    /// Gives the list a new object begins with, if the owner's default privileges say something.
    pub fn default_access(&self, object: Object, schema: Oid) -> Option<AccessList> {
        let everywhere = self.defaults.get(&(object.owner, 0, object.kind));
        let here = self.defaults.get(&(object.owner, schema, object.kind));
        if everywhere.is_none() && here.is_none() {
            return None;
        }
        let mut list = match everywhere {
            Some(defaults) => defaults.list.clone(),
            None => AccessList::initial(object),
        };
        for item in here.iter().flat_map(|defaults| &defaults.list.items) {
            list.give(
                item.grantee,
                item.grantor,
                None,
                item.privileges,
                item.grantable,
            );
        }
        (list != AccessList::initial(object)).then_some(list)
    }

    /// Gives a grantee's name and kind, as system views print them.
    pub fn grantee_name(&self, grantee: Grantee) -> (String, &'static str) {
        let unknown = || "unknown".to_string();
        match grantee {
            Grantee::Public => ("public".to_string(), "public"),
            Grantee::User(oid) => {
                let user = self.users.get(&oid);
                (user.map_or_else(unknown, |user| user.name.clone()), "user")
            }
            Grantee::Group(oid) => {
                let group = self.groups.get(&oid);
                (
                    group.map_or_else(unknown, |group| group.name.clone()),
                    "group",
                )
            }
            Grantee::Role(oid) => {
                let role = self.roles.get(&oid);
                (role.map_or_else(unknown, |role| role.name.clone()), "role")
            }
        }
    }

    /// Writes an access list as PostgreSQL's catalogs do: `{admin=arwdx/admin,=r/admin,"group g=r/admin"}`; `column`
    /// chooses the items of a column. `None` without any.
    pub fn access_text(&self, list: &AccessList, column: Option<u32>) -> Option<String> {
        let items = list.items.iter().filter(|item| item.column == column);
        let texts: Vec<String> = items.map(|item| self.item_text(item)).collect();
        (!texts.is_empty()).then(|| format!("{{{}}}", texts.join(",")))
    }

    fn item_text(&self, item: &AccessItem) -> String {
        let (name, kind) = self.grantee_name(item.grantee);
        let name = super::name::quoted(&name);
        let who = match kind {
            "public" => String::new(),
            "user" => name,
            kind => format!("{kind} {name}"),
        };
        let mut letters = String::new();
        for privilege in item.privileges.iter() {
            letters.push(letter(privilege));
            if item.grantable.has(privilege) {
                letters.push('*');
            }
        }
        let grantor = self.grantee_name(Grantee::User(item.grantor)).0;
        let text = format!("{who}={letters}/{}", super::name::quoted(&grantor));
        match text.contains([' ', '"', ',', '{', '}', '\\']) {
            true => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
            false => text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object() -> Object {
        Object {
            oid: 200,
            owner: 100,
            kind: ObjectKind::Relation,
        }
    }

    fn user(oid: Oid, name: &str) -> User {
        User {
            oid,
            name: name.to_string(),
            ..User::default()
        }
    }

    #[test]
    fn letters_go_there_and_back() {
        let all = Privileges::of(&Privilege::ALL);
        let text = String::from(all);
        assert_eq!(text, "arwdxDPAXUCT");
        assert_eq!(Privileges::from(text), all);
    }

    #[test]
    fn an_owner_has_everything_until_it_is_revoked() {
        let mut catalog = Catalog::default();
        let owner = user(100, "owner");
        assert!(catalog.may(&owner, object(), Privilege::Insert));
        let mut list = AccessList::initial(object());
        list.take(Privileges::of(&[Privilege::Insert]), false, |item| {
            item.grantee == Grantee::User(100)
        });
        catalog.access.insert(200, Arc::new(list));
        assert!(!catalog.may(&owner, object(), Privilege::Insert));
        assert!(catalog.may(&owner, object(), Privilege::Select));
        assert!(catalog.grantable(&owner, object()).has(Privilege::Insert));
    }

    #[test]
    fn rights_come_through_groups_and_roles_in_roles() {
        let mut catalog = Catalog::default();
        let bob = user(101, "bob");
        let group = Group {
            oid: 300,
            name: "g".to_string(),
            users: vec![101],
        };
        catalog.groups.insert(300, Arc::new(group));
        let role = |oid, who| Role {
            oid,
            name: format!("r{oid}"),
            owner: 100,
            external_id: None,
            system: Vec::new(),
            members: vec![RoleMember { who, admin: false }],
        };
        catalog
            .roles
            .insert(400, Arc::new(role(400, Grantee::Role(401))));
        catalog
            .roles
            .insert(401, Arc::new(role(401, Grantee::User(101))));
        let mut list = AccessList::initial(object());
        let insert = Privileges::of(&[Privilege::Insert]);
        let select = Privileges::of(&[Privilege::Select]);
        list.give(Grantee::Group(300), 100, None, insert, Privileges::NONE);
        list.give(Grantee::Role(400), 100, None, select, select);
        assert_eq!(
            catalog.access_text(&list, None).unwrap(),
            "{unknown=arwdxDPA/unknown,\"group g=a/unknown\",\"role r400=r*/unknown\"}"
        );
        catalog.access.insert(200, Arc::new(list));
        assert!(catalog.may(&bob, object(), Privilege::Insert));
        assert!(catalog.may(&bob, object(), Privilege::Select));
        assert!(!catalog.may(&bob, object(), Privilege::Delete));
        assert!(!catalog.may(&user(102, "eve"), object(), Privilege::Select));
    }

    #[test]
    fn a_new_owner_has_what_the_old_one_had() {
        let mut list = AccessList::initial(object());
        let select = Privileges::of(&[Privilege::Select]);
        list.give(Grantee::User(101), 100, None, select, Privileges::NONE);
        list.change_owner(100, 101);
        assert_eq!(list.items.len(), 1);
        assert_eq!(list.items[0].grantor, 101);
        assert_eq!(list.items[0].privileges, ObjectKind::Relation.all());
    }
}
