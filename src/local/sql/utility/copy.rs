//! COPY … FROM 's3://…' and its options.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::{Cursor, Name};
use crate::error::{Result, SqlError};

#[derive(Clone, Debug)]
pub struct Copy {
    pub table: Name,
    pub columns: Vec<String>,
    pub from: String,
    pub role: String,
    pub format: CopyFormat,
    pub compression: Compression,
    pub manifest: bool,
    pub delimiter: u8,
    pub quote: Option<u8>,
    pub escape: bool,
    pub remove_quotes: bool,
    pub ignore_header: u64,
    pub null_as: String,
    pub date_format: Option<String>,
    pub time_format: Option<String>,
    pub blanks_as_null: bool,
    pub empty_as_null: bool,
    pub fill_record: bool,
    pub accept_invalid_chars: Option<char>,
    pub accept_any_date: bool,
    pub ignore_blank_lines: bool,
    pub trim_blanks: bool,
    pub truncate_columns: bool,
    pub explicit_ids: bool,
    pub serialize_to_json: bool,
    pub max_error: u64,
    pub no_load: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub enum CopyFormat {
    Delimited,
    Csv,
    Json(Shred),
    Parquet,
}

/// What becomes of a JSON document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shred {
    /// Columns take the attributes of their names.
    Auto { ignore_case: bool },
    /// Columns take what the paths in the file at this address lead to.
    Paths(String),
    /// One column takes all of it.
    Whole,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    None,
    Gzip,
    Zstd,
}

pub fn parse(c: &mut Cursor) -> Result<Copy> {
    c.next();
    let table = c.name()?;
    let columns = if c.peek_token(&Token::LParen) {
        c.parenthesized(Cursor::ident)?
    } else {
        Vec::new()
    };
    if c.peek_is("to") {
        // Redshift has none; tables leave it by UNLOAD, and results through the client.
        return Err(SqlError::unsupported("COPY … TO"));
    }
    c.expect("from")?;
    if c.peek_is("stdin") {
        return Err(SqlError::unsupported("COPY FROM STDIN"));
    }
    let from = c.string()?;
    if !from.starts_with("s3://") {
        return Err(SqlError::unsupported("COPY from anything but s3://"));
    }
    let mut copy = Copy {
        table,
        columns,
        from,
        role: "default".into(),
        format: CopyFormat::Delimited,
        compression: Compression::None,
        manifest: false,
        delimiter: b'|',
        quote: None,
        escape: false,
        remove_quotes: false,
        ignore_header: 0,
        null_as: "\\N".into(),
        date_format: None,
        time_format: None,
        blanks_as_null: false,
        empty_as_null: false,
        fill_record: false,
        accept_invalid_chars: None,
        accept_any_date: false,
        ignore_blank_lines: false,
        trim_blanks: false,
        truncate_columns: false,
        explicit_ids: false,
        serialize_to_json: false,
        max_error: 0,
        no_load: false,
    };
    let mut delimiter = None;
    while !c.at_end() {
        option(c, &mut copy, &mut delimiter)?;
    }
    if copy.serialize_to_json && copy.format != CopyFormat::Parquet {
        return Err(SqlError::syntax("SERIALIZETOJSON is for columnar formats"));
    }
    copy.delimiter = delimiter.unwrap_or(if copy.format == CopyFormat::Csv { b',' } else { b'|' });
    if copy.format == CopyFormat::Csv && copy.quote.is_none() {
        copy.quote = Some(b'"');
    }
    Ok(copy)
}

