//! The service as a client sees it.

use std::{
    fs,
    time::{Duration, SystemTime},
};

use tempfile::TempDir;

use super::*;
use crate::body::{Piece, Source};

struct Site {
    dir: TempDir,
    service: Service,
}

/// `outer/secret` beside the root `outer/www`.
fn site() -> Site {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("www");
    fs::create_dir_all(root.join("sub/empty")).unwrap();
    fs::write(dir.path().join("secret"), "secret").unwrap();
    fs::write(root.join("hello.txt"), "hello, world\n").unwrap();
    fs::write(root.join("a b.bin"), vec![7; 300_000]).unwrap();
    fs::write(root.join("empty.html"), "").unwrap();
    fs::write(root.join("123"), "a file, not 123 bytes").unwrap();
    fs::write(root.join("index.html"), "<p>top").unwrap();
    fs::write(root.join("sub/index.html"), "<p>sub").unwrap();
    let service = Service::new(Some(&root)).unwrap();
    Site { dir, service }
}

fn plan(service: &Service, request: Request) -> Plan {
    match service.answer(request) {
        Answer::Plan(plan) => plan,
        Answer::Lookup(lookup) => lookup.run(),
    }
}

fn request(method: &str, path: &str) -> Request {
    Request {
        method: method.into(),
        ..Request::get(path)
    }
}

fn header<'p>(plan: &'p Plan, name: &str) -> Option<&'p str> {
    plan.headers
        .iter()
        .find(|(n, _)| *n == name)
        .map(|(_, v)| v.as_str())
}

fn content(plan: Plan) -> Vec<u8> {
    let Body::Send(mut source) = plan.body else {
        panic!("not a body of its own");
    };
    let mut all = Vec::new();
    loop {
        if let Some(job) = source.job() {
            source.done(job.run());
        }
        match source.peek().unwrap() {
            Piece::Data(data) => {
                all.extend_from_slice(&data);
                source.advance(data.len());
            }
            Piece::Pending => {}
            Piece::End => return all,
        }
    }
}

impl Site {
    fn get(&self, path: &str) -> Plan {
        plan(&self.service, Request::get(path))
    }

    fn status(&self, path: &str) -> u16 {
        self.get(path).status
    }
}

#[test]
fn files_have_type_length_and_content() {
    let site = site();
    let p = site.get("/hello.txt?query");
    assert_eq!(p.status, 200);
    assert_eq!(
        header(&p, "content-type"),
        Some("text/plain; charset=utf-8")
    );
    assert_eq!(header(&p, "content-length"), Some("13"));
    assert!(header(&p, "last-modified").is_some());
    assert_eq!(content(p), b"hello, world\n");

    let p = site.get("/a%20b.bin");
    assert_eq!(header(&p, "content-type"), Some("application/octet-stream"));
    assert_eq!(content(p), vec![7; 300_000]);

    let p = site.get("/empty.html");
    assert_eq!((p.status, header(&p, "content-length")), (200, Some("0")));
    assert!(content(p).is_empty());
}

#[test]
fn head_has_the_headers_of_get_and_no_body() {
    let site = site();
    for path in ["/hello.txt", "/5000", "/missing"] {
        let get = site.get(path);
        let head = plan(&site.service, request("HEAD", path));
        assert_eq!(head.status, get.status);
        assert_eq!(head.headers, get.headers);
        assert!(content(head).is_empty(), "{path}");
    }
}

#[test]
fn directories() {
    let site = site();
    assert_eq!(content(site.get("/")), b"<p>top");
    assert_eq!(content(site.get("/sub/")), b"<p>sub");
    let p = site.get("/sub");
    assert_eq!((p.status, header(&p, "location")), (301, Some("/sub/")));
    assert_eq!(site.status("/sub/empty/"), 404);
    assert_eq!(site.status("/hello.txt/"), 404);
    assert_eq!(site.status("/hello.txt/x"), 404);
}

#[test]
fn numbers_are_generated_unless_there_is_a_file() {
    let site = site();
    assert_eq!(content(site.get("/123")), b"a file, not 123 bytes");
    let p = site.get("/100000");
    assert_eq!(header(&p, "content-length"), Some("100000"));
    assert_eq!(content(p).len(), 100_000);
    assert!(content(site.get("/0")).is_empty());
    let p = site.get("/18446744073709551615");
    assert_eq!(header(&p, "content-length"), Some("18446744073709551615"));
    assert_eq!(site.status("/18446744073709551616"), 404);

    let bare = Service::new(None).unwrap();
    assert_eq!(plan(&bare, Request::get("/77")).status, 200);
    assert_eq!(plan(&bare, Request::get("/")).status, 404);
}

#[test]
fn ranges() {
    let site = site();
    let whole = content(site.get("/200000"));
    let get = |path: &str, range: &str| {
        let mut r = Request::get(path);
        r.range = Some(range.into());
        plan(&site.service, r)
    };
    let p = get("/hello.txt", "bytes=7-11");
    assert_eq!(
        (p.status, header(&p, "content-range")),
        (206, Some("bytes 7-11/13"))
    );
    assert_eq!(header(&p, "content-length"), Some("5"));
    assert_eq!(content(p), b"world");
    let p = get("/200000", "bytes=-70000");
    assert_eq!(
        header(&p, "content-range"),
        Some("bytes 130000-199999/200000")
    );
    assert_eq!(content(p), whole[130_000..]);
    let p = get("/hello.txt", "bytes=13-");
    assert_eq!(
        (p.status, header(&p, "content-range")),
        (416, Some("bytes */13"))
    );
    assert_eq!(get("/hello.txt", "bytes=0-1,3-4").status, 200);

    let mut head = request("HEAD", "/hello.txt");
    head.range = Some("bytes=0-0".into());
    let p = plan(&site.service, head);
    assert_eq!((p.status, header(&p, "content-length")), (200, Some("13")));
}

