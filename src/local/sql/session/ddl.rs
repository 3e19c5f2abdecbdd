//! Schemas, tables, views and their changes. All of it is transactional: it edits the transaction's catalog.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Outcome, Session};
use crate::catalog::{Body, Column, Constraint, ConstraintKind, DistStyle, ExternalSource, Oid, Relation, Table};
use crate::error::{Result, SqlError};
use crate::lake::LakeErrorKind;
use crate::rewrite::BY_OID;
use crate::types::SqlType;
use crate::utility::{
    AlterAction, Command, CommentTarget, CreateTable, DefinedColumn, Name, RelationKind, TableSource, ordered_partition,
};

impl Session {
    pub(super) async fn ddl(&mut self, command: Command) -> Result<Outcome> {
        match command {
            Command::Use { database } => {
                let catalog = self.tx()?.work.clone();
                let found = catalog.database(&database).ok_or_else(|| no_database(&database))?;
                self.database = found.oid;
                Ok(Outcome::command("USE"))
            }
            Command::CreateDatabase { name, owner } => self.create_database(&name, owner),
            Command::DropDatabase { name } => self.drop_database(&name),
            Command::CreateSchema {
                name,
                if_not_exists,
                owner,
            } => {
                let owner = self.owner(owner.as_deref())?;
                self.create_schema(&name, if_not_exists, owner, None)
            }
            Command::CreateExternalSchema {
                name,
                if_not_exists,
                source,
                create_database,
            } => {
                self.create_external_schema(&name, if_not_exists, source, create_database)
                    .await
            }
            Command::AlterSchema { name, rename, owner } => self.alter_schema(&name, rename, owner),
            Command::DropSchema {
                names,
                if_exists,
                cascade,
                drop_external_database,
            } => {
                self.drop_schemas(&names, if_exists, cascade, drop_external_database)
                    .await
            }
            Command::CreateTable(create) => self.create_table(create).await,
            Command::CreateView(create) => self.create_view(create).await,
            Command::CreateExternalTable {
                name,
                table,
                if_not_exists,
            } => {
                if self.in_block() {
                    return Err(SqlError::new(
                        "25001",
                        "CREATE EXTERNAL TABLE cannot run inside a transaction block",
                    ));
                }
                let (_, source) = self.external_schema(&name)?.ok_or_else(|| not_external(&name))?;
                match self
                    .engine
                    .lake
                    .create_table(&source.role, &source.database, &table)
                    .await
                {
                    Err(error) if error.kind == LakeErrorKind::AlreadyExists && if_not_exists => {}
                    other => other?,
                }
                Ok(Outcome::command("CREATE EXTERNAL TABLE"))
            }
            Command::AlterTable {
                name,
                if_exists,
                action,
            } => self.alter_table(name, if_exists, action).await,
            Command::Drop {
                kind,
                names,
                if_exists,
                cascade,
            } => self.drop_relations(kind, &names, if_exists, cascade).await,
            Command::Truncate { name } => {
                let relation = self.table_named(&name)?;
                let relation = self.lock_for_write(relation.oid).await?;
                self.put_table(&relation, |table| table.segments.clear())?;
                // TRUNCATE commits the transaction that it runs in.
                self.commit_now()?;
                Ok(Outcome::command("TRUNCATE TABLE"))
            }
            Command::Comment { target, text } => self.comment(target, text),
            Command::Lock { names } => {
                for name in &names {
                    let oid = self.table_named(name)?.oid;
                    self.lock_for_write(oid).await?;
                }
                Ok(Outcome::command("LOCK TABLE"))
            }
            Command::Vacuum { name } => {
                if self.in_block() {
                    return Err(SqlError::new("25001", "VACUUM cannot run inside a transaction block"));
                }
                if let Some(name) = name {
                    let oid = self.table_named(&name)?.oid;
                    self.compact(oid).await?;
                }
                Ok(Outcome::command("VACUUM"))
            }
            Command::Analyze => Ok(Outcome::command("ANALYZE")),
            other => Err(SqlError::internal(format!("{other:?} is no DDL"))),
        }
    }

