//! The only code that touches the state folder: where it is, who holds a stack, and its journal.

use crate::error::{CommandError, ExitCode};
use lakeform_engine::history::{self, Happened};
use lakeform_engine::journal::{self, Entry, JournalError, Ledger};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// What `state/README.md` says, in the repository and in every new stack.
pub const README: &str = include_str!("../state/README.md");

/// Returns the state folder of a stack file: `state` beside it or in a folder above, else to be made beside it.
/// A folder of that name counts only with the page that says what it is.
pub fn folder(stack_file: &Path) -> PathBuf {
    let beside = stack_file.parent().unwrap_or(Path::new("."));
    let marked = |folder: &PathBuf| {
        std::fs::read_to_string(folder.join("README.md")).is_ok_and(|text| text.lines().next() == README.lines().next())
    };
    let absolute = std::path::absolute(beside).unwrap_or_else(|_| beside.to_owned());
    absolute
        .ancestors()
        .map(|folder| folder.join("state"))
        .find(marked)
        .unwrap_or_else(|| beside.join("state"))
}

/// Makes the state folder with its page.
pub fn make(folder: &Path) -> Result<(), CommandError> {
    let readme = folder.join("README.md");
    std::fs::create_dir_all(folder)
        .and_then(|()| {
            if readme.exists() {
                Ok(())
            } else {
                std::fs::write(&readme, README)
            }
        })
        .map_err(|error| CommandError::io(format!("making `{}`", folder.display()), &error))
}

/// A stack's journal, read only.
pub fn ledger(folder: &Path, stack: &str) -> Result<Ledger, CommandError> {
    let path = folder.join(stack).join("journal.jsonl");
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Ledger::replay(&read(&path, &text)?.0)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Ledger::default()),
        Err(error) => Err(CommandError::io(format!("reading `{}`", path.display()), &error)),
    }
}

fn read(path: &Path, text: &str) -> Result<(Vec<Entry>, usize), CommandError> {
    journal::read(text).map_err(|error| unusable(path, &error))
}

fn unusable(path: &Path, error: &JournalError) -> CommandError {
    CommandError::new(format!("the journal `{}` cannot be used: {error}", path.display()))
        .hint("restore the file from a copy, or remove the line; nothing has been changed")
}

/// What a stack's journal tells, oldest first.
pub fn history(folder: &Path, stack: &str) -> Result<Vec<Happened>, CommandError> {
    let path = folder.join(stack).join("journal.jsonl");
    match std::fs::read_to_string(&path) {
        Ok(text) => history::read(&text).map_err(|error| unusable(&path, &error)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(CommandError::io(format!("reading `{}`", path.display()), &error)),
    }
}

/// A stack held by this process: nobody else can change it until this is dropped.
pub struct Held {
    pub ledger: Ledger,
    journal: File,
    path: PathBuf,
    /// What holds it, until the journal knows.
    command: Option<String>,
    _lock: File,
}

impl Held {
    /// Takes the stack and opens its journal.
    pub fn open(folder: &Path, stack: &str, command: &str) -> Result<Self, CommandError> {
        Self::open_as(folder, stack, command, None)
    }

    /// Like [`Held::open`]; a new journal is of this generation.
    pub fn open_as(folder: &Path, stack: &str, command: &str, generation: Option<&str>) -> Result<Self, CommandError> {
        make(folder)?;
        let own = folder.join(stack);
        std::fs::create_dir_all(&own)
            .map_err(|error| CommandError::io(format!("making `{}`", own.display()), &error))?;
        let lock = lock(&own.join("lock"), command)?;
        let path = own.join("journal.jsonl");
        let failed = |error: std::io::Error| CommandError::io(format!("opening `{}`", path.display()), &error);
        let mut journal = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed)?;
        let mut text = String::new();
        journal.read_to_string(&mut text).map_err(failed)?;
        let (entries, length) = read(&path, &text)?;
        // A torn last line is what a crash leaves; what comes next must begin on a line of its own.
        journal.set_len(length as u64).map_err(failed)?;
        journal.seek(SeekFrom::End(0)).map_err(failed)?;
        let mut held = Held {
            ledger: Ledger::replay(&entries),
            journal,
            path: path.clone(),
            command: None,
            _lock: lock,
        };
        if entries.is_empty() {
            let generation = generation.map_or_else(|| uuid::Uuid::new_v4().simple().to_string(), str::to_owned);
            let opened = Entry::Opened {
                version: journal::VERSION,
                stack: stack.to_owned(),
                generation,
            };
            held.append(&opened).map_err(CommandError::new)?;
            // The file's name must survive, too.
            File::open(&own).and_then(|folder| folder.sync_all()).map_err(failed)?;
        }
        held.command = Some(command.to_owned());
        Ok(held)
    }

    /// Writes an entry so that it survives whatever happens next.
    pub fn append(&mut self, entry: &Entry) -> Result<(), String> {
        // Before the first, so that a command which has nothing to do leaves no trace.
        let began = self.command.take().map(|command| Entry::Began { command });
        let now = now();
        let lines: String = began.iter().chain([entry]).map(|entry| entry.to_line(&now)).collect();
        self.journal
            .write_all(lines.as_bytes())
            .and_then(|()| self.journal.sync_data())
            .map_err(|error| format!("writing `{}`: {error}", self.path.display()))?;
        self.ledger.add(entry);
        Ok(())
    }
}

