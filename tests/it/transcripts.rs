//! Whole sessions as Markdown: every `$ lakeform …` in a console block is run, in order, and must say what stands
//! there. What differs from run to run is redacted. `SNAPSHOTS=overwrite` writes what was said.

use crate::sandbox::{Sandbox, copy};
use snapbox::{Data, IntoData};
use std::path::Path;

/// Runs the sessions of one page in one fresh folder.
fn session(name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/transcripts")
        .join(name);
    let page = std::fs::read_to_string(&path).expect("a transcript");
    let sandbox = Sandbox::new();
    let inputs = path.with_extension("in");
    if inputs.is_dir() {
        copy(&inputs, sandbox.path());
    }
    let mut said = String::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        said.push_str(line);
        said.push('\n');
        if line != "```console" {
            continue;
        }
        for line in lines.by_ref().take_while(|line| *line != "```") {
            // The old answer is dropped; the new one follows its command.
            let Some(command) = line.strip_prefix("$ ") else {
                continue;
            };
            said.push_str(&format!("$ {command}\n"));
            let words = words(command);
            assert_eq!(
                words.first().map(String::as_str),
                Some("lakeform"),
                "only lakeform is run: {command}"
            );
            let args: Vec<&str> = words[1..].iter().map(String::as_str).collect();
            let answer = sandbox.run_merged(&args);
            if answer.code != 0 {
                said.push_str(&format!("? {}\n", answer.code));
            }
            said.push_str(&redact(answer.all.trim_end()));
            said.push_str("\n\n");
        }
        said.truncate(said.trim_end().len());
        said.push_str("\n```\n");
    }
    // Raw: what looks like a path in JSON is none.
    snapbox::Assert::new()
        .action_env("SNAPSHOTS")
        .eq(said.raw(), Data::read_from(&path, None).raw());
}

/// Splits a command line at spaces outside double quotes.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            c => words.last_mut().expect("never empty").push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Replaces what differs from run to run.
fn redact(text: &str) -> String {
    let mut out = String::new();
    for line in redact_times(text).lines() {
        // How fast it went.
        let line = match line.rfind('(').filter(|at| line[*at..].contains(" rows/s")) {
            Some(at) => &format!("{}([N] rows/s).", &line[..at]),
            None => line,
        };
        let words: Vec<&str> = line.split(' ').collect();
        let mut kept: Vec<String> = Vec::with_capacity(words.len());
        for (index, word) in words.iter().enumerate() {
            let next = words
                .get(index + 1)
                .map(|next| next.trim_end_matches([')', '.', ',', ':']));
            let bare = word.trim_start_matches('(');
            let number = !bare.is_empty() && bare.chars().all(|c| c.is_ascii_digit() || c == '.');
            match next {
                Some("s") if number => kept.push(word.replace(bare, "[N]")),
                Some("calls") if number => kept.push("[N]".to_owned()),
                _ => kept.push(redact_word(word)),
            }
        }
        out.push_str(kept.join(" ").trim_end());
        out.push('\n');
    }
    out.trim_end().to_owned()
}

/// Moments as journals have them: `2026-01-01T00:00:00Z`.
fn redact_times(text: &str) -> String {
    const FORM: &str = "dddd-dd-ddTdd:dd:ddZ";
    let is_time = |piece: &str| {
        let fits = |(c, form): (char, char)| if form == 'd' { c.is_ascii_digit() } else { c == form };
        piece.chars().count() == FORM.len() && piece.chars().zip(FORM.chars()).all(fits)
    };
    let mut redacted = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        match rest.get(..FORM.len()).filter(|piece| is_time(piece)) {
            Some(_) => {
                redacted.push_str("[TIME]");
                rest = &rest[FORM.len()..];
            }
            None => {
                redacted.push(c);
                rest = &rest[c.len_utf8()..];
            }
        }
    }
    redacted
}

/// Ids that the cloud makes up: a known prefix and seventeen hexadecimal digits, and those of requests.
fn redact_word(word: &str) -> String {
    let bare = word.trim_end_matches(']');
    if bare.len() == 36 && bare.split('-').map(str::len).eq([8, 4, 4, 4, 12]) {
        return word.replace(bare, "[ID]");
    }
    match word.split_once('-') {
        Some((prefix, rest)) if rest.len() >= 17 && rest.chars().take(17).all(|c| c.is_ascii_hexdigit()) => {
            format!("{prefix}-[ID]{}", &rest[17..])
        }
        _ => word.to_owned(),
    }
}

#[test]
fn a_first_session_goes_as_written() {
    session("first-session.md");
}

#[test]
fn check_says_everything_at_once() {
    session("check.md");
}

#[test]
fn data_are_described_written_and_proved() {
    session("datagen.md");
}

#[test]
fn wrong_commands_are_answered_helpfully() {
    session("wrong-commands.md");
}

#[test]
fn changes_are_planned_made_remembered_and_compared() {
    session("changes.md");
}

#[test]
fn failures_say_what_began_them() {
    session("failures.md");
}
