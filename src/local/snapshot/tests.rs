use std::path::Path;

use super::*;
use crate::{ACCOUNT, Local, Options, Pace, services};

async fn open(dir: &Path) -> Arc<Local> {
    let options = || Options {
        dir: dir.to_owned(),
        pace: Pace::Quick,
        seed: None,
    };
    // The file is let go of a moment after the last handle.
    loop {
        match Local::open(options()).await {
            Ok(local) => return local,
            Err(error) if error.holder.is_some() || error.message.contains("already open") => {
                tokio::task::yield_now().await
            }
            Err(error) => panic!("{error}"),
        }
    }
}

async fn write(local: &Local, id: &'static str) {
    let put = move |cx: &services::Call| cx.put("things", id, &id);
    let cloud = local.cloud();
    cloud
        .write(services::Service::Sts, ACCOUNT, "r", put)
        .await
        .expect("written");
}

fn things(local: &Local) -> Vec<String> {
    let list = |cx: &services::Call| cx.list::<String>("things", "");
    let found = local.cloud().read(services::Service::Sts, ACCOUNT, "r", list);
    found.expect("read").into_iter().map(|(id, _)| id).collect()
}

async fn packed(local: &Arc<Local>) -> Vec<u8> {
    let mut packed = Vec::new();
    local
        .export()
        .await
        .expect("gathered")
        .pack(&mut packed)
        .expect("packed");
    packed
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_takes_the_place_of_everything_but_the_folders_own_key() {
    let (one, two) = (
        tempfile::tempdir().expect("a folder"),
        tempfile::tempdir().expect("a folder"),
    );
    let first = open(one.path()).await;
    write(&first, "kept").await;
    let snapshot = packed(&first).await;
    let second = open(two.path()).await;
    write(&second, "lost").await;
    let key = second.credentials().await.expect("a key").access_key_id;
    second.import(std::io::Cursor::new(snapshot)).await.expect("imported");
    assert_eq!(things(&second), ["kept"]);
    assert_eq!(second.credentials().await.expect("a key").access_key_id, key);
    // It goes on living: what is written now is there after the next opening, and nothing is left lying about.
    write(&second, "new").await;
    drop(second);
    let second = open(two.path()).await;
    assert_eq!(things(&second), ["kept", "new"]);
    assert!(!two.path().join(INCOMING).exists());
    second.reset().await.expect("emptied");
    assert_eq!(things(&second), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_crash_interrupted_is_forgotten_or_finished() {
    let dir = tempfile::tempdir().expect("a folder");
    let local = open(dir.path()).await;
    write(&local, "old").await;
    let snapshot = packed(&local).await;
    write(&local, "newer").await;
    drop(local);
    // Before it was whole: forgotten.
    fs::create_dir(dir.path().join(UNPACKING)).expect("made");
    fs::write(dir.path().join(UNPACKING).join(DOCUMENTS), "{").expect("written");
    let local = open(dir.path()).await;
    assert_eq!(things(&local), ["newer", "old"]);
    assert!(!dir.path().join(UNPACKING).exists());
    drop(local);
    // After it was whole: finished.
    unpack(std::io::Cursor::new(snapshot), dir.path()).expect("unpacked");
    let local = open(dir.path()).await;
    assert_eq!(things(&local), ["old"]);
    drop(local);
    // After the documents were replaced and the bytes moved.
    fs::create_dir(dir.path().join(INCOMING)).expect("made");
    let document = r#"{"key":"things\u0000123456789012/r\u0000last","value":"last"}"#;
    fs::write(dir.path().join(INCOMING).join(DOCUMENTS), document).expect("written");
    assert_eq!(things(&*open(dir.path()).await), ["last"]);
}

/// A snapshot of these entries.
fn made(entries: &[(&str, &str)]) -> Vec<u8> {
    let mut packed = Vec::new();
    let mut encoder = zstd::Encoder::new(&mut packed, 1).expect("an encoder");
    let mut tar = tar::Builder::new(&mut encoder);
    for (name, text) in entries {
        let mut header = tar::Header::new_gnu();
        // Written past the checks of the builder, as a stranger would.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        tar.append(&header, text.as_bytes()).expect("appended");
    }
    tar.finish().expect("finished");
    drop(tar);
    encoder.finish().expect("finished");
    packed
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_a_snapshot_of_this_format_changes_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let local = open(dir.path()).await;
    write(&local, "old").await;
    let head = format!(r#"{{"format":{FORMAT},"documents":{},"lakeform":"0"}}"#, store::FORMAT);
    let newer = r#"{"format":99,"documents":1,"lakeform":"9.9"}"#;
    let hostile = r#"{"key":"s3.objects\u0000\u0000b/k","value":{"data":[{"id":"../../secret","len":1}]}}"#;
    let whole = packed(&local).await;
    for (given, said) in [
        (b"rubbish".to_vec(), "not a snapshot"),
        (made(&[("x", "")]), "begins with `x`"),
        (made(&[(HEAD, newer)]), "made by lakeform 9.9 and has format 99"),
        (made(&[(HEAD, &head)]), "no documents"),
        (made(&[(HEAD, &head), ("../escape", "")]), "no place"),
        (made(&[(HEAD, &head), ("objects/../../escape", "")]), "no place"),
        (made(&[(HEAD, &head), ("/etc/escape", "")]), "no place"),
        (made(&[(HEAD, &head), (DOCUMENTS, "{]")]), "not a snapshot"),
        (made(&[(HEAD, &head), (DOCUMENTS, hostile)]), "no file of a snapshot"),
        (whole[..whole.len() / 2].to_vec(), "not a snapshot"),
    ] {
        let error = local
            .import(std::io::Cursor::new(given))
            .await
            .expect_err("it is refused");
        assert!(error.message.contains(said), "{error} does not say `{said}`");
    }
    assert_eq!(things(&local), ["old"]);
    assert!(!dir.path().parent().expect("a parent").join("escape").exists());
}
