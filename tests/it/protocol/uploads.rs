//! Uploads: the ways of sending content, the life of an import, names.

use redivis_ingest::base::Md5Digest;
use redivis_ingest::sandbox::{Character, Method, Operation};
use serde_json::Value;

use super::raw::{Peer, Reply, both, noise};

const PATH: &str = "/tables/demo.survey:next.readings/uploads";

fn multipart(peer: &Peer, metadata: &str, data: &[u8]) -> Reply {
    let mut body = format!(
        "--b0undary\r\nContent-Disposition: form-data; name=\"metadata\"; filename=\"metadata\"\r\n\r\n{metadata}\r\n--b0undary\r\nContent-Disposition: form-data; name=\"data\"; filename=\"data\"\r\n\r\n"
    )
    .into_bytes();
    body.extend_from_slice(data);
    body.extend_from_slice(b"\r\n--b0undary--\r\n");
    let kind = [("Content-Type", "multipart/form-data; boundary=b0undary")];
    peer.api("POST", PATH, &kind, &body)
}

/// Polls until the import has ended.
fn settled(peer: &Peer, uri: &str) -> Value {
    for _ in 0..10 {
        let upload = peer.get(uri).expect(200).json();
        if matches!(upload["status"].as_str(), Some("completed" | "failed")) {
            return upload;
        }
    }
    panic!("the import does not end");
}

/// A count, as a number or as digits.
fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

fn uri(reply: &Value) -> String {
    reply["uri"].as_str().unwrap().to_owned()
}

#[test]
fn content_comes_in_parts() {
    both(|_, peer| {
        let made = multipart(
            peer,
            r#"{"name":"a.csv","type":null,"hasHeaderRow":true}"#,
            b"x,y\n1,a\n2,b\n",
        );
        let upload = settled(peer, &uri(&made.success().json()));

        assert_eq!(upload["status"], "completed");
        assert_eq!(upload["type"], "delimited");
        assert_eq!(number(&upload["numRows"]), Some(2));
        assert_eq!(number(&upload["size"]), Some(12));
        assert_eq!(number(&upload["badRecordsCount"]), Some(0));
        let seen = peer.sandbox.inspect();
        let table = seen.table("demo.survey", "next", "readings").unwrap();
        assert_eq!(
            table.upload("a.csv").unwrap().bytes().unwrap(),
            b"x,y\n1,a\n2,b\n"
        );
        assert_eq!(table.num_rows, 2);
    });
}

#[test]
fn content_comes_as_the_body() {
    both(|_, peer| {
        let made = peer.api(
            "POST",
            &format!("{PATH}?name=a.jsonl"),
            &[],
            b"{\"a\":1}\n{\"a\":2}\n",
        );
        let upload = settled(peer, &uri(&made.success().json()));

        assert_eq!(upload["type"], "ndjson");
        assert_eq!(number(&upload["numRows"]), Some(2));
    });
}

