//! Rows shaped like TPC-H's lineitem, with the types of the demo.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, Date32Array, Decimal128Array, Int32Array, Int64Array, RecordBatch, StringViewArray,
};
use blueshift_storage::{ColumnLayout, ColumnType, EncodingName, SortKey, TableLayout};
use tpchgen::generators::LineItem;

const MONEY: ColumnType = ColumnType::Decimal {
    precision: 12,
    scale: 2,
};

const COLUMNS: [(&str, ColumnType); 16] = [
    ("l_orderkey", ColumnType::Int64),
    ("l_partkey", ColumnType::Int32),
    ("l_suppkey", ColumnType::Int32),
    ("l_linenumber", ColumnType::Int32),
    ("l_quantity", MONEY),
    ("l_extendedprice", MONEY),
    ("l_discount", MONEY),
    ("l_tax", MONEY),
    ("l_returnflag", ColumnType::Text),
    ("l_linestatus", ColumnType::Text),
    ("l_shipdate", ColumnType::Date),
    ("l_commitdate", ColumnType::Date),
    ("l_receiptdate", ColumnType::Date),
    ("l_shipinstruct", ColumnType::Text),
    ("l_shipmode", ColumnType::Text),
    ("l_comment", ColumnType::Text),
];

/// Makes the table, with the encodings left to the chooser.
pub fn layout(sort_key: SortKey) -> Arc<TableLayout> {
    let columns = COLUMNS
        .iter()
        .zip(1..)
        .map(|((name, ty), id)| ColumnLayout {
            id,
            name: (*name).to_owned(),
            ty: *ty,
            encoding: EncodingName::Auto,
            nullable: false,
        });
    Arc::new(TableLayout {
        columns: columns.collect(),
        sort_key,
    })
}

/// Makes rows as they come from a COPY.
pub fn batch(items: &[LineItem<'_>], layout: &TableLayout) -> RecordBatch {
    let wide = |of: &dyn Fn(&LineItem<'_>) -> i64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(items.iter().map(of)))
    };
    let number = |of: &dyn Fn(&LineItem<'_>) -> i32| -> ArrayRef {
        Arc::new(Int32Array::from_iter_values(items.iter().map(of)))
    };
    let money = |of: &dyn Fn(&LineItem<'_>) -> i64| -> ArrayRef {
        let values = items.iter().map(|item| i128::from(of(item)));
        let array = Decimal128Array::from_iter_values(values);
        Arc::new(array.with_precision_and_scale(12, 2).expect("a precision"))
    };
    let date = |of: &dyn Fn(&LineItem<'_>) -> i32| -> ArrayRef {
        Arc::new(Date32Array::from_iter_values(items.iter().map(of)))
    };
    let text = |of: &dyn Fn(&LineItem<'_>) -> String| -> ArrayRef {
        Arc::new(StringViewArray::from_iter_values(items.iter().map(of)))
    };
    let columns = vec![
        wide(&|item| item.l_orderkey),
        number(&|item| item.l_partkey as i32),
        number(&|item| item.l_suppkey as i32),
        number(&|item| item.l_linenumber),
        money(&|item| item.l_quantity * 100),
        money(&|item| item.l_extendedprice.into_inner()),
        money(&|item| item.l_discount.into_inner()),
        money(&|item| item.l_tax.into_inner()),
        text(&|item| item.l_returnflag.to_string()),
        text(&|item| item.l_linestatus.to_string()),
        date(&|item| item.l_shipdate.to_unix_epoch()),
        date(&|item| item.l_commitdate.to_unix_epoch()),
        date(&|item| item.l_receiptdate.to_unix_epoch()),
        text(&|item| item.l_shipinstruct.to_string()),
        text(&|item| item.l_shipmode.to_string()),
        text(&|item| item.l_comment.to_string()),
    ];
    RecordBatch::try_new(layout.arrow_schema(), columns).expect("columns of the layout")
}
