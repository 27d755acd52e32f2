//! What a function is: its names, forms, documentation and code, declared as data in one file per function.
//!
//! The examples of a declaration are run as tests by the leader's session tests, so they cannot go stale.

use super::call::Call;
use crate::error::Result;
use arrow::array::ArrayRef;
use arrow_schema::{DataType, IntervalUnit, TimeUnit};
use datafusion_common::ScalarValue;
pub use datafusion_expr::Volatility;

/// A scalar function.
#[derive(Debug)]
pub struct Scalar {
    /// Its SQL name, lower case.
    pub name: &'static str,
    /// Other names.
    pub aliases: &'static [&'static str],
    /// The argument types it takes; the cheapest that fits a call is chosen, the first of equals.
    pub forms: &'static [Form],
    /// Whether it may be computed ahead.
    pub volatility: Volatility,
    /// What a null argument gives.
    pub nulls: Nulls,
    /// What the manual says.
    pub documentation: Documentation,
    /// Who computes it.
    pub code: Code,
}

/// Who computes a function.
#[derive(Clone, Copy, Debug)]
pub enum Code {
    /// This crate: whole columns in, one column of `Call::rows` values out.
    Own(fn(&Call<'_>) -> Result<ArrayRef>),
    /// The binder's rewrites or the engine's function of the same name; the declaration documents and tests it.
    Engine,
}

/// What a null argument gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nulls {
    /// Null, whatever the others are. A constant null is answered without a call.
    Propagate,
    /// The function looks at nulls itself.
    Own,
}

/// One list of arguments a function takes.
#[derive(Debug)]
pub struct Form {
    /// The arguments that must be there.
    pub arguments: &'static [Kind],
    /// Those that may follow, from the left.
    pub optional: &'static [Kind],
    /// What may follow any number of times.
    pub repeated: Option<Kind>,
    /// The type of the result.
    pub returns: Returns,
}

impl Form {
    /// A form without optional arguments.
    pub const fn new(arguments: &'static [Kind], returns: Kind) -> Self {
        Self::with_optional(arguments, &[], returns)
    }

    /// A form with optional arguments.
    pub const fn with_optional(
        arguments: &'static [Kind],
        optional: &'static [Kind],
        returns: Kind,
    ) -> Self {
        Self {
            arguments,
            optional,
            repeated: None,
            returns: Returns::Kind(returns),
        }
    }

    /// The kind of an argument by its number; `None` if the form takes fewer.
    pub fn kind(&self, argument: usize) -> Option<Kind> {
        let fixed = self.arguments.iter().chain(self.optional);
        fixed.copied().nth(argument).or(self.repeated)
    }

    /// Whether the form takes so many arguments.
    pub fn takes(&self, count: usize) -> bool {
        let most = self.arguments.len() + self.optional.len();
        count >= self.arguments.len() && (count <= most || self.repeated.is_some())
    }
}

/// The type of a result.
#[derive(Clone, Copy, Debug)]
pub enum Returns {
    /// Always the same.
    Kind(Kind),
    /// Computed from the types of the arguments, as they are after conversion, and those that are literals.
    Types(fn(&[DataType], &[Option<&ScalarValue>]) -> Result<DataType>),
}

/// A class of types that an argument may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// BOOLEAN
    Boolean,
    /// INTEGER
    Integer,
    /// BIGINT
    BigInt,
    /// DOUBLE PRECISION
    Double,
    /// DECIMAL as it is; integers become DECIMAL without a scale. As a result, DECIMAL(38,0).
    Decimal,
    /// Any number, kept as it is. Not a result.
    Number,
    /// VARCHAR
    Text,
    /// DATE
    Date,
    /// TIME
    Time,
    /// TIMESTAMP
    Timestamp,
    /// TIMESTAMPTZ
    TimestampTz,
    /// TIMETZ
    TimeTz,
    /// INTERVAL YEAR TO MONTH
    YearToMonth,
    /// INTERVAL DAY TO SECOND
    DayToSecond,
    /// HLLSKETCH
    Sketch,
    /// INTERVAL of any kind, in parts.
    Interval,
    /// VARBYTE
    Varbyte,
    /// SUPER, as its JSON text. As an argument, anything becomes one.
    Super,
    /// Anything, kept as it is. Not a result.
    Any,
}

impl Kind {
    /// The arrow type values have after conversion; `None` if they stay as they are.
    pub fn arrow(self) -> Option<DataType> {
        Some(match self {
            Self::Boolean => DataType::Boolean,
            Self::Integer => DataType::Int32,
            Self::BigInt => DataType::Int64,
            Self::Double => DataType::Float64,
            Self::Text | Self::Super | Self::Sketch => DataType::Utf8View,
            Self::Date => DataType::Date32,
            Self::Time => DataType::Time64(TimeUnit::Microsecond),
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::TimestampTz => DataType::Timestamp(
                TimeUnit::Microsecond,
                Some(crate::types::TIMESTAMP_ZONE.into()),
            ),
            Self::TimeTz => DataType::Time64(TimeUnit::Nanosecond),
            Self::YearToMonth => crate::types::interval::MONTHS,
            Self::DayToSecond => crate::types::interval::MICROSECONDS,
            Self::Interval => DataType::Interval(IntervalUnit::MonthDayNano),
            Self::Varbyte => DataType::BinaryView,
            Self::Decimal | Self::Number | Self::Any => return None,
        })
    }
}

/// What the manual says about a function.
#[derive(Clone, Copy, Debug)]
pub struct Documentation {
    /// One sentence with a verb.
    pub summary: &'static str,
    /// How it is written.
    pub syntax: &'static str,
    /// Each argument and what it means.
    pub arguments: &'static [(&'static str, &'static str)],
    /// The type of the result and its special values.
    pub returns: &'static str,
    /// Expressions and the text a client reads for each; null reads `NULL`.
    pub examples: &'static [(&'static str, &'static str)],
}
