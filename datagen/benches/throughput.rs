//! How fast tables are made, against others on the same machine in the same run: bytes per second of CPU time,
//! which a busy machine distorts little. Rounds are interleaved and the best of each is told.
//!
//! `cargo bench -p lakeform-datagen` compares with a plain `fake` + serde + csv program. When `tpchgen-cli` is on
//! the path (`cargo install tpchgen-cli`), its `lineitem` is measured too.

#![expect(clippy::print_stdout, reason = "a benchmark tells its figures")]

use fake::Fake;
use fake::faker::{address, internet, lorem, name};
use fake::rand::rngs::Xoshiro256PlusPlus;
use fake::rand::{RngExt, SeedableRng};
use lakeform_datagen::{Compression, Csv, Dataset, Format, Options, Plan, crc64nvme};
use serde::Serialize;
use std::process::{Command, Stdio};

const ROUNDS: usize = 5;

/// Does some work and returns its bytes and rows.
type Measure<'a> = Box<dyn FnMut() -> (u64, u64) + 'a>;

fn main() {
    let dataset = Dataset::parse("bench", include_str!("bench.toml")).unwrap_or_else(|p| panic!("{p:?}"));
    let plan = |rows: u64, format: Format, compression| {
        let options = Options {
            rows,
            part_bytes: 1 << 20,
            format: Some(format),
            compression,
            ..Options::default()
        };
        dataset.plan(&options).unwrap_or_else(|problems| panic!("{problems:?}"))
    };
    let csv = || Format::Csv(Csv::default());
    let ours = plan(4_000_000, csv(), Compression::None);
    let json = plan(2_000_000, Format::JsonLines, Compression::None);
    let parquet = plan(1_000_000, Format::Parquet, Compression::None);
    let zstd = plan(500_000, csv(), Compression::Zstd);
    let gzip = plan(500_000, csv(), Compression::Gzip);
    let sample = {
        let mut out = Vec::new();
        let plain = plan(500_000, csv(), Compression::None);
        (0..plain.tables[2].files[0].parts.len()).for_each(|part| {
            plain.write_part(2, 0, part, &mut out);
        });
        out
    };
    let mut copy = sample.clone();
    let mut measures: Vec<(&str, Measure)> = vec![
        ("transactions, csv", Box::new(|| whole(&ours, 2))),
        (
            "transactions, naive fake + serde + csv",
            Box::new(|| naive_transactions(300_000)),
        ),
        ("customers, csv", Box::new(|| whole(&ours, 3))),
        (
            "customers, naive fake + serde + csv",
            Box::new(|| naive_customers(150_000)),
        ),
        ("transactions, json lines", Box::new(|| whole(&json, 2))),
        ("transactions, parquet with snappy", Box::new(|| whole(&parquet, 2))),
        (
            "transactions, csv with zstd (plain bytes)",
            Box::new(|| packed(&zstd, sample.len())),
        ),
        (
            "zstd alone on the same bytes",
            Box::new(|| alone(Compression::Zstd, &sample)),
        ),
        (
            "transactions, csv with gzip (plain bytes)",
            Box::new(|| packed(&gzip, sample.len())),
        ),
        (
            "gzip alone on the same bytes",
            Box::new(|| alone(Compression::Gzip, &sample)),
        ),
        ("checksum of the csv", Box::new(|| checksum(&sample))),
        ("memcpy of the csv", Box::new(|| memcpy(&sample, &mut copy))),
    ];
    let mut best = vec![(0.0f64, 0.0f64); measures.len()];
    let only = std::env::args()
        .nth(1)
        .filter(|argument| !argument.starts_with('-'))
        .unwrap_or_default();
    for _ in 0..ROUNDS {
        for ((name, measure), best) in measures.iter_mut().zip(&mut best) {
            if !name.contains(&only) {
                continue;
            }
            let before = cpu_seconds();
            let (bytes, rows) = measure();
            let seconds = cpu_seconds() - before;
            best.0 = best.0.max(bytes as f64 / seconds / 1e6);
            best.1 = best.1.max(rows as f64 / seconds / 1e6);
        }
    }
    println!("{:45} {:>10} {:>12}", "", "MB/CPU-s", "Mrows/CPU-s");
    for ((name, _), (megabytes, rows)) in measures.iter().zip(&best) {
        println!("{name:45} {megabytes:10.0} {rows:12.2}");
    }
    let ratio = |name: &str, a: usize, b: usize| println!("{name:45} {:10.2}", best[a].0 / best[b].0);
    println!();
    ratio("transactions / naive", 0, 1);
    ratio("customers / naive", 2, 3);
    ratio("zstd output / zstd alone", 6, 7);
    ratio("gzip output / gzip alone", 8, 9);
    ratio("transactions / memcpy", 0, 11);
    if let Some(theirs) = tpchgen(&["csv"]) {
        println!("{:45} {theirs:10.0}", "tpchgen-cli lineitem, csv");
        println!("{:45} {:10.2}", "transactions / tpchgen-cli", best[0].0 / theirs);
        println!("{:45} {:10.2}", "json lines / tpchgen-cli csv", best[4].0 / theirs);
    }
}

