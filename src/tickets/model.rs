use serde::{Deserialize, Serialize};

use crate::{
    form::FieldErrors,
    words::{Timestamp, is_forbidden_in_names},
};

/// The most characters of a subject, and of a product.
pub const MAX_LINE: usize = 255;
/// The most characters of a description, a reply or a note.
pub const MAX_TEXT: usize = 50_000;
/// The most bytes of a file.
pub const MAX_FILE: u64 = 10 * 1024 * 1024;
/// The most files that come with a ticket or a reply.
pub const MAX_FILES: usize = 5;

/// What the desk's words for a state come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// The operator's support has it.
    Open,
    /// The customer is asked something.
    Waiting,
    /// It is solved, and can be reopened for some days.
    Resolved,
    /// It is over.
    Closed,
}

impl Stage {
    /// Every stage, in the order of a ticket's life.
    pub const ALL: [Self; 4] = [Self::Open, Self::Waiting, Self::Resolved, Self::Closed];

    /// Its name in the database and in addresses.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Waiting => "waiting",
            Self::Resolved => "resolved",
            Self::Closed => "closed",
        }
    }

    /// Its name on pages, and the state of a ticket that lives here.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Open => "Open",
            Self::Waiting => "Awaiting customer",
            Self::Resolved => "Resolved",
            Self::Closed => "Closed",
        }
    }

    /// Reads the name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.name() == name)
    }

    /// What a desk's own word for a state comes to: "Pending - Awaiting Customer" waits, "Scheduled" is open.
    #[must_use]
    pub fn of_state(state: &str) -> Self {
        let state = state.to_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| state.contains(word));
        if has(&["closed", "cancel"]) {
            Self::Closed
        } else if has(&["resolved", "solved", "complete"]) {
            Self::Resolved
        } else if has(&["awaiting customer", "awaiting info", "waiting for customer", "on customer"]) {
            Self::Waiting
        } else {
            Self::Open
        }
    }

    /// Whether it is solved or over.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Resolved | Self::Closed)
    }
}

/// The priorities of a ticket that is raised here, the most urgent first.
pub const PRIORITIES: [&str; 4] = ["P1 - Critical", "P2 - High", "P3 - Normal", "P4 - Low"];
/// The one that is chosen where nothing is.
pub const PRIORITY: &str = PRIORITIES[2];

/// How urgent a desk's word for a priority is: 1 to 4, or 5 where that cannot be told.
#[must_use]
pub fn rank(priority: &str) -> i64 {
    let priority = priority.trim().to_lowercase();
    let digit = priority.strip_prefix('p').unwrap_or(&priority).chars().next().and_then(|c| c.to_digit(10));
    match digit {
        Some(digit @ 1..=4) => i64::from(digit),
        Some(_) => 5,
        None if priority.contains("critical") || priority.contains("urgent") => 1,
        None if priority.contains("high") => 2,
        None if priority.contains("normal") || priority.contains("moderate") || priority.contains("medium") => 3,
        None if priority.contains("low") || priority.contains("planning") => 4,
        None => 5,
    }
}

/// A rank's name on pages.
#[must_use]
pub const fn rank_title(rank: i64) -> &'static str {
    match rank {
        1 => "P1 - Critical",
        2 => "P2 - High",
        3 => "P3 - Normal",
        4 => "P4 - Low",
        _ => "Other",
    }
}

/// Who said something in a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Somebody of the customer's.
    Customer,
    /// The operator's support.
    Staff,
}

impl Side {
    /// Its name in the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Staff => "staff",
        }
    }

    /// Reads the name. The database knows no others.
    #[must_use]
    pub fn parse(name: &str) -> Self {
        if name == "staff" { Self::Staff } else { Self::Customer }
    }
}

/// Raise a ticket.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct TicketForm {
    /// What it is about: one of the entitlements' product families, or free text.
    #[serde(default)]
    pub product: String,
    /// In one line.
    #[serde(default)]
    pub subject: String,
    /// Markdown.
    #[serde(default)]
    pub description: String,
    /// One of [`PRIORITIES`].
    #[serde(default)]
    pub priority: String,
    /// The ids of files that were sent with the form.
    #[serde(default)]
    pub attachments: Vec<String>,
}

/// A ticket that can be raised.
#[derive(Clone, Debug)]
pub struct NewTicket {
    /// What it is about; may be empty.
    pub product: String,
    /// In one line.
    pub subject: String,
    /// Markdown.
    pub description: String,
    /// One of [`PRIORITIES`].
    pub priority: &'static str,
    /// The ids of its files.
    pub attachments: Vec<String>,
}

