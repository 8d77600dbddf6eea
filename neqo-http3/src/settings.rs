//! HTTP/3 settings (RFC 9114, Section 7.2.4): what each peer says once, at the beginning.

use neqo_common::{Decoder, Encoder};

use crate::{config::limits::MAX_SETTINGS, error::Violation, wire::frame};

const QPACK_MAX_TABLE_CAPACITY: u64 = 0x01;
const MAX_FIELD_SECTION_SIZE: u64 = 0x06;
const QPACK_BLOCKED_STREAMS: u64 = 0x07;
const ENABLE_CONNECT_PROTOCOL: u64 = 0x08;
const H3_DATAGRAM: u64 = 0x33;

/// The settings of one endpoint. The default is what holds as long as nothing was said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// `SETTINGS_MAX_FIELD_SECTION_SIZE` in bytes; without it there is no limit.
    pub max_field_section_size: Option<u64>,
    /// `SETTINGS_QPACK_MAX_TABLE_CAPACITY` in bytes.
    pub qpack_max_table_capacity: u64,
    /// `SETTINGS_QPACK_BLOCKED_STREAMS`.
    pub qpack_blocked_streams: u64,
    /// `SETTINGS_ENABLE_CONNECT_PROTOCOL` (RFC 9220): extended CONNECT may be used.
    pub enable_connect_protocol: bool,
    /// `SETTINGS_H3_DATAGRAM` (RFC 9297).
    pub h3_datagram: bool,
}

impl Settings {
    /// Reads the payload of a SETTINGS frame.
    pub(crate) fn decode(payload: &[u8]) -> Result<Self, Violation> {
        let mut settings = Self::default();
        let mut seen = Vec::new();
        let mut dec = Decoder::new(payload);
        while dec.remaining() > 0 {
            let id = dec.decode_varint().ok_or(Violation::HttpFrame)?;
            let value = dec.decode_varint().ok_or(Violation::HttpFrame)?;
            //= rfc9114#section-7.2.4
            //# The same setting identifier MUST NOT occur more than once in the SETTINGS frame.
            //# A receiver MAY treat the presence of duplicate setting identifiers as a
            //# connection error of type H3_SETTINGS_ERROR.
            if seen.contains(&id) {
                return Err(Violation::HttpSettings);
            }
            if seen.len() >= MAX_SETTINGS {
                return Err(Violation::HttpExcessiveLoad);
            }
            seen.push(id);
            settings.set(id, value)?;
        }
        Ok(settings)
    }

    const fn set(&mut self, id: u64, value: u64) -> Result<(), Violation> {
        match id {
            QPACK_MAX_TABLE_CAPACITY => self.qpack_max_table_capacity = value,
            MAX_FIELD_SECTION_SIZE => self.max_field_section_size = Some(value),
            QPACK_BLOCKED_STREAMS => self.qpack_blocked_streams = value,
            //= rfc8441#section-3
            //# The value of the parameter MUST be 0 or 1.
            ENABLE_CONNECT_PROTOCOL => match flag(value) {
                Ok(v) => self.enable_connect_protocol = v,
                Err(e) => return Err(e),
            },
            //= rfc9297#section-2.1.1
            //# The value of the SETTINGS_H3_DATAGRAM setting MUST be either 0 or 1.
            H3_DATAGRAM => match flag(value) {
                Ok(v) => self.h3_datagram = v,
                Err(e) => return Err(e),
            },
            //= rfc9114#section-7.2.4.1
            //# These
            //# reserved settings MUST NOT be sent, and their receipt MUST be treated as a
            //# connection error of type H3_SETTINGS_ERROR.
            0x00 | 0x02..=0x05 => return Err(Violation::HttpSettings),
            //= rfc9114#section-7.2.4
            //# An implementation MUST ignore any parameter with an identifier it does
            //# not understand.
            _ => {}
        }
        Ok(())
    }

