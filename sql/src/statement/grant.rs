//! GRANT, REVOKE and ALTER DEFAULT PRIVILEGES: who may do what with which objects, who has which role, and which system
//! permissions a role has.
//!
//! The three kinds of GRANT begin alike: a list of permissions, then ON (an object), or TO (system permissions of a
//! role); GRANT ROLE gives roles.

mod scope;

pub use scope::{GrantScope, ScopeKind};

use super::policy::{self, GrantToPolicies};
use super::{ObjectName, Statement};
use crate::error::{Error, Result};
use crate::parser::cursor::Cursor;
use crate::types::SqlType;
use sqlparser::tokenizer::Token;

/// What may be done with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Privilege {
    /// Read rows.
    Select,
    /// Add rows.
    Insert,
    /// Change rows.
    Update,
    /// Delete rows.
    Delete,
    /// Refer to a table by a foreign key.
    References,
    /// Drop.
    Drop,
    /// Remove all rows.
    Truncate,
    /// Change the definition.
    Alter,
    /// Make objects inside.
    Create,
    /// Make temporary tables.
    Temporary,
    /// Name the objects inside; write functions in a language.
    Usage,
    /// Call.
    Execute,
}

impl Privilege {
    /// Every privilege, in the order access lists print them.
    pub const ALL: [Self; 12] = [
        Self::Insert,
        Self::Select,
        Self::Update,
        Self::Delete,
        Self::References,
        Self::Drop,
        Self::Truncate,
        Self::Alter,
        Self::Execute,
        Self::Usage,
        Self::Create,
        Self::Temporary,
    ];

    /// Gives its name in SQL and in the system views.
    pub fn name(self) -> &'static str {
        match self {
            Self::Select => "SELECT",
            Self::Insert => "INSERT",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::References => "REFERENCES",
            Self::Drop => "DROP",
            Self::Truncate => "TRUNCATE",
            Self::Alter => "ALTER",
            Self::Create => "CREATE",
            Self::Temporary => "TEMP",
            Self::Usage => "USAGE",
            Self::Execute => "EXECUTE",
        }
    }

    /// Finds a privilege by its name, in any case.
    pub fn named(name: &str) -> Option<Self> {
        let name = name.trim();
        if name.eq_ignore_ascii_case("temporary") {
            return Some(Self::Temporary);
        }
        Self::ALL
            .into_iter()
            .find(|privilege| privilege.name().eq_ignore_ascii_case(name))
    }
}

/// Permissions that a role has on the whole database.
pub const SYSTEM_PRIVILEGES: &[&str] = &[
    "ACCESS CATALOG",
    "ACCESS SYSTEM TABLE",
    "ALTER DATASHARE",
    "ALTER DEFAULT PRIVILEGES",
    "ALTER TABLE",
    "ALTER USER",
    "ANALYZE",
    "CANCEL",
    "CREATE DATASHARE",
    "CREATE LIBRARY",
    "CREATE MODEL",
    "CREATE OR REPLACE EXTERNAL FUNCTION",
    "CREATE OR REPLACE FUNCTION",
    "CREATE OR REPLACE PROCEDURE",
    "CREATE OR REPLACE VIEW",
    "CREATE ROLE",
    "CREATE SCHEMA",
    "CREATE TABLE",
    "CREATE USER",
    "DROP DATASHARE",
    "DROP FUNCTION",
    "DROP LIBRARY",
    "DROP MODEL",
    "DROP PROCEDURE",
    "DROP ROLE",
    "DROP SCHEMA",
    "DROP TABLE",
    "DROP USER",
    "DROP VIEW",
    EXPLAIN_MASKING,
    EXPLAIN_RLS,
    IGNORE_RLS,
    "TRUNCATE TABLE",
    "VACUUM",
];

/// The permission to see in plans what masks a column.
pub const EXPLAIN_MASKING: &str = "EXPLAIN MASKING";
/// The permission to see in plans what keeps rows from being seen.
pub const EXPLAIN_RLS: &str = "EXPLAIN RLS";
/// The permission to see all rows whatever the policies say.
pub const IGNORE_RLS: &str = "IGNORE RLS";

