//! Statement + names -> `LogicalPlan`; `rewrite/` has one file per rewrite.

mod alias;
mod assign;
mod bound;
mod blank;
mod branches;
mod change;
mod constant;
mod context;
mod error;
mod ident;
mod inexact;
mod inline;
mod insert;
mod joins;
mod literal;
mod mistake;
mod named;
mod moment;
mod operator;
mod pivot;
mod policy;
mod pseudo;
mod reading;
mod refusal;
mod relation;
mod rewrite;
#[cfg(test)]
mod tests;
mod unnest;

pub use blank::{MayBePadded, settle_blanks};
pub use constant::{ConstantRows, ConstantTarget};
pub use error::{cast_failure, from_engine};
pub use inline::{SqlFunction, call_cost, check_function};
pub use literal::{LITERAL, LiteralColumn, LiteralTarget, literal_columns};
pub use policy::{POLICY_RELATION, super_part, super_with};
pub use refusal::refusal;

use crate::error::Result;
use crate::stack;
use crate::statement::ObjectName;
use crate::statement::dml::{Delete, Update};
use crate::statement::query::{Expression, Query};
use crate::types::SqlType;
use context::Context;
use datafusion_common::DFSchema;
use datafusion_common::datatype::DataTypeExt;
use datafusion_expr::{
    AggregateUDF, Expr, ExprSchemable, LogicalPlan, ScalarUDF, TableSource, WindowUDF,
};
use datafusion_sql::planner::{PlannerContext, SqlToRel};
use sqlparser::ast;
use std::sync::Arc;

/// Resolves names as of a read view. Kept by the session; by fixed names in tests.
pub trait Names {
    /// Finds a table, view or system table along the search path. `Err` says what is wrong with the
    /// name (schema does not exist, did you mean ...).
    fn table(&self, name: &ObjectName) -> Result<Arc<dyn TableSource>>;
    /// Finds a table as [`Names::table`] does, an external one with its pseudocolumns.
    fn table_with_pseudo_columns(&self, name: &ObjectName) -> Result<Arc<dyn TableSource>> {
        self.table(name)
    }
    /// Finds a scalar function by its lower-case name.
    fn scalar_function(&self, name: &str) -> Option<Arc<ScalarUDF>>;
    /// Finds an aggregate function by its lower-case name.
    fn aggregate_function(&self, name: &str) -> Option<Arc<AggregateUDF>>;
    /// Finds a window function by its lower-case name.
    fn window_function(&self, name: &str) -> Option<Arc<WindowUDF>>;
    /// Finds the functions written in SQL of a name, along the search path if no schema is named.
    fn sql_functions(&self, schema: Option<&str>, name: &str) -> Vec<Arc<SqlFunction>> {
        let _ = (schema, name);
        Vec::new()
    }
    /// Tells whether limits are lifted that Redshift has for its own reasons: `blueshift.comfort`.
    fn comfort(&self) -> bool {
        false
    }
    /// Gives every function name, for "did you mean".
    fn function_names(&self) -> Vec<String>;
    /// Finds a function that gives rows, by its lower-case name, and calls it.
    fn table_function(&self, name: &str, arguments: Vec<Expr>) -> Result<Arc<dyn TableSource>> {
        let _ = arguments;
        let text = format!("function {name}(...) does not exist");
        Err(crate::Error::new(crate::SqlState::UNDEFINED_FUNCTION, text))
    }
    /// Makes the working table of a recursive query, if the engine can run one.
    fn work_table(
        &self,
        name: &str,
        schema: arrow_schema::SchemaRef,
    ) -> Option<Arc<dyn TableSource>> {
        let _ = (name, schema);
        None
    }
    /// Gives what tells that the statement must stop; asked while a large one is bound.
    fn stop(&self) -> Option<Stop> {
        None
    }
    /// Gives the DataFusion options that planning depends on.
    fn options(&self) -> &datafusion_common::config::ConfigOptions;
    /// Says more of why binding failed, such as that a column is there and may not be read.
    fn explain(&self, error: crate::error::Error) -> crate::error::Error {
        error
    }
}

/// Tells whether a statement must stop.
#[derive(Clone)]
pub struct Stop(Arc<dyn Fn() -> bool + Send + Sync>);

