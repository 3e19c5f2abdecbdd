//! Where a request is meant to go: the scope of its SigV4 signature names account (by the access key), region and
//! service on every request, whatever host it was sent to.

use http::request::Parts;

use super::query;

/// The credential part of a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    pub access_key: String,
    pub region: String,
    pub service: String,
    /// The token that comes with a temporary access key.
    pub token: Option<String>,
}

/// Returns the scope of a signed or presigned request.
pub fn of(parts: &Parts) -> Option<Scope> {
    let header = parts
        .headers
        .get(http::header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    if let Some(header) = header {
        let credential = header.split_once("Credential=")?.1;
        let credential = credential.split([',', ' ']).next()?;
        let token = parts
            .headers
            .get("x-amz-security-token")
            .and_then(|token| token.to_str().ok());
        return parse(credential, header.starts_with("AWS4-ECDSA"), token);
    }
    let query = parts.uri.query().filter(|query| query.contains("X-Amz-Credential"))?;
    let fields = query::parameters(query);
    let token = fields.get("X-Amz-Security-Token").map(String::as_str);
    parse(fields.get("X-Amz-Credential")?, false, token)
}

fn parse(credential: &str, any_region: bool, token: Option<&str>) -> Option<Scope> {
    let mut parts = credential.rsplitn(if any_region { 4 } else { 5 }, '/');
    parts.next().filter(|end| *end == "aws4_request")?;
    let service = parts.next()?.to_owned();
    let region = if any_region {
        String::new()
    } else {
        parts.next()?.to_owned()
    };
    let _date = parts.next()?;
    Some(Scope {
        access_key: parts.next()?.to_owned(),
        region,
        service,
        token: token.map(str::to_owned),
    })
}
