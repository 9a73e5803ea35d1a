//! What the caller may do, verb by verb, as IAM's simulator of policies tells it: nothing is tried out.
//!
//! The resources are those of the target, and made-up ones where a name would be made up. Listing and deleting are not asked
//! for here, as the checks do them.

use std::time::Duration;

use super::RdsProvider;
use super::api::Family;
use crate::aws::query::{Caller, NoAnswer, Trial};
use crate::aws::{no_credentials, profile_option};
use crate::error::{Error, ErrorKind};
use crate::model::Check;
use crate::need::{Need, Weight, lacking};

/// Where it is documented what each verb needs.
const DOCS: &str = "docs/aws.md#permissions";
/// What a made-up name is.
const MADE_UP: &str = "sk-doctor";
const TAGGED: &str = "rds:AddTagsToResource";

/// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonrds.html>
const OF_INSTANCE: &[Need] = &[
    Need::required("create", &["rds:CreateDBSnapshot", TAGGED]),
    Need::on_demand("copy", &["rds:CopyDBSnapshot", TAGGED]),
    Need::on_demand("restore", &["rds:RestoreDBInstanceFromDBSnapshot", TAGGED]),
    Need::on_demand("restore --time", &["rds:RestoreDBInstanceToPointInTime", TAGGED]),
    Need::on_demand("verify", &["rds:RestoreDBInstanceFromDBSnapshot", "rds:DeleteDBInstance"]),
    Need::on_demand("export", &["rds:StartExportTask"]),
];
const OF_CLUSTER: &[Need] = &[
    Need::required("create", &["rds:CreateDBClusterSnapshot", TAGGED]),
    Need::on_demand("copy", &["rds:CopyDBClusterSnapshot", TAGGED]),
    Need::on_demand("restore", &["rds:RestoreDBClusterFromSnapshot", "rds:CreateDBInstance", TAGGED]),
    Need::on_demand("restore --time", &["rds:RestoreDBClusterToPointInTime", "rds:CreateDBInstance", TAGGED]),
    Need::on_demand("verify", &["rds:RestoreDBClusterFromSnapshot", "rds:DeleteDBCluster"]),
    Need::on_demand("export", &["rds:StartExportTask"]),
];

/// What a verb needs is tried out on.
struct Resources<'r> {
    caller: &'r Caller,
    family: Family,
    region: &'r str,
    database: &'r str,
    /// Where copies go.
    copied_to: Vec<&'r str>,
}

impl Resources<'_> {
    fn arn(&self, region: &str, kind: &str, name: &str) -> String {
        format!("arn:{}:rds:{region}:{}:{kind}:{name}", self.caller.partition(), self.caller.account)
    }

    fn snapshot(&self, region: &str) -> String {
        let kind = match self.family {
            Family::Instance => "snapshot",
            Family::Cluster => "cluster-snapshot",
        };
        self.arn(region, kind, MADE_UP)
    }

    fn database(&self, name: &str) -> String {
        let kind = match self.family {
            Family::Instance => "db",
            Family::Cluster => "cluster",
        };
        self.arn(self.region, kind, name)
    }

    /// What the action of a verb is about.
    fn of(&self, verb: &str, action: &str) -> Vec<String> {
        let here = self.region;
        match (verb, action) {
            ("create", TAGGED) => vec![self.snapshot(here)],
            ("create", _) => vec![self.database(self.database), self.snapshot(here)],
            ("copy", _) => self.copied_to.iter().map(|region| self.snapshot(region)).collect(),
            ("export", _) => vec![self.snapshot(here)],
            (_, "rds:CreateDBInstance") => vec![self.arn(here, "db", MADE_UP), self.database(MADE_UP)],
            ("verify", "rds:DeleteDBInstance" | "rds:DeleteDBCluster") => vec![self.database("sk-verify-doctor")],
            ("verify", _) => vec![self.database("sk-verify-doctor"), self.snapshot(here)],
            (_, TAGGED) => vec![self.database(MADE_UP)],
            ("restore --time", _) => vec![self.database(self.database), self.database(MADE_UP)],
            _ => vec![self.database(MADE_UP), self.snapshot(here)],
        }
    }
}

