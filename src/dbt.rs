//! dbt on a stack's warehouse: what a project's files come to, and the program with a profile and an environment that
//! nobody has to write. Passwords stand in the environment alone.

use crate::door::Door;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use tokio::process::Command;

/// What to write when dbt is not there; these versions are known to work.
pub const INSTALL: &str = "python3 -m pip install \"dbt-core~=1.11.0\" \"dbt-redshift~=1.11.0\"";

const PROFILE: &str = r#"# Written by lakeform. Everything in it comes from the environment that lakeform gives to dbt.
lakeform:
  target: stack
  outputs:
    stack:
      type: redshift
      method: database
      host: "{{ env_var('LAKEFORM_SQL_HOST') }}"
      port: "{{ env_var('LAKEFORM_SQL_PORT') | as_number }}"
      user: "{{ env_var('LAKEFORM_SQL_USER') }}"
      password: "{{ env_var('DBT_ENV_SECRET_LAKEFORM_SQL') }}"
      dbname: "{{ env_var('LAKEFORM_SQL_DATABASE') }}"
      schema: "{{ env_var('LAKEFORM_SQL_SCHEMA') }}"
      sslmode: "{{ env_var('LAKEFORM_SQL_SSLMODE') }}"
      threads: 4
"#;

/// A project and how it is to be run.
pub struct Project {
    /// Where `dbt_project.yml` is.
    pub folder: PathBuf,
    /// Where the profile, dbt's logs and what it compiles go.
    pub home: PathBuf,
    pub schema: String,
    pub vars: BTreeMap<String, String>,
}

/// Returns the program, wherever the search path has it.
pub fn program() -> Option<PathBuf> {
    let name = format!("dbt{}", std::env::consts::EXE_SUFFIX);
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|folder| folder.join(&name))
        .find(|candidate| candidate.is_file())
}

impl Project {
    /// Returns dbt with everything it has to know; the words that say what it does are to follow.
    pub fn command(&self, program: &Path, door: &Door) -> io::Result<Command> {
        std::fs::create_dir_all(&self.home)?;
        std::fs::write(self.home.join("profiles.yml"), PROFILE)?;
        let folder = std::path::absolute(&self.folder)?;
        let home = std::path::absolute(&self.home)?;
        let mut command = Command::new(program);
        command
            .env("DBT_PROJECT_DIR", &folder)
            .env("DBT_PROFILES_DIR", &home)
            .env("DBT_PROFILE", "lakeform")
            .env("DBT_TARGET_PATH", home.join("target"))
            .env("DBT_LOG_PATH", home.join("logs"))
            .env("DBT_SEND_ANONYMOUS_USAGE_STATS", "false")
            .env("LAKEFORM_SQL_HOST", &door.host)
            .env("LAKEFORM_SQL_PORT", door.port.to_string())
            .env("LAKEFORM_SQL_USER", &door.user)
            .env("DBT_ENV_SECRET_LAKEFORM_SQL", &door.password)
            .env("LAKEFORM_SQL_DATABASE", &door.database)
            .env("LAKEFORM_SQL_SCHEMA", &self.schema)
            .env("LAKEFORM_SQL_SSLMODE", door.sslmode);
        Ok(command)
    }

    /// Returns the arguments that hand over the variables; they go behind dbt's command.
    pub fn variables(&self) -> Vec<String> {
        match self.vars.is_empty() {
            true => Vec::new(),
            false => vec!["--vars".to_owned(), serde_json::json!(self.vars).to_string()],
        }
    }
}

