//! Fits the columns of a file of Parquet or ORC to those of the table: found by name in any case, cast where no value is lost,
//! null where the file has none, texts cut to the width of the column.
//!
//! Source: Redshift's guide, CREATE EXTERNAL TABLE, "data_type" (texts that are too long are truncated without an
//! error), and "Troubleshooting queries in Amazon Redshift Spectrum" (types that do not fit).

use super::called::Calls;
use super::cleanse::{Cleansing, FitExpr, Handling, Limit, RowExpr};
use super::fit::{Width, fits};
use super::nest::{Nest, NestExpr};
use crate::error::Error;
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringViewBuilder};
use arrow_schema::{Field, FieldRef, Schema, SchemaRef};
use blueshift_sql::statement::external::NestedType;
use blueshift_sql::{SqlState, SqlType};
use datafusion::common::ScalarValue;
use datafusion::common::internal_err;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{ColumnarValue, Operator};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{
    BinaryExpr, CastExpr, Column, InListExpr, IsNotNullExpr, IsNullExpr, Literal,
};
use datafusion::physical_expr_adapter::{PhysicalExprAdapter, PhysicalExprAdapterFactory};
use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

/// Bytes that cutting a text at its width may take off besides what is too long: the rest of a character.
const CHARACTER_BYTES_MAX: usize = 4;

/// Makes adapters for the files of a table.
#[derive(Clone, Debug)]
pub(super) struct AdaptColumns {
    /// The table, for errors.
    pub(super) table: String,
    /// The format's name, for errors.
    pub(super) format: &'static str,
    /// The types of SUPER columns.
    pub(super) nested: Arc<HashMap<String, NestedType>>,
    /// What becomes of values that do not fit, if the table says.
    pub(super) cleansing: Option<Cleansing>,
    /// How columns are called in files, if not by their names.
    pub(super) calls: Calls,
}

impl PhysicalExprAdapterFactory for AdaptColumns {
    fn create(
        &self,
        table_schema: SchemaRef,
        file_schema: SchemaRef,
    ) -> Result<Arc<dyn PhysicalExprAdapter>> {
        let mut adapter = Adapter {
            table: self.table.clone(),
            format: self.format,
            nested: Arc::clone(&self.nested),
            cleansing: self.cleansing,
            dropping: Vec::new(),
            calls: Arc::clone(&self.calls),
            table_schema,
            file_schema,
        };
        if self
            .cleansing
            .is_some_and(|cleansing| cleansing.drops_rows())
        {
            adapter.dropping = adapter.dropping();
        }
        Ok(Arc::new(adapter))
    }
}

#[derive(Debug)]
struct Adapter {
    table: String,
    format: &'static str,
    nested: Arc<HashMap<String, NestedType>>,
    cleansing: Option<Cleansing>,
    /// What is fitted in each row, and makes all of it null where it does not fit.
    dropping: Vec<Arc<dyn PhysicalExpr>>,
    calls: Calls,
    table_schema: SchemaRef,
    file_schema: SchemaRef,
}