fn option(c: &mut Cursor, copy: &mut Copy, delimiter: &mut Option<u8>) -> Result<()> {
    let Some(word) = c.peek_word() else {
        return Err(c.unexpected());
    };
    let unexpected = c.unexpected();
    c.next();
    match word {
        "iam_role" => {
            copy.role = if c.eat("default") {
                "default".into()
            } else {
                c.string()?
            }
        }
        // The account decides what the caller may read; keys in a statement have no meaning here, the role has.
        "credentials" => {
            c.eat("as");
            let text = c.string()?;
            let role = text
                .split(';')
                .find_map(|part| part.trim().strip_prefix("aws_iam_role="));
            copy.role = role.map_or_else(
                || Err(SqlError::unsupported("COPY with access keys; use IAM_ROLE")),
                |role| Ok(role.to_string()),
            )?;
        }
        "job" => return Err(SqlError::unsupported("COPY JOB")),
        "access_key_id" | "secret_access_key" | "session_token" => {
            return Err(SqlError::unsupported("COPY with access keys; use IAM_ROLE"));
        }
        "format" => {
            c.eat("as");
        }
        "csv" => {
            copy.format = CopyFormat::Csv;
            if c.eat("quote") {
                c.eat("as");
                copy.quote = Some(single_byte(&c.string()?, "QUOTE")?);
            }
        }
        "quote" => {
            c.eat("as");
            copy.quote = Some(single_byte(&c.string()?, "QUOTE")?);
        }
        "delimiter" => {
            c.eat("as");
            *delimiter = Some(single_byte(&c.string()?, "DELIMITER")?);
        }
        "json" => {
            c.eat("as");
            let option = match c.at_end() {
                true => "auto".into(),
                false => c.string().unwrap_or_else(|_| "auto".into()),
            };
            copy.format = CopyFormat::Json(shred(option)?);
        }
        "parquet" => copy.format = CopyFormat::Parquet,
        "gzip" => copy.compression = Compression::Gzip,
        "zstd" => copy.compression = Compression::Zstd,
        "manifest" => copy.manifest = true,
        "escape" => copy.escape = true,
        "removequotes" => copy.remove_quotes = true,
        "ignoreheader" => {
            c.eat("as");
            copy.ignore_header = c.number().ok_or(unexpected)?;
        }
        "null" => {
            c.eat("as");
            copy.null_as = c.string()?;
        }
        "dateformat" => {
            c.eat("as");
            copy.date_format = Some(c.string()?);
        }
        "timeformat" => {
            c.eat("as");
            copy.time_format = Some(c.string()?);
        }
        "blanksasnull" => copy.blanks_as_null = true,
        "emptyasnull" => copy.empty_as_null = true,
        "fillrecord" => copy.fill_record = true,
        "acceptinvchars" => {
            c.eat("as");
            copy.accept_invalid_chars = Some(c.string().ok().and_then(|text| text.chars().next()).unwrap_or('?'));
        }
        "acceptanydate" => copy.accept_any_date = true,
        "ignoreblanklines" => copy.ignore_blank_lines = true,
        "trimblanks" => copy.trim_blanks = true,
        "truncatecolumns" => copy.truncate_columns = true,
        "explicit_ids" => copy.explicit_ids = true,
        "serializetojson" => copy.serialize_to_json = true,
        "maxerror" => {
            c.eat("as");
            copy.max_error = c.number().ok_or(unexpected)?;
        }
        "noload" => copy.no_load = true,
        // No effect on what is loaded: statistics, compression and where the bucket is.
        "compupdate" | "statupdate" => {
            if !c.eat("on") && !c.eat("off") && !c.eat("preset") && !c.eat("true") {
                c.eat("false");
            }
        }
        "region" => {
            c.eat("as");
            c.string()?;
        }
        "comprows" => {
            c.number().ok_or(unexpected)?;
        }
        "encoding" => {
            c.eat("as");
            if c.ident_or_string()? != "utf8" {
                return Err(SqlError::unsupported("COPY ENCODING other than UTF8"));
            }
        }
        "roundec" => return Err(SqlError::unsupported("COPY ROUNDEC")),
        "fixedwidth" | "avro" | "orc" | "shapefile" | "rcfile" | "sequencefile" | "textfile" | "bzip2" | "lzop"
        | "ssh" | "readratio" | "encrypted" => {
            return Err(SqlError::unsupported(format!("COPY {}", word.to_uppercase())));
        }
        _ => return Err(unexpected),
    }
    Ok(())
}

fn shred(option: String) -> Result<Shred> {
    match option.as_str() {
        "auto" => Ok(Shred::Auto { ignore_case: false }),
        "auto ignorecase" => Ok(Shred::Auto { ignore_case: true }),
        "noshred" => Ok(Shred::Whole),
        paths if paths.starts_with("s3://") => Ok(Shred::Paths(option)),
        _ => Err(SqlError::new(
            "22023",
            format!("JSON '{option}' is not 'auto', 'auto ignorecase', 'noshred' or the address of a JSONPaths file"),
        )),
    }
}

fn single_byte(text: &str, option: &str) -> Result<u8> {
    let text = match text {
        "\\t" => "\t",
        other => other,
    };
    if let Some(octal) = text.strip_prefix('\\')
        && let Ok(byte) = u8::from_str_radix(octal, 8)
    {
        return Ok(byte);
    }
    match text.as_bytes() {
        [byte] => Ok(*byte),
        _ => Err(SqlError::unsupported(format!("{option} of more than one byte"))),
    }
}
