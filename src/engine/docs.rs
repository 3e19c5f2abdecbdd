//! The kinds for readers and for editors: Markdown and JSON Schema, both made from the tables that check uses.

use crate::kind::Kind;
use crate::rules::CODES;
use crate::schema::{Change, Compare, Field, Identity, Need, Type};
use serde_json::{Map, Value as Json, json};
use std::fmt::Write as _;

/// Returns a JSON Schema (draft 2020-12) of stack files.
pub fn json_schema() -> Json {
    let mut properties = Map::new();
    properties.insert("stack".into(), stack_schema());
    properties.insert(
        "var".into(),
        json!({
            "type": "object", "description": "Variables: a default, or a table with `type` and `default`.",
            "additionalProperties": { "anyOf": [
                { "type": ["string", "integer", "boolean", "array"] },
                { "type": "object", "additionalProperties": false, "properties": {
                    "type": { "enum": crate::expand::VARIABLE_TYPES }, "default": {}, "doc": { "type": "string" },
                } },
            ] },
        }),
    );
    properties.insert("env".into(), json!({ "type": "object", "description": "Overlays by environment.", "additionalProperties": { "type": "object" } }));
    properties.insert("moved".into(), json!({ "type": "object", "description": "New addresses by old ones.", "additionalProperties": { "type": "string" } }));
    properties.insert("removed".into(), json!({ "description": "Addresses to forget without deleting.", "type": ["array", "string"], "items": { "type": "string" } }));
    let mut definitions = Map::new();
    for kind in Kind::ALL {
        let reference = format!("#/$defs/{kind}");
        properties.insert(
            kind.to_string(),
            json!({ "type": "object", "description": kind.schema().doc, "additionalProperties": { "$ref": reference } }),
        );
        definitions.insert(kind.to_string(), kind_schema(*kind));
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "lakeform stack file",
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
        "$defs": definitions,
    })
}

fn stack_schema() -> Json {
    json!({
        "type": "object",
        "required": ["name"],
        "additionalProperties": false,
        "properties": {
            "name": { "type": "string", "pattern": "^[a-z][a-z0-9-]{0,31}$", "description": "Becomes part of AWS names." },
            "region": { "type": "string", "default": "us-east-1" },
            "cloud": { "enum": ["local", "aws"], "default": "local" },
            "account": { "type": "string", "description": "The twelve digits of the AWS account; needed on AWS." },
            "endpoint": { "type": "string", "description": "Where AWS requests go instead of to AWS; with `cloud = \"aws\"`." },
            "state": { "type": "string", "pattern": "^s3://", "description": "Where a team keeps the state of a stack on AWS: `s3://bucket/prefix`." },
            "tags": { "type": "object", "additionalProperties": { "type": "string" } },
        },
    })
}

fn kind_schema(kind: Kind) -> Json {
    let schema = kind.schema();
    let mut properties: Map<String, Json> = schema
        .fields
        .iter()
        .map(|field| (field.name.to_owned(), field_schema(field)))
        .collect();
    let list_or_one = json!({ "type": ["array", "string"], "items": { "type": "string" } });
    properties.insert("depends_on".into(), list_or_one.clone());
    properties.insert("protect".into(), json!({ "type": "boolean" }));
    if schema.taggable {
        properties.insert(
            "tags".into(),
            json!({ "type": "object", "additionalProperties": { "type": "string" } }),
        );
    }
    match kind {
        Kind::Vpc => {
            properties.insert("zones".into(), list_or_one);
            let tier = json!({
                "type": "object",
                "required": ["cidr"],
                "additionalProperties": false,
                "properties": {
                    "cidr": { "type": "string" }, "internet": { "type": "boolean" },
                    "nat": { "type": "boolean" }, "s3_endpoint": { "type": "boolean" },
                },
            });
            properties.insert(
                "tiers".into(),
                json!({ "type": "object", "additionalProperties": tier }),
            );
        }
        Kind::Role => {
            let grants = json!({
                "type": "object", "additionalProperties": false,
                "properties": { "read": list_or_one, "write": list_or_one },
            });
            properties.insert("grants".into(), grants);
        }
        _ => {}
    }
    let required: Vec<&str> = required(schema.fields);
    json!({
        "type": "object", "description": schema.doc, "additionalProperties": false, "required": required, "properties": properties,
    })
}

