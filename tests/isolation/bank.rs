//! Bank transfers of many sessions, with the server killed in between: no money is made or lost, and what was
//! acknowledged is there.

use blueshift_tests::client::{explain, try_connect};
use blueshift_tests::{Server, ServerOptions, connect, full};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const ACCOUNTS: u64 = 1_000;
const SESSIONS: u64 = 4;

/// What the ledger says each account got, and lost.
const MOVED: &str = "SELECT account, sum(amount) AS amount FROM (
        SELECT receiver AS account, amount FROM ledger
        UNION ALL SELECT sender, -amount FROM ledger
    ) GROUP BY account";

/// Each transaction moves money between so many pairs of accounts, any of them more than once.
fn transfers_of_transaction() -> u64 {
    if full() { 5_000 } else { 500 }
}

/// Kills on each isolation level.
fn kills() -> u64 {
    if full() { 10 } else { 3 }
}

/// Transfers of the whole test.
fn transfers() -> u64 {
    if full() { 1_000_000 } else { 30_000 }
}

/// Moves money until the server is gone or enough was moved; counts what was acknowledged.
async fn work(port: u16, round: u64, session: u64, acknowledged: Arc<AtomicU64>, goal: u64) {
    let Ok(client) = try_connect(port).await else {
        return;
    };
    for number in 0.. {
        if acknowledged.load(Ordering::SeqCst) >= goal {
            return;
        }
        let batch = (round * SESSIONS + session) * 1_000_000 + number;
        let mut state = batch;
        let mut next = |below: u64| {
            // Knuth's generator; the high bits are the good ones.
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        let moves: Vec<String> = (0..transfers_of_transaction())
            .map(|_| {
                let (from, to, amount) = (next(ACCOUNTS), next(ACCOUNTS), next(7) + 1);
                format!("({batch}, {from}, {to}, {amount})")
            })
            .collect();
        // Every other transaction has a view from before it got the lock, and so conflicts with the others.
        let look = match number % 2 {
            0 => "",
            _ => "SELECT sum(balance) FROM accounts;",
        };
        let transfer = format!(
            "BEGIN; {look}
             INSERT INTO ledger VALUES {};
             UPDATE accounts SET balance = balance + moved.amount FROM (
                 {}
             ) moved WHERE accounts.id = moved.account;
             COMMIT",
            moves.join(", "),
            MOVED.replace("ledger", &format!("ledger WHERE batch = {batch}")),
        );
        match client.try_rows(&transfer).await {
            Ok(_) => {
                acknowledged.fetch_add(transfers_of_transaction(), Ordering::SeqCst);
            }
            Err(error) => {
                let Some(db) = error.as_db_error() else {
                    return;
                };
                let is_retried = ["40001", "40P01"].contains(&db.code().code());
                assert!(is_retried, "{}", explain(&error));
                if client.try_rows("ROLLBACK").await.is_err() {
                    return;
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn transfers_under_kills_keep_the_total() {
    for level in ["SNAPSHOT", "SERIALIZABLE"] {
        let mut server = Server::start(ServerOptions {
            slices: Some(2),
            ..ServerOptions::default()
        })
        .await;
        let client = connect(server.port).await;
        client
            .run(&format!("ALTER DATABASE dev ISOLATION LEVEL {level}"))
            .await;
        let values: Vec<String> = (0..ACCOUNTS).map(|id| format!("({id}, 100)")).collect();
        client
            .run(&format!(
                "CREATE TABLE accounts (id INTEGER, balance BIGINT) DISTSTYLE EVEN;
                 CREATE TABLE ledger (batch BIGINT, sender INTEGER, receiver INTEGER, amount BIGINT) SORTKEY(batch);
                 INSERT INTO accounts VALUES {}",
                values.join(",")
            ))
            .await;
        drop(client);
        let acknowledged = Arc::new(AtomicU64::new(0));
        let share = transfers() / 2 / (kills() + 1);
        for round in 1..=kills() + 1 {
            let goal = share * round;
            let workers: Vec<_> = (0..SESSIONS)
                .map(|session| {
                    // The last round ends by itself, the others by the kill.
                    let last = if round > kills() { goal } else { u64::MAX };
                    tokio::spawn(work(
                        server.port,
                        round,
                        session,
                        acknowledged.clone(),
                        last,
                    ))
                })
                .collect();
            while acknowledged.load(Ordering::SeqCst) < goal {
                assert!(
                    !workers.iter().all(|worker| worker.is_finished()),
                    "nobody works"
                );
                // Not a turn of nothing after the other: the server needs the time.
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            if round <= kills() {
                server.kill();
            }
            for worker in workers {
                worker.await.expect("worker");
            }
            if round <= kills() {
                server = server.restart().await;
            }
            let client = connect(server.port).await;
            let total = "SELECT count(*), sum(balance) FROM accounts";
            let expected = format!("{ACCOUNTS}|{}", ACCOUNTS * 100);
            assert_eq!(client.rows(total).await, [expected], "{level}");
            // Every account has what the ledger says, and every transaction is there whole or not at all.
            let wrong = format!(
                "SELECT count(*) FROM accounts LEFT JOIN ({MOVED}) moved ON id = account \
                 WHERE balance <> 100 + nvl(amount, 0)"
            );
            assert_eq!(client.value(&wrong).await, "0", "{level}");
            let half = format!(
                "SELECT count(*) FROM (SELECT batch FROM ledger GROUP BY batch \
                 HAVING count(*) <> {})",
                transfers_of_transaction()
            );
            assert_eq!(client.value(&half).await, "0", "{level}");
            let written = client.value("SELECT count(*) FROM ledger").await;
            let written: u64 = written.parse().expect("a number");
            let known = acknowledged.load(Ordering::SeqCst);
            let in_flight = SESSIONS * transfers_of_transaction() * round;
            assert!(
                (known..=known + in_flight).contains(&written),
                "{written} transfers are there, {known} were acknowledged"
            );
            if round > kills() {
                println!("{level}: {written} transfers, {} kills", kills());
            }
        }
    }
}
