//! The simulator of Cloud SQL by itself, for trying by hand and for benchmarks:
//!
//! ```text
//! cargo run --release --example cloud_sql_simulator -- --backups 5000
//! ```
//!
//! Prints its URL, which a target's `endpoint` takes with the access token `test-token`, and ends with its standard input.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "it is a tool of those who work on snapkeep")]

use std::io::Read;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use clap::Parser;
use support::SqlAdmin;
use support::sqladmin::Instance;

#[expect(dead_code, unused_imports, reason = "the tests use the rest of it")]
#[path = "../tests/it/support"]
mod support {
    mod chance;
    mod needed;
    mod query;
    mod script;
    mod serve;
    pub(crate) mod sqladmin;
    mod weather;

    pub(crate) use chance::Chance;
    pub(crate) use needed::leave_out;
    pub(crate) use sqladmin::SqlAdmin;
}

/// What there is.
#[derive(Parser)]
struct Arguments {
    /// Projects, separated by commas
    #[arg(long, value_delimiter = ',', default_value = SqlAdmin::PROJECT)]
    projects: Vec<String>,
    /// Instances of each project, separated by commas
    #[arg(long, value_delimiter = ',', default_value = "orders")]
    instances: Vec<String>,
    /// Backups of each instance, six hours apart: one in four automated, one in five by hand, the others owned
    #[arg(long, default_value_t = 10)]
    backups: u32,
    /// How many entries a page has at most
    #[arg(long, default_value_t = 20)]
    page: usize,
    /// How long an answer takes
    #[arg(long, default_value_t = 0)]
    latency_ms: u64,
    /// How many looks at an operation show it as unfinished
    #[arg(long, default_value_t = 1)]
    looks: u32,
}

fn main() {
    let arguments = Arguments::parse();
    let admin = SqlAdmin::start();
    admin.latency(Duration::from_millis(arguments.latency_ms));
    admin.world(|world| {
        (world.page, world.looks) = (arguments.page, arguments.looks);
        world.projects.clone_from(&arguments.projects);
        for project in &arguments.projects {
            for name in &arguments.instances {
                world.add(Instance::new(name).in_project(project));
            }
        }
    });
    for project in &arguments.projects {
        for name in &arguments.instances {
            fill(&admin, project, name, arguments.backups);
        }
    }
    println!("{}", admin.endpoint());
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    drop(admin.take_findings());
}

fn fill(admin: &SqlAdmin, project: &str, instance: &str, backups: u32) {
    admin.world(|world| {
        for number in 0..backups {
            let moment = Utc::now() - TimeDelta::hours(6) * number.cast_signed() - TimeDelta::minutes(5);
            let backup = world.backup_in(project, instance).at(&moment.to_rfc3339());
            let owned = format!("snapkeep target={instance} call=c{number:07} key=nightly-{number}");
            let backup = match number {
                _ if number % 4 == 0 => backup.by("AUTOMATED"),
                _ if number % 5 == 0 => backup.described("before the release"),
                _ => backup.described(&owned),
            };
            world.take(backup);
        }
    });
}
