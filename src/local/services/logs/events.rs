//! Streams and events. Events are stored in the batches in which they came, under a key that sorts by time.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::super::{Answer, Call, Fault, iam, random_u64};
use super::{STREAMS, find, groups, invalid, milliseconds, missing, named, save, text};

const BATCHES: &str = "log_events";
const EVENTS_PER_CALL: usize = 10_000;
const BYTES_PER_CALL: usize = 1_048_576;
const BYTES_PER_EVENT: usize = 26;
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// Stored under group, a separator and its name.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Stream {
    name: String,
    created: i64,
    first: Option<i64>,
    last: Option<i64>,
    ingested: Option<i64>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Batch {
    ingested: i64,
    /// (timestamp, message), in the order of time.
    events: Vec<(i64, String)>,
}

fn stream_key(group: &str, stream: &str) -> String {
    format!("{group}\u{1}{stream}")
}

fn streams(cx: &Call, group: &str, prefix: &str) -> Result<Vec<Stream>, Fault> {
    Ok(cx
        .list::<Stream>(STREAMS, &stream_key(group, prefix))?
        .into_iter()
        .map(|(_, stream)| stream)
        .collect())
}

fn stream(cx: &Call, group: &str, name: &str) -> Result<Stream, Fault> {
    let found: Option<Stream> = cx.get(STREAMS, &stream_key(group, name))?;
    found.ok_or_else(|| missing("The specified log stream does not exist."))
}

pub fn create_stream(cx: &Call, input: &Value) -> Answer {
    let group = named(cx, input)?;
    let name = text(input, "logStreamName");
    if name.is_empty() || name.len() > 512 || name.contains([':', '*', '\u{1}']) {
        return Err(invalid(format!("The log stream name {name} is not valid.")));
    }
    if cx.get::<Stream>(STREAMS, &stream_key(&group.name, name))?.is_some() {
        return Err(Fault::bad(
            "ResourceAlreadyExistsException",
            "The specified log stream already exists",
        ));
    }
    make_stream(cx, &group.name, name)?;
    Ok(json!({}))
}

fn make_stream(cx: &Call, group: &str, name: &str) -> Result<(), Fault> {
    let stream = Stream {
        name: name.to_string(),
        created: milliseconds(cx),
        first: None,
        last: None,
        ingested: None,
    };
    cx.put(STREAMS, &stream_key(group, name), &stream)
}

pub fn describe_streams(cx: &Call, input: &Value) -> Answer {
    let group = named(cx, input)?;
    let by_time = input["orderBy"].as_str() == Some("LastEventTime");
    let prefix = input["logStreamNamePrefix"].as_str();
    if by_time && prefix.is_some() {
        return Err(invalid("Cannot order by LastEventTime with a logStreamNamePrefix."));
    }
    let mut found = streams(cx, &group.name, prefix.unwrap_or(""))?;
    if by_time {
        found.sort_by_key(|stream| stream.last.unwrap_or(stream.created));
    }
    if input["descending"].as_bool() == Some(true) {
        found.reverse();
    }
    let shown = found.iter().map(|stream| {
        let mut shown = Map::new();
        shown.insert("logStreamName".into(), json!(stream.name));
        shown.insert("creationTime".into(), json!(stream.created));
        for (key, value) in [
            ("firstEventTimestamp", stream.first),
            ("lastEventTimestamp", stream.last),
            ("lastIngestionTime", stream.ingested),
        ] {
            if let Some(value) = value {
                shown.insert(key.into(), json!(value));
            }
        }
        shown.insert("uploadSequenceToken".into(), json!("0"));
        shown.insert(
            "arn".into(),
            json!(format!("{}:log-stream:{}", group.arn(cx), stream.name)),
        );
        shown.insert("storedBytes".into(), json!(0));
        Value::Object(shown)
    });
    let (streams, token) = cx.page(shown.collect(), input, "limit", "nextToken", 50, 50)?;
    let mut answer = json!({ "logStreams": streams });
    if let Some(token) = token {
        answer["nextToken"] = json!(token);
    }
    Ok(answer)
}

pub fn delete_stream(cx: &Call, input: &Value) -> Answer {
    let group = named(cx, input)?;
    let stream = stream(cx, &group.name, text(input, "logStreamName"))?;
    let key = stream_key(&group.name, &stream.name);
    delete_events(cx, &key)?;
    cx.delete(STREAMS, &key)?;
    Ok(json!({}))
}

/// Removes the events of a stream by the stream's key.
pub fn delete_events(cx: &Call, stream: &str) -> Result<(), Fault> {
    for (key, _) in cx.list::<Value>(BATCHES, &format!("{stream}\u{1}"))? {
        cx.delete(BATCHES, &key)?;
    }
    Ok(())
}

/// Writes messages of now for another service, making group and stream when they are not there.
pub fn append(cx: &Call, group: &str, stream_name: &str, messages: &[String]) -> Result<(), Fault> {
    groups::make(cx, group)?;
    if cx.get::<Stream>(STREAMS, &stream_key(group, stream_name))?.is_none() {
        make_stream(cx, group, stream_name)?;
    }
    let now = milliseconds(cx);
    write(
        cx,
        group,
        stream_name,
        messages.iter().map(|message| (now, message.clone())).collect(),
    )
}

