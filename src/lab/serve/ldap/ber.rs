//! The part of BER that LDAP uses (RFC 4511, 5.1): definite lengths, low tags.
//!
//! Strict when reading: an indefinite length, a length beyond the bytes or a
//! tag in the long form is malformed. Writes the shortest lengths.

/// Universal BOOLEAN.
pub const BOOLEAN: u8 = 0x01;
/// Universal INTEGER.
pub const INTEGER: u8 = 0x02;
/// Universal OCTET STRING.
pub const OCTETS: u8 = 0x04;
/// Universal ENUMERATED.
pub const ENUMERATED: u8 = 0x0a;
/// Universal SEQUENCE.
pub const SEQUENCE: u8 = 0x30;
/// Universal SET.
pub const SET: u8 = 0x31;

/// Largest message that is taken.
const LARGEST: usize = 10 * 1024 * 1024;

/// The bytes are no LDAP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Reads elements one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Over the content of an element, or a whole message.
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes }
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Tag of the next element, if there is one.
    pub fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// The next element: tag and content.
    ///
    /// # Errors
    /// The bytes are malformed or end too early.
    pub fn any(&mut self) -> Result<(u8, &'a [u8]), Malformed> {
        let (tag, header, length) = head(self.rest)?.ok_or(Malformed)?;
        let content = self.rest.get(header..header + length).ok_or(Malformed)?;
        self.rest = self.rest.get(header + length..).ok_or(Malformed)?;
        Ok((tag, content))
    }

    /// The content of the next element, which must have this tag.
    ///
    /// # Errors
    /// As [`Reader::any`], or another tag.
    pub fn expect(&mut self, tag: u8) -> Result<&'a [u8], Malformed> {
        let (found, content) = self.any()?;
        if found == tag { Ok(content) } else { Err(Malformed) }
    }

    /// A reader over the content of the next element, which must have this tag.
    ///
    /// # Errors
    /// As [`Reader::expect`].
    pub fn inside(&mut self, tag: u8) -> Result<Reader<'a>, Malformed> {
        Ok(Reader::new(self.expect(tag)?))
    }

    /// A number with a tag.
    ///
    /// # Errors
    /// As [`Reader::expect`], or it has more than 64 bits.
    pub fn number(&mut self, tag: u8) -> Result<i64, Malformed> {
        let bytes = self.expect(tag)?;
        if bytes.is_empty() || bytes.len() > 8 {
            return Err(Malformed);
        }
        let negative = bytes.first().is_some_and(|b| b & 0x80 != 0);
        Ok(bytes.iter().fold(if negative { -1 } else { 0 }, |n: i64, b| (n << 8) | i64::from(*b)))
    }

    /// A boolean.
    ///
    /// # Errors
    /// As [`Reader::expect`], or it is no boolean.
    pub fn boolean(&mut self) -> Result<bool, Malformed> {
        match self.expect(BOOLEAN)? {
            [value] => Ok(*value != 0),
            _ => Err(Malformed),
        }
    }

    /// Text in an octet string.
    ///
    /// # Errors
    /// As [`Reader::expect`], or it is no UTF-8.
    pub fn text(&mut self) -> Result<String, Malformed> {
        String::from_utf8(self.expect(OCTETS)?.to_vec()).map_err(|_| Malformed)
    }

    /// Octets.
    ///
    /// # Errors
    /// As [`Reader::expect`].
    pub fn octets(&mut self) -> Result<Vec<u8>, Malformed> {
        Ok(self.expect(OCTETS)?.to_vec())
    }
}

/// Tag, header length and content length; `None` if more bytes are needed.
fn head(bytes: &[u8]) -> Result<Option<(u8, usize, usize)>, Malformed> {
    let [tag, first, rest @ ..] = bytes else { return Ok(None) };
    if tag & 0x1f == 0x1f {
        return Err(Malformed);
    }
    if *first < 0x80 {
        return Ok(Some((*tag, 2, usize::from(*first))));
    }
    let count = usize::from(first & 0x7f);
    if count == 0 || count > 4 {
        return Err(Malformed);
    }
    let Some(digits) = rest.get(..count) else { return Ok(None) };
    let length = digits.iter().fold(0_usize, |n, b| (n << 8) | usize::from(*b));
    if length > LARGEST {
        return Err(Malformed);
    }
    Ok(Some((*tag, 2 + count, length)))
}

