//! Files: kept in chunks as they come, given out as downloads of a harmless type.

use axum::{
    body::{Body, Bytes},
    http::header,
    response::IntoResponse as _,
};
use sha2::{Digest as _, Sha256};

use super::{
    MAX_FILE, file_name,
    store::{self, Attachment},
};
use crate::{
    actor::Caller,
    db::Failure,
    form::{
        FieldErrors, Refusal,
        door::{Incoming, Kept},
    },
    limits::{self, Rate},
    portal::Portal,
    visit::Answer,
    words::AttachmentId,
};

/// How many bytes are kept in one row.
const CHUNK: usize = 256 * 1024;
/// How many files one account may send.
const RATE: Rate = Rate { burst: 60, seconds: 20 };

/// Keeps a file that arrives with a form. It belongs to no ticket before the form is accepted, and is forgotten after a
/// day where it never is.
///
/// # Errors
/// 422 beside the field where it is too large or breaks off, 429 where there were too many.
pub async fn keep(portal: &Portal, caller: &Caller, file: &mut Incoming) -> Result<Kept, Refusal> {
    kept(portal, caller, file).await.map_err(|failure| portal.refuse(failure))
}

async fn kept(portal: &Portal, caller: &Caller, file: &mut Incoming) -> Result<Kept, Failure> {
    let account = caller.actor()?.account;
    limits::count(portal, "attachment", &account.to_string(), RATE).await?;
    let (name, now) = (file_name(file.file_name().unwrap_or_default()), portal.clock.now());
    let id = AttachmentId(portal.random.id(now));
    let mut tx = portal.db.begin().await?;
    store::stage_attachment(&mut tx, id, account, &name, now).await?;
    tx.commit().await?;
    let outcome = take(portal, id, &name, file).await;
    if outcome.is_err() {
        let mut tx = portal.db.begin().await?;
        store::drop_staged(&mut tx, id).await?;
        tx.commit().await?;
    }
    Ok(Kept { id: id.to_string(), fingerprint: outcome? })
}

/// Writes a file's chunks, each in a transaction of its own: whoever sends slowly keeps nobody from writing.
async fn take(portal: &Portal, id: AttachmentId, name: &str, file: &mut Incoming) -> Result<String, Failure> {
    let wrong = |why: String| Failure::Refusal(FieldErrors::one("attachments", why).into());
    let (mut buffer, mut size, mut position, mut hash) = (Vec::new(), 0_u64, 0, Sha256::new());
    hash.update(name.as_bytes());
    loop {
        let chunk = file.chunk().await.map_err(|_| wrong(format!("{name} broke off on its way. Send it again")))?;
        let last = chunk.is_none();
        if let Some(chunk) = chunk {
            size += chunk.len() as u64;
            if size > MAX_FILE {
                return Err(wrong(format!("{name} is larger than {} MB", MAX_FILE / 1024 / 1024)));
            }
            hash.update(&chunk);
            buffer.extend_from_slice(&chunk);
        }
        while buffer.len() >= CHUNK || (last && !buffer.is_empty()) {
            let rest = buffer.split_off(buffer.len().min(CHUNK));
            let mut tx = portal.db.begin().await?;
            store::add_chunk(&mut tx, id, position, &buffer).await?;
            tx.commit().await?;
            position += 1;
            buffer = rest;
        }
        if last {
            return Ok(crate::secrets::fingerprint(hash.finalize()));
        }
    }
}

/// Gives a file out. Whatever it holds, a browser saves it and does nothing else with it.
#[must_use]
pub fn answer(portal: &Portal, file: Attachment) -> Answer {
    let (portal, id) = (portal.clone(), file.id);
    let chunks = futures::stream::try_unfold(0, move |position| {
        let portal = portal.clone();
        async move {
            let chunk = async { Ok::<_, Failure>(store::chunk(&mut portal.read().await?, id, position).await?) };
            match chunk.await {
                Ok(chunk) => Ok(chunk.map(|(bytes,)| (Bytes::from(bytes), position + 1))),
                Err(failure) => {
                    tracing::warn!(?failure, "a file broke off on its way out");
                    Err(std::io::Error::other("the file broke off"))
                }
            }
        }
    });
    let quoted: String = file.name.chars().map(|c| if c.is_ascii_alphanumeric() || "._- ".contains(c) { c } else { '_' }).collect();
    let encoded = percent_encoding::utf8_percent_encode(&file.name, percent_encoding::NON_ALPHANUMERIC);
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_LENGTH, file.size.to_string()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{quoted}\"; filename*=UTF-8''{encoded}")),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox".to_owned()),
    ];
    Answer::Raw((headers, Body::from_stream(chunks)).into_response())
}
