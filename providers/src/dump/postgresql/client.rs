//! Talks to a PostgreSQL server through its own client tools, so that what the check proves is what the dump uses.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::dump::child::{Program, Stderr};
use crate::dump::server::{Connection, SecretFile};
use crate::dump::tools::{Flavour, Places, Tool, Version, Wanted};
use crate::error::{Error, ErrorKind, Result};
use crate::secret::Secret;
use crate::settings::TlsMode;

/// The provider's name in the config.
pub(super) const NAME: &str = "postgresql";
/// pg_dump below this writes dumps with generated columns that don't restore.
pub(super) const LOWEST_PG_DUMP: Version = Version::new(13, 3);
/// How long a query of ours may take.
const QUERY_LIMIT: Duration = Duration::from_secs(120);
/// How long connecting may take, in seconds.
const CONNECT_LIMIT: &str = "15";

/// A connection's settings, its password file, and the tool that asks questions.
#[derive(Debug)]
pub(super) struct Client {
    connection: Connection,
    pub(super) places: Places,
    psql: Tool,
    password: Option<(Secret, Arc<SecretFile>)>,
}

/// What the server says of itself and of the database.
#[derive(Debug, Deserialize)]
pub(super) struct Facts {
    pub(super) version: String,
    pub(super) size: Option<u64>,
    pub(super) encoding: String,
    /// The row of `pg_database`; its columns differ between versions.
    pub(super) database: serde_json::Map<String, serde_json::Value>,
    /// `name=value`, as `ALTER DATABASE ... SET` left them.
    pub(super) settings: Option<Vec<String>>,
}

impl Facts {
    pub(super) fn version(&self) -> Version {
        Version::find(&self.version).unwrap_or(Version::new(0, 0))
    }
}

impl Client {
    /// Finds psql and reads the password; connects to nothing yet.
    pub(super) async fn open(connection: &Connection) -> Result<Self> {
        let places = Places::new(connection.tool_dir());
        let wanted = Wanted { names: &["psql"], flavour: Some(Flavour::PostgreSql) };
        let psql = places
            .search(move |places| places.first(wanted, |_| true))
            .await
            .ok_or_else(|| missing("psql", &places))?;
        let password = match connection.password().await? {
            Some(secret) => Some(password_file(secret)?),
            None => None,
        };
        Ok(Self { connection: connection.clone(), places, psql, password })
    }

    /// `tool`, with all that it needs to connect to `database`. No secret is in its arguments.
    pub(super) fn program(&self, tool: &Tool, database: &str) -> Program {
        let settings = &self.connection.settings;
        let mode = match self.connection.tls_mode() {
            TlsMode::Disable => "disable",
            TlsMode::Prefer => "prefer",
            TlsMode::Require => "require",
            TlsMode::VerifyCa => "verify-ca",
            TlsMode::VerifyFull => "verify-full",
        };
        let mut program = Program::new(&tool.path)
            .arg("--no-password")
            .arg(format!("--dbname={}", conninfo(database)))
            .env("PGHOST", &settings.host)
            .env("PGPORT", settings.port.unwrap_or(5432).to_string())
            .env("PGUSER", &settings.user)
            .env("PGSSLMODE", mode)
            .env("PGCONNECT_TIMEOUT", CONNECT_LIMIT)
            .env("PGAPPNAME", "snapkeep");
        if let Some(file) = self.connection.ca_file() {
            program = program.env("PGSSLROOTCERT", file);
        }
        match &self.password {
            Some((secret, file)) => program.env("PGPASSFILE", file.path()).keeping(file).redacting(Some(secret)),
            None => program,
        }
    }

    /// Runs `sql` in `database`, and gives what it prints, unaligned and without headers.
    pub(super) async fn run(&self, database: &str, sql: &str) -> Result<String> {
        self.ask(self.asking(database), database, sql, QUERY_LIMIT).await
    }

