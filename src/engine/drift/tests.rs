use super::*;
use crate::cloud::Owner;
use crate::kind::Kind;
use crate::testing::{Bench, LAKEHOUSE};
use snapbox::{assert_data_eq, str};

fn found(bench: &Bench, text: &str) -> Vec<Drift> {
    let stack = Bench::stack(text);
    compare(&stack, &bench.observed(&stack), &bench.ledger, &owned(bench))
}

/// What a search for our tags finds.
fn owned(bench: &Bench) -> Vec<Owned> {
    let world = bench.cloud.world.borrow();
    let ours = world.objects.iter().filter_map(|(id, object)| {
        Some(Owned {
            owner: object.owner.clone()?,
            id: id.clone(),
        })
    });
    ours.filter(|owned| owned.owner.address.kind.schema().taggable)
        .collect()
}

#[test]
fn what_was_just_applied_has_not_drifted() {
    let bench = Bench::with(LAKEHOUSE);
    assert_eq!(found(&bench, LAKEHOUSE), []);
    assert_data_eq!(
        text(&[]),
        str![[r#"
No drift: what is live is what was applied.

"#]]
    );
}

#[test]
fn what_the_file_gave_away_is_no_orphan() {
    let mut bench = Bench::with("[bucket.lake]\n[log_group.events]\n");
    let now = "removed = [\"log_group.events\"]\n[bucket.lake]\n";
    let stack = crate::testing::stack(&format!("{now}[stack]\nname = \"t\"\n"));
    for entry in bench.ledger.moves(&stack) {
        bench.ledger.add(&entry);
    }
    assert_eq!(
        compare(&stack, &bench.observed(&stack), &bench.ledger, &owned(&bench)),
        []
    );
}

#[test]
fn every_class_of_drift_is_found_and_named() {
    let bench = Bench::with(LAKEHOUSE);
    {
        let mut world = bench.cloud.world.borrow_mut();
        world
            .objects
            .get_mut("bucket:t-lake")
            .expect("there")
            .fields
            .insert("versioning".into(), true.into());
        world.objects.remove("glue_trigger:t-bronze");
        let mut orphan = world.objects["role:t-crawler"].clone();
        let op = "op-lost".to_owned();
        orphan.owner = Some(Owner {
            stack: "t".into(),
            generation: "g".into(),
            address: crate::Address::new(Kind::Role, "lost"),
            op,
        });
        world.objects.insert("role:lost".into(), orphan);
    }
    let text_now = LAKEHOUSE.replace("force_destroy = true", "force_destroy = false") + "[log_group.new]\n";
    let found = found(&bench, &text_now);
    assert!(is_drift(&found));
    assert_data_eq!(
        text(&found),
        str![[r#"
bucket.lake
  changed   `versioning` is true, should be false
  pending   `force_destroy` is true, should be false (the file changed since it was applied)
role.lost
  orphan    `role:lost` carries our tags and is not in the ledger
glue_trigger.bronze
  deleted   `glue_trigger:t-bronze` is gone
log_group.new
  pending   it was not applied yet

Drift: 1 changed, 1 deleted, 1 orphan, 2 pending.

"#]]
    );
    assert_data_eq!(
        markdown(&found),
        str![[r#"
| resource | class | what |
| --- | --- | --- |
| `bucket.lake` | changed | `versioning` is true, should be false |
| `bucket.lake` | pending | `force_destroy` is true, should be false (the file changed since it was applied) |
| `role.lost` | orphan | `role:lost` carries our tags and is not in the ledger |
| `glue_trigger.bronze` | deleted | `glue_trigger:t-bronze` is gone |
| `log_group.new` | pending | it was not applied yet |

"#]]
    );
    assert_data_eq!(
        junit(&found, &[crate::Address::new(Kind::Vpc, "main")]),
        str![[r#"
<?xml version="1.0" encoding="UTF-8"?>
<testsuite name="drift" tests="5" failures="3">
  <testcase classname="vpc" name="main"/>
  <testcase classname="bucket" name="lake">
    <failure type="changed" message="`versioning` is true, should be false"/>
  </testcase>
  <testcase classname="role" name="lost">
    <failure type="orphan" message="`role:lost` carries our tags and is not in the ledger"/>
  </testcase>
  <testcase classname="glue_trigger" name="bronze">
    <failure type="deleted" message="`glue_trigger:t-bronze` is gone"/>
  </testcase>
  <testcase classname="log_group" name="new"/>
</testsuite>

"#]]
    );
    let source = format!("[stack]\nname = \"t\"\n{text_now}");
    assert_data_eq!(
        github(&found, "stack.toml", &source),
        str![[r#"
::error file=stack.toml,line=11,col=9,title=bucket.lake changed::`versioning` is true, should be false
::notice file=stack.toml,line=12,col=17,title=bucket.lake pending::`force_destroy` is true, should be false (the file changed since it was applied)
::error file=stack.toml,line=1,col=1,title=role.lost orphan::`role:lost` carries our tags and is not in the ledger
::error file=stack.toml,line=27,col=15,title=glue_trigger.bronze deleted::`glue_trigger:t-bronze` is gone
::notice file=stack.toml,line=56,col=12,title=log_group.new pending::it was not applied yet

"#]]
    );
    assert_eq!(to_json(&found)["found"].as_array().map(Vec::len), Some(found.len()));
    assert_eq!(
        sarif(&found, "stack.toml", &source, "0.1.0")["runs"][0]["results"][0]["ruleId"],
        "changed"
    );
}

#[test]
fn a_file_ahead_of_what_was_applied_is_no_drift() {
    let bench = Bench::with("[bucket.lake]\n");
    let found = found(&bench, "[bucket.lake]\nversioning = true\n");
    assert!(!is_drift(&found));
    assert_data_eq!(
        text(&found),
        str![[r#"
bucket.lake
  pending   `versioning` is false, should be true (the file changed since it was applied)

Drift: 1 pending.

"#]]
    );
}

#[test]
fn what_nobody_asked_for_is_extra() {
    let text_now = "[role.x]\nservice = \"glue\"\n[bucket.lake]\n";
    let bench = Bench::with(text_now);
    {
        let mut world = bench.cloud.world.borrow_mut();
        let policy = serde_json::json!({"Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]});
        let role = world.objects.get_mut("role:t-x").expect("there");
        role.fields.insert(
            "policies".into(),
            Value::from_json(&serde_json::json!({ "back-door": policy })),
        );
        let bucket = world.objects.get_mut("bucket:t-lake").expect("there");
        bucket.fields.insert("policy".into(), Value::from_json(&policy));
    }
    assert_data_eq!(
        text(&found(&bench, text_now)),
        str![[r#"
bucket.lake
  extra     `policy` has {"Statement":[{"Action":"s3:*","Effect":"Allow","Resource":"*"}]}, which no file asked for
role.x
  extra     `policies` has {"back-door":{"Statement":[{"Action":"s3:*","Effect":"Allow","Resource":"*"}]}}, which no file asked for

Drift: 2 extra.

"#]]
    );
}

#[test]
fn what_was_accepted_is_not_told_again_but_another_value_is() {
    let bench = Bench::with("[bucket.lake]\n");
    let bend = |value: &str| {
        let mut world = bench.cloud.world.borrow_mut();
        let object = world.objects.get_mut("bucket:t-lake").expect("there");
        object.fields.insert("encryption".into(), value.into());
    };
    bend("aws:kms");
    let first = found(&bench, "[bucket.lake]\n");
    let baseline = read_baseline(&to_json(&first).to_string()).expect("a report is a baseline");
    let mut again = found(&bench, "[bucket.lake]\n");
    assert_eq!((without(&mut again, &baseline), again.len()), (1, 0));
    bend("aws:kms:dsse");
    let mut other = found(&bench, "[bucket.lake]\n");
    assert_eq!((without(&mut other, &baseline), other.len()), (0, 1));
    for wrong in [
        "nonsense",
        "{}",
        "{\"format_version\":9,\"found\":[]}",
        "{\"format_version\":1,\"found\":[{}]}",
    ] {
        assert!(read_baseline(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_file_that_came_round_to_what_is_live_ends_the_drift() {
    let mut bench = Bench::with("[bucket.lake]\n");
    bench
        .cloud
        .world
        .borrow_mut()
        .objects
        .get_mut("bucket:t-lake")
        .expect("there")
        .fields
        .insert("versioning".into(), true.into());
    let text_now = "[bucket.lake]\nversioning = true\n";
    assert_eq!(found(&bench, text_now), []);
    // The ledger learns it, so that a change back is drift again.
    let outcome = bench.apply(text_now);
    assert!(outcome.is_complete() && outcome.done.is_empty());
    assert!(
        bench
            .plan(text_now, &crate::plan::Options::default())
            .entries
            .is_empty()
    );
    assert_eq!(
        bench.ledger.records[&crate::Address::new(Kind::Bucket, "lake")].fields["versioning"],
        Value::Bool(true)
    );
}

#[test]
fn a_route_to_what_is_gone_and_a_state_on_its_way_are_told_apart() {
    let text_now = "[vpc.main]\ncidr = \"10.0.0.0/16\"\n[route_table.main]\nvpc = \"vpc.main\"\n[bucket.lake]\n";
    let bench = Bench::with(text_now);
    let stack = Bench::stack(text_now);
    let mut observed = bench.observed(&stack);
    let mut tell = |kind: Kind, name: &str, status: &str, extra: Option<&str>| {
        let live = observed
            .get_mut(&crate::Address::new(kind, name))
            .and_then(Option::as_mut)
            .expect("there");
        live.status = Some(status.to_owned());
        live.extras.extend(extra.map(str::to_owned));
    };
    tell(
        Kind::RouteTable,
        "main",
        "blackhole",
        Some("the route to 0.0.0.0/0 leads nowhere: igw-1 is gone"),
    );
    tell(Kind::Vpc, "main", "pending", None);
    assert_data_eq!(
        text(&compare(&stack, &observed, &bench.ledger, &[])),
        str![[r#"
vpc.main
  pending   AWS says `pending`
route_table.main
  blackhole the route to 0.0.0.0/0 leads nowhere: igw-1 is gone

Drift: 1 blackhole, 1 pending.

"#]]
    );
}

#[test]
fn what_is_being_deleted_counts_as_gone() {
    let text_now = "[vpc.main]\ncidr = \"10.0.0.0/16\"\n";
    let bench = Bench::with(text_now);
    let stack = Bench::stack(text_now);
    let mut observed = bench.observed(&stack);
    let live = observed.values_mut().next().and_then(Option::as_mut).expect("there");
    live.going = true;
    live.status = Some("deleting".to_owned());
    assert_data_eq!(
        text(&compare(&stack, &observed, &bench.ledger, &[])),
        str![[r#"
vpc.main
  deleted   `vpc#1` is being deleted

Drift: 1 deleted.

"#]]
    );
}

#[test]
fn data_that_is_not_as_it_was_written_has_drifted() {
    let bench = Bench::with(LAKEHOUSE);
    let stack = Bench::stack(LAKEHOUSE);
    let mut observed = bench.observed(&stack);
    let dataset = observed
        .keys()
        .find(|address| address.kind == Kind::Dataset)
        .expect("declared")
        .clone();
    let live = observed.get_mut(&dataset).and_then(Option::as_mut).expect("there");
    live.status = Some("pending: 0 of 1 files are as they were written".to_owned());
    let found = compare(&stack, &observed, &bench.ledger, &[]);
    assert!(is_drift(&found));
    assert_data_eq!(
        text(&found),
        str![[r#"
dataset.banking
  changed   pending: 0 of 1 files are as they were written

Drift: 1 changed.

"#]]
    );
}
