//! What is told over HTTP: metrics, health, the API, and the status page. Nothing can be changed by it.

use std::cmp::Reverse;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, Request, State};
use axum::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, REFERRER_POLICY, WWW_AUTHENTICATE,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, Utc};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use snapkeep_providers::ErrorKind;
use snapkeep_providers::model::Snapshot;
use snapkeep_providers::secret::Secret;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::board::Board;
use super::metrics;
use crate::cli::run::RunRow;
use crate::cli::status::StatusRow;
use crate::cli::targets;
use crate::failure::Failure;
use crate::page;
use crate::render::{self, Format, Paint, Row};
use crate::standing::{Scheduled, Standing};

/// How many may be connected at once.
const CONNECTIONS: usize = 256;
/// How many runs are answered with at most, and how many unless asked for otherwise.
const RUNS: usize = 10_000;
const SOME_RUNS: usize = 1000;
/// How long somebody may take to say what is wanted.
const HEADERS: Duration = Duration::from_secs(10);
/// How long one may stay connected: who doesn't read what is answered would keep a place for ever.
const CONNECTION: Duration = Duration::from_secs(60);
/// How long one request may take.
const REQUEST: Duration = Duration::from_secs(60);

/// Who may read.
#[derive(Clone)]
pub(super) struct Access {
    /// The hash of the token; everyone may where there is none.
    token: Option<[u8; 32]>,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.token.is_some() { "Access(token)" } else { "Access(all)" })
    }
}

impl Access {
    pub(super) fn new(token: Option<&Secret>) -> Self {
        Self { token: token.map(|token| Sha256::digest(token.expose()).into()) }
    }

    /// By its hash: how long the comparison takes tells nothing.
    fn is_token(&self, given: &str) -> bool {
        self.token == Some(Sha256::digest(given).into())
    }

    /// As a bearer, or as the password that a browser asks for.
    fn admits(&self, headers: &HeaderMap) -> bool {
        let Some(given) = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()) else {
            return self.token.is_none();
        };
        match given.split_once(' ') {
            _ if self.token.is_none() => true,
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => self.is_token(token.trim()),
            Some((scheme, pair)) if scheme.eq_ignore_ascii_case("basic") => {
                let pair = BASE64_STANDARD.decode(pair.trim()).ok().and_then(|pair| String::from_utf8(pair).ok());
                pair.is_some_and(|pair| pair.split_once(':').is_some_and(|(_, password)| self.is_token(password)))
            }
            _ => false,
        }
    }
}

/// What the handlers have at hand.
#[derive(Clone, Debug)]
struct Shared {
    board: Arc<Board>,
    access: Access,
    /// Without a token, only who means this machine is answered: a name of another's could lead here.
    address: SocketAddr,
}

/// Takes the address, before anything is done.
pub(super) async fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        let kind = if error.kind() == std::io::ErrorKind::PermissionDenied {
            ErrorKind::Permission
        } else {
            ErrorKind::Failed
        };
        Failure::new(kind, format!("cannot listen on {address}: {error}"))
            .with_hint("name another address in [serve] listen, or by `--listen`; `--listen off` needs none")
    })
}

/// Answers until it is told to stop.
pub(super) async fn answer(listener: TcpListener, board: Arc<Board>, access: Access, stop: CancellationToken) {
    let Ok(address) = listener.local_addr() else { return };
    let router = router(Shared { board, access, address });
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let accepted = async {
            let place = places.clone().acquire_owned().await.ok();
            (place, listener.accept().await)
        };
        let (place, stream) = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            (place, accepted) = accepted => match accepted {
                Ok((stream, _)) => (place, stream),
                // Too many files are open: that passes.
                Err(_) => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
        };
        let service = TowerToHyperService::new(router.clone());
        tokio::spawn(async move {
            let mut server = hyper::server::conn::http1::Builder::new();
            server.timer(TokioTimer::new()).header_read_timeout(HEADERS);
            let mut connection = pin!(server.serve_connection(TokioIo::new(stream), service));
            // Who hangs up has heard enough.
            if tokio::time::timeout(CONNECTION, connection.as_mut()).await.is_err() {
                connection.as_mut().graceful_shutdown();
                let _ = tokio::time::timeout(HEADERS, connection).await;
            }
            drop(place);
        });
    }
}

