//! However large a dump is, and however slow its store, it takes the same memory.

use std::fs;
use std::process::{Child, Stdio};

use crate::cli::until;
use crate::cycle::source::{Engine, Source};
use crate::support::{Action, Fault, StoreKind};

/// More than the buffers of an upload, of zstd and of a debug build's own code take together.
const BOUND_KIB: u64 = 120 << 10;

/// The most memory that a process had so far, in KiB; `None` once it has ended.
fn peak(child: &Child) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// The peak of a command.
fn peak_of(source: &Source, line: &str) -> u64 {
    let mut child = source.command(line).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut most = 0;
    let ended = until("it has ended", || {
        most = peak(&child).unwrap_or(0).max(most);
        child.try_wait().unwrap()
    });
    assert!(ended.success(), "{ended}");
    most
}

#[tokio::test]
async fn memory_does_not_grow_with_the_dump_nor_while_its_store_stalls() {
    let (Some(store), Some(mut source)) = (StoreKind::S3.up(), Source::of(Engine::Sqlite)) else { return };
    let store = store.with("connection = { timeout_seconds = 2, retries = 10 }").behind_proxy();
    source.configure(&[("offsite", &store)], &["offsite"]);
    source.add_noise(50);
    let peaks = [0, 150].map(|more| {
        if more > 0 {
            source.sql(&format!(
                "INSERT INTO noise WITH n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {more})
                 SELECT i + 1000, randomblob(1 << 20) FROM n"
            ));
        }
        for number in [2, 3] {
            store.proxy().fail(Fault::on("PUT", &format!("partNumber={number}&"), Action::Stall));
        }
        peak_of(&source, "create orders")
    });
    assert!(store.proxy().fired() >= 4, "parts stalled");
    assert!(peaks[0] > 0 && peaks.iter().all(|peak| *peak < BOUND_KIB), "{peaks:?} KiB");
    assert!(peaks[1] < peaks[0] + (16 << 10), "{peaks:?} KiB: it grows");
    let peak = peak_of(&source, "restore orders/latest --to copy.db");
    assert!(peak < BOUND_KIB, "{peak} KiB to restore");
    assert_eq!(source.content("copy.db"), source.content(&source.database()));
}
