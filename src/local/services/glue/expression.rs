//! The filter of GetPartitions: a condition over partition keys, as in a SQL WHERE.

use std::cmp::Ordering;

use serde_json::Value;

use super::text;

/// A parsed filter.
#[derive(Debug)]
pub struct Expression {
    root: Node,
}

#[derive(Debug)]
enum Node {
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    Not(Box<Node>),
    Compare {
        key: Key,
        operator: &'static str,
        value: String,
    },
    In {
        key: Key,
        values: Vec<String>,
    },
    Between {
        key: Key,
        low: String,
        high: String,
    },
    Like {
        key: Key,
        pattern: String,
    },
    IsNull {
        key: Key,
    },
}

#[derive(Clone, Debug)]
struct Key {
    place: usize,
    number: bool,
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Literal(String),
    Symbol(&'static str),
}

const SYMBOLS: [&str; 9] = ["<=", ">=", "<>", "!=", "=", "<", ">", "(", ")"];

fn tokens(source: &str) -> Result<Vec<Token>, String> {
    let mut found = Vec::new();
    let mut rest = source.trim_start();
    while !rest.is_empty() {
        let first = rest.chars().next().unwrap_or_default();
        if let Some(symbol) = SYMBOLS.into_iter().find(|symbol| rest.starts_with(symbol)) {
            found.push(Token::Symbol(symbol));
            rest = &rest[symbol.len()..];
        } else if first == ',' {
            found.push(Token::Symbol(","));
            rest = &rest[1..];
        } else if matches!(first, '\'' | '"' | '`') {
            let mut literal = String::new();
            let mut chars = rest[1..].char_indices().peekable();
            let end = loop {
                match chars.next() {
                    Some((at, c)) if c == first => {
                        if chars.peek().is_some_and(|(_, next)| *next == first) {
                            literal.push(c);
                            chars.next();
                        } else {
                            break at + 2;
                        }
                    }
                    Some((_, c)) => literal.push(c),
                    None => return Err(format!("Unsupported expression '{source}': a quote is never closed")),
                }
            };
            found.push(if first == '\'' {
                Token::Literal(literal)
            } else {
                Token::Word(literal)
            });
            rest = &rest[end..];
        } else {
            let end = rest.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '+' | ':')));
            let end = end.unwrap_or(rest.len());
            if end == 0 {
                return Err(format!("Unsupported expression '{source}'"));
            }
            let word = &rest[..end];
            let number = word.parse::<f64>().is_ok() && !word.starts_with(char::is_alphabetic);
            found.push(if number {
                Token::Literal(word.to_owned())
            } else {
                Token::Word(word.to_owned())
            });
            rest = &rest[end..];
        }
        rest = rest.trim_start();
    }
    Ok(found)
}

struct Parser<'p> {
    tokens: Vec<Token>,
    at: usize,
    keys: &'p [Value],
    source: &'p str,
}

impl Expression {
    /// Parses a filter over a table's partition keys.
    pub fn parse(source: &str, keys: &[Value]) -> Result<Self, String> {
        let mut parser = Parser {
            tokens: tokens(source)?,
            at: 0,
            keys,
            source,
        };
        let root = parser.or()?;
        if parser.at < parser.tokens.len() {
            return Err(parser.unsupported());
        }
        Ok(Self { root })
    }

    /// Says whether a partition's values satisfy the filter.
    pub fn holds(&self, values: &[String]) -> bool {
        self.root.holds(values)
    }
}

