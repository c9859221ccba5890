//! YAML events to a tree of nodes that know their place in the text.
//!
//! The tree is what the check reads instead of serde structs, because serde
//! stops at the first error and loses scalar style; see
//! `docs/decisions/0001-yaml.md`. Aliases share nodes, merge keys (`<<`) are
//! resolved here, and so are the limits that keep a hostile manifest cheap. No
//! meaning is given to any key, except that secrets are found at any depth.

mod builder;
mod maps;
mod notes;

use std::borrow::Cow;
use std::ops::Range;
use std::rc::Rc;

pub(super) use builder::read;

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
