//! A schema such as OpenMetadata's, with one of everything that a dump can get wrong: dump, restore to another name,
//! dump again, and both dumps are the same.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};

use snapkeep_providers::model::NativeId;
use snapkeep_providers::settings;

use crate::support::{Bed, comparable, create, manifest, ok, on, restore};

on!(postgresql_15 postgresql_17 mysql mariadb => openmetadata_comes_back_the_same);
async fn openmetadata_comes_back_the_same(bed: Bed) {
    load(&bed);
    let provider = bed.provider();
    let before = bed.dump(&bed.database);
    assert!(before.lines().count() > 2000, "the fixture is loaded");
    let first = create(&*provider).await;
    let copy = bed.name("copy");
    let restored = ok(restore(&*provider, &first, &copy).await);
    assert_eq!(restored.warnings, <[String; 0]>::default());
    assert_same(&before, &bed.dump(&copy));
    assert_same(&before, &bed.dump(&bed.database));

    let of_the_copy = bed.open(settings::Server { database: copy, ..bed.settings() });
    let second = create(&*of_the_copy).await;
    assert_same(&data(&bed, &first), &data(&bed, &second));
    assert_eq!(manifest(&*of_the_copy, &second).await["notes"], manifest(&*provider, &first).await["notes"]);
}

on!(postgresql_15 postgresql_17 mysql mariadb => the_commands_that_show_prints_restore_by_hand);
async fn the_commands_that_show_prints_restore_by_hand(bed: Bed) {
    bed.fill();
    let provider = bed.provider();
    let id = create(&*provider).await;
    let commands = ok(provider.get(&id).await).by_hand;
    // What only a person should do: to type the password, and to load another server's roles.
    let runs = commands.iter().filter(|command| !command.contains("globals.sql.zst | psql"));
    let script = runs.map(|command| command.replace(" --password", "")).collect::<Vec<_>>().join("\n");
    let path = format!("{}:{}", bed.server.bin().display(), std::env::var("PATH").unwrap());
    let mut shell = bed.tool(bed.server.tools()[1]);
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &script])
        .env("PATH", path)
        .envs(shell.env("LC_ALL", "C").get_envs().filter_map(|(name, value)| Some((name, value?))))
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success(), "{text}\nof\n{script}");
    assert_eq!(bed.content(&format!("{}_restored", bed.database)), bed.content(&bed.database));
}

on!(postgresql_15 postgresql_17 => roles_are_kept_beside_the_data_without_their_passwords);
async fn roles_are_kept_beside_the_data_without_their_passwords(bed: Bed) {
    let role = bed.name("keeper");
    bed.admin(&format!("CREATE ROLE {role} LOGIN PASSWORD 'roles-secret'"));
    bed.fill();
    let provider = bed.provider();
    let id = create(&*provider).await;
    assert_eq!(manifest(&*provider, &id).await["globals"]["name"], "globals.sql.zst");
    let globals = decompress(&bed.snapshots().join(id.as_str()).join("globals.sql.zst"));
    let globals = String::from_utf8(globals).unwrap();
    assert!(globals.contains(&format!("CREATE ROLE {role};")), "{globals}");
    for secret in ["PASSWORD", "SCRAM-SHA-256", "roles-secret"] {
        assert!(!globals.contains(secret), "{secret} is in: {globals}");
    }
}

fn load(bed: &Bed) {
    let fixture = if bed.server.is_postgresql() { "openmetadata_postgresql.sql" } else { "openmetadata_mysql.sql" };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(fixture);
    bed.sql(&std::fs::read_to_string(path).unwrap());
}

/// The data of a snapshot as text.
fn data(bed: &Bed, id: &NativeId) -> String {
    let folder = bed.snapshots().join(id.as_str());
    if !bed.server.is_postgresql() {
        return comparable(&decompress(&folder.join("data.sql.zst")));
    }
    let archive = bed.folder().join("archive");
    std::fs::write(&archive, decompress(&folder.join("data.dump.zst"))).unwrap();
    let output = Command::new(bed.server.bin().join("pg_restore")).arg("--file=-").arg(archive).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    comparable(&output.stdout)
}

/// By the plain tool, as a person would.
fn decompress(file: &Path) -> Vec<u8> {
    let output = Command::new("zstd").args(["-dc"]).stdin(Stdio::from(File::open(file).unwrap())).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Compares long texts, and shows only where they differ.
fn assert_same(expected: &str, found: &str) {
    let lines = expected.lines().zip(found.lines()).enumerate();
    for (number, (expected, found)) in lines {
        assert!(expected == found, "line {}\nexpected: {expected:.300}\nfound:    {found:.300}", number + 1);
    }
    assert_eq!(expected.lines().count(), found.lines().count(), "one text ends before the other");
}