impl PhysicalExprAdapter for Adapter {
    fn rewrite(&self, expr: Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>> {
        expr.transform_down(|part| {
            // What compares alike whether the text is cut or not is left bare, so that it can rule out row groups.
            let only_cuts = self.cleansing.is_none_or(|cleansing| cleansing.only_cuts());
            let is_bare = only_cuts && self.dropping.is_empty() && self.compares_alike(&part);
            if is_bare {
                let bare = part
                    .transform_down(|inner| self.column(inner, false))
                    .data()?;
                return Ok(Transformed::new(bare, true, TreeNodeRecursion::Jump));
            }
            self.column(part, true)
        })
        .data()
    }
}

impl Adapter {
    /// Replaces a column of the table by what the file has for it.
    fn column(
        &self,
        part: Arc<dyn PhysicalExpr>,
        is_cut: bool,
    ) -> Result<Transformed<Arc<dyn PhysicalExpr>>> {
        let Some(column) = part.downcast_ref::<Column>() else {
            return Ok(Transformed::no(part));
        };
        let wanted = self.table_schema.field_with_name(column.name())?;
        let Some((place, found)) = self.find(column.name()) else {
            let null = Literal::new(ScalarValue::try_from(wanted.data_type())?);
            return Ok(jump(Arc::new(null)));
        };
        let ty = SqlType::from_field(wanted);
        let refused = |wanted_type: String| {
            DataFusionError::External(Box::new(Incompatible {
                format: self.format,
                column: format!("{}.{}", self.table, wanted.name()),
                wanted: wanted_type,
                found: found.data_type().to_string(),
            }))
        };
        if let Some(nested) = self.nested.get(column.name()) {
            let nest = match self.calls.get(column.name()) {
                Some(called) => Nest::new(&called.renamed(found.data_type()), nested),
                None => Nest::new(found.data_type(), nested),
            };
            let nest = nest.ok_or_else(|| refused(nested.to_string().to_uppercase()))?;
            let value = Arc::new(NestExpr {
                value: Arc::new(Column::new(found.name(), place)),
                nest,
                field: Arc::new(wanted.clone()),
            });
            return Ok(jump(self.row(value, wanted)));
        }
        if let Some(fitted) = self.fitted(place, found, wanted) {
            return Ok(jump(self.row(Arc::new(fitted), wanted)));
        }
        if !fits(found.data_type(), wanted.data_type()) {
            return Err(refused(ty.display().to_uppercase()));
        }
        let mut value: Arc<dyn PhysicalExpr> = Arc::new(Column::new(found.name(), place));
        if found.data_type() != wanted.data_type() {
            value = Arc::new(CastExpr::new(value, wanted.data_type().clone(), None));
        }
        if let Some(width) = Width::of(ty).filter(|_| is_cut) {
            value = Arc::new(CutExpr {
                value,
                width,
                field: Arc::new(wanted.clone()),
            });
        }
        Ok(jump(self.row(value, wanted)))
    }

    /// Gives the expression that fits a column as the table's data handling says.
    fn fitted(&self, place: usize, found: &Field, wanted: &Field) -> Option<FitExpr> {
        let cleansing = self.cleansing?;
        let ty = SqlType::from_field(wanted);
        let (limit, handling) = cleansing.limit(found.data_type(), ty)?;
        let mut value: Arc<dyn PhysicalExpr> = Arc::new(Column::new(found.name(), place));
        let is_number = matches!(limit, Limit::Number(_));
        if !is_number && found.data_type() != wanted.data_type() {
            if !fits(found.data_type(), wanted.data_type()) {
                return None;
            }
            value = Arc::new(CastExpr::new(value, wanted.data_type().clone(), None));
        }
        Some(FitExpr {
            value,
            limit,
            handling,
            field: Arc::new(wanted.clone()),
        })
    }

    /// Gives what is fitted in each row and drops it.
    fn dropping(&self) -> Vec<Arc<dyn PhysicalExpr>> {
        let fields = self.table_schema.fields().iter();
        let fields = fields.filter(|field| !self.nested.contains_key(field.name()));
        let fitted = fields.filter_map(|wanted| {
            let (place, found) = self.find(wanted.name())?;
            let fitted = self.fitted(place, found, wanted)?;
            let drops = fitted.handling == Handling::DropRow;
            drops.then(|| Arc::new(fitted) as Arc<dyn PhysicalExpr>)
        });
        fitted.collect()
    }

    /// Ties a value to its row, if rows are dropped.
    fn row(&self, value: Arc<dyn PhysicalExpr>, wanted: &Field) -> Arc<dyn PhysicalExpr> {
        match self.dropping.as_slice() {
            [] => value,
            dropping => Arc::new(RowExpr::new(value, dropping, Arc::new(wanted.clone()))),
        }
    }

    fn find(&self, name: &str) -> Option<(usize, &Field)> {
        if !self.calls.is_empty() {
            let found = self.calls.get(name)?.find(self.file_schema.fields());
            return found.map(|(place, field)| (place, field.as_ref()));
        }
        let fields = self.file_schema.fields().iter().enumerate();
        let mut exact = fields.clone().filter(|(_, field)| field.name() == name);
        let mut other = fields.filter(|(_, field)| field.name().eq_ignore_ascii_case(name));
        let found = exact.next().or_else(|| other.next());
        found.map(|(place, field)| (place, field.as_ref()))
    }

