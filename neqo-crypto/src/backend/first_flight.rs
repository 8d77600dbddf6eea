//! What a server does before its TLS library is asked: it gathers the `ClientHello`, gives it out, and waits for its own
//! transport parameters.

use crate::{
    client_hello::{ClientHello, MAX_CLIENT_HELLO},
    constants::Level,
    error::{Error, Res, alert},
    session::{Event, Events},
};

/// The CRYPTO bytes of a client so far.
#[derive(Debug, Default)]
pub(super) struct FirstFlight {
    bytes: Vec<u8>,
    hello: Option<Hello>,
}

/// What was read in a `ClientHello`.
#[derive(Clone, Debug, Default)]
pub(super) struct Hello {
    /// The client's transport parameters.
    pub(super) params: Vec<u8>,
    /// The name that it asks for.
    pub(super) server_name: Option<String>,
}

impl FirstFlight {
    /// Adds CRYPTO bytes, within bounds (hardening A4), and gives out the `ClientHello` when it is whole.
    pub(super) fn read(&mut self, level: Level, data: &[u8], out: &mut Events) -> Res<()> {
        if level != Level::Initial {
            return Err(Error::ProtocolViolation("CRYPTO data at the wrong level"));
        }
        if self.bytes.len().saturating_add(data.len()) > MAX_CLIENT_HELLO {
            return Err(Error::Alert(alert::DECODE_ERROR));
        }
        self.bytes.extend_from_slice(data);
        if self.hello.is_some() {
            return Ok(());
        }
        let len = ClientHello::message_len(&self.bytes)?;
        let Some(message) = len.and_then(|len| self.bytes.get(..len)) else {
            return Ok(());
        };
        let hello = ClientHello::parse(message)?;
        //= rfc9001#section-8.4
        //# A
        //# server SHOULD treat the receipt of a TLS ClientHello with a non-empty
        //# legacy_session_id field as a connection error of type PROTOCOL_VIOLATION.
        if !hello.session_id().is_empty() {
            return Err(Error::ProtocolViolation("TLS compatibility mode"));
        }
        //= rfc9001#section-8.2
        //# EncryptedExtensions messages without the quic_transport_parameters extension
        //# MUST close the connection with an error of type 0x016d
        let params = hello
            .transport_parameters()
            .ok_or(Error::Alert(alert::MISSING_EXTENSION))?;
        out.push(Event::ClientHello(message.to_vec()));
        out.push(Event::PeerParams(params.to_vec()));
        self.hello = Some(Hello {
            params: params.to_vec(),
            server_name: hello.server_name().map(str::to_owned),
        });
        Ok(())
    }

    /// All bytes so far, and what was read in them; `None` if the `ClientHello` is not whole.
    pub(super) fn take(&mut self) -> Option<(Vec<u8>, Hello)> {
        let hello = self.hello.take()?;
        Some((std::mem::take(&mut self.bytes), hello))
    }
}
