//! Column types as the data catalog writes them, and how two samples' types join into one. Joining is associative and
//! commutative up to the order of fields, so it does not matter in which order samples are seen.

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
    Map(Box<Type>, Box<Type>),
    Struct(Vec<(String, Type)>),
    /// A scalar that only a file's own schema or a classifier gives, as the catalog writes it.
    Named(String),
}

impl Type {
    /// Returns the narrowest type that holds both.
    pub fn join(self, other: Type) -> Type {
        use Type::*;
        match (self, other) {
            (a, b) if a == b => a,
            (Unknown, other) | (other, Unknown) => other,
            (String, _) | (_, String) => String,
            (Array(a), Array(b)) => Array(Box::new(a.join(*b))),
            (Map(a, x), Map(b, y)) => Map(Box::new(a.join(*b)), Box::new(x.join(*y))),
            (Struct(a), Struct(b)) => Struct(join_columns(a, b)),
            (a, b) if a.is_scalar() && b.is_scalar() => Type::parse(&widened(&a.to_string(), &b.to_string())),
            _ => String,
        }
    }

    /// Returns this type with the struct fields that only the other has; what is there stays as it is.
    pub fn extended(self, other: Type) -> Type {
        use Type::*;
        match (self, other) {
            (Struct(mut fields), Struct(more)) => {
                extend_columns(&mut fields, more);
                Struct(fields)
            }
            (Array(a), Array(b)) => Array(Box::new(a.extended(*b))),
            (Map(key, a), Map(_, b)) => Map(key, Box::new(a.extended(*b))),
            (kept, _) => kept,
        }
    }

    fn is_scalar(&self) -> bool {
        matches!(
            self,
            Type::Boolean | Type::Int | Type::Bigint | Type::Double | Type::Named(_)
        )
    }

    /// Reads a type as the catalog writes it.
    pub fn parse(text: &str) -> Type {
        let inside = |outer: &str| text.strip_prefix(outer)?.strip_suffix('>');
        match text {
            "boolean" => return Type::Boolean,
            "int" => return Type::Int,
            "bigint" => return Type::Bigint,
            "double" => return Type::Double,
            "string" => return Type::String,
            _ => {}
        }
        if let Some(item) = inside("array<") {
            return Type::Array(Box::new(Type::parse(item)));
        }
        if let Some(fields) = inside("struct<") {
            let pair = |field: &str| {
                let (name, kind) = field.split_once(':').unwrap_or((field, "string"));
                (name.to_owned(), Type::parse(kind))
            };
            return Type::Struct(parts(fields).into_iter().map(pair).collect());
        }
        if let Some([key, value]) = inside("map<").map(parts).as_deref() {
            return Type::Map(Box::new(Type::parse(key)), Box::new(Type::parse(value)));
        }
        Type::Named(text.to_owned())
    }
}

