//! The bookmarks of clouds' operations, kept in the state.

use async_trait::async_trait;
use snapkeep_providers::bookmarks::{Bookmark, Bookmarks};
use snapkeep_providers::{Error, Result};

use crate::failure::Failure;
use crate::state::{Expected, Scope, Written};

const KIND: &str = "operations";
/// How often a write is tried that others come before. Whoever begins something has the target's lock; whoever waits has not.
const TRIES: u32 = 5;

/// Those of one target.
#[derive(Debug)]
pub(crate) struct InState(pub(crate) Scope);

#[async_trait]
impl Bookmarks for InState {
    async fn keep(&self, name: &str, bookmark: &Bookmark) -> Result<()> {
        for _ in 0..TRIES {
            let found = self.0.get::<Bookmark>(KIND, name).await.map_err(|failure| unusable("read", name, &failure))?;
            let expected = found.map_or(Expected::Absent, |(_, version)| Expected::Version(version));
            let written = self.0.put(KIND, name, bookmark, &expected).await;
            if written.map_err(|failure| unusable("keep", name, &failure))? != Written::Conflict {
                return Ok(());
            }
        }
        Err(Error::new(snapkeep_providers::ErrorKind::Busy, "state", "keep", name, "others write it all the time"))
    }

    async fn kept(&self, name: &str) -> Result<Option<Bookmark>> {
        let found = self.0.get(KIND, name).await.map_err(|failure| unusable("read", name, &failure))?;
        Ok(found.map(|(bookmark, _)| bookmark))
    }

    async fn names(&self) -> Result<Vec<String>> {
        self.0.names(KIND).await.map_err(|failure| unusable("read", "operations", &failure))
    }

    async fn forget(&self, name: &str) -> Result<()> {
        self.0.erase(KIND, name).await.map_err(|failure| unusable("forget", name, &failure))
    }
}

fn unusable(verb: &'static str, name: &str, failure: &Failure) -> Error {
    let reason = failure.message.strip_prefix("state: ").unwrap_or(&failure.message);
    let error = Error::new(failure.kind, "state", verb, name, reason);
    match &failure.hint {
        Some(hint) => error.with_hint(hint.as_str()),
        None => error,
    }
}
