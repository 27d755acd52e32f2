//! The bounds of the cache; what it gives is tested over the wire.

use super::*;
use arrow_schema::{DataType, Field, Schema};

fn known(used: u64) -> Kept {
    Kept {
        functions: Vec::new(),
        table: Known {
            version: Weak::new(),
            schema: Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, true)])),
            keys: Vec::new(),
            distribution: Distribution::Even,
            placement_holds: true,
        },
        state: State::Seen,
        used,
    }
}

#[test]
fn what_was_not_asked_for_the_longest_goes_first() {
    let mut kept: HashMap<Vec<u8>, Kept> = (0..100_u8)
        .map(|number| (vec![number], known(u64::from(number) * 3)))
        .collect();
    forget_half(&mut kept);
    assert_eq!(kept.len(), 50);
    assert!(kept.keys().all(|key| key[0] >= 50));
}
