//! An empty folder in which `lakeform` is run, without the environment of whoever runs the tests.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

pub struct Sandbox {
    pub dir: tempfile::TempDir,
}

/// What a command said and how it ended.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub stdout: String,
    /// Both streams, in the order in which they were written.
    pub all: String,
}

impl Said {
    /// Runs a command to its end.
    pub fn of(command: &mut Command) -> Self {
        let output = command.output().expect("the program runs");
        let stdout = String::from_utf8(output.stdout).expect("UTF-8");
        let all = format!("{stdout}{}", String::from_utf8_lossy(&output.stderr));
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout,
            all,
        }
    }
}

/// Copies a folder with all that is in it.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        match entry.file_type().expect("a type").is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).expect("copied")),
        }
    }
}

impl Sandbox {
    pub fn new() -> Self {
        Self {
            dir: tempfile::tempdir().expect("a folder"),
        }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The program with these arguments, here.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lakeform"));
        command
            .args(args)
            .current_dir(self.path())
            .env_clear()
            .stdin(Stdio::null());
        // A folder that is not there: no profile of the machine can be picked up by accident.
        command
            .env("HOME", self.path().join("home"))
            .env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command
    }

    /// Runs it to its end.
    pub fn run(&self, args: &[&str]) -> Said {
        Said::of(&mut self.command(args))
    }

    /// Runs it to its end with both streams in one, as on a terminal.
    pub fn run_merged(&self, args: &[&str]) -> Said {
        let (mut reader, writer) = std::io::pipe().expect("a pipe");
        let mut command = self.command(args);
        command.stdout(writer.try_clone().expect("a pipe")).stderr(writer);
        let mut child = command.spawn().expect("the program runs");
        // The command keeps the writing ends; without this the pipe would never end.
        drop(command);
        let mut all = String::new();
        reader.read_to_string(&mut all).expect("UTF-8");
        let code = child.wait().expect("it ends").code().unwrap_or(-1);
        Said {
            code,
            stdout: String::new(),
            all,
        }
    }

    /// Runs it and expects it to end well.
    #[track_caller]
    pub fn ok(&self, args: &[&str]) -> Said {
        let said = self.run(args);
        assert_eq!(said.code, 0, "`lakeform {}` said:\n{}", args.join(" "), said.all);
        said
    }
}
