//! Verification of SigV4 signatures, for requests that come from beyond this machine. Requests in process and over
//! loopback are trusted: their signature only names account, region and service.

use std::collections::BTreeMap;

use http::request::Parts;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::{Digest, Sha256};

use super::query;
use crate::services::Fault;

/// What RFC 3986 leaves as it is.
const STRICT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// How far a client's clock may be off.
const SKEW_SECONDS: f64 = 15.0 * 60.0;
const BLOCK: usize = 64;

/// The parts of a signature, wherever the request carries them.
struct Signature {
    /// `20260101/eu-west-1/ec2/aws4_request`.
    scope: String,
    signed_headers: Vec<String>,
    signature: String,
    /// `20260101T000000Z`.
    date: String,
    /// Seconds for which a presigned request is good.
    expires: Option<f64>,
}

/// Checks the signature of a request against the secret of its access key. `body` is none where only the declared hash
/// is known, as with streamed objects.
pub fn verify(parts: &Parts, body: Option<&[u8]>, secret: &str, now: f64) -> Result<(), Fault> {
    let mismatch = || {
        let message = "The request signature we calculated does not match the signature you provided.";
        Fault::new(403, "SignatureDoesNotMatch", message)
    };
    let found = signature(parts).ok_or_else(mismatch)?;
    let signed_at = seconds(&found.date).ok_or_else(mismatch)?;
    let late = match found.expires {
        Some(expires) => now > signed_at + expires || now < signed_at - SKEW_SECONDS,
        None => (now - signed_at).abs() > SKEW_SECONDS,
    };
    if late {
        return Err(Fault::new(
            403,
            "RequestExpired",
            "The signature has expired or is not yet valid.",
        ));
    }
    let declared = header(parts, "x-amz-content-sha256");
    let payload = match (declared, body, found.expires) {
        (Some(declared), Some(body), _) if declared.len() == BLOCK => {
            if declared != hex(&Sha256::digest(body)) {
                return Err(mismatch());
            }
            declared
        }
        (Some(declared), ..) => declared,
        (None, _, Some(_)) => "UNSIGNED-PAYLOAD".to_owned(),
        (None, body, None) => hex(&Sha256::digest(body.unwrap_or_default())),
    };
    let request = canonical_request(parts, &found, &payload).ok_or_else(mismatch)?;
    let request = hex(&Sha256::digest(request.as_bytes()));
    let text = format!("{ALGORITHM}\n{}\n{}\n{request}", found.date, found.scope);
    let mut key = format!("AWS4{secret}").into_bytes();
    for part in found.scope.split('/') {
        key = hmac(&key, part.as_bytes());
    }
    let expected = hex(&hmac(&key, text.as_bytes()));
    // Compared without stopping at the first difference.
    let different = expected
        .bytes()
        .zip(found.signature.bytes())
        .fold(0, |sum, (left, right)| sum | (left ^ right));
    if different == 0 && expected.len() == found.signature.len() {
        Ok(())
    } else {
        Err(mismatch())
    }
}

fn header(parts: &Parts, name: &str) -> Option<String> {
    parts
        .headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned)
}

fn signature(parts: &Parts) -> Option<Signature> {
    let scope = |credential: &str| credential.split_once('/').map(|(_, scope)| scope.to_owned());
    if let Some(header_text) = header(parts, "authorization") {
        let fields: BTreeMap<&str, &str> = header_text
            .strip_prefix(ALGORITHM)?
            .split(',')
            .filter_map(|field| field.trim().split_once('='))
            .collect();
        return Some(Signature {
            scope: scope(fields.get("Credential")?)?,
            signed_headers: fields.get("SignedHeaders")?.split(';').map(str::to_owned).collect(),
            signature: (*fields.get("Signature")?).to_owned(),
            date: header(parts, "x-amz-date")?,
            expires: None,
        });
    }
    let fields = query::parameters(parts.uri.query()?);
    if fields.get("X-Amz-Algorithm")? != ALGORITHM {
        return None;
    }
    Some(Signature {
        scope: scope(fields.get("X-Amz-Credential")?)?,
        signed_headers: fields
            .get("X-Amz-SignedHeaders")?
            .split(';')
            .map(str::to_owned)
            .collect(),
        signature: fields.get("X-Amz-Signature")?.clone(),
        date: fields.get("X-Amz-Date")?.clone(),
        expires: Some(fields.get("X-Amz-Expires")?.parse().ok()?),
    })
}

