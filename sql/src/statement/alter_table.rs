//! ALTER TABLE and ALTER SCHEMA, every form for tables of one's own.

use super::create_table::{
    ColumnDefinition, CreateTable, DistStyle, NamedConstraint, TableAttributes, element,
};
use super::external::{self, ExternalAction};
use super::policy::{self, RowSecurity};
use super::{ObjectName, Statement};
use crate::error::{Error, Result};
use crate::parser::cursor::Cursor;
use crate::sqlstate::SqlState;
use crate::types::SqlType;
use sqlparser::tokenizer::Token;

/// `ALTER TABLE name action`.
#[derive(Clone, Debug)]
pub struct AlterTable {
    /// The table; for RENAME TO and OWNER TO also a view.
    pub name: ObjectName,
    /// What to change.
    pub action: AlterAction,
}

/// What ALTER TABLE changes.
#[derive(Clone, Debug)]
pub enum AlterAction {
    /// ADD \[CONSTRAINT name\] PRIMARY KEY | UNIQUE | FOREIGN KEY.
    AddConstraint(NamedConstraint),
    /// DROP CONSTRAINT.
    DropConstraint {
        /// Its name.
        name: String,
        /// CASCADE.
        cascade: bool,
    },
    /// OWNER TO.
    Owner(String),
    /// RENAME TO.
    Rename(String),
    /// RENAME COLUMN a TO b.
    RenameColumn {
        /// The column.
        from: String,
        /// Its new name.
        to: String,
    },
    /// ADD \[COLUMN\].
    AddColumn(Box<ColumnDefinition>),
    /// DROP \[COLUMN\].
    DropColumn {
        /// The column.
        name: String,
        /// CASCADE.
        cascade: bool,
    },
    /// ALTER COLUMN c TYPE varchar(n).
    ColumnType {
        /// The column.
        name: String,
        /// Its new type.
        ty: SqlType,
    },
    /// ALTER COLUMN c ENCODE e, ...: columns and words in lower case.
    Encode(Vec<(String, String)>),
    /// ALTER ENCODE AUTO.
    EncodeAuto,
    /// ALTER DISTSTYLE, DISTKEY and SORTKEY, alone or together.
    Design {
        /// New distribution.
        distribution: Option<AlterDistribution>,
        /// New sort key.
        sort: Option<AlterSort>,
    },
    /// ROW LEVEL SECURITY ON | OFF.
    RowSecurity(RowSecurity),
    /// What external tables alone have.
    External(ExternalAction),
    /// APPEND FROM.
    Append {
        /// The table whose rows move.
        from: ObjectName,
        /// IGNOREEXTRA: columns only the source has are dropped.
        ignore_extra: bool,
        /// FILLTARGET: columns only the target has get their default.
        fill_target: bool,
    },
}

/// A new distribution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AlterDistribution {
    /// ALL, EVEN or AUTO.
    Style(DistStyle),
    /// By this column.
    Key(String),
}

/// A new sort key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AlterSort {
    /// \[COMPOUND\] SORTKEY (columns).
    Compound(Vec<String>),
    /// SORTKEY AUTO.
    Auto,
    /// SORTKEY NONE.
    None,
}

/// `ALTER SCHEMA name RENAME TO | OWNER TO | QUOTA`.
#[derive(Clone, Debug)]
pub struct AlterSchema {
    /// The schema.
    pub name: String,
    /// RENAME TO.
    pub rename: Option<String>,
    /// OWNER TO.
    pub owner: Option<String>,
    /// QUOTA in megabytes, if it changes; `None` inside is UNLIMITED.
    pub quota: Option<Option<u64>>,
}

/// Parses ALTER SCHEMA; the cursor is at ALTER.
pub(crate) fn parse_schema(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect_word("alter")?;
    cursor.expect_word("schema")?;
    let mut alter = AlterSchema {
        name: cursor.name()?,
        rename: None,
        owner: None,
        quota: None,
    };
    if cursor.take_word("quota") {
        alter.quota = Some(super::ddl::quota(cursor)?);
    } else if cursor.take_words(&["rename", "to"]) {
        alter.rename = Some(cursor.name()?);
    } else {
        cursor.expect_word("owner")?;
        cursor.expect_word("to")?;
        alter.owner = Some(cursor.name()?);
    }
    Ok(Statement::AlterSchema(alter))
}

/// Parses ALTER TABLE; the cursor is at ALTER.
pub(crate) fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect_word("alter")?;
    cursor.expect_word("table")?;
    let name = cursor.object_name()?;
    let action = action(cursor, &name)?;
    Ok(Statement::AlterTable(Box::new(AlterTable { name, action })))
}

