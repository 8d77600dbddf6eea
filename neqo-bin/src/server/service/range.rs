//! Single byte ranges (RFC 9110 §14).

/// What a Range field asks of a representation of known length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ranged {
    /// All of it: there is no range, or one that may be ignored.
    Whole,
    /// 206.
    Part {
        /// First byte.
        offset: u64,
        /// At least 1.
        len: u64,
    },
    /// 416.
    Unsatisfiable,
}

/// Applies the value of a Range field to a length. Several ranges, other units and what does not parse are ignored,
/// as RFC 9110 §14.2 allows.
#[must_use]
pub(super) fn apply(field: Option<&str>, length: u64) -> Ranged {
    field
        .and_then(|f| parse(f, length))
        .unwrap_or(Ranged::Whole)
}

fn parse(field: &str, length: u64) -> Option<Ranged> {
    let (unit, set) = field.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = set.trim().split_once('-')?;
    if first.is_empty() {
        let suffix = number(last)?;
        return Some(part(length.saturating_sub(suffix), length, suffix > 0));
    }
    let first = number(first)?;
    if last.is_empty() {
        return Some(part(first, length, true));
    }
    let last = number(last)?;
    if last < first {
        return None;
    }
    Some(part(first, last.saturating_add(1).min(length), true))
}

const fn part(from: u64, to: u64, wanted: bool) -> Ranged {
    if wanted && from < to {
        Ranged::Part {
            offset: from,
            len: to - from,
        }
    } else {
        Ranged::Unsatisfiable
    }
}

/// Digits only; what does not fit in 64 bits is beyond any file.
fn number(s: &str) -> Option<u64> {
    if s.is_empty() || !s.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(s.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn some(offset: u64, len: u64) -> Ranged {
        Ranged::Part { offset, len }
    }

    #[test]
    fn satisfiable() {
        for (field, want) in [
            ("bytes=0-499", some(0, 500)),
            ("bytes=500-999", some(500, 500)),
            ("bytes=999-999", some(999, 1)),
            ("bytes=500-", some(500, 500)),
            ("bytes=-1", some(999, 1)),
            ("bytes=-5000", some(0, 1000)),
            ("bytes=990-5000", some(990, 10)),
            ("Bytes= 1-1", some(1, 1)),
            ("bytes=0-99999999999999999999999", some(0, 1000)),
        ] {
            assert_eq!(apply(Some(field), 1000), want, "{field}");
        }
    }

    #[test]
    fn unsatisfiable() {
        for field in [
            "bytes=1000-",
            "bytes=1000-2000",
            "bytes=-0",
            "bytes=99999999999999999999999-",
        ] {
            assert_eq!(apply(Some(field), 1000), Ranged::Unsatisfiable, "{field}");
        }
        assert_eq!(apply(Some("bytes=0-"), 0), Ranged::Unsatisfiable);
        assert_eq!(apply(Some("bytes=-1"), 0), Ranged::Unsatisfiable);
    }

    #[test]
    fn ignored() {
        for field in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=a-b",
            "bytes=5-4",
            "lines=0-1",
            "bytes=0-1,3-4",
            "bytes=+1-2",
            "bytes=0x1-2",
        ] {
            assert_eq!(apply(Some(field), 1000), Ranged::Whole, "{field}");
        }
        assert_eq!(apply(None, 1000), Ranged::Whole);
    }

    #[test]
    fn extremes() {
        assert_eq!(
            apply(Some("bytes=0-18446744073709551615"), u64::MAX),
            some(0, u64::MAX)
        );
        assert_eq!(apply(Some("bytes=-18446744073709551615"), 3), some(0, 3));
    }
}
