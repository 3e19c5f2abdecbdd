//! SUPER: documents made, looked at and taken apart, and what comparisons of them become.

use std::borrow::Cow;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, BinaryArray, BinaryBuilder, Int64Array, StringArray};
use datafusion::common::{DataFusionError, Result as DfResult};
use datafusion::logical_expr::{Expr, Operator, ScalarUDF, lit};

use super::{Call, Function, Shape, at as text_at, function, number_at, returns};
use crate::cast::{Mode, cast, documents};
use crate::document::{self, Kind, at};
use crate::error::{Result, SqlError};
use crate::rewrite::COMMON;
use crate::types::{SqlType, VARCHAR_MAX};

const PATH: &str = "$path";

/// Any number of arguments.
const MANY: usize = 10_000;

pub const FUNCTIONS: &[Function] = &[
    function(
        "json_parse",
        (1, 1),
        |shape| of_text(shape, "json_parse", SqlType::Super),
        |call| {
            documents::read(&call.text(0)?, |_, invalid| {
                document::invalid(format!(
                    "JSON_PARSE() error: {} at position {}",
                    invalid.reason, invalid.at
                ))
            })
        },
    ),
    function(
        "can_json_parse",
        (1, 1),
        |shape| of_text(shape, "can_json_parse", SqlType::Bool),
        |call| {
            let texts = call.text(0)?;
            call.bools(|row| Ok(text_at(&texts, row).map(|text| document::read(text).is_ok())))
        },
    ),
    function("json_serialize", (1, 1), returns::text, serialize),
    function("json_size", (1, 1), returns::int4, |call| {
        let documents = call.documents(0)?;
        call.ints(|row| Ok(at(&documents, row).map(|document| document.len() as i64)))
    }),
    function("json_typeof", (1, 1), returns::text, type_of),
    function("is_array", (1, 1), returns::bool, |call| {
        is(call, |document| document::kind(document) == Kind::Array)
    }),
    function("is_object", (1, 1), returns::bool, |call| {
        is(call, |document| document::kind(document) == Kind::Object)
    }),
    function("is_scalar", (1, 1), returns::bool, |call| {
        is(call, |document| {
            !matches!(document::kind(document), Kind::Array | Kind::Object)
        })
    }),
    function("is_boolean", (1, 1), returns::bool, |call| {
        is(call, |document| document::kind(document) == Kind::Boolean)
    }),
    function("is_varchar", (1, 1), returns::bool, |call| is(call, is_string)),
    function("is_char", (1, 1), returns::bool, |call| {
        is(call, |document| {
            is_string(document) && document::string(document).is_ascii()
        })
    }),
    function("is_decimal", (1, 1), returns::bool, |call| is(call, is_exact)),
    function("is_float", (1, 1), returns::bool, |call| {
        is(call, |document| {
            document::kind(document) == Kind::Number && document::is_float(document)
        })
    }),
    function("is_smallint", (1, 1), returns::bool, |call| is(call, is_whole::<i16>)),
    function("is_integer", (1, 1), returns::bool, |call| is(call, is_whole::<i32>)),
    function("is_bigint", (1, 1), returns::bool, |call| is(call, is_whole::<i64>)),
    function("decimal_precision", (1, 1), returns::int4, |call| {
        digits(call, |whole, fraction| {
            whole
                .trim_start_matches('0')
                .len()
                .max(usize::from(fraction.is_empty()))
                + fraction.len()
        })
    }),
    function("decimal_scale", (1, 1), returns::int4, |call| {
        digits(call, |_, fraction| fraction.len())
    }),
    function("get_array_length", (1, 1), returns::int8, |call| {
        let documents = call.documents(0)?;
        call.ints(|row| Ok(array_at(&documents, row).map(|array| document::items(array).count() as i64)))
    }),
    function("array", (0, MANY), of_values, |call| {
        let items = call.all_documents()?;
        call.made(|row| {
            Ok(Some(document::array(
                items.iter().map(|item| at(item, row).unwrap_or("null")),
            )))
        })
    }),
    function("object", (0, MANY), of_attributes, object),
    function("$array_concat", (2, 2), super_type, |call| {
        let arrays = call.all_documents()?;
        call.made(|row| {
            let arrays: Option<Vec<&str>> = arrays.iter().map(|array| array_at(array, row)).collect();
            Ok(arrays.map(|arrays| document::array(arrays.into_iter().flat_map(document::items))))
        })
    }),
    function("array_flatten", (1, MANY), of_one, |call| {
        let documents = call.documents(0)?;
        call.made(|row| Ok(array_at(&documents, row).map(flattened)))
    }),
    function("subarray", (3, 3), super_type, subarray),
    function(
        "split_to_array",
        (1, 2),
        |shape| of_text(shape, "split_to_array", SqlType::Super),
        split,
    ),
    function("lower_attribute_names", (1, 1), super_type, |call| {
        renamed(call, "LOWER", str::to_lowercase)
    }),
    function("upper_attribute_names", (1, 1), super_type, |call| {
        renamed(call, "UPPER", str::to_uppercase)
    }),
    function(PATH, (2, MANY), super_type, follow),
    function("$super_key", (1, 1), returns::text, |call| {
        let documents = call.documents(0)?;
        call.texts(|row| Ok(at(&documents, row).map(document::key)))
    }),
    function("$super_order", (2, 2), returns::int4, |call| {
        let (left, right) = (call.documents(0)?, call.documents(1)?);
        call.ints(|row| {
            at(&left, row)
                .zip(at(&right, row))
                .map_or(Ok(None), |(left, right)| order(left, right))
        })
    }),
];

