//! Restoring into a new server: to the moment of a backup, or to any other that the server's retention reaches.
//!
//! Azure restores no backup by its name, but a server to a moment; that of a backup is when it was completed.

use chrono::{DateTime, SecondsFormat, SubsecRound, Utc};
use serde_json::{Value, json};

use super::wire::Server;
use super::{Flavor, FlexibleProvider, options};
use crate::Run;
use crate::azure::begin::{Begun, Standing, Turn, settled_after};
use crate::azure::fault::{OrError, into_error};
use crate::azure::names::{is_group, is_server};
use crate::azure::operation;
use crate::error::{Error, ErrorKind, Result};
use crate::hex::sha256;
use crate::model::{NativeId, Operation, OperationId, OperationState, RestoreRequest, RestoreTo, Restored, Work};
use crate::shell::shell_word;

const VERB: &str = "restore";

/// Where a new server is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Destination {
    pub(super) group: String,
    pub(super) name: String,
}

impl FlexibleProvider {
    pub(super) async fn begin_restore(
        &self,
        id: &NativeId,
        request: &RestoreRequest,
        run: &Run,
    ) -> Result<Operation<Restored>> {
        let subject = self.home.id(id);
        let to = self.new_server(&subject, request)?;
        let (record, _) = self.find(VERB, id).await?;
        let moment = self.refuse_unavailable(VERB, &record)?;
        let server = self.server(VERB).await?;
        self.refuse_out_of_reach(moment, &server, &to, request, &subject)?;
        self.restore_at(moment, &server, &to, request, (&subject, run)).await
    }

    pub(super) async fn begin_restore_to(
        &self,
        time: DateTime<Utc>,
        request: &RestoreRequest,
        run: &Run,
    ) -> Result<Operation<Restored>> {
        let subject = format!("{} to {}", self.home.target, shown(time));
        let to = self.new_server(&subject, request)?;
        let server = self.server(VERB).await?;
        let now = operation::now(&self.api.client);
        if time > now {
            return Err(self.out_of_reach(&subject, "latest", now));
        }
        self.refuse_out_of_reach(time, &server, &to, request, &subject)?;
        self.restore_at(time, &server, &to, request, (&subject, run)).await
    }

    /// Refuses what Azure keeps no longer, or not where the new server is to be.
    fn refuse_out_of_reach(
        &self,
        moment: DateTime<Utc>,
        server: &Server,
        to: &Destination,
        request: &RestoreRequest,
        subject: &str,
    ) -> Result<()> {
        if let Some(earliest) = server.policy().earliest_restore_date.filter(|earliest| moment < *earliest) {
            return Err(self.out_of_reach(subject, "earliest", earliest));
        }
        if !options::is_elsewhere(server, &request.options) {
            return Ok(());
        }
        let refuse = |reason: &str, hint: String| {
            Err(self.home.error(ErrorKind::Unsupported, VERB, subject, reason).with_hint(hint))
        };
        if self.flavor == Flavor::Mysql {
            let reason = "in another region Azure restores MySQL to its last moment only";
            return refuse(reason, self.geo_command(to));
        }
        let is_geo = server.policy().geo_redundant_backup.is_some_and(|word| word.eq_ignore_ascii_case("Enabled"));
        if !is_geo {
            let reason = "its backups are in its own region only: the server was made without geo-redundant backup";
            return refuse(reason, "restore in its region: leave out `--set location=...`".into());
        }
        if server.has_own_key() {
            let reason = "it is encrypted with a key of yours, and another region needs another";
            return refuse(reason, "restore in its region: leave out `--set location=...`".into());
        }
        Ok(())
    }

    fn geo_command(&self, to: &Destination) -> String {
        let (group, name, subscription) = (shell_word(&to.group), &to.name, &self.home.subscription);
        let source = self.home.resource_id(&self.home.group, &self.home.server, &[]);
        format!(
            "az mysql flexible-server geo-restore --subscription {subscription} --resource-group {group} --name {name} --location REGION --source-server {}",
            shell_word(&source)
        )
    }

    fn out_of_reach(&self, subject: &str, which: &str, moment: DateTime<Utc>) -> Error {
        let reason = format!("the {which} moment that Azure can restore is {}", shown(moment));
        let hint = format!("choose another: `snapkeep list {}`", self.home.target);
        self.home.error(ErrorKind::NotFound, VERB, subject, reason).with_hint(hint)
    }

