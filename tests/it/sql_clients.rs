//! SQL clients nobody here wrote, unmodified, each against the SQL port or the Data API of one small warehouse.

use crate::python::Python;
use crate::sandbox::Sandbox;
use crate::served::Served;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

/// A served warehouse without data.
struct Warehouse {
    served: Served,
    sql: String,
    authority: String,
    sandbox: Sandbox,
}

impl Warehouse {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        let stack = include_str!("../dbt/stack.toml");
        let (stack, _) = stack.split_once("[sql.readers]").expect("what comes before");
        std::fs::create_dir(sandbox.path().join("shop")).expect("a folder");
        std::fs::write(sandbox.path().join("shop/stack.toml"), stack).expect("written");
        sandbox.ok(&["apply", "--stack", "shop", "--yes"]);
        let mut served = Served::new(&sandbox, &["--stack", "shop"]);
        let sql = served.sql();
        let authority = sandbox.path().join("shop/state/local/tls/ca.pem");
        Self {
            served,
            sql,
            authority: authority.display().to_string(),
            sandbox,
        }
    }

    fn args(&self) -> [&str; 4] {
        [&self.served.http, &self.sql, "shop-dw", &self.authority]
    }

    /// `PG…` variables of a login that is good for an hour.
    fn login(&self, python: &Python) -> Vec<(String, String)> {
        let said = python.ok("login.py", &self.args());
        let pairs = said.lines().filter_map(|line| line.split_once('='));
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }
}

#[test]
fn python_drivers_do_their_work() {
    let python = Python::of("sqlclients");
    let warehouse = Warehouse::new();
    for script in [
        "with_psycopg2.py",
        "with_redshift_connector.py",
        "with_sqlalchemy.py",
        "with_other_drivers.py",
        "with_awswrangler.py",
        "with_data_api.py",
    ] {
        python.ok(script, &warehouse.args());
    }
}

#[test]
fn a_cluster_that_does_not_run_refuses_everybody() {
    Python::of("sqlclients").ok("with_pausing.py", &Warehouse::new().args());
}

#[test]
fn the_jdbc_driver_does_its_work() {
    let python = Python::of("sqlclients");
    let warehouse = Warehouse::new();
    let login = warehouse.login(&python);
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sqlclients/Jdbc.java");
    let mut java = Command::new("java");
    java.args(["-cp", "/usr/share/java/postgresql.jar"]).arg(program);
    for name in ["PGHOST", "PGPORT", "PGUSER", "PGPASSWORD"] {
        let (_, value) = login.iter().find(|(known, _)| known == name).expect("a login");
        java.arg(value);
    }
    let output = java
        .arg(&warehouse.authority)
        .output()
        .unwrap_or_else(|error| panic!("java: {error}; .ci/run installs it"));
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{complained}");
}

/// Runs `lakeform sql` and returns the bytes that it wrote and the most memory that it had.
fn written(warehouse: &Warehouse, format: &[&str], rows: u32) -> (usize, usize) {
    let sql = format!("select n, repeat('x', 100) as filler from generate_series(1, {rows}) as g(n) order by n");
    let mut command = warehouse.sandbox.command(&["sql", "--stack", "shop"]);
    let mut running = command
        .args(format)
        .arg(sql)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it runs");
    let mut output = running.stdout.take().expect("its output");
    let status = format!("/proc/{}/status", running.id());
    let (mut bytes, mut most) = (0, 0);
    let mut part = vec![0; 1 << 16];
    loop {
        let read = output.read(&mut part).expect("it writes");
        if read == 0 {
            break;
        }
        bytes += read;
        let status = std::fs::read_to_string(&status).unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = peak.and_then(|text| text.trim().trim_end_matches(" kB").parse::<usize>().ok());
        most = most.max(kilobytes.unwrap_or(0) * 1024);
    }
    assert!(running.wait().expect("it ends").success());
    (bytes, most)
}

#[cfg(target_os = "linux")]
#[test]
fn the_sql_command_writes_rows_as_they_come_and_keeps_none() {
    let warehouse = Warehouse::new();
    for format in [&["--csv"][..], &["--json"], &[]] {
        let (_, base) = written(&warehouse, format, 10);
        let (bytes, most) = written(&warehouse, format, 300_000);
        assert!(bytes > 30 << 20, "{format:?} wrote {bytes}");
        let more = most.saturating_sub(base) >> 20;
        assert!(base > 0 && more < 24, "{format:?}: {more} MB for {} MB", bytes >> 20);
    }
}

#[test]
fn psql_shows_what_there_is() {
    let python = Python::of("sqlclients");
    let warehouse = Warehouse::new();
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sqlclients/psql.txt");
    let expected = std::fs::read_to_string(&page).expect("a session");
    // Each line `=> …` is sent; what psql answers must be what stands below it.
    let commands: Vec<&str> = expected.lines().filter_map(|line| line.strip_prefix("=> ")).collect();
    let login = warehouse.login(&python);
    let mut said = String::new();
    for command in commands {
        let mut psql = Command::new("psql");
        psql.arg("--no-psqlrc").stdin(Stdio::piped());
        psql.stdout(Stdio::piped()).stderr(Stdio::piped());
        psql.env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default());
        psql.envs(login.clone())
            .env("PGSSLMODE", "verify-full")
            .env("PGSSLROOTCERT", &warehouse.authority);
        let mut running = psql
            .spawn()
            .unwrap_or_else(|error| panic!("psql: {error}; .ci/run installs it"));
        let mut typed = running.stdin.take().expect("psql reads");
        writeln!(typed, "{command}").expect("psql reads");
        drop(typed);
        let output = running.wait_with_output().expect("psql ends");
        said.push_str(&format!("=> {command}\n"));
        for text in [output.stdout, output.stderr] {
            let text = String::from_utf8_lossy(&text);
            text.lines()
                .for_each(|line| said.push_str(&format!("{}\n", line.trim_end())));
        }
    }
    snapbox::Assert::new().action_env("SNAPSHOTS").eq(
        snapbox::IntoData::raw(said),
        snapbox::Data::read_from(&page, None).raw(),
    );
}
