//! The disk is full, or fails, at each durable step of a statement: it fails with 53100 or 58030 and leaves nothing
//! behind, reads go on, and the same statement works once the disk does. A failed sync is never tried again.

use super::known::{Known, know};
use super::script::{CASES, Template, await_files, each, observe, swept};
use super::site::{Pass, Sites};
use blueshift_tests::{connect, full};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Statements of the standard run.
const SAMPLE: &[&str] = &[
    "COPY",
    "CREATE TABLE AS",
    "DELETE",
    "DELETE many",
    "UPDATE",
    "transaction",
    "DROP TABLE",
    "ALTER TABLE ALTER DISTKEY",
    "VACUUM",
    "SNAPSHOT",
    "RESTORE TABLE",
    "ANALYZE",
];

/// Statements that free room: they work on a full disk.
const FREEING: &[&str] = &[
    "DELETE",
    "DELETE all",
    "DELETE many",
    "DROP DATABASE",
    "DROP TABLE",
    "TRUNCATE",
    "VACUUM",
    "VACUUM DELETE ONLY",
];

/// Tells whether room that is kept for it helps: to a record that frees room, and to any mask.
fn has_reserve(known: &Known, action: &str, pass: &Pass) -> bool {
    let is_freeing = pass.0 == "append log" && FREEING.contains(&known.case.name);
    // Those of a restore are no deletes.
    let is_mask = pass.0.ends_with(" mask") && known.case.name != "RESTORE TABLE";
    action == "full" && (is_freeing || is_mask)
}

/// Tells whether the log stops at this: what the device holds after a failed write or sync is unknown.
fn stops_log(action: &str, pass: &Pass) -> bool {
    pass.0 == "sync-log log" || pass.0 == "append log" && action == "eio"
}

async fn attempt(template: &Template, known: &Known, action: &str, pass: &Pass) {
    let what = format!("{}: {action} {pass:?}", known.case.name);
    let (copy, sites) = (template.copy(), Sites::new());
    let started = template.start(&copy.data, Some(&sites)).await;
    let mut server = started.expect("start");
    let client = connect(server.port).await;
    sites.trace();
    sites.plan(1, action, pass);
    let mut refused = None;
    for statement in known.case.statements {
        if let Err(error) = client.try_rows(&template.sql(statement, &copy)).await {
            refused = Some(error);
            break;
        }
    }
    if has_reserve(known, action, pass) {
        let explained = refused.as_ref().map(blueshift_tests::client::explain);
        assert_eq!(explained, None, "{what}");
        assert_eq!(observe(&client, &copy).await, known.after, "{what}");
        return;
    }
    let error = refused.unwrap_or_else(|| panic!("{what}: it did not fail"));
    let code = error.as_db_error().map(|error| error.code().code());
    let wanted = match action {
        "full" => "53100",
        _ => "58030",
    };
    let explained = blueshift_tests::client::explain(&error);
    assert_eq!(code, Some(wanted), "{what}: {explained}");
    sites.clear();
    drop(client);
    let _checked_at_the_end = SyncedOnce {
        sites: &sites,
        failed: pass,
        what: &what,
    };
    let client = connect(server.port).await;
    assert_eq!(
        observe(&client, &copy).await,
        known.before,
        "{what}: reads go on"
    );
    if stops_log(action, pass) {
        let (code, text) = client.failure("INSERT INTO kept VALUES (100)").await;
        assert_eq!(code, "58030", "{what}: {text}");
        assert_eq!(
            observe(&client, &copy).await,
            known.before,
            "{what}: reads go on"
        );
        let traced = sites.traced();
        let at = traced.iter().rposition(|site| *site == pass.0);
        let after = &traced[at.expect("the site") + 1..];
        let touched = after.iter().any(|site| site.ends_with(" log"));
        assert!(!touched, "{what}: the log was written again: {traced:?}");
        server.kill();
        let server = template.start(&copy.data, None).await.expect("start");
        let found = observe(&connect(server.port).await, &copy).await;
        let whole = found == known.before || found == known.after;
        assert!(whole, "{what}: half a statement: {found}");
        return;
    }
    // Nothing is left of it, but for what a vacuum committed in parts.
    if known.before != known.after {
        await_files(&copy.data, known.files_before, &what).await;
    }
    for statement in known.case.statements {
        client.run(&template.sql(statement, &copy)).await;
    }
    assert_eq!(
        observe(&client, &copy).await,
        known.after,
        "{what}: it works the next time"
    );
    assert!(server.is_alive());
}

