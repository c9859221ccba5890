//! The parser's events, one by one, into nodes; with the limits.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

use serde_yaml::granit_parser::{Event, Parser, ScalarStyle, Span as ParserSpan, Tag};

use super::super::limits::{DEPTH, NODES, REPLAYED};
use super::super::problem::{ProblemCode, Problems};
use super::maps;
use super::notes::Notes;
use super::{Entry, Node, Scalar, Tree, Value};

/// Reads a text whose byte order mark is gone. `source` is the text's number in
/// the problems, which are added to those already found.
pub(in super::super) fn read<'t>(
    text: &'t str,
    source: usize,
    problems: &mut Problems,
) -> Tree<'t> {
    let mut builder = Builder {
        notes: Notes {
            text,
            source,
            problems,
            hidden: Vec::new(),
        },
        open: Vec::new(),
        root: None,
        anchors: BTreeMap::new(),
        nodes: 0,
        replayed: 0,
    };
    if !builder.notes.control_characters() {
        builder.run();
    }
    Tree {
        root: builder.root,
        hidden: builder.notes.hidden,
    }
}

struct Builder<'t, 'p> {
    notes: Notes<'t, 'p>,
    open: Vec<Frame<'t>>,
    root: Option<Rc<Node<'t>>>,
    anchors: BTreeMap<usize, Rc<Node<'t>>>,
    nodes: usize,
    replayed: usize,
}

/// A collection that is not closed yet.
struct Frame<'t> {
    start: usize,
    anchor: usize,
    size: usize,
    height: usize,
    children: Children<'t>,
}

enum Children<'t> {
    List(Vec<Rc<Node<'t>>>),
    Map {
        entries: Vec<Entry<'t>>,
        merged: Vec<Rc<Node<'t>>>,
        key: Option<Key<'t>>,
    },
}

struct Key<'t> {
    text: Cow<'t, str>,
    span: Range<usize>,
    is_merge: bool,
}

/// Reading cannot go on; the problem has been noted.
struct Stop;

