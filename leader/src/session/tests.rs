//! Statements through a session, without a socket.

mod load;

use super::*;
use crate::server::ServerOptions;
use crate::wlm::config::{DEFAULT, WlmConfig};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use blueshift_compute::node::NodeOptions;
use blueshift_storage::store::StoreOptions;
use futures::StreamExt;
use std::path::Path;

pub(super) fn start(directory: &Path) -> Arc<Server> {
    Server::start(options(directory)).unwrap()
}

fn options(directory: &Path) -> ServerOptions {
    ServerOptions {
        store: StoreOptions {
            dir: directory.to_path_buf(),
            cache_bytes: 16 << 20,
            slice_count: 2,
            sync: false,
        },
        node: NodeOptions {
            threads: Some(2),
            limits: blueshift_compute::resource::Limits {
                queries_bytes: Some(256 << 20),
                ..Default::default()
            },
            ..NodeOptions::default()
        },
        history_days: 7,
        md5: false,
        scan_limits: Default::default(),
        wlm: WlmConfig::parse(DEFAULT).unwrap(),
        admin_verifier: Box::new(|| Ok("SCRAM-SHA-256$4096:AAAA$AAAA:AAAA".to_string())),
    }
}

pub(super) fn login(server: &Arc<Server>, user: &str, pid: i32) -> Session {
    let facts = LoginFacts {
        connection: None,
        user: user.to_string(),
        database: "dev".to_string(),
        options: Vec::new(),
        parameters: Vec::new(),
        peer: None,
        pid,
    };
    Session::open(server.clone(), facts).unwrap()
}

/// Runs a text; gives the last answer as tag or as rows of `a|b`.
async fn run(session: &mut Session, text: &str) -> Result<Vec<String>> {
    let mut last = Vec::new();
    for parsed in blueshift_sql::statement::parse(text)? {
        let answer = session.run(&parsed, &[]).await?;
        last = match answer.body {
            Body::Done { tag } => vec![tag],
            Body::Empty => Vec::new(),
            Body::Rows { mut stream, .. } => {
                let mut rows = Vec::new();
                while let Some(batch) = stream.next().await {
                    let batch = batch.inspect_err(|_| session.fail())?;
                    let options = FormatOptions::default().with_null("NULL");
                    let columns: Vec<_> = batch
                        .columns()
                        .iter()
                        .map(|column| ArrayFormatter::try_new(column, &options).unwrap())
                        .collect();
                    for row in 0..batch.num_rows() {
                        let cells = columns.iter().map(|column| column.value(row).to_string());
                        rows.push(cells.collect::<Vec<_>>().join("|"));
                    }
                }
                rows
            }
        };
    }
    Ok(last)
}

async fn ok(session: &mut Session, text: &str) -> Vec<String> {
    run(session, text)
        .await
        .unwrap_or_else(|error| panic!("{text}: {error}: {error:?}"))
}

async fn code(session: &mut Session, text: &str) -> &'static str {
    match run(session, text).await {
        Ok(rows) => panic!("{text} answered {rows:?}"),
        Err(Error::Sql(error)) => error.code.0,
        Err(other) => panic!("{text}: {other:?}"),
    }
}

#[tokio::test]
async fn rows_are_written_changed_and_found_again_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(directory.path());
    let mut session = login(&server, "admin", 1);
    let s = &mut session;
    assert_eq!(
        ok(s, "create table t (a int, b varchar(10) default 'x')").await,
        ["CREATE TABLE"]
    );
    assert_eq!(
        ok(
            s,
            "insert into t values (1, 'one'), (2, 'two'), (3, 'three')"
        )
        .await,
        ["INSERT 0 3"]
    );
    assert_eq!(ok(s, "insert into t (a) values (4)").await, ["INSERT 0 1"]);
    assert_eq!(
        ok(s, "select a, b from t order by a").await,
        ["1|one", "2|two", "3|three", "4|x"]
    );
    assert_eq!(
        ok(s, "update t set b = 'zwei' where a = 2").await,
        ["UPDATE 1"]
    );
    assert_eq!(ok(s, "delete from t where a = 3").await, ["DELETE 1"]);
    let wanted = ["1|one", "2|zwei", "4|x"];
    assert_eq!(ok(s, "select a, b from t order by a").await, wanted);
    drop(session);
    server.stop().unwrap();
    drop(server);
    let server = start(directory.path());
    let mut session = login(&server, "admin", 2);
    assert_eq!(
        ok(&mut session, "select a, b from t order by a").await,
        wanted
    );
}

