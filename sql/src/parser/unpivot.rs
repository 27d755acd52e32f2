//! `FROM t, UNPIVOT t.object AS value AT attribute`, a form that the parser of queries does not know: the word and the
//! name behind it become one name with a mark, which the binder takes off again. And `FROM UNNEST(array) WITH OFFSET AS
//! a (value, place)`, which it knows with another word.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan, Word};

/// What stands before the name of an object in FROM; no user can write it, as it is a control character.
pub(crate) const MARK: char = '\u{1}';

/// Joins each such UNPIVOT with the name behind it; gives the places of the tokens that are two.
pub(super) fn joined(tokens: Vec<TokenWithSpan>) -> (Vec<TokenWithSpan>, Vec<usize>) {
    let tokens = with_ordinality(tokens);
    if !tokens
        .iter()
        .any(|token| is(&token.token, Keyword::UNPIVOT))
    {
        return (tokens, Vec::new());
    }
    let mut made: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    let mut places = Vec::new();
    let mut rest = tokens.into_iter().peekable();
    while let Some(token) = rest.next() {
        let begins = match made.last().map(|last| &last.token) {
            Some(Token::Comma) => true,
            Some(last) => is(last, Keyword::FROM) || is(last, Keyword::JOIN),
            None => false,
        };
        if begins
            && is(&token.token, Keyword::UNPIVOT)
            && let Some(next) = rest.next_if(|next| is_name(&next.token))
        {
            places.push(made.len());
            let token = match next.token {
                Token::Word(word) => Token::Word(Word {
                    value: format!("{MARK}{}", word.value),
                    keyword: Keyword::NoKeyword,
                    ..word
                }),
                other => other,
            };
            made.push(TokenWithSpan {
                token,
                span: next.span,
            });
            continue;
        }
        made.push(token);
    }
    (made, places)
}

/// `UNNEST(...) WITH OFFSET` -> `UNNEST(...) WITH ORDINALITY`, as the parser of queries knows it.
fn with_ordinality(mut tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let is_there = tokens.iter().any(|token| is(&token.token, Keyword::UNNEST));
    if !is_there {
        return tokens;
    }
    let found = tokens.windows(3).enumerate().filter(|(_, three)| {
        matches!(three, [end, with, offset] if end.token == Token::RParen
            && is(&with.token, Keyword::WITH)
            && is(&offset.token, Keyword::OFFSET))
    });
    let places: Vec<usize> = found.map(|(place, _)| place + 2).collect();
    for place in places {
        if let Some(token) = tokens.get_mut(place) {
            token.token = Token::make_keyword("ORDINALITY");
        }
    }
    tokens
}

fn is(token: &Token, keyword: Keyword) -> bool {
    matches!(token, Token::Word(word) if word.keyword == keyword && word.quote_style.is_none())
}

/// Tells a name from `INCLUDE NULLS` and `EXCLUDE NULLS`, which may stand behind the UNPIVOT of a table.
fn is_name(token: &Token) -> bool {
    let nulls = [Keyword::INCLUDE, Keyword::EXCLUDE];
    matches!(token, Token::Word(_)) && !nulls.iter().any(|word| is(token, *word))
}
