//! CREATE TABLE: the user's words checked and turned into a catalog entry and a storage layout.

use super::answer::{Body, Notice};
use super::context::Context;
use super::names::{Named, Right};
use super::target::bound_default;
use crate::access::check;
use crate::catalog::cache::{put_schema, put_table};
use crate::catalog::database::elsewhere;
use crate::catalog::layout::{self, table_layout};
use crate::catalog::name::Relation;
use crate::catalog::{
    Catalog, Column, Identity, Oid, Schema, Table, TableConstraint, TableDistribution, TableSort,
};
use crate::error::{Error, Result};
use crate::history::now_us;
use crate::server::TEMP_SCHEMA_PREFIX;
use crate::transaction::lock::{Lockable, Mode};
use blueshift_sql::statement::ObjectName;
use blueshift_sql::statement::create_table::{
    ColumnDefinition, Constraint, CreateTable, DistStyle, NamedConstraint, SortClause,
    TableAttributes,
};
use blueshift_sql::statement::grant::Privilege;
use blueshift_sql::{SqlState, SqlType};
use blueshift_storage::store::derived::Derived;
use std::collections::HashSet;
use std::sync::Arc;

/// Columns of a table at most.
const COLUMNS_MAX: usize = 1_600;
/// Columns of a compound sort key at most.
const COMPOUND_MAX: usize = 400;
/// Columns of an interleaved sort key at most.
const INTERLEAVED_MAX: usize = 8;

/// Runs a CREATE TABLE.
pub async fn run(ctx: &mut Context<'_>, create: &CreateTable) -> Result<Body> {
    let schema = schema_for(ctx, &create.name, create.temporary).await?;
    if !reserve_name(ctx, &schema, &create.name.name, create.if_not_exists).await? {
        return Ok(Body::done("CREATE TABLE"));
    }
    let mut columns = Vec::with_capacity(create.columns.len());
    let mut attributes = create.attributes.clone();
    let mut copied = None;
    if let Some((parent, with_defaults)) = &create.like {
        let parent = ctx
            .names()?
            .table_to_change(parent, &Right::To(Privilege::Select))?;
        columns.extend(parent.columns.iter().cloned().map(|mut column| {
            column.default = column.default.filter(|_| *with_defaults);
            column.identity = None;
            column
        }));
        copied = Some(parent);
    }
    let catalog = ctx.transaction.catalog()?;
    columns.extend(create.columns.iter().map(|one| column(one, &catalog)));
    let mut table = new_table(ctx, &schema, &create.name.name, columns, &mut attributes)?;
    if let Some(parent) = copied {
        inherit(&mut table, &parent, &create.attributes);
    }
    for (name, constraint) in constraints(ctx, &table, &create.constraints)? {
        table.add_constraint(name, constraint);
    }
    for constraint in &table.constraints {
        if let TableConstraint::PrimaryKey(key) = constraint {
            for index in key {
                if let Some(column) = table.columns.get_mut(*index) {
                    column.not_null = true;
                }
            }
        }
    }
    check_defaults(ctx, &table)?;
    install(ctx, &table)?;
    Ok(Body::done("CREATE TABLE"))
}

/// Adds a checked table to the transaction.
pub fn install(ctx: &mut Context<'_>, table: &Table) -> Result<()> {
    let layout = table_layout(table)?;
    ctx.transaction.create_table(table.id(), layout);
    ctx.transaction.change_catalog(put_table(table)?);
    if is_temporary(table.schema, ctx) {
        return Ok(());
    }
    let relation = Relation::Table(Arc::new(table.clone()));
    super::grant::born(ctx, (&relation).into(), table.schema)
}

/// Finds the schema of a new table or view and keeps it from being dropped; a temporary table's is made at need.
pub async fn schema_for(
    ctx: &mut Context<'_>,
    name: &ObjectName,
    temporary: bool,
) -> Result<Arc<Schema>> {
    schema_for_by(ctx, name, temporary, "CREATE TABLE").await
}

