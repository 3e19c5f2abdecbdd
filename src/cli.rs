//! The command line: what can be asked, nothing of how it is done.

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

const EXIT_CODES: &str = "Exit codes:
  0    done, or nothing to do
  1    error
  2    changes (plan --detailed-exitcode) or drift are present
  3    partly done
  4    blocked by a guard (account, protect, an unanswered question)
  5    somebody else works on the stack
  130  interrupted; run the command again to go on";

/// A Redshift lakehouse in one file and one command, on a laptop or on AWS.
#[derive(Debug, Parser)]
#[command(name = "lakeform", version, after_help = EXIT_CODES, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Args)]
pub struct Global {
    /// The stack file, or the folder that holds `stack.toml`
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        env = "LAKEFORM_STACK",
        help_heading = "Global options"
    )]
    pub stack: Option<PathBuf>,
    /// The environment: lays `[env.NAME]` over the file
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        env = "LAKEFORM_ENV",
        help_heading = "Global options"
    )]
    pub env: Option<String>,
    /// A value for a variable of `[var]`; may be repeated
    #[arg(long, global = true, value_name = "NAME=VALUE", help_heading = "Global options")]
    pub var: Vec<String>,
    /// A TOML file of variables; may be repeated. Weaker than --var, stronger than LAKEFORM_VAR_NAME
    #[arg(long, global = true, value_name = "FILE", help_heading = "Global options")]
    pub var_file: Vec<PathBuf>,
    /// Where to run, instead of what the file says
    #[arg(long, global = true, value_name = "CLOUD", help_heading = "Global options")]
    pub cloud: Option<CloudChoice>,
    /// The folder of journals and of the local cloud's disk
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "LAKEFORM_STATE",
        help_heading = "Global options"
    )]
    pub state: Option<PathBuf>,
    /// Local cloud: inject the faults of a seed, or again those that a run recorded in a file
    #[arg(long, global = true, value_name = "SEED|FILE", help_heading = "Global options")]
    pub chaos: Option<String>,
    /// Local cloud: let creating and deleting take as long as on AWS
    #[arg(long, global = true, help_heading = "Global options")]
    pub realistic: bool,
    /// How long to wait when somebody else works on the stack
    #[arg(
        long,
        global = true,
        value_name = "SECONDS",
        default_value_t = 0,
        hide_default_value = true,
        help_heading = "Global options"
    )]
    pub lock_timeout: u64,
    /// Write JSON for machines to stdout: one document, or a line for each event of what takes long
    #[arg(long, global = true, help_heading = "Global options")]
    pub json: bool,
    /// No colours (also: NO_COLOR)
    #[arg(long, global = true, help_heading = "Global options")]
    pub no_color: bool,
    /// Say more; twice: every AWS call
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = "Global options")]
    pub verbose: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CloudChoice {
    Local,
    Aws,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a stack folder from a shipped template
    Init(Init),
    /// Find every mistake in the stack file, offline
    Check(Check),
    /// Show what would change, and why
    Plan(Plan),
    /// Make what is live what the file says
    Apply(Apply),
    /// Apply, generate the data, and prove that it arrived: the first command to run
    Up(Up),
    /// Generate data; with a stack also upload, crawl and count it
    Datagen(Box<Datagen>),
    /// Find what was changed outside of lakeform; for CI
    Drift(Drift),
    /// Remove what lakeform made, and nothing else
    Destroy(Destroy),
    /// Rebuild a lost state folder from the tags of what is live
    Recover,
    /// Take over what somebody else made, and write it into the stack file
    Import(Import),
    /// Run SQL on the stack's Redshift
    #[command(visible_alias = "query")]
    Sql(Sql),
    /// Run dbt on the stack's Redshift, profile and environment filled in
    Dbt(Dbt),
    /// Show what the stack offers to others: endpoints, names, ARNs
    Output(Output),
    /// Look inside the state
    State(State),
    /// Tell what happened when, and by which command
    History(History),
    /// Draw the stack's resources and what they need
    Graph(Graph),
    /// Write the JSON Schema of stack files, for editors
    Schema,
    /// The local cloud on ports, for boto3, the AWS CLI, psql and other clients
    Local(Local),
    /// Write a completion script for your shell
    Completions(Completions),
}

