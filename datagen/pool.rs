//! Pools of texts made once, before the first row: names, places, companies, words. They come from the `fake`
//! crate with a fixed seed, so that the row path only picks an index and copies bytes.
//!
//! Identities are safe: no pool holds a real person, address, mail provider or telephone number. Places join
//! invented towns to real states and the first three digits of that state's postal codes.

use crate::checksum::crc64nvme;
use fake::Fake;
use fake::faker::{address, company, internet, job, lorem, name};
use fake::rand::SeedableRng;
use fake::rand::rngs::Xoshiro256PlusPlus as Rng;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// The kinds a definition can name.
pub(crate) const KINDS: &[&str] = &[
    "artist",
    "buzzword",
    "city",
    "company",
    "country",
    "country_code",
    "currency_code",
    "first_name",
    "industry",
    "job",
    "last_name",
    "month_name",
    "place",
    "profession",
    "sentence",
    "song",
    "state",
    "state_code",
    "street",
    "time_zone",
    "user_agent",
    "word",
    "words",
];

/// The locales a definition can name; kinds that have no text of their own in a locale are refused there.
pub(crate) const LOCALES: &[&str] = &["en", "de_de", "fr_fr", "it_it", "ja_jp", "nl_nl", "pt_br"];

/// Texts addressed by index.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Pool {
    pub(crate) texts: Vec<String>,
}

impl Pool {
    pub(crate) fn of(texts: impl IntoIterator<Item = impl Into<String>>) -> Arc<Self> {
        Arc::new(Self {
            texts: texts.into_iter().map(Into::into).collect(),
        })
    }

    pub(crate) fn mapped(&self, change: impl Fn(&str) -> String) -> Arc<Self> {
        Self::of(self.texts.iter().map(|text| change(text)))
    }

    pub(crate) fn checksum(&self) -> u64 {
        let mut bytes = Vec::new();
        for text in &self.texts {
            bytes.extend_from_slice(&(text.len() as u64).to_le_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
        crc64nvme(&bytes)
    }
}

/// Returns the pool of a kind, built on first use and shared from then on. `None` when the kind has no texts in
/// that locale.
pub(crate) fn kind(kind: &str, locale: &str) -> Option<Arc<Pool>> {
    type Built = Vec<(String, Option<Arc<Pool>>)>;
    static BUILT: OnceLock<Mutex<Built>> = OnceLock::new();
    let id = format!("{kind}.{locale}");
    // A panic while building a pool leaves the list as it was, so a poisoned lock is still sound.
    let mut built = BUILT
        .get_or_init(Mutex::default)
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    if let Some((_, pool)) = built.iter().find(|(known, _)| *known == id) {
        return pool.clone();
    }
    let pool = build(kind, locale).map(Pool::of);
    built.push((id, pool.clone()));
    pool
}

/// The locales in which a kind has texts of its own.
pub(crate) fn locales_of(name: &str) -> Vec<&'static str> {
    LOCALES
        .iter()
        .copied()
        .filter(|locale| kind(name, locale).is_some())
        .collect()
}

/// The parts a kind has: other texts with the same index, so that they belong together.
pub(crate) fn part(of: &str, part: &str) -> Option<Arc<Pool>> {
    match (of, part) {
        ("place", "city") => kind("place", "en"),
        ("place", "state") => Some(place_pool(|state| state.0)),
        ("place", "state_code") => Some(place_pool(|state| state.1)),
        ("place", "zip3") => Some(Pool::of((0..PLACES).map(|i| {
            let (_, _, low, high, _) = state_of(i);
            format!(
                "{:03}",
                low + (crate::draw::mix(i as u64) % u64::from(high - low + 1)) as u16
            )
        }))),
        ("first_name", "gender") => kind("first_name", "en").map(|names| names.mapped(|n| gender(n).to_owned())),
        _ => None,
    }
}

/// The parts that `part` knows for a kind.
pub(crate) fn parts(of: &str) -> &'static [&'static str] {
    match of {
        "place" => &["city", "state", "state_code", "zip3"],
        "first_name" => &["gender"],
        _ => &[],
    }
}

