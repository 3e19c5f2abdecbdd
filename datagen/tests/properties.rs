//! What holds for any definition, size and seed: formats agree with each other, parts make the whole, keys are unique,
//! references lead somewhere, rates are those asked for, and the truth about mistakes undoes them.

use arrow::array::{Array, ArrayRef};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use lakeform_datagen::{Compression, Csv, Dataset, DirtKind, Format, Options, Plan, Sum, crc64nvme};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use proptest::prelude::*;
use std::collections::{HashMap, HashSet};
use std::io::Read;

/// Columns of every type, some null, some hard to write.
const COLUMNS: &[&str] = &[
    r#"{ name = "n", type = "bigint", gen = "sequence", start = -3 }"#,
    r#"{ name = "small", type = "smallint", gen = "uniform", min = -9, max = 9, null = "30%" }"#,
    r#"{ name = "code", type = "int", gen = "choice", values = [7, 70, 700] }"#,
    r#"{ name = "text", gen = "list", values = ["a|b", "say \"hi\"", "line\nbreak", "日本語 ✓", "c,d;e", "tab\there", "back\\slash"] }"#,
    r#"{ name = "maybe", gen = "words", null = "50%" }"#,
    r#"{ name = "cents", type = "decimal(12,2)", gen = "uniform", min = -50, max = 5_000, null = "10%" }"#,
    r#"{ name = "thin", type = "decimal(7,3)", gen = "uniform", min = -1, max = 1 }"#,
    r#"{ name = "real", type = "double(4)", gen = "uniform", min = -2, max = 2, null = "5%" }"#,
    r#"{ name = "born", type = "date", gen = "uniform", min = "1890-01-01", max = "2110-12-31", null = "5%" }"#,
    r#"{ name = "seen", type = "timestamp", gen = "uniform", min = "1960-01-01", max = "2030-12-31", null = "5%" }"#,
    r#"{ name = "good", type = "boolean", gen = "chance", of = "30%", null = "20%" }"#,
    r#"{ name = "key", type = "uuid", gen = "uuid", null = "20%" }"#,
    r#"{ name = "joined", gen = "template", text = "<{text}|{small:4}>{{\"{code}\",{##}{????}" }"#,
    r#"{ name = "long", gen = "template", text = "{text}LONG{code}" }"#,
    r#"{ name = "same", gen = "const", value = "of \"all\"" }"#,
    r#"{ name = "street", gen = "street", null = "1%" }"#,
];

/// A table of some of the columns; what templates need is there, hidden if it was not chosen.
fn definition(chosen: u32) -> String {
    let columns: Vec<String> = COLUMNS
        .iter()
        .enumerate()
        .map(|(place, column)| {
            let column = column.replace("LONG", &"-".repeat(150));
            match (chosen >> place) & 1 {
                1 => column,
                _ => column.replacen("{ ", "{ hidden = true, ", 1),
            }
        })
        .collect();
    format!("[table.t]\ncolumns = [\n{}\n]", columns.join(",\n"))
}

fn plan(text: &str, options: &Options) -> Plan {
    let dataset = Dataset::parse("test", text).unwrap_or_else(|problems| panic!("{problems:#?}"));
    dataset.plan(options).unwrap_or_else(|problems| panic!("{problems:#?}"))
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

fn plain(compression: Compression, bytes: Vec<u8>) -> Vec<u8> {
    let mut plain = Vec::new();
    match compression {
        Compression::None => return bytes,
        Compression::Gzip => flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_end(&mut plain),
        Compression::Zstd => {
            zstd::stream::read::Decoder::new(&bytes[..]).and_then(|mut all| all.read_to_end(&mut plain))
        }
    }
    .expect("it was compressed");
    plain
}

/// Rows as texts; null is `None`.
type Rows = Vec<Vec<Option<String>>>;

fn from_csv(bytes: &[u8], csv: &Csv) -> Rows {
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(csv.delimiter)
        .quote(csv.quote)
        .has_headers(csv.header)
        .from_reader(bytes);
    let value = |text: &str| (text != csv.null).then(|| text.to_owned());
    let records = reader.records().map(|record| record.expect("a record"));
    records.map(|record| record.iter().map(value).collect()).collect()
}

fn from_json(bytes: &[u8]) -> Rows {
    let lines = std::str::from_utf8(bytes).expect("UTF-8").lines();
    lines
        .map(|line| {
            let row: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line).expect("JSON");
            row.into_iter()
                .map(|(_, value)| match value {
                    serde_json::Value::Null => None,
                    serde_json::Value::String(text) => Some(text),
                    other => Some(other.to_string()),
                })
                .collect()
        })
        .collect()
}

