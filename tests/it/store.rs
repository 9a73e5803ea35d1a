//! A store that was damaged, or that takes no more. It looks alike for every engine, so SQLite shows it without a server.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use snapkeep_providers::model::{ListScope, NativeId};
use snapkeep_providers::settings::{Compression, ProviderSettings, Sqlite};
use snapkeep_providers::{Error, ErrorKind, Provider};
use tempfile::TempDir;

use crate::support::{
    Bed, TARGET, assert_names, create, files, full, leave_out, list, ok, on, open_at, refused, restore,
    restore_in_place, say_left_out, try_create, try_open_at,
};

/// A SQLite file and a store beside it.
struct Files {
    folder: TempDir,
}

impl Files {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = rusqlite::Connection::open(folder.path().join("notes.db")).unwrap();
        // hard to compress, and larger than the smallest file system
        database
            .execute_batch(
                "CREATE TABLE t (a INTEGER PRIMARY KEY, b BLOB);
                 WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30) INSERT INTO t SELECT i, randomblob(100000) FROM n",
            )
            .unwrap();
        Self { folder }
    }

    fn settings() -> ProviderSettings {
        ProviderSettings::Sqlite(Sqlite { path: "notes.db".into(), compression: Compression::default() })
    }

    fn provider(&self) -> Arc<dyn Provider> {
        open_at(self.folder.path(), &Self::settings())
    }

    fn at(&self, store: &Path) -> Result<Arc<dyn Provider>, Error> {
        try_open_at(self.folder.path(), &Self::settings(), store)
    }

    fn snapshot(&self, id: &NativeId) -> PathBuf {
        self.folder.path().join("snapshots").join(TARGET).join(id.as_str())
    }
}

/// Damages the newer of two snapshots: it no longer restores, nothing is made or changed, and the other one does.
async fn damaged(damage: impl Fn(&Files, &NativeId, &NativeId), kind: ErrorKind, in_list: bool, words: &[&str]) {
    let files = Files::new();
    let provider = files.provider();
    let whole = create(&*provider).await;
    let id = create(&*provider).await;
    damage(&files, &id, &whole);
    let (target, source) = (files.folder.path().join("copy.db"), files.folder.path().join("notes.db"));
    let before = std::fs::read(&source).unwrap();
    assert_names(&refused(kind, restore(&*provider, &id, target.to_str().unwrap()).await), words);
    assert!(!target.exists());
    refused(kind, restore_in_place(&*provider, &id).await);
    assert!(std::fs::read(&source).unwrap() == before, "the source is untouched");

    let listing = ok(provider.list(ListScope::Own).await);
    assert!(listing.snapshots.iter().any(|snapshot| snapshot.native_id == whole), "the others are still listed");
    assert_eq!(listing.problems.len(), usize::from(in_list), "{:?}", listing.problems);
    for problem in &listing.problems {
        assert_eq!(problem.kind(), kind);
        assert_names(&full(problem), &[id.as_str()]);
    }
    ok(restore(&*provider, &whole, target.to_str().unwrap()).await);
    ok(provider.delete(&id).await);
    assert_eq!(list(&*provider).await, [whole]);
}

fn edit(path: &Path, change: impl Fn(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).unwrap();
    change(&mut bytes);
    std::fs::write(path, bytes).unwrap();
}

fn part(folder: &Path) -> PathBuf {
    files(folder).into_iter().find(|file| file.to_string_lossy().contains("/data.")).unwrap()
}

#[tokio::test]
async fn a_flipped_bit_is_found_before_anything_is_touched() {
    let flip = |files: &Files, id: &NativeId, _: &NativeId| {
        edit(&part(&files.snapshot(id)), |bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
        });
    };
    damaged(flip, ErrorKind::Verification, false, &["SHA-256", "restore another one"]).await;
}

#[tokio::test]
async fn a_truncated_part_is_found_before_anything_is_touched() {
    let cut = |files: &Files, id: &NativeId, _: &NativeId| {
        edit(&part(&files.snapshot(id)), |bytes| bytes.truncate(bytes.len() - 1));
    };
    damaged(cut, ErrorKind::Verification, false, &["bytes, and the manifest says"]).await;
}

