//! Real database servers: what an account may do, and how it is connected.

use insta::assert_snapshot;

use crate::cli::{Bench, Ran};
use crate::support::{Bed, TARGET, variable};

/// A bench with a target on a database, as `user`; the store is a folder.
struct Patient {
    bench: Bench,
    bed: Bed,
}

impl Patient {
    fn new(bed: Bed) -> Self {
        bed.fill();
        Self { bench: Bench::empty(), bed }
    }

    fn doctor(&self, user: &str, tls: &str) -> String {
        let settings = self.bed.settings();
        let provider = if self.bed.server.is_postgresql() { "postgresql" } else { "mysql" };
        let tools = settings.tool_dir.as_ref().map(|folder| format!("tool_dir = {folder:?}\n")).unwrap_or_default();
        let config = format!(
            "version = 1\n[targets.{TARGET}]\nprovider = \"{provider}\"\nhost = \"{}\"\nport = {}\nuser = \"{user}\"\n\
             password = {{ env = \"PASSWORD\" }}\ndatabase = \"{}\"\n{tools}{tls}store = \"local\"\n\
             [stores.local]\ntype = \"local\"\npath = \"snapshots\"\n",
            settings.host,
            settings.port.unwrap(),
            settings.database,
        );
        std::fs::write(self.bench.path("snapkeep.toml"), config).unwrap();
        let password = self.bed.server.password();
        let ran = self.bench.run_with("PASSWORD", &password, "doctor");
        assert!(!ran.to_string().contains(&password), "a secret is shown");
        self.shown(&ran)
    }

    /// Without what is another's: ports, versions, the names of the database and of accounts.
    fn shown(&self, ran: &Ran) -> String {
        let settings = self.bed.settings();
        let folder = settings.tool_dir.map(|folder| folder.display().to_string());
        let mut text = ran.to_string().replace(&settings.database, "[DB]").replace(&self.bed.name(""), "[DB]_");
        text = text.replace(&settings.database.replace('_', r"\_"), "[DB]");
        if let Some(folder) = folder {
            text = text.replace(&folder, "[TOOLS]");
        }
        let word = |word: &str| {
            let is_version = word.starts_with(|letter: char| letter.is_ascii_digit()) && word.contains('.');
            if is_version { "[VERSION]".to_owned() } else { word.to_owned() }
        };
        text.split(' ').map(word).collect::<Vec<_>>().join(" ")
    }
}

