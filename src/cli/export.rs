//! `snapkeep export`

use std::fmt;
use std::str::FromStr;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use snapkeep_providers::Run;
use snapkeep_providers::model::{
    ExportOf, ExportRequest, Exported, InvalidName, NativeId, Snapshot, Start, TargetName, Worker,
};

use super::following::{Transfer, Waiting};
use super::restore::hold;
use super::rows::{ExportRow, State};
use super::{App, Mode, Outcome};
use crate::catalog::{self, Opened, SnapshotRef};
use crate::failure::Failure;
use crate::journal::{Doing, Entry};
use crate::operate;
use crate::units;

/// Write a snapshot's data, or a database's as it is now, as files into a bucket
#[derive(Debug, Args)]
pub(super) struct Export {
    /// The snapshot; or the target, where the cloud exports its database as it is now
    #[arg(value_name = "ID|TARGET")]
    of: Named,
    /// Where to: s3://bucket/prefix, gs://bucket/file.sql.gz, or the https address of a blob container
    #[arg(long, value_name = "URL", value_parser = destination)]
    to: String,
    /// A database to export, where the cloud can choose; may be given several times
    #[arg(long, value_name = "DATABASE", value_parser = NonEmptyStringValueParser::new())]
    database: Vec<String>,
    /// Let the cloud do it on a machine of its own, so that the database isn't slowed down
    #[arg(long)]
    serverless: bool,
    /// The role by which the cloud writes to the bucket; the config's unless set
    #[arg(long, value_name = "ARN")]
    iam_role_arn: Option<String>,
    /// The KMS key that the files are encrypted with: an id, ARN or alias; the config's unless set
    #[arg(long, value_name = "KEY")]
    kms_key_id: Option<String>,
    #[command(flatten)]
    waiting: Waiting,
}

/// What a user types for what is exported.
#[derive(Clone, Debug)]
enum Named {
    Snapshot(SnapshotRef),
    Target(TargetName),
}

impl FromStr for Named {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.contains('/') {
            true => text.parse().map(Self::Snapshot),
            false => text.parse().map(Self::Target).map_err(|error: InvalidName| error.to_string()),
        }
    }
}

impl Named {
    fn target(&self) -> &str {
        match self {
            Self::Snapshot(id) => &id.target,
            Self::Target(name) => name.as_str(),
        }
    }
}

/// What is exported.
#[derive(Clone, Copy)]
enum Of<'s> {
    Snapshot(&'s Snapshot),
    Now(&'s TargetName),
}

impl fmt::Display for Of<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Snapshot(snapshot) => write!(f, "{}", snapshot.id),
            Self::Now(target) => write!(f, "the live database of {target}"),
        }
    }
}

impl Of<'_> {
    fn id(&self) -> Option<String> {
        match self {
            Self::Snapshot(snapshot) => Some(snapshot.id.to_string()),
            Self::Now(_) => None,
        }
    }

    fn native(&self) -> Option<NativeId> {
        match self {
            Self::Snapshot(snapshot) => Some(snapshot.native_id.clone()),
            Self::Now(_) => None,
        }
    }
}

/// `s3://bucket/prefix`, `gs://bucket/object` or `https://account.blob.core.windows.net/container`
fn destination(text: &str) -> Result<String, String> {
    if text.contains('?') {
        return Err(
            "leave out what follows the question mark: a signature is a secret, and belongs to the config".into()
        );
    }
    let web = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    if web.is_some_and(|place| !place.contains(char::is_control) && !place.contains('@') && place.contains('/')) {
        return Ok(text.to_owned());
    }
    let place = text.strip_prefix("s3://").filter(|place| !place.contains(char::is_control));
    match place.and_then(|place| place.split('/').next()) {
        Some(bucket) if !bucket.is_empty() => Ok(text.to_owned()),
        _ => object(text).map_err(|_| {
            "write s3://BUCKET/PREFIX, gs://BUCKET/OBJECT or https://ACCOUNT.blob.core.windows.net/CONTAINER".into()
        }),
    }
}

