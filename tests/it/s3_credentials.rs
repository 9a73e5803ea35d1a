//! Where the credentials for S3 come from, with the real binary: what an S3 of the test's own sees of them.
//!
//! No test asks a metadata address: the environment is empty but for what a test puts there.

use std::fs;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{Request, Response};

use crate::cli::{Bench, Ran, target};
use crate::support::{Broken, Serving, variable_or_leave_out};

const SECRET: &str = "hunter2-of-s3";
const EMPTY: &str =
    r#"<?xml version="1.0"?><ListBucketResult><Name>b</Name><IsTruncated>false</IsTruncated></ListBucketResult>"#;
const ASSUMED: &str = r#"<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>
    <AssumedRoleUser><AssumedRoleId>AROA:snapkeep</AssumedRoleId><Arn>arn:aws:sts::1:assumed-role/r/snapkeep</Arn></AssumedRoleUser>
    <Credentials><AccessKeyId>ASIAOFROLE</AccessKeyId><SecretAccessKey>hunter2-of-s3</SecretAccessKey>
    <SessionToken>token-of-role</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>
    </AssumeRoleResult></AssumeRoleResponse>"#;

/// What came with a request.
#[derive(Clone, Debug, Default)]
struct Came {
    authorization: String,
    token: Option<String>,
    body: String,
}

/// Answers all requests alike, and notes them.
struct Listener {
    serving: Serving,
    came: Arc<Mutex<Vec<Came>>>,
}

impl Listener {
    fn answering(status: u16, answer: &'static str) -> Self {
        Self::by_path(status, move |_| answer)
    }

    fn by_path(status: u16, answer: impl Fn(&str) -> &'static str + Clone + Send + 'static) -> Self {
        let came = Arc::new(Mutex::new(Vec::new()));
        let noted = came.clone();
        let serving = Serving::start(move |request: Request<Incoming>| {
            let answer = answer(request.uri().path());
            note(request, noted.clone(), status, answer)
        });
        Self { serving, came }
    }

    fn came(&self) -> Vec<Came> {
        self.came.lock().unwrap().clone()
    }

    /// The id of the access key that the last request was signed with, its region, and its token.
    fn who(&self) -> (String, String, Option<String>) {
        let last = self.came().pop().unwrap();
        let scope = last.authorization.split_once("Credential=").unwrap().1.split(',').next().unwrap().to_owned();
        let mut parts = scope.split('/');
        (parts.next().unwrap().to_owned(), parts.nth(1).unwrap().to_owned(), last.token)
    }
}

async fn note(
    request: Request<Incoming>,
    came: Arc<Mutex<Vec<Came>>>,
    status: u16,
    answer: &'static str,
) -> Result<Response<Full<Bytes>>, Broken> {
    let (parts, body) = request.into_parts();
    let header = |name| parts.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let (authorization, token) = (header("authorization").unwrap_or_default(), header("x-amz-security-token"));
    let body = String::from_utf8_lossy(&body.collect().await?.to_bytes()).into_owned();
    came.lock().unwrap().push(Came { authorization, token, body });
    // as the instance metadata service does with a session
    let answering = Response::builder().status(status).header("x-aws-ec2-metadata-token-ttl-seconds", "21600");
    Ok(answering.body(Full::from(answer))?)
}

/// A bench whose one store is a bucket at `endpoint`; `more` are further keys of the store.
fn bench(endpoint: &str, more: &str) -> Bench {
    let bench = Bench::empty();
    let store = format!("\n[stores.local]\ntype = \"s3\"\nbucket = \"b\"\nendpoint = \"{endpoint}\"\n{more}\n");
    fs::write(bench.path("snapkeep.toml"), format!("version = 1\n{}{store}", target("notes", "notes.db", ""))).unwrap();
    bench.sql("notes.db", "CREATE TABLE notes (text TEXT)");
    bench
}

/// Lists with these variables and no others.
fn list(bench: &Bench, variables: &[(&str, &str)]) -> Ran {
    let mut command = bench.command();
    command.env("AWS_EC2_METADATA_DISABLED", "true").envs(variables.iter().copied());
    let ran = bench.ran_by(command.args(["-v", "-o", "json", "list"]));
    assert!(!ran.out.contains(SECRET) && !ran.err.contains(SECRET), "a secret is shown: {ran}");
    ran
}

