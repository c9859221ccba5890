//! The calls that only look. A `Reader` knows GET and HEAD and nothing else, so
//! that whoever holds one cannot change the remote.

use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::base::{DatasetRef, Md5Digest, TableRef, Version};

use super::answer::{ContentDigest, Headers, Sink, Spool};
use super::body::Body;
use super::endpoint::encode_segment;
use super::error::{ApiError, ApiErrorKind, Method};
use super::limits::{
    LISTED_BYTES, MAX_PAGES, MOST_LISTED, PAGE_SIZE, READ_WINDOW, SMALL_PAGE_SIZE,
};
use super::listing;
use super::model::{
    RemoteDataset, RemoteFile, RemoteTable, RemoteUpload, RemoteVariable, RemoteVersion,
    ResourceUri,
};
use super::request::{Answered, Repeat, Request};
use super::retry::Call;
use super::send::Http;
use super::variable;
use super::wire::{self, Page, WireError};

/// Reads the remote. Cheap to clone; clones share connections and pace.
#[derive(Debug, Clone)]
pub struct Reader {
    http: Arc<Http>,
}

impl Reader {
    /// Reads through this client.
    pub fn new(http: Arc<Http>) -> Self {
        Self { http }
    }

    /// The client.
    pub fn http(&self) -> &Arc<Http> {
        &self.http
    }

    /// Waits before it is looked again, scaled as all waits are. `false`: the run
    /// was asked to stop.
    pub fn wait(&self, call: &Call<'_>, pause: Duration) -> bool {
        call.cancel.wait(self.http.scaled(pause))
    }

    /// A dataset at a version; `None`: it or the version does not exist, or is
    /// hidden from us (docs: rest-api/datasets/get).
    pub fn dataset(
        &self,
        call: &Call<'_>,
        dataset: &DatasetRef,
        version: &Version,
    ) -> Result<Option<RemoteDataset>, ApiError> {
        let asked = dataset.to_string();
        let found = self.get("dataset", call, dataset_path(dataset, version))?;
        found
            .map(|answer| answer.read(|dataset: wire::Dataset| Ok(dataset.into_model(&asked))))
            .transpose()
    }

    /// All versions of a dataset, in the order of the answer.
    pub fn versions(
        &self,
        call: &Call<'_>,
        dataset: &DatasetRef,
    ) -> Result<Vec<RemoteVersion>, ApiError> {
        let path = format!(
            "/datasets/{}/versions",
            encode_segment(&dataset.to_string())
        );
        self.list("versions", call, &path, wire::Version::into_model)
    }

    /// The `next` version in its full form; `None`: there is none.
    pub fn next_version(
        &self,
        call: &Call<'_>,
        dataset: &DatasetRef,
    ) -> Result<Option<RemoteVersion>, ApiError> {
        let path = format!(
            "/datasets/{}/versions/next",
            encode_segment(&dataset.to_string())
        );
        let found = self.get("version", call, path)?;
        found
            .map(|answer| answer.read(wire::Version::into_model))
            .transpose()
    }

    /// A table at a version; `None`: it does not exist, or is hidden.
    pub fn table(
        &self,
        call: &Call<'_>,
        table: &TableRef,
        version: &Version,
    ) -> Result<Option<RemoteTable>, ApiError> {
        let found = self.get("table", call, table_path(table, version))?;
        found
            .map(|answer| answer.read(wire::Table::into_model))
            .transpose()
    }

    /// All tables of a dataset at a version.
    pub fn tables(
        &self,
        call: &Call<'_>,
        dataset: &DatasetRef,
        version: &Version,
    ) -> Result<Vec<RemoteTable>, ApiError> {
        let path = format!("{}/tables", dataset_path(dataset, version));
        self.list("tables", call, &path, wire::Table::into_model)
    }

    /// All variables of a table.
    pub fn variables(
        &self,
        call: &Call<'_>,
        table: &TableRef,
        version: &Version,
    ) -> Result<Vec<RemoteVariable>, ApiError> {
        let path = format!("{}/variables", table_path(table, version));
        self.list("variables", call, &path, variable::Variable::into_model)
    }

    /// One variable in its full form; `None`: the table has none of that name, or
    /// does not exist.
    pub fn variable(
        &self,
        call: &Call<'_>,
        table: &TableRef,
        version: &Version,
        name: &str,
    ) -> Result<Option<RemoteVariable>, ApiError> {
        let found = self.get("variable", call, variable_path(table, version, name))?;
        found
            .map(|answer| answer.read(variable::Variable::into_model))
            .transpose()
    }

