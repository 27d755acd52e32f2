//! Column tests compiled for a column, and what zone maps say of them; `apply` runs them on rows.

use crate::block::vector::ColumnVector;
use crate::encoding::Body;
use crate::encoding::bytedict::Dictionary;
use crate::error::{Error, Result};
use crate::layout::row_group::ZoneMap;
use crate::schema::{ColumnLayout, ColumnType, Value};
use crate::statistics::key;
use crate::table::predicate::{ColumnTest, CompareOp};

mod apply;
mod key_set;
mod mask;
mod text_test;

pub(super) use apply::Scratch;
use key_set::KeySet;
pub(super) use mask::EntryMask;
use text_test::TextTest;

/// What a zone map says of a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// No row passes.
    None,
    /// The rows must be looked at.
    Some,
    /// Every row passes.
    All,
}

/// A test of one column.
#[derive(Debug)]
pub(super) struct Test {
    ty: ColumnType,
    shape: Shape,
}

#[derive(Debug)]
enum Shape {
    IsNull,
    IsNotNull,
    /// Fixed width: the key lies within, or not.
    Range {
        low: i128,
        high: i128,
        negated: bool,
    },
    /// Fixed width: the key is one of these.
    Set(KeySet),
    /// The key lies within one of these, sorted and apart, or is null; asked of zone maps alone.
    Ranges {
        ranges: Vec<(i128, i128)>,
        or_null: bool,
    },
    /// Texts: bounds of the key for pruning, and the test of the bytes.
    Text {
        low: i128,
        high: i128,
        keys: Vec<i128>,
        test: TextTest,
    },
}

impl Test {
    /// Compiles a test; an error if a constant is of another family than the column.
    pub(super) fn new(column: &ColumnLayout, test: &ColumnTest) -> Result<Test> {
        let ty = column.ty;
        let is_text = matches!(ty, ColumnType::Text | ColumnType::Bytes);
        let key_of = |value: &Value| {
            key::of_value(ty, value).ok_or_else(|| {
                Error::Internal(format!(
                    "column \"{}\" is tested against {value:?}",
                    column.name
                ))
            })
        };
        let shape = match test {
            ColumnTest::IsNull => Shape::IsNull,
            ColumnTest::IsNotNull => Shape::IsNotNull,
            ColumnTest::Compare(op, value) => {
                let at = key_of(value)?;
                let (mut low, mut high) = (i128::MIN, i128::MAX);
                match op {
                    CompareOp::Eq | CompareOp::NotEq => (low, high) = (at, at),
                    CompareOp::Lt if is_text => high = at,
                    CompareOp::Gt if is_text => low = at,
                    CompareOp::Lt if at == i128::MIN => (low, high) = (i128::MAX, i128::MIN),
                    CompareOp::Gt if at == i128::MAX => (low, high) = (i128::MAX, i128::MIN),
                    CompareOp::Lt => high = at - 1,
                    CompareOp::Gt => low = at + 1,
                    CompareOp::LtEq => high = at,
                    CompareOp::GtEq => low = at,
                }
                match value {
                    Value::Bytes(bytes) => {
                        if *op == CompareOp::NotEq {
                            (low, high) = (i128::MIN, i128::MAX);
                        }
                        Shape::Text {
                            low,
                            high,
                            keys: vec![],
                            test: TextTest::Compare(*op, bytes.clone()),
                        }
                    }
                    _ => Shape::Range {
                        low,
                        high,
                        negated: *op == CompareOp::NotEq,
                    },
                }
            }
            ColumnTest::In(values) => {
                let mut keys = values.iter().map(key_of).collect::<Result<Vec<_>>>()?;
                keys.sort_unstable();
                keys.dedup();
                let (low, high) = match (keys.first(), keys.last()) {
                    (Some(low), Some(high)) => (*low, *high),
                    _ => (i128::MAX, i128::MIN),
                };
                if is_text {
                    let texts = values.iter().filter_map(|value| match value {
                        Value::Bytes(bytes) => Some(bytes.clone()),
                        _ => None,
                    });
                    Shape::Text {
                        low,
                        high,
                        keys,
                        test: TextTest::one_of(texts.collect()),
                    }
                } else if keys.len() as i128 == high.wrapping_sub(low).wrapping_add(1)
                    || keys.is_empty()
                {
                    // Neighbours without a gap are a range; an empty list is an empty range.
                    Shape::Range {
                        low,
                        high,
                        negated: false,
                    }
                } else {
                    Shape::Set(KeySet::new(keys))
                }
            }
            ColumnTest::Within { ranges, or_null } => {
                let key_or = |value: &Option<Value>, end| value.as_ref().map_or(Ok(end), key_of);
                let keys = ranges.iter().map(|(least, greatest)| {
                    Ok((key_or(least, i128::MIN)?, key_or(greatest, i128::MAX)?))
                });
                Shape::Ranges {
                    ranges: keys.collect::<Result<_>>()?,
                    or_null: *or_null,
                }
            }
            ColumnTest::StartsWith(prefix) => {
                if !is_text {
                    return Err(Error::Internal(format!(
                        "column \"{}\" has no prefix",
                        column.name
                    )));
                }
                let mut low = key::of_bytes(prefix);
                if prefix.len() > key::TEXT_BYTES {
                    // All that begin so share this key.
                    low &= !0xFF;
                }
                let (high, test) = (
                    key::after_prefix(prefix),
                    TextTest::StartsWith(prefix.clone()),
                );
                Shape::Text {
                    low,
                    high,
                    keys: vec![],
                    test,
                }
            }
        };
        Ok(Test { ty, shape })
    }

