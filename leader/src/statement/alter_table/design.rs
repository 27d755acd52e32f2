//! DISTSTYLE, DISTKEY, SORTKEY and ENCODE of a table with rows: all rows are written anew.

use super::{place_of, put, rewrite};
use crate::catalog::layout;
use crate::catalog::{Table, TableDistribution, TableSort};
use crate::error::{Error, Result};
use crate::statement::context::Context;
use crate::statement::create_table;
use crate::statement::materialized_view::state;
use crate::statement::names::SessionNames;
use crate::statement::target::AUTO_ALL_ROWS_MAX;
use blueshift_sql::SqlState;
use blueshift_sql::statement::alter_table::{AlterDistribution, AlterSort};
use blueshift_sql::statement::create_table::{DistStyle, SortClause, TableAttributes};

/// ALTER DISTSTYLE, DISTKEY, SORTKEY.
pub(super) async fn change(
    ctx: &mut Context<'_>,
    names: &SessionNames,
    table: &Table,
    distribution: Option<&AlterDistribution>,
    sort: Option<&AlterSort>,
) -> Result<()> {
    let mut after = table.clone();
    if let Some(distribution) = distribution {
        if matches!(table.sort, TableSort::Interleaved(_)) {
            return Err(Error::new(
                SqlState::FEATURE_NOT_SUPPORTED,
                format!(
                    "ALTER DISTSTYLE and ALTER DISTKEY are not supported for table \"{}\" with an interleaved sort key",
                    table.name
                ),
            ));
        }
        after.distribution = new_distribution(ctx, table, distribution)?;
    }
    match sort {
        None => {}
        // AUTO keeps the key there is; without one there is nothing to keep.
        Some(AlterSort::Auto) if table.sort != TableSort::None => {}
        Some(AlterSort::Auto) => after.sort = TableSort::Auto,
        Some(AlterSort::None) => after.sort = TableSort::None,
        Some(AlterSort::Compound(columns)) => {
            let attributes = TableAttributes {
                sort: Some(SortClause::Compound(columns.clone())),
                ..TableAttributes::default()
            };
            after.sort = create_table::sort(&table.columns, &attributes)?;
        }
    }
    after.placement_fingerprint = ctx.server.placement_fingerprint;
    let key = |sort: &TableSort| match sort {
        TableSort::None | TableSort::Auto => None,
        TableSort::AutoCompound(columns) => Some(TableSort::Compound(columns.clone())),
        other => Some(other.clone()),
    };
    if after.distribution == table.distribution && key(&after.sort) == key(&table.sort) {
        return put(ctx, &after);
    }
    let event = match distribution {
        Some(AlterDistribution::Key(_)) => "ALTER TABLE ALTER DISTKEY",
        Some(AlterDistribution::Style(_)) => "ALTER TABLE ALTER DISTSTYLE",
        None => "ALTER TABLE ALTER SORTKEY",
    };
    state::rows_replaced(ctx, table, event)?;
    rewrite(ctx, names, table, &after, None).await
}

fn new_distribution(
    ctx: &mut Context<'_>,
    table: &Table,
    wanted: &AlterDistribution,
) -> Result<TableDistribution> {
    let attributes = match wanted {
        AlterDistribution::Key(name) => {
            place_of(table, name)?;
            TableAttributes {
                dist_key: Some(name.clone()),
                ..TableAttributes::default()
            }
        }
        AlterDistribution::Style(style) => TableAttributes {
            dist_style: Some(*style),
            ..TableAttributes::default()
        },
    };
    let wanted_style = create_table::distribution(&table.columns, &attributes)?;
    if *wanted != AlterDistribution::Style(DistStyle::Auto) {
        return Ok(wanted_style);
    }
    let view = ctx.transaction.view()?;
    let rows = view
        .table(table.id())
        .map_or(0, |version| version.row_count());
    Ok(match rows > AUTO_ALL_ROWS_MAX {
        true => TableDistribution::AutoEven,
        false => TableDistribution::AutoAll,
    })
}

/// ALTER COLUMN ... ENCODE.
pub(super) async fn encode(
    ctx: &mut Context<'_>,
    names: &SessionNames,
    table: &Table,
    encodings: &[(String, String)],
) -> Result<()> {
    if matches!(table.sort, TableSort::Interleaved(_)) {
        return Err(Error::new(
            SqlState::FEATURE_NOT_SUPPORTED,
            format!(
                "cannot alter the encoding of a column of table \"{}\" with an interleaved sort key",
                table.name
            ),
        ));
    }
    let mut after = table.clone();
    for (name, word) in encodings {
        let place = place_of(table, name)?;
        let Some(column) = after.columns.get_mut(place) else {
            continue;
        };
        layout::encoding(word, name, column.ty)?;
        let wanted = Some(word.clone()).filter(|word| word != "auto");
        if wanted.is_some() && column.encoding == wanted {
            return Err(Error::new(
                SqlState::INVALID_TABLE_DEFINITION,
                format!(
                    "column \"{name}\" of relation \"{}\" has encoding \"{word}\" already",
                    table.name
                ),
            ));
        }
        column.encoding = wanted;
    }
    rewrite(ctx, names, table, &after, None).await
}

/// ALTER ENCODE AUTO: what is stored stays; from now on every block has its encoding chosen.
pub(super) fn encode_auto(ctx: &mut Context<'_>, table: &Table) -> Result<()> {
    let mut after = table.clone();
    for column in &mut after.columns {
        column.encoding = None;
    }
    put(ctx, &after)
}
