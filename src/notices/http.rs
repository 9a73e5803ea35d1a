//! Notifications by HTTP: what is posted where, and what an answer means.
//!
//! An address is a secret: of all that is said of it only the host is shown. A redirect is not followed, as the secret would go
//! along.

use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, Utc};
use percent_encoding::percent_decode_str;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Response, StatusCode, Url};
use snapkeep_providers::ErrorKind;
use snapkeep_providers::secret::Secret;

use super::fault::{Fault, last_cause};
use super::notice::Notice;
use super::ready::authorities;
use super::words;
use crate::config::{Event, Notification};
use crate::failure::{Code, Failure};

/// How much of an answer is looked at, in bytes.
const LOOKED_AT: usize = 1_000;
/// How much of it is shown.
const SHOWN: usize = 200;
/// Parts of an address that are shorter are no secrets: `hooks`, `v1`.
const SECRET: usize = 8;

/// What is spoken there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    Webhook,
    Slack,
    Healthchecks,
}

/// A place that takes notifications.
#[derive(Debug)]
pub(super) struct Place {
    language: Language,
    client: Client,
    limit: Duration,
    url: Secret,
    parsed: Url,
    bearer: Option<Secret>,
}

impl Place {
    pub(super) fn new(
        language: Language,
        settings: &Notification,
        base: &Path,
        url: Secret,
        bearer: Option<Secret>,
    ) -> Result<Self, Failure> {
        let parsed = Url::parse(url.expose().trim()).ok();
        let parsed = parsed.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let parsed = parsed.ok_or_else(|| {
            let failure = Failure::new(ErrorKind::Failed, "what `url` refers to is no address");
            Failure { code: Code::Config, ..failure }.with_hint("it begins with https:// or http://")
        })?;
        let limit = settings.limit();
        let client = client(settings, base)?;
        Ok(Self { language, client, limit, url, parsed, bearer })
    }

    pub(super) fn host(&self) -> &str {
        self.parsed.host_str().unwrap_or_default()
    }

