//! Hooks: what the user's own programs are told, and running them. When one runs is decided by who makes the snapshot.

use std::convert::Infallible;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use snapkeep_providers::ErrorKind;
use snapkeep_providers::model::Snapshot;
use snapkeep_providers::program::{Call, Ended, Ending};
use tokio_util::sync::CancellationToken;

use crate::config::{Hook, Hooks, OnFailure, Target};
use crate::failure::{Code, Failure};
use crate::render::{Kind, SCHEMA};
use crate::report::Report;
use crate::units;

/// What to do about a program that can't be started.
const UNUSABLE: &str = "check its `command`: a name is looked for along PATH; `./NAME` is a file beside the config";
/// How long what cleans up after a failure may take once the command is interrupted.
const INTERRUPTED: Duration = Duration::from_secs(10);

/// When a hook runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "HookEvent")]
pub(crate) enum Moment {
    /// Before a snapshot is made.
    BeforeCreate,
    /// After it was made, with its copies.
    AfterCreate,
    /// After something went wrong.
    OnFailure,
}

impl Moment {
    /// As it is written in the config.
    fn word(self) -> &'static str {
        match self {
            Self::BeforeCreate => "before_create",
            Self::AfterCreate => "after_create",
            Self::OnFailure => "on_failure",
        }
    }

    /// The hooks of this moment.
    fn of(self, hooks: &Hooks) -> &[Hook] {
        let hooks = match self {
            Self::BeforeCreate => &hooks.before_create,
            Self::AfterCreate => &hooks.after_create,
            Self::OnFailure => &hooks.on_failure,
        };
        hooks.as_ref().map(|hooks| hooks.all()).unwrap_or_default()
    }

    /// What a failure means, where the hook doesn't say.
    fn on_failure(self) -> OnFailure {
        match self {
            Self::BeforeCreate => OnFailure::Abort,
            Self::AfterCreate | Self::OnFailure => OnFailure::Warn,
        }
    }
}

/// What a hook is told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Occasion<'a> {
    pub(crate) target: &'a Target,
    /// The caller's key.
    pub(crate) key: Option<&'a str>,
    /// What was made: the snapshot, then its copies.
    pub(crate) snapshots: &'a [Snapshot],
    /// What went wrong.
    pub(crate) errors: &'a [Failure],
}

/// The document on a hook's stdin.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct HookInput<'a> {
    schema: &'static str,
    #[schemars(with = "String")]
    kind: Kind,
    /// When it runs.
    event: Moment,
    /// The target that a snapshot is made of.
    target: &'a str,
    /// Its provider's name in the config.
    provider: &'static str,
    /// The caller's idempotency key; null where it gave none.
    key: Option<&'a str>,
    /// What was made: the snapshot, then its copies.
    snapshots: &'a [Snapshot],
    /// What went wrong.
    errors: &'a [Failure],
}

impl Occasion<'_> {
    fn input(&self, moment: Moment) -> String {
        let Self { target, key, snapshots, errors } = *self;
        let (provider, target) = (target.settings.name(), target.name.as_str());
        let kind = Kind::HookInput;
        let input = HookInput { schema: SCHEMA, kind, event: moment, target, provider, key, snapshots, errors };
        serde_json::to_string(&input).unwrap_or_default() + "\n"
    }

    /// What isn't known has no variable, rather than one that is empty.
    fn environment(&self, moment: Moment) -> Vec<(&'static str, String)> {
        let (snapshot, error) = (self.snapshots.first(), self.errors.first());
        let known = [
            ("SNAPKEEP_EVENT", Some(moment.word().to_owned())),
            ("SNAPKEEP_TARGET", Some(self.target.name.to_string())),
            ("SNAPKEEP_PROVIDER", Some(self.target.settings.name().to_owned())),
            ("SNAPKEEP_KEY", self.key.map(ToOwned::to_owned)),
            ("SNAPKEEP_SNAPSHOT_ID", snapshot.map(|snapshot| snapshot.id.to_string())),
            ("SNAPKEEP_NATIVE_ID", snapshot.map(|snapshot| snapshot.native_id.to_string())),
            ("SNAPKEEP_LOCATION", snapshot.and_then(|snapshot| snapshot.location.as_deref()).map(ToOwned::to_owned)),
            ("SNAPKEEP_SIZE_BYTES", snapshot.and_then(|snapshot| snapshot.size_bytes).map(|size| size.to_string())),
            ("SNAPKEEP_ERROR_CODE", error.map(|error| error.code.to_string())),
            ("SNAPKEEP_ERROR", error.map(|error| error.message.clone())),
        ];
        // No variable can hold a NUL.
        let text = |text: String| text.replace('\0', " ");
        known.into_iter().filter_map(|(name, value)| Some((name, text(value?)))).collect()
    }
}

