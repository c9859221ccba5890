//! The token goes to the API's own origin and to nobody else. A relay with three
//! origins keeps the raw bytes of every request.

use redivis_ingest::sandbox::{Character, Operation};

use crate::harness::{Asked, Door, Reaction, Relay, TOKEN, World, noise, under_both};

/// Jobs that need every call that the program knows.
const EVERYTHING: &str = "
tables:
  n: { merge: append, description: Numbers }
jobs:
  - name: scans
    table: scans
    files: [{ glob: 'data/**/*', base: data }]
  - name: n
    table: n
    rows: [{ csv: 'rows/*.csv' }]
    schema: { n: { type: integer, label: A number } }
  - name: taxa
    table: taxa
    uploads: [{ path: 'taxa/*' }]
";

fn with_everything(world: &World) {
    world
        .manifest(EVERYTHING)
        .file("data/small.bin", noise(1, 1000))
        .file("data/large.bin", noise(2, 33 << 20))
        .file("rows/1.csv", "n\n1\n2\n")
        .file("taxa/a.csv", "id,name\n1,x\n");
}

/// Every request carried what its origin may have.
#[track_caller]
fn assert_token_stayed(asked: &[Asked]) {
    let bearer = format!("Bearer {TOKEN}");
    for one in asked {
        match one.door {
            Door::Api => assert_eq!(one.header("authorization"), [&bearer], "{one:?}"),
            Door::Storage => {
                let head = one.head.to_ascii_lowercase();
                assert!(!head.contains("authorization"), "{one:?}");
                assert!(!head.contains(TOKEN), "{one:?}");
                assert!(!head.contains("cookie"), "{one:?}");
            }
            Door::Elsewhere => panic!("somebody else was asked: {one:?}"),
        }
    }
}

#[test]
fn no_operation_takes_the_token_to_another_origin() {
    under_both(|world| {
        with_everything(&world);
        let relay = Relay::new(&world, |_| Reaction::Pass);

        world.through(&relay, "plan", &[]).exits(0);
        world.through(&relay, "run", &["-j", "4"]).exits(0);
        world.file("data/more.bin", noise(3, 33 << 20));
        world.file("rows/1.csv", "n\n1\n2\n3\n");
        world.file("taxa/a.csv", "id,name\n1,y\n");
        world.manifest(&format!("release: {{ notes: all of it }}{EVERYTHING}"));
        let legacy = ["--protocol", "legacy", "--chunk-size", "16MiB"];
        world.through(&relay, "run", &legacy).exits(0);
        world.file("data/next.bin", noise(4, 10));
        world.through(&relay, "run", &[]).exits(0);

        let asked = relay.asked();
        assert_token_stayed(&asked);
        let mut kinds: Vec<String> = asked.iter().map(Asked::kind).collect();
        kinds.sort();
        kinds.dedup();
        // A raw relay that saw nothing would prove nothing.
        for kind in [
            "DELETE upload",
            "GET dataset",
            "GET rawFiles",
            "GET table",
            "GET uploads",
            "GET variables",
            "GET versions",
            "POST rawFiles",
            "POST release",
            "POST resumableUpload",
            "POST rows",
            "POST storage",
            "POST tables",
            "POST tempUploads",
            "POST uploads",
            "POST versions",
            "PUT storage",
        ] {
            assert!(kinds.iter().any(|one| one == kind), "{kind} in {kinds:?}");
        }
        assert_eq!(world.inspect().tokens_on_storage, 0);
        assert!(!world.asked(Operation::PutChunk).is_empty());
    });
}

#[test]
fn a_redirect_of_any_kind_of_call_is_not_followed() {
    let kinds = [
        "GET dataset",
        "GET versions",
        "GET table",
        "POST tables",
        "POST tempUploads",
        "PUT storage",
        "POST storage",
        "POST rawFiles",
        "GET rawFiles",
        "POST uploads",
        "POST rows",
        "GET uploads",
        "DELETE upload",
        "POST release",
        "POST versions",
    ];
    for (round, kind) in kinds.into_iter().enumerate() {
        let status = [301, 302, 303, 307, 308][round % 5];
        let world = World::new(Character::Friendly);
        with_everything(&world);
        world.manifest(&format!("release: true{EVERYTHING}"));
        // To another port, to another name of this machine, without a scheme, and
        // to where TLS is spoken.
        let spy = Relay::new(&world, |_| Reaction::Pass);
        let target = match round % 4 {
            0 => format!("{}/x", spy.elsewhere()),
            1 => format!("{}/x", spy.elsewhere().replace("127.0.0.1", "localhost")),
            2 => format!("{}/x", spy.elsewhere().trim_start_matches("http:")),
            _ => format!("{}/x", spy.elsewhere().replace("http:", "https:")),
        };
        let relay = Relay::new(&world, move |asked| {
            if asked.kind() == kind {
                Reaction::answer(status, &format!("Location: {target}\r\n"), "")
            } else {
                Reaction::Pass
            }
        });
        // Something must have been sent for something to be replaced, and released
        // for a version to be made.
        if kind == "DELETE upload" {
            world.manifest(EVERYTHING).run(&[]).exits(0);
            world.file("rows/1.csv", "n\n1\n3\n");
        } else if kind == "POST versions" {
            world.run(&[]).exits(0);
            world.file("data/new.bin", "new");
        }
        let outcome = world.through(&relay, "run", &["-j", "2", "--timeout", "5s"]);

        assert_ne!(outcome.status, Some(0), "{kind} {status}: {outcome:?}");
        assert_ne!(outcome.status, Some(1), "{kind} {status}: {outcome:?}");
        assert!(
            relay.asked().iter().any(|one| one.kind() == kind),
            "{kind} was never asked: {outcome:?}"
        );
        assert_token_stayed(&relay.asked());
        assert!(spy.asked().is_empty(), "{kind} {status}: {:?}", spy.asked());
    }
}

