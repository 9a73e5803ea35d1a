//! `snapkeep serve`: the scheduler, and what it tells over HTTP.

use std::sync::Arc;

use chrono::Utc;
use clap::Args;

use self::board::Board;
use self::daemon::{Daemon, tell_duty};
use self::duty::Duty;
use super::{App, Mode};
use crate::config::Listen;
use crate::failure::Failure;

mod board;
mod daemon;
mod duty;
mod line;

/// Run the schedules until it is told to stop, and answer for metrics, the API and the status page
#[derive(Debug, Args)]
pub(super) struct Serve {
    /// Where to listen for HTTP, instead of where the config says: 127.0.0.1:9870, or off
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<Listen>,
}

impl Serve {
    pub(super) async fn run(&self, app: &App) -> u8 {
        match self.serve(app).await {
            Ok(()) => 0,
            Err(failures) => {
                failures.iter().for_each(|failure| app.report.failure(failure));
                failures.first().map_or(1, |failure| failure.exit)
            }
        }
    }

    async fn serve(&self, app: &App) -> Result<(), Vec<Failure>> {
        if app.mode == Mode::DryRun {
            let failure = Failure::usage("`serve` can't be tried out");
            return Err(vec![failure.with_hint("try a schedule out: `snapkeep run SCHEDULE --dry-run`")]);
        }
        let catalog = app.load()?;
        let duty = Arc::new(Duty::of(catalog, 0));
        let board = Arc::new(Board::new(duty.clone(), Utc::now()));
        tell_duty(&app.report, &duty);
        Daemon::new(app, board).work().await;
        app.report.info("stopped");
        Ok(())
    }
}
