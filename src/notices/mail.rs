//! Notifications by mail.

use std::path::Path;
use std::time::Duration;

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::AsyncSmtpTransport;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncTransport, Tokio1Executor};
use snapkeep_providers::ErrorKind;
use snapkeep_providers::secret::Secret;

use super::fault::{Fault, last_cause};
use super::notice::Notice;
use super::ready::authorities;
use super::words;
use crate::config::{Email, MailTls, Notification};
use crate::failure::Failure;

/// A mail server, and who writes to whom.
pub(super) struct Server {
    host: String,
    port: u16,
    user: Option<String>,
    password: Option<Secret>,
    limit: Duration,
    from: Mailbox,
    to: Vec<Mailbox>,
    transport: AsyncSmtpTransport<Tokio1Executor>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("host", &self.host).finish_non_exhaustive()
    }
}

impl Server {
    pub(super) fn new(
        settings: &Notification,
        email: &Email,
        base: &Path,
        password: Option<Secret>,
    ) -> Result<Self, Failure> {
        let mailbox = |text: &String| text.parse::<Mailbox>().map_err(|_| Failure::usage("it is no mail address"));
        let limit = settings.limit();
        let name = crate::lock::host();
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&email.host)
            .port(email.port())
            .timeout(Some(limit))
            .hello_name(ClientId::Domain(name))
            .tls(tls(settings, email, base)?);
        if let (Some(user), Some(password)) = (&email.user, &password) {
            builder = builder.credentials(Credentials::new(user.clone(), password.expose().to_owned()));
        }
        Ok(Self {
            host: email.host.clone(),
            port: email.port(),
            user: email.user.clone(),
            password,
            limit,
            from: mailbox(&email.from)?,
            to: email.to.iter().map(mailbox).collect::<Result<_, _>>()?,
            transport: builder.build(),
        })
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Sends it once.
    pub(super) async fn send(&self, notice: &Notice) -> Result<(), Fault> {
        let message = message(&self.from, &self.to, notice).map_err(|error| Fault::last(last_cause(&error)))?;
        let sent = tokio::time::timeout(self.limit, self.transport.send(message)).await;
        sent.map_err(|_| self.too_slow())?.map(drop).map_err(|error| self.fault(&error))
    }

    /// Connects and logs in, and sends nothing.
    pub(super) async fn reach(&self) -> Result<String, Fault> {
        let tried = tokio::time::timeout(self.limit, self.transport.test_connection()).await;
        let works = tried.map_err(|_| self.too_slow())?.map_err(|error| self.fault(&error))?;
        let user = self.user.as_ref().map(|user| format!(" as {user}")).unwrap_or_default();
        if works { Ok(format!("port {}{user}", self.port)) } else { Err(Fault::last("it hung up")) }
    }

    fn too_slow(&self) -> Fault {
        Fault::passing(format!("no answer within {} s", self.limit.as_secs()), None)
    }

    fn fault(&self, error: &lettre::transport::smtp::Error) -> Fault {
        let cause = last_cause(error);
        let reason = match error.status() {
            Some(code) => format!("it answered {code} {cause}"),
            None => cause,
        };
        let reason = match self.password.as_ref().map(Secret::expose).filter(|password| !password.is_empty()) {
            Some(password) => reason.replace(password, "***"),
            None => reason,
        };
        let reason = crate::render::visible(&reason.replace('\n', " "));
        if error.is_permanent() || error.is_client() || error.is_response() || error.is_tls() {
            Fault::last(reason)
        } else {
            Fault::passing(reason, None)
        }
    }
}

fn tls(settings: &Notification, email: &Email, base: &Path) -> Result<Tls, Failure> {
    if email.tls == MailTls::None {
        return Ok(Tls::None);
    }
    let mut builder = TlsParameters::builder(email.host.clone());
    let failed = |error| Failure::new(ErrorKind::Failed, last_cause(&error));
    if let Some(pem) = authorities(settings, base)? {
        builder = builder.add_root_certificate(Certificate::from_pem(&pem).map_err(failed)?);
    }
    let parameters = builder.build().map_err(failed)?;
    Ok(if email.tls == MailTls::Implicit { Tls::Wrapper(parameters) } else { Tls::Required(parameters) })
}

/// No machine answers it: RFC 3834.
fn message(from: &Mailbox, to: &[Mailbox], notice: &Notice) -> Result<Message, lettre::error::Error> {
    let automatic = HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".into());
    let mut builder = Message::builder()
        .from(from.clone())
        .subject(format!("snapkeep: {}", words::title(notice)))
        .message_id(Some(format!("<{}.{}@{}>", notice.run_id, notice.event.word(), from.email.domain())))
        .date(notice.at.into())
        .raw_header(automatic)
        .header(ContentType::TEXT_PLAIN);
    for mailbox in to {
        builder = builder.to(mailbox.clone());
    }
    builder.body(words::text(notice))
}

#[cfg(test)]
mod tests {
    use super::super::notice::tests::notice;
    use super::*;
    use crate::config::Event;

    #[test]
    fn a_mail_says_what_became_of_it() {
        let from = "Backups <backups@example.com>".parse().unwrap();
        let to = ["dba@example.com".parse().unwrap(), "Ops <ops@example.com>".parse().unwrap()];
        let items = vec![serde_json::json!({ "id": "notes/1" })];
        let message = message(&from, &to, &notice(Event::Success, items, Vec::new())).unwrap();
        let text = String::from_utf8(message.formatted()).unwrap().replace('\r', "");
        insta::assert_snapshot!(text, @"
        From: Backups <backups@example.com>
        Subject: snapkeep: notes: create succeeded
        Message-ID: <00000000-0000-4000-8000-000000000000.success@example.com>
        Date: Thu, 01 Jan 1970 00:00:00 +0000
        Auto-Submitted: auto-generated
        Content-Type: text/plain; charset=utf-8
        To: dba@example.com, Ops <ops@example.com>
        Content-Transfer-Encoding: 7bit

        notes: create succeeded
        notes/1
        on db1, after 3s, run 00000000-0000-4000-8000-000000000000
        ");
    }
}
