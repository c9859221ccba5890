//! The keys of a job, its sources and its guards.

use crate::base::UploadType;

use super::super::words::{self, names};
use super::{Form, NAME, SCHEMA_FILE, Section, TEXT, VARIABLE, key, must};

const FILES: &[&str] = &["files"];
const ROWS: &[&str] = &["rows"];
const SENT: &[&str] = &["rows", "uploads"];

const ON_CHANGE: [&str; 3] = names(&words::ON_FILE_CHANGE);
const ON_RELEASED: [&str; 2] = names(&words::ON_RELEASED);
const ON_MISSING: [&str; 3] = names(&words::ON_MISSING);
const ON_RENAMED: [&str; 3] = names(&words::ON_RENAMED);
const EXTRA: [&str; 2] = names(&words::EXTRA);
const SYMLINKS: [&str; 3] = names(&words::SYMLINKS);
const EXTRA_COLUMNS: [&str; 2] = names(&words::EXTRA_COLUMNS);
const MISSING_COLUMNS: [&str; 2] = names(&words::MISSING_COLUMNS);

const GLOBS: Form = Form::List {
    of: &TEXT,
    least: 0,
};

pub(in super::super) static JOB: Section = Section {
    what: "a job",
    id: "job",
    keys: &[
        must(
            "name",
            NAME,
            "The job's name, unique in the manifest. Part of the identity of what it sends, so keep it.",
        ),
        must(
            "table",
            TEXT,
            "The table to write: a name in the default dataset, or `owner.dataset:next.table`.",
        ),
        key(
            "tags",
            Form::List {
                of: &TEXT,
                least: 0,
            },
            "[]",
            "Words that `--tag` selects jobs by.",
        ),
        key(
            "files",
            Form::List {
                of: &Form::Map(&FILES_ENTRY),
                least: 1,
            },
            "",
            "Files for a file-index table. A job has `files`, `rows` or `uploads`.",
        ),
        key(
            "rows",
            Form::List {
                of: &Form::Map(&ROWS_ENTRY),
                least: 1,
            },
            "",
            "Row sources: CSV and JSON files whose rows are typed, checked and inserted.",
        ),
        key(
            "uploads",
            Form::List {
                of: &Form::Map(&UPLOADS_ENTRY),
                least: 1,
            },
            "",
            "Tabular files that the platform imports as they are.",
        ),
        key(
            "exclude",
            GLOBS,
            "[]",
            "Globs of paths to leave out, added to each entry's own.",
        ),
        key(
            "on_change",
            Form::Word { words: &ON_CHANGE },
            "replace",
            "When the remote differs from the local content. `keep` is for files only.",
        ),
        key(
            "extra",
            Form::Word { words: &EXTRA },
            "report",
            "Files that only the remote has: say so, or make it a conflict.",
        )
        .only(FILES),
        key(
            "symlinks",
            Form::Word { words: &SYMLINKS },
            "follow",
            "Symbolic links. Hidden files are always included.",
        )
        .only(FILES),
        key(
            "min_age",
            Form::Duration,
            "0",
            "Younger files are skipped (`too_young`).",
        )
        .only(FILES),
        key(
            "schema",
            Form::Either(&[
                Form::Word { words: &["infer"] },
                Form::Map(&SCHEMA_FILE),
                Form::MapOf {
                    of: &VARIABLE_FORM,
                    least: 1,
                },
            ]),
            "",
            "The variables of the table, `infer`, or a file that holds them. Required for rows.",
        )
        .only(ROWS),
        key(
            "extra_columns",
            Form::Word {
                words: &EXTRA_COLUMNS,
            },
            "fail",
            "Columns of a source that the schema lacks.",
        )
        .only(ROWS),
        key(
            "missing_columns",
            Form::Word {
                words: &MISSING_COLUMNS,
            },
            "fail",
            "Columns of the schema that a source lacks.",
        )
        .only(ROWS),
        key(
            "rejects",
            Form::Map(&REJECTS),
            "",
            "Rows that cannot be encoded.",
        )
        .only(ROWS),
        key(
            "payload",
            Form::Size,
            "32MiB",
            "Target size of one request's body, from 1KiB to 100MB.",
        )
        .only(ROWS),
        key(
            "on_released",
            Form::Word {
                words: &ON_RELEASED,
            },
            "fail",
            "When a source changed and its old rows are already released and locked.",
        )
        .only(SENT),
        key(
            "on_missing",
            Form::Word { words: &ON_MISSING },
            "keep",
            "When a source that was delivered is no longer matched.",
        )
        .only(SENT),
        key(
            "on_renamed",
            Form::Word { words: &ON_RENAMED },
            "",
            "When the rows of a source were delivered for another one that is no longer matched: it was renamed, it is one more, or that is a conflict. By default `keep`, and `fail` where the path has a variable.",
        )
        .only(SENT),
        key(
            "allow_empty",
            Form::Flag,
            "false",
            "A glob that matches nothing, or a source without rows, is no error.",
        ),
        key(
            "expect",
            Form::Map(&EXPECT),
            "",
            "Guards, checked before sending where known, and always before a release.",
        ),
    ],
};

/// A variable: its type, or a mapping.
pub(super) const VARIABLE_FORM: Form = Form::Either(&[
    Form::Word {
        words: &super::schema::TYPES,
    },
    Form::Map(&VARIABLE),
]);

