//! Perl's regular expressions with what automata cannot do: look-around, back references, possessive quantifiers.
//!
//! A pattern becomes a program of small steps. It runs by trying and going back, with an explicit stack and a bound on
//! the steps, so that no pattern can overflow the stack or run for ever.

use crate::error::{Error, Result};
use crate::sqlstate::SqlState;

mod parse;
#[cfg(test)]
mod tests;

/// Steps one search may take.
const STEPS_MAX: usize = 5_000_000;
/// Steps a program may have; counted repetition multiplies them.
const PROGRAM_MAX: usize = 20_000;

/// One step.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Letter(char),
    /// Any character; line ends too if the flag is set.
    Any(bool),
    Set(Set),
    Split {
        first: usize,
        second: usize,
    },
    Jump(usize),
    /// Notes the place in a slot.
    Save(usize),
    Start,
    End,
    /// Only before the line end that ends the text, or the end.
    LastEnd,
    Boundary(bool),
    /// Goes on only if the part up to `end` matches, or does not, from here or `back` characters before.
    Look {
        end: usize,
        negative: bool,
        back: Option<usize>,
    },
    /// Matches the part up to `end` once and never goes back into it.
    Atomic {
        end: usize,
    },
    Back(usize),
    /// Fails if nothing was matched since the slot was noted.
    Moved(usize),
    Match,
}

/// A set of characters.
#[derive(Clone, Debug, Default)]
pub(super) struct Set {
    negative: bool,
    ranges: Vec<(char, char)>,
    classes: Vec<(Class, bool)>,
}

/// A named set; with `false` beside it, what is not in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Digit,
    Word,
    Space,
    Alpha,
    Alnum,
    Upper,
    Lower,
    Punct,
    Blank,
    Control,
    Hex,
    Print,
    Graph,
}

impl Class {
    fn has(self, ch: char) -> bool {
        match self {
            Self::Digit => ch.is_ascii_digit(),
            Self::Word => is_word(ch),
            Self::Space => ch.is_whitespace(),
            // The named sets are of ASCII, as in automata.
            Self::Alpha => ch.is_ascii_alphabetic(),
            Self::Alnum => ch.is_ascii_alphanumeric(),
            Self::Upper => ch.is_ascii_uppercase(),
            Self::Lower => ch.is_ascii_lowercase(),
            Self::Punct => ch.is_ascii_punctuation(),
            Self::Blank => ch == ' ' || ch == '\t',
            Self::Control => ch.is_control(),
            Self::Hex => ch.is_ascii_hexdigit(),
            Self::Print => !ch.is_control(),
            Self::Graph => !ch.is_control() && !ch.is_whitespace(),
        }
    }
}

fn is_word(ch: char) -> bool {
    ch.is_alphanumeric() || ch == '_'
}

impl Set {
    fn has(&self, ch: char, folded: bool) -> bool {
        let one = |ch: char| {
            self.ranges
                .iter()
                .any(|(from, to)| (*from..=*to).contains(&ch))
                || self
                    .classes
                    .iter()
                    .any(|(class, yes)| class.has(ch) == *yes)
        };
        let mut found = one(ch);
        if folded && !found {
            found = ch.to_lowercase().any(one) || ch.to_uppercase().any(one);
        }
        found != self.negative
    }
}

/// A compiled pattern.
#[derive(Clone, Debug)]
pub(super) struct Program {
    steps: Vec<Step>,
    /// Places noted: two per group, then one per loop.
    slots: usize,
    /// Groups, with that of the whole match.
    pub(super) groups: usize,
    folded: bool,
}

/// A choice not yet tried, or a slot to set back on the way there.
enum Choice {
    Try { step: usize, at: usize },
    Restore { slot: usize, value: Option<usize> },
}

impl Program {
    /// Compiles a pattern.
    pub(super) fn new(pattern: &str, folded: bool) -> Result<Self> {
        parse::compile(pattern, folded)
    }

    /// Finds the first match that starts at `from` or later; gives the ends of each group.
    pub(super) fn find(&self, text: &str, from: usize) -> Result<Option<Vec<Option<usize>>>> {
        let mut steps_left = STEPS_MAX;
        let rest = text.get(from..).unwrap_or_default();
        let starts = rest.char_indices().map(|(at, _)| from + at);
        for start in starts.chain(std::iter::once(text.len())) {
            let mut slots = vec![None; self.slots];
            if self
                .run(0, start, text, &mut slots, &mut steps_left)?
                .is_some()
            {
                slots.truncate(self.groups * 2);
                return Ok(Some(slots));
            }
        }
        Ok(None)
    }