fn router(shared: Shared) -> Router {
    let closed = Router::new()
        .route("/", get(page))
        .route("/metrics", get(metrics))
        .route("/api/v1/status", get(status))
        .route("/api/v1/targets", get(list_targets))
        .route("/api/v1/targets/{target}/snapshots", get(snapshots))
        .route("/api/v1/runs", get(runs))
        .route_layer(from_fn_with_state(shared.clone(), admitted));
    let open = Router::new()
        .route("/healthz", get(healthy))
        .route("/readyz", get(ready))
        .route("/favicon.ico", get(|| async { StatusCode::NO_CONTENT }));
    closed.merge(open).fallback(nothing).layer(from_fn_with_state(shared.clone(), guarded)).with_state(shared)
}

/// What holds for every answer.
async fn guarded(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    if !is_meant(&shared, request.headers()) {
        return (StatusCode::MISDIRECTED_REQUEST, "this is another host\n").into_response();
    }
    let mut response = match tokio::time::timeout(REQUEST, next.run(request)).await {
        Ok(response) => response,
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "it took too long\n").into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// Whether the host that is asked for is this one. A page elsewhere may have its own name lead to this address, and read what is
/// answered; where there is a token it doesn't have it.
fn is_meant(shared: &Shared, headers: &HeaderMap) -> bool {
    if shared.access.token.is_some() {
        return true;
    }
    let Some(host) = headers.get(HOST).and_then(|host| host.to_str().ok()) else { return false };
    let name = host
        .rsplit_once(':')
        .map_or(host, |(name, port)| if port.chars().all(|digit| digit.is_ascii_digit()) { name } else { host });
    let ip = name.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    name.eq_ignore_ascii_case("localhost") || ip.is_ok_and(|ip| ip.is_loopback() || ip == shared.address.ip())
}

async fn admitted(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    if shared.access.admits(request.headers()) {
        return next.run(request).await;
    }
    let asked = [(WWW_AUTHENTICATE, "Bearer realm=\"snapkeep\""), (WWW_AUTHENTICATE, "Basic realm=\"snapkeep\"")];
    let mut response = (StatusCode::UNAUTHORIZED, "a bearer token is needed\n").into_response();
    for (name, value) in asked {
        response.headers_mut().append(name, HeaderValue::from_static(value));
    }
    response
}

async fn nothing() -> Response {
    let known = "there is /, /metrics, /healthz, /readyz, /api/v1/status, /api/v1/targets, /api/v1/targets/TARGET/snapshots and /api/v1/runs\n";
    (StatusCode::NOT_FOUND, known).into_response()
}

fn told(is: bool) -> Response {
    if is { (StatusCode::OK, "ok\n") } else { (StatusCode::SERVICE_UNAVAILABLE, "no\n") }.into_response()
}

async fn healthy(State(shared): State<Shared>) -> Response {
    told(shared.board.is_alive(Utc::now()))
}

async fn ready(State(shared): State<Shared>) -> Response {
    told(shared.board.is_ready(Utc::now()))
}

async fn metrics(State(shared): State<Shared>) -> Response {
    off_the_way(move || match metrics::text(&shared.board, Utc::now()) {
        Ok(text) => ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    })
    .await
}

async fn page(State(shared): State<Shared>) -> Response {
    off_the_way(move || {
        let policy = format!("{}; frame-ancestors 'none'", *page::SECURITY_POLICY);
        let headers = [(CONTENT_TYPE, "text/html; charset=utf-8".to_owned()), (CONTENT_SECURITY_POLICY, policy)];
        (headers, page::render(&shared.board.standings(), Utc::now())).into_response()
    })
    .await
}

async fn status(State(shared): State<Shared>) -> Response {
    off_the_way(move || {
        let (standings, now) = (shared.board.standings(), Utc::now());
        let failures: Vec<Failure> = standings.iter().flat_map(|standing| standing.failures.clone()).collect();
        let rows: Vec<StatusRow> = standings.iter().map(|standing| StatusRow::of(standing, now)).collect();
        document(&rows, &failures)
    })
    .await
}

async fn list_targets(State(shared): State<Shared>) -> Response {
    off_the_way(move || document(&targets::rows(&shared.board.duty().catalog), &[])).await
}

/// Those that were there when the target was last looked at.
async fn snapshots(State(shared): State<Shared>, Path(target): Path<String>) -> Response {
    let known = shared.board.duty().catalog.targets.contains_key(target.as_str());
    off_the_way(move || match shared.board.standing(&target) {
        Some(standing) => {
            let snapshots: Vec<Snapshot> =
                standing.snapshots.open().into_iter().map(|judged| judged.snapshot).collect();
            document(&snapshots, &standing.failures)
        }
        None if known => {
            let failure = Failure::new(ErrorKind::Unavailable, format!("{target} has not been looked at yet"));
            refused::<Snapshot>(StatusCode::SERVICE_UNAVAILABLE, failure.of(&target))
        }
        None => {
            let failure = Failure::new(ErrorKind::NotFound, format!("there is no target {target:?}"));
            refused::<Snapshot>(StatusCode::NOT_FOUND, failure)
        }
    })
    .await
}

/// Which runs are wanted.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    target: Option<String>,
    schedule: Option<String>,
    limit: Option<usize>,
}

