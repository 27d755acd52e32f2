//! The ledger: which units of a source are in which commit.
//!
//! A *source* is an object that brings rows again and again: a copy job, later a stream. A *unit* is a part of it that is
//! taken as a whole (the URL of a file, a shard of a stream), a *position* the version or place of the unit that was taken
//! (the tag and size of a file, an offset). Unit and position together are taken once: the entry that says so is a change
//! of the catalog in the same commit record as the rows, so after a crash both are there or neither is.
//!
//! The log keeps a ledger in pages of up to [`PAGE_ENTRIES_MAX`] entries under `ledger/<oid of the source>/<page>`. A page is
//! one text, with a version: the catalog is looked through at every change of it, and must not be a million values. Its
//! checksum is that of the frame it stands in, as of every entry of the catalog. Pages are decoded when somebody looks.
//!
//! Only one transaction at a time may change the ledger of a source: who changes it holds the exclusive lock on the source.

pub mod file;

use crate::catalog::Oid;
use crate::error::{Error, Result};
use blueshift_sql::SqlState;
use blueshift_storage::store::{CatalogChange, CatalogMap, ReadView};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// Entries of a source at most. What the sources of Redshift's users have in a year, and 100 MB in memory.
pub const ENTRIES_MAX: usize = 1_000_000;
/// Entries of a page at most: a page is written whole when one of them changes.
const PAGE_ENTRIES_MAX: usize = 256;
/// The version of a page's layout.
const PAGE_VERSION: u32 = 1;
/// Characters of an error at most.
pub const ERROR_CHARACTERS_MAX: usize = 512;

/// What has become of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EntryState {
    /// It was there before the source was made, and is not taken.
    #[serde(rename = "B")]
    Before,
    /// Taking it failed, and is tried again.
    #[serde(rename = "W")]
    Waiting,
    /// Its rows are committed.
    #[serde(rename = "T")]
    Taken,
    /// Taking it failed for good; it is tried again only when somebody asks.
    #[serde(rename = "P")]
    Parked,
}

/// One unit in one position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What of the source.
    pub unit: String,
    /// Which version or place of it.
    pub position: String,
    /// What has become of it.
    pub state: EntryState,
    /// How often taking it was tried.
    pub attempts: u32,
    /// Why the last try failed, without secrets; empty if none did.
    pub error: String,
    /// When the unit was made as its source tells, in microseconds since 1970.
    pub made_us: i64,
    /// When it was first noticed.
    pub noticed_us: i64,
    /// When it came to its state.
    pub changed_us: i64,
    /// The id of the query that took it or failed to; 0 without one.
    pub query: i64,
}

/// An entry as a page keeps it: an array, so that names of fields are not repeated.
type Line = (String, String, EntryState, u32, String, i64, i64, i64, i64);

/// A page as the catalog keeps it.
#[derive(Serialize, Deserialize)]
struct PageRecord {
    version: u32,
    count: usize,
    /// A [`Line`] of JSON per entry.
    entries: String,
}

/// Where an entry is: page and place in it.
type Place = (u32, usize);

struct Page {
    /// What it was decoded from; `None` if it was changed since.
    record: Option<Arc<serde_json::Value>>,
    entries: Vec<Entry>,
}

/// The ledger of one source, as of a read view, with changes that are not committed on top.
pub struct Ledger {
    source: Oid,
    pages: BTreeMap<u32, Page>,
    /// By the hash of unit and position.
    places: HashMap<u64, Place>,
    /// Those whose hash another entry has.
    collided: Vec<Place>,
    /// Pages that were written and are empty now.
    emptied: Vec<u32>,
    count: usize,
}

fn prefix(source: Oid) -> String {
    format!("ledger/{source:010}/")
}

fn key(source: Oid, page: u32) -> String {
    format!("{}{page:010}", prefix(source))
}

fn hash(unit: &str, position: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (unit, position).hash(&mut hasher);
    hasher.finish()
}

