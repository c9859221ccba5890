//! Whether a folder is on a network filesystem, where a write-ahead log must
//! not be used: its index is shared memory, which other hosts don't see.

use std::path::Path;

/// Filesystem types that other hosts may have mounted too. Every FUSE type but
/// the block-device ones counts, since it cannot be told what is behind it.
const NETWORK_TYPES: [&str; 18] = [
    "9p",
    "afs",
    "beegfs",
    "ceph",
    "cifs",
    "coda",
    "gfs2",
    "glusterfs",
    "gpfs",
    "lustre",
    "ncpfs",
    "nfs",
    "nfs4",
    "ocfs2",
    "orangefs",
    "panfs",
    "smb3",
    "wekafs",
];

/// Whether `folder`, which must exist, is on a network filesystem. Where that
/// cannot be known (no mount table), the answer is no.
pub(super) fn is_on_network(folder: &Path) -> bool {
    let (Ok(table), Ok(folder)) = (
        std::fs::read_to_string("/proc/self/mountinfo"),
        folder.canonicalize(),
    ) else {
        return false;
    };
    kind_of(&table, &folder).is_some_and(|kind| is_network_type(&kind))
}

fn is_network_type(kind: &str) -> bool {
    let local_fuse = [
        "fuse.fuseblk",
        "fuse.ntfs-3g",
        "fuse.overlayfs",
        "fuse.fuse-overlayfs",
    ];
    NETWORK_TYPES.contains(&kind) || (kind.starts_with("fuse.") && !local_fuse.contains(&kind))
}

/// The type of the innermost mount that holds `folder`, by a table in the form
/// of proc(5) `mountinfo`. Later lines cover earlier ones.
fn kind_of(table: &str, folder: &Path) -> Option<String> {
    let mut found: Option<(usize, &str)> = None;
    for line in table.lines() {
        let Some((mount, rest)) = line.split_once(" - ") else {
            continue;
        };
        let (Some(point), Some(kind)) = (mount.split(' ').nth(4), rest.split(' ').next()) else {
            continue;
        };
        let point = unescape(point);
        let depth = Path::new(&point).components().count();
        let covers = folder.starts_with(&point);
        if covers && found.is_none_or(|(known, _)| depth >= known) {
            found = Some((depth, kind));
        }
    }
    found.map(|(_, kind)| kind.to_owned())
}

/// Undoes the table's octal escapes: `\040` is a space.
fn unescape(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let escape = tail.get(..3).filter(|_| first == b'\\').and_then(|digits| {
            let digits = std::str::from_utf8(digits).ok()?;
            u8::from_str_radix(digits, 8).ok()
        });
        out.push(escape.unwrap_or(first));
        rest = if escape.is_some() {
            tail.get(3..).unwrap_or_default()
        } else {
            tail
        };
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
40 27 0:40 / /home rw,relatime shared:2 master:3 - nfs4 srv:/home rw,vers=4.2
41 40 0:41 / /home/me/local\\040disk rw - xfs /dev/sdb1 rw
42 27 0:42 / /mnt/bucket rw - fuse.gcsfuse bucket rw
43 27 0:43 / /over rw - nfs srv:/x rw
44 43 0:44 / /over rw - tmpfs tmpfs rw
broken line
";

    #[test]
    fn the_innermost_mount_decides() {
        for (folder, kind) in [
            ("/var/lib", "ext4"),
            ("/home/me/.local/state", "nfs4"),
            ("/home/me/local disk/state", "xfs"),
            ("/homework", "ext4"),
            ("/mnt/bucket/s", "fuse.gcsfuse"),
            ("/over/s", "tmpfs"),
        ] {
            assert_eq!(
                kind_of(TABLE, Path::new(folder)).as_deref(),
                Some(kind),
                "{folder}"
            );
        }
    }

    #[test]
    fn shared_filesystems_are_known() {
        for kind in ["nfs", "nfs4", "cifs", "smb3", "lustre", "9p", "fuse.sshfs"] {
            assert!(is_network_type(kind), "{kind}");
        }
        for kind in [
            "ext4", "xfs", "btrfs", "tmpfs", "overlay", "apfs", "fuseblk",
        ] {
            assert!(!is_network_type(kind), "{kind}");
        }
    }
}