/// Whether a hook failed that may stop what comes next.
pub(crate) fn is_of_hook(failure: &Failure) -> bool {
    failure.code == Code::Hook
}

/// Whether anything runs before or after a snapshot of this target is made.
pub(crate) fn surround(target: &Target) -> bool {
    [Moment::BeforeCreate, Moment::AfterCreate].iter().any(|moment| !moment.of(&target.hooks).is_empty())
}

/// What would run around the making of a snapshot, each as a line.
pub(crate) fn announced(target: &Target) -> Vec<String> {
    let moments = [Moment::BeforeCreate, Moment::AfterCreate, Moment::OnFailure];
    let line = |moment: Moment, hook: &Hook| {
        format!("{}: would run the hook {}: {}", target.name, moment.word(), call(target, hook).name())
    };
    moments.iter().flat_map(|moment| moment.of(&target.hooks).iter().map(|hook| line(*moment, hook))).collect()
}

fn call(target: &Target, hook: &Hook) -> Call {
    Call {
        argv: hook.command.clone(),
        folder: target.base.clone(),
        environment: Vec::new(),
        input: String::new(),
        limit: hook.limit(),
    }
}

/// Runs the hooks of a moment, one after another, up to the first whose failure means more than a warning.
///
/// When `cancel` is cancelled, one that runs is stopped; one that cleans up after a failure is given a little time first.
pub(crate) async fn run(
    report: &Report,
    moment: Moment,
    occasion: Occasion<'_>,
    cancel: &CancellationToken,
) -> Result<(), Failure> {
    for hook in moment.of(&occasion.target.hooks) {
        let Err(failure) = one(report, moment, hook, occasion, cancel).await else { continue };
        match hook.on_failure.unwrap_or(moment.on_failure()) {
            OnFailure::Warn if !failure.is_interruption() => warn(report, &failure),
            OnFailure::Warn | OnFailure::Abort => return Err(failure),
        }
    }
    Ok(())
}

/// Runs the hooks of a failure, which can't fail any further.
pub(crate) async fn clean_up(report: &Report, occasion: Occasion<'_>, cancel: &CancellationToken) {
    if let Err(failure) = run(report, Moment::OnFailure, occasion, cancel).await {
        warn(report, &failure);
    }
}

/// In one line, with the last that the hook said.
fn warn(report: &Report, failure: &Failure) {
    let last = failure.causes.first().and_then(|cause| cause.lines().last());
    report.warn(&format!("{}{}", failure.message, last.map(|last| format!(": {last}")).unwrap_or_default()));
}

async fn one(
    report: &Report,
    moment: Moment,
    hook: &Hook,
    occasion: Occasion<'_>,
    cancel: &CancellationToken,
) -> Result<(), Failure> {
    let target = occasion.target;
    let (environment, input) = (occasion.environment(moment), occasion.input(moment));
    let call = Call { environment, input, ..call(target, hook) };
    let (name, limit) = (call.name(), call.limit);
    report.debug(&format!("{}: hook {}: {name} begins", target.name, moment.word()));
    let (said, whose) = (report.clone(), format!("{}: hook {}: {name}", target.name, moment.word()));
    let ended = until(moment, cancel, async |stop| {
        call.run(stop, move |line| said.debug(&format!("{whose}: {}", crate::render::visible(line)))).await
    });
    let ended = ended.await.map_err(|error| {
        failed(moment, target, &format!("{name} can't be run"), &error.to_string()).with_hint(UNUSABLE)
    })?;
    judge(moment, target, &name, limit, &ended)
}