    /// All uploads of a table, over all pages.
    pub fn uploads(
        &self,
        call: &Call<'_>,
        table: &TableRef,
        version: &Version,
    ) -> Result<Vec<RemoteUpload>, ApiError> {
        let path = format!("{}/uploads", table_path(table, version));
        self.list("uploads", call, &path, wire::Upload::into_model)
    }

    /// One upload in its full form; `None`: it does not exist.
    pub fn upload(
        &self,
        call: &Call<'_>,
        uri: &ResourceUri,
    ) -> Result<Option<RemoteUpload>, ApiError> {
        let found = self.get("upload", call, uri.as_str().to_owned())?;
        found
            .map(|answer| answer.read(wire::Upload::into_model))
            .transpose()
    }

    /// Whether an upload exists.
    pub fn upload_exists(&self, call: &Call<'_>, uri: &ResourceUri) -> Result<bool, ApiError> {
        let path = uri.as_str().to_owned();
        Ok(self
            .look("upload_exists", call, Method::Head, path)?
            .is_some())
    }

    /// All files of a file-index table, in the order of the answer. Nothing is
    /// handed over before the whole listing has arrived, so a repeat after a
    /// break is not seen by `each`, and a short list is an error.
    ///
    /// A version that does not exist is an error of kind `NotFound`.
    pub fn raw_files(
        &self,
        call: &Call<'_>,
        table: &TableRef,
        version: &Version,
        each: &mut dyn FnMut(RemoteFile),
    ) -> Result<(), ApiError> {
        let path = format!("{}/rawFiles?format=arrow", table_path(table, version));
        let request = Request::api("raw_files", Method::Get, path, Repeat::Freely);
        let mut spool = Spool::new();
        let sink = Sink::Spool(&mut spool);
        let answered = self.http.send(call, &request, Body::Empty, sink)?;
        let is_framed = answered.answer.is_framed;
        match listing::read(&mut spool, is_framed, each) {
            Ok(()) => Ok(()),
            Err(listing::ListingError::Local(error)) => Err(answered.fail_locally(error)),
            Err(error) => {
                Err(answered.refuse_with("the listing cannot be used", Some(error.into())))
            }
        }
    }

    /// The MD5 that the platform has of a stored file, from the headers of
    /// `HEAD /rawFiles/:id` (docs: rest-api/files/head); `None`: it says none.
    pub fn raw_file_md5(&self, call: &Call<'_>, id: &str) -> Result<Option<Md5Digest>, ApiError> {
        let path = format!("/rawFiles/{}", encode_segment(id));
        let request = Request::api("raw_file_md5", Method::Head, path, Repeat::Freely);
        let answered = self.http.send(call, &request, Body::Empty, Sink::Memory)?;
        Ok(md5_of(&answered.answer.headers))
    }

    /// Reads a stored file back, and answers how many bytes it has and their MD5.
    /// A file that is larger than a window is read in windows (`Range`, docs:
    /// rest-api/files/get), so that a break costs one of them and not all.
    /// `size` is what a listing says; nothing of the content is kept.
    pub fn raw_file_digest(
        &self,
        call: &Call<'_>,
        id: &str,
        size: u64,
    ) -> Result<(u64, Md5Digest), ApiError> {
        self.raw_file_digest_in(call, id, size, READ_WINDOW)
    }

    /// The same with windows of this size.
    pub(super) fn raw_file_digest_in(
        &self,
        call: &Call<'_>,
        id: &str,
        size: u64,
        window: u64,
    ) -> Result<(u64, Md5Digest), ApiError> {
        let path = format!("/rawFiles/{}", encode_segment(id));
        let mut digest = ContentDigest::new();
        loop {
            let first = digest.bytes();
            let mut request = Request::api("raw_file", Method::Get, path.clone(), Repeat::Freely);
            let is_whole = first == 0 && size <= window;
            if !is_whole {
                let last = size.min(first + window) - 1;
                request = request.header("Range", format!("bytes={first}-{last}"));
            }
            let sink = Sink::Digest(&mut digest);
            let answered = self.http.send(call, &request, Body::Empty, sink)?;
            if !answered.answer.is_framed {
                return Err(answered.refuse("the answer does not say where it ends"));
            }
            if answered.answer.status != 206 {
                if first > 0 {
                    return Err(answered.refuse("a range was asked for, and the whole came"));
                }
                digest.keep();
                return Ok(digest.finish());
            }
            let range = answered.answer.headers.get("content-range");
            let Some((start, total)) = range.and_then(content_range) else {
                return Err(answered.refuse("the range cannot be told"));
            };
            if start != first || answered.answer.received == 0 {
                return Err(answered.refuse("another range came than was asked for"));
            }
            digest.keep();
            if total != size {
                // Another size is verdict enough.
                return Ok((total, digest.finish().1));
            }
            if digest.bytes() >= size {
                return Ok(digest.finish());
            }
        }
    }

