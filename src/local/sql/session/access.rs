//! Users, groups, roles, grants and settings. Grants are recorded and reported; they are not enforced yet.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{Expr, Query, SelectItem, SetExpr, Value, ValueWithSpan};

use super::{Outcome, Session};
use crate::cast::parse_bool;
use crate::catalog::{Grant, Grantee, Group, Oid, User};
use crate::error::{Result, SqlError};
use crate::plan::zoned;
use crate::rewrite::{arguments, function_name, literal_text, quoted, typed};
use crate::utility::{Command, GrantTarget, GranteeName};
use crate::zone::Zone;

/// Settings that clients set and this engine has nothing to do for.
const HARMLESS: [&str; 23] = [
    "query_group",
    "application_name",
    "extra_float_digits",
    "client_encoding",
    "statement_timeout",
    "wlm_query_slot_count",
    "enable_result_cache_for_session",
    "analyze_threshold_percent",
    "client_min_messages",
    "role",
    "transaction",
    "names",
    "json_serialization_enable",
    "json_serialization_parse_nested_strings",
    "mv_enable_aqmv_for_session",
    "use_fips_ssl",
    "spectrum_query_maxerror",
    "autocommit",
    "max_cursor_result_set_size",
    "idle_session_timeout",
    "stored_proc_log_min_messages",
    "standard_conforming_strings",
    "session_authorization",
];

/// How SUPER behaves. Only as Redshift does by itself, for now.
const OF_DOCUMENTS: [(&str, bool); 7] = [
    ("navigate_super_null_on_error", true),
    ("enable_case_sensitive_super_attribute", false),
    ("cast_super_null_on_error", true),
    ("parse_super_null_on_error", false),
    ("json_parse_dedup_attributes", false),
    ("json_parse_truncate_strings", false),
    ("super_allow_infinity", false),
];

impl Session {
    pub(super) fn set(&mut self, name: &str, value: &str) -> Result<Outcome> {
        let name = name.to_lowercase();
        if value.eq_ignore_ascii_case("default") {
            self.reset(Some(&name))?;
            return Ok(Outcome::command("SET"));
        }
        check_setting(&name, value)?;
        self.note_local(&name, false);
        self.settings.insert(name, value.into());
        self.follow_zone()?;
        Ok(Outcome::command("SET"))
    }

    /// Sets something until the transaction ends; without a block that is at once.
    pub(super) fn set_local(&mut self, name: &str, value: &str) -> Result<Outcome> {
        if !self.in_block() {
            check_setting(name, value)?;
            return Ok(Outcome::command("SET"));
        }
        let outcome = self.set(name, value)?;
        self.note_local(name, true);
        Ok(outcome)
    }

    /// Does what `select set_config('name', 'value', is_local)` asks for, and puts the value in its place. Over rows, or
    /// inside of other expressions, the function is refused.
    pub(super) fn set_by_query(&mut self, query: &mut Query, parameters: &[Expr]) -> Result<()> {
        let SetExpr::Select(select) = query.body.as_mut() else {
            return Ok(());
        };
        if !select.from.is_empty() || select.selection.is_some() {
            return Ok(());
        }
        for item in &mut select.projection {
            let (expr, alias) = match item {
                SelectItem::UnnamedExpr(expr) => (expr, quoted("set_config")),
                SelectItem::ExprWithAlias { expr, alias } => (expr, alias.clone()),
                _ => continue,
            };
            let Some((name, value, local)) = setting_of(expr, parameters) else {
                continue;
            };
            match local {
                true => self.set_local(&name, &value)?,
                false => self.set(&name, &value)?,
            };
            let expr = typed(&value, "varchar(65535)");
            *item = SelectItem::ExprWithAlias { expr, alias };
        }
        Ok(())
    }

    pub(super) fn reset(&mut self, name: Option<&str>) -> Result<Outcome> {
        match name {
            Some(name) => match self.defaults.get(name) {
                Some(value) => drop(self.settings.insert(name.into(), value.clone())),
                None => drop(self.settings.remove(name)),
            },
            None => self.settings = self.defaults.clone(),
        }
        self.follow_zone()?;
        Ok(Outcome::command("RESET"))
    }

    /// The time zone as it was set.
    pub(crate) fn zone_name(&self) -> String {
        self.settings.get("timezone").cloned().unwrap_or_else(|| "UTC".into())
    }

