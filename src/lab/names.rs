//! Invented people: names of several languages, and addresses that stay ASCII.
//!
//! Names with commas, umlauts and apostrophes are what breaks scripts, so there
//! are many. Nobody real is meant.

/// Given names, family names and culture of one language.
struct Language {
    culture: &'static str,
    country: &'static str,
    given: &'static [&'static str],
    family: &'static [&'static str],
}

/// One invented person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// `Anna`.
    pub given: String,
    /// `Müller`.
    pub family: String,
    /// `de-DE`.
    pub culture: &'static str,
    /// `DE`.
    pub country: &'static str,
}

const LANGUAGES: &[Language] = &[
    Language {
        culture: "en-US",
        country: "US",
        given: &[
            "Ann", "Brian", "Carol", "Dennis", "Ellen", "Frank", "Grace", "Henry", "Irene", "Jack", "Kate", "Liam",
            "Mary", "Noah", "Olive", "Peter", "Rachel", "Sam", "Tina", "Walter",
        ],
        family: &[
            "Adams", "Baker", "Carter", "Dixon", "Evans", "Foster", "Grant", "Hughes", "Irwin", "Jones", "Keller",
            "Lawson", "Mason", "Nolan", "Osborne", "Parker", "Reed", "Stone", "Turner", "Webb",
        ],
    },
    Language {
        culture: "en-IE",
        country: "IE",
        given: &["Seán", "Niamh", "Cillian", "Róisín", "Eoin", "Aoife", "Declan", "Sinéad", "Fionn", "Órla"],
        family: &["O'Hara", "O'Brien", "O'Neill", "D'Arcy", "Murphy", "Byrne", "Ó Súilleabháin", "Kelly", "O'Dowd"],
    },
    Language {
        culture: "de-DE",
        country: "DE",
        given: &[
            "Anna", "Bernd", "Claudia", "Dieter", "Eva", "Fritz", "Gisela", "Hans", "Ingrid", "Jörg", "Käthe", "Lutz",
            "Monika", "Norbert", "Petra", "Rüdiger", "Sabine", "Thomas", "Ulrike", "Wolfgang",
        ],
        family: &[
            "Müller",
            "Schäfer",
            "Köhler",
            "Groß",
            "Jäger",
            "Weiß",
            "Schmidt",
            "Böhm",
            "Fuchs",
            "Krüger",
            "Lange",
            "Möller",
            "Neumann",
            "Pfeiffer",
            "Richter",
            "Schröder",
            "Vogel",
            "Wagner",
            "Zöller",
            "von Grünfeld",
        ],
    },
    Language {
        culture: "fr-FR",
        country: "FR",
        given: &["Aurélie", "Benoît", "Chloé", "Didier", "Élodie", "François", "Gaëlle", "Hélène", "Jérôme", "Zoé"],
        family: &["Lefèvre", "d'Aubigné", "Garçon", "Moreau", "Bénard", "Dupré", "L'Hermite", "Rousseau", "Gérard"],
    },
    Language {
        culture: "es-ES",
        country: "ES",
        given: &["Álvaro", "Begoña", "Íñigo", "José", "Lucía", "María", "Nuño", "Óscar", "Raúl", "Sofía"],
        family: &["García", "Muñoz", "Ibáñez", "Núñez", "Peña", "Zúñiga", "López", "Gómez", "Sánchez"],
    },
    Language {
        culture: "pl-PL",
        country: "PL",
        given: &["Łukasz", "Małgorzata", "Paweł", "Żaneta", "Grzegorz", "Elżbieta", "Michał", "Agnieszka"],
        family: &["Wójcik", "Kowalczyk", "Dąbrowski", "Zieliński", "Wróbel", "Łuczak", "Gołąb", "Jabłoński"],
    },
    Language {
        culture: "cs-CZ",
        country: "CZ",
        given: &["Jiří", "Zdeněk", "Kateřina", "Tomáš", "Růžena", "Ondřej", "Šárka", "Vít"],
        family: &["Dvořák", "Černý", "Novák", "Procházka", "Šťastný", "Kučera", "Říha", "Žák"],
    },
    Language {
        culture: "sv-SE",
        country: "SE",
        given: &["Åsa", "Björn", "Göran", "Håkan", "Märta", "Örjan", "Sven", "Annika"],
        family: &["Åkesson", "Öberg", "Lindström", "Nordqvist", "Sjögren", "Bergström", "Ekström", "Dahl"],
    },
    Language {
        culture: "da-DK",
        country: "DK",
        given: &["Søren", "Åse", "Jørgen", "Mette", "Bjarne", "Kirsten", "Rasmus", "Pia"],
        family: &["Sørensen", "Bjerregård", "Kjær", "Møller", "Nygaard", "Østergaard", "Thygesen", "Vestergård"],
    },
    Language {
        culture: "tr-TR",
        country: "TR",
        given: &["Ayşe", "Çağla", "Gökhan", "Işıl", "Mehmet", "Özlem", "Şükrü", "Ümit"],
        family: &["Yılmaz", "Çelik", "Şahin", "Öztürk", "Güneş", "Doğan", "Aydın", "Kılıç"],
    },
    Language {
        culture: "it-IT",
        country: "IT",
        given: &["Nicolò", "Giulia", "Mattia", "Chiara", "Niccolò", "Paola", "Renzo", "Silvia"],
        family: &["D'Angelo", "Dell'Acqua", "Rossi", "Conti", "De Luca", "Ferrari", "Greco", "Lo Russo"],
    },
];