/// As [`schema_for`], with the system permission that allows it in every schema.
pub(super) async fn schema_for_by(
    ctx: &mut Context<'_>,
    name: &ObjectName,
    temporary: bool,
    system: &str,
) -> Result<Arc<Schema>> {
    if let Some(database) = &name.database {
        let catalog = ctx.transaction.catalog()?;
        if *database != catalog.database_name() {
            catalog.database_named(database)?;
            return Err(elsewhere("creating objects", database));
        }
    }
    if temporary {
        let catalog = ctx.transaction.catalog()?;
        check::database(&catalog, ctx.user, Privilege::Temporary, None)?;
        return temporary_schema(ctx);
    }
    let schema = ctx.schema_for_new(name)?;
    let catalog = ctx.transaction.catalog()?;
    check::create_in_schema(&catalog, ctx.user, &schema, Some(system))?;
    ctx.transaction
        .lock(Lockable::Schema(schema.oid), Mode::Append)
        .await?;
    if !ctx.transaction.catalog()?.schemas.contains_key(&schema.oid) {
        return Err(Error::new(
            SqlState::INVALID_SCHEMA_NAME,
            format!("schema \"{}\" does not exist", schema.name),
        ));
    }
    Ok(schema)
}

fn temporary_schema(ctx: &mut Context<'_>) -> Result<Arc<Schema>> {
    let catalog = ctx.transaction.catalog()?;
    if let Some(schema) = ctx.temp_schema.and_then(|oid| catalog.schemas.get(&oid)) {
        return Ok(schema.clone());
    }
    let name = format!("{TEMP_SCHEMA_PREFIX}{}", ctx.pid);
    let schema = Schema {
        oid: ctx.server.next_oid()?,
        name,
        owner: ctx.user.oid,
        database: catalog.database,
        quota: None,
    };
    ctx.transaction.change_catalog(put_schema(&schema)?);
    *ctx.temp_schema = Some(schema.oid);
    Ok(Arc::new(schema))
}

/// Makes sure a name is free, and keeps it so to the end of the transaction. `false` if it is taken and the
/// statement says that is no error.
pub async fn reserve_name(
    ctx: &mut Context<'_>,
    schema: &Schema,
    name: &str,
    if_not_exists: bool,
) -> Result<bool> {
    let on = Lockable::Name(schema.oid, name.to_string());
    ctx.transaction.lock(on, Mode::Exclusive).await?;
    let seen = ctx.transaction.catalog()?;
    let committed = ctx.transaction.committed_catalog()?;
    let own = seen.relation_named(schema.oid, name);
    let is_dropped_here = |relation: &Relation| seen.relation(relation.oid()).is_none();
    let others = committed
        .relation_named(schema.oid, name)
        .filter(|relation| {
            // What we dropped or renamed ourselves is free; what others made since our view was taken is not.
            let is_gone = is_dropped_here(relation) && ctx.transaction.drops(relation.oid());
            let is_renamed = seen
                .relation(relation.oid())
                .is_some_and(|now| now.name() != name || now.schema() != schema.oid);
            !(is_gone || (is_renamed && ctx.transaction.changes(relation.oid())))
        });
    if own.or(others).is_none() {
        return Ok(true);
    }
    if if_not_exists {
        ctx.notices.push(Notice::skipped(format!(
            "relation \"{name}\" already exists, skipping"
        )));
        return Ok(false);
    }
    Err(Error::new(
        SqlState::DUPLICATE_TABLE,
        format!("relation \"{name}\" already exists"),
    ))
}

/// Makes a column of its definition; a text without COLLATE has the collation of the database.
pub(super) fn column(definition: &ColumnDefinition, catalog: &Catalog) -> Column {
    let is_text = matches!(definition.ty, SqlType::Char(_) | SqlType::Varchar(_));
    let of_database = is_text && catalog.is_case_insensitive();
    Column {
        name: definition.name.clone(),
        id: 0,
        ty: definition.ty,
        encoding: definition.encoding.clone().filter(|word| word != "auto"),
        default: definition
            .default
            .as_ref()
            .map(|expression| expression.text.clone()),
        identity: definition.identity.map(|identity| Identity {
            seed: identity.seed,
            step: identity.step,
            by_default: identity.by_default,
        }),
        not_null: definition.not_null || definition.identity.is_some(),
        case_insensitive: definition.case_insensitive.unwrap_or(of_database),
    }
}

