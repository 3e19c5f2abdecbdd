//! Functions that look into the catalog: `format_type`, `pg_get_userbyid`, `has_table_privilege` and their like. They
//! are made for one statement, with that statement's catalog.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int32Array, ListBuilder, StringArray, StringBuilder,
};
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{Result as DfResult, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};

use super::pg::keys;
use crate::cast::{Mode, cast, text_array};
use crate::catalog::{Catalog, Grantee, Oid, Relation};
use crate::engine::Engine;
use crate::error::{Result, SqlError};
use crate::session::{Session, Signals};
use crate::types::SqlType;
use crate::value::Cell;

struct Facts {
    engine: Arc<Engine>,
    catalog: Catalog,
    user: Oid,
    database: Oid,
    path: Vec<Oid>,
    path_names: Vec<String>,
    settings: HashMap<String, String>,
}

type Body = fn(&Facts, &[Option<String>]) -> Result<Option<Cell>>;

const FUNCTIONS: &[(&str, SqlType, Body)] = &[
    ("format_type", SqlType::Text, |_, args| {
        let oid: u32 = number(args, 0);
        let modifier: i32 = number(args, 1);
        let known = super::pg::TYPES.iter().find(|known| known.oid() == oid);
        Ok(Some(Cell::Text(match known {
            None => "???".into(),
            Some(SqlType::Varchar(_)) if modifier > 4 => format!("character varying({})", modifier - 4),
            Some(SqlType::Char(_)) if modifier > 4 => format!("character({})", modifier - 4),
            Some(SqlType::Numeric(..)) if modifier > 4 => {
                format!("numeric({},{})", (modifier - 4) >> 16, (modifier - 4) & 0xffff)
            }
            Some(other) => other.base_name().into(),
        })))
    }),
    ("pg_get_userbyid", SqlType::Name, |facts, args| {
        Ok(Some(Cell::Text(facts.catalog.user_name(number(args, 0)))))
    }),
    ("pg_table_is_visible", SqlType::Bool, |facts, args| {
        let relation = facts.catalog.relations.get(&number(args, 0));
        Ok(Some(Cell::Bool(relation.is_some_and(|relation| {
            relation.temporary || facts.path.contains(&relation.schema)
        }))))
    }),
    ("pg_type_is_visible", SqlType::Bool, |_, _| Ok(Some(Cell::Bool(true)))),
    ("pg_function_is_visible", SqlType::Bool, |_, _| {
        Ok(Some(Cell::Bool(true)))
    }),
    ("pg_operator_is_visible", SqlType::Bool, |_, _| {
        Ok(Some(Cell::Bool(true)))
    }),
    ("pg_opclass_is_visible", SqlType::Bool, |_, _| {
        Ok(Some(Cell::Bool(true)))
    }),
    ("pg_opfamily_is_visible", SqlType::Bool, |_, _| {
        Ok(Some(Cell::Bool(true)))
    }),
    ("pg_conversion_is_visible", SqlType::Bool, |_, _| {
        Ok(Some(Cell::Bool(true)))
    }),
    ("pg_collation_is_visible", SqlType::Bool, |_, _| {
        Ok(Some(Cell::Bool(true)))
    }),
    ("getdatabaseencoding", SqlType::Name, |_, _| {
        Ok(Some(Cell::Text("UTF8".into())))
    }),
    ("pg_char_to_encoding", SqlType::Int4, |_, args| {
        let utf8 = args[0].as_deref().is_some_and(|name| name.eq_ignore_ascii_case("utf8"));
        Ok(Some(Cell::Int(if utf8 { 6 } else { -1 })))
    }),
    ("pg_encoding_to_char", SqlType::Name, |_, _| {
        Ok(Some(Cell::Text("UTF8".into())))
    }),
    ("obj_description", SqlType::Text, |facts, args| {
        let oid: Oid = number(args, 0);
        let comment = facts
            .catalog
            .relations
            .get(&oid)
            .and_then(|relation| relation.comment.clone());
        Ok(comment
            .or_else(|| {
                facts
                    .catalog
                    .schemas
                    .get(&oid)
                    .and_then(|schema| schema.comment.clone())
            })
            .map(Cell::Text))
    }),
    ("shobj_description", SqlType::Text, |_, _| Ok(None)),
    ("col_description", SqlType::Text, |facts, args| {
        let relation = facts.catalog.relations.get(&number(args, 0));
        let column = relation.and_then(|relation| relation.columns.get(number::<usize>(args, 1).wrapping_sub(1)));
        Ok(column.and_then(|column| column.comment.clone()).map(Cell::Text))
    }),
    ("pg_get_expr", SqlType::Text, |_, args| {
        Ok(args[0].clone().map(Cell::Text))
    }),
    ("pg_get_viewdef", SqlType::Text, |facts, args| {
        let named = args[0]
            .as_deref()
            .and_then(|name| relation_oid(facts, &name.to_lowercase()));
        let relation = facts.catalog.relations.get(&named.unwrap_or_else(|| number(args, 0)));
        Ok(relation
            .and_then(|relation| relation.view())
            .map(|view| Cell::Text(view.definition.clone())))
    }),
    ("pg_get_constraintdef", SqlType::Text, |facts, args| {
        let definition = keys::constraint_definition(&facts.catalog, number(args, 0));
        Ok(definition.map(Cell::Text))
    }),
    ("format_encoding", SqlType::Text, |_, args| {
        let encoding = args[0]
            .as_ref()
            .and_then(|_| super::pg::ENCODINGS.get(number::<usize>(args, 0)));
        Ok(encoding.map(|encoding| Cell::Text((*encoding).into())))
    }),
    ("pg_get_ruledef", SqlType::Text, |_, _| Ok(None)),
    ("pg_get_triggerdef", SqlType::Text, |_, _| Ok(None)),
    ("pg_get_indexdef", SqlType::Text, |facts, args| {
        let definition = keys::index_definition(&facts.catalog, number(args, 0), number(args, 1));
        Ok(definition.map(Cell::Text))
    }),
    ("pg_get_function_result", SqlType::Text, |_, _| Ok(None)),
    ("pg_get_function_arguments", SqlType::Text, |_, _| Ok(None)),
    ("pg_relation_size", SqlType::Int8, size),
    ("pg_table_size", SqlType::Int8, size),
    ("pg_database_size", SqlType::Int8, |facts, args| {
        let name = args[0].clone().unwrap_or_default();
        let database = facts.catalog.database(&name).map(|database| database.oid);
        let database = database.unwrap_or_else(|| number(args, 0));
        let inside = |relation: &&Arc<Relation>| {
            let schema = facts.catalog.schemas.get(&relation.schema);
            schema.is_some_and(|schema| schema.database == database)
        };
        let bytes: u64 = facts
            .catalog
            .relations
            .values()
            .filter(inside)
            .map(|relation| bytes(relation))
            .sum();
        Ok(Some(Cell::Int(bytes as i64)))
    }),
    ("pg_total_relation_size", SqlType::Int8, size),
    // Nothing is behind the index of a key, so nothing scans it.
    ("pg_stat_get_numscans", SqlType::Int8, |_, _| Ok(Some(Cell::Int(0)))),
    ("pg_tablespace_size", SqlType::Int8, |facts, _| {
        let sizes = facts.catalog.relations.values().map(|relation| bytes(relation));
        Ok(Some(Cell::Int(sizes.sum::<u64>() as i64)))
    }),
    ("pg_is_in_recovery", SqlType::Bool, |_, _| Ok(Some(Cell::Bool(false)))),
    ("pg_cancel_backend", SqlType::Int4, |facts, args| {
        signal(facts, number(args, 0), Signals::cancel)
    }),
    ("pg_terminate_backend", SqlType::Int4, |facts, args| {
        signal(facts, number(args, 0), Signals::terminate)
    }),
    ("pg_size_pretty", SqlType::Text, |_, args| {
        Ok(args[0].as_ref().map(|_| Cell::Text(pretty_size(number(args, 0)))))
    }),
    ("pg_tablespace_location", SqlType::Text, |_, _| Ok(None)),
    ("db_collation", SqlType::Text, |_, _| {
        Ok(Some(Cell::Text("case_sensitive".into())))
    }),
    ("current_setting", SqlType::Text, |facts, args| {
        let name = args[0].clone().unwrap_or_default().to_lowercase();
        // Whoever asks for a variable of a session says whether it has to be there.
        let optional = matches!(args.get(1).and_then(Option::as_deref), Some("f" | "false"));
        match facts.settings.get(&name) {
            None if name.contains('.') && !optional => Err(SqlError::new(
                "42704",
                format!("unrecognized configuration parameter \"{name}\""),
            )),
            found => Ok(found.cloned().map(Cell::Text)),
        }
    }),
    // Where it is the whole of a query's column it was done before.
    ("set_config", SqlType::Text, |_, _| {
        Err(SqlError::unsupported("set_config")
            .with_hint("It stands alone in a select list, with its arguments written out."))
    }),
    ("current_schemas", SqlType::TextArray, |facts, args| {
        let hidden = matches!(args[0].as_deref(), Some("t" | "true"));
        let names = hidden.then_some("pg_catalog").into_iter();
        let names = names.chain(facts.path_names.iter().map(String::as_str));
        Ok(Some(Cell::Text(names.collect::<Vec<_>>().join(ITEM))))
    }),
    ("has_table_privilege", SqlType::Bool, |facts, args| {
        Ok(Some(Cell::Bool(privileged(facts, args, "table"))))
    }),
    ("has_schema_privilege", SqlType::Bool, |facts, args| {
        Ok(Some(Cell::Bool(privileged(facts, args, "schema"))))
    }),
    ("has_database_privilege", SqlType::Bool, |_, _| {
        Ok(Some(Cell::Bool(true)))
    }),
    ("has_column_privilege", SqlType::Bool, |_, _| Ok(Some(Cell::Bool(true)))),
    ("pg_has_role", SqlType::Bool, |_, _| Ok(Some(Cell::Bool(true)))),
    ("$regclass", SqlType::Oid, |facts, args| {
        let name = args[0].clone().unwrap_or_default().to_lowercase();
        match name.parse().ok().or_else(|| relation_oid(facts, &name)) {
            Some(oid) => Ok(Some(Cell::Int(oid.into()))),
            None => Err(SqlError::no_relation(name)),
        }
    }),
    ("$relname", SqlType::Name, |facts, args| {
        let Some(text) = &args[0] else { return Ok(None) };
        let relation = text.parse().ok().and_then(|oid: Oid| facts.catalog.relations.get(&oid));
        Ok(Some(Cell::Text(match relation {
            None => text.clone(),
            Some(relation) if relation.temporary || facts.path.contains(&relation.schema) => relation.name.clone(),
            // Where the search path does not lead, the schema has to be said.
            Some(relation) => {
                let schema = facts.catalog.schemas.get(&relation.schema);
                let schema = schema.map(|schema| schema.name.clone()).unwrap_or_default();
                format!("{schema}.{}", relation.name)
            }
        })))
    }),
];

