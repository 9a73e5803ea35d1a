//! What only MySQL and MariaDB have: two flavours that don't mix, generated columns, engines without transactions,
//! programs in the database.

use std::path::PathBuf;

use snapkeep_providers::{ErrorKind, settings};

use crate::support::{
    Bed, Server, assert_names, create, install, list, manifest, notes, ok, on, refused, restore, restore_in_place,
    try_create,
};

on!(mysql => mariadb_dump_on_mysql_is_refused_with_both_versions);
async fn mariadb_dump_on_mysql_is_refused_with_both_versions(bed: Bed) {
    bed.fill();
    let tools = bed.tool_dir("tools");
    std::fs::remove_file(tools.join("mysqldump")).unwrap();
    std::os::unix::fs::symlink("/usr/bin/mariadb-dump", tools.join("mysqldump")).unwrap();
    let text = refused(ErrorKind::Unsupported, try_create(&*bed.with_tools(tools)).await);
    assert_names(
        &text,
        &["mysqldump 10.11.", "of MariaDB", "the server, MySQL 9.", "install MySQL's own mysqldump 8.3"],
    );
}

on!(mysql => a_machine_with_mariadbs_tools_only_can_not_dump_mysql);
async fn a_machine_with_mariadbs_tools_only_can_not_dump_mysql(bed: Bed) {
    bed.fill();
    let text = refused(ErrorKind::Unsupported, try_create(&*bed.with_tools("/usr/bin".into())).await);
    assert_names(&text, &["install"]);
}

on!(mariadb => mysqldump_on_mariadb_is_refused_with_both_versions);
async fn mysqldump_on_mariadb_is_refused_with_both_versions(bed: Bed) {
    let Some(mysql) = Server::MySql.up() else { return };
    bed.fill();
    let tools = bed.tool_dir("tools");
    std::fs::remove_file(tools.join("mariadb-dump")).unwrap();
    std::os::unix::fs::symlink(mysql.bin().join("mysqldump"), tools.join("mysqldump")).unwrap();
    let text = refused(ErrorKind::Unsupported, try_create(&*bed.with_tools(tools)).await);
    assert_names(&text, &["mysqldump 9.", "of MySQL", "the server, MariaDB 10.11", "install mariadb-dump"]);
    // MySQL's own client can't even log in there
    let text = refused(ErrorKind::Unsupported, try_create(&*bed.with_tools(mysql.bin())).await);
    assert_names(&text, &["install the client tools of the server's own flavour"]);
}

on!(mysql => a_mysqldump_below_8_3_is_refused);
async fn a_mysqldump_below_8_3_is_refused(bed: Bed) {
    bed.fill();
    for (number, version) in
        ["8.0.36 for Linux on x86_64 ((Ubuntu))", "10.13 Distrib 5.7.44, for linux"].iter().enumerate()
    {
        let tools = bed.tool_dir(&format!("tools{number}"));
        install(&format!("#!/bin/sh\necho 'mysqldump  Ver {version}'\n"), &tools.join("mysqldump"));
        let text = refused(ErrorKind::Unsupported, try_create(&*bed.with_tools(tools)).await);
        assert_names(&text, &["too old", "MySQL 9.", "install mysqldump 8.3 or higher"]);
        assert_names(&text, &[if number == 0 { "8.0.36" } else { "5.7.44" }]);
    }
}

#[tokio::test]
async fn a_dump_of_one_flavour_is_not_loaded_into_the_other() {
    let (Some(mysql), Some(mariadb)) = (Bed::mysql(), Bed::mariadb()) else { return };
    for (from, to) in [(&mysql, &mariadb), (&mariadb, &mysql)] {
        from.fill();
        let id = create(&*from.provider()).await;
        let there = crate::support::open_at(from.folder(), &to.server.provider(to.settings()));
        let text = refused(ErrorKind::Unsupported, restore(&*there, &id, &to.name("copy")).await);
        assert_names(&text, &["the dump is of", "restore it to a server of the same flavour"]);
        refused(ErrorKind::Unsupported, crate::support::restore_in_place(&*there, &id).await);
        assert!(to.exists(&to.database) && !to.exists(&to.name("copy")));
    }
}

