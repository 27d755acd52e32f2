//! Finds the cheapest order: every connected order up to [`EXACT_PARTS_MAX`] parts, the best next step above.

use super::graph::{Graph, within};
use crate::planner::estimate::logical::{column_of, estimate, translate};
use crate::planner::estimate::predicate::selectivity;
use crate::planner::estimate::{
    self, ColumnEstimate, Estimate, JoinKey, SELECTIVITY_UNKNOWN, inner_rows, semi_selectivity,
};
use crate::planner::rule::distribution;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{DFSchema, JoinType};
use datafusion::logical_expr::Expr;
use std::sync::Arc;

/// Up to here every order is looked at: 3^12 pairs of sets take some milliseconds.
const EXACT_PARTS_MAX: usize = 12;

/// Work of putting a row into a hash table, where finding one there is [`PROBE_COST`] and passing a row on is 1.
const BUILD_COST: f64 = 2.0;
/// See [`BUILD_COST`].
const PROBE_COST: f64 = 0.4;
/// Work of a byte kept in a hash table.
const BYTE_COST: f64 = 1.0 / 64.0;

/// An order of joins.
#[derive(Clone, Debug)]
pub(super) enum Tree {
    /// One part.
    Leaf(usize),
    /// A join; the left side is the build side.
    Join { left: Arc<Tree>, right: Arc<Tree> },
    /// A semi or anti join with a part.
    Semi { input: Arc<Tree>, part: usize },
}

impl Tree {
    /// Gives the parts in it.
    pub(super) fn mask(&self) -> u64 {
        match self {
            Self::Leaf(part) => 1 << part,
            Self::Join { left, right } => left.mask() | right.mask(),
            Self::Semi { input, part } => input.mask() | 1 << part,
        }
    }
}

/// The best way to a set of parts.
#[derive(Clone)]
struct State {
    tree: Arc<Tree>,
    mask: u64,
    rows: f64,
    width: f64,
    cost: f64,
    /// The class of columns its rows are placed by, if any.
    placed_by: Option<usize>,
}

/// What the search knows of the graph.
struct Numbers<'a> {
    graph: &'a Graph,
    parts: Vec<Estimate>,
    /// By condition, for equalities: what is known of both sides.
    keys: Vec<Option<(ColumnEstimate, ColumnEstimate)>>,
    /// By condition, for filters of several parts: the rows they keep.
    shares: Vec<f64>,
    /// By part, for semi joins: the share of rows they keep.
    kept: Vec<f64>,
    partitions: f64,
}

/// Gives the cheapest order of a graph of at least one part.
pub(super) fn cheapest(graph: &Graph, partitions: usize) -> Tree {
    let numbers = Numbers::of(graph, partitions);
    let best = if graph.parts.len() <= EXACT_PARTS_MAX {
        numbers.exact()
    } else {
        None
    };
    let best = best.unwrap_or_else(|| numbers.greedy());
    best.map_or(Tree::Leaf(0), |state| state.tree.as_ref().clone())
}

impl<'a> Numbers<'a> {
    fn of(graph: &'a Graph, partitions: usize) -> Self {
        let parts: Vec<Estimate> = graph
            .parts
            .iter()
            .enumerate()
            .map(|(index, part)| {
                let base = estimate(&part.plan);
                // Conditions of this part alone are tested before any join.
                let own = graph
                    .conditions
                    .iter()
                    .filter(|c| c.is_filter_within(1 << index));
                let own = own
                    .map(|c| translate(&c.expr(), part.plan.schema()))
                    .collect();
                estimate::predicate::filter(base, estimate::predicate::Predicate::And(own))
            })
            .collect();
        let mut numbers = Self {
            graph,
            parts,
            keys: Vec::new(),
            shares: Vec::new(),
            kept: Vec::new(),
            partitions: partitions.max(1) as f64,
        };
        for condition in &graph.conditions {
            let key = condition
                .equality_between(u64::MAX, u64::MAX)
                .and_then(|(left, right)| {
                    let (left_mask, right_mask) = condition.sides()?;
                    Some((
                        numbers.column(&left, left_mask),
                        numbers.column(&right, right_mask),
                    ))
                });
            numbers.keys.push(key);
            let share = condition
                .filter()
                .map_or(1.0, |(expr, mask)| numbers.share(expr, mask));
            numbers.shares.push(share);
        }
        numbers.kept = (0..graph.parts.len())
            .map(|part| numbers.semi_share(part))
            .collect();
        numbers
    }

