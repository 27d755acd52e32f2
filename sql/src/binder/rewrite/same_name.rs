//! Two tables of one name in a FROM, one named with its schema and one without: refused, as the engine takes
//! `s.t.a` and `t.a` for the same column and joins wrongly.

use crate::binder::ident::folded;
use crate::error::{Error, Result};
use sqlparser::ast::{Select, TableFactor};
use std::collections::HashMap;

pub(super) fn check(select: &Select) -> Result<()> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let relations = select.from.iter().flat_map(|from| {
        let joined = from.joins.iter().map(|join| &join.relation);
        std::iter::once(&from.relation).chain(joined)
    });
    for relation in relations {
        let TableFactor::Table {
            name,
            alias: None,
            args: None,
            ..
        } = relation
        else {
            continue;
        };
        let Some(last) = name.0.last().and_then(|part| part.as_ident()) else {
            continue;
        };
        let (last, parts) = (folded(last), name.0.len());
        if seen.get(&last).is_some_and(|other| *other != parts) {
            return Err(Error::unsupported(
                format!(
                    "two tables \"{last}\" in one FROM, of which one is named with more parts,"
                ),
                "Give each of them an alias",
            ));
        }
        seen.insert(last, parts);
    }
    Ok(())
}
