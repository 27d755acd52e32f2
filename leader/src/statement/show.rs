//! SHOW of objects: a query of the catalogs each, and the statement that would make a table or view again.

mod policies;

use super::answer::Body;
use super::context::Context;
use super::names::{Named, SessionNames};
use super::select;
use crate::access::check;
use crate::catalog::database::elsewhere;
use crate::catalog::name::{Relation, quoted};
use crate::catalog::{Table, TableConstraint, TableDistribution, TableSort};
use crate::error::{Error, Result};
use blueshift_sql::statement::grant::Privilege;
use blueshift_sql::statement::policy::PolicyKind;
use blueshift_sql::statement::routine::{ArgumentMode, RoutineKind, RoutineName, RoutineType};
use blueshift_sql::statement::show::{GrantsOn, Listed, ShowDefinition, ShowList, ShownGrantee};
use blueshift_sql::statement::{ObjectName, Query};
use blueshift_sql::{SqlState, SqlType};

/// Runs a SHOW that lists objects.
pub async fn list(ctx: &mut Context<'_>, show: &ShowList) -> Result<Body> {
    let query = query(ctx, show)?;
    match select::run(ctx, &query).await? {
        Body::Rows {
            columns, stream, ..
        } => Ok(Body::Rows {
            columns,
            stream,
            tag: "SHOW",
        }),
        other => Ok(other),
    }
}

/// Makes the query that answers a SHOW of objects, once what it names is known to be there.
pub(crate) fn query(ctx: &mut Context<'_>, show: &ShowList) -> Result<Query> {
    let names = ctx.names()?;
    let (text, condition) = match &show.listed {
        Listed::Databases => (DATABASES, "true".to_owned()),
        Listed::Schemas(database) => {
            names.catalog().database_named(database)?;
            (SCHEMAS, format!("o.database_name = {}", literal(database)))
        }
        Listed::Tables(schema) => (TABLES, in_schema(&names, schema)?),
        Listed::Functions(schema) => (FUNCTIONS, in_schema(&names, schema)?),
        Listed::Procedures(schema) => (PROCEDURES, in_schema(&names, schema)?),
        Listed::Parameters(kind, routine) => return parameters(ctx, *kind, routine, show),
        Listed::Grants(on, grantee) => {
            let condition = granted_on(&names, on.as_ref())?;
            (GRANTS, condition + &granted_to(&names, grantee.as_ref())?)
        }
        Listed::ColumnGrants(table, grantee) => {
            let condition = of(&names, "", table)?;
            (
                COLUMN_GRANTS,
                condition + &granted_to(&names, grantee.as_ref())?,
            )
        }
        Listed::Policies(kind, database) => {
            policies::of_database(&names, *kind, database.as_deref())?
        }
        Listed::AttachedPolicies(kind, table, grantee) => {
            policies::attached(&names, *kind, table, grantee.as_ref())?
        }
        Listed::Columns(table) => (COLUMNS, of(&names, "", table)?),
        Listed::PrimaryKeys(table) => (PRIMARY_KEYS, of(&names, "", table)?),
        Listed::ForeignKeys(table) => (FOREIGN_KEYS, of(&names, "fk_", table)?),
        Listed::ExportedKeys(table) => (FOREIGN_KEYS, of(&names, "pk_", table)?),
    };
    let (pattern, order) = match &show.listed {
        Listed::Databases => ("database_name", "database_name"),
        Listed::Schemas(_) => ("schema_name", "schema_name"),
        Listed::Tables(_) => ("table_name", "table_name"),
        Listed::Columns(_) => ("column_name", "ordinal_position"),
        Listed::PrimaryKeys(_) => ("pk_name", "pk_name, key_seq"),
        Listed::ForeignKeys(_) | Listed::ExportedKeys(_) => ("fk_name", "fk_name, key_seq"),
        Listed::Functions(_) => ("function_name", "function_name, argument_list"),
        Listed::Procedures(_) => ("procedure_name", "procedure_name, argument_list"),
        Listed::Parameters(..) => ("parameter_name", "ordinal_position"),
        Listed::Policies(..) => ("policy_name", "policy_name"),
        Listed::AttachedPolicies(PolicyKind::Mask, ..) => (
            "policy_name",
            "policy_name, grantee_type, grantee, input_columns, output_columns",
        ),
        Listed::AttachedPolicies(PolicyKind::Rows, ..) => {
            ("policy_name", "policy_name, grantee_kind, grantee")
        }
        Listed::Grants(..) => (
            "object_name",
            "schema_name, object_name, identity_name, identity_type, privilege_type",
        ),
        Listed::ColumnGrants(..) => (
            "column_name",
            "column_name, identity_name, identity_type, privilege_type",
        ),
    };
    let sort = match &show.listed {
        Listed::Columns(table) => sort_word(&names, table)?,
        _ => "",
    };
    let text = text.replace("{sort}", sort);
    let mut sql = format!("SELECT * FROM ({text}) o WHERE {condition}");
    if let Some(like) = &show.like {
        sql += &format!(" AND o.{pattern} LIKE {}", literal(like));
    }
    sql += &format!(" ORDER BY {order}");
    if let Some(limit) = show.limit {
        sql += &format!(" LIMIT {limit}");
    }
    Ok(Query::parse(&sql)?)
}

