//! `snapkeep latest`

use clap::Args;
use snapkeep_providers::model::Snapshot;

use super::newest::{Newest, Wanted};
use super::{App, Outcome};
use crate::failure::Failure;

/// Show the newest good snapshot of a target; exit 4 if there is none
#[derive(Debug, Args)]
pub(super) struct Latest {
    #[command(flatten)]
    wanted: Wanted,
}

impl Latest {
    pub(super) async fn run(&self, app: &App) -> u8 {
        let found = app.looking(self.find(app)).await;
        app.finish(&found.unwrap_or_else(Outcome::failed))
    }

    async fn find(&self, app: &App) -> Result<Outcome<Snapshot>, Vec<Failure>> {
        let Newest { snapshot, problems } =
            self.wanted.find(app, &app.load()?).await.map_err(|failure| vec![failure])?;
        // What could not be read may be newer: what was found is told, and that the list is incomplete.
        match snapshot {
            Ok(snapshot) => Ok(Outcome { items: vec![snapshot], done: 1, failures: problems }),
            Err(failure) if problems.is_empty() => Err(vec![failure]),
            Err(_) => Err(problems),
        }
    }
}
