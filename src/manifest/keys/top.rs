//! The keys of the manifest itself and of its tables.

use super::super::words::{self, names};
use super::{Form, JOB, NAME, Section, TABLE_VARIABLE, TEXT, key, must};

const MERGE: [&str; 2] = names(&words::MERGE);
const OTHERS: [&str; 2] = names(&words::OTHERS);

pub(in super::super) static MANIFEST: Section = Section {
    what: "a manifest",
    id: "manifest",
    keys: &[
        must("version", Form::One, "The format of the manifest: `1`."),
        must(
            "name",
            NAME,
            "The manifest's name. It owns its parts and uploads on the platform and keys state and reports, so keep it.",
        ),
        key(
            "dataset",
            Form::Text { pattern: DATASET },
            "",
            "The default dataset, `owner.dataset`. Only its `next` version is ever written.",
        ),
        key("prepare", Form::Map(&PREPARE), "", "What a run may create."),
        key(
            "release",
            Form::Either(&[Form::Flag, Form::Map(&RELEASE)]),
            "false",
            "Whether a run ends with a release.",
        ),
        key(
            "tables",
            Form::MapOf {
                of: &Form::Map(&TABLE),
                least: 0,
            },
            "",
            "What belongs to a table rather than to a job, by table name or reference.",
        ),
        key(
            "defaults",
            Form::Map(&JOB),
            "",
            "Keys of jobs. A job's own key wins; a key that a job's kind does not have is passed over.",
        ),
        must(
            "jobs",
            Form::List {
                of: &Form::Map(&JOB),
                least: 1,
            },
            "The work, in order.",
        ),
    ],
};

const DATASET: &str = "^[A-Za-z0-9_]+\\.[^./?#%]+$";

pub(in super::super) static PREPARE: Section = Section {
    what: "`prepare`",
    id: "prepare",
    keys: &[
        key(
            "next_version",
            Form::Flag,
            "false",
            "A `next` version, when the dataset has none.",
        ),
        key("tables", Form::Flag, "false", "Tables that do not exist."),
    ],
};

pub(in super::super) static RELEASE: Section = Section {
    what: "`release`",
    id: "release",
    keys: &[
        key("notes", TEXT, "", "Release notes."),
        key(
            "others",
            Form::Word { words: &OTHERS },
            "fail",
            "Changes in the draft that are not ours: refuse to release, or release them too.",
        ),
    ],
};

pub(in super::super) static TABLE: Section = Section {
    what: "a table",
    id: "table",
    keys: &[
        key(
            "merge",
            Form::Word { words: &MERGE },
            "",
            "The table's merge strategy. Not stated: left as it is.",
        ),
        key(
            "description",
            TEXT,
            "",
            "The table's description. Not stated: left as it is; empty: there shall be none.",
        ),
        key(
            "variables",
            Form::MapOf {
                of: &Form::Map(&TABLE_VARIABLE),
                least: 0,
            },
            "",
            "What its variables mean, by name. Rows may say the same in their `schema`.",
        ),
    ],
};
