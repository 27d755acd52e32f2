//! MERGE: rows of a source into a target, as the UPDATE or DELETE and the INSERT it stands for.

use super::dml::{Delete, Insert, InsertSource, Update};
use super::query::Query;
use super::{ObjectName, Statement};
use crate::error::{Error, Result};
use crate::parser::cursor::Cursor;
use crate::sqlstate::SqlState;
use sqlparser::ast::{self, Expr, SelectItem, SetExpr, TableFactor, TableWithJoins};
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;

/// `MERGE INTO target USING source ON condition actions`. Both halves see the target as it was before.
#[derive(Clone, Debug)]
pub struct Merge {
    /// The target.
    pub target: ObjectName,
    /// What becomes of matched rows.
    pub matched: Matched,
    /// Rows of the source to insert.
    pub insert: Insert,
    /// REMOVE DUPLICATES: the source has a value for each column of the target.
    pub removes_duplicates: bool,
}

/// What becomes of rows of the target that a row of the source matches.
#[derive(Clone, Debug)]
pub enum Matched {
    /// WHEN MATCHED THEN UPDATE.
    Update(Update),
    /// WHEN MATCHED THEN DELETE, or REMOVE DUPLICATES.
    Delete(Delete),
}

/// Parses MERGE.
pub(crate) fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect_word("merge")?;
    cursor.expect_word("into")?;
    let target = cursor.object_name()?;
    let explicit = cursor.take_word("as");
    let alias = match explicit || !cursor.is_word("using") {
        true => Some(cursor.name()?),
        false => None,
    };
    cursor.expect_word("using")?;
    let position = cursor.position();
    let source = cursor.with_parser(|parser| parser.parse_table_factor())?;
    refuse_own_target(&source, &target, position)?;
    cursor.expect_word("on")?;
    let condition = cursor.expression()?.tree;
    let parts = Parts {
        target,
        alias,
        source: TableWithJoins {
            relation: source,
            joins: Vec::new(),
        },
        condition,
    };
    let merge = match cursor.take_words(&["remove", "duplicates"]) {
        true => parts.without_duplicates()?,
        false => actions(cursor, &parts)?,
    };
    Ok(Statement::Merge(Box::new(merge)))
}

/// A source that is the target itself would be read while it is changed.
fn refuse_own_target(source: &TableFactor, target: &ObjectName, position: usize) -> Result<()> {
    let TableFactor::Table { name, .. } = source else {
        return Ok(());
    };
    let last = name.0.last().and_then(|part| part.as_ident());
    let is_same = last.is_some_and(|last| last.value.eq_ignore_ascii_case(&target.name))
        && (name.0.len() == 1) == target.schema.is_none();
    match is_same {
        true => Err(Error::new(
            SqlState::FEATURE_NOT_SUPPORTED,
            format!(
                "source and target of MERGE are the same table \"{}\"",
                target.name
            ),
        )
        .with_hint("Copy the rows into a temporary table and merge from that.")
        .at(position)),
        false => Ok(()),
    }
}

struct Parts {
    target: ObjectName,
    alias: Option<String>,
    source: TableWithJoins,
    condition: Box<Expr>,
}

impl Parts {
    /// The name conditions and values call the target by.
    fn shown(&self) -> String {
        self.alias
            .clone()
            .unwrap_or_else(|| self.target.name.clone())
    }

    fn delete(&self, is_strict: bool) -> Delete {
        Delete {
            table: self.target.clone(),
            with: None,
            target_alias: Some(self.shown()),
            using: vec![self.source.clone()],
            selection: Some(self.condition.clone()),
            is_strict,
        }
    }

    /// Rows of the target that the source has go, then all rows of the source come, each once.
    fn without_duplicates(&self) -> Result<Merge> {
        let mut query = *Query::parse("SELECT DISTINCT * FROM x")?.tree;
        set_from(&mut query, self.source.clone());
        Ok(Merge {
            target: self.target.clone(),
            matched: Matched::Delete(self.delete(false)),
            insert: self.insert(Vec::new(), query),
            removes_duplicates: true,
        })
    }

    fn insert(&self, columns: Vec<String>, query: ast::Query) -> Insert {
        Insert {
            table: self.target.clone(),
            columns,
            source: InsertSource::Query(Query {
                tree: Box::new(query),
            }),
        }
    }

