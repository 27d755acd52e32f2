//! What is to be read of one file, made when its footer is known; `None` where the engine's reader must read it: columns that
//! are not flat, encodings that are rare, rows that were chosen before, pages that most rows of can be passed over.

use super::column::ColumnPlan;
use super::filter::Condition;
use super::page;
use super::values::{Kind, Physical};
use crate::operator::small_decimal::small_in;
use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, Field, FieldRef, Schema, SchemaRef};
use datafusion::common::{DataFusionError, ScalarValue, internal_err};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::ParquetFileMetrics;
use datafusion::datasource::physical_plan::parquet::{
    PagePruningAccessPlanFilter, ParquetAccessPlan, RowGroupAccess, RowGroupAccessPlanFilter,
    apply_file_schema_type_coercions,
};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::Result;
use datafusion::parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use datafusion::parquet::arrow::parquet_to_arrow_schema;
use datafusion::parquet::basic::Encoding;
use datafusion::parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::DynamicFilterTracking;
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_expr::simplifier::PhysicalExprSimplifier;
use datafusion::physical_expr::utils::{collect_columns, reassign_expr_columns};
use datafusion::physical_expr_adapter::{
    PhysicalExprAdapterFactory, replace_columns_with_literals,
};
use datafusion::physical_optimizer::pruning::{PruningPredicate, PruningPredicateBuilder};
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// Of pages that can be passed over the engine's reader makes use if they are more than one row of so many.
const PAGES_WORTH_ONE_OF: usize = 2;

/// What is the same for all files of a scan.
#[derive(Clone, Debug)]
pub(super) struct ScanPlan {
    pub(super) table_schema: TableSchema,
    pub(super) projection: ProjectionExprs,
    pub(super) predicate: Option<Arc<dyn PhysicalExpr>>,
    pub(super) adapter: Arc<dyn PhysicalExprAdapterFactory>,
    pub(super) batch_rows: usize,
    pub(super) limit: Option<usize>,
}

/// A column that is read.
#[derive(Clone, Debug)]
struct Needed {
    /// Its place among the columns of the file.
    place: usize,
    leaf: usize,
    kind: Kind,
    has_nulls: bool,
}

/// What is to be read of a file. See the module.
pub(super) struct FilePlan {
    pub(super) metadata: Arc<ParquetMetaData>,
    pub(super) pruner: Pruner,
    /// The columns of conditions and of what comes out.
    columns: Vec<Needed>,
    /// Places among the columns of what comes out.
    pub(super) outputs: Vec<usize>,
    output_columns: SchemaRef,
    expressions: Vec<Arc<dyn PhysicalExpr>>,
    /// The columns that come out.
    pub(super) output: SchemaRef,
    pub(super) batch_rows: usize,
    pub(super) limit: Option<usize>,
}

/// A file, its plan and the rest of what a scan of it begins with.
pub(super) struct Begun {
    pub(super) plan: FilePlan,
    pub(super) groups: Vec<usize>,
    pub(super) conditions: Vec<Condition>,
}

impl ScanPlan {
    /// Gives expressions over the columns of a file in place of those over the columns of the table.
    fn fitted(
        &self,
        file: &PartitionedFile,
        schema: &SchemaRef,
    ) -> Result<(Option<Arc<dyn PhysicalExpr>>, ProjectionExprs)> {
        let columns = self.table_schema.table_partition_cols().iter();
        let values = columns.zip(&file.partition_values);
        let values: HashMap<String, ScalarValue> = values
            .map(|(column, value)| (column.name().clone(), value.clone()))
            .collect();
        let logical = Arc::clone(self.table_schema.file_schema());
        let adapter = self.adapter.create(logical, Arc::clone(schema))?;
        let simplifier = PhysicalExprSimplifier::new(schema);
        let fit = |expr: Arc<dyn PhysicalExpr>| {
            let expr = replace_columns_with_literals(expr, &values)?;
            simplifier.simplify(adapter.rewrite(expr)?)
        };
        let predicate = self.predicate.clone().map(fit).transpose()?;
        Ok((predicate, self.projection.clone().try_map_exprs(fit)?))
    }