pub(super) fn action(cursor: &mut Cursor<'_>, name: &ObjectName) -> Result<AlterAction> {
    let position = cursor.position();
    if let Some(action) = external::parse_action(cursor)? {
        return Ok(AlterAction::External(action));
    }
    if cursor.take_word("add") {
        return add(cursor, name);
    }
    if cursor.take_words(&["drop", "constraint"]) {
        let name = cursor.name()?;
        return Ok(AlterAction::DropConstraint {
            name,
            cascade: cascade(cursor),
        });
    }
    if cursor.take_word("drop") {
        cursor.take_word("column");
        let name = cursor.name()?;
        return Ok(AlterAction::DropColumn {
            name,
            cascade: cascade(cursor),
        });
    }
    if cursor.take_words(&["owner", "to"]) {
        return Ok(AlterAction::Owner(cursor.name()?));
    }
    if cursor.take_words(&["rename", "to"]) {
        return Ok(AlterAction::Rename(cursor.name()?));
    }
    if cursor.take_word("rename") {
        cursor.take_word("column");
        let from = cursor.name()?;
        cursor.expect_word("to")?;
        let to = cursor.name()?;
        return Ok(AlterAction::RenameColumn { from, to });
    }
    if cursor.take_words(&["append", "from"]) {
        let from = cursor.object_name()?;
        let ignore_extra = cursor.take_word("ignoreextra");
        let position = cursor.position();
        let fill_target = cursor.take_word("filltarget");
        if fill_target && (ignore_extra || cursor.is_word("ignoreextra")) {
            let text = "IGNOREEXTRA and FILLTARGET cannot be used together";
            return Err(Error::new(SqlState::SYNTAX_ERROR, text)
                .with_hint("Give both tables the same columns on one side, with ALTER TABLE.")
                .at(position));
        }
        return Ok(AlterAction::Append {
            from,
            ignore_extra,
            fill_target,
        });
    }
    if cursor.take_word("alter") {
        return alter(cursor);
    }
    if cursor.are_words(&["row", "level"]) {
        return Ok(AlterAction::RowSecurity(policy::row_security(cursor)?));
    }
    let word = cursor.peek_word().unwrap_or_default();
    let refused = match word.as_str() {
        "masking" => Some("ALTER TABLE ... MASKING FOR DATASHARES"),
        _ => None,
    };
    if let Some(refused) = refused {
        return Err(Error::unsupported(
            refused,
            "Use ADD, DROP, RENAME, ALTER, OWNER TO or APPEND",
        )
        .at(position));
    }
    Err(cursor.unexpected())
}

fn cascade(cursor: &mut Cursor<'_>) -> bool {
    let cascade = cursor.take_word("cascade");
    if !cascade {
        cursor.take_word("restrict");
    }
    cascade
}

/// A column or constraint is written as in CREATE TABLE.
fn add(cursor: &mut Cursor<'_>, name: &ObjectName) -> Result<AlterAction> {
    cursor.take_word("column");
    let position = cursor.position();
    let mut scratch = CreateTable {
        name: name.clone(),
        if_not_exists: false,
        temporary: false,
        columns: Vec::new(),
        constraints: Vec::new(),
        like: None,
        attributes: TableAttributes::default(),
    };
    let mut sort_columns = Vec::new();
    element(cursor, &mut scratch, &mut sort_columns)?;
    if scratch.like.is_some() {
        return Err(Error::syntax(
            "syntax error at or near \"like\"",
            Some(position),
        ));
    }
    match (scratch.columns.pop(), scratch.constraints.pop()) {
        (None, Some(constraint)) => Ok(AlterAction::AddConstraint(constraint)),
        (Some(_), Some(_)) => Err(cannot("UNIQUE, PRIMARY KEY or REFERENCES", position)),
        (Some(column), None) => {
            if !sort_columns.is_empty() {
                return Err(cannot("SORTKEY", position));
            }
            if scratch.attributes.dist_key.is_some() {
                return Err(cannot("DISTKEY", position));
            }
            if column.identity.is_some() {
                return Err(cannot("IDENTITY", position));
            }
            Ok(AlterAction::AddColumn(Box::new(column)))
        }
        (None, None) => Err(cursor.unexpected()),
    }
}

fn cannot(what: &str, position: usize) -> Error {
    Error::new(
        SqlState::FEATURE_NOT_SUPPORTED,
        format!("ALTER TABLE ADD COLUMN does not support {what}"),
    )
    .with_hint("Make a new table with the column, and move the rows with ALTER TABLE APPEND.")
    .at(position)
}

fn alter(cursor: &mut Cursor<'_>) -> Result<AlterAction> {
    if cursor.take_words(&["encode", "auto"]) {
        return Ok(AlterAction::EncodeAuto);
    }
    if cursor.is_word("column") {
        return alter_column(cursor);
    }
    let mut distribution = None;
    let mut sort = None;
    loop {
        let position = cursor.position();
        let again = if cursor.take_word("distkey") {
            let in_parentheses = cursor.take(&Token::LParen);
            let key = AlterDistribution::Key(cursor.name()?);
            if in_parentheses {
                cursor.expect(&Token::RParen)?;
            }
            distribution.replace(key).is_some()
        } else if cursor.take_word("diststyle") {
            distribution.replace(dist_style(cursor)?).is_some()
        } else if cursor.are_words(&["interleaved", "sortkey"]) {
            return Err(Error::new(
                SqlState::FEATURE_NOT_SUPPORTED,
                "cannot alter to an interleaved sort key",
            )
            .with_hint("Make a new table with the interleaved sort key and copy the rows.")
            .at(position));
        } else if cursor.is_word("sortkey") || cursor.are_words(&["compound", "sortkey"]) {
            cursor.take_word("compound");
            cursor.expect_word("sortkey")?;
            let key = if cursor.take_word("auto") {
                AlterSort::Auto
            } else if cursor.take_word("none") {
                AlterSort::None
            } else {
                AlterSort::Compound(cursor.name_list()?)
            };
            sort.replace(key).is_some()
        } else {
            return Err(cursor.unexpected());
        };
        if again {
            return Err(Error::syntax(
                "the same clause is given twice",
                Some(position),
            ));
        }
        if !cursor.take(&Token::Comma) {
            return Ok(AlterAction::Design { distribution, sort });
        }
        cursor.expect_word("alter")?;
    }
}

