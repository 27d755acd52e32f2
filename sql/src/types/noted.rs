//! Types that fields note: read once each, as planning asks for them at every step.

use super::SqlType;
use std::collections::HashMap;
use std::sync::{LazyLock, PoisonError, RwLock};

/// How many are kept; any database has fewer.
const KEPT_MAX: usize = 4_096;

static KEPT: LazyLock<RwLock<HashMap<String, Option<SqlType>>>> = LazyLock::new(RwLock::default);

/// Reads a type as [`SqlType::parse`] does; `None` if it is none.
pub(super) fn parse(text: &str) -> Option<SqlType> {
    let kept = KEPT.read().unwrap_or_else(PoisonError::into_inner);
    if let Some(ty) = kept.get(text) {
        return *ty;
    }
    drop(kept);
    let ty = SqlType::parse(text).ok();
    let mut kept = KEPT.write().unwrap_or_else(PoisonError::into_inner);
    if kept.len() < KEPT_MAX {
        kept.insert(text.to_owned(), ty);
    }
    ty
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_the_same_when_it_is_read_again() {
        for text in ["character varying(7)", "numeric(12,2)", "super", "no type"] {
            let first = parse(text);
            assert_eq!(first, SqlType::parse(text).ok(), "{text}");
            assert_eq!(parse(text), first, "{text}");
        }
    }
}
