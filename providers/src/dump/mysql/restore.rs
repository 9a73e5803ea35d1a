//! Restores by feeding the dump to the server's own client.
//!
//! These servers can't rename a database, so in place means: drop, make, load. Before that the bytes have been
//! proven; see docs/decisions.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::client::{Client, NAME, explain, identifier, text_literal};
use super::unnamed::Unnamed;
use crate::dump::child::Stopper;
use crate::dump::engine::RestorePlan;
use crate::dump::loading::Loading;
use crate::dump::manifest::Manifest;
use crate::dump::server::{Connection, check_new_name};
use crate::dump::stream::Sink;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Ownership, RestoreRequest, RestoreTo, Restored};

mod scratch;

pub(super) use scratch::ScratchDatabase;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// It does not exist: made, and dropped again if loading fails.
    New,
    /// It exists and is empty: filled.
    Empty,
    /// It is dropped and made again.
    Replace,
}

/// A restore that has been looked at.
pub(super) struct Restore {
    client: Client,
    database: String,
    /// The name of the database that was dumped.
    dumped: String,
    place: Place,
    /// Whether anything was changed yet: what another process made meanwhile is not ours to drop.
    touched: bool,
    settings: BTreeMap<String, String>,
    warnings: Vec<String>,
}

pub(super) async fn plan(connection: &Connection, manifest: &Manifest, request: &RestoreRequest) -> Result<Restore> {
    let database = match &request.to {
        RestoreTo::New(name) => {
            check_new_name(NAME, name)?;
            name.clone()
        }
        RestoreTo::InPlace => connection.settings.database.clone(),
    };
    let client = Client::open(connection).await?;
    if client.server.engine() != manifest.engine {
        let reason = format!("the dump is of {}, and the server is {}", manifest.engine, client.server);
        return Err(Error::new(ErrorKind::Unsupported, NAME, "restore to", &database, reason)
            .with_hint("restore it to a server of the same flavour"));
    }
    if client.mysql.flavour != client.server {
        return Err(super::missing("mysql client", Some(client.server), &client.places));
    }
    let exists = client.charset(&database).await?.is_some();
    let place = match (&request.to, exists) {
        (_, false) => Place::New,
        (RestoreTo::InPlace, true) => Place::Replace,
        (RestoreTo::New(_), true) if client.is_empty(&database).await? => Place::Empty,
        (RestoreTo::New(_), true) => {
            return Err(Error::new(ErrorKind::Refused, NAME, "restore to", &database, "it exists and is not empty")
                .with_hint("choose another name with `--to NAME`"));
        }
    };
    let warnings = match request.ownership {
        Ownership::Keep => Vec::new(),
        Ownership::Drop => {
            vec!["definers stay as they were dumped: this engine's dumps can't be loaded without".into()]
        }
    };
    let (settings, dumped) = (manifest.database_settings.clone(), manifest.database.clone());
    Ok(Restore { client, database, dumped, place, touched: false, settings, warnings })
}

/// `CREATE DATABASE` with the character set and collation of the old one.
pub(super) fn create_database(name: &str, settings: &BTreeMap<String, String>) -> String {
    let word =
        |key: &str| settings.get(key).filter(|value| value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'));
    let charset = word("charset").map(|charset| format!(" CHARACTER SET {charset}")).unwrap_or_default();
    let collation = word("collation").map(|collation| format!(" COLLATE {collation}")).unwrap_or_default();
    format!("CREATE DATABASE {}{charset}{collation}", identifier(name))
}

impl Restore {
    /// Ends what was stopped half-way and may still be at work in the database, which is ours alone: dropping it would
    /// wait for that.
    async fn leave(&self) {
        let sql = format!(
            "SELECT CONCAT('KILL ', id, ';') FROM information_schema.processlist
             WHERE db = {} AND id <> CONNECTION_ID();",
            text_literal(&self.database)
        );
        let Ok(kills) = self.client.run(None, &sql).await else { return };
        for kill in kills.lines() {
            // It may have ended by itself.
            let _ = self.client.run(None, kill).await;
        }
    }
}

#[async_trait]
impl RestorePlan for Restore {
    async fn begin(&mut self) -> Result<(Box<dyn Sink>, Option<Stopper>)> {
        if self.place == Place::Replace {
            self.client.run(None, &format!("DROP DATABASE {};", identifier(&self.database))).await?;
            self.touched = true;
        }
        if self.place != Place::Empty {
            self.client.run(None, &format!("{};", create_database(&self.database, &self.settings))).await?;
        }
        self.touched = true;
        let program = self.client.program(&self.client.mysql)?.args([
            "--batch",
            "--binary-mode", // no command of the client's own is obeyed from inside a dump
            "--default-character-set=utf8mb4",
            "--max-allowed-packet=1G",
        ]);
        let program = program.arg(format!("--database={}", self.database));
        let (sink, stopper) =
            Loading::start(&program, &self.database, |_| true, |ended| ended.status.success(), explain)?;
        Ok((Box::new(Unnamed::new(&self.dumped, sink)), stopper))
    }

    async fn commit(&mut self) -> Result<Restored> {
        Ok(Restored { to: self.database.clone(), warnings: std::mem::take(&mut self.warnings) })
    }

    async fn undo(&mut self) -> Option<String> {
        let database = &self.database;
        match self.place {
            _ if !self.touched => None,
            Place::New => {
                self.leave().await;
                let drop = format!("DROP DATABASE IF EXISTS {};", identifier(database));
                let failed = self.client.run(None, &drop).await.is_err();
                failed.then(|| format!("{database} was made and could not be dropped again: drop it by hand"))
            }
            Place::Empty => Some(format!("{database} was empty and holds a part of the data now: empty it by hand")),
            Place::Replace => Some(format!(
                "{database} holds a part of the snapshot now, and its old data is gone: restore it again, or another snapshot"
            )),
        }
    }
}
