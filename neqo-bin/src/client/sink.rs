//! Where a body goes. A file is written under a temporary name beside its final one and renamed when it is complete,
//! so that a name on disk always stands for a whole body.

use std::{
    fs::{self, File, Permissions},
    io::{self, IoSlice, Stdout, Write},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use tempfile::NamedTempFile;

use super::{args::OutputArgs, error::Error, filename::Names, target::Group};

/// Pieces that one system call writes.
const MAX_SLICES: usize = 64;

/// Where a body is to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Standard output.
    Stdout,
    /// A file.
    File(PathBuf),
}

impl Destination {
    /// What an error message calls it.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        match self {
            Self::Stdout => PathBuf::from("standard output"),
            Self::File(path) => path.clone(),
        }
    }
}

/// Decides where the body of each URL goes; the result is in the order of the command line.
pub fn destinations(args: &OutputArgs, groups: &[Group]) -> Result<Vec<Destination>, Error> {
    let mut targets: Vec<_> = groups.iter().flat_map(|g| &g.targets).collect();
    targets.sort_by_key(|t| t.index);
    if let Some(dir) = &args.output_dir {
        fs::create_dir_all(dir).map_err(|source| Error::Write {
            path: dir.clone(),
            source,
        })?;
        let mut names = Names::default();
        return Ok(targets
            .iter()
            .map(|t| Destination::File(dir.join(names.pick(&t.url))))
            .collect());
    }
    if args.output.is_empty() {
        return Ok(vec![Destination::Stdout; targets.len()]);
    }
    if args.output.len() != targets.len() {
        return Err(Error::Usage(format!(
            "{} URLs but {} -o options; give one -o for each URL, or use --output-dir",
            targets.len(),
            args.output.len()
        )));
    }
    args.output
        .iter()
        .map(|path| {
            if path == Path::new("-") {
                return Ok(Destination::Stdout);
            }
            check_file(path)?;
            Ok(Destination::File(path.clone()))
        })
        .collect()
}

/// Mistakes that are better found before a connection is made.
fn check_file(path: &Path) -> Result<(), Error> {
    let checked = if path.is_dir() {
        Err(io::ErrorKind::IsADirectory.into())
    } else {
        fs::metadata(parent(path)).map(drop)
    };
    checked.map_err(|source| Error::Write {
        path: path.to_owned(),
        source,
    })
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(dir) if dir != Path::new("") => dir,
        _ => Path::new("."),
    }
}

/// A destination that is open. Dropping it before [`Sink::complete`] leaves no file behind.
#[derive(Debug)]
pub enum Sink {
    /// Standard output.
    Stdout(Stdout),
    /// A device, pipe or socket: there is nothing to rename.
    Direct(File),
    /// A file in the making.
    Partial {
        /// The temporary file, in the directory of the final one.
        file: NamedTempFile,
        /// The final name.
        target: PathBuf,
    },
}

impl Sink {
    /// Opens a destination.
    pub fn open(destination: &Destination) -> io::Result<Self> {
        let path = match destination {
            Destination::Stdout => return Ok(Self::Stdout(io::stdout())),
            Destination::File(path) => path,
        };
        match fs::metadata(path) {
            Ok(m) if m.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
            Ok(m) if !m.is_file() => {
                Ok(Self::Direct(fs::OpenOptions::new().write(true).open(path)?))
            }
            // An existing file may be a symbolic link: what it points to is replaced, not the link.
            Ok(m) => Self::partial(fs::canonicalize(path)?, Some(m.permissions())),
            Err(_) => Self::partial(path.clone(), None),
        }
    }

    fn partial(target: PathBuf, permissions: Option<Permissions>) -> io::Result<Self> {
        let prefix = match target.file_name() {
            Some(name) => format!(".{}.", name.to_string_lossy()),
            None => return Err(io::ErrorKind::InvalidInput.into()),
        };
        let mut builder = tempfile::Builder::new();
        builder.prefix(&prefix).suffix(".part");
        if let Some(permissions) = permissions.or_else(new_file_permissions) {
            builder.permissions(permissions);
        }
        let file = builder.tempfile_in(parent(&target))?;
        Ok(Self::Partial { file, target })
    }

