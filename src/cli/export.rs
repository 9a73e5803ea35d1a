//! `snapkeep export`

use clap::Args;
use snapkeep_providers::Run;
use snapkeep_providers::model::{
    ExportOf, ExportRequest, Exported, Operation, OperationId, OperationState, Snapshot, Start,
};

use super::following::Waiting;
use super::restore::hold;
use super::rows::{ExportRow, State};
use super::{App, Mode, Outcome};
use crate::catalog::{self, Opened, SnapshotRef};
use crate::failure::Failure;
use crate::operate;
use crate::units;

/// Write a snapshot's data as files into a bucket
#[derive(Debug, Args)]
pub(super) struct Export {
    /// The snapshot
    #[arg(value_name = "ID")]
    id: SnapshotRef,
    /// Where to: s3://bucket/prefix
    #[arg(long, value_name = "URL", value_parser = url)]
    to: String,
    /// The role by which the cloud writes to the bucket; the config's unless set
    #[arg(long, value_name = "ARN")]
    iam_role_arn: Option<String>,
    /// The KMS key that the files are encrypted with: an id, ARN or alias; the config's unless set
    #[arg(long, value_name = "KEY")]
    kms_key_id: Option<String>,
    #[command(flatten)]
    waiting: Waiting,
}

fn url(text: &str) -> Result<String, String> {
    let place = text.strip_prefix("s3://").filter(|place| !place.contains(char::is_control));
    match place.and_then(|place| place.split('/').next()) {
        Some(bucket) if !bucket.is_empty() => Ok(text.to_owned()),
        _ => Err("write s3://BUCKET/PREFIX".into()),
    }
}

impl Export {
    pub(super) async fn run(&self, app: &App) -> u8 {
        let outcome = match self.export(app).await {
            Ok(Some(row)) => Ok(row).into(),
            Ok(None) => Outcome { done: 1, ..Outcome::new() },
            Err(failures) => Outcome::failed(failures),
        };
        app.finish(&outcome)
    }

    /// What came of it; nothing when it was a dry run.
    async fn export(&self, app: &App) -> Result<Option<ExportRow>, Vec<Failure>> {
        let config = app.load()?;
        let one = |failure: Failure| vec![failure.of(&self.id.target)];
        let target = catalog::target(&config, &self.id.target).map_err(one)?;
        let opened = app.asking(catalog::open(&config, target)).await.map_err(one)?;
        let snapshot = app.asking(opened.resolve(&self.id)).await.map_err(one)?;
        if app.mode == Mode::DryRun {
            app.report.info(&format!("would export {} to {}", snapshot.id, self.to));
            return Ok(None);
        }
        let (task, run) = app.run(target.name.as_str(), "export");
        let exported = match hold(app, &opened, &snapshot, "exported").await {
            Ok(Some(pinned)) => pinned.during(self.follow(app, &opened, &snapshot, &run)).await,
            Ok(None) => self.follow(app, &opened, &snapshot, &run).await,
            Err(failure) => Err(failure),
        };
        let elapsed = units::duration(task.elapsed());
        drop((task, run));
        let (row, start) = exported.map_err(|failure| one(app.or_lock_lost(failure)))?;
        row.warnings.iter().for_each(|warning| app.report.warn(&format!("{}: {warning}", target.name)));
        if row.state == State::Done.word() {
            let how = match start {
                Start::Found => "is exported already".to_owned(),
                Start::Begun => format!("is exported, in {elapsed}"),
            };
            app.report.info(&format!("{}: {} {how}, to {}", target.name, snapshot.id, row.to));
        }
        Ok(Some(row))
    }

    /// Begins an export, and follows it where that is to be waited for. Tells whether it was there already.
    async fn follow(
        &self,
        app: &App,
        opened: &Opened,
        snapshot: &Snapshot,
        run: &Run,
    ) -> Result<(ExportRow, Start), Failure> {
        let deadline = self.waiting.deadline();
        let request = ExportRequest {
            to: self.to.clone(),
            iam_role_arn: self.iam_role_arn.clone(),
            kms_key_id: self.kms_key_id.clone(),
            ..ExportRequest::default()
        };
        // Two at once would begin two. Once it is begun, others may work on the target for as long as it goes on.
        let lock = opened.lock("export", run.cancel.clone()).await?;
        let of = ExportOf::Snapshot(snapshot.native_id.clone());
        let begun = opened.provider.export(&of, &request, run);
        let begun = operate::within(deadline, opened.stopped, run, begun).await;
        lock.release().await;
        let operation = begun.map_err(|failure| app.or_lock_lost(failure))?;
        if self.waiting.no_wait && operate::is_running(&operation) {
            let start = operation.start;
            return Ok((running_row(snapshot, &self.to, operation), start));
        }
        let (id, start) = (operation.id.clone(), operation.start);
        let exported = operate::wait(&*opened.provider, operation, deadline, run).await?;
        let row = done_row(snapshot.target.as_str(), &id, exported);
        Ok((ExportRow { id: Some(snapshot.id.to_string()), ..row }, start))
    }
}

fn running_row(snapshot: &Snapshot, to: &str, operation: Operation<Exported>) -> ExportRow {
    let operation_id = format!("{}/{}", snapshot.target, operation.id);
    let (so_far, percent) = match operation.state {
        OperationState::Running { so_far, percent } => (so_far, percent),
        OperationState::Done(_) | OperationState::Failed(_) => (None, None),
    };
    ExportRow {
        id: Some(snapshot.id.to_string()),
        target: snapshot.target.to_string(),
        to: so_far.as_ref().map_or_else(|| to.to_owned(), |so_far| so_far.to.clone()),
        operation: operation_id,
        state: State::Running.word(),
        provider_state: so_far.as_ref().map(|so_far| so_far.provider_state.clone()),
        percent,
        size_bytes: so_far.as_ref().and_then(|so_far| so_far.size_bytes),
        warnings: so_far.map(|so_far| so_far.warnings).unwrap_or_default(),
    }
}

/// An export that has ended well.
pub(super) fn done_row(target: &str, operation: &OperationId, exported: Exported) -> ExportRow {
    let Exported { snapshot, to, provider_state, size_bytes, warnings, name: _ } = exported;
    ExportRow {
        id: snapshot.map(|native| format!("{target}/{native}")),
        target: target.to_owned(),
        to,
        operation: format!("{target}/{operation}"),
        state: State::Done.word(),
        provider_state: Some(provider_state),
        percent: Some(100),
        size_bytes,
        warnings,
    }
}
