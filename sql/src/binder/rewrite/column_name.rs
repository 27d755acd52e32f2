//! Names of result columns as Redshift gives them: `count`, `case`, `?column?`.
//!
//! The engine wants names unique within a list; Redshift does not. A name that is not gets a suffix after [`UNIQUE`],
//! which [`shown`] takes away again wherever a name leaves the plan.

use super::{niladic, path};
use crate::binder::ident::folded;
use crate::types::SqlType;
use sqlparser::ast::{
    AccessExpr, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident,
    JsonPathElem, Select, SelectItem,
};
use std::collections::HashSet;

/// Parts a name from the number that makes it unique; no identifier can hold it.
const UNIQUE: char = '\0';
/// The name of an expression without one.
const NAMELESS: &str = "?column?";

/// Functions whose result has another name than theirs.
const RENAMED: &[(&str, &str)] = &[
    ("approx_distinct", "count"),
    ("current_date", "date"),
    ("date_part", "pgdate_part"),
    ("dateadd", "date_add"),
    ("datediff", "date_diff"),
    ("decode", "case"),
    ("log", "dlog10"),
    ("nvl", "coalesce"),
    ("sysdate", "timestamp"),
    ("user", "current_user"),
];

/// Takes the suffix off a name.
pub(in crate::binder) fn shown(name: &str) -> &str {
    name.split_once(UNIQUE).map_or(name, |(name, _)| name)
}

/// Makes a name another one that is shown alike.
pub(in crate::binder) fn numbered(name: &str, number: usize) -> String {
    format!("{name}{UNIQUE}{number}")
}

/// Names every expression of a list.
pub(super) fn rewrite(select: &mut Select) {
    // What `*` stands for is not known here, so no made-up name may look like a column's.
    let has_star = |item: &SelectItem| {
        matches!(
            item,
            SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..)
        )
    };
    let has_star = select.projection.iter().any(has_star);
    let tables = Tables::of(select);
    let columns = select.projection.iter().filter_map(|item| match item {
        SelectItem::UnnamedExpr(expr) if is_column(expr) && !tables.lead(expr) => name(expr),
        SelectItem::ExprWithAlias { alias, .. } => Some(folded(alias)),
        _ => None,
    });
    let mut taken: HashSet<String> = columns.collect();
    let (mut seen, mut aliases) = (HashSet::new(), HashSet::new());
    for (index, item) in select.projection.iter_mut().enumerate() {
        match item {
            SelectItem::UnnamedExpr(expr) => {
                let repeats = is_column(expr) && !seen.insert(name(expr));
                if is_column(expr) && !repeats && !has_star && !tables.lead(expr) {
                    continue;
                }
                let mut alias = name(expr).unwrap_or_else(|| NAMELESS.to_owned());
                if !taken.insert(alias.clone()) || has_star {
                    alias = unique(&alias, index);
                }
                *item = SelectItem::ExprWithAlias {
                    expr: expr.clone(),
                    alias: Ident::with_quote('"', alias),
                };
            }
            SelectItem::ExprWithAlias { alias, .. } => {
                let name = folded(alias);
                if !aliases.insert(name.clone()) {
                    *alias = Ident::with_quote('"', unique(&name, index));
                }
            }
            _ => {}
        }
    }
}

/// Gives the name a result column has that nobody named.
pub(super) fn named(expr: &Expr) -> Option<String> {
    name(expr)
}

fn unique(name: &str, index: usize) -> String {
    format!("{name}{UNIQUE}{index}")
}

fn is_column(expr: &Expr) -> bool {
    matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_))
        && niladic::function(expr).is_none()
}

/// The names by which columns of a FROM clause are reached.
struct Tables {
    tables: Vec<String>,
    /// Elements of arrays, which are columns themselves.
    elements: Vec<String>,
    /// Whether these are all.
    are_all: bool,
}

impl Tables {
    fn of(select: &Select) -> Self {
        let mut found = Self {
            tables: Vec::new(),
            elements: Vec::new(),
            are_all: true,
        };
        for from in &select.from {
            let joined = from.joins.iter().map(|join| &join.relation);
            for relation in std::iter::once(&from.relation).chain(joined) {
                let (elements, tables) = (path::elements(relation), path::names(relation));
                found.are_all &= !tables.is_empty();
                let tables = tables.into_iter();
                found
                    .tables
                    .extend(tables.filter(|name| !elements.contains(name)));
                found.elements.extend(elements);
            }
        }
        found
    }

    /// Tells whether a name of several parts leads into a SUPER: the engine names that by the function it calls.
    fn lead(&self, expr: &Expr) -> bool {
        let Expr::CompoundIdentifier(parts) = expr else {
            return false;
        };
        let parts: Vec<String> = parts.iter().map(folded).collect();
        let is_table = |part: Option<&String>| part.is_some_and(|part| self.tables.contains(part));
        let (Some(first), between) = (parts.first(), parts.get(1..parts.len().saturating_sub(1)))
        else {
            return false;
        };
        let is_qualified = between.is_some_and(|parts| parts.iter().any(|one| is_table(Some(one))));
        if is_qualified {
            return false;
        }
        match is_table(Some(first)) {
            true => parts.len() > 2,
            false => self.elements.contains(first) || self.are_all,
        }
    }
}

/// The last key of a path into a SUPER.
fn of_path(chain: &[AccessExpr]) -> Option<String> {
    chain.iter().rev().find_map(|step| match step {
        AccessExpr::Dot(Expr::Identifier(key)) => Some(folded(key)),
        AccessExpr::Dot(Expr::Value(key)) => key.value.clone().into_string(),
        _ => None,
    })
}