impl Stop {
    /// Makes it of a question that is cheap to ask.
    pub fn new(is_up: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(is_up))
    }

    /// Fails once the statement must stop; the session says it in its own words.
    fn ensure_running(stop: Option<&Self>) -> datafusion_common::Result<()> {
        match stop.is_some_and(|stop| (stop.0)()) {
            true => Err(context::external(crate::Error::new(
                crate::SqlState::QUERY_CANCELED,
                "Query canceled on user's request",
            ))),
            false => Ok(()),
        }
    }
}

impl std::fmt::Debug for Stop {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Stop")
    }
}

/// The name of the hidden column a table source adds for DELETE and UPDATE.
pub const ROW_ID: &str = "_rowid";

/// The metadata key by which a column of a target names the column that it keeps: the value before a mask, which goes
/// to the new row of an UPDATE that does not assign it. The name of such a column cannot be guessed.
pub const KEPT_OF: &str = "blueshift.kept_of";

/// A bound UPDATE: `input` gives, per row to change, the [`ROW_ID`] of the old row and then the whole new
/// row in table order. Built over `target`, a source of the table with its row ids as last column.
#[derive(Clone, Debug)]
pub struct BoundUpdate {
    /// Row id first, then the table's columns.
    pub input: LogicalPlan,
}

/// Gives the name of a result column as a user sees it: plans number names that repeat.
pub fn shown_name(name: &str) -> &str {
    rewrite::column_name::shown(name)
}

/// Binds a query. `parameters`, if given, are the types of `$1`...; others are inferred.
pub fn bind_query(
    names: &dyn Names,
    query: &Query,
    parameters: &[Option<arrow_schema::DataType>],
) -> Result<LogicalPlan> {
    let bound = match rewrite::shown_names(&query.tree) {
        Some(tree) => bind_tree(names, &tree, parameters, &[]),
        None => bind_tree(names, &query.tree, parameters, &[]),
    }?;
    match bound.schema().fields().len() > rewrite::TARGETS_MAX {
        true => Err(rewrite::too_many_targets()),
        false => Ok(bound),
    }
}

/// Binds an expression without columns (a DEFAULT, a VALUES cell, an EXECUTE argument).
pub fn bind_constant(names: &dyn Names, expression: &Expression) -> Result<Expr> {
    let mut tree = expression.tree.as_ref().clone();
    rewrite::apply(&mut tree)?;
    let context = Context::new(names);
    let planner = SqlToRel::new_with_options(&context, Context::parser_options());
    let schema = DFSchema::empty();
    let is_small = stack::is_small(&tree);
    stack::enough(is_small, || {
        let bound = planner.sql_to_expr(tree, &schema, &mut PlannerContext::new())?;
        let bound = match context.has_sql_functions() {
            true => inline::expression(names, bound, &schema)?,
            false => bound,
        };
        blank::settle_expr(reading::settle_expr(bound, &schema)?)
    })
    .map_err(|engine| from_engine(&engine))
}

/// Binds an expression without columns that is assigned to something of type `ty`, as to a variable: numbers are
/// rounded, a text that is too long is an error.
pub fn bind_assigned(names: &dyn Names, expression: &Expression, ty: SqlType) -> Result<Expr> {
    let bound = bind_constant(names, expression)?;
    let (_, field) = bound
        .to_field(&DFSchema::empty())
        .map_err(|engine| from_engine(&engine))?;
    Ok(assign::assign(bound, &field, ty))
}

/// Binds a DELETE to a plan that gives the [`ROW_ID`] of each row to delete, once each.
pub fn bind_delete(
    names: &dyn Names,
    target: Arc<dyn TableSource>,
    delete: &Delete,
) -> Result<LogicalPlan> {
    change::delete(names, target, delete)
}

/// Binds an UPDATE. `defaults` gives the bound DEFAULT of each table column.
pub fn bind_update(
    names: &dyn Names,
    target: Arc<dyn TableSource>,
    update: &Update,
    defaults: &[Expr],
) -> Result<BoundUpdate> {
    change::update(names, target, update, defaults)
}