    pub(super) fn owner(&self, name: Option<&str>) -> Result<Oid> {
        match name {
            None => Ok(self.user),
            Some(name) => {
                let user = self.tx()?.work.user(name).map(|user| user.oid);
                user.ok_or_else(|| SqlError::new("42704", format!("user \"{name}\" does not exist")))
            }
        }
    }

    // ---- tables ------------------------------------------------------------------------------------------------

    async fn create_table(&mut self, create: CreateTable) -> Result<Outcome> {
        let CreateTable {
            name,
            temporary,
            if_not_exists,
            source,
            attributes,
        } = create;
        let schema = self.target_schema(&name, temporary)?;
        if self.tx()?.work.relation(schema.oid, &name.name).is_some() {
            if if_not_exists {
                return Ok(Outcome::command("CREATE TABLE"));
            }
            return Err(SqlError::new(
                "42P07",
                format!("Relation \"{}\" already exists", name.name),
            ));
        }
        let mut table = Table {
            diststyle: attributes.diststyle,
            distkey: attributes.distkey,
            sortkey: attributes.sortkey,
            interleaved: attributes.interleaved,
            constraints: attributes.constraints,
            backup: attributes.backup,
            ..Table::default()
        };
        let (mut columns, tag, written) = match source {
            TableSource::Columns(defined) => {
                for column in defined.iter().filter(|column| column.default.is_some()) {
                    self.check_default(column).await?;
                }
                (numbered(defined), "CREATE TABLE", None)
            }
            TableSource::Like { table: other, defaults } => {
                let other = self.table_named(&other)?;
                let columns = other
                    .columns
                    .iter()
                    .enumerate()
                    .map(|(index, column)| Column {
                        id: index as u32,
                        default: column.default.clone().filter(|_| defaults),
                        identity: None,
                        comment: None,
                        ..column.clone()
                    })
                    .collect();
                if let Some(like) = other.table() {
                    table.diststyle = like.diststyle;
                    table.distkey = like.distkey.clone();
                    table.sortkey = like.sortkey.clone();
                }
                (columns, "CREATE TABLE", None)
            }
            TableSource::Query { columns: names, query } => {
                let planned = self.plan(crate::parse::query_of(&query)?, &[]).await?;
                if names.len() > planned.fields.len() {
                    return Err(SqlError::new(
                        "42601",
                        "CREATE TABLE AS specifies too many column names",
                    ));
                }
                let mut defined = Vec::new();
                for (index, (field, sql_type)) in planned.fields.iter().enumerate() {
                    let name = names.get(index).unwrap_or(field).clone();
                    if sql_type.is_array() || *sql_type == SqlType::Interval {
                        return Err(SqlError::new(
                            "0A000",
                            format!("Column \"{name}\" has unsupported type \"{sql_type}\"."),
                        ));
                    }
                    let sql_type = match sql_type {
                        SqlType::Text | SqlType::Name => SqlType::Varchar(crate::types::VARCHAR_MAX),
                        SqlType::Oid => SqlType::Int8,
                        other => *other,
                    };
                    defined.push(DefinedColumn {
                        name,
                        sql_type,
                        not_null: false,
                        default: None,
                        identity: None,
                        encoding: None,
                    });
                }
                let columns = numbered(defined);
                check_unique(&columns)?;
                let (segments, rows, columns) = self.write_new(&planned, columns).await?;
                table.segments = segments;
                (columns, "SELECT", Some(rows))
            }
        };
        check_unique(&columns)?;
        check_keys(&columns, &table)?;
        let primary = table
            .constraints
            .iter()
            .filter(|key| key.kind == ConstraintKind::Primary);
        for name in primary.flat_map(|key| &key.columns) {
            let of_key = columns.iter_mut().filter(|column| column.name == *name);
            of_key.for_each(|column| column.not_null = true);
        }
        table.next_column = columns.len() as u32;
        let oid = self.engine.new_oid();
        let mut relation = Relation {
            oid,
            schema: schema.oid,
            name: name.name,
            owner: self.user,
            columns,
            body: Body::Table(table),
            comment: None,
            grants: Vec::new(),
            created: self.now.timestamp_millis() as f64 / 1000.0,
            temporary: schema.temporary,
        };
        self.bind_references(&mut relation)?;
        self.work()?.put_relation(relation);
        Ok(match written {
            Some(rows) => Outcome {
                affected: Some(rows),
                ..Outcome::command(tag)
            },
            None => Outcome::command(tag),
        })
    }

