//! The choice of a TLS library, by value.

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
        }
        assert!("openssl".parse::<Provider>().is_err());
    }
}
