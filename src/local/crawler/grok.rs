//! Grok classifiers: named patterns over lines of text, compiled to one regular expression.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;

use super::schema::{Column, Format, Schema, Seen};
use super::types::Type;

/// A compiled classifier.
#[derive(Clone, Debug)]
pub struct Grok {
    classification: String,
    pattern: String,
    custom: String,
    regex: Regex,
    columns: Vec<(String, Type)>,
    /// Of the lines, at least this share must match.
    enough: f64,
}

/// The logs that are known without a custom classifier.
static LOGS: LazyLock<[Grok; 2]> = LazyLock::new(|| {
    let log = |classification, pattern| Grok {
        enough: 1.0,
        ..Grok::new(classification, pattern, "").expect("a pattern of our own")
    };
    [
        log("combined_apache", "%{COMBINEDAPACHELOG}"),
        log("apache", "%{COMMONAPACHELOG}"),
    ]
});

/// Returns the schema if all lines are those of a web server's log.
pub fn classify_log(text: &str, whole: bool, limit: usize) -> Option<Seen> {
    LOGS.iter().find_map(|log| log.classify(text, whole, limit))
}

/// The built-in patterns, each as a regular expression or made of others.
const BUILT_IN: &[(&str, &str)] = &[
    ("USERNAME", r"[a-zA-Z0-9._-]+"),
    ("USER", "%{USERNAME}"),
    ("INT", r"[+-]?[0-9]+"),
    ("BASE10NUM", r"[+-]?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)"),
    ("NUMBER", "%{BASE10NUM}"),
    ("BASE16NUM", r"[+-]?(?:0x)?[0-9A-Fa-f]+"),
    (
        "BASE16FLOAT",
        r"\b[+-]?(?:0x)?(?:[0-9A-Fa-f]+(?:\.[0-9A-Fa-f]*)?|\.[0-9A-Fa-f]+)\b",
    ),
    ("BOOLEAN", r"(?i:true|false)"),
    ("POSINT", r"\b[1-9][0-9]*\b"),
    ("NONNEGINT", r"\b[0-9]+\b"),
    ("WORD", r"\b\w+\b"),
    ("NOTSPACE", r"\S+"),
    ("SPACE", r"\s*"),
    ("DATA", r".*?"),
    ("GREEDYDATA", r".*"),
    (
        "QUOTEDSTRING",
        r#"(?:"(?:\\.|[^\\"])*"|'(?:\\.|[^\\'])*'|`(?:\\.|[^\\`])*`)"#,
    ),
    ("QS", "%{QUOTEDSTRING}"),
    ("UUID", r"[A-Fa-f0-9]{8}-(?:[A-Fa-f0-9]{4}-){3}[A-Fa-f0-9]{12}"),
    ("MAC", "(?:%{CISCOMAC}|%{WINDOWSMAC}|%{COMMONMAC})"),
    ("CISCOMAC", r"(?:[A-Fa-f0-9]{4}\.){2}[A-Fa-f0-9]{4}"),
    ("WINDOWSMAC", r"(?:[A-Fa-f0-9]{2}-){5}[A-Fa-f0-9]{2}"),
    ("COMMONMAC", r"(?:[A-Fa-f0-9]{2}:){5}[A-Fa-f0-9]{2}"),
    ("IPV6", r"(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?:%\w+)?"),
    (
        "IPV4",
        r"(?:(?:25[0-5]|2[0-4][0-9]|1?[0-9]{1,2})\.){3}(?:25[0-5]|2[0-4][0-9]|1?[0-9]{1,2})",
    ),
    ("IP", "(?:%{IPV6}|%{IPV4})"),
    (
        "HOSTNAME",
        r"\b[0-9A-Za-z][0-9A-Za-z-]{0,62}(?:\.[0-9A-Za-z][0-9A-Za-z-]{0,62})*\.?",
    ),
    ("HOST", "%{HOSTNAME}"),
    ("IPORHOST", "(?:%{IP}|%{HOSTNAME})"),
    ("HOSTPORT", "%{IPORHOST}:%{POSINT:port}"),
    ("UNIXPATH", r"(?:/[\w_%!$@:.,~-]*)+"),
    ("WINPATH", r"(?:[A-Za-z]+:|\\)(?:\\[^\\?*]*)+"),
    ("PATH", "(?:%{UNIXPATH}|%{WINPATH})"),
    ("TTY", r"/dev/(?:pts|tty(?:[pq])?)(?:\w+)?/?(?:[0-9]+)"),
    ("URIPROTO", r"[A-Za-z]+(?:\+[A-Za-z+]+)?"),
    ("URIHOST", r"%{IPORHOST}(?::%{POSINT:port})?"),
    ("URIPATH", r"(?:/[A-Za-z0-9$.+!*'(){},~:;=@#%_-]*)+"),
    ("URIPARAM", r"\?[A-Za-z0-9$.+!*'|(){},~@#%&/=:;_?\[\]-]*"),
    ("URIPATHPARAM", "%{URIPATH}(?:%{URIPARAM})?"),
    (
        "URI",
        r"%{URIPROTO}://(?:%{USER}(?::[^@]*)?@)?(?:%{URIHOST})?(?:%{URIPATHPARAM})?",
    ),
    (
        "MONTH",
        r"\b(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sep(?:tember)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)\b",
    ),
    ("MONTHNUM", r"(?:0?[1-9]|1[0-2])"),
    ("MONTHNUM2", r"(?:0[1-9]|1[0-2])"),
    ("MONTHDAY", r"(?:0[1-9]|[12][0-9]|3[01]|[1-9])"),
    (
        "DAY",
        r"(?:Mon(?:day)?|Tue(?:sday)?|Wed(?:nesday)?|Thu(?:rsday)?|Fri(?:day)?|Sat(?:urday)?|Sun(?:day)?)",
    ),
    ("YEAR", r"(?:\d\d){1,2}"),
    ("HOUR", r"(?:2[0123]|[01]?[0-9])"),
    ("MINUTE", r"[0-5][0-9]"),
    ("SECOND", r"(?:[0-5]?[0-9]|60)(?:[:.,][0-9]+)?"),
    ("TIME", "%{HOUR}:%{MINUTE}:%{SECOND}"),
    ("DATE_US", "%{MONTHNUM}[/-]%{MONTHDAY}[/-]%{YEAR}"),
    ("DATE_EU", "%{MONTHDAY}[./-]%{MONTHNUM}[./-]%{YEAR}"),
    ("DATESTAMP_US", "%{DATE_US}[- ]%{TIME}"),
    ("DATESTAMP_EU", "%{DATE_EU}[- ]%{TIME}"),
    ("DATE", "(?:%{DATE_US}|%{DATE_EU})"),
    ("DATESTAMP", "%{DATE}[- ]%{TIME}"),
    ("ISO8601_TIMEZONE", r"(?:Z|[+-]%{HOUR}(?::?%{MINUTE}))"),
    ("ISO8601_SECOND", "(?:%{SECOND}|60)"),
    (
        "TIMESTAMP_ISO8601",
        r"%{YEAR}-%{MONTHNUM}-%{MONTHDAY}[T ]%{HOUR}:?%{MINUTE}(?::?%{SECOND})?(?:%{ISO8601_TIMEZONE})?",
    ),
    ("TZ", r"(?:[PMCE][SD]T|UTC|GMT)"),
    ("DATESTAMP_RFC822", "%{DAY} %{MONTH} %{MONTHDAY} %{YEAR} %{TIME} %{TZ}"),
    (
        "DATESTAMP_RFC2822",
        "%{DAY}, %{MONTHDAY} %{MONTH} %{YEAR} %{TIME} %{ISO8601_TIMEZONE}",
    ),
    (
        "DATESTAMP_EVENTLOG",
        "%{YEAR}%{MONTHNUM2}%{MONTHDAY}%{HOUR}%{MINUTE}%{SECOND}",
    ),
    ("CISCOTIMESTAMP", "%{MONTH} %{MONTHDAY} %{TIME}"),
    ("DATESTAMP_OTHER", "%{DAY} %{MONTH} %{MONTHDAY} %{TIME} %{TZ} %{YEAR}"),
    ("SYSLOGTIMESTAMP", "%{MONTH} +%{MONTHDAY} %{TIME}"),
    ("PROG", r"[\w._/%-]+"),
    ("SYSLOGPROG", r"%{PROG:program}(?:\[%{POSINT:pid}\])?"),
    ("SYSLOGHOST", "%{IPORHOST}"),
    ("SYSLOGFACILITY", "<%{NONNEGINT:facility}.%{NONNEGINT:priority}>"),
    (
        "SYSLOGBASE",
        "%{SYSLOGTIMESTAMP:timestamp} (?:%{SYSLOGFACILITY} )?%{SYSLOGHOST:logsource} %{SYSLOGPROG}:",
    ),
    ("MESSAGESLOG", "%{SYSLOGBASE} %{DATA}"),
    ("HTTPDATE", "%{MONTHDAY}/%{MONTH}/%{YEAR}:%{TIME} %{INT}"),
    (
        "LOGLEVEL",
        r"(?i:trace|debug|notice|info|warn(?:ing)?|err(?:or)?|crit(?:ical)?|fatal|severe|emerg(?:ency)?|alert)",
    ),
    (
        "COMMONAPACHELOG",
        r#"%{IPORHOST:clientip} %{USER:ident} %{USER:auth} \[%{HTTPDATE:timestamp}\] "(?:%{WORD:verb} %{NOTSPACE:request}(?: HTTP/%{NUMBER:httpversion})?|%{DATA:rawrequest})" %{NUMBER:response} (?:%{NUMBER:bytes}|-)"#,
    ),
    ("COMBINEDAPACHELOG", "%{COMMONAPACHELOG} %{QS:referrer} %{QS:agent}"),
];

