//! What ran and what could not be loaded: the stl_* and sys_* views of queries.

use super::history::{Entry, LoadError};
use super::svv::N;
use super::{I4, I8, Rows, TS, V, Visible, i, opt, t, vc};
use crate::types::SqlType;

/// The columns of a view: name, type, and the value for what a row is about.
type Columns<E> = &'static [(&'static str, SqlType, fn(&Visible, &E) -> V)];

fn told<E>(view: &Visible, columns: Columns<E>, about: impl IntoIterator<Item = E>) -> Rows {
    let names: Vec<_> = columns.iter().map(|(name, sql_type, _)| (*name, *sql_type)).collect();
    let mut rows = Rows::new(&names);
    for one in about {
        rows.push(columns.iter().map(|(_, _, value)| value(view, &one)).collect());
    }
    rows
}

/// A part of a statement's text, with its place.
type Part = (Entry, usize, String);

const TEXTS: Columns<Part> = &[
    ("userid", I4, |_, (entry, ..)| i(entry.user)),
    ("xid", I8, |_, (entry, ..)| i(entry.id)),
    ("pid", I4, |_, (entry, ..)| i(entry.session)),
    ("query", I8, |_, (entry, ..)| i(entry.id)),
    ("sequence", I4, |_, (_, sequence, _)| i(*sequence as i64)),
    ("starttime", TS, |_, (entry, ..)| V::At(entry.start)),
    ("text", vc(200), |_, (.., text)| t(text)),
];

const QUERIES: Columns<Entry> = &[
    ("userid", I4, |_, entry| i(entry.user)),
    ("query", I8, |_, entry| i(entry.id)),
    ("label", vc(320), |_, _| t("default")),
    ("xid", I8, |_, entry| i(entry.id)),
    ("pid", I4, |_, entry| i(entry.session)),
    ("database", vc(32), database),
    ("querytxt", vc(4000), |_, entry| t(&entry.text)),
    ("starttime", TS, |_, entry| V::At(entry.start)),
    ("endtime", TS, |_, entry| entry.end.map_or(V::Null, V::At)),
    ("aborted", I4, |_, entry| i(i64::from(entry.error.is_some()))),
    ("elapsed", I8, |_, entry| i(elapsed(entry))),
    ("substring", vc(60), |_, entry| {
        t(entry.text.chars().take(60).collect::<String>())
    }),
];

const HISTORY: Columns<Entry> = &[
    ("user_id", I4, |_, entry| i(entry.user)),
    ("query_id", I8, |_, entry| i(entry.id)),
    ("query_label", vc(320), |_, _| t("default")),
    ("transaction_id", I8, |_, entry| i(entry.id)),
    ("session_id", I4, |_, entry| i(entry.session)),
    ("database_name", N, database),
    ("query_type", vc(32), |_, entry| {
        t(entry.text.split_whitespace().next().unwrap_or_default().to_uppercase())
    }),
    ("status", vc(10), |_, entry| {
        t(match (&entry.error, entry.end) {
            (Some(_), _) => "failed",
            (None, Some(_)) => "success",
            (None, None) => "running",
        })
    }),
    ("start_time", TS, |_, entry| V::At(entry.start)),
    ("end_time", TS, |_, entry| entry.end.map_or(V::Null, V::At)),
    ("elapsed_time", I8, |_, entry| i(elapsed(entry))),
    ("execution_time", I8, |_, entry| i(elapsed(entry))),
    ("error_message", vc(512), |_, entry| opt(entry.error.as_ref())),
    ("returned_rows", I8, |_, entry| i(entry.rows as i64)),
    ("query_text", vc(4000), |_, entry| t(&entry.text)),
];

const SYS_LOAD_ERRORS: Columns<LoadError> = &[
    ("user_id", I4, |_, error| i(error.user)),
    ("query_id", I8, |_, error| i(error.query)),
    ("transaction_id", I8, |_, error| i(error.query)),
    ("session_id", I4, |_, error| i(error.session)),
    ("database_name", N, |view, _| t(&view.database)),
    ("table_id", I4, |_, error| i(error.table)),
    ("start_time", TS, |_, error| V::At(error.start)),
    ("file_name", vc(256), |_, error| t(&error.file)),
    ("line_number", I8, |_, error| i(error.line)),
    ("column_name", N, |_, error| t(&error.column)),
    ("column_type", vc(10), |_, error| t(&error.column_type)),
    ("column_length", vc(10), |_, error| t(&error.column_length)),
    ("position", I4, |_, error| i(error.position)),
    ("error_code", I4, |_, error| i(error.code)),
    ("error_message", vc(512), |_, error| t(&error.reason)),
];

const STL_LOAD_ERRORS: Columns<LoadError> = &[
    ("userid", I4, |_, error| i(error.user)),
    ("slice", I4, |_, _| i(0)),
    ("tbl", I4, |_, error| i(error.table)),
    ("starttime", TS, |_, error| V::At(error.start)),
    ("session", I4, |_, error| i(error.session)),
    ("query", I8, |_, error| i(error.query)),
    ("filename", vc(256), |_, error| t(&error.file)),
    ("line_number", I8, |_, error| i(error.line)),
    ("colname", N, |_, error| t(&error.column)),
    ("type", vc(10), |_, error| t(&error.column_type)),
    ("col_length", vc(10), |_, error| t(&error.column_length)),
    ("position", I4, |_, error| i(error.position)),
    ("raw_line", vc(1024), |_, error| t(&error.raw_line)),
    ("raw_field_value", vc(1024), |_, error| t(&error.raw_value)),
    ("err_code", I4, |_, error| i(error.code)),
    ("err_reason", vc(100), |_, error| t(&error.reason)),
    ("is_partial", I4, |_, _| i(0)),
    ("start_offset", I8, |_, _| i(0)),
];

fn database(view: &Visible, entry: &Entry) -> V {
    let database = view.catalog.databases.get(&entry.database);
    opt(database.map(|database| &database.name))
}

fn elapsed(entry: &Entry) -> i64 {
    entry.end.unwrap_or_else(super::history::now) - entry.start
}

pub fn queries(view: &Visible, name: &str) -> Rows {
    let entries = view.session.engine.history.entries();
    if matches!(name, "stl_querytext" | "svl_statementtext" | "stl_ddltext") {
        let parts = entries.into_iter().flat_map(|entry| {
            let text: Vec<char> = entry.text.chars().collect();
            let parts: Vec<String> = text.chunks(200).map(|part| part.iter().collect()).collect();
            let numbered = parts.into_iter().enumerate();
            numbered.map(move |(sequence, part)| (entry.clone(), sequence, part))
        });
        return told(view, TEXTS, parts);
    }
    told(view, QUERIES, entries.into_iter().filter(|entry| entry.end.is_some()))
}

pub fn query_history(view: &Visible) -> Rows {
    told(view, HISTORY, view.session.engine.history.entries())
}

pub fn load_errors(view: &Visible, name: &str) -> Rows {
    let errors = view.session.engine.history.load_errors();
    match name {
        "sys_load_error_detail" => told(view, SYS_LOAD_ERRORS, errors),
        _ => told(view, STL_LOAD_ERRORS, errors),
    }
}
