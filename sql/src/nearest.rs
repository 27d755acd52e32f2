//! The name a user probably meant.

/// Gives the name nearest to `wrong` if it is near enough to be a slip of the pen: at most a third of its letters off.
pub fn nearest<'a>(wrong: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (wrong.chars().count() / 3).clamp(1, 3);
    names
        .map(|name| (distance(wrong, name), name))
        .filter(|(away, _)| *away <= allowed)
        .min()
        .map(|(_, name)| name)
}

/// Counts the letters to insert, delete, replace or swap to get from one word to another.
fn distance(from: &str, to: &str) -> usize {
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
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
