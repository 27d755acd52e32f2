//! Makes files of open table formats ready before their reader sees them: finds the rows that are deleted.

use super::deletes::OpenNotes;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::error::Result;
use datafusion_datasource::morsel::{MorselPlan, MorselPlanner, Morselizer};
use std::fmt;
use std::sync::Arc;

/// Wraps what makes plans of files.
#[derive(Debug)]
pub(super) struct PreparingMorselizer {
    pub(super) inner: Arc<dyn Morselizer>,
}

impl Morselizer for PreparingMorselizer {
    fn plan_file(&self, file: PartitionedFile) -> Result<Box<dyn MorselPlanner>> {
        match file.extensions.get_arc::<OpenNotes>() {
            None => self.inner.plan_file(file),
            Some(notes) => Ok(Box::new(Preparing {
                inner: Arc::clone(&self.inner),
                file,
                notes,
            })),
        }
    }
}

/// A file that is not ready yet.
struct Preparing {
    inner: Arc<dyn Morselizer>,
    file: PartitionedFile,
    notes: Arc<OpenNotes>,
}

impl fmt::Debug for Preparing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Preparing").finish_non_exhaustive()
    }
}

impl MorselPlanner for Preparing {
    fn plan(self: Box<Self>) -> Result<Option<MorselPlan>> {
        let Self { inner, file, notes } = *self;
        let ready = async move {
            let file = notes.prepare(file).await?;
            inner.plan_file(file)
        };
        Ok(Some(MorselPlan::new().with_pending_planner(ready)))
    }
}