    /// Sends it once.
    pub(super) async fn send(&self, notice: &Notice) -> Result<(), Fault> {
        let (url, kind, body) = posted(self.language, &self.parsed, notice);
        let mut request = self.client.post(url).header(CONTENT_TYPE, kind).body(body);
        if let Some(bearer) = &self.bearer {
            let value = HeaderValue::try_from(format!("Bearer {}", bearer.expose()));
            let mut value = value.map_err(|_| Fault::last("the bearer token can't be sent in a header"))?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let response = request.send().await.map_err(|error| self.unanswered(error))?;
        let (status, asked) = (response.status(), asked(response.headers(), Utc::now()));
        let said = said(response).await;
        judge(self.language, status, asked, &said, &self.redacted(&said))
    }

    /// Whether there is somebody: asks for the root of the host, where nothing is told and nothing is secret.
    pub(super) async fn reach(&self) -> Result<StatusCode, Fault> {
        let mut root = self.parsed.clone();
        root.set_path("/");
        root.set_query(None);
        root.set_fragment(None);
        // A root has no user and no password; those that can't be taken away are not there.
        let _ = (root.set_username(""), root.set_password(None));
        let response = self.client.head(root).send().await.map_err(|error| self.unanswered(error))?;
        Ok(response.status())
    }

    fn unanswered(&self, error: reqwest::Error) -> Fault {
        let error = error.without_url();
        if error.is_timeout() {
            return Fault::passing(format!("no answer within {} s", self.limit.as_secs()), None);
        }
        let reason = self.redacted(&last_cause(&error));
        if let Some(reason) = reason.strip_prefix("invalid peer certificate: ") {
            // A certificate that signed itself is no authority's, and none that `ca_file` could name.
            let of_itself = reason.contains("CaUsedAsEndEntity");
            let reason = if of_itself { "it is an authority's own, not one for a server" } else { reason };
            return Fault::last(format!("its certificate is not accepted: {reason}"))
                .with_hint("name the authority that signed it in `ca_file`");
        }
        if error.is_builder() { Fault::last(reason) } else { Fault::passing(reason, None) }
    }

    /// Every part of the address but its host, as it is written and as a server may read it, the longest first; and the token.
    fn secrets(&self) -> Vec<String> {
        let url = &self.parsed;
        let mut secrets = vec![self.url.expose().trim().to_owned(), url.to_string(), url.path().to_owned()];
        let mut parts: Vec<&str> = url.path_segments().into_iter().flatten().collect();
        parts.extend(url.query());
        parts.extend(url.query().into_iter().flat_map(|query| query.split(['&', '='])));
        parts.extend([url.username(), url.password().unwrap_or_default()]);
        let basic = [url.username(), url.password().unwrap_or_default()].map(decoded).join(":");
        secrets.push(BASE64_STANDARD.encode(basic));
        secrets.extend(parts.iter().map(|part| decoded(part)));
        secrets.extend(parts.into_iter().map(ToOwned::to_owned));
        secrets.extend(self.bearer.as_ref().map(|bearer| bearer.expose().to_owned()));
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        secrets
    }

    /// A text from there, on one line and without what is secret here.
    fn redacted(&self, text: &str) -> String {
        let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
        let hide = |text: String, secret: &String| text.replace(secret.as_str(), "***");
        let secrets = self.secrets();
        let line = secrets.iter().filter(|secret| secret.len() >= SECRET).fold(line.to_owned(), hide);
        crate::render::visible(&line.chars().take(SHOWN).collect::<String>())
    }
}

/// What stands behind percent signs.
fn decoded(part: &str) -> String {
    percent_decode_str(part).decode_utf8_lossy().into_owned()
}

fn client(settings: &Notification, base: &Path) -> Result<Client, Failure> {
    let mut builder = Client::builder()
        .user_agent(concat!("snapkeep/", env!("CARGO_PKG_VERSION")))
        .timeout(settings.limit())
        .redirect(Policy::none())
        .referer(false);
    let failed = |error: reqwest::Error| Failure::new(ErrorKind::Failed, last_cause(&error.without_url()));
    if let Some(pem) = authorities(settings, base)? {
        builder = builder.tls_certs_merge(Certificate::from_pem_bundle(&pem).map_err(failed)?);
    }
    builder.build().map_err(failed)
}

/// The address, the type and the body of a notification.
fn posted(language: Language, url: &Url, notice: &Notice) -> (Url, &'static str, String) {
    const JSON: &str = "application/json";
    match language {
        Language::Webhook => (url.clone(), JSON, serde_json::to_string(notice).unwrap_or_default()),
        Language::Slack => (url.clone(), JSON, words::slack(notice).to_string()),
        Language::Healthchecks => (ping(url, notice), "text/plain; charset=utf-8", words::text(notice)),
    }
}

/// The address of a signal, with the run it belongs to: <https://healthchecks.io/docs/http_api/>.
fn ping(url: &Url, notice: &Notice) -> Url {
    let mut url = url.clone();
    let signal = match notice.event {
        Event::Start => Some("start"),
        Event::Failure => Some("fail"),
        Event::Success => None,
    };
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(signal);
    }
    url.query_pairs_mut().append_pair("rid", &notice.run_id);
    url
}

/// What an answer means; `said` is its beginning, and `shown` what of it may be shown.
fn judge(
    language: Language,
    status: StatusCode,
    asked: Option<Duration>,
    said: &str,
    shown: &str,
) -> Result<(), Fault> {
    const ADDRESS: &str = "check its `url`";
    if status.is_success() {
        // Of a check that it doesn't know, and of too many pings, the hosted service says 200.
        return match said.trim() {
            "OK (not found)" if language == Language::Healthchecks => {
                Err(Fault::last("it knows no such check").with_hint(ADDRESS))
            }
            "OK (rate limited)" if language == Language::Healthchecks => Err(Fault::passing("too many pings", asked)),
            _ => Ok(()),
        };
    }
    let shown = if shown.is_empty() { String::new() } else { format!(": {shown}") };
    let reason = format!("it answered {status}{shown}");
    Err(match status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => Fault::passing(reason, asked),
        status if status.is_server_error() => Fault::passing(reason, asked),
        status if status.is_redirection() => Fault::last(format!("it answered {status}, which is not followed"))
            .with_hint("name the new address in its `url`"),
        _ => Fault::last(reason).with_hint(ADDRESS),
    })
}

