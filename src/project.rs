//! A stack file on disk: found, read, checked.

use crate::cli::{CloudChoice, Global};
use crate::connect::Weather;
use crate::data::marks;
use crate::data::recipe::{Recipe, RecipeError};
use crate::error::{CommandError, ExitCode};
use crate::ui::Ui;
use crate::ui::problems::{Source, refuse, show};
use lakeform_aws::Connection;
use lakeform_datagen::Dataset;
use lakeform_engine::check::{Checked, check};
use lakeform_engine::expand::Outside;
use lakeform_engine::stack::{Place, Resource};
use lakeform_engine::{Diagnostic, Kind, Severity, Span, Stack, Value, value};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::OnceCell;

/// The account of the local cloud.
pub const LOCAL_ACCOUNT: &str = "123456789012";

/// A checked stack and where it came from.
pub struct Project {
    pub stack: Stack,
    pub file: PathBuf,
    pub text: String,
    pub state: PathBuf,
    pub weather: Weather,
    /// How long to wait for whoever holds the stack.
    pub lock_timeout: Duration,
    /// The way to AWS, once it is needed.
    pub connection: OnceCell<Connection>,
}

/// A stack file that has been read.
pub struct StackFile {
    pub path: PathBuf,
    pub text: String,
    pub vars: BTreeMap<String, String>,
    pub env: Option<String>,
}

impl StackFile {
    /// Finds and reads the stack file.
    pub fn read(global: &Global) -> Result<Self, CommandError> {
        let path = match &global.stack {
            Some(path) if path.is_dir() => path.join("stack.toml"),
            Some(path) => path.clone(),
            None => PathBuf::from("stack.toml"),
        };
        let text = std::fs::read_to_string(&path).map_err(|error| {
            let failed = CommandError::io(format!("reading `{}`", path.display()), &error);
            match (error.kind(), &global.stack) {
                (std::io::ErrorKind::NotFound, None) => CommandError::new("there is no stack.toml in this folder")
                    .hint("`lakeform init lakehouse my-lakehouse` makes a stack")
                    .hint("`--stack PATH` names one elsewhere"),
                (std::io::ErrorKind::NotFound, Some(_)) => failed.hint("`lakeform init` makes a stack"),
                (std::io::ErrorKind::InvalidData, _) => failed.hint("a stack file is UTF-8 text"),
                _ => failed,
            }
        })?;
        Ok(Self {
            path,
            text,
            vars: variables(global)?,
            env: global.env.clone(),
        })
    }

    /// Runs every check on it.
    pub fn check(&self) -> Checked {
        self.check_text(&self.text)
    }

    /// Runs every check on another text in its place.
    pub fn check_text(&self, text: &str) -> Checked {
        let mut checked = self.with_outside(|outside| check(text, outside));
        let mut wrong: Vec<Diagnostic> = checked.stack.iter().flat_map(|stack| self.datasets(stack)).collect();
        for resource in checked.stack.iter_mut().flat_map(|stack| stack.resources.values_mut()) {
            wrong.extend(self.outside(resource).err());
        }
        if !wrong.is_empty() {
            checked.stack = None;
            checked.problems.extend(wrong);
        }
        checked
    }

    /// Fills in what files beside the stack file say, as fingerprints: what is made of them is made again when they change.
    fn outside(&self, resource: &mut Resource) -> Result<(), Diagnostic> {
        match resource.kind() {
            Kind::Dbt => {
                let folder = resource.text("project").unwrap_or_default();
                let files = crate::dbt::fingerprint(&self.folder().join(folder)).map_err(|error| {
                    let place = resource.span_of("project");
                    Diagnostic::error(
                        "missing-project",
                        "the folder is no dbt project",
                        place,
                        error.to_string(),
                    )
                    .hint("the folder of dbt_project.yml, beside the stack file")
                })?;
                resource.fields.insert("files".to_owned(), Value::Text(files));
            }
            Kind::Sql => {
                let Some(file) = resource.text("file") else {
                    return Ok(());
                };
                let text = std::fs::read(self.folder().join(file)).map_err(|error| {
                    let place = resource.span_of("file");
                    Diagnostic::error(
                        "missing-file",
                        "the file of statements cannot be read",
                        place,
                        error.to_string(),
                    )
                    .hint("a path beside the stack file")
                })?;
                let fingerprint = marks::digest(&text);
                resource.fields.insert("content".to_owned(), Value::Text(fingerprint));
            }
            _ => {}
        }
        Ok(())
    }