/// Makes the query of the arguments of a routine that the user may call.
fn parameters(
    ctx: &mut Context<'_>,
    kind: RoutineKind,
    wanted: &RoutineName,
    show: &ShowList,
) -> Result<Query> {
    let names = ctx.names()?;
    let routine = super::routine::find(ctx, wanted, kind)?;
    let catalog = names.catalog();
    check::call(catalog, &names.system.user, &routine)?;
    let schema = catalog.schemas.get(&routine.schema);
    let schema = schema.map_or("", |schema| schema.name.as_str());
    let pattern = show.like.as_deref();
    let condition = pattern.map_or_else(String::new, |like| {
        format!(" WHERE o.parameter_name LIKE {}", literal(like))
    });
    let number = |number: Option<String>| number.unwrap_or_else(|| "NULL".to_owned());
    let rows = routine.arguments.iter().enumerate().map(|(at, argument)| {
        let (length, precision, scale) = match argument.ty {
            RoutineType::Sql(SqlType::Char(bytes) | SqlType::Varchar(bytes)) => {
                (Some(bytes.to_string()), None, None)
            }
            RoutineType::Sql(SqlType::Decimal { precision, scale }) => {
                (None, Some(precision.to_string()), Some(scale.to_string()))
            }
            RoutineType::Sql(ty) => (None, whole_digits(ty), None),
            RoutineType::Refcursor => (None, None, None),
        };
        let mode = match argument.mode {
            ArgumentMode::In => "IN",
            ArgumentMode::Out => "OUT",
            ArgumentMode::InOut => "INOUT",
        };
        format!(
            "SELECT {}, {}, '{mode}', {}, {}, {}, {}",
            argument
                .name
                .as_deref()
                .map_or_else(|| "NULL".to_owned(), literal),
            at + 1,
            literal(&argument.ty.signature()),
            number(length),
            number(precision),
            number(scale),
        )
    });
    let none = "SELECT NULL, 0, NULL, NULL, NULL, NULL, NULL WHERE false".to_owned();
    let rows: Vec<_> = std::iter::once(none).chain(rows).collect();
    let text = format!(
        "SELECT * FROM (SELECT {}::varchar(128) AS database_name, {}::varchar(128) AS schema_name, \
         {}::varchar(128) AS {}_name, r.a::varchar(128) AS parameter_name, r.b::integer AS ordinal_position, \
         r.c::varchar(8) AS parameter_type, r.d::varchar(128) AS data_type, \
         r.e::integer AS character_maximum_length, r.f::integer AS numeric_precision, \
         r.g::integer AS numeric_scale, NULL::varchar AS remarks \
         FROM ({}) r (a, b, c, d, e, f, g)) o{condition} ORDER BY o.ordinal_position",
        literal(catalog.database_name()),
        literal(schema),
        literal(&routine.name),
        kind.word(),
        rows.join(" UNION ALL "),
    );
    Ok(Query::parse(&text)?)
}

