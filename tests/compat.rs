//! Saved data directories: what any earlier version wrote, this one opens and answers exactly.
//!
//! `fixture/directory/<name>/data` is a directory as a killed server left it, with a checkpoint and a log after it, and
//! `answers` what was read from it then. To add one of today's version, see `fixture/README.md`.

use blueshift_tests::{Client, Server, ServerOptions, connect};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// The variable that names a directory to save.
const SAVE: &str = "BLUESHIFT_SAVE_DIRECTORY";

/// Column types, and the expression that makes a value of each of a number `n`.
const TYPES: &[(&str, &str, &str)] = &[
    ("boolean", "BOOLEAN", "n % 2 = 0"),
    ("smallint", "SMALLINT", "(n - 60)::SMALLINT"),
    ("integer", "INTEGER", "(n * 1000 - 50000)::INTEGER"),
    ("bigint", "BIGINT", "n::BIGINT * 1000000007 - 5000000000"),
    ("real", "REAL", "(n / 4.0)::REAL"),
    ("double", "DOUBLE PRECISION", "n::DOUBLE PRECISION / 8"),
    ("decimal", "DECIMAL(12,2)", "(n / 4.0)::DECIMAL(12,2)"),
    (
        "wide",
        "DECIMAL(38,4)",
        "n::DECIMAL(38,4) * 1000000000000000000000000::DECIMAL(38,0)",
    ),
    ("date", "DATE", "'2024-02-27'::DATE + n"),
    (
        "timestamp",
        "TIMESTAMP",
        "'2024-02-27 23:59:59.123456'::TIMESTAMP + n * INTERVAL '1 hour'",
    ),
    (
        "timestamptz",
        "TIMESTAMPTZ",
        "'2024-02-27 23:59:59+00'::TIMESTAMPTZ + n * INTERVAL '1 minute'",
    ),
    ("time", "TIME", "'01:02:03.5'::TIME"),
    ("char", "CHAR(12)", "'c' || n"),
    (
        "varchar",
        "VARCHAR(60)",
        "'a text that is too long for its view ' || n",
    ),
    ("varbyte", "VARBYTE(20)", "('v' || n)::VARBYTE"),
];

const ENCODINGS: &[&str] = &[
    "raw",
    "az64",
    "bytedict",
    "delta",
    "delta32k",
    "lzo",
    "mostly8",
    "mostly16",
    "mostly32",
    "runlength",
    "text255",
    "text32k",
    "zstd",
];

/// Numbers of the shapes that encodings like; one in eleven is null.
const SHAPES: &[&str] = &["n * 37 % 101", "n", "n / 16", "n % 4", "7"];

/// What depends on whether texts are known to end without blanks: they compare equal with and without.
const BLANKS: &[&str] = &[
    "SELECT count(*), count(DISTINCT word), count(DISTINCT padded), count(DISTINCT late) FROM blanks",
    "SELECT octet_length(min(padded)), octet_length(max(word)), max(padded) = max(word) FROM blanks",
    "SELECT padded, count(*) FROM blanks WHERE padded IN ('w1', 'w2  ') GROUP BY padded ORDER BY padded",
    "SELECT count(*) FROM blanks a, blanks b WHERE a.word = b.padded AND a.n = b.n",
    "SELECT count(*) FROM blanks a, blanks b WHERE a.word = b.late AND b.n < 40 AND a.n = b.n",
];

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixture/directory")
}

/// Copies all that is part of the format: not the lock, the room kept for a full disk, spilled rows, or the key of a
/// server.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("create");
    for entry in std::fs::read_dir(from).expect("list").flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        if ["LOCK", "RESERVE", "spill", "private"].contains(&name.to_string_lossy().as_ref()) {
            continue;
        }
        match path.is_dir() {
            true => copy(&path, &to.join(name)),
            false => drop(std::fs::copy(&path, to.join(name)).expect("copy")),
        }
    }
}

