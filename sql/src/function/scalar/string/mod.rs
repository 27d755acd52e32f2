//! Functions of text.

mod ascii;
mod blueshift_listagg;
mod blueshift_listagg_distinct;
mod bpcharcmp;
mod btrim;
mod charindex;
mod chr;
mod collate;
mod concat;
mod difference;
mod initcap;
mod left;
mod len;
mod lower;
mod lpad;
mod ltrim;
mod octet_length;
mod octetindex;
mod pad;
mod quote_ident;
mod quote_literal;
mod repeat;
mod replace;
mod reverse;
mod right;
mod rpad;
pub(in crate::function) mod rtrim;
mod soundex;
mod split_part;
mod strpos;
mod strtol;
mod substring;
mod translate;
mod trim;
mod upper;

use crate::function::declaration::Scalar;
pub(super) use len::characters;

pub(super) const FUNCTIONS: &[&Scalar] = &[
    &ascii::ASCII,
    &blueshift_listagg::BLUESHIFT_LISTAGG,
    &blueshift_listagg_distinct::BLUESHIFT_LISTAGG_DISTINCT,
    &bpcharcmp::BPCHARCMP,
    &btrim::BTRIM,
    &charindex::CHARINDEX,
    &chr::CHR,
    &collate::COLLATE,
    &concat::CONCAT,
    &difference::DIFFERENCE,
    &initcap::INITCAP,
    &left::LEFT,
    &len::LEN,
    &lower::LOWER,
    &lpad::LPAD,
    &ltrim::LTRIM,
    &octet_length::OCTET_LENGTH,
    &octetindex::OCTETINDEX,
    &quote_ident::QUOTE_IDENT,
    &quote_literal::QUOTE_LITERAL,
    &repeat::REPEAT,
    &replace::REPLACE,
    &reverse::REVERSE,
    &right::RIGHT,
    &rpad::RPAD,
    &rtrim::RTRIM,
    &soundex::SOUNDEX,
    &split_part::SPLIT_PART,
    &strpos::STRPOS,
    &strtol::STRTOL,
    &substring::SUBSTRING,
    &translate::TRANSLATE,
    &upper::UPPER,
];