fn invalid(message: String) -> Error {
    Error::new(SqlState::INVALID_TABLE_DEFINITION, message)
}

/// Makes a table of columns and attributes, all checked. Columns get their ids here.
pub fn new_table(
    ctx: &mut Context<'_>,
    schema: &Schema,
    name: &str,
    mut columns: Vec<Column>,
    attributes: &mut TableAttributes,
) -> Result<Table> {
    if columns.is_empty() {
        return Err(invalid(format!(
            "table \"{name}\" must have at least one column"
        )));
    }
    if columns.len() > COLUMNS_MAX {
        return Err(Error::new(
            SqlState::TOO_MANY_COLUMNS,
            format!("tables can have at most {COLUMNS_MAX} columns"),
        ));
    }
    let mut seen = HashSet::new();
    for (id, column) in (1..).zip(&mut columns) {
        if !seen.insert(column.name.clone()) {
            return Err(Error::new(
                SqlState::DUPLICATE_COLUMN,
                format!("column \"{}\" specified more than once", column.name),
            ));
        }
        column.id = id;
        if let Some(word) = &column.encoding {
            layout::encoding(word, &column.name, column.ty)?;
        }
        if let Some(identity) = column.identity {
            check_identity(column, identity)?;
        }
    }
    for by_default in [false, true] {
        let identities = columns.iter().filter_map(|column| column.identity);
        let alike = identities.filter(|identity| identity.by_default == by_default);
        if alike.count() > 1 {
            return Err(blueshift_sql::Error::new(
                SqlState::INVALID_TABLE_DEFINITION,
                format!("table \"{name}\" can have only one identity column"),
            )
            .with_hint("One more may be GENERATED BY DEFAULT AS IDENTITY.")
            .into());
        }
    }
    Ok(Table {
        oid: ctx.server.next_oid()?,
        schema: schema.oid,
        name: name.to_string(),
        owner: ctx.user.oid,
        distribution: distribution(&columns, attributes)?,
        sort: sort(&columns, attributes)?,
        columns_made: u32::try_from(columns.len()).unwrap_or(u32::MAX),
        columns,
        constraints: Vec::new(),
        constraint_names: Vec::new(),
        backup: attributes.backup.unwrap_or(true),
        placement_fingerprint: ctx.server.placement_fingerprint,
        created_us: now_us(),
        derived: Derived::default(),
        view: None,
    })
}

fn check_identity(column: &Column, identity: Identity) -> Result<()> {
    if !matches!(column.ty, SqlType::Integer | SqlType::BigInt) {
        return Err(invalid(format!(
            "identity column \"{}\" must be of type integer or bigint",
            column.name
        )));
    }
    if column.default.is_some() {
        return Err(invalid(format!(
            "both default and identity specified for column \"{}\"",
            column.name
        )));
    }
    if identity.step == 0 {
        return Err(invalid(format!(
            "identity step of column \"{}\" is 0",
            column.name
        )));
    }
    Ok(())
}

/// Finds a column by name.
pub fn column_index(columns: &[Column], name: &str) -> Result<usize> {
    columns
        .iter()
        .position(|column| column.name == name)
        .ok_or_else(|| {
            Error::new(
                SqlState::UNDEFINED_COLUMN,
                format!("column \"{name}\" named in key does not exist"),
            )
        })
}

