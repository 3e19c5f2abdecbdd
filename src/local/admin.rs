//! What no AWS has: health, the clock and the fault layer, under `/_lakeform/`, a path that no bucket can have.

use std::sync::Arc;

use http::{Method, Request, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::door::plain;
use crate::{Body, Local, collected};

pub(crate) const PREFIX: &str = "/_lakeform/";
const MAX_BODY: usize = 1 << 20;

#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum ClockChange {
    /// Moves the clock forward by so many seconds.
    Advance(f64),
    /// Stops it, at an instant in seconds since the epoch or where it is.
    Freeze(Option<f64>),
    /// Lets it run on.
    Run {},
}

pub(crate) async fn handle(local: &Arc<Local>, request: Request<Body>, untrusted: bool) -> Response<Body> {
    let path = request.uri().path().trim_start_matches(PREFIX).to_owned();
    let method = request.method().clone();
    let answer = match (&method, path.as_str()) {
        (&Method::GET, "health") => Ok(json!({"status": "ok", "pace": local.cloud().pace})),
        _ if untrusted => Err((403, "only this machine may do that".to_owned())),
        (&Method::GET, "clock") => Ok(json!({"now": local.cloud().clock.now()})),
        (&Method::GET, "faults") => Ok(json!({"plan": local.faults().plan(), "injected": local.faults().records()})),
        (&Method::POST, "clock") => body(request).await.map(|change| {
            let clock = &local.cloud().clock;
            match change {
                ClockChange::Advance(seconds) => clock.advance(seconds.max(0.0)),
                ClockChange::Freeze(at) => clock.freeze(at),
                ClockChange::Run {} => clock.run(),
            }
            json!({"now": clock.now()})
        }),
        (&Method::POST, "faults") => body(request).await.map(|plan| {
            local.faults().set(plan);
            json!({"plan": local.faults().plan()})
        }),
        _ => Err((404, format!("there is no {method} {PREFIX}{path}"))),
    };
    match answer {
        Ok(value) => plain(200, "application/json", value.to_string()),
        Err((status, message)) => plain(status, "application/json", json!({"error": message}).to_string()),
    }
}

async fn body<T: serde::de::DeserializeOwned>(request: Request<Body>) -> Result<T, (u16, String)> {
    let bytes = collected(request.into_body(), MAX_BODY)
        .await
        .map_err(|cause| (400, cause))?;
    let value: Value = serde_json::from_slice(&bytes).map_err(|cause| (400, cause.to_string()))?;
    serde_json::from_value(value).map_err(|cause| (400, cause.to_string()))
}
