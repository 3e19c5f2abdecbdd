//! Clients nobody here wrote, against the served local cloud. Their packages are installed under the target folder.

use crate::sandbox::Sandbox;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Ends the server however the test ends.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Installs the packages once, under the target folder, and returns where they are.
fn packages() -> PathBuf {
    let wanted = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/requirements.txt");
    let text = std::fs::read_to_string(&wanted).expect("requirements");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python");
    let done = folder.join("requirements.txt");
    if std::fs::read_to_string(&done).is_ok_and(|installed| installed == text) {
        return folder;
    }
    let output = Command::new("python3")
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--upgrade",
            "--target",
        ])
        .arg(&folder)
        .arg("-r")
        .arg(&wanted)
        .output()
        .expect("python3 runs");
    assert!(
        output.status.success(),
        "pip: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    std::fs::write(done, text).expect("written");
    folder
}

#[test]
fn boto3_and_a_postgres_driver_see_the_lakehouse() {
    let packages = packages();
    let sandbox = Sandbox::new();
    sandbox.ok(&["init", "lakehouse", "lake"]);
    sandbox.ok(&["up", "--stack", "lake"]);
    let mut command = sandbox.command(&[
        "local",
        "serve",
        "--stack",
        "lake",
        "--http",
        "127.0.0.1:0",
        "--sql",
        "127.0.0.1:0",
        "--json",
    ]);
    let mut server = Server(
        command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("it serves"),
    );
    let mut lines = BufReader::new(server.0.stdout.take().expect("its output")).lines();
    let started = Instant::now();
    let (mut http, mut sql) = (None, None);
    while http.is_none() || sql.is_none() {
        assert!(started.elapsed() < Duration::from_secs(60), "the ports do not open");
        let line = lines.next().expect("it goes on").expect("a line");
        let json: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        if let Some(address) = json["http"].as_str() {
            http = Some(address.to_owned());
        }
        if let Some(address) = json["sql"].as_str() {
            sql = Some(address.to_owned());
        }
    }
    let output = Command::new("python3")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/lakehouse.py"))
        .args([
            http.expect("an address"),
            sql.expect("an address"),
            "lake-warehouse".to_owned(),
        ])
        .env("PYTHONPATH", packages)
        .output()
        .expect("python3 runs");
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
