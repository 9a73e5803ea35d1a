//! `snapkeep verify`

use chrono::{SubsecRound, Utc};
use clap::{Args, ValueEnum};
use snapkeep_providers::model::{Finding, Snapshot, SnapshotId, Verification, VerifyLevel, VerifyRequest};
use snapkeep_providers::{Error, ErrorKind};

use super::rows::{FindingRow, VerificationRow};
use super::{App, Mode, Outcome};
use crate::catalog::{self, Catalog, Opened, SnapshotRef};
use crate::config::{Config, NotifiedAction, Target};
use crate::failure::Failure;
use crate::notices::Told;
use crate::pin::Pinned;
use crate::{marks, units};

/// Look whether snapshots are what they were, and can be restored; exit 9 if one is not
#[derive(Debug, Args)]
pub(super) struct Verify {
    /// The snapshots
    #[arg(value_name = "ID", required = true)]
    ids: Vec<SnapshotRef>,
    /// How thorough: compare every byte, also read the dump to its end, or also restore it into a scratch database
    /// [default: what the config says, or archive]
    #[arg(long, value_enum, value_name = "LEVEL")]
    level: Option<LevelArg>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum LevelArg {
    Checksum,
    Archive,
    Restore,
}

impl From<LevelArg> for VerifyLevel {
    fn from(level: LevelArg) -> Self {
        match level {
            LevelArg::Checksum => Self::Checksum,
            LevelArg::Archive => Self::Archive,
            LevelArg::Restore => Self::Restore,
        }
    }
}

/// What became of one snapshot: it was looked into, and what keeps that from being a success.
pub(super) struct Looked {
    pub(super) row: Option<VerificationRow>,
    pub(super) failures: Vec<Failure>,
}

impl Looked {
    /// It could not be looked into.
    pub(super) fn failed(failure: Failure) -> Self {
        Self { row: None, failures: vec![failure] }
    }
}

impl Verify {
    pub(super) async fn run(&self, app: &App) -> u8 {
        let config = match app.load() {
            Ok(config) => config,
            Err(failures) => return app.finish(&Outcome::<VerificationRow>::failed(failures)),
        };
        // A name that was mistyped is found before hours have gone into another one.
        let (mut named, mut unknown) = (Vec::new(), Vec::new());
        for id in &self.ids {
            match catalog::target(&config, &id.target) {
                Ok(target) => named.push((id, target)),
                Err(failure) => unknown.push(failure),
            }
        }
        if !unknown.is_empty() {
            return app.finish(&Outcome::<VerificationRow>::failed(unknown));
        }
        let mut outcome = Outcome::new();
        for (id, target) in named {
            let telling = app.telling(&config, NotifiedAction::Verify, target);
            let looked = self.verify(app, &config, target, id).await;
            let Looked { row, failures } = looked.unwrap_or_else(Looked::failed);
            let failures: Vec<Failure> = failures.into_iter().map(|failure| failure.of(&id.target)).collect();
            telling.end(Some(Told::new(&row, &failures)));
            outcome.items.extend(row);
            outcome.done += usize::from(failures.is_empty());
            outcome.failures.extend(failures);
        }
        let code = app.finish(&outcome);
        config.notices().flush().await;
        code
    }

