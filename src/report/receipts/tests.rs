//! Receipts are sorted, merged and read back.

use super::*;
use crate::plan::Reason;

fn receipt(table: &str, what: &str, name: &str, md5: &str) -> Receipt {
    Receipt {
        table: table.to_owned(),
        what: what.to_owned(),
        name: name.to_owned(),
        job: "j".to_owned(),
        source: None,
        size: 4,
        md5: Some(md5.to_owned()),
        sha256: None,
        rows: None,
        remote_id: Some("id 1".to_owned()),
        version: "next".to_owned(),
        by: Reason::SameMd5,
        verified_at: "2026-01-01T00:00:00.000Z".to_owned(),
    }
}

fn owner() -> ReceiptsOwner {
    ReceiptsOwner {
        manifest: "m".to_owned(),
        endpoint: "e".to_owned(),
        address: "https://x/api/v1".to_owned(),
        now_ms: 1_767_225_600_000,
    }
}

fn update(
    folder: &Path,
    new: &[Receipt],
    stays: &dyn Fn(&Receipt) -> bool,
) -> Result<u64, ReceiptsError> {
    // Two at a time, so that there are runs to merge.
    let mut sorter = ReceiptSorter::with_runs_of(2);
    for one in new {
        sorter.push(one.clone()).unwrap();
    }
    update_receipts(
        folder,
        &owner(),
        sorter,
        MergeRules {
            stays,
            version_of: &|_| "next".to_owned(),
        },
        &CancelToken::new(),
    )
}

fn read(folder: &Path) -> Vec<Receipt> {
    let mut reader = ReceiptReader::open(folder, &owner()).unwrap();
    std::iter::from_fn(|| reader.next_receipt().unwrap()).collect()
}

#[test]
fn many_receipts_come_out_in_order_and_each_once() {
    let folder = tempfile::tempdir().unwrap();
    let names = ["g", "a", "f", "c", "a", "e", "b"];
    let new: Vec<Receipt> = names
        .iter()
        .map(|name| receipt("t", "file", name, "1"))
        .collect();

    let count = update(folder.path(), &new, &|_| true).unwrap();

    let read: Vec<String> = read(folder.path())
        .into_iter()
        .map(|one| one.name)
        .collect();
    assert_eq!(read, ["a", "b", "c", "e", "f", "g"]);
    assert_eq!(count, 6);
}

#[test]
fn new_receipts_replace_those_of_the_same_thing_and_others_stay_or_go() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = receipt("t", "file", "a", "1");
    first.sha256 = Some("s".to_owned());
    let mut second = receipt("t", "file", "b", "1");
    second.sha256 = Some("s".to_owned());
    let old = [
        first,
        second,
        receipt("t", "part", "p", "1"),
        receipt("u", "file", "a", "1"),
    ];
    update(folder.path(), &old, &|_| true).unwrap();

    let new = [
        receipt("t", "file", "a", "1"),
        receipt("t", "file", "b", "2"),
        receipt("a", "file", "z", "1"),
    ];
    update(folder.path(), &new, &|one| one.what != "part").unwrap();

    let found: Vec<(String, String, String, bool)> = read(folder.path())
        .into_iter()
        .map(|one| (one.table, one.name, one.md5.unwrap(), one.sha256.is_some()))
        .collect();
    let wanted = [
        ("a", "z", "1", false),
        ("t", "a", "1", true),
        ("t", "b", "2", false),
        ("u", "a", "1", false),
    ];
    let wanted = wanted.map(|(table, name, md5, known)| {
        (table.to_owned(), name.to_owned(), md5.to_owned(), known)
    });
    assert_eq!(found, wanted);
}

#[test]
fn the_folder_is_a_bag_whose_payload_can_be_fetched() {
    let folder = tempfile::tempdir().unwrap();
    let new = [
        receipt("o.d.t", "file", "a%b", "0cc175b9c0f1b6a831c399e269772661"),
        receipt("o.d.n", "part", "p", "1"),
    ];
    update(folder.path(), &new, &|_| true).unwrap();

    let text = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!(
        text("manifest-md5.txt"),
        "0cc175b9c0f1b6a831c399e269772661  data/o.d.t/a%25b\n"
    );
    assert_eq!(
        text("fetch.txt"),
        "https://x/api/v1/rawFiles/id%201 4 data/o.d.t/a%25b\n"
    );
    assert!(text("bag-info.txt").contains("Payload-Oxum: 4.1\n"));
    assert!(text("bagit.txt").starts_with("BagIt-Version: 1.0\n"));
    for line in text("tagmanifest-md5.txt").lines() {
        let (md5, name) = line.split_once("  ").unwrap();
        assert_eq!(
            crate::base::Md5Digest::of(text(name).as_bytes()).to_string(),
            md5,
            "{name}"
        );
    }
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(left.len(), 7, "{left:?}");
}

#[test]
fn receipts_of_others_and_cut_ones_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(
        ReceiptReader::open(folder.path(), &owner()),
        Err(ReceiptsError::None(_))
    ));
    update(folder.path(), &[receipt("t", "file", "a", "1")], &|_| true).unwrap();
    let other = ReceiptsOwner {
        manifest: "other".to_owned(),
        ..owner()
    };
    assert!(matches!(
        ReceiptReader::open(folder.path(), &other),
        Err(ReceiptsError::Other { .. })
    ));

    let path = folder.path().join(NAME);
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    std::fs::write(&path, format!("{}\n{}\n", lines[0], lines[2])).unwrap();
    let mut reader = ReceiptReader::open(folder.path(), &owner()).unwrap();
    assert!(matches!(
        reader.next_receipt(),
        Err(ReceiptsError::Incomplete(_))
    ));
    let cut: Vec<&str> = text.lines().take(2).collect();
    std::fs::write(&path, cut.join("\n") + "\n").unwrap();
    let mut reader = ReceiptReader::open(folder.path(), &owner()).unwrap();
    assert!(reader.next_receipt().unwrap().is_some());
    assert!(matches!(
        reader.next_receipt(),
        Err(ReceiptsError::Incomplete(_))
    ));
}
