//! The bookmarks of clouds' operations, kept in the state.

use async_trait::async_trait;
use snapkeep_providers::bookmarks::{Bookmark, Bookmarks};
use snapkeep_providers::{Error, ErrorKind, Result};

use crate::state::{Expected, Scope, Written};

const KIND: &str = "operations";
/// How often a write is tried that others come before. Whoever begins something has the target's lock; whoever waits has not.
const TRIES: u32 = 5;

/// Those of one target, each named by its site too: two configs may call two databases by one name, and share a folder of state.
#[derive(Debug)]
pub(crate) struct InState(pub(crate) Scope);

impl InState {
    fn place(&self) -> String {
        format!("{}.", self.0.site())
    }

    fn name(&self, name: &str) -> String {
        self.place() + name
    }
}

#[async_trait]
impl Bookmarks for InState {
    async fn keep(&self, name: &str, bookmark: &Bookmark) -> Result<()> {
        let kept = self.name(name);
        for _ in 0..TRIES {
            let found =
                self.0.get::<Bookmark>(KIND, &kept).await.map_err(|failure| failure.to_error_of_state("read", name))?;
            let expected = found.map_or(Expected::Absent, |(_, version)| Expected::Version(version));
            let written = self.0.put(KIND, &kept, bookmark, &expected).await;
            if written.map_err(|failure| failure.to_error_of_state("keep", name))? != Written::Conflict {
                return Ok(());
            }
        }
        Err(Error::new(ErrorKind::Busy, "state", "keep", name, "others write it all the time"))
    }

    async fn kept(&self, name: &str) -> Result<Option<Bookmark>> {
        let found =
            self.0.get(KIND, &self.name(name)).await.map_err(|failure| failure.to_error_of_state("read", name))?;
        Ok(found.map(|(bookmark, _)| bookmark))
    }

    async fn names(&self) -> Result<Vec<String>> {
        let place = self.place();
        let names = self.0.names(KIND).await.map_err(|failure| failure.to_error_of_state("read", "operations"))?;
        Ok(names.iter().filter_map(|name| name.strip_prefix(&place)).map(str::to_owned).collect())
    }

    async fn forget(&self, name: &str) -> Result<()> {
        self.0.erase(KIND, &self.name(name)).await.map_err(|failure| failure.to_error_of_state("forget", name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::tests::{scope, scope_at};

    fn bookmark(url: &str) -> Bookmark {
        let sent_at = "2026-11-22T02:15:00Z".parse().unwrap();
        Bookmark { sent_at, status_url: Some(url.to_owned()), result_url: None, what: None }
    }

    #[tokio::test]
    async fn bookmarks_are_kept_replaced_and_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let kept = InState(scope(folder.path()));
        let name = "restore:rg/new";
        assert_eq!(kept.kept(name).await.unwrap(), None);
        for url in ["https://a/1", "https://a/2"] {
            kept.keep(name, &bookmark(url)).await.unwrap();
        }
        let elsewhere = InState(scope(folder.path()));
        assert_eq!(elsewhere.kept(name).await.unwrap(), Some(bookmark("https://a/2")));
        assert_eq!(elsewhere.names().await.unwrap(), [name]);
        elsewhere.forget(name).await.unwrap();
        assert_eq!((kept.kept(name).await.unwrap(), kept.names().await.unwrap()), (None, Vec::new()));
    }

    #[tokio::test]
    async fn another_database_of_the_same_targets_name_has_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let [prod, staging] = ["prod", "staging"].map(|site| InState(scope_at(site, folder.path())));
        prod.keep("b", &bookmark("https://a/1")).await.unwrap();
        assert_eq!((staging.kept("b").await.unwrap(), staging.names().await.unwrap()), (None, Vec::new()));
        staging.forget("b").await.unwrap();
        assert!(prod.kept("b").await.unwrap().is_some());
    }
}
