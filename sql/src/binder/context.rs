//! What the engine's planner asks for, answered from [`Names`]. The one place that knows both.

use super::relation::Relations;
use super::{Names, Stop, inline, operator};
use crate::error::Error;
use crate::statement::ObjectName;
use crate::types::SqlType;
use arrow_schema::{DataType, FieldRef, SchemaRef};
use datafusion_common::config::ConfigOptions;
use datafusion_common::datatype::DataTypeExt;
use datafusion_common::{DataFusionError, Result, TableReference};
use datafusion_expr::planner::{ContextProvider, ExprPlanner, RelationPlanner, TypePlanner};
use datafusion_expr::{AggregateUDF, Expr, HigherOrderUDF, ScalarUDF, TableSource, WindowUDF};
use datafusion_sql::planner::{NullOrdering, ParserOptions};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub(super) struct Context<'a> {
    names: &'a dyn Names,
    planners: Vec<Arc<dyn ExprPlanner>>,
    relations: [Arc<dyn RelationPlanner>; 1],
    /// Where each relation is named in the text, by its name.
    pub(super) positions: HashMap<String, usize>,
    /// Tables that shadow those of `names`: the target of UPDATE and DELETE with its row ids.
    pub(super) targets: HashMap<String, Arc<dyn TableSource>>,
    /// Whether the query names a pseudocolumn: then external tables show theirs.
    pub(super) has_pseudo_columns: bool,
    /// Whether a function written in SQL was found, whose calls must be replaced.
    sql_functions: AtomicBool,
}

impl<'a> Context<'a> {
    pub(super) fn new(names: &'a dyn Names) -> Self {
        Self {
            names,
            planners: vec![Arc::new(operator::Operators::new(names))],
            relations: [Arc::new(Relations::default())],
            positions: HashMap::new(),
            targets: HashMap::new(),
            has_pseudo_columns: false,
            sql_functions: AtomicBool::new(false),
        }
    }

    /// Tells whether a function written in SQL was found.
    pub(super) fn has_sql_functions(&self) -> bool {
        self.sql_functions.load(Ordering::Relaxed)
    }

    /// Finds the functions written in SQL of a name, in the planner's writing of it. Built-in functions come first.
    fn sql_function(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        let parts: Vec<&str> = name.split('.').map(|part| part.trim_matches('"')).collect();
        let (schema, name) = match parts.as_slice() {
            [name] => (None, *name),
            [schema, name] | [_, schema, name] => (Some(*schema), *name),
            _ => return None,
        };
        let is_built_in = schema.is_none()
            && (self.get_aggregate_meta(name).is_some() || self.get_window_meta(name).is_some());
        let found = match is_built_in {
            true => Vec::new(),
            false => self.names.sql_functions(schema, name),
        };
        if found.is_empty() {
            return None;
        }
        self.sql_functions.store(true, Ordering::Relaxed);
        Some(inline::function(name, found))
    }

    /// Redshift's reading of numbers, names and order.
    pub(super) fn parser_options() -> ParserOptions {
        ParserOptions::new()
            .with_parse_float_as_decimal(true)
            .with_enable_ident_normalization(true)
            .with_map_string_types_to_utf8view(true)
            .with_collect_spans(true)
            .with_default_null_ordering(NullOrdering::NullsMax)
    }
}

/// Wraps an error of ours so that it passes through the engine unchanged.
pub(super) fn external(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

fn function_name(name: &str) -> String {
    let lower = name.to_lowercase();
    lower
        .strip_prefix("pg_catalog.")
        .unwrap_or(&lower)
        .to_owned()
}

impl ContextProvider for Context<'_> {
    fn get_table_source(&self, name: TableReference) -> Result<Arc<dyn TableSource>> {
        Stop::ensure_running(self.names.stop().as_ref())?;
        if let Some(target) = self.targets.get(name.table())
            && name.schema().is_none()
        {
            return Ok(Arc::clone(target));
        }
        let object = ObjectName {
            database: name.catalog().map(str::to_owned),
            schema: name.schema().map(str::to_owned),
            name: name.table().to_owned(),
            position: self.positions.get(name.table()).copied().unwrap_or(0),
        };
        let found = match self.has_pseudo_columns {
            true => self.names.table_with_pseudo_columns(&object),
            false => self.names.table(&object),
        };
        found.map_err(|mut error| {
            if error.position.is_none() && object.position > 0 {
                error.position = Some(object.position);
            }
            external(error)
        })
    }

    fn get_table_function_source(
        &self,
        name: &str,
        arguments: Vec<Expr>,
    ) -> Result<Arc<dyn TableSource>> {
        let found = self.names.table_function(&name.to_lowercase(), arguments);
        found.map_err(external)
    }

    fn create_cte_work_table(&self, name: &str, schema: SchemaRef) -> Result<Arc<dyn TableSource>> {
        self.names.work_table(name, schema).ok_or_else(|| {
            external(Error::unsupported(
                "WITH RECURSIVE here",
                "Write the levels out with UNION ALL",
            ))
        })
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        &self.planners
    }

    fn get_relation_planners(&self) -> &[Arc<dyn RelationPlanner>] {
        &self.relations
    }

    fn get_type_planner(&self) -> Option<Arc<dyn TypePlanner>> {
        Some(Arc::new(Types))
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        let mut name = function_name(name);
        if name == "blueshift_listagg" && self.names.comfort() {
            name = "blueshift_any_text".to_owned();
        }
        crate::function::internal(&name)
            .or_else(|| self.names.scalar_function(&name))
            .or_else(|| self.sql_function(&name))
    }

    fn get_higher_order_meta(&self, _name: &str) -> Option<Arc<HigherOrderUDF>> {
        None
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        match function_name(name).as_str() {
            "listagg" | "blueshift_string_agg" => self.names.aggregate_function("string_agg"),
            "blueshift_array_agg" => self.names.aggregate_function("array_agg"),
            // Redshift has neither; LISTAGG is its word for the first.
            "string_agg" if self.names.comfort() => self.names.aggregate_function("string_agg"),
            "string_agg" | "array_agg" => None,
            // The engine has these, Redshift has not.
            "corr" | "covar_pop" | "covar_samp" => None,
            name if name.starts_with("regr_") => None,
            "variance" => self.names.aggregate_function("var_samp"),
            name => self.names.aggregate_function(name),
        }
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        self.names.window_function(&function_name(name))
    }

    fn get_variable_type(&self, _variable_names: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        self.names.options()
    }

    fn udf_names(&self) -> Vec<String> {
        self.names.function_names()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn udaf_names(&self) -> Vec<String> {
        Vec::new()
    }

    // Without any name DataFusion calls a function it does not find a bug of its own.
    fn udwf_names(&self) -> Vec<String> {
        self.names.function_names()
    }
}

/// Reads type names in casts with our own table of types.
#[derive(Debug)]
struct Types;

impl TypePlanner for Types {
    fn plan_type_field(&self, sql_type: &sqlparser::ast::DataType) -> Result<Option<FieldRef>> {
        let ty = match sql_type {
            // A cast to an interval without a qualifier is needed for INTERVAL literals; columns have one.
            sqlparser::ast::DataType::Interval { fields: None, .. } => return Ok(None),
            other => {
                let text = other.to_string().to_lowercase();
                match text.as_str() {
                    "\"char\"" => SqlType::Char(1),
                    text => SqlType::parse(text).map_err(|mut error| {
                        error.position = None;
                        external(error)
                    })?,
                }
            }
        };
        Ok(Some(ty.arrow().into_nullable_field_ref()))
    }
}
