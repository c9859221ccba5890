//! Names in the manifest to bytes and rows on disk.
