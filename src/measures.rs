//! Every metric, once: what it is called, what it means, and which values its labels take as far as they are known.
//!
//! Whoever counts uses the macros of `metrics` with these names. Here they are described and shown from the start, so
//! that a rate sees the first event too, and a dashboard can be checked against what is really there.

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only rises.
    Counter,
    /// It rises and falls.
    Gauge,
    /// Quantiles, a sum and a count.
    Summary,
}

/// A metric.
#[derive(Clone, Copy, Debug)]
pub struct Measure {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// What it means, in a sentence.
    pub help: &'static str,
    /// The label whose values are known ahead, and those values.
    known: Option<(&'static str, &'static [&'static str])>,
}

const fn measure(name: &'static str, kind: Kind, help: &'static str) -> Measure {
    Measure { name, kind, help, known: None }
}
const fn labelled(name: &'static str, help: &'static str, label: &'static str, values: &'static [&'static str]) -> Measure {
    Measure { name, kind: Kind::Counter, help, known: Some((label, values)) }
}

/// Every metric.
pub const MEASURES: &[Measure] = &[
    measure("org_portal_requests_total", Kind::Counter, "Requests answered, by method and status"),
    measure("org_portal_request_seconds", Kind::Summary, "How long requests took"),
    measure("org_portal_unavailable_total", Kind::Counter, "Requests and units of work that met a database that was away or too busy"),
    measure("org_portal_faults_total", Kind::Counter, "Faults, each with a reference in the log"),
    labelled(
        "org_portal_limited_total",
        "Attempts refused by a limit",
        "limit",
        &[
            "sign-in",
            "sign-in address",
            "verify",
            "password",
            "mail",
            "mail address",
            "token",
            "token address",
            "api",
            "api address",
            "invitation",
            "invitation recipient",
            "ticket",
            "attachment",
        ],
    ),
    measure("org_portal_connections_refused_total", Kind::Counter, "Connections beyond the number that may be open"),
    measure("org_portal_connections_cut_total", Kind::Counter, "Connections cut off because the client took nothing of an answer"),
    labelled("org_portal_mails_total", "Attempts to send a mail", "outcome", &["sent", "failed", "dead"]),
    labelled("org_portal_webhooks_total", "Attempts to post an event", "outcome", &["posted", "failed", "dead"]),
    labelled("org_portal_desk_syncs_total", "Synchronizations with the desk elsewhere", "outcome", &["done", "failed"]),
    labelled(
        "org_portal_desk_tickets_total",
        "Attempts to bring a ticket to the desk elsewhere",
        "outcome",
        &["brought", "failed", "dead"],
    ),
    measure("org_portal_live_streams", Kind::Gauge, "Streams of changes that are open"),
    measure("org_portal_outbox_waiting", Kind::Gauge, "Mails, events and tickets that wait, as of the last housekeeping"),
    measure("org_portal_outbox_dead", Kind::Gauge, "Mails, events and tickets that were given up, as of the last housekeeping"),
    measure("org_portal_housekeeping_seconds", Kind::Gauge, "When housekeeping last came to its end, in seconds since 1970"),
];

/// Tells the recorder what there is, with zeros where nothing has been counted.
pub fn describe() {
    for measure in MEASURES {
        match (measure.kind, measure.known) {
            (Kind::Counter, None) => {
                metrics::describe_counter!(measure.name, measure.help);
                // Requests have labels that are known only with the first.
                if measure.name != "org_portal_requests_total" {
                    metrics::counter!(measure.name).increment(0);
                }
            }
            (Kind::Counter, Some((label, values))) => {
                metrics::describe_counter!(measure.name, measure.help);
                for value in values {
                    metrics::counter!(measure.name, label => *value).increment(0);
                }
            }
            (Kind::Gauge, _) => {
                metrics::describe_gauge!(measure.name, measure.help);
                metrics::gauge!(measure.name).increment(0.0);
            }
            (Kind::Summary, _) => metrics::describe_histogram!(measure.name, measure.help),
        }
    }
}