/// The pause that an answer asks for, in seconds or as a date.
fn asked(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    match text.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => Some((DateTime::parse_from_rfc2822(text).ok()?.to_utc() - now).to_std().unwrap_or_default()),
    }
}

/// The beginning of an answer's body; nothing of one that breaks off.
async fn said(mut response: Response) -> String {
    let mut body = Vec::new();
    while body.len() < LOOKED_AT {
        match response.chunk().await {
            Ok(Some(bytes)) => body.extend_from_slice(&bytes),
            Ok(None) | Err(_) => break,
        }
    }
    String::from_utf8_lossy(&body[..body.len().min(LOOKED_AT)]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::super::fault::Again;
    use super::super::notice::tests::notice;
    use super::*;

    #[test]
    fn pings_name_the_signal_and_the_run() {
        let ping = |url: &str, event| {
            let url = ping(&Url::parse(url).unwrap(), &notice(event, Vec::new(), Vec::new()));
            url.to_string().replace("00000000-0000-4000-8000-000000000000", "RUN")
        };
        assert_eq!(ping("https://hc.example/abc", Event::Success), "https://hc.example/abc?rid=RUN");
        assert_eq!(ping("https://hc.example/abc/", Event::Start), "https://hc.example/abc/start?rid=RUN");
        assert_eq!(
            ping("https://hc.example/k/s?create=1", Event::Failure),
            "https://hc.example/k/s/fail?create=1&rid=RUN"
        );
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let again = |status: u16| {
            let status = StatusCode::from_u16(status).unwrap();
            judge(Language::Webhook, status, None, "", "").map_err(|fault| fault.again)
        };
        assert_eq!(again(200), Ok(()));
        assert_eq!(again(204), Ok(()));
        for status in [408, 429, 500, 502, 503, 504] {
            assert_eq!(again(status), Err(Again::After(None)), "{status}");
        }
        for status in [301, 307, 400, 401, 403, 404, 410, 413] {
            assert_eq!(again(status), Err(Again::Never), "{status}");
        }
    }

    #[test]
    fn a_check_that_is_not_known_is_no_success() {
        let judge = |language, said: &str| judge(language, StatusCode::OK, None, said, said);
        assert_eq!(judge(Language::Healthchecks, "OK"), Ok(()));
        assert!(judge(Language::Healthchecks, "OK (not found)").is_err_and(|fault| fault.again == Again::Never));
        assert!(
            judge(Language::Healthchecks, "OK (rate limited)").is_err_and(|fault| fault.again == Again::After(None))
        );
        assert_eq!(judge(Language::Webhook, "OK (not found)"), Ok(()));
    }

    #[test]
    fn a_pause_is_asked_for_in_seconds_or_by_a_date() {
        let asked = |text: &'static str| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(text))]);
            super::asked(&headers, DateTime::from_timestamp(1_445_412_480, 0).unwrap())
        };
        assert_eq!(asked("7"), Some(Duration::from_secs(7)));
        assert_eq!(asked("Wed, 21 Oct 2015 07:28:30 GMT"), Some(Duration::from_secs(30)));
        assert_eq!(asked("Wed, 21 Oct 2015 07:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(asked("soon"), None);
    }

    #[test]
    fn nothing_of_an_address_but_its_host_is_shown() {
        let text = "version = 1\n[notifications.n]\ntype = \"slack\"\nurl = { env = \"X\" }";
        let config = crate::config::parse(text, Path::new("/x")).unwrap();
        let url = Secret::new("https://u:passw0rd@hooks.example/services/T0000/B00000000?token=sesame42\n".into());
        let bearer = Some(Secret::new("bearer-token".into()));
        let place = Place::new(Language::Webhook, &config.notifications["n"], Path::new("/"), url, bearer).unwrap();
        let said = "\n no B00000000 at /services/T0000/B00000000?token=sesame42, passw0rd, bearer-token\u{7}\nmore";
        assert_eq!(place.redacted(said), "no *** at ***?***, ***, ***\\u{7}");
        assert_eq!(place.redacted("no ['sesame42'], Basic dTpwYXNzdzByZA=="), "no ['***'], Basic ***");
        assert_eq!(place.host(), "hooks.example");
        assert!(!format!("{:?}", place.url).contains("hooks"));
    }
}
