//! Tries notifications without telling anybody anything.

use std::time::Duration;

use futures::future::join_all;
use snapkeep_providers::ErrorKind;
use tokio::time::timeout;

use super::{Addressee, Notices};
use crate::config::Config;
use crate::failure::Failure;

/// Whether each notification of a config could be sent, by its name: its secrets are read, its host is asked, a mail server is
/// logged in to, each within `limit`. Nothing is sent that counts as a ping or a message.
pub(crate) async fn check(config: &Config, limit: Duration) -> Vec<(String, Result<String, Failure>)> {
    let notices = Notices::of(config);
    let checks = notices.addressees.iter().map(|addressee| async {
        let reached = timeout(limit, reach(addressee)).await;
        let too_slow = || of(addressee, Failure::new(ErrorKind::Unavailable, "no answer in time"));
        (addressee.name.clone(), reached.unwrap_or_else(|_| Err(too_slow())))
    });
    join_all(checks).await
}

async fn reach(addressee: &Addressee) -> Result<String, Failure> {
    let ready = addressee.ready().await.map_err(|failure| of(addressee, failure))?;
    ready.reach().await.map_err(|fault| {
        let message = format!("cannot reach {}: {}", ready.host(), fault.reason);
        let failure = of(addressee, Failure::new(ErrorKind::Unavailable, message));
        failure.with_hint(fault.hint.unwrap_or_else(|| "check its address, and the network in between".into()))
    })
}

fn of(addressee: &Addressee, failure: Failure) -> Failure {
    Failure { message: format!("notification {}: {}", addressee.name, failure.message), ..failure }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::parse;

    async fn checked(text: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener); // nobody is there
        std::fs::write(folder.path().join("url"), format!("http://{address}/secret-path")).unwrap();
        std::fs::write(folder.path().join("text"), "secret-path").unwrap();
        let text = text.replace("PORT", &address.port().to_string());
        let config = parse(&format!("version = 1\n{text}"), Path::new(&folder.path().join("c.toml"))).unwrap();
        let lines = check(&config, Duration::from_secs(30)).await.into_iter().map(|(name, result)| {
            let failure = result.unwrap_err();
            let [folder, hint] = [folder.path().display().to_string(), failure.hint.unwrap_or_default()];
            format!("{name}: {} {}; {hint}", failure.code, failure.message).replace(&folder, "[DIR]")
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    #[tokio::test]
    async fn what_can_not_be_sent_says_why_and_shows_no_secret() {
        let text = "
            [notifications.dead]
            type = \"webhook\"
            url = { file = \"url\" }
            [notifications.mail]
            type = \"email\"
            host = \"127.0.0.1\"
            port = PORT
            tls = \"none\"
            from = \"a@example.com\"
            to = [\"b@example.com\"]
            [notifications.no-address]
            type = \"slack\"
            url = { file = \"text\" }
            [notifications.no-authority]
            type = \"slack\"
            url = { file = \"url\" }
            ca_file = \"text\"
            [notifications.no-secret]
            type = \"healthchecks\"
            url = { file = \"nothing\" }";
        insta::assert_snapshot!(checked(text).await, @"
        dead: unavailable notification dead: cannot reach 127.0.0.1: Connection refused (os error 111); check its address, and the network in between
        mail: unavailable notification mail: cannot reach 127.0.0.1: Connection refused (os error 111); check its address, and the network in between
        no-address: config notification no-address: what `url` refers to is no address; it begins with https:// or http://
        no-authority: config notification no-authority: its `ca_file` [DIR]/text can't be used: there is no certificate in PEM in it; 
        no-secret: permission notification no-secret: config: cannot read the secret from file [DIR]/nothing: it can't be read;
        ");
    }
}