/// Whether there is a function of this name.
pub fn is_function(name: &str) -> bool {
    FUNCTIONS.iter().any(|(known, ..)| *known == name)
}

/// Stands between the items of a list, which travel as one text.
const ITEM: &str = "\u{1f}";

/// Reaches another session; 1 when it is there. Only superusers reach those of others.
fn signal(facts: &Facts, session: u32, send: fn(&Signals)) -> Result<Option<Cell>> {
    let Some(signals) = facts.engine.signals_of(session) else {
        return Ok(Some(Cell::Int(0)));
    };
    let superuser = facts.catalog.users.get(&facts.user).is_some_and(|user| user.superuser);
    if signals.user != facts.user && !superuser {
        return Err(SqlError::new(
            "42501",
            "must be superuser to signal other server processes",
        ));
    }
    send(&signals);
    Ok(Some(Cell::Int(1)))
}

/// A size as PostgreSQL writes it: up to four digits of the largest unit that leaves more than one.
fn pretty_size(bytes: i64) -> String {
    let (mut size, mut unit) = (bytes as f64, "bytes");
    for larger in ["kB", "MB", "GB", "TB", "PB"] {
        if size.abs() < 10_240.0 {
            break;
        }
        (size, unit) = (size / 1024.0, larger);
    }
    format!("{} {unit}", size.round())
}

