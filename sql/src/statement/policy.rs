//! Policies: which rows of a table a user sees (RLS), and what is shown in the place of its columns (MASKING).
//!
//! Both kinds are made, changed, attached, detached and dropped alike, so one parser reads both; what only one of them
//! has, such as the PRIORITY of a mask, is refused for the other where it stands.

use super::grant::{Principal, role_name};
use super::{ObjectName, Statement};
use crate::error::{Error, Result};
use crate::parser::cursor::Cursor;
use crate::types::SqlType;
use sqlparser::tokenizer::Token;

/// What a policy decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyKind {
    /// RLS: which rows are seen.
    Rows,
    /// MASKING: what is shown of a column.
    Mask,
}

impl PolicyKind {
    /// Gives its name, as in CREATE and in messages.
    pub fn words(self) -> &'static str {
        match self {
            Self::Rows => "RLS POLICY",
            Self::Mask => "MASKING POLICY",
        }
    }
}

/// `CREATE RLS POLICY` and `CREATE MASKING POLICY`.
#[derive(Clone, Debug)]
pub struct CreatePolicy {
    /// What it decides.
    pub kind: PolicyKind,
    /// Its name.
    pub name: PolicyName,
    /// IF NOT EXISTS.
    pub if_not_exists: bool,
    /// WITH: the columns it looks at, and their types.
    pub columns: Vec<(String, SqlType)>,
    /// AS: the name that it knows the table by.
    pub alias: Option<String>,
    /// USING: the condition, or the values, as written between the parentheses.
    pub text: String,
}

/// The name of a policy, perhaps with its database.
#[derive(Clone, Debug)]
pub struct PolicyName {
    /// The database, if it was written.
    pub database: Option<String>,
    /// The name.
    pub name: String,
}

/// `ALTER ... POLICY name USING (...)`.
#[derive(Clone, Debug)]
pub struct AlterPolicy {
    /// What it decides.
    pub kind: PolicyKind,
    /// Its name.
    pub name: PolicyName,
    /// The new condition or values.
    pub text: String,
}

/// `DROP ... POLICY`.
#[derive(Clone, Debug)]
pub struct DropPolicy {
    /// What it decides.
    pub kind: PolicyKind,
    /// Its name.
    pub name: PolicyName,
    /// IF EXISTS.
    pub if_exists: bool,
    /// CASCADE: it is detached from everything first.
    pub cascade: bool,
}

/// `ATTACH ... POLICY` and `DETACH ... POLICY`.
#[derive(Clone, Debug)]
pub struct AttachPolicy {
    /// What it decides.
    pub kind: PolicyKind,
    /// DETACH rather than ATTACH.
    pub detach: bool,
    /// Its name.
    pub name: PolicyName,
    /// The tables.
    pub tables: Vec<ObjectName>,
    /// What is masked.
    pub outputs: Vec<MaskedPlace>,
    /// USING: what the mask is computed from; empty is what is masked.
    pub inputs: Vec<MaskedPlace>,
    /// To or from whom.
    pub to: Vec<Principal>,
    /// PRIORITY.
    pub priority: i32,
}

/// A column, or a part of a SUPER.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaskedPlace {
    /// The column.
    pub column: String,
    /// The keys on the way to the part; empty is the whole column.
    pub path: Vec<String>,
}

/// `ROW LEVEL SECURITY ON | OFF` of a table or materialized view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowSecurity {
    /// ON.
    pub is_on: bool,
    /// CONJUNCTION TYPE: whether a row need pass one policy only (OR) or all (AND), if it is said.
    pub any: Option<bool>,
    /// FOR DATASHARES: what holds there alone.
    pub for_datashares: bool,
}

/// `GRANT SELECT ON tables TO RLS | MASKING POLICY names`, and REVOKE.
#[derive(Clone, Debug)]
pub struct GrantToPolicies {
    /// REVOKE.
    pub revoke: bool,
    /// The tables.
    pub tables: Vec<ObjectName>,
    /// What the policies decide.
    pub kind: PolicyKind,
    /// The policies.
    pub policies: Vec<PolicyName>,
}

/// Steps over RLS POLICY or MASKING POLICY, if one is next.
pub(super) fn kind(cursor: &mut Cursor<'_>) -> Option<PolicyKind> {
    if cursor.take_words(&["rls", "policy"]) {
        return Some(PolicyKind::Rows);
    }
    cursor
        .take_words(&["masking", "policy"])
        .then_some(PolicyKind::Mask)
}

/// Tells whether the word after the first begins the name of a kind of policy.
pub(super) fn is_next(cursor: &Cursor<'_>) -> bool {
    (cursor.is_word_at(1, "rls") || cursor.is_word_at(1, "masking"))
        && cursor.is_word_at(2, "policy")
}

