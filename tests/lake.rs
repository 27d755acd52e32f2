//! External tables beyond plain files: nested columns, Delta tables, what is learned of files, limits, and statements that
//! write files and are stopped.

use arrow::array::{
    Array, ArrayRef, Int32Array, Int32Builder, Int64Array, ListBuilder, MapBuilder, RecordBatch,
    StringArray, StringBuilder, StructArray,
};
use arrow::datatypes::{DataType, Field};
use blueshift_tests::client::try_connect_as;
use blueshift_tests::{Client, Server, ServerOptions, connect};
use parquet::arrow::ArrowWriter;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

const SCHEMA: &str = "CREATE EXTERNAL SCHEMA lake FROM DATA CATALOG DATABASE 'lake' IAM_ROLE default \
                      CREATE EXTERNAL DATABASE IF NOT EXISTS";

async fn start(slices: u32, more: &[&str]) -> (Server, Client, TempDir) {
    let files = TempDir::new().expect("a directory");
    let root = files.path().display().to_string();
    let mut arguments = vec!["--copy-root".to_owned(), root.clone()];
    arguments.extend(["--unload-root".to_owned(), root]);
    arguments.extend(more.iter().map(|argument| (*argument).to_owned()));
    let server = Server::start(ServerOptions {
        slices: Some(slices),
        arguments,
        ..ServerOptions::default()
    })
    .await;
    let client = connect(server.port).await;
    client.run(SCHEMA).await;
    (server, client, files)
}

fn place(root: &TempDir, name: &str) -> String {
    format!("file://{}/{name}", root.path().display())
}

fn parquet(path: &Path, columns: Vec<(&str, ArrayRef)>) -> u64 {
    let columns = columns.into_iter().map(|(name, array)| (name, array, true));
    let batch = RecordBatch::try_from_iter_with_nullable(columns).expect("a batch");
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    let file = std::fs::File::create(path).expect("a file");
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).expect("a writer");
    writer.write(&batch).expect("rows");
    writer.close().expect("a footer");
    std::fs::metadata(path).expect("a size").len()
}

