//! `START WITH ... CONNECT BY PRIOR a = b` -> a recursive query over the table, with LEVEL as a column.

use crate::binder::ident::folded;
use crate::error::{Error, Result};
use crate::statement::query::Query as Parsed;
use sqlparser::ast::{
    BinaryOperator, ConnectByKind, ExcludeSelectItem, Expr, Ident, OrderBy, Query, Select,
    SelectItem, SelectItemQualifiedWildcardKind, SetExpr, TableAlias, TableFactor, Value, VisitMut,
    VisitorMut, WildcardAdditionalOptions,
};
use std::collections::BTreeSet;
use std::ops::ControlFlow;

/// The recursive query, and the row before; no user can write them, for the space.
const CONNECTED: &str = "connected rows";
const PRIOR: &str = "prior row";
const LEVEL: &str = "level";

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
    let shown = Shown::of(select, query.order_by.as_mut());
    let columns = Prior {
        joined: &before.columns,
        shown: &shown,
    };
    let recursive = recursive(&table, start, condition, &columns)?;
    select_from(select, &table, &shown);
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

/// The columns of the row before that are asked for.
struct Prior<'a> {
    /// In the condition.
    joined: &'a BTreeSet<String>,
    /// In the select list, or what else of the query is about the rows found: each row has them beside its own.
    shown: &'a BTreeSet<String>,
}

/// `WITH RECURSIVE connected AS (roots UNION ALL next level) ...`.
fn recursive(
    table: &TableFactor,
    start: Option<Expr>,
    condition: Expr,
    columns: &Prior<'_>,
) -> Result<Query> {
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let all: BTreeSet<&String> = columns.joined.union(columns.shown).collect();
    let mut list: Vec<String> = all
        .iter()
        .filter(|column| **column != LEVEL)
        .map(|column| format!("{} AS {}", quoted(column), quoted(&before(column))))
        .collect();
    list.push(format!("\"level\" AS {}", quoted(&before("level"))));
    let (mut of_roots, mut of_next, mut none) = (String::new(), String::new(), Vec::new());
    for column in columns.shown {
        let (name, own) = (quoted(&before(column)), quoted(column));
        of_next += &format!(", \"{PRIOR}\".{name} AS {name}");
        if column == LEVEL {
            of_roots += &format!(", null::bigint AS {name}");
        } else {
            of_roots += &format!(", \"{PRIOR}\".{name} AS {name}");
            none.push(format!("{own} AS {name}"));
        }
    }
    // A root has no row before it: nulls of the columns' types.
    let before_roots = match none.is_empty() {
        true => String::new(),
        false => format!(
            " LEFT JOIN (SELECT {} FROM t WHERE false) AS \"{PRIOR}\" ON true",
            none.join(", ")
        ),
    };
    let text = format!(
        "WITH RECURSIVE \"{CONNECTED}\" AS (SELECT t.*, 1::bigint AS \"level\"{of_roots} FROM t{before_roots} WHERE true UNION ALL \
         SELECT t.*, {level} + 1 AS \"level\"{of_next} FROM t JOIN (SELECT {} FROM \"{CONNECTED}\") AS \"{PRIOR}\" ON true) SELECT 1",
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
        put_table(roots, table);
        let joins = roots.from.iter_mut().flat_map(|from| &mut from.joins);
        for join in joins {
            if let TableFactor::Derived { subquery, .. } = &mut join.relation
                && let SetExpr::Select(none) = subquery.body.as_mut()
                && let Some(from) = none.from.first_mut()
            {
                from.relation = table.clone();
            }
        }
    }
    if let SetExpr::Select(next) = right.as_mut() {
        put_table(next, table);
        next.selection = Some(condition);
    }
    Ok(query)
}

/// Puts the table in the place of `t`.
fn put_table(select: &mut Select, table: &TableFactor) {
    if let Some(SelectItem::QualifiedWildcard(kind, _)) = select.projection.first_mut() {
        let name = vec![table_name(table)].into();
        *kind = SelectItemQualifiedWildcardKind::ObjectName(name);
    }
    if let Some(from) = select.from.first_mut() {
        from.relation = table.clone();
    }
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
fn select_from(select: &mut Select, table: &TableFactor, shown: &BTreeSet<String>) {
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
            let added = shown.iter().map(|column| before(column));
            let added = std::iter::once(LEVEL.to_owned()).chain(added);
            let added = added.map(|name| vec![Ident::with_quote('"', name)].into());
            *options = WildcardAdditionalOptions {
                opt_exclude: Some(ExcludeSelectItem::Multiple(added.collect())),
                ..options.clone()
            };
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

/// Replaces `PRIOR x` in what is about the rows found by columns that each has of the row before; not within subqueries,
/// which have rows of their own.
#[derive(Default)]
struct Shown {
    columns: BTreeSet<String>,
    depth: usize,
}

impl Shown {
    /// Replaces them, and gives their names.
    fn of(select: &mut Select, order_by: Option<&mut OrderBy>) -> BTreeSet<String> {
        let mut shown = Self::default();
        for item in &mut select.projection {
            // An operator has no name of its own.
            if let SelectItem::UnnamedExpr(expr @ Expr::Prior(_)) = item {
                let (expr, alias) = (expr.clone(), Ident::with_quote('"', "?column?"));
                *item = SelectItem::ExprWithAlias { expr, alias };
            }
        }
        let _ = VisitMut::visit(select, &mut shown);
        if let Some(order_by) = order_by {
            let _ = VisitMut::visit(order_by, &mut shown);
        }
        shown.columns
    }
}

impl VisitorMut for Shown {
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
        if self.depth == 0
            && let Expr::Prior(inner) = expr
        {
            let mut names = Columns(&mut self.columns);
            let _ = VisitMut::visit(inner.as_mut(), &mut names);
            *expr = Expr::Nested(inner.clone());
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
        self.0.insert(column);
        ControlFlow::Continue(())
    }
}
