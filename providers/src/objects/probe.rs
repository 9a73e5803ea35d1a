//! What `doctor` tries out in a store: a small object is written, written again under conditions that can't hold, read back
//! and deleted.
//!
//! Its name is no target's and no snapshot's. Where the bucket locks whatever is written, nothing is: it would stay.

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use object_store::path::Path;

use super::{Objects, Put, Swap};
use crate::error::{Error, ErrorKind, Result};
use crate::model::Check;
use crate::rest::on_the_way;

/// What the name of the object begins with. No target's name begins with a dot.
const NAME: &str = ".snapkeep-probe-";
/// It is no larger.
const LIMIT: u64 = 64;

/// Whether what stands there is ever written over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overwrites {
    /// Never: dumps are written once.
    Never,
    /// The state is kept there: only over what was read.
    OfWhatWasRead,
}

/// What was tried out.
#[derive(Debug)]
pub struct Probed {
    /// One row for each thing.
    pub checks: Vec<Check>,
    /// How far the store's clock is ahead of ours, to the second, where it could be told.
    pub clock_ahead: Option<TimeDelta>,
}

impl Objects {
    /// Whether the store does all that snapshots and the state stand on. Leaves nothing behind, as far as the store lets it.
    pub async fn probe(&self, overwrites: Overwrites) -> Probed {
        let mut checks: Vec<Check> = self.encrypted_on_the_way().into_iter().collect();
        checks.push(Check::new("list", self.lists().await));
        if let Some(locks) = self.locks_whatever_is_written().await {
            let told =
                format!("not tried: the bucket locks whatever is written for {locks}, and what tries it would stay");
            let check = Check::new("write", Ok(told));
            checks.push(check.with_advice("a snapshot that is to stay tries it: `snapkeep create TARGET`"));
            return Probed { checks, clock_ahead: None };
        }
        let path = Path::from(format!("{NAME}{}", crate::random::letters(12)));
        let begun = Utc::now();
        let written = self.put_new(&path, "first".into()).await;
        let is_there = matches!(written, Ok(Put::Written));
        checks.push(Check::new("write", written.map(|_| "an object can be written".into())));
        let mut clock_ahead = None;
        if is_there {
            let at = self.written_at(&path).await.ok().flatten();
            // A folder has the clock of this machine, or nobody's.
            clock_ahead = at.filter(|_| self.folder().is_none()).map(|at| ahead(at, begun, Utc::now()));
            checks.push(Check::new("conditions", self.honours(&path, overwrites).await));
            checks.push(Check::new("read", self.reads(&path).await));
        }
        // Also where the answer to the write was lost.
        let deleted = self.gone(&path).await;
        if is_there || deleted.is_err() {
            checks.push(Check::new("delete", deleted));
        }
        Probed { checks, clock_ahead }
    }

    /// A folder needs no way.
    fn encrypted_on_the_way(&self) -> Option<Check> {
        self.folder().is_none().then(|| on_the_way(self.endpoint(), &format!("stores.{}", self.name())))
    }

    async fn lists(&self) -> Result<String> {
        let listed = self.store().list_with_delimiter(None).await;
        listed.map_err(|error| self.error("list", "what is there", error))?;
        Ok(format!("{} can be listed", self.shown()))
    }

    /// For how long, in words, where the bucket says so.
    async fn locks_whatever_is_written(&self) -> Option<String> {
        self.s3()?.default_retention().await
    }

