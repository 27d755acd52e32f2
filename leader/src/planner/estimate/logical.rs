//! Estimates of logical plans.

use super::predicate::{self, Comparison, Predicate, Term};
use super::{ColumnEstimate, Estimate, JoinKey, ROWS_UNKNOWN};
use blueshift_compute::scan::StoredTable;
use datafusion::arrow::datatypes::DataType;
use datafusion::catalog::default_table_source::source_as_provider;
use datafusion::common::DFSchema;
use datafusion::logical_expr::{
    BinaryExpr, Expr, FetchType, Join, LogicalPlan, Operator, SkipType, TableScan,
};
use std::any::Any;
use std::collections::BTreeSet;

/// Estimates what a plan gives.
pub fn estimate(plan: &LogicalPlan) -> Estimate {
    match plan {
        LogicalPlan::TableScan(scan) => of_scan(scan),
        LogicalPlan::Filter(filter) => {
            let input = estimate(&filter.input);
            let condition = translate(&filter.predicate, filter.input.schema());
            predicate::filter(input, condition)
        }
        LogicalPlan::Projection(projection) => {
            let input = estimate(&projection.input);
            let columns = projection
                .expr
                .iter()
                .map(|expr| column_of(expr, projection.input.schema(), &input))
                .collect();
            Estimate { columns, ..input }
        }
        LogicalPlan::Aggregate(aggregate) => {
            let input = estimate(&aggregate.input);
            let schema = aggregate.input.schema();
            let of = |exprs: &[Expr]| {
                exprs
                    .iter()
                    .map(|expr| column_of(expr, schema, &input))
                    .collect::<Vec<_>>()
            };
            let grouped = input.group(of(&aggregate.group_expr), of(&aggregate.aggr_expr));
            fitted(grouped, plan)
        }
        LogicalPlan::Distinct(distinct) => {
            let input = estimate(distinct.input());
            let keys = input.columns.clone();
            fitted(input.group(keys, Vec::new()), plan)
        }
        LogicalPlan::Join(join) => of_join(join),
        LogicalPlan::Limit(limit) => {
            let input = estimate(&limit.input);
            let skip = match limit.get_skip_type() {
                Ok(SkipType::Literal(skip)) => skip,
                _ => 0,
            };
            match limit.get_fetch_type() {
                Ok(FetchType::Literal(Some(fetch))) => input.limit(fetch.saturating_add(skip)),
                _ => input,
            }
        }
        LogicalPlan::Sort(sort) => {
            let input = estimate(&sort.input);
            match sort.fetch {
                Some(fetch) => input.limit(fetch),
                None => input,
            }
        }
        LogicalPlan::Union(union) => {
            let mut inputs = union.inputs.iter().map(|input| estimate(input));
            let Some(mut sum) = inputs.next() else {
                return unknown(plan);
            };
            for input in inputs {
                sum.rows += input.rows;
                sum.known &= input.known;
                for (total, column) in sum.columns.iter_mut().zip(input.columns) {
                    total.distinct = total.distinct.max(column.distinct);
                    total.table_rows += column.table_rows;
                    (total.low, total.high) = (None, None);
                }
            }
            fitted(sum, plan)
        }
        LogicalPlan::EmptyRelation(empty) => {
            let rows = if empty.produce_one_row { 1.0 } else { 0.001 };
            Estimate {
                known: true,
                ..Estimate::unknown(plan.schema().as_arrow(), rows)
            }
        }
        LogicalPlan::Values(values) => {
            let rows = values.values.len() as f64;
            Estimate {
                known: true,
                ..Estimate::unknown(plan.schema().as_arrow(), rows)
            }
        }
        LogicalPlan::SubqueryAlias(alias) => estimate(&alias.input),
        other => match other.inputs().as_slice() {
            [input] => fitted(estimate(input), plan),
            _ => unknown(plan),
        },
    }
}

fn unknown(plan: &LogicalPlan) -> Estimate {
    Estimate::unknown(plan.schema().as_arrow(), ROWS_UNKNOWN)
}

