//! Words for words: each word of the company gets another of the same length, and
//! always the same one.
//!
//! A word is a run of letters, or a run of digits. Signs between them stay where
//! they are, so that what is equal stays equal and what is unlike stays unlike: equal
//! local parts, commas and apostrophes, an address and the name that it was made of.
//! Which word another gets hangs on a secret key; no original word is anybody's
//! pseudonym.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};

use crate::wire::guid::{Guid, hex};

const CONSONANTS: &[u8] = b"bdfgklmnprstvz";
const VOWELS: &[u8] = b"aeiou";
/// Stands where a letter beyond ASCII stood.
const FOREIGN: [char; 6] = ['ä', 'ö', 'ü', 'é', 'å', 'ø'];
/// Digits that are left alone: a counter behind a name says nothing.
const COUNTER: usize = 2;

/// The secret that pseudonyms hang on. It is not printed and not stored.
pub struct Key([u8; 32]);

impl Key {
    /// A fresh one, that nobody will know again.
    pub fn random() -> Key {
        use rsa::rand_core::{OsRng, RngCore as _};
        let mut bytes = [0; 32];
        OsRng.fill_bytes(&mut bytes);
        Key(bytes)
    }

    /// From the bytes of a file; none of fewer than 16.
    pub fn of(bytes: &[u8]) -> Option<Key> {
        (bytes.len() >= 16).then(|| Key(Sha256::digest(bytes).into()))
    }

    /// Thirty-two bytes that hang on the key, a purpose and a text (HMAC, RFC 2104).
    pub(super) fn bytes(&self, purpose: &str, text: &[u8]) -> [u8; 32] {
        let pad = |with: u8| {
            let mut block = [with; 64];
            block.iter_mut().zip(self.0).for_each(|(slot, byte)| *slot ^= byte);
            block
        };
        let mut inner = Sha256::new();
        inner.update(pad(0x36));
        inner.update((purpose.len() as u64).to_be_bytes());
        inner.update(purpose.as_bytes());
        inner.update(text);
        let mut outer = Sha256::new();
        outer.update(pad(0x5c));
        outer.update(inner.finalize());
        outer.finalize().into()
    }
}

/// The words of one company and what stands for them.
pub(super) struct Words<'a> {
    key: &'a Key,
    originals: BTreeSet<String>,
    given: BTreeMap<String, String>,
    /// Still gathering: every word is its own.
    gathering: bool,
}

/// A piece of a text.
enum Piece<'a> {
    /// Letters or digits.
    Word(&'a str),
    /// What stands between them.
    Sign(&'a str),
}

/// Cuts a text into runs of letters, runs of digits and what is between.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    let class = |c: char| match c {
        c if c.is_numeric() => 1,
        c if c.is_alphabetic() => 2,
        _ => 0,
    };
    let mut out = Vec::new();
    let mut from = 0;
    let mut last = None;
    for (at, c) in text.char_indices() {
        let now = class(c);
        if last.is_some_and(|l| l != now) {
            out.push((last.unwrap_or_default(), text.get(from..at).unwrap_or_default()));
            from = at;
        }
        last = Some(now);
    }
    if let Some(class) = last {
        out.push((class, text.get(from..).unwrap_or_default()));
    }
    out.into_iter().map(|(class, t)| if class == 0 { Piece::Sign(t) } else { Piece::Word(t) }).collect()
}

/// The words of a text in lower case.
pub(super) fn words_of(text: &str) -> impl Iterator<Item = String> {
    pieces(text).into_iter().filter_map(|p| match p {
        Piece::Word(word) => Some(word.to_lowercase()),
        Piece::Sign(_) => None,
    })
}

/// Upper and lower case of a text laid over another.
pub(super) fn cased(like: &str, text: &str) -> String {
    let likes: Vec<char> = like.chars().collect();
    let loud = likes.len() > 1 && likes.iter().filter(|c| c.is_alphabetic()).all(|c| c.is_uppercase());
    let one = |(at, c): (usize, char)| {
        let up = likes.get(at).map_or(loud, |l| l.is_uppercase());
        if up { c.to_uppercase().next().unwrap_or(c) } else { c }
    };
    text.chars().enumerate().map(one).collect()
}

