//! `snapkeep tf-external`: the newest good snapshot of a target, by the protocol of Terraform's `external` data source.
//!
//! The protocol: one JSON object of strings on stdin, one on stdout; on an error a line on stderr and an exit code
//! (the documentation of hashicorp/external). Terraform acts on the answer, so what may be wrong is none: an incomplete
//! list is an error. Nothing is made or written, and nothing in the answer changes by itself from one refresh to the next.

mod query;

use std::io::{IsTerminal, Read};
use std::path::Path;

use clap::Args;
use serde_json::{Map, Value};
use snapkeep_providers::ErrorKind;
use snapkeep_providers::model::Snapshot;
use snapkeep_providers::settings::Place;

use self::query::Query;
use super::App;
use super::newest::Newest;
use crate::catalog;
use crate::config::Config;
use crate::failure::{Code, Failure, exit_of};
use crate::render;

/// As much as is read of a query; a real one has some hundred bytes.
const LIMIT: u64 = 64 * 1024;

/// Answer Terraform's `external` data source: the newest good snapshot of a target
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct TfExternal {}

const AFTER_HELP: &str = "\
Reads one JSON object of strings on stdin: `target`; and where wanted `max_age` (24h), `verified` (true or false),
`origin` (as `snapkeep latest --origin` has it) and `config`, which goes before --config. One that is \"\" is not given.
Prints one JSON object of strings; unknown is \"\". An error is one line on stderr, whatever -v and -o say.";

impl TfExternal {
    pub(super) async fn run(&self, app: &App) -> u8 {
        match app.looking(answer(app)).await {
            Ok(answer) => app.print(format!("{answer}\n").as_bytes()),
            Err(failures) => {
                app.report.one_line(&failures);
                exit_of(0, &failures)
            }
        }
    }
}

async fn answer(app: &App) -> Result<Value, Vec<Failure>> {
    let one = |failure: Failure| vec![failure];
    let Query { wanted, config } = query::parse(&read().await.map_err(one)?).map_err(one)?;
    if let Some(config) = &config {
        look_for(config).map_err(one)?;
    }
    let app = App { config: config.or_else(|| app.config.clone()), ..app.clone() };
    let loaded = app.load()?;
    look_for_stores(&loaded, &wanted.target).map_err(one)?;
    let Newest { snapshot, problems } = wanted.find(&app, &loaded).await.map_err(one)?;
    if !problems.is_empty() {
        return Err(problems.into_iter().map(incomplete).collect());
    }
    flat(&snapshot.map_err(one)?).map_err(one)
}

/// The whole of stdin. A terminal would never end.
async fn read() -> Result<Vec<u8>, Failure> {
    if std::io::stdin().is_terminal() {
        let example = r#"echo '{"target":"TARGET"}' | snapkeep tf-external"#;
        let message = "tf-external: cannot read the query: stdin is a terminal";
        return Err(Failure::usage(message).with_hint(format!("give it a JSON object: `{example}`")));
    }
    let read = tokio::task::spawn_blocking(|| {
        let mut bytes = Vec::new();
        std::io::stdin().lock().take(LIMIT + 1).read_to_end(&mut bytes).map(|_| bytes)
    });
    let failed = |reason: String| Failure::new(ErrorKind::Failed, format!("tf-external: cannot read stdin: {reason}"));
    let bytes = read.await.map_err(|error| failed(error.to_string()))?.map_err(|error| failed(error.to_string()))?;
    if bytes.len() as u64 > LIMIT {
        let message = format!("tf-external: cannot read the query: it is larger than {} KiB", LIMIT / 1024);
        return Err(Failure::usage(message).with_hint("give it a JSON object of some strings on stdin"));
    }
    Ok(bytes)
}

/// A path that is wrong is told with the folder that it counts from: Terraform's, and not the module's.
fn look_for(config: &Path) -> Result<(), Failure> {
    if config.try_exists().unwrap_or(true) {
        return Ok(());
    }
    let message = format!("{}: there is no such file", config.display());
    let from = std::env::current_dir().map(|folder| format!(", which counts from {}", folder.display()));
    let hint = format!("check `config` of the query{}", from.unwrap_or_default());
    Err(Failure { code: Code::Config, ..Failure::usage(message) }.with_hint(hint))
}

/// A store in a folder is made where it is opened, but a question makes nothing; and one that is not mounted has no answer.
fn look_for_stores(config: &Config, target: &str) -> Result<(), Failure> {
    let target = catalog::target(config, target)?;
    for (name, store) in target.store.iter().filter_map(|name| config.stores.get(name).map(|store| (name, store))) {
        let Place::Local(local) = &store.place else { continue };
        let folder = config.base.join(&local.path);
        if !folder.try_exists().unwrap_or(true) {
            let message = format!(
                "{} has no snapshot: there is no {}, the folder of the store {name}",
                target.name,
                folder.display()
            );
            let hint = format!("mount it, or make the first snapshot: `snapkeep create {}`", target.name);
            return Err(Failure::new(ErrorKind::NotFound, message).with_hint(hint).of(&target.name));
        }
    }
    Ok(())
}

/// What could not be read may be newer than what was found.
fn incomplete(problem: Failure) -> Failure {
    let target = problem.target.as_deref().map(|target| format!(" of {target}")).unwrap_or_default();
    let message = format!("the list{target} is incomplete: {}", problem.message);
    Failure { message, target: None, ..problem }
}

/// The snapshot as `-o json` has it, but flat, and all values strings.
fn flat(snapshot: &Snapshot) -> Result<Value, Failure> {
    let failed = |error: serde_json::Error| Failure::new(ErrorKind::Failed, format!("tf-external: {error}"));
    let Value::Object(keys) = serde_json::to_value(snapshot).map_err(failed)? else { return Ok(Value::Null) };
    let mut flat = Map::new();
    let mut put = |key: &str, value: Option<&Value>| {
        flat.insert(key.to_owned(), render::cell(value).into());
    };
    for (key, value) in &keys {
        match key.as_str() {
            "hold" => {
                put("held", Some(&value.is_object().into()));
                put("hold_reason", value.get("reason"));
                put("hold_until", value.get("until"));
            }
            "verified" => {
                put("verified", value.get("ok"));
                put("verified_at", value.get("at"));
                put("verified_level", value.get("level"));
            }
            key => put(key, Some(value)),
        }
    }
    Ok(Value::Object(flat))
}
