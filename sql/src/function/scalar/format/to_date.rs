//! TO_DATE: a date from a text by a format.

#[cfg(test)]
use super::{pattern, read};
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use crate::function::scalar::date::calendar::date;
use arrow::array::ArrayRef;
use arrow::datatypes::Date32Type;

pub(super) const TO_DATE: Scalar = Scalar {
    name: "to_date",
    aliases: &[],
    forms: &[Form::with_optional(
        &[Kind::Text, Kind::Text],
        &[Kind::Boolean],
        Kind::Date,
    )],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Reads a date from a text",
        syntax: "TO_DATE(text, format [, is_strict])",
        arguments: &[
            ("text", "the text"),
            (
                "format",
                "how the date is written, as YYYY-MM-DD or DD Mon YYYY",
            ),
            (
                "is_strict",
                "true: a day or month out of range is an error; false, the default: it carries over",
            ),
        ],
        returns: "DATE",
        examples: &[
            ("to_date('02 Oct 2001', 'DD Mon YYYY')", "2001-10-02"),
            ("to_date('20010631', 'YYYYMMDD', false)", "2001-07-01"),
            ("to_date('20010630', 'YYYYMMDD', true)", "2001-06-30"),
            ("to_date('05/17/26', 'MM/DD/YY')", "2026-05-17"),
            ("to_date('2024-060', 'YYYY-DDD')", "2024-02-29"),
            (
                "to_date('december 3, 2009', 'MONTH DD, YYYY')",
                "2009-12-03",
            ),
            ("to_date('2020-W53-7', 'IYYY-\"W\"IW-ID')", "2021-01-03"),
            ("to_date(null, 'YYYY')", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let texts = super::to_timestamp::Texts::new(call)?;
    call.build::<Date32Type>(|row| match texts.at(row)? {
        Some((days, _)) => date(days).map(Some),
        None => Ok(None),
    })
}

/// Reads one value; kept apart so that tests need no batch.
#[cfg(test)]
fn read_date(text: &str, format: &str, strict: bool) -> Result<i64> {
    read::read(&pattern::parse(format), text, strict).map(|(days, _)| days)
}

#[cfg(test)]
mod tests {
    use super::read_date;

    #[test]
    fn strict_refuses_what_carries_over() {
        assert!(read_date("20010631", "YYYYMMDD", true).is_err());
        assert!(read_date("20011301", "YYYYMMDD", true).is_err());
        assert_eq!(
            read_date("20011301", "YYYYMMDD", false),
            read_date("20020101", "YYYYMMDD", true)
        );
        assert!(read_date("abc", "YYYYMMDD", false).is_err());
        assert!(read_date("1 Foo 2001", "DD Mon YYYY", false).is_err());
    }
}
