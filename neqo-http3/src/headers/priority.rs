//! Extensible priorities (RFC 9218).

use std::fmt::{self, Display, Formatter};

use neqo_common::Header;

use self::sf::{Parser, Value};
use crate::error::Misuse;

mod sf;

/// How urgent a response is, and whether parts of it are of use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Priority {
    urgency: u8,
    incremental: bool,
}

impl Default for Priority {
    //= rfc9218#section-4
    //# When receiving an HTTP request that does not carry these priority parameters, a server SHOULD act as if their
    //# default values were specified.
    fn default() -> Self {
        Self {
            urgency: 3,
            incremental: false,
        }
    }
}

impl Priority {
    /// A priority with this urgency, from 0 (most urgent) to 7 (least).
    ///
    /// # Panics
    /// When `urgency` is above 7.
    #[must_use]
    pub fn new(urgency: u8, incremental: bool) -> Self {
        assert!(urgency < 8, "the urgency is between 0 and 7");
        Self {
            urgency,
            incremental,
        }
    }

    /// The urgency, from 0 (most urgent) to 7 (least).
    #[must_use]
    pub const fn urgency(self) -> u8 {
        self.urgency
    }

    /// Whether the response is of use before it is complete.
    #[must_use]
    pub const fn incremental(self) -> bool {
        self.incremental
    }

    /// Reads the value of a `priority` field or of a `PRIORITY_UPDATE` frame.
    ///
    /// # Errors
    /// [`Misuse::InvalidInput`] when this is not a dictionary of RFC 8941.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Misuse> {
        let mut priority = Self::default();
        let defaults = Self::default();
        //= rfc9218#section-4
        //# Where the Dictionary is successfully parsed, this document places the additional requirement that unknown
        //# priority parameters, priority parameters with out-of-range values, or values of unexpected types MUST be
        //# ignored.
        Parser::new(bytes)
            .dictionary(|key, value| match (key, value) {
                (b"u", Value::Integer(u)) => {
                    priority.urgency = u8::try_from(u)
                        .ok()
                        .filter(|u| *u < 8)
                        .unwrap_or(defaults.urgency);
                }
                (b"u", _) => priority.urgency = defaults.urgency,
                (b"i", Value::Boolean(i)) => priority.incremental = i,
                (b"i", _) => priority.incremental = defaults.incremental,
                _ => {}
            })
            .ok_or(Misuse::InvalidInput)?;
        Ok(priority)
    }

    /// The priority that a request asks for with its `priority` field. One that cannot be read counts as absent.
    #[must_use]
    pub fn from_headers(headers: &[Header]) -> Self {
        let mut lines = headers
            .iter()
            .filter(|h| h.name() == "priority")
            .map(Header::value);
        let Some(first) = lines.next() else {
            return Self::default();
        };
        // Several lines are one list.
        let all = lines.fold(first.to_vec(), |mut all, line| {
            all.push(b',');
            all.extend_from_slice(line);
            all
        });
        Self::from_bytes(&all).unwrap_or_default()
    }

    /// The `priority` field for a request, unless it would say nothing.
    #[must_use]
    pub fn header(self) -> Option<Header> {
        (self != Self::default()).then(|| Header::new("priority", self.to_string()))
    }
}

/// The shortest dictionary that says it, without default values.
impl Display for Priority {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let default = Self::default();
        match (self.urgency != default.urgency, self.incremental) {
            (true, true) => write!(f, "u={}, i", self.urgency),
            (true, false) => write!(f, "u={}", self.urgency),
            (false, true) => f.write_str("i"),
            (false, false) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use neqo_common::Header;
    use proptest::{collection::vec, prelude::any, prop_assert_eq, proptest};

    use super::Priority;
    use crate::error::Misuse;

    #[test]
    fn values() {
        for (text, urgency, incremental) in [
            ("", 3, false),
            ("  ", 3, false),
            ("u=0", 0, false),
            ("u=7,i", 7, true),
            ("i, u=5", 5, true),
            ("i=?0", 3, false),
            ("i=?1", 3, true),
            ("u=5;x=1 , i;y", 5, true),
            ("u=1, u=2", 2, false),
            ("u=-0", 0, false),
        ] {
            assert_eq!(
                Priority::from_bytes(text.as_bytes()),
                Ok(Priority::new(urgency, incremental)),
                "{text}"
            );
        }
    }

    //= rfc9218#section-4 type=test
    //# Where the Dictionary is successfully parsed, this document places the additional requirement that unknown
    //# priority parameters, priority parameters with out-of-range values, or values of unexpected types MUST be
    //# ignored.
    #[test]
    fn ignored() {
        for text in [
            "u=8",
            "u=-1",
            "u=256",
            "u=999999999999999",
            "u=1.5",
            "u",
            "u=a",
            "u=\"1\"",
            "u=:AQ==:",
            "u=(1 2)",
            "u=1, u=9",
            "i=1",
            "i=yes",
            "i, i=0",
            "foo=bar, *a.b_c-d=1;e=1",
        ] {
            assert_eq!(
                Priority::from_bytes(text.as_bytes()),
                Ok(Priority::default()),
                "{text}"
            );
        }
        assert_eq!(
            Priority::from_bytes(b"x=\"a\\\"\", u=1, y=(a b;c);d"),
            Ok(Priority::new(1, false))
        );
    }

    #[test]
    fn not_a_dictionary() {
        for text in [
            "u=",
            "=1",
            "U=1",
            "u=1,",
            ",",
            "u=1 i",
            "u=\"",
            "u=\"\\a\"",
            "u=(1",
            "u=?2",
            "u=:*:",
            "u=1.",
            "u=--1",
            "u=1234567890123456",
            "u=1.2345",
            "u=1;",
            "u=1;A",
            "ü",
            "u=1\0",
        ] {
            assert_eq!(
                Priority::from_bytes(text.as_bytes()),
                Err(Misuse::InvalidInput),
                "{text:?}"
            );
        }
    }

    //= rfc9218#section-4 type=test
    //# When receiving an HTTP request that does not carry these priority parameters, a server SHOULD act as if their
    //# default values were specified.
    #[test]
    fn field() {
        let of = |values: &[&str]| {
            let lines: Vec<_> = values.iter().map(|&v| Header::new("priority", v)).collect();
            Priority::from_headers(&lines)
        };
        assert_eq!(of(&[]), Priority::default());
        assert_eq!(of(&["u=1"]), Priority::new(1, false));
        assert_eq!(of(&["u=1", "i"]), Priority::new(1, true));
        assert_eq!(of(&["u=1", "!"]), Priority::default());
        assert_eq!(Priority::default().header(), None);
        assert_eq!(
            Priority::new(0, true).header(),
            Some(Header::new("priority", "u=0, i"))
        );
        assert_eq!(
            Priority::new(3, true).header(),
            Some(Header::new("priority", "i"))
        );
    }

    #[test]
    #[should_panic(expected = "the urgency is between 0 and 7")]
    fn urgency_range() {
        let _ = Priority::new(8, false);
    }

    proptest! {
        #[test]
        fn inverse(urgency in 0..8_u8, incremental: bool) {
            let priority = Priority::new(urgency, incremental);
            prop_assert_eq!(Priority::from_bytes(priority.to_string().as_bytes()), Ok(priority));
        }

        #[test]
        fn arbitrary(bytes in vec(any::<u8>(), 0..40), text in "[ui=?01(), ;\":.-]{0,20}") {
            let _ = Priority::from_bytes(&bytes);
            let _ = Priority::from_bytes(text.as_bytes());
        }
    }
}
