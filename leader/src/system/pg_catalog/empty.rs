//! Catalogs of things this server has none of: psql and drivers join them all the same.

use crate::error::Result;
use crate::system::rows::Rows;
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType::{self, BigInt, Boolean, Integer, Name, Oid, SmallInt, Timestamp};

const TEXT: SqlType = SqlType::Varchar(65_535);
const LETTER: SqlType = SqlType::Char(1);

/// A catalog without rows.
pub struct EmptyTable {
    name: &'static str,
    columns: &'static [(&'static str, SqlType)],
}

impl SystemTable for EmptyTable {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        self.name
    }

    fn columns(&self) -> &[(&'static str, SqlType)] {
        self.columns
    }

    fn rows(&self, _ctx: &SystemContext, _rows: &mut Rows) -> Result<()> {
        Ok(())
    }
}

pub(in crate::system) const fn table(
    name: &'static str,
    columns: &'static [(&'static str, SqlType)],
) -> EmptyTable {
    EmptyTable { name, columns }
}

/// The catalogs without rows.
pub static TABLES: &[EmptyTable] = &[
    // Tables do not inherit, and have no triggers and policies.
    table(
        "pg_inherits",
        &[("inhrelid", Oid), ("inhparent", Oid), ("inhseqno", Integer)],
    ),
    table(
        "pg_trigger",
        &[
            ("tableoid", Oid),
            ("oid", Oid),
            ("tgrelid", Oid),
            ("tgname", Name),
            ("tgfoid", Oid),
            ("tgtype", SmallInt),
            ("tgenabled", LETTER),
            ("tgisinternal", Boolean),
            ("tgisconstraint", Boolean),
            ("tgconstrname", Name),
            ("tgconstrrelid", Oid),
            ("tgconstraint", Oid),
            ("tgdeferrable", Boolean),
            ("tginitdeferred", Boolean),
            ("tgnargs", SmallInt),
            ("tgattr", TEXT),
            ("tgargs", TEXT),
        ],
    ),
    table(
        "pg_policy",
        &[
            ("oid", Oid),
            ("polname", Name),
            ("polrelid", Oid),
            ("polcmd", LETTER),
            ("polpermissive", Boolean),
            ("polroles", TEXT),
            ("polqual", TEXT),
            ("polwithcheck", TEXT),
        ],
    ),
    table(
        "pg_db_role_setting",
        &[("setdatabase", Oid), ("setrole", Oid), ("setconfig", TEXT)],
    ),
    table(
        "pg_shdescription",
        &[("objoid", Oid), ("classoid", Oid), ("description", TEXT)],
    ),
    table(
        "pg_seclabel",
        &[
            ("objoid", Oid),
            ("classoid", Oid),
            ("objsubid", Integer),
            ("label", TEXT),
        ],
    ),
    // Types have no labels, ranges and domains; nobody can add operators, casts and aggregates.
    table(
        "pg_enum",
        &[
            ("oid", Oid),
            ("enumtypid", Oid),
            ("enumsortorder", SqlType::Double),
            ("enumlabel", Name),
        ],
    ),
    table("pg_range", &[("rngtypid", Oid), ("rngsubtype", Oid)]),
    table(
        "pg_cast",
        &[
            ("oid", Oid),
            ("castsource", Oid),
            ("casttarget", Oid),
            ("castfunc", Oid),
            ("castcontext", LETTER),
            ("castmethod", LETTER),
        ],
    ),
    table(
        "pg_operator",
        &[
            ("oid", Oid),
            ("oprname", Name),
            ("oprnamespace", Oid),
            ("oprowner", Integer),
            ("oprkind", LETTER),
            ("oprleft", Oid),
            ("oprright", Oid),
            ("oprresult", Oid),
            ("oprcode", Oid),
        ],
    ),
    table(
        "pg_opclass",
        &[
            ("tableoid", Oid),
            ("oid", Oid),
            ("opcmethod", Oid),
            ("opcname", Name),
            ("opcnamespace", Oid),
            ("opcowner", Integer),
            ("opcfamily", Oid),
            ("opcintype", Oid),
            ("opcdefault", Boolean),
            ("opckeytype", Oid),
        ],
    ),
    table(
        "pg_opfamily",
        &[
            ("tableoid", Oid),
            ("oid", Oid),
            ("opfmethod", Oid),
            ("opfname", Name),
            ("opfnamespace", Oid),
            ("opfowner", Integer),
        ],
    ),
    table(
        "pg_amop",
        &[
            ("oid", Oid),
            ("amopfamily", Oid),
            ("amoplefttype", Oid),
            ("amoprighttype", Oid),
            ("amopstrategy", SmallInt),
            ("amoppurpose", LETTER),
            ("amopopr", Oid),
            ("amopmethod", Oid),
            ("amopsortfamily", Oid),
        ],
    ),
    table(
        "pg_amproc",
        &[
            ("oid", Oid),
            ("amprocfamily", Oid),
            ("amproclefttype", Oid),
            ("amprocrighttype", Oid),
            ("amprocnum", SmallInt),
            ("amproc", Oid),
        ],
    ),
    table(
        "pg_conversion",
        &[
            ("oid", Oid),
            ("conname", Name),
            ("connamespace", Oid),
            ("conowner", Integer),
            ("conforencoding", Integer),
            ("contoencoding", Integer),
            ("conproc", Oid),
            ("condefault", Boolean),
        ],
    ),
    // Nothing can be added to the server.
    table(
        "pg_extension",
        &[
            ("oid", Oid),
            ("extname", Name),
            ("extowner", Integer),
            ("extnamespace", Oid),
            ("extrelocatable", Boolean),
            ("extversion", TEXT),
            ("extconfig", TEXT),
            ("extcondition", TEXT),
        ],
    ),
    table(
        "pg_event_trigger",
        &[
            ("oid", Oid),
            ("evtname", Name),
            ("evtevent", Name),
            ("evtowner", Integer),
            ("evtfoid", Oid),
            ("evtenabled", LETTER),
            ("evttags", TEXT),
        ],
    ),
    // No tables lie on other servers.
    table(
        "pg_foreign_data_wrapper",
        &[
            ("oid", Oid),
            ("fdwname", Name),
            ("fdwowner", Integer),
            ("fdwhandler", Oid),
            ("fdwvalidator", Oid),
            ("fdwacl", TEXT),
            ("fdwoptions", TEXT),
        ],
    ),
    table(
        "pg_foreign_server",
        &[
            ("oid", Oid),
            ("srvname", Name),
            ("srvowner", Integer),
            ("srvfdw", Oid),
            ("srvtype", TEXT),
            ("srvversion", TEXT),
            ("srvacl", TEXT),
            ("srvoptions", TEXT),
        ],
    ),
    table(
        "pg_foreign_table",
        &[("ftrelid", Oid), ("ftserver", Oid), ("ftoptions", TEXT)],
    ),
    table(
        "pg_user_mappings",
        &[
            ("umid", Oid),
            ("srvid", Oid),
            ("srvname", Name),
            ("umuser", Oid),
            ("usename", Name),
            ("umoptions", TEXT),
        ],
    ),
    // No full-text search and no large objects.
    table(
        "pg_ts_config",
        &[
            ("oid", Oid),
            ("cfgname", Name),
            ("cfgnamespace", Oid),
            ("cfgowner", Integer),
            ("cfgparser", Oid),
        ],
    ),
    table(
        "pg_ts_dict",
        &[
            ("oid", Oid),
            ("dictname", Name),
            ("dictnamespace", Oid),
            ("dictowner", Integer),
            ("dicttemplate", Oid),
            ("dictinitoption", TEXT),
        ],
    ),
    table(
        "pg_ts_parser",
        &[
            ("oid", Oid),
            ("prsname", Name),
            ("prsnamespace", Oid),
            ("prsstart", Oid),
        ],
    ),
    table(
        "pg_ts_template",
        &[
            ("oid", Oid),
            ("tmplname", Name),
            ("tmplnamespace", Oid),
            ("tmplinit", Oid),
            ("tmpllexize", Oid),
        ],
    ),
    table(
        "pg_largeobject_metadata",
        &[("oid", Oid), ("lomowner", Integer), ("lomacl", TEXT)],
    ),
    // No statement prepares a commit in two phases, and no sequences can be made.
    table(
        "pg_prepared_xacts",
        &[
            ("transaction", BigInt),
            ("gid", TEXT),
            ("prepared", Timestamp),
            ("owner", Name),
            ("database", Name),
        ],
    ),
    table(
        "pg_sequence",
        &[
            ("seqrelid", Oid),
            ("seqtypid", Oid),
            ("seqstart", BigInt),
            ("seqincrement", BigInt),
        ],
    ),
];