    /// Appends the payload of a SETTINGS frame: those of QPACK, what differs from the default, and a reserved setting if
    /// `grease` says which. Those of QPACK are said also when they are zero, so that nobody has to know what silence
    /// means.
    pub(crate) fn encode(&self, grease: Option<u8>, out: &mut Vec<u8>) {
        let mut enc = Encoder::new_borrowed_vec(out);
        let mut put = |id: u64, value: u64| {
            enc.encode_varint(id).encode_varint(value);
        };
        if let Some(v) = self.max_field_section_size {
            put(MAX_FIELD_SECTION_SIZE, v);
        }
        put(QPACK_MAX_TABLE_CAPACITY, self.qpack_max_table_capacity);
        put(QPACK_BLOCKED_STREAMS, self.qpack_blocked_streams);
        for (id, value) in [
            (ENABLE_CONNECT_PROTOCOL, self.enable_connect_protocol.into()),
            (H3_DATAGRAM, self.h3_datagram.into()),
        ] {
            if value != 0 {
                put(id, value);
            }
        }
        //= rfc9114#section-7.2.4.1
        //# Endpoints SHOULD include at
        //# least one such setting in their SETTINGS frame.
        if let Some(n) = grease {
            put(frame::grease(n), n.into());
        }
    }

    /// Whether what was sent in 0-RTT under the `remembered` settings of the same server is still allowed.
    ///
    /// # Errors
    /// [`Violation::HttpSettings`] when these settings are narrower.
    //= rfc9114#section-7.2.4.2
    //# If a server accepts 0-RTT but then sends settings that
    //# are not compatible with the previously specified settings, this MUST be treated
    //# as a connection error of type H3_SETTINGS_ERROR.
    pub fn check_compatible(&self, remembered: &Self) -> Result<(), Violation> {
        // hardening A30, R3852, R3940
        let limit = |s: &Self| s.max_field_section_size.unwrap_or(u64::MAX);
        let table = remembered.qpack_max_table_capacity;
        let compatible = limit(self) >= limit(remembered)
            //= rfc9204#section-3.2.3
            //# If the remembered value is
            //# non-zero, the server MUST send the same non-zero value in its SETTINGS frame.
            && (table == 0 || table == self.qpack_max_table_capacity)
            && self.qpack_blocked_streams >= remembered.qpack_blocked_streams
            && self.enable_connect_protocol >= remembered.enable_connect_protocol
            && self.h3_datagram >= remembered.h3_datagram;
        if compatible {
            Ok(())
        } else {
            Err(Violation::HttpSettings)
        }
    }
}

const fn flag(value: u64) -> Result<bool, Violation> {
    match value {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Violation::HttpSettings),
    }
}

#[cfg(test)]
mod tests {
    use neqo_common::Encoder;
    use proptest::{collection::vec, option, prelude::any, prop_assert_eq, proptest};

    use super::Settings;
    use crate::{config::limits::MAX_SETTINGS, error::Violation, wire::frame::grease};

    fn payload(settings: &[(u64, u64)]) -> Vec<u8> {
        let mut enc = Encoder::new();
        for &(id, value) in settings {
            enc.encode_varint(id).encode_varint(value);
        }
        enc.into()
    }

    fn decode(settings: &[(u64, u64)]) -> Result<Settings, Violation> {
        Settings::decode(&payload(settings))
    }

    #[test]
    fn values() {
        assert_eq!(decode(&[]), Ok(Settings::default()));
        assert_eq!(
            decode(&[(1, 100), (6, 0), (7, 3), (8, 1), (0x33, 1)]),
            Ok(Settings {
                max_field_section_size: Some(0),
                qpack_max_table_capacity: 100,
                qpack_blocked_streams: 3,
                enable_connect_protocol: true,
                h3_datagram: true,
            })
        );
    }

    //= rfc9114#section-7.2.4 type=test
    //# The same setting identifier MUST NOT occur more than once in the SETTINGS frame.
    //# A receiver MAY treat the presence of duplicate setting identifiers as a
    //# connection error of type H3_SETTINGS_ERROR.
    #[test]
    fn duplicates() {
        assert_eq!(decode(&[(6, 1), (6, 1)]), Err(Violation::HttpSettings));
        assert_eq!(
            decode(&[(0x21, 1), (1, 0), (0x21, 2)]),
            Err(Violation::HttpSettings)
        );
    }

    //= rfc9114#section-7.2.4.1 type=test
    //# These
    //# reserved settings MUST NOT be sent, and their receipt MUST be treated as a
    //# connection error of type H3_SETTINGS_ERROR.
    #[test]
    fn reserved_by_http2() {
        for id in [0, 2, 3, 4, 5] {
            assert_eq!(decode(&[(id, 0)]), Err(Violation::HttpSettings), "{id}");
        }
    }

    //= rfc9114#section-7.2.4 type=test
    //# An implementation MUST ignore any parameter with an identifier it does
    //# not understand.
    #[test]
    fn unknown() {
        let unknown = [
            (0x9, 1),
            (grease(0), 0),
            (grease(255), u64::MAX >> 2),
            (0x2b60_3742, 1),
        ];
        assert_eq!(decode(&unknown), Ok(Settings::default()));
    }

