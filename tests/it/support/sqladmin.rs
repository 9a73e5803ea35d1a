//! The Cloud SQL Admin API in this process: the part that backups need, as Google documents it at
//! <https://cloud.google.com/sql/docs/mysql/admin-api/rest/v1>. What it doesn't simulate it answers with 501 and
//! remembers, so that no test passes by a method, parameter or field that was ignored.
//!
//! Where the API's own document is installed, every request and every answer is held against it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use chrono::TimeDelta;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::{Request, Response, StatusCode, header};
use serde_json::Value;

use super::script::Script;
use super::serve::{Broken, Serving};
use super::weather::Weather;
use access::{Scope, Tokens};
use call::Refusal;
use fault::Calls;
use methods::Method;
use schema::Judge;

mod access;
mod backup;
mod backups;
mod call;
mod clone;
mod fault;
mod fields;
mod iam;
mod instance;
mod instances;
mod methods;
mod operation;
mod operations;
mod page;
mod restore;
mod runs;
pub(crate) mod schema;
mod transfer;
mod world;

pub(crate) use backup::Backup;
pub(crate) use call::Call;
pub(crate) use fault::{Fault, Trouble};
pub(crate) use instance::Instance;
pub(crate) use world::World;

/// A simulator of the service. It is gone when dropped, and fails its test when it was asked what it doesn't simulate,
/// or when a request or an answer isn't as the API's document says.
pub(crate) struct SqlAdmin {
    serving: Serving,
    shared: Arc<Mutex<Shared>>,
}

/// What requests and the test both see.
struct Shared {
    world: World,
    tokens: Tokens,
    script: Script<Calls, Fault>,
    weather: Option<Weather>,
    calls: Vec<Call>,
    answers: Vec<(u16, Value)>,
    in_flight: BTreeMap<String, usize>,
    /// Every answer takes so long.
    latency: Duration,
    judge: Judge,
    /// What makes the test fail at its end.
    findings: Vec<String>,
    date_ahead: TimeDelta,
}

impl SqlAdmin {
    /// The project of targets.
    pub(crate) const PROJECT: &str = "acme-prod";
    /// Another one that the caller may use.
    pub(crate) const OTHER_PROJECT: &str = "acme-staging";
    pub(crate) const REGION: &str = "europe-west3";
    /// The bearer token that is let in.
    pub(crate) const TOKEN: &str = "test-token";
    /// Who the caller is.
    pub(crate) const USER: &str = "ops@acme.example";

    pub(crate) fn start() -> Self {
        let shared = Shared {
            world: World::new(),
            tokens: Tokens::of(Self::TOKEN),
            script: Script::default(),
            weather: None,
            calls: Vec::new(),
            answers: Vec::new(),
            in_flight: BTreeMap::new(),
            latency: Duration::ZERO,
            judge: Judge::installed(),
            findings: Vec::new(),
            date_ahead: TimeDelta::zero(),
        };
        let shared = Arc::new(Mutex::new(shared));
        let served = Arc::clone(&shared);
        let serving = Serving::start(move |request| answer(Arc::clone(&served), request));
        Self { serving, shared }
    }

    /// One with an instance in the first project.
    pub(crate) fn with(instance: Instance) -> Self {
        let started = Self::start();
        started.world(|world| {
            world.add(instance);
        });
        started
    }

    /// What a client takes as the address of the service.
    pub(crate) fn endpoint(&self) -> String {
        self.serving.url()
    }

    /// Looks at, or changes, what is there.
    pub(crate) fn world<T>(&self, look: impl FnOnce(&mut World) -> T) -> T {
        look(&mut lock(&self.shared).world)
    }

    /// A look at every operation.
    pub(crate) fn tick(&self) {
        self.world(World::tick);
    }

    /// Adds trouble. Of several that are due for one call, the first that was added counts.
    pub(crate) fn fail(&self, trouble: Trouble) {
        lock(&self.shared).script.add(trouble);
    }

    /// Adds trouble by chance: one call in so many meets it, never more than `most_in_a_row` for the same request.
    pub(crate) fn fail_by_chance(&self, seed: u64, one_in: usize, most_in_a_row: usize) {
        lock(&self.shared).weather = Some(Weather::new(seed, one_in, most_in_a_row));
    }

    /// Takes all trouble away.
    pub(crate) fn heal(&self) {
        let shared = &mut *lock(&self.shared);
        shared.script.heal();
        shared.weather = None;
    }

    /// How many calls met trouble: a test of trouble that never struck tests nothing.
    pub(crate) fn fired(&self) -> usize {
        lock(&self.shared).script.fired
    }