fn required(fields: &[Field]) -> Vec<&'static str> {
    fields
        .iter()
        .filter(|field| field.need == Need::Required)
        .map(|field| field.name)
        .collect()
}

fn field_schema(field: &Field) -> Json {
    let mut schema = type_schema(&field.ty);
    schema["description"] = field.doc.into();
    match field.need {
        Need::Bool(bool) => schema["default"] = bool.into(),
        Need::Int(int) => schema["default"] = int.into(),
        Need::Text(text) => schema["default"] = text.into(),
        Need::Required | Need::Optional | Need::Free | Need::Empty | Need::StackName => {}
    }
    schema
}

fn type_schema(ty: &Type) -> Json {
    // A variable may stand wherever a value may.
    let or_variable = |plain: Json| json!({ "anyOf": [plain, { "type": "string", "pattern": "^\\$\\{.+\\}$" }] });
    match ty {
        Type::Bool => or_variable(json!({ "type": "boolean" })),
        Type::Int { min, max } => {
            let mut plain = json!({ "type": "integer" });
            if *min != i64::MIN {
                plain["minimum"] = (*min).into();
            }
            if *max != i64::MAX {
                plain["maximum"] = (*max).into();
            }
            or_variable(plain)
        }
        Type::Text => json!({ "type": "string" }),
        Type::OneOf(choices) => or_variable(json!({ "enum": choices })),
        Type::Cidr | Type::CidrV6 => json!({ "type": "string" }),
        Type::Policy | Type::Json => json!({ "type": ["object", "string"] }),
        Type::Ref { kinds, .. } => {
            let kinds = kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join("|");
            json!({ "type": "string", "pattern": format!("^(({kinds})\\.|\\$\\{{)") })
        }
        Type::RefOr { .. } => json!({ "type": "string" }),
        Type::List(inner) => {
            let inner = type_schema(inner);
            json!({ "anyOf": [{ "type": "array", "items": inner }, inner] })
        }
        Type::Map(inner) if matches!(**inner, Type::Text) => {
            json!({ "type": "object", "additionalProperties": { "type": ["string", "integer", "boolean"] } })
        }
        Type::Map(inner) => json!({ "type": "object", "additionalProperties": type_schema(inner) }),
        Type::Table(fields) => {
            let properties: Map<String, Json> = fields
                .iter()
                .map(|field| (field.name.to_owned(), field_schema(field)))
                .collect();
            json!({ "type": "object", "additionalProperties": false, "required": required(fields), "properties": properties })
        }
    }
}

/// Returns every kind with its fields and outputs, as Markdown.
pub fn kinds_markdown() -> String {
    let mut text = String::new();
    for kind in Kind::ALL {
        let schema = kind.schema();
        writeln!(text, "### `{kind}`\n\n{}\n", schema.doc).expect("string");
        writeln!(
            text,
            "| field | type | when absent | a change | |\n| --- | --- | --- | --- | --- |"
        )
        .expect("string");
        fields_markdown(&mut text, "", schema.fields);
        if !schema.outputs.is_empty() {
            let outputs = schema
                .outputs
                .iter()
                .map(|output| format!("`{}` ({})", output.name, output.doc.trim_end_matches('.')));
            writeln!(text, "\nOffers {}.", outputs.collect::<Vec<_>>().join(", ")).expect("string");
        }
        let known = match schema.identity {
            Identity::Assigned => "AWS gives it an id; tags say whose it is.".to_owned(),
            Identity::Named(field) => format!("AWS knows it by its `{field}`."),
            Identity::Address => "It is known by its address alone.".to_owned(),
        };
        writeln!(
            text,
            "\n{known}{}\n",
            if schema.taggable { "" } else { " It cannot be tagged." }
        )
        .expect("string");
    }
    text
}

