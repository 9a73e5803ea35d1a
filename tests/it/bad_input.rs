//! What a user gets wrong: each is an error of its own kind that says what to do, and nothing is lost.

use std::net::TcpListener;
use std::path::PathBuf;

use snapkeep_providers::model::NativeId;
use snapkeep_providers::secret::SecretRef;
use snapkeep_providers::{ErrorKind, Provider, settings};

use crate::support::{Bed, assert_names, create, list, ok, on, refused, restore, try_create};

/// Every verb that needs the server fails alike, and the store stays as it is.
async fn every_verb_is(kind: ErrorKind, bed: &Bed, provider: &dyn Provider, id: &NativeId, words: &[&str]) {
    let kept = bed.stored();
    assert_names(&refused(kind, try_create(provider).await), words);
    let checks = provider.check().await;
    assert!(checks.iter().any(|check| check.outcome.as_ref().is_err_and(|error| error.kind() == kind)), "{checks:?}");
    assert_eq!(bed.stored(), kept);
    assert_eq!(list(provider).await, std::slice::from_ref(id));
}

on!(postgresql_15 postgresql_17 mysql mariadb => a_wrong_password_is_a_matter_of_permission);
async fn a_wrong_password_is_a_matter_of_permission(bed: Bed) {
    bed.fill();
    let id = create(&*bed.provider()).await;
    let file = bed.folder().join("password");
    std::fs::write(&file, "not-the-password\n").unwrap();
    let provider = bed.open(settings::Server { password: Some(SecretRef::File(file)), ..bed.settings() });
    let words = ["the server refused the login", "check `user` and `password`"];
    every_verb_is(ErrorKind::Permission, &bed, &*provider, &id, &words).await;
    let text = refused(ErrorKind::Permission, restore(&*provider, &id, &bed.name("copy")).await);
    assert!(!text.contains("not-the-password"), "{text}");
    assert!(!bed.exists(&bed.name("copy")));
}

on!(postgresql_15 mysql mariadb => no_password_is_a_matter_of_permission);
async fn no_password_is_a_matter_of_permission(bed: Bed) {
    let provider = bed.open(settings::Server { password: None, ..bed.settings() });
    refused(ErrorKind::Permission, try_create(&*provider).await);
}

on!(postgresql_15 mysql mariadb => an_unknown_user_is_a_matter_of_permission);
async fn an_unknown_user_is_a_matter_of_permission(bed: Bed) {
    let provider = bed.open(settings::Server { user: "no 'such\\ user=x".into(), ..bed.settings() });
    refused(ErrorKind::Permission, try_create(&*provider).await);
}

on!(postgresql_15 mysql mariadb => a_password_file_that_is_missing_is_named);
async fn a_password_file_that_is_missing_is_named(bed: Bed) {
    let password = Some(SecretRef::File("no-such-file".into()));
    let provider = bed.open(settings::Server { password, ..bed.settings() });
    assert_names(&refused(ErrorKind::Permission, try_create(&*provider).await), &["no-such-file"]);
}

on!(postgresql_15 postgresql_17 mysql mariadb => a_closed_port_means_unavailable);
async fn a_closed_port_means_unavailable(bed: Bed) {
    bed.fill();
    let id = create(&*bed.provider()).await;
    // Held but not listening: no other test's server can get it meanwhile.
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = held.local_addr().unwrap().port();
    drop(held);
    let provider = bed.open(settings::Server { port: Some(port), ..bed.settings() });
    let words = ["the server does not answer", "check `host` and `port`"];
    every_verb_is(ErrorKind::Unavailable, &bed, &*provider, &id, &words).await;
    refused(ErrorKind::Unavailable, restore(&*provider, &id, &bed.name("copy")).await);
}

on!(postgresql_15 mysql mariadb => an_unknown_host_means_unavailable);
async fn an_unknown_host_means_unavailable(bed: Bed) {
    let provider = bed.open(settings::Server { host: "no-such-host.invalid".into(), ..bed.settings() });
    refused(ErrorKind::Unavailable, try_create(&*provider).await);
}

on!(postgresql_15 postgresql_17 mysql mariadb => a_database_that_is_not_there_is_not_found);
async fn a_database_that_is_not_there_is_not_found(bed: Bed) {
    bed.fill();
    let id = create(&*bed.provider()).await;
    let provider = bed.open(settings::Server { database: bed.name("gone"), ..bed.settings() });
    let words = ["there is no such database", "check `database`"];
    every_verb_is(ErrorKind::NotFound, &bed, &*provider, &id, &words).await;
}

