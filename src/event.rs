//! event: see docs/architecture.md.
