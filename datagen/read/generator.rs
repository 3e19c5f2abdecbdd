//! Reads what makes a column's values: `gen = "…"` and the keys that generator knows.

use super::{Keys, bad_date, date_of, empty_range, integer, number, one_of, wrong_type, zero_weights};
use crate::definition::{At, Generator, Skew, Type, Values};
use crate::pool;
use crate::problem::Problem;
use toml::de::DeValue;

const NAMES: &[&str] = &[
    "sequence",
    "unique",
    "uniform",
    "normal",
    "lognormal",
    "pareto",
    "exponential",
    "choice",
    "list",
    "const",
    "ref",
    "turn",
    "lookup",
    "part",
    "day",
    "time",
    "changed",
    "template",
    "expr",
    "walk",
    "names",
    "chance",
    "uuid",
];

pub(super) fn read(keys: &Keys, kind: Type) -> Option<At<Generator>> {
    let name = keys.required("gen", keys.text("gen"))?;
    let ordinal = |what: &str| {
        if kind.is_ordinal() {
            return true;
        }
        keys.problem(
            Problem::new(
                "wrong-generator",
                "a generator cannot make this type",
                name.span.clone(),
                format!(
                    "`{what}` makes numbers, dates and times, and this column is {}",
                    kind.name()
                ),
            )
            .hint("give the column a `type`, such as `type = \"bigint\"`"),
        );
        false
    };
    let generator = match name.value.as_str() {
        "sequence" => {
            ordinal("sequence");
            let start = units(keys, "start", kind).map_or(1, |at| at.value);
            let step = keys.integer("step").map_or(1, |at| at.value);
            if step == 0 {
                keys.problem(Problem::new(
                    "bad-range",
                    "a sequence does not move",
                    name.span.clone(),
                    "`step` is 0",
                ));
            }
            Generator::Sequence { start, step }
        }
        "unique" => {
            ordinal("unique");
            let (min, max) = range(keys, kind, true)?;
            Generator::Unique { min, max }
        }
        "uniform" => {
            ordinal("uniform");
            let (min, max) = range(keys, kind, true)?;
            Generator::Uniform { min, max }
        }
        "normal" => {
            ordinal("normal");
            let (min, max) = range(keys, kind, false)?;
            let mean = scaled(keys, "mean", kind)?;
            let deviation = positive(keys, "deviation", kind)?;
            Generator::Normal {
                mean,
                deviation,
                min,
                max,
            }
        }
        "lognormal" => {
            ordinal("lognormal");
            let (min, max) = range(keys, kind, false)?;
            let median = positive(keys, "median", kind)?;
            let sigma = keys.required("sigma", keys.number("sigma"))?.value;
            Generator::LogNormal {
                median,
                sigma,
                min,
                max,
            }
        }
        "pareto" => {
            ordinal("pareto");
            let (min, max) = range(keys, kind, true)?;
            let alpha = keys.required("alpha", keys.number("alpha"))?;
            if min <= 0 || alpha.value <= 0.0 {
                keys.problem(Problem::new(
                    "bad-range",
                    "a pareto distribution needs positive bounds",
                    alpha.span,
                    "`min` and `alpha` must be above 0",
                ));
            }
            Generator::Pareto {
                alpha: alpha.value,
                min,
                max,
            }
        }
        "exponential" => {
            ordinal("exponential");
            let (min, max) = range(keys, kind, false)?;
            let mean = positive(keys, "mean", kind)?;
            Generator::Exponential { mean, min, max }
        }
        "choice" => {
            let values = keys.required("values", values(keys, kind))?;
            let weights = keys.numbers("weights");
            if let Some(weights) = &weights {
                if weights.value.len() != values.value.len() {
                    keys.problem(Problem::new(
                        "wrong-length",
                        "a list has the wrong length",
                        weights.span.clone(),
                        format!("{} values have {} weights", values.value.len(), weights.value.len()),
                    ));
                } else if weights.value.iter().sum::<f64>() <= 0.0 {
                    keys.problem(zero_weights(weights.span.clone()));
                }
            }
            Generator::Choice {
                values: values.value,
                weights: weights.map(|at| at.value),
            }
        }
        "list" => Generator::List {
            values: keys.required("values", values(keys, kind))?.value,
        },
        "const" => {
            let value = keys.get("value");
            let values = match (kind, value.map(|v| (v.get_ref(), v.span()))) {
                (_, None) => {
                    keys.required::<()>("value", None);
                    return None;
                }
                (Type::Text, Some((DeValue::String(text), _))) => Values::Texts(vec![text.to_string()]),
                (_, Some((value, span))) => Values::Numbers(vec![unit_of(keys, value, span, kind)?]),
            };
            Generator::List { values }
        }
        "ref" => {
            let target = keys.required("to", keys.text("to"))?;
            Generator::Ref {
                target,
                skew: skew(keys),
            }
        }
        "turn" => Generator::Ref {
            target: keys.required("to", keys.text("to"))?,
            skew: Skew::Turn,
        },
        "lookup" => Generator::Lookup {
            via: keys.required("via", keys.text("via"))?,
            column: keys.required("column", keys.text("column"))?,
        },
        "part" => Generator::Part {
            of: keys.required("of", keys.text("of"))?,
            part: keys.required("part", keys.text("part"))?,
        },
        "day" => {
            ordinal("day");
            Generator::Day
        }
        "time" => {
            ordinal("time");
            Generator::Time
        }
        "changed" => Generator::Changed {
            of: keys.required("of", keys.text("of"))?,
        },
        "template" => Generator::Template(keys.required("text", keys.text("text"))?),
        "expr" => Generator::Expr(keys.required("is", keys.text("is"))?),
        "walk" => {
            ordinal("walk");
            Generator::Walk {
                stream: keys.required("stream", keys.text("stream"))?.value,
                entity: keys.required("entity", keys.text("entity"))?,
                step: keys.required("step", keys.text("step"))?,
                base: keys.required("base", keys.text("base"))?,
                swing: keys.share("swing").map_or(0.2, |at| at.value),
            }
        }
        "names" => {
            let of = keys.required("of", keys.text("of"))?;
            let values = keys.required("values", values(keys, Type::Text))?;
            match values.value {
                Values::Texts(values) => Generator::Names { of, values },
                Values::Numbers(_) => return None,
            }
        }
        "chance" => Generator::Bool {
            chance: keys.required("of", keys.share("of"))?.value,
        },
        "uuid" => Generator::Uuid,
        known if pool::KINDS.contains(&known) => {
            let locale = keys.text("locale");
            let skew = skew(keys);
            let locale = match locale {
                Some(at) if !pool::LOCALES.contains(&at.value.as_str()) => {
                    keys.problem(one_of("a locale", &at, pool::LOCALES));
                    return None;
                }
                Some(at) if pool::kind(known, &at.value).is_none() => {
                    keys.problem(
                        Problem::new(
                            "unknown-name",
                            "a pool has no texts in this locale",
                            at.span,
                            format!("`{known}` has none for `{}`", at.value),
                        )
                        .hint(format!("it has texts for {}", pool::locales_of(known).join(", "))),
                    );
                    return None;
                }
                Some(at) => at.value,
                None => "en".to_owned(),
            };
            Generator::Pool {
                kind: known.to_owned(),
                locale,
                skew,
            }
        }
        _ => {
            let known: Vec<&str> = NAMES.iter().chain(pool::KINDS).copied().collect();
            keys.problem(one_of("a generator", &name, &known));
            // Its keys cannot be judged, so they are not called unknown on top of it.
            keys.seen
                .borrow_mut()
                .extend(keys.table.keys().map(|key| key.get_ref().to_string()));
            return None;
        }
    };
    Some(At {
        value: generator,
        span: name.span,
    })
}

