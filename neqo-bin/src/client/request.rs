//! What every request of a run looks like, and the bodies that go with them.

use std::{fs::File, io, path::PathBuf};

use super::{
    args::{Data, Field, RequestArgs},
    error::Error,
    target::Target,
};
use crate::{
    body::{Feed, Source},
    proto::Protocol,
};

/// The request that is made of every URL.
#[derive(Clone, Debug)]
pub struct Template {
    method: String,
    fields: Vec<Field>,
    data: Option<Data>,
}

impl Template {
    /// Checks what can be checked before connecting.
    pub fn new(args: &RequestArgs, protocol: Protocol, urls: usize) -> Result<Self, Error> {
        let default = if args.data.is_some() { "POST" } else { "GET" };
        let method = args.method.clone().unwrap_or_else(|| default.to_owned());
        if protocol == Protocol::HqInterop
            && (method != "GET" || args.data.is_some() || !args.headers.is_empty())
        {
            return Err(Error::Usage(
                "hq-interop knows nothing but GET without headers; use --alpn h3".into(),
            ));
        }
        if args.data == Some(Data::Stdin) && urls > 1 {
            return Err(Error::Usage(
                "standard input can be sent to one URL only; write it to a file and use --data @FILE".into(),
            ));
        }
        let template = Self {
            method,
            fields: args.headers.clone(),
            data: args.data.clone(),
        };
        // An unreadable file is better found now than for each URL.
        if matches!(template.data, Some(Data::File(_))) {
            drop(template.body()?);
        }
        Ok(template)
    }

    /// `:method`.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.method
    }

    /// Whether the response has no body whatever its Content-Length says (RFC 9110 §9.3.2).
    #[must_use]
    pub fn is_head(&self) -> bool {
        self.method == "HEAD"
    }

    /// The header fields after the pseudo-header fields, given the length of the body where it is known.
    #[must_use]
    pub fn fields(&self, length: Option<u64>) -> Vec<(String, String)> {
        let mut fields: Vec<_> = self
            .fields
            .iter()
            .map(|f| (f.name.clone(), f.value.clone()))
            .collect();
        let mut add = |name: &str, value: String| {
            if !fields.iter().any(|(n, _)| n == name) {
                fields.push((name.to_owned(), value));
            }
        };
        add(
            "user-agent",
            concat!("neqo-client/", env!("CARGO_PKG_VERSION")).into(),
        );
        add("accept", "*/*".into());
        if self.data.is_some() {
            add("content-type", "application/octet-stream".into());
        }
        if let Some(length) = length.filter(|_| self.data.is_some()) {
            add("content-length", length.to_string());
        }
        fields
    }

    /// A fresh body and its length where that is known.
    pub fn body(&self) -> Result<(Source, Option<u64>), Error> {
        match &self.data {
            None => Ok((Source::empty(), Some(0))),
            Some(Data::Inline(bytes)) => {
                Ok((Source::Memory(bytes.clone()), Some(bytes.len() as u64)))
            }
            Some(Data::Stdin) => Ok((Source::Feed(Feed::until_end(io::stdin())), None)),
            Some(Data::File(path)) => {
                let fail = |source| Error::Read {
                    path: path.clone(),
                    source,
                };
                let file = File::open(path).map_err(fail)?;
                let metadata = file.metadata().map_err(fail)?;
                if metadata.is_dir() {
                    return Err(fail(io::ErrorKind::IsADirectory.into()));
                }
                if !metadata.is_file() {
                    return Ok((Source::Feed(Feed::until_end(file)), None));
                }
                let length = metadata.len();
                Ok((Source::Feed(Feed::exactly(file, length)), Some(length)))
            }
        }
    }

    /// What an error message calls the place that the body comes from.
    #[must_use]
    pub fn data_path(&self) -> PathBuf {
        match &self.data {
            Some(Data::File(path)) => path.clone(),
            _ => PathBuf::from("standard input"),
        }
    }

    /// What HTTP/0.9 sends.
    #[must_use]
    pub fn hq_line(target: &Target) -> String {
        format!("GET {}\r\n", target.path())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{args, exit::Exit, target};

    fn template(list: &[&str]) -> Result<Template, Error> {
        let all = ["neqo-client", "https://h/"].iter().chain(list);
        let args = args::parse(all)
            .map_err(|e| Error::Usage(e.to_string()))?
            .fetch;
        Template::new(&args.request, args.network.alpn, args.urls.len())
    }

    fn field(t: &Template, length: Option<u64>, name: &str) -> Option<String> {
        let fields = t.fields(length);
        let mut found = fields.into_iter().filter(|(n, _)| n == name);
        let value = found.next().map(|(_, v)| v);
        assert!(found.next().is_none(), "{name} twice");
        value
    }

    #[test]
    fn methods() {
        assert_eq!(template(&[]).unwrap().method(), "GET");
        assert_eq!(template(&["-d", "x"]).unwrap().method(), "POST");
        assert_eq!(template(&["-d", "x", "-X", "PUT"]).unwrap().method(), "PUT");
        assert!(template(&["-X", "HEAD"]).unwrap().is_head());
    }

    #[test]
    fn fields_of_the_user_win() {
        let t = template(&["-H", "User-Agent: me", "-d", "abc"]).unwrap();
        assert_eq!(field(&t, Some(3), "user-agent").as_deref(), Some("me"));
        assert_eq!(field(&t, Some(3), "content-length").as_deref(), Some("3"));
        assert_eq!(field(&t, None, "content-length"), None);
        let t = template(&[]).unwrap();
        assert_eq!(field(&t, Some(0), "content-length"), None);
        assert_eq!(field(&t, Some(0), "content-type"), None);
    }

    #[test]
    fn bodies() {
        let (_, length) = template(&["-d", "abc"]).unwrap().body().unwrap();
        assert_eq!(length, Some(3));
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("up");
        std::fs::write(&path, [1; 5000]).unwrap();
        let t = template(&["-d", &format!("@{}", path.display())]).unwrap();
        assert_eq!(t.body().unwrap().1, Some(5000));
        assert_eq!(t.body().unwrap().1, Some(5000), "a body for every URL");
    }

    #[test]
    fn mistakes_are_found_before_connecting() {
        assert_eq!(
            template(&["-d", "@/no/such/file"]).unwrap_err().exit(),
            Exit::Read
        );
        assert_eq!(template(&["-d", "@/"]).unwrap_err().exit(), Exit::Read);
        assert_eq!(
            template(&["-d", "@-", "https://h/2"]).unwrap_err().exit(),
            Exit::Usage
        );
        for more in [["-X", "HEAD"], ["-d", "x"], ["-H", "a: b"]] {
            let e = template(&["--alpn", "hq-interop", more[0], more[1]]).unwrap_err();
            assert_eq!(e.exit(), Exit::Usage);
        }
    }

    #[test]
    fn hq() {
        let groups = target::group(&["https://h/a?b".into()]).unwrap();
        assert_eq!(Template::hq_line(&groups[0].targets[0]), "GET /a?b\r\n");
    }
}
