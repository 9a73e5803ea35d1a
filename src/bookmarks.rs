//! The bookmarks of clouds' operations, kept in the state.

use async_trait::async_trait;
use sha2::{Digest, Sha256};
use snapkeep_providers::bookmarks::{Bookmark, Bookmarks};
use snapkeep_providers::{Error, Result};

use crate::failure::Failure;
use crate::state::{Expected, Scope, Written, hex};

const KIND: &str = "operations";
/// How often a write is tried that others come before. Whoever begins something has the target's lock; whoever waits has not.
const TRIES: u32 = 5;

/// Those of one target.
#[derive(Debug)]
pub(crate) struct InState {
    scope: Scope,
    /// Where the target's snapshots are: two configs may call two databases by one name, and share a folder of state.
    place: String,
}

impl InState {
    pub(crate) fn new(scope: &Scope, identity: &str) -> Self {
        Self { scope: scope.clone(), place: format!("{}.", hex(&Sha256::digest(identity)[..6])) }
    }

    fn name(&self, name: &str) -> String {
        format!("{}{name}", self.place)
    }
}

#[async_trait]
impl Bookmarks for InState {
    async fn keep(&self, name: &str, bookmark: &Bookmark) -> Result<()> {
        let kept = self.name(name);
        for _ in 0..TRIES {
            let found =
                self.scope.get::<Bookmark>(KIND, &kept).await.map_err(|failure| unusable("read", name, &failure))?;
            let expected = found.map_or(Expected::Absent, |(_, version)| Expected::Version(version));
            let written = self.scope.put(KIND, &kept, bookmark, &expected).await;
            if written.map_err(|failure| unusable("keep", name, &failure))? != Written::Conflict {
                return Ok(());
            }
        }
        Err(Error::new(snapkeep_providers::ErrorKind::Busy, "state", "keep", name, "others write it all the time"))
    }

    async fn kept(&self, name: &str) -> Result<Option<Bookmark>> {
        let found = self.scope.get(KIND, &self.name(name)).await.map_err(|failure| unusable("read", name, &failure))?;
        Ok(found.map(|(bookmark, _)| bookmark))
    }

    async fn names(&self) -> Result<Vec<String>> {
        let names = self.scope.names(KIND).await.map_err(|failure| unusable("read", "operations", &failure))?;
        Ok(names.iter().filter_map(|name| name.strip_prefix(&self.place)).map(str::to_owned).collect())
    }

    async fn forget(&self, name: &str) -> Result<()> {
        self.scope.erase(KIND, &self.name(name)).await.map_err(|failure| unusable("forget", name, &failure))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::tests::scope;

    fn bookmark(url: &str) -> Bookmark {
        let sent_at = "2026-11-22T02:15:00Z".parse().unwrap();
        Bookmark { sent_at, status_url: Some(url.to_owned()), result_url: None, what: None }
    }

    #[tokio::test]
    async fn bookmarks_are_kept_replaced_and_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let kept = InState::new(&scope(folder.path()), "azure_mysql crm");
        let name = "restore:rg/new";
        assert_eq!(kept.kept(name).await.unwrap(), None);
        for url in ["https://a/1", "https://a/2"] {
            kept.keep(name, &bookmark(url)).await.unwrap();
        }
        let elsewhere = InState::new(&scope(folder.path()), "azure_mysql crm");
        assert_eq!(elsewhere.kept(name).await.unwrap(), Some(bookmark("https://a/2")));
        assert_eq!(elsewhere.names().await.unwrap(), [name]);
        elsewhere.forget(name).await.unwrap();
        assert_eq!((kept.kept(name).await.unwrap(), kept.names().await.unwrap()), (None, Vec::new()));
    }

    #[tokio::test]
    async fn another_database_of_the_same_targets_name_has_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let [prod, staging] = ["crm-prod", "crm-staging"].map(|identity| InState::new(&scope(folder.path()), identity));
        prod.keep("b", &bookmark("https://a/1")).await.unwrap();
        assert_eq!((staging.kept("b").await.unwrap(), staging.names().await.unwrap()), (None, Vec::new()));
        staging.forget("b").await.unwrap();
        assert!(prod.kept("b").await.unwrap().is_some());
    }
}
