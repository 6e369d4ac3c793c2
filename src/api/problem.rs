//! Refusals as programs read them: HTTP's status, the number of gRPC's code that goes with it, and a sentence that PMM
//! shows to people as it is.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde_json::{Value, json};

use crate::{
    db::Failure,
    form::{Conflict, FieldErrors, Obstacle, Refusal, Unauthenticated},
};

/// The codes of gRPC that are used, by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// What was sent does not do.
    InvalidArgument = 3,
    /// It took too long.
    DeadlineExceeded = 4,
    /// No such thing, or not yours.
    NotFound = 5,
    /// It is there already.
    AlreadyExists = 6,
    /// The role, or the token's scope, does not allow it.
    PermissionDenied = 7,
    /// Too often.
    ResourceExhausted = 8,
    /// Not possible as things stand.
    FailedPrecondition = 9,
    /// Our fault.
    Internal = 13,
    /// The database or another part is away.
    Unavailable = 14,
    /// The session or token is not good.
    Unauthenticated = 16,
}

impl Code {
    /// HTTP's status for it.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::InvalidArgument | Self::FailedPrecondition => StatusCode::BAD_REQUEST,
            Self::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::AlreadyExists => StatusCode::CONFLICT,
            Self::PermissionDenied => StatusCode::FORBIDDEN,
            Self::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
        }
    }
}

/// What is said of a field that has to be there and is not.
pub const EMPTY: &str = "value '' must not be an empty string";

/// Why a call came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    code: Code,
    message: String,
    /// What is wrong with which field, for programs.
    fields: Vec<(String, String)>,
    /// After how many seconds to try again.
    retry_after: Option<u32>,
    /// Which methods there are at the path.
    allow: Option<String>,
    /// Whether a form said so, whose fields are those of the call.
    of_form: bool,
}

impl Problem {
    /// One with a sentence.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { status: code.status(), code, message: message.into(), fields: Vec::new(), retry_after: None, allow: None, of_form: false }
    }

    /// Of one field.
    #[must_use]
    pub fn field(name: &str, sentence: impl Into<String>) -> Self {
        Self::of_fields(FieldErrors::one(name, sentence))
    }

    /// No such call: at the path there are others, or none.
    #[must_use]
    pub fn no_call(method: &str, path: &str, allow: Vec<&str>) -> Self {
        let path: String = path.chars().take(200).collect();
        let allow = (!allow.is_empty()).then(|| allow.join(", "));
        Self { allow, ..Self::new(Code::NotFound, format!("There is no call {method} {path}.")) }
    }

    /// What was sent took too long to arrive.
    #[must_use]
    pub fn too_slow() -> Self {
        let message = "What was sent took too long to arrive. Nothing was changed.";
        Self { status: StatusCode::REQUEST_TIMEOUT, ..Self::new(Code::DeadlineExceeded, message) }
    }

    /// What was sent is too large.
    #[must_use]
    pub fn too_large() -> Self {
        let message = "What was sent is too large. Nothing was changed.";
        Self { status: StatusCode::PAYLOAD_TOO_LARGE, ..Self::new(Code::InvalidArgument, message) }
    }

    /// The request took too long.
    #[must_use]
    pub fn timed_out() -> Self {
        Self::new(Code::DeadlineExceeded, "The portal took too long to answer. It may or may not have been done.")
    }

    /// The session or token is missing or not good.
    #[must_use]
    pub fn unauthenticated() -> Self {
        Self::new(
            Code::Unauthenticated,
            "The session or token is missing, wrong, expired or revoked. Send a good one as Authorization: Bearer.",
        )
    }

    fn of_fields(FieldErrors(fields): FieldErrors) -> Self {
        let said = |(name, sentence): &(String, String)| {
            if name.is_empty() { sentence.clone() } else { format!("invalid field {}: {sentence}", pascal(name)) }
        };
        let message = fields.iter().map(said).collect::<Vec<_>>().join("; ");
        Self { fields, ..Self::new(Code::InvalidArgument, message) }
    }

    /// The body of the answer.
    #[must_use]
    pub fn json(&self) -> Value {
        let violations: Vec<Value> =
            self.fields.iter().map(|(field, description)| json!({ "field": field, "description": description })).collect();
        let details = match violations.is_empty() {
            true => json!([]),
            false => json!([{ "@type": "type.googleapis.com/google.rpc.BadRequest", "field_violations": violations }]),
        };
        json!({ "code": self.code as u32, "message": self.message, "details": details, "error": self.message })
    }

    /// The answer.
    #[must_use]
    pub fn response(&self) -> Response {
        let mut response = (self.status, [(header::CONTENT_TYPE, "application/json")], self.json().to_string()).into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(allow) = self.allow.as_deref().and_then(|allow| HeaderValue::from_str(allow).ok()) {
            headers.insert(header::ALLOW, allow);
        }
        if self.code == Code::Unauthenticated {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }

    /// The same, where a field that is missing or empty in what was sent is said to be that.
    #[must_use]
    pub fn about(self, sent: &Value) -> Self {
        if !self.of_form {
            return self;
        }
        let is_empty = |name: &str| {
            let value = sent.get(name).or_else(|| sent.get("profile")?.get(name));
            value.is_none_or(|value| value.as_str().is_some_and(|text| text.trim().is_empty()))
        };
        let say = |(name, sentence): (String, String)| {
            let empty = !name.is_empty() && is_empty(&name);
            let sentence = if empty { EMPTY.to_owned() } else { sentence };
            (name, sentence)
        };
        Self::of_fields(FieldErrors(self.fields.into_iter().map(say).collect()))
    }

    /// The same, where a field has another name in the call than in the form.
    #[must_use]
    pub fn renamed(mut self, form: &str, call: &str) -> Self {
        for (name, _) in self.fields.iter_mut().filter(|(name, _)| name == form) {
            call.clone_into(name);
        }
        if self.fields.is_empty() { self } else { Self { of_form: self.of_form, ..Self::of_fields(FieldErrors(self.fields)) } }
    }

    /// The sentence.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Whether it is about what was asked for of one, and not about who asks or whether the portal can answer.
    #[must_use]
    pub const fn is_of_one(&self) -> bool {
        matches!(
            self.code,
            Code::InvalidArgument | Code::AlreadyExists | Code::PermissionDenied | Code::ResourceExhausted | Code::FailedPrecondition
        )
    }
}

