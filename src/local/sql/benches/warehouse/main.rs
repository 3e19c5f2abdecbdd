//! The engine against its own executor without the engine around it (DataFusion) and against DuckDB, on the same files
//! in the same run:
//!
//! ```console
//! $ python3 -m venv /tmp/duck && /tmp/duck/bin/pip install -r src/local/sql/benches/warehouse/requirements.txt
//! $ cargo bench -p lakeform-sql --bench warehouse -- --rows 10000000 --python /tmp/duck/bin/python
//! ```
//!
//! Each line is the CPU time of the best of three runs, because a machine that others use too tells lies about elapsed
//! time; a load, an upsert and a new table are run once. Without `--python`, DuckDB is left out. `--only lakeform` leaves out both peers,
//! for sizes at which only our memory is of interest: the last line says the most that the process ever held.

#![expect(clippy::print_stdout, reason = "a benchmark is a program whose result is its output")]

mod bare;
mod client;
mod duck;
mod files;
mod lake;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use bare::Bare;
use duck::Duck;
use files::Files;
use lakeform_sql::{Engine, EngineOptions, Session, SessionOptions};

/// What may be said on the command line.
struct Arguments {
    rows: u64,
    python: Option<String>,
    only: bool,
    dir: Option<PathBuf>,
    memory: usize,
}

fn arguments() -> Result<Arguments, String> {
    let mut found = Arguments {
        rows: 10_000_000,
        python: None,
        only: false,
        dir: None,
        memory: 4 << 30,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
        match word.as_str() {
            "--rows" => found.rows = value()?.parse().map_err(|_| "--rows needs a number")?,
            "--python" => found.python = Some(value()?),
            "--only" => found.only = value()? == "lakeform",
            "--dir" => found.dir = Some(PathBuf::from(value()?)),
            "--memory" => found.memory = value()?.parse().map_err(|_| "--memory needs a number of bytes")?,
            // Cargo says this to every benchmark.
            "--bench" => {}
            other => return Err(format!("{other} means nothing here")),
        }
    }
    Ok(found)
}

/// A question in the dialect that all three speak.
const QUERIES: [(&str, &str); 5] = [
    (
        "aggregation, few groups",
        "select kind, count(*) as n, sum(amount) as total, avg(quantity) as mean from events group by kind order by kind",
    ),
    (
        "aggregation, many groups",
        "select count(*), sum(n), max(total) from (select customer_id, count(*) as n, sum(amount) as total, \
         max(happened_at) as last from events group by customer_id) as c",
    ),
    (
        "distinct count",
        "select kind, count(distinct customer_id) as n from events group by kind order by kind",
    ),
    (
        "join",
        "select c.region, count(*) as n, sum(e.amount) as total from events as e join customers as c on \
         c.customer_id = e.customer_id where e.quantity > 10 group by c.region order by c.region",
    ),
    (
        "window",
        "select count(*), sum(case when place = 1 then 1 else 0 end) as firsts, sum(running) as s from (select \
         row_number() over (partition by customer_id order by happened_at, id) as place, sum(quantity) over (partition \
         by customer_id order by happened_at, id rows between unbounded preceding and current row) as running from \
         events) as w",
    ),
];

const MERGE: &str = "merge into events using changes on events.id = changes.id when matched then update set amount = \
    changes.amount, quantity = changes.quantity when not matched then insert (id, customer_id, kind, quantity, amount, \
    happened_at, note) values (changes.id, changes.customer_id, changes.kind, changes.quantity, changes.amount, \
    changes.happened_at, changes.note)";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = arguments()?;
    let scratch = tempfile::tempdir()?;
    let dir = arguments.dir.as_deref().unwrap_or(scratch.path());
    let files = Files::make(dir, arguments.rows)?;
    println!(
        "{} rows, {} MB of CSV, {} tasks\n",
        arguments.rows,
        files.bytes >> 20,
        parallelism()
    );

    let mut ours = Ours::open(dir, &files, arguments.memory)?;
    ours.declare().await?;
    let mut bare = if arguments.only {
        None
    } else {
        Some(Bare::open(dir, &files).await?)
    };
    let mut duck = match arguments.python.filter(|_| !arguments.only) {
        Some(python) => Some(Duck::start(&python, dir, &files, parallelism())?),
        None => None,
    };
    println!(
        "{:28} {:>10} {:>12} {:>7} {:>10} {:>7}",
        "", "lakeform", "DataFusion", "ratio", "DuckDB", "ratio"
    );

    let scan = "select count(*) as n, sum(amount) as total, max(customer_id) as top from";
    let line = Line::new("CSV scan");
    let mine = ours.best(3, &format!("{scan} lake.events_csv")).await?;
    let theirs = best(3, &mut bare, async |bare| {
        bare.query(&format!("{scan} events_csv")).await
    })
    .await?;
    line.print(mine, theirs, duck_best(3, &mut duck, &format!("{scan} events_csv"))?);

    let line = Line::new("load");
    let mine = ours.load().await?;
    let theirs = best(1, &mut bare, async |bare| bare.load().await).await?;
    line.print(mine, theirs, duck_best(1, &mut duck, "load")?);

    for (name, sql) in QUERIES {
        let line = Line::new(name);
        let mine = ours.best(3, sql).await?;
        let theirs = best(3, &mut bare, async |bare| bare.query(sql).await).await?;
        line.print(mine, theirs, duck_best(3, &mut duck, sql)?);
    }

    let line = Line::new("upsert");
    let mine = ours.best(1, MERGE).await?;
    let theirs = best(1, &mut bare, async |bare| bare.upsert().await).await?;
    line.print(mine, theirs, duck_best(1, &mut duck, MERGE)?);

    let line = Line::new("gold table (CTAS)");
    let gold = "create table gold as select e.customer_id, c.region, count(*) as n, sum(e.amount) as total, \
        max(e.happened_at) as last from events as e join customers as c on c.customer_id = e.customer_id group by 1, 2";
    let mine = ours.best(1, gold).await?;
    line.print(mine, None, duck_best(1, &mut duck, gold)?);

    println!("\nconnect and select 1: {:.2} ms", ours.connect().await? * 1e3);
    if let Some(peak) = peak_memory() {
        println!("most memory held: {} MB", peak >> 10);
    }
    Ok(())
}

