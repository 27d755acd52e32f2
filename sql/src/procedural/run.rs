//! Runs the tree of a procedure.

mod assign;
mod branch;
mod command;
mod cursor;

use super::syntax::{
    Arm, Block, Declaration, DeclaredType, Level, OpenQuery, Procedure, QueryText, Step, StepKind,
    Target,
};
use super::template::Template;
use super::value::{Row, Value, quote};
use super::variable::{Content, Place, Scope, Variable, not_assigned, null_row};
use crate::error::{Error, Result};
use crate::sqlstate::SqlState;
use crate::statement::ObjectName;
use crate::statement::routine::RoutineType;
use crate::types::SqlType;
use std::pin::Pin;
use std::task::Poll;

/// Something that is being done.
pub type Work<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// Steps between two moments at which a call can be canceled.
const STEPS_AT_ONCE: u32 = 64;

/// Rows of a query, one at a time.
pub trait Rows: Send {
    /// Gives the next row; `None` at the end.
    fn next(&mut self) -> Work<'_, Option<Row>>;
}

/// What a query gives first.
#[derive(Clone, Debug)]
pub struct First {
    /// The names and types of its columns.
    pub columns: Vec<(String, SqlType)>,
    /// Its first row, if it has any.
    pub row: Option<Row>,
}

/// What a procedure asks of the session it runs in.
pub trait Runner: Send {
    /// Tells whether each statement commits by itself.
    fn is_nonatomic(&self) -> bool;
    /// Computes an expression, and assigns it to `ty` if one is given. A plain one means the same at any time.
    fn evaluate<'a>(
        &'a mut self,
        expression: &'a str,
        ty: Option<SqlType>,
        is_plain: bool,
    ) -> Work<'a, Value>;
    /// Runs a statement and counts the rows it changed; `None` is a query, whose rows nobody wants unless `discard`.
    fn execute<'a>(&'a mut self, text: &'a str, discard: bool) -> Work<'a, Option<u64>>;
    /// Runs a query for its first row.
    fn first<'a>(&'a mut self, text: &'a str) -> Work<'a, First>;
    /// Runs a query for all its rows.
    fn rows<'a>(&'a mut self, text: &'a str) -> Work<'a, Box<dyn Rows>>;
    /// Opens a cursor.
    fn open<'a>(&'a mut self, name: &'a str, text: &'a str) -> Work<'a, ()>;
    /// Gives the next row of a cursor.
    fn fetch<'a>(&'a mut self, name: &'a str) -> Work<'a, First>;
    /// Closes a cursor.
    fn close(&mut self, name: &str) -> Result<()>;
    /// Calls a procedure; gives its results with the index of the argument each belongs to.
    fn call<'a>(
        &'a mut self,
        name: &'a ObjectName,
        arguments: Vec<Value>,
    ) -> Work<'a, Vec<(usize, Value)>>;
    /// Finds the type of a column: `[schema.]table.column`.
    fn column_type(&mut self, parts: &[String]) -> Result<SqlType>;
    /// Finds the columns of a table.
    fn row_type(&mut self, name: &ObjectName) -> Result<Vec<(String, SqlType)>>;
    /// Tells a message.
    fn tell(&mut self, level: Level, message: String, line: usize) -> Result<()>;
    /// COMMIT: what comes next is in a new transaction.
    fn commit(&mut self) -> Work<'_, ()>;
    /// ROLLBACK: what comes next is in a new transaction.
    fn rollback(&mut self) -> Work<'_, ()>;
    /// START TRANSACTION.
    fn start(&mut self) -> Work<'_, ()>;
    /// Takes back all of the transaction after an error.
    fn abandon(&mut self) -> Work<'_, ()>;
    /// Commits what a handler did after an error.
    fn settle(&mut self) -> Work<'_, ()>;
}

/// How a list of steps ended.
enum Flow {
    Next,
    Exit(Option<String>),
    Continue(Option<String>),
    Return,
}