    /// Finds the tables that new foreign keys point at, and sees that there is a key.
    fn bind_references(&self, relation: &mut Relation) -> Result<()> {
        let own = relation.clone();
        let Body::Table(table) = &mut relation.body else {
            return Ok(());
        };
        for constraint in table
            .constraints
            .iter_mut()
            .filter(|constraint| constraint.target.is_none())
        {
            let Some((written, columns)) = &constraint.references else {
                continue;
            };
            let name = crate::utility::name_of(written.split('.').map(str::to_string).collect());
            let name = name.ok_or_else(|| SqlError::syntax(format!("improper qualified name \"{written}\"")))?;
            let found = self.find_relation(&name)?;
            let target = match &found {
                Some(found) => found.as_ref(),
                None if name.name == own.name => &own,
                None => return Err(SqlError::no_relation(&name)),
            };
            let keys = target.table().into_iter().flat_map(|table| &table.constraints);
            let key = keys.into_iter().find(|key| match columns.is_empty() {
                true => key.kind == ConstraintKind::Primary,
                false => key.references.is_none() && same_set(&key.columns, columns),
            });
            let key = key.ok_or_else(|| match columns.is_empty() {
                true => SqlError::new(
                    "42704",
                    format!("there is no primary key for referenced table \"{}\"", target.name),
                ),
                false => SqlError::new(
                    "42830",
                    format!(
                        "there is no unique constraint matching given keys for referenced table \"{}\"",
                        target.name
                    ),
                ),
            })?;
            if key.columns.len() != constraint.columns.len() {
                return Err(SqlError::new(
                    "42830",
                    "number of referencing and referenced columns for foreign key disagree",
                ));
            }
            constraint.target = Some(target.oid);
        }
        Ok(())
    }

    async fn check_default(&self, column: &DefinedColumn) -> Result<()> {
        let text = column.default.as_deref().unwrap_or_default();
        let query = crate::parse::query(&format!("select cast({text} as {})", column.sql_type))?;
        self.plan(query, &[]).await.map(drop)
    }

    /// Replaces a table's body in the transaction's catalog.
    pub(crate) fn put_table(&mut self, relation: &Relation, change: impl FnOnce(&mut Table)) -> Result<()> {
        let mut relation = relation.clone();
        if let Body::Table(table) = &mut relation.body {
            change(table);
        }
        self.work()?.put_relation(relation);
        Ok(())
    }

