//! The text of statements as the log tables show it: in pieces of 200 bytes, told apart by what they do.

use crate::history::FinishedQuery;
use crate::system::SystemContext;
use crate::system::rows::{Cell, Rows};
use blueshift_sql::SqlType;

/// Bytes of a piece.
const PIECE_BYTES: usize = 200;

/// What a statement does, as the log tables divide them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Reads or changes rows.
    Query,
    /// Makes, changes or drops objects.
    Definition,
    /// All others.
    Utility,
}

/// Tells what a statement does by its first words.
pub(super) fn kind(text: &str) -> Kind {
    let first = text.trim_start().trim_start_matches('(');
    let mut words = first.split(|letter: char| !letter.is_ascii_alphabetic());
    let first = words.next().unwrap_or_default().to_ascii_lowercase();
    match first.as_str() {
        "select" | "with" | "values" | "insert" | "update" | "delete" | "merge" | "copy"
        | "unload" => Kind::Query,
        "create" | "alter" | "drop" | "truncate" | "comment" => Kind::Definition,
        _ => Kind::Utility,
    }
}

/// Gives the word of SYS_QUERY_HISTORY for what a statement does.
pub(super) fn command(text: &str) -> &'static str {
    let mut words = text
        .split(|letter: char| !letter.is_ascii_alphabetic())
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase);
    match (kind(text), words.next().unwrap_or_default().as_str()) {
        (Kind::Query, "insert") => "INSERT",
        (Kind::Query, "update") => "UPDATE",
        (Kind::Query, "delete") => "DELETE",
        (Kind::Query, "merge") => "MERGE",
        (Kind::Query, "copy") => "COPY",
        (Kind::Query, "unload") => "UNLOAD",
        (Kind::Query, _) => "SELECT",
        (Kind::Definition, "create") if words.any(|word| word == "as") => "CTAS",
        (Kind::Definition, _) => "DDL",
        (Kind::Utility, _) => "UTILITY",
    }
}

/// Cuts a text into pieces, each whole letters; a line break is shown as `\\n`.
pub(super) fn pieces(text: &str) -> Vec<String> {
    let mut pieces = vec![String::new()];
    for letter in text.chars() {
        let mut shown = [0; 4];
        let shown = match letter {
            '\n' => "\\n",
            '\r' => "\\r",
            letter => letter.encode_utf8(&mut shown),
        };
        match pieces.last_mut() {
            Some(last) if last.len() + shown.len() <= PIECE_BYTES => last.push_str(shown),
            _ => pieces.push(shown.to_owned()),
        }
    }
    pieces
}

/// The columns of STL_DDLTEXT and STL_UTILITYTEXT.
pub(super) const COLUMNS: &[(&str, SqlType)] = &[
    ("userid", SqlType::Integer),
    ("xid", SqlType::BigInt),
    ("pid", SqlType::Integer),
    ("label", SqlType::Char(320)),
    ("starttime", SqlType::Timestamp),
    ("endtime", SqlType::Timestamp),
    ("sequence", SqlType::Integer),
    ("text", SqlType::Char(200)),
];

/// Pushes the pieces of all statements of a kind.
pub(super) fn push(ctx: &SystemContext, rows: &mut Rows, wanted: Kind) {
    for_each(ctx, wanted, |query, sequence, piece| {
        rows.push([
            Cell::from(query.userid),
            query.xid.into(),
            query.pid.into(),
            query.label.as_ref().into(),
            query.starttime_us.into(),
            query.endtime_us.into(),
            sequence.into(),
            piece.into(),
        ]);
    });
}

/// Goes over the pieces of all statements of a kind that the user sees.
pub(super) fn for_each(
    ctx: &SystemContext,
    wanted: Kind,
    mut each: impl FnMut(&FinishedQuery, usize, String),
) {
    let queries = crate::history::lock(&ctx.server.history.queries);
    let seen = queries.iter().filter(|query| ctx.sees(query.userid));
    for query in seen.filter(|query| kind(&query.text) == wanted) {
        for (sequence, piece) in pieces(&query.text).into_iter().enumerate() {
            each(query, sequence, piece);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_between_letters() {
        assert_eq!(pieces("a\nb"), ["a\\nb"]);
        assert_eq!(pieces(""), [""]);
        let long = "ä".repeat(150);
        let cut = pieces(&long);
        assert_eq!(cut.concat(), long);
        assert_eq!(cut.iter().map(String::len).collect::<Vec<_>>(), [200, 100]);
    }

    #[test]
    fn statements_are_named() {
        assert_eq!(command("(SELECT 1)"), "SELECT");
        assert_eq!(command("create table t as select 1"), "CTAS");
        assert_eq!(command("create table t (a int)"), "DDL");
        assert_eq!(command("MERGE INTO t"), "MERGE");
        assert_eq!(command("set a to b"), "UTILITY");
    }

    #[test]
    fn statements_are_told_apart() {
        assert_eq!(kind(" (SELECT 1)"), Kind::Query);
        assert_eq!(kind("create table t"), Kind::Definition);
        assert_eq!(kind("SET x TO 1"), Kind::Utility);
        assert_eq!(kind(""), Kind::Utility);
    }
}