    async fn verify(&self, app: &App, config: &Catalog, target: &Target, id: &SnapshotRef) -> Result<Looked, Failure> {
        if app.cancel.is_cancelled() {
            return Err(Failure::new(ErrorKind::Interrupted, format!("{id}: interrupted before it was verified")));
        }
        let opened = app.asking(catalog::open(config, target)).await?;
        let request = request(config, target, self.level.map(VerifyLevel::from));
        let found = async { opened.resolve(id).await.map_err(|failure| vec![failure]) };
        let snapshot = match app.looking(found).await {
            Ok(snapshot) => snapshot,
            Err(failures) => return unlisted(&opened, id, &request, failures).await,
        };
        if app.mode == Mode::DryRun {
            app.report.info(&format!("would verify {}: {}", snapshot.id, request.level));
            return Ok(Looked { row: None, failures: Vec::new() });
        }
        look(app, &opened, &snapshot, &request).await
    }
}

/// What to look for: as thoroughly as `level` says, else as the config does.
pub(super) fn request(config: &Config, target: &Target, level: Option<VerifyLevel>) -> VerifyRequest {
    let settings = &target.verify;
    VerifyRequest {
        level: level.or(settings.level).unwrap_or(VerifyLevel::Archive),
        assertions: settings.assertions.clone().unwrap_or_default(),
        scratch: settings.scratch.clone(),
        scratch_dir: settings.scratch_dir.as_deref().map(|folder| config.resolve(folder)),
    }
}

/// Looks into a snapshot, which is held meanwhile, and remembers what was found.
pub(super) async fn look(
    app: &App,
    opened: &Opened,
    snapshot: &Snapshot,
    request: &VerifyRequest,
) -> Result<Looked, Failure> {
    let (task, run) = app.run(opened.name().as_str(), "verify");
    let pinned = Pinned::hold(&opened.scope, &snapshot.native_id, "verified").await?;
    let looked = pinned.during(opened.provider.verify(&snapshot.native_id, request, &run)).await;
    let elapsed = units::duration(task.elapsed());
    drop((task, run));
    let verification = bad_manifest_as_finding(looked, request.level)?;
    let looked = judge(opened, snapshot, verification).await?;
    if looked.failures.is_empty() {
        let level = request.level;
        let message = format!("verified {}: {level}, in {elapsed}", snapshot.id);
        app.report.info_of(Some(opened.name().as_str()), &message);
    }
    Ok(looked)
}

/// A manifest that can't be believed is an error of the provider's, and the snapshot's fault.
fn bad_manifest_as_finding(looked: Result<Verification, Error>, level: VerifyLevel) -> Result<Verification, Failure> {
    match looked {
        Err(error) if error.kind() == ErrorKind::Verification => {
            let findings = vec![Finding { name: "manifest".into(), outcome: Err(error) }];
            Ok(Verification { level, findings, left_behind: None })
        }
        looked => looked.map_err(Failure::from),
    }
}

/// A snapshot that is in no list: its manifest is damaged, or there is none.
async fn unlisted(
    opened: &Opened,
    reference: &SnapshotRef,
    request: &VerifyRequest,
    failures: Vec<Failure>,
) -> Result<Looked, Failure> {
    let first = failures.into_iter().next().unwrap_or_else(|| Failure::new(ErrorKind::Failed, "it can't be found"));
    let Some(id) = catalog::literal_id(reference, opened.name()).filter(|_| !first.is_interruption()) else {
        return Err(first);
    };
    match opened.get(&id.native).await {
        Err(error) if error.kind() == ErrorKind::Verification => {
            let verification = bad_manifest_as_finding(Err(error), request.level)?;
            Ok(tell(opened, &id, verification))
        }
        _ => Err(first),
    }
}

/// Records what was found, for `list`, `latest --verified` and pruning.
async fn judge(opened: &Opened, snapshot: &Snapshot, verification: Verification) -> Result<Looked, Failure> {
    let ok = verification.is_good();
    if !ok && matches!(opened.get(&snapshot.native_id).await, Err(error) if error.kind() == ErrorKind::NotFound) {
        let message = format!("{} was deleted while it was verified", snapshot.id);
        return Err(Failure::new(ErrorKind::NotFound, message));
    }
    let level = verification.level;
    let mut looked = tell(opened, &snapshot.id, verification);
    if let Some(row) = &looked.row
        && let Err(failure) =
            marks::verified(&opened.scope, &snapshot.native_id, opened.told_apart_by(snapshot), row.at, level, ok).await
    {
        // One failure, so that the exit code is that of the worse one.
        match looked.failures.iter_mut().find(|known| known.kind == ErrorKind::Verification) {
            Some(bad) => bad.causes.push(format!("it can't be remembered: {}", failure.message)),
            None => looked.failures.push(failure),
        }
    }
    Ok(looked)
}

fn tell(opened: &Opened, id: &SnapshotId, verification: Verification) -> Looked {
    let Verification { level, findings, left_behind } = verification;
    let checks: Vec<FindingRow> = findings.into_iter().map(finding_row).collect();
    let mut left = left_behind.map(Failure::from);
    let mut failures = Vec::new();
    let wrong: Vec<String> =
        checks.iter().filter(|check| !check.ok).map(|check| format!("{}: {}", check.name, check.detail)).collect();
    if !wrong.is_empty() {
        let provider = opened.provider.name();
        let message = format!("{provider}: cannot trust {id}: {} of {} checks failed", wrong.len(), checks.len());
        // One failure, so that the exit code is that of the worse one.
        let causes = wrong.into_iter().chain(left.take().map(|left| left.message)).collect();
        let failure = Failure { causes, ..Failure::new(ErrorKind::Verification, message) };
        failures.push(failure.with_hint(format!("use another one: `snapkeep list {}`", id.target)));
    }
    failures.extend(left);
    let ok = checks.iter().all(|check| check.ok);
    let (id, target) = (id.to_string(), id.target.to_string());
    let row = VerificationRow { id, target, level, ok, at: Utc::now().trunc_subsecs(3), checks };
    Looked { row: Some(row), failures }
}

fn finding_row(finding: Finding) -> FindingRow {
    let (ok, detail) = match finding.outcome {
        Ok(detail) => (true, detail),
        Err(error) => {
            let failure = Failure::from(error);
            let causes = failure.causes.iter().map(|cause| format!(": {cause}")).collect::<String>();
            (false, format!("{}{causes}", failure.message))
        }
    };
    FindingRow { name: finding.name, ok, detail }
}