/// What comparisons of documents are planned as.
#[derive(Clone, Debug)]
pub struct Comparisons {
    cast: Arc<ScalarUDF>,
    key: Arc<ScalarUDF>,
    order: Arc<ScalarUDF>,
    path: Arc<ScalarUDF>,
}

impl Comparisons {
    /// Takes its functions from those of a planner.
    pub fn of<'a>(functions: impl Fn(&str) -> Option<&'a Arc<ScalarUDF>>) -> DfResult<Self> {
        let function = |name: &str| {
            let found = functions(name).cloned();
            found.ok_or_else(|| DataFusionError::from(SqlError::internal(format!("{name} is missing"))))
        };
        Ok(Self {
            cast: function("$cast")?,
            key: function("$super_key")?,
            order: function("$super_order")?,
            path: function(PATH)?,
        })
    }

    /// Makes a document of what is none yet.
    pub fn document(&self, expr: Expr, sql_type: SqlType) -> Expr {
        match sql_type {
            SqlType::Super => expr,
            _ => self.cast.call(vec![expr, lit(SqlType::Super.to_string())]),
        }
    }

    /// What a step from a document leads to. Further steps go on with the path.
    pub fn step(&self, from: Expr, step: Expr) -> Expr {
        let args = match from {
            Expr::ScalarFunction(path) if path.name() == PATH => [path.args, vec![step]].concat(),
            from => vec![from, step],
        };
        self.path.call(args)
    }

    /// A text that stands for a document where it is compared, grouped or sorted.
    pub fn key(&self, expr: Expr, sql_type: SqlType) -> Expr {
        self.key.call(vec![self.document(expr, sql_type)])
    }

    /// Returns the sides of a comparison of which one is a document at least, such that the same operator compares them.
    pub fn sides(&self, op: Operator, left: (Expr, SqlType), right: (Expr, SqlType)) -> Option<(Expr, Expr)> {
        match op {
            Operator::Eq | Operator::NotEq | Operator::IsDistinctFrom | Operator::IsNotDistinctFrom => {
                Some((self.key(left.0, left.1), self.key(right.0, right.1)))
            }
            Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq => {
                let sides = [left, right].map(|(expr, sql_type)| self.document(expr, sql_type));
                Some((self.order.call(sides.into()), lit(0_i32)))
            }
            _ => None,
        }
    }
}

/// What is not done with documents.
pub fn unsupported(what: impl std::fmt::Display) -> SqlError {
    SqlError::unsupported(format!("{what} of data type super"))
}

/// Functions of other tables that take documents as they are.
const OTHERS: [&str; 3] = ["$cast", "$try_cast", "$assign"];

/// Whether a function of the library takes documents.
pub fn takes(name: &str) -> bool {
    name == COMMON || OTHERS.contains(&name) || FUNCTIONS.iter().any(|function| function.name == name)
}

/// Whether a call has to do with documents.
pub fn concerns(name: &str, args: &[Expr]) -> bool {
    match OTHERS.contains(&name) {
        true => args.last() == Some(&lit(SqlType::Super.to_string())),
        false => name != COMMON && takes(name),
    }
}

/// The name of a function as it was called.
pub fn called(name: &str) -> &str {
    name.trim_start_matches('$')
}

impl Call<'_> {
    /// The argument as documents.
    fn documents(&self, index: usize) -> Result<BinaryArray> {
        let documents = cast(&self.args[index], SqlType::Super, Mode::Explicit)?;
        Ok(documents.as_binary::<i32>().clone())
    }

    fn all_documents(&self) -> Result<Vec<BinaryArray>> {
        (0..self.len()).map(|index| self.documents(index)).collect()
    }

    /// Maps rows to documents.
    fn made(&self, mut value: impl FnMut(usize) -> Result<Option<String>>) -> Result<ArrayRef> {
        let mut documents = BinaryBuilder::new();
        for row in 0..self.rows {
            let document = value(row)?;
            if document
                .as_ref()
                .is_some_and(|document| document.len() > document::LIMIT)
            {
                return Err(document::too_large());
            }
            documents.append_option(document);
        }
        Ok(Arc::new(documents.finish()))
    }
}

