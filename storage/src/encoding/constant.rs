//! One value for all rows, kept in the header (texts: in the first section).

use super::text::make_view;
use super::{Body, Encoded, Encoding, Kind, Raw, Tag, Values, each_fixed};
use arrow_buffer::{ArrowNativeType, Buffer};

/// The encoding.
pub struct ConstantEncoding;

/// The value.
#[derive(Debug)]
pub struct Constant {
    /// Of a fixed-width column, widened.
    pub fixed: i128,
    /// Of a text column: a view into `buffer`.
    pub view: u128,
    /// The text.
    pub buffer: Buffer,
}

impl Encoding for ConstantEncoding {
    fn tag(&self) -> Tag {
        Tag::Constant
    }

    fn encode(&self, values: Values<'_>) -> Option<Encoded> {
        let mut encoded = Encoded::default();
        each_fixed!(values, slice => {
            let first = *slice.first()?;
            if slice.iter().any(|value| *value != first) {
                return None;
            }
            encoded.base = widen(first);
        }, texts => {
            let first = texts.iter().next()?;
            if texts.iter().any(|text| text != first) {
                return None;
            }
            encoded.sections[0] = first.to_vec();
        });
        Some(encoded)
    }

    fn open(&self, raw: &Raw<'_>) -> Result<Body, String> {
        let buffer = raw.section(0);
        let view = if raw.kind == Kind::Bytes {
            make_view(&buffer, 0)
        } else {
            0
        };
        Ok(Body::Constant(Constant {
            fixed: raw.parts.header.base,
            view,
            buffer,
        }))
    }
}

fn widen<T: ArrowNativeType>(value: T) -> i128 {
    let mut raw = [0; 16];
    let bytes = super::le_bytes(&[value]);
    raw[..bytes.len()].copy_from_slice(&bytes);
    let shift = 128 - 8 * bytes.len() as u32;
    // Shifting up and down again extends the sign.
    (i128::from_le_bytes(raw) << shift) >> shift
}