/// Parses CREATE, ALTER, DROP, ATTACH and DETACH of policies; the cursor is at the first word.
pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let verb = cursor.word()?;
    let kind = kind(cursor).ok_or_else(|| cursor.unexpected())?;
    match verb.as_str() {
        "create" => create(cursor, kind),
        "alter" => Ok(Statement::AlterPolicy(AlterPolicy {
            kind,
            name: name(cursor)?,
            text: using(cursor)?,
        })),
        "drop" => drop(cursor, kind),
        "attach" => attach(cursor, kind, false),
        "detach" => attach(cursor, kind, true),
        _ => Err(cursor.unexpected()),
    }
}

/// A policy is known by its name within its database.
pub(super) fn name(cursor: &mut Cursor<'_>) -> Result<PolicyName> {
    let first = cursor.name()?;
    if !cursor.take(&Token::Period) {
        return Ok(PolicyName {
            database: None,
            name: first,
        });
    }
    Ok(PolicyName {
        database: Some(first),
        name: cursor.name()?,
    })
}

fn create(cursor: &mut Cursor<'_>, kind: PolicyKind) -> Result<Statement> {
    let if_not_exists = kind == PolicyKind::Mask && cursor.take_words(&["if", "not", "exists"]);
    let name = name(cursor)?;
    let (mut columns, mut alias) = (Vec::new(), None);
    // A mask without columns has nothing to be computed from.
    if kind == PolicyKind::Mask || cursor.is_word("with") {
        cursor.expect_word("with")?;
        columns = definitions(cursor)?;
        if kind == PolicyKind::Rows && !cursor.is_word("using") {
            cursor.take_word("as");
            alias = Some(cursor.name()?);
        }
    }
    Ok(Statement::CreatePolicy(Box::new(CreatePolicy {
        kind,
        name,
        if_not_exists,
        columns,
        alias,
        text: using(cursor)?,
    })))
}

fn definitions(cursor: &mut Cursor<'_>) -> Result<Vec<(String, SqlType)>> {
    cursor.expect(&Token::LParen)?;
    let mut columns: Vec<(String, SqlType)> = Vec::new();
    loop {
        let position = cursor.position();
        let name = cursor.name()?;
        if columns.iter().any(|(other, _)| *other == name) {
            return Err(Error::new(
                crate::sqlstate::SqlState::DUPLICATE_COLUMN,
                format!("column \"{name}\" specified more than once"),
            )
            .at(position));
        }
        columns.push((name, crate::types::parse(cursor)?));
        if !cursor.take(&Token::Comma) {
            cursor.expect(&Token::RParen)?;
            return Ok(columns);
        }
    }
}

/// `USING (expression, ...)`: gives the text between the parentheses, which is known to be expressions.
fn using(cursor: &mut Cursor<'_>) -> Result<String> {
    cursor.expect_word("using")?;
    cursor.expect(&Token::LParen)?;
    let mark = cursor.mark();
    loop {
        cursor.expression()?;
        if !cursor.take(&Token::Comma) {
            break;
        }
    }
    let text = cursor.text_from(mark).to_owned();
    cursor.expect(&Token::RParen)?;
    Ok(text)
}

fn drop(cursor: &mut Cursor<'_>, kind: PolicyKind) -> Result<Statement> {
    let if_exists = kind == PolicyKind::Rows && cursor.take_words(&["if", "exists"]);
    let name = name(cursor)?;
    let cascade = kind == PolicyKind::Rows && cursor.take_word("cascade");
    if kind == PolicyKind::Rows && !cascade {
        cursor.take_word("restrict");
    }
    Ok(Statement::DropPolicy(DropPolicy {
        kind,
        name,
        if_exists,
        cascade,
    }))
}

fn attach(cursor: &mut Cursor<'_>, kind: PolicyKind, detach: bool) -> Result<Statement> {
    let name = name(cursor)?;
    cursor.expect_word("on")?;
    cursor.take_word("table");
    let mut attach = AttachPolicy {
        kind,
        detach,
        name,
        tables: vec![cursor.object_name()?],
        outputs: Vec::new(),
        inputs: Vec::new(),
        to: Vec::new(),
        priority: 0,
    };
    match kind {
        PolicyKind::Rows => {
            while cursor.take(&Token::Comma) {
                attach.tables.push(cursor.object_name()?);
            }
        }
        PolicyKind::Mask => {
            attach.outputs = masked(cursor)?;
            if !detach && cursor.take_word("using") {
                attach.inputs = masked(cursor)?;
            }
        }
    }
    cursor.expect_word(if detach { "from" } else { "to" })?;
    attach.to.push(principal(cursor)?);
    while kind == PolicyKind::Rows && cursor.take(&Token::Comma) {
        attach.to.push(principal(cursor)?);
    }
    if kind == PolicyKind::Mask && !detach && cursor.take_word("priority") {
        let position = cursor.position();
        let priority = cursor.integer()?;
        attach.priority = i32::try_from(priority)
            .ok()
            .filter(|priority| *priority >= 0)
            .ok_or_else(|| {
                Error::syntax(
                    format!("priority {priority} is out of range"),
                    Some(position),
                )
                .with_hint("Use a number from 0 to 2147483647.")
            })?;
    }
    Ok(match detach {
        true => Statement::DetachPolicy(Box::new(attach)),
        false => Statement::AttachPolicy(Box::new(attach)),
    })
}

