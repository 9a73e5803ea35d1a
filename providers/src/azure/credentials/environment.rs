//! Where credentials are looked for, in the order of Azure's own libraries: the environment's application, workload identity,
//! managed identity, and last the sign-in of `az`.
//!
//! <https://learn.microsoft.com/azure/developer/rust/sdk/authentication/overview>

use std::path::PathBuf;

use super::AZURE;
use super::answer::Token;
use super::application::{Application, Chain, Proof};
use super::az::Az;
use super::identity::{Identity, MACHINES, Server};
use super::refusal::Asked;
use crate::error::{Error, ErrorKind, Result};
use crate::rest::Connections;
use crate::secret::Secret;

/// What the environment says. A variable that is empty is none, but for the secret: a pipeline that has lost it
/// sets it so.
#[derive(Clone, Debug, Default)]
pub(in crate::azure) struct Environment {
    /// `AZURE_TOKEN_CREDENTIALS`: which ways there are.
    pub(super) permitted: Option<String>,
    /// `AZURE_TENANT_ID`.
    pub(super) tenant: Option<String>,
    /// `AZURE_CLIENT_ID`.
    pub(super) client: Option<String>,
    /// `AZURE_CLIENT_SECRET`.
    pub(super) secret: Option<Secret>,
    /// `AZURE_CLIENT_CERTIFICATE_PATH`.
    pub(super) certificate: Option<PathBuf>,
    /// `AZURE_CLIENT_SEND_CERTIFICATE_CHAIN`.
    pub(super) sends_chain: Option<String>,
    /// `AZURE_FEDERATED_TOKEN_FILE`.
    pub(super) federated: Option<PathBuf>,
    /// `AZURE_AUTHORITY_HOST`.
    pub(super) authority: Option<String>,
    /// `IDENTITY_ENDPOINT`.
    pub(super) identity_endpoint: Option<String>,
    /// `IDENTITY_HEADER`.
    pub(super) identity_header: Option<Secret>,
    /// `IDENTITY_SERVER_THUMBPRINT` or `IMDS_ENDPOINT`: whose identity can't be asked for.
    pub(super) other_platform: Option<&'static str>,
    /// `AZURE_POD_IDENTITY_AUTHORITY_HOST`.
    pub(super) identity_host: Option<String>,
    /// Where machines of Azure's ask.
    pub(super) machines: String,
    /// The Azure CLI.
    pub(super) az: Vec<String>,
    /// Whose tenant the Azure CLI is to ask, unless `AZURE_TENANT_ID` names one.
    pub(super) subscription: Option<String>,
}

/// One way to a token.
#[derive(Clone, Debug)]
pub(super) enum Way {
    Application(Application),
    Identity(Identity),
    Az(Az),
}

impl Way {
    /// A token; `None` where nobody is named so.
    pub(super) async fn ask(&self, http: &Connections, scope: &str) -> Result<Option<Token>> {
        match self {
            Self::Application(application) => application.ask(http, scope).await.map(Some),
            Self::Identity(identity) => identity.ask(scope).await,
            Self::Az(az) => az.ask(scope).await,
        }
    }

    /// Why there was nobody, for people.
    pub(super) fn absence(&self) -> &'static str {
        match self {
            Self::Application(_) => "no application is named",
            Self::Identity(_) => "169.254.169.254 gives no token: this is no machine of Azure's, or it has no identity",
            Self::Az(_) => "there is no program az on the PATH",
        }
    }

    /// There was somebody, and is nobody any more.
    pub(super) fn is_gone(&self) -> Error {
        self.asked().useless("who gave the tokens is no longer there")
    }

    /// What it is, for people.
    pub(super) fn what(&self) -> String {
        self.asked().what
    }

    fn asked(&self) -> Asked {
        match self {
            Self::Application(application) => application.asked(),
            Self::Identity(identity) => identity.asked(),
            Self::Az(az) => az.asked(),
        }
    }
}

/// A name that `AZURE_TOKEN_CREDENTIALS` may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Environment,
    Workload,
    Managed,
    Az,
}

