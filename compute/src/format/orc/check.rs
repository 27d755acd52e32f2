//! Checks what a tail says before the library believes it.

use orc_prost::Message;
use orc_rust::error::OrcError;
use orc_rust::proto::{Footer, Metadata, r#type::Kind};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Types within each other at most.
const DEPTH_MAX: usize = 100;
/// Columns at most, with those within others.
const TYPES_MAX: usize = 100_000;
/// Digits of a decimal at most.
const DIGITS_MAX: u32 = 38;

/// Runs a part of the library, which ends with a panic where a file is damaged in ways that are not checked before.
pub(super) fn caught<T>(run: impl FnOnce() -> Result<T, OrcError>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(ended) => ended.map_err(|error| error.to_string()),
        Err(_) => Err("it is damaged".to_owned()),
    }
}

/// Checks the footer and the statistics of stripes of a file of so many bytes; counts the types.
pub(super) fn footer(footer: &[u8], metadata: &[u8], bytes: u64) -> Result<usize, String> {
    let wrong = |_| "its tail is damaged".to_owned();
    let footer = Footer::decode(footer).map_err(wrong)?;
    let metadata = Metadata::decode(metadata).map_err(wrong)?;
    types(&footer)?;
    for stripe in &footer.stripes {
        let end = [
            stripe.index_length(),
            stripe.data_length(),
            stripe.footer_length(),
        ]
        .into_iter()
        .try_fold(stripe.offset(), u64::checked_add);
        if end.is_none_or(|end| end > bytes) {
            return Err("a stripe ends behind the file".to_owned());
        }
    }
    let rows = footer.stripes.iter().map(|stripe| stripe.number_of_rows());
    let rows = { rows }.try_fold(0, u64::checked_add);
    if rows != Some(footer.number_of_rows()) {
        return Err("its stripes have other rows than it".to_owned());
    }
    let of_stripes = metadata.stripe_stats.iter().flat_map(|one| &one.col_stats);
    let mut all = footer.statistics.iter().chain(of_stripes);
    let is_odd = all.any(|one| {
        let bucket = one.bucket_statistics.as_ref();
        bucket.is_some_and(|bucket| bucket.count.is_empty())
    });
    match is_odd {
        true => Err("its statistics are damaged".to_owned()),
        false => Ok(footer.types.len()),
    }
}

/// Checks that types are a tree in order, below a struct.
fn types(footer: &Footer) -> Result<(), String> {
    let types = &footer.types;
    let first = types.first().ok_or("it has no columns")?;
    if first.kind() != Kind::Struct {
        return Err("its rows are no struct".to_owned());
    }
    if types.len() > TYPES_MAX {
        return Err(format!("it has more than {TYPES_MAX} columns"));
    }
    let wrong = || "its types are damaged".to_owned();
    let mut depths: Vec<Option<usize>> = vec![None; types.len()];
    if let Some(depth) = depths.first_mut() {
        *depth = Some(0);
    }
    for (place, ty) in types.iter().enumerate() {
        let depth = depths.get(place).copied().flatten();
        let is_named = ty.kind() != Kind::Struct || ty.field_names.len() == ty.subtypes.len();
        let is_number = ty.kind() != Kind::Decimal
            || (ty.precision() <= DIGITS_MAX && ty.scale() <= ty.precision().max(DIGITS_MAX));
        if !is_named || !is_number || depth.is_none_or(|depth| depth > DEPTH_MAX) {
            return Err(wrong());
        }
        for inner in &ty.subtypes {
            let inner = *inner as usize;
            let known = depths.get_mut(inner).ok_or_else(wrong)?;
            // Each is below one other, which comes first.
            if inner <= place || known.is_some() {
                return Err(wrong());
            }
            *known = depth.map(|depth| depth + 1);
        }
    }
    Ok(())
}
