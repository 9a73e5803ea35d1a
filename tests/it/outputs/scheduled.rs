//! `run` and `serve`, as they end.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::{both, errors, shown};
use crate::cli::{Bench, target};

const SCHEDULES: &str = "\n[retention.few]\nkeep_last = 1\n[schedules.nightly]\ncron = \"15 2 * * *\"\ntargets = [\"*\"]\nactions = [\"create\", \"verify\", \"prune\"]\n[schedules.none]\ncron = \"15 2 * * *\"\ntargets = [\"tag:team=nobody\"]\nactions = [\"verify\"]\n";
/// One after the other, so that what they say has an order.
const ONE: &str = "[serve]\nmax_concurrent = 1\n";

/// The targets `notes` and `tasks`, with schedules.
fn bench() -> Bench {
    let retention = "retention = \"few\"\n";
    let bench = Bench::of(&[target("notes", "notes.db", retention), target("tasks", "tasks.db", retention)]);
    let config = fs::read_to_string(bench.path("snapkeep.toml")).unwrap();
    fs::write(bench.path("snapkeep.toml"), config + SCHEDULES + ONE).unwrap();
    bench
}

#[test]
fn a_pass_over_all_targets() {
    let lines = ["run nightly --key monday", "run nightly --shard 0/2", "--dry-run run nightly", "run none"];
    insta::assert_snapshot!(both(&bench(), &lines), @r#"
    $ snapkeep run nightly --key monday
    exit 0
    --- stdout
    TARGET  RESULT  TOOK  SNAPSHOT  SIZE  DELETED
    notes  done  0s  notes/[ID1]  [SIZE]  0
    tasks  done  0s  tasks/[ID2]  [SIZE]  0
    --- stderr
    notes: made notes/[ID1] in local, [SIZE], in [DURATION]
    notes: verified notes/[ID1]: archive, in [DURATION]
    notes: nothing to delete
    tasks: made tasks/[ID2] in local, [SIZE], in [DURATION]
    tasks: verified tasks/[ID2]: archive, in [DURATION]
    tasks: nothing to delete

    $ snapkeep -o json run nightly --key monday
    exit 0
    --- stdout
    {
      "schema": "snapkeep/v1",
      "kind": "RunList",
      "items": [
        {
          "target": "notes",
          "schedule": "nightly",
          "due": null,
          "begun_at": "[TIME]",
          "ended_at": "[TIME]",
          "host": "[HOST]",
          "attempt": 1,
          "snapshot": "notes/[ID1]",
          "size_bytes": [SIZE],
          "deleted": 0,
          "error": null
        },
        {
          "target": "tasks",
          "schedule": "nightly",
          "due": null,
          "begun_at": "[TIME]",
          "ended_at": "[TIME]",
          "host": "[HOST]",
          "attempt": 1,
          "snapshot": "tasks/[ID2]",
          "size_bytes": [SIZE],
          "deleted": 0,
          "error": null
        }
      ],
      "errors": []
    }
    --- stderr
    notes: notes/[ID1] is there already in local, with the same key, [SIZE]
    notes: verified notes/[ID1]: archive, in [DURATION]
    notes: nothing to delete
    tasks: tasks/[ID2] is there already in local, with the same key, [SIZE]
    tasks: verified tasks/[ID2]: archive, in [DURATION]
    tasks: nothing to delete

    $ snapkeep run nightly --shard 0/2
    exit 0
    --- stdout
    TARGET  RESULT  TOOK  SNAPSHOT  SIZE  DELETED
    notes  done  0s  notes/[ID3]  [SIZE]  1
    tasks  done  0s  tasks/[ID4]  [SIZE]  1
    --- stderr
    notes: made notes/[ID3] in local, [SIZE], in [DURATION]
    notes: verified notes/[ID3]: archive, in [DURATION]
    notes: deleted 1
    tasks: made tasks/[ID4] in local, [SIZE], in [DURATION]
    tasks: verified tasks/[ID4]: archive, in [DURATION]
    tasks: deleted 1

    $ snapkeep -o json run nightly --shard 0/2
    exit 0
    --- stdout
    {
      "schema": "snapkeep/v1",
      "kind": "RunList",
      "items": [
        {
          "target": "notes",
          "schedule": "nightly",
          "due": null,
          "begun_at": "[TIME]",
          "ended_at": "[TIME]",
          "host": "[HOST]",
          "attempt": 1,
          "snapshot": "notes/[ID5]",
          "size_bytes": [SIZE],
          "deleted": 1,
          "error": null
        },
        {
          "target": "tasks",
          "schedule": "nightly",
          "due": null,
          "begun_at": "[TIME]",
          "ended_at": "[TIME]",
          "host": "[HOST]",
          "attempt": 1,
          "snapshot": "tasks/[ID6]",
          "size_bytes": [SIZE],
          "deleted": 1,
          "error": null
        }
      ],
      "errors": []
    }
    --- stderr
    notes: made notes/[ID5] in local, [SIZE], in [DURATION]
    notes: verified notes/[ID5]: archive, in [DURATION]
    notes: deleted 1
    tasks: made tasks/[ID6] in local, [SIZE], in [DURATION]
    tasks: verified tasks/[ID6]: archive, in [DURATION]
    tasks: deleted 1

    $ snapkeep --dry-run run nightly
    exit 0
    --- stderr
    notes: would create, verify, prune
    tasks: would create, verify, prune

    $ snapkeep -o json --dry-run run nightly
    exit 0
    --- stdout
    {
      "schema": "snapkeep/v1",
      "kind": "RunList",
      "items": [],
      "errors": []
    }
    --- stderr
    notes: would create, verify, prune
    tasks: would create, verify, prune

    $ snapkeep run none
    exit 0
    --- stderr
    none: there is no target in it, nothing to do

    $ snapkeep -o json run none
    exit 0
    --- stdout
    {
      "schema": "snapkeep/v1",
      "kind": "RunList",
      "items": [],
      "errors": []
    }
    --- stderr
    none: there is no target in it, nothing to do
    "#);
}

#[test]
fn a_pass_that_does_a_part() {
    let bench = bench();
    fs::remove_file(bench.path("tasks.db")).unwrap();
    insta::assert_snapshot!(shown(&bench, &["run nightly", "-q -o json run nightly"]), @r#"
    $ snapkeep run nightly
    exit 3
    --- stdout
    TARGET  RESULT  TOOK  SNAPSHOT  SIZE  DELETED
    notes  done  0s  notes/[ID1]  [SIZE]  0
    tasks  FAILED: not_found  0s  -  -  0
    --- stderr
    notes: made notes/[ID1] in local, [SIZE], in [DURATION]
    notes: verified notes/[ID1]: archive, in [DURATION]
    notes: nothing to delete
    error: tasks: sqlite: cannot dump [DIR]/tasks.db: there is no such file
    caused by: No such file or directory (os error 2)
    hint: check `path` in the config; it is relative to the config file

    $ snapkeep -q -o json run nightly
    exit 3
    --- stdout
    {
      "schema": "snapkeep/v1",
      "kind": "RunList",
      "items": [
        {
          "target": "notes",
          "schedule": "nightly",
          "due": null,
          "begun_at": "[TIME]",
          "ended_at": "[TIME]",
          "host": "[HOST]",
          "attempt": 1,
          "snapshot": "notes/[ID2]",
          "size_bytes": [SIZE],
          "deleted": 1,
          "error": null
        },
        {
          "target": "tasks",
          "schedule": "nightly",
          "due": null,
          "begun_at": "[TIME]",
          "ended_at": "[TIME]",
          "host": "[HOST]",
          "attempt": 1,
          "snapshot": null,
          "size_bytes": null,
          "deleted": 0,
          "error": {
            "action": "create",
            "code": "not_found",
            "message": "sqlite: cannot dump [DIR]/tasks.db: there is no such file",
            "hint": "check `path` in the config; it is relative to the config file"
          }
        }
      ],
      "errors": [
        {
          "code": "not_found",
          "message": "sqlite: cannot dump [DIR]/tasks.db: there is no such file",
          "target": "tasks",
          "retryable": false,
          "hint": "check `path` in the config; it is relative to the config file",
          "causes": [
            "No such file or directory (os error 2)"
          ]
        }
      ]
    }
    --- stderr
    error: tasks: sqlite: cannot dump [DIR]/tasks.db: there is no such file
    caused by: No such file or directory (os error 2)
    hint: check `path` in the config; it is relative to the config file
    "#);
    fs::remove_file(bench.path("notes.db")).unwrap();
    insta::assert_snapshot!(errors(&bench, ["run nightly"]), @r#"
    $ snapkeep run nightly
    exit 4
    --- stdout
    TARGET  RESULT  TOOK  SNAPSHOT  SIZE  DELETED
    notes  FAILED: not_found  0s  -  -  0
    tasks  FAILED: not_found  0s  -  -  0
    --- stderr
    error: notes: sqlite: cannot dump [DIR]/notes.db: there is no such file
    caused by: No such file or directory (os error 2)
    hint: check `path` in the config; it is relative to the config file
    error: tasks: sqlite: cannot dump [DIR]/tasks.db: there is no such file
    caused by: No such file or directory (os error 2)
    hint: check `path` in the config; it is relative to the config file
    --- stderr as JSON
    {"level":"error","code":"not_found","message":"sqlite: cannot dump [DIR]/notes.db: there is no such file","target":"notes","retryable":false,"hint":"check `path` in the config; it is relative to the config file","causes":["No such file or directory (os error 2)"]}
    {"level":"error","code":"not_found","message":"sqlite: cannot dump [DIR]/tasks.db: there is no such file","target":"tasks","retryable":false,"hint":"check `path` in the config; it is relative to the config file","causes":["No such file or directory (os error 2)"]}
    "#);
}

#[test]
fn a_scheduler_that_is_told_to_stop() {
    let bench = bench();
    let lines = ["serve --listen off", "--log-format json serve --listen off"].map(|line| {
        let mut command = bench.command();
        let mut child = command.args(line.split(' ')).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        while !said.contains("runs to plan") {
            assert!(stderr.read_line(&mut said).unwrap() > 0, "{said}");
        }
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        stderr.read_to_string(&mut said).unwrap();
        let output = child.wait_with_output().unwrap();
        let ran = bench.ran(Output { stderr: said.into_bytes(), ..output });
        format!("$ snapkeep {line}\n{ran}")
    });
    insta::assert_snapshot!(lines.join("\n"), @r#"
    $ snapkeep serve --listen off
    exit 0
    --- stderr
    warning: the schedule none has no target: it never runs
    serving; schedules: 2, targets: 2, runs to plan: 2
    stopping; once more to stop at once
    stopped

    $ snapkeep --log-format json serve --listen off
    exit 0
    --- stderr
    {"level":"warning","target":null,"message":"the schedule none has no target: it never runs"}
    {"level":"info","target":null,"message":"serving; schedules: 2, targets: 2, runs to plan: 2"}
    {"level":"info","target":null,"message":"stopping; once more to stop at once"}
    {"level":"info","target":null,"message":"stopped"}
    "#);
}

#[test]
fn what_cannot_begin() {
    let bench = bench();
    let lines = [
        "run nightli",
        "run",
        "run nightly --shard 2/2",
        "run nightly --shard half",
        "serve --listen nowhere",
        "serve --listen 0.0.0.0:0",
        "--dry-run serve",
    ];
    insta::assert_snapshot!(errors(&bench, lines), @r#"
    $ snapkeep run nightli
    exit 2
    --- stderr
    error: there is no schedule "nightli" in snapkeep.toml
    hint: did you mean "nightly"?
    --- stderr as JSON
    {"level":"error","code":"unknown_schedule","message":"there is no schedule \"nightli\" in snapkeep.toml","target":null,"retryable":false,"hint":"did you mean \"nightly\"?","causes":[]}

    $ snapkeep run
    exit 2
    --- stderr
    error: the following required arguments were not provided:
      <SCHEDULE>

    Usage: snapkeep run <SCHEDULE>

    For more information, try '--help'.
    --- stderr as JSON
    {"level":"error","code":"usage","message":"the following required arguments were not provided: <SCHEDULE>","target":null,"retryable":false,"hint":"usage: snapkeep run <SCHEDULE>","causes":[]}

    $ snapkeep run nightly --shard 2/2
    exit 2
    --- stderr
    error: invalid value '2/2' for '--shard <I/N>': shares are counted from 0, so the last of 2 is 1/2

    For more information, try '--help'.
    --- stderr as JSON
    {"level":"error","code":"usage","message":"invalid value '2/2' for '--shard <I/N>': shares are counted from 0, so the last of 2 is 1/2","target":null,"retryable":false,"hint":"see `snapkeep --help`","causes":[]}

    $ snapkeep run nightly --shard half
    exit 2
    --- stderr
    error: invalid value 'half' for '--shard <I/N>': write I/N, share I of N: 0/4, 1/4, 2/4 and 3/4 are all

    For more information, try '--help'.
    --- stderr as JSON
    {"level":"error","code":"usage","message":"invalid value 'half' for '--shard <I/N>': write I/N, share I of N: 0/4, 1/4, 2/4 and 3/4 are all","target":null,"retryable":false,"hint":"see `snapkeep --help`","causes":[]}

    $ snapkeep serve --listen nowhere
    exit 2
    --- stderr
    error: invalid value 'nowhere' for '--listen <ADDRESS>': write an address and a port such as 127.0.0.1:9870, or off

    For more information, try '--help'.
    --- stderr as JSON
    {"level":"error","code":"usage","message":"invalid value 'nowhere' for '--listen <ADDRESS>': write an address and a port such as 127.0.0.1:9870, or off","target":null,"retryable":false,"hint":"see `snapkeep --help`","causes":[]}

    $ snapkeep serve --listen 0.0.0.0:0
    exit 2
    --- stderr
    error: 0.0.0.0:0 can be reached from other machines, by everyone
    hint: add bearer_token = { file = ... } to [serve], or listen on 127.0.0.1
    --- stderr as JSON
    {"level":"error","code":"usage","message":"0.0.0.0:0 can be reached from other machines, by everyone","target":null,"retryable":false,"hint":"add bearer_token = { file = ... } to [serve], or listen on 127.0.0.1","causes":[]}

    $ snapkeep --dry-run serve
    exit 2
    --- stderr
    error: `serve` can't be tried out
    hint: try a schedule out: `snapkeep run SCHEDULE --dry-run`
    --- stderr as JSON
    {"level":"error","code":"usage","message":"`serve` can't be tried out","target":null,"retryable":false,"hint":"try a schedule out: `snapkeep run SCHEDULE --dry-run`","causes":[]}
    "#);
    let config = fs::read_to_string(bench.path("snapkeep.toml")).unwrap().replace(ONE, "");
    for more in ["[serve]\nlisten = \"0.0.0.0:9870\"\n", "[serve]\nlisten = \"here\"\nmax_concurrent = 0\n"] {
        fs::write(bench.path("snapkeep.toml"), format!("{config}{more}")).unwrap();
        assert_eq!(bench.run("serve").code, Some(2), "{more}");
    }
    insta::assert_snapshot!(errors(&bench, ["serve", "run nightly"]), @r#"
    $ snapkeep serve
    $ snapkeep run nightly
    exit 2
    --- stderr
    error: snapkeep.toml:30:10: "listen" in serve can't be "here": write an address and a port such as 127.0.0.1:9870, or off
    error: snapkeep.toml:31:18: "max_concurrent" in serve must be 1 to 1000, not 0
    --- stderr as JSON
    {"level":"error","code":"config","message":"snapkeep.toml:30:10: \"listen\" in serve can't be \"here\": write an address and a port such as 127.0.0.1:9870, or off","target":null,"retryable":false,"hint":null,"causes":[]}
    {"level":"error","code":"config","message":"snapkeep.toml:31:18: \"max_concurrent\" in serve must be 1 to 1000, not 0","target":null,"retryable":false,"hint":null,"causes":[]}
    "#);
}
