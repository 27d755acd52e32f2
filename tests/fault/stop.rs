//! The server stops at each durable step of each statement, before it, after it and in the middle of a write. Then
//! the statement is there whole or not at all, there if it was acknowledged, and the server goes on.

use super::script::{CASES, Case, Copied, Template, await_files, observe};
use super::site::{Pass, Sites, data_files, passes};
use blueshift_tests::{connect, full};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::task::JoinSet;

/// Tries that run at the same time.
const PARALLEL: usize = 2;

/// What a case does when nothing breaks.
struct Known {
    case: &'static Case,
    before: String,
    after: String,
    files_before: usize,
    files_after: usize,
    /// Passes up to the acknowledgement, then those of the removal of files.
    passes: Vec<Pass>,
    acknowledged_at: usize,
}

/// The site whose pass makes the last commit of a case durable.
const COMMIT_SITES: [&str; 2] = ["append log", "sync-log log"];

async fn know(template: &Template, case: &'static Case) -> Known {
    let (retired, after, files_after) = outcome(template, case).await;
    let (copy, sites) = (template.copy(), Sites::new());
    let mut server = template
        .start(&copy.data, Some(&sites))
        .await
        .expect("start");
    let client = connect(server.port).await;
    let before = observe(&client).await;
    let files_before = data_files(&copy.data).len();
    sites.trace();
    for statement in case.statements {
        client.run(&template.sql(statement)).await;
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
        client.run(&template.sql(statement)).await;
    }
    server.kill();
    let removed = sites.removals();
    let files = data_files(&copy.data).len();
    let mut server = template.start(&copy.data, None).await.expect("start");
    let after = observe(&connect(server.port).await).await;
    let swept = swept(&server.log_text());
    server.kill();
    (removed + swept, after, files - swept)
}

/// Reads in the log of a server how many files it found that no commit names.
fn swept(log: &str) -> usize {
    let mut lines = log
        .lines()
        .filter(|line| line.contains("removing files of unfinished"));
    let files = lines.next().and_then(|line| line.rsplit_once("files="));
    files.map_or(0, |(_, count)| count.trim().parse().expect("a count"))
}

/// Stops the server at one pass, and looks at what is left. Tells whether the server came by there.
async fn attempt(template: &Template, known: &Known, action: &str, index: usize) -> bool {
    let (copy, sites) = (template.copy(), Sites::new());
    let pass = &known.passes[index];
    let what = format!("{}: {action} {pass:?}", known.case.name);
    let mut server = template
        .start(&copy.data, Some(&sites))
        .await
        .expect("start");
    let client = connect(server.port).await;
    sites.plan(1, action, pass);
    let mut acknowledged = true;
    for statement in known.case.statements {
        if let Err(error) = client.try_rows(&template.sql(statement)).await {
            assert!(
                error.as_db_error().is_none() || error.is_closed(),
                "{what}: {}",
                blueshift_tests::client::explain(&error)
            );
            acknowledged = false;
            break;
        }
    }
    // Removals come when the server likes; any other site was passed before the answer, or never.
    let later = index >= known.acknowledged_at;
    let begun = std::time::Instant::now();
    let ended = server
        .has_ended(|| acknowledged && (!later || begun.elapsed().as_secs() > 5))
        .await;
    if !ended {
        server.kill();
        return false;
    }
    drop(client);
    recovers(
        template,
        known,
        &copy,
        &what,
        acknowledged,
        is_durable(known, action, index),
    )
    .await;
    true
}

/// Tells what must have become of the last commit, where that is certain.
fn is_durable(known: &Known, action: &str, index: usize) -> Option<bool> {
    let is_commit = |pass: &&Pass| COMMIT_SITES.contains(&pass.0.as_str());
    let last = known.passes.iter().rposition(|pass| is_commit(&pass))?;
    let first = known.passes.iter().position(|pass| is_commit(&pass))?;
    match index {
        _ if index < first => Some(false),
        _ if index == first && action == "stop-before" => Some(false),
        // All bytes are in the log, synced or not, and only the process ended.
        _ if index >= last && known.passes[last].0 == COMMIT_SITES[1] => Some(true),
        _ => None,
    }
}