impl<'a> Words<'a> {
    pub(super) fn new(key: &'a Key) -> Words<'a> {
        Words { key, originals: BTreeSet::new(), given: BTreeMap::new(), gathering: true }
    }

    /// Everything was gathered: gives each word its pseudonym, in an order that
    /// hangs on the words alone.
    pub(super) fn settle(&mut self) {
        self.gathering = false;
        let mut taken = BTreeSet::new();
        for word in &self.originals {
            let mut turn: u32 = 0;
            let given = loop {
                let candidate = self.candidate(word, turn);
                if !self.originals.contains(&candidate) && taken.insert(candidate.clone()) {
                    break candidate;
                }
                turn += 1;
            };
            self.given.insert(word.clone(), given);
        }
    }

    pub(super) fn is_gathering(&self) -> bool {
        self.gathering
    }

    /// Words that must not be found again.
    pub(super) fn originals(&self) -> &BTreeSet<String> {
        &self.originals
    }

    /// The turn-th candidate for a word; longer by a sign after every forty.
    fn candidate(&self, word: &str, turn: u32) -> String {
        let bytes = self.key.bytes("word", format!("{word} {turn}").as_bytes());
        let least = if word.chars().all(char::is_numeric) { 1 } else { 2 };
        let length = word.chars().count().max(least) + turn as usize / 40;
        let signs: Vec<char> = word.chars().collect();
        let pick = |list: &[u8], at: usize| {
            let byte = bytes.get(at % bytes.len()).copied().unwrap_or_default().wrapping_add((at / bytes.len()) as u8);
            list.get(usize::from(byte) % list.len()).map_or('a', |b| char::from(*b))
        };
        if signs.iter().all(|c| c.is_numeric()) {
            return (0..length).map(|at| pick(b"0123456789", at)).collect();
        }
        let vowels_first = usize::from(bytes.get(31).is_some_and(|b| b & 1 == 1));
        (0..length)
            .map(|at| match signs.get(at) {
                Some(c) if !c.is_ascii() => {
                    let byte = usize::from(bytes.get(at % bytes.len()).copied().unwrap_or_default());
                    FOREIGN.get(byte % FOREIGN.len()).copied().unwrap_or('ä')
                }
                _ if (at + vowels_first).is_multiple_of(2) => pick(CONSONANTS, at),
                _ => pick(VOWELS, at),
            })
            .collect()
    }

    /// One word; `counters` says whether short numbers stay.
    fn word(&mut self, word: &str, counters: bool) -> String {
        if counters && word.chars().count() <= COUNTER && word.chars().all(char::is_numeric) {
            return word.to_owned();
        }
        let lower = word.to_lowercase();
        if self.gathering {
            self.originals.insert(lower);
            return word.to_owned();
        }
        let given = self.given.get(&lower).cloned().unwrap_or_else(|| self.candidate(&lower, 0));
        cased(word, &given)
    }

    /// A text word by word; GUIDs in it are replaced as such.
    pub(super) fn text(&mut self, text: &str) -> String {
        self.pieces(text, true)
    }

    /// A text of numbers, each of them replaced.
    pub(super) fn numbers(&mut self, text: &str) -> String {
        self.pieces(text, false)
    }

    fn pieces(&mut self, text: &str, counters: bool) -> String {
        if let Some((from, to, guid)) = guid_in(text) {
            let (before, inside, after) = (text.get(..from), text.get(from..to), text.get(to..));
            let (before, after) = (before.unwrap_or_default(), after.unwrap_or_default());
            let mut fresh = self.guid(guid).to_string();
            if to - from == 32 {
                fresh = fresh.replace('-', "");
            }
            let fresh = if inside.is_some_and(|i| i.contains(|c: char| c.is_ascii_uppercase())) {
                fresh.to_uppercase()
            } else {
                fresh
            };
            return format!("{}{fresh}{}", self.pieces(before, counters), self.pieces(after, counters));
        }
        let mut out = String::with_capacity(text.len());
        for piece in pieces(text) {
            match piece {
                Piece::Word(word) => out.push_str(&self.word(word, counters)),
                Piece::Sign(sign) => out.push_str(sign),
            }
        }
        out
    }

    /// Another GUID; one whose bytes happen to be letters stays one.
    pub(super) fn guid(&mut self, guid: Guid) -> Guid {
        if self.gathering || guid == Guid::NIL {
            return guid;
        }
        let raw = guid.to_directory();
        let bytes = self.key.bytes("guid", &raw);
        let mut fresh = [0; 16];
        fresh.iter_mut().zip(bytes).for_each(|(slot, byte)| *slot = byte);
        if raw.iter().all(u8::is_ascii_graphic) {
            fresh.iter_mut().for_each(|b| *b = b'A' + *b % 26);
            return Guid::from_directory(&fresh).unwrap_or(guid);
        }
        Guid(fresh)
    }

    /// As many bytes as these, and other ones.
    pub(super) fn bytes(&self, purpose: &str, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len());
        let mut round: u32 = 0;
        while out.len() < bytes.len() {
            let mut text = bytes.to_vec();
            text.extend_from_slice(&round.to_be_bytes());
            out.extend_from_slice(&self.key.bytes(purpose, &text));
            round += 1;
        }
        out.truncate(bytes.len());
        out
    }

