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
                  starttime <= getdate() from stl_load_errors order by filename, line_number";
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
