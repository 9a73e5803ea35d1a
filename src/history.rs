//! What the runs of schedules came to: kept in the state, for `status`, for the metrics, and for whoever runs next.

use chrono::{DateTime, SubsecRound, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use snapkeep_providers::ErrorKind;

use crate::config::Action;
use crate::failure::Failure;
use crate::lock;
use crate::retry;
use crate::schedule::{Past, is_believed};
use crate::state::{Expected, Scope, Written};

const KIND: &str = "history";
/// How many runs are remembered of each schedule and target.
const REMEMBERED: usize = 30;
/// How often a write is tried that another one comes before.
const TRIES: u32 = 5;

/// One run of a schedule on one target, from its beginning to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Run {
    /// When it was to be, jitter left out; null where a person or another scheduler asked for it.
    pub(crate) due: Option<DateTime<Utc>>,
    /// When it began.
    pub(crate) begun_at: DateTime<Utc>,
    /// When it ended.
    pub(crate) ended_at: DateTime<Utc>,
    /// Where it ran.
    pub(crate) host: String,
    /// Which try it was, from 1 on.
    pub(crate) attempt: u32,
    /// The id of the snapshot that it made, or found made; null where there is none.
    pub(crate) snapshot: Option<String>,
    /// Its size; null where that is not known.
    pub(crate) size_bytes: Option<u64>,
    /// How many snapshots it deleted.
    pub(crate) deleted: u64,
    /// What went wrong, the first of it; null where all went well.
    pub(crate) error: Option<RunError>,
}

/// What went wrong in a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct RunError {
    /// What failed; null where it was nothing of these, such as reading the state.
    pub(crate) action: Option<Action>,
    /// As in every error.
    pub(crate) code: String,
    /// As in every error, for people.
    pub(crate) message: String,
    /// What to do about it; null where nothing is known.
    pub(crate) hint: Option<String>,
}

/// A run that has begun and whose end nobody has written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Unfinished {
    /// The key of its snapshot: with it, another process goes on.
    pub(crate) key: String,
    pub(crate) due: Option<DateTime<Utc>>,
    pub(crate) begun_at: DateTime<Utc>,
    /// When the first of those began that went on with it.
    #[serde(default)]
    pub(crate) first_at: DateTime<Utc>,
    /// How many began it.
    #[serde(default)]
    pub(crate) times: u32,
}

/// A run that failed and is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Retry {
    pub(crate) due: DateTime<Utc>,
    /// Which try comes next.
    pub(crate) attempt: u32,
    /// Not before this moment.
    pub(crate) at: DateTime<Utc>,
}

/// What is remembered of one schedule and one target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct History {
    /// The last moment at which it was due and is settled: done, failed for good, or skipped.
    pub(crate) settled: Option<DateTime<Utc>>,
    /// The rule by which it was due when somebody last looked.
    pub(crate) rule: Option<String>,
    pub(crate) retry: Option<Retry>,
    pub(crate) unfinished: Option<Unfinished>,
    /// The newest first.
    pub(crate) runs: Vec<Run>,
}

impl RunError {
    /// What failed, in a word.
    pub(crate) fn what(&self) -> &'static str {
        self.action.map_or("run", Action::word)
    }

    pub(crate) fn of(action: Option<Action>, failure: &Failure) -> Self {
        let Failure { code, message, hint, .. } = failure;
        Self { action, code: code.to_string(), message: message.clone(), hint: hint.clone() }
    }
}

impl Run {
    /// One that ended with what is around its actions: nothing of it is written down.
    pub(crate) fn unwritten(begun_at: DateTime<Utc>, attempt: u32, failure: &Failure) -> Self {
        Self {
            due: None,
            begun_at: begun_at.trunc_subsecs(3),
            ended_at: Utc::now().trunc_subsecs(3),
            host: lock::host(),
            attempt,
            snapshot: None,
            size_bytes: None,
            deleted: 0,
            error: Some(RunError::of(None, failure)),
        }
    }
}

