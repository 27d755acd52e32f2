//! External tables: files in place, of Parquet and text, with partitions and pseudocolumns, and what is counted of them.

use arrow::array::{ArrayRef, Decimal128Array, Int32Array, Int64Array, RecordBatch, StringArray};
use blueshift_tests::client::try_connect_as;
use blueshift_tests::{Client, Server, ServerOptions, connect};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

const SCHEMA: &str = "CREATE EXTERNAL SCHEMA spectrum FROM DATA CATALOG DATABASE 'lake' IAM_ROLE default \
                      CREATE EXTERNAL DATABASE IF NOT EXISTS";

async fn start(slices: u32) -> (Server, TempDir) {
    let files = TempDir::new().expect("a directory");
    let server = Server::start(ServerOptions {
        slices: Some(slices),
        arguments: vec!["--copy-root".into(), files.path().display().to_string()],
        ..ServerOptions::default()
    })
    .await;
    (server, files)
}

fn place(root: &TempDir, name: &str) -> String {
    format!("file://{}/{name}", root.path().display())
}

fn write(root: &TempDir, name: &str, bytes: &[u8]) {
    let path = root.path().join(name);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    std::fs::write(path, bytes).expect("a file");
}

fn parquet(path: &Path, columns: Vec<(&str, ArrayRef)>) {
    let columns = columns.into_iter().map(|(name, array)| (name, array, true));
    let batch = RecordBatch::try_from_iter_with_nullable(columns).expect("a batch");
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    let file = std::fs::File::create(path).expect("a file");
    // Small row groups, so that some can be passed over.
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(1_000))
        .build();
    let mut writer =
        ArrowWriter::try_new(file, batch.schema(), Some(properties)).expect("a writer");
    writer.write(&batch).expect("rows");
    writer.close().expect("a footer");
}

/// Rows `from..to` of sales: id, price of id / 100, and a name.
fn sales(path: &Path, from: i64, to: i64) {
    let prices = Decimal128Array::from_iter_values((from..to).map(i128::from));
    let prices = prices.with_precision_and_scale(8, 2).expect("prices");
    let names = (from..to).map(|id| match id % 10 {
        0 => None,
        digit => Some(format!("name {digit}")),
    });
    parquet(
        path,
        vec![
            (
                "ID",
                Arc::new(Int64Array::from_iter_values(from..to)) as ArrayRef,
            ),
            ("price", Arc::new(prices)),
            ("name", Arc::new(names.collect::<StringArray>())),
            (
                "unused",
                Arc::new(Int32Array::from_iter_values((from..to).map(|_| 7))),
            ),
        ],
    );
}

const COLUMNS: &str = "(id BIGINT, price DECIMAL(8,2), name VARCHAR(20), missing INTEGER)";

