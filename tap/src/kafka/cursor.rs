//! Fields of Kafka messages, one after the other. Each is `None` when the bytes end or make no sense.

use std::sync::Arc;

use super::SIZE;
use crate::framing::Frame;

/// Where in a message one is.
#[derive(Debug, Clone)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
    /// How many more bytes the message has than there are here.
    beyond: u64,
    /// Whether lengths are compact and structures end in tagged fields (KIP-482).
    is_flexible: bool,
}

impl<'a> Cursor<'a> {
    /// Plain fields, until [`Cursor::become_flexible`].
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, beyond: 0, is_flexible: false }
    }

    /// The message in a frame, perhaps cut short.
    pub(super) fn of(frame: &'a Frame) -> Self {
        let beyond = frame.length - frame.bytes.len() as u64;
        Self { beyond, ..Self::new(&frame.bytes[SIZE..]) }
    }

    /// The header ends here: what follows is flexible or not, and so is the header's own end.
    pub(super) fn become_flexible(&mut self, is_flexible: bool) -> Option<()> {
        self.is_flexible = is_flexible;
        self.tags()
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    fn array<const LENGTH: usize>(&mut self) -> Option<[u8; LENGTH]> {
        self.take(LENGTH)?.try_into().ok()
    }

    pub(super) fn skip(&mut self, length: usize) -> Option<()> {
        self.take(length).map(drop)
    }

    pub(super) fn boolean(&mut self) -> Option<bool> {
        Some(self.array::<1>()? != [0])
    }

    pub(super) fn int16(&mut self) -> Option<i16> {
        self.array().map(i16::from_be_bytes)
    }

    pub(super) fn int32(&mut self) -> Option<i32> {
        self.array().map(i32::from_be_bytes)
    }

    pub(super) fn int64(&mut self) -> Option<i64> {
        self.array().map(i64::from_be_bytes)
    }

    pub(super) fn uuid(&mut self) -> Option<[u8; 16]> {
        self.array()
    }

    fn varint(&mut self) -> Option<usize> {
        let mut value = 0_u32;
        for shift in (0..35).step_by(7) {
            let [byte] = self.array()?;
            value |= u32::from(byte & 0x7f).checked_shl(shift)?;
            if byte & 0x80 == 0 {
                return usize::try_from(value).ok();
            }
        }
        None
    }

    /// How many elements or bytes follow; null has none.
    fn length(&mut self, plain: impl FnOnce(&mut Self) -> Option<i32>) -> Option<usize> {
        if self.is_flexible {
            return self.varint().map(|length| length.saturating_sub(1));
        }
        match plain(self)? {
            -1 => Some(0),
            length => usize::try_from(length).ok(),
        }
    }

    /// A text; null is empty.
    pub(super) fn text(&mut self) -> Option<&'a str> {
        let length = self.length(|cursor| cursor.int16().map(i32::from))?;
        std::str::from_utf8(self.take(length)?).ok()
    }

    /// How many elements an array has.
    pub(super) fn count(&mut self) -> Option<usize> {
        self.length(Self::int32)
    }

    /// Bytes: how many there are, and as many of them as there are here.
    pub(super) fn bytes(&mut self) -> Option<(u64, &'a [u8])> {
        let length = self.length(Self::int32)?;
        let missing = length.saturating_sub(self.rest.len()) as u64;
        if missing > self.beyond {
            return None;
        }
        if missing > 0 {
            return Some((length as u64, std::mem::take(&mut self.rest)));
        }
        Some((length as u64, self.take(length)?))
    }

    /// The end of a structure.
    pub(super) fn tags(&mut self) -> Option<()> {
        if !self.is_flexible {
            return Some(());
        }
        for _ in 0..self.varint()? {
            self.varint()?;
            let length = self.varint()?;
            self.skip(length)?;
        }
        Some(())
    }

    /// So many numbers of four bytes.
    pub(super) fn skip_int32s(&mut self) -> Option<()> {
        let count = self.count()?;
        self.skip(count.checked_mul(4)?)
    }
}

/// A text that says something.
pub(super) fn named(text: &str) -> Option<Arc<str>> {
    (!text.is_empty()).then(|| Arc::from(text))
}
