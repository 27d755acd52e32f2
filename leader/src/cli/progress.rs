//! How far a command is, as a line on the terminal: told by the command itself, or asked of a system view beside it.

use super::connect::{Connect, query};
use anyhow::Result;
use clap::ValueEnum;
use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};
use tokio_postgres::Client;

/// Between two looks at a view.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Cells of a bar.
const BAR_CELLS: usize = 24;

/// Whether progress is shown on standard error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Shown {
    /// If that is a terminal.
    #[default]
    Auto,
    /// Always, a line each.
    Always,
    /// Never.
    Never,
}

/// The line.
pub(super) struct Progress {
    is_terminal: bool,
    is_shown: bool,
    last: Mutex<String>,
}

impl Progress {
    /// Begins without a line.
    pub(super) fn new(shown: Shown) -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        Self {
            is_terminal,
            is_shown: match shown {
                Shown::Auto => is_terminal,
                Shown::Always => true,
                Shown::Never => false,
            },
            last: Mutex::default(),
        }
    }

    /// Tells how many of how many are done.
    pub(super) fn tell(&self, what: &str, done: u64, all: u64) {
        let share = done as f64 / all.max(1) as f64;
        self.write(format!("{what} {}", bar(share)));
    }

    fn write(&self, text: String) {
        if !self.is_shown {
            return;
        }
        let Ok(mut last) = self.last.lock() else {
            return;
        };
        if *last == text {
            return;
        }
        // A terminal that is gone does not stop the work.
        let _untold = match self.is_terminal {
            true => write!(std::io::stderr(), "\r\u{1b}[K{text}"),
            false => writeln!(std::io::stderr(), "{text}"),
        };
        *last = text;
    }

    /// Takes the line away.
    pub(super) fn clear(&self) {
        if self.is_shown && self.is_terminal {
            let _untold = write!(std::io::stderr(), "\r\u{1b}[K");
        }
    }
}

/// Draws a share of the whole.
fn bar(share: f64) -> String {
    let share = share.clamp(0.0, 1.0);
    let full = (share * BAR_CELLS as f64).floor() as usize;
    let bar: String = (0..BAR_CELLS)
        .map(|cell| if cell < full { '#' } else { '.' })
        .collect();
    format!("[{bar}] {:3.0} %", share * 100.0)
}

/// Runs a statement on its own connection, and meanwhile asks `view` on another how far it is. The view gives rows of
/// what is done, and of the percent done or the time left as `1m 30s`, either of which may be null.
pub(super) async fn watched<T>(
    connect: &Connect,
    view: &str,
    work: impl AsyncFnOnce(&Client) -> Result<T>,
) -> Result<T> {
    let client = connect.open().await?;
    let progress = Progress::new(connect.progress);
    if !progress.is_shown {
        return work(&client).await;
    }
    let watcher = connect.open().await?;
    let outcome = tokio::select! {
        outcome = work(&client) => outcome,
        never = watch(&watcher, view, &progress) => match never {},
    };
    progress.clear();
    outcome
}

async fn watch(client: &Client, view: &str, progress: &Progress) -> std::convert::Infallible {
    let begun = Instant::now();
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        // What cannot be asked is not shown; the work itself tells what is wrong.
        let Ok(table) = query(client, view).await else {
            continue;
        };
        for row in table.rows {
            let mut cells = row.into_iter();
            let what = cells.next().flatten().unwrap_or_default();
            let percent = cells.next().flatten();
            let left = cells.next().flatten();
            progress.write(line(&what, percent, left, begun.elapsed()));
        }
    }
}

fn line(what: &str, percent: Option<String>, left: Option<String>, passed: Duration) -> String {
    let percent = percent.and_then(|percent| percent.parse::<f64>().ok());
    let of_time = left.as_deref().and_then(seconds).map(|left| {
        let passed = passed.as_secs_f64();
        100.0 * passed / (passed + left).max(f64::MIN_POSITIVE)
    });
    let mut text = what.to_owned();
    if let Some(percent) = percent.or(of_time) {
        text += &format!(" {}", bar(percent / 100.0));
    }
    if let Some(left) = left {
        text += &format!(", {left} left");
    }
    text
}

/// Reads `1m 30s`.
fn seconds(text: &str) -> Option<f64> {
    let (minutes, rest) = text.split_once("m ")?;
    let minutes: f64 = minutes.trim().parse().ok()?;
    let seconds: f64 = rest.trim().strip_suffix('s')?.parse().ok()?;
    Some(minutes * 60.0 + seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_what_is_known() {
        let passed = Duration::from_secs(30);
        let line = |percent: Option<&str>, left: Option<&str>| {
            let owned = |text: Option<&str>| text.map(str::to_owned);
            line("Vacuum sale sort", owned(percent), owned(left), passed)
        };
        assert_eq!(line(None, None), "Vacuum sale sort");
        assert_eq!(
            line(None, Some("1m 30s")),
            "Vacuum sale sort [######..................]  25 %, 1m 30s left"
        );
        assert_eq!(
            line(Some("50"), None),
            "Vacuum sale sort [############............]  50 %"
        );
        assert_eq!(bar(7.0), format!("[{}] 100 %", "#".repeat(BAR_CELLS)));
    }
}