/// Addresses that lead away from the API, each in its own way.
fn foreign_addresses(spy: &Relay) -> Vec<String> {
    let elsewhere = spy.elsewhere();
    let host = elsewhere.trim_start_matches("http://");
    vec![
        format!("{elsewhere}/api/v1/tables/t/uploads/x"),
        format!("//{host}/tables/t/uploads/x"),
        format!("/\\{host}/tables/t/uploads/x"),
        format!("@{host}/tables/t/uploads/x"),
        format!(":x@{host}/tables/t/uploads/x"),
        format!(".{host}/tables/t/uploads/x"),
        "/tables/../../../uploads/x".to_owned(),
        "/tables/%2e%2e/uploads/x".to_owned(),
        "/tables/%252e%252e/../uploads/x".to_owned(),
        "/tables/t%2f..%2f/uploads/x".to_owned(),
        "/tables/t/uploads/x?next=1".to_owned(),
        "/tables/t/uploads/x#y".to_owned(),
        "/tables/t/uploads/x\r\nX-Injected: 1".to_owned(),
        "/tables/t/uploads/x\u{0}".to_owned(),
        "/tables/t/uploads/..".to_owned(),
        "/datasets/demo.survey".to_owned(),
        "/tables/demo.survey:next.n".to_owned(),
        String::new(),
    ]
}

#[test]
fn an_address_in_an_answer_that_leads_away_is_not_used() {
    let world = World::new(Character::Friendly);
    world
        .manifest("jobs:\n  - { name: n, table: n, rows: [{ csv: 'rows/*.csv' }], schema: { n: integer } }\n")
        .file("rows/1.csv", "n\n1\n");
    let spy = Relay::new(&world, |_| Reaction::Pass);
    let addresses = foreign_addresses(&spy);
    for (at, uri) in addresses.iter().enumerate() {
        let said = serde_json::to_string(uri).unwrap();
        let relay = Relay::new(&world, move |asked| {
            let said = said.clone();
            match asked.kind().as_str() {
                "POST uploads" => Reaction::Change(Box::new(move |body| {
                    let mut made: serde_json::Value = serde_json::from_slice(&body).unwrap();
                    made["uri"] = serde_json::from_str(&said).unwrap();
                    made.to_string().into_bytes()
                })),
                _ => Reaction::Pass,
            }
        });
        world.forget_state();
        let outcome = world.through(&relay, "run", &[]);

        assert!(
            matches!(outcome.status, Some(3 | 69 | 75)),
            "{uri:?}: {outcome:?}"
        );
        let asked = relay.asked();
        assert_token_stayed(&asked);
        let after = asked.iter().skip_while(|one| one.kind() != "POST uploads");
        for one in after {
            assert!(!one.path().contains(".."), "{uri:?}: {one:?}");
            assert!(one.header("x-injected").is_empty(), "{uri:?}: {one:?}");
            let writes = ["POST uploads", "POST rows", "DELETE upload"];
            assert!(
                one.method() == "GET"
                    || one.method() == "HEAD"
                    || writes.contains(&one.kind().as_str()),
                "{uri:?}: {one:?}"
            );
            // Nothing is deleted or filled but what the draft's own list names.
            if one.kind() == "DELETE upload" {
                assert!(one.path().contains("ri1_"), "{uri:?}: {one:?}");
            }
        }
        assert!(spy.asked().is_empty(), "{at} {uri:?}: {:?}", spy.asked());
    }
    assert_eq!(addresses.len(), 18);
}

