//! Definitions with mistakes, and definitions that try to break the writer: each is told with code and place, or
//! comes out correctly quoted.

use lakeform_datagen::{Compression, Csv, Dataset, DirtKind, Format, Options, Plan, Problem};
use proptest::prelude::*;
use std::collections::HashSet;

fn one_table(columns: &str) -> String {
    format!("[table.t]\ncolumns = [\n{columns}\n]\n")
}

/// Reads and plans; returns the problems of whichever fails.
fn problems(text: &str, rows: u64) -> Vec<Problem> {
    match Dataset::parse("test", text) {
        Err(problems) => problems,
        Ok(dataset) => dataset
            .plan(&Options {
                rows,
                ..Options::default()
            })
            .err()
            .unwrap_or_default(),
    }
}

#[track_caller]
fn check(text: &str, rows: u64, expected: &[(&str, &str)]) {
    let found = problems(text, rows);
    let shown: Vec<(&str, &str)> = found.iter().map(|p| (p.code, &text[p.span.clone()])).collect();
    assert_eq!(shown, expected, "{found:#?}");
}

fn whole(plan: &Plan, table: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for (file, parts) in plan.tables[table].files.iter().map(|file| file.parts.len()).enumerate() {
        for part in 0..parts {
            plan.write_part(table, file, part, &mut out);
        }
    }
    out
}

