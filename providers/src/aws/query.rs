//! The few calls to services of AWS whose SDK would be larger than snapkeep: who calls, and what IAM permits it.
//!
//! Both speak the query protocol: a form there, XML back. Signed by `object_store`'s own authorizer, sent by the HTTP client of
//! the SDK. Nothing here changes anything.

use std::time::{Duration, SystemTime};

use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use object_store::aws::{AwsAuthorizer, AwsCredential};
use object_store::client::HttpRequestBody;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::{sleep, timeout};
use url::form_urlencoded;

use super::http::Client;

/// How long one try may take.
const LIMIT: Duration = Duration::from_secs(30);
/// How often a call is tried that is throttled, and how long to wait before the second time.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_millis(500);

/// An account's way to those services.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    pub(super) http: Client,
    pub(super) credentials: SharedCredentialsProvider,
    pub(super) region: String,
    /// Where all calls go, where that isn't AWS itself.
    pub(super) endpoint: Option<String>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum NoAnswer {
    /// Nobody can be asked as.
    Credentials(CredentialsError),
    /// AWS says no: the code and the message.
    Refused(StatusCode, String, String),
    /// Nobody said anything that can be read.
    Lost(String),
}

impl std::fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Credentials(error) => error.fmt(f),
            Self::Refused(_, code, message) if message.is_empty() => f.write_str(code),
            Self::Refused(_, code, message) => write!(f, "{code}: {message}"),
            Self::Lost(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for NoAnswer {}

type Asked<T> = Result<T, NoAnswer>;

/// Who the credentials are of.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Caller {
    pub(crate) account: String,
    pub(crate) arn: String,
    /// How long they hold, where they end.
    #[serde(skip)]
    pub(crate) left: Option<Duration>,
}

#[derive(Deserialize)]
struct CallerAnswer {
    #[serde(rename = "GetCallerIdentityResult")]
    result: Caller,
}

/// What is to be tried out.
#[derive(Clone, Debug)]
pub(crate) struct Trial<'t> {
    pub(crate) actions: Vec<&'static str>,
    pub(crate) resources: Vec<String>,
    /// What conditions may ask for: `aws:RequestTag/x` and its value.
    pub(crate) context: &'t [(String, String)],
}

#[derive(Deserialize)]
struct TrialAnswer {
    #[serde(rename = "SimulatePrincipalPolicyResult")]
    result: TrialResult,
}

#[derive(Deserialize)]
struct TrialResult {
    #[serde(rename = "EvaluationResults")]
    results: Members<Evaluation>,
}

#[derive(Deserialize)]
struct Members<T> {
    #[serde(default = "Vec::new")]
    member: Vec<T>,
}

impl<T> Default for Members<T> {
    fn default() -> Self {
        Self { member: Vec::new() }
    }
}

