//! Each call: the request it makes and the answer it reads.

use serde_json::json as value;

use super::script::{Script, Step, json, says};
use super::{dataset, quietly, table, writer};
use crate::base::{
    Md5Digest, MergeStrategy, UploadOptions, UploadType, VariableMetadata, VariableType, Version,
};
use crate::redivis::{
    ApiErrorKind, NewTable, NewTempUpload, ResourceUri, StagedFile, TablePatch, TransferMode,
    UploadContent, UploadStatus,
};

fn new(name: &str, size: u64, resumable: bool) -> NewTempUpload {
    NewTempUpload {
        name: name.to_owned(),
        size,
        resumable,
    }
}

#[test]
fn a_dataset_is_read_at_a_version_or_found_missing() {
    let server = Script::new([
        json(
            r#"{"qualifiedReference":"me.survey:ab12","version":{"tag":"v1.0"},"nextVersion":null}"#,
        ),
        says(404, &[], r#"{"error":"not_found"}"#),
    ]);
    let writer = writer(&server);

    quietly(|call| {
        let current = writer
            .reader()
            .dataset(call, &dataset(), &Version::Current)
            .unwrap()
            .unwrap();
        assert_eq!(current.qualified_reference, "me.survey:ab12");
        assert!(!current.has_next);
        let next = writer.reader().dataset(call, &dataset(), &Version::Next);
        assert_eq!(next.unwrap(), None);
    });
    assert_eq!(
        server.lines(),
        [
            "GET /api/v1/datasets/me.survey:current",
            "GET /api/v1/datasets/me.survey:next"
        ]
    );
}

#[test]
fn a_list_is_read_to_its_last_page_even_when_a_page_is_short() {
    let upload = |name: &str| {
        format!(r#"{{"uri":"/tables/t/uploads/{name}","name":"{name}","numRows":"2"}}"#)
    };
    let page = |names: &[&str], token: &str| {
        let uploads: Vec<String> = names.iter().map(|name| upload(name)).collect();
        json(&format!(
            r#"{{"results":[{}],"nextPageToken":{token}}}"#,
            uploads.join(",")
        ))
    };
    let server = Script::new([
        page(&["a"], "\"x/y=\""),
        page(&[], "\"z\""),
        page(&["b", "c"], "null"),
    ]);

    let uploads = quietly(|call| {
        let writer = writer(&server);
        writer.reader().uploads(call, &table(), &Version::Next)
    })
    .unwrap();

    let names: Vec<&str> = uploads.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "c"]);
    assert_eq!(uploads[0].num_rows, Some(2));
    assert_eq!(uploads[0].status, UploadStatus::Empty);
    let base = "GET /api/v1/tables/me.survey:next.scans/uploads?maxResults=1000";
    assert_eq!(
        server.lines(),
        [
            base.to_owned(),
            format!("{base}&pageToken=x%2Fy%3D"),
            format!("{base}&pageToken=z")
        ]
    );
}

