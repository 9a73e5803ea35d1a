//! A reverse proxy that fails by script, before any store that speaks HTTP/1.1 without TLS. It forwards a request as it
//! came, `Host` and all, so that a signature made for the proxy's address holds; a body streams through.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::{Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::query::decoded;
use super::script::{Script, Trouble, Wanted};
use super::serve::{Broken, Serving};
use rest::{Part, Then};

mod rest;

/// What happens to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// The connection is closed, and nothing is forwarded.
    CutBefore,
    /// Forwarded, so that it takes effect; then the connection is closed without an answer.
    CutAfter,
    /// The connection is closed after this many bytes of the answer's body, of which a slow reader may miss the last.
    /// A shorter body passes whole.
    CutBody(usize),
    /// This many bytes of the request's body are read, then the connection is closed. Nothing is forwarded.
    CutRequest(usize),
    /// Answered by the proxy with a status and an XML body. Nothing is forwarded.
    Status(u16, String),
    /// Never answered, and nothing is forwarded. The connection is closed when the proxy is dropped.
    Stall,
    /// The same after this many bytes of the answer's body.
    StallBody(usize),
    /// Never answered, and forwarded only by [`Proxy::land`], when the client has long gone.
    Late,
}

/// An action for some of the requests.
pub(crate) type Fault = Trouble<Requests, Action>;

/// Those with this method whose path and query contain a part.
#[derive(Clone, Debug)]
pub(crate) struct Requests {
    method: &'static str,
    part: String,
}

impl Wanted for Requests {
    type Request = Seen;

    fn is(&self, request: &Seen) -> bool {
        request.is(self.method, &self.part)
    }
}

impl Fault {
    /// The first request with this method whose path and query contain `part`, percent-encoding decoded.
    pub(crate) fn on(method: &'static str, part: &str, action: Action) -> Self {
        Self::new(Requests { method, part: part.to_owned() }, action)
    }
}

/// A request that came to the proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) method: String,
    /// Path and query, percent-encoding decoded: stores encode a slash in a name or don't.
    pub(crate) target: String,
    /// What the store or the script answered, also when the client never got it.
    pub(crate) status: Option<u16>,
}

impl Seen {
    fn is(&self, method: &str, part: &str) -> bool {
        self.method == method && self.target.contains(part)
    }
}

/// The proxy. It is gone when dropped, with all its connections.
pub(crate) struct Proxy {
    serving: Serving,
    /// Host and port of the store.
    store: String,
    path: String,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    script: Script<Requests, Action>,
    seen: Vec<Seen>,
    late: Vec<Request<Full<Bytes>>>,
}

impl Proxy {
    /// Stands before the store at `endpoint`, an `http` URL with host and port, perhaps also with a path.
    pub(crate) fn before(endpoint: &str) -> Self {
        let rest = endpoint.strip_prefix("http://").unwrap_or_else(|| panic!("not an http URL: {endpoint}"));
        let (store, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (store, shared) = (store.to_owned(), Arc::new(Mutex::new(Shared::default())));
        let (served, before) = (Arc::clone(&shared), store.clone());
        let serving = Serving::start(move |request| answer(before.clone(), Arc::clone(&served), request));
        Self { serving, store, path: path.to_owned(), shared }
    }

    /// The store's endpoint, by way of the proxy.
    pub(crate) fn endpoint(&self) -> String {
        format!("{}{}", self.serving.url(), self.path)
    }

    /// Adds a fault. Of several that are due for one request, the first that was added counts.
    pub(crate) fn fail(&self, fault: Fault) {
        self.shared().script.add(fault);
    }

    /// Takes all faults away; what stalls goes on stalling.
    pub(crate) fn heal(&self) {
        self.shared().script.heal();
    }

    /// How many requests met a fault: a test of a fault that never struck tests nothing.
    pub(crate) fn fired(&self) -> usize {
        self.shared().script.fired
    }

    /// All requests, in the order in which they came.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared().seen.clone()
    }

