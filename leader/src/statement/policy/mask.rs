//! What a masking policy is attached to: columns of a table that can hold its values, and columns it is computed from.

use super::is_alike;
use crate::catalog::access::Grantee;
use crate::catalog::name::Relation;
use crate::catalog::policy::{AttachedMask, Policy, Protection};
use crate::catalog::{Column, Oid};
use crate::error::{Error, Result};
use crate::statement::context::Context;
use blueshift_sql::statement::policy::AttachPolicy;
use blueshift_sql::{SqlState, SqlType};
use datafusion::logical_expr::Expr;

/// A text of no declared length has this one.
const TEXT_BYTES_UNKNOWN: u32 = 65_535;

fn column<'a>(relation: &'a Relation, name: &str) -> Result<&'a Column> {
    let mut columns = relation.columns().iter();
    columns.find(|column| column.name == name).ok_or_else(|| {
        Error::new(
            SqlState::UNDEFINED_COLUMN,
            format!(
                "column \"{name}\" of relation \"{}\" does not exist",
                relation.name()
            ),
        )
    })
}

/// Finds columns, each named once.
pub(super) fn column_ids(relation: &Relation, names: &[String]) -> Result<Vec<u32>> {
    let mut ids: Vec<u32> = Vec::new();
    for name in names {
        let id = column(relation, name)?.id;
        if ids.contains(&id) {
            return Err(Error::new(
                SqlState::DUPLICATE_COLUMN,
                format!("column \"{name}\" specified more than once"),
            ));
        }
        ids.push(id);
    }
    Ok(ids)
}

/// Makes what ATTACH MASKING POLICY says, once it is known to fit.
pub(super) fn attachment(
    ctx: &mut Context<'_>,
    attach: &AttachPolicy,
    policy: &Policy,
    relation: &Relation,
    who: Grantee,
) -> Result<AttachedMask> {
    let outputs = column_ids(relation, &attach.outputs)?;
    let inputs = match attach.inputs.is_empty() {
        true => outputs.clone(),
        false => {
            let names = attach.inputs.iter();
            let ids = names.map(|name| Ok(column(relation, name)?.id));
            ids.collect::<Result<Vec<_>>>()?
        }
    };
    let mask = AttachedMask {
        policy: policy.oid,
        grantee: who,
        grantor: ctx.user.oid,
        outputs,
        inputs,
        priority: attach.priority,
    };
    ensure_fits(ctx, policy, relation, &mask)?;
    Ok(mask)
}

/// Refuses a second mask of the same user or role, or of the same priority, on a column.
pub(super) fn ensure_free(
    protection: &Protection,
    relation: &Relation,
    mask: &AttachedMask,
) -> Result<()> {
    for other in &protection.masks {
        let Some(id) = other.outputs.iter().find(|id| mask.outputs.contains(id)) else {
            continue;
        };
        let mut columns = relation.columns().iter();
        let name = columns.find(|column| column.id == *id);
        let name = name.map_or("", |column| column.name.as_str());
        if other.grantee == mask.grantee {
            return Err(blueshift_sql::Error::new(
                SqlState::DUPLICATE_OBJECT,
                format!(
                    "a masking policy is already attached to column \"{name}\" of relation \"{}\" for the same user or role",
                    relation.name()
                ),
            )
            .with_hint("Detach it first with DETACH MASKING POLICY.")
            .into());
        }
        if other.priority == mask.priority {
            return Err(blueshift_sql::Error::new(
                SqlState::DUPLICATE_OBJECT,
                format!(
                    "a masking policy with priority {} is already attached to column \"{name}\" of relation \"{}\"",
                    mask.priority,
                    relation.name()
                ),
            )
            .with_hint("Name another PRIORITY.")
            .into());
        }
    }
    Ok(())
}

/// Checks that a changed policy still fits the columns it is attached to.
pub(super) fn recheck(
    ctx: &mut Context<'_>,
    protection: &Protection,
    policy: &Policy,
) -> Result<()> {
    let masks = protection.masks.iter();
    for mask in masks.filter(|mask| mask.policy == policy.oid) {
        let relation: Oid = protection.relation;
        if let Some(relation) = ctx.transaction.catalog()?.relation(relation) {
            ensure_fits(ctx, policy, &relation, mask)?;
        }
    }
    Ok(())
}

