//! `org-portal import servicenow`.

use super::{Counts, How, begin, end, report::Report};
use crate::{
    customers::Outcome,
    desk::{client::Client, sync},
    operator::actions as operator,
    outgoing::Patience,
    portal::Portal,
    words::SECOND,
};

/// Imports from the configured ServiceNow instance what changed since the last time, or with `full` everything.
///
/// # Errors
/// Where no instance is configured, another process is synchronizing, the instance or the database fails, or, if it is
/// strict, a record is refused: what was imported until then stands, and the next import goes on from there.
#[expect(clippy::print_stderr, reason = "commands talk to people on a terminal")]
pub async fn from_servicenow(portal: &Portal, full: bool, how: &How, patience: Patience) -> Result<Counts, String> {
    let client = Client::open(&portal.config, patience, portal.clock.clone(), portal.random)?;
    let client = client.ok_or("no instance is configured: set ORG_PORTAL_SERVICENOW_URL, and as whom to ask (docs/servicenow.md)")?;
    let mut report = Report::open(how.report.as_deref(), how.talks)?;
    let noted = begin(portal, sync::NAME).await?;
    let done = {
        let report = &mut report;
        let mut told = portal.clock.now();
        let tell = &mut |came: sync::Came| {
            if let Outcome::Refused(field, why) = came.outcome {
                let text = format!("{}: {field}: {why}", came.place);
                report.refuse(&came.place, came.number, Some(came.kind), &field, &why)?;
                if how.is_strict {
                    return Err(text);
                }
            } else {
                report.count(&came.outcome, came.kind);
            }
            if how.says_progress && portal.clock.now().0 - told.0 > SECOND {
                told = portal.clock.now();
                eprintln!("{}: {} records", came.place.split('/').next().unwrap_or_default(), came.number);
            }
            Ok(())
        };
        operator::at_import(portal, noted, sync::once(portal, &client, portal.random.opaque_id(), full, tell)).await
    };
    end(portal, report, sync::NAME.to_owned(), noted, done.map_err(|error| error.to_string())).await
}
