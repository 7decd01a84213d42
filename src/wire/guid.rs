//! GUIDs in their two byte orders, and base64.
//!
//! Active Directory stores the first three fields little-endian; text shows
//! them big-endian. Mixing the two up gives a mailbox nobody has.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Sixteen bytes in the order of the text form.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Guid(pub [u8; 16]);

impl Guid {
    /// All zeros: Exchange's way of saying "none".
    pub const NIL: Guid = Guid([0; 16]);

    /// Reads `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx`, braces allowed, any case.
    pub fn parse(text: &str) -> Option<Guid> {
        let text = text.trim().trim_start_matches('{').trim_end_matches('}');
        let bytes = text.as_bytes();
        if bytes.len() != 36 || [8, 13, 18, 23].iter().any(|i| bytes.get(*i) != Some(&b'-')) {
            return None;
        }
        let hex: Vec<u8> = bytes.iter().copied().filter(|b| *b != b'-').collect();
        if hex.len() != 32 {
            return None;
        }
        let mut out = [0; 16];
        for (slot, pair) in out.iter_mut().zip(hex.chunks(2)) {
            let high = (*pair.first()? as char).to_digit(16)?;
            let low = (*pair.get(1)? as char).to_digit(16)?;
            *slot = (high * 16 + low) as u8;
        }
        Some(Guid(out))
    }

    /// From the sixteen bytes of a directory attribute.
    pub fn from_directory(bytes: &[u8]) -> Option<Guid> {
        let raw: [u8; 16] = bytes.try_into().ok()?;
        Some(Guid(swap(raw)))
    }

    /// To the sixteen bytes of a directory attribute.
    pub fn to_directory(self) -> [u8; 16] {
        swap(self.0)
    }
}

fn swap(b: [u8; 16]) -> [u8; 16] {
    [b[3], b[2], b[1], b[0], b[5], b[4], b[7], b[6], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]]
}

impl std::fmt::Display for Guid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, byte) in self.0.iter().enumerate() {
            if matches!(i, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for Guid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

/// The source anchor of directory synchronization: base64 of the raw directory
/// bytes of objectGUID or ms-DS-ConsistencyGuid.
pub fn anchor(directory_bytes: &[u8]) -> String {
    STANDARD.encode(directory_bytes)
}

/// Standard base64 with padding.
pub fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Standard base64 with padding, back.
pub fn unbase64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_turns_the_first_three_fields() {
        let guid = Guid::parse("{00112233-4455-6677-8899-AABBCCDDEEFF}").expect("a well-formed GUID");
        assert_eq!(&guid.to_directory()[..8], &[0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66]);
        assert_eq!(Guid::from_directory(&guid.to_directory()), Some(guid));
        assert_eq!(guid.to_string(), "00112233-4455-6677-8899-aabbccddeeff");
    }

    #[test]
    fn what_is_no_guid_is_refused() {
        for text in ["", "00112233445566778899aabbccddeeff", "0011223-34455-6677-8899-aabbccddeeff"] {
            assert_eq!(Guid::parse(text), None, "{text}");
        }
    }
}
