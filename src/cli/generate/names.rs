//! What names are made of, and the dice that choose.

use crate::words::Timestamp;

/// Sebastiano Vigna's SplitMix64: the same numbers for the same seed, in every version.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.next() % n.max(1)
    }

    pub(super) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        let at = usize::try_from(self.below(from.len() as u64)).unwrap_or(0);
        from[at]
    }

    pub(super) fn between(&mut self, from: Timestamp, to: Timestamp) -> Timestamp {
        let span = u64::try_from(to.0 - from.0).unwrap_or(0);
        from.plus(i64::try_from(self.below(span)).unwrap_or(0))
    }

    /// An id that sorts by its moment, as the portal's own do.
    pub(super) fn id(&mut self, at: Timestamp) -> uuid::Uuid {
        let mut bytes = [0; 10];
        bytes[..8].copy_from_slice(&self.next().to_be_bytes());
        bytes[8..].copy_from_slice(&self.next().to_be_bytes()[..2]);
        uuid::Builder::from_unix_timestamp_millis(u64::try_from(at.millis()).unwrap_or(0), &bytes).into_uuid()
    }
}

/// Names of one script: as they are written, and as they stand in an address.
#[derive(Clone, Copy)]
pub(super) struct Names {
    pub(super) first: &'static [(&'static str, &'static str)],
    pub(super) last: &'static [(&'static str, &'static str)],
}

/// Latin thrice, so that about half of the people have Latin names.
pub(super) const NAMES: &[Names] = &[LATIN, LATIN, LATIN, NORTHERN, CYRILLIC, GREEK, CHINESE_JAPANESE_KOREAN, ARABIC];

const LATIN: Names = Names {
    first: &[
        ("Ada", "ada"),
        ("Grace", "grace"),
        ("Charles", "charles"),
        ("Zoë", "zoe"),
        ("José", "jose"),
        ("María", "maria"),
        ("François", "francois"),
        ("Chloé", "chloe"),
        ("André", "andre"),
        ("Inês", "ines"),
        ("Jürgen", "juergen"),
        ("Käthe", "kaethe"),
        ("Raúl", "raul"),
        ("Núria", "nuria"),
        ("Thomas", "thomas"),
        ("Emma", "emma"),
        ("Noah", "noah"),
        ("Olivia", "olivia"),
        ("Liam", "liam"),
        ("Sofia", "sofia"),
        ("Lucas", "lucas"),
        ("Élodie", "elodie"),
        ("Benoît", "benoit"),
        ("Gülşen", "gulsen"),
        ("Mehmet", "mehmet"),
        ("Nguyễn", "nguyen"),
        ("Phương", "phuong"),
        ("Anaïs", "anais"),
    ],
    last: &[
        ("Lovelace", "lovelace"),
        ("Hopper", "hopper"),
        ("Babbage", "babbage"),
        ("García", "garcia"),
        ("Müller", "mueller"),
        ("Dubois", "dubois"),
        ("Lefèvre", "lefevre"),
        ("Gonçalves", "goncalves"),
        ("Ibáñez", "ibanez"),
        ("O'Brien", "obrien"),
        ("Smith", "smith"),
        ("Jones", "jones"),
        ("Rossi", "rossi"),
        ("Silva", "silva"),
        ("Yılmaz", "yilmaz"),
        ("Trần", "tran"),
        ("Fernández", "fernandez"),
        ("Becker", "becker"),
        ("van der Berg", "vanderberg"),
        ("de la Cruz", "delacruz"),
        ("Martin", "martin"),
        ("Bernard", "bernard"),
        ("Schäfer", "schaefer"),
        ("", "x"),
    ],
};
const NORTHERN: Names = Names {
    first: &[
        ("Søren", "soren"),
        ("Åsa", "asa"),
        ("Björk", "bjork"),
        ("Łukasz", "lukasz"),
        ("Zbigniew", "zbigniew"),
        ("Dvořák", "dvorak"),
        ("Jiří", "jiri"),
        ("Šárka", "sarka"),
        ("Þóra", "thora"),
        ("Ødegård", "odegard"),
        ("Väinö", "vaino"),
        ("Kätlin", "katlin"),
        ("Gintarė", "gintare"),
        ("Ádám", "adam"),
    ],
    last: &[
        ("Ångström", "angstrom"),
        ("Kierkegaard", "kierkegaard"),
        ("Wiśniewska", "wisniewska"),
        ("Kowalski", "kowalski"),
        ("Novák", "novak"),
        ("Guðmundsdóttir", "gudmundsdottir"),
        ("Ørsted", "orsted"),
        ("Mäkinen", "makinen"),
        ("Kazlauskienė", "kazlauskiene"),
        ("Nagy", "nagy"),
        ("Szymańska", "szymanska"),
        ("Žižek", "zizek"),
    ],
};
const CYRILLIC: Names = Names {
    first: &[
        ("Анна", "anna"),
        ("Олександр", "oleksandr"),
        ("Дмитрий", "dmitry"),
        ("Наталія", "nataliia"),
        ("Сергей", "sergey"),
        ("Елена", "elena"),
        ("Јована", "jovana"),
        ("Милош", "milos"),
        ("Георги", "georgi"),
        ("Йорданка", "yordanka"),
    ],
    last: &[
        ("Иванова", "ivanova"),
        ("Шевченко", "shevchenko"),
        ("Петров", "petrov"),
        ("Коваленко", "kovalenko"),
        ("Соколова", "sokolova"),
        ("Јовановић", "jovanovic"),
        ("Димитров", "dimitrov"),
        ("Щербакова", "shcherbakova"),
        ("Кузьменко", "kuzmenko"),
    ],
};
const GREEK: Names = Names {
    first: &[
        ("Ελένη", "eleni"),
        ("Γιώργος", "giorgos"),
        ("Νίκος", "nikos"),
        ("Αικατερίνη", "aikaterini"),
        ("Σωκράτης", "sokratis"),
        ("Υπατία", "ypatia"),
    ],
    last: &[
        ("Παπαδοπούλου", "papadopoulou"),
        ("Καραθεοδωρή", "karatheodori"),
        ("Νικολαΐδης", "nikolaidis"),
        ("Αγγελόπουλος", "angelopoulos"),
        ("Οικονόμου", "oikonomou"),
    ],
};
const CHINESE_JAPANESE_KOREAN: Names = Names {
    first: &[
        ("小明", "xiaoming"),
        ("秀英", "xiuying"),
        ("偉", "wei"),
        ("美玲", "meiling"),
        ("太郎", "taro"),
        ("花子", "hanako"),
        ("さくら", "sakura"),
        ("민준", "minjun"),
        ("서연", "seoyeon"),
        ("지훈", "jihun"),
    ],
    last: &[
        ("王", "wang"),
        ("李", "li"),
        ("張", "zhang"),
        ("歐陽", "ouyang"),
        ("山田", "yamada"),
        ("髙橋", "takahashi"),
        ("佐々木", "sasaki"),
        ("김", "kim"),
        ("이", "yi"),
        ("박", "park"),
    ],
};
const ARABIC: Names = Names {
    first: &[
        ("محمد", "muhammad"),
        ("فاطمة", "fatima"),
        ("يوسف", "yusuf"),
        ("ليلى", "layla"),
        ("عمر", "umar"),
        ("نور", "nur"),
        ("زينب", "zaynab"),
    ],
    last: &[
        ("الخوارزمي", "alkhwarizmi"),
        ("ابن الهيثم", "ibnalhaytham"),
        ("حداد", "haddad"),
        ("المصري", "almasri"),
        ("العلي", "alali"),
        ("خوري", "khoury"),
    ],
};