/// Gives the name of a function's result.
fn of_function(name: &str) -> String {
    let renamed = RENAMED.iter().find(|(function, _)| *function == name);
    renamed.map_or(name, |(_, shown)| shown).to_owned()
}

/// `NULLIF(a, b)` is called like `a`, if that is a column.
fn of_nullif(function: &Function) -> Option<String> {
    match &function.args {
        FunctionArguments::List(list) => match list.args.first() {
            Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(first))) if is_column(first) => {
                name(first)
            }
            _ => None,
        },
        _ => None,
    }
}

/// Gives the name an expression has by itself.
fn name(expr: &Expr) -> Option<String> {
    if let Some(function) = niladic::function(expr) {
        return Some(of_function(function));
    }
    let known = match expr {
        Expr::Identifier(ident) => return Some(folded(ident)),
        Expr::CompoundIdentifier(idents) => return idents.last().map(folded),
        Expr::Function(function) => {
            let called = function.name.0.last().and_then(|part| part.as_ident());
            let called = folded(called?);
            return match called.as_str() {
                "nullif" => of_nullif(function).or(Some(called)),
                called => Some(of_function(called)),
            };
        }
        Expr::Nested(inner) => return name(inner),
        Expr::CompoundFieldAccess { root, access_chain } => {
            return of_path(access_chain).or_else(|| name(root));
        }
        Expr::JsonAccess { value, path } => {
            let mut steps = path.path.iter().rev();
            let key = steps.find_map(|step| match step {
                JsonPathElem::Dot { key, quoted: true } => Some(key.clone()),
                JsonPathElem::Dot { key, .. } => Some(key.to_lowercase()),
                _ => None,
            });
            return key.or_else(|| name(value));
        }
        Expr::Cast {
            expr, data_type, ..
        } => {
            return name(expr).or_else(|| {
                let ty = SqlType::parse(&data_type.to_string().to_lowercase()).ok()?;
                Some(ty.short_name().to_owned())
            });
        }
        Expr::Case {
            conditions,
            else_result,
            ..
        } => {
            // What `cast_name` puts around a cast.
            if let ([when], None) = (conditions.as_slice(), else_result)
                && let (Expr::BinaryOp { left, right, .. }, cast @ Expr::Cast { .. }) =
                    (&when.condition, &when.result)
                && matches!(**left, Expr::Value(_))
                && left == right
            {
                return name(cast);
            }
            let other = else_result.as_deref().filter(|other| is_column(other));
            return other.and_then(name).or_else(|| Some("case".to_owned()));
        }
        Expr::Exists { .. } => "exists",
        Expr::Extract { .. } => "date_part",
        Expr::Substring { .. } => "substring",
        Expr::Position { .. } => "position",
        Expr::Trim { .. } => "btrim",
        Expr::Overlay { .. } => "overlay",
        Expr::Ceil { .. } => "ceil",
        Expr::Floor { .. } => "floor",
        Expr::AtTimeZone { .. } => "timezone",
        _ => return None,
    };
    Some(known.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use sqlparser::ast::{SetExpr, Statement};
    use sqlparser::dialect::PostgreSqlDialect;
    use sqlparser::parser::Parser;

    fn names(list: &str) -> Vec<String> {
        let parsed = Parser::parse_sql(&PostgreSqlDialect {}, &format!("SELECT {list} FROM t"));
        let Some(Statement::Query(mut query)) = parsed.unwrap().pop() else {
            panic!("not a query");
        };
        let SetExpr::Select(select) = query.body.as_mut() else {
            panic!("not a select");
        };
        rewrite(select);
        let names = select.projection.iter().map(|item| match item {
            SelectItem::ExprWithAlias { alias, .. } => alias.value.clone(),
            other => other.to_string(),
        });
        names.collect()
    }

    #[test]
    fn expressions_have_redshifts_names() {
        assert_eq!(names("1"), ["?column?"]);
        assert_eq!(names("count(*), SUM(a)"), ["count", "sum"]);
        assert_eq!(names("a::int, 1::int"), ["a", "int4"]);
        assert_eq!(names("CASE WHEN a THEN 1 END"), ["case"]);
        assert_eq!(
            names("EXTRACT(year FROM d), t.b, c AS x"),
            ["date_part", "t.b", "x"]
        );
        assert_eq!(
            names("DATEADD(day, 1, d), date_part(day, d), sysdate, user"),
            ["date_add", "pgdate_part", "timestamp", "current_user"]
        );
        assert_eq!(
            names("nullif(t.a, 1), nullif(1, 2), nvl(a, b)"),
            ["a", "nullif", "coalesce"]
        );
        assert_eq!(names("t.a.b, a.c, t.d"), ["b", "c", "t.d"]);
    }

    #[test]
    fn names_are_unique_within_the_plan_alone() {
        assert_eq!(names("1, 2"), ["?column?", "?column?\u{0}1"]);
        assert_eq!(names("a, a"), ["a", "a\u{0}1"]);
        assert_eq!(names("1 AS a, 2 AS a"), ["a", "a\u{0}1"]);
        assert_eq!(names("*, count(*)"), ["*", "count\u{0}1"]);
        assert_eq!(names("sum, sum(b)"), ["sum", "sum\u{0}1"]);
        assert_eq!(shown("?column?\u{0}1"), "?column?");
        assert_eq!(shown("plain"), "plain");
    }
}
