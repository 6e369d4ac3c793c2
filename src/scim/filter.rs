//! Filters and paths as RFC 7644 §3.4.2.2 and §3.5.2 write them: read, and held against a resource.

use serde_json::Value;

use super::{Problem, USER};
use crate::words::Timestamp;

/// The longest filter that is read, in bytes.
pub const LONGEST: usize = 10_000;
/// How deep groups may stand in each other.
const DEEPEST: usize = 30;
/// So many keys are looked up one by one; a filter that names more is held against every account.
const KEYS: usize = 100;

/// An attribute, or one inside of it, by their names in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// The attribute.
    pub name: String,
    /// The one inside of it.
    pub sub: Option<String>,
    /// Whether it is of another schema than that of users, of which the portal keeps nothing.
    pub foreign: bool,
}

/// How a value is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// Equal.
    Eq,
    /// Not equal.
    Ne,
    /// Contains.
    Co,
    /// Starts with.
    Sw,
    /// Ends with.
    Ew,
    /// Greater.
    Gt,
    /// Greater or equal.
    Ge,
    /// Less.
    Lt,
    /// Less or equal.
    Le,
}

/// A filter.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// All of them hold.
    All(Vec<Filter>),
    /// One of them holds.
    Any(Vec<Filter>),
    /// It does not hold.
    Not(Box<Filter>),
    /// A value compares so.
    Compare(Attribute, Operator, Value),
    /// There is a value.
    Present(Attribute),
    /// One of the attribute's values meets a filter of its own.
    Within(Attribute, Box<Filter>),
}

/// What an account can be looked up by, without looking at the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// Its id.
    Id(String),
    /// Its address, in lower case.
    Email(String),
    /// What the identity system calls it.
    External(String),
}

/// Where a change is made: an attribute, of a list of values perhaps only those that meet a filter.
#[derive(Clone, Debug, PartialEq)]
pub struct Path {
    /// The attribute; with a filter, what is inside of it stands behind the brackets.
    pub attribute: Attribute,
    /// Which of its values.
    pub filter: Option<Filter>,
}

impl Attribute {
    /// Reads a name such as `name.givenName`, with or without its schema before it; nothing for what is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let lower = text.to_ascii_lowercase();
        let own = format!("{}:", USER.to_ascii_lowercase());
        if let Some(foreign) = lower.strip_prefix("urn:").filter(|_| !lower.starts_with(&own)) {
            let right = !foreign.is_empty() && foreign.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:$".contains(c));
            return right.then(|| Self { name: lower.clone(), sub: None, foreign: true });
        }
        let rest = lower.strip_prefix(&own).unwrap_or(&lower);
        let (name, sub) = rest.split_once('.').map_or((rest, None), |(name, sub)| (name, Some(sub)));
        let right = |name: &str| {
            name.strip_prefix('$').unwrap_or(name).starts_with(|c: char| c.is_ascii_alphabetic())
                && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_$".contains(c))
        };
        (right(name) && sub.is_none_or(right)).then(|| Self { name: name.to_owned(), sub: sub.map(str::to_owned), foreign: false })
    }

    fn is(&self, name: &str, sub: Option<&str>) -> bool {
        !self.foreign && self.name == name && self.sub.as_deref() == sub
    }

    /// Whether upper and lower case are told apart in its values.
    fn is_exact(&self) -> bool {
        matches!(self.name.as_str(), "id" | "externalid" | "meta")
    }

    fn is_moment(&self) -> bool {
        self.is("meta", Some("created")) || self.is("meta", Some("lastmodified"))
    }

    fn is_boolean(&self) -> bool {
        matches!((self.name.as_str(), self.sub.as_deref()), ("active", None) | ("primary", None) | ("emails", Some("primary")))
    }

    /// Its values in a resource: those of a list each by itself, and of what has parts the one that is called `value`.
    fn values<'v>(&self, resource: &'v Value) -> Vec<&'v Value> {
        if self.foreign {
            return Vec::new();
        }
        let Some(found) = member(resource, &self.name) else { return Vec::new() };
        let each: Vec<&Value> = found.as_array().map_or_else(|| vec![found], |all| all.iter().collect());
        let inside = |value: &'v Value| match &self.sub {
            Some(sub) => member(value, sub),
            None if value.is_object() => member(value, "value"),
            None => Some(value),
        };
        each.into_iter().filter_map(inside).filter(|value| !value.is_null()).collect()
    }
}