fn sample(count: usize, kind: &str, mut one: impl FnMut(&mut Rng) -> String) -> Vec<String> {
    let mut rng = Rng::seed_from_u64(crc64nvme(kind.as_bytes()));
    let mut seen = HashSet::new();
    let mut texts = Vec::with_capacity(count);
    // A small vocabulary may have fewer distinct texts than asked for; stop when they stop coming.
    for _ in 0..count * 4 {
        let text = one(&mut rng);
        if !text.is_empty() && seen.insert(text.clone()) {
            texts.push(text);
            if texts.len() == count {
                break;
            }
        }
    }
    texts
}

fn owned(texts: &[&str]) -> Vec<String> {
    let mut seen = HashSet::new();
    texts
        .iter()
        .filter(|t| seen.insert(**t))
        .map(|t| (*t).to_owned())
        .collect()
}

macro_rules! by_locale {
    ($locale:expr, $constant:ident, [$($name:literal => $type:ident),+]) => {
        match $locale {
            $($name => Some(owned(<fake::locales::$type as fake::locales::Data>::$constant)),)+
            _ => None,
        }
    };
}

/// Samples a faker of the locales that have texts of their own for it; the others would fall back to English.
macro_rules! sample_by_locale {
    ($kind:expr, $locale:expr, $count:expr, $module:ident :: $faker:ident, [$($name:ident),+]) => {
        match $locale {
            $(stringify!($name) => Some(sample($count, &format!("{}.{}", $kind, $locale), |rng| {
                $module::$name::$faker().fake_with_rng::<String, _>(rng)
            })),)+
            _ => None,
        }
    };
}

/// Texts of other places than the United States.
fn abroad(kind: &str, locale: &str) -> Option<Vec<String>> {
    match kind {
        "city" => sample_by_locale!(kind, locale, 1_000, address::CityName, [de_de, it_it, nl_nl]),
        "street" => sample_by_locale!(
            kind,
            locale,
            1_000,
            address::StreetName,
            [de_de, fr_fr, it_it, nl_nl, pt_br]
        ),
        "company" => sample_by_locale!(
            kind,
            locale,
            1_000,
            company::CompanyName,
            [de_de, fr_fr, it_it, ja_jp, nl_nl, pt_br]
        ),
        "job" => sample_by_locale!(kind, locale, 500, job::Title, [it_it, ja_jp, nl_nl]),
        "state" => by_locale!(locale, ADDRESS_STATE, ["de_de" => DE_DE, "it_it" => IT_IT, "pt_br" => PT_BR]),
        "state_code" => by_locale!(locale, ADDRESS_STATE_ABBR, ["de_de" => DE_DE, "it_it" => IT_IT, "pt_br" => PT_BR]),
        "country" => by_locale!(locale, ADDRESS_COUNTRY, [
            "de_de" => DE_DE, "fr_fr" => FR_FR, "it_it" => IT_IT, "nl_nl" => NL_NL
        ]),
        _ => None,
    }
}