on!(mysql mariadb => exclusions_name_tables_with_wildcards);
async fn exclusions_name_tables_with_wildcards(bed: Bed) {
    bed.sql(
        "CREATE TABLE users (id INT PRIMARY KEY); CREATE TABLE AuditLog (id INT); CREATE TABLE AuditTrail (id INT);
         CREATE TABLE `we*rd ``q``?$` (id INT); CREATE TABLE weird (id INT); CREATE VIEW tmp_view AS SELECT id FROM users;
         CREATE TABLE sessions (id INT PRIMARY KEY, twice INT AS (id * 2) STORED, CONSTRAINT fk_user FOREIGN KEY (id) REFERENCES users (id));
         CREATE TRIGGER sessions_insert AFTER INSERT ON sessions FOR EACH ROW INSERT INTO weird VALUES (NEW.id);
         CREATE VIEW live AS SELECT id FROM sessions;
         CREATE VIEW a_sessions AS SELECT id FROM weird;
         INSERT INTO users VALUES (1); INSERT INTO AuditLog VALUES (1); INSERT INTO AuditTrail VALUES (1);
         INSERT INTO `we*rd ``q``?$` VALUES (1); INSERT INTO sessions (id) VALUES (1);",
    );
    let exclude_tables = ["Audit*", "tmp_*", "we*rd `q`?$", "nothing_*"].map(String::from).into();
    let exclude_table_data = [format!("{}.*sess?ons", bed.database)].into();
    let provider = bed.open(settings::Server { exclude_tables, exclude_table_data, ..bed.settings() });
    let id = create(&*provider).await;
    assert_names(&notes(&*provider, &id).await, &["left out: AuditLog", "left out but for its definition: sessions"]);
    let copy = bed.name("copy");
    ok(restore(&*provider, &id, &copy).await);
    let tables = "SELECT GROUP_CONCAT(table_name ORDER BY table_name SEPARATOR ' ') FROM information_schema.tables
                  WHERE table_schema = DATABASE()";
    assert_eq!(bed.sql_in(&copy, tables), "a_sessions live sessions users weird");
    let rows = "SELECT (SELECT COUNT(*) FROM users), (SELECT COUNT(*) FROM sessions), (SELECT COUNT(*) FROM weird)";
    assert_eq!(bed.sql_in(&copy, rows), "1\t0\t1");
    bed.sql_in(&copy, "INSERT INTO sessions (id) VALUES (1)");
    assert_eq!(bed.sql_in(&copy, rows), "1\t1\t2", "the trigger is there");
}

on!(mysql mariadb => the_rows_of_all_tables_can_be_left_out);
async fn the_rows_of_all_tables_can_be_left_out(bed: Bed) {
    bed.fill();
    bed.sql("CREATE VIEW a_view AS SELECT id FROM notes; CREATE VIEW z_view AS SELECT id FROM a_view");
    if bed.server == Server::MariaDb {
        bed.sql("CREATE SEQUENCE numbers; CREATE TABLE a_numbered (id INT DEFAULT NEXTVAL(numbers))");
    }
    let exclude_table_data = vec!["*".to_owned()];
    let provider = bed.open(settings::Server { exclude_table_data, ..bed.settings() });
    let id = create(&*provider).await;
    let copy = bed.name("copy");
    ok(restore(&*provider, &id, &copy).await);
    assert_eq!(bed.sql_in(&copy, "SELECT (SELECT COUNT(*) FROM notes), (SELECT COUNT(*) FROM z_view)"), "0\t0");
    if bed.server == Server::MariaDb {
        assert_eq!(bed.sql_in(&copy, "INSERT INTO a_numbered VALUES (); SELECT id FROM a_numbered"), "1");
    }
}