fn seconds(date: &str) -> Option<f64> {
    let instant = chrono::NaiveDateTime::parse_from_str(date, "%Y%m%dT%H%M%SZ").ok()?;
    Some(instant.and_utc().timestamp() as f64)
}

fn canonical_request(parts: &Parts, found: &Signature, payload: &str) -> Option<String> {
    let path = parts.uri.path();
    // S3 signs the path as sent, all others encode it once more.
    let path = if found.scope.contains("/s3/") {
        path.to_owned()
    } else {
        path.split('/')
            .map(|part| utf8_percent_encode(part, STRICT).to_string())
            .collect::<Vec<_>>()
            .join("/")
    };
    let mut pairs: Vec<(String, String)> = parts
        .uri
        .query()
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (strict(name), strict(value))
        })
        .filter(|(name, _)| name != "X-Amz-Signature")
        .collect();
    pairs.sort();
    let query: Vec<String> = pairs
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let mut headers = String::new();
    for name in &found.signed_headers {
        let values: Vec<String> = if name == "host" && !parts.headers.contains_key("host") {
            // HTTP/2 has the host in the target.
            vec![parts.uri.authority()?.to_string()]
        } else {
            let values = parts.headers.get_all(name).iter();
            values
                .map(|value| value.to_str().map(trimmed))
                .collect::<Result<_, _>>()
                .ok()?
        };
        headers.push_str(&format!("{name}:{}\n", values.join(",")));
    }
    let (method, signed) = (&parts.method, found.signed_headers.join(";"));
    Some(format!(
        "{method}\n{path}\n{}\n{headers}\n{signed}\n{payload}",
        query.join("&")
    ))
}

fn strict(text: &str) -> String {
    let decoded: Vec<u8> = percent_decode_str(text).collect();
    percent_encoding::percent_encode(&decoded, STRICT).to_string()
}

/// Runs of spaces count as one.
fn trimmed(value: &str) -> String {
    value.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// RFC 2104 over SHA-256.
fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut block = [0; BLOCK];
    if key.len() > BLOCK {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let padded = |pad: u8| block.map(|byte| byte ^ pad);
    let inner = Sha256::new().chain_update(padded(0x36)).chain_update(text).finalize();
    Sha256::new()
        .chain_update(padded(0x5c))
        .chain_update(inner)
        .finalize()
        .to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

    /// The example of AWS's own description of the algorithm.
    fn example() -> Parts {
        let authorization = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date, \
             Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7";
        let request = http::Request::get("/?Action=ListUsers&Version=2010-05-08")
            .header("host", "iam.amazonaws.com")
            .header("content-type", "application/x-www-form-urlencoded; charset=utf-8")
            .header("x-amz-date", "20150830T123600Z")
            .header("authorization", authorization);
        request.body(()).expect("a request").into_parts().0
    }

    const SIGNED_AT: f64 = 1_440_938_160.0;

    #[test]
    fn a_right_signature_passes() {
        assert_eq!(verify(&example(), Some(b""), SECRET, SIGNED_AT), Ok(()));
    }

    #[test]
    fn a_wrong_secret_body_or_hour_does_not() {
        let code = |result: Result<(), Fault>| result.expect_err("is refused").code;
        assert_eq!(
            code(verify(&example(), Some(b""), "other", SIGNED_AT)),
            "SignatureDoesNotMatch"
        );
        assert_eq!(
            code(verify(&example(), Some(b"x"), SECRET, SIGNED_AT)),
            "SignatureDoesNotMatch"
        );
        assert_eq!(
            code(verify(&example(), Some(b""), SECRET, SIGNED_AT + 3600.0)),
            "RequestExpired"
        );
    }
}