/// Runs a procedure with values for its input arguments. Gives the output arguments in order.
pub fn run<'a, R: Runner>(
    runner: &'a mut R,
    name: &'a str,
    procedure: &'a Procedure,
    inputs: Vec<Value>,
) -> Work<'a, Vec<Value>> {
    Box::pin(async move {
        let mut call = Call {
            runner,
            name,
            scope: Scope::default(),
            found: 0,
            row_count: 0,
            caught: Vec::new(),
            is_noted: false,
            steps: 0,
            line: 0,
            portals: 0,
        };
        call.scope.enter(Some(name.to_owned()));
        let arguments = call.declare_arguments(procedure, inputs)?;
        // An argument may be declared anew in the block.
        call.block(&procedure.block).await?;
        let outputs = procedure.arguments.iter().zip(arguments);
        let outputs = outputs.filter(|(argument, _)| argument.mode.is_output());
        let values = outputs.map(|(_, index)| {
            let value = call.scope.value(Place::Whole(index))?;
            value.cloned().ok_or_else(|| lost(name))
        });
        values.collect()
    })
}

struct Call<'a, R> {
    runner: &'a mut R,
    name: &'a str,
    scope: Scope,
    /// The variable FOUND.
    found: usize,
    row_count: u64,
    /// The errors of the handlers we are in, innermost last.
    caught: Vec<Error>,
    /// Whether the error on its way out has its context.
    is_noted: bool,
    steps: u32,
    /// The line of the step at work.
    line: usize,
    portals: u32,
}

