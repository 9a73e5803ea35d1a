//! AWS RDS in this process: the part of its query protocol that snapshots need, and KMS's `DescribeKey`, as Amazon
//! documents them at <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/>. What it doesn't simulate it answers
//! with 501 and remembers, so that no test passes by an action or parameter that was ignored.
//!
//! One server is every region: a request's signature names the region, and the access key the account. Signatures are
//! not checked.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use chrono::{TimeDelta, Utc};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::{Request, Response, StatusCode, header};

use super::script::Script;
use super::serve::{Broken, Serving};
use actions::Action;
use call::Refusal;
use fault::Calls;

mod actions;
mod attributes;
mod call;
mod caller;
mod database;
mod databases;
mod export;
mod fault;
mod key;
mod names;
mod page;
mod restore;
mod snapshot;
mod snapshots;
mod world;
mod xml;

pub(crate) use call::Call;
pub(crate) use database::Database;
pub(crate) use fault::{Fault, Trouble};
pub(crate) use key::Key;
pub(crate) use snapshot::{Kind, Snapshot};
pub(crate) use world::{Order, Place, World};

/// A simulator of the service. It is gone when dropped, and fails its test when it was asked what it doesn't simulate.
pub(crate) struct Rds {
    serving: Serving,
    shared: Arc<Mutex<Shared>>,
}

/// What requests and the test both see.
struct Shared {
    world: World,
    script: Script<Calls, Fault>,
    calls: Vec<Call>,
    not_simulated: Vec<String>,
    clock_ahead: TimeDelta,
}

impl Rds {
    /// The region of targets.
    pub(crate) const REGION: &str = "eu-central-1";
    /// Another one, for copies.
    pub(crate) const ELSEWHERE: &str = "eu-west-1";
    pub(crate) const ACCOUNT: &str = "123456789012";
    /// Whose snapshots may be shared with the first account.
    pub(crate) const OTHER_ACCOUNT: &str = "210987654321";
    /// The access keys of the two.
    pub(crate) const KEY: &str = "AKIARDSTEST";
    pub(crate) const OTHER_KEY: &str = "AKIARDSOTHER";
    /// Distinct, so that a test can look for it where no secret belongs.
    pub(crate) const SECRET: &str = "hunter2-of-rds";

    pub(crate) fn start() -> Self {
        let shared = Shared {
            world: World::new(),
            script: Script::default(),
            calls: Vec::new(),
            not_simulated: Vec::new(),
            clock_ahead: TimeDelta::zero(),
        };
        let shared = Arc::new(Mutex::new(shared));
        let served = Arc::clone(&shared);
        let serving = Serving::start(move |request| answer(Arc::clone(&served), request));
        Self { serving, shared }
    }

    /// What a client takes as the address of every region.
    pub(crate) fn endpoint(&self) -> String {
        self.serving.url()
    }

    /// Looks at, or changes, what is there.
    pub(crate) fn world<T>(&self, look: impl FnOnce(&mut World) -> T) -> T {
        look(&mut lock(&self.shared).world)
    }

    /// Adds trouble. Of several that are due for one call, the first that was added counts.
    pub(crate) fn fail(&self, trouble: Trouble) {
        lock(&self.shared).script.add(trouble);
    }

    /// Takes all trouble away.
    pub(crate) fn heal(&self) {
        lock(&self.shared).script.heal();
    }

    /// How many calls met trouble: a test of trouble that never struck tests nothing.
    pub(crate) fn fired(&self) -> usize {
        lock(&self.shared).script.fired
    }

    /// The `Date` of every answer is so far ahead.
    pub(crate) fn clock_ahead(&self, by: TimeDelta) {
        lock(&self.shared).clock_ahead = by;
    }

    /// Every call, in the order in which they came.
    pub(crate) fn calls(&self) -> Vec<Call> {
        lock(&self.shared).calls.clone()
    }

    /// The calls of one action.
    pub(crate) fn calls_of(&self, action: &str) -> Vec<Call> {
        self.calls().into_iter().filter(|call| call.action == action).collect()
    }

    /// The calls that change something.
    pub(crate) fn changes(&self) -> Vec<Call> {
        let reads = ["Describe", "GetCallerIdentity", "SimulatePrincipalPolicy"];
        self.calls().into_iter().filter(|call| !reads.iter().any(|read| call.action.starts_with(read))).collect()
    }

