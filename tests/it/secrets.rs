//! A password is in no argument, no variable, no manifest and no file that stays. That no error shows one is checked by
//! `support::full` wherever a test looks at an error.

use std::path::Path;

use crate::support::{Bed, create, manifest, ok, on, passwords, refused, restore, restore_in_place};
use snapkeep_providers::secret::SecretRef;
use snapkeep_providers::{ErrorKind, settings};

/// Records what it was started with, what every process of the machine shows, and the private file while it is there.
const RECORD: &str = "env > \"$here/environment.$$\"
printf '%s\\n' \"$@\" > \"$here/arguments.$$\"
cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n' > \"$here/processes.$$\"
exec \"$real\" \"$@\"";

on!(postgresql_15 postgresql_17 mysql mariadb => the_password_is_in_no_argument_and_no_variable);
async fn the_password_is_in_no_argument_and_no_variable(bed: Bed) {
    bed.fill();
    let tools = bed.server.tools();
    let folder = bed.sick_dump("tools", RECORD);
    for tool in &tools[1..] {
        let other = bed.sick_tool(&format!("with {tool}"), tool, RECORD);
        std::fs::rename(other.join(tool), folder.join(tool)).unwrap();
    }
    let provider = bed.with_tools(folder);
    let id = create(&*provider).await;
    ok(restore(&*provider, &id, &bed.name("copy")).await);
    ok(restore_in_place(&*provider, &id).await);

    let records: Vec<_> = crate::support::files(bed.folder()).into_iter().filter(|file| is_record(file)).collect();
    assert!(records.len() >= 3 * tools.len(), "{records:?}");
    for record in records {
        let text = String::from_utf8_lossy(&std::fs::read(&record).unwrap()).into_owned();
        // The tests' own variables are the tests' own; a child inherits them.
        for line in text.lines().filter(|line| !line.starts_with("SK_")) {
            assert!(!line.starts_with("PGPASSWORD=") && !line.starts_with("MYSQL_PWD="), "{line}");
            assert!(!passwords().iter().any(|password| line.contains(password)), "{}: {line}", record.display());
        }
    }
    assert_private_files_are_gone(&bed);
}

fn is_record(file: &Path) -> bool {
    let name = file.file_name().unwrap().to_string_lossy();
    ["environment.", "arguments.", "processes."].iter().any(|start| name.starts_with(start))
}

/// The password files that the recorded tools were given.
fn assert_private_files_are_gone(bed: &Bed) {
    let records = crate::support::files(bed.folder()).into_iter();
    let own = records.filter(|file| is_record(file) && !file.to_string_lossy().contains("/processes."));
    let texts: Vec<_> = own.map(|file| std::fs::read_to_string(file).unwrap()).collect();
    let given = texts
        .iter()
        .flat_map(|text| text.lines())
        .filter_map(|line| line.strip_prefix("PGPASSFILE=").or_else(|| line.strip_prefix("--defaults-file=")));
    let given: Vec<_> = given.collect();
    assert!(!given.is_empty());
    assert!(!given.iter().any(|path| Path::new(path).exists()), "{given:?}");
}

on!(postgresql_15 mysql mariadb => no_stored_file_shows_the_password);
async fn no_stored_file_shows_the_password(bed: Bed) {
    bed.fill();
    let provider = bed.provider();
    let id = create(&*provider).await;
    let details = ok(provider.get(&id).await);
    let shown = format!("{details:?} {provider:?} {}", manifest(&*provider, &id).await);
    assert!(!shown.contains(&bed.server.password()), "{shown}");
    for file in bed.stored() {
        let bytes = std::fs::read(&file).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains(&bed.server.password()), "{}", file.display());
    }
}

on!(postgresql_15 mysql mariadb => passwords_of_any_characters_log_in);
async fn passwords_of_any_characters_log_in(bed: Bed) {
    bed.fill();
    let file = bed.folder().join("password");
    for (number, password) in [" a b#;c it's \"\\n\" \\ ", "--x=$HOME`id`%p*: naïve:数据🦀"].iter().enumerate() {
        let user = bed.name(&format!("user{number}"));
        let literal = password.replace('\'', "''");
        if bed.server.is_postgresql() {
            bed.admin(&format!("CREATE ROLE {user} SUPERUSER LOGIN PASSWORD '{literal}'"));
        } else {
            let literal = literal.replace('\\', "\\\\");
            bed.admin(&format!("CREATE USER '{user}'@'%' IDENTIFIED BY '{literal}'; GRANT ALL ON *.* TO '{user}'@'%'"));
        }
        std::fs::write(&file, format!("{password}\n")).unwrap();
        let settings = settings::Server { user, password: Some(SecretRef::File(file.clone())), ..bed.settings() };
        let provider = bed.open(settings);
        let id = create(&*provider).await;
        ok(restore(&*provider, &id, &bed.name(&format!("copy{number}"))).await);
    }
    std::fs::write(&file, "two\nlines").unwrap();
    let settings = settings::Server { password: Some(SecretRef::File(file)), ..bed.settings() };
    let created = crate::support::try_create(&*bed.open(settings)).await;
    let kind = if bed.server.is_postgresql() { ErrorKind::Permission } else { ErrorKind::Usage };
    let text = refused(kind, created);
    assert!(text.contains("line break") && !text.contains("two"), "{text}");
}
