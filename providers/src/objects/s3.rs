//! The few requests to S3 that `object_store` has none for: retentions, unfinished uploads, copies between buckets.
//!
//! Signed by `object_store`'s own authorizer, sent by its HTTP client, with the credentials of the store. Each request
//! here may be sent twice, and is sent again when the first got no answer that tells anything.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use object_store::aws::{AmazonS3, AwsAuthorizer};
use object_store::client::{HttpClient, HttpRequestBody};
use object_store::path::Path;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::settings::ObjectLock;

mod copy;
mod retention;
mod uploads;

pub(crate) use uploads::Upload;

type Result<T, E = object_store::Error> = std::result::Result<T, E>;

/// After this long no request is sent again.
const RETRY_LIMIT: Duration = Duration::from_secs(3 * 60);
/// No answer is longer than this: a thousand uploads, or as many parts.
const ANSWER_LIMIT: u64 = 8 << 20;
/// How long to wait before the second time, and at most before any.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(15));
/// What is left as it is in a query, and beside the slash in a key:
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const KEY: &AsciiSet = &QUERY.remove(b'/');

/// A bucket, as those requests need it.
#[derive(Clone, Debug)]
pub(crate) struct S3Bucket {
    pub(super) store: Arc<AmazonS3>,
    pub(super) client: HttpClient,
    /// The bucket's own URL, without a slash at its end.
    pub(super) url: String,
    pub(super) name: String,
    pub(super) region: String,
    pub(super) prefix: Path,
    pub(super) storage_class: Option<String>,
    pub(super) kms_key_id: Option<String>,
    pub(super) retries: u32,
    /// The retention that new objects get.
    pub(super) lock: Option<ObjectLock>,
}

/// A request to a key, or to the bucket itself.
#[derive(Default)]
struct Request<'a> {
    method: Method,
    key: Option<&'a str>,
    query: &'a [(&'a str, &'a str)],
    headers: HeaderMap,
    body: Bytes,
}

impl S3Bucket {
    pub(super) fn store(&self) -> Arc<AmazonS3> {
        self.store.clone()
    }

    /// The retention that new objects get.
    pub(crate) fn lock(&self) -> Option<ObjectLock> {
        self.lock
    }

    /// An object's key, the prefix included.
    fn key(&self, path: &Path) -> String {
        Path::from_iter(self.prefix.parts().chain(path.parts())).to_string()
    }

    fn url(&self, request: &Request<'_>) -> String {
        let key = utf8_percent_encode(request.key.unwrap_or_default(), KEY);
        let encoded = |text| utf8_percent_encode(text, QUERY);
        let query = request.query.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value)));
        format!("{}/{key}?{}", self.url, query.collect::<Vec<_>>().join("&"))
    }

    /// Sends a request until there is an answer that tells something, and gives its body.
    async fn send(&self, request: &Request<'_>) -> Result<Bytes> {
        let (begun, (mut pause, longest)) = (Instant::now(), PAUSES);
        for attempt in 0.. {
            let error = match self.send_once(request).await {
                Ok(Ok(body)) => return Ok(body),
                Ok(Err(refused)) if !refused.is_passing() => return Err(refused.into()),
                Ok(Err(failed)) => failed.into(),
                // Credentials were asked for as often as makes sense.
                Err(error) if matches!(error, object_store::Error::Generic { store: "S3", .. }) => return Err(error),
                Err(error) => error,
            };
            if attempt >= self.retries || begun.elapsed() > RETRY_LIMIT {
                return Err(error);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(longest);
        }
        Ok(Bytes::new())
    }

    async fn send_once(&self, request: &Request<'_>) -> Result<Result<Bytes, Refused>> {
        let failed =
            |error: Box<dyn StdError + Send + Sync>| object_store::Error::Generic { store: "HTTP", source: error };
        let mut signed = http::Request::builder().method(&request.method).uri(self.url(request));
        if let Some(headers) = signed.headers_mut() {
            *headers = request.headers.clone();
        }
        let signed = signed.body(HttpRequestBody::from(request.body.clone()));
        let mut signed = signed.map_err(|error| failed(error.into()))?;
        let credential = self.store.credentials().get_credential().await?;
        AwsAuthorizer::new(&credential, "s3", &self.region).try_authorize(&mut signed, None)?;
        let answer = self.client.execute(signed).await.map_err(|error| failed(error.into()))?;
        let status = answer.status();
        // Every answer to what is asked here is small. A store that doesn't know the question may send the object itself,
        // which is no answer.
        let length =
            answer.headers().get(http::header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        if length.is_some_and(|length: u64| length > ANSWER_LIMIT) {
            return Ok(Ok(Bytes::from_static(b"it is no answer")));
        }
        let body = answer.into_body().bytes().await.map_err(|error| failed(error.into()))?;
        // A copy that takes long is answered with 200 before it has failed:
        // <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html>.
        let late = status.is_success() && body.windows(7).take(200).any(|window| window == b"<Error>");
        Ok(if status.is_success() && !late { Ok(body) } else { Err(Refused::new(status, &body)) })
    }
}

/// Reads an answer.
fn parsed<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    quick_xml::de::from_reader(body)
        .map_err(|error| object_store::Error::Generic { store: "S3", source: Box::new(error) })
}

/// S3 said no.
#[derive(Debug)]
pub(super) struct Refused {
    status: StatusCode,
    pub(super) code: String,
    message: String,
}

impl Refused {
    fn new(status: StatusCode, body: &[u8]) -> Self {
        #[derive(Default, Deserialize)]
        #[serde(rename_all = "PascalCase", default)]
        struct Body {
            code: String,
            message: String,
        }
        let Body { code, message } = quick_xml::de::from_reader(body).unwrap_or_default();
        // An error below 200 is one of the server's.
        let status = if status.is_success() { StatusCode::SERVICE_UNAVAILABLE } else { status };
        Self { status, code, message }
    }

    /// Whether the same request may succeed soon.
    fn is_passing(&self) -> bool {
        self.status.is_server_error() && self.status != StatusCode::NOT_IMPLEMENTED
            || matches!(self.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
    }

    /// Whether the server has no such request.
    fn is_unknown(&self) -> bool {
        matches!(self.status, StatusCode::NOT_IMPLEMENTED | StatusCode::METHOD_NOT_ALLOWED)
    }

    /// What S3 refused, where an error is a refusal.
    pub(super) fn of(error: &object_store::Error) -> Option<&Self> {
        crate::error::causes(error).find_map(|cause| cause.downcast_ref())
    }
}

impl fmt::Display for Refused {
    // As object_store writes a status, so that one place tells what an error means.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "S3 answered with status code: {} {}: {}", self.status.as_u16(), self.code, self.message)
    }
}

impl StdError for Refused {}

impl From<Refused> for object_store::Error {
    fn from(refused: Refused) -> Self {
        match refused.status {
            StatusCode::NOT_FOUND => Self::NotFound { path: String::new(), source: Box::new(refused) },
            _ => Self::Generic { store: "S3", source: Box::new(refused) },
        }
    }
}
