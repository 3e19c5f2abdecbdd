//! Background life of Glue: schedules of crawlers and triggers fire here, and crawls that were under way when the
//! cloud closed start again. What is scheduled is kept in one table for all accounts and regions.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::schedule::Cron;
use super::{Call, Cloud, Fault, crawlers, triggers};
use crate::services::{Part, Service};

const SCHEDULES: &str = "glue.schedules";
const RUNNING: &str = "glue.running";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    Crawler,
    Trigger,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Scheduled {
    kind: Kind,
    account: String,
    region: String,
    name: String,
    expression: String,
    next: f64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Running {
    account: String,
    region: String,
    name: String,
}

/// Wakes the scheduler when a schedule changed.
struct Bell(Arc<Notify>);

impl Part for Bell {
    fn open(_cloud: &Arc<Cloud>) -> Bell {
        Bell(Arc::new(Notify::new()))
    }
}

fn id(cx: &Call, kind: Kind, name: &str) -> String {
    format!("{}\0{}\0{kind:?}\0{name}", cx.account, cx.region)
}

/// Sets or removes a schedule.
pub fn keep(cx: &Call, kind: Kind, name: &str, expression: Option<&str>) -> Result<(), Fault> {
    let id = id(cx, kind, name);
    let next = expression
        .and_then(|expression| Cron::parse(expression).ok())
        .and_then(|cron| cron.next(cx.now));
    match (expression, next) {
        (Some(expression), Some(next)) => {
            let scheduled = Scheduled {
                kind,
                account: cx.account.clone(),
                region: cx.region.clone(),
                name: name.to_owned(),
                expression: expression.to_owned(),
                next,
            };
            cx.shared().put(SCHEDULES, &id, &scheduled)?;
        }
        _ => drop(cx.shared().delete(SCHEDULES, &id)?),
    }
    cx.cloud.part::<Bell>().0.notify_one();
    Ok(())
}

/// Remembers that a crawl is under way, or that it ended.
pub fn note_running(cx: &Call, name: &str, running: bool) -> Result<(), Fault> {
    let id = id(cx, Kind::Crawler, name);
    if running {
        let document = Running {
            account: cx.account.clone(),
            region: cx.region.clone(),
            name: name.to_owned(),
        };
        cx.shared().put(RUNNING, &id, &document)
    } else {
        cx.shared().delete(RUNNING, &id).map(drop)
    }
}

pub fn start(cloud: &Arc<Cloud>) {
    resume(cloud);
    let work = Arc::clone(cloud);
    cloud.spawn(async move {
        let bell = Arc::clone(&work.part::<Bell>().0);
        loop {
            let Ok(next) = fire_due(&work).await else { return };
            let wait = async {
                match next {
                    Some(next) => work.clock.reach(next).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = wait => {}
                () = bell.notified() => {}
            }
        }
    });
}

/// Crawls whose process ended before them begin again.
fn resume(cloud: &Arc<Cloud>) {
    let found = cloud.read(Service::Glue, "", "", |cx| cx.shared().list::<Running>(RUNNING, ""));
    for (_, running) in found.unwrap_or_default() {
        let Running { account, region, name } = running;
        let _ = cloud.read(Service::Glue, &account, &region, |cx| {
            let crawler = crawlers::find(cx, &name)?;
            crate::crawler::spawn(cx, &name, super::text(&crawler["_run"], "id"));
            Ok(())
        });
    }
}

/// Fires what is due, and returns when the next is.
async fn fire_due(cloud: &Arc<Cloud>) -> Result<Option<f64>, Fault> {
    // Inside a write, so that a change which rang the bell but is not on disk yet is seen.
    cloud
        .write(Service::Glue, "", "", |cx| {
            let mut earliest: Option<f64> = None;
            let shared = cx.shared();
            for (id, mut scheduled) in shared.list::<Scheduled>(SCHEDULES, "")? {
                if scheduled.next <= cx.now {
                    let home = Call {
                        account: scheduled.account.clone(),
                        region: scheduled.region.clone(),
                        ..cx.clone()
                    };
                    // A crawler that still runs or a role that is gone only costs this turn.
                    let _ = match scheduled.kind {
                        Kind::Crawler => crawlers::begin(&home, &scheduled.name),
                        Kind::Trigger => triggers::fire(&home, &scheduled.name),
                    };
                    let next = Cron::parse(&scheduled.expression)
                        .ok()
                        .and_then(|cron| cron.next(cx.now));
                    match next {
                        Some(next) => {
                            scheduled.next = next;
                            shared.put(SCHEDULES, &id, &scheduled)?;
                        }
                        None => {
                            shared.delete(SCHEDULES, &id)?;
                            continue;
                        }
                    }
                }
                earliest = Some(earliest.map_or(scheduled.next, |known: f64| known.min(scheduled.next)));
            }
            Ok(earliest)
        })
        .await
}
