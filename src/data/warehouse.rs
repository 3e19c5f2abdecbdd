//! SQL on a stack's warehouse, through the Data API.

use lakeform_aws::{Answer, Aws, Cell, Login, Warehouse};
use lakeform_engine::CloudError;
use lakeform_engine::cloud::Meaning;

/// Runs one statement. `target` is the warehouse's output of that name; `database` instead of the warehouse's own. A
/// paused cluster is resumed for it.
pub async fn run(aws: &Aws, target: &str, database: Option<&str>, sql: &str) -> Result<Answer, CloudError> {
    let warehouse = parse(target, database)?;
    let answer = aws.sql(&warehouse, sql, &[], &|_| ()).await;
    match (&answer, warehouse.target.strip_prefix("cluster:")) {
        (Err(error), Some(cluster)) if is_paused(error) => {
            aws.resume(cluster, &|_| ()).await?;
            aws.sql(&warehouse, sql, &[], &|_| ()).await
        }
        _ => answer,
    }
}

/// Asks for something, which is no reason to resume a paused cluster: `None` is what that one says.
pub async fn ask(aws: &Aws, target: &str, sql: &str) -> Result<Option<Answer>, CloudError> {
    match aws.sql(&parse(target, None)?, sql, &[], &|_| ()).await {
        Err(error) if is_paused(&error) => Ok(None),
        answer => answer.map(Some),
    }
}

fn is_paused(error: &CloudError) -> bool {
    error.message.to_ascii_lowercase().contains("paus")
}

/// Reads `cluster:<identifier>/<database>/<user>` or `workgroup:<name>/<database>`.
pub fn parse(target: &str, database: Option<&str>) -> Result<Warehouse, CloudError> {
    let mut parts = target.split('/');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(server), Some(own), user, None) => Ok(Warehouse {
            target: server.to_owned(),
            database: database.unwrap_or(own).to_owned(),
            login: user.map_or(Login::Iam, |user| Login::User(user.to_owned())),
        }),
        _ => Err(CloudError::new(
            Meaning::Invalid,
            "send SQL",
            format!("`{target}` is not a warehouse"),
        )),
    }
}

/// A cell as JSON.
pub fn json(cell: &Cell) -> serde_json::Value {
    match cell {
        Cell::Null => serde_json::Value::Null,
        Cell::Bool(value) => (*value).into(),
        Cell::Int(value) => (*value).into(),
        Cell::Float(value) => (*value).into(),
        Cell::Text(value) => value.as_str().into(),
        Cell::Bytes(_) => cell.to_string().into(),
    }
}

/// Splits a text into its statements: at semicolons outside quotes, comments and `$$` bodies.
pub fn split(text: &str) -> Vec<&str> {
    let bytes = text.as_bytes();
    let mut statements = Vec::new();
    let (mut start, mut at) = (0, 0);
    let skip_to = |from: usize, end: &str| {
        text[from..]
            .find(end)
            .map_or(text.len(), |found| from + found + end.len())
    };
    while at < bytes.len() {
        at = match bytes[at] {
            b'\'' => skip_to(at + 1, "'"),
            b'"' => skip_to(at + 1, "\""),
            b'-' if text[at..].starts_with("--") => skip_to(at, "\n"),
            b'/' if text[at..].starts_with("/*") => skip_to(at + 2, "*/"),
            b'$' => match text[at + 1..].find('$').map(|end| &text[at..at + end + 2]) {
                Some(tag) if tag[1..tag.len() - 1].chars().all(|c| c.is_alphanumeric() || c == '_') => {
                    skip_to(at + tag.len(), tag)
                }
                _ => at + 1,
            },
            b';' => {
                statements.push(text[start..at].trim());
                start = at + 1;
                start
            }
            _ => at + 1,
        };
    }
    statements.push(text[start..].trim());
    statements.retain(|statement| has_words(statement));
    statements
}

/// Whether there is anything but comments.
fn has_words(statement: &str) -> bool {
    let mut rest = statement.trim_start();
    loop {
        rest = match rest {
            "" => return false,
            rest if rest.starts_with("--") => rest.split_once('\n').map_or("", |(_, rest)| rest),
            rest if rest.starts_with("/*") => rest.split_once("*/").map_or("", |(_, rest)| rest),
            _ => return true,
        }
        .trim_start();
    }
}

/// A name in double quotes.
pub fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text in single quotes.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_end_at_semicolons_that_mean_it() {
        assert_eq!(
            split("select 1; select ';' as \"a;b\" -- x;y\n; /* ; */ ;"),
            ["select 1", "select ';' as \"a;b\" -- x;y"]
        );
        assert_eq!(
            split("create procedure p() as $$ begin; end; $$ language plpgsql; call p()").len(),
            2
        );
        assert_eq!(split(" ; ; "), Vec::<&str>::new());
        assert_eq!(split("select 'it''s; fine'"), ["select 'it''s; fine'"]);
    }

    #[test]
    fn a_target_names_server_database_and_user() {
        let warehouse = parse("cluster:dw/dev/admin", None).expect("a cluster");
        assert_eq!(
            (warehouse.target.as_str(), warehouse.database.as_str()),
            ("cluster:dw", "dev")
        );
        assert_eq!(warehouse.login, Login::User("admin".into()));
        assert_eq!(
            parse("workgroup:w/dev", Some("other")).expect("a workgroup").database,
            "other"
        );
        assert!(parse("cluster:dw", None).is_err());
    }
}
