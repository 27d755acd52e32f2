//! CREATE, ALTER and DROP DATABASE; USE.
//!
//! What ends or changes a database for those in it is done while nobody is: it is closed to new sessions first, and to the
//! end of the transaction. Redshift does not let `dev` have another isolation level; here it may.

use super::answer::Body;
use super::context::Context;
use crate::access::check;
use crate::catalog::access::{AccessList, Grantee, Object, Privileges};
use crate::catalog::cache::{
    put_access, put_comment, put_database, put_default_access, put_schema, remove,
};
use crate::catalog::database::Database;
use crate::catalog::{Catalog, IsolationLevel, Oid, Schema};
use crate::error::{Error, Result};
use crate::settings::Scope;
use crate::transaction::lock::{Lockable, Mode};
use blueshift_sql::SqlState;
use blueshift_sql::statement::database::{
    AlterDatabase, AlterDatabaseAction, CreateDatabase, DropDatabase,
};
use blueshift_sql::statement::grant::Privilege;
use std::sync::Arc;
use std::time::Duration;

/// Databases that users may make. Source: Redshift's guide, CREATE DATABASE.
const DATABASES_MAX: usize = 60;
/// How long others who are about to leave are waited for, as PostgreSQL does.
const OTHERS_WAIT_MAX: Duration = Duration::from_secs(5);
/// How often it is looked whether they have left.
const OTHERS_WAIT_STEP: Duration = Duration::from_millis(20);

/// Runs a CREATE DATABASE.
pub async fn create(ctx: &mut Context<'_>, create: &CreateDatabase) -> Result<Body> {
    ensure_alone(ctx, "CREATE DATABASE")?;
    if !ctx.user.superuser && !ctx.user.create_database {
        return Err(Error::new(
            SqlState::INSUFFICIENT_PRIVILEGE,
            "permission denied to create database",
        ));
    }
    lock(ctx).await?;
    let catalog = ctx.transaction.catalog()?;
    ensure_free(&catalog, &create.name)?;
    if catalog.databases.len() > DATABASES_MAX {
        return Err(Error::new(
            SqlState::PROGRAM_LIMIT_EXCEEDED,
            format!("cannot create more than {DATABASES_MAX} databases"),
        ));
    }
    let owner = match &create.owner {
        None => ctx.user.oid,
        Some(name) => super::alter_table::user_named(ctx, name)?.oid,
    };
    let database = Database {
        oid: ctx.server.next_oid()?,
        name: create.name.clone(),
        owner,
        isolation: level(create.serializable),
        connection_limit: create.connection_limit,
        case_insensitive: create.case_insensitive,
    };
    let public = Schema {
        oid: ctx.server.next_oid()?,
        name: "public".to_owned(),
        owner,
        database: database.oid,
        quota: None,
    };
    let mut access = AccessList::initial(Object::from(&public));
    let rights = Privileges::of(&[Privilege::Usage, Privilege::Create]);
    access.give(Grantee::Public, owner, None, rights, Privileges::NONE);
    ctx.transaction.change_catalog(put_database(&database)?);
    ctx.transaction.change_catalog(put_schema(&public)?);
    ctx.transaction
        .change_catalog(put_access(public.oid, &access)?);
    set_isolation_later(ctx, &database);
    Ok(Body::done("CREATE DATABASE"))
}

