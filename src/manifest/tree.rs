//! YAML events to a tree of nodes that know their place in the text.
//!
//! The tree is what the check reads instead of serde structs, because serde
//! stops at the first error and loses scalar style; see
//! `docs/decisions/0001-yaml.md`. Aliases share nodes, merge keys (`<<`) are
//! resolved here, and so are the limits that keep a hostile manifest cheap. No
//! meaning is given to any key, except that secrets are found at any depth.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::rc::Rc;

use serde_yaml::granit_parser::{
    ErrorKind, Event, Parser, ScalarStyle, ScanError, Span as ParserSpan, Tag,
};

use super::limits::{DEPTH, NODES, REPLAYED};
use super::problem::{Problem, ProblemCode, Problems};
use super::secrets;

/// A value and its place.
#[derive(Debug)]
pub(super) struct Node<'t> {
    pub(super) span: Range<usize>,
    pub(super) value: Value<'t>,
    /// How many nodes it stands for, aliases written out.
    pub(super) size: usize,
    height: usize,
}

/// The three shapes of YAML.
#[derive(Debug)]
pub(super) enum Value<'t> {
    Scalar(Scalar<'t>),
    List(Vec<Rc<Node<'t>>>),
    Map(Vec<Entry<'t>>),
}

/// A scalar as written: escapes are undone, nothing else.
#[derive(Debug)]
pub(super) struct Scalar<'t> {
    pub(super) text: Cow<'t, str>,
    /// Not quoted and not a block: may be null, a number or a boolean.
    pub(super) plain: bool,
}

/// A key and its value.
#[derive(Debug, Clone)]
pub(super) struct Entry<'t> {
    pub(super) key: Cow<'t, str>,
    pub(super) key_span: Range<usize>,
    pub(super) value: Rc<Node<'t>>,
}

/// What came of a text.
#[derive(Debug)]
pub(super) struct Tree<'t> {
    /// `None` when the text has no value or its syntax is wrong.
    pub(super) root: Option<Rc<Node<'t>>>,
    /// Places that are not to be shown.
    pub(super) hidden: Vec<Range<usize>>,
}

/// Reads a text whose byte order mark is gone. `source` is the text's number in
/// the problems, which are added to those already found.
pub(super) fn read<'t>(text: &'t str, source: usize, problems: &mut Problems) -> Tree<'t> {
    let mut builder = Builder {
        text,
        source,
        problems,
        open: Vec::new(),
        root: None,
        anchors: BTreeMap::new(),
        hidden: Vec::new(),
        nodes: 0,
        replayed: 0,
    };
    if !builder.control_characters() {
        builder.run();
    }
    Tree {
        root: builder.root,
        hidden: builder.hidden,
    }
}

