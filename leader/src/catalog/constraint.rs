//! Names and oids of constraints and of the indexes PostgreSQL's catalogs show for keys.
//!
//! The catalog keeps constraints as a list. Those that were given no name have the one PostgreSQL would give, and
//! their oids follow from the table's, so that both are the same after every start.

use super::{Catalog, Oid, Table, TableConstraint, View};
use std::sync::Arc;

/// Derived oids begin here, far above those of tables, and stay below 2^31 for clients that read them as signed.
const DERIVED_FIRST: Oid = 1 << 30;
/// Derived oids of one table: two for each constraint.
const DERIVED_EACH: Oid = 64;
/// Names longer than this are cut before a number is added, as PostgreSQL cuts them.
const NAME_MAX: usize = 63;
/// Comments on constraints are kept with those of their table, numbered from here by place; columns are far below.
const COMMENT_FIRST: u32 = 1 << 16;

/// Gives the number of the comment on the constraint at a place.
pub fn constraint_comment(place: usize) -> u32 {
    let place = u32::try_from(place).unwrap_or(u32::MAX);
    COMMENT_FIRST.saturating_add(place)
}

/// A constraint with what the catalogs show of it.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedConstraint<'a> {
    /// Its oid.
    pub oid: Oid,
    /// The oid of the index shown for it; foreign keys have none.
    pub index: Option<Oid>,
    /// Its name, also that of its index.
    pub name: String,
    /// What it says.
    pub constraint: &'a TableConstraint,
}

impl NamedConstraint<'_> {
    /// Gives `contype`.
    pub fn kind(&self) -> &'static str {
        match self.constraint {
            TableConstraint::PrimaryKey(_) => "p",
            TableConstraint::Unique(_) => "u",
            TableConstraint::ForeignKey { .. } => "f",
        }
    }

    /// Gives the indexes of its columns.
    pub fn columns(&self) -> &[usize] {
        match self.constraint {
            TableConstraint::PrimaryKey(columns)
            | TableConstraint::Unique(columns)
            | TableConstraint::ForeignKey { columns, .. } => columns,
        }
    }
}

/// Gives the oid of something that belongs to a relation.
fn derived(relation: Oid, place: usize) -> Oid {
    let place = Oid::try_from(place).unwrap_or(Oid::MAX);
    relation
        .saturating_mul(DERIVED_EACH)
        .saturating_add(place)
        .saturating_add(DERIVED_FIRST)
}

impl View {
    /// Gives the oid of the rule that makes it a view.
    pub fn rule_oid(&self) -> Oid {
        derived(self.oid, 0)
    }
}

impl Table {
    /// Gives the constraints with their names.
    pub fn named_constraints(&self) -> Vec<NamedConstraint<'_>> {
        let mut named: Vec<NamedConstraint<'_>> = Vec::with_capacity(self.constraints.len());
        for (place, constraint) in self.constraints.iter().enumerate() {
            let (columns, suffix) = match constraint {
                TableConstraint::PrimaryKey(_) => (&[][..], "pkey"),
                TableConstraint::Unique(columns) => (columns.as_slice(), "key"),
                TableConstraint::ForeignKey { columns, .. } => (columns.as_slice(), "fkey"),
            };
            let given = self.constraint_names.get(place).and_then(Option::as_ref);
            let mut base = self.name.clone();
            for column in columns.iter().filter_map(|index| self.columns.get(*index)) {
                base = format!("{base}_{}", column.name);
            }
            let room = base.floor_char_boundary(NAME_MAX - suffix.len() - 1);
            base.truncate(room);
            let first = format!("{base}_{suffix}");
            let mut name = first.clone();
            let mut number = 1;
            let is_taken = |name: &String| {
                let given = self.constraint_names.iter().flatten();
                named.iter().any(|other| other.name == *name)
                    || given.clone().any(|given| given == name)
            };
            while is_taken(&name) {
                name = format!("{first}{number}");
                number += 1;
            }
            let name = given.cloned().unwrap_or(name);
            let has_index = !matches!(constraint, TableConstraint::ForeignKey { .. });
            named.push(NamedConstraint {
                oid: derived(self.oid, place * 2),
                index: has_index.then(|| derived(self.oid, place * 2 + 1)),
                name,
                constraint,
            });
        }
        named
    }

    /// Adds a constraint.
    pub fn add_constraint(&mut self, name: Option<String>, constraint: TableConstraint) {
        self.constraint_names.resize(self.constraints.len(), None);
        self.constraint_names.push(name);
        self.constraints.push(constraint);
    }

    /// Removes the constraints that are not to be kept; gives the places the others had.
    pub fn retain_constraints(
        &mut self,
        mut keep: impl FnMut(&TableConstraint) -> bool,
    ) -> Vec<usize> {
        let mut kept = Vec::new();
        let names = std::mem::take(&mut self.constraint_names);
        let names = names.into_iter().chain(std::iter::repeat(None));
        let all = std::mem::take(&mut self.constraints).into_iter().zip(names);
        for (place, (constraint, name)) in all.enumerate() {
            if keep(&constraint) {
                self.add_constraint(name, constraint);
                kept.push(place);
            }
        }
        kept
    }

    /// Tells whether it has a primary key.
    pub fn has_primary_key(&self) -> bool {
        let mut constraints = self.constraints.iter();
        constraints.any(|constraint| matches!(constraint, TableConstraint::PrimaryKey(_)))
    }
}

