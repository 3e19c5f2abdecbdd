//! Uploads against the local cloud, in process: cut off at any part, gone on with, not sent twice, proved.

use super::super::dataset::{Filled, Place, fill};
use super::super::manifest::{Begun, Keys, Manifest, load};
use super::super::proof::{Claim, prove};
use super::super::recipe::{Batches, Recipe};
use super::super::workers::{Workers, base64};
use crate::connect::{Weather, in_process, open_local};
use bytes::Bytes;
use lakeform_aws::{Aws, Connection};
use lakeform_datagen::{self as datagen, Dataset, Sum};
use lakeform_engine::check::check;
use lakeform_engine::cloud::{Cloud, Create, Owner};
use lakeform_engine::expand::Outside;
use lakeform_engine::journal::Ledger;
use lakeform_engine::{CloudError, apply};
use lakeform_local::Local;
use lakeform_local::fault::{Effect, Plan as Faults, Rule};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Notify;

const BUCKET: &str = "lake-of-tests";

/// The way to the local cloud, which counts what is sent and can be cut. What got through is carried out there,
/// whatever becomes of who sent it.
#[derive(Default)]
struct Wire {
    /// After so many parts nothing more gets through, as when a process dies.
    cut: Option<usize>,
    begun: AtomicUsize,
    arrived: AtomicUsize,
    whole: AtomicUsize,
    is_cut: Notify,
    has_arrived: Notify,
}

impl Wire {
    /// Waits for the parts that got through before it was cut.
    async fn all_arrived(&self) {
        while Some(self.arrived.load(Ordering::SeqCst)) < self.cut {
            self.has_arrived.notified().await;
        }
    }
}

fn aws(local: &Arc<Local>, wire: &Arc<Wire>) -> Aws {
    let (local, wire) = (local.clone(), wire.clone());
    Aws::new(Connection::in_process(
        "us-east-1",
        Arc::new(move |request| {
            let (local, wire) = (local.clone(), wire.clone());
            Box::pin(async move {
                let put = request.method() == http::Method::PUT;
                let part = put && request.uri().query().is_some_and(|query| query.contains("partNumber="));
                if put && !part && request.uri().path().starts_with(&format!("/{BUCKET}/landing/")) {
                    wire.whole.fetch_add(1, Ordering::SeqCst);
                }
                if part
                    && wire
                        .cut
                        .is_some_and(|cut| wire.begun.fetch_add(1, Ordering::SeqCst) >= cut)
                {
                    wire.is_cut.notify_one();
                    std::future::pending::<()>().await;
                }
                let carried_out = tokio::spawn(async move {
                    let answer = local.handle(request).await;
                    if part && answer.status().is_success() {
                        wire.arrived.fetch_add(1, Ordering::SeqCst);
                        wire.has_arrived.notify_one();
                    }
                    answer
                });
                carried_out.await.expect("the local cloud does not panic")
            })
        }),
    ))
}

/// A local cloud with an empty bucket.
async fn cloud(folder: &tempfile::TempDir) -> Arc<Local> {
    let local = open_local(folder.path(), &Weather::default()).await.expect("it opens");
    let text = format!("[stack]\nname = \"t\"\n[bucket.lake]\nname = \"{BUCKET}\"\n");
    let outside = Outside {
        env: None,
        vars: &BTreeMap::new(),
        dataset_tables: &|_| None,
        dataset_names: &[],
        local_account: crate::project::LOCAL_ACCOUNT,
    };
    let stack = check(&text, &outside).stack.expect("no problems");
    let ask = apply::asks(&stack, &Ledger::default()).remove(0);
    let owner = Owner {
        stack: "t".into(),
        generation: "g".into(),
        address: ask.address,
        op: "o".into(),
    };
    let create = Create {
        owner,
        fields: ask.fields,
    };
    aws(&local, &Arc::default())
        .create(&create, &|_| {})
        .await
        .expect("a bucket");
    local
}

fn place() -> Place {
    Place {
        bucket: BUCKET.into(),
        prefix: "landing/".into(),
        address: "dataset.banking".into(),
    }
}

/// One large file of small parts, though not smaller than S3 takes, and small files.
fn batches(rows: u64, seed: u64) -> Batches {
    let dataset = Dataset::builtin("banking").expect("shipped");
    let options = datagen::Options {
        rows,
        seed,
        part_bytes: 11 << 20,
        tables: ["fact_transactions", "customers", "dates"].map(str::to_owned).to_vec(),
        ..datagen::Options::default()
    };
    let plan = dataset.plan(&options).expect("a plan");
    Batches {
        fingerprint: plan.fingerprint().to_owned(),
        plans: vec![Arc::new(plan)],
    }
}

async fn run(local: &Arc<Local>, wire: &Arc<Wire>, rows: u64, seed: u64) -> Result<Filled, CloudError> {
    let aws = aws(local, wire);
    fill(
        &aws,
        &place(),
        &Recipe::default(),
        batches(rows, seed),
        2,
        None,
        &|_| {},
    )
    .await
}

