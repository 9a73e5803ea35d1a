//! Talks to a MySQL or MariaDB server through the client tools of its own flavour.

use std::sync::Arc;
use std::time::Duration;

use chrono::NaiveDateTime;

use crate::dump::child::{Program, Stderr};
use crate::dump::server::{Connection, SecretFile};
use crate::dump::tls::Agreed;
use crate::dump::tools::{Flavour, Places, Tool, Version, Wanted};
use crate::error::{Error, ErrorKind, Result};
use crate::secret::Secret;
use crate::settings::TlsMode;

/// The provider's name in the config, for both flavours.
pub(super) const NAME: &str = "mysql";
/// mysqldump below this writes the values of generated columns (MySQL bug 81926), and they don't restore.
pub(super) const LOWEST_MYSQLDUMP: Version = Version::new(8, 3);
const QUERY_LIMIT: Duration = Duration::from_secs(120);
const CONNECT_LIMIT: u32 = 15;

/// A connection's settings, and the client that asks questions.
#[derive(Debug)]
pub(super) struct Client {
    connection: Connection,
    pub(super) places: Places,
    pub(super) mysql: Tool,
    pub(super) server: Flavour,
    pub(super) version: Version,
    pub(super) version_text: String,
    secret: Option<Secret>,
    encryption: Encryption,
}

/// What `prefer` came to. MariaDB's client of 10.x has no word for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encryption {
    AsConfigured,
    Off,
}

const VERSION_QUERY: &str = "SELECT VERSION();";

impl Client {
    /// Finds a client, connects, and settles on the client of the server's own flavour.
    pub(super) async fn open(connection: &Connection) -> Result<Self> {
        let places = Places::new(connection.tool_dir());
        let found = places.search(|places| places.find(Wanted { names: &["mysql", "mariadb"], flavour: None })).await;
        let first = found.first().cloned().ok_or_else(|| missing("mysql or mariadb", None, &places))?;
        let mut client = Self {
            connection: connection.clone(),
            places,
            server: first.flavour,
            mysql: first,
            version: Version::new(0, 0),
            version_text: String::new(),
            secret: connection.password().await?,
            encryption: Encryption::AsConfigured,
        };
        let answer = client.greet(&found).await?;
        client.server = if answer.contains("MariaDB") { Flavour::MariaDb } else { Flavour::MySql };
        client.version = Version::find(&answer).unwrap_or(client.version);
        client.version_text = answer;
        if let Some(tool) = found.into_iter().find(|tool| tool.flavour == client.server) {
            client.mysql = tool;
        }
        Ok(client)
    }

