//! Any bytes as an object, for every kind of classifier: no panic, no endless reading, and the same answer twice.
#![no_main]

use std::io;
use std::sync::LazyLock;

use lakeform_local::crawler::classify::{Bytes, Classifier, classify};
use lakeform_local::crawler::csv::Settings;
use lakeform_local::crawler::grok::Grok;
use lakeform_local::crawler::{exclude, json};
use libfuzzer_sys::fuzz_target;

struct Object<'o>(&'o [u8]);

impl Bytes for Object<'_> {
    fn read(&self, start: u64, limit: usize) -> io::Result<Vec<u8>> {
        let start = (start as usize).min(self.0.len());
        let end = start.saturating_add(limit).min(self.0.len());
        Ok(self.0[start..end].to_vec())
    }

    fn size(&self) -> u64 {
        self.0.len() as u64
    }
}

/// One set of classifiers of each kind.
static CLASSIFIERS: LazyLock<Vec<Vec<Classifier>>> = LazyLock::new(|| {
    let grok = Grok::new("log", "%{COMMONAPACHELOG}", "").expect("a pattern of Glue's");
    let pipes = Settings {
        delimiter: Some('|'),
        single_column: true,
        built_in: false,
        ..Settings::built_in()
    };
    vec![
        Vec::new(),
        vec![Classifier::Json { path: "$[*]".into() }],
        vec![Classifier::Csv(pipes)],
        vec![Classifier::Grok(grok)],
    ]
});

fuzz_target!(|input: (u8, &[u8])| {
    let (kind, bytes) = input;
    let Some(classifiers) = CLASSIFIERS.get(kind as usize % 8) else {
        // What users write themselves: patterns and paths.
        let text = String::from_utf8_lossy(bytes);
        drop(exclude::compile(&text));
        drop(json::steps(&text));
        drop(Grok::new("log", &text, ""));
        return;
    };
    let once = classify(&Object(bytes), classifiers);
    let twice = classify(&Object(bytes), classifiers);
    assert_eq!(once.ok(), twice.ok());
});
