//! A table of an open table format as of one version: the files that its log names, how its columns are called in them,
//! and which of their rows are deleted.

use super::bounds::Bounds;
use super::called::Calls;
use super::deletes::OpenNotes;
use super::{ExternalFile, ExternalPartition};
use std::sync::Arc;

/// A table as of one version. All lists have one element per file.
#[derive(Debug, Default)]
pub(super) struct OpenTable {
    /// Its files.
    pub(super) files: Vec<ExternalFile>,
    /// The values of their partition columns, if the table was declared with such.
    pub(super) partitions: Vec<ExternalPartition>,
    /// Which partition of the table each is of, counted from 0.
    pub(super) groups: Vec<u32>,
    /// What is done with each before it is read, if anything.
    pub(super) notes: Vec<Option<Arc<OpenNotes>>>,
    /// Between which values their columns lie.
    pub(super) bounds: Bounds,
    /// How columns are called in them.
    pub(super) calls: Calls,
    /// Whether the table has partitions.
    pub(super) is_partitioned: bool,
    /// The names of the columns that the table has, if those that are declared must be among them.
    pub(super) columns: Option<Vec<String>>,
}