    /// Tells whether a condition on one text column and constants has the same answer for the whole text and for the
    /// text cut to its width: the constants are shorter, so what is cut off decides nothing.
    fn compares_alike(&self, part: &Arc<dyn PhysicalExpr>) -> bool {
        let width_of = |side: &Arc<dyn PhysicalExpr>| {
            let column = side.downcast_ref::<Column>()?;
            let field = self.table_schema.field_with_name(column.name()).ok()?;
            match Width::of(SqlType::from_field(field))? {
                Width { is_char: true, .. } => None,
                Width { bytes, .. } => Some(bytes),
            }
        };
        let is_short = |side: &Arc<dyn PhysicalExpr>, width: usize| {
            let literal = side.downcast_ref::<Literal>();
            let text = literal.and_then(|literal| literal.value().try_as_str());
            text.flatten()
                .is_some_and(|text| text.len() + CHARACTER_BYTES_MAX <= width)
        };
        if let Some(binary) = part.downcast_ref::<BinaryExpr>() {
            let compares = matches!(
                binary.op(),
                Operator::Eq
                    | Operator::NotEq
                    | Operator::Lt
                    | Operator::LtEq
                    | Operator::Gt
                    | Operator::GtEq
            );
            let (left, right) = (binary.left(), binary.right());
            let sides = [(left, right), (right, left)];
            return compares
                && sides.iter().any(|(column, constant)| {
                    width_of(column).is_some_and(|width| is_short(constant, width))
                });
        }
        if let Some(list) = part.downcast_ref::<InListExpr>() {
            return width_of(list.expr())
                .is_some_and(|width| list.list().iter().all(|one| is_short(one, width)));
        }
        let asks_null = part.downcast_ref::<IsNullExpr>().map(IsNullExpr::arg);
        let asks_value = part.downcast_ref::<IsNotNullExpr>().map(IsNotNullExpr::arg);
        asks_null
            .or(asks_value)
            .is_some_and(|of| of.downcast_ref::<Column>().is_some())
    }
}

/// A part that is done, with all below it.
fn jump(part: Arc<dyn PhysicalExpr>) -> Transformed<Arc<dyn PhysicalExpr>> {
    Transformed::new(part, true, TreeNodeRecursion::Jump)
}

/// A column of a file whose type is not that of the table.
#[derive(Clone, Debug)]
pub(super) struct Incompatible {
    format: &'static str,
    column: String,
    wanted: String,
    found: String,
}

impl fmt::Display for Incompatible {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "incompatible {} schema for column '{}'",
            self.format, self.column
        )
    }
}

impl std::error::Error for Incompatible {}

impl Incompatible {
    /// Says so of a file, in the words of Redshift.
    pub(super) fn in_file(&self, url: &str) -> Error {
        let Self {
            format,
            column,
            wanted,
            found,
        } = self;
        Error::Sql(
            blueshift_sql::Error::new(
                SqlState::DATATYPE_MISMATCH,
                format!(
                    "Spectrum Scan Error. File '{url}' has an incompatible {format} schema for column '{column}'. \
                     Column type: {wanted}, {format} schema: {found}"
                ),
            )
            .with_hint("Make the external table anew with the type that the file has."),
        )
    }
}

/// Cuts texts to the width of their column.
#[derive(Debug, Eq)]
struct CutExpr {
    value: Arc<dyn PhysicalExpr>,
    width: Width,
    field: FieldRef,
}

impl PartialEq for CutExpr {
    fn eq(&self, other: &Self) -> bool {
        self.value.eq(&other.value) && self.width == other.width
    }
}

impl Hash for CutExpr {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.value.hash(state);
        self.width.hash(state);
    }
}

impl fmt::Display for CutExpr {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "cut({}, {})", self.value, self.width.bytes)
    }
}

impl PhysicalExpr for CutExpr {
    fn return_field(&self, _schema: &Schema) -> Result<FieldRef> {
        Ok(Arc::clone(&self.field))
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let value = self.value.evaluate(batch)?.into_array(batch.num_rows())?;
        Ok(ColumnarValue::Array(cut_all(value, self.width)))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.value]
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        let [value] = children.as_slice() else {
            return internal_err!("one text is cut");
        };
        Ok(Arc::new(Self {
            value: Arc::clone(value),
            width: self.width,
            field: Arc::clone(&self.field),
        }))
    }

    fn fmt_sql(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt_sql(formatter)
    }
}