#[derive(Debug, Args)]
pub struct Init {
    /// The template; without it, the templates are listed
    pub template: Option<String>,
    /// The folder to make; its name becomes the stack's name
    pub folder: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Check {
    /// Show the file in its full form, with every shorthand written out
    #[arg(long, conflicts_with = "json")]
    pub expand: bool,
    /// Write the problems as SARIF 2.1.0 to stdout
    #[arg(long, conflicts_with_all = ["expand", "json"])]
    pub sarif: bool,
}

#[derive(Debug, Args)]
pub struct Selection {
    /// Only this resource and what it needs, or what needs it if it is destroyed; may be repeated
    #[arg(long, value_name = "ADDRESS")]
    pub target: Vec<String>,
    /// Not this resource, nor what needs it, or what it needs if it would be destroyed; may be repeated
    #[arg(long, value_name = "ADDRESS")]
    pub except: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Plan {
    #[command(flatten)]
    pub selection: Selection,
    /// Replace this resource although nothing differs; may be repeated
    #[arg(long, value_name = "ADDRESS", conflicts_with = "destroy")]
    pub replace: Vec<String>,
    /// Write the plan into a file for `apply FILE`; it holds no values, only fingerprints
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Exit with 2 when there are changes
    #[arg(long)]
    pub detailed_exitcode: bool,
    /// Plan the removal of everything
    #[arg(long)]
    pub destroy: bool,
    #[command(flatten)]
    pub view: View,
}

/// How a plan is shown.
#[derive(Debug, Default, Args)]
pub struct View {
    /// Show the plan as a list instead of a tree
    #[arg(long)]
    pub flat: bool,
    /// Show fields that have their default, too
    #[arg(long)]
    pub full: bool,
}

#[derive(Debug, Args)]
pub struct Run {
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
    /// How many steps run at once
    #[arg(long, value_name = "N", default_value_t = 16)]
    pub parallelism: usize,
}

#[derive(Debug, Args)]
pub struct Consent {
    /// Agree that what is in this resource will be gone; may be repeated. `--yes` alone does not, unless everything is
    /// destroyed
    #[arg(long, value_name = "ADDRESS")]
    pub allow_data_loss: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Apply {
    /// A plan from `plan --out`: exactly that is done, without asking, or nothing
    #[arg(value_name = "FILE", conflicts_with_all = ["target", "except", "replace"])]
    pub plan: Option<PathBuf>,
    #[command(flatten)]
    pub selection: Selection,
    /// Replace this resource although nothing differs; may be repeated
    #[arg(long, value_name = "ADDRESS")]
    pub replace: Vec<String>,
    #[command(flatten)]
    pub view: View,
    #[command(flatten)]
    pub run: Run,
    #[command(flatten)]
    pub consent: Consent,
}

#[derive(Debug, Args)]
pub struct Up {
    #[command(flatten)]
    pub view: View,
    #[command(flatten)]
    pub run: Run,
    #[command(flatten)]
    pub consent: Consent,
}

const DATAGEN_EXAMPLES: &str = "Examples:
  lakeform datagen --describe banking             tables, columns, sizes and a sample
  lakeform datagen --rows 2M                      into the stack's bucket, crawled, counted
  lakeform datagen --day 2024-05-02               one more day, beside the days that are there
  lakeform datagen --rows 10M --to data           files alone, without a stack
  lakeform datagen --to data --dirty 0.5%         mistakes on purpose, and the truth about them
  lakeform datagen --rows 10B --part 3/400        one machine's share; without --part all are joined
  lakeform datagen verify                         proves what is there, and downloads nothing";

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, after_help = DATAGEN_EXAMPLES)]
pub struct Datagen {
    #[command(subcommand)]
    pub command: Option<DatagenCommand>,
    #[command(flatten)]
    pub wanted: Wanted,
    /// Write files into this folder and do nothing else
    #[arg(long, value_name = "DIR", conflicts_with = "describe")]
    pub to: Option<PathBuf>,
    /// Say what would be written, and how big
    #[arg(long)]
    pub dry_run: bool,
    /// Show a dataset's tables, columns, sizes and a sample
    #[arg(long, value_name = "DATASET", num_args = 0..=1, conflicts_with = "dataset")]
    pub describe: Option<Option<String>>,
    /// Make only the i-th of n shares of the files, from 1; a share for a stack is not crawled
    #[arg(long, value_name = "I/N")]
    pub part: Option<String>,
    /// Threads that make rows; all of the machine's when absent
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub threads: Option<u16>,
    #[command(flatten)]
    pub run: Run,
    #[command(flatten)]
    pub consent: Consent,
}

#[derive(Debug, Subcommand)]
pub enum DatagenCommand {
    /// Make every checksum again and compare it with what is stored; nothing is downloaded
    Verify(DatagenVerify),
}

#[derive(Debug, Args)]
pub struct DatagenVerify {
    /// Files in this folder, instead of the stack's buckets
    #[arg(long, value_name = "DIR")]
    pub to: Option<PathBuf>,
    /// Only this dataset of the stack
    #[arg(long, value_name = "DATASET", conflicts_with = "to")]
    pub dataset: Option<String>,
    /// Threads that make rows; all of the machine's when absent
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub threads: Option<u16>,
}

/// What decides the bytes. What is not given is as the stack file says, or as it is live.
#[derive(Clone, Debug, Default, Args)]
pub struct Wanted {
    /// Rows of a fact table; dimensions follow. `10k`, `2M` and `1B` are understood
    #[arg(long, value_name = "N")]
    pub rows: Option<String>,
    /// Same seed, same bytes
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// A dataset of the stack (`dataset.name`), a shipped one (`banking`), or a definition file
    #[arg(long, value_name = "DATASET")]
    pub dataset: Option<String>,
    /// Only these tables
    #[arg(long, value_name = "TABLE", value_delimiter = ',')]
    pub tables: Vec<String>,
    /// Only the rows of this day, and dimensions as they are then
    #[arg(long, value_name = "DAY", conflicts_with = "days")]
    pub day: Option<String>,
    /// Only the rows of these days: `2024-05-01..2024-05-31`
    #[arg(long, value_name = "A..B")]
    pub days: Option<String>,
    /// The file format
    #[arg(long, value_name = "FORMAT", value_parser = ["as-defined", "csv", "json", "parquet"])]
    pub format: Option<String>,
    /// How files are compressed
    #[arg(long, value_name = "KIND", value_parser = ["none", "gzip", "zstd"])]
    pub compression: Option<String>,
    /// Bytes of a file, such as `256MiB`
    #[arg(long, value_name = "SIZE")]
    pub target_size: Option<String>,
    /// Bytes of a row group of a Parquet file, such as `64MiB`
    #[arg(long, value_name = "SIZE")]
    pub row_group_size: Option<String>,
    /// Make the number of a table's files a multiple of this: the slices of a cluster
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub slices: Option<u32>,
    /// Put mistakes into this share of the rows, and tell them in a truth file: `0.5%`
    #[arg(long, value_name = "SHARE")]
    pub dirty: Option<String>,
}

#[derive(Debug, Args)]
pub struct Drift {
    /// How to tell it
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: DriftFormat,
    /// A report from `--format json`: what stands in it is accepted and not told again
    #[arg(long, value_name = "FILE")]
    pub baseline: Option<PathBuf>,
    /// Write what is live into the stack file; comments and spacing stay
    #[arg(long)]
    pub accept: bool,
    /// Put back what was applied; asks first
    #[arg(long, conflicts_with = "accept")]
    pub revert: bool,
    #[command(flatten)]
    pub run: Run,
    #[command(flatten)]
    pub consent: Consent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DriftFormat {
    Text,
    Json,
    Markdown,
    Junit,
    Sarif,
    Github,
}

#[derive(Debug, Args)]
pub struct Graph {
    /// The language of the drawing
    #[arg(long, value_name = "FORMAT", default_value = "dot")]
    pub format: GraphFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum GraphFormat {
    /// For Graphviz
    Dot,
    /// For Markdown
    Mermaid,
    /// A page for browsers that stands alone
    Html,
}

#[derive(Debug, Args)]
pub struct Destroy {
    #[command(flatten)]
    pub selection: Selection,
    /// Keep a final snapshot of every cluster, whatever the file says
    #[arg(long)]
    pub final_snapshot: bool,
    #[command(flatten)]
    pub view: View,
    #[command(flatten)]
    pub run: Run,
    #[command(flatten)]
    pub consent: Consent,
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").required(true).args(["address", "vpc", "tag"])))]
pub struct Import {
    /// The resource's address, such as `bucket.lake`; declared in the stack file or to be written there
    #[arg(requires = "id")]
    pub address: Option<String>,
    /// What AWS calls it: a name, or an id such as `vpc-…`
    pub id: Option<String>,
    /// A VPC and everything in it
    #[arg(long, value_name = "ID")]
    pub vpc: Option<String>,
    /// Everything that carries this tag, but for roles: AWS does not find them by tag
    #[arg(long, value_name = "KEY=VALUE")]
    pub tag: Option<String>,
    /// Add what is missing to the stack file and take the objects over, instead of only showing it
    #[arg(long)]
    pub write: bool,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
}

#[derive(Debug, Args)]
pub struct Sql {
    /// The statements; `-` or nothing reads them from standard input. With --json each answer is an array on a line of
    /// its own, written when it comes
    pub statements: Option<String>,
    /// Read the statements from this file
    #[arg(long, short, value_name = "FILE", conflicts_with = "statements")]
    pub file: Option<PathBuf>,
    /// All statements or none: one transaction around them
    #[arg(long, short = '1')]
    pub single_transaction: bool,
    /// Write comma-separated values
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,
    /// The cluster or workgroup, when the stack has several
    #[arg(long, value_name = "ADDRESS")]
    pub warehouse: Option<String>,
    /// The database, instead of the cluster's first
    #[arg(long, value_name = "NAME")]
    pub database: Option<String>,
}

#[derive(Debug, Args)]
pub struct Dbt {
    /// The dbt project, when the stack has several
    #[arg(long, value_name = "ADDRESS")]
    pub project: Option<String>,
    /// What dbt does, in dbt's own words: `build`, `test --select silver`, `docs generate`
    #[arg(
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "DBT COMMAND"
    )]
    pub words: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Output {
    /// One output alone, such as `redshift_cluster.dw.endpoint`
    pub reference: Option<String>,
}

#[derive(Debug, Args)]
pub struct History {
    /// Only what is about this resource
    pub address: Option<String>,
    /// Only the last commands
    #[arg(long, value_name = "N", conflicts_with = "address")]
    pub last: Option<usize>,
}

#[derive(Debug, Args)]
pub struct State {
    #[command(subcommand)]
    pub command: StateCommand,
}

#[derive(Debug, Subcommand)]
pub enum StateCommand {
    /// List what is ours, with its ids
    List,
    /// Show what is known of one resource
    Show { address: String },
    /// Give a resource a new address
    Mv { from: String, to: String },
    /// Forget a resource without deleting it
    Rm { address: String },
}

#[derive(Debug, Args)]
pub struct Local {
    #[command(subcommand)]
    pub command: LocalCommand,
}

#[derive(Debug, Subcommand)]
pub enum LocalCommand {
    /// Serve the local cloud until Ctrl-C
    Serve {
        /// Where AWS requests are answered; port 0 picks a free one
        #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:4566")]
        http: std::net::SocketAddr,
        /// Where the first warehouse's SQL port listens; the others follow. Port 0 picks free ones
        #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:5439")]
        sql: std::net::SocketAddr,
        /// What the queries of one warehouse may use together, such as 4GB [default: half of this machine's memory]
        #[arg(long, value_name = "SIZE", value_parser = memory)]
        sql_memory: Option<usize>,
        #[command(flatten)]
        disk: LocalDisk,
    },
    /// Say who serves the local cloud, where, and what is inside
    Status {
        #[command(flatten)]
        disk: LocalDisk,
    },
    /// Write everything in the local cloud into one file, secrets included
    Export {
        /// The file to write
        #[arg(value_name = "FILE")]
        file: PathBuf,
        #[command(flatten)]
        disk: LocalDisk,
    },
    /// Put what `export` wrote in place of everything in the local cloud
    Import {
        /// A file that `export` wrote
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
        #[command(flatten)]
        disk: LocalDisk,
    },
    /// Forget everything in the local cloud
    Reset {
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
        #[command(flatten)]
        disk: LocalDisk,
    },
}

#[derive(Debug, Args)]
pub struct LocalDisk {
    /// The local cloud's disk, instead of the state folder's `local`
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Completions {
    pub shell: Shell,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Shell {
    Bash,
    Elvish,
    Fish,
    Powershell,
    Zsh,
}

/// Reads a row count: plain, or with `k`, `M`, `B` or `T`; underscores are fine.
pub fn rows(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is not a number of rows: write 10000, 10k, 2M or 1.5B");
    let digits: String = text.chars().filter(|c| *c != '_').collect();
    let (number, unit) = match digits.char_indices().last() {
        Some((at, 'k' | 'K')) => (&digits[..at], 1_000u64),
        Some((at, 'm' | 'M')) => (&digits[..at], 1_000_000),
        Some((at, 'b' | 'B' | 'g' | 'G')) => (&digits[..at], 1_000_000_000),
        Some((at, 't' | 'T')) => (&digits[..at], 1_000_000_000_000),
        _ => (digits.as_str(), 1),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if fraction.len() > 12 || (fraction.is_empty() && number.ends_with('.')) {
        return Err(wrong());
    }
    let whole: u64 = whole.parse().map_err(|_| wrong())?;
    let part = match fraction {
        "" => 0,
        digits => {
            let scale = 10u128.pow(digits.len() as u32);
            let numerator = u128::from(digits.parse::<u64>().map_err(|_| wrong())?) * u128::from(unit);
            match numerator % scale {
                0 => (numerator / scale) as u64,
                _ => return Err(wrong()),
            }
        }
    };
    whole
        .checked_mul(unit)
        .and_then(|rows| rows.checked_add(part))
        .ok_or_else(wrong)
}

/// Reads a share of the work, `3/400`.
pub fn part(text: &str) -> Result<(u64, u64), String> {
    let read = text
        .split_once('/')
        .and_then(|(index, of)| Some((index.trim().parse().ok()?, of.trim().parse().ok()?)));
    read.filter(|(index, of)| (1..=*of).contains(index))
        .ok_or_else(|| format!("`{text}` is not a share: write 1/4, 2/4, 3/4 and 4/4"))
}

/// Reads the memory of queries.
fn memory(text: &str) -> Result<usize, String> {
    let bytes = crate::data::recipe::bytes(text).and_then(|bytes| usize::try_from(bytes).ok());
    bytes
        .filter(|bytes| *bytes >= LEAST_MEMORY)
        .ok_or_else(|| "not a size of 16 MB or more; write 4GB".to_owned())
}

/// Less than this runs nothing but the smallest queries.
const LEAST_MEMORY: usize = 16_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn shares_go_from_one() {
        assert_eq!(part("3/400"), Ok((3, 400)));
        for wrong in ["0/4", "5/4", "1", "a/b", "1/0", "-1/4"] {
            assert!(part(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn row_counts_are_read_with_units() {
        let read = |text| rows(text).ok();
        assert_eq!(read("10k"), Some(10_000));
        assert_eq!(read("1.5B"), Some(1_500_000_000));
        assert_eq!(read("10_000"), Some(10_000));
        assert_eq!(read("0"), Some(0));
        for wrong in [
            "",
            "k",
            "-1",
            "1.2345",
            "ten",
            "1.",
            "99999999999999999999",
            "20000000T",
        ] {
            assert!(rows(wrong).is_err(), "{wrong}");
        }
    }
}
