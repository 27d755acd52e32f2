//! The name a user probably meant.

use std::cmp::Reverse;

/// Gives the name nearest to `wrong` if it is near enough to be a slip of the pen: at most a third of its letters off.
pub fn nearest<'a>(wrong: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (wrong.chars().count() / 3).clamp(1, 3);
    // Of names as near, that which ends and begins as what was written: a letter was forgotten.
    let alike = |name: &str| {
        let same = |(one, other): &(char, char)| one == other;
        let begin = wrong.chars().zip(name.chars()).take_while(same).count();
        let ends = wrong.chars().rev().zip(name.chars().rev());
        begin + ends.take_while(same).count()
    };
    names
        .map(|name| (distance(wrong, name), Reverse(alike(name)), name))
        .filter(|(away, _, _)| *away <= allowed)
        .min()
        .map(|(_, _, name)| name)
}

/// Counts the letters to insert, delete, replace or swap to get from one word to another.
fn distance(from: &str, to: &str) -> usize {
    // Two letters the wrong way round are one slip.
    let swapped = swapped(from, to);
    let edits = edits(from, to);
    swapped.map_or(edits, |swapped| edits.min(swapped))
}

/// Counts pairs of neighbours that are the wrong way round, if that is all that is wrong.
fn swapped(from: &str, to: &str) -> Option<usize> {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let (mut left, mut right) = (from.as_slice(), to.as_slice());
    let mut count = 0;
    loop {
        (left, right) = match (left, right) {
            ([], []) => return Some(count),
            ([one, left @ ..], [other, right @ ..]) if one == other => (left, right),
            ([a, b, left @ ..], [c, d, right @ ..]) if a == d && b == c => {
                count += 1;
                (left, right)
            }
            _ => return None,
        };
    }
}

/// Counts the letters to insert, delete or replace to get from one word to another.
fn edits(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (index, left) in from.chars().enumerate() {
        let mut diagonal = index;
        let mut previous = index + 1;
        for (right, cell) in to.iter().zip(row.iter_mut().skip(1)) {
            let replaced = diagonal + usize::from(left != *right);
            diagonal = *cell;
            previous = replaced.min(diagonal + 1).min(previous + 1);
            *cell = previous;
        }
        if let Some(first) = row.first_mut() {
            *first = index + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_a_slip_away() {
        let names = || ["lineitem", "orders", "part"].into_iter();
        assert_eq!(nearest("lineitems", names()), Some("lineitem"));
        assert_eq!(nearest("order", names()), Some("orders"));
        assert_eq!(nearest("customer", names()), None);
        let functions = || ["cot", "count", "user", "upper"].into_iter();
        assert_eq!(nearest("coutn", functions()), Some("count"));
        assert_eq!(nearest("uper", functions()), Some("upper"));
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