    /// Guesses the nanoseconds per row, to run cheap tests first.
    pub(super) fn cost(&self) -> f64 {
        match &self.shape {
            Shape::IsNull | Shape::IsNotNull => 0.1,
            Shape::Range { .. } => 1.0,
            Shape::Set(_) | Shape::Ranges { .. } => 3.0,
            Shape::Text { .. } => 8.0,
        }
    }

    /// Asks the zone map of a zone of `rows` rows.
    pub(super) fn prune(&self, zone: &ZoneMap, rows: usize) -> Outcome {
        let nulls = zone.nulls as usize;
        let Some((min, max)) = zone.range else {
            return if self.passes_null() {
                Outcome::All
            } else {
                Outcome::None
            };
        };
        let all_if = |all: bool| {
            if all && nulls == 0 {
                Outcome::All
            } else {
                Outcome::Some
            }
        };
        let holds_one_of = |keys: &[i128]| {
            let at = keys.partition_point(|key| *key < min);
            keys.get(at).is_some_and(|key| *key <= max)
        };
        match &self.shape {
            Shape::IsNull if nulls == 0 => Outcome::None,
            Shape::IsNull if nulls == rows => Outcome::All,
            Shape::IsNull => Outcome::Some,
            Shape::IsNotNull => all_if(true),
            Shape::Range {
                low,
                high,
                negated: false,
            } => {
                if max < *low || min > *high {
                    Outcome::None
                } else {
                    all_if(min >= *low && max <= *high)
                }
            }
            Shape::Range {
                low,
                high,
                negated: true,
            } => {
                if min >= *low && max <= *high {
                    Outcome::None
                } else {
                    all_if(max < *low || min > *high)
                }
            }
            Shape::Set(keys) if !keys.meets(min, max) => Outcome::None,
            Shape::Ranges { or_null: true, .. } if nulls > 0 => Outcome::Some,
            Shape::Ranges { ranges, .. } => {
                let at = ranges.partition_point(|(_, high)| *high < min);
                match ranges.get(at) {
                    Some((low, high)) if *low <= max => all_if(*low <= min && max <= *high),
                    _ => Outcome::None,
                }
            }
            Shape::Text { low, high, .. } if max < *low || min > *high => Outcome::None,
            Shape::Text {
                keys,
                test: TextTest::In(..),
                ..
            } if !holds_one_of(keys) => Outcome::None,
            Shape::Set(_) | Shape::Text { .. } => Outcome::Some,
        }
    }

    /// Says what becomes of all rows of a column that the row group lacks.
    pub(super) fn passes_null(&self) -> bool {
        matches!(
            self.shape,
            Shape::IsNull | Shape::Ranges { or_null: true, .. }
        )
    }
}

/// Gives the dictionary of a zone, if it has one.
pub(super) fn dictionary(vector: &ColumnVector) -> Option<&Dictionary> {
    match &vector.block().body {
        Body::Dictionary(dictionary) => Some(dictionary),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::EncodingName;

    fn check(or_null: bool, (nulls, range): (u32, Option<(i128, i128)>), expected: Outcome) {
        let column = ColumnLayout {
            id: 1,
            name: "k".to_owned(),
            ty: ColumnType::Int64,
            encoding: EncodingName::Auto,
            nullable: true,
        };
        let value = |value| Some(Value::Int(value));
        let ranges = [(None, value(5)), (value(10), value(20)), (value(30), None)];
        let ranges = ranges.into();
        let test = Test::new(&column, &ColumnTest::Within { ranges, or_null }).unwrap();
        let zone = ZoneMap { nulls, range };
        assert_eq!(
            test.prune(&zone, 100),
            expected,
            "{zone:?}, or null: {or_null}"
        );
    }

    #[test]
    fn ranges_prune_what_lies_between_them() {
        for (range, expected) in [
            ((6, 9), Outcome::None),
            ((21, 29), Outcome::None),
            ((5, 9), Outcome::Some),
            ((6, 10), Outcome::Some),
            ((0, 40), Outcome::Some),
            ((12, 20), Outcome::All),
            ((30, 99), Outcome::All),
            ((-9, 5), Outcome::All),
        ] {
            check(false, (0, Some(range)), expected);
            check(true, (0, Some(range)), expected);
            check(true, (1, Some(range)), Outcome::Some);
        }
        check(false, (1, Some((12, 15))), Outcome::Some);
        check(false, (1, Some((6, 9))), Outcome::None);
        check(false, (100, None), Outcome::None);
        check(true, (100, None), Outcome::All);
    }
}
