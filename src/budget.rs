//! How much is done at once: in all, and with each account.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use snapkeep_providers::settings::ProviderSettings;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Turns that are given in the order in which they are asked for; who waits for an account holds up no other account.
#[derive(Debug)]
pub(crate) struct Budget {
    all: Arc<Semaphore>,
    per_account: usize,
    accounts: Mutex<HashMap<String, Arc<Semaphore>>>,
}

/// A turn; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    _account: Option<OwnedSemaphorePermit>,
    _all: Option<OwnedSemaphorePermit>,
}

impl Budget {
    pub(crate) fn new(all: usize, per_account: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(all)), per_account, accounts: Mutex::default() }
    }

    /// Waits for a turn with an account.
    pub(crate) async fn turn(&self, account: &str) -> Permit {
        let of_account = {
            let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
            let new = || Arc::new(Semaphore::new(self.per_account));
            accounts.entry(account.to_owned()).or_insert_with(new).clone()
        };
        // The semaphores are never closed.
        let account = of_account.acquire_owned().await.ok();
        Permit { _account: account, _all: self.all.clone().acquire_owned().await.ok() }
    }
}

/// Whose limits and whose load it is: the cloud's account, or the server that is dumped.
pub(crate) fn account(settings: &ProviderSettings) -> String {
    let name = settings.name();
    match settings {
        ProviderSettings::AwsRds(aws) => format!("aws {:?} {:?} {}", aws.profile, aws.role_arn, aws.region),
        ProviderSettings::AzureMysql(azure) => format!("azure {}", azure.access.subscription_id),
        ProviderSettings::AzurePostgresql(azure) => format!("azure {}", azure.server.access.subscription_id),
        ProviderSettings::AzureSql(azure) => format!("azure {}", azure.access.subscription_id),
        ProviderSettings::GcpCloudSql(gcp) => format!("gcp {}", gcp.project),
        ProviderSettings::Mysql(server) | ProviderSettings::Postgresql(server) => {
            format!("{name} {}:{:?}", server.host, server.port)
        }
        // Files of this machine share its disk.
        ProviderSettings::Sqlite(_) => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_account_that_is_busy_holds_up_no_other() {
        let budget = Budget::new(3, 2);
        let (first, _second) = (budget.turn("a").await, budget.turn("a").await);
        let soon = Duration::from_secs(1);
        assert!(tokio::time::timeout(soon, budget.turn("a")).await.is_err());
        let other = tokio::time::timeout(soon, budget.turn("b")).await.unwrap();
        assert!(tokio::time::timeout(soon, budget.turn("c")).await.is_err(), "three are all");
        drop(other);
        drop(first);
        assert!(tokio::time::timeout(soon, budget.turn("a")).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn turns_are_given_in_order() {
        let budget = Arc::new(Budget::new(1, 1));
        let held = budget.turn("a").await;
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut waiting = tokio::task::JoinSet::new();
        for number in 0..5 {
            let (budget, order) = (budget.clone(), order.clone());
            waiting.spawn(async move {
                let _turn = budget.turn("a").await;
                order.lock().unwrap().push(number);
            });
            tokio::task::yield_now().await;
        }
        drop(held);
        waiting.join_all().await;
        assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3, 4]);
    }
}
