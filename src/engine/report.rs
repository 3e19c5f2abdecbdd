//! Problems of a stack file for machines: JSON and SARIF 2.1.0. For people, the root package draws them.

use crate::diagnostic::{Diagnostic, Severity, Span};
use crate::rules::CODES;
use serde_json::{Value as Json, json};

/// Turns places in a text into lines and columns, both from 1; columns count characters.
pub struct Places<'a> {
    text: &'a str,
    line_starts: Vec<usize>,
}

impl<'a> Places<'a> {
    pub fn new(text: &'a str) -> Self {
        let line_starts = std::iter::once(0)
            .chain(text.match_indices('\n').map(|(at, _)| at + 1))
            .collect();
        Self { text, line_starts }
    }

    /// Returns line and column of a byte.
    pub fn at(&self, offset: usize) -> (usize, usize) {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let line = self.line_starts.partition_point(|start| *start <= offset);
        let column = self.text[self.line_starts[line - 1]..offset].chars().count() + 1;
        (line, column)
    }

    fn region(&self, span: Span) -> Json {
        let ((line, column), (end_line, end_column)) = (self.at(span.start), self.at(span.end.max(span.start)));
        json!({ "startLine": line, "startColumn": column, "endLine": end_line, "endColumn": end_column })
    }
}

/// The version of the JSON form of problems.
pub const FORMAT_VERSION: u32 = 1;

/// Returns the problems of a file as one JSON document.
pub fn json(file: &str, text: &str, problems: &[Diagnostic]) -> Json {
    let places = Places::new(text);
    let errors = problems
        .iter()
        .filter(|problem| problem.severity == Severity::Error)
        .count();
    json!({
        "type": "problems",
        "format_version": FORMAT_VERSION,
        "file": file,
        "errors": errors,
        "warnings": problems.len() - errors,
        "problems": problems.iter().map(|problem| json!({
            "code": problem.code,
            "severity": problem.severity,
            "summary": problem.summary,
            "label": problem.label,
            "hint": problem.hint,
            "at": places.region(problem.span),
            "related": problem.related.iter().map(|(span, label)| json!({ "at": places.region(*span), "label": label })).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
    })
}

/// Returns the problems of a file as SARIF 2.1.0, which code hosts show beside the lines.
pub fn sarif(file: &str, text: &str, problems: &[Diagnostic], version: &str) -> Json {
    let places = Places::new(text);
    let location = |span: Span| json!({ "artifactLocation": { "uri": file }, "region": places.region(span) });
    let results = problems.iter().map(|problem| {
        let message = match &problem.hint {
            Some(hint) => format!("{}: {}\n{hint}", problem.summary, problem.label),
            None => format!("{}: {}", problem.summary, problem.label),
        };
        json!({
            "ruleId": problem.code,
            "level": match problem.severity { Severity::Error => "error", Severity::Warning => "warning" },
            "message": { "text": message },
            "locations": [{ "physicalLocation": location(problem.span) }],
            "relatedLocations": problem.related.iter().map(|(span, label)| json!({
                "physicalLocation": location(*span), "message": { "text": label },
            })).collect::<Vec<_>>(),
        })
    });
    let rules = CODES
        .iter()
        .map(|(code, doc)| json!({ "id": code, "shortDescription": { "text": doc } }));
    sarif_log(version, rules.collect(), results.collect())
}

/// The frame of a SARIF file.
pub(crate) fn sarif_log(version: &str, rules: Vec<Json>, results: Vec<Json>) -> Json {
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "lakeform", "version": version, "rules": rules } },
            "results": results,
        }],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::checked;

    #[test]
    fn places_count_lines_and_characters_from_one() {
        let places = Places::new("a\nüb\n");
        assert_eq!(
            [places.at(0), places.at(2), places.at(4), places.at(99)],
            [(1, 1), (2, 1), (2, 2), (3, 1)]
        );
    }

    #[test]
    fn problems_have_their_places_in_json_and_sarif() {
        let text = "[stack]\nname = \"t\"\n[bucket.lake]\nversionning = true\n";
        let problems = checked(text).problems;
        let json = json("stack.toml", text, &problems);
        assert_eq!(
            (&json["errors"], &json["problems"][0]["code"]),
            (&Json::from(1), &Json::from("unknown-key"))
        );
        assert_eq!(json["problems"][0]["at"]["startLine"], 4);
        let sarif = sarif("stack.toml", text, &problems, "0.1.0");
        assert_eq!(sarif["runs"][0]["results"][0]["ruleId"], "unknown-key");
        assert_eq!(
            sarif["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["region"]["endColumn"],
            12
        );
    }
}