    /// Forgets the calls that came so far.
    pub(crate) fn forget_calls(&self) {
        lock(&self.shared).calls.clear();
    }
}

impl Drop for Rds {
    fn drop(&mut self) {
        let not_simulated = &lock(&self.shared).not_simulated;
        // a second panic, in a test that fails already, would hide the first
        assert!(not_simulated.is_empty() || std::thread::panicking(), "not simulated: {not_simulated:?}");
    }
}

/// What a failing test left is still worth a look.
fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

type Reply = Response<Full<Bytes>>;

/// A body that breaks off changes nothing.
async fn answer(shared: Arc<Mutex<Shared>>, request: Request<Incoming>) -> Result<Reply, Broken> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let (reply, pause) = at_once(&mut lock(&shared), &head, &body);
    if let Some(pause) = pause {
        tokio::time::sleep(pause).await;
    }
    reply
}

/// The answer, and how long it has to wait.
fn at_once(shared: &mut Shared, head: &Parts, body: &Bytes) -> (Result<Reply, Broken>, Option<Duration>) {
    let read = call::read(&shared.world, head, body);
    let (reply, pause) = match read {
        Ok(call) => respond(shared, &call),
        Err(refusal) => (Ok(refused(shared, &refusal, &head.headers)), None),
    };
    (reply.map(|reply| dated(shared, reply)), pause)
}

fn dated(shared: &Shared, mut reply: Reply) -> Reply {
    let date = (Utc::now() + shared.clock_ahead).format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    reply.headers_mut().insert(header::DATE, date.parse().unwrap());
    reply
}

/// Notes a call, lets due trouble strike, and carries it out.
fn respond(shared: &mut Shared, call: &Call) -> (Result<Reply, Broken>, Option<Duration>) {
    shared.calls.push(call.clone());
    let fault = shared.script.meet(call);
    match fault {
        Some(Fault::CutBefore) => return (Err("cut before".into()), None),
        Some(ref refusing) => {
            if let Some(refusal) = refusing.refusal(call) {
                return (Ok(shown(call, Err(refusal))), None);
            }
        }
        None => {}
    }
    shared.world.doomed = fault == Some(Fault::EndsFailed);
    let result = Action::of(call).and_then(|action| action.carry_out(&mut shared.world, call));
    if let Err(refusal) = &result {
        shared.note(refusal);
    }
    let reply = match fault {
        Some(Fault::CutAfter) => Err("cut after".into()),
        Some(Fault::Garbled) => Ok(reply(StatusCode::OK, xml::CONTENT_TYPE, "<DescribeDBSnapshotsResponse><".into())),
        Some(Fault::SameMarker) => Ok(shown(call, result.map(|body| page::with_marker_of(call, &body)))),
        _ => Ok(shown(call, result)),
    };
    (reply, if let Some(Fault::Slow(time)) = fault { Some(time) } else { None })
}

fn refused(shared: &mut Shared, refusal: &Refusal, headers: &hyper::HeaderMap) -> Reply {
    shared.note(refusal);
    if headers.contains_key(key::TARGET) { key::refused(refusal) } else { xml::refused(refusal) }
}

impl Shared {
    fn note(&mut self, refusal: &Refusal) {
        if refusal.status == StatusCode::NOT_IMPLEMENTED {
            self.not_simulated.push(refusal.message.clone());
        }
    }
}

/// An answer in the format of the call's service.
fn shown(call: &Call, result: Result<String, Refusal>) -> Reply {
    match (result, call.is_of_kms()) {
        (Ok(body), false) => reply(StatusCode::OK, xml::CONTENT_TYPE, xml::response(&call.action, &body)),
        (Ok(body), true) => reply(StatusCode::OK, key::CONTENT_TYPE, body),
        (Err(refusal), false) => xml::refused(&refusal),
        (Err(refusal), true) => key::refused(&refusal),
    }
}

fn reply(status: StatusCode, content_type: &str, body: String) -> Reply {
    let mut reply = Response::new(Full::from(body));
    *reply.status_mut() = status;
    reply.headers_mut().insert(header::CONTENT_TYPE, content_type.parse().unwrap());
    reply.headers_mut().insert("x-amzn-requestid", xml::REQUEST_ID.parse().unwrap());
    reply
}
