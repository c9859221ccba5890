//! A [`ManifestError`] as text: for each problem its code, its place, the source
//! line with a caret, and what to do. Width and colour are arguments; no process
//! state is read. A line that may hold a secret is never shown.

use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::problem::{ManifestError, Problem, SourceText};
use super::secrets::secret_lines;

/// A longer line says nothing to a reader; only its place is given.
const LONGEST_LINE: usize = 4096;

/// All problems as text that ends in a line break.
pub(super) fn render(error: &ManifestError, colour: bool, width: usize) -> String {
    let renderer = if colour {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let renderer = renderer
        .decor_style(DecorStyle::Ascii)
        .term_width(width.max(40));
    let hidden: Vec<Vec<Range<usize>>> = error.sources.iter().map(hidden_places).collect();
    let mut out = String::new();
    for problem in &error.problems {
        let group = match error.sources.get(problem.source) {
            Some(source) => group(
                problem,
                source,
                hidden.get(problem.source).map_or(&[], Vec::as_slice),
            ),
            None => Group::with_title(
                Level::ERROR
                    .primary_title(&problem.message)
                    .id(problem.code.as_str()),
            ),
        };
        out.push_str(&renderer.render(&[group]));
        out.push_str("\n\n");
    }
    out.push_str(&error.to_string());
    if error.left_out > 0 {
        out.push_str(", of which the first ");
        out.push_str(&error.problems.len().to_string());
        out.push_str(" are shown");
    }
    out.push('\n');
    out
}

fn hidden_places(source: &SourceText) -> Vec<Range<usize>> {
    let mut places = secret_lines(&source.text);
    places.extend(source.hidden.iter().cloned());
    places
}

fn group<'a>(problem: &'a Problem, source: &'a SourceText, hidden: &[Range<usize>]) -> Group<'a> {
    let title = Level::ERROR
        .primary_title(&problem.message)
        .id(problem.code.as_str());
    let line = line_around(&source.text, problem.span.start);
    let path = source.path.to_string_lossy();
    let is_hidden = hidden
        .iter()
        .any(|place| place.start < line.end && line.start < place.end);
    let (number, column) = source.position(problem.span.start);
    let group = if is_hidden || line.len() > LONGEST_LINE {
        let why = if is_hidden {
            "the line is not shown, since it may hold a secret"
        } else {
            "the line is too long to show"
        };
        title
            .element(Origin::path(path).line(number).char_column(column))
            .element(Level::NOTE.message(why))
    } else {
        let start = problem.span.start - line.start;
        let end = problem.span.end.min(line.end).max(problem.span.start) - line.start;
        let annotation = AnnotationKind::Primary.span(start..end);
        let annotation = if problem.label.is_empty() {
            annotation
        } else {
            annotation.label(&problem.label)
        };
        let text = source.text.get(line).unwrap_or_default();
        title.element(
            Snippet::source(text)
                .path(path)
                .line_start(number)
                .annotation(annotation),
        )
    };
    match &problem.help {
        Some(help) => group.element(Level::HELP.message(help)),
        None => group,
    }
}

/// The line an offset stands in, without its end.
fn line_around(text: &str, offset: usize) -> Range<usize> {
    let start = text
        .get(..offset)
        .and_then(|before| before.rfind('\n'))
        .map_or(0, |at| at + 1);
    let end = text
        .get(offset..)
        .and_then(|rest| rest.find('\n'))
        .map_or(text.len(), |at| offset + at);
    let trimmed = text
        .get(start..end)
        .map_or(end, |line| start + line.trim_end_matches('\r').len());
    start..trimmed.max(offset.min(end))
}
