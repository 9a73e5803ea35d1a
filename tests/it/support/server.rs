//! The real servers that `tests/servers/servers.sh` starts, as its variables describe them.

use std::path::PathBuf;

use snapkeep_providers::secret::SecretRef;
use snapkeep_providers::settings::{self, ProviderSettings};

use super::{Gcs, Rds, SqlAdmin, leave_out, variable};

/// One of the servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Server {
    Pg15,
    Pg17,
    MySql,
    MariaDb,
}

impl Server {
    /// `None` when it was not started: the test is left out, and says so. Where servers are required that is a failure.
    pub(crate) fn up(self) -> Option<Self> {
        let needed = ["HOST", "PORT", "USER", "PASSWORD"].map(|what| self.variable(what));
        match needed.iter().find(|name| std::env::var_os(name).is_none()) {
            None => Some(self),
            Some(name) => {
                leave_out(&format!("{self:?} is not there: {name} is not set; tests/run.sh runs it all"));
                None
            }
        }
    }

    fn variable(self, what: &str) -> String {
        match (self, what) {
            (Self::Pg17, "PORT" | "BIN") => format!("SK_PG17_{what}"),
            (Self::Pg15 | Self::Pg17, _) => format!("SK_PG_{what}"),
            (Self::MySql, _) => format!("SK_MYSQL_{what}"),
            (Self::MariaDb, _) => format!("SK_MARIADB_{what}"),
        }
    }

    fn value(self, what: &str) -> String {
        variable(&self.variable(what))
    }

    pub(crate) fn is_postgresql(self) -> bool {
        matches!(self, Self::Pg15 | Self::Pg17)
    }

    pub(crate) fn host(self) -> String {
        self.value("HOST")
    }

    pub(crate) fn port(self) -> u16 {
        self.value("PORT").parse().unwrap()
    }

    pub(crate) fn user(self) -> String {
        self.value("USER")
    }

    pub(crate) fn password(self) -> String {
        self.value("PASSWORD")
    }

    /// The folder of its own client tools.
    pub(crate) fn bin(self) -> PathBuf {
        if self == Self::MariaDb { "/usr/bin".into() } else { self.value("BIN").into() }
    }

    /// Its client tools, the one that dumps first and the one that takes SQL second.
    pub(crate) fn tools(self) -> &'static [&'static str] {
        match self {
            Self::Pg15 | Self::Pg17 => &["pg_dump", "psql", "pg_dumpall", "pg_restore"],
            Self::MySql => &["mysqldump", "mysql"],
            Self::MariaDb => &["mariadb-dump", "mariadb"],
        }
    }

    /// The settings of a target on it.
    pub(crate) fn settings(self, database: &str) -> settings::Server {
        settings::Server {
            host: self.host(),
            port: Some(self.port()),
            user: self.user(),
            password: Some(SecretRef::Env(self.variable("PASSWORD"))),
            database: database.to_owned(),
            tls: settings::Tls::default(),
            exclude_tables: Vec::new(),
            exclude_table_data: Vec::new(),
            tool_dir: (self != Self::MariaDb).then(|| self.bin()),
            compression: settings::Compression::default(),
        }
    }

    pub(crate) fn provider(self, settings: settings::Server) -> ProviderSettings {
        if self.is_postgresql() { ProviderSettings::Postgresql(settings) } else { ProviderSettings::Mysql(settings) }
    }
}

/// The servers' passwords and keys, as far as they are known.
pub(crate) fn passwords() -> Vec<String> {
    const SECRETS: [&str; 5] =
        ["SK_PG_PASSWORD", "SK_MYSQL_PASSWORD", "SK_MARIADB_PASSWORD", "SK_S3_SECRET_ACCESS_KEY", "SK_AZURITE_KEY"];
    SECRETS
        .iter()
        .flat_map(std::env::var)
        .chain([Gcs::TOKEN, Rds::SECRET, SqlAdmin::TOKEN].map(ToOwned::to_owned))
        .collect()
}
