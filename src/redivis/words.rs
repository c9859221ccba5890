//! A server's own words about a failure, from whatever it sent: both of the
//! platform's JSON shapes, the storage's XML, a proxy's HTML, plain text.

use super::limits::MESSAGE_CHARS;
use super::wire::ErrorBody;
use crate::base::Secret;

/// What a failing answer says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Words {
    pub(super) code: Option<String>,
    pub(super) message: Option<String>,
    pub(super) scope: Option<String>,
}

impl Words {
    /// A sentence of ours.
    pub(super) fn plain(text: impl Into<String>) -> Self {
        Self {
            message: Some(text.into()),
            ..Self::default()
        }
    }

    /// Without secrets of ours: a server or a proxy may repeat the request that it
    /// did not like.
    pub(super) fn without(mut self, secrets: &Secrets<'_>) -> Self {
        for text in [&mut self.code, &mut self.message, &mut self.scope] {
            *text = text.take().map(|text| secrets.hide(text));
        }
        self
    }

    /// From an error's body, of which the end may be missing.
    pub(super) fn of_body(body: &[u8]) -> Self {
        if let Ok(parsed) = serde_json::from_slice::<ErrorBody>(body) {
            let (code, message, scope) = parsed.into_parts();
            return Self {
                code: code.as_deref().and_then(tidy),
                message: message.as_deref().and_then(tidy),
                scope: scope.as_deref().and_then(tidy),
            };
        }
        let text = String::from_utf8_lossy(body);
        if let Some(message) = element(&text, "Message") {
            return Self {
                code: element(&text, "Code").and_then(tidy),
                message: tidy(message),
                scope: None,
            };
        }
        let message = if text.trim_start().starts_with('<') {
            element(&text, "title")
                .and_then(tidy)
                .or_else(|| tidy(&first_text(&text)))
        } else {
            tidy(&text)
        };
        Self {
            message,
            ..Self::default()
        }
    }
}

/// What a request held that nobody else may read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Secrets<'a> {
    pub(super) token: Option<&'a Secret>,
    /// Of a signed address; what signs it is in there.
    pub(super) query: Option<&'a str>,
}

impl Secrets<'_> {
    /// A text with dots in place of what is secret.
    pub(super) fn hide(&self, mut text: String) -> String {
        let token = self.token.map(Secret::reveal);
        for secret in [token, self.query].into_iter().flatten() {
            if !secret.is_empty() && text.contains(secret) {
                text = text.replace(secret, "..");
            }
        }
        // What is shortened may hold the beginning of one.
        let ends = [token, self.query]
            .into_iter()
            .flatten()
            .find_map(|secret| {
                let shortened = text.strip_suffix("..")?;
                (8..secret.len())
                    .rev()
                    .filter_map(|length| secret.get(..length))
                    .find_map(|start| shortened.strip_suffix(start).map(str::to_owned))
            });
        ends.map_or(text, |start| format!("{start}.."))
    }
}

/// What stands in the first `<name>` element.
fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>"))
        .map(|(inner, _)| inner)
}

/// The text of a page without its tags.
fn first_text(page: &str) -> String {
    page.split('<')
        .filter_map(|piece| piece.split_once('>').map(|(_, text)| text))
        .filter(|text| !text.trim().is_empty())
        .take(3)
        .collect::<Vec<_>>()
        .join(" ")
}

/// One line without control characters, shortened; `None` when nothing is left.
fn tidy(text: &str) -> Option<String> {
    let mut line = String::new();
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()) {
        if word.is_empty() {
            continue;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if line.chars().count() > MESSAGE_CHARS {
        line = line.chars().take(MESSAGE_CHARS).collect();
        line.push_str("..");
    }
    (!line.is_empty()).then_some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Code, message and scope, `-` for none.
    fn words(body: &str) -> [String; 3] {
        let Words {
            code,
            message,
            scope,
        } = Words::of_body(body.as_bytes());
        [code, message, scope].map(|text| text.unwrap_or_else(|| "-".to_owned()))
    }

    #[test]
    fn both_json_shapes_are_read() {
        assert_eq!(
            words(
                r#"{"status":403,"error":"insufficient_scope","error_description":"No.","scope":"data.edit","amr_values":["x"]}"#
            ),
            ["insufficient_scope", "No.", "data.edit"]
        );
        assert_eq!(
            words(r#"{"error":{"message":"Too many requests","status":429}}"#),
            ["-", "Too many requests", "-"]
        );
    }

    #[test]
    fn xml_html_and_text_give_their_first_words() {
        assert_eq!(
            words(
                "<?xml version='1.0'?><Error><Code>ExpiredToken</Code><Message>The token has\nexpired.</Message></Error>"
            ),
            ["ExpiredToken", "The token has expired.", "-"]
        );
        assert_eq!(
            words("<html><head><title>502 Bad Gateway</title></head><body>x</body></html>"),
            ["-", "502 Bad Gateway", "-"]
        );
        assert_eq!(
            words("<html><body><h1>Sorry</h1> <p>down</p></body></html>"),
            ["-", "Sorry down", "-"]
        );
        assert_eq!(
            words("upstream\r\n\u{1b}[31mgone"),
            ["-", "upstream [31mgone", "-"]
        );
        assert_eq!(words(""), ["-", "-", "-"]);
    }

    #[test]
    fn a_secret_that_is_repeated_to_us_is_hidden_also_where_it_is_cut() {
        let token = Secret::new("tok-1234567890");
        let secrets = Secrets {
            token: Some(&token),
            query: Some("sig=abcdefghij"),
        };
        for (text, wanted) in [
            (
                "Bearer tok-1234567890 and tok-1234567890",
                "Bearer .. and ..",
            ),
            ("PUT /x?sig=abcdefghij HTTP/1.1", "PUT /x?.. HTTP/1.1"),
            ("it was tok-123456..", "it was .."),
            ("nothing of ours", "nothing of ours"),
        ] {
            assert_eq!(secrets.hide(text.to_owned()), wanted);
        }
    }

    #[test]
    fn long_texts_are_shortened() {
        let [_, message, _] = words(&"é".repeat(2 * MESSAGE_CHARS));

        assert_eq!(message.chars().count(), MESSAGE_CHARS + 2);
    }
}