fn damaged(key: &str, reason: impl std::fmt::Display) -> Error {
    Error::new(
        SqlState::DATA_CORRUPTED,
        format!("catalog entry \"{key}\" is damaged: {reason}"),
    )
}

/// Gives the pages of a source with their numbers.
fn records(
    map: &CatalogMap,
    source: Oid,
) -> impl Iterator<Item = (&String, &Arc<serde_json::Value>)> {
    let prefix = prefix(source);
    let from = map.range(prefix.clone()..);
    from.take_while(move |(key, _)| key.starts_with(&prefix))
}

fn page_number(key: &str) -> Result<u32> {
    let number = key.rsplit('/').next().and_then(|text| text.parse().ok());
    number.ok_or_else(|| damaged(key, "its name has no page"))
}

fn decode(key: &str, value: &serde_json::Value) -> Result<Vec<Entry>> {
    let page = PageRecord::deserialize(value).map_err(|error| damaged(key, error))?;
    if page.version != PAGE_VERSION {
        let reason = format!("its layout has version {}", page.version);
        return Err(damaged(key, reason));
    }
    let lines = page.entries.lines().map(|line| -> Result<Entry> {
        let line: Line = serde_json::from_str(line).map_err(|error| damaged(key, error))?;
        let (unit, position, state, attempts, error, made_us, noticed_us, changed_us, query) = line;
        Ok(Entry {
            unit,
            position,
            state,
            attempts,
            error,
            made_us,
            noticed_us,
            changed_us,
            query,
        })
    });
    let entries: Vec<_> = lines.collect::<Result<_>>()?;
    match entries.len() == page.count {
        true => Ok(entries),
        false => Err(damaged(key, "entries are missing")),
    }
}

fn encode(key: String, entries: &[Entry]) -> Result<CatalogChange> {
    let mut text = String::new();
    for entry in entries {
        let line = (
            &entry.unit,
            &entry.position,
            entry.state,
            entry.attempts,
            &entry.error,
            entry.made_us,
            entry.noticed_us,
            entry.changed_us,
            entry.query,
        );
        text += &serde_json::to_string(&line).map_err(|error| damaged(&key, error))?;
        text.push('\n');
    }
    let page = PageRecord {
        version: PAGE_VERSION,
        count: entries.len(),
        entries: text,
    };
    let value = serde_json::to_value(page).map_err(|error| damaged(&key, error))?;
    Ok(CatalogChange {
        key,
        value: Some(value),
    })
}

/// Gives the changes that end a source's ledger, all that `view` has of it.
pub fn removed(view: &ReadView, source: Oid) -> Vec<CatalogChange> {
    let keys = records(&view.catalog, source).map(|(key, _)| key.clone());
    keys.map(|key| CatalogChange { key, value: None }).collect()
}

impl Ledger {
    /// Begins the ledger of a new source.
    pub fn new(source: Oid) -> Self {
        Self {
            source,
            pages: BTreeMap::new(),
            places: HashMap::new(),
            collided: Vec::new(),
            emptied: Vec::new(),
            count: 0,
        }
    }

    /// Reads the ledger of a source.
    pub fn of(view: &ReadView, source: Oid) -> Result<Self> {
        let mut ledger = Self::new(source);
        ledger.refresh(view)?;
        Ok(ledger)
    }

    /// Takes what a later view has in the place of what is here, and forgets changes that are not in it. Costs little where
    /// nothing differs.
    pub fn refresh(&mut self, view: &ReadView) -> Result<()> {
        let mut pages = std::mem::take(&mut self.pages);
        let mut is_same = true;
        for (key, value) in records(&view.catalog, self.source) {
            let number = page_number(key)?;
            let known = pages.remove(&number).filter(|page| {
                let record = page.record.as_ref();
                record.is_some_and(|record| Arc::ptr_eq(record, value))
            });
            let page = match known {
                Some(page) => page,
                None => {
                    is_same = false;
                    Page {
                        record: Some(Arc::clone(value)),
                        entries: decode(key, value)?,
                    }
                }
            };
            self.pages.insert(number, page);
        }
        if !is_same || !pages.is_empty() {
            self.index();
        }
        self.emptied.clear();
        Ok(())
    }