fn build(kind: &str, locale: &str) -> Option<Vec<String>> {
    match kind {
        "first_name" => {
            return by_locale!(locale, NAME_FIRST_NAME, [
                "en" => EN, "de_de" => DE_DE, "fr_fr" => FR_FR, "it_it" => IT_IT, "ja_jp" => JA_JP,
                "nl_nl" => NL_NL, "pt_br" => PT_BR
            ]);
        }
        "last_name" => {
            return by_locale!(locale, NAME_LAST_NAME, [
                "en" => EN, "de_de" => DE_DE, "fr_fr" => FR_FR, "it_it" => IT_IT, "ja_jp" => JA_JP,
                "nl_nl" => NL_NL, "pt_br" => PT_BR
            ]);
        }
        _ if locale != "en" => return abroad(kind, locale),
        _ => {}
    }
    type En = fake::locales::EN;
    use fake::locales::Data;
    Some(match kind {
        "city" => sample(2_000, kind, |rng| address::en::CityName().fake_with_rng(rng)),
        "place" => sample(PLACES, kind, |rng| address::en::CityName().fake_with_rng(rng)),
        "state" => STATES.iter().map(|state| state.0.to_owned()).collect(),
        "state_code" => STATES.iter().map(|state| state.1.to_owned()).collect(),
        "street" => sample(2_000, kind, |rng| address::en::StreetName().fake_with_rng(rng)),
        "country" => owned(<En as Data>::ADDRESS_COUNTRY)
            .into_iter()
            .filter(|c| !c.contains('('))
            .collect(),
        "country_code" => owned(<En as Data>::ADDRESS_COUNTRY_CODE),
        "time_zone" => owned(<En as Data>::ADDRESS_TIME_ZONE),
        "currency_code" => owned(<En as Data>::CURRENCY_CODE),
        "company" => sample(2_000, kind, |rng| company::en::CompanyName().fake_with_rng(rng)),
        "buzzword" => sample(300, kind, |rng| company::en::Buzzword().fake_with_rng(rng)),
        "industry" => owned(<En as Data>::COMPANY_INDUSTRY),
        "profession" => owned(<En as Data>::COMPANY_PROFESSION),
        "job" => sample(1_000, kind, |rng| job::en::Title().fake_with_rng(rng)),
        "word" => owned(<En as Data>::LOREM_WORD),
        "words" => sample(2_000, kind, |rng| {
            let words: Vec<String> = lorem::en::Words(2..5).fake_with_rng(rng);
            words.join(" ")
        }),
        "sentence" => sample(1_000, kind, |rng| lorem::en::Sentence(4..10).fake_with_rng(rng)),
        "song" => sample(4_000, kind, |rng| {
            let words: Vec<String> = lorem::en::Words(1..5).fake_with_rng(rng);
            title_case(&words.join(" "))
        }),
        "artist" => sample(1_500, kind, |rng| {
            let last: &str = name::en::LastName().fake_with_rng(rng);
            match (0..4u8).fake_with_rng::<u8, _>(rng) {
                0 => {
                    let word: &str = lorem::en::Word().fake_with_rng(rng);
                    format!("The {}s", title_case(word))
                }
                1 => {
                    let word: &str = lorem::en::Word().fake_with_rng(rng);
                    format!("{last} & The {}", title_case(word))
                }
                _ => {
                    let first: &str = name::en::FirstName().fake_with_rng(rng);
                    format!("{first} {last}")
                }
            }
        }),
        "user_agent" => sample(60, kind, |rng| {
            let agent: &str = internet::en::UserAgent().fake_with_rng(rng);
            agent.to_owned()
        }),
        "month_name" => owned(&[
            "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
        ]),
        _ => return None,
    })
}

pub(crate) fn title_case(text: &str) -> String {
    let mut up = true;
    text.chars()
        .map(|c| {
            let c = if up { c.to_ascii_uppercase() } else { c };
            up = c == ' ';
            c
        })
        .collect()
}

/// Returns letters and digits only, in lower case and without accents: what may stand before an `@`.
pub(crate) fn slug(text: &str) -> String {
    let plain: String = text
        .chars()
        .flat_map(|c| c.to_lowercase())
        .flat_map(|c| match c {
            'ä' | 'à' | 'á' | 'â' | 'ã' => "a".chars(),
            'ç' | 'ć' | 'č' => "c".chars(),
            'é' | 'è' | 'ê' | 'ë' => "e".chars(),
            'í' | 'ì' | 'î' | 'ï' => "i".chars(),
            'ñ' => "n".chars(),
            'ö' | 'ò' | 'ó' | 'ô' | 'õ' => "o".chars(),
            'ü' | 'ù' | 'ú' | 'û' => "u".chars(),
            'ß' => "ss".chars(),
            'a'..='z' | '0'..='9' => {
                const PLAIN: &str = "0123456789abcdefghijklmnopqrstuvwxyz";
                let at = PLAIN.find(c).expect("an ASCII letter or digit");
                PLAIN[at..=at].chars()
            }
            _ => "".chars(),
        })
        .collect();
    if plain.is_empty() { "x".to_owned() } else { plain }
}

