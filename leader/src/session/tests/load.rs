//! What COPY leaves in the log tables and in the session, whatever becomes of its transaction.

use super::*;
use blueshift_compute::object::ObjectPolicy;
use std::path::PathBuf;

/// A server that may read a directory of its own.
struct Loading {
    server: Arc<Server>,
    files: PathBuf,
    _directory: tempfile::TempDir,
}

impl Loading {
    fn start() -> Loading {
        let directory = tempfile::tempdir().unwrap();
        let files = directory.path().canonicalize().unwrap().join("files");
        std::fs::create_dir(&files).unwrap();
        let mut options = options(&directory.path().join("data"));
        options.node.object_policy = ObjectPolicy {
            copy_roots: vec![files.clone()],
            ..ObjectPolicy::default()
        };
        Loading {
            server: Server::start(options).unwrap(),
            files,
            _directory: directory,
        }
    }

    /// Writes a file and gives a COPY of it.
    #[expect(
        clippy::disallowed_methods,
        reason = "these are the user's files, which nothing must survive"
    )]
    fn copy(&self, table: &str, file: &str, text: impl AsRef<[u8]>) -> String {
        let path = self.files.join(file);
        std::fs::write(&path, text).unwrap();
        format!("copy {table} from 'file://{}'", path.display())
    }
}

const LAST: &str = "select pg_last_copy_count(), pg_last_copy_id() > 0";
const COMMITS: &str = "select count(*) from stl_load_commits";

#[tokio::test]
async fn a_copy_is_told_when_it_has_committed() {
    let loading = Loading::start();
    let mut session = login(&loading.server, "admin", 1);
    let mut other = login(&loading.server, "admin", 2);
    let s = &mut session;
    ok(s, "create table t (a int)").await;
    assert_eq!(ok(s, LAST).await, ["0|false"]);
    ok(s, &loading.copy("t", "two", "1\n2\n")).await;
    assert_eq!(ok(s, LAST).await, ["2|true"]);
    assert_eq!(ok(s, COMMITS).await, ["1"]);

    ok(s, "begin").await;
    ok(s, &loading.copy("t", "three", "1\n2\n3\n")).await;
    assert_eq!(ok(s, LAST).await, ["3|true"]);
    assert_eq!(ok(&mut other, COMMITS).await, ["1"]);
    ok(s, "rollback").await;
    assert_eq!(ok(s, LAST).await, ["2|true"]);
    assert_eq!(ok(s, COMMITS).await, ["1"]);

    ok(s, "begin").await;
    ok(s, &loading.copy("t", "three", "1\n2\n3\n")).await;
    ok(s, &loading.copy("t", "none", "")).await;
    ok(s, "commit").await;
    assert_eq!(ok(s, LAST).await, ["0|true"]);
    assert_eq!(ok(&mut other, COMMITS).await, ["3"]);
    assert_eq!(ok(&mut other, LAST).await, ["0|false"]);
}

#[tokio::test]
async fn a_failed_commit_tells_of_no_load() {
    let loading = Loading::start();
    let mut session = login(&loading.server, "admin", 1);
    let mut other = login(&loading.server, "admin", 2);
    let s = &mut session;
    ok(
        s,
        "create table t (a int); create table u (a int); insert into u values (1)",
    )
    .await;
    ok(s, &loading.copy("t", "one", "1\n")).await;
    ok(s, "begin; select * from u").await;
    ok(&mut other, "update u set a = 2").await;
    ok(s, &loading.copy("t", "three", "1\n2\n3\n")).await;
    assert!(run(s, "update u set a = 3; commit").await.is_err());
    ok(s, "rollback").await;
    assert_eq!(ok(s, LAST).await, ["1|true"]);
    assert_eq!(ok(s, COMMITS).await, ["1"]);
    assert_eq!(ok(s, "select count(*) from t").await, ["1"]);
}