/// A member of an object, whatever the case of its name.
#[must_use]
pub fn member<'v>(object: &'v Value, name: &str) -> Option<&'v Value> {
    object.as_object()?.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

impl Operator {
    fn parse(word: &str) -> Option<Self> {
        Some(match word.to_ascii_lowercase().as_str() {
            "eq" => Self::Eq,
            "ne" => Self::Ne,
            "co" => Self::Co,
            "sw" => Self::Sw,
            "ew" => Self::Ew,
            "gt" => Self::Gt,
            "ge" => Self::Ge,
            "lt" => Self::Lt,
            "le" => Self::Le,
            _ => return None,
        })
    }

    fn holds_of<T: PartialOrd>(self, value: &T, literal: &T) -> bool {
        match self {
            Self::Eq => value == literal,
            Self::Gt => value > literal,
            Self::Ge => value >= literal,
            Self::Lt => value < literal,
            Self::Le => value <= literal,
            Self::Ne | Self::Co | Self::Sw | Self::Ew => false,
        }
    }
}

impl Filter {
    /// Reads a filter.
    ///
    /// # Errors
    /// 400 `invalidFilter`.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let mut reader = Reader::new(text)?;
        let filter = reader.any()?;
        reader.end()?;
        Ok(filter)
    }

    /// Whether it holds of a resource.
    #[must_use]
    pub fn matches(&self, resource: &Value) -> bool {
        match self {
            Self::All(all) => all.iter().all(|filter| filter.matches(resource)),
            Self::Any(any) => any.iter().any(|filter| filter.matches(resource)),
            Self::Not(filter) => !filter.matches(resource),
            Self::Present(attribute) => match member(resource, &attribute.name).filter(|_| !attribute.foreign && attribute.sub.is_none()) {
                Some(Value::Object(parts)) => !parts.is_empty(),
                _ => attribute.values(resource).iter().any(|value| value.as_str() != Some("")),
            },
            Self::Compare(attribute, Operator::Ne, literal) => {
                !attribute.values(resource).iter().any(|value| compare(attribute, Operator::Eq, value, literal))
            }
            // Nothing is equal to null but what is not there.
            Self::Compare(attribute, Operator::Eq, Value::Null) => attribute.values(resource).is_empty(),
            Self::Compare(attribute, operator, literal) => {
                attribute.values(resource).iter().any(|value| compare(attribute, *operator, value, literal))
            }
            Self::Within(attribute, filter) => match member(resource, &attribute.name).filter(|_| !attribute.foreign) {
                Some(Value::Array(values)) => values.iter().any(|value| filter.matches(value)),
                Some(value) => filter.matches(value),
                None => false,
            },
        }
    }

    /// The keys by one of which every account that it holds of can be looked up; nothing where it does not tell.
    #[must_use]
    pub fn keys(&self) -> Option<Vec<Key>> {
        self.keys_in(false).filter(|keys| keys.len() <= KEYS)
    }

    fn keys_in(&self, emails: bool) -> Option<Vec<Key>> {
        match self {
            Self::Compare(attribute, Operator::Eq, Value::String(text)) if !attribute.foreign => {
                match (attribute.name.as_str(), attribute.sub.as_deref(), emails) {
                    ("value", None, true) | ("username", None, false) | ("emails", None | Some("value"), false) => {
                        Some(vec![Key::Email(text.to_lowercase())])
                    }
                    ("externalid", None, false) => Some(vec![Key::External(text.clone())]),
                    ("id", None, false) => Some(vec![Key::Id(text.clone())]),
                    _ => None,
                }
            }
            Self::All(all) => all.iter().filter_map(|filter| filter.keys_in(emails)).min_by_key(Vec::len),
            Self::Any(any) => any.iter().map(|filter| filter.keys_in(emails)).collect::<Option<Vec<_>>>().map(|keys| keys.concat()),
            Self::Within(attribute, filter) if attribute.is("emails", None) && !emails => filter.keys_in(true),
            Self::Not(_) | Self::Compare(..) | Self::Present(_) | Self::Within(..) => None,
        }
    }

    /// What a value has to hold so that it meets the filter: nothing where it asks for more than equal values.
    #[must_use]
    pub fn equals(&self) -> Option<Vec<(&str, &Value)>> {
        match self {
            Self::Compare(attribute, Operator::Eq, value) => Some(vec![(attribute.name.as_str(), value)]),
            Self::All(all) => all.iter().map(Self::equals).collect::<Option<Vec<_>>>().map(|each| each.concat()),
            _ => None,
        }
    }
}

