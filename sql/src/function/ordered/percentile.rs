//! Percentiles: `f(value, fraction)`, continuous or discrete, from either end.
//!
//! Decimals are computed exactly: the result of PERCENTILE_CONT has the places of the value and those of the fraction,
//! so that MEDIAN of 1 and 2 is 1.5. Values of a group are kept until the group ends.

use crate::error::Error;
use crate::function::adapter::failure;
use crate::sqlstate::SqlState;
use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, Float64Array};
use arrow::compute::cast;
use arrow::datatypes::{Decimal128Type, Float64Type};
use arrow_schema::{DataType, Field, FieldRef, TimeUnit};
use datafusion_common::utils::SingleRowListArrayBuilder;
use datafusion_common::{Result, ScalarValue};
use datafusion_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion_expr::utils::format_state_name;
use datafusion_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility};
use std::mem::size_of;
use std::sync::Arc;

/// The functions: name, whether discrete, whether the largest value comes first.
const FUNCTIONS: [(&str, bool, bool); 4] = [
    ("blueshift_percentile_cont", false, false),
    ("blueshift_percentile_cont_desc", false, true),
    ("blueshift_percentile_disc", true, false),
    ("blueshift_percentile_disc_desc", true, true),
];

pub(super) fn functions() -> Vec<Arc<AggregateUDF>> {
    let functions = FUNCTIONS.into_iter();
    functions
        .map(|(name, discrete, descending)| {
            Arc::new(AggregateUDF::from(Percentile {
                name,
                discrete,
                descending,
                signature: Signature::any(2, Volatility::Immutable),
            }))
        })
        .collect()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Percentile {
    name: &'static str,
    discrete: bool,
    descending: bool,
    signature: Signature,
}

/// Places of a fraction that is not a decimal.
const FRACTION_PLACES: i8 = 6;

/// How values are kept while they are gathered: whole numbers, or doubles.
fn kept(ty: &DataType) -> Option<DataType> {
    match ty {
        DataType::Float32 | DataType::Float64 => Some(DataType::Float64),
        DataType::Decimal128(..) | DataType::Date32 | DataType::Timestamp(..) => {
            Some(DataType::Decimal128(38, 0))
        }
        ty if ty.is_integer() => Some(DataType::Decimal128(38, 0)),
        DataType::Null => Some(DataType::Decimal128(38, 0)),
        _ => None,
    }
}

fn fraction_places(ty: &DataType) -> i8 {
    match ty {
        DataType::Decimal128(_, scale) => (*scale).clamp(0, 10),
        ty if ty.is_integer() => 0,
        _ => FRACTION_PLACES,
    }
}

/// Values as they are kept; dates and times count from their epoch.
fn gathered(values: &ArrayRef) -> Result<ArrayRef> {
    let whole = |values: &ArrayRef| cast(values, &DataType::Int64);
    Ok(match values.data_type() {
        DataType::Float32 | DataType::Float64 => cast(values, &DataType::Float64)?,
        DataType::Decimal128(..) => {
            let digits = values.as_primitive::<Decimal128Type>().clone();
            Arc::new(digits.with_data_type(DataType::Decimal128(38, 0)))
        }
        DataType::Date32 => {
            let days = cast(values, &DataType::Int32)?;
            cast(&days, &DataType::Decimal128(38, 0))?
        }
        DataType::Timestamp(_, zone) => {
            let micros = DataType::Timestamp(TimeUnit::Microsecond, zone.clone());
            let micros = cast(values, &micros)?;
            cast(&whole(&micros)?, &DataType::Decimal128(38, 0))?
        }
        _ => cast(&whole(values)?, &DataType::Decimal128(38, 0))?,
    })
}

impl AggregateUDFImpl for Percentile {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let ty = types.first().unwrap_or(&DataType::Null);
        let places = types.get(1).map_or(0, fraction_places);
        let refused = || {
            failure(
                Error::new(
                    SqlState::UNDEFINED_FUNCTION,
                    "percentiles are of numbers, dates and timestamps alone",
                )
                .with_hint("Add an explicit cast to the argument"),
            )
        };
        kept(ty).ok_or_else(refused)?;
        Ok(match ty {
            _ if self.discrete => ty.clone(),
            DataType::Decimal128(digits, scale) => {
                let added = places.min(38 - scale);
                let digits = digits.saturating_add(u8::try_from(added).unwrap_or(0));
                DataType::Decimal128(digits.min(38), scale + added)
            }
            ty if ty.is_integer() => DataType::Decimal128(
                19_u8.saturating_add(u8::try_from(places).unwrap_or(0)),
                places,
            ),
            DataType::Float32 | DataType::Null => DataType::Float64,
            ty => ty.clone(),
        })
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let ty = args.input_fields.first().map(|field| field.data_type());
        let item = ty.and_then(kept).unwrap_or(DataType::Float64);
        let list = DataType::List(Arc::new(Field::new_list_field(item, true)));
        Ok(vec![
            Arc::new(Field::new(
                format_state_name(args.name, "values"),
                list,
                true,
            )),
            Arc::new(Field::new(
                format_state_name(args.name, "fraction"),
                DataType::Decimal128(38, 10),
                true,
            )),
        ])
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let ty = args
            .expr_fields
            .first()
            .map(|field| field.data_type().clone());
        let ty = ty.unwrap_or(DataType::Null);
        let numbers = match kept(&ty) {
            Some(DataType::Float64) => Numbers::Double(Vec::new()),
            _ => Numbers::Whole(Vec::new()),
        };
        Ok(Box::new(Gathered {
            numbers,
            fraction: None,
            ty,
            returns: args.return_field.data_type().clone(),
            discrete: self.discrete,
            descending: self.descending,
        }))
    }
}