impl RdsProvider {
    /// Who calls, and a row for each verb.
    pub(super) async fn examine_caller(&self) -> (Check, Vec<Check>) {
        let caller = match self.api.clients.query.caller().await {
            Ok(caller) => caller,
            Err(error) => return (Check::new("credentials", Err(self.nobody(error))), Vec::new()),
        };
        let left = caller.left.map(|left: Duration| format!("; they hold for {} min", left.as_secs() / 60));
        let who = format!("account {}, {}{}", caller.account, caller.arn, left.unwrap_or_default());
        (Check::new("credentials", Ok(who)), self.verbs(&caller).await)
    }

    async fn verbs(&self, caller: &Caller) -> Vec<Check> {
        let Some(principal) = caller.principal() else {
            return vec![untold("of the account itself, or of who was let in from elsewhere")];
        };
        let home = &self.home;
        let copied: Vec<&str> = self.settings.copy_to.iter().map(|copy| copy.region.as_str()).collect();
        let copies = !copied.is_empty();
        let copied_to = if copies { copied } else { vec![home.region.as_str()] };
        let (family, region, database) = (home.family, home.region.as_str(), home.database.as_str());
        let resources = Resources { caller, family, region, database, copied_to };
        let target = home.target.as_str();
        let context = [
            ("aws:RequestTag/snapkeep:target", target),
            ("aws:RequestTag/snapkeep:restored-for", target),
            ("aws:ResourceTag/snapkeep:target", target),
            ("aws:ResourceTag/snapkeep:scratch", "yes"),
            ("aws:RequestedRegion", region),
        ];
        let context = context.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let needs = match family {
            Family::Instance => OF_INSTANCE,
            Family::Cluster => OF_CLUSTER,
        };
        let mut checks = Vec::new();
        for need in needs {
            let weight = if need.verb == "copy" && copies { Weight::Required } else { need.weight };
            let need = Need { weight, ..*need };
            match self.denied(&principal, &need, &resources, &context).await {
                Ok(denied) => {
                    let lacking = lacking(need.names, |name| !denied.iter().any(|denied| denied == name));
                    checks.push(need.judge(home, &lacking, || format!("permit it: see {DOCS}")));
                }
                // Who may not ask IAM may do all else; nor does it know every role by the name of its session.
                Err(error) => {
                    checks.push(untold(&error.to_string()));
                    break;
                }
            }
        }
        checks
    }

    async fn denied(
        &self,
        principal: &str,
        need: &Need,
        resources: &Resources<'_>,
        context: &[(String, String)],
    ) -> Result<Vec<String>, NoAnswer> {
        let mut denied = Vec::new();
        for action in need.names {
            let trial = Trial { actions: vec![action], resources: resources.of(need.verb, action), context };
            denied.extend(self.api.clients.query.denied(principal, &trial).await?);
        }
        Ok(denied)
    }

    fn nobody(&self, error: NoAnswer) -> Error {
        let (home, profile) = (&self.home, self.home.account.profile.as_deref());
        if let NoAnswer::Credentials(source) = &error {
            let told = no_credentials(source, profile, None);
            return home.error(told.kind, "check", &home.target, told.reason).with_hint(told.hint).with_source(error);
        }
        let kind = match &error {
            NoAnswer::Refused(status, ..) if status.is_client_error() => ErrorKind::Permission,
            _ => ErrorKind::Unavailable,
        };
        let hint = format!("aws sts get-caller-identity --region {}{}", home.region, profile_option(profile));
        home.error(kind, "check", &home.target, "AWS doesn't say who calls").with_hint(hint).with_source(error)
    }
}

fn untold(why: &str) -> Check {
    let check = crate::need::untold("IAM", &format!(": {why}"), "docs/aws.md");
    check.with_advice(format!(
        "permit iam:SimulatePrincipalPolicy on the caller itself, or hold its policy against {DOCS}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_of_the_docs_has_all_that_is_asked_for() {
        let policy = crate::need::block_of_docs("aws.md", "json", "rds:CreateDBSnapshot");
        for need in [OF_INSTANCE, OF_CLUSTER].concat() {
            let has = |name: &str| policy.contains(&format!("\"{name}\""));
            assert_eq!(lacking(need.names, has), [""; 0], "{}", need.verb);
        }
    }
}
