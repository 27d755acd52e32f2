//! INITCAP: the first letter of every word in upper case.

use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(super) const INITCAP: Scalar = Scalar {
    name: "initcap",
    aliases: &[],
    forms: &[Form::new(&[Kind::Text], Kind::Text)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Writes the first letter of every word in upper case, the others in lower case",
        syntax: "INITCAP(text)",
        arguments: &[("text", "words, parted by anything but letters and digits")],
        returns: "VARCHAR",
        examples: &[
            (
                "initcap('All non-musical theatre')",
                "All Non-Musical Theatre",
            ),
            ("initcap('MLB')", "Mlb"),
            (
                "initcap('urna.Ut@egetdictumplacerat.edu')",
                "Urna.Ut@Egetdictumplacerat.Edu",
            ),
            ("initcap('élan vital')", "Élan Vital"),
            ("initcap(null)", "NULL"),
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
        let mut inside = false;
        for letter in text.chars() {
            if inside {
                out.extend(letter.to_lowercase());
            } else {
                out.extend(letter.to_uppercase());
            }
            inside = letter.is_alphanumeric();
        }
        Ok(true)
    })
}
