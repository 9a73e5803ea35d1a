//! How targets stand.

use std::fs;

use chrono::{TimeDelta, Utc};

use super::{both, errors, shown};
use crate::cli::{Bench, target};

const POLICY: &str = "\n[retention.standard]\nkeep_last = 1\nmax_age = \"36h\"\n\
                      [schedules.nightly]\ncron = \"15 2 * * *\"\ntargets = [\"notes\"]\nactions = [\"create\"]\n";

fn bench() -> Bench {
    let policy = "retention = \"standard\"\n";
    let bench = Bench::of(&[
        target("notes", "notes.db", policy),
        target("old", "tasks.db", policy),
        target("empty", "tasks.db", ""),
    ]);
    let config = fs::read_to_string(bench.path("snapkeep.toml")).unwrap();
    fs::write(bench.path("snapkeep.toml"), config + POLICY).unwrap();
    bench.date(&bench.create(), Utc::now() - TimeDelta::hours(50));
    bench.create();
    bench.date(&bench.create_of("old"), Utc::now() - TimeDelta::hours(50));
    bench
}

#[test]
fn of_those_that_are_ok_stale_and_without_a_snapshot() {
    insta::assert_snapshot!(both(&bench(), &["status", "status notes --check"]), @r#"
    $ snapkeep status
    exit 0
    --- stdout
    TARGET  NEWEST GOOD (UTC)  AGE  MAX AGE  STATE  VERIFIED  SIZES  NEXT RUN (UTC)  LAST ERROR
    empty  -  -  -  none  -  -  -  -
    notes  [TIME]  [AGE]  1d 12h  ok  -  ██  [TIME]  -
    old  [TIME]  2d 2h  1d 12h  stale  -  █  -  -

    $ snapkeep -o json status
    exit 0
    --- stdout
    {
      "schema": "snapkeep/v1",
      "kind": "StatusList",
      "items": [
        {
          "target": "empty",
          "provider": "sqlite",
          "state": "none",
          "failing": false,
          "newest_good": null,
          "age_seconds": null,
          "max_age_seconds": null,
          "good": 0,
          "newest_verified": null,
          "to_prune": null,
          "refusals": [],
          "sizes": [],
          "next_run": null,
          "schedules": []
        },
        {
          "target": "notes",
          "provider": "sqlite",
          "state": "ok",
          "failing": false,
          "newest_good": {
            "id": "notes/[ID2]",
            "created_at": "[TIME]",
            "size_bytes": [SIZE],
            "verified": null
          },
          "age_seconds": [AGE],
          "max_age_seconds": 129600,
          "good": 2,
          "newest_verified": null,
          "to_prune": 1,
          "refusals": [],
          "sizes": [
            {
              "created_at": "[TIME]",
              "size_bytes": [SIZE]
            },
            {
              "created_at": "[TIME]",
              "size_bytes": [SIZE]
            }
          ],
          "next_run": "[TIME]",
          "schedules": [
            {
              "schedule": "nightly",
              "next_run": "[TIME]",
              "unfinished_since": null,
              "last_run": null,
              "last_success": null,
              "last_failure": null
            }
          ]
        },
        {
          "target": "old",
          "provider": "sqlite",
          "state": "stale",
          "failing": false,
          "newest_good": {
            "id": "old/[ID3]",
            "created_at": "[TIME]",
            "size_bytes": [SIZE],
            "verified": null
          },
          "age_seconds": [AGE],
          "max_age_seconds": 129600,
          "good": 1,
          "newest_verified": null,
          "to_prune": 0,
          "refusals": [
            "the newest good snapshot is [AGE] old, and max_age is 1d 12h"
          ],
          "sizes": [
            {
              "created_at": "[TIME]",
              "size_bytes": [SIZE]
            }
          ],
          "next_run": null,
          "schedules": []
        }
      ],
      "errors": []
    }

    $ snapkeep status notes --check
    exit 0
    --- stdout
    TARGET  NEWEST GOOD (UTC)  AGE  MAX AGE  STATE  VERIFIED  SIZES  NEXT RUN (UTC)  LAST ERROR
    notes  [TIME]  [AGE]  1d 12h  ok  -  ██  [TIME]  -

    $ snapkeep -o json status notes --check
    exit 0
    --- stdout
    {
      "schema": "snapkeep/v1",
      "kind": "StatusList",
      "items": [
        {
          "target": "notes",
          "provider": "sqlite",
          "state": "ok",
          "failing": false,
          "newest_good": {
            "id": "notes/[ID2]",
            "created_at": "[TIME]",
            "size_bytes": [SIZE],
            "verified": null
          },
          "age_seconds": [AGE],
          "max_age_seconds": 129600,
          "good": 2,
          "newest_verified": null,
          "to_prune": 1,
          "refusals": [],
          "sizes": [
            {
              "created_at": "[TIME]",
              "size_bytes": [SIZE]
            },
            {
              "created_at": "[TIME]",
              "size_bytes": [SIZE]
            }
          ],
          "next_run": "[TIME]",
          "schedules": [
            {
              "schedule": "nightly",
              "next_run": "[TIME]",
              "unfinished_since": null,
              "last_run": null,
              "last_success": null,
              "last_failure": null
            }
          ]
        }
      ],
      "errors": []
    }
    "#);
}

#[test]
fn with_check_what_will_not_do_is_an_error() {
    let lines = ["status old empty --check", "status notes old --check"];
    insta::assert_snapshot!(errors(&bench(), lines), @r#"
    $ snapkeep status old empty --check
    exit 4
    --- stdout
    TARGET  NEWEST GOOD (UTC)  AGE  MAX AGE  STATE  VERIFIED  SIZES  NEXT RUN (UTC)  LAST ERROR
    old  [TIME]  2d 2h  1d 12h  stale  -  █  -  -
    empty  -  -  -  none  -  -  -  -
    --- stderr
    error: the newest good snapshot, old/[ID3], is [AGE] old: more than 1d 12h
    hint: make one: `snapkeep create old`
    error: empty has no good snapshot
    hint: make one: `snapkeep create empty`
    --- stderr as JSON
    {"level":"error","code":"not_found","message":"the newest good snapshot, old/[ID3], is [AGE] old: more than 1d 12h","target":"old","retryable":false,"hint":"make one: `snapkeep create old`","causes":[]}
    {"level":"error","code":"not_found","message":"empty has no good snapshot","target":"empty","retryable":false,"hint":"make one: `snapkeep create empty`","causes":[]}

    $ snapkeep status notes old --check
    exit 4
    --- stdout
    TARGET  NEWEST GOOD (UTC)  AGE  MAX AGE  STATE  VERIFIED  SIZES  NEXT RUN (UTC)  LAST ERROR
    notes  [TIME]  [AGE]  1d 12h  ok  -  ██  [TIME]  -
    old  [TIME]  2d 2h  1d 12h  stale  -  █  -  -
    --- stderr
    error: the newest good snapshot, old/[ID3], is [AGE] old: more than 1d 12h
    hint: make one: `snapkeep create old`
    --- stderr as JSON
    {"level":"error","code":"not_found","message":"the newest good snapshot, old/[ID3], is [AGE] old: more than 1d 12h","target":"old","retryable":false,"hint":"make one: `snapkeep create old`","causes":[]}
    "#);
}

#[test]
fn a_list_that_can_not_be_read_is_unknown() {
    let bench = bench();
    let config = fs::read_to_string(bench.path("snapkeep.toml")).unwrap();
    let broken = config.replacen("store = \"local\"", "store = \"broken\"", 1);
    fs::write(bench.path("snapkeep.toml"), broken + "[stores.broken]\ntype = \"local\"\npath = \"notes.db\"\n")
        .unwrap();
    insta::assert_snapshot!(errors(&bench, ["status notes old", "status notes old --check", "status notes"]), @r#"
    $ snapkeep status notes old
    exit 3
    --- stdout
    TARGET  NEWEST GOOD (UTC)  AGE  MAX AGE  STATE  VERIFIED  SIZES  NEXT RUN (UTC)  LAST ERROR
    notes  -  -  1d 12h  unknown  -  -  [TIME]  look: failed
    old  [TIME]  2d 2h  1d 12h  stale  -  █  -  -
    --- stderr
    error: notes: store: cannot open broken: its folder can't be made
    caused by: File exists (os error 17)
    hint: check `path` of the store: [DIR]/notes.db
    --- stderr as JSON
    {"level":"error","code":"failed","message":"store: cannot open broken: its folder can't be made","target":"notes","retryable":false,"hint":"check `path` of the store: [DIR]/notes.db","causes":["File exists (os error 17)"]}

    $ snapkeep status notes old --check
    exit 3
    --- stdout
    TARGET  NEWEST GOOD (UTC)  AGE  MAX AGE  STATE  VERIFIED  SIZES  NEXT RUN (UTC)  LAST ERROR
    notes  -  -  1d 12h  unknown  -  -  [TIME]  look: failed
    old  [TIME]  2d 2h  1d 12h  stale  -  █  -  -
    --- stderr
    error: notes: store: cannot open broken: its folder can't be made
    caused by: File exists (os error 17)
    hint: check `path` of the store: [DIR]/notes.db
    error: the newest good snapshot, old/[ID3], is [AGE] old: more than 1d 12h
    hint: make one: `snapkeep create old`
    --- stderr as JSON
    {"level":"error","code":"failed","message":"store: cannot open broken: its folder can't be made","target":"notes","retryable":false,"hint":"check `path` of the store: [DIR]/notes.db","causes":["File exists (os error 17)"]}
    {"level":"error","code":"not_found","message":"the newest good snapshot, old/[ID3], is [AGE] old: more than 1d 12h","target":"old","retryable":false,"hint":"make one: `snapkeep create old`","causes":[]}

    $ snapkeep status notes
    exit 1
    --- stdout
    TARGET  NEWEST GOOD (UTC)  AGE  MAX AGE  STATE  VERIFIED  SIZES  NEXT RUN (UTC)  LAST ERROR
    notes  -  -  1d 12h  unknown  -  -  [TIME]  look: failed
    --- stderr
    error: notes: store: cannot open broken: its folder can't be made
    caused by: File exists (os error 17)
    hint: check `path` of the store: [DIR]/notes.db
    --- stderr as JSON
    {"level":"error","code":"failed","message":"store: cannot open broken: its folder can't be made","target":"notes","retryable":false,"hint":"check `path` of the store: [DIR]/notes.db","causes":["File exists (os error 17)"]}
    "#);
}

#[test]
fn as_a_page() {
    let bench = bench();
    let lines = [
        "status --html page.html",
        "status --html page.html --check",
        "status --html none/page.html",
        "status --html .",
        "--dry-run status --html other.html",
    ];
    insta::assert_snapshot!(shown(&bench, &lines), @r#"
    $ snapkeep status --html page.html
    exit 0

    $ snapkeep status --html page.html --check
    exit 4
    --- stderr
    error: empty has no good snapshot
    hint: make one: `snapkeep create empty`
    error: the newest good snapshot, old/[ID3], is [AGE] old: more than 1d 12h
    hint: make one: `snapkeep create old`

    $ snapkeep status --html none/page.html
    exit 1
    --- stderr
    error: cannot write the page to none/page.html: No such file or directory (os error 2)

    $ snapkeep status --html .
    exit 1
    --- stderr
    error: cannot write the page to .: Is a directory (os error 21)

    $ snapkeep --dry-run status --html other.html
    exit 0
    --- stderr
    would write other.html
    "#);
    assert!(!bench.path("other.html").exists());
}
