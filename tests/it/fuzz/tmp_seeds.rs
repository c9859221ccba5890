use arrow_array::builder::StringViewBuilder;
use arrow_array::*;
use arrow_ipc::writer::StreamWriter;
use std::sync::Arc;
fn put(name: &str, columns: Vec<(&str, ArrayRef)>) {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut w = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    w.write(&batch).unwrap();
    w.write(&batch).unwrap();
    w.finish().unwrap();
    std::fs::write(super::corpus("listing").join(name), w.into_inner().unwrap()).unwrap();
}
fn t(v: Vec<&str>) -> ArrayRef {
    Arc::new(StringArray::from(v))
}
#[test]
fn seeds() {
    let md5 = "kAFQmDzST7DWlj99KOF/cg==";
    put(
        "usual",
        vec![
            ("file_id", t(vec!["f1", "f2"])),
            ("file_name", t(vec!["a.bin", "b/é.bin"])),
            ("size", Arc::new(Int64Array::from(vec![3, 0]))),
            (
                "md5_hash",
                Arc::new(StringArray::from(vec![Some(md5), None])),
            ),
        ],
    );
    put(
        "large-texts",
        vec![
            ("file_id", Arc::new(LargeStringArray::from(vec!["f1"]))),
            ("file_name", Arc::new(LargeStringArray::from(vec!["a"]))),
            ("size", Arc::new(UInt64Array::from(vec![3]))),
            ("md5_hash", Arc::new(NullArray::new(1))),
        ],
    );
    let mut v = StringViewBuilder::new();
    v.append_value("a name that is longer than twelve bytes");
    v.append_value("short");
    put(
        "views",
        vec![
            ("file_id", t(vec!["f1", "f2"])),
            ("file_name", Arc::new(v.finish())),
            ("size", Arc::new(Int32Array::from(vec![3, 4]))),
            ("md5_hash", t(vec![md5, ""])),
            (
                "added_at",
                Arc::new(TimestampMillisecondArray::from(vec![1, 2])),
            ),
        ],
    );
    put(
        "empty",
        vec![
            ("file_id", t(vec![])),
            ("file_name", t(vec![])),
            ("size", Arc::new(Int64Array::from(Vec::<i64>::new()))),
            ("md5_hash", t(vec![])),
        ],
    );
    put("column-missing", vec![("file_id", t(vec!["x"]))]);
    let d: DictionaryArray<types::Int8Type> = vec!["x", "x"].into_iter().collect();
    put(
        "dictionary",
        vec![
            ("file_id", Arc::new(d) as ArrayRef),
            ("file_name", t(vec!["a", "b"])),
            ("size", Arc::new(Int64Array::from(vec![1, -1]))),
            ("md5_hash", t(vec!["no hash", md5])),
        ],
    );
    put(
        "negative-size",
        vec![
            ("file_id", t(vec!["f"])),
            ("file_name", t(vec!["a"])),
            ("size", Arc::new(Int64Array::from(vec![-1]))),
            ("md5_hash", t(vec![md5])),
        ],
    );
    let w = crate::harness::World::new(redivis_ingest::sandbox::Character::Friendly);
    w.manifest("release: true\njobs:\n  - { name: s, table: s, files: [{ glob: 'data/*' }] }\n  - { name: n, table: n, rows: [{ csv: 'r.csv' }], schema: { n: integer } }\n").file("data/a","a").file("data/b","bb").file("r.csv","n\n1\n2\n");
    let p = w.path("plan");
    w.plan(&["-o", p.to_str().unwrap(), "--all"]).exits(0);
    let text = std::fs::read_to_string(&p).unwrap();
    std::fs::write(super::corpus("saved_plan").join("usual"), &text).unwrap();
    w.run(&[]).exits(0);
    w.file("data/a", "cc").file("r.csv", "n\n1\n3\n");
    w.plan(&["-o", p.to_str().unwrap(), "--all"]);
    std::fs::write(
        super::corpus("saved_plan").join("changes"),
        std::fs::read_to_string(&p).unwrap(),
    )
    .unwrap();
    std::fs::write(
        super::corpus("saved_plan").join("cut"),
        &text[..text.len() / 2],
    )
    .unwrap();
}