#[tokio::test]
async fn errors_outlive_the_rollback_and_are_found_by_the_id() {
    let loading = Loading::start();
    let mut session = login(&loading.server, "admin", 1);
    let s = &mut session;
    let errors =
        "select line_number, err_code from stl_load_errors where query = pg_last_copy_id()";
    ok(s, "create table t (a int)").await;
    ok(s, &loading.copy("t", "two", "1\n2\n")).await;
    ok(s, "begin").await;
    assert!(run(s, &loading.copy("t", "bad", "1\nx\n")).await.is_err());
    ok(s, "rollback").await;
    assert_eq!(ok(s, errors).await, ["2|1207"]);
    assert_eq!(ok(s, LAST).await, ["0|true"]);
    assert_eq!(ok(s, COMMITS).await, ["1"]);
    // One that never began to load changes nothing.
    assert!(run(s, "copy t from 's3:/x'").await.is_err());
    assert_eq!(ok(s, errors).await, ["2|1207"]);
    ok(s, "begin").await;
    ok(s, &(loading.copy("t", "bad", "1\nx\n") + " maxerror 2")).await;
    assert_eq!(ok(s, LAST).await, ["1|true"]);
    ok(s, "rollback").await;
    assert_eq!(
        ok(
            s,
            "select count(distinct query), count(*) from stl_load_errors"
        )
        .await,
        ["2|2"]
    );
}

#[tokio::test]
async fn log_tables_say_what_was_read_by_whom() {
    let loading = Loading::start();
    let mut session = login(&loading.server, "admin", 7);
    let s = &mut session;
    ok(
        s,
        "create table t (a int, b char(3), c decimal(5,2)); set query_group to nightly",
    )
    .await;
    loading.copy("t", "p-1", "1|x|1\n2|y|2\n");
    loading.copy("t", "p-2", "3|z|3\nfour|z|4\n5|long|5\n6|z|6");
    let copy = loading.copy("t", "p-3", "7|x|1|2\n") + " maxerror 9";
    ok(s, &copy.replace("p-3", "p-")).await;
    let of_copy = "query = pg_last_copy_id() order by 1";
    let files = format!(
        "select reverse(left(reverse(trim(filename)), 3)), slice, lines_scanned, errors, userid from \
         stl_load_commits where {of_copy}"
    );
    let user = ok(s, "select usesysid from pg_user").await.join("");
    let with_user = |rows: [&str; 3]| rows.map(|row| format!("{row}|{user}"));
    assert_eq!(
        ok(s, &files).await,
        with_user(["p-1|0|2|0", "p-2|1|4|2", "p-3|0|1|1"])
    );
    let scans = format!(
        "select lines, bytes, slice, loadtime > 0, userid from stl_file_scan where {of_copy} desc"
    );
    assert_eq!(
        ok(s, &scans).await,
        with_user(["4|29|1|true", "2|12|0|true", "1|8|0|true"])
    );
    let errors = "select slice, line_number, trim(colname), trim(type), trim(col_length), err_code, session, \
                  starttime < dateadd(s, 1, getdate()) from stl_load_errors order by filename, line_number";
    assert_eq!(
        ok(s, errors).await,
        [
            "1|2|a|int4|0|1207|7|true",
            "1|3|b|char|3|1204|7|true",
            "0|1||||1202|7|true"
        ]
    );
    let queries = "select trim(label), pid, aborted, endtime >= starttime from stl_query where query = \
                   pg_last_copy_id()";
    assert_eq!(ok(s, queries).await, ["nightly|7|0|true"]);
}

/// Gives an error as code, message, detail and hint.
async fn refused(session: &mut Session, text: &str) -> String {
    let error = run(session, text).await.unwrap_err();
    let report = crate::error::sqlstate::report(&error);
    let parts = [report.detail, report.hint].map(Option::unwrap_or_default);
    format!(
        "{} {} [{}] ({})",
        report.code.0, report.message, parts[0], parts[1]
    )
}