#[test]
fn conditions() {
    let site = site();
    let stamp = header(&site.get("/hello.txt"), "last-modified")
        .unwrap()
        .to_owned();
    let mut r = Request::get("/hello.txt");
    r.if_modified_since = httpdate::parse_http_date(&stamp).ok();
    let p = plan(&site.service, r.clone());
    assert_eq!(p.status, 304);
    assert!(content(p).is_empty());
    r.if_modified_since = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1));
    assert_eq!(plan(&site.service, r.clone()).status, 200);

    r.range = Some("bytes=0-0".into());
    r.if_range = Some(stamp);
    assert_eq!(plan(&site.service, r.clone()).status, 206);
    r.if_range = Some("\"other\"".into());
    assert_eq!(plan(&site.service, r).status, 200);
}

#[test]
fn nothing_escapes_the_root() {
    let site = site();
    for path in [
        "/../secret",
        "/..%2fsecret",
        "/%2e%2e/secret",
        "/%2e%2e%2fsecret",
        "/sub/../../secret",
        "/.%2e/secret",
        "//secret",
        "/..%5csecret",
        "/sub/%2e%2e/%2e%2e/secret",
    ] {
        assert_eq!(site.status(path), 404, "{path}");
    }
    for path in ["/%00", "/hello.txt%00.html", "hello.txt", "*", ""] {
        assert_eq!(site.status(path), 400, "{path:?}");
    }
    let absolute = format!("/{}", site.dir.path().join("secret").display());
    assert_eq!(site.status(&absolute), 404);
}

#[cfg(unix)]
#[test]
fn links_that_leave_the_root_lead_nowhere() {
    use std::os::unix::fs::symlink;
    let site = site();
    let www = site.dir.path().join("www");
    symlink("hello.txt", www.join("inside")).unwrap();
    symlink("../secret", www.join("outside")).unwrap();
    symlink(site.dir.path(), www.join("up")).unwrap();
    symlink("loop", www.join("loop")).unwrap();
    fs::create_dir(www.join("trap")).unwrap();
    symlink("../../secret", www.join("trap/index.html")).unwrap();
    assert_eq!(content(site.get("/inside")), b"hello, world\n");
    for path in ["/outside", "/up/secret", "/up/", "/loop", "/trap/"] {
        assert_eq!(site.status(path), 404, "{path}");
    }
    // A sibling whose name only begins like the root's.
    fs::create_dir(site.dir.path().join("www2")).unwrap();
    fs::write(site.dir.path().join("www2/x"), "x").unwrap();
    symlink("../www2/x", www.join("sibling")).unwrap();
    assert_eq!(site.status("/sibling"), 404);
}

#[cfg(unix)]
#[test]
fn sockets_and_devices_are_not_served() {
    let site = site();
    let _socket = std::os::unix::net::UnixListener::bind(site.dir.path().join("www/sock")).unwrap();
    assert_eq!(site.status("/sock"), 404);
}

#[test]
fn uploads() {
    let site = site();
    let p = plan(&site.service, request("POST", "/anything"));
    assert!(matches!(p.body, Body::Count));
    let counted = Plan::counted(42);
    assert_eq!(header(&counted, "content-length"), Some("18"));
    assert_eq!(content(counted), b"received 42 bytes\n");

    let mut r = request("PUT", "/echo");
    r.content_type = Some("text/x".into());
    let p = plan(&site.service, r.clone());
    assert!(matches!(p.body, Body::Echo));
    assert_eq!(header(&p, "content-type"), Some("text/x"));
    r.content_type = Some("text/x\r\nset-cookie: a".into());
    let p = plan(&site.service, r);
    assert_eq!(header(&p, "content-type"), Some("application/octet-stream"));
}

#[test]
fn other_methods() {
    let site = site();
    for method in ["DELETE", "PATCH", "OPTIONS", "get", ""] {
        let p = plan(&site.service, request(method, "/hello.txt"));
        assert_eq!(
            (p.status, header(&p, "allow")),
            (405, Some(ALLOW)),
            "{method}"
        );
    }
    assert_eq!(plan(&site.service, request("GET", "/echo")).status, 404);
}

#[test]
fn a_root_must_be_a_directory() {
    let site = site();
    assert!(Service::new(Some(&site.dir.path().join("secret"))).is_err());
    assert!(Service::new(Some(&site.dir.path().join("none"))).is_err());
}

#[test]
fn a_file_that_shrinks_is_an_error_not_a_short_body() {
    let site = site();
    let p = site.get("/a%20b.bin");
    fs::write(site.dir.path().join("www/a b.bin"), "short").unwrap();
    let Body::Send(mut source) = p.body else {
        panic!("not a file");
    };
    assert!(matches!(source, Source::Feed(_)));
    while let Some(job) = source.job() {
        source.done(job.run());
    }
    source.advance(5);
    assert_eq!(
        source.peek().unwrap_err().kind(),
        io::ErrorKind::UnexpectedEof
    );
}