    /// Where to: `NAME`, or `RESOURCE-GROUP/NAME`.
    fn new_server(&self, subject: &str, request: &RestoreRequest) -> Result<Destination> {
        match &request.to {
            RestoreTo::New(text) => self.destination(subject, text),
            RestoreTo::InPlace => {
                let reason = format!("{} restores into a new server only", self.flavor.product());
                let error = self.home.error(ErrorKind::Unsupported, VERB, subject, reason);
                Err(error.with_hint("restore with `--to NAME`, then let your applications use that server"))
            }
        }
    }

    fn destination(&self, subject: &str, text: &str) -> Result<Destination> {
        let (group, name) = text.rsplit_once('/').unwrap_or((&self.home.group, text));
        if !is_server(name) || name.len() < 3 || !is_group(group) {
            let error =
                self.home.error(ErrorKind::Usage, VERB, subject, format!("{text:?} can't be the name of a server"));
            return Err(error.with_hint(
                "use 3 to 63 small letters, digits and hyphens, no hyphen first or last; in another resource group GROUP/NAME",
            ));
        }
        Ok(Destination { group: group.to_owned(), name: name.to_owned() })
    }

    async fn restore_at(
        &self,
        moment: DateTime<Utc>,
        server: &Server,
        to: &Destination,
        request: &RestoreRequest,
        (subject, run): (&str, &Run),
    ) -> Result<Operation<Restored>> {
        let body = options::server(self.flavor, server, &request.options)
            .map_err(|reason| self.home.error(ErrorKind::Usage, VERB, subject, reason))?;
        let elsewhere = options::is_elsewhere(server, &request.options);
        self.restore_as(moment, body, elsewhere, to, (VERB, subject, run)).await
    }

