//! Reads what there is to know of a target. Changes nothing.

use chrono::Utc;
use snapkeep_providers::model::{ListScope, Listing};

use super::{Facts, Scheduled, Standing};
use crate::catalog::{self, Catalog};
use crate::config::Target;
use crate::failure::Failure;
use crate::history::{self, History};
use crate::schedule::Timetable;

/// Looks at a target. What can't be read is among its failures.
pub(crate) async fn look(config: &Catalog, target: &Target) -> Standing {
    let policy = target.retention.as_ref().and_then(|name| config.retention.get(name));
    let (mut listing, mut histories, mut failures) = (None, Vec::new(), Vec::new());
    match read(config, target).await {
        Ok((listed, remembered)) => {
            listing = keep(listed, &mut failures);
            histories = keep(remembered, &mut failures).unwrap_or_default();
        }
        Err(failure) => failures.push(failure),
    }
    let schedules = config.schedules.iter().filter(|(_, schedule)| schedule.selects(target));
    let now = Utc::now();
    let schedules = schedules.map(|(name, schedule)| {
        let history = histories.iter().position(|(of, _)| of == name).map(|place| histories.swap_remove(place).1);
        let history = history.unwrap_or_default();
        let next_run = Timetable::new(name, schedule).awaited(history.past(), now, &target.name);
        Scheduled::of(name.clone(), next_run, &history)
    });
    Standing::of(Facts {
        target: target.name.clone(),
        provider: target.settings.name(),
        policy,
        listing,
        schedules: schedules.collect(),
        failures: failures.into_iter().map(|failure: Failure| failure.of(&target.name)).collect(),
        // Not when this process began: a snapshot made since then would be in the future.
        seen_at: Utc::now(),
    })
}

type Remembered = Vec<(String, History)>;

/// The list, and what is remembered of the schedules: each may fail alone.
async fn read(
    config: &Catalog,
    target: &Target,
) -> Result<(Result<Listing, Failure>, Result<Remembered, Failure>), Failure> {
    let opened = catalog::open(config, target).await?;
    Ok(tokio::join!(opened.list(ListScope::Own), history::all(&opened.scope)))
}

fn keep<T>(read: Result<T, Failure>, failures: &mut Vec<Failure>) -> Option<T> {
    read.map_err(|failure| failures.push(failure)).ok()
}
