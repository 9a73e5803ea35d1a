//! `snapkeep status`: how each target stands, as a table, a document, or a page.

use std::io;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use clap::Args;
use futures::{StreamExt, stream};
use schemars::JsonSchema;
use serde::Serialize;
use snapkeep_providers::ErrorKind;
use snapkeep_providers::model::{Snapshot, Verified};

use super::newest::too_old;
use super::{App, Mode, Outcome};
use crate::failure::{Failure, exit_of};
use crate::history::Run;
use crate::plan::Verdict;
use crate::render::{Kind, Row, Tone};
use crate::standing::{self, Freshness, Scheduled, Standing};
use crate::{catalog, page, units};

/// How many targets are looked at at once.
const CONCURRENCY: usize = 16;
/// How many sizes a table shows.
const SPARKS: usize = 12;

/// Show how each target stands: its newest good snapshot, whether that is too old, and what its schedules came to
#[derive(Debug, Args)]
pub(super) struct Status {
    /// The targets; all of them unless named
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
    /// Exit with 4 when a target has no good snapshot within its max_age
    #[arg(long)]
    check: bool,
    /// Write it as a page to a file instead, or to stdout as -
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

impl Status {
    pub(super) async fn run(&self, app: &App) -> u8 {
        let looked = app.looking(self.look(app)).await;
        let now = Utc::now();
        let standings = match looked {
            Ok(standings) => standings,
            Err(failures) => return app.finish(&Outcome::<StatusRow>::failed(failures)),
        };
        let mut failures: Vec<Failure> = standings.iter().flat_map(|standing| standing.failures.clone()).collect();
        let mut done = standings.iter().filter(|standing| standing.was_read()).count();
        if self.check {
            let unfit: Vec<Failure> = standings.iter().filter_map(|standing| unfit(standing, now)).collect();
            if failures.is_empty() && !unfit.is_empty() {
                done = 0; // what is told is that some will not do, however many will
            }
            failures.extend(unfit);
        }
        match &self.html {
            Some(path) => show_page(app, path, &standings, now, done, &failures),
            None => {
                let items = standings.iter().map(|standing| StatusRow::of(standing, now)).collect();
                app.finish(&Outcome { items, done, failures })
            }
        }
    }

    async fn look(&self, app: &App) -> Result<Vec<Standing>, Vec<Failure>> {
        let config = app.load()?;
        let targets = catalog::targets(&config, &self.targets)?;
        let looked = stream::iter(targets).map(|target| standing::look(&config, target)).buffered(CONCURRENCY);
        Ok(looked.collect().await)
    }
}

/// Why a target's snapshots will not do; nothing where nobody knows.
fn unfit(standing: &Standing, now: DateTime<Utc>) -> Option<Failure> {
    let message = match (standing.freshness(now), standing.newest_good(), standing.max_age) {
        (Freshness::None, ..) => format!("{} has no good snapshot", standing.target),
        (Freshness::Stale, Some(newest), Some(limit)) => too_old("good", newest, standing.age(now), limit),
        _ => return None,
    };
    let hint = format!("make one: `snapkeep create {}`", standing.target);
    Some(Failure::new(ErrorKind::NotFound, message).with_hint(hint).of(&standing.target))
}

fn show_page(
    app: &App,
    path: &Path,
    standings: &[Standing],
    now: DateTime<Utc>,
    done: usize,
    failures: &[Failure],
) -> u8 {
    failures.iter().for_each(|failure| app.report.failure(failure));
    let page = page::render(standings, now);
    let written = match (path.as_os_str() == "-", app.mode) {
        (true, _) => app.print(page.as_bytes()),
        (false, Mode::DryRun) => {
            app.report.info(&format!("would write {}", path.display()));
            0
        }
        (false, Mode::Act) => match write(path, page.as_bytes()) {
            Ok(()) => 0,
            Err(error) => {
                let failure = not_written(path, &error);
                app.report.failure(&failure);
                failure.exit
            }
        },
    };
    if written == 0 { exit_of(done, failures) } else { written }
}

fn not_written(path: &Path, error: &io::Error) -> Failure {
    let kind = match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ErrorKind::Permission,
        _ => ErrorKind::Failed,
    };
    Failure::new(kind, format!("cannot write the page to {}: {error}", path.display()))
}

