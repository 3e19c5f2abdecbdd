//! `lakeform check`: every mistake in the file, offline.

use crate::cli::{Check, Global};
use crate::error::{CommandError, ExitCode};
use crate::project::StackFile;
use crate::ui::Ui;
use crate::ui::problems::show;

pub fn run(global: &Global, args: &Check, ui: &Ui) -> Result<ExitCode, CommandError> {
    let file = StackFile::read(global)?;
    let checked = file.check();
    let name = file.name();
    show(ui, &file.source(&name), &checked.problems);
    let Some(stack) = checked.stack else { return Ok(ExitCode::Error) };
    if args.expand {
        for resource in stack.resources.values() {
            ui.data(format!("[{}]\n", resource.address));
            for (field, value) in &resource.fields {
                ui.data(format!("{field} = {}\n", toml_value(&value.to_json())));
            }
            ui.data("\n");
        }
    }
    ui.say(format!("`{name}` is fine: {} resources.", stack.resources.len()));
    Ok(ExitCode::Done)
}

/// A JSON value as an inline TOML value.
fn toml_value(json: &serde_json::Value) -> String {
    match json {
        serde_json::Value::Array(items) => format!("[{}]", items.iter().map(toml_value).collect::<Vec<_>>().join(", ")),
        serde_json::Value::Object(map) => {
            let entries = map.iter().map(|(key, value)| format!("{} = {}", toml_key(key), toml_value(value)));
            format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
        }
        scalar => scalar.to_string(),
    }
}

fn toml_key(key: &str) -> String {
    let bare = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if bare { key.to_owned() } else { serde_json::Value::from(key).to_string() }
}
