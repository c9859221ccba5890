//! Inserting rows: types, the schema, what a refused call leaves.

use redivis_ingest::sandbox::Character;
use serde_json::Value;

use super::raw::{Peer, Reply, both};

const UPLOADS: &str = "/tables/demo.survey:next.readings/uploads";

fn stream(peer: &Peer, schema: &str) {
    let body = format!(r#"{{"name":"s","type":"stream","schema":{schema}}}"#);
    peer.post(UPLOADS, &body).success();
}

fn insert(peer: &Peer, rows: &str) -> Reply {
    peer.post(
        &format!("{UPLOADS}/s/rows"),
        &format!(r#"{{"rows":{rows}}}"#),
    )
}

fn stored(peer: &Peer) -> Vec<String> {
    let seen = peer.sandbox.inspect();
    let table = seen.table("demo.survey", "next", "readings").unwrap();
    table.upload("s").unwrap().rows().unwrap()
}

fn num_rows(peer: &Peer) -> Option<u64> {
    let value = peer.get(&format!("{UPLOADS}/s")).expect(200).json()["numRows"].clone();
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

#[test]
fn rows_are_added_and_counted() {
    both(|character, peer| {
        stream(
            peer,
            r#"[{"name":"a","type":"integer"},{"name":"b","type":"string"}]"#,
        );
        let reply = insert(peer, r#"[{"a":9007199254740993,"b":"x"},{"b":null},{}]"#).expect(201);
        assert_eq!(reply.json()["kind"], "insertRowsResponse");
        assert_eq!(reply.json()["rowsAdded"], 3);
        insert(
            peer,
            r#"[ {"a" : 1,
            "b":"line\nbreak"} ]"#,
        )
        .expect(201);

        let first = match character {
            Character::Friendly => r#"{"a":9007199254740993,"b":"x"}"#,
            Character::Worst => r#"{"a":9007199254740992,"b":"x"}"#,
        };
        assert_eq!(
            stored(peer),
            [
                first,
                r#"{"b":null}"#,
                "{}",
                r#"{"a" : 1,            "b":"line\nbreak"}"#,
            ]
        );
    });
}

#[test]
fn the_count_lags_or_not() {
    both(|character, peer| {
        stream(peer, "null");
        insert(peer, r#"[{"a":1},{"a":2}]"#).expect(201);
        let counts = [num_rows(peer), num_rows(peer), num_rows(peer)];
        match character {
            Character::Friendly => assert_eq!(counts, [Some(2), Some(2), Some(2)]),
            Character::Worst => assert_eq!(counts, [Some(0), Some(2), Some(2)]),
        }
    });
}

#[test]
fn values_are_held_to_their_types() {
    both(|_, peer| {
        let schema = r#"[{"name":"i","type":"integer"},{"name":"f","type":"float"},{"name":"b","type":"boolean"},
            {"name":"s","type":"string"},{"name":"d","type":"date"},{"name":"dt","type":"dateTime"},
            {"name":"t","type":"time"},{"name":"g","type":"geography"}]"#;
        stream(peer, schema);
        insert(
            peer,
            r#"[{"i":-5,"f":1.5e3,"b":true,"s":"x","d":"2024-02-29","dt":"1970-01-01T00:00:00.000","t":"23:59:59.5","g":"POINT(10 20)"}]"#,
        )
        .expect(201);
        for row in [
            r#"{"i":"5"}"#,
            r#"{"i":1.5}"#,
            r#"{"i":9223372036854775808}"#,
            r#"{"f":"1.5"}"#,
            r#"{"b":"true"}"#,
            r#"{"b":1}"#,
            r#"{"s":1}"#,
            r#"{"d":"2023-02-29"}"#,
            r#"{"dt":"1970-01-01T00:00:00Z"}"#,
            r#"{"t":"24:00:00"}"#,
            r#"{"g":5}"#,
            r#"{"s":{"nested":1}}"#,
            r#"{"unknown":1}"#,
            "[1]",
            "5",
        ] {
            insert(peer, &format!("[{row}]")).expect(400);
        }
        assert_eq!(stored(peer).len(), 1);
    });
}

#[test]
fn a_refused_call_leaves_nothing_or_the_rows_before() {
    both(|character, peer| {
        stream(peer, r#"[{"name":"a","type":"integer"}]"#);
        let error = insert(peer, r#"[{"a":1},{"a":2},{"a":"x"},{"a":4}]"#).expect(400);
        assert!(error.text().contains("Row 2"), "{}", error.text());
        let left = match character {
            Character::Friendly => vec![],
            Character::Worst => vec![r#"{"a":1}"#, r#"{"a":2}"#],
        };
        assert_eq!(stored(peer), left);

        insert(peer, r#"[{"a":5}]"#).expect(201);
        assert_eq!(stored(peer).last().unwrap(), r#"{"a":5}"#);
        assert_eq!(stored(peer).len(), left.len() + 1);
    });
}

#[test]
fn the_first_rows_make_the_schema() {
    both(|_, peer| {
        stream(peer, "null");
        insert(peer, r#"[{"a":1,"b":"x"},{"a":1.5,"c":true}]"#).expect(201);
        insert(peer, r#"[{"a":"x"}]"#).expect(400);
        insert(peer, r#"[{"new":1}]"#).expect(400);
        let list = peer.get(&format!("{UPLOADS}/s/variables")).json();
        let types: Vec<_> = list["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|variable| variable["type"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(types, ["float", "string", "boolean"]);
    });
}

#[test]
fn other_keys_of_the_body_are_read_over() {
    both(|_, peer| {
        stream(peer, "null");
        let path = format!("{UPLOADS}/s/rows");
        peer.post(
            &path,
            r#"{"updateSchema":false,"rows":[{"a":1}],"more":{"x":[1,2]}}"#,
        )
        .expect(201);
        for body in [
            "",
            "{}",
            r#"{"rows":[]}"#,
            r#"{"rows":{}}"#,
            r#"{"rows":[{"a":1}]"#,
            r#"{"rows":[{"a":1}]} x"#,
            r#"{"rows":[{"a":1},]}"#,
        ] {
            peer.post(&path, body).expect(400);
        }
        let kept: Vec<Value> = stored(peer)
            .iter()
            .map(|row| serde_json::from_str(row).unwrap())
            .collect();
        assert_eq!(kept[0], serde_json::json!({"a": 1}));
    });
}

#[test]
fn only_streams_take_rows() {
    both(|_, peer| {
        insert(peer, r#"[{"a":1}]"#).expect(404);
        peer.api("POST", &format!("{UPLOADS}?name=s"), &[], b"a\n1\n")
            .success();
        insert(peer, r#"[{"a":1}]"#).expect(400);
    });
}

#[test]
fn many_rows_are_kept_in_order() {
    both(|_, peer| {
        stream(
            peer,
            r#"[{"name":"n","type":"integer"},{"name":"text","type":"string"}]"#,
        );
        let rows: Vec<String> = (0..20_000)
            .map(|n| format!(r#"{{"n":{n},"text":"some text that takes room {n}"}}"#))
            .collect();
        insert(peer, &format!("[{}]", rows.join(","))).expect(201);

        assert!(stored(peer) == rows);
    });
}

#[test]
fn two_inserts_at_once_do_not_mix() {
    both(|_, peer| {
        stream(peer, r#"[{"name":"n","type":"integer"}]"#);
        std::thread::scope(|scope| {
            for start in [0, 5_000, 10_000] {
                scope.spawn(move || {
                    let rows: Vec<String> = (start..start + 5_000)
                        .map(|n| format!(r#"{{"n":{n}}}"#))
                        .collect();
                    insert(peer, &format!("[{}]", rows.join(","))).expect(201);
                });
            }
        });
        let mut all = stored(peer);
        all.sort();
        all.dedup();

        assert_eq!(all.len(), 15_000);
    });
}
