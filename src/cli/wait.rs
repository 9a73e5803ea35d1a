//! `snapkeep wait`

use std::time::Duration;

use clap::Args;
use snapkeep_providers::model::{Operation, OperationId, Snapshot};
use tokio::time::Instant;

use super::{App, Outcome};
use crate::catalog::{self, Opened, SnapshotRef, Which};
use crate::failure::Failure;
use crate::operate;

/// Wait until a snapshot is there or an operation has ended
#[derive(Debug, Args)]
pub(super) struct Wait {
    /// The snapshot or the operation
    #[arg(value_name = "ID|OPERATION")]
    id: SnapshotRef,
    /// How long to wait: 2h; without it, as long as it takes
    #[arg(long, value_name = "TIME", value_parser = crate::config::elapsed)]
    timeout: Option<Duration>,
}

impl Wait {
    pub(super) async fn run(&self, app: &App) -> u8 {
        let waited = self.wait(app).await.map_or_else(Outcome::failed, |snapshot| Ok(snapshot).into());
        app.finish(&waited)
    }

    async fn wait(&self, app: &App) -> Result<Snapshot, Vec<Failure>> {
        let config = app.load()?;
        let one = |failure: Failure| vec![failure.of(&self.id.target)];
        let target = catalog::target(&config, &self.id.target).map_err(one)?;
        let opened = app.asking(catalog::open(&config, target)).await.map_err(one)?;
        let provider = &*opened.provider;
        let deadline = self.timeout.map(|timeout| Instant::now() + timeout);
        let (_task, run) = app.run(target.name.as_str(), "wait");
        let operation = app.looking(self.operation(&opened)).await?;
        operate::wait(provider, operation, deadline, &run).await.map_err(one)
    }

    /// An operation's id is the provider's own; a snapshot's may be shortened.
    async fn operation(&self, opened: &Opened) -> Result<Operation<Snapshot>, Vec<Failure>> {
        if let Which::Native(native) = &self.id.which
            && let Ok(operation) = opened.provider.poll(&OperationId::new(native)).await
        {
            return Ok(operation);
        }
        let one = |failure: Failure| vec![failure.of(&self.id.target)];
        let snapshot = opened.resolve(&self.id).await.map_err(one)?;
        let polled = opened.provider.poll(&OperationId::new(snapshot.native_id.as_str())).await;
        polled.map_err(|error| one(error.into()))
    }
}
