//! Dictionaries of structured fields (RFC 8941, Section 4.2.2), as far as priorities need them: everything is checked,
//! but only integers and booleans are told apart.

/// The value of a dictionary member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Integer(i64),
    Boolean(bool),
    /// Any other item, or an inner list.
    Other,
}

/// Reads a dictionary from the front of what is left. Every method returns `None` when that is not what it looks for.
#[derive(Debug)]
pub(super) struct Parser<'a> {
    rest: &'a [u8],
}

impl<'a> Parser<'a> {
    pub(super) const fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    /// Reads all of the input as a dictionary and hands each member out.
    pub(super) fn dictionary(&mut self, mut member: impl FnMut(&[u8], Value)) -> Option<()> {
        self.skip(|b| b == b' ');
        while !self.rest.is_empty() {
            let key = self.key()?;
            let value = if self.eat(b'=') {
                if self.rest.first() == Some(&b'(') {
                    self.inner_list()?
                } else {
                    self.bare_item()?
                }
            } else {
                Value::Boolean(true)
            };
            self.parameters()?;
            member(key, value);
            self.skip(|b| b == b' ' || b == b'\t');
            if self.rest.is_empty() {
                break;
            }
            if !self.eat(b',') {
                return None;
            }
            self.skip(|b| b == b' ' || b == b'\t');
            // A trailing comma.
            if self.rest.is_empty() {
                return None;
            }
        }
        Some(())
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.rest.first() == Some(&byte);
        if found {
            self.rest = &self.rest[1..];
        }
        found
    }

    /// Skips bytes as long as `f` says so, and returns them.
    fn skip(&mut self, f: impl Fn(u8) -> bool) -> &'a [u8] {
        let n = self
            .rest
            .iter()
            .position(|&b| !f(b))
            .unwrap_or(self.rest.len());
        let (skipped, rest) = self.rest.split_at(n);
        self.rest = rest;
        skipped
    }

    fn key(&mut self) -> Option<&'a [u8]> {
        let first = *self.rest.first()?;
        if !first.is_ascii_lowercase() && first != b'*' {
            return None;
        }
        Some(self.skip(|b| {
            b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-' | b'.' | b'*')
        }))
    }

    fn parameters(&mut self) -> Option<()> {
        while self.eat(b';') {
            self.skip(|b| b == b' ');
            self.key()?;
            if self.eat(b'=') {
                self.bare_item()?;
            }
        }
        Some(())
    }

    fn inner_list(&mut self) -> Option<Value> {
        if !self.eat(b'(') {
            return None;
        }
        loop {
            self.skip(|b| b == b' ');
            if self.eat(b')') {
                return Some(Value::Other);
            }
            self.bare_item()?;
            self.parameters()?;
            if !matches!(self.rest.first(), Some(b' ' | b')')) {
                return None;
            }
        }
    }

    fn bare_item(&mut self) -> Option<Value> {
        match *self.rest.first()? {
            b'-' | b'0'..=b'9' => self.number(),
            b'"' => self.string(),
            b'*' | b'a'..=b'z' | b'A'..=b'Z' => {
                self.skip(|b| {
                    b.is_ascii_alphanumeric()
                        || matches!(b, b':' | b'/' | b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-')
                        || matches!(b, b'.' | b'^' | b'_' | b'`' | b'|' | b'~')
                });
                Some(Value::Other)
            }
            b':' => {
                self.eat(b':');
                self.skip(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'='));
                self.eat(b':').then_some(Value::Other)
            }
            b'?' => {
                self.eat(b'?');
                let value = self.eat(b'1');
                (value || self.eat(b'0')).then_some(Value::Boolean(value))
            }
            _ => None,
        }
    }

    fn number(&mut self) -> Option<Value> {
        let sign = if self.eat(b'-') { -1 } else { 1 };
        let digits = self.skip(|b| b.is_ascii_digit());
        if self.eat(b'.') {
            let fraction = self.skip(|b| b.is_ascii_digit());
            let fits = (1..=12).contains(&digits.len()) && (1..=3).contains(&fraction.len());
            return fits.then_some(Value::Other);
        }
        if !(1..=15).contains(&digits.len()) {
            return None;
        }
        let value = digits.iter().fold(0, |v, d| v * 10 + i64::from(d - b'0'));
        Some(Value::Integer(sign * value))
    }

    fn string(&mut self) -> Option<Value> {
        self.eat(b'"');
        loop {
            self.skip(|b| matches!(b, b' '..=b'~') && b != b'"' && b != b'\\');
            if self.eat(b'"') {
                return Some(Value::Other);
            }
            if !self.eat(b'\\') || !(self.eat(b'"') || self.eat(b'\\')) {
                return None;
            }
        }
    }
}
