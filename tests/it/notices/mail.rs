//! Mail, to a real server: aiosmtpd.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

use insta::assert_snapshot;
use serde_json::Value;

use super::{notify, run};
use crate::cli::{Bench, Ran};
use crate::support::{variable, variable_or_leave_out};

const PASSWORD: &str = "m4il-p4ssword";

/// A mail server; stopped when dropped.
struct Server {
    child: Child,
    lines: BufReader<ChildStdout>,
    port: u64,
}

impl Server {
    /// `None` where it is not installed.
    fn start(tls: &str, refusals: &str) -> Option<Self> {
        let python = variable_or_leave_out("SK_SMTP_PYTHON")?;
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/notices/smtp.py");
        let mut command = Command::new(python);
        command.args([script, tls, &variable("SK_TLS_CERTIFICATE"), &variable("SK_TLS_KEY"), refusals]);
        if tls != "none" {
            command.env("MAIL_PASSWORD", PASSWORD);
        }
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        let mut server = Self { child, lines, port: 0 };
        server.port = server.next().as_u64().unwrap();
        Some(server)
    }

    /// The next thing that it says.
    fn next(&mut self) -> Value {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Makes a snapshot of which `mail` is told by this server; `more` are keys of the notification.
fn create(server: &Server, more: &str) -> Ran {
    command(server, more, "-o name create notes")
}

fn command(server: &Server, more: &str, line: &str) -> Ran {
    let bench = Bench::new();
    for (file, text) in [("password", PASSWORD), ("wrong", "another-secret")] {
        std::fs::write(bench.path(file), text).unwrap();
    }
    let common = "from = \"Backups <backups@example.com>\"\nto = [\"dba@example.com\", \"Ops <ops@example.com>\"]";
    notify(
        &bench,
        &format!(
            "[notifications.mail]\ntype = \"email\"\non = [\"success\"]\nhost = \"127.0.0.1\"\nport = {}\n{common}\n{more}\n",
            server.port
        ),
    );
    let ran = run(&bench, line);
    assert!(!ran.err.contains(PASSWORD) && !ran.err.contains("another-secret"), "{ran}");
    ran
}

fn trusted(tls: &str, password: &str) -> String {
    let ca = variable("SK_TLS_CA");
    format!("tls = \"{tls}\"\nca_file = \"{ca}\"\nuser = \"backups\"\npassword = {{ file = \"{password}\" }}")
}

/// A mail with stable words for what differs from run to run.
fn stable(mut mail: Value) -> String {
    let body = mail["body"].as_str().unwrap().replace('\r', "");
    let lines: Vec<&str> = body.lines().collect();
    assert!(lines[1].starts_with("notes/20") && lines[2].contains(", run "), "{body}");
    mail["body"] = lines[0].into();
    serde_json::to_string_pretty(&mail).unwrap()
}

#[test]
fn a_mail_goes_by_starttls_after_a_login() {
    let Some(mut server) = Server::start("starttls", "0") else { return };
    assert_snapshot!(create(&server, &trusted("starttls", "password")), @"
    exit 0
    --- stdout
    notes/[ID1]
    --- stderr
    notes: made notes/[ID1] in local, [SIZE], in [DURATION]
    ");
    assert_snapshot!(stable(server.next()), @r#"
    {
      "body": "notes: create succeeded",
      "headers": {
        "Auto-Submitted": "auto-generated",
        "From": "Backups <backups@example.com>",
        "Subject": "snapkeep: notes: create succeeded",
        "To": "dba@example.com, Ops <ops@example.com>"
      },
      "mail_from": "backups@example.com",
      "rcpt_tos": [
        "dba@example.com",
        "ops@example.com"
      ],
      "tls": true,
      "user": "backups"
    }
    "#);
}

#[test]
fn a_mail_goes_by_implicit_tls_or_none() {
    let Some(mut server) = Server::start("implicit", "0") else { return };
    assert_eq!(create(&server, &trusted("implicit", "password")).err.lines().count(), 1);
    let mail = server.next();
    assert_eq!((&mail["tls"], &mail["user"]), (&true.into(), &"backups".into()));
    let Some(mut server) = Server::start("none", "0") else { return };
    assert_eq!(create(&server, "tls = \"none\"").err.lines().count(), 1);
    let mail = server.next();
    assert_eq!((&mail["tls"], &mail["user"]), (&false.into(), &Value::Null));
}

#[test]
fn nothing_is_said_in_the_clear_unless_the_config_says_so() {
    let Some(server) = Server::start("none", "0") else { return };
    assert_snapshot!(create(&server, &trusted("starttls", "password")), @"
    exit 0
    --- stdout
    notes/[ID1]
    --- stderr
    notes: made notes/[ID1] in local, [SIZE], in [DURATION]
    warning: notification mail: cannot tell 127.0.0.1 of the success of create notes: STARTTLS is not supported on this server; try it by `snapkeep doctor`
    ");
}

#[test]
fn a_server_that_is_not_trusted_gets_nothing() {
    let Some(server) = Server::start("starttls", "0") else { return };
    let more = trusted("starttls", "password").replace("ca.pem", "other-ca.pem");
    assert_snapshot!(create(&server, &format!("{more}\nretries = 0")), @"
    exit 0
    --- stdout
    notes/[ID1]
    --- stderr
    notes: made notes/[ID1] in local, [SIZE], in [DURATION]
    warning: notification mail: cannot tell 127.0.0.1 of the success of create notes: invalid peer certificate: UnknownIssuer; try it by `snapkeep doctor`
    ");
}

#[test]
fn a_password_that_is_wrong_is_told_and_not_tried_again() {
    let Some(server) = Server::start("starttls", "0") else { return };
    assert_snapshot!(create(&server, &trusted("starttls", "wrong")), @"
    exit 0
    --- stdout
    notes/[ID1]
    --- stderr
    notes: made notes/[ID1] in local, [SIZE], in [DURATION]
    warning: notification mail: cannot tell 127.0.0.1 of the success of create notes: it answered 535 5.7.8 Authentication credentials invalid; try it by `snapkeep doctor`
    ");
}

#[test]
fn a_mail_that_is_not_taken_now_is_sent_again() {
    let Some(mut server) = Server::start("none", "1") else { return };
    assert_eq!(create(&server, "tls = \"none\"").err.lines().count(), 1);
    assert_eq!(server.next()["headers"]["Subject"], "snapkeep: notes: create succeeded");
}

#[test]
fn doctor_logs_in_and_sends_nothing() {
    let Some(server) = Server::start("starttls", "0") else { return };
    let notification = |ran: &Ran| ran.out.lines().find(|line| line.contains("notification")).unwrap().to_owned();
    let ran = command(&server, &trusted("starttls", "password"), "doctor");
    let shown = notification(&ran).split_whitespace().collect::<Vec<_>>().join(" ");
    let port = server.port;
    assert_eq!(shown, format!("- notification ok mail: 127.0.0.1 takes mail, port {port} as backups"));
    let ran = command(&server, &trusted("starttls", "wrong"), "doctor");
    assert!(notification(&ran).contains("FAILED") && ran.err.contains("535"), "{ran}");
}
