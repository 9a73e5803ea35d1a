//! Values of config for a person to take over.

use crate::secret::SecretRef;

/// A TOML string. What JSON escapes TOML escapes the same.
pub(crate) fn toml_text(value: &str) -> String {
    serde_json::Value::from(value).to_string()
}

/// A reference to a secret, as the config has it.
pub(crate) fn toml_secret(secret: &SecretRef) -> String {
    let (name, value) = match secret {
        SecretRef::Env(name) => ("env", toml_text(name)),
        SecretRef::File(path) => ("file", toml_text(&path.display().to_string())),
        SecretRef::Command(words) => {
            ("command", format!("[{}]", words.iter().map(|word| toml_text(word)).collect::<Vec<_>>().join(", ")))
        }
    };
    format!("{{ {name} = {value} }}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_written_as_the_config_has_it() {
        assert_eq!(toml_secret(&SecretRef::Env("TOKEN".into())), r#"{ env = "TOKEN" }"#);
        assert_eq!(toml_secret(&SecretRef::File("/run/a \"b\"".into())), r#"{ file = "/run/a \"b\"" }"#);
        let command = SecretRef::Command(vec!["gcloud".into(), "auth".into()]);
        assert_eq!(toml_secret(&command), r#"{ command = ["gcloud", "auth"] }"#);
    }
}
