//! A database that is made to look at a snapshot in it, and dropped again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;

use super::{Place, Restore};
use crate::dump::child::Stopper;
use crate::dump::engine::{RestorePlan, Scratch, Unanswered};
use crate::dump::manifest::Manifest;
use crate::dump::postgresql::client::{NAME, failed, identifier, literal};
use crate::dump::server::Connection;
use crate::dump::stream::Sink;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Ownership, RestoreRequest, Restored};

/// How long counting and a question of the config's may take.
const LIMIT: Duration = Duration::from_secs(24 * 3600);

/// What a question of the config's gives.
#[derive(Deserialize)]
struct Answer {
    rows: u32,
    columns: u32,
    value: Option<String>,
}

/// A question as the server takes it: as one query that changes nothing. In a literal psql sees no command of its own in
/// it, and a cursor opens no more than one query, and none that sets anything.
fn asked_alone(sql: &str) -> String {
    let body = format!(
        "DECLARE asked refcursor; given record; shown text; columns int; more boolean;
         BEGIN
             OPEN asked FOR EXECUTE {};
             FETCH asked INTO given;
             IF NOT FOUND THEN
                 PERFORM set_config('snapkeep.answer', '{{\"rows\":0,\"columns\":0}}', false);
                 RETURN;
             END IF;
             SELECT count(*) INTO columns FROM json_each_text(row_to_json(given));
             -- the row as text, `(value)`: quoted where it must be
             shown := substr(given::text, 2, length(given::text) - 2);
             IF shown = '' THEN
                 shown := NULL;
             ELSIF left(shown, 1) = '\"' THEN
                 shown := replace(replace(substr(shown, 2, length(shown) - 2), '\"\"', '\"'), chr(92) || chr(92), chr(92));
             END IF;
             FETCH asked INTO given;
             more := FOUND;
             PERFORM set_config('snapkeep.answer', json_build_object(
                 'rows', CASE WHEN more THEN 2 ELSE 1 END, 'columns', columns, 'value', shown)::text, false);
         END",
        literal(sql)
    );
    format!("BEGIN READ ONLY;\nDO {};\nSELECT current_setting('snapkeep.answer');\nCOMMIT;\n", literal(&body))
}

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
        let request = RestoreRequest { ownership: Ownership::Drop, ..RestoreRequest::to_new(name) };
        let mut restore = super::plan(connection, manifest, &request).await?;
        if restore.place != Place::New {
            return Err(Error::new(ErrorKind::Refused, NAME, "make", name, "a database of that name exists")
                .with_hint(format!("drop it: DROP DATABASE {}", identifier(name))));
        }
        // A database with a subscription can't be dropped, and tablespaces are of the server.
        restore.options = vec!["--no-subscriptions", "--no-publications", "--no-tablespaces"];
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
        let answer = match client.ask(client.asking(database), database, &asked_alone(sql), LIMIT).await {
            Ok(answer) => answer,
            Err(error) => {
                let said = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                let missing = said.lines().find(|line| line.contains("ERROR:") && line.ends_with("does not exist"));
                let missing =
                    missing.filter(|line| !line.contains("language")).and_then(|line| line.split_once("ERROR:"));
                return Err(match missing {
                    Some((_, what)) => Unanswered::Missing(what.trim().to_owned()),
                    None => Unanswered::Failed(error),
                });
            }
        };
        let unreadable = |error| failed("ask", database, "the answer is not what was asked for").with_source(error);
        let answer: Answer =
            serde_json::from_str(answer.trim()).map_err(|error| Unanswered::Failed(unreadable(error)))?;
        match answer {
            Answer { rows: 0, .. } => Err(Unanswered::Missing("it gives no row".into())),
            Answer { rows: 1, columns: 1, value } => Ok(value.unwrap_or_else(|| "NULL".into())),
            Answer { columns: 1, .. } => Err(Unanswered::Missing("it gives more than one row".into())),
            _ => Err(Unanswered::Failed(failed("ask", database, "the query gives more than one column"))),
        }
    }
}
