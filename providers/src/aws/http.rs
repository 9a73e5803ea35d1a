//! `object_store`'s HTTP client, as AWS's SDK wants one: one TLS stack, one set of trusted authorities, one proxy.

use std::fmt;
use std::sync::{Arc, OnceLock, atomic};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use object_store::ClientOptions;
use object_store::client::{self, HttpConnector as _, HttpErrorKind, HttpRequestBody, ReqwestConnector};

/// For a whole answer, where `aws-config` sets no limit: it is a few hundred bytes.
const LIMIT: Duration = Duration::from_secs(30);

/// Connections for the SDK.
#[derive(Clone)]
pub(crate) struct Client {
    options: ClientOptions,
    /// Where connections are kept between requests.
    kept: Option<Arc<OnceLock<client::HttpClient>>>,
    clock: Option<Clock>,
}

impl Client {
    /// A client with these options; plain http is permitted, as the metadata services speak nothing else. Credentials are
    /// asked for once an hour: a pool of connections would only grow stale.
    pub(crate) fn new(options: &ClientOptions) -> Self {
        Self { options: options.clone().with_allow_http(true), kept: None, clock: None }
    }

    /// One that keeps its connections, and leaves it to the SDK how long a request may take.
    pub(crate) fn kept(options: &ClientOptions) -> Self {
        let options = options.clone().with_allow_http(true).with_timeout_disabled();
        Self { options, kept: Some(Arc::default()), clock: None }
    }

    /// The same connections, with a clock that hears what the answers say of the time.
    pub(crate) fn with_clock(&self, clock: Clock) -> Self {
        Self { clock: Some(clock), ..self.clone() }
    }

    fn connect(&self, settings: &HttpConnectorSettings) -> Result<client::HttpClient, ConnectorError> {
        let connect = |options| ReqwestConnector::default().connect(options).map_err(|error| user(error.into()));
        let Some(kept) = &self.kept else {
            let mut options = self.options.clone().with_timeout(settings.read_timeout().unwrap_or(LIMIT));
            if let Some(limit) = settings.connect_timeout() {
                options = options.with_connect_timeout(limit);
            }
            return connect(&options);
        };
        match kept.get() {
            Some(client) => Ok(client.clone()),
            None => {
                let client = connect(&self.options)?;
                Ok(kept.get_or_init(|| client).clone())
            }
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}

impl HttpClient for Client {
    fn http_connector(&self, settings: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(Connector { client: self.clone(), settings: settings.clone() })
    }
}

#[derive(Debug)]
struct Connector {
    client: Client,
    settings: HttpConnectorSettings,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (client, clock) = (self.client.connect(&self.settings), self.client.clock.clone());
        HttpConnectorFuture::new(async move {
            let client = client?;
            let request = request.try_into_http1x().map_err(|error| user(error.into()))?;
            let (parts, body) = request.into_parts();
            let body = body.bytes().map(Bytes::copy_from_slice).unwrap_or_default();
            let sent = client.execute(http::Request::from_parts(parts, HttpRequestBody::from(body))).await;
            let (parts, body) = sent.map_err(failed)?.into_parts();
            if let Some(clock) = clock {
                clock.hear(&parts.headers, Utc::now());
            }
            let body = body.bytes().await.map_err(failed)?;
            HttpResponse::try_from(http::Response::from_parts(parts, SdkBody::from(body)))
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

fn user(error: Box<dyn std::error::Error + Send + Sync>) -> ConnectorError {
    ConnectorError::user(error)
}

fn failed(error: client::HttpError) -> ConnectorError {
    match error.kind() {
        HttpErrorKind::Timeout => ConnectorError::timeout(error.into()),
        _ => ConnectorError::io(error.into()),
    }
}

/// How far the server's clock is ahead of ours, by the `Date` of its last answer.
#[derive(Clone, Debug)]
pub(crate) struct Clock(Arc<atomic::AtomicI64>);

/// No answer has told yet.
const UNKNOWN: i64 = i64::MIN;

impl Default for Clock {
    fn default() -> Self {
        Self(Arc::new(atomic::AtomicI64::new(UNKNOWN)))
    }
}

impl Clock {
    fn hear(&self, headers: &http::HeaderMap, now: DateTime<Utc>) {
        let date = headers.get(http::header::DATE).and_then(|date| date.to_str().ok());
        if let Some(date) = date.and_then(|date| DateTime::parse_from_rfc2822(date).ok()) {
            self.0.store((date.to_utc() - now).num_seconds(), atomic::Ordering::Relaxed);
        }
    }

    /// In whole seconds, as a `Date` tells no more.
    pub(crate) fn ahead(&self) -> Option<TimeDelta> {
        let seconds = self.0.load(atomic::Ordering::Relaxed);
        if seconds == UNKNOWN { None } else { TimeDelta::try_seconds(seconds) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_tells_how_far_the_server_is_ahead() {
        let (clock, mut headers) = (Clock::default(), http::HeaderMap::new());
        let now: DateTime<Utc> = "2026-11-22T02:15:00Z".parse().unwrap();
        clock.hear(&headers, now);
        headers.insert(http::header::DATE, "yesterday".parse().unwrap());
        clock.hear(&headers, now);
        assert_eq!(clock.ahead(), None, "no date, and none that can be read");
        headers.insert(http::header::DATE, "Sun, 22 Nov 2026 02:21:00 GMT".parse().unwrap());
        clock.hear(&headers, now);
        assert_eq!(clock.ahead(), Some(TimeDelta::minutes(6)));
    }
}