fn compare(attribute: &Attribute, operator: Operator, value: &Value, literal: &Value) -> bool {
    match (value, literal) {
        (Value::String(value), Value::String(literal)) => {
            if attribute.is_moment() && !matches!(operator, Operator::Co | Operator::Sw | Operator::Ew) {
                let (value, literal) = (Timestamp::of_rfc3339(value), Timestamp::of_rfc3339(literal));
                return value.zip(literal).is_some_and(|(value, literal)| operator.holds_of(&value, &literal));
            }
            let folded = |text: &str| if attribute.is_exact() { text.to_owned() } else { text.to_lowercase() };
            let (value, literal) = (folded(value), folded(literal));
            match operator {
                Operator::Co => value.contains(&literal),
                Operator::Sw => value.starts_with(&literal),
                Operator::Ew => value.ends_with(&literal),
                _ => operator.holds_of(&value, &literal),
            }
        }
        (Value::Bool(value), literal) => boolean(literal).is_some_and(|literal| operator.holds_of(value, &literal)),
        _ => false,
    }
}

/// Yes or no, also as a text: some identity systems write `"True"`.
#[must_use]
pub fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(value) => Some(*value),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

impl Path {
    /// Reads a path such as `name.givenName` or `emails[type eq "work"].value`.
    ///
    /// # Errors
    /// 400 `invalidPath`, or `invalidFilter` for what stands in its brackets.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let wrong = || Problem::invalid("invalidPath", "The path is none of an attribute.");
        let text = text.trim();
        let Some((name, rest)) = text.split_once('[') else {
            return Ok(Self { attribute: Attribute::parse(text).ok_or_else(wrong)?, filter: None });
        };
        let mut attribute = Attribute::parse(name.trim()).filter(|attribute| attribute.sub.is_none()).ok_or_else(wrong)?;
        let mut reader = Reader::new(rest)?;
        let filter = reader.any()?;
        if !reader.takes(']') {
            return Err(wrong());
        }
        match reader.rest() {
            "" => {}
            sub => {
                let sub = sub.strip_prefix('.').and_then(Attribute::parse).filter(|sub| sub.sub.is_none() && !sub.foreign);
                attribute.sub = Some(sub.ok_or_else(wrong)?.name);
            }
        }
        Ok(Self { attribute, filter: Some(filter) })
    }
}

/// Reads a filter from left to right.
struct Reader<'t> {
    text: &'t str,
    depth: usize,
}

fn wrong(what: &str) -> Problem {
    Problem::invalid("invalidFilter", format!("The filter cannot be read: {what}."))
}

impl<'t> Reader<'t> {
    fn new(text: &'t str) -> Result<Self, Problem> {
        if text.len() > LONGEST { Err(wrong("it is too long")) } else { Ok(Self { text, depth: 0 }) }
    }

    fn skip(&mut self) {
        self.text = self.text.trim_start();
    }

