//! The tag files of a bag (RFC 8493): a manifest of MD5s, and where the payload
//! can be fetched, since it is on the platform and not in the folder.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use tempfile::NamedTempFile;

use super::ReceiptsOwner;
use crate::base::digest::Md5Hasher;
use crate::plan::Receipt;
use crate::redivis::encode_segment;
use crate::report::style::timestamp;

/// A file of the folder that takes its name only when it is whole.
#[derive(Debug)]
pub(super) struct Tag {
    name: &'static str,
    out: BufWriter<NamedTempFile>,
    md5: Md5Hasher,
}

impl Tag {
    pub(super) fn create(folder: &Path, name: &'static str) -> io::Result<Self> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(".");
        // An ordinary output file: it is there to be passed on.
        #[cfg(unix)]
        let permissions = {
            use std::os::unix::fs::PermissionsExt as _;
            std::fs::Permissions::from_mode(0o666)
        };
        #[cfg(unix)]
        builder.permissions(permissions);
        Ok(Self {
            name,
            out: BufWriter::new(builder.tempfile_in(folder)?),
            md5: Md5Hasher::new(),
        })
    }

    /// Writes a value on a line of its own.
    pub(super) fn json(&mut self, value: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut *self, value)?;
        self.write_all(b"\n")
    }

    /// Gives the file its name; answers its line for a manifest of tags.
    fn persist(self, folder: &Path) -> io::Result<String> {
        let file = self
            .out
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?;
        file.as_file().sync_all()?;
        file.persist(folder.join(self.name))
            .map_err(|error| error.error)?;
        Ok(format!("{}  {}\n", self.md5.finish(), self.name))
    }
}

impl Write for Tag {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.md5.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// A bag under way.
#[derive(Debug)]
pub(super) struct Bag {
    address: String,
    manifest: Tag,
    fetch: Tag,
    files: u64,
    bytes: u64,
}

impl Bag {
    pub(super) fn create(folder: &Path, address: &str) -> io::Result<Self> {
        Ok(Self {
            address: address.to_owned(),
            manifest: Tag::create(folder, "manifest-md5.txt")?,
            fetch: Tag::create(folder, "fetch.txt")?,
            files: 0,
            bytes: 0,
        })
    }

    /// Adds a file; rows and bulk uploads are no files on the platform.
    pub(super) fn add(&mut self, receipt: &Receipt) -> io::Result<()> {
        let (Some(md5), "file") = (&receipt.md5, receipt.what.as_str()) else {
            return Ok(());
        };
        let path = bag_path(&receipt.table, &receipt.name);
        writeln!(self.manifest, "{md5}  {path}")?;
        if let Some(id) = &receipt.remote_id {
            let (address, id, size) = (&self.address, encode_segment(id), receipt.size);
            writeln!(self.fetch, "{address}/rawFiles/{id} {size} {path}")?;
        }
        self.files += 1;
        self.bytes += receipt.size;
        Ok(())
    }

    /// Gives all files their names, the one that vouches for the others last.
    pub(super) fn finish(
        self,
        folder: &Path,
        owner: &ReceiptsOwner,
        receipts: Tag,
    ) -> io::Result<()> {
        let mut declaration = Tag::create(folder, "bagit.txt")?;
        declaration.write_all(b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n")?;
        let mut info = Tag::create(folder, "bag-info.txt")?;
        let date: String = timestamp(owner.now_ms).chars().take(10).collect();
        write!(
            info,
            "Bag-Software-Agent: redivis-ingest {}\nBagging-Date: {date}\nExternal-Identifier: {}\nPayload-Oxum: {}.{}\n",
            env!("CARGO_PKG_VERSION"),
            owner.manifest,
            self.bytes,
            self.files
        )?;
        let mut vouching = Tag::create(folder, "tagmanifest-md5.txt")?;
        for tag in [receipts, self.manifest, self.fetch, info, declaration] {
            vouching.write_all(tag.persist(folder)?.as_bytes())?;
        }
        vouching.persist(folder)?;
        sync_folder(folder)
    }
}

/// So that the names outlive a crash too, where that can be asked for.
fn sync_folder(folder: &Path) -> io::Result<()> {
    #[cfg(unix)]
    std::fs::File::open(PathBuf::from(folder))?.sync_all()?;
    Ok(())
}

/// Where a file is in the bag. CR, LF and `%` are written as RFC 8493 says.
fn bag_path(table: &str, name: &str) -> String {
    let mut path = format!("data/{table}/");
    for c in name.chars() {
        match c {
            '\r' => path.push_str("%0D"),
            '\n' => path.push_str("%0A"),
            '%' => path.push_str("%25"),
            other => path.push(other),
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_characters_of_the_rfc_are_encoded_and_no_others() {
        assert_eq!(
            bag_path("o.d.t", "a b/ü%41\r\n.tif"),
            "data/o.d.t/a b/ü%2541%0D%0A.tif"
        );
        assert_eq!(encode_segment("93qh-6w.b/c d"), "93qh-6w.b%2Fc%20d");
    }
}
