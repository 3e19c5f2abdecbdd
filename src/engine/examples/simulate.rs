//! Lives many lives of stacks and says which seed fails:
//! `cargo run --release -p lakeform-engine --features simulation --example simulate -- [SEEDS] [FIRST SEED]`.
#![expect(clippy::disallowed_methods, reason = "a program for the terminal, with a clock")]
#![expect(clippy::print_stdout, reason = "a program for the terminal, with a clock")]

use lakeform_engine::simulation::life;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

fn main() -> std::process::ExitCode {
    let mut numbers = std::env::args()
        .skip(1)
        .map(|text| text.replace('_', "").parse::<u64>());
    let (Ok(seeds), Ok(first)) = (numbers.next().unwrap_or(Ok(100_000)), numbers.next().unwrap_or(Ok(0))) else {
        println!("usage: simulate [SEEDS] [FIRST SEED]");
        return std::process::ExitCode::FAILURE;
    };
    let started = Instant::now();
    let next = AtomicU64::new(first);
    let failed = AtomicU64::new(u64::MAX);
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while failed.load(Ordering::Relaxed) == u64::MAX {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + seeds {
                        break;
                    }
                    // What went wrong is said by the panic.
                    if std::panic::catch_unwind(|| life(seed)).is_err() {
                        failed.fetch_min(seed, Ordering::Relaxed);
                    }
                    let lived = seed + 1 - first;
                    if lived.is_multiple_of(10_000) {
                        println!("{lived} lives, {:.0} s", started.elapsed().as_secs_f64());
                    }
                }
            });
        }
    });
    match failed.into_inner() {
        u64::MAX => {
            let seconds = started.elapsed().as_secs_f64();
            println!("{seeds} lives lived in {seconds:.0} s on {workers} threads: everything held");
            std::process::ExitCode::SUCCESS
        }
        seed => {
            println!("seed {seed} fails; replay it with: simulate 1 {seed}");
            std::process::ExitCode::FAILURE
        }
    }
}