impl History {
    /// What says whether it is due.
    pub(crate) fn past(&self) -> Past<'_> {
        let retry = self.retry.map(|retry| (retry.due, retry.at));
        let begun = self.unfinished.as_ref().and_then(|run| {
            let (due, pause) = (run.due?, retry::pause_cut_off(run.times));
            // By the clock of another host; where nothing is waited for it is not asked.
            Some((due, if pause.is_zero() { due } else { run.begun_at + pause }))
        });
        Past { settled: self.settled, rule: self.rule.as_deref(), retry, begun }
    }

    /// Begins a run, or goes on with one that was cut off.
    pub(crate) fn begin(&self, key: String, due: Option<DateTime<Utc>>, begun_at: DateTime<Utc>) -> Unfinished {
        match self.unfinished.as_ref().filter(|before| before.key == key) {
            Some(before) => Unfinished { due, begun_at, times: before.times.saturating_add(1), ..before.clone() },
            None => Unfinished { key, due, begun_at, first_at: begun_at, times: 1 },
        }
    }

    /// Which try a run for `due` is, from 1 on.
    pub(crate) fn attempt(&self, due: DateTime<Utc>) -> u32 {
        self.retry.filter(|retry| retry.due == due).map_or(1, |retry| retry.attempt)
    }

    /// When the run began whose end nobody has written down: it runs, or was cut off. Of one that has ended something may go on at a
    /// cloud.
    pub(crate) fn unfinished_since(&self) -> Option<DateTime<Utc>> {
        let begun_at = self.unfinished.as_ref()?.begun_at;
        self.runs.first().is_none_or(|last| last.begun_at < begun_at).then_some(begun_at)
    }

    /// What was due up to `due` is done, given up or skipped.
    pub(crate) fn settle(&mut self, due: DateTime<Utc>, now: DateTime<Utc>) {
        self.settled = self.settled.filter(|settled| is_believed(*settled, now)).max(Some(due));
        self.retry = self.retry.filter(|retry| retry.due > due);
        self.unfinished.take_if(|unfinished| unfinished.due.is_some_and(|begun| begun <= due));
    }

    /// Adds a run that has ended; the oldest is forgotten.
    pub(crate) fn add(&mut self, run: Run) {
        self.unfinished = None;
        self.runs.insert(0, run);
        self.runs.truncate(REMEMBERED);
    }
}

/// Two databases that two configs call by one name may share a folder of state.
fn name(scope: &Scope, schedule: &str) -> String {
    format!("{}.{schedule}", scope.site())
}

/// What is remembered of a schedule and a target; nothing, where it never ran.
pub(crate) async fn of(scope: &Scope, schedule: &str) -> Result<History, Failure> {
    Ok(scope.get::<History>(KIND, &name(scope, schedule)).await?.map(|(history, _)| history).unwrap_or_default())
}

/// What is remembered of a target, by the names of its schedules.
pub(crate) async fn all(scope: &Scope) -> Result<Vec<(String, History)>, Failure> {
    let place = name(scope, "");
    let mut found = Vec::new();
    for kept in scope.names(KIND).await? {
        let Some(schedule) = kept.strip_prefix(&place) else { continue };
        if let Some((history, _)) = scope.get::<History>(KIND, &kept).await? {
            found.push((schedule.to_owned(), history));
        }
    }
    Ok(found)
}

/// Changes what is remembered, whoever else does so at the same time. `change` may be called more than once.
pub(crate) async fn change(
    scope: &Scope,
    schedule: &str,
    mut change: impl FnMut(&mut History),
) -> Result<History, Failure> {
    let name = name(scope, schedule);
    for _ in 0..TRIES {
        let (mut history, expected) = match scope.get::<History>(KIND, &name).await? {
            Some((history, version)) => (history, Expected::Version(version)),
            None => (History::default(), Expected::Absent),
        };
        let before = history.clone();
        change(&mut history);
        if history == before {
            return Ok(history);
        }
        if let Written::Yes(_) = scope.put(KIND, &name, &history, &expected).await? {
            return Ok(history);
        }
    }
    Err(Failure::new(
        ErrorKind::Busy,
        format!("state: cannot write the history of {schedule}: others write it all the time"),
    ))
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn at(hour: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::hours(hour)
    }

    #[test]
    fn who_goes_on_with_a_run_counts_on() {
        let mut history = History::default();
        for times in 1..4 {
            let begun = history.begin("k".to_owned(), Some(at(1)), at(i64::from(times)));
            assert_eq!((begun.times, begun.first_at, begun.begun_at), (times, at(1), at(i64::from(times))));
            history.unfinished = Some(begun);
        }
        assert_eq!(history.past().begun, Some((at(1), at(3) + TimeDelta::minutes(1))));
        let other = history.begin("other".to_owned(), None, at(9));
        assert_eq!((other.times, other.first_at), (1, at(9)));
    }

    #[test]
    fn what_is_settled_is_neither_tried_again_nor_gone_on_with() {
        let mut history = History { retry: Some(Retry { due: at(2), attempt: 2, at: at(3) }), ..History::default() };
        history.unfinished = Some(history.begin("k".to_owned(), Some(at(2)), at(2)));
        history.settle(at(1), at(2));
        assert!(history.retry.is_some() && history.unfinished.is_some(), "what is due later is");
        history.settle(at(2), at(2));
        assert_eq!((history.settled, history.retry, &history.unfinished), (Some(at(2)), None, &None));
        history.settle(at(1), at(2));
        assert_eq!(history.settled, Some(at(2)));
        history.settled = Some(at(24 * 365));
        history.settle(at(3), at(3));
        assert_eq!(history.settled, Some(at(3)), "a clock was wrong");
    }
}
