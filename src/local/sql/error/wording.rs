//! What the planner and the executor say, in Redshift's words and with its SQLSTATE.

use datafusion::common::DataFusionError;

use super::SqlError;

const NO_FUNCTION: &str =
    "No function matches the given name and argument types. You may need to add explicit type casts.";

/// What a plan may not have inside: some subqueries stay in it that nothing joins to their outer query.
pub const CORRELATED: &str = "a subquery that names its outer query in this way";

pub fn plan(message: &str) -> SqlError {
    let line = first_line(message);
    let error = grouping(&line)
        .or_else(|| shape(&line))
        .or_else(|| types(&line))
        .or_else(|| functions(&line));
    error.unwrap_or_else(|| {
        let lower = line.to_lowercase();
        let mistyped = ["cannot coerce", "cannot infer common", "type coercion"];
        let state = if mistyped.iter().any(|words| lower.contains(words)) {
            "42804"
        } else {
            "42601"
        };
        SqlError::new(state, &line)
    })
}

/// Aggregates and groups.
fn grouping(line: &str) -> Option<SqlError> {
    let wrong = |message: String| Some(SqlError::new("42803", message));
    let ungrouped = between(line, "column \"", "\" must appear in the GROUP BY").or_else(|| {
        let clause = line.strip_prefix("HAVING clause references: ")?;
        clause.split(' ').next()
    });
    if let Some(column) = ungrouped {
        return wrong(format!(
            "column \"{column}\" must appear in the GROUP BY clause or be used in an aggregate function"
        ));
    }
    if line.starts_with("Aggregate function calls cannot be nested") {
        return wrong("aggregate function calls may not be nested".into());
    }
    if line.starts_with("Aggregate functions are not allowed in the WHERE clause") {
        return wrong("aggregates not allowed in WHERE clause".into());
    }
    let lower = line.to_lowercase();
    let groups = lower.contains("must be part of group by") || lower.contains("aggregat") && lower.contains("group by");
    if groups { wrong(line.into()) } else { None }
}

/// How many columns there are.
fn shape(line: &str) -> Option<SqlError> {
    if let Some(position) = between(line, "Order by column out of bounds, specified: ", ",") {
        let message = format!("ORDER BY position {position} is not in select list");
        return Some(SqlError::new("42P10", message));
    }
    if let Some(position) = between(line, "Cannot find column with position ", " in SELECT clause") {
        let message = format!("GROUP BY position {position} is not in select list");
        return Some(SqlError::new("42P10", message));
    }
    if let Some((operation, _)) = line.split_once(" queries have different number of columns") {
        let message = format!("each {operation} query must have the same number of columns");
        return Some(SqlError::syntax(message));
    }
    if line.starts_with("Inconsistent data length across values list") {
        return Some(SqlError::syntax("VALUES lists must all be the same length"));
    }
    if line.starts_with("WITH query name ") {
        return Some(SqlError::new("42712", line));
    }
    None
}

/// Operators and clauses that want other types.
fn types(line: &str) -> Option<SqlError> {
    if let Some(given) = line
        .strip_prefix("Cannot create filter with non-boolean predicate")
        .and_then(|rest| rest.rsplit_once(" returning "))
    {
        return Some(not_boolean("WHERE", given.1));
    }
    if let Some(given) = line.strip_prefix("Unary operator 'NOT' requires a boolean expression, got ") {
        return Some(not_boolean("NOT", given));
    }
    if let Some(operation) = line.strip_prefix("Cannot infer common argument type for logical boolean operation ") {
        let (left, operator, right) = operands(operation)?;
        let given = if left == "Boolean" { right } else { left };
        return Some(not_boolean(operator, given));
    }
    let operation = between(line, "Cannot coerce arithmetic expression ", " to valid types")
        .or_else(|| line.strip_prefix("Cannot infer common argument type for comparison operation "))?;
    let (left, operator, right) = operands(operation)?;
    Some(SqlError::no_operator(type_name(left), operator, type_name(right)))
}

fn not_boolean(clause: &str, given: &str) -> SqlError {
    let message = format!(
        "argument of {clause} must be type boolean, not type {}",
        type_name(given)
    );
    SqlError::new("42804", message)
}

fn functions(line: &str) -> Option<SqlError> {
    let none =
        |call: String| Some(SqlError::new("42883", format!("function {call} does not exist")).with_hint(NO_FUNCTION));
    if line.starts_with("Invalid function") {
        return none(format!("{}()", between(line, "'", "'").unwrap_or_default()));
    }
    // The planner's word for SUPER.
    let documents = |given: &str| given.contains("Binary");
    let unsupported = |name: &str| {
        let name = name.trim_start_matches('$');
        Some(SqlError::unsupported(format!("{name} of data type super")))
    };
    if let Some((name, given)) = between(line, "argument types '", ")'").and_then(|call| call.split_once('(')) {
        if documents(given) {
            return unsupported(name);
        }
        let given: Vec<&str> = parted(given).map(type_name).collect();
        if name == "coalesce" {
            let message = format!("COALESCE types {} cannot be matched", given.join(" and "));
            return Some(SqlError::new("42804", message));
        }
        return none(format!("{name}({})", given.join(", ")));
    }
    if let Some(name) = between(line, "Function '", "' failed to match any signature")
        && let Some(given) = between(line, "(DataType: ", ")")
    {
        return match documents(given) {
            true => unsupported(name),
            false => none(format!("{name}({})", type_name(given))),
        };
    }
    let lower = line.to_lowercase();
    let mismatches = [
        "no function matches",
        "failed to coerce",
        "error during planning: function",
    ];
    let mismatched = mismatches.iter().any(|words| lower.contains(words));
    mismatched.then(|| SqlError::new("42883", line).with_hint(NO_FUNCTION))
}

