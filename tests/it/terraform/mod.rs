//! Terraform: the protocol of its `external` data source, and the examples with a real Terraform.

mod examples;
mod protocol;

pub(crate) use protocol::ask;
