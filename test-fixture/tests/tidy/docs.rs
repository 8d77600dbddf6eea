//! Finds what is public and says nothing about itself. The compiler's lint asks this of what can be
//! reached from outside of a crate; here it is asked of all that is `pub`, programs included.

use std::ops::Range;

use crate::scan::{attributes, line_of, words};

/// What follows `pub` in an item that needs words of its own. Modules have theirs in their files,
/// and fields of what can be reached are the compiler's to look after.
const ITEMS: [&str; 12] = [
    "async", "const", "enum", "extern", "fn", "macro", "static", "struct", "trait", "type",
    "union", "unsafe",
];

/// The lines and names of public items without a documentation comment. `code` is `source` masked.
pub(crate) fn undocumented(
    source: &str,
    code: &[u8],
    tests: &[Range<usize>],
) -> Vec<(usize, String)> {
    let attributes = attributes(code);
    let mut faults = Vec::new();
    for (at, _) in words(code).filter(|(_, word)| *word == "pub") {
        let mut head = words(&code[at..]).skip(1).map(|(_, word)| word);
        // In `pub(crate)` the next word is not an item.
        let is_item = head.clone().next().is_some_and(|w| ITEMS.contains(&w));
        if is_item
            && !tests.iter().any(|r| r.contains(&at))
            && !has_docs(source, at, &attributes)
            && let Some(name) = head.find(|w| !ITEMS.contains(w))
        {
            faults.push((line_of(code, at), name.to_owned()));
        }
    }
    faults
}

/// Whether documentation stands before the item at `at`, among its attributes.
fn has_docs(source: &str, at: usize, attributes: &[(&str, Range<usize>)]) -> bool {
    let mut before = source[..at].trim_end();
    loop {
        let line = before.lines().next_back().unwrap_or_default();
        let trimmed = line.trim_start();
        if trimmed.starts_with("///") {
            return true;
        }
        if trimmed.starts_with("//") {
            before = before[..before.len() - line.len()].trim_end();
        } else if let Some((word, extent)) = attributes.iter().find(|(_, r)| r.end == before.len())
        {
            if *word == "doc" {
                return true;
            }
            before = before[..extent.start].trim_end();
        } else {
            return false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{mask::mask, scan::test_items};

    fn of(source: &str) -> Vec<(usize, String)> {
        let code = mask(source);
        undocumented(source, &code, &test_items(&code))
    }

    #[test]
    fn items_without_words_are_found() {
        for item in [
            "fn x() {}",
            "const fn x() {}",
            "async fn x() {}",
            "struct x;",
            "enum x { A }",
            "trait x {}",
            "type x = u8;",
            "const x: u8 = 1;",
            "static x: u8 = 1;",
        ] {
            let fault = |line| [(line, "x".to_owned())];
            assert_eq!(of(&format!("\npub {item}")), fault(2), "{item}");
            assert_eq!(of(&format!("// why\npub {item}")), fault(2), "{item}");
            assert_eq!(of(&format!("/// a\nfn a() {{}}\npub {item}")), fault(3));
            assert_eq!(of(&format!("#[a(\n b\n)]\npub {item}")), fault(4));

            assert_eq!(of(&format!("/// a\npub {item}")), [], "{item}");
            assert_eq!(of(&format!("/// a\n#[b(\n c\n)]\n#[d]\npub {item}")), []);
            assert_eq!(of(&format!("#[b]\n/// a\n//= c\n\npub {item}")), []);
            assert_eq!(of(&format!("#[doc = \"a\"]\npub {item}")), []);
            assert_eq!(of(&format!("pub(crate) {item} pub(super) {item}")), []);
            assert_eq!(of(&format!("#[cfg(test)]\nmod a {{ pub {item} }}")), []);
            assert_eq!(of(&format!("// pub {item}\n\"pub {item}\"")), [], "{item}");
        }
        assert_eq!(of("pub use a::b;\npub mod c;\nstruct D { pub e: u8 }"), []);
    }
}