fn plan(text: &str, options: &Options) -> Plan {
    let dataset = Dataset::parse("test", text).unwrap_or_else(|problems| panic!("{problems:#?}"));
    dataset.plan(options).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

#[test]
fn all_mistakes_are_told_at_once_with_their_places() {
    let text = one_table(
        r#"{ name = "a", type = "bigit", gen = "sequence" },
           { name = "b", gen = "first_nam" },
           { name = "c", type = "int", gen = "uniform", min = 5, max = 1 },
           { name = "d", type = "int", gen = "uniform", min = 1, max = 2, nul = 0.5 },
           { name = "e", gen = "choice", values = ["x", "y"], weights = [0, 0] },"#,
    );
    check(
        &text,
        1,
        &[
            ("unknown-type", "\"bigit\""),
            ("unknown-name", "\"first_nam\""),
            ("bad-range", "1"),
            ("unknown-key", "nul"),
            ("zero-weights", "[0, 0]"),
        ],
    );
    let hints: Vec<Option<String>> = problems(&text, 1).into_iter().map(|p| p.hint).collect();
    assert_eq!(hints[0].as_deref(), Some("did you mean `bigint`?"));
    assert_eq!(hints[1].as_deref(), Some("did you mean `first_name`?"));
    assert_eq!(hints[3].as_deref(), Some("did you mean `null`?"));
}

#[test]
fn circles_are_refused() {
    let text = one_table(
        r#"{ name = "a", type = "int", gen = "expr", is = "b + 1" },
           { name = "b", type = "int", gen = "expr", is = "a - 1" },"#,
    );
    check(&text, 1, &[("cyclic-reference", "\"expr\"")]);
    let text = r#"
        [table.a]
        rows = { of = "b" }
        columns = [{ name = "x", type = "int", gen = "sequence" }]
        [table.b]
        rows = { of = "a" }
        columns = [{ name = "x", type = "int", gen = "sequence" }]
    "#;
    check(text, 1, &[("cyclic-reference", "a"), ("cyclic-reference", "b")]);
}

#[test]
fn impossible_uniques_are_refused_before_a_byte_is_written() {
    let unique = one_table(r#"{ name = "a", type = "int", gen = "unique", min = 1, max = 100 },"#);
    check(&unique, 100, &[]);
    check(&unique, 101, &[("impossible-unique", "\"unique\"")]);
    let sequence = one_table(r#"{ name = "a", type = "smallint", gen = "sequence" },"#);
    check(&sequence, 32_767, &[]);
    check(&sequence, 32_768, &[("impossible-unique", "\"sequence\"")]);
}

#[test]
fn references_that_lead_nowhere_are_refused() {
    let text = r#"
        [table.parent]
        rows = 0
        columns = [{ name = "id", type = "int", gen = "sequence" }]
        [table.child]
        columns = [
          { name = "a", type = "int", gen = "ref", to = "parent.id" },
        ]
    "#;
    check(text, 1, &[("empty-parent", "\"parent.id\"")]);
    let text = one_table(
        r#"{ name = "a", type = "int", gen = "ref", to = "other.id" },
           { name = "b", gen = "lookup", via = "c", column = "x" },
           { name = "c", gen = "template", text = "{nam}" },
           { name = "name", gen = "part", of = "c", part = "x" },
           { name = "e", type = "int", gen = "expr", is = "name + 1" },
           { name = "f", type = "date", gen = "day" },"#,
    );
    check(
        &text,
        1,
        &[
            ("unknown-table", "\"other.id\""),
            ("bad-reference", "\"c\""),
            ("unknown-column", "{nam}"),
            ("unknown-name", "\"x\""),
            ("bad-expression", "name"),
            ("not-by-day", "\"day\""),
        ],
    );
}

#[test]
fn text_that_is_not_a_definition_is_told_and_never_panics() {
    for text in [
        "",
        "x",
        "[table]",
        "[table.t]",
        "[table.t]\ncolumns = 3",
        "[table.t]\ncolumns = [{}]",
        "name = 3",
    ] {
        assert!(!problems(text, 1).is_empty(), "{text}");
    }
}

proptest! {
    #[test]
    fn no_damage_to_a_definition_makes_it_panic(at in 0usize..12_000, cut in 0usize..40, insert in "[a-z\"\\[\\]{}=,.0-9| ]{0,6}") {
        let source = Dataset::builtin_source("banking").expect("shipped");
        let at = at.min(source.len());
        let end = (at + cut).min(source.len());
        if source.is_char_boundary(at) && source.is_char_boundary(end) {
            let text = format!("{}{insert}{}", &source[..at], &source[end..]);
            for problem in problems(&text, 100) {
                prop_assert!(problem.span.end <= text.len());
            }
        }
    }
}

/// Texts a writer could trip over.
const NASTY: &str = r#"["a|b", "say \"hi\"", "line\nbreak", "back\\slash", "", "日本語 ✓", "tab\there", "\\N", "it's, fine", "\u0001"]"#;
const NASTY_VALUES: [&str; 10] = [
    "a|b",
    "say \"hi\"",
    "line\nbreak",
    "back\\slash",
    "",
    "日本語 ✓",
    "tab\there",
    "\\N",
    "it's, fine",
    "\u{1}",
];

fn nasty() -> String {
    one_table(&format!(
        "{{ name = \"id\", type = \"int\", gen = \"sequence\" }},
         {{ name = \"text\", gen = \"list\", values = {NASTY} }},
         {{ name = \"joined\", gen = \"template\", text = \"<{{text}}|{{id}}>\" }},
         {{ name = \"maybe\", gen = \"words\", null = \"50%\" }},
         {{ name = \"long\", gen = \"const\", value = \"{}\" }},",
        "x".repeat(5_000)
    ))
}

#[test]
fn delimiters_quotes_and_unicode_inside_text_read_back_as_themselves() {
    for delimiter in *b"|,\t;" {
        let format = Format::Csv(Csv {
            delimiter,
            null: "\\N".to_owned(),
            ..Csv::default()
        });
        let plan = plan(
            &nasty(),
            &Options {
                rows: 1_000,
                format: Some(format),
                ..Options::default()
            },
        );
        let bytes = whole(&plan, 0);
        let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(&bytes[..]);
        let mut nulls = 0;
        for (row, record) in reader.records().enumerate() {
            let record = record.expect("a record");
            let expected = NASTY_VALUES[row % 10];
            assert_eq!(&record[1], expected);
            assert_eq!(&record[2], format!("<{expected}|{}>", row + 1));
            nulls += usize::from(&record[3] == "\\N");
            assert_eq!(record[4].len(), 5_000);
        }
        assert!((400..600).contains(&nulls), "{nulls}");
    }
}

#[test]
fn huge_texts_take_no_more_room_than_a_few_rows() {
    use arrow::array::AsArray;
    let long = "long, ".repeat(20_000);
    let text = one_table(&format!(
        r#"{{ name = "id", type = "int", gen = "sequence" }},
           {{ name = "long", gen = "template", text = "{long}{{id}}" }},"#
    ));
    let made = |format: Format| {
        let options = Options {
            rows: 150,
            format: Some(format),
            ..Options::default()
        };
        whole(&plan(&text, &options), 0)
    };
    let right = |row: usize, found: &str| {
        let (start, id) = found.split_at(long.len());
        assert!(start == long && id == (row + 1).to_string(), "row {row}");
    };
    let csv = made(Format::Csv(Csv::default()));
    for (row, record) in csv::Reader::from_reader(&csv[..]).records().enumerate() {
        right(row, &record.expect("a record")[1]);
    }
    let json = String::from_utf8(made(Format::JsonLines)).expect("UTF-8");
    for (row, line) in json.lines().enumerate() {
        let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
        right(row, line["long"].as_str().expect("a text"));
    }
    let parquet = bytes::Bytes::from(made(Format::Parquet));
    let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(parquet).expect("Parquet");
    let mut row = 0;
    for batch in reader.build().expect("Parquet") {
        for found in batch.expect("a batch").column(1).as_string::<i32>() {
            right(row, found.expect("a text"));
            row += 1;
        }
    }
    assert_eq!((row, json.lines().count()), (150, 150));
}

#[test]
fn json_lines_are_json_and_keep_every_text() {
    let plan = plan(
        &nasty(),
        &Options {
            rows: 1_000,
            format: Some(Format::JsonLines),
            ..Options::default()
        },
    );
    let bytes = whole(&plan, 0);
    let mut nulls = 0;
    for (row, line) in bytes.split(|b| *b == b'\n').filter(|line| !line.is_empty()).enumerate() {
        let value: serde_json::Value = serde_json::from_slice(line).expect("JSON");
        let expected = NASTY_VALUES[row % 10];
        assert_eq!(value["id"], row as u64 + 1);
        assert_eq!(value["text"], expected);
        assert_eq!(value["joined"], format!("<{expected}|{}>", row + 1));
        nulls += usize::from(value["maybe"].is_null());
    }
    assert!((400..600).contains(&nulls), "{nulls}");
}

#[test]
fn compressed_parts_one_after_the_other_are_the_plain_file() {
    let options = Options {
        rows: 5_000,
        part_bytes: 100_000,
        ..Options::default()
    };
    let expected = whole(&plan(&nasty(), &options), 0);
    let gzip = whole(
        &plan(
            &nasty(),
            &Options {
                compression: Compression::Gzip,
                ..options.clone()
            },
        ),
        0,
    );
    let mut plain = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::MultiGzDecoder::new(&gzip[..]), &mut plain).expect("gzip");
    assert!(plain == expected);
    let zstd = whole(
        &plan(
            &nasty(),
            &Options {
                compression: Compression::Zstd,
                ..options
            },
        ),
        0,
    );
    assert!(zstd::decode_all(&zstd[..]).expect("zstd") == expected);
}

#[test]
fn parquet_reads_back_typed_and_equal_to_the_csv() {
    use arrow::array::{Array, AsArray};
    let text = one_table(
        r#"{ name = "id", type = "bigint", gen = "sequence" },
           { name = "amount", type = "decimal(12,2)", gen = "uniform", min = -50, max = 50, null = "20%" },
           { name = "born", type = "date", gen = "uniform", min = "1960-01-01", max = "2000-12-31" },
           { name = "name", gen = "first_name", null = "10%" },
           { name = "mail", gen = "template", text = "{name|slug}{id}@example.com" },
           { name = "key", type = "uuid", gen = "uuid" },
           { name = "good", type = "boolean", gen = "chance", of = "30%" },"#,
    );
    let options = Options {
        rows: 20_000,
        ..Options::default()
    };
    let csv = whole(&plan(&text, &options), 0);
    let parquet = whole(
        &plan(
            &text,
            &Options {
                format: Some(Format::Parquet),
                ..options
            },
        ),
        0,
    );
    let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(parquet))
        .expect("parquet")
        .build()
        .expect("parquet");
    let mut records = csv::Reader::from_reader(&csv[..]).into_records();
    let mut rows = 0;
    for batch in reader {
        let batch = batch.expect("a batch");
        let amounts = batch.column(1).as_primitive::<arrow::datatypes::Decimal128Type>();
        let names = arrow::compute::cast(batch.column(3), &arrow::datatypes::DataType::Utf8).expect("text");
        for row in 0..batch.num_rows() {
            let record = records.next().expect("as many rows").expect("a record");
            assert_eq!(
                batch
                    .column(0)
                    .as_primitive::<arrow::datatypes::Int64Type>()
                    .value(row)
                    .to_string(),
                record[0]
            );
            let amount = if amounts.is_null(row) {
                String::new()
            } else {
                amounts.value_as_string(row)
            };
            assert_eq!(amount, record[1]);
            let name = if names.is_null(row) {
                ""
            } else {
                names.as_string::<i32>().value(row)
            };
            assert_eq!(name, &record[3]);
            assert_eq!(batch.column(4).as_string::<i32>().value(row), &record[4]);
            assert_eq!(batch.column(5).as_string::<i32>().value(row), &record[5]);
            assert_eq!(batch.column(6).as_boolean().value(row).to_string(), record[6]);
            rows += 1;
        }
    }
    assert_eq!(rows, 20_000);
}

#[test]
fn rates_of_nulls_and_choices_are_those_asked_for() {
    let text = one_table(
        r#"{ name = "a", type = "int", gen = "choice", values = [1, 2, 3], weights = [50, 30, 20], null = "10%" },
           { name = "b", type = "boolean", gen = "chance", of = "25%" },
           { name = "c", gen = "word", only_if = "b" },"#,
    );
    let bytes = whole(
        &plan(
            &text,
            &Options {
                rows: 100_000,
                ..Options::default()
            },
        ),
        0,
    );
    let text = String::from_utf8(bytes).expect("UTF-8");
    let rows: Vec<Vec<&str>> = text.lines().skip(1).map(|line| line.split(',').collect()).collect();
    let share = |test: &dyn Fn(&[&str]) -> bool| rows.iter().filter(|row| test(row)).count() as f64 / 100_000.0;
    for (expected, found) in [
        (0.1, share(&|row| row[0].is_empty())),
        (0.45, share(&|row| row[0] == "1")),
        (0.27, share(&|row| row[0] == "2")),
        (0.18, share(&|row| row[0] == "3")),
        (0.25, share(&|row| row[1] == "true")),
        (0.75, share(&|row| row[2].is_empty())),
    ] {
        // Five standard deviations of a share of 100,000 draws are below 0.008.
        assert!((expected - found).abs() < 0.008, "{expected} {found}");
    }
    assert!(rows.iter().all(|row| (row[1] == "true") != row[2].is_empty()));
}

#[test]
fn a_day_of_change_is_the_first_day_with_the_new_value() {
    let text = r#"
        [calendar]
        from = "2024-01-01"
        to = "2024-03-31"
        [table.t]
        columns = [
          { name = "id", type = "int", gen = "sequence" },
          { name = "street", gen = "street", changes = "5%" },
          { name = "since", type = "date", gen = "changed", of = "street" },
        ]
    "#;
    let first = lakeform_datagen::parse_date("2024-01-01").expect("a date");
    let mut before: Vec<(String, String)> = Vec::new();
    let mut changes = 0;
    for day in first..first + 91 {
        let options = Options {
            rows: 300,
            days: Some((day, day)),
            ..Options::default()
        };
        let bytes = whole(&plan(text, &options), 0);
        let rows: Vec<(String, String)> = csv::Reader::from_reader(&bytes[..])
            .records()
            .map(|row| row.map(|row| (row[1].to_owned(), row[2].to_owned())).expect("a record"))
            .collect();
        for (before, now) in before.iter().zip(&rows) {
            if before.1 == now.1 {
                assert_eq!(before.0, now.0);
            } else {
                assert_eq!(now.1, lakeform_datagen::format_date(day));
                changes += 1;
            }
        }
        before = rows;
    }
    // One in twenty of 300 rows each day.
    assert!((1_200..=1_500).contains(&changes), "{changes}");
    check(
        &text.replace("changes = \"5%\"", ""),
        1,
        &[("bad-change", "\"street\"")],
    );
}

#[test]
fn dirt_is_told_exactly_and_leaves_all_other_rows_alone() {
    let dataset = Dataset::builtin("banking").expect("shipped");
    let clean = dataset.plan(&Options::default()).expect("a plan");
    let dirty = dataset
        .plan(&Options {
            dirty: 0.01,
            part_bytes: 50_000,
            ..Options::default()
        })
        .expect("a plan");
    assert_ne!(clean.fingerprint(), dirty.fingerprint());
    let mut kinds = HashSet::new();
    for index in 0..clean.tables.len() {
        let (mut out, mut truth) = (Vec::new(), Vec::new());
        let mut rows = 0;
        for part in 0..dirty.tables[index].files[0].parts.len() {
            rows += dirty.write_part_with_truth(index, 0, part, &mut out, &mut truth).rows;
        }
        let text = String::from_utf8(out).expect("UTF-8");
        assert_eq!(text.lines().count() as u64, rows + 1);
        // Undoing what the truth tells gives the clean file back.
        let mut lines = text.lines().skip(1);
        let mut told = truth.iter().peekable();
        let expected = String::from_utf8(whole(&clean, index)).expect("UTF-8");
        let header: Vec<&str> = expected.lines().next().expect("a header").split('|').collect();
        for (row, clean) in expected.lines().skip(1).enumerate() {
            let line = lines.next().expect("a row");
            let Some(dirt) = told.next_if(|dirt| dirt.row == row as u64) else {
                assert_eq!(line, clean);
                continue;
            };
            kinds.insert(dirt.kind);
            if dirt.kind == DirtKind::Duplicate {
                assert_eq!((line, lines.next()), (clean, Some(clean)));
                continue;
            }
            let place = header
                .iter()
                .position(|name| Some(*name) == dirt.column.as_deref())
                .expect("a column");
            let mut fields: Vec<&str> = line.split('|').collect();
            assert_ne!(fields[place], dirt.original.as_deref().expect("a value"));
            fields[place] = dirt.original.as_deref().expect("a value");
            assert_eq!(fields.join("|"), clean);
        }
        assert!(told.next().is_none() && lines.next().is_none());
    }
    assert_eq!(kinds.len(), 5, "{kinds:?}");
}