    /// Makes the plan of a file whose footer is known; `None` if the engine's reader must read it.
    pub(super) fn begin(
        &self,
        file: &PartitionedFile,
        metadata: &Arc<ParquetMetaData>,
        metrics: &ParquetFileMetrics,
    ) -> Result<Option<Begun>> {
        let Some((schema, plain)) = self.schemas(metadata)? else {
            return Ok(None);
        };
        let (predicate, projection) = self.fitted(file, &schema)?;
        let pruner = Pruner::new(predicate.as_ref(), &schema);
        let all = pruner.groups(metadata, file, &unseen());
        let groups = all.row_group_indexes();
        if pruner.passes_over_pages(all, metadata) {
            return Ok(None);
        }
        let conditions = match &predicate {
            Some(predicate) => Condition::all_of(predicate, &schema)?,
            None => Vec::new(),
        };
        let mut out: Vec<usize> = projection.column_indices();
        let asked = conditions.iter().flat_map(|condition| &condition.columns);
        let mut places: Vec<usize> = asked.chain(&out).copied().collect();
        places.sort_unstable();
        places.dedup();
        let mut columns = Vec::with_capacity(places.len());
        for place in &places {
            let needed = needed(metadata, &schema, &plain, *place);
            let needed = needed.filter(|column| is_readable(metadata, &groups, column));
            match needed {
                Some(column) => columns.push(column),
                None => return Ok(None),
            }
        }
        // Counted only now that it is read here.
        let _counted = pruner.groups(metadata, file, metrics);
        let output_columns = Arc::new(schema.project(&out)?);
        let expressions = projection.expr_iter().map(|expr| {
            let expr = reassign_expr_columns(expr, &output_columns)?;
            small_in(&expr, &output_columns)
        });
        let expressions = expressions.collect::<Result<Vec<_>>>()?;
        out.iter_mut()
            .for_each(|place| *place = places.partition_point(|other| *other < *place));
        let output = self
            .projection
            .project_schema(self.table_schema.table_schema())?;
        Ok(Some(Begun {
            plan: FilePlan {
                metadata: Arc::clone(metadata),
                pruner,
                columns,
                outputs: out,
                output_columns,
                expressions,
                output: Arc::new(output),
                batch_rows: self.batch_rows,
                limit: self.limit,
            },
            groups,
            conditions,
        }))
    }

    /// Gives the columns of a file as they are read, and as they would be had its writer noted no types.
    fn schemas(&self, metadata: &Arc<ParquetMetaData>) -> Result<Option<(SchemaRef, Schema)>> {
        let noted = ArrowReaderMetadata::try_new(Arc::clone(metadata), ArrowReaderOptions::new())?;
        let described = metadata.file_metadata().schema_descr();
        let plain = parquet_to_arrow_schema(described, None)?;
        let noted = noted.schema();
        if noted.fields().len() != plain.fields().len()
            || described.root_schema().get_fields().len() != plain.fields().len()
        {
            return Ok(None);
        }
        let coerced = apply_file_schema_type_coercions(self.table_schema.file_schema(), noted);
        let schema = coerced.unwrap_or_else(|| noted.as_ref().clone());
        let fields = schema.fields().iter().map(|field| {
            let Some(view) = view_of(field.data_type()) else {
                return Arc::clone(field);
            };
            Arc::new(field.as_ref().clone().with_data_type(view))
        });
        let fields: Vec<FieldRef> = fields.collect();
        Ok(Some((Arc::new(Schema::new(fields)), plain)))
    }
}

/// Gives the type that texts and bytes are read as.
fn view_of(data_type: &DataType) -> Option<DataType> {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 => Some(DataType::Utf8View),
        DataType::Binary | DataType::LargeBinary => Some(DataType::BinaryView),
        DataType::Dictionary(_, value) => view_of(value),
        _ => None,
    }
}

/// Counters that nobody looks at.
fn unseen() -> ParquetFileMetrics {
    ParquetFileMetrics::new(0, "", &ExecutionPlanMetricsSet::new())
}