/// `gs://bucket/object`
pub(super) fn object(text: &str) -> Result<String, String> {
    let place = text.strip_prefix("gs://").filter(|place| !place.contains(char::is_control));
    match place.and_then(|place| place.split_once('/')) {
        Some((bucket, object)) if !bucket.is_empty() && !object.is_empty() && !object.ends_with('/') => {
            Ok(text.to_owned())
        }
        _ => Err("write gs://BUCKET/OBJECT".into()),
    }
}

impl Export {
    pub(super) async fn run(&self, app: &App) -> u8 {
        app.finish(&Outcome::from(self.export(app).await))
    }

    /// What came of it; nothing when it was a dry run.
    async fn export(&self, app: &App) -> Result<Option<ExportRow>, Vec<Failure>> {
        let config = app.load()?;
        let one = |failure: Failure| vec![failure.of(self.of.target())];
        let target = catalog::target(&config, self.of.target()).map_err(one)?;
        let opened = app.asking(catalog::open(&config, target)).await.map_err(one)?;
        let snapshot = match &self.of {
            Named::Snapshot(id) => Some(app.asking(opened.resolve(id)).await.map_err(one)?),
            Named::Target(_) => None,
        };
        let of = snapshot.as_ref().map_or(Of::Now(&target.name), Of::Snapshot);
        if app.mode == Mode::DryRun {
            let only =
                if self.database.is_empty() { String::new() } else { format!(" ({})", self.database.join(", ")) };
            app.report.info(&format!("would export {of}{only} to {}", self.to));
            return Ok(None);
        }
        let (task, run) = app.run(target.name.as_str(), "export");
        let exported = self.held(app, &opened, of, &run).await;
        let elapsed = units::duration(task.elapsed());
        drop((task, run));
        let exported = exported.map_err(|failure| one(app.or_lock_lost(failure)))?;
        let (state, start) = (exported.state, exported.start);
        let row = row(target.name.as_str(), of.id(), &self.to, exported);
        app.warn(&row.target, &row.warnings);
        if state == State::Done {
            let how = match (start, of) {
                (Start::Begun, _) => format!("is exported, in {elapsed}"),
                (Start::Found, Of::Snapshot(_)) => "is exported already".to_owned(),
                (Start::Found, Of::Now(_)) => "is exported".to_owned(),
            };
            app.report.info_of(Some(&row.target), &format!("{of} {how}, to {}", row.to));
        }
        Ok(Some(row))
    }

    /// Exports a snapshot while it is held; there is nothing to hold of a database.
    async fn held(&self, app: &App, opened: &Opened, of: Of<'_>, run: &Run) -> Result<Transfer<Exported>, Failure> {
        let exporting = self.follow(app, opened, of, run);
        let Of::Snapshot(snapshot) = of else { return exporting.await };
        match hold(app, opened, snapshot, "exported").await? {
            Some(pinned) => pinned.during(exporting).await,
            None => exporting.await,
        }
    }

    /// Begins an export, and follows it where that is to be waited for.
    async fn follow(&self, app: &App, opened: &Opened, of: Of<'_>, run: &Run) -> Result<Transfer<Exported>, Failure> {
        let deadline = self.waiting.deadline();
        let request = ExportRequest {
            to: self.to.clone(),
            iam_role_arn: self.iam_role_arn.clone(),
            kms_key_id: self.kms_key_id.clone(),
            databases: self.database.clone(),
            worker: if self.serverless { Worker::Serverless } else { Worker::Usual },
        };
        let entry = Entry::new(Doing::Export, None, of.native());
        let of = match of {
            Of::Snapshot(snapshot) => ExportOf::Snapshot(snapshot.native_id.clone()),
            Of::Now(_) => ExportOf::Now,
        };
        // Two at once would begin two. Once it is begun, others may work on the target for as long as it goes on.
        let lock = opened.lock("export", run.cancel.clone()).await?;
        let begun = opened.provider.export(&of, &request, run);
        let begun = operate::within(deadline, opened.stopped, run, begun).await;
        lock.release().await;
        let operation = begun.map_err(|failure| app.or_lock_lost(failure))?;
        self.waiting.follow(opened, (operation, entry), deadline, run).await
    }
}

