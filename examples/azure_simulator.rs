//! The simulator of Azure by itself, for trying by hand:
//!
//! ```text
//! cargo run --example azure_simulator -- --backups 20 > /tmp/azure.toml
//! snapkeep --config /tmp/azure.toml list
//! ```
//!
//! Prints a config with a target for each of its services, and ends with its standard input.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "it is a tool of those who work on snapkeep")]

use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use clap::Parser;
use support::Arm;
use support::arm::{Links, Server, SqlServer, World};

#[expect(dead_code, unused_imports, reason = "the tests use the rest of it")]
#[path = "../tests/it/support"]
mod support {
    pub(crate) mod arm;
    mod chance;
    mod query;
    mod script;
    mod serve;
    mod weather;

    pub(crate) use arm::Arm;
    pub(crate) use query::encoded;
}

/// What there is.
#[derive(Parser)]
struct Arguments {
    /// Backups of each flexible server, six hours apart: one in four automated, one in five by hand, the others owned
    #[arg(long, default_value_t = 6)]
    backups: u32,
    /// How many entries a page has at most
    #[arg(long, default_value_t = 20)]
    page: usize,
    /// How long an answer takes
    #[arg(long, default_value_t = 0)]
    latency_ms: u64,
    /// How many looks at an operation show it as unfinished
    #[arg(long, default_value_t = 2)]
    looks: u32,
    /// One call in so many meets a fault; none unless set
    #[arg(long)]
    fault_one_in: Option<usize>,
    /// Which faults, and when
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Operations are only told of by `Location`
    #[arg(long)]
    only_location: bool,
}

fn main() {
    let arguments = Arguments::parse();
    let arm = Arm::start();
    arm.latency(Duration::from_millis(arguments.latency_ms));
    arm.world(|world| {
        (world.page, world.looks) = (arguments.page, arguments.looks);
        if arguments.only_location {
            world.links = Links::OnlyLocation;
        }
        world.add(Server::mysql("crm-mysql").kept_for(35).with_data("customers"));
        world.add(Server::postgresql("billing-pg").kept_for(35).with_data("invoices"));
        world.add_sql(SqlServer::new("orders-sql"));
        world.add_database("orders-sql", "orders");
        world.write_database("orders", "orders");
        for (server, target) in [("crm-mysql", "crm"), ("billing-pg", "billing")] {
            fill(world, server, target, arguments.backups);
        }
        world.keep("orders", Utc::now() + TimeDelta::days(365));
    });
    if let Some(one_in) = arguments.fault_one_in {
        arm.fail_by_chance(arguments.seed, one_in, 2);
    }
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, Arm::TOKEN).unwrap();
    println!("{}", config(&arm.endpoint(), &token));
    std::io::stdout().flush().unwrap();
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    for finding in arm.take_findings() {
        println!("# {finding}");
    }
}

/// Backups of the past, as if the clock had stood then.
fn fill(world: &mut World, server: &str, target: &str, backups: u32) {
    for number in (0..backups).rev() {
        world.ahead = -TimeDelta::hours(6) * number.cast_signed() - TimeDelta::minutes(5);
        let moment = world.now().format("%Y%m%dt%H%M%Sz");
        match number {
            _ if number % 4 == 0 => drop(world.take_automated(server)),
            _ if number % 5 == 0 => drop(world.take(server, "before-the-release")),
            _ => drop(world.take(server, &format!("sk__{target}__{moment}-{number:04}__k-nightly-{number}"))),
        }
    }
    world.ahead = TimeDelta::zero();
}

fn config(endpoint: &str, token: &Path) -> String {
    let target = |name: &str, provider: &str, server: &str| {
        format!(
            "[targets.{name}]\nprovider = \"{provider}\"\nsubscription_id = \"{}\"\nresource_group = \"{}\"\n\
             server_name = \"{server}\"\nendpoint = \"{endpoint}\"\naccess_token = {{ file = \"{}\" }}\n",
            Arm::SUBSCRIPTION,
            Arm::GROUP,
            token.display()
        )
    };
    [
        "version = 1\n".to_owned(),
        target("crm", "azure_mysql", "crm-mysql"),
        target("billing", "azure_postgresql", "billing-pg"),
        target("orders", "azure_sql", "orders-sql") + "database = \"orders\"\n",
    ]
    .join("\n")
}
