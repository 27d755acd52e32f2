//! Binds views: as they were made, late-binding ones as things are now, materialized ones to the rows they keep.

use super::{SessionNames, VIEW_DEPTH_MAX, from_engine, renamed};
use crate::catalog::{Oid, Table, View, ViewKind, ViewSource};
use crate::statement::materialized_view::definition::SHOWN;
use crate::system::SystemContext;
use blueshift_sql::binder;
use blueshift_sql::statement::Query;
use blueshift_sql::{Error, Result, SqlState};
use datafusion::catalog::view::ViewTable;
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, TableSource};
use std::sync::Arc;

impl SessionNames {
    /// Gives a table as a view saw it when the view was made: its columns then, under their names then.
    pub(super) fn as_of_view(
        table: &Table,
        source: &ViewSource,
        stored: Arc<dyn TableSource>,
    ) -> Result<Arc<dyn TableSource>> {
        let now = table.columns.iter();
        let is_same = now
            .map(|column| (column.id, &column.name))
            .eq(source.columns.iter().map(|(id, name)| (*id, name)));
        if is_same {
            return Ok(stored);
        }
        let columns = source.columns.iter().filter_map(|(id, then)| {
            let column = table.columns.iter().find(|column| column.id == *id)?;
            let name = datafusion::common::Column::new(Some("rows"), column.name.as_str());
            Some(Expr::Column(name).alias(then.as_str()))
        });
        let plan = LogicalPlanBuilder::scan("rows", stored, None)
            .and_then(|scan| scan.project(columns.collect::<Vec<_>>()))
            .and_then(LogicalPlanBuilder::build)
            .map_err(from_engine)?;
        Ok(provider_as_source(Arc::new(ViewTable::new(plan, None))))
    }

    /// Binds a view's text to a plan with the view's column names.
    pub fn bind_view(&self, view: &View) -> Result<LogicalPlan> {
        if self.view_depth >= VIEW_DEPTH_MAX {
            return Err(Error::new(
                SqlState::STATEMENT_TOO_COMPLEX,
                format!(
                    "view \"{}\" is nested more than {VIEW_DEPTH_MAX} views deep",
                    view.name
                ),
            ));
        }
        if let Some(table) = view.rows_table() {
            return self.kept_rows(view, table);
        }
        let inner = self.inside_view(view)?;
        let query = Query::parse(&view.text)?;
        if let ViewKind::Late { columns, .. } = &view.kind {
            return bind_late(&inner, view, &query, columns);
        }
        let plan = binder::bind_query(&inner, &query, &[])?;
        if plan.schema().fields().len() != view.columns.len() {
            return Err(Error::new(
                SqlState::UNDEFINED_COLUMN,
                format!("view \"{}\" shows a column that was dropped", view.name),
            )
            .with_hint("Make the view again with CREATE OR REPLACE VIEW."));
        }
        renamed(plan, view.columns.iter().map(|column| column.name.as_str()))
    }

    /// Binds the query of a materialized view, as its owner, whose policies hold.
    pub fn bind_definition(&self, view: &View) -> Result<LogicalPlan> {
        let inner = self.inside_view(view)?;
        let owner = Arc::clone(&inner.system.user);
        let inner = inner.read_by(owner);
        binder::bind_query(&inner, &Query::parse(&view.text)?, &[])
    }

    /// Reads the rows that a materialized view keeps. Its owner must still be allowed to read what they were made of.
    fn kept_rows(&self, view: &View, table: Oid) -> Result<LogicalPlan> {
        let catalog = self.catalog();
        let missing = || {
            Error::new(
                SqlState::UNDEFINED_TABLE,
                format!(
                    "the rows of materialized view \"{}\" are not there",
                    view.name
                ),
            )
        };
        let table = catalog.tables.get(&table).ok_or_else(missing)?;
        let inner = self.inside_view(view)?;
        for relation in view
            .depends_on
            .iter()
            .filter_map(|oid| catalog.relation(*oid))
        {
            inner.readable_columns(&relation)?;
        }
        self.ensure_whole(&view.depends_on, &view.name)?;
        let mut stored = self.stored_table(table, false)?;
        // As Redshift names it in its plans.
        stored.name += " derived_table1";
        let source = provider_as_source(Arc::new(stored));
        let column = |name: &str| {
            Expr::Column(datafusion::common::Column::new(
                Some("derived_table1"),
                name,
            ))
        };
        let is_hiding = table.columns.iter().any(|column| column.name == SHOWN);
        let shown = view.columns.iter().map(|shown| column(&shown.name));
        LogicalPlanBuilder::scan("derived_table1", source, None)
            .and_then(|scan| match is_hiding {
                true => scan.filter(column(SHOWN)),
                false => Ok(scan),
            })
            .and_then(|rows| rows.project(shown.collect::<Vec<_>>()))
            .and_then(LogicalPlanBuilder::build)
            .map_err(from_engine)
    }

    /// Makes the resolver of the names inside a view.
    fn inside_view(&self, view: &View) -> Result<Self> {
        let system = &self.system;
        let owner = system.catalog.users.get(&view.owner).ok_or_else(|| {
            Error::new(
                SqlState::UNDEFINED_OBJECT,
                format!("the owner of view \"{}\" does not exist", view.name),
            )
        })?;
        let path = view
            .search_path
            .iter()
            .filter_map(|name| system.catalog.schema_named(name));
        Ok(self.with_system(
            Arc::new(SystemContext {
                user: owner.clone(),
                search_path: path.map(|schema| schema.oid).collect(),
                ..system.as_ref().clone()
            }),
            Some(view.sources.clone().into()),
        ))
    }
}

/// Binds the text of a late-binding view to what there is now. An error says in which view.
fn bind_late(
    names: &SessionNames,
    view: &View,
    query: &Query,
    given: &[String],
) -> Result<LogicalPlan> {
    let plan = binder::bind_query(names, query, &[]).map_err(|error| Error {
        position: None,
        detail: error.detail.or_else(|| {
            Some(format!(
                "The query of late-binding view \"{}\" does not fit what there is now.",
                view.name
            ))
        }),
        ..error
    })?;
    let fields = plan.schema().fields();
    if given.len() > fields.len() {
        return Err(Error::new(
            SqlState::UNDEFINED_COLUMN,
            format!(
                "view \"{}\" names {} columns, but its query has {}",
                view.name,
                given.len(),
                fields.len()
            ),
        ));
    }
    let own = fields.iter().map(|field| binder::shown_name(field.name()));
    let mut shown: Vec<String> = given.to_vec();
    shown.extend(own.skip(given.len()).map(str::to_owned));
    for (index, name) in shown.iter().enumerate() {
        if shown.iter().skip(index + 1).any(|other| other == name) {
            return Err(Error::new(
                SqlState::DUPLICATE_COLUMN,
                format!(
                    "column \"{name}\" specified more than once in view \"{}\"",
                    view.name
                ),
            ));
        }
    }
    renamed(plan, shown.iter().map(String::as_str))
}
