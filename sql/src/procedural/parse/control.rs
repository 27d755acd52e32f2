//! Loops, IF and CASE.

use super::*;

impl Parser<'_> {
    pub(super) fn plain_loop(
        &mut self,
        label: Option<String>,
        condition: Option<Template>,
    ) -> Result<StepKind> {
        let steps = self.loop_body(label.as_deref())?;
        Ok(StepKind::Loop {
            label,
            condition,
            steps,
        })
    }

    /// `LOOP ... END LOOP [label]`.
    pub(super) fn loop_body(&mut self, label: Option<&str>) -> Result<Vec<Step>> {
        self.deeper(|this| {
            this.cursor.expect_word("loop")?;
            let steps = this.steps()?;
            this.cursor.expect_word("end")?;
            this.cursor.expect_word("loop")?;
            this.end_label(label)?;
            Ok(steps)
        })
    }

    pub(super) fn for_loop(&mut self, label: Option<String>) -> Result<StepKind> {
        self.cursor.skip();
        let targets = self.targets()?;
        self.cursor.expect_word("in")?;
        if self.cursor.take_word("execute") {
            let query = QueryText::Dynamic(self.until(&["loop"])?);
            let steps = self.loop_body(label.as_deref())?;
            return Ok(StepKind::ForRows {
                label,
                targets,
                query,
                steps,
            });
        }
        let is_query = self.cursor.is_word("select")
            || self.cursor.is_word("with")
            || self.cursor.peek() == Some(&Token::LParen);
        let is_reverse = self.cursor.take_word("reverse");
        let text = self.text_until(&["loop"])?;
        match (range(text), targets.as_slice()) {
            (Some((from, to)), [target]) if !is_query || !begins_query(text) => {
                let [variable] = target.as_slice() else {
                    return Err(self.cursor.unexpected());
                };
                let variable = variable.clone();
                let (from, to) = (Template::new(from)?, Template::new(to)?);
                let steps = self.loop_body(label.as_deref())?;
                Ok(StepKind::ForRange {
                    label,
                    variable,
                    is_reverse,
                    from,
                    to,
                    steps,
                })
            }
            _ if is_query => {
                let query = QueryText::Static(Template::new(text)?);
                let steps = self.loop_body(label.as_deref())?;
                Ok(StepKind::ForRows {
                    label,
                    targets,
                    query,
                    steps,
                })
            }
            _ => Err(Error::unsupported(
                "FOR over a cursor",
                "Open the cursor and FETCH in a LOOP, or write FOR ... IN SELECT",
            )),
        }
    }

    pub(super) fn branch(&mut self) -> Result<StepKind> {
        self.deeper(|this| {
            let mut arms: Vec<Arm> = Vec::new();
            let mut otherwise = Vec::new();
            this.cursor.expect_word("if")?;
            loop {
                let condition = this.until(&["then"])?;
                this.cursor.expect_word("then")?;
                arms.push((vec![condition], this.steps()?));
                if !this.cursor.take_word("elsif") && !this.cursor.take_word("elseif") {
                    break;
                }
            }
            if this.cursor.take_word("else") {
                otherwise = this.steps()?;
            }
            this.cursor.expect_word("end")?;
            this.cursor.expect_word("if")?;
            Ok(StepKind::If { arms, otherwise })
        })
    }

    pub(super) fn case(&mut self) -> Result<StepKind> {
        self.deeper(|this| {
            this.cursor.expect_word("case")?;
            let operand = match this.cursor.is_word("when") {
                true => None,
                false => Some(this.until(&["when"])?),
            };
            let mut arms: Vec<Arm> = Vec::new();
            while this.cursor.take_word("when") {
                let text = this.text_until(&["then"])?;
                let conditions = match operand {
                    Some(_) => split_commas(text)?,
                    None => vec![Template::new(text)?],
                };
                this.cursor.expect_word("then")?;
                arms.push((conditions, this.steps()?));
            }
            let otherwise = match this.cursor.take_word("else") {
                true => Some(this.steps()?),
                false => None,
            };
            this.cursor.expect_word("end")?;
            this.cursor.expect_word("case")?;
            if arms.is_empty() {
                return Err(this.cursor.unexpected());
            }
            Ok(StepKind::Case {
                operand,
                arms,
                otherwise,
            })
        })
    }
}
