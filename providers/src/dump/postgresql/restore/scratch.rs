//! A database that is made to look at a snapshot in it, and dropped again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;

use super::{Place, Restore};
use crate::dump::child::Stopper;
use crate::dump::engine::{RestorePlan, Scratch, Unanswered};
use crate::dump::manifest::Manifest;
use crate::dump::postgresql::client::{NAME, failed, identifier, literal};
use crate::dump::server::Connection;
use crate::dump::stream::Sink;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Ownership, RestoreRequest, RestoreTo, Restored};

/// How long counting and a question of the config's may take.
const LIMIT: Duration = Duration::from_secs(24 * 3600);

/// A restore into a database of its own.
pub(in crate::dump::postgresql) struct ScratchDatabase {
    restore: Restore,
    tables: BTreeMap<String, Table>,
}

struct Table {
    schema: String,
    name: String,
    /// An extension fills its tables itself, and a dump has only what was added.
    of_extension: bool,
}

impl ScratchDatabase {
    pub(in crate::dump::postgresql) async fn plan(
        connection: &Connection,
        manifest: &Manifest,
        name: &str,
    ) -> Result<Self> {
        // A role that is missing here is no fault of the snapshot's.
        let request = RestoreRequest { to: RestoreTo::New(name.to_owned()), ownership: Ownership::Drop };
        let restore = super::plan(connection, manifest, &request).await?;
        if restore.place != Place::New {
            return Err(Error::new(ErrorKind::Refused, NAME, "make", name, "a database of that name exists")
                .with_hint(format!("drop it: DROP DATABASE {}", identifier(name))));
        }
        Ok(Self { restore, tables: BTreeMap::new() })
    }
}

#[async_trait]
impl RestorePlan for ScratchDatabase {
    async fn begin(&mut self) -> Result<(Box<dyn Sink>, Option<Stopper>)> {
        self.restore.begin().await
    }

    async fn commit(&mut self) -> Result<Restored> {
        self.restore.commit().await
    }

    async fn undo(&mut self) -> Option<String> {
        self.restore.undo().await
    }
}

#[async_trait]
impl Scratch for ScratchDatabase {
    async fn tables(&mut self) -> Result<BTreeSet<String>> {
        let Restore { client, database, .. } = &self.restore;
        let found: Vec<(String, String, bool)> = client
            .query(
                database,
                "SELECT coalesce(json_agg(json_build_array(n.nspname, c.relname, EXISTS (
                     SELECT 1 FROM pg_depend d
                     WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'))), '[]'::json)
                 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                 WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
                   AND n.nspname NOT LIKE 'pg\\_%';",
            )
            .await?;
        let tables = found
            .into_iter()
            .map(|(schema, name, of_extension)| (format!("{schema}.{name}"), Table { schema, name, of_extension }));
        self.tables = tables.collect();
        Ok(self.tables.keys().cloned().collect())
    }

    async fn rows(&mut self, tables: &[&str]) -> Result<BTreeMap<String, u64>> {
        let Restore { client, database, .. } = &self.restore;
        // A dump has the rows of each table itself, not of those that inherit from it.
        let known = tables.iter().filter_map(|&name| self.tables.get_key_value(name));
        let counts = known.filter(|(_, table)| !table.of_extension).map(|(key, table)| {
            let (schema, name) = (identifier(&table.schema), identifier(&table.name));
            format!("SELECT json_build_array({}, count(*)) FROM ONLY {schema}.{name};\n", literal(key))
        });
        let sql = format!("SET row_security = off;\n{}", counts.collect::<String>());
        let answer = client.ask(client.asking(database), database, &sql, LIMIT).await?;
        answer
            .lines()
            .filter(|line| !line.is_empty())
            .map(|line| {
                serde_json::from_str(line)
                    .map_err(|error| failed("count", database, "the answer is no number").with_source(error))
            })
            .collect()
    }

    async fn value(&mut self, sql: &str) -> Result<String, Unanswered> {
        let Restore { client, database, .. } = &self.restore;
        // No value has a NUL in it.
        let program =
            client.asking(database).args(["--field-separator-zero", "--record-separator-zero", "--pset=null=NULL"]);
        let sql = format!("SET default_transaction_read_only = on;\n{sql}\n;\n");
        let answer = match client.ask(program, database, &sql, LIMIT).await {
            Ok(answer) => answer,
            Err(error) => {
                let said = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                let missing = said.lines().find(|line| line.contains("ERROR:") && line.ends_with("does not exist"));
                let missing = missing.and_then(|line| line.split_once("ERROR:"));
                return Err(match missing {
                    Some((_, what)) => Unanswered::Missing(what.trim().to_owned()),
                    None => Unanswered::Failed(error),
                });
            }
        };
        let mut values = answer.strip_suffix('\0').unwrap_or(&answer).split('\0');
        match (values.next(), values.next()) {
            (Some(value), None) if !answer.is_empty() => Ok(value.to_owned()),
            (_, None) => Err(Unanswered::Missing("it gives no row".into())),
            _ => Err(Unanswered::Missing("it gives more than one value".into())),
        }
    }
}
