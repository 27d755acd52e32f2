//! CASE, and FOR over numbers and rows.

use super::*;

impl<R: Runner> Call<'_, R> {
    pub(super) async fn case(
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

    pub(super) async fn bound(&mut self, template: &Template, what: &str) -> Result<i64> {
        let value = self.evaluate(template, Some(SqlType::BigInt)).await?;
        match value.scalar {
            datafusion_common::ScalarValue::Int64(Some(value)) => Ok(value),
            _ => Err(Error::new(
                SqlState::NULL_VALUE_NOT_ALLOWED,
                format!("{what} bound of FOR loop cannot be null"),
            )),
        }
    }

    pub(super) async fn for_range(&mut self, kind: &StepKind) -> Result<Flow> {
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

    pub(super) async fn query_text(&mut self, query: &QueryText) -> Result<String> {
        match query {
            QueryText::Static(template) => self.fill(template),
            QueryText::Dynamic(command) => self.command(command).await,
        }
    }

    pub(super) async fn for_rows(
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
}
