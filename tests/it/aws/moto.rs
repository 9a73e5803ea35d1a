//! The same promises against moto, which others have written: a check of the simulator as much as of the provider.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use snapkeep_providers::Provider;
use snapkeep_providers::conformance::{self, Fixture};

use super::conformance::{has_keys, open};
use crate::support::rds::Kind;
use crate::support::{Rds, query, variable_or_leave_out};

/// Moto's regions, of which each fixture has one nearly for itself: there may be 100 snapshots in a region.
const REGIONS: [&str; 12] = [
    "ap-south-1",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-southeast-1",
    "ap-southeast-2",
    "ca-central-1",
    "eu-west-2",
    "eu-west-3",
    "sa-east-1",
    "us-west-1",
    "us-west-2",
];

/// A source of its own in moto.
pub(super) struct Source {
    pub(super) endpoint: String,
    pub(super) region: &'static str,
    pub(super) name: String,
    kind: Kind,
}

impl Source {
    pub(super) async fn new(endpoint: String, kind: Kind) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("source-{}-{number}", std::process::id());
        let region = REGIONS[(std::process::id() + number) as usize % REGIONS.len()];
        let moto = Self { endpoint, region, name: name.clone(), kind };
        let common = [("MasterUsername", "app"), ("MasterUserPassword", "hunter2-of-rds"), ("AllocatedStorage", "20")];
        let own = match kind {
            Kind::Instance => {
                [("DBInstanceIdentifier", &*name), ("Engine", "mysql"), ("DBInstanceClass", "db.m6g.large")]
            }
            Kind::Cluster => [("DBClusterIdentifier", &*name), ("Engine", "aurora-postgresql"), ("Port", "5432")],
        };
        let (action, options) = match kind {
            Kind::Instance => ("CreateDBInstance", vec![("OptionGroupName", moto.option_group().await)]),
            Kind::Cluster => ("CreateDBCluster", Vec::new()),
        };
        moto.call(action, &[&common[..], &own, &options].concat()).await.unwrap();
        moto.forget_automated().await;
        moto
    }

    /// Moto knows no option group but those that were made: the default ones, which all databases of it have, are none.
    async fn option_group(&self) -> &'static str {
        const NAME: &str = "options-of-tests";
        let named = [("OptionGroupName", NAME), ("EngineName", "mysql"), ("MajorEngineVersion", "5.6")];
        let made = self.call("CreateOptionGroup", &[&named[..], &[("OptionGroupDescription", NAME)]].concat()).await;
        made.map_or_else(|error| assert!(error.contains("AlreadyExists"), "{error}"), drop);
        NAME
    }

    /// Moto makes an automated snapshot of a new database, and lets anybody delete it.
    async fn forget_automated(&self) {
        let [all, one] = match self.kind {
            Kind::Instance => ["DescribeDBSnapshots", "DeleteDBSnapshot"],
            Kind::Cluster => ["DescribeDBClusterSnapshots", "DeleteDBClusterSnapshot"],
        };
        let listed = self.call(all, &[self.named(&self.name)]).await.unwrap();
        let parameter = self.kind.snapshot_parameter();
        for rest in listed.split(&format!("<{parameter}>")).skip(1) {
            self.call(one, &[(&parameter, rest.split('<').next().unwrap())]).await.unwrap();
        }
    }

    /// The answer, or the refusal.
    async fn call(&self, action: &str, parameters: &[(&str, &str)]) -> Result<String, String> {
        match query(&self.endpoint, Rds::KEY, self.region, action, parameters).await.unwrap() {
            (200, body) => Ok(body),
            (_, body) => Err(body),
        }
    }

    fn named<'n>(&self, name: &'n str) -> (&'static str, &'n str) {
        (self.kind.source_parameter(), name)
    }

    /// What is in a database is told by its size.
    pub(super) async fn size(&self, name: &str) -> Option<String> {
        let action = if self.kind == Kind::Instance { "DescribeDBInstances" } else { "DescribeDBClusters" };
        match self.call(action, &[self.named(name)]).await {
            Ok(body) => {
                let (_, rest) = body.split_once("<AllocatedStorage>").unwrap();
                Some(rest.split_once('<').unwrap().0.to_owned())
            }
            Err(body) => {
                assert!(body.contains("NotFound"), "{body}");
                None
            }
        }
    }
}

struct Moto {
    source: Source,
    provider: Arc<dyn Provider>,
    count: AtomicU32,
}

#[async_trait]
impl Fixture for Moto {
    fn provider(&self) -> &dyn Provider {
        &*self.provider
    }

    async fn change_source(&self) {
        let size = (self.count.fetch_add(1, Ordering::Relaxed) + 1).to_string();
        let action = if self.source.kind == Kind::Instance { "ModifyDBInstance" } else { "ModifyDBCluster" };
        let changed = [self.source.named(&self.source.name), ("AllocatedStorage", &size), ("ApplyImmediately", "true")];
        self.source.call(action, &changed).await.unwrap();
    }

    async fn source(&self) -> String {
        self.source.size(&self.source.name).await.unwrap()
    }

    fn restore_name(&self) -> String {
        format!("{}-restored-{}", self.source.name, self.count.fetch_add(1, Ordering::Relaxed))
    }

    async fn restored(&self, name: &str) -> Option<String> {
        self.source.size(name).await
    }
}

async fn keeps_every_promise(kind: Kind) {
    let Some(endpoint) = variable_or_leave_out("SK_MOTO_ENDPOINT") else { return };
    if has_keys() {
        conformance::all(|| async {
            let source = Source::new(endpoint.clone(), kind).await;
            let provider = open(&endpoint, source.region, kind, &source.name).await;
            Box::new(Moto { source, provider, count: AtomicU32::new(20) }) as Box<dyn Fixture>
        })
        .await;
    }
}

#[tokio::test]
async fn an_instance_of_moto_keeps_every_promise() {
    keeps_every_promise(Kind::Instance).await;
}

#[tokio::test]
async fn a_cluster_of_moto_keeps_every_promise() {
    keeps_every_promise(Kind::Cluster).await;
}
