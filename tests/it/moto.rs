//! The same AWS code against moto, an AWS that nobody here wrote: apply, an empty plan, drift after changes made with
//! boto3, destroy. What moto does not have, or does otherwise than AWS, stands in `GAPS` and is shown to be so.

use crate::http;
use crate::python::Python;
use crate::sandbox::Sandbox;
use crate::team;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// What moto has, as a stack.
const JUDGED: &str = r#"
[vpc.main]
cidr = "10.0.0.0/16"
[internet_gateway.main]
vpc = "vpc.main"
[subnet.a]
vpc = "vpc.main"
cidr = "10.0.1.0/24"
zone = "a"
[subnet.b]
vpc = "vpc.main"
cidr = "10.0.2.0/24"
zone = "b"
[nat_gateway.out]
subnet = "subnet.a"
[route_table.public]
vpc = "vpc.main"
subnets = ["subnet.a", "subnet.b"]
routes = [{ to = "0.0.0.0/0", via = "internet_gateway.main" }]
[security_group.warehouse]
vpc = "vpc.main"
ingress = [{ port = 5439, cidr = "10.0.0.0/16" }]
[role.reader]
service = "redshift"
managed = ["AmazonS3ReadOnlyAccess"]
[role.reader.policies.read]
Version = "2012-10-17"
Statement = [{ Effect = "Allow", Action = "s3:GetObject", Resource = "arn:aws:s3:::lake/*" }]
[glue_database.bronze]
description = "raw"
[secret.app]
description = "for the app"
recovery_days = 0
[log_group.app]
name = "/oracle/app"
retention_days = 7
[redshift_subnet_group.main]
subnets = ["subnet.a", "subnet.b"]
"#;

/// A difference between moto and AWS.
struct Gap {
    what: &'static str,
    /// Tables that run into it.
    tables: &'static str,
    /// What `apply` says then.
    says: &'static str,
}

const GAPS: &[Gap] = &[
    Gap {
        what: "GetBucketVersioning answers with a root element that the SDK cannot read",
        tables: "[bucket.lake]\nname = \"oracle-lake\"\n",
        says: "cannot be read",
    },
    Gap {
        what: "DescribeVpcEndpoints has no filter `vpc-endpoint-id`",
        tables: "[vpc.main]\ncidr = \"10.0.0.0/16\"\n[route_table.main]\nvpc = \"vpc.main\"\n\
                 [vpc_endpoint.s3]\nvpc = \"vpc.main\"\nservice = \"s3\"\nroute_tables = [\"route_table.main\"]\n",
        says: "read VPC endpoints: HTTP status 500",
    },
    Gap {
        what: "Glue has no classifiers",
        tables: "[glue_classifier.semicolons]\ncsv = { delimiter = \";\" }\n",
        says: "read Glue classifiers: HTTP status 500",
    },
    Gap {
        what: "there is no Redshift Serverless",
        tables: "[redshift_namespace.main]\n",
        says: "read the namespace: HTTP status 500",
    },
];

/// moto's server on a free port, ended however the test ends.
struct Moto {
    child: Child,
    endpoint: String,
}