/// The permissions about policies: users can hold them too, security administrators give them, and ALL is without.
pub const POLICY_PRIVILEGES: &[&str] = &[EXPLAIN_MASKING, EXPLAIN_RLS, IGNORE_RLS];

/// One permission of a list, perhaps on columns alone.
#[derive(Clone, Debug)]
pub struct PrivilegeItem {
    /// `None` is ALL.
    pub privilege: Option<Privilege>,
    /// Columns; empty is the whole object.
    pub columns: Vec<String>,
}

/// A function or procedure with the types of its arguments.
#[derive(Clone, Debug)]
pub struct RoutineName {
    /// Its name.
    pub name: ObjectName,
    /// The types of its arguments.
    pub arguments: Vec<SqlType>,
}

/// What permissions are about.
#[derive(Clone, Debug)]
pub enum GrantObject {
    /// Tables and views.
    Tables(Vec<ObjectName>),
    /// ALL TABLES IN SCHEMA.
    AllTables(Vec<String>),
    /// Databases.
    Databases(Vec<String>),
    /// Schemas.
    Schemas(Vec<String>),
    /// Functions.
    Functions(Vec<RoutineName>),
    /// ALL FUNCTIONS IN SCHEMA.
    AllFunctions(Vec<String>),
    /// Procedures.
    Procedures(Vec<RoutineName>),
    /// ALL PROCEDURES IN SCHEMA.
    AllProcedures(Vec<String>),
    /// Languages.
    Languages(Vec<String>),
    /// FOR: all objects of a kind in a place, those to come too.
    Scope(GrantScope),
}

/// Who is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// A user.
    User(String),
    /// A role.
    Role(String),
    /// A group.
    Group(String),
    /// Everybody.
    Public,
}

/// Who gets or loses permissions.
#[derive(Clone, Debug)]
pub struct GrantTo {
    /// Who.
    pub who: Principal,
    /// WITH GRANT OPTION, WITH ADMIN OPTION.
    pub option: bool,
}

/// How permissions change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GrantWay {
    /// REVOKE rather than GRANT.
    pub revoke: bool,
    /// GRANT OPTION FOR, ADMIN OPTION FOR.
    pub option_only: bool,
    /// REVOKE ... CASCADE.
    pub cascade: bool,
}

/// GRANT or REVOKE on objects.
#[derive(Clone, Debug)]
pub struct Grant {
    /// How.
    pub way: GrantWay,
    /// What.
    pub privileges: Vec<PrivilegeItem>,
    /// On what.
    pub object: GrantObject,
    /// To or from whom.
    pub to: Vec<GrantTo>,
}

/// GRANT ROLE or REVOKE ROLE.
#[derive(Clone, Debug)]
pub struct GrantRole {
    /// How.
    pub way: GrantWay,
    /// The roles.
    pub roles: Vec<String>,
    /// To or from whom.
    pub to: Vec<GrantTo>,
}

/// GRANT or REVOKE of system permissions.
#[derive(Clone, Debug)]
pub struct GrantSystem {
    /// How.
    pub way: GrantWay,
    /// Names of [`SYSTEM_PRIVILEGES`].
    pub privileges: Vec<&'static str>,
    /// To or from whom: roles, and of [`POLICY_PRIVILEGES`] also users.
    pub to: Vec<Principal>,
}

/// What default privileges are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefaultKind {
    /// TABLES: tables and views.
    Tables,
    /// FUNCTIONS.
    Functions,
    /// PROCEDURES.
    Procedures,
}

/// ALTER DEFAULT PRIVILEGES.
#[derive(Clone, Debug)]
pub struct DefaultPrivileges {
    /// FOR USER; empty is the current user.
    pub users: Vec<String>,
    /// IN SCHEMA; empty is everywhere.
    pub schemas: Vec<String>,
    /// How.
    pub way: GrantWay,
    /// What.
    pub privileges: Vec<PrivilegeItem>,
    /// On what new objects.
    pub kind: DefaultKind,
    /// To or from whom.
    pub to: Vec<GrantTo>,
}

