//! Data work that dies after any request which changed something: the next run goes on with it, refuses nothing of its
//! own, and leaves the data there once.

use super::Data;
use super::warehouse;
use crate::connect::{Weather, World, open_local};
use crate::door::Doors;
use futures::FutureExt;
use futures::future::ready;
use lakeform_aws::{Aws, Cell, Connection};
use lakeform_datagen::Dataset;
use lakeform_engine::Stack;
use lakeform_engine::apply::{self, Apply, Outcome};
use lakeform_engine::check::check;
use lakeform_engine::expand::Outside;
use lakeform_engine::journal::{Entry, Ledger, VERSION};
use lakeform_engine::plan::{Options, Plan, plan};
use lakeform_local::Local;
use std::cell::Cell as Count;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Notify;

const PLACES: &str = r#"
[stack]
name = "t"
[bucket.lake]
name = "t-lake"
[role.glue]
service = "glue"
grants = { read = ["bucket.lake"], write = ["glue_database.bronze"] }
[role.redshift]
service = "redshift"
grants = { read = ["bucket.lake", "glue_database.bronze"] }
[glue_database.bronze]
[glue_classifier.pipe]
csv = { delimiter = "|", header = "PRESENT", single_column = true }
[vpc.main]
cidr = "10.0.0.0/16"
zones = ["a", "b"]
tiers = { private = { cidr = "10.0.0.0/20", s3_endpoint = true } }
[redshift_subnet_group.main]
subnets = ["vpc.main.private"]
[security_group.main]
vpc = "vpc.main"
[redshift_cluster.main]
subnet_group = "redshift_subnet_group.main"
security_groups = ["security_group.main"]
roles = ["role.redshift"]
"#;

const WORK: &str = r#"
[dataset.bank]
definition = "banking"
bucket = "bucket.lake"
prefix = "landing/"
tables = ["currencies", "investment_types"]
[glue_crawler.bronze]
database = "glue_database.bronze"
role = "role.glue"
targets = ["dataset.bank"]
classifiers = ["glue_classifier.pipe"]
[crawl.bronze]
crawler = "glue_crawler.bronze"
dataset = "dataset.bank"
[external_schema.bronze]
name = "bronze"
warehouse = "redshift_cluster.main"
database = "glue_database.bronze"
role = "role.redshift"
depends_on = ["crawl.bronze"]
[sql.table]
warehouse = "redshift_cluster.main"
run = "create table if not exists types (id bigint, name varchar(64))"
undo = "drop table if exists types"
[copy.types]
warehouse = "redshift_cluster.main"
table = "public.types"
from = "s3://t-lake/landing/investment_types/"
role = "role.redshift"
options = "delimiter '|' ignoreheader 1"
dataset = "dataset.bank"
depends_on = ["sql.table"]
"#;

fn stack(text: &str) -> Stack {
    let tables = |name: &str| {
        let dataset = Dataset::builtin(name)?;
        let owned = |(table, folder): (&str, &str)| (table.to_owned(), folder.to_owned());
        Some(dataset.written().map(owned).collect())
    };
    let outside = Outside {
        env: None,
        vars: &BTreeMap::new(),
        dataset_tables: &tables,
        dataset_names: Dataset::builtin_names(),
        local_account: crate::project::LOCAL_ACCOUNT,
    };
    let checked = check(text, &outside);
    checked
        .stack
        .unwrap_or_else(|| panic!("a mistake in the test's stack: {:?}", checked.problems))
}

/// The way to the local cloud of one process, which dies when so many requests that change something have had their
/// effect: the answer to the last never comes, and nothing more gets through.
struct Wire {
    left: AtomicUsize,
    dead: Notify,
}

impl Wire {
    fn new(left: usize) -> Arc<Self> {
        let dead = Notify::new();
        Arc::new(Self {
            left: left.into(),
            dead,
        })
    }

    /// Takes one of the requests that are left; says whether it was the last.
    fn take(&self) -> bool {
        self.left.fetch_sub(1, Ordering::SeqCst) == 1
    }

    fn aws(self: &Arc<Self>, local: &Arc<Local>) -> Aws {
        let (wire, local) = (self.clone(), local.clone());
        Aws::new(Connection::in_process(
            "us-east-1",
            Arc::new(move |request| {
                let (wire, local) = (wire.clone(), local.clone());
                Box::pin(async move {
                    let last = if wire.left.load(Ordering::SeqCst) == 0 {
                        std::future::pending().await
                    } else {
                        changes(&request) && wire.take()
                    };
                    let answer = local.handle(request).await;
                    if last {
                        wire.dead.notify_one();
                        std::future::pending::<()>().await;
                    }
                    answer
                })
            }),
        ))
    }
}