pub(super) fn distribution(
    columns: &[Column],
    attributes: &TableAttributes,
) -> Result<TableDistribution> {
    let style = attributes.dist_style;
    if let Some(key) = &attributes.dist_key {
        if !matches!(style, None | Some(DistStyle::Key)) {
            return Err(invalid(
                "cannot specify DISTKEY with a DISTSTYLE other than KEY".to_string(),
            ));
        }
        let index = column_index(columns, key)?;
        let ty = columns.get(index).map(|column| column.ty);
        if matches!(
            ty,
            Some(SqlType::Super | SqlType::HllSketch | SqlType::Varbyte(_))
        ) {
            return Err(invalid(format!(
                "column \"{key}\" has a type that cannot be a DISTKEY"
            )));
        }
        return Ok(TableDistribution::Key(index));
    }
    match style {
        Some(DistStyle::Even) => Ok(TableDistribution::Even),
        Some(DistStyle::All) => Ok(TableDistribution::All),
        Some(DistStyle::Key) => Err(invalid(
            "DISTSTYLE KEY requires a DISTKEY column".to_string(),
        )),
        Some(DistStyle::Auto) | None => Ok(TableDistribution::AutoAll),
    }
}

pub(super) fn sort(columns: &[Column], attributes: &TableAttributes) -> Result<TableSort> {
    let keys = |names: &[String], max: usize, kind: &str| -> Result<Vec<usize>> {
        if names.len() > max {
            return Err(invalid(format!(
                "{kind} sort keys can have at most {max} columns"
            )));
        }
        let mut indexes = Vec::with_capacity(names.len());
        for name in names {
            let index = column_index(columns, name)?;
            let ty = columns.get(index).map(|column| column.ty);
            if matches!(
                ty,
                Some(SqlType::Super | SqlType::HllSketch | SqlType::Varbyte(_))
            ) {
                return Err(invalid(format!(
                    "column \"{name}\" has a type that cannot be a SORTKEY"
                )));
            }
            if indexes.contains(&index) {
                return Err(invalid(format!(
                    "column \"{name}\" appears twice in the sort key"
                )));
            }
            indexes.push(index);
        }
        Ok(indexes)
    };
    match &attributes.sort {
        // AUTO is the default, as documented.
        None | Some(SortClause::Auto) => Ok(TableSort::Auto),
        Some(SortClause::Compound(names)) => {
            Ok(TableSort::Compound(keys(names, COMPOUND_MAX, "compound")?))
        }
        Some(SortClause::Interleaved(names)) => Ok(TableSort::Interleaved(keys(
            names,
            INTERLEAVED_MAX,
            "interleaved",
        )?)),
    }
}

/// LIKE takes over distribution and sort keys that the statement does not name.
fn inherit(table: &mut Table, parent: &Table, given: &TableAttributes) {
    if given.dist_style.is_none() && given.dist_key.is_none() {
        table.distribution = match parent.distribution {
            TableDistribution::AutoEven => TableDistribution::AutoAll,
            other => other,
        };
    }
    if given.sort.is_none() {
        table.sort = match &parent.sort {
            // What queries asked of the parent says nothing of this table.
            TableSort::AutoCompound(_) => TableSort::Auto,
            other => other.clone(),
        };
    }
}

pub(super) fn constraints(
    ctx: &mut Context<'_>,
    table: &Table,
    given: &[NamedConstraint],
) -> Result<Vec<(Option<String>, TableConstraint)>> {
    let indexes = |names: &[String]| -> Result<Vec<usize>> {
        names
            .iter()
            .map(|name| column_index(&table.columns, name))
            .collect()
    };
    let mut kept: Vec<(Option<String>, TableConstraint)> = Vec::with_capacity(given.len());
    for NamedConstraint { name, constraint } in given {
        let is_taken = |taken: &Option<String>| taken.is_some() && taken == name;
        let before = table.named_constraints();
        let mut before = before.into_iter().map(|named| Some(named.name));
        if kept.iter().any(|(taken, _)| is_taken(taken)) || before.any(|taken| is_taken(&taken)) {
            return Err(Error::new(
                SqlState::DUPLICATE_OBJECT,
                format!(
                    "constraint \"{}\" for relation \"{}\" already exists",
                    name.as_deref().unwrap_or_default(),
                    table.name
                ),
            ));
        }
        let checked = match constraint {
            Constraint::PrimaryKey(names) => {
                let is_primary = |(_, kept): &(_, TableConstraint)| {
                    matches!(kept, TableConstraint::PrimaryKey(_))
                };
                if kept.iter().any(is_primary) {
                    return Err(invalid(format!(
                        "multiple primary keys for table \"{}\" are not allowed",
                        table.name
                    )));
                }
                TableConstraint::PrimaryKey(indexes(names)?)
            }
            Constraint::Unique(names) => TableConstraint::Unique(indexes(names)?),
            Constraint::ForeignKey {
                columns,
                table: to,
                referred,
            } => foreign_key(ctx, table, indexes(columns)?, to, referred)?,
        };
        kept.push((name.clone(), checked));
    }
    Ok(kept)
}

