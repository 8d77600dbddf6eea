//! The fields of a request that the service looks at.

use std::time::SystemTime;

/// A request, as far as it matters here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// `:method`.
    pub method: String,
    /// `:path`.
    pub path: String,
    /// Range.
    pub range: Option<String>,
    /// If-Range.
    pub if_range: Option<String>,
    /// If-Modified-Since, when it is a date.
    pub if_modified_since: Option<SystemTime>,
    /// Content-Type.
    pub content_type: Option<String>,
}

impl Request {
    /// A plain GET, which is all that HTTP/0.9 has.
    #[must_use]
    pub fn get(path: &str) -> Self {
        Self {
            method: "GET".into(),
            path: path.into(),
            ..Self::default()
        }
    }

    /// Takes what matters from a field section. Of a field that is repeated the first counts.
    pub fn from_fields<'a>(fields: impl Iterator<Item = (&'a str, &'a [u8])>) -> Self {
        let mut request = Self::default();
        for (name, value) in fields {
            let text = || String::from_utf8_lossy(value).into_owned();
            match name {
                ":method" => request.method = text(),
                ":path" => request.path = text(),
                "range" => drop(request.range.get_or_insert_with(text)),
                "if-range" => drop(request.if_range.get_or_insert_with(text)),
                "content-type" => drop(request.content_type.get_or_insert_with(text)),
                "if-modified-since" => {
                    request.if_modified_since = httpdate::parse_http_date(text().trim()).ok();
                }
                _ => {}
            }
        }
        request
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields() {
        let fields: [(&str, &[u8]); 8] = [
            (":method", b"PUT"),
            (":path", b"/x"),
            (":authority", b"h"),
            ("range", b"bytes=0-1"),
            ("range", b"bytes=2-3"),
            ("content-type", b"text/\xff"),
            ("if-modified-since", b"Thu, 01 Jan 1970 00:00:00 GMT"),
            ("if-range", b"\"etag\""),
        ];
        let request = Request::from_fields(fields.into_iter());
        assert_eq!(request.method, "PUT");
        assert_eq!(request.path, "/x");
        assert_eq!(request.range.as_deref(), Some("bytes=0-1"));
        assert_eq!(request.if_modified_since, Some(SystemTime::UNIX_EPOCH));
        assert_eq!(request.if_range.as_deref(), Some("\"etag\""));
        assert_eq!(request.content_type.as_deref(), Some("text/\u{fffd}"));
    }

    #[test]
    fn a_bad_date_is_no_condition() {
        let fields: [(&str, &[u8]); 1] = [("if-modified-since", b"yesterday")];
        assert_eq!(
            Request::from_fields(fields.into_iter()).if_modified_since,
            None
        );
    }
}
