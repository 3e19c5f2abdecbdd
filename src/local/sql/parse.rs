//! Queries and DML through sqlparser, after the few words it does not know were taken out of the tokens.

use datafusion::sql::sqlparser::ast::{Query, Statement};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::dialect::Redshift;
use crate::error::{Result, SqlError};
use crate::lexer::{Lexeme, Source, character, split};

/// Reads one statement.
pub fn statement(source: &Source) -> Result<Statement> {
    if let [first, second, ..] = source.tokens.as_slice()
        && first.word() == Some("insert")
        && second.word() != Some("into")
    {
        return Err(near(source, second));
    }
    let tokens = prepare(source)?;
    let mut statements = Parser::new(&Redshift)
        .with_recursion_limit(200)
        .with_tokens_with_locations(tokens)
        .parse_statements()
        .map_err(|error| explain(source, error))?;
    match (statements.pop(), statements.is_empty()) {
        (Some(statement), true) => Ok(statement),
        _ => Err(SqlError::syntax("syntax error at end of input")),
    }
}

/// Reads one query.
pub fn query_of(source: &Source) -> Result<Box<Query>> {
    match statement(source)? {
        Statement::Query(query) => Ok(query),
        _ => Err(SqlError::syntax("a query is needed here")),
    }
}

pub fn query(text: &str) -> Result<Box<Query>> {
    match split(text)?.as_slice() {
        [source] => query_of(source),
        _ => Err(SqlError::syntax("a query is needed here")),
    }
}

fn prepare(source: &Source) -> Result<Vec<TokenWithSpan>> {
    let tokens = source.tokens.as_slice();
    let mut kept = Vec::with_capacity(tokens.len());
    for (index, lexeme) in tokens.iter().enumerate() {
        let next = tokens.get(index + 1).and_then(Lexeme::word);
        match (lexeme.word(), next) {
            // An exact count is a valid approximation.
            (Some("approximate"), Some("count" | "percentile_disc")) => {}
            // A table has PIVOT and UNPIVOT behind it; what SUPER is taken apart by stands first.
            (Some("unpivot"), _) if starts_source(&tokens[..index]) => {
                let place = source.offset + character(&source.text, lexeme.start);
                return Err(SqlError::unsupported("UNPIVOT of data type super").at(place));
            }
            // An array of values is a function; the parser knows arrays of queries.
            (Some("array"), _) if is_list(&tokens[index + 1..]) => {
                let mut token = lexeme.token.clone();
                if let Token::Word(word) = &mut token.token {
                    word.keyword = Keyword::NoKeyword;
                }
                kept.push(token);
            }
            // DELETE may leave its FROM out.
            (Some("delete"), Some(name)) if name != "from" && deletes(tokens, index) => {
                kept.push(lexeme.token.clone());
                kept.push(TokenWithSpan::new(Token::make_keyword("FROM"), lexeme.token.span));
            }
            _ => kept.push(lexeme.token.clone()),
        }
    }
    Ok(kept)
}

/// Returns where a path starts that stands in FROM and goes on at `index` as no table's name does: `from t, t.a[0]`, or
/// `from t, t.a as item at place`.
fn unnested(tokens: &[Lexeme], index: usize) -> Option<usize> {
    let mut at = index;
    if tokens[at].word() == Some("at") {
        at = at.checked_sub(1)?;
        at -= usize::from(tokens[..at].last().and_then(Lexeme::word) == Some("as"));
    } else if !tokens[at].is(&Token::LBracket) {
        return None;
    }
    let is_word = |lexeme: &Lexeme| matches!(lexeme.token.token, Token::Word(_));
    let mut parts = 0;
    while at > 0 && is_word(&tokens[at - 1]) {
        (at, parts) = (at - 1, parts + 1);
        match at > 0 && tokens[at - 1].is(&Token::Period) {
            true => at -= 1,
            false => break,
        }
    }
    (parts > 1 && starts_source(&tokens[..at])).then_some(at)
}

/// Whether these tokens are followed by an item of FROM.
fn starts_source(tokens: &[Lexeme]) -> bool {
    let last = tokens.last();
    last.is_some_and(|last| last.is(&Token::Comma) || matches!(last.word(), Some("from" | "join")))
}

/// Whether parentheses follow in which no query stands.
fn is_list(tokens: &[Lexeme]) -> bool {
    let open = tokens.iter().take_while(|lexeme| lexeme.is(&Token::LParen)).count();
    let first = tokens.get(open).and_then(Lexeme::word);
    open > 0 && !matches!(first, Some("select" | "with" | "values"))
}

/// Whether the word begins a statement, first of all or behind WITH.
fn deletes(tokens: &[Lexeme], index: usize) -> bool {
    index == 0 || tokens[0].word() == Some("with") && tokens[index - 1].is(&Token::RParen)
}

fn near(source: &Source, lexeme: &Lexeme) -> SqlError {
    let written = &source.text[lexeme.start..lexeme.end];
    SqlError::syntax(format!("syntax error at or near \"{written}\""))
        .at(source.offset + character(&source.text, lexeme.start))
}

/// Rewords the parser's complaint as PostgreSQL words it.
fn explain(source: &Source, error: ParserError) -> SqlError {
    let message = match error {
        ParserError::ParserError(message) | ParserError::TokenizerError(message) => message,
        ParserError::RecursionLimitExceeded => return SqlError::new("54001", "the statement is nested too deeply"),
    };
    let place = message.rsplit_once(" at Line: ").and_then(|(_, place)| {
        let (line, column) = place.split_once(", Column: ")?;
        Some((line.parse::<u64>().ok()?, column.trim().parse::<u64>().ok()?))
    });
    let index = place.and_then(|(line, column)| {
        let at = |lexeme: &Lexeme| lexeme.token.span.start.line == line && lexeme.token.span.start.column == column;
        source.tokens.iter().position(at)
    });
    if let Some(start) = index.and_then(|index| unnested(&source.tokens, index)) {
        let place = source.offset + character(&source.text, source.tokens[start].start);
        return SqlError::unsupported("unnesting SUPER in FROM").at(place);
    }
    // GROUP and ORDER are words that a BY has to follow.
    let without_by = |index: &usize| {
        let word = |index: usize| source.tokens.get(index).and_then(Lexeme::word);
        matches!(word(*index), Some("group" | "order")) && word(index + 1) != Some("by")
    };
    let index = index.map(|index| index + usize::from(without_by(&index)));
    match index.and_then(|index| source.tokens.get(index)) {
        Some(lexeme) => near(source, lexeme),
        None if message.contains("EOF") => {
            SqlError::syntax("syntax error at end of input").at(source.offset + source.text.chars().count() + 1)
        }
        None => SqlError::syntax(format!("syntax error: {message}")),
    }
}
