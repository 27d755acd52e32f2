//! The variables of a call: which are in sight, what they hold.

use super::syntax::BoundCursor;
use super::value::{Field, Row, Value};
use crate::error::{Error, Result};
use crate::sqlstate::SqlState;
use crate::statement::routine::RoutineType;
use crate::types::SqlType;

/// A variable.
#[derive(Clone, Debug)]
pub(super) struct Variable {
    /// As messages name it.
    pub(super) name: String,
    /// CONSTANT.
    pub(super) is_constant: bool,
    /// NOT NULL.
    pub(super) is_not_null: bool,
    /// What it holds.
    pub(super) content: Content,
}

/// What a variable holds.
#[derive(Clone, Debug)]
pub(super) enum Content {
    /// One value.
    Scalar(RoutineType, Value),
    /// A row; `None` before the first assignment.
    Record(Option<Row>),
    /// A row of a table's columns.
    RowOf(Row),
    /// A cursor with its query, and the name it is open under.
    Cursor(Box<BoundCursor>, Value),
}

/// A place a value goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A variable.
    Whole(usize),
    /// A field of a record.
    Field(usize, usize),
}

/// Variables of a block, a loop or a handler.
#[derive(Debug, Default)]
struct Frame {
    label: Option<String>,
    names: Vec<(String, usize)>,
}

/// All variables of a call.
#[derive(Debug, Default)]
pub(super) struct Scope {
    variables: Vec<Variable>,
    frames: Vec<Frame>,
}

impl Scope {
    /// Opens a frame; gives what [`Scope::leave`] needs.
    pub(super) fn enter(&mut self, label: Option<String>) -> (usize, usize) {
        let mark = (self.frames.len(), self.variables.len());
        self.frames.push(Frame {
            label,
            names: Vec::new(),
        });
        mark
    }

    /// Ends every frame opened since a mark.
    pub(super) fn leave(&mut self, mark: (usize, usize)) {
        self.frames.truncate(mark.0);
        self.variables.truncate(mark.1);
    }

    /// Adds a variable to the innermost frame.
    pub(super) fn declare(&mut self, variable: Variable) -> Result<usize> {
        let index = self.variables.len();
        let name = variable.name.clone();
        self.variables.push(variable);
        self.name(name, index)?;
        Ok(index)
    }

    /// Gives a variable one more name in the innermost frame.
    pub(super) fn name(&mut self, name: String, index: usize) -> Result<()> {
        if let Some(frame) = self.frames.last_mut() {
            if frame.names.iter().any(|(other, _)| *other == name) {
                return Err(Error::new(
                    SqlState::SYNTAX_ERROR,
                    format!("duplicate declaration of \"{name}\""),
                ));
            }
            frame.names.push((name, index));
        }
        Ok(())
    }

    /// Finds a variable by its name alone.
    pub(super) fn find_name(&self, name: &str) -> Option<usize> {
        let mut frames = self.frames.iter().rev();
        frames.find_map(|frame| frame.find(name))
    }

    /// Finds what a name of one to three parts means; `None` if it is no variable.
    pub(super) fn find(&self, parts: &[String]) -> Result<Option<Place>> {
        match parts {
            [name] => Ok(self.find_name(name).map(Place::Whole)),
            [first, second] => {
                if let Some(index) = self.find_name(first)
                    && let Some(place) = self.field(index, second)?
                {
                    return Ok(Some(place));
                }
                Ok(self.find_labeled(first, second).map(Place::Whole))
            }
            [label, record, field] => match self.find_labeled(label, record) {
                Some(index) => self.field(index, field),
                None => Ok(None),
            },
            _ => Ok(None),
        }
    }

    fn find_labeled(&self, label: &str, name: &str) -> Option<usize> {
        let mut frames = self.frames.iter().rev();
        let frame = frames.find(|frame| frame.label.as_deref() == Some(label))?;
        frame.find(name)
    }

