//! Users, groups, roles and grants.

use super::super::{BOOL, CHAR, I4, LIST, NAME, OID, Rows, TEXT, V, Visible, i, t};
use crate::catalog::{Grant, Grantee, Oid, User};

/// What every list of users begins with: the name, the number, and what the user may do.
pub fn who(user: &User) -> Vec<V> {
    vec![
        t(&user.name),
        i(user.oid),
        V::B(user.createdb),
        V::B(user.superuser),
        V::B(user.superuser),
    ]
}

pub fn table(view: &Visible, name: &str) -> Option<Rows> {
    Some(match name {
        "pg_user" | "pg_user_info" | "pg_shadow" => {
            let mut rows = Rows::new(&[
                ("usename", NAME),
                ("usesysid", I4),
                ("usecreatedb", BOOL),
                ("usesuper", BOOL),
                ("usecatupd", BOOL),
                ("passwd", TEXT),
                ("valuntil", TEXT),
                ("useconfig", LIST),
                ("useconnlimit", TEXT),
                ("syslogaccess", TEXT),
            ]);
            for user in view.catalog.users.values() {
                let mut row = who(user);
                row.extend([
                    t("********"),
                    V::Null,
                    settings(user),
                    t("UNLIMITED"),
                    t(if user.superuser { "UNRESTRICTED" } else { "RESTRICTED" }),
                ]);
                rows.push(row);
            }
            rows
        }
        "pg_roles" => {
            let mut rows = Rows::new(&[
                ("oid", OID),
                ("rolname", NAME),
                ("rolsuper", BOOL),
                ("rolinherit", BOOL),
                ("rolcreaterole", BOOL),
                ("rolcreatedb", BOOL),
                ("rolcanlogin", BOOL),
                ("rolconnlimit", I4),
                ("rolvaliduntil", TEXT),
                ("rolreplication", BOOL),
                ("rolbypassrls", BOOL),
            ]);
            for user in view.catalog.users.values() {
                rows.push(vec![
                    i(user.oid),
                    t(&user.name),
                    V::B(user.superuser),
                    V::B(true),
                    V::B(user.superuser),
                    V::B(user.createdb),
                    V::B(true),
                    i(-1),
                    V::Null,
                    V::B(false),
                    V::B(user.superuser),
                ]);
            }
            rows
        }
        "pg_db_role_setting" => {
            let mut rows = Rows::new(&[("setdatabase", OID), ("setrole", OID), ("setconfig", LIST)]);
            for user in view.catalog.users.values().filter(|user| !user.settings.is_empty()) {
                rows.push(vec![i(0), i(user.oid), settings(user)]);
            }
            rows
        }
        "pg_auth_members" => Rows::new(&[
            ("roleid", OID),
            ("member", OID),
            ("grantor", OID),
            ("admin_option", BOOL),
        ]),
        "pg_group" => {
            let mut rows = Rows::new(&[("groname", NAME), ("grosysid", I4), ("grolist", LIST)]);
            for group in view.catalog.groups.values().filter(|group| !group.role) {
                let members = group.members.iter().map(ToString::to_string).collect();
                rows.push(vec![t(&group.name), i(group.oid), V::L(members)]);
            }
            rows
        }
        "pg_default_acl" => Rows::new(&[
            ("oid", OID),
            ("defacluser", OID),
            ("defaclrole", OID),
            ("defaclnamespace", OID),
            ("defaclobjtype", CHAR),
            ("defaclacl", LIST),
        ]),
        _ => return None,
    })
}

/// What a user's sessions start with.
fn settings(user: &User) -> V {
    let written = user.settings.iter().map(|(name, value)| format!("{name}={value}"));
    match user.settings.is_empty() {
        true => V::Null,
        false => V::L(written.collect()),
    }
}

/// Grants as PostgreSQL writes them: `user=ar/owner`.
pub fn acl(view: &Visible, grants: &[Grant], owner: Oid) -> V {
    if grants.is_empty() {
        return V::Null;
    }
    let letter = |privilege: &str| match privilege {
        "select" => "r",
        "insert" => "a",
        "update" => "w",
        "delete" => "d",
        "references" => "x",
        "usage" => "U",
        "create" => "C",
        "drop" => "D",
        "truncate" => "t",
        "alter" => "A",
        _ => "",
    };
    let mut items: Vec<(String, String)> = Vec::new();
    for grant in grants {
        let name = match &grant.grantee {
            Grantee::Public => String::new(),
            Grantee::User(oid) => view.owner(*oid),
            Grantee::Group(oid) => format!(
                "group {}",
                view.catalog
                    .groups
                    .get(oid)
                    .map(|group| group.name.clone())
                    .unwrap_or_default()
            ),
        };
        let letters = format!(
            "{}{}",
            letter(&grant.privilege),
            if grant.with_option { "*" } else { "" }
        );
        match items.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => known.push_str(&letters),
            None => items.push((name, letters)),
        }
    }
    V::L(
        items
            .into_iter()
            .map(|(name, letters)| format!("{name}={letters}/{}", view.owner(owner)))
            .collect(),
    )
}
