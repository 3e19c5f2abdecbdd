//! Statements that are Redshift's own: schemas, tables, views, users, COPY, SHOW, transactions. Queries and DML go to
//! sqlparser; everything else is read here, keyword by keyword, so that each clause is either understood or refused.

mod access;
mod copy;
mod cursor;
mod settings;
mod table;

pub use access::{GrantTarget, GranteeName};
pub use copy::{Compression, Copy, CopyFormat, Shred};
pub use cursor::Cursor;
pub use table::{AlterAction, CreateTable, DefinedColumn, TableSource, ordered_partition};

use datafusion::sql::sqlparser::tokenizer::Token;

use crate::catalog::ExternalSource;
use crate::error::{Result, SqlError};
use crate::lake::ExternalTable;
use crate::lexer::Source;
use crate::types::SqlType;

/// A name of up to three parts: database, schema, relation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Name {
    pub database: Option<String>,
    pub schema: Option<String>,
    pub name: String,
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for part in [&self.database, &self.schema].into_iter().flatten() {
            write!(f, "{part}.")?;
        }
        f.write_str(&self.name)
    }
}

#[derive(Clone, Debug)]
pub enum Command {
    Begin {
        read_only: bool,
    },
    Commit,
    Rollback,
    Set {
        name: String,
        value: String,
        /// Until the transaction ends.
        local: bool,
    },
    Reset {
        name: Option<String>,
    },
    ShowSetting {
        name: String,
    },
    ShowSchemas {
        database: String,
        like: Option<String>,
    },
    ShowTables {
        schema: Name,
        like: Option<String>,
    },
    ShowColumns {
        table: Name,
        like: Option<String>,
    },
    ShowDatabases,
    ShowTable {
        table: Name,
    },
    ShowView {
        view: Name,
    },
    Use {
        database: String,
    },
    CreateDatabase {
        name: String,
        owner: Option<String>,
    },
    DropDatabase {
        name: String,
    },
    CreateSchema {
        name: String,
        if_not_exists: bool,
        owner: Option<String>,
    },
    CreateExternalSchema {
        name: String,
        if_not_exists: bool,
        source: ExternalSource,
        create_database: bool,
    },
    AlterSchema {
        name: String,
        rename: Option<String>,
        owner: Option<String>,
    },
    DropSchema {
        names: Vec<String>,
        if_exists: bool,
        cascade: bool,
        drop_external_database: bool,
    },
    CreateTable(CreateTable),
    CreateView(CreateView),
    CreateExternalTable {
        name: Name,
        table: Box<ExternalTable>,
        if_not_exists: bool,
    },
    AlterTable {
        name: Name,
        if_exists: bool,
        action: AlterAction,
    },
    Drop {
        kind: RelationKind,
        names: Vec<Name>,
        if_exists: bool,
        cascade: bool,
    },
    Truncate {
        name: Name,
    },
    Comment {
        target: CommentTarget,
        text: Option<String>,
    },
    Grant {
        revoke: bool,
        privileges: Vec<String>,
        target: GrantTarget,
        grantees: Vec<GranteeName>,
        with_option: bool,
    },
    CreateUser {
        name: String,
        password: Option<String>,
        superuser: Option<bool>,
        createdb: Option<bool>,
        groups: Vec<String>,
        /// `set name to value` and `reset name`.
        settings: Vec<(String, Option<String>)>,
        alter: bool,
    },
    DropUser {
        names: Vec<String>,
        if_exists: bool,
    },
    CreateGroup {
        name: String,
        members: Vec<String>,
        role: bool,
    },
    AlterGroup {
        name: String,
        add: bool,
        members: Vec<String>,
    },
    DropGroup {
        names: Vec<String>,
        if_exists: bool,
        role: bool,
    },
    SetUser {
        name: Option<String>,
    },
    Copy(Box<Copy>),
    Lock {
        names: Vec<Name>,
    },
    Vacuum {
        name: Option<Name>,
    },
    Analyze,
    Declare {
        name: String,
        query: Source,
    },
    Fetch {
        name: String,
        count: Option<u64>,
    },
    CloseCursor {
        name: Option<String>,
    },
    Prepare {
        name: String,
        types: Vec<SqlType>,
        query: Source,
    },
    Execute {
        name: String,
        /// What stands between the parentheses.
        arguments: Option<Source>,
    },
    /// All of them without a name.
    Deallocate {
        name: Option<String>,
    },
    Explain {
        query: Source,
    },
    Query(Source),
}

