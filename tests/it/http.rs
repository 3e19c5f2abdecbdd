//! A request to a served cloud without any client library: what a test changes behind the program's back.

use std::io::{Read, Write};
use std::net::TcpStream;

/// Sends a request and returns the status and the body of the answer.
pub fn send(endpoint: &str, method: &str, path: &str, body: &str) -> (u16, String) {
    exchange(endpoint, method, path, "", body)
}

/// Asks EC2 for an action, as whoever has the keys, and returns what it said.
#[track_caller]
pub fn ec2(endpoint: &str, action: &str) -> String {
    query(endpoint, "ec2", "2016-11-15", action)
}

/// The same of Redshift.
#[track_caller]
pub fn redshift(endpoint: &str, action: &str) -> String {
    query(endpoint, "redshift", "2012-12-01", action)
}

#[track_caller]
fn query(endpoint: &str, service: &str, version: &str, action: &str) -> String {
    let headers = format!(
        "Content-Type: application/x-www-form-urlencoded\r\nAuthorization: AWS4-HMAC-SHA256 \
         Credential=test/20260101/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=0\r\n"
    );
    let body = format!("Version={version}&Action={action}");
    let (status, answer) = exchange(endpoint, "POST", "/", &headers, &body);
    assert_eq!(status, 200, "{action}: {answer}");
    answer
}

/// The text of the first element of that name.
#[track_caller]
pub fn element(answer: &str, name: &str) -> String {
    let rest = answer.split_once(&format!("<{name}>")).map(|(_, rest)| rest);
    let text = rest.and_then(|rest| rest.split_once('<')).map(|(text, _)| text);
    text.unwrap_or_else(|| panic!("no {name} in {answer}")).to_owned()
}

fn exchange(endpoint: &str, method: &str, path: &str, headers: &str, body: &str) -> (u16, String) {
    let host = endpoint.trim_start_matches("http://");
    let mut stream = TcpStream::connect(host).expect("somebody answers");
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n{headers}Connection: close\r\n\r\n"
    );
    stream
        .write_all(head.as_bytes())
        .and_then(|()| stream.write_all(body.as_bytes()))
        .expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .expect("a status");
    (status, body.to_owned())
}