    /// A token of letters and digits: as long, and another one.
    pub(super) fn token(&self, text: &str) -> String {
        if self.gathering {
            return text.to_owned();
        }
        let fresh = hex(&self.bytes("token", text.as_bytes()));
        fresh.chars().take(text.chars().count()).collect()
    }
}

/// The first GUID in a text: with dashes, or thirty-two hexadecimal signs in a row
/// that hold both letters and digits.
fn guid_in(text: &str) -> Option<(usize, usize, Guid)> {
    let bytes = text.as_bytes();
    let edge = |at: Option<&u8>| at.is_none_or(|b| !b.is_ascii_alphanumeric());
    (0..bytes.len()).find_map(|from| {
        if !edge(from.checked_sub(1).and_then(|b| bytes.get(b))) {
            return None;
        }
        if let Some(guid) = text.get(from..from + 36).and_then(Guid::parse)
            && edge(bytes.get(from + 36))
        {
            return Some((from, from + 36, guid));
        }
        let plain = text.get(from..from + 32).filter(|t| t.bytes().all(|b| b.is_ascii_hexdigit()))?;
        if !edge(bytes.get(from + 32)) || plain.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let dashed = [0..8, 8..12, 12..16, 16..20, 20..32].map(|r| plain.get(r).unwrap_or_default()).join("-");
        Guid::parse(&dashed).map(|guid| (from, from + 32, guid))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn settled<'a>(key: &'a Key, texts: &[&str]) -> Words<'a> {
        let mut words = Words::new(key);
        for text in texts {
            words.text(text);
        }
        words.settle();
        words
    }

    #[test]
    fn what_hangs_together_stays_together() {
        let key = Key::of(b"a key of sixteen bytes").expect("long enough");
        let texts = ["Lee, Ann", "ann.lee2@x", "O'Müller", "/O=X/CN=ANN.LEE", "/o=x/cn=ann.lee", "4711", "J"];
        let mut words = settled(&key, &texts);
        let [name, address, umlaut, loud, quiet, number, single] = texts.map(|t| words.text(t));
        let ann = name.split(", ").nth(1).expect("a comma").to_lowercase();
        let lee = name.split(", ").next().expect("a comma").to_lowercase();
        assert!(address.starts_with(&format!("{ann}.{lee}2@")), "{name} {address}");
        assert!(loud != quiet && loud.eq_ignore_ascii_case(&quiet), "{loud} {quiet}");
        assert!(umlaut.contains('\'') && !umlaut.is_ascii() && umlaut.chars().count() == 9, "{umlaut}");
        assert!(number.len() == 4 && number != "4711" && number.bytes().all(|b| b.is_ascii_digit()), "{number}");
        assert!(single.starts_with(char::is_uppercase), "{single}");
    }

    #[test]
    fn a_guid_in_a_text_is_one_afterwards() {
        let key = Key::of(&[7; 32]).expect("long enough");
        let guid = Guid::parse("00112233-4455-6677-8899-aabbccddeeff").expect("a GUID");
        let texts = [
            format!("SystemMailbox{{{}}}", guid.to_string().to_uppercase()),
            format!("{}-ann", guid.to_string().replace('-', "")),
        ];
        let mut words = settled(&key, &texts.each_ref().map(String::as_str));
        let fresh = words.guid(guid).to_string();
        assert!(words.text(&texts[0]).ends_with(&format!("{{{}}}", fresh.to_uppercase())));
        assert!(words.text(&texts[1]).starts_with(&fresh.replace('-', "")));
        let letters = Guid::from_directory(b"ABCDEFGHIJKLMNOP").expect("sixteen bytes");
        assert!(words.guid(letters).to_directory().iter().all(u8::is_ascii_uppercase));
        assert_ne!(words.guid(letters), letters);
    }

    proptest! {
        #[test]
        fn different_texts_stay_different_and_nothing_remains(
            texts in proptest::collection::btree_set("[a-zäö]{1,6}[.' -]?[a-z]{0,5}[0-9]{0,4}", 1..40)
        ) {
            let key = Key::of(&[3; 16]).expect("long enough");
            let list: Vec<&str> = texts.iter().map(String::as_str).collect();
            let mut words = settled(&key, &list);
            let fresh: BTreeSet<String> = list.iter().map(|t| words.text(t)).collect();
            prop_assert_eq!(fresh.len(), texts.len());
            for text in &fresh {
                for word in words_of(text).filter(|w| w.chars().count() > COUNTER || !w.chars().all(char::is_numeric)) {
                    prop_assert!(!words.originals().contains(&word), "{} in {}", word, text);
                }
            }
        }
    }
}
