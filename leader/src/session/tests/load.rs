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