fn super_type(_: &Shape) -> Result<SqlType> {
    Ok(SqlType::Super)
}

/// What takes text takes it alone.
fn of_text(shape: &Shape, name: &str, returned: SqlType) -> Result<SqlType> {
    match shape.types.iter().find(|sql_type| !sql_type.is_text()) {
        None => Ok(returned),
        Some(other) => Err(SqlError::new(
            "42883",
            format!("function {name}({}) does not exist", other.base_name()),
        )),
    }
}

fn of_one(shape: &Shape) -> Result<SqlType> {
    match shape.types {
        [_] => Ok(SqlType::Super),
        _ => Err(SqlError::unsupported("array_flatten of several arrays")),
    }
}

fn of_values(shape: &Shape) -> Result<SqlType> {
    convertible("ARRAY", shape.types)
}

fn of_attributes(shape: &Shape) -> Result<SqlType> {
    if !shape.types.len().is_multiple_of(2) {
        return Err(SqlError::new("42883", "OBJECT needs a value for every key"));
    }
    let keys = shape.types.iter().step_by(2);
    if let Some(other) = keys.into_iter().find(|key| !key.is_text()) {
        return Err(SqlError::new(
            "42804",
            format!("OBJECT keys must be varchar, not {}", other.base_name()),
        ));
    }
    convertible("OBJECT", shape.types)
}

fn convertible(function: &str, types: &[SqlType]) -> Result<SqlType> {
    match types.iter().find(|sql_type| !sql_type.is_document_too()) {
        Some(dated) => Err(SqlError::new(
            "42846",
            format!("{function} could not convert type {} to super", dated.base_name()),
        )),
        None => Ok(SqlType::Super),
    }
}

fn serialize(call: &Call) -> Result<ArrayRef> {
    let documents = call.documents(0)?;
    call.texts(|row| match at(&documents, row) {
        Some(document) if document.len() > VARCHAR_MAX as usize => Err(document::invalid(format!(
            "JSON_SERIALIZE() error: the result exceeds the max size of {VARCHAR_MAX} bytes"
        ))),
        document => Ok(document.map(str::to_string)),
    })
}

fn type_of(call: &Call) -> Result<ArrayRef> {
    let documents = call.documents(0)?;
    call.texts(|row| {
        let name = match at(&documents, row).map_or(Kind::Null, document::kind) {
            Kind::Boolean => "boolean",
            Kind::Number => "number",
            Kind::String => "string",
            Kind::Array => "array",
            Kind::Object => "object",
            Kind::Null => "null",
        };
        Ok(Some(name.to_string()))
    })
}

/// What is asked of a null is false.
fn is(call: &Call, what: impl Fn(&str) -> bool) -> Result<ArrayRef> {
    let documents = call.documents(0)?;
    call.bools(|row| Ok(Some(at(&documents, row).is_some_and(&what))))
}

fn is_string(document: &str) -> bool {
    document::kind(document) == Kind::String
}

fn is_exact(document: &str) -> bool {
    document::kind(document) == Kind::Number && !document::is_float(document)
}

fn is_whole<T: std::str::FromStr>(document: &str) -> bool {
    is_exact(document) && document.parse::<T>().is_ok()
}

/// Counts the digits of exact numbers before and behind the point.
fn digits(call: &Call, count: impl Fn(&str, &str) -> usize) -> Result<ArrayRef> {
    let documents = call.documents(0)?;
    call.ints(|row| {
        let number = at(&documents, row).filter(|document| is_exact(document));
        Ok(number.map(|number| {
            let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
            count(whole.trim_start_matches('-'), fraction) as i64
        }))
    })
}

fn array_at(documents: &BinaryArray, row: usize) -> Option<&str> {
    at(documents, row).filter(|document| document::kind(document) == Kind::Array)
}

/// Takes arrays out of an array, however deep they are.
fn flattened(array: &str) -> String {
    let mut items = Vec::new();
    leaves(array, &mut items);
    document::array(items)
}

fn leaves<'a>(array: &'a str, found: &mut Vec<&'a str>) {
    for item in document::items(array) {
        match document::kind(item) {
            Kind::Array => leaves(item, found),
            _ => found.push(item),
        }
    }
}