fn skew(keys: &Keys) -> Skew {
    match keys.number("zipf") {
        None => Skew::Uniform,
        Some(exponent) if exponent.value > 0.0 && exponent.value <= 3.0 => Skew::Zipf(exponent.value),
        Some(exponent) => {
            keys.problem(Problem::new(
                "bad-range",
                "an exponent is out of range",
                exponent.span,
                "must be above 0 and at most 3",
            ));
            Skew::Uniform
        }
    }
}

fn ten_to(scale: u8) -> f64 {
    (0..scale).fold(1.0, |power, _| power * 10.0)
}

fn scaled(keys: &Keys, key: &str, kind: Type) -> Option<f64> {
    if matches!(kind, Type::Date | Type::Timestamp) {
        return units(keys, key, kind).map(|at| at.value as f64);
    }
    keys.required(key, keys.number(key))
        .map(|at| at.value * ten_to(kind.scale()))
}

fn positive(keys: &Keys, key: &str, kind: Type) -> Option<f64> {
    let number = keys.required(key, keys.number(key))?;
    if number.value > 0.0 {
        return Some(number.value * ten_to(kind.scale()));
    }
    keys.problem(Problem::new(
        "bad-range",
        "a number must be above 0",
        number.span,
        format!("`{key}` is not"),
    ));
    None
}