    /// The `Date` of every answer is so far ahead of the world's clock.
    pub(crate) fn clock_ahead(&self, by: TimeDelta) {
        lock(&self.shared).date_ahead = by;
    }

    /// Every answer takes so long, so that requests that come at once are seen to.
    pub(crate) fn latency(&self, time: Duration) {
        lock(&self.shared).latency = time;
    }

    /// Lets another token in.
    pub(crate) fn trust(&self, token: &str) {
        lock(&self.shared).tokens.add(token, Scope::CloudPlatform);
    }

    /// Knows another token, but one whose scope isn't for this service.
    pub(crate) fn trust_without_scope(&self, token: &str) {
        lock(&self.shared).tokens.add(token, Scope::Other);
    }

    /// Forgets a token, as if it had expired.
    pub(crate) fn distrust(&self, token: &str) {
        lock(&self.shared).tokens.remove(token);
    }

    /// Every call that was understood, in the order in which they came.
    pub(crate) fn calls(&self) -> Vec<Call> {
        lock(&self.shared).calls.clone()
    }

    /// The calls of one method.
    pub(crate) fn calls_of(&self, method: &str) -> Vec<Call> {
        self.calls().into_iter().filter(|call| call.method == method).collect()
    }

    /// The calls that change something.
    pub(crate) fn changes(&self) -> Vec<Call> {
        self.calls().into_iter().filter(Call::is_change).collect()
    }

    /// Every answer that was written, as status and JSON.
    pub(crate) fn answers(&self) -> Vec<(u16, Value)> {
        lock(&self.shared).answers.clone()
    }

    /// How many requests for one project were under way at once, at most.
    pub(crate) fn most_in_flight(&self) -> usize {
        self.calls().iter().map(|call| call.in_flight).max().unwrap_or_default()
    }

    /// Forgets the calls that came so far.
    pub(crate) fn forget_calls(&self) {
        let shared = &mut *lock(&self.shared);
        (shared.calls, shared.answers) = (Vec::new(), Vec::new());
    }

    /// What made the test fail at its end, and won't any more.
    pub(crate) fn take_findings(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.shared).findings)
    }
}

impl Drop for SqlAdmin {
    fn drop(&mut self) {
        let findings = self.take_findings();
        // a second panic, in a test that fails already, would hide the first
        assert!(findings.is_empty() || std::thread::panicking(), "not as the API is:\n{}", findings.join("\n"));
    }
}

/// What a failing test left is still worth a look.
fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

type Reply = Response<Full<Bytes>>;

/// A request is under way until this is dropped.
struct InFlight {
    shared: Arc<Mutex<Shared>>,
    project: String,
    count: usize,
}

impl InFlight {
    fn new(shared: &Arc<Mutex<Shared>>, head: &Parts) -> Self {
        let project = head.uri.path().split('/').nth(3).unwrap_or_default().to_owned();
        let counts = &mut lock(shared).in_flight;
        let count = counts.entry(project.clone()).or_default();
        *count += 1;
        Self { count: *count, shared: Arc::clone(shared), project }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if let Some(count) = lock(&self.shared).in_flight.get_mut(&self.project) {
            *count -= 1;
        }
    }
}

/// A body that breaks off changes nothing.
async fn answer(shared: Arc<Mutex<Shared>>, request: Request<Incoming>) -> Result<Reply, Broken> {
    let (head, body) = request.into_parts();
    let in_flight = InFlight::new(&shared, &head);
    let body = body.collect().await?.to_bytes();
    let (reply, pause) = {
        let shared = &mut *lock(&shared);
        let (reply, slow) = respond(shared, &head, &body, in_flight.count);
        (reply.map(|reply| dated(shared, reply)), slow.unwrap_or_default() + shared.latency)
    };
    if !pause.is_zero() {
        tokio::time::sleep(pause).await;
    }
    reply
}

fn dated(shared: &Shared, mut reply: Reply) -> Reply {
    let date = (shared.world.now() + shared.date_ahead).format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    reply.headers_mut().insert(header::DATE, date.parse().unwrap());
    reply
}

