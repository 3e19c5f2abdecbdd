//! The crawler against folders of objects. Each case under `corpus/` is one text file: the objects, the settings, and
//! the tables they must yield, in the order of a crawl.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;

use super::classify::{Bytes, Classifier};
use super::csv::{Header, SerDeChoice, Settings};
use super::exclude;
use super::grok::Grok;
use super::group::{Entry, FoundTable, Options, Reader, Target, select, table_name, tables};
use super::schema::Format;

struct Memory(BTreeMap<String, Vec<u8>>);

struct Slice<'m>(&'m [u8]);

impl Reader for Memory {
    fn object<'o>(&'o self, entry: &Entry) -> Box<dyn Bytes + 'o> {
        Box::new(Slice(&self.0[&entry.key]))
    }
}

impl Bytes for Slice<'_> {
    fn read(&self, start: u64, limit: usize) -> std::io::Result<Vec<u8>> {
        let start = (start as usize).min(self.0.len());
        let end = (start + limit).min(self.0.len());
        Ok(self.0[start..end].to_vec())
    }

    fn size(&self) -> u64 {
        self.0.len() as u64
    }
}

/// One case, read from its text.
struct Case {
    name: String,
    target: Target,
    options: Options,
    classifiers: Vec<Classifier>,
    prefix: String,
    objects: BTreeMap<String, Vec<u8>>,
    wanted: String,
}

/// Cases look like this; `\r`, `\t`, `\0`, `\1`, `\\`, `\b` for a byte order mark, `\x` for a byte that is no UTF-8 and
/// `\{18}` for any byte are written with a backslash, and spaces in keys as `␣`. What follows a key makes the object of
/// the text, from left to right:
///
/// ```text
/// ## name of the case
/// target: s3://lake/raw/            (the default)
/// classifier: csv delimiter=| header=PRESENT
/// === raw/a.csv
/// id|name
/// 1|x
/// ---
/// raw csv s3://lake/raw/
///   id bigint
/// ```
fn parse(text: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    for block in text.split("\n## ").skip(1) {
        let (name, rest) = block.split_once('\n').expect("a case has a name line");
        let (input, wanted) = rest
            .split_once("\n---\n")
            .unwrap_or_else(|| panic!("case {name} has no ---"));
        let mut case = Case {
            name: name.trim().to_owned(),
            target: target("s3://lake/raw/"),
            options: Options::default(),
            classifiers: Vec::new(),
            prefix: String::new(),
            objects: BTreeMap::new(),
            wanted: wanted.trim_end().to_owned(),
        };
        let mut objects = input.split("=== ");
        for line in objects
            .next()
            .unwrap_or_default()
            .lines()
            .filter(|line| !line.trim().is_empty())
        {
            setting(&mut case, line);
        }
        for object in objects {
            // The last object of a case has lost its line end to the line of dashes.
            let object = if object.ends_with('\n') || !object.contains('\n') {
                object.to_owned()
            } else {
                format!("{object}\n")
            };
            let (head, body) = object.split_once('\n').unwrap_or((&object, ""));
            let mut words = head.split_whitespace();
            let key = words.next().expect("an object has a key").replace('␣', " ");
            let mut bytes = unescape(body);
            for word in words {
                bytes = encode(word, bytes);
            }
            case.objects.insert(key, bytes);
        }
        cases.push(case);
    }
    cases
}

fn target(path: &str) -> Target {
    let (bucket, prefix) = path
        .trim_start_matches("s3://")
        .split_once('/')
        .unwrap_or((path.trim_start_matches("s3://"), ""));
    Target {
        bucket: bucket.to_owned(),
        prefix: prefix.to_owned(),
        exclusions: Vec::new(),
        sample_size: None,
    }
}

fn setting(case: &mut Case, line: &str) {
    let (name, value) = line
        .split_once(':')
        .unwrap_or_else(|| panic!("{}: `{line}`", case.name));
    let value = value.trim();
    match name {
        "target" => case.target = target(value),
        "exclude" => case.target.exclusions.push(exclude::compile(value).unwrap()),
        "sample" => case.target.sample_size = value.parse().ok(),
        "combine" => case.options.combine = true,
        "level" => case.options.table_level = value.parse().ok(),
        "prefix" => case.prefix = value.to_owned(),
        "classifier" => case.classifiers.push(classifier(value)),
        other => panic!("{}: no setting `{other}`", case.name),
    }
}

