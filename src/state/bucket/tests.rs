use super::*;
use crate::error::ExitCode;
use futures::FutureExt;
use lakeform_aws::Connection;
use lakeform_engine::cloud::{Cloud, Create, Owner};
use lakeform_local::{Local, Options, Pace};

/// A bucket of the local cloud, whose disk lives as long as the first of what is returned.
async fn place() -> (tempfile::TempDir, Arc<Local>, Place) {
    place_through(|_| ()).await
}

/// The same behind something that changes requests on their way.
async fn place_through(
    change: impl Fn(&mut http::HeaderMap) + Clone + Send + Sync + 'static,
) -> (tempfile::TempDir, Arc<Local>, Place) {
    let disk = tempfile::tempdir().expect("a folder");
    let options = Options {
        dir: disk.path().to_owned(),
        pace: Pace::Quick,
        seed: None,
    };
    let local = Local::open(options).await.expect("a local cloud");
    let cloud = local.clone();
    let handler = move |mut request: http::Request<lakeform_aws::Body>| {
        change(request.headers_mut());
        let cloud = cloud.clone();
        async move { cloud.handle(request).await }.boxed()
    };
    let aws = Aws::new(Connection::in_process("us-east-1", Arc::new(handler)));
    make_bucket(&aws).await;
    (disk, local, Place::new(aws, "s3://team-state/lakeform", "lake@aws"))
}

fn line(number: u64) -> String {
    let entry = match number {
        1 => Entry::Opened {
            version: 1,
            stack: "lake".to_owned(),
            generation: "g".to_owned(),
        },
        number => Entry::Made {
            op: number.to_string(),
            id: number.to_string(),
        },
    };
    stamped(&entry.to_line(""), "2026-01-01T00:00:00Z", number)
}

/// Writes the lock anew as that of a holder whose lease is over.
async fn silence(place: &Place, held: &Bucket) {
    let silent = Holder {
        lease_s: 0,
        ..held.holder.clone()
    };
    place.sign(&silent).await.expect("written");
}

#[tokio::test]
async fn a_stack_in_a_bucket_is_held_by_one_at_a_time() {
    let (_disk, _local, place) = place().await;
    let (mut first, entries) = place.clone().hold("apply").await.expect("the first");
    assert!(entries.is_empty());
    first.append(&line(1)).await.expect("writes");
    let refused = place.clone().hold("destroy").await.map(drop).expect_err("held");
    assert_eq!(refused.code, ExitCode::Locked);
    assert!(
        refused
            .message
            .is_some_and(|message| message.contains("lakeform apply"))
    );
    first.release().await;
    let (second, entries) = place.hold("destroy").await.expect("after the first");
    assert_eq!((second.token(), entries.len()), (2, 1));
}

#[tokio::test]
async fn nothing_is_held_where_what_is_there_can_be_overwritten() {
    let (_disk, _local, place) = place_through(|headers| drop(headers.remove("if-none-match"))).await;
    for _ in 0..2 {
        let refused = place.clone().hold("apply").await.map(drop).expect_err("no lock");
        let message = refused.message.unwrap_or_default();
        assert!(message.contains("`If-None-Match` is ignored"), "{message}");
        assert!(
            place.numbers("lock").await.expect("listed").is_empty(),
            "no trace is left"
        );
    }
}

#[tokio::test]
async fn a_write_that_meets_another_at_the_same_moment_is_tried_again() {
    let (_disk, local, place) = place().await;
    let rule = r#"{"rules": [{"operation": "s3:PutObject", "effect": "refuse", "status": 409,
        "code": "ConditionalRequestConflict", "message": "at the same moment", "times": 2}]}"#;
    local.faults().set(serde_json::from_str(rule).expect("a plan"));
    let (held, _) = place.hold("apply").await.expect("held in the end");
    assert_eq!(held.token(), 1);
    assert_eq!(local.faults().records().len(), 2);
}

#[tokio::test]
async fn a_zombie_writes_nothing_once_somebody_has_taken_over() {
    let (_disk, _local, place) = place().await;
    let (mut zombie, _) = place.clone().hold("apply").await.expect("the first");
    for number in 1..=3 {
        zombie.append(&line(number)).await.expect("writes");
    }
    silence(&place, &zombie).await;
    let (mut next, entries) = place.clone().hold("apply").await.expect("the lease is over");
    // The fourth is the fence, which says nothing new.
    assert_eq!(entries.len(), 4);
    assert_eq!(entries[0], entries[3]);
    assert!(!place.holds(zombie.token()).await.expect("a look"));
    let refusal = zombie.append(&line(4)).await.expect_err("fenced");
    assert!(refusal.contains("taken"), "{refusal}");
    next.append(&line(5)).await.expect("writes");
    assert_eq!(place.entries().await.expect("reads").len(), 5);
}

