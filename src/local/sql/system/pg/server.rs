//! Databases, settings, sessions.

use super::super::{BOOL, I4, LIST, NAME, OID, Rows, TEXT, V, Visible, i, opt, t};
use crate::session::default_of;

const TABLESPACE: i64 = 1663;

pub fn table(view: &Visible, name: &str) -> Option<Rows> {
    Some(match name {
        "pg_database" | "pg_database_info" => {
            let mut rows = Rows::new(&[
                ("oid", OID),
                ("datname", NAME),
                ("datdba", I4),
                ("encoding", I4),
                ("datistemplate", BOOL),
                ("datallowconn", BOOL),
                ("datlastsysoid", OID),
                ("datconfig", LIST),
                ("datacl", LIST),
                ("datcollate", NAME),
                ("datctype", NAME),
                ("dattablespace", OID),
                ("datconnlimit", I4),
            ]);
            for database in view.catalog.databases.values() {
                rows.push(vec![
                    i(database.oid),
                    t(&database.name),
                    i(database.owner),
                    i(6),
                    V::B(false),
                    V::B(true),
                    i(99_999),
                    V::Null,
                    V::Null,
                    t("C"),
                    t("C"),
                    i(TABLESPACE),
                    i(-1),
                ]);
            }
            rows
        }
        "pg_tablespace" => {
            let mut rows = Rows::new(&[
                ("oid", OID),
                ("spcname", NAME),
                ("spcowner", I4),
                ("spcacl", LIST),
                ("spcoptions", LIST),
            ]);
            rows.push(vec![i(TABLESPACE), t("pg_default"), i(1), V::Null, V::Null]);
            rows
        }
        "pg_settings" => {
            let mut rows = Rows::new(&[
                ("name", TEXT),
                ("setting", TEXT),
                ("category", TEXT),
                ("short_desc", TEXT),
                ("context", TEXT),
                ("vartype", TEXT),
                ("source", TEXT),
                ("boot_val", TEXT),
                ("reset_val", TEXT),
            ]);
            for (name, value) in view.session.all_settings() {
                let source = match view.session.settings.contains_key(&name) {
                    true => "session",
                    false => "default",
                };
                let default = opt(default_of(&name));
                rows.push(vec![
                    t(name),
                    t(value),
                    t(""),
                    t(""),
                    t("user"),
                    t("string"),
                    t(source),
                    default.clone(),
                    default,
                ]);
            }
            rows
        }
        "pg_stat_activity" => {
            let mut rows = Rows::new(&[
                ("datid", OID),
                ("datname", NAME),
                ("procpid", I4),
                ("usesysid", I4),
                ("usename", NAME),
                ("current_query", TEXT),
            ]);
            for entry in view
                .session
                .engine
                .history
                .entries()
                .into_iter()
                .filter(|entry| entry.end.is_none())
            {
                rows.push(vec![
                    i(entry.database),
                    t(&view.database),
                    i(entry.session),
                    i(entry.user),
                    t(view.owner(entry.user)),
                    t(&entry.text),
                ]);
            }
            rows
        }
        _ => return None,
    })
}