impl Catalog {
    /// Finds the table that a constraint, an index or a rule belongs to.
    pub fn table_of_derived(&self, oid: Oid) -> Option<&Arc<Table>> {
        let place = oid.checked_sub(DERIVED_FIRST)?;
        self.tables.get(&(place / DERIVED_EACH))
    }

    /// Finds the comment on a constraint or any other object that has an oid of its own, or on a column of a relation.
    pub fn comment(&self, oid: Oid, column: u32) -> Option<&String> {
        let plain = self.comments.get(&(oid, column));
        if plain.is_some() || column != 0 {
            return plain;
        }
        let table = self.table_of_derived(oid)?;
        let named = table.named_constraints();
        let place = named.iter().position(|constraint| constraint.oid == oid)?;
        self.comments.get(&(table.oid, constraint_comment(place)))
    }

    /// Gives what a comment of a table with a number beyond its columns is on: the oid of a constraint.
    pub fn commented_constraint(&self, table: Oid, number: u32) -> Option<Oid> {
        let table = self.tables.get(&table)?;
        let place = usize::try_from(number.checked_sub(COMMENT_FIRST)?).ok()?;
        Some(table.named_constraints().get(place)?.oid)
    }

    /// Finds the view of a rule.
    pub fn view_of_rule(&self, oid: Oid) -> Option<&Arc<View>> {
        let place = oid.checked_sub(DERIVED_FIRST)?;
        self.views.get(&(place / DERIVED_EACH))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Column, TableDistribution, TableSort};
    use blueshift_sql::SqlType;

    #[test]
    fn names_are_postgresqls_and_oids_lead_back() {
        let column = |name: &str, id| Column {
            name: name.to_string(),
            id,
            ty: SqlType::Integer,
            encoding: None,
            default: None,
            identity: None,
            not_null: false,
            case_insensitive: false,
        };
        let table = Table {
            view: None,
            oid: 100_007,
            schema: 2_200,
            name: "t".to_string(),
            owner: 100,
            columns: vec![column("a", 1), column("b", 2)],
            distribution: TableDistribution::Even,
            sort: TableSort::None,
            constraints: vec![
                TableConstraint::PrimaryKey(vec![0]),
                TableConstraint::Unique(vec![0, 1]),
                TableConstraint::Unique(vec![0, 1]),
                TableConstraint::ForeignKey {
                    columns: vec![1],
                    table: 100_001,
                    referred: vec![0],
                },
            ],
            constraint_names: vec![None, None, Some("own".to_string())],
            backup: true,
            columns_made: 2,
            placement_fingerprint: 0,
            created_us: 0,
            derived: Default::default(),
        };
        let named = table.named_constraints();
        let names: Vec<_> = named.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["t_pkey", "t_a_b_key", "own", "t_b_fkey"]);
        let mut fewer = table.clone();
        fewer.retain_constraints(|one| *one != TableConstraint::Unique(vec![0, 1]));
        fewer.add_constraint(Some("last".to_string()), TableConstraint::Unique(vec![1]));
        let names: Vec<_> = fewer
            .named_constraints()
            .into_iter()
            .map(|one| one.name)
            .collect();
        assert_eq!(names, ["t_pkey", "t_b_fkey", "last"]);
        let mut catalog = Catalog::default();
        let mut oids: Vec<Oid> = named.iter().map(|one| one.oid).collect();
        oids.extend(named.iter().filter_map(|one| one.index));
        catalog.tables.insert(table.oid, Arc::new(table.clone()));
        for oid in &oids {
            assert!(*oid < 1 << 31);
            assert_eq!(catalog.table_of_derived(*oid).unwrap().oid, 100_007);
        }
        oids.sort_unstable();
        oids.dedup();
        assert_eq!(oids.len(), 7);
    }
}
