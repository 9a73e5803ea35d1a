//! Azure Resource Manager in this process: the part of Azure Database for MySQL and for PostgreSQL, both flexible servers,
//! and of Azure SQL that backups need. What it doesn't simulate it refuses with 400 and remembers, so that no test passes
//! by a method, parameter or field that was ignored; and so it does with what no client may send: names that can't be, a
//! token that follows a link to another host, an operation's address that was changed.
//!
//! Microsoft's own clients in Python judge it, where they are installed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use chrono::TimeDelta;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Request, Response, StatusCode};
use serde_json::Value;

use super::script::Script;
use super::serve::{Broken, Serving};
use super::weather::Weather;
use access::Tokens;
use call::{Answer, Outcome, Refusal};
use fault::Calls;
use methods::Method;

mod access;
mod accounts;
mod backup;
mod backups;
mod call;
mod fault;
mod long_term;
mod methods;
mod names;
mod operation;
mod operations;
mod page;
mod server;
mod servers;
mod sql;
mod table;
mod world;

pub(crate) use backup::Backup;
pub(crate) use call::Call;
pub(crate) use fault::{Fault, Trouble};
pub(crate) use methods::Service;
pub(crate) use operation::{Links, Operation};
pub(crate) use server::Server;
pub(crate) use sql::{Database, LongTermRetention, SqlServer};
pub(crate) use world::World;

/// A simulator of the service. It is gone when dropped, and fails its test when it was asked what it doesn't simulate, or
/// what no client may ask.
pub(crate) struct Arm {
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
    answers: Vec<(u16, String)>,
    in_flight: BTreeMap<String, usize>,
    /// Every answer takes so long.
    latency: Duration,
    /// What was asked to be made while the same was being made.
    resent: Vec<String>,
    /// What makes the test fail at its end.
    findings: Vec<String>,
    date_ahead: TimeDelta,
}

impl Arm {
    /// The subscription of targets.
    pub(crate) const SUBSCRIPTION: &str = "11111111-2222-4333-8444-555555555555";
    /// Another one that the caller may use.
    pub(crate) const OTHER_SUBSCRIPTION: &str = "66666666-7777-4888-9999-aaaaaaaaaaaa";
    pub(crate) const GROUP: &str = "Acme-Prod";
    /// The bearer token that is let in.
    pub(crate) const TOKEN: &str = "test-token";

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
            resent: Vec::new(),
            findings: Vec::new(),
            date_ahead: TimeDelta::zero(),
        };
        let shared = Arc::new(Mutex::new(shared));
        let served = Arc::clone(&shared);
        let serving = Serving::start(move |request| answer(Arc::clone(&served), request));
        lock(&shared).world.origin = serving.url();
        Self { serving, shared }
    }

    /// One with a server in the first group.
    pub(crate) fn with(server: Server) -> Self {
        let started = Self::start();
        started.world(|world| {
            world.add(server);
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
        lock(&self.shared).tokens.set(token, true);
    }

    /// A token has expired.
    pub(crate) fn expire(&self, token: &str) {
        lock(&self.shared).tokens.set(token, false);
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

    /// Every answer that was written, as status and text.
    pub(crate) fn answers(&self) -> Vec<(u16, String)> {
        lock(&self.shared).answers.clone()
    }

    /// How many requests of one subscription were under way at once, at most.
    pub(crate) fn most_in_flight(&self) -> usize {
        self.calls().iter().map(|call| call.in_flight).max().unwrap_or_default()
    }

    /// Forgets the calls that came so far.
    pub(crate) fn forget_calls(&self) {
        let shared = &mut *lock(&self.shared);
        (shared.calls, shared.answers) = (Vec::new(), Vec::new());
    }

    /// What was asked to be made while the same, or the same key's, was being made. A careful client never does that.
    pub(crate) fn resent(&self) -> Vec<String> {
        lock(&self.shared).resent.clone()
    }

    /// How many on-demand backups each key of a target has.
    pub(crate) fn backups_by_key(&self) -> BTreeMap<(String, String), usize> {
        let mut counts = BTreeMap::new();
        self.world(|world| {
            for backup in &world.backups {
                if let Some((target, key)) = names::key(&backup.name) {
                    *counts.entry((target.to_owned(), key.to_owned())).or_default() += 1;
                }
            }
        });
        counts
    }

    /// What made the test fail at its end, and won't any more.
    pub(crate) fn take_findings(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.shared).findings)
    }
}