/// Sees at its end that what a sync failed for was not synced again as it was.
struct SyncedOnce<'a> {
    sites: &'a Sites,
    failed: &'a Pass,
    what: &'a str,
}

impl Drop for SyncedOnce<'_> {
    fn drop(&mut self) {
        let (site, passes_before) = self.failed;
        if !site.starts_with("sync") || std::thread::panicking() {
            return;
        }
        let traced = self.sites.traced_files();
        let mut at_site = traced
            .iter()
            .enumerate()
            .filter(|(_, pass)| pass.0 == *site);
        let (at, (_, path)) = at_site.nth(*passes_before).expect("the pass that failed");
        for (site, other) in &traced[at + 1..] {
            let step = site.split(' ').next().unwrap_or_default();
            // Made anew, or with another entry, it is another sync.
            let is_change = match step {
                // Those of a snapshot's repository are traced by their folder alone.
                "create" | "make-directory" | "rename" | "remove" => {
                    other == path || other.parent() == Some(path)
                }
                _ => false,
            };
            if is_change {
                return;
            }
            let is_again = step.starts_with("sync") && other == path;
            let what = self.what;
            assert!(
                !is_again,
                "{what}: {} was synced again: {traced:?}",
                path.display()
            );
        }
    }
}

/// The failures of a site that fail a statement.
fn actions(case: &str, site: &str) -> &'static [&'static str] {
    match site.split(' ').next() {
        // Statistics follow the commit of what else a statement does; if they cannot be kept, the log tells.
        _ if is_of_statistics(site) && case != "ANALYZE" => &[],
        Some("write" | "append" | "create" | "make-directory") => &["eio", "full"],
        // A file that cannot be removed is tried again at the next start; no statement knows of it.
        Some("remove") => &[],
        _ => &["eio"],
    }
}

fn is_of_statistics(site: &str) -> bool {
    site.ends_with(" stats") || site.ends_with(" statistics")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_could_not_be_removed_is_tried_again() {
    let template = Template::make().await;
    for (name, site) in [
        ("DROP TABLE", "remove rg"),
        ("DELETE many", "remove mask"),
        ("VACUUM", "remove rg"),
    ] {
        let case = CASES.iter().find(|case| case.name == name);
        let known = know(&template, case.expect("a case")).await;
        let is_removal = |pass: &&Pass| pass.0.starts_with("remove ");
        let removals = known.passes.iter().filter(is_removal).count();
        let (copy, sites) = (template.copy(), Sites::new());
        let started = template.start(&copy.data, Some(&sites)).await;
        let mut server = started.expect("start");
        let client = connect(server.port).await;
        sites.trace();
        sites.plan(1, "eio", &(site.to_owned(), 0));
        for statement in known.case.statements {
            client.run(&template.sql(statement, &copy)).await;
        }
        sites.await_removals(removals + 1).await;
        server.kill();
        let server = template.start(&copy.data, None).await.expect("start");
        assert_eq!(swept(&server.log_text()), 0, "{name}: files were left");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_disk_fails_the_statement_and_leaves_nothing_behind() {
    let template = Arc::new(Template::make().await);
    let wanted = CASES
        .iter()
        .filter(|case| full() || SAMPLE.contains(&case.name));
    let all = each(wanted.collect(), |case| {
        let template = Arc::clone(&template);
        async move { Arc::new(know(&template, case).await) }
    })
    .await;
    let mut tries = Vec::new();
    for known in &all {
        let mut seen = BTreeSet::new();
        for pass in &known.passes {
            if seen.insert(&pass.0) {
                let of_site = actions(known.case.name, &pass.0).iter();
                tries.extend(of_site.map(|action| (Arc::clone(known), *action, pass.clone())));
            }
        }
    }
    let count = tries.len();
    each(tries, |(known, action, pass)| {
        let template = Arc::clone(&template);
        async move { attempt(&template, &known, action, &pass).await }
    })
    .await;
    println!("{count} failures during {} statements", all.len());
    assert!(count >= 50, "{count} failures");
}
