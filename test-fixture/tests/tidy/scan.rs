//! Finds functions, attributes and test code in masked source.

use std::ops::Range;

/// A function with a body or without.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) name: String,
    /// The line of `fn`, from 1.
    pub(crate) line: usize,
    /// From the line of `fn` to that of the closing brace, both counted.
    pub(crate) lines: usize,
    /// Parameters, `self` included.
    pub(crate) parameters: usize,
    /// Whether there is no body: of a trait, or of a library in another language.
    pub(crate) declared: bool,
}

/// The line, from 1, of an offset.
pub(crate) fn line_of(code: &[u8], offset: usize) -> usize {
    1 + breaks(&code[..offset])
}

/// The number of line breaks.
pub(crate) fn breaks(code: &[u8]) -> usize {
    code.split(|b| *b == b'\n').count() - 1
}

/// The identifiers and keywords with their offsets.
pub(crate) fn words(code: &[u8]) -> impl Iterator<Item = (usize, &str)> + Clone {
    let mut at = 0;
    std::iter::from_fn(move || {
        at += code[at..].iter().position(|b| is_word(*b))?;
        let start = at;
        at += code[at..].iter().take_while(|b| is_word(**b)).count();
        Some((start, std::str::from_utf8(&code[start..at]).ok()?))
    })
}

const fn is_word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_'
}

/// Every function: items, methods, those nested in others, and those of traits.
pub(crate) fn functions(code: &[u8]) -> Vec<Function> {
    words(code)
        .filter(|(_, word)| *word == "fn")
        .filter_map(|(at, _)| function(code, at))
        .collect()
}

fn function(code: &[u8], start: usize) -> Option<Function> {
    let (at, name) = words(&code[start..]).nth(1)?;
    let after_name = start + at + name.len();
    // `fn(u8) -> u8` is a type, and the next word is not its name.
    if code[start + 2..start + at].contains(&b'(') {
        return None;
    }
    let open = after_name + generics(&code[after_name..]);
    if code.get(open) != Some(&b'(') {
        return None;
    }
    let close = open + closing(&code[open..])?;
    let end = end_of_item(code, close)?;
    Some(Function {
        name: name.to_owned(),
        line: line_of(code, start),
        lines: 1 + breaks(&code[start..end]),
        parameters: arguments(&code[open + 1..close]),
        declared: code.get(end) == Some(&b';'),
    })
}

/// The length of white space and `<…>` at the start.
fn generics(code: &[u8]) -> usize {
    let mut depth = 0_usize;
    for (i, b) in code.iter().enumerate() {
        match b {
            b'<' => depth += 1,
            b'>' if i > 0 && code[i - 1] == b'-' => {}
            b'>' => depth = depth.saturating_sub(1),
            _ if depth > 0 || b.is_ascii_whitespace() => {}
            _ => return i,
        }
    }
    code.len()
}

/// The offset of what closes the bracket of any kind that `code` begins with.
pub(crate) fn closing(code: &[u8]) -> Option<usize> {
    let mut depth = 0_usize;
    code.iter().position(|b| {
        match b {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0
    })
}

/// The offset of the brace or semicolon that ends an item, if `from` is within its head and outside
/// of brackets.
fn end_of_item(code: &[u8], from: usize) -> Option<usize> {
    let mut at = from + 1;
    loop {
        match code.get(at)? {
            b';' => return Some(at),
            b'{' => return Some(at + closing(&code[at..])?),
            b'(' | b'[' => at += closing(&code[at..])?,
            _ => {}
        }
        at += 1;
    }
}

/// The number of parts between commas that are outside of brackets; one after the last does not
/// count.
fn arguments(code: &[u8]) -> usize {
    let (mut depth, mut count, mut text) = (0_usize, 0, false);
    for (i, b) in code.iter().enumerate() {
        match b {
            b'(' | b'[' | b'{' | b'<' => depth += 1,
            b'>' if i > 0 && code[i - 1] == b'-' => {}
            b')' | b']' | b'}' | b'>' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                count += usize::from(text);
                text = false;
                continue;
            }
            _ => {}
        }
        text |= !b.is_ascii_whitespace();
    }
    count + usize::from(text)
}

