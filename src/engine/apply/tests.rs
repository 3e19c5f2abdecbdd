use super::*;
use crate::plan::Options;
use crate::simulation::cloud::run;
use crate::testing::{Bench, LAKEHOUSE};
use futures::future::ready;

#[test]
fn a_failure_stops_only_what_depends_on_it() {
    let mut bench = Bench::new();
    let plan = bench.plan(LAKEHOUSE, &Options::default());
    // Somebody takes the name between plan and apply.
    bench.cloud.put(
        crate::kind::Kind::GlueClassifier,
        Fields::from([("name".to_owned(), Value::text("t-csv"))]),
    );
    let outcome = bench.carry_out(&plan);
    let failed: Vec<String> = outcome.failed.iter().map(|(address, ..)| address.to_string()).collect();
    assert_eq!(failed, ["glue_classifier.csv"]);
    let causes: BTreeSet<String> = outcome.skipped.iter().map(|(.., cause)| cause.to_string()).collect();
    assert_eq!(causes, BTreeSet::from(["glue_classifier.csv".to_owned()]));
    let done: BTreeSet<String> = outcome.done.iter().map(|(address, _)| address.to_string()).collect();
    assert!(done.contains("redshift_cluster.main") && !done.contains("glue_crawler.bronze"));
    assert_eq!(done.len() + failed.len() + outcome.skipped.len(), plan.steps.len());
}

#[test]
fn a_journal_that_cannot_be_written_stops_everything() {
    let bench = Bench::new();
    let plan = bench.plan(LAKEHOUSE, &Options::default());
    let mut op = || "op".to_owned();
    let cx = Apply {
        cloud: &bench.cloud,
        stack: "t",
        generation: "g",
        parallelism: 8,
        new_op: &mut op,
        journal: &|_| ready(Err("the disk is full".to_owned())).boxed_local(),
        events: &mut |_| {},
    };
    let outcome = run(apply(cx, &plan, std::future::pending()), || false).expect("alive");
    assert_eq!(outcome.journal_error.as_deref(), Some("the disk is full"));
    assert!(bench.cloud.world.borrow().objects.is_empty() && !outcome.is_complete());
}
