//! Turns a table of a checked definition into a program of kernels, and its columns into what is written.
//!
//! A column of another table is compiled a second time for the rows a reference picked, so a fact can repeat its
//! parent's values without anything being stored.

use crate::calendar::{Calendar, Timeline};
use crate::definition::{Column, Dataset, Generator, Skew, Style, Table, Type, Values};
use crate::distribution::{Alias, Cells, Zipf, exp, ln, normal_quantile};
use crate::draw::{Bijection, Key};
use crate::expr::{Names, Program};
use crate::kernel::{Kernel, Node, Slot};
use crate::pool::{self, Pool};
use crate::template::{self, Change};
use crate::text::PlainText;
use std::collections::HashMap;
use std::sync::Arc;

/// What a lane's values mean as text.
#[derive(Debug, Clone)]
pub(crate) enum Form {
    /// A number, date, time or boolean of the column's type.
    Value(Type),
    /// An index into a pool.
    Pool(Arc<Pool>),
    /// The lane holds row numbers; the text is put together from other lanes.
    Template(Vec<Segment>),
    /// The lane holds row numbers; the bits are drawn when written.
    Uuid(Key),
}

#[derive(Debug, Clone)]
pub(crate) enum Segment {
    Literal(String),
    Value {
        slot: Slot,
        kind: Type,
        style: Style,
        nullable: bool,
    },
    Pool {
        slot: Slot,
        pool: Arc<Pool>,
    },
    Padded {
        slot: Slot,
        width: u8,
        nullable: bool,
    },
    Letters {
        slot: Slot,
        width: u8,
    },
    Uuid {
        slot: Slot,
        key: Key,
    },
}

/// A compiled column.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    pub(crate) slot: Slot,
    pub(crate) form: Form,
    pub(crate) nullable: bool,
    /// For numbers out of a list: the lane of places in the list, and the list.
    pub(crate) codes: Option<(Slot, Arc<[i64]>)>,
}

/// A compiled table.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) nodes: Vec<Node>,
    /// The visible columns, in order.
    pub(crate) columns: Vec<Made>,
}

/// What compiling a table needs to know of the whole.
pub(crate) struct Surroundings<'a> {
    pub(crate) dataset: &'a Dataset,
    pub(crate) seed: u64,
    /// Rows of each table.
    pub(crate) rows: &'a [u64],
    /// Days from the calendar's first to the day dimensions are seen at.
    pub(crate) as_of: u64,
    pub(crate) timelines: &'a [Option<Arc<Timeline>>],
}

impl Surroundings<'_> {
    fn key(&self, parts: &[&str]) -> Key {
        Key::of(self.seed, self.dataset.version, parts)
    }

    fn table(&self, name: &str) -> usize {
        self.dataset
            .tables
            .iter()
            .position(|t| t.name.value == name)
            .expect("checked: every table exists")
    }
}

pub(crate) fn table(surroundings: &Surroundings, index: usize) -> Compiled {
    let mut compiler = Compiler {
        surroundings,
        nodes: Vec::new(),
        made: HashMap::new(),
        parents: HashMap::new(),
    };
    let table = &surroundings.dataset.tables[index];
    let columns = table
        .columns
        .iter()
        .enumerate()
        .filter(|(_, c)| !c.hidden)
        .map(|(c, _)| compiler.column(index, c, 0))
        .collect();
    Compiled {
        nodes: compiler.nodes,
        columns,
    }
}

/// Returns a program for one column alone, hidden or not, and the writer of its text.
pub(crate) fn text_of(surroundings: &Surroundings, table: usize, column: &str) -> (Compiled, PlainText) {
    let mut compiler = Compiler {
        surroundings,
        nodes: Vec::new(),
        made: HashMap::new(),
        parents: HashMap::new(),
    };
    let column = compiler.find(table, column);
    let made = compiler.column(table, column, 0);
    let text = PlainText::new(&made);
    (
        Compiled {
            nodes: compiler.nodes,
            columns: vec![made],
        },
        text,
    )
}

