//! A compiled pattern as the REGEXP functions use it. What an automaton can do it does; look-around and back references
//! of Perl's dialect run as a program.

use super::program::Program;
use crate::error::{Error, Result};
use crate::function::call::Column;
use crate::sqlstate::SqlState;
use arrow::array::StringViewArray;
use regex::{Regex, RegexBuilder};
use std::cell::RefCell;
use std::rc::Rc;

/// Bytes a compiled automaton may have.
const SIZE_MAX: usize = 8 * 1024 * 1024;

/// A compiled pattern.
#[derive(Debug)]
pub(super) struct Matcher {
    engine: Engine,
    /// `e`: the first group is what matches, if there is one.
    subexpression: bool,
}

#[derive(Debug)]
enum Engine {
    Automaton(Regex),
    Program(Program),
}

thread_local! {
    /// The last pattern of this thread with its parameters: batches of a query bring the same one.
    static LAST: RefCell<Option<(String, String, Rc<Matcher>)>> = const { RefCell::new(None) };
}

/// Ends of the groups of a match; the first is the whole match.
pub(super) type Groups = Vec<Option<(usize, usize)>>;

impl Matcher {
    /// Gives a compiled pattern; the last one is kept.
    pub(super) fn get(pattern: &str, parameters: &str) -> Result<Rc<Self>> {
        let known = LAST.with_borrow(|last| match last {
            Some((last, flags, matcher)) if last == pattern && flags == parameters => {
                Some(Rc::clone(matcher))
            }
            _ => None,
        });
        if let Some(matcher) = known {
            return Ok(matcher);
        }
        let matcher = Rc::new(Self::compile(pattern, parameters)?);
        LAST.with_borrow_mut(|last| {
            *last = Some((
                pattern.to_owned(),
                parameters.to_owned(),
                Rc::clone(&matcher),
            ));
        });
        Ok(matcher)
    }

    fn compile(pattern: &str, parameters: &str) -> Result<Self> {
        let (mut folded, mut subexpression, mut perl) = (false, false, false);
        for parameter in parameters.chars() {
            match parameter {
                'c' => folded = false,
                'i' => folded = true,
                'e' => subexpression = true,
                'p' => perl = true,
                other => {
                    return Err(Error::new(
                        SqlState::INVALID_PARAMETER_VALUE,
                        format!("invalid regular expression parameter \"{other}\""),
                    )
                    .with_hint("Use c, i, e and p"));
                }
            }
        }
        let automaton = RegexBuilder::new(&brackets(pattern))
            .case_insensitive(folded)
            .size_limit(SIZE_MAX)
            .build();
        let engine = match automaton {
            Ok(regex) => Engine::Automaton(regex),
            Err(_) if perl => Engine::Program(Program::new(pattern, folded)?),
            Err(error) => {
                let shown = error.to_string();
                let why = shown.lines().last().unwrap_or_default();
                return Err(Error::new(
                    SqlState::INVALID_PARAMETER_VALUE,
                    format!("invalid regular expression \"{pattern}\""),
                )
                .with_detail(why.trim_start_matches("error: "))
                .with_hint("For look-around and back references add the parameter 'p'"));
            }
        };
        Ok(Self {
            engine,
            subexpression,
        })
    }

    /// Finds the first match that starts at `from` or later: the whole of it, or its first group.
    pub(super) fn find(&self, text: &str, from: usize) -> Result<Option<Found>> {
        if let (Engine::Automaton(regex), false) = (&self.engine, self.subexpression) {
            return Ok(regex.find_at(text, from).map(|found| Found {
                whole: (found.start(), found.end()),
                part: (found.start(), found.end()),
            }));
        }
        let Some(groups) = self.groups(text, from)? else {
            return Ok(None);
        };
        let whole = groups.first().copied().flatten().unwrap_or((from, from));
        let part = match groups.get(1) {
            // A group that took no part in the match is empty.
            Some(group) if self.subexpression => group.unwrap_or((whole.0, whole.0)),
            _ => whole,
        };
        Ok(Some(Found { whole, part }))
    }

