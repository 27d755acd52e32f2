//! Writes the history to its journal, once a second.

use crate::server::Server;
use std::sync::Arc;
use std::time::Duration;

/// How long an event may wait.
const EVERY: Duration = Duration::from_secs(1);

/// Runs until the task is dropped.
pub async fn run(server: Arc<Server>) {
    loop {
        tokio::time::sleep(EVERY).await;
        let server = Arc::clone(&server);
        let kept = tokio::task::spawn_blocking(move || server.keep_history());
        if kept.await.is_err() {
            tracing::error!("writing the history panicked");
        }
    }
}