#[tokio::test]
async fn failures_name_the_file_the_place_and_the_way_out() {
    let loading = Loading::start();
    let mut session = login(&loading.server, "admin", 1);
    let s = &mut session;
    ok(
        s,
        "create table t (a int not null, b varchar(5), c date, d decimal(5,2)); create view v as select 1 as one",
    )
    .await;
    let files = loading.files.display();
    let gzip = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
    let manifest =
        |url: String, rest: &str| format!("{{\"entries\":[{{\"url\":\"{url}\"{rest}}}]}}");
    loading.copy("t", "good", "1|x|2020-01-01|1\n");
    for (text, options, expected) in [
        (
            &b"1|x|2020-01-01|1\n2|x|2020-13-01|1\n"[..],
            "",
            "line 2, column \"c\" (date), value \"2020-13-01\": Invalid date format or value [YYYY-MM-DD] (code 1205)",
        ),
        (
            b"1|x|1.1.2020|1\n",
            "",
            "length must be 10 or more (code 1205)",
        ),
        (
            b"1|x|2020-01-01|1|2\n",
            "",
            "line \"1|x|2020-01-01|1|2\": Extra column(s) found (code 1202)",
        ),
        (b"1|x\n", "", "Delimiter not found (code 1214)"),
        (
            b"1|longer|2020-01-01|1\n",
            "",
            "value \"longer\": String length exceeds DDL length (code 1204)",
        ),
        (
            b"1|\xff|2020-01-01|1\n",
            "",
            "Bad UTF8 hex sequence: ff (error 3) (code 1220)",
        ),
        (
            b"9999999999|x|2020-01-01|1\n",
            "",
            "Overflow (Integer valid range -2147483648 to 2147483647) (code 1222)",
        ),
        (
            b"1|x|2020-01-01|99999\n",
            "",
            "Overflow for NUMERIC(5,2) (code 1204)",
        ),
        (
            b"1|x|2020-01-01|y\n",
            "",
            "Invalid digit, Value 'y', Pos 0, Type: Decimal (code 1209)",
        ),
        (
            b"\\N|x|2020-01-01|1\n",
            "",
            "Missing data for not-null field (code 1213)",
        ),
        (
            b"x\ny\nz\n",
            "maxerror 2",
            "refused, and MAXERROR is 2. The first: File",
        ),
        (&gzip, "", "add the option GZIP"),
        (&gzip, "gzip", "22P04 could not read"),
        (
            b"1|x|2020-01-01|1\n",
            "bzip2",
            "not a BZIP2 file, or a damaged one",
        ),
        (
            b"{\"entries\":[{\"url\":",
            "manifest",
            "not a manifest, which is {\"entries\"",
        ),
        (
            b"{\"entries\":[]}",
            "manifest",
            "58P01 No file that manifest",
        ),
        (
            manifest("good".into(), "").as_bytes(),
            "manifest",
            "requires full path of an Amazon S3 object: \"good\" in manifest",
        ),
        (
            manifest(format!("file://{files}/no"), ",\"mandatory\":true").as_bytes(),
            "manifest",
            "/no', mandatory in manifest",
        ),
        (
            manifest(
                format!("file://{files}/good"),
                ",\"meta\":{\"content_length\":3}",
            )
            .as_bytes(),
            "manifest",
            "the manifest says 3 bytes, the file has 17",
        ),
        (
            manifest("file:///etc/passwd".into(), "").as_bytes(),
            "manifest",
            "42501 COPY may not read \"/etc/passwd\"",
        ),
    ] {
        let copy = loading.copy("t", "bad", text) + " " + options;
        let shown = refused(s, &copy).await;
        assert!(shown.contains(expected), "{expected}: {shown}");
    }
    let good = format!("'file://{files}/good'");
    for (copy, expected) in [
        (
            format!("t from 'file://{files}/nothing'"),
            "58P01 The specified path",
        ),
        (
            format!("t (a, x) from {good}"),
            "42703 column \"x\" of relation \"t\" does not exist",
        ),
        (
            format!("t (b) from {good}"),
            "23502 column \"a\" is NOT NULL and has no default",
        ),
        (format!("v from {good}"), "\"v\" is a view"),
        (
            format!("stl_query from {good}"),
            "42501 permission denied: \"stl_query\" is a system catalog",
        ),
        (
            format!("nothing from {good}"),
            "42P01 relation \"nothing\" does not exist",
        ),
    ] {
        let shown = refused(s, &format!("copy {copy}")).await;
        assert!(shown.contains(expected), "{expected}: {shown}");
    }
    assert_eq!(ok(s, "select count(*) from t").await, ["0"]);
}

