//! The shortest true path through all three kinds of source.

use crate::harness::under_both;

const JOBS: &str = "
jobs:
  - name: scans
    table: scans
    files: [{ glob: 'data/**/*.txt', base: data }]
  - name: readings
    table: readings
    rows: [{ csv: 'rows/*.csv' }]
    schema: { station: string, value: float }
  - name: taxa
    table: taxa
    uploads: [{ path: taxa.csv }]
";

#[test]
fn a_manifest_is_planned_executed_and_verified_and_then_there_is_nothing_to_do() {
    under_both(|world| {
        world
            .manifest(JOBS)
            .file("data/a.txt", "hello")
            .file("data/sub/b.txt", "")
            .file("rows/1.csv", "station,value\na,1.5\nb,\n")
            .file("taxa.csv", "id,name\n1,x\n");

        world
            .run(&[])
            .exits(0)
            .says("everything was sent and verified");

        assert_eq!(world.stored("scans", "a.txt"), b"hello");
        assert_eq!(world.stored("scans", "sub/b.txt"), b"");
        assert_eq!(
            world.rows("readings"),
            [
                r#"{"station":"a","value":1.5}"#,
                r#"{"station":"b","value":null}"#
            ]
        );
        world.table("taxa", |taxa| {
            assert_eq!(taxa.num_rows, 1);
            assert_eq!(taxa.uploads[0].bytes().unwrap(), b"id,name\n1,x\n");
        });

        world.sandbox().clear_requests();
        world.run(&[]).exits(0).says("Nothing to do");
        assert!(world.writes().is_empty(), "{:?}", world.writes());
    });
}