    /// Asks for the version with the first client that can log in: one flavour's client may lack the other's
    /// authentication plugins.
    async fn greet(&mut self, found: &[Tool]) -> Result<String> {
        let prefers = self.connection.tls_mode() == TlsMode::Prefer;
        let mut first_error = None;
        for tool in found {
            self.mysql = tool.clone();
            for encryption in [Encryption::AsConfigured, Encryption::Off] {
                self.encryption = encryption;
                let error = match self.run(None, VERSION_QUERY).await {
                    Ok(answer) => return Ok(answer.trim().to_owned()),
                    Err(error) => error,
                };
                let tls =
                    std::error::Error::source(&error).is_some_and(|source| source.to_string().contains("ERROR 2026"));
                if !matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::Failed) {
                    return Err(error);
                }
                first_error.get_or_insert(error);
                if !(prefers && tls) {
                    break;
                }
            }
        }
        Err(first_error.unwrap_or_else(|| missing("mysql or mariadb", None, &self.places)))
    }

    /// `tool`, with all that it needs to connect. No secret is in its arguments.
    pub(super) fn program(&self, tool: &Tool) -> Result<Program> {
        let file = SecretFile::create("client.cnf", &self.option_file(tool.flavour)?).map_err(|error| {
            Error::new(ErrorKind::Failed, NAME, "write", "the private option file", "it can't be made")
                .with_source(error)
        })?;
        let file = Arc::new(file);
        let mut option = std::ffi::OsString::from("--defaults-file=");
        option.push(file.path());
        let mut program = Program::new(&tool.path).arg(option).keeping(&file).redacting(self.secret.as_ref());
        if tool.flavour == Flavour::MySql {
            // else ~/.mylogin.cnf is read too, and wins
            program = program.env("MYSQL_TEST_LOGIN_FILE", file.path().with_file_name("no-login-file"));
        }
        Ok(program)
    }

    fn option_file(&self, flavour: Flavour) -> Result<String> {
        let settings = &self.connection.settings;
        let mut lines = vec!["[client]".to_owned()];
        let mut set = |key: &str, value: &str| {
            if value.contains(['\n', '\r', '\0']) {
                return Err(Error::new(ErrorKind::Usage, NAME, "use", key, "it has a line break in it"));
            }
            lines.push(format!("{key}=\"{}\"", value.replace('\\', r"\\").replace('"', "\\\"")));
            Ok(())
        };
        set("user", &settings.user)?;
        if settings.host.starts_with('/') {
            set("socket", &settings.host)?;
        } else {
            set("host", &settings.host)?;
            set("port", &settings.port.unwrap_or(3306).to_string())?;
            if settings.port.is_some() {
                set("protocol", "tcp")?; // else `localhost` means a socket
            }
        }
        if let Some(secret) = &self.secret {
            set("password", secret.expose())?;
        }
        let tls = match self.encryption {
            Encryption::AsConfigured => self.connection.tls_mode(),
            Encryption::Off => TlsMode::Disable,
        };
        if let Some(file) = self.connection.ca_file().filter(|_| tls != TlsMode::Disable) {
            set("ssl-ca", &file.to_string_lossy())?;
        }
        lines.extend(tls_options(flavour, tls).iter().map(|&line| line.to_owned()));
        lines.push(String::new());
        Ok(lines.join("\n"))
    }

    /// Runs `sql`, and gives what it prints: rows by line, columns by tab, no headers.
    pub(super) async fn run(&self, database: Option<&str>, sql: &str) -> Result<String> {
        self.ask(self.asking(database)?.arg("--raw"), sql, QUERY_LIMIT).await
    }

    /// The client, as it takes questions from its stdin.
    pub(super) fn asking(&self, database: Option<&str>) -> Result<Program> {
        let program = self.program(&self.mysql)?.args(["--batch", "--skip-column-names"]);
        let program = program.arg("--default-character-set=utf8mb4").arg(format!("--connect-timeout={CONNECT_LIMIT}"));
        Ok(match database {
            Some(database) => program.arg(format!("--database={database}")),
            None => program,
        })
    }

    /// Asks with a program of [`Client::asking`]'s, for as long as `limit`.
    pub(super) async fn ask(&self, program: Program, sql: &str, limit: Duration) -> Result<String> {
        let subject = self.connection.shown();
        let captured = program.ask(sql, limit).await.map_err(|error| {
            failed("query", &subject, &format!("{} can't be started", program.name())).with_source(error)
        })?;
        if captured.timed_out {
            return Err(Error::new(ErrorKind::Unavailable, NAME, "query", subject, "the server took too long"));
        }
        if captured.status.success() { Ok(captured.text()) } else { Err(explain("query", &subject, captured.stderr)) }
    }

    /// How the connection is encrypted, as the server says; nothing where it isn't.
    pub(super) async fn agreed(&self) -> Result<Option<Agreed>> {
        let sql = "SHOW SESSION STATUS WHERE variable_name IN ('Ssl_version', 'Ssl_cipher', 'Ssl_server_not_after');";
        let answer = self.run(None, sql).await?;
        let value = |name: &str| {
            let line = answer.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('\t'));
            line.map(str::trim).filter(|value| !value.is_empty()).map(ToOwned::to_owned)
        };
        let Some((protocol, cipher)) = value("Ssl_version").zip(value("Ssl_cipher")) else { return Ok(None) };
        // `Nov 23 09:00:00 2027 GMT`
        let ends = value("Ssl_server_not_after").and_then(|text| {
            let ends = NaiveDateTime::parse_from_str(text.trim_end_matches(" GMT"), "%b %e %H:%M:%S %Y");
            ends.ok().map(|ends| ends.and_utc())
        });
        Ok(Some(Agreed { protocol, cipher, ends }))
    }

    /// The character set and collation of `database`; `None` where there is no such database.
    pub(super) async fn charset(&self, database: &str) -> Result<Option<(String, String)>> {
        let sql = format!(
            "SELECT default_character_set_name, default_collation_name FROM information_schema.schemata
             WHERE schema_name = {};",
            text_literal(database)
        );
        let answer = self.run(None, &sql).await?;
        let mut columns = answer.trim().split('\t').map(ToOwned::to_owned);
        Ok(columns.next().filter(|charset| !charset.is_empty()).zip(columns.next()))
    }

    /// Whether no table, routine or event is in `database`.
    pub(super) async fn is_empty(&self, database: &str) -> Result<bool> {
        let name = text_literal(database);
        let sql = format!(
            "SELECT (SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = {name})
                  + (SELECT COUNT(*) FROM information_schema.routines WHERE routine_schema = {name})
                  + (SELECT COUNT(*) FROM information_schema.events WHERE event_schema = {name});"
        );
        Ok(self.run(None, &sql).await?.trim() == "0")
    }
}

