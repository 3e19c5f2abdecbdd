//! SET and SHOW.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::{Command, Cursor};
use crate::error::{Result, SqlError};

pub fn set(c: &mut Cursor) -> Result<Command> {
    c.next();
    if c.eat("session") && c.eat("authorization") {
        let name = c.ident_or_string()?;
        return Ok(Command::SetUser {
            name: if name == "default" { None } else { Some(name) },
        });
    }
    let local = c.eat("local");
    if c.eat("role") {
        c.skip_rest();
        return Ok(Command::Set {
            name: "role".into(),
            value: String::new(),
            local: false,
        });
    }
    if c.eat("transaction") || c.eat("characteristics") {
        c.skip_rest();
        return Ok(Command::Set {
            name: "transaction".into(),
            value: String::new(),
            local: false,
        });
    }
    let in_two_words = c.peek_is("time");
    let name = c.setting_name()?;
    if !in_two_words && !c.eat("to") && !c.eat_token(&Token::Eq) {
        return Err(c.unexpected());
    }
    if name == "timezone" {
        let value = zone(c)?;
        return Ok(Command::Set { name, value, local });
    }
    let value = value(c);
    Ok(Command::Set { name, value, local })
}

/// The rest of the statement, as a setting keeps it.
pub fn value(c: &mut Cursor) -> String {
    let from = c.position;
    c.skip_rest();
    c.source.tokens[from..]
        .iter()
        .map(|lexeme| match &lexeme.token.token {
            Token::SingleQuotedString(text) => text.clone(),
            Token::Word(word) => word.value.clone(),
            Token::Comma => ", ".into(),
            other => other.to_string(),
        })
        .collect()
}

/// `'Europe/Berlin'`, `interval '-8:00' hour to minute`, `-8`, `local`.
fn zone(c: &mut Cursor) -> Result<String> {
    if c.eat("local") {
        return Ok("default".into());
    }
    if !c.eat("interval") {
        return Ok(value(c));
    }
    let mut amount = c.string()?;
    match c.peek_word() {
        None => {}
        Some("hour") if c.peek_word_at(1) == Some("to") => {
            c.next();
            c.next();
            c.expect("minute")?;
        }
        Some(unit @ ("hour" | "hours" | "minute" | "minutes")) => {
            amount = format!("{amount} {unit}");
            c.next();
        }
        Some(_) => return Err(c.unexpected()),
    }
    Ok(amount)
}

pub fn show(c: &mut Cursor) -> Result<Command> {
    c.next();
    match c.peek_word() {
        Some("schemas") => {
            c.next();
            c.expect("from")?;
            c.expect("database")?;
            let database = c.ident()?;
            Ok(Command::ShowSchemas {
                database,
                like: c.like()?,
            })
        }
        Some("tables") => {
            c.next();
            c.expect("from")?;
            c.expect("schema")?;
            let schema = c.name()?;
            Ok(Command::ShowTables {
                schema,
                like: c.like()?,
            })
        }
        Some("columns") => {
            c.next();
            c.expect("from")?;
            c.expect("table")?;
            let table = c.name()?;
            Ok(Command::ShowColumns { table, like: c.like()? })
        }
        Some("databases") => {
            c.next();
            c.skip_rest();
            Ok(Command::ShowDatabases)
        }
        Some("table") => {
            c.next();
            Ok(Command::ShowTable { table: c.name()? })
        }
        Some("view") => {
            c.next();
            Ok(Command::ShowView { view: c.name()? })
        }
        Some(
            "grants" | "procedures" | "functions" | "parameters" | "constraints" | "external" | "procedure" | "model"
            | "datashares" | "policies" | "rls" | "masking",
        ) => {
            let what = c.peek_word().unwrap_or_default().to_uppercase();
            Err(SqlError::unsupported(format!("SHOW {what}")))
        }
        _ => Ok(Command::ShowSetting {
            name: c.setting_name()?,
        }),
    }
}
