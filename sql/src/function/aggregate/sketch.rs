//! HLL_CREATE_SKETCH and HLL_COMBINE: a sketch of values, a sketch of sketches.

use crate::error::Error;
use crate::function::adapter::failure;
use crate::function::sketch::{Sketch, hash};
use crate::sqlstate::SqlState;
use crate::types::{SqlType, write_text};
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::Int64Type;
use arrow_schema::{DataType, Field, FieldRef};
use datafusion_common::{Result, ScalarValue};
use datafusion_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion_expr::utils::format_state_name;
use datafusion_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility};
use std::sync::Arc;

pub(super) fn functions() -> Vec<Arc<AggregateUDF>> {
    let make = |name, of_sketches| {
        Arc::new(AggregateUDF::from(Sketches {
            name,
            of_sketches,
            signature: Signature::any(1, Volatility::Immutable),
        }))
    };
    vec![make("hll_create_sketch", false), make("hll_combine", true)]
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Sketches {
    name: &'static str,
    /// Whether its argument is a sketch.
    of_sketches: bool,
    signature: Signature,
}

impl AggregateUDFImpl for Sketches {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(SqlType::HllSketch.arrow())
    }

    fn return_field(&self, arguments: &[FieldRef]) -> Result<FieldRef> {
        let ty = arguments
            .first()
            .map_or(SqlType::Unknown, |field| SqlType::from_field(field));
        let is_null = arguments
            .first()
            .is_some_and(|field| field.data_type().is_null());
        let fits = match ty {
            SqlType::HllSketch => self.of_sketches,
            SqlType::Varbyte(_) => false,
            _ => !self.of_sketches || is_null,
        };
        if !fits {
            return Err(failure(
                Error::new(
                    SqlState::UNDEFINED_FUNCTION,
                    format!("function {}({}) does not exist", self.name, ty.short_name()),
                )
                .with_hint(match self.of_sketches {
                    true => "Combine sketches that HLL_CREATE_SKETCH made",
                    false => "Give it a number, a text, a date or a time",
                }),
            ));
        }
        Ok(Arc::new(SqlType::HllSketch.field(self.name, true)))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let name = format_state_name(args.name, "sketch");
        Ok(vec![Arc::new(Field::new(name, DataType::Utf8View, true))])
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let field = args.expr_fields.first();
        Ok(Box::new(Gathered {
            sketch: Sketch::default(),
            of_sketches: self.of_sketches,
            ty: field.map_or(SqlType::Unknown, |field| SqlType::from_field(field)),
        }))
    }
}

#[derive(Debug)]
struct Gathered {
    sketch: Sketch,
    of_sketches: bool,
    ty: SqlType,
}

impl Gathered {
    fn unite(&mut self, sketches: &ArrayRef) -> Result<()> {
        let texts = cast(sketches, &DataType::Utf8View)?;
        for text in texts.as_string_view().iter().flatten() {
            self.sketch.unite(&Sketch::read(text).map_err(failure)?);
        }
        Ok(())
    }

    /// Adds values by their hashes: whole numbers of any width by their number, all else by its text.
    fn add(&mut self, values: &ArrayRef) -> Result<()> {
        if values.data_type().is_integer() {
            let values = cast(values, &DataType::Int64)?;
            for value in values.as_primitive::<Int64Type>().iter().flatten() {
                self.sketch.add(hash(&value.to_le_bytes()));
            }
            return Ok(());
        }
        let mut text = String::new();
        for row in 0..values.len() {
            if values.is_null(row) {
                continue;
            }
            text.clear();
            write_text(values.as_ref(), row, self.ty, &mut text);
            self.sketch.add(hash(text.trim_end_matches(' ').as_bytes()));
        }
        Ok(())
    }

    fn text(&self) -> ScalarValue {
        let mut text = String::new();
        self.sketch.write(&mut text);
        ScalarValue::Utf8View(Some(text))
    }
}

impl Accumulator for Gathered {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        match values {
            [values] if values.data_type().is_null() => Ok(()),
            [values] if self.of_sketches => self.unite(values),
            [values] => self.add(values),
            _ => Ok(()),
        }
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        match states {
            [sketches] => self.unite(sketches),
            _ => Ok(()),
        }
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.text()])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(self.text())
    }

    fn size(&self) -> usize {
        size_of_val(self)
            + match &self.sketch {
                Sketch::Sparse(entries) => entries.len() * 2 * size_of::<u64>(),
                Sketch::Dense(registers) => registers.len(),
            }
    }
}
