//! What AWS's refusals mean: one kind, one reason, one thing to do.
//!
//! AWS's own words are kept as the source. The codes are those of the RDS API's error lists
//! (<https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/CommonErrors.html> and of each action).

use std::error::Error as StdError;
use std::fmt;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_rds::error::{ProvideErrorMetadata, SdkError};

use super::Home;
use crate::aws::{credentials_error, no_credentials, profile_option};
use crate::error::{Error, ErrorKind, Result, causes};

/// A call that brought no result.
#[derive(Debug)]
pub(super) struct Fault {
    /// The API's name of the call, with its service: `rds:CreateDBSnapshot`.
    action: String,
    /// AWS's code, where it answered with an error.
    code: Option<String>,
    /// AWS's own text.
    message: String,
    /// The status of the answer.
    status: Option<u16>,
    /// Whether there was an answer that could be read.
    answer: Answer,
    source: Box<dyn StdError + Send + Sync>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Refusal,
    Unreadable,
    None,
}

const THROTTLED: &str = "AWS throttles this account's calls";

/// The result of a call.
pub(super) type Called<T> = std::result::Result<T, Fault>;

impl Fault {
    /// Of a call named as the API names it.
    pub(super) fn of<E>(action: &str, error: SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    {
        let (code, message) = (error.code().map(str::to_owned), error.message().unwrap_or_default().to_owned());
        let answer = match &error {
            SdkError::ServiceError(_) => Answer::Refusal,
            SdkError::ResponseError(_) => Answer::Unreadable,
            _ => Answer::None,
        };
        let status = error.raw_response().map(|answer| answer.status().as_u16());
        let action = if action.contains(':') { action.to_owned() } else { format!("rds:{action}") };
        Self { action, code, message, status, answer, source: Box::new(error) }
    }

    /// Of an answer that lacks what it must have.
    pub(super) fn unreadable(action: &str, what: &str) -> Self {
        let (action, source) = (format!("rds:{action}"), what.to_owned());
        let (code, status, answer) = (None, None, Answer::Unreadable);
        Self { action, code, message: source.clone(), status, answer, source: source.into() }
    }

    /// Whether AWS answered with a code that begins so; the API has most with and without `Fault` at the end.
    pub(super) fn is(&self, code: &str) -> bool {
        self.code.as_deref().is_some_and(|own| own.starts_with(code))
    }

    /// Whether what was asked for isn't there.
    pub(super) fn is_missing(&self) -> bool {
        self.code.as_deref().is_some_and(|code| code.contains("NotFound") && !code.contains("KMS"))
    }

    /// Whether the name is taken.
    pub(super) fn is_taken(&self) -> bool {
        self.code.as_deref().is_some_and(|code| code.contains("AlreadyExists"))
    }

    /// Whether something is in a state that doesn't permit it now.
    pub(super) fn is_of_state(&self) -> bool {
        let of_state = |code: &str| code.starts_with("Invalid") && code.contains("State") && !code.contains("Network");
        self.code.as_deref().is_some_and(of_state)
    }

    /// Whether as many copies between regions go on as may.
    pub(super) fn is_copy_cap(&self) -> bool {
        self.is("SnapshotQuotaExceeded") && self.message.contains("across regions")
    }

    /// Whether the caller isn't permitted to.
    pub(super) fn is_denied(&self) -> bool {
        matches!(
            self.code.as_deref(),
            Some("AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation" | "NotAuthorized")
        )
    }

    /// The error of a caller who could not `verb` the `subject`.
    pub(super) fn into_error(self, home: &Home, verb: &str, subject: impl fmt::Display) -> Error {
        if self.answer == Answer::None {
            return self.unanswered(home, verb, subject);
        }
        let Meaning { kind, reason, hint } = self.meaning();
        let hint = hint.map(|hint| hint.for_home(home, &self, verb));
        let error = Error::new(kind, super::NAME, verb, subject, reason).with_source(Said::of(&self));
        match hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }

    fn unanswered(self, home: &Home, verb: &str, subject: impl fmt::Display) -> Error {
        let new = |kind, reason: String| Error::new(kind, super::NAME, verb, subject, reason);
        if let Some(credentials) = credentials_error(&*self.source as &(dyn StdError + 'static)) {
            let found = no_credentials(credentials, home.account.profile.as_deref(), None);
            let error = new(found.kind, found.reason.to_owned()).with_hint(found.hint);
            return error.with_source(lasts(credentials));
        }
        let place = home.endpoint.as_ref().map_or_else(|| format!("RDS in {}", home.region), Clone::clone);
        let last = causes(&*self.source).last().map(ToString::to_string).unwrap_or_default();
        let option = profile_option(home.account.profile.as_deref());
        let hint = match &home.endpoint {
            Some(_) => "see whether its `endpoint` is right and up".to_owned(),
            None => format!(
                "see whether the region is right: aws rds describe-db-instances --region {}{option}",
                home.region
            ),
        };
        new(ErrorKind::Unavailable, format!("{place} does not answer")).with_source(last).with_hint(hint)
    }

    fn meaning(&self) -> Meaning {
        if self.answer == Answer::Unreadable && self.status.is_none_or(|status| status < 500) {
            return Meaning::new(ErrorKind::Failed, "AWS's answer can't be understood", None);
        }
        let code = self.code.as_deref().unwrap_or_default();
        let told = self.of_caller(code).or_else(|| self.of_limit(code)).or_else(|| self.of_request(code));
        told.unwrap_or_else(|| self.of_status())
    }

    /// Who asks, and whether they may.
    fn of_caller(&self, code: &str) -> Option<Meaning> {
        let permission = |reason: &str, hint| Some(Meaning::new(ErrorKind::Permission, reason, Some(hint)));
        match code {
            _ if self.is_denied() => permission(&format!("{} is not permitted", self.denied()), Hint::Permit),
            "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" => {
                permission("the AWS session has run out", Hint::SignIn)
            }
            // "Credential should be scoped to a valid region": one that the endpoint is not of, or that isn't one.
            "SignatureDoesNotMatch" | "InvalidSignatureException" if self.message.contains("valid region") => {
                Some(Meaning::new(ErrorKind::Usage, "AWS doesn't know that region there", Some(Hint::Region)))
            }
            "InvalidClientTokenId"
            | "UnrecognizedClientException"
            | "SignatureDoesNotMatch"
            | "AuthFailure"
            | "MissingAuthenticationToken"
            | "MissingAuthenticationTokenException"
            | "IncompleteSignature"
            | "InvalidSignatureException"
            | "OptInRequired"
            | "RequestExpired"
            | "InvalidAccessKeyId" => permission("AWS refuses the credentials", Hint::Identity),
            _ if code.contains("KMSKey") || code.starts_with("KmsKey") => {
                permission("the KMS key isn't there, isn't enabled, or isn't permitted", Hint::Key)
            }
            "IamRoleNotFound" | "IamRoleMissingPermissions" => {
                permission("the role isn't there, or RDS may not write with it", Hint::Role)
            }
            _ => None,
        }
    }

    /// How much is asked, and whether there is room.
    fn of_limit(&self, code: &str) -> Option<Meaning> {
        let busy = |reason, hint| Some(Meaning::new(ErrorKind::Busy, reason, Some(hint)));
        match code {
            "Throttling"
            | "ThrottlingException"
            | "RequestLimitExceeded"
            | "RequestThrottled"
            | "SlowDown"
            | "TooManyRequestsException"
            | "RequestThrottledException"
            | "PriorRequestNotComplete" => busy(THROTTLED, Hint::Later),
            _ if self.is_copy_cap() => busy("as many copies between regions go on as AWS permits", Hint::Later),
            _ if code.contains("QuotaExceeded") || code.contains("LimitExceeded") => Some(self.quota(code)),
            "InsufficientDBInstanceCapacity"
            | "InsufficientDBClusterCapacityFault"
            | "InsufficientStorageClusterCapacity" => busy("AWS has no capacity for that now", Hint::Class),
            _ => None,
        }
    }

    /// What is asked, and whether it can be done.
    fn of_request(&self, code: &str) -> Option<Meaning> {
        let new = |kind, reason: &str, hint| Some(Meaning::new(kind, reason, hint));
        match code {
            _ if self.is_taken() => new(ErrorKind::Refused, "the name is taken", Some(Hint::Name)),
            _ if code.contains("NotFound") => Some(self.missing(code)),
            _ if self.is_of_state() => new(ErrorKind::Busy, "its state does not permit that now", Some(Hint::Later)),
            "InvalidS3BucketFault" => {
                new(ErrorKind::Usage, "the bucket isn't there, or is in another region", Some(Hint::Role))
            }
            "PointInTimeRestoreNotEnabled" => {
                new(ErrorKind::Unsupported, "it has no automated backups to go back by", Some(Hint::Backups))
            }
            "InvalidParameterValue"
            | "InvalidParameterCombination"
            | "MissingParameter"
            | "ValidationError"
            | "ValidationException"
            | "InvalidRestoreFault"
            | "InvalidVPCNetworkStateFault"
            | "InvalidSubnet" => new(ErrorKind::Usage, &self.parameter(), None),
            _ => None,
        }
    }

    /// What the status says alone: something in between may answer without AWS's words.
    fn of_status(&self) -> Meaning {
        let code = self.code.as_deref().unwrap_or_default();
        let internal = ["InternalFailure", "InternalError", "ServiceUnavailable", "InternalServerError"];
        match self.status {
            Some(429) => Meaning::new(ErrorKind::Busy, THROTTLED, Some(Hint::Later)),
            Some(500..) => Meaning::new(ErrorKind::Unavailable, "AWS failed at it", Some(Hint::Later)),
            _ if internal.contains(&code) => {
                Meaning::new(ErrorKind::Unavailable, "AWS failed at it", Some(Hint::Later))
            }
            _ => Meaning::new(ErrorKind::Failed, "AWS refused it", None),
        }
    }

    fn quota(&self, code: &str) -> Meaning {
        let (reason, hint) = match code {
            _ if code.starts_with("SnapshotQuota") => ("the quota of manual snapshots is used up", Hint::Prune),
            _ if code.starts_with("SharedSnapshotQuota") => {
                ("a snapshot can be shared with 20 accounts at most", Hint::Unshare)
            }
            _ => ("a quota of the account is used up", Hint::Quota),
        };
        Meaning::new(ErrorKind::Quota, reason, Some(hint))
    }

    fn missing(&self, code: &str) -> Meaning {
        let (what, hint) = match code {
            _ if code.contains("SnapshotNotFound") => ("there is no such snapshot", Hint::List),
            _ if code.starts_with("DBInstanceNotFound") => ("there is no such DB instance", Hint::Discover),
            _ if code.starts_with("DBClusterNotFound") => ("there is no such DB cluster", Hint::Discover),
            _ => ("something that it names isn't there", Hint::Restore),
        };
        Meaning::new(ErrorKind::NotFound, what, Some(hint))
    }

    /// The IAM action that is missing: AWS names it, as a call may need others besides its own.
    fn denied(&self) -> String {
        let named = self.message.split_once("not authorized to perform: ").map(|(_, rest)| rest);
        let named = named.and_then(|rest| rest.split_whitespace().next()).filter(|action| action.contains(':'));
        named.unwrap_or(&self.action).trim_end_matches(['.', ',']).to_owned()
    }

    /// What AWS says of a parameter, in its first sentence.
    fn parameter(&self) -> String {
        let first = self.message.split(['\n']).next().unwrap_or_default().trim_end_matches('.');
        if first.is_empty() { "AWS refuses a parameter".into() } else { format!("AWS refuses a parameter: {first}") }
    }
}

struct Meaning {
    kind: ErrorKind,
    reason: String,
    hint: Option<Hint>,
}

impl Meaning {
    fn new(kind: ErrorKind, reason: impl Into<String>, hint: Option<Hint>) -> Self {
        Self { kind, reason: reason.into(), hint }
    }
}

/// What to do about it.
#[derive(Clone, Copy, Debug)]
enum Hint {
    Permit,
    SignIn,
    Identity,
    Later,
    Name,
    Key,
    Class,
    Backups,
    Prune,
    Unshare,
    Quota,
    List,
    Discover,
    Restore,
    Region,
    Role,
}

impl Hint {
    fn for_home(self, home: &Home, fault: &Fault, verb: &str) -> String {
        let Home { owner, region, account, .. } = home;
        let target = &owner.target;
        let option = profile_option(account.profile.as_deref());
        match self {
            Self::Permit => format!(
                "add {} to the policy of who runs this; docs/aws.md has the policy for each verb",
                fault.denied()
            ),
            Self::SignIn => format!("aws sso login{option}, or get new keys"),
            Self::Identity => format!("see whose they are: aws sts get-caller-identity --region {region}{option}"),
            Self::Later => "try again later".into(),
            Self::Name => "choose another name with `--to NAME`".into(),
            Self::Key => format!("see the keys of the region: aws kms list-aliases --region {region}{option}"),
            Self::Class => "try again later, or another class: `--set db_instance_class=...`".into(),
            Self::Backups => format!("choose a snapshot: `snapkeep list {target}`"),
            Self::Prune => format!("make room: `snapkeep prune plan {target}`, or ask AWS for more"),
            Self::Unshare => "take one off: `snapkeep copy ID --unshare-with ACCOUNT`".into(),
            Self::Quota => format!(
                "see the quotas: aws service-quotas list-service-quotas --service-code rds --region {region}{option}"
            ),
            Self::List => format!("see `snapkeep list {target}`"),
            Self::Discover => format!("see what is in {region}: `snapkeep targets list --discover`"),
            Self::Role => "docs/aws.md has what the role of an export needs".into(),
            Self::Region => format!("correct `region` of [targets.{target}]; it is {region} now"),
            Self::Restore if verb == "copy" => "name one that is there with `--option-group-name`".into(),
            Self::Restore => "name one that is there with `--set NAME=VALUE`".into(),
        }
    }
}

/// AWS's own words.
#[derive(Debug)]
struct Said(String);

impl Said {
    fn of(fault: &Fault) -> Self {
        match &fault.code {
            // Of a signature AWS repeats the whole request, with its session token.
            Some(code) => Self(format!("{code}: {}", fault.message.lines().next().unwrap_or_default())),
            None => Self(causes(&*fault.source).last().map(ToString::to_string).unwrap_or_default()),
        }
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for Said {}

/// What was at the bottom of it.
fn lasts(error: &CredentialsError) -> String {
    causes(error).last().map(ToString::to_string).unwrap_or_default()
}

/// Nothing, where what was asked for isn't there.
pub(super) fn none_if_missing<T: Default>(called: Called<T>) -> Called<T> {
    match called {
        Err(fault) if fault.is_missing() => Ok(T::default()),
        called => called,
    }
}

/// Turns the fault of a call into the error of a verb.
pub(super) trait OrError<T> {
    fn or_error(self, home: &Home, verb: &str, subject: impl fmt::Display) -> Result<T>;
}

impl<T> OrError<T> for Called<T> {
    fn or_error(self, home: &Home, verb: &str, subject: impl fmt::Display) -> Result<T> {
        self.map_err(|fault| fault.into_error(home, verb, subject))
    }
}

#[cfg(test)]
mod tests {
    use super::super::api::Family;
    use super::*;
    use crate::aws::Account;

    fn home() -> Home {
        let account = Account { profile: Some("prod".into()), ..Account::default() };
        let (region, database) = ("eu-central-1".into(), "orders-prod".into());
        let target = "orders".parse().unwrap();
        Home {
            owner: crate::owner::Owner { provider: super::super::NAME, target },
            account,
            region,
            endpoint: None,
            family: Family::Instance,
            database,
        }
    }

    fn refusal(code: &str, message: &str) -> Fault {
        let (action, source) = ("rds:CreateDBSnapshot".into(), message.to_owned().into());
        let (code, message) = (Some(code.to_owned()), message.to_owned());
        Fault { action, code, message, status: Some(400), answer: Answer::Refusal, source }
    }

    fn told(fault: Fault) -> (ErrorKind, String, String) {
        let error = fault.into_error(&home(), "snapshot", "orders");
        let text = error.to_string().replace("aws_rds: cannot snapshot orders: ", "");
        (error.kind(), text, error.hint().unwrap_or_default().to_owned())
    }

    #[test]
    fn a_denied_call_names_the_action_that_aws_names() {
        let said = "User: arn:aws:iam::1:user/ops is not authorized to perform: rds:AddTagsToResource on resource: x";
        let (kind, reason, hint) = told(refusal("AccessDenied", said));
        assert_eq!((kind, reason.as_str()), (ErrorKind::Permission, "rds:AddTagsToResource is not permitted"));
        assert!(hint.starts_with("add rds:AddTagsToResource to the policy"), "{hint}");
        let (_, reason, _) = told(refusal("AccessDeniedException", "no"));
        assert_eq!(reason, "rds:CreateDBSnapshot is not permitted", "the call's own, where AWS names none");
    }

    #[test]
    fn the_cap_of_copies_is_busy_and_the_quota_of_snapshots_is_not() {
        let cap = refusal("SnapshotQuotaExceeded", "Cannot copy more than 20 snapshots across regions");
        assert!(cap.is_copy_cap());
        assert_eq!(told(cap).0, ErrorKind::Busy);
        let quota = refusal("SnapshotQuotaExceeded", "Cannot create more than 100 manual snapshots");
        assert_eq!(told(quota).0, ErrorKind::Quota);
    }

    #[test]
    fn codes_are_told_apart_with_and_without_fault_at_their_end() {
        let kind = |code| told(refusal(code, "")).0;
        for code in
            ["DBSnapshotNotFound", "DBClusterSnapshotNotFoundFault", "DBInstanceNotFound", "DBClusterNotFoundFault"]
        {
            assert_eq!(kind(code), ErrorKind::NotFound, "{code}");
        }
        for code in ["InvalidDBSnapshotState", "InvalidDBClusterSnapshotStateFault", "InvalidDBInstanceState"] {
            assert_eq!(kind(code), ErrorKind::Busy, "{code}");
        }
        for code in ["Throttling", "ThrottlingException", "RequestLimitExceeded"] {
            assert_eq!(kind(code), ErrorKind::Busy, "{code}");
        }
        for code in ["ExpiredToken", "InvalidClientTokenId", "SignatureDoesNotMatch", "KMSKeyNotAccessibleFault"] {
            assert_eq!(kind(code), ErrorKind::Permission, "{code}");
        }
        assert_eq!(kind("DBInstanceAlreadyExists"), ErrorKind::Refused);
        assert_eq!(kind("InvalidParameterValue"), ErrorKind::Usage);
        assert_eq!(kind("InternalFailure"), ErrorKind::Unavailable);
        assert_eq!(kind("SomethingNew"), ErrorKind::Failed);
        assert_eq!(told(refusal("ExpiredToken", "")).2, "aws sso login --profile prod, or get new keys");
    }

    #[test]
    fn what_answers_without_aws_words_is_told_by_its_status() {
        let of_status = |status, answer| Fault { status: Some(status), code: None, answer, ..refusal("", "") };
        assert_eq!(told(of_status(503, Answer::Unreadable)).0, ErrorKind::Unavailable);
        assert_eq!(told(of_status(429, Answer::Refusal)).0, ErrorKind::Busy);
        assert_eq!(told(of_status(200, Answer::Unreadable)).0, ErrorKind::Failed);
    }
}
