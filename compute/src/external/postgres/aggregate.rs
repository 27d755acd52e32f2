//! Aggregates that PostgreSQL computes: COUNT, SUM, AVG of whole numbers and decimals, MIN and MAX also of texts and
//! moments, over groups.
//!
//! What is of floating point stays here, as sums hang on the order of rows there. AVG is the sum and the count there, and
//! the division here: PostgreSQL rounds a quotient in its own way.

use super::catalog::Wire;
use super::sql::{Term, by_bytes};
use super::{Item, RemoteScan};
use arrow_schema::{DataType, Field, FieldRef, Schema};
use blueshift_sql::function::average_finish;
use datafusion::common::DFSchema;
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::{Expr, col};
use std::sync::Arc;

/// A grouped query, and what makes the columns of an aggregate of its rows.
#[derive(Debug)]
pub struct Aggregated {
    /// The query.
    pub scan: RemoteScan,
    /// The columns of the aggregate: groups, then aggregates.
    pub columns: Vec<Expr>,
}

/// What a grouped query has so far.
struct Draft<'a> {
    scan: &'a RemoteScan,
    items: Vec<Item>,
    columns: Vec<Expr>,
}

/// Makes a grouped query of an aggregate over a scan with conditions; `None` if a part of it means something else there.
/// `schema` is that of the aggregate; expressions name columns of the scan.
pub fn aggregated(
    scan: &RemoteScan,
    filters: &[Expr],
    groups: &[Expr],
    aggregates: &[Expr],
    schema: &DFSchema,
) -> Option<Aggregated> {
    if scan.groups.is_some() || schema.fields().len() != groups.len() + aggregates.len() {
        return None;
    }
    let table = &scan.table;
    let conditions = filters.iter().map(|filter| table.condition(filter));
    let conditions: Vec<String> = conditions.collect::<Option<_>>()?;
    let mut draft = Draft {
        scan,
        items: Vec::new(),
        columns: Vec::new(),
    };
    let mut written = Vec::with_capacity(groups.len());
    let mut fields = schema.fields().iter();
    for group in groups {
        let sql = draft.group(group, fields.next()?)?;
        written.push(sql);
    }
    for aggregate in aggregates {
        draft.aggregate(aggregate, fields.next()?)?;
    }
    let Draft { items, columns, .. } = draft;
    let fields: Vec<FieldRef> = items.iter().map(|item| Arc::clone(&item.field)).collect();
    Some(Aggregated {
        scan: RemoteScan {
            items,
            schema: Arc::new(Schema::new(fields)),
            conditions,
            groups: Some(written),
            ..scan.clone()
        },
        columns,
    })
}

impl Draft<'_> {
    /// Adds a column of the query, and gives the expression that names it.
    fn push(&mut self, sql: String, wire: Wire, field: &Field) -> Expr {
        let name = format!("c{}", self.items.len());
        let field = Arc::new(field.clone().with_name(&name));
        self.items.push(Item { sql, wire, field });
        col(name)
    }

    fn group(&mut self, group: &Expr, field: &Field) -> Option<String> {
        let term = self.scan.table.value(group)?;
        let is_fit = term.ty == *field.data_type() && !term.ty.is_floating();
        let wire = wire(&term).filter(|_| is_fit)?;
        let sql = match term.is_text() && !term.is_bytewise {
            true => by_bytes(&term),
            false => term.sql.clone(),
        };
        let column = self.push(sql.clone(), wire, field);
        self.columns.push(column);
        Some(sql)
    }

    fn aggregate(&mut self, expr: &Expr, field: &Field) -> Option<()> {
        let mut expr = expr;
        while let Expr::Alias(alias) = expr {
            expr = &alias.expr;
        }
        let Expr::AggregateFunction(AggregateFunction { func, params }) = expr else {
            return None;
        };
        let is_plain = !params.distinct
            && params.filter.is_none()
            && params.order_by.is_empty()
            && params.null_treatment.is_none();
        let [argument] = params.args.as_slice() else {
            return None;
        };
        if !is_plain {
            return None;
        }
        let column = match func.name() {
            "count" => self.count(argument, field),
            "sum" => self.sum(argument, field),
            "min" | "max" => self.extreme(func.name(), argument, field),
            "avg" => self.average(argument, field),
            _ => None,
        }?;
        self.columns.push(column);
        Some(())
    }

    fn count(&mut self, argument: &Expr, field: &Field) -> Option<Expr> {
        let sql = match argument {
            Expr::Literal(value, _) if !value.is_null() => "count(*)".to_owned(),
            Expr::Literal(..) => return None,
            value => format!("count({})", self.scan.table.value(value)?.sql),
        };
        (*field.data_type() == DataType::Int64).then(|| self.push(sql, Wire::Int8, field))
    }

    fn sum(&mut self, argument: &Expr, field: &Field) -> Option<Expr> {
        let term = self.scan.table.value(argument)?;
        let wire = match (&term.ty, field.data_type()) {
            (DataType::Int16 | DataType::Int32, DataType::Int64) => Wire::Int8,
            (DataType::Int64, DataType::Int64 | DataType::Decimal128(..))
            | (DataType::Decimal128(..), DataType::Decimal128(..)) => Wire::Numeric,
            _ => return None,
        };
        Some(self.push(format!("sum({})", term.sql), wire, field))
    }

    fn extreme(&mut self, name: &str, argument: &Expr, field: &Field) -> Option<Expr> {
        let term = self.scan.table.value(argument)?;
        let is_fit =
            term.ty == *field.data_type() && !term.ty.is_floating() && term.ty != DataType::Boolean;
        let wire = wire(&term).filter(|_| is_fit)?;
        let sql = match term.is_text() {
            true => by_bytes(&term),
            false => term.sql,
        };
        Some(self.push(format!("{name}({sql})"), wire, field))
    }

    fn average(&mut self, argument: &Expr, field: &Field) -> Option<Expr> {
        let term = self.scan.table.value(argument)?;
        if !term.ty.is_integer() && !matches!(term.ty, DataType::Decimal128(..)) {
            return None;
        }
        let (total, finish) = average_finish(&term.ty)?;
        let is_fit = finish
            .return_type(&[total.clone(), DataType::Int64])
            .is_ok_and(|result| result == *field.data_type());
        if !is_fit {
            return None;
        }
        let total = self.sum(argument, &Field::new("total", total, true))?;
        let count = self.count(argument, &Field::new("count", DataType::Int64, true))?;
        Some(finish.call(vec![total, count]))
    }
}

/// What a value is on its way here.
fn wire(term: &Term) -> Option<Wire> {
    Some(match term.ty {
        DataType::Boolean => Wire::Bool,
        DataType::Int16 => Wire::Int2,
        DataType::Int32 => Wire::Int4,
        DataType::Int64 => Wire::Int8,
        DataType::Decimal128(..) => Wire::Numeric,
        DataType::Utf8View if term.is_char => Wire::Char,
        DataType::Utf8View => Wire::Text,
        DataType::Date32 => Wire::Date,
        DataType::Timestamp(_, None) => Wire::Timestamp,
        DataType::Timestamp(_, Some(_)) => Wire::TimestampTz,
        _ => return None,
    })
}
