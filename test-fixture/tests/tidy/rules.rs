//! The rules, each a function from one file to its faults.

use std::{collections::BTreeSet, ops::Range};

use crate::{
    docs::undocumented,
    mask::mask,
    scan::{attributes, breaks, functions, line_of, test_items, words},
};

const MAX_FILE: usize = 800;
const MAX_FUNCTION: usize = 80;
const MAX_PARAMETERS: usize = 7;

/// Crates in which every value has one owner.
const ONE_OWNER: [&str; 4] = ["neqo-common", "neqo-transport", "neqo-qpack", "neqo-http3"];
/// What shares or hides ownership.
const SHARED: [&str; 9] = [
    "Rc",
    "RefCell",
    "Arc",
    "Mutex",
    "Cell",
    "RwLock",
    "OnceCell",
    "UnsafeCell",
    "LazyCell",
];

/// The one module that calls functions of another language.
const FOREIGN: &str = "neqo-crypto/src/nss/";

/// Crates that leave sockets, threads and runtimes to their host.
const SANS_IO: [&str; 5] = [
    "neqo-common",
    "neqo-crypto",
    "neqo-transport",
    "neqo-qpack",
    "neqo-http3",
];
/// What only a host may name.
const HOSTS_OWN: [&str; 6] = [
    "UdpSocket",
    "TcpStream",
    "TcpListener",
    "thread",
    "tokio",
    "mio",
];

/// Which crates of this workspace each crate may depend on outside of its tests.
const MAY_USE: [(&str, &[&str]); 8] = [
    ("neqo-common", &[]),
    ("neqo-crypto", &["neqo-common"]),
    ("neqo-transport", &["neqo-common", "neqo-crypto"]),
    ("neqo-qpack", &["neqo-common"]),
    (
        "neqo-http3",
        &["neqo-common", "neqo-crypto", "neqo-qpack", "neqo-transport"],
    ),
    ("neqo-udp", &["neqo-common"]),
    (
        "neqo-bin",
        &[
            "neqo-common",
            "neqo-crypto",
            "neqo-http3",
            "neqo-qpack",
            "neqo-transport",
            "neqo-udp",
        ],
    ),
    (
        "test-fixture",
        &[
            "neqo-common",
            "neqo-crypto",
            "neqo-http3",
            "neqo-qpack",
            "neqo-transport",
        ],
    ),
];

/// The list of the attacks that comments cite.
pub(crate) const HARDENING: &str = "neqo-transport/HARDENING.md";

/// Where and what.
pub(crate) type Fault = (usize, String);

/// Everything that is wrong with a Rust file; `path` is relative to the workspace.
pub(crate) fn rust_file(path: &str, source: &str) -> Vec<Fault> {
    let code = mask(source);
    let tests = test_items(&code);
    let mut faults = large_functions(path, &code);
    faults.extend(long(path, &code, &tests));
    faults.extend(unexplained_exceptions(&code));
    faults.extend(unfinished(&code));
    if !path.starts_with(FOREIGN) {
        faults.extend(unsafe_code(&code));
    }
    if !is_test(path) && path.split('/').nth(1) == Some("src") {
        faults.extend(silent(source, &code, &tests));
    }
    if is_source_of(&ONE_OWNER, path) {
        let why = "where every value has one owner";
        faults.extend(forbidden(&SHARED, why, &code, &tests));
    }
    if is_source_of(&SANS_IO, path) {
        let why = "where a host owns sockets and threads";
        faults.extend(forbidden(&HOSTS_OWN, why, &code, &tests));
    }
    if is_crate_root(path) && !forbids_unsafe(&code) {
        faults.push((1, "a crate root without #![forbid(unsafe_code)]".to_owned()));
    }
    faults
}

/// Whether `path` is what one of `crates` consists of, tests excluded.
fn is_source_of(crates: &[&str], path: &str) -> bool {
    let mut parts = path.split('/');
    parts.next().is_some_and(|name| crates.contains(&name))
        && parts.next() == Some("src")
        && !is_test(path)
}

/// Files that hold nothing but tests.
fn is_test(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.split('/').any(|part| part == "tests")
}

