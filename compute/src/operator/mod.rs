//! Physical operators of our own, one file each.

pub mod held;
pub mod null_side;
pub mod own_rows;
pub mod secure;
pub mod shared;
pub mod small_decimal;
pub mod spilling_join;

mod compact;