#[tokio::test]
async fn a_part_that_grew_is_found_before_anything_is_touched() {
    let grow = |files: &Files, id: &NativeId, _: &NativeId| edit(&part(&files.snapshot(id)), |bytes| bytes.push(0));
    damaged(grow, ErrorKind::Verification, false, &["bytes, and the manifest says"]).await;
}

#[tokio::test]
async fn a_missing_part_is_found_before_anything_is_touched() {
    let remove = |files: &Files, id: &NativeId, _: &NativeId| std::fs::remove_file(part(&files.snapshot(id))).unwrap();
    damaged(remove, ErrorKind::Verification, false, &["missing from the store"]).await;
}

#[tokio::test]
async fn the_part_of_another_snapshot_is_found_before_anything_is_touched() {
    let swap = |files: &Files, id: &NativeId, other: &NativeId| {
        // of the same size, as both are of the same database
        let other = part(&files.snapshot(other));
        edit(&other, |bytes| bytes.reverse());
        std::fs::copy(&other, part(&files.snapshot(id))).unwrap();
        edit(&other, |bytes| bytes.reverse());
    };
    damaged(swap, ErrorKind::Verification, false, &["SHA-256"]).await;
}

#[tokio::test]
async fn a_truncated_manifest_is_a_problem_of_the_list() {
    let cut = |files: &Files, id: &NativeId, _: &NativeId| {
        edit(&files.snapshot(id).join("manifest.json"), |bytes| bytes.truncate(bytes.len() / 2));
    };
    damaged(cut, ErrorKind::Verification, true, &["damaged or cut short", "manifest.json"]).await;
}

#[tokio::test]
async fn an_empty_manifest_is_a_problem_of_the_list() {
    let empty = |files: &Files, id: &NativeId, _: &NativeId| {
        edit(&files.snapshot(id).join("manifest.json"), Vec::clear);
    };
    damaged(empty, ErrorKind::Verification, true, &["damaged or cut short"]).await;
}

#[tokio::test]
async fn a_manifest_of_a_newer_version_is_unsupported() {
    let newer = |files: &Files, id: &NativeId, _: &NativeId| {
        edit(&files.snapshot(id).join("manifest.json"), |bytes| {
            let text = String::from_utf8(bytes.clone()).unwrap();
            *bytes = text.replace("snapkeep/manifest/v1", "snapkeep/manifest/v2").into_bytes();
        });
    };
    damaged(newer, ErrorKind::Unsupported, true, &["snapkeep/manifest/v2", "use the snapkeep that wrote it"]).await;
}

#[tokio::test]
async fn the_manifest_of_another_snapshot_is_a_problem_of_the_list() {
    let swap = |files: &Files, id: &NativeId, other: &NativeId| {
        let manifest = |id| files.snapshot(id).join("manifest.json");
        std::fs::copy(manifest(other), manifest(id)).unwrap();
    };
    damaged(swap, ErrorKind::Verification, true, &["it says that it belongs to"]).await;
}

#[tokio::test]
async fn a_manifest_that_names_a_file_elsewhere_is_a_problem_of_the_list() {
    let climb = |files: &Files, id: &NativeId, _: &NativeId| {
        edit(&files.snapshot(id).join("manifest.json"), |bytes| {
            let text = String::from_utf8(bytes.clone()).unwrap();
            *bytes = text.replace("\"data.", "\"../../../data.").into_bytes();
        });
    };
    damaged(climb, ErrorKind::Verification, true, &["it names a part"]).await;
}

#[tokio::test]
async fn a_folder_without_a_manifest_is_no_snapshot_and_no_problem() {
    let files = Files::new();
    let provider = files.provider();
    let (whole, debris) = (create(&*provider).await, create(&*provider).await);
    std::fs::remove_file(files.snapshot(&debris).join("manifest.json")).unwrap();
    assert_eq!(list(&*provider).await, [whole]);
    refused(ErrorKind::NotFound, restore(&*provider, &debris, "copy.db").await);
}

