//! What reads texts that strangers and peers send, each with inputs that it takes, from which others are made.

use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash, Hasher as _},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Mutex,
    time::{Duration, Instant},
};

use org_portal::{
    accounts::{NameForm, SignUpForm},
    activity, backup,
    config::Config,
    customers::{Kind, Raw},
    desk,
    factors::{self, AppForm, Given},
    form::{Drawn, Notice, Refusal, door, is_own_path},
    invitations::InviteForm,
    list::ListQuery,
    oauth::{self, request::Parameters},
    outgoing, passwords,
    pmm::{ConnectForm, TokenForm},
    sessions, tickets, ui, visit,
    words::{Email, FirstName, LastName, OrganizationName, Timestamp, fold, is_typed},
};

use crate::dice::Dice;

/// Reads an input; what it gives tells how the input was read, so that inputs that are read anew are kept.
type Reads = fn(&[u8]) -> u64;

pub struct Parser {
    pub name: &'static str,
    corpus: &'static [&'static str],
    reads: Reads,
}

/// How something was read: by its length and, where it is not much, by what it is.
fn told(what: &impl std::fmt::Debug) -> u64 {
    let text = format!("{what:?}");
    let mut hasher = DefaultHasher::new();
    // Values differ with each input; shapes do not.
    let shape: String = text.chars().map(|c| if c.is_alphanumeric() { 'a' } else { c }).collect();
    let mut last = ' ';
    for c in shape.chars() {
        if c != last {
            c.hash(&mut hasher);
        }
        last = c;
    }
    text.len().ilog2_or_zero().hash(&mut hasher);
    hasher.finish()
}

trait Log2 {
    fn ilog2_or_zero(self) -> u32;
}

impl Log2 for usize {
    fn ilog2_or_zero(self) -> u32 {
        self.checked_ilog2().unwrap_or(0)
    }
}

fn text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

fn json<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    serde_json::from_slice(bytes).map_err(|error| format!("{:?}", error.classify()))
}

const PAGES: &[&str] = &[
    "/organization/members?q=ada&sort=name&order=desc&role=Admin&after=eyJrIjoiYSJ9",
    "/organization/activity?kind=refused&from=2026-01-01&to=2026-12-31&before=AAAA",
    "/operator/customers?q=%C3%A4%00%F0%9F%98%80&state=waiting&sort=number",
];

