//! System tables: one file per table, one entry in [`TABLES`].
//!
//! A table says its schema, name and columns, and pushes its rows when it is read. To add one: a file in `pg_catalog/`,
//! `live/` (STV_) or `log/` (STL_) with a unit struct that keeps [`SystemTable`], and its line in the list below; a
//! view over other system tables is a `.sql` file and a line in [`view`]. Names resolve to them without a schema too,
//! before the search path.

pub mod elsewhere;
pub mod function;
pub mod live;
pub mod log;
pub mod pg_catalog;
mod grants;
pub mod provider;
pub mod rows;
pub mod step;
pub mod view;

use crate::catalog::database::Database;
use crate::catalog::{Catalog, User};
use crate::error::Result;
use crate::planner::log::PlanLog;
use crate::server::Server;
use crate::settings::{Change, Settings};
use crate::transaction::read::TableReads;
use blueshift_sql::SqlType;
use blueshift_storage::store::ReadView;
use rows::Rows;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

/// What a system table may look at: as of the statement's read view, with the eyes of its user.
#[derive(Clone)]
pub struct SystemContext {
    /// What all sessions share.
    pub server: Arc<Server>,
    /// The read view.
    pub view: Arc<ReadView>,
    /// The catalog of that view.
    pub catalog: Arc<Catalog>,
    /// Who asks. Rows of log tables of other users are for superusers only.
    pub user: Arc<User>,
    /// The process id of the session that asks.
    pub pid: i32,
    /// The database the session is connected to.
    pub connected: Arc<Database>,
    /// When the transaction began, in microseconds since 1970.
    pub transaction_us: i64,
    /// The session's settings.
    pub settings: Settings,
    /// What `set_config` asked for so far.
    pub asked: Asked,
    /// The tables the statement reads.
    pub reads: Arc<TableReads>,
    /// The plans the statement runs.
    pub plans: Arc<PlanLog>,
    /// The oids of the schemas on the session's search path.
    pub search_path: Vec<u32>,
}

/// What a system table shows of external schemas that are known elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Elsewhere {
    /// Their tables.
    Tables,
    /// The partitions of their tables.
    Partitions,
}

/// Changes of settings that a statement's `set_config` asked for, to be made when it has succeeded.
pub type Asked = Arc<Mutex<Vec<Change>>>;

impl SystemContext {
    /// Gives the oid of the database that a table or view is in.
    pub fn database_of_object(&self, oid: u32) -> Option<u32> {
        let whole = self.catalog.whole();
        let schema = whole.relation(oid)?.schema();
        Some(whole.schemas.get(&schema)?.database)
    }

    /// Gives the name of the database that a table is in; nothing of one that is gone.
    pub fn database_of_table(&self, oid: u32) -> String {
        let database = self.database_of_object(oid);
        let database = database.and_then(|oid| self.catalog.databases.get(&oid));
        database.map_or_else(String::new, |database| database.name.clone())
    }

    /// Tells whether the user sees rows that belong to `userid`.
    pub fn sees(&self, userid: u32) -> bool {
        self.user.oid == userid
            || self.user.superuser
            || self.user.syslog_unrestricted
            || self
                .catalog
                .has_system_privilege(&self.user, "ACCESS SYSTEM TABLE")
    }
}

