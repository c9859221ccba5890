//! The integration tests: one binary, so that it links once. Modules only.

#[cfg(test)]
mod architecture;
#[cfg(test)]
mod check;
#[cfg(test)]
mod frame;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod manifest_docs;
#[cfg(test)]
mod protocol;
#[cfg(test)]
mod releases;
#[cfg(test)]
mod replace;
#[cfg(test)]
mod run_rows;
#[cfg(test)]
mod run_uploads;
#[cfg(test)]
mod smoke;