pub(in super::super) static EXPECT: Section = Section {
    what: "`expect`",
    id: "expect",
    keys: &[
        key("min_files", Form::Count, "", "Fewest files."),
        key("max_files", Form::Count, "", "Most files."),
        key(
            "min_bytes",
            Form::Size,
            "",
            "Fewest bytes of all files together.",
        ),
        key(
            "max_bytes",
            Form::Size,
            "",
            "Most bytes of all files together.",
        ),
        key("min_rows", Form::Count, "", "Fewest rows.").only(SENT),
        key("max_rows", Form::Count, "", "Most rows.").only(SENT),
        key(
            "max_shrink",
            Form::Percentage,
            "",
            "By how much the table may shrink against the last release.",
        )
        .only(SENT),
    ],
};

pub(in super::super) static REJECTS: Section = Section {
    what: "`rejects`",
    id: "rejects",
    keys: &[key(
        "max",
        Form::Count,
        "0",
        "More rejected rows than this, and nothing of the job is sent.",
    )],
};

pub(in super::super) static FILES_ENTRY: Section = Section {
    what: "an entry of `files`",
    id: "files-entry",
    keys: &[
        key(
            "glob",
            TEXT,
            "",
            "`*`, `?`, `[..]`, and `**` for any folders, relative to the manifest's folder. An entry has `glob` or `path`.",
        ),
        key("path", TEXT, "", "One file, by its literal name."),
        key(
            "base",
            TEXT,
            "",
            "Remote names are relative to this folder. Default: the glob's literal folder.",
        ),
        key("prefix", TEXT, "\"\"", "Put before each remote name."),
        key("exclude", GLOBS, "[]", "Globs of paths to leave out."),
    ],
};

const CSV: &[&str] = &["csv"];

pub(in super::super) static ROWS_ENTRY: Section = Section {
    what: "an entry of `rows`",
    id: "rows-entry",
    keys: &[
        key("csv", TEXT, "", "A glob of delimited text files. An entry has `csv`, `ndjson` or `json`. `.gz` and `.zst` are unpacked."),
        key("ndjson", TEXT, "", "A glob of files with one JSON object a line."),
        key("json", TEXT, "", "A glob of files with one array of objects each."),
        key("exclude", GLOBS, "[]", "Globs of paths to leave out."),
        key("delimiter", Form::Character { or: None }, "\",\"", "Between fields.").only(CSV),
        key("quote", Form::Character { or: Some("none") }, "'\"'", "Around fields, or `none`.").only(CSV),
        key("escape", Form::Character { or: None }, "", "Before a quote inside a quoted field, instead of doubling it.").only(CSV),
        key("comment", Form::Character { or: None }, "", "Lines that start with it are passed over.").only(CSV),
        key("header", Form::Either(&[Form::Flag, Form::List { of: &Form::Cell, least: 1 }]), "true", "`true`: the first row has the names. A list: these are the names, and the file has none.").only(CSV),
        key("skip_lines", Form::Count, "0", "Lines before the header.").only(CSV),
        key("encoding", TEXT, "utf-8", "The text's encoding, by its label in the WHATWG Encoding Standard.").only(CSV),
    ],
};

const fn upload_types() -> [&'static str; UploadType::ALL.len()] {
    let mut words = [""; UploadType::ALL.len()];
    let mut at = 0;
    while at < words.len() {
        words[at] = UploadType::ALL[at].as_str();
        at += 1;
    }
    words
}

const UPLOAD_TYPES: [&str; UploadType::ALL.len()] = upload_types();
const DELIMITED: &[&str] = &["delimited"];

pub(in super::super) static UPLOADS_ENTRY: Section = Section {
    what: "an entry of `uploads`",
    id: "uploads-entry",
    keys: &[
        must("path", TEXT, "A file or a glob."),
        key(
            "name",
            TEXT,
            "",
            "The stem of the upload's name; the content's digest is added. Default: the file's own stem.",
        ),
        key(
            "type",
            Form::Word {
                words: &UPLOAD_TYPES,
            },
            "",
            "How the platform reads the file. Default: by its ending.",
        ),
        key("exclude", GLOBS, "[]", "Globs of paths to leave out."),
        key(
            "has_header",
            Form::Flag,
            "",
            "Whether the first row has the names.",
        )
        .only(DELIMITED),
        key(
            "delimiter",
            Form::Character { or: None },
            "",
            "Between fields. Not stated: the platform detects it.",
        )
        .only(DELIMITED),
        key("quote", Form::Character { or: None }, "", "Around fields.").only(DELIMITED),
        key(
            "escape",
            Form::Character { or: None },
            "",
            "Before a quote inside a quoted field.",
        )
        .only(DELIMITED),
        key(
            "null_markers",
            Form::List {
                of: &Form::Cell,
                least: 0,
            },
            "",
            "Texts that mean null.",
        )
        .only(DELIMITED),
        key(
            "quoted_newlines",
            Form::Flag,
            "",
            "Whether quoted fields may hold line breaks.",
        )
        .only(DELIMITED),
        key(
            "jagged_rows",
            Form::Flag,
            "",
            "Whether rows may have fewer fields than the header.",
        )
        .only(DELIMITED),
        key(
            "skip_bad_records",
            Form::Flag,
            "",
            "Whether records that cannot be read are passed over.",
        ),
        key(
            "max_bad_records",
            Form::Count,
            "0",
            "More records passed over than this is a failure.",
        ),
    ],
};
