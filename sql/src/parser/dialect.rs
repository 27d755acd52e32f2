//! Redshift's words and operators, on top of PostgreSQL's.

use sqlparser::ast::{DuplicateTreatment, Expr, FunctionArguments, Ident, ObjectName};
use sqlparser::dialect::{Dialect, PostgreSqlDialect, Precedence};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Token, TokenWithSpan};
use std::any::TypeId;

/// Redshift's words and operators, on top of PostgreSQL's.
#[derive(Debug)]
pub(crate) struct RedshiftDialect {
    /// Whether `x NOT NULL` tests for null, as in a query; after a column's DEFAULT it is a constraint.
    pub(super) not_null_is_test: bool,
    /// Whether `a JOIN b JOIN c ON x ON y` is read as `a JOIN (b JOIN c ON x) ON y`.
    pub(super) nests_joins: bool,
}

/// How many joins a text may hold for them to nest without parentheses; each is a level of the parser's stack.
const NESTING_JOINS_MAX: usize = 100;

/// Tells whether the joins of a text may nest without parentheses. One with NATURAL may not: it has no condition to
/// wait for, so what follows it joins the result.
pub(super) fn nests_joins(tokens: &[TokenWithSpan]) -> bool {
    let mut joins = 0;
    for token in tokens {
        match &token.token {
            Token::Word(word) if word.keyword == Keyword::JOIN => joins += 1,
            Token::Word(word) if word.keyword == Keyword::NATURAL => return false,
            _ => {}
        }
    }
    (2..=NESTING_JOINS_MAX).contains(&joins)
}

/// `TRIM([BOTH | LEADING | TRAILING] [what] FROM x)`, `TRIM(x)` and `TRIM(x, what)`.
fn trim(parser: &mut Parser) -> Result<Expr, ParserError> {
    parser.next_token();
    parser.expect_token(&Token::LParen)?;
    let sides = [Keyword::BOTH, Keyword::LEADING, Keyword::TRAILING];
    let trim_where = match parser.peek_one_of_keywords(&sides) {
        Some(_) => Some(parser.parse_trim_where()?),
        None => None,
    };
    let first = match trim_where.is_some() && parser.peek_keyword(Keyword::FROM) {
        true => None,
        false => Some(parser.parse_expr()?),
    };
    let (expr, what) = match first {
        Some(what) if parser.parse_keyword(Keyword::FROM) => (parser.parse_expr()?, Some(what)),
        Some(text) if trim_where.is_none() && parser.consume_token(&Token::Comma) => {
            (text, Some(parser.parse_expr()?))
        }
        Some(text) => (text, None),
        None => {
            parser.expect_keyword(Keyword::FROM)?;
            (parser.parse_expr()?, None)
        }
    };
    parser.expect_token(&Token::RParen)?;
    Ok(Expr::Trim {
        expr: Box::new(expr),
        trim_where,
        trim_what: what.map(Box::new),
        trim_characters: None,
    })
}

/// `ROLLUP (...)`, `CUBE (...)` or the rest of `GROUPING SETS (...)` in the place of a set of GROUPING SETS.
fn nested_sets(parser: &mut Parser) -> Result<Expr, ParserError> {
    let word = parser.next_token();
    parser.expect_token(&Token::LParen)?;
    let lists = parser.parse_comma_separated(|parser| {
        if parser.consume_tokens(&[Token::LParen, Token::RParen]) {
            return Ok(Vec::new());
        }
        Ok(match parser.parse_expr()? {
            Expr::Tuple(parts) => parts,
            Expr::Nested(inner) => vec![*inner],
            other => vec![other],
        })
    })?;
    parser.expect_token(&Token::RParen)?;
    Ok(match &word.token {
        Token::Word(word) if word.value.eq_ignore_ascii_case("rollup") => Expr::Rollup(lists),
        Token::Word(word) if word.value.eq_ignore_ascii_case("cube") => Expr::Cube(lists),
        _ => Expr::GroupingSets(lists),
    })
}

