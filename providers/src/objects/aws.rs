//! Credentials and region of S3 as AWS's own tools find them: `aws-config` asks, `object_store` uses.
//!
//! Nothing is asked before the first request needs it, and nothing at all while the config names keys and a region.
//! Credentials are renewed before they run out; while they still hold, a failed renewal stops no request.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::meta::region::ProvideRegion;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::provider_config::ProviderConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use object_store::aws::{AwsCredential, AwsCredentialProvider};
use object_store::client::{HttpError, StaticCredentialProvider};
use object_store::{ClientOptions, CredentialProvider};
use tokio::sync::Mutex;

use super::failure::causes;
use crate::error::{Error, ErrorKind, Result};
use crate::settings::S3;

mod http;

/// How long before their end credentials are renewed. Instance metadata has new ones from five minutes before the end:
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-security-credentials.html>.
const EARLY: Duration = Duration::from_secs(5 * 60);
/// How soon a renewal that brought nothing newer is tried again.
const AGAIN: Duration = Duration::from_secs(30);
/// How long all the ways together may take; a `credential_process` has no limit of its own.
const LIMIT: Duration = Duration::from_secs(60);
/// Where an endpoint of one's own has no region to speak of, as SDKs and emulators have it.
const ANY_REGION: &str = "us-east-1";

/// Keys that the config names.
pub(super) struct Keys {
    pub(super) id: String,
    pub(super) secret: String,
    pub(super) token: Option<String>,
}

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
    let region = Region::new(region.to_owned());
    let client = http::Client::new(options);
    let ask = ProviderConfig::without_region().with_region(Some(region.clone())).with_http_client(client.clone());
    let base = match (keys, &settings.profile) {
        (Some(keys), _) if settings.role_arn.is_none() => {
            let Keys { id: key_id, secret: secret_key, token } = keys;
            return Arc::new(StaticCredentialProvider::new(AwsCredential { key_id, secret_key, token }));
        }
        (Some(Keys { id, secret, token }), _) => {
            SharedCredentialsProvider::new(Credentials::new(id, secret, token, None, "config"))
        }
        // As with `aws --profile`: what is named wins over the environment.
        (None, Some(profile)) => SharedCredentialsProvider::new(
            ProfileFileCredentialsProvider::builder().profile_name(profile).configure(&ask).build(),
        ),
        (None, None) => SharedCredentialsProvider::new(
            DefaultCredentialsChain::builder().configure(ask).region(region.clone()).build().await,
        ),
    };
    let provider = match &settings.role_arn {
        None => base,
        Some(role) => {
            let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(client).region(region);
            if let Some(profile) = &settings.profile {
                loader = loader.profile_name(profile);
            }
            let config = loader.credentials_provider(base.clone()).load().await;
            let mut assumed = AssumeRoleProvider::builder(role).configure(&config).session_name("snapkeep");
            if let Some(id) = &settings.external_id {
                assumed = assumed.external_id(id);
            }
            SharedCredentialsProvider::new(assumed.build_from_provider(base).await)
        }
    };
    let profile = settings.profile.clone();
    Arc::new(Renewed { store: name.to_owned(), profile, provider, held: Mutex::new(None) })
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
        let asked = tokio::time::timeout(LIMIT, self.provider.provide_credentials()).await;
        let asked = asked.unwrap_or_else(|_| Err(CredentialsError::provider_timed_out(LIMIT)));
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
        let option = profile.map(|profile| format!(" --profile {profile}")).unwrap_or_default();
        let unanswered = matches!(source, CredentialsError::ProviderTimedOut(_))
            || causes(&source).any(|cause| cause.is::<HttpError>());
        // What SSO's portal says of a token that has run out, and what is said of one that isn't there.
        let of_sign_in = |text: &str| text.contains("UnauthorizedException") || text.to_lowercase().contains("sso");
        let signed_out = causes(&source).any(|cause| of_sign_in(&cause.to_string()));
        let (kind, reason, hint) = match &source {
            _ if unanswered => (
                ErrorKind::Unavailable,
                "who gives the credentials for it did not answer",
                format!("see whether AWS's own tools get them: aws sts get-caller-identity{option}"),
            ),
            CredentialsError::CredentialsNotLoaded(_) => (
                ErrorKind::Permission,
                "no AWS credentials were found",
                format!(
                    "run `aws configure{option}`, or set `access_key_id` and `secret_access_key` in [stores.{store}]"
                ),
            ),
            _ if signed_out => {
                (ErrorKind::Permission, "its AWS sign-in doesn't hold", format!("aws sso login{option}"))
            }
            _ => (
                ErrorKind::Permission,
                "the AWS credentials for it can't be had",
                format!("see whether AWS's own tools get them: aws sts get-caller-identity{option}"),
            ),
        };
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

    #[test]
    fn missing_credentials_are_told_with_what_to_run() {
        let missing = NoCredentials::new("offsite", Some("prod"), CredentialsError::not_loaded("nothing"));
        assert_eq!((missing.kind, missing.reason), (ErrorKind::Permission, "no AWS credentials were found"));
        assert!(missing.hint.contains("aws configure --profile prod"), "{}", missing.hint);
        let expired = CredentialsError::provider_error("the SSO session has expired");
        assert_eq!(NoCredentials::new("offsite", None, expired).hint, "aws sso login");
        let late = NoCredentials::new("offsite", None, CredentialsError::provider_timed_out(LIMIT));
        assert_eq!(late.kind, ErrorKind::Unavailable);
    }
}