/// Parses GRANT and REVOKE.
pub(crate) fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let mut way = way(cursor)?;
    if is_role_grant(cursor) {
        let roles = roles(cursor)?;
        let to = principals(cursor, &mut way)?;
        return Ok(Statement::GrantRole(GrantRole { way, roles, to }));
    }
    let items = items(cursor)?;
    if cursor.take_word("for") {
        return scope::parse(cursor, way, items);
    }
    if !cursor.take_word("on") {
        return system(cursor, way, &items);
    }
    refuse_absent(&items)?;
    let object = object(cursor)?;
    if let Some(statement) = to_policies(cursor, way, &items, &object)? {
        return Ok(statement);
    }
    let to = principals(cursor, &mut way)?;
    Ok(Statement::Grant(Box::new(Grant {
        way,
        privileges: privileges(items)?,
        object,
        to,
    })))
}

/// Parses ALTER DEFAULT PRIVILEGES.
pub(crate) fn parse_default(cursor: &mut Cursor<'_>) -> Result<Statement> {
    for word in ["alter", "default", "privileges"] {
        cursor.expect_word(word)?;
    }
    let mut users = Vec::new();
    if cursor.take_words(&["for", "user"]) {
        users = names(cursor)?;
    }
    let mut schemas = Vec::new();
    if cursor.take_words(&["in", "schema"]) {
        schemas = names(cursor)?;
    }
    let mut way = way(cursor)?;
    let items = items(cursor)?;
    cursor.expect_word("on")?;
    let kind = if cursor.take_word("tables") {
        DefaultKind::Tables
    } else if cursor.take_word("functions") {
        DefaultKind::Functions
    } else if cursor.take_word("procedures") {
        DefaultKind::Procedures
    } else {
        return Err(cursor.unexpected());
    };
    let to = principals(cursor, &mut way)?;
    Ok(Statement::DefaultPrivileges(Box::new(DefaultPrivileges {
        users,
        schemas,
        way,
        privileges: privileges(items)?,
        kind,
        to,
    })))
}

/// GRANT, REVOKE, REVOKE GRANT OPTION FOR, REVOKE ADMIN OPTION FOR.
fn way(cursor: &mut Cursor<'_>) -> Result<GrantWay> {
    let revoke = !cursor.take_word("grant");
    if revoke {
        cursor.expect_word("revoke")?;
    }
    let option_only = revoke
        && (cursor.take_words(&["grant", "option", "for"])
            || cursor.take_words(&["admin", "option", "for"]));
    Ok(GrantWay {
        revoke,
        option_only,
        cascade: false,
    })
}

/// GRANT ROLE a, and GRANT a: a name that is no permission, then a comma or TO.
fn is_role_grant(cursor: &Cursor<'_>) -> bool {
    if cursor.is_word("role") {
        return true;
    }
    let ends = cursor.peek_at(1) == Some(&Token::Comma)
        || cursor.is_word_at(1, "to")
        || cursor.is_word_at(1, "from");
    let is_permission = match cursor.peek_word() {
        Some(word) => {
            Privilege::named(&word).is_some()
                || ["all", "vacuum", "analyze", "cancel"].contains(&word.as_str())
        }
        // A quoted name.
        None => !matches!(cursor.peek(), Some(Token::Word(_))),
    };
    ends && !is_permission
}

fn roles(cursor: &mut Cursor<'_>) -> Result<Vec<String>> {
    let mut roles = Vec::new();
    loop {
        cursor.take_word("role");
        roles.push(role_name(cursor)?);
        if !cursor.take(&Token::Comma) {
            return Ok(roles);
        }
    }
}

/// A role's name: those of the system are written `sys:dba`, with or without quotes.
pub(super) fn role_name(cursor: &mut Cursor<'_>) -> Result<String> {
    let mut name = cursor.name()?;
    if cursor.take(&Token::Colon) {
        name = format!("{name}:{}", cursor.name()?);
    }
    Ok(name)
}

