//! The commands of the README work as they stand there.

use crate::sandbox::Sandbox;
use std::path::Path;

#[test]
fn the_commands_of_the_readme_work_in_an_empty_folder() {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).expect("a README");
    let commands: Vec<&str> = readme
        .lines()
        .filter_map(|line| line.strip_prefix("$ lakeform "))
        .collect();
    assert!(
        commands.iter().any(|command| command.starts_with("up")),
        "the README shows a first session"
    );
    let sandbox = Sandbox::new();
    let mut stack = None;
    // What follows needs an account; a test has none.
    for command in commands.iter().take_while(|command| !command.contains("--env prod")) {
        let mut args: Vec<String> = command
            .split('"')
            .enumerate()
            .fold(Vec::new(), |mut args, (index, piece)| {
                match index % 2 {
                    0 => args.extend(piece.split_whitespace().map(str::to_owned)),
                    _ => args.push(piece.to_owned()),
                }
                args
            });
        if args[0] == "init" {
            stack = args.last().cloned();
        } else if let Some(stack) = &stack {
            args.extend(["--stack".to_owned(), stack.clone()]);
        }
        if args[0] == "destroy" {
            args.push("--yes".to_owned());
        }
        sandbox.ok(&args.iter().map(String::as_str).collect::<Vec<_>>());
    }
}