    /// Gives the parts of a set one after the other, as if crossed.
    fn together(&self, mask: u64) -> Option<(DFSchema, Estimate)> {
        let mut both: Option<(DFSchema, Estimate)> = None;
        for (index, part) in self.graph.parts.iter().enumerate() {
            if mask & (1 << index) == 0 {
                continue;
            }
            let own = self.parts.get(index)?;
            both = Some(match both {
                None => (part.plan.schema().as_ref().clone(), own.clone()),
                Some((schema, before)) => (
                    schema.join(part.plan.schema()).ok()?,
                    estimate::join(&before, own, &[], 1.0, JoinType::Inner),
                ),
            });
        }
        both
    }

    fn column(&self, expr: &Expr, mask: u64) -> ColumnEstimate {
        match self.together(mask) {
            Some((schema, input)) => column_of(expr, &schema, &input),
            None => ColumnEstimate::computed(&DataType::Int64, 1000.0),
        }
    }

    fn share(&self, expr: &Expr, mask: u64) -> f64 {
        match self.together(mask) {
            Some((schema, input)) => selectivity(&input, &translate(expr, &schema)),
            None => SELECTIVITY_UNKNOWN,
        }
    }

    fn semi_share(&self, part: usize) -> f64 {
        let (Some(found), Some(own)) = (self.graph.parts.get(part), self.parts.get(part)) else {
            return 1.0;
        };
        let Some(semi) = &found.semi else { return 1.0 };
        let columns: Vec<_> = semi
            .on
            .iter()
            .map(|(left, right)| {
                (
                    self.column(left, semi.needs),
                    column_of(right, found.plan.schema(), own),
                )
            })
            .collect();
        let keys: Vec<_> = columns
            .iter()
            .map(|(left, right)| JoinKey { left, right })
            .collect();
        let partners = if semi.filter.is_some() { 0.7 } else { 1.0 };
        // How many rows will be there by then is not known: as many as there are, not a chosen few.
        let share = semi_selectivity(f64::INFINITY, own.rows, &keys) * partners;
        match semi.join_type {
            JoinType::LeftAnti => (1.0 - share).max(0.05),
            _ => share,
        }
    }

    fn leaf(&self, index: usize) -> Option<State> {
        let own = self.parts.get(index)?;
        let part = self.graph.parts.get(index)?;
        let placed_by = distribution::key_of(&part.plan).and_then(|column| {
            self.graph
                .classes
                .iter()
                .position(|class| class.contains(&column))
        });
        Some(State {
            tree: Arc::new(Tree::Leaf(index)),
            mask: 1 << index,
            rows: own.rows,
            width: own.width(),
            cost: 0.0,
            placed_by,
        })
    }

    fn is_semi(&self, mask: u64) -> Option<usize> {
        if mask.count_ones() != 1 {
            return None;
        }
        let index = mask.trailing_zeros() as usize;
        self.graph
            .parts
            .get(index)
            .filter(|part| part.semi.is_some())
            .map(|_| index)
    }

    /// Joins two disjoint sets; `None` if nothing connects them and `cross` is not asked for.
    fn combine(&self, one: &State, other: &State, cross: bool) -> Option<State> {
        match (self.is_semi(one.mask), self.is_semi(other.mask)) {
            (Some(_), Some(_)) => return None,
            (Some(part), None) => return self.apply_semi(other, one, part),
            (None, Some(part)) => return self.apply_semi(one, other, part),
            (None, None) => {}
        }
        let mut keys = Vec::new();
        let mut classes = Vec::new();
        let mut share = 1.0;
        let both = one.mask | other.mask;
        for (index, condition) in self.graph.conditions.iter().enumerate() {
            if let Some((left_mask, right_mask)) = condition.sides() {
                let forward = within(left_mask, one.mask) && within(right_mask, other.mask);
                let backward = within(left_mask, other.mask) && within(right_mask, one.mask);
                if !forward && !backward {
                    continue;
                }
                if condition
                    .class
                    .is_some_and(|class| classes.contains(&class))
                {
                    continue;
                }
                classes.extend(condition.class);
                if let Some(Some((left, right))) = self.keys.get(index) {
                    let (left, right) = if forward {
                        (left, right)
                    } else {
                        (right, left)
                    };
                    keys.push(JoinKey { left, right });
                }
            } else if condition.is_filter_within(both)
                && !condition.is_filter_within(one.mask)
                && !condition.is_filter_within(other.mask)
            {
                share *= self.shares.get(index).copied().unwrap_or(1.0);
            }
        }
        if keys.is_empty() && !cross {
            return None;
        }
        let rows = (inner_rows(one.rows, other.rows, &keys) * share).max(0.001);
        let bytes = |state: &State| state.rows * state.width;
        let (build, probe) = if bytes(one) <= bytes(other) {
            (one, other)
        } else {
            (other, one)
        };
        let local = classes
            .iter()
            .find(|class| build.placed_by == Some(**class) && probe.placed_by == Some(**class));
        let own = if keys.is_empty() {
            // Every pair is looked at.
            build.rows * probe.rows * 2.0
        } else {
            self.hash_cost(build, local.is_some()) + probe.rows * PROBE_COST
        };
        Some(State {
            tree: Arc::new(Tree::Join {
                left: Arc::clone(&build.tree),
                right: Arc::clone(&probe.tree),
            }),
            mask: both,
            rows,
            width: one.width + other.width,
            cost: one.cost + other.cost + own + rows,
            placed_by: probe.placed_by,
        })
    }