fn size(facts: &Facts, args: &[Option<String>]) -> Result<Option<Cell>> {
    let named = args[0]
        .as_deref()
        .and_then(|name| relation_oid(facts, &name.to_lowercase()));
    let relation = facts.catalog.relations.get(&named.unwrap_or_else(|| number(args, 0)));
    Ok(relation.map(|relation| Cell::Int(bytes(relation) as i64)))
}

fn bytes(relation: &Relation) -> u64 {
    let segments = relation.table().into_iter().flat_map(|table| &table.segments);
    segments.map(|segment| segment.bytes).sum()
}

fn number<T: std::str::FromStr + Default>(args: &[Option<String>], index: usize) -> T {
    args.get(index)
        .and_then(Option::as_deref)
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or_default()
}

fn relation_oid(facts: &Facts, name: &str) -> Option<Oid> {
    let name = name.replace('"', "");
    let parts: Vec<&str> = name.split('.').collect();
    match parts[..] {
        [system] | ["pg_catalog", system] if super::pg::oid_of(system).is_some() => super::pg::oid_of(system),
        [.., schema, table] => {
            let schema = facts.catalog.schema(facts.database, schema)?;
            Some(facts.catalog.relation(schema.oid, table)?.oid)
        }
        [table] => facts
            .path
            .iter()
            .find_map(|schema| facts.catalog.relation(*schema, table))
            .map(|relation| relation.oid),
        [] => None,
    }
}

