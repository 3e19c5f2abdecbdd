//! Finds what is wrong between the parts of a definition: names that do not exist, circles, columns whose parts
//! do not fit together. What depends on the number of rows asked for is checked by the plan.

use crate::definition::{At, Column, Dataset, Generator, Layout, Rows, Table, Type};
use crate::expr;
use crate::pool;
use crate::problem::{Problem, did_you_mean};
use crate::template::{self, Piece};
use std::collections::HashMap;

/// The longest chain of columns made from each other; compiling follows it with the machine's stack.
const DEEPEST: usize = 100;

/// A column by table and place.
type Id = (usize, usize);

pub(crate) fn dataset(dataset: &Dataset) -> Vec<Problem> {
    let mut checker = Checker {
        dataset,
        problems: Vec::new(),
        needs: HashMap::new(),
    };
    for (index, table) in dataset.tables.iter().enumerate() {
        checker.table(index, table);
    }
    if checker.problems.is_empty() {
        checker.circles();
    }
    checker.problems
}

struct Checker<'a> {
    dataset: &'a Dataset,
    problems: Vec<Problem>,
    /// The columns each column is made from.
    needs: HashMap<Id, Vec<Id>>,
}

impl Checker<'_> {
    fn table(&mut self, index: usize, table: &Table) {
        for earlier in &self.dataset.tables[..index] {
            if earlier.name.value.eq_ignore_ascii_case(&table.name.value) {
                self.problems.push(duplicate(&table.name, "a table"));
            } else if earlier.folder == table.folder {
                let label = format!("`{}` writes to `{}` too", earlier.name.value, table.folder);
                let span = table.name.span.clone();
                self.problems
                    .push(Problem::new("duplicate-name", "two tables share a folder", span, label));
            }
        }
        if !table.columns.iter().any(|column| !column.hidden) {
            self.problems.push(Problem::new(
                "no-columns",
                "a table has nothing to write",
                table.name.span.clone(),
                "every column is hidden, or there is none",
            ));
        }
        if let Rows::Each { table: of, .. } = &table.rows {
            self.find_table(of);
        }
        match &table.layout {
            Layout::Files => {}
            Layout::Days | Layout::DayPath(_) if !table.by_day => self.problems.push(
                Problem::new(
                    "not-by-day",
                    "a layout by day needs rows that lie along the calendar",
                    table.name.span.clone(),
                    "the rows of this table have no day",
                )
                .hint("add `by_day = true`"),
            ),
            Layout::Days | Layout::DayPath(_) => {}
            Layout::Object(column) => {
                self.find_column(index, column);
            }
        }
        for (place, column) in table.columns.iter().enumerate() {
            for earlier in &table.columns[..place] {
                if earlier.name.value.eq_ignore_ascii_case(&column.name.value) {
                    self.problems.push(duplicate(&column.name, "a column"));
                }
            }
            let needs = self.column(index, column);
            self.needs.insert((index, place), needs);
        }
    }

    fn find_table(&mut self, name: &At<String>) -> Option<usize> {
        let found = self.dataset.tables.iter().position(|t| t.name.value == name.value);
        if found.is_none() {
            let mut problem = Problem::new(
                "unknown-table",
                "a table does not exist",
                name.span.clone(),
                format!("there is no table `{}`", name.value),
            );
            problem.hint = did_you_mean(&name.value, self.dataset.table_names());
            self.problems.push(problem);
        }
        found
    }

    fn find_column(&mut self, table: usize, name: &At<String>) -> Option<usize> {
        let definition = &self.dataset.tables[table];
        let found = definition.columns.iter().position(|c| c.name.value == name.value);
        if found.is_none() {
            let mut problem = Problem::new(
                "unknown-column",
                "a column does not exist",
                name.span.clone(),
                format!("`{}` has no column `{}`", definition.name.value, name.value),
            );
            problem.hint = did_you_mean(&name.value, definition.columns.iter().map(|c| c.name.value.as_str()));
            self.problems.push(problem);
        }
        found
    }

    fn find_target(&mut self, target: &At<String>) -> Option<Id> {
        let Some((table, column)) = target.value.split_once('.') else {
            self.problems.push(
                Problem::new(
                    "bad-reference",
                    "a reference is not complete",
                    target.span.clone(),
                    "no `.` in it",
                )
                .hint("write `table.column`"),
            );
            return None;
        };
        let table = self.find_table(&At {
            value: table.to_owned(),
            span: target.span.clone(),
        })?;
        let column = self.find_column(
            table,
            &At {
                value: column.to_owned(),
                span: target.span.clone(),
            },
        )?;
        Some((table, column))
    }

    /// Checks one column and returns the columns it is made from.
    fn column(&mut self, table: usize, column: &Column) -> Vec<Id> {
        if let Some(target) = &column.references {
            self.find_target(target);
        }
        let definition = &self.dataset.tables[table];
        let generator = &column.generator;
        let mut needs = Vec::new();
        for name in [&column.by, &column.only_if].into_iter().flatten() {
            needs.extend(self.find_number(table, name).map(|found| (table, found)));
        }
        match &generator.value {
            Generator::Ref { target, .. } => {
                if let Some(id) = self.find_target(target) {
                    self.same_type(column, id);
                    needs.push(id);
                }
            }
            Generator::Lookup { via, column: target } => {
                let Some(via_index) = self.find_column(table, via) else {
                    return needs;
                };
                needs.push((table, via_index));
                match &definition.columns[via_index].generator.value {
                    Generator::Ref { target: parent, .. } => {
                        let parent = parent.value.split_once('.').map(|(name, _)| name);
                        let parent = parent.and_then(|p| self.dataset.tables.iter().position(|t| t.name.value == p));
                        if let Some(parent) = parent
                            && let Some(found) = self.find_column(parent, target)
                        {
                            self.same_type(column, (parent, found));
                            needs.push((parent, found));
                        }
                    }
                    _ => self.problems.push(
                        Problem::new(
                            "bad-reference",
                            "a lookup needs a column that refers to a row",
                            via.span.clone(),
                            format!("`{}` is not made by `ref`", via.value),
                        )
                        .hint("name a column with `gen = \"ref\"` in `via`"),
                    ),
                }
            }
            Generator::Part { of, part } => {
                let Some(of_index) = self.find_column(table, of) else {
                    return needs;
                };
                needs.push((table, of_index));
                let known: &[&str] = match &definition.columns[of_index].generator.value {
                    Generator::Pool { kind, .. } => pool::parts(kind),
                    _ => &[],
                };
                if !known.contains(&part.value.as_str()) {
                    let mut problem = Problem::new(
                        "unknown-name",
                        "a part is not known",
                        part.span.clone(),
                        format!("`{}` has no part `{}`", of.value, part.value),
                    );
                    problem.hint = did_you_mean(&part.value, known.iter().copied());
                    self.problems.push(problem);
                }
                self.wants_text(column);
            }
            Generator::Day | Generator::Time => {
                let wanted = if generator.value == Generator::Day {
                    Type::Date
                } else {
                    Type::Timestamp
                };
                if !definition.by_day {
                    self.problems.push(
                        Problem::new(
                            "not-by-day",
                            "a day needs rows that lie along the calendar",
                            generator.span.clone(),
                            "the rows of this table have no day",
                        )
                        .hint("add `by_day = true` to the table"),
                    );
                }
                if column.kind != wanted {
                    self.wrong_type(column, &format!("makes a {}", wanted.name()));
                }
            }
            Generator::Changed { of } => {
                if column.kind != Type::Date {
                    self.wrong_type(column, "makes a date");
                }
                if let Some(found) = self.find_column(table, of) {
                    let changing = &definition.columns[found];
                    needs.extend(
                        changing
                            .by
                            .iter()
                            .filter_map(|by| Some((table, self.find_column(table, by)?))),
                    );
                    if changing.changes == 0.0 {
                        let label = format!("`{}` stays what it is", of.value);
                        self.problems.push(
                            Problem::new("bad-change", "a column does not change", of.span.clone(), label)
                                .hint("give it `changes`, such as `changes = \"0.1%\"`"),
                        );
                    }
                }
            }
            Generator::Template(text) => {
                self.wants_text(column);
                match template::parse(&text.value, text.span.start + 1) {
                    Ok(pieces) => {
                        for piece in pieces {
                            let Piece::Column { name, span, change } = piece else {
                                continue;
                            };
                            let Some(found) = self.find_column(
                                table,
                                &At {
                                    value: name,
                                    span: span.clone(),
                                },
                            ) else {
                                continue;
                            };
                            if matches!(change, template::Change::Pad(_)) && !definition.columns[found].kind.is_number()
                            {
                                self.problems.push(Problem::new(
                                    "bad-template",
                                    "only numbers can be padded",
                                    span,
                                    format!("this column is {}", definition.columns[found].kind.name()),
                                ));
                            }
                            needs.push((table, found));
                        }
                    }
                    Err(problem) => self.problems.push(problem),
                }
            }
            Generator::Expr(text) => {
                if matches!(column.kind, Type::Text | Type::Uuid) {
                    self.wrong_type(column, "makes numbers, dates, times and booleans");
                }
                match expr::parse(&text.value, text.span.start + 1) {
                    Ok(parsed) => {
                        let mut columns = Vec::new();
                        parsed.columns(&mut |name, span| columns.push((name.to_owned(), span.clone())));
                        for (value, span) in columns {
                            let Some(found) = self.find_column(
                                table,
                                &At {
                                    value,
                                    span: span.clone(),
                                },
                            ) else {
                                continue;
                            };
                            if self.is_text((table, found)) {
                                self.problems.push(Problem::new(
                                    "bad-expression",
                                    "a text stands in an expression",
                                    span,
                                    "expressions work on numbers, dates, times and booleans",
                                ));
                            }
                            needs.push((table, found));
                        }
                        let mut tables = Vec::new();
                        parsed.tables(&mut |name, span| {
                            tables.push(At {
                                value: name.to_owned(),
                                span: span.clone(),
                            })
                        });
                        for name in tables {
                            self.find_table(&name);
                        }
                    }
                    Err(problem) => self.problems.push(problem),
                }
            }
            Generator::Walk { entity, step, base, .. } => {
                for name in [entity, step, base] {
                    needs.extend(self.find_number(table, name).map(|found| (table, found)));
                }
            }
            Generator::Names { of, .. } => {
                self.wants_text(column);
                needs.extend(self.find_number(table, of).map(|found| (table, found)));
            }
            Generator::Pool { .. } => self.wants_text(column),
            Generator::Bool { .. } if column.kind != Type::Boolean => self.wrong_type(column, "makes booleans"),
            Generator::Uuid if column.kind != Type::Uuid => self.wrong_type(column, "makes uuids"),
            Generator::Choice { .. } | Generator::List { .. } if column.kind == Type::Uuid => {
                self.wrong_type(column, "cannot list uuids");
            }
            _ => {}
        }
        if column.changes > 0.0
            && matches!(
                generator.value,
                Generator::Sequence { .. } | Generator::Unique { .. } | Generator::Day | Generator::Time
            )
        {
            self.problems.push(
                Problem::new(
                    "bad-change",
                    "a column that identifies its row cannot change",
                    generator.span.clone(),
                    "keys and days stay what they are",
                )
                .hint("remove `changes`"),
            );
        }
        needs
    }

    /// Finds a column that must not be text.
    fn find_number(&mut self, table: usize, name: &At<String>) -> Option<usize> {
        let found = self.find_column(table, name)?;
        if self.is_text((table, found)) {
            self.problems.push(Problem::new(
                "wrong-type",
                "a number is needed",
                name.span.clone(),
                format!("`{}` is text", name.value),
            ));
        }
        Some(found)
    }

    fn is_text(&self, (table, column): Id) -> bool {
        matches!(self.dataset.tables[table].columns[column].kind, Type::Text | Type::Uuid)
    }

    fn wants_text(&mut self, column: &Column) {
        if column.kind != Type::Text {
            self.wrong_type(column, "makes text");
        }
    }

    fn wrong_type(&mut self, column: &Column, makes: &str) {
        self.problems.push(Problem::new(
            "wrong-generator",
            "a generator cannot make this type",
            column.generator.span.clone(),
            format!("this generator {makes}, and the column is {}", column.kind.name()),
        ));
    }

    fn same_type(&mut self, column: &Column, (table, target): Id) {
        let other = &self.dataset.tables[table].columns[target];
        let integers = [Type::SmallInt, Type::Int, Type::BigInt];
        let fits = column.kind == other.kind || (integers.contains(&column.kind) && integers.contains(&other.kind));
        if !fits {
            self.problems.push(
                Problem::new(
                    "wrong-type",
                    "a column has another type than the one it repeats",
                    column.span.clone(),
                    format!("{} here, {} there", column.kind.name(), other.kind.name()),
                )
                .hint(format!("write `type = \"{}\"`", other.kind.name())),
            );
        }
    }

    /// Reports every circle of columns once, at the first of its columns in the text.
    fn circles(&mut self) {
        let mut done: HashMap<Id, bool> = HashMap::new();
        let mut ids: Vec<Id> = self.needs.keys().copied().collect();
        ids.sort_unstable();
        for start in ids {
            // An explicit stack: a hostile definition can chain very many columns.
            let mut path = vec![(start, 0usize)];
            if done.contains_key(&start) {
                continue;
            }
            done.insert(start, false);
            while let Some((id, next)) = path.last_mut() {
                let needs = &self.needs[id];
                let Some(&need) = needs.get(*next) else {
                    done.insert(*id, true);
                    path.pop();
                    continue;
                };
                *next += 1;
                match done.get(&need) {
                    Some(true) => {}
                    None if path.len() >= DEEPEST => {
                        let column = &self.dataset.tables[need.0].columns[need.1];
                        self.problems.push(Problem::new(
                            "too-deep",
                            "columns are made from each other in too long a chain",
                            column.generator.span.clone(),
                            format!("more than {DEEPEST} columns stand behind one"),
                        ));
                        return;
                    }
                    None => {
                        done.insert(need, false);
                        path.push((need, 0));
                    }
                    Some(false) => {
                        let from = path.iter().position(|(id, _)| *id == need).unwrap_or(0);
                        let names: Vec<String> = path[from..]
                            .iter()
                            .map(|(id, _)| *id)
                            .chain([need])
                            .map(|id| self.name(id))
                            .collect();
                        let column = &self.dataset.tables[need.0].columns[need.1];
                        self.problems.push(Problem::new(
                            "cyclic-reference",
                            "columns are made from each other in a circle",
                            column.generator.span.clone(),
                            names.join(" needs "),
                        ));
                    }
                }
            }
        }
    }

    fn name(&self, (table, column): Id) -> String {
        let table = &self.dataset.tables[table];
        format!("`{}.{}`", table.name.value, table.columns[column].name.value)
    }
}

fn duplicate(name: &At<String>, what: &str) -> Problem {
    Problem::new(
        "duplicate-name",
        format!("{what} has a name that is taken"),
        name.span.clone(),
        format!("`{}` is there twice", name.value),
    )
}
