//! Files below a root that nothing leaves.

use std::{
    fs::{self, File, Metadata},
    io::{self, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{
    plan::{Body, Plan},
    range::{self, Ranged},
    request::Request,
    target::Target,
};
use crate::body::{Feed, Generated, Source};

/// What stands for a directory.
const INDEX: &str = "index.html";

/// A GET or HEAD that must look at the file system, which may block: run it on a thread that may.
#[derive(Debug)]
pub struct Lookup {
    pub(super) root: Arc<Path>,
    pub(super) request: Request,
    pub(super) target: Target,
}

enum Found {
    File(PathBuf, Metadata),
    /// A directory was asked for as if it were a file.
    NeedsSlash,
}

impl Lookup {
    /// Answers the request.
    #[must_use]
    pub fn run(self) -> Plan {
        let answer = match self.find() {
            Ok(Found::File(path, metadata)) => self.serve(&path, &metadata),
            Ok(Found::NeedsSlash) => Ok(self.redirect()),
            Err(e) => Err(e),
        };
        answer.unwrap_or_else(|e| match e.kind() {
            io::ErrorKind::PermissionDenied => Plan::text(403, "forbidden\n", &self.request),
            // Names that are too long, loops of links, files where directories should be, …
            _ => self.missing(),
        })
    }

    fn missing(&self) -> Plan {
        match self.target.number() {
            Some(n) => generated(&self.request, n),
            None => Plan::not_found(&self.request),
        }
    }

    fn redirect(&self) -> Plan {
        let mut plan = Plan::text(301, "moved\n", &self.request);
        plan.headers.push(("location", self.target.with_slash()));
        plan
    }

    fn find(&self) -> io::Result<Found> {
        let mut path = self.root.to_path_buf();
        path.extend(&self.target.segments);
        let (mut path, mut metadata) = self.inside(&path)?;
        if metadata.is_dir() {
            if !self.target.directory {
                return Ok(Found::NeedsSlash);
            }
            (path, metadata) = self.inside(&path.join(INDEX))?;
        } else if self.target.directory {
            return Err(io::ErrorKind::NotFound.into());
        }
        // Opening a pipe would wait for a writer, and a device may never end.
        if metadata.is_file() {
            Ok(Found::File(path, metadata))
        } else {
            Err(io::ErrorKind::NotFound.into())
        }
    }

    /// Follows symbolic links, and refuses those that lead out of the root.
    fn inside(&self, path: &Path) -> io::Result<(PathBuf, Metadata)> {
        let real = fs::canonicalize(path)?;
        if !real.starts_with(self.root.as_ref()) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let metadata = fs::metadata(&real)?;
        Ok((real, metadata))
    }

    fn serve(&self, path: &Path, metadata: &Metadata) -> io::Result<Plan> {
        // Opened even for HEAD, so that both methods agree about what is forbidden.
        let mut file = File::open(path)?;
        let modified = metadata.modified().ok().map(whole_seconds);
        let mut headers = vec![("content-type", content_type(path))];
        let stamp = modified.map(httpdate::fmt_http_date);
        if let Some(stamp) = &stamp {
            headers.push(("last-modified", stamp.clone()));
        }
        if let (Some(since), Some(modified)) = (self.request.if_modified_since, modified)
            && modified <= since
        {
            return Ok(Plan {
                status: 304,
                headers,
                body: Body::Send(Source::empty()),
            });
        }
        let length = metadata.len();
        // RFC 9110 §13.1.5: a part only helps whoever holds the rest of the same version.
        let ranged = match &self.request.if_range {
            Some(condition) if Some(condition) != stamp.as_ref() => Ranged::Whole,
            _ => range::apply(self.request.range.as_deref(), length),
        };
        Plan::representation(&self.request, length, ranged, headers, |offset, len| {
            file.seek(SeekFrom::Start(offset))?;
            Ok(Source::Feed(Feed::exactly(file, len)))
        })
    }
}

/// The answer to `/N`.
pub(super) fn generated(request: &Request, length: u64) -> Plan {
    let ranged = range::apply(request.range.as_deref(), length);
    let headers = vec![("content-type", "application/octet-stream".to_owned())];
    Plan::representation(request, length, ranged, headers, |offset, len| {
        Ok(Source::Generated(Generated::new(offset, len)))
    })
    .unwrap_or_else(|_e| Plan::text(500, "internal error\n", request))
}

/// HTTP dates have no fractions.
fn whole_seconds(time: SystemTime) -> SystemTime {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .map_or(SystemTime::UNIX_EPOCH, |d| {
            SystemTime::UNIX_EPOCH + Duration::from_secs(d.as_secs())
        })
}

fn content_type(path: &Path) -> String {
    let mime = mime_guess::from_path(path).first_or_octet_stream();
    if mime.type_() == mime_guess::mime::TEXT {
        format!("{mime}; charset=utf-8")
    } else {
        mime.to_string()
    }
}
