//! What a scan may be asked to test, and the seam for everything it cannot test itself.

use crate::error::Result;
use arrow_array::ArrayRef;
use arrow_buffer::BooleanBuffer;
use std::sync::Arc;

pub use crate::schema::Value;

/// A comparison operator; null compares to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompareOp {
    /// `=`
    Eq,
    /// `<>`
    NotEq,
    /// `<`
    Lt,
    /// `<=`
    LtEq,
    /// `>`
    Gt,
    /// `>=`
    GtEq,
}

/// A test of one column that prunes by zone map and runs on codes where the encoding allows.
#[derive(Clone, Debug, PartialEq)]
pub enum ColumnTest {
    /// `column op value`.
    Compare(CompareOp, Value),
    /// `column IN (values)`; sorted and without repeats.
    In(Arc<[Value]>),
    /// The column lies within a range. Only for [`Conjunct::PruneOnly`].
    Within {
        /// Least and greatest, `None` where there is no end. Sorted, and apart from each other.
        ranges: Arc<[(Option<Value>, Option<Value>)]>,
        /// Whether null passes as well.
        or_null: bool,
    },
    /// `column IS NULL`.
    IsNull,
    /// `column IS NOT NULL`.
    IsNotNull,
    /// `column LIKE 'prefix%'`.
    StartsWith(Arc<[u8]>),
}

/// One member of a conjunction; a row passes a scan if it passes all of them.
#[derive(Clone, Debug)]
pub enum Conjunct {
    /// A test storage understands.
    Column {
        /// Index into the table's columns.
        column: usize,
        /// The test.
        test: ColumnTest,
    },
    /// Anything else, evaluated on decoded values of the named columns. With one column and a
    /// dictionary block it is evaluated once per dictionary entry.
    Filter(Arc<dyn RowFilter>),
    /// Prunes by zone map but need not be exact: the caller tests the rows again.
    PruneOnly {
        /// Index into the table's columns.
        column: usize,
        /// The test.
        test: ColumnTest,
    },
}

/// A predicate that storage cannot see into.
pub trait RowFilter: Send + Sync + std::fmt::Debug {
    /// Gives the table's column indexes it reads, in the order `select` wants them.
    fn columns(&self) -> &[usize];
    /// Tells for each of `rows` rows whether it passes; null is false. Must not depend on other
    /// rows: storage may call it on dictionary entries.
    fn select(&self, columns: &[ArrayRef], rows: usize) -> Result<BooleanBuffer>;
}
