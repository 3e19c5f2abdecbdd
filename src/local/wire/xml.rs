//! Answers and errors of the two query protocols.

use serde_json::Value;

use super::model::{Kind, Model, Operation, Protocol, Target};
use super::text;
use crate::services::{Fault, Service};

pub fn answer(service: Service, model: &Model, name: &str, operation: &Operation, value: &Value, id: &str) -> String {
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{name}Response xmlns=\"{}\">",
        model.xmlns
    );
    let writer = Writer { service, model };
    if model.protocol == Protocol::Ec2 {
        if !model.xmlns.ends_with('/') {
            // The models leave out the slash that the service writes.
            out.insert(out.len() - 2, '/');
        }
        out.push_str(&format!("<requestId>{id}</requestId>"));
        match operation.output {
            Some(output) => writer.members(output, value, &mut out),
            None => out.push_str("<return>true</return>"),
        }
    } else {
        if let (Some(output), Some(wrapper)) = (operation.output, &operation.wrapper) {
            out.push_str(&format!("<{wrapper}>"));
            writer.members(output, value, &mut out);
            out.push_str(&format!("</{wrapper}>"));
        }
        out.push_str(&format!(
            "<ResponseMetadata><RequestId>{id}</RequestId></ResponseMetadata>"
        ));
    }
    out.push_str(&format!("</{name}Response>"));
    out
}

pub fn error(model: &Model, fault: &Fault, id: &str) -> String {
    let (mut code, mut message) = (String::new(), String::new());
    text::escape(&fault.code, &mut code);
    text::escape(&fault.message, &mut message);
    if model.protocol == Protocol::Ec2 {
        return format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors><RequestID>{id}</RequestID></Response>"
        );
    }
    let kind = if fault.status >= 500 { "Receiver" } else { "Sender" };
    format!(
        "<ErrorResponse xmlns=\"{}\"><Error><Type>{kind}</Type><Code>{code}</Code><Message>{message}</Message></Error><RequestId>{id}</RequestId></ErrorResponse>",
        model.xmlns
    )
}

struct Writer<'a> {
    service: Service,
    model: &'a Model,
}

impl Writer<'_> {
    fn members(&self, shape: usize, value: &Value, out: &mut String) {
        let Kind::Structure { members, .. } = &self.model.shape(shape).kind else {
            return;
        };
        assert!(
            !cfg!(test)
                || value
                    .as_object()
                    .is_none_or(|object| object.keys().all(|key| members.iter().any(|(name, _)| name == key))),
            "an answer has members that the model does not: {value}"
        );
        for (name, target) in members {
            if let Some(value) = value.get(name).filter(|value| !value.is_null()) {
                self.member(target.location.as_deref().unwrap_or(name), target, value, out);
            }
        }
    }

    fn member(&self, tag: &str, target: &Target, value: &Value, out: &mut String) {
        match &self.model.shape(target.shape).kind {
            Kind::List { element, flattened } if *flattened || target.flattened => {
                let tag = element.location.as_deref().unwrap_or(tag);
                for value in value.as_array().into_iter().flatten() {
                    self.tagged(tag, element.shape, value, out);
                }
            }
            _ => self.tagged(tag, target.shape, value, out),
        }
    }

    fn tagged(&self, tag: &str, shape: usize, value: &Value, out: &mut String) {
        let start = out.len();
        out.push('<');
        out.push_str(tag);
        out.push('>');
        let content = out.len();
        self.content(shape, value, out);
        if out.len() == content {
            out.truncate(start);
            out.push('<');
            out.push_str(tag);
            out.push_str("/>");
        } else {
            out.push_str("</");
            out.push_str(tag);
            out.push('>');
        }
    }

    fn content(&self, shape: usize, value: &Value, out: &mut String) {
        match (&self.model.shape(shape).kind, value) {
            (Kind::Structure { .. }, value) => self.members(shape, value, out),
            (Kind::List { element, .. }, Value::Array(values)) => {
                let tag = element.location.as_deref().unwrap_or("member");
                for value in values {
                    self.tagged(tag, element.shape, value, out);
                }
            }
            (
                Kind::Map {
                    key, value: content, ..
                },
                Value::Object(entries),
            ) => {
                for (name, value) in entries {
                    out.push_str("<entry>");
                    self.tagged(
                        key.location.as_deref().unwrap_or("key"),
                        key.shape,
                        &Value::from(name.as_str()),
                        out,
                    );
                    self.tagged(
                        content.location.as_deref().unwrap_or("value"),
                        content.shape,
                        value,
                        out,
                    );
                    out.push_str("</entry>");
                }
            }
            (Kind::Timestamp { .. }, value) => match value {
                Value::Number(seconds) => {
                    let whole = matches!(self.service, Service::Iam | Service::Sts);
                    out.push_str(&text::instant(seconds.as_f64().unwrap_or(0.0), whole));
                }
                value => text::escape(value.as_str().unwrap_or_default(), out),
            },
            (_, Value::String(content)) => text::escape(content, out),
            (_, Value::Null | Value::Array(_) | Value::Object(_)) => {}
            (_, scalar) => out.push_str(&scalar.to_string()),
        }
    }
}
