//! Undoes `aws-chunked`, the framing in which SDKs stream a body whose checksum follows it:
//! `size[;chunk-signature=…] CRLF bytes CRLF … 0 CRLF trailers CRLF`. Chunk signatures are not verified here; whoever
//! checks signatures has checked the request's.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::{Stream, stream};
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body_util::BodyExt;

use crate::{Body, BoxError};

/// The headers that followed a streamed body; filled once the body has been read to its end.
#[derive(Clone, Debug, Default)]
pub struct Trailers(Arc<Mutex<HeaderMap>>);

impl Trailers {
    pub fn get(&self, name: &str) -> Option<String> {
        let headers = self.0.lock().expect("trailers are never poisoned");
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned)
    }
}

/// A longer line than this is no chunk header.
const MAX_LINE: usize = 16 * 1024;

enum State {
    Size,
    Data(u64),
    DataEnd,
    Trailer,
    Done,
}

struct Decoder {
    body: Body,
    /// What is left of the frame that came last. Pieces of chunks are slices of it, never copies.
    buffer: Bytes,
    state: State,
    trailers: Trailers,
}

/// Returns the plain bytes of an `aws-chunked` body.
pub fn decode(body: Body, trailers: Trailers) -> impl Stream<Item = Result<Bytes, BoxError>> + Send {
    let decoder = Decoder {
        body,
        buffer: Bytes::new(),
        state: State::Size,
        trailers,
    };
    stream::try_unfold(decoder, |mut decoder| async move {
        let piece = decoder.next().await?;
        Ok(piece.map(|piece| (piece, decoder)))
    })
}

impl Decoder {
    async fn next(&mut self) -> Result<Option<Bytes>, BoxError> {
        loop {
            match self.state {
                State::Size => {
                    let line = self.line().await?;
                    let digits = line.split(';').next().unwrap_or_default().trim();
                    let size = u64::from_str_radix(digits, 16).map_err(|_| "the chunk size is not a number")?;
                    self.state = if size == 0 { State::Trailer } else { State::Data(size) };
                }
                State::Data(left) => {
                    if self.buffer.is_empty() && !self.fill().await? {
                        return Err("the body ends inside a chunk".into());
                    }
                    let take = left.min(self.buffer.len() as u64);
                    let piece = self.buffer.split_to(take as usize);
                    self.state = if take == left {
                        State::DataEnd
                    } else {
                        State::Data(left - take)
                    };
                    return Ok(Some(piece));
                }
                State::DataEnd => {
                    for expected in *b"\r\n" {
                        if self.buffer.is_empty() && !self.fill().await? {
                            return Err("the body ends inside a chunk".into());
                        }
                        if self.buffer.split_to(1)[0] != expected {
                            return Err("a chunk is longer than its size says".into());
                        }
                    }
                    self.state = State::Size;
                }
                State::Trailer => {
                    // Some clients end after the last chunk's line without the closing empty one.
                    if self.buffer.is_empty() && !self.fill().await? {
                        self.state = State::Done;
                        continue;
                    }
                    let line = self.line().await?;
                    if line.is_empty() {
                        self.state = State::Done;
                    } else if let Some((name, value)) = line.split_once(':') {
                        let name = HeaderName::from_bytes(name.trim().as_bytes())?;
                        let value = HeaderValue::from_str(value.trim())?;
                        self.trailers
                            .0
                            .lock()
                            .expect("trailers are never poisoned")
                            .insert(name, value);
                    } else {
                        return Err("a trailer has no colon".into());
                    }
                }
                State::Done => return Ok(None),
            }
        }
    }

    /// Takes one line off the buffer, without its end.
    async fn line(&mut self) -> Result<String, BoxError> {
        let mut line = Vec::new();
        while !line.ends_with(b"\n") {
            if line.len() > MAX_LINE {
                return Err("a chunk header is too long".into());
            }
            if self.buffer.is_empty() && !self.fill().await? {
                if line.is_empty() {
                    return Err("the body ends before its last chunk".into());
                }
                break;
            }
            let near = self.buffer.len().min(MAX_LINE);
            let end = self.buffer[..near].iter().position(|byte| *byte == b'\n');
            line.extend_from_slice(&self.buffer.split_to(end.map_or(near, |end| end + 1)));
        }
        Ok(std::str::from_utf8(&line)?.trim_end_matches(['\r', '\n']).to_owned())
    }

    /// Takes the next frame that has bytes; only once those of the last one are used up.
    async fn fill(&mut self) -> Result<bool, BoxError> {
        while let Some(frame) = self.body.frame().await {
            if let Ok(data) = frame?.into_data()
                && !data.is_empty()
            {
                self.buffer = data;
                return Ok(true);
            }
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt;
    use http_body::Frame;
    use http_body_util::StreamBody;

    use super::*;

    async fn run(text: &str, piece: usize) -> Result<(String, Trailers), String> {
        let pieces: Vec<_> = text
            .as_bytes()
            .chunks(piece)
            .map(|piece| Ok(Frame::data(Bytes::copy_from_slice(piece))))
            .collect();
        let body = StreamBody::new(stream::iter(pieces)).boxed_unsync();
        let trailers = Trailers::default();
        let parts: Vec<Bytes> = decode(body, trailers.clone())
            .try_collect()
            .await
            .map_err(|error| error.to_string())?;
        Ok((String::from_utf8(parts.concat()).unwrap(), trailers))
    }

    #[tokio::test]
    async fn chunks_are_joined_and_trailers_kept_however_the_body_is_cut() {
        let text = "5\r\nhello\r\n6;chunk-signature=ab\r\n world\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\n\r\n";
        for piece in [1, 2, 3, 7, 1000] {
            let (plain, trailers) = run(text, piece).await.unwrap();
            assert_eq!(plain, "hello world");
            assert_eq!(trailers.get("x-amz-checksum-crc32").as_deref(), Some("DUoRhQ=="));
        }
    }

    #[tokio::test]
    async fn broken_framing_is_an_error() {
        for text in [
            "",
            "zz\r\n",
            "5\r\nhel",
            "3\r\nhello\r\n0\r\n\r\n",
            "1\r\na\r\n0\r\nnocolon\r\n\r\n",
        ] {
            assert!(run(text, 4).await.is_err(), "{text:?}");
        }
    }
}
