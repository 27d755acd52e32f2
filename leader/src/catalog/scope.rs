//! Permissions in a scope: what is held on all objects of a kind in a schema or database, those to come too.
//!
//! They are kept beside default privileges, as those of nobody, under the schema or database and the kind. They add to
//! what an object's own list gives, and go with the schema or database.

use super::access::{
    AccessList, DefaultAccess, DefaultKey, Grantee, Object, ObjectKind, Privileges,
};
use super::{Catalog, Oid, User};
use std::sync::Arc;

/// Whose objects they are on: everybody's.
const NOBODY: Oid = 0;

/// Gives the key of what is held on the objects of a kind in a schema or database.
pub fn scope_key(place: Oid, kind: ObjectKind) -> DefaultKey {
    (NOBODY, place, kind)
}

impl DefaultAccess {
    /// Tells whether it is of a scope, and not what new objects of a user are born with.
    pub fn is_scope(&self) -> bool {
        self.owner == NOBODY
    }
}

impl Catalog {
    /// Gives what is held in the scopes that an object is in.
    fn scopes(&self, object: Object) -> impl Iterator<Item = &AccessList> {
        let schema = match object.kind {
            _ if self.defaults.is_empty() => None,
            ObjectKind::Relation => {
                let table = self.tables.get(&object.oid).map(|table| table.schema);
                table.or_else(|| self.views.get(&object.oid).map(|view| view.schema))
            }
            ObjectKind::Function | ObjectKind::Procedure => {
                self.routines.get(&object.oid).map(|routine| routine.schema)
            }
            _ => None,
        };
        let database = match object.kind {
            ObjectKind::Schema => Some(object.oid),
            ObjectKind::Language => None,
            _ => schema,
        };
        let database = database.and_then(|oid| self.schemas.get(&oid));
        let database = match object.kind {
            ObjectKind::Database => None,
            ObjectKind::Language => Some(self.database),
            _ => database.map(|schema| schema.database),
        };
        let places = schema.into_iter().chain(database);
        let lists =
            places.filter_map(move |place| self.defaults.get(&scope_key(place, object.kind)));
        lists.map(|scope| &scope.list)
    }

    /// Gives what a user may do with an object by the scopes it is in.
    pub(super) fn scoped_privileges(&self, user: &User, object: Object) -> Privileges {
        let items = self.scopes(object).flat_map(|list| &list.items);
        let held = items.filter(|item| self.is(user.oid, item.grantee));
        held.fold(Privileges::NONE, |all, item| all.with(item.privileges))
    }

    /// Gives what a user may give on of an object by the scopes it is in.
    pub(super) fn scoped_grantable(&self, user: &User, object: Object) -> Privileges {
        let items = self.scopes(object).flat_map(|list| &list.items);
        let held = items.filter(|item| item.grantee == Grantee::User(user.oid));
        held.fold(Privileges::NONE, |all, item| all.with(item.grantable))
    }

    /// Gives what is held in the scopes of a schema or database, by kind.
    pub fn scopes_of(&self, place: Oid) -> Vec<&Arc<DefaultAccess>> {
        let all = [
            ObjectKind::Schema,
            ObjectKind::Relation,
            ObjectKind::Function,
            ObjectKind::Procedure,
            ObjectKind::Language,
        ];
        let found = all.into_iter();
        let found = found.filter_map(|kind| self.defaults.get(&scope_key(place, kind)));
        found.collect()
    }
}
