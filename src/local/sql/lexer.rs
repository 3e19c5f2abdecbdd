//! Text to statements: tokens with byte offsets, split at semicolons, names folded to lower case.

use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer, TokenizerError, Word};

use crate::dialect::Redshift;
use crate::error::{Result, SqlError};

/// One statement of a text: its tokens without white space or comments.
#[derive(Clone, Debug)]
pub struct Source {
    pub text: String,
    pub tokens: Vec<Lexeme>,
    /// Characters before this statement in the text that it came from; added to error positions.
    pub offset: usize,
}

#[derive(Clone, Debug)]
pub struct Lexeme {
    pub token: TokenWithSpan,
    /// Bytes in `Source::text`.
    pub start: usize,
    pub end: usize,
}

impl Lexeme {
    /// Returns the lower-case word when this is an unquoted one.
    pub fn word(&self) -> Option<&str> {
        match &self.token.token {
            Token::Word(Word {
                value,
                quote_style: None,
                ..
            }) => Some(value),
            _ => None,
        }
    }

    /// Whether this is a word, quoted or not, that names `name`.
    pub fn names(&self, name: &str) -> bool {
        matches!(&self.token.token, Token::Word(word) if word.value == name)
    }

    pub fn is(&self, token: &Token) -> bool {
        self.token.token == *token
    }
}

/// Splits a text into its statements. Empty statements disappear.
pub fn split(text: &str) -> Result<Vec<Source>> {
    let tokens = Tokenizer::new(&Redshift, text)
        .tokenize_with_location()
        .map_err(|error| unterminated(text, &error))?;
    let mut places = Places::new(text);
    let mut statements = Vec::new();
    let mut current: Vec<Lexeme> = Vec::new();
    for token in tokens {
        if matches!(token.token, Token::Whitespace(_) | Token::EOF) {
            continue;
        }
        let start = places.byte(token.span.start);
        let end = places.byte(token.span.end);
        if token.token == Token::SemiColon {
            finish(text, &mut current, &mut statements);
            continue;
        }
        current.push(Lexeme {
            token: fold(with_octals(token, &text[start..end])),
            start,
            end,
        });
    }
    finish(text, &mut current, &mut statements);
    Ok(statements)
}

/// Says what has no end, and where it begins.
fn unterminated(text: &str, error: &TokenizerError) -> SqlError {
    let place = offset_of(text, error.location);
    let rest = text.get(place..).unwrap_or_default();
    let (what, start) = match error.message.as_str() {
        message if message.starts_with("Unterminated string literal") => ("quoted string", place),
        message if message.starts_with("Expected close delimiter") => ("quoted identifier", place),
        message if message.starts_with("Unexpected EOF while in a multi-line comment") => {
            ("/* comment", text.rfind("/*").unwrap_or(place))
        }
        message => return SqlError::syntax(message).at(character(text, place)),
    };
    let message = match what {
        "/* comment" => format!("unterminated {what}"),
        _ => format!("unterminated {what} at or near \"{rest}\""),
    };
    SqlError::syntax(message).at(character(text, start))
}

fn finish(text: &str, current: &mut Vec<Lexeme>, statements: &mut Vec<Source>) {
    let (Some(first), Some(last)) = (current.first(), current.last()) else {
        return;
    };
    let (start, end) = (first.start, last.end);
    let mut tokens = std::mem::take(current);
    for lexeme in &mut tokens {
        lexeme.start -= start;
        lexeme.end -= start;
    }
    statements.push(Source {
        text: text[start..end].to_string(),
        tokens,
        offset: text[..start].chars().count(),
    });
}

/// Reads `\001` in a string as the character of that number, which the tokenizer does not.
fn with_octals(mut token: TokenWithSpan, written: &str) -> TokenWithSpan {
    let octal = |pair: &[u8]| pair[0] == b'\\' && (b'0'..=b'7').contains(&pair[1]);
    if let Token::SingleQuotedString(string) = &mut token.token
        && written.as_bytes().windows(2).any(octal)
        && let Some(inner) = written.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''))
    {
        *string = unescaped(inner);
    }
    token
}