/// Given names have no gender in their source. Feminine endings decide, so that a name always has the same one.
fn gender(name: &str) -> &'static str {
    let lower = name.to_ascii_lowercase();
    let feminine = [
        "a", "ie", "elle", "ette", "lyn", "lynn", "ine", "ly", "beth", "een", "ys", "ah",
    ];
    if feminine.iter().any(|ending| lower.ends_with(ending)) {
        "F"
    } else {
        "M"
    }
}

const PLACES: usize = 1_000;

/// Name, code, lowest and highest first three digits of the postal codes, weight by population in tenths of a
/// million.
#[rustfmt::skip]
const STATES: &[(&str, &str, u16, u16, u16)] = &[
    ("Alabama", "AL", 350, 369, 50), ("Alaska", "AK", 995, 999, 7), ("Arizona", "AZ", 850, 865, 72),
    ("Arkansas", "AR", 716, 729, 30), ("California", "CA", 900, 961, 395), ("Colorado", "CO", 800, 816, 58),
    ("Connecticut", "CT", 60, 69, 36), ("Delaware", "DE", 197, 199, 10), ("Florida", "FL", 320, 349, 215),
    ("Georgia", "GA", 300, 319, 107), ("Hawaii", "HI", 967, 968, 15), ("Idaho", "ID", 832, 838, 18),
    ("Illinois", "IL", 600, 629, 128), ("Indiana", "IN", 460, 479, 68), ("Iowa", "IA", 500, 528, 32),
    ("Kansas", "KS", 660, 679, 29), ("Kentucky", "KY", 400, 427, 45), ("Louisiana", "LA", 700, 714, 47),
    ("Maine", "ME", 39, 49, 14), ("Maryland", "MD", 206, 219, 62), ("Massachusetts", "MA", 10, 27, 70),
    ("Michigan", "MI", 480, 499, 101), ("Minnesota", "MN", 550, 567, 57), ("Mississippi", "MS", 386, 397, 30),
    ("Missouri", "MO", 630, 658, 62), ("Montana", "MT", 590, 599, 11), ("Nebraska", "NE", 680, 693, 20),
    ("Nevada", "NV", 889, 898, 31), ("New Hampshire", "NH", 30, 38, 14), ("New Jersey", "NJ", 70, 89, 93),
    ("New Mexico", "NM", 870, 884, 21), ("New York", "NY", 100, 149, 202), ("North Carolina", "NC", 270, 289, 104),
    ("North Dakota", "ND", 580, 588, 8), ("Ohio", "OH", 430, 458, 118), ("Oklahoma", "OK", 730, 749, 40),
    ("Oregon", "OR", 970, 979, 42), ("Pennsylvania", "PA", 150, 196, 130), ("Rhode Island", "RI", 28, 29, 11),
    ("South Carolina", "SC", 290, 299, 51), ("South Dakota", "SD", 570, 577, 9), ("Tennessee", "TN", 370, 385, 69),
    ("Texas", "TX", 750, 799, 291), ("Utah", "UT", 840, 847, 33), ("Vermont", "VT", 50, 59, 6),
    ("Virginia", "VA", 220, 246, 86), ("Washington", "WA", 980, 994, 77), ("West Virginia", "WV", 247, 268, 18),
    ("Wisconsin", "WI", 530, 549, 59), ("Wyoming", "WY", 820, 831, 6),
];

