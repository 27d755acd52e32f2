//! The server stops at each durable step of each statement, before it, after it and in the middle of a write. Then
//! the statement is there whole or not at all, there if it was acknowledged, and the server goes on.

use super::known::{Known, know};
use super::script::{CASES, Copied, Template, await_files, each, observe, observe_database, swept};
use super::site::{Pass, REMOVED_MAX, STEPS, Sites, data_files, passes};
use blueshift_tests::client::try_connect;
use blueshift_tests::{Client, Server, connect, full};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

/// The site whose pass makes the last commit of a case durable.
const COMMIT_SITES: [&str; 2] = ["append log", "sync-log log"];

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
        if let Err(error) = client.try_rows(&template.sql(statement, &copy)).await {
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
    let later = index >= known.acknowledged_at || pass.0.starts_with("remove ");
    let begun = Instant::now();
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
    let found = observe(&client, copy).await;
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
    await_files(&copy.data, wanted, what).await;
    client.run("INSERT INTO kept VALUES (100)").await;
    assert_eq!(
        client.value("SELECT sum(a) FROM kept").await,
        "110",
        "{what}"
    );
    if known.case.name == "SNAPSHOT" {
        snapshots_are_whole(template, known, copy, &client, what).await;
    }
    server.kill();
}

/// What is listed comes back as it was, another snapshot can be taken, and nothing stays of what was cut off.
async fn snapshots_are_whole(
    template: &Template,
    known: &Known,
    copy: &Copied,
    client: &Client,
    what: &str,
) {
    for data in copy.restore_all() {
        let started = template.start(&data, None).await;
        let restored = started.unwrap_or_else(|text| panic!("{what}: {text}"));
        let found = observe_database(&connect(restored.port).await).await;
        assert_eq!(found, known.before, "{what}: restored");
    }
    let next = template.sql("CREATE SNAPSHOT next TO '{own}'", copy);
    client.run(&next).await;
    assert_eq!(copy.delete_all(), [] as [PathBuf; 0], "{what}: left");
}

/// The actions that make sense at a site.
fn actions(site: &str) -> &'static [&'static str] {
    match site.split(' ').next() {
        Some("write" | "append") => &["stop-before", "stop-half", "stop-after"],
        _ => &["stop-before", "stop-after"],
    }
}

/// Picks the passes to stop at: the first of each site, and the last of those that end something. In the long suite all.
fn picked(passes: &[Pass]) -> Vec<usize> {
    const ENDS: [&str; 4] = ["sync rg", "sync mask", "append log", "sync-log log"];
    let is_last = |pass: &Pass| !passes.contains(&(pass.0.clone(), pass.1 + 1));
    let wanted =
        |pass: &Pass| full() || pass.1 == 0 || ENDS.contains(&pass.0.as_str()) && is_last(pass);
    (0..passes.len())
        .filter(|index| wanted(&passes[*index]))
        .collect()
}

/// What a server does besides statements.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// It makes a new data directory.
    FirstStart,
    /// It starts after it stopped in the middle of the commit of a COPY.
    Recovery,
    /// It stops as asked to.
    CleanStop,
    /// It vacuums a table by itself.
    BackgroundVacuum,
}

impl Event {
    async fn prepare(self, template: &Template) -> Copied {
        let copy = template.copy();
        match self {
            Event::CleanStop | Event::BackgroundVacuum => {}
            Event::FirstStart => std::fs::remove_dir_all(&copy.data).expect("remove"),
            Event::Recovery => {
                let sites = Sites::new();
                let started = template.start(&copy.data, Some(&sites)).await;
                let mut server = started.expect("start");
                let client = connect(server.port).await;
                sites.plan(1, "stop-half", &("append log".into(), 0));
                // The server is gone before it answers.
                let answer = client
                    .try_rows(&template.sql(CASES[0].statements[0], &copy))
                    .await;
                assert!(answer.is_err() && server.has_ended(|| false).await);
            }
        }
        copy
    }

    /// Lets it happen; tells whether a plan stopped it.
    async fn happen(self, template: &Template, copy: &Copied, sites: &Sites) -> bool {
        let environment: &[_] = match self {
            Event::BackgroundVacuum => &[
                ("BLUESHIFT_AUTO_VACUUM", "true"),
                ("BLUESHIFT_MAINTENANCE_INTERVAL_MS", "20"),
            ],
            _ => &[],
        };
        let started = template.start_with(&copy.data, Some(sites), environment);
        let Ok(mut server) = started.await else {
            return true;
        };
        if matches!(self, Event::CleanStop) {
            return server.stop() != Some(0);
        }
        if matches!(self, Event::BackgroundVacuum) {
            return !vacuums_by_itself(&server).await;
        }
        // What is swept goes in the background.
        let swept = swept(&server.log_text());
        let begun = Instant::now();
        let removed = || sites.removals() >= swept && !sites.is_planned("remove");
        server
            .has_ended(|| removed() || begun.elapsed() > REMOVED_MAX)
            .await
    }
}