pub fn not_implemented(message: &str) -> SqlError {
    let inside = message.strip_prefix("Physical plan does not support logical expression ");
    let Some((name, _)) = inside.and_then(|expression| expression.split_once('(')) else {
        return SqlError::unsupported(first_line(message));
    };
    match name {
        "Exists" | "InSubquery" => SqlError::unsupported("EXISTS or IN over a query in this place"),
        "ScalarSubquery" | "SetComparison" => SqlError::unsupported(CORRELATED),
        "WindowFunction" => SqlError::new("42P20", "window functions not allowed in WHERE clause"),
        "AggregateFunction" => SqlError::new("42803", "aggregates not allowed in JOIN conditions"),
        _ => SqlError::unsupported(first_line(message)),
    }
}

pub fn execution(message: &str) -> SqlError {
    let line = first_line(message);
    if line == "Scalar subquery returned more than one row" {
        return SqlError::new(
            "21000",
            "more than one row returned by a subquery used as an expression",
        );
    }
    if message.contains("regex parse error")
        && let Some(reason) = message.lines().find_map(|line| line.strip_prefix("error: "))
    {
        return SqlError::new("2201B", format!("invalid regular expression: {reason}"));
    }
    SqlError::internal(line)
}

pub fn out_of_memory(message: &str) -> SqlError {
    SqlError::new("53200", "out of memory").with_detail(first_line(message))
}

pub fn arrow(message: &str) -> SqlError {
    let lower = message.to_lowercase();
    if lower.contains("divide by zero") {
        SqlError::new("22012", "division by zero")
    } else if lower.contains("overflow") || lower.contains("can't be stored") || lower.contains("too large to store") {
        SqlError::new("22003", "Numeric data overflow (result precision)").with_detail(first_line(message))
    } else if lower.starts_with("cast error") || lower.starts_with("parser error") {
        SqlError::new("22P02", first_line(message))
    } else {
        execution(message)
    }
}

pub fn other(error: &DataFusionError) -> SqlError {
    execution(&error.strip_backtrace())
}

/// Returns what is between two texts.
fn between<'a>(line: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(before)?;
    rest.split_once(after).map(|(found, _)| found)
}

/// Returns what is between the commas, those inside of brackets left alone.
fn parted(list: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0;
    list.split(move |c| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        c == ',' && depth == 0
    })
    .map(str::trim)
}

/// Takes `Int32 + Timestamp(µs, "UTC")` apart.
fn operands(operation: &str) -> Option<(&str, &str, &str)> {
    let mut words = operation.match_indices(' ').map(|(place, _)| place);
    let start = words.find(|place| {
        let word = operation[place + 1..].split(' ').next().unwrap_or_default();
        let symbol = !word.is_empty() && word.chars().all(|c| "+-*/%<>=!|&#~^".contains(c));
        symbol || matches!(word, "AND" | "OR" | "IS" | "LIKE")
    })?;
    let (left, rest) = (&operation[..start], &operation[start + 1..]);
    let (operator, right) = rest.split_once(' ')?;
    Some((left, operator, right))
}

/// Returns what Redshift calls a type that is written as the executor writes it.
fn type_name(held: &str) -> &str {
    match held.split('(').next().unwrap_or_default() {
        "Boolean" => "boolean",
        "Int8" | "Int16" => "smallint",
        "Int32" => "integer",
        "Int64" | "UInt64" => "bigint",
        "Float32" => "real",
        "Float64" => "double precision",
        "Decimal128" | "Decimal256" => "numeric",
        "Utf8" | "Utf8View" | "LargeUtf8" => "character varying",
        "Date32" => "date",
        "Time64" => "time without time zone",
        "Timestamp" if held.contains('"') => "timestamp with time zone",
        "Timestamp" => "timestamp without time zone",
        "Interval" => "interval",
        "Null" => "unknown",
        _ => held,
    }
}

fn first_line(message: &str) -> String {
    let message = message.split("\n\nbacktrace").next().unwrap_or(message);
    let message = message
        .trim_start_matches("Error during planning: ")
        .trim_start_matches("Execution error: ");
    message.lines().next().unwrap_or(message).trim_end().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_taken_apart() {
        let operation = r#"Timestamp(µs, "UTC") + Decimal128(10, 2)"#;
        let (left, operator, right) = operands(operation).unwrap();
        assert_eq!(type_name(left), "timestamp with time zone");
        assert_eq!((operator, type_name(right)), ("+", "numeric"));
    }
}
