//! What policies make of a relation for who reads it: the one place between a name and its rows.
//!
//! Row policies come first, then masks, and over both a wall ([`SecureScan`]) that keeps a user's conditions from
//! being looked at before them. They hold for who asks, also inside views, whose other rights are their owner's; a
//! policy itself looks things up with its own rights, and there no mask holds. Source: the manual's "Using RLS policies
//! in SQL statements" and "Dynamic data masking".

use super::{SessionNames, from_engine};
use crate::catalog::name::Relation;
use crate::catalog::policy::{AttachedMask, Policy, Protection};
use crate::catalog::{Column, Oid, Table, User, View};
use crate::planner::rule::secure_scan::SecureScan;
use crate::system::SystemContext;
use blueshift_compute::operator::secure::Protected;
use blueshift_compute::scan::StoredTable;
use blueshift_sql::binder::{self, KEPT_OF, POLICY_RELATION};
use blueshift_sql::statement::grant::{EXPLAIN_MASKING, EXPLAIN_RLS};
use blueshift_sql::{Error, Result, SqlState, SqlType};
use blueshift_storage::store::version::TableVersion;
use datafusion::catalog::view::ViewTable;
use datafusion::common::metadata::FieldMetadata;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column as Named, TableReference};
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, TableSource, cast, lit};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Which tables a policy may read whoever asks.
#[derive(Clone)]
pub(super) enum Lookups {
    /// All: it is being made by who may make policies.
    All,
    /// These.
    Granted(Vec<Oid>),
}

