//! Row -> slice. The placement hash is the engine's own repartition hash, so that stored rows lie where a
//! shuffle would send them; a stored fingerprint guards against a change of that hash.

use crate::error::Result;
use arrow::array::ArrayRef;

/// How the rows of a table choose a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distribution {
    /// Round robin.
    Even,
    /// By the hash of this column (index in the table).
    Key(usize),
    /// One copy per node, on its first slice.
    All,
}

/// Computes the fingerprint of today's placement hash: the hashes of a fixed vector of values per type.
pub fn fingerprint() -> u64 {
    todo!("exec")
}

/// Appends the slice of each row: `hash(key) % slice_count`; null keys go to slice 0. `key` must have
/// the arrow type a scan of the column emits (text as `Utf8View`).
pub fn slices_of_rows(key: &ArrayRef, slice_count: u32, slices: &mut Vec<u32>) -> Result<()> {
    let _ = (key, slice_count, slices);
    todo!("exec")
}
