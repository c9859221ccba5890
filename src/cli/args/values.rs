//! The values of flags, each checked where it is read.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::ValueEnum;

use crate::base::ByteCount;

/// The form of the result on stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// One JSON object a line; for `run`, one line at the end
    Json,
    /// The same; `run` also tells on stderr what happens, one JSON object a line
    Ndjson,
}

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ProgressChoice {
    /// `tty` on a terminal, else `plain`
    Auto,
    /// Bars
    Tty,
    /// One line each 30 seconds
    Plain,
    /// Not at all
    None,
}

/// Log levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum LogLevel {
    /// What failed
    Error,
    /// What may need attention
    Warn,
    /// What is done
    Info,
    /// Requests and decisions
    Debug,
    /// Everything
    Trace,
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

/// Whether to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// By what files are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Compare {
    /// Size and MD5
    Md5,
    /// Size only: a change that keeps the size is not seen
    Size,
}

/// Which stored files are downloaded and hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReadBack {
    /// None: a file without an MD5 on the remote stays unverified
    Never,
    /// Those without an MD5 on the remote
    Needed,
    /// All of them
    All,
}

/// How large files are sent.
/// How large files are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Protocol {
    /// Through temp uploads
    Temp,
    /// Through the older `resumableUpload` endpoint
    Legacy,
}

/// How the sandbox answers open questions.
#[cfg(feature = "sandbox")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Character {
    /// At once and simply
    Friendly,
    /// In the worst way that the documentation permits
    Worst,
}

/// What `completions` can print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ShellChoice {
    /// For bash
    Bash,
    /// For elvish
    Elvish,
    /// For fish
    Fish,
    /// For `PowerShell`
    Powershell,
    /// For zsh
    Zsh,
    /// The manual page (roff)
    Man,
}

/// A flag's value that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ValueError(String);

/// `--state-dir`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateDir {
    /// A folder.
    Folder(PathBuf),
    /// `none`: in memory.
    None,
}

impl FromStr for StateDir {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match text {
            "" => Err(ValueError("a folder, or `none`".to_owned())),
            "none" => Ok(Self::None),
            folder => Ok(Self::Folder(PathBuf::from(folder))),
        }
    }
}

/// `--shard i/n`: part `index` (from 0) of `count`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// Less than `count`.
    pub index: u32,
    /// At least 1.
    pub count: u32,
}

impl FromStr for Shard {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let wrong = || ValueError("write it as I/N with I from 0 to N-1, as in `0/4`".to_owned());
        let (index, count) = text.split_once('/').ok_or_else(wrong)?;
        let number = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
            digits.then(|| text.parse::<u32>().ok()).flatten()
        };
        match (number(index), number(count)) {
            (Some(index), Some(count)) if index < count => Ok(Self { index, count }),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

/// `--transfers`: 1 to 256.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransferCount(usize);

impl TransferCount {
    /// The number.
    pub fn get(self) -> usize {
        self.0
    }
}

impl FromStr for TransferCount {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match text.parse() {
            Ok(count @ 1..=256) => Ok(Self(count)),
            _ => Err(ValueError("a number from 1 to 256".to_owned())),
        }
    }
}

/// `--chunk-size`: a multiple of 256 KiB (contract 9.2), at most 1 GiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkSize(ByteCount);

impl ChunkSize {
    const GRAIN: u64 = 256 << 10;
    const MAX: u64 = 1 << 30;

    /// The size.
    pub fn get(self) -> ByteCount {
        self.0
    }
}

impl FromStr for ChunkSize {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let size: ByteCount = text
            .parse()
            .map_err(|error| ValueError(format!("{error}")))?;
        let fits = (Self::GRAIN..=Self::MAX).contains(&size.0);
        if !fits || !size.0.is_multiple_of(Self::GRAIN) {
            let why = "a multiple of 256KiB, at most 1GiB, as in `16MiB`";
            return Err(ValueError(why.to_owned()));
        }
        Ok(Self(size))
    }
}

/// `--bwlimit`: bytes per second, more than none.
pub(super) fn bandwidth(text: &str) -> Result<ByteCount, ValueError> {
    let size: ByteCount = text
        .parse()
        .map_err(|error| ValueError(format!("{error}")))?;
    if size.0 == 0 {
        return Err(ValueError("nothing would ever be sent".to_owned()));
    }
    Ok(size)
}

/// `--tpslimit`: calls per second, more than none.
pub(super) fn rate(text: &str) -> Result<f64, ValueError> {
    text.parse()
        .ok()
        .filter(|rate: &f64| rate.is_finite() && *rate > 0.0)
        .ok_or_else(|| ValueError("a number above 0".to_owned()))
}

/// `--retry-scale`: none or more.
pub(super) fn factor(text: &str) -> Result<f64, ValueError> {
    text.parse()
        .ok()
        .filter(|factor: &f64| (0.0..=100.0).contains(factor))
        .ok_or_else(|| ValueError("a number from 0 to 100".to_owned()))
}

/// A duration as people write it: `50m`, `1h 30m`, or a number of seconds.
pub(super) fn duration(text: &str) -> Result<Duration, ValueError> {
    let wrong = || ValueError("write a duration as in `90s`, `50m` or `1h30m`".to_owned());
    if let Ok(seconds) = text.parse::<u32>() {
        return Ok(Duration::from_secs(seconds.into()));
    }
    let signed: jiff::SignedDuration = text.parse().map_err(|_error: jiff::Error| wrong())?;
    Duration::try_from(signed).map_err(|_error| wrong())
}

/// A duration that may be told in days.
pub(super) fn age(text: &str) -> Result<Duration, ValueError> {
    let days = text
        .strip_suffix('d')
        .and_then(|days| days.parse::<u32>().ok());
    match days {
        Some(days) => Ok(Duration::from_secs(u64::from(days) * 86_400)),
        None => duration(text)
            .map_err(|_error| ValueError("write an age as in `90d`, `12h` or `1h30m`".to_owned())),
    }
}

/// A duration above zero.
pub(super) fn positive_duration(text: &str) -> Result<Duration, ValueError> {
    let found = duration(text)?;
    if found.is_zero() {
        return Err(ValueError("it must be longer than nothing".to_owned()));
    }
    Ok(found)
}