/// Masks, each with the places of its values that are shown, and in which columns.
type Masks<'a> = Vec<(&'a AttachedMask, Vec<(usize, &'a Column)>)>;

/// A table whose rows are changed.
pub struct TargetSource {
    /// Its rows that the user sees, with their ids.
    pub source: Arc<dyn TableSource>,
    /// What is stored.
    pub version: Arc<TableVersion>,
}

impl SessionNames {
    /// Gives the rows of a table that a statement may change: those that the user may see, with their ids.
    pub fn target_source(&self, table: &Arc<Table>) -> Result<TargetSource> {
        let stored = self.stored_table(table, true)?;
        let version = stored.version.clone();
        let source = provider_as_source(Arc::new(stored));
        let relation = Relation::Table(Arc::clone(table));
        Ok(TargetSource {
            source: self.behind_policies(&relation, source, true)?,
            version,
        })
    }

    /// Gives the rows and values of a relation that the user may see.
    pub(super) fn protected(
        &self,
        relation: &Relation,
        source: Arc<dyn TableSource>,
    ) -> Result<Arc<dyn TableSource>> {
        if self.catalog().protections.is_empty() {
            return Ok(source);
        }
        if let Relation::Table(table) = relation
            && let Some(view) = table.view
        {
            self.ensure_whole(&[view], &table.name)?;
        }
        self.behind_policies(relation, source, false)
    }

    /// Refuses to show rows that a materialized view keeps to who may not see all that they were made of.
    pub(super) fn ensure_whole(&self, below: &[Oid], name: &str) -> Result<()> {
        match self.catalog().kept_below(below, &self.reader) {
            Some(protected) => Err(keeps_protected(name, &protected)),
            None => Ok(()),
        }
    }

    /// With `keeps`, what is masked is there unmasked too, for the new row of an UPDATE, under names nobody can guess.
    fn behind_policies(
        &self,
        relation: &Relation,
        source: Arc<dyn TableSource>,
        keeps: bool,
    ) -> Result<Arc<dyn TableSource>> {
        let catalog = self.catalog();
        let Some(protection) = catalog.protections.get(&relation.oid()) else {
            return Ok(source);
        };
        if self.lookups.is_some() {
            // Masks are for who asks; a policy is asked by nobody.
            return match protection.is_on {
                true => Err(not_in_policies(relation.name())),
                false => Ok(source),
            };
        }
        let hides = protection.is_on && !catalog.ignores_row_policies(&self.reader);
        let masks = self.masks(relation, protection);
        if !hides && masks.is_empty() {
            return Ok(source);
        }
        if hides && self.is_elsewhere {
            return Err(Error::new(
                SqlState::INSUFFICIENT_PRIVILEGE,
                format!(
                    "RLS-protected relation \"{}\" cannot be accessed via cross-database query.",
                    relation.name()
                ),
            )
            .with_hint("Connect to its database, or ask for the permission IGNORE RLS."));
        }
        let relation_name = TableReference::bare(POLICY_RELATION);
        let mut rows = LogicalPlanBuilder::scan(relation_name, Arc::clone(&source), None)
            .map_err(from_engine)?;
        if hides {
            let condition = self.row_condition(relation, protection, &source)?;
            rows = rows.filter(condition).map_err(from_engine)?;
        }
        let masked: Vec<&Column> = masks
            .iter()
            .flat_map(|(_, places)| places)
            .map(|(_, column)| *column)
            .collect();
        if !masked.is_empty() {
            let shown = self.shown(relation, &source, &masks, keeps)?;
            rows = rows.project(shown).map_err(from_engine)?;
        }
        let may = |privilege| catalog.has_system_privilege(&self.reader, privilege);
        let policies = match hides {
            true => catalog.row_policies(protection, &self.reader),
            false => Vec::new(),
        };
        let schema = catalog.schemas.get(&relation.schema());
        let protected = Protected {
            oid: relation.oid(),
            schema: schema.map_or_else(String::new, |schema| schema.name.clone()),
            table: relation.name().to_owned(),
            keeps_rows: hides,
            policies: policies.iter().map(|policy| policy.name.clone()).collect(),
            is_shown: (!hides || may(EXPLAIN_RLS)) && (masked.is_empty() || may(EXPLAIN_MASKING)),
        };
        let secure = SecureScan {
            protected: Arc::new(protected),
            masked: masked.iter().map(|column| column.name.clone()).collect(),
            input: rows.build().map_err(from_engine)?,
        };
        let table = ViewTable::new(secure.into_plan(), None);
        Ok(provider_as_source(Arc::new(table)))
    }

    /// Gives the masks that the user sees.
    fn masks<'a>(&self, relation: &'a Relation, protection: &'a Protection) -> Masks<'a> {
        let mut found: Masks<'_> = Vec::new();
        for column in relation.columns() {
            let masks = self.catalog().masks_of(protection, &self.reader, column.id);
            for (mask, place) in masks {
                match found
                    .iter_mut()
                    .find(|(known, _)| std::ptr::eq(*known, mask))
                {
                    Some((_, places)) => places.push((place, column)),
                    None => found.push((mask, vec![(place, column)])),
                }
            }
        }
        found
    }

    /// Binds what a row must hold to be seen. Without a policy for the user no row is.
    fn row_condition(
        &self,
        relation: &Relation,
        protection: &Protection,
        source: &Arc<dyn TableSource>,
    ) -> Result<Expr> {
        let mut all: Option<Expr> = None;
        for policy in self.catalog().row_policies(protection, &self.reader) {
            let inner = self.inside_policy(policy);
            let condition =
                binder::bind_row_policy(&inner, Arc::clone(source), &policy.alias, &policy.text)
                    .map_err(|error| of_policy(policy, relation.name(), error))?;
            all = Some(match all {
                None => condition,
                Some(before) if protection.any => before.or(condition),
                Some(before) => before.and(condition),
            });
        }
        Ok(all.unwrap_or_else(|| lit(false)))
    }

    /// Gives the columns of a relation, with masks in the place of some.
    fn shown(
        &self,
        relation: &Relation,
        source: &Arc<dyn TableSource>,
        masks: &Masks<'_>,
        keeps: bool,
    ) -> Result<Vec<Expr>> {
        let schema = source.schema();
        let mut values: BTreeMap<&str, Expr> = BTreeMap::new();
        let column_of = |name: &str| {
            let relation = Some(TableReference::bare(POLICY_RELATION));
            Expr::Column(Named::new(relation, name))
        };
        for (mask, places) in masks {
            let Some(policy) = self.catalog().policies.get(&mask.policy) else {
                return Err(missing(relation.name()));
            };
            let bound = self
                .mask_values(relation, source, policy, mask)
                .map_err(|error| of_policy(policy, relation.name(), error))?;
            for (place, column) in places {
                let (value, _) = bound.get(*place).ok_or_else(|| missing(relation.name()))?;
                let path = mask.shown().nth(*place).map_or(&[][..], |(_, path)| path);
                let value = match path.is_empty() {
                    true => cast(value.clone(), column.ty.arrow()),
                    false => {
                        let before = values.remove(column.name.as_str());
                        let before = before.unwrap_or_else(|| column_of(&column.name));
                        binder::super_with(before, path, value.clone())
                    }
                };
                values.insert(&column.name, value);
            }
        }
        let mut shown = Vec::with_capacity(schema.fields().len() + values.len());
        for field in schema.fields() {
            let column = column_of(field.name());
            let Some(value) = values.remove(field.name().as_str()) else {
                shown.push(column);
                continue;
            };
            let notes = FieldMetadata::from(field.metadata());
            shown.push(value.alias_with_metadata(field.name(), Some(notes)));
            if keeps {
                let mut notes = field.metadata().clone();
                notes.insert(KEPT_OF.to_owned(), field.name().clone());
                let name = format!("{:032x} {}", rand::random::<u128>(), field.name());
                let notes = Some(FieldMetadata::from(&notes));
                shown.push(column.alias_with_metadata(name, notes));
            }
        }
        Ok(shown)
    }

    /// Binds the values of a mask, computed from columns of a relation or parts of them.
    fn mask_values(
        &self,
        relation: &Relation,
        source: &Arc<dyn TableSource>,
        policy: &Policy,
        mask: &AttachedMask,
    ) -> Result<Vec<(Expr, SqlType)>> {
        let rows = LogicalPlanBuilder::scan(
            TableReference::bare(POLICY_RELATION),
            Arc::clone(source),
            None,
        )
        .map_err(from_engine)?;
        let mut known: BTreeMap<&str, Expr> = BTreeMap::new();
        for ((id, path), (name, ty)) in mask.read().zip(&policy.columns) {
            let mut columns = relation.columns().iter();
            let column = columns.find(|column| column.id == id);
            let column = column.ok_or_else(|| missing(relation.name()))?;
            let value = Expr::Column(Named::new(
                Some(TableReference::bare(POLICY_RELATION)),
                &column.name,
            ));
            let value = match column.ty.arrow() == ty.arrow() {
                _ if !path.is_empty() => binder::super_part(value, path, *ty, rows.schema()),
                true => value,
                false => cast(value, ty.arrow()),
            };
            known.insert(name, value);
        }
        let named = known.iter().map(|(name, value)| {
            let ty = policy.columns.iter().find(|(other, _)| other == name);
            let notes = ty.map(|(_, ty)| FieldMetadata::from(ty.field(*name, true).metadata()));
            value.clone().alias_with_metadata(*name, notes)
        });
        let rows = rows
            .project(named.collect::<Vec<_>>())
            .and_then(LogicalPlanBuilder::build)
            .map_err(from_engine)?;
        let rows = provider_as_source(Arc::new(ViewTable::new(rows, None)));
        let values = binder::bind_mask_policy(&self.inside_policy(policy), rows, &policy.text)?;
        let over_table = |value: Expr| {
            let put = value.transform(|part| match &part {
                Expr::Column(column)
                    if column.relation.as_ref().map(TableReference::table)
                        == Some(POLICY_RELATION) =>
                {
                    Ok(match known.get(column.name.as_str()) {
                        Some(value) => Transformed::yes(value.clone()),
                        None => Transformed::no(part),
                    })
                }
                _ => Ok(Transformed::no(part)),
            });
            put.map(|put| put.data).map_err(from_engine)
        };
        values
            .into_iter()
            .map(|(value, ty)| Ok((over_table(value)?, ty)))
            .collect()
    }

    /// Makes the resolver of the names inside a policy.
    fn inside_policy(&self, policy: &Policy) -> Self {
        let path = policy
            .search_path
            .iter()
            .filter_map(|name| self.catalog().schema_named(name));
        let system = SystemContext {
            user: Arc::clone(&self.reader),
            search_path: path.map(|schema| schema.oid).collect(),
            ..self.system.as_ref().clone()
        };
        Self {
            lookups: Some(Lookups::Granted(policy.granted.clone())),
            ..self.with_system(Arc::new(system), Some(policy.sources.clone().into()))
        }
    }

    /// Makes the resolver of a policy that is being made: it may look things up in any table.
    pub fn for_new_policy(&self) -> Self {
        Self {
            lookups: Some(Lookups::All),
            ..self.with_system(Arc::clone(&self.system), None)
        }
    }

    /// Makes a resolver for which the one who asks is another, as the owner of what is refreshed.
    pub(super) fn read_by(self, reader: Arc<User>) -> Self {
        Self { reader, ..self }
    }

    /// Tells whether the policy whose text this resolver is for may read a table whoever asks.
    pub(super) fn may_look_up(&self, relation: &Relation) -> bool {
        match &self.lookups {
            None => false,
            Some(Lookups::All) => true,
            Some(Lookups::Granted(tables)) => tables.contains(&relation.oid()),
        }
    }

    /// Refuses what a policy cannot look things up in; outside policies all is well.
    pub(super) fn ensure_lookup(&self, relation: Option<&Relation>, name: &str) -> Result<()> {
        if self.lookups.is_none() {
            return Ok(());
        }
        let what = match relation {
            None => "catalog table",
            Some(Relation::View(view)) if view.rows_table().is_none() => "view",
            Some(found) if self.is_temporary(found.schema()) => "temporary table",
            Some(_) => return Ok(()),
        };
        Err(Error::unsupported(
            format!("{what} \"{name}\" in a policy"),
            "Look things up in a table or a materialized view of this database.",
        ))
    }

    fn is_temporary(&self, schema: Oid) -> bool {
        let schema = self.catalog().schemas.get(&schema);
        schema.is_some_and(|schema| schema.name.starts_with(crate::server::TEMP_SCHEMA_PREFIX))
    }

    /// Binds the values of a masking policy over columns of a table, to learn their types.
    pub fn mask_types(
        &self,
        relation: &Relation,
        policy: &Policy,
        mask: &AttachedMask,
    ) -> Result<Vec<(Expr, SqlType)>> {
        let Relation::Table(table) = relation else {
            return Err(missing(relation.name()));
        };
        let source = provider_as_source(Arc::new(self.stored_table(table, false)?));
        self.mask_values(relation, &source, policy, mask)
    }

    /// Refuses a materialized view that would keep rows which its owner may not see all of.
    pub fn ensure_may_keep(&self, view: &View) -> Result<()> {
        let owner = self.catalog().users.get(&view.owner);
        let kept = owner.and_then(|owner| self.catalog().kept_below(&view.depends_on, owner));
        match kept {
            Some(protected) => Err(keeps_protected(&view.name, &protected)),
            None => Ok(()),
        }
    }

    /// Gives a stored table as a source, without what protects it, for the server's own work.
    pub(super) fn unprotected(&self, table: &Table) -> Result<Arc<dyn TableSource>> {
        let stored: StoredTable = self.stored_table(table, false)?;
        Ok(provider_as_source(Arc::new(stored)))
    }
}

fn missing(relation: &str) -> Error {
    Error::new(
        SqlState::INTERNAL_ERROR,
        format!("what masks relation \"{relation}\" is not there"),
    )
}

fn not_in_policies(relation: &str) -> Error {
    Error::unsupported(
        format!("RLS-protected relation \"{relation}\" in a policy"),
        "Look things up in a table without row-level security.",
    )
}

fn keeps_protected(view: &str, relation: &str) -> Error {
    Error::new(
        SqlState::INSUFFICIENT_PRIVILEGE,
        format!(
            "materialized view \"{view}\" keeps rows of relation \"{relation}\", which is protected by policies"
        ),
    )
    .with_hint("Query the relation itself, or ask for the permission IGNORE RLS.")
}

/// An error in the text of a policy has no place in the text of the user.
fn of_policy(policy: &Policy, relation: &str, error: Error) -> Error {
    let kind = policy.kind().words();
    Error {
        position: None,
        detail: error.detail.clone().or_else(|| {
            Some(format!(
                "It comes from {kind} \"{}\" on relation \"{relation}\".",
                policy.name
            ))
        }),
        ..error
    }
}