/// The digits of numbers that are kept in a fixed number of bits, as SHOW COLUMNS has them.
fn whole_digits(ty: SqlType) -> Option<String> {
    let bits = match ty {
        SqlType::SmallInt => 16,
        SqlType::Integer => 32,
        SqlType::BigInt => 64,
        SqlType::Real => 24,
        SqlType::Double => 53,
        _ => return None,
    };
    Some(bits.to_string())
}

/// The condition that a column `schema_name` names a schema.
fn in_schema(names: &SessionNames, schema: &ObjectName) -> Result<String> {
    if let Some(database) = &schema.schema {
        check_database(names, database)?;
    }
    let catalog = names.catalog();
    let found = catalog.schema_named(&schema.name);
    let found = found.ok_or_else(|| super::context::no_schema(&schema.name, catalog))?;
    check::use_schema(catalog, &names.system.user, found)?;
    Ok(format!("o.schema_name = {}", literal(&schema.name)))
}

/// The condition that a grant is on an object.
fn granted_on(names: &SessionNames, on: Option<&GrantsOn>) -> Result<String> {
    Ok(match on {
        None => "true".to_owned(),
        Some(GrantsOn::Database(database)) => {
            names.catalog().database_named(database)?;
            let name = literal(database);
            format!("o.object_type = 'DATABASE' AND o.object_name = {name}")
        }
        Some(GrantsOn::Schema(schema)) => {
            let condition = in_schema(names, schema)?;
            format!("o.object_type = 'SCHEMA' AND {condition}")
        }
        Some(GrantsOn::Table(table)) => {
            let (schema, name) = relation(names, table)?;
            format!(
                "o.object_type = 'TABLE' AND o.schema_name = {} AND o.object_name = {}",
                literal(&schema),
                literal(&name)
            )
        }
        Some(GrantsOn::Routine(routine)) => {
            let name = &routine.name.name;
            let name = match &routine.arguments {
                Some(arguments) => {
                    let inputs = arguments.iter().filter(|one| one.mode.is_input());
                    let types: Vec<_> = inputs.map(|one| one.ty.signature()).collect();
                    format!(
                        "o.object_name = {}",
                        literal(&format!("{name}({})", types.join(", ")))
                    )
                }
                None => format!("split_part(o.object_name, '(', 1) = {}", literal(name)),
            };
            let mut condition = format!("o.object_type = 'FUNCTION' AND {name}");
            if let Some(schema) = &routine.name.schema {
                condition += &format!(" AND o.schema_name = {}", literal(schema));
            }
            condition
        }
    })
}

/// The further condition that a grant is to somebody.
fn granted_to(names: &SessionNames, grantee: Option<&ShownGrantee>) -> Result<String> {
    let Some(ShownGrantee { kind, name }) = grantee else {
        return Ok(String::new());
    };
    let catalog = names.catalog();
    let is_known = match *kind {
        "user" => catalog.user_named(name).is_some(),
        "role" => catalog.role_named(name).is_some(),
        "group" => catalog.group_named(name).is_some(),
        _ => true,
    };
    if !is_known {
        return Err(Error::new(
            SqlState::UNDEFINED_OBJECT,
            format!("{kind} \"{name}\" does not exist"),
        ));
    }
    Ok(format!(
        " AND o.identity_type = {} AND o.identity_name = {}",
        literal(kind),
        literal(name)
    ))
}

