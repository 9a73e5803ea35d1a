//! Dump tools that fail in every way that a tool can: none makes a snapshot, and the next create works.

use std::path::Path;
use std::time::{Duration, Instant};

use snapkeep_providers::model::CreateRequest;
use snapkeep_providers::{ErrorKind, Run};

use crate::support::{Bed, assert_names, create, list, ok, on, refused, restore_in_place, try_create};

/// Puts what the real tool writes into `$here/whole`, and its size into `$size`.
const WHOLE: &str = "\"$real\" \"$@\" > \"$here/whole\" || exit 9; size=$(wc -c < \"$here/whole\")\n";

/// Nothing is listed and nothing is left, and a create with the real tool works.
async fn nothing_but_the_next_one(bed: &Bed) {
    let provider = bed.provider();
    assert_eq!(list(&*provider).await, []);
    assert_eq!(bed.stored(), <[&Path; 0]>::default());
    let id = create(&*provider).await;
    assert_eq!(list(&*provider).await, std::slice::from_ref(&id));
    ok(provider.delete(&id).await);
    assert_eq!(bed.stored(), <[&Path; 0]>::default());
}

on!(postgresql_15 postgresql_17 mysql mariadb => a_tool_that_ends_half_way_as_if_all_were_well_makes_no_snapshot);
async fn a_tool_that_ends_half_way_as_if_all_were_well_makes_no_snapshot(bed: Bed) {
    bed.fill();
    let cuts = ["0", "1", "100", "$((size / 10))", "$((size / 2))", "$((size * 9 / 10))", "$((size - 1))"];
    for (number, cut) in cuts.iter().enumerate() {
        let tools = bed.sick_dump(&format!("tools{number}"), &format!("{WHOLE}head -c {cut} \"$here/whole\"; exit 0"));
        let text = refused(ErrorKind::Failed, try_create(&*bed.with_tools(tools)).await);
        assert_names(&text, &[bed.server.tools()[0], "output is incomplete"]);
        assert_eq!(bed.stored(), <[&Path; 0]>::default(), "cut at {cut}");
    }
    nothing_but_the_next_one(&bed).await;
}

on!(postgresql_15 mysql mariadb => a_tool_that_is_killed_half_way_makes_no_snapshot);
async fn a_tool_that_is_killed_half_way_makes_no_snapshot(bed: Bed) {
    bed.fill();
    let script = format!("{WHOLE}head -c $((size / 2)) \"$here/whole\"; kill -KILL $$");
    let text = refused(ErrorKind::Failed, try_create(&*bed.with_tools(bed.sick_dump("tools", &script))).await);
    assert_names(&text, &["signal: 9"]);
    nothing_but_the_next_one(&bed).await;
}

on!(postgresql_15 postgresql_17 mysql mariadb => a_tool_that_fails_after_its_last_byte_makes_no_snapshot);
async fn a_tool_that_fails_after_its_last_byte_makes_no_snapshot(bed: Bed) {
    bed.fill();
    let tools = bed.sick_dump("tools", "\"$real\" \"$@\"; echo 'the last words' >&2; exit 3");
    let text = refused(ErrorKind::Failed, try_create(&*bed.with_tools(tools)).await);
    assert_names(&text, &["exit status: 3", "the last words"]);
    nothing_but_the_next_one(&bed).await;
}

on!(postgresql_15 mysql mariadb => a_tool_that_shows_the_password_is_redacted);
async fn a_tool_that_shows_the_password_is_redacted(bed: Bed) {
    bed.fill();
    let script = format!("echo \"login with '{}' failed\" >&2; exit 1", bed.server.password());
    let text = refused(ErrorKind::Failed, try_create(&*bed.with_tools(bed.sick_dump("tools", &script))).await);
    assert_names(&text, &["login with '***' failed"]);
    nothing_but_the_next_one(&bed).await;
}

on!(postgresql_15 postgresql_17 mysql mariadb => a_tool_that_hangs_is_stopped_with_its_children);
async fn a_tool_that_hangs_is_stopped_with_its_children(bed: Bed) {
    bed.fill();
    let hang = "sleep 600 & echo \"$$ $!\" > \"$here/pids.new\"; mv \"$here/pids.new\" \"$here/pids\"; wait";
    let script = format!("{WHOLE}head -c $((size / 2)) \"$here/whole\"; {hang}");
    stopped_within(&bed, &script, Duration::from_secs(4)).await;
}