#[test]
fn content_comes_from_a_temp_upload_under_either_field() {
    both(|character, peer| {
        let text = b"a|b\n1|2\n";
        for (field, name) in [("tempUploadId", "one"), ("resumableUploadId", "two")] {
            let id = peer.stage("readings", name, text);
            let body = format!(r#"{{"name":"{name}","{field}":"{id}","type":"delimited"}}"#);
            let upload = settled(peer, &uri(&peer.post(PATH, &body).success().json()));
            assert_eq!(number(&upload["numRows"]), Some(1));
            let md5 = Md5Digest::of(text);
            let shown = match character {
                Character::Friendly => md5.to_string(),
                Character::Worst => md5.to_base64(),
            };
            assert_eq!(upload["hash"], shown);
            peer.post(PATH, &body).expect(400);
        }
    });
}

#[test]
fn an_import_takes_its_time_or_not() {
    both(|character, peer| {
        let made = multipart(peer, r#"{"name":"a.csv"}"#, b"x\n1\n")
            .success()
            .json();
        let mut states = vec![made["status"].clone()];
        for _ in 0..4 {
            states.push(peer.get(&uri(&made)).json()["status"].clone());
        }
        match character {
            Character::Friendly => assert_eq!(states, ["completed"; 5]),
            Character::Worst => {
                assert_eq!(
                    states,
                    ["queued", "queued", "running", "completed", "completed"]
                );
            }
        }
    });
}

#[test]
fn a_failed_import_says_why_and_blocks_the_release() {
    both(|_, peer| {
        let made = multipart(peer, r#"{"name":"a.csv"}"#, b"x,y\n1\n")
            .success()
            .json();
        let upload = settled(peer, &uri(&made));
        assert_eq!(upload["status"], "failed");
        assert!(upload["errorMessage"].as_str().unwrap().contains("Line 2"));
        let release = "/datasets/demo.survey/versions/next/release";
        peer.post(release, "{}").expect(400);

        peer.api("DELETE", &uri(&made), &[], b"").expect(200);
        peer.post(release, "{}").expect(200);
    });
}

#[test]
fn ragged_rows_follow_the_options() {
    both(|_, peer| {
        let text = b"x,y\n1\n2,3\n";
        let jagged = multipart(peer, r#"{"name":"j.csv","allowJaggedRows":true}"#, text);
        let upload = settled(peer, &uri(&jagged.success().json()));
        assert_eq!(number(&upload["numRows"]), Some(2));
        let skipping = multipart(peer, r#"{"name":"s.csv","skipBadRecords":true}"#, text);
        let upload = settled(peer, &uri(&skipping.success().json()));
        assert_eq!(number(&upload["numRows"]), Some(1));
        assert_eq!(number(&upload["badRecordsCount"]), Some(1));
    });
}

#[test]
fn a_taken_name_is_changed() {
    both(|_, peer| {
        let first = multipart(peer, r#"{"name":"Part.1"}"#, b"x\n1\n")
            .success()
            .json();
        let second = multipart(peer, r#"{"name":"part_1"}"#, b"x\n2\n")
            .success()
            .json();

        assert_eq!(first["name"], "Part.1");
        assert_ne!(second["name"], "part_1");
        assert_ne!(uri(&first), uri(&second));
    });
}

#[test]
fn an_upload_is_found_by_its_uri_and_by_its_name() {
    both(|character, peer| {
        let made = peer
            .post(PATH, r#"{"name":"my data.csv","type":"stream"}"#)
            .success()
            .json();
        let ends_in_id = uri(&made).ends_with(&format!("/{}", made["id"]));
        assert_eq!(ends_in_id, character == Character::Worst);
        for path in [
            uri(&made),
            format!("{PATH}/my%20data_csv"),
            format!("{PATH}/MY_DATA.csv"),
        ] {
            assert_eq!(
                peer.get(&path).expect(200).json()["id"],
                made["id"],
                "{path}"
            );
            peer.api("HEAD", &path, &[], b"").expect(200);
        }
        peer.get(&format!("{PATH}/other")).expect(404);
    });
}

#[test]
fn a_deleted_upload_goes_at_once_or_soon() {
    both(|character, peer| {
        let made = peer
            .post(PATH, r#"{"name":"s","type":"stream"}"#)
            .success()
            .json();
        peer.api("DELETE", &uri(&made), &[], b"").expect(200);
        let states: Vec<_> = (0..3)
            .map(|_| peer.api("HEAD", &uri(&made), &[], b"").status)
            .collect();
        match character {
            Character::Friendly => assert_eq!(states, [404, 404, 404]),
            Character::Worst => assert_eq!(states, [200, 404, 404]),
        }
    });
}

#[test]
fn a_fresh_next_lists_inherited_uploads_or_none() {
    both(|character, peer| {
        let made = peer
            .post(PATH, r#"{"name":"s","type":"stream"}"#)
            .success()
            .json();
        peer.post(&format!("{}/rows", uri(&made)), r#"{"rows":[{"a":1}]}"#)
            .expect(201);
        peer.post("/datasets/demo.survey/versions/next/release", "{}")
            .expect(200);
        peer.post("/datasets/demo.survey/versions", "").success();

        let list = peer.get(PATH).expect(200).json();
        let count = list["results"].as_array().unwrap().len();
        let released = peer.get("/tables/demo.survey:v1_0.readings/uploads").json();
        assert_eq!(released["results"][0]["name"], "s");
        let by_name = format!("{PATH}/s");
        match character {
            Character::Friendly => {
                assert_eq!(count, 1);
                peer.get(&by_name).expect(200);
                peer.api("DELETE", &by_name, &[], b"").expect(400);
                peer.post(&format!("{by_name}/rows"), r#"{"rows":[{"a":1}]}"#)
                    .expect(400);
            }
            Character::Worst => {
                assert_eq!(count, 0);
                peer.get(&by_name).expect(404);
            }
        }
    });
}

#[test]
fn uploads_are_listed_in_pages_with_their_counts() {
    both(|_, peer| {
        for number in 0..4 {
            let body = format!(r#"{{"name":"s{number}","type":"stream"}}"#);
            peer.post(PATH, &body).success();
        }
        let page = peer.get(&format!("{PATH}?maxResults=3")).json();
        assert_eq!(page["results"].as_array().unwrap().len(), 3);
        let token = page["nextPageToken"].as_str().unwrap();
        let rest = peer
            .get(&format!("{PATH}?maxResults=3&pageToken={token}"))
            .json();
        assert_eq!(rest["results"][0]["name"], "s3");
        assert_eq!(number(&rest["results"][0]["numRows"]), Some(0));
        assert!(rest["nextPageToken"].is_null());
    });
}

#[test]
fn bodies_over_the_cap_are_refused() {
    both(|_, peer| {
        // The stated length is enough; the bytes are never sent.
        for path in [
            format!("{PATH}?name=a.csv"),
            format!("{PATH}/s/rows"),
            "/tables/demo.survey:next.readings/tempUploads".to_owned(),
        ] {
            let text = format!(
                "POST /api/v1{path} HTTP/1.1\r\nAuthorization: Bearer t\r\nContent-Length: 100000001\r\n\r\n"
            );
            let reply = super::raw::send(peer.api, text.as_bytes()).unwrap();
            assert_eq!(reply.status, 413, "{path}");
        }
    });
}

#[test]
fn what_makes_no_upload_is_refused() {
    both(|_, peer| {
        for body in [
            r#"{"name":"a.csv"}"#,
            r#"{"name":"a","type":"spreadsheet"}"#,
            r#"{"name":"a","type":"stream","schema":[{"name":"x","type":"text"}]}"#,
            r#"{"name":"a","type":"stream","schema":[{"name":"var.2","type":"string"}]}"#,
            r#"{"name":"a","type":"stream","schema":[{"name":"x","type":"date"},{"name":"X","type":"date"}]}"#,
            r#"{"name":"a","tempUploadId":"unknown"}"#,
            r#"{"name":5,"type":"stream"}"#,
        ] {
            peer.post(PATH, body).expect(400);
        }
        multipart(peer, "{", b"x").expect(400);
    });
}

#[test]
fn a_large_file_goes_through_parts_unchanged() {
    both(|_, peer| {
        let mut text = b"x\n".to_vec();
        text.extend(noise(500_000).iter().map(|byte| match byte {
            b'\r' | b'\n' | b'"' | b',' | b'\t' | b'|' | b';' => b'.',
            other => *other,
        }));
        multipart(peer, r#"{"name":"a.csv"}"#, &text).success();
        let seen = peer.sandbox.inspect();
        let table = seen.table("demo.survey", "next", "readings").unwrap();
        assert!(table.upload("a.csv").unwrap().bytes().unwrap() == text);
        let request = peer.sandbox.requests().pop().unwrap();
        assert_eq!(
            (request.operation, request.method),
            (Operation::CreateUpload, Method::Post)
        );
    });
}
