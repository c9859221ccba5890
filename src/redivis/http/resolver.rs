//! Names to addresses, looked up once a minute.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

use crate::redivis::limits;

/// Looks a name up once a minute instead of once per request, and again after a
/// connection failed.
#[derive(Debug, Clone, Default)]
pub(super) struct CachingResolver {
    known: Arc<Mutex<Known>>,
}

/// Addresses by host and port, with the time of their look-up.
type Known = BTreeMap<String, (Instant, Vec<SocketAddr>)>;

impl CachingResolver {
    fn key(uri: &Uri) -> Option<String> {
        DefaultResolver::host_and_port(uri.scheme()?, uri.authority()?)
    }

    pub(super) fn forget(&self, url: &str) {
        if let Some(key) = url.parse().ok().as_ref().and_then(Self::key) {
            self.lock().remove(&key);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Resolver for CachingResolver {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let Some(key) = Self::key(uri) else {
            return Err(ureq::Error::HostNotFound);
        };
        if let Some((at, addresses)) = self.lock().get(&key)
            && at.elapsed() < limits::RESOLVE_AGE
        {
            let mut found = self.empty();
            for address in addresses {
                found.push(*address);
            }
            return Ok(found);
        }
        let found = DefaultResolver::default().resolve(uri, config, timeout)?;
        let kept = found.iter().copied().collect();
        self.lock().insert(key, (Instant::now(), kept));
        Ok(found)
    }
}