/// Cuts the texts of an array; most often none is too long, and the array stays as it is.
fn cut_all(array: ArrayRef, width: Width) -> ArrayRef {
    let Some(texts) = array.as_string_view_opt() else {
        return array;
    };
    if texts.iter().flatten().all(|text| width.fits(text)) {
        return array;
    }
    let mut cut = StringViewBuilder::with_capacity(texts.len());
    for text in texts {
        cut.append_option(text.map(|text| width.cut(text)));
    }
    Arc::new(cut.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::StringViewArray;
    use arrow_schema::DataType;
    use datafusion::physical_expr::expressions::{binary, col, lit};

    fn adapter() -> Adapter {
        let table = Schema::new(vec![
            SqlType::BigInt.field("id", true),
            SqlType::Varchar(9).field("name", true),
            SqlType::Integer.field("gone", true),
            SqlType::Char(3).field("code", true),
        ]);
        let file = Schema::new(vec![
            Field::new("Code", DataType::Utf8View, true),
            Field::new("ID", DataType::Int32, true),
            Field::new("name", DataType::Utf8View, true),
        ]);
        Adapter {
            table: "s.t".to_owned(),
            format: "Parquet",
            nested: Arc::default(),
            cleansing: None,
            dropping: Vec::new(),
            calls: Calls::default(),
            table_schema: Arc::new(table),
            file_schema: Arc::new(file),
        }
    }

    fn shown(expr: Arc<dyn PhysicalExpr>) -> String {
        adapter().rewrite(expr).expect("an expression").to_string()
    }

    #[test]
    fn columns_are_found_by_name_and_cast() {
        let schema = adapter().table_schema;
        let column = |name: &str| col(name, &schema).expect(name);
        assert_eq!(shown(column("id")), "CAST(ID@1 AS Int64)");
        assert_eq!(shown(column("name")), "cut(name@2, 9)");
        assert_eq!(shown(column("gone")), "NULL");
        assert_eq!(shown(column("code")), "cut(Code@0, 3)");
    }

    #[test]
    fn comparisons_with_short_texts_are_left_bare() {
        let schema = adapter().table_schema;
        let text = |text: &str| lit(ScalarValue::Utf8View(Some(text.to_owned())));
        let equals = |column: &str, with: &str| {
            let column = col(column, &schema).expect(column);
            let equal = binary(column, Operator::Eq, text(with), &schema);
            shown(equal.expect("a comparison"))
        };
        assert_eq!(equals("name", "short"), "name@2 = short");
        assert_eq!(equals("name", "longer"), "cut(name@2, 9) = longer");
        assert_eq!(equals("code", "a"), "cut(Code@0, 3) = a");
    }

    #[test]
    fn texts_are_cut_between_characters() {
        let check = |ty: SqlType, texts: Vec<Option<&str>>, expected: Vec<Option<&str>>| {
            let array: ArrayRef = Arc::new(StringViewArray::from(texts));
            let cut = cut_all(array, Width::of(ty).expect("a text"));
            assert_eq!(cut.as_string_view(), &StringViewArray::from(expected));
        };
        check(
            SqlType::Varchar(3),
            vec![Some("abcd"), None, Some("ab "), Some("ab\u{e4}"), Some("")],
            vec![Some("abc"), None, Some("ab "), Some("ab"), Some("")],
        );
        check(
            SqlType::Char(3),
            vec![Some("ab "), Some("abc "), Some("a")],
            vec![Some("ab"), Some("abc"), Some("a")],
        );
    }

    #[test]
    fn types_that_lose_values_do_not_fit() {
        assert!(fits(&DataType::Int32, &DataType::Int64));
        assert!(fits(&DataType::Int32, &DataType::Int16));
        assert!(!fits(&DataType::Int64, &DataType::Int32));
        assert!(!fits(&DataType::Float64, &DataType::Float32));
        assert!(!fits(&DataType::Int64, &DataType::Utf8View));
        assert!(fits(&DataType::LargeUtf8, &DataType::Utf8View));
        assert!(!fits(&DataType::Utf8, &DataType::Int32));
    }
}
