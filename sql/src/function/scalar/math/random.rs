//! RANDOM: a number by chance.

use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};

pub(super) const RANDOM: Scalar = Scalar {
    name: "random",
    aliases: &[],
    forms: &[Form::new(&[], Kind::Double)],
    volatility: Volatility::Volatile,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Gives a number by chance",
        syntax: "RANDOM()",
        arguments: &[],
        returns: "DOUBLE PRECISION, from 0 up to but not 1",
        examples: &[("random() between 0 and 1", "t")],
    },
    code: Code::Engine,
};