    /// How many requests with this method had `part` in their path and query.
    pub(crate) fn count(&self, method: &str, part: &str) -> usize {
        self.shared().seen.iter().filter(|seen| seen.is(method, part)).count()
    }

    /// Forwards what was to come late, in the order in which it came, and gives the store's statuses.
    pub(crate) async fn land(&self) -> Vec<u16> {
        let late = std::mem::take(&mut self.shared().late);
        let mut statuses = Vec::new();
        for request in late {
            statuses.push(forward(&self.store, request).await.unwrap().status().as_u16());
        }
        statuses
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        lock(&self.shared)
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// Notes a request, and gives its number and what is to happen to it.
    fn meet(&mut self, request: &Request<Incoming>) -> (usize, Option<Action>) {
        let target = decoded(request.uri().path_and_query().map_or("/", |target| target.as_str()));
        let seen = Seen { method: request.method().to_string(), target, status: None };
        let due = self.script.meet(&seen);
        self.seen.push(seen);
        (self.seen.len() - 1, due)
    }
}

type Reply = Response<BoxBody<Bytes, Broken>>;

async fn answer(store: String, shared: Arc<Mutex<Shared>>, request: Request<Incoming>) -> Result<Reply, Broken> {
    let (number, action) = lock(&shared).meet(&request);
    let note = |status: StatusCode| lock(&shared).seen[number].status = Some(status.as_u16());
    match action {
        Some(Action::CutBefore) => Err("cut before".into()),
        Some(Action::CutRequest(bytes)) => {
            read(request.into_body(), bytes).await?;
            Err("cut within the request".into())
        }
        Some(Action::Stall) => std::future::pending().await,
        Some(Action::Late) => {
            let (head, body) = request.into_parts();
            let body = Full::from(body.collect().await?.to_bytes());
            lock(&shared).late.push(Request::from_parts(head, body));
            std::future::pending().await
        }
        Some(Action::Status(status, body)) => {
            // a client that is still writing would see a closed connection, not the answer
            read(request.into_body(), usize::MAX).await?;
            let reply = Response::builder().status(status).header(header::CONTENT_TYPE, "application/xml");
            let reply = reply.body(Full::from(body).map_err(|never| match never {}).boxed())?;
            note(reply.status());
            Ok(reply)
        }
        forwarded => {
            let reply = forward(&store, request).await?;
            note(reply.status());
            let whole = |body: Incoming| body.map_err(Broken::from).boxed();
            match forwarded {
                Some(Action::CutAfter) => {
                    read(reply.into_body(), usize::MAX).await?;
                    Err("cut after".into())
                }
                Some(Action::CutBody(bytes)) => Ok(reply.map(|body| Part::of(body, bytes, Then::Cut).boxed())),
                Some(Action::StallBody(bytes)) => Ok(reply.map(|body| Part::of(body, bytes, Then::Stall).boxed())),
                _ => Ok(reply.map(whole)),
            }
        }
    }
}

/// By a connection of its own: one that the store closed meanwhile would be a fault that no script asked for.
async fn forward<B>(store: &str, request: Request<B>) -> Result<Response<Incoming>, Broken>
where
    B: Body<Data = Bytes, Error: Into<Broken>> + Send + 'static,
{
    let stream = TcpStream::connect(store).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // its error reaches the request or the answer's body, too
    tokio::spawn(async move { drop(connection.await) });
    Ok(sender.send_request(request).await?)
}

/// Reads at least so many bytes of a body, or all of it, and drops them.
async fn read(mut body: Incoming, bytes: usize) -> Result<(), Broken> {
    let mut left = bytes;
    while left > 0 {
        let Some(frame) = body.frame().await else { break };
        left = left.saturating_sub(frame?.data_ref().map_or(0, Bytes::len));
    }
    Ok(())
}
