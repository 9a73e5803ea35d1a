//! `snapkeep hold`, `release` and `adopt`: marks on snapshots.

use chrono::{DateTime, Utc};
use clap::Args;
use snapkeep_providers::model::{Hold as HoldMark, Origin, Snapshot};
use snapkeep_providers::{ErrorKind, Support, identity_of_cloud};

use super::rows::hold_text;
use super::{App, Mode, Outcome};
use crate::catalog::{self, Catalog, Opened, SnapshotRef};
use crate::config::{Target, elapsed};
use crate::failure::Failure;
use crate::marks;
use crate::units;

/// Forbid the deletion of a snapshot until a time or until released
#[derive(Debug, Args)]
pub(super) struct Hold {
    /// The snapshot
    #[arg(value_name = "ID")]
    id: SnapshotRef,
    /// Why; shown to whoever wants to delete it
    #[arg(long, value_name = "REASON", value_parser = reason)]
    reason: String,
    /// Until then: 2026-12-01, 2026-12-01T02:15:00Z, or 30d from now; without it, until released
    #[arg(long, value_name = "WHEN")]
    until: Option<String>,
}

fn reason(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() || text.contains(char::is_control) {
        return Err("say why, in one line".into());
    }
    Ok(text.to_owned())
}

/// Let a held snapshot be deleted again
#[derive(Debug, Args)]
pub(super) struct Release {
    /// The snapshot
    #[arg(value_name = "ID")]
    id: SnapshotRef,
}

/// Take ownership of manual snapshots, so that retention counts and prunes them
#[derive(Debug, Args)]
pub(super) struct Adopt {
    /// The snapshots
    #[arg(value_name = "ID", required = true)]
    ids: Vec<SnapshotRef>,
}

/// Ownership is told by tags where the cloud has them, else by the state.
async fn adopt(app: &App, opened: &Opened, snapshot: &Snapshot) -> Result<(), Failure> {
    if opened.provider.capabilities().adopt == Support::No {
        return marks::adopt(&opened.scope, &snapshot.native_id, opened.told_apart_by(snapshot), app.now).await;
    }
    let lock = opened.lock("adopt", app.cancel.child_token()).await?;
    let adopted = opened.provider.adopt(&snapshot.native_id).await;
    lock.release().await;
    Ok(adopted?)
}

/// Refuses what another target of the config owns: each would count and prune it, and know nothing of the other's holds.
async fn refuse_owned(config: &Catalog, opened: &Opened, snapshot: &Snapshot) -> Result<(), Failure> {
    let same = |other: &&Target| {
        other.name != *opened.name() && identity_of_cloud(&other.settings).as_ref() == Some(&opened.provider.identity())
    };
    for other in config.targets.values().filter(same) {
        let found = catalog::open(config, other).await?.get(&snapshot.native_id).await;
        match found {
            Ok(details) if details.snapshot.origin == Origin::Owned => {
                let message = format!("cannot adopt {}: it is the target {}'s", snapshot.id, other.name);
                let hint = format!("work on it as {}/{}", other.name, snapshot.native_id);
                return Err(Failure::new(ErrorKind::Refused, message).with_hint(hint));
            }
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
            Ok(_) | Err(_) => {}
        }
    }
    Ok(())
}

/// A time or a date, or a duration from now on.
fn until(text: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>, Failure> {
    let after = || now.checked_add_signed(chrono::TimeDelta::from_std(elapsed(text).ok()?).ok()?);
    let moment = match after() {
        Some(moment) => moment,
        None => units::parse_moment(text, now).map_err(|_| {
            let forms = "write 2026-12-01, 2026-12-01T02:15:00Z, or 30d for thirty days from now";
            Failure::usage(format!("--until: {text:?} is no time: {forms}"))
        })?,
    };
    if moment <= now {
        return Err(Failure::usage(format!("--until: {} has passed already", units::time(moment))));
    }
    Ok(moment)
}

impl Hold {
    pub(super) async fn run(&self, app: &App) -> u8 {
        let hold = match self.until.as_deref().map(|text| until(text, app.now)).transpose() {
            Ok(until) => HoldMark { reason: self.reason.clone(), until },
            Err(failure) => return app.finish(&Outcome::<Snapshot>::failed(vec![failure])),
        };
        let outcome = each(app, std::slice::from_ref(&self.id), async |_, opened, snapshot| {
            marks::hold(&opened.scope, &snapshot.native_id, &hold).await?;
            if let Some(old) = snapshot.hold.as_ref().filter(|old| marks::ends_earlier(&hold, old)) {
                app.report.warn(&format!("{} was held for longer: {}", snapshot.id, hold_text(old)));
            }
            if let Some(ends) = snapshot.expires_at.filter(|ends| hold.until.is_none_or(|until| until > *ends)) {
                let (id, ends) = (&snapshot.id, units::time(ends));
                app.report.warn(&format!("{id} is ended by the cloud itself at {ends} UTC, held or not"));
            }
            app.report.info(&format!("{} is held: {}", snapshot.id, hold.reason));
            Ok(())
        });
        app.finish(&outcome.await)
    }
}

impl Release {
    pub(super) async fn run(&self, app: &App) -> u8 {
        let outcome = each(app, std::slice::from_ref(&self.id), async |_, opened, snapshot| {
            let was_held = marks::release(&opened.scope, &snapshot.native_id).await?;
            app.report.info(&format!("{} {}", snapshot.id, if was_held { "is released" } else { "was not held" }));
            Ok(())
        });
        app.finish(&outcome.await)
    }
}

impl Adopt {
    pub(super) async fn run(&self, app: &App) -> u8 {
        let outcome = each(app, &self.ids, async |config, opened, snapshot| match snapshot.origin {
            Origin::Owned => {
                app.report.info(&format!("{} is owned already", snapshot.id));
                Ok(())
            }
            Origin::Manual => {
                refuse_owned(config, opened, snapshot).await?;
                adopt(app, opened, snapshot).await?;
                app.report.info(&format!("{} is adopted", snapshot.id));
                Ok(())
            }
            Origin::Automated | Origin::Shared => {
                let message = format!("cannot adopt {}: it is not a manual one, and others delete it", snapshot.id);
                Err(Failure::new(ErrorKind::Unsupported, message))
            }
        });
        app.finish(&outcome.await)
    }
}

/// Does something to each snapshot, and shows what it is then.
async fn each(
    app: &App,
    ids: &[SnapshotRef],
    act: impl AsyncFn(&Catalog, &Opened, &Snapshot) -> Result<(), Failure>,
) -> Outcome<Snapshot> {
    let config = match app.load() {
        Ok(config) => config,
        Err(failures) => return Outcome::failed(failures),
    };
    let mut outcome = Outcome::new();
    for id in ids {
        outcome.add(one(app, &config, id, &act).await.map_err(|failure| failure.of(&id.target)));
    }
    outcome
}

async fn one(
    app: &App,
    config: &Catalog,
    id: &SnapshotRef,
    act: &impl AsyncFn(&Catalog, &Opened, &Snapshot) -> Result<(), Failure>,
) -> Result<Snapshot, Failure> {
    let opened = app.asking(catalog::open(config, catalog::target(config, &id.target)?)).await?;
    let snapshot = app.asking(opened.resolve(id)).await?;
    if app.mode == Mode::DryRun {
        app.report.info(&format!("would change the mark of {}", snapshot.id));
        return Ok(snapshot);
    }
    act(config, &opened, &snapshot).await?;
    app.asking(async { Ok(opened.get(&snapshot.native_id).await?.snapshot) }).await
}