on!(postgresql_15 postgresql_17 mysql mariadb => a_damaged_part_makes_no_database_and_replaces_none);
async fn a_damaged_part_makes_no_database_and_replaces_none(bed: Bed) {
    bed.fill();
    let provider = bed.provider();
    let id = create(&*provider).await;
    let before = bed.dump(&bed.database);
    edit(&part(&bed.snapshots().join(id.as_str())), |bytes| bytes[100] ^= 1);
    refused(ErrorKind::Verification, restore(&*provider, &id, &bed.name("copy")).await);
    assert!(!bed.exists(&bed.name("copy")));
    refused(ErrorKind::Verification, restore_in_place(&*provider, &id).await);
    assert_eq!(bed.dump(&bed.database), before);
}

/// A small file system of its own, unmounted when dropped.
struct Mount(TempDir);

impl Mount {
    /// `None` where it is not permitted; root must be, and whoever else runs the tests is told.
    fn new(options: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let output = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(folder.path()).output();
        let output = output.unwrap();
        if output.status.success() {
            return Some(Self(folder));
        }
        let why = format!("mount is not permitted: {}", String::from_utf8_lossy(&output.stderr).trim());
        match rustix::process::geteuid().is_root() {
            true => leave_out(&why),
            false => say_left_out(&why),
        }
        None
    }

    fn remount(&self, options: &str) {
        let done =
            Command::new("mount").args(["-o", &format!("remount,{options}")]).arg(self.0.path()).status().unwrap();
        assert!(done.success());
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
    }
}

#[tokio::test]
async fn a_full_disk_makes_no_snapshot_and_leaves_nothing() {
    let Some(mount) = Mount::new("size=1m") else { return };
    let files = Files::new();
    let provider = ok(files.at(mount.0.path()));
    assert_names(&refused(ErrorKind::Failed, try_create(&*provider).await), &["no space is left", "df -h"]);
    assert_eq!(list(&*provider).await, []);
    assert_eq!(crate::support::files(mount.0.path()), <[PathBuf; 0]>::default());
    mount.remount("size=20m");
    let id = create(&*provider).await;
    assert_eq!(list(&*provider).await, [id]);
}

#[tokio::test]
async fn a_read_only_store_is_a_matter_of_permission_and_can_still_be_restored_from() {
    let Some(mount) = Mount::new("size=20m") else { return };
    let files = Files::new();
    let provider = ok(files.at(mount.0.path()));
    let id = create(&*provider).await;
    mount.remount("ro");
    let provider = ok(files.at(mount.0.path()));
    assert_names(&refused(ErrorKind::Permission, try_create(&*provider).await), &["read-only", "mount "]);
    refused(ErrorKind::Permission, provider.delete(&id).await);
    let checks = provider.check().await;
    assert!(checks.iter().any(|check| check.name == "store" && check.outcome.is_err()), "{checks:?}");
    assert_eq!(list(&*provider).await, std::slice::from_ref(&id));
    let copy = files.folder.path().join("copy.db");
    ok(restore(&*provider, &id, copy.to_str().unwrap()).await);
    let error = files.at(&mount.0.path().join("new")).map(|_| ());
    assert_names(&refused(ErrorKind::Permission, error), &["can't be made", "writable"]);
}

on!(postgresql_15 mysql mariadb => a_full_disk_stops_the_dump_tool_too);
async fn a_full_disk_stops_the_dump_tool_too(bed: Bed) {
    let Some(mount) = Mount::new("size=256k") else { return };
    bed.fill();
    // hexadecimal noise: two characters of it make a byte when compressed
    bed.sql(if bed.server.is_postgresql() {
        "CREATE TABLE noise AS SELECT i, encode(sha512(i::text::bytea), 'hex') FROM generate_series(1, 20000) i"
    } else {
        "CREATE TABLE noise (hex CHAR(128)); INSERT INTO noise SELECT SHA2(CONCAT(a.id, ' ', b.id), 512) FROM bulk a CROSS JOIN bulk b LIMIT 20000"
    });
    let settings = bed.server.provider(bed.settings());
    let provider = ok(try_open_at(bed.folder(), &settings, mount.0.path()));
    assert_names(&refused(ErrorKind::Failed, try_create(&*provider).await), &["no space is left"]);
    assert_eq!(list(&*provider).await, []);
    assert_eq!(files(mount.0.path()), <[PathBuf; 0]>::default());
}