fn lock(path: &Path, command: &str) -> Result<File, CommandError> {
    let failed = |error: std::io::Error| CommandError::io(format!("locking `{}`", path.display()), &error);
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            file.read_to_string(&mut holder).map_err(failed)?;
            return Err(
                CommandError::new(format!("somebody else works on this stack: {}", holder.trim()))
                    .code(ExitCode::Locked)
                    .hint("wait for it to end; the lock goes away with its process"),
            );
        }
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    let holder = format!(
        "`lakeform {command}`, process {}, since {}\n",
        std::process::id(),
        now()
    );
    file.set_len(0)
        .and_then(|()| file.write_all(holder.as_bytes()))
        .map_err(failed)?;
    Ok(file)
}

/// The time of day for people and journals, RFC 3339 to the second.
pub fn now() -> String {
    let seconds = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Days to a civil date, with years beginning in March so that leap days come last.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_is_held_by_one_at_a_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let held = Held::open(folder.path(), "s", "apply").expect("the first");
        let second = Held::open(folder.path(), "s", "apply")
            .map(drop)
            .expect_err("the second");
        assert_eq!(second.code, ExitCode::Locked);
        drop(held);
        Held::open(folder.path(), "s", "apply").expect("after the first");
    }

    #[test]
    fn a_torn_line_is_cut_off_and_the_journal_goes_on() {
        let folder = tempfile::tempdir().expect("a folder");
        drop(Held::open(folder.path(), "s", "apply").expect("opens"));
        let path = folder.path().join("s/journal.jsonl");
        let mut text = std::fs::read_to_string(&path).expect("reads");
        text.push_str("{\"entry\":\"inte");
        std::fs::write(&path, text).expect("writes");
        let mut held = Held::open(folder.path(), "s", "apply").expect("opens again");
        let forgot = Entry::Forgot {
            address: lakeform_engine::Address::parse("vpc.main").expect("an address"),
        };
        held.append(&forgot).expect("appends");
        drop(held);
        let text = std::fs::read_to_string(&path).expect("reads");
        // Opened, begun by `apply`, forgotten.
        assert_eq!(journal::read(&text).expect("is whole").0.len(), 3);
    }

    #[test]
    fn a_damaged_journal_is_an_error_and_stays_as_it_is() {
        let folder = tempfile::tempdir().expect("a folder");
        drop(Held::open(folder.path(), "s", "apply").expect("opens"));
        let path = folder.path().join("s/journal.jsonl");
        let text = format!("{}rubbish\n{{}}\n", std::fs::read_to_string(&path).expect("reads"));
        std::fs::write(&path, &text).expect("writes");
        assert!(Held::open(folder.path(), "s", "apply").is_err());
        assert_eq!(std::fs::read_to_string(&path).expect("reads"), text);
    }

    #[test]
    fn the_state_folder_is_found_above_the_stack() {
        let root = tempfile::tempdir().expect("a folder");
        let stack = root.path().join("stacks/x/stack.toml");
        assert_eq!(folder(&stack), root.path().join("stacks/x/state"));
        std::fs::create_dir(root.path().join("state")).expect("a folder");
        assert_eq!(
            folder(&stack),
            root.path().join("stacks/x/state"),
            "a stranger's folder does not count"
        );
        make(&root.path().join("state")).expect("made");
        assert_eq!(folder(&stack), root.path().join("state"));
    }
}