/// What is remembered of the runs, the newest first.
async fn runs(State(shared): State<Shared>, wanted: Result<Query<Wanted>, QueryRejection>) -> Response {
    let wanted = match wanted {
        Ok(Query(wanted)) if (1..=RUNS).contains(&wanted.limit.unwrap_or(RUNS)) => wanted,
        Ok(_) => {
            return refused::<RunRow>(StatusCode::BAD_REQUEST, Failure::usage(format!("limit goes from 1 to {RUNS}")));
        }
        Err(_) => {
            let hint = "there are target, schedule and limit: /api/v1/runs?target=orders&limit=10";
            let failure = Failure::usage("the query can't be read").with_hint(hint);
            return refused::<RunRow>(StatusCode::BAD_REQUEST, failure);
        }
    };
    off_the_way(move || document(&rows(&shared.board.standings(), &wanted), &[])).await
}

fn rows(standings: &[Arc<Standing>], wanted: &Wanted) -> Vec<RunRow> {
    let is = |wanted: &Option<String>, name: &str| wanted.as_ref().is_none_or(|wanted| wanted == name);
    let limit = wanted.limit.unwrap_or(SOME_RUNS);
    let mut schedules = Vec::new();
    for standing in standings.iter().filter(|standing| is(&wanted.target, standing.target.as_str())) {
        let wanted = standing.schedules.iter().filter(|schedule| is(&wanted.schedule, &schedule.name));
        schedules.extend(wanted.map(|schedule| (&standing.target, schedule)));
    }
    schedules.sort_by_key(|(_, schedule)| Reverse(last_end(schedule)));
    let mut found = Vec::new();
    for (target, schedule) in schedules {
        // Of a million runs few more than are wanted are opened, and fewer held.
        if found.len() > 2 * limit {
            keep_newest(&mut found, limit);
            if last_end(schedule) < found.last().map(|row: &RunRow| row.run.ended_at) {
                break;
            }
        }
        let row = |run| RunRow { target: target.to_string(), schedule: schedule.name.clone(), run };
        found.extend(schedule.runs.open().into_iter().map(row));
    }
    keep_newest(&mut found, limit);
    found
}

fn last_end(schedule: &Scheduled) -> Option<DateTime<Utc>> {
    schedule.last_run().map(|run| run.ended_at)
}

fn keep_newest(rows: &mut Vec<RunRow>, limit: usize) {
    rows.sort_by(|a, b| (b.run.ended_at, &a.target, &a.schedule).cmp(&(a.run.ended_at, &b.target, &b.schedule)));
    rows.truncate(limit);
}

/// A document that says why there is nothing.
fn refused<T: Row>(status: StatusCode, failure: Failure) -> Response {
    let mut response = document::<T>(&[], &[failure]);
    *response.status_mut() = status;
    response
}