/// Finds a flat column; `None` if it is another, or has values that are not read here.
fn needed(
    metadata: &ParquetMetaData,
    schema: &Schema,
    plain: &Schema,
    place: usize,
) -> Option<Needed> {
    let described = metadata.file_metadata().schema_descr();
    let mut leaves = 0..described.num_columns();
    let leaf = leaves.find(|leaf| described.get_column_root_idx(*leaf) == place)?;
    let column = described.column(leaf);
    let is_flat = column.path().parts().len() == 1
        && column.max_rep_level() == 0
        && column.max_def_level() <= 1;
    let wanted: &Field = schema.fields().get(place)?;
    let plain: &Field = plain.fields().get(place)?;
    if !is_flat {
        return None;
    }
    Some(Needed {
        place,
        leaf,
        kind: Kind::of(&column, plain.data_type(), wanted.data_type())?,
        has_nulls: column.max_def_level() == 1,
    })
}

/// Tells whether a column is written in ways that are read here.
fn is_readable(metadata: &ParquetMetaData, groups: &[usize], column: &Needed) -> bool {
    let is_known = |encoding: Encoding| match encoding {
        Encoding::PLAIN | Encoding::PLAIN_DICTIONARY | Encoding::RLE_DICTIONARY | Encoding::RLE => {
            true
        }
        #[expect(
            deprecated,
            reason = "old writers name it for levels that they do not write"
        )]
        Encoding::BIT_PACKED => !column.has_nulls && column.kind.physical != Physical::Bit,
        _ => false,
    };
    groups.iter().all(|group| {
        let chunk = metadata.row_group(*group).columns().get(column.leaf);
        chunk.is_some_and(|chunk| {
            page::is_known(chunk.compression_codec())
                && chunk.file_path().is_none()
                && chunk.encodings().all(is_known)
        })
    })
}

impl FilePlan {
    /// Tells how many columns are read.
    pub(super) fn column_count(&self) -> usize {
        self.columns.len()
    }

    /// Finds a column of the file among those that are read.
    pub(super) fn slot(&self, place: usize) -> Option<usize> {
        self.columns.iter().position(|column| column.place == place)
    }

    /// Tells whether a column may have nulls.
    pub(super) fn has_nulls(&self, slot: usize) -> bool {
        self.columns
            .get(slot)
            .is_some_and(|column| column.has_nulls)
    }

    /// Tells how many bytes a column of the file has in a row group.
    pub(super) fn bytes_of(&self, group: usize, place: usize) -> Option<i64> {
        let column = self.columns.get(self.slot(place)?)?;
        let chunk = self.group(group)?.columns().get(column.leaf)?;
        Some(chunk.compressed_size())
    }

    fn group(&self, group: usize) -> Option<&RowGroupMetaData> {
        self.metadata.row_groups().get(group)
    }

    /// Gives how to read a column of a row group, and where it is.
    pub(super) fn column(&self, group: usize, slot: usize) -> Result<(ColumnPlan, Range<u64>)> {
        let column = self.columns.get(slot);
        let chunk = column.and_then(|column| self.group(group)?.columns().get(column.leaf));
        let (Some(column), Some(chunk)) = (column, chunk) else {
            return internal_err!("a column that the file does not have");
        };
        let (begin, bytes) = chunk.byte_range();
        let plan = ColumnPlan {
            kind: column.kind.clone(),
            has_nulls: column.has_nulls,
            codec: chunk.compression_codec(),
        };
        Ok((plan, begin..begin.saturating_add(bytes)))
    }

    /// Makes what comes out of columns that were read.
    pub(super) fn project(&self, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let schema = Arc::clone(&self.output_columns);
        let batch = RecordBatch::try_new_with_options(schema, columns, &options)?;
        let values = self
            .expressions
            .iter()
            .map(|expr| expr.evaluate(&batch)?.into_array(rows));
        let values = values.collect::<Result<Vec<ArrayRef>>>()?;
        let output = Arc::clone(&self.output);
        let batch = RecordBatch::try_new_with_options(output, values, &options);
        batch.map_err(DataFusionError::from)
    }
}

/// Rules out row groups by their statistics, again when a condition that changes has changed.
pub(super) struct Pruner {
    predicate: Option<Arc<dyn PhysicalExpr>>,
    schema: SchemaRef,
    tracking: Option<DynamicFilterTracking>,
    pruning: Option<Arc<PruningPredicate>>,
    has_changed: bool,
}

