//! Who is calling: bearer tokens, and the one that the config names.

use std::fmt;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use tokio::sync::Mutex;

use super::Holder;
use crate::error::{Error, ErrorKind, Result};
use crate::secret::{Secret, SecretRef};

/// Where a client's tokens come from. Asked before each request: what is known is given at once.
#[async_trait]
pub(crate) trait Tokens: Send + Sync + fmt::Debug {
    /// One that holds, as far as is known.
    async fn token(&self) -> Result<Secret>;

    /// Another one than `refused`, which the server no longer takes; `None` when there is none.
    async fn renew(&self, refused: &Secret) -> Result<Option<Secret>>;

    /// Whose tokens they are, once one was asked for.
    async fn holder(&self) -> Holder;

    /// The project that the calls count for, where the credentials name one.
    async fn quota_project(&self) -> Option<String> {
        None
    }
}

/// The token that the config names, read when it is first needed.
#[derive(Debug)]
pub(crate) struct Static {
    provider: &'static str,
    reference: SecretRef,
    base: PathBuf,
    quota_project: Option<String>,
    known: Mutex<Option<Secret>>,
}

impl Static {
    /// The token at `reference`, whose relative paths start at `base`.
    pub(crate) fn new(provider: &'static str, reference: SecretRef, base: &Path) -> Self {
        Self { provider, reference, base: base.to_owned(), quota_project: None, known: Mutex::default() }
    }

    /// Says which project the calls count for.
    #[must_use]
    pub(crate) fn counted_for(self, quota_project: Option<String>) -> Self {
        Self { quota_project, ..self }
    }

    async fn read(&self) -> Result<Secret> {
        self.checked(self.reference.resolve(&self.base).await?)
    }

    fn checked(&self, secret: Secret) -> Result<Secret> {
        let token = secret.expose();
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            let reason = "it is empty, or has spaces, line breaks or other letters in it that no token has";
            return Err(Error::new(ErrorKind::Permission, self.provider, "use", "the access_token", reason)
                .with_hint("look at what the reference names: a file with one line, a variable that is set"));
        }
        Ok(secret)
    }
}

#[async_trait]
impl Tokens for Static {
    async fn token(&self) -> Result<Secret> {
        let mut known = self.known.lock().await;
        if let Some(token) = &*known {
            return Ok(token.clone());
        }
        Ok(known.insert(self.read().await?).clone())
    }

    /// A file or a command may give a newer one.
    async fn renew(&self, refused: &Secret) -> Result<Option<Secret>> {
        let mut known = self.known.lock().await;
        if let Some(token) = &*known
            && token != refused
        {
            return Ok(Some(token.clone()));
        }
        let token = self.checked(self.reference.resolve_anew(&self.base).await?)?;
        *known = Some(token.clone());
        Ok((token != *refused).then_some(token))
    }

    async fn holder(&self) -> Holder {
        Holder { by: "the access_token of the config".into(), left: None }
    }

    async fn quota_project(&self) -> Option<String> {
        self.quota_project.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_file(folder: &Path) -> Static {
        Static::new("gcp_cloud_sql", SecretRef::File("token".into()), folder)
    }

    #[tokio::test]
    async fn a_token_is_read_once_until_it_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        let tokens = of_file(folder.path());
        std::fs::write(&file, "first\n").unwrap();
        let first = tokens.token().await.unwrap();
        std::fs::write(&file, "second\n").unwrap();
        assert_eq!(tokens.token().await.unwrap(), first);
        let second = tokens.renew(&first).await.unwrap().unwrap();
        assert_eq!(second.expose(), "second");
        // Another call that was refused with the first one.
        std::fs::remove_file(&file).unwrap();
        assert_eq!(tokens.renew(&first).await.unwrap(), Some(second));
    }

    #[tokio::test]
    async fn a_refused_token_that_stays_the_same_is_not_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), "same").unwrap();
        let tokens = of_file(folder.path());
        let token = tokens.token().await.unwrap();
        assert_eq!(tokens.renew(&token).await.unwrap(), None);
    }

    #[tokio::test]
    async fn what_can_be_no_token_is_told_without_it() {
        let folder = tempfile::tempdir().unwrap();
        for text in ["", "ya29.x\r\nX-Evil: 1", "ya29 x", "yä29"] {
            std::fs::write(folder.path().join("token"), text).unwrap();
            let tokens = of_file(folder.path());
            let error = tokens.token().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Permission);
            assert!(!format!("{error} {error:?} {tokens:?}").contains("ya29"), "{error}");
        }
    }
}
