//! The synchronization: what changed in the instance since the last one, into the same use case as an import from a file.

use std::{collections::HashMap, time::Duration};

use serde_json::json;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    client::{Client, Error, PAGE},
    mirror,
    model::{self, Case, Comment, Holds, Position, Row, Source},
    store,
};
use crate::{
    actor::Caller,
    audit::Action,
    customers::{Outcome, Raw, Record, actions},
    db::Failure,
    form::Refusal,
    operator::actions::{self as operator, Refused, Report},
    outbox,
    outgoing::Patience,
    portal::Portal,
    tickets::store as tickets,
    words::{MINUTE, SECOND, Timestamp},
};

/// Under which name its runs are noted.
pub const NAME: &str = "ServiceNow";
/// The name of its lease.
pub const WORK: &str = "sync";
/// So far back is read again what may have come late.
const OVERLAP: i64 = 2 * MINUTE;
/// After a failure it is tried again so soon, where the interval is not shorter.
const AGAIN: i64 = MINUTE;

/// Why a synchronization ended before its end. What it had read until then stands, and the next one goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum Ended {
    /// Another process is at it.
    #[error("another process is synchronizing; it is free again at {} at the latest", .0.map_or_else(String::new, Timestamp::date_time))]
    Busy(Option<Timestamp>),
    /// The instance.
    #[error(transparent)]
    Desk(#[from] Error),
    /// The portal's own database, or whoever listens.
    #[error("{0}")]
    Here(String),
}

/// What came of one record.
#[derive(Clone, Debug)]
pub struct Came {
    /// Where the record stands: `table/sys_id`, as the Table API names it.
    pub place: String,
    /// The how manieth of its table it is in this synchronization, from 1.
    pub number: u64,
    /// What it holds.
    pub kind: &'static str,
    /// What came of it.
    pub outcome: Outcome,
}

/// Who is told what comes of each record; an error stops the synchronization there.
pub type Listener<'l> = &'l mut (dyn FnMut(Came) -> Result<(), String> + Send);

/// Synchronizes until it is told to stop: where an instance is configured, so many minutes after the last one, whichever
/// replica did that.
pub async fn run(portal: Portal, stop: CancellationToken) {
    if portal.config.servicenow_url.is_none() || portal.config.servicenow_minutes == 0 {
        return;
    }
    let client = match Client::open(&portal.config, Patience::default(), portal.clock.clone(), portal.random) {
        Ok(Some(client)) => client,
        Ok(None) => return,
        Err(error) => return tracing::error!(%error, "ServiceNow cannot be asked"),
    };
    let holder = portal.random.opaque_id();
    loop {
        let pause = match wait(&portal).await {
            Ok(wait) if wait > 0 => Duration::from_micros(u64::try_from(wait.min(30 * SECOND)).unwrap_or(0)),
            Ok(_) => {
                by_itself(&portal, &client, holder, &stop).await;
                Duration::from_secs(1)
            }
            Err(error) => {
                tracing::warn!(?error, "whether to synchronize could not be looked up");
                Duration::from_secs(10)
            }
        };
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep(pause) => {}
        }
    }
    // What was broken off can be taken up by another replica at once.
    let let_go = async {
        let mut tx = portal.db.begin().await?;
        store::let_go(&mut tx, WORK, holder).await?;
        tx.commit().await
    };
    if let Err(error) = let_go.await {
        tracing::debug!(%error, "the lease of the synchronization runs out by itself");
    }
}

/// For how many microseconds no synchronization is due.
async fn wait(portal: &Portal) -> Result<i64, Failure> {
    let Some(lease) = store::lease(&mut portal.read().await?, WORK).await? else { return Ok(0) };
    let now = portal.clock.now();
    if let Some(until) = lease.held_until.filter(|until| *until > now) {
        return Ok(until.0 - now.0);
    }
    let interval = portal.config.servicenow_minutes * MINUTE;
    let interval = if lease.error.is_empty() { interval } else { interval.min(AGAIN) };
    Ok(lease.ended_at.map_or(0, |at| at.plus(interval).0 - now.0))
}

