//! `svv_external_columns`: columns of external tables of schemas that the user may use.

use crate::access::check;
use crate::error::Result;
use crate::system::rows::{Cell, Rows};
use crate::system::{Elsewhere, SystemContext, SystemTable};
use blueshift_sql::SqlType;
use blueshift_sql::statement::external::NestedType;

/// The table.
pub struct SvvExternalColumns;

impl SystemTable for SvvExternalColumns {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "svv_external_columns"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("redshift_database_name", SqlType::Varchar(65_535)),
            ("schemaname", SqlType::Varchar(65_535)),
            ("tablename", SqlType::Varchar(65_535)),
            ("columnname", SqlType::Varchar(65_535)),
            ("external_type", SqlType::Varchar(65_535)),
            ("columnnum", SqlType::Integer),
            ("part_key", SqlType::Integer),
            ("is_nullable", SqlType::Varchar(65_535)),
        ]
    }

    fn asks_elsewhere(&self) -> Option<Elsewhere> {
        Some(Elsewhere::Tables)
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        for (schema, _) in ctx.catalog.external_schemas_by_name() {
            if !check::may_use_schema(&ctx.catalog, &ctx.user, schema) {
                continue;
            }
            for shown in ctx.external_tables(schema) {
                let table = &shown.table;
                let in_files = table.columns.len();
                let remote = shown.foreign.as_ref().and_then(|one| one.remote.as_ref());
                for (place, (name, ty)) in table.all_columns().enumerate() {
                    // As a live database declares it.
                    let declared = remote.and_then(|remote| remote.columns.get(place));
                    let ty = match (declared, table.nested.get(name)) {
                        (Some(column), _) => column.remote_type.clone(),
                        (None, Some(nested)) => nested_type(nested),
                        (None, None) => external_type(*ty),
                    };
                    let is_nullable = declared.is_none_or(|column| column.is_nullable);
                    rows.push([
                        Cell::from(ctx.catalog.database_name()),
                        schema.name.as_str().into(),
                        table.name.as_str().into(),
                        name.as_str().into(),
                        ty.into(),
                        (place + 1).into(),
                        // The place among the partition columns, from 1; 0 for others.
                        (place + 1).saturating_sub(in_files).into(),
                        if is_nullable { "true" } else { "false" }.into(),
                    ]);
                }
            }
        }
        Ok(())
    }
}

/// Gives the name of a nested type in the data catalog.
fn nested_type(ty: &NestedType) -> String {
    match ty {
        NestedType::Scalar(ty) => external_type(*ty),
        NestedType::Array(element) => format!("array<{}>", nested_type(element)),
        NestedType::Map(key, value) => {
            format!("map<{},{}>", nested_type(key), nested_type(value))
        }
        NestedType::Struct(fields) => {
            let fields = fields.iter();
            let fields = fields.map(|(name, ty)| format!("{name}:{}", nested_type(ty)));
            format!("struct<{}>", fields.collect::<Vec<_>>().join(","))
        }
    }
}

/// Gives the name of a type in the data catalog.
fn external_type(ty: SqlType) -> String {
    match ty {
        SqlType::Integer => "int".to_owned(),
        SqlType::Decimal { precision, scale } => format!("decimal({precision},{scale})"),
        SqlType::Real => "float".to_owned(),
        SqlType::Double => "double".to_owned(),
        SqlType::Char(bytes) => format!("char({bytes})"),
        SqlType::Varchar(bytes) => format!("varchar({bytes})"),
        SqlType::Varbyte(_) => "binary".to_owned(),
        SqlType::Timestamp => "timestamp".to_owned(),
        other => other.display(),
    }
}
