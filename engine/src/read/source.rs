//! Bytes of a file, decompressed, and what they are: told by the bytes themselves, not by the file's name.

use std::io::{self, BufReader, Cursor, Read};

use flate2::bufread::MultiGzDecoder;
use zstd::stream::read::Decoder as ZstandardDecoder;

/// How the operations are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Syntax {
    /// JSON Lines.
    Json,
    /// Clojure's extensible data notation.
    Edn,
    /// Nothing but white space.
    Nothing,
}

/// Plain bytes, from the beginning.
pub(super) struct Source<'a> {
    pub(super) bytes: Box<dyn Read + Send + 'a>,
    pub(super) syntax: Syntax,
}

const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTANDARD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const BUFFER: usize = 1 << 16;
/// So much of the beginning tells JSON from EDN.
const LOOK: usize = 1 << 12;

/// Looks at the beginning of a stream.
///
/// # Errors
/// When it cannot be read or decompressed.
pub(super) fn open<'a>(bytes: impl Read + Send + 'a) -> io::Result<Source<'a>> {
    let mut bytes = BufReader::with_capacity(BUFFER, bytes);
    let magic = begin(&mut bytes, ZSTANDARD.len())?;
    let again = Cursor::new(magic.clone()).chain(bytes);
    let mut plain: Box<dyn Read + Send + 'a> = if magic.starts_with(&GZIP) {
        Box::new(MultiGzDecoder::new(BufReader::with_capacity(BUFFER, again)))
    } else if magic == ZSTANDARD {
        Box::new(ZstandardDecoder::new(again)?)
    } else {
        Box::new(again)
    };
    let mut beginning = Vec::new();
    let syntax = loop {
        let more = begin(&mut plain, LOOK)?;
        let is_all = more.is_empty();
        beginning.extend(more);
        match syntax(&beginning) {
            Some(syntax) => break syntax,
            None if is_all => break Syntax::Nothing,
            // Nothing but white space so far.
            None if beginning.len() > BUFFER => break Syntax::Json,
            None => {}
        }
    };
    Ok(Source { bytes: Box::new(Cursor::new(beginning).chain(plain)), syntax })
}

/// The next `length` bytes, or what is left.
fn begin(bytes: &mut impl Read, length: usize) -> io::Result<Vec<u8>> {
    let mut beginning = Vec::new();
    bytes.by_ref().take(length as u64).read_to_end(&mut beginning)?;
    Ok(beginning)
}

/// What text that begins so is; `None` when that is not yet seen.
fn syntax(beginning: &[u8]) -> Option<Syntax> {
    let significant = |byte: &&u8| !byte.is_ascii_whitespace() && **byte != b',';
    let mut bytes = beginning.strip_prefix(b"\xef\xbb\xbf").unwrap_or(beginning).iter().filter(significant);
    let first = *bytes.next()?;
    let second = bytes.next().copied();
    let third = bytes.next().copied();
    Some(match (first, second, third) {
        (b'{', Some(b'"'), _) | (b'[', Some(b'{'), Some(b'"')) => Syntax::Json,
        (b'(' | b'#' | b';', ..) | (b'{', Some(b':' | b'#'), _) | (b'[', Some(b'{'), Some(_)) => Syntax::Edn,
        (b'[', Some(second), _) if second != b'{' && second != b']' => Syntax::Edn,
        // Whatever it is, the JSON reader says what it expected.
        _ => Syntax::Json,
    })
}