pub(super) fn names(cursor: &mut Cursor<'_>) -> Result<Vec<String>> {
    let mut names = vec![cursor.name()?];
    while cursor.take(&Token::Comma) {
        names.push(cursor.name()?);
    }
    Ok(names)
}

/// A permission as written: its words in upper case, its columns, and where it stands.
struct Item {
    words: String,
    columns: Vec<String>,
    position: usize,
}

fn items(cursor: &mut Cursor<'_>) -> Result<Vec<Item>> {
    let mut items = Vec::new();
    loop {
        let position = cursor.position();
        let mut words: Vec<String> = Vec::new();
        while let Some(word) = cursor.peek_word() {
            if ["on", "to", "from", "for"].contains(&word.as_str()) {
                break;
            }
            words.push(word.to_uppercase());
            cursor.skip();
        }
        if words.is_empty() {
            return Err(cursor.unexpected());
        }
        let columns = cursor.optional_name_list()?;
        items.push(Item {
            words: words.join(" "),
            columns,
            position,
        });
        if !cursor.take(&Token::Comma) {
            return Ok(items);
        }
    }
}

/// Refuses permissions on what does not exist here, before their objects, which are written in ways of their own.
fn refuse_absent(items: &[Item]) -> Result<()> {
    let absent = |item: &&Item| matches!(item.words.as_str(), "ASSUMEROLE" | "SHARE");
    match items.iter().find(absent) {
        Some(item) => Err(Error::unsupported(
            format!("permission {}", item.words),
            "There are no IAM roles and no datashares here; leave the statement out",
        )
        .at(item.position)),
        None => Ok(()),
    }
}

fn privileges(items: Vec<Item>) -> Result<Vec<PrivilegeItem>> {
    let privilege = |item: Item| {
        let privilege = match item.words.as_str() {
            "ALL" | "ALL PRIVILEGES" => None,
            words => Some(Privilege::named(words).ok_or_else(|| {
                Error::syntax(
                    format!("unrecognized privilege type \"{}\"", words.to_lowercase()),
                    Some(item.position),
                )
            })?),
        };
        Ok(PrivilegeItem {
            privilege,
            columns: item.columns,
        })
    };
    items.into_iter().map(privilege).collect()
}

/// System permissions: the cursor is at TO or FROM.
fn system(cursor: &mut Cursor<'_>, mut way: GrantWay, items: &[Item]) -> Result<Statement> {
    let mut privileges = Vec::new();
    for item in items {
        if ["ALL", "ALL PRIVILEGES"].contains(&item.words.as_str()) {
            let all = SYSTEM_PRIVILEGES.iter();
            privileges.extend(all.filter(|name| !POLICY_PRIVILEGES.contains(name)));
            continue;
        }
        let known = SYSTEM_PRIVILEGES.iter().find(|name| **name == item.words);
        let known = known.filter(|_| item.columns.is_empty()).ok_or_else(|| {
            let words = item.words.to_lowercase();
            Error::syntax(
                format!("unrecognized system permission \"{words}\""),
                Some(item.position),
            )
            .with_hint("Name an object with ON, or a system permission.")
        })?;
        privileges.push(*known);
    }
    let position = cursor.position();
    let for_users = privileges
        .iter()
        .all(|name| POLICY_PRIVILEGES.contains(name));
    let to = principals(cursor, &mut way)?
        .into_iter()
        .map(|to| match to.who {
            Principal::Role(_) => Ok(to.who),
            Principal::User(_) if for_users && !to.option => Ok(to.who),
            _ => Err(Error::syntax(
                "system permissions can be granted to roles only",
                Some(position),
            )
            .with_hint("Use TO ROLE, and grant the role to the user.")),
        });
    let to = to.collect::<Result<Vec<_>>>()?;
    Ok(Statement::GrantSystem(GrantSystem {
        way,
        privileges,
        to,
    }))
}

