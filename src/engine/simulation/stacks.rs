//! Stacks for the simulation and for tests: random ones from a seed, and one whole lakehouse.

use super::cloud::Seeded;
use crate::check::{Checked, check};
use crate::expand::Outside;
use crate::stack::Stack;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Checks a text with nothing given from outside, and a dataset `banking` of two tables.
pub fn checked(text: &str) -> Checked {
    checked_in(text, None, &[])
}

pub fn checked_in(text: &str, env: Option<&str>, vars: &[(&str, &str)]) -> Checked {
    let vars: BTreeMap<String, String> = vars
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    check(text, &outside(env, &vars))
}

pub fn outside<'a>(env: Option<&'a str>, vars: &'a BTreeMap<String, String>) -> Outside<'a> {
    Outside {
        env,
        vars,
        dataset_tables: &|name| {
            let table = |name: &str| (name.to_owned(), name.to_owned());
            (name == "banking").then(|| vec![table("customers"), table("transactions")])
        },
        dataset_names: &["banking"],
        local_account: "000000000000",
    }
}

/// Returns the stack of a text that must have no error.
pub fn stack(text: &str) -> Stack {
    let checked = checked(text);
    match checked.stack {
        Some(stack) => stack,
        None => panic!("the test stack has errors: {:#?}\n{text}", checked.problems),
    }
}

/// Returns the text of a random stack. Different seeds share most addresses, so that going from one to another
/// creates, changes, replaces and deletes.
pub fn random_stack(seed: u64) -> String {
    let mut seeded = Seeded(seed);
    let mut text = String::from("[stack]\nname = \"sim\"\n");
    if seeded.chance(50) {
        writeln!(text, "tags = {{ team = \"{}\" }}", seeded.pick(&["a", "b"])).expect("string");
    }
    let mut table = |head: &str, lines: &[String]| {
        writeln!(text, "\n[{head}]").expect("string");
        for line in lines {
            writeln!(text, "{line}").expect("string");
        }
    };
    let bucket = seeded.chance(80);
    if bucket {
        let mut lines = vec![
            format!("name = \"sim-lake-{}\"", seeded.below(2)),
            format!("versioning = {}", seeded.chance(50)),
        ];
        if seeded.chance(50) {
            lines.push("force_destroy = true".to_owned());
        }
        table("bucket.lake", &lines);
    }
    let database = seeded.chance(70);
    if database {
        table(
            "glue_database.bronze",
            &[format!("description = \"{}\"", seeded.below(3))],
        );
    }
    let role = seeded.chance(80);
    if role {
        let mut lines = vec![
            "service = \"glue\"".to_owned(),
            format!("description = \"{}\"", seeded.below(2)),
        ];
        if bucket && database {
            lines.push("grants = { read = [\"bucket.lake\"], write = [\"glue_database.bronze\"] }".to_owned());
        }
        table("role.work", &lines);
        table("role.warehouse", &["service = \"redshift\"".to_owned()]);
    }
    let dataset = bucket && seeded.chance(60);
    if dataset {
        let lines = [
            "definition = \"banking\"".to_owned(),
            "bucket = \"bucket.lake\"".to_owned(),
            format!("seed = {}", seeded.below(3)),
        ];
        table("dataset.banking", &lines);
    }
    let crawler = role && database && dataset && seeded.chance(80);
    if crawler {
        let classifier = seeded.chance(50);
        if classifier {
            table(
                "glue_classifier.csv",
                &[format!("csv = {{ delimiter = \"{}\" }}", seeded.pick(&[";", "|"]))],
            );
        }
        let mut lines = vec![
            "database = \"glue_database.bronze\"".to_owned(),
            "role = \"role.work\"".to_owned(),
            "targets = [\"dataset.banking\"]".to_owned(),
            format!("table_prefix = \"{}\"", seeded.pick(&["", "x_"])),
        ];
        if classifier {
            lines.push("classifiers = [\"glue_classifier.csv\"]".to_owned());
        }
        table("glue_crawler.bronze", &lines);
        if seeded.chance(50) {
            table("glue_trigger.go", &["crawlers = [\"glue_crawler.bronze\"]".to_owned()]);
        }
        table(
            "crawl.bronze",
            &[
                "crawler = \"glue_crawler.bronze\"".to_owned(),
                "dataset = \"dataset.banking\"".to_owned(),
            ],
        );
    }
    let vpc = seeded.chance(80);
    let mut cluster = false;
    if vpc {
        let network = seeded.below(2);
        table(
            "vpc.main",
            &[
                format!("cidr = \"10.{network}.0.0/16\""),
                format!("dns_hostnames = {}", seeded.chance(70)),
            ],
        );
        let subnets = 2 + seeded.below(2);
        let names: Vec<String> = ["a", "b", "c"][..subnets as usize]
            .iter()
            .map(|name| format!("\"subnet.{name}\""))
            .collect();
        for (index, zone) in ["a", "b", "c"][..subnets as usize].iter().enumerate() {
            let lines = [
                "vpc = \"vpc.main\"".to_owned(),
                format!("cidr = \"10.{network}.{}.0/24\"", index as u64 * 2 + seeded.below(2)),
                format!("zone = \"{zone}\""),
            ];
            table(&format!("subnet.{zone}"), &lines);
        }
        let door = seeded.chance(60);
        let nat = door && seeded.chance(50);
        let mut routes = vec![
            "vpc = \"vpc.main\"".to_owned(),
            format!("subnets = [{}]", names.join(", ")),
        ];
        if door {
            table("internet_gateway.main", &["vpc = \"vpc.main\"".to_owned()]);
            if nat {
                let lines = [
                    "vpc = \"vpc.main\"".to_owned(),
                    format!("cidr = \"10.{network}.100.0/24\""),
                    "zone = \"a\"".to_owned(),
                ];
                table("subnet.public", &lines);
                let lines = [
                    "vpc = \"vpc.main\"",
                    "subnets = [\"subnet.public\"]",
                    "routes = [{ to = \"0.0.0.0/0\", via = \"internet_gateway.main\" }]",
                ];
                table("route_table.public", &lines.map(str::to_owned));
                table("nat_gateway.main", &["subnet = \"subnet.public\"".to_owned()]);
                routes.push("routes = [{ to = \"0.0.0.0/0\", via = \"nat_gateway.main\" }]".to_owned());
            } else {
                routes.push("routes = [{ to = \"0.0.0.0/0\", via = \"internet_gateway.main\" }]".to_owned());
            }
        }
        table("route_table.main", &routes);
        table(
            "vpc_endpoint.s3",
            &[
                "vpc = \"vpc.main\"".to_owned(),
                "route_tables = [\"route_table.main\"]".to_owned(),
            ],
        );
        table(
            "security_group.db",
            &[
                "vpc = \"vpc.main\"".to_owned(),
                format!("description = \"{}\"", seeded.pick(&["one", "one", "one", "two"])),
                format!(
                    "ingress = [{{ port = 5439, cidr = \"10.{}.0.0/16\" }}]",
                    seeded.below(3)
                ),
            ],
        );
        cluster = role && seeded.chance(70);
        if cluster {
            table(
                "redshift_subnet_group.main",
                &[format!("subnets = [{}]", names.join(", "))],
            );
            let parameters = seeded.chance(50);
            if parameters {
                table(
                    "redshift_parameter_group.main",
                    &[format!(
                        "parameters = {{ statement_timeout = {} }}",
                        seeded.below(2) * 1000
                    )],
                );
            }
            let mut lines = vec![
                "subnet_group = \"redshift_subnet_group.main\"".to_owned(),
                "security_groups = [\"security_group.db\"]".to_owned(),
                "roles = [\"role.warehouse\"]".to_owned(),
                format!("nodes = {}", 1 + seeded.below(2)),
                format!("database = \"{}\"", seeded.pick(&["dev", "dev", "prod"])),
            ];
            if parameters {
                lines.push("parameter_group = \"redshift_parameter_group.main\"".to_owned());
            }
            table("redshift_cluster.main", &lines);
        }
    }
    if cluster && database {
        let lines = [
            "warehouse = \"redshift_cluster.main\"",
            "database = \"glue_database.bronze\"",
            "role = \"role.warehouse\"",
            if crawler { "depends_on = [\"crawl.bronze\"]" } else { "" },
        ];
        table("external_schema.bronze", &lines.map(str::to_owned));
        let lines = [
            "warehouse = \"redshift_cluster.main\"",
            "run = \"select 1\"",
            "depends_on = [\"external_schema.bronze\"]",
        ];
        table("sql.views", &lines.map(str::to_owned));
    }
    if seeded.chance(40) {
        table(
            "secret.token",
            &[
                format!("description = \"{}\"", seeded.below(2)),
                format!("recovery_days = {}", 7 * seeded.below(2)),
            ],
        );
    }
    if seeded.chance(40) {
        table(
            &format!("log_group.{}", seeded.pick(&["events", "audit"])),
            &["name = \"sim/events\"".to_owned()],
        );
    }
    text
}