#[tokio::test]
async fn a_block_sees_its_own_work_and_rollback_takes_it_back() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(directory.path());
    let mut session = login(&server, "admin", 1);
    let mut other = login(&server, "admin", 2);
    let s = &mut session;
    ok(s, "create table t (a int); insert into t values (1)").await;
    ok(
        s,
        "begin; insert into t values (2); create table u (b int); update t set a = a + 10",
    )
    .await;
    ok(s, "delete from t where a = 12; update t set a = a + 100").await;
    assert_eq!(ok(s, "select a from t").await, ["111"]);
    assert_eq!(ok(&mut other, "select a from t").await, ["1"]);
    assert_eq!(code(&mut other, "select * from u").await, "42P01");
    assert_eq!(s.transaction_status(), TransactionStatus::Open);
    ok(s, "rollback").await;
    assert_eq!(ok(s, "select a from t").await, ["1"]);
    ok(s, "begin; insert into t values (2); commit").await;
    assert_eq!(
        ok(&mut other, "select a from t order by a").await,
        ["1", "2"]
    );
}

#[tokio::test]
async fn a_failed_block_refuses_until_it_ends() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(directory.path());
    let mut session = login(&server, "admin", 1);
    let s = &mut session;
    ok(s, "begin; create table t (a int)").await;
    assert_eq!(code(s, "select * from nothing").await, "42P01");
    assert_eq!(s.transaction_status(), TransactionStatus::Failed);
    assert_eq!(code(s, "select 1").await, "25P02");
    assert_eq!(ok(s, "commit").await, ["ROLLBACK"]);
    assert_eq!(s.transaction_status(), TransactionStatus::Idle);
    assert_eq!(code(s, "select * from t").await, "42P01");
}

#[tokio::test]
async fn two_writers_of_the_same_rows_conflict() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(directory.path());
    let mut first = login(&server, "admin", 1);
    let mut second = login(&server, "admin", 2);
    ok(
        &mut first,
        "create table t (a int); insert into t values (1)",
    )
    .await;
    ok(&mut first, "begin; select * from t").await;
    ok(&mut second, "update t set a = 2").await;
    let outcome = run(&mut first, "update t set a = 3; commit").await;
    let Err(Error::Sql(error)) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!((error.code.0, error.message.as_str()), ("40001", "1023"));
    ok(&mut first, "rollback").await;
    assert_eq!(ok(&mut first, "select a from t").await, ["2"]);
}

#[tokio::test]
async fn tables_with_dependents_are_kept_without_cascade() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(directory.path());
    let mut session = login(&server, "admin", 1);
    let s = &mut session;
    ok(
        s,
        "create schema s; create table s.t (a int, b int); insert into s.t values (1, 2)",
    )
    .await;
    ok(
        s,
        "create view v as select b, a from s.t; create view w (x) as select b from v",
    )
    .await;
    assert_eq!(ok(s, "select x from w").await, ["2"]);
    assert_eq!(code(s, "drop table s.t").await, "2BP01");
    assert_eq!(code(s, "drop schema s").await, "2BP01");
    ok(s, "drop schema s cascade").await;
    assert_eq!(code(s, "select * from w").await, "42P01");
    assert_eq!(code(s, "select * from s.t").await, "3F000");
}

#[tokio::test]
async fn a_table_of_a_query_keeps_types_and_keys() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(directory.path());
    let mut session = login(&server, "admin", 1);
    let s = &mut session;
    ok(
        s,
        "create table t (a int distkey, b varchar(7), c decimal(8,2) sortkey)",
    )
    .await;
    ok(s, "insert into t values (1, 'x', 1.50), (2, 'y', 2.25)").await;
    assert_eq!(
        ok(s, "create table u as select c as cc, a from t").await,
        ["SELECT"]
    );
    assert_eq!(
        ok(s, "select cc, a from u order by a").await,
        ["1.50|1", "2.25|2"]
    );
    let catalog = server.transactions.committed_catalog().unwrap();
    let table = catalog
        .tables
        .values()
        .find(|table| table.name == "u")
        .unwrap();
    assert_eq!(
        table.distribution,
        crate::catalog::TableDistribution::Key(1)
    );
    assert_eq!(table.sort, crate::catalog::TableSort::Compound(vec![0]));
    ok(
        s,
        "create temp table mine as select 1 as one; select * from mine",
    )
    .await;
    ok(
        s,
        "create table #mine (two int); insert into #mine values (2)",
    )
    .await;
    assert_eq!(ok(s, "select one, two from mine, #mine").await, ["1|2"]);
    let mut other = login(&server, "admin", 2);
    assert_eq!(code(&mut other, "select * from mine").await, "42P01");
}

