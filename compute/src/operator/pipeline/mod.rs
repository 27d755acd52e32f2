//! Fused vectorized pipelines: chains of operators as one, a vector of rows at a time, with nothing made between them.
//!
//! | file | what |
//! |---|---|
//! | `exec.rs` | the operator as a node of a plan, and which plans it stands for |
//! | `stream.rs` | its run over a partition: batches in, groups out, memory |
//! | `groups.rs` | what is done with a batch |
//! | `program.rs` | expressions in 64-bit integers |
//! | `keys.rs`, `table.rs` | which group a row is of |
//! | `total.rs` | sums, counts and extremes of groups |
//! | `lanes.rs` | columns as 64-bit integers and back |

mod exec;
mod groups;
mod keys;
mod lanes;
mod program;
mod stream;
mod table;
mod total;

#[cfg(test)]
mod tests;

pub use exec::{FusedAggregateExec, fused, fused_projections};