fn foreign_key(
    ctx: &mut Context<'_>,
    table: &Table,
    columns: Vec<usize>,
    to: &ObjectName,
    referred: &[String],
) -> Result<TableConstraint> {
    let is_self = to.name == table.name && to.schema.is_none();
    let target = match ctx.names()?.find(to) {
        Ok(Named::Relation(relation @ Relation::Table(_))) => {
            let catalog = ctx.transaction.catalog()?;
            check::relation(&catalog, ctx.user, &relation, Privilege::References)?;
            match relation {
                Relation::Table(target) => target,
                Relation::View(_) => return Err(Error::internal("a table that is a view")),
            }
        }
        Ok(_) => {
            return Err(Error::new(
                SqlState::WRONG_OBJECT_TYPE,
                format!("referenced relation \"{}\" is not a table", to.name),
            ));
        }
        Err(_) if is_self => Arc::new(table.clone()),
        Err(error) => return Err(error.into()),
    };
    let referred = match referred {
        [] => target
            .constraints
            .iter()
            .find_map(|constraint| match constraint {
                TableConstraint::PrimaryKey(key) => Some(key.clone()),
                TableConstraint::Unique(_) | TableConstraint::ForeignKey { .. } => None,
            })
            .ok_or_else(|| {
                Error::new(
                    SqlState::UNDEFINED_OBJECT,
                    format!(
                        "there is no primary key for referenced table \"{}\"",
                        to.name
                    ),
                )
            })?,
        names => names
            .iter()
            .map(|name| column_index(&target.columns, name))
            .collect::<Result<Vec<_>>>()?,
    };
    if referred.len() != columns.len() {
        return Err(invalid(
            "number of referencing and referenced columns for foreign key disagree".to_string(),
        ));
    }
    Ok(TableConstraint::ForeignKey {
        columns,
        table: target.oid,
        referred,
    })
}

/// Binds each DEFAULT once, so that a wrong one is refused now and not at the first INSERT.
fn check_defaults(ctx: &mut Context<'_>, table: &Table) -> Result<()> {
    if table.columns.iter().all(|column| column.default.is_none()) {
        return Ok(());
    }
    let names = ctx.names()?;
    for column in table
        .columns
        .iter()
        .filter(|column| column.default.is_some())
    {
        let bound = bound_default(&names, column)?;
        let empty = datafusion::common::DFSchema::empty();
        let cast = datafusion::logical_expr::cast(bound, column.ty.arrow());
        names
            .state
            .create_physical_expr(cast, &empty)
            .map_err(|error| {
                Error::from(
                    blueshift_sql::Error::new(
                        SqlState::DATATYPE_MISMATCH,
                        format!(
                            "the default of column \"{}\" is not of its type",
                            column.name
                        ),
                    )
                    .with_detail(error.strip_backtrace()),
                )
            })?;
    }
    Ok(())
}

/// Gives the oid that a new object replaces, never 0.
pub fn is_temporary(schema: Oid, ctx: &Context<'_>) -> bool {
    *ctx.temp_schema == Some(schema)
}
