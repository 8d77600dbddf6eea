//! Blanks out what is not code, so that the rules need not know about comments and literals.

/// Replaces comments, the contents of string and character literals, and everything that is not
/// ASCII by spaces. Line breaks stay, so that lines and offsets are those of `source`.
pub(crate) fn mask(source: &str) -> Vec<u8> {
    let mut masker = Masker {
        bytes: source.as_bytes(),
        out: source
            .bytes()
            .map(|b| if b.is_ascii() { b } else { b' ' })
            .collect(),
        at: 0,
    };
    while masker.at < masker.bytes.len() {
        masker.step();
    }
    masker.out
}

struct Masker<'a> {
    bytes: &'a [u8],
    out: Vec<u8>,
    at: usize,
}

impl Masker<'_> {
    fn step(&mut self) {
        let rest = &self.bytes[self.at..];
        if rest.starts_with(b"//") {
            let len = rest.iter().position(|b| *b == b'\n');
            self.blank(len.unwrap_or(rest.len()));
        } else if rest.starts_with(b"/*") {
            self.blank(block_comment(rest));
        } else if let Some((prefix, hashes)) = self.raw_string() {
            self.at += prefix;
            self.blank(raw_contents(&self.bytes[self.at..], hashes));
            self.at += 1 + hashes;
        } else if rest[0] == b'"' {
            self.at += 1;
            self.blank(quoted(&rest[1..], b'"'));
            self.at += 1;
        } else if rest[0] == b'\'' && is_char(&rest[1..]) {
            self.at += 1;
            self.blank(quoted(&rest[1..], b'\''));
            self.at += 1;
        } else {
            self.at += 1;
        }
    }

    /// Blanks `len` bytes and goes behind them.
    fn blank(&mut self, len: usize) {
        let end = (self.at + len).min(self.out.len());
        for b in &mut self.out[self.at..end] {
            if *b != b'\n' {
                *b = b' ';
            }
        }
        self.at = end;
    }

    /// The length of what opens a raw string here, up to and with its quote, and the number of `#`.
    fn raw_string(&self) -> Option<(usize, usize)> {
        let before = self.at.checked_sub(1).map(|i| self.bytes[i]);
        if before.is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return None;
        }
        let rest = &self.bytes[self.at..];
        let letters = rest.iter().take_while(|b| b"brc".contains(b)).count();
        if letters == 0 || letters > 2 || rest[letters - 1] != b'r' {
            return None;
        }
        let hashes = rest[letters..].iter().take_while(|b| **b == b'#').count();
        (rest.get(letters + hashes) == Some(&b'"')).then_some((letters + hashes + 1, hashes))
    }
}

/// The length of the block comment, with those nested in it, that `rest` begins with.
fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut i) = (0_usize, 0);
    while i < rest.len() {
        if rest[i..].starts_with(b"/*") {
            depth += 1;
            i += 2;
        } else if rest[i..].starts_with(b"*/") {
            depth -= 1;
            i += 2;
            if depth == 0 {
                break;
            }
        } else {
            i += 1;
        }
    }
    i
}

/// The length of the contents of a raw string that is closed by a quote and `hashes` times `#`.
fn raw_contents(rest: &[u8], hashes: usize) -> usize {
    let mut closing = vec![b'"'];
    closing.resize(1 + hashes, b'#');
    rest.windows(closing.len())
        .position(|w| w == closing)
        .unwrap_or(rest.len())
}

/// The length of the contents of a literal that is closed by `quote`.
fn quoted(rest: &[u8], quote: u8) -> usize {
    let mut i = 0;
    while i < rest.len() && rest[i] != quote {
        i += if rest[i] == b'\\' { 2 } else { 1 };
    }
    i
}

/// Whether what follows an apostrophe makes it a character literal and not a lifetime.
fn is_char(rest: &[u8]) -> bool {
    match rest {
        [b'\\', ..] | [_, b'\'', ..] => true,
        [first, ..] => !first.is_ascii(), // more than one byte, and no lifetime begins like this
        [] => false,
    }
}

#[test]
fn comments_and_literals_are_blanked() {
    for (source, masked) in [
        ("a // { \" \nb", "a        \nb"),
        ("a /* { /* } */ \n */ b", "a              \n    b"),
        (r#"f("}\"{", b'{')"#, r#"f("    ", b' ')"#),
        (r##"r#"a"{"# {"##, r##"r#"   "# {"##),
        (r#"br"\" {"#, r#"br" " {"#),
        (
            "fn f<'a>(x: &'a str) -> char { '\\'' }",
            "fn f<'a>(x: &'a str) -> char { '  ' }",
        ),
        ("'{' 'ä' '\\u{7b}' {", "' ' '  ' '      ' {"),
        ("hour\"{\"", "hour\" \""),
        ("r#type {", "r#type {"),
        ("c\"{\" b\"{\"", "c\" \" b\" \""),
        ("\"unclosed {", "\"          "),
    ] {
        assert_eq!(String::from_utf8(mask(source)).unwrap(), masked, "{source}");
    }
}