    /// psql, as it takes a question from its stdin.
    pub(super) fn asking(&self, database: &str) -> Program {
        self.program(&self.psql, database)
            .args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1", "--file=-"])
            .env("PGCLIENTENCODING", "UTF8")
    }

    /// Asks with a program of [`Client::asking`]'s, for as long as `limit`.
    pub(super) async fn ask(&self, program: Program, database: &str, sql: &str, limit: Duration) -> Result<String> {
        let subject = format!("{} as {}", database, self.connection.shown());
        let captured = program
            .ask(sql, limit)
            .await
            .map_err(|error| failed("query", &subject, "psql can't be started").with_source(error))?;
        if captured.timed_out {
            return Err(Error::new(ErrorKind::Unavailable, NAME, "query", subject, "the server took too long"));
        }
        if !captured.status.success() {
            return Err(explain("query", &subject, captured.stderr));
        }
        Ok(captured.text())
    }

    /// Runs a query that gives one JSON value.
    pub(super) async fn query<T: DeserializeOwned>(&self, database: &str, sql: &str) -> Result<T> {
        let text = self.run(database, sql).await?;
        serde_json::from_str(text.trim())
            .map_err(|error| failed("query", database, "the answer is not what was asked for").with_source(error))
    }

    /// Asks the server about itself and `database`.
    pub(super) async fn facts(&self, database: &str) -> Result<Facts> {
        self.query(
            database,
            "SELECT json_build_object(
                'version', current_setting('server_version'),
                'size', pg_database_size(d.oid),
                'encoding', pg_encoding_to_char(d.encoding),
                'database', to_json(d),
                'settings', (SELECT to_json(s.setconfig) FROM pg_db_role_setting s
                             WHERE s.setdatabase = d.oid AND s.setrole = 0))
             FROM pg_database d WHERE d.datname = current_database();",
        )
        .await
    }

    /// A database to connect to that is not the one in question: for making, renaming and dropping that one.
    pub(super) async fn maintenance_database(&self, in_question: &str) -> Result<String> {
        let mut last = None;
        for database in others(&self.connection.settings.database, in_question) {
            match self.run(database, "SELECT 1;").await {
                Ok(_) => return Ok(database.to_owned()),
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Permission) => last = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(last.unwrap_or_else(|| failed("connect to", "the server", "no database was tried")))
    }
}

/// The databases to connect to while `in_question` is made, renamed or dropped.
fn others<'a>(own: &'a str, in_question: &str) -> Vec<&'a str> {
    ["postgres", "template1", own].into_iter().filter(|&database| database != in_question).collect()
}

fn password_file(secret: Secret) -> Result<(Secret, Arc<SecretFile>)> {
    let unusable = |reason: &str| Error::new(ErrorKind::Permission, NAME, "use", "the password", reason);
    if secret.expose().contains(['\n', '\r', '\0']) {
        return Err(unusable("a password file can't hold one with a line break"));
    }
    let escaped = secret.expose().replace('\\', r"\\").replace(':', r"\:");
    let file = SecretFile::create("pgpass", &format!("*:*:*:*:{escaped}\n"))
        .map_err(|error| unusable("its private file can't be written").with_source(error))?;
    Ok((secret, Arc::new(file)))
}

/// A connection string that names only the database, whatever characters are in its name.
fn conninfo(database: &str) -> String {
    format!("dbname='{}'", database.replace('\\', r"\\").replace('\'', r"\'"))
}

/// An identifier in SQL.
pub(super) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A string in SQL, also where `standard_conforming_strings` is off.
pub(super) fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', r"\\").replace('\'', "''"))
}

pub(super) fn failed(action: &str, subject: &str, reason: &str) -> Error {
    Error::new(ErrorKind::Failed, NAME, action, subject, reason)
}

pub(super) fn missing(tool: &str, places: &Places) -> Error {
    let reason = format!("no {tool} of PostgreSQL in {}", places.describe());
    Error::new(ErrorKind::Unsupported, NAME, "find", tool, reason)
        .with_hint("install PostgreSQL's client tools (Debian: apt install postgresql-client), or set tool_dir")
}

