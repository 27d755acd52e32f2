//! STL_ tables: what happened since the server started.

pub mod stl_analyze;
pub mod stl_connection_log;
pub mod stl_ddltext;
pub mod stl_error;
pub mod stl_file_scan;
pub mod stl_load_commits;
pub mod stl_load_errors;
pub mod stl_query;
pub mod stl_querytext;
pub mod stl_sessions;
pub mod stl_tr_conflict;
pub mod stl_utilitytext;
pub mod stl_vacuum;
pub mod svl_mv_refresh_status;
pub mod svl_stored_proc_call;
pub mod svl_stored_proc_messages;
pub mod svv_vacuum_summary;
mod text;
pub mod sys_query_history;
