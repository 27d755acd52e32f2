//! `JOIN ... USING`: one column of each name, as PostgreSQL defines it: `a FULL JOIN b USING (k)` ->
//! `a FULL JOIN b ON a.k = b.k`, where `k` alone is `coalesce(a.k, b.k)` and `*` gives it once, first.
//!
//! The engine takes the left table's column also after RIGHT and FULL JOIN, where it may be null, and calls a name
//! that two joins use ambiguous. NATURAL is USING with the names that both sides have; which they are is asked of
//! whoever knows the tables (`binder/joins.rs`).

use super::call;
use crate::binder::ident::folded;
use crate::error::{Error, Result};
use crate::sqlstate::SqlState;
use sqlparser::ast::{
    BinaryOperator, ExcludeSelectItem, Expr, Ident, JoinConstraint, JoinOperator, ObjectName,
    OrderByKind, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, TableFactor,
    TableWithJoins, Value, VisitMut, VisitorMut, WildcardAdditionalOptions,
};
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// What a name of USING stands for, by the folded name.
pub(in crate::binder) type Merged = BTreeMap<String, Column>;

/// A column that USING made of several.
#[derive(Clone)]
pub(in crate::binder) struct Column {
    name: Ident,
    value: Expr,
}

/// A table of FROM and the columns of it that USING merged.
struct Table {
    /// With its schema and database as written: another may have the same last name.
    name: Vec<Ident>,
    merged: Vec<Ident>,
    /// What columns it has, if that is known.
    columns: Option<Vec<String>>,
}

/// Tells which columns a table of FROM has; `None` if that is not known.
pub(in crate::binder) type Columns<'a> = dyn FnMut(&TableFactor) -> Option<Vec<String>> + 'a;

