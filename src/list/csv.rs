//! Lists written out whole, as CSV (RFC 4180): streamed in batches, so that memory stays flat however long they are.

use std::{future::Future, pin::Pin};

use axum::{
    body::{Body, Bytes},
    http::header,
    response::IntoResponse as _,
};

use crate::{db::Failure, visit::Answer};

/// How many rows are read at a time.
pub const BATCH: usize = 1000;

/// A batch of lines, and the cursor of its last one where there may be more.
pub type Batch = Result<(Vec<Vec<String>>, Option<String>), Failure>;

/// An answer that is saved under a name: the head, then what `next` gives for one cursor after the other, the first of
/// which is empty. Where it fails midway the connection breaks off: half a file is not taken for a whole one.
pub fn answer(name: &str, head: &[&str], next: impl Fn(String) -> Pin<Box<dyn Future<Output = Batch> + Send>> + Send + 'static) -> Answer {
    let head = line(head.iter().map(|title| (*title).to_owned()));
    let lines = futures::stream::try_unfold((Some(String::new()), head, next), |(cursor, head, next)| async move {
        let Some(cursor) = cursor else { return Ok::<_, std::io::Error>(None) };
        let (rows, more) = next(cursor).await.map_err(|failure| {
            tracing::warn!(?failure, "an export broke off");
            std::io::Error::other("the export broke off")
        })?;
        let mut text = head;
        for row in rows {
            text.extend_from_slice(&line(row.into_iter()));
        }
        Ok(Some((Bytes::from(text), (more, Vec::new(), next))))
    });
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8; header=present".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
    ];
    Answer::Raw((headers, Body::from_stream(lines)).into_response())
}

/// One line. What a spreadsheet would take for a formula begins with an apostrophe (ASVS 5.0 1.2.10).
fn line(fields: impl Iterator<Item = String>) -> Vec<u8> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    let harmless = fields.map(|field| if field.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{field}") } else { field });
    // Writing to memory does not fail.
    let _ = writer.write_record(harmless);
    writer.into_inner().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn formulas_are_text_and_quotes_are_doubled() {
        let text = |fields: &[&str]| String::from_utf8(line(fields.iter().map(ToString::to_string))).expect("text");
        assert_eq!(text(&["=1+1", "-2", "a,b", "say \"hi\"", "@x", "é"]), "'=1+1,'-2,\"a,b\",\"say \"\"hi\"\"\",'@x,é\r\n");
    }
}
