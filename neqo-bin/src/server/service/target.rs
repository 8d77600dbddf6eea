//! From `:path` to the pieces of a file path.

use std::path::{Component, Path};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What stays readable in a path that is sent back.
const PATH_SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The longest path that is looked at, in bytes.
const MAX_PATH: usize = 4096;

/// A path that stays below the root, whatever was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// Decoded; each is one plain file name.
    pub(super) segments: Vec<String>,
    /// Whether the path ended in a slash, which asks for a directory.
    pub(super) directory: bool,
}

/// Why a path names nothing here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bad {
    /// It is not a path: 400.
    Malformed,
    /// It cannot name a file below the root: 404.
    Outside,
}

impl Target {
    /// Reads a `:path`; the query does not matter.
    pub(super) fn parse(path: &str) -> Result<Self, Bad> {
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let rest = path.strip_prefix('/').ok_or(Bad::Malformed)?;
        if path.len() > MAX_PATH {
            return Err(Bad::Outside);
        }
        let (inner, directory) = match rest.strip_suffix('/') {
            Some(inner) => (inner, true),
            None => (rest, rest.is_empty()),
        };
        let segments = if inner.is_empty() {
            if !rest.is_empty() {
                return Err(Bad::Outside);
            }
            Vec::new()
        } else {
            inner.split('/').map(segment).collect::<Result<_, _>>()?
        };
        Ok(Self {
            segments,
            directory,
        })
    }

    /// The number of bytes that `/N` asks for.
    #[must_use]
    pub(super) fn number(&self) -> Option<u64> {
        match self.segments.as_slice() {
            [n] if !self.directory && n.bytes().all(|b| b.is_ascii_digit()) => n.parse().ok(),
            _ => None,
        }
    }

    /// The path of the same directory with the slash that was missing.
    #[must_use]
    pub(super) fn with_slash(&self) -> String {
        let mut path = String::from("/");
        for segment in &self.segments {
            path.extend(utf8_percent_encode(segment, PATH_SEGMENT));
            path.push('/');
        }
        path
    }
}

fn segment(encoded: &str) -> Result<String, Bad> {
    let decoded = percent_decode_str(encoded)
        .decode_utf8()
        .map_err(|_e| Bad::Outside)?;
    if decoded.contains('\0') {
        return Err(Bad::Malformed);
    }
    // Also false for "", ".", "..", anything with a separator, and drive letters where they exist.
    let mut components = Path::new(decoded.as_ref()).components();
    let plain = matches!(components.next(), Some(Component::Normal(name)) if name == decoded.as_ref())
        && components.next().is_none()
        && !decoded.contains('\\');
    if plain {
        Ok(decoded.into_owned())
    } else {
        Err(Bad::Outside)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segments(path: &str) -> Vec<String> {
        Target::parse(path).unwrap().segments
    }

    #[test]
    fn plain_paths() {
        assert_eq!(segments("/"), [""; 0]);
        assert!(Target::parse("/").unwrap().directory);
        assert_eq!(segments("/a/b.txt?x=/../y"), ["a", "b.txt"]);
        assert!(!Target::parse("/a").unwrap().directory);
        assert!(Target::parse("/a/").unwrap().directory);
        assert_eq!(segments("/a%20b/%C3%A9"), ["a b", "é"]);
        assert_eq!(segments("/..a/b.."), ["..a", "b.."]);
        assert_eq!(segments("/%"), ["%"]);
    }

    #[test]
    fn nothing_climbs() {
        for path in [
            "/..",
            "/../",
            "/a/..",
            "/a/../b",
            "/./a",
            "/%2e%2e/etc/passwd",
            "/%2E%2e",
            "/.%2e/x",
            "/a%2fb",
            "/%2fetc",
            "/..%2f",
            "/..%5c..%5cx",
            "/a\\..\\b",
            "//etc/passwd",
            "/a//b",
            "//",
            "/%ff",
        ] {
            assert_eq!(Target::parse(path), Err(Bad::Outside), "{path}");
        }
        for path in ["", "a", "*", "http://h/", "/%00", "/a%00.txt", "?"] {
            assert_eq!(Target::parse(path), Err(Bad::Malformed), "{path}");
        }
        assert_eq!(Target::parse(&"/a".repeat(MAX_PATH)), Err(Bad::Outside));
    }

    #[test]
    fn numbers() {
        let number = |p| Target::parse(p).unwrap().number();
        assert_eq!(number("/0"), Some(0));
        assert_eq!(number("/1000?x"), Some(1000));
        for none in [
            "/",
            "/1/",
            "/a",
            "/1a",
            "/-1",
            "/+1",
            "/1/2",
            "/99999999999999999999",
        ] {
            assert_eq!(number(none), None, "{none}");
        }
    }

    #[test]
    fn redirects_stay_here() {
        assert_eq!(Target::parse("/a b/c").unwrap().with_slash(), "/a%20b/c/");
        assert_eq!(
            Target::parse("/%0d%0aset-cookie").unwrap().with_slash(),
            "/%0D%0Aset-cookie/"
        );
    }
}
