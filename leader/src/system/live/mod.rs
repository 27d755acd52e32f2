//! STV_ tables: what happens now.

pub mod stv_load_state;
pub mod stv_locks;
pub mod stv_recents;
pub mod stv_sessions;
pub mod svv_transactions;
pub mod svv_vacuum_progress;
