//! Lists of configurations of encrypted `ClientHello` (ECHConfigList, RFC 9849 §4), and which of them are valid.

use std::collections::HashSet;

use neqo_common::{Decoder, Encoder};

use crate::{
    client::ends_in_number,
    error::{Error, Res},
};

/// The version of configurations that RFC 9849 defines.
const VERSION: u16 = 0xfe0d;
/// The length of a cipher suite (its KDF and AEAD), in bytes.
const SUITE_LEN: usize = 4;
/// The bit of an extension's type that says that it must be understood.
const MANDATORY: u16 = 0x8000;
/// The longest host name, and the longest label of one, in bytes (RFC 1035 §2.3.4, without what separates on the wire).
const MAX_NAME: usize = 253;
const MAX_LABEL: usize = 63;

/// An ECHConfig of a known version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Config<'a> {
    contents: &'a [u8],
    pub(crate) kem: u16,
    pub(crate) public_key: &'a [u8],
    pub(crate) public_name: &'a str,
}

impl<'a> Config<'a> {
    /// Reads an ECHConfigContents; `None` if it is malformed, its public name is none, or it has an extension that has to
    /// be understood (RFC 9849 §4.2), as there is none.
    fn read(contents: &'a [u8]) -> Option<Self> {
        let mut d = Decoder::new(contents);
        d.decode_byte()?; // config_id
        let kem = d.decode_uint()?;
        let public_key = d.decode_vec(2)?;
        let suites = d.decode_vec(2)?;
        d.decode_byte()?; // maximum_name_length
        let public_name = str::from_utf8(d.decode_vec(1)?).ok()?;
        let mut extensions = Decoder::new(d.decode_vec(2).filter(|_| d.is_empty())?);
        let mut kinds = HashSet::new();
        while !extensions.is_empty() {
            let kind: u16 = extensions.decode_uint()?;
            extensions.decode_vec(2)?;
            if kind & MANDATORY != 0 || !kinds.insert(kind) {
                return None;
            }
        }
        Some(Self {
            contents,
            kem,
            public_key,
            public_name,
        })
        .filter(|_| is_public(public_name) && suites.len().is_multiple_of(SUITE_LEN))
    }
}

/// The configurations of `list` that a client may use, if their algorithms are known to it.
///
/// # Errors
/// `Config` if the list is malformed.
pub(crate) fn valid(list: &[u8]) -> Res<Vec<Config<'_>>> {
    let items = items(list).ok_or_else(|| unusable("the list of configurations is malformed"))?;
    let known = items.into_iter().filter(|i| i.0 == VERSION);
    Ok(known.filter_map(|i| Config::read(i.1)).collect())
}

/// The versions and contents of a list.
fn items(list: &[u8]) -> Option<Vec<(u16, &[u8])>> {
    let mut d = Decoder::new(list);
    let mut rest = Decoder::new(d.decode_vec(2).filter(|_| d.is_empty())?);
    let mut items = Vec::new();
    while !rest.is_empty() {
        items.push((rest.decode_uint()?, rest.decode_vec(2)?));
    }
    Some(items)
}

/// The error of a server that did not accept, and wants to be asked by `list`. Without a version that is known it might
/// as well want none (RFC 9849 §6.1.6).
pub(crate) fn retry(list: Vec<u8>) -> Error {
    let known = items(&list).is_some_and(|items| items.iter().any(|i| i.0 == VERSION));
    Error::EchRetry(if known { list } else { Vec::new() })
}

