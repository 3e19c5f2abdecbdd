//! Fake but believable tables: deterministic, addressable by row, at about the speed of the disk.
//!
//! A `Dataset` is read from a TOML definition. `Dataset::plan` joins it with what is asked for (rows, seed, sizes)
//! into a `Plan` that names every file and its parts. Each part is a pure function of the plan, so parts can be
//! made in any order, on any thread or machine. Nothing here reads a clock, a file or the network, or prints.

mod calendar;
mod check;
mod checksum;
mod columnar;
mod compile;
mod compression;
mod definition;
mod digits;
mod dirty;
mod distribution;
mod draw;
mod engine;
mod expr;
mod kernel;
mod manifest;
mod plan;
mod pool;
mod problem;
mod read;
mod template;
mod text;
mod wide;

pub use calendar::{Calendar, format_date, parse_date};
pub use checksum::{Sum, crc64nvme, crc64nvme_combine};
pub use compression::Compression;
pub use definition::{Csv, Dataset, Format};
pub use dirty::{Dirt, DirtKind};
pub use manifest::{ObjectEntry, copy_manifest};
pub use plan::{ColumnPlan, FilePlan, Options, Origin, PartStats, Plan, TablePlan};
pub use problem::Problem;
