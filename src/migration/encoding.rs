//! Bytes become text, and how they were written is told.
//!
//! UTF-8 is borrowed as it is. UTF-16 is known by its mark or by its zeros, an
//! old code page by what its letters would be. A guess is only named and used
//! to go on reading; whether a list may be written so is judged in `read`.

use std::borrow::Cow;

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// UTF-8, ASCII included; with or without a byte order mark.
    Utf8,
    /// UTF-16 with its byte order mark.
    Utf16,
    /// UTF-16 without one.
    Utf16Unmarked {
        /// The high byte comes first.
        big: bool,
    },
    /// One byte a letter; the likeliest page.
    CodePage(&'static str),
    /// Partly UTF-8 and partly not: letters that could not be read are U+FFFD.
    Mixed,
}

/// A file as text.
#[derive(Clone, Debug)]
pub struct Text<'a> {
    /// The text without a byte order mark.
    pub text: Cow<'a, str>,
    /// How it was written.
    pub form: Form,
    /// Bytes of the file.
    pub bytes: usize,
}

/// Reads bytes as text; never fails.
pub fn decode(bytes: &[u8]) -> Text<'_> {
    let text = |text: Cow<'static, str>, form| Text { text, form, bytes: bytes.len() };
    match bytes {
        [0xFF, 0xFE, rest @ ..] => return text(wide(rest, false).into(), Form::Utf16),
        [0xFE, 0xFF, rest @ ..] => return text(wide(rest, true).into(), Form::Utf16),
        _ => {}
    }
    let bare = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    if let Some(big) = unmarked(bare) {
        return text(wide(bare, big).into(), Form::Utf16Unmarked { big });
    }
    match std::str::from_utf8(bare) {
        Ok(bare) => Text { text: Cow::Borrowed(bare), form: Form::Utf8, bytes: bytes.len() },
        Err(_) if has_sequences(bare) => text(String::from_utf8_lossy(bare).into_owned().into(), Form::Mixed),
        Err(_) => {
            let page = likeliest(bare);
            text(page.read(bare).into(), Form::CodePage(page.name))
        }
    }
}

/// UTF-16, what is no letter as U+FFFD. Made piece by piece: a second copy of
/// two bytes a letter would not fit into the bounds of memory.
fn wide(bytes: &[u8], big: bool) -> String {
    let unit = |pair: &[u8]| match pair {
        [a, b] if big => u16::from_be_bytes([*a, *b]),
        [a, b] => u16::from_le_bytes([*a, *b]),
        _ => 0xFFFD,
    };
    let mut out = String::with_capacity(bytes.len() / 2 + 16);
    out.extend(char::decode_utf16(bytes.chunks(2).map(unit)).map(|c| c.unwrap_or('\u{FFFD}')));
    out
}

/// Whether it is UTF-16 without a mark, and then whether the high byte comes
/// first: of ASCII every other byte is zero, always on the same side.
fn unmarked(bytes: &[u8]) -> Option<bool> {
    let head = bytes.get(..bytes.len().min(4096)).unwrap_or_default();
    let mut zeros = [0usize; 2];
    for (at, byte) in head.iter().enumerate() {
        if let (0, Some(count)) = (byte, zeros.get_mut(at % 2)) {
            *count += 1;
        }
    }
    let [even, odd] = zeros;
    let many = |n: usize, other: usize| n > 1 && n * 3 > head.len() && other * 8 < n;
    match (many(even, odd), many(odd, even)) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => None,
    }
}

/// Whether some of the bytes are Latin letters or marks in UTF-8. Two Cyrillic
/// letters of a code page may be a letter of UTF-8 by chance, but hardly such a
/// one.
fn has_sequences(bytes: &[u8]) -> bool {
    let latin = |c: char| matches!(c, '\u{a0}'..='\u{24f}' | '\u{2010}'..='\u{20ac}');
    bytes.utf8_chunks().any(|chunk| !chunk.valid().is_ascii() && chunk.valid().contains(latin))
}