fn classifier(text: &str) -> Classifier {
    if let Some(path) = text.strip_prefix("json ") {
        return Classifier::Json { path: path.to_owned() };
    }
    if let Some(pattern) = text.strip_prefix("grok ") {
        return Classifier::Grok(Grok::new("mylog", pattern, "").unwrap());
    }
    let mut settings = Settings {
        quote: None,
        trim: false,
        serde: SerDeChoice::Detect,
        built_in: false,
        ..Settings::built_in()
    };
    for word in text.split_whitespace().skip(1) {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        match name {
            "delimiter" => settings.delimiter = String::from_utf8(unescape(value)).unwrap().chars().next(),
            "quote" => settings.quote = value.chars().next(),
            "header" => {
                settings.header = match value {
                    "PRESENT" => Header::Present,
                    "ABSENT" => Header::Absent,
                    _ => Header::Unknown,
                }
            }
            "names" => settings.names = value.split(',').map(str::to_owned).collect(),
            "types" => settings.datatypes = value.split(',').map(str::to_owned).collect(),
            "trim" => settings.trim = true,
            "single" => settings.single_column = true,
            "serde" => {
                settings.serde = match value {
                    "OpenCSVSerDe" => SerDeChoice::OpenCsv,
                    "LazySimpleSerDe" => SerDeChoice::LazySimple,
                    _ => SerDeChoice::Detect,
                }
            }
            other => panic!("no classifier setting `{other}`"),
        }
    }
    Classifier::Csv(settings)
}

fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.extend_from_slice(&rest.as_bytes()[..at]);
        let tail = &rest[at + 1..];
        let (byte, used): (&[u8], usize) = match tail.as_bytes().first() {
            Some(b'r') => (b"\r", 1),
            Some(b't') => (b"\t", 1),
            Some(b'0') => (b"\0", 1),
            Some(b'1') => (b"\x01", 1),
            Some(b'b') => (b"\xef\xbb\xbf", 1),
            Some(b'x') => (b"\xff", 1),
            Some(b'{') => {
                let end = tail.find('}').expect("a byte ends with a brace");
                out.push(u8::from_str_radix(&tail[1..end], 16).expect("a byte in hexadecimal"));
                (b"", end + 1)
            }
            // The line end after it is not part of the object.
            Some(b'\n') => (b"", 1),
            _ => (b"\\", usize::from(tail.starts_with('\\'))),
        };
        out.extend_from_slice(byte);
        rest = &tail[used..];
    }
    out.extend_from_slice(rest.as_bytes());
    out
}

fn encode(how: &str, bytes: Vec<u8>) -> Vec<u8> {
    match how.split_once('=').unwrap_or((how, "")) {
        ("gzip", _) => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(&bytes).unwrap();
            encoder.finish().unwrap()
        }
        ("zstd", _) => zstd::encode_all(&bytes[..], 1).unwrap(),
        // The lines after the first, over and over.
        ("repeat", count) => {
            let (head, body) = bytes.split_at(bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1);
            [head, &body.repeat(count.parse().unwrap())].concat()
        }
        ("more", line) => [&bytes[..], line.as_bytes(), b"\n"].concat(),
        ("twice", _) => [&bytes[..], &bytes[..]].concat(),
        ("cut", count) => bytes[..bytes.len() - count.parse::<usize>().unwrap()].to_vec(),
        ("parquet", _) => parquet_of(std::str::from_utf8(&bytes).unwrap()),
        (other, _) => panic!("no encoding `{other}`"),
    }
}

/// A Parquet file of a message type and as many rows as `rows: n` says, all null.
fn parquet_of(text: &str) -> Vec<u8> {
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;

    let (message, _) = text.split_once("\n\n").unwrap_or((text, ""));
    let schema = std::sync::Arc::new(parse_message_type(message).unwrap());
    let mut out = Vec::new();
    let writer = SerializedFileWriter::new(&mut out, schema, Default::default()).unwrap();
    writer.close().unwrap();
    out
}

