//! Two tables of one name in a FROM: refused. Also if one is named with its schema and one without, as the engine takes
//! `s.t.a` and `t.a` for the same column and joins wrongly.

use super::using::name_of;
use crate::binder::ident::folded;
use crate::error::{Error, Result};
use crate::sqlstate::SqlState;
use sqlparser::ast::{Select, TableFactor};
use std::collections::{HashMap, HashSet};

pub(super) fn check(select: &Select) -> Result<()> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let relations = select.from.iter().flat_map(|from| {
        let joined = from.joins.iter().map(|join| &join.relation);
        std::iter::once(&from.relation).chain(joined)
    });
    let mut names: HashSet<Vec<String>> = HashSet::new();
    for relation in relations {
        if let Some(name) = name_of(relation)
            && let Some(last) = name.last()
            && !names.insert(name.iter().map(folded).collect())
        {
            let text = format!("table name \"{}\" specified more than once", folded(last));
            let mut error = Error::new(SqlState::DUPLICATE_ALIAS, text)
                .with_hint("Give each of them its own alias");
            let place = usize::try_from(last.span.start.column).ok();
            error.position = place.filter(|place| *place > 0);
            return Err(error);
        }
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
