//! What is no fault of a snapshot's condemns none, and what a snapshot holds does nothing outside of its scratch database.

use snapkeep_providers::ErrorKind;
use snapkeep_providers::model::VerifyLevel;

use super::{create_counting, findings, no_scratch_is_left, request, verify};
use crate::support::{Bed, assert_names, create, ok, on, refused};

/// A loader that takes `script`'s part in loading, and is the real one where it isn't loading.
fn sick_loader(bed: &Bed, name: &str, script: &str) -> std::path::PathBuf {
    let (tool, loads) = if bed.server.is_postgresql() {
        ("pg_restore", "*' --dbname='*")
    } else {
        (bed.server.tools()[1], "*' --binary-mode '*")
    };
    let script = format!("case \" $* \" in {loads}) {script} ;; *) exec \"$real\" \"$@\" ;; esac");
    bed.sick_tool(name, tool, &script)
}

on!(postgresql_15 postgresql_17 mysql mariadb => a_loader_that_is_killed_or_cut_off_says_nothing_about_the_snapshot);
async fn a_loader_that_is_killed_or_cut_off_says_nothing_about_the_snapshot(bed: Bed) {
    bed.fill();
    let id = create(&*bed.provider()).await;
    let cut = if bed.server.is_postgresql() {
        "pg_restore: error: error returned by PQputCopyData: SSL SYSCALL error: EOF detected"
    } else {
        "ERROR 2013 (HY000) at line 3: Lost connection to MySQL server during query"
    };
    let ignored = "pg_restore: error: could not execute query: ERROR:  unrecognized configuration parameter \\\"x\\\"\n\
                   Command was: SET x = 0;";
    let cut = format!("head -c 9 >/dev/null; echo \"{cut}\" >&2; exit 1");
    let killed_later = format!("echo \"{ignored}\" >&2; cat >/dev/null; kill -KILL $$");
    for (number, (script, kind, named)) in [
        ("head -c 9 >/dev/null; kill -KILL $$", ErrorKind::Failed, "signal: 9"),
        ("cat >/dev/null; kill -KILL $$", ErrorKind::Failed, "signal: 9"),
        ("cat >/dev/null; exit 1", ErrorKind::Failed, "exit status: 1"),
        ("cat >/dev/null; echo Killed >&2; exit 1", ErrorKind::Failed, "Killed"),
        (&killed_later, ErrorKind::Failed, "signal: 9"),
        (&cut, ErrorKind::Unavailable, "cannot load"),
    ]
    .into_iter()
    .enumerate()
    {
        let provider = bed.with_tools(sick_loader(&bed, &format!("tools{number}"), script));
        let said = refused(kind, verify(&*provider, &id, &request(VerifyLevel::Restore)).await);
        assert_names(&said, &[named]);
    }
    no_scratch_is_left(&bed).await;
}

#[tokio::test]
async fn a_listing_that_is_killed_says_nothing_about_the_snapshot() {
    let Some(bed) = Bed::postgresql_15() else { return };
    bed.fill();
    let id = create(&*bed.provider()).await;
    let provider = bed.with_tools(bed.sick_tool("tools", "pg_restore", "cat >/dev/null; kill -KILL $$"));
    let said = refused(ErrorKind::Failed, verify(&*provider, &id, &request(VerifyLevel::Archive)).await);
    assert_names(&said, &["cannot list the archive", "signal: 9"]);
}

on!(mysql mariadb => events_do_not_run_in_a_scratch_database);
async fn events_do_not_run_in_a_scratch_database(bed: Bed) {
    bed.fill();
    let outside = bed.name("outside");
    bed.admin(&format!("CREATE DATABASE {outside}; CREATE TABLE {outside}.runs (place VARCHAR(99));"));
    // Made disabled here, or they would run in the database itself; the dump has them as they would be there.
    bed.sql(&format!(
        "CREATE EVENT empties ON SCHEDULE EVERY 1 SECOND DISABLE COMMENT 'x */ ;' DO DELETE FROM notes;
         DELIMITER $$
         CREATE EVENT writes ON SCHEDULE EVERY 1 SECOND DISABLE DO BEGIN
           /* both */ INSERT INTO {outside}.runs VALUES ('event');
           DELETE FROM bulk;
         END$$
         CREATE PROCEDURE stays() BEGIN
           SELECT 1;
         END$$
         DELIMITER ;"
    ));
    let enable = "whole=$(\"$real\" \"$@\") || exit 9; printf '%s\\n' \"$whole\" | sed 's/ DISABLE / ENABLE /'";
    let provider = bed.with_tools(bed.sick_dump("tools", enable));
    let id = create_counting(&*provider).await;
    let wait = [("wait", "SELECT SLEEP(3) = 0", None), ("notes", "SELECT COUNT(*) FROM notes", Some("3"))];
    let more = [
        ("events", "SELECT COUNT(*) FROM information_schema.events WHERE event_schema = DATABASE()", Some("0")),
        ("routines", "SELECT COUNT(*) FROM information_schema.routines WHERE routine_schema = DATABASE()", Some("1")),
    ];
    let asked = super::asking(&[wait, more].concat());
    let found = findings(&*provider, &id, &asked).await;
    assert!(found.iter().all(|name| !name.starts_with('!')), "{found:?}");
    assert_eq!(found[found.len() - 5..], ["rows", "wait", "notes", "events", "routines"]);
    assert_eq!(bed.admin(&format!("SELECT COUNT(*) FROM {outside}.runs")), "0");
    // Into a database that is to stay they are restored.
    let copy = bed.name("copy");
    ok(crate::support::restore(&*bed.provider(), &id, &copy).await);
    let events = bed.admin(&format!("SELECT COUNT(*) FROM information_schema.events WHERE event_schema = '{copy}'"));
    bed.admin(&format!("DROP DATABASE {copy}"));
    assert_eq!(events, "2");
}

on!(postgresql_15 postgresql_17 => a_subscription_is_not_made_in_a_scratch_database);
async fn a_subscription_is_not_made_in_a_scratch_database(bed: Bed) {
    bed.fill();
    let subscription = bed.name("subscription");
    bed.sql(&format!(
        "CREATE PUBLICATION everything FOR ALL TABLES;
         CREATE SUBSCRIPTION {subscription} CONNECTION 'host=127.0.0.1 port=1 dbname=x' PUBLICATION p
         WITH (connect = false, slot_name = 'taken');"
    ));
    let provider = bed.provider();
    let id = create_counting(&*provider).await;
    let none = [
        (
            "subscriptions",
            "SELECT count(*) FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid WHERE d.datname = current_database()",
            Some("0"),
        ),
        ("publications", "SELECT count(*) FROM pg_publication", Some("0")),
    ];
    let looked = verify(&*provider, &id, &super::asking(&none)).await;
    bed.sql(&format!("ALTER SUBSCRIPTION {subscription} SET (slot_name = NONE); DROP SUBSCRIPTION {subscription};"));
    let verification = ok(looked);
    assert!(verification.left_behind.is_none(), "a database with a subscription can't be dropped");
    let found = super::names(&verification);
    assert_eq!(found[found.len() - 3..], ["rows", "subscriptions", "publications"]);
    no_scratch_is_left(&bed).await;
}
