//! `START WITH ... CONNECT BY PRIOR a = b` -> a recursive query over the table, with LEVEL as a column.

use crate::binder::ident::folded;
use crate::error::{Error, Result};
use crate::statement::query::Query as Parsed;
use sqlparser::ast::{
    BinaryOperator, ConnectByKind, ExcludeSelectItem, Expr, Ident, Query, Select, SelectItem,
    SetExpr, TableAlias, TableFactor, Value, VisitMut, VisitorMut, WildcardAdditionalOptions,
};
use std::collections::BTreeSet;
use std::ops::ControlFlow;

/// The recursive query, and the row before; no user can write them, for the space.
const CONNECTED: &str = "connected rows";
const PRIOR: &str = "prior row";

pub(super) fn rewrite(query: &mut Query) -> Result<()> {
    let SetExpr::Select(select) = query.body.as_mut() else {
        return Ok(());
    };
    if select.connect_by.is_empty() {
        return Ok(());
    }
    let (mut start, mut condition) = (None, None);
    for clause in std::mem::take(&mut select.connect_by) {
        match clause {
            ConnectByKind::StartWith { condition, .. } => start = Some(*condition),
            ConnectByKind::ConnectBy { nocycle: true, .. } => {
                return Err(Error::unsupported(
                    "CONNECT BY NOCYCLE",
                    "Bound the depth with AND LEVEL < n",
                ));
            }
            ConnectByKind::ConnectBy { relationships, .. } => {
                condition = relationships
                    .into_iter()
                    .reduce(|left, right| Expr::BinaryOp {
                        left: Box::new(left),
                        op: BinaryOperator::And,
                        right: Box::new(right),
                    });
            }
        }
    }
    let Some(mut condition) = condition else {
        return Err(Error::syntax("START WITH needs CONNECT BY", None));
    };
    if has_prior(select) {
        return Err(Error::unsupported(
            "PRIOR in the select list",
            "Join the rows to those before them, on the columns of CONNECT BY",
        ));
    }
    let table = match select.from.as_slice() {
        [from] if from.joins.is_empty() => from.relation.clone(),
        _ => {
            return Err(Error::unsupported(
                "CONNECT BY over several tables",
                "Join the tables in a subquery",
            ));
        }
    };
    let mut before = Before::default();
    let _ = VisitMut::visit(&mut condition, &mut before);
    let recursive = recursive(&table, start, condition, &before.columns)?;
    select_from(select, &table);
    match &mut query.with {
        Some(with) => {
            with.recursive = true;
            with.cte_tables
                .extend(recursive.with.into_iter().flat_map(|with| with.cte_tables));
        }
        None => query.with = recursive.with,
    }
    Ok(())
}

/// `WITH RECURSIVE connected AS (roots UNION ALL next level) ...`.
fn recursive(
    table: &TableFactor,
    start: Option<Expr>,
    condition: Expr,
    columns: &BTreeSet<String>,
) -> Result<Query> {
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let mut list: Vec<String> = columns
        .iter()
        .map(|column| format!("{} AS {}", quoted(column), quoted(&before(column))))
        .collect();
    list.push(format!("\"level\" AS {}", quoted(&before("level"))));
    let text = format!(
        "WITH RECURSIVE \"{CONNECTED}\" AS (SELECT *, 1::bigint AS \"level\" FROM t WHERE true UNION ALL \
         SELECT t.*, {level} + 1 AS \"level\" FROM t JOIN (SELECT {} FROM \"{CONNECTED}\") AS \"{PRIOR}\" ON true) SELECT 1",
        list.join(", "),
        level = quoted(&before("level")),
    );
    let mut query = *Parsed::parse(&text)?.tree;
    let cte = query
        .with
        .as_mut()
        .and_then(|with| with.cte_tables.first_mut());
    let Some(SetExpr::SetOperation { left, right, .. }) = cte.map(|cte| cte.query.body.as_mut())
    else {
        return Ok(query);
    };
    if let SetExpr::Select(roots) = left.as_mut() {
        roots.selection = start;
        if let Some(from) = roots.from.first_mut() {
            from.relation = table.clone();
        }
    }
    if let SetExpr::Select(next) = right.as_mut() {
        let name = table_name(table);
        if let Some(SelectItem::QualifiedWildcard(kind, _)) = next.projection.first_mut() {
            *kind = sqlparser::ast::SelectItemQualifiedWildcardKind::ObjectName(
                vec![name.clone()].into(),
            );
        }
        if let Some(from) = next.from.first_mut() {
            from.relation = table.clone();
        }
        next.selection = Some(condition);
    }
    Ok(query)
}

