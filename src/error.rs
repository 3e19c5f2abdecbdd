//! Errors at the edge, and the exit codes that scripts rely on.

use lakeform_engine::CloudError;
use std::fmt;

/// How the program ends. Documented in the README and in `lakeform help`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitCode {
    /// Done, or nothing to do.
    Done = 0,
    Error = 1,
    /// Changes (with `--detailed-exitcode`) or drift are present.
    Changes = 2,
    /// Some of it was done.
    Partly = 3,
    /// A guard said no: another account, `protect`, no answer to a question.
    Blocked = 4,
    /// Somebody else works on the stack.
    Locked = 5,
    /// Stopped by Ctrl-C; the next run goes on.
    Interrupted = 130,
}

/// Why a command ends without having done its work.
#[derive(Debug)]
pub struct CommandError {
    pub code: ExitCode,
    /// `None`: everything has been said already.
    pub message: Option<String>,
    pub hints: Vec<String>,
}

impl CommandError {
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            code: ExitCode::Error,
            message: Some(message.into()),
            hints: Vec::new(),
        }
    }

    /// The command has printed what there is to say.
    pub fn said(code: ExitCode) -> Self {
        Self {
            code,
            message: None,
            hints: Vec::new(),
        }
    }

    pub fn code(mut self, code: ExitCode) -> Self {
        self.code = code;
        self
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// An error of reading or writing a file.
    pub fn io(doing: impl fmt::Display, error: &std::io::Error) -> Self {
        Self::new(format!("{doing}: {error}"))
    }
}

impl From<CloudError> for CommandError {
    fn from(error: CloudError) -> Self {
        let mut command = Self::new(describe(&error));
        command.hints = error.hints;
        command
    }
}

/// A cloud error on one line, with what support asks for.
pub fn describe(error: &CloudError) -> String {
    let mut text = error.to_string();
    if let Some(code) = &error.code {
        text.push_str(&format!(" ({code})"));
    }
    if let Some(request) = &error.request_id {
        text.push_str(&format!(" [request {request}]"));
    }
    text
}
