//! How many words an expression has between two places where its syntax tree begins anew: what bounds how deep it gets.
//!
//! The parts of a list stand beside each other, and so do the branches of a CASE, however many there are; what stands in
//! a branch is as deep as the CASE itself and its own words.

use super::{CASE_BRANCHES_MAX, CHAIN_TOKENS_MAX};
use sqlparser::keywords::Keyword;

/// The words that a CASE has besides its branches' conditions and values, so that those in one another count.
const CASE_TOKENS: usize = 6;

/// An open parenthesis or CASE.
#[derive(Default)]
struct Chain {
    /// Words since it, or since its last part, began; those of an open CASE also hold what stood before it.
    tokens: usize,
    /// What a branch of a CASE begins with; `None` of a parenthesis.
    branch: Option<usize>,
    branches: usize,
}

/// The open ones, of the outermost first.
pub(super) struct Chains(Vec<Chain>);

impl Default for Chains {
    fn default() -> Self {
        Self(vec![Chain::default()])
    }
}

impl Chains {
    /// A parenthesis opens.
    pub(super) fn open(&mut self) {
        self.0.push(Chain::default());
    }

    /// A parenthesis closes, and with it what was left open in it.
    pub(super) fn close(&mut self) {
        while self.0.pop().is_some_and(|chain| chain.branch.is_some()) {}
        if self.0.is_empty() {
            self.0.push(Chain::default());
        }
    }

    /// The next part of a list, or the next statement.
    pub(super) fn part(&mut self) {
        while self.0.len() > 1 && self.0.last().is_some_and(|chain| chain.branch.is_some()) {
            self.0.pop();
        }
        if let Some(chain) = self.0.last_mut() {
            chain.tokens = 0;
        }
    }

    /// A word, perhaps one of a CASE.
    pub(super) fn word(&mut self, keyword: Keyword) {
        let Some(chain) = self.0.last_mut() else {
            return;
        };
        match (keyword, chain.branch) {
            (Keyword::CASE, _) => {
                let begin = chain.tokens + CASE_TOKENS;
                self.0.push(Chain {
                    tokens: begin,
                    branch: Some(begin),
                    branches: 0,
                });
            }
            (Keyword::WHEN | Keyword::THEN | Keyword::ELSE, Some(begin)) => {
                chain.tokens = begin;
                chain.branches += usize::from(keyword == Keyword::WHEN);
            }
            (Keyword::END, Some(_)) => {
                self.0.pop();
                self.add(CASE_TOKENS);
            }
            _ => chain.tokens += 1,
        }
    }

    /// Other tokens.
    pub(super) fn add(&mut self, tokens: usize) {
        if let Some(chain) = self.0.last_mut() {
            chain.tokens += tokens;
        }
    }

    pub(super) fn is_long(&self) -> bool {
        let last = self.0.last();
        last.is_some_and(|chain| chain.tokens > CHAIN_TOKENS_MAX)
    }

    pub(super) fn is_wide(&self) -> bool {
        let last = self.0.last();
        last.is_some_and(|chain| chain.branches > CASE_BRANCHES_MAX)
    }
}