    fn get(
        &self,
        name: &'static str,
        call: &Call<'_>,
        path: String,
    ) -> Result<Option<Answered>, ApiError> {
        self.look(name, call, Method::Get, path)
    }

    /// GET or HEAD, where "not found" is an answer.
    fn look(
        &self,
        name: &'static str,
        call: &Call<'_>,
        method: Method,
        path: String,
    ) -> Result<Option<Answered>, ApiError> {
        let request = Request::api(name, method, path, Repeat::Freely);
        match self.http.send(call, &request, Body::Empty, Sink::Memory) {
            Ok(answered) => Ok(Some(answered)),
            Err(error) if *error.kind() == ApiErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads pages until there is no further token; a short page is not the end
    /// (contract 1.7).
    fn list<T: DeserializeOwned, M>(
        &self,
        name: &'static str,
        call: &Call<'_>,
        path: &str,
        mean: impl Fn(T) -> Result<M, WireError>,
    ) -> Result<Vec<M>, ApiError> {
        let mut all = Vec::new();
        let mut bytes = 0;
        let mut size = PAGE_SIZE;
        let mut token: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let mut full = format!("{path}?maxResults={size}");
            if let Some(token) = &token {
                full.push_str("&pageToken=");
                full.push_str(&encode_segment(token));
            }
            let request = Request::api(name, Method::Get, full, Repeat::Freely);
            let answered = match self.http.send(call, &request, Body::Empty, Sink::Memory) {
                // The largest page is not documented.
                Err(error)
                    if token.is_none()
                        && size > SMALL_PAGE_SIZE
                        && *error.kind() == ApiErrorKind::Invalid =>
                {
                    size = SMALL_PAGE_SIZE;
                    continue;
                }
                other => other?,
            };
            bytes += answered.answer.received;
            let mut next = None;
            let before = all.len();
            let page = answered.read(|page: Page<T>| {
                next = page.next_page_token.filter(|token| !token.is_empty());
                if next.is_some() && next == token {
                    return Err(WireError::Differs {
                        field: "nextPageToken",
                        sent: "another page's".to_owned(),
                        got: "this page's own".to_owned(),
                    });
                }
                if before + page.results.len() > MOST_LISTED || bytes > LISTED_BYTES {
                    return Err(WireError::Endless(before));
                }
                page.results
                    .into_iter()
                    .map(&mean)
                    .collect::<Result<Vec<_>, _>>()
            })?;
            all.extend(page);
            if next.is_none() {
                break;
            }
            token = next;
        }
        Ok(all)
    }
}

pub(super) fn dataset_path(dataset: &DatasetRef, version: &Version) -> String {
    format!("/datasets/{}", encode_segment(&dataset.at(version)))
}

pub(super) fn table_path(table: &TableRef, version: &Version) -> String {
    format!("/tables/{}", encode_segment(&table.at(version)))
}

pub(super) fn variable_path(table: &TableRef, version: &Version, name: &str) -> String {
    let table = table_path(table, version);
    format!("{table}/variables/{}", encode_segment(name))
}

/// First byte and total of `bytes 0-9/100`.
fn content_range(text: &str) -> Option<(u64, u64)> {
    let (range, total) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (first, _) = range.split_once('-')?;
    Some((first.trim().parse().ok()?, total.trim().parse().ok()?))
}

/// The MD5 in whatever header says it (contract 10.4): `Digest: md5=..`,
/// `Content-Digest: md5=:..:`, `x-goog-hash: md5=..`.
pub(super) fn md5_of(headers: &Headers) -> Option<Md5Digest> {
    ["digest", "content-digest", "x-goog-hash"]
        .into_iter()
        .flat_map(|name| headers.all(name))
        .flat_map(|value| value.split(','))
        .filter_map(|part| part.trim().split_once('='))
        .filter(|(name, _)| name.eq_ignore_ascii_case("md5"))
        .find_map(|(_, value)| value.trim_matches([':', '"', ' ']).parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_md5_is_found_in_all_three_headers() {
        let digest = Md5Digest::of(b"abc");
        let text = digest.to_base64();
        for (name, value) in [
            ("Digest", format!("md5={text}")),
            ("Content-Digest", format!("crc32c=:AAAAAA==:, md5=:{text}:")),
            ("X-Goog-Hash", format!("crc32c=AAAAAA==,md5={text}")),
        ] {
            let headers = Headers::new([(name.to_owned(), value)].into_iter());
            assert_eq!(md5_of(&headers), Some(digest), "{name}");
        }
        let none = Headers::new([("Digest".to_owned(), "sha-256=x".to_owned())].into_iter());
        assert_eq!(md5_of(&none), None);
    }
}