/// The condition that columns `{prefix}schema_name` and `{prefix}table_name` name a table.
fn of(names: &SessionNames, prefix: &str, table: &ObjectName) -> Result<String> {
    let (schema, name) = relation(names, table)?;
    Ok(format!(
        "o.{prefix}schema_name = {} AND o.{prefix}table_name = {}",
        literal(&schema),
        literal(&name)
    ))
}

const DATABASES: &str = "SELECT database_name, database_owner, database_type, database_acl, \
    database_options AS parameters, database_isolation_level FROM pg_catalog.svv_redshift_databases";

const SCHEMAS: &str = "SELECT database_name, schema_name, schema_owner, schema_type, schema_acl, source_database, \
    schema_option FROM pg_catalog.svv_all_schemas";

const TABLES: &str = "SELECT pg_catalog.current_database()::varchar(128) AS database_name, \
    n.nspname::varchar(128) AS schema_name, c.relname::varchar(128) AS table_name, \
    CASE c.relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END AS table_type, c.relacl::varchar(128) AS table_acl, \
    pg_catalog.obj_description(c.oid, 'pg_class') AS remarks, pg_catalog.pg_get_userbyid(c.relowner) AS owner, \
    NULL::timestamp AS last_altered_time, NULL::timestamp AS last_modified_time, \
    CASE WHEN c.relkind = 'v' THEN NULL WHEN c.releffectivediststyle = 0 THEN 'EVEN' \
    WHEN c.releffectivediststyle = 1 THEN 'KEY' WHEN c.releffectivediststyle = 8 THEN 'ALL' \
    WHEN c.releffectivediststyle = 10 THEN 'AUTO (ALL)' WHEN c.releffectivediststyle = 11 THEN 'AUTO (EVEN)' END \
    AS dist_style, CASE c.relkind WHEN 'v' THEN CASE WHEN pg_catalog.pg_get_viewdef(c.oid) ILIKE 'create materialized%' THEN 'MATERIALIZED VIEW' \
    WHEN c.relnatts = 0 THEN 'LATE BINDING VIEW' ELSE 'REGULAR VIEW' END ELSE 'REGULAR TABLE' END AS table_subtype \
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
    WHERE c.relkind IN ('r', 'v') AND pg_catalog.has_table_privilege(c.oid, 'select') \
    UNION ALL SELECT redshift_database_name::varchar(128), schemaname::varchar(128), tablename::varchar(128), \
    'EXTERNAL TABLE', NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM pg_catalog.svv_external_tables";

const COLUMNS: &str = "SELECT pg_catalog.current_database()::varchar(128) AS database_name, \
    n.nspname::varchar(128) AS schema_name, c.relname::varchar(128) AS table_name, \
    a.attname::varchar(128) AS column_name, a.attnum::integer AS ordinal_position, d.adsrc AS column_default, \
    CASE WHEN a.attnotnull THEN 'NO' ELSE 'YES' END AS is_nullable, \
    pg_catalog.format_type(a.atttypid, NULL) AS data_type, \
    CASE WHEN a.atttypid IN (1042, 1043) AND a.atttypmod > 4 THEN a.atttypmod - 4 END AS character_maximum_length, \
    CASE a.atttypid WHEN 21 THEN 16 WHEN 23 THEN 32 WHEN 20 THEN 64 WHEN 700 THEN 24 WHEN 701 THEN 53 \
    WHEN 1700 THEN (a.atttypmod - 4) / 65536 END AS numeric_precision, \
    CASE WHEN a.atttypid IN (20, 21, 23) THEN 0 WHEN a.atttypid = 1700 THEN (a.atttypmod - 4) % 65536 END \
    AS numeric_scale, pg_catalog.col_description(c.oid, a.attnum) AS remarks, \
    CASE WHEN a.attsortkeyord <> 0 THEN '{sort}' END AS sort_key_type, \
    abs(a.attsortkeyord)::integer AS sort_key, CASE WHEN a.attisdistkey THEN 1 ELSE 0 END AS dist_key, \
    pg_catalog.format_encoding(a.attencodingtype) AS encoding, NULL::varchar(128) AS collation \
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 \
    LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
    WHERE c.relkind IN ('r', 'v') \
    UNION ALL SELECT redshift_database_name::varchar(128), schemaname::varchar(128), tablename::varchar(128), \
    columnname::varchar(128), columnnum, NULL, 'YES', external_type, NULL, NULL, NULL, NULL, NULL, 0, 0, NULL, NULL \
    FROM pg_catalog.svv_external_columns";

