//! The one test binary that drives servers; each module is a kind of test.

mod access;
mod admin;
mod bombs;
mod cli;
mod client;
mod compat;
mod database;
mod differential;
mod documented;
mod external;
mod fault;
mod federation;
mod history;
mod isolation;
mod load;
mod maintenance;
mod materialized_view;
mod plan;
mod protocol;
mod psql;
mod slt;
mod tpcds;
mod tpch;