    /// Plans from now on in the time zone that is set.
    pub(super) fn follow_zone(&mut self) -> Result<()> {
        let zone = match self.settings.get("timezone") {
            Some(text) => Zone::setting(text)?,
            None => Zone::UTC,
        };
        if zone != self.zone {
            self.zone = zone;
            self.planner = match zone == Zone::UTC {
                true => self.engine.planner.clone(),
                false => Arc::new(zoned(&self.engine.planner, zone)?),
            };
        }
        Ok(())
    }

    pub(super) fn set_user(&mut self, name: Option<&str>) -> Result<Outcome> {
        self.user = match name {
            None => self.login,
            Some(name) => {
                let catalog = self.engine.current();
                if !catalog.users.get(&self.login).is_some_and(|user| user.superuser) {
                    return Err(SqlError::new("42501", "permission denied to set session authorization"));
                }
                catalog.user(name).ok_or_else(|| no_user(name))?.oid
            }
        };
        Ok(Outcome::command("SET"))
    }

    pub(super) fn access(&mut self, command: Command) -> Result<Outcome> {
        match command {
            Command::Grant {
                revoke,
                privileges,
                target,
                grantees,
                with_option,
            } => self.grant(revoke, &privileges, &target, &grantees, with_option),
            Command::CreateUser {
                name,
                password,
                superuser,
                createdb,
                groups,
                settings,
                alter,
            } => {
                self.must_be_superuser()?;
                let existing = self.tx()?.work.user(&name).cloned();
                let mut user = match (existing, alter) {
                    (Some(user), true) => user.as_ref().clone(),
                    (None, false) => User {
                        oid: self.engine.new_oid(),
                        name: name.clone(),
                        password: None,
                        superuser: false,
                        createdb: false,
                        settings: BTreeMap::new(),
                    },
                    (Some(_), false) => return Err(SqlError::new("42710", format!("user \"{name}\" already exists"))),
                    (None, true) => return Err(no_user(&name)),
                };
                if let Some(password) = password {
                    user.password = Some(stored_password(&name, &password));
                }
                for (name, value) in settings {
                    match value {
                        Some(value) => {
                            check_setting(&name, &value)?;
                            user.settings.insert(name, value);
                        }
                        None => drop(user.settings.remove(&name)),
                    }
                }
                user.superuser = superuser.unwrap_or(user.superuser);
                user.createdb = createdb.unwrap_or(user.createdb);
                let oid = user.oid;
                self.work()?.users.insert(oid, Arc::new(user));
                for group in groups {
                    self.change_group(&group, |members| members.push(oid))?;
                }
                Ok(Outcome::command(if alter { "ALTER USER" } else { "CREATE USER" }))
            }
            Command::DropUser { names, if_exists } => {
                self.must_be_superuser()?;
                for name in names {
                    let Some(user) = self.tx()?.work.user(&name).cloned() else {
                        if if_exists {
                            continue;
                        }
                        return Err(no_user(&name));
                    };
                    if user.oid == self.user {
                        return Err(SqlError::new("55006", "current user cannot be dropped"));
                    }
                    let owns = self
                        .tx()?
                        .work
                        .relations
                        .values()
                        .any(|relation| relation.owner == user.oid)
                        || self
                            .tx()?
                            .work
                            .schemas
                            .values()
                            .any(|schema| schema.owner == user.oid && !schema.temporary);
                    if owns {
                        return Err(SqlError::new(
                            "2BP01",
                            format!("user \"{name}\" cannot be dropped because the user owns some object"),
                        ));
                    }
                    self.work()?.users.remove(&user.oid);
                }
                Ok(Outcome::command("DROP USER"))
            }
            Command::CreateGroup { name, members, role } => {
                self.must_be_superuser()?;
                let kind = if role { "role" } else { "group" };
                if self.tx()?.work.group(&name).is_some() {
                    return Err(SqlError::new("42710", format!("{kind} \"{name}\" already exists")));
                }
                let members = members
                    .iter()
                    .map(|member| self.user_oid(member))
                    .collect::<Result<_>>()?;
                let oid = self.engine.new_oid();
                self.work()?.groups.insert(
                    oid,
                    Arc::new(Group {
                        oid,
                        name,
                        members,
                        role,
                    }),
                );
                Ok(Outcome::command(if role { "CREATE ROLE" } else { "CREATE GROUP" }))
            }
            Command::AlterGroup { name, add, members } => {
                let members = members
                    .iter()
                    .map(|member| self.user_oid(member))
                    .collect::<Result<Vec<_>>>()?;
                self.change_group(&name, |known| {
                    known.retain(|oid| !members.contains(oid));
                    if add {
                        known.extend(&members);
                    }
                })?;
                Ok(Outcome::command("ALTER GROUP"))
            }
            Command::DropGroup { names, if_exists, role } => {
                for name in names {
                    match self.tx()?.work.group(&name).map(|group| group.oid) {
                        Some(oid) => drop(self.work()?.groups.remove(&oid)),
                        None if if_exists => {}
                        None => return Err(no_group(&name)),
                    }
                }
                Ok(Outcome::command(if role { "DROP ROLE" } else { "DROP GROUP" }))
            }
            other => Err(SqlError::internal(format!("{other:?} is not about access"))),
        }
    }