fn is_crate_root(path: &str) -> bool {
    let parts: Vec<_> = path.split('/').collect();
    matches!(
        parts[..],
        [_, "src", "lib.rs" | "main.rs"] | [_, "src", "bin", _]
    ) || matches!(parts[..], [_, "src", "bin", _, "main.rs"])
}

fn long(path: &str, code: &[u8], tests: &[Range<usize>]) -> Option<Fault> {
    let all = breaks(code);
    let in_tests: BTreeSet<_> = tests
        .iter()
        .flat_map(|r| line_of(code, r.start)..=line_of(code, r.end))
        .collect();
    let lines = all.saturating_sub(in_tests.len());
    (!is_test(path) && lines > MAX_FILE).then(|| {
        (
            1,
            format!("{lines} lines without tests, more than {MAX_FILE}"),
        )
    })
}

fn large_functions(path: &str, code: &[u8]) -> Vec<Fault> {
    let mut faults = Vec::new();
    for f in functions(code) {
        if f.lines > MAX_FUNCTION {
            let what = format!(
                "`{}` has {} lines, more than {MAX_FUNCTION}",
                f.name, f.lines
            );
            faults.push((f.line, what));
        }
        // The parameters of a foreign function are not ours to choose.
        if f.parameters > MAX_PARAMETERS && !(f.declared && path.starts_with(FOREIGN)) {
            let what = format!(
                "`{}` has {} parameters, more than {MAX_PARAMETERS}",
                f.name, f.parameters
            );
            faults.push((f.line, what));
        }
    }
    faults
}

fn unexplained_exceptions(code: &[u8]) -> Vec<Fault> {
    attributes(code)
        .into_iter()
        .filter_map(|(word, extent)| {
            let mut inside = words(&code[extent.clone()]).map(|(_, w)| w);
            let exception = match word {
                "allow" | "expect" => true,
                "cfg_attr" => inside.clone().any(|w| w == "allow" || w == "expect"),
                _ => false,
            };
            let fault = exception && !inside.any(|w| w == "reason");
            fault.then(|| {
                (
                    line_of(code, extent.start),
                    format!("#[{word}] without a reason"),
                )
            })
        })
        .collect()
}

fn unfinished(code: &[u8]) -> Vec<Fault> {
    words(code)
        .filter(|(at, word)| {
            matches!(*word, "todo" | "unimplemented") && code.get(at + word.len()) == Some(&b'!')
        })
        .map(|(at, word)| (line_of(code, at), format!("{word}! in the code")))
        .collect()
}

/// The compiler looks after crate roots that forbid it; this looks after every other target.
fn unsafe_code(code: &[u8]) -> Vec<Fault> {
    words(code)
        .filter(|(_, word)| *word == "unsafe")
        .map(|(at, _)| (line_of(code, at), "unsafe code".to_owned()))
        .collect()
}

fn silent(source: &str, code: &[u8], tests: &[Range<usize>]) -> Vec<Fault> {
    undocumented(source, code, tests)
        .into_iter()
        .map(|(line, name)| (line, format!("`{name}` is public without documentation")))
        .collect()
}

fn forbidden(names: &[&str], why: &str, code: &[u8], tests: &[Range<usize>]) -> Vec<Fault> {
    words(code)
        .filter(|(at, word)| names.contains(word) && !tests.iter().any(|r| r.contains(at)))
        .map(|(at, word)| (line_of(code, at), format!("{word} {why}")))
        .collect()
}

fn forbids_unsafe(code: &[u8]) -> bool {
    // The crate that has a foreign module cannot forbid it with the feature that compiles it; there it denies.
    attributes(code).into_iter().any(|(word, extent)| {
        let inside: Vec<_> = words(&code[extent]).map(|(_, w)| w).collect();
        (word == "forbid" || inside.contains(&"forbid")) && inside.contains(&"unsafe_code")
    })
}

