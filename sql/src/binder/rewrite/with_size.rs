//! How many tables a WITH stands for: each query of it is planned again wherever it is used, so that queries which use
//! the one before twice double at each step.

use crate::error::{Error, Result};
use crate::sqlstate::SqlState;
use sqlparser::ast::{ObjectName, Query, Visit, Visitor};
use std::collections::HashMap;
use std::ops::ControlFlow;

/// Tables with those of WITH queries put in their places; so many are planned in about a second.
const TABLES_MAX: usize = 2_000;
/// Queries of one WITH.
const QUERIES_MAX: usize = 1_000;

pub(super) fn check(query: &Query) -> Result<()> {
    let Some(with) = &query.with else {
        return Ok(());
    };
    if with.cte_tables.len() > QUERIES_MAX {
        return Err(too_complex());
    }
    let mut tables = Tables::default();
    for part in &with.cte_tables {
        tables.count = 0;
        let _ = part.query.visit(&mut tables);
        let name = part.alias.name.value.to_lowercase();
        let count = tables.count.max(1);
        tables.known.insert(name, count);
    }
    tables.count = 0;
    let _ = query.body.visit(&mut tables);
    let most = tables.known.values().copied().max().unwrap_or(0);
    if tables.count.max(most) <= TABLES_MAX {
        return Ok(());
    }
    Err(too_complex())
}

fn too_complex() -> Error {
    Error::new(SqlState::STATEMENT_TOO_COMPLEX, "query is too complex")
        .with_detail(format!(
            "A WITH may have {QUERIES_MAX} queries, and a query may read {TABLES_MAX} tables, with those of its WITH \
             queries each time they are used."
        ))
        .with_hint("Put the result of a part into a temporary table")
}

#[derive(Default)]
struct Tables {
    known: HashMap<String, usize>,
    count: usize,
}

impl Visitor for Tables {
    type Break = ();

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        let name = relation.0.last().and_then(|part| part.as_ident());
        let name = name.map(|ident| ident.value.to_lowercase());
        let known = name.and_then(|name| self.known.get(&name));
        let count = known.copied().unwrap_or(1);
        self.count = self.count.saturating_add(count);
        ControlFlow::Continue(())
    }
}