/// The list of these.
pub(crate) fn list(configs: &[Config<'_>]) -> Vec<u8> {
    let mut e = Encoder::default();
    e.encode_vec_with(2, |e| {
        for c in configs {
            e.encode_uint(2, VERSION).encode_vec(2, c.contents);
        }
    });
    e.into()
}

/// The error of a list without a configuration that can be used.
pub(crate) fn none() -> Error {
    unusable("no configuration can be used")
}

fn unusable(why: &str) -> Error {
    Error::Config(format!("encrypted ClientHello: {why}"))
}

/// Whether it is a host name, of labels of letters, digits and hyphens, and nothing that could be read as an address
/// (RFC 9849 §6.1.7): what a certificate can be verified for.
pub(crate) fn is_public(name: &str) -> bool {
    let ldh = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let label = |l: &str| {
        (1..=MAX_LABEL).contains(&l.len())
            && l.chars().all(ldh)
            && !l.starts_with('-')
            && !l.ends_with('-')
    };
    name.len() <= MAX_NAME && name.split('.').all(label) && !ends_in_number(name)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// What an ECHConfig is made of.
    pub(crate) struct Made<'a> {
        pub(crate) version: u16,
        pub(crate) kem: u16,
        pub(crate) key: Vec<u8>,
        pub(crate) suites: &'a [u8],
        pub(crate) name: &'a str,
        pub(crate) extensions: &'a [u8],
    }

    impl Made<'_> {
        /// X25519 with AES-128-GCM; the key could be anybody's.
        pub(crate) fn good() -> Self {
            Self {
                version: VERSION,
                kem: 0x20,
                key: (9..41).collect(),
                suites: &[0, 1, 0, 1],
                name: "public.example",
                extensions: &[],
            }
        }

        pub(crate) fn list(configs: &[Self]) -> Vec<u8> {
            let mut e = Encoder::default();
            e.encode_vec_with(2, |e| {
                for c in configs {
                    e.encode_uint(2, c.version).encode_vec_with(2, |e| {
                        e.encode_byte(7).encode_uint(2, c.kem);
                        e.encode_vec(2, &c.key).encode_vec(2, c.suites);
                        e.encode_byte(64).encode_vec(1, c.name.as_bytes());
                        e.encode_vec(2, c.extensions);
                    });
                }
            });
            e.into()
        }
    }

    #[test]
    fn what_is_valid_and_only_that() {
        let with = |name| Made {
            name,
            ..Made::good()
        };
        let other = Made {
            version: VERSION - 1,
            ..Made::good()
        };
        let all = Made::list(&[with("1.2.3.4"), with("a"), other, with("b"), with("")]);
        let configs = valid(&all).unwrap();
        let names: Vec<_> = configs.iter().map(|c| c.public_name).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(configs[0].public_key, Made::good().key);
        assert_eq!(list(&configs), Made::list(&[with("a"), with("b")]));
        assert_eq!(valid(&[0, 6, 0, 1, 0, 2, 1, 1]), Ok(Vec::new()));
    }

    #[test]
    fn contents_are_read_to_their_end() {
        let whole = Made::list(&[Made::good()]);
        let contents = &whole[6..];
        assert!(Config::read(contents).is_some());
        for n in 0..contents.len() {
            assert_eq!(Config::read(&contents[..n]), None, "{n}");
        }
        assert_eq!(Config::read(&[contents, &[0]].concat()), None);
    }

    #[test]
    fn extensions_and_suites() {
        let good = |suites: &'static [u8], extensions: &'static [u8]| {
            let list = Made::list(&[Made {
                suites,
                extensions,
                ..Made::good()
            }]);
            valid(&list).unwrap().len() == 1
        };
        let suites = &[0, 1, 0, 1];
        assert!(good(suites, &[0, 1, 0, 2, 7, 7, 0x7f, 2, 0, 0]));
        assert!(!good(suites, &[0, 1, 0, 2, 7]), "cut short");
        assert!(!good(suites, &[0, 1, 0, 0, 0, 1, 0, 0]), "twice");
        for mandatory in [&[0x80, 1, 0, 0], &[0xff, 1, 0, 0], &[0xfe, 0x0d, 0, 0]] {
            assert!(!good(suites, mandatory));
        }
        assert!(!good(&[0, 1, 0, 1, 0], &[]));
    }

    #[test]
    fn retries() {
        let other = || Made {
            version: VERSION - 1,
            ..Made::good()
        };
        let list = Made::list(&[other(), Made::good()]);
        assert_eq!(retry(list.clone()), Error::EchRetry(list));
        for none in [Made::list(&[other()]), Made::list(&[]), Vec::new()] {
            assert_eq!(retry(none), Error::EchRetry(Vec::new()));
        }
    }

    #[test]
    fn names() {
        let longest = "a".repeat(MAX_LABEL);
        for name in ["a", "a-b.example", "1.example", "xn--a", "0y1", &longest] {
            assert!(is_public(name), "{name}");
        }
        for name in [
            "", ".", "a.", ".a", "a..b", "-a", "a-", "a_b", "a b", "\u{e4}",
        ] {
            assert!(!is_public(name), "{name}");
        }
        let longest = ["a"; MAX_NAME.div_ceil(2)].join(".");
        assert!(longest.len() == MAX_NAME && is_public(&longest));
        assert!(!is_public(&format!("a{longest}")));
        let too_long = "a".repeat(MAX_LABEL + 1);
        for name in ["1", "a.1", "127.0.0.1", "::1", "0x", "a.0X7f", &too_long] {
            assert!(!is_public(name), "{name}");
        }
    }

    #[test]
    fn malformed() {
        let whole = Made::list(&[Made::good()]);
        for n in 0..whole.len() {
            assert!(valid(&whole[..n]).is_err(), "{n}");
        }
        let longer = [&whole[..], &[0]].concat();
        for bad in [&longer[..], &[0, 1, 0], &[0, 4, 0xfe, 0x0d, 0, 1]] {
            assert!(matches!(valid(bad), Err(Error::Config(_))), "{bad:?}");
        }
    }
}
