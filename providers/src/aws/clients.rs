//! One client for each account and region, shared by all the targets in it: one pool of connections, one set of
//! credentials, one pace when AWS throttles.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_rds::config::retry::RetryPartition;
use aws_sdk_rds::config::{IdentityCache, StalledStreamProtectionConfig};
use object_store::ClientOptions;
use tokio::sync::Mutex;

use super::http::Client;
use super::query::Query;
use super::{Account, CREDENTIALS_LIMIT, credentials};
use crate::clock::Clock;

/// How long to wait for a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// How long one attempt of a call may take. A page of a hundred snapshots takes AWS a few seconds.
const ATTEMPT: Duration = Duration::from_secs(60);
/// How often a call is tried where the environment and the profile don't say (`AWS_MAX_ATTEMPTS`, `max_attempts`). When AWS
/// throttles, the SDK's adaptive pace makes each try after the first wait about 19 seconds.
const ATTEMPTS: u32 = 5;

/// The clients that were opened. A clone has the same ones.
#[derive(Clone, Default)]
pub(crate) struct Clients(Arc<Opened>);

#[derive(Default)]
struct Opened {
    http: OnceLock<Client>,
    credentials: Mutex<HashMap<Account, SharedCredentialsProvider>>,
    regions: Mutex<HashMap<Place, Rds>>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Place {
    account: Account,
    region: String,
    endpoint: Option<String>,
}

/// The clients of one account in one region.
#[derive(Clone, Debug)]
pub(crate) struct Rds {
    pub(crate) rds: aws_sdk_rds::Client,
    pub(crate) kms: aws_sdk_kms::Client,
    /// Who calls, and what it may do.
    pub(crate) query: Query,
    /// What the answers said of the time.
    pub(crate) clock: Clock,
}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clients")
    }
}

impl Clients {
    /// The clients for `region`; with an `endpoint`, all their calls go there.
    pub(crate) async fn open(&self, account: &Account, region: &str, endpoint: Option<&str>) -> Rds {
        let endpoint = endpoint.map(|endpoint| endpoint.trim_end_matches('/').to_owned());
        let place = Place { account: account.clone(), region: region.to_owned(), endpoint };
        let mut regions = self.0.regions.lock().await;
        if let Some(opened) = regions.get(&place) {
            return opened.clone();
        }
        let clock = Clock::default();
        let config = self.config(&place, clock.clone()).await;
        let http = self.http().clone();
        let credentials = self.credentials(account, region, &http).await;
        let query = Query { http, credentials, region: region.to_owned(), endpoint: place.endpoint.clone() };
        let opened = Rds { rds: rds(&config), kms: aws_sdk_kms::Client::new(&config), query, clock };
        regions.insert(place, opened.clone());
        opened
    }

    fn http(&self) -> &Client {
        self.0.http.get_or_init(|| Client::kept(&ClientOptions::new().with_connect_timeout(CONNECT)))
    }

    async fn config(&self, place: &Place, clock: Clock) -> SdkConfig {
        let http = self.http();
        let credentials = self.credentials(&place.account, &place.region, http).await;
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http.with_clock(clock))
            .region(Region::new(place.region.clone()))
            .credentials_provider(credentials)
            .identity_cache(IdentityCache::lazy().load_timeout(CREDENTIALS_LIMIT).build())
            .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT).build())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled()); // an answer is read whole
        if let Some(profile) = &place.account.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(endpoint) = &place.endpoint {
            loader = loader.endpoint_url(endpoint);
        }
        loader.load().await
    }

    /// Asked for once for all the regions of an account.
    async fn credentials(&self, account: &Account, region: &str, http: &Client) -> SharedCredentialsProvider {
        let mut known = self.0.credentials.lock().await;
        if let Some(provider) = known.get(account) {
            return provider.clone();
        }
        let provider = credentials(account, None, region, http).await;
        known.insert(account.clone(), provider.clone());
        provider
    }
}

/// With a pace of its own: one account that AWS throttles slows no other.
fn rds(config: &SdkConfig) -> aws_sdk_rds::Client {
    let configured = config.retry_config().map_or(0, RetryConfig::max_attempts);
    let is_default = configured == RetryConfig::standard().max_attempts();
    let told = std::env::var_os("AWS_MAX_ATTEMPTS").is_some() || !is_default;
    let attempts = if told && configured > 0 { configured } else { ATTEMPTS };
    let builder = aws_sdk_rds::config::Builder::from(config)
        .retry_config(RetryConfig::adaptive().with_max_attempts(attempts))
        .retry_partition(RetryPartition::custom("snapkeep").build());
    aws_sdk_rds::Client::from_conf(builder.build())
}
