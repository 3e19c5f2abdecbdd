//! CREATE TABLE, CREATE EXTERNAL TABLE and ALTER TABLE with Redshift's physical clauses.

use std::collections::BTreeMap;

use datafusion::sql::sqlparser::tokenizer::Token;

use super::{Command, Cursor, Name};
use crate::catalog::{Constraint, ConstraintKind, DistStyle, Identity};
use crate::error::{Result, SqlError};
use crate::lake::{ExternalPartition, ExternalTable};
use crate::lexer::Source;
use crate::types::SqlType;

#[derive(Clone, Debug)]
pub struct CreateTable {
    pub name: Name,
    pub temporary: bool,
    pub if_not_exists: bool,
    pub source: TableSource,
    pub attributes: TableAttributes,
}

#[derive(Clone, Debug)]
pub enum TableSource {
    Columns(Vec<DefinedColumn>),
    /// `like other`, possibly with its defaults.
    Like {
        table: Name,
        defaults: bool,
    },
    Query {
        columns: Vec<String>,
        query: Source,
    },
}

#[derive(Clone, Debug)]
pub struct DefinedColumn {
    pub name: String,
    pub sql_type: SqlType,
    pub not_null: bool,
    pub default: Option<String>,
    pub identity: Option<Identity>,
    pub encoding: Option<String>,
}

#[derive(Clone, Debug, Default)]
pub struct TableAttributes {
    pub diststyle: DistStyle,
    pub distkey: Option<String>,
    pub sortkey: Vec<String>,
    pub interleaved: bool,
    pub backup: Option<bool>,
    pub constraints: Vec<Constraint>,
}

#[derive(Clone, Debug)]
pub enum AlterAction {
    RenameTable(String),
    RenameColumn {
        from: String,
        to: String,
    },
    AddColumn(DefinedColumn),
    DropColumn {
        name: String,
        cascade: bool,
    },
    ColumnType {
        name: String,
        sql_type: SqlType,
    },
    ColumnEncode {
        name: String,
        encoding: String,
    },
    Owner(String),
    SetSchema(String),
    AddConstraint(Constraint),
    DropConstraint {
        name: String,
    },
    Physical(TableAttributes),
    Append {
        from: Name,
    },
    AddPartitions {
        if_not_exists: bool,
        partitions: Vec<(Vec<(String, String)>, String)>,
    },
    DropPartition {
        values: Vec<(String, String)>,
    },
}

pub fn create(c: &mut Cursor) -> Result<CreateTable> {
    let _ = c.eat("local") || c.eat("global");
    let mut temporary = c.eat("temp") || c.eat("temporary");
    c.expect("table")?;
    let if_not_exists = c.if_not_exists()?;
    let name = c.name()?;
    temporary |= name.name.starts_with('#');
    let mut attributes = TableAttributes::default();
    let mut columns = Vec::new();
    let mut names = Vec::new();
    let mut like = None;
    if c.peek_token(&Token::LParen) {
        c.next();
        loop {
            if c.eat("like") {
                let table = c.name()?;
                let mut defaults = false;
                while c.eat("including") || c.peek_is("excluding") {
                    let including = !c.eat("excluding");
                    c.expect("defaults")?;
                    defaults = including;
                }
                like = Some((table, defaults));
            } else if let Some(constraint) = table_constraint(c, &name.name)? {
                attributes.constraints.push(constraint);
            } else {
                let column = c.ident()?;
                if c.peek_token(&Token::Comma) || c.peek_token(&Token::RParen) {
                    names.push(column);
                } else {
                    columns.push(column_definition(c, column, &name.name, &mut attributes)?);
                }
            }
            if !c.eat_token(&Token::Comma) {
                break;
            }
        }
        c.expect_token(&Token::RParen)?;
    }
    table_attributes(c, &mut attributes)?;
    if c.peek_is("using") {
        return Err(SqlError::unsupported("CREATE TABLE … USING ICEBERG"));
    }
    let source = if c.eat("as") {
        if !columns.is_empty() || like.is_some() {
            return Err(c.unexpected());
        }
        TableSource::Query {
            columns: names,
            query: c.rest(),
        }
    } else if let Some((table, defaults)) = like {
        TableSource::Like { table, defaults }
    } else if columns.is_empty() {
        return Err(c.unexpected());
    } else {
        TableSource::Columns(columns)
    };
    Ok(CreateTable {
        name,
        temporary,
        if_not_exists,
        source,
        attributes,
    })
}