/// Checks that the columns a mask is computed from have the types it declares, and that its values fit the columns
/// they are shown in.
fn ensure_fits(
    ctx: &mut Context<'_>,
    policy: &Policy,
    relation: &Relation,
    mask: &AttachedMask,
) -> Result<()> {
    let count = |what: &str, wanted: usize, given: usize| -> Result<()> {
        match wanted == given {
            true => Ok(()),
            false => Err(Error::new(
                SqlState::INVALID_PARAMETER_VALUE,
                format!(
                    "masking policy \"{}\" has {wanted} {what} columns, and {given} are named",
                    policy.name
                ),
            )),
        }
    };
    let of = |id: &u32| relation.columns().iter().find(|column| column.id == *id);
    count("input", policy.columns.len(), mask.inputs.len())?;
    for (id, (name, ty)) in mask.inputs.iter().zip(&policy.columns) {
        let column = of(id).filter(|column| !takes(*ty, column.ty));
        if let Some(column) = column {
            return Err(Error::new(
                SqlState::DATATYPE_MISMATCH,
                format!(
                    "column \"{}\" of relation \"{}\" is {}, and masking policy \"{}\" takes {ty} as \"{name}\"",
                    column.name,
                    relation.name(),
                    column.ty,
                    policy.name
                ),
            ));
        }
    }
    let values = ctx.names()?.mask_types(relation, policy, &mask.inputs)?;
    count("output", values.len(), mask.outputs.len())?;
    for (id, (value, ty)) in mask.outputs.iter().zip(&values) {
        let column = of(id).filter(|column| !fits(value, *ty, column.ty));
        if let Some(column) = column {
            return Err(blueshift_sql::Error::new(
                SqlState::DATATYPE_MISMATCH,
                format!(
                    "masking policy \"{}\" gives {ty}, which is not compatible with column \"{}\" of type {}",
                    policy.name, column.name, column.ty
                ),
            )
            .with_hint("Cast the expression of the policy to the type of the column.")
            .into());
        }
    }
    Ok(())
}

fn rank(ty: SqlType) -> Option<u8> {
    Some(match ty {
        SqlType::SmallInt => 1,
        SqlType::Integer => 2,
        SqlType::BigInt => 3,
        _ => return None,
    })
}

/// Tells whether a policy that declares one type takes a column of another: whole numbers that are no larger, and where
/// it declares decimals, floating-point numbers.
fn takes(declared: SqlType, column: SqlType) -> bool {
    if let (Some(declared), Some(column)) = (rank(declared), rank(column)) {
        return column <= declared;
    }
    let is_float = matches!(column, SqlType::Real | SqlType::Double);
    is_alike(declared, column) || (is_float && matches!(declared, SqlType::Decimal { .. }))
}

/// Gives the text that a value always is, whatever it is cast to.
fn constant(value: &Expr) -> Option<&str> {
    match value {
        Expr::Literal(literal, _) => literal.try_as_str().flatten(),
        Expr::Cast(cast) => constant(&cast.expr),
        Expr::Alias(alias) => constant(&alias.expr),
        _ => None,
    }
}

/// Tells whether a column can hold the values of a mask.
fn fits(value: &Expr, ty: SqlType, column: SqlType) -> bool {
    if let Expr::Literal(literal, _) = value
        && literal.is_null()
    {
        return true;
    }
    match (ty, column) {
        (
            SqlType::Char(given) | SqlType::Varchar(given),
            SqlType::Char(held) | SqlType::Varchar(held),
        ) => match constant(value) {
            Some(text) => text.len() <= held as usize,
            None => given <= held || given == TEXT_BYTES_UNKNOWN,
        },
        (SqlType::Varbyte(given), SqlType::Varbyte(held)) => {
            given <= held || given >= TEXT_BYTES_UNKNOWN
        }
        (
            SqlType::Decimal { precision, scale },
            SqlType::Decimal {
                precision: held,
                scale: held_scale,
            },
        ) => {
            let whole = |precision: u8, scale: i8| i16::from(precision) - i16::from(scale);
            scale <= held_scale && whole(precision, scale) <= whole(held, held_scale)
        }
        (SqlType::Real | SqlType::Decimal { .. }, SqlType::Double)
        | (SqlType::Double | SqlType::Decimal { .. }, SqlType::Real) => true,
        (given, held) if rank(given).is_some() => rank(held).is_some(),
        (given, held) => is_alike(given, held),
    }
}
