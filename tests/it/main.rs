//! The integration tests: one binary, so that it links once. Modules only.

#[cfg(test)]
mod architecture;
#[cfg(test)]
mod backfill;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod check;
#[cfg(test)]
mod clean;
#[cfg(test)]
mod combined;
#[cfg(test)]
mod cost;
#[cfg(test)]
mod docs;
#[cfg(test)]
mod doctor;
#[cfg(test)]
mod exit_codes;
#[cfg(test)]
mod explain;
#[cfg(test)]
mod frame;
#[cfg(test)]
mod guards;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod html_report;
#[cfg(test)]
mod init;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod lineage;
#[cfg(test)]
mod manifest_docs;
#[cfg(test)]
mod matrix;
#[cfg(test)]
mod metadata;
#[cfg(test)]
mod metrics;
#[cfg(test)]
mod model;
#[cfg(test)]
mod moved;
#[cfg(test)]
mod output_files;
#[cfg(test)]
mod pace;
#[cfg(test)]
mod plan_files;
#[cfg(test)]
mod proof;
#[cfg(test)]
mod protocol;
#[cfg(test)]
mod receipts;
#[cfg(test)]
mod rehearse;
#[cfg(test)]
mod release_command;
#[cfg(test)]
mod releases;
#[cfg(test)]
mod replace;
#[cfg(test)]
mod resume;
#[cfg(test)]
mod rounded;
#[cfg(test)]
mod run_files;
#[cfg(test)]
mod run_rows;
#[cfg(test)]
mod run_uploads;
#[cfg(test)]
mod saved_plan;
#[cfg(test)]
mod saved_plan_again;
#[cfg(test)]
mod security;
#[cfg(test)]
mod shards;
#[cfg(test)]
mod signals;
#[cfg(test)]
mod smoke;
#[cfg(test)]
mod state;
#[cfg(test)]
mod status_signal;
#[cfg(test)]
mod status_verified;
#[cfg(test)]
mod surface;
#[cfg(test)]
mod two_writers;
#[cfg(test)]
mod verify;