fn table_attributes(c: &mut Cursor, attributes: &mut TableAttributes) -> Result<()> {
    loop {
        match c.peek_word() {
            Some("backup") => {
                c.next();
                attributes.backup = Some(c.eat("yes"));
                if attributes.backup == Some(false) {
                    c.expect("no")?;
                }
            }
            Some("diststyle") => {
                c.next();
                attributes.diststyle = match c.ident()?.as_str() {
                    "auto" => DistStyle::Auto,
                    "even" => DistStyle::Even,
                    "key" => DistStyle::Key,
                    "all" => DistStyle::All,
                    other => return Err(SqlError::syntax(format!("syntax error at or near \"{other}\""))),
                };
            }
            Some("distkey") => {
                c.next();
                attributes.distkey = c.parenthesized(Cursor::ident)?.pop();
                if attributes.diststyle == DistStyle::Auto {
                    attributes.diststyle = DistStyle::Key;
                }
            }
            Some("compound" | "interleaved" | "sortkey") => {
                attributes.interleaved = c.eat("interleaved");
                c.eat("compound");
                c.expect("sortkey")?;
                if !c.eat("auto") {
                    attributes.sortkey = if c.peek_token(&Token::LParen) {
                        c.parenthesized(Cursor::ident)?
                    } else {
                        vec![c.ident()?]
                    };
                }
            }
            Some("encode") => {
                c.next();
                c.expect("auto")?;
            }
            Some("on") => return Err(SqlError::unsupported("ON COMMIT")),
            _ => return Ok(()),
        }
    }
}

fn table_constraint(c: &mut Cursor, table: &str) -> Result<Option<Constraint>> {
    let named = if c.peek_is("constraint") {
        c.next();
        Some(c.ident()?)
    } else {
        None
    };
    let kind = match (c.peek_word(), c.peek_word_at(1)) {
        (Some("primary"), Some("key")) => ConstraintKind::Primary,
        (Some("foreign"), Some("key")) => ConstraintKind::Foreign,
        (Some("unique"), None) => ConstraintKind::Unique,
        (Some("check"), _) => return Err(SqlError::unsupported("CHECK constraints")),
        _ if named.is_some() => return Err(c.unexpected()),
        _ => return Ok(None),
    };
    c.next();
    if kind != ConstraintKind::Unique {
        c.next();
    }
    let columns = c.parenthesized(Cursor::ident)?;
    let references = if kind == ConstraintKind::Foreign {
        c.expect("references")?;
        Some(reference(c)?)
    } else {
        None
    };
    Ok(Some(constraint(named, kind, table, columns, references)))
}

fn constraint(
    name: Option<String>,
    kind: ConstraintKind,
    table: &str,
    columns: Vec<String>,
    references: Option<(String, Vec<String>)>,
) -> Constraint {
    let name = name.unwrap_or_else(|| match kind {
        ConstraintKind::Primary => format!("{table}_pkey"),
        ConstraintKind::Unique => format!("{table}_{}_key", columns.join("_")),
        ConstraintKind::Foreign => format!("{table}_{}_fkey", columns.join("_")),
    });
    Constraint {
        name,
        kind,
        columns,
        references,
        target: None,
    }
}

fn reference(c: &mut Cursor) -> Result<(String, Vec<String>)> {
    let table = c.name()?.to_string();
    let columns = if c.peek_token(&Token::LParen) {
        c.parenthesized(Cursor::ident)?
    } else {
        Vec::new()
    };
    Ok((table, columns))
}

fn column_definition(
    c: &mut Cursor,
    name: String,
    table: &str,
    attributes: &mut TableAttributes,
) -> Result<DefinedColumn> {
    let sql_type = sql_type(c)?;
    let mut column = DefinedColumn {
        name,
        sql_type,
        not_null: false,
        default: None,
        identity: None,
        encoding: None,
    };
    loop {
        match c.peek_word() {
            Some("not") => {
                c.next();
                c.expect("null")?;
                column.not_null = true;
            }
            Some("null") => {
                c.next();
            }
            Some("default") => {
                c.next();
                column.default = Some(default_text(c)?);
            }
            Some("identity") => {
                c.next();
                column.identity = Some(identity(c, false)?);
                column.not_null = true;
            }
            Some("generated") => {
                c.next();
                c.expect("by")?;
                c.expect("default")?;
                c.expect("as")?;
                c.expect("identity")?;
                column.identity = Some(identity(c, true)?);
                column.not_null = true;
            }
            Some("encode") => {
                c.next();
                column.encoding = Some(c.ident()?);
            }
            Some("distkey") => {
                c.next();
                attributes.distkey = Some(column.name.clone());
                attributes.diststyle = DistStyle::Key;
            }
            Some("sortkey") => {
                c.next();
                attributes.sortkey.push(column.name.clone());
            }
            Some("primary") => {
                c.next();
                c.expect("key")?;
                column.not_null = true;
                let columns = vec![column.name.clone()];
                attributes
                    .constraints
                    .push(constraint(None, ConstraintKind::Primary, table, columns, None));
            }
            Some("unique") => {
                c.next();
                let columns = vec![column.name.clone()];
                attributes
                    .constraints
                    .push(constraint(None, ConstraintKind::Unique, table, columns, None));
            }
            Some("references") => {
                c.next();
                let target = Some(reference(c)?);
                let columns = vec![column.name.clone()];
                attributes
                    .constraints
                    .push(constraint(None, ConstraintKind::Foreign, table, columns, target));
            }
            Some("collate") => {
                c.next();
                if c.ident()? != "case_sensitive" {
                    return Err(SqlError::unsupported("COLLATE CASE_INSENSITIVE"));
                }
            }
            Some("check") => return Err(SqlError::unsupported("CHECK constraints")),
            _ => return Ok(column),
        }
    }
}