impl<'t> Builder<'t, '_> {
    fn run(&mut self) {
        let mut documents = 0;
        for event in Parser::new_from_str(self.notes.text) {
            let (event, span) = match event {
                Ok(found) => found,
                Err(error) => {
                    self.root = None;
                    let at = self.notes.clamp(error.marker().byte_offset());
                    self.notes.syntax(at, &error);
                    return;
                }
            };
            if matches!(event, Event::DocumentStart(..)) {
                documents += 1;
            }
            if documents > 1 {
                let start = self.notes.clamp(span.start.byte_offset());
                self.notes.problem(
                    ProblemCode::Syntax,
                    start..self.notes.line_end(start),
                    "a manifest is one YAML document, and another one starts here",
                    "put it into a file of its own",
                );
                return;
            }
            if self.event(event, &span).is_err() {
                self.root = None;
                return;
            }
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the parser's list of events is open"
    )]
    fn event(&mut self, event: Event<'t>, span: &ParserSpan) -> Result<(), Stop> {
        let range = self.notes.range(span);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let is_text = self.tag(tag.as_deref(), &range);
                let plain = style == ScalarStyle::Plain && !is_text;
                self.scalar(Scalar { text, plain }, range, anchor)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.tag(tag.as_deref(), &range);
                self.start(range, anchor, Children::List(Vec::new()))
            }
            Event::MappingStart(_, anchor, tag) => {
                self.tag(tag.as_deref(), &range);
                let children = Children::Map {
                    entries: Vec::new(),
                    merged: Vec::new(),
                    key: None,
                };
                self.start(range, anchor, children)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(range.end),
            Event::Alias(id) => self.alias(id, range),
            // The stream's frame, and what the parser's options switch off.
            _ => Ok(()),
        }
    }

    /// Whether a tag says that a scalar is text; refuses tags of other makers.
    fn tag(&mut self, tag: Option<&Tag>, range: &Range<usize>) -> bool {
        let Some(tag) = tag else { return false };
        if !tag.is_yaml_core_schema() {
            self.notes.problem(
                ProblemCode::Unsupported,
                range.clone(),
                "custom tags have no meaning in a manifest",
                "remove the tag; put text that starts with `!` in quotes",
            );
        }
        tag.is_yaml_core_schema() && tag.suffix() == "str"
    }

    fn start(
        &mut self,
        range: Range<usize>,
        anchor: usize,
        children: Children<'t>,
    ) -> Result<(), Stop> {
        self.count(1, &range)?;
        if self.open.len() >= DEPTH {
            return self.too_deep(range);
        }
        if self.awaits_key() {
            self.notes.problem(
                ProblemCode::Unsupported,
                range,
                "a key must be text",
                "braces and brackets at the start of a value need quotes",
            );
            return Err(Stop);
        }
        self.open.push(Frame {
            start: range.start,
            anchor,
            size: 1,
            height: 1,
            children,
        });
        Ok(())
    }

    fn too_deep(&mut self, range: Range<usize>) -> Result<(), Stop> {
        self.notes.deep(range);
        Err(Stop)
    }

    fn count(&mut self, more: usize, range: &Range<usize>) -> Result<(), Stop> {
        self.nodes += more;
        if self.nodes <= NODES {
            return Ok(());
        }
        self.notes.problem(
            ProblemCode::TooLarge,
            range.clone(),
            &format!("the manifest has more than {NODES} values"),
            "name files by a glob rather than one by one, or split the manifest",
        );
        Err(Stop)
    }

    fn awaits_key(&self) -> bool {
        matches!(
            self.open.last(),
            Some(Frame {
                children: Children::Map { key: None, .. },
                ..
            })
        )
    }

    fn scalar(
        &mut self,
        scalar: Scalar<'t>,
        range: Range<usize>,
        anchor: usize,
    ) -> Result<(), Stop> {
        self.count(1, &range)?;
        if scalar.text.contains('\0') {
            self.notes.problem(
                ProblemCode::ControlCharacter,
                range.clone(),
                "the text holds a NUL character",
                "nothing on the platform or on disk can be named with one",
            );
        }
        if let Some(Frame {
            children: Children::Map {
                key: key @ None, ..
            },
            ..
        }) = self.open.last_mut()
        {
            *key = Some(Key {
                is_merge: scalar.plain && scalar.text == "<<",
                text: scalar.text,
                span: range,
            });
            return Ok(());
        }
        let node = Rc::new(Node {
            span: range,
            value: Value::Scalar(scalar),
            size: 1,
            height: 0,
        });
        self.place(node, anchor);
        Ok(())
    }

    fn alias(&mut self, id: usize, range: Range<usize>) -> Result<(), Stop> {
        let Some(node) = self.anchors.get(&id).map(Rc::clone) else {
            self.notes.problem(
                ProblemCode::Unsupported,
                range,
                "this alias stands inside the value it repeats",
                "",
            );
            return Err(Stop);
        };
        self.replayed += node.size;
        if self.replayed > REPLAYED {
            self.notes.problem(
                ProblemCode::TooLarge,
                range,
                &format!("the aliases of the manifest repeat more than {REPLAYED} values"),
                "write the values out, or use `defaults`",
            );
            return Err(Stop);
        }
        if self.open.len() + node.height > DEPTH {
            return self.too_deep(range);
        }
        if self.awaits_key() {
            self.notes.problem(
                ProblemCode::Unsupported,
                range,
                "an alias cannot be a key",
                "write the key out",
            );
            return Err(Stop);
        }
        self.place(node, 0);
        Ok(())
    }

    fn end(&mut self, end: usize) -> Result<(), Stop> {
        let Some(frame) = self.open.pop() else {
            return Ok(());
        };
        let value = match frame.children {
            Children::List(items) => Value::List(items),
            Children::Map {
                entries, merged, ..
            } => {
                // The codes that `value_labels` explains are data.
                let may_hold_secrets = self.parent_key() != "value_labels";
                let entries = maps::close(&mut self.notes, entries, &merged, may_hold_secrets);
                Value::Map(entries.ok_or(Stop)?)
            }
        };
        let node = Rc::new(Node {
            span: frame.start..end.max(frame.start),
            value,
            size: frame.size,
            height: frame.height,
        });
        self.place(node, frame.anchor);
        Ok(())
    }

    /// The key that the innermost open mapping is the value of.
    fn parent_key(&self) -> &str {
        match self.open.last() {
            Some(Frame {
                children: Children::Map { key: Some(key), .. },
                ..
            }) => &key.text,
            Some(_) | None => "",
        }
    }

    /// Hands a finished node to the collection it stands in.
    fn place(&mut self, node: Rc<Node<'t>>, anchor: usize) {
        if anchor != 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        let Some(frame) = self.open.last_mut() else {
            self.root = Some(node);
            return;
        };
        frame.size += node.size + 1;
        frame.height = frame.height.max(node.height + 1);
        match &mut frame.children {
            Children::List(items) => items.push(node),
            Children::Map {
                entries,
                merged,
                key,
            } => match key.take() {
                Some(key) if key.is_merge => merged.push(node),
                Some(key) => entries.push(Entry {
                    key: key.text,
                    key_span: key.span,
                    value: node,
                }),
                None => {}
            },
        }
    }
}
