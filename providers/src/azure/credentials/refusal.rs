//! What a refusal means, and what to do about it.
//!
//! <https://learn.microsoft.com/entra/identity-platform/reference-error-codes>

use reqwest::StatusCode;
use serde_json::Value;

use super::AZURE;
use crate::error::{Error, ErrorKind};
use crate::rest::{bounded, of_page};
use crate::secret::Secret;
use crate::shell::shell_word;

/// Letters that are kept of what was said.
const SAID: usize = 500;

/// Who was asked for a token, for whom.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// What is used: `the certificate in /etc/snapkeep/azure.pem`.
    pub(super) what: String,
    /// The application or the user-assigned identity.
    pub(super) client: Option<String>,
    /// What to look at where nothing else is known.
    pub(super) hint: String,
}

impl Asked {
    fn error(&self, kind: ErrorKind, reason: &str) -> Error {
        Error::new(kind, AZURE, "use", &self.what, reason)
    }

    /// What can't be used, whoever is asked.
    pub(super) fn unusable(&self, reason: &str) -> Error {
        self.error(ErrorKind::Permission, reason)
    }

    /// The answer is one, but no good.
    pub(super) fn useless(&self, reason: &str) -> Error {
        self.error(ErrorKind::Unavailable, reason)
    }

    /// There was no answer.
    pub(super) fn unanswered(&self, error: reqwest::Error) -> Error {
        let reason = match () {
            () if error.is_timeout() => "who gives the token did not answer in time",
            () if error.is_connect() => "who gives the token can't be reached",
            () => "the connection to who gives the token broke off",
        };
        self.error(ErrorKind::Unavailable, reason).with_source(error.without_url())
    }

    /// What came is neither a token nor a refusal: a proxy's page, a sign-in of a network.
    pub(super) fn answered_by_another(&self, status: StatusCode, body: &[u8]) -> Error {
        // A text that begins like JSON may have a token in it.
        let text = String::from_utf8_lossy(body);
        let page = if text.trim_start().starts_with('<') { bounded(&of_page(&text), SAID) } else { String::new() };
        let said = if page.is_empty() { status.to_string() } else { format!("{status}: {page}") };
        self.error(ErrorKind::Unavailable, "who answered is not who gives tokens")
            .with_hint("look at what is in between: HTTPS_PROXY, NO_PROXY, the authority")
            .with_source(said)
    }

    /// There is no token, and why. None of `secrets` is repeated.
    pub(super) fn refused(&self, status: StatusCode, body: &[u8], secrets: &[&Secret]) -> Error {
        let Some(said) = Said::of(body) else { return self.answered_by_another(status, body) };
        let plain = secrets.iter().filter(|secret| !secret.expose().is_empty());
        let text = plain.fold(said, |text, secret| text.replace(secret.expose(), "***"));
        let text = bounded(&text, SAID);
        let source = format!("{status}: {text}");
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS || aadsts(&text) == Some(90033) {
            let kind = if status == StatusCode::TOO_MANY_REQUESTS { ErrorKind::Busy } else { ErrorKind::Unavailable };
            return self.error(kind, "who gives the token has a failure of its own").with_source(source);
        }
        let (reason, hint) = self.meaning(&text);
        self.unusable(reason).with_hint(hint).with_source(source)
    }

    /// A reason and a hint for what was said.
    fn meaning(&self, said: &str) -> (&'static str, String) {
        let client = shell_word(self.client.as_deref().unwrap_or("CLIENT_ID"));
        match aadsts(said).unwrap_or_default() {
            7_000_215 => (
                "the secret is not one of the application's; its value is wanted, not its id",
                format!("make another: az ad app credential reset --append --id {client}"),
            ),
            7_000_222 => {
                ("the secret has run out", format!("make another: az ad app credential reset --append --id {client}"))
            }
            700_016 => (
                "the tenant has no such application",
                format!("compare AZURE_CLIENT_ID and AZURE_TENANT_ID: az ad sp show --id {client}"),
            ),
            7_000_229 => {
                ("the application has no service principal in the tenant", format!("az ad sp create --id {client}"))
            }
            7_000_112 => ("the application is disabled", format!("az ad sp show --id {client} --query accountEnabled")),
            90_002 | 900_023 => (
                "there is no such tenant in this cloud",
                "compare AZURE_TENANT_ID and AZURE_AUTHORITY_HOST: az account show --query tenantId".into(),
            ),
            90_038 | 900_382 | 900_432 | 900_439 | 500_011 => (
                "the tenant and the API are in different ones of Microsoft's clouds",
                "az cloud show --query \"[endpoints.activeDirectory, endpoints.resourceManager]\"".into(),
            ),
            700_027 => (
                "the certificate is not one of the application's, or has run out",
                format!("az ad app credential list --cert --id {client}"),
            ),
            700_024 => ("what was signed is not good now", "compare the clock: date -u".into()),
            70_021 | 700_211..=700_213 | 700_238 => (
                "no federated credential of the application is for this token's issuer, subject and audience",
                format!("az ad app federated-credential list --id {client}"),
            ),
            _ => ("no token is given for it", self.hint.clone()),
        }
    }
}

/// The number of the first code of Microsoft's in a text.
fn aadsts(text: &str) -> Option<u32> {
    let (_, rest) = text.split_once("AADSTS")?;
    let digits = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
    rest[..digits].parse().ok()
}

/// The words of a refusal.
struct Said;

impl Said {
    /// OAuth's `error` and `error_description`, and what the platforms write; `None` for what is no JSON of theirs.
    fn of(body: &[u8]) -> Option<String> {
        let body: Value = serde_json::from_slice(body).ok()?;
        let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(ToOwned::to_owned);
        let within = &body["error"];
        let code = text(within).or_else(|| text(&within["code"]));
        let words = [&body["error_description"], &within["message"], &body["message"], &body["Message"]];
        let words = words.into_iter().find_map(text);
        match (code, words) {
            (None, None) => None,
            (code, words) => Some([code, words].into_iter().flatten().collect::<Vec<_>>().join(": ")),
        }
    }
}