/// One byte a letter; the upper half of its table.
struct Page {
    name: &'static str,
    upper: &'static str,
    /// Letters that its languages use much.
    usual: &'static str,
}

/// The pages that Excel and the consoles of old servers write in Europe, the
/// likelier first.
const PAGES: [Page; 4] = [
    Page {
        name: "Windows-1252",
        upper: "€\u{fffd}‚ƒ„…†‡ˆ‰Š‹Œ\u{fffd}Ž\u{fffd}\u{fffd}‘’“”•–—˜™š›œ\u{fffd}žŸ\u{a0}¡¢£¤¥¦§¨©ª«¬\u{ad}®¯°±²³´µ¶·¸¹º»¼½¾¿ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖ×ØÙÚÛÜÝÞßàáâãäåæçèéêëìíîïðñòóôõö÷øùúûüýþÿ",
        usual: "äöüßÄÖÜéèêëàâçùûîïôñáíóúãõåæøÅÆØÉÈÀÇœ–’",
    },
    Page {
        name: "Windows-1250",
        upper: "€\u{fffd}‚\u{fffd}„…†‡\u{fffd}‰Š‹ŚŤŽŹ\u{fffd}‘’“”•–—\u{fffd}™š›śťžź\u{a0}ˇ˘Ł¤Ą¦§¨©Ş«¬\u{ad}®Ż°±˛ł´µ¶·¸ąş»Ľ˝ľżŔÁÂĂÄĹĆÇČÉĘËĚÍÎĎĐŃŇÓÔŐÖ×ŘŮÚŰÜÝŢßŕáâăäĺćçčéęëěíîďđńňóôőö÷řůúűüýţ˙",
        usual: "ąćęłńóśźżĄĆĘŁŃÓŚŹŻčďěňřšťůžýáéíúČŘŠŽőűŐŰöüÖÜăâîşţß",
    },
    Page {
        name: "Windows-1251",
        upper: "ЂЃ‚ѓ„…†‡€‰Љ‹ЊЌЋЏђ‘’“”•–—\u{fffd}™љ›њќћџ\u{a0}ЎўЈ¤Ґ¦§Ё©Є«¬\u{ad}®Ї°±Ііґµ¶·ё№є»јЅѕїАБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯабвгдежзийклмнопрстуфхцчшщъыьэюя",
        usual: "абвгдежзийклмнопрстуфхцчшщъыьэюяАБВГДЕЖЗИКЛМНОПРСТУФХЦЧШЭЮЯ",
    },
    Page {
        name: "DOS 850",
        upper: "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜø£Ø×ƒáíóúñÑªº¿®¬½¼¡«»░▒▓│┤ÁÂÀ©╣║╗╝¢¥┐└┴┬├─┼ãÃ╚╔╩╦╠═╬¤ðÐÊËÈıÍÎÏ┘┌█▄¦Ì▀ÓßÔÒõÕµþÞÚÛÙýÝ¯´\u{ad}±‗¾¶§÷¸°¨·¹³²■\u{a0}",
        usual: "äöüßÄÖÜéèêëàâçùûîïôñáíóúãõåæøÅÆØ",
    },
];

impl Page {
    fn letter(&self, byte: u8) -> char {
        match byte {
            0..=0x7F => char::from(byte),
            _ => self.upper.chars().nth(usize::from(byte & 0x7F)).unwrap_or('\u{FFFD}'),
        }
    }

    fn read(&self, bytes: &[u8]) -> String {
        let upper: Vec<char> = self.upper.chars().collect();
        let mut out = String::with_capacity(bytes.len() + bytes.len() / 16);
        out.extend(bytes.iter().map(|byte| match byte {
            0..=0x7F => char::from(*byte),
            _ => upper.get(usize::from(byte & 0x7F)).copied().unwrap_or('\u{FFFD}'),
        }));
        out
    }
}

