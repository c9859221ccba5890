//! `status --verified`: the files that are delivered and the same ever since.

use redivis_ingest::base::CancelToken;
use redivis_ingest::sandbox::Character;

use crate::harness::{Outcome, SCANS, World};

fn listed(world: &World, args: &[&str]) -> Outcome {
    let mut all = vec!["--verified"];
    all.extend(args);
    world.on_manifest("status", &all).exits(0)
}

#[test]
fn files_that_are_delivered_are_listed_for_xargs() {
    let world = World::new(Character::Friendly);
    world
        .manifest(SCANS)
        .file("data/a", "aaaa")
        .file("data/deep/two words", "bbbb");
    assert_eq!(listed(&world, &["-0"]).stdout, "", "nothing is sent yet");
    world.run(&[]).exits(0);
    // A file that was read within two seconds after its change is not believed.
    let path = |name: &str| world.path(name).to_str().unwrap().to_owned();
    let wanted = format!("{}\0", path("data/a"));
    for _ in 0..200 {
        world.plan(&[]);
        if listed(&world, &["-0"]).stdout.contains(&wanted) {
            break;
        }
        CancelToken::new().wait(std::time::Duration::from_millis(100));
    }
    world.sandbox().clear_requests();

    let text = listed(&world, &["-0"]).stdout;

    let paths: Vec<&str> = text.split_terminator('\0').collect();
    assert_eq!(paths[0], path("data/a"));
    assert!(paths.len() <= 2, "{paths:?}");
    let lines = listed(&world, &["--format", "json"]).stdout;
    let first: serde_json::Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!(first["path"], path("data/a"));
    assert_eq!(world.sandbox().requests().len(), 0);

    // Another content is not what was delivered, whatever its size is.
    world.file("data/a", "AAAA");
    assert!(!listed(&world, &["-0"]).stdout.contains(&wanted));
    world.on_manifest("status", &["-0"]).exits(64);
}