/// Names of shared mailboxes, with the local part of their address.
pub const SHARED: &[(&str, &str)] = &[
    ("Info", "info"),
    ("Sales", "sales"),
    ("Accounts Payable", "accounts.payable"),
    ("Helpdesk", "helpdesk"),
    ("Human Resources", "hr"),
    ("Press Office", "press"),
    ("Bewerbungen", "bewerbungen"),
    ("Facility", "facility"),
];

/// Names of rooms, with the local part of their address.
pub const ROOMS: &[(&str, &str)] = &[
    ("Room Zürich", "room.zuerich"),
    ("Room Malmö", "room.malmoe"),
    ("Room Dublin", "room.dublin"),
    ("Boardroom, 3rd floor", "boardroom"),
    ("Room São Paulo", "room.saopaulo"),
];

/// A person, picked by a number.
pub fn person(choice: u64) -> Name {
    let pick = |list: &[&'static str], n: u64| -> String {
        let index = usize::try_from(n % list.len().max(1) as u64).unwrap_or_default();
        list.get(index).copied().unwrap_or("Ann").to_owned()
    };
    // A house with its main office in the English and German speaking world.
    let language = match choice % 20 {
        0..=4 => 0,
        5..=9 => 2,
        n => usize::try_from(n - 9).unwrap_or_default() % LANGUAGES.len(),
    };
    let language = LANGUAGES.get(language).unwrap_or(&LANGUAGES[0]);
    Name {
        given: pick(language.given, choice / 20),
        family: pick(language.family, choice / 20_000),
        culture: language.culture,
        country: language.country,
    }
}

/// A name read out of the local part of an address: `ann.lee` → Ann Lee.
pub fn from_local_part(local: &str, choice: u64) -> Name {
    let invented = person(choice);
    let mut words = local.split(['.', '_', '-', '+']).filter(|w| !w.is_empty()).map(capital);
    let given = words.next().unwrap_or_else(|| "Mailbox".into());
    let family = words.collect::<Vec<_>>().join(" ");
    Name { given, family, culture: invented.culture, country: invented.country }
}

fn capital(word: &str) -> String {
    let mut chars = word.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().chain(chars).collect(),
        None => String::new(),
    }
}

/// Letters as an address writes them: `Groß` → `gross`. With `apostrophe`, that
/// sign stays, as RFC 5322 allows.
pub fn ascii(text: &str, apostrophe: bool) -> String {
    let mut out = String::new();
    for c in text.chars().flat_map(char::to_lowercase) {
        match c {
            'a'..='z' | '0'..='9' => out.push(c),
            '\'' if apostrophe => out.push('\''),
            'ä' | 'æ' => out.push_str("ae"),
            'ö' | 'ø' => out.push_str("oe"),
            'ü' => out.push_str("ue"),
            'ß' => out.push_str("ss"),
            'å' => out.push_str("aa"),
            'á' | 'à' | 'â' | 'ã' | 'ą' => out.push('a'),
            'ç' | 'č' | 'ć' => out.push('c'),
            'ď' => out.push('d'),
            'é' | 'è' | 'ê' | 'ë' | 'ě' | 'ę' => out.push('e'),
            'ğ' => out.push('g'),
            'í' | 'î' | 'ï' | 'ı' | 'ì' => out.push('i'),
            'ł' => out.push('l'),
            'ñ' | 'ň' | 'ń' => out.push('n'),
            'ó' | 'ò' | 'ô' | 'õ' => out.push('o'),
            'ř' => out.push('r'),
            'š' | 'ś' | 'ş' => out.push('s'),
            'ť' => out.push('t'),
            'ú' | 'ù' | 'û' | 'ů' => out.push('u'),
            'ý' => out.push('y'),
            'ž' | 'ź' | 'ż' => out.push('z'),
            _ => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_an_ascii_form() {
        for language in LANGUAGES {
            for word in language.given.iter().chain(language.family) {
                let folded = ascii(word, true);
                assert!(folded.is_ascii() && folded.len() + 2 >= word.chars().count(), "{word} became {folded}");
            }
        }
        assert_eq!(ascii("Jörg O'Groß", false), "joergogross");
    }

    #[test]
    fn a_local_part_gives_a_name() {
        let name = from_local_part("ann-marie.lee", 1);
        assert_eq!((name.given.as_str(), name.family.as_str()), ("Ann", "Marie Lee"));
    }
}
