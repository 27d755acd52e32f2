//! A Hive metastore of the test's own: thrift's binary protocol written by hand, with frames and without.

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use blueshift_tests::{Server, ServerOptions, connect};
use parquet::arrow::ArrowWriter;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const STRING: u8 = 11;
const STRUCT: u8 = 12;
const MAP: u8 = 13;
const LIST: u8 = 15;
const I16: u8 = 6;
const I32: u8 = 8;

/// A table of the metastore.
#[derive(Clone)]
struct Table {
    name: &'static str,
    columns: Vec<(&'static str, &'static str)>,
    keys: Vec<(&'static str, &'static str)>,
    location: String,
    input_format: &'static str,
    serde: &'static str,
    serde_parameters: Vec<(&'static str, &'static str)>,
    parameters: Vec<(&'static str, &'static str)>,
    kind: &'static str,
    partitions: Vec<(Vec<&'static str>, String)>,
}

const TEXT: (&str, &str) = (
    "org.apache.hadoop.mapred.TextInputFormat",
    "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe",
);
const PARQUET: (&str, &str) = (
    "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
    "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
);

impl Table {
    fn new(
        name: &'static str,
        (input_format, serde): (&'static str, &'static str),
        columns: &[(&'static str, &'static str)],
        location: String,
    ) -> Self {
        Self {
            name,
            columns: columns.to_vec(),
            keys: Vec::new(),
            location,
            input_format,
            serde,
            serde_parameters: Vec::new(),
            parameters: Vec::new(),
            kind: "EXTERNAL_TABLE",
            partitions: Vec::new(),
        }
    }
}

/// Bytes of a structure.
#[derive(Default)]
struct Bytes(Vec<u8>);

impl Bytes {
    fn i32(&mut self, value: i32) {
        self.0.extend(value.to_be_bytes());
    }

    fn text(&mut self, text: &str) {
        self.i32(i32::try_from(text.len()).expect("short"));
        self.0.extend(text.as_bytes());
    }

    fn field(&mut self, ty: u8, id: i16) {
        self.0.push(ty);
        self.0.extend(id.to_be_bytes());
    }

    fn text_field(&mut self, id: i16, text: &str) {
        self.field(STRING, id);
        self.text(text);
    }

    fn list_field(&mut self, id: i16, ty: u8, elements: Vec<Vec<u8>>) {
        self.field(LIST, id);
        self.list(ty, elements);
    }

    fn list(&mut self, ty: u8, elements: Vec<Vec<u8>>) {
        self.0.push(ty);
        self.i32(i32::try_from(elements.len()).expect("few"));
        self.0.extend(elements.concat());
    }

    fn map_field(&mut self, id: i16, entries: &[(&str, &str)]) {
        self.field(MAP, id);
        self.0.extend([STRING, STRING]);
        self.i32(i32::try_from(entries.len()).expect("few"));
        for (key, value) in entries {
            self.text(key);
            self.text(value);
        }
    }

    /// Ends a structure.
    fn stop(mut self) -> Vec<u8> {
        self.0.push(0);
        self.0
    }
}

fn text(value: &str) -> Vec<u8> {
    let mut bytes = Bytes::default();
    bytes.text(value);
    bytes.0
}

fn columns(columns: &[(&str, &str)]) -> Vec<Vec<u8>> {
    let columns = columns.iter();
    columns
        .map(|(name, ty)| {
            let mut column = Bytes::default();
            column.text_field(1, name);
            column.text_field(2, ty);
            column.stop()
        })
        .collect()
}

fn storage(table: &Table, location: &str) -> Vec<u8> {
    let mut serde = Bytes::default();
    serde.text_field(2, table.serde);
    serde.map_field(3, &table.serde_parameters);
    let mut storage = Bytes::default();
    storage.list_field(1, STRUCT, columns(&table.columns));
    storage.text_field(2, location);
    storage.text_field(3, table.input_format);
    storage.field(STRUCT, 7);
    storage.0.extend(serde.stop());
    storage.stop()
}

fn described(table: &Table) -> Vec<u8> {
    let mut bytes = Bytes::default();
    bytes.text_field(1, table.name);
    bytes.field(I32, 4);
    bytes.i32(1_600_000_000);
    bytes.field(STRUCT, 7);
    bytes.0.extend(storage(table, &table.location));
    bytes.list_field(8, STRUCT, columns(&table.keys));
    bytes.map_field(9, &table.parameters);
    bytes.text_field(12, table.kind);
    bytes.stop()
}

/// What a metastore can do.
#[derive(Clone, Copy, PartialEq)]
enum Version {
    /// `get_table` and `get_table_objects_by_name`.
    Old,
    /// `get_table_req` in their place.
    New,
}

/// A metastore; `asked` counts calls by name.
struct Metastore {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
}

impl Metastore {
    fn start(tables: Vec<Table>, is_framed: bool, version: Version) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::new(AtomicUsize::new(0));
        let (log, count) = (Arc::clone(&asked), Arc::clone(&connections));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                count.fetch_add(1, Ordering::Relaxed);
                let (tables, log) = (tables.clone(), Arc::clone(&log));
                std::thread::spawn(move || {
                    drop(serve(stream, &tables, is_framed, version, &log));
                });
            }
        });
        Self {
            port,
            asked,
            connections,
        }
    }
}