/// Patterns may name patterns, but not without end.
const MAX_DEPTH: usize = 32;
/// Of the lines, at least this share must match a custom classifier.
const HALF: f64 = 0.5;

impl Grok {
    /// Compiles a classifier, or says what is wrong with it.
    pub fn new(classification: &str, pattern: &str, custom: &str) -> Result<Self, String> {
        let mut known: BTreeMap<&str, &str> = BUILT_IN.iter().copied().collect();
        for line in custom
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
        {
            let (name, body) = line
                .split_once(char::is_whitespace)
                .ok_or_else(|| format!("the custom pattern `{line}` has a name but no expression"))?;
            known.insert(name, body.trim());
        }
        let mut columns = Vec::new();
        let expanded = expand(pattern, &known, &mut columns, 0)?;
        if columns.is_empty() {
            return Err("the pattern names no field".into());
        }
        let regex = Regex::new(&format!("^(?:{expanded})")).map_err(|error| error.to_string())?;
        Ok(Self {
            classification: classification.to_owned(),
            pattern: pattern.to_owned(),
            custom: custom.to_owned(),
            regex,
            columns,
            enough: HALF,
        })
    }

    /// Returns the schema if enough lines match.
    pub fn classify(&self, text: &str, whole: bool, limit: usize) -> Option<Seen> {
        let end = if whole { text.len() } else { text.rfind('\n')? + 1 };
        let (mut bytes, mut records, mut matching) = (0, 0, 0);
        for line in text[..end].split_inclusive('\n') {
            if records == limit {
                break;
            }
            bytes += line.len();
            let line = line.trim_end_matches(['\r', '\n']);
            if !line.trim().is_empty() {
                records += 1;
                matching += usize::from(self.regex.is_match(line));
                if self.enough == 1.0 && matching < records {
                    return None;
                }
            }
        }
        if matching == 0 || (matching as f64) < self.enough * records as f64 {
            return None;
        }
        let columns = self.columns.iter().map(|(name, kind)| Column {
            name: name.clone(),
            kind: kind.clone(),
        });
        Some(Seen {
            schema: Schema {
                columns: columns.collect(),
                format: Format::Grok {
                    classification: self.classification.clone(),
                    pattern: self.pattern.clone(),
                    custom: self.custom.clone(),
                },
            },
            records: records as u64,
            bytes: bytes as u64,
            head: 0,
            all: bytes == end,
        })
    }
}

