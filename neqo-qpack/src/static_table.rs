//! The static table (RFC 9204, Appendix A) and the search for a field line in it.

/// A line of the static table: name and value.
pub(crate) type Entry = (&'static [u8], &'static [u8]);

/// The number of entries.
const LEN: usize = 99;

/// The entry with the given index, if there is one.
#[inline]
pub(crate) fn get(index: u64) -> Option<&'static Entry> {
    TABLE.get(usize::try_from(index).ok()?)
}

/// What the static table has to offer for a field line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// Name and value are those of the entry with this index.
    Line(u64),
    /// The name is that of the entry with this index, which is the first with this name.
    Name(u64),
    /// Not even the name is there.
    Nothing,
}

/// Looks a field line up.
pub(crate) fn find(name: &[u8], value: &[u8]) -> Found {
    let (Some(&from), Some(&to)) = (BY_LENGTH.get(name.len()), BY_LENGTH.get(name.len() + 1))
    else {
        return Found::Nothing;
    };
    let group = BY_NAME.get(from.into()..to.into()).unwrap_or_default();
    let start = group.partition_point(|&i| TABLE[usize::from(i)].0 < name);
    let mut first = None;
    for &i in group.iter().skip(start) {
        let (n, v) = TABLE[usize::from(i)];
        if n != name {
            break;
        }
        if v == value {
            return Found::Line(i.into());
        }
        first = first.or(Some(i));
    }
    first.map_or(Found::Nothing, |i| Found::Name(i.into()))
}

/// Indices in the order of names, the shortest first; those of one name in their own order.
static BY_NAME: [u8; LEN] = sort();

/// No name is longer.
const LONGEST: usize = 32;

/// Where in [`BY_NAME`] the names of each length begin: most lengths have a few, some none.
static BY_LENGTH: [u8; LONGEST + 2] = starts();

const fn less(a: &[u8], b: &[u8]) -> bool {
    let mut i = 0;
    while a.len() == b.len() && i < a.len() {
        if a[i] != b[i] {
            return a[i] < b[i];
        }
        i += 1;
    }
    a.len() < b.len()
}

/// An insertion sort, which is stable and runs in the compiler.
const fn sort() -> [u8; LEN] {
    let mut order = [0; LEN];
    let mut n: u8 = 0;
    while (n as usize) < LEN {
        let mut at = n as usize;
        while at > 0 && less(TABLE[n as usize].0, TABLE[order[at - 1] as usize].0) {
            order[at] = order[at - 1];
            at -= 1;
        }
        order[at] = n;
        n += 1;
    }
    order
}

const fn starts() -> [u8; LONGEST + 2] {
    let mut starts = [0; LONGEST + 2];
    let mut n = 0;
    while n < LEN {
        // One more shorter name for all greater lengths; longer ones than the longest do not compile.
        let mut len = TABLE[n].0.len() + 1;
        assert!(len <= LONGEST + 1);
        while len < starts.len() {
            starts[len] += 1;
            len += 1;
        }
        n += 1;
    }
    starts
}

