//! Files that the user names for what a command writes. A regular file, or one that
//! is not there yet, is written beside its place and takes it whole; a device or a
//! pipe is written into as it is; a link stays, and what it leads to is written.

use std::fs::{File, Metadata, OpenOptions, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::args::ReportArgs;
use super::failure::Failure;

/// Links that may follow each other, as for Linux.
const MOST_LINKS: usize = 40;

/// Who may read a file that is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readers {
    /// Its owner.
    Owner,
    /// Everybody.
    All,
}

/// A file that a command was told to write.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The flag that names it.
    pub flag: &'static str,
    /// Its path.
    pub path: &'a Path,
    /// It is only appended to: that it cannot be written is told by its writer.
    pub is_appended: bool,
}

impl<'a> Wanted<'a> {
    /// What `flag` names, written as a whole.
    pub fn whole(flag: &'static str, path: &'a Path) -> Self {
        Self {
            flag,
            path,
            is_appended: false,
        }
    }
}

/// All that a run writes to files.
pub fn wanted_by(args: &ReportArgs) -> Vec<Wanted<'_>> {
    let whole = args.paths().map(|(flag, path)| Wanted::whole(flag, path));
    let lineage = args.lineage_file().map(|path| Wanted {
        flag: "--lineage",
        path,
        is_appended: true,
    });
    whole.chain(lineage).collect()
}

/// What a path is to a writer.
#[derive(Debug)]
enum Place {
    /// This path, free of links in its last part, takes a whole file.
    Whole(PathBuf),
    /// It is there and is no regular file: written into.
    Into,
    /// What our own stdout or stderr goes to.
    Stream(OwnedFd),
}

/// Checks before the work what would fail, or spoil something, after it: each file can
/// be written, none is one that the command reads, and no two are the same.
///
/// `read` are the files that the command reads, each with what it is.
pub fn check_outputs(read: &[(&str, &Path)], outputs: &[Wanted<'_>]) -> Result<(), Failure> {
    let mut taken: Vec<(String, PathBuf)> = Vec::new();
    for (what, path) in read {
        taken.extend(
            path.canonicalize()
                .ok()
                .map(|real| ((*what).to_owned(), real)),
        );
    }
    for output in outputs {
        let place = match place_of(output.path) {
            Ok(place) => place,
            Err(_) if output.is_appended => continue,
            Err(error) if error.kind() == io::ErrorKind::IsADirectory => {
                let (flag, shown) = (output.flag, output.path.display());
                return Err(Failure::usage(&format!("`{flag} {shown}` is a folder"))
                    .hint("name a file in it"));
            }
            Err(error) => return Err(failure(output.path, &error)),
        };
        let Place::Whole(real) = place else {
            continue;
        };
        let folder = folder_of(&real);
        if !output.is_appended {
            check_writable(&real)?;
        }
        let real = match (folder.canonicalize(), real.file_name()) {
            (Ok(folder), Some(name)) => folder.join(name),
            _ => real,
        };
        if let Some((other, _)) = taken.iter().find(|(_, path)| *path == real) {
            let message = format!(
                "`{} {}` is the same file as {other}",
                output.flag,
                output.path.display()
            );
            return Err(Failure::usage(&message).hint("name another file"));
        }
        taken.push((format!("that of `{}`", output.flag), real));
    }
    Ok(())
}

/// Fails when no file can be made beside `path`: better told before the work
/// than after it.
pub fn check_writable(path: &Path) -> Result<(), Failure> {
    match tempfile::tempfile_in(folder_of(path)) {
        Ok(_) => Ok(()),
        Err(error) => {
            Err(failure(path, &error).hint("name a file in a folder that can be written"))
        }
    }
}

/// Writes a whole file, or nothing of it; into a device or a pipe what can be written.
pub fn write_file(
    path: &Path,
    readers: Readers,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), Failure> {
    let written = match place_of(path) {
        Ok(Place::Whole(real)) => replace(&real, readers, write),
        Ok(Place::Into) => OpenOptions::new()
            .write(true)
            .open(path)
            .and_then(|mut file| buffered(&mut file, write)),
        Ok(Place::Stream(stream)) => buffered(&mut File::from(stream), write),
        Err(error) => Err(error),
    };
    written.map_err(|error| failure(path, &error))
}

/// The text of a file that will be written again; nothing where there is none. Only a
/// regular file is read: a pipe would wait, and a device may never end.
pub fn text_before(path: &Path) -> String {
    match path.metadata() {
        Ok(metadata) if metadata.is_file() => std::fs::read_to_string(path).unwrap_or_default(),
        _ => String::new(),
    }
}

fn replace(
    real: &Path,
    readers: Readers,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(folder_of(real))?;
    buffered(file.as_file_mut(), write)?;
    match readers {
        Readers::Owner => {}
        Readers::All => file
            .as_file()
            .set_permissions(Permissions::from_mode(0o644))?,
    }
    file.persist(real).map(drop).map_err(|error| error.error)
}

fn buffered(
    file: &mut File,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let mut out = BufWriter::new(file);
    write(&mut out)?;
    out.flush()
}

/// Fails for what can never be written as a file: a folder, a socket of others.
fn place_of(path: &Path) -> io::Result<Place> {
    let metadata = match path.metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if path.as_os_str().as_bytes().ends_with(b"/") {
                return Err(io::ErrorKind::IsADirectory.into());
            }
            return end_of_links(path).map(Place::Whole);
        }
        metadata => metadata?,
    };
    // Another file in its place, or a second position in it, would lose what is said.
    if let Some(stream) = stream_of(&metadata)? {
        return Ok(Place::Stream(stream));
    }
    let kind = metadata.file_type();
    if kind.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if kind.is_socket() {
        return Err(io::Error::other("it is a socket"));
    }
    if kind.is_file() {
        return path.canonicalize().map(Place::Whole);
    }
    Ok(Place::Into)
}

/// Our own stdout or stderr, if this is what it goes to.
fn stream_of(metadata: &Metadata) -> io::Result<Option<OwnedFd>> {
    let streams = [
        io::stdout().as_fd().try_clone_to_owned(),
        io::stderr().as_fd().try_clone_to_owned(),
    ];
    // One that is closed is nobody's file.
    for stream in streams.into_iter().flatten() {
        let file = File::from(stream);
        let own = file.metadata()?;
        if (own.dev(), own.ino()) == (metadata.dev(), metadata.ino()) {
            return Ok(Some(file.into()));
        }
    }
    Ok(None)
}

/// Where links lead that end at nothing.
fn end_of_links(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_path_buf();
    for _ in 0..MOST_LINKS {
        match path.read_link() {
            Ok(target) => path = folder_of(&path).join(target),
            Err(_) => return Ok(path),
        }
    }
    Err(io::Error::other("too many links"))
}

fn folder_of(path: &Path) -> &Path {
    let folder = path.parent();
    folder
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or_else(|| Path::new("."))
}

fn failure(path: &Path, error: &io::Error) -> Failure {
    Failure::local_io(&format!("cannot write `{}`", path.display()), error)
}
