//! What readers derive from something that does not change, kept as long as it.

use std::any::Any;
use std::sync::OnceLock;

/// A place for one thing that is derived from its owner. A copy of the owner, which may be changed, begins without.
#[derive(Default)]
pub struct Derived(OnceLock<Box<dyn Any + Send + Sync>>);

impl Derived {
    /// Gives what was derived, derived now if nobody did before; `None` if that was something of another type.
    pub fn get_or_init<T: Any + Send + Sync>(&self, derive: impl FnOnce() -> T) -> Option<&T> {
        self.0.get_or_init(|| Box::new(derive())).downcast_ref()
    }
}

impl Clone for Derived {
    fn clone(&self) -> Self {
        Self::default()
    }
}

/// What is derived is no part of what its owner is.
impl PartialEq for Derived {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Derived {}

impl std::fmt::Debug for Derived {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Derived").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_derived_once_and_not_copied() {
        let derived = Derived::default();
        assert_eq!(derived.get_or_init(|| 7_u32), Some(&7));
        assert_eq!(derived.get_or_init(|| 8_u32), Some(&7));
        assert_eq!(derived.get_or_init(|| 8_u64), None);
        assert_eq!(derived.clone().get_or_init(|| 8_u64), Some(&8));
    }
}