fn state_of(place: usize) -> &'static (&'static str, &'static str, u16, u16, u16) {
    let total: u64 = STATES.iter().map(|state| u64::from(state.4)).sum();
    // Places take turns through the weights, so every state of some size is present.
    let mut target = (crate::draw::mix(place as u64 ^ 0x9d39) % total) as i64;
    for state in STATES {
        target -= i64::from(state.4);
        if target < 0 {
            return state;
        }
    }
    &STATES[0]
}

fn place_pool(text: impl Fn(&(&'static str, &'static str, u16, u16, u16)) -> &'static str) -> Arc<Pool> {
    Pool::of((0..PLACES).map(|place| text(state_of(place))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_texts_and_each_text_once() {
        for name in KINDS {
            let pool = kind(name, "en").unwrap_or_else(|| panic!("{name} has no pool"));
            assert!(pool.texts.len() >= 12, "{name}: {}", pool.texts.len());
            let distinct: HashSet<&String> = pool.texts.iter().collect();
            assert_eq!(distinct.len(), pool.texts.len(), "{name}");
            assert!(pool.texts.len() < 65_536);
        }
        for locale in LOCALES {
            assert!(
                kind("first_name", locale).is_some_and(|pool| !pool.texts.is_empty()),
                "{locale}"
            );
            assert!(
                kind("last_name", locale).is_some_and(|pool| !pool.texts.is_empty()),
                "{locale}"
            );
        }
        assert_eq!(kind("word", "ja_jp"), None);
    }

    #[test]
    fn texts_of_other_places_are_not_english_ones() {
        for (name, locale) in [
            ("city", "de_de"),
            ("street", "fr_fr"),
            ("street", "pt_br"),
            ("company", "de_de"),
            ("company", "ja_jp"),
            ("job", "it_it"),
            ("state", "de_de"),
            ("country", "nl_nl"),
        ] {
            let (here, there) = (kind(name, "en").expect("English"), kind(name, locale).expect("known"));
            let shared = there.texts.iter().filter(|text| here.texts.contains(text)).count();
            assert!(
                shared * 2 < there.texts.len(),
                "{name} {locale}: {shared} of {}",
                there.texts.len()
            );
        }
    }

    #[test]
    fn no_pool_holds_a_mail_provider_or_an_address() {
        let named = KINDS.iter().filter(|name| **name != "user_agent");
        for (name, locale) in named.flat_map(|name| LOCALES.iter().map(move |locale| (name, *locale))) {
            for text in kind(name, locale).iter().flat_map(|pool| &pool.texts) {
                let lower = text.to_lowercase();
                for real in ["@", "gmail", "yahoo", "hotmail", "http"] {
                    assert!(!lower.contains(real), "{name}: {text}");
                }
            }
        }
    }

    #[test]
    fn a_place_keeps_its_state_and_the_start_of_its_postal_code_together() {
        let (states, zips) = (
            part("place", "state").expect("known"),
            part("place", "zip3").expect("known"),
        );
        assert_eq!(kind("place", "en").expect("known").texts.len(), PLACES);
        assert_eq!((states.texts.len(), zips.texts.len()), (PLACES, PLACES));
        for (state, zip) in states.texts.iter().zip(&zips.texts) {
            let known = STATES.iter().find(|s| s.0 == state).expect("a state");
            let zip: u16 = zip.parse().expect("three digits");
            assert!((known.2..=known.3).contains(&zip), "{state} {zip}");
        }
        assert!(zips.texts.iter().filter(|zip| zip.starts_with('0')).count() > 50);
    }

    #[test]
    fn slugs_are_plain_and_never_empty() {
        assert_eq!(slug("O'Conner"), "oconner");
        assert_eq!(slug("Müller-Schwarzenberg"), "mullerschwarzenberg");
        assert_eq!(slug("佐藤"), "x");
    }
}