fn before(column: &str) -> String {
    format!("{PRIOR} {column}")
}

fn table_name(table: &TableFactor) -> Ident {
    let (alias, name) = match table {
        TableFactor::Table { alias, name, .. } => (
            alias.as_ref(),
            name.0.last().and_then(|part| part.as_ident()),
        ),
        TableFactor::Derived { alias, .. } => (alias.as_ref(), None),
        _ => (None, None),
    };
    let name = alias.map(|alias| &alias.name).or(name);
    name.cloned()
        .unwrap_or_else(|| Ident::with_quote('"', CONNECTED))
}

/// Selects from the recursive query under the table's name; `*` is what the table has.
fn select_from(select: &mut Select, table: &TableFactor) {
    let name = table_name(table);
    let found = TableFactor::Table {
        name: vec![Ident::with_quote('"', CONNECTED)].into(),
        alias: Some(TableAlias {
            explicit: true,
            name,
            columns: Vec::new(),
            at: None,
        }),
        args: None,
        with_hints: Vec::new(),
        version: None,
        with_ordinality: false,
        partitions: Vec::new(),
        json_path: None,
        sample: None,
        index_hints: Vec::new(),
    };
    if let Some(from) = select.from.first_mut() {
        from.relation = found;
    }
    for item in &mut select.projection {
        if let SelectItem::Wildcard(options) | SelectItem::QualifiedWildcard(_, options) = item
            && options.opt_exclude.is_none()
        {
            *options = WildcardAdditionalOptions {
                opt_exclude: Some(ExcludeSelectItem::Single(
                    vec![Ident::with_quote('"', "level")].into(),
                )),
                ..options.clone()
            };
        }
    }
}

/// Tells whether PRIOR stands in what is about the rows found; subqueries have rows of their own.
fn has_prior(select: &mut Select) -> bool {
    let mut looked = Prior { depth: 0 };
    VisitMut::visit(select, &mut looked).is_break()
}

struct Prior {
    depth: usize,
}

impl VisitorMut for Prior {
    type Break = ();

    fn pre_visit_query(&mut self, _query: &mut Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &mut Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::Prior(_) if self.depth == 0 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    }
}

/// Replaces `PRIOR x` and LEVEL in the condition by columns of the row before.
#[derive(Default)]
struct Before {
    columns: BTreeSet<String>,
}

impl VisitorMut for Before {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::Prior(inner) => {
                let mut names = Columns(&mut self.columns);
                let _ = VisitMut::visit(inner.as_mut(), &mut names);
                *expr = Expr::Nested(inner.clone());
            }
            Expr::Identifier(ident)
                if ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case("level") =>
            {
                let one = Value::Number("1".to_owned(), false);
                *expr = Expr::Nested(Box::new(Expr::BinaryOp {
                    left: Box::new(Expr::Identifier(Ident::with_quote('"', before("level")))),
                    op: BinaryOperator::Plus,
                    right: Box::new(Expr::Value(one.into())),
                }));
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// Renames the columns of the row before, and notes which they are.
struct Columns<'a>(&'a mut BTreeSet<String>);

impl VisitorMut for Columns<'_> {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let column = match expr {
            Expr::Identifier(ident) => folded(ident),
            Expr::CompoundIdentifier(parts) => match parts.last() {
                Some(ident) => folded(ident),
                None => return ControlFlow::Continue(()),
            },
            _ => return ControlFlow::Continue(()),
        };
        *expr = Expr::Identifier(Ident::with_quote('"', before(&column)));
        if column != "level" {
            self.0.insert(column);
        }
        ControlFlow::Continue(())
    }
}
