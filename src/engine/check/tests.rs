use crate::testing::{LAKEHOUSE, checked, checked_in, problems, report, stack};
use snapbox::{assert_data_eq, str};

#[test]
fn a_sound_lakehouse_has_no_problem() {
    assert_data_eq!(problems(LAKEHOUSE), str![]);
}

#[test]
fn every_syntax_error_of_a_file_is_reported() {
    assert_data_eq!(
        problems(
            r#"[bucket.a
name = "x"
[vpc.b]
cidr = 
"#
        ),
        str![[r#"
error[toml-syntax] 3:10 the file is not valid TOML: unclosed table, expected `]`
error[toml-syntax] 6:8 the file is not valid TOML: string values must be quoted, expected literal string

"#]]
    );
}

#[test]
fn unknown_keys_and_kinds_get_a_suggestion() {
    assert_data_eq!(
        problems(
            r#"[bucket.lake]
versionning = true
[bukket.other]
[vpc.main]
cidr = "10.0.0.0/16"
colour = "blue"
"#
        ),
        str![[r#"
error[unknown-key] 4:1 a bucket has no such key: not known
  hint: did you mean `versioning`?
error[unknown-kind] 5:2 there is no such kind of resource: not known
  hint: did you mean `bucket`?
error[unknown-key] 8:1 a vpc has no such key: not known
  hint: known keys: cidr, dns_support, dns_hostnames, depends_on, protect, tags

"#]]
    );
}

#[test]
fn wrong_types_and_values_are_named() {
    assert_data_eq!(
        problems(
            r#"[bucket.lake]
versioning = "yes"
encryption = "aws:kmz"
[redshift_cluster.main]
subnet_group = "main"
nodes = 500
"#
        ),
        str![[r#"
error[wrong-type] 4:14 must be a boolean: this is a text
error[bad-value] 5:14 not one of the choices: not known
  hint: did you mean `aws:kms`?
error[out-of-range] 8:9 the number is out of range: must be 1 to 128

"#]]
    );
}

#[test]
fn dangling_and_wrong_references_are_found() {
    assert_data_eq!(
        problems(
            r#"[vpc.main]
cidr = "10.0.0.0/16"
[subnet.a]
vpc = "vpc.mian"
cidr = "10.0.0.0/24"
zone = "a"
[subnet.b]
vpc = "bucket.lake"
cidr = "10.0.1.0/24"
zone = "${vpc.main.zone}"
[bucket.lake]
depends_on = ["role.gone"]
"#
        ),
        str![[r#"
error[dangling-reference] 6:7 refers to nothing: there is no `vpc.mian`
  hint: did you mean `vpc.main`?
error[wrong-kind] 10:7 refers to the wrong kind: `bucket.lake` is not a vpc
  hint: here: vpc.main
error[unknown-output] 12:8 a vpc offers no such output: `zone` is not known
  hint: known: id, arn, cidr, default_security_group, main_route_table
error[dangling-reference] 14:15 refers to nothing: there is no `role.gone`
  hint: declare it: [role.gone]

"#]]
    );
}

#[test]
fn a_circle_is_shown_whole() {
    assert_data_eq!(
        problems(
            r#"[bucket.a]
name = "${bucket.b.name}-x"
[bucket.b]
name = "${bucket.c.name}-x"
[bucket.c]
name = "${bucket.a.name}-x"
"#
        ),
        str![[r#"
error[cycle] 3:9 resources need each other in a circle: bucket.a → bucket.b → bucket.c → bucket.a
  hint: remove one of these references

"#]]
    );
}

#[test]
fn tiers_and_grants_say_what_is_wrong_with_them() {
    assert_data_eq!(
        problems(
            r#"[vpc.main]
cidr = "10.0.0.0/16"
zones = ["a", "b"]
[vpc.main.tiers]
private = { cidr = "10.0.0.0/27", s3_endpiont = true, nat = true }
open = { }
[role.x]
service = "glue"
grants = { reed = ["bucket.x"], write = ["vpc.main"] }
[vpc.second]
cidr = "10.1.0.0/16"
zones = ["a"]
"#
        ),
        str![[r#"
error[dangling-reference] 7:1 refers to nothing: there is no `nat_gateway.main`
  hint: declare it: [nat_gateway.main]
error[nat-without-public-tier] 7:1 a NAT gateway stands in a public subnet: there is no tier with `internet = true`
  hint: add a tier such as public = { cidr = "…", internet = true }
error[bad-cidr] 7:20 the tier's block is too small for its zones: at most /26 for four zones
error[unknown-key] 7:35 a tier has no such option: not known
  hint: did you mean `s3_endpoint`?
error[missing-field] 8:1 a tier needs `cidr`: which block?
  hint: a block inside the VPC's, such as "10.0.16.0/20"
error[unknown-key] 11:12 not something to grant: not known
  hint: did you mean `read`?
error[bad-grant] 11:42 cannot be granted: not a bucket or Glue database
  hint: write "bucket.name" or "glue_database.name"; anything else goes under policies
error[zones-without-tiers] 14:1 `zones` says where tiers go: there are no tiers
  hint: add [vpc.….tiers] or remove `zones`

"#]]
    );
}

#[test]
fn moves_and_removals_name_addresses() {
    let text = r#"removed = ["bucket.new", "bucket.gone", "what"]
[stack]
name = "t"
[moved]
"bucket.old" = "role.new"
"bucket.kept" = "bucket.new"
"bucket.one" = "bucket.nowhere"
"bucket.two" = "bucket.new"
"bucket.three" = "bucket.new"
[bucket.new]
[bucket.kept]
"#;
    assert_data_eq!(
        report(text, &checked(text).problems),
        str![[r#"
error[bad-removal] 1:12 cannot be forgotten: `bucket.new` is still in the file
  hint: take [bucket.new] out: `removed` forgets it without deleting it
error[bad-address] 1:41 not an address: such as "bucket.old"
error[bad-move] 5:16 cannot be moved: not an address of the same kind
  hint: write "bucket.old" = "bucket.new", with [bucket.new] in the file and no [bucket.old]
error[bad-move] 6:17 cannot be moved: `bucket.kept` is still in the file
  hint: write "bucket.old" = "bucket.new", with [bucket.new] in the file and no [bucket.old]
error[bad-move] 7:16 cannot be moved: `bucket.nowhere` is not in the file
  hint: write "bucket.old" = "bucket.new", with [bucket.new] in the file and no [bucket.old]
error[bad-move] 9:18 cannot be moved: something else is moved to `bucket.new`
  hint: write "bucket.old" = "bucket.new", with [bucket.new] in the file and no [bucket.old]

"#]]
    );
    let text = "moved = \"bucket.a\"\n[stack]\nname = \"t\"\n";
    assert_data_eq!(
        report(text, &checked(text).problems),
        str![[r#"
error[wrong-type] 1:9 `moved` must be a table: a text
  hint: [moved]
"bucket.old" = "bucket.new"

"#]]
    );
}

#[test]
fn variables_are_declared_with_their_types() {
    let text = r#"
[stack]
name = "t"
[var]
zones = ["a", "b"]
days = { type = "int", default = "many" }
open = { typ = "bool", default = false }
kind = { type = "number" }
[vpc.main]
cidr = "10.0.0.0/16"
zones = "${var.zones}"
tiers.private = { cidr = "10.0.16.0/20" }
"#;
    let problems = |vars: &[(&str, &str)]| report(text, &checked_in(text, None, vars).problems);
    assert_data_eq!(
        problems(&[("kind", "1")]),
        str![[r#"
error[wrong-type] 6:34 the default must be of the type `int`: this is a text
error[unknown-key] 7:10 a variable has no such key: not known
  hint: did you mean `type`?
error[bad-value] 8:17 not a type of variables: not known
  hint: choices: text, int, bool, list

"#]]
    );
    let sound = "[stack]\nname = \"t\"\n[var]\nzones = [\"a\"]\n[vpc.main]\ncidr = \"10.0.0.0/16\"\nzones = \"${var.zones}\"\n\
                 tiers.private = { cidr = \"10.0.16.0/20\" }\n";
    let subnets = |vars: &[(&str, &str)]| {
        let stack = checked_in(sound, None, vars).stack.expect("it is sound");
        stack.of_kind(crate::Kind::Subnet).count()
    };
    assert_eq!((subnets(&[]), subnets(&[("zones", "a, b, c")])), (1, 3));
}

#[test]
fn a_file_of_variables_is_read_as_texts() {
    let values =
        crate::parse::values("days = 30\non = true\nzones = [\"a\", \"b\"]\nname = \"x\"\n").expect("it reads");
    let text: Vec<String> = values.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(text, ["days=30", "on=true", "zones=a,b", "name=x"]);
    assert!(crate::parse::values("days = ").is_err());
    assert!(crate::parse::values("[table]\nx = 1").is_err());
}

#[test]
fn the_environments_of_a_file_are_known() {
    let text = "[stack]\nname = \"t\"\n[env.prod.stack]\ncloud = \"aws\"\n[env.test.bucket.x]\n";
    assert_eq!(crate::check::environments(text), ["prod", "test"]);
    assert!(crate::check::environments("env = 3").is_empty());
}

#[test]
fn a_file_without_a_stack_table_is_refused() {
    let text = "[bucket.lake]";
    assert_data_eq!(
        report(text, &checked(text).problems),
        str![[r#"
error[missing-stack] 1:1 the file has no `[stack]` table: expected here
  hint: begin the file with
[stack]
name = "my-lakehouse"
region = "us-east-1"

"#]]
    );
}

#[test]
fn a_stack_on_aws_names_its_account() {
    let text = "[stack]\nname = \"My Stack\"\ncloud = \"aws\"\nowner = \"me\"";
    assert_data_eq!(
        report(text, &checked(text).problems),
        str![[r#"
error[bad-stack-name] 2:8 the stack's name cannot be used: it becomes part of AWS names
  hint: lower-case letters, digits and single hyphens, at most 32, beginning with a letter
error[missing-account] 3:9 a stack on AWS names its account: which account?
  hint: add account = "123456789012": with any other credentials lakeform refuses to run
error[unknown-key] 4:1 `[stack]` has no such key: not known

"#]]
    );
}

#[test]
fn variables_and_overlays_change_the_stack() {
    let text = r#"
[stack]
name = "lake"
[var]
days = 30
suffix = { type = "text" }
[bucket.lake]
name = "lake-${var.suffix}-${stack.env}"
expire = [{ days = "${var.days}" }]
[env.prod.bucket.lake]
versioning = true
expire = [{ days = 7, noncurrent_days = 7 }]
"#;
    let checked = checked_in(text, Some("prod"), &[("suffix", "x")]);
    assert_data_eq!(report(text, &checked.problems), str![]);
    let stack = checked.stack.expect("it is sound");
    let bucket = &stack.resources[&crate::Address::parse("bucket.lake").expect("an address")];
    assert_eq!(bucket.text("name"), Some("lake-x-prod"));
    assert!(bucket.is_on("versioning"));
    let missing = checked_in(text, Some("prdo"), &[("sufix", "x")]);
    assert_data_eq!(
        report(text, &missing.problems),
        str![[r#"
error[unknown-var] 1:1 there is no variable `sufix`: 
  hint: did you mean `suffix`?
error[missing-var] 6:1 the variable has no value: needs one
  hint: give --var suffix=…, or a default
error[unknown-var] 8:8 there is no such variable: `var.suffix` is not known
error[unknown-env] 10:2 there is no environment `prdo`: not among these
  hint: did you mean `prod`?

"#]]
    );
}

/// Needs that no reference shows.
#[test]
fn what_must_outlive_something_is_among_its_needs() {
    let stack = stack(&format!("[stack]\nname = \"t\"\n{LAKEHOUSE}"));
    let needs = |address: &str| -> String {
        let address = crate::Address::parse(address).expect("an address");
        stack.resources[&address]
            .needs
            .iter()
            .map(|need| format!("{need}\n"))
            .collect()
    };
    assert_data_eq!(
        needs("sql.views"),
        str![[r#"
route_table.main_private
vpc_endpoint.main_s3
redshift_cluster.main
dataset.banking
external_schema.bronze

"#]]
    );
    assert_data_eq!(
        needs("dbt.models"),
        str![[r#"
route_table.main_private
vpc_endpoint.main_s3
redshift_cluster.main
dataset.banking
sql.views

"#]]
    );
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the test reads the source of this crate")]
fn every_code_is_documented_and_every_documented_code_is_in_use() {
    let mut used = std::collections::BTreeSet::new();
    let mut folders = vec![std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR"))];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("our own folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
                used.extend(codes_in(&std::fs::read_to_string(path).expect("our own file")));
            }
        }
    }
    let documented: Vec<&str> = crate::rules::CODES.iter().map(|(code, _)| *code).collect();
    assert!(documented.is_sorted(), "the table is in order");
    let undocumented: Vec<&String> = used
        .iter()
        .filter(|code| !documented.contains(&code.as_str()))
        .collect();
    assert!(undocumented.is_empty(), "{undocumented:?}");
    // The root package adds what only files beside the stack can tell.
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../project.rs");
    used.extend(codes_in(&std::fs::read_to_string(root).expect("our own file")));
    let unused: Vec<&&str> = documented.iter().filter(|code| !used.contains(**code)).collect();
    assert!(unused.is_empty(), "{unused:?}");
}

/// Every text in kebab-case that is the first argument of a diagnostic, or looks like the code of a rule.
fn codes_in(source: &str) -> Vec<String> {
    let is_code = |text: &str| {
        text.len() < 40
            && text
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    let starts = ["Diagnostic::error(", "Diagnostic::warning(", "fault(", "Some(("];
    let mut codes = Vec::new();
    for start in starts {
        for (at, _) in source.match_indices(start) {
            let rest = source[at + start.len()..].trim_start();
            let inside_a_word = source[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
            if inside_a_word {
                continue;
            }
            if let Some(code) = rest
                .strip_prefix('"')
                .and_then(|rest| rest.split('"').next())
                .filter(|code| is_code(code))
            {
                codes.push(code.to_owned());
            }
        }
    }
    codes
}
#[test]
fn places_of_the_stack_that_cannot_be_are_named() {
    let head = |lines: &str| {
        let text = format!("[stack]\nname = \"t\"\ncloud = \"aws\"\naccount = \"123456789012\"\n{lines}\n");
        let checked = checked(&text);
        let codes: Vec<_> = checked.problems.iter().map(|problem| problem.code).collect();
        (codes, checked.stack)
    };
    let (codes, stack) = head("endpoint = \"http://127.0.0.1:4566\"\nstate = \"s3://team-state/a/b\"");
    assert_eq!(codes, [""; 0]);
    let stack = stack.expect("a stack");
    assert_eq!(stack.state.as_deref(), Some("s3://team-state/a/b"));
    let endpoint = Some("http://127.0.0.1:4566".to_owned());
    let account = "123456789012".to_owned();
    assert_eq!(stack.place, crate::stack::Place::Aws { account, endpoint });
    for wrong in [
        "endpoint = \"127.0.0.1:4566\"",
        "endpoint = \"http://host/path\"",
        "state = \"team-state\"",
        "state = \"s3://\"",
        "state = \"s3://Team_State/x\"",
        "state = \"s3://team-state//x\"",
    ] {
        assert_eq!(head(wrong).0, ["bad-value"], "{wrong}");
    }
}