/// The customers of Redshift's tutorial of nested data.
fn customers(path: &Path) {
    let names = StructArray::from(vec![
        (
            Arc::new(Field::new("Given", DataType::Utf8, true)),
            Arc::new(StringArray::from(vec!["John", "Jenny", "Andy"])) as ArrayRef,
        ),
        (
            Arc::new(Field::new("family", DataType::Utf8, true)),
            Arc::new(StringArray::from(vec!["Smith", "Doe", "Jones"])),
        ),
    ]);
    let mut phones = ListBuilder::new(StringBuilder::new());
    phones.append_value([Some("123-457789")]);
    phones.append_value([Some("858-8675309"), Some("415-9876543")]);
    phones.append_value([] as [Option<&str>; 0]);
    let prices = Arc::new(Int32Array::from(vec![100, 99, 13])) as ArrayRef;
    let days = Arc::new(StringArray::from(vec![
        "2018-03-01",
        "2018-03-01",
        "2018-03-02",
    ])) as ArrayRef;
    let orders = StructArray::from(vec![
        (Arc::new(Field::new("shipdate", DataType::Utf8, true)), days),
        (Arc::new(Field::new("price", DataType::Int32, true)), prices),
    ]);
    let element = Arc::new(Field::new("item", orders.data_type().clone(), true));
    let offsets = arrow::buffer::OffsetBuffer::new(vec![0, 2, 2, 3].into());
    let orders = arrow::array::ListArray::new(element, offsets, Arc::new(orders), None);
    let mut marks = MapBuilder::new(None, StringBuilder::new(), Int32Builder::new());
    for (key, value) in [("a", 1), ("b", 2), ("c", 3)] {
        marks.keys().append_value(key);
        marks.values().append_value(value);
        marks.append(true).expect("a map");
    }
    parquet(
        path,
        vec![
            ("id", Arc::new(Int32Array::from(vec![1, 2, 3])) as ArrayRef),
            ("name", Arc::new(names)),
            ("phones", Arc::new(phones.finish())),
            ("orders", Arc::new(orders)),
            ("marks", Arc::new(marks.finish())),
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nested_columns_are_navigated() {
    for slices in [1, 4] {
        let (_server, client, files) = start(slices, &[]).await;
        customers(&files.path().join("customers/a.parquet"));
        client
            .run(&format!(
                "CREATE EXTERNAL TABLE lake.customers (id int, name struct<given:varchar(20), family:varchar(20)>, \
                 phones array<varchar(20)>, orders array<struct<shipdate:varchar(20), price:int>>, \
                 marks map<varchar(5), int>) STORED AS PARQUET LOCATION '{}'",
                place(&files, "customers/")
            ))
            .await;
        let names = "SELECT c.id, c.name.given, c.name.family FROM lake.customers c ORDER BY 1";
        assert_eq!(
            client.rows(names).await,
            ["1|John|Smith", "2|Jenny|Doe", "3|Andy|Jones"]
        );
        let orders =
            "SELECT c.id, o.shipdate, o.price FROM lake.customers c, c.orders o ORDER BY 1, 3";
        assert_eq!(
            client.rows(orders).await,
            ["1|2018-03-01|99", "1|2018-03-01|100", "3|2018-03-02|13"]
        );
        let phones = "SELECT c.name.given, p FROM lake.customers c, c.phones p WHERE p LIKE '8%'";
        assert_eq!(client.rows(phones).await, ["Jenny|858-8675309"]);
        let marks = "SELECT c.id, m.value FROM lake.customers c, c.marks m WHERE m.key = 'b'";
        assert_eq!(client.rows(marks).await, ["2|2"]);
        let filtered = "SELECT c.id FROM lake.customers c WHERE c.name.family = 'Doe'";
        assert_eq!(client.rows(filtered).await, ["2"]);
        let summed = "SELECT sum(o.price) FROM lake.customers c, c.orders o WHERE o.price > 50";
        assert_eq!(client.value(summed).await, "199");
        let none = "SELECT count(*) FROM lake.customers c WHERE c.name.family IS NULL";
        assert_eq!(client.value(none).await, "0");
        // The same is found out.
        client
            .run(&format!(
                "CREATE EXTERNAL TABLE lake.found INFER FROM '{}'",
                place(&files, "customers/")
            ))
            .await;
        let types = "SELECT external_type FROM svv_external_columns WHERE tablename = 'found' ORDER BY columnnum";
        assert_eq!(
            client.rows(types).await,
            [
                "int",
                "struct<given:varchar(65535),family:varchar(65535)>",
                "array<varchar(65535)>",
                "array<struct<shipdate:varchar(65535),price:int>>",
                "map<varchar(65535),int>"
            ]
        );
        let shown = client.value("SHOW EXTERNAL TABLE lake.found").await;
        client.run("DROP TABLE lake.found").await;
        client.run(&shown).await;
        let given = "SELECT f.name.given FROM lake.found f WHERE f.id = 3";
        assert_eq!(client.value(given).await, "Andy");
    }
}

fn commit(root: &TempDir, version: u64, actions: &[String]) {
    let path = root
        .path()
        .join(format!("delta/_delta_log/{version:020}.json"));
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    std::fs::write(path, actions.join("\n")).expect("a commit");
}

fn delta_file(root: &TempDir, day: &str, name: &str, from: i64, to: i64) -> String {
    let path = format!("day={day}/{name}.parquet");
    let ids = Arc::new(Int64Array::from_iter_values(from..to)) as ArrayRef;
    let size = parquet(&root.path().join("delta").join(&path), vec![("id", ids)]);
    format!(
        r#"{{"add":{{"path":"{path}","partitionValues":{{"day":"{day}"}},"size":{size},"modificationTime":1,"dataChange":true}}}}"#
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn delta_tables_are_read_as_their_log_says() {
    for slices in [1, 4] {
        let (_server, client, files) = start(slices, &[]).await;
        let protocol = r#"{"protocol":{"minReaderVersion":1,"minWriterVersion":2}}"#.to_owned();
        let metadata = r#"{"metaData":{"id":"x","partitionColumns":["day"],"configuration":{}}}"#;
        let first = delta_file(&files, "2024-01-01", "a", 0, 100);
        let second = delta_file(&files, "2024-01-02", "b", 100, 150);
        commit(&files, 0, &[protocol, metadata.to_owned(), first, second]);
        // Written and given up: no commit names it.
        delta_file(&files, "2024-01-02", "lost", 1_000, 2_000);
        let create = format!(
            "CREATE EXTERNAL TABLE lake.events (id BIGINT) PARTITIONED BY (day DATE) STORED AS PARQUET LOCATION '{}' \
             TABLE PROPERTIES ('table_type'='DELTA')",
            place(&files, "delta/")
        );
        client.run(&create).await;
        let all = "SELECT count(*), min(id), max(id) FROM lake.events";
        assert_eq!(client.rows(all).await, ["150|0|149"]);
        let third = delta_file(&files, "2024-01-03", "c", 150, 160);
        let removed = r#"{"remove":{"path":"day=2024-01-01/a.parquet","dataChange":true}}"#;
        commit(&files, 1, &[removed.to_owned(), third]);
        assert_eq!(client.rows(all).await, ["60|100|159"]);
        let day = "SELECT count(*), max(day) FROM lake.events WHERE day = '2024-01-03'";
        assert_eq!(client.rows(day).await, ["10|2024-01-03"]);
        let counted = "SELECT files FROM svl_s3query_summary WHERE query = pg_last_query_id()";
        client.run(day).await;
        assert_eq!(client.value(counted).await, "1");
        for (refused, part) in [
            (
                "INSERT INTO lake.events SELECT 1, '2024-01-01'::date",
                "INSERT into Delta table",
            ),
            (
                "ALTER TABLE lake.events ADD PARTITION (day='2024-01-09') LOCATION 's3://b/'",
                "not supported on external tables",
            ),
        ] {
            let (code, text) = client.failure(refused).await;
            assert!(code == "0A000" && text.contains(part), "{code} {text}");
        }
        let vectors = r#"{"add":{"path":"day=2024-01-03/c.parquet","partitionValues":{"day":"2024-01-03"},"size":1,"modificationTime":1,"deletionVector":{"storageType":"u"}}}"#;
        commit(&files, 2, &[vectors.to_owned()]);
        let (code, text) = client.failure(all).await;
        assert!(
            code == "22P04" && text.contains("a deletion vector has no pathOrInlineDv"),
            "{code} {text}"
        );
        commit(&files, 4, &["{}".to_owned()]);
        std::fs::remove_file(
            files
                .path()
                .join("delta/_delta_log/00000000000000000002.json"),
        )
        .expect("a commit less");
        let (_, text) = client.failure(all).await;
        assert!(text.contains("version 2 is not in its log"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_tell_how_many_rows_there_are() {
    let (_server, client, files) = start(2, &[]).await;
    let ids = Arc::new(Int64Array::from_iter_values(0..5_000)) as ArrayRef;
    parquet(&files.path().join("many/a.parquet"), vec![("id", ids)]);
    let lines: String = (0..1_000).map(|id| format!("{id},{id}\n")).collect();
    std::fs::create_dir_all(files.path().join("lines")).expect("a folder");
    std::fs::write(files.path().join("lines/a.csv"), lines).expect("lines");
    for table in ["many", "lines"] {
        client
            .run(&format!(
                "CREATE EXTERNAL TABLE lake.{table} INFER FROM '{}'",
                place(&files, &format!("{table}/"))
            ))
            .await;
    }
    let rows = |plan: Vec<String>| -> f64 {
        let line = plan.into_iter().find(|line| line.contains("S3 Query Scan"));
        let line = line.expect("a scan");
        let rows = line.split("rows=").nth(1).expect("rows");
        let rows = rows.split(' ').next().expect("a number");
        rows.parse().expect("a number")
    };
    let plan = client.rows("EXPLAIN SELECT id FROM lake.many").await;
    assert_eq!(rows(plan), 5_000.0);
    let plan = client.rows("EXPLAIN SELECT c1 FROM lake.lines").await;
    let guessed = rows(plan);
    assert!((100.0..10_000.0).contains(&guessed), "{guessed}");
    client
        .run("ALTER TABLE lake.many SET TABLE PROPERTIES ('numRows'='7')")
        .await;
    let plan = client.rows("EXPLAIN SELECT id FROM lake.many").await;
    assert_eq!(rows(plan), 7.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_of_the_server_and_the_user_hold() {
    let limits = ["--external-scan-bytes-per-query", "40000"];
    let (server, client, files) = start(2, &limits).await;
    let ids = |from: i64| Arc::new(Int64Array::from_iter_values(from..from + 4_000)) as ArrayRef;
    for part in 0..3 {
        let path = files.path().join(format!("t/{part}.parquet"));
        parquet(&path, vec![("id", ids(part * 4_000))]);
    }
    client
        .run(&format!(
            "CREATE EXTERNAL TABLE lake.t (id BIGINT) STORED AS PARQUET LOCATION '{}'",
            place(&files, "t/")
        ))
        .await;
    let all = "SELECT sum(id) FROM lake.t";
    let (code, text) = client.failure(all).await;
    assert!(
        code == "54000" && text.contains("the query may scan 40000 bytes"),
        "{code} {text}"
    );
    // A session may ask for less, not for more.
    client
        .run("SET external_scan_bytes_per_query TO 1000000000")
        .await;
    assert_eq!(client.failure(all).await.0, "54000");
    client
        .run(
            "CREATE USER reader PASSWORD 'Reader-password-1'; GRANT USAGE ON SCHEMA lake TO reader; \
             ALTER USER reader SET external_scan_bytes_per_day TO 10",
        )
        .await;
    let reader = try_connect_as(server.port, "reader", "Reader-password-1", "dev")
        .await
        .expect("a login");
    let one = "SELECT count(*) FROM lake.t WHERE id = 17";
    let (code, text) = reader.failure(one).await;
    assert!(
        code == "54000" && text.contains("the user today may scan 10 bytes"),
        "{code} {text}"
    );
    let own = "ALTER USER reader SET external_scan_bytes_per_day TO 0";
    assert_eq!(reader.failure(own).await.0, "42501");
    reader.run("SET external_scan_bytes_per_day TO 0").await;
    assert_eq!(reader.failure(one).await.0, "54000");
    let shown = "SELECT user_name, bytes_per_day, bytes_per_query FROM svv_external_scan_limits ORDER BY user_id";
    assert_eq!(reader.rows(shown).await, ["reader|10|40000"]);
    assert_eq!(client.rows(shown).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canceled_insert_leaves_no_file() {
    let (_server, client, files) = start(2, &[]).await;
    client
        .run(&format!(
            "CREATE TABLE numbers (n INTEGER); INSERT INTO numbers VALUES (1), (2), (3), (4), (5), (6), (7), (8), (9), (10); \
             CREATE EXTERNAL TABLE lake.out (n BIGINT) PARTITIONED BY (p INTEGER) STORED AS PARQUET LOCATION '{}'",
            place(&files, "out/")
        ))
        .await;
    client.run("SET statement_timeout TO 1500").await;
    let from: Vec<String> = (0..9).map(|number| format!("numbers n{number}")).collect();
    let long = format!(
        "INSERT INTO lake.out SELECT n0.n + n1.n * 10, n2.n FROM {}",
        from.join(", ")
    );
    assert_eq!(client.failure(&long).await.0, "57014");
    client.run("RESET statement_timeout").await;
    // What it wrote is taken back behind it.
    let left = || {
        let mut found = Vec::new();
        let mut folders = vec![files.path().join("out")];
        while let Some(folder) = folders.pop() {
            let Ok(entries) = std::fs::read_dir(folder) else {
                continue;
            };
            for path in entries.flatten().map(|entry| entry.path()) {
                match path.is_dir() {
                    true => folders.push(path),
                    false => found.push(path),
                }
            }
        }
        found
    };
    for _ in 0..100 {
        if left().is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(left().is_empty(), "{:?}", left());
    let count = "SELECT count(*) FROM lake.out";
    assert_eq!(client.value(count).await, "0");
    client
        .run("INSERT INTO lake.out SELECT n, n FROM numbers")
        .await;
    assert_eq!(client.value(count).await, "10");
}
