//! STV_ tables: what happens now.

pub mod blueshift_restores;
pub mod blueshift_snapshot_schedule;
pub mod blueshift_snapshots;
pub mod stv_blocklist;
pub mod stv_db_isolation_level;
pub mod stv_inflight;
pub mod stv_load_state;
pub mod stv_locks;
pub mod stv_node_storage_capacity;
pub mod stv_partitions;
pub mod stv_recents;
pub mod stv_sessions;
pub mod stv_slices;
pub mod stv_tbl_perm;
pub mod svv_table_info;
pub mod svv_transactions;
pub mod svv_vacuum_progress;
