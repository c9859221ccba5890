//! A sandbox in a process of its own, with two things that the command has not:
//! it can keep no content, and it says what it saw.

use std::io::BufRead as _;
use std::path::PathBuf;

use redivis_ingest::sandbox::{
    Fault, FaultRule, FaultScript, Nth, Operation, Sandbox, SandboxOptions, Seed,
};

/// Serves until standard input ends; answers each line there with what it saw.
pub(crate) fn run(data: &str, latency_ms: u64, keeps_no_content: bool, dataset: &str) {
    let late = FaultRule {
        operation: Operation::Any,
        nth: Nth::Every(1),
        fault: Fault::Stall { ms: latency_ms },
    };
    let sandbox = Sandbox::start(SandboxOptions {
        data_dir: Some(PathBuf::from(data)),
        faults: FaultScript(if latency_ms > 0 {
            vec![late]
        } else {
            Vec::new()
        }),
        seed: Seed {
            datasets: vec![dataset.to_owned()],
        },
        keeps_no_content,
        ..SandboxOptions::default()
    })
    .unwrap();
    println!(
        r#"{{"endpoint":"{}","storage":"{}"}}"#,
        sandbox.endpoint(),
        sandbox.storage_origin()
    );
    for line in std::io::stdin().lock().lines() {
        if line.is_err() {
            break;
        }
        let seen = sandbox.inspect();
        let files: usize = seen
            .datasets
            .iter()
            .flat_map(|dataset| &dataset.versions)
            .flat_map(|version| &version.tables)
            .map(|table| table.files.len())
            .sum();
        println!(r#"{{"connections":{},"files":{files}}}"#, seen.connections);
    }
    sandbox.stop();
}
