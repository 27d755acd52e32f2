//! Who may read and change what a statement names.

use super::{Named, SessionNames, from_engine, into_sql};
use crate::access::check;
use crate::catalog::name::Relation;
use crate::catalog::{Column, Oid, Table};
use blueshift_sql::statement::ObjectName;
use blueshift_sql::statement::dml::{Delete, Update};
use blueshift_sql::statement::grant::Privilege;
use blueshift_sql::{Error, Result, SqlState};
use datafusion::catalog::view::ViewTable;
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, TableSource};
use std::sync::Arc;

/// What a statement must be allowed to do with the table it changes.
#[derive(Clone, Copy)]
pub enum Right<'a> {
    /// This.
    To(Privilege),
    /// Any of these.
    ToAny(&'a [Privilege]),
    /// Change the columns it assigns, and read those it names.
    Update(&'a Update),
    /// Delete rows, and read the columns it names.
    Delete(&'a Delete),
    /// What owners do, and who holds this privilege or this system permission.
    OwnerOr(Option<Privilege>, &'static str),
    /// Nothing: the statement passes over what the user may not change.
    None,
}

impl SessionNames {
    /// Finds a table to write to; `right` is what the statement must be allowed to do with it.
    pub fn table_to_change(&self, name: &ObjectName, right: &Right<'_>) -> Result<Arc<Table>> {
        match self.find(name)? {
            Named::Relation(relation) => {
                self.check_right(&relation, right)?;
                match relation {
                    Relation::Table(table) => match table.view {
                        // VACUUM and the like leave the rows what they are.
                        Some(view) if !matches!(right, Right::OwnerOr(None, _)) => {
                            Err(self.kept_by(view, &table.name))
                        }
                        _ => Ok(table),
                    },
                    Relation::View(view) if view.rows_table().is_some() => Err(Error::new(
                        SqlState::WRONG_OBJECT_TYPE,
                        format!("\"{}\" is a materialized view", view.name),
                    )
                    .with_hint("Change the tables below it, then use REFRESH MATERIALIZED VIEW.")),
                    Relation::View(view) => Err(Error::new(
                        SqlState::WRONG_OBJECT_TYPE,
                        format!("\"{}\" is a view", view.name),
                    )
                    .with_hint("Change the tables below the view.")),
                }
            }
            Named::External(_, table) => {
                let refused = crate::statement::external::refused("A change", &table.name);
                Err(into_sql(refused))
            }
            Named::System(table) => Err(Error::new(
                SqlState::INSUFFICIENT_PRIVILEGE,
                format!(
                    "permission denied: \"{}\" is a system catalog",
                    table.name()
                ),
            )),
        }
    }

    /// The refusal to change a table that keeps the rows of a materialized view.
    pub(in crate::statement) fn kept_by(&self, view: Oid, table: &str) -> Error {
        let view = self.catalog().views.get(&view);
        let view = view.map_or("", |view| view.name.as_str());
        Error::new(
            SqlState::WRONG_OBJECT_TYPE,
            format!("table \"{table}\" keeps the rows of materialized view \"{view}\""),
        )
        .with_hint("Change the tables below the view, then use REFRESH MATERIALIZED VIEW.")
    }

    /// Checks that the user may do with a table what a statement is about to do.
    fn check_right(&self, relation: &Relation, right: &Right<'_>) -> Result<()> {
        let (catalog, user) = (self.catalog(), self.user());
        let has = |privilege| check::relation(catalog, user, relation, privilege);
        match right {
            Right::To(privilege) => has(*privilege),
            Right::ToAny(privileges) => {
                let tried = privileges.iter().map(|privilege| has(*privilege));
                tried
                    .reduce(Result::or)
                    .unwrap_or_else(|| Err(check::relation_denied(relation)))
            }
            Right::Update(update) => has(Privilege::Update)
                .or_else(|denied| {
                    let assigned = update.assignments.iter().map(|(name, _)| name.as_str());
                    match self.may_columns(relation, assigned, Privilege::Update) {
                        true => Ok(()),
                        false => Err(denied),
                    }
                })
                .and_then(|()| self.may_read_names(relation, || update.names_read())),
            Right::Delete(delete) => has(Privilege::Delete)
                .and_then(|()| self.may_read_names(relation, || delete.names_read())),
            Right::OwnerOr(privilege, system) => {
                check::owner_or(catalog, user, relation, *privilege, system)
            }
            Right::None => Ok(()),
        }
        .map_err(into_sql)
    }

    /// Checks that the user may read a relation, or those of its columns that a statement names.
    fn may_read_names(
        &self,
        relation: &Relation,
        named: impl FnOnce() -> Vec<String>,
    ) -> crate::Result<()> {
        let denied = match self.readable_columns(relation)? {
            None => return Ok(()),
            Some(_) => check::relation_denied(relation),
        };
        let named = named();
        let named = named.iter().map(String::as_str);
        match self.may_columns(relation, named, Privilege::Select) {
            true => Ok(()),
            false => Err(denied),
        }
    }

    /// Tells whether the user holds a privilege on each named column. Other names are not looked at: of them the binder
    /// will know.
    fn may_columns<'a>(
        &self,
        relation: &Relation,
        mut named: impl Iterator<Item = &'a str>,
        privilege: Privilege,
    ) -> bool {
        named.all(|name| {
            let mut columns = relation.columns().iter();
            columns.find(|one| one.name == name).is_none_or(|column| {
                self.catalog()
                    .column_privileges(self.user(), relation.into(), column.id)
                    .has(privilege)
            })
        })
    }

    /// Gives the columns of a relation that the user may read, if it is not all of them.
    pub(super) fn readable_columns(&self, relation: &Relation) -> Result<Option<Vec<String>>> {
        if self.may_look_up(relation) {
            return Ok(None);
        }
        let (catalog, user) = (self.catalog(), self.user());
        let Err(denied) = check::relation(catalog, user, relation, Privilege::Select) else {
            return Ok(None);
        };
        let may_read = |column: &&Column| {
            let held = catalog.column_privileges(user, relation.into(), column.id);
            held.has(Privilege::Select)
        };
        let columns = relation.columns().iter().filter(may_read);
        let columns: Vec<_> = columns.map(|column| column.name.clone()).collect();
        match columns.is_empty() {
            true => Err(into_sql(denied)),
            false => Ok(Some(columns)),
        }
    }

    /// Gives a relation without the columns that the user may not read: `SELECT *` leaves them out, as Redshift does.
    pub(super) fn narrowed(
        &self,
        relation: &Relation,
        source: Arc<dyn TableSource>,
        columns: &[String],
    ) -> Result<Arc<dyn TableSource>> {
        let hidden = relation.columns().iter();
        let hidden = hidden.filter(|column| !columns.contains(&column.name));
        let hidden = hidden.map(|column| (column.name.clone(), relation.name().to_string()));
        crate::history::lock(&self.hidden).extend(hidden);
        let columns = columns
            .iter()
            .map(|name| Expr::Column(datafusion::common::Column::new(Some("rows"), name.as_str())));
        let plan = LogicalPlanBuilder::scan("rows", source, None)
            .and_then(|scan| scan.project(columns.collect::<Vec<_>>()))
            .and_then(LogicalPlanBuilder::build)
            .map_err(from_engine)?;
        Ok(provider_as_source(Arc::new(ViewTable::new(plan, None))))
    }

    /// Names a relation some of whose columns the user may not read, if one was named so far.
    pub fn narrowed_relation(&self) -> Option<String> {
        let hidden = crate::history::lock(&self.hidden);
        hidden.first().map(|(_, relation)| relation.clone())
    }
}