impl<R: Runner> Call<'_, R> {
    fn declare_arguments(
        &mut self,
        procedure: &Procedure,
        inputs: Vec<Value>,
    ) -> Result<Vec<usize>> {
        let mut inputs = inputs.into_iter();
        let mut places = Vec::new();
        for (number, argument) in (1..).zip(&procedure.arguments) {
            let ty = argument.ty;
            let value = match argument.mode.is_input() {
                true => inputs.next().ok_or_else(|| lost(self.name))?,
                false => Value::null(ty.sql())?,
            };
            let dollar = format!("${number}");
            let index = self.scope.declare(Variable {
                name: argument.name.clone().unwrap_or_else(|| dollar.clone()),
                is_constant: false,
                is_not_null: false,
                content: Content::Scalar(ty, value),
            })?;
            if argument.name.is_some() {
                self.scope.name(dollar, index)?;
            }
            places.push(index);
        }
        self.found = self.scope.declare(Variable {
            name: "found".to_owned(),
            is_constant: false,
            is_not_null: false,
            content: Content::Scalar(RoutineType::Sql(SqlType::Boolean), Value::boolean(false)),
        })?;
        Ok(places)
    }

    fn set_found(&mut self, found: bool) -> Result<()> {
        self.scope
            .set(Place::Whole(self.found), Value::boolean(found))
    }

    /// Adds where an error happened to it, once in each procedure.
    fn note(&mut self, error: Error, line: usize, what: &str) -> Error {
        if std::mem::replace(&mut self.is_noted, true) {
            return error;
        }
        error.within(format!(
            "PL/pgSQL function \"{}\" line {line} at {what}",
            self.name
        ))
    }

    fn block<'b>(&'b mut self, block: &'b Block) -> Work<'b, Flow> {
        Box::pin(async move {
            let mark = self.scope.enter(block.label.clone());
            let flow = self.guarded(block).await;
            self.scope.leave(mark);
            Ok(match flow? {
                Flow::Exit(Some(label)) if Some(&label) == block.label.as_ref() => Flow::Next,
                flow => flow,
            })
        })
    }

    /// Runs a block and, after an error, its handler.
    async fn guarded(&mut self, block: &Block) -> Result<Flow> {
        let error = match self.unguarded(block).await {
            Ok(flow) => return Ok(flow),
            Err(error) => error,
        };
        let Some(handler) = &block.handler else {
            return Err(error);
        };
        if error.code == SqlState::QUERY_CANCELED || error.code == SqlState::ADMIN_SHUTDOWN {
            return Err(error);
        }
        self.is_noted = false;
        self.runner.abandon().await?;
        let inner = self.scope.enter(None);
        for (name, text) in [("sqlstate", error.code.0), ("sqlerrm", &error.message)] {
            self.scope.declare(Variable {
                name: name.to_owned(),
                is_constant: true,
                is_not_null: false,
                content: Content::Scalar(
                    RoutineType::Sql(SqlType::Varchar(crate::types::VARCHAR_MAX)),
                    Value::text(text),
                ),
            })?;
        }
        self.caught.push(error.clone());
        let flow = self.steps(handler).await;
        self.caught.pop();
        self.scope.leave(inner);
        let flow = flow?;
        if self.runner.is_nonatomic() {
            return Ok(flow);
        }
        // What the handler wrote stays; the error goes on to the caller. Source: the manual, Trapping errors.
        self.runner.settle().await?;
        self.is_noted = true;
        Err(error)
    }

    async fn unguarded(&mut self, block: &Block) -> Result<Flow> {
        for declaration in &block.declarations {
            let declared = self.declare(declaration).await;
            if let Err(error) = declared {
                let what = "statement block local variables initialization";
                return Err(self.note(error, declaration.line, &format!("during {what}")));
            }
        }
        self.steps(&block.steps).await
    }

    async fn declare(&mut self, declaration: &Declaration) -> Result<()> {
        let scalar = |ty: RoutineType| -> Result<Content> {
            Ok(Content::Scalar(ty, Value::null(ty.sql())?))
        };
        let content = match &declaration.ty {
            DeclaredType::Of(ty) => scalar(*ty)?,
            DeclaredType::Record => Content::Record(None),
            DeclaredType::RowOf(name) => Content::RowOf(null_row(&self.runner.row_type(name)?)?),
            DeclaredType::LikeColumn(parts) => {
                let known = self.scope.find(parts)?;
                let ty = match known {
                    Some(place) => self.scope.type_of(place)?,
                    None => None,
                };
                scalar(RoutineType::Sql(match ty {
                    Some(ty) => ty,
                    None => self.runner.column_type(parts)?,
                }))?
            }
            DeclaredType::Alias(of) => {
                let index = self.scope.find_name(of).ok_or_else(|| no_variable(of))?;
                return self.scope.name(declaration.name.clone(), index);
            }
            DeclaredType::Cursor(bound) => {
                let name = Value::text(declaration.name.clone());
                Content::Cursor(Box::new(bound.clone()), name)
            }
        };
        let mut content = content;
        if let Some(default) = &declaration.default {
            match &mut content {
                Content::Scalar(ty, value) => {
                    *value = self.evaluate(default, Some(ty.sql())).await?;
                    if declaration.is_not_null && value.scalar.is_null() {
                        return Err(Error::new(
                            SqlState::NULL_VALUE_NOT_ALLOWED,
                            format!(
                                "NULL cannot be assigned to variable \"{}\" declared NOT NULL",
                                declaration.name
                            ),
                        ));
                    }
                }
                _ => {
                    return Err(Error::unsupported(
                        format!(
                            "a default for row or record variable \"{}\"",
                            declaration.name
                        ),
                        "Assign to it with SELECT INTO",
                    ));
                }
            }
        }
        self.scope.declare(Variable {
            name: declaration.name.clone(),
            is_constant: declaration.is_constant,
            is_not_null: declaration.is_not_null,
            content,
        })?;
        Ok(())
    }

    fn steps<'b>(&'b mut self, steps: &'b [Step]) -> Work<'b, Flow> {
        Box::pin(async move {
            for step in steps {
                self.breathe().await;
                self.line = step.line;
                match self.step(step).await {
                    Ok(Flow::Next) => {}
                    Ok(flow) => return Ok(flow),
                    Err(error) => return Err(self.note(error, step.line, step.kind.words())),
                }
            }
            Ok(Flow::Next)
        })
    }

    /// Lets go of the thread now and then: a loop without statements can be canceled too.
    async fn breathe(&mut self) {
        self.steps = self.steps.wrapping_add(1);
        if !self.steps.is_multiple_of(STEPS_AT_ONCE) {
            return;
        }
        let mut is_back = false;
        std::future::poll_fn(|context| {
            if std::mem::replace(&mut is_back, true) {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    async fn step(&mut self, step: &Step) -> Result<Flow> {
        match &step.kind {
            StepKind::Block(block) => return self.block(block).await,
            StepKind::Nothing => {}
            StepKind::Assign { target, value } => self.assign(target, value).await?,
            StepKind::Sql { text, into } => self.sql(text, into.as_deref()).await?,
            StepKind::Perform(query) => self.perform(query).await?,
            StepKind::Execute { command, into } => {
                let text = self.command(command).await?;
                self.run_dynamic(&text, into.as_deref()).await?;
            }
            StepKind::Call { name, arguments } => self.call(name, arguments).await?,
            StepKind::If { arms, otherwise } => {
                for (conditions, steps) in arms {
                    for condition in conditions {
                        if self.is_true(condition).await? {
                            return self.steps(steps).await;
                        }
                    }
                }
                return self.steps(otherwise).await;
            }
            StepKind::Case {
                operand,
                arms,
                otherwise,
            } => {
                return self
                    .case(operand.as_ref(), arms, otherwise.as_deref())
                    .await;
            }
            StepKind::Loop {
                label,
                condition,
                steps,
            } => loop {
                self.breathe().await;
                if let Some(condition) = condition
                    && !self.is_true(condition).await?
                {
                    return Ok(Flow::Next);
                }
                let flow = self.steps(steps).await?;
                if let Some(end) = after_iteration(flow, label.as_deref()) {
                    return Ok(end);
                }
            },
            StepKind::ForRange { .. } => return self.for_range(&step.kind).await,
            StepKind::ForRows {
                label,
                targets,
                query,
                steps,
            } => return self.for_rows(label.as_deref(), targets, query, steps).await,
            StepKind::Jump {
                is_exit,
                label,
                when,
            } => {
                if let Some(when) = when
                    && !self.is_true(when).await?
                {
                    return Ok(Flow::Next);
                }
                return Ok(match is_exit {
                    true => Flow::Exit(label.clone()),
                    false => Flow::Continue(label.clone()),
                });
            }
            StepKind::Return => return Ok(Flow::Return),
            StepKind::Raise {
                level,
                format,
                arguments,
            } => self.raise(*level, format, arguments).await?,
            StepKind::RaiseAgain => {
                return Err(match self.caught.last() {
                    Some(error) => {
                        self.is_noted = true;
                        error.clone()
                    }
                    None => Error::new(
                        SqlState::SYNTAX_ERROR,
                        "RAISE without parameters cannot be used outside an exception handler",
                    ),
                });
            }
            StepKind::RowCount(targets) => {
                let count = i64::try_from(self.row_count).unwrap_or(i64::MAX);
                let ty = SqlType::BigInt;
                let scalar = datafusion_common::ScalarValue::Int64(Some(count));
                for target in targets {
                    let place = self.place(target)?;
                    self.put(
                        place,
                        Value {
                            ty,
                            scalar: scalar.clone(),
                        },
                    )
                    .await?;
                }
            }
            StepKind::Open { cursor, query } => self.open(cursor, query).await?,
            StepKind::Fetch { cursor, targets } => {
                let name = self.cursor_name(cursor)?;
                let fetched = self.runner.fetch(&name).await?;
                let is_found = fetched.row.is_some();
                self.take_row(targets, fetched).await?;
                self.set_found(is_found)?;
            }
            StepKind::Close(cursor) => {
                let name = self.cursor_name(cursor)?;
                self.runner.close(&name)?;
            }
            StepKind::Commit => self.runner.commit().await?,
            StepKind::Rollback => self.runner.rollback().await?,
            StepKind::StartTransaction => {
                if !self.runner.is_nonatomic() {
                    return Err(Error::unsupported(
                        "START TRANSACTION in an atomic procedure",
                        "Declare the procedure NONATOMIC, or use COMMIT",
                    ));
                }
                self.runner.start().await?;
            }
        }
        Ok(Flow::Next)
    }
}

/// What an iteration that ended so means for its loop; `None` is to go on.
fn after_iteration(flow: Flow, label: Option<&str>) -> Option<Flow> {
    match flow {
        Flow::Next | Flow::Continue(None) => None,
        Flow::Exit(None) => Some(Flow::Next),
        Flow::Continue(Some(named)) if Some(named.as_str()) == label => None,
        Flow::Exit(Some(named)) if Some(named.as_str()) == label => Some(Flow::Next),
        flow => Some(flow),
    }
}

fn first_of(row: Row) -> First {
    let columns = row.iter().map(|field| (field.name.clone(), field.value.ty));
    First {
        columns: columns.collect(),
        row: Some(row),
    }
}

fn wrong_width(wanted: usize, given: usize) -> Error {
    Error::new(
        SqlState::DATATYPE_MISMATCH,
        "query does not match the variables it is assigned to",
    )
    .with_detail(format!("There are {wanted} variables and {given} columns."))
}

fn no_variable(name: &str) -> Error {
    Error::new(
        SqlState::UNDEFINED_COLUMN,
        format!(
            "{} is not a known variable",
            quote(name).replace('\'', "\"")
        ),
    )
}

fn lost(name: &str) -> Error {
    Error::new(
        SqlState::INTERNAL_ERROR,
        format!("a value of procedure \"{name}\" was lost"),
    )
}