    /// Returns what is wrong with the stack's datasets: with what is asked of them, or with their definitions.
    fn datasets(&self, stack: &Stack) -> Vec<Diagnostic> {
        let problem = |resource: &Resource, error: RecipeError| {
            let (field, summary, label, hint) = match error {
                RecipeError::Value { field, message, hint } => {
                    (field, "a value cannot be read".to_owned(), message, Some(hint))
                }
                RecipeError::Definition(DatasetError::Wrong { path, problems, .. }) => (
                    "definition",
                    "the definition has mistakes".to_owned(),
                    crate::ui::several(problems.len(), "mistake"),
                    Some(format!("`lakeform datagen --describe {}` shows them", path.display())),
                ),
                RecipeError::Definition(DatasetError::Unreadable(error)) => (
                    "definition",
                    "the definition cannot be read".to_owned(),
                    error.to_string(),
                    None,
                ),
                // Told already, where the tables were looked for.
                RecipeError::Definition(DatasetError::Missing) => return None,
                RecipeError::Asked { problems, .. } => {
                    let first = problems.into_iter().next()?;
                    ("", first.message, first.label, first.hint)
                }
            };
            let mut problem = Diagnostic::error("bad-dataset", summary, resource.span_of(field), label);
            problem.hint = hint;
            Some(problem)
        };
        stack
            .of_kind(Kind::Dataset)
            .filter_map(|resource| {
                let known = resource.fields.iter().filter(|(_, value)| value.is_known());
                let known = known.map(|(name, value)| (name.clone(), value.clone())).collect();
                // What is not of the right type was told already.
                let recipe: Recipe = value::read(&known).ok()?;
                recipe
                    .batches(self.folder(), None)
                    .err()
                    .and_then(|error| problem(resource, error))
            })
            .collect()
    }

    /// Returns what is wrong only when one of the file's environments is chosen; nothing when one was chosen.
    pub fn problems_elsewhere(&self, known: &[Diagnostic]) -> Vec<Diagnostic> {
        let environments = match self.env {
            Some(_) => Vec::new(),
            None => lakeform_engine::check::environments(&self.text),
        };
        let mut found: Vec<Diagnostic> = Vec::new();
        for env in environments {
            let file = StackFile {
                path: self.path.clone(),
                text: self.text.clone(),
                vars: self.vars.clone(),
                env: Some(env.clone()),
            };
            for mut problem in file.check().problems {
                let same = |other: &Diagnostic| (other.code, other.span) == (problem.code, problem.span);
                if !known.iter().chain(&found).any(same) {
                    problem.label.push_str(&format!(" (with `--env {env}`)"));
                    found.push(problem);
                }
            }
        }
        found
    }

    /// Returns the file with its overlays laid on, its variables put in and every shorthand written out.
    pub fn full_form(&self) -> String {
        self.with_outside(|outside| {
            let (table, _) = lakeform_engine::parse::parse(&self.text);
            lakeform_engine::full_form::render(&lakeform_engine::expand::expand(table, outside))
        })
    }

    /// Hands over what a stack file may know of the outside.
    fn with_outside<T>(&self, with: impl FnOnce(&Outside<'_>) -> T) -> T {
        let folder = self.folder().to_owned();
        let tables = move |definition: &str| match find_dataset(&folder, definition) {
            Ok(dataset) => Some(
                dataset
                    .written()
                    .map(|(table, folder)| (table.to_owned(), folder.to_owned()))
                    .collect(),
            ),
            Err(DatasetError::Missing) => None,
            // What is wrong with a definition is reported on its own; here only its tables matter.
            Err(_) => Some(Vec::new()),
        };
        let names = Dataset::builtin_names();
        let outside = Outside {
            env: self.env.as_deref(),
            vars: &self.vars,
            dataset_tables: &tables,
            dataset_names: names,
            local_account: LOCAL_ACCOUNT,
        };
        with(&outside)
    }

    pub fn folder(&self) -> &Path {
        self.path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
            .unwrap_or(Path::new("."))
    }

    pub fn source<'a>(&'a self, name: &'a str) -> Source<'a> {
        Source { name, text: &self.text }
    }

    pub fn name(&self) -> String {
        self.path.display().to_string()
    }
}

impl Project {
    /// Reads and checks the stack; problems are shown, and errors end it here.
    pub fn open(global: &Global, ui: &Ui) -> Result<Self, CommandError> {
        let file = StackFile::read(global)?;
        let checked = file.check();
        let name = file.name();
        let shown: Vec<_> = checked
            .problems
            .iter()
            .filter(|problem| problem.severity == Severity::Error || checked.stack.is_some())
            .cloned()
            .collect();
        let source = file.source(&name);
        let Some(mut stack) = checked.stack else {
            return Err(refuse(ui, &source, &shown));
        };
        show(ui, &source, &shown);
        match (global.cloud, &stack.place) {
            (None, _) | (Some(CloudChoice::Aws), Place::Aws { .. }) => {}
            (Some(CloudChoice::Local), _) => stack.place = Place::Local,
            (Some(CloudChoice::Aws), Place::Local) => {
                return Err(CommandError::new("the stack does not say that it belongs to AWS")
                    .code(ExitCode::Blocked)
                    .hint("write cloud = \"aws\" and account = \"…\" under [stack], or under [env.NAME.stack]"));
            }
        }
        // As with every AWS tool, the environment may say where the requests go; the file knows better.
        if let Place::Aws { endpoint, .. } = &mut stack.place
            && endpoint.is_none()
        {
            *endpoint = std::env::var("AWS_ENDPOINT_URL").ok().filter(|url| !url.is_empty());
        }
        let state = global.state.clone().unwrap_or_else(|| crate::state::folder(&file.path));
        Ok(Self {
            stack,
            file: file.path,
            text: file.text,
            state,
            weather: Weather::read(global)?,
            lock_timeout: Duration::from_secs(global.lock_timeout),
            connection: OnceCell::new(),
        })
    }

