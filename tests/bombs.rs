//! Texts made to break a parser or a planner: each ends in an answer or a clean error, and the server lives.
//!
//! The README of `sql` tells the bounds, under "The way of a statement".

use blueshift_tests::client::{Client, explain};
use blueshift_tests::{Server, ServerOptions, connect};
use tokio_postgres::SimpleQueryMessage;

/// What a text ends in.
enum End {
    Value(&'static str),
    Error(&'static str),
}
use End::{Error, Value};

async fn run(client: &Client, text: &str) -> Result<String, String> {
    let messages = client.inner.simple_query(text).await;
    let messages = messages.map_err(|error| explain(&error))?;
    let value = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or("NULL").to_owned()),
        _ => None,
    });
    Ok(value.unwrap_or_default())
}

fn list(count: usize, separator: &str, item: impl Fn(usize) -> String) -> String {
    (0..count).map(item).collect::<Vec<_>>().join(separator)
}

/// `begin` and `end` that many times around what is inside.
fn nested(count: usize, begin: &str, inside: &str, end: &str) -> String {
    begin.repeat(count) + inside + &end.repeat(count)
}

const MANY: usize = 100_000;

#[tokio::test(flavor = "multi_thread")]
async fn each_ends_and_the_server_lives() {
    let server = Server::start(ServerOptions::default()).await;
    let client = connect(server.port).await;
    client
        .run("CREATE TABLE bomb (i INTEGER, v VARCHAR(20))")
        .await;
    client
        .run("INSERT INTO bomb VALUES (1, 'a'), (2, 'b'), (NULL, NULL)")
        .await;
    let select = |text: String| format!("SELECT {text}");
    let filter = |text: String| format!("SELECT count(*) FROM bomb WHERE {text}");
    let number = |number: usize| number.to_string();
    let too_deep = || Error("54001");
    let bombs = [
        (
            "parentheses",
            select(nested(MANY, "(", "1", ")")),
            too_deep(),
        ),
        (
            "parentheses left open",
            select("(".repeat(MANY)),
            too_deep(),
        ),
        (
            "parentheses as many as may be",
            select(nested(190, "(", "1", ")")),
            Value("1"),
        ),
        ("brackets", select("[".repeat(MANY)), too_deep()),
        (
            "a long select list",
            select(list(20_000, ",", number)),
            Error("54011"),
        ),
        (
            "subqueries",
            nested(MANY, "SELECT * FROM (", "SELECT 1", ") t"),
            too_deep(),
        ),
        (
            "some subqueries",
            nested(100, "SELECT * FROM (", "SELECT 1", ") t"),
            Value("1"),
        ),
        (
            "a long list",
            filter(format!("i IN ({})", list(1_000_000, ",", number))),
            too_deep(),
        ),
        (
            "a long list of texts",
            filter(format!(
                "v NOT IN ({})",
                list(1_000_000, ",", |n| format!("'{n}'"))
            )),
            too_deep(),
        ),
        (
            "a list",
            filter(format!("i IN ({})", list(20_000, ",", number))),
            Value("2"),
        ),
        (
            "a CASE of many branches",
            select(format!(
                "max(CASE {} END) FROM bomb",
                list(5_000, " ", |n| format!("WHEN i = {n} THEN 'v{n}'"))
            )),
            Value("v2"),
        ),
        (
            "joins",
            format!(
                "SELECT 1 FROM bomb b0 {}",
                list(5_000, " ", |n| format!("JOIN bomb c{n} ON c{n}.i = b0.i"))
            ),
            too_deep(),
        ),
        (
            "tables behind commas",
            format!(
                "SELECT 1 FROM {}",
                list(5_000, ", ", |n| format!("bomb b{n}"))
            ),
            too_deep(),
        ),
        (
            "some joins",
            format!(
                "SELECT count(*) FROM bomb b0 {}",
                list(40, " ", |n| format!("JOIN bomb c{n} ON c{n}.i = b0.i"))
            ),
            Value("2"),
        ),
        (
            "texts put together",
            format!(
                "SELECT len({}) FROM bomb WHERE i = 1",
                list(600, "||", |_| "v".to_owned())
            ),
            Value("600"),
        ),
        (
            "more texts put together",
            format!(
                "SELECT len({}) FROM bomb WHERE i = 1",
                list(2_500, "||", |_| "v".to_owned())
            ),
            Value("2500"),
        ),
        (
            "plus of decimals",
            select(list(1_000, "+", |_| "1.5".to_owned())),
            Value("1500.0"),
        ),
        (
            "plus of doubles",
            select(format!(
                "{} FROM bomb WHERE i = 2",
                list(1_000, "-", |_| "i * 1e0".to_owned())
            )),
            Value("-1996"),
        ),
        (
            "aliases of aliases",
            select(format!(
                "i AS a0, {} FROM bomb",
                list(40, ", ", |n| format!("a{n} + a{n} AS a{}", n + 1))
            )),
            too_deep(),
        ),
        (
            "windows of different orders",
            format!(
                "SELECT {} FROM bomb WHERE i = 1",
                list(60, ", ", |n| format!(
                    "sum(i) OVER (ORDER BY i + {n} ROWS UNBOUNDED PRECEDING)"
                ))
            ),
            Value("1"),
        ),
        (
            "JSON",
            select(format!(
                "get_array_length(json_parse('{}'))",
                nested(MANY, "[", "", "]")
            )),
            Value("1"),
        ),
        (
            "JSON with a path",
            select(format!(
                "len(json_extract_path_text('{}', 'a'))",
                nested(MANY, "{\"a\":", "1", "}")
            )),
            Value("599995"),
        ),
        (
            "a name",
            select(format!("{} FROM bomb", "a".repeat(1_000_000))),
            Error("42622"),
        ),
        (
            "an alias",
            select(format!("1 AS \"{}\"", "a".repeat(1_000_000))),
            Error("42622"),
        ),
        (
            "a table",
            format!("SELECT * FROM {}", "a".repeat(1_000_000)),
            Error("42622"),
        ),
        (
            "CASE in CASE",
            select(nested(MANY, "CASE WHEN true THEN ", "1", " END")),
            too_deep(),
        ),
        (
            "a CASE of too many branches",
            select(format!(
                "CASE i {} END FROM bomb",
                list(MANY, " ", |n| format!("WHEN {n} THEN {n}"))
            )),
            too_deep(),
        ),
        (
            "UNION",
            list(10_000, " UNION ", |n| format!("SELECT {n}")),
            too_deep(),
        ),
        (
            "some UNION",
            format!(
                "SELECT count(*) FROM ({}) t",
                list(200, " UNION ", |n| format!("SELECT {n}"))
            ),
            Value("200"),
        ),
        (
            "AND",
            filter(list(MANY, " AND ", |n| format!("i <> {n}"))),
            too_deep(),
        ),
        (
            "OR",
            filter(list(MANY, " OR ", |n| format!("i = {n}"))),
            too_deep(),
        ),
        (
            "some OR",
            filter(list(1_400, " OR ", |n| format!("i = {n}"))),
            Value("2"),
        ),
        (
            "some OR of patterns",
            filter(list(600, " OR ", |n| {
                format!("v LIKE 'b{n}%' AND i <> {n}")
            })),
            Value("0"),
        ),
        ("plus", select(list(MANY, "+", number)), too_deep()),
        (
            "some plus of columns",
            select(format!(
                "{} FROM bomb WHERE i = 2",
                list(60, "+", |_| "i".to_owned())
            )),
            Value("120"),
        ),
        (
            "many plus of columns",
            select(format!(
                "{} FROM bomb WHERE i = 2",
                list(1_000, "+", |_| "i".to_owned())
            )),
            Value("2000"),
        ),
        (
            "COALESCE in COALESCE",
            select(nested(150, "coalesce(", "i", ", 1)") + " FROM bomb WHERE i = 2"),
            Value("2"),
        ),
        (
            "subqueries in subqueries",
            select(nested(60, "(SELECT ", "1", ")")),
            too_deep(),
        ),
        (
            "some subqueries in subqueries",
            select(nested(12, "(SELECT ", "1", ")")),
            Value("1"),
        ),
        (
            "many plus",
            select(list(2_000, "+", number)),
            Value("1999000"),
        ),
        (
            "WITH upon WITH",
            format!(
                "WITH c0 AS (SELECT 1 AS x){} SELECT count(*) FROM c29",
                list(29, "", |n| format!(
                    ", c{} AS (SELECT a.x FROM c{n} a JOIN c{n} b ON a.x = b.x)",
                    n + 1
                ))
            ),
            too_deep(),
        ),
        (
            "some WITH upon WITH",
            format!(
                "WITH c0 AS (SELECT 1 AS x){} SELECT x FROM c60",
                list(60, "", |n| format!(
                    ", c{} AS (SELECT x + 1 AS x FROM c{n})",
                    n + 1
                ))
            ),
            Value("61"),
        ),
        ("NOT", select("NOT ".repeat(MANY) + "true"), too_deep()),
        ("minus", select("- ".repeat(MANY) + "1"), too_deep()),
        (
            "concatenation",
            select(list(MANY, "||", |_| "'a'".to_owned())),
            too_deep(),
        ),
        (
            "casts",
            select("1".to_owned() + &"::int".repeat(MANY)),
            too_deep(),
        ),
        ("calls", select(nested(MANY, "abs(", "1", ")")), too_deep()),
        (
            "a comment left open",
            format!("{} SELECT 1", "/*".repeat(MANY)),
            Error("42601"),
        ),
        (
            "a text",
            format!("SELECT '{}'", "a".repeat(17_000_000)),
            Error("54000"),
        ),
    ];
    for (name, text, end) in bombs {
        let found = run(&client, &text).await;
        match (&found, end) {
            (Ok(value), Value(wanted)) => assert_eq!(value, wanted, "{name}"),
            (Err(error), Error(state)) => assert!(error.starts_with(state), "{name}: {error}"),
            _ => panic!("{name}: {found:?}"),
        }
        assert_eq!(
            run(&client, "SELECT 1").await.as_deref(),
            Ok("1"),
            "after {name}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn planning_stops_when_time_is_up() {
    let server = Server::start(ServerOptions::default()).await;
    let client = connect(server.port).await;
    client.run("CREATE TABLE bomb (i INTEGER)").await;
    let cases = |column: usize| {
        let branches = list(4_000, " ", |n| {
            format!("WHEN i BETWEEN {n} AND {n} + 1 THEN {n}")
        });
        format!("sum(CASE {branches} END) AS s{column}")
    };
    let text = format!("SELECT {} FROM bomb GROUP BY i % 3", list(12, ", ", cases));
    client.run("SET statement_timeout TO 400").await;
    let found = run(&client, &text).await;
    assert!(
        found
            .as_ref()
            .is_err_and(|error| error.starts_with("57014")),
        "{found:?}"
    );
    client.run("RESET statement_timeout").await;
    assert_eq!(run(&client, "SELECT 1").await.as_deref(), Ok("1"));
}
