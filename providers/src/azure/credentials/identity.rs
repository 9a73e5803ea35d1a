//! Managed identities: whom Azure takes an app or a machine for.
//!
//! The tokens come from a server beside it, without encryption, as the platforms have it; no proxy is asked.
//! <https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token>,
//! <https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference>

use std::time::Duration;

use reqwest::{StatusCode, Url};
use serde_json::Value;

use super::answer::{Answer, Token, near, send};
use super::refusal::Asked;
use crate::error::Result;
use crate::secret::Secret;

/// The server of every machine in Azure; in other clouds another one has its address.
pub(super) const MACHINES: &str = "http://169.254.169.254";
/// It is near where it is at all.
const CONNECT: Duration = Duration::from_secs(2);

/// A managed identity; the user-assigned one `client`, or the system's.
#[derive(Clone, Debug)]
pub(super) enum Identity {
    /// App Service, Functions, Container Apps: `IDENTITY_ENDPOINT` and `IDENTITY_HEADER`.
    App { endpoint: String, header: Secret, client: Option<String> },
    /// Machines, scale sets, AKS.
    Machine { server: Server, client: Option<String> },
}

/// Whom a machine asks.
#[derive(Clone, Debug)]
pub(super) enum Server {
    /// Where `AZURE_POD_IDENTITY_AUTHORITY_HOST` says.
    Named(String),
    /// Where all of them ask, if this is one.
    OfAll(String),
}

impl Identity {
    /// A token; `None` where this is no machine of Azure's, or nobody has given it an identity.
    pub(super) async fn ask(&self, scope: &str) -> Result<Option<Token>> {
        let asked = self.asked();
        let resource = scope.strip_suffix("/.default").unwrap_or(scope);
        let (url, version) = match self {
            Self::App { endpoint, .. } => (endpoint.clone(), "2019-08-01"),
            Self::Machine { server: Server::Named(host) | Server::OfAll(host), .. } => {
                let host = host.trim_end_matches('/');
                (format!("{host}/metadata/identity/oauth2/token"), "2018-02-01")
            }
        };
        let wrong = |_| asked.unusable("the address that the environment names is none");
        let mut url = Url::parse(&url).map_err(wrong)?;
        url.query_pairs_mut().append_pair("api-version", version).append_pair("resource", resource);
        if let Self::App { client: Some(client), .. } | Self::Machine { client: Some(client), .. } = self {
            url.query_pairs_mut().append_pair("client_id", client);
        }
        let mut request = near(CONNECT).map_err(|error| asked.unanswered(error))?.get(url).header("Metadata", "true");
        let mut secrets = Vec::new();
        if let Self::App { header, .. } = self {
            request = request.header("X-IDENTITY-HEADER", header.expose());
            secrets.push(header);
        }
        let is_unnamed = matches!(self, Self::Machine { server: Server::OfAll(_), .. });
        match send(request, |error| is_unnamed && error.is_connect()).await {
            Err(error) if is_unnamed && error.is_connect() => Ok(None),
            Err(error) => Err(asked.unanswered(error)),
            Ok(answer) if is_unnamed && self.is_nobodys(&answer) => Ok(None),
            Ok(answer) => answer.token(&asked, &secrets).map(Some),
        }
    }

    /// Whether somebody answered who gives no tokens, or nobody has one to be given.
    fn is_nobodys(&self, answer: &Answer) -> bool {
        let Ok(body) = serde_json::from_slice::<Value>(&answer.body) else { return true };
        let is_azures = body["access_token"].is_string() || body["error"].is_string();
        let is_without = answer.status == StatusCode::BAD_REQUEST
            && matches!(self, Self::Machine { client: None, .. })
            && body["error_description"].as_str().is_some_and(|words| words.contains("Identity not found"));
        !is_azures || is_without
    }

    pub(super) fn asked(&self) -> Asked {
        let (place, client) = match self {
            Self::App { client, .. } => ("this app's managed identity", client.clone()),
            Self::Machine { client, .. } => ("this machine's managed identity", client.clone()),
        };
        let hint = match &client {
            Some(client) => format!("see that the identity AZURE_CLIENT_ID={client} is assigned to where this runs"),
            None => "see that an identity is assigned to where this runs; AZURE_CLIENT_ID names one of several".into(),
        };
        let what = client.as_ref().map_or_else(|| place.to_owned(), |client| format!("{place} {client}"));
        Asked { what, client, hint }
    }
}