on!(mysql mariadb => generated_columns_binary_data_and_emoji_come_back);
async fn generated_columns_binary_data_and_emoji_come_back(bed: Bed) {
    bed.sql(
        "CREATE TABLE t (id INT PRIMARY KEY, json JSON, name VARCHAR(50) AS (json_unquote(json_extract(json, '$.name'))) STORED,
                         shout VARCHAR(50) AS (UPPER(name)) VIRTUAL, bytes VARBINARY(300), note VARCHAR(50) CHARACTER SET utf8mb4);
         INSERT INTO t (id, json, bytes, note) VALUES (1, '{\"name\": \"naïve 🦀\"}', x'00275C220D0A1AFF', '👩‍👩‍👧‍👦'), (2, NULL, '', NULL)",
    );
    let rows = "SELECT id, json, name, shout, HEX(bytes), note FROM t ORDER BY id";
    let before = bed.sql(rows);
    assert_names(&before, &["NAÏVE 🦀", "00275C220D0A1AFF", "👩‍👩‍👧‍👦"]);
    let provider = bed.provider();
    let id = create(&*provider).await;
    ok(restore(&*provider, &id, &bed.name("copy")).await);
    assert_eq!(bed.sql_in(&bed.name("copy"), rows), before);
    bed.sql("DELETE FROM t");
    ok(restore_in_place(&*provider, &id).await);
    assert_eq!(bed.sql(rows), before);
}

on!(mysql mariadb => a_table_without_transactions_is_noted);
async fn a_table_without_transactions_is_noted(bed: Bed) {
    bed.fill();
    bed.sql("CREATE TABLE loose (id INT) ENGINE = MyISAM; INSERT INTO loose VALUES (1)");
    let provider = bed.provider();
    let id = create(&*provider).await;
    assert_names(&notes(&*provider, &id).await, &["not of one moment", "loose"]);
    assert!(!notes(&*provider, &id).await.contains("bulk"));
    ok(restore(&*provider, &id, &bed.name("copy")).await);
    assert_eq!(bed.sql_in(&bed.name("copy"), "SELECT id FROM loose"), "1");
}

/// What is no table: names, kinds and bodies.
const PROGRAMS: &str = "SELECT 'trigger', trigger_name, event_manipulation, action_statement, definer, sql_mode, character_set_client,
        collation_connection, database_collation FROM information_schema.triggers WHERE trigger_schema = DATABASE()
    UNION ALL SELECT routine_type, routine_name, dtd_identifier, routine_definition, definer, sql_mode, character_set_client,
        collation_connection, database_collation FROM information_schema.routines WHERE routine_schema = DATABASE()
    UNION ALL SELECT 'event', event_name, status, event_definition, definer, sql_mode, character_set_client,
        collation_connection, database_collation FROM information_schema.events WHERE event_schema = DATABASE()
    ORDER BY 1, 2";

on!(mysql mariadb => triggers_events_and_routines_come_back);
async fn triggers_events_and_routines_come_back(bed: Bed) {
    bed.fill();
    let user = bed.name("definer");
    bed.admin(&format!("CREATE USER '{user}'@'%'"));
    bed.sql(&format!(
        "SET sql_mode = 'ANSI_QUOTES';
         CREATE DEFINER = '{user}'@'%' FUNCTION f(a INT) RETURNS INT DETERMINISTIC RETURN a + 1;
         SET sql_mode = '';
         CREATE PROCEDURE p() SELECT 'naïve; ''数据''';
         CREATE TRIGGER t BEFORE INSERT ON notes FOR EACH ROW SET NEW.note = 'set by the trigger';
         CREATE EVENT e ON SCHEDULE EVERY 1 YEAR STARTS '2035-01-01' DO DELETE FROM notes;"
    ));
    let before = bed.sql(PROGRAMS);
    assert_eq!(before.lines().count(), 4, "{before}");
    let provider = bed.provider();
    let id = create(&*provider).await;
    let copy = bed.name("copy");
    ok(restore(&*provider, &id, &copy).await);
    assert_eq!(bed.sql_in(&copy, PROGRAMS), before);
    assert_eq!(bed.content(&copy), bed.content(&bed.database), "the trigger did not change the rows");
    ok(restore_in_place(&*provider, &id).await);
    assert_eq!(bed.sql(PROGRAMS), before);
}

