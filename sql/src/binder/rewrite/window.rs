//! Redshift's rules for windows: frames count rows, and an ordered window of a function over a frame needs one.

use crate::error::{Error, Result};
use crate::sqlstate::SqlState;
use sqlparser::ast::{Expr, Select, WindowFrame, WindowFrameBound, WindowFrameUnits, WindowType};

/// Functions that work on a frame.
const FRAMED: &[&str] = &[
    "any_value",
    "avg",
    "bit_and",
    "bit_or",
    "bool_and",
    "bool_or",
    "count",
    "first_value",
    "last_value",
    "max",
    "min",
    "nth_value",
    "stddev",
    "stddev_pop",
    "stddev_samp",
    "sum",
    "var_pop",
    "var_samp",
    "variance",
];

pub(super) fn check_select(select: &Select) -> Result<()> {
    if select.named_window.is_empty() {
        return Ok(());
    }
    Err(Error::unsupported(
        "the WINDOW clause",
        "Write the window after OVER, in parentheses",
    ))
}

/// Refuses windows that Redshift refuses, and gives one of a ranking function, which has no frame, one that works over
/// every type: the engine's own default does not over times and bytes.
pub(super) fn settle(expr: &mut Expr) -> Result<()> {
    let Expr::Function(function) = expr else {
        return Ok(());
    };
    let Some(WindowType::WindowSpec(window)) = &mut function.over else {
        return Ok(());
    };
    match &window.window_frame {
        Some(frame) if frame.units != WindowFrameUnits::Rows => Err(Error::unsupported(
            format!("a window frame of {}", frame.units),
            "Write the frame with ROWS",
        )),
        None if !window.order_by.is_empty() => {
            let name = function.name.0.last().map(ToString::to_string);
            let name = name.unwrap_or_default().to_lowercase();
            if !FRAMED.contains(&name.as_str()) {
                window.window_frame = Some(WindowFrame {
                    units: WindowFrameUnits::Rows,
                    start_bound: WindowFrameBound::Preceding(None),
                    end_bound: Some(WindowFrameBound::CurrentRow),
                });
                return Ok(());
            }
            Err(Error::new(
                SqlState::FEATURE_NOT_SUPPORTED,
                "aggregate window functions with an ORDER BY clause require a frame clause",
            )
            .with_hint("Add ROWS UNBOUNDED PRECEDING, or ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING"))
        }
        _ => Ok(()),
    }
}