#[tokio::test]
async fn mysql_is_examined_verb_by_verb() {
    let Some(bed) = Bed::mysql() else { return };
    let patient = Patient::new(bed);
    let well = patient.doctor("snapkeep", "");
    assert_snapshot!(well, @"
    exit 0
    --- stdout
    TARGET  CHECK  RESULT  DETAIL
    orders  connection  ok  MySQL [VERSION] at snapkeep@127.0.0.1
    orders  create  ok  everything in the database is seen
    orders  tools  ok  mysqldump [VERSION] of MySQL ([TOOLS]/mysqldump); [VERSION] or higher is needed
    orders  restore  ok  a database such as [DB]_restored can be made and filled
    orders  tools  ok  mysql [VERSION] of MySQL ([TOOLS]/mysql)
    orders  tls  ok  TLSv1.3 TLS_AES_128_GCM_SHA256, mode prefer
    orders  state  ok  [DIR]/home/.local/state/snapkeep
    orders  snapshots  ok  0, none is good
    orders  debris  ok  none
    store local  list  ok  [DIR]/snapshots can be listed
    store local  write  ok  an object can be written
    store local  conditions  ok  what is there is not written over
    store local  read  ok  what was written can be read
    store local  delete  ok  it can be deleted again
    ");
    let (user, password) = (patient.bed.name("weak"), patient.bed.server.password());
    patient.bed.admin(&format!(
        "CREATE USER '{user}'@'%' IDENTIFIED BY '{password}'; GRANT SELECT, SHOW VIEW ON `{}`.* TO '{user}'@'%'",
        patient.bed.database
    ));
    assert_snapshot!(patient.doctor(&user, "tls = { mode = \"disable\" }\n"), @r#"
    exit 5
    --- stdout
    TARGET  CHECK  RESULT  DETAIL
    orders  connection  ok  MySQL [VERSION] at [DB]_weak@127.0.0.1
    orders  create  FAILED  mysql: cannot dump [DB]: the account lacks TRIGGER, EVENT on it, and the dump would miss what it can't see
    orders  tools  ok  mysqldump [VERSION] of MySQL ([TOOLS]/mysqldump); [VERSION] or higher is needed
    orders  restore  look  the account lacks CREATE, DROP, ALTER, INDEX, REFERENCES, INSERT, SELECT, LOCK TABLES, CREATE VIEW, CREATE ROUTINE, ALTER ROUTINE, TRIGGER, EVENT on a new database such as [DB]_restored
                                     hint: GRANT ALL PRIVILEGES ON `[DB]\_restored`.* TO '[DB]_weak'@'%';
    orders  tools  ok  mysql [VERSION] of MySQL ([TOOLS]/mysql)
    orders  tls  ok  not encrypted, mode disable
    orders  state  ok  [DIR]/home/.local/state/snapkeep
    orders  snapshots  ok  0, none is good
    orders  debris  ok  none
    store local  list  ok  [DIR]/snapshots can be listed
    store local  write  ok  an object can be written
    store local  conditions  ok  what is there is not written over
    store local  read  ok  what was written can be read
    store local  delete  ok  it can be deleted again
    --- stderr
    error: orders: mysql: cannot dump [DB]: the account lacks TRIGGER, EVENT on it, and the dump would miss what it can't see
    hint: GRANT TRIGGER, EVENT ON `[DB]`.* TO '[DB]_weak'@'%';
    "#);
}

#[tokio::test]
async fn postgresql_is_examined_verb_by_verb() {
    let Some(bed) = Bed::postgresql_15() else { return };
    let patient = Patient::new(bed);
    let tls = format!("tls = {{ mode = \"verify-full\", ca_file = \"{}\" }}\n", variable("SK_TLS_CA"));
    assert_snapshot!(patient.doctor("postgres", &tls), @"
    exit 0
    --- stdout
    TARGET  CHECK  RESULT  DETAIL
    orders  connection  ok  PostgreSQL [VERSION] (Debian [VERSION] at postgres@127.0.0.1
    orders  create  ok  all can be read, 2 tables and sequences
    orders  tools  ok  pg_dump [VERSION] of PostgreSQL ([TOOLS]/pg_dump); [VERSION] or higher is needed
    orders  restore  ok  it may make databases
    orders  tools  ok  pg_restore [VERSION] of PostgreSQL ([TOOLS]/pg_restore)
    orders  tools  ok  pg_dumpall [VERSION] of PostgreSQL ([TOOLS]/pg_dumpall)
    orders  tls  ok  TLSv1.3 TLS_AES_256_GCM_SHA384, mode verify-full
    orders  state  ok  [DIR]/home/.local/state/snapkeep
    orders  snapshots  ok  0, none is good
    orders  debris  ok  none
    store local  list  ok  [DIR]/snapshots can be listed
    store local  write  ok  an object can be written
    store local  conditions  ok  what is there is not written over
    store local  read  ok  what was written can be read
    store local  delete  ok  it can be deleted again
    ");
    let (role, password) = (patient.bed.name("weak"), patient.bed.server.password());
    patient.bed.admin(&format!("CREATE ROLE {role} LOGIN PASSWORD '{password}'"));
    patient.bed.sql(&format!("GRANT SELECT ON notes TO {role}"));
    assert_snapshot!(patient.doctor(&role, ""), @r#"
    exit 5
    --- stdout
    TARGET  CHECK  RESULT  DETAIL
    orders  connection  ok  PostgreSQL [VERSION] (Debian [VERSION] at [DB]_weak@127.0.0.1
    orders  create  FAILED  postgresql: cannot dump [DB]: the role [DB]_weak can't read public.bulk
    orders  tools  ok  pg_dump [VERSION] of PostgreSQL ([TOOLS]/pg_dump); [VERSION] or higher is needed
    orders  restore  look  the role [DB]_weak may not make databases: it restores only into one that is there and empty
                                     hint: ALTER ROLE "[DB]_weak" CREATEDB;
    orders  tools  ok  pg_restore [VERSION] of PostgreSQL ([TOOLS]/pg_restore)
    orders  tools  ok  pg_dumpall [VERSION] of PostgreSQL ([TOOLS]/pg_dumpall)
    orders  tls  ok  TLSv1.3 TLS_AES_256_GCM_SHA384, mode prefer
    orders  state  ok  [DIR]/home/.local/state/snapkeep
    orders  snapshots  ok  0, none is good
    orders  debris  ok  none
    store local  list  ok  [DIR]/snapshots can be listed
    store local  write  ok  an object can be written
    store local  conditions  ok  what is there is not written over
    store local  read  ok  what was written can be read
    store local  delete  ok  it can be deleted again
    --- stderr
    error: orders: postgresql: cannot dump [DB]: the role [DB]_weak can't read public.bulk
    hint: GRANT pg_read_all_data TO "[DB]_weak";
    "#);
    patient.bed.sql(&format!(
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}; ALTER TABLE notes ENABLE ROW LEVEL SECURITY"
    ));
    let filtered = patient.doctor(&role, "");
    assert!(
        filtered.contains("row security hides rows of public.notes") && filtered.contains("BYPASSRLS;"),
        "{filtered}"
    );
    patient.bed.admin(&format!("DROP OWNED BY {role}"));
}

#[tokio::test]
async fn mariadb_is_examined_too_and_takes_the_certificates_of_a_file() {
    let Some(bed) = Bed::mariadb() else { return };
    let patient = Patient::new(bed);
    let well = patient.doctor("snapkeep", "");
    let told = ["MariaDB", "everything in the database is seen", "can be made and filled", "mysqldump", "mode prefer"];
    crate::support::assert_names(&well, &told);
    assert!(well.starts_with("exit 0"), "{well}");
    std::fs::write(patient.bench.path("ca.pem"), "no certificate").unwrap();
    let sick = patient.doctor("snapkeep", "tls = { mode = \"disable\", ca_file = \"ca.pem\" }\n");
    let told = ["cannot check the certificates in [DIR]/ca.pem: there is none in it", "hint: openssl x509 -in"];
    crate::support::assert_names(&sick, &told);
}
