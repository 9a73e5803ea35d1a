//! The verbs of the real binary against moto, once round.

use super::moto::Source;
use crate::cli::{Bench, Ran};
use crate::support::rds::Kind;
use crate::support::{assert_names, variable_or_leave_out};

/// A bench whose target `orders` is a database of its own in moto.
struct Moto {
    source: Source,
    bench: Bench,
}

impl Moto {
    async fn new(kind: Kind) -> Option<Self> {
        let endpoint = variable_or_leave_out("SK_MOTO_ENDPOINT")?;
        let source = Source::new(endpoint, kind).await;
        let (bench, parameter) = (Bench::empty(), if kind == Kind::Instance { "instance" } else { "cluster" });
        let config = format!(
            "version = 1\n[targets.orders]\nprovider = \"aws_rds\"\nregion = \"{}\"\nendpoint = \"{}\"\n\
             db_{parameter}_identifier = \"{}\"\nretention = \"few\"\n\n[retention.few]\nkeep_last = 1\n",
            source.region, source.endpoint, source.name
        );
        std::fs::write(bench.path("snapkeep.toml"), config).unwrap();
        Some(Self { source, bench })
    }

    fn exits(&self, code: i32, line: &str) -> Ran {
        let mut command = self.bench.command();
        command.envs(super::KEYS).env("AWS_MAX_ATTEMPTS", "2").args(line.split_whitespace());
        let ran = self.bench.ran_by(&mut command);
        assert_eq!(ran.code, Some(code), "{line}: {ran}");
        ran
    }

    fn done(&self, line: &str) -> Ran {
        self.exits(0, line)
    }

    fn id(&self, line: &str) -> String {
        self.done(&format!("-q -o name {line}")).out.trim_end().to_owned()
    }

    fn ids(&self) -> Vec<String> {
        self.done("-o name list").out.lines().map(ToOwned::to_owned).collect()
    }

    /// Another region than the source's.
    fn elsewhere(&self) -> &'static str {
        if self.source.region == "us-west-2" { "us-west-1" } else { "us-west-2" }
    }
}

async fn goes_round(kind: Kind) {
    let Some(moto) = Moto::new(kind).await else { return };
    let first = moto.id("create orders --key monday --tag team=orders");
    assert_eq!(moto.id("create orders --key monday --tag team=orders"), first);
    let second = moto.id("create orders --key tuesday");
    assert_eq!(moto.ids(), [second.as_str(), &first]);
    let copy = moto.id(&format!("copy {first} --to-region {}", moto.elsewhere()));
    assert_eq!(moto.id(&format!("copy {first} --to-region {}", moto.elsewhere())), copy);
    let shown = moto.done(&format!("show {copy}")).out;
    assert_names(&shown, &[moto.elsewhere(), "monday"]);
    let shared = moto.done(&format!("copy {second} --share-with 210987654321"));
    assert_names(&shared.err, &["210987654321"]);
    moto.done(&format!("copy {second} --unshare-with 210987654321"));
    let name = format!("{}-again", moto.source.name);
    moto.done(&format!("restore {first} --to {name}"));
    assert!(moto.source.size(&name).await.is_some());
    assert_names(&moto.exits(10, &format!("restore {first} --to {name}")).err, &["already"]);
    moto.done("prune apply --yes");
    assert_eq!(moto.ids(), [second.as_str(), &copy], "each region for itself");
    moto.done(&format!("delete {copy} --yes --force"));
    moto.done(&format!("delete {first} --yes"));
    moto.exits(4, &format!("show {first}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_of_moto_goes_round() {
    goes_round(Kind::Instance).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_of_moto_goes_round() {
    goes_round(Kind::Cluster).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn moto_refuses_in_amazons_words() {
    let Some(moto) = Moto::new(Kind::Instance).await else { return };
    let id = moto.id("create orders");
    let missing =
        format!("copy {id} --to-region {} --kms-key-id 00000000-1111-2222-3333-444444444444", moto.elsewhere());
    let ran = moto.exits(5, &missing);
    assert_names(&ran.err, &["KMSKeyNotAccessibleFault", "aws kms list-aliases"]);
    let config = std::fs::read_to_string(moto.bench.path("snapkeep.toml")).unwrap();
    std::fs::write(moto.bench.path("snapkeep.toml"), config.replace(&moto.source.name, "no-such-instance")).unwrap();
    assert_names(&moto.exits(4, "list").err, &["there is no DB instance no-such-instance"]);
    assert_names(&moto.exits(4, "create orders").err, &["DBInstanceNotFound"]);
}