/// An export, of `id` and to `to` where the cloud doesn't tell.
pub(super) fn row(target: &str, id: Option<String>, to: &str, exported: Transfer<Exported>) -> ExportRow {
    let Transfer { operation, state, percent, result, .. } = exported;
    let told = result.as_ref();
    let native = told.and_then(|exported| exported.snapshot.as_ref());
    ExportRow {
        id: id.or_else(|| native.map(|native| format!("{target}/{native}"))),
        target: target.to_owned(),
        to: told.map(|exported| &*exported.to).filter(|to| !to.is_empty()).unwrap_or(to).to_owned(),
        operation,
        state,
        provider_state: told.map(|exported| exported.provider_state.clone()),
        percent,
        size_bytes: told.and_then(|exported| exported.size_bytes),
        warnings: result.map(|exported| exported.warnings).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use snapkeep_providers::Provider;
    use snapkeep_providers::memory::{Fault, Memory, Verb};
    use snapkeep_providers::model::{CreateRequest, OperationId};

    use super::*;

    const TO: &str = "gs://acme/orders.sql";

    fn cloud(folder: &std::path::Path) -> (Memory, Opened) {
        let memory = Memory::new("orders".parse().unwrap(), chrono::DateTime::UNIX_EPOCH);
        memory.write_source("now");
        (memory.clone(), Opened::of(Arc::new(memory), crate::state::tests::scope(folder)))
    }

    fn export(line: &str) -> (App, Export) {
        match App::of(&format!("snapkeep -q export {line} --to {TO}")) {
            (app, super::super::Verb::Export(export)) => (app, export),
            _ => panic!("{line} is no export"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_live_database_is_exported_without_the_id_of_a_snapshot() {
        let folder = tempfile::tempdir().unwrap();
        let (memory, opened) = cloud(folder.path());
        let (app, live) = export("orders --no-wait");
        let of = Of::Now(opened.name());
        let begun = live.held(&app, &opened, of, &Run::silent()).await.unwrap();
        let begun = row("orders", of.id(), TO, begun);
        assert_eq!(
            (begun.id.as_deref(), begun.state, begun.operation.as_str()),
            (None, State::Running, "orders/export:e1")
        );
        opened.lock("create", app.cancel.child_token()).await.unwrap().release().await;
        let operation = memory.poll_export(&OperationId::of_export("e1")).await.unwrap();
        let done = live
            .waiting
            .follow(&opened, (operation, Entry::new(Doing::Export, None, None)), None, &Run::silent())
            .await
            .unwrap();
        assert_eq!((done.state, memory.database(TO)), (State::Done, Some(b"now".to_vec())));
    }

    #[tokio::test(start_paused = true)]
    async fn a_snapshot_is_exported_as_it_is_and_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let (memory, opened) = cloud(folder.path());
        memory.create(&CreateRequest::default(), &Run::silent()).await.unwrap();
        memory.write_source("later");
        let (app, export) = export("orders/mem-0001");
        let snapshot = opened.resolve(&"orders/mem-0001".parse().unwrap()).await.unwrap();
        memory.script(Verb::Poll, Fault::Throttle);
        let exported = export.held(&app, &opened, Of::Snapshot(&snapshot), &Run::silent()).await.unwrap();
        let row = row("orders", None, "", exported);
        assert_eq!((row.id.as_deref(), row.to.as_str(), row.percent), (Some("orders/mem-0001"), TO, Some(100)));
        assert_eq!(memory.database(TO), Some(b"now".to_vec()));
    }
}
