//! Workload management: several sessions at the queues of one server.

use blueshift_tests::client::explain;
use blueshift_tests::server::binary;
use blueshift_tests::{Client, Server, ServerOptions, connect};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// A query that takes minutes if nobody stops it.
const LONG: &str = "SELECT count(*) FROM t a, t b, t c WHERE a.k + b.k + c.k < 0";
/// A query that takes a second or some.
const MEDIUM: &str = "SELECT count(*) FROM m a, m b WHERE a.k * b.k % 7 < 0";
/// A query that takes milliseconds.
const QUICK: &str = "SELECT count(*) FROM t WHERE k = 17";
/// How long a test waits for what must come.
const COMES: Duration = Duration::from_secs(60);

type Pending = JoinHandle<Result<Vec<String>, (String, String)>>;

/// A session with its process id.
#[derive(Clone)]
struct Session {
    client: Arc<Client>,
    pid: String,
}

impl Session {
    async fn begin(port: u16, query_group: &str) -> Session {
        let client = Arc::new(connect(port).await);
        client
            .run(&format!("SET query_group TO '{query_group}'"))
            .await;
        let pid = client.value("SELECT pg_backend_pid()").await;
        Session { client, pid }
    }

    /// Sends a statement that is not expected to be answered yet.
    fn send(&self, sql: &str) -> Pending {
        let (client, sql) = (Arc::clone(&self.client), sql.to_owned());
        tokio::spawn(async move {
            match client.try_rows(&sql).await {
                Ok(rows) => Ok(rows
                    .into_iter()
                    .map(|row| {
                        let cells = row.into_iter().map(Option::unwrap_or_default);
                        cells.collect::<Vec<_>>().join("|")
                    })
                    .collect()),
                Err(error) => {
                    let code = error.code().map_or("", |code| code.code());
                    Err((code.to_owned(), explain(&error)))
                }
            }
        })
    }

    /// Tells where the session's statement is: its service class and state.
    async fn place(&self, observer: &Client) -> Vec<String> {
        let sql = format!(
            "SELECT service_class, trim(state) FROM stv_wlm_query_state s JOIN stv_recents r ON r.pid = {} AND r.status = 'Running' \
             JOIN stv_inflight i ON i.query = s.query AND i.pid = r.pid",
            self.pid
        );
        observer.rows(&sql).await
    }

