//! Users, and who may do what.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::{Command, Cursor, Name};
use crate::error::{Result, SqlError};

#[derive(Clone, Debug)]
pub enum GrantTarget {
    Relations(Vec<Name>),
    AllTables(Vec<String>),
    Schemas(Vec<String>),
    /// A database, a role or default privileges: nothing here reads them.
    Unread,
}

#[derive(Clone, Debug)]
pub enum GranteeName {
    Public,
    User(String),
    Group(String),
}

pub fn user(c: &mut Cursor, alter: bool) -> Result<Command> {
    let name = c.ident_or_string()?;
    let (mut password, mut superuser, mut createdb, mut groups) = (None, None, None, Vec::new());
    let mut settings = Vec::new();
    c.eat("with");
    while !c.at_end() {
        match c.peek_word() {
            Some("password") => {
                c.next();
                if !c.eat("disable") {
                    password = Some(c.string()?);
                }
            }
            Some("createuser") => {
                c.next();
                superuser = Some(true);
            }
            Some("nocreateuser") => {
                c.next();
                superuser = Some(false);
            }
            Some("createdb") => {
                c.next();
                createdb = Some(true);
            }
            Some("nocreatedb") => {
                c.next();
                createdb = Some(false);
            }
            Some("in") => {
                c.next();
                c.expect("group")?;
                groups = c.list(Cursor::ident)?;
            }
            Some("rename") => return Err(SqlError::unsupported("ALTER USER RENAME")),
            Some(word @ ("set" | "reset")) => {
                let reset = word == "reset";
                c.next();
                let name = c.setting_name()?;
                let value = match reset {
                    true => None,
                    false => {
                        if !c.eat("to") && !c.eat_token(&Token::Eq) {
                            return Err(c.unexpected());
                        }
                        Some(super::settings::value(c)).filter(|value| !value.eq_ignore_ascii_case("default"))
                    }
                };
                settings.push((name, value));
            }
            Some("valid" | "syslog" | "connection" | "session" | "external") => c.skip_rest(),
            _ => return Err(c.unexpected()),
        }
    }
    Ok(Command::CreateUser {
        name,
        password,
        superuser,
        createdb,
        groups,
        settings,
        alter,
    })
}

pub fn grant(c: &mut Cursor) -> Result<Command> {
    let revoke = c.peek_is("revoke");
    c.next();
    if c.peek_is("grant") && c.peek_word_at(1) == Some("option") {
        c.next();
        c.next();
        c.expect("for")?;
    }
    let mut privileges = Vec::new();
    while !c.peek_is("on") && !c.peek_is("to") && !c.peek_is("from") {
        if c.at_end() {
            return Err(c.unexpected());
        }
        if let Some(word) = c.peek_word() {
            if word != "privileges" {
                privileges.push(word.to_string());
            }
        } else if c.peek_token(&Token::LParen) {
            return Err(SqlError::unsupported("column privileges"));
        }
        c.next();
    }
    let target = if c.eat("on") {
        match c.peek_word() {
            Some("schema") => {
                c.next();
                GrantTarget::Schemas(c.list(Cursor::ident)?)
            }
            Some("database") => {
                c.next();
                c.list(Cursor::ident)?;
                GrantTarget::Unread
            }
            Some("all") => {
                c.next();
                c.expect("tables")?;
                c.expect("in")?;
                c.expect("schema")?;
                GrantTarget::AllTables(c.list(Cursor::ident)?)
            }
            Some(what @ ("function" | "procedure" | "language" | "datashare" | "model" | "copy" | "external")) => {
                return Err(SqlError::unsupported(format!("privileges on {what}")));
            }
            _ => {
                c.eat("table");
                GrantTarget::Relations(c.list(Cursor::name)?)
            }
        }
    } else {
        GrantTarget::Unread
    };
    c.expect(if revoke { "from" } else { "to" })?;
    let grantees = c.list(|c| {
        Ok(match c.peek_word() {
            Some("public") => {
                c.next();
                GranteeName::Public
            }
            Some("group" | "role") => {
                c.next();
                GranteeName::Group(c.ident()?)
            }
            _ => GranteeName::User(c.ident()?),
        })
    })?;
    let with_option = c.eat("with");
    if with_option {
        c.next();
        c.expect("option")?;
    }
    c.cascade();
    Ok(Command::Grant {
        revoke,
        privileges,
        target,
        grantees,
        with_option,
    })
}