#[tokio::test]
async fn secrets_are_in_no_table_and_no_error() {
    let loading = Loading::start();
    let mut session = login(&loading.server, "admin", 1);
    let s = &mut session;
    ok(s, "create table t (a int)").await;
    let copy = loading.copy("t", "bad", "x\n");
    for authorization in [
        "access_key_id 'topsecret' secret_access_key 'topsecret' session_token 'topsecret'",
        "credentials 'aws_access_key_id=topsecret;aws_secret_access_key=topsecret;token=topsecret'",
        "with credentials as 'aws_access_key_id=topsecret;aws_secret_access_key=topsecret'",
        "access_key_id as 'topsecret' secret_access_key as 'topsecret'",
        "credentials 'topsecret'",
        "credentials 'aws_access_key=topsecret'",
        "credentials 'aws_iam_role=x;master_symmetric_key=topsecret'",
        "master_symmetric_key 'topsecret'",
        "access_key_id topsecret",
        "credentials $$topsecret$$",
    ] {
        let shown = refused(s, &format!("{copy} {authorization}")).await;
        assert!(!shown.contains("topsecret"), "{shown}");
    }
    for table in crate::system::tables() {
        let rows = format!("select * from {}.{}", table.schema(), table.name());
        let rows = ok(s, &rows).await.join("\n");
        assert!(!rows.contains("topsecret"), "{rows}");
    }
    let masked = "select count(*) from stl_query where querytxt like '%secret_access_key ''***''%'";
    assert_eq!(ok(s, masked).await, ["1"]);
}

#[tokio::test]
async fn replaced_characters_are_told() {
    let loading = Loading::start();
    let mut session = login(&loading.server, "admin", 1);
    let s = &mut session;
    ok(s, "create table t (a varchar(9), b int, c varchar(9))").await;
    let text = b"good|1|x\nb\xffd|2|y\xfe\nb\xff|bad|z\nalso|4|\xfa\n";
    let copy = loading.copy("t", "replaced", text);
    ok(s, &(copy + " acceptinvchars maxerror 5")).await;
    assert_eq!(
        ok(s, "select a, b, c from t order by b").await,
        ["good|1|x", "b?d|2|y?", "also|4|?"]
    );
    // The refused row stands in the other table alone.
    let told = "select line_number, colname, right(rtrim(filename), 8) from stl_replacements \
                where query = pg_last_copy_id() order by 1, 2";
    assert_eq!(
        ok(s, told).await,
        ["2|a|replaced", "2|c|replaced", "4|c|replaced"]
    );
    let refused = "select line_number from stl_load_errors where query = pg_last_copy_id()";
    assert_eq!(ok(s, refused).await, ["3"]);
}

