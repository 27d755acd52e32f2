//! Takes a tree of joins apart into relations and conditions.

use datafusion::common::tree_node::TreeNode;
use datafusion::common::{Column, JoinType, NullEquality};
use datafusion::error::Result;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, Join, LogicalPlan, Operator};
use std::collections::HashSet;
use std::sync::Arc;

/// Parts a graph may have; a set of parts is the bits of a `u64`.
const PARTS_MAX: usize = 60;

/// A relation of the graph.
pub(super) struct Part {
    /// What gives its rows.
    pub(super) plan: Arc<LogicalPlan>,
    /// Set if it is the right side of a semi or anti join, which only removes rows.
    pub(super) semi: Option<Semi>,
}

/// A semi or anti join, apart from its left side.
pub(super) struct Semi {
    /// Equalities, the left side first.
    pub(super) on: Vec<(Expr, Expr)>,
    /// The rest of its condition.
    pub(super) filter: Option<Expr>,
    /// Left semi or left anti.
    pub(super) join_type: JoinType,
    /// How nulls compare.
    pub(super) null_equality: NullEquality,
    /// NOT IN.
    pub(super) null_aware: bool,
    /// The parts its left side speaks of.
    pub(super) needs: u64,
}

/// A conjunct.
pub(super) struct Condition {
    kind: Kind,
    /// The class of equal columns this equality belongs to.
    pub(super) class: Option<usize>,
    /// Whether it follows from others.
    inferred: bool,
}

enum Kind {
    Equality {
        left: Expr,
        right: Expr,
        left_mask: u64,
        right_mask: u64,
    },
    Filter {
        expr: Expr,
        mask: u64,
    },
}

impl Condition {
    pub(super) fn expr(&self) -> Expr {
        match &self.kind {
            Kind::Equality { left, right, .. } => left.clone().eq(right.clone()),
            Kind::Filter { expr, .. } => expr.clone(),
        }
    }

    /// Whether the answer needs it somewhere.
    pub(super) fn is_needed(&self) -> bool {
        !self.inferred
    }

    /// Gives the sides if it is an equality that holds between these two sets.
    pub(super) fn equality_between(&self, one: u64, other: u64) -> Option<(Expr, Expr)> {
        let Kind::Equality {
            left,
            right,
            left_mask,
            right_mask,
        } = &self.kind
        else {
            return None;
        };
        if within(*left_mask, one) && within(*right_mask, other) {
            Some((left.clone(), right.clone()))
        } else if within(*left_mask, other) && within(*right_mask, one) {
            Some((right.clone(), left.clone()))
        } else {
            None
        }
    }

    /// Whether it is not an equality of two sides but can be tested within a set.
    pub(super) fn is_filter_within(&self, set: u64) -> bool {
        match &self.kind {
            Kind::Filter { mask, .. } => *mask != 0 && within(*mask, set),
            Kind::Equality { .. } => false,
        }
    }

    /// Gives the parts of the two sides of an equality.
    pub(super) fn sides(&self) -> Option<(u64, u64)> {
        match &self.kind {
            Kind::Equality {
                left_mask,
                right_mask,
                ..
            } => Some((*left_mask, *right_mask)),
            Kind::Filter { .. } => None,
        }
    }

    /// Gives a condition of several parts that is no equality.
    pub(super) fn filter(&self) -> Option<(&Expr, u64)> {
        match &self.kind {
            Kind::Filter { expr, mask } => Some((expr, *mask)),
            Kind::Equality { .. } => None,
        }
    }
}

/// Whether all of `set` is in `of`.
pub(super) fn within(set: u64, of: u64) -> bool {
    set & !of == 0
}

/// Relations and what is asked of them together.
pub(super) struct Graph {
    pub(super) parts: Vec<Part>,
    pub(super) conditions: Vec<Condition>,
    /// Columns by class.
    pub(super) classes: Vec<Vec<Column>>,
    ambiguous: bool,
}

/// Whether a plan is a join (or a filter over joins) that begins a graph.
pub(super) fn is_root(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Join(join) => is_inner(join) || semi_of(join).is_some(),
        LogicalPlan::Filter(filter) => is_root(&filter.input) && is_movable(&filter.predicate),
        _ => false,
    }
}

fn is_inner(join: &Join) -> bool {
    join.join_type == JoinType::Inner
        && (join.null_equality == NullEquality::NullEqualsNothing || join.on.is_empty())
        && join.filter.as_ref().is_none_or(is_movable)
}

/// Whether a condition may be tested elsewhere and another number of times.
fn is_movable(expr: &Expr) -> bool {
    !expr.is_volatile()
        && !expr
            .exists(|part| Ok(matches!(part, Expr::OuterReferenceColumn(..))))
            .unwrap_or(true)
}

