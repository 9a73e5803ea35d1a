//! Google Cloud Storage in this process: the part of its XML API that moves objects, as Google documents it at
//! <https://cloud.google.com/storage/docs/xml-api/reference-methods>. What it doesn't simulate it answers with 501, so
//! that no test passes by a header or parameter that was ignored.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{HeaderMap, Method, Request, Response, StatusCode, header};

use super::query::{decoded, parameters};
use super::serve::{Broken, Serving};
use bucket::{Bucket, Refusal, refuse};

mod answers;
mod bucket;
mod token;

use answers::{created, error, found, joined, listed, plain, started};

const GENERATION_MATCH: &str = "x-goog-if-generation-match";
const COPY_SOURCE: &str = "x-goog-copy-source";
/// As many as Google gives.
const PAGE: usize = 1000;

type Answer = Result<Response<Full<Bytes>>, Refusal>;

/// A simulator of the service with one bucket. It is gone when dropped.
pub(crate) struct Gcs {
    serving: Serving,
    shared: Arc<Mutex<Shared>>,
}

/// What requests and the test both see.
struct Shared {
    bucket: Bucket,
    page: usize,
    service_accounts: Vec<String>,
}

impl Gcs {
    /// A dash in it, as most have, which the client sends percent-encoded.
    pub(crate) const BUCKET: &str = "test-bucket";
    /// The bearer token that is let in; distinct, so that a test can look for it where no secret belongs.
    pub(crate) const TOKEN: &str = "gcs-test-secret";

    pub(crate) fn start() -> Self {
        let shared = Shared { bucket: Bucket::new(), page: PAGE, service_accounts: Vec::new() };
        let shared = Arc::new(Mutex::new(shared));
        let served = Arc::clone(&shared);
        let serving = Serving::start(move |request| answer(Arc::clone(&served), request));
        Self { serving, shared }
    }

    /// What a client takes as the base URL.
    pub(crate) fn endpoint(&self) -> String {
        self.serving.url()
    }

    /// Lets a service account in as well, by tokens that it signs itself. Their signature is not checked.
    pub(crate) fn trust(&self, service_account: &str) {
        lock(&self.shared).service_accounts.push(service_account.to_owned());
    }

    /// Lists give at most `entries` at a time.
    pub(crate) fn page(&self, entries: usize) {
        lock(&self.shared).page = entries;
    }

    /// Everything stored, by name.
    pub(crate) fn objects(&self) -> BTreeMap<String, Bytes> {
        lock(&self.shared).bucket.all().map(|(name, object)| (name.clone(), object.data.clone())).collect()
    }

    /// The names for which an upload in parts was begun and neither completed nor aborted.
    pub(crate) fn unfinished(&self) -> Vec<String> {
        lock(&self.shared).bucket.uploads().map(ToOwned::to_owned).collect()
    }

    /// Flips a bit of a stored byte; nothing but the data tells.
    pub(crate) fn flip(&self, name: &str, at: usize) {
        lock(&self.shared).bucket.flip(name, at);
    }
}

/// What a failing test left is still worth a look.
fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A request, taken apart.
struct Call {
    method: Method,
    bucket: String,
    object: Option<String>,
    query: BTreeMap<String, String>,
    headers: HeaderMap,
    body: Bytes,
}

impl Call {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    fn parameter(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }
}

/// A body that breaks off changes nothing.
async fn answer(shared: Arc<Mutex<Shared>>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Broken> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let (bucket, object) = match head.uri.path()[1..].split_once('/') {
        Some((bucket, object)) if !object.is_empty() => (bucket, Some(decoded(object))),
        Some((bucket, _)) => (bucket, None),
        None => (&head.uri.path()[1..], None),
    };
    let query = parameters(head.uri.query().unwrap_or_default());
    let bucket = decoded(bucket);
    let call = Call { method: head.method, bucket, object, query, headers: head.headers, body };
    Ok(respond(&mut lock(&shared), &call).unwrap_or_else(|refusal| error(&refusal)))
}

