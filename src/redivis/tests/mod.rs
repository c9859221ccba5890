//! The client against scripted servers on real sockets: what goes out, what is
//! repeated, what is believed.

mod calls;
mod files;
mod load;
mod script;
mod sending;
mod sessions;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::base::{CancelToken, DatasetRef, Secret, TableRef};

use self::script::Script;
use super::{
    Call, Http, HttpSettings, ProxySettings, Reader, RetryPolicy, TokenSource, Wait, Writer,
};

/// A client of this server whose waits take no time.
fn settings(server: &Script) -> HttpSettings {
    HttpSettings {
        endpoint: format!("{}/api/v1", server.base()).parse().unwrap(),
        token: TokenSource::fixed(Secret::new("tok-123")),
        ca_cert: None,
        proxy: ProxySettings::default(),
        connections: 4,
        timeout: Duration::from_secs(20),
        tps_limit: None,
        bandwidth: None,
        retry: RetryPolicy {
            scale: 0.0,
            ..RetryPolicy::default()
        },
        agent_comment: "run (7)\r\nX: y".to_owned(),
        now_ms: || 1_800_000_000_000,
    }
}

fn writer_with(settings: HttpSettings) -> Writer {
    Writer::new(Reader::new(Arc::new(Http::new(settings).unwrap())))
}

fn writer(server: &Script) -> Writer {
    writer_with(settings(server))
}

fn table() -> TableRef {
    TableRef::parse("me.survey:next.scans", None).unwrap()
}

fn dataset() -> DatasetRef {
    "me.survey".parse().unwrap()
}

/// A call that remembers its waits and counts its bytes.
#[derive(Default)]
struct Watch {
    cancel: CancelToken,
    waits: Mutex<Vec<Wait>>,
    bytes: Mutex<u64>,
}

impl Watch {
    fn run<T>(&self, work: impl FnOnce(&Call<'_>) -> T) -> T {
        work(&Call {
            cancel: &self.cancel,
            on_wait: &|wait| self.waits.lock().unwrap().push(*wait),
            on_bytes: &|bytes| *self.bytes.lock().unwrap() += bytes,
        })
    }

    fn waits(&self) -> Vec<Wait> {
        self.waits.lock().unwrap().clone()
    }
}

fn quietly<T>(work: impl FnOnce(&Call<'_>) -> T) -> T {
    Watch::default().run(work)
}
