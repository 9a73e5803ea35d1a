//! The sign-in of the Azure CLI.

use std::io;
use std::time::Duration;

use chrono::{Local, NaiveDateTime, Utc};
use serde::Deserialize;
use serde_json::Value;

use super::answer::{Token, of_life, seconds};
use super::refusal::Asked;
use crate::dump::child::Program;
use crate::error::Result;

/// How long it may take: it asks Entra itself.
const LIMIT: Duration = Duration::from_secs(60);

#[derive(Clone, Debug)]
pub(super) struct Az {
    /// The program, and what comes before its other arguments.
    pub(super) command: Vec<String>,
    /// `AZURE_TENANT_ID`: else the tenant of the subscription.
    pub(super) tenant: Option<String>,
    pub(super) subscription: Option<String>,
}

/// What it prints.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Printed {
    access_token: String,
    #[serde(default, rename = "expires_on")]
    expires: Value,
    /// Of versions before 2.54: a time of this machine's zone.
    #[serde(default)]
    expires_on: Option<String>,
}

impl Az {
    /// A token; `None` where there is no such program.
    pub(super) async fn ask(&self, scope: &str) -> Result<Option<Token>> {
        let asked = self.asked();
        let Some((program, before)) = self.command.split_first() else { return Ok(None) };
        let mut command = Program::new(program).args(before).env("AZURE_CORE_NO_COLOR", "true");
        command = command.args(["account", "get-access-token", "--output", "json", "--scope", scope]);
        match (&self.tenant, &self.subscription) {
            (Some(tenant), _) => command = command.args(["--tenant", tenant]),
            (None, Some(subscription)) => command = command.args(["--subscription", subscription]),
            (None, None) => {}
        }
        let captured = match command.ask("", LIMIT).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(asked.unusable("it can't be run").with_source(error)),
            Ok(captured) => captured,
        };
        if captured.timed_out {
            return Err(asked.useless(&format!("it took longer than {} s", LIMIT.as_secs())));
        }
        if !captured.status.success() {
            return Err(asked.unusable("it gives no token").with_hint(asked.hint.clone()).with_source(captured.stderr));
        }
        let Ok(printed) = serde_json::from_slice::<Printed>(&captured.stdout) else {
            return Err(asked
                .unusable("what it prints is no token")
                .with_hint("az account get-access-token --output json"));
        };
        let now = Utc::now();
        let left = printed.ends().map(|end| end - now.timestamp());
        of_life(printed.access_token, left, &asked, now).map(Some)
    }

    pub(super) fn asked(&self) -> Asked {
        let tenant = self.tenant.as_ref().map(|tenant| format!(" --tenant {tenant}")).unwrap_or_default();
        Asked { what: "the sign-in of az".into(), client: None, hint: format!("az login{tenant}") }
    }
}

impl Printed {
    /// When the token is over, in seconds since 1970.
    fn ends(&self) -> Option<i64> {
        seconds(&self.expires).or_else(|| {
            let local = NaiveDateTime::parse_from_str(self.expires_on.as_deref()?, "%Y-%m-%d %H:%M:%S%.f").ok()?;
            Some(local.and_local_timezone(Local).earliest()?.timestamp())
        })
    }
}
