//! Files of file-index tables: attaching staged ones, listing them, reading
//! them back (docs: rest-api/files; contract 10).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};

use super::{Exchange, Handled, fields, versions};
use crate::base::Md5Digest;
use crate::sandbox::answer::{Answer, Refusal};
use crate::sandbox::behaviour::{DigestForm, MissingBytes};
use crate::sandbox::bodies::BodyRef;
use crate::sandbox::clock::{http_date, parse_http_date};
use crate::sandbox::faults::Fault;
use crate::sandbox::http::{Method, percent_encode};
use crate::sandbox::limits;
use crate::sandbox::listing;
use crate::sandbox::records::{Effect, FileMap, FileRecord, Stored, TableKey, TempRecord};
use crate::sandbox::store::{Staging, Store};

#[derive(Serialize)]
struct Shown<'a> {
    kind: &'static str,
    id: String,
    uri: String,
    url: String,
    name: &'a str,
    #[serde(rename = "md5Hash")]
    md5_hash: Option<String>,
    size: u64,
}

#[derive(Serialize)]
struct List<'a> {
    kind: &'static str,
    results: Vec<Shown<'a>>,
}

/// A file's id as clients see it: `93qh-6wdzwrz84.bc574P4o8ypzp8yKCnrgIw`.
pub(in crate::sandbox) fn file_id(number: u64) -> String {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut left = number;
    let mut digits = [b'0'; 13];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[usize::try_from(left % 36).unwrap_or(0)];
        left /= 36;
    }
    let digits: String = digits.iter().map(|digit| char::from(*digit)).collect();
    let tail = Md5Digest::of(&number.to_le_bytes()).to_base64();
    let tail: String = tail.chars().filter(|c| *c != '=').collect();
    let tail = tail.replace(['+', '/'], "_");
    format!(
        "{}-{}.{tail}",
        digits.get(..4).unwrap_or_default(),
        digits.get(4..).unwrap_or_default()
    )
}

fn file_number(id: &str) -> Option<u64> {
    let (head, _) = id.split_once('.')?;
    let number = u64::from_str_radix(&head.replace('-', ""), 36).ok()?;
    (file_id(number) == id).then_some(number)
}

fn shown(form: DigestForm, file: &FileRecord) -> Shown<'_> {
    let id = file_id(file.number);
    Shown {
        kind: "rawFile",
        uri: format!("/rawFiles/{id}"),
        url: format!("https://redivis.com/rawFiles/{id}"),
        id,
        name: &file.name,
        md5_hash: file.md5.map(|md5| digest_text(form, md5)),
        size: file.size,
    }
}

pub(super) fn digest_text(form: DigestForm, md5: Md5Digest) -> String {
    match form {
        DigestForm::Base64 => md5.to_base64(),
        DigestForm::Hex => md5.to_string(),
    }
}

/// A temp upload's id, under either of its names (contract D4).
pub(super) fn temp_id(body: &Value) -> Result<Option<String>, Refusal> {
    Ok(match fields::text(body, "tempUploadId")? {
        Some(id) => Some(id),
        None => fields::text(body, "resumableUploadId")?,
    })
}

/// The bytes behind a temp upload that the table may use.
pub(super) fn stored_bytes(
    store: &Store,
    staging: &Staging,
    key: TableKey,
    id: &str,
) -> Result<Stored, Refusal> {
    let unknown = || Refusal::invalid(format!("The temp upload {id} is not known or was used"));
    let record: &TempRecord = staging
        .temps
        .get(id)
        .filter(|temp| temp.dataset == key.dataset && temp.table == key.table)
        .ok_or_else(unknown)?;
    match (&record.stored, store.behaviour.missing_bytes) {
        (Some(stored), MissingBytes::Refuse) if stored.bytes != record.size => {
            Err(Refusal::invalid(format!(
                "The temp upload {id} has {} bytes instead of {}",
                stored.bytes, record.size
            )))
        }
        (Some(stored), MissingBytes::Refuse | MissingBytes::StoreWhatIsThere) => Ok(stored.clone()),
        (None, MissingBytes::Refuse) => Err(Refusal::invalid(format!(
            "The temp upload {id} has no content yet"
        ))),
        (None, MissingBytes::StoreWhatIsThere) => Ok(Stored {
            body: BodyRef::Empty,
            bytes: 0,
            md5: Some(Md5Digest::of(b"")),
        }),
    }
}

