//! The emulator against the platform's pages: raw requests on sockets, written
//! from those pages and not from our client, under both characters.

mod datasets;
mod faults;
mod files;
mod http;
mod persistence;
mod raw;
mod rows;
mod sessions;
mod temp;
mod uploads;