    /// Writes all of `pieces`, one after the other.
    pub fn write(&mut self, pieces: &[Bytes]) -> io::Result<()> {
        match self {
            Self::Stdout(out) => write_all(out, pieces),
            Self::Direct(file) => write_all(file, pieces),
            Self::Partial { file, .. } => write_all(file.as_file_mut(), pieces),
        }
    }

    /// The body is complete: gives the file its name.
    pub fn complete(self) -> io::Result<()> {
        match self {
            Self::Stdout(mut out) => out.flush(),
            Self::Direct(mut file) => file.flush(),
            Self::Partial { file, target } => {
                file.persist(target).map_err(|e| e.error)?;
                Ok(())
            }
        }
    }
}

/// Writes pieces that lie scattered in memory with few system calls.
fn write_all(out: &mut impl Write, pieces: &[Bytes]) -> io::Result<()> {
    for some in pieces.chunks(MAX_SLICES) {
        let mut slices = [IoSlice::new(&[]); MAX_SLICES];
        for (slice, piece) in slices.iter_mut().zip(some) {
            *slice = IoSlice::new(piece);
        }
        let mut left = &mut slices[..];
        // Leaves nothing where nothing is to be written.
        IoSlice::advance_slices(&mut left, 0);
        while !left.is_empty() {
            match out.write_vectored(left) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => IoSlice::advance_slices(&mut left, n),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }
    Ok(())
}

/// What any program gives a new file; the umask still applies.
#[cfg(unix)]
#[expect(
    clippy::unnecessary_wraps,
    reason = "other systems have no such permissions"
)]
fn new_file_permissions() -> Option<Permissions> {
    use std::os::unix::fs::PermissionsExt as _;
    Some(Permissions::from_mode(0o666))
}

