//! Functions that look into the catalog: `format_type`, `pg_get_userbyid`, `has_table_privilege` and their like. They
//! are made for one statement, with that statement's catalog.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int32Array, StringArray};
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{Result as DfResult, ScalarValue};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

use crate::cast::{Mode, cast, text_array};
use crate::catalog::{Catalog, Grantee, Oid};
use crate::error::Result;
use crate::session::Session;
use crate::types::SqlType;
use crate::value::Cell;

struct Facts {
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
        let relation = facts.catalog.relations.get(&number(args, 0));
        Ok(relation
            .and_then(|relation| relation.view())
            .map(|view| Cell::Text(view.definition.clone())))
    }),
    ("pg_get_constraintdef", SqlType::Text, |_, _| Ok(None)),
    ("pg_get_indexdef", SqlType::Text, |_, _| Ok(None)),
    ("pg_get_function_result", SqlType::Text, |_, _| Ok(None)),
    ("pg_get_function_arguments", SqlType::Text, |_, _| Ok(None)),
    ("pg_relation_size", SqlType::Int8, size),
    ("pg_total_relation_size", SqlType::Int8, size),
    ("pg_is_in_recovery", SqlType::Bool, |_, _| Ok(Some(Cell::Bool(false)))),
    ("pg_cancel_backend", SqlType::Bool, |_, _| Ok(Some(Cell::Bool(true)))),
    ("current_setting", SqlType::Text, |facts, args| {
        let name = args[0].clone().unwrap_or_default().to_lowercase();
        Ok(facts.settings.get(&name).cloned().map(Cell::Text))
    }),
    ("set_config", SqlType::Text, |_, args| {
        Ok(args[1].clone().map(Cell::Text))
    }),
    ("current_schemas", SqlType::Text, |facts, _| {
        Ok(Some(Cell::Text(format!("{{{}}}", facts.path_names.join(",")))))
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
        Ok(relation_oid(facts, &name).map(|oid| Cell::Int(oid.into())))
    }),
];

fn size(facts: &Facts, args: &[Option<String>]) -> Result<Option<Cell>> {
    let relation = facts.catalog.relations.get(&number(args, 0));
    let bytes: Option<u64> = relation
        .and_then(|relation| relation.table())
        .map(|table| table.segments.iter().map(|segment| segment.bytes).sum());
    Ok(bytes.map(|bytes| Cell::Int(bytes as i64)))
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
                signature: Signature::variadic_any(Volatility::Stable),
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
            SqlType::Oid => Arc::new(
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
