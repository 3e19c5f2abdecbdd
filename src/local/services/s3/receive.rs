//! Bytes coming in: hashed as they pass, written to a file, checked against what the client claimed, made durable.

use bytes::Bytes;
use futures::StreamExt;
use s3s::S3Request;
use s3s::dto::StreamingBlob;
use tokio::task::spawn_blocking;

use super::checksum::{Hasher, Hashes, compare, compare_md5, hex};
use super::chunked::Trailers;
use super::model::{Algorithm, Sum, fault};
use super::objects::{Objects, Segment, Writing};
use super::{blocking, done, header};
use crate::services::Fault;

type Answer<T> = Result<T, Fault>;

/// Bytes are hashed and written in runs of about this size; while one is at work, the next is read.
const RUN: usize = 512 << 10;
/// The largest object that one request may put.
const LARGEST: u64 = 5 << 30;

/// What the client says of the bytes it sends.
pub struct Claims {
    algorithm: Algorithm,
    value: Option<String>,
    trailing: bool,
    md5: Option<String>,
    sha256: Option<String>,
    length: Option<u64>,
}

impl Claims {
    /// Reads the checksum headers of an upload; without any, S3 uses CRC-64/NVME.
    pub fn of<T>(request: &S3Request<T>, fallback: Option<Algorithm>) -> Answer<Self> {
        const ALL: [Algorithm; 5] = [
            Algorithm::Crc32,
            Algorithm::Crc32c,
            Algorithm::Crc64Nvme,
            Algorithm::Sha1,
            Algorithm::Sha256,
        ];
        let headers = &request.headers;
        let given: Vec<Algorithm> = ALL
            .into_iter()
            .filter(|algorithm| headers.contains_key(algorithm.header()))
            .collect();
        if given.len() > 1 {
            let message = "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.";
            return Err(fault(400, "InvalidRequest", message));
        }
        let trailer = header(headers, "x-amz-trailer")
            .unwrap_or_default()
            .to_ascii_lowercase();
        let trailing = ALL
            .into_iter()
            .find(|algorithm| trailer.split(',').any(|name| name.trim() == algorithm.header()));
        let named = header(headers, "x-amz-sdk-checksum-algorithm").and_then(Algorithm::parse);
        let algorithm = given
            .first()
            .copied()
            .or(trailing)
            .or(named)
            .or(fallback)
            .unwrap_or(Algorithm::Crc64Nvme);
        let hash = header(headers, "x-amz-content-sha256").unwrap_or_default();
        Ok(Self {
            algorithm,
            value: given
                .first()
                .and_then(|algorithm| header(headers, &algorithm.header()))
                .map(str::to_owned),
            trailing: trailing.is_some(),
            md5: header(headers, "content-md5").map(str::to_owned),
            sha256: (hash.len() == 64).then(|| hash.to_ascii_lowercase()),
            length: header(headers, "content-length").and_then(|length| length.parse().ok()),
        })
    }

    fn check(&self, size: u64, hashes: &Hashes, sha256: Option<String>, trailers: &Trailers) -> Answer<()> {
        if self.length.is_some_and(|length| length != size) {
            let message = "You did not provide the number of bytes specified by the Content-Length HTTP header";
            return Err(fault(400, "IncompleteBody", message));
        }
        if let Some(claimed) = &self.md5 {
            compare_md5(&hashes.md5, claimed)?;
        }
        if self.sha256 != sha256 {
            let message = "The provided 'x-amz-content-sha256' header does not match what was computed.";
            return Err(fault(400, "XAmzContentSHA256Mismatch", message));
        }
        let trailer = if self.trailing {
            trailers.get(&self.algorithm.header())
        } else {
            None
        };
        match self.value.as_deref().or(trailer.as_deref()) {
            Some(claimed) => compare(&hashes.sum, claimed),
            None => Ok(()),
        }
    }
}

/// Bytes that are on disk, durable, and not yet named by any document.
pub struct Received {
    pub data: Vec<Segment>,
    pub size: u64,
    pub etag: String,
    pub sum: Sum,
}

struct Receiving {
    writing: Writing,
    hasher: Hasher,
    sha256: Option<s3s::crypto::Sha256>,
}

