//! A call that is told to stop half-way ends with it, and takes back what it began.

use std::sync::Arc;
use std::time::{Duration, Instant};

use snapkeep_providers::model::{CreateRequest, RestoreRequest, RestoreTo};
use snapkeep_providers::{ErrorKind, Progress, Reporter, Run};
use tokio_util::sync::CancellationToken;

use crate::support::{Bed, create, list, ok, on, refused, restore, until};

/// Cancels the run as soon as some bytes have come from the source.
struct AtFirstBytes(CancellationToken);

impl Reporter for AtFirstBytes {
    fn progress(&self, progress: Progress) {
        if progress.read_bytes > 0 {
            self.0.cancel();
        }
    }

    fn warn(&self, _: &str) {}
}

fn run() -> Run {
    let cancel = CancellationToken::new();
    Run { reporter: Arc::new(AtFirstBytes(cancel.clone())), cancel }
}

on!(postgresql_15 postgresql_17 mysql mariadb => a_create_leaves_nothing_behind);
async fn a_create_leaves_nothing_behind(bed: Bed) {
    bed.fill();
    let provider = bed.provider();
    refused(ErrorKind::Interrupted, provider.create(&CreateRequest::default(), &run()).await);
    assert_eq!(list(&*provider).await, []);
    assert_eq!(bed.stored(), <[std::path::PathBuf; 0]>::default());
    let id = create(&*provider).await;
    assert_eq!(list(&*provider).await, [id]);
}

on!(postgresql_15 postgresql_17 mysql mariadb => a_restore_leaves_no_database_behind);
async fn a_restore_leaves_no_database_behind(bed: Bed) {
    bed.fill();
    let provider = bed.provider();
    let (id, copy) = (create(&*provider).await, bed.name("copy"));
    let request = RestoreRequest::to_new(&copy);
    refused(ErrorKind::Interrupted, provider.restore(&id, &request, &run()).await);
    assert!(!bed.exists(&copy));
    ok(restore(&*provider, &id, &copy).await);
    assert_eq!(bed.content(&copy), bed.content(&bed.database));
}

on!(postgresql_15 postgresql_17 => a_restore_in_place_leaves_the_old_database);
async fn a_restore_in_place_leaves_the_old_database(bed: Bed) {
    bed.fill();
    let provider = bed.provider();
    let id = create(&*provider).await;
    bed.sql("INSERT INTO notes VALUES (4, 'since')");
    let before = bed.content(&bed.database);
    let request = RestoreRequest::new(RestoreTo::InPlace);
    refused(ErrorKind::Interrupted, provider.restore(&id, &request, &run()).await);
    assert_eq!(bed.content(&bed.database), before);
}

on!(postgresql_15 postgresql_17 => a_loader_that_works_on_after_the_last_byte_is_stopped);
async fn a_loader_that_works_on_after_the_last_byte_is_stopped(bed: Bed) {
    bed.fill();
    let (id, copy) = (create(&*bed.provider()).await, bed.name("copy"));
    let tools = bed.sick_tool("tools", "pg_restore", "\"$real\" \"$@\" || exit; : > \"$here/loaded\"; sleep 600");
    let (provider, run) = (bed.with_tools(tools.clone()), Run::silent());
    let cancel = run.cancel.clone();
    let request = RestoreRequest::to_new(&copy);
    let restoring = tokio::spawn(async move { provider.restore(&id, &request, &run).await });
    let loaded = tools.join("loaded");
    until("all is loaded", || loaded.exists()).await;
    let since = Instant::now();
    cancel.cancel();
    refused(ErrorKind::Interrupted, restoring.await.unwrap());
    assert!(since.elapsed() < Duration::from_secs(4), "it took {:?}", since.elapsed());
    assert!(!bed.exists(&copy));
}

/// Deletes a file when so many bytes have come from the store.
struct Prunes(std::path::PathBuf, u64);

impl Reporter for Prunes {
    fn progress(&self, progress: Progress) {
        if progress.stored_bytes >= self.1 {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    fn warn(&self, _: &str) {}
}

on!(postgresql_15 mysql mariadb => a_snapshot_that_goes_after_it_was_verified_leaves_the_old_database);
async fn a_snapshot_that_goes_after_it_was_verified_leaves_the_old_database(bed: Bed) {
    bed.fill();
    let provider = bed.provider();
    let id = create(&*provider).await;
    bed.sql("INSERT INTO notes VALUES (4, 'since')");
    let before = bed.content(&bed.database);
    let files = bed.stored();
    let data = files.iter().find(|file| file.to_string_lossy().contains("/data.")).unwrap();
    let size = ok(provider.get(&id).await).snapshot.size_bytes.unwrap();
    let reporter = Arc::new(Prunes(data.clone(), size));
    let run = Run { reporter, cancel: CancellationToken::new() };
    let request = RestoreRequest::new(RestoreTo::InPlace);
    refused(ErrorKind::Verification, provider.restore(&id, &request, &run).await);
    assert!(!data.exists());
    assert_eq!(bed.content(&bed.database), before);
}
