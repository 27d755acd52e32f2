//! What a masking policy is attached to: columns of a table that can hold its values, and columns it is computed from.

use super::is_alike;
use crate::catalog::access::Grantee;
use crate::catalog::name::Relation;
use crate::catalog::policy::{AttachedMask, Policy, Protection};
use crate::catalog::{Column, Oid};
use crate::error::{Error, Result};
use crate::statement::context::Context;
use blueshift_sql::statement::policy::{AttachPolicy, MaskedPlace};
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

/// Finds columns and parts of them, each named once, and none in another: their ids, and their paths if there are any.
pub(super) fn places(
    relation: &Relation,
    named: &[MaskedPlace],
) -> Result<(Vec<u32>, Vec<Vec<String>>)> {
    let (mut ids, mut paths): (Vec<u32>, Vec<Vec<String>>) = (Vec::new(), Vec::new());
    for place in named {
        let found = column(relation, &place.column)?;
        if !place.path.is_empty() && found.ty != SqlType::Super {
            return Err(Error::new(
                SqlState::DATATYPE_MISMATCH,
                format!(
                    "column \"{}\" of relation \"{}\" is {}, which has no paths",
                    found.name,
                    relation.name(),
                    found.ty
                ),
            ));
        }
        for (id, path) in ids.iter().zip(&paths) {
            if *id == found.id && *path == place.path {
                let name = shown(&place.column, &place.path);
                return Err(Error::new(
                    SqlState::DUPLICATE_COLUMN,
                    format!("column \"{name}\" specified more than once"),
                ));
            }
            if *id == found.id && is_within(path, &place.path) {
                return Err(conflict(relation, &place.column, path, &place.path));
            }
        }
        ids.push(found.id);
        paths.push(place.path.clone());
    }
    if paths.iter().all(Vec::is_empty) {
        paths.clear();
    }
    Ok((ids, paths))
}

/// A column, or a part of it, as a user writes it.
fn shown(column: &str, path: &[String]) -> String {
    let keys = path.iter().map(String::as_str);
    let parts: Vec<&str> = std::iter::once(column).chain(keys).collect();
    parts.join(".")
}

/// Tells whether one of two parts is in the other.
fn is_within(one: &[String], other: &[String]) -> bool {
    one.starts_with(other) || other.starts_with(one)
}

fn conflict(relation: &Relation, column: &str, one: &[String], other: &[String]) -> Error {
    blueshift_sql::Error::new(
        SqlState::DUPLICATE_OBJECT,
        format!(
            "masking policies on \"{}\" and \"{}\" of relation \"{}\" conflict",
            shown(column, one),
            shown(column, other),
            relation.name()
        ),
    )
    .with_detail("One is a part of the other.")
    .with_hint("Detach one of them with DETACH MASKING POLICY.")
    .into()
}

/// Makes what ATTACH MASKING POLICY says, once it is known to fit.
pub(super) fn attachment(
    ctx: &mut Context<'_>,
    attach: &AttachPolicy,
    policy: &Policy,
    relation: &Relation,
    who: Grantee,
) -> Result<AttachedMask> {
    let (outputs, output_paths) = places(relation, &attach.outputs)?;
    let (inputs, input_paths) = match attach.inputs.is_empty() {
        true => (outputs.clone(), output_paths.clone()),
        false => {
            let each = attach.inputs.iter();
            let each = each.map(|place| places(relation, std::slice::from_ref(place)));
            let each = each.collect::<Result<Vec<_>>>()?;
            let ids = each.iter().flat_map(|(ids, _)| ids).copied().collect();
            let has_paths = each.iter().any(|(_, paths)| !paths.is_empty());
            let named = attach.inputs.iter().filter(|_| has_paths);
            (ids, named.map(|place| place.path.clone()).collect())
        }
    };
    let mask = AttachedMask {
        policy: policy.oid,
        grantee: who,
        grantor: ctx.user.oid,
        outputs,
        inputs,
        priority: attach.priority,
        output_paths,
        input_paths,
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
        let name_of = |id: u32| {
            let mut columns = relation.columns().iter();
            let column = columns.find(|column| column.id == id);
            column.map_or("", |column| column.name.as_str())
        };
        let pairs = other
            .shown()
            .flat_map(|one| mask.shown().map(move |two| (one, two)));
        let mut met = pairs
            .filter(|((one, path), (two, other_path))| one == two && is_within(path, other_path));
        let Some(((id, path), (_, mask_path))) = met.next() else {
            continue;
        };
        if path != mask_path {
            return Err(conflict(relation, name_of(id), path, mask_path));
        }
        let name = shown(name_of(id), path);
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
    for ((id, path), (name, ty)) in mask.read().zip(&policy.columns) {
        // What a part holds is known when it is read; what is something else is null.
        let column = of(&id).filter(|column| path.is_empty() && !takes(*ty, column.ty));
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
    let values = ctx.names()?.mask_types(relation, policy, mask)?;
    count("output", values.len(), mask.outputs.len())?;
    for ((id, path), (value, ty)) in mask.shown().zip(&values) {
        let column = of(&id).filter(|column| match path.is_empty() {
            true => !fits(value, *ty, column.ty),
            false => !fits_part(*ty),
        });
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

/// Tells whether a SUPER can hold a value as a single one.
fn fits_part(ty: SqlType) -> bool {
    let is_text = matches!(ty, SqlType::Char(_) | SqlType::Varchar(_));
    let is_number = matches!(
        ty,
        SqlType::Decimal { .. } | SqlType::Real | SqlType::Double
    );
    is_text || is_number || rank(ty).is_some() || matches!(ty, SqlType::Boolean | SqlType::Super)
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