    /// Whether a write is refused whose condition doesn't hold.
    async fn honours(&self, path: &Path, overwrites: Overwrites) -> Result<String> {
        if self.put_new(path, "second".into()).await? == Put::Written {
            let reason = "it writes over what is there when it is told not to";
            return Err(
                self.careless(reason, "a commit would not be safe: use a store that honours If-None-Match on PUT")
            );
        }
        // A folder keeps its state by links, which `put_new` has just tried.
        if overwrites == Overwrites::Never || self.folder().is_some() {
            return Ok("what is there is not written over".into());
        }
        let Some((_, first)) = self.read_version(path, LIMIT).await? else { return Err(self.forgetful(path)) };
        let next = self.swap(path, "third".into(), Some(&first), LIMIT).await?;
        let late = self.swap(path, "fourth".into(), Some(&first), LIMIT).await?;
        match (next, late) {
            (Swap::Done(_), Swap::Other(_)) => Ok("what is there is written over only by who has read it".into()),
            _ => {
                let hint = "name a store in [state] that has conditional writes (If-Match, If-None-Match)";
                Err(self.careless("it ignores which version a write is to replace", hint))
            }
        }
    }

    async fn reads(&self, path: &Path) -> Result<String> {
        match self.read(path, LIMIT).await? {
            Some(found) if found != Bytes::new() => Ok("what was written can be read".into()),
            _ => Err(self.forgetful(path)),
        }
    }

    async fn gone(&self, path: &Path) -> Result<String> {
        let left = |error: Error| {
            let hint = format!("let the credentials delete, and delete it: {}", self.shown_path(path));
            error.with_hint(hint)
        };
        self.delete(path).await.map_err(left)?;
        match self.written_at(path).await {
            Ok(Some(_)) => {
                let reason = "the store took the deletion, and it is still there";
                let error = Error::new(ErrorKind::Failed, "store", "delete", self.subject(path), reason);
                Err(left(error))
            }
            // Who may not look may have deleted it.
            _ => Ok("it can be deleted again".into()),
        }
    }

    fn careless(&self, reason: &str, hint: &str) -> Error {
        Error::new(ErrorKind::Unsupported, "store", "rely on", self.name(), reason).with_hint(hint)
    }

    fn forgetful(&self, path: &Path) -> Error {
        let reason = "it was just written, and isn't there";
        Error::new(ErrorKind::Failed, "store", "read", self.subject(path), reason)
            .with_hint(format!("see what else deletes below {}", self.shown()))
    }
}

/// How far a clock is ahead that said `at` between two moments of ours. It tells whole seconds.
fn ahead(at: DateTime<Utc>, begun: DateTime<Utc>, ended: DateTime<Utc>) -> TimeDelta {
    if at < begun - TimeDelta::seconds(1) {
        TimeDelta::seconds((at - begun).num_seconds())
    } else if at > ended {
        TimeDelta::seconds((at - ended).num_seconds())
    } else {
        TimeDelta::zero()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use object_store::memory::InMemory;

    use super::*;

    fn told(probed: Probed) -> Vec<(&'static str, String)> {
        let told = |check: Check| (check.name, check.outcome.unwrap_or_else(|error| format!("FAILED {error}")));
        probed.checks.into_iter().map(told).collect()
    }

    #[tokio::test]
    async fn a_store_is_tried_out_and_nothing_is_left() {
        let objects = Objects::of(Arc::new(InMemory::new()));
        let expected = [
            ("tls", "https"),
            ("list", "mem://test can be listed"),
            ("write", "an object can be written"),
            ("conditions", "what is there is written over only by who has read it"),
            ("read", "what was written can be read"),
            ("delete", "it can be deleted again"),
        ];
        let expected = expected.map(|(name, text)| (name, text.to_owned()));
        assert_eq!(told(objects.probe(Overwrites::OfWhatWasRead).await), expected);
        assert_eq!(objects.sizes(&Path::default()).await.unwrap(), []);
    }

    #[test]
    fn a_clock_of_whole_seconds_is_no_clock_that_is_behind() {
        let moment = |millis| DateTime::from_timestamp_millis(millis).unwrap();
        let (begun, ended) = (moment(10_900), moment(11_200));
        for (at, seconds) in [(10_000, 0), (11_000, 0), (12_000, 0), (71_500, 60), (0, -10)] {
            assert_eq!(ahead(moment(at), begun, ended).num_seconds(), seconds, "{at}");
        }
    }
}
