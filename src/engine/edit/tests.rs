use super::*;
use crate::simulation::cloud::FakeCloud;
use crate::testing::{Bench, checked};
use snapbox::{assert_data_eq, str};

const HEAD: &str = "[stack]\nname = \"t\"\n";

/// Applies a text, changes fields behind its back, accepts that, and returns the new text without its head.
fn accepted(text: &str, changes: &[(&str, &str, serde_json::Value)]) -> (String, Vec<String>) {
    let bench = Bench::with(text);
    bend(&bench.cloud, changes);
    let whole = format!("{HEAD}{text}");
    let stack = Bench::stack(text);
    let found = crate::drift::compare(&stack, &bench.observed(&stack), &bench.ledger, &[]);
    assert!(!found.is_empty(), "something differs");
    let accepted = accept(&whole, &checked, &bench.ledger, &found);
    let text = accepted.text.strip_prefix(HEAD).expect("the head stays").to_owned();
    // What was written is what is live: nothing is left to plan for it.
    let stack = Bench::stack(&text);
    let left = crate::drift::compare(&stack, &bench.observed(&stack), &bench.ledger, &[]);
    let refused: Vec<String> = accepted
        .refused
        .iter()
        .map(|(drift, why)| format!("{}: {why}", drift.address))
        .collect();
    assert_eq!(left.len(), refused.len(), "{left:?}");
    (text, refused)
}

fn bend(cloud: &FakeCloud, changes: &[(&str, &str, serde_json::Value)]) {
    let mut world = cloud.world.borrow_mut();
    for (id, field, value) in changes {
        let object = world.objects.get_mut(*id).expect("it is there");
        object.fields.insert((*field).to_owned(), Value::from_json(value));
    }
}

#[test]
fn a_value_is_changed_where_it_stands() {
    let (text, refused) = accepted(
        "# The lake.\n[bucket.lake]\nversioning   = false # not yet\nexpire       = []\n\n[role.x]\nservice = \"glue\"\n",
        &[
            ("bucket:t-lake", "versioning", true.into()),
            ("role:t-x", "description", "for a \"test\" of ${x}".into()),
        ],
    );
    assert_data_eq!(
        text,
        str![[r##"
# The lake.
[bucket.lake]
versioning   = true # not yet
expire       = []

[role.x]
service = "glue"
description = "for a /"test/" of $${x}"

"##]]
    );
    assert!(refused.is_empty());
}

#[test]
fn lists_are_changed_element_by_element() {
    let text = r#"
[vpc.main]
cidr = "10.0.0.0/16"
[security_group.db]
vpc = "vpc.main"
ingress = [
  { port = 5439, cidr = "10.0.0.0/16" }, # ours
  { port = 5439, cidr = "10.1.0.0/16" }, # the office
  { port = 22, cidr = "10.2.0.0/16" },
]
"#;
    let rule =
        |port: u16, cidr: &str| serde_json::json!({"port": port, "cidr": cidr, "protocol": "tcp", "description": ""});
    let now = serde_json::json!([
        rule(5439, "10.0.0.0/16"),
        rule(22, "10.2.0.0/16"),
        rule(443, "10.3.0.0/16")
    ]);
    let (text, _) = accepted(text, &[("security_group#2", "ingress", now)]);
    assert_data_eq!(
        text,
        str![[r#"

[vpc.main]
cidr = "10.0.0.0/16"
[security_group.db]
vpc = "vpc.main"
ingress = [
  { port = 5439, cidr = "10.0.0.0/16" }, # ours
  { port = 22, cidr = "10.2.0.0/16" },
  { cidr = "10.3.0.0/16", port = 443 },
]

"#]]
    );
}

#[test]
fn references_in_a_list_stay_references() {
    let text = r#"
[vpc.main]
cidr = "10.0.0.0/16"
[subnet.a]
vpc = "vpc.main"
cidr = "10.0.0.0/24"
zone = "a"
[route_table.main]
vpc = "vpc.main"
subnets = ["subnet.a"]
"#;
    let now = serde_json::json!(["subnet#2", "subnet-by-hand"]);
    let (text, _) = accepted(text, &[("route_table#3", "subnets", now)]);
    assert_data_eq!(
        text.lines().last().unwrap_or_default(),
        str![[r#"subnets = ["subnet.a", "subnet-by-hand"]"#]]
    );
}

#[test]
fn what_no_line_says_is_left_to_people() {
    let text = r#"
[vpc.main]
cidr = "10.0.0.0/16"
zones = ["a", "b"]
tiers.private = { cidr = "10.0.16.0/20" }
"#;
    let (after, refused) = accepted(text, &[("subnet#2", "public_ips", true.into())]);
    assert_eq!(after, text, "a shorthand is not taken apart");
    assert_data_eq!(
        refused.join("\n"),
        str!["subnet.main_private_b: it is not written where a line could be changed: change it by hand"]
    );
}

#[test]
fn what_the_stack_made_itself_is_written_as_its_address() {
    let text = "[vpc.main]\ncidr = \"10.0.0.0/16\"\n[security_group.db]\nvpc = \"vpc.main\"\n[security_group.app]\nvpc = \"vpc.main\"\n";
    let bench = Bench::with(text);
    let app = bench.ledger.records[&crate::Address::parse("security_group.app").expect("an address")]
        .id
        .clone();
    let rule = serde_json::json!([{"protocol": "tcp", "port": 5439, "group": app, "description": ""}]);
    let db = bench.ledger.records[&crate::Address::parse("security_group.db").expect("an address")]
        .id
        .clone();
    let (text, refused) = accepted(text, &[(&db, "ingress", rule)]);
    assert_data_eq!(
        text,
        str![[r#"
[vpc.main]
cidr = "10.0.0.0/16"
[security_group.db]
vpc = "vpc.main"
ingress = [{ group = "security_group.app", port = 5439 }]
[security_group.app]
vpc = "vpc.main"

"#]]
    );
    assert!(refused.is_empty());
}

#[test]
fn what_is_unset_by_somebody_is_forgotten_by_the_next_apply() {
    let text = "[log_group.events]\nretention_days = 14\n";
    let mut bench = Bench::with(text);
    let id = bench.ledger.records.values().next().expect("made").id.clone();
    bench
        .cloud
        .world
        .borrow_mut()
        .objects
        .get_mut(&id)
        .expect("there")
        .fields
        .remove("retention_days");
    let without = "[log_group.events]\n";
    let plan = bench.plan(without, &crate::plan::Options::default());
    assert!(plan.is_empty());
    bench.carry_out(&plan);
    let stack = Bench::stack(without);
    assert_eq!(
        crate::drift::compare(&stack, &bench.observed(&stack), &bench.ledger, &[]),
        []
    );
}
