//! Notifications: who is told what, and what becomes of those that can't be sent.

use std::fs;
use std::net::TcpListener;
use std::process::Stdio;
use std::time::{Duration, Instant};

use insta::assert_snapshot;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::cli::{Bench, Ran, keys, target, until};
use crate::schema;
use crate::support::Recorder;

mod mail;

/// What no output may show: the address of a notification holds it.
const SECRET: &str = "T0p-s3cret-address";
const ALL: &str = "on = [\"start\", \"success\", \"failure\"]";

/// Gives the config of a bench these notifications too. Their addresses are in files.
fn notify(bench: &Bench, notifications: &str) {
    let config = fs::read_to_string(bench.path("snapkeep.toml")).unwrap();
    fs::write(bench.path("snapkeep.toml"), format!("{config}\n{notifications}")).unwrap();
}

/// A notification `name` to an address in a file of its name.
fn notification(bench: &Bench, name: &str, kind: &str, url: &str, more: &str) {
    fs::write(bench.path(name), format!("{url}/hooks/{SECRET}\n")).unwrap();
    notify(bench, &format!("[notifications.{name}]\ntype = \"{kind}\"\nurl = {{ file = \"{name}\" }}\n{more}\n"));
}

/// A bench of one target `notes`, whose one notification `ops` goes to the recorder.
fn told(kind: &str, more: &str) -> (Bench, Recorder) {
    let (bench, recorder) = (Bench::new(), Recorder::start());
    notification(&bench, "ops", kind, &recorder.url(), more);
    (bench, recorder)
}

fn run(bench: &Bench, line: &str) -> Ran {
    let ran = bench.run(line);
    assert!(!format!("{}{}", ran.out, ran.err).contains(SECRET), "an address is shown: {ran}");
    ran
}

/// A notification as JSON, with stable words for what differs from run to run.
fn stable(mut notice: Value, bench: &Bench) -> String {
    schema::hold_document(&notice);
    let run_id = notice["run_id"].as_str().unwrap();
    assert_eq!((run_id.len(), run_id.as_bytes()[14]), (36, b'4'), "{run_id}");
    for key in ["at", "host", "run_id"] {
        assert!(notice[key].is_string(), "{notice}");
        notice[key] = "[...]".into();
    }
    if notice["duration_seconds"].is_number() {
        notice["duration_seconds"] = "[...]".into();
    }
    for snapshot in notice["snapshots"].as_array_mut().unwrap() {
        *snapshot = snapshot["id"].clone();
    }
    let text = serde_json::to_string_pretty(&notice).unwrap();
    let text = text.replace(&bench.path("").display().to_string(), "[DIR]/");
    bench.ids().iter().fold(text, |text, id| text.replace(id, "notes/[ID]"))
}

