//! The choice of a TLS library, by value.

use crate::error::Res;

/// A TLS library that sessions stand on. All of those compiled in can be used side by side.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, strum::Display, strum::EnumString, strum::IntoStaticStr,
)]
#[strum(serialize_all = "lowercase")]
pub enum Provider {
    /// rustls with aws-lc-rs.
    #[cfg(feature = "rustls")]
    Rustls,
    /// NSS: the system's, or the host's.
    #[cfg(feature = "nss")]
    Nss,
}

impl Provider {
    /// Those compiled in, the default first.
    pub const ALL: &[Self] = &[
        #[cfg(feature = "rustls")]
        Self::Rustls,
        #[cfg(feature = "nss")]
        Self::Nss,
    ];

    /// Starts the library, so that what is wrong with it is known before anything else is done. Whoever leaves it out has
    /// it started when it is first needed.
    ///
    /// # Errors
    /// Like `init`, with NSS; none with rustls.
    #[cfg_attr(
        not(feature = "nss"),
        expect(
            clippy::missing_const_for_fn,
            reason = "NSS is started by what is not const"
        )
    )]
    pub fn start(self) -> Res<()> {
        match self {
            #[cfg(feature = "rustls")]
            Self::Rustls => Ok(()),
            #[cfg(feature = "nss")]
            Self::Nss => crate::init(),
        }
    }
}

/// rustls if it is compiled in.
impl Default for Provider {
    fn default() -> Self {
        #[cfg(feature = "rustls")]
        return Self::Rustls;
        #[cfg(not(feature = "rustls"))]
        return Self::Nss;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert_eq!(Provider::ALL.first(), Some(&Provider::default()));
        for &p in Provider::ALL {
            assert_eq!(p.to_string().parse(), Ok(p));
            assert_eq!(p.start(), Ok(()));
        }
        assert!("openssl".parse::<Provider>().is_err());
    }
}
