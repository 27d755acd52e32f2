//! COPY JOB: a COPY that is kept and run for each new file, and the commands that look after it.
//!
//! Source: Redshift's guide, COPY JOB. What a job keeps is its text, so nothing secret may stand in it: the only
//! authorization is a named role.

use super::{Authorization, Copy};
use crate::error::{Error, Result};
use crate::parser::cursor::Cursor;
use crate::sqlstate::SqlState;
use crate::statement::Statement;

/// A command about copy jobs.
#[derive(Clone, Debug)]
pub enum CopyJob {
    /// COPY ... JOB CREATE name.
    Create(Box<CreateCopyJob>),
    /// COPY JOB ALTER name.
    Alter {
        /// The job.
        name: String,
        /// AUTO ON or OFF; `None` leaves it as it is.
        auto: Option<bool>,
    },
    /// COPY JOB RUN name.
    Run(String),
    /// COPY JOB LIST.
    List,
    /// COPY JOB SHOW name.
    Show(String),
    /// COPY JOB DROP name.
    Drop(String),
}

/// `COPY table FROM 'prefix' ... JOB CREATE name [AUTO ON | OFF]`.
#[derive(Clone, Debug)]
pub struct CreateCopyJob {
    /// The job's name.
    pub name: String,
    /// Whether the server runs it by itself: AUTO ON, the default.
    pub auto: bool,
    /// The COPY it stands for.
    pub copy: Copy,
    /// The text of that COPY.
    pub text: String,
}

impl CopyJob {
    /// Gives the command's words, for tags and errors.
    pub fn tag(&self) -> &'static str {
        match self {
            Self::Create(_) => "COPY JOB CREATE",
            Self::Alter { .. } => "COPY JOB ALTER",
            Self::Run(_) => "COPY JOB RUN",
            Self::List => "COPY JOB LIST",
            Self::Show(_) => "COPY JOB SHOW",
            Self::Drop(_) => "COPY JOB DROP",
        }
    }
}

/// What may follow COPY JOB.
const COMMANDS: [&str; 6] = ["alter", "create", "drop", "list", "run", "show"];

/// Options of COPY that a job cannot have, with the way out. A word that COPY itself does not know never gets here.
const REFUSED: &[(&str, &str)] = &[
    (
        "maxerror",
        "Leave it out: a file with a bad row is parked, and the others are loaded",
    ),
    (
        "ignoreallerrors",
        "Leave it out: a file with a bad row is parked, and the others are loaded",
    ),
    (
        "manifest",
        "Name a prefix: each file that comes under it is loaded once",
    ),
    ("noload", "Try the COPY itself with NOLOAD"),
    (
        "credentials",
        "Name a role: IAM_ROLE 'arn:aws:iam::123456789012:role/name'",
    ),
    ("ssh", "Put the files on S3"),
    ("readratio", "Export the table to S3"),
    (
        "encrypted",
        "Store the files encrypted by the server that keeps them: a job keeps no keys",
    ),
    (
        "master_symmetric_key",
        "Store the files encrypted by the server that keeps them: a job keeps no keys",
    ),
];

/// Tells whether a command about jobs comes next, and no table named `job`.
pub(super) fn is_next(cursor: &Cursor<'_>) -> bool {
    let mut commands = COMMANDS.iter();
    cursor.is_word("job") && commands.any(|command| cursor.is_word_at(1, command))
}

/// Parses what follows COPY in a command about jobs.
pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect_word("job")?;
    let position = cursor.position();
    let job = match cursor.word()?.as_str() {
        "alter" => CopyJob::Alter {
            name: name(cursor)?,
            auto: auto(cursor)?,
        },
        "run" => CopyJob::Run(name(cursor)?),
        "list" => CopyJob::List,
        "show" => CopyJob::Show(name(cursor)?),
        "drop" => CopyJob::Drop(name(cursor)?),
        other => {
            let error = Error::syntax(
                format!("syntax error at or near \"{other}\""),
                Some(position),
            );
            return Err(error.with_hint(
                "Write the COPY first: COPY table FROM 's3://bucket/prefix' IAM_ROLE 'arn' JOB CREATE name.",
            ));
        }
    };
    Ok(Statement::CopyJob(job))
}

/// Parses JOB CREATE behind a COPY, whose text and option words are given.
pub(super) fn parse_create(
    cursor: &mut Cursor<'_>,
    copy: Copy,
    seen: &[String],
    text: String,
) -> Result<Statement> {
    cursor.expect_word("job")?;
    cursor.expect_word("create")?;
    let name = name(cursor)?;
    let auto = auto(cursor)?.unwrap_or(true);
    let refused = REFUSED
        .iter()
        .find(|(word, _)| seen.iter().any(|seen| seen == word));
    if let Some((word, hint)) = refused {
        let what = format!("COPY JOB with {}", word.to_uppercase());
        // Without a position: clients show the text before it, where a secret may stand.
        return Err(Error::unsupported(what, *hint));
    }
    ensure_no_secret(&copy)?;
    Ok(Statement::CopyJob(CopyJob::Create(Box::new(
        CreateCopyJob {
            name,
            auto,
            copy,
            text,
        },
    ))))
}