/// A whole lakehouse, sound to the last line; goes behind a `[stack]` table.
pub const LAKEHOUSE: &str = r#"
[vpc.main]
cidr = "10.0.0.0/16"
zones = ["a", "b"]
tiers.private = { cidr = "10.0.16.0/20", s3_endpoint = true }
[security_group.redshift]
vpc = "vpc.main"
ingress = [{ port = 5439, cidr = "10.0.0.0/16" }]
[bucket.lake]
force_destroy = true
[role.crawler]
service = "glue"
grants = { read = ["bucket.lake"], write = ["glue_database.bronze"] }
[role.redshift]
service = "redshift"
grants = { read = ["bucket.lake", "glue_database.bronze"] }
[glue_database.bronze]
[glue_classifier.csv]
csv = { delimiter = ";", header = "PRESENT" }
[glue_crawler.bronze]
database = "glue_database.bronze"
role = "role.crawler"
targets = ["dataset.banking"]
classifiers = ["glue_classifier.csv"]
[glue_trigger.bronze]
crawlers = ["glue_crawler.bronze"]
[redshift_subnet_group.main]
subnets = ["vpc.main.private"]
[redshift_cluster.main]
subnet_group = "redshift_subnet_group.main"
security_groups = ["security_group.redshift"]
roles = ["role.redshift"]
[dataset.banking]
definition = "banking"
bucket = "bucket.lake"
prefix = "landing/"
[crawl.bronze]
crawler = "glue_crawler.bronze"
dataset = "dataset.banking"
[external_schema.bronze]
name = "dev_bronze"
warehouse = "redshift_cluster.main"
database = "glue_database.bronze"
role = "role.redshift"
depends_on = ["crawl.bronze"]
[sql.views]
warehouse = "redshift_cluster.main"
run = "create view v as select 1"
depends_on = ["external_schema.bronze"]
[dbt.models]
warehouse = "redshift_cluster.main"
project = "dbt"
depends_on = ["sql.views"]
"#;
