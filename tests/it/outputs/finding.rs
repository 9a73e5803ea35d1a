//! What can't be found, or is found twice, and what can't be done with it: on dumps.

use std::fs;

use rusqlite::Connection;

use super::{BY_ID, errors, of_id};
use crate::cli::{Bench, target};

#[test]
fn what_is_not_there_is_not_found() {
    let bench = Bench::of(&[target("notes", "notes.db", ""), target("gone", "gone.db", "")]);
    bench.create();
    let mut lines = of_id(&BY_ID, "notes/zz");
    let others = ["latest gone", "create gone", "guard gone -- true", "targets check gone", "doctor gone"];
    lines.extend(others.map(str::to_owned));
    insta::assert_snapshot!(errors(&bench, lines), @r#"
    $ snapkeep show notes/zz
    $ snapkeep wait notes/zz
    $ snapkeep copy notes/zz --to-store local
    $ snapkeep restore notes/zz --to x.db
    $ snapkeep export notes/zz --to gs://b/o
    $ snapkeep hold notes/zz --reason audit
    $ snapkeep release notes/zz
    $ snapkeep adopt notes/zz
    $ snapkeep verify notes/zz
    exit 4
    --- stderr
    error: there is no snapshot notes/zz
    hint: see `snapkeep list notes`
    --- stderr as JSON
    {"level":"error","code":"not_found","message":"there is no snapshot notes/zz","target":"notes","retryable":false,"hint":"see `snapkeep list notes`","causes":[]}

    $ snapkeep delete notes/zz --yes
    exit 0
    --- stdout
    SNAPSHOT  RESULT
    notes/zz  absent
    --- stderr
    notes/zz is not there; nothing to delete
    --- stderr as JSON
    {"level":"info","target":null,"message":"notes/zz is not there; nothing to delete"}

    $ snapkeep latest gone
    exit 4
    --- stderr
    error: gone has no good snapshot
    hint: make one: `snapkeep create gone`
    --- stderr as JSON
    {"level":"error","code":"not_found","message":"gone has no good snapshot","target":"gone","retryable":false,"hint":"make one: `snapkeep create gone`","causes":[]}

    $ snapkeep create gone
    $ snapkeep guard gone -- true
    exit 4
    --- stderr
    error: gone: sqlite: cannot dump [DIR]/gone.db: there is no such file
    caused by: No such file or directory (os error 2)
    hint: check `path` in the config; it is relative to the config file
    --- stderr as JSON
    {"level":"error","code":"not_found","message":"sqlite: cannot dump [DIR]/gone.db: there is no such file","target":"gone","retryable":false,"hint":"check `path` in the config; it is relative to the config file","causes":["No such file or directory (os error 2)"]}

    $ snapkeep targets check gone
    exit 4
    --- stdout
    TARGET  CHECK  RESULT  DETAIL
    gone  connection  FAILED  sqlite: cannot dump [DIR]/gone.db: there is no such file
    gone  store  ok  local ([DIR]/snapshots)
    --- stderr
    error: gone: sqlite: cannot dump [DIR]/gone.db: there is no such file
    caused by: No such file or directory (os error 2)
    hint: check `path` in the config; it is relative to the config file
    --- stderr as JSON
    {"level":"error","code":"not_found","message":"sqlite: cannot dump [DIR]/gone.db: there is no such file","target":"gone","retryable":false,"hint":"check `path` in the config; it is relative to the config file","causes":["No such file or directory (os error 2)"]}

    $ snapkeep doctor gone
    exit 4
    --- stdout
    TARGET  CHECK  RESULT  DETAIL
    gone  connection  FAILED  sqlite: cannot dump [DIR]/gone.db: there is no such file
    gone  restore  ok  a file can be made in [DIR]
    gone  state  ok  [DIR]/home/.local/state/snapkeep
    gone  snapshots  ok  0, none is good
    gone  debris  ok  none
    store local  list  ok  [DIR]/snapshots can be listed
    store local  write  ok  an object can be written
    store local  conditions  ok  what is there is not written over
    store local  read  ok  what was written can be read
    store local  delete  ok  it can be deleted again
    --- stderr
    error: gone: sqlite: cannot dump [DIR]/gone.db: there is no such file
    caused by: No such file or directory (os error 2)
    hint: check `path` in the config; it is relative to the config file
    --- stderr as JSON
    {"level":"error","code":"not_found","message":"sqlite: cannot dump [DIR]/gone.db: there is no such file","target":"gone","retryable":false,"hint":"check `path` in the config; it is relative to the config file","causes":["No such file or directory (os error 2)"]}
    "#);
}

#[test]
fn a_prefix_that_two_have_is_ambiguous() {
    let bench = Bench::new();
    bench.create();
    bench.create();
    insta::assert_snapshot!(errors(&bench, of_id(&BY_ID, "notes/2")), @r#"
    $ snapkeep show notes/2
    $ snapkeep wait notes/2
    $ snapkeep copy notes/2 --to-store local
    $ snapkeep restore notes/2 --to x.db
    $ snapkeep export notes/2 --to gs://b/o
    $ snapkeep delete notes/2 --yes
    $ snapkeep hold notes/2 --reason audit
    $ snapkeep release notes/2
    $ snapkeep adopt notes/2
    $ snapkeep verify notes/2
    exit 2
    --- stderr
    error: notes/2 means 2 snapshots: notes/[ID2], notes/[ID1]
    hint: type more of the id
    --- stderr as JSON
    {"level":"error","code":"ambiguous","message":"notes/2 means 2 snapshots: notes/[ID2], notes/[ID1]","target":"notes","retryable":false,"hint":"type more of the id","causes":[]}
    "#);
}

#[test]
fn what_sqlite_and_a_folder_can_not_do_is_unsupported() {
    let bench = Bench::new();
    bench.create();
    let lines = [
        "copy notes/latest --to-region eu-west-1",
        "restore notes --time 2026-01-01T00:00:00Z --to x.db",
        "export notes --to gs://b/o",
        "export notes/latest --to gs://b/o",
        "import notes --from gs://b/o --confirm notes",
    ];
    insta::assert_snapshot!(errors(&bench, lines), @r#"
    $ snapkeep copy notes/latest --to-region eu-west-1
    exit 12
    --- stderr
    error: sqlite: cannot copy notes/[ID1]: a dump is in a store, not in a region
    hint: name another store: `--to-store S`
    --- stderr as JSON
    {"level":"error","code":"unsupported","message":"sqlite: cannot copy notes/[ID1]: a dump is in a store, not in a region","target":"notes","retryable":false,"hint":"name another store: `--to-store S`","causes":[]}

    $ snapkeep restore notes --time 2026-01-01T00:00:00Z --to x.db
    exit 12
    --- stderr
    error: sqlite: cannot restore notes to [TIME]: it has snapshots only
    hint: choose a snapshot from before: `snapkeep list notes`
    --- stderr as JSON
    {"level":"error","code":"unsupported","message":"sqlite: cannot restore notes to [TIME]: it has snapshots only","target":"notes","retryable":false,"hint":"choose a snapshot from before: `snapkeep list notes`","causes":[]}

    $ snapkeep export notes --to gs://b/o
    exit 12
    --- stderr
    error: sqlite: cannot export notes: this provider exports nothing
    --- stderr as JSON
    {"level":"error","code":"unsupported","message":"sqlite: cannot export notes: this provider exports nothing","target":"notes","retryable":false,"hint":null,"causes":[]}

    $ snapkeep export notes/latest --to gs://b/o
    exit 12
    --- stderr
    error: sqlite: cannot export notes/[ID1]: this provider exports nothing
    --- stderr as JSON
    {"level":"error","code":"unsupported","message":"sqlite: cannot export notes/[ID1]: this provider exports nothing","target":"notes","retryable":false,"hint":null,"causes":[]}

    $ snapkeep import notes --from gs://b/o --confirm notes
    exit 12
    --- stderr
    error: sqlite: cannot import into notes: this provider imports nothing
    --- stderr as JSON
    {"level":"error","code":"unsupported","message":"sqlite: cannot import into notes: this provider imports nothing","target":"notes","retryable":false,"hint":null,"causes":[]}
    "#);
}

#[test]
fn what_is_no_database_fails() {
    let bench = Bench::of(&[target("notes", "notes.db", "")]);
    fs::write(bench.path("notes.db"), "this is no database, though it is long enough to be looked at\n".repeat(9))
        .unwrap();
    let lines =
        of_id(&["create ID", "create ID --no-wait", "guard ID -- true", "targets check ID", "doctor ID"], "notes");
    insta::assert_snapshot!(errors(&bench, lines), @r#"
    $ snapkeep create notes
    $ snapkeep create notes --no-wait
    $ snapkeep guard notes -- true
    exit 1
    --- stderr
    error: notes: sqlite: cannot copy [DIR]/notes.db: it is not a SQLite database, or it is encrypted
    caused by: Error code 26: file is not a database
    --- stderr as JSON
    {"level":"error","code":"failed","message":"sqlite: cannot copy [DIR]/notes.db: it is not a SQLite database, or it is encrypted","target":"notes","retryable":false,"hint":null,"causes":["Error code 26: file is not a database"]}

    $ snapkeep targets check notes
    exit 1
    --- stdout
    TARGET  CHECK  RESULT  DETAIL
    notes  connection  FAILED  sqlite: cannot read [DIR]/notes.db: it is not a SQLite database, or it is encrypted
    notes  store  ok  local ([DIR]/snapshots)
    --- stderr
    error: notes: sqlite: cannot read [DIR]/notes.db: it is not a SQLite database, or it is encrypted
    caused by: Error code 26: file is not a database
    --- stderr as JSON
    {"level":"error","code":"failed","message":"sqlite: cannot read [DIR]/notes.db: it is not a SQLite database, or it is encrypted","target":"notes","retryable":false,"hint":null,"causes":["Error code 26: file is not a database"]}

    $ snapkeep doctor notes
    exit 1
    --- stdout
    TARGET  CHECK  RESULT  DETAIL
    notes  connection  FAILED  sqlite: cannot read [DIR]/notes.db: it is not a SQLite database, or it is encrypted
    notes  restore  ok  a file can be made in [DIR]
    notes  state  ok  [DIR]/home/.local/state/snapkeep
    notes  snapshots  ok  0, none is good
    notes  debris  ok  none
    store local  list  ok  [DIR]/snapshots can be listed
    store local  write  ok  an object can be written
    store local  conditions  ok  what is there is not written over
    store local  read  ok  what was written can be read
    store local  delete  ok  it can be deleted again
    --- stderr
    error: notes: sqlite: cannot read [DIR]/notes.db: it is not a SQLite database, or it is encrypted
    caused by: Error code 26: file is not a database
    --- stderr as JSON
    {"level":"error","code":"failed","message":"sqlite: cannot read [DIR]/notes.db: it is not a SQLite database, or it is encrypted","target":"notes","retryable":false,"hint":null,"causes":["Error code 26: file is not a database"]}
    "#);
}

#[test]
fn a_snapshot_whose_bytes_changed_is_no_good() {
    let bench = Bench::new();
    let config = bench.path("snapkeep.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, format!("{text}\n[stores.second]\ntype = \"local\"\npath = \"second\"\n")).unwrap();
    let id = bench.create();
    let data = bench.stored(&id, "data.sqlite.zst");
    let mut bytes = fs::read(&data).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(data, bytes).unwrap();
    let lines = [
        "restore notes/latest --to x.db",
        "copy notes/latest --to-store second",
        "verify notes/2",
        "verify notes/2 --level checksum",
        "latest notes",
    ];
    insta::assert_snapshot!(errors(&bench, lines), @r#"
    $ snapkeep restore notes/latest --to x.db
    $ snapkeep copy notes/latest --to-store second
    exit 9
    --- stderr
    error: notes: dump: cannot use data.sqlite.zst: its SHA-256 is not the manifest's
    hint: this snapshot can't be trusted: restore another one, see `snapkeep list`
    --- stderr as JSON
    {"level":"error","code":"verification","message":"dump: cannot use data.sqlite.zst: its SHA-256 is not the manifest's","target":"notes","retryable":false,"hint":"this snapshot can't be trusted: restore another one, see `snapkeep list`","causes":[]}

    $ snapkeep verify notes/2
    exit 9
    --- stdout
    SNAPSHOT  LEVEL  RESULT  CHECK  DETAIL
    notes/[ID1]  archive  FAILED  data.sqlite.zst  dump: cannot use data.sqlite.zst: its SHA-256 is not the manifest's
    --- stderr
    error: sqlite: cannot trust notes/[ID1]: 1 of 1 checks failed
    caused by: data.sqlite.zst: dump: cannot use data.sqlite.zst: its SHA-256 is not the manifest's
    hint: use another one: `snapkeep list notes`
    --- stderr as JSON
    {"level":"error","code":"verification","message":"sqlite: cannot trust notes/[ID1]: 1 of 1 checks failed","target":"notes","retryable":false,"hint":"use another one: `snapkeep list notes`","causes":["data.sqlite.zst: dump: cannot use data.sqlite.zst: its SHA-256 is not the manifest's"]}

    $ snapkeep verify notes/2 --level checksum
    exit 9
    --- stdout
    SNAPSHOT  LEVEL  RESULT  CHECK  DETAIL
    notes/[ID1]  checksum  FAILED  data.sqlite.zst  dump: cannot use data.sqlite.zst: its SHA-256 is not the manifest's
    --- stderr
    error: sqlite: cannot trust notes/[ID1]: 1 of 1 checks failed
    caused by: data.sqlite.zst: dump: cannot use data.sqlite.zst: its SHA-256 is not the manifest's
    hint: use another one: `snapkeep list notes`
    --- stderr as JSON
    {"level":"error","code":"verification","message":"sqlite: cannot trust notes/[ID1]: 1 of 1 checks failed","target":"notes","retryable":false,"hint":"use another one: `snapkeep list notes`","causes":["data.sqlite.zst: dump: cannot use data.sqlite.zst: its SHA-256 is not the manifest's"]}

    $ snapkeep latest notes
    exit 4
    --- stderr
    error: notes has no good snapshot
    hint: make one: `snapkeep create notes`
    --- stderr as JSON
    {"level":"error","code":"not_found","message":"notes has no good snapshot","target":"notes","retryable":false,"hint":"make one: `snapkeep create notes`","causes":[]}
    "#);
}

#[test]
fn what_takes_too_long_is_stopped() {
    let bench = Bench::new();
    let locked = Connection::open(bench.path("notes.db")).unwrap();
    locked.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let lines = of_id(&["create ID --timeout 1s", "guard ID --timeout 1s -- true"], "notes");
    insta::assert_snapshot!(errors(&bench, lines), @r#"
    $ snapkeep create notes --timeout 1s
    $ snapkeep guard notes --timeout 1s -- true
    exit 8
    --- stderr
    error: notes: it took longer than --timeout, and was stopped; nothing is left of it
    hint: allow more time with `--timeout`
    --- stderr as JSON
    {"level":"error","code":"timeout","message":"it took longer than --timeout, and was stopped; nothing is left of it","target":"notes","retryable":true,"hint":"allow more time with `--timeout`","causes":[]}
    "#);
}
