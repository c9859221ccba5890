//! Datasets, versions, tables and variables; references in all their forms.

use redivis_ingest::base::MergeStrategy;
use redivis_ingest::sandbox::{Character, SandboxOptions, Seed};

use super::raw::{Peer, both};

#[test]
fn a_new_dataset_has_a_next_version() {
    both(|_, peer| {
        let dataset = peer.get("/datasets/demo.survey").expect(200).json();

        assert_eq!(dataset["kind"], "dataset");
        assert_eq!(dataset["name"], "survey");
        assert_eq!(dataset["owner"]["name"], "demo");
        assert_eq!(dataset["nextVersion"]["tag"], "next");
        assert_eq!(dataset["version"]["isReleased"], false);
        assert!(dataset["currentVersion"].is_null());
    });
}

#[test]
fn references_are_found_in_all_their_forms() {
    both(|_, peer| {
        let table = peer
            .get("/tables/demo.survey:next.scans")
            .expect(200)
            .json();
        let uri = table["uri"].as_str().unwrap().to_owned();
        for path in [
            "/tables/DEMO.Survey:next.SCANS",
            "/tables/demo.survey%3Anext.scans",
            "/tables/demo.survey%3anext%2Escans",
            uri.as_str(),
            &uri.replace(':', "%3A"),
        ] {
            assert_eq!(
                peer.get(path).expect(200).json()["id"],
                table["id"],
                "{path}"
            );
        }
        peer.get("/tables/demo.survey:zzzz:next.scans").expect(404);
        peer.get("/tables/other.survey:next.scans").expect(404);
        peer.get("/tables/scans").expect(404);
    });
}

#[test]
fn names_are_shown_escaped_and_kept_as_given() {
    both(|character, peer| {
        peer.post(
            "/datasets/demo.survey:next/tables",
            r#"{"name":"A  (large) table"}"#,
        )
        .success();
        let by_escaped = peer.get("/tables/demo.survey:next.a_large_table");
        let table = by_escaped.expect(200).json();

        assert_eq!(table["name"], "A  (large) table");
        let shown = table["scopedReference"].as_str().unwrap();
        let wanted = match character {
            Character::Friendly => "a_large_table:",
            Character::Worst => "a___large__table:",
        };
        assert!(shown.starts_with(wanted), "{shown}");
        let spaced = peer.get("/tables/demo.survey:next.A%20%20(large)%20table");
        assert_eq!(spaced.expect(200).json()["id"], table["id"]);
    });
}

