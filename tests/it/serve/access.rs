//! Who is answered over HTTP, and what.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::{Answer, Served, append, hourly, in_time, miss};
use crate::cli::{Bench, target, until};

const TOKEN: &str = "0123456789abcdef-of-serve";
const PASSWORD: &str = "hunter2-of-app";
const CLOSED: [&str; 6] =
    ["/", "/metrics", "/api/v1/status", "/api/v1/targets", "/api/v1/runs", "/api/v1/targets/notes/snapshots"];

/// One target that works, and one whose server isn't there; both have a run behind them.
fn served(more: &str) -> (Bench, Served) {
    let app = "\n[targets.app]\nprovider = \"mysql\"\nhost = \"127.0.0.1\"\nport = 1\nuser = \"app\"\ndatabase = \"app\"\n\
               password = { file = \"password\" }\nstore = \"local\"\n";
    let bench = Bench::of(&[target("notes", "notes.db", ""), app.to_owned()]);
    fs::write(bench.path("password"), PASSWORD).unwrap();
    fs::write(bench.path("token"), format!("{TOKEN}\n")).unwrap();
    append(&bench, &format!("{}\n[serve]\n{more}", hourly().0));
    if more.is_empty() {
        miss(&bench, bench.command(), 2);
    }
    let served = Served::of(&bench);
    (bench, served)
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

fn basic(user: &str, password: &str) -> String {
    format!("Authorization: Basic {}\r\n", BASE64_STANDARD.encode(format!("{user}:{password}")))
}

#[test]
fn what_other_machines_can_reach_takes_a_token() {
    let bench = Bench::new();
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:9870"] {
        let ran = bench.run(&format!("serve --listen {address}"));
        assert_eq!(ran.code, Some(2), "{ran}");
        assert!(ran.err.contains("can be reached from other machines") && ran.err.contains("bearer_token"), "{ran}");
    }
    let config = bench.path("snapkeep.toml");
    let before = fs::read_to_string(&config).unwrap();
    append(&bench, "\n[serve]\nlisten = \"0.0.0.0:0\"\n");
    for line in ["serve", "config check", "list"] {
        let ran = bench.run(line);
        assert_eq!(ran.code, Some(2), "{ran}");
        assert!(ran.err.contains("bearer_token") && ran.err.contains("snapkeep.toml:"), "{ran}");
    }
    for (token, why) in [("hunter2", "is shorter than 16 characters"), ("", "")] {
        fs::write(bench.path("token"), token).unwrap();
        fs::write(&config, format!("{before}\n[serve]\nbearer_token = {{ file = \"token\" }}\n")).unwrap();
        let ran = bench.run("serve --listen 127.0.0.1:0");
        assert!(ran.code == Some(2) && ran.err.contains(why), "{token:?}: {ran}");
        assert!(token.is_empty() || !ran.err.contains(token), "{ran}");
    }
    fs::remove_file(bench.path("token")).unwrap();
    let ran = bench.run("serve --listen 127.0.0.1:0");
    assert!(ran.code.is_some_and(|code| code != 0) && ran.err.contains("token"), "{ran}");
}

#[test]
fn with_a_token_it_is_listened_on_all_addresses() {
    let bench = Bench::new();
    fs::write(bench.path("token"), TOKEN).unwrap();
    append(&bench, "\n[serve]\nlisten = \"0.0.0.0:0\"\nbearer_token = { file = \"token\" }\n");
    // What `Served` gives by --listen is less than that.
    let mut served = Served::of(&bench);
    assert_eq!(served.ask("GET", "/metrics", &bearer(TOKEN)).status, 200);
    served.stopped(Duration::from_secs(5));
}

#[test]
fn only_who_knows_the_token_may_read() {
    let (_bench, mut served) = served("bearer_token = { file = \"token\" }\n");
    let wrong = [
        String::new(),
        bearer("0123456789abcdef-of-other"),
        bearer(""),
        bearer(&TOKEN[..TOKEN.len() - 1]),
        bearer(&format!("{TOKEN}x")),
        basic("prometheus", "wrong"),
        basic(TOKEN, ""),
        format!("Authorization: {TOKEN}\r\n"),
        format!("Authorization: Digest {TOKEN}\r\n"),
        "Authorization: Basic %%%\r\n".to_owned(),
        "Authorization: Bearer \u{e9}\r\n".to_owned(),
    ];
    for path in CLOSED {
        for headers in &wrong {
            let answer = served.ask("GET", path, headers);
            assert_eq!(answer.status, 401, "{path} {headers}");
            assert!(
                answer.head.contains("www-authenticate: bearer") && answer.head.contains("www-authenticate: basic")
            );
            assert!(!answer.body.contains("notes"), "{path} {headers}: {}", answer.body);
        }
        let right = [bearer(TOKEN), bearer(TOKEN).replace("Bearer", "bearer"), basic("", TOKEN), basic("me", TOKEN)];
        for headers in right {
            let status = in_time(10, "it has looked", || {
                Some(served.ask("GET", path, &headers).status).filter(|status| *status != 503)
            });
            assert_eq!(status, 200, "{path} {headers}");
        }
    }
    for open in ["/healthz", "/readyz"] {
        let answer = served.get(open);
        assert_eq!((answer.status, answer.body.as_str()), (200, "ok\n"), "{open} says nothing else");
    }
    assert_eq!(served.ask("POST", "/metrics", "").status, 401);
    let by_name = format!("Host: snapkeep.example.com\r\n{}", bearer(TOKEN));
    assert_eq!(served.ask("GET", "/metrics", &by_name).status, 200, "who has the token may use any name");
    assert!(!served.said().contains(TOKEN));
    served.stopped(Duration::from_secs(5));
}

