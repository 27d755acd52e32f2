//! What a plan is expected to give: rows, distinct values, widths.