/// Tells names, columns and sizes of all tables and views, and of each a hash over its rows in order, and some rows.
async fn answers(client: &Client) -> String {
    let mut text = client
        .rows(
            "SELECT table_name, column_name, data_type, is_nullable, character_maximum_length, numeric_precision, \
             numeric_scale, column_default FROM information_schema.columns WHERE table_schema = 'public' \
             ORDER BY table_name, ordinal_position",
        )
        .await
        .join("\n");
    let encodings = "SELECT tablename, \"column\", encoding, distkey, sortkey FROM pg_table_def \
                     WHERE schemaname = 'public' ORDER BY 1, 2";
    let users = "SELECT usename, usesuper FROM pg_user ORDER BY 1";
    for query in [encodings, users] {
        write!(text, "\n\n{}", client.rows(query).await.join("\n")).expect("write");
    }
    let tables =
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1";
    let tables = client.rows(tables).await;
    if tables.iter().any(|table| table == "blanks") {
        for query in BLANKS {
            write!(text, "\n\n{}", client.rows(query).await.join("\n")).expect("write");
        }
    }
    for table in tables {
        let mut rows = client.rows(&format!("SELECT * FROM {table}")).await;
        rows.sort();
        // FNV-1a over the rows, so that the answers stay small.
        let hash = rows
            .join("\n")
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
        write!(text, "\n\n{table}: {} rows, {hash:016x}", rows.len()).expect("write");
        for row in rows.iter().step_by(41) {
            write!(text, "\n{row}").expect("write");
        }
    }
    text + "\n"
}

async fn make_tables(client: &Client) {
    let digits = (0..10).map(|digit| format!("({digit})"));
    let digits = digits.collect::<Vec<_>>().join(",");
    client
        .run("CREATE TABLE numbers (n INTEGER) DISTKEY(n) SORTKEY(n)")
        .await;
    client
        .run(&format!("INSERT INTO numbers VALUES {digits}"))
        .await;
    client
        .run("INSERT INTO numbers SELECT a.n * 10 + b.n + 10 FROM numbers a, numbers b")
        .await;
    for (name, ty, value) in TYPES {
        let mut columns = vec!["n INTEGER".to_owned()];
        let mut values = vec!["n".to_owned()];
        for encoding in ENCODINGS {
            // What a type does not allow is refused.
            let column = format!("c_{encoding} {ty} ENCODE {encoding}");
            let probe = format!("CREATE TABLE probe ({column})");
            if client.try_rows(&probe).await.is_ok() {
                client.run("DROP TABLE probe").await;
                let shape = SHAPES[columns.len() % SHAPES.len()];
                values.push(format!(
                    "CASE WHEN n % 11 = 3 THEN NULL ELSE {} END",
                    shaped_value(value, shape)
                ));
                columns.push(column);
            }
        }
        client
            .run(&format!(
                "CREATE TABLE t_{name} ({}) DISTSTYLE EVEN",
                columns.join(", ")
            ))
            .await;
        client
            .run(&format!(
                "INSERT INTO t_{name} SELECT {} FROM numbers",
                values.join(", ")
            ))
            .await;
    }
}

/// Makes tables of more rows than a vector: symbols of texts, decimals of floats, patches.
async fn make_long_tables(client: &Client) {
    client
        .run("CREATE TABLE many (n INTEGER) DISTSTYLE EVEN")
        .await;
    client
        .run("INSERT INTO many SELECT a.n * 110 + b.n FROM numbers a, numbers b WHERE a.n < 24")
        .await;
    let numbers = [
        "az64",
        "delta",
        "delta32k",
        "mostly8",
        "mostly16",
        "mostly32",
        "bytedict",
        "runlength",
    ];
    let texts = ["text32k", "zstd", "lzo", "raw"];
    let columns = numbers
        .iter()
        .map(|name| format!("c_{name} BIGINT ENCODE {name}"));
    let columns = columns.chain(
        texts
            .iter()
            .map(|name| format!("t_{name} VARCHAR(120) ENCODE {name}")),
    );
    client
        .run(&format!(
            "CREATE TABLE long_named (n INTEGER ENCODE raw, {}) DISTSTYLE EVEN",
            columns.collect::<Vec<_>>().join(", ")
        ))
        .await;
    client
        .run("CREATE TABLE long_chosen (n INTEGER, price DOUBLE PRECISION, weight REAL, words VARCHAR(120), word VARCHAR(20)) DISTSTYLE EVEN")
        .await;
    let text = "'carefully final deposits ' || n * 7919 % 10007 || ' sleep quickly along the ' || n % 13 || ' ironic requests'";
    let value = |name: &str| match name {
        "bytedict" | "runlength" => "n / 40 % 7 * 1000003".to_owned(),
        "delta" | "delta32k" => {
            "CASE WHEN n % 97 = 0 THEN n::BIGINT * 1000000007 ELSE n::BIGINT * 3 END".to_owned()
        }
        _ => "CASE WHEN n % 97 = 0 THEN n::BIGINT * 1000000007 ELSE (n % 90 - 40)::BIGINT END"
            .to_owned(),
    };
    let values = numbers.iter().map(|name| value(name));
    let values = values.chain(texts.iter().map(|_| text.to_owned()));
    let values = values.map(|value| format!("CASE WHEN n % 11 = 3 THEN NULL ELSE {value} END"));
    client
        .run(&format!(
            "INSERT INTO long_named SELECT n, {} FROM many",
            values.collect::<Vec<_>>().join(", ")
        ))
        .await;
    client
        .run(&format!(
            "INSERT INTO long_chosen SELECT n, \
             CASE WHEN n % 500 = 1 THEN 'NaN'::DOUBLE PRECISION ELSE (n * 7919 % 100003)::DOUBLE PRECISION / 100 END, \
             CASE WHEN n % 11 = 3 THEN NULL ELSE (n % 1009)::REAL / 8 END, {text}, 'word ' || n % 50 FROM many"
        ))
        .await;
}