fn expand(
    pattern: &str,
    known: &BTreeMap<&str, &str>,
    columns: &mut Vec<(String, Type)>,
    depth: usize,
) -> Result<String, String> {
    if depth > MAX_DEPTH {
        return Err("the patterns refer to each other without end".into());
    }
    let mut out = String::new();
    let mut rest = pattern;
    while let Some(start) = rest.find("%{") {
        out.push_str(&rest[..start]);
        let inside = &rest[start + 2..];
        let end = inside.find('}').ok_or("a `%{` is never closed")?;
        let mut parts = inside[..end].split(':');
        let name = parts.next().unwrap_or_default().trim();
        let field = parts.next().map(str::trim);
        let kind = parts.next().map(str::trim);
        let body = known.get(name).ok_or_else(|| format!("there is no pattern `{name}`"))?;
        if let Some(field) = field.filter(|field| !matches!(*field, "" | "UNWANTED")) {
            let kind = match kind {
                None => Type::String,
                Some(kind) => field_type(kind)?,
            };
            let field = field.to_lowercase();
            if !columns.iter().any(|(known, _)| *known == field) {
                columns.push((field, kind));
            }
        }
        let body = expand(body, known, columns, depth + 1)?;
        out.push_str("(?:");
        out.push_str(&body);
        out.push(')');
        rest = &inside[end + 1..];
    }
    out.push_str(rest);
    Ok(out)
}