/// `first_name` as messages name it: `FirstName`.
fn pascal(name: &str) -> String {
    let capital = |word: &str| {
        let mut chars = word.chars();
        chars.next().map(|first| first.to_uppercase().chain(chars).collect::<String>()).unwrap_or_default()
    };
    name.split('_').map(capital).collect()
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let message = refusal.message();
        let code = match &refusal {
            Refusal::Invalid(errors) => return Self { of_form: true, ..Self::of_fields(errors.clone()) },
            Refusal::TooLarge => return Self::too_large(),
            Refusal::Unauthenticated(Unauthenticated::SignInRequired | Unauthenticated::ProofRequired) => return Self::unauthenticated(),
            Refusal::Unauthenticated(Unauthenticated::WrongCredentials) => {
                return Self::new(Code::Unauthenticated, "Incorrect username or password.");
            }
            Refusal::Unauthenticated(Unauthenticated::Locked) => Code::Unauthenticated,
            Refusal::TooManyRequests(seconds) => {
                return Self { retry_after: Some(*seconds), ..Self::new(Code::ResourceExhausted, message) };
            }
            Refusal::Unavailable | Refusal::Unanswered => {
                return Self { retry_after: Some(2), ..Self::new(Code::Unavailable, message) };
            }
            Refusal::Forbidden | Refusal::Suspended(_) | Refusal::CrossSite => Code::PermissionDenied,
            // What a form was drawn for is here what the address names: an organization that is not one's own is none.
            Refusal::NotFound | Refusal::Conflict(Conflict::OtherOrganization) => {
                return Self::new(Code::NotFound, Refusal::NotFound.message());
            }
            // An unknown link and one that is over are one.
            Refusal::Gone(_) => Code::NotFound,
            Refusal::Conflict(conflict) => match conflict {
                Conflict::AlreadyInOrganization
                | Conflict::AlreadyInvited(_)
                | Conflict::AlreadyMember
                | Conflict::OfCustomer
                | Conflict::ServerElsewhere
                | Conflict::Account(Obstacle::AddressTaken | Obstacle::ExternalIdTaken) => Code::AlreadyExists,
                Conflict::OwnRole | Conflict::ServerOfColleague => Code::PermissionDenied,
                Conflict::LastAdmin
                | Conflict::OtherOrganization
                | Conflict::OtherAddress
                | Conflict::NotPending
                | Conflict::NameOfCustomer
                | Conflict::NobodyToRemind
                | Conflict::TicketOver
                | Conflict::OrganizationSuspended
                | Conflict::NoOrganization
                | Conflict::NoKeyFile
                | Conflict::NoSecondFactor
                | Conflict::TooManyTokens
                | Conflict::OnlyWayIn
                | Conflict::Account(_)
                | Conflict::AlreadySo => Code::FailedPrecondition,
            },
            Refusal::Partly(partly) if partly.done == 0 && !partly.waiting.is_empty() => Code::ResourceExhausted,
            Refusal::Partly(_) => Code::FailedPrecondition,
            Refusal::Fault(_) => Code::Internal,
        };
        Self::new(code, message)
    }
}

/// How a call fails: as everything in the portal does, or with a problem of the call's own.
#[derive(Debug)]
pub enum Fail {
    /// As everything in the portal does.
    Failure(Failure),
    /// With a problem of the call's own.
    Problem(Problem),
}

impl From<Failure> for Fail {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<Refusal> for Fail {
    fn from(refusal: Refusal) -> Self {
        Self::Failure(refusal.into())
    }
}

impl From<Problem> for Fail {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_field_is_said_to_be_that() {
        let sent = json!({ "email": " ", "name": "x", "profile": { "first_name": "y" } });
        let problem = |field: &str| Problem::from(Refusal::field(field, "It is wrong")).about(&sent).message;
        assert_eq!(problem("email"), "invalid field Email: value '' must not be an empty string");
        assert_eq!(problem("last_name"), "invalid field LastName: value '' must not be an empty string");
        assert_eq!(problem("first_name"), "invalid field FirstName: It is wrong");
        assert_eq!(problem("name"), "invalid field Name: It is wrong");
        assert_eq!(problem(""), "It is wrong");
        assert_eq!(Problem::field("email", "x").renamed("email", "username").message, "invalid field Username: x");
    }

    #[test]
    fn no_code_is_zero_and_every_status_is_its_own() {
        let problem = Problem::from(Refusal::TooManyRequests(7));
        assert_eq!(problem.json()["code"], 8);
        assert_eq!(problem.response().headers()[header::RETRY_AFTER], "7");
        assert_eq!(Problem::from(Refusal::NotFound).json(), Problem::from(Refusal::Conflict(Conflict::OtherOrganization)).json());
    }
}
