//! The protocol client: everything that is said to the platform, and what its
//! answers mean. `docs/protocol.md` tells it in the order of a run.
//!
//! Start with [`Reader`] and [`Writer`] (the calls), then `send` (repeats, pace,
//! token), then `http` (one exchange; the only file that names `ureq`). Bytes go
//! through [`transfer`] and [`session`]. Nothing here decides what to do about a
//! failure beyond one request or one session.

mod answer;
mod bodies;
mod body;
mod endpoint;
mod error;
mod http;
mod lane;
pub mod limits;
mod listing;
mod md5;
mod model;
mod pacer;
#[doc(hidden)]
pub mod probes;
mod proxy;
mod reader;
mod request;
mod retry;
mod send;
pub mod session;
mod settings;
mod stats;
#[cfg(test)]
mod tests;
mod token;
pub mod transfer;
mod trial;
mod variable;
mod width;
mod wire;
mod words;
mod writer;

pub(crate) use endpoint::encode_segment;
pub use endpoint::{AddressError, Endpoint, Origin};
pub use error::{ApiError, ApiErrorKind, Method};
pub use http::{Notice, NoticeError, SetupError};
pub use model::*;
pub use pacer::RateLimit;
pub use proxy::ProxySettings;
pub use reader::Reader;
pub use retry::{Call, RetryPolicy, Wait, WaitReason};
pub use send::Http;
pub use session::{OpenSession, open_session, send_session, session_status};
pub use settings::HttpSettings;
pub use stats::{HttpStats, Latency};
pub use token::TokenSource;
pub use transfer::{TransferError, TransferSource, Transferred, put_plain};
pub use writer::Writer;
