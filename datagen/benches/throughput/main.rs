//! How fast tables are made, against others on the same machine in the same run: bytes per second of CPU time,
//! which a busy machine distorts little. Rounds are interleaved and the best of each is told; then each goal, what
//! it asks for, and what was reached.
//!
//! `cargo bench -p lakeform-datagen` compares with a plain `fake` + serde + csv program, the compressors and memcpy;
//! with `tpchgen-cli` when that is on the path (`cargo install tpchgen-cli`), and with Faker when `PYTHON` names an
//! interpreter that has it.

#![expect(clippy::print_stdout, reason = "a benchmark tells its figures")]
#![expect(clippy::disallowed_methods, reason = "a benchmark is told where peers are")]

mod naive;
mod peers;

use lakeform_datagen::{Compression, Csv, Dataset, Format, Options, Plan, crc64nvme};
use peers::Tpchgen;
use std::io::Write;
use std::process::Command;
use std::time::Duration;

const ROUNDS: usize = 5;

/// Millions of bytes and of rows per second of CPU time.
#[derive(Clone, Copy, Default)]
struct Speed {
    bytes: f64,
    rows: f64,
}

impl Speed {
    fn new(bytes: f64, rows: f64, seconds: f64) -> Self {
        Self {
            bytes: bytes / seconds / 1e6,
            rows: rows / seconds / 1e6,
        }
    }

    fn max(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.max(other.bytes),
            rows: self.rows.max(other.rows),
        }
    }
}

/// Does some work and returns its bytes and rows.
type Measure<'a> = Box<dyn FnMut() -> (u64, u64) + 'a>;

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    match (arguments.next().as_deref(), arguments.next()) {
        (Some("first-byte"), _) => first_byte(),
        (Some("memory"), Some(rows)) => memory(rows.parse().expect("a number of rows")),
        (only, _) => measure(only.unwrap_or_default()),
    }
}