fn whole(plan: &Plan, table: usize) -> (u64, u64) {
    let mut out = Vec::new();
    let (mut bytes, mut rows) = (0, 0);
    for (file, parts) in plan.tables[table].files.iter().map(|file| file.parts.len()).enumerate() {
        for part in 0..parts {
            out.clear();
            let stats = plan.write_part(table, file, part, &mut out);
            bytes += stats.bytes;
            rows += stats.rows;
        }
    }
    (bytes, rows)
}

fn packed(plan: &Plan, plain: usize) -> (u64, u64) {
    (plain as u64, whole(plan, 2).1)
}

fn alone(compression: Compression, bytes: &[u8]) -> (u64, u64) {
    let mut out = Vec::new();
    for chunk in bytes.chunks(2 << 20) {
        out.clear();
        compression.pack(chunk, &mut out);
    }
    (bytes.len() as u64, 1)
}

fn memcpy(bytes: &[u8], copy: &mut [u8]) -> (u64, u64) {
    // Many times over: the kernel tells CPU time in steps of a few milliseconds.
    for _ in 0..20 {
        std::hint::black_box(&mut *copy).copy_from_slice(std::hint::black_box(bytes));
    }
    (20 * copy.len() as u64, 1)
}

fn checksum(bytes: &[u8]) -> (u64, u64) {
    for _ in 0..20 {
        std::hint::black_box(crc64nvme(std::hint::black_box(bytes)));
    }
    (20 * bytes.len() as u64, 1)
}

/// CPU time of this thread.
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux tells CPU time");
    let nanoseconds: f64 = text
        .split(' ')
        .next()
        .and_then(|n| n.parse().ok())
        .expect("a number comes first");
    nanoseconds / 1e9
}

