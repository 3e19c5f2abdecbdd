//! What is live written back into the text of a stack file, as little of it as can be: comments, order and spacing
//! stay. Every edit is checked afterwards; one that would mean anything else is not made.

use crate::address::Reference;
use crate::check::{Checked, default_of_type};
use crate::declare::Known;
use crate::drift::{Class, Drift};
use crate::full_form::quoted;
use crate::journal::Ledger;
use crate::normalise;
use crate::schema::{Compare, Type};
use crate::stack::{Resource, Stack};
use crate::value::Value;
use std::ops::Range;

/// A file with drift written into it.
#[derive(Clone, Debug, PartialEq)]
pub struct Accepted {
    pub text: String,
    /// The differences that the file says now.
    pub written: Vec<Drift>,
    /// The others, each with why not.
    pub refused: Vec<(Drift, String)>,
}

/// Writes what is live into the file, where a file can say it. `check` checks a text as the file is checked.
pub fn accept(text: &str, check: &dyn Fn(&str) -> Checked, ledger: &Ledger, found: &[Drift]) -> Accepted {
    let mut accepted = Accepted {
        text: text.to_owned(),
        written: Vec::new(),
        refused: Vec::new(),
    };
    for drift in found.iter().filter(|drift| drift.class != Class::Pending) {
        match write(&accepted.text, check, ledger, drift) {
            Ok(text) => {
                accepted.text = text;
                accepted.written.push(drift.clone());
            }
            Err(why) => accepted.refused.push((drift.clone(), why)),
        }
    }
    accepted
}

fn write(text: &str, check: &dyn Fn(&str) -> Checked, ledger: &Ledger, drift: &Drift) -> Result<String, String> {
    let (Class::Changed | Class::Extra, Some(field), Some(found)) = (drift.class, &drift.field, &drift.found) else {
        return Err(match drift.class {
            Class::Deleted => "remove it from the file, or let `--revert` make it again".to_owned(),
            _ => "a stack file cannot say this".to_owned(),
        });
    };
    let Some(stack) = check(text).stack else {
        return Err("the file has errors".to_owned());
    };
    let Some(resource) = stack.get(&drift.address) else {
        return Err("it is no longer in the file".to_owned());
    };
    let wanted = |edited: &String| means(check, &stack, edited, ledger, drift, field, found);
    edits(text, resource, ledger, field, found)
        .into_iter()
        .find(wanted)
        .ok_or_else(|| "it is not written where a line could be changed: change it by hand".to_owned())
}

/// Whether the edited text says what was found, and nothing else differently.
fn means(
    check: &dyn Fn(&str) -> Checked,
    before: &Stack,
    edited: &str,
    ledger: &Ledger,
    drift: &Drift,
    field: &str,
    found: &Value,
) -> bool {
    let Some(after) = check(edited).stack else { return false };
    let others_stay = before.resources.len() == after.resources.len()
        && before.resources.iter().all(|(address, old)| {
            after.get(address).is_some_and(|new| {
                let same = |name: &String| {
                    (*address == drift.address && name == field) || old.fields.get(name) == new.fields.get(name)
                };
                old.protect == new.protect && old.fields.keys().chain(new.fields.keys()).all(same)
            })
        });
    let says = after.get(&drift.address).is_some_and(|resource| {
        let value = resource.fields.get(field).cloned().unwrap_or(Value::Null);
        normalise::same(compare_of(resource, field), &resolved(&value, ledger), found)
    });
    others_stay && says
}

fn compare_of(resource: &Resource, field: &str) -> Compare {
    resource
        .kind()
        .schema()
        .field(field)
        .map_or(Compare::Exact, |field| field.compare)
}

fn resolved(value: &Value, ledger: &Ledger) -> Value {
    let lookup = |reference: &Reference| {
        ledger
            .records
            .get(&reference.address)?
            .outputs
            .get(&reference.output)
            .cloned()
    };
    value.resolve(&lookup)
}

/// Returns the texts that may say it, the one that changes least first.
fn edits(text: &str, resource: &Resource, ledger: &Ledger, field: &str, found: &Value) -> Vec<String> {
    const TAGS: Type = Type::Map(&Type::Text);
    let known = known(ledger);
    let ty = resource.kind().schema().field(field).map_or(&TAGS, |field| &field.ty);
    let mut texts = Vec::new();
    let present = resource.field_spans.get(field).map(|span| span.start..span.end);
    match (present, found) {
        (Some(span), Value::Null) => texts.extend(without_line(text, span)),
        (Some(span), _) => {
            texts.extend(by_element(text, resource, ledger, field, ty, span.clone(), found));
            texts.extend(toml_of(ty, found, &known).map(|value| replaced(text, [(span, value)])));
        }
        (None, Value::Null) => {}
        (None, _) => {
            let Some(value) = toml_of(ty, found, &known) else {
                return texts;
            };
            let ends = resource.field_spans.iter().filter(|(path, _)| !path.contains('.'));
            let last = ends.map(|(_, span)| span.end).max();
            for after in last.into_iter().chain([resource.span.end]) {
                let line_end = text[after..].find('\n').map_or(text.len(), |end| after + end);
                texts.push(replaced(text, [(line_end..line_end, format!("\n{field} = {value}"))]));
            }
        }
    }
    texts
}

/// What the stack's own objects offer.
fn known(ledger: &Ledger) -> Known {
    let mut known = Known::default();
    for (address, record) in &ledger.records {
        known.add(address, &record.fields, &record.outputs);
    }
    known
}