fn i32_of(stream: &mut impl Read) -> std::io::Result<i32> {
    let mut bytes = [0; 4];
    stream.read_exact(&mut bytes)?;
    Ok(i32::from_be_bytes(bytes))
}

fn text_of(stream: &mut impl Read) -> std::io::Result<String> {
    let mut bytes = vec![0; usize::try_from(i32_of(stream)?).expect("a length")];
    stream.read_exact(&mut bytes)?;
    Ok(String::from_utf8(bytes).expect("a text"))
}

/// Reads the texts of a structure, also those within lists and structures.
fn texts_of(stream: &mut impl Read) -> std::io::Result<Vec<String>> {
    let mut texts = Vec::new();
    loop {
        let mut ty = [0];
        stream.read_exact(&mut ty)?;
        if ty[0] == 0 {
            return Ok(texts);
        }
        stream.read_exact(&mut [0; 2])?;
        match ty[0] {
            STRING => texts.push(text_of(stream)?),
            I16 => stream.read_exact(&mut [0; 2])?,
            STRUCT => texts.extend(texts_of(stream)?),
            LIST => {
                stream.read_exact(&mut [0; 1])?;
                for _ in 0..i32_of(stream)? {
                    texts.push(text_of(stream)?);
                }
            }
            other => panic!("an argument of type {other}"),
        }
    }
}

fn serve(
    mut stream: TcpStream,
    tables: &[Table],
    is_framed: bool,
    version: Version,
    log: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    loop {
        let first = i32_of(&mut stream)?;
        // Who does not speak in the way of the server is sent away.
        let is_version = first == i32::from_be_bytes([0x80, 1, 0, 1]);
        if is_version == is_framed {
            return Ok(());
        }
        if is_framed {
            i32_of(&mut stream)?;
        }
        let method = text_of(&mut stream)?;
        let sequence = i32_of(&mut stream)?;
        let arguments = texts_of(&mut stream)?;
        log.lock().expect("a log").push(method.clone());
        let answer = answer(&method, &arguments, tables, version);
        let mut message = Bytes::default();
        let kind = if answer.is_some() { 2 } else { 3 };
        message.0.extend([0x80, 1, 0, kind]);
        message.text(&method);
        message.i32(sequence);
        message.0.extend(answer.unwrap_or_else(|| {
            let mut exception = Bytes::default();
            exception.text_field(1, "Invalid method name");
            exception.field(I32, 2);
            exception.i32(1);
            exception.stop()
        }));
        if is_framed {
            let length = i32::try_from(message.0.len()).expect("short");
            stream.write_all(&length.to_be_bytes())?;
        }
        stream.write_all(&message.0)?;
    }
}

/// The result of a call; `None` if there is no such method.
fn answer(
    method: &str,
    arguments: &[String],
    tables: &[Table],
    version: Version,
) -> Option<Vec<u8>> {
    let refused = |id: i16, text: &str| {
        let mut exception = Bytes::default();
        exception.text_field(1, text);
        let mut result = Bytes::default();
        result.field(STRUCT, id);
        result.0.extend(exception.stop());
        Some(result.stop())
    };
    let success = |ty: u8, value: Vec<u8>| {
        let mut result = Bytes::default();
        result.field(ty, 0);
        result.0.extend(value);
        Some(result.stop())
    };
    let list = |ty: u8, elements: Vec<Vec<u8>>| {
        let mut value = Bytes::default();
        value.list(ty, elements);
        success(LIST, value.0)
    };
    if arguments[0] != "lake" {
        return refused(1, &format!("database {} not found", arguments[0]));
    }
    let find = |name: &str| tables.iter().find(|table| table.name == name);
    match (method, version) {
        ("get_database", _) => {
            let mut database = Bytes::default();
            database.text_field(1, "lake");
            success(STRUCT, database.stop())
        }
        ("get_all_tables", _) => list(STRING, tables.iter().map(|one| text(one.name)).collect()),
        ("get_table_objects_by_name", Version::Old) => {
            let found = arguments[1..].iter().filter_map(|name| find(name));
            list(STRUCT, found.map(described).collect())
        }
        ("get_table", Version::Old) => match find(&arguments[1]) {
            Some(table) => success(STRUCT, described(table)),
            None => refused(2, "no such table"),
        },
        ("get_table_req", Version::New) => match find(&arguments[1]) {
            Some(table) => {
                let mut result = Bytes::default();
                result.field(STRUCT, 1);
                result.0.extend(described(table));
                success(STRUCT, result.stop())
            }
            None => refused(2, "no such table"),
        },
        ("get_partitions", _) => {
            let table = find(&arguments[1])?;
            let partitions = table.partitions.iter().map(|(values, location)| {
                let mut partition = Bytes::default();
                let values = values.iter().map(|value| text(value)).collect();
                partition.list_field(1, STRING, values);
                partition.field(STRUCT, 6);
                partition.0.extend(storage(table, location));
                partition.stop()
            });
            list(STRUCT, partitions.collect())
        }
        _ => None,
    }
}