fn write(cx: &Call, group_name: &str, stream_name: &str, events: Vec<(i64, String)>) -> Result<(), Fault> {
    let (Some(first), Some(last)) = (events.first().map(|event| event.0), events.last().map(|event| event.0)) else {
        return Ok(());
    };
    let bytes: usize = events.iter().map(|(_, message)| message.len() + BYTES_PER_EVENT).sum();
    let ingested = milliseconds(cx);
    let stream_key = stream_key(group_name, stream_name);
    let batch_key = format!("{stream_key}\u{1}{first:015}-{ingested:015}-{:016x}", random_u64());
    cx.put(BATCHES, &batch_key, &Batch { ingested, events })?;
    let mut stream = stream(cx, group_name, stream_name)?;
    stream.first = Some(stream.first.map_or(first, |known| known.min(first)));
    stream.last = Some(stream.last.map_or(last, |known| known.max(last)));
    stream.ingested = Some(ingested);
    cx.put(STREAMS, &stream_key, &stream)?;
    if let Some(mut group) = find(cx, group_name)? {
        group.stored_bytes += bytes as i64;
        save(cx, &group)?;
    }
    Ok(())
}

pub fn put(cx: &Call, input: &Value) -> Answer {
    cx.only(input, &["logGroupName", "logStreamName", "logEvents", "sequenceToken"])?;
    let group = named(cx, input)?;
    let stream = stream(cx, &group.name, text(input, "logStreamName"))?;
    let given = input["logEvents"].as_array().map(Vec::as_slice).unwrap_or_default();
    let events: Vec<(i64, String)> = given
        .iter()
        .map(|event| {
            (
                event["timestamp"].as_i64().unwrap_or_default(),
                text(event, "message").to_string(),
            )
        })
        .collect();
    let bytes: usize = events.iter().map(|(_, message)| message.len() + BYTES_PER_EVENT).sum();
    if events.is_empty() || events.len() > EVENTS_PER_CALL || bytes > BYTES_PER_CALL {
        return Err(invalid(
            "A call has between 1 and 10000 events of together no more than 1 MB.",
        ));
    }
    if !events.is_sorted_by_key(|event| event.0) {
        return Err(invalid(
            "Log events in a single PutLogEvents request must be in chronological order.",
        ));
    }
    if events[events.len() - 1].0 - events[0].0 > DAY_MS {
        return Err(invalid(
            "The batch of log events in a single PutLogEvents request cannot span more than 24 hours.",
        ));
    }
    let now = milliseconds(cx);
    let oldest = now - 14 * DAY_MS;
    let expired = group.retention_days.map_or(i64::MIN, |days| now - days * DAY_MS);
    let newest = now + 2 * HOUR_MS;
    let too_old = events.iter().take_while(|event| event.0 < oldest).count();
    let too_late = events.iter().take_while(|event| event.0 < expired).count();
    let too_new = events.iter().position(|event| event.0 > newest);
    let end = too_new.unwrap_or(events.len());
    let start = too_old.max(too_late).min(end);
    write(cx, &group.name, &stream.name, events[start..end].to_vec())?;
    let mut answer = json!({ "nextSequenceToken": format!("{:056}", random_u64()) });
    if start > 0 || too_new.is_some() {
        let mut rejected = Map::new();
        if too_old > 0 {
            rejected.insert("tooOldLogEventEndIndex".into(), json!(too_old));
        }
        if too_late > 0 {
            rejected.insert("expiredLogEventEndIndex".into(), json!(too_late));
        }
        if let Some(at) = too_new {
            rejected.insert("tooNewLogEventStartIndex".into(), json!(at));
        }
        answer["rejectedLogEventsInfo"] = rejected.into();
    }
    Ok(answer)
}

/// One event with where it came from.
struct Event {
    stream: String,
    at: i64,
    message: String,
    ingested: i64,
    id: String,
}

/// Returns the events of a stream in the wanted time, in order.
fn events_of(cx: &Call, group: &str, stream: &str, input: &Value) -> Result<Vec<Event>, Fault> {
    let start = input["startTime"].as_i64().unwrap_or(i64::MIN);
    let end = input["endTime"].as_i64().unwrap_or(i64::MAX);
    let mut found = Vec::new();
    for (key, batch) in cx.list::<Batch>(BATCHES, &format!("{}\u{1}", stream_key(group, stream)))? {
        let tail = key.rsplit('-').next().unwrap_or_default().to_string();
        for (number, (at, message)) in batch.events.into_iter().enumerate() {
            if at >= start && at <= end {
                let id = format!("{at:020}{tail}{number:05}");
                found.push(Event {
                    stream: stream.to_string(),
                    at,
                    message,
                    ingested: batch.ingested,
                    id,
                });
            }
        }
    }
    found.sort_by_key(|event| event.at);
    Ok(found)
}

