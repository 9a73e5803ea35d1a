//! `snapkeep delete`: by id, and still never the last good one of a target unless forced with the id in full.

use chrono::{DateTime, Utc};
use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;
use snapkeep_providers::model::{ListScope, NativeId, Origin, Snapshot, SnapshotId};
use snapkeep_providers::shell::shell_word;
use snapkeep_providers::{ErrorKind, Support};

use super::{App, Mode, Outcome, confirm};
use crate::catalog::{self, Catalog, Opened, SnapshotRef, Which};
use crate::failure::{Code, Failure};
use crate::lock::Lock;
use crate::marks::{self, Claim, Marks, Reuse};
use crate::render::{Kind, Row};

/// Delete snapshots
#[derive(Debug, Args)]
pub(super) struct Delete {
    /// The snapshots
    #[arg(value_name = "ID", required = true)]
    ids: Vec<SnapshotRef>,
    /// Don't ask
    #[arg(long)]
    yes: bool,
    /// Also what is held, not owned, unreadable, or the last good one; the id must be typed in full
    #[arg(long)]
    force: bool,
}

/// A snapshot that is gone.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Deletion")]
pub(super) struct DeletionRow {
    /// The id of the snapshot.
    id: String,
    /// The target that it was a snapshot of.
    target: String,
    /// By whose hand it is gone.
    result: Deleted,
}

/// How a snapshot went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "DeletionResult")]
enum Deleted {
    /// It is gone by our hand.
    Deleted,
    /// It was gone already.
    Absent,
}

impl Row for DeletionRow {
    const KIND: Kind = Kind::DeletionList;
    const KEYS: &'static [&'static str] = &["id", "target", "result"];
    const HEADINGS: &'static [&'static str] = &["SNAPSHOT", "RESULT"];

    fn cells(&self, _: DateTime<Utc>) -> Vec<String> {
        let result = match self.result {
            Deleted::Deleted => "deleted",
            Deleted::Absent => "absent",
        };
        vec![self.id.clone(), result.into()]
    }

    fn name(&self) -> String {
        self.id.clone()
    }
}

impl Delete {
    pub(super) async fn run(&self, app: &App) -> u8 {
        let config = match app.load() {
            Ok(config) => config,
            Err(failures) => return app.finish(&Outcome::<DeletionRow>::failed(failures)),
        };
        // A name that was mistyped is found before anything is gone.
        let unknown: Vec<Failure> =
            self.ids.iter().filter_map(|id| catalog::target(&config, &id.target).err()).collect();
        if !unknown.is_empty() {
            return app.finish(&Outcome::<DeletionRow>::failed(unknown));
        }
        if let Err(failure) = self.confirmed(app) {
            return app.finish(&Outcome::<DeletionRow>::failed(vec![failure]));
        }
        let mut outcome = Outcome::new();
        // One after the other: each decision must see what the one before it did.
        for id in &self.ids {
            let deleted = self.delete(app, &config, id).await;
            outcome.add(deleted.map_err(|failure| failure.of(&id.target)));
        }
        if app.mode == Mode::DryRun {
            outcome.items.clear();
        }
        app.finish(&outcome)
    }

    fn confirmed(&self, app: &App) -> Result<(), Failure> {
        if self.yes || app.mode == Mode::DryRun {
            return Ok(());
        }
        let ids: Vec<String> = self.ids.iter().map(ToString::to_string).collect();
        match confirm(app, &format!("Delete {}?", ids.join(", "))) {
            Some(true) => Ok(()),
            Some(false) => Err(Failure::new(ErrorKind::Refused, "nothing was deleted")),
            None => {
                Err(Failure::usage("deleting needs a confirmation, and no one can be asked").with_hint("add `--yes`"))
            }
        }
    }

