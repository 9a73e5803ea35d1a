//! `snapkeep serve`: the scheduler, and what it tells over HTTP.

use std::sync::Arc;

use chrono::Utc;
use clap::Args;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use self::board::Board;
use self::daemon::{Daemon, tell_duty};
use self::duty::Duty;
use self::web::Access;
use super::{App, Mode};
use crate::catalog::Catalog;
use crate::config::Listen;
use crate::failure::Failure;

mod board;
mod daemon;
mod duty;
mod line;
mod metrics;
mod web;

/// The least length of a token; a shorter one can be guessed.
const LEAST: usize = 16;

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
        let listening = self.listen(app, &catalog).await.map_err(|failure| vec![failure])?;
        let now = Utc::now();
        // Held by nobody else: a config that is replaced goes when its last run does.
        let board = Arc::new(Board::new(Arc::new(Duty::of(catalog, now)), now));
        tell_duty(&app.report, &board.duty());
        let stop = CancellationToken::new();
        let answering = listening
            .map(|(listener, access)| tokio::spawn(web::answer(listener, board.clone(), access, stop.clone())));
        Daemon::new(app, board).work().await;
        stop.cancel();
        if let Some(answering) = answering {
            let _ = answering.await;
        }
        app.report.info("stopped");
        Ok(())
    }

    /// Takes the address that is to be listened on, and reads who may ask.
    async fn listen(&self, app: &App, catalog: &Catalog) -> Result<Option<(TcpListener, Access)>, Failure> {
        let settings = &catalog.serve;
        let Listen::On(address) = self.listen.unwrap_or(settings.listen) else { return Ok(None) };
        let token = match &settings.bearer_token {
            Some(token) => Some(app.asking(async { Ok(token.resolve(&catalog.base).await?) }).await?),
            None if !address.ip().is_loopback() => {
                let failure = Failure::usage(format!("{address} can be reached from other machines, by everyone"));
                return Err(failure.with_hint("add bearer_token = { file = ... } to [serve], or listen on 127.0.0.1"));
            }
            None => None,
        };
        if token.as_ref().is_some_and(|token| token.expose().len() < LEAST) {
            let failure = Failure::usage(format!("[serve] bearer_token is shorter than {LEAST} characters"));
            return Err(failure.with_hint("make one: `openssl rand -hex 32`"));
        }
        let listener = web::bind(address).await?;
        let address = listener.local_addr().map_or_else(|_| address.to_string(), |address| address.to_string());
        app.report.info(&format!("listens on http://{address}"));
        Ok(Some((listener, Access::new(token.as_ref()))))
    }
}
