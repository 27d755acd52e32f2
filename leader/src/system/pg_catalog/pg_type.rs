//! `pg_type`: types, under the OIDs the wire uses.

use crate::catalog::{ADMIN_OID, PG_CATALOG_OID};
use crate::error::Result;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable, name_hash};
use blueshift_sql::SqlType;

/// The table.
pub struct PgType;

impl SystemTable for PgType {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "pg_type"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("oid", SqlType::Oid),
            ("typname", SqlType::Name),
            ("typnamespace", SqlType::Oid),
            ("typowner", SqlType::Integer),
            ("typlen", SqlType::SmallInt),
            ("typbyval", SqlType::Boolean),
            ("typtype", SqlType::Char(1)),
            ("typcategory", SqlType::Char(1)),
            ("typisdefined", SqlType::Boolean),
            ("typdelim", SqlType::Char(1)),
            ("typrelid", SqlType::Oid),
            ("typelem", SqlType::Oid),
            ("typarray", SqlType::Oid),
            ("typbasetype", SqlType::Oid),
            ("typtypmod", SqlType::Integer),
            ("typnotnull", SqlType::Boolean),
            ("typcollation", SqlType::Oid),
            ("typinput", SqlType::Oid),
            ("typoutput", SqlType::Oid),
            ("typreceive", SqlType::Oid),
            ("typsend", SqlType::Oid),
            ("typalign", SqlType::Char(1)),
            ("typstorage", SqlType::Char(1)),
            ("typndims", SqlType::Integer),
            ("typdefault", SqlType::Varchar(65_535)),
            ("typacl", SqlType::Varchar(65_535)),
        ]
    }

    fn rows(&self, _ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        for (oid, name, size, category) in TYPES {
            let is_pseudo = *category == "P";
            let function = |suffix| name_hash(&[name, suffix]) % FUNCTIONS;
            rows.push([
                Cell::from(*oid),
                (*name).into(),
                PG_CATALOG_OID.into(),
                ADMIN_OID.into(),
                (*size).into(),
                (*size > 0).into(),
                if is_pseudo { "p" } else { "b" }.into(),
                (*category).into(),
                true.into(),
                ",".into(),
                0.into(),
                0.into(),
                0.into(),
                0.into(),
                (-1).into(),
                false.into(),
                0.into(),
                function("in").into(),
                function("out").into(),
                function("recv").into(),
                function("send").into(),
                if *size == 8 { "d" } else { "i" }.into(),
                if *size > 0 { "p" } else { "x" }.into(),
                0.into(),
                Cell::Null,
                Cell::Null,
            ]);
        }
        Ok(())
    }
}

/// OID, name, size in bytes (-1 varies), category.
const TYPES: &[(u32, &str, i32, &str)] = &[
    (16, "bool", 1, "B"),
    (17, "bytea", -1, "U"),
    (18, "char", 1, "S"),
    (19, "name", 64, "S"),
    (20, "int8", 8, "N"),
    (21, "int2", 2, "N"),
    (23, "int4", 4, "N"),
    (25, "text", -1, "S"),
    (26, "oid", 4, "N"),
    (700, "float4", 4, "N"),
    (701, "float8", 8, "N"),
    (705, "unknown", -1, "X"),
    (1042, "bpchar", -1, "S"),
    (1043, "varchar", -1, "S"),
    (1082, "date", 4, "D"),
    (1083, "time", 8, "D"),
    (1114, "timestamp", 8, "D"),
    (1184, "timestamptz", 8, "D"),
    (1188, "intervaly2m", 4, "T"),
    (1190, "intervald2s", 8, "T"),
    (1266, "timetz", 12, "D"),
    (1700, "numeric", -1, "N"),
    (ANY_OID, "any", 4, "P"),
    (2279, "trigger", 4, "P"),
    (2935, "hllsketch", -1, "U"),
    (4000, "super", -1, "U"),
    (6551, "varbyte", -1, "U"),
];

/// The OID of `"any"`, what functions take that take every type.
pub const ANY_OID: u32 = 2276;
/// Finds the OID of a type that only functions have.
pub fn pseudo_oid(name: &str) -> Option<u32> {
    let mut types = TYPES.iter();
    let found = types.find(|(_, known, _, category)| *known == name && *category == "P");
    found.map(|(oid, ..)| *oid)
}

/// The functions that read and write types have oids below this.
const FUNCTIONS: u32 = 1 << 29;

/// Finds the oid of a function that reads or writes a type, such as `int4in`; arrays are read by `array_in`, which no
/// type here has.
pub fn function_oid(name: &str) -> Option<u32> {
    ["in", "out", "recv", "send"].iter().find_map(|suffix| {
        let ty = name.strip_suffix(suffix)?;
        let is_known = ty == "array_" || TYPES.iter().any(|(_, known, ..)| *known == ty);
        is_known.then(|| name_hash(&[ty, suffix]) % FUNCTIONS)
    })
}

/// Gives the OID of a type.
pub fn type_oid(ty: SqlType) -> u32 {
    match ty {
        SqlType::Boolean => 16,
        SqlType::SmallInt => 21,
        SqlType::Integer => 23,
        SqlType::BigInt => 20,
        SqlType::Decimal { .. } => 1700,
        SqlType::Real => 700,
        SqlType::Double => 701,
        SqlType::Char(_) => 1042,
        SqlType::Varchar(_) => 1043,
        SqlType::Date => 1082,
        SqlType::Time => 1083,
        SqlType::TimeTz => 1266,
        SqlType::YearToMonth(_) => 1188,
        SqlType::DayToSecond(_) => 1190,
        SqlType::Timestamp => 1114,
        SqlType::TimestampTz => 1184,
        SqlType::Varbyte(_) => 6551,
        SqlType::Super => 4000,
        SqlType::HllSketch => 2935,
        SqlType::Oid => 26,
        SqlType::Name => 19,
        SqlType::Unknown => 705,
    }
}

/// Gives the size of a type in bytes; -1 if it varies.
pub fn type_size(ty: SqlType) -> i32 {
    let oid = type_oid(ty);
    TYPES
        .iter()
        .find(|(other, ..)| *other == oid)
        .map_or(-1, |(_, _, size, _)| *size)
}

/// Gives a type's modifier as PostgreSQL packs it: length or precision and scale, plus 4; -1 without.
pub fn type_modifier(ty: SqlType) -> i32 {
    let length = |bytes: u32| i32::try_from(bytes).map_or(-1, |bytes| bytes.saturating_add(4));
    match ty {
        SqlType::Char(bytes) | SqlType::Varchar(bytes) | SqlType::Varbyte(bytes) => length(bytes),
        SqlType::Decimal { precision, scale } => {
            ((i32::from(precision) << 16) | (i32::from(scale) & 0xffff)) + 4
        }
        _ => -1,
    }
}
