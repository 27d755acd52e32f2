//! Casts where Redshift differs from the engine: VARCHAR(n) and CHAR(n) cut, `::regclass` looks a name up.

use super::call;
use crate::error::{Error, Result};
use crate::types::SqlType;
use sqlparser::ast::{
    CastKind, DataType, Expr, Ident, ObjectName, Query, SelectItem, SetExpr, Value,
};

/// Types whose text is a name and whose number is an oid.
const KINDS_OF_NAMES: &[&str] = &[
    "regclass",
    "regtype",
    "regproc",
    "regprocedure",
    "regnamespace",
];

fn plain(name: &str) -> &str {
    name.strip_prefix("pg_catalog.").unwrap_or(name)
}

/// Tells whether a type is one whose text is a name.
pub(super) fn gives_names(ty: &DataType) -> bool {
    KINDS_OF_NAMES.contains(&plain(&ty.to_string().to_lowercase()))
}

/// Gives a query whose list shows the names that `'t'::regclass` and its like stand for, if it has such a cast: a client
/// is shown a name, while inside a query it is an oid to compare with.
pub(in crate::binder) fn shown_names(query: &Query) -> Option<Query> {
    let is_name =
        |expr: &Expr| matches!(expr, Expr::Cast { data_type, .. } if gives_names(data_type));
    let SetExpr::Select(select) = query.body.as_ref() else {
        return None;
    };
    let has_name = |item: &SelectItem| matches!(item, SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } if is_name(expr));
    if !select.projection.iter().any(has_name) {
        return None;
    }
    let mut query = query.clone();
    let SetExpr::Select(select) = query.body.as_mut() else {
        return None;
    };
    for item in &mut select.projection {
        let (SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) = item else {
            continue;
        };
        let Expr::Cast {
            expr: inner,
            data_type,
            ..
        } = expr
        else {
            continue;
        };
        if !gives_names(data_type) {
            continue;
        }
        let is_constant = matches!(**inner, Expr::Value(_));
        let ty = plain(&data_type.to_string().to_lowercase()).to_owned();
        let name = Expr::Cast {
            kind: CastKind::DoubleColon,
            expr: Box::new(expr.clone()),
            data_type: DataType::Varchar(None),
            array: false,
            format: None,
        };
        match item {
            SelectItem::UnnamedExpr(_) if is_constant => {
                *item = SelectItem::ExprWithAlias {
                    expr: name,
                    alias: Ident::new(ty),
                };
            }
            SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => *expr = name,
            _ => {}
        }
    }
    Some(query)
}

pub(super) fn rewrite(expr: &mut Expr) -> Result<()> {
    let Expr::Cast {
        kind,
        expr: inner,
        data_type,
        format,
        ..
    } = expr
    else {
        return Ok(());
    };
    if *kind == CastKind::SafeCast {
        return Err(Error::unsupported("SAFE_CAST", "Use TRY_CAST"));
    }
    if format.is_some() {
        return Err(Error::unsupported(
            "CAST with FORMAT",
            "Use TO_CHAR or TO_DATE",
        ));
    }
    let text = data_type.to_string().to_lowercase();
    let name = plain(&text);
    if KINDS_OF_NAMES.contains(&name) {
        *expr = call(name, vec![(**inner).clone()]);
        return Ok(());
    }
    // The text of such a cast is the name, not the oid.
    if let Expr::Function(call) = inner.as_mut()
        && matches!(
            SqlType::parse(name),
            Ok(SqlType::Varchar(_) | SqlType::Char(_))
        )
    {
        let cast = call.name.to_string();
        if KINDS_OF_NAMES.contains(&cast.as_str()) {
            call.name = ObjectName::from(vec![Ident::new(format!("blueshift_{cast}_name"))]);
        }
    }
    if name == "super" {
        *expr = call("blueshift_super", vec![(**inner).clone()]);
        return Ok(());
    }
    if is_integer(data_type) && may_have_fraction(inner) {
        let value = std::mem::replace(inner.as_mut(), Expr::Value(Value::Null.into()));
        **inner = call("blueshift_whole", vec![value]);
        return Ok(());
    }
    let mut is_char = false;
    let (length, ty) = match data_type {
        DataType::Varchar(Some(_))
        | DataType::CharacterVarying(Some(_))
        | DataType::CharVarying(Some(_))
        | DataType::Nvarchar(Some(_)) => match SqlType::parse(name)? {
            SqlType::Varchar(length) => (length, DataType::Varchar(None)),
            _ => return Ok(()),
        },
        DataType::Char(_) | DataType::Character(_) => match SqlType::parse(name)? {
            SqlType::Char(length) => {
                is_char = true;
                (length, DataType::Varchar(None))
            }
            _ => return Ok(()),
        },
        _ => return Ok(()),
    };
    *data_type = ty;
    let length = Expr::Value(Value::Number(length.to_string(), false).into());
    let cast = std::mem::replace(expr, Expr::Value(Value::Null.into()));
    *expr = call("blueshift_cut", vec![cast, length]);
    if is_char {
        // Blanks at the end of a CHAR mean nothing.
        let cut = std::mem::replace(expr, Expr::Value(Value::Null.into()));
        *expr = call("rtrim", vec![cut]);
    }
    Ok(())
}

fn is_integer(ty: &DataType) -> bool {
    matches!(
        SqlType::parse(&ty.to_string().to_lowercase()),
        Ok(SqlType::SmallInt | SqlType::Integer | SqlType::BigInt)
    )
}

/// Constants without a fraction, and parameters, whose type is the cast's, need no rounding.
fn may_have_fraction(expr: &Expr) -> bool {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::Number(digits, _) => !digits.bytes().all(|byte| byte.is_ascii_digit()),
            _ => false,
        },
        _ => true,
    }
}
