//! `lakeform init`: a new stack folder from a shipped template.

use crate::cli::Init;
use crate::error::{CommandError, ExitCode};
use crate::ui::Ui;
use std::path::{Path, PathBuf};

/// A shipped stack: a stack file and what lies beside it, embedded in the program.
struct Template {
    name: &'static str,
    about: &'static str,
    stack: &'static str,
    files: &'static [&'static [File]],
}

/// A path and a text.
type File = (&'static str, &'static str);

/// A file of `stacks/lakehouse`.
macro_rules! file {
    ($path:literal) => {
        ($path, include_str!(concat!("../../stacks/lakehouse/", $path)))
    };
}

const TEMPLATES: &[Template] = &[
    Template {
        name: "lakehouse",
        about: "fake bank data in S3, catalogued by a crawler, counted through Redshift",
        stack: include_str!("../../stacks/lakehouse/stack.toml"),
        files: &[LAKEHOUSE],
    },
    Template {
        name: "lakehouse-dbt",
        about: "the same, with silver and gold layers that dbt builds; dbt has to be installed",
        stack: concat!(
            include_str!("../../stacks/lakehouse/stack.toml"),
            include_str!("../../stacks/lakehouse/dbt.toml")
        ),
        files: &[LAKEHOUSE, DBT],
    },
];

const LAKEHOUSE: &[File] = &[
    file!("README.md"),
    file!("scale/README.md"),
    file!("scale/Dockerfile"),
    file!("scale/job-definition.json"),
    file!("scale/join-definition.json"),
    file!("scale/state-machine.json"),
    file!("scale/policy.json"),
];

const DBT: &[File] = &[
    file!("dbt/README.md"),
    file!("dbt/dbt_project.yml"),
    file!("dbt/macros/loaded_at.sql"),
    file!("dbt/models/gold/balances.sql"),
    file!("dbt/models/gold/customers.sql"),
    file!("dbt/models/gold/investments.sql"),
    file!("dbt/models/gold/loans.sql"),
    file!("dbt/models/gold/revenue_by_month.sql"),
    file!("dbt/models/gold/schema.yml"),
    file!("dbt/models/gold/transactions.sql"),
    file!("dbt/models/silver/dim_accounts.sql"),
    file!("dbt/models/silver/dim_channels.sql"),
    file!("dbt/models/silver/dim_currencies.sql"),
    file!("dbt/models/silver/dim_customers.sql"),
    file!("dbt/models/silver/dim_dates.sql"),
    file!("dbt/models/silver/dim_investment_types.sql"),
    file!("dbt/models/silver/dim_loans.sql"),
    file!("dbt/models/silver/dim_locations.sql"),
    file!("dbt/models/silver/dim_transaction_types.sql"),
    file!("dbt/models/silver/fact_customer_interactions.sql"),
    file!("dbt/models/silver/fact_daily_balances.sql"),
    file!("dbt/models/silver/fact_investments.sql"),
    file!("dbt/models/silver/fact_loans.sql"),
    file!("dbt/models/silver/fact_transactions.sql"),
    file!("dbt/models/silver/schema.yml"),
    file!("dbt/models/sources.yml"),
    file!("dbt/tests/balances_join_up.sql"),
    file!("dbt/tests/nothing_is_lost_on_the_way.sql"),
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
    let named = template
        .stack
        .replacen("name   = \"lakehouse\"", &format!("name   = \"{name}\""), 1);
    write(folder.join("stack.toml"), &named)?;
    for (path, text) in template.files.iter().copied().flatten() {
        write(folder.join(path), text)?;
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