/// `(user, object, privilege)` or `(object, privilege)` for the current user.
fn privileged(facts: &Facts, args: &[Option<String>], kind: &str) -> bool {
    let text = |index: usize| args.get(index).cloned().flatten().unwrap_or_default().to_lowercase();
    let (user, object, privilege) = if args.len() == 3 {
        let user = facts
            .catalog
            .user(&text(0))
            .map_or_else(|| number(args, 0), |user| user.oid);
        (user, text(1), text(2))
    } else {
        (facts.user, text(0), text(1))
    };
    if facts.catalog.users.get(&user).is_some_and(|user| user.superuser) {
        return true;
    }
    let (owner, grants) = if kind == "schema" {
        match facts.catalog.schema(facts.database, &object) {
            Some(schema) => (schema.owner, schema.grants.clone()),
            None => return true,
        }
    } else {
        let oid = object.parse().ok().or_else(|| relation_oid(facts, &object));
        match oid.and_then(|oid| facts.catalog.relations.get(&oid)) {
            Some(relation) => (relation.owner, relation.grants.clone()),
            // System views are open to everybody.
            None => return true,
        }
    };
    let covers = |grantee: &Grantee| match grantee {
        Grantee::Public => true,
        Grantee::User(oid) => *oid == user,
        Grantee::Group(oid) => facts
            .catalog
            .groups
            .get(oid)
            .is_some_and(|group| group.members.contains(&user)),
    };
    owner == user
        || grants
            .iter()
            .any(|grant| privilege.contains(&grant.privilege) && covers(&grant.grantee))
}