/// A system table.
pub trait SystemTable: Send + Sync {
    /// Its schema: `pg_catalog` or `information_schema`.
    fn schema(&self) -> &'static str;
    /// Its name.
    fn name(&self) -> &'static str;
    /// Its columns in order.
    fn columns(&self) -> &[(&'static str, SqlType)];
    /// Pushes its rows, a value per column.
    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()>;
    /// The query of a view over other system tables. A view has no rows of its own.
    fn query(&self) -> Option<&'static str> {
        None
    }
    /// Whether it shows what catalogs elsewhere know, which must be asked first: tables alone, or partitions too.
    fn asks_elsewhere(&self) -> Option<Elsewhere> {
        None
    }
    /// Whether a view shows what is in all databases.
    fn spans_databases(&self) -> bool {
        false
    }
}

/// The system tables that make their rows themselves.
static TABLES: &[&dyn SystemTable] = &[
    &live::blueshift_restores::BlueshiftRestores,
    &live::blueshift_snapshot_schedule::BlueshiftSnapshotSchedule,
    &live::blueshift_snapshots::BlueshiftSnapshots,
    &live::stv_active_cursors::StvActiveCursors,
    &live::stv_blocklist::StvBlocklist,
    &live::stv_db_isolation_level::StvDbIsolationLevel,
    &live::stv_inflight::StvInflight,
    &live::stv_load_state::StvLoadState,
    &live::stv_locks::StvLocks,
    &live::stv_mv_deps::StvMvDeps,
    &live::stv_mv_info::StvMvInfo,
    &live::stv_node_storage_capacity::StvNodeStorageCapacity,
    &live::stv_partitions::StvPartitions,
    &live::stv_recents::StvRecents,
    &live::stv_sessions::StvSessions,
    &live::stv_slices::StvSlices,
    &live::stv_tbl_perm::StvTblPerm,
    &live::stv_wlm_classification_config::StvWlmClassificationConfig,
    &live::stv_wlm_qmr_config::StvWlmQmrConfig,
    &live::stv_wlm_query_queue_state::StvWlmQueryQueueState,
    &live::stv_wlm_query_state::StvWlmQueryState,
    &live::stv_wlm_query_task_state::StvWlmQueryTaskState,
    &live::stv_wlm_service_class_config::StvWlmServiceClassConfig,
    &live::stv_wlm_service_class_state::StvWlmServiceClassState,
    &live::svv_attached_masking_policy::SvvAttachedMaskingPolicy,
    &live::svv_column_privileges::SvvColumnPrivileges,
    &live::svv_database_privileges::SvvDatabasePrivileges,
    &live::svv_default_privileges::SvvDefaultPrivileges,
    &live::svv_external_columns::SvvExternalColumns,
    &live::svv_external_databases::SvvExternalDatabases,
    &live::svv_external_partitions::SvvExternalPartitions,
    &live::svv_external_scan_limits::SvvExternalScanLimits,
    &live::svv_external_schemas::SvvExternalSchemas,
    &live::svv_external_tables::SvvExternalTables,
    &live::svv_function_privileges::SvvFunctionPrivileges,
    &live::svv_interleaved_columns::SvvInterleavedColumns,
    &live::svv_masking_policy::SvvMaskingPolicy,
    &live::svv_relation_privileges::SvvRelationPrivileges,
    &live::svv_rls_attached_policy::SvvRlsAttachedPolicy,
    &live::svv_rls_policy::SvvRlsPolicy,
    &live::svv_rls_relation::SvvRlsRelation,
    &live::svv_role_grants::SvvRoleGrants,
    &live::svv_roles::SvvRoles,
    &live::svv_schema_privileges::SvvSchemaPrivileges,
    &live::svv_schema_quota_state::SvvSchemaQuotaState,
    &live::svv_system_privileges::SvvSystemPrivileges,
    &live::svv_table_info::SvvTableInfo,
    &live::svv_transactions::SvvTransactions,
    &live::svv_user_grants::SvvUserGrants,
    &live::svv_user_info::SvvUserInfo,
    &live::svv_vacuum_progress::SvvVacuumProgress,
    &log::stl_analyze::StlAnalyze,
    &log::stl_commit_stats::StlCommitStats,
    &log::stl_connection_log::StlConnectionLog,
    &log::stl_ddltext::StlDdltext,
    &log::stl_error::StlError,
    &log::stl_file_scan::StlFileScan,
    &log::stl_load_commits::StlLoadCommits,
    &log::stl_load_errors::StlLoadErrors,
    &log::stl_loaderror_detail::StlLoaderrorDetail,
    &log::stl_mv_state::StlMvState,
    &log::stl_query::StlQuery,
    &log::stl_querytext::StlQuerytext,
    &log::stl_replacements::StlReplacements,
    &log::stl_s3client::StlS3client,
    &log::stl_s3client_error::StlS3clientError,
    &log::stl_sessions::StlSessions,
    &log::stl_tr_conflict::StlTrConflict,
    &log::stl_undone::StlUndone,
    &log::stl_unload_log::StlUnloadLog,
    &log::stl_userlog::StlUserlog,
    &log::stl_utilitytext::StlUtilitytext,
    &log::stl_vacuum::StlVacuum,
    &log::stl_wlm_error::StlWlmError,
    &log::stl_wlm_query::StlWlmQuery,
    &log::stl_wlm_rule_action::StlWlmRuleAction,
    &log::sys_copy_job::SysCopyJob,
    &log::sys_copy_job_detail::SysCopyJobDetail,
    &log::sys_copy_job_info::SysCopyJobInfo,
    &log::sys_load_history::SysLoadHistory,
    &log::sys_query_history::SysQueryHistory,
    &log::sys_transaction_history::SysTransactionHistory,
    &log::sys_unload_detail::SysUnloadDetail,
    &log::sys_unload_history::SysUnloadHistory,
    &log::svl_auto_worker_action::SvlAutoWorkerAction,
    &log::svl_mv_refresh_status::SvlMvRefreshStatus,
    &log::svl_stored_proc_call::SvlStoredProcCall,
    &log::svl_stored_proc_messages::SvlStoredProcMessages,
    &log::svl_terminate::SvlTerminate,
    &log::svv_rls_applied_policy::SvvRlsAppliedPolicy,
    &log::svv_vacuum_summary::SvvVacuumSummary,
    &pg_catalog::pg_attrdef::PgAttrdef,
    &pg_catalog::pg_attribute::PgAttribute,
    &pg_catalog::pg_auth_members::PgAuthMembers,
    &pg_catalog::pg_class::PgClass,
    &pg_catalog::pg_collation::PgCollation,
    &pg_catalog::pg_constraint::PgConstraint,
    &pg_catalog::pg_database::PgDatabase,
    &pg_catalog::pg_default_acl::PgDefaultAcl,
    &pg_catalog::pg_depend::PgDepend,
    &pg_catalog::pg_description::PgDescription,
    &pg_catalog::pg_external_schema::PgExternalSchema,
    &pg_catalog::pg_group::PgGroup,
    &pg_catalog::pg_index::PgIndex,
    &pg_catalog::pg_locks::PgLocks,
    &pg_catalog::pg_namespace::PgNamespace,
    &pg_catalog::pg_proc::PgProc,
    &pg_catalog::pg_rewrite::PgRewrite,
    &pg_catalog::pg_settings::PgSettings,
    &pg_catalog::pg_statistic::PgStatistic,
    &pg_catalog::pg_statistic_indicator::PgStatisticIndicator,
    &pg_catalog::pg_table_def::PgTableDef,
    &pg_catalog::pg_type::PgType,
    &pg_catalog::pg_user::PgUser,
    &step::stl_alert_event_log::StlAlertEventLog,
    &step::stl_explain::StlExplain,
    &step::stl_plan_info::StlPlanInfo,
    &step::metrics::ENDED,
    &step::metrics::LIVE,
    &step::stl_stream_segs::StlStreamSegs,
    &step::stv_exec_state::StvExecState,
    &step::svl_federated_query::SvlFederatedQuery,
    &step::svl_s3partition::SvlS3partition,
    &step::svl_s3partition_summary::SvlS3partitionSummary,
    &step::svl_s3query::SvlS3query,
    &step::svl_s3query_summary::SvlS3querySummary,
    &step::sys_external_query_detail::SysExternalQueryDetail,
    &step::sys_query_detail::SysQueryDetail,
];

/// Every system table and view.
pub fn tables() -> &'static [&'static dyn SystemTable] {
    static ALL: LazyLock<Vec<&'static dyn SystemTable>> = LazyLock::new(|| {
        let views = view::views().iter().map(|view| view as &dyn SystemTable);
        let empty = pg_catalog::empty::TABLES.iter().chain(log::empty::TABLES);
        let empty = empty.map(|table| table as &dyn SystemTable);
        let steps = step::tables::TABLES.iter();
        let steps = steps.map(|table| table as &dyn SystemTable);
        let own = TABLES.iter().copied();
        own.chain(empty).chain(steps).chain(views).collect()
    });
    &ALL
}