#[test]
fn content_goes_to_no_unsafe_address() {
    let world = World::new(Character::Friendly);
    world
        .manifest(crate::harness::SCANS)
        .file("data/a.bin", noise(1, 1000));
    for url in [
        "http://192.0.2.1/up",
        "http://storage.example/up?X-Goog-Signature=abc",
        "ftp://127.0.0.1/up",
        "file:///etc/passwd",
        "http://me:pw@127.0.0.1:9/up",
        "/up",
        "//127.0.0.1/up",
        "http://127.0.0.1:99999/up",
        "http://127.0.0.1\\@evil.example/up",
        "http://127.0.0.1 /up",
        "javascript:x",
        "",
    ] {
        let relay = Relay::new(&world, move |asked| match asked.kind().as_str() {
            "POST tempUploads" => Reaction::Change(Box::new(move |body| {
                let mut made: serde_json::Value = serde_json::from_slice(&body).unwrap();
                made["results"][0]["url"] = serde_json::Value::from(url);
                made.to_string().into_bytes()
            })),
            _ => Reaction::Pass,
        });
        world.forget_state();
        let outcome = world.through(&relay, "run", &["--timeout", "5s"]);

        assert!(
            matches!(outcome.status, Some(3 | 69 | 75)),
            "{url:?}: {outcome:?}"
        );
        assert_token_stayed(&relay.asked());
        assert!(!outcome.stderr.contains("X-Goog-Signature"), "{outcome:?}");
        assert!(!outcome.stderr.contains(":pw@"), "{outcome:?}");
        assert_eq!(
            relay
                .asked()
                .iter()
                .filter(|one| one.door == Door::Storage)
                .count(),
            0
        );
    }
}

#[test]
fn a_session_opened_elsewhere_gets_bytes_and_no_token() {
    // The storage may hand a session to another of its hosts.
    let world = World::new(Character::Friendly);
    world
        .manifest(crate::harness::SCANS)
        .file("data/large.bin", noise(1, 33 << 20));
    let spy = Relay::new(&world, |_| Reaction::answer(200, "", "{}"));
    let session = format!("{}/session?upload_id=1", spy.storage());
    let relay = Relay::new(&world, move |asked| match asked.kind().as_str() {
        "POST storage" => Reaction::answer(201, &format!("Location: {session}\r\n"), ""),
        _ => Reaction::Pass,
    });
    let outcome = world.through(&relay, "run", &["--timeout", "5s"]);

    // The bytes never came where the attaching looks for them.
    assert_ne!(outcome.status, Some(0), "{outcome:?}");
    assert!(!spy.asked().is_empty());
    assert_token_stayed(&spy.asked());
    assert_token_stayed(&relay.asked());
}

#[test]
fn an_endpoint_that_would_give_the_token_away_is_refused_and_not_repeated() {
    let world = World::new(Character::Friendly);
    world.manifest(crate::harness::SCANS).file("data/a", "a");
    let manifest = world.path("manifest.yaml");
    for (endpoint, why) in [
        ("http://redivis.com/api/v1", "plain http"),
        ("http://192.0.2.1/api/v1", "plain http"),
        ("http://localhost.evil.example/api/v1", "plain http"),
        ("http://127.0.0.1.evil.example/api/v1", "plain http"),
        ("https://me:hunter2-pw@redivis.com/api/v1", "user name"),
        ("http://me:hunter2-pw@127.0.0.1:1/api/v1", "user name"),
        ("https://redivis.com\\@evil.example/api/v1", "character"),
        ("https://redivis.com/api/v1?token=hunter2-pw", "query"),
        ("ftp://redivis.com/api/v1", "must start"),
        ("file:///etc", "must start"),
    ] {
        for format in ["text", "json"] {
            let args = [
                "plan",
                manifest.to_str().unwrap(),
                "--endpoint",
                endpoint,
                "--format",
                format,
                "--log-level",
                "trace",
            ];
            let outcome = world.call(&args).exits(64);
            let all = format!("{}{}", outcome.stdout, outcome.stderr);
            assert!(all.contains("settings/endpoint"), "{endpoint}: {all}");
            assert!(all.contains(why), "{endpoint}: {all}");
            assert!(!all.contains("hunter2-pw"), "{endpoint}: {all}");
            assert!(!all.contains(TOKEN), "{endpoint}: {all}");
        }
    }
}

#[test]
fn a_proxy_s_password_is_in_no_output() {
    let world = World::new(Character::Friendly);
    world.manifest(crate::harness::SCANS).file("data/a", "a");
    let manifest = world.path("manifest.yaml");
    for proxy in [
        "http://me:hunter2-pw@127.0.0.1:9",
        "socks5://me:hunter2-pw@127.0.0.1:9",
        "me:hunter2-pw@@@",
    ] {
        let args = [
            "plan",
            manifest.to_str().unwrap(),
            "--log-level",
            "trace",
            "--timeout",
            "2s",
        ];
        let outcome = world.call_with(
            &args,
            &[
                ("https_proxy", proxy),
                ("REDIVIS_API_ENDPOINT", "https://redivis.invalid/api/v1"),
                ("REDIVIS_INGEST_RETRY_SCALE", "0"),
            ],
        );
        assert_ne!(outcome.status, Some(0));
        let all = format!("{}{}", outcome.stdout, outcome.stderr);
        assert!(!all.contains("hunter2-pw"), "{proxy}: {all}");
    }
}