impl TicketForm {
    /// Reads the form.
    ///
    /// # Errors
    /// What is wrong, by field.
    pub fn parse(self) -> Result<NewTicket, FieldErrors> {
        let mut errors = FieldErrors::default();
        let subject = errors.take(
            "subject",
            check_line(&self.subject).and_then(|line| match line.is_empty() {
                true => Err("Enter a subject: the problem in one line".to_owned()),
                false => Ok(line),
            }),
        );
        let product = errors.take("product", check_line(&self.product));
        let description =
            errors.take("description", check_text(&self.description, "Describe what happens, and what should happen instead"));
        let chosen = if self.priority.is_empty() { PRIORITY } else { self.priority.as_str() };
        let priority = PRIORITIES.into_iter().find(|known| *known == chosen);
        let priority = errors.take("priority", priority.ok_or("Choose one of the priorities"));
        let attachments = errors.take("attachments", check_files(self.attachments));
        match (subject, product, description, priority, attachments) {
            (Some(subject), Some(product), Some(description), Some(priority), Some(attachments)) => {
                Ok(NewTicket { product, subject, description, priority, attachments })
            }
            _ => Err(errors),
        }
    }
}

/// A reply, or a note.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ReplyForm {
    /// Markdown.
    #[serde(default)]
    pub body: String,
    /// The ids of files that were sent with the form.
    #[serde(default)]
    pub attachments: Vec<String>,
}

/// A reply that can be posted.
#[derive(Clone, Debug)]
pub struct NewReply {
    /// Markdown.
    pub body: String,
    /// The ids of its files.
    pub attachments: Vec<String>,
}

impl ReplyForm {
    /// Reads the form.
    ///
    /// # Errors
    /// What is wrong, by field.
    pub fn parse(self) -> Result<NewReply, FieldErrors> {
        let mut errors = FieldErrors::default();
        let body = errors.take("body", check_text(&self.body, "Write a reply"));
        let attachments = errors.take("attachments", check_files(self.attachments));
        match (body, attachments) {
            (Some(body), Some(attachments)) => Ok(NewReply { body, attachments }),
            _ => Err(errors),
        }
    }
}

/// Answer a ticket, as the operator's support does.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct AnswerForm {
    /// Markdown.
    #[serde(default)]
    pub body: String,
    /// The stage that the ticket comes to, by its name; empty where it stays.
    #[serde(default)]
    pub stage: String,
    /// The ids of files that were sent with the form.
    #[serde(default)]
    pub attachments: Vec<String>,
}

/// Change a ticket, as the operator's support does.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ChangeForm {
    /// The stage, by its name.
    #[serde(default)]
    pub stage: String,
    /// One of [`PRIORITIES`], or what it was.
    #[serde(default)]
    pub priority: String,
    /// The id of the operator's account that has it; empty for nobody.
    #[serde(default)]
    pub assignee: String,
    /// The stage that the page showed.
    #[serde(default)]
    pub shown_stage: String,
    /// The priority that it showed.
    #[serde(default)]
    pub shown_priority: String,
    /// Who had it by the page.
    #[serde(default)]
    pub shown_assignee: String,
}

impl ChangeForm {
    /// Takes what is as the page showed it for left alone: another operator may have changed it meanwhile, so it is as
    /// the ticket has it now.
    #[must_use]
    pub fn over(self, now: Self) -> Self {
        let one = |chosen: String, shown: &str, now: String| if chosen == shown { now } else { chosen };
        Self {
            stage: one(self.stage, &self.shown_stage, now.stage),
            priority: one(self.priority, &self.shown_priority, now.priority),
            assignee: one(self.assignee, &self.shown_assignee, now.assignee),
            ..Self::default()
        }
    }
}

/// A subject or a product, its white space as it is read.
fn check_line(text: &str) -> Result<String, String> {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() > MAX_LINE {
        Err(format!("Shorten it to {MAX_LINE} characters"))
    } else if line.chars().any(is_forbidden_in_names) {
        Err("Leave out control characters".to_owned())
    } else {
        Ok(line)
    }
}

/// Markdown: line breaks as they are kept, and nothing around.
fn check_text(text: &str, empty: &str) -> Result<String, String> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n").trim().to_owned();
    match text.chars().count() {
        0 => Err(empty.to_owned()),
        n if n > MAX_TEXT => Err(format!("Shorten it to {MAX_TEXT} characters; what is longer can come as a file")),
        _ if text.chars().any(|c| !matches!(c, '\n' | '\t') && is_forbidden_in_names(c)) => Err("Leave out control characters".to_owned()),
        _ => Ok(text),
    }
}

fn check_files(ids: Vec<String>) -> Result<Vec<String>, String> {
    if ids.len() > MAX_FILES { Err(format!("At most {MAX_FILES} files can come with it")) } else { Ok(ids) }
}

/// A file's name as it is kept: the last part of a path, without what disturbs.
#[must_use]
pub fn file_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    // Browsers write a quotation mark so in the form that they send.
    let last = last.replace("%22", "\"");
    let harmless: String = last.chars().filter(|c| !is_forbidden_in_names(*c)).take(200).collect();
    let harmless = harmless.trim().trim_start_matches('.').to_owned();
    if harmless.is_empty() { "file".to_owned() } else { harmless }
}