impl Pruner {
    fn new(predicate: Option<&Arc<dyn PhysicalExpr>>, schema: &SchemaRef) -> Self {
        let mut pruner = Self {
            predicate: predicate.cloned(),
            schema: Arc::clone(schema),
            tracking: predicate.map(DynamicFilterTracking::classify),
            pruning: None,
            has_changed: false,
        };
        pruner.look();
        pruner
    }

    fn look(&mut self) {
        let builder = PruningPredicateBuilder::new().with_file_schema(Arc::clone(&self.schema));
        let predicate = self.predicate.clone();
        self.pruning = predicate.and_then(|predicate| builder.build(predicate));
    }

    fn prune(
        &self,
        access: ParquetAccessPlan,
        metadata: &ParquetMetaData,
        metrics: &ParquetFileMetrics,
    ) -> RowGroupAccessPlanFilter {
        let mut groups = RowGroupAccessPlanFilter::new(access);
        if let Some(pruning) = &self.pruning {
            let described = metadata.file_metadata().schema_descr();
            let all = metadata.row_groups();
            groups.prune_by_statistics(&self.schema, described, all, pruning, metrics);
        }
        groups
    }

    /// Gives the row groups of the part of a file that may have rows.
    fn groups(
        &self,
        metadata: &ParquetMetaData,
        file: &PartitionedFile,
        metrics: &ParquetFileMetrics,
    ) -> ParquetAccessPlan {
        let all = metadata.row_groups();
        let mut groups = RowGroupAccessPlanFilter::new(ParquetAccessPlan::new_all(all.len()));
        if let Some(range) = &file.range
            && all.iter().all(|group| !group.columns().is_empty())
        {
            groups.prune_by_range(all, range);
        }
        self.prune(groups.build(), metadata, metrics).build()
    }

    /// Tells whether the index of pages, if it is known, rules out so many rows that only some pages should be read.
    fn passes_over_pages(&self, access: ParquetAccessPlan, metadata: &ParquetMetaData) -> bool {
        let has_index = metadata.column_index().is_some() && metadata.offset_index().is_some();
        let (Some(predicate), true) = (&self.predicate, has_index) else {
            return false;
        };
        let filter = PagePruningAccessPlanFilter::new(predicate, Arc::clone(&self.schema));
        if filter.filter_number() == 0 {
            return false;
        }
        let rows_of = |access: &ParquetAccessPlan| -> usize {
            let groups = access.inner().iter().zip(metadata.row_groups());
            let rows = groups.map(|(access, group)| match access {
                RowGroupAccess::Skip => 0,
                RowGroupAccess::Scan => usize::try_from(group.num_rows()).unwrap_or(0),
                RowGroupAccess::Selection(rows) => rows.row_count(),
            });
            rows.sum()
        };
        let before = rows_of(&access);
        let described = metadata.file_metadata().schema_descr();
        let after =
            filter.prune_plan_with_page_index(access, &self.schema, described, metadata, &unseen());
        rows_of(&after) < before - before / PAGES_WORTH_ONE_OF
    }

    /// Tells whether the index of pages could rule out rows.
    pub(super) fn wants_pages(
        predicate: Option<&Arc<dyn PhysicalExpr>>,
        metadata: &ParquetMetaData,
    ) -> bool {
        predicate.is_some_and(|predicate| !collect_columns(predicate).is_empty())
            && metadata.row_groups().iter().any(|group| {
                let mut columns = group.columns().iter();
                columns.any(|column| column.column_index_offset().is_some())
            })
    }

    /// Tells whether a row group is ruled out by now.
    pub(super) fn is_ruled_out(&mut self, group: usize, metadata: &ParquetMetaData) -> bool {
        let tracking = self.tracking.as_mut();
        let watcher = tracking.and_then(DynamicFilterTracking::watcher);
        if watcher.is_some_and(|watcher| watcher.changed()) {
            self.has_changed = true;
            self.look();
        }
        if !self.has_changed {
            return false;
        }
        let mut access = ParquetAccessPlan::new_none(metadata.num_row_groups());
        access.scan(group);
        self.prune(access, metadata, &unseen()).is_empty()
    }
}