/// Whoever reads the file meanwhile has the old one, or all of the new one.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let Some(name) = path.file_name() else { return Err(io::ErrorKind::IsADirectory.into()) };
    if std::fs::metadata(&path).is_ok_and(|found| !found.is_file()) {
        return std::fs::write(&path, bytes); // a pipe, a device
    }
    let new = path.with_file_name(format!(".{}.{}", name.to_string_lossy(), std::process::id()));
    let written = std::fs::write(&new, bytes).and_then(|()| std::fs::rename(&new, &path));
    written.inspect_err(|_| _ = std::fs::remove_file(&new))
}

/// How a target stands.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Status")]
pub(super) struct StatusRow {
    /// Its name in the config.
    target: String,
    /// The provider's name in the config.
    provider: String,
    /// Whether its newest good snapshot is as young as it must be.
    state: Freshness,
    /// Whether the last run of one of its schedules failed, or something could not be read.
    failing: bool,
    /// Its newest good snapshot of those that snapkeep made or adopted; null where there is none.
    newest_good: Option<Brief>,
    /// How many seconds old that is; null where there is none. Less than nothing where a clock is wrong.
    age_seconds: Option<i64>,
    /// How many seconds old it may be; null where no policy says so.
    max_age_seconds: Option<i64>,
    /// How many good ones there are; null where the list could not be read whole.
    good: Option<usize>,
    /// The newest good one that passed a verification; null where none did.
    newest_verified: Option<Brief>,
    /// How many pruning would delete now; null where there is no policy, or the list could not be read whole.
    to_prune: Option<usize>,
    /// Why nothing may be deleted now, whatever the policy says.
    refusals: Vec<String>,
    /// The sizes of the last good ones, the oldest first.
    sizes: Vec<Size>,
    /// When one of its schedules runs next; null where that is not known.
    next_run: Option<DateTime<Utc>>,
    /// Its schedules.
    schedules: Vec<ScheduleStatus>,
    #[serde(skip)]
    cells: Vec<String>,
}

/// A snapshot, in few words.
#[derive(Debug, Serialize, JsonSchema)]
struct Brief {
    /// Its id.
    id: String,
    /// The moment that it holds; null where the provider doesn't tell.
    created_at: Option<DateTime<Utc>>,
    /// Bytes that it takes up.
    size_bytes: Option<u64>,
    /// The last verification.
    verified: Option<Verified>,
}

/// The size of a snapshot.
#[derive(Debug, Serialize, JsonSchema)]
struct Size {
    /// The moment that it holds.
    created_at: DateTime<Utc>,
    /// Bytes that it takes up.
    size_bytes: u64,
}

/// A schedule, and what its runs on a target came to.
#[derive(Debug, Serialize, JsonSchema)]
struct ScheduleStatus {
    /// Its name in the config.
    schedule: String,
    /// When it runs next; null where that is not known.
    next_run: Option<DateTime<Utc>>,
    /// When a run began whose end nobody has written down; null where there is none.
    unfinished_since: Option<DateTime<Utc>>,
    /// The last run that ended; null where none did.
    last_run: Option<Run>,
    /// The last run that went well; null where none did.
    last_success: Option<Run>,
    /// The last run that went wrong; null where none did.
    last_failure: Option<Run>,
}

impl Brief {
    fn of(snapshot: &Snapshot) -> Self {
        Self {
            id: snapshot.id.to_string(),
            created_at: snapshot.created_at,
            size_bytes: snapshot.size_bytes,
            verified: snapshot.verified.clone(),
        }
    }
}

impl ScheduleStatus {
    fn of(schedule: &Scheduled) -> Self {
        Self {
            schedule: schedule.name.clone(),
            next_run: schedule.next_run,
            unfinished_since: schedule.unfinished_since,
            last_run: schedule.last_run().cloned(),
            last_success: schedule.last_success().cloned(),
            last_failure: schedule.last_failure().cloned(),
        }
    }
}