const PRIMARY_KEYS: &str = "SELECT table_catalog AS database_name, table_schema AS schema_name, table_name, \
    column_name, ordinal_position AS key_seq, constraint_name AS pk_name \
    FROM information_schema.key_column_usage k WHERE k.constraint_name IN (SELECT t.constraint_name \
    FROM information_schema.table_constraints t WHERE t.constraint_type = 'PRIMARY KEY')";

const FOREIGN_KEYS: &str = "SELECT k.table_catalog AS pk_database_name, u.table_schema AS pk_schema_name, \
    u.table_name AS pk_table_name, u.column_name AS pk_column_name, k.table_catalog AS fk_database_name, \
    k.table_schema AS fk_schema_name, k.table_name AS fk_table_name, k.column_name AS fk_column_name, \
    k.ordinal_position AS key_seq, 'NO ACTION' AS update_rule, 'NO ACTION' AS delete_rule, \
    k.constraint_name AS fk_name, u.constraint_name AS pk_name, 'NOT DEFERRABLE' AS deferrability \
    FROM information_schema.key_column_usage k \
    JOIN information_schema.referential_constraints r ON r.constraint_schema = k.constraint_schema \
    AND r.constraint_name = k.constraint_name \
    JOIN information_schema.key_column_usage u ON u.constraint_schema = r.unique_constraint_schema \
    AND u.constraint_name = r.unique_constraint_name AND u.ordinal_position = k.position_in_unique_constraint";

const FUNCTIONS: &str = "SELECT database_name::varchar(128), schema_name::varchar(128), \
    function_name::varchar(128), CASE WHEN argument_type = '' THEN 0 ELSE \
    regexp_count(argument_type, ',') + 1 END AS number_of_arguments, \
    argument_type AS argument_list, result_type AS return_type, NULL::varchar AS remarks \
    FROM pg_catalog.svv_redshift_functions WHERE function_type NOT LIKE '%PROCEDURE%'";

const PROCEDURES: &str = "SELECT database_name::varchar(128), schema_name::varchar(128), \
    function_name::varchar(128) AS procedure_name, CASE WHEN argument_type = '' THEN 0 ELSE \
    regexp_count(argument_type, ',') + 1 END AS number_of_arguments, \
    argument_type AS argument_list, result_type AS return_type, NULL::varchar AS remarks \
    FROM pg_catalog.svv_redshift_functions WHERE function_type LIKE '%PROCEDURE%'";

const GRANTS: &str = "SELECT database_name::varchar(128), NULL::varchar(128) AS schema_name, \
    database_name::varchar(128) AS object_name, 'DATABASE' AS object_type, privilege_type, identity_id, \
    identity_name, identity_type, admin_option, privilege_scope FROM pg_catalog.svv_database_privileges \
    UNION SELECT pg_catalog.current_database(), namespace_name, namespace_name, 'SCHEMA', privilege_type, \
    identity_id, identity_name, identity_type, admin_option, privilege_scope \
    FROM pg_catalog.svv_schema_privileges \
    UNION SELECT pg_catalog.current_database(), namespace_name, relation_name, 'TABLE', privilege_type, \
    identity_id, identity_name, identity_type, admin_option, 'TABLE' FROM pg_catalog.svv_relation_privileges \
    UNION SELECT pg_catalog.current_database(), namespace_name, function_name || '(' || argument_types || ')', \
    'FUNCTION', privilege_type, identity_id, identity_name, identity_type, admin_option, 'FUNCTION' \
    FROM pg_catalog.svv_function_privileges";

