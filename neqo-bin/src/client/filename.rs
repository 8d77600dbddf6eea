//! Names for the files of `--output-dir`: taken from URLs, never able to leave the directory.

use std::collections::HashSet;

use percent_encoding::percent_decode_str;
use url::Url;

/// The longest name, in bytes: file systems allow 255, and a temporary file adds a prefix and a suffix.
const MAX: usize = 200;

/// Where a path ends in a slash, as wget does it.
const INDEX: &str = "index.html";

/// Gives every URL of a run a name of its own.
#[derive(Debug, Default)]
pub struct Names {
    taken: HashSet<String>,
}

impl Names {
    /// The file name for `url`: the last segment of its path, made harmless; with `.1`, `.2`, … when that is taken.
    pub fn pick(&mut self, url: &Url) -> String {
        let base = safe_name(url);
        let mut name = base.clone();
        let mut n = 0_u64;
        // Case is folded because some file systems do.
        while !self.taken.insert(name.to_lowercase()) {
            n += 1;
            name = format!("{base}.{n}");
        }
        name
    }
}

fn safe_name(url: &Url) -> String {
    let last = url
        .path_segments()
        .and_then(|mut segments| segments.next_back())
        .unwrap_or_default();
    let decoded = percent_decode_str(last).decode_utf8_lossy();
    let mut name: String = decoded.chars().map(harmless).collect();
    // A leading dot would hide the file, or mean the directory itself.
    if name.starts_with('.') {
        name.replace_range(..1, "_");
    }
    truncate(&mut name);
    if name.is_empty() {
        name.push_str(INDEX);
    }
    name
}

/// Separators, characters that some system reserves, and those that a terminal would act on become `_`.
fn harmless(c: char) -> char {
    match c {
        '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' => '_',
        c if c.is_control() || is_format(c) => '_',
        c => c,
    }
}

/// Invisible characters and those that reverse the order of text.
const fn is_format(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fffd}')
}

/// Cuts the stem and keeps a short extension.
fn truncate(name: &mut String) {
    if name.len() <= MAX {
        return;
    }
    let extension = match name.rsplit_once('.') {
        Some((_, e)) if e.len() <= 16 => format!(".{e}"),
        _ => String::new(),
    };
    let mut end = MAX - extension.len();
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name.truncate(end);
    name.push_str(&extension);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(url: &str) -> String {
        Names::default().pick(&Url::parse(url).unwrap())
    }

    #[test]
    fn last_segment() {
        assert_eq!(name("https://h/a/b.txt"), "b.txt");
        assert_eq!(name("https://h/a/b.txt?x=/y"), "b.txt");
        assert_eq!(name("https://h/a%20b"), "a b");
        assert_eq!(name("https://h/"), INDEX);
        assert_eq!(name("https://h/a/"), INDEX);
        assert_eq!(name("https://h"), INDEX);
        assert_eq!(name("https://h/%C3%A9t%C3%A9"), "été");
    }

    #[test]
    fn nothing_leaves_the_directory() {
        for (url, want) in [
            ("https://h/..%2f..%2fetc%2fpasswd", "_._.._etc_passwd"),
            ("https://h/%2e%2e", INDEX),
            ("https://h/a/%2e%2e%00", "_._"),
            ("https://h/..%5cx", "_._x"),
            ("https://h/.bashrc", "_bashrc"),
            ("https://h/a%00b%0ac", "a_b_c"),
            ("https://h/C:x", "C_x"),
            ("https://h/%e2%80%aetxt.exe", "_txt.exe"),
            ("https://h/%ff", "_"),
        ] {
            let got = name(url);
            assert_eq!(got, want, "{url}");
            let path = std::path::Path::new(&got);
            assert_eq!(path.components().count(), 1);
            assert!(matches!(
                path.components().next(),
                Some(std::path::Component::Normal(_))
            ));
        }
    }

    #[test]
    fn long_names_keep_their_extension() {
        let got = name(&format!("https://h/{}.tar.gz", "é".repeat(300)));
        assert!(got.len() <= MAX);
        assert_eq!(got.rsplit('.').next(), Some("gz"));
        assert!(name(&format!("https://h/{}", "x".repeat(300))).len() <= MAX);
        assert!(name(&format!("https://h/x.{}", "é".repeat(300))).len() <= MAX);
    }

    #[test]
    fn names_are_unique() {
        let mut names = Names::default();
        let mut pick = |u| names.pick(&Url::parse(u).unwrap());
        assert_eq!(pick("https://h/a"), "a");
        assert_eq!(pick("https://h/b/a"), "a.1");
        assert_eq!(pick("https://h/a.1"), "a.1.1");
        assert_eq!(pick("https://h/c/A"), "A.2");
    }
}
