//! The state of a stack in a folder: the journal is one file, the lock another. A holder that is alive has the lock
//! file locked; one that hangs is pushed aside when its lease is over, and cannot write from then on.

use super::lease::{Holder, Reclaim};
use super::{locked, read};
use crate::error::CommandError;
use lakeform_engine::journal::Entry;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The journal and lock of one stack, held by this process.
pub struct Folder {
    journal: File,
    journal_path: PathBuf,
    /// How much of the journal is whole.
    length: u64,
    /// Locked for as long as this lives.
    _lock: File,
    lock_path: PathBuf,
    token: u64,
}

/// Returns the journal in a stack's folder, without holding it; empty when there is none.
pub fn text(folder: &Path) -> Result<String, CommandError> {
    let path = folder.join("journal.jsonl");
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(CommandError::io(format!("reading `{}`", path.display()), &error)),
    }
}

/// Returns its entries.
pub fn entries(folder: &Path) -> Result<Vec<Entry>, CommandError> {
    let name = folder.join("journal.jsonl").display().to_string();
    Ok(read(&name, &text(folder)?)?.0)
}

impl Folder {
    /// Takes the stack and returns what its journal says.
    pub fn hold(folder: &Path, command: &str) -> Result<(Self, Vec<Entry>), CommandError> {
        std::fs::create_dir_all(folder)
            .map_err(|error| CommandError::io(format!("making `{}`", folder.display()), &error))?;
        let journal_path = folder.join("journal.jsonl");
        let lock_path = folder.join("lock");
        let failed = |error: std::io::Error| CommandError::io(format!("opening `{}`", journal_path.display()), &error);
        let journal = open(&journal_path).map_err(failed)?;
        let locking = |error: std::io::Error| CommandError::io(format!("locking `{}`", lock_path.display()), &error);
        let (lock, token) = loop {
            let file = open(&lock_path).map_err(locking)?;
            let taken = match file.try_lock() {
                Ok(()) => {
                    let own = Holder::here(token_in(&file).map_err(locking)? + 1, command);
                    write(&file, &own).map_err(locking)?;
                    Some((file, own))
                }
                Err(TryLockError::WouldBlock) => push_aside(&file, &lock_path, &journal, command)?,
                Err(TryLockError::Error(error)) => return Err(locking(error)),
            };
            // Another process may have pushed the file aside between opening and locking it.
            if let Some((file, own)) = taken
                && holder(&lock_path).as_ref() == Some(&own)
            {
                break (file, own.token);
            }
        };
        let mut held = Self {
            journal,
            journal_path,
            length: 0,
            _lock: lock,
            lock_path,
            token,
        };
        let entries = held
            .begin()
            .map_err(|error| CommandError::io("reading the journal", &error))?;
        let name = held.journal_path.display().to_string();
        let (entries, length) = read(&name, &entries)?;
        // A torn last line is what a crash leaves; what comes next must begin on a line of its own.
        held.cut(length as u64)
            .map_err(|error| CommandError::io(format!("opening `{name}`"), &error))?;
        if entries.is_empty() {
            // The file's name must survive, too.
            drop(File::open(folder).and_then(|folder| folder.sync_all()));
        }
        Ok((held, entries))
    }

    fn begin(&mut self) -> std::io::Result<String> {
        let mut text = String::new();
        self.journal.read_to_string(&mut text)?;
        Ok(text)
    }

    fn cut(&mut self, length: u64) -> std::io::Result<()> {
        self.journal.set_len(length)?;
        self.journal.seek(SeekFrom::Start(length))?;
        self.length = length;
        Ok(())
    }

    /// Writes lines so that they survive whatever happens next, unless somebody else has taken over.
    pub fn append(&mut self, lines: &str) -> Result<(), String> {
        let failed = |error: std::io::Error| format!("writing `{}`: {error}", self.journal_path.display());
        // Whoever pushes us aside holds this, too: either the lines are there before they read, or it is refused.
        self.journal.lock().map_err(failed)?;
        let written = match holder(&self.lock_path) {
            Some(holder) if holder.token == self.token => {
                let written = self
                    .journal
                    .write_all(lines.as_bytes())
                    .and_then(|()| self.journal.sync_data());
                match written {
                    Ok(()) => {
                        self.length += lines.len() as u64;
                        Ok(())
                    }
                    Err(error) => {
                        // Half a line in the middle would make the journal unreadable.
                        let length = self.length;
                        drop(self.cut(length));
                        Err(format!("writing `{}`: {error}", self.journal_path.display()))
                    }
                }
            }
            Some(other) => Err(format!("somebody else has taken the stack over: {other}")),
            None => Err(format!("the lock `{}` is gone", self.lock_path.display())),
        };
        drop(self.journal.unlock());
        written
    }

    /// Returns what gives a sign of life and says whether the stack is still ours.
    pub fn reclaim(&self) -> Reclaim {
        let (journal, lock, token) = (self.journal_path.clone(), self.lock_path.clone(), self.token);
        Box::new(move || {
            // With the journal locked nobody can be pushing us aside.
            let ours = || -> std::io::Result<bool> {
                let journal = open(&journal)?;
                journal.lock()?;
                let ours = holder(&lock).is_some_and(|holder| holder.token == token);
                if ours {
                    open(&lock)?.set_modified(SystemTime::now())?;
                }
                Ok(ours)
            };
            ours().unwrap_or(false)
        })
    }