/// Binds the condition of a row policy over a relation that the policy knows as `alias`. Columns of the relation are
/// qualified as [`POLICY_RELATION`].
pub fn bind_row_policy(
    names: &dyn Names,
    target: Arc<dyn TableSource>,
    alias: &str,
    text: &str,
) -> Result<Expr> {
    policy::condition(names, target, alias, text)
}

/// Binds the values of a masking policy over a relation that has its columns, with the type of each. Columns of the
/// relation are qualified as [`POLICY_RELATION`].
pub fn bind_mask_policy(
    names: &dyn Names,
    target: Arc<dyn TableSource>,
    text: &str,
) -> Result<Vec<(Expr, SqlType)>> {
    policy::masks(names, target, text)
}

/// A column of a table that rows are written to.
#[derive(Clone, Debug)]
pub struct TargetColumn {
    /// Its name.
    pub name: String,
    /// Its SQL type; values are cast to its arrow form by assignment (length and overflow checked).
    pub ty: SqlType,
    /// Its bound DEFAULT; a null constant if it has none. Identity columns are filled in later by the
    /// writer, which is told by `BoundInsert::given` whether the statement named them.
    pub default: Expr,
}

/// A bound INSERT.
#[derive(Clone, Debug)]
pub struct BoundInsert {
    /// Whole rows in table order, with the arrow types of the table.
    pub input: LogicalPlan,
    /// For each table column, whether the statement gives a value (and not DEFAULT).
    pub given: Vec<bool>,
}

/// Binds an INSERT to a plan that gives whole rows of the table.
pub fn bind_insert(
    names: &dyn Names,
    target: &[TargetColumn],
    insert: &crate::statement::dml::Insert,
    parameters: &[Option<arrow_schema::DataType>],
) -> Result<BoundInsert> {
    insert::bind(names, target, insert, parameters)
}

/// Rewrites and plans a syntax tree; `targets` are tables that only this statement can name.
fn bind_tree(
    names: &dyn Names,
    tree: &ast::Query,
    parameters: &[Option<arrow_schema::DataType>],
    targets: &[(&str, Arc<dyn TableSource>)],
) -> Result<LogicalPlan> {
    stack::enough(stack::is_small(tree), || {
        let mut aliases = Vec::new();
        loop {
            let mut tree = tree.clone();
            for missing in &aliases {
                alias::replace(&mut tree, missing, names)?;
            }
            let failure = match plan(names, tree.clone(), parameters, targets) {
                Ok(plan) => return Ok(plan),
                Err(failure) => failure,
            };
            match alias::missing(&failure, &aliases) {
                Some(missing) if alias::replace(&mut tree, &missing, names)? => {
                    aliases.push(missing)
                }
                _ => return Err(names.explain(mistake::explain(names, &mut tree, failure))),
            }
        }
    })
}

fn plan(
    names: &dyn Names,
    mut tree: ast::Query,
    parameters: &[Option<arrow_schema::DataType>],
    targets: &[(&str, Arc<dyn TableSource>)],
) -> Result<LogicalPlan> {
    let mut context = Context::new(names);
    context.has_pseudo_columns = pseudo::is_named(&tree);
    if context.has_pseudo_columns {
        pseudo::rewrite(names, &mut tree)?;
    }
    joins::rewrite(names, &mut tree, parameters, targets)?;
    context.positions = rewrite::apply(&mut tree)?;
    for (name, source) in targets {
        context
            .targets
            .insert((*name).to_owned(), Arc::clone(source));
    }
    let planner = SqlToRel::new_with_options(&context, Context::parser_options());
    planner
        .sql_statement_to_plan_with_context(
            ast::Statement::Query(Box::new(tree)),
            &mut planner_context(parameters),
        )
        .and_then(bound::bounded)
        .and_then(|plan| match context.has_sql_functions() {
            true => inline::plan(names, plan),
            false => Ok(plan),
        })
        .and_then(branches::settle)
        .and_then(reading::settle)
        .and_then(reading::settle_order)
        .map_err(|engine| from_engine(&engine))
}

fn planner_context(parameters: &[Option<arrow_schema::DataType>]) -> PlannerContext {
    let fields = parameters
        .iter()
        .map(|ty| ty.clone().map(DataTypeExt::into_nullable_field_ref))
        .collect();
    PlannerContext::new().with_prepare_param_data_types(fields)
}