/// What runs is told to stop when `cancel` is cancelled: at once, or a little later.
async fn until<T>(moment: Moment, cancel: &CancellationToken, work: impl AsyncFnOnce(&CancellationToken) -> T) -> T {
    let stop = CancellationToken::new();
    let watch = async {
        cancel.cancelled().await;
        if moment == Moment::OnFailure {
            tokio::time::sleep(INTERRUPTED).await;
        }
        stop.cancel();
        std::future::pending::<Infallible>().await
    };
    tokio::select! {
        done = work(&stop) => done,
        never = watch => match never {},
    }
}

fn judge(moment: Moment, target: &Target, name: &str, limit: Duration, ended: &Ended) -> Result<(), Failure> {
    use std::os::unix::process::ExitStatusExt;
    let how = match ended.ending {
        Ending::Itself(status) if status.success() => return Ok(()),
        Ending::Itself(status) => match (status.code(), status.signal()) {
            (Some(code), _) => format!("{name} ended with exit status {code}"),
            (None, Some(signal)) => format!("{name} was ended by signal {signal}"),
            (None, None) => format!("{name} ended with {status}"),
        },
        Ending::TimedOut => {
            let limit = chrono::TimeDelta::from_std(limit).unwrap_or_default();
            format!("{name} took longer than {}, and was stopped", units::duration(limit))
        }
        Ending::Cancelled => {
            let message = format!("{}: hook {}: {name} was stopped", target.name, moment.word());
            return Err(Failure::new(ErrorKind::Interrupted, message));
        }
    };
    Err(failed(moment, target, &how, &ended.stderr))
}

fn failed(moment: Moment, target: &Target, how: &str, cause: &str) -> Failure {
    let message = format!("{}: hook {} failed: {how}", target.name, moment.word());
    let causes = if cause.is_empty() { Vec::new() } else { vec![shown(cause)] };
    let failure = Failure { code: Code::Hook, causes, ..Failure::new(ErrorKind::Failed, message) };
    failure.with_hint("run it by hand; its output is shown with `-v`").of(&target.name)
}

/// Lines for a terminal.
fn shown(text: &str) -> String {
    text.lines().map(crate::render::visible).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::parse;

    fn target(hooks: &str) -> Target {
        let text = format!(
            "version = 1\n[targets.notes]\nprovider = \"sqlite\"\npath = \"notes.db\"\nstore = \"local\"\n{hooks}\n\
             [stores.local]\ntype = \"local\"\npath = \"snapshots\"\n"
        );
        let config = parse(&text, Path::new("/etc/snapkeep/snapkeep.toml")).unwrap();
        config.targets.into_values().next().unwrap()
    }

    #[test]
    fn what_is_not_known_has_no_variable() {
        let target = target("");
        let occasion = Occasion { target: &target, key: None, snapshots: &[], errors: &[] };
        let names: Vec<_> = occasion.environment(Moment::BeforeCreate).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["SNAPKEEP_EVENT", "SNAPKEEP_TARGET", "SNAPKEEP_PROVIDER"]);
        insta::assert_snapshot!(occasion.input(Moment::BeforeCreate), @r#"{"schema":"snapkeep/v1","kind":"HookInput","event":"before_create","target":"notes","provider":"sqlite","key":null,"snapshots":[],"errors":[]}"#);
    }

    #[test]
    fn a_failure_is_told_by_code_and_message() {
        let (target, errors) = (target(""), [Failure::new(ErrorKind::Busy, "it is\0busy")]);
        let occasion = Occasion { target: &target, key: Some("k"), snapshots: &[], errors: &errors };
        let told = occasion.environment(Moment::OnFailure);
        assert_eq!(
            told[3..],
            [
                ("SNAPKEEP_KEY", "k".to_owned()),
                ("SNAPKEEP_ERROR_CODE", "busy".to_owned()),
                ("SNAPKEEP_ERROR", "it is busy".to_owned()),
            ]
        );
    }

    #[test]
    fn what_would_run_is_announced_without_its_arguments() {
        let target = target(
            "hooks = { before_create = { command = [\"/bin/quiesce\", \"--all\"] }, on_failure = [{ command = [\"resume\"] }] }",
        );
        assert_eq!(
            announced(&target),
            ["notes: would run the hook before_create: quiesce", "notes: would run the hook on_failure: resume",]
        );
        assert!(surround(&target));
    }
}