/// Cuts at the commas that stand in no brackets.
fn parts(text: &str) -> Vec<&str> {
    let (mut found, mut start, mut depth) = (Vec::new(), 0, 0_usize);
    for (at, c) in text.char_indices() {
        match c {
            '<' | '(' => depth += 1,
            '>' | ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                found.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    found.push(&text[start..]);
    found
}

/// Integers widen to integers, numbers to `double`, decimals to the decimal that holds both; all else is text.
fn widened(a: &str, b: &str) -> String {
    const INTEGERS: [&str; 4] = ["tinyint", "smallint", "int", "bigint"];
    let rank = |name: &str| INTEGERS.iter().position(|known| *known == name);
    let number = |name: &str| rank(name).is_some() || matches!(name, "float" | "double");
    if let (Some(a), Some(b)) = (rank(a), rank(b)) {
        return INTEGERS[a.max(b)].to_owned();
    }
    if number(a) && number(b) {
        return "double".to_owned();
    }
    if let (Some((p, s)), Some((q, t))) = (decimal(a), decimal(b)) {
        let (whole, scale) = ((p.saturating_sub(s)).max(q.saturating_sub(t)), s.max(t));
        if whole + scale <= 38 {
            return format!("decimal({},{scale})", whole + scale);
        }
    }
    "string".to_owned()
}

fn decimal(name: &str) -> Option<(u32, u32)> {
    let (precision, scale) = name.strip_prefix("decimal(")?.strip_suffix(')')?.split_once(',')?;
    Some((precision.parse().ok()?, scale.parse().ok()?))
}

/// Returns where a column is; lists that are alike mostly have it at the place `near`.
pub fn position(columns: &[(String, Type)], name: &str, near: usize) -> Option<usize> {
    let same = |known: &str| known.eq_ignore_ascii_case(name);
    if columns.get(near).is_some_and(|(known, _)| same(known)) {
        return Some(near);
    }
    columns.iter().position(|(known, _)| same(known))
}

/// Joins two lists of columns by name, ignoring case: those of the first, then the new ones of the second.
pub fn join_columns(a: Vec<(String, Type)>, b: Vec<(String, Type)>) -> Vec<(String, Type)> {
    let mut joined = a;
    for (near, (name, kind)) in b.into_iter().enumerate() {
        match position(&joined, &name, near) {
            Some(at) => {
                let known = &mut joined[at].1;
                *known = std::mem::replace(known, Type::Unknown).join(kind);
            }
            None => joined.push((name, kind)),
        }
    }
    joined
}

/// Appends the columns that are new, also those inside of others.
pub fn extend_columns(columns: &mut Vec<(String, Type)>, more: Vec<(String, Type)>) {
    for (near, (name, kind)) in more.into_iter().enumerate() {
        match position(columns, &name, near) {
            Some(at) => {
                let known = &mut columns[at].1;
                *known = std::mem::replace(known, Type::Unknown).extended(kind);
            }
            None => columns.push((name, kind)),
        }
    }
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
            Type::Map(key, value) => write!(f, "map<{key},{value}>"),
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
    use proptest::prelude::*;

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
        for (a, b, wanted) in [
            ("tinyint", "int", "int"),
            ("smallint", "bigint", "bigint"),
            ("float", "double", "double"),
            ("float", "int", "double"),
            ("decimal(9,2)", "decimal(12,4)", "decimal(12,4)"),
            ("decimal(9,2)", "decimal(6,5)", "decimal(12,5)"),
            ("decimal(38,0)", "decimal(38,38)", "string"),
            ("date", "timestamp", "string"),
            ("map<string,int>", "map<string,bigint>", "map<string,bigint>"),
            ("array<int>", "int", "string"),
        ] {
            assert_eq!(join(Type::parse(a), Type::parse(b)), wanted, "{a} and {b}");
            assert_eq!(join(Type::parse(b), Type::parse(a)), wanted, "{b} and {a}");
        }
    }

    #[test]
    fn extending_adds_and_changes_nothing() {
        let known = Type::parse("struct<a:int,b:array<struct<c:string>>>");
        let found = Type::parse("struct<a:string,b:array<struct<c:int,d:double>>,e:date>");
        assert_eq!(
            known.extended(found).to_string(),
            "struct<a:int,b:array<struct<c:string,d:double>>,e:date>"
        );
    }

    fn any_type() -> impl Strategy<Value = Type> {
        let scalar = prop::sample::select(vec![
            "boolean",
            "tinyint",
            "smallint",
            "int",
            "bigint",
            "float",
            "double",
            "string",
            "date",
            "timestamp",
            "binary",
            "decimal(9,2)",
            "decimal(30,20)",
            "decimal(38,0)",
        ]);
        let leaf = prop_oneof![1 => Just(Type::Unknown), 9 => scalar.prop_map(Type::parse)];
        leaf.prop_recursive(3, 12, 3, |inner| {
            let field = (prop::sample::select(vec!["a", "b", "c"]), inner.clone());
            prop_oneof![
                inner.clone().prop_map(|item| Type::Array(Box::new(item))),
                inner.prop_map(|value| Type::Map(Box::new(Type::String), Box::new(value))),
                prop::collection::vec(field, 1..3).prop_map(|fields| {
                    let fields = fields.into_iter().map(|(name, kind)| (name.to_owned(), kind)).collect();
                    // Joining with nothing removes repeated names.
                    Type::Struct(join_columns(Vec::new(), fields))
                }),
            ]
        })
    }

    /// Fields in the order of their names.
    fn sorted(kind: Type) -> Type {
        match kind {
            Type::Array(item) => Type::Array(Box::new(sorted(*item))),
            Type::Map(key, value) => Type::Map(Box::new(sorted(*key)), Box::new(sorted(*value))),
            Type::Struct(fields) => {
                let mut fields: Vec<_> = fields.into_iter().map(|(name, kind)| (name, sorted(kind))).collect();
                fields.sort_by(|a, b| a.0.cmp(&b.0));
                Type::Struct(fields)
            }
            other => other,
        }
    }

    proptest! {
        #[test]
        fn joining_knows_no_order_and_only_widens(a in any_type(), b in any_type(), c in any_type()) {
            let both = a.clone().join(b.clone());
            prop_assert_eq!(sorted(both.clone()), sorted(b.clone().join(a.clone())));
            prop_assert_eq!(
                sorted(both.clone().join(c.clone())),
                sorted(a.clone().join(b.join(c)))
            );
            // What was joined once is in it for good.
            prop_assert_eq!(sorted(both.clone().join(a)), sorted(both));
        }

        #[test]
        fn what_is_written_is_read(kind in any_type()) {
            let written = kind.to_string();
            prop_assert_eq!(Type::parse(&written).to_string(), written);
        }
    }
}