const COLUMN_GRANTS: &str = "SELECT pg_catalog.current_database()::varchar(128) AS database_name, \
    namespace_name AS schema_name, relation_name AS table_name, column_name, 'TABLE' AS object_type, \
    privilege_type, identity_id, identity_name, identity_type FROM pg_catalog.svv_column_privileges";

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

fn check_database(names: &SessionNames, database: &str) -> Result<()> {
    let catalog = names.catalog();
    catalog.database_named(database)?;
    match catalog.database_name() == database {
        true => Ok(()),
        false => Err(elsewhere("listing what is", database)),
    }
}

/// Finds a table or view and gives its schema and name, if the user may read it.
fn relation(names: &SessionNames, name: &ObjectName) -> Result<(String, String)> {
    match names.find(name)? {
        Named::System(table) => Ok((table.schema().to_owned(), table.name().to_owned())),
        Named::External(schema, table) => Ok((schema.name.clone(), table.name.clone())),
        Named::Relation(relation) => {
            check::relation(
                names.catalog(),
                &names.system.user,
                &relation,
                Privilege::Select,
            )?;
            let schema = names.catalog().schemas.get(&relation.schema());
            let schema = schema.map_or_else(String::new, |schema| schema.name.clone());
            Ok((schema, relation.name().to_owned()))
        }
    }
}

/// Tells how a table is sorted.
fn sort_word(names: &SessionNames, name: &ObjectName) -> Result<&'static str> {
    Ok(match names.find(name)? {
        Named::Relation(Relation::Table(table)) => match &table.sort {
            TableSort::Interleaved(_) => "INTERLEAVED",
            TableSort::AutoCompound(_) => "AUTO",
            TableSort::Compound(_) => "COMPOUND",
            TableSort::Auto | TableSort::None => "",
        },
        _ => "",
    })
}

/// The column SHOW TABLE answers with.
pub(crate) const TABLE_COLUMN: &str = "Show Table DDL statement";

/// The column SHOW VIEW answers with.
pub(crate) const VIEW_COLUMN: &str = "Show View DDL statement";

/// Runs a SHOW TABLE or SHOW VIEW.
pub fn definition(ctx: &mut Context<'_>, show: &ShowDefinition) -> Result<Body> {
    let (name, kind) = match show {
        ShowDefinition::Table(name) => (name, "table"),
        ShowDefinition::View(name) => (name, "view"),
        ShowDefinition::External(name, with_partitions) => {
            return super::external::show::run(ctx, name, *with_partitions);
        }
    };
    let names = ctx.names()?;
    let wrong = |name: &str| {
        Error::new(
            SqlState::WRONG_OBJECT_TYPE,
            format!("\"{name}\" is not a {kind}"),
        )
    };
    let Named::Relation(relation) = names.find(name)? else {
        return Err(wrong(&name.name));
    };
    check::relation(
        names.catalog(),
        &names.system.user,
        &relation,
        Privilege::Select,
    )?;
    match (show, relation) {
        (ShowDefinition::Table(_), Relation::Table(table)) => {
            let text = table_text(&names, &table);
            Body::text_rows("SHOW", &[TABLE_COLUMN], &[vec![text]])
        }
        (ShowDefinition::View(_), Relation::View(view)) => {
            let text = format!("{};", view.definition().trim_end_matches(';'));
            Body::text_rows("SHOW", &[VIEW_COLUMN], &[vec![text]])
        }
        (_, relation) => Err(wrong(relation.name())),
    }
}

