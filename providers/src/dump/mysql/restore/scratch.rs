//! A database that is made to look at a snapshot in it, and dropped again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;

use super::{Place, Restore};
use crate::dump::child::Stopper;
use crate::dump::engine::{RestorePlan, Scratch, Unanswered};
use crate::dump::manifest::Manifest;
use crate::dump::mysql::client::{NAME, error_number, failed, identifier, text_literal};
use crate::dump::mysql::eventless::Eventless;
use crate::dump::server::Connection;
use crate::dump::stream::Sink;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{RestoreRequest, Restored};

/// How long counting and a question of the config's may take.
const LIMIT: Duration = Duration::from_secs(24 * 3600);

/// A restore into a database of its own.
pub(in crate::dump::mysql) struct ScratchDatabase(Restore);

impl ScratchDatabase {
    pub(in crate::dump::mysql) async fn plan(connection: &Connection, manifest: &Manifest, name: &str) -> Result<Self> {
        let request = RestoreRequest::to_new(name);
        let restore = super::plan(connection, manifest, &request).await?;
        if restore.place != Place::New {
            return Err(Error::new(ErrorKind::Refused, NAME, "make", name, "a database of that name exists")
                .with_hint(format!("drop it: DROP DATABASE {}", identifier(name))));
        }
        Ok(Self(restore))
    }
}

#[async_trait]
impl RestorePlan for ScratchDatabase {
    async fn begin(&mut self) -> Result<(Box<dyn Sink>, Option<Stopper>)> {
        let (sink, stopper) = self.0.begin().await?;
        Ok((Box::new(Eventless::new(sink)), stopper))
    }

    async fn commit(&mut self) -> Result<Restored> {
        self.0.commit().await
    }

    async fn undo(&mut self) -> Option<String> {
        self.0.undo().await
    }
}

#[async_trait]
impl Scratch for ScratchDatabase {
    async fn tables(&mut self) -> Result<BTreeSet<String>> {
        let Restore { client, database, .. } = &self.0;
        let sql = format!(
            "SELECT table_name FROM information_schema.tables
             WHERE table_schema = {} AND table_type NOT IN ('VIEW', 'SEQUENCE');",
            text_literal(database)
        );
        let answer = client.ask(client.asking(Some(database))?, &sql, LIMIT).await?;
        Ok(answer.lines().map(unescaped).collect())
    }

    async fn rows(&mut self, tables: &[&str]) -> Result<BTreeMap<String, u64>> {
        let Restore { client, database, .. } = &self.0;
        let count = |&table: &&str| format!("SELECT {}, COUNT(*) FROM {};\n", text_literal(table), identifier(table));
        let sql: String = tables.iter().map(count).collect();
        let answer = client.ask(client.asking(Some(database))?, &sql, LIMIT).await?;
        let counted = answer.lines().map(|line| {
            let (table, count) = line.rsplit_once('\t')?;
            Some((unescaped(table), count.parse().ok()?))
        });
        counted.collect::<Option<_>>().ok_or_else(|| failed("count the rows of", database, "the answer is no number"))
    }

    async fn value(&mut self, sql: &str) -> Result<String, Unanswered> {
        let Restore { client, database, .. } = &self.0;
        // Prepared from a text it is one statement, and nothing in it is a command of the client's.
        let sql = format!(
            "SET SESSION TRANSACTION READ ONLY;\nSET @asked = {};\nPREPARE asked FROM @asked;\nEXECUTE asked;\n",
            text_literal(sql)
        );
        let answer = match client.ask(client.asking(Some(database))?, &sql, LIMIT).await {
            Ok(answer) => answer,
            Err(error) => {
                let said = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                return Err(match error_number(&said) {
                    // No such database, column, table, or routine.
                    Some(1049 | 1054 | 1146 | 1305) => Unanswered::Missing(said),
                    _ => Unanswered::Failed(error),
                });
            }
        };
        let mut rows = answer.lines();
        match (rows.next(), rows.next()) {
            (None, _) => Err(Unanswered::Missing("it gives no row".into())),
            (Some(row), _) if row.contains('\t') => {
                Err(Unanswered::Failed(failed("ask", database, "the query gives more than one column")))
            }
            (Some(row), None) => Ok(unescaped(row)),
            (Some(_), Some(_)) => Err(Unanswered::Missing("it gives more than one row".into())),
        }
    }
}

/// What the client escapes in a value: the separators, the backslash and the NUL.
fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(next) = rest.next() {
        plain.push(match next {
            '\\' => match rest.next() {
                Some('n') => '\n',
                Some('t') => '\t',
                Some('0') => '\0',
                Some(other) => other,
                None => '\\',
            },
            plain => plain,
        });
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_client_escapes_is_one_value() {
        assert_eq!(unescaped(r"a\nb\tc\\n\0"), "a\nb\tc\\n\0");
        assert_eq!(unescaped("NULL"), "NULL");
    }
}