/// Citations of attacks and rules that `list` has no row for.
pub(crate) fn unlisted(source: &str, list: &str) -> Vec<Fault> {
    // Written in halves, for this file is checked as well.
    let citation = concat!("harden", "ing ");
    let of_line = |(number, line): (usize, &str)| {
        let mut faults = Vec::new();
        for (at, _) in line.match_indices(citation) {
            let row = &line[at + citation.len()..];
            let end = row.find(|c: char| !c.is_ascii_alphanumeric());
            let row = &row[..end.unwrap_or(row.len())];
            let cited = row
                .strip_prefix(['A', 'R'])
                .is_some_and(|n| n.starts_with(|c: char| c.is_ascii_digit()));
            if cited && !list.contains(&format!("\n| {row} |")) {
                faults.push((number + 1, format!("{row} is not in {HARDENING}")));
            }
        }
        faults
    };
    source.lines().enumerate().flat_map(of_line).collect()
}

/// Paths of a developer's machine in a file of any kind.
pub(crate) fn machine_paths(text: &str) -> Vec<Fault> {
    // Written in halves, for this file is checked as well.
    let roots = [
        concat!("/", "tmp/"),
        concat!("/", "work/"),
        concat!("/", "root/"),
    ];
    let mut faults = Vec::new();
    for (line, content) in (1..).zip(text.lines()) {
        for root in roots {
            let absolute = content.match_indices(root).any(|(at, _)| {
                let before = content[..at].chars().next_back();
                before.is_none_or(|c| !(c.is_alphanumeric() || "_.-/}*)]".contains(c)))
            });
            if absolute {
                faults.push((line, format!("the path {root} of one machine")));
            }
        }
    }
    faults
}

