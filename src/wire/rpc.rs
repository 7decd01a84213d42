//! The RPC proxy's echo: proof that Outlook Anywhere lives behind a name.
//!
//! MS-RPCH: a request with a method `RPC_IN_DATA` and a content length of at
//! most 16 is answered `200 Success`, `Content-Type: application/rpc`, with an
//! RTS packet of 20 bytes (type 20, flag echo 0x40, no commands).

/// Path of the proxy; the server and the store's port follow as query.
pub const PATH: &str = "/rpc/rpcproxy.dll";

/// Port of the store behind the proxy; 6002 is referral, 6004 the directory.
pub const STORE_PORT: u16 = 6001;

/// The echo packet.
pub fn echo() -> [u8; 20] {
    // version 5.0, type 20 (RTS), flags first+last fragment; little-endian data
    // representation; fragment length 20; no authentication; call id 0; RTS
    // flags ECHO (0x0040); no commands.
    [5, 0, 20, 3, 0x10, 0, 0, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0x40, 0, 0, 0]
}

/// Whether an answer is the echo.
pub fn is_echo(bytes: &[u8]) -> bool {
    bytes.len() == 20 && bytes.first() == Some(&5) && bytes.get(2) == Some(&20) && bytes.get(16) == Some(&0x40)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_echo_knows_itself() {
        assert!(is_echo(&echo()));
        assert!(!is_echo(&echo()[..19]));
        assert!(!is_echo(b"<html>blocked by the proxy</html>"));
    }
}
