//! Problems of a stack file, as the Rust compiler shows them.

use super::{Ui, several};
use crate::error::{CommandError, ExitCode};
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use lakeform_engine::{Diagnostic, Severity, Span, report};

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

    /// Returns the text with stars in a place.
    fn without(&self, span: Span) -> String {
        let range = self.range(span);
        let stars = self.text[range.clone()].split('\n').map(|line| "*".repeat(line.len()));
        let stars = stars.collect::<Vec<_>>().join("\n");
        format!("{}{stars}{}", &self.text[..range.start], &self.text[range.end..])
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
    let renderer = if ui.colour {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    for problem in problems {
        // Logs keep what they were shown.
        let hidden = (problem.code == "literal-secret").then(|| source.without(problem.span));
        let text = hidden.as_deref().unwrap_or(source.text);
        let level = match problem.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let mut snippet = Snippet::source(text).path(source.name).annotation(
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
        ui.warn(renderer.render(&[group]));
        ui.warn("");
    }
    let errors = problems
        .iter()
        .filter(|problem| problem.severity == Severity::Error)
        .count();
    let warnings = problems.len() - errors;
    match (errors, warnings) {
        (0, 0) => {}
        (0, warnings) => ui.warn(several(warnings, "warning")),
        (errors, 0) => ui.warn(several(errors, "error")),
        (errors, warnings) => ui.warn(format!(
            "{}, {}",
            several(errors, "error"),
            several(warnings, "warning")
        )),
    }
}

/// Shows problems that end a command, for machines too, and returns its end.
pub fn refuse(ui: &Ui, source: &Source<'_>, problems: &[Diagnostic]) -> CommandError {
    show(ui, source, problems);
    if ui.json {
        ui.json(&report::json(source.name, source.text, problems));
    }
    CommandError::said(ExitCode::Error)
}