on!(mysql mariadb => the_character_set_of_the_database_comes_back);
async fn the_character_set_of_the_database_comes_back(bed: Bed) {
    bed.fill();
    bed.admin(&format!("ALTER DATABASE {} CHARACTER SET latin1 COLLATE latin1_german2_ci", bed.database));
    let provider = bed.provider();
    let id = create(&*provider).await;
    ok(restore(&*provider, &id, &bed.name("copy")).await);
    assert_eq!(bed.sql_in(&bed.name("copy"), "SELECT @@collation_database"), "latin1_german2_ci");
    ok(restore_in_place(&*provider, &id).await);
    assert_eq!(bed.sql("SELECT @@collation_database"), "latin1_german2_ci");
}

on!(mysql mariadb => programs_made_under_another_collation_come_back_and_leave_the_source_alone);
async fn programs_made_under_another_collation_come_back_and_leave_the_source_alone(bed: Bed) {
    bed.fill();
    bed.sql(
        "CREATE FUNCTION f() RETURNS VARCHAR(9) DETERMINISTIC RETURN 'x'; CREATE PROCEDURE p() SELECT 1;
         CREATE TRIGGER t BEFORE INSERT ON notes FOR EACH ROW SET NEW.note = 'set';
         CREATE EVENT e ON SCHEDULE EVERY 1 YEAR STARTS '2035-01-01' DO DELETE FROM notes",
    );
    bed.admin(&format!("ALTER DATABASE {} CHARACTER SET latin1 COLLATE latin1_german2_ci", bed.database));
    let (programs, content) = (bed.sql(PROGRAMS), bed.content(&bed.database));
    let provider = bed.provider();
    let id = create(&*provider).await;
    bed.admin(&format!("ALTER DATABASE {} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", bed.database));
    ok(restore(&*provider, &id, &bed.name("copy")).await);
    assert_eq!(bed.sql("SELECT @@collation_database"), "utf8mb4_bin", "the source is left alone");
    bed.admin(&format!("DROP DATABASE {}", bed.database));
    ok(restore(&*provider, &id, &bed.name("second")).await);
    for copy in ["copy", "second"] {
        let copy = bed.name(copy);
        assert_eq!(bed.content(&copy), content);
        assert_eq!(bed.sql_in(&copy, PROGRAMS), programs);
        assert_eq!(bed.sql_in(&copy, "SELECT @@collation_database"), "latin1_german2_ci");
    }
}

on!(mysql mariadb => in_place_brings_back_a_database_that_was_dropped);
async fn in_place_brings_back_a_database_that_was_dropped(bed: Bed) {
    bed.fill();
    let provider = bed.provider();
    let id = create(&*provider).await;
    let before = bed.content(&bed.database);
    bed.sql("CREATE TABLE later (id INT)");
    ok(restore_in_place(&*provider, &id).await);
    assert_eq!((bed.content(&bed.database), bed.sql("SHOW TABLES LIKE 'later'").as_str()), (before.clone(), ""));
    bed.admin(&format!("DROP DATABASE {}", bed.database));
    ok(restore_in_place(&*provider, &id).await);
    assert_eq!(bed.content(&bed.database), before);
    assert_eq!(list(&*provider).await, [id]);
}

on!(mysql mariadb => any_name_of_a_database_will_do);
async fn any_name_of_a_database_will_do(bed: Bed) {
    for (number, name) in ["o'b \"q\" a=b", "dot.ted \\`x` -- größe"].iter().enumerate() {
        let odd = bed.name(name);
        bed.admin(&format!("CREATE DATABASE {}", bed.quoted(&odd)));
        bed.sql_in(&odd, "CREATE TABLE t (a INT); INSERT INTO t VALUES (42); CREATE TABLE out_of_it (a INT)");
        let exclude_tables = vec!["out_*".to_owned()];
        let provider = bed.open(settings::Server { database: odd.clone(), exclude_tables, ..bed.settings() });
        let id = create(&*provider).await;
        assert_eq!(manifest(&*provider, &id).await["database"], *odd);
        let copy = bed.name(&format!("copy{number}"));
        ok(restore(&*provider, &id, &copy).await);
        assert_eq!(bed.sql_in(&copy, "SELECT a FROM t; SHOW TABLES"), "42\nt", "{name}");
        bed.sql_in(&odd, "DELETE FROM t");
        assert_eq!(ok(restore_in_place(&*provider, &id).await).to, odd);
        assert_eq!(bed.sql_in(&odd, "SELECT a FROM t"), "42");
    }
}