/// Every parser.
pub const PARSERS: &[Parser] = &[
    Parser {
        name: "addresses",
        corpus: &["ada@example.com", "\"a b\"@example.com", "a+b@[127.0.0.1]", "ÄDA@EXÄMPLE.com", "a@xn--exmple-cua.com"],
        reads: |bytes| {
            let read = Email::parse(&text(bytes));
            if let Ok(email) = &read {
                assert_eq!(Email::parse(email.as_str()).as_ref(), Ok(email), "what was read is read again");
                assert!(email.as_str().parse::<lettre::Address>().is_ok(), "{email} can be sent to");
                let _ = (email.key(), email.masked());
            }
            told(&read)
        },
    },
    Parser {
        name: "names",
        corpus: &["Ada", "Acme GmbH & Co. KG", "  Ünï\u{202e}code ", "İstanbul ẞ ﬁ", "\u{1f469}\u{200d}\u{1f4bb}"],
        reads: |bytes| {
            let text = text(bytes);
            let (organization, first, last) = (OrganizationName::parse(&text), FirstName::parse(&text), LastName::parse(&text));
            if let Ok(name) = &organization {
                assert_eq!(OrganizationName::parse(name.as_str()).as_ref(), Ok(name));
            }
            let folded = fold(&text);
            assert_eq!(fold(&folded), folded, "folding twice is folding once: {text:?}");
            let _ = is_typed(&text, &folded);
            told(&(organization.is_ok(), first, last.is_ok(), folded.len() == text.len()))
        },
    },
    Parser {
        name: "queries of lists",
        corpus: PAGES,
        reads: |bytes| {
            let text = text(bytes);
            let query = ListQuery::of_page(&text, &["role", "kind", "state", "from", "to"]);
            let again = ListQuery::of_page(&format!("/x{}", query.to_url()), &["role", "kind", "state", "from", "to"]);
            assert_eq!(again, query, "a query is written and read alike");
            let rest = text.split_once('?').map_or("", |(_, query)| query);
            told(&(query, activity::actions::asked(rest), activity::actions::asked_of_all(rest), tickets::actions::asked(rest)))
        },
    },
    Parser {
        name: "own paths",
        corpus: &["/organization/members?q=a#b", "//evil.example", "/\\evil.example", "/a%0d%0ab", "/\u{1f600}"],
        reads: |bytes| {
            let text = text(bytes);
            let own = is_own_path(&text);
            if own {
                assert!(text.starts_with('/') && !text.starts_with("//") && !text.contains(['\\', '\n', '\r']), "{text:?}");
                assert!(text.parse::<http::Uri>().is_ok(), "{text:?}");
            }
            told(&(own, visit::sign_in_address(&text).len()))
        },
    },
    Parser {
        name: "forms",
        corpus: &[
            "theme=dark&form[email]=a%40b&form[ids][]=1&form[ids][]=2&drawn[page]=%2F&drawn[key]=k&form=x",
            "a[=1&[b]=2&]=3&=4&a[b][c]=1&a[b][]=2&a[]=3",
        ],
        reads: |bytes| {
            let value = door::arguments(bytes);
            let drawn: Result<Drawn, _> = serde_json::from_value(value["drawn"].clone());
            let _ = (drawn.is_ok(), serde_json::from_value::<InviteForm>(value["form"].clone()).map(|form| form.parse()).is_ok());
            told(&value)
        },
    },
    Parser {
        name: "circumstances of forms",
        corpus: &[
            r#"{"page":"/account?a=b","key":"0190b6e0-0000-7000-8000-000000000000","organization":"0190b6e000007000800000000000000a"}"#,
            r#"{"key":null}"#,
        ],
        reads: |bytes| {
            told(&json::<Drawn>(bytes).map(|drawn| (drawn.key.len().min(70), drawn.organization.is_some(), is_own_path(&drawn.page))))
        },
    },
    Parser {
        name: "models of forms",
        corpus: &[
            r#"{"email":"ada@example.com","first_name":"Ada","last_name":"Example","password":"mallow drizzle 7 umbrella","role":"Admin","invitation":"x"}"#,
            r#"{"scope":"pmm:connect","life":"30 minutes","name":"a","code":"123 456","server_id":"a-b","url":"https://pmm.example.com/graph","callback_url":"https://pmm.example.com/graph/login/generic_oauth"}"#,
        ],
        reads: |bytes| {
            told(&(
                json::<SignUpForm>(bytes).map(|form| form.parse().map(drop)),
                json::<NameForm>(bytes).map(|form| form.parse().map(drop)),
                json::<InviteForm>(bytes).map(|form| form.parse().map(drop)),
                json::<TokenForm>(bytes).map(|form| form.parse().map(drop)),
                json::<serde_json::Value>(bytes).map(|value| {
                    let of = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
                    let form =
                        ConnectForm { server_id: of("server_id"), name: of("name"), url: of("url"), callback_url: of("callback_url") };
                    form.parse().map(drop)
                }),
                json::<AppForm>(bytes).map(|form| form.parse().map(drop)),
            ))
        },
    },
    Parser {
        name: "tickets and replies",
        corpus: &[
            r#"{"subject":"It does not start","description":"It **breaks**","product":"MySQL","priority":"P2 - High","files":["0190b6e0-0000-7000-8000-00000000000a"]}"#,
            r#"{"ticket":"T1","body":"Still so","files":[]}"#,
        ],
        reads: |bytes| {
            told(&(
                json::<tickets::TicketForm>(bytes).map(|form| form.parse().map(drop)),
                json::<tickets::ReplyForm>(bytes).map(|form| form.parse().map(drop)),
                json::<tickets::AnswerForm>(bytes).map(drop),
                json::<tickets::ChangeForm>(bytes).map(drop),
                tickets::file_name(&text(bytes)).len().min(300),
            ))
        },
    },
    Parser {
        name: "Markdown",
        corpus: &[
            "# A\n\n* b **c** _d_ `e`\n\n> f\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n- [x] done\n\n```\n<script>\n```",
            "[a](javascript:alert(1)) ![x](https://evil.example/p.png) <img src=x onerror=alert(1)> https://example.com/a_(b)",
            "****************a**a**a**[[[[[[[[[[[[a]](b)<a <a <a &#x0; &amp;lt;",
        ],
        reads: |bytes| {
            let html = ui::markdown::html(&text(bytes));
            let lower = html.to_lowercase();
            for tag in ["<script", "<img", "<iframe", "<style", "<form", "<svg", "<input", "<object"] {
                assert!(!lower.contains(tag), "{tag} in {html}");
            }
            // The attributes of what is drawn.
            for attribute in ["href=\"javascript", "href=\"data", " onerror=\"", " style=\"", " id=\""] {
                let inside = lower.match_indices(attribute).any(|(at, _)| lower[..at].rfind('<') > lower[..at].rfind('>'));
                assert!(!inside, "{attribute} in {html}");
            }
            told(&html)
        },
    },
    Parser {
        name: "codes of second factors",
        corpus: &["123 456", "abcd-efgh-2345-ABCD", "１２３４５６", "0188 0188 0188 0188"],
        reads: |bytes| told(&Given::parse(&text(bytes))),
    },
    Parser {
        name: "answers of passkeys",
        corpus: &[
            r#"{"id":"AAAA","rawId":"AAAA","type":"public-key","response":{"clientDataJSON":"e30","authenticatorData":"AAAA","signature":"AAAA","userHandle":"AZC24AAAcACAAAAAAAAACg"},"clientExtensionResults":{}}"#,
        ],
        reads: |bytes| told(&factors::passkeys::read(&text(bytes)).map(|named| (named.account.is_some(), named.credential_id.len()))),
    },
    Parser {
        name: "cookies",
        corpus: &["session=abc; notice=signed-out.1; theme=dark", "a==b;;session=;\tsession=x", "__Host-session=a"],
        reads: |bytes| {
            let mut headers = http::HeaderMap::new();
            if let Ok(value) = http::HeaderValue::from_bytes(bytes) {
                headers.insert("cookie", value);
            }
            let notice = visit::cookie(&headers, "notice").and_then(|code| Notice::parse(code.split('.').next().unwrap_or_default()));
            told(&(visit::cookie(&headers, "session").map(str::len), notice, visit::forwarded(&headers)))
        },
    },
    Parser {
        name: "dates",
        corpus: &[
            "2026-11-24",
            "2026-11-24T09:30:00Z",
            "2026-11-24T09:30:00.123456+01:00",
            "2024-02-29 23:59:60",
            "0000-00-00",
            "9999-12-31T23:59:59-23:59",
        ],
        reads: |bytes| {
            let text = text(bytes);
            let (date, moment, desk) = (Timestamp::of_date(&text), Timestamp::of_rfc3339(&text), desk::model::moment(&text));
            for read in [date, moment, desk].into_iter().flatten() {
                assert_eq!(Timestamp::of_rfc3339(&read.rfc3339_micros()), Some(read), "{text:?} is written and read alike");
                let _ = (read.date(), read.date_time(), read.iso_date(), read.short_date(), read.time());
            }
            told(&(date.is_some(), moment.is_some(), desk.is_some()))
        },
    },
    Parser {
        name: "OAuth requests",
        corpus: &[
            "response_type=code&client_id=a&redirect_uri=https%3A%2F%2Fa.example%2Fgraph&scope=openid%20profile&state=s&nonce=n&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256&max_age=60&prompt=login%20consent",
            "grant_type=authorization_code&code=c&code_verifier=v&client_id=a&client_secret=b",
        ],
        reads: |bytes| {
            let query = text(bytes);
            let parameters = Parameters::read(bytes);
            let now = Timestamp(1_795_521_600_000_000);
            let server = oauth::store::Server {
                id: serde_json::from_str("\"0190b6e0-0000-7000-8000-00000000000a\"").unwrap(),
                organization_id: serde_json::from_str("\"0190b6e0-0000-7000-8000-00000000000b\"").unwrap(),
                name: "A".to_owned(),
                url: "https://a.example/graph".to_owned(),
                callback_url: "https://a.example/graph".to_owned(),
                public_client_id: "a".to_owned(),
                connected_by_name: "Ada".to_owned(),
                connected_at: now,
            };
            let read = oauth::request::read(server, &query, &parameters, "https://portal.example.com/oauth2");
            let place = match &read {
                Ok(asked) => {
                    let _ = (asked.again_after(now), asked.is_satisfied_by(now, now));
                    asked.back("https://portal.example.com/oauth2", &[("code", "c")])
                }
                Err(refused) => refused.place.clone(),
            };
            assert!(place.starts_with("https://a.example/graph") && !place.contains(['\r', '\n', ' ']), "{place}");
            told(&(
                read.map(|asked| (asked.scope.names(), asked.silently, asked.max_age.is_some())).map_err(|refused| refused.error),
                oauth::Scope::parse(&query).names(),
            ))
        },
    },
    Parser {
        name: "ID tokens",
        corpus: &[
            "eyJhbGciOiJFZERTQSIsImtpZCI6IjEiLCJ0eXAiOiJKV1QifQ.eyJpc3MiOiJodHRwczovL2EuZXhhbXBsZSIsInN1YiI6IjEiLCJhdWQiOiJwb3J0YWwiLCJpYXQiOjEsImV4cCI6MiwiZW1haWwiOiJhZGFAZXhhbXBsZS5jb20ifQ.AAAA",
            "eyJhbGciOiJub25lIn0.e30.",
        ],
        reads: |bytes| {
            let text = text(bytes);
            let token: Result<openidconnect::core::CoreIdToken, _> = text.parse();
            let keys: Result<openidconnect::core::CoreJsonWebKeySet, _> = json(bytes);
            told(&(token.map(|token| format!("{:?}", token.signing_alg().is_ok())).map_err(|e| e.to_string()), keys.is_ok()))
        },
    },
    Parser {
        name: "records of ServiceNow",
        corpus: &[
            r#"{"sys_id":"0123456789abcdef0123456789abcdef","sys_updated_on":"2026-11-24 09:30:00","number":"CS1","account":"0123456789abcdef0123456789abcdef","state":"New","priority":"2 - High","short_description":"It breaks","opened_at":"2026-11-24 09:30:00","element_id":"0123456789abcdef0123456789abcdef","value":"[0190b6e0-0000-7000-8000-00000000000a] hello","sys_created_on":"2026-11-24 09:30:00","sys_created_by":"agent","name":"sn_customerservice_case"}"#,
        ],
        reads: |bytes| {
            let Ok(row) = json::<desk::model::Row>(bytes) else { return 0 };
            static CONFIG: std::sync::LazyLock<Config> =
                std::sync::LazyLock::new(|| Config::read(&std::collections::BTreeMap::new()).unwrap());
            let case = desk::model::case(&CONFIG, &row);
            let comment = desk::model::comment(&row);
            let fields = Kind::ALL.map(|kind| {
                desk::model::fields(&CONFIG, kind, &row).map(|fields| {
                    let mut raw = Raw::new(kind);
                    fields.into_iter().for_each(|(name, value)| raw.put(&name, value));
                    raw.parse().map(drop)
                })
            });
            let positions: Vec<_> = desk::model::sources(&CONFIG)
                .iter()
                .map(|source| desk::model::Position::of(source, &row).map(|at| at.back(1_000_000)))
                .collect();
            let _ = case;
            told(&(comment.is_some(), fields, positions))
        },
    },
    Parser {
        name: "records of imports",
        corpus: &[
            "customer\nnumber=C1\nname=Acme GmbH\nadministrator=ada@example.com\ndomain=acme.example",
            "entitlement\nnumber=E1\ncustomer=C1\nname=Premium\nstart=2026-01-01\nend=2026-12-31\nunits_total=10\nunits_left=2.5",
            "ticket\ncustomer=C1\nnumber=CS7\nsubject=Slow\nstate=Open\ncreated=2026-11-01T10:00:00Z\nrequester_name=Eve\nrequester_email=eve@example.com",
            "message\nticket=CS7\nat=2026-11-01T10:00:00Z\nbody=Hello\nauthor_name=Eve\nside=customer",
            "contact\ncustomer=C1\nemail=csm@vendor.example\nname=Maria\ntitle=CSM\nphone=+1 2",
            "person\ncustomer=C1\nemail=bob@example.com\nrole=Admin",
        ],
        reads: |bytes| {
            let text = text(bytes);
            let mut lines = text.split('\n');
            let name = lines.next().unwrap_or_default();
            let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.name() == name) else { return 0 };
            let mut raw = Raw::new(kind);
            for line in lines {
                let (name, value) = line.split_once('=').unwrap_or((line, ""));
                raw.put(name, value.to_owned());
            }
            told(&raw.parse().map(drop))
        },
    },
    Parser {
        name: "backups",
        corpus: &[
            "{\"org-portal\":1,\"at\":\"2026-11-24T09:30:00Z\",\"engine\":\"sqlite\",\"program\":\"0.1.0\",\"migrations\":[]}\n{\"table\":\"accounts\",\"columns\":[\"id\"]}\n[\"a\"]\n{\"end\":1}\n",
        ],
        reads: |bytes| {
            told(
                &backup::check(&mut std::io::BufReader::new(bytes))
                    .map(drop)
                    .map_err(|error| error.chars().filter(|c| !c.is_ascii_digit()).take(40).collect::<String>()),
            )
        },
    },
    Parser {
        name: "addresses of servers",
        corpus: &[
            "https://desk.example.com/hook?x=1",
            "http://127.0.0.1:80/",
            "http://[::1]:1",
            "https://a:b@x",
            "HTTPS://EXÄMPLE.com\u{3002}",
        ],
        reads: |bytes| {
            let text = text(bytes);
            told(&(outgoing::address(&text).map(drop), oauth::actions::origin(&text).is_some(), oauth::actions::host(&text).len().min(60)))
        },
    },
    Parser {
        name: "options",
        corpus: &[
            "10/60",
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "10.0.0.0/8, ::1",
            "number=number, name=name",
            "Portal <portal@example.com>",
            "#2f6fde",
        ],
        reads: |bytes| {
            let text = text(bytes).into_owned();
            let keys = [
                "sign_in_rate",
                "webhook_secret",
                "trusted_proxies",
                "servicenow_account_fields",
                "mail_from",
                "accent_colour",
                "public_url",
                "oidc_domains",
                "smtp_url",
            ];
            told(&keys.map(|key| {
                Config::read(&[(key.to_owned(), text.clone())].into()).map(|config| config.problems().len()).map_err(|wrong| wrong.len())
            }))
        },
    },
    Parser {
        name: "browsers and places",
        corpus: &["Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0", "2001:db8::1", "curl/8.0"],
        reads: |bytes| {
            let text = text(bytes);
            told(&(sessions::device(&text), sessions::place(&text, "127.0.0.1"), sessions::client(&text, "::1").len().min(200)))
        },
    },
    Parser {
        name: "refusals",
        corpus: &[
            r#"{"Invalid":[["email","Enter an address"]]}"#,
            r#"{"TooManyRequests":60}"#,
            r#""NotFound""#,
            r#"{"Conflict":"AlreadyInOrganization"}"#,
        ],
        reads: |bytes| told(&json::<Refusal>(bytes).map(|refusal| refusal.status())),
    },
    Parser {
        name: "passwords",
        corpus: &["mallow drizzle 7 umbrella", "password", "aaaaaaaaaaaaaaaaaaaaaaaa", "qwertyuiop1234567890", "Ada Example 1990"],
        reads: |bytes| told(&passwords::judge(&text(bytes), &["Ada", "ada@example.com"])),
    },
];