/// The page under which most bytes beyond ASCII are usual letters.
fn likeliest(bytes: &[u8]) -> &'static Page {
    let mut counts = [0i64; 128];
    // Cyrillic words are made of such letters, Latin ones only sprinkled.
    let (mut runs, mut before) = (0i64, false);
    for byte in bytes {
        let high = *byte >= 0x80;
        if let Some(count) = counts.get_mut(usize::from(byte & 0x7F)).filter(|_| high) {
            *count += 1;
        }
        runs += i64::from(high && before);
        before = high;
    }
    let all: i64 = counts.iter().sum();
    let score = |page: &Page| -> i64 {
        let weight = |at: usize| -> i64 {
            let letter = page.letter(0x80 | u8::try_from(at).unwrap_or_default());
            if page.usual.contains(letter) {
                3
            } else if letter.is_alphabetic() {
                1
            } else if letter == '\u{FFFD}' || letter.is_control() {
                -20
            } else {
                -2
            }
        };
        let plain: i64 = counts.iter().enumerate().map(|(at, count)| count * weight(at)).sum();
        if page.name == "Windows-1251" && runs * 2 < all { plain - 3 * all } else { plain }
    };
    let mut best = PAGES.first().map(|page| (score(page), page));
    for page in PAGES.iter().skip(1) {
        let found = score(page);
        if best.as_ref().is_none_or(|(most, _)| found > *most) {
            best = Some((found, page));
        }
    }
    best.map_or(&PAGES[0], |(_, page)| page)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(bytes: &[u8]) -> (Form, String) {
        let text = decode(bytes);
        (text.form, text.text.into_owned())
    }

    #[test]
    fn unicode_is_known_with_and_without_its_mark() {
        let text = "EmailAddress\nann@contoso.test,Schlüssel\n";
        let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(form(text.as_bytes()), (Form::Utf8, text.to_owned()));
        assert_eq!(form(&[b"\xEF\xBB\xBF", text.as_bytes()].concat()), (Form::Utf8, text.to_owned()));
        assert_eq!(form(&[&[0xFF, 0xFE], &little[..]].concat()), (Form::Utf16, text.to_owned()));
        assert_eq!(form(&[&[0xFE, 0xFF], &big[..]].concat()), (Form::Utf16, text.to_owned()));
        assert_eq!(form(&little), (Form::Utf16Unmarked { big: false }, text.to_owned()));
        assert_eq!(form(&big), (Form::Utf16Unmarked { big: true }, text.to_owned()));
    }

    #[test]
    fn the_code_page_is_guessed_by_its_letters() {
        for (page, words) in [
            ("Windows-1252", "Müller Straße Gärtner José Núñez Françoise Sørensen Åkesson"),
            ("Windows-1250", "Wałęsa Żółkiewski Dvořák Novák Kovář Szűcs Gőz"),
            ("Windows-1251", "Иванов Пётр Сидорова"),
            ("DOS 850", "Müller Jürgen Großmann"),
        ] {
            let upper: Vec<char> = PAGES.iter().find(|p| p.name == page).expect("a page").upper.chars().collect();
            let byte = |c: char| match c {
                '\0'..='\x7f' => c as u8,
                _ => 0x80 | upper.iter().position(|u| *u == c).unwrap_or_else(|| panic!("{c} of {page}")) as u8,
            };
            let bytes: Vec<u8> = words.chars().map(byte).collect();
            assert_eq!(form(&bytes), (Form::CodePage(page), words.to_owned()));
        }
    }

    #[test]
    fn a_text_of_two_encodings_is_told_from_one_of_a_code_page() {
        assert_eq!(form(b"\xC3\xBC and \xFC").0, Form::Mixed);
        assert_eq!(form(b"m\xFCller").0, Form::CodePage("Windows-1252"));
    }
}