/// What libpq and the server say of a connection that was cut. TLS has words of its own for that.
const CUT: [&str; 13] = [
    "server closed the connection",
    "SSL SYSCALL error",
    "SSL connection has been closed",
    "unexpected eof while reading",
    "terminating connection",
    "connection to server was lost",
    "no connection to the server",
    "connection not open",
    "could not receive data from server",
    "could not send data to server",
    "could not send COPY data",
    "Connection reset by peer",
    "Connection timed out",
];

/// The one place that says what a client tool's error means.
///
/// libpq gives no SQLSTATE for a failed connection, so this reads its words, in the C locale, and the server's.
/// A server that speaks another language loses the kind, not the words.
pub(super) fn explain(action: &str, subject: &str, stderr: Stderr) -> Error {
    let says = |words: &[&str]| words.iter().any(|word| stderr.0.contains(word));
    let (kind, reason, hint) = if says(&CUT) {
        (ErrorKind::Unavailable, "the connection was cut", "look at the server and the network, and try again")
    } else if says(&["password authentication failed", "no password supplied", "authentication failed"]) {
        (ErrorKind::Permission, "the server refused the login", "check `user` and `password` in the config")
    } else if says(&["no pg_hba.conf entry"]) {
        (
            ErrorKind::Permission,
            "the server lets no one in that way",
            "check pg_hba.conf, `user` and `tls` in the config",
        )
    } else if says(&["permission denied", "must be superuser", "must be owner", "permission to create database"]) {
        (ErrorKind::Permission, "the role lacks a permission", "grant it, or use another role")
    } else if says(&["FATAL:  role "]) {
        (ErrorKind::Permission, "there is no such role", "check `user` in the config")
    } else if says(&["FATAL:  database ", "does not exist"]) && says(&["FATAL:  database "]) {
        (ErrorKind::NotFound, "there is no such database", "check `database` in the config")
    } else if says(&["certificate", "SSL", "root.crt"]) {
        (ErrorKind::Failed, "TLS failed", "check `tls` in the config: its mode and ca_file")
    } else if says(&["too many clients", "remaining connection slots"]) {
        (ErrorKind::Busy, "the server has no free connection", "try again later")
    } else if says(&[
        "Connection refused",
        "could not translate host name",
        "timeout expired",
        "No route to host",
        "Network is unreachable",
        "No such file or directory",
        "the database system is",
    ]) {
        (ErrorKind::Unavailable, "the server does not answer", "check `host` and `port` in the config, and the network")
    } else {
        return failed(action, subject, "the server said no").with_source(stderr);
    };
    Error::new(kind, NAME, action, subject, reason).with_hint(hint).with_source(stderr)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_is_cut_is_no_failure_of_tls_or_of_a_statement() {
        let kind = |text: &str| explain("load", "db", Stderr(text.into())).kind();
        for cut in [
            "pg_restore: error: error returned by PQputCopyData: SSL SYSCALL error: EOF detected",
            "pg_restore: error: error returned by PQputCopyData: SSL connection has been closed unexpectedly",
            "pg_restore: error: could not execute query: SSL error: unexpected eof while reading",
            "pg_restore: error: could not execute query: FATAL:  terminating connection due to administrator command",
            "psql: error: server closed the connection unexpectedly",
        ] {
            assert_eq!(kind(cut), ErrorKind::Unavailable, "{cut}");
        }
        assert_eq!(kind("psql: error: SSL error: certificate verify failed"), ErrorKind::Failed);
        assert_eq!(kind("psql: error: root certificate file \"/x\" does not exist"), ErrorKind::Failed);
    }

    #[test]
    fn no_database_is_renamed_from_inside() {
        assert_eq!(others("om", "om"), ["postgres", "template1"]);
        assert_eq!(others("postgres", "postgres"), ["template1"]);
        assert_eq!(others("om", "copy"), ["postgres", "template1", "om"]);
    }
}
