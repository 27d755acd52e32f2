//! Block cache with a byte budget.
