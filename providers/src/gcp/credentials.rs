//! Whom Google's own tools would be: application default credentials, found by `gcp_auth`.

use std::fmt;

use async_trait::async_trait;

use crate::error::Result;
use crate::rest::Tokens;
use crate::secret::Secret;

/// The credentials that were found; looked for once, when they are first needed.
#[derive(Default)]
pub(super) struct Found;

impl fmt::Debug for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Found")
    }
}

#[async_trait]
impl Tokens for Found {
    async fn token(&self) -> Result<Secret> {
        Err(crate::Error::new(crate::ErrorKind::Permission, "gcp_cloud_sql", "find", "credentials", "not yet"))
    }

    async fn renew(&self, _refused: &Secret) -> Result<Option<Secret>> {
        Ok(None)
    }
}