on!(postgresql_15 mariadb => a_tool_that_ignores_the_signal_is_killed_with_its_children);
async fn a_tool_that_ignores_the_signal_is_killed_with_its_children(bed: Bed) {
    bed.fill();
    let hang =
        "trap '' TERM; sleep 600 & echo \"$$ $!\" > \"$here/pids.new\"; mv \"$here/pids.new\" \"$here/pids\"; wait";
    stopped_within(&bed, hang, Duration::from_secs(12)).await;
}

async fn stopped_within(bed: &Bed, script: &str, limit: Duration) {
    let tools = bed.sick_dump("tools", script);
    let (provider, run) = (bed.with_tools(tools.clone()), Run::silent());
    let cancel = run.cancel.clone();
    let creating = tokio::spawn(async move { provider.create(&CreateRequest::default(), &run).await });
    let pids = tools.join("pids");
    crate::support::until("the tool hangs", || pids.exists()).await;
    let pids = std::fs::read_to_string(pids).unwrap();
    assert!(pids.split_whitespace().all(runs), "{pids}");
    let since = Instant::now();
    cancel.cancel();
    refused(ErrorKind::Interrupted, creating.await.unwrap());
    assert!(since.elapsed() < limit, "it took {:?}", since.elapsed());
    crate::support::until("no process is left", || !pids.split_whitespace().any(runs)).await;
    nothing_but_the_next_one(bed).await;
}

/// Whether a process runs; one that has ended and was not waited for does not.
fn runs(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}

on!(postgresql_15 postgresql_17 => roles_that_can_not_be_read_are_noted_and_the_dump_goes_on);
async fn roles_that_can_not_be_read_are_noted_and_the_dump_goes_on(bed: Bed) {
    bed.fill();
    let scripts = ["echo 'permission denied for table pg_authid' >&2; exit 1", "echo '-- PostgreSQL database cluster'"];
    for (number, script) in scripts.iter().enumerate() {
        let provider = bed.with_tools(bed.sick_tool(&format!("tools{number}"), "pg_dumpall", script));
        let id = create(&*provider).await;
        let manifest = crate::support::manifest(&*provider, &id).await;
        assert_eq!(manifest["globals"], serde_json::Value::Null);
        assert_names(&manifest["notes"].to_string(), &["globals are missing"]);
        let files = bed.stored();
        assert!(!files.iter().any(|file| file.to_string_lossy().contains("globals")), "{files:?}");
        ok(crate::support::restore(&*provider, &id, &bed.name(&format!("copy{number}"))).await);
        ok(provider.delete(&id).await);
    }
}

on!(postgresql_15 postgresql_17 => a_swap_that_fails_leaves_the_old_database_open_or_says_how_to_open_it);
async fn a_swap_that_fails_leaves_the_old_database_open_or_says_how_to_open_it(bed: Bed) {
    bed.fill();
    let id = create(&*bed.provider()).await;
    let before = bed.content(&bed.database);
    let close = format!("echo 'ALTER DATABASE \"{}\" ALLOW_CONNECTIONS false' | \"$real\" \"$@\"", bed.database);
    let luck = "echo 'ERROR:  out of luck' >&2; exit 3";
    let psql = |opens: &str| {
        format!(
            "sql=$(cat); case \"$sql\" in *'RENAME TO'*) {close}; {luck};; *'CONNECTIONS true'*) {opens};; esac\n\
             echo \"$sql\" | \"$real\" \"$@\""
        )
    };
    let tools = bed.sick_tool("tools", "psql", &psql(":"));
    let text = refused(ErrorKind::Failed, restore_in_place(&*bed.with_tools(tools), &id).await);
    assert_names(&text, &["out of luck"]);
    assert_eq!(bed.content(&bed.database), before);
    let tools = bed.sick_tool("tools2", "psql", &psql(luck));
    let text = refused(ErrorKind::Failed, restore_in_place(&*bed.with_tools(tools), &id).await);
    let open = format!("ALTER DATABASE \"{}\" WITH ALLOW_CONNECTIONS true;", bed.database);
    assert_names(&text, &["out of luck", &open]);
    bed.admin(&open);
    assert_eq!(bed.content(&bed.database), before);
}
