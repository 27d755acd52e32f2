//! Expressions, and where their values go.

use super::*;

impl<R: Runner> Call<'_, R> {
    /// Writes the values of variables into a text.
    pub(super) fn fill(&self, template: &Template) -> Result<String> {
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

    pub(super) async fn evaluate(
        &mut self,
        template: &Template,
        ty: Option<SqlType>,
    ) -> Result<Value> {
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
    pub(super) fn within_sql(&self, error: Error, text: &str) -> Error {
        Error {
            // The position is one in the text with values, which nobody has.
            position: None,
            ..error
        }
        .within(format!("SQL statement \"{text}\""))
    }

    pub(super) async fn is_true(&mut self, condition: &Template) -> Result<bool> {
        let value = self.evaluate(condition, Some(SqlType::Boolean)).await?;
        Ok(value.scalar == datafusion_common::ScalarValue::Boolean(Some(true)))
    }

    pub(super) fn place(&self, target: &Target) -> Result<Place> {
        let found = self.scope.find(target)?;
        found.ok_or_else(|| no_variable(&target.join(".")))
    }

    /// Puts a value to a place, converted to its type.
    pub(super) async fn put(&mut self, place: Place, value: Value) -> Result<()> {
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

    pub(super) async fn assign(&mut self, target: &Target, value: &Template) -> Result<()> {
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
    pub(super) async fn take_row(&mut self, targets: &[Target], first: First) -> Result<()> {
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
}