/// Runs an ALTER DATABASE.
pub async fn alter(ctx: &mut Context<'_>, alter: &AlterDatabase) -> Result<Body> {
    lock(ctx).await?;
    let catalog = ctx.transaction.catalog()?;
    let mut database = Database::clone(catalog.database_named(&alter.name)?);
    let is_current = database.oid == ctx.connected.oid;
    let may_create = ctx.user.superuser || ctx.user.create_database;
    if !matches!(alter.action, AlterDatabaseAction::Isolation(_)) || !may_create {
        check::database_owner(ctx.user, database.owner, &database.name)?;
    }
    match &alter.action {
        AlterDatabaseAction::Rename(name) => {
            if is_current {
                return Err(Error::new(
                    SqlState::FEATURE_NOT_SUPPORTED,
                    "current database may not be renamed",
                ));
            }
            if database.is_first() {
                return Err(stays(&database, "renamed"));
            }
            if !may_create {
                return Err(Error::new(
                    SqlState::INSUFFICIENT_PRIVILEGE,
                    "permission denied to rename database",
                ));
            }
            ensure_free(&catalog, name)?;
            close(ctx, &database, false).await?;
            database.name.clone_from(name);
        }
        AlterDatabaseAction::Owner(owner) => {
            check::superuser(ctx.user, "change the owner of a database")?;
            super::grant::lock(ctx).await?;
            let owner = super::alter_table::user_named(ctx, owner)?.oid;
            super::grant::change_owner(ctx, (&database).into(), owner)?;
            database.owner = owner;
        }
        AlterDatabaseAction::ConnectionLimit(limit) => database.connection_limit = *limit,
        AlterDatabaseAction::Isolation(serializable) => {
            ensure_alone(ctx, "ALTER DATABASE ... ISOLATION LEVEL")?;
            // Transactions of both levels at the same time would give the promise of neither.
            close(ctx, &database, false).await?;
            database.isolation = level(*serializable);
            set_isolation_later(ctx, &database);
            if is_current {
                let word = database.isolation.word();
                ctx.settings
                    .fix("transaction_isolation", word, Scope::Session);
            }
        }
        AlterDatabaseAction::Collation(folds) => {
            let within = catalog.within(database.oid);
            let count = within.tables.len() + within.views.len();
            if database.case_insensitive != *folds && count > 0 {
                return Err(blueshift_sql::Error::new(
                    SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
                    format!(
                        "cannot change the collation of database \"{}\" because it is not empty",
                        database.name
                    ),
                )
                .with_hint("Create another database with COLLATE and copy the rows.")
                .into());
            }
            database.case_insensitive = *folds;
        }
    }
    ctx.transaction.change_catalog(put_database(&database)?);
    Ok(Body::done("ALTER DATABASE"))
}

/// Runs a DROP DATABASE: all that is in it goes with it.
pub async fn drop(ctx: &mut Context<'_>, drop: &DropDatabase) -> Result<Body> {
    ensure_alone(ctx, "DROP DATABASE")?;
    lock(ctx).await?;
    let catalog = ctx.transaction.catalog()?;
    let database = Arc::clone(catalog.database_named(&drop.name)?);
    check::database_owner(ctx.user, database.owner, &database.name)?;
    if database.is_first() {
        return Err(stays(&database, "dropped"));
    }
    if [Some(ctx.connected.oid), *ctx.used].contains(&Some(database.oid)) {
        return Err(Error::new(
            SqlState::OBJECT_IN_USE,
            "cannot drop the currently open database",
        ));
    }
    close(ctx, &database, drop.force).await?;
    let whole = catalog.whole();
    let schemas = whole.schemas.values();
    let schemas = schemas.filter(|schema| schema.database == database.oid);
    let schemas: Vec<Oid> = schemas.map(|schema| schema.oid).collect();
    let tables = whole.tables.values();
    let tables: Vec<_> = tables
        .filter(|table| schemas.contains(&table.schema))
        .collect();
    for table in &tables {
        let on = Lockable::Relation(table.oid);
        ctx.transaction.lock(on, Mode::Exclusive).await?;
    }
    for table in tables {
        forget(ctx, &whole, "table", table.oid)?;
        super::copy_job::forget_table(ctx, table.oid)?;
        ctx.transaction.drop_table(table.id());
    }
    let inside = |schema: Oid| schemas.contains(&schema);
    for view in whole.views.values().filter(|view| inside(view.schema)) {
        forget(ctx, &whole, "view", view.oid)?;
        if whole.materialized.contains_key(&view.oid) {
            ctx.transaction
                .change_catalog(remove("materialized", view.oid));
        }
    }
    let routines = whole.routines.values();
    for routine in routines.filter(|routine| inside(routine.schema)) {
        forget(ctx, &whole, "routine", routine.oid)?;
    }
    for key in whole
        .defaults
        .keys()
        .filter(|(_, place, _)| inside(*place) || *place == database.oid)
    {
        let change = put_default_access(*key, None)?;
        ctx.transaction.change_catalog(change);
    }
    for oid in whole.protections.keys() {
        if whole.relation(*oid).is_some_and(|one| inside(one.schema())) {
            ctx.transaction.change_catalog(remove("protection", *oid));
        }
    }
    let policies = whole.policies.values();
    for policy in policies.filter(|policy| policy.database == database.oid) {
        ctx.transaction.change_catalog(remove("policy", policy.oid));
    }
    for schema in &schemas {
        if whole.is_external(*schema) {
            ctx.transaction
                .change_catalog(remove("external_schema", *schema));
        }
        forget(ctx, &whole, "schema", *schema)?;
    }
    forget(ctx, &whole, "database", database.oid)?;
    Ok(Body::done("DROP DATABASE"))
}

