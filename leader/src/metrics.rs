//! Figures in the text format of Prometheus, and who gives them.
//!
//! Names end in their unit, counters in `_total`; see the conventions of Prometheus. A source is asked when somebody
//! asks for the page, and must answer at once: it reads counters, and waits for nothing.

use crate::history::lock;
use std::fmt::{self, Display, Write};
use std::sync::Mutex;

/// The text that is answered.
#[derive(Default)]
pub struct Page {
    text: String,
}

/// What a figure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Counts by size.
    Histogram,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

impl Page {
    /// Writes a counter without labels.
    pub fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.family(name, Kind::Counter, help);
        self.sample(name, &[], value);
    }

    /// Writes a gauge without labels.
    pub fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, Kind::Gauge, help);
        self.sample(name, &[], value);
    }

    /// Begins a figure that has several samples, which follow.
    pub fn family(&mut self, name: &str, kind: Kind, help: &str) {
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {}", kind.word()));
    }

    /// Writes a sample of the figure begun last.
    pub fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let mut written = String::new();
        for (label, text) in labels {
            written.push(if written.is_empty() { '{' } else { ',' });
            written.push_str(label);
            written.push_str("=\"");
            for character in text.chars() {
                match character {
                    '\\' => written.push_str("\\\\"),
                    '"' => written.push_str("\\\""),
                    '\n' => written.push_str("\\n"),
                    other => written.push(other),
                }
            }
            written.push('"');
        }
        if !written.is_empty() {
            written.push('}');
        }
        self.line(format_args!("{name}{written} {value}"));
    }

    /// Gives the text.
    pub fn into_text(self) -> String {
        self.text
    }

    fn line(&mut self, line: fmt::Arguments<'_>) {
        // Writing to a text does not fail.
        let _ = self.text.write_fmt(line);
        self.text.push('\n');
    }
}

type Source = Box<dyn Fn(&mut Page) + Send + Sync>;

/// Who gives figures beside those that the page knows of itself.
#[derive(Default)]
pub struct Registry {
    sources: Mutex<Vec<Source>>,
}

impl Registry {
    /// Adds a source. What it refers to it should hold weakly: the registry lives as long as the server.
    pub fn add(&self, source: impl Fn(&mut Page) + Send + Sync + 'static) {
        lock(&self.sources).push(Box::new(source));
    }

    /// Asks all sources.
    pub fn write(&self, page: &mut Page) {
        for source in lock(&self.sources).iter() {
            source(page);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_written_as_the_format_wants() {
        let registry = Registry::default();
        registry.add(|page| page.counter("a_total", "Things.", 7));
        registry.add(|page| {
            page.family("b_bytes", Kind::Gauge, "Bytes.");
            page.sample("b_bytes", &[("of", "a \"b\"\\\n"), ("in", "c")], 1.5);
        });
        let mut page = Page::default();
        registry.write(&mut page);
        let expected = "# HELP a_total Things.\n# TYPE a_total counter\na_total 7\n\
            # HELP b_bytes Bytes.\n# TYPE b_bytes gauge\nb_bytes{of=\"a \\\"b\\\"\\\\\\n\",in=\"c\"} 1.5\n";
        assert_eq!(page.into_text(), expected);
    }
}