/// Synchronizes once, unless it is told to stop, and notes for the console what came of it.
async fn by_itself(portal: &Portal, client: &Client, holder: Uuid, stop: &CancellationToken) {
    let unnoted = |refusal: Refusal| tracing::warn!(refusal = refusal.code(), "a synchronization could not be noted");
    let run = match operator::begin_import(portal, NAME).await {
        Ok(run) => run,
        Err(refusal) => return unnoted(refusal),
    };
    let mut report = Report::default();
    let mut tell = |came: Came| {
        report.counts.count(came.kind, &came.outcome);
        if let Outcome::Refused(field, reason) = &came.outcome {
            tracing::warn!(record = %came.place, %field, %reason, "a record of ServiceNow's was refused");
            report.refuse(&Refused { file: &came.place, line: Some(came.number), field, reason });
        }
        Ok(())
    };
    let outcome = tokio::select! {
        () = stop.cancelled() => None,
        outcome = operator::at_import(portal, run, once(portal, client, holder, false, &mut tell)) => Some(outcome),
    };
    let has_news = !(report.counts.added.is_empty() && report.counts.changed.is_empty());
    let noted = match &outcome {
        Some(Ok(())) => operator::end_import_with_news(portal, run, NAME, &report, None).await,
        None if has_news => {
            operator::end_import(portal, run, &report, Some("the portal was stopped; the next one goes on from there")).await
        }
        // Nothing came of it.
        None | Some(Err(Ended::Busy(_))) => operator::drop_import(portal, run).await,
        Some(Err(error)) => operator::end_import_with_news(portal, run, NAME, &report, Some(&error.to_string())).await,
    };
    noted.unwrap_or_else(unnoted);
    let counts = report.counts;
    // Every few minutes nothing happens: the audit log is for what does.
    if has_news {
        actions::note_import(portal, NAME.to_owned(), json!(counts)).await.unwrap_or_else(unnoted);
    }
    let Some(outcome) = outcome else { return };
    metrics::counter!("org_portal_desk_syncs_total", "outcome" => if outcome.is_ok() { "done" } else { "failed" }).increment(1);
    match outcome {
        Ok(()) => {
            tracing::info!(added = ?counts.added, changed = ?counts.changed, refused = ?counts.refused, "synchronized with ServiceNow")
        }
        Err(Ended::Busy(_)) => {}
        Err(error) => tracing::warn!(%error, "ServiceNow was not read to the end; it is tried again"),
    }
}

/// Synchronizes once, as `holder`; with `full` from the beginning.
///
/// # Errors
/// Where it did not come to its end.
pub async fn once(portal: &Portal, client: &Client, holder: Uuid, full: bool, tell: Listener<'_>) -> Result<(), Ended> {
    let here = |failure: Failure| Ended::Here(portal.refuse(failure).message());
    let began = portal.clock.now();
    let taken = async {
        let mut tx = portal.db.begin().await?;
        let taken = store::take(&mut tx, WORK, holder, began).await?;
        if taken && full {
            store::forget(&mut tx).await?;
        }
        tx.commit().await?;
        Ok::<_, Failure>(taken)
    };
    if !taken.await.map_err(here)? {
        let lease = async { Ok(store::lease(&mut portal.read().await?, WORK).await?) };
        return Err(Ended::Busy(lease.await.map_err(here)?.and_then(|lease| lease.held_until)));
    }
    let outcome = tables(portal, client, holder, began, tell).await;
    let error = outcome.as_ref().err().map(ToString::to_string).unwrap_or_default();
    let ended = async {
        let mut tx = portal.db.begin().await?;
        store::end(&mut tx, WORK, holder, portal.clock.now(), &error).await?;
        if outcome.is_ok() {
            // It answers: what was given up while it was away may leave now.
            outbox::revive(&mut tx, outbox::Kind::Desk, portal.clock.now()).await?;
        }
        Ok::<_, Failure>(tx.commit().await?)
    };
    ended.await.map_err(here)?;
    outcome
}