/// Returns what changes when a file of the project does. What dbt itself writes there does not count.
pub fn fingerprint(folder: &Path) -> io::Result<String> {
    if !folder.join("dbt_project.yml").is_file() {
        return Err(io::Error::new(
            io::ErrorKind::NotFound,
            "there is no dbt_project.yml in it",
        ));
    }
    let mut files = Vec::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(next) = waiting.pop() {
        for entry in std::fs::read_dir(&next)? {
            let entry = entry?;
            let name = entry.file_name();
            let own = ["target", "logs", "dbt_packages", "package-lock.yml"];
            if own.iter().any(|own| name == *own) || name.to_string_lossy().starts_with('.') {
                continue;
            }
            match std::fs::metadata(entry.path())?.is_dir() {
                true => waiting.push(entry.path()),
                false => files.push(entry.path()),
            }
        }
    }
    files.sort();
    let mut sum = Sha256::new();
    for file in files {
        let name = file
            .strip_prefix(folder)
            .unwrap_or(&file)
            .to_string_lossy()
            .into_owned();
        let content = std::fs::read(&file)?;
        // Lengths, so that no two projects can be mistaken for each other.
        sum.update((name.len() as u64).to_be_bytes());
        sum.update(name.replace('\\', "/"));
        sum.update((content.len() as u64).to_be_bytes());
        sum.update(content);
    }
    Ok(sum
        .finalize()
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

/// Splits a command of a stack file into words, as a shell does with quotes.
pub fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in text.chars() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            (c, Some(_)) => word.get_or_insert_default().push(c),
            ('"' | '\'', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (c, None) if c.is_whitespace() => words.extend(word.take()),
            (c, None) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// What dbt says in one line of its JSON log.
#[derive(Debug, PartialEq)]
pub enum Said {
    /// A node came to its end: how many of how many.
    Done {
        done: u64,
        total: u64,
    },
    /// Why something went wrong, in dbt's words.
    Wrong(String),
    Other,
}

/// Reads one line of the log.
pub fn said(line: &str) -> Said {
    let Ok(json) = serde_json::from_str::<serde_json::Value>(line) else {
        // Before its log is set up, dbt says what is wrong in plain text.
        return Said::Other;
    };
    let (info, data) = (&json["info"], &json["data"]);
    let name = info["name"].as_str().unwrap_or_default();
    match info["msg"].as_str().map(str::trim) {
        // How one node of many went; why it failed is said once more at the end.
        _ if name.starts_with("Log") => match (data["index"].as_u64(), data["total"].as_u64()) {
            (Some(done), Some(total)) if name.ends_with("Result") => Said::Done { done, total },
            _ => Said::Other,
        },
        // The headings of what follows them say nothing more.
        _ if matches!(name, "EndOfRunSummary" | "RunResultFailure") => Said::Other,
        Some(message) if info["level"] == "error" && !message.is_empty() => Said::Wrong(message.to_owned()),
        _ => Said::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_a_shell() {
        assert_eq!(words("run  --select 'a b' x"), ["run", "--select", "a b", "x"]);
        assert_eq!(words("test \"\""), ["test", ""]);
        assert_eq!(words(" "), Vec::<String>::new());
    }

    #[test]
    fn a_project_is_its_files_and_not_what_dbt_writes() {
        let dir = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            std::fs::write(path, text).expect("written");
        };
        assert!(fingerprint(dir.path()).is_err());
        write("dbt_project.yml", "name: a");
        write("models/a.sql", "select 1");
        let first = fingerprint(dir.path()).expect("a project");
        for own in ["target/run.sql", "logs/dbt.log", "dbt_packages/x.sql", ".user.yml"] {
            write(own, "x");
        }
        assert_eq!(fingerprint(dir.path()).expect("a project"), first);
        write("models/a.sql", "select 2");
        assert_ne!(fingerprint(dir.path()).expect("a project"), first);
    }

    #[test]
    fn the_log_tells_progress_and_what_went_wrong() {
        let line = |text: &str| said(text);
        assert_eq!(
            line(r#"{"data":{"index":3,"total":9},"info":{"name":"LogModelResult","level":"info","msg":"3 of 9 OK"}}"#),
            Said::Done { done: 3, total: 9 }
        );
        assert_eq!(
            line(
                r#"{"data":{},"info":{"name":"RunResultError","level":"error","msg":"  Database Error in model a\n  no"}}"#
            ),
            Said::Wrong("Database Error in model a\n  no".into())
        );
        assert_eq!(line("Running with dbt"), Said::Other);
    }
}