#[tokio::test]
async fn options_convert_as_documented() {
    let loading = Loading::start();
    let mut session = login(&loading.server, "admin", 1);
    let s = &mut session;
    for (columns, text, options, expected) in [
        (
            "a varchar(9)",
            &b"x\xffy\nz\n"[..],
            "acceptinvchars",
            "x?y z",
        ),
        (
            "a varchar(9)",
            b"x\xe4\xb6y\n",
            "acceptinvchars as '^'",
            "x^^y",
        ),
        ("a varchar(9)", b"  \nx\n", "blanksasnull", "NULL x"),
        (
            "a varchar(9), b varchar(9)",
            b"|x\n",
            "emptyasnull",
            "NULL,x",
        ),
        ("a varchar(9), b varchar(9)", b"|x\n", "", ",x"),
        ("a int, b varchar(9)", b"|x\n", "", "NULL,x"),
        (
            "a int, b varchar(9), c int",
            b"1\n",
            "fillrecord",
            "1,,NULL",
        ),
        (
            "a int, b varchar(9), c int",
            b"1\n",
            "fillrecord emptyasnull",
            "1,NULL,NULL",
        ),
        (
            "a varchar(3), b char(2)",
            b"abcdef|xyz\n",
            "truncatecolumns",
            "abc,xy",
        ),
        (
            "a varchar(3)",
            b"\xc3\xa4\xc3\xa4\n",
            "truncatecolumns",
            "\u{e4}",
        ),
        ("a varchar(3)", b"ab    \n", "", "ab "),
        ("a decimal(5,1)", b"1.25\n-1.25\n1.19\n", "", "1.2 -1.2 1.1"),
        (
            "a decimal(5,1)",
            b"1.25\n-1.25\n1.19\n",
            "roundec",
            "1.3 -1.3 1.2",
        ),
        ("a varchar(9), b int", b"x  |1\n", "trimblanks", "x,1"),
        (
            "a varchar(9), b int",
            b"\"a|b\"|1\n'c'|2\n",
            "removequotes",
            "a|b,1 c,2",
        ),
        (
            "a varchar(9), b varchar(9)",
            b"NULL|x\n\\N|y\n",
            "null as 'NULL'",
            "NULL,x \\N,y",
        ),
        (
            "a varchar(9), b varchar(9)",
            b"\0|x\n",
            "null as '\\000'",
            "NULL,x",
        ),
        (
            "a varchar(9), b varchar(9)",
            b"a\\|b|x\n",
            "escape",
            "a|b,x",
        ),
        (
            "a varchar(9), b varchar(9)",
            b"\xc3\xa4|x\n",
            "encoding utf8",
            "\u{e4},x",
        ),
        (
            "a int identity(1,1), b int",
            b"7|8\n",
            "explicit_ids",
            "7,8",
        ),
        ("a int", b"1\n\n2\n", "ignoreblanklines", "1 2"),
        (
            "a int",
            b"h\n1\n",
            "ignoreheader 1 compupdate off statupdate on",
            "1",
        ),
        (
            "a date, b date",
            b"31.12.1999|01.02.2003\n",
            "dateformat 'DD.MM.YYYY'",
            "1999-12-31,2003-02-01",
        ),
        (
            "a date",
            b"20200131\nMar 4 2021\n",
            "dateformat 'auto'",
            "2020-01-31 2021-03-04",
        ),
        (
            "a timestamp",
            b"1600000000\n",
            "timeformat 'epochsecs'",
            "2020-09-13T12:26:40",
        ),
        (
            "a timestamp",
            b"1600000000123\n",
            "timeformat as 'epochmillisecs'",
            "2020-09-13T12:26:40.123",
        ),
        (
            "a timestamp",
            b"01.02.2003 04:05:06\n",
            "timeformat 'DD.MM.YYYY HH:MI:SS'",
            "2003-02-01T04:05:06",
        ),
        (
            "a date",
            b"nonsense\n2020-01-01\n",
            "acceptanydate",
            "NULL 2020-01-01",
        ),
        (
            "a varchar(9), b int",
            b"\"a,\"\"b\"\"\n\",1\n",
            "csv",
            "a,\"b\"\n,1",
        ),
        (
            "a varchar(9), b int",
            b"%a;b%;1\n",
            "format as csv quote as '%' delimiter ';'",
            "a;b,1",
        ),
        ("a int", b"1\nx\ny\n2\n", "ignoreallerrors", "1 2"),
        ("a int", b"1\n2\n", "noload", ""),
    ] {
        ok(s, &format!("create table o ({columns})")).await;
        let copy = loading.copy("o", "options", text) + " " + options;
        let loaded = run(s, &copy).await;
        assert!(loaded.is_ok(), "{copy}: {:?}", loaded.err());
        let rows = ok(s, "select * from o").await;
        let shown: Vec<String> = rows.iter().map(|row| row.replace('|', ",")).collect();
        assert_eq!(shown.join(" "), expected.replace('|', ","), "{options}");
        ok(s, "drop table o").await;
    }
    ok(s, "create table o (a int)").await;
    let both = loading.copy("o", "options", "1\n") + " ignoreallerrors maxerror 3";
    assert_eq!(code(s, &both).await, "42601");
    let noload = loading.copy("o", "options", "1\nx\n") + " noload";
    assert!(refused(s, &noload).await.contains("(code 1207)"));
}