fn listed(bench: &Bench, variables: &[(&str, &str)]) {
    let ran = list(bench, variables);
    assert_eq!(ran.code, Some(0), "{ran}");
}

const KEYS: [(&str, &str); 3] =
    [("AWS_ACCESS_KEY_ID", "AKIAENV"), ("AWS_SECRET_ACCESS_KEY", SECRET), ("AWS_SESSION_TOKEN", "token-of-env")];

#[test]
fn the_environment_is_enough() {
    let s3 = Listener::answering(200, EMPTY);
    listed(&bench(&s3.serving.url(), ""), &[&KEYS[..], &[("AWS_REGION", "eu-central-1")]].concat());
    assert_eq!(s3.who(), ("AKIAENV".into(), "eu-central-1".into(), Some("token-of-env".into())));
}

#[test]
fn a_named_profile_wins_over_the_environment_and_gives_its_region() {
    let s3 = Listener::answering(200, EMPTY);
    let bench = bench(&s3.serving.url(), "profile = \"prod\"");
    let config = "[default]\nregion = us-west-2\n\n[profile prod]\nregion = eu-west-3\n";
    let credentials = format!("[prod]\naws_access_key_id = AKIAPROD\naws_secret_access_key = {SECRET}\n");
    fs::write(bench.path("aws-config"), config).unwrap();
    fs::write(bench.path("aws-credentials"), credentials).unwrap();
    let files =
        [("AWS_CONFIG_FILE", bench.path("aws-config")), ("AWS_SHARED_CREDENTIALS_FILE", bench.path("aws-credentials"))];
    let files = files.each_ref().map(|(name, path)| (*name, path.to_str().unwrap()));
    listed(&bench, &[&KEYS[..], &files].concat());
    assert_eq!(s3.who(), ("AKIAPROD".into(), "eu-west-3".into(), None));
}