    /// Makes a server as it was at a moment. A name that is somebody's is refused before the call.
    pub(super) async fn restore_as(
        &self,
        moment: DateTime<Utc>,
        mut body: Value,
        elsewhere: bool,
        to: &Destination,
        (verb, subject, run): (&'static str, &str, &Run),
    ) -> Result<Operation<Restored>> {
        let (id, moment) = (self.id_of_restore(to), shown(moment));
        let what = format!("{moment} {}", sha256(&body.to_string()));
        let going = self.desk.look(id.as_str()).await?.or_error(&self.home, verb, subject)?;
        if matches!(going, Standing::Runs { .. } | Standing::Unseen) {
            let same = self.desk.kept(id.as_str()).await?.and_then(|kept| kept.what).is_none_or(|known| known == what);
            if !same {
                let reason = format!("another restore into {} goes on", to.name);
                let error = self.home.error(ErrorKind::Refused, verb, subject, reason);
                return Err(error.with_hint(format!("see how far it is: `snapkeep wait {}`", self.home.id(&id))));
            }
            return self.look_at_restore(&id).await.map(Operation::found);
        }
        self.refuse_taken(to, verb, subject).await?;
        let properties = &mut body["properties"];
        properties["createMode"] = if elsewhere { "GeoRestore" } else { "PointInTimeRestore" }.into();
        properties["sourceServerResourceId"] = self.home.resource_id(&self.home.group, &self.home.server, &[]).into();
        let time = match self.flavor {
            Flavor::Mysql => "restorePointInTime",
            Flavor::Postgresql => "pointInTimeUTC",
        };
        properties[time] = moment.as_str().into();
        let send = || self.api.create_server(&to.group, &to.name, &body);
        // While it waited, somebody else may have made one of that name.
        let made = || async move { self.refuse_taken(to, verb, subject).await.map(|()| None::<Operation<Restored>>) };
        let name = (id.as_str(), Some(&*what));
        match self.desk.begin_in_turn(name, (&self.home.server, run), made, send).await? {
            Turn::Found(found) => Ok(found),
            Turn::Asked(Ok(Begun::Runs(asked))) => Ok(self.restoring(id, to, None).again_in(asked)),
            Turn::Asked(Ok(Begun::Done | Begun::Lost)) => {
                let looked = self.look_at_restore(&id).await;
                Ok(looked.unwrap_or_else(|_| self.restoring(id, to, None)))
            }
            Turn::Asked(Err(fault)) => Err(into_error(fault, &self.home, verb, subject)),
        }
    }

    async fn refuse_taken(&self, to: &Destination, verb: &str, subject: &str) -> Result<()> {
        let found = self.api.other_server(&to.group, &to.name).await.or_error(&self.home, verb, subject);
        let found = found.map_err(|error| match error.kind() {
            ErrorKind::NotFound => self
                .home
                .error(ErrorKind::NotFound, verb, subject, format!("there is no resource group {}", to.group))
                .with_hint(format!("make it: az group create --name {} --location REGION", shell_word(&to.group))),
            _ => error,
        });
        if found?.is_none() {
            return Ok(());
        }
        let reason = format!("there is a server {} already", to.name);
        Err(self
            .home
            .error(ErrorKind::Refused, verb, subject, reason)
            .with_hint("choose another name with `--to NAME`"))
    }

    /// Azure's names have no case.
    fn id_of_restore(&self, to: &Destination) -> OperationId {
        OperationId::of_restore(&self.place(to).to_lowercase())
    }

    /// As a user types it.
    fn place(&self, to: &Destination) -> String {
        let own = to.group.eq_ignore_ascii_case(&self.home.group);
        if own { to.name.clone() } else { format!("{}/{}", to.group, to.name) }
    }

    fn restoring(&self, id: OperationId, to: &Destination, percent: Option<u8>) -> Operation<Restored> {
        let so_far = Some(Restored { to: self.place(to), warnings: Vec::new() });
        Operation::begun(id, OperationState::Running { so_far, percent })
    }

    /// By `NAME`, in another resource group `GROUP/NAME`.
    pub(super) async fn look_at_restore(&self, operation: &OperationId) -> Result<Operation<Restored>> {
        let (home, subject) = (&self.home, self.home.id(operation));
        let missing = || home.no_operation(&subject);
        let Work::Restore(place) = operation.work() else { return Err(missing()) };
        let to = self.destination(&subject, place).map_err(|_| missing())?;
        let standing = self.desk.look(operation.as_str()).await?.or_error(home, "look at", &subject)?;
        let failed = |error: Error| Operation::begun(operation.clone(), OperationState::Failed(error));
        match &standing {
            Standing::Runs { percent, pause } => {
                return Ok(self.restoring(operation.clone(), &to, *percent).again_in(*pause));
            }
            Standing::Failed(words) => {
                self.desk.forget(operation.as_str()).await;
                let error = home.error(ErrorKind::Failed, VERB, &subject, "the restore was begun and failed");
                return Ok(failed(error.with_source(words.clone())));
            }
            Standing::Forgotten | Standing::Over | Standing::Unseen | Standing::Never => {}
        }
        let found = self.api.other_server(&to.group, &to.name).await.or_error(home, "look at", &subject)?;
        let Some(server) = found.filter(|found| self.is_of_source(found)) else {
            return match standing {
                Standing::Unseen => Ok(self.restoring(operation.clone(), &to, None)),
                Standing::Forgotten => Err(missing()),
                _ => Ok(failed(self.never_restored(&subject, &standing))),
            };
        };
        if !server.is_in_state("Ready") && !server.is_in_state("Stopped") {
            return Ok(self.restoring(operation.clone(), &to, None));
        }
        self.desk.forget(operation.as_str()).await;
        Ok(Operation::done(operation.clone(), Restored { to: self.place(&to), warnings: Vec::new() }))
    }

    fn never_restored(&self, subject: &str, standing: &Standing) -> Error {
        if matches!(standing, Standing::Over) {
            let reason = "Azure says that it is done, and shows no such server";
            return self.home.error(ErrorKind::Failed, VERB, subject, reason);
        }
        let reason = format!("its answer was lost, and {} later Azure shows nothing of it", settled_after());
        self.home.error(ErrorKind::Unavailable, VERB, subject, reason).with_hint("restore it again")
    }

    /// Whether a server was restored from this one, as far as it tells.
    fn is_of_source(&self, found: &Server) -> bool {
        if found.name.eq_ignore_ascii_case(&self.home.server) {
            return false;
        }
        let own = self.home.resource_id(&self.home.group, &self.home.server, &[]);
        let told = found.properties().source_server_resource_id.filter(|told| !told.is_empty());
        told.is_none_or(|told| told.eq_ignore_ascii_case(&own))
    }
}

fn shown(moment: DateTime<Utc>) -> String {
    // Azure writes seven digits, which chrono would write as nine.
    moment.trunc_subsecs(6).to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// What a scratch server is told to be, beside what its source is.
pub(super) fn scratch(flavor: Flavor, source: &Server, label: &str) -> Result<Value, String> {
    let mut body = options::server(flavor, source, &Default::default())?;
    body["tags"] = json!({ super::verify::LABEL: label });
    Ok(body)
}