on!(postgresql_15 postgresql_17 mysql mariadb => an_empty_tool_dir_is_named);
async fn an_empty_tool_dir_is_named(bed: Bed) {
    bed.fill();
    let id = create(&*bed.provider()).await;
    let folder = bed.folder().join("no tools");
    for missing in [false, true] {
        if !missing {
            std::fs::create_dir(&folder).unwrap();
        } else {
            std::fs::remove_dir(&folder).unwrap();
        }
        let words = [bed.server.tools()[0], folder.to_str().unwrap(), "install"];
        every_verb_is(ErrorKind::Unsupported, &bed, &*bed.with_tools(folder.clone()), &id, &words).await;
    }
}

on!(postgresql_15 mysql mariadb => a_tool_that_is_no_tool_is_none);
async fn a_tool_that_is_no_tool_is_none(bed: Bed) {
    let folder = bed.folder().join("tools");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join(bed.server.tools()[0]), "not a program").unwrap();
    refused(ErrorKind::Unsupported, try_create(&*bed.with_tools(PathBuf::from("tools"))).await);
}

on!(postgresql_15 postgresql_17 mysql mariadb => names_that_are_no_names_are_usage_errors);
async fn names_that_are_no_names_are_usage_errors(bed: Bed) {
    bed.fill();
    let provider = bed.provider();
    let id = create(&*provider).await;
    let long = "x".repeat(64);
    for name in ["a/b", "..", "../a", "a b", "a'b", "a\"b", "a`b", "a;b", "-x", "a=b", "a\nb", "", &long] {
        let text = refused(ErrorKind::Usage, restore(&*provider, &id, name).await);
        assert_names(&text, &["--to NAME"]);
    }
}

on!(postgresql_15 postgresql_17 mysql mariadb => a_database_that_holds_anything_is_refused_and_untouched);
async fn a_database_that_holds_anything_is_refused_and_untouched(bed: Bed) {
    bed.fill();
    let provider = bed.provider();
    let id = create(&*provider).await;
    let held = bed.name("held");
    let postgresql = bed.server.is_postgresql();
    let things = if postgresql {
        [
            "CREATE VIEW thing AS SELECT 1 AS one",
            "CREATE FUNCTION thing() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "CREATE SCHEMA thing",
            "SELECT lo_from_bytea(0, 'x')",
            "CREATE EXTENSION pg_trgm",
        ]
    } else {
        [
            "CREATE VIEW thing AS SELECT 1 AS one",
            "CREATE FUNCTION thing() RETURNS int DETERMINISTIC RETURN 1",
            "CREATE PROCEDURE thing() SELECT 1",
            "CREATE EVENT thing ON SCHEDULE EVERY 1 YEAR STARTS '2035-01-01' DO SELECT 1",
            "CREATE TABLE thing (a INT)",
        ]
    };
    for thing in things {
        bed.admin(&format!("CREATE DATABASE {held}"));
        bed.sql_in(&held, thing);
        let text = refused(ErrorKind::Refused, restore(&*provider, &id, &held).await);
        assert_names(&text, &[&held, "not empty", "--to NAME"]);
        bed.admin(&format!("DROP DATABASE {held}"));
    }
    bed.admin(&format!("CREATE DATABASE {held}"));
    ok(restore(&*provider, &id, &held).await);
    assert_eq!(bed.content(&held), bed.content(&bed.database), "an empty one is filled");
    bed.sql_in(&held, "INSERT INTO notes VALUES (4, 'since')");
    let before = bed.dump(&held);
    refused(ErrorKind::Refused, restore(&*provider, &id, &held).await);
    assert_eq!(bed.dump(&held), before);
}

on!(postgresql_15 mysql mariadb => a_database_that_another_process_makes_meanwhile_is_left_alone);
async fn a_database_that_another_process_makes_meanwhile_is_left_alone(bed: Bed) {
    bed.fill();
    let id = create(&*bed.provider()).await;
    let name = bed.name("copy");
    // Whoever is first in between has just made it when our own statement comes, and fails.
    let script =
        "cat > \"$here/$$\"; if grep -q 'CREATE DATABASE' \"$here/$$\"; then \"$real\" \"$@\" < \"$here/$$\"; fi
                  exec \"$real\" \"$@\" < \"$here/$$\"";
    let tools = bed.sick_tool("tools", bed.server.tools()[1], script);
    let text = refused(ErrorKind::Failed, restore(&*bed.with_tools(tools), &id, &name).await);
    assert_names(&text, &["exists"]);
    assert!(bed.exists(&name), "it was not ours to drop");
}
