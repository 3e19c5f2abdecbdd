use super::*;
use crate::cloud::Owner;
use crate::kind::Kind;
use crate::testing::{Bench, LAKEHOUSE};
use snapbox::{assert_data_eq, str};

fn found(bench: &Bench, text: &str) -> Vec<Drift> {
    let stack = Bench::stack(text);
    let owned: Vec<Owned> = {
        let world = bench.cloud.world.borrow();
        let ours = world.objects.iter().filter_map(|(id, object)| {
            Some(Owned {
                owner: object.owner.clone()?,
                id: id.clone(),
            })
        });
        ours.filter(|owned| owned.owner.address.kind.schema().taggable)
            .collect()
    };
    compare(&stack, &bench.observed(&stack), &bench.ledger, &owned)
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