    async fn alter_table(&mut self, name: Name, if_exists: bool, action: AlterAction) -> Result<Outcome> {
        if let Some((_, source)) = self.external_schema(&name)? {
            return self.alter_external(&name, &source, action).await;
        }
        let Some(relation) = self.find_relation(&name)? else {
            return if if_exists {
                Ok(Outcome::command("ALTER TABLE"))
            } else {
                Err(SqlError::no_relation(&name))
            };
        };
        let relation = self.lock_for_write(relation.oid).await?;
        let mut changed = relation.as_ref().clone();
        match action {
            AlterAction::RenameTable(new) => {
                if self.tx()?.work.relation(relation.schema, &new).is_some() {
                    return Err(SqlError::new("42P07", format!("Relation \"{new}\" already exists")));
                }
                changed.name = new;
            }
            AlterAction::RenameColumn { from, to } => {
                let index = relation.column(&from).ok_or_else(|| SqlError::no_column(&from))?;
                if relation.column(&to).is_some() {
                    return Err(SqlError::new(
                        "42701",
                        format!("column \"{to}\" of relation \"{}\" already exists", relation.name),
                    ));
                }
                changed.columns[index].name = to.clone();
                if let Some(view) = self.broken_views(&relation, &changed).await?.first() {
                    return Err(viewed(&relation, "rename", &from, view));
                }
                if let Body::Table(table) = &mut changed.body {
                    rename_keys(table, &from, &to);
                    rename_targets(table, relation.oid, &from, &to);
                }
                for other in self.tx()?.work.referrers(relation.oid) {
                    let other = self.lock_for_write(other.oid).await?;
                    self.put_table(&other, |table| rename_targets(table, relation.oid, &from, &to))?;
                }
            }
            AlterAction::AddColumn(defined) => return self.add_column(&relation, defined).await,
            AlterAction::DropColumn { name: column, cascade } => {
                let index = relation.column(&column).ok_or_else(|| SqlError::no_column(&column))?;
                if relation.columns.len() == 1 {
                    return Err(SqlError::new("0A000", "cannot drop the only column of a table"));
                }
                if let Body::Table(table) = &mut changed.body {
                    if table.distkey.as_deref() == Some(&column) || table.sortkey.contains(&column) {
                        return Err(SqlError::new(
                            "0A000",
                            format!("cannot drop distkey or sortkey column \"{column}\""),
                        ));
                    }
                    table
                        .constraints
                        .retain(|constraint| !constraint.columns.contains(&column));
                }
                changed.columns.remove(index);
                for view in self.broken_views(&relation, &changed).await? {
                    if !cascade {
                        return Err(viewed(&relation, "drop", &column, &view));
                    }
                    self.drop_with_dependents(view.oid, true).await?;
                }
            }
            AlterAction::ColumnType { name: column, sql_type } => {
                let index = relation.column(&column).ok_or_else(|| SqlError::no_column(&column))?;
                if self.in_block() {
                    return Err(SqlError::new(
                        "25001",
                        "ALTER TABLE ALTER COLUMN cannot run inside a transaction block",
                    ));
                }
                match (changed.columns[index].sql_type, sql_type) {
                    (SqlType::Varchar(_), SqlType::Varchar(_)) => changed.columns[index].sql_type = sql_type,
                    (from, _) => {
                        return Err(SqlError::new(
                            "0A000",
                            format!("column \"{column}\" of type {from} cannot be altered to {sql_type}"),
                        ));
                    }
                }
                self.check_fits(&relation, &changed).await?;
            }
            AlterAction::ColumnEncode { name: column, encoding } => {
                let index = relation.column(&column).ok_or_else(|| SqlError::no_column(&column))?;
                changed.columns[index].encoding = Some(encoding);
            }
            AlterAction::Owner(owner) => changed.owner = self.owner(Some(&owner))?,
            AlterAction::SetSchema(schema) => {
                let schema = self
                    .find_schema(None, &schema)?
                    .ok_or_else(|| SqlError::no_schema(&schema))?;
                changed.schema = schema.oid;
            }
            AlterAction::AddConstraint(constraint) => {
                check_constraint(&changed.columns, &constraint)?;
                if let Body::Table(table) = &mut changed.body {
                    table.constraints.push(constraint);
                }
                self.bind_references(&mut changed)?;
            }
            AlterAction::DropConstraint { name } => {
                if let Body::Table(table) = &mut changed.body {
                    let before = table.constraints.len();
                    table.constraints.retain(|constraint| constraint.name != name);
                    if table.constraints.len() == before {
                        return Err(SqlError::new("42704", format!("constraint \"{name}\" does not exist")));
                    }
                }
            }
            AlterAction::Physical(attributes) => {
                if let Body::Table(table) = &mut changed.body {
                    table.diststyle = attributes.diststyle;
                    table.distkey = attributes.distkey;
                    table.sortkey = attributes.sortkey;
                    check_keys(&changed.columns, table)?;
                }
            }
            AlterAction::Append { from } => return self.append(&relation, &from).await,
            AlterAction::AddPartitions { .. } | AlterAction::DropPartition { .. } => return Err(not_external(&name)),
        }
        self.work()?.put_relation(changed);
        Ok(Outcome::command("ALTER TABLE"))
    }