fn run(case: &Case) -> std::io::Result<Vec<FoundTable>> {
    let entries: Vec<Entry> = case
        .objects
        .iter()
        .map(|(key, bytes)| Entry {
            key: key.clone(),
            size: bytes.len() as u64,
        })
        .collect();
    let entries = select(&case.target, entries);
    let memory = Memory(case.objects.clone());
    tables(&case.target, &entries, &memory, &case.classifiers, &case.options)
}

/// Tables as text: a line each, with what is not usual after the location, then the columns and partitions.
fn render(case: &Case, found: &[FoundTable]) -> String {
    let mut out = String::new();
    for table in found {
        let name = table_name(&case.prefix, &table.source_name);
        write!(out, "{name} {} {}", table.schema.classification(), table.location).unwrap();
        if table.compression.name() != "none" {
            write!(out, " {}", table.compression.name()).unwrap();
        }
        if let Format::Csv {
            delimiter,
            header,
            serde,
            quoted,
            ..
        } = &table.schema.format
        {
            if *delimiter != ',' {
                write!(out, " delimiter={}", delimiter.escape_default()).unwrap();
            }
            if !header {
                out.push_str(" headless");
            }
            if *serde == super::schema::SerDe::OpenCsv {
                out.push_str(" OpenCSV");
            }
            if *quoted {
                out.push_str(" quoted");
            }
        }
        writeln!(out, " records={} objects={}", table.stats.records, table.stats.objects).unwrap();
        for column in &table.schema.columns {
            writeln!(out, "  {} {}", column.name, column.kind).unwrap();
        }
        if !table.partition_keys.is_empty() {
            writeln!(out, "  by {}", table.partition_keys.join(", ")).unwrap();
            for partition in &table.partitions {
                writeln!(out, "    {} {}", partition.values.join("/"), partition.location).unwrap();
            }
        }
    }
    if found.is_empty() {
        out.push_str("no table\n");
    }
    out.trim_end().to_owned()
}