    //= rfc8441#section-3 type=test
    //# The value of the parameter MUST be 0 or 1.
    //= rfc9297#section-2.1.1 type=test
    //# The value of the SETTINGS_H3_DATAGRAM setting MUST be either 0 or 1.
    #[test]
    fn flags() {
        for id in [0x08, 0x33] {
            assert_eq!(decode(&[(id, 0)]), Ok(Settings::default()));
            assert_eq!(decode(&[(id, 2)]), Err(Violation::HttpSettings));
        }
    }

    #[test]
    fn qpack_is_always_said() {
        let mut out = Vec::new();
        Settings::default().encode(None, &mut out);
        assert_eq!(out, [1, 0, 7, 0]);
    }

    #[test]
    fn truncated() {
        let whole = payload(&[(6, 1 << 20), (0x33, 1)]);
        for end in [1, 2, 3, 4, 6] {
            assert_eq!(
                Settings::decode(&whole[..end]),
                Err(Violation::HttpFrame),
                "{end}"
            );
        }
    }

    #[test]
    fn many() {
        // hardening A9
        let many: Vec<_> = (0x100..).map(|id| (id, 0)).take(MAX_SETTINGS + 1).collect();
        assert_eq!(decode(&many[1..]), Ok(Settings::default()));
        assert_eq!(decode(&many), Err(Violation::HttpExcessiveLoad));
    }

    //= rfc9114#section-7.2.4.2 type=test
    //# If a server accepts 0-RTT but then sends settings that
    //# are not compatible with the previously specified settings, this MUST be treated
    //# as a connection error of type H3_SETTINGS_ERROR.
    //= rfc9204#section-3.2.3 type=test
    //# If the remembered value is
    //# non-zero, the server MUST send the same non-zero value in its SETTINGS frame.
    #[test]
    fn compatible() {
        // hardening A30, R3852, R3940
        let old = Settings {
            max_field_section_size: Some(1000),
            qpack_max_table_capacity: 100,
            qpack_blocked_streams: 10,
            enable_connect_protocol: true,
            h3_datagram: true,
        };
        assert_eq!(old.check_compatible(&old), Ok(()));
        assert_eq!(
            old.check_compatible(&Settings {
                max_field_section_size: Some(0),
                ..Settings::default()
            }),
            Ok(())
        );
        for good in [
            Settings {
                max_field_section_size: None,
                ..old
            },
            Settings {
                max_field_section_size: Some(1001),
                ..old
            },
            Settings {
                qpack_blocked_streams: 11,
                ..old
            },
        ] {
            assert_eq!(good.check_compatible(&old), Ok(()), "{good:?}");
        }
        for bad in [
            Settings {
                max_field_section_size: Some(999),
                ..old
            },
            Settings {
                qpack_max_table_capacity: 99,
                ..old
            },
            Settings {
                qpack_max_table_capacity: 101,
                ..old
            },
            Settings {
                qpack_max_table_capacity: 0,
                ..old
            },
            Settings {
                qpack_blocked_streams: 9,
                ..old
            },
            Settings {
                enable_connect_protocol: false,
                ..old
            },
            Settings {
                h3_datagram: false,
                ..old
            },
            Settings::default(),
        ] {
            assert_eq!(
                bad.check_compatible(&old),
                Err(Violation::HttpSettings),
                "{bad:?}"
            );
        }
        assert_eq!(
            old.check_compatible(&Settings::default()),
            Err(Violation::HttpSettings),
            "there was no limit"
        );
    }

    const MAX: u64 = (1 << 62) - 1;

    proptest! {
        #[test]
        fn inverse(
            max_field_section_size in option::of(0..=MAX),
            qpack_max_table_capacity in 0..=MAX,
            qpack_blocked_streams in 0..=MAX,
            enable_connect_protocol: bool,
            h3_datagram: bool,
            grease in option::of(any::<u8>()),
        ) {
            let settings = Settings {
                max_field_section_size,
                qpack_max_table_capacity,
                qpack_blocked_streams,
                enable_connect_protocol,
                h3_datagram,
            };
            let mut out = Vec::new();
            settings.encode(grease, &mut out);
            prop_assert_eq!(Settings::decode(&out), Ok(settings));
        }

        #[test]
        fn arbitrary(payload in vec(any::<u8>(), 0..60)) {
            let _ = Settings::decode(&payload);
        }
    }
}