fn parallelism() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
}

/// The engine with its session.
struct Ours {
    engine: Arc<Engine>,
    session: Session,
}

impl Ours {
    fn open(dir: &Path, files: &Files, memory: usize) -> Result<Self, lakeform_sql::SqlError> {
        let options = EngineOptions {
            parallelism: parallelism(),
            memory,
            ..EngineOptions::default()
        };
        let lake = Arc::new(lake::Folder::new(dir, files));
        let engine = Engine::open(&dir.join("warehouse"), lake, options)?;
        let session = engine.session(SessionOptions {
            database: "dev".into(),
            user: "awsuser".into(),
            superuser: true,
            settings: Vec::new(),
        })?;
        Ok(Self { engine, session })
    }

    async fn declare(&mut self) -> Result<(), lakeform_sql::SqlError> {
        let schema = "create external schema if not exists lake from data catalog database 'lake' iam_role default";
        self.session.run(schema, &[]).await.map(drop)
    }

    async fn load(&mut self) -> Result<f64, lakeform_sql::SqlError> {
        let types = files::COLUMNS.map(|(name, sql, _)| format!("{name} {sql}")).join(", ");
        self.session
            .run(
                &format!(
                    "create table events ({types}); create table changes ({types}); \
                     create table customers (customer_id bigint, region varchar(20)); \
                     copy changes from 's3://lake/changes/' iam_role default csv ignoreheader 1; \
                     copy customers from 's3://lake/customers/' iam_role default csv ignoreheader 1"
                ),
                &[],
            )
            .await?;
        self.best(
            1,
            "copy events from 's3://lake/events/' iam_role default csv ignoreheader 1",
        )
        .await
    }

    async fn best(&mut self, runs: usize, sql: &str) -> Result<f64, lakeform_sql::SqlError> {
        let mut best = f64::INFINITY;
        for _ in 0..runs {
            let start = cpu_seconds();
            self.session.run(sql, &[]).await?;
            best = best.min(cpu_seconds() - start);
        }
        Ok(best)
    }

    /// Serves on a port and measures what a client waits for its first answer.
    async fn connect(&self) -> Result<f64, Box<dyn std::error::Error>> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let server = tokio::spawn(self.engine.clone().serve(listener, Arc::new(client::Anyone), None));
        let mut best = f64::INFINITY;
        for _ in 0..20 {
            let start = Instant::now();
            client::select_one(address).await?;
            best = best.min(start.elapsed().as_secs_f64());
        }
        server.abort();
        Ok(best)
    }
}

async fn best(
    runs: usize,
    bare: &mut Option<Bare>,
    run: impl AsyncFn(&mut Bare) -> datafusion::common::Result<()>,
) -> datafusion::common::Result<Option<f64>> {
    let Some(bare) = bare else { return Ok(None) };
    let mut best = f64::INFINITY;
    for _ in 0..runs {
        let start = cpu_seconds();
        run(bare).await?;
        best = best.min(cpu_seconds() - start);
    }
    Ok(Some(best))
}

fn duck_best(runs: usize, duck: &mut Option<Duck>, sql: &str) -> std::io::Result<Option<f64>> {
    let Some(duck) = duck else { return Ok(None) };
    let mut best = f64::INFINITY;
    for _ in 0..runs {
        best = best.min(duck.run(sql)?);
    }
    Ok(Some(best))
}

/// One line of the table.
struct Line<'a>(&'a str);

impl<'a> Line<'a> {
    fn new(name: &'a str) -> Self {
        Self(name)
    }

    fn print(&self, ours: f64, bare: Option<f64>, duck: Option<f64>) {
        let seconds = |peer: Option<f64>| peer.map_or_else(|| "-".into(), |peer| format!("{peer:.2} s"));
        let ratio = |peer: Option<f64>| peer.map_or_else(|| "-".into(), |peer| format!("{:.2}", ours / peer));
        println!(
            "{:28} {:>10} {:>12} {:>7} {:>10} {:>7}",
            self.0,
            seconds(Some(ours)),
            seconds(bare),
            ratio(bare),
            seconds(duck),
            ratio(duck)
        );
    }
}

/// Returns the time that this process's threads have worked, in the system's ticks of ten milliseconds.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    // User and system time are the 14th and 15th field of the line.
    let ticks: u64 = fields
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    ticks as f64 / 100.0
}

/// Returns the most kilobytes that this process held, where the system says so.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
