//! Damage told by names: storage knows a table by its id alone, and says so; whoever reads it knows its name.

use crate::catalog::Catalog;
use crate::error::sqlstate::Report;
use blueshift_sql::SqlState;

/// Puts the name of each table in the place of its id, if the report is about damaged data.
pub(super) fn with_names(report: Report, catalog: &Catalog) -> Report {
    if report.code != SqlState::DATA_CORRUPTED {
        return report;
    }
    let name = |id: u32| {
        let table = catalog.tables.get(&id)?;
        let schema = catalog.schemas.get(&table.schema)?;
        Some(format!("\"{}.{}\"", schema.name, table.name))
    };
    let message = rename(&report.message, name);
    Report { message, ..report }
}

/// Replaces the number in each `table NUMBER` that has a name.
fn rename(text: &str, name: impl Fn(u32) -> Option<String>) -> String {
    const WORD: &str = "table ";
    let mut parts = text.split(WORD);
    let mut renamed = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|letter: char| !letter.is_ascii_digit());
        let (digits, rest) = part.split_at(end.unwrap_or(part.len()));
        let name = digits.parse().ok().and_then(&name);
        renamed.extend([WORD, name.as_deref().unwrap_or(digits), rest]);
    }
    renamed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_become_names_where_there_is_one() {
        let name = |id| (id == 100_001).then(|| "\"public.sales\"".to_owned());
        let check = |text: &str, expected: &str| assert_eq!(rename(text, name), expected);
        check(
            "damaged: table 100001, column \"a\" in \"slice-0000/table-100001/7.rg\"",
            "damaged: table \"public.sales\", column \"a\" in \"slice-0000/table-100001/7.rg\"",
        );
        check(
            "row group 3 of table 100001",
            "row group 3 of table \"public.sales\"",
        );
        check(
            "table 5, table 99999999999 table",
            "table 5, table 99999999999 table",
        );
        check("nothing", "nothing");
    }
}
