//! What ran and what could not be loaded: the stl_* and sys_* views of queries.

use super::svv::N;
use super::{I4, I8, Rows, TS, V, Visible, i, opt, t, vc};

pub fn queries(view: &Visible, name: &str) -> Rows {
    let entries = view.session.engine.history.entries();
    if matches!(name, "stl_querytext" | "svl_statementtext" | "stl_ddltext") {
        let mut rows = Rows::new(&[
            ("userid", I4),
            ("xid", I8),
            ("pid", I4),
            ("query", I8),
            ("sequence", I4),
            ("starttime", TS),
            ("text", vc(200)),
        ]);
        for entry in entries {
            for (sequence, part) in entry.text.chars().collect::<Vec<_>>().chunks(200).enumerate() {
                rows.push(vec![
                    i(entry.user),
                    i(entry.id),
                    i(entry.session),
                    i(entry.id),
                    i(sequence as i64),
                    V::At(entry.start),
                    t(part.iter().collect::<String>()),
                ]);
            }
        }
        return rows;
    }
    let mut rows = Rows::new(&[
        ("userid", I4),
        ("query", I8),
        ("label", vc(320)),
        ("xid", I8),
        ("pid", I4),
        ("database", vc(32)),
        ("querytxt", vc(4000)),
        ("starttime", TS),
        ("endtime", TS),
        ("aborted", I4),
        ("elapsed", I8),
        ("substring", vc(60)),
    ]);
    for entry in entries.into_iter().filter(|entry| entry.end.is_some()) {
        let end = entry.end.unwrap_or(entry.start);
        rows.push(vec![
            i(entry.user),
            i(entry.id),
            t("default"),
            i(entry.id),
            i(entry.session),
            t(&view.database),
            t(&entry.text),
            V::At(entry.start),
            V::At(end),
            i(i64::from(entry.error.is_some())),
            i(end - entry.start),
            t(entry.text.chars().take(60).collect::<String>()),
        ]);
    }
    rows
}

pub fn query_history(view: &Visible) -> Rows {
    let mut rows = Rows::new(&[
        ("user_id", I4),
        ("query_id", I8),
        ("query_label", vc(320)),
        ("transaction_id", I8),
        ("session_id", I4),
        ("database_name", N),
        ("query_type", vc(32)),
        ("status", vc(10)),
        ("start_time", TS),
        ("end_time", TS),
        ("elapsed_time", I8),
        ("execution_time", I8),
        ("error_message", vc(512)),
        ("returned_rows", I8),
        ("query_text", vc(4000)),
    ]);
    for entry in view.session.engine.history.entries() {
        let status = match (&entry.error, entry.end) {
            (Some(_), _) => "failed",
            (None, Some(_)) => "success",
            (None, None) => "running",
        };
        let kind = entry.text.split_whitespace().next().unwrap_or_default().to_uppercase();
        let elapsed = entry.end.unwrap_or_else(super::history::now) - entry.start;
        rows.push(vec![
            i(entry.user),
            i(entry.id),
            t("default"),
            i(entry.id),
            i(entry.session),
            t(&view.database),
            t(kind),
            t(status),
            V::At(entry.start),
            entry.end.map_or(V::Null, V::At),
            i(elapsed),
            i(elapsed),
            opt(entry.error),
            i(entry.rows as i64),
            t(&entry.text),
        ]);
    }
    rows
}

pub fn load_errors(view: &Visible, name: &str) -> Rows {
    let errors = view.session.engine.history.load_errors();
    if name == "sys_load_error_detail" {
        let mut rows = Rows::new(&[
            ("user_id", I4),
            ("query_id", I8),
            ("transaction_id", I8),
            ("session_id", I4),
            ("database_name", N),
            ("table_id", I4),
            ("start_time", TS),
            ("file_name", vc(256)),
            ("line_number", I8),
            ("column_name", N),
            ("column_type", vc(10)),
            ("column_length", vc(10)),
            ("position", I4),
            ("error_code", I4),
            ("error_message", vc(512)),
        ]);
        for error in errors {
            rows.push(vec![
                i(error.user),
                i(error.query),
                i(error.query),
                i(error.session),
                t(&view.database),
                i(error.table),
                V::At(error.start),
                t(error.file),
                i(error.line),
                t(error.column),
                t(error.column_type),
                t(error.column_length),
                i(error.position),
                i(error.code),
                t(error.reason),
            ]);
        }
        return rows;
    }
    let mut rows = Rows::new(&[
        ("userid", I4),
        ("slice", I4),
        ("tbl", I4),
        ("starttime", TS),
        ("session", I4),
        ("query", I8),
        ("filename", vc(256)),
        ("line_number", I8),
        ("colname", N),
        ("type", vc(10)),
        ("col_length", vc(10)),
        ("position", I4),
        ("raw_line", vc(1024)),
        ("raw_field_value", vc(1024)),
        ("err_code", I4),
        ("err_reason", vc(100)),
        ("is_partial", I4),
        ("start_offset", I8),
    ]);
    for error in errors {
        rows.push(vec![
            i(error.user),
            i(0),
            i(error.table),
            V::At(error.start),
            i(error.session),
            i(error.query),
            t(error.file),
            i(error.line),
            t(error.column),
            t(error.column_type),
            t(error.column_length),
            i(error.position),
            t(error.raw_line),
            t(error.raw_value),
            i(error.code),
            t(error.reason),
            i(0),
            i(0),
        ]);
    }
    rows
}
