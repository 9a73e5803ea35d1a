//! Trouble by script.

use std::time::Duration;

use hyper::StatusCode;

use super::call::{Call, Refusal};
use crate::support::script::{self, Wanted};

/// What goes wrong with a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Refused as too frequent.
    Throttled,
    /// The connection is closed, and nothing was done.
    CutBefore,
    /// Carried out; then the connection is closed without an answer.
    CutAfter,
    /// Carried out, and answered after this time.
    Slow(Duration),
    /// Refused in AWS's own words for a missing permission.
    AccessDenied,
    /// Refused as the credentials have run out.
    ExpiredToken,
    /// Carried out, and answered with what is no XML.
    Garbled,
    /// Carried out; what it made ends `failed` (a snapshot) or `incompatible-restore` (a database).
    EndsFailed,
    /// The page has the marker again that it was asked for with.
    SameMarker,
    /// Refused with status 500.
    Internal,
    /// Refused with this code and message.
    Refused(&'static str, &'static str),
}

/// A fault for some of the calls.
pub(crate) type Trouble = script::Trouble<Calls, Fault>;

/// Those of an action.
#[derive(Clone, Debug)]
pub(crate) struct Calls {
    action: &'static str,
    region: Option<&'static str>,
    parameter: Option<&'static str>,
}

impl Wanted for Calls {
    type Request = Call;

    fn is(&self, call: &Call) -> bool {
        self.action == call.action
            && self.region.is_none_or(|region| region == call.region())
            && self.parameter.is_none_or(|name| call.get(name).is_some())
    }
}

impl Trouble {
    /// The first call of this action.
    pub(crate) fn on(action: &'static str, fault: Fault) -> Self {
        Self::new(Calls { action, region: None, parameter: None }, fault)
    }

    /// Only in this region.
    pub(crate) fn in_region(mut self, region: &'static str) -> Self {
        self.wanted.region = Some(region);
        self
    }

    /// Only calls that have this parameter, such as `Marker`: a later page.
    pub(crate) fn with(mut self, parameter: &'static str) -> Self {
        self.wanted.parameter = Some(parameter);
        self
    }
}

impl Fault {
    /// What it answers instead of carrying the call out, where that is what it does.
    pub(super) fn refusal(&self, call: &Call) -> Option<Refusal> {
        let of = |status, code: &str, message: &str| {
            Some(Refusal { status, code: code.to_owned(), message: message.to_owned() })
        };
        match self {
            Self::Throttled if call.is_of_kms() => of(StatusCode::BAD_REQUEST, "ThrottlingException", "Rate exceeded"),
            Self::Throttled => of(StatusCode::BAD_REQUEST, "Throttling", "Rate exceeded"),
            Self::AccessDenied if call.is_of_kms() => {
                of(StatusCode::BAD_REQUEST, "AccessDeniedException", &denial(call))
            }
            Self::AccessDenied => of(StatusCode::FORBIDDEN, "AccessDenied", &denial(call)),
            Self::ExpiredToken => of(
                if call.is_of_kms() { StatusCode::BAD_REQUEST } else { StatusCode::FORBIDDEN },
                if call.is_of_kms() { "ExpiredTokenException" } else { "ExpiredToken" },
                "The security token included in the request is expired",
            ),
            Self::Internal => of(
                StatusCode::INTERNAL_SERVER_ERROR,
                "InternalFailure",
                "An internal error has occurred. Please try your query again at a later time.",
            ),
            Self::Refused(code, message) => of(StatusCode::BAD_REQUEST, code, message),
            Self::CutBefore | Self::CutAfter | Self::Slow(_) | Self::Garbled | Self::EndsFailed | Self::SameMarker => {
                None
            }
        }
    }
}

/// AWS's own wording, from which the missing permission can be read.
fn denial(call: &Call) -> String {
    let (service, action) = (&call.service, &call.action);
    let account = &call.place.account;
    let resource = if call.is_of_kms() {
        let key = call.get("KeyId").unwrap_or("*");
        if key.starts_with("arn:") { key.to_owned() } else { call.place.arn("kms", &format!("key/{key}")) }
    } else {
        call.place.arn("rds", &resource(call))
    };
    format!(
        "User: arn:aws:iam::{account}:user/ops is not authorized to perform: {service}:{action} on resource: {resource} \
         because no identity-based policy allows the {service}:{action} action"
    )
}

fn resource(call: &Call) -> String {
    const NAMED: [(&str, &str); 6] = [
        ("DBSnapshotIdentifier", "snapshot"),
        ("TargetDBSnapshotIdentifier", "snapshot"),
        ("DBClusterSnapshotIdentifier", "cluster-snapshot"),
        ("TargetDBClusterSnapshotIdentifier", "cluster-snapshot"),
        ("DBInstanceIdentifier", "db"),
        ("DBClusterIdentifier", "cluster"),
    ];
    let named = NAMED.iter().find_map(|(parameter, kind)| Some(format!("{kind}:{}", call.get(parameter)?)));
    named.unwrap_or_else(|| if call.action.contains("Snapshot") { "snapshot:*".into() } else { "db:*".into() })
}