async fn recovers(
    template: &Template,
    known: &Known,
    copy: &Copied,
    what: &str,
    acknowledged: bool,
    durable: Option<bool>,
) {
    let files = data_files(&copy.data).len();
    let mut server = template
        .start(&copy.data, None)
        .await
        .unwrap_or_else(|text| panic!("{what}: {text}"));
    let client = connect(server.port).await;
    let found = observe(&client).await;
    let is_after = found == known.after;
    assert!(
        is_after || found == known.before,
        "{what}: half a statement\n{found}\n-- neither --\n{}\n-- nor --\n{}",
        known.before,
        known.after
    );
    if known.before != known.after {
        assert!(is_after || !acknowledged, "{what}: acknowledged and lost");
        if let Some(durable) = durable {
            assert_eq!(
                is_after, durable,
                "{what}: durable {durable}, acknowledged {acknowledged}"
            );
        }
    }
    // Nothing is left of what was not committed, and nothing that is needed was removed. A statement that changes no row
    // may commit in parts; then what no part names goes.
    let wanted = match known.before == known.after {
        true => files - swept(&server.log_text()),
        false if is_after => known.files_after,
        false => known.files_before,
    };
    await_files(&copy.data, wanted).await;
    client.run("INSERT INTO kept VALUES (100)").await;
    assert_eq!(
        client.value("SELECT sum(a) FROM kept").await,
        "110",
        "{what}"
    );
    server.kill();
}

/// The actions that make sense at a site.
fn actions(site: &str) -> &'static [&'static str] {
    match site.split(' ').next() {
        Some("write" | "append") => &["stop-before", "stop-half", "stop-after"],
        _ => &["stop-before", "stop-after"],
    }
}

/// Picks the passes to stop at: of each site the first and the last, and in the long suite all.
fn picked(passes: &[Pass]) -> Vec<usize> {
    let is_last = |pass: &Pass| !passes.contains(&(pass.0.clone(), pass.1 + 1));
    let wanted = |index: &usize| full() || passes[*index].1 == 0 || is_last(&passes[*index]);
    (0..passes.len()).filter(wanted).collect()
}

/// Runs `work` on each of `items`, a few at a time, and gives the results in no order.
async fn each<T, R, F>(items: Vec<T>, work: impl Fn(T) -> F) -> Vec<R>
where
    R: Send + 'static,
    F: Future<Output = R> + Send + 'static,
{
    let mut running = JoinSet::new();
    let mut results = Vec::new();
    for item in items {
        if running.len() == PARALLEL
            && let Some(result) = running.join_next().await
        {
            results.push(result.expect("a task"));
        }
        running.spawn(work(item));
    }
    results.extend(running.join_all().await);
    results
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_at_every_durable_step_of_every_statement_loses_nothing() {
    let template = Arc::new(Template::make().await);
    let all = each(CASES.iter().collect(), |case| {
        let template = Arc::clone(&template);
        async move { Arc::new(know(&template, case).await) }
    })
    .await;
    let mut tries = Vec::new();
    for known in &all {
        for index in picked(&known.passes) {
            for action in actions(&known.passes[index].0) {
                tries.push((Arc::clone(known), index, *action));
            }
        }
    }
    let done = each(tries, |(known, index, action)| {
        let template = Arc::clone(&template);
        async move {
            let stopped = attempt(&template, &known, action, index).await;
            (known, index, action, stopped)
        }
    })
    .await;
    let mut missed = Vec::new();
    let mut hit: BTreeMap<&str, usize> = BTreeMap::new();
    for (known, index, action, stopped) in &done {
        let site = known.passes[*index].0.as_str();
        match stopped {
            true => *hit.entry(site).or_default() += 1,
            false => missed.push(format!("{}: {action} {site}", known.case.name)),
        }
    }
    let stops: usize = hit.values().sum();
    println!(
        "{stops} stops during {} statements, not reached: {missed:?}",
        CASES.len()
    );
    println!("stops at each site: {hit:?}");
    let sites = |known: &'_ Arc<Known>| {
        known
            .passes
            .iter()
            .map(|pass| pass.0.clone())
            .collect::<Vec<_>>()
    };
    let passed: BTreeSet<String> = all.iter().flat_map(sites).collect();
    let unbroken: Vec<&String> = passed
        .iter()
        .filter(|site| !hit.contains_key(site.as_str()))
        .collect();
    assert!(unbroken.is_empty(), "never stopped at {unbroken:?}");
    // A step of the background may be elsewhere the next time.
    assert!(missed.len() * 20 < stops, "not reached: {missed:?}");
    assert!(stops >= 300, "{stops} stops");
}