    pub fn folder(&self) -> &Path {
        self.file
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
            .unwrap_or(Path::new("."))
    }

    /// Returns `file:line:col`.
    pub fn place(&self, span: Span) -> String {
        Source {
            name: &self.file.display().to_string(),
            text: &self.text,
        }
        .place(span)
    }

    /// Where dbt's profile, logs and compiled files go.
    pub fn dbt_home(&self) -> PathBuf {
        self.state.join(self.journal_name()).join("dbt")
    }

    /// The folder of this stack's journal inside the state. One for each cloud: a stack that was tried out locally, or
    /// at an endpoint of one's own, is another one on AWS.
    pub fn journal_name(&self) -> String {
        let name = self.stack.tag_name();
        match &self.stack.place {
            Place::Local => name,
            Place::Aws { endpoint: None, .. } => format!("{name}@aws"),
            Place::Aws {
                endpoint: Some(url), ..
            } => {
                let host = url.split("://").nth(1).unwrap_or(url).trim_end_matches('/');
                let host = host.replace(|c: char| !c.is_ascii_alphanumeric() && c != '.', "-");
                format!("{name}@{host}")
            }
        }
    }
}

/// Values from `LAKEFORM_VAR_name`; stronger, from files; strongest, from `--var name=value`.
fn variables(global: &Global) -> Result<BTreeMap<String, String>, CommandError> {
    let mut vars: BTreeMap<String, String> = std::env::vars()
        .filter_map(|(name, value)| Some((name.strip_prefix("LAKEFORM_VAR_")?.to_owned(), value)))
        .collect();
    for path in &global.var_file {
        let text = std::fs::read_to_string(path)
            .map_err(|error| CommandError::io(format!("reading `{}`", path.display()), &error))?;
        let values = lakeform_engine::parse::values(&text).map_err(|(span, why)| {
            let place = Source {
                name: &path.display().to_string(),
                text: &text,
            }
            .place(span);
            CommandError::new(format!("{place}: {why}")).hint("a file of variables has lines such as: days = 30")
        })?;
        vars.extend(values);
    }
    for given in &global.var {
        let (name, value) = given
            .split_once('=')
            .ok_or_else(|| CommandError::new(format!("`--var {given}` has no value")).hint("write --var name=value"))?;
        vars.insert(name.to_owned(), value.to_owned());
    }
    Ok(vars)
}

/// Why a dataset definition cannot be used.
pub enum DatasetError {
    Missing,
    Unreadable(std::io::Error),
    Wrong {
        path: PathBuf,
        text: String,
        problems: Vec<lakeform_datagen::Problem>,
    },
}

/// Returns a shipped dataset, or the one defined in a file beside the stack.
pub fn find_dataset(folder: &Path, definition: &str) -> Result<Dataset, DatasetError> {
    if let Some(dataset) = Dataset::builtin(definition) {
        return Ok(dataset);
    }
    let path = folder.join(definition);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(DatasetError::Missing),
        Err(error) => return Err(DatasetError::Unreadable(error)),
    };
    Dataset::parse(definition, &text).map_err(|problems| DatasetError::Wrong { path, text, problems })
}
