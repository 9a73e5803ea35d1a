//! Whom Google's own tools would be, as a source of tokens.

use async_trait::async_trait;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::look::{Environment, Known};
use crate::error::{Error, Result};
use crate::rest::{Holder, Tokens};
use crate::secret::Secret;

/// For this long nothing is looked for again where nothing was found: forty targets are told at once.
const NOTHING: Duration = Duration::from_secs(30);

/// The credentials that are found: looked for when the first token is needed.
#[derive(Debug)]
pub(super) struct Found {
    environment: Environment,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    known: Option<Known>,
    /// Why there are none, and until when that is believed.
    nothing: Option<(Error, Instant)>,
}

impl Default for Found {
    fn default() -> Self {
        Self::new(Environment::of_process())
    }
}

impl Found {
    pub(super) fn new(environment: Environment) -> Self {
        Self { environment, state: Mutex::default() }
    }

    /// A token of who is known already, or of whoever is found.
    async fn ask(&self, state: &mut State) -> Result<Secret> {
        let known = match &mut state.known {
            Some(known) => known,
            none => {
                if let Some((error, until)) = &state.nothing
                    && Instant::now() < *until
                {
                    return Err(error.repeated());
                }
                match self.environment.look().await {
                    Ok(found) => none.insert(found),
                    Err(error) => {
                        state.nothing = Some((error.repeated(), Instant::now() + NOTHING));
                        return Err(error);
                    }
                }
            }
        };
        known.token().await
    }
}

#[async_trait]
impl Tokens for Found {
    async fn token(&self) -> Result<Secret> {
        self.ask(&mut *self.state.lock().await).await
    }

    /// `gcp_auth` keeps a token until it runs out, so who we are is found once more.
    async fn renew(&self, refused: &Secret) -> Result<Option<Secret>> {
        let mut state = self.state.lock().await;
        let token = self.ask(&mut state).await?;
        if token != *refused {
            return Ok(Some(token));
        }
        state.known = None;
        let token = self.ask(&mut state).await?;
        Ok((token != *refused).then_some(token))
    }

    async fn holder(&self) -> Holder {
        let state = self.state.lock().await;
        let words = |known: &Known| match &known.account {
            Some(account) => format!("{} of {account}", known.what),
            None => known.what.clone(),
        };
        Holder { by: state.known.as_ref().map(words).unwrap_or_default(), left: None }
    }

    async fn quota_project(&self) -> Option<String> {
        self.state.lock().await.known.as_ref()?.quota_project.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::super::look::tests::{nowhere, of_account, token};
    use super::*;
    use crate::error::ErrorKind;
    use crate::rest::scripted::{Answer, Scripted};

    #[tokio::test]
    async fn a_refused_token_is_replaced_by_a_new_one_of_the_same_account() {
        let folder = tempfile::tempdir().unwrap();
        let server = Scripted::start([token("first"), token("second"), token("second")]).await;
        let found = Found::new(of_account(folder.path().join("key.json"), &server));
        assert_eq!(found.quota_project().await, None, "nobody is known before the first token");
        let first = found.token().await.unwrap();
        let second = found.renew(&first).await.unwrap().unwrap();
        assert_eq!((first.expose(), second.expose()), ("first", "second"));
        // Another call that was refused with the first one.
        assert_eq!(found.renew(&first).await.unwrap(), Some(second.clone()));
        assert_eq!(server.asked().len(), 2);
        assert_eq!(found.renew(&second).await.unwrap(), None, "the same one again is none");
        assert_eq!(found.quota_project().await.as_deref(), Some("crm"));
        let by = found.holder().await.by;
        assert!(by.ends_with("key.json of backup@crm.example"), "{by}");
    }

    #[tokio::test(start_paused = true)]
    async fn where_nothing_was_found_it_is_looked_for_again_after_a_while() {
        let mut found = Found::new(nowhere());
        assert_eq!(found.token().await.unwrap_err().kind(), ErrorKind::Permission);
        let folder = tempfile::tempdir().unwrap();
        let server = Scripted::start([] as [Answer; 0]).await;
        found.environment = of_account(folder.path().join("key.json"), &server);
        let error = found.token().await.unwrap_err();
        assert!(error.to_string().contains("no Google credentials") && error.hint().is_some());
        tokio::time::advance(NOTHING).await;
        assert!(found.environment.look().await.is_ok() && found.state.lock().await.known.is_none());
        assert!(!found.token().await.unwrap_err().to_string().contains("no Google credentials"));
    }
}
