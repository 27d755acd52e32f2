//! COMMENT: a text beside an object, read back by `\d+` and `pg_description`.

use super::answer::Body;
use super::context::Context;
use super::names::Named;
use crate::access::check;
use crate::catalog::cache::put_comment;
use crate::catalog::constraint::constraint_comment;
use crate::catalog::name::Relation;
use crate::error::{Error, Result};
use blueshift_sql::SqlState;
use blueshift_sql::statement::ddl::Comment;
use blueshift_sql::statement::routine::RoutineKind;

/// Runs a COMMENT.
pub async fn run(ctx: &mut Context<'_>, comment: &Comment) -> Result<Body> {
    let (oid, column) = match comment.kind.as_str() {
        "table" | "view" | "column" | "constraint" => relation(ctx, comment)?,
        "schema" => {
            let catalog = ctx.transaction.catalog()?;
            let name = &comment.name.name;
            let schema = catalog
                .schema_named(name)
                .ok_or_else(|| super::context::no_schema(name, &catalog))?;
            check::schema_owner(&catalog, ctx.user, schema)?;
            (schema.oid, 0)
        }
        "database" => {
            let catalog = ctx.transaction.catalog()?;
            let database = catalog.database_named(&comment.name.name)?;
            check::database_owner(ctx.user, database.owner, &database.name)?;
            (database.oid, 0)
        }
        kind @ ("function" | "procedure") => {
            let kind = match kind == "function" {
                true => RoutineKind::Function,
                false => RoutineKind::Procedure,
            };
            let Some(named) = &comment.routine else {
                return Err(Error::internal("a comment on a routine without its name"));
            };
            let routine = super::routine::find(ctx, named, kind)?;
            check::routine_owner(&*ctx.transaction.catalog()?, ctx.user, &routine)?;
            (routine.oid, 0)
        }
        kind => {
            return Err(blueshift_sql::Error::unsupported(
                format!("COMMENT ON {}", kind.to_uppercase()),
                "Comment on a table, column, constraint, view, schema, function, procedure or database.",
            )
            .into());
        }
    };
    ctx.transaction
        .change_catalog(put_comment(oid, column, comment.text.as_deref()));
    Ok(Body::done("COMMENT"))
}

fn relation(ctx: &mut Context<'_>, comment: &Comment) -> Result<(u32, u32)> {
    let relation = match ctx.names()?.find(&comment.name)? {
        Named::Relation(relation) => relation,
        Named::External(_, table) => return Err(super::external::refused("COMMENT", &table.name)),
        Named::System(table) => {
            return Err(Error::new(
                SqlState::INSUFFICIENT_PRIVILEGE,
                format!(
                    "permission denied: \"{}\" is a system catalog",
                    table.name()
                ),
            ));
        }
    };
    let catalog = ctx.transaction.catalog()?;
    check::owner(&catalog, ctx.user, &relation)?;
    if comment.kind == "constraint" {
        return constraint(&relation, comment.column.as_deref().unwrap_or_default());
    }
    if comment.kind != "column" && comment.kind != relation.kind() {
        return Err(Error::new(
            SqlState::WRONG_OBJECT_TYPE,
            format!("\"{}\" is not a {}", relation.name(), comment.kind),
        ));
    }
    let Some(column) = &comment.column else {
        return Ok((relation.oid(), 0));
    };
    let place = relation
        .columns()
        .iter()
        .position(|known| known.name == *column);
    let place = place
        .and_then(|place| u32::try_from(place + 1).ok())
        .ok_or_else(|| {
            Error::new(
                SqlState::UNDEFINED_COLUMN,
                format!(
                    "column \"{column}\" of relation \"{}\" does not exist",
                    relation.name()
                ),
            )
        })?;
    Ok((relation.oid(), place))
}

/// Finds a constraint of a table; its comment is kept with the table's, by its place.
fn constraint(relation: &Relation, name: &str) -> Result<(u32, u32)> {
    let missing = || {
        Error::new(
            SqlState::UNDEFINED_OBJECT,
            format!(
                "constraint \"{name}\" for table \"{}\" does not exist",
                relation.name()
            ),
        )
    };
    let Relation::Table(table) = relation else {
        return Err(missing());
    };
    let named = table.named_constraints();
    let place = named.iter().position(|known| known.name == name);
    let place = place.ok_or_else(missing)?;
    Ok((table.oid, constraint_comment(place)))
}
