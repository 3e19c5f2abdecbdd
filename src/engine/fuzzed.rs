//! Whatever stands in a file, reading it ends in a value or an error, never in a panic. `fuzz/` holds the same two
//! targets for cargo-fuzz, which looks deeper; these run with every test.

use crate::history;
use crate::journal::{self, Entry, Ledger};
use crate::testing::{LAKEHOUSE, checked, random_stack};
use proptest::prelude::*;

/// Reads a text as a stack file, the way every command does.
fn read_stack(text: &str) {
    let found = checked(text);
    assert!(
        found.stack.is_some() || !found.problems.is_empty(),
        "no stack and no reason"
    );
    for problem in &found.problems {
        assert!(problem.span.start <= problem.span.end, "{problem:?}");
    }
    drop(crate::report::json("f", text, &found.problems));
    drop(crate::report::sarif("f", text, &found.problems, "0"));
    let (table, _) = crate::parse::parse(text);
    let none = Default::default();
    drop(crate::full_form::render(&crate::expand::expand(
        table,
        &crate::simulation::stacks::outside(None, &none),
    )));
    drop(crate::check::environments(text));
}

/// Reads a text as a journal, and tells its story.
fn read_journal(text: &str) {
    if let Ok((entries, length)) = journal::read(text) {
        let ledger = Ledger::replay(&entries);
        // What was read, written again, is the same memory.
        let again: String = entries.iter().map(|entry| entry.to_line("t")).collect();
        let (entries, _) = journal::read(&again).expect("what we write reads");
        assert_eq!(Ledger::replay(&entries), ledger);
        drop(history::read(&text[..length]).expect("it just read"));
    }
}

/// A valid journal: everything that can stand in one.
fn whole_journal() -> String {
    let mut bench = crate::testing::Bench::new();
    let mut text = String::new();
    for stack in [LAKEHOUSE, "[bucket.lake]\n"] {
        let plan = bench.plan(stack, &Default::default());
        let before = bench.ledger.clone();
        bench.carry_out(&plan);
        text.push_str(
            &Entry::Opened {
                version: journal::VERSION,
                stack: before.stack,
                generation: before.generation,
            }
            .to_line("t"),
        );
        for (address, record) in &bench.ledger.records {
            text.push_str(
                &Entry::Adopted {
                    address: address.clone(),
                    record: record.clone(),
                }
                .to_line("t"),
            );
        }
    }
    text
}

/// Cuts, doubles and overwrites pieces of a text, at characters.
fn mutated(text: &str, changes: &[(usize, usize, u8, String)]) -> String {
    let mut text = text.to_owned();
    for (at, length, how, with) in changes {
        let boundary = |at: usize| {
            (0..=at.min(text.len()))
                .rev()
                .find(|at| text.is_char_boundary(*at))
                .unwrap_or(0)
        };
        let start = boundary(at % (text.len() + 1));
        let end = boundary(start + length).max(start);
        let piece = match how % 3 {
            0 => with.clone(),
            1 => text[start..end].repeat(2),
            _ => String::new(),
        };
        text.replace_range(start..end, &piece);
    }
    text
}

fn changes() -> impl Strategy<Value = Vec<(usize, usize, u8, String)>> {
    let piece = "[\\[\\]{}\"'=.,$# \n0-9a-z_]{0,6}|\\PC{0,3}";
    proptest::collection::vec((any::<usize>(), 0usize..24, any::<u8>(), piece), 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_bytes_make_reading_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let text = String::from_utf8_lossy(&bytes);
        read_stack(&text);
        read_journal(&text);
    }

    #[test]
    fn a_damaged_stack_file_is_read_to_its_end(seed in any::<u64>(), changes in changes()) {
        let text = match seed % 2 {
            0 => format!("[stack]\nname = \"t\"\n{LAKEHOUSE}"),
            _ => random_stack(seed),
        };
        read_stack(&mutated(&text, &changes));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_damaged_journal_is_refused_or_read(changes in changes()) {
        read_journal(&mutated(&whole_journal(), &changes));
    }
}
