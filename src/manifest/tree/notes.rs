//! What is said of a text while it is read, and the places in it.

use std::ops::Range;

use serde_yaml::granit_parser::{ErrorKind, ScanError, Span as ParserSpan};

use super::super::limits::DEPTH;
use super::super::problem::{Problem, ProblemCode, Problems};

/// A text and the problems found in it.
pub(super) struct Notes<'t, 'p> {
    pub(super) text: &'t str,
    pub(super) source: usize,
    pub(super) problems: &'p mut Problems,
    pub(super) hidden: Vec<Range<usize>>,
}

impl Notes<'_, '_> {
    pub(super) fn problem(
        &mut self,
        code: ProblemCode,
        span: Range<usize>,
        message: &str,
        help: &str,
    ) {
        self.problems.add(Problem {
            code,
            message: message.to_owned(),
            source: self.source,
            span,
            label: String::new(),
            help: (!help.is_empty()).then(|| help.to_owned()),
        });
    }

    /// Looks for what YAML forbids before the parser does, since it names the
    /// place best.
    pub(super) fn control_characters(&mut self) -> bool {
        let bad =
            |byte: u8| (byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r')) || byte == 0x7f;
        let Some(at) = self.text.bytes().position(bad) else {
            return false;
        };
        let byte = self.text.as_bytes()[at];
        let message = if byte == 0 {
            "a NUL byte stands in the manifest".to_owned()
        } else {
            format!("a control character (0x{byte:02x}) stands in the manifest")
        };
        self.problem(
            ProblemCode::ControlCharacter,
            at..at + 1,
            &message,
            "the file may be damaged, or in another encoding than UTF-8; inside double quotes, write `\\t` and the like",
        );
        true
    }

    pub(super) fn syntax(&mut self, at: usize, error: &ScanError) {
        if matches!(error.kind(), ErrorKind::RecursionLimitExceeded) {
            return self.deep(at..at);
        }
        let reason = error.kind().to_string();
        let bytes = self.text.as_bytes();
        let is_tab = |at: usize| bytes.get(at) == Some(&b'\t');
        let tab = is_tab(at) || reason.contains("tab ") || reason.contains("tabs ");
        // The parser points behind a tab that indents.
        let at = if tab && !is_tab(at) && at > 0 && is_tab(at - 1) {
            at - 1
        } else {
            at
        };
        let help = if tab {
            "indent with spaces; YAML does not allow tabs there"
        } else if bytes.get(at) == Some(&b'*') {
            "a value that starts with `*` is an alias; put a glob in quotes"
        } else {
            ""
        };
        let end = self
            .text
            .get(at..)
            .and_then(|rest| rest.chars().next())
            .map_or(at, |c| at + c.len_utf8());
        self.problem(
            ProblemCode::Syntax,
            at..end,
            &format!("not valid YAML: {reason}"),
            help,
        );
    }

    /// A parser's offset, moved onto a character of the text.
    pub(super) fn clamp(&self, offset: Option<usize>) -> usize {
        let mut at = offset.unwrap_or(0).min(self.text.len());
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        at
    }

    pub(super) fn range(&self, span: &ParserSpan) -> Range<usize> {
        let start = self.clamp(span.start.byte_offset());
        start..self.clamp(span.end.byte_offset()).max(start)
    }

    pub(super) fn line_end(&self, start: usize) -> usize {
        self.text
            .get(start..)
            .and_then(|rest| rest.find('\n'))
            .map_or(self.text.len(), |at| start + at)
    }

    pub(super) fn deep(&mut self, range: Range<usize>) {
        let message = format!("the manifest is nested deeper than {DEPTH} levels");
        self.problem(ProblemCode::TooLarge, range, &message, "");
    }
}