#[tokio::test]
async fn identities_count_and_truncate_commits() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(directory.path());
    let mut session = login(&server, "admin", 1);
    let s = &mut session;
    ok(s, "create table t (id bigint identity(1,1), a int)").await;
    ok(s, "insert into t (a) values (7), (8)").await;
    ok(s, "insert into t (a) values (9)").await;
    assert_eq!(
        ok(s, "select count(distinct id), min(id) from t").await,
        ["3|1"]
    );
    ok(s, "begin; truncate t").await;
    assert_eq!(s.transaction_status(), TransactionStatus::Idle);
    assert_eq!(ok(s, "select count(*) from t").await, ["0"]);
}

#[tokio::test]
async fn users_without_rights_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(directory.path());
    let mut session = login(&server, "admin", 1);
    ok(
        &mut session,
        "create table t (a int); create user joe password 'Passw0rdOfJoe'",
    )
    .await;
    let mut joe = login(&server, "joe", 2);
    assert_eq!(code(&mut joe, "select * from t").await, "42501");
    assert_eq!(code(&mut joe, "drop table t").await, "42501");
    assert_eq!(code(&mut joe, "create schema s").await, "42501");
    ok(
        &mut joe,
        "create table mine (a int); insert into mine values (1)",
    )
    .await;
    assert_eq!(
        ok(
            &mut joe,
            "select current_user, has_table_privilege('t', 'select')"
        )
        .await,
        ["joe|false"]
    );
}

#[tokio::test]
async fn settings_follow_the_transaction() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(directory.path());
    let mut session = login(&server, "admin", 1);
    let s = &mut session;
    ok(s, "set app.tenant to '7'; begin; set search_path to a, b").await;
    assert_eq!(ok(s, "show search_path").await, ["a, b"]);
    ok(s, "rollback").await;
    assert_eq!(ok(s, "show search_path").await, ["$user, public"]);
    assert_eq!(ok(s, "select current_setting('app.tenant')").await, ["7"]);
    assert_eq!(code(s, "show nothing").await, "42704");
}

#[tokio::test]
async fn statements_are_prepared_and_canceled() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(directory.path());
    let mut session = login(&server, "admin", 1);
    let s = &mut session;
    ok(
        s,
        "create table t (a int, b varchar(5)); insert into t values (1, 'x'), (2, 'y')",
    )
    .await;
    let prepared = s
        .prepare("select b from t where a = $1", &[])
        .await
        .unwrap();
    assert_eq!(prepared.parameters, [SqlType::Integer]);
    assert_eq!(prepared.columns.unwrap()[0].ty, SqlType::Varchar(5));
    ok(s, "prepare p as select b from t where a = $1").await;
    assert_eq!(ok(s, "execute p(2)").await, ["y"]);
    let mut blocker = login(&server, "admin", 2);
    ok(&mut blocker, "begin; update t set a = 5").await;
    let cancel = s.cancel_handle();
    let (outcome, ()) = tokio::join!(run(s, "update t set a = 6"), async {
        tokio::task::yield_now().await;
        cancel.cancel();
    });
    let Err(Error::Sql(error)) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(error.code.0, "57014");
}

#[tokio::test]
async fn system_tables_show_what_there_is() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(directory.path());
    let mut session = login(&server, "admin", 1);
    let s = &mut session;
    ok(
        s,
        "create table t (a int not null, b varchar(5)); comment on column t.b is 'bee'",
    )
    .await;
    let columns = "select a.attname, a.atttypid, a.attnotnull from pg_attribute a join pg_class c on c.oid = a.attrelid \
                   join pg_namespace n on n.oid = c.relnamespace where c.relname = 't' and n.nspname = 'public' \
                   order by a.attnum";
    assert_eq!(ok(s, columns).await, ["a|23|true", "b|1043|false"]);
    assert_eq!(
        ok(s, "select description from pg_description").await,
        ["bee"]
    );
    assert_eq!(ok(s, "select user_name from stv_sessions").await, ["admin"]);
    let tables = crate::system::tables().iter();
    for table in tables {
        ok(
            s,
            &format!("select * from {}.{}", table.schema(), table.name()),
        )
        .await;
    }
}