struct Builder<'t, 'p> {
    text: &'t str,
    source: usize,
    open: Vec<Frame<'t>>,
    root: Option<Rc<Node<'t>>>,
    anchors: BTreeMap<usize, Rc<Node<'t>>>,
    problems: &'p mut Problems,
    hidden: Vec<Range<usize>>,
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
    fn problem(&mut self, code: ProblemCode, span: Range<usize>, message: &str, help: &str) {
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
    fn control_characters(&mut self) -> bool {
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

    fn run(&mut self) {
        let mut documents = 0;
        for event in Parser::new_from_str(self.text) {
            let (event, span) = match event {
                Ok(found) => found,
                Err(error) => {
                    self.root = None;
                    let at = self.clamp(error.marker().byte_offset());
                    self.syntax(at, &error);
                    return;
                }
            };
            if matches!(event, Event::DocumentStart(..)) {
                documents += 1;
            }
            if documents > 1 {
                let start = self.clamp(span.start.byte_offset());
                self.problem(
                    ProblemCode::Syntax,
                    start..self.line_end(start),
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

    fn syntax(&mut self, at: usize, error: &ScanError) {
        if matches!(error.kind(), ErrorKind::RecursionLimitExceeded) {
            return self.deep(at..at);
        }
        let reason = error.kind().to_string();
        let tab = self.text.as_bytes().get(at) == Some(&b'\t')
            || reason.contains("tab ")
            || reason.contains("tabs ");
        let help = if tab {
            "indent with spaces; YAML does not allow tabs there"
        } else if self.text.as_bytes().get(at) == Some(&b'*') {
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
    fn clamp(&self, offset: Option<usize>) -> usize {
        let mut at = offset.unwrap_or(0).min(self.text.len());
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        at
    }

    fn range(&self, span: &ParserSpan) -> Range<usize> {
        let start = self.clamp(span.start.byte_offset());
        start..self.clamp(span.end.byte_offset()).max(start)
    }

    fn line_end(&self, start: usize) -> usize {
        self.text
            .get(start..)
            .and_then(|rest| rest.find('\n'))
            .map_or(self.text.len(), |at| start + at)
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the parser's list of events is open"
    )]
    fn event(&mut self, event: Event<'t>, span: &ParserSpan) -> Result<(), Stop> {
        let range = self.range(span);
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
            self.problem(
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
            self.problem(
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
        self.deep(range);
        Err(Stop)
    }

    fn deep(&mut self, range: Range<usize>) {
        let message = format!("the manifest is nested deeper than {DEPTH} levels");
        self.problem(ProblemCode::TooLarge, range, &message, "");
    }

    fn count(&mut self, more: usize, range: &Range<usize>) -> Result<(), Stop> {
        self.nodes += more;
        if self.nodes <= NODES {
            return Ok(());
        }
        self.problem(
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
            self.problem(
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
            self.problem(
                ProblemCode::Unsupported,
                range,
                "this alias stands inside the value it repeats",
                "",
            );
            return Err(Stop);
        };
        self.replayed += node.size;
        if self.replayed > REPLAYED {
            self.problem(
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
            self.problem(
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
            } => Value::Map(self.close_map(entries, &merged)?),
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

    /// Drops duplicate keys (the first stays), finds secrets, adds what `<<`
    /// brings.
    fn close_map(
        &mut self,
        mut entries: Vec<Entry<'t>>,
        merged: &[Rc<Node<'t>>],
    ) -> Result<Vec<Entry<'t>>, Stop> {
        self.drop_duplicates(&mut entries);
        let parent = match self.open.last() {
            Some(Frame {
                children: Children::Map { key: Some(key), .. },
                ..
            }) => key.text.as_ref(),
            _ => "",
        };
        if parent != "value_labels" {
            self.find_secrets(&entries);
        }
        if !merged.is_empty() {
            self.merge(&mut entries, merged)?;
        }
        Ok(entries)
    }

    fn drop_duplicates(&mut self, entries: &mut Vec<Entry<'t>>) {
        let mut order: Vec<usize> = (0..entries.len()).collect();
        order.sort_by(|&a, &b| entries[a].key.cmp(&entries[b].key).then(a.cmp(&b)));
        let mut gone = BTreeSet::new();
        let mut first = 0;
        for (position, &at) in order.iter().enumerate() {
            if position == 0 || entries[at].key != entries[first].key {
                first = at;
                continue;
            }
            gone.insert(at);
            if !self.problems.is_full() {
                let line = line_of(self.text, entries[first].key_span.start);
                let message = format!(
                    "the key `{}` stands twice; the first is in line {line}",
                    entries[at].key
                );
                let span = entries[at].key_span.clone();
                self.problem(
                    ProblemCode::DuplicateKey,
                    span,
                    &message,
                    "keep one of the two",
                );
            }
        }
        let mut index = 0;
        entries.retain(|_| {
            index += 1;
            !gone.contains(&(index - 1))
        });
    }

    fn find_secrets(&mut self, entries: &[Entry<'t>]) {
        for entry in entries {
            if !secrets::is_secret_key(&entry.key) || !secrets::could_be_secret(&entry.value) {
                continue;
            }
            self.hidden
                .push(entry.key_span.start..entry.value.span.end.max(entry.key_span.end));
            let message = format!(
                "`{}` looks like a secret, and secrets never stand in a manifest",
                entry.key
            );
            self.problem(
                ProblemCode::Secret,
                entry.key_span.clone(),
                &message,
                "set `REDIVIS_API_TOKEN`, or use `--token-file` or `--token-command`; if this line was committed, revoke the token",
            );
        }
    }

    /// YAML's rule: a key of the mapping itself wins, then earlier merges.
    fn merge(&mut self, entries: &mut Vec<Entry<'t>>, merged: &[Rc<Node<'t>>]) -> Result<(), Stop> {
        let mut known: BTreeSet<Cow<'t, str>> =
            entries.iter().map(|entry| entry.key.clone()).collect();
        let mut sources: Vec<Rc<Node<'t>>> = Vec::new();
        for node in merged {
            match &node.value {
                Value::List(items) => sources.extend(items.iter().map(Rc::clone)),
                Value::Map(_) | Value::Scalar(_) => sources.push(Rc::clone(node)),
            }
        }
        for node in sources {
            let Value::Map(brought) = &node.value else {
                self.problem(
                    ProblemCode::WrongType,
                    node.span.clone(),
                    "`<<` takes a mapping or a list of mappings",
                    "",
                );
                return Err(Stop);
            };
            for entry in brought {
                if known.insert(entry.key.clone()) {
                    entries.push(entry.clone());
                }
            }
        }
        Ok(())
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes()
        .take(offset)
        .filter(|&byte| byte == b'\n')
        .count()
        + 1
}
