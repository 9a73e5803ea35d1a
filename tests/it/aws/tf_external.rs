//! What Terraform is told of RDS.

use insta::assert_snapshot;

use super::cloud::{Cloud, owned};
use crate::cli::CloudBench;
use crate::support::rds::{Fault, Trouble};
use crate::terraform::ask;

#[test]
fn a_page_that_can_not_be_had_is_one_line_and_no_answer() {
    let mut cloud = Cloud::of_instance("");
    cloud.attempts = 1;
    for day in 1..=3 {
        cloud.take(&format!("sk-{day}"), |new| owned(new).at(&format!("2025-10-0{day}T02:00:00Z")));
    }
    let tell = |cloud: &Cloud| {
        cloud.shown(&ask(cloud.bench(), &mut cloud.command(), "tf-external", "{\"target\":\"orders\"}"))
    };
    assert_snapshot!(tell(&cloud), @r#"
    exit 0
    --- stdout
    {"completed_at":"","created_at":"[TIME]","encrypted":"false","engine":"postgres","engine_version":"16.4","expires_at":"","held":"false","hold_reason":"","hold_until":"","id":"orders/sk-3","key":"","location":"eu-central-1","locked_until":"","native_id":"sk-3","origin":"owned","provider":"aws_rds","provider_state":"available","size_bytes":"","state":"available","tags":"{}","target":"orders","verified":"","verified_at":"","verified_level":""}
    "#);
    cloud.rds.world(|world| world.page = 2);
    cloud.rds.fail(Trouble::on("DescribeDBSnapshots", Fault::Throttled).with("Marker").always());
    cloud.exits(3, "latest orders");
    assert_snapshot!(tell(&cloud), @"
    exit 6
    --- stderr
    error: the list of orders is incomplete: aws_rds: cannot list orders in eu-central-1: AWS throttles this account's calls; caused by: Throttling: Rate exceeded; hint: try again later
    ");
    assert_eq!(cloud.rds.changes(), []);
}
