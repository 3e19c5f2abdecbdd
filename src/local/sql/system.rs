//! System tables: pg_catalog, information_schema, svv_*, stl_* and their like. Each is built from the transaction's
//! catalog when a query names it, so it always agrees with what the query can see.

pub mod functions;
pub mod history;
mod information;
mod pg;
mod stl;
mod svv;

use std::sync::Arc;

pub use pg::TABLE_OID;
pub use pg::keys::definitions as key_definitions;

use datafusion::arrow::array::{
    ArrayRef, BooleanBuilder, Float64Builder, Int16Builder, Int32Builder, Int64Builder, ListBuilder, RecordBatch,
    RecordBatchOptions, StringBuilder, TimestampMicrosecondBuilder,
};
use datafusion::arrow::datatypes::Schema;
use datafusion::catalog::TableProvider;
use datafusion::datasource::MemTable;

use crate::catalog::{Catalog, Oid, Relation, Schema as CatalogSchema};
use crate::error::Result;
use crate::session::Session;
use crate::types::SqlType;

/// A value of a system table.
#[derive(Clone, Debug)]
pub enum V {
    Null,
    T(String),
    I(i64),
    F(f64),
    B(bool),
    /// Microseconds since the epoch.
    At(i64),
    L(Vec<String>),
    /// Numbers of columns.
    N(Vec<i16>),
}

pub fn t(text: impl Into<String>) -> V {
    V::T(text.into())
}

pub fn i(number: impl Into<i64>) -> V {
    V::I(number.into())
}

pub fn opt(text: Option<impl Into<String>>) -> V {
    text.map_or(V::Null, |text| V::T(text.into()))
}

/// Columns and rows of a system table.
pub struct Rows {
    pub columns: Vec<(&'static str, SqlType)>,
    pub rows: Vec<Vec<V>>,
}

/// Short names for column lists: text, name, int2, int4, int8, bool, float, timestamp, text array, oid.
pub const TEXT: SqlType = SqlType::Text;
pub const NAME: SqlType = SqlType::Name;
pub const CHAR: SqlType = SqlType::Char(1);
pub const I2: SqlType = SqlType::Int2;
pub const I4: SqlType = SqlType::Int4;
pub const I8: SqlType = SqlType::Int8;
pub const OID: SqlType = SqlType::Oid;
pub const BOOL: SqlType = SqlType::Bool;
pub const F8: SqlType = SqlType::Float8;
pub const TS: SqlType = SqlType::Timestamp;
pub const LIST: SqlType = SqlType::TextArray;
pub const INT2S: SqlType = SqlType::Int2Array;
pub const VECTOR: SqlType = SqlType::Int2Vector;

pub const fn vc(length: u32) -> SqlType {
    SqlType::Varchar(length)
}

impl Rows {
    pub fn new(columns: &[(&'static str, SqlType)]) -> Self {
        Self {
            columns: columns.to_vec(),
            rows: Vec::new(),
        }
    }

    pub fn push(&mut self, row: Vec<V>) {
        debug_assert_eq!(row.len(), self.columns.len(), "a row of {:?}", self.columns.first());
        self.rows.push(row);
    }

    pub fn batch(&self) -> Result<RecordBatch> {
        let schema = Arc::new(Schema::new(
            self.columns
                .iter()
                .map(|(name, sql_type)| sql_type.field(name, true))
                .collect::<Vec<_>>(),
        ));
        let columns = self
            .columns
            .iter()
            .enumerate()
            .map(|(index, (_, sql_type))| column(&self.rows, index, *sql_type))
            .collect();
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows.len()));
        Ok(RecordBatch::try_new_with_options(schema, columns, &options)?)
    }

