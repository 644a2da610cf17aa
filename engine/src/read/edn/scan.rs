//! Where a form ends and how deep it goes, without reading it.
//!
//! Brackets are counted outside of strings, characters and comments; whether the right ones close, and what stands
//! between them, is for the reader of the form to say.

use super::super::Trouble;

/// How deep a form may nest: what JSON's reader allows, too.
const DEEPEST: u32 = 128;

/// One form of the file: a map, with whatever tag stands before it.
pub(super) struct Form<'a> {
    /// The line on which it begins, from 1.
    pub(super) line: u32,
    pub(super) text: &'a str,
}

/// The state between two lines.
pub(super) struct Scanner {
    longest: u64,
    /// What the file's outermost bracket is.
    outer: Outer,
    depth: u32,
    /// Inside of a string.
    in_string: bool,
    /// The form so far.
    text: String,
    /// The line on which it begins; 0 between forms.
    begins: u32,
    over: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outer {
    NotSeen,
    /// Maps, one after the other.
    Nothing,
    /// One vector or list around all maps.
    Vector,
    /// Which has ended.
    Closed,
}

impl Scanner {
    /// A scanner at the beginning of a file; `longest` bounds a form, in bytes.
    pub(super) fn new(longest: u64) -> Self {
        let outer = Outer::NotSeen;
        Self { longest, outer, depth: 0, in_string: false, text: String::new(), begins: 0, over: false }
    }

    /// Whether the taker of the forms wants no more.
    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// Whether the file is one vector, be it an empty one.
    pub(super) fn saw_vector(&self) -> bool {
        matches!(self.outer, Outer::Vector | Outer::Closed)
    }

    /// Goes through the next line and hands over each form that ends on it.
    ///
    /// # Errors
    /// What `take` says; when brackets do not match, nest too deep, or something else stands between forms.
    pub(super) fn line(
        &mut self,
        number: u32,
        line: &str,
        take: &mut impl FnMut(&Form) -> Result<bool, Trouble>,
    ) -> Result<(), Trouble> {
        let line = line.trim_start_matches('\u{feff}');
        // Where that part of the line begins that belongs to the form.
        let mut start = 0;
        let mut bytes = line.bytes().enumerate();
        while let Some((at, byte)) = bytes.next() {
            match byte {
                // An escape in a string, or a character: the next byte is no bracket and no quote.
                b'\\' => drop(bytes.next()),
                b'"' => {
                    self.in_string = !self.in_string;
                    self.begin(number);
                }
                _ if self.in_string => {}
                b';' => {
                    self.text.push_str(&line[start..at]);
                    start = line.len();
                    break;
                }
                b'[' | b'(' if self.outer == Outer::NotSeen && self.begins == 0 => {
                    self.outer = Outer::Vector;
                    start = at + 1;
                }
                b'[' | b'(' | b'{' => self.open(number)?,
                b']' | b')' | b'}' if self.depth > 0 => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        self.text.push_str(&line[start..=at]);
                        start = at + 1;
                        self.take(number, take)?;
                    }
                }
                b']' | b')' => {
                    self.close(number)?;
                    start = at + 1;
                }
                b'}' => return Err(never_opened(number)),
                byte if byte.is_ascii_whitespace() || byte == b',' => {}
                _ => self.begin(number),
            }
            if self.over {
                return Ok(());
            }
        }
        if self.begins > 0 {
            self.text.push_str(&line[start..]);
            self.text.push('\n');
        }
        if self.text.len() as u64 > self.longest {
            let reason = format!("a form longer than {} MiB (--memory)", self.longest >> 20);
            return Err(Trouble::Line(number, reason));
        }
        Ok(())
    }

    fn open(&mut self, number: u32) -> Result<(), Trouble> {
        self.begin(number);
        if self.outer == Outer::NotSeen {
            self.outer = Outer::Nothing;
        }
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(Trouble::Line(number, format!("nested deeper than {DEEPEST} levels")));
        }
        Ok(())
    }

    fn take(&mut self, number: u32, take: &mut impl FnMut(&Form) -> Result<bool, Trouble>) -> Result<(), Trouble> {
        if self.outer == Outer::Closed {
            return Err(Trouble::Line(number, "a form after the end of the vector".to_owned()));
        }
        self.over = !take(&Form { line: self.begins, text: &self.text })?;
        self.text.clear();
        self.begins = 0;
        Ok(())
    }

    /// A bracket closes outside of any form.
    fn close(&mut self, number: u32) -> Result<(), Trouble> {
        if self.outer != Outer::Vector {
            return Err(never_opened(number));
        }
        if self.begins > 0 {
            return Err(Trouble::Line(self.begins, "something that is no map before the end of the vector".to_owned()));
        }
        self.outer = Outer::Closed;
        Ok(())
    }

    /// A form begins on this line, unless it has begun before.
    fn begin(&mut self, number: u32) {
        if self.begins == 0 {
            self.begins = number;
        }
    }

    /// The file is over.
    ///
    /// # Errors
    /// When a form or the vector is not.
    pub(super) fn finish(&self) -> Result<(), Trouble> {
        if self.over {
            return Ok(());
        }
        if self.begins > 0 {
            return Err(Trouble::Line(self.begins, "the file ends before the form that begins here".to_owned()));
        }
        if self.outer == Outer::Vector {
            return Err(Trouble::Line(1, "the file ends before the vector that begins it".to_owned()));
        }
        Ok(())
    }
}

fn never_opened(number: u32) -> Trouble {
    Trouble::Line(number, "a bracket closes that never opened".to_owned())
}
