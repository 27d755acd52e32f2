//! COPY of very many small files, from the local disk and from an S3 server in this process: files a second.

use crate::report::{Figures, best};
use crate::server::Server;
use crate::{Options, client, tpch};
use anyhow::{Context, Result, ensure};
use blueshift_tests::Store;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::time::Instant;

/// Files of one COPY.
const FILES: u64 = 10_000;
/// Bytes of each, about.
const FILE_BYTES: usize = 10_000;

/// Measures and prints.
pub async fn run(options: &Options) -> Result<()> {
    let work = tpch::work_directory(options.work.as_ref(), options.scale)?;
    let local = work.join("small-files");
    let rows = write(&local)?;
    let store = Store::start().await;
    std::fs::create_dir_all(store.path("in"))?;
    for entry in std::fs::read_dir(&local)? {
        let entry = entry?;
        // The bytes are the same: there is no need of a copy of each.
        std::fs::copy(entry.path(), store.path("in").join(entry.file_name()))?;
    }
    let environment = [
        ("BLUESHIFT_S3_ENDPOINT", store.endpoint.as_str()),
        ("BLUESHIFT_S3_REGION", "us-east-1"),
    ];
    let data = work.join("blueshift-small-files");
    let server = Server::start_with(&data, options.slices, &local, &environment).await?;
    let client = client::connect(server.port).await?;
    let ways = [
        ("local disk", format!("'file://{}/part-'", local.display())),
        (
            "S3 on loopback",
            format!("'s3://bucket/in/part-' {}", store.keys()),
        ),
    ];
    let (mut seconds, mut cpu_seconds) = (BTreeMap::new(), BTreeMap::new());
    for _ in 0..options.repeats {
        for (name, source) in &ways {
            client::rows(&client, "DROP TABLE IF EXISTS small").await?;
            client::rows(
                &client,
                "CREATE TABLE small (id BIGINT, name VARCHAR(60), price DECIMAL(9, 2))",
            )
            .await?;
            let (begun, cpu) = (Instant::now(), server.cpu_seconds());
            client::rows(&client, &format!("COPY small FROM {source}"))
                .await
                .context(*name)?;
            let took = begun.elapsed().as_secs_f64();
            let add = |figures: &mut BTreeMap<String, Vec<f64>>, figure: f64| {
                figures.entry((*name).to_owned()).or_default().push(figure);
            };
            add(&mut seconds, took);
            add(&mut cpu_seconds, server.cpu_seconds() - cpu);
            let count = client::rows(&client, "SELECT count(*) FROM small").await?;
            ensure!(
                count == [[Some(rows.to_string())]],
                "{name}: {count:?} rows instead of {rows}"
            );
        }
    }
    let bests = |figures: &BTreeMap<String, Vec<f64>>| -> BTreeMap<String, f64> {
        let figures = figures.iter();
        figures
            .map(|(name, all)| (name.clone(), best(all)))
            .collect()
    };
    let (seconds, cpu_seconds) = (bests(&seconds), bests(&cpu_seconds));
    println!(
        "{FILES} files of {FILE_BYTES} bytes, peak memory {} MB",
        server.memory_bytes("VmHWM") >> 20
    );
    println!(
        "{:<16} {:>8} {:>12} {:>8}",
        "", "seconds", "cpu seconds", "files/s"
    );
    for (name, _) in &ways {
        let of = |figures: &BTreeMap<String, f64>| figures.get(*name).copied().unwrap_or(f64::NAN);
        let took = of(&seconds);
        let cpu = of(&cpu_seconds);
        println!(
            "{name:<16} {took:>8.2} {cpu:>12.2} {:>8.0}",
            FILES as f64 / took
        );
    }
    let figures = Figures {
        suite: "small-files",
        scale: options.scale,
        slices: options.slices,
        seconds: BTreeMap::from([("blueshift".to_owned(), seconds)]),
        figures: cpu_seconds,
    };
    tpch::write_json(options, &figures)
}

/// Writes the files where they are missing, and counts their rows.
fn write(folder: &Path) -> Result<u64> {
    std::fs::create_dir_all(folder)?;
    let mut id = 0_u64;
    for file in 0..FILES {
        let mut text = String::with_capacity(FILE_BYTES + 100);
        while text.len() < FILE_BYTES {
            writeln!(
                text,
                "{id}|name of the row {}|{}.25",
                id % 9_973,
                id % 1_000
            )?;
            id += 1;
        }
        let path = folder.join(format!("part-{file:05}"));
        if !path.exists() {
            std::fs::write(path, text)?;
        }
    }
    Ok(id)
}
