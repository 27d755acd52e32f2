//! `pg_get_late_binding_view_cols()` in FROM: the columns late-binding views have as of now.

use crate::catalog::{Oid, ViewKind};
use crate::statement::names::{SessionNames, into_sql};
use crate::system::rows::{Rows, schema};
use blueshift_sql::binder::shown_name;
use blueshift_sql::{Error, Result, SqlState, SqlType};
use datafusion::datasource::{MemTable, provider_as_source};
use datafusion::logical_expr::TableSource;
use std::sync::Arc;

/// The function.
pub(crate) const NAME: &str = "pg_get_late_binding_view_cols";

const COLUMNS: &[(&str, SqlType)] = &[
    ("view_schema", SqlType::Name),
    ("view_name", SqlType::Name),
    ("col_name", SqlType::Name),
    ("col_type", SqlType::Varchar(128)),
    ("col_num", SqlType::Integer),
];

/// Binds each late-binding view and gives its columns; one that names what is not there has none.
pub(crate) fn columns(names: &SessionNames) -> Result<Arc<dyn TableSource>> {
    let catalog = names.catalog();
    let is_late = |oid: &&Oid| {
        let view = catalog.views.get(*oid);
        view.is_some_and(|view| matches!(view.kind, ViewKind::Late { .. }))
    };
    let mut oids: Vec<&Oid> = catalog.views.keys().filter(is_late).collect();
    oids.sort();
    let mut rows = Rows::new(COLUMNS);
    for view in oids.into_iter().filter_map(|oid| catalog.views.get(oid)) {
        let (Some(schema), Ok(plan)) = (catalog.schemas.get(&view.schema), names.bind_view(view))
        else {
            continue;
        };
        for (index, field) in plan.schema().fields().iter().enumerate() {
            rows.push([
                schema.name.as_str().into(),
                view.name.as_str().into(),
                shown_name(field.name()).into(),
                SqlType::from_field(field).to_string().into(),
                (index + 1).into(),
            ]);
        }
    }
    let schema = schema(COLUMNS);
    let batch = rows.finish(&schema).map_err(into_sql)?;
    let table = MemTable::try_new(schema, vec![vec![batch]])
        .map_err(|error| Error::new(SqlState::INTERNAL_ERROR, error.strip_backtrace()))?;
    Ok(provider_as_source(Arc::new(table)))
}