#[test]
fn a_webhook_is_told_of_start_and_success() {
    let (bench, recorder) = told("webhook", &format!("{ALL}\nbearer_token = {{ file = \"token\" }}"));
    fs::write(bench.path("token"), "b3arer").unwrap();
    assert_snapshot!(run(&bench, "create notes"), @"
    exit 0
    --- stdout
    ID  CREATED (UTC)  AGE  SIZE  STATE  ORIGIN  ENGINE  LOCATION  VERIFIED  HOLD
    notes/[ID1]  [TIME]  [AGE]  [SIZE]  available  owned  sqlite [SQLITE]  local  -  -
    --- stderr
    notes: made notes/[ID1] in local, [SIZE], in [DURATION]
    ");
    let seen = recorder.seen();
    assert_eq!(recorder.lines(), [format!("POST /hooks/{SECRET}"), format!("POST /hooks/{SECRET}")]);
    assert!(seen.iter().all(|seen| seen.content_type == "application/json"));
    assert!(seen.iter().all(|seen| seen.authorization.as_deref() == Some("Bearer b3arer")));
    let (start, end) = (seen[0].json(), seen[1].json());
    assert_eq!(start["run_id"], end["run_id"]);
    assert_snapshot!(stable(start, &bench), @r#"
    {
      "action": "create",
      "at": "[...]",
      "duration_seconds": null,
      "errors": [],
      "event": "start",
      "host": "[...]",
      "kind": "Notification",
      "provider": "sqlite",
      "run_id": "[...]",
      "schema": "snapkeep/v1",
      "snapshots": [],
      "target": "notes"
    }
    "#);
    let document = bench.run("list -o json").document();
    assert_eq!(end["snapshots"], document["items"], "in the form of every document");
    assert_snapshot!(stable(end, &bench), @r#"
    {
      "action": "create",
      "at": "[...]",
      "duration_seconds": "[...]",
      "errors": [],
      "event": "success",
      "host": "[...]",
      "kind": "Notification",
      "provider": "sqlite",
      "run_id": "[...]",
      "schema": "snapkeep/v1",
      "snapshots": [
        "notes/[ID]"
      ],
      "target": "notes"
    }
    "#);
}

#[test]
fn a_webhook_is_told_why_it_failed() {
    let recorder = Recorder::start();
    let away = "\n[targets.away]\nprovider = \"postgresql\"\nhost = \"127.0.0.1\"\nuser = \"u\"\ndatabase = \"d\"\n\
                password = { file = \"no-such-file\" }\nstore = \"local\"\n";
    let bench = Bench::of(&[target("gone", "gone.db", ""), away.to_owned()]);
    notification(&bench, "ops", "webhook", &recorder.url(), "");
    assert_eq!(run(&bench, "create gone").code, Some(4));
    assert_snapshot!(stable(recorder.seen()[0].json(), &bench), @r#"
    {
      "action": "create",
      "at": "[...]",
      "duration_seconds": "[...]",
      "errors": [
        {
          "causes": [
            "No such file or directory (os error 2)"
          ],
          "code": "not_found",
          "hint": "check `path` in the config; it is relative to the config file",
          "message": "sqlite: cannot dump [DIR]/gone.db: there is no such file",
          "retryable": false,
          "target": "gone"
        }
      ],
      "event": "failure",
      "host": "[...]",
      "kind": "Notification",
      "provider": "sqlite",
      "run_id": "[...]",
      "schema": "snapkeep/v1",
      "snapshots": [],
      "target": "gone"
    }
    "#);
    assert_eq!(run(&bench, "create away").code, Some(5));
    let away = recorder.seen()[1].json();
    assert_eq!((&away["target"], &away["errors"][0]["code"]), (&"away".into(), &"permission".into()));
    assert_eq!(recorder.seen().len(), 2, "failures only, unless it says more");
}

#[test]
fn who_holds_the_lock_is_told_of() {
    let (bench, recorder) = told("webhook", "");
    let script = "until test -e go; do sleep 0.01; done";
    notify(&bench, &format!("[hooks]\nbefore_create = {{ command = [\"sh\", \"-c\", \": > begun; {script}\"] }}\n"));
    let mut first = bench.command().args(["-q", "create", "notes"]).stdout(Stdio::null()).spawn().unwrap();
    until("the first one works", || bench.path("begun").exists().then_some(()));
    assert_eq!(run(&bench, "create notes").code, Some(11));
    assert_eq!(recorder.seen()[0].json()["errors"][0]["code"], "locked");
    fs::write(bench.path("go"), "").unwrap();
    assert!(first.wait().unwrap().success());
}

#[test]
fn a_part_that_failed_is_a_failure_with_what_there_is() {
    let (bench, recorder) = told("webhook", ALL);
    let config = fs::read_to_string(bench.path("snapkeep.toml")).unwrap();
    let two = config.replacen("store = \"local\"", "store = [\"local\", \"broken\"]", 1);
    fs::write(bench.path("file"), "").unwrap();
    let broken = "[stores.broken]\ntype = \"local\"\npath = \"file/below\"\n";
    fs::write(bench.path("snapkeep.toml"), format!("{two}{broken}")).unwrap();
    let ran = run(&bench, "create notes");
    assert_eq!(ran.code, Some(3), "{ran}");
    let end = recorder.seen()[1].json();
    assert_eq!((&end["event"], end["snapshots"].as_array().unwrap().len()), (&"failure".into(), 1));
    assert_eq!(end["errors"].as_array().unwrap().len(), 1);
}

#[test]
fn only_who_wants_to_know_is_told() {
    let recorder = Recorder::start();
    let tagged = target("tasks", "tasks.db", "tags = { team = \"a\" }\n");
    let bench = Bench::of(&[target("notes", "notes.db", ""), tagged]);
    let events = "on = [\"success\"]\n";
    for (name, more) in [
        ("everything", "targets = [\"*\"]"),
        ("notes", "targets = [\"notes\"]"),
        ("tagged", "targets = [\"tag:team=a\"]"),
        ("verifications", "actions = [\"verify\"]"),
    ] {
        notification(&bench, name, "webhook", &format!("{}/{name}", recorder.url()), &format!("{events}{more}"));
    }
    assert_eq!(run(&bench, "create notes tasks").code, Some(0));
    assert_eq!(run(&bench, "verify notes/latest").code, Some(0));
    let whom = |seen: crate::support::Seen| {
        let whom = seen.line.split('/').nth(1).unwrap().to_owned();
        format!("{whom}: {}", seen.json()["target"].as_str().unwrap())
    };
    let mut told: Vec<_> = recorder.seen().into_iter().map(whom).collect();
    told.sort_unstable();
    assert_eq!(
        told,
        ["everything: notes", "everything: tasks", "notes: notes", "tagged: tasks", "verifications: notes"]
    );
}

#[test]
fn verifications_and_deletions_are_told_of() {
    let more = format!("{ALL}\nactions = [\"verify\", \"prune\"]");
    let (bench, recorder) = told("webhook", &more);
    let config = fs::read_to_string(bench.path("snapkeep.toml")).unwrap();
    let pruned = config.replacen("store = \"local\"", "store = \"local\"\nretention = \"one\"", 1);
    fs::write(bench.path("snapkeep.toml"), format!("{pruned}[retention.one]\nkeep_last = 1\n")).unwrap();
    let ids = [bench.create(), bench.create()];
    assert_eq!(run(&bench, "verify notes/latest").code, Some(0));
    let verified = recorder.seen()[1].json();
    assert_eq!((&verified["action"], &verified["event"]), (&"verify".into(), &"success".into()));
    assert_eq!(keys(&verified["snapshots"][0]), ["at", "checks", "id", "level", "ok", "target"]);
    assert_eq!(run(&bench, "prune apply --yes").code, Some(0));
    let pruned = recorder.seen()[3].json();
    assert_eq!((&pruned["action"], &pruned["event"]), (&"prune".into(), &"success".into()));
    assert_eq!(pruned["snapshots"][0]["result"], "deleted");
    assert!(ids.contains(&pruned["snapshots"][0]["id"].as_str().unwrap().to_owned()));
    fs::write(bench.stored(&bench.ids()[0], "data.sqlite.zst"), "broken").unwrap();
    assert_eq!(run(&bench, "verify notes/latest").code, Some(9));
    let bad = recorder.seen()[5].json();
    assert_eq!((&bad["event"], &bad["errors"][0]["code"]), (&"failure".into(), &"verification".into()));
    assert_eq!(bad["snapshots"][0]["ok"], false);
}

#[test]
fn a_target_that_can_not_be_pruned_is_told_of() {
    let (bench, recorder) = told("webhook", "actions = [\"prune\"]");
    let config = fs::read_to_string(bench.path("snapkeep.toml")).unwrap();
    let stale = config.replacen("store = \"local\"", "store = \"local\"\nretention = \"one\"", 1);
    let policy = "[retention.one]\nkeep_last = 1\nmax_age = \"1s\"\n";
    fs::write(bench.path("snapkeep.toml"), format!("{stale}{policy}")).unwrap();
    bench.create();
    until("the newest one is too old", || {
        (bench.run("-q prune plan").code == Some(0) && bench.run("-q prune apply --yes").code == Some(10)).then_some(())
    });
    let told = recorder.seen().pop().unwrap().json();
    assert_eq!((&told["event"], &told["errors"][0]["code"]), (&"failure".into(), &"refused".into()));
}

#[test]
fn slack_gets_a_message_for_people() {
    let (bench, recorder) = told("slack", ALL);
    run(&bench, "create notes");
    let message = recorder.seen()[1].json();
    let id = bench.ids().remove(0);
    let text = message["text"].as_str().unwrap().replace(&id, "notes/[ID]");
    let mut lines: Vec<&str> = text.lines().collect();
    let last = lines.pop().unwrap();
    assert_eq!(lines[0], "*notes: create succeeded*");
    assert!(lines[1].starts_with("notes/[ID] in local, "), "{text}");
    assert!(last.starts_with("on ") && last.contains(", run "), "{text}");
}

#[test]
fn healthchecks_is_pinged_at_start_and_end_of_one_run() {
    let (bench, recorder) = told("healthchecks", "");
    run(&bench, "create notes");
    fs::remove_file(bench.path("notes.db")).unwrap();
    run(&bench, "create notes");
    let pings: Vec<(String, String)> = recorder
        .seen()
        .into_iter()
        .map(|seen| {
            let (line, run) = seen.line.split_once("?rid=").unwrap();
            assert!(seen.body.contains(run), "{}", seen.body);
            (line.replace(SECRET, "UUID"), run.to_owned())
        })
        .collect();
    let lines: Vec<&str> = pings.iter().map(|(line, _)| line.as_str()).collect();
    assert_eq!(
        lines,
        ["POST /hooks/UUID/start", "POST /hooks/UUID", "POST /hooks/UUID/start", "POST /hooks/UUID/fail"]
    );
    assert!(pings[0].1 == pings[1].1 && pings[2].1 == pings[3].1 && pings[0].1 != pings[2].1, "{pings:?}");
    assert!(recorder.seen()[3].body.starts_with("notes: create failed\nerror: sqlite: cannot dump "));
}

#[test]
fn a_check_that_is_not_known_is_told_though_it_answers_200() {
    let (bench, recorder) = told("healthchecks", "on = [\"success\"]");
    recorder.answer(200, "OK (not found)");
    assert_snapshot!(run(&bench, "-o name create notes"), @"
    exit 0
    --- stdout
    notes/[ID1]
    --- stderr
    notes: made notes/[ID1] in local, [SIZE], in [DURATION]
    warning: notification ops: cannot tell 127.0.0.1 of the success of create notes: it knows no such check; check its `url`
    ");
    assert_eq!(recorder.seen().len(), 1);
}

#[test]
fn what_a_server_can_not_take_now_is_sent_again() {
    let (bench, recorder) = told("webhook", "on = [\"success\"]");
    recorder.answer_with(503, "", &[("retry-after", "0")]);
    recorder.answer_with(429, "slowly", &[("retry-after", "0")]);
    assert_snapshot!(run(&bench, "-o name create notes"), @"
    exit 0
    --- stdout
    notes/[ID1]
    --- stderr
    notes: made notes/[ID1] in local, [SIZE], in [DURATION]
    ");
    let seen = recorder.seen();
    assert_eq!(seen.len(), 3);
    assert!(seen.iter().all(|again| again.body == seen[0].body), "the same, so that it can be told from another");
}

#[test]
fn what_a_server_refuses_is_not_sent_again() {
    let (bench, recorder) = told("webhook", "on = [\"success\"]");
    recorder.answer(403, "\n invalid_token T0p-s3cret-address\n");
    assert_snapshot!(run(&bench, "-o name create notes"), @"
    exit 0
    --- stdout
    notes/[ID1]
    --- stderr
    notes: made notes/[ID1] in local, [SIZE], in [DURATION]
    warning: notification ops: cannot tell 127.0.0.1 of the success of create notes: it answered 403 Forbidden: invalid_token ***; check its `url`
    ");
    recorder.answer_with(307, "", &[("location", "http://127.0.0.1:1/elsewhere")]);
    assert_snapshot!(run(&bench, "-o name create notes"), @"
    exit 0
    --- stdout
    notes/[ID2]
    --- stderr
    notes: made notes/[ID2] in local, [SIZE], in [DURATION]
    warning: notification ops: cannot tell 127.0.0.1 of the success of create notes: it answered 307 Temporary Redirect, which is not followed; name the new address in its `url`
    ");
    assert_eq!(recorder.seen().len(), 2);
}

#[test]
fn what_can_not_be_sent_fails_nothing() {
    let bench = Bench::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let dead = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    notification(&bench, "dead", "webhook", &dead, "on = [\"success\"]\nretries = 1");
    notification(&bench, "lost", "slack", "nonsense", "on = [\"success\"]");
    let unread = "[notifications.unread]\ntype = \"webhook\"\nurl = { env = \"NOT_SET\" }\non = [\"success\"]\n";
    notify(&bench, unread);
    let ran = run(&bench, "-o name create notes");
    let mut warnings: Vec<&str> = ran.err.lines().filter(|line| line.starts_with("warning")).collect();
    warnings.sort_unstable();
    assert_snapshot!(warnings.join("\n"), @"
    warning: notification dead: cannot tell 127.0.0.1 of the success of create notes: Connection refused (os error 111), 2 times; try it by `snapkeep doctor`
    warning: notification lost: cannot tell of the success of create notes: what `url` refers to is no address; it begins with https:// or http://
    warning: notification unread: cannot tell of the success of create notes: config: cannot read the secret from environment variable NOT_SET: it is not set, or not UTF-8; set it: export NOT_SET=...
    ");
    assert_eq!((ran.code, ran.out.lines().count(), ran.err.lines().count()), (Some(0), 1, 4), "{ran}");
    assert_eq!(
        run(&bench, "-q create notes -o name").err.lines().count(),
        3,
        "whoever wants to hear of errors only, too"
    );
}

#[test]
fn a_server_that_does_not_answer_holds_nobody_for_long() {
    let bench = Bench::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap(); // connections are taken, and nothing is read
    let mute = format!("http://{}", listener.local_addr().unwrap());
    notification(&bench, "mute", "webhook", &mute, "timeout = \"50s\"");
    notify(&bench, "[hooks]\nbefore_create = { command = [\"sh\", \"-c\", \": > begun; sleep 600\"] }\n");
    let child = bench.command().args(["create", "notes"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    until("the hook runs", || bench.path("begun").exists().then_some(()));
    let interrupted = Instant::now();
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let ran = bench.ran(child.wait_with_output().unwrap());
    assert!(interrupted.elapsed() < Duration::from_secs(12), "{:?}", interrupted.elapsed());
    assert_snapshot!(ran, @"
    exit 143
    --- stderr
    stopping; once more to stop at once
    error: notes: hook before_create: sh was stopped
    warning: notification mute: cannot tell 127.0.0.1 of the failure of create notes: it takes too long; try it by `snapkeep doctor`
    ");
}

#[test]
fn a_dry_run_tells_nobody() {
    let (bench, recorder) = told("webhook", &format!("{ALL}\nactions = [\"create\", \"verify\", \"prune\"]"));
    bench.create();
    let before = recorder.seen().len();
    for line in ["create notes --dry-run", "verify notes/latest --dry-run", "list"] {
        assert_eq!(run(&bench, line).code, Some(0));
    }
    assert_eq!((before, recorder.seen().len()), (2, 2));
}

#[test]
fn a_config_that_can_not_notify_is_refused() {
    let bench = Bench::new();
    notify(
        &bench,
        "[notifications.a]\ntype = \"webhook\"\nurl = \"https://example.com/T0p-s3cret-address\"\non = [\"succes\"]\ntargets = [\"nots\"]\n\
        [notifications.b]\ntype = \"email\"\nhost = \"smtp.example.com\"\nfrom = \"nobody\"\nto = []\nuser = \"u\"\n\
        [notifications.c]\ntype = \"pager\"\n[notifications.d]\ntype = \"slack\"\nurl = { env = \"X\" }\nbearer_token = { env = \"Y\" }\nretries = 11\n",
    );
    assert_snapshot!(run(&bench, "config check"), @r#"
    exit 2
    --- stderr
    error: snapkeep.toml:14:7: "url" in notifications.a must be a reference to a secret, never the secret itself
    hint: write { env = "NAME" }, { file = "/run/secrets/x" } or { command = ["vault", "kv", "get", "-field=password", "secret/om"] }
    error: snapkeep.toml:15:7: an item of "on" in notifications.a can't be "succes": use start, success or failure
    hint: did you mean "success"?
    error: snapkeep.toml:16:12: an item of "targets" in notifications.a: there is no target "nots"
    hint: did you mean "notes"?
    error: snapkeep.toml:20:8: "from" in notifications.b can't be "nobody": write backups@example.com or Backups <backups@example.com>
    error: snapkeep.toml:21:6: "to" in notifications.b is empty
    error: snapkeep.toml:22:1: "user" in notifications.b needs "password" beside it
    error: snapkeep.toml:24:8: "type" in notifications.c can't be "pager": use email, healthchecks, slack or webhook
    error: snapkeep.toml:28:1: unknown key "bearer_token" in notifications.d
    hint: it is a key of type webhook
    error: snapkeep.toml:29:11: "retries" in notifications.d must be 0 to 10, not 11
    "#);
}

#[test]
fn doctor_reaches_who_is_told_and_tells_nothing() {
    let (bench, recorder) = told("healthchecks", "");
    recorder.answer(404, "");
    notify(&bench, "[notifications.unread]\ntype = \"webhook\"\nurl = { env = \"NOT_SET\" }\n");
    let ran = run(&bench, "doctor");
    let whole = ran.to_string();
    let rows = whole.lines().filter(|line| !line.starts_with("notes") && !line.starts_with("store"));
    assert_snapshot!(rows.collect::<Vec<_>>().join("\n"), @"
    exit 3
    --- stdout
    TARGET  CHECK  RESULT  DETAIL
    -  notification  ok  ops: 127.0.0.1 answers (404)
    -  notification  FAILED  notification unread: config: cannot read the secret from environment variable NOT_SET: it is not set, or not UTF-8
    --- stderr
    error: notification unread: config: cannot read the secret from environment variable NOT_SET: it is not set, or not UTF-8
    hint: set it: export NOT_SET=...
    ");
    assert_eq!(recorder.lines(), ["HEAD /"], "nothing that is secret, or a ping");
}

#[test]
fn a_snapshot_that_guard_makes_is_told_of() {
    let (bench, recorder) = told("webhook", ALL);
    assert_eq!(run(&bench, "guard notes -- true").code, Some(0));
    let told: Vec<_> = recorder.seen().iter().map(|seen| seen.json()["event"].as_str().unwrap().to_owned()).collect();
    assert_eq!(told, ["start", "success"]);
    assert_eq!(run(&bench, "guard notes --max-age 1h -- false").code, Some(1));
    assert_eq!(recorder.seen().len(), 2, "it made none");
}
