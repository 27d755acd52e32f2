//! PostgreSQL's catalogs, as Redshift shows them: what psql, drivers and tools ask for.

pub mod empty;
pub mod pg_attrdef;
pub mod pg_attribute;
pub mod pg_auth_members;
pub mod pg_class;
pub mod pg_collation;
pub mod pg_constraint;
pub mod pg_database;
pub mod pg_default_acl;
pub mod pg_depend;
pub mod pg_description;
pub mod pg_external_schema;
pub mod pg_group;
pub mod pg_index;
pub mod pg_locks;
pub mod pg_namespace;
pub mod pg_proc;
pub mod pg_rewrite;
pub mod pg_settings;
pub mod pg_statistic;
pub mod pg_statistic_indicator;
pub mod pg_table_def;
pub mod pg_type;
pub mod pg_user;
