use super::*;
use crate::cloud::Owner;
use crate::render;
use crate::testing::{Bench, LAKEHOUSE, look, random_stack, steps};
use proptest::prelude::*;
use snapbox::{assert_data_eq, str};

fn address(text: &str) -> Address {
    Address::parse(text).expect("a test address")
}

fn options(target: &[&str], except: &[&str]) -> Options {
    let all = |texts: &[&str]| texts.iter().map(|text| address(text)).collect();
    Options {
        target: all(target),
        except: all(except),
        replace: BTreeSet::new(),
    }
}

const NETWORK: &str = r#"
[vpc.main]
cidr = "10.0.0.0/16"
[subnet.a]
vpc = "vpc.main"
cidr = "10.0.0.0/24"
zone = "a"
[subnet.b]
vpc = "vpc.main"
cidr = "10.0.1.0/24"
zone = "b"
[route_table.main]
vpc = "vpc.main"
subnets = ["subnet.a", "subnet.b"]
[vpc_endpoint.s3]
vpc = "vpc.main"
route_tables = ["route_table.main"]
[security_group.db]
vpc = "vpc.main"
ingress = [{ port = 5439, cidr = "10.0.0.0/8" }]
[redshift_subnet_group.main]
subnets = ["subnet.a", "subnet.b"]
[redshift_cluster.main]
subnet_group = "redshift_subnet_group.main"
security_groups = ["security_group.db"]
"#;

