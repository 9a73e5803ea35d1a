//! An application of Entra's that proves who it is: by a secret, by a certificate, or by a token of somebody whom it trusts.

use std::path::PathBuf;

use chrono::Utc;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use url::{Url, form_urlencoded};

use super::answer::{Token, send};
use super::certificate::Certificate;
use super::refusal::Asked;
use crate::error::{Error, ErrorKind, Result};
use crate::rest::{Connections, is_open};
use crate::secret::Secret;

/// What says that the proof is a signed one.
const SIGNED: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// By what it proves who it is.
#[derive(Clone, Debug)]
pub(super) enum Proof {
    /// `AZURE_CLIENT_SECRET`.
    Secret(Secret),
    /// `AZURE_CLIENT_CERTIFICATE_PATH`, and whether the whole chain is sent.
    Certificate(PathBuf, Chain),
    /// `AZURE_FEDERATED_TOKEN_FILE`: what is in it is replaced by others all the time.
    Federated(PathBuf),
}

/// How much of a certificate's file is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chain {
    /// Its fingerprint: Entra knows the certificate.
    Fingerprint,
    /// All of it: Entra knows the name and who signs it.
    Whole,
}

#[derive(Clone, Debug)]
pub(super) struct Application {
    pub(super) tenant: String,
    pub(super) client: String,
    /// Who gives tokens.
    pub(super) authority: String,
    pub(super) proof: Proof,
}

impl Application {
    pub(super) async fn ask(&self, http: &Connections, scope: &str) -> Result<Token> {
        let asked = self.asked();
        let url = self.url()?;
        let (name, proof) = self.proof(&asked, &url).await?;
        let form = self.form(scope, name, &proof);
        let request = http.client().post(url).header(ACCEPT, "application/json");
        let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form);
        let answer = send(request, |_| false).await.map_err(|error| asked.unanswered(error))?;
        answer.token(&asked, &[&proof])
    }

    pub(super) fn asked(&self) -> Asked {
        let Self { client, .. } = self;
        let what = match &self.proof {
            Proof::Secret(_) => format!("AZURE_CLIENT_SECRET of the application {client}"),
            Proof::Certificate(file, _) => format!("the certificate in {}", file.display()),
            Proof::Federated(file) => format!("the token in {}", file.display()),
        };
        let hint = "compare AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_AUTHORITY_HOST with what the tenant has";
        Asked { what, client: Some(client.clone()), hint: hint.into() }
    }

    fn form(&self, scope: &str, name: &str, proof: &Secret) -> String {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("client_id", &self.client).append_pair("scope", scope);
        form.append_pair("grant_type", "client_credentials").append_pair(name, proof.expose());
        if name == "client_assertion" {
            form.append_pair("client_assertion_type", SIGNED);
        }
        form.finish()
    }

    /// The field of the form that has the proof, and the proof.
    async fn proof(&self, asked: &Asked, url: &Url) -> Result<(&'static str, Secret)> {
        match &self.proof {
            Proof::Secret(secret) => Ok(("client_secret", secret.clone())),
            Proof::Certificate(file, chain) => {
                let text = read(asked, file).await?;
                let certificate = Certificate::in_pem(&text, file, asked)?;
                let assertion = certificate.assertion(&self.client, url.as_str(), *chain, Utc::now());
                Ok(("client_assertion", assertion.map_err(|reason| asked.unusable(&reason))?))
            }
            Proof::Federated(file) => {
                let text = String::from_utf8(read(asked, file).await?).unwrap_or_default();
                let token = text.trim();
                if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
                    return Err(asked.unusable("what is in the file is no token").with_hint(listed(file)));
                }
                Ok(("client_assertion", Secret::new(token.to_owned())))
            }
        }
    }

    /// Where tokens of its tenant are given.
    fn url(&self) -> Result<Url> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte);
        let is_name = !self.tenant.trim_matches('.').is_empty() && self.tenant.bytes().all(plain);
        if !is_name {
            return Err(Error::new(ErrorKind::Permission, super::AZURE, "use", "AZURE_TENANT_ID", "it is no tenant")
                .with_hint("az account show --query tenantId"));
        }
        let unusable = |reason: String| {
            let hint =
                "correct `authority_host` in the target, or AZURE_AUTHORITY_HOST: https://login.microsoftonline.com";
            Error::new(ErrorKind::Permission, super::AZURE, "use", "the authority_host", reason).with_hint(hint)
        };
        crate::objects::check_endpoint(&self.authority).map_err(unusable)?;
        if is_open(&self.authority) {
            return Err(unusable("it is not encrypted, and credentials would go there".into()));
        }
        let url = format!("{}/{}/oauth2/v2.0/token", self.authority.trim_end_matches('/'), self.tenant);
        Url::parse(&url).map_err(|error| unusable(format!("it is no address: {error}")))
    }
}

async fn read(asked: &Asked, file: &std::path::Path) -> Result<Vec<u8>> {
    let unreadable = |error| asked.unusable("the file can't be read").with_hint(listed(file)).with_source(error);
    tokio::fs::read(file).await.map_err(unreadable)
}

fn listed(file: &std::path::Path) -> String {
    format!("ls -l {}", crate::shell::shell_word(&file.to_string_lossy()))
}
