//! The tree of a procedure.

use super::template::Template;
use crate::statement::ObjectName;
use crate::statement::routine::{Argument, RoutineType};
use serde::{Deserialize, Serialize};

/// A procedure as parsed.
#[derive(Clone, Debug)]
pub struct Procedure {
    /// Its arguments.
    pub arguments: Vec<Argument>,
    /// Its body.
    pub block: Block,
}

/// `[<<label>>] [DECLARE ...] BEGIN ... [EXCEPTION WHEN OTHERS THEN ...] END`.
#[derive(Clone, Debug)]
pub struct Block {
    /// Its label.
    pub label: Option<String>,
    /// Its variables.
    pub declarations: Vec<Declaration>,
    /// What it does.
    pub steps: Vec<Step>,
    /// What it does after an error.
    pub handler: Option<Vec<Step>>,
}

/// A variable of a block.
#[derive(Clone, Debug)]
pub struct Declaration {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub line: usize,
    /// CONSTANT.
    pub is_constant: bool,
    /// NOT NULL.
    pub is_not_null: bool,
    /// What it holds.
    pub ty: DeclaredType,
    /// Its value at first.
    pub default: Option<Template>,
}

/// What a variable holds.
#[derive(Clone, Debug)]
pub enum DeclaredType {
    /// A value of a named type.
    Of(RoutineType),
    /// A row of any shape.
    Record,
    /// `table%ROWTYPE`.
    RowOf(ObjectName),
    /// `table.column%TYPE`, `variable%TYPE`.
    LikeColumn(Vec<String>),
    /// `ALIAS FOR name`.
    Alias(String),
    /// `CURSOR [(arguments)] FOR query`.
    Cursor(BoundCursor),
}

/// The query of a cursor variable.
#[derive(Clone, Debug)]
pub struct BoundCursor {
    /// Names in the query that OPEN gives values for.
    pub arguments: Vec<(String, RoutineType)>,
    /// The query.
    pub query: Template,
}

/// One statement of a procedure.
#[derive(Clone, Debug)]
pub struct Step {
    /// The line of the body it begins on, from 1.
    pub line: usize,
    /// What it is.
    pub kind: StepKind,
}

/// The variable that gets a value: `name`, `label.name`, `record.field`, `$1`.
pub(super) type Target = Vec<String>;

/// The conditions and the steps of an arm of IF or CASE.
pub(super) type Arm = (Vec<Template>, Vec<Step>);

/// Every statement of the language.
#[derive(Clone, Debug)]
pub enum StepKind {
    /// A block inside.
    Block(Block),
    /// NULL.
    Nothing,
    /// `target := value`.
    Assign { target: Target, value: Template },
    /// A statement of SQL; `into` gets its first row.
    Sql {
        text: Template,
        into: Option<Vec<Target>>,
    },
    /// PERFORM: a query whose rows nobody wants.
    Perform(Template),
    /// `EXECUTE command [INTO targets]`.
    Execute {
        command: Template,
        into: Option<Vec<Target>>,
    },
    /// `CALL name (arguments)`; an argument that is a variable may get a value.
    Call {
        name: ObjectName,
        arguments: Vec<(Template, Option<Target>)>,
    },
    /// IF.
    If {
        arms: Vec<Arm>,
        otherwise: Vec<Step>,
    },
    /// CASE.
    Case {
        operand: Option<Template>,
        arms: Vec<Arm>,
        otherwise: Option<Vec<Step>>,
    },
    /// LOOP; WHILE has a condition.
    Loop {
        label: Option<String>,
        condition: Option<Template>,
        steps: Vec<Step>,
    },
    /// `FOR variable IN [REVERSE] from .. to LOOP`.
    ForRange {
        label: Option<String>,
        variable: String,
        is_reverse: bool,
        from: Template,
        to: Template,
        steps: Vec<Step>,
    },
    /// `FOR targets IN query | EXECUTE command LOOP`.
    ForRows {
        label: Option<String>,
        targets: Vec<Target>,
        query: QueryText,
        steps: Vec<Step>,
    },
    /// EXIT and CONTINUE.
    Jump {
        is_exit: bool,
        label: Option<String>,
        when: Option<Template>,
    },
    /// RETURN.
    Return,
    /// RAISE.
    Raise {
        level: Level,
        format: String,
        arguments: Vec<Template>,
    },
    /// RAISE alone.
    RaiseAgain,
    /// `GET DIAGNOSTICS target := ROW_COUNT`.
    RowCount(Vec<Target>),
    /// OPEN.
    Open { cursor: Target, query: OpenQuery },
    /// `FETCH cursor INTO targets`.
    Fetch {
        cursor: Target,
        targets: Vec<Target>,
    },
    /// CLOSE.
    Close(Target),
    /// COMMIT.
    Commit,
    /// ROLLBACK.
    Rollback,
    /// START TRANSACTION.
    StartTransaction,
}

/// A query as written, or an expression that gives its text.
#[derive(Clone, Debug)]
pub enum QueryText {
    /// As written.
    Static(Template),
    /// EXECUTE.
    Dynamic(Template),
}

/// What OPEN opens.
#[derive(Clone, Debug)]
pub enum OpenQuery {
    /// The cursor's own query, with values for its arguments.
    Bound(Vec<Template>),
    /// `FOR query`, `FOR EXECUTE command`.
    Free(QueryText),
}

/// How grave a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
pub enum Level {
    /// LOG.
    Log,
    /// INFO.
    Info,
    /// NOTICE.
    Notice,
    /// WARNING.
    Warning,
    /// EXCEPTION: ends the procedure.
    Exception,
}

impl Level {
    /// Every level, least grave first.
    pub const ALL: [Self; 5] = [
        Self::Log,
        Self::Info,
        Self::Notice,
        Self::Warning,
        Self::Exception,
    ];

    /// Gives its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Log => "LOG",
            Self::Info => "INFO",
            Self::Notice => "NOTICE",
            Self::Warning => "WARNING",
            Self::Exception => "EXCEPTION",
        }
    }

    /// Gives its number in SVL_STORED_PROC_MESSAGES.
    pub fn number(self) -> i32 {
        match self {
            Self::Log => 20,
            Self::Info => 30,
            Self::Notice => 40,
            Self::Warning => 50,
            Self::Exception => 60,
        }
    }
}

impl StepKind {
    /// Gives the words an error's context has for it.
    pub fn words(&self) -> &'static str {
        match self {
            Self::Block(_) => "block",
            Self::Nothing => "null",
            Self::Assign { .. } => "assignment",
            Self::Sql { into: Some(_), .. } => "select into variables",
            Self::Sql { .. } | Self::Call { .. } => "SQL statement",
            Self::Perform(_) => "perform",
            Self::Execute { .. } => "execute statement",
            Self::If { .. } => "if",
            Self::Case { .. } => "case",
            Self::Loop {
                condition: None, ..
            } => "loop",
            Self::Loop { .. } => "while",
            Self::ForRange { .. } => "for with integer loopvar",
            Self::ForRows {
                query: QueryText::Static(_),
                ..
            } => "for over select rows",
            Self::ForRows { .. } => "for over execute statement",
            Self::Jump { is_exit: true, .. } => "exit",
            Self::Jump { .. } => "continue",
            Self::Return => "return",
            Self::Raise { .. } | Self::RaiseAgain => "raise",
            Self::RowCount(_) => "get diagnostics",
            Self::Open { .. } => "open",
            Self::Fetch { .. } => "fetch",
            Self::Close(_) => "close",
            Self::Commit => "commit",
            Self::Rollback => "rollback",
            Self::StartTransaction => "start transaction",
        }
    }
}