impl Parser<'_> {
    fn unsupported(&self) -> String {
        format!("Unsupported expression '{}'", self.source)
    }

    fn word(&mut self, wanted: &str) -> bool {
        let found = matches!(self.tokens.get(self.at), Some(Token::Word(word)) if word.eq_ignore_ascii_case(wanted));
        self.at += usize::from(found);
        found
    }

    fn symbol(&mut self, wanted: &str) -> bool {
        let found = matches!(self.tokens.get(self.at), Some(Token::Symbol(symbol)) if *symbol == wanted);
        self.at += usize::from(found);
        found
    }

    fn or(&mut self) -> Result<Node, String> {
        let mut left = self.and()?;
        while self.word("or") {
            left = Node::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Node, String> {
        let mut left = self.not()?;
        while self.word("and") {
            left = Node::And(Box::new(left), Box::new(self.not()?));
        }
        Ok(left)
    }

    fn not(&mut self) -> Result<Node, String> {
        if self.word("not") {
            return Ok(Node::Not(Box::new(self.not()?)));
        }
        if self.symbol("(") {
            let inner = self.or()?;
            return if self.symbol(")") {
                Ok(inner)
            } else {
                Err(self.unsupported())
            };
        }
        self.condition()
    }

    fn key(&mut self) -> Result<Key, String> {
        let Some(Token::Word(name)) = self.tokens.get(self.at).cloned() else {
            return Err(self.unsupported());
        };
        self.at += 1;
        let place = self
            .keys
            .iter()
            .position(|key| text(key, "Name").eq_ignore_ascii_case(&name));
        let place =
            place.ok_or_else(|| format!("Unsupported expression '{}': unknown partition key {name}", self.source))?;
        let kind = text(&self.keys[place], "Type").to_ascii_lowercase();
        let number = [
            "int", "integer", "bigint", "smallint", "tinyint", "long", "decimal", "double", "float",
        ]
        .iter()
        .any(|name| kind.starts_with(name));
        Ok(Key { place, number })
    }

    fn literal(&mut self) -> Result<String, String> {
        // `date '2024-01-01'` and `timestamp '…'` name their type first.
        let _ = self.word("date") || self.word("timestamp");
        match self.tokens.get(self.at).cloned() {
            Some(Token::Literal(value)) => {
                self.at += 1;
                Ok(value)
            }
            // Clients also write texts in double quotes.
            Some(Token::Word(value)) => {
                self.at += 1;
                Ok(value)
            }
            _ => Err(self.unsupported()),
        }
    }

    fn condition(&mut self) -> Result<Node, String> {
        // A literal may stand first: `'2024' = year`.
        if let Some(Token::Literal(value)) = self.tokens.get(self.at).cloned() {
            self.at += 1;
            let operator = self.operator().ok_or_else(|| self.unsupported())?;
            let flipped = match operator {
                "<" => ">",
                ">" => "<",
                "<=" => ">=",
                ">=" => "<=",
                same => same,
            };
            let key = self.key()?;
            return Ok(Node::Compare {
                key,
                operator: flipped,
                value,
            });
        }
        let key = self.key()?;
        if let Some(operator) = self.operator() {
            let value = self.literal()?;
            return Ok(Node::Compare { key, operator, value });
        }
        if self.word("is") {
            let negated = self.word("not");
            if !self.word("null") {
                return Err(self.unsupported());
            }
            let node = Node::IsNull { key };
            return Ok(if negated { Node::Not(Box::new(node)) } else { node });
        }
        let negated = self.word("not");
        let node = if self.word("in") {
            let mut values = Vec::new();
            if !self.symbol("(") {
                return Err(self.unsupported());
            }
            loop {
                values.push(self.literal()?);
                if self.symbol(")") {
                    break;
                }
                if !self.symbol(",") {
                    return Err(self.unsupported());
                }
            }
            Node::In { key, values }
        } else if self.word("between") {
            let low = self.literal()?;
            if !self.word("and") {
                return Err(self.unsupported());
            }
            Node::Between {
                key,
                low,
                high: self.literal()?,
            }
        } else if self.word("like") {
            Node::Like {
                key,
                pattern: self.literal()?,
            }
        } else {
            return Err(self.unsupported());
        };
        Ok(if negated { Node::Not(Box::new(node)) } else { node })
    }

    fn operator(&mut self) -> Option<&'static str> {
        ["<=", ">=", "<>", "!=", "=", "<", ">"]
            .into_iter()
            .find(|operator| self.symbol(operator))
    }
}

impl Key {
    fn compare(&self, values: &[String], other: &str) -> Ordering {
        let value = values.get(self.place).map(String::as_str).unwrap_or_default();
        if self.number
            && let (Ok(a), Ok(b)) = (value.parse::<f64>(), other.parse::<f64>())
        {
            return a.total_cmp(&b);
        }
        value.cmp(other)
    }
}

impl Node {
    fn holds(&self, values: &[String]) -> bool {
        match self {
            Node::And(a, b) => a.holds(values) && b.holds(values),
            Node::Or(a, b) => a.holds(values) || b.holds(values),
            Node::Not(inner) => !inner.holds(values),
            Node::Compare { key, operator, value } => {
                let order = key.compare(values, value);
                match *operator {
                    "=" => order.is_eq(),
                    "<>" | "!=" => order.is_ne(),
                    "<" => order.is_lt(),
                    "<=" => order.is_le(),
                    ">" => order.is_gt(),
                    _ => order.is_ge(),
                }
            }
            Node::In { key, values: wanted } => wanted.iter().any(|value| key.compare(values, value).is_eq()),
            Node::Between { key, low, high } => key.compare(values, low).is_ge() && key.compare(values, high).is_le(),
            Node::Like { key, pattern } => {
                let value = values.get(key.place).map(String::as_str).unwrap_or_default();
                like(value, pattern)
            }
            Node::IsNull { key } => values
                .get(key.place)
                .is_none_or(|value| value == "__HIVE_DEFAULT_PARTITION__"),
        }
    }
}

/// `%` stands for any text, `_` for one character.
fn like(value: &str, pattern: &str) -> bool {
    let mut expression = String::from("(?s)^");
    for c in pattern.chars() {
        match c {
            '%' => expression.push_str(".*"),
            '_' => expression.push('.'),
            plain => expression.push_str(&regex::escape(&plain.to_string())),
        }
    }
    expression.push('$');
    regex::Regex::new(&expression).is_ok_and(|expression| expression.is_match(value))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn filters_select_partitions() {
        let keys = [
            json!({"Name": "year", "Type": "string"}),
            json!({"Name": "month", "Type": "int"}),
        ];
        let values = ["2024".to_owned(), "9".to_owned()];
        let cases = [
            ("year = '2024'", true),
            ("year = '2023' or month = 9", true),
            ("year='2024' AND month > 10", false),
            ("month < 10", true),
            ("not (month >= 9)", false),
            ("month in (1, 9)", true),
            ("month not in (1, 9)", false),
            ("month between 1 and 9", true),
            ("year like '20%'", true),
            ("year like '20_5'", false),
            ("year is not null", true),
            ("YEAR <> '2024'", false),
            ("'2024' <= year", true),
            ("year = \"2024\"", true),
        ];
        for (source, wanted) in cases {
            let parsed = Expression::parse(source, &keys).unwrap_or_else(|error| panic!("{source}: {error}"));
            assert_eq!(parsed.holds(&values), wanted, "{source}");
        }
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        let keys = [json!({"Name": "year", "Type": "string"})];
        for source in [
            "day = '1'",
            "year",
            "year =",
            "year = '1",
            "year ~ '1'",
            "(year = '1'",
            "year = '1' year",
        ] {
            assert!(Expression::parse(source, &keys).is_err(), "{source}");
        }
    }
}