/// Runs a USE, or a RESET USE without a name: where names are looked for from now on.
pub fn use_database(ctx: &mut Context<'_>, name: Option<&str>) -> Result<Body> {
    let statement = match name {
        Some(_) => "USE",
        None => "RESET USE",
    };
    ensure_alone(ctx, statement)?;
    let catalog = ctx.transaction.catalog()?;
    let oid = match name {
        None => None,
        Some(name) => Some(catalog.database_named(name)?.oid),
    };
    let oid = oid.filter(|oid| *oid != ctx.connected.oid);
    if ctx.server.history.use_database(ctx.pid, oid).is_err() {
        let name = name.unwrap_or_default();
        return Err(Error::new(
            SqlState::OBJECT_IN_USE,
            format!("database \"{name}\" is being changed or dropped"),
        ));
    }
    *ctx.used = oid;
    Ok(Body::done(statement))
}

fn level(serializable: bool) -> IsolationLevel {
    match serializable {
        true => IsolationLevel::Serializable,
        false => IsolationLevel::Snapshot,
    }
}

/// Keeps others from changing the list of databases.
async fn lock(ctx: &mut Context<'_>) -> Result<()> {
    let list = Lockable::Name(0, String::new());
    ctx.transaction.lock(list, Mode::Exclusive).await
}

fn ensure_alone(ctx: &Context<'_>, statement: &str) -> Result<()> {
    match ctx.transaction.is_explicit {
        false => Ok(()),
        true => Err(Error::new(
            SqlState::ACTIVE_SQL_TRANSACTION,
            format!("{statement} cannot run inside a transaction block"),
        )),
    }
}

fn ensure_free(catalog: &Catalog, name: &str) -> Result<()> {
    match catalog.database_named(name) {
        Err(_) => Ok(()),
        Ok(_) => Err(Error::new(
            SqlState::DUPLICATE_DATABASE,
            format!("database \"{name}\" already exists"),
        )),
    }
}

fn stays(database: &Database, what: &str) -> Error {
    Error::new(
        SqlState::WRONG_OBJECT_TYPE,
        format!("database \"{}\" cannot be {what}", database.name),
    )
}

fn set_isolation_later(ctx: &mut Context<'_>, database: &Database) {
    let transactions = ctx.server.transactions.clone();
    let (oid, isolation) = (database.oid, database.isolation);
    ctx.transaction
        .after_commit(move || transactions.set_isolation(oid, isolation));
}

/// Takes an object with its comments and its access list out of the catalog.
fn forget(ctx: &mut Context<'_>, catalog: &Catalog, kind: &str, oid: Oid) -> Result<()> {
    ctx.transaction.change_catalog(remove(kind, oid));
    if catalog.access.contains_key(&oid) {
        ctx.transaction.change_catalog(remove("access", oid));
    }
    for (_, column) in catalog.comments.keys().filter(|(object, _)| *object == oid) {
        let change = put_comment(oid, *column, None);
        ctx.transaction.change_catalog(change);
    }
    Ok(())
}

/// Keeps sessions out of a database to the end of the transaction, and waits until those in it have left; `force` ends
/// them.
async fn close(ctx: &mut Context<'_>, database: &Database, force: bool) -> Result<()> {
    let history = &ctx.server.history;
    let closed = history.close_database(database.oid);
    let mut waited = Duration::ZERO;
    loop {
        let others = history.others_in(database.oid, ctx.pid);
        if others.is_empty() {
            // It opens again when the transaction has ended, either way.
            ctx.transaction.after_commit(move || std::mem::drop(closed));
            return Ok(());
        }
        if force {
            others.iter().for_each(|session| session.terminate());
        }
        if waited >= OTHERS_WAIT_MAX {
            let name = &database.name;
            return Err(blueshift_sql::Error::new(
                SqlState::OBJECT_IN_USE,
                format!("database \"{name}\" is being accessed by other users"),
            )
            .with_detail(format!("Sessions besides this one: {}.", others.len()))
            .with_hint("STV_SESSIONS lists them; PG_TERMINATE_BACKEND ends one.")
            .into());
        }
        tokio::time::sleep(OTHERS_WAIT_STEP).await;
        waited += OTHERS_WAIT_STEP;
    }
}