    /// Finds a field of a record; of anything else `None`.
    fn field(&self, index: usize, field: &str) -> Result<Option<Place>> {
        let Some(variable) = self.variables.get(index) else {
            return Ok(None);
        };
        let row = match &variable.content {
            Content::Record(Some(row)) | Content::RowOf(row) => row,
            Content::Record(None) => return Err(not_assigned(&variable.name)),
            _ => return Ok(None),
        };
        match row.iter().position(|column| column.name == field) {
            Some(column) => Ok(Some(Place::Field(index, column))),
            None => Err(Error::new(
                SqlState::UNDEFINED_COLUMN,
                format!("record \"{}\" has no field \"{field}\"", variable.name),
            )),
        }
    }

    /// Gives a variable.
    pub(super) fn get(&self, index: usize) -> Result<&Variable> {
        self.variables.get(index).ok_or_else(lost)
    }

    /// Gives a variable to change.
    pub(super) fn get_mut(&mut self, index: usize) -> Result<&mut Variable> {
        self.variables.get_mut(index).ok_or_else(lost)
    }

    /// Gives the value at a place; `None` for a whole record.
    pub(super) fn value(&self, place: Place) -> Result<Option<&Value>> {
        let (index, column) = match place {
            Place::Whole(index) => (index, None),
            Place::Field(index, column) => (index, Some(column)),
        };
        Ok(match (&self.get(index)?.content, column) {
            (Content::Scalar(_, value) | Content::Cursor(_, value), None) => Some(value),
            (Content::Record(Some(row)) | Content::RowOf(row), Some(column)) => {
                row.get(column).map(|field| &field.value)
            }
            _ => None,
        })
    }

    /// Gives the type of a place that takes one value.
    pub(super) fn type_of(&self, place: Place) -> Result<Option<SqlType>> {
        if let Place::Whole(index) = place
            && let Content::Scalar(ty, _) = &self.get(index)?.content
        {
            return Ok(Some(ty.sql()));
        }
        Ok(self.value(place)?.map(|value| value.ty))
    }

    /// Puts a value of the right type to a place.
    pub(super) fn set(&mut self, place: Place, value: Value) -> Result<()> {
        let (index, column) = match place {
            Place::Whole(index) => (index, None),
            Place::Field(index, column) => (index, Some(column)),
        };
        let variable = self.get_mut(index)?;
        if variable.is_constant {
            return Err(Error::new(
                SqlState::ERROR_IN_ASSIGNMENT,
                format!("\"{}\" is declared CONSTANT", variable.name),
            ));
        }
        if variable.is_not_null && value.scalar.is_null() {
            return Err(Error::new(
                SqlState::NULL_VALUE_NOT_ALLOWED,
                format!(
                    "NULL cannot be assigned to variable \"{}\" declared NOT NULL",
                    variable.name
                ),
            ));
        }
        match (&mut variable.content, column) {
            (Content::Scalar(_, old) | Content::Cursor(_, old), None) => *old = value,
            (Content::Record(Some(row)) | Content::RowOf(row), Some(column)) => {
                if let Some(field) = row.get_mut(column) {
                    field.value = value;
                }
            }
            _ => return Err(lost()),
        }
        Ok(())
    }
}

impl Frame {
    fn find(&self, name: &str) -> Option<usize> {
        let mut names = self.names.iter().rev();
        names
            .find(|(known, _)| known == name)
            .map(|(_, index)| *index)
    }
}

/// The refusal of a record without a row.
pub(super) fn not_assigned(name: &str) -> Error {
    Error::new(
        SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
        format!("record \"{name}\" is not assigned yet"),
    )
    .with_detail("The tuple structure of a not-yet-assigned record is indeterminate.")
}

fn lost() -> Error {
    Error::new(
        SqlState::INTERNAL_ERROR,
        "a variable of a procedure was lost",
    )
}

/// Makes a row of nulls.
pub(super) fn null_row(columns: &[(String, SqlType)]) -> Result<Row> {
    let fields = columns.iter().map(|(name, ty)| {
        Ok(Field {
            name: name.clone(),
            value: Value::null(*ty)?,
        })
    });
    fields.collect()
}
