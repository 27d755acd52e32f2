//! Logs and states of what this server does not do: there are no clusters for concurrency scaling, data shares
//! are refused, and scans of external tables leave no messages. Scripts join these tables all the same.

use crate::system::pg_catalog::empty::{EmptyTable, table};
use blueshift_sql::SqlType::{BigInt, Boolean, Char, Integer, Name, Oid, Timestamp, Varchar};

/// The tables without rows.
pub static TABLES: &[EmptyTable] = &[
    table(
        "svcs_concurrency_scaling_usage",
        &[
            ("start_time", Timestamp),
            ("end_time", Timestamp),
            ("queries", BigInt),
            ("usage_in_seconds", BigInt),
        ],
    ),
    table(
        "svv_alter_table_recommendations",
        &[
            ("type", Char(32)),
            ("database", Char(128)),
            ("table_id", Integer),
            ("group_id", Integer),
            ("ddl", Char(2_048)),
            ("auto_eligible", Char(1)),
        ],
    ),
    table(
        "svl_s3log",
        &[
            ("pid", Integer),
            ("query", Integer),
            ("segment", Integer),
            ("step", Integer),
            ("node", Integer),
            ("slice", Integer),
            ("eventtime", Timestamp),
            ("message", Varchar(512)),
        ],
    ),
    table(
        "svv_datashares",
        &[
            ("share_name", Varchar(128)),
            ("share_id", Integer),
            ("share_owner", Integer),
            ("source_database", Varchar(128)),
            ("consumer_database", Varchar(128)),
            ("share_type", Varchar(8)),
            ("createdate", Timestamp),
            ("is_publicaccessible", Boolean),
            ("share_acl", Varchar(256)),
            ("producer_account", Varchar(16)),
            ("producer_namespace", Varchar(64)),
            ("managed_by", Varchar(64)),
        ],
    ),
    table(
        "svv_datashare_objects",
        &[
            ("share_type", Varchar(8)),
            ("share_name", Varchar(128)),
            ("object_type", Varchar(64)),
            ("object_name", Varchar(512)),
            ("producer_account", Varchar(16)),
            ("producer_namespace", Varchar(64)),
            ("include_new", Boolean),
        ],
    ),
    table(
        "svv_datashare_consumers",
        &[
            ("share_name", Varchar(128)),
            ("consumer_account", Varchar(16)),
            ("consumer_namespace", Varchar(64)),
            ("share_date", Timestamp),
        ],
    ),
    table(
        "pg_library",
        &[
            ("name", Name),
            ("language_oid", Oid),
            ("file_store_id", Integer),
            ("owner", Integer),
        ],
    ),
];
