//! Every store keeps every promise of the contract.

use async_trait::async_trait;
use snapkeep_providers::Provider;
use snapkeep_providers::conformance::{self, Fixture};

use crate::support::{File, SOURCE, StoreKind};

#[async_trait]
impl Fixture for File {
    fn provider(&self) -> &dyn Provider {
        &*self.provider
    }

    async fn change_source(&self) {
        self.change();
    }

    async fn source(&self) -> String {
        self.content(SOURCE).unwrap()
    }

    fn restore_name(&self) -> String {
        self.copy_name()
    }

    async fn restored(&self, name: &str) -> Option<String> {
        self.content(name)
    }
}

async fn keeps_every_promise(kind: StoreKind) {
    if kind.up().is_some() {
        conformance::all(|| async { Box::new(File::new(kind.up().unwrap()).await) as Box<dyn Fixture> }).await;
    }
}

#[tokio::test]
async fn seaweedfs_keeps_every_promise() {
    keeps_every_promise(StoreKind::S3).await;
}

#[tokio::test]
async fn moto_keeps_every_promise() {
    keeps_every_promise(StoreKind::Moto).await;
}

#[tokio::test]
async fn azurite_keeps_every_promise() {
    keeps_every_promise(StoreKind::Azurite).await;
}

#[tokio::test]
async fn the_simulator_of_gcs_keeps_every_promise() {
    keeps_every_promise(StoreKind::Gcs).await;
}

#[tokio::test]
async fn a_folder_keeps_every_promise() {
    keeps_every_promise(StoreKind::Local).await;
}
