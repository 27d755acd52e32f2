//! SOUNDEX: how a text sounds in English.

use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(super) const SOUNDEX: Scalar = Scalar {
    name: "soundex",
    aliases: &[],
    forms: &[Form::new(&[Kind::Text], Kind::Text)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Gives the American Soundex code of a text",
        syntax: "SOUNDEX(text)",
        arguments: &[("text", "a text, of which only the letters a to z count")],
        returns: "VARCHAR: a letter and three digits; empty if there is no letter",
        examples: &[
            ("soundex('Amazon')", "A525"),
            ("soundex('AWS Amazon')", "A252"),
            ("soundex('Robert')", "R163"),
            ("soundex('Ashcraft')", "A261"),
            ("soundex('+-*/%')", ""),
            ("soundex(null)", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let texts = call.text(0)?;
    call.build_text(|row, out| {
        let Some(text) = texts.at(row) else {
            return Ok(false);
        };
        out.extend(code(text).into_iter().flatten().map(char::from));
        Ok(true)
    })
}

/// The four characters of a code; `None` without a letter.
pub(super) fn code(text: &str) -> Option<[u8; 4]> {
    let mut letters = text.bytes().filter(u8::is_ascii_alphabetic);
    let first = letters.next()?.to_ascii_uppercase();
    let mut code = [first, b'0', b'0', b'0'];
    let mut places = code.iter_mut().skip(1);
    let mut last = sound(first);
    for letter in letters {
        let letter = letter.to_ascii_uppercase();
        let sound = sound(letter);
        if let Some(digit) = sound
            && Some(digit) != last
        {
            let Some(place) = places.next() else { break };
            *place = digit;
        }
        // H and W part nothing.
        if !matches!(letter, b'H' | b'W') {
            last = sound;
        }
    }
    Some(code)
}

fn sound(letter: u8) -> Option<u8> {
    Some(match letter {
        b'B' | b'F' | b'P' | b'V' => b'1',
        b'C' | b'G' | b'J' | b'K' | b'Q' | b'S' | b'X' | b'Z' => b'2',
        b'D' | b'T' => b'3',
        b'L' => b'4',
        b'M' | b'N' => b'5',
        b'R' => b'6',
        _ => return None,
    })
}