fn respond(shared: &mut Shared, call: &Call) -> Answer {
    if !token::valid(call.header("authorization"), &shared.service_accounts) {
        return refuse(StatusCode::UNAUTHORIZED, "AuthenticationRequired", "the token is missing or wrong");
    }
    if call.bucket != Gcs::BUCKET {
        return refuse(StatusCode::NOT_FOUND, "NoSuchBucket", &call.bucket);
    }
    simulated(call)?;
    match (&call.object, &call.method) {
        (None, &Method::GET) => listed(call, shared),
        (Some(name), _) if call.query.contains_key("uploadId") || call.query.contains_key("uploads") => {
            in_parts(&mut shared.bucket, name, call)
        }
        (Some(name), &Method::GET | &Method::HEAD) => found(call, shared.bucket.object(name)?),
        (Some(name), &Method::PUT) => put(&mut shared.bucket, name, call),
        (Some(name), &Method::DELETE) => {
            shared.bucket.delete(name, generation_match(call)?)?;
            Ok(plain(StatusCode::NO_CONTENT))
        }
        _ => refuse(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", call.method.as_str()),
    }
}

/// Refuses what would be ignored.
fn simulated(call: &Call) -> Result<(), Refusal> {
    const PARAMETERS: [&str; 10] = [
        "list-type",
        "prefix",
        "delimiter",
        "start-after",
        "continuation-token",
        "max-keys",
        "generation",
        "uploads",
        "uploadId",
        "partNumber",
    ];
    let reads = [Method::GET, Method::HEAD].contains(&call.method);
    let known = |name: &str| match name {
        GENERATION_MATCH => !reads,
        "if-match" | "if-none-match" => reads,
        _ => !name.starts_with("if-") && (!name.starts_with("x-goog-") || kept(name) || name == COPY_SOURCE),
    };
    let parameters = call.query.keys().map(String::as_str).filter(|name| !PARAMETERS.contains(name));
    match parameters.chain(call.headers.keys().map(|name| name.as_str()).filter(|name| !known(name))).next() {
        Some(unknown) => refuse(StatusCode::NOT_IMPLEMENTED, "NotImplemented", unknown),
        None => Ok(()),
    }
}

/// An upload in parts; Google supports preconditions in none of its requests.
fn in_parts(bucket: &mut Bucket, name: &str, call: &Call) -> Answer {
    if call.headers.contains_key(GENERATION_MATCH) {
        return refuse(StatusCode::BAD_REQUEST, "InvalidArgument", GENERATION_MATCH);
    }
    match (&call.method, call.parameter("uploadId")) {
        (&Method::POST, None) => Ok(started(name, &bucket.begin(name, metadata(call)))),
        (&Method::PUT, Some(id)) => {
            let number = call.parameter("partNumber").and_then(|number| number.parse().ok()).unwrap_or(0);
            let e_tag = bucket.part(name, id, number, call.body.clone())?;
            let mut answer = plain(StatusCode::OK);
            answer.headers_mut().insert(header::ETAG, e_tag.parse().unwrap());
            Ok(answer)
        }
        (&Method::POST, Some(id)) => {
            let object = bucket.complete(name, id, &parts(&String::from_utf8_lossy(&call.body))?)?;
            Ok(joined(name, object))
        }
        (&Method::DELETE, Some(id)) => {
            bucket.abort(name, id)?;
            Ok(plain(StatusCode::NO_CONTENT))
        }
        _ => refuse(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", call.method.as_str()),
    }
}

/// The parts that a request to complete names.
fn parts(xml: &str) -> Result<Vec<(usize, String)>, Refusal> {
    let within = |text: &str, tag: &str| {
        let (_, rest) = text.split_once(&format!("<{tag}>"))?;
        Some(rest.split_once(&format!("</{tag}>"))?.0.trim().replace("&quot;", "\""))
    };
    let part = |text: &str| Some((within(text, "PartNumber")?.parse().ok()?, within(text, "ETag")?));
    let all: Option<Vec<_>> = xml.split("<Part>").skip(1).map(part).collect();
    all.map_or_else(|| refuse(StatusCode::BAD_REQUEST, "MalformedXML", xml), Ok)
}

fn put(bucket: &mut Bucket, name: &str, call: &Call) -> Answer {
    let expected = generation_match(call)?;
    let Some(source) = call.header(COPY_SOURCE) else {
        return Ok(created(bucket.put(name, call.body.clone(), metadata(call), expected)?));
    };
    let source = decoded(source);
    match source.trim_start_matches('/').split_once('/') {
        Some((Gcs::BUCKET, from)) => Ok(answers::copied(bucket.copy(from, name, expected)?)),
        _ => refuse(StatusCode::NOT_FOUND, "NoSuchBucket", &source),
    }
}

fn generation_match(call: &Call) -> Result<Option<u64>, Refusal> {
    match call.header(GENERATION_MATCH).map(str::parse) {
        None => Ok(None),
        Some(Ok(generation)) => Ok(Some(generation)),
        Some(Err(_)) => refuse(StatusCode::BAD_REQUEST, "InvalidArgument", GENERATION_MATCH),
    }
}

/// Whether a header of a request that writes an object is given back by those that read it.
fn kept(name: &str) -> bool {
    name.starts_with("x-goog-meta-")
        || ["cache-control", "content-disposition", "content-encoding", "content-language", "content-type"]
            .contains(&name)
}

fn metadata(call: &Call) -> HeaderMap {
    call.headers
        .iter()
        .filter(|(name, _)| kept(name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}
