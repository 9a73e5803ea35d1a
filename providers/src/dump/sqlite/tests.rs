use tempfile::TempDir;

use super::*;
use crate::conformance::{self, Fixture};
use crate::settings::{Compression, Local, Place, ProviderSettings, StoreSettings};
use crate::{Provider, model::TargetName};

struct Files {
    folder: TempDir,
    provider: std::sync::Arc<dyn Provider>,
    count: std::sync::atomic::AtomicU32,
}

impl Files {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let target: TargetName = "notes".parse().unwrap();
        let settings = ProviderSettings::Sqlite(crate::settings::Sqlite {
            path: "notes.db".into(),
            compression: Compression::default(),
        });
        let place = Place::Local(Local { path: "snapshots".into() });
        let store = ("local".to_owned(), StoreSettings { place, encrypt: None, max_part_mib: None });
        let (connections, stores) = (crate::Connections::default(), [store]);
        let surroundings = crate::Surroundings::new(&connections, &stores, folder.path());
        let provider =
            futures::FutureExt::now_or_never(crate::open(&target, &settings, surroundings)).unwrap().unwrap();
        let files = Self { folder, provider, count: 0.into() };
        files.sql("PRAGMA journal_mode = WAL; CREATE TABLE t (a INTEGER PRIMARY KEY, b BLOB); INSERT INTO t VALUES (1, x'00ff')");
        files
    }

    fn sql(&self, sql: &str) {
        Connection::open(self.folder.path().join("notes.db")).unwrap().execute_batch(sql).unwrap();
    }

    fn fingerprint(&self, path: &Path) -> Option<String> {
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).ok()?;
        let mut rows = connection.prepare("SELECT a, hex(b) FROM t ORDER BY a").ok()?;
        let rows = rows.query_map([], |row| Ok(format!("{}={}", row.get::<_, i64>(0)?, row.get::<_, String>(1)?)));
        Some(rows.unwrap().map(Result::unwrap).collect::<Vec<_>>().join(","))
    }
}

#[async_trait]
impl Fixture for Files {
    fn provider(&self) -> &dyn Provider {
        &*self.provider
    }

    async fn change_source(&self) {
        self.sql("INSERT INTO t (b) VALUES (randomblob(16))");
    }

    async fn source(&self) -> String {
        self.fingerprint(&self.folder.path().join("notes.db")).unwrap()
    }

    fn restore_name(&self) -> String {
        let count = self.count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.folder.path().join(format!("restored-{count}.db")).display().to_string()
    }

    async fn restored(&self, name: &str) -> Option<String> {
        self.fingerprint(Path::new(name))
    }
}

#[tokio::test]
async fn sqlite_keeps_every_promise() {
    conformance::all(|| async { Box::new(Files::new()) as Box<dyn Fixture> }).await;
}

#[tokio::test]
async fn a_copy_is_of_one_moment_while_others_write() {
    let files = Files::new();
    // More pages than one step copies, so that the writer gets its turn in between.
    files.sql(
        "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 9001)
         INSERT INTO t SELECT i, zeroblob(3000) FROM n",
    );
    let path = files.folder.path().join("notes.db");
    let source = open(&path, "dump").unwrap();
    source.execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema;").unwrap();
    files.sql("DELETE FROM t");
    let mut copied = Connection::open(files.folder.path().join("copy.db")).unwrap();
    copy_pages(&source, &mut copied, &path, &CancellationToken::new()).unwrap();
    let count: i64 = copied.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap();
    assert_eq!(count, 9001);
}

#[tokio::test]
async fn nothing_is_restored_beside_a_leftover_journal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new.db");
    std::fs::write(folder.path().join("new.db-wal"), "x").unwrap();
    assert_eq!(refuse_occupied(&path).unwrap_err().kind(), ErrorKind::Refused);
}

#[test]
fn a_file_that_is_shorter_than_its_header_says_is_incomplete() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let inspect = |bytes: &[u8]| {
        let mut inspector = Box::new(WholeFile::default());
        bytes.chunks(7).for_each(|piece| inspector.push(piece).unwrap());
        inspector.finish().is_ok()
    };
    assert!(inspect(&bytes));
    for length in [1, 99, 100, 4096, bytes.len() - 1] {
        assert!(!inspect(&bytes[..length]), "{length} bytes");
    }
}
