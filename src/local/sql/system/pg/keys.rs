//! Keys of tables, which Redshift records and never checks: constraints, and the indexes that PostgreSQL's catalog has
//! for those that are unique. There is no index behind them; clients find a table's primary key through them.

use super::super::{BOOL, CHAR, I2, INT2S, NAME, OID, Rows, TEXT, V, VECTOR, Visible, i, t};
use crate::catalog::{Catalog, Constraint, ConstraintKind, Oid, Relation, Schema, Table};
use crate::session::same_set;

/// Keys and their indexes are numbered after their table, so that clients may keep the number.
const CONSTRAINTS: Oid = 0x2000_0000;
const INDEXES: Oid = 0x4000_0000;
const PER_TABLE: Oid = 64;

/// B-trees, in pg_am.
pub const BTREE: i64 = 403;

/// A constraint of a table.
pub struct Key<'a> {
    pub schema: &'a Schema,
    pub relation: &'a Relation,
    pub constraint: &'a Constraint,
    place: Oid,
}

impl<'a> Key<'a> {
    pub fn oid(&self) -> Oid {
        CONSTRAINTS + self.relation.oid * PER_TABLE + self.place
    }

    /// The index of a primary key or a unique one.
    pub fn index(&self) -> Option<Oid> {
        let unique = self.constraint.kind != ConstraintKind::Foreign;
        unique.then_some(INDEXES + self.relation.oid * PER_TABLE + self.place)
    }

    /// The columns as pg_attribute numbers them.
    pub fn columns(&self) -> Vec<i16> {
        numbers(self.relation, &self.constraint.columns)
    }

    /// What a foreign key points at, while it is there: the table and its columns.
    pub fn target(&self, catalog: &'a Catalog) -> Option<(&'a Relation, Vec<String>)> {
        let (_, columns) = self.constraint.references.as_ref()?;
        let target = catalog.relations.get(&self.constraint.target?)?.as_ref();
        let columns = match columns.is_empty() {
            true => primary(target.table()?)?.columns.clone(),
            false => columns.clone(),
        };
        Some((target, columns))
    }

    /// The key that a foreign key points at.
    pub fn target_key(&self, catalog: &'a Catalog) -> Option<Key<'a>> {
        let (target, columns) = self.target(catalog)?;
        keys_of(catalog, target).find(|key| key.index().is_some() && same_set(&key.constraint.columns, &columns))
    }

    /// As it would be written in CREATE TABLE.
    fn definition(&self, catalog: &'a Catalog) -> String {
        let columns = self.constraint.columns.join(", ");
        match self.constraint.kind {
            ConstraintKind::Primary => format!("PRIMARY KEY ({columns})"),
            ConstraintKind::Unique => format!("UNIQUE ({columns})"),
            ConstraintKind::Foreign => {
                let target = self
                    .target(catalog)
                    .map(|(target, columns)| format!("{}({})", qualified(catalog, target), columns.join(", ")));
                let written = || self.constraint.references.as_ref().map(|(table, _)| table.clone());
                format!(
                    "FOREIGN KEY ({columns}) REFERENCES {}",
                    target.or_else(written).unwrap_or_default()
                )
            }
        }
    }

    fn index_definition(&self) -> String {
        format!(
            "CREATE UNIQUE INDEX {} ON {}.{} USING btree ({})",
            self.constraint.name,
            self.schema.name,
            self.relation.name,
            self.constraint.columns.join(", ")
        )
    }
}

/// Returns a table's keys as CREATE TABLE would have them.
pub fn definitions(catalog: &Catalog, relation: &Relation) -> Vec<String> {
    keys_of(catalog, relation).map(|key| key.definition(catalog)).collect()
}

pub fn primary(table: &Table) -> Option<&Constraint> {
    table
        .constraints
        .iter()
        .find(|constraint| constraint.kind == ConstraintKind::Primary)
}

fn qualified(catalog: &Catalog, relation: &Relation) -> String {
    match catalog.schemas.get(&relation.schema) {
        Some(schema) if schema.name != "public" => format!("{}.{}", schema.name, relation.name),
        _ => relation.name.clone(),
    }
}

fn numbers(relation: &Relation, columns: &[String]) -> Vec<i16> {
    let number = |name: &String| relation.column(name).map(|at| at as i16 + 1);
    columns.iter().filter_map(number).collect()
}

fn keys_of<'a>(catalog: &'a Catalog, relation: &'a Relation) -> impl Iterator<Item = Key<'a>> {
    let schema = catalog.schemas.get(&relation.schema);
    let constraints = relation.table().into_iter().flat_map(|table| &table.constraints);
    constraints.zip(0..PER_TABLE).filter_map(move |(constraint, place)| {
        Some(Key {
            schema: schema?,
            relation,
            constraint,
            place,
        })
    })
}

pub fn keys<'a>(view: &Visible<'a>) -> impl Iterator<Item = Key<'a>> + use<'a> {
    let catalog = view.catalog;
    view.relations()
        .flat_map(move |(_, relation)| keys_of(catalog, relation))
}