    fn rest(&mut self) -> &'t str {
        self.text.trim()
    }

    fn end(&mut self) -> Result<(), Problem> {
        if self.rest().is_empty() { Ok(()) } else { Err(wrong("something stands behind its end")) }
    }

    fn takes(&mut self, c: char) -> bool {
        self.skip();
        match self.text.strip_prefix(c) {
            Some(rest) => {
                self.text = rest;
                true
            }
            None => false,
        }
    }

    /// The next word, up to a space, a bracket or a quotation mark.
    fn peek(&mut self) -> &'t str {
        self.skip();
        let end = self.text.find(|c: char| c.is_whitespace() || "()[]\"".contains(c)).unwrap_or(self.text.len());
        &self.text[..end]
    }

    fn word(&mut self) -> &'t str {
        let word = self.peek();
        self.text = &self.text[word.len()..];
        word
    }

    fn takes_word(&mut self, word: &str) -> bool {
        let found = self.peek().eq_ignore_ascii_case(word);
        if found {
            self.word();
        }
        found
    }

    fn any(&mut self) -> Result<Filter, Problem> {
        let mut any = vec![self.all()?];
        while self.takes_word("or") {
            any.push(self.all()?);
        }
        Ok(single(any, Filter::Any))
    }

    fn all(&mut self) -> Result<Filter, Problem> {
        let mut all = vec![self.one()?];
        while self.takes_word("and") {
            all.push(self.one()?);
        }
        Ok(single(all, Filter::All))
    }

    /// What stands in round or square brackets, whose opening one is read.
    fn group(&mut self, end: char) -> Result<Filter, Problem> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(wrong("its groups stand too deep in each other"));
        }
        let filter = self.any()?;
        self.depth -= 1;
        if self.takes(end) { Ok(filter) } else { Err(wrong("a bracket is not closed")) }
    }

    fn one(&mut self) -> Result<Filter, Problem> {
        if self.takes('(') {
            return self.group(')');
        }
        if self.takes_word("not") {
            return if self.takes('(') { Ok(Filter::Not(Box::new(self.group(')')?))) } else { Err(wrong("not stands before a bracket")) };
        }
        let attribute = Attribute::parse(self.word()).ok_or_else(|| wrong("the name of an attribute is missing"))?;
        if self.text.starts_with('[') {
            self.takes('[');
            if attribute.sub.is_some() {
                return Err(wrong("brackets stand behind a whole attribute"));
            }
            return Ok(Filter::Within(attribute, Box::new(self.group(']')?)));
        }
        let word = self.word();
        if word.eq_ignore_ascii_case("pr") {
            return Ok(Filter::Present(attribute));
        }
        let operator = Operator::parse(word).ok_or_else(|| wrong("an operator is missing"))?;
        let literal = self.literal()?;
        let ordered = !matches!(operator, Operator::Eq | Operator::Ne);
        if ordered && (attribute.is_boolean() || !(literal.is_string() || literal.is_number())) {
            return Err(wrong("what is yes or no, or nothing, is compared by eq and ne alone"));
        }
        let text = literal.as_str().filter(|_| attribute.is_moment() && !matches!(operator, Operator::Co | Operator::Sw | Operator::Ew));
        if text.is_some_and(|text| Timestamp::of_rfc3339(text).is_none()) {
            return Err(wrong("a moment is written as 2026-11-24T14:05:00Z"));
        }
        Ok(Filter::Compare(attribute, operator, literal))
    }

    /// A text in quotation marks, a number, true, false or null.
    fn literal(&mut self) -> Result<Value, Problem> {
        self.skip();
        let missing = || wrong("a value is missing, or cannot be read");
        if !self.text.starts_with('"') {
            let word = self.word();
            return match word.to_ascii_lowercase().as_str() {
                "true" => Ok(Value::Bool(true)),
                "false" => Ok(Value::Bool(false)),
                "null" => Ok(Value::Null),
                _ => serde_json::from_str::<serde_json::Number>(word).map(Value::Number).map_err(|_| missing()),
            };
        }
        let mut escaped = false;
        let end = self.text.char_indices().skip(1).find(|(_, c)| {
            let ends = *c == '"' && !escaped;
            escaped = *c == '\\' && !escaped;
            ends
        });
        let (end, _) = end.ok_or_else(missing)?;
        let (text, rest) = self.text.split_at(end + 1);
        self.text = rest;
        serde_json::from_str::<String>(text).map(Value::String).map_err(|_| missing())
    }
}

