//! What is wrong with a dataset definition or with what is asked of it: told all at once, each with its place.

use std::fmt;
use std::ops::Range;

/// One mistake, with the bytes of the definition it stands in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Stable name of this kind of mistake, in kebab case.
    pub code: &'static str,
    /// What is wrong, without the user's own names.
    pub message: String,
    /// Bytes of the definition's text; `0..0` when the mistake is not in the text.
    pub span: Range<usize>,
    /// What to write beside the place.
    pub label: String,
    /// How to mend it, when we know.
    pub hint: Option<String>,
}

impl Problem {
    pub(crate) fn new(
        code: &'static str,
        message: impl Into<String>,
        span: Range<usize>,
        label: impl Into<String>,
    ) -> Self {
        Self {
            code,
            message: message.into(),
            span,
            label: label.into(),
            hint: None,
        }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]: {}", self.message, self.code, self.label)?;
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Problem {}

/// Returns a "did you mean" for `word` when one of `known` is near enough.
pub(crate) fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.len().max(word.len()) / 3).max(1))
        .min()
        .map(|(_, candidate)| format!("did you mean `{candidate}`?"))
}
