//! Compares answers of different engines: row by row, numbers within rounding.

/// How far two numbers may be apart, relative to the larger, when engines round averages and quotients differently.
const TOLERANCE: f64 = 1e-6;
/// And absolute: published answers have two decimals.
const ROUNDING: f64 = 0.011;

type Rows = [Vec<Option<String>>];

fn cells_agree(left: &Option<String>, right: &Option<String>) -> bool {
    let (Some(left), Some(right)) = (left, right) else {
        return left.is_none() && right.is_none();
    };
    let (left, right) = (left.trim(), right.trim());
    if left == right {
        return true;
    }
    match (left.parse::<f64>(), right.parse::<f64>()) {
        (Ok(left), Ok(right)) => {
            let apart = (left - right).abs();
            apart <= TOLERANCE * left.abs().max(right.abs()) || apart <= ROUNDING
        }
        _ => false,
    }
}

/// How a cell of ours is compared with one of another engine.
type Agree = fn(&Option<String>, &Option<String>) -> bool;

/// Whether a number of ours is the other's, cut to the digits we show: quotients of decimals have fewer digits here
/// than where they are floating point. Whole numbers and text must be equal.
fn digits_agree(ours: &Option<String>, theirs: &Option<String>) -> bool {
    let (Some(ours), Some(theirs)) = (ours, theirs) else {
        return ours.is_none() && theirs.is_none();
    };
    let (ours, theirs) = (ours.trim(), theirs.trim());
    if ours == theirs {
        return true;
    }
    let (Ok(left), Ok(right)) = (ours.parse::<f64>(), theirs.parse::<f64>()) else {
        return false;
    };
    if !ours.contains(['.', 'e', 'n']) {
        // A whole number, which has nothing to round.
        return left == right;
    }
    let digits = |text: &str| text.split_once('.').map_or(0, |(_, behind)| behind.len());
    let digits = digits(ours).min(digits(theirs));
    let unit = 0.1_f64.powi(i32::try_from(digits).unwrap_or(i32::MAX));
    let close = 1e-9 * left.abs().max(right.abs());
    (left - right).abs() <= if digits == 0 { close } else { unit.max(close) }
}

/// Says where two answers differ, to the last digit both show. Rows may come in another order.
pub fn exact_difference(ours: &Rows, theirs: &Rows) -> Option<String> {
    let in_order = compare(ours, theirs, digits_agree)?;
    // Rows equal by the query's ORDER BY come in any order.
    let sorted = |rows: &Rows| {
        let mut rows = rows.to_vec();
        rows.sort();
        rows
    };
    compare(&sorted(ours), &sorted(theirs), digits_agree).map(|_| in_order)
}

/// Says where two answers differ; `None` if they agree. Text with leading or trailing blanks agrees with text without.
pub fn difference(ours: &Rows, theirs: &Rows) -> Option<String> {
    compare(ours, theirs, cells_agree)
}

fn compare(ours: &Rows, theirs: &Rows, agree: Agree) -> Option<String> {
    if ours.len() != theirs.len() {
        return Some(format!("{} rows against {}", ours.len(), theirs.len()));
    }
    for (number, (left, right)) in ours.iter().zip(theirs).enumerate() {
        let same = left.len() == right.len() && left.iter().zip(right).all(|(a, b)| agree(a, b));
        if !same {
            return Some(format!("row {}: {left:?} against {right:?}", number + 1));
        }
    }
    None
}

/// Gives our answer as it was published: the keys of Q11 (`ps_partkey`) came without their last two digits.
pub fn as_published(query: u32, ours: &Rows) -> Vec<Vec<Option<String>>> {
    let mut ours = ours.to_vec();
    if query == 11 {
        for key in ours.iter_mut().filter_map(|row| row.first_mut()?.as_mut()) {
            key.truncate(key.len().saturating_sub(2));
        }
    }
    ours
}

/// Gives the published answer of a query at scale 1, as the generator's crate carries it.
pub fn published(query: u32) -> Option<Vec<Vec<Option<String>>>> {
    let text = tpchgen::q_and_a::answers_sf1::answer(i32::try_from(query).ok()?)?;
    let lines = text.trim_matches('\n').lines().skip(1);
    Some(
        lines
            .map(|line| {
                line.split('|')
                    .map(|cell| Some(cell.trim().to_string()))
                    .collect()
            })
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: &[&str]) -> Vec<Option<String>> {
        cells.iter().map(|cell| Some(cell.to_string())).collect()
    }

    #[test]
    fn digits_that_are_shown_count() {
        let differ =
            |ours: &str, theirs: &str| exact_difference(&[row(&[ours])], &[row(&[theirs])]);
        assert_eq!(differ("1.4885", "1.488464479239387"), None);
        assert!(differ("1.4885", "1.48864479239387").is_some());
        assert_eq!(differ("12.50", "12.5"), None);
        assert!(differ("7", "7.75").is_some());
        assert!(differ("a", "b").is_some());
        let both = [row(&["a"]), row(&["b"])];
        assert_eq!(exact_difference(&both, &[row(&["b"]), row(&["a"])]), None);
    }

    #[test]
    fn rounding_agrees_and_values_do_not() {
        assert_eq!(
            difference(&[row(&["1.0000001", "a "])], &[row(&["1.0", "a"])]),
            None
        );
        assert!(difference(&[row(&["1.5", "a"])], &[row(&["1.0", "a"])]).is_some());
        assert!(difference(&[row(&["x"])], &[row(&["y"])]).is_some());
        assert!(difference(&[row(&["x"])], &[]).is_some());
        assert!(difference(&[vec![None]], &[row(&["0"])]).is_some());
    }
}