/// Waits until a server has vacuumed the table that needs it; `false` if it ends before.
async fn vacuums_by_itself(server: &Server) -> bool {
    const VACUUMED: &str = "SELECT unsorted, tbl_rows = estimated_visible_rows FROM svv_table_info WHERE \"table\" = 'base'";
    let Ok(client) = try_connect(server.port).await else {
        return false;
    };
    let begun = Instant::now();
    loop {
        match client.try_rows(VACUUMED).await {
            Ok(rows) if rows == [[Some("0.00".to_owned()), Some("t".to_owned())]] => return true,
            Ok(rows) => assert!(begun.elapsed() < REMOVED_MAX, "{rows:?}"),
            Err(_) => return false,
        }
    }
}

/// Stops a server at each step of each event, and counts the stops at each site.
async fn events(template: &Arc<Template>, before: &str, fresh: &str) -> BTreeMap<String, usize> {
    let mut tries = Vec::new();
    for event in [
        Event::FirstStart,
        Event::Recovery,
        Event::CleanStop,
        Event::BackgroundVacuum,
    ] {
        let (copy, sites) = (event.prepare(template).await, Sites::new());
        sites.trace();
        assert!(!event.happen(template, &copy, &sites).await, "{event:?}");
        for pass in passes(&sites.traced()) {
            let actions = actions(&pass.0).iter();
            tries.extend(actions.map(|action| (event, pass.clone(), *action)));
        }
    }
    let done = each(tries, |(event, pass, action)| {
        let (template, before, fresh) = (Arc::clone(template), before.to_owned(), fresh.to_owned());
        async move {
            let (copy, sites) = (event.prepare(&template).await, Sites::new());
            sites.plan(1, action, &pass);
            let what = format!("{event:?}: {action} {pass:?}");
            let stopped = event.happen(&template, &copy, &sites).await;
            // What is removed after a vacuum, and in which order, is nobody's to say.
            let may_miss = matches!(event, Event::BackgroundVacuum);
            assert!(stopped || may_miss, "{what}: not reached");
            let started = template.start(&copy.data, None).await;
            let mut server = started.unwrap_or_else(|text| panic!("{what}: {text}"));
            let client = connect(server.port).await;
            let wanted = match event {
                Event::FirstStart => fresh,
                _ => before,
            };
            assert_eq!(observe(&client, &copy).await, wanted, "{what}");
            client.run("CREATE TABLE goes_on (a INTEGER)").await;
            client.run("INSERT INTO goes_on VALUES (1)").await;
            assert_eq!(client.value("SELECT a FROM goes_on").await, "1");
            server.kill();
            stopped.then_some(pass.0)
        }
    })
    .await;
    let mut hit = BTreeMap::new();
    for site in done.into_iter().flatten() {
        *hit.entry(site).or_default() += 1;
    }
    hit
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
    let fresh = {
        let copy = Event::FirstStart.prepare(&template).await;
        let server = template.start(&copy.data, None).await.expect("start");
        observe(&connect(server.port).await, &copy).await
    };
    let mut hit = events(&template, &all[0].before, &fresh).await;
    let of_events: usize = hit.values().sum();
    for (known, index, action, stopped) in &done {
        let site = &known.passes[*index].0;
        match stopped {
            true => *hit.entry(site.clone()).or_default() += 1,
            false => missed.push(format!("{}: {action} {site}", known.case.name)),
        }
    }
    let stops: usize = hit.values().sum();
    println!(
        "{stops} stops, {of_events} of them during start, recovery, end and background vacuum, the others during {} statements",
        CASES.len()
    );
    println!("stops at each site: {hit:?}");
    println!("not reached: {missed:?}");
    let unbroken: BTreeSet<&String> = all
        .iter()
        .flat_map(|known| known.passes.iter().map(|pass| &pass.0))
        .filter(|site| !hit.contains_key(*site))
        .collect();
    assert!(unbroken.is_empty(), "never stopped at {unbroken:?}");
    for step in STEPS {
        let is_hit = hit.keys().any(|site| site.split(' ').next() == Some(step));
        assert!(is_hit, "no stop at any {step}");
    }
    // A step of the background may be elsewhere the next time.
    assert!(missed.len() * 20 < stops, "not reached: {missed:?}");
    assert!(stops >= 300, "{stops} stops");
}