/// SELECT on tables TO or FROM policies, which read them whoever asks.
fn to_policies(
    cursor: &mut Cursor<'_>,
    way: GrantWay,
    items: &[Item],
    object: &GrantObject,
) -> Result<Option<Statement>> {
    let mut ahead = cursor.clone();
    ahead.skip();
    let Some(kind) = policy::kind(&mut ahead) else {
        return Ok(None);
    };
    let is_select = matches!(items, [item] if item.words == "SELECT" && item.columns.is_empty());
    let GrantObject::Tables(tables) = object else {
        return Err(cursor.unexpected());
    };
    if !is_select || way.option_only {
        return Err(Error::syntax(
            format!("only SELECT on tables goes to an {}", kind.words()),
            Some(cursor.position()),
        ));
    }
    cursor.expect_word(if way.revoke { "from" } else { "to" })?;
    policy::kind(cursor);
    let mut policies = vec![policy::name(cursor)?];
    while cursor.take(&Token::Comma) {
        policies.push(policy::name(cursor)?);
    }
    Ok(Some(Statement::GrantToPolicies(GrantToPolicies {
        revoke: way.revoke,
        tables: tables.clone(),
        kind,
        policies,
    })))
}

fn object(cursor: &mut Cursor<'_>) -> Result<GrantObject> {
    let position = cursor.position();
    for (words, name) in [
        (&["external"][..], "ON EXTERNAL objects"),
        (&["datashare"], "ON DATASHARE"),
        (&["model"], "ON MODEL"),
    ] {
        if cursor.are_words(words) && matches!(cursor.peek_at(1), Some(Token::Word(_))) {
            return Err(Error::unsupported(
                format!("GRANT or REVOKE {name}"),
                "Grant on tables, schemas, databases, functions and procedures",
            )
            .at(position));
        }
    }
    if cursor.take_words(&["all", "tables", "in", "schema"]) {
        return Ok(GrantObject::AllTables(names(cursor)?));
    }
    if cursor.take_words(&["all", "functions", "in", "schema"]) {
        return Ok(GrantObject::AllFunctions(names(cursor)?));
    }
    if cursor.take_words(&["all", "procedures", "in", "schema"]) {
        return Ok(GrantObject::AllProcedures(names(cursor)?));
    }
    if cursor.take_word("database") {
        return Ok(GrantObject::Databases(names(cursor)?));
    }
    if cursor.take_word("schema") {
        return Ok(GrantObject::Schemas(names(cursor)?));
    }
    if cursor.take_word("function") {
        return Ok(GrantObject::Functions(routines(cursor)?));
    }
    if cursor.take_word("procedure") {
        return Ok(GrantObject::Procedures(routines(cursor)?));
    }
    if cursor.take_word("language") {
        return Ok(GrantObject::Languages(names(cursor)?));
    }
    cursor.take_word("table");
    let mut tables = vec![cursor.object_name()?];
    while cursor.take(&Token::Comma) {
        tables.push(cursor.object_name()?);
    }
    Ok(GrantObject::Tables(tables))
}

fn routines(cursor: &mut Cursor<'_>) -> Result<Vec<RoutineName>> {
    let mut routines = vec![routine(cursor)?];
    while cursor.take(&Token::Comma) {
        routines.push(routine(cursor)?);
    }
    Ok(routines)
}

fn routine(cursor: &mut Cursor<'_>) -> Result<RoutineName> {
    let name = cursor.object_name()?;
    let mut arguments = Vec::new();
    cursor.expect(&Token::LParen)?;
    while cursor.peek() != Some(&Token::RParen) {
        if !arguments.is_empty() {
            cursor.expect(&Token::Comma)?;
        }
        for mode in ["inout", "in", "out"] {
            if cursor.take_word(mode) {
                break;
            }
        }
        // A name may stand before the type.
        let named = matches!(cursor.peek_at(1), Some(Token::Word(_)))
            && !["varying", "precision", "with", "without"]
                .iter()
                .any(|word| cursor.is_word_at(1, word));
        if named {
            cursor.skip();
        }
        arguments.push(crate::types::parse(cursor)?);
    }
    cursor.expect(&Token::RParen)?;
    Ok(RoutineName { name, arguments })
}