    /// Finds the first match that starts at `from` or later, with its groups.
    pub(super) fn groups(&self, text: &str, from: usize) -> Result<Option<Groups>> {
        match &self.engine {
            Engine::Automaton(regex) => {
                let found = regex.captures_at(text, from);
                Ok(found.map(|found| {
                    let groups = found.iter();
                    groups
                        .map(|group| group.map(|group| (group.start(), group.end())))
                        .collect()
                }))
            }
            Engine::Program(program) => {
                let found = program.find(text, from)?;
                Ok(found.map(|ends| {
                    let groups = ends.chunks_exact(2);
                    groups
                        .map(|ends| match ends {
                            [Some(start), Some(end)] => Some((*start, *end)),
                            _ => None,
                        })
                        .collect()
                }))
            }
        }
    }

    /// Gives the n-th match from 1 that starts at `from` or later.
    pub(super) fn nth(&self, text: &str, from: usize, number: usize) -> Result<Option<Found>> {
        let mut at = from;
        for _ in 1..number {
            match self.find(text, at)? {
                Some(found) => at = found.next(text),
                None => return Ok(None),
            }
            if at > text.len() {
                return Ok(None);
            }
        }
        self.find(text, at)
    }
}

/// A match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// All of it.
    pub(super) whole: (usize, usize),
    /// What the function is about: the first group with the parameter `e`.
    pub(super) part: (usize, usize),
}

impl Found {
    /// Where the search for the next match starts; beyond the end of the text if there can be none.
    pub(super) fn next(self, text: &str) -> usize {
        let (start, end) = self.whole;
        if end > start {
            return end;
        }
        let next = text.get(end..).and_then(|rest| rest.chars().next());
        end + next.map_or(1, char::len_utf8)
    }
}

/// Escapes what is a letter within brackets for POSIX and a sign for the automaton: `[` and doubled signs.
fn brackets(pattern: &str) -> String {
    let mut text = String::with_capacity(pattern.len());
    let mut chars = pattern.chars().peekable();
    let mut inside = false;
    while let Some(ch) = chars.next() {
        match ch {
            '\\' => {
                text.push(ch);
                text.extend(chars.next());
            }
            '[' if !inside => {
                inside = true;
                text.push(ch);
                if chars.peek() == Some(&'^') {
                    text.extend(chars.next());
                }
                // A bracket that closes at once is a letter.
                if chars.peek() == Some(&']') {
                    text.push('\\');
                    text.extend(chars.next());
                }
            }
            '[' if chars.peek() == Some(&':') => {
                text.push(ch);
                let mut before = ' ';
                for ch in chars.by_ref() {
                    text.push(ch);
                    if before == ':' && ch == ']' {
                        break;
                    }
                    before = ch;
                }
            }
            ']' => {
                inside = false;
                text.push(ch);
            }
            '[' | '&' | '~' if inside => {
                text.push('\\');
                text.push(ch);
            }
            ch => text.push(ch),
        }
    }
    text
}

/// The byte at which a search from a character, from 1, starts; `None` if the text has fewer characters.
pub(super) fn start(text: &str, position: i64) -> Option<usize> {
    let skip = usize::try_from(position.max(1) - 1).ok()?;
    if skip == 0 {
        return Some(0);
    }
    text.char_indices().nth(skip).map(|(at, _)| at)
}

/// The patterns of a call.
pub(super) struct Patterns<'a> {
    pub(super) patterns: Column<'a, StringViewArray>,
    pub(super) parameters: Option<Column<'a, StringViewArray>>,
}

impl Patterns<'_> {
    /// The pattern of a row; `None` if it or its parameters are null.
    pub(super) fn at(&self, row: usize) -> Result<Option<Rc<Matcher>>> {
        let Some(pattern) = self.patterns.at(row) else {
            return Ok(None);
        };
        match &self.parameters {
            None => Matcher::get(pattern, "").map(Some),
            Some(parameters) => match parameters.at(row) {
                Some(parameters) => Matcher::get(pattern, parameters).map(Some),
                None => Ok(None),
            },
        }
    }
}
