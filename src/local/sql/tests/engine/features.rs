//! Runs the files of `features/`, one per feature, in the words of sqllogictest:
//!
//! ```text
//! statement ok                statement error 42P01
//! create table t (n int)      select * from nowhere
//!
//! query                       query rowsort
//! select 1, 'a'               select n from t
//! ----                        ----
//! 1|a                         …
//! ```
//!
//! Each file starts in an empty warehouse. An expected row is its values, apart by `|`.

use lakeform_sql::Session;

use crate::support::{text, world};

struct Record<'a> {
    line: usize,
    head: Vec<&'a str>,
    sql: String,
    expected: Vec<&'a str>,
}

fn records(file: &str) -> Vec<Record<'_>> {
    let mut records = Vec::new();
    let mut lines = file.lines().enumerate().peekable();
    while let Some((line, head)) = lines.next() {
        if head.trim().is_empty() || head.starts_with('#') {
            continue;
        }
        let (mut sql, mut expected, mut after) = (Vec::new(), Vec::new(), false);
        while let Some((_, text)) = lines.next_if(|(_, text)| !text.trim().is_empty()) {
            match (after, text) {
                (false, "----") => after = true,
                (false, text) => sql.push(text),
                (true, text) => expected.push(text),
            }
        }
        records.push(Record {
            line: line + 1,
            head: head.split_whitespace().collect(),
            sql: sql.join("\n"),
            expected,
        });
    }
    records
}

/// Returns what is wrong, if anything.
async fn run(session: &mut Session, record: &Record<'_>) -> Option<String> {
    let outcome = session.run(&record.sql, &[]).await;
    match (record.head.as_slice(), outcome) {
        (["statement", "ok"], Ok(_)) => None,
        (["statement", "ok"], Err(error)) => Some(format!("failed: {} {error}", error.sqlstate)),
        (["statement", "error", state], Err(error)) if error.sqlstate == *state => {
            let words = record.expected.join("\n");
            (!error.message.contains(&words)).then(|| format!("said: {error}"))
        }
        (["statement", "error", ..], Err(error)) => Some(format!("failed with {} {error}", error.sqlstate)),
        (["statement", "error", ..], Ok(_)) => Some("succeeded".into()),
        (["query", options @ ..], Ok(outcomes)) => {
            let mut rows = outcomes.last().map(text).unwrap_or_default();
            if options.contains(&"rowsort") {
                rows.sort();
            }
            (rows != record.expected).then(|| format!("gave:\n{}", rows.join("\n")))
        }
        (["query", ..], Err(error)) => Some(format!("failed: {} {error}", error.sqlstate)),
        (head, _) => Some(format!("{head:?} means nothing")),
    }
}

#[tokio::test]
async fn every_feature_does_what_its_file_says() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/engine/features");
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    assert!(!paths.is_empty());
    let mut wrong = Vec::new();
    for path in paths {
        let file = std::fs::read_to_string(&path).unwrap();
        let world = world();
        let mut session = world.session();
        for record in records(&file) {
            if let Some(problem) = run(&mut session, &record).await {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                wrong.push(format!("{name}:{}\n{}\n{problem}", record.line, record.sql));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