    fn index(&mut self) {
        self.places.clear();
        self.collided.clear();
        self.count = 0;
        for (number, page) in &self.pages {
            for (place, entry) in page.entries.iter().enumerate() {
                let hash = hash(&entry.unit, &entry.position);
                if let Some(other) = self.places.insert(hash, (*number, place)) {
                    self.collided.push(other);
                }
                self.count += 1;
            }
        }
    }

    fn at(&self, (page, place): Place) -> Option<&Entry> {
        self.pages.get(&page)?.entries.get(place)
    }

    fn place(&self, unit: &str, position: &str) -> Option<Place> {
        let is_it = |place: &Place| {
            let entry = self.at(*place);
            entry.is_some_and(|entry| entry.unit == unit && entry.position == position)
        };
        let first = self.places.get(&hash(unit, position)).copied();
        first
            .filter(is_it)
            .or_else(|| self.collided.iter().copied().find(is_it))
    }

    /// Finds a unit in a position.
    pub fn find(&self, unit: &str, position: &str) -> Option<&Entry> {
        self.at(self.place(unit, position)?)
    }

    /// Gives all entries, in the order they came.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.pages.values().flat_map(|page| &page.entries)
    }

    /// Counts the entries.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Tells whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds an entry, or puts it in the place of that of the same unit and position.
    pub fn put(&mut self, entry: Entry) {
        let at = self.place(&entry.unit, &entry.position);
        if let Some((number, place)) = at
            && let Some(page) = self.pages.get_mut(&number)
            && let Some(known) = page.entries.get_mut(place)
        {
            *known = entry;
            page.record = None;
            return;
        }
        let last = self.pages.last_key_value();
        let number = match last {
            Some((number, page)) if page.entries.len() < PAGE_ENTRIES_MAX => *number,
            Some((number, _)) => number + 1,
            None => 0,
        };
        let page = self.pages.entry(number).or_insert_with(|| Page {
            record: None,
            entries: Vec::new(),
        });
        let hash = hash(&entry.unit, &entry.position);
        let place = (number, page.entries.len());
        page.entries.push(entry);
        page.record = None;
        self.count += 1;
        if let Some(other) = self.places.insert(hash, place) {
            self.collided.push(other);
        }
    }

    /// Takes out the entries that are not wanted.
    pub fn retain(&mut self, mut wanted: impl FnMut(&Entry) -> bool) {
        let before = self.count;
        for (number, page) in &mut self.pages {
            let entries = page.entries.len();
            page.entries.retain(&mut wanted);
            if page.entries.len() < entries {
                page.record = None;
                if page.entries.is_empty() {
                    self.emptied.push(*number);
                }
            }
        }
        self.pages.retain(|_, page| !page.entries.is_empty());
        self.index();
        debug_assert!(self.count <= before);
    }

    /// Gives what must be committed for what was changed here.
    pub fn changes(&self) -> Result<Vec<CatalogChange>> {
        let changed = self.pages.iter().filter(|(_, page)| page.record.is_none());
        let written =
            changed.map(|(number, page)| encode(key(self.source, *number), &page.entries));
        let gone = self
            .emptied
            .iter()
            .filter(|number| !self.pages.contains_key(*number))
            .map(|number| {
                Ok(CatalogChange {
                    key: key(self.source, *number),
                    value: None,
                })
            });
        written.chain(gone).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use blueshift_storage::schema::CommitVersion;

    fn entry(unit: &str, position: &str, state: EntryState) -> Entry {
        Entry {
            unit: unit.into(),
            position: position.into(),
            state,
            attempts: 1,
            error: String::new(),
            made_us: 1,
            noticed_us: 2,
            changed_us: 3,
            query: 4,
        }
    }

    fn committed(view: &ReadView, changes: Vec<CatalogChange>) -> ReadView {
        let mut map = CatalogMap::clone(&view.catalog);
        for change in changes {
            match change.value {
                Some(value) => map.insert(change.key, Arc::new(value)),
                None => map.remove(&change.key),
            };
        }
        view_of(map)
    }

    fn view_of(map: CatalogMap) -> ReadView {
        ReadView {
            version: CommitVersion(1),
            tables: Arc::default(),
            catalog: Arc::new(map),
        }
    }

    #[test]
    fn a_page_has_golden_bytes() {
        let mut ledger = Ledger::new(7);
        ledger.put(Entry {
            error: "a \"b\"\nc".into(),
            ..entry("s3://b/k", "\"e\" 3", EntryState::Parked)
        });
        let changes = ledger.changes().unwrap();
        assert_eq!(changes.len(), 1);
        assert_eq!(changes[0].key, "ledger/0000000007/0000000000");
        let value = changes[0].value.clone().unwrap();
        let expected = serde_json::json!({
            "version": 1,
            "count": 1,
            "entries": "[\"s3://b/k\",\"\\\"e\\\" 3\",\"P\",1,\"a \\\"b\\\"\\nc\",1,2,3,4]\n",
        });
        assert_eq!(value, expected);
    }

    #[test]
    fn what_was_put_is_found_after_a_commit() {
        let empty = view_of(CatalogMap::new());
        let mut ledger = Ledger::new(7);
        for number in 0..1_000 {
            ledger.put(entry(&format!("f{number}"), "1", EntryState::Before));
        }
        let view = committed(&empty, ledger.changes().unwrap());
        assert_eq!(view.catalog.len(), 4);
        let other = Ledger::of(&view, 70).unwrap();
        assert!(other.is_empty());
        let mut ledger = Ledger::of(&view, 7).unwrap();
        assert_eq!(ledger.len(), 1_000);
        assert!(ledger.changes().unwrap().is_empty());
        ledger.put(entry("f999", "1", EntryState::Taken));
        ledger.put(entry("f999", "2", EntryState::Taken));
        assert_eq!(ledger.len(), 1_001);
        let changes = ledger.changes().unwrap();
        assert_eq!(changes.len(), 1, "one page was changed");
        let view = committed(&view, changes);
        ledger.refresh(&view).unwrap();
        assert!(ledger.changes().unwrap().is_empty());
        assert_eq!(ledger.find("f999", "1").unwrap().state, EntryState::Taken);
        assert_eq!(ledger.find("f998", "1").unwrap().state, EntryState::Before);
        assert!(ledger.find("f998", "2").is_none());
        // What was not committed is forgotten.
        ledger.put(entry("g", "1", EntryState::Taken));
        ledger.refresh(&view).unwrap();
        assert!(ledger.find("g", "1").is_none() && ledger.len() == 1_001);
        ledger.retain(|entry| entry.state == EntryState::Taken);
        let view = committed(&view, ledger.changes().unwrap());
        let ledger = Ledger::of(&view, 7).unwrap();
        assert_eq!(ledger.len(), 2);
        assert_eq!(view.catalog.len(), 1, "empty pages are gone");
        assert!(committed(&view, removed(&view, 7)).catalog.is_empty());
    }

    #[test]
    fn damage_and_later_versions_are_told() {
        for value in [
            serde_json::json!(1),
            serde_json::json!({"version": 2, "count": 0, "entries": ""}),
            serde_json::json!({"version": 1, "count": 1, "entries": ""}),
            serde_json::json!({"version": 1, "count": 1, "entries": "[1]\n"}),
        ] {
            let change = CatalogChange {
                key: key(7, 0),
                value: Some(value),
            };
            let view = committed(&view_of(CatalogMap::new()), vec![change]);
            let error = Ledger::of(&view, 7).err().expect("damage");
            assert!(error.to_string().contains("ledger/0000000007"), "{error}");
        }
    }
}
