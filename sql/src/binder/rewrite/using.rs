//! `JOIN ... USING`: one column of each name, as PostgreSQL defines it: `a FULL JOIN b USING (k)` ->
//! `a FULL JOIN b ON a.k = b.k`, where `k` alone is `coalesce(a.k, b.k)` and `*` gives it once, first.
//!
//! The engine takes the left table's column also after RIGHT and FULL JOIN, where it may be null, and calls a name
//! that two joins use ambiguous.

use super::call;
use crate::binder::ident::folded;
use crate::error::{Error, Result};
use sqlparser::ast::{
    BinaryOperator, ExcludeSelectItem, Expr, Ident, JoinConstraint, JoinOperator, ObjectName,
    OrderByKind, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, TableFactor,
    TableWithJoins, VisitMut, VisitorMut, WildcardAdditionalOptions,
};
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// What a name of USING stands for, by the folded name.
pub(super) type Merged = BTreeMap<String, Column>;

/// A column that USING made of several.
#[derive(Clone)]
pub(super) struct Column {
    name: Ident,
    value: Expr,
}

/// A table of FROM and the columns of it that USING merged.
struct Table {
    /// With its schema and database as written: another may have the same last name.
    name: Vec<Ident>,
    merged: Vec<Ident>,
}

/// Rewrites the joins of a query's FROM, what names their columns, and its ORDER BY.
pub(super) fn rewrite(query: &mut Query) -> Result<()> {
    let SetExpr::Select(select) = query.body.as_mut() else {
        return Ok(());
    };
    let Some(merged) = rewrite_select(select)? else {
        return Ok(());
    };
    if let Some(order) = &mut query.order_by
        && let OrderByKind::Expressions(keys) = &mut order.kind
    {
        for key in keys {
            // A name of the select list comes first.
            if !matches!(&key.expr, Expr::Identifier(name) if is_listed(select, name)) {
                let _ = VisitMut::visit(&mut key.expr, &mut Names::new(&merged));
            }
        }
    }
    Ok(())
}

/// Does so but for ORDER BY, and gives what the names stand for if something was rewritten.
pub(super) fn rewrite_select(select: &mut Select) -> Result<Option<Merged>> {
    if !select.from.iter().any(has_using) {
        return Ok(None);
    }
    let Some((merged, tables)) = joined(select)? else {
        return Ok(None);
    };
    list(select, &merged, &tables)?;
    let _ = VisitMut::visit(select, &mut Names::new(&merged));
    Ok(Some(merged))
}

fn has_using(from: &TableWithJoins) -> bool {
    from.joins.iter().any(|join| {
        matches!(
            constraint(&join.join_operator),
            Some((JoinConstraint::Using(_), _))
        ) || is_natural_outer(&join.join_operator)
    })
}

fn is_natural_outer(operator: &JoinOperator) -> bool {
    matches!(
        constraint(operator),
        Some((JoinConstraint::Natural, Side::Right | Side::Both))
    )
}

/// Whose rows are all there.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Side {
    Left,
    Right,
    Both,
}

fn constraint(operator: &JoinOperator) -> Option<(&JoinConstraint, Side)> {
    Some(match operator {
        JoinOperator::Join(constraint)
        | JoinOperator::Inner(constraint)
        | JoinOperator::Left(constraint)
        | JoinOperator::LeftOuter(constraint) => (constraint, Side::Left),
        JoinOperator::Right(constraint) | JoinOperator::RightOuter(constraint) => {
            (constraint, Side::Right)
        }
        JoinOperator::FullOuter(constraint) => (constraint, Side::Both),
        _ => return None,
    })
}

fn constraint_mut(operator: &mut JoinOperator) -> Option<&mut JoinConstraint> {
    match operator {
        JoinOperator::Join(constraint)
        | JoinOperator::Inner(constraint)
        | JoinOperator::Left(constraint)
        | JoinOperator::LeftOuter(constraint)
        | JoinOperator::Right(constraint)
        | JoinOperator::RightOuter(constraint)
        | JoinOperator::FullOuter(constraint) => Some(constraint),
        _ => None,
    }
}

/// Puts ON for USING. `None` leaves the joins to the engine, which does right by them if no more than tables without
/// a name of their own, or names that only it can place, stand in the way.
fn joined(select: &mut Select) -> Result<Option<(Merged, Vec<Table>)>> {
    let mut from = select.from.clone();
    let mut all = Merged::new();
    let mut tables = Vec::new();
    for item in &mut from {
        let outer = item.joins.iter().any(|join| {
            matches!(
                constraint(&join.join_operator),
                Some((JoinConstraint::Using(_), Side::Right | Side::Both))
            )
        });
        if item
            .joins
            .iter()
            .any(|join| is_natural_outer(&join.join_operator))
        {
            return Err(Error::unsupported(
                "NATURAL RIGHT or FULL JOIN",
                "Name the columns with USING or ON",
            ));
        }
        match item_joined(item, &mut tables) {
            Some(merged) => {
                for (name, column) in merged {
                    if all.insert(name, column).is_some() {
                        return Ok(None);
                    }
                }
            }
            None if outer => {
                return Err(Error::unsupported(
                    "USING of a RIGHT or FULL JOIN with this left side",
                    "Write the condition with ON, and COALESCE for the column",
                ));
            }
            None => return Ok(None),
        }
    }
    select.from = from;
    Ok(Some((all, tables)))
}

