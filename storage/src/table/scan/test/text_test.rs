//! Tests of texts, on their bytes or on the symbols they are kept as.

use crate::encoding::fsst::SymbolTexts;
use crate::table::predicate::CompareOp;
use std::collections::HashSet;
use std::sync::Arc;

/// A test of a text.
#[derive(Debug)]
pub(super) enum TextTest {
    Compare(CompareOp, Arc<[u8]>),
    In(HashSet<Arc<[u8]>>, Beginnings),
    StartsWith(Arc<[u8]>),
}

/// How the texts of a list begin: one look settles most texts that are not in it.
#[derive(Debug, Default)]
pub(super) struct Beginnings {
    first_bytes: [u64; 4],
    has_empty: bool,
    longest: usize,
}

impl Beginnings {
    fn admits(&self, first: Option<u8>) -> bool {
        match first {
            Some(byte) => self.first_bytes[usize::from(byte / 64)] >> (byte % 64) & 1 != 0,
            None => self.has_empty,
        }
    }
}

impl TextTest {
    /// Passes texts that are in a list.
    pub(super) fn one_of(values: HashSet<Arc<[u8]>>) -> Self {
        let mut beginnings = Beginnings::default();
        for value in &values {
            match value.first() {
                Some(byte) => beginnings.first_bytes[usize::from(byte / 64)] |= 1 << (byte % 64),
                None => beginnings.has_empty = true,
            }
            beginnings.longest = beginnings.longest.max(value.len());
        }
        TextTest::In(values, beginnings)
    }

    /// Tells whether a text passes.
    #[inline]
    pub(super) fn passes(&self, text: &[u8]) -> bool {
        match self {
            TextTest::Compare(CompareOp::Eq, value) => text == &**value,
            TextTest::Compare(CompareOp::NotEq, value) => text != &**value,
            TextTest::Compare(CompareOp::Lt, value) => text < &**value,
            TextTest::Compare(CompareOp::LtEq, value) => text <= &**value,
            TextTest::Compare(CompareOp::Gt, value) => text > &**value,
            TextTest::Compare(CompareOp::GtEq, value) => text >= &**value,
            TextTest::In(values, beginnings) => {
                beginnings.admits(text.first().copied())
                    && text.len() <= beginnings.longest
                    && values.contains(text)
            }
            TextTest::StartsWith(prefix) => text.starts_with(prefix),
        }
    }

    /// Tells whether a text that is still symbols passes; `text` is room to write one out.
    #[inline]
    pub(super) fn passes_symbols(
        &self,
        texts: SymbolTexts<'_>,
        row: usize,
        text: &mut Vec<u8>,
    ) -> bool {
        match self {
            TextTest::Compare(op, value) => {
                let order = texts.compare(row, value);
                match op {
                    CompareOp::Eq => order.is_eq(),
                    CompareOp::NotEq => order.is_ne(),
                    CompareOp::Lt => order.is_lt(),
                    CompareOp::LtEq => order.is_le(),
                    CompareOp::Gt => order.is_gt(),
                    CompareOp::GtEq => order.is_ge(),
                }
            }
            TextTest::StartsWith(prefix) => texts.starts_with(row, prefix),
            TextTest::In(values, beginnings) => {
                beginnings.admits(texts.first_byte(row))
                    && texts.text_up_to(row, beginnings.longest, text)
                    && values.contains(text.as_slice())
            }
        }
    }
}
