//! The recipes of docs/secrets.md, to the letter, against the vaults that they are for.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use snapkeep_providers::secret::SecretRef;
use snapkeep_providers::settings::Server;

use crate::cli::{Bench, Ran, until};
use crate::support::{Bed, TARGET, variable_or_leave_out};

fn page() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/secrets.md")).unwrap()
}

/// The line that names this program.
fn recipe(program: &str) -> String {
    let begin = format!("password = {{ command = [\"{program}\", ");
    page().lines().find(|line| line.starts_with(&begin)).unwrap_or_else(|| panic!("no recipe for {program}")).to_owned()
}

/// A database whose password a vault has, and where the vaults' own programs are.
struct Case {
    bed: Bed,
    bench: Bench,
    tools: String,
}

impl Case {
    fn new(program: &str) -> Option<Self> {
        let tools = variable_or_leave_out("SK_SECRET_TOOLS")?;
        let (bed, bench) = (Bed::postgresql_15()?, Bench::empty());
        let Server { host, port, user, database, tool_dir, .. } = bed.settings();
        let config = format!(
            "version = 1\n[targets.{TARGET}]\nprovider = \"postgresql\"\nhost = \"{host}\"\nport = {}\nuser = \"{user}\"\n\
             database = \"{database}\"\ntool_dir = {:?}\nstore = \"local\"\n{}\n[stores.local]\ntype = \"local\"\npath = \"s\"\n",
            port.unwrap(),
            tool_dir.unwrap(),
            recipe(program),
        );
        std::fs::write(bench.path("snapkeep.toml"), config).unwrap();
        Some(Self { bed, bench, tools })
    }

    /// The vault's own program, as its owner runs it.
    fn tool(&self, program: &str) -> Command {
        let mut command = self.bench.command_of(&format!("{}/{program}", self.tools));
        command.env("PATH", format!("{}:/usr/bin:/bin", self.tools));
        command
    }

    fn check(&self, variables: &[(&str, &str)]) -> Ran {
        let mut command = self.bench.command();
        command.env("PATH", format!("{}:/usr/bin:/bin", self.tools)).envs(variables.iter().copied());
        let ran = self.bench.ran(command.args(["targets", "check"]).output().unwrap());
        assert!(!ran.to_string().contains(&self.bed.server.password()), "a secret is shown");
        ran
    }
}

/// Runs a program that must succeed, and gives what it prints.
fn printed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// OpenBao in development mode: in memory, on loopback. It is killed when dropped.
struct Vault(Child);

impl Drop for Vault {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

const ROOT: &str = "test-root-token";

#[tokio::test]
async fn openbao_gives_the_password_to_who_may_read_it_and_says_why_to_others() {
    let Some(case) = Case::new("bao") else { return };
    // It takes no port of its own choice.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let address = format!("http://{port}");
    let mut server = case.tool("bao");
    server.args(["server", "-dev", "-dev-no-store-token", &format!("-dev-listen-address={port}")]);
    server.env("BAO_DEV_ROOT_TOKEN_ID", ROOT).stdout(Stdio::null()).stderr(Stdio::null());
    let _vault = Vault(server.spawn().unwrap());
    let bao = |words: &[&str]| {
        let mut command = case.tool("bao");
        command.args(words).env("BAO_ADDR", &address).env("BAO_TOKEN", ROOT);
        command
    };
    until("OpenBao answers", || bao(&["status"]).output().unwrap().status.success().then_some(()));
    std::fs::write(case.bench.path("secret"), case.bed.server.password()).unwrap();
    printed(&mut bao(&["kv", "put", "-mount=secret", "openmetadata", "password=@secret"]));
    let page = page();
    let policy = page.split("```hcl\n").nth(1).unwrap().split("```").next().unwrap();
    std::fs::write(case.bench.path("policy.hcl"), policy).unwrap();
    printed(&mut bao(&["policy", "write", "snapkeep", "policy.hcl"]));
    let token = |policy: &str| printed(&mut bao(&["token", "create", "-field=token", &format!("-policy={policy}")]));
    let (good, poor) = (token("snapkeep"), token("default"));
    let ran = case.check(&[("BAO_ADDR", &address), ("BAO_TOKEN", &good)]);
    assert_eq!(ran.code, Some(0), "{ran}");
    assert!(ran.out.contains("connection"), "{ran}");
    let ran = case.check(&[("BAO_ADDR", &address), ("BAO_TOKEN", &poor)]);
    assert_eq!(ran.code, Some(5), "{ran}");
    crate::support::assert_names(&ran.err, &["command bao: it ended with exit status: 2", "Code: 403", "preflight"]);
    assert!(!ran.err.contains(&poor) && !ran.err.contains(ROOT), "{ran}");
}

#[tokio::test]
async fn aws_secrets_manager_gives_the_password() {
    let (Some(endpoint), Some(case)) = (variable_or_leave_out("SK_MOTO_ENDPOINT"), Case::new("aws")) else { return };
    let account = [
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("AWS_ACCESS_KEY_ID", "moto-test-key"),
        ("AWS_SECRET_ACCESS_KEY", "moto-test-secret"),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_DEFAULT_REGION", "eu-central-1"),
    ];
    let mut make = case.tool("aws");
    make.args(["secretsmanager", "create-secret", "--name", "openmetadata", "--secret-string", "file://secret"]);
    std::fs::write(case.bench.path("secret"), case.bed.server.password()).unwrap();
    printed(make.envs(account));
    let ran = case.check(&account);
    assert_eq!(ran.code, Some(0), "{ran}");
    printed(case.tool("aws").envs(account).args([
        "secretsmanager",
        "delete-secret",
        "--secret-id",
        "openmetadata",
        "--force-delete-without-recovery",
    ]));
    let ran = case.check(&account);
    assert_eq!(ran.code, Some(5), "{ran}");
    crate::support::assert_names(&ran.err, &["command aws: it ended with", "ResourceNotFoundException"]);
}

#[test]
fn every_recipe_is_a_reference_that_the_config_takes() {
    let page = page();
    let lines: Vec<&str> = page.lines().filter(|line| line.starts_with("password = ")).collect();
    for line in &lines {
        let table: toml::Table = line.parse().unwrap();
        let reference = table["password"].clone().try_into::<SecretRef>();
        assert!(reference.is_ok(), "{line}: {reference:?}");
    }
    assert!(lines.len() >= 8, "{lines:?}");
}