    async fn alter_external(&mut self, name: &Name, source: &ExternalSource, action: AlterAction) -> Result<Outcome> {
        if self.in_block() {
            return Err(SqlError::new(
                "25001",
                "ALTER EXTERNAL TABLE cannot run inside a transaction block",
            ));
        }
        let lake = self.engine.lake.clone();
        let (role, database) = (&source.role, &source.database);
        let table = lake
            .table(role, database, &name.name)
            .await?
            .ok_or_else(|| SqlError::no_relation(name))?;
        match action {
            AlterAction::AddPartitions {
                if_not_exists,
                partitions,
            } => {
                let known = if if_not_exists {
                    lake.partitions(role, database, &name.name).await?
                } else {
                    Vec::new()
                };
                let mut wanted = Vec::new();
                for (values, location) in partitions {
                    let partition = ordered_partition(&table, &values, &location)?;
                    if !known.iter().any(|known| known.values == partition.values) {
                        wanted.push(partition);
                    }
                }
                lake.add_partitions(role, database, &name.name, &wanted).await?;
            }
            AlterAction::DropPartition { values } => {
                let partition = ordered_partition(&table, &values, "")?;
                lake.drop_partition(role, database, &name.name, &partition.values)
                    .await?;
            }
            _ => return Err(SqlError::unsupported("this change of an external table")),
        }
        Ok(Outcome::command("ALTER TABLE"))
    }

    /// Returns the views on a table that would not open any more once it has changed.
    async fn broken_views(&mut self, relation: &Arc<Relation>, changed: &Relation) -> Result<Vec<Arc<Relation>>> {
        let views = self.tx()?.work.dependents(relation.oid);
        self.work()?.put_relation(changed.clone());
        let mut broken = Vec::new();
        for view in views {
            let whole = crate::parse::query(&format!("select * from \"{BY_OID}\".\"{}\"", view.oid))?;
            if self.plan(whole, &[]).await.is_err() {
                broken.push(view);
            }
        }
        self.work()?.put_relation(relation.as_ref().clone());
        Ok(broken)
    }

    async fn drop_relations(
        &mut self,
        kind: RelationKind,
        names: &[Name],
        if_exists: bool,
        cascade: bool,
    ) -> Result<Outcome> {
        let tag = match kind {
            RelationKind::Table => "DROP TABLE",
            RelationKind::View => "DROP VIEW",
            RelationKind::MaterializedView => "DROP MATERIALIZED VIEW",
        };
        for name in names {
            if let Some((_, source)) = self.external_schema(name)? {
                match self
                    .engine
                    .lake
                    .drop_table(&source.role, &source.database, &name.name)
                    .await
                {
                    Err(error) if error.kind == LakeErrorKind::NoTable && if_exists => {}
                    other => other?,
                }
                continue;
            }
            let found = match self.find_relation(name) {
                Err(error) if if_exists && error.sqlstate == "3D000" => None,
                other => other?,
            };
            let Some(relation) = found else {
                if if_exists {
                    continue;
                }
                let word = if kind == RelationKind::Table { "Table" } else { "View" };
                return Err(SqlError::new(
                    "42P01",
                    format!("{word} \"{}\" does not exist", name.name),
                ));
            };
            match (kind, relation.table().is_some()) {
                (RelationKind::Table, false) => {
                    return Err(SqlError::new("42809", format!("\"{}\" is not a table", name.name))
                        .with_hint("Use DROP VIEW to remove a view."));
                }
                (RelationKind::View, true) => {
                    return Err(SqlError::new("42809", format!("\"{}\" is not a view", name.name))
                        .with_hint("Use DROP TABLE to remove a table."));
                }
                (RelationKind::MaterializedView, _) => {
                    return Err(SqlError::new(
                        "42809",
                        format!("\"{}\" is not a materialized view", name.name),
                    ));
                }
                _ => {}
            }
            self.drop_with_dependents(relation.oid, cascade).await?;
        }
        Ok(Outcome::command(tag))
    }