fn unescaped(written: &str) -> String {
    let mut text = String::with_capacity(written.len());
    let mut rest = written.chars().peekable();
    while let Some(c) = rest.next() {
        match (c, rest.peek()) {
            ('\\', Some('0'..='7')) => {
                let mut number = 0;
                for _ in 0..3 {
                    let Some(digit) = rest.next_if(|c| ('0'..='7').contains(c)).and_then(|c| c.to_digit(8)) else {
                        break;
                    };
                    number = number * 8 + digit;
                }
                text.extend(char::from_u32(number & 0xff));
            }
            ('\\', Some(_)) => text.extend(rest.next().map(|c| match c {
                'b' => '\u{8}',
                'f' => '\u{c}',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                other => other,
            })),
            ('\'', Some('\'')) => text.extend(rest.next()),
            _ => text.push(c),
        }
    }
    text
}

/// Redshift folds every identifier to lower case, quoted or not.
fn fold(mut token: TokenWithSpan) -> TokenWithSpan {
    if let Token::Word(word) = &mut token.token {
        word.value = word.value.to_lowercase();
    }
    token
}

/// Turns line and column into a byte offset. Remembers the last place, because tokens come in order.
struct Places<'a> {
    text: &'a str,
    line: u64,
    column: u64,
    byte: usize,
}

impl<'a> Places<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            text,
            line: 1,
            column: 1,
            byte: 0,
        }
    }

    fn byte(&mut self, wanted: Location) -> usize {
        if (wanted.line, wanted.column) < (self.line, self.column) {
            *self = Self::new(self.text);
        }
        while (self.line, self.column) < (wanted.line, wanted.column) {
            let Some(c) = self.text[self.byte..].chars().next() else {
                break;
            };
            self.byte += c.len_utf8();
            if c == '\n' {
                self.line += 1;
                self.column = 1;
            } else {
                self.column += 1;
            }
        }
        self.byte
    }
}

pub fn offset_of(text: &str, location: Location) -> usize {
    Places::new(text).byte(location)
}

/// Returns the one-based character position of a byte offset.
pub fn character(text: &str, byte: usize) -> usize {
    text[..byte.min(text.len())].chars().count() + 1
}

impl Source {
    /// Returns the source between two token indices.
    pub fn slice(&self, from: usize, to: usize) -> &str {
        match (
            self.tokens.get(from),
            to.checked_sub(1).and_then(|last| self.tokens.get(last)),
        ) {
            (Some(first), Some(last)) if first.start <= last.end => &self.text[first.start..last.end],
            _ => "",
        }
    }

    /// Replaces `:name` by the parameters of the Data API, as string literals, which take the type they meet.
    pub fn bind_named(&mut self, parameters: &[(String, String)]) -> Result<()> {
        let mut bound = Vec::with_capacity(self.tokens.len());
        let mut index = 0;
        while index < self.tokens.len() {
            let lexeme = &self.tokens[index];
            let glued = |next: &Lexeme| next.start == lexeme.end;
            match (&lexeme.token.token, self.tokens.get(index + 1)) {
                (Token::Colon, Some(next)) if next.word().is_some() && glued(next) => {
                    let name = next.word().unwrap_or_default();
                    let value = parameters.iter().find(|(known, _)| known.to_lowercase() == name);
                    let (_, value) = value.ok_or_else(|| {
                        SqlError::new("42P02", format!("there is no parameter :{name}"))
                            .at(character(&self.text, lexeme.start))
                    })?;
                    let token = TokenWithSpan::new(Token::SingleQuotedString(value.clone()), next.token.span);
                    bound.push(Lexeme {
                        token,
                        start: lexeme.start,
                        end: next.end,
                    });
                    index += 2;
                }
                _ => {
                    bound.push(lexeme.clone());
                    index += 1;
                }
            }
        }
        self.tokens = bound;
        Ok(())
    }
}