/// One action, over all the resources: the most restrictive decision.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Evaluation {
    eval_action_name: String,
    eval_decision: String,
    #[serde(default)]
    missing_context_values: Members<String>,
    #[serde(default)]
    resource_specific_results: Members<OfResource>,
    organizations_decision_detail: Option<OfOrganization>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OfOrganization {
    #[serde(default)]
    allowed_by_organizations: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OfResource {
    #[serde(default)]
    missing_context_values: Members<String>,
}

impl Evaluation {
    /// Denied, and neither for want of something that only a real call has nor by an organization, whose conditions the
    /// simulator takes for not fulfilled: <https://github.com/aws/aws-sdk/issues/102>.
    fn is_denied(&self) -> bool {
        if self.organizations_decision_detail.as_ref().is_some_and(|detail| !detail.allowed_by_organizations) {
            return false;
        }
        let specific = &self.resource_specific_results.member;
        let misses = !self.missing_context_values.member.is_empty()
            || specific.iter().any(|one| !one.missing_context_values.member.is_empty());
        self.eval_decision == "explicitDeny" || (self.eval_decision != "allowed" && !misses)
    }
}

#[derive(Deserialize)]
struct ErrorAnswer {
    #[serde(rename = "Error")]
    error: ErrorBody,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ErrorBody {
    code: String,
    #[serde(default)]
    message: String,
}

impl Caller {
    /// The user or role whose policies count: an assumed role's session has none of its own. `None` for the account itself, and
    /// for who was let in from elsewhere.
    pub(crate) fn principal(&self) -> Option<String> {
        let mut parts = self.arn.splitn(6, ':');
        let (partition, rest) = (parts.nth(1)?, parts.nth(3)?);
        match rest.split_once('/') {
            Some(("assumed-role", session)) => {
                let role = session.split_once('/').map_or(session, |(role, _)| role);
                Some(format!("arn:{partition}:iam::{}:role/{role}", self.account))
            }
            Some(("user" | "role", _)) => Some(self.arn.clone()),
            _ => None,
        }
    }

    /// `aws`, `aws-cn`, `aws-us-gov`.
    pub(crate) fn partition(&self) -> &str {
        self.arn.split(':').nth(1).unwrap_or("aws")
    }
}

impl Query {
    /// Who calls.
    pub(crate) async fn caller(&self) -> Asked<Caller> {
        let Self { region, .. } = self;
        let end = if region.starts_with("cn-") { ".cn" } else { "" };
        let usual = format!("https://sts.{region}.amazonaws.com{end}");
        let form = [("Action", "GetCallerIdentity"), ("Version", "2011-06-15")].map(owned).to_vec();
        let answer: CallerAnswer = self.ask(("sts", region, &usual), &form).await?;
        let known = self.credentials.provide_credentials().await.map_err(NoAnswer::Credentials)?;
        let left = known.expiry().and_then(|end| end.duration_since(SystemTime::now()).ok());
        Ok(Caller { left, ..answer.result })
    }

    /// Which of the actions IAM denies to a user or role.
    /// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html>
    pub(crate) async fn denied(&self, principal: &str, trial: &Trial<'_>) -> Asked<Vec<String>> {
        let (region, usual) = match &*self.region {
            region if region.starts_with("cn-") => ("cn-north-1", "https://iam.cn-north-1.amazonaws.com.cn"),
            region if region.starts_with("us-gov-") => ("us-gov-west-1", "https://iam.us-gov.amazonaws.com"),
            _ => ("us-east-1", "https://iam.amazonaws.com"),
        };
        let mut form =
            [("Action", "SimulatePrincipalPolicy"), ("Version", "2010-05-08"), ("PolicySourceArn", principal)]
                .map(owned)
                .to_vec();
        let mut add = |name: String, value: &str| form.push((name, value.to_owned()));
        for (number, action) in (1..).zip(&trial.actions) {
            add(format!("ActionNames.member.{number}"), action);
        }
        for (number, resource) in (1..).zip(&trial.resources) {
            add(format!("ResourceArns.member.{number}"), resource);
        }
        for (number, (key, value)) in (1..).zip(trial.context) {
            add(format!("ContextEntries.member.{number}.ContextKeyName"), key);
            add(format!("ContextEntries.member.{number}.ContextKeyType"), "string");
            add(format!("ContextEntries.member.{number}.ContextKeyValues.member.1"), value);
        }
        let answer: TrialAnswer = self.ask(("iam", region, usual), &form).await?;
        let denied = answer.result.results.member.into_iter().filter(Evaluation::is_denied);
        Ok(denied.map(|evaluation| evaluation.eval_action_name).collect())
    }

    async fn ask<T: DeserializeOwned>(&self, to: (&str, &str, &str), form: &[(String, String)]) -> Asked<T> {
        let mut pause = PAUSE;
        for _ in 1..TRIES {
            match self.ask_once(to, form).await {
                Err(NoAnswer::Refused(status, code, _)) if status.is_server_error() || code.contains("Throttl") => {}
                answer => return answer,
            }
            sleep(pause).await;
            pause *= 2;
        }
        self.ask_once(to, form).await
    }

    async fn ask_once<T: DeserializeOwned>(
        &self,
        (service, region, usual): (&str, &str, &str),
        form: &[(String, String)],
    ) -> Asked<T> {
        let lost = |error: &dyn std::fmt::Display| NoAnswer::Lost(format!("{service} does not answer: {error}"));
        let known = self.credentials.provide_credentials().await.map_err(NoAnswer::Credentials)?;
        let credential = AwsCredential {
            key_id: known.access_key_id().to_owned(),
            secret_key: known.secret_access_key().to_owned(),
            token: known.session_token().map(ToOwned::to_owned),
        };
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let endpoint = self.endpoint.as_deref().unwrap_or(usual);
        let request = http::Request::post(format!("{}/", endpoint.trim_end_matches('/')))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded; charset=utf-8")
            .body(HttpRequestBody::from(body.into_bytes()));
        let mut request = request.map_err(|error| lost(&error))?;
        let authorizer = AwsAuthorizer::new(&credential, service, region);
        authorizer.try_authorize(&mut request, None).map_err(|error| lost(&error))?;
        let client = self.http.direct().map_err(|error| lost(&error))?;
        let answer = timeout(LIMIT, async {
            let answer = client.execute(request).await?;
            let status = answer.status();
            answer.into_body().bytes().await.map(|body| (status, body))
        });
        let (status, body) = answer.await.map_err(|late| lost(&late))?.map_err(|error| lost(&error))?;
        if status.is_success() {
            return quick_xml::de::from_reader(&body[..]).map_err(|error| lost(&error));
        }
        Err(match quick_xml::de::from_reader::<_, ErrorAnswer>(&body[..]) {
            Ok(ErrorAnswer { error: ErrorBody { code, message } }) => NoAnswer::Refused(status, code, message),
            Err(_) => NoAnswer::Refused(status, status.to_string(), String::new()),
        })
    }
}

fn owned((name, value): (&str, &str)) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_stands_for_its_role() {
        let principal = |arn: &str| Caller { account: "1".into(), arn: arn.into(), left: None }.principal();
        let role = "arn:aws:iam::1:role/backup";
        assert_eq!(principal("arn:aws:sts::1:assumed-role/backup/snapkeep").as_deref(), Some(role));
        let user = "arn:aws-cn:iam::1:user/ops/anna";
        assert_eq!(principal(user).as_deref(), Some(user));
        assert_eq!(principal("arn:aws:iam::1:root"), None);
        assert_eq!(principal("arn:aws:sts::1:federated-user/anna"), None);
    }

    #[test]
    fn only_what_no_real_call_could_change_is_denied() {
        let answer = "<SimulatePrincipalPolicyResponse><SimulatePrincipalPolicyResult><IsTruncated>false</IsTruncated>\
            <EvaluationResults>\
            <member><EvalActionName>a</EvalActionName><EvalDecision>allowed</EvalDecision><MissingContextValues/></member>\
            <member><EvalActionName>b</EvalActionName><EvalDecision>implicitDeny</EvalDecision></member>\
            <member><EvalActionName>c</EvalActionName><EvalDecision>implicitDeny</EvalDecision><ResourceSpecificResults>\
            <member><MissingContextValues><member>aws:SourceVpc</member></MissingContextValues></member>\
            </ResourceSpecificResults></member>\
            <member><EvalActionName>d</EvalActionName><EvalDecision>explicitDeny</EvalDecision></member>\
            <member><EvalActionName>e</EvalActionName><EvalDecision>implicitDeny</EvalDecision><OrganizationsDecisionDetail>\
            <AllowedByOrganizations>false</AllowedByOrganizations></OrganizationsDecisionDetail></member>\
            </EvaluationResults></SimulatePrincipalPolicyResult></SimulatePrincipalPolicyResponse>";
        let answer: TrialAnswer = quick_xml::de::from_str(answer).unwrap();
        let denied = answer.result.results.member.into_iter().filter(Evaluation::is_denied);
        assert_eq!(denied.map(|one| one.eval_action_name).collect::<Vec<_>>(), ["b", "d"]);
    }
}