fn fields_markdown(text: &mut String, path: &str, fields: &[Field]) {
    for field in fields {
        let absent = match field.need {
            Need::Required => "**must be there**".to_owned(),
            Need::Optional => "not set".to_owned(),
            Need::Free => "as it is".to_owned(),
            Need::Bool(bool) => format!("`{bool}`"),
            Need::Int(int) => format!("`{int}`"),
            Need::Text("") => "empty".to_owned(),
            Need::Text(text) => format!("`{}`", text.replace('|', "\\|")),
            Need::Empty => "empty".to_owned(),
            Need::StackName => "`<stack>-<name>`".to_owned(),
        };
        let change = match (field.change, field.compare) {
            (_, Compare::Fingerprint) if field.secret => "secret",
            (Change::Replace, _) => "a new object",
            (Change::InPlace(disruption), _) => disruption.as_str(),
        };
        let doc = field.doc.replace('|', "\\|");
        writeln!(
            text,
            "| `{path}{}` | {} | {absent} | {change} | {doc} |",
            field.name,
            type_name(&field.ty)
        )
        .expect("string");
        if let Some(inner) = table_of(&field.ty) {
            fields_markdown(text, &format!("{path}{}.", field.name), inner);
        }
    }
}

fn table_of(ty: &Type) -> Option<&'static [Field]> {
    match ty {
        Type::Table(fields) => Some(fields),
        Type::List(inner) => table_of(inner),
        _ => None,
    }
}

fn type_name(ty: &Type) -> String {
    let kinds_of = |kinds: &[Kind]| {
        kinds
            .iter()
            .map(|kind| format!("`{kind}`"))
            .collect::<Vec<_>>()
            .join(" or ")
    };
    match ty {
        Type::Bool => "yes or no".to_owned(),
        Type::Int { min: i64::MIN, .. } => "number".to_owned(),
        Type::Int { min, max: i64::MAX } => format!("number from {min}"),
        Type::Int { min, max } => format!("number, {min} to {max}"),
        Type::Text => "text".to_owned(),
        Type::OneOf(choices) => choices
            .iter()
            .map(|choice| format!("`{choice}`"))
            .collect::<Vec<_>>()
            .join(", "),
        Type::Cidr => "IPv4 block".to_owned(),
        Type::CidrV6 => "IPv6 block".to_owned(),
        Type::Policy => "policy".to_owned(),
        Type::Json => "JSON".to_owned(),
        Type::Ref { kinds, .. } => kinds_of(kinds),
        Type::RefOr { kinds, .. } => format!("{} or text", kinds_of(kinds)),
        Type::List(inner) => format!("list of {}", type_name(inner)),
        Type::Map(inner) => format!("table of {}", type_name(inner)),
        Type::Table(_) => "table".to_owned(),
    }
}

/// Returns the codes of problems with what they mean, as Markdown.
pub fn codes_markdown() -> String {
    CODES
        .iter()
        .fold("| code | |\n| --- | --- |\n".to_owned(), |mut text, (code, doc)| {
            writeln!(text, "| `{code}` | {doc} |").expect("string");
            text
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_for_editors_knows_every_field_of_every_kind() {
        let schema = json_schema();
        for kind in Kind::ALL {
            for field in kind.schema().fields {
                assert!(
                    schema["$defs"][kind.as_str()]["properties"][field.name]["description"].is_string(),
                    "{kind}.{}",
                    field.name
                );
            }
        }
    }

    #[test]
    fn the_docs_name_every_kind_and_field() {
        let text = kinds_markdown();
        for kind in Kind::ALL {
            assert!(text.contains(&format!("### `{kind}`")));
            assert!(
                kind.schema()
                    .fields
                    .iter()
                    .all(|field| text.contains(&format!("| `{}` |", field.name)))
            );
        }
        assert!(codes_markdown().lines().count() == CODES.len() + 2);
    }
}
