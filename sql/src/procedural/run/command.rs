//! Statements of SQL, fixed and made while it runs, and calls.

use super::*;

impl<R: Runner> Call<'_, R> {
    pub(super) async fn sql(&mut self, text: &Template, into: Option<&[Target]>) -> Result<()> {
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

    pub(super) async fn select_into(&mut self, text: &str, targets: &[Target]) -> Result<()> {
        let first = self.runner.first(text).await?;
        let is_found = first.row.is_some();
        self.row_count = u64::from(is_found);
        self.take_row(targets, first).await?;
        self.set_found(is_found)
    }

    pub(super) async fn perform(&mut self, query: &Template) -> Result<()> {
        let text = format!("SELECT {}", self.fill(query)?);
        let first = self.runner.first(&text).await;
        let first =
            first.map_err(|error| self.within_sql(error, &format!("SELECT {}", query.text)))?;
        self.row_count = u64::from(first.row.is_some());
        self.set_found(first.row.is_some())
    }

    /// Computes the text of a dynamic command.
    pub(super) async fn command(&mut self, command: &Template) -> Result<String> {
        let ty = SqlType::Varchar(crate::types::VARCHAR_MAX);
        let value = self.evaluate(command, Some(ty)).await?;
        value.shown()?.ok_or_else(|| {
            Error::new(
                SqlState::NULL_VALUE_NOT_ALLOWED,
                "cannot EXECUTE a null querystring",
            )
        })
    }

    pub(super) async fn run_dynamic(&mut self, text: &str, into: Option<&[Target]>) -> Result<()> {
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

    pub(super) async fn call(
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
}