/// Gives the left and the right side of a semi or anti join, whichever way it is written.
fn semi_of(join: &Join) -> Option<JoinType> {
    match join.join_type {
        JoinType::LeftSemi | JoinType::LeftAnti
            if join.filter.as_ref().is_none_or(is_movable) && !join.on.is_empty() =>
        {
            Some(join.join_type)
        }
        _ => None,
    }
}

impl Graph {
    /// Takes a plan apart.
    pub(super) fn of(plan: &LogicalPlan) -> Result<Self> {
        let mut graph = Self {
            parts: Vec::new(),
            conditions: Vec::new(),
            classes: Vec::new(),
            ambiguous: false,
        };
        let mut raw = Vec::new();
        let mut semis = Vec::new();
        graph.take(plan, &mut raw, &mut semis);
        graph.ambiguous = graph.has_ambiguous_names();
        if graph.is_reorderable_yet(semis.len()) {
            for semi in semis {
                graph.add_semi(semi);
            }
            for expr in raw {
                graph.add_condition(expr);
            }
            graph.classify()?;
        }
        Ok(graph)
    }

    fn is_reorderable_yet(&self, semis: usize) -> bool {
        !self.ambiguous && self.parts.len() + semis <= PARTS_MAX
    }

    /// Whether there is a choice, and names are clear enough to make it.
    pub(super) fn is_reorderable(&self) -> bool {
        self.is_reorderable_yet(0) && self.parts.len() >= 2
    }

