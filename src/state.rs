//! The only code that touches the state, in a folder or in a bucket: where it is, who holds a stack, and its journal.

mod bucket;
mod folder;
pub mod lease;

use crate::error::{CommandError, ExitCode};
use crate::project::Project;
use lakeform_aws::Aws;
use lakeform_engine::history::{self, Happened};
use lakeform_engine::journal::{self, Entry, JournalError, Ledger};
use lakeform_engine::stack::Place;
use lease::Lease;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

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
                // Half a page would not mark the folder as ours.
                std::fs::write(&readme, README).inspect_err(|_| drop(std::fs::remove_file(&readme)))
            }
        })
        .map_err(|error| CommandError::io(format!("making `{}`", folder.display()), &error))
}

/// A stack's memory, without holding it.
pub async fn ledger(project: &Project) -> Result<Ledger, CommandError> {
    let entries = match place(project).await? {
        Some(place) => place.entries().await?,
        None => folder::entries(&project.state.join(project.journal_name()))?,
    };
    replayed(&entries, &project.stack.tag_name())
}

/// Replays the journal of a stack; that of another one is refused.
fn replayed(entries: &[Entry], stack: &str) -> Result<Ledger, CommandError> {
    let ledger = Ledger::replay(entries);
    match ledger.stack.is_empty() || ledger.stack == stack {
        true => Ok(ledger),
        false => Err(CommandError::new(format!(
            "the state is of the stack `{}`, and this one is `{stack}`",
            ledger.stack
        ))
        .code(ExitCode::Blocked)
        .hint("put the state of this stack in its place; nothing has been changed")),
    }
}

/// Where in a bucket the state is; `None`: in the state folder. A stack on the local cloud lives on this machine, and
/// so does its state.
async fn place(project: &Project) -> Result<Option<bucket::Place>, CommandError> {
    let (Some(url), Place::Aws { .. }) = (&project.stack.state, &project.stack.place) else {
        return Ok(None);
    };
    let aws = Aws::new(crate::connect::connection(project).await?);
    Ok(Some(bucket::Place::new(aws, url, &project.journal_name())))
}

fn read(name: &str, text: &str) -> Result<(Vec<Entry>, usize), CommandError> {
    journal::read(text).map_err(|error| unusable(name, &error))
}

fn unusable(name: &str, error: &JournalError) -> CommandError {
    CommandError::new(format!("the journal `{name}` cannot be used: {error}"))
        .hint("restore it from a copy; or move it away, and `lakeform recover` makes it anew from tags")
        .hint("nothing has been changed")
}

/// What a stack's journal tells, oldest first.
pub async fn history(project: &Project) -> Result<Vec<Happened>, CommandError> {
    let (name, text) = match place(project).await? {
        Some(place) => (place.url(), place.whole().await?),
        None => {
            let folder = project.state.join(project.journal_name());
            (folder.display().to_string(), folder::text(&folder)?)
        }
    };
    match text.is_empty() {
        true => Ok(Vec::new()),
        false => history::read(&text).map_err(|error| unusable(&name, &error)),
    }
}

fn locked(holder: &str, more: Option<&str>) -> CommandError {
    CommandError::new(format!("somebody else works on this stack: {holder}"))
        .code(ExitCode::Locked)
        .hint(more.unwrap_or("the lock goes away with its process; `--lock-timeout 300` waits for it"))
}

/// A stack held by this process: nobody else can change it until this is dropped.
pub struct Held {
    pub ledger: Ledger,
    journal: Journal,
    lease: Arc<Lease>,
    beat: JoinHandle<()>,
    /// What is written before the first entry, so that a command which has nothing to do leaves no trace.
    due: Vec<Entry>,
}

enum Journal {
    Folder(folder::Folder),
    Bucket(Box<bucket::Bucket>),
}

impl Held {
    /// Takes the stack and opens its journal.
    pub async fn open(project: &Project, command: &str) -> Result<Self, CommandError> {
        Self::open_as(project, command, None).await
    }

