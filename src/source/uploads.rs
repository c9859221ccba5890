//! Identities of bulk uploads: the file's content and how the platform is told
//! to read it. The texts made here go into names on users' remotes; they never
//! change.

use std::path::Path;

use crate::base::{
    PartHasher, PartIdentity, Sha256Digest, SourceKey, UploadOptions, UploadType, part::slug,
};

/// How the platform is told to read an upload, as one canonical text: the type,
/// then the options that are stated, in a fixed order.
pub fn reading(kind: UploadType, options: &UploadOptions) -> String {
    let UploadOptions {
        has_header,
        delimiter,
        quote,
        escape,
        null_markers,
        quoted_newlines,
        jagged_rows,
        skip_bad_records,
    } = options;
    let mut fields = vec![kind.as_str().to_owned()];
    let mut text = |key: &str, value: Option<String>| {
        fields.extend(value.map(|value| format!("{key}={value}")));
    };
    // A debug form is quoted and escaped, so that no text can look like another
    // option.
    let quoted = |value: &Option<String>| value.as_ref().map(|value| quote_text(value));
    let flag = |value: Option<bool>| value.map(|value| value.to_string());
    text("has_header", flag(*has_header));
    text("delimiter", quoted(delimiter));
    text("quote", quoted(quote));
    text("escape", quoted(escape));
    text(
        "null_markers",
        null_markers
            .as_ref()
            .map(|list| list.iter().map(|one| quote_text(one)).collect::<Vec<_>>())
            .map(|list| format!("[{}]", list.join(","))),
    );
    text("quoted_newlines", flag(*quoted_newlines));
    text("jagged_rows", flag(*jagged_rows));
    text("skip_bad_records", flag(*skip_bad_records));
    fields.join(";")
}

/// The identity of one bulk upload.
pub fn upload_identity(
    owner: &SourceKey,
    source: &SourceKey,
    stem: &str,
    content: &Sha256Digest,
    reading: &str,
) -> PartIdentity {
    PartIdentity {
        slug: slug(stem),
        owner: owner.clone(),
        source: source.clone(),
        first_row: 0,
        rows: 0,
        digest: PartHasher::upload(owner, source, content, reading),
        refused: 0,
    }
}

/// The type that a file's ending stands for, and the file's name without that
/// ending.
pub fn type_by_ending(path: &Path) -> (Option<UploadType>, String) {
    const ENDINGS: [(&str, UploadType); 20] = [
        (".csv", UploadType::Delimited),
        (".tsv", UploadType::Delimited),
        (".tab", UploadType::Delimited),
        (".psv", UploadType::Delimited),
        (".avro", UploadType::Avro),
        (".ndjson", UploadType::Ndjson),
        (".jsonl", UploadType::Ndjson),
        (".parquet", UploadType::Parquet),
        (".orc", UploadType::Orc),
        (".xls", UploadType::Xls),
        (".xlsx", UploadType::Xlsx),
        (".dta", UploadType::Dta),
        (".sas7bdat", UploadType::Sas7bdat),
        (".sav", UploadType::Sav),
        (".geojson", UploadType::Geojson),
        (".geojsonl", UploadType::Geojsonl),
        (".json", UploadType::Json),
        (".shp", UploadType::Shp),
        (".shp.zip", UploadType::ShpZip),
        (".kml", UploadType::Kml),
    ];
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let lower = name.to_ascii_lowercase();
    let found = ENDINGS
        .iter()
        .find(|(ending, _)| lower.len() > ending.len() && lower.ends_with(ending));
    if let Some((ending, kind)) = found {
        let stem = name.split_at(name.len() - ending.len()).0;
        return (Some(*kind), stem.to_owned());
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    (None, stem.into_owned())
}

fn quote_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Golden: digests over this text are in names on users' remotes.
    #[test]
    fn the_reading_text_is_pinned() {
        let all = UploadOptions {
            has_header: Some(true),
            delimiter: Some("\t".to_owned()),
            quote: Some("\"".to_owned()),
            escape: Some("\\".to_owned()),
            null_markers: Some(vec!["NA".to_owned(), "a;b=\"c\"".to_owned()]),
            quoted_newlines: Some(false),
            jagged_rows: Some(false),
            skip_bad_records: Some(true),
        };

        assert_eq!(
            reading(UploadType::Parquet, &UploadOptions::default()),
            "parquet"
        );
        assert_eq!(
            reading(UploadType::Delimited, &all),
            r#"delimited;has_header=true;delimiter="\t";quote="\"";escape="\\";null_markers=["NA","a;b=\"c\""];quoted_newlines=false;jagged_rows=false;skip_bad_records=true"#
        );
    }

    #[test]
    fn an_upload_s_identity_is_pinned() {
        let identity = upload_identity(
            &SourceKey::owner("coastal-survey", "taxa"),
            &SourceKey::source("export/part-0.parquet"),
            "taxa",
            &Sha256Digest::of(b"bytes"),
            "parquet",
        );

        assert_eq!(
            identity.to_string(),
            "ri1_taxa_02e4296c_f906ba48_0_0_5pf5pb65w7qjloewtzrqtfh6yt"
        );
    }

    #[test]
    fn types_and_stems_come_from_endings() {
        for (name, kind, stem) in [
            ("x/Part.1.PARQUET", Some(UploadType::Parquet), "Part.1"),
            ("roads.shp.zip", Some(UploadType::ShpZip), "roads"),
            ("roads.shp", Some(UploadType::Shp), "roads"),
            ("a.tsv", Some(UploadType::Delimited), "a"),
            ("a.geojsonl", Some(UploadType::Geojsonl), "a"),
            ("a.bin", None, "a"),
            (".csv", None, ".csv"),
        ] {
            assert_eq!(
                type_by_ending(Path::new(name)),
                (kind, stem.to_owned()),
                "{name}"
            );
        }
    }
}
