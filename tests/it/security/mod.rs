//! Secrets stay where they belong, and nobody on the other side of the wire can
//! make the program do harm: proved with raw bytes, by tests that each break
//! when the guard they are about is taken out.

mod canary;
mod confined;
mod hostile;
mod origins;
mod permissions;
