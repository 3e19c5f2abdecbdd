//! Expressions with the results that Redshift's documentation gives.

use crate::support::{text, world};

#[tokio::test]
async fn every_expression_gives_what_redshift_gives() {
    let world = world();
    let cases: serde_json::Value = serde_json::from_str(include_str!("expressions.json")).unwrap();
    let mut failures = Vec::new();
    for case in cases.as_array().unwrap() {
        let (expr, expected) = (case["expr"].as_str().unwrap(), case["redshift"].as_str().unwrap());
        let mut session = world.session();
        let got = match session.run(&format!("select {expr}"), &[]).await {
            Ok(outcomes) => text(&outcomes[0]).first().cloned().unwrap_or_default(),
            Err(error) => format!("error {} {error}", error.sqlstate),
        };
        if !expected.split('|').any(|expected| same(expected, &got)) {
            failures.push(format!("{expr}\n    expected {expected}\n    got      {got}"));
        }
    }
    assert!(
        failures.is_empty(),
        "{} of {} differ\n{}",
        failures.len(),
        cases.as_array().unwrap().len(),
        failures.join("\n")
    );
}

/// The list spells values as a Python driver shows them.
fn same(expected: &str, got: &str) -> bool {
    let spelled = match expected {
        "None" => "null",
        "True" => "t",
        "False" => "f",
        other => other,
    };
    let plain = spelled.replace(';', "|").replace("+00:00", "+00");
    if plain == got {
        return true;
    }
    match (plain.parse::<f64>(), got.parse::<f64>()) {
        (Ok(a), Ok(b)) => (a - b).abs() <= 1e-9 * a.abs().max(1.0),
        _ => false,
    }
}