impl StatusRow {
    pub(super) fn of(standing: &Standing, now: DateTime<Utc>) -> Self {
        let size = |&(created_at, size_bytes)| Size { created_at, size_bytes };
        Self {
            target: standing.target.to_string(),
            provider: standing.provider.to_owned(),
            state: standing.freshness(now),
            failing: standing.is_failing(),
            newest_good: standing.newest_good().map(Brief::of),
            age_seconds: standing.age(now).map(|age| age.num_seconds()),
            max_age_seconds: standing.max_age.map(|age| age.num_seconds()),
            good: standing.count_good(),
            newest_verified: standing.newest_verified().map(Brief::of),
            to_prune: standing.count(Verdict::Remove),
            refusals: standing.refusals.iter().map(ToString::to_string).collect(),
            sizes: standing.sizes().iter().map(size).collect(),
            next_run: standing.next_run(),
            schedules: standing.schedules.iter().map(ScheduleStatus::of).collect(),
            cells: cells(standing, now),
        }
    }
}

fn cells(standing: &Standing, now: DateTime<Utc>) -> Vec<String> {
    let newest = standing.newest_good().and_then(|snapshot| snapshot.created_at);
    let verified = standing.newest_verified().and_then(|snapshot| snapshot.created_at);
    let sizes: Vec<u64> = standing.sizes().iter().rev().take(SPARKS).rev().map(|(_, size)| *size).collect();
    vec![
        standing.target.to_string(),
        units::or_dash(newest.map(units::time)),
        units::or_dash(standing.age(now).map(units::duration)),
        units::or_dash(standing.max_age.map(units::duration)),
        standing.freshness(now).word().to_owned(),
        units::or_dash(verified.map(|created| units::duration(now - created))),
        units::or_dash(Some(sparkline(&sizes)).filter(|line| !line.is_empty())),
        units::or_dash(standing.next_run().map(units::time)),
        units::or_dash(error(standing, now)),
    ]
}

/// What went wrong, in a few words: all of it is on stderr, in the document and on the page.
fn error(standing: &Standing, now: DateTime<Utc>) -> Option<String> {
    if let Some(failure) = standing.failures.first() {
        return Some(format!("look: {}", failure.code));
    }
    let (_, run, error) = standing.last_error()?;
    let action = error.what();
    Some(format!("{action}: {}, {} ago", error.code, units::duration(now - run.ended_at)))
}

/// A bar for each, as high as it is beside the largest.
fn sparkline(sizes: &[u64]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let largest = u128::from(sizes.iter().copied().max().unwrap_or_default()).max(1);
    let bar = |size: &u64| BARS[(u128::from(*size) * 8).div_ceil(largest).clamp(1, 8) as usize - 1];
    sizes.iter().map(bar).collect()
}

impl Row for StatusRow {
    const KIND: Kind = Kind::StatusList;
    const KEYS: &'static [&'static str] = &[
        "target",
        "provider",
        "state",
        "failing",
        "newest_good",
        "age_seconds",
        "max_age_seconds",
        "good",
        "newest_verified",
        "to_prune",
        "refusals",
        "sizes",
        "next_run",
        "schedules",
    ];
    const HEADINGS: &'static [&'static str] = &[
        "TARGET",
        "NEWEST GOOD (UTC)",
        "AGE",
        "MAX AGE",
        "STATE",
        "VERIFIED",
        "SIZES",
        "NEXT RUN (UTC)",
        "LAST ERROR",
    ];

    fn cells(&self, _: DateTime<Utc>) -> Vec<String> {
        self.cells.clone()
    }

    fn name(&self) -> String {
        self.target.clone()
    }

    fn tone(&self) -> Option<(usize, Tone)> {
        let tone = match self.state {
            Freshness::Ok => Tone::Good,
            Freshness::Unknown => Tone::Doubtful,
            Freshness::Stale | Freshness::None => Tone::Bad,
        };
        Some((4, tone))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_as_high_as_it_is_beside_the_largest() {
        assert_eq!(sparkline(&[]), "");
        assert_eq!(sparkline(&[0, 0]), "▁▁");
        assert_eq!(sparkline(&[7]), "█");
        assert_eq!(sparkline(&[1, 4, 8, 2]), "▁▄█▂");
        assert_eq!(sparkline(&[u64::MAX, u64::MAX / 2, 1]), "█▄▁");
    }
}
