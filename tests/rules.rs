//! Query monitoring rules: every metric trips a rule, and every action is taken on it.

use blueshift_tests::client::explain;
use blueshift_tests::{Client, Server, ServerOptions, connect};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::task::JoinHandle;

/// How long a rule may take; rules are looked at once a second.
const COMES: Duration = Duration::from_secs(90);

/// What runs for minutes if nobody stops it, over the rows of `x`.
fn long(x: &str) -> String {
    format!("SELECT count(*) FROM {x} x, t b, t c WHERE x.k + b.k + c.k < 0")
}

/// Every metric, the least value that it must exceed, and a query that makes it do so long before it ends.
fn metrics() -> Vec<(&'static str, &'static str, String)> {
    let joined = "(SELECT p.k FROM t p JOIN t q ON p.k = q.k)";
    let spilling = "(SELECT k, v, count(*) AS n FROM big GROUP BY k, v)";
    // Rows go to the client a few at a time.
    let returning = "SELECT a.k FROM t a, t b, t c WHERE (a.k * b.k + c.k) % 1009 = 1";
    vec![
        ("query_cpu_time", "0", long("t")),
        ("query_blocks_read", "0", long("t")),
        ("scan_row_count", "9999", long("big")),
        ("query_execution_time", "1", long("t")),
        ("query_queue_time", "1", long("t")),
        ("query_cpu_usage_percent", "0", long("t")),
        ("query_temp_blocks_to_disk", "1", long(spilling)),
        ("cpu_skew", "0", long("t")),
        ("io_skew", "0", long("t")),
        ("join_row_count", "9999", long(joined)),
        ("nested_loop_join_row_count", "9999", long("t")),
        ("return_row_count", "100", returning.to_owned()),
        ("segment_execution_time", "1", long("t")),
        ("spectrum_scan_row_count", "99", long("lake.files")),
        ("spectrum_scan_size_mb", "0", long("lake.files")),
    ]
}

/// A server whose queues are configured anew for each case.
struct Judge {
    server: Server,
    observer: Client,
    _files: TempDir,
}

impl Judge {
    async fn start() -> Judge {
        let files = TempDir::new().expect("a directory");
        let text: String = (0..100).map(|k| format!("{k}\n")).collect();
        std::fs::create_dir(files.path().join("files")).expect("a folder");
        std::fs::write(files.path().join("files/a.txt"), text).expect("a file");
        let root = files.path().display().to_string();
        let arguments = ["--copy-root", &root, "--memory", "67108864"];
        let server = Server::start(ServerOptions {
            slices: Some(2),
            arguments: arguments.map(str::to_owned).into(),
            ..ServerOptions::default()
        })
        .await;
        let observer = connect(server.port).await;
        observer.run("SET query_group TO 'superuser'").await;
        let table = format!(
            "CREATE EXTERNAL TABLE lake.files (k INTEGER) ROW FORMAT DELIMITED STORED AS TEXTFILE \
             LOCATION 'file://{root}/files/'"
        );
        for statement in [
            "ALTER USER admin SET enable_result_cache_for_session TO off",
            "CREATE EXTERNAL SCHEMA lake FROM DATA CATALOG DATABASE 'lake' IAM_ROLE default \
             CREATE EXTERNAL DATABASE IF NOT EXISTS",
            &table,
            "CREATE TABLE ten (k INTEGER) DISTSTYLE EVEN",
            "INSERT INTO ten VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)",
            "CREATE TABLE t (k INTEGER) DISTSTYLE EVEN",
            "INSERT INTO t SELECT a.k * 1000 + b.k * 100 + c.k * 10 + d.k FROM ten a, ten b, ten c, ten d",
            "CREATE TABLE big (k INTEGER, v VARCHAR(300)) DISTSTYLE EVEN",
            "INSERT INTO big SELECT t.k * 25 + a.k * 10 + b.k, repeat('x', 150) || (t.k * 25 + a.k * 10 + b.k) \
             FROM t, ten a, ten b WHERE a.k * 10 + b.k < 25",
        ] {
            observer.run(statement).await;
        }
        Judge {
            server,
            observer,
            _files: files,
        }
    }

    /// Sends a statement in a query group from a session of its own.
    async fn send(&self, group: &str, sql: &str) -> Sent {
        let client = Arc::new(connect(self.server.port).await);
        client.run(&format!("SET query_group TO '{group}'")).await;
        let pid = client.value("SELECT pg_backend_pid()").await;
        let (own, sql) = (Arc::clone(&client), sql.to_owned());
        let answer = tokio::spawn(async move {
            match own.try_rows(&sql).await {
                Ok(rows) => format!("{} rows", rows.len()),
                Err(error) => explain(&error),
            }
        });
        Sent { pid, answer }
    }