#[test]
fn without_a_token_only_who_means_this_machine_is_answered() {
    let (_bench, mut served) = served("look_every = \"1h\"\n");
    let port = served.address.rsplit_once(':').unwrap().1.to_owned();
    for host in ["localhost", "LocalHost", "127.0.0.1", "127.0.0.2", "[::1]"] {
        for host in [host.to_owned(), format!("{host}:{port}")] {
            assert_eq!(served.ask("GET", "/metrics", &format!("Host: {host}\r\n")).status, 200, "{host}");
        }
    }
    let others = [
        "evil.example",
        "localhost.evil.example",
        "192.0.2.1",
        "127.0.0.1.evil.example",
        "evil.example:80",
        "",
        "::1:x",
    ];
    for path in CLOSED.iter().chain(&["/healthz", "/nothing"]) {
        for host in others {
            let answer = served.ask("GET", path, &format!("Host: {host}\r\n"));
            assert!([400, 421].contains(&answer.status), "{path} {host}: {}", answer.status);
            assert!(!answer.body.contains("notes") && !answer.body.contains("/api"), "{}", answer.body);
        }
    }
    let mut stream = served.connect();
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert_eq!(Answer::of(&text).status, 421, "one that names no host");
    served.stopped(Duration::from_secs(5));
}

#[test]
fn nothing_can_be_changed_and_what_is_not_there_is_not_found() {
    let (_bench, mut served) = served("look_every = \"1h\"\n");
    until("it has looked", || (served.get("/api/v1/targets/notes/snapshots").status == 200).then_some(()));
    for path in CLOSED {
        let (whole, head) = (served.get(path), served.ask("HEAD", path, ""));
        assert_eq!((whole.status, head.status, head.body.as_str()), (200, 200, ""), "{path}");
        let kind =
            |answer: &Answer| answer.head.lines().find(|line| line.starts_with("content-type")).map(ToOwned::to_owned);
        assert_eq!(kind(&whole), kind(&head), "{path}");
        assert!(
            whole.head.contains("cache-control: no-store") && whole.head.contains("x-content-type-options: nosniff")
        );
        for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "NONSENSE"] {
            let answer = served.ask(method, path, "Content-Length: 0\r\n");
            assert_eq!(answer.status, 405, "{method} {path}");
            assert!(answer.head.contains("allow: get,head"), "{}", answer.head);
        }
    }
    for path in ["/nothing", "/api", "/api/v1/", "/api/v2/status", "/metrics/", "/../etc/passwd", "/%2e%2e/", "//"] {
        let answer = served.get(path);
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.body.starts_with("there is /,"), "{path}: {}", answer.body);
    }
    let answer = served.get("/api/v1/targets/nobody/snapshots");
    assert_eq!((answer.status, &answer.document()["errors"][0]["code"]), (404, &json!("not_found")));
    for bad in ["%00", "..%2f..", "%ff", "a%22b", "<script>"] {
        let answer = served.get(&format!("/api/v1/targets/{bad}/snapshots"));
        assert!([400, 404].contains(&answer.status), "{bad}: {}", answer.status);
        assert!(!answer.head.contains("text/html"), "{bad}");
    }
    let long = format!("/{}", "x".repeat(100_000));
    let mut stream = served.connect();
    let _ = stream.write_all(format!("GET {long} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes());
    let mut text = String::new();
    let _ = stream.read_to_string(&mut text);
    assert!(text.is_empty() || Answer::of(&text).status >= 400, "{text}");
    assert_eq!(served.get("/healthz").status, 200);
    served.stopped(Duration::from_secs(5));
}

/// Every document is held against the schema as it is read.
#[test]
fn the_documents_are_those_of_the_command_line_and_show_no_secret() {
    let (bench, mut served) = served("");
    let runs = until("both have run", || Some(served.items("/api/v1/runs")).filter(|runs| runs.len() == 2));
    let of = |target: &str| runs.iter().find(|run| run["target"] == target).unwrap();
    assert_eq!((&of("notes")["error"], &of("notes")["schedule"]), (&Value::Null, &json!("hourly")));
    assert_eq!(of("app")["error"]["action"], "create", "{runs:?}");
    let count = |path: &str| served.items(path).len();
    assert_eq!((count("/api/v1/runs?target=notes"), count("/api/v1/runs?schedule=hourly&limit=1")), (1, 1));
    assert_eq!((count("/api/v1/runs?target=nobody"), count("/api/v1/runs?target=notes&schedule=none")), (0, 0));
    for query in ["limit=0", "limit=10001", "limit=x", "targets=notes"] {
        let answer = served.get(&format!("/api/v1/runs?{query}"));
        assert_eq!((answer.status, &answer.document()["errors"][0]["code"]), (400, &json!("usage")), "{query}");
    }
    let targets = served.items("/api/v1/targets");
    assert_eq!(targets, *bench.run("-o json targets").document()["items"].as_array().unwrap());
    let snapshots = served.items("/api/v1/targets/notes/snapshots");
    assert_eq!(snapshots, *bench.run("-o json list notes").document()["items"].as_array().unwrap());
    assert_eq!((snapshots.len(), served.items("/api/v1/targets/app/snapshots").len()), (1, 0));
    let status = served.get("/api/v1/status").document();
    assert_eq!((&status["kind"], status["items"].as_array().unwrap().len()), (&json!("StatusList"), 2), "{status}");

    let page = served.get("/");
    assert!(
        page.body.starts_with("<!DOCTYPE html>") || page.body.starts_with("<!doctype html>"),
        "{}",
        &page.body[..50]
    );
    assert!(page.head.contains("content-security-policy: ") && page.head.contains("frame-ancestors 'none'"));
    for path in CLOSED {
        let body = served.get(path).body;
        assert!(!body.contains(PASSWORD) && !body.contains(TOKEN), "{path}: {body}");
    }
    let metrics = served.get("/metrics");
    assert!(metrics.head.contains("content-type: application/openmetrics-text; version=1.0.0"), "{}", metrics.head);
    assert!(metrics.body.ends_with("# EOF\n"));
    served.stopped(Duration::from_secs(5));
    assert!(!served.said().contains(PASSWORD), "{}", served.said());
}

/// Ends when the other side has closed the connection; gives when that was seen.
fn is_closed(stream: &mut TcpStream) -> bool {
    let mut bytes = [0; 1024];
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
            Err(_) => return true,
        }
    }
}