    async fn until(&self, observer: &Client, place: &str) {
        let begun = Instant::now();
        loop {
            let now = self.place(observer).await;
            if now == [place] {
                return;
            }
            assert!(begun.elapsed() < COMES, "{now:?}, not {place}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn cancel(&self, observer: &Client) {
        observer
            .run(&format!("SELECT pg_cancel_backend({})", self.pid))
            .await;
    }
}

async fn answer(pending: Pending) -> Vec<String> {
    let answered = tokio::time::timeout(COMES, pending).await;
    let answered = answered.expect("an answer in time").expect("the task");
    answered.unwrap_or_else(|(_, text)| panic!("{text}"))
}

async fn refusal(pending: Pending) -> (String, String) {
    let answered = tokio::time::timeout(COMES, pending).await;
    let answered = answered.expect("an answer in time").expect("the task");
    answered.expect_err("should have failed")
}

/// Starts a server with tables, and a session that looks on from the superusers' own queue.
async fn start(configuration: &str) -> (Server, Client) {
    start_on(configuration, 1).await
}

async fn start_on(configuration: &str, slices: u32) -> (Server, Client) {
    let server = Server::start(ServerOptions {
        slices: Some(slices),
        arguments: vec!["--wlm-json-configuration".into(), configuration.into()],
        ..ServerOptions::default()
    })
    .await;
    let observer = connect(server.port).await;
    observer.run("SET query_group TO 'superuser'").await;
    for statement in [
        // What an earlier result answers needs no queue.
        "ALTER USER admin SET enable_result_cache_for_session TO off",
        "CREATE TABLE ten (k INTEGER) DISTSTYLE EVEN",
        "INSERT INTO ten VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)",
        "CREATE TABLE t (k INTEGER) DISTSTYLE EVEN",
        "INSERT INTO t SELECT a.k * 1000 + b.k * 100 + c.k * 10 + d.k FROM ten a, ten b, ten c, ten d",
        "CREATE TABLE m (k INTEGER) DISTSTYLE EVEN",
        "INSERT INTO m SELECT a.k * 10 + b.k FROM t a, ten b WHERE a.k < 800",
    ] {
        observer.run(statement).await;
    }
    (server, observer)
}

#[tokio::test(flavor = "multi_thread")]
async fn one_slot_is_for_one_statement_and_who_waits_can_be_stopped() {
    let (server, observer) = start(r#"[{"query_concurrency":1}]"#).await;
    let (one, two) = (
        Session::begin(server.port, "x").await,
        Session::begin(server.port, "x").await,
    );
    let long = one.send(LONG);
    one.until(&observer, "6|Running").await;
    let waits = two.send(QUICK);
    two.until(&observer, "6|QueuedWaiting").await;
    let queued = "SELECT service_class, position, slot_count FROM stv_wlm_query_queue_state";
    assert_eq!(observer.rows(queued).await, ["6|0|1"]);
    let state = "SELECT num_queued_queries, num_executing_queries FROM stv_wlm_service_class_state WHERE service_class = 6";
    assert_eq!(observer.rows(state).await, ["1|1"]);
    // What reads no table of users waits for nobody.
    let third = Session::begin(server.port, "x").await;
    assert_ne!(
        third.client.value("SELECT count(*) FROM pg_class").await,
        "0"
    );
    two.cancel(&observer).await;
    assert_eq!(refusal(waits).await.0, "57014");
    two.client.run("SET statement_timeout TO 300").await;
    let begun = Instant::now();
    assert_eq!(refusal(two.send(QUICK)).await.0, "57014");
    assert!(
        (250..900).contains(&begun.elapsed().as_millis()),
        "{:?}",
        begun.elapsed()
    );
    two.client.run("SET statement_timeout TO 0").await;
    assert_eq!(observer.rows(queued).await, [] as [&str; 0]);
    // Nothing that is canceled keeps a place: the next is served when the slot is free.
    let waits = two.send(QUICK);
    two.until(&observer, "6|QueuedWaiting").await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    one.cancel(&observer).await;
    assert_eq!(refusal(long).await.0, "57014");
    assert_eq!(answer(waits).await, ["1"]);
    let last = "SELECT trim(final_state), service_class, total_queue_time > 150000, queue_end_time = exec_start_time FROM stl_wlm_query \
                WHERE query = (SELECT max(query) FROM stl_wlm_query WHERE service_class = 6)";
    assert_eq!(observer.rows(last).await, ["Completed|6|t|t"]);
    let rejected =
        "SELECT count(*) FROM stl_wlm_query WHERE final_state = 'Rejected' AND service_class = 6";
    assert_eq!(observer.value(rejected).await, "2");
    let history = "SELECT queue_time > 150000, service_class_id, trim(service_class_name), trim(query_priority) FROM sys_query_history \
                   WHERE query_id = (SELECT max(query) FROM stl_wlm_query WHERE service_class = 6)";
    assert_eq!(observer.rows(history).await, ["t|6|Default queue|n/a"]);
    // More slots than there are.
    two.client.run("SET wlm_query_slot_count TO 2").await;
    assert_eq!(two.client.failure(QUICK).await.0, "53400");
    assert_eq!(
        observer.value("SELECT count(*) FROM stl_wlm_error").await,
        "1"
    );
}

/// Who waits for a lock holds no slot, and who waits for a slot may hold locks.
#[tokio::test(flavor = "multi_thread")]
async fn locks_and_slots_never_wait_for_each_other() {
    let (server, observer) = start(r#"[{"query_concurrency":1}]"#).await;
    let (one, two) = (
        Session::begin(server.port, "x").await,
        Session::begin(server.port, "x").await,
    );
    one.client
        .run("BEGIN; UPDATE ten SET k = 10 WHERE k = 9")
        .await;
    let blocked = two.send("UPDATE ten SET k = 11 WHERE k = 10");
    let is_blocked = format!(
        "SELECT count(*) FROM pg_locks WHERE pid = {} AND NOT granted",
        two.pid
    );
    while observer.value(&is_blocked).await == "0" {}
    assert_eq!(one.client.value("SELECT max(k) FROM ten").await, "10");
    one.client.run("COMMIT").await;
    answer(blocked).await;
    assert_eq!(one.client.value("SELECT max(k) FROM ten").await, "11");
    // A cursor that is open in a block holds no slot between its fetches, nor does its session wait for itself.
    one.client
        .run("BEGIN; DECLARE c CURSOR FOR SELECT k FROM t; FETCH 3 FROM c")
        .await;
    assert_eq!(two.client.value(QUICK).await, "1");
    assert_eq!(one.client.value(QUICK).await, "1");
    one.client.run("FETCH 3 FROM c; COMMIT").await;
    // Statements of a procedure come to the queue one by one, also within a loop over rows.
    one.client
        .run(
            "CREATE PROCEDURE p() AS $$ DECLARE r RECORD; n INTEGER; BEGIN FOR r IN SELECT k FROM ten LOOP \
             SELECT count(*) INTO n FROM t WHERE k = r.k; UPDATE ten SET k = k WHERE k = -1; END LOOP; END; $$ LANGUAGE plpgsql",
        )
        .await;
    one.client.run("CALL p()").await;
    // A session that is ended gives its slot back.
    let lost = Session::begin(server.port, "x").await;
    let _ended = lost.send(LONG);
    lost.until(&observer, "6|Running").await;
    observer
        .run(&format!("SELECT pg_terminate_backend({})", lost.pid))
        .await;
    assert_eq!(answer(two.send(QUICK)).await, ["1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timeout_sends_queries_on_or_cancels_them() {
    let (server, observer) = start(
        r#"[{"query_group":["a"],"query_concurrency":1,"max_execution_time":500},
            {"query_group":["a*"],"query_group_wild_card":1,"query_concurrency":1},
            {"query_group":["b"],"query_concurrency":2,"max_execution_time":500},
            {"query_concurrency":2}]"#,
    )
    .await;
    // It runs on in the next queue that is for it.
    let one = Session::begin(server.port, "a").await;
    let long = one.send(LONG);
    one.until(&observer, "6|Running").await;
    one.until(&observer, "7|Running").await;
    one.cancel(&observer).await;
    assert_eq!(refusal(long).await.0, "57014");
    let attempts = "SELECT service_class, trim(final_state), total_exec_time BETWEEN 450000 AND 650000 FROM stl_wlm_query \
                    WHERE query = (SELECT max(query) FROM stl_wlm_query WHERE service_class > 5) ORDER BY service_class";
    let rows = observer.rows(attempts).await;
    assert_eq!(rows[0], "6|Evicted|t");
    assert!(rows[1].starts_with("7|Completed"), "{rows:?}");
    // Where that is taken, it begins anew there when a slot is free, and its answer is right.
    let other = Session::begin(server.port, "ab").await;
    let taken = other.send(LONG);
    other.until(&observer, "7|Running").await;
    for (sql, expected) in [
        (MEDIUM, vec!["0".to_owned()]),
        (
            "CREATE TABLE made AS SELECT a.k * b.k AS k FROM m a, m b WHERE a.k * b.k % 7 < 0",
            Vec::new(),
        ),
    ] {
        let medium = one.send(sql);
        one.until(&observer, "7|QueuedWaiting").await;
        other.cancel(&observer).await;
        assert_eq!(answer(medium).await, expected, "{sql}");
        if expected.is_empty() {
            break;
        }
        let again = other.send(LONG);
        other.until(&observer, "7|Running").await;
        drop(again);
    }
    assert_eq!(refusal(taken).await.0, "57014");
    assert_eq!(one.client.value("SELECT count(*) FROM made").await, "0");
    // No other queue is for it: it is canceled, as is what cannot be sent on.
    let third = Session::begin(server.port, "b").await;
    for sql in [
        LONG,
        "INSERT INTO ten SELECT a.k FROM t a, t b, t c WHERE a.k + b.k + c.k < 0",
    ] {
        let begun = Instant::now();
        let (code, text) = refusal(third.send(sql)).await;
        let took = begun.elapsed().as_millis();
        assert_eq!(code, "57014");
        assert!(text.contains("WLM timeout"), "{text}");
        assert!((480..1_000).contains(&took), "{took} ms");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_log_hop_and_abort() {
    let rule = |name: &str, metric: &str, value: &str, action: &str| {
        format!(
            r#"{{"rule_name":"{name}","predicate":[{{"metric_name":"{metric}","operator":">","value":{value}}}],"action":"{action}"}}"#
        )
    };
    let logged = [
        ("cpu", "query_cpu_time", "0"),
        ("blocks", "query_blocks_read", "0"),
        ("scanned", "scan_row_count", "5000"),
        ("executed", "query_execution_time", "0"),
        ("usage", "query_cpu_usage_percent", "0"),
        ("skewed", "cpu_skew", "0"),
        ("uneven", "io_skew", "0"),
        ("joined", "join_row_count", "0"),
        ("looped", "nested_loop_join_row_count", "0"),
        ("returned", "return_row_count", "0"),
        ("segment", "segment_execution_time", "0"),
    ];
    let rules = logged.map(|(name, metric, value)| rule(name, metric, value, "log"));
    let configuration = format!(
        r#"[{{"query_group":["logs"],"rules":[{}]}},
            {{"query_group":["aborts"],"rules":[{}]}},
            {{"query_group":["hops"],"rules":[{}]}},
            {{"query_group":["hops","waits"],"query_concurrency":1,"rules":[{}]}},
            {{}}]"#,
        rules.join(","),
        rule("too_long", "query_execution_time", "1", "abort"),
        rule("go_on", "query_execution_time", "1", "hop"),
        rule("too_late", "query_queue_time", "1", "abort"),
    );
    let (server, observer) = start_on(&configuration, 2).await;
    let logs = Session::begin(server.port, "logs").await;
    logs.client
        .run("SELECT a.k FROM t a JOIN ten b ON a.k = b.k")
        .await;
    logs.client
        .run("SELECT count(*) FROM ten a, ten b WHERE a.k + b.k < 5")
        .await;
    for (name, _, _) in logged {
        let rows = format!(
            "SELECT count(*) > 0 FROM stl_wlm_rule_action WHERE rule = '{name}' AND action = 'log' AND service_class = 6"
        );
        assert_eq!(observer.value(&rows).await, "t", "{name}");
    }
    let aborts = Session::begin(server.port, "aborts").await;
    let (code, text) = refusal(aborts.send(LONG)).await;
    assert_eq!(code, "57014");
    assert!(
        text.contains("Query Monitoring Rule \"too_long\""),
        "{text}"
    );
    // Sent on to a free queue it goes on, and there it is judged by other rules.
    let hops = Session::begin(server.port, "hops").await;
    let long = hops.send(LONG);
    hops.until(&observer, "9|Running").await;
    let waits = Session::begin(server.port, "waits").await;
    let (code, text) = refusal(waits.send(QUICK)).await;
    assert_eq!(code, "57014");
    assert!(text.contains("\"too_late\""), "{text}");
    hops.cancel(&observer).await;
    assert_eq!(refusal(long).await.0, "57014");
    let actions = "SELECT trim(rule), trim(action), service_class FROM stl_wlm_rule_action WHERE action <> 'log' ORDER BY recordtime";
    assert_eq!(
        observer.rows(actions).await,
        [
            "too_long|abort|7",
            "go_on|hop(reassign)|8",
            "too_late|abort|9"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn priorities_are_changed_by_rules_and_functions() {
    let (server, observer) = start(
        r#"[{"query_group":["rule"],"auto_wlm":true,"rules":[{"rule_name":"less","predicate":
              [{"metric_name":"query_execution_time","operator":">","value":1},
               {"metric_name":"query_priority","operator":"=","value":"normal"}],
              "action":"change_query_priority","value":"lowest"}]},
            {"auto_wlm":true}]"#,
    )
    .await;
    let one = Session::begin(server.port, "rule").await;
    let long = one.send(LONG);
    let priority = "SELECT trim(query_priority) FROM stv_wlm_query_state WHERE service_class = 100";
    let begun = Instant::now();
    while observer.rows(priority).await != ["Lowest"] {
        assert!(begun.elapsed() < COMES);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let query = observer
        .value("SELECT query FROM stv_wlm_query_state WHERE service_class = 100")
        .await;
    let change = format!("SELECT change_query_priority({query}, 'Critical')");
    assert_eq!(
        observer.value(&change).await,
        "Succeeded to change query priority. Priority changed from Lowest to Critical."
    );
    assert_eq!(observer.rows(priority).await, ["Critical"]);
    let action = "SELECT trim(action), trim(action_value) FROM stl_wlm_rule_action";
    assert_eq!(
        observer.rows(action).await,
        ["change_query_priority|lowest"]
    );
    one.cancel(&observer).await;
    assert_eq!(refusal(long).await.0, "57014");
    let of_session = format!("SELECT change_session_priority({}, 'High')", one.pid);
    assert!(
        observer
            .value(&of_session)
            .await
            .ends_with("priority to high.")
    );
    one.client.run(QUICK).await;
    let last = "SELECT trim(query_priority) FROM stl_wlm_query WHERE service_class = 100 ORDER BY query DESC LIMIT 1";
    assert_eq!(observer.value(last).await, "High");
}

#[tokio::test(flavor = "multi_thread")]
async fn short_statements_do_not_wait_behind_long_ones() {
    let (server, observer) =
        start(r#"[{"query_concurrency":1},{"short_query_queue":true,"max_execution_time":2000}]"#)
            .await;
    let (one, two, three) = (
        Session::begin(server.port, "x").await,
        Session::begin(server.port, "x").await,
        Session::begin(server.port, "x").await,
    );
    let lies = |most: &str| {
        format!("SELECT count(*) FROM t a, t b, t c WHERE a.k < {most} AND a.k + b.k + c.k < 0")
    };
    for _ in 0..5 {
        two.client.run(QUICK).await;
        two.client.run(&lies("0")).await;
    }
    let long = one.send(LONG);
    one.until(&observer, "6|Running").await;
    assert_eq!(answer(two.send(QUICK)).await, ["1"]);
    let last = "SELECT service_class, trim(final_state) FROM stl_wlm_query WHERE service_class > 5 ORDER BY query DESC LIMIT 1";
    assert_eq!(observer.rows(last).await, ["14|Completed"]);
    let accelerated = "SELECT trim(short_query_accelerated) FROM sys_query_history WHERE service_class_id = 14 ORDER BY query_id DESC LIMIT 1";
    assert_eq!(observer.value(accelerated).await, "true");
    // What has the shape of a short one and is none is moved to its own queue.
    let long_two = three.send(&lies("9999"));
    one.cancel(&observer).await;
    assert_eq!(refusal(long).await.0, "57014");
    three.until(&observer, "6|Running").await;
    three.cancel(&observer).await;
    assert_eq!(refusal(long_two).await.0, "57014");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_changes_at_once_and_outlives_a_kill() {
    let (mut server, observer) = start(r#"[{"auto_wlm":true}]"#).await;
    let classes =
        "SELECT service_class, num_query_tasks FROM stv_wlm_service_class_config ORDER BY 1";
    assert_eq!(observer.rows(classes).await, ["5|1", "14|4", "100|-1"]);
    // What runs stays where it is, and its queue with it.
    let one = Session::begin(server.port, "x").await;
    let long = one.send(LONG);
    one.until(&observer, "100|Running").await;
    observer
        .run(r#"ALTER SYSTEM SET wlm_json_configuration = '[{"query_group":["d"],"query_concurrency":7},{"query_concurrency":3}]'"#)
        .await;
    assert_eq!(
        observer.rows(classes).await,
        ["5|1", "6|7", "7|3", "100|-1"]
    );
    let two = Session::begin(server.port, "D").await;
    two.client.run(QUICK).await;
    let last = "SELECT service_class FROM stl_wlm_query WHERE service_class > 5 ORDER BY query DESC LIMIT 1";
    assert_eq!(observer.value(last).await, "6");
    one.cancel(&observer).await;
    assert_eq!(refusal(long).await.0, "57014");
    assert_eq!(observer.rows(classes).await, ["5|1", "6|7", "7|3"]);
    server.kill();
    drop(observer);
    let server = server.restart().await;
    let observer = connect(server.port).await;
    assert_eq!(observer.rows(classes).await, ["5|1", "6|7", "7|3"]);
    observer
        .run("ALTER SYSTEM RESET wlm_json_configuration")
        .await;
    assert_eq!(observer.rows(classes).await, ["5|1", "14|4", "100|-1"]);
    let shown = observer.value("SHOW wlm_json_configuration").await;
    assert_eq!(shown, r#"[{"auto_wlm":true}]"#);
}

/// More sessions than slots, for a while: all are answered, and nothing is left behind.
#[tokio::test(flavor = "multi_thread")]
async fn many_sessions_share_few_slots() {
    let (server, observer) = start(r#"[{"query_concurrency":2}]"#).await;
    let mut running = Vec::new();
    for number in 0..24 {
        let session = Session::begin(server.port, "x").await;
        running.push(tokio::spawn(async move {
            for round in 0..10 {
                let key = number * 10 + round;
                let sql = format!("SELECT count(*) FROM t WHERE k = {key}");
                assert_eq!(session.client.value(&sql).await, "1");
            }
        }));
    }
    for task in running {
        task.await.expect("a session");
    }
    let left = "SELECT (SELECT count(*) FROM stv_wlm_query_state WHERE service_class = 6), num_executing_queries, num_executed_queries \
                FROM stv_wlm_service_class_state WHERE service_class = 6";
    assert_eq!(observer.rows(left).await, ["0|0|240"]);
}

#[test]
fn a_configuration_is_explained_or_refused_with_its_place() {
    let check = |text: &str| {
        let output = Command::new(binary()).args(["wlm", "check", text]).output();
        let output = output.expect("the binary runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (
            output.status.code(),
            text(&output.stdout),
            text(&output.stderr),
        )
    };
    let (code, told, _) = check(r#"[{"query_group":["dash"],"priority":"high","auto_wlm":true}]"#);
    assert_eq!(code, Some(0));
    assert!(
        told.contains(
            "Service class 100, \"Queue 1\": statements with query_group \"dash\"; priority high."
        ),
        "{told}"
    );
    assert!(
        told.contains("Service class 101, \"Default queue\""),
        "{told}"
    );
    let (code, _, complaint) = check(r#"[{"query_concurrency":51}]"#);
    assert_eq!(code, Some(1));
    assert!(
        complaint.contains("at [0].query_concurrency: a whole number of 1 to 50"),
        "{complaint}"
    );
    let (code, _, complaint) = check("no-such-file.json");
    assert_eq!(code, Some(1));
    assert!(complaint.contains("no-such-file.json"), "{complaint}");
}