async fn tables(portal: &Portal, client: &Client, holder: Uuid, began: Timestamp, tell: Listener<'_>) -> Result<(), Ended> {
    let here = |failure: Failure| Ended::Here(portal.refuse(failure).message());
    let sources = model::sources(&portal.config);
    let mut numbers: HashMap<&str, u64> = HashMap::new();
    for source in &sources {
        let cursor = async { Ok(store::cursor(&mut portal.read().await?, &source.table).await?) };
        let mut position = cursor.await.map_err(here)?.unwrap_or_default().back(OVERLAP);
        loop {
            let rows = client.after(source, &position).await?;
            let Some(last) = rows.last().and_then(|row| Position::of(source, row)) else { break };
            position = last;
            let number = numbers.entry(&source.table).or_default();
            let more = comments(portal, client, &sources, source, &rows).await?;
            put(portal, source, holder, (rows, more), Vec::new(), Some(position.clone()), number, tell).await?;
        }
    }
    // What was refused before may do now, since what it referred to may have come.
    for source in &sources {
        loop {
            let asked = async { Ok(store::refused(&mut portal.read().await?, &source.table, began).await?) };
            let asked = asked.await.map_err(here)?;
            if asked.is_empty() {
                break;
            }
            let rows = client.named(source, &asked).await?;
            let there = |sys_id: &String| rows.iter().any(|row| row.get("sys_id") == Some(sys_id));
            let gone = asked.iter().filter(|sys_id| !there(sys_id)).cloned().collect();
            let more = comments(portal, client, &sources, source, &rows).await?;
            put(portal, source, holder, (rows, more), gone, None, numbers.entry(&source.table).or_default(), tell).await?;
        }
    }
    Ok(())
}

/// The comments on those of a page's cases that are not known here: they may be older than what is read of comments, and
/// come in one transaction with their case.
async fn comments(portal: &Portal, client: &Client, sources: &[Source], source: &Source, rows: &[Row]) -> Result<Vec<Row>, Ended> {
    let (Holds::Cases, Some(journal)) = (source.holds, sources.iter().find(|source| source.holds == Holds::Comments)) else {
        return Ok(Vec::new());
    };
    let here = |failure: Failure| Ended::Here(portal.refuse(failure).message());
    let new = async {
        let (mut db, mut new) = (portal.read().await?, Vec::new());
        for sys_id in rows.iter().filter_map(|row| row.get("sys_id")) {
            if tickets::by_external(&mut db, sys_id).await?.is_none() {
                new.push(sys_id.clone());
            }
        }
        Ok(new)
    };
    let mut found = Vec::new();
    for cases in new.await.map_err(here)?.chunks(50) {
        let query = format!("element_idIN{}^ORDERBYsys_created_on^ORDERBYsys_id", cases.join(","));
        found.extend(client.all(journal, &query, 100 * PAGE).await?);
    }
    Ok(found)
}

/// What one transaction puts in.
struct Batch {
    table: String,
    holder: Uuid,
    records: Vec<Read>,
    /// Records that were refused and are there no more.
    gone: Vec<String>,
    /// How far the table is read with it.
    cursor: Option<Position>,
}

/// A record as it was read: nothing where it is not to be taken, else the record, or the fields that are wrong.
struct Read {
    sys_id: String,
    kind: &'static str,
    record: Option<Result<Taken, Vec<(String, String)>>>,
}

enum Taken {
    Record(Record),
    Case(Box<Case>),
    Comment(Comment),
}