    /// A table that is collected is built by one thread while the others wait; a local one by all of them.
    fn hash_cost(&self, build: &State, local: bool) -> f64 {
        let waiting = if local {
            0.0
        } else {
            1.0 - 1.0 / self.partitions
        };
        build.rows * (BUILD_COST + build.width * BYTE_COST) * (1.0 + waiting)
    }

    fn apply_semi(&self, input: &State, semi: &State, part: usize) -> Option<State> {
        let needs = self.graph.parts.get(part)?.semi.as_ref()?.needs;
        if !within(needs, input.mask) {
            return None;
        }
        let (build, probe) = if semi.rows <= input.rows {
            (semi, input)
        } else {
            (input, semi)
        };
        let rows = (input.rows * self.kept.get(part)?).max(0.001);
        Some(State {
            tree: Arc::new(Tree::Semi {
                input: Arc::clone(&input.tree),
                part,
            }),
            mask: input.mask | semi.mask,
            rows,
            width: input.width,
            cost: input.cost + self.hash_cost(build, false) + probe.rows * PROBE_COST + rows,
            placed_by: input.placed_by,
        })
    }

    /// Looks at every order without cross products; `None` if there is none.
    fn exact(&self) -> Option<Option<State>> {
        let count = self.graph.parts.len();
        let mut best: Vec<Option<State>> = vec![None; 1 << count];
        for index in 0..count {
            let leaf = self.leaf(index);
            best.get_mut(1 << index)
                .into_iter()
                .for_each(|slot| slot.clone_from(&leaf));
        }
        for set in 1..(1_usize << count) {
            if set.count_ones() < 2 {
                continue;
            }
            let mut found: Option<State> = None;
            // Every split once: the half with the lowest part comes first.
            let lowest = set & set.wrapping_neg();
            let mut half = (set - 1) & set;
            while half != 0 {
                if half & lowest != 0
                    && let (Some(Some(one)), Some(Some(other))) =
                        (best.get(half), best.get(set & !half))
                    && let Some(mut state) = self.combine(one, other, false)
                {
                    // The rows of a set are the same in whatever order.
                    if let Some(known) = &found {
                        state.cost += known.rows - state.rows;
                        state.rows = known.rows;
                    }
                    if found.as_ref().is_none_or(|known| state.cost < known.cost) {
                        found = Some(state);
                    }
                }
                half = (half - 1) & set;
            }
            best.get_mut(set)
                .into_iter()
                .for_each(|slot| slot.clone_from(&found));
        }
        best.pop().flatten().map(Some)
    }

    /// Takes the cheapest next join again and again; cross products where nothing else is left.
    fn greedy(&self) -> Option<State> {
        let mut states: Vec<State> = (0..self.graph.parts.len())
            .filter_map(|index| self.leaf(index))
            .collect();
        while states.len() > 1 {
            let next = self
                .cheapest_pair(&states, false)
                .or_else(|| self.cheapest_pair(&states, true));
            let (first, second, state) = next?;
            states.swap_remove(first.max(second));
            states.swap_remove(first.min(second));
            states.push(state);
        }
        states.pop()
    }

    fn cheapest_pair(&self, states: &[State], cross: bool) -> Option<(usize, usize, State)> {
        let mut found: Option<(f64, usize, usize, State)> = None;
        for (first, one) in states.iter().enumerate() {
            for (second, other) in states.iter().enumerate().skip(first + 1) {
                let Some(state) = self.combine(one, other, cross) else {
                    continue;
                };
                let added = state.cost - one.cost - other.cost;
                if found.as_ref().is_none_or(|known| added < known.0) {
                    found = Some((added, first, second, state));
                }
            }
        }
        found.map(|(_, first, second, state)| (first, second, state))
    }
}