    fn take<'a>(&mut self, plan: &'a LogicalPlan, raw: &mut Vec<Expr>, semis: &mut Vec<&'a Join>) {
        match plan {
            LogicalPlan::Join(join) if is_inner(join) => {
                self.take(&join.left, raw, semis);
                self.take(&join.right, raw, semis);
                raw.extend(
                    join.on
                        .iter()
                        .map(|(left, right)| left.clone().eq(right.clone())),
                );
                if let Some(filter) = &join.filter {
                    raw.extend(split_conjunction(filter).into_iter().cloned());
                }
            }
            LogicalPlan::Join(join) if semi_of(join).is_some() => {
                self.take(&join.left, raw, semis);
                semis.push(join);
            }
            LogicalPlan::Filter(filter)
                if is_movable(&filter.predicate) && is_tree(&filter.input) =>
            {
                self.take(&filter.input, raw, semis);
                raw.extend(split_conjunction(&filter.predicate).into_iter().cloned());
            }
            LogicalPlan::Projection(projection)
                if is_tree(&projection.input)
                    && projection
                        .expr
                        .iter()
                        .all(|expr| matches!(expr, Expr::Column(_))) =>
            {
                self.take(&projection.input, raw, semis);
            }
            leaf => self.parts.push(Part {
                plan: Arc::new(leaf.clone()),
                semi: None,
            }),
        }
    }

    fn has_ambiguous_names(&self) -> bool {
        let mut names = HashSet::new();
        let mut bare = HashSet::new();
        for part in &self.parts {
            for column in part.plan.schema().columns() {
                // An unqualified name next to a qualified one of the same name cannot be told apart.
                let clash = match column.relation {
                    None => !bare.insert(column.name.clone()),
                    Some(_) => false,
                };
                if clash || !names.insert(column) {
                    return true;
                }
            }
        }
        names
            .iter()
            .any(|column| column.relation.is_some() && bare.contains(&column.name))
    }

    /// The parts an expression speaks of; `None` if one of its columns is nowhere.
    fn mask_of(&self, expr: &Expr) -> Option<u64> {
        let mut mask = 0;
        for column in expr.column_refs() {
            mask |= self.part_of(column)?;
        }
        Some(mask)
    }

    fn part_of(&self, column: &Column) -> Option<u64> {
        let place = self
            .parts
            .iter()
            .position(|part| part.semi.is_none() && part.plan.schema().has_column(column))?;
        Some(1 << place)
    }

    fn add_semi(&mut self, join: &Join) {
        let mut needs = 0;
        for (left, _) in &join.on {
            needs |= self.mask_of(left).unwrap_or(u64::MAX);
        }
        if let Some(filter) = &join.filter {
            for column in filter.column_refs() {
                if !join.right.schema().has_column(column) {
                    needs |= self.part_of(column).unwrap_or(u64::MAX);
                }
            }
        }
        // A side that cannot be placed waits for everything.
        let relations = self.parts.iter().filter(|part| part.semi.is_none()).count();
        let all = (1_u64 << relations) - 1;
        let semi = Semi {
            on: join.on.clone(),
            filter: join.filter.clone(),
            join_type: join.join_type,
            null_equality: join.null_equality,
            null_aware: join.null_aware,
            needs: if within(needs, all) && needs != 0 {
                needs
            } else {
                all
            },
        };
        self.parts.push(Part {
            plan: Arc::clone(&join.right),
            semi: Some(semi),
        });
    }

    fn add_condition(&mut self, expr: Expr) {
        if let Expr::BinaryExpr(BinaryExpr {
            left,
            op: Operator::Eq,
            right,
        }) = &expr
            && let (Some(left_mask), Some(right_mask)) = (self.mask_of(left), self.mask_of(right))
            && left_mask != 0
            && right_mask != 0
            && left_mask & right_mask == 0
        {
            let (left, right) = (left.as_ref().clone(), right.as_ref().clone());
            let kind = Kind::Equality {
                left,
                right,
                left_mask,
                right_mask,
            };
            self.conditions.push(Condition {
                kind,
                class: None,
                inferred: false,
            });
            return;
        }
        let mask = self.mask_of(&expr).unwrap_or(0);
        self.conditions.push(Condition {
            kind: Kind::Filter { expr, mask },
            class: None,
            inferred: false,
        });
    }

    /// Finds classes of equal columns and adds the equalities that follow, so that any two members can be joined.
    fn classify(&mut self) -> Result<()> {
        let mut classes: Vec<Vec<Column>> = Vec::new();
        for condition in &self.conditions {
            let Some((left, right)) = self.plain_columns(condition)? else {
                continue;
            };
            let place = |of: &Column| classes.iter().position(|class| class.contains(of));
            match (place(&left), place(&right)) {
                (None, None) => classes.push(vec![left, right]),
                (Some(class), None) => classes
                    .get_mut(class)
                    .into_iter()
                    .for_each(|c| c.push(right.clone())),
                (None, Some(class)) => classes
                    .get_mut(class)
                    .into_iter()
                    .for_each(|c| c.push(left.clone())),
                (Some(one), Some(other)) if one != other => {
                    let merged = classes.swap_remove(one.max(other));
                    classes
                        .get_mut(one.min(other))
                        .into_iter()
                        .for_each(|c| c.extend(merged.clone()));
                }
                _ => {}
            }
        }
        // Two members in one part are equal only by what the query says of both: nothing may be left out there.
        classes.retain(|class| {
            let parts: HashSet<_> = class.iter().map(|column| self.part_of(column)).collect();
            parts.len() == class.len()
        });
        let mut known = HashSet::new();
        let mut of_condition = Vec::with_capacity(self.conditions.len());
        for condition in &self.conditions {
            let class = self.plain_columns(condition)?.and_then(|(left, right)| {
                let class = classes.iter().position(|class| class.contains(&left));
                known.insert((left.clone(), right.clone()));
                known.insert((right, left));
                class
            });
            of_condition.push(class);
        }
        for (condition, class) in self.conditions.iter_mut().zip(of_condition) {
            condition.class = class;
        }
        for (index, class) in classes.iter().enumerate() {
            for (first, left) in class.iter().enumerate() {
                for right in class.iter().skip(first + 1) {
                    let (Some(left_mask), Some(right_mask)) =
                        (self.part_of(left), self.part_of(right))
                    else {
                        continue;
                    };
                    if left_mask == right_mask || known.contains(&(left.clone(), right.clone())) {
                        continue;
                    }
                    let kind = Kind::Equality {
                        left: Expr::Column(left.clone()),
                        right: Expr::Column(right.clone()),
                        left_mask,
                        right_mask,
                    };
                    self.conditions.push(Condition {
                        kind,
                        class: Some(index),
                        inferred: true,
                    });
                }
            }
        }
        self.classes = classes;
        Ok(())
    }

    /// Gives the two columns of an equality of columns of one type; others are not transitive.
    fn plain_columns(&self, condition: &Condition) -> Result<Option<(Column, Column)>> {
        let Kind::Equality {
            left,
            right,
            left_mask,
            right_mask,
        } = &condition.kind
        else {
            return Ok(None);
        };
        let (Expr::Column(l), Expr::Column(r)) = (left, right) else {
            return Ok(None);
        };
        let type_of = |expr: &Expr, mask: u64| {
            let part = self.parts.get(mask.trailing_zeros() as usize);
            part.map(|part| expr.get_type(part.plan.schema().as_ref()))
                .transpose()
        };
        let same = type_of(left, *left_mask)? == type_of(right, *right_mask)?;
        Ok(same.then(|| (l.clone(), r.clone())))
    }
}

/// Whether a plan continues a graph.
fn is_tree(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Join(join) => is_inner(join) || semi_of(join).is_some(),
        LogicalPlan::Filter(filter) => is_movable(&filter.predicate) && is_tree(&filter.input),
        LogicalPlan::Projection(projection) => {
            projection
                .expr
                .iter()
                .all(|expr| matches!(expr, Expr::Column(_)))
                && is_tree(&projection.input)
        }
        _ => false,
    }
}
