//! A notification with its secrets: ready to be sent.

use std::path::Path;

use reqwest::Certificate;
use snapkeep_providers::ErrorKind;
use snapkeep_providers::secret::{Secret, SecretRef};

use super::fault::Fault;
use super::http::{Language, Place};
use super::mail::Server;
use super::notice::Notice;
use crate::config::{Channel, Notification};
use crate::failure::{Code, Failure};

/// Where notifications go.
#[derive(Debug)]
pub(super) enum Ready {
    Http(Place),
    Mail(Server),
}

impl Ready {
    pub(super) async fn of(settings: &Notification, base: &Path) -> Result<Self, Failure> {
        let (language, url, bearer) = match &settings.channel {
            Channel::Email(email) => {
                let password = optional(email.password.as_ref(), base).await?;
                return Server::new(settings, email, base, password).map(Self::Mail);
            }
            Channel::Webhook(webhook) => (Language::Webhook, &webhook.url, webhook.bearer_token.as_ref()),
            Channel::Slack(address) => (Language::Slack, &address.url, None),
            Channel::Healthchecks(address) => (Language::Healthchecks, &address.url, None),
        };
        let url = url.resolve(base).await?;
        Place::new(language, settings, base, url, optional(bearer, base).await?).map(Self::Http)
    }

    /// The host, which is all of it that is shown.
    pub(super) fn host(&self) -> &str {
        match self {
            Self::Http(place) => place.host(),
            Self::Mail(server) => server.host(),
        }
    }

    /// Sends it once.
    pub(super) async fn send(&self, notice: &Notice) -> Result<(), Fault> {
        match self {
            Self::Http(place) => place.send(notice).await,
            Self::Mail(server) => server.send(notice).await,
        }
    }

    /// Whether it would be taken, as far as can be told without telling anything.
    pub(super) async fn reach(&self) -> Result<String, Fault> {
        match self {
            Self::Http(place) => {
                place.reach().await.map(|status| format!("{} answers ({})", place.host(), status.as_u16()))
            }
            Self::Mail(server) => server.reach().await.map(|how| format!("{} takes mail, {how}", server.host())),
        }
    }
}

async fn optional(secret: Option<&SecretRef>, base: &Path) -> Result<Option<Secret>, Failure> {
    match secret {
        Some(secret) => Ok(Some(secret.resolve(base).await?)),
        None => Ok(None),
    }
}

/// The authorities to trust beside the system's: PEM with one certificate at least.
pub(super) fn authorities(settings: &Notification, base: &Path) -> Result<Option<Vec<u8>>, Failure> {
    let Some(path) = settings.ca_file.as_ref().map(|file| base.join(file)) else { return Ok(None) };
    let unusable = |why: &str| {
        let message = format!("its `ca_file` {} can't be used: {why}", path.display());
        Failure { code: Code::Config, ..Failure::new(ErrorKind::Failed, message) }
    };
    let pem = std::fs::read(&path).map_err(|error| unusable(&error.to_string()))?;
    match Certificate::from_pem_bundle(&pem) {
        Ok(certificates) if !certificates.is_empty() => Ok(Some(pem)),
        Ok(_) | Err(_) => Err(unusable("there is no certificate in PEM in it")),
    }
}
