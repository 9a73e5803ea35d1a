//! AWS RDS: DB instances, and Aurora and Multi-AZ clusters.

use std::sync::Arc;

use crate::aws::Clients;
use crate::error::{Error, ErrorKind, Result};
use crate::model::TargetName;
use crate::settings::AwsRds;
use crate::{Found, Provider};

pub(crate) fn identity(settings: &AwsRds) -> String {
    settings.region.clone()
}

pub(crate) async fn open(target: &TargetName, _: &AwsRds, _: &Clients, _: &[String]) -> Result<Arc<dyn Provider>> {
    Err(Error::new(ErrorKind::Unsupported, "aws_rds", "open", target, "not yet"))
}

pub(crate) async fn discover(_: &AwsRds, _: &Clients) -> Result<Vec<Found>> {
    Err(Error::new(ErrorKind::Unsupported, "aws_rds", "discover", "databases", "not yet"))
}