pub(super) const FIRST_WORDS: &[&str] = &[
    "Analytical",
    "Northern",
    "Blue",
    "Étoile",
    "Nordwind",
    "Silver",
    "Łódź",
    "Unified",
    "Atlantic",
    "Παλαιά",
    "Новая",
    "東方",
    "النور",
    "Bright",
    "Clear",
    "Río",
    "Höhe",
    "Quiet",
    "Open",
    "Green",
];
pub(super) const LAST_WORDS: &[&str] = &[
    "Engines",
    "Logistics",
    "Robotics",
    "Foods",
    "Pharma",
    "Optics",
    "Energy",
    "Systems",
    "Textiles",
    "Shipping",
    "Insurance",
    "Airlines",
    "Networks",
    "Foundry",
    "Instruments",
    "Water",
    "Steel",
    "Motors",
    "Media",
    "Labs",
];
pub(super) const KINDS: &[&str] =
    &["Ltd", "GmbH", "S.A.", "AB", "Sp. z o.o.", "Inc.", "株式会社", "ООО", "Α.Ε.", "& Söhne", "Group", "Cooperative"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::{Email, FirstName, LastName, OrganizationName};

    #[test]
    fn every_name_in_the_lists_is_a_name_and_makes_an_address() {
        for names in NAMES {
            for (first, ascii) in names.first {
                assert!(FirstName::parse(first).is_ok(), "{first}");
                for (last, other) in names.last {
                    assert!(LastName::parse(last).is_ok(), "{last}");
                    assert!(Email::parse(&format!("{ascii}.{other}.1@engines-0.example")).is_ok(), "{ascii} {other}");
                }
            }
        }
        for (first, last, kind) in
            FIRST_WORDS.iter().flat_map(|f| LAST_WORDS.iter().flat_map(move |l| KINDS.iter().map(move |k| (f, l, k))))
        {
            assert!(OrganizationName::parse(&format!("{first} {last} {kind}")).is_ok());
        }
        for last in LAST_WORDS {
            assert!(Email::parse(&format!("a@{}-1000000.example", last.to_lowercase())).is_ok(), "{last}");
        }
    }

    #[test]
    fn the_dice_are_fair_and_the_same_for_a_seed() {
        let (mut one, mut other) = (Dice(7), Dice(7));
        assert!((0..100).all(|_| one.next() == other.next()));
        assert_eq!(Dice(0).next(), 0xe220_a839_7b1d_cdaf);
        let sixes = (0..6000).filter(|_| one.below(6) == 5).count();
        assert!((800..1200).contains(&sixes), "{sixes}");
    }
}