    async fn delete(&self, app: &App, config: &Catalog, id: &SnapshotRef) -> Result<DeletionRow, Failure> {
        if app.cancel.is_cancelled() {
            return Err(Failure::new(ErrorKind::Interrupted, format!("{id}: interrupted before it was deleted")));
        }
        let target = catalog::target(config, &id.target)?;
        let opened = app.asking(catalog::open(config, target)).await?;
        if app.mode == Mode::DryRun {
            return self.delete_from(app, &opened, None, id).await;
        }
        let lock = opened.lock("delete", app.cancel.child_token()).await?;
        let deleted = self.delete_from(app, &opened, Some(&lock), id).await;
        lock.release().await;
        deleted
    }

    async fn delete_from(
        &self,
        app: &App,
        opened: &Opened,
        lock: Option<&Lock>,
        id: &SnapshotRef,
    ) -> Result<DeletionRow, Failure> {
        let row = |id: &SnapshotId, result| DeletionRow { id: id.to_string(), target: id.target.to_string(), result };
        let mut found = match app.asking(opened.resolve(id)).await {
            Ok(snapshot) => snapshot,
            Err(failure) if failure.is_interruption() => return Err(failure),
            Err(failure) => {
                let (id, word) = self.delete_unlisted(app, opened, lock, id, failure).await?;
                return Ok(row(&id, word));
            }
        };
        refuse_automated(opened, &found)?;
        // The list goes on without the state; a deletion doesn't.
        let marks = Marks::of(&opened.scope, &found.native_id);
        app.asking(marks).await?.apply(&mut found);
        app.asking(self.permits(opened, id, &found)).await?;
        let reuse = if found.origin == Origin::Owned { Reuse::Never } else { Reuse::Possible };
        self.act(app, opened, lock, &found.id, reuse).await?;
        Ok(row(&found.id, Deleted::Deleted))
    }

    /// What is not in the list: gone already, or a snapshot that can't be read.
    async fn delete_unlisted(
        &self,
        app: &App,
        opened: &Opened,
        lock: Option<&Lock>,
        reference: &SnapshotRef,
        failure: Failure,
    ) -> Result<(SnapshotId, Deleted), Failure> {
        let Some(id) = catalog::literal_id(reference, opened.name()) else { return Err(failure) };
        if failure.code == Code::NotFound {
            // That the list could be read, and that the id is no other way of writing one that is there.
            app.asking(opened.list(ListScope::Own)).await?;
            let found = app.asking(async { Ok(opened.get(&id.native).await) }).await?;
            if !found.is_err_and(|error| error.kind() == ErrorKind::NotFound) {
                return Err(failure);
            }
            app.report.info(&format!("{id} is not there; nothing to delete"));
            return Ok((id, Deleted::Absent));
        }
        match app.asking(async { Ok(opened.get(&id.native).await) }).await? {
            Err(error) if error.kind() == ErrorKind::NotFound => Err(failure),
            // Nobody knows yet whether it can be read.
            Err(error) if !self.force && error.kind().is_retryable() => Err(failure),
            Err(error) if !self.force => {
                let hint = format!(
                    "if it may go all the same: `snapkeep delete {} --yes --force`",
                    shell_word(&id.to_string())
                );
                Err(Failure { exit: refused().exit, code: refused().code, ..Failure::from(error) }.with_hint(hint))
            }
            Ok(_) | Err(_) if self.force => {
                self.act(app, opened, lock, &id, Reuse::Possible).await?;
                Ok((id, Deleted::Deleted))
            }
            Ok(_) | Err(_) => Err(failure),
        }
    }

    /// The safety rules: ownership, holds, and the last good snapshot.
    async fn permits(&self, opened: &Opened, typed: &SnapshotRef, snapshot: &Snapshot) -> Result<(), Failure> {
        let in_full = typed.which == Which::Native(snapshot.native_id.as_str().to_owned());
        if self.force && in_full {
            return Ok(());
        }
        let reason = match &snapshot.hold {
            _ if self.force => Some("`--force` wants the id typed in full".to_owned()),
            Some(hold) => Some(format!("it is held: {}", hold.reason)),
            None if snapshot.origin != Origin::Owned => Some("snapkeep neither made nor adopted it".to_owned()),
            None if snapshot.is_good() && is_last_good(opened, &snapshot.native_id).await? => {
                Some(format!("it is the last good snapshot of {}", snapshot.target))
            }
            None => None,
        };
        match reason {
            None => Ok(()),
            Some(reason) => {
                Err(Failure::new(ErrorKind::Refused, format!("cannot delete {}: {reason}", snapshot.id)).with_hint(
                    format!("if it must go: `snapkeep delete {} --yes --force`", shell_word(&snapshot.id.to_string())),
                ))
            }
        }
    }