static TABLE: [Entry; LEN] = [
    (b":authority", b""),
    (b":path", b"/"),
    (b"age", b"0"),
    (b"content-disposition", b""),
    (b"content-length", b"0"),
    (b"cookie", b""),
    (b"date", b""),
    (b"etag", b""),
    (b"if-modified-since", b""),
    (b"if-none-match", b""),
    (b"last-modified", b""),
    (b"link", b""),
    (b"location", b""),
    (b"referer", b""),
    (b"set-cookie", b""),
    (b":method", b"CONNECT"),
    (b":method", b"DELETE"),
    (b":method", b"GET"),
    (b":method", b"HEAD"),
    (b":method", b"OPTIONS"),
    (b":method", b"POST"),
    (b":method", b"PUT"),
    (b":scheme", b"http"),
    (b":scheme", b"https"),
    (b":status", b"103"),
    (b":status", b"200"),
    (b":status", b"304"),
    (b":status", b"404"),
    (b":status", b"503"),
    (b"accept", b"*/*"),
    (b"accept", b"application/dns-message"),
    (b"accept-encoding", b"gzip, deflate, br"),
    (b"accept-ranges", b"bytes"),
    (b"access-control-allow-headers", b"cache-control"),
    (b"access-control-allow-headers", b"content-type"),
    (b"access-control-allow-origin", b"*"),
    (b"cache-control", b"max-age=0"),
    (b"cache-control", b"max-age=2592000"),
    (b"cache-control", b"max-age=604800"),
    (b"cache-control", b"no-cache"),
    (b"cache-control", b"no-store"),
    (b"cache-control", b"public, max-age=31536000"),
    (b"content-encoding", b"br"),
    (b"content-encoding", b"gzip"),
    (b"content-type", b"application/dns-message"),
    (b"content-type", b"application/javascript"),
    (b"content-type", b"application/json"),
    (b"content-type", b"application/x-www-form-urlencoded"),
    (b"content-type", b"image/gif"),
    (b"content-type", b"image/jpeg"),
    (b"content-type", b"image/png"),
    (b"content-type", b"text/css"),
    (b"content-type", b"text/html; charset=utf-8"),
    (b"content-type", b"text/plain"),
    (b"content-type", b"text/plain;charset=utf-8"),
    (b"range", b"bytes=0-"),
    (b"strict-transport-security", b"max-age=31536000"),
    (
        b"strict-transport-security",
        b"max-age=31536000; includesubdomains",
    ),
    (
        b"strict-transport-security",
        b"max-age=31536000; includesubdomains; preload",
    ),
    (b"vary", b"accept-encoding"),
    (b"vary", b"origin"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-xss-protection", b"1; mode=block"),
    (b":status", b"100"),
    (b":status", b"204"),
    (b":status", b"206"),
    (b":status", b"302"),
    (b":status", b"400"),
    (b":status", b"403"),
    (b":status", b"421"),
    (b":status", b"425"),
    (b":status", b"500"),
    (b"accept-language", b""),
    (b"access-control-allow-credentials", b"FALSE"),
    (b"access-control-allow-credentials", b"TRUE"),
    (b"access-control-allow-headers", b"*"),
    (b"access-control-allow-methods", b"get"),
    (b"access-control-allow-methods", b"get, post, options"),
    (b"access-control-allow-methods", b"options"),
    (b"access-control-expose-headers", b"content-length"),
    (b"access-control-request-headers", b"content-type"),
    (b"access-control-request-method", b"get"),
    (b"access-control-request-method", b"post"),
    (b"alt-svc", b"clear"),
    (b"authorization", b""),
    (
        b"content-security-policy",
        b"script-src 'none'; object-src 'none'; base-uri 'none'",
    ),
    (b"early-data", b"1"),
    (b"expect-ct", b""),
    (b"forwarded", b""),
    (b"if-range", b""),
    (b"origin", b""),
    (b"purpose", b"prefetch"),
    (b"server", b""),
    (b"timing-allow-origin", b"*"),
    (b"upgrade-insecure-requests", b"1"),
    (b"user-agent", b""),
    (b"x-forwarded-for", b""),
    (b"x-frame-options", b"deny"),
    (b"x-frame-options", b"sameorigin"),
];

#[cfg(test)]
mod tests {
    use super::{BY_NAME, Found, LEN, TABLE, find, get};

    #[test]
    fn known_lines() {
        assert_eq!(get(0), Some(&(&b":authority"[..], &b""[..])));
        assert_eq!(get(17), Some(&(&b":method"[..], &b"GET"[..])));
        assert_eq!(
            get(98),
            Some(&(&b"x-frame-options"[..], &b"sameorigin"[..]))
        );
        assert_eq!(get(99), None);
        assert_eq!(get(u64::MAX), None);
    }

    #[test]
    fn order_is_a_sorted_permutation() {
        let mut seen = [false; LEN];
        for i in BY_NAME {
            assert!(!std::mem::replace(&mut seen[usize::from(i)], true));
        }
        assert!(BY_NAME.windows(2).all(|w| {
            let name = |i: u8| TABLE[usize::from(i)].0;
            let key = |i: u8| (name(i).len(), name(i), i);
            key(w[0]) < key(w[1])
        }));
    }

    #[test]
    fn finds_every_line() {
        for (i, (name, value)) in TABLE.iter().enumerate() {
            assert_eq!(find(name, value), Found::Line(i.try_into().unwrap()));
        }
    }

    #[test]
    fn finds_the_first_of_a_name() {
        assert_eq!(find(b":status", b"418"), Found::Name(24));
        assert_eq!(find(b":path", b"/index.html"), Found::Name(1));
        assert_eq!(find(b"x-frame-options", b""), Found::Name(97));
        assert_eq!(find(b"a", b""), Found::Nothing);
        assert_eq!(find(b"zzz", b""), Found::Nothing);
        assert_eq!(find(b"", b""), Found::Nothing);
    }
}