#[test]
fn a_large_page_that_is_refused_is_asked_for_smaller() {
    let server = Script::new([
        says(400, &[], r#"{"error":"invalid_request"}"#),
        json(r#"{"results":[{"tag":"v1.0","isReleased":true},{"tag":"next"}],"nextPageToken":""}"#),
    ]);

    let versions = quietly(|call| writer(&server).reader().versions(call, &dataset())).unwrap();

    assert!(versions[0].is_released && !versions[1].is_released);
    assert_eq!(
        server.lines()[1],
        "GET /api/v1/datasets/me.survey/versions?maxResults=100"
    );
}

#[test]
fn pages_that_go_in_a_circle_are_an_error() {
    let page = json(r#"{"results":[],"nextPageToken":"again"}"#);
    let server = Script::new([page.clone(), page]);

    let error = quietly(|call| writer(&server).reader().versions(call, &dataset())).unwrap_err();

    assert_eq!(error.kind(), &ApiErrorKind::Protocol);
}

#[test]
fn variables_of_a_type_that_we_do_not_know_are_still_listed() {
    let server = Script::new([json(
        r#"{"results":[{"name":"a","type":"dateTime","label":"A"},{"name":"b","type":"json"}]}"#,
    )]);

    let variables = quietly(|call| {
        let writer = writer(&server);
        writer.reader().variables(call, &table(), &Version::Next)
    })
    .unwrap();

    assert_eq!(variables[0].kind, Some(VariableType::DateTime));
    assert_eq!(variables[0].metadata.label.as_deref(), Some("A"));
    assert_eq!(variables[1].kind, None);
}

#[test]
fn an_upload_is_looked_up_by_the_address_that_the_platform_gave() {
    let upload = ResourceUri::new("/tables/me.survey:next.scans/uploads/a b").unwrap_err();
    assert!(upload.to_string().contains("character"));
    let uri = ResourceUri::new("/tables/me.survey:next.scans/uploads/a%20b").unwrap();
    let server = Script::new([
        json(
            r#"{"uri":"/tables/me.survey:next.scans/uploads/a%20b","name":"a b","status":"failed","size":5,
                "hash":"900150983cd24fb0d6963f7d28e17f72","badRecordsCount":2,"errorMessage":"bad row"}"#,
        ),
        says(200, &[], ""),
        says(404, &[], ""),
        says(404, &[], ""),
    ]);
    let writer = writer(&server);

    quietly(|call| {
        let found = writer.reader().upload(call, &uri).unwrap().unwrap();
        assert_eq!(found.status, UploadStatus::Failed);
        assert_eq!(found.md5, Some(Md5Digest::of(b"abc")));
        assert_eq!(found.bad_records, Some(2));
        assert_eq!(found.error_message.as_deref(), Some("bad row"));
        // HEAD has no body, whatever length it states.
        assert!(writer.reader().upload_exists(call, &uri).unwrap());
        assert_eq!(writer.reader().upload(call, &uri).unwrap(), None);
        // Deleted by somebody else is deleted.
        writer.delete_upload(call, &uri).unwrap();
    });
    let path = "/api/v1/tables/me.survey:next.scans/uploads/a%20b";
    assert_eq!(
        server.lines(),
        ["GET", "HEAD", "GET", "DELETE"].map(|method| format!("{method} {path}"))
    );
}

#[test]
fn a_stored_file_s_md5_comes_from_the_headers() {
    let md5 = Md5Digest::of(b"abc");
    let headers = [("Digest", format!("md5={}", md5.to_base64()))];
    let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
    let server = Script::new([says(200, &headers, ""), says(200, &[], "")]);
    let writer = writer(&server);

    quietly(|call| {
        let reader = writer.reader();
        assert_eq!(reader.raw_file_md5(call, "93qh-x.y").unwrap(), Some(md5));
        assert_eq!(reader.raw_file_md5(call, "93qh-x.y").unwrap(), None);
    });
    assert_eq!(server.lines()[0], "HEAD /api/v1/rawFiles/93qh-x.y");
}

#[test]
fn a_version_is_made_and_released() {
    let server = Script::new([
        says(201, &[], r#"{"tag":"next","index":"1"}"#),
        json(r#"{"tag":"v2.0","isReleased":true}"#),
        json(r#"{"tag":"v3.0","isReleased":true}"#),
    ]);
    let writer = writer(&server);

    quietly(|call| {
        let next = writer.create_next_version(call, &dataset()).unwrap();
        assert_eq!((next.index, next.is_released), (Some(1), false));
        let released = writer.release(call, &dataset(), Some("Autumn")).unwrap();
        assert_eq!(released.tag, "v2.0");
        writer.release(call, &dataset(), None).unwrap();
    });

    let seen = server.seen();
    assert_eq!(
        server.lines(),
        [
            "POST /api/v1/datasets/me.survey/versions",
            "POST /api/v1/datasets/me.survey/versions/next/release",
            "POST /api/v1/datasets/me.survey/versions/next/release"
        ]
    );
    assert_eq!(seen[0].header("content-type"), None);
    assert_eq!(seen[0].header("content-length"), Some("0"));
    assert_eq!(seen[1].json(), value!({"releaseNotes": "Autumn"}));
    assert_eq!(seen[2].json(), value!({"releaseNotes": null}));
}

#[test]
fn a_table_is_made_and_changed() {
    let made = r#"{"uri":"/tables/me.survey:next.scans","name":"scans","isFileIndex":true,
        "uploadMergeStrategy":"append","numRows":"0","createdAt":1700000000000}"#;
    let server = Script::new([says(201, &[], made), json(made)]);
    let writer = writer(&server);

    quietly(|call| {
        let new = NewTable {
            merge: Some(MergeStrategy::Replace),
            is_file_index: true,
            description: Some("Scans".to_owned()),
        };
        let table = writer.create_table(call, &table(), &new).unwrap();
        // What the platform made of it, not what was asked for.
        assert_eq!(table.merge, Some(MergeStrategy::Append));
        assert!(table.is_file_index);
        assert_eq!(table.created_at, Some(1_700_000_000_000));
        let patch = TablePatch {
            merge: Some(MergeStrategy::Replace),
            description: None,
        };
        writer.update_table(call, &super::table(), &patch).unwrap();
    });

    let seen = server.seen();
    assert_eq!(
        server.lines(),
        [
            "POST /api/v1/datasets/me.survey:next/tables",
            "PATCH /api/v1/tables/me.survey:next.scans"
        ]
    );
    assert_eq!(
        seen[0].json(),
        value!({"name": "scans", "uploadMergeStrategy": "replace", "isFileIndex": true,
            "description": "Scans"})
    );
    assert_eq!(seen[1].json(), value!({"uploadMergeStrategy": "replace"}));
}

#[test]
fn a_variable_is_described_and_read_back() {
    let found = r#"{"name":"flag","type":"integer","label":"Flag","description":"",
        "valueLabels":[{"value":1,"label":"yes"}]}"#;
    let server = Script::new([says(200, &[], "OK"), json(found), says(404, &[], "{}")]);
    let stated = VariableMetadata {
        label: Some("Flag".to_owned()),
        description: Some(String::new()),
        value_labels: Some([("1".to_owned(), "yes".to_owned())].into()),
    };
    let writer = writer(&server);

    quietly(|call| {
        writer
            .update_variable(call, &table(), "flag", &stated)
            .unwrap();
        let read = |name| {
            let reader = writer.reader();
            reader
                .variable(call, &table(), &Version::Next, name)
                .unwrap()
        };
        let found = read("flag").unwrap();
        assert!(stated.missing_in(&found.metadata).is_empty());
        assert!(read("a b").is_none());
    });

    assert_eq!(
        server.lines(),
        [
            "PATCH /api/v1/tables/me.survey:next.scans/variables/flag",
            "GET /api/v1/tables/me.survey:next.scans/variables/flag",
            "GET /api/v1/tables/me.survey:next.scans/variables/a%20b",
        ]
    );
    assert_eq!(
        server.seen()[0].json(),
        value!({"label": "Flag", "description": "",
            "valueLabels": [{"value": "1", "label": "yes"}]})
    );
}

#[test]
fn temp_uploads_are_matched_by_position_and_the_answer_decides_how_they_go() {
    let server = Script::new([
        Step::Cut,
        says(
            201,
            &[],
            r#"{"kind":"tempUploadList","results":[
                {"id":"1","url":"https://s.example/1?x=y","size":"10","resumable":true},
                {"id":"2","url":"https://s.example/2","name":"b","size":20,"resumable":false}]}"#,
        ),
    ]);
    let asked = [new("a", 10, false), new("b", 20, true)];

    let got = quietly(|call| writer(&server).create_temp_uploads(call, &table(), &asked)).unwrap();

    assert_eq!(got[0].mode, TransferMode::Resumable);
    assert_eq!(got[0].url.reveal(), "https://s.example/1?x=y");
    assert_eq!(
        (got[1].id.as_str(), got[1].mode),
        ("2", TransferMode::Plain)
    );
    assert_eq!(
        server.seen()[1].json(),
        value!({"tempUploads": [{"name": "a", "size": 10, "resumable": false},
            {"name": "b", "size": 20, "resumable": true}]})
    );
}

#[test]
fn temp_uploads_that_are_not_the_ones_asked_for_are_refused() {
    for results in [
        r"",
        r#"{"id":"1","url":"https://s.example/1","size":"11"}"#,
        r#"{"id":"1","url":"https://s.example/1","name":"other"}"#,
        r#"{"id":"1","url":""}"#,
        r#"{"id":"1"}"#,
        r#"{"url":"https://s.example/1"}"#,
        r#"{"id":"1","url":"https://s.example/1"},{"id":"2","url":"https://s.example/2"}"#,
    ] {
        let server = Script::new([json(&format!(r#"{{"results":[{results}]}}"#))]);
        let asked = [new("a", 10, false)];
        let error = quietly(|call| writer(&server).create_temp_uploads(call, &table(), &asked))
            .unwrap_err();

        assert_eq!(error.kind(), &ApiErrorKind::Protocol, "{results}");
        assert!(!error.is_in_doubt(), "{results}");
    }
}

#[test]
fn the_older_way_to_stage_gives_a_session_at_once() {
    let server = Script::new([json(
        r#"{"kind":"resumableUpload","id":"r","url":"http://x/s"}"#,
    )]);

    let got = quietly(|call| writer(&server).create_legacy_session(call, &table(), 77)).unwrap();

    assert_eq!((got.id.as_str(), got.mode), ("r", TransferMode::Session));
    assert_eq!(
        server.lines(),
        ["POST /api/v1/tables/me.survey:next.scans/resumableUpload?size=77"]
    );
    assert_eq!(server.seen()[0].body, b"");
}

#[test]
fn files_are_attached_and_come_back_with_their_digests() {
    let md5 = Md5Digest::of(b"abc");
    let server = Script::new([says(
        201,
        &[],
        &format!(
            r#"{{"kind":"rawFileList","results":[
                {{"id":"i2","uri":"/rawFiles/i2","name":"b/é.txt","md5Hash":null,"size":"3"}},
                {{"id":"i1","uri":"/rawFiles/i1","name":"a.txt","md5Hash":"{}","size":3}}]}}"#,
            md5.to_base64()
        ),
    )]);
    let staged = |name: &str, id: &str| StagedFile {
        name: name.to_owned(),
        temp_upload_id: id.to_owned(),
    };
    let files = [staged("a.txt", "t1"), staged("b/é.txt", "t2")];

    let got = quietly(|call| writer(&server).attach_files(call, &table(), &files)).unwrap();

    assert_eq!((got[0].name.as_str(), got[0].md5), ("b/é.txt", None));
    assert_eq!((got[1].size, got[1].md5), (3, Some(md5)));
    assert_eq!(
        server.seen()[0].json(),
        value!({"files": [{"name": "a.txt", "tempUploadId": "t1"},
            {"name": "b/é.txt", "tempUploadId": "t2"}]})
    );
}

#[test]
fn uploads_say_only_what_is_known() {
    let made = r#"{"uri":"/tables/me.survey:next.scans/uploads/x_1","name":"x 1"}"#;
    let server = Script::new([
        says(201, &[], made),
        says(201, &[], made),
        says(201, &[], made),
    ]);
    let writer = writer(&server);
    let temp = |kind, options| UploadContent::Temp {
        temp_upload_id: "t1".to_owned(),
        kind,
        options: Box::new(options),
    };
    let options = UploadOptions {
        has_header: Some(false),
        null_markers: Some(vec!["NA".to_owned()]),
        delimiter: Some(";".to_owned()),
        ..UploadOptions::default()
    };
    let stream = UploadContent::Stream(vec![
        ("a".to_owned(), VariableType::Integer),
        ("at".to_owned(), VariableType::DateTime),
    ]);

    quietly(|call| {
        let table = table();
        let made = writer.create_upload(call, &table, "x", &stream).unwrap();
        // Another name than asked for: the caller decides what it means.
        assert_eq!(made.name, "x 1");
        let content = temp(Some(UploadType::Delimited), options);
        writer.create_upload(call, &table, "y", &content).unwrap();
        let content = temp(None, UploadOptions::default());
        writer
            .create_upload(call, &table, "z.sav", &content)
            .unwrap();
    });

    let seen = server.seen();
    assert_eq!(
        seen[0].json(),
        value!({"name": "x", "type": "stream", "schema": [{"name": "a", "type": "integer"},
            {"name": "at", "type": "dateTime"}]})
    );
    assert_eq!(
        seen[1].json(),
        value!({"name": "y", "type": "delimited", "tempUploadId": "t1", "hasHeaderRow": false,
            "delimiter": ";", "nullMarkers": ["NA"]})
    );
    assert_eq!(
        seen[2].json(),
        value!({"name": "z.sav", "tempUploadId": "t1"})
    );
}