fn identity(c: &mut Cursor, by_default: bool) -> Result<Identity> {
    c.expect_token(&Token::LParen)?;
    let seed = c.integer()?;
    c.expect_token(&Token::Comma)?;
    let step = c.integer()?;
    c.expect_token(&Token::RParen)?;
    Ok(Identity {
        seed,
        step,
        next: seed,
        by_default,
    })
}

/// The expression after DEFAULT ends where the next column attribute or column begins.
fn default_text(c: &mut Cursor) -> Result<String> {
    let from = c.position;
    loop {
        match c.peek() {
            None => break,
            Some(lexeme) if lexeme.is(&Token::LParen) => c.skip_parentheses()?,
            Some(lexeme) if lexeme.is(&Token::Comma) || lexeme.is(&Token::RParen) => break,
            Some(lexeme) => {
                const NEXT: [&str; 11] = [
                    "not",
                    "encode",
                    "distkey",
                    "sortkey",
                    "primary",
                    "unique",
                    "references",
                    "identity",
                    "generated",
                    "collate",
                    "check",
                ];
                let ends = lexeme
                    .word()
                    .is_some_and(|word| NEXT.contains(&word) || (word == "null" && c.position > from));
                if ends && c.position > from {
                    break;
                }
                c.next();
            }
        }
    }
    if c.position == from {
        return Err(c.unexpected());
    }
    Ok(c.source.slice(from, c.position).to_string())
}

/// Reads a type of one or more words with optional arguments.
pub fn sql_type(c: &mut Cursor) -> Result<SqlType> {
    SqlType::parse(&type_text(c)?)
}

fn type_text(c: &mut Cursor) -> Result<String> {
    let mut text = c.ident()?;
    match text.as_str() {
        "character" | "char" | "nchar" | "binary" if c.eat("varying") => text.push_str(" varying"),
        "double" => {
            c.expect("precision")?;
            text.push_str(" precision");
        }
        _ => {}
    }
    if c.peek_token(&Token::LParen) {
        let from = c.position;
        c.skip_parentheses()?;
        text.push_str(c.source.slice(from, c.position));
    }
    if matches!(text.as_str(), "time" | "timestamp") && (c.peek_is("with") || c.peek_is("without")) {
        let with = c.eat("with");
        if !with {
            c.next();
        }
        c.expect("time")?;
        c.expect("zone")?;
        text.push_str(if with { " with time zone" } else { " without time zone" });
    }
    Ok(text)
}

/// Catalog types are kept as written: `array<string>`, `decimal(10,2)`.
fn external_type(c: &mut Cursor) -> Result<String> {
    let from = c.position;
    let mut depth = 0;
    while let Some(lexeme) = c.peek() {
        match &lexeme.token.token {
            Token::LParen | Token::Lt => depth += 1,
            Token::RParen if depth == 0 => break,
            Token::RParen | Token::Gt => depth -= 1,
            Token::Comma if depth == 0 => break,
            _ => {}
        }
        c.next();
    }
    if c.position == from {
        return Err(c.unexpected());
    }
    let text = c.source.slice(from, c.position).to_lowercase();
    Ok(match text.as_str() {
        "integer" => "int".into(),
        "double precision" | "float8" => "double".into(),
        "real" | "float4" => "float".into(),
        "text" => "string".into(),
        other => other
            .strip_prefix("numeric")
            .map_or_else(|| other.to_string(), |rest| format!("decimal{rest}")),
    })
}

