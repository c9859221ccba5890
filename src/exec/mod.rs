//! exec: see docs/architecture.md.
