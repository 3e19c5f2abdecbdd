//! Python programs nobody here wrote. Each folder of scripts under `tests/` names its packages in a
//! `requirements.txt`; they are installed once, under the target folder.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A folder of scripts under `tests/` and the interpreter that has what they need.
pub struct Python {
    scripts: PathBuf,
    environment: PathBuf,
}

impl Python {
    /// Installs what `tests/<folder>/requirements.txt` asks for, unless it is there.
    pub fn of(folder: &str) -> Self {
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
        let wanted = scripts.join("requirements.txt");
        let text = std::fs::read_to_string(&wanted).expect("requirements");
        let environment = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python").join(folder);
        // Tests may ask for the same environment at once, each in a process of its own.
        let lock = environment.with_extension("lock");
        std::fs::create_dir_all(environment.parent().expect("a folder")).expect("made");
        let installing = std::fs::File::create(lock).expect("created");
        installing.lock().expect("locked");
        let python = Self { scripts, environment };
        let done = python.environment.join("requirements.txt");
        if std::fs::read_to_string(&done).is_ok_and(|installed| installed == text) {
            return python;
        }
        drop(std::fs::remove_dir_all(&python.environment));
        let run = |command: &mut Command| {
            let output = command.output().expect("it runs");
            assert!(
                output.status.success(),
                "{command:?}: {}{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
        };
        run(Command::new("python3").args(["-m", "venv"]).arg(&python.environment));
        run(python
            .program("python")
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"])
            .arg(&wanted));
        std::fs::write(done, text).expect("written");
        python
    }

    /// A program of the environment, such as `python`, `dbt` or `aws`.
    pub fn program(&self, name: &str) -> Command {
        Command::new(self.environment.join("bin").join(name))
    }

    /// Runs a script of the folder to its end, expects it to end well, and returns what it said.
    #[track_caller]
    pub fn ok(&self, script: &str, args: &[&str]) -> String {
        let output = self
            .program("python")
            .arg(self.scripts.join(script))
            .args(args)
            .output()
            .expect("python runs");
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(output.status.success(), "{script} said:\n{said}");
        said
    }
}
