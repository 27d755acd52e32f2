//! Parsing: what is taken, what is refused and how, and that nothing panics.

use super::create_table::{DistStyle, SortClause};
use super::{Statement, parse};
use crate::error::Error;
use crate::statement::copy::{Authorization, CopyFormat};
use proptest::prelude::*;

fn one(text: &str) -> Statement {
    parse(text).expect(text).remove(0).statement
}

fn refusal(text: &str) -> Error {
    parse(text).expect_err(text)
}

#[test]
fn a_text_is_split_and_positions_count_in_the_whole() {
    let parsed = parse("select ';' ; -- a;b\n /* ; */ select $$;$$;; begin").expect("parses");
    let texts: Vec<_> = parsed.iter().map(|one| one.text.as_str()).collect();
    assert_eq!(texts, ["select ';'", "select $$;$$", "", "begin"]);
    assert_eq!(parsed.last().map(|one| one.offset), Some(44));
    let error = refusal("select 1;\n selekt 2");
    assert_eq!(error.message, "syntax error at or near \"selekt\"");
    assert_eq!(error.position, Some(12));
    assert_eq!(refusal("select é from ,").position, Some(15));
}

#[test]
fn create_table_keeps_every_attribute() {
    let Statement::CreateTable(table) = one(
        "create temp table if not exists s.t (a int identity(1,2) encode az64, \
         b varchar(10) default 'x' not null sortkey distkey, primary key (a)) diststyle key backup no",
    ) else {
        panic!("not a table")
    };
    assert!(table.temporary && table.if_not_exists);
    assert_eq!(table.attributes.dist_style, Some(DistStyle::Key));
    assert_eq!(table.attributes.dist_key.as_deref(), Some("b"));
    assert_eq!(
        table.attributes.sort,
        Some(SortClause::Compound(vec!["b".to_owned()]))
    );
    assert_eq!(table.attributes.backup, Some(false));
    assert_eq!(
        table.columns[1]
            .default
            .as_ref()
            .map(|default| default.text.as_str()),
        Some("'x'")
    );
}

#[test]
fn refusals_have_their_code() {
    for (text, code) in [
        ("create table t (a int distkey, b int distkey)", "42P16"),
        ("create table t (a int distkey) diststyle even", "42P16"),
        (
            "create table t (a int) interleaved sortkey (a,b,c,d,e,f,g,h,i)",
            "42P16",
        ),
        ("create table t (a int) sortkey (b)", "42703"),
        ("create table t (a int, a int)", "42701"),
        ("create table t (a uuid)", "0A000"),
        ("merge into t using t on a = b remove duplicates", "0A000"),
        ("alter table t masking on for datashares", "0A000"),
        ("create index i on t (a)", "0A000"),
        ("copy t from 's3://b/k' shapefile", "0A000"),
        ("copy t from 's3://b/k' parquet maxerror 2", "0A000"),
        ("copy t from 's3://b/k' json 'auto' null as ''", "42601"),
        (
            "copy t from 's3://b/k' fixedwidth 'a:1' delimiter ','",
            "42601",
        ),
        ("copy t from 's3://b/k' fixedwidth 'a'", "22023"),
        ("copy t from 's3://b/k' comprows 999", "22023"),
        ("copy t from 's3://b/k' encoding utf7", "22023"),
        ("copy t from 's3://b/k' csv serializetojson", "42601"),
        ("copy t from 's3://b/k' csv escape", "42601"),
        ("copy t from '/tmp/x'", "22023"),
        ("select 'open", "42601"),
        ("nonsense", "42601"),
    ] {
        assert_eq!(refusal(text).code.0, code, "{text}");
    }
}

#[test]
fn copy_reads_options_and_hides_secrets() {
    let Statement::Copy(copy) = one(
        "copy s.t (a, b) from 's3://b/k' credentials 'aws_access_key_id=AK;aws_secret_access_key=SK' \
         csv quote '''' gzip manifest ignoreheader 1 null as '\\N' maxerror 5 delimiter '\\t'",
    ) else {
        panic!("not a COPY")
    };
    assert_eq!(copy.options.format, CopyFormat::Csv);
    assert_eq!(copy.options.delimiter.as_deref(), Some("\t"));
    assert_eq!(copy.options.null_as.as_deref(), Some("\\N"));
    assert!(matches!(copy.authorization, Authorization::Keys { .. }));
    assert!(!format!("{copy:?}").contains("SK"));
}

#[test]
fn deep_nesting_is_an_error_and_not_an_overflow() {
    let parens = format!("select {}1{}", "(".repeat(100_000), ")".repeat(100_000));
    assert_eq!(refusal(&parens).code.0, "54001");
    let chain = format!("select 1{}", " + 1".repeat(100_000));
    assert_eq!(refusal(&chain).code.0, "54001");
}

proptest! {
    #[test]
    fn parse_never_panics(words in prop::collection::vec(prop::sample::select(vec![
        "select", "from", "create", "table", "t", "(", ")", ",", ";", "'a'", "1", "insert", "into",
        "values", "copy", "set", "=", "to", "update", "delete", "where", "with", "as", "distkey",
        "sortkey", "int", "varchar", "explain", "$$", "\"", "/*", "--", "null", "default", "*", ".",
        "view", "drop", "user", "password", "prepare", "execute", "case", "when", "end", "\\", "é",
    ]), 0..24)) {
        let _ = parse(&words.join(" "));
    }
}
