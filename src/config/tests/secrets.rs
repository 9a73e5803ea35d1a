//! No message repeats a secret, whatever is wrong with the file around it.

use std::path::Path;

use super::super::parse;
use super::complaint;

const REFUSED: [&str; 8] = [
    "\"hunter2\"",
    "'''hunter2'''",
    "[\"hunter2\"]",
    "{ literal = \"hunter2\" }",
    "{ env = \"A\", value = \"hunter2\" }",
    "{ hunter2 = true }",
    "{ env = [\"hunter2\"] }",
    "{ command = \"hunter2\" }",
];

#[test]
fn a_literal_is_refused_with_the_three_forms() {
    let text = "version = 1\n[defaults]\npassword = \"hunter2\"\naccess_token = { command = [] }\n";
    insta::assert_snapshot!(complaint(text), @r#"
    snapkeep.toml:3:12: "password" in defaults must be a reference to a secret, never the secret itself
      hint: write { env = "NAME" }, { file = "/run/secrets/x" } or { command = ["vault", "kv", "get", "-field=password", "secret/om"] }
    snapkeep.toml:4:28: "command" in defaults.access_token is empty
    "#);
}

#[test]
fn no_message_repeats_what_stands_for_a_secret() {
    for value in REFUSED {
        for key in ["password", "passwort", "access_token"] {
            let complaint = complaint(&format!("version = 1\n[defaults]\n{key} = {value}\n"));
            assert!(!complaint.contains("hunter2"), "{complaint}");
        }
    }
}

/// A file that breaks off anywhere, or has a character too many anywhere.
#[test]
fn no_syntax_error_repeats_a_secret() {
    let text = "version = 1\n[targets.om]\nprovider = \"mysql\"\npassword = \"hunter2\"\nhost = \"db\"\n";
    for at in 0..text.len() {
        let mut variants = vec![text[..at].to_owned()];
        for extra in ["\"", "'", "=", "\n", "\\", "{", "]", "\u{1}", "5"] {
            variants.push(format!("{}{extra}{}", &text[..at], &text[at..]));
        }
        for variant in variants {
            let Err(error) = parse(&variant, Path::new("snapkeep.toml")) else { continue };
            let said = format!("{error} {error:?}");
            assert!(!said.contains("hunter2"), "{variant}\n{said}");
        }
    }
}
