//! DuckDB as a child process: a line of SQL in, the seconds it took out.

use std::io::{BufRead, BufReader, Error, Result, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::files::{COLUMNS, Files};

pub struct Duck {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Duck {
    pub fn start(python: &str, dir: &Path, _files: &Files, threads: usize) -> Result<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/warehouse/duck.py");
        let columns = COLUMNS.map(|(name, sql, _)| format!("'{name}': '{sql}'")).join(", ");
        let mut child = Command::new(python)
            .arg(script)
            .arg(dir)
            .arg(threads.to_string())
            .arg(columns)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (questions, answers) = (child.stdin.take(), child.stdout.take());
        let gone = || Error::other("DuckDB has no pipes");
        Ok(Self {
            child,
            questions: questions.ok_or_else(gone)?,
            answers: BufReader::new(answers.ok_or_else(gone)?),
        })
    }

    pub fn run(&mut self, sql: &str) -> Result<f64> {
        writeln!(self.questions, "{sql}")?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        answer
            .trim()
            .parse()
            .map_err(|_| Error::other(format!("DuckDB answered {answer:?} to {sql}")))
    }
}

impl Drop for Duck {
    fn drop(&mut self) {
        // It ends by itself when its input does; this only makes sure.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