on!(mysql => a_server_with_gtids_takes_its_own_dump_back);
async fn a_server_with_gtids_takes_its_own_dump_back(bed: Bed) {
    assert_eq!(bed.sql("SELECT @@gtid_mode"), "ON");
    bed.fill();
    let executed = bed.sql("SELECT @@gtid_executed <> ''");
    assert_eq!(executed, "1");
    let provider = bed.provider();
    let id = create(&*provider).await;
    let before = bed.content(&bed.database);
    ok(restore(&*provider, &id, &bed.name("copy")).await);
    assert_eq!(bed.content(&bed.name("copy")), before);
}

on!(mysql mariadb => a_load_that_fails_is_an_error_and_leaves_no_database);
async fn a_load_that_fails_is_an_error_and_leaves_no_database(bed: Bed) {
    bed.fill();
    let user = bed.name("weak");
    let (password, copy) = (bed.server.password(), bed.name("copy"));
    bed.sql("CREATE DEFINER = 'root'@'localhost' FUNCTION f() RETURNS INT DETERMINISTIC RETURN 1");
    // may do all that a restore needs, but not make programs in another's name
    bed.admin(&format!(
        "CREATE USER '{user}'@'%' IDENTIFIED BY '{password}'; GRANT ALL ON `{copy}`.* TO '{user}'@'%'; GRANT ALL ON `{}`.* TO '{user}'@'%'",
        bed.database
    ));
    let id = create(&*bed.provider()).await;
    let provider = bed.open(settings::Server { user, ..bed.settings() });
    let text = refused(ErrorKind::Permission, restore(&*provider, &id, &copy).await);
    assert_names(&text, &["privilege"]);
    assert!(!bed.exists(&copy));
}

on!(mysql mariadb => a_plain_account_dumps_and_restores_its_own);
async fn a_plain_account_dumps_and_restores_its_own(bed: Bed) {
    bed.fill();
    let user = bed.name("plain");
    let (password, copy) = (bed.server.password(), bed.name("copy"));
    bed.admin(&format!(
        "CREATE USER '{user}'@'%' IDENTIFIED BY '{password}'; GRANT ALL ON `{copy}`.* TO '{user}'@'%'; GRANT ALL ON `{}`.* TO '{user}'@'%'",
        bed.database
    ));
    let provider = bed.open(settings::Server { user, ..bed.settings() });
    let id = create(&*provider).await;
    ok(restore(&*provider, &id, &copy).await);
    assert_eq!(bed.content(&copy), bed.content(&bed.database));
}

on!(mysql mariadb => a_table_that_can_not_be_read_makes_no_snapshot);
async fn a_table_that_can_not_be_read_makes_no_snapshot(bed: Bed) {
    bed.fill();
    bed.sql("CREATE VIEW broken AS SELECT id FROM notes; ALTER TABLE notes RENAME COLUMN id TO number");
    let text = refused(ErrorKind::Failed, try_create(&*bed.provider()).await);
    assert_names(&text, &["broken"]);
    assert_eq!(bed.stored(), <[PathBuf; 0]>::default());
}

/// An account that is granted `grants` and the read access of `docs/mysql.md` without what is in `without`.
fn account(bed: &Bed, name: &str, without: &str, grants: &str) -> settings::Server {
    let (user, password) = (bed.name(name), bed.server.password());
    let least = ["SELECT", "SHOW VIEW", "TRIGGER", "EVENT"].into_iter().filter(|right| *right != without);
    let least = least.collect::<Vec<_>>().join(", ");
    let database = bed.database.replace('_', r"\_");
    bed.admin(&format!(
        "CREATE USER '{user}'@'%' IDENTIFIED BY '{password}'; GRANT {least} ON `{database}`.* TO '{user}'@'%';
         {}",
        grants.replace("USER", &format!("'{user}'@'%'")).replace("DATABASE", &database)
    ));
    settings::Server { user, ..bed.settings() }
}

/// The grant that shows the routines of others.
fn routines(bed: &Bed) -> &'static str {
    if bed.server == Server::MySql { "GRANT SHOW_ROUTINE ON *.* TO USER" } else { "GRANT SELECT ON mysql.proc TO USER" }
}