/// Whether a request may change something.
fn changes<B>(request: &http::Request<B>) -> bool {
    let reads = ["Get", "List", "Describe", "BatchGet"];
    let target = request
        .headers()
        .get("x-amz-target")
        .and_then(|value| value.to_str().ok());
    match target.and_then(|target| target.rsplit('.').next()) {
        Some(operation) => !reads.iter().any(|read| operation.starts_with(read)),
        None => !matches!(*request.method(), http::Method::GET | http::Method::HEAD),
    }
}

/// A machine with a journal; processes come and go.
struct Site {
    local: Arc<Local>,
    journal: RefCell<Vec<Entry>>,
    ops: Count<usize>,
    folder: tempfile::TempDir,
}

impl Site {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let local = open_local(&folder.path().join("local"), &Weather::default()).await;
        let opened = Entry::Opened {
            version: VERSION,
            stack: "t".into(),
            generation: "g".into(),
        };
        Self {
            local: local.expect("it opens"),
            journal: RefCell::new(vec![opened]),
            ops: Count::new(0),
            folder,
        }
    }

    fn world(&self, wire: &Arc<Wire>) -> World {
        let aws = wire.aws(&self.local);
        let folder = self.folder.path().to_owned();
        let data = Data::new(aws.clone(), folder.clone(), folder, Doors::new(aws.clone(), None));
        World::of(aws, data)
    }

    /// Settles and plans, as every command does.
    async fn plan(&self, world: &World, stack: &Stack) -> (Plan, Vec<Entry>) {
        let mut ledger = Ledger::replay(&*self.journal.borrow());
        let settled = apply::settle(world, &ledger)
            .await
            .expect("what was left open is found");
        settled.iter().for_each(|entry| ledger.add(entry));
        let asks = apply::asks(stack, &ledger);
        let observed = apply::observe(world, asks).await.expect("it is read");
        (plan(stack, &observed, &ledger, &Options::default()), settled)
    }

    async fn apply(&self, wire: &Arc<Wire>, stack: &Stack) -> Outcome {
        let world = self.world(wire);
        let (plan, settled) = self.plan(&world, stack).await;
        assert!(plan.blocked.is_empty(), "{:?}", plan.blocked);
        self.journal.borrow_mut().extend(settled);
        let apply = Apply {
            cloud: &world,
            stack: "t",
            generation: "g",
            parallelism: 4,
            new_op: &mut || {
                self.ops.set(self.ops.get() + 1);
                format!("op-{:0>29}", self.ops.get())
            },
            journal: &|entries| {
                self.journal.borrow_mut().extend(entries);
                ready(Ok(())).boxed_local()
            },
            events: &mut |_| {},
        };
        apply::apply(apply, &plan, std::future::pending()).await
    }

    /// Lives to its end, and leaves nothing to do.
    async fn converge(&self, stack: &Stack) {
        let wire = Wire::new(usize::MAX);
        let outcome = self.apply(&wire, stack).await;
        assert!(outcome.is_complete(), "{:?}", outcome.failed);
        let (plan, settled) = self.plan(&self.world(&wire), stack).await;
        assert!(plan.is_empty() && settled.is_empty(), "{:?}", plan.steps);
    }

    async fn keys(&self) -> Vec<String> {
        let aws = Wire::new(usize::MAX).aws(&self.local);
        let objects = aws.list_objects("t-lake", "").await.expect("listed");
        objects.into_iter().map(|object| object.key).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn data_work_that_dies_after_any_change_is_ended_by_the_next_run() {
    let site = Site::new().await;
    let (places, whole) = (stack(PLACES), stack(&format!("{PLACES}{WORK}")));
    site.converge(&places).await;
    for survived in 1.. {
        let wire = Wire::new(survived);
        let died = tokio::select! {
            outcome = site.apply(&wire, &whole) => {
                assert!(outcome.is_complete(), "{:?}", outcome.failed);
                false
            }
            () = wire.dead.notified() => true,
        };
        site.converge(&whole).await;
        let aws = Wire::new(usize::MAX).aws(&site.local);
        let target = "cluster:t-main/dev/admin";
        let counted = warehouse::run(&aws, target, None, "select count(*) from types").await;
        assert_eq!(
            counted.expect("it is counted").rows,
            [[Cell::Int(5)]],
            "{survived} changes survived"
        );
        site.converge(&places).await;
        assert_eq!(site.keys().await, Vec::<String>::new(), "{survived} changes survived");
        if !died {
            // Marks, files and manifests, then crawl, schema, table and rows, each with its mark.
            assert!(survived > 15, "only {survived} changes");
            break;
        }
    }
}
