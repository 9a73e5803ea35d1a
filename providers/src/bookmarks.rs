//! What is remembered of operations that a cloud knows only by the addresses that it gave when they began.
//!
//! An operation of Azure's is looked at where its first answer said, at an address of kilobytes that can't be found out again.
//! So who waits for it in another process reads the address here. A bookmark is kept before the request is sent: one whose answer
//! is lost, or whose sender is killed, is known to be on its way.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::error::Result;

/// One operation that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bookmark {
    /// The moment before the request was sent.
    pub sent_at: DateTime<Utc>,
    /// Where its status is told.
    pub status_url: Option<String>,
    /// Where its result is told.
    pub result_url: Option<String>,
    /// What tells it from another of that name: the moment that is restored.
    #[serde(default)]
    pub what: Option<String>,
}

/// Where bookmarks of one target are kept, by the names of operations.
#[async_trait]
pub trait Bookmarks: Send + Sync + fmt::Debug {
    /// Keeps one, in the place of an earlier one of that name.
    async fn keep(&self, name: &str, bookmark: &Bookmark) -> Result<()>;

    /// The one of a name.
    async fn kept(&self, name: &str) -> Result<Option<Bookmark>>;

    /// The names of all.
    async fn names(&self) -> Result<Vec<String>>;

    /// Keeps the one of a name no longer.
    async fn forget(&self, name: &str) -> Result<()>;
}

/// Bookmarks that end with this process.
#[derive(Debug, Default)]
pub struct Fleeting(Mutex<BTreeMap<String, Bookmark>>);

impl Fleeting {
    fn known(&self) -> MutexGuard<'_, BTreeMap<String, Bookmark>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes each of them: for tests, in which hours pass.
    #[cfg(any(test, feature = "conformance"))]
    pub fn alter(&self, each: impl Fn(&mut Bookmark)) {
        self.known().values_mut().for_each(each);
    }
}

#[async_trait]
impl Bookmarks for Fleeting {
    async fn keep(&self, name: &str, bookmark: &Bookmark) -> Result<()> {
        self.known().insert(name.to_owned(), bookmark.clone());
        Ok(())
    }

    async fn kept(&self, name: &str) -> Result<Option<Bookmark>> {
        Ok(self.known().get(name).cloned())
    }

    async fn names(&self) -> Result<Vec<String>> {
        Ok(self.known().keys().cloned().collect())
    }

    async fn forget(&self, name: &str) -> Result<()> {
        self.known().remove(name);
        Ok(())
    }
}
