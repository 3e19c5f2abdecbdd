//! Problems of a stack file, as the Rust compiler shows them.

use super::Ui;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use lakeform_engine::{Diagnostic, Severity, Span};

/// The text of a file and what it is called.
pub struct Source<'a> {
    pub name: &'a str,
    pub text: &'a str,
}

impl Source<'_> {
    /// Returns line and column of a place, both from 1.
    pub fn position(&self, span: Span) -> (usize, usize) {
        let before = &self.text[..self.floor(span.start)];
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        (line, column)
    }

    /// Returns `file:line:col`.
    pub fn place(&self, span: Span) -> String {
        let (line, column) = self.position(span);
        format!("{}:{line}:{column}", self.name)
    }

    fn floor(&self, at: usize) -> usize {
        let at = at.min(self.text.len());
        (0..=at).rev().find(|at| self.text.is_char_boundary(*at)).unwrap_or(0)
    }

    fn range(&self, span: Span) -> std::ops::Range<usize> {
        let start = self.floor(span.start);
        start..self.floor(span.end).max(start)
    }
}

/// Shows problems and how many there are.
pub fn show(ui: &Ui, source: &Source<'_>, problems: &[Diagnostic]) {
    if ui.json {
        for problem in problems {
            let (line, column) = source.position(problem.span);
            ui.json(&serde_json::json!({
                "type": "diagnostic", "code": problem.code, "severity": problem.severity,
                "summary": problem.summary, "label": problem.label, "hint": problem.hint,
                "file": source.name, "line": line, "column": column,
                "span": problem.span,
            }));
        }
        return;
    }
    let renderer = if ui.colour {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    for problem in problems {
        let level = match problem.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let mut snippet = Snippet::source(source.text).path(source.name).annotation(
            AnnotationKind::Primary
                .span(source.range(problem.span))
                .label(problem.label.as_str()),
        );
        for (span, label) in &problem.related {
            snippet = snippet.annotation(AnnotationKind::Context.span(source.range(*span)).label(label.as_str()));
        }
        let mut group: Group<'_> = level
            .primary_title(problem.summary.as_str())
            .id(problem.code)
            .element(snippet);
        if let Some(hint) = &problem.hint {
            group = group.element(Level::HELP.message(hint.as_str()));
        }
        ui.say(renderer.render(&[group]));
        ui.say("");
    }
    let errors = problems
        .iter()
        .filter(|problem| problem.severity == Severity::Error)
        .count();
    let warnings = problems.len() - errors;
    let several = |count: usize, word: &str| match count {
        1 => format!("1 {word}"),
        count => format!("{count} {word}s"),
    };
    match (errors, warnings) {
        (0, 0) => {}
        (0, warnings) => ui.say(several(warnings, "warning")),
        (errors, 0) => ui.say(several(errors, "error")),
        (errors, warnings) => ui.say(format!(
            "{}, {}",
            several(errors, "error"),
            several(warnings, "warning")
        )),
    }
}