#[derive(Clone, Debug)]
pub struct CreateView {
    pub name: Name,
    pub columns: Vec<String>,
    pub or_replace: bool,
    pub query: Source,
    pub late_binding: bool,
    pub statement: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelationKind {
    Table,
    View,
    MaterializedView,
}

#[derive(Clone, Debug)]
pub enum CommentTarget {
    Table(Name),
    View(Name),
    Column(Name, String),
    Schema(String),
    Database,
}

/// Reads one statement.
pub fn parse(source: &Source) -> Result<Command> {
    let mut cursor = Cursor::new(source);
    let command = statement(&mut cursor)?;
    if !matches!(command, Command::Query(_)) {
        cursor.end()?;
    }
    Ok(command)
}

fn statement(c: &mut Cursor) -> Result<Command> {
    let first = c.peek_word().unwrap_or_default().to_string();
    match first.as_str() {
        "begin" | "start" => {
            c.next();
            transaction_word(c);
            let read_only = transaction_modes(c)?;
            c.end()?;
            Ok(Command::Begin { read_only })
        }
        "commit" | "end" => {
            c.next();
            transaction_word(c);
            c.end()?;
            Ok(Command::Commit)
        }
        "rollback" | "abort" => {
            c.next();
            if c.peek_is("to") {
                return Err(SqlError::unsupported("ROLLBACK TO SAVEPOINT"));
            }
            transaction_word(c);
            c.end()?;
            Ok(Command::Rollback)
        }
        "set" => settings::set(c),
        "reset" => {
            c.next();
            let word = c.setting_name()?;
            match word.as_str() {
                "all" => Ok(Command::Reset { name: None }),
                "session authorization" => Ok(Command::SetUser { name: None }),
                _ => Ok(Command::Reset { name: Some(word) }),
            }
        }
        "show" => settings::show(c),
        "use" => {
            c.next();
            Ok(Command::Use { database: c.ident()? })
        }
        "create" => create(c),
        "alter" => alter(c),
        "drop" => drop_statement(c),
        "truncate" => {
            c.next();
            c.eat("table");
            Ok(Command::Truncate { name: c.name()? })
        }
        "comment" => comment(c),
        "grant" | "revoke" => access::grant(c),
        "copy" => Ok(Command::Copy(Box::new(copy::parse(c)?))),
        "lock" => {
            c.next();
            c.eat("table");
            let names = c.list(Cursor::name)?;
            if c.eat("in") {
                c.skip_rest();
            }
            Ok(Command::Lock { names })
        }
        "vacuum" => {
            c.next();
            while ["full", "sort", "delete", "reindex", "recluster", "only"]
                .iter()
                .any(|word| c.eat(word))
            {}
            let name = if c.at_end() || c.peek_is("to") {
                None
            } else {
                Some(c.name()?)
            };
            c.skip_rest();
            Ok(Command::Vacuum { name })
        }
        "analyze" => {
            if c.peek_word_at(1) == Some("compression") {
                return Err(SqlError::unsupported("ANALYZE COMPRESSION"));
            }
            c.skip_rest();
            Ok(Command::Analyze)
        }
        "declare" => {
            c.next();
            let name = c.ident()?;
            while ["no", "scroll", "insensitive", "binary"].iter().any(|word| c.eat(word)) {}
            c.expect("cursor")?;
            if c.eat("with") || c.eat("without") {
                c.expect("hold")?;
            }
            c.expect("for")?;
            Ok(Command::Declare { name, query: c.rest() })
        }
        "fetch" => {
            c.next();
            let count = match c.peek_word() {
                Some("all") => {
                    c.next();
                    None
                }
                Some("next") => {
                    c.next();
                    Some(1)
                }
                Some("forward") => {
                    c.next();
                    if c.eat("all") {
                        None
                    } else {
                        Some(c.number().unwrap_or(1))
                    }
                }
                _ => Some(c.number().unwrap_or(1)),
            };
            if !c.eat("from") {
                c.eat("in");
            }
            Ok(Command::Fetch {
                name: c.ident()?,
                count,
            })
        }
        "close" => {
            c.next();
            if c.eat("all") {
                return Ok(Command::CloseCursor { name: None });
            }
            Ok(Command::CloseCursor { name: Some(c.ident()?) })
        }
        "prepare" => {
            c.next();
            let name = c.ident()?;
            let types = match c.peek_token(&Token::LParen) {
                true => c.parenthesized(table::sql_type)?,
                false => Vec::new(),
            };
            c.expect("as")?;
            Ok(Command::Prepare {
                name,
                types,
                query: c.rest(),
            })
        }
        "execute" => {
            c.next();
            let name = c.ident()?;
            let from = c.position;
            let arguments = match c.peek_token(&Token::LParen) {
                true => {
                    c.skip_parentheses()?;
                    Some(c.part(from + 1, c.position - 1))
                }
                false => None,
            };
            Ok(Command::Execute { name, arguments })
        }
        "deallocate" => {
            c.next();
            c.eat("prepare");
            let name = match c.eat("all") {
                true => None,
                false => Some(c.ident()?),
            };
            Ok(Command::Deallocate { name })
        }
        "explain" => {
            c.next();
            c.eat("verbose");
            Ok(Command::Explain { query: c.rest() })
        }
        "call" => Err(SqlError::unsupported("CALL of a stored procedure")),
        "unload" => Err(SqlError::unsupported("UNLOAD")),
        "refresh" => Err(SqlError::unsupported("REFRESH MATERIALIZED VIEW")),
        "discard" => Err(SqlError::unsupported("DISCARD")),
        "desc" => {
            c.next();
            match c.peek_word() {
                Some(what @ ("datashare" | "identity")) => {
                    Err(SqlError::unsupported(format!("DESC {}", what.to_uppercase())))
                }
                _ => Err(c.unexpected()),
            }
        }
        "cancel" => Err(SqlError::unsupported("CANCEL")),
        "savepoint" | "release" => Err(SqlError::unsupported("SAVEPOINT")),
        "attach" | "detach" => Err(SqlError::unsupported("row-level security and masking policies")),
        "merge"
            if c.source
                .tokens
                .last()
                .is_some_and(|last| last.word() == Some("duplicates")) =>
        {
            Err(SqlError::unsupported("MERGE … REMOVE DUPLICATES"))
        }
        "select" | "with" | "insert" | "update" | "delete" | "merge" | "values" => Ok(Command::Query(c.source.clone())),
        _ if c.peek().is_some_and(|lexeme| lexeme.is(&Token::LParen)) => Ok(Command::Query(c.source.clone())),
        _ => Err(c.unexpected()),
    }
}

fn transaction_word(c: &mut Cursor) {
    if !c.eat("work") {
        c.eat("transaction");
    }
}

/// Returns whether nothing may be written. All isolation levels are the strictest.
fn transaction_modes(c: &mut Cursor) -> Result<bool> {
    let mut read_only = false;
    loop {
        if c.eat("isolation") {
            c.expect("level")?;
            match c.ident()?.as_str() {
                "serializable" => {}
                "repeatable" => c.expect("read")?,
                "read" if c.eat("committed") || c.eat("uncommitted") => {}
                _ => return Err(c.unexpected()),
            }
        } else if c.eat("read") {
            read_only = c.eat("only");
            if !read_only {
                c.expect("write")?;
            }
        } else {
            return Ok(read_only);
        }
        c.eat_token(&Token::Comma);
    }
}

fn create(c: &mut Cursor) -> Result<Command> {
    let start = c.position;
    c.next();
    let or_replace = c.eat("or");
    if or_replace {
        c.expect("replace")?;
    }
    match c.peek_word() {
        Some("schema") => {
            c.next();
            let if_not_exists = c.if_not_exists()?;
            let mut owner = None;
            let name = if c.peek_is("authorization") {
                None
            } else {
                Some(c.ident()?)
            };
            if c.eat("authorization") {
                owner = Some(c.ident()?);
            }
            if c.eat("quota") {
                c.skip_rest();
            }
            let name = name.or_else(|| owner.clone()).unwrap_or_default();
            Ok(Command::CreateSchema {
                name,
                if_not_exists,
                owner,
            })
        }
        Some("database") => {
            c.next();
            let name = c.ident()?;
            let mut owner = None;
            c.eat("with");
            while !c.at_end() {
                if c.eat("owner") {
                    c.eat_token(&Token::Eq);
                    owner = Some(c.ident()?);
                } else if c.peek_is("from") {
                    return Err(SqlError::unsupported(
                        "CREATE DATABASE FROM a datashare, integration or data catalog",
                    ));
                } else if c.eat("collate") {
                    if !c.eat("case_sensitive") && !c.eat("cs") {
                        return Err(SqlError::unsupported("COLLATE CASE_INSENSITIVE"));
                    }
                } else if c.eat("connection") {
                    c.expect("limit")?;
                    if !c.eat("unlimited") {
                        c.integer()?;
                    }
                } else if c.eat("isolation") {
                    c.expect("level")?;
                    if !c.eat("serializable") {
                        c.expect("snapshot")?;
                    }
                } else {
                    return Err(c.unexpected());
                }
            }
            Ok(Command::CreateDatabase { name, owner })
        }
        Some("external") => {
            c.next();
            match c.peek_word() {
                Some("schema") => create_external_schema(c),
                Some("table") => table::create_external(c),
                Some(what @ ("function" | "model" | "view")) => Err(SqlError::unsupported(format!(
                    "CREATE EXTERNAL {}",
                    what.to_uppercase()
                ))),
                _ => Err(c.unexpected()),
            }
        }
        Some("table" | "temp" | "temporary" | "local" | "global") => Ok(Command::CreateTable(table::create(c)?)),
        Some("view") => {
            c.next();
            let name = c.name()?;
            let columns = if c.peek_token(&Token::LParen) {
                c.parenthesized(Cursor::ident)?
            } else {
                Vec::new()
            };
            c.expect("as")?;
            let from = c.position;
            let mut to = c.source.tokens.len();
            let tail = ["with", "no", "schema", "binding"];
            let late_binding = to >= from + 4
                && c.source.tokens[to - 4..]
                    .iter()
                    .zip(tail)
                    .all(|(lexeme, word)| lexeme.word() == Some(word));
            if late_binding {
                to -= 4;
            }
            let statement = c.source.slice(start, c.source.tokens.len()).to_string();
            let query = c.part(from, to);
            c.skip_rest();
            Ok(Command::CreateView(CreateView {
                name,
                columns,
                or_replace,
                query,
                late_binding,
                statement,
            }))
        }
        Some("user") => {
            c.next();
            access::user(c, false)
        }
        Some("group") => {
            c.next();
            let name = c.ident()?;
            c.eat("with");
            let members = if c.eat("user") {
                c.list(Cursor::ident)?
            } else {
                Vec::new()
            };
            Ok(Command::CreateGroup {
                name,
                members,
                role: false,
            })
        }
        Some("role") => {
            c.next();
            let name = c.ident()?;
            c.skip_rest();
            Ok(Command::CreateGroup {
                name,
                members: Vec::new(),
                role: true,
            })
        }
        Some(
            what @ ("materialized" | "function" | "procedure" | "library" | "model" | "datashare" | "masking" | "rls"
            | "integration" | "identity" | "template"),
        ) => {
            let what = if what == "materialized" {
                "materialized view"
            } else {
                what
            };
            Err(SqlError::unsupported(format!("CREATE {}", what.to_uppercase())))
        }
        _ => Err(c.unexpected()),
    }
}

fn create_external_schema(c: &mut Cursor) -> Result<Command> {
    c.next();
    let if_not_exists = c.if_not_exists()?;
    let name = c.ident()?;
    c.expect("from")?;
    match c.peek_word() {
        Some("data") => {
            c.next();
            c.expect("catalog")?;
        }
        Some(other) => {
            return Err(SqlError::unsupported(format!(
                "CREATE EXTERNAL SCHEMA FROM {}",
                other.to_uppercase()
            )));
        }
        None => return Err(c.unexpected()),
    }
    let (mut database, mut role, mut region, mut create_database) = (None, None, None, false);
    while !c.at_end() {
        match c.peek_word() {
            Some("database") => {
                c.next();
                database = Some(c.string()?);
            }
            Some("iam_role") => {
                c.next();
                role = Some(if c.eat("default") {
                    "default".to_string()
                } else {
                    c.string()?
                });
            }
            Some("region") => {
                c.next();
                region = Some(c.string()?);
            }
            Some("catalog_role") => {
                c.next();
                c.string()?;
            }
            Some("create") => {
                c.next();
                c.expect("external")?;
                c.expect("database")?;
                c.if_not_exists()?;
                create_database = true;
            }
            _ => return Err(c.unexpected()),
        }
    }
    let database = database.ok_or_else(|| SqlError::syntax("CREATE EXTERNAL SCHEMA needs DATABASE '…'"))?;
    let role = role.ok_or_else(|| SqlError::syntax("CREATE EXTERNAL SCHEMA needs IAM_ROLE '…'"))?;
    Ok(Command::CreateExternalSchema {
        name,
        if_not_exists,
        source: ExternalSource {
            database: database.to_lowercase(),
            role,
            region,
        },
        create_database,
    })
}

fn alter(c: &mut Cursor) -> Result<Command> {
    c.next();
    match c.peek_word() {
        Some("table") => table::alter(c),
        Some("schema") => {
            c.next();
            let name = c.ident()?;
            let (mut rename, mut owner) = (None, None);
            match c.peek_word() {
                Some("rename") => {
                    c.next();
                    c.expect("to")?;
                    rename = Some(c.ident()?);
                }
                Some("owner") => {
                    c.next();
                    c.expect("to")?;
                    owner = Some(c.ident()?);
                }
                Some("quota") => c.skip_rest(),
                _ => return Err(c.unexpected()),
            }
            Ok(Command::AlterSchema { name, rename, owner })
        }
        Some("user") => {
            c.next();
            access::user(c, true)
        }
        Some("group") => {
            c.next();
            let name = c.ident()?;
            if c.peek_is("rename") {
                return Err(SqlError::unsupported("ALTER GROUP … RENAME"));
            }
            let add = c.eat("add");
            if !add {
                c.expect("drop")?;
            }
            c.expect("user")?;
            Ok(Command::AlterGroup {
                name,
                add,
                members: c.list(Cursor::ident)?,
            })
        }
        Some("default") => {
            c.skip_rest();
            Ok(Command::Grant {
                revoke: false,
                privileges: Vec::new(),
                target: GrantTarget::Unread,
                grantees: Vec::new(),
                with_option: false,
            })
        }
        Some(what) => Err(SqlError::unsupported(format!("ALTER {}", what.to_uppercase()))),
        None => Err(c.unexpected()),
    }
}

fn drop_statement(c: &mut Cursor) -> Result<Command> {
    c.next();
    let what = c.peek_word().unwrap_or_default().to_string();
    c.next();
    let kind = match what.as_str() {
        "table" => RelationKind::Table,
        "view" => RelationKind::View,
        "materialized" => {
            c.expect("view")?;
            RelationKind::MaterializedView
        }
        "schema" => {
            let if_exists = c.if_exists()?;
            let names = c.list(Cursor::ident)?;
            let drop_external_database = c.eat("drop");
            if drop_external_database {
                c.expect("external")?;
                c.expect("database")?;
            }
            let cascade = c.cascade();
            return Ok(Command::DropSchema {
                names,
                if_exists,
                cascade,
                drop_external_database,
            });
        }
        "database" => {
            let name = c.ident()?;
            c.eat("force");
            return Ok(Command::DropDatabase { name });
        }
        "user" => {
            let if_exists = c.if_exists()?;
            return Ok(Command::DropUser {
                names: c.list(Cursor::ident_or_string)?,
                if_exists,
            });
        }
        "group" | "role" => {
            let if_exists = c.if_exists()?;
            let names = c.list(Cursor::ident)?;
            c.eat("force");
            c.cascade();
            return Ok(Command::DropGroup {
                names,
                if_exists,
                role: what == "role",
            });
        }
        "" => return Err(c.unexpected()),
        other => return Err(SqlError::unsupported(format!("DROP {}", other.to_uppercase()))),
    };
    let if_exists = c.if_exists()?;
    let names = c.list(Cursor::name)?;
    let cascade = c.cascade();
    Ok(Command::Drop {
        kind,
        names,
        if_exists,
        cascade,
    })
}

fn comment(c: &mut Cursor) -> Result<Command> {
    c.next();
    c.expect("on")?;
    let what = c.peek_word().unwrap_or_default().to_string();
    c.next();
    let target = match what.as_str() {
        "table" => CommentTarget::Table(c.name()?),
        "view" => CommentTarget::View(c.name()?),
        "schema" => CommentTarget::Schema(c.ident()?),
        "database" => {
            c.ident()?;
            CommentTarget::Database
        }
        "column" => {
            let mut parts = vec![c.ident()?];
            while c.eat_token(&Token::Period) {
                parts.push(c.ident()?);
            }
            let column = parts.pop().unwrap_or_default();
            CommentTarget::Column(name_of(parts).ok_or_else(|| c.unexpected())?, column)
        }
        other => return Err(SqlError::unsupported(format!("COMMENT ON {}", other.to_uppercase()))),
    };
    c.expect("is")?;
    let text = if c.eat("null") { None } else { Some(c.string()?) };
    Ok(Command::Comment { target, text })
}

pub fn name_of(mut parts: Vec<String>) -> Option<Name> {
    let name = parts.pop()?;
    let schema = parts.pop();
    let database = parts.pop();
    parts.is_empty().then_some(Name { database, schema, name })
}