/// Returns the functions for one statement.
pub fn of(session: &Session) -> HashMap<String, Arc<ScalarUDF>> {
    let Ok(tx) = session.tx() else { return HashMap::new() };
    let path_names = session.search_path();
    let schemas = path_names
        .iter()
        .filter_map(|name| session.find_schema(None, name).ok().flatten())
        .map(|schema| schema.oid);
    let facts = Arc::new(Facts {
        engine: session.engine.clone(),
        catalog: tx.work.clone(),
        user: session.user,
        database: session.database,
        path: std::iter::once(session.temp_schema).chain(schemas).collect(),
        path_names,
        settings: session.all_settings().into_iter().collect(),
    });
    FUNCTIONS
        .iter()
        .map(|(name, returns, body)| {
            let function = CatalogFunction {
                name,
                returns: *returns,
                body: *body,
                facts: facts.clone(),
                // What reaches other sessions, or is refused, must not happen while a statement is only planned.
                signature: Signature::one_of(
                    vec![TypeSignature::VariadicAny, TypeSignature::Nullary],
                    match name.ends_with("_backend") || *name == "set_config" {
                        true => Volatility::Volatile,
                        false => Volatility::Stable,
                    },
                ),
            };
            ((*name).to_string(), Arc::new(ScalarUDF::new_from_impl(function)))
        })
        .collect()
}

struct CatalogFunction {
    name: &'static str,
    returns: SqlType,
    body: Body,
    facts: Arc<Facts>,
    signature: Signature,
}

impl std::fmt::Debug for CatalogFunction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for CatalogFunction {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && Arc::ptr_eq(&self.facts, &other.facts)
    }
}

impl Eq for CatalogFunction {}

impl Hash for CatalogFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for CatalogFunction {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> DfResult<DataType> {
        Ok(self.returns.arrow())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        let scalar = args.args.iter().all(|value| matches!(value, ColumnarValue::Scalar(_)));
        let rows = if scalar { 1 } else { args.number_rows };
        let texts = args
            .args
            .iter()
            .map(|value| Ok(text_array(&value.to_array(rows)?)?))
            .collect::<DfResult<Vec<StringArray>>>()?;
        let mut cells = Vec::with_capacity(rows);
        for row in 0..rows {
            let row: Vec<Option<String>> = texts
                .iter()
                .map(|text| text.is_valid(row).then(|| text.value(row).to_string()))
                .collect();
            cells.push((self.body)(&self.facts, &row)?);
        }
        let array: ArrayRef = match self.returns {
            SqlType::Bool => Arc::new(
                cells
                    .iter()
                    .map(|cell| {
                        if let Some(Cell::Bool(value)) = cell {
                            Some(*value)
                        } else {
                            None
                        }
                    })
                    .collect::<BooleanArray>(),
            ),
            SqlType::TextArray => {
                let mut lists = ListBuilder::new(StringBuilder::new());
                for cell in &cells {
                    let items = cell.as_ref().map(Cell::text);
                    let items = items.iter().flat_map(|items| items.split(ITEM));
                    items.for_each(|item| lists.values().append_value(item));
                    lists.append(cell.is_some());
                }
                Arc::new(lists.finish())
            }
            SqlType::Oid | SqlType::Int4 => Arc::new(
                cells
                    .iter()
                    .map(|cell| {
                        if let Some(Cell::Int(value)) = cell {
                            Some(*value as i32)
                        } else {
                            None
                        }
                    })
                    .collect::<Int32Array>(),
            ),
            SqlType::Int8 => {
                let texts: StringArray = cells.iter().map(|cell| cell.as_ref().map(Cell::text)).collect();
                let numbers = cast(&(Arc::new(texts) as ArrayRef), SqlType::Int8, Mode::Explicit)?;
                Arc::new(numbers.as_primitive::<Int64Type>().clone())
            }
            _ => Arc::new(
                cells
                    .iter()
                    .map(|cell| cell.as_ref().map(Cell::text))
                    .collect::<StringArray>(),
            ),
        };
        if scalar {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?));
        }
        Ok(ColumnarValue::Array(array))
    }
}
