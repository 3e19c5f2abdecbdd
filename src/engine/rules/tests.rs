use crate::testing::problems;
use snapbox::{assert_data_eq, str};

#[test]
fn names_follow_the_rules_of_their_service() {
    assert_data_eq!(
        problems(
            r#"[bucket.a]
name = "My_Bucket"
[bucket.b]
name = "192.168.0.1"
[bucket.c]
name = "data.lake"
[bucket.d]
name = "ab"
[role.a]
service = "glue"
name = "a role"
[glue_database.a]
name = "Bronze-Layer"
[glue_database.b]
name = "bronze layer"
[secret.a]
name = "token-Abc123"
[log_group.a]
name = "aws/events"
[redshift_parameter_group.a]
name = "default"
"#
        ),
        str![[r#"
error[bad-bucket-name] 4:8 a bucket cannot have this name: only lower-case letters, digits and hyphens are allowed
  hint: write name = "my-bucket"
error[bad-bucket-name] 6:8 a bucket cannot have this name: looks like an IP address
  hint: write name = "192-168-0-1"
error[bad-bucket-name] 8:8 a bucket cannot have this name: a dot breaks TLS with the bucket's host name
  hint: write name = "data-lake"
error[bad-bucket-name] 10:8 a bucket cannot have this name: 2 characters; 3 to 63 are allowed
error[bad-name] 13:8 a role cannot have this name: only letters, digits and `_+=,.@-` are allowed
  hint: write name = "a-role"
error[bad-name] 15:8 a glue_database cannot have this name: Glue turns it into lower case
  hint: write name = "bronze-layer"
error[bad-name] 17:8 a glue_database cannot have this name: only lower-case letters, digits, `_` and `-` work in SQL
  hint: write name = "bronze_layer"
error[bad-name] 19:8 a secret cannot have this name: a hyphen and six characters at the end look like the end of an ARN
  hint: write name = "token-Abc123-secret"
error[bad-name] 21:8 a log_group cannot have this name: `aws/` is reserved
  hint: write name = "/aws/events"
error[bad-name] 23:8 a redshift_parameter_group cannot have this name: `default` is AWS's own

"#]]
    );
}

#[test]
fn names_of_a_cluster_follow_its_rules() {
    assert_data_eq!(
        problems(
            r#"[redshift_cluster.a]
subnet_group = "sg"
identifier = "My--Cluster"
database = "select"
user = "Admin"
[redshift_cluster.b]
subnet_group = "sg"
identifier = "1-cluster"
database = "my db"
user = "public"
"#
        ),
        str![[r#"
error[bad-name] 5:14 a redshift_cluster cannot have this identifier: AWS turns it into lower case
  hint: write identifier = "my-cluster"
error[reserved-word] 6:12 a redshift_cluster cannot have this database: is a reserved word of SQL
  hint: write database = "select_1"
error[bad-user-name] 7:8 a redshift_cluster cannot have this user: only lower-case letters, digits and `_+.@-`, beginning with a letter
  hint: write user = "admin"
error[bad-name] 10:14 a redshift_cluster cannot have this identifier: must begin with a letter
  hint: write identifier = "c-1-cluster"
error[bad-database-name] 11:12 a redshift_cluster cannot have this database: only lower-case letters, digits, `_` and `$`, beginning with a letter
  hint: write database = "my_db"
error[reserved-word] 12:8 a redshift_cluster cannot have this user: is a reserved word of SQL
  hint: write user = "public_1"

"#]]
    );
}

#[test]
fn one_object_is_not_declared_twice() {
    assert_data_eq!(
        problems(
            r#"[role.a]
service = "glue"
name = "Reader"
[role.b]
service = "glue"
name = "reader"
[bucket.my_lake]
[bucket.my-lake]
"#
        ),
        str![[r#"
error[duplicate-name] 8:8 two resources would be the same object: `reader` is `role.a` too
  5:8 the other one
  hint: give one of them another name; AWS does not look at upper and lower case
error[duplicate-name] 9:9 two resources would be the same object: `t-my-lake` is `bucket.my-lake` too
  10:9 the other one
  hint: give one of them another name; AWS does not look at upper and lower case

"#]]
    );
}

#[test]
fn a_role_fits_who_takes_it() {
    assert_data_eq!(
        problems(
            r#"[role.loader]
service = "lambda"
[role.unknown]
service = "gleu"
[redshift_subnet_group.main]
subnets = ["subnet-0123"]
[redshift_cluster.main]
subnet_group = "redshift_subnet_group.main"
roles = ["role.loader"]
default_role = "arn:aws:iam::123456789012:role/other"
[glue_database.bronze]
[external_schema.bronze]
warehouse = "redshift_cluster.main"
database = "glue_database.bronze"
role = "role.unknown"
"#
        ),
        str![[r#"
error[unknown-service] 6:11 not a service that takes roles: not known
  hint: did you mean `glue`?
error[wrong-trust] 11:9 the role is not for this service: `role.loader` may be taken by `lambda`, not by `redshift`
  4:11 who may take it
  hint: use a role with service = "redshift"
error[default-role-not-attached] 12:16 the default role is not one of its roles: not in `roles`
  hint: add it to `roles`
error[role-not-attached] 17:8 the warehouse does not have this role: `redshift_cluster.main` may not use `role.unknown`
  11:9 its roles
  hint: add to [redshift_cluster.main]: roles = ["role.unknown"]
error[wrong-trust] 17:8 the role is not for this service: `role.unknown` may be taken by `gleu`, not by `redshift`
  6:11 who may take it
  hint: use a role with service = "redshift"

"#]]
    );
}

#[test]
fn policies_have_the_shape_that_iam_takes() {
    assert_data_eq!(
        problems(
            r#"[role.a]
service = "glue"
[role.a.policies]
old = { Version = "2008-10-17", Statement = [{ Effect = "Allow", Action = "s3:*", Resource = "*" }] }
none = { Version = "2012-10-17" }
who = { Statement = [{ Effect = "Allow", Action = "s3:*", Resource = "*", Principal = "*" }] }
effect = { Statement = { Effect = "allow", Action = "s3:*", Resource = "*" } }
action = { Statement = { Effect = "Allow", Action = "GetObject", Resource = "*" } }
both = { Statement = { Effect = "Allow", Action = "s3:*", NotAction = "s3:Get*", Resource = "*" } }
typo = { Statement = { Effect = "Allow", Actions = "s3:*", Resource = "*" } }
all = { Statement = { Effect = "Allow", Action = "*", Resource = "*" } }
[role.b]
service = "glue"
policies = { text = "{ not json" }
"#
        ),
        str![[r#"
error[policy-shape] 6:7 not a policy that IAM takes: an old version, without variables
  hint: write Version = "2012-10-17"
error[policy-shape] 7:8 not a policy that IAM takes: there is no statement
  hint: write Statement = [{ Effect = "Allow", Action = […], Resource = […] }]
error[policy-shape] 8:7 not a policy that IAM takes: a role's policy names no `Principal`
  hint: who may take the role is said by `service`
error[policy-shape] 9:10 not a policy that IAM takes: `Effect` is `Allow` or `Deny`
error[policy-shape] 10:10 not a policy that IAM takes: `GetObject` is not an action
  hint: actions have the form service:Name, such as s3:GetObject
error[policy-shape] 11:8 not a policy that IAM takes: a statement has one of `Action` and `NotAction`
error[policy-shape] 12:8 not a policy that IAM takes: `Actions` is not known in a statement
  hint: the keys are Sid, Effect, Action, Resource and Condition, spelled so
warning[policy-allows-everything] 13:7 the role may do anything to everything: `*` on `*`
  hint: grants = { read = ["bucket.…"], write = ["glue_database.…"] } gives the least that works
error[bad-json] 16:21 not valid JSON: key must be a string at line 1 column 3

"#]]
    );
}

#[test]
fn a_crawlers_role_may_read_and_write_what_it_must() {
    assert_data_eq!(
        problems(
            r#"[bucket.lake]
prefixes = ["landing/"]
[glue_database.bronze]
[role.crawler]
service = "glue"
policies = { other = { Statement = { Effect = "Allow", Action = "s3:Get*", Resource = "arn:aws:s3:::${bucket.lake.name}/silver/*" } } }
[glue_crawler.bronze]
database = "glue_database.bronze"
role = "role.crawler"
targets = ["s3://${bucket.lake.name}/landing/", "s3://${bucket.lake.name}/silver/x/"]
"#
        ),
        str![[r#"
error[crawler-cannot-write] 11:8 the crawler's role may not write tables: `role.crawler` may not glue:CreateTable
  6:7 the role
  hint: add to [role.crawler]: grants = { write = ["glue_database.bronze"] }
error[crawler-cannot-read] 12:12 the crawler's role may not read its target: `role.crawler` may not s3:GetObject in s3://${bucket.lake.name}/landing/
  6:7 the role
  hint: add to [role.crawler]: grants = { read = ["bucket.lake"] }
warning[crawler-target-missing] 12:49 nothing puts this folder there: `bucket.lake` has no `silver/x/`
  hint: add to [bucket.lake]: prefixes = ["silver/x/"]

"#]]
    );
}

#[test]
fn a_bucket_is_the_same_by_name_and_by_reference() {
    let stack = |bucket: &str, target: &str, policy: &str| {
        problems(&format!(
            r#"[bucket.lake]
name = "{bucket}"
[glue_database.bronze]
[role.crawler]
service = "glue"
{policy}
[glue_crawler.bronze]
database = "glue_database.bronze"
role = "role.crawler"
targets = ["{target}"]
"#
        ))
    };
    let grants = r#"grants = { read = ["bucket.lake"], write = ["glue_database.bronze"] }"#;
    let nothing = r#"grants = { write = ["glue_database.bronze"] }"#;
    let written = |resource: &str| {
        format!(
            "policies.own.Version = \"2012-10-17\"\npolicies.own.Statement = [{{ Effect = \"Allow\", \
             Action = [\"s3:*\", \"glue:*\"], Resource = [\"{resource}\"] }}]"
        )
    };
    for target in ["s3://acme-lake/landing/", "s3://${bucket.lake.name}/landing/"] {
        let reading = [
            grants.to_owned(),
            written("arn:aws:s3:::acme-lake/*"),
            written("arn:aws:s3:::${bucket.lake.name}/*"),
            written("${bucket.lake.arn}/*"),
        ];
        for policy in reading {
            let said = stack("acme-lake", target, &policy);
            assert!(!said.contains("crawler-cannot-read"), "{policy}: {said}");
        }
        // Whoever may not is told what to grant, however the bucket is written.
        let said = stack("acme-lake", target, nothing);
        let hint = "hint: add to [role.crawler]: grants = { read = [\"bucket.lake\"] }";
        assert!(said.contains("crawler-cannot-read") && said.contains(hint), "{said}");
    }
    let others = stack("acme-pond", "s3://acme-lake/landing/", grants);
    assert!(
        others.contains("crawler-cannot-read") && !others.contains("grants"),
        "{others}"
    );
}

#[test]
fn buckets_have_policies_and_rules_that_s3_takes() {
    assert_data_eq!(
        problems(
            r#"[bucket.lake]
versioning = true
prefixes = ["/landing", "a//b/"]
expire = [{ prefix = "tmp/" }, { prefix = "tmp/", days = 3 }]
[bucket.lake.policy]
Statement = [
  { Effect = "Allow", Principal = "*", Action = "s3:GetObject", Resource = "arn:aws:s3:::somewhere-else/*" },
  { Effect = "Deny", Action = "s3:*", Resource = "*" },
]
[dataset.banking]
definition = "banking"
bucket = "bucket.lake"
prefix = "/landing"
"#
        ),
        str![[r#"
warning[versions-never-expire] 4:14 old versions are kept, and paid for, for ever: no rule deletes them
  hint: add expire = [{ noncurrent_days = 30 }]
error[bad-prefix] 5:13 the prefix makes a folder without a name: an empty part between slashes
  hint: write "landing/"
error[bad-prefix] 5:25 the prefix makes a folder without a name: an empty part between slashes
  hint: write "a/b/"
error[empty-lifecycle-rule] 6:11 the rule does nothing: no number of days
  hint: add days, noncurrent_days or abort_uploads_days
error[duplicate-lifecycle-rule] 6:32 two rules for one prefix: put them into one
error[policy-names-other-bucket] 7:1 a bucket's policy speaks of that bucket only: names `somewhere-else`
  hint: write "arn:aws:s3:::${bucket.lake.name}/*"
error[policy-shape] 7:1 a bucket policy says who: a statement has no `Principal`
error[public-policy-blocked] 7:1 the policy is public and the bucket refuses that: allows everybody
  3:9 public access is refused here
  hint: name who may, or write block_public = false
error[bad-prefix] 15:10 a prefix ends with a slash and does not begin with one: keys would run together
  hint: write prefix = "landing/"

"#]]
    );
}

#[test]
fn classifiers_are_of_one_type_and_whole() {
    assert_data_eq!(
        problems(
            r#"[glue_classifier.none]
[glue_classifier.both]
json = { path = "records" }
csv = { delimiter = ";;", quote = "'", columns = ["a", "b", "A"], datatypes = ["INT", "NUMBER"] }
[glue_classifier.grok]
grok = { classification = "log", pattern = "%{IP:client %{WORD}" }
"#
        ),
        str![[r#"
error[classifier-blocks] 3:18 a classifier is of exactly one type: none of csv, json, grok, xml
  hint: such as csv = { delimiter = ";", header = "PRESENT" }
error[classifier-blocks] 4:18 a classifier is of exactly one type: has csv and json
  hint: such as csv = { delimiter = ";", header = "PRESENT" }
error[bad-classifier] 5:17 Glue does not take this classifier: a JSON path begins with `$`, such as `$.records[*]`
error[bad-classifier] 6:21 Glue does not take this classifier: `delimiter` is one character
error[bad-classifier] 6:50 Glue does not take this classifier: column `A` stands here twice
error[bad-classifier] 6:79 Glue does not take this classifier: 2 types for 3 columns
error[bad-classifier] 6:79 Glue does not take this classifier: `NUMBER` is not one of BINARY, BOOLEAN, DATE, DECIMAL, DOUBLE, FLOAT, INT, LONG, SHORT, STRING, TIMESTAMP
error[bad-classifier] 8:44 Glue does not take this classifier: `%{` is not closed

"#]]
    );
}

#[test]
fn crawlers_get_targets_and_schedules_that_glue_takes() {
    assert_data_eq!(
        problems(
            r#"[bucket.lake]
[glue_crawler.a]
database = "bronze"
role = "crawler"
targets = []
schedule = "rate(1 day)"
[glue_crawler.b]
database = "bronze"
role = "crawler"
targets = ["lake/landing", "s3://${bucket.lake.name}/landing/"]
recrawl = "CRAWL_NEW_FOLDERS_ONLY"
classifiers = ["x", "x"]
[glue_crawler.c]
database = "bronze"
role = "crawler"
targets = ["s3://lake/landing/"]
recrawl = "CRAWL_EVENT_MODE"
schedule = "cron(0 2 * * ? *)"
[glue_trigger.c]
type = "SCHEDULED"
schedule = "cron(0 3 * * ? *)"
crawlers = ["glue_crawler.c"]
"#
        ),
        str![[r#"
error[crawler-without-target] 7:11 a crawler needs something to read: no target
  hint: targets = ["dataset.…"], or "s3://${bucket.….name}/folder/"
error[bad-cron] 8:12 not a schedule: Glue takes no `rate(…)`: write it as `cron(…)`
  hint: such as "cron(0 2 * * ? *)": every day at 02:00 UTC
error[bad-s3-url] 12:12 not a place in S3: `lake/landing` does not begin with s3://
  hint: write "s3://${bucket.name.name}/folder/"
warning[crawler-target-missing] 12:28 nothing puts this folder there: `bucket.lake` has no `landing/`
  hint: add to [bucket.lake]: prefixes = ["landing/"]
error[recrawl-needs-log] 13:11 a crawler of new folders only may not change tables: the schema policy changes them
  hint: add schema_change = { update = "LOG", delete = "LOG" }
error[duplicate-classifier] 14:21 the classifier stands here twice: the first match wins
error[recrawl-needs-queue] 19:11 crawling by events needs a queue: lakeform makes no queues
  hint: write recrawl = "CRAWL_NEW_FOLDERS_ONLY" or leave it out
warning[two-schedulers] 23:12 the crawler has two schedules: `glue_crawler.c` has one of its own
  20:12 the other schedule
  hint: keep one of them

"#]]
    );
}

#[test]
fn triggers_have_the_fields_of_their_type() {
    assert_data_eq!(
        problems(
            r#"[glue_trigger.a]
type = "SCHEDULED"
crawlers = ["x"]
[glue_trigger.b]
crawlers = ["x"]
schedule = "cron(0 3 * * ? *)"
enabled = true
after = [{ crawler = "y" }]
[glue_trigger.c]
type = "CONDITIONAL"
crawlers = []
[glue_trigger.d]
type = "CONDITIONAL"
crawlers = ["x"]
after = [{ crawler = "x" }]
"#
        ),
        str![[r#"
error[trigger-fields] 4:8 a scheduled trigger needs a schedule: `schedule` is missing
  hint: add schedule = "cron(0 2 * * ? *)"
error[trigger-fields] 8:12 only a scheduled trigger has a schedule: the type is ON_DEMAND
  hint: add type = "SCHEDULED", or remove the line
error[trigger-fields] 9:11 a trigger on demand is never armed: starting it would run the crawler
  hint: remove the line
error[trigger-fields] 10:9 only a conditional trigger waits for something: the type is ON_DEMAND
  hint: add type = "CONDITIONAL", or remove the line
error[trigger-fields] 12:8 a conditional trigger waits for something: `after` is missing
  hint: add after = [{ crawler = "glue_crawler.…" }]
error[trigger-fields] 13:12 a trigger starts something: no crawler
  hint: crawlers = ["glue_crawler.…"]
error[trigger-circle] 17:10 the trigger would start what it waits for: x is started and waited for
  hint: name another crawler in `after`

"#]]
    );
}

#[test]
fn clusters_have_nodes_ports_and_windows_that_redshift_takes() {
    assert_data_eq!(
        problems(
            r#"[redshift_cluster.a]
subnet_group = "x"
node_type = "ra3.4xlarge"
port = 1234
snapshot_days = 0
encrypted = false
maintenance_window = "sun:03:00-sun:03:10"
[redshift_cluster.b]
subnet_group = "x"
node_type = "dc2.large"
nodes = 33
maintenance_window = "sunday"
[redshift_parameter_group.a]
parameters = { statement_timeout = "soon", require_sll = true, auto_mv = "maybe", wlm_json_configuration = "[{\"query_concurrency\":60}]" }
"#
        ),
        str![[r#"
error[node-count] 3:19 the node type takes another number of nodes: ra3.4xlarge takes 2 to 64
  hint: write nodes = 2
error[bad-port] 6:8 Redshift does not listen on this port: ra3.4xlarge takes 5431 to 5455 and 8191 to 8215
  hint: write port = 5439
error[snapshots-needed] 7:17 snapshots cannot be switched off: ra3.4xlarge keeps them at least a day
  hint: write snapshot_days = 1
error[unencrypted] 8:13 AWS makes no unencrypted clusters any more: refused at creation
  hint: remove the line
error[bad-window] 9:22 not a maintenance window: 10 minutes long; at least 30 are needed
  hint: such as "sun:03:00-sun:04:00"
warning[old-node-type] 12:13 AWS no longer sells this node type to everybody: an order may be refused
  hint: write node_type = "ra3.large"
error[node-count] 13:9 the node type takes another number of nodes: dc2.large takes 1 to 32
  hint: write nodes = 32
error[bad-window] 14:22 not a maintenance window: must have the form ddd:hh:mm-ddd:hh:mm
  hint: such as "sun:03:00-sun:04:00"
error[bad-parameter] 16:36 not a value of this parameter: must be a whole number
error[unknown-parameter] 16:58 Redshift has no such parameter: not known
  hint: did you mean `require_ssl`?
error[bad-parameter] 16:74 not a value of this parameter: must be `true` or `false`
error[bad-parameter] 16:108 not a value of this parameter: must be queues with a concurrency of 50 together

"#]]
    );
}

#[test]
fn serverless_needs_three_zones_and_sensible_capacity() {
    assert_data_eq!(
        problems(
            r#"[vpc.main]
cidr = "10.0.0.0/16"
[subnet.a]
vpc = "vpc.main"
cidr = "10.0.0.0/24"
zone = "a"
[subnet.b]
vpc = "vpc.main"
cidr = "10.0.1.0/24"
zone = "a"
[redshift_subnet_group.main]
subnets = ["subnet.a", "subnet.b"]
[redshift_namespace.main]
name = "X"
[redshift_workgroup.main]
namespace = "redshift_namespace.main"
subnets = ["subnet.a", "subnet.b"]
base_capacity = 20
max_capacity = 8
port = 6000
enhanced_vpc_routing = false
[redshift_workgroup.second]
namespace = "redshift_namespace.main"
subnets = ["subnet-1", "subnet-2", "subnet-3"]
enhanced_vpc_routing = false
"#
        ),
        str![[r#"
warning[one-zone] 14:11 all subnets are in one zone: the cluster cannot move when the zone fails
  hint: add a subnet in another zone
error[bad-name] 16:8 a redshift_namespace cannot have this name: 1 characters; 3 to 64 are allowed
error[workgroup-zones] 19:11 a workgroup needs three subnets in three zones: 2 subnets in 1 zones
  hint: give the VPC zones = ["a", "b", "c"]
error[bad-capacity] 20:17 not a capacity: 4, or 8 to 1024 in steps of 8
  hint: write base_capacity = 16
error[bad-capacity] 21:16 the most is less than the base: `base_capacity` is 20
error[bad-port] 22:8 Redshift does not listen on this port: Redshift Serverless takes 5431 to 5455 and 8191 to 8215
  hint: write port = 5439
warning[no-capacity-limit] 24:21 nothing limits what this may cost: `max_capacity` is missing
  hint: add max_capacity = 16

"#]]
    );
}

#[test]
fn data_steps_fit_together() {
    assert_data_eq!(
        problems(
            r#"[redshift_cluster.main]
subnet_group = "x"
enhanced_vpc_routing = false
[bucket.lake]
[dataset.banking]
definition = "banking"
bucket = "bucket.lake"
[dataset.unknown]
definition = "bankin"
bucket = "bucket.lake"
[glue_crawler.c]
database = "bronze"
role = "crawler"
targets = ["s3://lake/landing/"]
[crawl.c]
crawler = "glue_crawler.c"
dataset = "dataset.banking"
[sql.none]
warehouse = "redshift_cluster.main"
[sql.both]
warehouse = "redshift_cluster.main"
run = "select 1"
file = "x.sql"
[copy.load]
warehouse = "redshift_cluster.main"
table = "customers"
from = "lake/customers"
role = "arn:aws:iam::123456789012:role/loader"
[log_group.x]
retention_days = 31
[secret.x]
recovery_days = 3
"#
        ),
        str![[r#"
error[unknown-dataset] 11:14 there is no such dataset definition: neither shipped nor a file
  hint: did you mean `banking`?
error[crawl-misses-dataset] 19:11 the crawler does not read this dataset: `glue_crawler.c` has other targets
  16:11 what it reads
  hint: add "dataset.banking" to the crawler's `targets`
error[sql-source] 20:6 either `run` or `file` says what to run: 0 of them are there
  hint: run = "create view …", or file = "views.sql"
error[sql-source] 22:6 either `run` or `file` says what to run: 2 of them are there
  hint: run = "create view …", or file = "views.sql"
error[bad-table] 28:9 not a table: `customers` names no schema
  hint: write table = "public.customers"
error[bad-s3-url] 29:8 not a place in S3: does not begin with s3://
error[role-not-attached] 30:8 the warehouse does not have this role: `redshift_cluster.main` may not use `arn:aws:iam::123456789012:role/loader`
  3:19 its roles
  hint: add to [redshift_cluster.main]: roles = ["arn:aws:iam::123456789012:role/loader"]
error[bad-retention] 32:18 CloudWatch keeps events for certain periods only: not one of its periods
  hint: write retention_days = 30
error[recovery-window] 34:17 a secret can be restored for 7 to 30 days: 3 days
  hint: write recovery_days = 7, or 0 to delete at once

"#]]
    );
}

#[test]
fn tags_and_secrets_in_the_file_are_found() {
    assert_data_eq!(
        problems(
            r#"[bucket.lake]
tags = { "aws:owner" = "me", "lakeform:stack" = "x", "späße!" = "x", ok = "fine" }
[log_group.x]
tags = { key = "AKIAIOSFODNN7EXAMPLE" }
[sql.user]
warehouse = "redshift_cluster.main"
run = "create user x password 'Hunter22'"
[redshift_cluster.main]
subnet_group = "x"
enhanced_vpc_routing = false
roles = ["arn:aws:iam::123456789012:role/loader"]
[role.x]
service = "glue"
managed = ["arn:aws:iam:eu-west-1:123456789012:policy/x"]
[glue_classifier.x]
xml = { classification = "x", row_tag = "r" }
tags = { a = "b" }
"#
        ),
        str![[r#"
error[bad-tag] 4:24 the tag cannot be used: `aws:owner` begins with a reserved word
error[bad-tag] 4:49 the tag cannot be used: `lakeform:stack` begins with a reserved word
error[bad-tag] 4:67 the tag cannot be used: `!` in `späße!` is not accepted by every service
error[literal-secret] 6:8 a secret stands in the file: an AWS access key id
  hint: take it out and change it where it is in use; a `secret` resource generates one that nobody sees
error[literal-secret] 9:7 a secret stands in the file: a password in SQL
  hint: take it out and change it where it is in use; a `secret` resource generates one that nobody sees
error[cross-region] 16:11 refers to something in another region: in `eu-west-1`, the stack is in `us-east-1`
error[not-taggable] 19:1 AWS has no tags for this kind: cannot be tagged
  hint: remove the line

"#]]
    );
}

#[test]
fn rules_that_never_come_to_anything_are_found() {
    assert_data_eq!(
        problems(
            r#"[bucket.lake]
expire = [{ days = 7 }, { prefix = "raw/", days = 30 }, { prefix = "raw/tmp/", days = 1 }]
prefixes = ["landing/accounts/"]
[glue_database.bronze]
[role.crawler]
service = "glue"
grants = { read = ["bucket.lake"], write = ["glue_database.bronze"] }
[glue_crawler.bronze]
database = "glue_database.bronze"
role = "role.crawler"
targets = ["s3://${bucket.lake.name}/landing/accounts/"]
table_level = 2
"#
        ),
        str![[r#"
warning[lifecycle-rule-without-effect] 4:25 another rule deletes these objects sooner: `everything` is deleted after 7 days
  hint: the shorter time wins: make this one shorter, or narrow the other one's prefix
warning[table-level-above-target] 14:15 tables would begin above what is read: a target is at level 3
  hint: write table_level = 3, or more; the bucket is 1

"#]]
    );
}

#[test]
fn a_bucket_on_aws_is_not_called_by_a_common_word() {
    let text = |name: &str| {
        format!(
            "[stack]\nname = \"t\"\ncloud = \"aws\"\naccount = \"111122223333\"\n[bucket.lake]\nname = \"{name}\"\n"
        )
    };
    let found = |name: &str| {
        let text = text(name);
        crate::testing::report(&text, &crate::testing::checked(&text).problems)
    };
    assert_data_eq!(
        found("data-lake"),
        str![[r#"
warning[common-bucket-name] 6:8 somebody in the world may have this name already: `data-lake` is a plain word, and names are shared with the whole world
  hint: write name = "${stack.name}-…-${stack.account}"

"#]]
    );
    assert_eq!(found("${stack.name}-lake-${stack.account}"), "");
    assert_eq!(problems("[bucket.lake]\nname = \"data-lake\"\n"), "");
}

#[test]
fn grants_become_a_policy_of_a_name_of_their_own() {
    assert_data_eq!(
        problems(
            r#"[bucket.lake]
[role.glue]
service = "glue"
grants = { read = ["bucket.lake"] }
policies = { grants = { Statement = [] } }
"#
        ),
        str![[r#"
error[bad-grant] 7:14 two policies of one name: `grants` becomes a policy of this name
  hint: give it another name, or take `grants` out
error[policy-shape] 7:23 not a policy that IAM takes: there is no statement
  hint: write Statement = [{ Effect = "Allow", Action = […], Resource = […] }]

"#]]
    );
}