fn numbered(catalog: &Catalog, oid: Oid, first: Oid) -> Option<Key<'_>> {
    let number = oid.checked_sub(first)?;
    let relation = catalog.relations.get(&(number / PER_TABLE))?;
    keys_of(catalog, relation).nth((number % PER_TABLE) as usize)
}

/// `pg_get_constraintdef`.
pub fn constraint_definition(catalog: &Catalog, oid: Oid) -> Option<String> {
    Some(numbered(catalog, oid, CONSTRAINTS)?.definition(catalog))
}

/// `pg_get_indexdef`: the whole index, or one column of it.
pub fn index_definition(catalog: &Catalog, oid: Oid, column: usize) -> Option<String> {
    let key = numbered(catalog, oid, INDEXES)?;
    match column {
        0 => Some(key.index_definition()),
        column => key.constraint.columns.get(column - 1).cloned(),
    }
}

pub fn table(view: &Visible, name: &str) -> Option<Rows> {
    Some(match name {
        "pg_constraint" => constraints(view),
        "pg_index" => indexes(view),
        "pg_indexes" => {
            let mut rows = Rows::new(&[
                ("schemaname", NAME),
                ("tablename", NAME),
                ("indexname", NAME),
                ("tablespace", NAME),
                ("indexdef", TEXT),
            ]);
            for key in keys(view).filter(|key| key.index().is_some()) {
                rows.push(vec![
                    t(&key.schema.name),
                    t(&key.relation.name),
                    t(&key.constraint.name),
                    V::Null,
                    t(key.index_definition()),
                ]);
            }
            rows
        }
        _ => return None,
    })
}

fn constraints(view: &Visible) -> Rows {
    let mut rows = Rows::new(&[
        ("oid", OID),
        ("conname", NAME),
        ("connamespace", OID),
        ("contype", CHAR),
        ("condeferrable", BOOL),
        ("condeferred", BOOL),
        ("conrelid", OID),
        ("contypid", OID),
        ("confrelid", OID),
        ("confupdtype", CHAR),
        ("confdeltype", CHAR),
        ("confmatchtype", CHAR),
        ("conkey", INT2S),
        ("confkey", INT2S),
        ("conbin", TEXT),
        ("consrc", TEXT),
        ("conindid", OID),
        ("convalidated", BOOL),
        ("conparentid", OID),
    ]);
    for key in keys(view) {
        let target = key.target(view.catalog);
        let action = |letter: &str| {
            t(if key.constraint.references.is_some() {
                letter
            } else {
                ""
            })
        };
        let kind = match key.constraint.kind {
            ConstraintKind::Primary => "p",
            ConstraintKind::Unique => "u",
            ConstraintKind::Foreign => "f",
        };
        let index = match key.constraint.kind {
            ConstraintKind::Foreign => key.target_key(view.catalog).and_then(|key| key.index()),
            _ => key.index(),
        };
        rows.push(vec![
            i(key.oid()),
            t(&key.constraint.name),
            i(key.schema.oid),
            t(kind),
            V::B(false),
            V::B(false),
            i(key.relation.oid),
            i(0),
            i(target.as_ref().map_or(0, |(target, _)| target.oid)),
            action("a"),
            action("a"),
            action("u"),
            V::N(key.columns()),
            target.map_or(V::Null, |(target, columns)| V::N(numbers(target, &columns))),
            V::Null,
            V::Null,
            i(index.unwrap_or(0)),
            V::B(true),
            i(0),
        ]);
    }
    rows
}

fn indexes(view: &Visible) -> Rows {
    let mut rows = Rows::new(&[
        ("indexrelid", OID),
        ("indrelid", OID),
        ("indnatts", I2),
        ("indisunique", BOOL),
        ("indisprimary", BOOL),
        ("indisclustered", BOOL),
        ("indisvalid", BOOL),
        ("indimmediate", BOOL),
        ("indkey", VECTOR),
        ("indclass", TEXT),
        ("indexprs", TEXT),
        ("indpred", TEXT),
    ]);
    for key in keys(view) {
        let Some(index) = key.index() else { continue };
        let columns = key.columns();
        rows.push(vec![
            i(index),
            i(key.relation.oid),
            i(columns.len() as i64),
            V::B(true),
            V::B(key.constraint.kind == ConstraintKind::Primary),
            V::B(false),
            V::B(true),
            V::B(true),
            V::N(columns),
            t(""),
            V::Null,
            V::Null,
        ]);
    }
    rows
}

/// What depends on what: a foreign key on the index of the key that it points at.
pub fn depends(view: &Visible, rows: &mut Rows) {
    let indexed = |key: Key| Some((key.oid(), key.target_key(view.catalog)?.index()?));
    for (key, index) in keys(view).filter_map(indexed) {
        rows.push(vec![
            i(super::PG_CONSTRAINT),
            i(key),
            i(0),
            i(super::PG_CLASS),
            i(index),
            i(0),
            t("n"),
        ]);
    }
}