    fn must_be_superuser(&self) -> Result<()> {
        if self.tx()?.work.users.get(&self.user).is_some_and(|user| user.superuser) {
            Ok(())
        } else {
            Err(SqlError::new("42501", "permission denied: must be superuser"))
        }
    }

    fn user_oid(&self, name: &str) -> Result<Oid> {
        Ok(self.tx()?.work.user(name).ok_or_else(|| no_user(name))?.oid)
    }

    fn change_group(&mut self, name: &str, change: impl FnOnce(&mut Vec<Oid>)) -> Result<()> {
        let mut group = self
            .tx()?
            .work
            .group(name)
            .ok_or_else(|| no_group(name))?
            .as_ref()
            .clone();
        change(&mut group.members);
        self.work()?.groups.insert(group.oid, Arc::new(group));
        Ok(())
    }

    fn grant(
        &mut self,
        revoke: bool,
        privileges: &[String],
        target: &GrantTarget,
        grantees: &[GranteeName],
        with_option: bool,
    ) -> Result<Outcome> {
        let outcome = Outcome::command(if revoke { "REVOKE" } else { "GRANT" });
        let mut known = Vec::new();
        for grantee in grantees {
            known.push(match grantee {
                GranteeName::Public => Grantee::Public,
                GranteeName::User(name) => Grantee::User(self.user_oid(name)?),
                GranteeName::Group(name) => {
                    Grantee::Group(self.tx()?.work.group(name).ok_or_else(|| no_group(name))?.oid)
                }
            });
        }
        let mut relations = Vec::new();
        match target {
            GrantTarget::Relations(names) => {
                for name in names {
                    if self.external_schema(name)?.is_some() {
                        return Err(SqlError::new(
                            "0A000",
                            "Operation not supported on external tables; grant USAGE on the schema",
                        ));
                    }
                    relations.push(self.find_relation(name)?.ok_or_else(|| SqlError::no_relation(name))?);
                }
            }
            GrantTarget::AllTables(schemas) => {
                for name in schemas {
                    let schema = self.find_schema(None, name)?.ok_or_else(|| SqlError::no_schema(name))?;
                    relations.extend(self.tx()?.work.relations_in(schema.oid).cloned());
                }
            }
            GrantTarget::Schemas(names) => {
                for name in names {
                    let mut schema = self
                        .find_schema(None, name)?
                        .ok_or_else(|| SqlError::no_schema(name))?
                        .as_ref()
                        .clone();
                    let all = ["usage", "create"];
                    change_grants(
                        &mut schema.grants,
                        revoke,
                        &expand(privileges, &all),
                        &known,
                        with_option,
                    );
                    self.work()?.schemas.insert(schema.oid, Arc::new(schema));
                }
            }
            GrantTarget::Unread => {}
        }
        let all = [
            "select",
            "insert",
            "update",
            "delete",
            "references",
            "drop",
            "truncate",
            "alter",
        ];
        for relation in relations {
            let mut relation = relation.as_ref().clone();
            change_grants(
                &mut relation.grants,
                revoke,
                &expand(privileges, &all),
                &known,
                with_option,
            );
            self.work()?.put_relation(relation);
        }
        Ok(outcome)
    }
}

