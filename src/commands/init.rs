//! `lakeform init`: a new stack folder from a shipped template.

use crate::cli::Init;
use crate::error::{CommandError, ExitCode};
use crate::ui::Ui;
use std::path::{Path, PathBuf};

/// A shipped stack: its files by path, embedded in the program.
struct Template {
    name: &'static str,
    about: &'static str,
    files: &'static [(&'static str, &'static str)],
}

/// A file of the recipe for many machines.
macro_rules! scale {
    ($file:literal) => {
        (
            concat!("scale/", $file),
            include_str!(concat!("../../stacks/lakehouse/scale/", $file)),
        )
    };
}

/// A file of the lakehouse's dbt project.
macro_rules! dbt {
    ($path:literal) => {
        (
            concat!("dbt/", $path),
            include_str!(concat!("../../stacks/lakehouse/dbt/", $path)),
        )
    };
}

const TEMPLATES: &[Template] = &[
    Template {
        name: "lakehouse",
        about: "fake bank data in S3, catalogued by a crawler, counted through Redshift",
        files: &[
            ("stack.toml", include_str!("../../stacks/lakehouse/stack.toml")),
            ("README.md", include_str!("../../stacks/lakehouse/README.md")),
            scale!("README.md"),
            scale!("Dockerfile"),
            scale!("job-definition.json"),
            scale!("join-definition.json"),
            scale!("state-machine.json"),
            scale!("policy.json"),
        ],
    },
    Template {
        name: "lakehouse-dbt",
        about: "the same, with silver and gold layers that dbt builds; dbt has to be installed",
        files: &[
            (
                "stack.toml",
                concat!(
                    include_str!("../../stacks/lakehouse/stack.toml"),
                    include_str!("../../stacks/lakehouse/dbt.toml")
                ),
            ),
            ("README.md", include_str!("../../stacks/lakehouse/README.md")),
            scale!("README.md"),
            scale!("Dockerfile"),
            scale!("job-definition.json"),
            scale!("join-definition.json"),
            scale!("state-machine.json"),
            scale!("policy.json"),
            dbt!("README.md"),
            dbt!("dbt_project.yml"),
            dbt!("macros/loaded_at.sql"),
            dbt!("models/gold/balances.sql"),
            dbt!("models/gold/customers.sql"),
            dbt!("models/gold/investments.sql"),
            dbt!("models/gold/loans.sql"),
            dbt!("models/gold/revenue_by_month.sql"),
            dbt!("models/gold/schema.yml"),
            dbt!("models/gold/transactions.sql"),
            dbt!("models/silver/dim_accounts.sql"),
            dbt!("models/silver/dim_channels.sql"),
            dbt!("models/silver/dim_currencies.sql"),
            dbt!("models/silver/dim_customers.sql"),
            dbt!("models/silver/dim_dates.sql"),
            dbt!("models/silver/dim_investment_types.sql"),
            dbt!("models/silver/dim_loans.sql"),
            dbt!("models/silver/dim_locations.sql"),
            dbt!("models/silver/dim_transaction_types.sql"),
            dbt!("models/silver/fact_customer_interactions.sql"),
            dbt!("models/silver/fact_daily_balances.sql"),
            dbt!("models/silver/fact_investments.sql"),
            dbt!("models/silver/fact_loans.sql"),
            dbt!("models/silver/fact_transactions.sql"),
            dbt!("models/silver/schema.yml"),
            dbt!("models/sources.yml"),
            dbt!("tests/balances_join_up.sql"),
            dbt!("tests/nothing_is_lost_on_the_way.sql"),
        ],
    },
];

const GITIGNORE: &str = "/state/*\n!/state/README.md\n";

pub fn run(args: &Init, ui: &Ui) -> Result<ExitCode, CommandError> {
    let Some(wanted) = &args.template else {
        if ui.json {
            let listed = TEMPLATES
                .iter()
                .map(|template| serde_json::json!({"name": template.name, "about": template.about}));
            ui.json(&listed.collect());
            return Ok(ExitCode::Done);
        }
        ui.say("The templates:");
        for template in TEMPLATES {
            ui.data(format!("{}  {}\n", template.name, template.about));
        }
        ui.say("\nMake a stack with `lakeform init TEMPLATE FOLDER`.");
        return Ok(ExitCode::Done);
    };
    let template = TEMPLATES
        .iter()
        .find(|template| template.name == wanted)
        .ok_or_else(|| {
            let names: Vec<&str> = TEMPLATES.iter().map(|template| template.name).collect();
            let hint = lakeform_engine::diagnostic::did_you_mean(wanted, names.iter().copied())
                .unwrap_or_else(|| format!("templates: {}", names.join(", ")));
            CommandError::new(format!("there is no template `{wanted}`")).hint(hint)
        })?;
    let folder = args.folder.clone().unwrap_or_else(|| PathBuf::from(template.name));
    let name = stack_name(&folder)?;
    if folder.join("stack.toml").exists() {
        return Err(
            CommandError::new(format!("`{}` already holds a stack", folder.display()))
                .hint("choose another folder; nothing was changed"),
        );
    }
    let write = |path: PathBuf, text: &str| {
        path.parent()
            .map_or(Ok(()), std::fs::create_dir_all)
            .and_then(|()| std::fs::write(&path, text))
            .map_err(|error| CommandError::io(format!("writing `{}`", path.display()), &error))
    };
    for (path, text) in template.files {
        let own = text.replacen("name   = \"lakehouse\"", &format!("name   = \"{name}\""), 1);
        write(folder.join(path), &own)?;
    }
    if !folder.join(".gitignore").exists() {
        write(folder.join(".gitignore"), GITIGNORE)?;
    }
    crate::state::make(&folder.join("state"))?;
    ui.say(format!("Made the stack `{name}` in {}.\n", folder.display()));
    ui.say("Next:");
    if folder != Path::new(".") {
        ui.say(format!("  cd {}", folder.display()));
    }
    ui.say("  lakeform up        # build it on this machine, fill it, count it");
    ui.say("  lakeform plan      # or look first");
    Ok(ExitCode::Done)
}

/// Returns the stack's name for a folder: what AWS names may hold of the folder's name.
fn stack_name(folder: &Path) -> Result<String, CommandError> {
    let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let last = absolute
        .file_name()
        .map(|name| name.to_string_lossy().to_lowercase())
        .unwrap_or_default();
    let mut name = String::new();
    for c in last.chars() {
        match c {
            'a'..='z' | '0'..='9' => name.push(c),
            _ if !name.is_empty() && !name.ends_with('-') => name.push('-'),
            _ => {}
        }
    }
    let name: String = name
        .trim_start_matches(|c: char| !c.is_ascii_lowercase())
        .chars()
        .take(32)
        .collect();
    match name.trim_end_matches('-') {
        "" => Err(
            CommandError::new(format!("no stack name can be made of `{}`", folder.display()))
                .hint("name the folder with letters"),
        ),
        name => Ok(name.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_is_named_after_its_folder() {
        let name = |folder: &str| stack_name(Path::new(folder)).ok();
        assert_eq!(name("/tmp/My Lake_house!").as_deref(), Some("my-lake-house"));
        assert_eq!(name("/tmp/2024-lake").as_deref(), Some("lake"));
        assert_eq!(name("/tmp/---"), None);
    }
}
