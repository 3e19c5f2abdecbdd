//! The protocols of all services but S3: ec2Query, awsQuery, awsJson and rpcv2Cbor, driven by one table of operations
//! and shapes. A request becomes an operation and an input keyed by the model's member names, already validated; an
//! answer or fault becomes the bytes that clients expect.

mod cbor;
mod check;
mod json;
pub mod model;
pub mod query;
pub mod scope;
pub mod signature;
mod text;
mod xml;

use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use serde_json::Value;

use crate::services::{Answer, Fault, Service};
use crate::{Body, text_body};
use model::Protocol;

/// How the client wrote, and so how it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Xml,
    Json,
    Cbor,
}

/// A request whose operation is known.
pub struct Request {
    pub operation: String,
    pub input: Value,
    pub format: Format,
}

/// A refusal before the operation ran.
pub struct Refusal {
    pub operation: String,
    pub fault: Fault,
    pub format: Format,
}

/// Reads a request to `service`.
pub fn read(service: Service, parts: &http::request::Parts, body: &[u8]) -> Result<Request, Refusal> {
    let model = model::of(service);
    let format = match model.protocol {
        Protocol::Ec2 | Protocol::Query => Format::Xml,
        Protocol::Json if parts.headers.contains_key("smithy-protocol") => Format::Cbor,
        Protocol::Json => Format::Json,
    };
    let mut parameters = None;
    let operation = match format {
        Format::Xml => {
            let mut found = query::parameters(parts.uri.query().unwrap_or_default());
            found.extend(query::parameters(&String::from_utf8_lossy(body)));
            let operation = found.get("Action").cloned().unwrap_or_default();
            parameters = Some(found);
            operation
        }
        Format::Json => {
            let target = text_header(&parts.headers, "x-amz-target");
            match target.rsplit_once('.') {
                Some((prefix, operation)) if prefix == model.target => operation.to_owned(),
                _ => String::new(),
            }
        }
        // The path is /service/<target prefix>/operation/<operation>.
        Format::Cbor => parts.uri.path().rsplit('/').next().unwrap_or_default().to_owned(),
    };
    let refuse = |fault| Refusal {
        operation: operation.clone(),
        fault,
        format,
    };
    if operation.is_empty() {
        return Err(refuse(missing_operation(format)));
    }
    let Some(known) = model.operation(&operation) else {
        return Err(refuse(Fault::unknown_operation(service.scope(), &operation)));
    };
    let input = match (format, &parameters) {
        (Format::Xml, Some(parameters)) => query::input(model, known.input, parameters).map_err(|problem| {
            refuse(match problem {
                query::Problem::Unknown(name) => check::unknown_parameter(service, &name),
                query::Problem::Type(name, wanted) => check::wrong_type(service, &name, wanted),
            })
        })?,
        (Format::Cbor, _) => {
            cbor::read(body).ok_or_else(|| refuse(Fault::bad("SerializationException", "the body is not CBOR")))?
        }
        _ if body.is_empty() => Value::Object(serde_json::Map::new()),
        _ => serde_json::from_slice(body).map_err(|cause| {
            refuse(Fault::bad(
                "SerializationException",
                format!("the body is not JSON: {cause}"),
            ))
        })?,
    };
    let input = check::checked(service, model, known.input, input).map_err(refuse)?;
    Ok(Request {
        operation,
        input,
        format,
    })
}

fn missing_operation(format: Format) -> Fault {
    match format {
        Format::Xml => Fault::bad("MissingAction", "The request must contain the parameter Action"),
        Format::Json | Format::Cbor => Fault::bad(
            "UnknownOperationException",
            "the request names no operation of this service",
        ),
    }
}

/// Writes an answer or a fault of `operation`.
pub fn write(service: Service, operation: &str, format: Format, answer: Answer, id: &str) -> Response<Body> {
    let model = model::of(service);
    let known = model.operation(operation);
    let (status, body) = match (answer, known) {
        (Ok(value), Some(known)) => {
            let body = match (format, known.output) {
                (Format::Xml, _) => xml::answer(service, model, operation, known, &value, id).into_bytes(),
                (_, None) => Vec::new(),
                (Format::Json, Some(output)) => json::answer(model, output, value).to_string().into_bytes(),
                (Format::Cbor, Some(output)) => {
                    let mut out = Vec::new();
                    cbor::write(model, Some(output), &value, &mut out);
                    out
                }
            };
            (200, body)
        }
        (Ok(_), None) => {
            return write(
                service,
                operation,
                format,
                Err(Fault::unknown_operation(service.scope(), operation)),
                id,
            );
        }
        (Err(mut fault), _) => {
            if let Some((code, status)) = model.fault(&fault.code) {
                fault.code = code.to_owned();
                fault.status = status;
            }
            let body = match format {
                Format::Xml => xml::error(model, &fault, id).into_bytes(),
                Format::Json => json::error(&fault).to_string().into_bytes(),
                Format::Cbor => {
                    let mut out = Vec::new();
                    cbor::write(model, None, &json::error(&fault), &mut out);
                    out
                }
            };
            (fault.status, body)
        }
    };
    let content = match format {
        Format::Xml => "text/xml;charset=UTF-8",
        Format::Json => "application/x-amz-json-1.1",
        Format::Cbor => "application/cbor",
    };
    let mut response = Response::new(text_body(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content));
    if format == Format::Cbor {
        headers.insert("smithy-protocol", HeaderValue::from_static("rpc-v2-cbor"));
    }
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert("x-amzn-requestid", id);
    }
    response
}

fn text_header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests;