/// Pieces that break things.
const ODD: &[&str] = &[
    "\0",
    "\u{feff}",
    "\u{202e}",
    "\u{200d}",
    "İ",
    "ß",
    "ﬃ",
    "\u{0301}",
    "\u{1f600}",
    "\u{10ffff}",
    "\r\n",
    "\n\n",
    "%00",
    "%",
    "%%3",
    "..",
    "/../",
    "\\",
    "'",
    "\"",
    "--",
    "<",
    ">",
    "&",
    "=",
    ";",
    "[",
    "]",
    "[]",
    "{",
    "}",
    "null",
    "-1",
    "0",
    "1e309",
    "9223372036854775808",
    "99999999999999999999",
    "NaN",
    "true",
    "@",
    ".",
    "-",
    " ",
    "\t",
    "\\u0000",
    "\\ud800",
    "<script>",
    "javascript:",
    "' OR 1=1 --",
    "${{7*7}}",
    "\u{2028}",
    "Z",
    "+00:00",
    "-0001",
];

/// Another input, made of those that are there.
pub fn mutate(dice: &mut Dice, corpus: &[Vec<u8>]) -> Vec<u8> {
    let mut input = dice.of(corpus).clone();
    for _ in 0..=dice.index(6) {
        let at = dice.index(input.len() + 1);
        match dice.index(11) {
            0 => {
                let odd = dice.of(ODD).as_bytes().to_vec();
                drop(input.splice(at..at, odd));
            }
            1 if at < input.len() => input[at] ^= 1 << dice.index(8),
            2 if at < input.len() => input[at] = dice.roll().to_le_bytes()[0],
            3 => input.truncate(at),
            4 if at < input.len() => {
                let end = (at + 1 + dice.index(16)).min(input.len());
                drop(input.drain(at..end));
            }
            5 if at < input.len() => {
                // A piece of it again, and perhaps again and again.
                let end = (at + 1 + dice.index(12)).min(input.len());
                let piece = input[at..end].to_vec();
                let times = if dice.one_in(40) { 2000 } else { 1 + dice.index(8) };
                if piece.len() * times < 40_000 {
                    drop(input.splice(at..at, piece.repeat(times)));
                }
            }
            6 | 7 => {
                // A piece of another one.
                let other = dice.of(corpus);
                if !other.is_empty() {
                    let from = dice.index(other.len());
                    let end = (from + 1 + dice.index(30)).min(other.len());
                    let piece = other[from..end].to_vec();
                    let end = (at + if dice.one_in(2) { piece.len() } else { 0 }).min(input.len());
                    drop(input.splice(at..end, piece));
                }
            }
            8 => {
                // A number somewhat otherwise.
                if let Some(digit) = input.iter().position(u8::is_ascii_digit) {
                    let numbers: [&[u8]; 6] = [b"0", b"-1", b"99999999999999999999", b"1.5", b"00", b"2147483648"];
                    drop(input.splice(digit..=digit, dice.of(&numbers).to_vec()));
                }
            }
            9 if at < input.len() => {
                if let Some(other) = (at + 1 < input.len()).then_some(at + 1) {
                    input.swap(at, other);
                }
            }
            _ => input.push(dice.roll().to_le_bytes()[0]),
        }
        if input.len() > 60_000 {
            input.truncate(60_000);
        }
    }
    input
}

