//! What checking a stack of a thousand resources takes, beside reading the same text with the `toml` crate alone:
//! `cargo bench -p lakeform-engine --bench check`. Prints numbers and their ratio; nothing is asserted of them.
#![expect(clippy::disallowed_methods, reason = "a benchmark has a clock")]
#![expect(clippy::print_stdout, reason = "a benchmark prints")]

use lakeform_engine::check::check;
use lakeform_engine::expand::Outside;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Instant;

const RUNS: usize = 21;

fn main() {
    let text = stack(250);
    let outside = Outside {
        env: None,
        vars: &BTreeMap::new(),
        dataset_tables: &|_| None,
        dataset_names: &[],
        local_account: "123456789012",
    };
    let resources = check(&text, &outside).stack.expect("it is sound").resources.len();
    let whole_ms = median_ms(|| drop(black_box(check(black_box(&text), &outside))));
    let toml_ms = median_ms(|| drop(black_box(black_box(&text).parse::<toml::Table>())));
    println!(
        "{resources} resources, {} lines, median of {RUNS} runs",
        text.lines().count()
    );
    println!("  lakeform: read, expanded, every rule checked  {whole_ms:>7.2} ms");
    println!("  toml: read alone                              {toml_ms:>7.2} ms");
    println!(
        "  ratio                                         {:>7.2}",
        whole_ms / toml_ms
    );
}

fn median_ms(mut run: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..RUNS)
        .map(|_| {
            let started = Instant::now();
            run();
            started.elapsed().as_secs_f64() * 1000.0
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[RUNS / 2]
}

/// A network with subnets, and as many buckets, databases and roles that may use them.
fn stack(of_each: usize) -> String {
    let mut text = String::from("[stack]\nname = \"t\"\n[vpc.main]\ncidr = \"10.0.0.0/16\"\n");
    for index in 0..of_each {
        write!(
            text,
            "[subnet.s{index}]\nvpc = \"vpc.main\"\ncidr = \"10.0.{index}.0/24\"\nzone = \"a\"\n\
             [bucket.b{index}]\n[glue_database.d{index}]\n\
             [role.r{index}]\nservice = \"glue\"\n\
             grants = {{ read = [\"bucket.b{index}\"], write = [\"glue_database.d{index}\"] }}\n"
        )
        .expect("string");
    }
    text
}