#[tokio::test]
async fn what_a_zombie_wrote_before_the_fence_is_seen() {
    let (_disk, _local, place) = place().await;
    let (mut zombie, _) = place.clone().hold("apply").await.expect("the first");
    zombie.append(&line(1)).await.expect("writes");
    silence(&place, &zombie).await;
    // The new holder has the lock, and the old one writes once more before the fence stands.
    let (holder, fresh) = place.take("apply").await.expect("taken");
    assert!(!fresh);
    zombie.append(&line(2)).await.expect("not fenced yet");
    silence(
        &place,
        &Bucket {
            place: place.clone(),
            last: 0,
            holder,
        },
    )
    .await;
    let (_, entries) = place.clone().hold("apply").await.expect("taken again");
    assert_eq!(entries.len(), 3);
    assert!(zombie.append(&line(3)).await.is_err());
}

#[tokio::test]
async fn an_answer_that_is_lost_does_not_make_a_holder_fence_itself() {
    let (_disk, local, place) = place().await;
    let (mut held, _) = place.clone().hold("apply").await.expect("held");
    let rule = r#"{"rules": [{"operation": "s3:PutObject", "effect": "lost", "times": 1}]}"#;
    local.faults().set(serde_json::from_str(rule).expect("a plan"));
    held.append(&line(1))
        .await
        .expect("the repeated request finds its own entry");
    assert_eq!(local.faults().records().len(), 1);
    assert_eq!(place.entries().await.expect("reads").len(), 1);
}

#[tokio::test]
async fn entries_that_are_due_together_are_one_object_and_read_in_order() {
    let (_disk, _local, place) = place().await;
    let (mut held, _) = place.clone().hold("apply").await.expect("held");
    held.append(&line(1)).await.expect("writes");
    let together: String = (2..=4).map(line).collect();
    held.append(&together).await.expect("writes");
    held.append(&line(5)).await.expect("writes");
    assert_eq!(place.numbers("journal").await.expect("listed"), [1, 2, 3]);
    let whole: String = (1..=5).map(line).collect();
    assert_eq!(place.whole().await.expect("reads"), whole);
}

#[tokio::test]
async fn a_long_journal_is_read_from_its_copy() {
    let (_disk, _local, place) = place().await;
    let (mut held, _) = place.clone().hold("apply").await.expect("held");
    for number in 1..=LOOSE + 1 {
        held.append(&line(number)).await.expect("writes");
    }
    held.release().await;
    let (mut held, entries) = place.clone().hold("apply").await.expect("held again");
    assert_eq!(place.numbers("whole").await.expect("listed"), [LOOSE + 1]);
    held.append(&line(LOOSE + 2)).await.expect("writes");
    assert_eq!(place.journal().await.expect("reads").loose, 1);
    assert_eq!(place.entries().await.expect("reads").len(), entries.len() + 1);
}

#[tokio::test]
async fn a_hole_in_the_journal_is_an_error() {
    let (_disk, _local, place) = place().await;
    let (mut held, _) = place.clone().hold("apply").await.expect("held");
    for number in 1..=3 {
        held.append(&line(number)).await.expect("writes");
    }
    let key = place.key("journal", 2);
    place
        .aws
        .delete_objects(&place.bucket, vec![key])
        .await
        .expect("deleted");
    let error = place.entries().await.expect_err("a hole");
    assert!(
        error
            .message
            .is_some_and(|message| message.contains("number 2 is missing"))
    );
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_named() {
    let (_disk, _local, place) = place().await;
    let elsewhere = Place {
        bucket: "nowhere-at-all".to_owned(),
        ..place
    };
    let error = elsewhere.hold("apply").await.map(drop).expect_err("no bucket");
    assert!(
        error.hints.iter().any(|hint| hint.contains("make that bucket first")),
        "{:?}",
        error.hints
    );
}

async fn make_bucket(aws: &Aws) {
    let owner = Owner {
        stack: "states".to_owned(),
        generation: "g".to_owned(),
        address: lakeform_engine::Address::parse("bucket.states").expect("an address"),
        op: "op".to_owned(),
    };
    let fields = [("name".to_owned(), lakeform_engine::Value::text("team-state"))];
    let create = Create {
        owner,
        fields: fields.into(),
    };
    aws.create(&create, &|_| {}).await.expect("a bucket");
}
