//! Any text as a journal: replayed, told, and written again.
#![no_main]

use lakeform_engine::history;
use lakeform_engine::journal::{self, Ledger};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok((entries, length)) = journal::read(text) {
        let again: String = entries.iter().map(|entry| entry.to_line("t")).collect();
        let (read, _) = journal::read(&again).expect("what we write reads");
        assert_eq!(Ledger::replay(&read), Ledger::replay(&entries));
        history::read(&text[..length]).expect("it just read");
    }
});