    pub fn token(&self) -> u64 {
        self.token
    }
}

/// Takes the stack from a holder that lives and has been silent for longer than its lease. Returns nothing when
/// somebody else was quicker.
fn push_aside(
    held: &File,
    lock_path: &Path,
    journal: &File,
    command: &str,
) -> Result<Option<(File, Holder)>, CommandError> {
    let locking = |error: std::io::Error| CommandError::io(format!("locking `{}`", lock_path.display()), &error);
    let silent = |file: &File| -> std::io::Result<Duration> {
        Ok(SystemTime::now()
            .duration_since(file.metadata()?.modified()?)
            .unwrap_or_default())
    };
    let Some(present) = holder(lock_path) else {
        // It has the lock and has not yet said who it is.
        std::thread::yield_now();
        return match silent(held).map_err(locking)? < super::lease::LEASE {
            true => Err(locked("another lakeform, which is just starting", None)),
            false => Ok(None),
        };
    };
    let silence = silent(held).map_err(locking)?;
    if !present.expired(silence) {
        return Err(locked(&present.to_string(), None));
    }
    // It may be stopped in the middle of writing a line; then there is no safe moment.
    if journal.try_lock().is_err() {
        return Err(locked(
            &present.to_string(),
            Some("it hangs while writing: end that process"),
        ));
    }
    let taken = (|| {
        if holder(lock_path).as_ref() != Some(&present) || !present.expired(silent(held)?) {
            return Ok(None);
        }
        let own = Holder::here(present.token + 1, command);
        let fresh_path = lock_path.with_extension(uuid::Uuid::new_v4().simple().to_string());
        let fresh = open(&fresh_path)?;
        fresh.lock()?;
        write(&fresh, &own)?;
        std::fs::rename(&fresh_path, lock_path)?;
        Ok(Some((fresh, own)))
    })();
    drop(journal.unlock());
    taken.map_err(locking)
}

fn open(path: &Path) -> std::io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
}

fn write(mut file: &File, holder: &Holder) -> std::io::Result<()> {
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(holder.to_text().as_bytes())
}

fn token_in(mut file: &File) -> std::io::Result<u64> {
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    Ok(Holder::parse(&text).map_or(0, |holder| holder.token))
}

/// Who holds the stack, as the lock says it.
fn holder(path: &Path) -> Option<Holder> {
    Holder::parse(&std::fs::read_to_string(path).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ExitCode;
    use lakeform_engine::journal;

    fn opened() -> String {
        let entry = Entry::Opened {
            version: journal::VERSION,
            stack: "s".to_owned(),
            generation: "g".to_owned(),
        };
        entry.to_line("2026-01-01T00:00:00Z")
    }

    /// As if the holder had given no sign of life since long ago.
    fn silence(folder: &Path) {
        let lock = open(&folder.join("lock")).expect("a lock");
        lock.set_modified(SystemTime::now() - Duration::from_secs(120))
            .expect("an old lock");
    }

    #[test]
    fn a_hanging_holder_is_pushed_aside_and_its_late_writes_are_refused() {
        let root = tempfile::tempdir().expect("a folder");
        let (mut zombie, _) = Folder::hold(root.path(), "apply").expect("the first");
        zombie.append(&opened()).expect("writes");
        let refused = Folder::hold(root.path(), "plan").map(drop).expect_err("held");
        assert_eq!(refused.code, ExitCode::Locked);
        silence(root.path());
        let (mut next, entries) = Folder::hold(root.path(), "apply").expect("the lease is over");
        assert_eq!(entries.len(), 1);
        assert!(next.token() > zombie.token());
        let refusal = zombie.append(&opened()).expect_err("fenced");
        assert!(refusal.contains("taken the stack over"), "{refusal}");
        next.append(&opened()).expect("writes");
        drop(zombie);
        // The old holder's end changes nothing for the new one.
        assert!(Folder::hold(root.path(), "apply").is_err());
        next.append(&opened()).expect("writes");
        assert_eq!(super::entries(root.path()).expect("reads").len(), 3);
    }

    #[test]
    fn a_holder_that_hangs_in_the_middle_of_a_line_is_named() {
        let root = tempfile::tempdir().expect("a folder");
        let (zombie, _) = Folder::hold(root.path(), "apply").expect("the first");
        zombie.journal.lock().expect("as if writing");
        silence(root.path());
        let refused = Folder::hold(root.path(), "apply")
            .map(drop)
            .expect_err("no safe moment");
        assert_eq!(refused.code, ExitCode::Locked);
        assert!(
            refused.hints.iter().any(|hint| hint.contains("end that process")),
            "{:?}",
            refused.hints
        );
    }

    #[test]
    fn tokens_grow_with_every_holder() {
        let root = tempfile::tempdir().expect("a folder");
        let first = Folder::hold(root.path(), "apply").expect("the first").0.token();
        let second = Folder::hold(root.path(), "apply").expect("the second").0.token();
        assert!(second > first);
    }
}