fn dist_style(cursor: &mut Cursor<'_>) -> Result<AlterDistribution> {
    Ok(if cursor.take_word("all") {
        AlterDistribution::Style(DistStyle::All)
    } else if cursor.take_word("even") {
        AlterDistribution::Style(DistStyle::Even)
    } else if cursor.take_word("auto") {
        AlterDistribution::Style(DistStyle::Auto)
    } else {
        cursor.expect_word("key")?;
        cursor.expect_word("distkey")?;
        let in_parentheses = cursor.take(&Token::LParen);
        let key = cursor.name()?;
        if in_parentheses {
            cursor.expect(&Token::RParen)?;
        }
        AlterDistribution::Key(key)
    })
}

fn alter_column(cursor: &mut Cursor<'_>) -> Result<AlterAction> {
    let mut encodings: Vec<(String, String)> = Vec::new();
    loop {
        cursor.expect_word("column")?;
        let position = cursor.position();
        let name = cursor.name()?;
        if encodings.is_empty() && cursor.take_word("type") {
            let ty = crate::types::parse(cursor)?;
            return Ok(AlterAction::ColumnType { name, ty });
        }
        if cursor.is_word("set") || cursor.is_word("drop") {
            return Err(Error::unsupported(
                "ALTER COLUMN SET and DROP",
                "Add a column with the wanted DEFAULT or NOT NULL, fill it, and drop the old one",
            )
            .at(cursor.position()));
        }
        cursor.expect_word("encode")?;
        let word = super::create_table::encoding(cursor)?;
        if encodings.iter().any(|(other, _)| *other == name) {
            return Err(Error::syntax(
                format!("column \"{name}\" is altered twice"),
                Some(position),
            ));
        }
        encodings.push((name, word));
        if !cursor.take(&Token::Comma) {
            return Ok(AlterAction::Encode(encodings));
        }
        cursor.expect_word("alter")?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::parse as parse_text;

    fn action_of(text: &str) -> AlterAction {
        let mut parsed = parse_text(&format!("ALTER TABLE s.t {text}")).expect(text);
        match parsed.pop().map(|parsed| parsed.statement) {
            Some(Statement::AlterTable(alter)) => alter.action,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn design_clauses_combine_in_any_order() {
        let both = "ALTER SORTKEY (a, b), ALTER DISTKEY k";
        let AlterAction::Design { distribution, sort } = action_of(both) else {
            panic!("{both}");
        };
        assert_eq!(distribution, Some(AlterDistribution::Key("k".into())));
        let keys = vec!["a".to_string(), "b".to_string()];
        assert_eq!(sort, Some(AlterSort::Compound(keys)));
        let other = action_of("ALTER DISTSTYLE KEY DISTKEY k, ALTER COMPOUND SORTKEY (a)");
        assert!(matches!(other, AlterAction::Design { sort: Some(_), .. }));
    }

    #[test]
    fn columns_and_constraints_are_told_apart() {
        assert!(matches!(
            action_of("ADD c VARCHAR(3) DEFAULT 'x' ENCODE zstd NOT NULL"),
            AlterAction::AddColumn(column) if column.not_null && column.encoding.is_some()
        ));
        assert!(matches!(
            action_of("ADD CONSTRAINT n PRIMARY KEY (a)"),
            AlterAction::AddConstraint(named) if named.name.as_deref() == Some("n")
        ));
        assert!(matches!(
            action_of("RENAME a TO b"),
            AlterAction::RenameColumn { .. }
        ));
        for refused in [
            "ADD c INT PRIMARY KEY",
            "ADD c INT SORTKEY",
            "ADD c INT IDENTITY(1,1)",
            "ALTER INTERLEAVED SORTKEY (a)",
            "ALTER COLUMN c SET NOT NULL",
            "ALTER COLUMN a ENCODE raw, ALTER COLUMN a ENCODE zstd",
            "ROW LEVEL SECURITY",
            "ROW LEVEL SECURITY OFF CONJUNCTION TYPE OR",
            "ALTER SORTKEY (a), ALTER SORTKEY NONE",
        ] {
            assert!(
                parse_text(&format!("ALTER TABLE t {refused}")).is_err(),
                "{refused}"
            );
        }
    }
}
