//! Where customers live and what they are called.

use crate::random::Random;

/// A country with its share of customers, the length of its postal codes and its cities.
#[derive(Clone, Copy)]
struct Country {
    code: &'static str,
    digits: usize,
    cities: &'static [((&'static str, &'static str), u32)],
}

/// A city and one of its postal codes, some of which begin with a zero.
pub(crate) struct Place {
    /// ISO 3166 code of the country.
    pub(crate) country: &'static str,
    /// Its name, in its own language.
    pub(crate) city: &'static str,
    /// As many digits as the country has.
    pub(crate) postal_code: String,
}

const COUNTRIES: [(Country, u32); 11] = [
    (Country { code: "DE", digits: 5, cities: &GERMANY }, 42),
    (
        Country {
            code: "AT",
            digits: 4,
            cities: &[(("Wien", "1"), 6), (("Graz", "80"), 2), (("Linz", "40"), 2)],
        },
        9,
    ),
    (
        Country {
            code: "CH",
            digits: 4,
            cities: &[(("Zürich", "80"), 5), (("Basel", "40"), 3), (("Bern", "30"), 2)],
        },
        7,
    ),
    (
        Country {
            code: "NL",
            digits: 4,
            cities: &[(("Amsterdam", "10"), 5), (("Rotterdam", "30"), 4), (("Utrecht", "35"), 3)],
        },
        9,
    ),
    (Country { code: "BE", digits: 4, cities: &[(("Brussel", "10"), 5), (("Antwerpen", "20"), 4)] }, 4),
    (
        Country {
            code: "FR",
            digits: 5,
            cities: &[(("Paris", "75"), 6), (("Lyon", "69"), 3), (("Nice", "06"), 2)],
        },
        11,
    ),
    (
        Country {
            code: "IT",
            digits: 5,
            cities: &[(("Milano", "201"), 4), (("Roma", "001"), 4), (("Torino", "101"), 2)],
        },
        5,
    ),
    (
        Country {
            code: "ES",
            digits: 5,
            cities: &[(("Madrid", "280"), 4), (("Barcelona", "080"), 4), (("Valencia", "460"), 2)],
        },
        5,
    ),
    (
        Country {
            code: "PL",
            digits: 5,
            cities: &[(("Warszawa", "00"), 5), (("Gdynia", "81"), 2), (("Wroclaw", "50"), 3)],
        },
        4,
    ),
    (Country { code: "SE", digits: 5, cities: &[(("Stockholm", "11"), 5), (("Uppsala", "75"), 2)] }, 2),
    (
        Country {
            code: "DK",
            digits: 4,
            cities: &[(("Aarhus", "80"), 2), (("Odense", "50"), 2), (("Aalborg", "90"), 1)],
        },
        2,
    ),
];

const GERMANY: [((&str, &str), u32); 10] = [
    (("Berlin", "10"), 18),
    (("Hamburg", "20"), 12),
    (("München", "80"), 11),
    (("Köln", "50"), 9),
    (("Leipzig", "041"), 6),
    (("Dresden", "010"), 5),
    (("Freiburg", "791"), 4),
    (("Kassel", "341"), 3),
    (("Münster", "481"), 3),
    (("Rostock", "180"), 2),
];

const FIRST_NAMES: [(&str, &[&str]); 3] = [
    (
        "f",
        &[
            "anna", "marie", "lea", "sofia", "julia", "emma", "katrin", "sabine", "ines", "petra", "claire",
            "eva",
        ],
    ),
    (
        "m",
        &[
            "jonas", "lukas", "paul", "felix", "thomas", "jan", "marco", "peter", "stefan", "louis", "david",
            "erik",
        ],
    ),
    ("x", &["alex", "kim", "robin", "sascha", "toni", "charlie"]),
];

const LAST_NAMES: [&str; 16] = [
    "meier", "schmidt", "fischer", "weber", "wagner", "becker", "hofmann", "bauer", "koch", "jansen",
    "martin", "rossi", "garcia", "nowak", "larsen", "dubois",
];

/// Somewhere a customer lives.
pub(crate) fn place(random: &mut Random) -> Place {
    let country = random.pick(&COUNTRIES);
    let (city, prefix) = random.pick(country.cities);
    let rest = country.digits - prefix.len();
    let number = random.between(0, 10_i64.pow(rest as u32));
    Place { country: country.code, city, postal_code: format!("{prefix}{number:0rest$}") }
}

/// An address that no mail server accepts (RFC 2606), distinct by its number.
pub(crate) fn email(random: &mut Random, gender: &str, number: u32) -> String {
    let names = FIRST_NAMES.iter().find(|(of, _)| *of == gender).map_or(FIRST_NAMES[2].1, |(_, names)| names);
    format!("{}.{}{number}@example.com", random.choose(names), random.choose(&LAST_NAMES))
}