#[cfg(not(unix))]
fn new_file_permissions() -> Option<Permissions> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{args, target};

    fn plan(list: &[&str]) -> Result<Vec<Destination>, Error> {
        let all = std::iter::once(&"neqo-client").chain(list);
        let args = args::parse(all)
            .map_err(|e| Error::Usage(e.to_string()))?
            .fetch;
        let groups = target::group(&args.urls)?;
        destinations(&args.output, &groups)
    }

    fn entries(dir: &Path) -> usize {
        fs::read_dir(dir).unwrap().count()
    }

    #[test]
    fn destinations_follow_the_command_line() {
        assert_eq!(plan(&["https://h/a"]).unwrap(), [Destination::Stdout]);
        assert_eq!(
            plan(&["-o", "-", "https://h/a"]).unwrap(),
            [Destination::Stdout]
        );
        assert_eq!(
            plan(&[
                "https://h/a",
                "https://i/b",
                "https://h/c",
                "-o",
                "x",
                "-o",
                "y",
                "-o",
                "z"
            ])
            .unwrap(),
            ["x", "y", "z"].map(|f| Destination::File(f.into()))
        );
        let dir = tempfile::tempdir().unwrap();
        let sub = dir.path().join("new");
        let got = plan(&[
            "--output-dir",
            sub.to_str().unwrap(),
            "https://h/a",
            "https://i/a",
            "https://h/c",
        ])
        .unwrap();
        assert_eq!(
            got,
            ["a", "a.1", "c"].map(|f| Destination::File(sub.join(f)))
        );
        assert!(sub.is_dir());
    }

    #[test]
    fn bad_destinations_are_found_early() {
        assert!(matches!(
            plan(&["-o", "x", "https://h/a", "https://h/b"]),
            Err(Error::Usage(_))
        ));
        assert!(matches!(
            plan(&["-o", "/no/such/dir/x", "https://h/a"]),
            Err(Error::Write { .. })
        ));
        assert!(matches!(
            plan(&["-o", "/", "https://h/a"]),
            Err(Error::Write { .. })
        ));
        assert!(matches!(
            plan(&["--output-dir", "/dev/null/x", "https://h/a"]),
            Err(Error::Write { .. })
        ));
    }

    #[test]
    fn a_file_appears_only_when_complete() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        let destination = Destination::File(path.clone());
        let mut sink = Sink::open(&destination).unwrap();
        sink.write(&[Bytes::from_static(b"abc")]).unwrap();
        assert!(!path.exists());
        drop(sink);
        assert_eq!(entries(dir.path()), 0, "the temporary file is gone");

        let mut sink = Sink::open(&destination).unwrap();
        sink.write(&[Bytes::from_static(b"abc")]).unwrap();
        sink.write(&[Bytes::from_static(b"def")]).unwrap();
        sink.complete().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"abcdef");
        assert_eq!(entries(dir.path()), 1);
    }

    #[test]
    fn an_older_file_survives_failure() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        fs::write(&path, b"old").unwrap();
        let destination = Destination::File(path.clone());
        let mut sink = Sink::open(&destination).unwrap();
        sink.write(&[Bytes::from_static(b"n")]).unwrap();
        drop(sink);
        assert_eq!(fs::read(&path).unwrap(), b"old");
        let mut sink = Sink::open(&destination).unwrap();
        sink.write(&[Bytes::from_static(b"new")]).unwrap();
        sink.complete().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }

    #[cfg(unix)]
    #[test]
    fn links_and_modes_are_kept() {
        use std::os::unix::fs::{PermissionsExt as _, symlink};
        let dir = tempfile::tempdir().unwrap();
        let real = dir.path().join("real");
        let link = dir.path().join("link");
        fs::write(&real, b"old").unwrap();
        fs::set_permissions(&real, Permissions::from_mode(0o640)).unwrap();
        symlink(&real, &link).unwrap();
        let mut sink = Sink::open(&Destination::File(link.clone())).unwrap();
        sink.write(&[Bytes::from_static(b"new")]).unwrap();
        sink.complete().unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&real).unwrap(), b"new");
        assert_eq!(
            fs::metadata(&real).unwrap().permissions().mode() & 0o777,
            0o640
        );
    }

    #[cfg(unix)]
    #[test]
    fn devices_are_written_directly() {
        let mut sink = Sink::open(&Destination::File("/dev/null".into())).unwrap();
        assert!(matches!(sink, Sink::Direct(_)));
        sink.write(&[Bytes::from_static(b"gone")]).unwrap();
        sink.complete().unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }

    /// Takes a few bytes at a time, and every second call is interrupted.
    #[derive(Default)]
    struct Reluctant {
        calls: usize,
        got: Vec<u8>,
    }

    impl Write for Reluctant {
        fn write(&mut self, data: &[u8]) -> io::Result<usize> {
            self.write_vectored(&[IoSlice::new(data)])
        }

        fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
            self.calls += 1;
            if self.calls.is_multiple_of(2) {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let all = slices
                .iter()
                .flat_map(|s| s.iter().copied())
                .collect::<Vec<u8>>();
            let n = all.len().min(7);
            self.got.extend_from_slice(&all[..n]);
            Ok(n)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn scattered_pieces_arrive_in_order() {
        let data: Vec<u8> = (0..=255).cycle().take(1000).collect();
        for size in [1, 5, 7, 1000] {
            let mut pieces: Vec<_> = data.chunks(size).map(Bytes::copy_from_slice).collect();
            pieces.insert(pieces.len() / 2, Bytes::new());
            let mut out = Reluctant::default();
            write_all(&mut out, &pieces).unwrap();
            assert_eq!(out.got, data);
        }
        let mut out = Reluctant::default();
        write_all(&mut out, &[Bytes::new()]).unwrap();
        assert_eq!(out.calls, 0);
        let e = write_all(&mut &mut [0; 3][..], &[Bytes::from_static(b"four")]).unwrap_err();
        assert_eq!(e.kind(), io::ErrorKind::WriteZero);
    }
}