/// Makes a table of texts: never with a blank at the end, with blanks in every second row, and with blanks that come
/// after the checkpoint.
async fn make_blanks(client: &Client) {
    for statement in [
        "CREATE TABLE blanks (n INTEGER, word VARCHAR(20), padded VARCHAR(20), late VARCHAR(20)) DISTKEY(n)",
        "INSERT INTO blanks SELECT n, 'w' || n % 5, 'w' || n % 5 || CASE WHEN n % 2 = 0 THEN '   ' ELSE '' END, \
         'w' || n % 5 FROM numbers",
        "VACUUM FULL blanks TO 100 PERCENT",
    ] {
        client.run(statement).await;
    }
}

/// The versions of the row groups of a directory.
fn versions(directory: &Path, found: &mut std::collections::BTreeSet<u32>) {
    for entry in std::fs::read_dir(directory).expect("list").flatten() {
        let path = entry.path();
        if path.is_dir() {
            versions(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rg") {
            let bytes = std::fs::read(&path).expect("read");
            let version = bytes[8..12].try_into().expect("four bytes");
            found.insert(u32::from_le_bytes(version));
        }
    }
}

#[test]
fn there_is_a_saved_directory_of_each_version_of_row_groups() {
    for (name, version) in [("4-small-deletes", 1), ("5-trailing-blanks", 2)] {
        let mut found = std::collections::BTreeSet::new();
        versions(&directory().join(name).join("data"), &mut found);
        assert_eq!(found, [version].into(), "{name}");
    }
}

/// The forms of blocks in the row groups of a directory, by their number.
fn forms(directory: &Path, found: &mut std::collections::BTreeSet<u8>) {
    for entry in std::fs::read_dir(directory).expect("list").flatten() {
        let path = entry.path();
        if path.is_dir() {
            forms(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rg") {
            let bytes = std::fs::read(&path).expect("read");
            // Blocks begin at multiples of 64 bytes with these four; the form is the seventh byte.
            let heads = bytes.chunks(64).filter(|chunk| chunk.starts_with(b"BSBK"));
            found.extend(heads.map(|head| head[6]));
        }
    }
}

#[test]
fn a_saved_directory_holds_every_form_of_block() {
    let mut found = std::collections::BTreeSet::new();
    forms(&directory().join("3-encodings/data"), &mut found);
    assert_eq!(found, (0..=9).collect());
}

/// Puts a shape in the place of the number `n` of a value.
fn shaped_value(value: &str, shape: &str) -> String {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
    let mut words = value.split_inclusive(|letter| !is_part(letter));
    let shaped = |word: &str| match word.strip_prefix('n') {
        Some(rest) if !rest.starts_with(is_part) => format!("({shape}){rest}"),
        _ => word.to_owned(),
    };
    words.by_ref().map(shaped).collect()
}

async fn change_tables(client: &Client) {
    for statement in [
        "CREATE TABLE keyed (id INTEGER IDENTITY(5,2), k INTEGER NOT NULL, v VARCHAR(20) DEFAULT 'none') \
         DISTKEY(k) COMPOUND SORTKEY(k, v)",
        "INSERT INTO keyed (k, v) SELECT n % 13, 'v' || n FROM numbers",
        "CREATE TABLE interleaved (a INTEGER, b INTEGER) INTERLEAVED SORTKEY(a, b)",
        "INSERT INTO interleaved SELECT n, 1000 - n FROM numbers",
        "CREATE TABLE everywhere (a INTEGER) DISTSTYLE ALL",
        "INSERT INTO everywhere VALUES (1), (NULL)",
        "DELETE FROM t_integer WHERE n % 7 = 2",
        "DELETE FROM keyed WHERE k = 5",
        "UPDATE keyed SET v = 'updated' WHERE k < 3",
        "VACUUM FULL keyed TO 100 PERCENT",
        "CREATE VIEW seen AS SELECT k, v FROM keyed WHERE k > 9",
        "CREATE USER somebody PASSWORD 'Somebody-1'",
    ] {
        client.run(statement).await;
    }
}

async fn change_after_checkpoint(client: &Client) {
    for statement in [
        "INSERT INTO keyed (k) VALUES (100), (101)",
        "DELETE FROM t_varchar WHERE n % 5 = 1",
        "DELETE FROM t_integer WHERE n % 7 = 3",
        "ALTER TABLE t_bigint ADD COLUMN later VARCHAR(10) DEFAULT 'later'",
        "ALTER TABLE t_date DROP COLUMN c_raw",
        "ALTER TABLE t_char RENAME TO t_letters",
        "INSERT INTO t_date (n) VALUES (1000)",
        "BEGIN; INSERT INTO everywhere VALUES (7); DELETE FROM everywhere WHERE a = 1; COMMIT",
        "INSERT INTO blanks VALUES (1000, 'w1', 'w1 ', 'w1  '), (1001, 'w2', 'w2', 'w2')",
        "TRUNCATE interleaved",
        "INSERT INTO interleaved VALUES (1, 2), (3, 4)",
        "CREATE TABLE gone (a INTEGER)",
        "DROP TABLE gone",
    ] {
        client.run(statement).await;
    }
}

/// Makes a directory with everything in it, and saves it with its answers.
async fn save(name: &str) {
    let options = ServerOptions {
        slices: Some(2),
        ..ServerOptions::default()
    };
    let mut server = Server::start(options).await;
    let client = connect(server.port).await;
    make_tables(&client).await;
    make_long_tables(&client).await;
    make_blanks(&client).await;
    change_tables(&client).await;
    drop(client);
    assert_eq!(server.stop(), Some(0));
    let mut server = server.restart().await;
    let client = connect(server.port).await;
    change_after_checkpoint(&client).await;
    let answers = answers(&client).await;
    server.kill();
    let target = directory().join(name);
    copy(&server.data, &target.join("data"));
    std::fs::write(target.join("answers"), answers).expect("write");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_saved_directory_opens_and_answers_exactly() {
    if let Ok(name) = std::env::var(SAVE) {
        save(&name).await;
    }
    let mut saved: Vec<PathBuf> = std::fs::read_dir(directory())
        .expect("list")
        .flatten()
        .map(|entry| entry.path())
        .collect();
    saved.sort();
    assert!(!saved.is_empty());
    for path in saved {
        let scratch = tempfile::tempdir().expect("a directory");
        let data = scratch.path().join("data");
        copy(&path.join("data"), &data);
        let wanted = std::fs::read_to_string(path.join("answers")).expect("read");
        // As it was killed, then after a clean stop, whose checkpoint is of this version.
        for round in ["killed", "stopped"] {
            let options = ServerOptions {
                data: Some(data.clone()),
                ..ServerOptions::default()
            };
            let mut server = Server::start(options).await;
            let client = connect(server.port).await;
            let found = answers(&client).await;
            assert_eq!(found, wanted, "{} as it was {round}", path.display());
            drop(client);
            assert_eq!(server.stop(), Some(0));
        }
        println!("{} answers as it did", path.display());
    }
}