#[test]
fn the_profile_in_the_home_folder_may_run_a_program() {
    let s3 = Listener::answering(200, EMPTY);
    let bench = bench(&s3.serving.url(), "region = \"eu-north-1\"");
    fs::create_dir_all(bench.path("home/.aws")).unwrap();
    let json = format!(r#"{{"Version":1,"AccessKeyId":"AKIAPROGRAM","SecretAccessKey":"{SECRET}"}}"#);
    fs::write(bench.path("keys.json"), json).unwrap();
    let program = format!("[default]\ncredential_process = /bin/cat {}\n", bench.path("keys.json").display());
    fs::write(bench.path("home/.aws/config"), program).unwrap();
    listed(&bench, &[]);
    assert_eq!(s3.who(), ("AKIAPROGRAM".into(), "eu-north-1".into(), None));
}

#[test]
fn keys_in_the_config_are_used_and_nothing_else_is_looked_for() {
    let s3 = Listener::answering(200, EMPTY);
    let keys = "access_key_id = { env = \"ID\" }\nsecret_access_key = { env = \"KEY\" }";
    let bench = bench(&s3.serving.url(), keys);
    fs::create_dir_all(bench.path("home/.aws")).unwrap();
    let program = format!("[default]\ncredential_process = /usr/bin/touch {}\n", bench.path("asked").display());
    fs::write(bench.path("home/.aws/config"), program).unwrap();
    listed(&bench, &[&KEYS[..], &[("ID", "AKIACONFIG"), ("KEY", SECRET)]].concat());
    assert_eq!(s3.who(), ("AKIACONFIG".into(), "us-east-1".into(), None));
    assert!(!bench.path("asked").exists());
}

#[test]
fn a_role_is_assumed_with_the_external_id_and_asked_for_once() {
    let (s3, sts) = (Listener::answering(200, EMPTY), Listener::answering(200, ASSUMED));
    let role = "role_arn = \"arn:aws:iam::123456789012:role/backup\"\nexternal_id = \"acme-7\"\nregion = \"eu-west-1\"";
    let keys = "access_key_id = { env = \"ID\" }\nsecret_access_key = { env = \"KEY\" }";
    for (more, base) in [(role.to_owned(), "AKIAENV"), (format!("{role}\n{keys}"), "AKIACONFIG")] {
        let bench = bench(&s3.serving.url(), &more);
        let sts_url = sts.serving.url();
        let more = [("ID", "AKIACONFIG"), ("KEY", SECRET), ("AWS_ENDPOINT_URL_STS", sts_url.as_str())];
        listed(&bench, &[&KEYS[..], &more].concat());
        assert_eq!(s3.who(), ("ASIAOFROLE".into(), "eu-west-1".into(), Some("token-of-role".into())));
        let (who, region, _) = sts.who();
        assert_eq!((who.as_str(), region.as_str()), (base, "eu-west-1"));
        let asked = sts.came().pop().unwrap().body;
        assert!(asked.contains("ExternalId=acme-7") && asked.contains("role%2Fbackup"), "{asked}");
    }
    assert_eq!(sts.came().len(), 2, "once in each run");
}

#[test]
fn a_role_of_moto_is_assumed() {
    let Some(moto) = variable_or_leave_out("SK_MOTO_ENDPOINT") else { return };
    let s3 = Listener::answering(200, EMPTY);
    let role = "role_arn = \"arn:aws:iam::123456789012:role/backup\"\nexternal_id = \"acme-7\"";
    listed(&bench(&s3.serving.url(), role), &[&KEYS[..], &[("AWS_ENDPOINT_URL_STS", moto.as_str())]].concat());
    let (who, _, token) = s3.who();
    assert!(who.starts_with("ASIA") && token.is_some_and(|token| token != "token-of-env"), "{who}");
}

#[test]
fn a_refused_role_is_a_matter_of_permission() {
    let (s3, sts) = (Listener::answering(200, EMPTY), Listener::answering(403, REFUSED));
    let bench = bench(&s3.serving.url(), "role_arn = \"arn:aws:iam::123456789012:role/backup\"");
    let sts = sts.serving.url();
    let ran = list(&bench, &[&KEYS[..], &[("AWS_ENDPOINT_URL_STS", sts.as_str())]].concat());
    assert_eq!(ran.code, Some(5), "{ran}");
    assert!(ran.err.contains("not authorized to assume") && ran.err.contains("aws sts get-caller-identity"), "{ran}");
    assert!(s3.came().is_empty(), "no request without credentials");
}

const REFUSED: &str = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>\
    <Message>AKIAENV is not authorized to assume it</Message></Error></ErrorResponse>";

#[test]
fn no_credentials_at_all_are_told_with_what_to_run() {
    let s3 = Listener::answering(200, EMPTY);
    let ran = list(&bench(&s3.serving.url(), ""), &[]);
    assert_eq!(ran.code, Some(5), "{ran}");
    assert!(ran.err.contains("store: cannot list"), "{ran}");
    assert!(ran.err.contains("no AWS credentials were found") && ran.err.contains("aws configure"), "{ran}");
    assert!(s3.came().is_empty(), "no request without credentials");
}

#[test]
fn half_a_pair_of_keys_is_refused() {
    let ran = list(&bench("http://127.0.0.1:9", "access_key_id = { env = \"ID\" }"), &[("ID", "AKIACONFIG")]);
    assert_eq!(ran.code, Some(2), "{ran}");
    assert!(ran.err.contains("secret_access_key"), "{ran}");
}

#[test]
fn a_bucket_of_aws_needs_a_region() {
    let bench = bench("http://127.0.0.1:9", "");
    let config = fs::read_to_string(bench.path("snapkeep.toml")).unwrap();
    fs::write(bench.path("snapkeep.toml"), config.replace("endpoint", "# ")).unwrap();
    let ran = list(&bench, &KEYS);
    assert_eq!(ran.code, Some(2), "{ran}");
    assert!(ran.err.contains("set `region` in [stores.local], or export AWS_REGION"), "{ran}");
}

const WEB_IDENTITY: &str = r#"<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
    <AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>ASIAPOD</AccessKeyId>
    <SecretAccessKey>hunter2-of-s3</SecretAccessKey><SessionToken>token-of-pod</SessionToken>
    <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult>
    </AssumeRoleWithWebIdentityResponse>"#;

#[test]
fn a_web_identity_is_enough() {
    let (s3, sts) = (Listener::answering(200, EMPTY), Listener::answering(200, WEB_IDENTITY));
    let bench = bench(&s3.serving.url(), "");
    fs::write(bench.path("jwt"), "a.web.token").unwrap();
    let (jwt, sts_url) = (bench.path("jwt"), sts.serving.url());
    let variables = [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", jwt.to_str().unwrap()),
        ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/pod"),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ENDPOINT_URL_STS", sts_url.as_str()),
    ];
    listed(&bench, &variables);
    assert_eq!(s3.who(), ("ASIAPOD".into(), "eu-west-1".into(), Some("token-of-pod".into())));
    assert!(sts.came()[0].body.contains("WebIdentityToken=a.web.token"));
}