/// In their order.
const ALL: [(Kind, &str); 4] = [
    (Kind::Environment, "EnvironmentCredential"),
    (Kind::Workload, "WorkloadIdentityCredential"),
    (Kind::Managed, "ManagedIdentityCredential"),
    (Kind::Az, "AzureCliCredential"),
];

impl Environment {
    /// The same for a subscription, which may be of another tenant than `az` has chosen.
    pub(in crate::azure) fn of_subscription(self, subscription: &str) -> Self {
        Self { subscription: Some(subscription.to_owned()), ..self }
    }

    /// That of this process.
    pub(in crate::azure) fn of_process() -> Self {
        let raw = |name: &str| std::env::var_os(name);
        let path = |name: &str| raw(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let text = |name: &str| {
            let text = raw(name)?.to_string_lossy().trim().to_owned();
            (!text.is_empty()).then_some(text)
        };
        let secret = |name: &str| Some(Secret::new(raw(name)?.to_string_lossy().into_owned()));
        let other = ["IDENTITY_SERVER_THUMBPRINT", "IMDS_ENDPOINT"].into_iter().find(|name| text(name).is_some());
        Self {
            permitted: text("AZURE_TOKEN_CREDENTIALS"),
            tenant: text("AZURE_TENANT_ID"),
            client: text("AZURE_CLIENT_ID"),
            secret: secret("AZURE_CLIENT_SECRET"),
            certificate: path("AZURE_CLIENT_CERTIFICATE_PATH"),
            sends_chain: text("AZURE_CLIENT_SEND_CERTIFICATE_CHAIN"),
            federated: path("AZURE_FEDERATED_TOKEN_FILE"),
            authority: text("AZURE_AUTHORITY_HOST"),
            identity_endpoint: text("IDENTITY_ENDPOINT"),
            identity_header: text("IDENTITY_HEADER").map(Secret::new),
            other_platform: other,
            identity_host: text("AZURE_POD_IDENTITY_AUTHORITY_HOST"),
            machines: MACHINES.into(),
            az: vec!["az".into()],
            subscription: None,
        }
    }

    /// Where applications sign in, if it is said. Others write it without the scheme.
    pub(in crate::azure) fn authority_host(&self) -> Option<String> {
        let host = self.authority.as_deref()?;
        Some(if host.contains("://") { host.to_owned() } else { format!("https://{host}") })
    }

    /// The ways to ask, in this order: only one where somebody is named. Applications sign in at `authority`.
    pub(super) fn ways(&self, authority: &str) -> Result<Vec<Way>> {
        let permitted = self.permitted()?;
        let mut ways = Vec::new();
        for kind in permitted {
            let way = match kind {
                Kind::Environment => self.of_environment(authority)?,
                Kind::Workload => self.of_workload(authority)?,
                Kind::Managed => Some(Way::Identity(self.identity()?)),
                Kind::Az => {
                    let subscription = self.subscription.clone();
                    Some(Way::Az(Az { command: self.az.clone(), tenant: self.tenant.clone(), subscription }))
                }
            };
            match way {
                Some(way @ Way::Application(_)) => return Ok(vec![way]),
                way => ways.extend(way),
            }
        }
        Ok(ways)
    }

    fn permitted(&self) -> Result<Vec<Kind>> {
        let kinds = |wanted: &[Kind]| ALL.iter().map(|(kind, _)| *kind).filter(|kind| wanted.contains(kind)).collect();
        let Some(text) = &self.permitted else { return Ok(ALL.map(|(kind, _)| kind).to_vec()) };
        if text.eq_ignore_ascii_case("dev") {
            return Ok(kinds(&[Kind::Az]));
        }
        if text.eq_ignore_ascii_case("prod") {
            return Ok(kinds(&[Kind::Environment, Kind::Workload, Kind::Managed]));
        }
        match ALL.iter().find(|(_, name)| text.eq_ignore_ascii_case(name)) {
            Some((kind, _)) => Ok(vec![*kind]),
            None => {
                let known: Vec<&str> = ALL.iter().map(|(_, name)| *name).collect();
                let reason = format!("snapkeep has no {text:?}");
                Err(Error::new(ErrorKind::Permission, AZURE, "use", "AZURE_TOKEN_CREDENTIALS", reason)
                    .with_hint(format!("one of dev, prod, {}", known.join(", "))))
            }
        }
    }

    /// `EnvironmentCredential`: an application with a secret or a certificate.
    fn of_environment(&self, authority: &str) -> Result<Option<Way>> {
        let (name, proof) = match (&self.secret, &self.certificate) {
            (Some(secret), _) if !secret.expose().is_empty() => ("AZURE_CLIENT_SECRET", Proof::Secret(secret.clone())),
            (_, Some(file)) => {
                let whole =
                    self.sends_chain.as_deref().is_some_and(|text| text == "1" || text.eq_ignore_ascii_case("true"));
                let chain = if whole { Chain::Whole } else { Chain::Fingerprint };
                ("AZURE_CLIENT_CERTIFICATE_PATH", Proof::Certificate(file.clone(), chain))
            }
            (Some(_), None) if self.tenant.is_some() && self.client.is_some() && self.federated.is_none() => {
                let hint = "give it its value, or unset it";
                return Err(unusable("AZURE_CLIENT_SECRET", "it is set, and empty").with_hint(hint));
            }
            _ => return Ok(None),
        };
        self.application(name, proof, authority).map(Some)
    }

    /// `WorkloadIdentityCredential`: an application that trusts who has signed a token.
    fn of_workload(&self, authority: &str) -> Result<Option<Way>> {
        let Some(file) = &self.federated else { return Ok(None) };
        self.application("AZURE_FEDERATED_TOKEN_FILE", Proof::Federated(file.clone()), authority).map(Some)
    }

    fn application(&self, by: &str, proof: Proof, authority: &str) -> Result<Way> {
        let missing = |name| unusable(by, &format!("{name} is not set")).with_hint(format!("export {name}=..."));
        let tenant = self.tenant.clone().ok_or_else(|| missing("AZURE_TENANT_ID"))?;
        let client = self.client.clone().ok_or_else(|| missing("AZURE_CLIENT_ID"))?;
        Ok(Way::Application(Application { tenant, client, authority: authority.to_owned(), proof }))
    }

    /// `ManagedIdentityCredential`.
    fn identity(&self) -> Result<Identity> {
        let client = self.client.clone();
        match (&self.identity_endpoint, &self.identity_header, self.other_platform) {
            (Some(_), _, Some(variable)) => {
                let reason = "the managed identities of Service Fabric and of Azure Arc are not asked for";
                Err(unusable(variable, reason)
                    .with_hint("set AZURE_TOKEN_CREDENTIALS to another way, or `access_token` in the target"))
            }
            (Some(endpoint), Some(header), None) => {
                Ok(Identity::App { endpoint: endpoint.clone(), header: header.clone(), client })
            }
            _ => {
                let server = match &self.identity_host {
                    Some(host) => Server::Named(host.clone()),
                    None => Server::OfAll(self.machines.clone()),
                };
                Ok(Identity::Machine { server, client })
            }
        }
    }

    /// Nobody is named anywhere; `absent` is where it was looked.
    pub(super) fn nobody(&self, absent: &[&str]) -> Error {
        let login = match &self.tenant {
            Some(tenant) => format!("az login --tenant {tenant}"),
            None => "az login".into(),
        };
        let variables = "AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET";
        let error = Error::new(ErrorKind::Permission, AZURE, "sign in to", "Azure", "no Azure credentials were found")
            .with_hint(format!("run `{login}`, or set {variables}, or `access_token` in the target"));
        let only = self.permitted.as_ref().map(|permitted| format!("AZURE_TOKEN_CREDENTIALS permits {permitted} only"));
        let told: Vec<&str> = only.as_deref().into_iter().chain(absent.iter().copied()).collect();
        error.with_source(told.join("; "))
    }
}

fn unusable(what: &str, reason: &str) -> Error {
    Error::new(ErrorKind::Permission, AZURE, "use", what, reason)
}
