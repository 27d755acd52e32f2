//! Tables of the steps of queries that ended: STL_SCAN and its like, SVL_QUERY_REPORT, and what is made of them.
//!
//! The tables of single kinds of steps differ in their columns only: [`tables::TABLES`] lists them.

pub mod metrics;
pub mod stl_alert_event_log;
pub mod stl_explain;
pub mod stl_plan_info;
pub mod stl_stream_segs;
pub mod stv_exec_state;
pub mod svl_federated_query;
pub mod svl_s3partition;
pub mod svl_s3partition_summary;
pub mod svl_s3query;
pub mod svl_s3query_summary;
pub mod sys_external_query_detail;
pub mod sys_query_detail;
pub mod tables;