/// Makes the number of columns equal to the plan's, for operators that add some.
fn fitted(mut estimate: Estimate, plan: &LogicalPlan) -> Estimate {
    let fields = plan.schema().fields();
    let rows = estimate.rows;
    estimate.columns.truncate(fields.len());
    for field in fields.iter().skip(estimate.columns.len()) {
        estimate
            .columns
            .push(ColumnEstimate::computed(field.data_type(), rows));
    }
    estimate
}

fn of_scan(scan: &TableScan) -> Estimate {
    let schema = scan.source.schema();
    let provider = source_as_provider(&scan.source).ok();
    let stored = provider.as_deref().and_then(|provider| {
        let any: &dyn Any = provider;
        any.downcast_ref::<StoredTable>()
    });
    let statistics = || provider.as_ref().and_then(|table| table.statistics());
    let mut table = match stored.map(|stored| (stored, stored.row_count())) {
        Some((stored, Ok(rows))) => {
            Estimate::of_stored(stored, rows, &used(scan)).with_values(&stored.values)
        }
        Some((_, Err(_))) => Estimate::unknown(&schema, ROWS_UNKNOWN),
        None => match statistics() {
            Some(statistics) => Estimate::of_statistics(&schema, &statistics),
            None => Estimate::unknown(&schema, ROWS_UNKNOWN),
        },
    };
    if !scan.filters.is_empty()
        && let Ok(named) = DFSchema::try_from_qualified_schema(scan.table_name.clone(), &schema)
    {
        let conditions = scan
            .filters
            .iter()
            .map(|filter| translate(filter, &named))
            .collect();
        table = predicate::filter(table, Predicate::And(conditions));
    }
    let table = match scan.fetch {
        Some(fetch) => table.limit(fetch),
        None => table,
    };
    match &scan.projection {
        Some(columns) => table.project(columns),
        None => table,
    }
}

/// The columns a scan gives or looks at.
fn used(scan: &TableScan) -> BTreeSet<usize> {
    let schema = scan.source.schema();
    let Some(given) = &scan.projection else {
        return (0..schema.fields().len()).collect();
    };
    let filters = scan.filters.iter().flat_map(Expr::column_refs);
    let looked_at = filters.filter_map(|column| schema.index_of(&column.name).ok());
    given.iter().copied().chain(looked_at).collect()
}

fn of_join(join: &Join) -> Estimate {
    let (left, right) = (estimate(&join.left), estimate(&join.right));
    let columns: Vec<_> = join
        .on
        .iter()
        .map(|(l, r)| {
            (
                column_of(l, join.left.schema(), &left),
                column_of(r, join.right.schema(), &right),
            )
        })
        .collect();
    let keys: Vec<_> = columns
        .iter()
        .map(|(left, right)| JoinKey { left, right })
        .collect();
    let filter = match &join.filter {
        None => 1.0,
        Some(filter) => match join.left.schema().join(join.right.schema()) {
            Ok(both) => {
                let crossed =
                    super::join(&left, &right, &[], 1.0, datafusion::common::JoinType::Inner);
                predicate::selectivity(&crossed, &translate(filter, &both))
            }
            Err(_) => super::SELECTIVITY_UNKNOWN,
        },
    };
    super::join(&left, &right, &keys, filter, join.join_type)
}

/// Estimates an expression over a plan's output.
pub fn column_of(expr: &Expr, schema: &DFSchema, input: &Estimate) -> ColumnEstimate {
    let expr = plain(expr);
    if let Some(found) = index_of(expr, schema).and_then(|index| input.columns.get(index)) {
        return found.clone();
    }
    let mut distinct = 1.0;
    for column in expr.column_refs() {
        let found = schema
            .maybe_index_of_column(column)
            .and_then(|index| input.columns.get(index));
        distinct *= found.map_or(input.rows, |found| found.distinct);
    }
    // A date part has few values, whatever it is taken from.
    let most = match expr {
        Expr::ScalarFunction(function)
            if matches!(function.name(), "date_part" | "extract" | "date_part_year") =>
        {
            10.0
        }
        _ => input.rows,
    };
    let data_type =
        datafusion::logical_expr::ExprSchemable::get_type(expr, schema).unwrap_or(DataType::Int64);
    ColumnEstimate::computed(&data_type, f64::min(distinct, most))
}