impl Dialect for RedshiftDialect {
    fn dialect(&self) -> TypeId {
        // Inherit what `sqlparser` does for PostgreSQL alone, such as OPERATOR(pg_catalog.~), which psql sends.
        TypeId::of::<PostgreSqlDialect>()
    }
    fn identifier_quote_style(&self, _identifier: &str) -> Option<char> {
        Some('"')
    }
    fn supports_left_associative_joins_without_parens(&self) -> bool {
        !self.nests_joins
    }
    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        ch == '"'
    }
    fn is_identifier_start(&self, ch: char) -> bool {
        ch.is_alphabetic() || ch == '_' || ch == '#' || !ch.is_ascii()
    }
    fn is_identifier_part(&self, ch: char) -> bool {
        self.is_identifier_start(ch) || ch.is_ascii_digit() || ch == '$'
    }
    fn is_reserved_for_identifier(&self, word: Keyword) -> bool {
        PostgreSqlDialect {}.is_reserved_for_identifier(word)
    }
    fn get_next_precedence(&self, parser: &Parser) -> Option<Result<u8, ParserError>> {
        let ends_default = match &parser.peek_token_ref().token {
            Token::Word(word) => matches!(word.keyword, Keyword::NOT | Keyword::COLLATE),
            _ => false,
        };
        if ends_default && !self.not_null_is_test {
            return Some(Ok(self.prec_unknown()));
        }
        PostgreSqlDialect {}.get_next_precedence(parser)
    }
    /// ROLLUP, CUBE and GROUPING SETS in GROUPING SETS, TRIM, `APPROXIMATE COUNT(DISTINCT x)`, and APPROXIMATE
    /// PERCENTILE_DISC, which is exact here.
    fn parse_prefix(&self, parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
        let is = |token: &Token, words: &[&str]| match token {
            Token::Word(word) => words
                .iter()
                .any(|name| word.value.eq_ignore_ascii_case(name)),
            _ => false,
        };
        if is(&parser.peek_token_ref().token, &["trim"])
            && parser.peek_nth_token(1).token == Token::LParen
        {
            return Some(trim(parser));
        }
        if is(&parser.peek_token_ref().token, &["rollup", "cube"])
            && parser.peek_nth_token(1).token == Token::LParen
        {
            return Some(nested_sets(parser));
        }
        if is(&parser.peek_token_ref().token, &["grouping"])
            && is(&parser.peek_nth_token(1).token, &["sets"])
            && parser.peek_nth_token(2).token == Token::LParen
        {
            parser.next_token();
            return Some(nested_sets(parser));
        }
        if is(&parser.peek_token_ref().token, &["prior"]) && is_prior_operator(parser) {
            parser.next_token();
            let column = parser.parse_prefix();
            return Some(column.map(|column| Expr::Prior(Box::new(column))));
        }
        if !is(&parser.peek_token_ref().token, &["approximate"])
            || !is(
                &parser.peek_nth_token(1).token,
                &["count", "percentile_disc"],
            )
        {
            return None;
        }
        parser.next_token();
        Some(parser.parse_prefix().map(|mut expr| {
            if let Expr::Function(function) = &mut expr
                && let FunctionArguments::List(list) = &mut function.args
                && list.duplicate_treatment == Some(DuplicateTreatment::Distinct)
            {
                list.duplicate_treatment = None;
                function.name = ObjectName::from(vec![Ident::new("approx_distinct")]);
            }
            expr
        }))
    }
    fn prec_value(&self, precedence: Precedence) -> u8 {
        PostgreSqlDialect {}.prec_value(precedence)
    }
    fn supports_filter_during_aggregation(&self) -> bool {
        true
    }
    fn supports_group_by_expr(&self) -> bool {
        true
    }
    fn allow_extract_custom(&self) -> bool {
        true
    }
    fn allow_extract_single_quotes(&self) -> bool {
        true
    }
    fn supports_bitwise_shift_operators(&self) -> bool {
        true
    }
    fn supports_nested_comments(&self) -> bool {
        true
    }
    fn supports_string_escape_constant(&self) -> bool {
        true
    }
    fn supports_string_literal_backslash_escape(&self) -> bool {
        true
    }
    fn supports_notnull_operator(&self) -> bool {
        self.not_null_is_test
    }
    fn supports_interval_options(&self) -> bool {
        true
    }
    fn convert_type_before_value(&self) -> bool {
        true
    }
    fn supports_top_before_distinct(&self) -> bool {
        true
    }
    fn supports_outer_join_operator(&self) -> bool {
        true
    }
    fn supports_partiql(&self) -> bool {
        true
    }
    fn supports_connect_by(&self) -> bool {
        true
    }
    fn supports_select_wildcard_exclude(&self) -> bool {
        true
    }
    fn supports_select_exclude(&self) -> bool {
        true
    }
    fn supports_select_wildcard_with_alias(&self) -> bool {
        true
    }
    fn supports_window_function_null_treatment_arg(&self) -> bool {
        true
    }
    fn supports_array_typedef_with_brackets(&self) -> bool {
        true
    }
    fn supports_within_after_array_aggregation(&self) -> bool {
        true
    }
}

/// Tokens behind PRIOR among which CONNECT BY is looked for.
const CONNECT_BY_TOKENS_MAX: usize = 2_000;

/// Tells whether the word `prior` that comes next is the operator of CONNECT BY, in a place where the grammar of others
/// takes it for a column: something to apply it to comes behind it, and CONNECT BY later.
fn is_prior_operator(parser: &Parser) -> bool {
    const NO_COLUMN: [Keyword; 20] = [
        Keyword::FROM,
        Keyword::AS,
        Keyword::AND,
        Keyword::OR,
        Keyword::NOT,
        Keyword::IN,
        Keyword::IS,
        Keyword::LIKE,
        Keyword::ILIKE,
        Keyword::BETWEEN,
        Keyword::ASC,
        Keyword::DESC,
        Keyword::NULLS,
        Keyword::THEN,
        Keyword::ELSE,
        Keyword::END,
        Keyword::WHEN,
        Keyword::START,
        Keyword::CONNECT,
        Keyword::LIMIT,
    ];
    let applies = match parser.peek_nth_token(1).token {
        Token::Word(word) => !NO_COLUMN.contains(&word.keyword),
        Token::LParen => true,
        _ => false,
    };
    if !applies {
        return false;
    }
    for place in 1..CONNECT_BY_TOKENS_MAX {
        match parser.peek_nth_token(place).token {
            Token::Word(word) if word.keyword == Keyword::CONNECT => {
                let next = parser.peek_nth_token(place + 1).token;
                return matches!(next, Token::Word(word) if word.keyword == Keyword::BY);
            }
            Token::EOF => return false,
            _ => {}
        }
    }
    false
}