#[tokio::test(flavor = "multi_thread")]
async fn parquet_is_read_in_place() {
    for slices in [1, 4] {
        let (server, files) = start(slices).await;
        let client = connect(server.port).await;
        client.run(SCHEMA).await;
        sales(&files.path().join("sales/a.parquet"), 0, 5_000);
        sales(&files.path().join("sales/deep/b.parquet"), 5_000, 8_000);
        write(&files, "sales/_SUCCESS", b"not a parquet file");
        client
            .run(&format!(
                "CREATE EXTERNAL TABLE spectrum.sales {COLUMNS} STORED AS PARQUET LOCATION '{}'",
                place(&files, "sales/")
            ))
            .await;
        let all = "SELECT count(*), min(id), max(id), sum(price), count(name), count(missing) FROM spectrum.sales";
        assert_eq!(client.rows(all).await, ["8000|0|7999|319960.00|7200|0"]);
        let row = "SELECT * FROM spectrum.sales WHERE id = 4321";
        assert_eq!(client.rows(row).await, ["4321|43.21|name 1|NULL"]);
        let some = "SELECT count(*) FROM spectrum.sales WHERE name = 'name 3' AND price >= 10.00";
        assert_eq!(client.value(some).await, "700");
        assert_eq!(
            client
                .rows("SELECT id FROM spectrum.sales WHERE name IS NULL ORDER BY id LIMIT 2")
                .await,
            ["0", "10"]
        );
        assert_eq!(
            client
                .rows("SELECT id FROM spectrum.sales LIMIT 3")
                .await
                .len(),
            3
        );
        // Joined with a table of the server, and grouped.
        client
            .run("CREATE TABLE dim (id BIGINT, word VARCHAR(9)) DISTKEY (id); INSERT INTO dim VALUES (17, 'x'), (7000, 'y'), (9000, 'z')")
            .await;
        let joined =
            "SELECT d.word, s.price FROM dim d JOIN spectrum.sales s ON s.id = d.id ORDER BY 1";
        assert_eq!(client.rows(joined).await, ["x|0.17", "y|70.00"]);
        let outer = "SELECT count(*) FROM dim d LEFT JOIN spectrum.sales s ON s.id = d.id WHERE s.id IS NULL";
        assert_eq!(client.value(outer).await, "1");
        let twice = "SELECT count(*) FROM spectrum.sales a JOIN spectrum.sales b ON a.id = b.id AND a.name = b.name";
        assert_eq!(client.value(twice).await, "7200");
        let kept = "CREATE TABLE kept AS SELECT id, name FROM spectrum.sales WHERE id < 100; SELECT count(*), max(name) FROM kept";
        assert_eq!(client.rows(kept).await, ["100|name 9"]);
        // What one row needs is little of the files.
        client
            .run("SELECT id FROM spectrum.sales WHERE id = 7500")
            .await;
        let counted = "SELECT s3_scanned_rows <= 2000, s3_scanned_bytes > 0, s3query_returned_rows, files, trim(file_format), is_partitioned \
                       FROM svl_s3query_summary WHERE query = pg_last_query_id()";
        assert_eq!(client.rows(counted).await, ["t|t|1|2|PARQUET|f"]);
        let slices_of = "SELECT count(DISTINCT slice), sum(s3query_returned_rows) FROM svl_s3query WHERE query = pg_last_query_id()";
        assert!(client.rows(slices_of).await[0].ends_with("|1"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_that_cannot_match_are_not_read() {
    for slices in [1, 4] {
        let (server, files) = start(slices).await;
        let client = connect(server.port).await;
        client.run(SCHEMA).await;
        for (month, from) in [("01", 0), ("02", 1_000), ("03", 2_000)] {
            let path = format!("sales/saledate=2008-{month}/a.parquet");
            sales(&files.path().join(path), from, from + 1_000);
        }
        client
            .run(&format!(
                "CREATE EXTERNAL TABLE spectrum.sales {COLUMNS} PARTITIONED BY (saledate DATE, store INTEGER) STORED AS PARQUET \
                 LOCATION '{}' TABLE PROPERTIES ('numRows'='3000')",
                place(&files, "sales/")
            ))
            .await;
        assert_eq!(
            client.value("SELECT count(*) FROM spectrum.sales").await,
            "0"
        );
        let part = |month: &str| {
            format!(
                "PARTITION (saledate='2008-{month}-01', store={month}) LOCATION '{}'",
                place(&files, &format!("sales/saledate=2008-{month}/"))
            )
        };
        client
            .run(&format!(
                "ALTER TABLE spectrum.sales ADD {} {}",
                part("01"),
                part("02")
            ))
            .await;
        client
            .run(&format!(
                "ALTER TABLE spectrum.sales ADD IF NOT EXISTS {} {}",
                part("02"),
                part("03")
            ))
            .await;
        let again = format!("ALTER TABLE spectrum.sales ADD {}", part("03"));
        assert_eq!(client.failure(&again).await.0, "42710");
        assert_eq!(
            client.value("SELECT count(*) FROM spectrum.sales").await,
            "3000"
        );
        let filtered = "SELECT store, count(*), min(id) FROM spectrum.sales WHERE saledate = '2008-02-01' GROUP BY store";
        assert_eq!(client.rows(filtered).await, ["2|1000|1000"]);
        let counted = "SELECT total_partitions, qualified_partitions FROM svl_s3partition WHERE query = pg_last_query_id()";
        assert_eq!(client.rows(counted).await, ["3|1"]);
        let detail = "SELECT total_partitions, qualified_partitions, scanned_files, returned_rows FROM sys_external_query_detail WHERE query_id = pg_last_query_id()";
        client.run(filtered).await;
        assert_eq!(client.rows(detail).await, ["3|1|1|1000"]);
        assert_eq!(
            client
                .value("SELECT count(*) FROM spectrum.sales WHERE store > 1 AND id % 2 = 0")
                .await,
            "1000"
        );
        // The values of a partition are there even where a file is not read for more.
        let months = "SELECT DISTINCT saledate FROM spectrum.sales ORDER BY 1";
        assert_eq!(
            client.rows(months).await,
            ["2008-01-01", "2008-02-01", "2008-03-01"]
        );
        client
            .run("ALTER TABLE spectrum.sales DROP PARTITION (store=1, saledate='2008-01-01')")
            .await;
        assert_eq!(
            client.value("SELECT min(id) FROM spectrum.sales").await,
            "1000"
        );
        client
            .run(&format!(
                "ALTER TABLE spectrum.sales PARTITION (saledate='2008-02-01', store='02') SET LOCATION '{}'",
                place(&files, "nothing/")
            ))
            .await;
        assert_eq!(
            client.value("SELECT min(id) FROM spectrum.sales").await,
            "2000"
        );
        let shown = "SELECT \"values\", location FROM svv_external_partitions WHERE schemaname = 'spectrum' ORDER BY 1";
        assert_eq!(client.rows(shown).await.len(), 2);
        // What SHOW tells makes the table again.
        let shown = client
            .value("SHOW EXTERNAL TABLE spectrum.sales PARTITION")
            .await;
        client.run("DROP TABLE spectrum.sales").await;
        for statement in shown.split(';').filter(|text| !text.trim().is_empty()) {
            client.run(statement).await;
        }
        assert_eq!(
            client.value("SELECT min(id) FROM spectrum.sales").await,
            "2000"
        );
        let plan = client
            .rows(
                "EXPLAIN SELECT id FROM spectrum.sales WHERE saledate = '2008-03-01' AND price > 1",
            )
            .await
            .join("\n");
        for part in [
            "XN Partition Loop",
            "XN Seq Scan PartitionInfo of spectrum.sales",
            "XN S3 Query Scan sales",
            "->  S3 Seq Scan spectrum.sales location:\"file://",
            "format:PARQUET",
            "Filter: (price > 1",
        ] {
            assert!(plan.contains(part), "{part} is not in\n{plan}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pseudocolumns_tell_the_file() {
    let (server, files) = start(2).await;
    let client = connect(server.port).await;
    client.run(SCHEMA).await;
    write(&files, "t/a.csv", b"1|one\n2|two\n");
    write(&files, "t/b.csv", b"3|three\n");
    client
        .run(&format!(
            "CREATE EXTERNAL TABLE spectrum.t (a INTEGER, b VARCHAR(4)) ROW FORMAT DELIMITED FIELDS TERMINATED BY '|' \
             STORED AS TEXTFILE LOCATION '{}'",
            place(&files, "t")
        ))
        .await;
    assert_eq!(
        client.rows("SELECT * FROM spectrum.t ORDER BY a").await,
        ["1|one", "2|two", "3|thre"]
    );
    let sized = "SELECT DISTINCT \"$size\" FROM spectrum.t ORDER BY 1";
    assert_eq!(client.rows(sized).await, ["8", "12"]);
    let star = "SELECT *, \"$size\" FROM spectrum.t WHERE \"$path\" LIKE '%b.csv'";
    assert_eq!(client.rows(star).await, ["3|thre|8"]);
    let alias =
        "SELECT x.*, x.\"$size\" FROM spectrum.t x, spectrum.t y WHERE x.a = y.a AND x.a = 1";
    assert_eq!(client.rows(alias).await, ["1|one|12"]);
    client
        .run("SET spectrum_enable_pseudo_columns TO false")
        .await;
    assert_eq!(
        client.failure("SELECT \"$path\" FROM spectrum.t").await.0,
        "42703"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn text_is_read_as_hive_does() {
    for slices in [1, 4] {
        let (server, files) = start(slices).await;
        let client = connect(server.port).await;
        client.run(SCHEMA).await;
        write(
            &files,
            "text/a",
            b"id,name,day\n1,one,2008-01-02\nx,two\n3,three,2008-01-03,more\n\\N,,\n",
        );
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(b"header\n5,five,2008-01-05\n")
            .expect("write");
        write(&files, "text/b.gz", &gzip.finish().expect("finish"));
        let zstd = zstd::encode_all(&b"header\n6,six,2008-01-06\n"[..], 1).expect("encode");
        write(&files, "text/c.zst", &zstd);
        let table = |name: &str, rest: &str, folder: &str| {
            format!(
                "CREATE EXTERNAL TABLE spectrum.{name} (id INTEGER, name VARCHAR(3), day DATE) {rest} LOCATION '{}' \
                 TABLE PROPERTIES ('skip.header.line.count'='1', 'mine'='kept')",
                place(&files, folder)
            )
        };
        client
            .run(&table(
                "lines",
                "ROW FORMAT DELIMITED FIELDS TERMINATED BY ',' STORED AS TEXTFILE",
                "text/",
            ))
            .await;
        let rows = client
            .rows("SELECT * FROM spectrum.lines ORDER BY id, name")
            .await;
        assert_eq!(
            rows,
            [
                "1|one|2008-01-02",
                "3|thr|2008-01-03",
                "5|fiv|2008-01-05",
                "6|six|2008-01-06",
                "NULL||NULL",
                "NULL|two|NULL"
            ]
        );
        write(
            &files,
            "csv/a.csv",
            b"h\n\"1\",\"a,b\",2008-01-02\n2,\"x\ny\",2008-01-03\n",
        );
        let serde =
            "ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.OpenCSVSerde' STORED AS TEXTFILE";
        client.run(&table("csv", serde, "csv/")).await;
        assert_eq!(
            client
                .rows("SELECT id, len(name), day FROM spectrum.csv ORDER BY 1")
                .await,
            ["1|3|2008-01-02", "2|3|2008-01-03"]
        );
        let counted = "SELECT s3_scanned_rows, s3query_returned_rows, files, trim(file_format) FROM svl_s3query_summary WHERE query = pg_last_query_id()";
        assert_eq!(client.rows(counted).await, ["2|2|1|TEXT"]);
        assert_eq!(
            client.value("SELECT count(*) FROM spectrum.lines").await,
            "6"
        );
        let property = "SELECT json_extract_path_text(parameters, 'mine') FROM svv_external_tables WHERE tablename = 'csv'";
        assert_eq!(client.value(property).await, "kept");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_do_not_fit_are_named() {
    let (server, files) = start(2).await;
    let client = connect(server.port).await;
    client.run(SCHEMA).await;
    sales(&files.path().join("good/a.parquet"), 0, 10);
    write(
        &files,
        "bad/broken.parquet",
        b"PAR1 this is not parquet at all",
    );
    let whole = std::fs::read(files.path().join("good/a.parquet")).expect("a file");
    let mut cut = whole.clone();
    for byte in cut.iter_mut().skip(4).take(60) {
        *byte = 0xff;
    }
    write(&files, "cut/cut.parquet", &cut);
    let table = |name: &str, columns: &str| {
        format!(
            "CREATE EXTERNAL TABLE spectrum.{name} {columns} STORED AS PARQUET LOCATION '{}'",
            place(&files, &format!("{name}/"))
        )
    };
    client.run(&table("bad", COLUMNS)).await;
    client.run(&table("cut", COLUMNS)).await;
    client
        .run(&table("good", "(id INTEGER, name BIGINT)"))
        .await;
    for (query, file) in [
        ("SELECT * FROM spectrum.bad", "broken.parquet"),
        ("SELECT sum(id) FROM spectrum.cut", "cut.parquet"),
    ] {
        let (code, text) = client.failure(query).await;
        assert!(text.contains(file), "{code} {text}");
        assert_eq!(code, "22P04", "{text}");
    }
    let (code, text) = client.failure("SELECT name FROM spectrum.good").await;
    assert_eq!(code, "42804", "{text}");
    assert!(
        text.contains("has an incompatible Parquet schema for column 'spectrum.good.name'"),
        "{text}"
    );
    assert!(text.contains("a.parquet"), "{text}");
    let (code, _) = client.failure("SELECT id FROM spectrum.good").await;
    assert_eq!(code, "42804");
    // Nothing outside the roots.
    let outside = "CREATE EXTERNAL TABLE spectrum.outside (a INTEGER) STORED AS PARQUET LOCATION 'file:///etc/'";
    assert!(client.failure(outside).await.1.contains("--copy-root"));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_use_the_schema_may_read() {
    let (server, files) = start(1).await;
    let client = connect(server.port).await;
    client.run(SCHEMA).await;
    sales(&files.path().join("sales/a.parquet"), 0, 10);
    client
        .run(&format!(
            "CREATE EXTERNAL TABLE spectrum.sales {COLUMNS} STORED AS PARQUET LOCATION '{}'",
            place(&files, "sales/")
        ))
        .await;
    client
        .run("CREATE USER reader PASSWORD 'Reader-password-1'")
        .await;
    let reader: Client = try_connect_as(server.port, "reader", "Reader-password-1", "dev")
        .await
        .expect("connect");
    let query = "SELECT count(*) FROM spectrum.sales";
    assert_eq!(reader.failure(query).await.0, "42501");
    assert!(
        reader
            .rows("SELECT tablename FROM svv_external_tables")
            .await
            .is_empty()
    );
    client.run("GRANT USAGE ON SCHEMA spectrum TO reader").await;
    assert_eq!(reader.value(query).await, "10");
    assert_eq!(
        reader
            .rows("SELECT tablename FROM svv_external_tables")
            .await,
        ["sales"]
    );
    assert_eq!(reader.failure("DROP TABLE spectrum.sales").await.0, "42501");
    // A late-binding view reads it with the rights of its owner.
    client
        .run("CREATE VIEW shown AS SELECT id, name FROM spectrum.sales WHERE id < 3 WITH NO SCHEMA BINDING; GRANT SELECT ON shown TO reader; REVOKE USAGE ON SCHEMA spectrum FROM reader")
        .await;
    assert_eq!(reader.value("SELECT count(*) FROM shown").await, "3");
    // The catalog is kept, and shared by all schemas of one external database.
    client
        .run("CREATE EXTERNAL SCHEMA again FROM DATA CATALOG DATABASE 'lake' IAM_ROLE 'arn:aws:iam::1:role/r'")
        .await;
    assert_eq!(client.value("SELECT count(*) FROM again.sales").await, "10");
    drop(reader);
    let mut server = server;
    server.kill();
    let server = server.restart().await;
    let client = connect(server.port).await;
    assert_eq!(client.value("SELECT count(*) FROM again.sales").await, "10");
    client.run("DROP SCHEMA spectrum").await;
    assert_eq!(client.value("SELECT count(*) FROM again.sales").await, "10");
    assert_eq!(
        client
            .failure("DROP SCHEMA again DROP EXTERNAL DATABASE")
            .await
            .0,
        "2BP01"
    );
    client
        .run("DROP SCHEMA again DROP EXTERNAL DATABASE CASCADE")
        .await;
    assert!(
        client
            .rows("SELECT * FROM svv_external_databases")
            .await
            .is_empty()
    );
}