/// Values of a group.
#[derive(Debug)]
enum Numbers {
    Whole(Vec<i128>),
    Double(Vec<f64>),
}

#[derive(Debug)]
struct Gathered {
    numbers: Numbers,
    /// The fraction in units of 10^-10.
    fraction: Option<i128>,
    ty: DataType,
    returns: DataType,
    discrete: bool,
    descending: bool,
}

/// One in units of the fraction.
const ONE: i128 = 10_000_000_000;

impl Gathered {
    fn gather(&mut self, values: &ArrayRef) {
        match &mut self.numbers {
            Numbers::Whole(numbers) => {
                if let Some(values) = values.as_primitive_opt::<Decimal128Type>() {
                    numbers.extend(values.iter().flatten());
                }
            }
            Numbers::Double(numbers) => {
                if let Some(values) = values.as_primitive_opt::<Float64Type>() {
                    numbers.extend(values.iter().flatten());
                }
            }
        }
    }

    /// Keeps the fraction, which is the same in every row.
    fn set_fraction(&mut self, fractions: &ArrayRef) -> Result<()> {
        if self.fraction.is_some() || fractions.is_empty() {
            return Ok(());
        }
        let first = cast(&fractions.slice(0, 1), &DataType::Decimal128(38, 10))?;
        let first = first.as_primitive::<Decimal128Type>();
        let fraction = first.iter().next().flatten();
        if fraction.is_some_and(|fraction| !(0..=ONE).contains(&fraction)) {
            return Err(failure(Error::new(
                SqlState::INVALID_PARAMETER_VALUE,
                "the percentile must be from 0 to 1",
            )));
        }
        self.fraction = fraction;
        Ok(())
    }

    /// The place of the fraction among so many values: the index before it, and how far beyond in units of `ONE`.
    fn place(&self, count: usize, fraction: i128) -> (usize, i128) {
        let count = i128::try_from(count).unwrap_or(i128::MAX / ONE);
        let index = |value: i128| usize::try_from(value).unwrap_or(0);
        if self.discrete {
            // The first value at or before which the fraction of the values lies.
            let number = (fraction * count + ONE - 1) / ONE;
            return (index((number - 1).max(0)), 0);
        }
        let place = fraction * (count - 1);
        (index(place / ONE), place % ONE)
    }

