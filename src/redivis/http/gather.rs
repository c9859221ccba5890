//! The head of a request and the first of its body in one write: small bodies then
//! take one packet and wake the server once.

use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};

/// Longer heads go out at once.
const MOST_HELD: usize = 8 << 10;

/// On top of all others.
#[derive(Debug)]
pub(super) struct GatherConnector;

impl<In: Transport> Connector<In> for GatherConnector {
    type Out = Gather<In>;

    fn connect(
        &self,
        _: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Gather<In>>, ureq::Error> {
        Ok(chained.map(|inner| Gather {
            inner,
            held: Vec::new(),
            was_sent: false,
        }))
    }
}

#[derive(Debug)]
pub(super) struct Gather<T> {
    inner: T,
    /// A head that did not go out yet.
    held: Vec<u8>,
    /// Something went out, or is held, since an answer was last waited for.
    was_sent: bool,
}

impl<T: Transport> Transport for Gather<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        let output = self.inner.buffers().output();
        if !std::mem::replace(&mut self.was_sent, true) && amount <= MOST_HELD {
            self.held.extend_from_slice(&output[..amount]);
            return Ok(());
        }
        let head = self.held.len();
        if head + amount <= output.len() {
            output.copy_within(..amount, head);
            output[..head].copy_from_slice(&self.held);
            self.held.clear();
            return self.inner.transmit_output(head + amount, timeout);
        }
        let body = output[..amount].to_vec();
        self.flush(timeout)?;
        self.inner.buffers().output()[..amount].copy_from_slice(&body);
        self.inner.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.flush(timeout)?;
        self.was_sent = false;
        self.inner.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}

impl<T: Transport> Gather<T> {
    /// Sends a head alone.
    fn flush(&mut self, timeout: NextTimeout) -> Result<(), ureq::Error> {
        let head = self.held.len();
        if head == 0 {
            return Ok(());
        }
        self.inner.buffers().output()[..head].copy_from_slice(&self.held);
        self.held.clear();
        self.inner.transmit_output(head, timeout)
    }
}