/// Follows a path of names and numbers, which count from zero. One that leads nowhere leads to null.
fn follow(call: &Call) -> Result<ArrayRef> {
    enum Steps {
        Names(StringArray),
        Places(Int64Array),
    }
    let documents = call.documents(0)?;
    let steps = (1..call.len()).map(|index| {
        Ok(match SqlType::from_arrow(call.args[index].data_type()).is_text() {
            true => Steps::Names(call.text(index)?),
            false => Steps::Places(call.int(index)?),
        })
    });
    let steps = steps.collect::<Result<Vec<Steps>>>()?;
    let found = |row| {
        steps
            .iter()
            .try_fold(at(&documents, row)?, |document, step| match step {
                Steps::Names(names) => document::attribute(document, text_at(names, row)?),
                Steps::Places(places) => document::item(document, number_at(places, row)?),
            })
    };
    call.made(|row| {
        Ok(found(row)
            .filter(|found| document::kind(found) != Kind::Null)
            .map(str::to_string))
    })
}

fn object(call: &Call) -> Result<ArrayRef> {
    let parts = call.all_documents()?;
    call.made(|row| {
        let mut attributes = Vec::with_capacity(parts.len() / 2);
        for pair in parts.chunks_exact(2) {
            let name = at(&pair[0], row).ok_or_else(|| document::invalid("OBJECT() error: a key is null"))?;
            attributes.push((Cow::Borrowed(name), Cow::Borrowed(at(&pair[1], row).unwrap_or("null"))));
        }
        let object = document::object(&attributes);
        object
            .map(Some)
            .map_err(|name| document::invalid(format!("OBJECT() error: duplicate attribute {name}")))
    })
}

/// Positions count from zero, those below it from the end.
fn subarray(call: &Call) -> Result<ArrayRef> {
    let (arrays, starts, lengths) = (call.documents(0)?, call.int(1)?, call.int(2)?);
    call.made(|row| {
        let (Some(array), Some(start), Some(length)) = (
            array_at(&arrays, row),
            number_at(&starts, row),
            number_at(&lengths, row),
        ) else {
            return Ok(None);
        };
        let length = usize::try_from(length).unwrap_or(0);
        let items: Vec<&str> = document::items(array).collect();
        let start = match usize::try_from(start) {
            Ok(start) => start,
            Err(_) => items
                .len()
                .saturating_sub(usize::try_from(start.unsigned_abs()).unwrap_or(usize::MAX)),
        };
        Ok(Some(document::array(items.into_iter().skip(start).take(length))))
    })
}

fn split(call: &Call) -> Result<ArrayRef> {
    let texts = call.text(0)?;
    let delimiters = (call.len() > 1).then(|| call.text(1)).transpose()?;
    call.made(|row| {
        let delimiter = delimiters
            .as_ref()
            .map_or(Some(","), |delimiters| text_at(delimiters, row));
        let Some((text, delimiter)) = text_at(&texts, row).zip(delimiter) else {
            return Ok(None);
        };
        let parts = match delimiter {
            "" => vec![text],
            delimiter => text.split(delimiter).collect(),
        };
        let strings: Vec<String> = parts
            .into_iter()
            .map(|part| {
                let mut string = String::new();
                document::write_string(part, &mut string);
                string
            })
            .collect();
        Ok(Some(document::array(strings.iter().map(String::as_str))))
    })
}

fn renamed(call: &Call, function: &str, rename: fn(&str) -> String) -> Result<ArrayRef> {
    let documents = call.documents(0)?;
    call.made(|row| {
        let document = at(&documents, row).map(|document| with_names(document, rename));
        document.transpose().map_err(|name| {
            document::invalid(format!(
                "{function}_ATTRIBUTE_NAMES() error: duplicate attribute {name}"
            ))
        })
    })
}

/// Changes the names of all attributes, however deep, or returns one that is there twice then.
fn with_names(document: &str, rename: fn(&str) -> String) -> Result<String, String> {
    match document::kind(document) {
        Kind::Object => {
            let attributes: Vec<(Cow<str>, Cow<str>)> = document::attributes(document)
                .map(|(name, value)| {
                    let mut renamed = String::new();
                    document::write_string(&rename(&document::string(name)), &mut renamed);
                    Ok((renamed.into(), with_names(value, rename)?.into()))
                })
                .collect::<Result<_, String>>()?;
            document::object(&attributes)
        }
        Kind::Array => {
            let items = document::items(document).map(|item| with_names(item, rename));
            let items = items.collect::<Result<Vec<String>, String>>()?;
            Ok(document::array(items.iter().map(String::as_str)))
        }
        _ => Ok(document.to_string()),
    }
}

/// Compares two documents of one kind. Those of different kinds are neither less nor more.
fn order(left: &str, right: &str) -> Result<Option<i64>> {
    match (document::kind(left), document::kind(right)) {
        (Kind::Array | Kind::Object, Kind::Array | Kind::Object) => Err(SqlError::unsupported(
            "< and > of arrays and objects of data type super",
        )),
        (a, b) if a != b => Ok(None),
        _ => Ok(Some(document::key(left).cmp(&document::key(right)) as i64)),
    }
}