/// An attribute: its first word and its extent from `#` to the closing bracket.
pub(crate) fn attributes(code: &[u8]) -> Vec<(&str, Range<usize>)> {
    let mut found = Vec::new();
    for (at, _) in code.iter().enumerate().filter(|(_, b)| **b == b'#') {
        let inner = usize::from(code.get(at + 1) == Some(&b'!'));
        let open = at + 1 + inner;
        if code.get(open) != Some(&b'[') {
            continue;
        }
        if let Some(len) = closing(&code[open..])
            && let Some((_, word)) = words(&code[open..]).next()
        {
            found.push((word, at..open + len + 1));
        }
    }
    found
}

/// The extents of items that are compiled for tests only: those with `#[cfg(test)]`, and such a
/// condition that includes it with `all`.
pub(crate) fn test_items(code: &[u8]) -> Vec<Range<usize>> {
    attributes(code)
        .into_iter()
        .filter(|(word, extent)| {
            let mut words = words(&code[extent.clone()]).map(|(_, w)| w);
            *word == "cfg"
                && !words.clone().any(|w| w == "any" || w == "not")
                && words.any(|w| w == "test")
        })
        .filter_map(|(_, extent)| {
            let end = end_of_item(code, extent.end - 1)?;
            Some(extent.start..end + 1)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mask::mask;

    fn shapes(source: &str) -> Vec<(String, usize, usize, usize)> {
        functions(&mask(source))
            .into_iter()
            .map(|f| (f.name, f.line, f.lines, f.parameters))
            .collect()
    }

    #[test]
    fn functions_are_measured() {
        let source = r#"
fn one() {}
pub const fn two<F: Fn(u8) -> [u8; 2], T>(
    f: F, // not a parameter, this
    t: HashMap<u8, (T, T)>,
) -> [u8; { 1 + 1 }]
where
    T: From<[u8; 2]>,
{
    let s = "} fn not(a, b) {";
    fn nested(&mut self, g: fn(u8, u8) -> u8) -> bool { '{' == s }
    let callback: fn(u8) = three;
}
trait T { fn without(&self, a: u8); }
"#;
        assert_eq!(
            shapes(source),
            [
                ("one".to_owned(), 2, 1, 0),
                ("two".to_owned(), 3, 11, 2),
                ("nested".to_owned(), 11, 1, 2),
                ("without".to_owned(), 14, 1, 2),
            ]
        );
    }

    #[test]
    fn long_functions_and_lists_are_counted_exactly() {
        let source = format!(
            "fn f(a: u8, b: u8, c: u8,) {{\n{}}}\n",
            "let x = 1;\n".repeat(100)
        );
        assert_eq!(shapes(&source), [("f".to_owned(), 1, 102, 3)]);
    }

    #[test]
    fn test_items_are_found() {
        let source = "fn a() {}\n#[cfg(test)]\nmod tests {\n fn b() { \"}\"; }\n}\nfn c() {}\n\
            #[cfg(test)]\nuse x::y;\n#[cfg(not(test))]\nfn d() {}\n#[cfg(all(test, unix))] fn e() {}";
        let code = mask(source);
        let lines = test_items(&code)
            .into_iter()
            .map(|r| (line_of(&code, r.start), line_of(&code, r.end)));
        assert_eq!(lines.collect::<Vec<_>>(), [(2, 5), (7, 8), (11, 11)]);
    }

    #[test]
    fn attributes_are_found() {
        let code = mask("#![forbid(a)]\n#[expect(x, reason = \"]\")] fn f() { b # c; }");
        let found = attributes(&code);
        let text = found
            .iter()
            .map(|(word, extent)| (*word, std::str::from_utf8(&code[extent.clone()]).unwrap()));
        assert_eq!(
            text.collect::<Vec<_>>(),
            [
                ("forbid", "#![forbid(a)]"),
                ("expect", "#[expect(x, reason = \" \")]")
            ]
        );
    }
}
