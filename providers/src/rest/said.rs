//! What the body of a refusal says, whoever wrote it: a cloud, or a proxy on the way.

use serde::Deserialize;

use crate::secret::Secret;

/// Letters that are kept of what a server said.
pub(super) const MESSAGE: usize = 500;
/// Letters that are kept of a code, and how many codes are.
const CODE: usize = 100;
const CODES: usize = 20;

/// What a body says went wrong.
pub(super) struct Said {
    pub(super) codes: Vec<String>,
    pub(super) message: String,
}

/// The bodies of Google and of Azure: `{error: {code, message, status, errors: [{reason}], details: [{reason | code}]}}`.
#[derive(Deserialize)]
struct Body {
    error: Detail,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Detail {
    /// A number of Google's, a word of Azure's.
    code: serde_json::Value,
    message: Option<String>,
    status: Option<String>,
    reason: Option<String>,
    errors: Vec<Self>,
    details: Vec<Self>,
}

impl Said {
    pub(super) fn in_body(body: &[u8], token: &Secret) -> Self {
        let plain = |text: &str, limit| bounded(&text.replace(token.expose(), "***"), limit);
        let Ok(Body { error }) = serde_json::from_slice(body) else {
            return Self { codes: Vec::new(), message: plain(&of_page(&String::from_utf8_lossy(body)), MESSAGE) };
        };
        let Detail { code, message, status, reason, errors, details } = error;
        let inner = errors.into_iter().chain(details);
        let reasons = inner.flat_map(|inner| [inner.reason, inner.code.as_str().map(ToOwned::to_owned)]);
        let outer = [reason, code.as_str().map(ToOwned::to_owned), status];
        let mut codes: Vec<String> = Vec::new();
        for code in reasons.chain(outer).flatten().take(CODES).map(|code| plain(&code, CODE)) {
            if !code.is_empty() && !codes.contains(&code) {
                codes.push(code);
            }
        }
        Self { codes, message: plain(&message.unwrap_or_default(), MESSAGE) }
    }
}

/// The title of a page of HTML, as proxies send them; any other text as it is.
pub(crate) fn of_page(text: &str) -> String {
    let title = || {
        let (_, rest) = text.split_once("<title>")?;
        Some(rest.split_once("</title>")?.0.to_owned())
    };
    title().unwrap_or_else(|| text.to_owned())
}

/// One line without control characters.
pub(crate) fn bounded(text: &str, limit: usize) -> String {
    let spaced: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    let line = spaced.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(limit) {
        Some((end, _)) => format!("{}...", line[..end].trim_end()),
        None => line,
    }
}