fn plan(table: &str, rows: u64, format: Format, compression: Compression) -> Plan {
    let dataset = Dataset::parse("bench", include_str!("bench.toml")).unwrap_or_else(|p| panic!("{p:?}"));
    let options = Options {
        rows,
        part_bytes: 1 << 20,
        format: Some(format),
        compression,
        tables: vec![table.to_owned()],
        ..Options::default()
    };
    dataset.plan(&options).unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn csv() -> Format {
    Format::Csv(Csv::default())
}

fn measure(only: &str) {
    let facts = plan("transactions", 2_000_000, csv(), Compression::None);
    let dimension = plan("customers", 2_000_000, csv(), Compression::None);
    let json = plan("transactions", 1_000_000, Format::JsonLines, Compression::None);
    let parquet = plan("transactions", 1_000_000, Format::Parquet, Compression::None);
    let zstd = plan("transactions", 500_000, csv(), Compression::Zstd);
    let gzip = plan("transactions", 300_000, csv(), Compression::Gzip);
    let bytes_of = |rows| {
        let mut out = Vec::new();
        plan("transactions", rows, csv(), Compression::None).write_file(0, 0, &mut out, &mut Vec::new());
        out
    };
    let (sample, shorter) = (bytes_of(500_000), bytes_of(300_000));
    // Far more than any cache holds.
    let large: Vec<u8> = sample.iter().copied().cycle().take(256 << 20).collect();
    let mut copy = large.clone();
    let mut measures: Vec<(&str, Measure)> = vec![
        ("transactions, csv", Box::new(|| whole(&facts))),
        (
            "transactions, naive fake + serde + csv",
            Box::new(|| naive::transactions(200_000)),
        ),
        ("customers, csv", Box::new(|| whole(&dimension))),
        (
            "customers, naive fake + serde + csv",
            Box::new(|| naive::customers(100_000)),
        ),
        ("transactions, json lines", Box::new(|| whole(&json))),
        ("transactions, parquet with snappy", Box::new(|| whole(&parquet))),
        (
            "transactions, csv with zstd (plain bytes)",
            Box::new(|| (sample.len() as u64, whole(&zstd).1)),
        ),
        (
            "zstd alone on the same bytes",
            Box::new(|| alone(Compression::Zstd, &sample)),
        ),
        (
            "transactions, csv with gzip (plain bytes)",
            Box::new(|| (shorter.len() as u64, whole(&gzip).1)),
        ),
        (
            "gzip alone on the same bytes",
            Box::new(|| alone(Compression::Gzip, &shorter)),
        ),
        ("transactions, csv and checksum", Box::new(|| sums(&facts))),
        ("checksum alone", Box::new(|| checksum(&large))),
        ("memcpy of the csv", Box::new(|| memcpy(&large, &mut copy))),
    ];
    let mut best = vec![Speed::default(); measures.len()];
    let (mut tpchgen_csv, mut tpchgen_parquet) = match only {
        "" => (
            Tpchgen::find(&["csv"]),
            Tpchgen::find(&["parquet", "--compression", "SNAPPY"]),
        ),
        _ => (None, None),
    };
    for _ in 0..ROUNDS {
        [&mut tpchgen_csv, &mut tpchgen_parquet]
            .into_iter()
            .flatten()
            .for_each(Tpchgen::run);
        for ((name, measure), best) in measures.iter_mut().zip(&mut best) {
            if only.is_empty() || *name == only {
                let before = cpu_seconds();
                let (bytes, rows) = measure();
                *best = best.max(Speed::new(bytes as f64, rows as f64, cpu_seconds() - before));
            }
        }
    }
    println!("{:45} {:>10} {:>12}", "", "MB/CPU-s", "Mrows/CPU-s");
    let told = |name: &str, speed: Speed| println!("{name:45} {:10.1} {:12.3}", speed.bytes, speed.rows);
    for ((name, _), speed) in measures.iter().zip(&best) {
        told(name, *speed);
    }
    drop(measures);
    if !only.is_empty() {
        return;
    }
    let mut goals: Vec<(&str, f64, f64, f64)> = vec![
        ("transactions / naive", best[0].bytes / best[1].bytes, 6.0, 8.0),
        ("customers / naive", best[2].bytes / best[3].bytes, 20.0, 35.0),
        ("transactions / memcpy", best[0].bytes / best[12].bytes, 0.15, 0.22),
        ("zstd output / zstd alone", best[6].bytes / best[7].bytes, 0.80, 0.86),
        ("gzip output / gzip alone", best[8].bytes / best[9].bytes, 0.80, 0.86),
    ];
    match (tpchgen_csv, tpchgen_parquet) {
        (Some(csv), Some(parquet)) => {
            let (csv, parquet) = (csv.best, parquet.best);
            told("tpchgen-cli lineitem, csv", csv);
            told("tpchgen-cli lineitem, parquet with snappy", parquet);
            goals.push(("transactions / tpchgen-cli csv", best[0].bytes / csv.bytes, 12.0, 18.0));
            goals.push(("json lines / tpchgen-cli csv", best[4].bytes / csv.bytes, 25.0, 35.0));
            goals.push((
                "parquet rows / tpchgen-cli parquet rows",
                best[5].rows / parquet.rows,
                3.0,
                6.0,
            ));
        }
        _ => println!("tpchgen-cli is not on the path"),
    }
    match (peers::faker("transactions", 10_000), peers::faker("customers", 3_000)) {
        (Some(transactions), Some(customers)) => {
            told("transactions, Python Faker", transactions);
            told("customers, Python Faker", customers);
            goals.push(("transactions / Faker", best[0].bytes / transactions.bytes, 500.0, 800.0));
            goals.push(("customers / Faker", best[2].bytes / customers.bytes, 500.0, 800.0));
        }
        _ => println!("Python has no Faker; name an interpreter that has it in PYTHON"),
    }
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    goals.push((
        "CPU per byte: one thread / all threads",
        scaling(&facts, threads),
        0.95,
        0.97,
    ));
    println!("\n{:45} {:>10} {:>8} {:>8}", "at least", "reached", "must", "stretch");
    for (name, reached, must, stretch) in goals {
        println!(
            "{name:45} {reached:10.2} {must:8.2} {stretch:8.2} {}",
            verdict(reached >= must)
        );
    }
    println!("\n{:45} {:>10} {:>8} {:>8}", "at most", "reached", "must", "stretch");
    let first = (0..5).map(|_| child(&["first-byte"])).fold(f64::MAX, f64::min);
    let [small, large] = ["1000000", "1000000000"].map(|rows| child(&["memory", rows]));
    for (name, reached, must, stretch) in [
        ("CPU ms from start to the first byte", first, 50.0, 20.0),
        ("MiB beyond the part buffer, 1e6 rows", small, 64.0, 24.0),
        ("MiB beyond the part buffer, 1e9 rows", large, 64.0, 24.0),
        ("CPU-s to generate and sum one GB", 1e3 / best[10].bytes, 1.0, 0.75),
    ] {
        println!(
            "{name:45} {reached:10.2} {must:8.2} {stretch:8.2} {}",
            verdict(reached <= must)
        );
    }
}

fn verdict(holds: bool) -> &'static str {
    if holds { "" } else { "MISSED" }
}