impl Receiving {
    fn absorb(&mut self, run: &[Bytes]) -> std::io::Result<()> {
        for bytes in run {
            self.hasher.update(bytes);
            if let Some(sha256) = &mut self.sha256 {
                s3s::crypto::Checksum::update(sha256, bytes);
            }
            self.writing.write(bytes)?;
        }
        Ok(())
    }
}

/// Takes a body in, checks it against what the client claimed, and makes it durable.
pub async fn receive(
    objects: &Objects,
    body: Option<StreamingBlob>,
    claims: &Claims,
    trailers: &Trailers,
) -> Answer<Received> {
    if claims.length.is_some_and(|length| length > LARGEST) {
        return Err(fault(
            400,
            "EntityTooLarge",
            "Your proposed upload exceeds the maximum allowed size",
        ));
    }
    let start = objects.clone();
    let algorithm = claims.algorithm;
    let hash_body = claims.sha256.is_some();
    let begin = move || {
        let sha256 = hash_body.then(<s3s::crypto::Sha256 as s3s::crypto::Checksum>::new);
        Ok::<_, std::io::Error>(Receiving {
            writing: start.begin()?,
            hasher: Hasher::new(algorithm),
            sha256,
        })
    };
    let absorb = move |before: Option<Receiving>, run: Vec<Bytes>| {
        let mut receiving = before.map_or_else(&begin, Ok)?;
        receiving.absorb(&run)?;
        Ok(receiving)
    };
    let mut at_work = None;
    let mut run: Vec<Bytes> = Vec::new();
    let mut waiting = 0;
    let mut body = body;
    while let Some(stream) = &mut body {
        let Some(piece) = stream.next().await else { break };
        let piece = piece.map_err(|error| fault(400, "IncompleteBody", &format!("the body broke off: {error}")))?;
        waiting += piece.len();
        run.push(piece);
        if waiting >= RUN {
            let full = std::mem::take(&mut run);
            waiting = 0;
            let before = match at_work.take() {
                Some(before) => Some(done(before).await?),
                None => None,
            };
            let absorb = absorb.clone();
            at_work = Some(spawn_blocking(move || absorb(before, full)));
        }
    }
    if at_work.is_none()
        && let Some(segment) = Segment::inline(&run)
    {
        return few(segment, &run, hash_body, claims, trailers);
    }
    let before = match at_work {
        Some(before) => Some(done(before).await?),
        None => None,
    };
    // The last run is hashed apart from being synced, because a wrong checksum must not cost a sync.
    let (writing, hashes, sha256) = blocking(move || {
        let receiving = absorb(before, run)?;
        let sha256 = receiving
            .sha256
            .map(|sha256| hex(&s3s::crypto::Checksum::finalize(sha256)));
        Ok((receiving.writing, receiving.hasher.finish(), sha256))
    })
    .await?;
    let size = writing.written();
    claims.check(size, &hashes, sha256, trailers)?;
    let data = vec![blocking(move || writing.finish()).await?];
    Ok(Received {
        data,
        size,
        etag: hex(&hashes.md5),
        sum: hashes.sum,
    })
}

/// Bytes so few that they are hashed where they are and need no file. An empty object has no segment at all.
fn few(segment: Segment, run: &[Bytes], hash_body: bool, claims: &Claims, trailers: &Trailers) -> Answer<Received> {
    let mut hasher = Hasher::new(claims.algorithm);
    let mut sha256 = hash_body.then(<s3s::crypto::Sha256 as s3s::crypto::Checksum>::new);
    for bytes in run {
        hasher.update(bytes);
        if let Some(sha256) = &mut sha256 {
            s3s::crypto::Checksum::update(sha256, bytes);
        }
    }
    let hashes = hasher.finish();
    let sha256 = sha256.map(|sha256| hex(&s3s::crypto::Checksum::finalize(sha256)));
    claims.check(segment.len, &hashes, sha256, trailers)?;
    Ok(Received {
        size: segment.len,
        data: if segment.len == 0 { Vec::new() } else { vec![segment] },
        etag: hex(&hashes.md5),
        sum: hashes.sum,
    })
}