    /// Like [`Held::open`]; a new journal is of this generation.
    pub async fn open_as(project: &Project, command: &str, generation: Option<&str>) -> Result<Self, CommandError> {
        let stack = project.stack.tag_name();
        let asked = Instant::now();
        loop {
            let held = match place(project).await? {
                Some(place) => Self::in_bucket(place, &stack, command, generation).await,
                None => Self::in_folder(&project.state, &project.journal_name(), &stack, command, generation).await,
            };
            match held {
                Err(error) if error.code == ExitCode::Locked && asked.elapsed() < project.lock_timeout => {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                held => return held,
            }
        }
    }

    async fn in_folder(
        folder: &Path,
        name: &str,
        stack: &str,
        command: &str,
        generation: Option<&str>,
    ) -> Result<Self, CommandError> {
        make(folder)?;
        let (journal, entries) = folder::Folder::hold(&folder.join(name), command)?;
        let lease = Arc::new(Lease::new(Some(journal.reclaim())));
        let beat = tokio::spawn(beat(lease.clone()));
        Self {
            ledger: Ledger::default(),
            journal: Journal::Folder(journal),
            lease,
            beat,
            due: Vec::new(),
        }
        .begun(entries, stack, command, generation)
        .await
    }

    async fn in_bucket(
        place: bucket::Place,
        stack: &str,
        command: &str,
        generation: Option<&str>,
    ) -> Result<Self, CommandError> {
        let (journal, entries) = place.hold(command).await?;
        let lease = Arc::new(Lease::new(None));
        let beat = journal.beat(&lease);
        Self {
            ledger: Ledger::default(),
            journal: Journal::Bucket(Box::new(journal)),
            lease,
            beat,
            due: Vec::new(),
        }
        .begun(entries, stack, command, generation)
        .await
    }

    async fn begun(
        mut self,
        entries: Vec<Entry>,
        stack: &str,
        command: &str,
        generation: Option<&str>,
    ) -> Result<Self, CommandError> {
        self.ledger = replayed(&entries, stack)?;
        if entries.is_empty() {
            let generation = generation.map_or_else(|| uuid::Uuid::new_v4().simple().to_string(), str::to_owned);
            let opened = Entry::Opened {
                version: journal::VERSION,
                stack: stack.to_owned(),
                generation,
            };
            self.ledger.add(&opened);
            self.due.push(opened);
        }
        self.due.push(Entry::Began {
            command: command.to_owned(),
        });
        Ok(self)
    }

    /// Writes entries so that they survive whatever happens next. Of a write that ends in the middle the first few
    /// entries may be there.
    pub async fn append(&mut self, entries: &[Entry]) -> Result<(), String> {
        if !self.lease.alive() {
            return Err("the lease on the stack is over: no sign of life could be given for too long".to_owned());
        }
        let lines: String = self.due.iter().chain(entries).map(|entry| self.line(entry)).collect();
        match &mut self.journal {
            Journal::Folder(journal) => journal.append(&lines)?,
            Journal::Bucket(journal) => journal.append(&lines).await?,
        }
        self.due.clear();
        entries.iter().for_each(|entry| self.ledger.add(entry));
        Ok(())
    }

    /// The line of an entry, with the token of whoever wrote it.
    fn line(&self, entry: &Entry) -> String {
        let token = match &self.journal {
            Journal::Folder(journal) => journal.token(),
            Journal::Bucket(journal) => journal.token(),
        };
        let mut json = serde_json::to_value(entry).expect("entries are plain data");
        json["at"] = now().into();
        json["token"] = token.into();
        format!("{json}\n")
    }

    /// Says whether this process may still act on the stack.
    pub fn lease(&self) -> Arc<Lease> {
        self.lease.clone()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.beat.abort();
        if let Journal::Bucket(journal) = &self.journal {
            wait(journal.release());
        }
    }
}

/// Gives signs of life in a folder.
async fn beat(lease: Arc<Lease>) {
    loop {
        tokio::time::sleep(lease::BEAT).await;
        lease.reclaimed();
    }
}

/// Waits for what is sent over the network where nothing can be awaited.
fn wait<T>(write: impl Future<Output = T>) -> T {
    tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(write))
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

    async fn hold(folder: &Path) -> Result<Held, CommandError> {
        Held::in_folder(folder, "s", "s", "apply", None).await
    }

    fn forgot() -> Entry {
        Entry::Forgot {
            address: lakeform_engine::Address::parse("vpc.main").expect("an address"),
        }
    }

    #[tokio::test]
    async fn a_stack_is_held_by_one_at_a_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let held = hold(folder.path()).await.expect("the first");
        let second = hold(folder.path()).await.map(drop).expect_err("the second");
        assert_eq!(second.code, ExitCode::Locked);
        drop(held);
        hold(folder.path()).await.expect("after the first");
    }

    #[tokio::test]
    async fn a_torn_line_is_cut_off_and_the_journal_goes_on() {
        let folder = tempfile::tempdir().expect("a folder");
        drop(hold(folder.path()).await.expect("opens"));
        let path = folder.path().join("s/journal.jsonl");
        let mut text = std::fs::read_to_string(&path).expect("reads");
        text.push_str("{\"entry\":\"inte");
        std::fs::write(&path, text).expect("writes");
        let mut held = hold(folder.path()).await.expect("opens again");
        held.append(&[forgot()]).await.expect("appends");
        drop(held);
        let text = std::fs::read_to_string(&path).expect("reads");
        // Opened, begun by `apply`, forgotten.
        assert_eq!(journal::read(&text).expect("is whole").0.len(), 3);
    }

    #[tokio::test]
    async fn a_damaged_journal_is_an_error_and_stays_as_it_is() {
        let folder = tempfile::tempdir().expect("a folder");
        drop(hold(folder.path()).await.expect("opens"));
        let path = folder.path().join("s/journal.jsonl");
        let text = format!("{}rubbish\n{{}}\n", std::fs::read_to_string(&path).expect("reads"));
        std::fs::write(&path, &text).expect("writes");
        assert!(hold(folder.path()).await.is_err());
        assert_eq!(std::fs::read_to_string(&path).expect("reads"), text);
    }

    #[tokio::test]
    async fn a_holder_whose_lease_is_over_writes_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut held = hold(folder.path()).await.expect("opens");
        held.lease().lose();
        assert!(held.append(&[forgot()]).await.is_err());
        assert!(held.ledger.records.is_empty());
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
