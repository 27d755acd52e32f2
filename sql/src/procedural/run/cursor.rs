//! Cursors, and RAISE.

use super::*;

impl<R: Runner> Call<'_, R> {
    /// Gives the name a cursor variable is open under.
    pub(super) fn cursor_name(&self, cursor: &Target) -> Result<String> {
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

    pub(super) async fn open(&mut self, cursor: &Target, query: &OpenQuery) -> Result<()> {
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

    pub(super) async fn raise(
        &mut self,
        level: Level,
        format: &str,
        arguments: &[Template],
    ) -> Result<()> {
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
