//! Addresses: the API's base, origins, what may carry the token, and how path
//! segments are written. Parsing is strict on purpose: what two parsers could
//! read in two ways is refused.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// The API's base address, such as `https://redivis.com/api/v1`.
///
/// Invariant: https, or http to a loopback host; no user name, query or
/// fragment; no slash at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    base: String,
    origin: Origin,
}

impl Endpoint {
    /// The platform itself (docs: rest-api/general-structure).
    pub const DEFAULT: &'static str = "https://redivis.com/api/v1";

    /// The base, without a slash at the end.
    pub fn as_str(&self) -> &str {
        &self.base
    }

    /// Where it is.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Whether it is on this machine.
    pub fn is_loopback(&self) -> bool {
        self.origin.is_loopback()
    }

    /// The whole address of a path that starts with a slash.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}

impl FromStr for Endpoint {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let base = text.trim().trim_end_matches('/');
        let origin = Origin::of(base)?;
        if base.contains(['?', '#']) {
            return Err(AddressError::new("an API address has no query"));
        }
        if !origin.is_private() {
            return Err(AddressError::new(
                "plain http is only allowed to this machine; write `https://`",
            ));
        }
        Ok(Self {
            base: base.to_owned(),
            origin,
        })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.base)
    }
}

/// Scheme, host and port: what decides about the token, the proxy and the pacing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    https: bool,
    host: String,
    port: u16,
}