    /// Runs from a step until [`Step::Match`]; gives the place reached.
    fn run(
        &self,
        first: usize,
        start: usize,
        text: &str,
        slots: &mut [Option<usize>],
        steps_left: &mut usize,
    ) -> Result<Option<usize>> {
        let mut choices: Vec<Choice> = Vec::new();
        let (mut step, mut at) = (first, start);
        loop {
            *steps_left = steps_left.checked_sub(1).ok_or_else(too_long)?;
            let goes_on = match self.steps.get(step) {
                None | Some(Step::Match) => return Ok(Some(at)),
                Some(Step::Split { first, second }) => {
                    choices.push(Choice::Try { step: *second, at });
                    step = *first;
                    continue;
                }
                Some(Step::Jump(to)) => {
                    step = *to;
                    continue;
                }
                Some(Step::Save(slot)) => {
                    if let Some(place) = slots.get_mut(*slot) {
                        choices.push(Choice::Restore {
                            slot: *slot,
                            value: *place,
                        });
                        *place = Some(at);
                    }
                    true
                }
                Some(Step::Atomic { end }) => {
                    match self.run(step + 1, at, text, slots, steps_left)? {
                        Some(reached) => {
                            at = reached;
                            step = *end;
                            continue;
                        }
                        None => false,
                    }
                }
                Some(Step::Look {
                    end,
                    negative,
                    back,
                }) => {
                    let from = match back {
                        None => Some(at),
                        Some(count) => back_by(text, at, *count),
                    };
                    let mut inner = slots.to_vec();
                    let found = match from {
                        Some(from) => self.run(step + 1, from, text, &mut inner, steps_left)?,
                        None => None,
                    };
                    if found.is_some() == *negative {
                        false
                    } else {
                        if !negative {
                            for (slot, (place, value)) in slots.iter_mut().zip(inner).enumerate() {
                                if *place != value {
                                    choices.push(Choice::Restore {
                                        slot,
                                        value: *place,
                                    });
                                    *place = value;
                                }
                            }
                        }
                        step = *end;
                        continue;
                    }
                }
                Some(other) => match self.simple(other, text, at, slots) {
                    Some(next) => {
                        at = next;
                        true
                    }
                    None => false,
                },
            };
            if goes_on {
                step += 1;
                continue;
            }
            loop {
                match choices.pop() {
                    None => return Ok(None),
                    Some(Choice::Restore { slot, value }) => {
                        if let Some(place) = slots.get_mut(slot) {
                            *place = value;
                        }
                    }
                    Some(Choice::Try { step: to, at: back }) => {
                        (step, at) = (to, back);
                        break;
                    }
                }
            }
        }
    }

    /// A step that reads the text and nothing else; gives the place behind it.
    fn simple(&self, step: &Step, text: &str, at: usize, slots: &[Option<usize>]) -> Option<usize> {
        let rest = text.get(at..)?;
        let next = rest.chars().next();
        let before = text.get(..at)?.chars().next_back();
        let behind = |fits: bool| match next {
            Some(ch) if fits => Some(at + ch.len_utf8()),
            _ => None,
        };
        let stay = |fits: bool| fits.then_some(at);
        match step {
            Step::Letter(letter) => behind(next.is_some_and(|ch| self.same(ch, *letter))),
            Step::Any(lines) => behind(next.is_some_and(|ch| *lines || ch != '\n')),
            Step::Set(set) => behind(next.is_some_and(|ch| set.has(ch, self.folded))),
            Step::Start => stay(at == 0),
            Step::End => stay(rest.is_empty()),
            Step::LastEnd => stay(rest.is_empty() || rest == "\n"),
            Step::Boundary(yes) => {
                let edge = before.is_some_and(is_word) != next.is_some_and(is_word);
                stay(edge == *yes)
            }
            Step::Back(group) => {
                let (from, to) = (slots.get(group * 2)?, slots.get(group * 2 + 1)?);
                let found = text.get((*from)?..(*to)?)?;
                let mut chars = rest.chars();
                let same = found
                    .chars()
                    .all(|wanted| chars.next().is_some_and(|ch| self.same(ch, wanted)));
                same.then(|| text.len() - chars.as_str().len())
            }
            Step::Moved(slot) => {
                let noted = slots.get(*slot).copied().flatten();
                stay(noted != Some(at))
            }
            _ => None,
        }
    }

    fn same(&self, left: char, right: char) -> bool {
        left == right || (self.folded && left.to_lowercase().eq(right.to_lowercase()))
    }
}

fn back_by(text: &str, at: usize, count: usize) -> Option<usize> {
    let Some(last) = count.checked_sub(1) else {
        return Some(at);
    };
    let before = text.get(..at)?;
    before.char_indices().nth_back(last).map(|(place, _)| place)
}

fn too_long() -> Error {
    Error::new(
        SqlState::STATEMENT_TOO_COMPLEX,
        "the regular expression takes too many steps",
    )
    .with_hint("Write it so that repetitions within repetitions cannot match the same text")
}
