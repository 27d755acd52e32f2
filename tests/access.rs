//! Several users at once: what one is granted or loses while others are connected, who may log in, and that it all
//! outlives a kill of the server.

use blueshift_tests::client::{Client, connect, explain, try_connect_as};
use blueshift_tests::{Server, ServerOptions};

const PASSWORD: &str = "Good-password-1";

async fn server_with_users() -> (Server, Client) {
    let server = Server::start(ServerOptions::default()).await;
    let admin = connect(server.port).await;
    for text in [
        "CREATE USER ann PASSWORD 'Good-password-1'",
        "CREATE USER bob PASSWORD 'Good-password-1'",
        "CREATE GROUP readers WITH USER bob",
        "CREATE ROLE writer",
        "CREATE TABLE t (a INTEGER, b INTEGER)",
        "INSERT INTO t VALUES (1, 10)",
    ] {
        admin.run(text).await;
    }
    (server, admin)
}

async fn login(server: &Server, user: &str) -> Client {
    try_connect_as(server.port, user, PASSWORD, "dev")
        .await
        .unwrap_or_else(|error| panic!("{user}: {}", explain(&error)))
}

async fn refused_login(server: &Server, user: &str, password: &str) -> String {
    match try_connect_as(server.port, user, password, "dev").await {
        Ok(_) => panic!("{user} got in"),
        Err(error) => explain(&error),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_counts_from_the_next_statement_of_everybody() {
    let (server, admin) = server_with_users().await;
    let bob = login(&server, "bob").await;
    let prepared = "SELECT b FROM t WHERE a = $1";
    assert_eq!(bob.failure("SELECT * FROM t").await.0, "42501");

    admin.run("GRANT SELECT ON t TO GROUP readers").await;
    assert_eq!(bob.rows("SELECT * FROM t").await, ["1|10"]);
    let statement = bob.inner.prepare(prepared).await.expect("prepare");
    let rows = bob.inner.query(&statement, &[&1_i32]).await.expect("query");
    assert_eq!(rows.len(), 1);

    // What was prepared when it was allowed is asked anew when it runs.
    admin.run("ALTER GROUP readers DROP USER bob").await;
    let error = bob.inner.query(&statement, &[&1_i32]).await;
    let code = error.err().and_then(|error| error.code().cloned());
    assert_eq!(
        code.map(|code| code.code().to_string()).as_deref(),
        Some("42501")
    );

    admin.run("GRANT INSERT, SELECT ON t TO ROLE writer").await;
    admin.run("GRANT ROLE writer TO bob").await;
    bob.run("INSERT INTO t VALUES (2, 20)").await;
    admin.run("REVOKE ROLE writer FROM bob").await;
    assert_eq!(bob.failure("INSERT INTO t VALUES (3, 30)").await.0, "42501");

    // A grant that is not committed is nobody else's business.
    admin.run("BEGIN; GRANT SELECT ON t TO bob").await;
    assert_eq!(bob.failure("SELECT * FROM t").await.0, "42501");
    admin.run("COMMIT").await;
    assert_eq!(bob.value("SELECT count(*) FROM t").await, "2");
    assert_eq!(
        bob.failure("SET SESSION AUTHORIZATION ann").await.0,
        "42501"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_grants_at_once_are_both_kept() {
    let (server, admin) = server_with_users().await;
    let other = connect(server.port).await;
    admin.run("BEGIN").await;
    admin.run("SELECT count(*) FROM t").await;
    other.run("GRANT SELECT ON t TO ann").await;
    // The view of this transaction is older than that grant.
    admin.run("GRANT SELECT ON t TO bob").await;
    admin.run("COMMIT").await;
    for user in ["ann", "bob"] {
        let client = login(&server, user).await;
        assert_eq!(client.value("SELECT a FROM t").await, "1", "{user}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_outlive_a_kill() {
    let (mut server, admin) = server_with_users().await;
    for text in [
        "GRANT SELECT (a) ON t TO bob",
        "GRANT INSERT ON t TO ROLE writer",
        "GRANT ROLE writer TO ann",
        "GRANT ROLE sys:operator TO ann",
        "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO bob",
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
    ] {
        admin.run(text).await;
    }
    server.kill();
    let server = server.restart().await;
    let admin = connect(server.port).await;
    let (ann, bob) = (login(&server, "ann").await, login(&server, "bob").await);
    assert_eq!(bob.rows("SELECT * FROM t").await, ["1"]);
    assert_eq!(bob.failure("SELECT b FROM t").await.0, "42501");
    assert_eq!(
        bob.failure("CREATE TABLE mine (a INTEGER)").await.0,
        "42501"
    );
    ann.run("INSERT INTO t VALUES (5, 50)").await;
    ann.run("VACUUM t").await;
    admin.run("CREATE TABLE later AS SELECT 7 AS a").await;
    assert_eq!(bob.rows("SELECT a FROM later").await, ["7"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn maintenance_passes_over_tables_of_others() {
    let (server, admin) = server_with_users().await;
    let bob = login(&server, "bob").await;
    admin.run("DELETE FROM t").await;
    for statement in [
        "VACUUM t",
        "VACUUM FULL t TO 100 PERCENT",
        "ANALYZE t",
        "VACUUM",
        "ANALYZE",
    ] {
        bob.run(statement).await;
    }
    let events = "SELECT (SELECT count(*) FROM stl_vacuum WHERE status NOT LIKE '[VacuumBG]%'), \
        (SELECT count(*) FROM stl_analyze WHERE is_background = 'f' AND is_auto = 'f')";
    assert_eq!(admin.rows(events).await, ["0|0"], "nothing was done");
    assert_eq!(bob.failure("VACUUM nowhere").await.0, "42P01");
    assert_eq!(bob.failure("ANALYZE COMPRESSION t").await.0, "42501");
    // What is logged is for superusers.
    admin.run("VACUUM DELETE ONLY t TO 100 PERCENT").await;
    assert_eq!(bob.rows("SELECT count(*) FROM stl_vacuum").await, ["0"]);
    // With the permission they are no longer passed over.
    admin.run("GRANT VACUUM TO ROLE writer").await;
    admin.run("GRANT ROLE writer TO bob").await;
    admin
        .run("INSERT INTO t VALUES (1, 2); DELETE FROM t")
        .await;
    bob.run("VACUUM DELETE ONLY t TO 100 PERCENT").await;
    let done = "SELECT count(*) FROM stl_vacuum v JOIN pg_user u ON u.usesysid = v.userid WHERE usename = 'bob'";
    assert_eq!(admin.rows(done).await, ["2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_log_in() {
    let (server, admin) = server_with_users().await;
    admin.run("ALTER USER bob VALID UNTIL '2001-01-01'").await;
    let refused = refused_login(&server, "bob", PASSWORD).await;
    assert!(refused.starts_with("28P01"), "{refused}");
    admin.run("ALTER USER bob VALID UNTIL 'infinity'").await;
    login(&server, "bob").await;

    admin.run("ALTER USER ann PASSWORD DISABLE").await;
    let refused = refused_login(&server, "ann", PASSWORD).await;
    assert!(refused.starts_with("28P01"), "{refused}");
    admin
        .run("ALTER USER ann PASSWORD 'sha256|Other-password-2'")
        .await;
    assert!(
        try_connect_as(server.port, "ann", "Other-password-2", "dev")
            .await
            .is_ok()
    );

    admin
        .run("CREATE USER one PASSWORD 'Good-password-1' CONNECTION LIMIT 1")
        .await;
    let only = login(&server, "one").await;
    let refused = refused_login(&server, "one", PASSWORD).await;
    assert!(refused.starts_with("53300"), "{refused}");
    assert_eq!(only.value("SELECT current_user").await, "one");

    admin
        .run("ALTER USER one SET search_path TO elsewhere")
        .await;
    drop(only);
    admin.run("ALTER USER one CONNECTION LIMIT UNLIMITED").await;
    let again = login(&server, "one").await;
    assert_eq!(again.value("SHOW search_path").await, "elsewhere");
    assert_eq!(again.failure("DROP USER bob").await.0, "42501");
}

/// User lists of other clusters hold md5 digests; only a server that is told to takes them.
#[tokio::test(flavor = "multi_thread")]
async fn md5_digests_are_off_until_the_server_is_told() {
    let create = "CREATE USER ann PASSWORD 'md5' || md5('Good-password-1ann')";
    let options = |arguments: &[&str]| ServerOptions {
        arguments: arguments.iter().map(|one| (*one).to_owned()).collect(),
        ..ServerOptions::default()
    };
    let server = Server::start(options(&["--md5"])).await;
    let admin = connect(server.port).await;
    assert_eq!(admin.failure(create).await.0, "42601");
    let digest = admin
        .value("SELECT 'md5' || md5('Good-password-1ann')")
        .await;
    let create = format!("CREATE USER ann PASSWORD '{digest}'");
    admin.run(&create).await;
    let ann = login(&server, "ann").await;
    assert_eq!(ann.value("SELECT current_user").await, "ann");
    for wrong in ["Good-password-2", digest.as_str()] {
        let refused = refused_login(&server, "ann", wrong).await;
        assert!(refused.starts_with("28P01"), "{refused}");
    }
    // The name is part of the digest.
    admin.run("ALTER USER ann RENAME TO anna").await;
    let refused = refused_login(&server, "anna", PASSWORD).await;
    assert!(refused.starts_with("28P01"), "{refused}");

    let strict = Server::start(ServerOptions::default()).await;
    let admin = connect(strict.port).await;
    let (code, text) = admin.failure(&create).await;
    assert_eq!(code, "0A000");
    assert!(!text.contains(&digest), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_keeps_the_rules() {
    let (_server, admin) = server_with_users().await;
    for weak in [
        "Short-1",
        "no-upper-case-1",
        "NO-LOWER-CASE-1",
        "No-digit-here",
        "Not/allowed-1",
        "Not@allowed-1",
        "Nicht-erlaübt-1",
        "With blank-1",
    ] {
        let (code, text) = admin
            .failure(&format!("ALTER USER ann PASSWORD '{weak}'"))
            .await;
        assert_eq!(code, "22023", "{weak}");
        assert!(!text.contains(weak), "{text}");
    }
    admin.run("ALTER USER ann PASSWORD '!Bears-~#1'").await;
}

/// Gives the rows of a prepared statement without parameters, sorted.
async fn rows_of(client: &Client, statement: &tokio_postgres::Statement) -> Vec<i32> {
    let rows = client.inner.query(statement, &[]).await;
    let rows = rows.unwrap_or_else(|error| panic!("{}", explain(&error)));
    let mut values: Vec<i32> = rows.iter().map(|row| row.get(0)).collect();
    values.sort_unstable();
    values
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_holds_from_the_next_statement_of_everybody() {
    let (server, admin) = server_with_users().await;
    admin.run("INSERT INTO t VALUES (2, 20), (3, 30)").await;
    admin.run("GRANT SELECT ON t TO PUBLIC").await;
    let (ann, bob) = (login(&server, "ann").await, login(&server, "bob").await);
    let all = "SELECT a FROM t WHERE b > 0";
    let of_ann = ann.inner.prepare(all).await.expect("prepare");
    let of_bob = bob.inner.prepare(all).await.expect("prepare");
    assert_eq!(rows_of(&ann, &of_ann).await, [1, 2, 3]);

    admin
        .run("CREATE RLS POLICY small WITH (a INTEGER) USING (a < 3)")
        .await;
    admin.run("ATTACH RLS POLICY small ON t TO ann").await;
    // What is not committed is nobody else's business.
    admin
        .run("BEGIN; ALTER TABLE t ROW LEVEL SECURITY ON")
        .await;
    assert_eq!(rows_of(&bob, &of_bob).await, [1, 2, 3]);
    admin.run("COMMIT").await;
    assert_eq!(rows_of(&ann, &of_ann).await, [1, 2]);
    assert_eq!(rows_of(&bob, &of_bob).await, Vec::<i32>::new());
    assert_eq!(admin.value("SELECT count(*) FROM t").await, "3");

    admin
        .run("CREATE MASKING POLICY none WITH (b INTEGER) USING (0)")
        .await;
    admin
        .run("ATTACH MASKING POLICY none ON t(b) TO PUBLIC")
        .await;
    assert_eq!(rows_of(&ann, &of_ann).await, Vec::<i32>::new());
    assert_eq!(ann.rows("SELECT * FROM t ORDER BY a").await, ["1|0", "2|0"]);
    admin
        .run("DETACH MASKING POLICY none ON t(b) FROM PUBLIC")
        .await;

    // A cursor gives what its user might see when it was declared.
    ann.run("BEGIN; DECLARE c CURSOR FOR SELECT a FROM t ORDER BY a")
        .await;
    assert_eq!(ann.rows("FETCH 1 FROM c").await, ["1"]);
    admin.run("DETACH RLS POLICY small ON t FROM ann").await;
    assert_eq!(ann.rows("FETCH 5 FROM c").await, ["2"]);
    ann.run("COMMIT").await;
    assert_eq!(rows_of(&ann, &of_ann).await, Vec::<i32>::new());

    admin.run("ALTER TABLE t ROW LEVEL SECURITY OFF").await;
    assert_eq!(rows_of(&bob, &of_bob).await, [1, 2, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_attachments_at_once_are_both_kept_and_outlive_a_kill() {
    let (mut server, admin) = server_with_users().await;
    admin.run("INSERT INTO t VALUES (2, 20), (3, 30)").await;
    admin.run("GRANT SELECT ON t TO PUBLIC").await;
    for text in [
        "CREATE RLS POLICY one WITH (a INTEGER) USING (a = 1)",
        "CREATE RLS POLICY two WITH (a INTEGER) USING (a = 2)",
        "CREATE MASKING POLICY hidden WITH (b INTEGER) USING (-b)",
        "ALTER TABLE t ROW LEVEL SECURITY ON CONJUNCTION TYPE OR",
    ] {
        admin.run(text).await;
    }
    let other = connect(server.port).await;
    admin.run("BEGIN").await;
    admin.run("SELECT count(*) FROM t").await;
    other.run("ATTACH RLS POLICY one ON t TO bob").await;
    // The view of this transaction is older than that attachment.
    admin.run("ATTACH RLS POLICY two ON t TO bob").await;
    admin
        .run("ATTACH MASKING POLICY hidden ON t(b) TO bob")
        .await;
    admin.run("COMMIT").await;
    // A table that goes takes what is attached to it along.
    other.run("CREATE TABLE gone (a INTEGER)").await;
    other.run("ATTACH RLS POLICY one ON gone TO PUBLIC").await;
    other.run("DROP TABLE gone").await;

    server.kill();
    let server = server.restart().await;
    let bob = login(&server, "bob").await;
    assert_eq!(
        bob.rows("SELECT * FROM t ORDER BY a").await,
        ["1|-10", "2|-20"]
    );
    let admin = connect(server.port).await;
    let attached = "SELECT relname, polname FROM svv_rls_attached_policy ORDER BY 2";
    assert_eq!(admin.rows(attached).await, ["t|one", "t|two"]);
    admin.run("DROP USER bob").await;
    assert_eq!(admin.rows(attached).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_database_is_read_through_its_policies() {
    let (server, admin) = server_with_users().await;
    admin.run("GRANT SELECT ON t TO PUBLIC").await;
    for text in [
        "CREATE MASKING POLICY hidden WITH (b INTEGER) USING (-b)",
        "ATTACH MASKING POLICY hidden ON t(b) TO PUBLIC",
        "CREATE DATABASE elsewhere",
    ] {
        admin.run(text).await;
    }
    let there = try_connect_as(server.port, "bob", PASSWORD, "elsewhere")
        .await
        .unwrap_or_else(|error| panic!("{}", explain(&error)));
    assert_eq!(there.rows("SELECT * FROM dev.public.t").await, ["1|-10"]);
    admin.run("ALTER TABLE t ROW LEVEL SECURITY ON").await;
    let (code, text) = there.failure("SELECT * FROM dev.public.t").await;
    assert_eq!(code, "42501");
    assert!(
        text.contains("RLS-protected relation \"t\" cannot be accessed via cross-database query."),
        "{text}"
    );
    admin.run("GRANT IGNORE RLS TO bob").await;
    assert_eq!(there.rows("SELECT * FROM dev.public.t").await, ["1|-10"]);
}
