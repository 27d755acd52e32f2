//! COPY: source, authorization, format and options, as the user wrote them.

use super::ObjectName;

/// `COPY table [(columns)] FROM 'source' authorization [options]`.
#[derive(Clone)]
pub struct Copy {
    /// The target.
    pub table: ObjectName,
    /// Named columns; empty means all.
    pub columns: Vec<String>,
    /// `s3://...` or `file://...`.
    pub source: String,
    /// How to log in there. Never printed.
    pub authorization: Authorization,
    /// Everything else.
    pub options: CopyOptions,
}

/// Secrets; has no useful `Debug`.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Authorization {
    /// The server's own environment.
    #[default]
    None,
    /// IAM_ROLE default | 'arn'.
    IamRole(String),
    /// ACCESS_KEY_ID, SECRET_ACCESS_KEY, SESSION_TOKEN, or CREDENTIALS with keys.
    Keys {
        /// ACCESS_KEY_ID
        access_key_id: String,
        /// SECRET_ACCESS_KEY
        secret_access_key: String,
        /// SESSION_TOKEN
        session_token: Option<String>,
    },
}

/// The format of the files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CopyFormat {
    /// Delimited text, `|` by default.
    #[default]
    Text,
    /// CSV, `,` by default.
    Csv,
}

/// The compression of the files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CopyCompression {
    /// None.
    #[default]
    None,
    /// GZIP
    Gzip,
    /// ZSTD
    Zstd,
    /// BZIP2
    Bzip2,
}

/// DATEFORMAT, TIMEFORMAT.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TimeText {
    /// The documented default.
    #[default]
    Default,
    /// 'auto'
    Auto,
    /// 'epochsecs'
    EpochSeconds,
    /// 'epochmillisecs'
    EpochMilliseconds,
    /// A format of YYYY, MM, DD, HH24, MI, SS and the like.
    Format(String),
}

/// COPY's options with Redshift's defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CopyOptions {
    /// FORMAT
    pub format: CopyFormat,
    /// GZIP, ZSTD, BZIP2
    pub compression: CopyCompression,
    /// MANIFEST
    pub manifest: bool,
    /// DELIMITER, one byte or character; `None` is the format's default.
    pub delimiter: Option<String>,
    /// QUOTE for CSV; `None` is `"`.
    pub quote: Option<char>,
    /// ESCAPE
    pub escape: bool,
    /// REMOVEQUOTES
    pub remove_quotes: bool,
    /// IGNOREHEADER n
    pub ignore_header: u64,
    /// NULL AS; `None` is `\N`.
    pub null_as: Option<String>,
    /// DATEFORMAT
    pub date_format: TimeText,
    /// TIMEFORMAT
    pub time_format: TimeText,
    /// MAXERROR n
    pub max_error: u64,
    /// IGNOREBLANKLINES
    pub ignore_blank_lines: bool,
    /// BLANKSASNULL
    pub blanks_as_null: bool,
    /// EMPTYASNULL
    pub empty_as_null: bool,
    /// TRIMBLANKS
    pub trim_blanks: bool,
    /// TRUNCATECOLUMNS
    pub truncate_columns: bool,
    /// FILLRECORD
    pub fill_record: bool,
    /// ACCEPTANYDATE
    pub accept_any_date: bool,
    /// ACCEPTINVCHARS: the replacement, one byte.
    pub accept_invalid_chars: Option<u8>,
    /// ROUNDEC
    pub round_decimals: bool,
    /// EXPLICIT_IDS
    pub explicit_ids: bool,
    /// NOLOAD
    pub no_load: bool,
    /// COMPUPDATE OFF / ON / PRESET, as written; `None` if not given.
    pub compupdate: Option<String>,
    /// STATUPDATE ON / OFF.
    pub statupdate: Option<bool>,
    /// REGION
    pub region: Option<String>,
}

impl std::fmt::Debug for Copy {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Copy")
            .field("table", &self.table)
            .field("source", &self.source)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
