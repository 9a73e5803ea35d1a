//! Whom Azure's own tools would be, as a source of tokens.
//!
//! Written here and not taken from `azure_identity`: that wants OpenSSL for certificates, and goes on to the next way where one
//! fails, so that a secret that has run out on a machine of Azure's becomes that machine's identity, in silence. With us what is
//! named and doesn't work is an error.

use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::error::{Error, Result};
use crate::rest::{Connections, Holder, Tokens};
use crate::secret::Secret;

mod answer;
mod application;
mod az;
mod certificate;
mod environment;
mod identity;
mod refusal;
#[cfg(test)]
mod tests;

use answer::Token;
pub(super) use environment::Environment;
use environment::Way;

/// What errors are of: all of Azure's providers share this.
const AZURE: &str = "azure";
/// For this long nothing is asked for again where there was no token: forty targets are told at once.
const FAILED: Duration = Duration::from_secs(30);
/// With less than this left, a token is replaced before it is over.
const SOON: Duration = Duration::from_secs(300);

/// The credentials that are found: looked for when the first token is needed.
#[derive(Debug)]
pub(super) struct Found {
    environment: Environment,
    http: Connections,
    /// Where applications sign in.
    authority: String,
    /// What a token is to be good for: `https://management.azure.com/.default`.
    scope: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    known: Option<Way>,
    token: Option<Token>,
    /// Why there was no token, and until when that is believed.
    failed: Option<(Error, Instant)>,
}

impl Found {
    /// Those of `environment`, for `scope`; applications sign in at `authority`.
    pub(super) fn new(environment: Environment, http: &Connections, authority: String, scope: String) -> Self {
        Self { environment, http: http.clone(), authority, scope, state: Mutex::default() }
    }

    /// Another token than the one that is known.
    async fn ask(&self, state: &mut State) -> Result<Secret> {
        if let Some((error, until)) = &state.failed
            && Instant::now() < *until
        {
            return Err(error.repeated());
        }
        let asked = match &state.known {
            Some(way) => way.ask(&self.http, &self.scope).await.and_then(|token| token.ok_or_else(|| way.is_gone())),
            None => self.look().await.map(|(way, token)| {
                state.known = Some(way);
                token
            }),
        };
        match asked {
            Ok(token) => {
                state.failed = None;
                Ok(state.token.insert(token).text.clone())
            }
            Err(error) => {
                state.failed = Some((error.repeated(), Instant::now() + FAILED));
                Err(error)
            }
        }
    }

    /// The first way that names somebody, and a token of it.
    async fn look(&self) -> Result<(Way, Token)> {
        let mut absent = Vec::new();
        for way in self.environment.ways(&self.authority)? {
            match way.ask(&self.http, &self.scope).await? {
                Some(token) => return Ok((way, token)),
                None => absent.push(way.absence()),
            }
        }
        Err(self.environment.nobody(&absent))
    }
}

#[async_trait]
impl Tokens for Found {
    /// One that is renewed in time; where that fails, the old one to its end.
    async fn token(&self) -> Result<Secret> {
        let mut state = self.state.lock().await;
        let now = Instant::now();
        let held = state.token.as_ref().filter(|token| now < token.until);
        match held.map(|token| (token.text.clone(), now + SOON < token.until)) {
            Some((text, true)) => Ok(text),
            Some((text, false)) => Ok(self.ask(&mut state).await.unwrap_or(text)),
            None => self.ask(&mut state).await,
        }
    }

    async fn renew(&self, refused: &Secret) -> Result<Option<Secret>> {
        let mut state = self.state.lock().await;
        if let Some(Token { text, .. }) = &state.token
            && text != refused
        {
            return Ok(Some(text.clone()));
        }
        let token = self.ask(&mut state).await?;
        Ok((token != *refused).then_some(token))
    }

    async fn holder(&self) -> Holder {
        let state = self.state.lock().await;
        let left = state.token.as_ref().map(|token| token.until.saturating_duration_since(Instant::now()));
        Holder { by: state.known.as_ref().map(Way::what).unwrap_or_default(), left }
    }
}