pub fn create_external(c: &mut Cursor) -> Result<Command> {
    c.expect("table")?;
    let if_not_exists = c.if_not_exists()?;
    let name = c.name()?;
    let mut table = ExternalTable {
        name: name.name.clone(),
        ..ExternalTable::default()
    };
    let columns = |c: &mut Cursor| c.parenthesized(|c| Ok((c.ident()?, external_type(c)?)));
    table.columns = columns(c)?;
    if c.eat("partitioned") {
        c.expect("by")?;
        table.partition_keys = columns(c)?;
    }
    let mut format = None;
    while !c.at_end() {
        match c.peek_word() {
            Some("row") => {
                c.next();
                c.expect("format")?;
                if c.eat("serde") {
                    table.serde = c.string()?;
                    if c.eat("with") {
                        c.expect("serdeproperties")?;
                        table.serde_parameters = properties(c)?;
                    }
                } else {
                    c.expect("delimited")?;
                    table.serde = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe".into();
                    while c.peek_is("fields") || c.peek_is("lines") || c.peek_is("null") || c.peek_is("escaped") {
                        let what = c.ident()?;
                        let key = match what.as_str() {
                            "fields" => "field.delim",
                            "lines" => "line.delim",
                            "escaped" => "escape.delim",
                            _ => return Err(SqlError::unsupported("NULL DEFINED AS")),
                        };
                        c.eat("terminated");
                        c.expect("by")?;
                        let value = unescape(&c.string()?);
                        table.serde_parameters.insert(key.into(), value.clone());
                        if key == "field.delim" {
                            table.serde_parameters.insert("serialization.format".into(), value);
                        }
                    }
                }
            }
            Some("stored") => {
                c.next();
                c.expect("as")?;
                let stored = c.ident()?;
                if stored == "inputformat" {
                    table.input_format = c.string()?;
                    c.expect("outputformat")?;
                    table.output_format = c.string()?;
                } else {
                    format = Some(stored);
                }
            }
            Some("location") => {
                c.next();
                table.location = c.string()?;
            }
            Some("table") => {
                c.next();
                c.expect("properties")?;
                table.parameters = properties(c)?;
            }
            Some("as") => return Err(SqlError::unsupported("CREATE EXTERNAL TABLE AS")),
            _ => return Err(c.unexpected()),
        }
    }
    const TEXT_INPUT: &str = "org.apache.hadoop.mapred.TextInputFormat";
    const TEXT_OUTPUT: &str = "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat";
    let (input, output, serde) = match format.as_deref() {
        Some("textfile") | None => (
            TEXT_INPUT,
            TEXT_OUTPUT,
            "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe",
        ),
        Some("parquet") => (
            "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
            "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
            "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
        ),
        Some(other) => {
            return Err(SqlError::unsupported(format!(
                "external tables STORED AS {}",
                other.to_uppercase()
            )));
        }
    };
    for (slot, value) in [
        (&mut table.input_format, input),
        (&mut table.output_format, output),
        (&mut table.serde, serde),
    ] {
        if slot.is_empty() {
            *slot = value.into();
        }
    }
    if !table.location.starts_with("s3://") {
        return Err(SqlError::syntax("CREATE EXTERNAL TABLE needs LOCATION 's3://…'"));
    }
    Ok(Command::CreateExternalTable {
        name,
        table: Box::new(table),
        if_not_exists,
    })
}

fn properties(c: &mut Cursor) -> Result<BTreeMap<String, String>> {
    let pairs = c.parenthesized(|c| {
        let key = c.string()?;
        c.expect_token(&Token::Eq)?;
        Ok((key, unescape(&c.string()?)))
    })?;
    Ok(pairs.into_iter().collect())
}

fn unescape(text: &str) -> String {
    text.replace("\\t", "\t")
        .replace("\\n", "\n")
        .replace("\\001", "\u{1}")
        .replace("\\\\", "\\")
}

