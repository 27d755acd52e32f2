//! A text by which SUPER values compare: equal for equal values, and in the order of ORDER BY.
//!
//! Source: the manual's page on querying semistructured data. Booleans come before numbers, then strings, arrays and
//! objects; numbers compare whatever their scale, strings without blanks at the end, objects by their attributes.

use super::value;
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;
use std::fmt::Write;

pub(in crate::function) const BLUESHIFT_SUPER_RANK: Scalar = Scalar {
    name: "blueshift_super_rank",
    aliases: &[],
    forms: &[Form::new(&[Kind::Super], Kind::Text)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Gives a text by which SUPER values are compared and ordered",
        syntax: "BLUESHIFT_SUPER_RANK(super)",
        arguments: &[("super", "a SUPER")],
        returns: "VARCHAR; null of a JSON null",
        examples: &[
            (
                "blueshift_super_rank(json_parse('1')) = blueshift_super_rank(json_parse('1.00'))",
                "t",
            ),
            (
                "json_parse('[1, {\"b\":1,\"a\":2}]') = json_parse('[1.0,{\"a\":2,\"b\":1}]')",
                "t",
            ),
            ("json_parse('\"a\"') = json_parse('1')", "f"),
            (
                "blueshift_super_rank(json_parse('-2.5')) < blueshift_super_rank(json_parse('1'))",
                "t",
            ),
            (
                "blueshift_super_rank(json_parse('\"A\"')) < blueshift_super_rank(array(1))",
                "t",
            ),
        ],
    },
    code: Code::Own(eval),
};

/// Values nested deeper compare by their text.
const DEPTH_MAX: usize = 64;

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let values = call.text(0)?;
    call.build_text(|row, out| match values.at(row) {
        None | Some("null") => Ok(false),
        Some(text) => {
            rank(text, 0, out);
            Ok(true)
        }
    })
}

/// Ends a string, and parts elements: below every character that a JSON string may hold bare.
const END: char = '\u{1}';

fn rank(text: &str, depth: usize, out: &mut String) {
    if depth > DEPTH_MAX {
        return out.push_str(text);
    }
    match value::kind(text) {
        "null" => out.push('0'),
        "boolean" => {
            out.push('1');
            out.push_str(if text.trim_start().starts_with('t') {
                "1"
            } else {
                "0"
            });
        }
        "number" => {
            out.push('2');
            number(text.trim(), out);
        }
        "string" => {
            out.push('3');
            let start = out.len();
            value::of(text).write(out);
            let kept = out.trim_end_matches(' ').len().max(start);
            out.truncate(kept);
        }
        "array" => {
            out.push('4');
            for (_, element) in value::of(text).members() {
                rank(element.text, depth + 1, out);
                out.push(END);
            }
        }
        _ => {
            out.push('5');
            let mut members: Vec<_> = value::of(text).members().collect();
            members.sort_by_key(|(key, _)| *key);
            for (key, member) in members {
                out.push_str(key);
                out.push(END);
                rank(member.text, depth + 1, out);
                out.push(END);
            }
        }
    }
}

/// Writes the bits of the nearest double in an order of numbers, then the digits, which part numbers that share one.
fn number(text: &str, out: &mut String) {
    let near: f64 = text.parse().unwrap_or(0.0);
    // Zero has one sign.
    let bits = (near + 0.0).to_bits();
    let ordered = match bits >> 63 {
        0 => bits | 1 << 63,
        _ => !bits,
    };
    let _ = write!(out, "{ordered:016x}");
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let digits = mantissa.trim_start_matches(['-', '+']);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let shift: i64 = exponent.parse().unwrap_or(0);
    let all = format!("{whole}{fraction}");
    let significant = all.trim_start_matches('0');
    // The place of the point, counted from the first digit that counts.
    let place = significant.len() as i64 - fraction.len() as i64 + shift;
    let significant = significant.trim_end_matches('0');
    if !significant.is_empty() {
        let _ = write!(out, "{significant}e{place}");
    }
}