    /// `SELECT values FROM source WHERE NOT EXISTS (SELECT 1 FROM target WHERE condition)`.
    fn unmatched(&self, values: Vec<Expr>) -> Result<ast::Query> {
        let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
        let names = [&self.target.database, &self.target.schema];
        let path: String = names
            .into_iter()
            .flatten()
            .map(|name| format!("{}.", quoted(name)))
            .collect();
        let text = format!(
            "SELECT 1 FROM x WHERE NOT EXISTS (SELECT 1 FROM {path}{} AS {} WHERE true)",
            quoted(&self.target.name),
            quoted(&self.shown())
        );
        let mut query = *Query::parse(&text)?.tree;
        set_from(&mut query, self.source.clone());
        if let SetExpr::Select(select) = query.body.as_mut() {
            select.projection = values.into_iter().map(SelectItem::UnnamedExpr).collect();
            if let Some(Expr::Exists { subquery, .. }) = &mut select.selection
                && let SetExpr::Select(inner) = subquery.body.as_mut()
            {
                inner.selection = Some(self.condition.as_ref().clone());
            }
        }
        Ok(query)
    }
}

fn set_from(query: &mut ast::Query, source: TableWithJoins) {
    if let SetExpr::Select(select) = query.body.as_mut() {
        select.from = vec![source];
    }
}

/// `WHEN MATCHED THEN ... WHEN NOT MATCHED THEN ...`: both, in this order.
fn actions(cursor: &mut Cursor<'_>, parts: &Parts) -> Result<Merge> {
    for word in ["when", "matched"] {
        cursor.expect_word(word)?;
    }
    refuse_condition(cursor)?;
    cursor.expect_word("then")?;
    let matched = if cursor.take_word("delete") {
        Matched::Delete(parts.delete(true))
    } else {
        cursor.expect_word("update")?;
        cursor.expect_word("set")?;
        Matched::Update(Update {
            table: parts.target.clone(),
            assignments: super::dml::assignments(cursor, &parts.target)?,
            with: None,
            target_alias: Some(parts.shown()),
            from: vec![parts.source.clone()],
            selection: Some(parts.condition.clone()),
            is_strict: true,
        })
    };
    for word in ["when", "not", "matched"] {
        cursor.expect_word(word)?;
    }
    refuse_condition(cursor)?;
    cursor.expect_word("then")?;
    cursor.expect_word("insert")?;
    let columns = cursor.optional_name_list()?;
    cursor.expect_word("values")?;
    cursor.expect(&Token::LParen)?;
    let values = cursor.with_parser(|parser| parser.parse_comma_separated(Parser::parse_expr))?;
    cursor.expect(&Token::RParen)?;
    Ok(Merge {
        target: parts.target.clone(),
        matched,
        insert: parts.insert(columns, parts.unmatched(values)?),
        removes_duplicates: false,
    })
}

fn refuse_condition(cursor: &Cursor<'_>) -> Result<()> {
    match cursor.is_word("and") || cursor.is_word("by") {
        true => Err(Error::unsupported(
            "a condition after MATCHED",
            "Put it into the source: USING (SELECT ... WHERE ...)",
        )
        .at(cursor.position())),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use crate::statement::parse;

    #[test]
    fn forms_are_told_apart() {
        for text in [
            "MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (s.a)",
            "MERGE INTO x.t USING s AS q ON t.a = q.a WHEN MATCHED THEN UPDATE SET b = q.b, c = 1 WHEN NOT MATCHED THEN INSERT (a, b) VALUES (q.a, q.b + 1)",
            "merge into t using (select 1 as a) s on t.a = s.a remove duplicates",
        ] {
            parse(text).expect(text);
        }
        for (text, code) in [
            (
                "MERGE INTO t USING t ON t.a = t.a REMOVE DUPLICATES",
                "0A000",
            ),
            (
                "MERGE INTO t USING s ON t.a = s.a WHEN MATCHED AND s.b > 1 THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (1)",
                "0A000",
            ),
            (
                "MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN DELETE",
                "42601",
            ),
            ("MERGE INTO t USING s ON t.a = s.a", "42601"),
        ] {
            assert_eq!(parse(text).expect_err(text).code.0, code, "{text}");
        }
    }
}