/// Looks through names and casts.
fn plain(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => plain(&alias.expr),
        Expr::Cast(cast) => plain(&cast.expr),
        Expr::TryCast(cast) => plain(&cast.expr),
        other => other,
    }
}

fn index_of(expr: &Expr, schema: &DFSchema) -> Option<usize> {
    match expr {
        Expr::Column(column) => schema.maybe_index_of_column(column),
        _ => None,
    }
}

/// Translates a condition over a plan's output.
pub fn translate(expr: &Expr, schema: &DFSchema) -> Predicate {
    let again = |inner: &Expr| translate(inner, schema);
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match op {
            Operator::And => Predicate::And(vec![again(left), again(right)]),
            Operator::Or => Predicate::Or(vec![again(left), again(right)]),
            other => match comparison_of(*other) {
                Some(comparison) => {
                    Predicate::Compare(term(left, schema), comparison, term(right, schema))
                }
                None => Predicate::Unknown,
            },
        },
        Expr::Not(inner) => Predicate::Not(Box::new(again(inner))),
        Expr::Between(between) => {
            let subject = term(&between.expr, schema);
            let range = Predicate::And(vec![
                Predicate::Compare(
                    subject.clone(),
                    Comparison::Greater,
                    term(&between.low, schema),
                ),
                Predicate::Compare(subject, Comparison::Less, term(&between.high, schema)),
            ]);
            negated(range, between.negated)
        }
        Expr::InList(list) => negated(
            Predicate::In(term(&list.expr, schema), list.list.len()),
            list.negated,
        ),
        Expr::Like(like) => {
            let pattern = match plain(&like.pattern) {
                Expr::Literal(value, _) => value.try_as_str().flatten().map(Predicate::like),
                _ => None,
            };
            negated(pattern.unwrap_or(Predicate::Unknown), like.negated)
        }
        Expr::IsNull(inner) => Predicate::IsNull(term(inner, schema)),
        Expr::IsNotNull(inner) => Predicate::Not(Box::new(Predicate::IsNull(term(inner, schema)))),
        Expr::Literal(value, _) => match value {
            datafusion::common::ScalarValue::Boolean(Some(value)) => Predicate::Constant(*value),
            _ => Predicate::Constant(false),
        },
        Expr::Alias(alias) => again(&alias.expr),
        _ => Predicate::Unknown,
    }
}

fn negated(predicate: Predicate, negated: bool) -> Predicate {
    if negated {
        Predicate::Not(Box::new(predicate))
    } else {
        predicate
    }
}

/// Reads an operator as a comparison.
pub fn comparison_of(operator: Operator) -> Option<Comparison> {
    match operator {
        Operator::Eq | Operator::IsNotDistinctFrom => Some(Comparison::Equal),
        Operator::NotEq | Operator::IsDistinctFrom => Some(Comparison::NotEqual),
        Operator::Lt | Operator::LtEq => Some(Comparison::Less),
        Operator::Gt | Operator::GtEq => Some(Comparison::Greater),
        _ => None,
    }
}

fn term(expr: &Expr, schema: &DFSchema) -> Term {
    let expr = plain(expr);
    match expr {
        Expr::Column(_) => index_of(expr, schema).map_or(Term::Other, Term::Column),
        Expr::Literal(value, _) if value.is_null() => Term::Null,
        Expr::Literal(value, _) => Term::Constant(super::number_of(value)),
        other => {
            let columns = other.column_refs();
            let mut indexes = columns
                .iter()
                .map(|column| schema.maybe_index_of_column(column));
            match (indexes.next(), indexes.next()) {
                (Some(Some(index)), None) => Term::Function(index),
                _ => Term::Other,
            }
        }
    }
}