fn programs(bed: &Bed) {
    bed.fill();
    bed.sql(
        "CREATE PROCEDURE p() SELECT 1; CREATE TRIGGER t BEFORE INSERT ON notes FOR EACH ROW SET NEW.note = 'set';
         CREATE EVENT e ON SCHEDULE EVERY 1 YEAR STARTS '2035-01-01' DO DELETE FROM notes; CREATE VIEW v AS SELECT 1",
    );
}

on!(mysql mariadb => the_least_privileges_dump_everything_and_note_nothing);
async fn the_least_privileges_dump_everything_and_note_nothing(bed: Bed) {
    programs(&bed);
    let provider = bed.open(account(&bed, "least", "", routines(&bed)));
    let id = create(&*provider).await;
    assert_eq!(notes(&*provider, &id).await, "[]");
    ok(restore(&*bed.provider(), &id, &bed.name("copy")).await);
    assert_eq!(bed.sql_in(&bed.name("copy"), PROGRAMS), bed.sql(PROGRAMS));
    let all = bed.provider();
    let id = create(&*all).await;
    assert_eq!(notes(&*all, &id).await, "[]");
    for provider in [provider, all] {
        let checks = provider.check().await;
        let privileges = checks.into_iter().find(|check| check.name == "create").unwrap();
        assert_names(&ok(privileges.outcome), &["everything"]);
    }
}

on!(mysql mariadb => an_account_that_can_not_see_triggers_events_or_views_makes_no_snapshot);
async fn an_account_that_can_not_see_triggers_events_or_views_makes_no_snapshot(bed: Bed) {
    programs(&bed);
    for (number, right) in ["SELECT", "SHOW VIEW", "TRIGGER", "EVENT"].into_iter().enumerate() {
        let account = account(&bed, &format!("weak{number}"), right, routines(&bed));
        let provider = bed.open(account.clone());
        let text = refused(ErrorKind::Permission, try_create(&*provider).await);
        assert_names(&text, &["lacks", right, "hint: GRANT "]);
        let checks = provider.check().await;
        assert!(checks.iter().any(|check| check.name == "create" && check.outcome.is_err()), "{checks:?}");
        let hint = text.lines().find_map(|line| line.strip_prefix("hint: ")).unwrap();
        bed.admin(hint);
        create(&*provider).await;
    }
    assert_eq!(list(&*bed.provider()).await.len(), 4);
}

on!(mysql mariadb => an_account_that_can_not_see_routines_of_others_has_it_noted);
async fn an_account_that_can_not_see_routines_of_others_has_it_noted(bed: Bed) {
    programs(&bed);
    let provider = bed.open(account(&bed, "blind", "", ""));
    let id = create(&*provider).await;
    assert_names(&notes(&*provider, &id).await, &["routines of other accounts may be missing: GRANT "]);
    ok(restore(&*bed.provider(), &id, &bed.name("copy")).await);
    assert!(!bed.sql_in(&bed.name("copy"), PROGRAMS).contains("PROCEDURE"), "or else there is nothing to note");
    // names without bodies: the tool says so itself
    let names = bed.open(account(&bed, "names", "", "GRANT EXECUTE ON `DATABASE`.* TO USER"));
    assert!(try_create(&*names).await.is_err());
}

on!(mysql mariadb => a_privilege_of_an_active_role_counts);
async fn a_privilege_of_an_active_role_counts(bed: Bed) {
    programs(&bed);
    let role = bed.name("role");
    bed.admin(&format!("CREATE ROLE {role}; GRANT TRIGGER ON *.* TO {role}"));
    let account = account(&bed, "actor", "TRIGGER", &format!("GRANT {role} TO USER; {}", routines(&bed)));
    let provider = bed.open(account.clone());
    assert_names(&refused(ErrorKind::Permission, try_create(&*provider).await), &["lacks TRIGGER"]);
    let to = if bed.server == Server::MySql { "TO" } else { "FOR" };
    bed.admin(&format!("SET DEFAULT ROLE {role} {to} '{}'@'%'", account.user));
    let id = create(&*provider).await;
    assert_eq!(notes(&*provider, &id).await, "[]");
    bed.admin(&format!("DROP ROLE {role}"));
}