    fn whole(&self, value: i128) -> Result<ScalarValue> {
        let bad = |_| {
            failure(Error::new(
                SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
                "percentile out of range",
            ))
        };
        let small = || i64::try_from(value).map_err(bad);
        Ok(match &self.returns {
            DataType::Decimal128(digits, scale) => {
                ScalarValue::Decimal128(Some(value), *digits, *scale)
            }
            DataType::Date32 => ScalarValue::Date32(Some(i32::try_from(value).map_err(bad)?)),
            DataType::Timestamp(_, zone) => {
                let value = ScalarValue::TimestampMicrosecond(Some(small()?), zone.clone());
                value.cast_to(&self.returns)?
            }
            returns => ScalarValue::Int64(Some(small()?)).cast_to(returns)?,
        })
    }
}

impl Accumulator for Gathered {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let [numbers, fractions] = values else {
            return Ok(());
        };
        self.set_fraction(fractions)?;
        self.gather(&gathered(numbers)?);
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let [lists, fractions] = states else {
            return Ok(());
        };
        let lists = lists.as_list::<i32>();
        for row in 0..lists.len() {
            if fractions.is_valid(row) {
                self.set_fraction(&fractions.slice(row, 1))?;
            }
            if lists.is_valid(row) {
                self.gather(&lists.value(row));
            }
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let values: ArrayRef = match &mut self.numbers {
            Numbers::Whole(numbers) => {
                let numbers = Decimal128Array::from(std::mem::take(numbers));
                Arc::new(numbers.with_precision_and_scale(38, 0)?)
            }
            Numbers::Double(numbers) => Arc::new(Float64Array::from(std::mem::take(numbers))),
        };
        Ok(vec![
            SingleRowListArrayBuilder::new(values).build_list_scalar(),
            ScalarValue::Decimal128(self.fraction, 38, 10),
        ])
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "a fraction of ten digits is below 2^53"
    )]
    fn evaluate(&mut self) -> Result<ScalarValue> {
        let null = ScalarValue::try_from(&self.returns);
        let Some(mut fraction) = self.fraction else {
            return null;
        };
        // From the other end the discrete value differs, not only the fraction.
        let reversed = self.descending && self.discrete;
        if self.descending && !self.discrete {
            fraction = ONE - fraction;
        }
        let mut numbers = std::mem::replace(&mut self.numbers, Numbers::Whole(Vec::new()));
        let answer = match &mut numbers {
            Numbers::Double(values) => {
                values.sort_unstable_by(f64::total_cmp);
                if reversed {
                    values.reverse();
                }
                let (index, beyond) = self.place(values.len(), fraction);
                let Some(value) = values.get(index) else {
                    self.numbers = numbers;
                    return null;
                };
                let next = values.get(index + 1).unwrap_or(value);
                let value = if beyond == 0 {
                    *value
                } else {
                    value + (next - value) * (beyond as f64 / ONE as f64)
                };
                ScalarValue::Float64(Some(value)).cast_to(&self.returns)
            }
            Numbers::Whole(values) => {
                values.sort_unstable();
                if reversed {
                    values.reverse();
                }
                let (index, beyond) = self.place(values.len(), fraction);
                let Some(value) = values.get(index).copied() else {
                    self.numbers = numbers;
                    return null;
                };
                let next = values.get(index + 1).copied().unwrap_or(value);
                let unit = match (&self.ty, &self.returns) {
                    _ if self.discrete => 1,
                    (DataType::Decimal128(_, from), DataType::Decimal128(_, to)) => {
                        power(to - from)
                    }
                    (_, DataType::Decimal128(_, to)) => power(*to),
                    _ => 1,
                };
                let part = (next - value)
                    .checked_mul(beyond)
                    .and_then(|part| part.checked_mul(unit));
                let whole = value.checked_mul(unit);
                let sum = whole.zip(part).map(|(whole, part)| whole + part / ONE);
                let sum = sum.ok_or_else(|| {
                    failure(Error::new(
                        SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
                        "percentile out of range",
                    ))
                })?;
                self.whole(sum)
            }
        };
        // A window asks again for every row.
        self.numbers = numbers;
        answer
    }

    fn size(&self) -> usize {
        let bytes = match &self.numbers {
            Numbers::Whole(values) => values.capacity() * size_of::<i128>(),
            Numbers::Double(values) => values.capacity() * size_of::<f64>(),
        };
        size_of::<Self>() + bytes
    }
}

fn power(places: i8) -> i128 {
    10_i128.pow(u32::try_from(places.clamp(0, 30)).unwrap_or(0))
}
