//! Which Parquet column may be loaded into which column of a table, and the words of Redshift where it may not.
//!
//! As with Redshift Spectrum, which reads these files there, types must be the same: a 32-bit integer is no BIGINT.

use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use blueshift_sql::SqlType;
use parquet::basic::{Compression, ConvertedType, LogicalType, Type as PhysicalType};
use parquet::errors::Result;
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::schema::types::{SchemaDescriptor, Type, TypePtr};
use std::sync::Arc;

/// How the values of a column are made those of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// By a cast that changes no value, or refuses it.
    Cast,
    /// As text.
    Text,
    /// As bytes.
    Bytes,
    /// As JSON, for SUPER. A text that is marked as JSON is taken for it; any other is a string.
    Json {
        /// Whether it is marked.
        is_marked: bool,
    },
}

/// Finds the way of a column; `None` if there is none. `is_marked` says that its texts are JSON, `serializes` that
/// anything may become a SUPER.
pub fn way(file: &DataType, is_marked: bool, ty: SqlType, serializes: bool) -> Option<Way> {
    use DataType as D;
    Some(match (ty, file) {
        (SqlType::Super, _) if serializes => Way::Json { is_marked },
        (SqlType::Super, _) => return None,
        (_, D::Null)
        | (SqlType::Boolean, D::Boolean)
        | (SqlType::SmallInt | SqlType::Integer, D::Int8 | D::Int16 | D::Int32)
        | (SqlType::SmallInt | SqlType::Integer, D::UInt8 | D::UInt16 | D::UInt32)
        | (SqlType::BigInt, D::Int64 | D::UInt64)
        | (SqlType::Real, D::Float32)
        | (SqlType::Double, D::Float64)
        | (SqlType::Date, D::Date32)
        | (SqlType::Time, D::Time32(_) | D::Time64(_))
        | (SqlType::Timestamp | SqlType::TimestampTz, D::Timestamp(_, _)) => Way::Cast,
        (
            SqlType::Decimal { scale, .. },
            D::Decimal128(_, file_scale) | D::Decimal256(_, file_scale),
        ) if *file_scale <= scale => Way::Cast,
        (SqlType::Char(_) | SqlType::Varchar(_), D::Utf8View | D::BinaryView) => Way::Text,
        (SqlType::Varbyte(_), D::Utf8View | D::BinaryView | D::FixedSizeBinary(_)) => Way::Bytes,
        _ => return None,
    })
}

/// Tells whether the texts of a column are marked as JSON.
pub fn is_json(column: &Type) -> bool {
    let info = column.get_basic_info();
    column.is_primitive()
        && (info.logical_type_ref() == Some(&LogicalType::Json)
            || info.converted_type() == ConvertedType::JSON)
}

/// Gives the schema to read by: texts and bytes as views, and the times of old files, which have no unit of their own, to
/// the microsecond, which reaches further than the nanosecond.
pub fn reading(schema: &Schema, file: &SchemaDescriptor) -> SchemaRef {
    let columns = file.root_schema().get_fields();
    let field = |(field, column): (&Arc<Field>, &TypePtr)| {
        let is_old_time =
            column.is_primitive() && column.get_physical_type() == PhysicalType::INT96;
        let ty = match field.data_type() {
            DataType::Utf8 => DataType::Utf8View,
            DataType::Binary => DataType::BinaryView,
            DataType::Timestamp(TimeUnit::Nanosecond, None) if is_old_time => {
                DataType::Timestamp(TimeUnit::Microsecond, None)
            }
            _ => return Arc::clone(field),
        };
        Arc::new(field.as_ref().clone().with_data_type(ty))
    };
    let fields: Vec<_> = schema.fields().iter().zip(columns).map(field).collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

/// Gives the schema of a file with plain bytes where it has texts, so that texts that are no UTF-8 can be read.
pub fn with_bytes_for_texts(schema: &SchemaDescriptor) -> Result<SchemaDescriptor> {
    let root = schema.root_schema();
    let field = |field: &TypePtr| -> Result<TypePtr> {
        let info = field.get_basic_info();
        if !field.is_primitive()
            || field.get_physical_type() != PhysicalType::BYTE_ARRAY
            || info.converted_type() == ConvertedType::DECIMAL
            || matches!(info.logical_type_ref(), Some(LogicalType::Decimal(_)))
            || is_json(field)
        {
            return Ok(Arc::clone(field));
        }
        let builder = Type::primitive_type_builder(field.name(), PhysicalType::BYTE_ARRAY)
            .with_repetition(info.repetition())
            .with_id(info.has_id().then(|| info.id()));
        Ok(Arc::new(builder.build()?))
    };
    let fields = root.get_fields().iter().map(field);
    let root = Type::group_type_builder(root.name())
        .with_fields(fields.collect::<Result<_>>()?)
        .build()?;
    Ok(SchemaDescriptor::new(Arc::new(root)))
}

/// Writes a column of a file as Redshift shows it: `optional int64 l_orderkey [i:0 d:1 r:0]`.
pub fn shown(schema: &SchemaDescriptor, index: usize) -> String {
    let Some(column) = schema.root_schema().get_fields().get(index) else {
        return String::new();
    };
    let repetition = column.get_basic_info().repetition().to_string();
    let physical = match column.is_primitive() {
        true => column.get_physical_type().to_string(),
        false => "group".to_owned(),
    };
    let leaf = (0..schema.num_columns()).find(|leaf| schema.get_column_root_idx(*leaf) == index);
    let place = leaf.map(|leaf| {
        let column = schema.column(leaf);
        let (deep, repeated) = (column.max_def_level(), column.max_rep_level());
        format!(" [i:{leaf} d:{deep} r:{repeated}]")
    });
    format!(
        "{} {} {}{}",
        repetition.to_lowercase(),
        physical.to_lowercase(),
        column.name(),
        place.unwrap_or_default()
    )
}

/// Names a type as Redshift Spectrum does.
pub fn type_shown(ty: SqlType) -> String {
    match ty {
        SqlType::SmallInt => "SMALLINT".to_owned(),
        SqlType::Integer => "INT".to_owned(),
        SqlType::BigInt => "BIGINT".to_owned(),
        SqlType::Real => "REAL".to_owned(),
        SqlType::Double => "DOUBLE".to_owned(),
        SqlType::Boolean => "BOOLEAN".to_owned(),
        SqlType::Varchar(_) => "VARCHAR".to_owned(),
        SqlType::Char(_) => "CHAR".to_owned(),
        SqlType::Decimal { precision, scale } => format!("DECIMAL({precision}, {scale})"),
        other => other.short_name().to_uppercase(),
    }
}

/// Names a compression that is not read here, if a row group has one.
pub fn unread_compression(group: &RowGroupMetaData) -> Option<&'static str> {
    let mut compressions = group.columns().iter().map(|column| column.compression());
    compressions.find_map(|compression| match compression {
        Compression::LZO => Some("LZO"),
        _ => None,
    })
}

/// Adds up the rows before each row group.
pub fn rows_before(metadata: &ParquetMetaData) -> Vec<u64> {
    let mut before = 0;
    let groups = metadata.row_groups().iter();
    groups
        .map(|group| {
            let start = before;
            before += u64::try_from(group.num_rows()).unwrap_or_default();
            start
        })
        .collect()
}
