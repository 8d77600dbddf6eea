//! What a host chooses.

pub(crate) mod limits;

use neqo_transport::ConnectionParameters;

use crate::{core, settings::Settings};

/// The ALPN token of HTTP/3 (RFC 9114, Section 3.1).
pub(crate) const ALPN: &str = "h3";

/// How a client or a server behaves.
#[derive(Clone, Debug)]
pub struct Http3Parameters {
    connection: ConnectionParameters,
    qpack: neqo_qpack::Settings,
    max_field_section_size: u64,
    connect: bool,
    grease: bool,
}

impl Default for Http3Parameters {
    fn default() -> Self {
        Self {
            connection: ConnectionParameters::default(),
            qpack: neqo_qpack::Settings::default(),
            max_field_section_size: limits::MAX_FIELD_SECTION_SIZE,
            connect: false,
            grease: true,
        }
    }
}

impl Http3Parameters {
    /// The transport's parameters.
    #[must_use]
    pub fn connection_parameters(mut self, v: ConnectionParameters) -> Self {
        self.connection = v;
        self
    }

    /// The transport's parameters.
    #[must_use]
    pub const fn get_connection_parameters(&self) -> &ConnectionParameters {
        &self.connection
    }

    /// The transport's parameters alone.
    #[must_use]
    pub fn into_connection_parameters(self) -> ConnectionParameters {
        self.connection
    }

    /// How fields are compressed.
    #[must_use]
    pub const fn qpack(mut self, v: neqo_qpack::Settings) -> Self {
        self.qpack = v;
        self
    }

    /// How fields are compressed.
    #[must_use]
    pub const fn get_qpack_settings(&self) -> &neqo_qpack::Settings {
        &self.qpack
    }

    /// The largest header or trailer section that is accepted, in bytes as RFC 9114, Section 4.2.2 counts them; below
    /// 2^62. The default is 256 KiB.
    #[must_use]
    pub fn max_field_section_size(mut self, v: u64) -> Self {
        self.max_field_section_size = v.min(neqo_common::MAX_VARINT);
        self
    }

    /// The largest header or trailer section that is accepted, in bytes.
    #[must_use]
    pub const fn get_max_field_section_size(&self) -> u64 {
        self.max_field_section_size
    }

    /// Whether a server accepts extended CONNECT (RFC 9220). Off by default.
    #[must_use]
    pub const fn connect(mut self, v: bool) -> Self {
        self.connect = v;
        self
    }

    /// Whether a server accepts extended CONNECT.
    #[must_use]
    pub const fn connect_enabled(&self) -> bool {
        self.connect
    }

    /// Whether a reserved setting, frame and stream are sent (RFC 9114, Sections 6.2.3, 7.2.4.1 and 7.2.8), so that
    /// nobody comes to rely on their absence. On by default.
    #[must_use]
    pub const fn grease(mut self, v: bool) -> Self {
        self.grease = v;
        self
    }

    /// Whether reserved identifiers are sent.
    #[must_use]
    pub const fn grease_enabled(&self) -> bool {
        self.grease
    }

    /// What a connection is told. Which reserved identifiers it sends is drawn for each, or follows from the seed.
    pub(crate) fn core_config(&self) -> core::Config {
        let mut n = [0];
        match self.connection.get_seed() {
            Some([first, ..]) => n = [first],
            None => neqo_crypto::random(&mut n),
        }
        core::Config {
            settings: Settings {
                max_field_section_size: Some(self.max_field_section_size),
                qpack_max_table_capacity: self.qpack.get_max_table_size_decoder(),
                qpack_blocked_streams: self.qpack.get_max_blocked_streams().into(),
                enable_connect_protocol: self.connect,
                h3_datagram: false,
            },
            qpack: self.qpack,
            grease: self.grease.then_some(n[0]),
        }
    }
}
