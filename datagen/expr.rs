//! Expressions over the columns of a row: `opening + movement`, `if(page == 3, 0, length)`.
//!
//! Values are integers with a number of decimals known beforehand, so results are exact to the last digit and the
//! same on every machine. Arithmetic saturates; division by zero gives null; null in gives null out.

use crate::problem::{Problem, did_you_mean};
use std::ops::Range;

/// What stands for null among the values of a block.
pub(crate) const NULL: i64 = i64::MIN;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expr {
    /// A number and its decimals.
    Number(i64, u8),
    /// A column of the row.
    Column(String, Range<usize>),
    /// The row's number from 0.
    Row,
    /// How many rows a table has.
    Rows(Option<String>, Range<usize>),
    FirstDay,
    LastDay,
    Binary(Operator, Box<Expr>, Box<Expr>),
    Call(Function, Vec<Expr>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Equal,
    NotEqual,
    And,
    Or,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Function {
    Abs,
    Min,
    Max,
    /// Whole-number division, rounding down.
    Div,
    If,
    IsNull,
    Year,
    Month,
    Day,
    Weekday,
    Week,
    Quarter,
    /// Days to seconds, and seconds to days.
    Midnight,
    DateOf,
}

const FUNCTIONS: &[(&str, Function, usize)] = &[
    ("abs", Function::Abs, 1),
    ("min", Function::Min, 2),
    ("max", Function::Max, 2),
    ("div", Function::Div, 2),
    ("if", Function::If, 3),
    ("is_null", Function::IsNull, 1),
    ("year", Function::Year, 1),
    ("month", Function::Month, 1),
    ("day", Function::Day, 1),
    ("weekday", Function::Weekday, 1),
    ("week", Function::Week, 1),
    ("quarter", Function::Quarter, 1),
    ("midnight", Function::Midnight, 1),
    ("date_of", Function::DateOf, 1),
];

/// Reads an expression; places in problems are shifted by `offset`, where the text stands in its file.
pub(crate) fn parse(text: &str, offset: usize) -> Result<Expr, Problem> {
    let mut parser = Parser {
        text,
        at: 0,
        offset,
        depth: 0,
    };
    let expr = parser.expression(0)?;
    parser.space();
    if parser.at < text.len() {
        return Err(parser.unexpected());
    }
    Ok(expr)
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    offset: usize,
    depth: u32,
}

impl Parser<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn take(&mut self, token: &str) -> bool {
        self.space();
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    fn span(&self, from: usize) -> Range<usize> {
        self.offset + from..self.offset + self.at.max(from + 1)
    }

    fn unexpected(&self) -> Problem {
        let label = match self.rest().chars().next() {
            Some(c) => format!("`{c}` is not expected here"),
            None => "something is missing at the end".to_owned(),
        };
        Problem::new(
            "bad-expression",
            "an expression cannot be read",
            self.span(self.at),
            label,
        )
    }

    fn word(&mut self) -> &str {
        let from = self.at;
        let length = self
            .rest()
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
            .unwrap_or(self.rest().len());
        self.at += length;
        &self.text[from..from + length]
    }

    fn expression(&mut self, level: usize) -> Result<Expr, Problem> {
        use Operator as O;
        const LEVELS: &[&[(&str, Operator)]] = &[
            &[("or ", O::Or)],
            &[("and ", O::And)],
            &[
                ("<=", O::LessEqual),
                (">=", O::GreaterEqual),
                ("==", O::Equal),
                ("!=", O::NotEqual),
                ("<", O::Less),
                (">", O::Greater),
            ],
            &[("+", O::Add), ("-", O::Subtract)],
            &[("*", O::Multiply), ("/", O::Divide), ("%", O::Remainder)],
        ];
        let Some(operators) = LEVELS.get(level) else {
            return self.atom();
        };
        let mut left = self.expression(level + 1)?;
        while let Some((_, operator)) = operators.iter().find(|(token, _)| self.take(token)) {
            let right = self.expression(level + 1)?;
            left = Expr::Binary(*operator, Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    fn atom(&mut self) -> Result<Expr, Problem> {
        self.depth += 1;
        if self.depth > 200 {
            return Err(Problem::new(
                "bad-expression",
                "an expression cannot be read",
                self.span(self.at),
                "nested too deeply",
            ));
        }
        let result = self.inner_atom();
        self.depth -= 1;
        result
    }

    fn inner_atom(&mut self) -> Result<Expr, Problem> {
        self.space();
        let from = self.at;
        if self.take("(") {
            let inner = self.expression(0)?;
            return if self.take(")") {
                Ok(inner)
            } else {
                Err(self.unexpected())
            };
        }
        if self.take("-") {
            let inner = self.atom()?;
            return Ok(Expr::Binary(
                Operator::Subtract,
                Box::new(Expr::Number(0, 0)),
                Box::new(inner),
            ));
        }
        if self.rest().starts_with(|c: char| c.is_ascii_digit()) {
            return self.number();
        }
        let word = self.word().to_owned();
        if word.is_empty() {
            return Err(self.unexpected());
        }
        if !self.take("(") {
            return Ok(match word.as_str() {
                "row" => Expr::Row,
                "first_day" => Expr::FirstDay,
                "last_day" => Expr::LastDay,
                "null" => Expr::Number(NULL, 0),
                _ => {
                    let span = self.offset + from..self.offset + from + word.len();
                    Expr::Column(word, span)
                }
            });
        }
        if word == "rows" {
            self.space();
            let name = self.word().to_owned();
            let span = self.span(from);
            return if self.take(")") {
                Ok(Expr::Rows((!name.is_empty()).then_some(name), span))
            } else {
                Err(self.unexpected())
            };
        }
        let Some((_, function, arity)) = FUNCTIONS.iter().find(|(name, ..)| *name == word) else {
            let mut problem = Problem::new(
                "bad-expression",
                "a function is not known",
                self.offset + from..self.offset + from + word.len(),
                format!("there is no function `{word}`"),
            );
            problem.hint = did_you_mean(&word, FUNCTIONS.iter().map(|(name, ..)| *name));
            return Err(problem);
        };
        let mut arguments = Vec::new();
        loop {
            arguments.push(self.expression(0)?);
            if self.take(")") {
                break;
            }
            if !self.take(",") {
                return Err(self.unexpected());
            }
        }
        if arguments.len() != *arity {
            return Err(Problem::new(
                "bad-expression",
                "a function has the wrong number of arguments",
                self.span(from),
                format!("`{word}` takes {arity}, {} are given", arguments.len()),
            ));
        }
        Ok(Expr::Call(*function, arguments))
    }

    fn number(&mut self) -> Result<Expr, Problem> {
        let from = self.at;
        let length = self
            .rest()
            .find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '_'))
            .unwrap_or(self.rest().len());
        self.at += length;
        let digits = self.text[from..self.at].replace('_', "");
        let decimals = digits.split_once('.').map_or(0, |(_, after)| after.len());
        match (digits.replace('.', "").parse::<i64>(), digits.matches('.').count()) {
            (Ok(units), 0 | 1) if decimals <= 9 => Ok(Expr::Number(units, decimals as u8)),
            _ => Err(Problem::new(
                "bad-expression",
                "a number cannot be read",
                self.span(from),
                "not a number we can hold",
            )),
        }
    }
}

impl Expr {
    /// Calls `visit` with each column named, and where.
    pub(crate) fn columns<'a>(&'a self, visit: &mut impl FnMut(&'a str, &Range<usize>)) {
        match self {
            Self::Column(name, span) => visit(name, span),
            Self::Binary(_, left, right) => {
                left.columns(visit);
                right.columns(visit);
            }
            Self::Call(_, arguments) => arguments.iter().for_each(|argument| argument.columns(visit)),
            Self::Number(..) | Self::Row | Self::Rows(..) | Self::FirstDay | Self::LastDay => {}
        }
    }

    /// Calls `visit` with each table whose number of rows is asked for.
    pub(crate) fn tables<'a>(&'a self, visit: &mut impl FnMut(&'a str, &Range<usize>)) {
        match self {
            Self::Rows(Some(name), span) => visit(name, span),
            Self::Binary(_, left, right) => {
                left.tables(visit);
                right.tables(visit);
            }
            Self::Call(_, arguments) => arguments.iter().for_each(|argument| argument.tables(visit)),
            _ => {}
        }
    }
}

/// One step of a compiled expression over registers of one row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Step {
    Number(i64),
    /// The value of an argument.
    Argument(usize),
    Row,
    Scale(u8),
    Unscale(u8),
    Binary(Operator),
    /// `left * 10^n / right`, rounded half away from zero.
    Divide(u8),
    Call(Function),
}

/// A compiled expression: steps over a small stack.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Program {
    steps: Vec<Step>,
    /// Decimals of the result.
    pub(crate) scale: u8,
}

/// What the compiler needs to know of the row's surroundings.
pub(crate) trait Names {
    /// Returns the argument index and the decimals of a column.
    fn column(&mut self, name: &str) -> (usize, u8);
    fn rows(&self, table: Option<&str>) -> u64;
    fn first_day(&self) -> i64;
    fn last_day(&self) -> i64;
}

impl Program {
    /// Compiles for a result of `scale` decimals. Names have been checked to exist.
    pub(crate) fn compile(expr: &Expr, scale: u8, names: &mut impl Names) -> Self {
        let mut steps = Vec::new();
        let found = emit(expr, scale, names, &mut steps);
        rescale(&mut steps, found, scale);
        Self { steps, scale }
    }

    /// Returns a program that hands its one argument on.
    pub(crate) fn copy() -> Self {
        Self {
            steps: vec![Step::Argument(0)],
            scale: 0,
        }
    }

    /// Returns a program that is null where its one argument is 0.
    pub(crate) fn null_if_zero() -> Self {
        Self {
            steps: vec![
                Step::Argument(0),
                Step::Number(1),
                Step::Number(NULL),
                Step::Call(Function::If),
            ],
            scale: 0,
        }
    }

    /// Returns a program that is null where either of its two arguments is.
    pub(crate) fn first_if_both() -> Self {
        Self {
            steps: vec![Step::Argument(0), Step::Argument(1), Step::Binary(Operator::And)],
            scale: 0,
        }
    }

    /// Returns a program that gives its one argument less one.
    pub(crate) fn minus_one() -> Self {
        Self {
            steps: vec![Step::Argument(0), Step::Number(1), Step::Binary(Operator::Subtract)],
            scale: 0,
        }
    }

    /// Whether it can give null where no argument is null.
    pub(crate) fn makes_null(&self) -> bool {
        self.steps.iter().any(|step| match step {
            Step::Number(number) => *number == NULL,
            Step::Divide(_) | Step::Binary(Operator::Remainder) | Step::Call(Function::Div) => true,
            _ => false,
        })
    }

    /// Whether it gives the same for the same arguments, whatever the row.
    pub(crate) fn is_blind_to_rows(&self) -> bool {
        !self.steps.iter().any(|step| matches!(step, Step::Row))
    }

    /// Computes a block, column by column through a stack of blocks.
    pub(crate) fn run<const B: usize>(&self, rows: &[i64; B], arguments: &[&[i64; B]], out: &mut [i64; B]) {
        let mut stack: Vec<[i64; B]> = Vec::with_capacity(8);
        for step in &self.steps {
            match step {
                Step::Number(number) => stack.push([*number; B]),
                Step::Argument(index) => stack.push(*arguments[*index]),
                Step::Row => stack.push(*rows),
                Step::Scale(digits) => {
                    let factor = 10i64.pow(u32::from(*digits));
                    apply(stack.last_mut(), |x| x.saturating_mul(factor));
                }
                Step::Unscale(digits) => {
                    let divisor = 10i64.pow(u32::from(*digits));
                    apply(stack.last_mut(), |x| round_divide(i128::from(x), i128::from(divisor)));
                }
                Step::Binary(operator) => {
                    let right = stack.pop().expect("compiled: two operands");
                    combine(*operator, stack.last_mut().expect("compiled: two operands"), &right);
                }
                Step::Divide(digits) => {
                    let right = stack.pop().expect("compiled: two operands");
                    let left = stack.last_mut().expect("compiled: two operands");
                    let factor = 10i128.pow(u32::from(*digits));
                    for (x, &y) in left.iter_mut().zip(&right) {
                        *x = if *x == NULL || y == NULL || y == 0 {
                            NULL
                        } else {
                            round_divide(i128::from(*x) * factor, i128::from(y))
                        };
                    }
                }
                Step::Call(function) => call(*function, &mut stack),
            }
        }
        *out = stack.pop().expect("compiled: one result");
    }
}

fn rescale(steps: &mut Vec<Step>, from: u8, to: u8) {
    match from.cmp(&to) {
        std::cmp::Ordering::Less => steps.push(Step::Scale(to - from)),
        std::cmp::Ordering::Greater => steps.push(Step::Unscale(from - to)),
        std::cmp::Ordering::Equal => {}
    }
}

/// Adds the steps of `expr` and returns the decimals of its value. `wanted` are the decimals of the whole.
fn emit(expr: &Expr, wanted: u8, names: &mut impl Names, steps: &mut Vec<Step>) -> u8 {
    match expr {
        Expr::Number(NULL, _) => {
            steps.push(Step::Number(NULL));
            wanted
        }
        Expr::Number(number, scale) => {
            steps.push(Step::Number(*number));
            *scale
        }
        Expr::Column(name, _) => {
            let (index, scale) = names.column(name);
            steps.push(Step::Argument(index));
            scale
        }
        Expr::Row => {
            steps.push(Step::Row);
            0
        }
        Expr::Rows(table, _) => {
            steps.push(Step::Number(
                i64::try_from(names.rows(table.as_deref())).unwrap_or(i64::MAX),
            ));
            0
        }
        Expr::FirstDay => {
            steps.push(Step::Number(names.first_day()));
            0
        }
        Expr::LastDay => {
            steps.push(Step::Number(names.last_day()));
            0
        }
        Expr::Binary(Operator::Divide, left, right) => {
            let a = emit(left, wanted, names, steps);
            let b = emit(right, wanted, names, steps);
            // The quotient gets the decimals wanted, and never fewer than its left side has.
            let scale = wanted.max(a);
            steps.push(Step::Divide((scale + b).saturating_sub(a)));
            scale
        }
        Expr::Binary(Operator::Multiply, left, right) => {
            let a = emit(left, wanted, names, steps);
            let b = emit(right, wanted, names, steps);
            steps.push(Step::Binary(Operator::Multiply));
            let limit = 9;
            if a + b > limit {
                steps.push(Step::Unscale(a + b - limit));
                return limit;
            }
            a + b
        }
        Expr::Binary(operator, left, right) => {
            let scale = aligned(&[left, right], wanted, names, steps);
            steps.push(Step::Binary(*operator));
            match operator {
                Operator::Add | Operator::Subtract | Operator::Remainder => scale,
                _ => 0,
            }
        }
        Expr::Call(function, arguments) => {
            use Function as F;
            match function {
                F::Min | F::Max | F::Div => {
                    let [left, right] = &arguments[..] else {
                        unreachable!("parsed: two arguments")
                    };
                    let scale = aligned(&[left, right], wanted, names, steps);
                    steps.push(Step::Call(*function));
                    if *function == F::Div { 0 } else { scale }
                }
                F::If => {
                    let [condition, yes, no] = &arguments[..] else {
                        unreachable!("parsed: three arguments")
                    };
                    emit(condition, 0, names, steps);
                    let scale = aligned(&[yes, no], wanted, names, steps);
                    steps.push(Step::Call(*function));
                    scale
                }
                F::Abs => {
                    let scale = emit(&arguments[0], wanted, names, steps);
                    steps.push(Step::Call(*function));
                    scale
                }
                _ => {
                    let scale = emit(&arguments[0], 0, names, steps);
                    if *function != F::IsNull {
                        rescale(steps, scale, 0);
                    }
                    steps.push(Step::Call(*function));
                    0
                }
            }
        }
    }
}

/// Emits two operands with equal decimals: the larger number of the two.
fn aligned(operands: &[&Expr; 2], wanted: u8, names: &mut impl Names, steps: &mut Vec<Step>) -> u8 {
    let mut first = Vec::new();
    let a = emit(operands[0], wanted, names, &mut first);
    let mut second = Vec::new();
    let b = emit(operands[1], wanted, names, &mut second);
    let scale = a.max(b);
    rescale(&mut first, a, scale);
    rescale(&mut second, b, scale);
    steps.append(&mut first);
    steps.append(&mut second);
    scale
}

fn apply<const B: usize>(block: Option<&mut [i64; B]>, change: impl Fn(i64) -> i64) {
    for x in block.expect("compiled: one operand") {
        *x = if *x == NULL { NULL } else { change(*x) };
    }
}

fn round_divide(value: i128, divisor: i128) -> i64 {
    let half = divisor.abs() / 2;
    let quotient = (value + half * value.signum()) / divisor;
    i64::try_from(quotient).unwrap_or(if quotient > 0 { i64::MAX } else { i64::MIN + 1 })
}

fn combine<const B: usize>(operator: Operator, left: &mut [i64; B], right: &[i64; B]) {
    fn each<const B: usize>(left: &mut [i64; B], right: &[i64; B], join: impl Fn(i64, i64) -> i64) {
        for (x, &y) in left.iter_mut().zip(right) {
            *x = if *x == NULL || y == NULL { NULL } else { join(*x, y) };
        }
    }
    // A saturated negative result must not become null.
    let held = |x: i64| x.max(i64::MIN + 1);
    match operator {
        Operator::Add => each(left, right, |x, y| held(x.saturating_add(y))),
        Operator::Subtract => each(left, right, |x, y| held(x.saturating_sub(y))),
        Operator::Multiply => each(left, right, |x, y| held(x.saturating_mul(y))),
        Operator::Remainder => each(left, right, |x, y| if y == 0 { NULL } else { x.rem_euclid(y) }),
        Operator::Less => each(left, right, |x, y| i64::from(x < y)),
        Operator::LessEqual => each(left, right, |x, y| i64::from(x <= y)),
        Operator::Greater => each(left, right, |x, y| i64::from(x > y)),
        Operator::GreaterEqual => each(left, right, |x, y| i64::from(x >= y)),
        Operator::Equal => each(left, right, |x, y| i64::from(x == y)),
        Operator::NotEqual => each(left, right, |x, y| i64::from(x != y)),
        Operator::And => each(left, right, |x, y| i64::from(x != 0 && y != 0)),
        Operator::Or => each(left, right, |x, y| i64::from(x != 0 || y != 0)),
        Operator::Divide => unreachable!("compiled to its own step"),
    }
}

fn call<const B: usize>(function: Function, stack: &mut Vec<[i64; B]>) {
    use crate::calendar::{civil, iso_week, weekday};
    const LIMIT: i64 = 1_000_000_000;
    match function {
        Function::If => {
            let no = stack.pop().expect("compiled: three operands");
            let yes = stack.pop().expect("compiled: three operands");
            for (x, (y, n)) in stack
                .last_mut()
                .expect("compiled: three operands")
                .iter_mut()
                .zip(yes.iter().zip(&no))
            {
                *x = if *x != NULL && *x != 0 { *y } else { *n };
            }
        }
        Function::Min | Function::Max | Function::Div => {
            let right = stack.pop().expect("compiled: two operands");
            for (x, &y) in stack.last_mut().expect("compiled: two operands").iter_mut().zip(&right) {
                *x = match function {
                    _ if *x == NULL || y == NULL => NULL,
                    Function::Min => (*x).min(y),
                    Function::Max => (*x).max(y),
                    _ if y == 0 => NULL,
                    _ => x.div_euclid(y),
                };
            }
        }
        Function::IsNull => {
            for x in stack.last_mut().expect("compiled: one operand") {
                *x = i64::from(*x == NULL);
            }
        }
        Function::Abs => apply(stack.last_mut(), i64::abs),
        Function::Year => apply(stack.last_mut(), |x| civil(x.clamp(-LIMIT, LIMIT)).0),
        Function::Month => apply(stack.last_mut(), |x| i64::from(civil(x.clamp(-LIMIT, LIMIT)).1)),
        Function::Day => apply(stack.last_mut(), |x| i64::from(civil(x.clamp(-LIMIT, LIMIT)).2)),
        Function::Weekday => apply(stack.last_mut(), |x| weekday(x.clamp(-LIMIT, LIMIT))),
        Function::Week => apply(stack.last_mut(), |x| iso_week(x.clamp(-LIMIT, LIMIT))),
        Function::Quarter => apply(stack.last_mut(), |x| {
            (i64::from(civil(x.clamp(-LIMIT, LIMIT)).1) + 2) / 3
        }),
        Function::Midnight => apply(stack.last_mut(), |x| x.saturating_mul(86_400).max(i64::MIN + 1)),
        Function::DateOf => apply(stack.last_mut(), |x| x.div_euclid(86_400)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Two;

    impl Names for Two {
        fn column(&mut self, name: &str) -> (usize, u8) {
            if name == "cents" { (0, 2) } else { (1, 0) }
        }
        fn rows(&self, _: Option<&str>) -> u64 {
            1_000
        }
        fn first_day(&self) -> i64 {
            18_262
        }
        fn last_day(&self) -> i64 {
            20_088
        }
    }

    fn value(text: &str, scale: u8, cents: i64, whole: i64) -> i64 {
        let expr = parse(text, 0).unwrap_or_else(|problem| panic!("{text}: {problem}"));
        let mut out = [0; 1];
        Program::compile(&expr, scale, &mut Two).run(&[7], &[&[cents], &[whole]], &mut out);
        out[0]
    }

    #[test]
    fn arithmetic_keeps_decimals_and_rounds_half_away_from_zero() {
        assert_eq!(value("cents + whole", 2, 150, 2), 350);
        assert_eq!(value("cents * 0.15", 2, 333, 0), 50);
        assert_eq!(value("(cents + 1.01) / 2", 2, 200, 0), 151);
        assert_eq!(value("-cents / 2", 2, 101, 0), -51);
        assert_eq!(value("cents", 0, 250, 0), 3);
        assert_eq!(value("whole / 3", 2, 0, 2), 67);
        assert_eq!(value("1 + 2 * 3", 0, 0, 0), 7);
        assert_eq!(value("div(row, 2) + rows(t) % 7", 0, 0, 0), 3 + 6);
    }

    #[test]
    fn conditions_dates_and_nulls() {
        assert_eq!(value("if(whole > 3 and cents < 1, 1, 2)", 0, 99, 4), 1);
        assert_eq!(value("if(whole > 3 or 1 == 2, 0.5, 2)", 1, 0, 3), 20);
        assert_eq!(
            value("year(first_day) * 100 + month(last_day)", 0, 0, 0),
            2_020 * 100 + 12
        );
        assert_eq!(value("whole / 0", 0, 0, 1), NULL);
        assert_eq!(value("whole + 1", 0, 0, NULL), NULL);
        assert_eq!(value("if(is_null(whole), 1, 0)", 0, 0, NULL), 1);
        assert_eq!(value("if(1 == 1, null, 0)", 2, 0, 0), NULL);
    }

    #[test]
    fn extremes_saturate_instead_of_overflowing() {
        assert_eq!(value("whole * whole", 0, 0, i64::MAX), i64::MAX);
        assert_eq!(value("0 - whole - whole", 0, 0, i64::MAX), i64::MIN + 1);
    }

    #[test]
    fn mistakes_name_their_place() {
        let problem = parse("cents + maxx(1, 2)", 100).expect_err("no such function");
        assert_eq!(
            (problem.span, problem.hint.as_deref()),
            (108..112, Some("did you mean `max`?"))
        );
        for text in ["", "1 +", "(1", "1 1", "max(1)", "1.2.3", "a $ b", &"(".repeat(500)] {
            assert!(parse(text, 0).is_err(), "{text}");
        }
    }
}