    /// Deletes; without a lock nothing is done but told.
    async fn act(
        &self,
        app: &App,
        opened: &Opened,
        lock: Option<&Lock>,
        id: &SnapshotId,
        reuse: Reuse,
    ) -> Result<(), Failure> {
        let Some(lock) = lock else {
            app.report.info(&format!("would delete {id}"));
            return Ok(());
        };
        app.asking(lock.check()).await?;
        // A hold that came since it was looked at still counts; by force none does.
        let claim = if self.force { None } else { Some(claim(opened, id).await?) };
        if let Err(error) = opened.provider.delete(&id.native).await {
            if let Some(claim) = claim {
                claim.give_back().await;
            }
            return Err(error.into());
        }
        marks::forget(&opened.scope, &id.native, reuse).await?;
        app.report.info(&format!("deleted {id}"));
        Ok(())
    }
}

/// What the cloud made goes as the cloud sees fit, and by no force of ours.
fn refuse_automated(opened: &Opened, snapshot: &Snapshot) -> Result<(), Failure> {
    if snapshot.origin != Origin::Automated || opened.provider.capabilities().delete_automated == Support::Yes {
        return Ok(());
    }
    let (provider, id) = (opened.provider.name(), &snapshot.id);
    let message = format!("{provider}: cannot delete {id}: the cloud made it, and lets nobody else delete it");
    Err(Failure::new(ErrorKind::Unsupported, message))
}

async fn claim(opened: &Opened, id: &SnapshotId) -> Result<Claim, Failure> {
    marks::claim(&opened.scope, &id.native).await?.ok_or_else(|| {
        Failure::new(ErrorKind::Refused, format!("cannot delete {id}: it was held this moment"))
            .with_hint(format!("see `snapkeep show {id}`"))
    })
}

fn refused() -> Failure {
    Failure::new(ErrorKind::Refused, "")
}

/// Whether no other snapshot that could be read is good.
async fn is_last_good(opened: &Opened, native: &NativeId) -> Result<bool, Failure> {
    let listing = opened.list(ListScope::Own).await?;
    let mut others = listing.snapshots.iter().filter(|snapshot| snapshot.native_id != *native);
    Ok(!others.any(Snapshot::counts))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use snapkeep_providers::memory::Memory;
    use snapkeep_providers::{Capabilities, Provider};

    use super::*;

    #[tokio::test]
    async fn what_the_cloud_made_is_deleted_only_where_the_cloud_lets_us() {
        let folder = tempfile::tempdir().unwrap();
        let memory = Memory::new("orders".parse().unwrap(), chrono::DateTime::UNIX_EPOCH);
        for origin in [Origin::Automated, Origin::Manual, Origin::Shared] {
            memory.add_foreign(origin);
        }
        for (delete_automated, refused) in [(Support::Yes, &[][..]), (Support::No, &["automated"])] {
            let capabilities = Capabilities { delete_automated, ..memory.capabilities() };
            let provider = memory.clone().with_capabilities(capabilities);
            let opened = Opened::of(Arc::new(provider), crate::state::tests::scope(folder.path()));
            let all = opened.list(ListScope::AllOrigins).await.unwrap().snapshots;
            let failures =
                all.iter().filter_map(|snapshot| Some((snapshot, refuse_automated(&opened, snapshot).err()?)));
            let failures: Vec<_> = failures.inspect(|(_, failure)| assert_eq!(failure.exit, 12)).collect();
            let origins: Vec<String> = failures.iter().map(|(snapshot, _)| snapshot.origin.to_string()).collect();
            assert_eq!(origins, refused);
        }
    }
}