impl Drop for Arm {
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
    subscription: String,
    count: usize,
}

impl InFlight {
    fn new(shared: &Arc<Mutex<Shared>>, head: &Parts) -> Self {
        let subscription = head.uri.path().split('/').nth(2).unwrap_or_default().to_ascii_lowercase();
        let counts = &mut lock(shared).in_flight;
        let count = counts.entry(subscription.clone()).or_default();
        *count += 1;
        Self { count: *count, shared: Arc::clone(shared), subscription }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if let Some(count) = lock(&self.shared).in_flight.get_mut(&self.subscription) {
            *count -= 1;
        }
    }
}

/// A body that breaks off changes nothing.
async fn answer(shared: Arc<Mutex<Shared>>, request: Request<Incoming>) -> Result<Reply, Broken> {
    let (head, body) = request.into_parts();
    let in_flight = InFlight::new(&shared, &head);
    let body = body.collect().await?.to_bytes();
    let (reply, pause, uploads) = {
        let shared = &mut *lock(&shared);
        let (reply, slow) = shared.respond(&head, &body, in_flight.count);
        let uploads = std::mem::take(&mut shared.world.sql.uploads);
        (reply.map(|reply| shared.dated(reply)), slow.unwrap_or_default() + shared.latency, uploads)
    };
    for upload in uploads {
        upload.write().await;
    }
    if !pause.is_zero() {
        tokio::time::sleep(pause).await;
    }
    reply
}

impl Shared {
    /// Judges and notes a request, lets due trouble strike, and carries it out. An answer may have to wait.
    fn respond(&mut self, head: &Parts, body: &Bytes, in_flight: usize) -> (Result<Reply, Broken>, Option<Duration>) {
        let (method, call) = match self.understood(head, body) {
            Ok((method, call)) => (method, Call { in_flight, ..call }),
            Err(refusal) => return (Ok(self.refused(&refusal)), None),
        };
        self.calls.push(call.clone());
        self.note_resent(&call);
        let fault = self.script.meet(&call).or_else(|| self.chance(&call));
        if fault == Some(Fault::CutBefore) {
            return (Err("cut before".into()), None);
        }
        if let Some(refusal) = fault.as_ref().and_then(|fault| fault.refusal(&call)) {
            return (Ok(self.refused(&refusal)), None);
        }
        self.world.end = fault.as_ref().map_or(operation::End::Well, Fault::end);
        let answer = match method.carry_out(&mut self.world, &call) {
            Ok(answer) => answer,
            Err(refusal) => return (Ok(self.refused(&refusal)), None),
        };
        let slow = if let Some(Fault::Slow(time)) = fault { Some(time) } else { None };
        (self.answered(&call, answer, fault.as_ref()), slow)
    }

    /// A request that has what every request must have.
    fn understood(&self, head: &Parts, body: &Bytes) -> Outcome<(&'static Method, Call)> {
        access::has_length(head)?;
        let host = self.world.origin.trim_start_matches("http://");
        access::is_for_here(head, host)?;
        self.tokens.admit(&head.headers)?;
        let (method, names) = Method::of(head)?;
        let call = Call::read(method, names, head, body)?;
        method.is_of_a_known_version(&call.query)?;
        Ok((method, call))
    }

    /// The answer to a call that was carried out, or what trouble leaves of it.
    fn answered(&mut self, call: &Call, mut answer: Answer, fault: Option<&Fault>) -> Result<Reply, Broken> {
        if let Some(body) = &mut answer.body {
            match fault {
                Some(Fault::SamePage) => self.world.leading_to_itself(call, body),
                Some(Fault::ForeignPage) => self.world.leading_elsewhere(call, body),
                _ => {}
            }
        }
        let text = answer.body.as_ref().map(Value::to_string).unwrap_or_default();
        self.answers.push((answer.status, text.clone()));
        let text = match fault {
            Some(Fault::CutAfter) => return Err("cut after".into()),
            Some(Fault::StatusAfter(status)) => return Ok(self.refused(&fault::broken(*status))),
            // half of nothing is a connection that ends
            Some(Fault::Truncated) if text.is_empty() => return Err("cut after".into()),
            Some(Fault::Truncated) => text[..text.floor_char_boundary(text.len() / 2)].to_owned(),
            _ => text,
        };
        let mut reply = reply(answer.status, "application/json; charset=utf-8", text);
        if let Some(place) = answer.operation {
            self.link(&mut reply, place, fault == Some(&Fault::ForeignOperation));
        }
        Ok(reply)
    }

