//! What the server answers: files, generated content, echoes and counts. It knows nothing of connections.

mod files;
mod plan;
mod range;
mod request;
mod target;
#[cfg(test)]
mod tests;

use std::{fs, io, path::Path, sync::Arc};

pub use files::Lookup;
pub use plan::{Body, Plan};
pub use request::Request;
use target::{Bad, Target};

/// Methods that a resource takes.
const ALLOW: &str = "GET, HEAD, POST, PUT";

/// Answers requests.
#[derive(Clone, Debug)]
pub struct Service {
    /// Without symbolic links.
    root: Option<Arc<Path>>,
}

/// An answer, or what must be done first.
#[derive(Debug)]
pub enum Answer {
    /// An answer.
    Plan(Plan),
    /// The file system must be asked.
    Lookup(Lookup),
}

impl Service {
    /// Serves the files below `root`, if there is one.
    pub fn new(root: Option<&Path>) -> io::Result<Self> {
        let Some(root) = root else {
            return Ok(Self { root: None });
        };
        let root = fs::canonicalize(root)?;
        // Fails for what is not a directory or may not be read.
        drop(fs::read_dir(&root)?);
        Ok(Self {
            root: Some(root.into()),
        })
    }

    /// Decides what to answer.
    #[must_use]
    pub fn answer(&self, request: Request) -> Answer {
        let target = match Target::parse(&request.path) {
            Ok(target) => target,
            Err(Bad::Malformed) if request.method != "OPTIONS" => {
                return Answer::Plan(Plan::text(400, "bad path\n", &request));
            }
            Err(_) => return Answer::Plan(Plan::not_found(&request)),
        };
        let echo = target.segments == ["echo"] && !target.directory;
        match request.method.as_str() {
            "GET" | "HEAD" => self.get(request, target),
            "POST" | "PUT" if echo => Answer::Plan(Plan {
                status: 200,
                headers: vec![(
                    "content-type",
                    request
                        .content_type
                        .filter(|t| t.bytes().all(|b| matches!(b, b' '..=b'~')))
                        .unwrap_or_else(|| "application/octet-stream".into()),
                )],
                body: Body::Echo,
            }),
            "POST" | "PUT" => Answer::Plan(Plan {
                status: 200,
                headers: Vec::new(),
                body: Body::Count,
            }),
            _ => Answer::Plan(Plan::not_allowed(&request, ALLOW)),
        }
    }

    fn get(&self, request: Request, target: Target) -> Answer {
        match (&self.root, target.number()) {
            (Some(root), _) => Answer::Lookup(Lookup {
                root: Arc::clone(root),
                request,
                target,
            }),
            (None, Some(n)) => Answer::Plan(files::generated(&request, n)),
            (None, None) => Answer::Plan(Plan::not_found(&request)),
        }
    }
}