/// A row of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TicketRow {
    /// Its number.
    pub number: String,
    /// In one line.
    pub subject: String,
    /// What it is about; may be empty.
    pub product: String,
    /// In the desk's words.
    pub priority: String,
    /// How urgent.
    pub rank: i64,
    /// In the desk's words.
    pub state: String,
    /// What that comes to.
    pub stage: Stage,
    /// Which of the operator's departments has it; may be empty.
    pub department: String,
    /// Who raised it; may be empty.
    pub requester: String,
    /// The desk's own sorting; may be empty.
    pub category: String,
    /// Where it stands at a desk elsewhere; may be empty.
    pub url: String,
    /// When.
    pub created_at: Timestamp,
    /// When something was last said or done.
    pub updated_at: Timestamp,
}

/// A file as a page shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttachmentView {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// In bytes.
    pub size: i64,
}

/// A message as a page shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageView {
    /// Its id.
    pub id: String,
    /// Whether it says what was done, not what somebody wrote.
    pub event: bool,
    /// Who.
    pub side: Side,
    /// By name; empty where that is not known.
    pub author: String,
    /// Markdown; of an event its words.
    pub body: String,
    /// When.
    pub at: Timestamp,
    /// What came with it.
    pub attachments: Vec<AttachmentView>,
}

/// A ticket as its page shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TicketView {
    /// What the list shows of it.
    pub row: TicketRow,
    /// Markdown.
    pub description: String,
    /// Whether it is still on its way to a desk elsewhere.
    pub on_its_way: bool,
    /// Since when it is solved or over.
    pub resolved_at: Option<Timestamp>,
    /// Whether a reply opens it again, where it is solved or over.
    pub reopens: bool,
    /// What came with it.
    pub attachments: Vec<AttachmentView>,
    /// The thread, the oldest first.
    pub messages: Vec<MessageView>,
    /// Where messages before these are, if there are.
    pub earlier: Option<String>,
}

/// A note of the staff's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteView {
    /// Its id.
    pub id: String,
    /// By whom.
    pub author: String,
    /// Markdown.
    pub body: String,
    /// When.
    pub at: Timestamp,
}

/// How many tickets there are: by stage, by department, by urgency.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Of each stage.
    pub stages: Vec<(Stage, i64)>,
    /// Of each department, the most first; those without one last, under an empty name.
    pub departments: Vec<(String, i64)>,
    /// Of each rank.
    pub ranks: Vec<(i64, i64)>,
    /// All.
    pub total: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_desks_come_to_stages_and_ranks() {
        for (state, stage) in [
            ("Open", Stage::Open),
            ("New", Stage::Open),
            ("Scheduled", Stage::Open),
            ("Authorize", Stage::Open),
            ("Pending - Awaiting Customer", Stage::Waiting),
            ("Resolved", Stage::Resolved),
            ("Closed", Stage::Closed),
            ("Cancelled", Stage::Closed),
            ("Closed Complete", Stage::Closed),
            ("", Stage::Open),
        ] {
            assert_eq!(Stage::of_state(state), stage, "{state}");
        }
        for stage in Stage::ALL {
            assert_eq!(Stage::parse(stage.name()), Some(stage));
            assert_eq!(Stage::of_state(stage.title()), stage, "the portal's own words are understood as the desk's");
        }
        for (priority, n) in
            [("P3", 3), ("P3 - Normal", 3), ("1 - Critical", 1), ("High", 2), ("p4", 4), ("", 5), ("P9", 5), ("Planning", 4)]
        {
            assert_eq!(rank(priority), n, "{priority}");
        }
    }

    #[test]
    fn names_of_files_are_harmless() {
        for (name, kept) in [
            ("C:\\logs\\my.cnf", "my.cnf"),
            ("../../etc/passwd", "passwd"),
            ("", "file"),
            ("..", "file"),
            ("a\r\nb.txt", "ab.txt"),
            ("x\u{202E}gpj.exe", "xgpj.exe"),
            (".bashrc", "bashrc"),
            ("a %22quoted%22 name.txt", "a \"quoted\" name.txt"),
            ("große Übersicht.pdf", "große Übersicht.pdf"),
        ] {
            assert_eq!(file_name(name), kept, "{name:?}");
        }
        assert_eq!(file_name(&"x".repeat(1000)).len(), 200);
    }

    #[test]
    fn a_ticket_needs_a_subject_and_a_description() {
        let form = |subject: &str, description: &str, priority: &str| {
            TicketForm {
                subject: subject.to_owned(),
                description: description.to_owned(),
                priority: priority.to_owned(),
                ..TicketForm::default()
            }
            .parse()
        };
        let ticket = form("  It \n breaks ", "a\r\nb\r\n", "").expect("a ticket");
        assert_eq!((ticket.subject.as_str(), ticket.description.as_str(), ticket.priority), ("It breaks", "a\nb", PRIORITY));
        let fields = |errors: FieldErrors| errors.0.into_iter().map(|(field, _)| field).collect::<Vec<_>>();
        assert_eq!(fields(form("", " ", "P7").expect_err("nothing")), ["subject", "description", "priority"]);
        assert_eq!(fields(form(&"x".repeat(256), &"x".repeat(50_001), "P1 - Critical").expect_err("too long")), ["subject", "description"]);
        assert_eq!(fields(form("a\u{202E}b", "a\0b", "").expect_err("disturbing")), ["subject", "description"]);
    }
}