    /// Has the queue of a metric wait for those that are sent before.
    async fn crowd(&self, count: usize) -> Vec<Sent> {
        let mut crowd = Vec::new();
        for _ in 0..count {
            crowd.push(self.send("crowd", &long("t")).await);
        }
        let waiting = "SELECT count(*) FROM stv_wlm_query_state WHERE state LIKE 'Running%' AND service_class <> 5";
        self.until(waiting, |running| running != "0").await;
        crowd
    }

    async fn until(&self, sql: &str, is_so: impl Fn(&str) -> bool) -> String {
        let begun = Instant::now();
        loop {
            let value = self.observer.value(sql).await;
            if is_so(&value) {
                return value;
            }
            assert!(begun.elapsed() < COMES, "{sql}: {value}");
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    }

    /// Waits until a rule has acted; gives the action and its value.
    async fn acted(&self, rule: &str) -> String {
        let acted = format!(
            "SELECT coalesce(max(trim(action) || ' ' || nvl(trim(action_value), '')), '') FROM stl_wlm_rule_action \
             WHERE rule = '{rule}'"
        );
        self.until(&acted, |action| !action.is_empty()).await
    }

    async fn configure(&self, configuration: &str) {
        let statement = format!("ALTER SYSTEM SET wlm_json_configuration = '{configuration}'");
        self.observer.run(&statement).await;
    }
}

/// A statement on its way.
struct Sent {
    pid: String,
    answer: JoinHandle<String>,
}

impl Sent {
    /// Stops it, and gives its answer.
    async fn stop(self, judge: &Judge) -> String {
        let stop = format!("SELECT pg_cancel_backend({})", self.pid);
        judge.observer.run(&stop).await;
        self.answered().await
    }

    /// Stops it, which shows that the rule has not.
    async fn goes_on(self, judge: &Judge, rule: &str) {
        let text = self.stop(judge).await;
        assert!(text.contains("on user's request"), "{rule}: {text}");
    }

    async fn answered(self) -> String {
        let answer = tokio::time::timeout(COMES, self.answer).await;
        answer.expect("an answer in time").expect("the task")
    }
}

/// Runs each metric's query under a rule with an action.
async fn each(action: &str, is_automatic: bool, seen: impl AsyncFn(&Judge, &str, Sent)) {
    let judge = Judge::start().await;
    for (metric, least, query) in metrics() {
        if (metric, action) == ("query_queue_time", "hop") {
            // Nobody hops while they wait; the configuration is refused.
            continue;
        }
        // A name has at most 32 characters.
        let rule = format!("{}_{}", &action[..3], metric.replace("query_", ""));
        let (value, queue) = match is_automatic {
            true => (r#","value":"lowest""#, r#""auto_wlm":true"#),
            false => ("", r#""query_concurrency":1"#),
        };
        judge
            .configure(&format!(
                r#"[{{"name":"judged","query_group":["judged","crowd"],{queue},"rules":[{{"rule_name":"{rule}","predicate":
                   [{{"metric_name":"{metric}","operator":">","value":{least}}}],"action":"{action}"{value}}}]}},
                   {{"name":"next","query_group":["judged"],{queue}}},{{{queue}}},{{"short_query_queue":false}}]"#
            ))
            .await;
        let crowd = match metric {
            "query_queue_time" if is_automatic => judge.crowd(9).await,
            "query_queue_time" => judge.crowd(1).await,
            _ => Vec::new(),
        };
        let sent = judge.send("judged", &query).await;
        if !crowd.is_empty() {
            // It waits for longer than the rule allows; only then may it run.
            tokio::time::sleep(Duration::from_millis(2_500)).await;
        }
        for other in crowd {
            other.stop(&judge).await;
        }
        seen(&judge, &rule, sent).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_logs() {
    each("log", false, async |judge, rule, sent| {
        assert_eq!(judge.acted(rule).await, "log ", "{rule}");
        sent.goes_on(judge, rule).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_aborts() {
    each("abort", false, async |judge, rule, sent| {
        let text = sent.answered().await;
        assert!(
            text.contains(&format!("Query Monitoring Rule \"{rule}\"")),
            "{rule}: {text}"
        );
        assert_eq!(judge.acted(rule).await, "abort ", "{rule}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_hops() {
    each("hop", false, async |judge, rule, sent| {
        let action = judge.acted(rule).await;
        assert!(action.starts_with("hop("), "{rule}: {action}");
        let place = "SELECT max(trim(q.name)) FROM stv_wlm_query_state s JOIN stv_wlm_service_class_config q \
                     ON q.service_class = s.service_class WHERE s.service_class > 5";
        judge.until(place, |queue| queue == "next").await;
        sent.goes_on(judge, rule).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_changes_the_priority() {
    each("change_query_priority", true, async |judge, rule, sent| {
        assert_eq!(
            judge.acted(rule).await,
            "change_query_priority lowest",
            "{rule}"
        );
        sent.goes_on(judge, rule).await;
    })
    .await;
}
