//! PostgreSQL's catalogs, as Redshift shows them: what psql, drivers and tools ask for.

pub mod pg_attrdef;
pub mod pg_attribute;
pub mod pg_class;
pub mod pg_collation;
pub mod pg_database;
pub mod pg_description;
pub mod pg_inherits;
pub mod pg_namespace;
pub mod pg_table_def;
pub mod pg_type;
pub mod pg_user;
