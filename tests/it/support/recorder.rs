//! An HTTP server that notes every request and answers what the test says.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{Request, Response, header};
use serde_json::Value;

use super::serve::{Broken, Serving};

/// It is gone when dropped.
pub(crate) struct Recorder {
    serving: Serving,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    seen: Vec<Seen>,
    answers: VecDeque<Answer>,
}

/// A request, as far as tests look at it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Method, path and query.
    pub(crate) line: String,
    pub(crate) content_type: String,
    pub(crate) authorization: Option<String>,
    pub(crate) body: String,
}

impl Seen {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

struct Answer {
    status: u16,
    body: &'static str,
    headers: Vec<(&'static str, &'static str)>,
}

impl Recorder {
    pub(crate) fn start() -> Self {
        let shared = Arc::new(Mutex::new(Shared::default()));
        let state = shared.clone();
        Self { serving: Serving::start(move |request| answer(request, state.clone())), shared }
    }

    /// The URL of its root, without a slash at the end.
    pub(crate) fn url(&self) -> String {
        self.serving.url()
    }

    /// Answers the next request that has no answer yet with this; all others with 200 and `OK`.
    pub(crate) fn answer(&self, status: u16, body: &'static str) {
        self.answer_with(status, body, &[]);
    }

    pub(crate) fn answer_with(&self, status: u16, body: &'static str, headers: &[(&'static str, &'static str)]) {
        lock(&self.shared).answers.push_back(Answer { status, body, headers: headers.to_vec() });
    }

    /// The requests so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        lock(&self.shared).seen.clone()
    }

    /// Method, path and query of each.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.line).collect()
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn answer(request: Request<Incoming>, shared: Arc<Mutex<Shared>>) -> Result<Response<Full<Bytes>>, Broken> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let text = |name| parts.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let seen = Seen {
        line: format!("{} {}", parts.method, parts.uri),
        content_type: text(header::CONTENT_TYPE).unwrap_or_default(),
        authorization: text(header::AUTHORIZATION),
        body: String::from_utf8(body.to_vec())?,
    };
    let mut shared = lock(&shared);
    shared.seen.push(seen);
    let answer = shared.answers.pop_front().unwrap_or(Answer { status: 200, body: "OK", headers: Vec::new() });
    let mut response = Response::builder().status(answer.status);
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    Ok(response.body(Full::new(Bytes::from_static(answer.body.as_bytes())))?)
}
