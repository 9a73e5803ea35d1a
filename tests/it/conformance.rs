//! Every engine keeps every promise of the contract.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use snapkeep_providers::Provider;
use snapkeep_providers::conformance::{self, Fixture};

use crate::support::Bed;

struct Database {
    bed: Bed,
    provider: Arc<dyn Provider>,
    count: AtomicU32,
}

impl Database {
    fn count(&self) -> u32 {
        self.count.fetch_add(1, Ordering::Relaxed)
    }
}

#[async_trait]
impl Fixture for Database {
    fn provider(&self) -> &dyn Provider {
        &*self.provider
    }

    async fn change_source(&self) {
        self.bed.sql(&format!("INSERT INTO notes VALUES ({}, 'later')", 100 + self.count()));
    }

    async fn source(&self) -> String {
        self.bed.content(&self.bed.database).unwrap()
    }

    fn restore_name(&self) -> String {
        self.bed.name(&format!("copy{}", self.count()))
    }

    async fn restored(&self, name: &str) -> Option<String> {
        self.bed.content(name)
    }
}

async fn keeps_every_promise(fresh: fn() -> Option<Bed>) {
    if fresh().is_none() {
        return;
    }
    conformance::all(|| async {
        let bed = fresh().unwrap();
        bed.fill();
        let provider = bed.provider();
        Box::new(Database { bed, provider, count: AtomicU32::new(0) }) as Box<dyn Fixture>
    })
    .await;
}

#[tokio::test]
async fn postgresql_15_keeps_every_promise() {
    keeps_every_promise(Bed::postgresql_15).await;
}

#[tokio::test]
async fn postgresql_17_keeps_every_promise() {
    keeps_every_promise(Bed::postgresql_17).await;
}

#[tokio::test]
async fn mysql_keeps_every_promise() {
    keeps_every_promise(Bed::mysql).await;
}

#[tokio::test]
async fn mariadb_keeps_every_promise() {
    keeps_every_promise(Bed::mariadb).await;
}
