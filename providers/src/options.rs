//! What a restored thing is to be like where `--set NAME=VALUE` says so: the text of people as the JSON of a cloud.

use serde_json::Value;

use crate::model::RestoreOptions;

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Text,
    Number,
    /// A number of 64 bits, which is text in Google's JSON.
    NumberAsText,
    /// `true` or `false`.
    Switch,
    /// `Enabled` or `Disabled`, as Azure writes it; people may write `true` and `false`.
    Enabled,
}

/// An option: its name, its place as `a/b/c`, and how its value is written.
pub(crate) type Known = (&'static str, &'static str, Form);

/// Sets the options in what a cloud is told. Those that there are beside the `known` ones are named where one is not known.
pub(crate) fn apply(
    told: &mut Value,
    options: &RestoreOptions,
    known: &[Known],
    beside: &[&'static str],
) -> Result<(), String> {
    for (name, text) in options {
        let Some((_, path, form)) = known.iter().find(|(known, ..)| known == name) else {
            return Err(unknown(name, known.iter().map(|(name, ..)| *name).chain(beside.iter().copied())));
        };
        set(told, path, value(name, text, *form)?);
    }
    Ok(())
}

/// Sets a value at `a/b/c`.
fn set(told: &mut Value, path: &str, value: Value) {
    let mut at = told;
    for part in path.split('/') {
        if !at[part].is_object() && !at[part].is_null() {
            at[part] = Value::Null;
        }
        at = &mut at[part];
    }
    *at = value;
}

/// A value as it is written.
pub(crate) fn value(name: &str, text: &str, form: Form) -> Result<Value, String> {
    let switch = match text.to_ascii_lowercase().as_str() {
        "true" => Some(true),
        "false" => Some(false),
        "enabled" if form == Form::Enabled => Some(true),
        "disabled" if form == Form::Enabled => Some(false),
        _ => None,
    };
    match (form, text.parse::<u64>(), switch) {
        (Form::Text, ..) if text.is_empty() => Err(format!("the option {name} is empty")),
        (Form::Text, ..) | (Form::NumberAsText, Ok(_), _) => Ok(text.into()),
        (Form::Number, Ok(number), _) => Ok(number.into()),
        (Form::Number | Form::NumberAsText, Err(_), _) => Err(format!("{name} is a number, not {text:?}")),
        (Form::Switch, _, Some(on)) => Ok(on.into()),
        (Form::Enabled, _, Some(on)) => Ok(if on { "Enabled" } else { "Disabled" }.into()),
        (Form::Switch | Form::Enabled, _, None) => Err(format!("{name} is true or false, not {text:?}")),
    }
}

/// That there is no such option.
pub(crate) fn unknown<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> String {
    format!("there is no option {name}; there are {}", known.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_is_written_as_the_cloud_reads_it() {
        for (text, form, written) in [
            ("7", Form::Text, json!("7")),
            ("7", Form::Number, json!(7)),
            ("7", Form::NumberAsText, json!("7")),
            ("true", Form::Switch, json!(true)),
            ("False", Form::Enabled, json!("Disabled")),
            ("enabled", Form::Enabled, json!("Enabled")),
        ] {
            assert_eq!(value("x", text, form), Ok(written), "{text} {form:?}");
        }
        for (text, form) in [
            ("", Form::Text),
            ("-1", Form::Number),
            ("1.5", Form::NumberAsText),
            ("yes", Form::Switch),
            ("enabled", Form::Switch),
            ("", Form::Enabled),
        ] {
            assert!(value("x", text, form).unwrap_err().contains("x is"), "{text} {form:?}");
        }
    }

    #[test]
    fn what_is_not_known_is_told_with_what_is() {
        let known: &[Known] = &[("a", "p/q", Form::Text), ("b", "p/r", Form::Number)];
        let mut told = json!({ "p": { "q": "old", "s": 1 } });
        let options = |name: &str| RestoreOptions::from([(name.to_owned(), "5".to_owned())]);
        apply(&mut told, &options("b"), known, &[]).unwrap();
        assert_eq!(told, json!({ "p": { "q": "old", "r": 5, "s": 1 } }));
        let error = apply(&mut told, &options("c"), known, &["from"]).unwrap_err();
        assert_eq!(error, "there is no option c; there are a, b, from");
    }
}
