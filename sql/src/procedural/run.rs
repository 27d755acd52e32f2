//! Runs the tree of a procedure.

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

    /// Writes the values of variables into a text.
    fn fill(&self, template: &Template) -> Result<String> {
        template.fill(|parts| {
            let Some(place) = self.scope.find(parts)? else {
                return Ok(None);
            };
            match self.scope.value(place)? {
                Some(value) => value.literal().map(Some),
                // The name of a whole record may be that of a table.
                None => Ok(None),
            }
        })
    }

    async fn evaluate(&mut self, template: &Template, ty: Option<SqlType>) -> Result<Value> {
        // The value of a variable needs no computing.
        if let Some(parts) = template.only_name()
            && let Some(place) = self.scope.find(parts)?
            && let Some(value) = self.scope.value(place)?
            && (ty.is_none() || ty == Some(value.ty))
        {
            return Ok(value.clone());
        }
        let text = self.fill(template)?;
        let value = self.runner.evaluate(&text, ty, template.is_plain).await;
        value.map_err(|error| self.within_sql(error, &format!("SELECT {}", template.text)))
    }

    /// Says which statement an error is from.
    fn within_sql(&self, error: Error, text: &str) -> Error {
        Error {
            // The position is one in the text with values, which nobody has.
            position: None,
            ..error
        }
        .within(format!("SQL statement \"{text}\""))
    }

    async fn is_true(&mut self, condition: &Template) -> Result<bool> {
        let value = self.evaluate(condition, Some(SqlType::Boolean)).await?;
        Ok(value.scalar == datafusion_common::ScalarValue::Boolean(Some(true)))
    }

    fn place(&self, target: &Target) -> Result<Place> {
        let found = self.scope.find(target)?;
        found.ok_or_else(|| no_variable(&target.join(".")))
    }

    /// Puts a value to a place, converted to its type.
    async fn put(&mut self, place: Place, value: Value) -> Result<()> {
        let Some(ty) = self.scope.type_of(place)? else {
            return Err(Error::new(
                SqlState::DATATYPE_MISMATCH,
                "cannot assign non-composite value to a record variable",
            ));
        };
        let fits = match (ty, value.ty) {
            (SqlType::Varchar(length), SqlType::Varchar(_)) => length == crate::types::VARCHAR_MAX,
            (ty, given) => ty == given,
        };
        let value = match fits {
            true => Value { ty, ..value },
            false => {
                let literal = value.literal()?;
                self.runner.evaluate(&literal, Some(ty), true).await?
            }
        };
        self.scope.set(place, value)
    }

    async fn assign(&mut self, target: &Target, value: &Template) -> Result<()> {
        let place = self.place(target)?;
        if let Some(ty) = self.scope.type_of(place)? {
            let value = self.evaluate(value, Some(ty)).await?;
            return self.scope.set(place, Value { ty, ..value });
        }
        // A record takes another's row.
        let row = match value.only_name().map(|parts| self.scope.find(parts)) {
            Some(Ok(Some(Place::Whole(index)))) => match &self.scope.get(index)?.content {
                Content::Record(Some(row)) | Content::RowOf(row) => Some(row.clone()),
                Content::Record(None) => return Err(not_assigned(&self.scope.get(index)?.name)),
                _ => None,
            },
            _ => None,
        };
        match row {
            Some(row) => {
                self.take_row(std::slice::from_ref(target), first_of(row))
                    .await
            }
            None => Err(Error::new(
                SqlState::DATATYPE_MISMATCH,
                "cannot assign non-composite value to a record variable",
            )),
        }
    }

    /// Puts a row into a record or into a list of variables; without a row they become null.
    async fn take_row(&mut self, targets: &[Target], first: First) -> Result<()> {
        let First { columns, row } = first;
        if let [target] = targets {
            let place = self.place(target)?;
            if let Place::Whole(index) = place {
                let row_or_nulls = match &row {
                    Some(row) => Ok(row.clone()),
                    None => null_row(&columns),
                };
                match &mut self.scope.get_mut(index)?.content {
                    Content::Record(held) => {
                        *held = Some(row_or_nulls?);
                        return Ok(());
                    }
                    Content::RowOf(held) => {
                        let wanted = held.len();
                        let row = row_or_nulls?;
                        if row.len() != wanted {
                            return Err(wrong_width(wanted, row.len()));
                        }
                        for (column, field) in row.into_iter().enumerate() {
                            self.put(Place::Field(index, column), field.value).await?;
                        }
                        return Ok(());
                    }
                    _ => {}
                }
            }
        }
        let values: Vec<Option<Value>> = match row {
            Some(row) => row.into_iter().map(|field| Some(field.value)).collect(),
            None => columns.iter().map(|_| None).collect(),
        };
        if !values.is_empty() && values.len() != targets.len() {
            return Err(wrong_width(targets.len(), values.len()));
        }
        for (index, target) in targets.iter().enumerate() {
            let place = self.place(target)?;
            let value = match values.get(index).cloned().flatten() {
                Some(value) => value,
                None => Value::null(self.scope.type_of(place)?.unwrap_or(SqlType::Unknown))?,
            };
            self.put(place, value).await?;
        }
        Ok(())
    }

    async fn sql(&mut self, text: &Template, into: Option<&[Target]>) -> Result<()> {
        let filled = self.fill(text)?;
        let done = match into {
            Some(targets) => self.select_into(&filled, targets).await,
            None => match self.runner.execute(&filled, false).await {
                Ok(Some(rows)) => {
                    self.row_count = rows;
                    self.set_found(rows > 0)
                }
                Ok(None) => {
                    self.row_count = 0;
                    Ok(())
                }
                Err(error) => Err(error),
            },
        };
        done.map_err(|error| self.within_sql(error, &text.text))
    }

    async fn select_into(&mut self, text: &str, targets: &[Target]) -> Result<()> {
        let first = self.runner.first(text).await?;
        let is_found = first.row.is_some();
        self.row_count = u64::from(is_found);
        self.take_row(targets, first).await?;
        self.set_found(is_found)
    }

    async fn perform(&mut self, query: &Template) -> Result<()> {
        let text = format!("SELECT {}", self.fill(query)?);
        let first = self.runner.first(&text).await;
        let first =
            first.map_err(|error| self.within_sql(error, &format!("SELECT {}", query.text)))?;
        self.row_count = u64::from(first.row.is_some());
        self.set_found(first.row.is_some())
    }

    /// Computes the text of a dynamic command.
    async fn command(&mut self, command: &Template) -> Result<String> {
        let ty = SqlType::Varchar(crate::types::VARCHAR_MAX);
        let value = self.evaluate(command, Some(ty)).await?;
        value.shown()?.ok_or_else(|| {
            Error::new(
                SqlState::NULL_VALUE_NOT_ALLOWED,
                "cannot EXECUTE a null querystring",
            )
        })
    }

    async fn run_dynamic(&mut self, text: &str, into: Option<&[Target]>) -> Result<()> {
        let done = match into {
            Some(targets) => {
                let first = self.runner.first(text).await;
                match first {
                    Ok(first) => {
                        self.row_count = u64::from(first.row.is_some());
                        self.take_row(targets, first).await
                    }
                    Err(error) => Err(error),
                }
            }
            None => self.runner.execute(text, true).await.map(|rows| {
                self.row_count = rows.unwrap_or_default();
            }),
        };
        done.map_err(|error| self.within_sql(error, text))
    }

    async fn call(
        &mut self,
        name: &ObjectName,
        arguments: &[(Template, Option<Target>)],
    ) -> Result<()> {
        let mut values = Vec::with_capacity(arguments.len());
        for (template, _) in arguments {
            values.push(self.evaluate(template, None).await?);
        }
        let results = self.runner.call(name, values).await?;
        for (index, value) in results {
            let target = arguments.get(index).and_then(|(_, target)| target.as_ref());
            let Some(target) = target else {
                return Err(Error::new(
                    SqlState::SYNTAX_ERROR,
                    format!(
                        "argument {} of procedure {} is an output and must be a variable",
                        index + 1,
                        name.name
                    ),
                ));
            };
            let place = self.place(target)?;
            self.put(place, value).await?;
        }
        Ok(())
    }

    async fn case(
        &mut self,
        operand: Option<&Template>,
        arms: &[Arm],
        otherwise: Option<&[Step]>,
    ) -> Result<Flow> {
        let operand = match operand {
            Some(operand) => Some(self.evaluate(operand, None).await?.literal()?),
            None => None,
        };
        for (conditions, steps) in arms {
            for condition in conditions {
                let is_met = match &operand {
                    None => self.is_true(condition).await?,
                    Some(operand) => {
                        let text = format!("({operand}) = ({})", self.fill(condition)?);
                        let ty = Some(SqlType::Boolean);
                        let value = self.runner.evaluate(&text, ty, condition.is_plain).await?;
                        value.scalar == datafusion_common::ScalarValue::Boolean(Some(true))
                    }
                };
                if is_met {
                    return self.steps(steps).await;
                }
            }
        }
        match otherwise {
            Some(steps) => self.steps(steps).await,
            None => Err(Error::new(SqlState::CASE_NOT_FOUND, "case not found")
                .with_hint("CASE statement is missing ELSE part.")),
        }
    }

    async fn bound(&mut self, template: &Template, what: &str) -> Result<i64> {
        let value = self.evaluate(template, Some(SqlType::BigInt)).await?;
        match value.scalar {
            datafusion_common::ScalarValue::Int64(Some(value)) => Ok(value),
            _ => Err(Error::new(
                SqlState::NULL_VALUE_NOT_ALLOWED,
                format!("{what} bound of FOR loop cannot be null"),
            )),
        }
    }

    async fn for_range(&mut self, kind: &StepKind) -> Result<Flow> {
        let StepKind::ForRange {
            label,
            variable,
            is_reverse,
            from,
            to,
            steps,
        } = kind
        else {
            return Err(lost(self.name));
        };
        let first = self.bound(from, "lower").await?;
        let last = self.bound(to, "upper").await?;
        let mark = self.scope.enter(label.clone());
        let index = self.scope.declare(Variable {
            name: variable.clone(),
            is_constant: false,
            is_not_null: false,
            content: Content::Scalar(RoutineType::Sql(SqlType::Integer), Value::integer(0)),
        })?;
        let mut current = first;
        let mut is_found = false;
        let flow = loop {
            let is_over = match is_reverse {
                true => current < last,
                false => current > last,
            };
            if is_over {
                break Flow::Next;
            }
            is_found = true;
            let value = i32::try_from(current).map_err(|_| {
                Error::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, "integer out of range")
            })?;
            self.scope.set(Place::Whole(index), Value::integer(value))?;
            self.breathe().await;
            let flow = self.steps(steps).await?;
            if let Some(end) = after_iteration(flow, label.as_deref()) {
                break end;
            }
            current += if *is_reverse { -1 } else { 1 };
        };
        self.scope.leave(mark);
        self.set_found(is_found)?;
        Ok(flow)
    }

    async fn query_text(&mut self, query: &QueryText) -> Result<String> {
        match query {
            QueryText::Static(template) => self.fill(template),
            QueryText::Dynamic(command) => self.command(command).await,
        }
    }

    async fn for_rows(
        &mut self,
        label: Option<&str>,
        targets: &[Target],
        query: &QueryText,
        steps: &[Step],
    ) -> Result<Flow> {
        let text = self.query_text(query).await?;
        let rows = self.runner.rows(&text).await;
        let mut rows = rows.map_err(|error| self.within_sql(error, &text))?;
        let mut count = 0;
        let flow = loop {
            let Some(row) = rows.next().await? else {
                break Flow::Next;
            };
            count += 1;
            self.take_row(targets, first_of(row)).await?;
            self.breathe().await;
            let flow = self.steps(steps).await?;
            if let Some(end) = after_iteration(flow, label) {
                break end;
            }
        };
        self.row_count = count;
        self.set_found(count > 0)?;
        Ok(flow)
    }

    /// Gives the name a cursor variable is open under.
    fn cursor_name(&self, cursor: &Target) -> Result<String> {
        let place = self.place(cursor)?;
        let value = self.scope.value(place)?;
        let name = match value {
            Some(value) => value.shown()?,
            None => None,
        };
        name.ok_or_else(|| {
            Error::new(
                SqlState::NULL_VALUE_NOT_ALLOWED,
                format!("cursor variable \"{}\" is null", cursor.join(".")),
            )
        })
    }

    async fn open(&mut self, cursor: &Target, query: &OpenQuery) -> Result<()> {
        let place = self.place(cursor)?;
        let Place::Whole(index) = place else {
            return Err(no_variable(&cursor.join(".")));
        };
        let content = self.scope.get(index)?.content.clone();
        let text = match (&content, query) {
            (Content::Cursor(bound, _), OpenQuery::Bound(values)) => {
                if values.len() != bound.arguments.len() {
                    return Err(Error::new(
                        SqlState::SYNTAX_ERROR,
                        format!(
                            "cursor \"{}\" has {} arguments",
                            cursor.join("."),
                            bound.arguments.len()
                        ),
                    ));
                }
                let mut given = Vec::with_capacity(values.len());
                for (value, (name, ty)) in values.iter().zip(&bound.arguments) {
                    let value = self.evaluate(value, Some(ty.sql())).await?;
                    given.push((name.clone(), *ty, value));
                }
                let mark = self.scope.enter(None);
                for (name, ty, value) in given {
                    self.scope.declare(Variable {
                        name,
                        is_constant: true,
                        is_not_null: false,
                        content: Content::Scalar(ty, value),
                    })?;
                }
                let text = self.fill(&bound.query);
                self.scope.leave(mark);
                text?
            }
            (Content::Scalar(RoutineType::Refcursor, _), OpenQuery::Free(query)) => {
                self.query_text(query).await?
            }
            (Content::Cursor(..), OpenQuery::Free(_)) => {
                return Err(Error::new(
                    SqlState::SYNTAX_ERROR,
                    format!("cursor \"{}\" has a query of its own", cursor.join(".")),
                ));
            }
            _ => {
                return Err(Error::new(
                    SqlState::DATATYPE_MISMATCH,
                    format!(
                        "variable \"{}\" must be of type cursor or refcursor",
                        cursor.join(".")
                    ),
                ));
            }
        };
        let value = self.scope.value(place)?;
        let named = match value {
            Some(value) => value.shown()?,
            None => None,
        };
        let name = match named {
            Some(name) => name,
            None => {
                self.portals += 1;
                let name = format!("<unnamed portal {}>", self.portals);
                self.scope.set(place, Value::text(name.clone()))?;
                name
            }
        };
        let opened = self.runner.open(&name, &text).await;
        opened.map_err(|error| self.within_sql(error, &text))
    }

    async fn raise(&mut self, level: Level, format: &str, arguments: &[Template]) -> Result<()> {
        let mut values = Vec::with_capacity(arguments.len());
        for argument in arguments {
            let value = self.evaluate(argument, None).await?;
            values.push(value.shown()?.unwrap_or_else(|| "<NULL>".to_owned()));
        }
        let mut values = values.into_iter();
        let mut message = String::with_capacity(format.len());
        let mut letters = format.chars().peekable();
        while let Some(letter) = letters.next() {
            match letter {
                '%' if letters.next_if_eq(&'%').is_some() => message.push('%'),
                '%' => message.push_str(&values.next().unwrap_or_default()),
                other => message.push(other),
            }
        }
        self.runner.tell(level, message.clone(), self.line)?;
        match level {
            Level::Exception => Err(Error::new(SqlState::RAISE_EXCEPTION, message)),
            _ => Ok(()),
        }
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