/// Length of the first element in a buffer; `None` if it is not all there yet.
///
/// # Errors
/// What is there can never become a message.
pub fn frame(buffer: &[u8]) -> Result<Option<usize>, Malformed> {
    match head(buffer)? {
        Some((SEQUENCE, header, length)) => Ok((buffer.len() >= header + length).then_some(header + length)),
        Some(_) => Err(Malformed),
        None => Ok(None),
    }
}

/// Writes elements.
#[derive(Clone, Debug, Default)]
pub struct Writer(pub Vec<u8>);

impl Writer {
    /// An element of a tag with this content.
    pub fn element(&mut self, tag: u8, content: &[u8]) -> &mut Writer {
        self.0.push(tag);
        let length = content.len();
        if let Ok(short) = u8::try_from(length)
            && short < 0x80
        {
            self.0.push(short);
        } else {
            let bytes = length.to_be_bytes();
            let skip = bytes.iter().take_while(|b| **b == 0).count();
            self.0.push(0x80 | u8::try_from(bytes.len() - skip).unwrap_or(0x08));
            self.0.extend_from_slice(bytes.get(skip..).unwrap_or_default());
        }
        self.0.extend_from_slice(content);
        self
    }

    /// An element whose content a function writes.
    pub fn within(&mut self, tag: u8, write: impl FnOnce(&mut Writer)) -> &mut Writer {
        let mut inner = Writer::default();
        write(&mut inner);
        self.element(tag, &inner.0)
    }

    /// A number, in as few bytes as it needs.
    pub fn number(&mut self, tag: u8, value: i64) -> &mut Writer {
        let bytes = value.to_be_bytes();
        let mut start = 0;
        while start < 7 {
            let (this, next) = (bytes.get(start), bytes.get(start + 1));
            let redundant = match (this, next) {
                (Some(0), Some(n)) => n & 0x80 == 0,
                (Some(0xff), Some(n)) => n & 0x80 != 0,
                _ => false,
            };
            if !redundant {
                break;
            }
            start += 1;
        }
        self.element(tag, bytes.get(start..).unwrap_or_default())
    }

    /// An octet string.
    pub fn octets(&mut self, value: &[u8]) -> &mut Writer {
        self.element(OCTETS, value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_in_their_shortest_form() {
        for (value, length) in [(0, 1), (127, 1), (128, 2), (-128, 1), (-129, 2), (i64::MAX, 8), (65_536, 3)] {
            let mut writer = Writer::default();
            writer.number(INTEGER, value);
            assert_eq!(writer.0.len(), 2 + length, "{value}");
            assert_eq!(Reader::new(&writer.0).number(INTEGER), Ok(value));
        }
    }

    #[test]
    fn long_contents_are_framed_and_cut_ones_wait() {
        let mut writer = Writer::default();
        writer.within(SEQUENCE, |w| {
            w.octets(&[7; 70_000]);
        });
        assert_eq!(frame(&writer.0), Ok(Some(writer.0.len())));
        assert_eq!(frame(&writer.0[..100]), Ok(None));
        assert_eq!(frame(&writer.0[..1]), Ok(None));
        let mut reader = Reader::new(&writer.0);
        let mut inner = reader.inside(SEQUENCE).expect("it was written");
        assert_eq!(inner.octets().map(|o| o.len()), Ok(70_000));
        assert!(inner.is_empty() && reader.is_empty());
    }

    #[test]
    fn what_is_no_ldap_is_malformed() {
        assert_eq!(frame(b"GET / HTTP/1.1"), Err(Malformed));
        assert_eq!(frame(&[0x30, 0x80]), Err(Malformed));
        assert_eq!(frame(&[0x30, 0x84, 0x7f, 0xff, 0xff, 0xff]), Err(Malformed));
        assert_eq!(Reader::new(&[0x04, 0x05, 0x61]).octets(), Err(Malformed));
    }
}