struct Compiler<'a> {
    surroundings: &'a Surroundings<'a>,
    nodes: Vec<Node>,
    /// By table, column and the lane of row numbers.
    made: HashMap<(usize, usize, Slot), Made>,
    /// The lane of parent rows of a reference column.
    parents: HashMap<(usize, usize, Slot), (usize, Slot)>,
}

impl Compiler<'_> {
    fn push(&mut self, rows: Slot, kernel: Kernel) -> Slot {
        self.nodes.push(Node {
            rows,
            kernel,
            null: None,
            null_from: None,
        });
        self.nodes.len()
    }

    fn find(&self, table: usize, name: &str) -> usize {
        self.surroundings.dataset.tables[table]
            .columns
            .iter()
            .position(|c| c.name.value == name)
            .expect("checked: every column exists")
    }

    fn column(&mut self, table: usize, index: usize, rows: Slot) -> Made {
        if let Some(made) = self.made.get(&(table, index, rows)) {
            return made.clone();
        }
        let surroundings = self.surroundings;
        let definition: &Table = &surroundings.dataset.tables[table];
        let column = &definition.columns[index];
        let key = surroundings.key(&[&definition.name.value, &column.name.value]);
        let by = column.by.as_ref().map(|by| {
            let by = self.find(table, &by.value);
            self.column(table, by, rows).slot
        });
        let base = by.unwrap_or(rows);
        let drawn = if column.changes > 0.0 {
            let kernel = Kernel::Version {
                key: key.other(2),
                period: period(column),
                day: surroundings.as_of,
            };
            self.push(base, kernel)
        } else {
            base
        };
        let (slot, form, inherits) = self.generator(table, index, column, key, rows, drawn);
        let codes = match &self.nodes.get(slot.wrapping_sub(1)).map(|node| &node.kernel) {
            Some(Kernel::Values { index, values })
                if column.null == 0.0 && inherits.is_none() && column.only_if.is_none() =>
            {
                Some((*index, values.clone()))
            }
            _ => None,
        };
        let mut made = Made {
            slot,
            form,
            nullable: inherits.is_some() || column.null > 0.0 || column.only_if.is_some(),
            codes,
        };
        let mut inherits = inherits.filter(|from| *from != slot);
        if let Some(condition) = &column.only_if {
            let condition = self.find(table, &condition.value);
            let lane = self.column(table, condition, rows).slot;
            // A condition that is 0 becomes null, and so does every lane that takes its nulls over.
            let passes = self.push(
                rows,
                Kernel::Expr {
                    program: Program::null_if_zero(),
                    arguments: vec![lane],
                },
            );
            inherits = Some(match inherits {
                None => passes,
                Some(other) => {
                    let both = Program::first_if_both();
                    self.push(
                        rows,
                        Kernel::Expr {
                            program: both,
                            arguments: vec![passes, other],
                        },
                    )
                }
            });
        }
        if column.null > 0.0 || inherits.is_some() {
            // Nulls go into a lane of the column's own: one that others share keeps its values.
            let own = slot == self.nodes.len() && slot != rows && slot != drawn && !self.is_shared(slot);
            if !own {
                made.slot = self.push(
                    rows,
                    Kernel::Expr {
                        program: Program::copy(),
                        arguments: vec![slot],
                    },
                );
            }
            let node = &mut self.nodes[made.slot - 1];
            node.null_from = inherits;
            if column.null > 0.0 {
                node.null = Some((key.other(1), (column.null * 4_294_967_296.0) as u64));
            }
        }
        self.made.insert((table, index, rows), made.clone());
        made
    }

    fn is_shared(&self, slot: Slot) -> bool {
        self.made.values().any(|made| made.slot == slot)
    }

    /// Returns the lane, what it means, and a lane whose nulls it must take over.
    fn generator(
        &mut self,
        table: usize,
        index: usize,
        column: &Column,
        key: Key,
        rows: Slot,
        drawn: Slot,
    ) -> (Slot, Form, Option<Slot>) {
        let surroundings = self.surroundings;
        let definition: &Table = &surroundings.dataset.tables[table];
        let value = Form::Value(column.kind);
        let cells = |low: i64, high: i64, quantile: &dyn Fn(f64) -> f64| Kernel::Cells {
            key,
            table: Arc::new(Cells::new(low, high, quantile)),
        };
        match &column.generator.value {
            Generator::Sequence { start, step } => (
                self.push(
                    rows,
                    Kernel::Affine {
                        start: *start,
                        step: *step,
                    },
                ),
                value,
                None,
            ),
            Generator::Unique { min, max } => {
                let bijection = Bijection::new(key, span(*min, *max));
                (self.push(rows, Kernel::Unique { bijection, low: *min }), value, None)
            }
            Generator::Uniform { min, max } => (
                self.push(
                    drawn,
                    Kernel::Uniform {
                        key,
                        low: *min,
                        span: span(*min, *max),
                    },
                ),
                value,
                None,
            ),
            Generator::Normal {
                mean,
                deviation,
                min,
                max,
            } => {
                let kernel = cells(*min, *max, &|p| mean + deviation * normal_quantile(p));
                (self.push(drawn, kernel), value, None)
            }
            Generator::LogNormal {
                median,
                sigma,
                min,
                max,
            } => {
                let kernel = cells(*min, *max, &|p| median * exp(sigma * normal_quantile(p)));
                (self.push(drawn, kernel), value, None)
            }
            Generator::Pareto { alpha, min, max } => {
                // Bounded at both ends, so that the tail stops at `max` without a heap of values there.
                let ratio = exp(-alpha * (ln(*max as f64) - ln(*min as f64)));
                let kernel = cells(*min, *max, &|p| *min as f64 * exp(-ln(1.0 - p * (1.0 - ratio)) / alpha));
                (self.push(drawn, kernel), value, None)
            }
            Generator::Exponential { mean, min, max } => {
                let kernel = cells(*min, *max, &|p| (*min).max(0) as f64 - mean * ln(1.0 - p));
                (self.push(drawn, kernel), value, None)
            }
            Generator::Choice { values, weights } => {
                let kernel = match weights {
                    None => Kernel::Uniform {
                        key,
                        low: 0,
                        span: values.len() as u64,
                    },
                    Some(weights) => Kernel::Alias {
                        key,
                        table: Arc::new(Alias::new(weights)),
                    },
                };
                let slot = self.push(drawn, kernel);
                self.of_values(rows, slot, values, value)
            }
            Generator::List { values } => {
                let slot = self.push(
                    rows,
                    Kernel::Cycle {
                        count: values.len() as u64,
                    },
                );
                self.of_values(rows, slot, values, value)
            }
            Generator::Ref { target, skew } => {
                let (parent, target) = target.value.split_once('.').expect("checked: table.column");
                let parent = surroundings.table(parent);
                let picked = self.pick(key, surroundings.rows[parent], *skew, drawn);
                self.parents.insert((table, index, rows), (parent, picked));
                let target = self.find(parent, target);
                let made = self.column(parent, target, picked);
                (made.slot, made.form, made.nullable.then_some(made.slot))
            }
            Generator::Lookup { via, column: target } => {
                let via = self.find(table, &via.value);
                let reference = self.column(table, via, rows);
                let (parent, picked) = self.parents[&(table, via, rows)];
                let target = self.find(parent, &target.value);
                let made = self.column(parent, target, picked);
                let nulls = if reference.nullable { Some(reference.slot) } else { None };
                (made.slot, made.form, nulls.or(made.nullable.then_some(made.slot)))
            }
            Generator::Pool { kind, locale, skew } => {
                let pool = pool::kind(kind, locale).expect("checked: the pool exists");
                let slot = self.pick(key, pool.texts.len() as u64, *skew, drawn);
                (slot, Form::Pool(pool), None)
            }
            Generator::Part { of, part } => {
                let of = self.find(table, &of.value);
                let made = self.column(table, of, rows);
                let kind = match &surroundings.dataset.tables[table].columns[of].generator.value {
                    Generator::Pool { kind, .. } => kind,
                    _ => unreachable!("checked: parts belong to pools"),
                };
                let pool = pool::part(kind, &part.value).expect("checked: the part exists");
                (made.slot, Form::Pool(pool), made.nullable.then_some(made.slot))
            }
            Generator::Day => {
                let timeline = surroundings.timelines[table].clone().expect("checked: a table by day");
                (self.push(rows, Kernel::Day { timeline }), value, None)
            }
            Generator::Time => {
                let timeline = surroundings.timelines[table].clone().expect("checked: a table by day");
                (self.push(rows, Kernel::Time { key, timeline }), value, None)
            }
            Generator::Changed { of } => {
                let of = &definition.columns[self.find(table, &of.value)];
                let base = of.by.as_ref().map_or(rows, |by| {
                    let by = self.find(table, &by.value);
                    self.column(table, by, rows).slot
                });
                let kernel = Kernel::Changed {
                    key: surroundings.key(&[&definition.name.value, &of.name.value]).other(2),
                    period: period(of),
                    day: surroundings.as_of,
                    first: surroundings.dataset.calendar.first,
                };
                (self.push(base, kernel), value, None)
            }
            Generator::Template(text) => {
                let pieces = template::parse(&text.value, 0).expect("checked: templates can be read");
                let mut segments = Vec::new();
                for (number, piece) in pieces.into_iter().enumerate() {
                    self.piece(table, piece, key.other(16 + number as u64), rows, drawn, &mut segments);
                }
                (rows, Form::Template(segments), None)
            }
            Generator::Expr(text) => {
                let expr = crate::expr::parse(&text.value, 0).expect("checked: expressions can be read");
                let mut arguments = Vec::new();
                let mut nullable = false;
                expr.columns(&mut |name, _| {
                    if !arguments.iter().any(|(known, _, _)| known == name) {
                        let column = self.find(table, name);
                        let made = self.column(table, column, rows);
                        nullable |= made.nullable;
                        let scale = surroundings.dataset.tables[table].columns[column].kind.scale();
                        arguments.push((name.to_owned(), made.slot, scale));
                    }
                });
                let mut names = Scope {
                    surroundings,
                    table,
                    arguments: &arguments,
                };
                let program = Program::compile(&expr, column.kind.scale(), &mut names);
                let nullable = nullable || program.makes_null();
                let slots = arguments.iter().map(|(_, slot, _)| *slot).collect();
                let slot = self.push(
                    rows,
                    Kernel::Expr {
                        program,
                        arguments: slots,
                    },
                );
                (slot, value, nullable.then_some(slot))
            }
            Generator::Walk {
                stream,
                entity,
                step,
                base,
                swing,
            } => {
                let mut lane = |name: &str| {
                    let column = self.find(table, name);
                    self.column(table, column, rows).slot
                };
                let (entity, step, base) = (lane(&entity.value), lane(&step.value), lane(&base.value));
                let key = surroundings.key(&["walk", stream]);
                let swing = (swing * 65_536.0) as u64;
                (
                    self.push(
                        rows,
                        Kernel::Walk {
                            key,
                            entity,
                            step,
                            base,
                            swing,
                        },
                    ),
                    value,
                    None,
                )
            }
            Generator::Names { of, values } => {
                let of = self.find(table, &of.value);
                let made = self.column(table, of, rows);
                let program = Program::minus_one();
                let slot = self.push(
                    rows,
                    Kernel::Expr {
                        program,
                        arguments: vec![made.slot],
                    },
                );
                (slot, Form::Pool(Pool::of(values)), made.nullable.then_some(slot))
            }
            Generator::Bool { chance } => {
                let threshold = (chance * 4_294_967_296.0) as u64;
                (self.push(drawn, Kernel::Chance { key, threshold }), value, None)
            }
            Generator::Uuid => (drawn, Form::Uuid(key), None),
        }
    }

    fn of_values(&mut self, rows: Slot, index: Slot, values: &Values, value: Form) -> (Slot, Form, Option<Slot>) {
        match values {
            Values::Texts(texts) => (index, Form::Pool(Pool::of(texts)), None),
            Values::Numbers(numbers) => {
                let values = Arc::from(numbers.as_slice());
                (self.push(rows, Kernel::Values { index, values }), value, None)
            }
        }
    }

    fn pick(&mut self, key: Key, count: u64, skew: Skew, rows: Slot) -> Slot {
        let kernel = match skew {
            Skew::Uniform => Kernel::Uniform {
                key,
                low: 0,
                span: count,
            },
            Skew::Turn => Kernel::Cycle { count: count.max(1) },
            Skew::Zipf(exponent) => Kernel::Zipf {
                key,
                table: Arc::new(Zipf::new(key.other(3), count, exponent)),
            },
        };
        self.push(rows, kernel)
    }

    fn piece(
        &mut self,
        table: usize,
        piece: template::Piece,
        key: Key,
        rows: Slot,
        drawn: Slot,
        segments: &mut Vec<Segment>,
    ) {
        match piece {
            template::Piece::Literal(text) => segments.push(Segment::Literal(text)),
            template::Piece::Digits(width) => {
                let span = 10u64.pow(u32::from(width));
                let slot = self.push(drawn, Kernel::Uniform { key, low: 0, span });
                // A few digits are a pool of their own, which is faster and can merge with what stands beside it.
                segments.push(if width <= 2 {
                    let all = (0..span).map(|number| format!("{number:0width$}", width = usize::from(width)));
                    Segment::Pool {
                        slot,
                        pool: Pool::of(all),
                    }
                } else {
                    Segment::Padded {
                        slot,
                        width,
                        nullable: false,
                    }
                });
            }
            template::Piece::Letters(width) => {
                let span = 26u64.pow(u32::from(width));
                let slot = self.push(drawn, Kernel::Uniform { key, low: 0, span });
                segments.push(Segment::Letters { slot, width });
            }
            template::Piece::Column { name, change, .. } => {
                let column = self.find(table, &name);
                let made = self.column(table, column, rows);
                let style = self.surroundings.dataset.tables[table].columns[column].style.clone();
                match made.form {
                    Form::Pool(pool) => {
                        let pool = match change {
                            Change::Lower => pool.mapped(str::to_lowercase),
                            Change::Upper => pool.mapped(str::to_uppercase),
                            Change::Slug => pool.mapped(pool::slug),
                            Change::Initial => pool.mapped(|text| text.chars().take(1).collect()),
                            Change::Plain | Change::Pad(_) => pool,
                        };
                        segments.push(Segment::Pool { slot: made.slot, pool });
                    }
                    Form::Value(kind) => segments.push(match change {
                        Change::Pad(width) => Segment::Padded {
                            slot: made.slot,
                            width,
                            nullable: made.nullable,
                        },
                        _ => Segment::Value {
                            slot: made.slot,
                            kind,
                            style,
                            nullable: made.nullable,
                        },
                    }),
                    Form::Template(inner) => segments.extend(inner),
                    Form::Uuid(key) => segments.push(Segment::Uuid { slot: made.slot, key }),
                }
            }
        }
    }
}

/// Days from one change of a row's value to the next.
fn period(column: &Column) -> u64 {
    ((1.0 / column.changes + 0.5) as u64).max(1)
}

fn span(min: i64, max: i64) -> u64 {
    (max.wrapping_sub(min) as u64).saturating_add(1)
}

struct Scope<'a> {
    surroundings: &'a Surroundings<'a>,
    table: usize,
    arguments: &'a [(String, Slot, u8)],
}

impl Names for Scope<'_> {
    fn column(&mut self, name: &str) -> (usize, u8) {
        let index = self
            .arguments
            .iter()
            .position(|(known, _, _)| known == name)
            .expect("collected before");
        (index, self.arguments[index].2)
    }

    fn rows(&self, table: Option<&str>) -> u64 {
        let index = table.map_or(self.table, |name| self.surroundings.table(name));
        self.surroundings.rows[index]
    }

    fn first_day(&self) -> i64 {
        self.calendar().first
    }

    fn last_day(&self) -> i64 {
        self.calendar().last
    }
}

impl Scope<'_> {
    fn calendar(&self) -> &Calendar {
        &self.surroundings.dataset.calendar
    }
}