#[expect(clippy::too_many_arguments, reason = "a page, where it came from, and who is told")]
async fn put(
    portal: &Portal,
    source: &Source,
    holder: Uuid,
    (rows, more): (Vec<Row>, Vec<Row>),
    gone: Vec<String>,
    cursor: Option<Position>,
    number: &mut u64,
    tell: Listener<'_>,
) -> Result<(), Ended> {
    let config = &portal.config;
    let read = |holds: Holds, row: &Row| {
        let record = match holds {
            Holds::Records(kind) => model::fields(config, kind, row).map(|fields| {
                let mut raw = Raw::new(kind);
                for (name, value) in fields {
                    raw.put(&name, value);
                }
                raw.parse().map(Taken::Record).map_err(|errors| errors.0)
            }),
            Holds::Cases => Some(Ok(Taken::Case(Box::new(model::case(config, row))))),
            Holds::Comments => model::comment(row).map(|comment| Ok(Taken::Comment(comment))),
        };
        Read { sys_id: row.get("sys_id").cloned().unwrap_or_default(), kind: holds.name(), record }
    };
    let records = rows.iter().map(|row| read(source.holds, row)).chain(more.iter().map(|row| read(Holds::Comments, row)));
    let records: Vec<Read> = records.collect();
    let names: Vec<(String, &'static str)> = records.iter().map(|read| (read.sys_id.clone(), read.kind)).collect();
    let batch = Batch { table: source.table.clone(), holder, records, gone, cursor };
    let caller = Caller::system();
    let outcomes = portal.write(&caller, Action::ImportCustomers, batch, |unit, batch| {
        Box::pin(async move {
            let now = unit.now;
            if !store::hold(unit, WORK, batch.holder, now).await? {
                return Ok(None);
            }
            let mut came = Vec::with_capacity(batch.records.len());
            let records = batch.records.iter().filter_map(|read| match &read.record {
                Some(Ok(Taken::Record(record))) => Some(record.clone()),
                _ => None,
            });
            let mut of_records = actions::put(unit, &records.collect::<Vec<_>>()).await?.into_iter();
            for (n, read) in batch.records.iter().enumerate() {
                let outcomes = match &read.record {
                    None => Vec::new(),
                    Some(Ok(Taken::Record(_))) => of_records.next().into_iter().collect(),
                    Some(Ok(Taken::Case(case))) => vec![mirror::take_case(unit, case).await?],
                    Some(Ok(Taken::Comment(comment))) => mirror::take_comment(unit, comment).await?.into_iter().collect(),
                    Some(Err(errors)) => errors.iter().map(|(field, why)| Outcome::Refused(field.clone(), why.clone())).collect(),
                };
                match outcomes
                    .iter()
                    .find_map(|outcome| if let Outcome::Refused(field, why) = outcome { Some(format!("{field}: {why}")) } else { None })
                {
                    Some(reason) => store::refuse(unit, &batch.table, &read.sys_id, &reason, now).await?,
                    None => store::accept(unit, &batch.table, &read.sys_id).await?,
                }
                came.extend(outcomes.into_iter().map(|outcome| (n, outcome)));
            }
            for sys_id in &batch.gone {
                store::accept(unit, &batch.table, sys_id).await?;
            }
            if let Some(cursor) = &batch.cursor {
                store::advance(unit, &batch.table, cursor, now).await?;
            }
            Ok(Some(came))
        })
    });
    let came = outcomes.await.map_err(|refusal| Ended::Here(refusal.message()))?;
    // Whoever took the lease goes on from the cursor.
    let Some(came) = came else { return Err(Ended::Busy(None)) };
    let first = *number + 1;
    *number += names.len() as u64;
    for (n, outcome) in came {
        let Some((sys_id, kind)) = names.get(n) else { continue };
        let table = if *kind == Holds::Comments.name() { "sys_journal_field" } else { &source.table };
        tell(Came { place: format!("{table}/{sys_id}"), number: first + n as u64, kind, outcome }).map_err(Ended::Here)?;
    }
    Ok(())
}
