//! VACUUM: sorts rows and gives back the room of deleted ones.
//!
//! `VACUUM [FULL | SORT ONLY | DELETE ONLY | REINDEX | RECLUSTER] [table [TO threshold PERCENT] [BOOST]]`

use super::{ObjectName, Statement};
use crate::error::{Error, Result};
use crate::parser::cursor::Cursor;
use crate::sqlstate::SqlState;

/// What a VACUUM does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VacuumKind {
    /// FULL: sorts, then gives room back. The default.
    #[default]
    Full,
    /// SORT ONLY.
    SortOnly,
    /// DELETE ONLY.
    DeleteOnly,
    /// REINDEX: learns the distribution of interleaved keys anew, then sorts everything.
    Reindex,
    /// RECLUSTER: sorts the unsorted region and leaves the sorted one alone.
    Recluster,
}

/// A VACUUM.
#[derive(Clone, Debug)]
pub struct Vacuum {
    /// What to do.
    pub kind: VacuumKind,
    /// One table, or all.
    pub table: Option<ObjectName>,
    /// TO n PERCENT.
    pub threshold_percent: Option<u8>,
    /// BOOST: more memory, and deletes wait.
    pub boost: bool,
}

/// Parses VACUUM.
pub(crate) fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect_word("vacuum")?;
    let kind = kind(cursor);
    let mut vacuum = Vacuum {
        kind,
        table: None,
        threshold_percent: None,
        boost: false,
    };
    if kind == VacuumKind::Reindex || kind == VacuumKind::Recluster || !cursor.at_end() {
        vacuum.table = Some(cursor.object_name()?);
        let at = cursor.position();
        if cursor.take_word("to") {
            vacuum.threshold_percent = Some(threshold(cursor)?);
            if kind == VacuumKind::Reindex || kind == VacuumKind::Recluster {
                return Err(refused(kind, "TO threshold PERCENT", at));
            }
        }
        let at = cursor.position();
        if cursor.take_word("boost") {
            vacuum.boost = true;
            if kind == VacuumKind::Reindex {
                return Err(refused(kind, "BOOST", at));
            }
        }
    }
    Ok(Statement::Vacuum(vacuum))
}

fn kind(cursor: &mut Cursor<'_>) -> VacuumKind {
    if cursor.take_words(&["sort", "only"]) {
        VacuumKind::SortOnly
    } else if cursor.take_words(&["delete", "only"]) {
        VacuumKind::DeleteOnly
    } else if cursor.take_word("reindex") {
        VacuumKind::Reindex
    } else if cursor.take_word("recluster") {
        VacuumKind::Recluster
    } else {
        cursor.take_word("full");
        VacuumKind::Full
    }
}

fn threshold(cursor: &mut Cursor<'_>) -> Result<u8> {
    let at = cursor.position();
    let percent = u8::try_from(cursor.integer()?).ok();
    let percent = percent.filter(|percent| *percent <= 100).ok_or_else(|| {
        let text = "the threshold of VACUUM must be between 0 and 100";
        Error::new(SqlState::INVALID_PARAMETER_VALUE, text).at(at)
    })?;
    cursor.expect_word("percent")?;
    Ok(percent)
}

fn refused(kind: VacuumKind, clause: &str, at: usize) -> Error {
    let kind = match kind {
        VacuumKind::Reindex => "REINDEX",
        _ => "RECLUSTER",
    };
    let text = format!("VACUUM {kind} does not take {clause}");
    Error::new(SqlState::SYNTAX_ERROR, text)
        .with_hint(format!("Leave out {clause}."))
        .at(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::parse as parse_all;

    fn check(text: &str) -> (VacuumKind, Option<String>, Option<u8>, bool) {
        let parsed = parse_all(text).unwrap().remove(0);
        let Statement::Vacuum(vacuum) = parsed.statement else {
            panic!("{text} is no VACUUM");
        };
        let name = vacuum.table.map(|table| table.name);
        (vacuum.kind, name, vacuum.threshold_percent, vacuum.boost)
    }

    #[test]
    fn every_form_parses() {
        let name = |name: &str| Some(name.to_owned());
        assert_eq!(check("VACUUM"), (VacuumKind::Full, None, None, false));
        assert_eq!(check("vacuum full"), (VacuumKind::Full, None, None, false));
        assert_eq!(
            check("VACUUM SORT ONLY s.t TO 75 PERCENT BOOST"),
            (VacuumKind::SortOnly, name("t"), Some(75), true)
        );
        assert_eq!(
            check("vacuum delete only t"),
            (VacuumKind::DeleteOnly, name("t"), None, false)
        );
        assert_eq!(
            check("vacuum reindex t"),
            (VacuumKind::Reindex, name("t"), None, false)
        );
        assert_eq!(
            check("vacuum recluster t boost"),
            (VacuumKind::Recluster, name("t"), None, true)
        );
    }

    #[test]
    fn what_redshift_refuses_is_refused() {
        for text in [
            "vacuum reindex",
            "vacuum recluster",
            "vacuum reindex t boost",
            "vacuum reindex t to 5 percent",
            "vacuum recluster t to 5 percent",
            "vacuum t to 101 percent",
            "vacuum t to 5",
            "vacuum to 5 percent",
            "vacuum t, u",
        ] {
            assert!(parse_all(text).is_err(), "{text}");
        }
    }
}