fn check(text: &str) {
    let mut wrong = String::new();
    for case in parse(text) {
        let found = match run(&case) {
            Ok(found) => render(&case, &found),
            Err(error) => format!("refused {error}"),
        };
        if found != case.wanted {
            writeln!(wrong, "## {}\nwanted:\n{}\nfound:\n{found}\n", case.name, case.wanted).unwrap();
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn delimited_text_is_recognised() {
    check(include_str!("corpus/delimited.txt"));
}

#[test]
fn headers_are_told_from_data() {
    check(include_str!("corpus/headers.txt"));
}

#[test]
fn custom_classifiers_are_obeyed() {
    check(include_str!("corpus/classifiers.txt"));
}

#[test]
fn json_is_recognised() {
    check(include_str!("corpus/json.txt"));
}

#[test]
fn folders_become_tables_and_partitions() {
    check(include_str!("corpus/folders.txt"));
}

#[test]
fn compressed_binary_and_odd_files_are_handled() {
    check(include_str!("corpus/files.txt"));
}

#[test]
fn the_main_lake_yields_its_tables() {
    check(include_str!("corpus/lakehouse.txt"));
}

mod laws {
    use proptest::prelude::*;

    use super::*;

    fn crawled(case: &Case) -> String {
        match run(case) {
            Ok(found) => render(case, &found),
            Err(error) => error.to_string(),
        }
    }

    fn lake(objects: impl IntoIterator<Item = (String, Vec<u8>)>, classifiers: Vec<Classifier>) -> Case {
        Case {
            name: String::new(),
            target: target("s3://lake/raw/"),
            options: Options::default(),
            classifiers,
            prefix: String::new(),
            objects: objects
                .into_iter()
                .map(|(key, bytes)| (format!("raw/{key}"), bytes))
                .collect(),
            wanted: String::new(),
        }
    }

    /// Classifiers of every kind.
    fn classifiers() -> impl Strategy<Value = Vec<Classifier>> {
        let all = [
            "csv header=PRESENT quote=\"",
            "csv delimiter=| header=ABSENT single trim",
            "csv delimiter=¦ quote=' header=UNKNOWN names=a,b types=DATE",
            "json $[*]",
            "json $.a.*[0]",
            "grok %{WORD:a:int} %{GREEDYDATA:b}",
        ];
        prop::collection::vec(prop::sample::select(all.map(str::to_owned).to_vec()), 0..3)
            .prop_map(|texts| texts.iter().map(|text| classifier(text)).collect())
    }

    /// Bytes that come near to what classifiers look for.
    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        let pieces: Vec<&[u8]> = vec![
            b"\n",
            b"\r\n",
            b"\r",
            b",",
            b"|",
            b"\t",
            b"\"",
            b"\"\"",
            b"'",
            b"{",
            b"}",
            b"[",
            b"]",
            b":",
            b"null",
            b"\\",
            b"id",
            b"5",
            b"-1.5e9",
            b"true",
            b"PAR1",
            b"\x08\0\0\0PAR1",
            b"\x1f\x8b\x08",
            b"\x28\xb5\x2f\xfd",
            b"Obj\x01",
            b"<?xml",
            b"\xef\xbb\xbf",
            b"\xc3",
            "ä¦".as_bytes(),
            b" ",
            b"\0",
        ];
        let near = prop::collection::vec(prop::sample::select(pieces), 0..60).prop_map(|pieces| pieces.concat());
        prop_oneof![near, prop::collection::vec(any::<u8>(), 0..200)]
    }

    /// A row of a table whose columns are a number, a text, a decimal and something that varies.
    fn row() -> impl Strategy<Value = String> {
        let varied = prop::sample::select(vec!["", "7", "7.5", "true", "text", "02134", "\"a, b\""]);
        (any::<i32>(), "[a-z]{0,6}", -99.0..99.0, varied).prop_map(|(a, b, c, d)| format!("{a},{b},{c:.2},{d}"))
    }

    proptest! {
        #[test]
        fn no_bytes_bring_the_crawler_down(
            objects in prop::collection::btree_map("[a-c=]{1,3}(/[a-c=_.]{0,3}){0,2}", bytes(), 1..4),
            classifiers in classifiers(),
        ) {
            let mut case = lake(objects, classifiers);
            crawled(&case);
            case.options.combine = true;
            crawled(&case);
            case.options.table_level = Some(2);
            crawled(&case);
        }

        #[test]
        fn the_order_of_rows_does_not_matter(
            (rows, shuffled) in prop::collection::vec(row(), 2..30).prop_flat_map(|rows| (Just(rows.clone()), Just(rows).prop_shuffle())),
        ) {
            let of = |rows: &[String]| {
                let text = format!("a,b,c,d\n{}\n", rows.join("\n"));
                lake([("x.csv".to_owned(), text.into_bytes())], Vec::new())
            };
            prop_assert_eq!(crawled(&of(&rows)), crawled(&of(&shuffled)));
        }

        #[test]
        fn the_order_of_files_does_not_matter(
            (files, shuffled) in prop::collection::vec(prop::collection::vec(row(), 2..6), 2..6)
                .prop_flat_map(|files| (Just(files.clone()), Just(files).prop_shuffle())),
        ) {
            let of = |files: &[Vec<String>]| {
                let file = |(at, rows): (usize, &Vec<String>)| {
                    (format!("{at}.csv"), format!("a,b,c,d\n{}\n", rows.join("\n")).into_bytes())
                };
                lake(files.iter().enumerate().map(file), Vec::new())
            };
            prop_assert_eq!(crawled(&of(&files)), crawled(&of(&shuffled)));
        }

        #[test]
        fn more_rows_only_widen(rows in prop::collection::vec(row(), 2..20), cut in 1_usize..19) {
            let types = |rows: &[String]| {
                let text = format!("a,b,c,d\n{}\n", rows.join("\n"));
                let settings = Settings { header: Header::Present, ..Settings::built_in() };
                let seen = super::super::csv::classify(&text, &settings, true, 99).unwrap();
                seen.schema.columns.into_iter().map(|column| column.kind).collect::<Vec<_>>()
            };
            let few = types(&rows[..cut.min(rows.len() - 1)]);
            for (few, all) in few.into_iter().zip(types(&rows)) {
                prop_assert_eq!(few.join(all.clone()), all);
            }
        }
    }
}