/// Judges and notes a request, lets due trouble strike, and carries it out. An answer may have to wait.
fn respond(
    shared: &mut Shared,
    head: &Parts,
    body: &Bytes,
    in_flight: usize,
) -> (Result<Reply, Broken>, Option<Duration>) {
    if let Some(project) = iam::project(head) {
        let told = shared.tokens.admit(&head.headers).and_then(|()| iam::answer(&shared.world, project, body));
        let reply = match told {
            Ok(body) => json(StatusCode::OK, body.to_string()),
            Err(refusal) => shared.refused(&refusal),
        };
        return (Ok(reply), None);
    }
    let judged = shared.judge.request(head, body);
    shared.findings.extend(judged);
    let read = Method::of(head).and_then(|(method, names)| {
        shared.tokens.admit(&head.headers)?;
        Ok((method, Call::read(method, &names, head, body)?))
    });
    let (method, call) = match read {
        Ok((method, call)) => (method, Call { in_flight, ..call }),
        Err(refusal) => return (Ok(shared.refused(&refusal)), None),
    };
    shared.calls.push(call.clone());
    let fault = shared.script.meet(&call).or_else(|| shared.chance(&call));
    match fault {
        Some(Fault::CutBefore) => return (Err("cut before".into()), None),
        Some(Fault::Html(status)) => return (Ok(html(status)), None),
        _ => {}
    }
    if let Some(refusal) = fault.as_ref().and_then(|fault| fault.refusal(&call)) {
        return (Ok(shared.refused(&refusal)), None);
    }
    shared.world.end = fault.as_ref().map_or(operation::End::Well, Fault::end);
    let body = match method.carry_out(&mut shared.world, &call).and_then(|body| partial(&call, body)) {
        Ok(body) => body,
        Err(refusal) => return (Ok(shared.refused(&refusal)), None),
    };
    let judged = shared.judge.answer(&call, &body, &shared.world.novelties);
    shared.findings.extend(judged);
    shared.answers.push((200, body.clone()));
    let reply = match fault {
        Some(Fault::CutAfter) => Err("cut after".into()),
        Some(Fault::StatusAfter(status)) => Ok(shared.refused(&fault::broken(status))),
        Some(Fault::Truncated) => {
            let text = body.to_string();
            Ok(json(StatusCode::OK, text[..text.floor_char_boundary(text.len() / 2)].to_owned()))
        }
        Some(Fault::SamePage) => {
            let body = page::leading_to_itself(&mut shared.world, &call, body);
            Ok(json(StatusCode::OK, body.to_string()))
        }
        _ => Ok(json(StatusCode::OK, format!("{body:#}"))),
    };
    (reply, if let Some(Fault::Slow(time)) = fault { Some(time) } else { None })
}

/// What of an answer the request wants.
fn partial(call: &Call, body: Value) -> call::Outcome<Value> {
    let Some(fields) = call.get("fields") else { return Ok(body) };
    let part = fields::select(&body, fields);
    part.map_or_else(|| call::refuse(400, "invalidParameter", format!("Invalid field selection {fields}")), Ok)
}

impl Shared {
    fn chance(&mut self, call: &Call) -> Option<Fault> {
        let fault = fault::by_chance(self.weather.as_mut()?, call);
        self.script.fired += usize::from(fault.is_some());
        fault
    }

    fn refused(&mut self, refusal: &Refusal) -> Reply {
        if refusal.status == StatusCode::NOT_IMPLEMENTED {
            self.findings.push(format!("not simulated: {}", refusal.message));
        }
        let body = refusal.body();
        let mut reply = json(refusal.status, format!("{body:#}"));
        if let Some(seconds) = refusal.retry_after {
            reply.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        if refusal.status == StatusCode::UNAUTHORIZED {
            let challenge = "Bearer realm=\"https://accounts.google.com/\", error=\"invalid_token\"";
            reply.headers_mut().insert(header::WWW_AUTHENTICATE, challenge.parse().unwrap());
        }
        self.answers.push((refusal.status.as_u16(), body));
        reply
    }
}

fn json(status: StatusCode, body: String) -> Reply {
    reply(status, "application/json; charset=UTF-8", body)
}

/// As what stands before the service answers in trouble.
fn html(status: u16) -> Reply {
    let status = StatusCode::from_u16(status).unwrap();
    let page = format!(
        "<!DOCTYPE html>\n<html lang=en>\n<title>Error {code} ({reason})!!1</title>\n<p><b>{code}.</b> <ins>That's an \
         error.</ins>\n<p>The server encountered a temporary error and could not complete your request.\n",
        code = status.as_u16(),
        reason = status.canonical_reason().unwrap_or_default(),
    );
    reply(status, "text/html; charset=UTF-8", page)
}

fn reply(status: StatusCode, content_type: &str, body: String) -> Reply {
    let mut reply = Response::new(Full::from(body));
    *reply.status_mut() = status;
    reply.headers_mut().insert(header::CONTENT_TYPE, content_type.parse().unwrap());
    reply
}
