//! The store's own HTTP client, as `aws-config` wants one: one TLS stack, one set of trusted authorities, one proxy.

use std::fmt;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use object_store::ClientOptions;
use object_store::client::{self, HttpConnector as _, HttpErrorKind, HttpRequestBody, ReqwestConnector};

/// For a whole answer, where `aws-config` sets no limit: it is a few hundred bytes.
const LIMIT: Duration = Duration::from_secs(30);

#[derive(Clone)]
pub(super) struct Client(ClientOptions);

impl Client {
    /// A client with these options; plain http is permitted, as the metadata services speak nothing else.
    pub(super) fn new(options: &ClientOptions) -> Self {
        Self(options.clone().with_allow_http(true))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}

impl HttpClient for Client {
    // Credentials are asked for once an hour: a pool of connections would only grow stale.
    fn http_connector(&self, settings: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        let mut options = self.0.clone().with_timeout(settings.read_timeout().unwrap_or(LIMIT));
        if let Some(limit) = settings.connect_timeout() {
            options = options.with_connect_timeout(limit);
        }
        SharedHttpConnector::new(Connector(options))
    }
}

#[derive(Debug)]
struct Connector(ClientOptions);

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let options = self.0.clone();
        HttpConnectorFuture::new(async move {
            let client = ReqwestConnector::default().connect(&options).map_err(|error| user(error.into()))?;
            let request = request.try_into_http1x().map_err(|error| user(error.into()))?;
            let (parts, body) = request.into_parts();
            let body = body.bytes().map(Bytes::copy_from_slice).unwrap_or_default();
            let sent = client.execute(http::Request::from_parts(parts, HttpRequestBody::from(body))).await;
            let (parts, body) = sent.map_err(failed)?.into_parts();
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