fn write(root: &Path, name: &str, bytes: &[u8]) {
    let path = root.join(name);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    std::fs::write(path, bytes).expect("a file");
}

fn sales(path: &Path, from: i64, to: i64) {
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(from..to));
    let names: StringArray = (from..to).map(|id| Some(format!("name {id}"))).collect();
    let names: ArrayRef = Arc::new(names);
    let batch = RecordBatch::try_from_iter([("id", ids), ("name", names)]).expect("a batch");
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    let file = std::fs::File::create(path).expect("a file");
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).expect("a writer");
    writer.write(&batch).expect("rows");
    writer.close().expect("a footer");
}

/// The tables of the test, over files in a folder.
fn tables(root: &Path) -> Vec<Table> {
    let place = |name: &str| format!("file:{}/{name}", root.display());
    write(root, "words/a", b"1\x01one\n2\x01\\N\n");
    write(root, "piped/a", b"1|x\n2|y\n");
    for (day, from) in [("2020-01-01", 0), ("2020-01-02", 100), ("2020-01-03", 200)] {
        sales(
            &root.join(format!("sales/day={day}/a.parquet")),
            from,
            from + 100,
        );
    }
    let words = [("id", "int"), ("word", "string")];
    let mut piped = Table::new(
        "piped",
        TEXT,
        &[("id", "tinyint"), ("c", "char(1)")],
        place("piped"),
    );
    piped.serde_parameters = vec![("field.delim", "|"), ("serialization.format", "|")];
    let mut sales = Table::new(
        "sales",
        PARQUET,
        &[
            ("id", "bigint"),
            ("name", "varchar(20)"),
            ("tags", "array<string>"),
        ],
        place("sales"),
    );
    sales.keys = vec![("day", "date")];
    sales.parameters = vec![("numRows", "300"), ("owner", "etl")];
    let days = ["2020-01-01", "2020-01-02", "2020-01-03"];
    sales.partitions = days
        .iter()
        .map(|day| (vec![*day], place(&format!("sales/day={day}"))))
        .collect();
    let mut view = Table::new("seen", TEXT, &words, String::new());
    view.kind = "VIRTUAL_VIEW";
    let orc = (
        "org.apache.hadoop.hive.ql.io.RCFileInputFormat",
        "org.apache.hadoop.hive.serde2.columnar.LazyBinaryColumnarSerDe",
    );
    vec![
        Table::new("words", TEXT, &words, place("words")),
        piped,
        sales,
        view,
        Table::new("rc", orc, &words, place("rc")),
        Table::new("far", TEXT, &words, "hdfs://namenode/far".to_owned()),
    ]
}

async fn start(root: &TempDir, ports: &[u16]) -> Server {
    let mut arguments = vec!["--copy-root".to_owned(), root.path().display().to_string()];
    for port in ports {
        arguments.extend(["--reach".to_owned(), format!("127.0.0.1:{port}")]);
    }
    Server::start(ServerOptions {
        slices: Some(2),
        arguments,
        ..ServerOptions::default()
    })
    .await
}