/// Changes a list element by element, so that what stays keeps its spelling and its comments.
fn by_element(
    text: &str,
    resource: &Resource,
    ledger: &Ledger,
    field: &str,
    ty: &Type,
    list: Range<usize>,
    found: &Value,
) -> Option<String> {
    let (Type::List(inner), Value::List(old), Value::List(new)) = (ty, resource.fields.get(field)?, found) else {
        return None;
    };
    let spans: Option<Vec<Range<usize>>> = (0..old.len())
        .map(|index| {
            let span = resource.field_spans.get(&format!("{field}.{index}"))?;
            Some(span.start..span.end)
        })
        .collect();
    // A shorthand in the list stands for several elements.
    let spans = spans.filter(|spans| spans.windows(2).all(|pair| pair[0].end <= pair[1].start))?;
    if resource.field_spans.contains_key(&format!("{field}.{}", old.len())) {
        return None;
    }
    let equal = |a: &Value, b: &Value| normalise::same(Compare::Exact, a, b);
    let old: Vec<Value> = old.iter().map(|value| resolved(value, ledger)).collect();
    let kept: Vec<bool> = old
        .iter()
        .map(|value| new.iter().any(|new| equal(value, new)))
        .collect();
    let last = kept.iter().rposition(|kept| *kept)?;
    let first = kept.iter().position(|kept| *kept)?;
    let mut edits: Vec<(Range<usize>, String)> = Vec::new();
    for (index, _) in kept.iter().enumerate().filter(|(_, kept)| !**kept) {
        let range = own_lines(text, &list, &spans[index]).unwrap_or_else(|| match index < first {
            true => spans[index].start..spans[index + 1].start,
            false => spans[index - 1].end..spans[index].end,
        });
        edits.push((range, String::new()));
    }
    let added: Vec<String> = new
        .iter()
        .filter(|value| !old.iter().any(|old| equal(value, old)))
        .map(|value| toml_of(inner, value, &known(ledger)))
        .collect::<Option<_>>()?;
    let end = spans[last].end;
    match own_lines(text, &list, &spans[last]) {
        _ if added.is_empty() => {}
        Some(lines) => {
            if !text[end..].trim_start().starts_with(',') {
                edits.push((end..end, ",".to_owned()));
            }
            let indent = &text[lines.start..spans[last].start];
            let more: String = added.iter().map(|value| format!("{indent}{value},\n")).collect();
            edits.push((lines.end..lines.end, more));
        }
        None => edits.push((end..end, format!(", {}", added.join(", ")))),
    }
    edits.sort_by_key(|(range, _)| (range.start, range.end));
    Some(replaced(text, edits))
}

/// Returns the lines of an element that shares them with nothing but its comma and its comment.
fn own_lines(text: &str, list: &Range<usize>, element: &Range<usize>) -> Option<Range<usize>> {
    let start = text[..element.start].rfind('\n')? + 1;
    let end = element.end + text[element.end..].find('\n')? + 1;
    let behind = text[element.end..end].trim().trim_start_matches(',').trim_start();
    let alone = text[start..element.start].trim().is_empty() && (behind.is_empty() || behind.starts_with('#'));
    (alone && list.start < start && end < list.end).then_some(start..end)
}

/// Returns the text without the line on which a field stands alone.
fn without_line(text: &str, span: Range<usize>) -> Option<String> {
    let start = text[..span.start].rfind('\n').map_or(0, |at| at + 1);
    let end = text[span.end..].find('\n').map_or(text.len(), |at| span.end + at + 1);
    let alone = text[start..span.start].trim_end().ends_with('=') && !text[start..span.start].contains('{');
    alone.then(|| replaced(text, [(start..end, String::new())]))
}

/// Returns the text with these ranges, in order, replaced.
fn replaced(text: &str, edits: impl IntoIterator<Item = (Range<usize>, String)>) -> String {
    let mut result = String::with_capacity(text.len());
    let mut at = 0;
    for (range, with) in edits {
        result.push_str(&text[at..range.start]);
        result.push_str(&with);
        at = range.end;
    }
    result + &text[at..]
}

/// Returns a value as TOML on one line, without what its type has as a default.
fn toml_of(ty: &Type, value: &Value, known: &Known) -> Option<String> {
    Some(match (ty, value) {
        (Type::Ref { .. } | Type::RefOr { .. }, Value::Text(_)) => known.written(ty, value),
        (_, Value::Bool(bool)) => bool.to_string(),
        (_, Value::Int(int)) => int.to_string(),
        (_, Value::Text(text)) => quoted(&text.replace("${", "$${")),
        (Type::List(inner), Value::List(list)) => {
            let items: Option<Vec<String>> = list.iter().map(|value| toml_of(inner, value, known)).collect();
            format!("[{}]", items?.join(", "))
        }
        (_, Value::List(list)) => {
            let items: Option<Vec<String>> = list.iter().map(|value| toml_of(&Type::Json, value, known)).collect();
            format!("[{}]", items?.join(", "))
        }
        (_, Value::Map(map)) => {
            let field_of = |name: &str| match ty {
                Type::Table(fields) => fields.iter().find(|field| field.name == name),
                _ => None,
            };
            let entries: Option<Vec<String>> = map
                .iter()
                .filter(|(name, value)| {
                    **value != Value::Null && field_of(name).and_then(default_of_type).as_ref() != Some(*value)
                })
                .map(|(name, value)| {
                    let ty = match ty {
                        Type::Map(inner) => *inner,
                        _ => field_of(name).map_or(&Type::Json, |field| &field.ty),
                    };
                    Some(format!(
                        "{} = {}",
                        crate::full_form::key(name),
                        toml_of(ty, value, known)?
                    ))
                })
                .collect();
            match entries?.as_slice() {
                [] => "{}".to_owned(),
                entries => format!("{{ {} }}", entries.join(", ")),
            }
        }
        (_, Value::Null | Value::Ref(_) | Value::Template(_)) => return None,
    })
}

#[cfg(test)]
mod tests;