/// Does the same for one item of FROM.
fn item_joined(item: &mut TableWithJoins, tables: &mut Vec<Table>) -> Option<Merged> {
    let mut merged = Merged::new();
    let first = tables.len();
    tables.push(Table {
        name: name_of(&item.relation)?,
        merged: Vec::new(),
    });
    for join in &mut item.joins {
        let right = name_of(&join.relation)?;
        let (constraint, side) = match &join.join_operator {
            JoinOperator::CrossJoin(JoinConstraint::None) => (&JoinConstraint::None, Side::Left),
            operator => constraint(operator)?,
        };
        let mut here = Vec::new();
        match constraint {
            JoinConstraint::Using(names) => {
                let mut conditions = Vec::new();
                for name in names {
                    let name = match name.0.as_slice() {
                        [part] => part.as_ident()?.clone(),
                        _ => return None,
                    };
                    let left = match merged.get(&folded(&name)) {
                        Some(column) => column.value.clone(),
                        // Which of several tables has the column is not known here.
                        None if tables.len() > first + 1 => return None,
                        None => {
                            let table = tables.get_mut(first)?;
                            table.merged.push(name.clone());
                            column(&table.name, &name)
                        }
                    };
                    let other = column(&right, &name);
                    conditions.push(Expr::BinaryOp {
                        left: Box::new(left.clone()),
                        op: BinaryOperator::Eq,
                        right: Box::new(other.clone()),
                    });
                    let value = match side {
                        Side::Left => left,
                        Side::Right => other,
                        Side::Both => call("coalesce", vec![left, other]),
                    };
                    here.push(name.clone());
                    merged.insert(folded(&name), Column { name, value });
                }
                let condition = conditions
                    .into_iter()
                    .reduce(|left, right| Expr::BinaryOp {
                        left: Box::new(left),
                        op: BinaryOperator::And,
                        right: Box::new(right),
                    })?;
                *constraint_mut(&mut join.join_operator)? = JoinConstraint::On(condition);
            }
            // Its names are known to the engine alone.
            JoinConstraint::Natural => return None,
            JoinConstraint::On(_) | JoinConstraint::None => {}
        }
        tables.push(Table {
            name: right,
            merged: here,
        });
    }
    Some(merged)
}

fn column(table: &[Ident], name: &Ident) -> Expr {
    Expr::CompoundIdentifier([table, std::slice::from_ref(name)].concat())
}

/// The name by which a table's columns are reached.
fn name_of(relation: &TableFactor) -> Option<Vec<Ident>> {
    match relation {
        TableFactor::Table { alias, name, .. } => match alias {
            Some(alias) => Some(vec![alias.name.clone()]),
            None => name.0.iter().map(|part| part.as_ident().cloned()).collect(),
        },
        TableFactor::Derived { alias, .. } => alias.as_ref().map(|alias| vec![alias.name.clone()]),
        _ => None,
    }
}

fn is_listed(select: &Select, name: &Ident) -> bool {
    select.projection.iter().any(|item| match item {
        SelectItem::ExprWithAlias { alias, .. } => folded(alias) == folded(name),
        SelectItem::UnnamedExpr(Expr::Identifier(column)) => folded(column) == folded(name),
        _ => false,
    })
}

/// Names what the select list takes of the merged columns, and writes `*` out by tables.
fn list(select: &mut Select, merged: &Merged, tables: &[Table]) -> Result<()> {
    let mut items = Vec::new();
    for item in std::mem::take(&mut select.projection) {
        match item {
            SelectItem::UnnamedExpr(Expr::Identifier(name))
                if merged.contains_key(&folded(&name)) =>
            {
                items.push(SelectItem::ExprWithAlias {
                    expr: Expr::Identifier(name.clone()),
                    alias: name,
                });
            }
            SelectItem::Wildcard(options) => {
                if options.opt_exclude.is_some() || options.opt_except.is_some() {
                    return Err(Error::unsupported(
                        "* EXCLUDE beside USING",
                        "Name the columns, or write the joins with ON",
                    ));
                }
                // Those of the last join first, as PostgreSQL shows them.
                for column in last_first(merged, tables) {
                    items.push(SelectItem::ExprWithAlias {
                        expr: column.value.clone(),
                        alias: column.name.clone(),
                    });
                }
                items.extend(tables.iter().map(rest));
            }
            other => items.push(other),
        }
    }
    select.projection = items;
    Ok(())
}

/// The merged columns in the order of `*`.
fn last_first<'a>(merged: &'a Merged, tables: &[Table]) -> Vec<&'a Column> {
    let mut columns: Vec<&Column> = Vec::new();
    for table in tables.iter().rev() {
        for name in &table.merged {
            let known = |column: &&Column| folded(&column.name) == folded(name);
            if !columns.iter().any(known)
                && let Some(column) = merged.get(&folded(name))
            {
                columns.push(column);
            }
        }
    }
    columns
}

/// `table.*` without what was merged.
fn rest(table: &Table) -> SelectItem {
    let excluded = table
        .merged
        .iter()
        .map(|name| ObjectName::from(vec![name.clone()]));
    let options = WildcardAdditionalOptions {
        opt_exclude: (!table.merged.is_empty())
            .then(|| ExcludeSelectItem::Multiple(excluded.collect())),
        ..WildcardAdditionalOptions::default()
    };
    let kind = SelectItemQualifiedWildcardKind::ObjectName(ObjectName::from(table.name.clone()));
    SelectItem::QualifiedWildcard(kind, options)
}

/// Puts the merged column for its bare name, but in subqueries, where the name may be another's.
struct Names<'a> {
    merged: &'a Merged,
    depth: usize,
}

impl<'a> Names<'a> {
    fn new(merged: &'a Merged) -> Self {
        Self { merged, depth: 0 }
    }
}

impl VisitorMut for Names<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if self.depth == 0
            && let Expr::Identifier(name) = expr
            && let Some(column) = self.merged.get(&folded(name))
        {
            *expr = column.value.clone();
        }
        ControlFlow::Continue(())
    }
}
