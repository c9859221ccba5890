//! Proxies from the environment, as `curl` reads them: by scheme, either case,
//! `NO_PROXY` with names, suffixes and `*`. This machine is never proxied, since
//! the sandbox lives here.

use std::net::IpAddr;

use crate::base::Secret;

/// The proxies to use. Their addresses may hold a password.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    https: Option<Secret>,
    http: Option<Secret>,
    exempt: Vec<String>,
}

impl Proxies {
    /// From variables.
    pub fn of<'a>(variable: impl Fn(&str) -> Option<&'a str>) -> Self {
        let either = |name: &str| {
            let found = variable(name).or_else(|| variable(&name.to_ascii_uppercase()));
            found.map(str::trim).filter(|value| !value.is_empty())
        };
        let all = either("all_proxy");
        let secret = |name| either(name).or(all).map(Secret::new);
        Self {
            https: secret("https_proxy"),
            http: secret("http_proxy"),
            exempt: either("no_proxy")
                .unwrap_or_default()
                .split([',', ' '])
                .map(|name| name.trim().trim_start_matches('.').to_ascii_lowercase())
                .filter(|name| !name.is_empty())
                .collect(),
        }
    }

    /// Whether there is none at all.
    pub fn is_empty(&self) -> bool {
        self.https.is_none() && self.http.is_none()
    }

    /// The proxy for a host, without brackets or port, of an address of this
    /// scheme.
    pub fn of_host(&self, scheme: &str, host: &str) -> Option<&Secret> {
        let host = host.to_ascii_lowercase();
        let is_local = host == "localhost"
            || host
                .parse::<IpAddr>()
                .is_ok_and(|address| address.is_loopback());
        if is_local || self.exempt.iter().any(|name| covers(name, &host)) {
            return None;
        }
        match scheme {
            "https" => self.https.as_ref(),
            "http" => self.http.as_ref(),
            _ => None,
        }
    }

    /// The hosts that are reached directly: each with its subdomains.
    pub fn exempt(&self) -> &[String] {
        &self.exempt
    }
}

fn covers(name: &str, host: &str) -> bool {
    let is_below = || {
        host.strip_suffix(name)
            .is_some_and(|rest| rest.ends_with('.'))
    };
    name == "*" || name == host || is_below()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(variables: &[(&'static str, &'static str)]) -> Proxies {
        Proxies::of(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| *value)
        })
    }

    fn chosen(proxies: &Proxies, scheme: &str, host: &str) -> Option<String> {
        proxies
            .of_host(scheme, host)
            .map(|secret| secret.reveal().to_owned())
    }

    #[test]
    fn each_scheme_has_its_own_proxy() {
        let proxies = proxies(&[
            ("HTTPS_PROXY", "http://one:3128"),
            ("http_proxy", "http://two:3128"),
        ]);

        assert_eq!(
            chosen(&proxies, "https", "redivis.com").unwrap(),
            "http://one:3128"
        );
        assert_eq!(
            chosen(&proxies, "http", "redivis.com").unwrap(),
            "http://two:3128"
        );
    }

    #[test]
    fn one_proxy_can_serve_all() {
        let proxies = proxies(&[("ALL_PROXY", "http://one:3128"), ("https_proxy", "")]);

        assert_eq!(
            chosen(&proxies, "https", "redivis.com").unwrap(),
            "http://one:3128"
        );
        assert_eq!(
            chosen(&proxies, "http", "redivis.com").unwrap(),
            "http://one:3128"
        );
    }

    #[test]
    fn exempt_hosts_are_read_as_curl_reads_them() {
        let proxies = proxies(&[
            ("https_proxy", "http://one:3128"),
            ("no_proxy", "example.com, .corp.org,10.0.0.1 other.net"),
        ]);

        for host in [
            "example.com",
            "API.example.com",
            "a.corp.org",
            "corp.org",
            "10.0.0.1",
            "other.net",
        ] {
            assert_eq!(chosen(&proxies, "https", host), None, "{host}");
        }
        for host in ["myexample.com", "example.com.evil.net", "10.0.0.11"] {
            assert!(chosen(&proxies, "https", host).is_some(), "{host}");
        }
    }

    #[test]
    fn this_machine_is_never_proxied() {
        let proxies = proxies(&[("all_proxy", "http://one:3128")]);

        for host in ["localhost", "127.0.0.1", "127.3.2.1", "::1"] {
            assert_eq!(chosen(&proxies, "http", host), None, "{host}");
        }
    }

    #[test]
    fn a_star_exempts_everything() {
        let proxies = proxies(&[("all_proxy", "http://one:3128"), ("NO_PROXY", "*")]);

        assert_eq!(chosen(&proxies, "https", "redivis.com"), None);
        assert!(!proxies.is_empty());
    }
}