/// The tables by schema and name.
static BY_NAME: LazyLock<HashMap<(&'static str, &'static str), &'static dyn SystemTable>> =
    LazyLock::new(|| {
        tables()
            .iter()
            .map(|table| ((table.schema(), table.name()), *table))
            .collect()
    });

/// The tables by oid.
static BY_OID: LazyLock<HashMap<u32, &'static dyn SystemTable>> =
    LazyLock::new(|| tables().iter().map(|table| (oid(*table), *table)).collect());

/// Finds a system table.
pub fn find(schema: &str, name: &str) -> Option<&'static dyn SystemTable> {
    BY_NAME.get(&(schema, name)).copied()
}

/// Finds a system table by its oid.
pub fn find_oid(oid: u32) -> Option<&'static dyn SystemTable> {
    BY_OID.get(&oid).copied()
}

/// Gives a system table's oid. It follows from the name, so that it is the same in every version of the server.
pub fn oid(table: &dyn SystemTable) -> u32 {
    let place = name_hash(&[table.schema(), table.name()]) % OIDS;
    FIRST_OID + place + u32::from(SECOND.contains(&table.name()))
}

/// Tables whose place is also that of another, which had it first: theirs is the next.
const SECOND: &[&str] = &["stl_hash"];

/// The oid of the first system table.
const FIRST_OID: u32 = 12_000;
/// How many oids there are for system tables, below those of users' objects.
const OIDS: u32 = 80_000;

/// Mixes names to a number (FNV-1a) that no later version may change.
pub fn name_hash(names: &[&str]) -> u32 {
    let mut hash = 0x811c_9dc5_u32;
    for name in names {
        for byte in name.bytes().chain([b'.']) {
            hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        }
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_lower_case() {
        assert_eq!(BY_NAME.len(), tables().len());
        assert_eq!(BY_OID.len(), tables().len());
        for table in tables() {
            assert_eq!(table.name(), table.name().to_lowercase());
            assert!(["pg_catalog", "information_schema"].contains(&table.schema()));
        }
    }
}