/// What came of one.
#[derive(Default)]
pub struct Fuzzed {
    pub cases: u64,
    pub kinds: u64,
    pub panics: u64,
    pub slow: u64,
    /// The worst of them, to be looked at.
    pub said: Vec<String>,
}

static PANIC: Mutex<String> = Mutex::new(String::new());

/// An input may take so long.
const SLOW: Duration = Duration::from_millis(100);

impl Parser {
    /// Reads made-up inputs for a while.
    pub fn fuzz(&self, time: Duration, seed: u64) -> Fuzzed {
        let mut dice = Dice(seed);
        let mut corpus: Vec<Vec<u8>> = self.corpus.iter().map(|text| text.as_bytes().to_vec()).collect();
        let (mut seen, mut came, began) = (HashSet::new(), Fuzzed::default(), Instant::now());
        while began.elapsed() < time {
            let input = mutate(&mut dice, &corpus);
            let sent = Instant::now();
            let read = catch_unwind(AssertUnwindSafe(|| (self.reads)(&input)));
            let mut took = sent.elapsed();
            came.cases += 1;
            if took > SLOW {
                // Not a moment in which the machine did something else.
                let again = Instant::now();
                let _ = catch_unwind(AssertUnwindSafe(|| (self.reads)(&input)));
                took = took.min(again.elapsed());
            }
            let shown = || format!("{:?}", String::from_utf8_lossy(&input).chars().take(300).collect::<String>());
            if took > SLOW {
                came.slow += 1;
                if came.said.len() < 5 {
                    came.said.push(format!("{}: {} ms for {} bytes: {}", self.name, took.as_millis(), input.len(), shown()));
                }
            }
            match read {
                Ok(kind) => {
                    if seen.len() < 20_000 && seen.insert(kind) && corpus.len() < 4000 && input.len() < 4000 {
                        corpus.push(input);
                    }
                }
                Err(_) => {
                    came.panics += 1;
                    if came.said.len() < 5 {
                        came.said.push(format!("{}: {}: {}", self.name, PANIC.lock().unwrap(), shown()));
                    }
                }
            }
        }
        came.kinds = seen.len() as u64;
        came
    }
}

/// Keeps what panics say from the terminal, for as long as inputs are read.
pub fn quietly<T>(work: impl FnOnce() -> T) -> T {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|panic| *PANIC.lock().unwrap() = panic.to_string()));
    let done = work();
    std::panic::set_hook(hook);
    done
}
