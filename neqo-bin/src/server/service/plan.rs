//! What is answered to a request.

use bytes::Bytes;

use super::{range::Ranged, request::Request};
use crate::body::Source;

/// The answer to a request.
#[derive(Debug)]
pub struct Plan {
    /// The HTTP status.
    pub status: u16,
    /// Field names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// What follows.
    pub body: Body,
}

/// The body of an answer.
#[derive(Debug)]
pub enum Body {
    /// These bytes. The request's body, if any, is not wanted.
    Send(Source),
    /// The request's body as it comes.
    Echo,
    /// One line that tells the size of the request's body, once that is complete.
    Count,
}

impl Plan {
    /// An error, or anything else that one line of text explains.
    pub(super) fn text(status: u16, text: &'static str, request: &Request) -> Self {
        Self {
            status,
            headers: vec![
                ("content-type", "text/plain; charset=utf-8".into()),
                ("content-length", text.len().to_string()),
            ],
            body: Body::Send(if request.method == "HEAD" {
                Source::empty()
            } else {
                Source::Memory(Bytes::from_static(text.as_bytes()))
            }),
        }
    }

    pub(super) fn not_found(request: &Request) -> Self {
        Self::text(404, "not found\n", request)
    }

    pub(super) fn not_allowed(request: &Request, allow: &str) -> Self {
        let mut plan = Self::text(405, "method not allowed\n", request);
        plan.headers.push(("allow", allow.to_owned()));
        plan
    }

    /// The answer to a counted upload.
    #[must_use]
    pub fn counted(received: u64) -> Self {
        let text = format!("received {received} bytes\n");
        Self {
            status: 200,
            headers: vec![
                ("content-type", "text/plain; charset=utf-8".into()),
                ("content-length", text.len().to_string()),
            ],
            body: Body::Send(Source::Memory(Bytes::from(text))),
        }
    }

    /// A representation of `length` bytes, or the part of it that was asked for. `open` yields its bytes from an
    /// offset on and is called only when they are wanted.
    pub(super) fn representation(
        request: &Request,
        length: u64,
        ranged: Ranged,
        mut headers: Vec<(&'static str, String)>,
        open: impl FnOnce(u64, u64) -> std::io::Result<Source>,
    ) -> std::io::Result<Self> {
        headers.push(("accept-ranges", "bytes".into()));
        let (status, offset, len) = match ranged {
            // RFC 9110 §14.2: Range has a meaning for GET only.
            _ if request.method == "HEAD" => (200, 0, length),
            Ranged::Whole => (200, 0, length),
            Ranged::Part { offset, len } => {
                let last = offset + (len - 1);
                headers.push(("content-range", format!("bytes {offset}-{last}/{length}")));
                (206, offset, len)
            }
            Ranged::Unsatisfiable => {
                let mut plan = Self::text(416, "range not satisfiable\n", request);
                plan.headers
                    .push(("content-range", format!("bytes */{length}")));
                return Ok(plan);
            }
        };
        headers.push(("content-length", len.to_string()));
        let source = if request.method == "HEAD" {
            Source::empty()
        } else {
            open(offset, len)?
        };
        Ok(Self {
            status,
            headers,
            body: Body::Send(source),
        })
    }
}