fn parts(rows: u64) -> usize {
    let plan = batches(rows, 1);
    plan.files()
        .into_iter()
        .map(|at| plan.file(at).parts.len())
        .filter(|parts| *parts > 1)
        .sum()
}

/// Length and checksum of everything under the prefix, as the store tells them.
async fn stored(aws: &Aws) -> BTreeMap<String, (u64, Option<String>)> {
    let mut stored = BTreeMap::new();
    for object in aws.list_objects(BUCKET, "landing/").await.expect("listed") {
        let head = aws
            .head_object(BUCKET, &object.key)
            .await
            .expect("asked")
            .expect("it is there");
        stored.insert(object.key, (head.size, head.crc64nvme));
    }
    stored
}

/// What a manifest says of the same.
fn expected(manifest: &Manifest) -> BTreeMap<String, (u64, Option<String>)> {
    let line = |object: &datagen::ObjectEntry| {
        let sum = Sum {
            bytes: object.bytes,
            crc64nvme: u64::from_str_radix(&object.crc64nvme, 16).expect("hexadecimal"),
        };
        (object.key.clone(), (object.bytes, Some(base64(sum))))
    };
    manifest.objects().map(line).collect()
}

const ROWS: u64 = 1_200_000;

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_dies_at_any_part_goes_on_with_what_is_missing() {
    let folder = tempfile::tempdir().expect("a folder");
    let local = cloud(&folder).await;
    let parts = parts(ROWS);
    assert!(parts >= 4, "{parts}");
    let mut seed = 7u64;
    for _ in 0..3 {
        // Another seed each time, so that nothing of the run before is of use; cut at a part drawn from it.
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let cut = Arc::new(Wire {
            cut: Some((seed >> 33) as usize % parts),
            ..Wire::default()
        });
        tokio::select! {
            ended = run(&local, &cut, ROWS, seed) => panic!("it ended: {}", ended.is_ok()),
            () = cut.is_cut.notified() => {}
        }
        cut.all_arrived().await;
        let arrived = cut.arrived.load(Ordering::SeqCst);
        let wire = Arc::new(Wire::default());
        let filled = run(&local, &wire, ROWS, seed).await.expect("the second run ends well");
        assert_eq!(
            wire.arrived.load(Ordering::SeqCst),
            parts - arrived,
            "cut after {arrived} of {parts} parts"
        );
        let aws = aws(&local, &wire);
        assert_eq!(stored(&aws).await, expected(&filled.manifest));
        assert!(aws.unfinished_uploads(BUCKET, "").await.expect("listed").is_empty());
        let about: Vec<String> = aws
            .list_objects(BUCKET, "_lakeform/")
            .await
            .expect("listed")
            .into_iter()
            .map(|object| object.key)
            .collect();
        assert!(about.iter().all(|key| !key.ends_with("begun.json")), "{about:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_that_fail_are_sent_again_and_no_others() {
    let folder = tempfile::tempdir().expect("a folder");
    let local = cloud(&folder).await;
    let rule = |operation: &str, effect, times| Rule {
        operation: operation.to_owned(),
        effect,
        times,
    };
    local.faults().set(Faults {
        rules: vec![
            rule("s3:UploadPart", Effect::Throttle, 4),
            rule("s3:UploadPart", Effect::ServerError, 2),
            rule("s3:UploadPart", Effect::Lost, 2),
            rule("s3:CompleteMultipartUpload", Effect::Lost, 1),
        ],
        ..Faults::default()
    });
    let aws = Aws::new(in_process("us-east-1", &local));
    let filled = fill(&aws, &place(), &Recipe::default(), batches(ROWS, 1), 2, None, &|_| {})
        .await
        .expect("it ends well");
    assert_eq!(stored(&aws).await, expected(&filled.manifest));
    let calls = aws.connection().calls();
    assert_eq!(local.faults().records().len(), 9, "{calls:?}");
    // Two files and five words about them are whole; each fault costs one more request and nothing else.
    let puts = calls["s3:UploadPart"] + calls["s3:PutObject"];
    assert_eq!(puts, parts(ROWS) as u64 + 7 + 8, "{calls:?}");
    assert_eq!(calls["s3:CreateMultipartUpload"], 1, "{calls:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_is_not_sent_again_and_a_smaller_run_leaves_nothing_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    let local = cloud(&folder).await;
    let first = Arc::new(Wire::default());
    let filled = run(&local, &first, ROWS, 1).await.expect("uploaded");
    assert_eq!(filled.there, 0);
    // With the manifest, and again without it.
    for forget in [false, true] {
        let wire = Arc::new(Wire::default());
        let aws = aws(&local, &wire);
        if forget {
            aws.delete_objects(BUCKET, vec![place().keys().manifest(None)])
                .await
                .expect("deleted");
        }
        let again = run(&local, &wire, ROWS, 1).await.expect("nothing to do");
        assert_eq!(
            (wire.arrived.load(Ordering::SeqCst), wire.whole.load(Ordering::SeqCst)),
            (0, 0)
        );
        assert_eq!(again.there, 3);
        assert_eq!(again.manifest, filled.manifest);
    }
    // An upload that somebody else began under a name of ours stays theirs.
    let wire = Arc::new(Wire::default());
    let aws = aws(&local, &wire);
    let key = "landing/fact_transactions/fact_transactions-00000.csv";
    let theirs = aws.begin_upload(BUCKET, key).await.expect("begun");
    let small = run(&local, &wire, 5_000, 1).await.expect("uploaded");
    let kept: Vec<String> = stored(&aws).await.into_keys().collect();
    let told: Vec<String> = small.manifest.objects().map(|object| object.key.clone()).collect();
    assert_eq!(kept.len(), told.len(), "{kept:?}");
    let unfinished = aws.unfinished_uploads(BUCKET, "").await.expect("listed");
    assert_eq!(
        unfinished.iter().map(|left| &left.upload).collect::<Vec<_>>(),
        [&theirs]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn shares_come_to_the_same_objects_and_are_joined() {
    let folder = tempfile::tempdir().expect("a folder");
    let local = cloud(&folder).await;
    let wire = Arc::new(Wire::default());
    let aws = aws(&local, &wire);
    let whole = run(&local, &wire, 100_000, 1).await.expect("uploaded").manifest;
    let all = stored(&aws).await;
    aws.delete_objects(BUCKET, all.keys().cloned().collect())
        .await
        .expect("deleted");
    for part in 1..=2 {
        let plan = batches(100_000, 1);
        let options = datagen::Options {
            part: Some((part, 2)),
            ..plan.plans[0].options.clone()
        };
        let share = Dataset::builtin("banking")
            .expect("shipped")
            .plan(&options)
            .expect("a plan");
        let share = Batches {
            fingerprint: share.fingerprint().to_owned(),
            plans: vec![Arc::new(share)],
        };
        fill(&aws, &place(), &Recipe::default(), share, 2, None, &|_| {})
            .await
            .expect("uploaded");
    }
    assert_eq!(stored(&aws).await, all);
    let joined = run(&local, &wire, 100_000, 1).await.expect("joined");
    assert_eq!((joined.there, joined.manifest), (3, whole));
    let keys = Keys::of("landing/", "dataset.banking");
    assert!(
        aws.list_objects(BUCKET, &keys.parts())
            .await
            .expect("listed")
            .is_empty()
    );
    assert!(
        load::<Begun>(&aws, BUCKET, &keys.begun(None))
            .await
            .expect("read")
            .is_none()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_names_what_is_missing_different_and_extra() {
    let folder = tempfile::tempdir().expect("a folder");
    let local = cloud(&folder).await;
    let aws = aws(&local, &Arc::default());
    let manifest: Manifest = run(&local, &Arc::default(), 5_000, 1).await.expect("uploaded").manifest;
    let proofs = async || {
        let claims = [Claim {
            manifest: manifest.clone(),
            workers: Workers::new(Arc::new(batches(5_000, 1)), 2),
        }];
        let listed = aws.list_objects(BUCKET, "landing/").await.expect("listed");
        let present = listed.into_iter().map(|object| (object.key, object.size)).collect();
        let look = async |key: &str| {
            let head = aws.head_object(BUCKET, key).await?.expect("listed");
            let wanted = manifest.objects().find(|object| object.key == key).expect("ours");
            let crc64nvme = u64::from_str_radix(&wanted.crc64nvme, 16).expect("hexadecimal");
            let sum = Sum {
                bytes: head.size,
                crc64nvme,
            };
            let same = head.crc64nvme.as_deref() == Some(&base64(sum));
            Ok::<_, CloudError>(Some(if same { sum } else { Sum::default() }))
        };
        prove(&claims, &present, look, &|_| {}).await.expect("compared")
    };
    assert!(proofs().await.iter().all(|proof| proof.holds()));
    let put = async |key: &str, bytes: &[u8]| {
        aws.put_object(BUCKET, key, Bytes::copy_from_slice(bytes), None, false)
            .await
            .expect("written");
    };
    let customers = "landing/customers/customers-00000.csv";
    let (bytes, _) = aws
        .get_object(BUCKET, customers)
        .await
        .expect("read")
        .expect("it is there");
    let mut bytes = bytes.to_vec();
    bytes[200] ^= 1;
    put(customers, &bytes).await;
    put("landing/customers/", b"").await;
    put("landing/customers/more.csv", b"1|2\n").await;
    aws.delete_objects(BUCKET, vec!["landing/dates/dates-00000.csv".into()])
        .await
        .expect("deleted");
    let found: Vec<String> = proofs()
        .await
        .iter()
        .filter(|proof| !proof.holds())
        .map(|proof| {
            format!(
                "{}: {:?} {:?} {:?}",
                proof.table, proof.missing, proof.different, proof.extra
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            r#"customers: [] ["landing/customers/customers-00000.csv"] ["landing/customers/more.csv"]"#,
            r#"dates: ["landing/dates/dates-00000.csv"] [] []"#,
        ]
    );
}