/// Writes the statement that would make a table again.
fn table_text(names: &SessionNames, table: &Table) -> String {
    let catalog = names.catalog();
    let mut lines: Vec<String> = table
        .columns
        .iter()
        .map(|column| {
            let mut line = format!("    {} {}", quoted(&column.name), column.ty);
            if let Some(default) = &column.default {
                line += &format!(" DEFAULT {default}");
            }
            if let Some(identity) = &column.identity {
                line += &match identity.by_default {
                    true => format!(
                        " GENERATED BY DEFAULT AS IDENTITY({}, {})",
                        identity.seed, identity.step
                    ),
                    false => format!(" IDENTITY({}, {})", identity.seed, identity.step),
                };
            }
            if column.not_null {
                line += " NOT NULL";
            }
            if let Some(encoding) = &column.encoding {
                line += &format!(" ENCODE {encoding}");
            }
            if column.case_insensitive {
                line += " COLLATE CASE_INSENSITIVE";
            }
            line
        })
        .collect();
    lines.extend(
        table
            .constraints
            .iter()
            .enumerate()
            .map(|(place, constraint)| {
                let given = table.constraint_names.get(place).and_then(Option::as_ref);
                let name =
                    given.map_or_else(String::new, |name| format!("CONSTRAINT {} ", quoted(name)));
                let text = match constraint {
                    TableConstraint::PrimaryKey(key) => {
                        format!("PRIMARY KEY ({})", listed(table, key))
                    }
                    TableConstraint::Unique(key) => format!("UNIQUE ({})", listed(table, key)),
                    TableConstraint::ForeignKey {
                        columns,
                        table: there,
                        referred,
                    } => {
                        let (there, referred) = match catalog.tables.get(there) {
                            Some(there) => (qualified(names, there), listed(there, referred)),
                            None => (String::new(), String::new()),
                        };
                        let columns = listed(table, columns);
                        format!("FOREIGN KEY ({columns}) REFERENCES {there}({referred})")
                    }
                };
                format!("    {name}{text}")
            }),
    );
    let is_temporary = catalog
        .schemas
        .get(&table.schema)
        .is_some_and(|schema| schema.name.starts_with(crate::server::TEMP_SCHEMA_PREFIX));
    let (word, name) = match is_temporary {
        true => ("CREATE TEMP TABLE", quoted(&table.name)),
        false => ("CREATE TABLE", qualified(names, table)),
    };
    let mut text = format!("{word} {name} (\n{}\n)", lines.join(",\n"));
    if !table.backup {
        text += "\nBACKUP NO";
    }
    text += &match &table.distribution {
        TableDistribution::Even => "\nDISTSTYLE EVEN".to_owned(),
        TableDistribution::All => "\nDISTSTYLE ALL".to_owned(),
        TableDistribution::AutoAll | TableDistribution::AutoEven => "\nDISTSTYLE AUTO".to_owned(),
        TableDistribution::Key(column) => {
            format!("\nDISTSTYLE KEY DISTKEY ({})", listed(table, &[*column]))
        }
    };
    text += &match &table.sort {
        TableSort::None => String::new(),
        TableSort::Auto | TableSort::AutoCompound(_) => "\nSORTKEY AUTO".to_owned(),
        TableSort::Compound(key) => format!("\nSORTKEY ({})", listed(table, key)),
        TableSort::Interleaved(key) => format!("\nINTERLEAVED SORTKEY ({})", listed(table, key)),
    };
    text + ";"
}

fn qualified(names: &SessionNames, table: &Table) -> String {
    match names.catalog().schemas.get(&table.schema) {
        Some(schema) => format!("{}.{}", quoted(&schema.name), quoted(&table.name)),
        None => quoted(&table.name),
    }
}

fn listed(table: &Table, columns: &[usize]) -> String {
    let names = columns.iter().filter_map(|index| table.columns.get(*index));
    let names: Vec<String> = names.map(|column| quoted(&column.name)).collect();
    names.join(", ")
}