/// Returns name and value, and whether they are for the transaction only, of a call whose arguments are written out.
fn setting_of(expr: &Expr, parameters: &[Expr]) -> Option<(String, String, bool)> {
    let Expr::Function(function) = expr else { return None };
    if function_name(function) != "set_config" {
        return None;
    }
    let args = arguments(function);
    let mut args = args.iter().map(|arg| match arg {
        Expr::Value(ValueWithSpan {
            value: Value::Placeholder(name),
            ..
        }) => {
            let number: usize = name.trim_start_matches('$').parse().ok()?;
            parameters.get(number.checked_sub(1)?)
        }
        other => Some(other),
    });
    let (name, value, local) = (args.next()??, args.next()??, args.next()??);
    let local = match local {
        Expr::Value(value) => parse_bool(value.to_string().trim_matches('\''))?,
        _ => return None,
    };
    Some((literal_text(name)?.to_lowercase(), literal_text(value)?, local))
}

/// Refuses what would change results and is not done here.
fn check_setting(name: &str, value: &str) -> Result<()> {
    // Start-up messages may quote what SET would.
    let lower = value.trim_matches('\'').to_lowercase();
    let refused = |what: String| Err(SqlError::unsupported(what));
    let boolean = || {
        parse_bool(value.trim_matches('\'')).ok_or_else(|| {
            let message = format!("parameter \"{name}\" requires a Boolean value");
            SqlError::new("22023", message)
        })
    };
    if let Some((_, usual)) = OF_DOCUMENTS.iter().find(|(known, _)| *known == name) {
        return match boolean()? == *usual {
            true => Ok(()),
            false => refused(format!("{name} {value}")),
        };
    }
    match name {
        "timezone" => Zone::setting(value).map(drop),
        "datestyle" => {
            let mut words = lower.split([',', ' ']).filter(|word| !word.is_empty());
            match words.all(|word| matches!(word, "iso" | "mdy" | "us")) {
                true => Ok(()),
                false => refused(format!("DateStyle {value}")),
            }
        }
        "intervalstyle" if lower != "postgres" => refused(format!("IntervalStyle {value}")),
        // Who has no encoding takes the bytes as they are.
        "client_encoding" | "names" if !matches!(lower.as_str(), "utf8" | "utf-8" | "unicode" | "sql_ascii") => {
            refused(format!("client encoding {value}"))
        }
        "enable_case_sensitive_identifier" | "describe_field_name_in_uppercase" => match boolean()? {
            true if name.starts_with("enable") => refused("case-sensitive identifiers".into()),
            _ => Ok(()),
        },
        "search_path" | "intervalstyle" => Ok(()),
        _ if HARMLESS.contains(&name) || name.contains('.') => Ok(()),
        _ => Err(SqlError::new(
            "42704",
            format!("unrecognized configuration parameter \"{name}\""),
        )),
    }
}

fn expand(privileges: &[String], all: &[&str]) -> Vec<String> {
    if privileges.iter().any(|privilege| privilege == "all") {
        all.iter().map(ToString::to_string).collect()
    } else {
        privileges.to_vec()
    }
}

fn change_grants(
    grants: &mut Vec<Grant>,
    revoke: bool,
    privileges: &[String],
    grantees: &[Grantee],
    with_option: bool,
) {
    grants.retain(|grant| !(privileges.contains(&grant.privilege) && grantees.contains(&grant.grantee)));
    if !revoke {
        for grantee in grantees {
            for privilege in privileges {
                grants.push(Grant {
                    grantee: grantee.clone(),
                    privilege: privilege.clone(),
                    with_option,
                });
            }
        }
    }
}

/// Returns `md5` and the digest of password and name, as PostgreSQL stores it. Digests are kept as given.
fn stored_password(name: &str, password: &str) -> String {
    if password.len() == 35 && password.starts_with("md5") {
        return password.to_string();
    }
    format!(
        "md5{}",
        crate::functions::md5_hex(format!("{password}{name}").as_bytes())
    )
}

fn no_user(name: &str) -> SqlError {
    SqlError::new("42704", format!("user \"{name}\" does not exist"))
}

fn no_group(name: &str) -> SqlError {
    SqlError::new("42704", format!("group \"{name}\" does not exist"))
}