fn schema(name: &str, database: &str, port: u16) -> String {
    format!(
        "CREATE EXTERNAL SCHEMA {name} FROM HIVE METASTORE DATABASE '{database}' URI '127.0.0.1' PORT {port} IAM_ROLE default"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_a_metastore_are_read() {
    let root = TempDir::new().expect("a directory");
    let all = tables(root.path());
    let metastores = [
        Metastore::start(all.clone(), false, Version::Old),
        Metastore::start(all.clone(), true, Version::Old),
        Metastore::start(all, false, Version::New),
    ];
    let ports: Vec<u16> = metastores.iter().map(|one| one.port).collect();
    let server = start(&root, &ports).await;
    let client = connect(server.port).await;
    for (number, metastore) in metastores.iter().enumerate() {
        let name = format!("hive{number}");
        client.run(&schema(&name, "lake", metastore.port)).await;
        let query = async |text: &str| {
            client
                .rows(&text.replace("hive.", &format!("{name}.")))
                .await
        };
        assert_eq!(
            query("SELECT * FROM hive.words ORDER BY id").await,
            ["1|one", "2|NULL"]
        );
        assert_eq!(
            query("SELECT * FROM hive.piped ORDER BY id").await,
            ["1|x", "2|y"]
        );
        let one = "SELECT count(*), min(id), max(name) FROM hive.sales WHERE day = '2020-01-02'";
        assert_eq!(query(one).await, ["100|100|name 199"]);
        let counted = "SELECT total_partitions, qualified_partitions FROM svl_s3partition WHERE query = pg_last_query_id()";
        assert_eq!(client.rows(counted).await, ["3|1"]);
        assert_eq!(
            query("SELECT count(*), count(DISTINCT day) FROM hive.sales").await,
            ["300|3"]
        );
        let shown = format!(
            "SELECT tablename, location LIKE '%/sales', input_format LIKE '%Parquet%' FROM svv_external_tables WHERE schemaname = '{name}' ORDER BY 1"
        );
        let shown = client.rows(&shown).await;
        assert_eq!(shown.len(), 6, "{shown:?}");
        assert_eq!(shown[3], "sales|t|t");
        let partitions = format!(
            "SELECT \"values\" FROM svv_external_partitions WHERE schemaname = '{name}' ORDER BY 1"
        );
        assert_eq!(
            client.rows(&partitions).await,
            ["[\"2020-01-01\"]", "[\"2020-01-02\"]", "[\"2020-01-03\"]"]
        );
        let columns = format!(
            "SELECT columnname, external_type, part_key FROM svv_external_columns WHERE schemaname = '{name}' AND tablename = 'sales' ORDER BY columnnum"
        );
        assert_eq!(
            client.rows(&columns).await,
            ["id|bigint|0", "name|varchar(20)|0", "day|date|1"]
        );
        let failure = async |text: &str| {
            client
                .failure(&text.replace("hive.", &format!("{name}.")))
                .await
        };
        assert_eq!(failure("SELECT * FROM hive.gone").await.0, "42P01");
        for (table, word) in [("seen", "view"), ("rc", "LazyBinaryColumnarSerDe")] {
            let (code, text) = failure(&format!("SELECT * FROM hive.{table}")).await;
            assert_eq!(code, "0A000", "{text}");
            assert!(text.contains(word), "{text}");
        }
        let (code, text) = failure("SELECT * FROM hive.far").await;
        assert_eq!(code, "22023", "{text}");
        for refused in [
            "DROP TABLE hive.words",
            "ALTER TABLE hive.sales DROP PARTITION (day='2020-01-01')",
            "CREATE EXTERNAL TABLE hive.x (a INTEGER) STORED AS PARQUET LOCATION 's3://b/x/'",
            "INSERT INTO hive.words VALUES (1, 'x')",
        ] {
            assert_eq!(failure(refused).await.0, "0A000", "{refused}");
        }
    }
    // What was told is not asked for again at once.
    let before = metastores[0].connections.load(Ordering::Relaxed);
    for _ in 0..5 {
        client.run("SELECT count(*) FROM hive0.words").await;
    }
    let after = metastores[0].connections.load(Ordering::Relaxed);
    assert!(after <= before + 1, "{before} {after}");
    let asked = metastores[2].asked.lock().expect("a log").clone();
    assert!(asked.iter().any(|method| method == "get_table_req"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_metastore_that_is_none_fails_soon() {
    let root = TempDir::new().expect("a directory");
    let metastore = Metastore::start(Vec::new(), false, Version::Old);
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let silent_port = silent.local_addr().expect("an address").port();
    let closed_port = blueshift_tests::server::free_port();
    let server = start(&root, &[metastore.port, silent_port, closed_port]).await;
    let client = connect(server.port).await;
    for (name, database, port) in [
        ("wrong", "sea", metastore.port),
        ("silent", "lake", silent_port),
        ("closed", "lake", closed_port),
    ] {
        client.run(&schema(name, database, port)).await;
        let begun = Instant::now();
        let (code, text) = client.failure(&format!("SELECT * FROM {name}.t")).await;
        assert_eq!(code, "08006", "{text}");
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(5), "{name}: {took:?}");
    }
    client.run(&schema("far", "lake", 9)).await;
    assert_eq!(client.failure("SELECT * FROM far.t").await.0, "42501");
    drop(silent);
}