impl Moto {
    fn serve(python: &Python) -> Self {
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|socket| socket.local_addr())
            .expect("a port")
            .port();
        let child = python
            .program("moto_server")
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .env("MOTO_IAM_LOAD_MANAGED_POLICIES", "true")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it serves");
        let moto = Self {
            child,
            endpoint: format!("http://127.0.0.1:{port}"),
        };
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(started.elapsed() < Duration::from_secs(60), "moto does not answer");
            std::thread::sleep(Duration::from_millis(100));
        }
        moto
    }

    /// A machine with a stack file; `tables` begins inside `[stack]`.
    fn stack(&self, name: &str, tables: &str) -> Sandbox {
        team::machine(&format!(
            "[stack]\nname = \"{name}\"\ncloud = \"aws\"\naccount = \"123456789012\"\nendpoint = \"{}\"\n{tables}",
            self.endpoint
        ))
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn moto_agrees_with_what_we_think_of_aws() {
    let python = Python::of("moto");
    let moto = Moto::serve(&python);
    let stack = moto.stack("oracle", JUDGED);
    stack.ok(&["apply", "--yes"]);
    let plan = stack.run(&["plan", "--detailed-exitcode"]);
    assert_eq!(plan.code, 0, "{}", plan.all);
    assert_eq!(stack.run(&["drift"]).code, 0);
    // What somebody does elsewhere is seen, and undone.
    python.ok("change.py", &["change", &moto.endpoint, "oracle"]);
    let drift = stack.run(&["drift", "--format", "json"]);
    assert_eq!(drift.code, 2, "{}", drift.all);
    for address in [
        "security_group.warehouse",
        "route_table.public",
        "subnet.a",
        "vpc.main",
        "role.reader",
        "glue_database.bronze",
        "secret.app",
        "log_group.app",
    ] {
        assert!(drift.stdout.contains(address), "no {address} in {}", drift.all);
    }
    stack.ok(&["apply", "--yes"]);
    let plan = stack.run(&["plan", "--detailed-exitcode"]);
    assert_eq!(plan.code, 0, "{}", plan.all);
    // A lost state is found again, and leaves nothing to do.
    std::fs::remove_dir_all(stack.path().join("state")).expect("lost");
    stack.ok(&["recover"]);
    let plan = stack.run(&["plan", "--detailed-exitcode"]);
    assert_eq!(plan.code, 0, "{}", plan.all);
    // moto's tag index knows no subnet groups of Redshift: the plan found that one by its name, and apply remembers it.
    stack.ok(&["apply", "--yes"]);
    stack.ok(&["destroy", "--yes"]);
    let left = python.ok("change.py", &["left", &moto.endpoint, "oracle"]);
    assert_eq!(left.trim(), "", "what is left");
    for gap in GAPS {
        let said = moto.stack("gap", gap.tables).run(&["apply", "--yes"]);
        assert_ne!(said.code, 0, "moto has learnt it: {}", gap.what);
        assert!(said.all.contains(gap.says), "{}: {}", gap.what, said.all);
    }
}

#[cfg(unix)]
#[test]
fn a_team_keeps_its_state_in_a_bucket_of_moto() {
    let python = Python::of("moto");
    let moto = Moto::serve(&python);
    let (status, answer) = http::send(&moto.endpoint, "PUT", "/team-state", "");
    assert_eq!(status, 200, "{answer}");
    let tables = format!("state = \"s3://team-state/lakeform\"\n{}", team::NETWORK);
    let (first, second) = (moto.stack("net", &tables), moto.stack("net", &tables));
    // While one holds it, nobody else gets in, and is told who it is.
    let mut holder = team::begin(&first);
    team::signal(&holder, "-STOP");
    for command in ["apply", "destroy"] {
        let refused = second.run(&[command, "--yes"]);
        assert_eq!(refused.code, 5, "{}", refused.all);
        let process = format!("process {}", holder.id());
        assert!(
            refused.all.contains("`lakeform apply` by ") && refused.all.contains(&process),
            "{}",
            refused.all
        );
    }
    team::signal(&holder, "-CONT");
    assert_eq!(holder.wait().expect("it ends").code(), Some(0));
    // What one made the other knows, can look into and give other names, and destroys.
    assert_eq!(second.ok(&["plan", "--detailed-exitcode"]).code, 0);
    let listed = second.ok(&["state", "list"]).stdout;
    assert_eq!(listed, first.ok(&["state", "list"]).stdout);
    assert!(second.ok(&["state", "show", "vpc.main"]).stdout.contains("10.0.0.0/16"));
    second.ok(&["state", "mv", "vpc.main", "vpc.other"]);
    assert_eq!(first.run(&["plan", "--detailed-exitcode"]).code, 2);
    first.ok(&["state", "mv", "vpc.other", "vpc.main"]);
    assert_eq!(second.ok(&["plan", "--detailed-exitcode"]).code, 0);
    let told = first.ok(&["history"]).stdout;
    for command in ["apply", "state mv"] {
        assert!(told.contains(command), "no {command} in {told}");
    }
    second.ok(&["destroy", "--yes"]);
    assert!(!first.ok(&["state", "list"]).stdout.contains("vpc"));
    let left = python.ok("change.py", &["left", &moto.endpoint, "net"]);
    assert_eq!(left.trim(), "", "what is left");
}