/// `(column, column.key.key, ...)`; an element of an array is refused by name, as a mask is for single values.
fn masked(cursor: &mut Cursor<'_>) -> Result<Vec<MaskedPlace>> {
    cursor.expect(&Token::LParen)?;
    let mut places = Vec::new();
    loop {
        let column = cursor.name()?;
        let mut path = Vec::new();
        while cursor.take(&Token::Period) {
            path.push(cursor.name()?);
        }
        if cursor.peek() == Some(&Token::LBracket) {
            return Err(Error::unsupported(
                "a masking policy on an element of an array",
                "Name keys of objects alone, or mask the whole column",
            )
            .at(cursor.position()));
        }
        places.push(MaskedPlace { column, path });
        if !cursor.take(&Token::Comma) {
            break;
        }
    }
    cursor.expect(&Token::RParen)?;
    Ok(places)
}

fn principal(cursor: &mut Cursor<'_>) -> Result<Principal> {
    if cursor.take_word("public") {
        return Ok(Principal::Public);
    }
    if cursor.take_word("role") {
        return Ok(Principal::Role(role_name(cursor)?));
    }
    Ok(Principal::User(cursor.name()?))
}

/// Parses ROW LEVEL SECURITY; the cursor is at ROW.
pub(super) fn row_security(cursor: &mut Cursor<'_>) -> Result<RowSecurity> {
    for word in ["row", "level", "security"] {
        cursor.expect_word(word)?;
    }
    let is_on = cursor.take_word("on");
    if !is_on {
        cursor.expect_word("off")?;
    }
    let mut any = None;
    if is_on && cursor.take_words(&["conjunction", "type"]) {
        any = Some(cursor.take_word("or"));
        if any == Some(false) {
            cursor.expect_word("and")?;
        }
    }
    Ok(RowSecurity {
        is_on,
        any,
        for_datashares: cursor.take_words(&["for", "datashares"]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Result<Statement> {
        let mut parsed = super::super::parse(text)?;
        Ok(parsed.remove(0).statement)
    }

    #[test]
    fn a_row_policy_has_columns_an_alias_and_a_condition() {
        let text = "create rls policy p with (a int, b varchar(10)) as t using (t.a in (select x from l) and b = ')')";
        let Ok(Statement::CreatePolicy(create)) = one(text) else {
            panic!("not a policy");
        };
        assert_eq!(create.kind, PolicyKind::Rows);
        assert_eq!(create.columns.len(), 2);
        assert_eq!(create.alias.as_deref(), Some("t"));
        assert_eq!(create.text, "t.a in (select x from l) and b = ')'");
        assert!(one("create rls policy p using (current_user = 'joe')").is_ok());
        assert!(one("create rls policy p with (a int, a int) using (a = 1)").is_err());
        assert!(one("create rls policy p using ()").is_err());
        assert!(one("create rls policy p using (true) (true)").is_err());
    }

    #[test]
    fn a_mask_has_columns_and_values() {
        let text =
            "CREATE MASKING POLICY IF NOT EXISTS m WITH (a TEXT, b INT) USING ('x'::TEXT, b + 1)";
        let Ok(Statement::CreatePolicy(create)) = one(text) else {
            panic!("not a policy");
        };
        assert_eq!(create.kind, PolicyKind::Mask);
        assert!(create.if_not_exists);
        assert_eq!(create.text, "'x'::TEXT, b + 1");
        assert!(one("create masking policy m using (1)").is_err());
    }

    #[test]
    fn policies_are_attached_to_whom_and_what() {
        let text = "attach rls policy p on table a, s.b to joe, role r, role sys:dba, public";
        let Ok(Statement::AttachPolicy(attach)) = one(text) else {
            panic!("not an attachment");
        };
        assert_eq!((attach.tables.len(), attach.to.len()), (2, 4));
        let text = "attach masking policy m on t (a, b) using (c) to role r priority 20";
        let Ok(Statement::AttachPolicy(attach)) = one(text) else {
            panic!("not an attachment");
        };
        assert_eq!(attach.priority, 20);
        let place = |column: &str, path: &[&str]| MaskedPlace {
            column: column.to_owned(),
            path: path.iter().map(|key| (*key).to_owned()).collect(),
        };
        assert_eq!(attach.outputs, [place("a", &[]), place("b", &[])]);
        assert_eq!(attach.inputs, [place("c", &[])]);
        let text = "attach masking policy m on t (a.b.\"C d\", e) to public";
        let Ok(Statement::AttachPolicy(attach)) = one(text) else {
            panic!("not an attachment");
        };
        assert_eq!(attach.outputs, [place("a", &["b", "C d"]), place("e", &[])]);
        assert!(one("attach masking policy m on t (a[0]) to public").is_err());
        assert!(one("attach masking policy m on t (a) to public, joe").is_err());
        assert!(one("attach masking policy m on t (a) to public priority -1").is_err());
        assert!(one("detach masking policy m on t (a) from public priority 1").is_err());
    }
}
