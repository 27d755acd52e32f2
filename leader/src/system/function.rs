//! What the catalogs show of functions: names, oids, arguments, results.

use super::{SystemContext, name_hash};
use arrow_schema::{DataType, Field, FieldRef};
use blueshift_sql::SqlType;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF, Signature, TypeSignature, WindowUDF};
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

/// Overloads shown of one function; the engine would take more forms of some than anybody reads.
const OVERLOADS_MAX: usize = 6;
/// Oids of functions: above those of other catalogs' rows, below 2^30.
const FIRST_OID: u32 = 1 << 29;

/// One overload of a function.
#[derive(Clone, Debug, PartialEq)]
pub struct FunctionFacts {
    /// Its oid, which follows from name and arguments.
    pub oid: u32,
    /// Its name.
    pub name: String,
    /// `f`, `a` or `w`: plain, aggregate, window.
    pub kind: &'static str,
    /// The types of its arguments; `None` is any.
    pub arguments: Vec<Option<SqlType>>,
    /// The type of its result; `None` follows the arguments.
    pub returns: Option<SqlType>,
    /// Whether it gives the same for the same arguments.
    pub is_immutable: bool,
}

impl FunctionFacts {
    /// Gives the types of its arguments as text.
    pub fn arguments_shown(&self) -> String {
        let shown: Vec<_> = self.arguments.iter().map(|ty| shown(*ty)).collect();
        shown.join(", ")
    }

    /// Gives the type of its result as text.
    pub fn result_shown(&self) -> String {
        shown(self.returns)
    }
}

/// A type without its length; any type is `"any"`.
fn shown(ty: Option<SqlType>) -> String {
    ty.map_or_else(
        || "\"any\"".to_string(),
        |ty| {
            let shown = ty.display();
            shown.split('(').next().unwrap_or_default().to_string()
        },
    )
}

/// Functions of sessions, told once by the layer that has them.
static OF_SESSIONS: OnceLock<Vec<FunctionFacts>> = OnceLock::new();
/// Every function.
static ALL: OnceLock<Vec<FunctionFacts>> = OnceLock::new();

/// Takes the functions of a session into the catalogs; they are the same for every session.
pub fn tell(functions: &HashMap<String, Arc<ScalarUDF>>) {
    OF_SESSIONS.get_or_init(|| {
        let mut facts: Vec<_> = functions
            .values()
            .flat_map(|function| scalar(function))
            .collect();
        facts.sort_by(|left, right| left.name.cmp(&right.name));
        facts
    });
}

/// Gives every function that a statement may call.
pub fn all(ctx: &SystemContext) -> &'static [FunctionFacts] {
    ALL.get_or_init(|| {
        let state = crate::planner::context::session_state(&ctx.server.node);
        let mut all: Vec<FunctionFacts> = OF_SESSIONS.get().cloned().unwrap_or_default();
        let of_engine = state.scalar_functions().values();
        all.extend(of_engine.flat_map(|function| scalar(function)));
        let aggregates = state.aggregate_functions().values();
        all.extend(aggregates.flat_map(|function| aggregate(function)));
        let windows = state.window_functions().values();
        all.extend(windows.flat_map(|function| window(function)));
        all.sort_by(|left, right| (&left.name, left.oid).cmp(&(&right.name, right.oid)));
        // Aliases lead to the same function.
        all.dedup_by_key(|facts| facts.oid);
        all
    })
}

fn scalar(function: &ScalarUDF) -> Vec<FunctionFacts> {
    overloads(function.name(), "f", function.signature(), |arguments| {
        function.return_type(arguments).ok()
    })
}

fn aggregate(function: &AggregateUDF) -> Vec<FunctionFacts> {
    overloads(function.name(), "a", function.signature(), |arguments| {
        function.return_type(arguments).ok()
    })
}

fn window(function: &WindowUDF) -> Vec<FunctionFacts> {
    overloads(function.name(), "w", function.signature(), |arguments| {
        let fields: Vec<FieldRef> = arguments
            .iter()
            .map(|ty| Arc::new(Field::new("argument", ty.clone(), true)))
            .collect();
        let field = function.field(datafusion::logical_expr::function::WindowUDFFieldArgs::new(
            &fields, "result",
        ));
        field.ok().map(|field| field.data_type().clone())
    })
}

fn known(ty: &DataType) -> Option<SqlType> {
    Some(SqlType::from_arrow(ty)).filter(|ty| *ty != SqlType::Unknown)
}

/// Makes the overloads of a function from examples of what its signature takes.
fn overloads(
    name: &str,
    kind: &'static str,
    signature: &Signature,
    returns: impl Fn(&[DataType]) -> Option<DataType>,
) -> Vec<FunctionFacts> {
    // What only the binder writes is no function of the user's.
    if name.starts_with("blueshift_") {
        return Vec::new();
    }
    let mut found: Vec<FunctionFacts> = Vec::new();
    let mut add = |arguments: Vec<Option<SqlType>>, returns: Option<SqlType>| {
        let shown = arguments.iter().map(|ty| shown(*ty)).collect::<Vec<_>>();
        let shown = shown.join(",");
        let facts = FunctionFacts {
            oid: FIRST_OID + name_hash(&[name, &shown]) % FIRST_OID,
            name: name.to_string(),
            kind,
            arguments,
            returns,
            is_immutable: signature.volatility == datafusion::logical_expr::Volatility::Immutable,
        };
        let is_new = !found.iter().any(|other| other.oid == facts.oid);
        if is_new && found.len() < OVERLOADS_MAX {
            found.push(facts);
        }
    };
    for arguments in signature.type_signature.get_example_types() {
        let types: Option<Vec<_>> = arguments.iter().map(known).collect();
        let (Some(types), Some(result)) = (types, returns(&arguments)) else {
            continue;
        };
        add(types.into_iter().map(Some).collect(), known(&result));
    }
    for count in any_counts(&signature.type_signature) {
        let result = returns(&vec![DataType::Int64; count]);
        add(vec![None; count], result.as_ref().and_then(known));
    }
    if found.is_empty() {
        // It looks at its arguments itself, and some of the engine's fail badly on arguments they do not take.
        return vec![FunctionFacts {
            oid: FIRST_OID + name_hash(&[name, "any"]) % FIRST_OID,
            name: name.to_string(),
            kind,
            arguments: vec![None],
            returns: None,
            is_immutable: signature.volatility == datafusion::logical_expr::Volatility::Immutable,
        }];
    }
    found
}

/// The counts of arguments of any type that a signature takes.
fn any_counts(signature: &TypeSignature) -> Vec<usize> {
    match signature {
        TypeSignature::Any(count) => vec![*count],
        TypeSignature::Nullary => vec![0],
        TypeSignature::OneOf(several) => several.iter().flat_map(any_counts).collect(),
        _ => Vec::new(),
    }
}
