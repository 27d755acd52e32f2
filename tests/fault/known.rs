//! What a statement does when nothing breaks: what is seen before and after, and which sites it passes.

use super::script::{Case, Template, observe, swept};
use super::site::{Pass, Sites, data_files, passes};
use blueshift_tests::connect;

/// What a case does when nothing breaks.
pub(super) struct Known {
    pub(super) case: &'static Case,
    pub(super) before: String,
    pub(super) after: String,
    pub(super) files_before: usize,
    pub(super) files_after: usize,
    /// Passes up to the acknowledgement, then those of the removal of files.
    pub(super) passes: Vec<Pass>,
    pub(super) acknowledged_at: usize,
}

/// Runs a case twice, to its restart and to the removal of what it retires.
pub(super) async fn know(template: &Template, case: &'static Case) -> Known {
    let (retired, after, files_after) = outcome(template, case).await;
    let (copy, sites) = (template.copy(), Sites::new());
    let mut server = template
        .start(&copy.data, Some(&sites))
        .await
        .expect("start");
    let client = connect(server.port).await;
    let before = observe(&client, &copy).await;
    let files_before = data_files(&copy.data).len();
    sites.trace();
    for statement in case.statements {
        client.run(&template.sql(statement, &copy)).await;
    }
    let acknowledged_at = sites.traced().len();
    sites.await_removals(retired).await;
    server.kill();
    Known {
        case,
        before,
        after,
        files_before,
        files_after,
        passes: passes(&sites.traced()),
        acknowledged_at,
    }
}

/// Runs a case whole; tells how many files it retires, and what is seen and kept after a restart.
async fn outcome(template: &Template, case: &Case) -> (usize, String, usize) {
    let (copy, sites) = (template.copy(), Sites::new());
    let mut server = template
        .start(&copy.data, Some(&sites))
        .await
        .expect("start");
    let client = connect(server.port).await;
    sites.trace();
    for statement in case.statements {
        client.run(&template.sql(statement, &copy)).await;
    }
    // A removal is traced before it is done: an end between the two would count it twice.
    let removed = sites.settled_removals().await;
    server.kill();
    let files = data_files(&copy.data).len();
    let mut server = template.start(&copy.data, None).await.expect("start");
    let after = observe(&connect(server.port).await, &copy).await;
    let swept = swept(&server.log_text());
    server.kill();
    (removed + swept, after, files - swept)
}