const JSON: &str = r#"{"Code":"Success","Type":"AWS-HMAC","LastUpdated":"2026-01-01T00:00:00Z","AccessKeyId":"ASIAHOST",
    "SecretAccessKey":"hunter2-of-s3","Token":"token-of-host","Expiration":"2099-01-01T00:00:00Z"}"#;

#[test]
fn a_container_is_enough() {
    let (s3, host) = (Listener::answering(200, EMPTY), Listener::answering(200, JSON));
    let uri = format!("{}/credentials", host.serving.url());
    let bench = bench(&s3.serving.url(), "");
    listed(&bench, &[("AWS_CONTAINER_CREDENTIALS_FULL_URI", &uri), ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "of-pod")]);
    assert_eq!(s3.who(), ("ASIAHOST".into(), "us-east-1".into(), Some("token-of-host".into())));
    assert_eq!(host.came()[0].authorization, "of-pod");
}

#[test]
fn an_instance_is_enough() {
    let s3 = Listener::answering(200, EMPTY);
    let host = Listener::by_path(200, |path| match path {
        "/latest/api/token" => "a-session",
        path if path.ends_with('/') => "backup-role",
        _ => JSON,
    });
    let url = host.serving.url();
    let variables = [("AWS_EC2_METADATA_DISABLED", "false"), ("AWS_EC2_METADATA_SERVICE_ENDPOINT", url.as_str())];
    listed(&bench(&s3.serving.url(), ""), &variables);
    assert_eq!(s3.who(), ("ASIAHOST".into(), "us-east-1".into(), Some("token-of-host".into())));
}

/// The name by which the AWS CLI keeps a sign-in: the SHA-1 of its address.
const SIGN_IN: &str = "home/.aws/sso/cache/40169cea58ca6cbf23fb27b2542923fb5f524af0.json";
const SSO: &str = r#"{"roleCredentials":{"accessKeyId":"ASIASSO","secretAccessKey":"hunter2-of-s3",
    "sessionToken":"token-of-sso","expiration":4070908800000}}"#;

#[test]
fn a_sign_in_of_the_aws_cli_is_enough_and_told_when_it_has_run_out() {
    let (s3, portal) = (Listener::answering(200, EMPTY), Listener::answering(200, SSO));
    let bench = bench(&s3.serving.url(), "profile = \"corp\"");
    fs::create_dir_all(bench.path("home/.aws/sso/cache")).unwrap();
    let profile = "[profile corp]\nsso_start_url = https://acme.awsapps.com/start\nsso_region = eu-west-1\n\
        sso_account_id = 123456789012\nsso_role_name = backup\nregion = eu-west-2\n";
    fs::write(bench.path("home/.aws/config"), profile).unwrap();
    let signed_in = |portal: &Listener| {
        let token = format!("\"accessToken\":\"{SECRET}\",\"expiresAt\":\"2099-01-01T00:00:00Z\"");
        let json = format!("{{\"startUrl\":\"https://acme.awsapps.com/start\",\"region\":\"eu-west-1\",{token}}}");
        fs::write(bench.path(SIGN_IN), json).unwrap();
        list(&bench, &[("AWS_ENDPOINT_URL_SSO", &portal.serving.url())])
    };
    let ran = signed_in(&portal);
    assert_eq!(ran.code, Some(0), "{ran}");
    assert_eq!(s3.who(), ("ASIASSO".into(), "eu-west-2".into(), Some("token-of-sso".into())));
    let refusing = Listener::answering(
        401,
        r#"{"__type":"UnauthorizedException","message":"Session token not found or invalid"}"#,
    );
    let refused = signed_in(&refusing);
    fs::remove_file(bench.path(SIGN_IN)).unwrap();
    for ran in [refused, list(&bench, &[])] {
        assert_eq!(ran.code, Some(5), "{ran}");
        assert!(ran.err.contains("hint: aws sso login --profile corp"), "{ran}");
    }
}
