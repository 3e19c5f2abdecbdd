//! What is wrong with statements is said with the usual SQLSTATE, in the usual words: `errors.txt`.

use crate::support::{tag, world};

const BEFORE: &str = "create table t (n int, s varchar(10), d date, b boolean, x numeric(8,2));
    insert into t values (1, 'a', '2024-01-01', true, 1), (2, 'b', '2024-01-02', false, 2);
    create table nn (n int not null); create table ident (id int identity(1, 1), n int);
    create table base (n int, m int); create view over_base as select n from base;
    create schema filled; create table filled.x (n int)";

/// Whether an error has the state, the place where one is given, and the words that are expected.
fn fits(error: &lakeform_sql::SqlError, expected: &str) -> bool {
    let (state, rest) = expected.split_once(' ').unwrap_or((expected, ""));
    let (place, words) = match rest
        .strip_prefix('@')
        .map(|rest| rest.split_once(' ').unwrap_or((rest, "")))
    {
        Some((place, words)) => (Some(place.parse().unwrap()), words),
        None => (None, rest),
    };
    error.sqlstate == state && (place.is_none() || error.position == place) && error.message.contains(words)
}

#[tokio::test]
async fn bad_statements_get_the_usual_errors() {
    let world = world();
    let mut session = world.session();
    tag(&mut session, BEFORE).await;
    let (mut count, mut wrong) = (0, Vec::new());
    for line in include_str!("errors.txt").lines() {
        let Some((statement, expected)) = line.split_once(" => ") else {
            assert!(line.is_empty() || line.starts_with('#'), "no statement: {line}");
            continue;
        };
        count += 1;
        let problem = match session.run(statement, &[]).await {
            Ok(_) => Some("it works".into()),
            Err(error) if fits(&error, expected) => None,
            Err(error) => Some(format!("{} @{:?} {error}", error.sqlstate, error.position)),
        };
        wrong.extend(problem.map(|got| format!("{statement}\n    expected {expected}\n    got      {got}")));
        // The block that an error spoiled ends here.
        drop(session.run("rollback", &[]).await);
    }
    assert!(count > 140, "{count} statements");
    assert!(wrong.is_empty(), "{} of {count}\n{}", wrong.len(), wrong.join("\n"));
}