    fn provider(self) -> Result<Arc<dyn TableProvider>> {
        let batch = self.batch()?;
        Ok(Arc::new(MemTable::try_new(batch.schema(), vec![vec![batch]])?))
    }
}

fn column(rows: &[Vec<V>], index: usize, sql_type: SqlType) -> ArrayRef {
    let number = |row: &Vec<V>| match row[index] {
        V::I(number) => Some(number),
        V::At(micros) => Some(micros),
        _ => None,
    };
    macro_rules! numbers {
        ($builder:expr, $to:ty) => {{
            let mut builder = $builder;
            for row in rows {
                builder.append_option(number(row).map(|number| number as $to));
            }
            Arc::new(builder.finish())
        }};
    }
    match sql_type {
        SqlType::Int2 => numbers!(Int16Builder::new(), i16),
        SqlType::Int4 | SqlType::Oid => numbers!(Int32Builder::new(), i32),
        SqlType::Int8 => numbers!(Int64Builder::new(), i64),
        SqlType::Timestamp => numbers!(TimestampMicrosecondBuilder::new(), i64),
        SqlType::Float8 => {
            let mut builder = Float64Builder::new();
            for row in rows {
                builder.append_option(if let V::F(value) = row[index] {
                    Some(value)
                } else {
                    None
                });
            }
            Arc::new(builder.finish())
        }
        SqlType::Bool => {
            let mut builder = BooleanBuilder::new();
            for row in rows {
                builder.append_option(if let V::B(value) = row[index] {
                    Some(value)
                } else {
                    None
                });
            }
            Arc::new(builder.finish())
        }
        SqlType::TextArray => {
            let mut builder = ListBuilder::new(StringBuilder::new());
            for row in rows {
                if let V::L(items) = &row[index] {
                    for item in items {
                        builder.values().append_value(item);
                    }
                    builder.append(true);
                } else {
                    builder.append(false);
                }
            }
            Arc::new(builder.finish())
        }
        SqlType::Int2Array | SqlType::Int2Vector => {
            let mut builder = ListBuilder::new(Int16Builder::new());
            for row in rows {
                let items = match &row[index] {
                    V::N(items) => Some(items.iter().copied().map(Some)),
                    _ => None,
                };
                builder.append_option(items);
            }
            Arc::new(builder.finish())
        }
        _ => {
            let mut builder = StringBuilder::new();
            for row in rows {
                builder.append_option(if let V::T(text) = &row[index] { Some(text) } else { None });
            }
            Arc::new(builder.finish())
        }
    }
}

/// Returns a system table by schema and name, or `None` when there is none of that name.
pub async fn table(session: &Session, schema: &str, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
    let view = Visible::new(session)?;
    let rows = match schema {
        "information_schema" => information::table(&view, name),
        _ => match pg::table(&view, name) {
            Some(rows) => Some(rows),
            None => svv::table(session, &view, name).await?,
        },
    };
    rows.map(Rows::provider).transpose()
}

/// What a session can see of the catalog: its own database and its own temporary tables.
pub struct Visible<'a> {
    pub session: &'a Session,
    pub catalog: &'a Catalog,
    pub database: String,
}

impl<'a> Visible<'a> {
    fn new(session: &'a Session) -> Result<Self> {
        let catalog = &session.tx()?.work;
        let database = catalog
            .databases
            .get(&session.database)
            .map(|database| database.name.clone())
            .unwrap_or_default();
        Ok(Self {
            session,
            catalog,
            database,
        })
    }

    pub fn schemas(&self) -> impl Iterator<Item = &'a CatalogSchema> + use<'a> {
        let (database, temp) = (self.session.database, self.session.temp_schema);
        let catalog = self.catalog;
        catalog
            .schemas
            .values()
            .map(AsRef::as_ref)
            .filter(move |schema| schema.database == database && (!schema.temporary || schema.oid == temp))
    }

    /// Native tables and views with their schemas.
    pub fn relations(&self) -> impl Iterator<Item = (&'a CatalogSchema, &'a Relation)> + use<'a> {
        let catalog = self.catalog;
        self.schemas().flat_map(move |schema| {
            catalog
                .relations_in(schema.oid)
                .map(move |relation| (schema, relation.as_ref()))
        })
    }

    pub fn owner(&self, oid: Oid) -> String {
        self.catalog.user_name(oid)
    }
}
