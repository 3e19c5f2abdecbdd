//! Expressions with the results that Redshift's documentation states or that follow from its rules. `documented.txt`
//! has them by the page that describes the function: `expression => result`.

use crate::support::{text, world};

#[tokio::test]
async fn every_documented_expression_gives_its_documented_result() {
    let world = world();
    let mut session = world.session();
    let mut page = "";
    let (mut count, mut wrong) = (0, Vec::new());
    for line in include_str!("documented.txt").lines() {
        if let Some(name) = line.strip_prefix("## ") {
            page = name;
            continue;
        }
        let Some((expression, expected)) = line.split_once(" => ") else {
            assert!(line.is_empty() || line.starts_with('#'), "no expression: {line}");
            continue;
        };
        count += 1;
        let got = match session.run(&format!("select {expression}"), &[]).await {
            Ok(outcomes) => text(&outcomes[0]).join(" / "),
            Err(error) => format!("error {}", error.sqlstate),
        };
        if got != expected {
            wrong.push(format!(
                "{page}: {expression}\n    expected {expected}\n    got      {got}"
            ));
        }
    }
    assert!(count >= 300, "{count} expressions");
    assert!(
        wrong.is_empty(),
        "{} of {count} differ\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
