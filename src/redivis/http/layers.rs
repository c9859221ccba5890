//! What stands between ureq and the socket: one layer right above TCP that keeps
//! early answers, and one on top that tells what was sent.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};

use crate::redivis::body::Progress;
use crate::redivis::limits;

/// Right above TCP: a reset while sending is remembered, the rest of the body is
/// swallowed, and the answer that the server sent before closing is read as
/// usual. Otherwise a 401 to an upload would look like a fault of the network.
#[derive(Debug)]
pub(super) struct EarlyConnector;

impl<In: Transport> Connector<In> for EarlyConnector {
    type Out = Early<In>;

    fn connect(
        &self,
        _: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Early<In>>, ureq::Error> {
        Ok(chained.map(|inner| Early {
            inner,
            cut: None,
            was_put_back: false,
        }))
    }
}

#[derive(Debug)]
pub(super) struct Early<T> {
    inner: T,
    cut: Option<io::Error>,
    /// It was asked whether it is open since it was last used.
    was_put_back: bool,
}

impl<T: Transport> Transport for Early<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        use io::ErrorKind::{BrokenPipe, ConnectionReset};
        self.was_put_back = false;
        if self.cut.is_some() {
            return Ok(());
        }
        match self.inner.transmit_output(amount, timeout) {
            Err(ureq::Error::Io(error)) if matches!(error.kind(), BrokenPipe | ConnectionReset) => {
                self.cut = Some(error);
                Progress::cut();
                Ok(())
            }
            other => other,
        }
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        match self.inner.await_input(timeout) {
            Ok(true) => Ok(true),
            other => self.cut.take().map_or(other, |error| Err(error.into())),
        }
    }

    /// Asked when the connection is put back, right after its answer, and again before
    /// it is used. Only then the socket is asked: that costs three system calls.
    fn is_open(&mut self) -> bool {
        let was_put_back = std::mem::replace(&mut self.was_put_back, true);
        self.cut.is_none() && (!was_put_back || self.inner.is_open())
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}

/// On top: counts connections, and tells when bytes of a request go out. What
/// goes out below it may be a handshake.
#[derive(Debug)]
pub(super) struct MarkConnector {
    pub(super) is_proxied: bool,
    pub(super) connections: Arc<AtomicU64>,
}

impl<In: Transport> Connector<In> for MarkConnector {
    type Out = Mark<In>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Mark<In>>, ureq::Error> {
        // The chain also runs for the connection to the proxy itself.
        let to_proxy = self.is_proxied && details.config.proxy().is_none();
        if chained.is_some() && !to_proxy {
            self.connections.fetch_add(1, Ordering::Relaxed);
            Progress::connected();
        }
        Ok(chained.map(|inner| Mark { inner, to_proxy }))
    }
}

#[derive(Debug)]
pub(super) struct Mark<T> {
    inner: T,
    to_proxy: bool,
}

impl<T: Transport> Transport for Mark<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        if !self.to_proxy {
            Progress::sent();
        }
        self.inner.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        // A head that fills the buffer would look like a closed connection.
        let buffers = self.inner.buffers();
        if buffers.input_append_buf().is_empty() {
            let full = buffers.input().len();
            return Err(ureq::Error::LargeResponseHeader(full, full));
        }
        let before = buffers.input().len();
        let more = self.inner.await_input(timeout)?;
        let after = self.inner.buffers().input().len();
        Progress::arrived(after.saturating_sub(before) as u64);
        // Trailers and interim answers are read without handing anything on, as
        // long as there are more of them.
        let progress = Progress::now();
        if progress.arrived > limits::ARRIVED_CAP {
            let (most, all) = (limits::ARRIVED_CAP, progress.arrived);
            let [most, all] = [most, all].map(|n| usize::try_from(n).unwrap_or(usize::MAX));
            return Err(ureq::Error::LargeResponseHeader(all, most));
        }
        if progress.due.is_some_and(|due| Instant::now() > due) {
            return Err(ureq::Error::Timeout(ureq::Timeout::RecvBody));
        }
        Ok(more)
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}