/// TO or FROM, then who; and how a REVOKE ends.
fn principals(cursor: &mut Cursor<'_>, way: &mut GrantWay) -> Result<Vec<GrantTo>> {
    cursor.expect_word(if way.revoke { "from" } else { "to" })?;
    let mut to = Vec::new();
    loop {
        let who = if cursor.take_word("public") {
            Principal::Public
        } else if cursor.take_word("group") {
            Principal::Group(cursor.name()?)
        } else if cursor.take_word("role") {
            Principal::Role(role_name(cursor)?)
        } else {
            if cursor.is_word("iam_role") {
                return Err(Error::unsupported(
                    "GRANT to IAM roles",
                    "Grant to users, groups and roles",
                )
                .at(cursor.position()));
            }
            cursor.take_word("user");
            Principal::User(cursor.name()?)
        };
        let position = cursor.position();
        let option = !way.revoke
            && (cursor.take_words(&["with", "grant", "option"])
                || cursor.take_words(&["with", "admin", "option"]));
        if option && !matches!(who, Principal::User(_)) {
            return Err(Error::syntax(
                "WITH GRANT OPTION can only be given to users",
                Some(position),
            )
            .with_hint("A group, a role and PUBLIC cannot hold it."));
        }
        to.push(GrantTo { who, option });
        if !cursor.take(&Token::Comma) {
            break;
        }
    }
    if way.revoke {
        way.cascade = cursor.take_word("cascade");
        if !way.cascade {
            cursor.take_word("restrict");
        }
    }
    Ok(to)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Result<Statement> {
        let mut parsed = super::super::parse(text)?;
        Ok(parsed.remove(0).statement)
    }

    #[test]
    fn permissions_on_objects() {
        let Statement::Grant(grant) =
            one("grant select (a, b), update on table t, s.u to bob, group g, role r, public")
                .unwrap()
        else {
            panic!("no GRANT");
        };
        assert_eq!(grant.privileges[0].columns, ["a", "b"]);
        assert_eq!(grant.privileges[1].privilege, Some(Privilege::Update));
        assert!(matches!(&grant.object, GrantObject::Tables(tables) if tables.len() == 2));
        let who: Vec<_> = grant.to.into_iter().map(|to| to.who).collect();
        assert_eq!(who[1], Principal::Group("g".to_owned()));
        assert_eq!(who[3], Principal::Public);
    }

    #[test]
    fn roles_and_system_permissions() {
        let Statement::GrantRole(grant) =
            one("grant role sys:dba, r2 to bob with admin option").unwrap()
        else {
            panic!("no GRANT ROLE");
        };
        assert_eq!(grant.roles, ["sys:dba", "r2"]);
        assert!(grant.to[0].option);
        let Statement::GrantSystem(grant) =
            one("revoke create or replace view, vacuum from role r").unwrap()
        else {
            panic!("no system permissions");
        };
        assert_eq!(grant.privileges, ["CREATE OR REPLACE VIEW", "VACUUM"]);
        assert!(grant.way.revoke);
        assert!(matches!(
            one("grant sample_role1 to user1").unwrap(),
            Statement::GrantRole(_)
        ));
    }

    #[test]
    fn what_cannot_be_said() {
        for text in [
            "grant select on t to group g with grant option",
            "grant fly on t to bob",
            "grant create table to bob",
            "grant select on t from bob",
            "revoke select on t",
        ] {
            assert!(one(text).is_err(), "{text}");
        }
    }

    #[test]
    fn defaults() {
        let Statement::DefaultPrivileges(given) = one(
            "alter default privileges for user a in schema s, t revoke execute on functions from public",
        )
        .unwrap() else {
            panic!("no ALTER DEFAULT PRIVILEGES");
        };
        assert_eq!(given.schemas, ["s", "t"]);
        assert_eq!(given.kind, DefaultKind::Functions);
    }
}