    /// Drops a relation. Bound views on it go too with `cascade`, and forbid the drop without.
    pub(super) async fn drop_with_dependents(&mut self, oid: Oid, cascade: bool) -> Result<()> {
        let mut doomed = vec![oid];
        let mut seen = BTreeSet::new();
        while let Some(oid) = doomed.pop() {
            if !seen.insert(oid) {
                continue;
            }
            let Some(relation) = self.tx()?.work.relations.get(&oid).cloned() else {
                continue;
            };
            let dependents = self.tx()?.work.dependents(oid);
            if let Some(view) = dependents.first().filter(|_| !cascade) {
                return Err(SqlError::new(
                    "2BP01",
                    format!("cannot drop {} because other objects depend on it", kind_of(&relation)),
                )
                .with_detail(format!("view {} depends on {}", view.name, kind_of(&relation)))
                .with_hint("Use DROP ... CASCADE to drop the dependent objects too."));
            }
            doomed.extend(dependents.iter().map(|view| view.oid));
            for other in self.tx()?.work.referrers(oid) {
                if !cascade {
                    return Err(SqlError::new(
                        "2BP01",
                        format!("cannot drop {} because other objects depend on it", kind_of(&relation)),
                    )
                    .with_detail(format!(
                        "a foreign key of {} depends on {}",
                        kind_of(&other),
                        kind_of(&relation)
                    ))
                    .with_hint("Use DROP ... CASCADE to drop the dependent objects too."));
                }
                let other = self.lock_for_write(other.oid).await?;
                self.put_table(&other, |table| {
                    table.constraints.retain(|constraint| constraint.target != Some(oid));
                })?;
            }
            if relation.table().is_some() {
                self.lock_for_write(oid).await?;
            }
            self.work()?.remove_relation(oid);
        }
        Ok(())
    }

    // ---- views -------------------------------------------------------------------------------------------------

    fn comment(&mut self, target: CommentTarget, text: Option<String>) -> Result<Outcome> {
        match target {
            CommentTarget::Table(name) | CommentTarget::View(name) => {
                let mut relation = self
                    .find_relation(&name)?
                    .ok_or_else(|| SqlError::no_relation(&name))?
                    .as_ref()
                    .clone();
                relation.comment = text;
                self.work()?.put_relation(relation);
            }
            CommentTarget::Column(name, column) => {
                let mut relation = self
                    .find_relation(&name)?
                    .ok_or_else(|| SqlError::no_relation(&name))?
                    .as_ref()
                    .clone();
                let index = relation.column(&column).ok_or_else(|| SqlError::no_column(&column))?;
                relation.columns[index].comment = text;
                self.work()?.put_relation(relation);
            }
            CommentTarget::Schema(name) => {
                let mut schema = self
                    .find_schema(None, &name)?
                    .ok_or_else(|| SqlError::no_schema(&name))?
                    .as_ref()
                    .clone();
                schema.comment = text;
                self.work()?.schemas.insert(schema.oid, Arc::new(schema));
            }
            CommentTarget::Database => return Err(SqlError::unsupported("COMMENT ON DATABASE")),
        }
        Ok(Outcome::command("COMMENT"))
    }
}

fn kind_of(relation: &Relation) -> String {
    format!(
        "{} {}",
        if relation.table().is_some() { "table" } else { "view" },
        relation.name
    )
}