fn from_parquet(bytes: Vec<u8>) -> Rows {
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(bytes)).expect("Parquet");
    let options = FormatOptions::default()
        .with_timestamp_format(Some("%Y-%m-%d %H:%M:%S"))
        .with_display_error(true);
    let mut rows = Rows::new();
    for batch in reader.build().expect("Parquet") {
        let batch = batch.expect("a batch");
        let columns: Vec<(&ArrayRef, ArrayFormatter)> = batch
            .columns()
            .iter()
            .map(|column| (column, ArrayFormatter::try_new(column, &options).expect("a known type")))
            .collect();
        for row in 0..batch.num_rows() {
            let value = |(array, shown): &(&ArrayRef, ArrayFormatter)| {
                array.is_valid(row).then(|| shown.value(row).to_string())
            };
            rows.push(columns.iter().map(value).collect());
        }
    }
    rows
}

/// Numbers of different formats are equal when they are the same number.
fn same(a: &Rows, b: &Rows) -> Result<(), TestCaseError> {
    prop_assert_eq!(a.len(), b.len());
    for (a, b) in a.iter().flatten().zip(b.iter().flatten()) {
        let number = |text: &Option<String>| text.as_ref().and_then(|text| text.parse::<f64>().ok());
        prop_assert!(
            a == b || number(a).is_some() && number(a) == number(b),
            "{:?} {:?}",
            a,
            b
        );
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn all_formats_hold_the_same_rows(
        chosen in 1u32..1 << 16, rows in prop_oneof![Just(0u64), Just(1), 2u64..700], seed: u64,
        delimiter in prop::sample::select(b"|,\t;".to_vec()), quote in prop::sample::select(b"\"'".to_vec()),
        header: bool, row_group_bytes in 1u64..20_000,
        compression in prop::sample::select(vec![Compression::None, Compression::Gzip, Compression::Zstd]),
    ) {
        let text = definition(chosen);
        let csv = Csv { delimiter, quote, header, crlf: false, null: "\\N".to_owned() };
        let made = |format: Format| {
            let options = Options { rows, seed, row_group_bytes, compression, format: Some(format.clone()), ..Options::default() };
            let bytes = whole(&plan(&text, &options), 0);
            if format == Format::Parquet { bytes } else { plain(compression, bytes) }
        };
        // A single empty field is an empty line, which CSV readers pass over: nulls have a marker, so there is none.
        let expected = from_csv(&made(Format::Csv(csv.clone())), &csv);
        prop_assert_eq!(expected.len() as u64, rows);
        same(&expected, &from_json(&made(Format::JsonLines)))?;
        same(&expected, &from_parquet(made(Format::Parquet)))?;
    }

    #[test]
    fn parts_make_the_whole_and_sums_need_no_bytes(
        chosen in 1u32..1 << 16, rows in 0u64..900, seed: u64, part_bytes in 1u64..40_000, target_bytes in 1u64..200_000,
        json: bool, compression in prop::sample::select(vec![Compression::None, Compression::Gzip, Compression::Zstd]),
    ) {
        let format = if json { Format::JsonLines } else { Format::Csv(Csv { header: false, ..Csv::default() }) };
        let options = Options { rows, seed, compression, format: Some(format), ..Options::default() };
        let text = definition(chosen);
        let expected = plain(compression, whole(&plan(&text, &options), 0));
        let cut = plan(&text, &Options { part_bytes, target_bytes, ..options });
        let mut found = Vec::new();
        for (file, planned) in cut.tables[0].files.iter().enumerate() {
            let mut bytes = Vec::new();
            // From the last part to the first: no part knows of another.
            for part in (0..planned.parts.len()).rev() {
                let mut own = Vec::new();
                let stats = cut.write_part(0, file, part, &mut own);
                prop_assert_eq!(stats.bytes, own.len() as u64);
                prop_assert_eq!(cut.part_sum(0, file, part), Sum { bytes: own.len() as u64, crc64nvme: crc64nvme(&own) });
                own.extend(bytes);
                bytes = own;
            }
            prop_assert_eq!(cut.file_sum(0, file), Sum::of(&bytes));
            let mut streamed = Vec::new();
            let written = cut.write_file(0, file, &mut streamed, &mut Vec::new());
            prop_assert_eq!(written, planned.rows.end - planned.rows.start);
            prop_assert!(streamed == bytes);
            found.extend(plain(compression, bytes));
        }
        prop_assert!(found == expected);
    }

    #[test]
    fn unique_values_are_unique_up_to_the_last_of_their_range(min in -1_000_000i64..1_000_000, domain in 1u64..3_000, seed: u64) {
        let max = min + domain as i64 - 1;
        let text = format!(r#"[table.t]
            columns = [{{ name = "a", type = "bigint", gen = "unique", min = {min}, max = {max} }}]"#);
        let bytes = whole(&plan(&text, &Options { rows: domain, seed, ..Options::default() }), 0);
        let values: HashSet<i64> = String::from_utf8(bytes).expect("UTF-8").lines().skip(1).map(|line| line.parse().expect("a number")).collect();
        prop_assert_eq!(values.len() as u64, domain);
        prop_assert!(values.iter().all(|value| (min..=max).contains(value)));
    }

    #[test]
    fn references_lead_to_rows_and_lookups_repeat_what_stands_there(parents in 1u64..400, children in 0u64..2_000, seed: u64, zipf in 0.0f64..1.4) {
        let text = format!(r#"
            [table.parent]
            rows = {parents}
            columns = [
              {{ name = "id", type = "bigint", gen = "unique", min = 1, max = 1_000_000 }},
              {{ name = "name", gen = "first_name", null = "10%" }},
            ]
            [table.child]
            columns = [
              {{ name = "parent", type = "bigint", gen = "ref", to = "parent.id", zipf = {zipf} }},
              {{ name = "name", gen = "lookup", via = "parent", column = "name" }},
              {{ name = "turn", type = "bigint", gen = "turn", to = "parent.id" }},
              {{ name = "other", type = "bigint", gen = "ref", to = "parent.id", null = "20%" }},
            ]"#);
        let plan = plan(&text, &Options { rows: children, seed, ..Options::default() });
        let csv = Csv::default();
        let known: HashMap<Option<String>, Option<String>> = from_csv(&whole(&plan, 0), &csv)
            .into_iter()
            .map(|mut row| (row.remove(0), row.remove(0)))
            .collect();
        let rows = from_csv(&whole(&plan, 1), &csv);
        prop_assert_eq!(rows.len() as u64, children);
        for row in &rows {
            prop_assert_eq!(known.get(&row[0]), Some(&row[1]));
            prop_assert!(known.contains_key(&row[2]));
            prop_assert!(row[3].is_none() || known.contains_key(&row[3]));
        }
        let turns: HashSet<&Option<String>> = rows.iter().map(|row| &row[2]).collect();
        prop_assert_eq!(turns.len() as u64, children.min(parents));
    }

    #[test]
    fn rates_lie_within_what_chance_allows(null in 0.0f64..1.0, weights in prop::collection::vec(0u32..50, 3), chance in 0.0f64..1.0, seed: u64) {
        prop_assume!(weights.iter().sum::<u32>() > 0);
        let text = format!(r#"[table.t]
            columns = [
              {{ name = "a", type = "int", gen = "uniform", min = 1, max = 9, null = {null:.3} }},
              {{ name = "b", gen = "choice", values = ["x", "y", "z"], weights = {weights:?} }},
              {{ name = "c", type = "boolean", gen = "chance", of = {chance:.3} }},
            ]"#);
        let rows = 20_000.0;
        let made = from_csv(&whole(&plan(&text, &Options { rows: 20_000, seed, ..Options::default() }), 0), &Csv::default());
        let count = |test: &dyn Fn(&[Option<String>]) -> bool| made.iter().filter(|row| test(row)).count() as f64 / rows;
        let total = f64::from(weights.iter().sum::<u32>());
        let mut rates = vec![(null, count(&|row| row[0].is_none())), (chance, count(&|row| row[2].as_deref() == Some("true")))];
        for (weight, value) in weights.iter().zip(["x", "y", "z"]) {
            rates.push((f64::from(*weight) / total, count(&|row| row[1].as_deref() == Some(value))));
        }
        for (expected, found) in rates {
            // Six standard deviations, and the rounding of rates in this test's text.
            let allowed = 6.0 * (expected * (1.0 - expected) / rows).sqrt() + 0.001;
            prop_assert!((expected - found).abs() <= allowed, "{} {}", expected, found);
        }
    }

    #[test]
    fn undoing_the_truth_gives_the_clean_rows_back(chosen in 1u32..1 << 16, rows in 1u64..600, seed: u64, json: bool) {
        let text = definition(chosen);
        let csv = Csv { null: "\\N".to_owned(), ..Csv::default() };
        let format = if json { Format::JsonLines } else { Format::Csv(csv.clone()) };
        let options = Options { rows, seed, format: Some(format), ..Options::default() };
        let clean = plan(&text, &options);
        let dirty = plan(&text, &Options { dirty: 0.2, part_bytes: 7_000, ..options });
        let read = |bytes: &[u8]| if json { from_json(bytes) } else { from_csv(bytes, &csv) };
        let (expected, mut found) = (read(&whole(&clean, 0)), read(&whole(&dirty, 0)).into_iter());
        let truth = dirty.file_truth(0, 0);
        let mut told = truth.iter().peekable();
        for (number, clean) in expected.iter().enumerate() {
            let mut row = found.next().expect("a row");
            while let Some(dirt) = told.next_if(|dirt| dirt.row == number as u64) {
                match dirt.kind {
                    DirtKind::Duplicate => prop_assert_eq!(Some(row.clone()), found.next()),
                    _ => {
                        let names = &dirty.tables[0].columns;
                        let place = names.iter().position(|c| Some(&c.name) == dirt.column.as_ref()).expect("a column");
                        prop_assert_ne!(&row[place], &dirt.original);
                        row[place].clone_from(&dirt.original);
                    }
                }
            }
            prop_assert_eq!(&row, clean);
        }
        prop_assert!(told.next().is_none() && found.next().is_none());
    }
}
