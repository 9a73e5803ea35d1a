//! Every kind of problem, with its whole message.

use super::complaint;

#[test]
fn unknown_keys_are_named_with_the_nearest_one() {
    let text = r#"version = 1
[target.om]
[targets.om]
provider = "mysql"
host = "db"
user = "backup"
databse = "om"
store = "local"
path = "x"
colour = "red"
tls = { mod = "require" }
[stores.local]
type = "local"
path = "snapshots"
bucket = "b"
[retention.std]
keep_dialy = 7
[defaults]
database = "om"
hots = "db"
"#;
    insta::assert_snapshot!(complaint(text), @r#"
    snapkeep.toml:2:2: unknown key "target"
      hint: did you mean "targets"?
    snapkeep.toml:7:1: unknown key "databse" in targets.om
      hint: did you mean "database"?
    snapkeep.toml:9:1: unknown key "path" in targets.om
      hint: it is a key of provider sqlite
    snapkeep.toml:10:1: unknown key "colour" in targets.om
    snapkeep.toml:11:9: unknown key "mod" in targets.om.tls
      hint: did you mean "mode"?
    snapkeep.toml:15:1: unknown key "bucket" in stores.local
      hint: it is a key of type gcs or s3
    snapkeep.toml:17:1: unknown key "keep_dialy" in retention.std
      hint: did you mean "keep_daily"?
    snapkeep.toml:19:1: unknown key "database" in defaults
      hint: it is each target's own: set it there
    snapkeep.toml:20:1: unknown key "hots" in defaults
      hint: did you mean "host"?
    "#);
}

#[test]
fn missing_keys_come_with_a_line_to_add() {
    let text = r#"
[targets.pg]
provider = "postgresql"
[targets.notes]
path = "notes.db"
[stores.offsite]
type = "s3"
[stores.other]
[schedules.nightly]
"#;
    insta::assert_snapshot!(complaint(text), @r#"
    snapkeep.toml:1:1: missing key "version"
      hint: add a line: version = 1  # The version of this format; 1 is the only one.
    snapkeep.toml:2:10: missing key "database" in targets.pg
      hint: add a line: database = "..."  # The database to dump.
    snapkeep.toml:2:10: missing key "host" in targets.pg
      hint: add a line: host = "..."  # Host name or address, or the folder of a Unix socket for PostgreSQL.
    snapkeep.toml:2:10: missing key "store" in targets.pg
      hint: add a line: store = "offsite"  # Where its dumps go: the name of a store, or a list of names.
    snapkeep.toml:2:10: missing key "user" in targets.pg
      hint: add a line: user = "..."  # The role or account that dumps and restores.
    snapkeep.toml:4:10: missing key "provider" in targets.notes
      hint: add a line: provider = ..., which is aws_rds, azure_mysql, azure_postgresql, azure_sql, gcp_cloud_sql, mysql, postgresql or sqlite
    snapkeep.toml:6:9: missing key "bucket" in stores.offsite
      hint: add a line: bucket = "..."  # The bucket.
    snapkeep.toml:8:9: missing key "type" in stores.other
      hint: add a line: type = ..., which is azure_blob, gcs, local or s3
    snapkeep.toml:9:12: missing key "actions" in schedules.nightly
      hint: add a line: actions = ["create"]  # What to do, in this order.
    snapkeep.toml:9:12: missing key "cron" in schedules.nightly
      hint: add a line: cron = "15 2 * * *"  # When: minute, hour, day of month, month, day of week.
    snapkeep.toml:9:12: missing key "targets" in schedules.nightly
      hint: add a line: targets = ["*"]  # Names of targets, `*` for all of them, or tag selectors such as `tag:team=orders`.
    "#);
}

#[test]
fn wrong_types_say_what_was_expected_and_what_was_found() {
    let text = r#"version = "1"
targets = { om = 3 }
state = "local"
[[stores]]
type = "local"
[retention.std]
keep_last = 1.5
keep_within = 14
timezone = 2026-11-22
[schedules.nightly]
cron = "0 0 * * *"
targets = "*"
actions = [true]
[defaults]
store = 1
copy_to = ["eu-west-1"]
exclude_tables = [["a"]]
tags = { team = 7 }
tls = true
"#;
    insta::assert_snapshot!(complaint(text), @r#"
    snapkeep.toml:1:11: "version" must be an integer, not a string
    snapkeep.toml:2:18: "om" in targets must be a table, not an integer
    snapkeep.toml:3:9: "state" must be a table, not a string
    snapkeep.toml:4:1: "stores" must be a table, not an array
    snapkeep.toml:7:13: "keep_last" in retention.std must be an integer, not a number with a fraction
    snapkeep.toml:8:15: "keep_within" in retention.std must be a string, not an integer
    snapkeep.toml:9:12: "timezone" in retention.std must be a string, not a date or time
    snapkeep.toml:12:11: "targets" in schedules.nightly must be an array, not a string
    snapkeep.toml:13:12: an item of "actions" in schedules.nightly must be a string, not a boolean
    snapkeep.toml:15:9: "store" in defaults must be a string or an array, not an integer
    snapkeep.toml:16:12: an item of "copy_to" in defaults must be a table, not a string
    snapkeep.toml:17:19: an item of "exclude_tables" in defaults must be a string, not an array
    snapkeep.toml:18:17: "team" in defaults.tags must be a string, not an integer
    snapkeep.toml:19:7: "tls" in defaults must be a table, not a boolean
    "#);
}

#[test]
fn numbers_have_ranges() {
    let text = r"version = 2
[defaults]
port = 70000
compression = { level = 20, threads = -1 }
[retention.std]
keep_last = -3
keep_daily = 4_294_967_296
min_keep = 99999999999999999999999999999999999999999999
max_delete_percent = 0
";
    insta::assert_snapshot!(complaint(text), @r#"
    snapkeep.toml:1:11: "version" must be 1, not 2
    snapkeep.toml:3:8: "port" in defaults must be 1 to 65535, not 70000
    snapkeep.toml:4:25: "level" in defaults.compression must be 1 to 19, not 20
    snapkeep.toml:4:39: "threads" in defaults.compression must be 0 to 64, not -1
    snapkeep.toml:6:13: "keep_last" in retention.std must be 0 or more, not -3
    snapkeep.toml:7:14: "keep_daily" in retention.std must be 4294967295 or less, not 4294967296
    snapkeep.toml:8:12: "min_keep" in retention.std must be 4294967295 or less, not 99999999999999999999999999999999999999999999
    snapkeep.toml:9:22: "max_delete_percent" in retention.std must be 1 to 100, not 0
    "#);
}

#[test]
fn words_come_from_a_list() {
    let text = r#"version = 1
[targets.om]
provider = "mariadb"
hots = "db"
[targets.pg]
provider = "postgres"
[defaults]
tls = { mode = "verify" }
[stores.disk]
type = "folder"
[schedules.nightly]
cron = "0 0 * * *"
missed = "Skip"
targets = ["*"]
actions = ["creat"]
"#;
    insta::assert_snapshot!(complaint(text), @r#"
    snapkeep.toml:3:12: "provider" in targets.om can't be "mariadb": use aws_rds, azure_mysql, azure_postgresql, azure_sql, gcp_cloud_sql, mysql, postgresql or sqlite
    snapkeep.toml:4:1: unknown key "hots" in targets.om
      hint: did you mean "host"?
    snapkeep.toml:6:12: "provider" in targets.pg can't be "postgres": use aws_rds, azure_mysql, azure_postgresql, azure_sql, gcp_cloud_sql, mysql, postgresql or sqlite
      hint: did you mean "postgresql"?
    snapkeep.toml:8:16: "mode" in defaults.tls can't be "verify": use disable, prefer, require, verify-ca or verify-full
      hint: did you mean "verify-ca"?
    snapkeep.toml:10:8: "type" in stores.disk can't be "folder": use azure_blob, gcs, local or s3
    snapkeep.toml:13:10: "missed" in schedules.nightly can't be "Skip": use run_once or skip
      hint: did you mean "skip"?
    snapkeep.toml:15:12: an item of "actions" in schedules.nightly can't be "creat": use create, prune, verify or copy
      hint: did you mean "create"?
    "#);
}

#[test]
fn references_must_exist() {
    let text = r#"version = 1
[defaults]
store = ["loacl", "local"]
retention = "standrad"
[targets.orders]
provider = "aws_rds"
region = "eu-central-1"
db_instance_identifier = "orders"
retention = "forever"
[stores.local]
type = "local"
path = "snapshots"
[state]
store = "offsite"
[retention.standard]
keep_last = 1
[schedules.nightly]
cron = "0 0 * * *"
targets = ["ordres", "tag:team", "*"]
actions = ["create"]
"#;
    insta::assert_snapshot!(complaint(text), @r#"
    snapkeep.toml:3:10: an item of "store" in defaults: there is no store "loacl"
      hint: did you mean "local"?
    snapkeep.toml:4:13: "retention" in defaults: there is no retention policy "standrad"
      hint: did you mean "standard"?
    snapkeep.toml:9:13: "retention" in targets.orders: there is no retention policy "forever"
      hint: there is: standard
    snapkeep.toml:14:9: "store" in state: there is no store "offsite"
      hint: there is: local
    snapkeep.toml:19:12: an item of "targets" in schedules.nightly: there is no target "ordres"
      hint: did you mean "orders"?
    snapkeep.toml:19:22: an item of "targets" in schedules.nightly can't be "tag:team": use a target's name, "*" for all of them, or a tag such as "tag:team=orders"
    "#);
    insta::assert_snapshot!(complaint("version = 1\n[state]\nstore = \"x\"\n"), @r#"
    snapkeep.toml:3:9: "store" in state: there is no store "x"
      hint: there is no store at all yet: add one
    "#);
}

#[test]
fn a_dump_needs_a_store_and_a_cloud_snapshot_has_none() {
    let text = r#"version = 1
[targets.notes]
provider = "sqlite"
path = "notes.db"
[targets.orders]
provider = "aws_rds"
region = "eu-central-1"
db_instance_identifier = "orders"
store = "local"
[stores.local]
type = "local"
path = "snapshots"
"#;
    insta::assert_snapshot!(complaint(text), @r#"
    snapkeep.toml:2:10: missing key "store" in targets.notes
      hint: add a line: store = "local"  # Where its dumps go: the name of a store, or a list of names.
    snapkeep.toml:9:1: unknown key "store" in targets.orders
      hint: it is a key of provider mysql, postgresql or sqlite
    "#);
}

#[test]
fn names_are_plain() {
    let text = r#"version = 1
[targets."../om"]
provider = "sqlite"
path = "notes.db"
store = "my store"
[stores."my store"]
type = "local"
path = "snapshots"
[retention.""]
keep_last = 1
[schedules."naïve"]
cron = "0 0 * * *"
targets = ["*"]
actions = ["create"]
"#;
    insta::assert_snapshot!(complaint(text), @r#"
    snapkeep.toml:2:10: a name in targets can't be "../om": use 1 to 63 letters, digits, '.', '_' and '-', a letter or digit first
    snapkeep.toml:6:9: a name in stores can't be "my store": use 1 to 63 letters, digits, '.', '_' and '-', a letter or digit first
    snapkeep.toml:9:12: a name in retention can't be "": use 1 to 63 letters, digits, '.', '_' and '-', a letter or digit first
    snapkeep.toml:11:12: a name in schedules can't be "naïve": use 1 to 63 letters, digits, '.', '_' and '-', a letter or digit first
    "#);
}

#[test]
fn texts_have_forms() {
    let text = r#"version = 1
[retention.std]
timezone = "Mars Olympus"
keep_within = "14"
max_age = "1y"
[schedules.nightly]
cron = "@often"
timezone = ""
jitter = "0m"
targets = []
actions = ["create"]
[stores.local]
type = "local"
path = ""
encrypt = { age_recipients = [] }
"#;
    insta::assert_snapshot!(complaint(text), @r#"
    snapkeep.toml:3:12: "timezone" in retention.std can't be "Mars Olympus": use an IANA name such as UTC or Europe/Berlin
    snapkeep.toml:4:15: "keep_within" in retention.std can't be "14": write numbers with h, d, w, m (months) or y, such as 14d or 1y6m
    snapkeep.toml:5:11: "max_age" in retention.std can't be "1y": write numbers with s, m (minutes), h, d or w, such as 36h
    snapkeep.toml:7:8: "cron" in schedules.nightly can't be "@often": write five fields: minute, hour, day of month, month and day of week, such as 15 2 * * *
    snapkeep.toml:8:12: "timezone" in schedules.nightly can't be "": use an IANA name such as UTC or Europe/Berlin
    snapkeep.toml:9:10: "jitter" in schedules.nightly can't be "0m": it must be longer than nothing
    snapkeep.toml:10:11: "targets" in schedules.nightly is empty
    snapkeep.toml:14:8: "path" in stores.local is empty
    snapkeep.toml:15:30: "age_recipients" in stores.local.encrypt is empty
    "#);
}

#[test]
fn an_rds_target_is_an_instance_or_a_cluster() {
    let text = r#"version = 1
[defaults]
region = "eu-central-1"
[targets.neither]
provider = "aws_rds"
[targets.both]
provider = "aws_rds"
db_cluster_identifier = "a"
db_instance_identifier = "a"
[targets.slip]
provider = "aws_rds"
db_instance_identifer = "a"
"#;
    insta::assert_snapshot!(complaint(text), @r#"
    snapkeep.toml:4:10: targets.neither needs db_instance_identifier or db_cluster_identifier
    snapkeep.toml:9:1: targets.both can't have more than one of db_instance_identifier or db_cluster_identifier
    snapkeep.toml:12:1: unknown key "db_instance_identifer" in targets.slip
      hint: did you mean "db_instance_identifier"?
    "#);
}

#[test]
fn an_empty_policy_is_refused() {
    let text = "version = 1
[retention.empty]
[retention.zero]
keep_daily = 0
keep_last = +0
min_keep = 3
[retention.fine]
keep_within = \"14d\"
";
    insta::assert_snapshot!(complaint(text), @"
    snapkeep.toml:2:12: retention.empty is empty: set keep_last, keep_hourly, keep_daily, keep_weekly, keep_monthly, keep_yearly or keep_within
    snapkeep.toml:3:12: retention.zero is empty: set keep_last, keep_hourly, keep_daily, keep_weekly, keep_monthly, keep_yearly or keep_within
    ");
}

#[test]
fn text_that_is_not_toml_has_one_problem_with_its_place() {
    insta::assert_snapshot!(complaint("version = 1\n[targets.om\n"), @"snapkeep.toml:2:12: unclosed table, expected `]`");
    insta::assert_snapshot!(complaint("version = 1\nversion = 1\n"), @"snapkeep.toml:2:1: duplicate key");
}

#[test]
fn columns_count_characters() {
    insta::assert_snapshot!(complaint("version = 1\nretention = { \"ä\" = { keep_last = 1 }, a = 1 }\n"), @r#"
    snapkeep.toml:2:15: a name in retention can't be "ä": use 1 to 63 letters, digits, '.', '_' and '-', a letter or digit first
    snapkeep.toml:2:44: "a" in retention must be a table, not an integer
    "#);
}
