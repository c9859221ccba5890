//! What the tests share: a world, an outcome, redactions.