#[test]
fn who_is_slow_is_cut_off_and_holds_up_nobody() {
    let (_bench, mut served) = served("look_every = \"1h\"\n");
    let begun = Instant::now();
    // One says nothing at all, one a little now and then, one a head and never the body, one asks once and stays.
    let says: [&[u8]; 4] = [
        b"",
        b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
        b"POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\nx",
        b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ];
    let connect = |number: usize| {
        let mut stream = served.connect();
        stream.write_all(says[number % says.len()]).unwrap();
        stream.set_nonblocking(true).unwrap();
        (number % says.len(), stream)
    };
    let mut slow: Vec<(usize, TcpStream)> = (0..40).map(connect).collect();
    let mut closed = [Duration::ZERO; 4];
    while !slow.is_empty() {
        let asked = Instant::now();
        assert_eq!(served.get("/healthz").status, 200);
        assert!(asked.elapsed() < Duration::from_secs(5), "it was held up for {:?}", asked.elapsed());
        slow.retain_mut(|(kind, stream)| {
            let _ = if *kind == 1 { stream.write_all(b"x") } else { Ok(()) };
            let is_closed = is_closed(stream);
            if is_closed {
                closed[*kind] = begun.elapsed();
            }
            !is_closed
        });
        assert!(begun.elapsed() < Duration::from_secs(30), "{} are still connected: {closed:?}", slow.len());
        std::thread::sleep(Duration::from_millis(300));
    }
    for kind in [0, 1, 3] {
        assert!(closed[kind] > Duration::from_secs(9), "{closed:?}");
    }
    served.stopped(Duration::from_secs(5));
}

/// There is a place for so many; who takes them all holds the others up for ten seconds and no longer.
#[test]
fn who_takes_every_place_loses_them_again() {
    let (_bench, mut served) = served("look_every = \"1h\"\n");
    let slow: Vec<TcpStream> = (0..256).map(|_| served.connect()).collect();
    let begun = Instant::now();
    assert_eq!(served.get("/healthz").status, 200);
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    drop(slow);
    served.stopped(Duration::from_secs(5));
}

/// Asks for more than fits in between, and never reads. Takes more than a minute.
pub(super) fn who_never_reads_what_is_answered_is_cut_off() {
    let (_bench, mut served) = served("look_every = \"1h\"\n");
    let mut stream = served.connect();
    stream.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
    let requests = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(1000);
    let begun = Instant::now();
    let mut stuck = 0;
    let error = loop {
        match stream.write_all(requests.as_bytes()) {
            Ok(()) => {}
            Err(error) if [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&error.kind()) => stuck += 1,
            Err(error) => break error,
        }
        assert!(begun.elapsed() < Duration::from_secs(90), "it is still connected");
    };
    assert!(stuck > 10, "nothing was in its way: {error}");
    assert!(begun.elapsed() > Duration::from_secs(55), "{:?}", begun.elapsed());
    served.stopped(Duration::from_secs(5));
}
