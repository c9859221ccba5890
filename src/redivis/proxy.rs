//! Which proxy, and for which hosts. The rules are those that people know from
//! curl; ureq's own reading of the variables differs in every detail.

use super::endpoint::Origin;

/// The texts of the usual variables, read by whoever may read the environment.
///
/// There is no `http_proxy`: plain http is only ever spoken to this machine, and
/// that never goes through a proxy.
#[derive(Clone, Default)]
pub struct ProxySettings {
    /// `https_proxy`.
    pub https_proxy: Option<String>,
    /// `all_proxy`, used when the former is not set.
    pub all_proxy: Option<String>,
    /// `no_proxy`: hosts separated by commas or blanks; a host covers its
    /// subdomains; `*` covers all.
    pub no_proxy: Option<String>,
}

impl std::fmt::Debug for ProxySettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProxySettings")
            .field("is_set", &self.address().is_some())
            .field("no_proxy", &self.no_proxy)
            .finish_non_exhaustive()
    }
}

impl ProxySettings {
    /// The proxy's address, if there is one.
    pub(super) fn address(&self) -> Option<&str> {
        let set =
            |text: &Option<String>| text.as_deref().is_some_and(|text| !text.trim().is_empty());
        [&self.https_proxy, &self.all_proxy]
            .into_iter()
            .find(|text| set(text))
            .and_then(Option::as_deref)
    }

    /// Whether requests to `target` go through it.
    pub(super) fn covers(&self, target: &Origin) -> bool {
        if self.address().is_none() || target.is_loopback() {
            return false;
        }
        let host = target.host().trim_matches(['[', ']']);
        let exempt = |entry: &str| {
            let entry = entry.trim_matches(['[', ']']).to_ascii_lowercase();
            let entry = entry.strip_prefix('*').unwrap_or(&entry);
            let bare = entry.trim_start_matches('.').trim_end_matches('.');
            let is_subdomain = host
                .strip_suffix(bare)
                .is_some_and(|front| front.ends_with('.'));
            bare.is_empty() || host == bare || is_subdomain
        };
        !self
            .no_proxy
            .as_deref()
            .unwrap_or_default()
            .split([',', ' ', '\t'])
            .filter(|entry| !entry.is_empty())
            .any(exempt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(no_proxy: &str, url: &str) -> bool {
        let settings = ProxySettings {
            https_proxy: Some(String::new()),
            all_proxy: Some("http://proxy.example:3128".to_owned()),
            no_proxy: Some(no_proxy.to_owned()),
        };
        settings.covers(&Origin::of(url).unwrap())
    }

    #[test]
    fn exemptions_are_read_as_curl_reads_them() {
        for (no_proxy, url, covered) in [
            ("", "https://redivis.com/x", true),
            ("example.org, redivis.com", "https://redivis.com/x", false),
            ("redivis.com", "https://data.redivis.com/x", false),
            (".redivis.com", "https://data.redivis.com/x", false),
            ("*.redivis.com", "https://data.redivis.com/x", false),
            ("redivis.com", "https://myredivis.com/x", true),
            ("*", "https://redivis.com/x", false),
            ("Redivis.COM", "https://redivis.com/x", false),
            ("::1,10.0.0.7", "https://10.0.0.7/x", false),
        ] {
            assert_eq!(covers(no_proxy, url), covered, "{no_proxy} {url}");
        }
    }

    #[test]
    fn this_machine_never_goes_through_a_proxy() {
        assert!(!covers("", "http://127.0.0.1:8080/x"));
        assert!(!covers("", "http://localhost/x"));
    }

    #[test]
    fn a_proxy_s_password_is_not_shown() {
        let settings = ProxySettings {
            https_proxy: Some("http://me:secret@proxy.example".to_owned()),
            ..ProxySettings::default()
        };

        assert!(!format!("{settings:?}").contains("secret"));
    }
}