/// Whether a file may have this name.
fn check_name(store: &Store, files: &FileMap, name: &str) -> Result<(), Refusal> {
    if name.len() > limits::MAX_FILE_NAME {
        return Err(Refusal::invalid("A file name is longer than 1024 bytes"));
    }
    if store.behaviour.strict_file_names {
        let bad_part = name.split('/').any(|part| matches!(part, "" | "." | ".."));
        if bad_part || name.contains('\\') || name.chars().any(char::is_control) {
            return Err(Refusal::invalid(format!(
                "The file name {name:?} is not valid"
            )));
        }
    }
    if store.behaviour.refuses_file_folder_clash {
        let below = format!("{name}/");
        let is_folder = files
            .range::<str, _>((
                std::ops::Bound::Included(below.as_str()),
                std::ops::Bound::Unbounded,
            ))
            .next()
            .is_some_and(|(other, _)| other.starts_with(&below));
        let inside_file = name
            .match_indices('/')
            .filter_map(|(at, _)| name.get(..at))
            .any(|folder| files.contains_key(folder));
        if is_folder || inside_file {
            return Err(Refusal::invalid(format!(
                "The name {name:?} is both a file and a folder"
            )));
        }
    }
    Ok(())
}

/// `POST {table}/rawFiles`.
pub(super) fn attach(x: &mut Exchange<'_, '_>) -> Handled {
    let body = x.json()?;
    let entries = fields::list(&body, "files")?;
    let store = &x.shared.store;
    let most = store.behaviour.max_entries_per_call;
    if entries.len() > most {
        return Err(Refusal::invalid(format!(
            "At most {most} files can be added in one call"
        )));
    }
    let mut named = Vec::with_capacity(entries.len());
    for entry in entries {
        let name = fields::required_text(entry, "name")?;
        let id = temp_id(entry)?
            .ok_or_else(|| Refusal::invalid("Missing required parameter: tempUploadId"))?;
        named.push((name, id));
    }
    let mut catalog = store.catalog();
    let key = x.draft_table(&catalog)?;
    if !x.table(&catalog)?.record.is_file_index {
        return Err(Refusal::invalid("This table is not a file index table"));
    }
    let mut staging = store.staging();
    let now = x.now();
    let first = catalog.new_file_number();
    let mut files: Vec<Arc<FileRecord>> = Vec::with_capacity(named.len());
    let mut refused = None;
    let mut used = std::collections::BTreeSet::new();
    for ((name, id), number) in named.iter().zip(first..) {
        let listed = &x.table(&catalog)?.files;
        let stored = check_name(store, listed, name)
            .and_then(|()| {
                if used.insert(id.as_str()) {
                    Ok(())
                } else {
                    Err(Refusal::invalid(format!(
                        "The temp upload {id} is named twice"
                    )))
                }
            })
            .and_then(|()| stored_bytes(store, &staging, key, id));
        match stored {
            Ok(stored) => files.push(Arc::new(FileRecord {
                number,
                name: name.as_str().into(),
                size: stored.bytes,
                md5: match x.fault {
                    Some(Fault::WrongMd5) => Some(Md5Digest::of(b"somebody else's bytes")),
                    _ => stored.md5,
                },
                added: now,
                body: stored.body,
            })),
            Err(refusal) => {
                refused = Some(refusal);
                break;
            }
        }
    }
    if refused.is_some() && !store.behaviour.attach_is_partial {
        files.clear();
    }
    let spends_all = refused.is_none() || store.behaviour.failed_attach_spends_ids;
    let spent: Vec<String> = if spends_all {
        named.into_iter().map(|(_, id)| id).collect()
    } else {
        Vec::new()
    };
    let list = List {
        kind: "rawFileList",
        results: files
            .iter()
            .map(|file| shown(store.behaviour.file_md5_form, file))
            .collect(),
    };
    let answer = Answer::json(201, &list);
    drop(list);
    let effect = Effect::Files {
        table: key,
        at: now,
        files,
        spent,
    };
    store.commit_files(&mut catalog, &mut staging, effect)?;
    drop(staging);
    versions::mark_changed(store, &mut catalog, key, false)?;
    match refused {
        None => Ok(answer),
        Some(refusal) => Err(refusal),
    }
}

/// `GET {table}/rawFiles`.
pub(super) fn list(x: &mut Exchange<'_, '_>) -> Handled {
    let store = &x.shared.store;
    let mut catalog = store.catalog();
    let key = x.table(&catalog)?.key();
    let missing = || Refusal::not_found(x.segment(1));
    let table = catalog.table_mut(key).ok_or_else(missing)?;
    if !table.record.is_file_index {
        return Err(Refusal::invalid("This table is not a file index table"));
    }
    let changed = table.files_changed;
    if let Some(since) = x.head.header("if-modified-since").and_then(parse_http_date) {
        let unchanged = if store.behaviour.not_modified_within_second {
            changed / 1000 <= since / 1000
        } else {
            changed < since
        };
        if unchanged {
            return Ok(Answer::empty(304));
        }
    }
    let files = table.listed_files();
    drop(catalog);
    if x.head.query("format").as_deref() == Some("arrow") {
        let name = x
            .head
            .query("fileNameVariable")
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| "file_name".to_owned());
        let answer = Answer::stream(
            "application/vnd.apache.arrow.stream",
            Box::new(move |out| listing::write(&files, &name, out)),
        );
        return Ok(answer.with("Last-Modified", http_date(changed)));
    }
    if !store.behaviour.json_file_list {
        return Err(Refusal::invalid("`format` must be `arrow`"));
    }
    let all: Vec<_> = files.values().collect();
    x.page("rawFileList", &all, |file| {
        json!(shown(store.behaviour.file_md5_form, file))
    })
}