    /// Tells where to look at an operation.
    fn link(&self, reply: &mut Reply, place: usize, elsewhere: bool) {
        let world = &self.world;
        let origin = if elsewhere { world.elsewhere() } else { world.origin.clone() };
        let [operation, location] = &world.operations[place].links;
        if world.links != Links::OnlyLocation {
            reply.headers_mut().insert("azure-asyncoperation", value(&format!("{origin}{operation}")));
        }
        if world.links != Links::OnlyAsyncOperation {
            reply.headers_mut().insert(header::LOCATION, value(&format!("{origin}{location}")));
        }
        if let Some(seconds) = world.retry_after {
            reply.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
    }

    /// Notes what is asked to be made while the same, or the same key's, is being made.
    fn note_resent(&mut self, call: &Call) {
        if !["put", "post", "export", "import"].contains(&call.verb()) {
            return;
        }
        let asked = call.subject();
        let (folder, name) = asked.rsplit_once('/').unwrap_or_default();
        let same = |operation: &&Operation| {
            let (other_folder, other) = operation.subject.rsplit_once('/').unwrap_or_default();
            let same_key = names::key(name).is_some_and(|key| names::key(other) == Some(key));
            operation.is_running() && (operation.subject == asked || (folder == other_folder && same_key))
        };
        if let Some(running) = self.world.operations.iter().find(same) {
            self.resent.push(format!("{} {} while {} runs", call.method, call.path(), running.subject));
        }
    }

    fn chance(&mut self, call: &Call) -> Option<Fault> {
        let fault = fault::by_chance(self.weather.as_mut()?, call);
        self.script.fired += usize::from(fault.is_some());
        fault
    }

    fn refused(&mut self, refusal: &Refusal) -> Reply {
        if refusal.finding {
            self.findings.push(refusal.message.clone());
        }
        let mut reply = match &refusal.page {
            Some(page) => reply(refusal.status, "text/html; charset=us-ascii", page.clone()),
            None => reply(refusal.status, "application/json; charset=utf-8", refusal.body().to_string()),
        };
        let headers = reply.headers_mut();
        if let Some(seconds) = refusal.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if refusal.status == 429 {
            headers.insert("x-ms-ratelimit-remaining-subscription-reads", value("0"));
        }
        if refusal.status == 401 {
            let challenge = format!("Bearer error=\"invalid_token\", error_description=\"{}\"", refusal.message);
            headers.insert(header::WWW_AUTHENTICATE, value(&challenge));
        }
        if !refusal.code.is_empty() {
            headers.insert("x-ms-failure-cause", value("gateway"));
        }
        let text = refusal.page.clone().unwrap_or_else(|| refusal.body().to_string());
        self.answers.push((refusal.status, text));
        reply
    }

    /// What every answer has.
    fn dated(&mut self, mut reply: Reply) -> Reply {
        let date = (self.world.now() + self.date_ahead).format("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let id = self.world.next_uuid();
        let headers = reply.headers_mut();
        headers.insert(header::DATE, value(&date));
        headers.insert("x-ms-request-id", value(&id));
        headers.insert("x-ms-correlation-request-id", value(&id));
        headers.entry("x-ms-ratelimit-remaining-subscription-reads").or_insert_with(|| value("249"));
        reply
    }
}

fn value(text: &str) -> HeaderValue {
    text.parse().unwrap()
}

fn reply(status: u16, content_type: &str, body: String) -> Reply {
    let has_body = !body.is_empty();
    let mut reply = Response::new(Full::from(body));
    *reply.status_mut() = StatusCode::from_u16(status).unwrap();
    if has_body {
        reply.headers_mut().insert(header::CONTENT_TYPE, value(content_type));
    }
    reply
}
