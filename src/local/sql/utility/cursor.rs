//! A place in a statement's tokens, and the small steps that every statement is read with.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::{Name, name_of};
use crate::error::{Result, SqlError};
use crate::lexer::{Lexeme, Source, character};

/// A place in a statement's tokens.
pub struct Cursor<'a> {
    pub source: &'a Source,
    pub position: usize,
}

impl<'a> Cursor<'a> {
    pub fn new(source: &'a Source) -> Self {
        Self { source, position: 0 }
    }

    pub fn peek(&self) -> Option<&'a Lexeme> {
        self.source.tokens.get(self.position)
    }

    pub fn next(&mut self) -> Option<&'a Lexeme> {
        let lexeme = self.peek();
        self.position += 1;
        lexeme
    }

    pub fn at_end(&self) -> bool {
        self.position >= self.source.tokens.len()
    }

    pub fn skip_rest(&mut self) {
        self.position = self.source.tokens.len();
    }

    pub fn peek_word(&self) -> Option<&'a str> {
        self.peek().and_then(Lexeme::word)
    }

    pub fn peek_word_at(&self, ahead: usize) -> Option<&'a str> {
        self.source.tokens.get(self.position + ahead).and_then(Lexeme::word)
    }

    pub fn peek_is(&self, word: &str) -> bool {
        self.peek_word() == Some(word)
    }

    pub fn peek_token(&self, token: &Token) -> bool {
        self.peek().is_some_and(|lexeme| lexeme.is(token))
    }

    pub fn eat(&mut self, word: &str) -> bool {
        let found = self.peek_is(word);
        self.position += usize::from(found);
        found
    }

    pub fn eat_token(&mut self, token: &Token) -> bool {
        let found = self.peek_token(token);
        self.position += usize::from(found);
        found
    }

    pub fn expect(&mut self, word: &str) -> Result<()> {
        if self.eat(word) { Ok(()) } else { Err(self.unexpected()) }
    }

    pub fn expect_token(&mut self, token: &Token) -> Result<()> {
        if self.eat_token(token) {
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    pub fn end(&self) -> Result<()> {
        if self.at_end() { Ok(()) } else { Err(self.unexpected()) }
    }

    pub fn unexpected(&self) -> SqlError {
        match self.peek() {
            Some(lexeme) => SqlError::syntax(format!(
                "syntax error at or near \"{}\"",
                &self.source.text[lexeme.start..lexeme.end]
            ))
            .at(character(&self.source.text, lexeme.start)),
            None => SqlError::syntax("syntax error at end of input").at(self.source.text.chars().count() + 1),
        }
    }

    pub fn ident(&mut self) -> Result<String> {
        match self.peek().map(|lexeme| &lexeme.token.token) {
            Some(Token::Word(word)) => {
                self.position += 1;
                Ok(word.value.clone())
            }
            _ => Err(self.unexpected()),
        }
    }

    pub fn ident_or_string(&mut self) -> Result<String> {
        self.string().or_else(|_| self.ident())
    }

    pub fn string(&mut self) -> Result<String> {
        let text = match self.peek().map(|lexeme| &lexeme.token.token) {
            Some(Token::SingleQuotedString(text) | Token::EscapedStringLiteral(text)) => text.clone(),
            Some(Token::DollarQuotedString(text)) => text.value.clone(),
            _ => return Err(self.unexpected()),
        };
        self.position += 1;
        Ok(text)
    }

    pub fn number(&mut self) -> Option<u64> {
        match self.peek().map(|lexeme| &lexeme.token.token) {
            Some(Token::Number(text, _)) => {
                let number = text.parse().ok()?;
                self.position += 1;
                Some(number)
            }
            _ => None,
        }
    }

    pub fn integer(&mut self) -> Result<i64> {
        let negative = self.eat_token(&Token::Minus);
        let number = self.number().ok_or_else(|| self.unexpected())? as i64;
        Ok(if negative { -number } else { number })
    }

    pub fn name(&mut self) -> Result<Name> {
        let mut parts = vec![self.ident()?];
        while self.eat_token(&Token::Period) {
            parts.push(self.ident()?);
        }
        name_of(parts).ok_or_else(|| self.unexpected())
    }

    pub fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let mut items = vec![item(self)?];
        while self.eat_token(&Token::Comma) {
            items.push(item(self)?);
        }
        Ok(items)
    }

    pub fn parenthesized<T>(&mut self, item: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        self.expect_token(&Token::LParen)?;
        let items = self.list(item)?;
        self.expect_token(&Token::RParen)?;
        Ok(items)
    }

    pub fn if_not_exists(&mut self) -> Result<bool> {
        if !self.eat("if") {
            return Ok(false);
        }
        self.expect("not")?;
        self.expect("exists")?;
        Ok(true)
    }

    pub fn if_exists(&mut self) -> Result<bool> {
        if !self.eat("if") {
            return Ok(false);
        }
        self.expect("exists")?;
        Ok(true)
    }

    pub fn cascade(&mut self) -> bool {
        !self.eat("restrict") && self.eat("cascade")
    }

    pub fn like(&mut self) -> Result<Option<String>> {
        if self.eat("like") {
            return Ok(Some(self.string()?));
        }
        if self.eat("limit") {
            self.next();
        }
        Ok(None)
    }

    /// A setting's name, which may have dots, or the words `time zone`.
    pub fn setting_name(&mut self) -> Result<String> {
        let mut name = self.ident()?;
        if name == "time" && self.eat("zone") {
            return Ok("timezone".into());
        }
        if name == "transaction" && self.eat("isolation") {
            self.expect("level")?;
            return Ok("transaction_isolation".into());
        }
        if name == "session" && self.eat("authorization") {
            return Ok("session authorization".into());
        }
        while self.eat_token(&Token::Period) {
            name = format!("{name}.{}", self.ident()?);
        }
        Ok(name)
    }

    /// The tokens from here to the end as a statement of their own.
    pub fn rest(&mut self) -> Source {
        let part = self.part(self.position, self.source.tokens.len());
        self.skip_rest();
        part
    }

    pub fn part(&self, from: usize, to: usize) -> Source {
        let text = self.source.slice(from, to).to_string();
        let tokens = self.source.tokens.get(from..to).unwrap_or_default().to_vec();
        let start = tokens.first().map_or(0, |first| first.start);
        let tokens = tokens
            .into_iter()
            .map(|lexeme| Lexeme {
                token: lexeme.token,
                start: lexeme.start - start,
                end: lexeme.end - start,
            })
            .collect();
        Source {
            text,
            tokens,
            offset: self.source.offset + self.source.text[..start].chars().count(),
        }
    }

    /// Skips to the token after the parenthesis that closes the one at the cursor.
    pub fn skip_parentheses(&mut self) -> Result<()> {
        self.expect_token(&Token::LParen)?;
        let mut depth = 1;
        while depth > 0 {
            match self.next().map(|lexeme| &lexeme.token.token) {
                Some(Token::LParen) => depth += 1,
                Some(Token::RParen) => depth -= 1,
                Some(_) => {}
                None => return Err(self.unexpected()),
            }
        }
        Ok(())
    }
}