/// Reads `min` and `max`; without `required` they default to what the type can hold.
fn range(keys: &Keys, kind: Type, required: bool) -> Option<(i64, i64)> {
    let (mut min, mut max) = (units(keys, "min", kind), units(keys, "max", kind));
    if required {
        min = keys.required("min", min);
        max = keys.required("max", max);
        if min.is_none() || max.is_none() {
            return None;
        }
    }
    let limit = match kind {
        Type::SmallInt => i64::from(i16::MAX),
        Type::Int => i64::from(i32::MAX),
        Type::Decimal { precision, .. } => 10i64.pow(u32::from(precision)) - 1,
        _ => i64::MAX / 4,
    };
    for bound in [&min, &max].into_iter().flatten() {
        if bound.value.unsigned_abs() > limit as u64 {
            keys.problem(Problem::new(
                "bad-range",
                "a bound does not fit the type",
                bound.span.clone(),
                format!("too large for {}", kind.name()),
            ));
            return None;
        }
    }
    let (low, high) = (
        min.as_ref().map_or(-limit, |at| at.value),
        max.as_ref().map_or(limit, |at| at.value),
    );
    if low > high {
        let span = max.or(min).map_or(keys.span.clone(), |at| at.span);
        keys.problem(empty_range(span));
        return None;
    }
    Some((low, high))
}

fn units(keys: &Keys, key: &str, kind: Type) -> Option<At<i64>> {
    let value = keys.get(key)?;
    let span = value.span();
    unit_of(keys, value.get_ref(), span.clone(), kind).map(|value| At { value, span })
}

/// Reads a value in the units of a type: cents for `decimal(12,2)`, days for dates, seconds for timestamps.
fn unit_of(keys: &Keys, value: &DeValue, span: std::ops::Range<usize>, kind: Type) -> Option<i64> {
    let problem = match kind {
        Type::Date | Type::Timestamp => match date_of(value) {
            Some(day) => return Some(if kind == Type::Date { day } else { day * 86_400 }),
            None => bad_date(span),
        },
        Type::Boolean => match value {
            DeValue::Boolean(flag) => return Some(i64::from(*flag)),
            other => wrong_type("true or false", other, span),
        },
        _ => {
            if let Some(whole) = integer::<i64>(value)
                && let Some(units) = whole.checked_mul(10i64.pow(u32::from(kind.scale())))
                && units != i64::MIN
            {
                return Some(units);
            }
            match (value, number(value)) {
                (DeValue::Float(_), Some(n)) if (n * ten_to(kind.scale())).abs() < 9e15 => {
                    let units = n * ten_to(kind.scale());
                    return Some(if units >= 0.0 {
                        (units + 0.5) as i64
                    } else {
                        -((0.5 - units) as i64)
                    });
                }
                _ => wrong_type(&format!("a number that fits {}", kind.name()), value, span),
            }
        }
    };
    keys.problem(problem);
    None
}

fn values(keys: &Keys, kind: Type) -> Option<At<Values>> {
    let array = keys.array("values")?;
    if array.value.is_empty() {
        keys.problem(Problem::new(
            "bad-range",
            "a list is empty",
            array.span,
            "give at least one value",
        ));
        return None;
    }
    if array.value.len() > 60_000 {
        keys.problem(Problem::new(
            "bad-range",
            "a list is too long",
            array.span,
            "at most 60,000 values",
        ));
        return None;
    }
    let values = if kind == Type::Text {
        let mut texts = Vec::new();
        for value in array.value {
            match value.get_ref() {
                DeValue::String(text) => texts.push(text.to_string()),
                other => keys.problem(wrong_type("a string", other, value.span())),
            }
        }
        Values::Texts(texts)
    } else {
        let units: Vec<i64> = array
            .value
            .iter()
            .filter_map(|value| unit_of(keys, value.get_ref(), value.span(), kind))
            .collect();
        Values::Numbers(units)
    };
    (values.len() == array.value.len()).then_some(At {
        value: values,
        span: array.span,
    })
}
