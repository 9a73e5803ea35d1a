//! Lines of config for a person to take over.

/// A TOML string. What JSON escapes TOML escapes the same.
pub(crate) fn toml_text(value: &str) -> String {
    serde_json::Value::from(value).to_string()
}