/// A document as the command line prints it.
fn document<T: Row>(items: &[T], failures: &[Failure]) -> Response {
    let mut bytes = Vec::new();
    match render::print(&mut bytes, Format::Json, items, failures, Utc::now(), Paint::Plain) {
        Ok(()) => ([(CONTENT_TYPE, "application/json")], bytes).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// What may take a while with many targets is kept away from the scheduler.
async fn off_the_way(work: impl FnOnce() -> Response + Send + 'static) -> Response {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::standing::Facts;
    use crate::standing::tests::{facts, now, run, scheduled};

    #[test]
    fn of_all_runs_the_newest_are_told() {
        let standing = |name: &str, hours: [i64; 4]| {
            let runs = |hours: &[i64]| hours.iter().map(|hours| run(*hours, None)).collect();
            let schedules = vec![scheduled("nightly", runs(&hours[..2])), scheduled("weekly", runs(&hours[2..]))];
            Arc::new(Standing::of(Facts { schedules, ..facts(name, None, Vec::new()) }))
        };
        let standings =
            [standing("om", [3, 6, 1, 9]), standing("notes", [4, 5, 1, 8]), standing("tasks", [2, 7, 1, 9])];
        let told = |wanted: &Wanted| {
            let row =
                |row: &RunRow| format!("{} {} {}", row.target, row.schedule, (now() - row.run.ended_at).num_hours());
            rows(&standings, wanted).iter().map(row).collect::<Vec<_>>()
        };
        let newest = ["notes weekly 1", "om weekly 1", "tasks weekly 1", "tasks nightly 2", "om nightly 3"];
        for limit in 1..=newest.len() {
            assert_eq!(told(&Wanted { limit: Some(limit), ..Wanted::default() }), newest[..limit]);
        }
        assert_eq!(told(&Wanted::default()).len(), 12);
        let (target, schedule) = (Some("notes".to_owned()), Some("nightly".to_owned()));
        assert_eq!(told(&Wanted { target, schedule, limit: None }), ["notes nightly 4", "notes nightly 5"]);
    }

    fn headers(name: axum::http::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    #[test]
    fn who_has_the_token_is_admitted_and_nobody_else() {
        let access = Access::new(Some(&Secret::new("a-token-of-some-length".into())));
        let admits = |value: &str| access.admits(&headers(AUTHORIZATION, value));
        let basic = |pair: &str| format!("Basic {}", BASE64_STANDARD.encode(pair));
        assert!(admits("Bearer a-token-of-some-length") && admits("bearer  a-token-of-some-length"));
        assert!(admits(&basic("anybody:a-token-of-some-length")));
        for other in ["", "Bearer", "Bearer ", "Bearer a-token-of-some-lengt", "a-token-of-some-length", "Basic %%%"] {
            assert!(!admits(other), "{other:?}");
        }
        for pair in ["a-token-of-some-length", "a-token-of-some-length:", "x:y"] {
            assert!(!admits(&basic(pair)), "{pair:?}");
        }
        assert!(!access.admits(&HeaderMap::new()));
        assert!(!format!("{access:?}").contains("token-of"), "nothing of it is shown");
        assert!(Access::new(None).admits(&HeaderMap::new()));
    }

    #[test]
    fn without_a_token_only_this_machine_is_meant() {
        let catalog = crate::catalog::Catalog::of(
            crate::config::parse("version = 1\n", std::path::Path::new("/etc/snapkeep/config.toml")).unwrap(),
        );
        let duty = Arc::new(super::super::duty::Duty::of(catalog, Utc::now()));
        let shared = |token: Option<&str>| Shared {
            board: Arc::new(Board::new(duty.clone(), Utc::now())),
            access: Access::new(token.map(|token| Secret::new(token.into())).as_ref()),
            address: "127.0.0.1:9870".parse().unwrap(),
        };
        let is_meant = |host: &str| super::is_meant(&shared(None), &headers(HOST, host));
        for host in ["127.0.0.1:9870", "127.0.0.1", "localhost", "LOCALHOST:9870", "[::1]:9870", "127.1.2.3:1"] {
            assert!(is_meant(host), "{host}");
        }
        for host in
            ["evil.example", "evil.example:9870", "localhost.evil.example", "127.0.0.1.evil.example", "", "10.0.0.1"]
        {
            assert!(!is_meant(host), "{host}");
        }
        assert!(super::is_meant(&shared(Some("a-token-of-some-length")), &headers(HOST, "snapkeep.internal")));
    }
}
