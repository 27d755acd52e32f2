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

/// Says where two answers differ; `None` if they agree. Text with leading or trailing blanks agrees with text without.
pub fn difference(ours: &Rows, theirs: &Rows) -> Option<String> {
    if ours.len() != theirs.len() {
        return Some(format!("{} rows against {}", ours.len(), theirs.len()));
    }
    for (number, (left, right)) in ours.iter().zip(theirs).enumerate() {
        let agree =
            left.len() == right.len() && left.iter().zip(right).all(|(a, b)| cells_agree(a, b));
        if !agree {
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