/// Runs `tpchgen-cli` for `lineitem`, if there is one, and returns its bytes per CPU second.
fn tpchgen(arguments: &[&str]) -> Option<f64> {
    let children = || {
        let text = std::fs::read_to_string("/proc/self/stat").expect("Linux tells CPU time");
        let after = text.rsplit(')').next().expect("a process has a name");
        let fields: Vec<f64> = after
            .split_whitespace()
            .skip(1)
            .filter_map(|n| n.parse().ok())
            .collect();
        // User and system time of finished children, in hundredths of a second.
        (fields[12] + fields[13]) / 100.0
    };
    let mut best = 0.0f64;
    for _ in 0..3 {
        let before = children();
        let mut child = Command::new("tpchgen-cli")
            .args(arguments)
            .args(["-s", "1", "--tables", "lineitem", "--stdout", "--num-threads", "1"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let bytes = std::io::copy(&mut child.stdout.take().expect("piped"), &mut std::io::sink()).ok()?;
        child.wait().ok()?;
        if bytes == 0 {
            return None;
        }
        best = best.max(bytes as f64 / (children() - before) / 1e6);
    }
    Some(best)
}

#[derive(Serialize)]
struct Transaction {
    transaction_id: u64,
    account_id: u64,
    date_id: u32,
    type_id: u32,
    location_id: u32,
    currency: &'static str,
    channel: &'static str,
    amount: String,
    at: String,
    status: &'static str,
    reference: String,
    note: Option<String>,
}

fn naive_transactions(rows: u64) -> (u64, u64) {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(42);
    let mut writer = csv::Writer::from_writer(Vec::new());
    for transaction_id in 1..=rows {
        let bits: u128 = u128::from(rng.random::<u64>()) << 64 | u128::from(rng.random::<u64>());
        let hex = format!("{bits:032x}");
        let cents: u64 = rng.random_range(100..1_000_000);
        let day: u32 = rng.random_range(1..=28);
        let note = if rng.random_bool(0.4) {
            let words: Vec<String> = lorem::en::Words(2..5).fake_with_rng(&mut rng);
            Some(words.join(" "))
        } else {
            None
        };
        writer
            .serialize(Transaction {
                transaction_id,
                account_id: rng.random_range(1..=rows),
                date_id: rng.random_range(1..=1_827),
                type_id: rng.random_range(1..=4),
                location_id: rng.random_range(1..=5_000),
                currency: ["USD", "EUR", "JPY"][rng.random_range(0..3)],
                channel: ["Online", "Mobile App", "In-Store", "ATM", "Telephone"][rng.random_range(0..5)],
                amount: format!("{}.{:02}", cents / 100, cents % 100),
                at: format!(
                    "2024-{:02}-{day:02} {:02}:{:02}:{:02}",
                    rng.random_range(1..=12),
                    rng.random_range(0..24),
                    rng.random_range(0..60),
                    rng.random_range(0..60)
                ),
                status: ["Completed", "Pending", "Failed"][rng.random_range(0..3)],
                reference: format!(
                    "{}-{}-{}-{}-{}",
                    &hex[..8],
                    &hex[8..12],
                    &hex[12..16],
                    &hex[16..20],
                    &hex[20..]
                ),
                note,
            })
            .expect("memory takes every row");
    }
    (writer.into_inner().expect("memory takes every row").len() as u64, rows)
}

#[derive(Serialize)]
struct Customer {
    customer_id: u64,
    first_name: String,
    last_name: String,
    email: String,
    phone: String,
    born: String,
    address: String,
    city: String,
    state: String,
    zip: String,
    country: &'static str,
    created_at: String,
}

fn naive_customers(rows: u64) -> (u64, u64) {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(42);
    let mut writer = csv::Writer::from_writer(Vec::new());
    for customer_id in 1..=rows {
        let street: String = address::en::StreetName().fake_with_rng(&mut rng);
        writer
            .serialize(Customer {
                customer_id,
                first_name: name::en::FirstName().fake_with_rng(&mut rng),
                last_name: name::en::LastName().fake_with_rng(&mut rng),
                email: internet::en::SafeEmail().fake_with_rng(&mut rng),
                phone: format!("({}) 555-01{:02}", rng.random_range(201..990), rng.random_range(0..100)),
                born: format!(
                    "{}-{:02}-{:02}",
                    rng.random_range(1940..2007),
                    rng.random_range(1..13),
                    rng.random_range(1..29)
                ),
                address: format!(
                    "{} {street}, Apt. {}",
                    rng.random_range(1..9_999),
                    rng.random_range(0..99)
                ),
                city: address::en::CityName().fake_with_rng(&mut rng),
                state: address::en::StateAbbr().fake_with_rng(&mut rng),
                zip: format!("{:05}", rng.random_range(0..99_999)),
                country: "US",
                created_at: format!(
                    "2024-{:02}-{:02} {:02}:{:02}:{:02}",
                    rng.random_range(1..=12),
                    rng.random_range(1..29),
                    rng.random_range(0..24),
                    rng.random_range(0..60),
                    rng.random_range(0..60)
                ),
            })
            .expect("memory takes every row");
    }
    (writer.into_inner().expect("memory takes every row").len() as u64, rows)
}