fn whole(plan: &Plan) -> (u64, u64) {
    let mut out = Vec::new();
    let (mut bytes, mut rows) = (0, 0);
    for (file, parts) in plan.tables[0].files.iter().map(|file| file.parts.len()).enumerate() {
        for part in 0..parts {
            out.clear();
            let stats = plan.write_part(0, file, part, &mut out);
            bytes += stats.bytes;
            rows += stats.rows;
        }
    }
    (bytes, rows)
}

fn sums(plan: &Plan) -> (u64, u64) {
    let bytes = (0..plan.tables[0].files.len()).map(|file| plan.file_sum(0, file).bytes);
    (bytes.sum(), plan.rows_to_write(0))
}

fn alone(compression: Compression, bytes: &[u8]) -> (u64, u64) {
    let mut out = Vec::new();
    // As long as a part of 1 MiB is before it is compressed.
    for chunk in bytes.chunks(2_700_000) {
        out.clear();
        compression.pack(chunk, &mut out);
    }
    (bytes.len() as u64, 1)
}

fn memcpy(bytes: &[u8], copy: &mut [u8]) -> (u64, u64) {
    for _ in 0..4 {
        std::hint::black_box(&mut *copy).copy_from_slice(std::hint::black_box(bytes));
    }
    (4 * copy.len() as u64, 1)
}

fn checksum(bytes: &[u8]) -> (u64, u64) {
    std::hint::black_box(crc64nvme(std::hint::black_box(bytes)));
    (bytes.len() as u64, 1)
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

/// CPU time of one thread that makes the table alone, over that of each of several that do so side by side.
fn scaling(plan: &Plan, threads: usize) -> f64 {
    let alone = || {
        let before = cpu_seconds();
        whole(plan);
        cpu_seconds() - before
    };
    let beside = || -> f64 {
        std::thread::scope(|scope| {
            let all: Vec<_> = (0..threads).map(|_| scope.spawn(alone)).collect();
            all.into_iter()
                .map(|thread| thread.join().expect("no panic"))
                .sum::<f64>()
                / threads as f64
        })
    };
    let (mut one, mut many) = (f64::MAX, f64::MAX);
    for _ in 0..ROUNDS {
        (one, many) = (one.min(alone()), many.min(beside()));
    }
    one / many
}

/// Runs this program again for one figure, in a process of its own.
fn child(arguments: &[&str]) -> f64 {
    let program = std::env::current_exe().expect("a running program");
    let output = Command::new(program).args(arguments).output().expect("it runs again");
    let text = String::from_utf8(output.stdout).expect("a number");
    text.trim().parse().unwrap_or_else(|_| panic!("no number: {text}"))
}

/// Prints the CPU time in milliseconds from the start of this process to its first byte, at a billion rows.
fn first_byte() {
    struct First;
    impl Write for First {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            println!("{}", cpu_seconds() * 1e3);
            std::process::exit(0);
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let plan = plan("transactions", 1_000_000_000, csv(), Compression::None);
    plan.write_file(0, 0, &mut First, &mut Vec::new());
    std::thread::sleep(Duration::MAX);
}

/// Prints the most memory, in MiB, that this process had beside its part buffer.
fn memory(rows: u64) {
    let dataset = Dataset::parse("bench", include_str!("bench.toml")).unwrap_or_else(|p| panic!("{p:?}"));
    let options = Options {
        rows,
        ..Options::default()
    };
    let plan = dataset.plan(&options).unwrap_or_else(|problems| panic!("{problems:?}"));
    let (mut out, mut part) = (Vec::with_capacity(20 << 20), 0);
    for (table, planned) in plan.tables.iter().enumerate() {
        for file in [0, planned.files.len() / 2, planned.files.len() - 1] {
            out.clear();
            plan.write_part(table, file, planned.files[file].parts.len() - 1, &mut out);
            part = part.max(out.len());
        }
    }
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells memory");
    let most = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .expect("a peak");
    let kib: f64 = most.trim().trim_end_matches(" kB").parse().expect("a number");
    println!("{}", kib / 1024.0 - part as f64 / (1 << 20) as f64);
}
