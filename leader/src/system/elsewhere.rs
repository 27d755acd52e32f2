//! What system tables show of external schemas whose tables are known elsewhere.
//!
//! They are asked when a scan is planned, all at the same time. One that does not answer shows nothing: the tables of the
//! others are there all the same, and who asks for a table of it is told why not.

use super::{Elsewhere, SystemContext};
use crate::access::check;
use crate::catalog::Schema;
use crate::catalog::external::{ExternalSchema, ExternalTable, Partitions};
use crate::catalog::foreign::{Answer, ForeignTable, Want};
use futures::{FutureExt, StreamExt};
use std::sync::Arc;

/// Catalogs that are asked at the same time.
const ASKED_AT_ONCE: usize = 8;

/// A table that an external schema shows.
pub struct Shown {
    /// The table.
    pub table: Arc<ExternalTable>,
    /// Its partitions, where they were asked for.
    pub partitions: Arc<Partitions>,
    /// What another catalog tells of it.
    pub foreign: Option<Arc<ForeignTable>>,
}

impl SystemContext {
    /// Asks the catalogs of the external schemas that the user may use.
    pub(super) async fn ask_elsewhere(&self, what: Elsewhere) {
        let mut asked = Vec::new();
        for (schema, external) in self.catalog.external_schemas_by_name() {
            let is_seen = check::may_use_schema(&self.catalog, &self.user, schema);
            if is_seen && !external.source.is_own() {
                asked.push(self.ask_one(Arc::clone(external), what).boxed());
            }
        }
        let asked = futures::stream::iter(asked).buffer_unordered(ASKED_AT_ONCE);
        asked.collect::<Vec<()>>().await;
    }

    async fn ask_one(&self, external: Arc<ExternalSchema>, what: Elsewhere) {
        let tables = match self.told(&external, Want::Tables).await {
            Ok(tables) => tables,
            Err(error) => {
                tracing::info!(schema_id = external.oid, %error, "an external schema was not told");
                return;
            }
        };
        if what == Elsewhere::Tables {
            return;
        }
        let mut asked = Vec::new();
        for one in tables.iter() {
            if !one.table.partitioned_by.is_empty() {
                let want = Want::Table(one.table.name.clone());
                asked.push(self.told(&external, want).map(drop).boxed());
            }
        }
        let asked = futures::stream::iter(asked).buffer_unordered(ASKED_AT_ONCE);
        asked.collect::<Vec<()>>().await;
    }

    async fn told(&self, external: &Arc<ExternalSchema>, want: Want) -> Answer {
        if let Some(answer) = self.reads.told(external.oid, &want) {
            return answer;
        }
        let answer = match self.server.foreign.known(external, &want) {
            Some(answer) => answer,
            None => self.server.foreign.ask(external, &want).await,
        };
        self.reads.keep(external.oid, want, answer.clone());
        answer
    }

    /// Gives the tables that an external schema shows, in order of name: of one that is known elsewhere what was told.
    pub fn external_tables(&self, schema: &Schema) -> Vec<Shown> {
        if self.catalog.foreign_schema(schema.oid).is_none() {
            let tables = self.catalog.external_tables_in(schema.oid).into_iter();
            return tables
                .map(|table| Shown {
                    table: Arc::clone(table),
                    partitions: self.catalog.partitions_of(table.oid),
                    foreign: None,
                })
                .collect();
        }
        let Some(Ok(tables)) = self.reads.told(schema.oid, &Want::Tables) else {
            return Vec::new();
        };
        tables
            .iter()
            .map(|table| {
                let want = Want::Table(table.table.name.clone());
                let whole = match self.reads.told(schema.oid, &want) {
                    Some(Ok(whole)) => whole.first().cloned(),
                    _ => None,
                };
                let known = whole.unwrap_or_else(|| Arc::clone(table));
                Shown {
                    table: Arc::clone(&known.table),
                    partitions: Arc::clone(&known.partitions),
                    foreign: Some(known),
                }
            })
            .collect()
    }
}
