use super::*;

fn address(text: &str) -> Address {
    Address::parse(text).expect("a test address")
}

fn opened() -> Entry {
    Entry::Opened {
        version: VERSION,
        stack: "s".into(),
        generation: "g".into(),
    }
}

fn record(id: &str) -> Record {
    Record {
        id: id.into(),
        fields: Fields::new(),
        outputs: Fields::new(),
        needs: BTreeSet::new(),
        protect: false,
    }
}

fn sample() -> Vec<Entry> {
    vec![
        opened(),
        Entry::Intent {
            op: "1".into(),
            address: address("vpc.main"),
            verb: Verb::Create,
            fields: Fields::new(),
            needs: BTreeSet::new(),
            protect: false,
        },
        Entry::Made {
            op: "1".into(),
            id: "vpc-1".into(),
        },
        Entry::Done {
            op: "1".into(),
            record: Some(record("vpc-1")),
        },
        Entry::Intent {
            op: "2".into(),
            address: address("bucket.lake"),
            verb: Verb::Create,
            fields: Fields::new(),
            needs: BTreeSet::new(),
            protect: false,
        },
    ]
}

#[test]
fn what_is_written_reads_back() {
    let text: String = sample()
        .iter()
        .map(|entry| entry.to_line("2026-01-01T00:00:00Z"))
        .collect();
    assert_eq!(read(&text), Ok((sample(), text.len())));
}

#[test]
fn a_torn_last_line_is_no_entry() {
    let text: String = sample().iter().map(|entry| entry.to_line("t")).collect();
    for cut in 0..text.len() {
        let (entries, length) = read(&text[..cut]).expect("a prefix reads");
        assert_eq!(entries, sample()[..entries.len()]);
        assert!(length <= cut);
    }
}

#[test]
fn damage_in_the_middle_is_an_error_with_its_line() {
    let text = format!("{}garbage\n{}", opened().to_line("t"), opened().to_line("t"));
    assert!(matches!(read(&text), Err(JournalError::Damaged { line: 2, .. })));
}

#[test]
fn an_unfinished_create_stays_open() {
    let ledger = Ledger::replay(&sample());
    assert_eq!(
        ledger.records.keys().map(Address::to_string).collect::<Vec<_>>(),
        ["vpc.main"]
    );
    assert_eq!(ledger.open["2"].address, address("bucket.lake"));
}

#[test]
fn a_newer_format_is_refused() {
    let text = Entry::Opened {
        version: 9,
        stack: "s".into(),
        generation: "g".into(),
    }
    .to_line("t");
    assert_eq!(read(&text), Err(JournalError::Newer { version: 9 }));
}
