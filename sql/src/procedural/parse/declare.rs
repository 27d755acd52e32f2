//! What stands before BEGIN: variables, their types, cursors.

use super::*;

impl Parser<'_> {
    pub(super) fn declaration(&mut self) -> Result<Declaration> {
        let line = self.line();
        self.variables += 1;
        if self.variables > VARIABLES_MAX {
            return Err(Error::new(
                SqlState::PROGRAM_LIMIT_EXCEEDED,
                format!("a procedure can have at most {VARIABLES_MAX} variables"),
            ));
        }
        let name = self.cursor.name()?;
        if self.cursor.take_words(&["alias", "for"]) {
            let of = self.any_name()?;
            self.semicolon()?;
            return Ok(Declaration {
                name,
                line,
                is_constant: false,
                is_not_null: false,
                ty: DeclaredType::Alias(of),
                default: None,
            });
        }
        let is_constant = self.cursor.take_word("constant");
        let ty = self.declared_type()?;
        let is_not_null = self.cursor.take_words(&["not", "null"]);
        let has_default = self.cursor.take_word("default")
            || self.cursor.take(&Token::Assignment)
            || self.cursor.take(&Token::Eq);
        let default = match has_default {
            true => Some(self.until(&[])?),
            false => None,
        };
        self.semicolon()?;
        if is_not_null && default.is_none() {
            return Err(Error::new(
                SqlState::SYNTAX_ERROR,
                format!(
                    "variable \"{name}\" must have a default value, since it's declared NOT NULL"
                ),
            ));
        }
        Ok(Declaration {
            name,
            line,
            is_constant,
            is_not_null,
            ty,
            default,
        })
    }

    /// A name or `$1`.
    pub(super) fn any_name(&mut self) -> Result<String> {
        match self.cursor.peek() {
            Some(token @ Token::Placeholder(_)) => {
                let name = name_of(token);
                self.cursor.skip();
                Ok(name)
            }
            _ => self.cursor.name(),
        }
    }

    pub(super) fn declared_type(&mut self) -> Result<DeclaredType> {
        if self.cursor.take_word("record") {
            return Ok(DeclaredType::Record);
        }
        if self.cursor.take_word("refcursor") {
            return Ok(DeclaredType::Of(RoutineType::Refcursor));
        }
        let scroll = self.cursor.clone();
        let no = self.cursor.take_word("no");
        if self.cursor.take_word("scroll") && !no {
            return Err(Error::unsupported("SCROLL", "Read the rows forward"));
        }
        if self.cursor.take_word("cursor") {
            return self.cursor_query().map(DeclaredType::Cursor);
        }
        self.cursor = scroll;
        // `name[.name...]%TYPE | %ROWTYPE`.
        let start = self.cursor.clone();
        if let Ok(name) = self.cursor.object_name()
            && self.cursor.take(&Token::Mod)
        {
            let parts = [&name.database, &name.schema, &Some(name.name.clone())];
            let parts: Vec<String> = parts.into_iter().flatten().cloned().collect();
            if self.cursor.take_word("rowtype") {
                return Ok(DeclaredType::RowOf(name));
            }
            self.cursor.expect_word("type")?;
            return Ok(DeclaredType::LikeColumn(parts));
        }
        self.cursor = start;
        let ty = crate::types::parse(&mut self.cursor)?;
        Ok(DeclaredType::Of(RoutineType::Sql(ty)))
    }

    pub(super) fn cursor_query(&mut self) -> Result<BoundCursor> {
        let mut arguments = Vec::new();
        if self.cursor.take(&Token::LParen) {
            loop {
                let name = self.cursor.name()?;
                let ty = crate::types::parse(&mut self.cursor)?;
                arguments.push((name, RoutineType::Sql(ty)));
                if !self.cursor.take(&Token::Comma) {
                    break;
                }
            }
            self.cursor.expect(&Token::RParen)?;
        }
        if !self.cursor.take_word("for") {
            self.cursor.expect_word("is")?;
        }
        let query = self.until(&[])?;
        Ok(BoundCursor { arguments, query })
    }
}
