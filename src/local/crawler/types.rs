//! Column types as the data catalog writes them, and how two samples' types join into one.

use std::fmt;

/// A type inferred from samples.
#[derive(Clone, Debug, PartialEq)]
pub enum Type {
    /// Only nulls or empty fields so far.
    Unknown,
    Boolean,
    Int,
    Bigint,
    Double,
    String,
    Array(Box<Type>),
    Struct(Vec<(String, Type)>),
    /// A type that comes from a file's own schema, already written as the catalog writes it.
    Named(String),
}

impl Type {
    /// Returns the narrowest type that holds both.
    pub fn join(self, other: Type) -> Type {
        use Type::*;
        match (self, other) {
            (a, b) if a == b => a,
            (Unknown, other) | (other, Unknown) => other,
            (Int, Bigint) | (Bigint, Int) => Bigint,
            (Int | Bigint, Double) | (Double, Int | Bigint) => Double,
            (Array(a), Array(b)) => Array(Box::new(a.join(*b))),
            (Struct(a), Struct(b)) => Struct(join_columns(a, b)),
            (Named(a), Named(b)) => Named(join_named(&a, &b)),
            _ => String,
        }
    }

    /// Reads a type that the catalog has; what inference never yields stays as written.
    pub fn parse(text: &str) -> Type {
        match text {
            "boolean" => Type::Boolean,
            "int" => Type::Int,
            "bigint" => Type::Bigint,
            "double" => Type::Double,
            "string" => Type::String,
            other => Type::Named(other.to_owned()),
        }
    }
}

/// Types of file schemas widen within the integers and within the floating numbers.
fn join_named(a: &str, b: &str) -> String {
    const WIDENING: [&[&str]; 2] = [&["tinyint", "smallint", "int", "bigint"], &["float", "double"]];
    for order in WIDENING {
        let rank = |name: &str| order.iter().position(|known| *known == name);
        if let (Some(a), Some(b)) = (rank(a), rank(b)) {
            return order[a.max(b)].to_owned();
        }
    }
    "string".to_owned()
}

/// Joins two lists of columns by name, ignoring case: those of the first, then the new ones of the second.
pub fn join_columns(a: Vec<(String, Type)>, b: Vec<(String, Type)>) -> Vec<(String, Type)> {
    let mut joined = a;
    for (name, kind) in b {
        match joined.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(&name)) {
            Some((_, known)) => *known = std::mem::replace(known, Type::Unknown).join(kind),
            None => joined.push((name, kind)),
        }
    }
    joined
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // A column of nulls can hold anything later.
            Type::Unknown | Type::String => f.write_str("string"),
            Type::Boolean => f.write_str("boolean"),
            Type::Int => f.write_str("int"),
            Type::Bigint => f.write_str("bigint"),
            Type::Double => f.write_str("double"),
            Type::Array(item) => write!(f, "array<{item}>"),
            Type::Struct(fields) if fields.is_empty() => f.write_str("string"),
            Type::Struct(fields) => {
                f.write_str("struct<")?;
                for (at, (name, kind)) in fields.iter().enumerate() {
                    if at > 0 {
                        f.write_str(",")?;
                    }
                    write!(f, "{name}:{kind}")?;
                }
                f.write_str(">")
            }
            Type::Named(name) => f.write_str(name),
        }
    }
}

/// Returns the type of a text field: the first of bigint, double and boolean that reads it, else string. Digits with
/// leading zeros are numbers, as they are to Glue; dates and times are strings.
pub fn of_text(text: &str) -> Type {
    let bytes = text.as_bytes();
    match bytes {
        [] => Type::Unknown,
        [b'0'..=b'9' | b'+' | b'-' | b'.', ..] => {
            if text.parse::<i64>().is_ok() {
                Type::Bigint
            } else if is_decimal(bytes) {
                Type::Double
            } else {
                Type::String
            }
        }
        [b't' | b'T' | b'f' | b'F', ..] if text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false") => {
            Type::Boolean
        }
        _ => Type::String,
    }
}

/// Sign, digits with at most one point, exponent.
fn is_decimal(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    if let [b'+' | b'-', tail @ ..] = rest {
        rest = tail;
    }
    let mut digits = 0;
    let mut point = false;
    while let [byte, tail @ ..] = rest {
        match byte {
            b'0'..=b'9' => digits += 1,
            b'.' if !point => point = true,
            _ => break,
        }
        rest = tail;
    }
    if digits == 0 {
        return false;
    }
    match rest {
        [] => true,
        [b'e' | b'E', exponent @ ..] => {
            let exponent = exponent
                .strip_prefix(b"-")
                .or_else(|| exponent.strip_prefix(b"+"))
                .unwrap_or(exponent);
            !exponent.is_empty() && exponent.iter().all(u8::is_ascii_digit)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_has_the_narrowest_type_that_reads_it() {
        let cases = [
            ("", "string"),
            ("5", "bigint"),
            ("-7", "bigint"),
            ("02134", "bigint"),
            ("9223372036854775807", "bigint"),
            ("9223372036854775808", "double"),
            ("1.5", "double"),
            ("-.5", "double"),
            ("1e9", "double"),
            ("1e", "string"),
            ("1.2.3", "string"),
            (".", "string"),
            ("-", "string"),
            ("true", "boolean"),
            ("FALSE", "boolean"),
            ("tru", "string"),
            ("2024-01-31", "string"),
            ("2024-01-31 10:00:00", "string"),
            ("12:30", "string"),
            ("NaN", "string"),
            (" 5", "string"),
            ("$5", "string"),
            ("1,000", "string"),
        ];
        for (text, wanted) in cases {
            assert_eq!(of_text(text).to_string(), wanted, "{text:?}");
        }
    }

    #[test]
    fn types_join_to_what_holds_both() {
        let join = |a: Type, b: Type| a.join(b).to_string();
        assert_eq!(join(Type::Int, Type::Bigint), "bigint");
        assert_eq!(join(Type::Bigint, Type::Double), "double");
        assert_eq!(join(Type::Unknown, Type::Boolean), "boolean");
        assert_eq!(join(Type::Boolean, Type::Bigint), "string");
        let a = Type::Struct(vec![("a".into(), Type::Int)]);
        let b = Type::Struct(vec![("A".into(), Type::Double), ("b".into(), Type::String)]);
        assert_eq!(join(a, b), "struct<a:double,b:string>");
        assert_eq!(join(Type::Named("int".into()), Type::Named("bigint".into())), "bigint");
        assert_eq!(join(Type::Named("date".into()), Type::Named("int".into())), "string");
    }
}