/// Refuses every authorization but a named role, as Redshift does. Local files need none.
fn ensure_no_secret(copy: &Copy) -> Result<()> {
    const HINT: &str = "Name a role: IAM_ROLE 'arn:aws:iam::123456789012:role/name'";
    let is_s3 = copy.source.starts_with("s3://");
    match &copy.authorization {
        Authorization::IamRole(role) if role == "default" => {
            Err(Error::unsupported("COPY JOB with IAM_ROLE default", HINT))
        }
        Authorization::IamRole(_) => Ok(()),
        Authorization::None if !is_s3 => Ok(()),
        Authorization::None => Err(Error::unsupported(
            "COPY JOB from S3 without IAM_ROLE",
            HINT,
        )),
        _ => Err(Error::unsupported("COPY JOB with access keys", HINT)),
    }
}

fn name(cursor: &mut Cursor<'_>) -> Result<String> {
    let position = cursor.position();
    let name = cursor.name()?;
    if name.contains('-') {
        return Err(Error::new(
            SqlState::INVALID_NAME,
            format!("copy job name \"{name}\" has a hyphen"),
        )
        .with_hint("Use letters, digits and underscores.")
        .at(position));
    }
    Ok(name)
}

fn auto(cursor: &mut Cursor<'_>) -> Result<Option<bool>> {
    if !cursor.take_word("auto") {
        return Ok(None);
    }
    if cursor.take_word("on") {
        return Ok(Some(true));
    }
    cursor.expect_word("off")?;
    Ok(Some(false))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::parse as parse_all;

    fn job(text: &str) -> Result<CopyJob> {
        let mut parsed = parse_all(text)?;
        match parsed.pop().map(|parsed| parsed.statement) {
            Some(Statement::CopyJob(job)) => Ok(job),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn every_command_is_read() {
        let create = "COPY s.t (a, b) FROM 's3://b/p' IAM_ROLE 'arn:r' CSV GZIP JOB CREATE j";
        for (tail, auto) in [("", true), (" AUTO ON", true), (" auto off", false)] {
            let Ok(CopyJob::Create(made)) = job(&format!("{create}{tail}")) else {
                panic!("{tail}");
            };
            assert_eq!((made.name.as_str(), made.auto), ("j", auto));
            assert_eq!(
                made.text,
                "COPY s.t (a, b) FROM 's3://b/p' IAM_ROLE 'arn:r' CSV GZIP"
            );
            assert_eq!(made.copy.columns, ["a", "b"]);
        }
        assert!(matches!(job("COPY JOB LIST"), Ok(CopyJob::List)));
        assert!(matches!(job("copy job run J"), Ok(CopyJob::Run(name)) if name == "j"));
        assert!(matches!(job("COPY JOB SHOW j;"), Ok(CopyJob::Show(_))));
        assert!(matches!(job("COPY JOB DROP j"), Ok(CopyJob::Drop(_))));
        let alter = job("COPY JOB ALTER j AUTO OFF");
        assert!(matches!(
            alter,
            Ok(CopyJob::Alter {
                auto: Some(false),
                ..
            })
        ));
        let alter = job("COPY JOB ALTER j");
        assert!(matches!(alter, Ok(CopyJob::Alter { auto: None, .. })));
        let file = job("COPY t FROM 'file:///d/p' JOB CREATE j");
        assert!(matches!(file, Ok(CopyJob::Create(_))));
    }

    #[test]
    fn a_table_may_be_named_job() {
        for text in [
            "COPY job FROM 's3://b/p'",
            "COPY job (a) FROM 's3://b/p'",
            "COPY job.list FROM 's3://b/p'",
        ] {
            let parsed = parse_all(text).expect(text);
            assert!(matches!(parsed[0].statement, Statement::Copy(_)), "{text}");
        }
    }

    #[test]
    fn what_a_job_cannot_have_is_refused_by_name() {
        let s3 = "COPY t FROM 's3://b/p'";
        let role = "IAM_ROLE 'arn:r'";
        for (text, word) in [
            (format!("{s3} {role} MAXERROR 5 JOB CREATE j"), "MAXERROR"),
            (
                format!("{s3} {role} IGNOREALLERRORS JOB CREATE j"),
                "IGNOREALLERRORS",
            ),
            (format!("{s3} {role} MANIFEST JOB CREATE j"), "MANIFEST"),
            (format!("{s3} {role} NOLOAD JOB CREATE j"), "NOLOAD"),
            (format!("{s3} IAM_ROLE default JOB CREATE j"), "default"),
            (
                format!(
                    "{s3} CREDENTIALS 'aws_access_key_id=k;aws_secret_access_key=hush' JOB CREATE j"
                ),
                "CREDENTIALS",
            ),
            (format!("{s3} JOB CREATE j"), "without IAM_ROLE"),
            (
                format!("{s3} ACCESS_KEY_ID 'k' SECRET_ACCESS_KEY 'hush' JOB CREATE j"),
                "access keys",
            ),
        ] {
            let error = job(&text).expect_err(&text);
            assert_eq!(error.code, SqlState::FEATURE_NOT_SUPPORTED, "{text}");
            assert!(error.message.contains(word), "{}", error.message);
            assert!(!format!("{error:?}").contains("hush"));
        }
        for text in [
            "COPY JOB",
            "COPY JOB CREATE j",
            "COPY JOB RUN",
            "COPY JOB ALTER j AUTO",
            "COPY JOB LIST j",
            "COPY t FROM 'file:///d' JOB RUN j",
            "COPY t FROM 'file:///d' JOB CREATE j AUTO ON CSV",
            "COPY t FROM 'file:///d' JOB CREATE \"a-b\"",
        ] {
            assert!(parse_all(text).is_err(), "{text}");
        }
    }
}