pub(super) fn numbered(defined: Vec<DefinedColumn>) -> Vec<Column> {
    defined
        .into_iter()
        .enumerate()
        .map(|(index, column)| Column {
            id: index as u32,
            name: column.name,
            sql_type: column.sql_type,
            not_null: column.not_null,
            default: column.default,
            identity: column.identity,
            encoding: column.encoding,
            comment: None,
        })
        .collect()
}

pub(super) fn check_unique(columns: &[Column]) -> Result<()> {
    let mut seen = BTreeSet::new();
    match columns.iter().find(|column| !seen.insert(&column.name)) {
        Some(column) => Err(SqlError::new("42701", format!("column \"{}\" duplicated", column.name))),
        None => Ok(()),
    }
}

fn check_keys(columns: &[Column], table: &Table) -> Result<()> {
    let known = |name: &String| columns.iter().any(|column| column.name == *name);
    if let Some(key) = table.distkey.iter().chain(&table.sortkey).find(|key| !known(key)) {
        return Err(SqlError::new(
            "42703",
            format!("column \"{key}\" named in key does not exist"),
        ));
    }
    let of_documents = |name: &&String| {
        let mut columns = columns.iter();
        columns.any(|column| column.name == **name && column.sql_type == SqlType::Super)
    };
    if let Some(key) = table.distkey.iter().chain(&table.sortkey).find(of_documents) {
        return Err(SqlError::new(
            "0A000",
            format!("column \"{key}\" of type super cannot be a distribution key or a sort key"),
        ));
    }
    if table.diststyle == DistStyle::Key && table.distkey.is_none() {
        return Err(SqlError::new("42601", "DISTSTYLE KEY needs a DISTKEY column"));
    }
    if let [first, .., last] = table.sortkey.as_slice()
        && first == last
        && table.sortkey.len() > 400
    {
        return Err(SqlError::new("54000", "too many sort keys"));
    }
    table
        .constraints
        .iter()
        .try_for_each(|constraint| check_constraint(columns, constraint))
}

fn check_constraint(columns: &[Column], constraint: &Constraint) -> Result<()> {
    let missing = constraint
        .columns
        .iter()
        .find(|name| !columns.iter().any(|column| column.name == **name));
    match missing {
        Some(name) => Err(SqlError::new(
            "42703",
            format!("column \"{name}\" named in key does not exist"),
        )),
        None => Ok(()),
    }
}

fn rename_keys(table: &mut Table, from: &str, to: &str) {
    let rename = |name: &mut String| {
        if name == from {
            *name = to.to_string();
        }
    };
    table.distkey.iter_mut().for_each(rename);
    table.sortkey.iter_mut().for_each(rename);
    for constraint in &mut table.constraints {
        constraint.columns.iter_mut().for_each(rename);
    }
}

/// Follows the rename of a column that foreign keys point at.
fn rename_targets(table: &mut Table, target: Oid, from: &str, to: &str) {
    let pointing = table
        .constraints
        .iter_mut()
        .filter(|constraint| constraint.target == Some(target));
    let names = pointing.filter_map(|constraint| constraint.references.as_mut());
    for name in names.flat_map(|(_, columns)| columns).filter(|name| *name == from) {
        *name = to.to_string();
    }
}

/// Whether two lists name the same columns, in whatever order.
pub(crate) fn same_set(left: &[String], right: &[String]) -> bool {
    left.len() == right.len() && left.iter().all(|name| right.contains(name))
}

pub(super) fn no_database(name: &str) -> SqlError {
    SqlError::new("3D000", format!("database \"{name}\" does not exist"))
}

fn not_external(name: &Name) -> SqlError {
    SqlError::new("42809", format!("\"{name}\" is not in an external schema"))
}

fn viewed(relation: &Relation, verb: &str, column: &str, view: &Relation) -> SqlError {
    let table = &relation.name;
    let message = format!("cannot {verb} table {table} column {column} because other objects depend on it");
    SqlError::new("2BP01", message)
        .with_detail(format!("view {} depends on table {table}", view.name))
        .with_hint("Use DROP ... CASCADE to drop the dependent objects too.")
}
