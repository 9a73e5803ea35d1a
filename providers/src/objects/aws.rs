//! Credentials and region of S3 as AWS's own tools find them: `aws-config` asks, `object_store` uses.
//!
//! Nothing is asked before the first request needs it, and nothing at all while the config names keys and a region.
//! Credentials are renewed before they run out; while they still hold, a failed renewal stops no request.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_config::meta::region::ProvideRegion;
use aws_config::profile::ProfileFileRegionProvider;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use object_store::aws::{AwsCredential, AwsCredentialProvider};
use object_store::client::StaticCredentialProvider;
use object_store::{ClientOptions, CredentialProvider};
use tokio::sync::Mutex;

use crate::aws::{self, Account, CREDENTIALS_LIMIT, Keys, no_credentials};
use crate::error::{Error, ErrorKind, Result};
use crate::settings::S3;

/// How long before their end credentials are renewed. Instance metadata has new ones from five minutes before the end:
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-security-credentials.html>.
const EARLY: Duration = Duration::from_secs(5 * 60);
/// How soon a renewal that brought nothing newer is tried again.
const AGAIN: Duration = Duration::from_secs(30);
/// Where an endpoint of one's own has no region to speak of, as SDKs and emulators have it.
const ANY_REGION: &str = "us-east-1";

/// The region that requests are signed for: the config's, the environment's, or the profile's.
pub(super) async fn region(name: &str, settings: &S3) -> Result<String> {
    let variable = |name: &&str| std::env::var(name).ok().filter(|value| !value.is_empty());
    if let Some(region) =
        settings.region.clone().or_else(|| ["AWS_REGION", "AWS_DEFAULT_REGION"].iter().find_map(variable))
    {
        return Ok(region);
    }
    let mut profile = ProfileFileRegionProvider::builder().configure(&ProviderConfig::without_region());
    if let Some(name) = &settings.profile {
        profile = profile.profile_name(name);
    }
    match profile.build().region().await {
        Some(region) => Ok(region.to_string()),
        None if settings.endpoint.is_some() => Ok(ANY_REGION.into()),
        None => Err(Error::new(ErrorKind::Usage, "store", "open", name, "the region of its bucket isn't known")
            .with_hint(format!("set `region` in [stores.{name}], or export AWS_REGION=..."))),
    }
}

/// Where the credentials come from: the config's keys, its profile, or what AWS's own tools look through; with a role
/// in the config, that role's by those.
pub(super) async fn credentials(
    name: &str,
    settings: &S3,
    keys: Option<Keys>,
    region: &str,
    options: &ClientOptions,
) -> AwsCredentialProvider {
    let S3 { profile, role_arn, external_id, .. } = settings.clone();
    match keys {
        Some(Keys { id: key_id, secret: secret_key, token }) if role_arn.is_none() => {
            Arc::new(StaticCredentialProvider::new(AwsCredential { key_id, secret_key, token }))
        }
        keys => {
            let account = Account { profile: profile.clone(), role_arn, external_id };
            let provider = aws::credentials(&account, keys, region, &aws::http::Client::new(options)).await;
            Arc::new(Renewed { store: name.to_owned(), profile, provider, held: Mutex::new(None) })
        }
    }
}

/// Credentials that are asked for when first needed, kept, and renewed in time.
#[derive(Debug)]
struct Renewed {
    store: String,
    profile: Option<String>,
    provider: SharedCredentialsProvider,
    held: Mutex<Option<Held>>,
}

#[derive(Clone, Debug)]
struct Held {
    credential: Arc<AwsCredential>,
    expires: Option<SystemTime>,
    renew: Option<SystemTime>,
}

impl Held {
    fn new(found: &Credentials, now: SystemTime) -> Self {
        let credential = AwsCredential {
            key_id: found.access_key_id().to_owned(),
            secret_key: found.secret_access_key().to_owned(),
            token: found.session_token().map(str::to_owned),
        };
        let expires = found.expiry();
        // A source may have nothing newer yet, and must not be asked before every request.
        let renew = expires.map(|expires| (expires - EARLY).max(now + AGAIN));
        Self { credential: Arc::new(credential), expires, renew }
    }

    fn is_fresh(&self, now: SystemTime) -> bool {
        self.holds(now) && self.renew.is_none_or(|renew| now < renew)
    }

    fn holds(&self, now: SystemTime) -> bool {
        self.expires.is_none_or(|expires| now < expires)
    }
}

impl Renewed {
    async fn ask(&self) -> Result<Credentials, NoCredentials> {
        let asked = tokio::time::timeout(CREDENTIALS_LIMIT, self.provider.provide_credentials()).await;
        let asked = asked.unwrap_or_else(|_| Err(CredentialsError::provider_timed_out(CREDENTIALS_LIMIT)));
        asked.map_err(|error| NoCredentials::new(&self.store, self.profile.as_deref(), error))
    }
}

