//! `object_store`'s HTTP client, as AWS's SDK wants one: one TLS stack, one set of trusted authorities, one proxy.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use chrono::Utc;
use object_store::ClientOptions;
use object_store::client::{self, HttpConnector as _, HttpErrorKind, HttpRequestBody, ReqwestConnector};

use crate::clock::Clock;

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

    /// The connections themselves, for what the SDK has no call for.
    pub(super) fn direct(&self) -> Result<client::HttpClient, ConnectorError> {
        self.connect(&HttpConnectorSettings::builder().build())
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