fn single(mut filters: Vec<Filter>, several: fn(Vec<Filter>) -> Filter) -> Filter {
    match filters.pop() {
        Some(only) if filters.is_empty() => only,
        last => {
            filters.extend(last);
            several(filters)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ada() -> Value {
        json!({
            "id": "0198-a", "externalId": "E1", "userName": "Ada@example.com", "active": true,
            "name": { "givenName": "Ada", "familyName": "Example" }, "displayName": "Ada Example",
            "emails": [{ "value": "Ada@example.com", "type": "work", "primary": true }],
            "meta": { "created": "2026-11-24T14:05:00Z", "lastModified": "2026-11-25T00:00:00.5Z" }
        })
    }

    #[test]
    fn filters_hold_as_the_standard_says() {
        for (filter, holds) in [
            (r#"userName eq "ADA@example.com""#, true),
            (r#"username Eq "ada@EXAMPLE.com""#, true),
            (r#"urn:ietf:params:scim:schemas:core:2.0:User:userName sw "ada""#, true),
            (r#"userName ne "ada@example.com""#, false),
            (r#"externalId eq "E1""#, true),
            (r#"externalId eq "e1""#, false),
            (r#"externalId pr"#, true),
            (r#"title pr"#, false),
            (r#"title ne "x""#, true),
            (r#"title eq null"#, true),
            (r#"userName eq null"#, false),
            (r#"name pr"#, true),
            (r#"name.familyName co "XAMP""#, true),
            (r#"name.givenName ew "da""#, true),
            (r#"emails.value eq "ada@example.com""#, true),
            (r#"emails co "@example""#, true),
            (r#"emails[type eq "work" and value co "@example.com"]"#, true),
            (r#"emails[type eq "home"]"#, false),
            (r#"emails[primary eq true]"#, true),
            (r#"active eq true"#, true),
            (r#"active eq "True""#, true),
            (r#"active ne true"#, false),
            (r#"meta.created gt "2026-11-24T14:04:59Z""#, true),
            (r#"meta.created ge "2026-11-24T15:05:00+01:00""#, true),
            (r#"meta.created lt "2026-11-24T14:05:00Z""#, false),
            (r#"meta.lastModified le "2026-11-25T00:00:00.5Z""#, true),
            (r#"name.givenName gt "AC" and name.givenName lt "ae""#, true),
            (r#"active eq false or active eq true and userName sw "a""#, true),
            (r#"(active eq false or active eq true) and userName sw "b""#, false),
            (r#"not (active eq true)"#, false),
            (r#"NOT(active eq false) AND userName pr"#, true),
            (r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department eq "x""#, false),
            (r#"displayName eq "ada example""#, true),
            (r#"userName eq "a\"b""#, false),
        ] {
            let read = Filter::parse(filter).unwrap_or_else(|problem| panic!("{filter}: {problem:?}"));
            assert_eq!(read.matches(&ada()), holds, "{filter}");
        }
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        let deep = format!("{}active eq true{}", "(".repeat(40), ")".repeat(40));
        let long = format!("userName eq \"{}\"", "x".repeat(LONGEST));
        for filter in [
            "",
            "userName",
            "userName eq",
            "userName xx \"a\"",
            "userName eq a",
            "userName eq \"a",
            "userName eq \"a\" and",
            "(userName eq \"a\"",
            "userName eq \"a\")",
            "emails[type eq \"work\"",
            "emails.value[type eq \"work\"]",
            "not active eq true",
            "active gt true",
            "active co \"t\"",
            "userName gt null",
            "meta.created gt \"yesterday\"",
            "user name eq \"a\"",
            "1 eq 1",
            "userName eq \"a\" \"b\"",
            deep.as_str(),
            long.as_str(),
        ] {
            assert!(Filter::parse(filter).is_err(), "{filter}");
        }
    }

    #[test]
    fn accounts_are_looked_up_by_what_is_unique() {
        let keys = |filter: &str| Filter::parse(filter).expect(filter).keys();
        let ada = Key::Email("ada@example.com".to_owned());
        for filter in [
            r#"userName eq "Ada@Example.com""#,
            r#"emails eq "Ada@Example.com""#,
            r#"emails.value eq "Ada@Example.com" and active eq true"#,
            r#"emails[type eq "work" and value eq "Ada@Example.com"]"#,
        ] {
            assert_eq!(keys(filter), Some(vec![ada.clone()]), "{filter}");
        }
        assert_eq!(keys(r#"userName eq "ada@example.com" or externalId eq "E""#), Some(vec![ada, Key::External("E".to_owned())]));
        assert_eq!(keys(r#"id eq "x""#), Some(vec![Key::Id("x".to_owned())]));
        for filter in
            [r#"userName eq "a" or active eq true"#, r#"not (userName eq "a")"#, r#"userName ne "a""#, "userName pr", r#"value eq "a""#]
        {
            assert_eq!(keys(filter), None, "{filter}");
        }
        assert_eq!(keys(&vec![r#"id eq "x""#; 101].join(" or ")), None);
    }

    #[test]
    fn paths_are_read_with_their_filters() {
        let path = |text: &str| Path::parse(text).map(|path| (path.attribute.name, path.attribute.sub, path.filter.is_some()));
        let read = |name: &str, sub: Option<&str>, filter| Ok((name.to_owned(), sub.map(str::to_owned), filter));
        assert_eq!(path("userName"), read("username", None, false));
        assert_eq!(path("urn:ietf:params:scim:schemas:core:2.0:User:name.givenName"), read("name", Some("givenname"), false));
        assert_eq!(path(r#"emails[type eq "work"].value"#), read("emails", Some("value"), true));
        assert_eq!(path(r#"emails[type eq "a]b"]"#), read("emails", None, true));
        for wrong in
            ["", "a b", "emails[", "emails[]", r#"emails[type eq "work"]value"#, r#"emails[type eq "work"].a.b"#, "9x", "a..b", "a.b.c"]
        {
            assert!(path(wrong).is_err(), "{wrong}");
        }
    }
}