#[async_trait]
impl CredentialProvider for Renewed {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        // Held while asking: whoever needs them meanwhile waits for the one answer.
        let mut held = self.held.lock().await;
        let now = SystemTime::now();
        if let Some(held) = held.as_ref().filter(|held| held.is_fresh(now)) {
            return Ok(held.credential.clone());
        }
        let found = match (self.ask().await, held.take().filter(|held| held.holds(SystemTime::now()))) {
            (Ok(found), _) => Held::new(&found, now),
            (Err(_), Some(old)) => Held { renew: Some(now + AGAIN), ..old },
            (Err(error), None) => {
                return Err(object_store::Error::Generic { store: "S3", source: Box::new(error) });
            }
        };
        let credential = found.credential.clone();
        *held = Some(found);
        Ok(credential)
    }
}

/// Why there are no credentials. What a tool or a server said of it is the source.
#[derive(Debug)]
pub(super) struct NoCredentials {
    pub(super) kind: ErrorKind,
    pub(super) reason: &'static str,
    pub(super) hint: String,
    pub(super) source: CredentialsError,
}

impl NoCredentials {
    fn new(store: &str, profile: Option<&str>, source: CredentialsError) -> Self {
        let beside = format!("set `access_key_id` and `secret_access_key` in [stores.{store}]");
        let aws::NoCredentials { kind, reason, hint } = no_credentials(&source, profile, Some(&beside));
        Self { kind, reason, hint, source }
    }
}

impl fmt::Display for NoCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason)
    }
}

impl StdError for NoCredentials {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.source)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use aws_credential_types::provider::future;

    use super::*;

    /// Gives what its script says, and counts.
    #[derive(Debug)]
    struct Script(Vec<Option<Duration>>, Arc<AtomicU32>);

    impl ProvideCredentials for Script {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            let asked = self.1.fetch_add(1, Ordering::Relaxed);
            future::ProvideCredentials::ready(match self.0.get(asked as usize) {
                Some(lasts) => {
                    let expires = lasts.map(|lasts| SystemTime::now() + lasts);
                    Ok(Credentials::new(format!("id-{asked}"), "hunter2", None, expires, "script"))
                }
                None => Err(CredentialsError::not_loaded("the script is over")),
            })
        }
    }

    fn renewed(script: &[Option<Duration>]) -> (Renewed, Arc<AtomicU32>) {
        let asked = Arc::new(AtomicU32::new(0));
        let provider = SharedCredentialsProvider::new(Script(script.to_vec(), asked.clone()));
        (Renewed { store: "s".into(), profile: None, provider, held: Mutex::new(None) }, asked)
    }

    #[tokio::test]
    async fn credentials_are_asked_for_once_while_they_last() {
        let (provider, asked) = renewed(&[Some(Duration::from_secs(3600))]);
        assert_eq!(asked.load(Ordering::Relaxed), 0, "nothing before the first request");
        for _ in 0..3 {
            assert_eq!(provider.get_credential().await.unwrap().key_id, "id-0");
        }
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn what_has_run_out_is_renewed_and_never_used() {
        let (provider, _) = renewed(&[Some(Duration::ZERO), None]);
        provider.get_credential().await.unwrap();
        assert_eq!(provider.get_credential().await.unwrap().key_id, "id-1");
        let (provider, _) = renewed(&[Some(Duration::ZERO)]);
        provider.get_credential().await.unwrap();
        provider.get_credential().await.unwrap_err();
    }

    #[tokio::test]
    async fn a_failed_renewal_stops_nothing_while_the_old_ones_hold() {
        let (provider, asked) = renewed(&[Some(Duration::from_secs(60))]);
        provider.get_credential().await.unwrap();
        provider.held.lock().await.as_mut().unwrap().renew = Some(SystemTime::UNIX_EPOCH);
        assert_eq!(provider.get_credential().await.unwrap().key_id, "id-0");
        provider.get_credential().await.unwrap();
        assert_eq!(asked.load(Ordering::Relaxed), 2, "and is not tried again at once");
    }

    #[test]
    fn credentials_are_renewed_before_their_end() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let found = Credentials::new("id", "hunter2", None, Some(now + Duration::from_secs(3600)), "script");
        let held = Held::new(&found, now);
        assert!(held.is_fresh(now + Duration::from_secs(3299)));
        assert!(!held.is_fresh(now + Duration::from_secs(3300)));
        assert!(held.holds(now + Duration::from_secs(3599)) && !held.holds(now + Duration::from_secs(3600)));
    }
}
