//! The anti-amplification limit (RFC 9000 §8.1).

/// Until the peer's address is validated, at most this many times what it sent is sent to it.
const FACTOR: u64 = 3;
/// Less than this is no room for a packet: counted as none, so that what cannot be sent is not
/// tried again and again.
const LEAST: usize = 100;

/// How much may be sent to an address.
#[derive(Clone, Copy, Debug)]
pub struct Amplification {
    validated: bool,
    received: u64,
    sent: u64,
}

impl Amplification {
    /// A client sends to the address that its user named: it needs no validation.
    pub const fn new(validated: bool) -> Self {
        Self {
            validated,
            received: 0,
            sent: 0,
        }
    }

    /// The address is the peer's.
    pub const fn validate(&mut self) {
        self.validated = true;
    }

    /// Whether the address is known to be the peer's.
    pub const fn is_validated(&self) -> bool {
        self.validated
    }

    /// A datagram of `n` bytes came from the address.
    pub const fn on_received(&mut self, n: usize) {
        self.received = self.received.saturating_add(n as u64);
    }

    /// A datagram of `n` bytes went to the address.
    pub const fn on_sent(&mut self, n: usize) {
        self.sent = self.sent.saturating_add(n as u64);
    }

    /// How many more bytes may be sent.
    pub fn limit(&self) -> usize {
        if self.validated {
            return usize::MAX;
        }
        //= rfc9000#section-8.1
        //# Prior to validating the client address, servers MUST NOT send more than
        //# three times as many bytes as the number of bytes they have received.
        let left = (self.received.saturating_mul(FACTOR)).saturating_sub(self.sent);
        let left = usize::try_from(left).unwrap_or(usize::MAX);
        if left < LEAST { 0 } else { left }
    }

    /// Whether nothing can be sent.
    pub fn is_blocked(&self) -> bool {
        self.limit() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::Amplification;

    //= rfc9000#section-8.1 type=test
    //# Prior to validating the client address, servers MUST NOT send more than
    //# three times as many bytes as the number of bytes they have received.
    // hardening A21
    #[test]
    fn three_times_until_validated() {
        let mut a = Amplification::new(false);
        assert_eq!(a.limit(), 0);
        a.on_received(1200);
        assert_eq!(a.limit(), 3600);
        a.on_sent(3000);
        assert_eq!(a.limit(), 600);
        a.on_sent(550);
        assert_eq!(a.limit(), 0, "no room for a packet");
        assert!(a.is_blocked());
        a.on_sent(3000);
        assert_eq!(a.limit(), 0);
        a.validate();
        assert_eq!(a.limit(), usize::MAX);
    }
}
