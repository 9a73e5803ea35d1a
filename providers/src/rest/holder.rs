//! Who calls: what is known of a token without a word of the token itself.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::Utc;
use serde::Deserialize;

use super::Client;
use super::said::bounded;
use crate::error::Result;
use crate::model::Check;
use crate::secret::Secret;

/// Letters that are kept of a name.
const NAME: usize = 120;

/// Whose tokens are used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Holder {
    /// What they are had by: `the certificate in /etc/snapkeep/azure.pem`.
    pub(crate) by: String,
    /// How long the last one holds.
    pub(crate) left: Option<Duration>,
}

/// What a token of Microsoft's says of itself. It is read to be shown only, as nobody here can know whether it is true.
/// <https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference>
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Claims {
    tid: Option<String>,
    appid: Option<String>,
    upn: Option<String>,
    exp: Option<i64>,
}

impl Claims {
    /// Of a token that is a JWT; nothing of any other.
    fn of(token: &Secret) -> Self {
        let read = || {
            let body = token.expose().split('.').nth(1)?;
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body).ok()?).ok()
        };
        read().unwrap_or_default()
    }

    fn words(&self) -> Option<String> {
        let who = match (&self.upn, &self.appid) {
            (Some(person), _) => person.clone(),
            (None, Some(application)) => format!("application {application}"),
            (None, None) => return None,
        };
        let tenant = self.tid.as_ref().map(|tenant| format!(" of the tenant {tenant}")).unwrap_or_default();
        Some(bounded(&format!("{who}{tenant}"), NAME))
    }
}

/// The words for it: `subscription x, by the sign-in of az; the token holds for 58 min`.
fn words(account: &str, holder: &Holder, claims: &Claims, now: i64) -> String {
    let who = claims.words().map(|who| format!(", {who}")).unwrap_or_default();
    let told = claims.exp.and_then(|end| u64::try_from(end - now).ok()).map(Duration::from_secs);
    let left = holder.left.or(told).map(|left| format!("; the token holds for {} min", left.as_secs() / 60));
    format!("{account}{who}, by {}{}", holder.by, left.unwrap_or_default())
}

impl Client {
    /// Who calls for `account`, in words; an error where nobody can.
    pub(crate) async fn credentials(&self, account: String) -> Check {
        let asked: Result<String> = async {
            let token = self.0.tokens.token().await?;
            let holder = self.0.tokens.holder().await;
            Ok(words(&account, &holder, &Claims::of(&token), Utc::now().timestamp()))
        }
        .await;
        Check::new("credentials", asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_says_who_calls_and_is_not_shown() {
        let body = r#"{"tid":"t-1","appid":"a-1","exp":1060,"secret":"hunter2"}"#;
        let token = Secret::new(format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(body)));
        let holder = Holder { by: "the sign-in of az".into(), left: None };
        let told = words("subscription s", &holder, &Claims::of(&token), 1000);
        assert_eq!(
            told,
            "subscription s, application a-1 of the tenant t-1, by the sign-in of az; the token holds for 1 min"
        );
        let opaque = words("project p", &holder, &Claims::of(&Secret::new("ya29.x".into())), 0);
        assert_eq!(opaque, "project p, by the sign-in of az");
    }
}
