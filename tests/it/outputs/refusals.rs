//! What is refused for safety, what another snapkeep keeps from being done, and what a guarded command does.

use std::process::{Child, Stdio};

use rusqlite::Connection;

use super::{errors, of_id};
use crate::aws::cloud::{Cloud, owned};
use crate::cli::{Bench, CloudBench, below, target, until};

#[test]
fn what_would_not_be_safe_is_refused() {
    let bench = Bench::new();
    bench.create();
    let lines = [
        "delete notes/latest --yes",
        "delete notes/latest",
        "restore notes/latest --to tasks.db",
        "restore notes/latest --in-place",
        "restore notes/latest --in-place --confirm note",
        "import notes --from gs://b/o",
        "demo --dir snapshots",
        "demo --dir notes.db",
    ];
    insta::assert_snapshot!(errors(&bench, lines), @r#"
    $ snapkeep delete notes/latest --yes
    exit 10
    --- stderr
    error: cannot delete notes/[ID1]: it is the last good snapshot of notes
    hint: if it must go: `snapkeep delete notes/[ID1] --yes --force`
    --- stderr as JSON
    {"level":"error","code":"refused","message":"cannot delete notes/[ID1]: it is the last good snapshot of notes","target":"notes","retryable":false,"hint":"if it must go: `snapkeep delete notes/[ID1] --yes --force`","causes":[]}

    $ snapkeep delete notes/latest
    exit 2
    --- stderr
    error: deleting needs a confirmation, and no one can be asked
    hint: add `--yes`
    --- stderr as JSON
    {"level":"error","code":"usage","message":"deleting needs a confirmation, and no one can be asked","target":null,"retryable":false,"hint":"add `--yes`","causes":[]}

    $ snapkeep restore notes/latest --to tasks.db
    exit 10
    --- stderr
    error: notes: sqlite: cannot restore to [DIR]/tasks.db: it exists and is not empty
    hint: choose another name with `--to FILE`
    --- stderr as JSON
    {"level":"error","code":"refused","message":"sqlite: cannot restore to [DIR]/tasks.db: it exists and is not empty","target":"notes","retryable":false,"hint":"choose another name with `--to FILE`","causes":[]}

    $ snapkeep restore notes/latest --in-place
    exit 10
    --- stderr
    error: restoring in place replaces what notes holds now
    hint: to confirm, add `--confirm notes`
    --- stderr as JSON
    {"level":"error","code":"refused","message":"restoring in place replaces what notes holds now","target":"notes","retryable":false,"hint":"to confirm, add `--confirm notes`","causes":[]}

    $ snapkeep restore notes/latest --in-place --confirm note
    exit 10
    --- stderr
    error: restoring in place: "note" is not the name of the target, notes
    hint: to confirm, add `--confirm notes`
    --- stderr as JSON
    {"level":"error","code":"refused","message":"restoring in place: \"note\" is not the name of the target, notes","target":"notes","retryable":false,"hint":"to confirm, add `--confirm notes`","causes":[]}

    $ snapkeep import notes --from gs://b/o
    exit 10
    --- stderr
    error: importing changes what notes holds now
    hint: to confirm, add `--confirm notes`
    --- stderr as JSON
    {"level":"error","code":"refused","message":"importing changes what notes holds now","target":"notes","retryable":false,"hint":"to confirm, add `--confirm notes`","causes":[]}

    $ snapkeep demo --dir snapshots
    exit 10
    --- stderr
    error: snapshots exists, and the demo did not make it
    hint: choose another folder with `--dir DIR`
    --- stderr as JSON
    {"level":"error","code":"refused","message":"snapshots exists, and the demo did not make it","target":null,"retryable":false,"hint":"choose another folder with `--dir DIR`","causes":[]}

    $ snapkeep demo --dir notes.db
    exit 10
    --- stderr
    error: notes.db exists, and the demo did not make it
    hint: choose another folder with `--dir DIR`
    --- stderr as JSON
    {"level":"error","code":"refused","message":"notes.db exists, and the demo did not make it","target":null,"retryable":false,"hint":"choose another folder with `--dir DIR`","causes":[]}
    "#);
}

#[test]
fn what_is_not_ours_or_held_is_refused() {
    let cloud = Cloud::of_instance("retention = \"one\"");
    let config = cloud.bench().path("snapkeep.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(config, format!("{text}\n[retention.one]\nkeep_last = 1\nmax_age = \"1d\"\n")).unwrap();
    for day in 1..4 {
        cloud.take(&format!("sk-{day}"), |new| owned(new).at(&format!("2025-11-2{day}T02:15:00Z")));
    }
    cloud.take("by-hand", |new| new.at("2025-11-20T02:15:00Z"));
    cloud.take("rds:orders-1", |new| new.by("automated").at("2025-11-20T02:15:00Z"));
    cloud.done("hold orders/sk-1 --reason audit");
    let lines = [
        "delete orders/sk-1 --yes",
        "delete orders/by-hand --yes",
        "delete orders/rds:orders-1 --yes",
        "adopt orders/rds:orders-1",
        "prune plan",
        "prune apply --yes",
        "restore orders/sk-1 --to orders-prod",
    ];
    insta::assert_snapshot!(errors(&cloud, lines), @r#"
    $ snapkeep delete orders/sk-1 --yes
    exit 10
    --- stderr
    error: cannot delete orders/sk-1: it is held: audit
    hint: if it must go: `snapkeep delete orders/sk-1 --yes --force`
    --- stderr as JSON
    {"level":"error","code":"refused","message":"cannot delete orders/sk-1: it is held: audit","target":"orders","retryable":false,"hint":"if it must go: `snapkeep delete orders/sk-1 --yes --force`","causes":[]}

    $ snapkeep delete orders/by-hand --yes
    exit 10
    --- stderr
    error: cannot delete orders/by-hand: snapkeep neither made nor adopted it
    hint: if it must go: `snapkeep delete orders/by-hand --yes --force`
    --- stderr as JSON
    {"level":"error","code":"refused","message":"cannot delete orders/by-hand: snapkeep neither made nor adopted it","target":"orders","retryable":false,"hint":"if it must go: `snapkeep delete orders/by-hand --yes --force`","causes":[]}

    $ snapkeep delete orders/rds:orders-1 --yes
    exit 12
    --- stderr
    error: aws_rds: cannot delete orders/rds:orders-1: the cloud made it, and lets nobody else delete it
    --- stderr as JSON
    {"level":"error","code":"unsupported","message":"aws_rds: cannot delete orders/rds:orders-1: the cloud made it, and lets nobody else delete it","target":"orders","retryable":false,"hint":null,"causes":[]}

    $ snapkeep adopt orders/rds:orders-1
    exit 12
    --- stderr
    error: cannot adopt orders/rds:orders-1: it is not a manual one, and others delete it
    --- stderr as JSON
    {"level":"error","code":"unsupported","message":"cannot adopt orders/rds:orders-1: it is not a manual one, and others delete it","target":"orders","retryable":false,"hint":null,"causes":[]}

    $ snapkeep prune plan
    exit 0
    --- stdout
    ID  CREATED (UTC)  SIZE  VERDICT  REASONS
    orders/sk-3  [TIME]  -  keep  last 1 of 1; newest good
    orders/sk-2  [TIME]  -  refused  in no slot of keep_last; max_age: the newest good snapshot is too old
    orders/sk-1  [TIME]  -  refused  in no slot of keep_last; held until released: audit
    orders/rds:orders-1  [TIME]  -  keep  not owned: automated
    orders/by-hand  [TIME]  -  keep  not owned: manual
    --- stderr
    warning: orders: nothing may be deleted: the newest good snapshot is [AGE] old, and max_age is 1d; make a new snapshot first: old ones are the only ones that you have
    orders: keep 3, remove 0 ([SIZE]), refused 2
    --- stderr as JSON
    {"level":"warning","target":"orders","message":"nothing may be deleted: the newest good snapshot is [AGE] old, and max_age is 1d; make a new snapshot first: old ones are the only ones that you have"}
    {"level":"info","target":"orders","message":"keep 3, remove 0 ([SIZE]), refused 2"}

    $ snapkeep prune apply --yes
    exit 10
    --- stderr
    error: orders: nothing was deleted: the newest good snapshot is [AGE] old, and max_age is 1d
    hint: make a new snapshot first: old ones are the only ones that you have
    --- stderr as JSON
    {"level":"error","code":"refused","message":"orders: nothing was deleted: the newest good snapshot is [AGE] old, and max_age is 1d","target":"orders","retryable":false,"hint":"make a new snapshot first: old ones are the only ones that you have","causes":[]}

    $ snapkeep restore orders/sk-1 --to orders-prod
    exit 10
    --- stderr
    error: aws_rds: cannot restore orders/sk-1: that is the source itself, which is never restored onto
    hint: choose another name with `--to NAME`
    --- stderr as JSON
    {"level":"error","code":"refused","message":"aws_rds: cannot restore orders/sk-1: that is the source itself, which is never restored onto","target":"orders","retryable":false,"hint":"choose another name with `--to NAME`","causes":[]}
    "#);
}

#[test]
fn what_a_guarded_command_does_is_told() {
    let bench = Bench::new();
    let lines = ["guard notes -- false", "guard notes -- no-such-command", "guard notes -- ./notes.db"];
    insta::assert_snapshot!(errors(&bench, lines), @r#"
    $ snapkeep guard notes -- false
    exit 1
    --- stderr
    notes: made notes/[ID1] in local, [SIZE], in [DURATION]
    notes: notes/[ID1] is held; now `false`
    error: `false` ended with exit status 1; notes/[ID1] is from before it, held until [TIME] UTC
    hint: to go back: `snapkeep --config [DIR]/snapkeep.toml restore notes/[ID1] --in-place --confirm notes`
    --- stderr as JSON
    {"level":"info","target":"notes","message":"made notes/[ID2] in local, [SIZE], in [DURATION]"}
    {"level":"info","target":"notes","message":"notes/[ID2] is held; now `false`"}
    {"level":"error","code":"command","message":"`false` ended with exit status 1; notes/[ID2] is from before it, held until [TIME] UTC","target":"notes","retryable":false,"hint":"to go back: `snapkeep --config [DIR]/snapkeep.toml restore notes/[ID2] --in-place --confirm notes`","causes":[]}

    $ snapkeep guard notes -- no-such-command
    exit 127
    --- stderr
    error: the command `no-such-command` is not found
    hint: what is a shell's own needs a shell: `-- sh -c '...'`
    --- stderr as JSON
    {"level":"error","code":"command","message":"the command `no-such-command` is not found","target":null,"retryable":false,"hint":"what is a shell's own needs a shell: `-- sh -c '...'`","causes":[]}

    $ snapkeep guard notes -- ./notes.db
    exit 126
    --- stderr
    error: the command `./notes.db` can't be executed
    hint: what is a shell's own needs a shell: `-- sh -c '...'`
    --- stderr as JSON
    {"level":"error","code":"command","message":"the command `./notes.db` can't be executed","target":null,"retryable":false,"hint":"what is a shell's own needs a shell: `-- sh -c '...'`","causes":[]}
    "#);
}

/// A `create` that waits for a database which the test has locked, and holds the lock of its target meanwhile.
struct Holder(Child, #[expect(dead_code, reason = "it is locked while this lives")] Connection);

impl Holder {
    fn of(bench: &Bench) -> Self {
        let locked = Connection::open(bench.path("notes.db")).unwrap();
        locked.execute_batch("BEGIN EXCLUSIVE").unwrap();
        let mut command = bench.command();
        command.args(["-q", "create", "notes"]).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().unwrap();
        let is_lock = |path: &std::path::PathBuf| path.parent().is_some_and(|folder| folder.ends_with("lock"));
        until("the lock is taken", || below(&bench.path("home")).iter().any(is_lock).then_some(()));
        Self(child, locked)
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn what_another_snapkeep_works_on_is_locked() {
    let bench = Bench::of(&[target("notes", "notes.db", "retention = \"one\"\n")]);
    let config = bench.path("snapkeep.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, format!("{text}\n[retention.one]\nkeep_last = 1\n")).unwrap();
    for _ in 0..2 {
        bench.create();
    }
    let holder = Holder::of(&bench);
    let lines = of_id(
        &[
            "create ID",
            "copy ID/latest --to-store local",
            "delete ID/latest --yes",
            "prune apply ID --yes",
            "guard ID -- true",
        ],
        "notes",
    );
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let told = errors(&bench, lines);
    let told = told.replace(&format!("on {host} as process {}", holder.0.id()), "on [HOST] as process [PID]");
    insta::assert_snapshot!(told, @r#"
    $ snapkeep create notes
    $ snapkeep copy notes/latest --to-store local
    $ snapkeep delete notes/latest --yes
    $ snapkeep prune apply notes --yes
    $ snapkeep guard notes -- true
    exit 11
    --- stderr
    error: notes is locked: `create` runs on [HOST] as process [PID] since [TIME] UTC
    hint: wait until it is done, or end it; a dead owner's lock goes by itself
    --- stderr as JSON
    {"level":"error","code":"locked","message":"notes is locked: `create` runs on [HOST] as process [PID] since [TIME] UTC","target":"notes","retryable":true,"hint":"wait until it is done, or end it; a dead owner's lock goes by itself","causes":[]}
    "#);
}