pub fn get(cx: &Call, input: &Value) -> Answer {
    let group = named(cx, input)?;
    let stream = stream(cx, &group.name, text(input, "logStreamName"))?;
    // The end time is exclusive here.
    let mut within = input.clone();
    if let Some(end) = input["endTime"].as_i64() {
        within["endTime"] = json!(end - 1);
    }
    let events = events_of(cx, &group.name, &stream.name, &within)?;
    let limit = input["limit"].as_u64().unwrap_or(10_000).clamp(1, 10_000) as usize;
    let position = |token: &str| token.get(2..).and_then(|digits| digits.parse::<usize>().ok());
    // A token names an event's place: `f/` reads on from it, `b/` reads what is before it.
    let (from, to) = match input["nextToken"].as_str() {
        Some(token) if token.starts_with("f/") => {
            let from = position(token).ok_or_else(|| invalid("The specified nextToken is invalid."))?;
            (from.min(events.len()), (from + limit).min(events.len()))
        }
        Some(token) if token.starts_with("b/") => {
            let to = position(token)
                .ok_or_else(|| invalid("The specified nextToken is invalid."))?
                .min(events.len());
            (to.saturating_sub(limit), to)
        }
        Some(_) => return Err(invalid("The specified nextToken is invalid.")),
        None if input["startFromHead"].as_bool() == Some(true) => (0, limit.min(events.len())),
        None => (events.len().saturating_sub(limit), events.len()),
    };
    let shown = events[from..to]
        .iter()
        .map(|event| json!({ "timestamp": event.at, "message": event.message, "ingestionTime": event.ingested }));
    Ok(json!({
        "events": shown.collect::<Value>(),
        "nextForwardToken": format!("f/{to:056}"),
        "nextBackwardToken": format!("b/{from:056}"),
    }))
}

pub fn filter(cx: &Call, input: &Value) -> Answer {
    let group = named(cx, input)?;
    let wanted: Option<Vec<&str>> = input["logStreamNames"]
        .as_array()
        .map(|list| list.iter().filter_map(Value::as_str).collect());
    let prefix = input["logStreamNamePrefix"].as_str().unwrap_or("");
    let pattern = Pattern::parse(text(input, "filterPattern"))?;
    let mut events = Vec::new();
    for stream in streams(cx, &group.name, prefix)? {
        if wanted
            .as_ref()
            .is_none_or(|wanted| wanted.contains(&stream.name.as_str()))
        {
            events.extend(events_of(cx, &group.name, &stream.name, input)?);
        }
    }
    events.retain(|event| pattern.matches(&event.message));
    events.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
    let shown = events.iter().map(|event| {
        json!({
            "logStreamName": event.stream, "timestamp": event.at, "message": event.message,
            "ingestionTime": event.ingested, "eventId": event.id,
        })
    });
    let (events, token) = cx.page(shown.collect(), input, "limit", "nextToken", 10_000, 10_000)?;
    let mut answer = json!({ "events": events, "searchedLogStreams": [] });
    if let Some(token) = token {
        answer["nextToken"] = json!(token);
    }
    Ok(answer)
}

/// A filter of terms: all of them must occur, those after a `-` must not, of those after a `?` one must. The
/// structured patterns (`[…]`, `{…}`, `%…%`) are refused.
struct Pattern {
    all: Vec<String>,
    none: Vec<String>,
    any: Vec<String>,
}

impl Pattern {
    fn parse(text: &str) -> Result<Pattern, Fault> {
        let text = text.trim();
        if text.starts_with(['[', '{', '%']) {
            return Err(Fault::new(
                501,
                "NotImplemented",
                "the local cloud does not implement structured filter patterns of logs:FilterLogEvents",
            ));
        }
        let mut pattern = Pattern {
            all: Vec::new(),
            none: Vec::new(),
            any: Vec::new(),
        };
        let mut rest = text;
        while !rest.is_empty() {
            let sign = rest.chars().next().filter(|c| ['-', '?'].contains(c));
            let body = sign.map_or(rest, |_| &rest[1..]);
            let (term, after) = match body.strip_prefix('"') {
                Some(quoted) => quoted
                    .split_once('"')
                    .ok_or_else(|| invalid("Invalid filter pattern: a quotation mark is not closed."))?,
                None => body.split_once(char::is_whitespace).unwrap_or((body, "")),
            };
            match sign {
                Some('-') => pattern.none.push(term.to_string()),
                Some(_) => pattern.any.push(term.to_string()),
                None => pattern.all.push(term.to_string()),
            }
            rest = after.trim_start();
        }
        Ok(pattern)
    }

    fn matches(&self, message: &str) -> bool {
        // `*` inside a term stands for any text.
        let occurs = |term: &String| match term.contains('*') {
            true => iam::glob(&format!("*{term}*"), message),
            false => message.contains(term.as_str()),
        };
        self.all.iter().all(occurs)
            && !self.none.iter().any(occurs)
            && (self.any.is_empty() || self.any.iter().any(occurs))
    }
}