#[test]
fn a_taken_name_is_refused() {
    both(|character, peer| {
        let status = match character {
            Character::Friendly => 400,
            Character::Worst => 409,
        };
        peer.post("/organizations/demo/datasets", r#"{"name":"Survey"}"#)
            .expect(status);
        peer.post("/datasets/demo.survey:next/tables", r#"{"name":"SCANS"}"#)
            .expect(status);
        peer.post("/datasets/demo.survey/versions", "")
            .expect(status);
        peer.post("/datasets/demo.survey:next/tables", "{}")
            .expect(400);
    });
}

#[test]
fn a_version_that_is_not_there_is_404_and_an_unknown_one_depends() {
    both(|character, peer| {
        peer.patch("/tables/demo.survey:next.scans", r#"{"description":"d"}"#)
            .expect(200);
        peer.post(
            "/datasets/demo.survey/versions/next/release",
            r#"{"releaseNotes":null}"#,
        )
        .expect(200);
        let missing = peer.get("/datasets/demo.survey:next").expect(404);
        assert!(
            missing.text().contains("Not found: survey:next"),
            "{}",
            missing.text()
        );
        peer.get("/datasets/demo.survey:v7_0").expect(404);
        let odd = peer.get("/datasets/demo.survey:latest");
        match character {
            Character::Friendly => assert_eq!(odd.status, 404),
            Character::Worst => assert_eq!(odd.json()["version"]["tag"], "v1.0"),
        }
    });
}

#[test]
fn a_release_locks_and_a_next_version_inherits() {
    both(|_, peer| {
        let id = peer.stage("scans", "a.txt", b"one");
        peer.attach(&[("a.txt", &id)]).expect(201);
        peer.post(
            "/tables/demo.survey:next.readings/uploads",
            r#"{"name":"s","type":"stream"}"#,
        )
        .success();
        peer.post(
            "/tables/demo.survey:next.readings/uploads/s/rows",
            r#"{"rows":[{"a":1},{"a":2}]}"#,
        )
        .expect(201);
        let version = peer
            .post(
                "/datasets/demo.survey:next/versions/next/release",
                r#"{"releaseNotes":"first"}"#,
            )
            .expect(200)
            .json();
        assert_eq!(version["tag"], "v1.0");
        assert_eq!(version["isReleased"], true);
        assert_eq!(version["index"], 0);
        let pinned = version["datasetUri"].as_str().unwrap();
        assert!(pinned.ends_with(":v1_0"), "{pinned}");
        assert_eq!(
            peer.get(pinned).expect(200).json()["version"]["tag"],
            "v1.0"
        );

        for (path, body) in [
            (
                "/tables/demo.survey:v1_0.scans/rawFiles",
                r#"{"files":[{"name":"b","tempUploadId":"x"}]}"#,
            ),
            (
                "/tables/demo.survey.scans/tempUploads",
                r#"{"tempUploads":[{"size":1,"name":"x"}]}"#,
            ),
            (
                "/tables/demo.survey:v1.0.readings/uploads",
                r#"{"name":"t","type":"stream"}"#,
            ),
            (
                "/tables/demo.survey:current.readings/uploads/s/rows",
                r#"{"rows":[{"a":1}]}"#,
            ),
            ("/datasets/demo.survey/tables", r#"{"name":"more"}"#),
        ] {
            peer.post(path, body).expect(400);
        }
        peer.patch("/tables/demo.survey.scans", r#"{"description":"x"}"#)
            .expect(400);

        let next = peer
            .post("/datasets/demo.survey/versions", "")
            .success()
            .json();
        assert_eq!(next["tag"], "next");
        assert_eq!(next["canRelease"], false);
        let seen = peer.sandbox.inspect();
        let scans = seen.table("demo.survey", "next", "scans").unwrap();
        assert_eq!(scans.file("a.txt").unwrap().bytes().unwrap(), b"one");
        let readings = seen.table("demo.survey", "next", "readings").unwrap();
        assert_eq!(readings.num_rows, 2);
        assert!(readings.uploads.is_empty());
        assert_eq!(
            readings.inserted_rows().unwrap(),
            [r#"{"a":1}"#, r#"{"a":2}"#]
        );
    });
}

#[test]
fn nothing_new_cannot_be_released() {
    both(|_, peer| {
        let release = "/datasets/demo.survey/versions/next/release";
        peer.post(release, "{}").expect(200);
        peer.post("/datasets/demo.survey/versions", "").success();
        peer.post(release, "{}").expect(400);
        let version = peer.get("/datasets/demo.survey/versions/next").json();
        assert_eq!(version["canRelease"], false);

        peer.patch("/tables/demo.survey:next.scans", r#"{"description":"new"}"#)
            .expect(200);
        assert_eq!(peer.post(release, "{}").expect(200).json()["tag"], "v1.1");
    });
}

#[test]
fn a_release_can_be_taken_back() {
    both(|_, peer| {
        peer.post("/datasets/demo.survey/versions/next/release", "{}")
            .expect(200);
        let version = peer
            .post("/datasets/demo.survey/versions/current/unrelease", "")
            .expect(200)
            .json();
        assert_eq!(version["tag"], "next");
        peer.get("/datasets/demo.survey:next").expect(200);
    });
}

#[test]
fn versions_are_listed_with_their_tags() {
    both(|_, peer| {
        peer.post("/datasets/demo.survey/versions/next/release", "{}")
            .expect(200);
        peer.post("/datasets/demo.survey/versions", "").success();
        let list = peer.get("/datasets/demo.survey/versions").json();

        let tags: Vec<_> = list["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|version| version["tag"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(tags, ["next", "v1.0"]);
        assert!(list["nextPageToken"].is_null());
        assert!(list.as_object().unwrap().contains_key("nextPageToken"));
    });
}

#[test]
fn lists_come_in_pages() {
    both(|_, peer| {
        for number in 0..5 {
            peer.post(
                "/datasets/demo.survey:next/tables",
                &format!(r#"{{"name":"t{number}"}}"#),
            )
            .success();
        }
        let mut names = Vec::new();
        let mut token = String::new();
        loop {
            let page = peer
                .get(&format!(
                    "/datasets/demo.survey:next/tables?maxResults=3&pageToken={token}"
                ))
                .expect(200)
                .json();
            for table in page["results"].as_array().unwrap() {
                names.push(table["name"].as_str().unwrap().to_owned());
            }
            match page["nextPageToken"].as_str() {
                Some(next) => next.clone_into(&mut token),
                None => break,
            }
        }

        assert_eq!(names, ["scans", "readings", "t0", "t1", "t2", "t3", "t4"]);
    });
}

#[test]
fn the_merge_strategy_is_patched_and_maybe_ignored_at_creation() {
    both(|character, peer| {
        let made = peer
            .post(
                "/datasets/demo.survey:next/tables",
                r#"{"name":"taxa","uploadMergeStrategy":"replace","isFileIndex":false}"#,
            )
            .success()
            .json();
        let wanted = match character {
            Character::Friendly => "replace",
            Character::Worst => "append",
        };
        assert_eq!(made["uploadMergeStrategy"], wanted);
        let patched = peer
            .patch(
                "/tables/demo.survey:next.taxa",
                r#"{"uploadMergeStrategy":"replace","description":"names"}"#,
            )
            .expect(200)
            .json();
        assert_eq!(patched["uploadMergeStrategy"], "replace");
        assert_eq!(patched["description"], "names");
        peer.patch(
            "/tables/demo.survey:next.taxa",
            r#"{"uploadMergeStrategy":"upsert"}"#,
        )
        .expect(400);
    });
}

#[test]
fn append_keeps_inherited_rows_and_replace_drops_them_when_something_lands() {
    both(|_, peer| {
        let rows = |path: &str| {
            peer.post(
                &format!("{path}/uploads"),
                r#"{"name":"s","type":"stream"}"#,
            )
            .success();
            peer.post(
                &format!("{path}/uploads/s/rows"),
                r#"{"rows":[{"a":1},{"a":2}]}"#,
            )
            .expect(201);
        };
        rows("/tables/demo.survey:next.readings");
        peer.post("/datasets/demo.survey/versions/next/release", "{}")
            .expect(200);
        peer.post("/datasets/demo.survey/versions", "").success();
        let count = || {
            let seen = peer.sandbox.inspect();
            let table = seen.table("demo.survey", "next", "readings").unwrap();
            (table.merge, table.num_rows)
        };
        peer.patch(
            "/tables/demo.survey:next.readings",
            r#"{"uploadMergeStrategy":"replace"}"#,
        )
        .expect(200);
        assert_eq!(count(), (MergeStrategy::Replace, 2));

        peer.post(
            "/tables/demo.survey:next.readings/uploads",
            r#"{"name":"new","type":"stream"}"#,
        )
        .success();
        peer.post(
            "/tables/demo.survey:next.readings/uploads/new/rows",
            r#"{"rows":[{"a":3}]}"#,
        )
        .expect(201);
        assert_eq!(count(), (MergeStrategy::Replace, 1));

        peer.patch(
            "/tables/demo.survey:next.readings",
            r#"{"uploadMergeStrategy":"append"}"#,
        )
        .expect(200);
        assert_eq!(count(), (MergeStrategy::Append, 3));
    });
}

#[test]
fn deleting_answers_ok_with_a_body() {
    both(|_, peer| {
        let reply = peer.api("DELETE", "/tables/demo.survey:next.scans", &[], b"");
        assert_eq!((reply.status, reply.text().as_str()), (200, "OK"));
        peer.get("/tables/demo.survey:next.scans").expect(404);
        peer.api("DELETE", "/datasets/demo.survey", &[], b"")
            .expect(200);
        peer.get("/datasets/demo.survey").expect(404);
    });
}

#[test]
fn variables_are_listed_with_their_types_and_labels() {
    both(|_, peer| {
        let table = "/tables/demo.survey:next.readings";
        peer.post(
            &format!("{table}/uploads"),
            r#"{"name":"s","type":"stream","schema":[{"name":"day","type":"date"},{"name":"n","type":"integer"}]}"#,
        )
        .success();
        peer.patch(&format!("{table}/variables/day"), r#"{"label":"Day"}"#)
            .expect(200);
        let read = || peer.get(&format!("{table}/variables?maxResults=1000"));
        // Under the worst answers two reads show what was before.
        let list = [read(), read(), read()][2].json();
        let shown: Vec<_> = list["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|v| (v["name"].clone(), v["type"].clone(), v["label"].clone()))
            .collect();

        assert_eq!(
            shown,
            [
                ("day".into(), "date".into(), "Day".into()),
                ("n".into(), "integer".into(), serde_json::Value::Null)
            ]
        );
        peer.get(&format!("{table}/uploads/s/variables/n"))
            .expect(200);
        peer.get(&format!("{table}/variables/none")).expect(404);
    });
}

#[test]
fn a_variable_s_description_and_value_labels_are_in_its_get_form_only() {
    both(|_, peer| {
        let table = "/tables/demo.survey:next.readings";
        peer.post(
            &format!("{table}/uploads"),
            r#"{"name":"s","type":"stream","schema":[{"name":"n","type":"integer"}]}"#,
        )
        .success();
        let variable = format!("{table}/variables/n");
        let body = r#"{"description":" Number ","valueLabels":[{"value":"1","label":"one"},{"value":"x","label":"so"}]}"#;
        let answer = peer.patch(&variable, body).expect(200).json();
        assert_eq!(answer["name"], "n");
        // What is left out stays.
        peer.patch(&variable, r#"{"label":""}"#).expect(200);

        let list = peer.get(&format!("{table}/variables")).json();
        let listed = list["results"][0].as_object().unwrap();
        assert!(!listed.contains_key("description") && !listed.contains_key("valueLabels"));
        let read = || peer.get(&variable);
        let found = [read(), read(), read()][2].json();
        let is_tidy = found["description"] == "Number";
        let wanted = if is_tidy {
            serde_json::json!([{"value": "x", "label": "so"}, {"value": 1, "label": "one"}])
        } else {
            assert_eq!(found["description"], " Number ");
            serde_json::json!([{"value": "1", "label": "one"}, {"value": "x", "label": "so"}])
        };
        assert_eq!(found["valueLabels"], wanted);
        assert_eq!(found["label"].is_null(), is_tidy, "{found}");

        peer.patch(&variable, r#"{"valueLabels":[{"value":"1"}]}"#)
            .expect(400);
        let seen = peer.sandbox.inspect();
        let kept = &seen
            .table("demo.survey", "next", "readings")
            .unwrap()
            .metadata["n"];
        assert_eq!(kept.value_labels.as_ref().unwrap()["1"], "one");
    });
}

/// It answered 404 and kept the words for a variable that might come.
#[test]
fn a_variable_that_is_not_there_cannot_be_described() {
    both(|_, peer| {
        let path = "/tables/demo.survey:next.readings/variables/none";
        peer.patch(path, r#"{"label":"None"}"#).expect(404);

        let seen = peer.sandbox.inspect();
        let table = seen.table("demo.survey", "next", "readings").unwrap();
        assert!(table.metadata.is_empty(), "{:?}", table.metadata);
    });
}

#[test]
fn seeded_datasets_exist_from_the_start() {
    let peer = Peer::start(SandboxOptions {
        seed: Seed {
            datasets: vec!["Stanford.Coastal survey".into()],
        },
        ..SandboxOptions::default()
    });

    let dataset = peer
        .get("/datasets/stanford.coastal_survey:next")
        .expect(200);
    assert_eq!(dataset.json()["name"], "Coastal survey");
    assert_eq!(
        peer.get("/organizations/stanford/datasets")
            .expect(200)
            .json()["results"][0]["name"],
        "Coastal survey"
    );
    peer.get("/organizations/nobody/datasets").expect(404);
}