/// The lines of an option file that set a TLS mode.
///
/// MariaDB's client knows off, on and on with verification; both verifying modes are the strict one there. From
/// 11.4 on it verifies unless told not to.
fn tls_options(flavour: Flavour, mode: TlsMode) -> &'static [&'static str] {
    match (flavour, mode) {
        (Flavour::MariaDb, TlsMode::Disable) => &["skip-ssl"],
        (Flavour::MariaDb, TlsMode::Prefer | TlsMode::Require) => &["ssl", "loose-disable-ssl-verify-server-cert"],
        (Flavour::MariaDb, TlsMode::VerifyCa | TlsMode::VerifyFull) => &["ssl", "ssl-verify-server-cert"],
        // Without TLS an account of caching_sha2_password must encrypt its password itself, with a key of the server's
        // https://dev.mysql.com/doc/refman/8.4/en/caching-sha2-pluggable-authentication.html
        (_, TlsMode::Disable) => &["ssl-mode=DISABLED", "loose-get-server-public-key"],
        (_, TlsMode::Prefer) => &["ssl-mode=PREFERRED"],
        (_, TlsMode::Require) => &["ssl-mode=REQUIRED"],
        (_, TlsMode::VerifyCa) => &["ssl-mode=VERIFY_CA"],
        (_, TlsMode::VerifyFull) => &["ssl-mode=VERIFY_IDENTITY"],
    }
}

/// A string in SQL whatever the server's SQL mode: its bytes in hexadecimal.
pub(super) fn text_literal(text: &str) -> String {
    if text.is_empty() {
        return "''".into();
    }
    format!("CONVERT(X'{}' USING utf8mb4)", crate::hex::hex(text.as_bytes()))
}

