//! Stack for parsing and planning, which recurse as deep as a statement is nested.
//!
//! A stack of its own for every statement costs more than to parse and plan a small one, which has room enough on the
//! thread's own.

use sqlparser::ast::{self, Expr, TableFactor, Visit, Visitor};
use std::ops::ControlFlow;

/// Stack for the parser and the planner: about 30 KB for each level of nesting in an unoptimized build.
pub(crate) const STACK_BYTES: usize = 64 << 20;
/// What a small statement may take of the thread's own.
const SMALL_BYTES: usize = 3 << 20;
/// Tokens of a small statement.
pub(crate) const SMALL_TOKENS: usize = 64;
/// Expressions, queries and tables of a small statement.
const SMALL_NODES: usize = 64;

/// Runs what recurses over a statement, with stack enough for the deepest one, or for a small one.
pub(crate) fn enough<T>(is_small: bool, run: impl FnOnce() -> T) -> T {
    match is_small {
        true => stacker::maybe_grow(SMALL_BYTES, STACK_BYTES, run),
        false => stacker::grow(STACK_BYTES, run),
    }
}

/// Tells whether a syntax tree is small; looks no further than that.
pub(crate) fn is_small(tree: &impl Visit) -> bool {
    struct Nodes(usize);
    impl Nodes {
        fn count(&mut self) -> ControlFlow<()> {
            self.0 += 1;
            match self.0 > SMALL_NODES {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        }
    }
    impl Visitor for Nodes {
        type Break = ();

        fn pre_visit_query(&mut self, _: &ast::Query) -> ControlFlow<()> {
            self.count()
        }

        fn pre_visit_table_factor(&mut self, _: &TableFactor) -> ControlFlow<()> {
            self.count()
        }

        fn pre_visit_expr(&mut self, _: &Expr) -> ControlFlow<()> {
            self.count()
        }
    }
    tree.visit(&mut Nodes(0)).is_continue()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::query::Query;

    #[test]
    fn a_small_tree_is_told_from_a_large_one() {
        let small = |text: &str| is_small(&*Query::parse(text).unwrap().tree);
        assert!(small(
            "SELECT a, b + 1 FROM t JOIN u ON t.a = u.a WHERE c IN (1, 2, 3)"
        ));
        assert!(!small(&format!("SELECT {}1", "1 + ".repeat(200))));
        assert!(!small(&format!(
            "SELECT {}1{}",
            "(".repeat(100),
            ")".repeat(100)
        )));
        assert!(!small(&format!(
            "{}SELECT 1{}",
            "SELECT * FROM (".repeat(70),
            ") x".repeat(70)
        )));
    }
}
