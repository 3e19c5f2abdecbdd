//! Shared by tests: problems as text, and a bench that stacks are applied to one after the other.

use crate::apply::{Apply, Outcome, apply, asks, observe};
use crate::diagnostic::{Diagnostic, Severity, Span};
use crate::journal::{Entry, Ledger, VERSION};
use crate::plan::{self, Observed, Options, Plan};
use crate::render::{self, Look, Paint};
use crate::simulation::cloud::{FakeCloud, run};
pub use crate::simulation::stacks::{LAKEHOUSE, checked, checked_in, outside, random_stack, stack};
use crate::stack::Stack;
use futures::FutureExt;
use futures::future::ready;
use std::cell::RefCell;
use std::fmt::Write as _;

/// Returns what there is to say about a text behind a plain `[stack]` table, one line each.
pub fn problems(text: &str) -> String {
    let text = format!("[stack]\nname = \"t\"\n{text}");
    report(&text, &checked(&text).problems)
}

/// Returns problems as text, with line and column.
pub fn report(text: &str, problems: &[Diagnostic]) -> String {
    let place = |span: Span| {
        let before = &text[..span.start];
        let line = before.matches('\n').count() + 1;
        format!(
            "{line}:{}",
            before.len() - before.rfind('\n').map_or(0, |at| at + 1) + 1
        )
    };
    let mut report = String::new();
    for problem in problems {
        let severity = match problem.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let (code, summary, label) = (problem.code, &problem.summary, &problem.label);
        writeln!(report, "{severity}[{code}] {} {summary}: {label}", place(problem.span)).expect("string");
        for (span, label) in &problem.related {
            writeln!(report, "  {} {label}", place(*span)).expect("string");
        }
        if let Some(hint) = &problem.hint {
            writeln!(report, "  hint: {hint}").expect("string");
        }
    }
    report
}

/// A cloud and a ledger that tests apply stacks to, one after the other. Texts go behind a plain `[stack]` table.
pub struct Bench {
    pub cloud: FakeCloud,
    pub ledger: Ledger,
    ops: u64,
}

impl Bench {
    pub fn new() -> Self {
        let mut ledger = Ledger::default();
        ledger.add(&Entry::Opened {
            version: VERSION,
            stack: "t".into(),
            generation: "g".into(),
        });
        Self {
            cloud: FakeCloud::new(7),
            ledger,
            ops: 0,
        }
    }

    /// Returns a bench with the stack applied.
    pub fn with(text: &str) -> Self {
        let mut bench = Bench::new();
        let outcome = bench.apply(text);
        assert!(outcome.is_complete(), "{outcome:?}");
        bench
    }

    pub fn stack(text: &str) -> Stack {
        stack(&format!("[stack]\nname = \"t\"\n{text}"))
    }

    pub fn observed(&self, stack: &Stack) -> Observed {
        run(observe(&self.cloud, asks(stack, &self.ledger)), || false)
            .expect("alive")
            .expect("no faults")
    }

    pub fn plan(&self, text: &str, options: &Options) -> Plan {
        let stack = Self::stack(text);
        plan::plan(&stack, &self.observed(&stack), &self.ledger, options)
    }

    /// Returns the plan as people see it.
    pub fn shown(&self, text: &str) -> String {
        self.shown_with(text, &Options::default())
    }

    pub fn shown_with(&self, text: &str, options: &Options) -> String {
        let whole = format!("[stack]\nname = \"t\"\n{text}");
        let places = crate::report::Places::new(&whole);
        let place = |span: Span| {
            let (line, column) = places.at(span.start);
            format!("stack.toml:{line}:{column}")
        };
        render::plan(&self.plan(text, options), &look(&place))
    }

    pub fn carry_out(&mut self, plan: &Plan) -> Outcome {
        let mut new_op = || {
            self.ops += 1;
            format!("op-{}", self.ops)
        };
        let ledger = RefCell::new(&mut self.ledger);
        let journal = |entries: Vec<Entry>| {
            entries.iter().for_each(|entry| ledger.borrow_mut().add(entry));
            ready(Ok(())).boxed_local()
        };
        let cx = Apply {
            cloud: &self.cloud,
            stack: "t",
            generation: "g",
            parallelism: 8,
            new_op: &mut new_op,
            journal: &journal,
            events: &mut |_| {},
        };
        run(apply(cx, plan, std::future::pending()), || false).expect("alive")
    }

    pub fn apply(&mut self, text: &str) -> Outcome {
        let plan = self.plan(text, &Options::default());
        self.carry_out(&plan)
    }
}

/// How tests look at plans.
pub fn look<'a>(place: &'a dyn Fn(Span) -> String) -> Look<'a> {
    Look {
        paint: Paint::PLAIN,
        place,
        full: false,
        flat: false,
        local: false,
    }
}

/// Returns the steps of a plan, each with what it waits for.
pub fn steps(plan: &Plan) -> String {
    let name = |index: usize| format!("{} {}", plan.steps[index].verb.as_str(), plan.steps[index].address);
    (0..plan.steps.len()).fold(String::new(), |mut text, index| {
        let after: Vec<String> = plan.steps[index].after.iter().map(|after| name(*after)).collect();
        let tail = if after.is_empty() {
            String::new()
        } else {
            format!("  after {}", after.join(", "))
        };
        writeln!(text, "{}{tail}", name(index)).expect("string");
        text
    })
}