/// `GET`, `HEAD /rawFiles/:id`, with ranges.
pub(super) fn get(x: &mut Exchange<'_, '_>) -> Handled {
    let store = &x.shared.store;
    let id = x.segment(1);
    let missing = || Refusal::not_found(id);
    let number = file_number(id).ok_or_else(missing)?;
    let file = store
        .catalog()
        .files
        .get(&number)
        .map(Arc::clone)
        .ok_or_else(missing)?;
    let base = |answer: Answer| {
        let answer = answer
            .with("Accept-Ranges", "bytes")
            .with("X-Redivis-Filename", percent_encode(&file.name))
            .with(
                "Content-Disposition",
                format!("attachment; filename=\"{}\"", percent_encode(&file.name)),
            );
        match file.md5.map(Md5Digest::to_base64) {
            Some(md5) => answer
                .with("Digest", format!("md5={md5}"))
                .with("Content-Digest", format!("md5=:{md5}:"))
                .with("x-goog-hash", format!("md5={md5}")),
            None => answer,
        }
    };
    let kind = content_type(&file.name);
    let (first, last) = match x.head.header("range") {
        Some(text) if x.head.method == Method::Get => range(text, file.size)?,
        Some(_) | None => {
            let reader = store.bodies.reader(&file.body, 0, file.size)?;
            let answer = Answer::stored(200, reader, file.size).with("Content-Type", kind);
            return Ok(base(answer));
        }
    };
    let length = last + 1 - first;
    let reader = store.bodies.reader(&file.body, first, length)?;
    let answer = Answer::stored(206, reader, length)
        .with("Content-Type", kind)
        .with(
            "Content-Range",
            format!("bytes {first}-{last}/{}", file.size),
        );
    Ok(base(answer))
}

fn range(text: &str, size: u64) -> Result<(u64, u64), Refusal> {
    let wrong = || {
        Refusal::api(
            416,
            "invalid_range",
            "The requested range is not satisfiable",
        )
    };
    let (first, last) = text
        .strip_prefix("bytes=")
        .and_then(|range| range.split_once('-'))
        .ok_or_else(wrong)?;
    let number = |digits: &str| digits.parse::<u64>().ok();
    let (first, last) = match (number(first), number(last)) {
        (Some(first), Some(last)) => (first, last.min(size.saturating_sub(1))),
        (Some(first), None) => (first, size.saturating_sub(1)),
        (None, Some(tail)) => (size.saturating_sub(tail), size.saturating_sub(1)),
        (None, None) => return Err(wrong()),
    };
    if first > last || first >= size {
        return Err(wrong());
    }
    Ok((first, last))
}

fn content_type(name: &str) -> &'static str {
    let known = BTreeMap::from([
        ("csv", "text/csv"),
        ("gif", "image/gif"),
        ("html", "text/html"),
        ("jpeg", "image/jpeg"),
        ("jpg", "image/jpeg"),
        ("json", "application/json"),
        ("pdf", "application/pdf"),
        ("png", "image/png"),
        ("tif", "image/tiff"),
        ("tiff", "image/tiff"),
        ("txt", "text/plain"),
        ("xml", "application/xml"),
        ("zip", "application/zip"),
    ]);
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    known
        .get(ending.to_ascii_lowercase().as_str())
        .copied()
        .unwrap_or("application/octet-stream")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_ids_have_the_platform_s_form_and_read_back() {
        let id = file_id(123_456);
        let (head, tail) = id.split_once('.').unwrap();

        assert_eq!((head.len(), tail.len()), (14, 22));
        assert_eq!(file_number(&id), Some(123_456));
        assert_eq!(file_number(&id.replace("0000-", "0001-")), None);
    }

    #[test]
    fn ranges_are_cut_at_the_end_and_refused_past_it() {
        assert_eq!(range("bytes=2-100", 10).unwrap(), (2, 9));
        assert_eq!(range("bytes=-3", 10).unwrap(), (7, 9));
        assert!(range("bytes=10-", 10).is_err());
        assert!(range("bytes=0-", 0).is_err());
    }
}
