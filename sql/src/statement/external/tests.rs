use super::row_format::one_byte;
use super::schema::SchemaSource;
use super::*;
use crate::statement::alter_table::AlterAction;
use crate::statement::parse as parse_text;

fn table(text: &str) -> Result<CreateExternalTable> {
    let mut parsed = parse_text(text)?;
    match parsed.pop().map(|parsed| parsed.statement) {
        Some(Statement::CreateExternalTable(table)) => Ok(*table),
        other => panic!("{text}: {other:?}"),
    }
}

fn action(text: &str) -> ExternalAction {
    let mut parsed = parse_text(&format!("ALTER TABLE s.t {text}")).expect(text);
    match parsed.pop().map(|parsed| parsed.statement) {
        Some(Statement::AlterTable(alter)) => match alter.action {
            AlterAction::External(action) => action,
            other => panic!("{text}: {other:?}"),
        },
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn documented_tables() {
    let text = "create external table spectrum.sales(salesid integer, price decimal(8,2), saletime timestamp) \
                partitioned by (saledate date) row format delimited fields terminated by '\\t' stored as textfile \
                location 's3://bucket/sales/' table properties ('numRows'='172000')";
    let sales = table(text).expect("a table");
    assert_eq!(sales.columns.len(), 3);
    assert_eq!(sales.partitioned_by, [("saledate".into(), SqlType::Date)]);
    let tabs = RowFormat::Delimited {
        fields: Some(b'\t'),
    };
    assert_eq!(sales.row_format, tabs);
    assert_eq!(sales.properties, [("numRows".into(), "172000".into())]);
    for (refused, code) in [
        ("(a int) stored as rcfile location 's3://b/'", "0A000"),
        ("(a int) stored as sequencefile location 's3://b/'", "0A000"),
        (
            "(a int) row format serde 'com.amazon.ionhiveserde.IonHiveSerDe' stored as textfile location 's3://b/'",
            "0A000",
        ),
        (
            "(a int) row format delimited stored as orc location 's3://b/'",
            "42601",
        ),
        ("(a string) stored as parquet location 's3://b/'", "0A000"),
        (
            "(a array<int>) stored as textfile location 's3://b/'",
            "0A000",
        ),
        (
            "(a int) partitioned by (b array<int>) stored as parquet location 's3://b/'",
            "0A000",
        ),
        ("(a time) stored as parquet location 's3://b/'", "0A000"),
        ("(a int) stored as parquet location 'b/'", "22023"),
        (
            "(a int) partitioned by (a int) stored as parquet location 's3://b/'",
            "42701",
        ),
        ("(a int) stored as parquet", "42601"),
        (
            "(a int) stored as parquet location 's3://b/' as select 1",
            "42601",
        ),
        ("stored as orc location 's3://b/' as select 1", "0A000"),
        (
            "stored as parquet location 's3://b/' as select 1 limit 1",
            "0A000",
        ),
        (
            "row format delimited lines terminated by ',' stored as textfile location 's3://b/' as select 1",
            "0A000",
        ),
        (
            "row format serde 'x' stored as textfile location 's3://b/' as select 1",
            "0A000",
        ),
        (
            "row format delimited fields terminated by ',' stored as parquet location 's3://b/' as select 1",
            "42601",
        ),
        (
            "partitioned by (a, a) stored as parquet location 's3://b/' as select 1 as a",
            "42701",
        ),
        ("infer from 'b/'", "22023"),
    ] {
        let error = table(&format!("create external table s.t {refused}")).err();
        assert_eq!(error.map(|error| error.code.0), Some(code), "{refused}");
    }
}

#[test]
fn documented_serdes() {
    let format = |text: &str| {
        let made = table(&format!(
            "create external table s.t (a int) {text} location 's3://b/'"
        ));
        made.map(|table| (table.row_format, table.stored_as))
    };
    let json = format(
        "row format serde 'org.openx.data.jsonserde.JsonSerDe' with serdeproperties ('mapping.A'='the a', \
         'dots.in.keys'='TRUE', 'case.insensitive'='false', 'strip.outer.array'='true') stored as textfile",
    );
    let expected = JsonSerde {
        class: "org.openx.data.jsonserde.JsonSerDe".into(),
        is_case_sensitive: true,
        has_dots_in_keys: true,
        strips_outer_array: true,
        mapping: vec![("a".into(), "the a".into())],
        ..JsonSerde::default()
    };
    assert_eq!(
        json.ok(),
        Some((RowFormat::Json(expected), StoredAs::TextFile))
    );
    let csv =
        format("row format serde 'org.apache.hadoop.hive.serde2.OpenCSVSerde' stored as textfile");
    let expected = RowFormat::OpenCsv {
        separator: b',',
        quote: b'"',
        escape: b'\\',
    };
    assert_eq!(csv.ok(), Some((expected, StoredAs::TextFile)));
    let orc = format(
        "row format serde 'org.apache.hadoop.hive.ql.io.orc.OrcSerde' stored as inputformat \
         'org.apache.hadoop.hive.ql.io.orc.OrcInputFormat' outputformat \
         'org.apache.hadoop.hive.ql.io.orc.OrcOutputFormat'",
    );
    assert_eq!(orc.ok(), Some((RowFormat::Default, StoredAs::Orc)));
    let avro = format("stored as avro");
    assert_eq!(avro.ok(), Some((RowFormat::Default, StoredAs::Avro)));
}

#[test]
fn tables_of_queries_and_of_files() {
    let made = |text: &str| {
        let mut parsed = parse_text(text).expect(text);
        parsed.pop().map(|parsed| parsed.statement)
    };
    let text = "create external table s.t partitioned by (a, b) row format delimited fields terminated by '|' \
                stored as textfile location 's3://b/f' table properties ('write.parallel'='off') as select 1 as a";
    assert!(matches!(
        made(text),
        Some(Statement::CreateExternalTableAs(table))
            if table.partitioned_by == ["a", "b"] && table.location == "s3://b/f/" && table.delimiter == Some(b'|')
    ));
    let text = "create external table s.t infer from 's3://b/f/' stored as textfile";
    assert!(matches!(
        made(text),
        Some(Statement::InferExternalTable(table)) if table.stored_as == Some(StoredAs::TextFile)
    ));
    let nested = table(
        "create external table s.t (a int, b array<struct<c:int>>) stored as parquet location 's3://b/'",
    );
    let nested = nested.expect("a table");
    assert_eq!(
        nested.columns.last(),
        Some(&("b".to_owned(), SqlType::Super))
    );
    assert_eq!(nested.nested["b"].to_string(), "array<struct<c:integer>>");
}

#[test]
fn documented_actions() {
    let added = action(
        "add if not exists partition(d='2008-01-01') location 's3://b/1/' partition(d='2008-02-01') location 's3://b/2/'",
    );
    assert!(matches!(
        added,
        ExternalAction::AddPartitions { if_not_exists: true, partitions } if partitions.len() == 2
    ));
    let dropped = ExternalAction::DropPartition(vec![("d".into(), "-7".into())]);
    assert_eq!(action("drop partition (d=-7)"), dropped);
    assert_eq!(
        action("set file format parquet"),
        ExternalAction::FileFormat(StoredAs::Parquet)
    );
    assert!(matches!(
        action("partition (d='a') set location 's3://b/x/'"),
        ExternalAction::PartitionLocation(..)
    ));
    assert!(matches!(
        action("set table properties ('numRows'='7')"),
        ExternalAction::Properties(_)
    ));
}

#[test]
fn schemas_name_a_database_and_a_role() {
    let text = "create external schema if not exists s from data catalog database 'd' region 'us-east-1' \
                iam_role 'arn:aws:iam::1:role/r' create external database if not exists";
    let mut parsed = parse_text(text).expect("a statement");
    let statement = parsed.pop().map(|parsed| parsed.statement);
    assert!(matches!(
        statement,
        Some(Statement::CreateExternalSchema(schema))
            if schema.create_database && schema.database == "d" && schema.if_not_exists
    ));
    for (refused, code) in [
        ("from hive metastore database 'd' iam_role default", "42601"),
        (
            "from hive metastore database 'd' uri 'x' iam_role default create external database if not exists",
            "42601",
        ),
        ("from mysql database 'd'", "0A000"),
        ("from redshift database 'd'", "0A000"),
        (
            "from postgres database 'd' uri 'h' iam_role default",
            "42601",
        ),
        (
            "from postgres database 'd' uri 'http://h' iam_role default secret_arn 'a'",
            "22023",
        ),
        (
            "from postgres database 'd' uri 'h' port 70000 iam_role default secret_arn 'a'",
            "22023",
        ),
        (
            "from postgres database 'd' uri 'h' region 'r' iam_role default secret_arn 'a'",
            "42601",
        ),
        ("from data catalog iam_role default", "42601"),
        ("from data catalog database 'd'", "42601"),
    ] {
        let error = parse_text(&format!("create external schema s {refused}")).err();
        assert_eq!(error.map(|error| error.code.0), Some(code), "{refused}");
    }
}

#[test]
fn schemas_of_other_catalogs_have_a_host() {
    let source = |text: &str| {
        let mut parsed = parse_text(&format!("create external schema s from {text}")).expect(text);
        match parsed.pop().map(|parsed| parsed.statement) {
            Some(Statement::CreateExternalSchema(schema)) => schema.source,
            other => panic!("{text}: {other:?}"),
        }
    };
    assert_eq!(
        source("hive metastore database 'd' uri '172.10.10.10' iam_role default"),
        SchemaSource::Hive {
            uri: "172.10.10.10".into(),
            port: 9083
        }
    );
    assert_eq!(
        source(
            "postgres database 'd' schema 'Sales' uri '::1' port 5433 iam_role default secret_arn 'arn:1'"
        ),
        SchemaSource::Postgres {
            schema: "Sales".into(),
            uri: "::1".into(),
            port: 5433,
            secret: "arn:1".into()
        }
    );
}

#[test]
fn delimiters() {
    for (text, byte) in [
        ("|", b'|'),
        ("\\t", b'\t'),
        ("\\007", 7),
        ("\\A", 1),
        ("\\001", 1),
    ] {
        assert_eq!(one_byte(text), Some(byte), "{text}");
    }
    assert_eq!(one_byte("ab"), None);
    assert_eq!(one_byte("\u{e4}"), None);
}
