//! Which columns queries compare with constants: what SORTKEY AUTO chooses by. Counted and kept with the statistics.

use super::History;
use blueshift_compute::scan::SliceScanExec;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{BinaryExpr, Column, InListExpr, Literal};
use datafusion::physical_expr::{PhysicalExpr, split_conjunction};
use datafusion::physical_plan::ExecutionPlan;
use std::collections::BTreeSet;
use std::sync::Arc;

impl History {
    /// Counts a query for each column it filters by.
    pub fn filtered(&self, plan: &Arc<dyn ExecutionPlan>) {
        let mut columns = BTreeSet::new();
        visit(plan, &mut columns);
        if columns.is_empty() {
            return;
        }
        let columns = columns.into_iter();
        let columns = columns.filter_map(|(table, id)| Some((u32::try_from(table).ok()?, id)));
        self.statistics.note_filtered(columns);
    }
}

fn visit(plan: &Arc<dyn ExecutionPlan>, columns: &mut BTreeSet<(u64, u32)>) {
    if let Some(scan) = plan.downcast_ref::<SliceScanExec>() {
        let version = &scan.table().version;
        for conjunct in scan.filters().iter().flat_map(split_conjunction) {
            let place = compared(conjunct).map(Column::index);
            let column = place.and_then(|place| version.layout.columns.get(place));
            columns.extend(column.map(|column| (version.id.0, column.id)));
        }
    }
    for child in plan.children() {
        visit(child, columns);
    }
}

/// Finds the column that a condition bounds by constants.
fn compared(condition: &Arc<dyn PhysicalExpr>) -> Option<&Column> {
    if let Some(list) = condition.downcast_ref::<InListExpr>() {
        let column = list.expr().downcast_ref::<Column>()?;
        return (!list.negated()).then_some(column);
    }
    let binary = condition.downcast_ref::<BinaryExpr>()?;
    let bounds = matches!(
        binary.op(),
        Operator::Eq | Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq
    );
    let (left, right) = (binary.left(), binary.right());
    let (column, constant) = match left.downcast_ref::<Column>() {
        Some(column) => (column, right),
        None => (right.downcast_ref::<Column>()?, left),
    };
    (bounds && constant.downcast_ref::<Literal>().is_some()).then_some(column)
}
