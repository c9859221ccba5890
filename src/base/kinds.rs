//! Closed lists that the platform defines: what a variable, a merge strategy and
//! a bulk upload can be.

/// The platform's variable types (docs: datasets/data/variable-types).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum VariableType {
    /// UTF-8 text.
    String,
    /// Signed 64-bit.
    Integer,
    /// IEEE double.
    Float,
    /// true or false.
    Boolean,
    /// A calendar day.
    Date,
    /// A day and a time, without a zone.
    DateTime,
    /// A time of day.
    Time,
    /// WKT text.
    Geography,
}

impl VariableType {
    /// All of them, in the order the documentation lists them.
    pub const ALL: [Self; 8] = [
        Self::String,
        Self::Integer,
        Self::Float,
        Self::Boolean,
        Self::Date,
        Self::DateTime,
        Self::Time,
        Self::Geography,
    ];

    /// The platform's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Integer => "integer",
            Self::Float => "float",
            Self::Boolean => "boolean",
            Self::Date => "date",
            Self::DateTime => "dateTime",
            Self::Time => "time",
            Self::Geography => "geography",
        }
    }

    /// From the platform's word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == word)
    }
}

impl std::fmt::Display for VariableType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// A table's `uploadMergeStrategy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MergeStrategy {
    /// New uploads add to the rows of the last release.
    Append,
    /// New uploads replace them.
    Replace,
}

impl MergeStrategy {
    /// The platform's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Append => "append",
            Self::Replace => "replace",
        }
    }

    /// From the platform's word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Append, Self::Replace]
            .into_iter()
            .find(|one| one.as_str() == word)
    }
}

impl std::fmt::Display for MergeStrategy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// The platform's upload types (docs: resource-definitions/upload), `stream`
/// apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum UploadType {
    /// `delimited`.
    Delimited,
    /// `avro`.
    Avro,
    /// `ndjson`.
    Ndjson,
    /// `parquet`.
    Parquet,
    /// `orc`.
    Orc,
    /// `xls`.
    Xls,
    /// `xlsx`.
    Xlsx,
    /// `dta` (Stata).
    Dta,
    /// `sas7bdat`.
    Sas7bdat,
    /// `sav` (SPSS).
    Sav,
    /// `geojson`.
    Geojson,
    /// `geojsonl`.
    Geojsonl,
    /// `json`: one array of objects.
    Json,
    /// `shp`.
    Shp,
    /// `shp.zip`.
    ShpZip,
    /// `kml`.
    Kml,
}

impl UploadType {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::Delimited,
        Self::Avro,
        Self::Ndjson,
        Self::Parquet,
        Self::Orc,
        Self::Xls,
        Self::Xlsx,
        Self::Dta,
        Self::Sas7bdat,
        Self::Sav,
        Self::Geojson,
        Self::Geojsonl,
        Self::Json,
        Self::Shp,
        Self::ShpZip,
        Self::Kml,
    ];

    /// The platform's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delimited => "delimited",
            Self::Avro => "avro",
            Self::Ndjson => "ndjson",
            Self::Parquet => "parquet",
            Self::Orc => "orc",
            Self::Xls => "xls",
            Self::Xlsx => "xlsx",
            Self::Dta => "dta",
            Self::Sas7bdat => "sas7bdat",
            Self::Sav => "sav",
            Self::Geojson => "geojson",
            Self::Geojsonl => "geojsonl",
            Self::Json => "json",
            Self::Shp => "shp",
            Self::ShpZip => "shp.zip",
            Self::Kml => "kml",
        }
    }

    /// From the platform's word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == word)
    }
}

impl std::fmt::Display for UploadType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// Options of a bulk upload; `None` leaves the platform to detect.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UploadOptions {
    /// `hasHeaderRow`.
    pub has_header: Option<bool>,
    /// `delimiter`.
    pub delimiter: Option<String>,
    /// `quoteCharacter`.
    pub quote: Option<String>,
    /// `escapeCharacter`.
    pub escape: Option<String>,
    /// `nullMarkers`.
    pub null_markers: Option<Vec<String>>,
    /// `hasQuotedNewlines`.
    pub quoted_newlines: Option<bool>,
    /// `allowJaggedRows`.
    pub jagged_rows: Option<bool>,
    /// `skipBadRecords`.
    pub skip_bad_records: Option<bool>,
}
