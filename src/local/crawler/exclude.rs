//! Exclusion patterns of crawler targets: globs over the path below the target.

use regex::Regex;

/// Compiles a pattern: `*` and `?` stay within one folder, `**` crosses folders, `[…]` and `{a,b}` as usual.
pub fn compile(pattern: &str) -> Result<Regex, String> {
    let mut out = String::from("^");
    let mut chars = pattern.chars().peekable();
    let mut groups = 0;
    while let Some(c) = chars.next() {
        match c {
            '*' if chars.peek() == Some(&'*') => {
                chars.next();
                out.push_str(".*");
            }
            '*' => out.push_str("[^/]*"),
            '?' => out.push_str("[^/]"),
            '[' => {
                out.push('[');
                if chars.peek() == Some(&'!') {
                    chars.next();
                    out.push('^');
                }
                loop {
                    match chars.next() {
                        Some(']') => break,
                        Some(inside @ ('\\' | '[' | '&' | '~')) => out.extend(['\\', inside]),
                        Some(inside) => out.push(inside),
                        None => return Err(format!("the `[` of `{pattern}` is never closed")),
                    }
                }
                out.push(']');
            }
            '{' => {
                groups += 1;
                out.push_str("(?:");
            }
            '}' if groups > 0 => {
                groups -= 1;
                out.push(')');
            }
            ',' if groups > 0 => out.push('|'),
            '\\' => match chars.next() {
                Some(plain) => out.push_str(&regex::escape(&plain.to_string())),
                None => return Err(format!("`{pattern}` ends with a backslash")),
            },
            plain => out.push_str(&regex::escape(&plain.to_string())),
        }
    }
    if groups > 0 {
        return Err(format!("the `{{` of `{pattern}` is never closed"));
    }
    out.push('$');
    Regex::new(&out).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_as_the_manual_says() {
        let cases = [
            ("*.csv", "a.csv", true),
            ("*.csv", "b/a.csv", false),
            ("**.csv", "b/a.csv", true),
            ("*.*", "plain", false),
            ("*.{csv,avro}", "a.avro", true),
            ("foo.?", "foo.x", true),
            ("myfolder/*", "myfolder/a", true),
            ("myfolder/*", "myfolder/a/b", false),
            ("myfolder/**", "myfolder/a/b", true),
            ("myfolder**", "myfolder/a/b", true),
            ("[a-c]1", "b1", true),
            ("[!a-c]1", "b1", false),
            ("a.b", "axb", false),
        ];
        for (pattern, path, wanted) in cases {
            assert_eq!(compile(pattern).unwrap().is_match(path), wanted, "{pattern} {path}");
        }
        assert!(compile("[a").is_err());
        assert!(compile("{a").is_err());
    }
}