/// An identifier in SQL.
pub(super) fn identifier(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

pub(super) fn failed(action: &str, subject: &str, reason: &str) -> Error {
    Error::new(ErrorKind::Failed, NAME, action, subject, reason)
}

pub(super) fn missing(tool: &str, flavour: Option<Flavour>, places: &Places) -> Error {
    let of = flavour.map(|flavour| format!(" of {flavour}")).unwrap_or_default();
    let hint = match flavour {
        Some(Flavour::MySql) => "install MySQL's client tools 8.3 or higher, and set tool_dir to their folder",
        Some(Flavour::MariaDb) => {
            "install MariaDB's client tools (Debian: apt install mariadb-client), or set tool_dir"
        }
        _ => "install the client tools of MySQL 8.3 or higher or of MariaDB, or set tool_dir to their folder",
    };
    let reason = format!("no {tool}{of} in {}", places.describe());
    Error::new(ErrorKind::Unsupported, NAME, "find", tool, reason).with_hint(hint)
}

/// The one place that says what a client tool's error means, by the numbers of both flavours.
pub(super) fn explain(action: &str, subject: &str, stderr: Stderr) -> Error {
    let (kind, reason, hint) = match error_number(&stderr.0) {
        Some(1045 | 1698 | 3118 | 1862 | 1820) => {
            (ErrorKind::Permission, "the server refused the login", "check `user` and `password` in the config")
        }
        Some(1044 | 1142 | 1143 | 1227 | 1370 | 1419 | 1290) => {
            (ErrorKind::Permission, "the account lacks a privilege", "grant it, or use another account")
        }
        Some(1049) => (ErrorKind::NotFound, "there is no such database", "check `database` in the config"),
        Some(2002 | 2003 | 2005 | 2006 | 2013 | 2055 | 4031 | 1053 | 1158..=1161 | 1184 | 1927) => (
            ErrorKind::Unavailable,
            "the server does not answer",
            "check `host` and `port` in the config, and the network",
        ),
        Some(1040 | 1203 | 1226) => (ErrorKind::Busy, "the server has no free connection", "try again later"),
        Some(2026) => (ErrorKind::Failed, "TLS failed", "check `tls` in the config: its mode and ca_file"),
        Some(2059 | 2061 | 1251) => (
            ErrorKind::Unsupported,
            "the client lacks the server's way to log in",
            "install the client tools of the server's own flavour and version, and set tool_dir to their folder",
        ),
        _ => return failed(action, subject, "the server said no").with_source(stderr),
    };
    Error::new(kind, NAME, action, subject, reason).with_hint(hint).with_source(stderr)
}

/// `ERROR 1045 (28000): ...` of mysql, and `mysqldump: Got error: 1045: ...`, the last one printed.
pub(super) fn error_number(stderr: &str) -> Option<u32> {
    let number = |text: &str| text.split(|c: char| !c.is_ascii_digit()).find(|part| !part.is_empty())?.parse().ok();
    stderr.lines().rev().find_map(|line| {
        let (_, rest) = line.split_once("ERROR ").or_else(|| line.split_once("error: "))?;
        number(rest)
    })
}

/// Whether the client proves that the dump is at fault, and not the server that it was to be loaded into: it names a line
/// of the dump, and what the server refused there is none of its own troubles.
pub(super) fn blames_the_dump(said: &str) -> bool {
    let number = said.lines().find_map(|line| {
        let (number, rest) = line.strip_prefix("ERROR ")?.split_once(' ')?;
        rest.split_once(") at line ")?;
        number.parse::<u32>().ok()
    });
    match number {
        None => false,
        // Files and memory of the server's; the client's own, as of a connection that was cut.
        Some(..1000 | 2000..3000) => false,
        // Room, memory, locks, limits, the end of a connection or of the server.
        Some(1021 | 1030 | 1037 | 1038 | 1041 | 1053 | 1114 | 1135 | 1153 | 1158..=1161 | 1180 | 1181) => false,
        Some(1184 | 1205 | 1206 | 1213 | 1290 | 1317 | 1836 | 1927 | 1969 | 3024 | 3100 | 3101 | 3168 | 3170) => false,
        // What that server lacks: character sets, functions of libraries, variables, collations, engines, plugins.
        Some(1115 | 1126 | 1127 | 1193 | 1273 | 1286 | 1524) => false,
        Some(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_line_that_is_named_is_the_dumps_fault() {
        assert!(blames_the_dump("ERROR 1064 (42000) at line 3: You have an error in your SQL syntax"));
        assert!(blames_the_dump("WARNING: x\nERROR 1062 (23000) at line 3: Duplicate entry 'ERROR 2013' for key 'a'"));
        for innocent in [
            "",
            "Killed",
            "ERROR 1064 (42000): You have an error",
            "ERROR 3 (HY000) at line 3: Error writing file '/tmp/x' (OS errno 28 - No space left on device)",
            "ERROR 1114 (HY000) at line 5: The table 't' is full",
            "ERROR 1153 (08S01) at line 9: Got a packet bigger than 'max_allowed_packet' bytes",
            "ERROR 1205 (HY000) at line 9: Lock wait timeout exceeded; try restarting transaction",
            "ERROR 2013 (HY000) at line 9: Lost connection to MySQL server during query",
            "ERROR 1927 (70100) at line 9: Connection was killed",
        ] {
            assert!(!blames_the_dump(innocent), "{innocent}");
        }
    }

    #[test]
    fn errors_are_told_apart_by_their_numbers() {
        let kind = |text: &str| explain("query", "db", Stderr(text.into())).kind();
        let denied = "ERROR 1045 (28000): Access denied for user 'x'@'localhost' (using password: YES)";
        assert_eq!(kind(denied), ErrorKind::Permission);
        assert_eq!(kind("mysqldump: Got error: 1049: Unknown database 'x' when selecting"), ErrorKind::NotFound);
        assert_eq!(kind("ERROR 2003 (HY000): Can't connect to MySQL server on 'h:1' (111)"), ErrorKind::Unavailable);
        assert_eq!(kind("ERROR 1064 (42000) at line 3: You have an error"), ErrorKind::Failed);
        assert_eq!(kind(""), ErrorKind::Failed);
    }

    #[test]
    fn names_can_not_leave_their_quotes() {
        assert_eq!(identifier("a`b"), "`a``b`");
        assert_eq!(text_literal("a'b"), "CONVERT(X'612762' USING utf8mb4)");
    }
}