pub fn alter(c: &mut Cursor) -> Result<Command> {
    c.next();
    let if_exists = c.if_exists()?;
    let name = c.name()?;
    let action = match c.peek_word() {
        Some("rename") => {
            c.next();
            if c.eat("to") {
                AlterAction::RenameTable(c.name()?.name)
            } else {
                c.eat("column");
                let from = c.ident()?;
                c.expect("to")?;
                AlterAction::RenameColumn { from, to: c.ident()? }
            }
        }
        Some("add") => {
            c.next();
            if c.peek_is("partition") || c.peek_is("if") {
                return add_partitions(c, name, if_exists);
            }
            if let Some(constraint) = table_constraint(c, &name.name)? {
                AlterAction::AddConstraint(constraint)
            } else {
                c.eat("column");
                let column = c.ident()?;
                let mut attributes = TableAttributes::default();
                AlterAction::AddColumn(column_definition(c, column, &name.name, &mut attributes)?)
            }
        }
        Some("drop") => {
            c.next();
            if c.eat("partition") {
                AlterAction::DropPartition {
                    values: partition_values(c)?,
                }
            } else if c.eat("constraint") {
                let constraint = c.ident()?;
                c.cascade();
                AlterAction::DropConstraint { name: constraint }
            } else {
                c.eat("column");
                let column = c.ident()?;
                AlterAction::DropColumn {
                    name: column,
                    cascade: c.cascade(),
                }
            }
        }
        Some("owner") => {
            c.next();
            c.expect("to")?;
            AlterAction::Owner(c.ident()?)
        }
        Some("set") => {
            c.next();
            if c.eat("schema") {
                AlterAction::SetSchema(c.ident()?)
            } else {
                return Err(SqlError::unsupported("ALTER TABLE SET"));
            }
        }
        Some("row") => return Err(SqlError::unsupported("ALTER TABLE … ROW LEVEL SECURITY")),
        Some("append") => {
            c.next();
            c.expect("from")?;
            let from = c.name()?;
            if !c.at_end() {
                return Err(SqlError::unsupported(
                    "ALTER TABLE APPEND with IGNOREEXTRA or FILLTARGET",
                ));
            }
            AlterAction::Append { from }
        }
        Some("alter") => {
            c.next();
            match c.peek_word() {
                Some("diststyle" | "distkey" | "sortkey" | "compound" | "encode") => {
                    let mut attributes = TableAttributes::default();
                    if c.peek_is("distkey") && c.peek_word_at(1).is_some() {
                        c.next();
                        attributes.distkey = Some(c.ident()?);
                        attributes.diststyle = DistStyle::Key;
                    } else if c.peek_is("sortkey") && c.peek_word_at(1) == Some("none") {
                        c.skip_rest();
                    } else {
                        if c.peek_is("diststyle") {
                            c.next();
                            attributes.diststyle = match c.ident()?.as_str() {
                                "even" => DistStyle::Even,
                                "all" => DistStyle::All,
                                "key" => DistStyle::Key,
                                _ => DistStyle::Auto,
                            };
                            if c.eat("distkey") {
                                attributes.distkey = Some(c.ident()?);
                            }
                        } else {
                            table_attributes(c, &mut attributes)?;
                        }
                    }
                    AlterAction::Physical(attributes)
                }
                _ => {
                    c.eat("column");
                    let column = c.ident()?;
                    if c.eat("encode") {
                        AlterAction::ColumnEncode {
                            name: column,
                            encoding: c.ident()?,
                        }
                    } else {
                        c.expect("type")?;
                        AlterAction::ColumnType {
                            name: column,
                            sql_type: sql_type(c)?,
                        }
                    }
                }
            }
        }
        _ => return Err(c.unexpected()),
    };
    Ok(Command::AlterTable {
        name,
        if_exists,
        action,
    })
}

fn add_partitions(c: &mut Cursor, name: Name, if_exists: bool) -> Result<Command> {
    let if_not_exists = c.if_not_exists()?;
    let mut partitions = Vec::new();
    while c.eat("partition") {
        let values = partition_values(c)?;
        c.expect("location")?;
        partitions.push((values, c.string()?));
    }
    if partitions.is_empty() {
        return Err(c.unexpected());
    }
    Ok(Command::AlterTable {
        name,
        if_exists,
        action: AlterAction::AddPartitions {
            if_not_exists,
            partitions,
        },
    })
}

fn partition_values(c: &mut Cursor) -> Result<Vec<(String, String)>> {
    c.parenthesized(|c| {
        let key = c.ident()?;
        c.expect_token(&Token::Eq)?;
        let value = match c.number() {
            Some(number) => number.to_string(),
            None => c.string()?,
        };
        Ok((key, value))
    })
}

/// Puts partition values in the order of the table's keys.
pub fn ordered_partition(
    table: &ExternalTable,
    values: &[(String, String)],
    location: &str,
) -> Result<ExternalPartition> {
    let ordered = table
        .partition_keys
        .iter()
        .map(|(key, _)| {
            values
                .iter()
                .find(|(name, _)| name == key)
                .map(|(_, value)| value.clone())
                .ok_or_else(|| SqlError::new("42703", format!("partition column \"{key}\" is missing")))
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(ExternalPartition {
        values: ordered,
        location: location.to_string(),
    })
}