impl Origin {
    /// Of an absolute http(s) address. User names, blanks, backslashes, control
    /// and non-ASCII characters are refused.
    pub fn of(url: &str) -> Result<Self, AddressError> {
        let good = |c: u8| c.is_ascii_graphic() && !matches!(c, b'\\' | b'<' | b'>' | b'"');
        if !url.bytes().all(good) {
            return Err(AddressError::new(
                "it has a character that cannot stand in an address",
            ));
        }
        let (https, rest) = match url.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (true, rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (false, rest),
            _ => {
                return Err(AddressError::new(
                    "it must start with `https://` or `http://`",
                ));
            }
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.contains('@') {
            return Err(AddressError::new("it must not hold a user name"));
        }
        let (host, port) = split_port(authority)?;
        let port = match port {
            None => {
                if https {
                    443
                } else {
                    80
                }
            }
            Some(digits) => digits
                .parse()
                .ok()
                .filter(|port| *port > 0 && digits.bytes().all(|c| c.is_ascii_digit()))
                .ok_or(AddressError::new("its port is not a number"))?,
        };
        Ok(Self {
            https,
            host: checked_host(host)?,
            port,
        })
    }

    /// The host, in lower case; an IPv6 address has its brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether it is this machine.
    pub fn is_loopback(&self) -> bool {
        if let Some(inner) = self.host.strip_prefix('[') {
            return inner
                .trim_end_matches(']')
                .parse::<Ipv6Addr>()
                .is_ok_and(|ip| ip.is_loopback());
        }
        self.host == "localhost"
            || self
                .host
                .parse::<Ipv4Addr>()
                .is_ok_and(|ip| ip.is_loopback())
    }

    /// Whether nobody between here and there can read along.
    pub(super) fn is_private(&self) -> bool {
        self.https || self.is_loopback()
    }

    /// Whether a request to `self` may carry the token of the API at `api`:
    /// the API's own origin, or the platform's hosts over https; never from an
    /// API on this machine to elsewhere (contract 9.6).
    pub(super) fn may_have_token_of(&self, api: &Self) -> bool {
        if self == api {
            return self.is_private();
        }
        let platform = self.host == "redivis.com" || self.host.ends_with(".redivis.com");
        !api.is_loopback() && self.https && platform
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.https { "https" } else { "http" };
        let usual = if self.https { 443 } else { 80 };
        if self.port == usual {
            write!(f, "{scheme}://{}", self.host)
        } else {
            write!(f, "{scheme}://{}:{}", self.host, self.port)
        }
    }
}

fn split_port(authority: &str) -> Result<(&str, Option<&str>), AddressError> {
    let after_host = match authority.rfind(']') {
        Some(end) => authority.split_at(end + 1),
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    match after_host {
        (host, "") => Ok((host, None)),
        (host, rest) => rest
            .strip_prefix(':')
            .map(|port| (host, Some(port)))
            .ok_or(AddressError::new("its host cannot be read")),
    }
}

fn checked_host(host: &str) -> Result<String, AddressError> {
    let refused = || AddressError::new("its host cannot be read");
    if let Some(inner) = host.strip_prefix('[') {
        let inner = inner.strip_suffix(']').ok_or_else(refused)?;
        return inner
            .parse::<Ipv6Addr>()
            .map(|ip| format!("[{ip}]"))
            .ok()
            .ok_or_else(refused);
    }
    let good = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'-' | b'_');
    if host.is_empty() || !host.bytes().all(good) {
        return Err(refused());
    }
    Ok(host.to_ascii_lowercase())
}

/// An address that is not used, and why. It never quotes the address, which may
/// hold a signature or a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the address cannot be used: {why}")]
pub struct AddressError {
    why: &'static str,
}

impl AddressError {
    pub(super) const fn new(why: &'static str) -> Self {
        Self { why }
    }
}

/// Checks a `uri` of an answer: a path that stays under the API's base (contract
/// 2.2). Whatever else a server sends is not followed.
pub(super) fn checked_path(text: &str) -> Result<String, AddressError> {
    if !text.starts_with('/') {
        return Err(AddressError::new("a resource's `uri` must be a path"));
    }
    let bad = |c: char| c.is_control() || c.is_whitespace() || matches!(c, '?' | '#' | '\\');
    if text.contains("//") || text.chars().any(bad) {
        return Err(AddressError::new(
            "a resource's `uri` has a character that cannot stand in a path",
        ));
    }
    let climbs = |segment: &str| {
        let plain = segment.to_ascii_lowercase().replace("%2e", ".");
        plain == ".." || plain == "."
    };
    let hidden_slash = text.to_ascii_lowercase().contains("%2f");
    if hidden_slash || text.split('/').any(climbs) {
        return Err(AddressError::new("a resource's `uri` leaves its folder"));
    }
    Ok(encode(text, b"/%"))
}

/// A path segment, percent-encoded. `:` stays, as in the platform's own `uri`s.
pub(crate) fn encode_segment(text: &str) -> String {
    encode(text, b"")
}

fn encode(text: &str, also: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        let plain =
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b':');
        if plain || also.contains(&byte) {
            out.push(char::from(byte));
        } else {
            const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
            out.push('%');
            out.push(char::from(DIGITS[usize::from(byte >> 4)]));
            out.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
    out
}

/// Percent-decoding, for the header that carries an error's JSON.
pub(super) fn decode(text: &str) -> Vec<u8> {
    let digit = |c: &u8| {
        char::from(*c)
            .to_digit(16)
            .and_then(|d| u8::try_from(d).ok())
    };
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let high = bytes.get(at + 1).and_then(digit);
        let low = bytes.get(at + 2).and_then(digit);
        if let (b'%', Some(high), Some(low)) = (byte, high, low) {
            out.push(high << 4 | low);
            at += 3;
        } else {
            out.push(byte);
            at += 1;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::model::ResourceUri;
    use super::*;

    fn origin(text: &str) -> Origin {
        Origin::of(text).unwrap()
    }

    #[test]
    fn an_endpoint_is_https_or_on_this_machine() {
        for text in [
            "https://redivis.com/api/v1",
            "https://stanford.redivis.com/api/v1/",
            "http://localhost:8080/api/v1",
            "http://127.0.0.1:1/api/v1",
            "http://[::1]:1/api/v1",
        ] {
            assert!(text.parse::<Endpoint>().is_ok(), "{text}");
        }
        for text in [
            "http://redivis.com/api/v1",
            "http://localhost.evil.example/api",
            "http://127.0.0.1.evil.example/api",
            "https://me:pw@redivis.com/api",
            "https://redivis.com/api?x=1",
            "ftp://redivis.com",
            "redivis.com/api/v1",
            "https://",
            "https://redivis.com:0/",
            "https://redivis.com:+1/",
            "https://redi\\vis.com/",
            "https://redivis.com%2eevil.example/",
        ] {
            assert!(text.parse::<Endpoint>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_endpoint_has_no_slash_at_its_end() {
        let endpoint: Endpoint = "https://Redivis.com/api/v1//".parse().unwrap();

        assert_eq!(endpoint.url("/x"), "https://Redivis.com/api/v1/x");
        assert_eq!(endpoint.origin().to_string(), "https://redivis.com");
    }

    #[test]
    fn the_token_stays_on_its_origin() {
        let api = origin("https://redivis.com/api/v1");
        let local = origin("http://localhost:1/api/v1");
        let other = origin("https://redivis.example.org/api");

        for (target, of, may) in [
            ("https://redivis.com:443/x", &api, true),
            ("https://data.redivis.com/x", &api, true),
            ("https://evilredivis.com/x", &api, false),
            ("https://redivis.com.evil.example/x", &api, false),
            ("http://redivis.com/x", &api, false),
            ("https://storage.googleapis.com/x", &api, false),
            ("http://localhost:1/x", &local, true),
            ("http://localhost:2/x", &local, false),
            ("http://127.0.0.1:1/x", &local, false),
            ("https://redivis.com/x", &local, false),
            ("https://redivis.example.org/y", &other, true),
            ("https://redivis.example.org:8443/y", &other, false),
        ] {
            assert_eq!(origin(target).may_have_token_of(of), may, "{target}");
        }
        let plain = origin("http://redivis.example.org/api");
        assert!(!plain.may_have_token_of(&plain));
        assert!(Origin::of("https://redivis.com@evil.example/").is_err());
    }

    #[test]
    fn a_resource_s_address_stays_under_the_api() {
        for text in [
            "/tables/demo.cms:ye2v:v2_0.drug_era:0576",
            "/tables/me.x:next.t/uploads/a%20b",
        ] {
            assert_eq!(ResourceUri::new(text).unwrap().as_str(), text);
        }
        assert_eq!(
            ResourceUri::new("/tables/é").unwrap().as_str(),
            "/tables/%C3%A9"
        );
        for text in [
            "",
            "tables/x",
            "https://evil.example/x",
            "//evil.example/x",
            "/tables/../datasets/x",
            "/tables/%2E%2e/x",
            "/tables/a%2fb",
            "/tables/x?y=1",
            "/tables/x#y",
            "/tables/x\r\nHost: evil",
            "/tables\\x",
        ] {
            assert!(ResourceUri::new(text).is_err(), "{text}");
        }
    }

    #[test]
    fn segments_are_percent_encoded_and_decode_again() {
        assert_eq!(
            encode_segment("me.a b:next.é/?"),
            "me.a%20b:next.%C3%A9%2F%3F"
        );
        assert_eq!(decode("%7B%22a%22%3a1%7D%"), b"{\"a\":1}%");
    }
}
