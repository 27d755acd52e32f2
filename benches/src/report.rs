//! Tables on the terminal and figures as JSON.

use crate::peers::PeerResult;
use serde::Serialize;
use std::collections::BTreeMap;

/// What is written as JSON.
#[derive(Serialize)]
pub struct Figures {
    /// The suite's name.
    pub suite: &'static str,
    /// The scale.
    pub scale: f64,
    /// Slices of the server.
    pub slices: u32,
    /// Best seconds by engine and query.
    pub seconds: BTreeMap<String, BTreeMap<String, f64>>,
    /// Further figures by name.
    pub figures: BTreeMap<String, f64>,
}

/// Gives the least of some seconds.
pub fn best(seconds: &[f64]) -> f64 {
    seconds.iter().copied().fold(f64::INFINITY, f64::min)
}

/// Prints a row per query: ours, each peer, and the ratio ours / peer; then totals and geometric means.
pub fn print_queries(ours: &BTreeMap<String, Vec<f64>>, peers: &[PeerResult]) {
    print!("{:<6} {:>10}", "query", "blueshift");
    for peer in peers {
        print!(
            " {:>14} {:>6}",
            peer.peer.split(' ').next().unwrap_or_default(),
            "ratio"
        );
    }
    println!();
    for (query, seconds) in ours {
        print!("{query:<6} {:>10.4}", best(seconds));
        for peer in peers {
            let theirs = peer
                .queries
                .get(query)
                .map_or(f64::NAN, |seconds| best(seconds));
            print!(" {theirs:>14.4} {:>6.2}", best(seconds) / theirs);
        }
        println!();
    }
    let total: f64 = ours.values().map(|seconds| best(seconds)).sum();
    print!("{:<6} {total:>10.4}", "total");
    for peer in peers {
        let theirs: f64 = ours
            .keys()
            .filter_map(|query| peer.queries.get(query))
            .map(|seconds| best(seconds))
            .sum();
        print!(" {theirs:>14.4} {:>6.2}", total / theirs);
    }
    println!();
    print!("{:<6} {:>10}", "geomean", "");
    for peer in peers {
        let logarithms: Vec<f64> = ours
            .iter()
            .filter_map(|(query, seconds)| {
                Some((best(seconds) / best(peer.queries.get(query)?)).ln())
            })
            .collect();
        print!(
            " {:>14} {:>6.2}",
            "",
            (logarithms.iter().sum::<f64>() / logarithms.len() as f64).exp()
        );
    }
    println!();
}
