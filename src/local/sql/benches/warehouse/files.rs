//! The files that all three read: events in four CSV files, their customers, and changes for the upsert.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

/// Names, types, and the data catalog's types.
pub const COLUMNS: [(&str, &str, &str); 7] = [
    ("id", "bigint", "bigint"),
    ("customer_id", "bigint", "bigint"),
    ("kind", "varchar(12)", "string"),
    ("quantity", "int", "int"),
    ("amount", "decimal(12,2)", "decimal(12,2)"),
    ("happened_at", "timestamp", "timestamp"),
    ("note", "varchar(40)", "string"),
];

const KINDS: [&str; 6] = ["purchase", "refund", "transfer", "deposit", "withdrawal", "fee"];
const PARTS: u64 = 4;

pub struct Files {
    pub bytes: u64,
}

/// Numbers that look like chance and are the same every time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

impl Files {
    /// Writes the files unless they are there.
    pub fn make(dir: &Path, rows: u64) -> std::io::Result<Self> {
        let customers = (rows / 100).max(1);
        let part = rows.div_ceil(PARTS);
        for index in 0..PARTS {
            let ids = index * part..((index + 1) * part).min(rows);
            events(&dir.join(format!("events/{index}.csv")), ids, customers, index)?;
        }
        // Half of the changes are to rows that are there.
        let changed = rows / 20;
        events(
            &dir.join("changes/0.csv"),
            rows - changed / 2..rows + changed / 2,
            customers,
            99,
        )?;
        write(&dir.join("customers/0.csv"), "customer_id,region\n", |file| {
            (0..customers).try_for_each(|id| writeln!(file, "{id},region {}", id % 12))
        })?;
        let sizes = (0..PARTS).map(|index| std::fs::metadata(dir.join(format!("events/{index}.csv"))));
        let bytes = sizes
            .map(|size| size.map(|size| size.len()))
            .sum::<std::io::Result<u64>>()?;
        Ok(Self { bytes })
    }
}

fn events(path: &Path, ids: std::ops::Range<u64>, customers: u64, seed: u64) -> std::io::Result<()> {
    let mut chance = Chance(seed + 1);
    let header = format!("{}\n", COLUMNS.map(|(name, ..)| name).join(","));
    write(path, &header, |file| {
        for id in ids {
            let (customer, kind) = (chance.below(customers), KINDS[chance.below(6) as usize]);
            let (quantity, cents, second) = (chance.below(100), chance.below(1_000_000), chance.below(86_400 * 28));
            writeln!(
                file,
                "{id},{customer},{kind},{quantity},{}.{:02},2024-02-{:02} {:02}:{:02}:{:02},n{}",
                cents / 100,
                cents % 100,
                1 + second / 86_400,
                second / 3600 % 24,
                second / 60 % 60,
                second % 60,
                chance.below(1000)
            )?;
        }
        Ok(())
    })
}

fn write(
    path: &Path,
    header: &str,
    body: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>,
) -> std::io::Result<()> {
    if path.exists() {
        return Ok(());
    }
    std::fs::create_dir_all(path.parent().unwrap_or(path))?;
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
    file.write_all(header.as_bytes())?;
    body(&mut file)?;
    file.flush()
}