fn field_type(kind: &str) -> Result<Type, String> {
    Ok(match kind.to_ascii_lowercase().as_str() {
        "byte" => Type::Named("tinyint".into()),
        "short" => Type::Named("smallint".into()),
        "int" => Type::Int,
        "long" => Type::Bigint,
        "float" => Type::Named("float".into()),
        "double" => Type::Double,
        "boolean" => Type::Boolean,
        "string" => Type::String,
        other => return Err(format!("`{other}` is not a type of grok fields")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_pattern_compiles() {
        for (name, _) in BUILT_IN {
            let grok = Grok::new("x", &format!("%{{{name}:field}}"), "");
            assert!(grok.is_ok(), "{name}: {:?}", grok.err());
        }
    }

    #[test]
    fn an_access_log_is_recognised() {
        let grok = Grok::new("apache", "%{COMMONAPACHELOG}", "").unwrap();
        let line = "127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] \"GET /a.gif HTTP/1.0\" 200 2326\n";
        let seen = grok.classify(line, true, 9).unwrap();
        let names: Vec<_> = seen.schema.columns.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "clientip",
                "ident",
                "auth",
                "timestamp",
                "verb",
                "request",
                "httpversion",
                "rawrequest",
                "response",
                "bytes"
            ]
        );
        assert_eq!(grok.classify("something else\n", true, 9), None);
    }

    #[test]
    fn custom_patterns_and_types_are_used() {
        let grok = Grok::new("mine", "%{ID:id:long} %{GREEDYDATA:rest}", "ID [0-9]{4}\n").unwrap();
        let seen = grok.classify("1234 abc\n", true, 9).unwrap();
        assert_eq!(seen.schema.columns[0].kind, Type::Bigint);
    }

    #[test]
    fn mistakes_are_named() {
        assert!(Grok::new("x", "%{NOPE:a}", "").unwrap_err().contains("NOPE"));
        assert!(Grok::new("x", "%{WORD}", "").unwrap_err().contains("no field"));
        assert!(Grok::new("x", "%{A:a}", "A %{A}").unwrap_err().contains("without end"));
    }
}
