//! What every use of AWS shares: credentials as AWS's own tools find them, and one HTTP client with one TLS stack.
//!
//! Nothing is asked before the first request needs it, and no metadata address while the config or the environment names
//! credentials.

use std::error::Error as StdError;

use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_credential_types::provider::error::CredentialsError;
use object_store::client::HttpError;

use crate::error::{ErrorKind, causes};

mod clients;
pub(crate) mod http;
pub(crate) mod query;

pub(crate) use clients::{Clients, Rds};

/// How long all the ways to credentials may take together; a `credential_process` has no limit of its own.
pub(crate) const CREDENTIALS_LIMIT: std::time::Duration = std::time::Duration::from_secs(60);

/// Whose account requests are made in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Account {
    /// A profile of the AWS config files.
    pub(crate) profile: Option<String>,
    /// A role to assume.
    pub(crate) role_arn: Option<String>,
    /// The external id that the role asks for.
    pub(crate) external_id: Option<String>,
}

/// Keys that the config names.
pub(crate) struct Keys {
    pub(crate) id: String,
    pub(crate) secret: String,
    pub(crate) token: Option<String>,
}

impl Keys {
    pub(crate) fn into_credentials(self) -> Credentials {
        let Self { id, secret, token } = self;
        Credentials::new(id, secret, token, None, "config")
    }
}

/// Where an account's credentials come from: the keys, its profile, or what AWS's own tools look through; with a role,
/// that role's by those.
pub(crate) async fn credentials(
    account: &Account,
    keys: Option<Keys>,
    region: &str,
    client: &http::Client,
) -> SharedCredentialsProvider {
    let region = Region::new(region.to_owned());
    let ask = ProviderConfig::without_region().with_region(Some(region.clone())).with_http_client(client.clone());
    let base = match (keys, &account.profile) {
        (Some(keys), _) => SharedCredentialsProvider::new(keys.into_credentials()),
        // As with `aws --profile`: what is named wins over the environment.
        (None, Some(profile)) => SharedCredentialsProvider::new(
            ProfileFileCredentialsProvider::builder().profile_name(profile).configure(&ask).build(),
        ),
        (None, None) => SharedCredentialsProvider::new(
            DefaultCredentialsChain::builder().configure(ask).region(region.clone()).build().await,
        ),
    };
    let Some(role) = &account.role_arn else { return base };
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(client.clone()).region(region);
    if let Some(profile) = &account.profile {
        loader = loader.profile_name(profile);
    }
    let config = loader.credentials_provider(base.clone()).load().await;
    let mut assumed = AssumeRoleProvider::builder(role).configure(&config).session_name("snapkeep");
    if let Some(id) = &account.external_id {
        assumed = assumed.external_id(id);
    }
    SharedCredentialsProvider::new(assumed.build_from_provider(base).await)
}

/// What it means that there are no credentials: the kind of error, the reason, and what to run.
pub(crate) struct NoCredentials {
    pub(crate) kind: ErrorKind,
    pub(crate) reason: &'static str,
    pub(crate) hint: String,
}

/// Tells why no credentials were found. `beside` is what one can do besides running AWS's own tools, if anything.
pub(crate) fn no_credentials(source: &CredentialsError, profile: Option<&str>, beside: Option<&str>) -> NoCredentials {
    let option = profile_option(profile);
    let unanswered =
        matches!(source, CredentialsError::ProviderTimedOut(_)) || causes(source).any(|cause| cause.is::<HttpError>());
    // What SSO's portal says of a token that has run out, and what is said of one that isn't there.
    let of_sign_in = |text: &str| text.contains("UnauthorizedException") || text.to_lowercase().contains("sso");
    let signed_out = causes(source).any(|cause| of_sign_in(&cause.to_string()));
    let (kind, reason, hint) = match source {
        _ if unanswered => (
            ErrorKind::Unavailable,
            "who gives the AWS credentials did not answer",
            format!("see whether AWS's own tools get them: aws sts get-caller-identity{option}"),
        ),
        CredentialsError::CredentialsNotLoaded(_) => {
            let beside = beside.map(|beside| format!(", or {beside}")).unwrap_or_default();
            (ErrorKind::Permission, "no AWS credentials were found", format!("run `aws configure{option}`{beside}"))
        }
        _ if signed_out => (ErrorKind::Permission, "the AWS sign-in doesn't hold", format!("aws sso login{option}")),
        _ => (
            ErrorKind::Permission,
            "the AWS credentials can't be had",
            format!("see whether AWS's own tools get them: aws sts get-caller-identity{option}"),
        ),
    };
    NoCredentials { kind, reason, hint }
}

/// The option by which AWS's own tools are told the profile, with a space before it.
pub(crate) fn profile_option(profile: Option<&str>) -> String {
    profile.map(|profile| format!(" --profile {profile}")).unwrap_or_default()
}

/// The credentials error among an error's causes.
pub(crate) fn credentials_error<'e>(error: &'e (dyn StdError + 'static)) -> Option<&'e CredentialsError> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_credentials_are_told_with_what_to_run() {
        let missing =
            no_credentials(&CredentialsError::not_loaded("nothing"), Some("prod"), Some("set `keys` in [stores.s]"));
        assert_eq!((missing.kind, missing.reason), (ErrorKind::Permission, "no AWS credentials were found"));
        assert_eq!(missing.hint, "run `aws configure --profile prod`, or set `keys` in [stores.s]");
        let expired = CredentialsError::provider_error("the SSO session has expired");
        assert_eq!(no_credentials(&expired, None, None).hint, "aws sso login");
        let late = CredentialsError::provider_timed_out(CREDENTIALS_LIMIT);
        assert_eq!(no_credentials(&late, None, None).kind, ErrorKind::Unavailable);
    }
}