#[test]
fn a_first_plan_shows_what_will_be_made_and_where_it_waits() {
    let text =
        "[vpc.main]\ncidr = \"10.0.0.0/16\"\n[subnet.a]\nvpc = \"vpc.main\"\ncidr = \"10.0.0.0/24\"\nzone = \"a\"\n";
    assert_data_eq!(
        Bench::new().shown(text),
        str![[r#"
  + vpc.main  it is new
        cidr = "10.0.0.0/16"
    └─ + subnet.a  it is new
           cidr = "10.0.0.0/24"
           vpc = → vpc.main.id
           zone = "us-east-1a"

Plan: 2 to add, 0 to change, 0 to destroy.
Time: ≈ 5 s, vpc.main

"#]]
    );
}

#[test]
fn after_an_apply_there_is_nothing_to_do() {
    for seed in 0..40 {
        let text = random_stack(seed)
            .replace("[stack]\nname = \"sim\"\n", "")
            .replace("tags = {", "# tags = {");
        let mut bench = Bench::with(&text);
        let plan = bench.plan(&text, &Options::default());
        assert!(
            plan.is_empty() && plan.entries.is_empty() && plan.steps.is_empty(),
            "{text}\n{plan:#?}"
        );
        let changes = bench.cloud.world.borrow().changes;
        assert!(bench.carry_out(&plan).is_complete());
        assert_eq!(
            bench.cloud.world.borrow().changes,
            changes,
            "a second apply asks for nothing"
        );
    }
}

#[test]
fn a_change_in_place_says_what_and_how_bad() {
    let bench = Bench::with(NETWORK);
    let text = NETWORK
        .replace("10.0.0.0/8", "10.0.0.0/16")
        .replace("security_groups", "nodes = 2\nport = 5440\nsecurity_groups");
    assert_data_eq!(
        bench.shown(&text),
        str![[r#"
  ~ security_group.db  it differs from the file  [live]
        ~ ingress = [{"cidr":"10.0.0.0/8","description":"","port":5439,"protocol":"tcp"}] → [{"cidr":"10.0.0.0/16","description":"","port":5439,"protocol":"tcp"}]  [live]
    └─ ~ redshift_cluster.main  it differs from the file  [resize]
           ~ nodes = 1 → 2  [resize]
           ~ port = 5439 → 5440  [brief]

Plan: 0 to add, 2 to change, 0 to destroy.
Time: ≈ 20 m 02 s, redshift_cluster.main

"#]]
    );
}

#[test]
fn a_replaced_vpc_takes_everything_in_it_along_in_order() {
    let bench = Bench::with(NETWORK);
    let text = NETWORK.replace("10.0.", "10.7.").replace("10.7.0.0/8", "10.0.0.0/8");
    assert_data_eq!(
        bench.shown(&text),
        str![[r#"
-/+ vpc.main  `cidr` cannot change in place  [brief]
        ! cidr = "10.0.0.0/16" → "10.7.0.0/16"  forces replacement (stack.toml:5:8)
        takes down: subnet.a, subnet.b, route_table.main, vpc_endpoint.s3, security_group.db, redshift_subnet_group.main, redshift_cluster.main
    ├─ -/+ subnet.a  `vpc.main` is replaced (stack.toml:5:8)  [brief]
    │      ! vpc = "vpc#1" → vpc.main.id  forces replacement (stack.toml:7:7)
    │      ! cidr = "10.0.0.0/24" → "10.7.0.0/24"  forces replacement (stack.toml:8:8)
    ├─ -/+ subnet.b  `vpc.main` is replaced (stack.toml:5:8)  [brief]
    │      ! vpc = "vpc#1" → vpc.main.id  forces replacement (stack.toml:11:7)
    │      ! cidr = "10.0.1.0/24" → "10.7.1.0/24"  forces replacement (stack.toml:12:8)
    │  └─ -/+ redshift_subnet_group.main  `vpc.main` is replaced (stack.toml:5:8)  [brief]
    │         ~ subnets = ["subnet#2", "subnet#3"] → [→ subnet.a.id, → subnet.b.id]  [live]
    │     └─ -/+ redshift_cluster.main  `redshift_subnet_group.main` is replaced (stack.toml:5:8)  [data loss]
    │            ~ security_groups = ["security_group#4"] → [→ security_group.db.id]  [live]
    ├─ -/+ route_table.main  `vpc.main` is replaced (stack.toml:5:8)  [brief]
    │      ! vpc = "vpc#1" → vpc.main.id  forces replacement (stack.toml:15:7)
    │      ~ subnets = ["subnet#2", "subnet#3"] → [→ subnet.a.id, → subnet.b.id]  [live]
    ├─ -/+ vpc_endpoint.s3  `vpc.main` is replaced (stack.toml:5:8)  [brief]
    │      ! vpc = "vpc#1" → vpc.main.id  forces replacement (stack.toml:18:7)
    │      ~ route_tables = ["route_table#6"] → [→ route_table.main.id]  [live]
    └─ -/+ security_group.db  `vpc.main` is replaced (stack.toml:5:8)  [brief]
           ! vpc = "vpc#1" → vpc.main.id  forces replacement (stack.toml:21:7)

Plan: 8 to add, 0 to change, 8 to destroy.
Data loss: redshift_cluster.main
Time: ≈ 7 m 13 s, redshift_cluster.main

"#]]
    );
    assert_data_eq!(
        steps(&bench.plan(&text, &Options::default())),
        str![[r#"
delete vpc.main  after delete subnet.a, delete subnet.b, delete route_table.main, delete vpc_endpoint.s3, delete security_group.db
create vpc.main  after delete vpc.main
delete subnet.a  after delete route_table.main, delete redshift_subnet_group.main
create subnet.a  after create vpc.main, delete subnet.a
delete subnet.b  after delete route_table.main, delete redshift_subnet_group.main
create subnet.b  after create vpc.main, delete subnet.b
delete route_table.main  after delete vpc_endpoint.s3
create route_table.main  after create vpc.main, create subnet.a, create subnet.b, delete route_table.main
delete vpc_endpoint.s3
create vpc_endpoint.s3  after create vpc.main, create route_table.main, delete vpc_endpoint.s3
delete security_group.db  after delete redshift_cluster.main
create security_group.db  after create vpc.main, delete security_group.db
delete redshift_subnet_group.main  after delete redshift_cluster.main
create redshift_subnet_group.main  after create subnet.a, create subnet.b, delete redshift_subnet_group.main
delete redshift_cluster.main
create redshift_cluster.main  after create security_group.db, create redshift_subnet_group.main, delete redshift_cluster.main

"#]]
    );
}

#[test]
fn what_a_running_cluster_holds_is_not_replaced_under_it() {
    let bench = Bench::with(NETWORK);
    let text = NETWORK.replace(
        "vpc = \"vpc.main\"\ningress",
        "vpc = \"vpc.main\"\ndescription = \"new\"\ningress",
    );
    assert_data_eq!(
        bench.shown(&text),
        str![[r#"
  ! security_group.db: it would be replaced, but AWS does not delete it while `redshift_cluster.main` uses it: declare a new one under another name and use that instead
Nothing can be done: see above.

"#]]
    );
    let renamed = text.replace("security_group.db", "security_group.database");
    assert_data_eq!(
        bench.shown(&renamed),
        str![[r#"
  + security_group.database  it is new
        description = "new"
        ingress = [{"cidr":"10.0.0.0/8","description":"","port":5439,"protocol":"tcp"}]
        name = "t-database"
        vpc = "vpc#1"
    └─ ~ redshift_cluster.main  it differs from the file  [live]
           ~ security_groups = ["security_group#4"] → [→ security_group.database.id]  [live]
  - security_group.db  it is no longer in the file

Plan: 1 to add, 1 to change, 1 to destroy.
Time: ≈ 2 m 04 s, redshift_cluster.main

"#]]
    );
    assert_data_eq!(
        steps(&bench.plan(&renamed, &Options::default())),
        str![[r#"
create security_group.database
update redshift_cluster.main  after create security_group.database
delete security_group.db  after update redshift_cluster.main

"#]]
    );
}

#[test]
fn what_is_protected_is_neither_replaced_nor_deleted() {
    let text = "[bucket.lake]\nname = \"lake-one\"\nprotect = true\n";
    let mut bench = Bench::with(text);
    assert_data_eq!(
        bench.shown(&text.replace("lake-one", "lake-two")),
        str![[r#"
  ! bucket.lake: it is protected and would be replaced: take `protect` off and apply first
Nothing can be done: see above.

"#]]
    );
    assert_data_eq!(
        bench.shown(""),
        str![[r#"
  ! bucket.lake: it is protected: take `protect` off and apply first
Nothing can be done: see above.

"#]]
    );
    // Taking the line off is no change of the object, but the ledger learns it.
    assert!(bench.apply(&text.replace("protect = true\n", "")).is_complete());
    assert_data_eq!(
        bench.shown(""),
        str![[r#"
  - bucket.lake  it is no longer in the file

Plan: 0 to add, 0 to change, 1 to destroy.
Time: ≈ 5 s, bucket.lake

"#]]
    );
}

#[test]
fn nothing_is_built_on_what_belongs_to_somebody_else() {
    let bench = Bench::new();
    let fields = Fields::from([("name".to_owned(), Value::text("lake-one"))]);
    bench.cloud.put(Kind::Bucket, fields);
    let text =
        "[bucket.lake]\nname = \"lake-one\"\n[dataset.banking]\ndefinition = \"banking\"\nbucket = \"bucket.lake\"\n";
    assert_data_eq!(
        bench.shown(text),
        str![[r#"
  ! bucket.lake: `bucket:lake-one` exists and was not made by lakeform; choose another name, or `lakeform import bucket.lake bucket:lake-one`
  ! dataset.banking: it needs `bucket.lake`, which is blocked
Nothing can be done: see above.

"#]]
    );
    let theirs = Owner {
        stack: "other".into(),
        generation: "h".into(),
        address: address("bucket.x"),
        op: "op".into(),
    };
    bench
        .cloud
        .world
        .borrow_mut()
        .objects
        .get_mut("bucket:lake-one")
        .expect("it is there")
        .owner = Some(theirs);
    assert_data_eq!(
        bench.shown(text),
        str![[r#"
  ! bucket.lake: `bucket:lake-one` belongs to stack `other` (bucket.x); choose another name, or `lakeform recover` if that is this stack
  ! dataset.banking: it needs `bucket.lake`, which is blocked
Nothing can be done: see above.

"#]]
    );
}

#[test]
fn a_new_address_for_the_same_object_is_a_move() {
    let mut bench = Bench::with("[bucket.lake]\nname = \"lake-one\"\n");
    let text = "[bucket.store]\nname = \"lake-one\"\n";
    assert_data_eq!(
        bench.shown(text),
        str![[r#"
  ~ bucket.store  its tags still say `bucket.lake`  [live]
  . bucket.store  was `bucket.lake`

Plan: 0 to add, 1 to change, 0 to destroy.
Time: ≈ 2 s, bucket.store

"#]]
    );
    assert!(bench.apply(text).is_complete());
    assert_eq!(
        bench.ledger.records.keys().map(Address::to_string).collect::<Vec<_>>(),
        ["bucket.store"]
    );
    assert!(bench.plan(text, &Options::default()).entries.is_empty());
}

#[test]
fn new_parameters_reboot_the_cluster_and_a_detached_gateway_is_attached() {
    let text = NETWORK.replace(
        "[redshift_cluster.main]",
        "[internet_gateway.main]\nvpc = \"vpc.main\"\n[redshift_parameter_group.main]\n\
         parameters = { query_group = \"etl\" }\n[redshift_cluster.main]\nparameter_group = \"redshift_parameter_group.main\"",
    );
    let mut bench = Bench::with(&text);
    let other = text.replace("etl", "bi");
    let gateway = bench.ledger.records[&address("internet_gateway.main")].id.clone();
    let mut world = bench.cloud.world.borrow_mut();
    world.objects.get_mut(&gateway).expect("there").fields.remove("vpc");
    drop(world);
    assert_data_eq!(
        bench.shown(&other),
        str![[r#"
  ~ internet_gateway.main  it differs from the file  [brief]
        ~ vpc = (none) → "vpc#2"  [brief]
  ~ redshift_parameter_group.main  it differs from the file  [live]
        ~ parameters = {"query_group":"etl"} → {"query_group":"bi"}  [live]
    └─ ~ redshift_cluster.main  a reboot puts the parameters of `redshift_parameter_group.main` in force  [reboot]

Plan: 0 to add, 3 to change, 0 to destroy.
Time: ≈ 3 m 03 s, redshift_cluster.main

"#]]
    );
    assert!(bench.apply(&other).is_complete());
    assert!(bench.plan(&other, &Options::default()).is_empty());

    // Killed between the two.
    let stack = Bench::stack(&other);
    let mut observed = bench.observed(&stack);
    let cluster = address("redshift_cluster.main");
    observed
        .get_mut(&cluster)
        .and_then(Option::as_mut)
        .expect("there")
        .status = Some(PENDING_REBOOT.to_owned());
    let plan = plan(&stack, &observed, &bench.ledger, &Options::default());
    let change = plan.change(&cluster).expect("planned");
    assert_eq!(
        (change.action, change.disruption, change.because.as_str()),
        (Action::Update, Disruption::Reboot, "its parameters wait for a reboot")
    );
}

#[test]
fn what_only_the_state_learns_is_told() {
    let mut bench = Bench::with("[bucket.lake]\n[log_group.events]\n");
    bench.ledger.records.remove(&address("bucket.lake"));
    let stack = crate::testing::stack("removed = [\"log_group.events\"]\n[stack]\nname = \"t\"\n[bucket.lake]\n");
    let moves = bench.ledger.moves(&stack);
    moves.iter().for_each(|entry| bench.ledger.add(entry));
    let mut plan = plan(&stack, &bench.observed(&stack), &bench.ledger, &Options::default());
    plan.entries.splice(..0, moves);
    assert!(plan.is_empty());
    let place = |_: Span| String::new();
    assert_data_eq!(
        render::plan(&plan, &look(&place)),
        str![[r#"
  . log_group.events  forgotten, and left where it is
  . bucket.lake  taken over: it carries this stack's tags

Nothing to do: what is live is what the file says.

"#]]
    );
    assert_data_eq!(
        render::json(&plan, &place)["noted"].to_string(),
        str![[
            r#"[{"address":"log_group.events","news":"forgotten, and left where it is"},{"address":"bucket.lake","news":"taken over: it carries this stack's tags"}]"#
        ]]
    );
}

#[test]
fn what_moves_keeps_its_name_and_gets_the_new_address_into_its_tags() {
    let mut bench = Bench::with("[bucket.old]\n[log_group.old]\n");
    let text = "[moved]\n\"bucket.old\" = \"bucket.new\"\n\"log_group.old\" = \"log_group.new\"\n[bucket.new]\n[log_group.new]\n";
    let stack = Bench::stack(text);
    for entry in bench.ledger.moves(&stack) {
        bench.ledger.add(&entry);
    }
    assert_data_eq!(
        bench.shown(text),
        str![[r#"
  ~ bucket.new  its tags still say `bucket.old`  [live]
  ~ log_group.new  its tags still say `log_group.old`  [live]

Plan: 0 to add, 2 to change, 0 to destroy.
Time: ≈ 2 s, bucket.new

"#]]
    );
    assert!(bench.apply(text).is_complete());
    assert!(bench.plan(text, &Options::default()).is_empty());
    let world = bench.cloud.world.borrow();
    let tagged: Vec<String> = world
        .objects
        .iter()
        .map(|(id, object)| format!("{id} {}", object.owner.as_ref().expect("ours").address))
        .collect();
    assert_eq!(tagged, ["bucket:t-old bucket.new", "log_group:t-old log_group.new"]);
}

#[test]
fn how_a_secret_is_made_is_not_told_by_aws_and_changes_all_the_same() {
    let text = "[secret.token]\ngenerate = { length = 20 }\n";
    let mut bench = Bench::with(text);
    let longer = text.replace("20", "40");
    assert!(bench.apply(&longer).is_complete());
    let world = bench.cloud.world.borrow();
    let secret = world.objects.values().next().expect("made");
    assert_eq!(
        secret.fields["generate"].as_map().expect("a table")["length"],
        Value::Int(40)
    );
}

#[test]
fn a_name_is_free_before_another_object_takes_it() {
    let bench = Bench::with("[bucket.a]\nname = \"one\"\n[bucket.b]\nname = \"two\"\n");
    let text = "[bucket.a]\nname = \"two\"\n[bucket.b]\nname = \"one\"\n";
    assert_data_eq!(
        steps(&bench.plan(text, &Options::default())),
        str![[r#"
delete bucket.a
create bucket.a  after delete bucket.a, delete bucket.b
delete bucket.b
create bucket.b  after delete bucket.a, delete bucket.b

"#]]
    );
}

#[test]
fn data_run_again_when_the_data_below_changed() {
    let bench = Bench::with(LAKEHOUSE);
    let text = LAKEHOUSE.replace("prefix = \"landing/\"", "prefix = \"landing/\"\nseed = 2");
    assert_data_eq!(
        bench.shown(&text),
        str![[r#"
  ~ dataset.banking  it differs from the file  [live]
        ~ seed = 1 → 2  [live]
    ├─ ~ crawl.bronze  it differs from the file  [live]
    │      ~ dataset = "{/"bucket/": Text(/"t-lake/"), /"compression/": Text(/"none/"), /"definition/": Text(/"banking/… → dataset.banking.fingerprint  [live]
    └─ ~ sql.views  it differs from the file  [live]
           ~ data.0 = "{/"bucket/": Text(/"t-lake/"), /"compression/": Text(/"none/"), /"definition/": Text(/"banking/… → dataset.banking.fingerprint  [live]
       └─ ~ dbt.models  it differs from the file  [live]
              ~ data.0 = "{/"bucket/": Text(/"t-lake/"), /"compression/": Text(/"none/"), /"definition/": Text(/"banking/… → dataset.banking.fingerprint  [live]

Plan: 0 to add, 4 to change, 0 to destroy.
Time: ≈ 1 m 05 s, crawl.bronze

"#]]
    );
}

#[test]
fn a_new_cluster_gets_its_schemas_again() {
    let bench = Bench::with(LAKEHOUSE);
    let text = LAKEHOUSE.replace(
        "[redshift_cluster.main]",
        "[redshift_cluster.main]\ndatabase = \"prod\"",
    );
    assert_data_eq!(
        bench.shown(&text),
        str![[r#"
-/+ redshift_cluster.main  `database` cannot change in place  [data loss]
        ! database = "dev" → "prod"  forces replacement (stack.toml:32:12)
        takes down: external_schema.bronze, sql.views, dbt.models
    └─ -/+ external_schema.bronze  `redshift_cluster.main` is replaced (stack.toml:32:12)  [brief]
           ! warehouse = "target:redshift_cluster:t-main" → redshift_cluster.main.target  forces replacement (stack.toml:45:13)
       └─ -/+ sql.views  `redshift_cluster.main` is replaced (stack.toml:32:12)  [brief]
              ! warehouse = "target:redshift_cluster:t-main" → redshift_cluster.main.target  forces replacement (stack.toml:50:13)
          └─ -/+ dbt.models  `redshift_cluster.main` is replaced (stack.toml:32:12)  [brief]
                 ! warehouse = "target:redshift_cluster:t-main" → redshift_cluster.main.target  forces replacement (stack.toml:54:13)

Plan: 4 to add, 0 to change, 4 to destroy.
Data loss: redshift_cluster.main
Time: ≈ 7 m 43 s, redshift_cluster.main

"#]]
    );
}

#[test]
fn targets_bring_what_they_need_and_exceptions_spare_what_needs_them() {
    let bench = Bench::new();
    let planned = |options: &Options| -> String {
        let plan = bench.plan(NETWORK, options);
        plan.steps
            .iter()
            .map(|step| format!("{} {}\n", step.verb.as_str(), step.address))
            .collect()
    };
    assert_data_eq!(
        planned(&options(&["vpc_endpoint.s3"], &[])),
        str![[r#"
create vpc.main
create subnet.a
create subnet.b
create route_table.main
create vpc_endpoint.s3

"#]]
    );
    assert_data_eq!(
        planned(&options(&[], &["redshift_subnet_group.main", "subnet.b"])),
        str![[r#"
create vpc.main
create subnet.a
create security_group.db

"#]]
    );
}

#[test]
fn destroy_heeds_what_the_file_says_now() {
    let lake = "[bucket.lake]\nname = \"lake-one\"\n";
    let text = format!("{NETWORK}{lake}");
    let bench = Bench::with(&text);
    let planned = |now: &str| {
        let stack = Bench::stack(now);
        destroy(&stack, &bench.observed(&stack), &bench.ledger, &Options::default())
    };
    let lost = |plan: &Plan| -> Vec<String> { plan.data_loss().map(|change| change.address.to_string()).collect() };
    assert_eq!(lost(&planned(&text)), ["redshift_cluster.main"]);

    let protected = planned(&format!("{text}protect = true\n"));
    let blocked: Vec<String> = protected
        .blocked
        .iter()
        .map(|(address, _)| address.to_string())
        .collect();
    assert_eq!(blocked, ["bucket.lake"]);
    assert!(
        protected
            .changes
            .iter()
            .all(|change| change.address.kind != Kind::Bucket)
    );

    let snapshot = text.replace("security_groups", "final_snapshot = true\nsecurity_groups");
    assert!(lost(&planned(&snapshot)).is_empty());
    assert_eq!(
        lost(&planned(&format!("{snapshot}force_destroy = true\n"))),
        ["bucket.lake"]
    );
}

#[test]
fn destroy_goes_against_the_order_of_making() {
    let bench = Bench::with(NETWORK);
    let stack = Bench::stack(NETWORK);
    let observed = bench.observed(&stack);
    assert_data_eq!(
        steps(&destroy(&stack, &observed, &bench.ledger, &Options::default())),
        str![[r#"
delete redshift_cluster.main
delete redshift_subnet_group.main  after delete redshift_cluster.main
delete security_group.db  after delete redshift_cluster.main
delete vpc_endpoint.s3
delete route_table.main  after delete vpc_endpoint.s3
delete subnet.b  after delete redshift_subnet_group.main, delete route_table.main
delete subnet.a  after delete redshift_subnet_group.main, delete route_table.main
delete vpc.main  after delete security_group.db, delete vpc_endpoint.s3, delete route_table.main, delete subnet.b, delete subnet.a

"#]]
    );
    let kept = destroy(&stack, &observed, &bench.ledger, &options(&[], &["route_table.main"]));
    let deleted: BTreeSet<String> = kept.steps.iter().map(|step| step.address.to_string()).collect();
    assert!(
        !deleted.contains("vpc.main") && !deleted.contains("subnet.a"),
        "what it needs is spared: {deleted:?}"
    );
}

#[test]
fn what_is_being_deleted_is_waited_for_and_not_forgotten() {
    let text = LAKEHOUSE.replace("[redshift_cluster.main]", "[redshift_cluster.main]\nprotect = true");
    let bench = Bench::with(&text);
    let cluster = address("redshift_cluster.main");
    let (stack, nothing) = (Bench::stack(&text), Bench::stack(""));
    let mut observed = bench.observed(&stack);
    let live = observed.get_mut(&cluster).and_then(Option::as_mut).expect("there");
    live.going = true;

    let place = |_: Span| "stack.toml".to_owned();
    let shown = |plan: &Plan| render::plan(plan, &look(&place));
    let again = plan(&stack, &observed, &bench.ledger, &Options::default());
    assert_data_eq!(
        shown(&again),
        str![[r#"
-/+ redshift_cluster.main  `redshift_cluster:t-main` is being deleted  [live]
    └─ + external_schema.bronze  `redshift_cluster.main` is new
           database = "t-bronze"
           name = "dev_bronze"
           role = "arn:role:t-redshift"
           warehouse = → redshift_cluster.main.target
       └─ + sql.views  `redshift_cluster.main` is new
              data = ["{/"bucket/": Text(/"t-lake/"), /"compression/": Text(/"none/"), /"definition/": Text(/"banking…
              run = "create view v as select 1"
              warehouse = → redshift_cluster.main.target
          └─ + dbt.models  `redshift_cluster.main` is new
                 data = ["{/"bucket/": Text(/"t-lake/"), /"compression/": Text(/"none/"), /"definition/": Text(/"banking…
                 project = "dbt"
                 warehouse = → redshift_cluster.main.target

Plan: 4 to add, 0 to change, 1 to destroy.
Time: ≈ 7 m 38 s, redshift_cluster.main

"#]]
    );
    assert_data_eq!(
        steps(&again),
        str![[r#"
delete redshift_cluster.main
create redshift_cluster.main  after delete redshift_cluster.main
create external_schema.bronze  after create redshift_cluster.main
create sql.views  after create redshift_cluster.main, create external_schema.bronze
create dbt.models  after create redshift_cluster.main, create sql.views

"#]]
    );
    let without = destroy(
        &nothing,
        &observed,
        &bench.ledger,
        &options(&["redshift_cluster.main"], &[]),
    );
    assert_data_eq!(
        shown(&without),
        str![[r#"
  - redshift_cluster.main  `redshift_cluster:t-main` is being deleted
    └─ . external_schema.bronze  it goes with `redshift_cluster.main`
       └─ . sql.views  it goes with `redshift_cluster.main`
          └─ . dbt.models  it goes with `redshift_cluster.main`

Plan: 0 to add, 0 to change, 1 to destroy.
Time: ≈ 3 m 00 s, redshift_cluster.main

"#]]
    );
    assert_data_eq!(
        steps(&without),
        str![[r#"
delete redshift_cluster.main

"#]]
    );

    // Of somebody else's, who may want the name again.
    let strangers = plan(
        &stack,
        &observed,
        &Ledger::default(),
        &options(&["redshift_cluster.main"], &[]),
    );
    assert_eq!(
        strangers
            .blocked
            .into_iter()
            .find(|(address, _)| *address == cluster)
            .map(|(_, reason)| reason),
        Some(
            "`redshift_cluster:t-main` is being deleted, and was not made by this stack: try again when it is gone"
                .to_owned()
        )
    );
}

#[test]
fn what_aws_cannot_tell_is_compared_with_the_ledger() {
    let bench = Bench::with("[bucket.lake]\n");
    assert_data_eq!(
        bench.shown("[bucket.lake]\nforce_destroy = true\n"),
        str![[r#"
  ~ bucket.lake  it differs from the file  [live]
        ~ force_destroy = false → true  [live]

Plan: 0 to add, 1 to change, 0 to destroy.
Time: ≈ 2 s, bucket.lake

"#]]
    );
}

#[test]
fn a_plan_in_json_has_a_version_and_every_change() {
    let bench = Bench::with(NETWORK);
    let plan = bench.plan(&NETWORK.replace("10.0.0.0/8", "10.0.0.0/16"), &Options::default());
    let json = crate::render::json(&plan, &|span| span.start.to_string());
    assert_eq!(json["format_version"], 1);
    assert_eq!(json["summary"]["change"], 1);
    assert_eq!(json["changes"][0]["address"], "security_group.db");
    assert_eq!(json["changes"][0]["fields"][0]["name"], "ingress");
}

#[test]
fn a_flat_plan_is_a_list_in_the_order_of_needs() {
    let bench = Bench::new();
    let plan = bench.plan(NETWORK, &options(&["subnet.a"], &[]));
    let place = |span: Span| span.start.to_string();
    let look = crate::render::Look {
        flat: true,
        local: true,
        ..crate::testing::look(&place)
    };
    assert_data_eq!(
        crate::render::plan(&plan, &look),
        str![[r#"
  + vpc.main  it is new
        cidr = "10.0.0.0/16"
  + subnet.a  it is new
        cidr = "10.0.0.0/24"
        vpc = → vpc.main.id
        zone = "us-east-1a"

Plan: 2 to add, 0 to change, 0 to destroy.
Time: seconds here; on AWS ≈ 5 s, vpc.main

"#]]
    );
}

#[test]
fn what_is_left_as_it_is_keeps_what_it_stands_in() {
    let bench = Bench::with(NETWORK);
    let text = NETWORK.replace("10.0.", "10.7.").replace("10.7.0.0/8", "10.0.0.0/8");
    let plan = bench.plan(&text, &options(&[], &["vpc_endpoint.s3"]));
    assert!(
        plan.steps.is_empty(),
        "the endpoint stands in the VPC: {}",
        steps(&plan)
    );
    let reason = |wanted: &str| plan.blocked.iter().find(|(address, _)| address.to_string() == wanted);
    assert_data_eq!(
        reason("vpc.main").map(|(_, reason)| reason.clone()).unwrap_or_default(),
        str!["it would be replaced, but `vpc_endpoint.s3`, which needs it, is left as it is"]
    );
}

#[test]
fn only_what_nobody_can_make_again_is_lost() {
    let lost = |before: &str, after: &str| -> Vec<String> {
        let bench = Bench::with(before);
        let plan = bench.plan(after, &Options::default());
        plan.data_loss().map(|change| change.address.to_string()).collect()
    };
    // AWS deletes no bucket that holds something.
    assert!(lost("[bucket.a]\n", "").is_empty());
    assert_eq!(lost("[bucket.a]\nforce_destroy = true\n", ""), ["bucket.a"]);
    assert!(lost("[secret.a]\n", "").is_empty());
    assert_eq!(lost("[secret.a]\nrecovery_days = 0\n", ""), ["secret.a"]);
    assert!(lost("[role.a]\nservice = \"glue\"\n[glue_database.a]\n", "").is_empty());
    let snapshot = NETWORK.replace("security_groups", "final_snapshot = true\nsecurity_groups");
    let renamed = |text: &str| {
        text.replace(
            "[redshift_cluster.main]",
            "[redshift_cluster.main]\ndatabase = \"prod\"",
        )
    };
    assert_eq!(lost(NETWORK, &renamed(NETWORK)), ["redshift_cluster.main"]);
    assert!(
        lost(&snapshot, &renamed(&snapshot)).is_empty(),
        "a last snapshot keeps it"
    );
}

#[test]
fn the_longest_chain_says_how_long_it_takes_and_why() {
    let bench = Bench::new();
    let plan = bench.plan(NETWORK, &Options::default());
    let path = critical_path(&plan).expect("there is something to do");
    // VPC, subnet, subnet group, cluster.
    assert_eq!(
        (path.seconds, path.longest.to_string().as_str()),
        (3 + 2 + 3 + 240, "redshift_cluster.main")
    );
    assert_eq!(critical_path(&Plan::default()), None);
}

/// A random stack of [`random_stack`] that goes behind a test's own `[stack]` table.
fn behind(seed: u64) -> String {
    random_stack(seed)
        .replace("[stack]\nname = \"sim\"\n", "")
        .replace("tags = {", "# tags = {")
}

/// Every step stands after all that it must wait for, and there is such an order.
fn assert_order(plan: &Plan) {
    let made: BTreeMap<&Address, usize> = (0..plan.steps.len())
        .filter(|index| plan.steps[*index].verb != Verb::Delete)
        .map(|index| (&plan.steps[index].address, index))
        .collect();
    let mut left: BTreeMap<usize, BTreeSet<usize>> =
        plan.steps.iter().map(|step| step.after.clone()).enumerate().collect();
    let mut done: BTreeSet<usize> = BTreeSet::new();
    while let Some(ready) = left
        .iter()
        .find(|(_, after)| after.is_subset(&done))
        .map(|(index, _)| *index)
    {
        left.remove(&ready);
        let step = &plan.steps[ready];
        let change = plan.change(&step.address).expect("every step has its change");
        if step.verb != Verb::Delete {
            for need in change.needs.iter().filter_map(|need| made.get(need)) {
                assert!(
                    done.contains(need),
                    "{} before {}",
                    step.address,
                    plan.steps[*need].address
                );
            }
        }
        done.insert(ready);
    }
    assert!(left.is_empty(), "steps wait for each other: {left:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn from_any_stack_to_any_other_the_order_holds_and_a_second_plan_is_empty(first in any::<u64>(), second in any::<u64>()) {
        let (first, second) = (behind(first), behind(second));
        let mut bench = Bench::with(&first);
        let plan = bench.plan(&second, &Options::default());
        assert_order(&plan);
        // Reading again changes no decision.
        prop_assert_eq!(steps(&plan), steps(&bench.plan(&second, &Options::default())));
        // A name that is let go of and taken at once may need a second run; then all is done.
        let mut complete = bench.carry_out(&plan).is_complete();
        for _ in 0..3 {
            if !complete {
                complete = bench.apply(&second).is_complete();
            }
        }
        prop_assert!(complete);
        let after = bench.plan(&second, &Options::default());
        // What was held by something that is gone now can be done now.
        let blocked = !plan.blocked.is_empty();
        prop_assert!(blocked || (after.is_empty() && after.entries.is_empty()), "{}", steps(&after));
        let stack = Bench::stack(&second);
        let observed = bench.observed(&stack);
        assert_order(&destroy(&stack, &observed, &bench.ledger, &Options::default()));
    }

    #[test]
    fn the_order_of_a_file_decides_nothing(seed in any::<u64>(), turn in 0usize..40) {
        let text = behind(seed);
        let is_table = |piece: &&str| !piece.trim().is_empty() && !piece.starts_with('#');
        let mut tables: Vec<&str> = text.split("\n[").filter(is_table).collect();
        let by = turn % tables.len().max(1);
        tables.rotate_left(by);
        let turned: String = tables.iter().map(|table| format!("\n[{}", table.trim_start_matches('['))).collect();
        let bench = Bench::new();
        let plan = |text: &str| bench.plan(text, &Options::default());
        let seen = |text: &str| crate::render::json(&plan(text), &|_| String::new());
        prop_assert_eq!(seen(&text), seen(&turned));
    }
}

#[test]
fn what_is_left_as_it_is_keeps_what_it_still_uses() {
    let places = r#"[vpc.main]
cidr = "10.1.0.0/16"
zones = ["a", "b"]
tiers = { private = { cidr = "10.1.0.0/20", s3_endpoint = true } }
[redshift_subnet_group.main]
subnets = ["vpc.main.private"]
[security_group.main]
vpc = "vpc.main"
[redshift_cluster.main]
subnet_group = "redshift_subnet_group.main"
security_groups = ["security_group.main"]
"#;
    let before = format!(
        "{places}parameter_group = \"redshift_parameter_group.main\"\n[redshift_parameter_group.main]\nparameters = {{ statement_timeout = 1000 }}\n"
    );
    let mut bench = Bench::new();
    assert!(bench.apply(&before).is_complete());
    let except = options(&[], &["redshift_cluster.main"]);
    for _ in 0..2 {
        let plan = bench.plan(places, &except);
        assert_eq!(steps(&plan), "", "the cluster still uses the group");
        assert!(bench.carry_out(&plan).is_complete());
    }
    let plan = bench.plan(places, &Options::default());
    assert_data_eq!(
        steps(&plan),
        str![[r#"
update redshift_cluster.main
delete redshift_parameter_group.main  after update redshift_cluster.main

"#]]
    );
    assert!(bench.carry_out(&plan).is_complete());
}