/// Rewrites the joins of a query's FROM, what names their columns, and its ORDER BY.
pub(in crate::binder) fn rewrite(query: &mut Query, columns: &mut Columns<'_>) -> Result<()> {
    let SetExpr::Select(select) = query.body.as_mut() else {
        return Ok(());
    };
    let Some(merged) = rewrite_select(select, columns)? else {
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
pub(in crate::binder) fn rewrite_select(
    select: &mut Select,
    columns: &mut Columns<'_>,
) -> Result<Option<Merged>> {
    if !select.from.iter().any(has_using) {
        return Ok(None);
    }
    let Some((merged, tables)) = joined(select, columns)? else {
        return Ok(None);
    };
    list(select, &merged, &tables)?;
    let _ = VisitMut::visit(select, &mut Names::new(&merged));
    Ok(Some(merged))
}

/// Tells whether joins of a FROM item name columns with USING or NATURAL.
pub(in crate::binder) fn has_using(from: &TableWithJoins) -> bool {
    from.joins.iter().any(|join| {
        matches!(
            constraint(&join.join_operator),
            Some((JoinConstraint::Using(_) | JoinConstraint::Natural, _))
        )
    })
}

/// Tells whether the joins of a FROM item can only be written out by who knows the columns of the tables: a NATURAL
/// one, or USING with a name that any of several tables may have.
pub(in crate::binder) fn needs_columns(from: &TableWithJoins) -> bool {
    let mut known: Vec<String> = Vec::new();
    for (index, join) in from.joins.iter().enumerate() {
        match constraint(&join.join_operator) {
            Some((JoinConstraint::Natural, _)) => return true,
            Some((JoinConstraint::Using(names), _)) => {
                let names = names.iter().filter_map(|name| name.0.last()?.as_ident());
                let names: Vec<String> = names.map(folded).collect();
                if index > 0 && names.iter().any(|name| !known.contains(name)) {
                    return true;
                }
                known.extend(names);
            }
            _ => {}
        }
    }
    false
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
fn joined(select: &mut Select, columns: &mut Columns<'_>) -> Result<Option<(Merged, Vec<Table>)>> {
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
        let natural = item
            .joins
            .iter()
            .any(|join| is_natural_outer(&join.join_operator));
        match item_joined(item, &mut tables, columns)? {
            Some(merged) => {
                for (name, column) in merged {
                    if all.insert(name, column).is_some() {
                        return Ok(None);
                    }
                }
            }
            None if natural => {
                return Err(Error::unsupported(
                    "NATURAL RIGHT or FULL JOIN of these tables",
                    "Name the columns with USING or ON",
                ));
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
fn item_joined(
    item: &mut TableWithJoins,
    tables: &mut Vec<Table>,
    columns: &mut Columns<'_>,
) -> Result<Option<Merged>> {
    let mut merged = Merged::new();
    let first = tables.len();
    let Some(name) = name_of(&item.relation) else {
        return Ok(None);
    };
    tables.push(Table {
        name,
        merged: Vec::new(),
        columns: columns(&item.relation),
    });
    for join in &mut item.joins {
        let Some(right) = name_of(&join.relation) else {
            return Ok(None);
        };
        let right_columns = columns(&join.relation);
        let (constraint, side) = match &join.join_operator {
            JoinOperator::CrossJoin(JoinConstraint::None) => (&JoinConstraint::None, Side::Left),
            operator => match constraint(operator) {
                Some(found) => found,
                None => return Ok(None),
            },
        };
        let mut here = Vec::new();
        let names = match constraint {
            JoinConstraint::Using(names) => {
                let names = names.iter().map(|name| match name.0.as_slice() {
                    [part] => part.as_ident().cloned(),
                    _ => None,
                });
                names.collect()
            }
            JoinConstraint::Natural => {
                let left = tables.get(first..).unwrap_or_default();
                common(left, right_columns.as_deref())
            }
            JoinConstraint::On(_) | JoinConstraint::None => Some(Vec::new()),
        };
        let is_named = matches!(
            constraint,
            JoinConstraint::Using(_) | JoinConstraint::Natural
        );
        let Some(names) = names else {
            return Ok(None);
        };
        let mut conditions = Vec::new();
        for name in names {
            let left = match merged.get(&folded(&name)) {
                Some(column) => column.value.clone(),
                None => {
                    let left = tables.get_mut(first..).unwrap_or_default();
                    let Some(table) = owner(left, &name)? else {
                        return Ok(None);
                    };
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
        if is_named {
            let condition = conditions.into_iter().reduce(|left, right| Expr::BinaryOp {
                left: Box::new(left),
                op: BinaryOperator::And,
                right: Box::new(right),
            });
            // Without a name in common all rows meet.
            let condition = condition.unwrap_or_else(|| Expr::Value(Value::Boolean(true).into()));
            let Some(constraint) = constraint_mut(&mut join.join_operator) else {
                return Ok(None);
            };
            *constraint = JoinConstraint::On(condition);
        }
        tables.push(Table {
            name: right,
            merged: here,
            columns: right_columns,
        });
    }
    Ok(Some(merged))
}

/// The names that the right side of a NATURAL join has of the left, in the order of the left.
fn common(left: &[Table], right: Option<&[String]>) -> Option<Vec<Ident>> {
    let right = right?;
    let mut names: Vec<Ident> = Vec::new();
    for table in left {
        for name in table.columns.as_ref()? {
            if right.contains(name) && !names.iter().any(|known| known.value == *name) {
                names.push(Ident::with_quote('"', name));
            }
        }
    }
    Some(names)
}

/// The table of the left side that has a column, if it is known: the only one, or the one of those there.
fn owner<'a>(left: &'a mut [Table], name: &Ident) -> Result<Option<&'a mut Table>> {
    if left.len() == 1 {
        return Ok(left.first_mut());
    }
    let folded = folded(name);
    let mut found = None;
    for (index, table) in left.iter().enumerate() {
        let Some(columns) = &table.columns else {
            return Ok(None);
        };
        if columns.contains(&folded) && found.replace(index).is_some() {
            let text =
                format!("common column name \"{folded}\" appears more than once in left table");
            return Err(Error::new(SqlState::AMBIGUOUS_COLUMN, text)
                .with_hint("Join by ON, with the table before the column"));
        }
    }
    Ok(found.and_then(|index| left.get_mut(index)))
}

fn column(table: &[Ident], name: &Ident) -> Expr {
    Expr::CompoundIdentifier([table, std::slice::from_ref(name)].concat())
}

/// The name by which a table's columns are reached.
pub(in crate::binder) fn name_of(relation: &TableFactor) -> Option<Vec<Ident>> {
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
                let unknown = tables.iter().any(|table| table.columns.is_none());
                if options.opt_except.is_some() || (options.opt_exclude.is_some() && unknown) {
                    return Err(Error::unsupported(
                        "* EXCLUDE beside USING of these tables",
                        "Name the columns, or write the joins with ON",
                    ));
                }
                let excluded = excluded(options.opt_exclude.as_ref(), tables)?;
                // Those of the last join first, as PostgreSQL shows them.
                for column in last_first(merged, tables) {
                    if excluded
                        .iter()
                        .any(|name| folded(name) == folded(&column.name))
                    {
                        continue;
                    }
                    items.push(SelectItem::ExprWithAlias {
                        expr: column.value.clone(),
                        alias: column.name.clone(),
                    });
                }
                items.extend(tables.iter().filter_map(|table| rest(table, &excluded)));
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

/// The names behind EXCLUDE, each of which some table has.
fn excluded(exclude: Option<&ExcludeSelectItem>, tables: &[Table]) -> Result<Vec<Ident>> {
    let names: &[ObjectName] = match exclude {
        None => &[],
        Some(ExcludeSelectItem::Single(name)) => std::slice::from_ref(name),
        Some(ExcludeSelectItem::Multiple(names)) => names,
    };
    let names = names.iter().filter_map(|name| name.0.last()?.as_ident());
    names
        .map(|name| match tables.iter().any(|table| has(table, name)) {
            true => Ok(name.clone()),
            false => Err(Error::new(
                SqlState::UNDEFINED_COLUMN,
                format!("column \"{}\" does not exist", folded(name)),
            )
            .with_hint("EXCLUDE names columns of the tables of FROM")),
        })
        .collect()
}

fn has(table: &Table, name: &Ident) -> bool {
    let columns = table.columns.as_ref();
    columns.is_some_and(|columns| columns.contains(&folded(name)))
}

/// `table.*` without what was merged and what is excluded; `None` if nothing is left.
fn rest(table: &Table, excluded: &[Ident]) -> Option<SelectItem> {
    let mut without = table.merged.clone();
    for name in excluded.iter().filter(|name| has(table, name)) {
        if !without.iter().any(|other| folded(other) == folded(name)) {
            without.push(name.clone());
        }
    }
    if table
        .columns
        .as_ref()
        .is_some_and(|columns| columns.len() <= without.len())
    {
        return None;
    }
    let names = without.into_iter().map(|name| ObjectName::from(vec![name]));
    let names: Vec<_> = names.collect();
    let options = WildcardAdditionalOptions {
        opt_exclude: (!names.is_empty()).then_some(ExcludeSelectItem::Multiple(names)),
        ..WildcardAdditionalOptions::default()
    };
    let kind = SelectItemQualifiedWildcardKind::ObjectName(ObjectName::from(table.name.clone()));
    Some(SelectItem::QualifiedWildcard(kind, options))
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
