//! Loads of files that are too large, too many or too odd for a folder of fixtures.

use blueshift_tests::{Client, Server, ServerOptions, connect, logic};
use std::fmt::Write;
use std::path::Path;

async fn server(files: &Path) -> (Server, Client) {
    let server = Server::start(ServerOptions {
        slices: Some(4),
        arguments: vec!["--copy-root".into(), files.display().to_string()],
        ..ServerOptions::default()
    })
    .await;
    let client = connect(server.port).await;
    (server, client)
}

/// Objects over several lines, one behind the other and with brackets in texts, cut into many chunks.
#[tokio::test(flavor = "multi_thread")]
async fn json_is_read_in_parallel_and_no_object_is_lost() {
    let files = tempfile::tempdir().expect("a folder");
    let mut text = String::new();
    let (mut rows, mut sum) = (0_u64, 0_u64);
    while text.len() < 12 << 20 {
        rows += 1;
        sum += rows;
        let between = ["\n", "", " \r\n\n", "\t"][rows as usize % 4];
        let inside = ["", "\n  ", " "][rows as usize % 3];
        let odd = ["}{", "\\\"]", "[[", "\\\\"][rows as usize % 4];
        let _ = write!(
            text,
            "{{{inside}\"text\":\"{odd}{}\",{inside}\"id\":{rows}{inside},\"more\":[{{}},\"{odd}\"]}}{between}",
            "x".repeat(rows as usize % 300)
        );
    }
    std::fs::write(files.path().join("plain"), &text).expect("write");
    let packed = zstd::encode_all(text.as_bytes(), 1).expect("encode");
    std::fs::write(files.path().join("packed"), packed).expect("write");
    let (_server, client) = server(files.path()).await;
    client
        .run("CREATE TABLE t (id BIGINT, text VARCHAR(400), more SUPER) DISTKEY(id)")
        .await;
    let folder = files.path().display();
    for (file, options) in [("plain", ""), ("packed", "ZSTD")] {
        client.run("TRUNCATE t").await;
        let copy = format!("COPY t FROM 'file://{folder}/{file}' JSON 'auto' {options}");
        client.run(&copy).await;
        let found =
            "SELECT count(*), sum(id), count(DISTINCT id), min(get_array_length(more)) FROM t";
        let expected = format!("{rows}|{sum}|{rows}|2");
        assert_eq!(client.rows(found).await, [expected], "{file}");
        let lines = "SELECT lines FROM stl_file_scan WHERE query = pg_last_copy_id()";
        let newlines = text.matches('\n').count() + usize::from(!text.ends_with('\n'));
        assert_eq!(client.value(lines).await, newlines.to_string());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_never_ends_ends_the_load() {
    let files = tempfile::tempdir().expect("a folder");
    let text = format!("{{\"id\":1}}\n{{\"id\":[{}", "1,\n".repeat(1_600_000));
    std::fs::write(files.path().join("open"), text).expect("write");
    let (_server, client) = server(files.path()).await;
    client.run("CREATE TABLE t (id BIGINT)").await;
    let folder = files.path().display();
    let copy = format!("COPY t FROM 'file://{folder}/open' JSON 'auto' MAXERROR 1000");
    let (_, error) = client.failure(&copy).await;
    assert!(error.contains("larger than 4 MB"), "{error}");
    assert_eq!(client.value("SELECT count(*) FROM t").await, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_of_parquet_files_tells_their_sizes() {
    let files = tempfile::tempdir().expect("a folder");
    let folder = files.path().display();
    let fixture = logic::fixture().join("few.parquet");
    let bytes = std::fs::copy(fixture, files.path().join("few.parquet")).expect("copy");
    let manifest = |meta: &str| {
        format!(
            "{{\"entries\":[{{\"url\":\"file://{folder}/few.parquet\",\"mandatory\":true{meta}}}]}}"
        )
    };
    let write = |name: &str, text: String| {
        std::fs::write(files.path().join(name), text).expect("write");
    };
    write("none", manifest(""));
    let length = |bytes: u64| manifest(&format!(",\"meta\":{{\"content_length\":{bytes}}}"));
    write("right", length(bytes));
    write("wrong", length(bytes + 1));
    let (_server, client) = server(files.path()).await;
    client.run("CREATE TABLE t (a INTEGER, b VARCHAR(3))").await;
    let copy = |name: &str| format!("COPY t FROM 'file://{folder}/{name}' FORMAT PARQUET MANIFEST");
    let (_, error) = client.failure(&copy("none")).await;
    assert!(
        error.contains("File entry does not have 'meta' key."),
        "{error}"
    );
    let (_, error) = client.failure(&copy("wrong")).await;
    assert!(error.contains("the manifest says"), "{error}");
    client.run(&copy("right")).await;
    assert_eq!(
        client.rows("SELECT a, b FROM t ORDER BY a").await,
        ["1|x", "2|y"]
    );
}
