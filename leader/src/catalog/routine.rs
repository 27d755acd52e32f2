//! Functions and procedures: what the catalog keeps of them, and how a call finds the one it means.

use super::{Catalog, Oid};
use blueshift_sql::SqlType;
use blueshift_sql::binder::{SqlFunction, call_cost};
use blueshift_sql::statement::routine::{
    Argument, ArgumentMode, RoutineKind, RoutineType, RoutineVolatility,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A function or a procedure, kept as text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Routine {
    /// Its oid.
    pub oid: Oid,
    /// Its schema's oid.
    pub schema: Oid,
    /// Its name, which others of the schema may have with other arguments.
    pub name: String,
    /// The owner's oid.
    pub owner: Oid,
    /// Which.
    pub kind: RoutineKind,
    /// Its arguments in order.
    pub arguments: Vec<Argument>,
    /// What a function gives.
    pub returns: Option<SqlType>,
    /// What a function promises of its results.
    #[serde(default)]
    pub volatility: RoutineVolatility,
    /// Its text.
    pub body: String,
    /// NONATOMIC.
    #[serde(default)]
    pub nonatomic: bool,
    /// SECURITY DEFINER.
    #[serde(default)]
    pub security_definer: bool,
    /// SET: parameters and their values while it runs.
    #[serde(default)]
    pub settings: Vec<(String, Vec<String>)>,
}

impl Routine {
    /// Gives the types of the arguments a caller gives.
    pub fn inputs(&self) -> impl Iterator<Item = RoutineType> {
        let inputs = self.arguments.iter().filter(|one| one.mode.is_input());
        inputs.map(|argument| argument.ty)
    }

    /// Gives the arguments a caller gets.
    pub fn outputs(&self) -> impl Iterator<Item = &Argument> {
        self.arguments.iter().filter(|one| one.mode.is_output())
    }

    /// Tells whether a list of arguments, as DROP writes it, is the signature: input types alone, or all of them.
    pub fn is_named_by(&self, arguments: &[Argument]) -> bool {
        let signature = |types: &mut dyn Iterator<Item = RoutineType>| -> Vec<String> {
            types.map(RoutineType::signature).collect()
        };
        let given = arguments.iter().filter(|one| one.mode.is_input());
        let given = signature(&mut given.map(|argument| argument.ty));
        let whole = arguments.iter().map(|argument| argument.ty);
        given == signature(&mut self.inputs())
            || signature(&mut whole.into_iter())
                == signature(&mut self.arguments.iter().map(|one| one.ty))
    }

    /// Gives `name(types)`, as messages show a signature.
    pub fn signature(&self) -> String {
        let types: Vec<_> = self.inputs().map(RoutineType::signature).collect();
        format!("{}({})", self.name, types.join(", "))
    }

    /// Gives the arguments as SHOW PROCEDURE writes them.
    pub fn arguments_shown(&self) -> String {
        let shown = self.arguments.iter().map(|argument| {
            let mode = match argument.mode {
                ArgumentMode::In => "",
                ArgumentMode::Out => "OUT ",
                ArgumentMode::InOut => "INOUT ",
            };
            let name = argument.name.as_deref().map(super::name::quoted);
            let name = name.map_or_else(String::new, |name| format!("{name} "));
            format!("{mode}{name}{}", argument.ty.signature())
        });
        shown.collect::<Vec<_>>().join(", ")
    }

    /// Gives what the binder needs of a function.
    pub fn sql_function(&self) -> Option<SqlFunction> {
        Some(SqlFunction {
            name: self.name.clone(),
            arguments: self.inputs().map(RoutineType::sql).collect(),
            returns: self.returns?,
            volatility: self.volatility,
            body: self.body.clone(),
        })
    }

    /// Tells how well values of some types fit its inputs: 0 is exactly, `None` not at all.
    pub fn call_cost(&self, given: &[arrow_schema::DataType]) -> Option<u32> {
        let declared: Vec<_> = self.inputs().map(RoutineType::sql).collect();
        call_cost(&declared, given)
    }
}

impl Catalog {
    /// Finds the routines of a kind by schema and name.
    pub fn routines_named(&self, schema: Oid, name: &str, kind: RoutineKind) -> Vec<Arc<Routine>> {
        let oids = self.names.routines.get(&(schema, name.to_string()));
        let found = oids.into_iter().flatten();
        let found = found.filter_map(|oid| self.routines.get(oid));
        found
            .filter(|routine| routine.kind == kind)
            .cloned()
            .collect()
    }

    /// Gives the names of all routines of a kind, for "did you mean".
    pub fn routine_names(&self, kind: RoutineKind) -> impl Iterator<Item = &str> {
        let of_kind = self.routines.values().filter(move |one| one.kind == kind);
        of_kind.map(|routine| routine.name.as_str())
    }
}