/// What is wrong with the manifest of the crate in the directory `name`.
pub(crate) fn manifest(name: &str, text: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    let (mut section, mut lints) = ("", false);
    let allowed = MAY_USE.iter().find(|(krate, _)| *krate == name);
    if allowed.is_none() {
        faults.push((1, format!("{name} has no place in the order of crates")));
    }
    for (line, content) in (1..).zip(text.lines().map(str::trim)) {
        if content.starts_with('[') {
            section = content;
            continue;
        }
        lints |= section == "[lints]" && content.replace(' ', "") == "workspace=true";
        let used = content.split(['.', '=', ' ']).next().unwrap_or_default();
        let ours = MAY_USE.iter().any(|(krate, _)| *krate == used);
        if section == "[dependencies]"
            && ours
            && !allowed.is_some_and(|(_, may)| may.contains(&used))
        {
            faults.push((line, format!("{name} must not depend on {used}")));
        }
    }
    if !lints {
        faults.push((1, "no `[lints] workspace = true`".to_owned()));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(path: &str, source: &str) -> Vec<String> {
        rust_file(path, source)
            .into_iter()
            .map(|(line, what)| format!("{line}: {what}"))
            .collect()
    }

    #[test]
    fn clean_code_has_no_faults() {
        let source = "#![forbid(unsafe_code)]\n// Rc, todo!()\n\
            #[expect(clippy::x, reason = \"y\")]\nfn f(a: u8) -> &'static str { \"Arc<Cell<u8>>\" }\n\
            #[cfg(test)]\nmod tests { use std::rc::Rc; }\n";
        assert_eq!(of("neqo-common/src/lib.rs", source), [""; 0]);
        let foreign =
            "unsafe extern \"C\" { fn f(a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8, h: u8); }";
        assert_eq!(of("neqo-crypto/src/nss/a.rs", foreign), [""; 0]);
    }

    #[test]
    fn each_fault_is_reported_with_its_line() {
        let root = "neqo-transport/src/lib.rs";
        let inner = "neqo-transport/src/a.rs";
        for (path, source, fault) in [
            (
                root,
                "fn f() {}",
                "1: a crate root without #![forbid(unsafe_code)]",
            ),
            (
                "neqo-bin/src/bin/x.rs",
                "",
                "1: a crate root without #![forbid(unsafe_code)]",
            ),
            (
                inner,
                "\nuse std::rc::Rc;",
                "2: Rc where every value has one owner",
            ),
            (
                "neqo-crypto/src/nss.rs",
                "unsafe fn f() {}",
                "1: unsafe code",
            ),
            (
                "neqo-crypto/src/a.rs",
                "use std::thread;",
                "1: thread where a host owns sockets and threads",
            ),
            (
                inner,
                "#[allow(clippy::x)]\nfn f() {}",
                "1: #[allow] without a reason",
            ),
            (
                inner,
                "\n#![expect(clippy::x)]",
                "2: #[expect] without a reason",
            ),
            (
                inner,
                "#[cfg_attr(test, allow(x))]\nfn f() {}",
                "1: #[cfg_attr] without a reason",
            ),
            (inner, "fn f() { todo!() }", "1: todo! in the code"),
            (
                "neqo-udp/tests/a.rs",
                "fn f() {\n unsafe { g() } }",
                "2: unsafe code",
            ),
            (
                "neqo-udp/benches/a.rs",
                "#[unsafe(no_mangle)]\nfn f() {}",
                "1: unsafe code",
            ),
            (
                inner,
                "#[derive(Debug)]\npub struct A;",
                "2: `A` is public without documentation",
            ),
            (
                inner,
                "fn f() {\n unimplemented!(\"x\") }",
                "2: unimplemented! in the code",
            ),
            (
                inner,
                "fn f(&self, a: A, b: A, c: A, d: A, e: A, f: A, g: A) {}",
                "1: `f` has 8 parameters, more than 7",
            ),
        ] {
            assert_eq!(of(path, source), [fault], "{source}");
        }
        assert_eq!(of("neqo-udp/src/a.rs", "use std::rc::Rc;"), [""; 0]);
        assert_eq!(
            of("neqo-common/src/a/tests.rs", "use std::rc::Rc;"),
            [""; 0]
        );
    }

    #[test]
    fn size_is_limited_without_tests() {
        let body = "    let x = 1;\n";
        let function = |lines| format!("fn f() {{\n{}}}\n", body.repeat(lines));
        assert_eq!(of("a/src/a.rs", &function(78)), [""; 0]);
        assert_eq!(
            of("a/src/a.rs", &function(79)),
            ["1: `f` has 81 lines, more than 80"]
        );

        let consts = |lines| "const A: u8 = 1;\n".repeat(lines);
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", consts(500));
        assert_eq!(of("a/src/a.rs", &(consts(800) + &tests)), [""; 0]);
        assert_eq!(
            of("a/src/a.rs", &(consts(801) + &tests)),
            ["1: 801 lines without tests, more than 800"]
        );
        assert_eq!(of("a/src/a/tests.rs", &consts(2000)), [""; 0]);
        assert_eq!(of("a/tests/b.rs", &consts(2000)), [""; 0]);
    }

    #[test]
    fn citations_have_rows() {
        let cites = concat!(
            "x\n// harden",
            "ing A7, harden",
            "ing R12 and harden",
            "ing of steel"
        );
        let list = "| row |\n| A7 | x |\n| R1 | y |\n";
        let found = unlisted(cites, list);
        let expected = format!("R12 is not in {HARDENING}");
        assert_eq!(found, [(2, expected)]);
    }

    #[test]
    fn paths_of_a_machine_are_found() {
        let [t, w] = [concat!("/", "tmp/"), concat!("/", "work/")];
        for bad in [format!("{t}x"), format!("cd {w}main"), format!("\"{t}\"")] {
            assert_eq!(machine_paths(&bad).len(), 1, "{bad}");
        }
        for good in [
            format!("target{t}x"),
            ".github/workflows/".to_owned(),
            format!("https://example.com{w}a"),
            format!("${{DIR}}{t}a"),
        ] {
            assert_eq!(machine_paths(&good), [], "{good}");
        }
    }

    #[test]
    fn manifests_are_checked() {
        let good = "[dependencies]\nneqo-common.workspace = true\nlog = \"1\"\n\
            [dev-dependencies]\ntest-fixture.workspace = true\n[lints]\nworkspace = true\n";
        assert_eq!(manifest("neqo-qpack", good), []);
        assert_eq!(
            manifest("neqo-common", good),
            [(2, "neqo-common must not depend on neqo-common".to_owned())]
        );
        assert_eq!(
            manifest("neqo-udp", "[lints.rust]\nworkspace = true"),
            [(1, "no `[lints] workspace = true`".to_owned())]
        );
        assert_eq!(manifest("other", good).len(), 2);
    }
}
