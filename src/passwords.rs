//! Hashing and judging passwords.
//!
//! Hashing costs 19 MiB and tens of milliseconds by intention, so it has a small pool of low-priority threads of its
//! own: a crowd of sign-ins makes sign-ins slower, and pages stay quick.

use std::{
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    time::Duration,
};

use argon2::{Algorithm, Argon2, Block, Params, PasswordHash, PasswordHasher as _, PasswordVerifier as _, Version};
use base64::Engine as _;
use subtle::ConstantTimeEq as _;
use tokio::sync::oneshot;
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

use crate::{db::Failure, form::Refusal};

/// The fewest characters where the password is the only factor (NIST SP 800-63B-4 §3.1.1.2).
pub const MIN: usize = 15;
/// The most characters; beyond that somebody tries something.
pub const MAX: usize = 200;
/// How many may wait for the pool before the answer is 503.
const QUEUE: usize = 256;
/// How long an idle thread keeps its memory.
const KEEP: Duration = Duration::from_secs(5);

/// A password is overwritten in memory once it was looked at.
enum Job {
    Hash(Zeroizing<String>, oneshot::Sender<Result<String, String>>),
    Verify(Zeroizing<String>, Option<String>, oneshot::Sender<Result<bool, String>>),
}

/// The pool.
#[derive(Clone)]
pub struct Hasher(SyncSender<Job>);

/// OWASP's recommendation for Argon2id: 19 MiB, two passes, one lane.
fn argon2() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::default())
}

impl Hasher {
    /// Starts the threads; 0 for one a processor.
    #[must_use]
    pub fn start(threads: usize) -> Self {
        let threads = if threads == 0 { std::thread::available_parallelism().map_or(2, usize::from) } else { threads };
        let (send, receive) = sync_channel(QUEUE);
        let receive = Arc::new(Mutex::new(receive));
        for n in 0..threads {
            let receive = Arc::clone(&receive);
            let spawned = std::thread::Builder::new().name(format!("hashing-{n}")).spawn(move || work(&receive));
            if let Err(error) = spawned {
                tracing::error!(%error, "a hashing thread did not start");
            }
        }
        Self(send)
    }

    /// Hashes a password into a PHC string.
    ///
    /// # Errors
    /// 503 where too many wait.
    pub async fn hash(&self, password: &str) -> Result<String, Failure> {
        let (send, receive) = oneshot::channel();
        self.send(Job::Hash(composed(password), send))?;
        receive.await.map_err(|e| Failure::Fault(e.to_string()))?.map_err(Failure::Fault)
    }

    /// Whether the password is the one that was hashed. Without a hash to compare with, the same work is done and the
    /// answer is no, so that time does not tell whether there is one.
    ///
    /// # Errors
    /// 503 where too many wait.
    pub async fn verify(&self, password: &str, hash: Option<String>) -> Result<bool, Failure> {
        let (send, receive) = oneshot::channel();
        self.send(Job::Verify(composed(password), hash, send))?;
        receive.await.map_err(|e| Failure::Fault(e.to_string()))?.map_err(Failure::Fault)
    }

    fn send(&self, job: Job) -> Result<(), Failure> {
        self.0.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => Failure::Refusal(Refusal::Unavailable),
            TrySendError::Disconnected(_) => Failure::Fault("no hashing thread is left".to_owned()),
        })
    }
}

/// The password in Unicode's composed form: keyboards differ in how they make an é, and it is the same password
/// (NIST SP 800-63B-4 §3.1.1.2). Nothing else about it is changed, and it is never cut.
fn composed(password: &str) -> Zeroizing<String> {
    // Room for all of it at once: what grows leaves copies behind.
    let mut text = Zeroizing::new(String::with_capacity(password.len() * 3));
    text.extend(password.nfc());
    text
}

fn work(jobs: &Mutex<Receiver<Job>>) {
    // Pages go before hashing. Where the system refuses the priority, hashing works all the same.
    let _ = thread_priority::set_current_thread_priority(thread_priority::ThreadPriority::Min);
    #[cfg(target_os = "linux")]
    let _ = thread_priority::set_thread_priority_and_policy(
        thread_priority::thread_native_id(),
        thread_priority::ThreadPriority::Min,
        thread_priority::ThreadSchedulePolicy::Normal(thread_priority::NormalThreadSchedulePolicy::Idle),
    );
    let argon2 = argon2();
    // Something to compare with where there is no account: what no password comes to, as far as anybody can tell. It is
    // made up and not computed, so that a portal that nobody signs in to never takes the memory of hashing.
    let nobody = nobody(&argon2);
    // Asking the system for 19 MiB, touching them for the first time and giving them back takes a tenth of the work: in
    // a crowd they are kept.
    let mut memory = Vec::new();
    loop {
        let job = match jobs.lock() {
            Ok(jobs) => jobs.recv_timeout(KEEP),
            Err(_) => return,
        };
        // Who asked may be gone; then nobody wants the answer.
        match job {
            Ok(Job::Hash(password, answer)) => {
                let _ = answer.send(argon2.hash_password(password.as_bytes()).map(|h| h.to_string()).map_err(|e| e.to_string()));
            }
            Ok(Job::Verify(password, hash, answer)) => {
                let known = hash.is_some();
                let verified = PasswordHash::new(&hash.unwrap_or_else(|| nobody.clone()))
                    .map(|hash| verify(&argon2, &mut memory, password.as_bytes(), &hash));
                let _ = answer.send(verified.map(|right| right && known).map_err(|e| e.to_string()));
            }
            Err(RecvTimeoutError::Timeout) => memory = Vec::new(),
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// A hash in today's parameters whose salt and outcome are random.
fn nobody(argon2: &Argon2<'_>) -> String {
    let params = argon2.params();
    let random = || base64::engine::general_purpose::STANDARD_NO_PAD.encode(crate::secrets::hash(crate::secrets::Random.secret().expose()));
    let (m, t, p) = (params.m_cost(), params.t_cost(), params.p_cost());
    format!("$argon2id$v=19$m={m},t={t},p={p}${}${}", random(), random())
}

/// Verifies in memory that is kept between calls, where the hash was made with today's parameters; else in new memory.
fn verify(argon2: &Argon2<'_>, memory: &mut Vec<Block>, password: &[u8], hash: &PasswordHash) -> bool {
    let ours = argon2.params();
    let todays = Params::try_from(hash)
        .is_ok_and(|params| (params.m_cost(), params.t_cost(), params.p_cost()) == (ours.m_cost(), ours.t_cost(), ours.p_cost()))
        && hash.algorithm == Algorithm::Argon2id.ident()
        && hash.version == Some(Version::V0x13.into());
    let (Some(salt), Some(expected), true) = (&hash.salt, &hash.hash, todays) else {
        return argon2.verify_password(password, hash).is_ok();
    };
    memory.resize(ours.block_count(), Block::default());
    let mut output = vec![0; expected.len()];
    argon2.hash_password_into_with_memory(password, salt, &mut output, memory).is_ok() && output.ct_eq(expected.as_ref()).into()
}

/// Of each password of [`MIN`] characters and more that is in known leaks, the first bytes of the SHA-256, in order
/// (`scripts/breached.py` makes the file).
static BREACHED: &[u8] = include_bytes!("breached.bin");
/// How many bytes of each there are: of a million good passwords, not one is taken for one of these.
const BREACHED_BYTES: usize = 5;

/// Whether a password is known from a leak, or the same in lower case, or that without its white space: who tries what has
/// leaked tries these as well.
fn is_breached(password: &str) -> bool {
    let composed = composed(password);
    let lower = Zeroizing::new(composed.to_lowercase());
    let mut close = Zeroizing::new(String::with_capacity(lower.len()));
    close.extend(lower.chars().filter(|c| !c.is_whitespace()));
    [composed, lower, close].iter().any(|text| {
        let hash = crate::secrets::hash(text);
        let (mut from, mut to) = (0, BREACHED.len() / BREACHED_BYTES);
        while from < to {
            let middle = usize::midpoint(from, to);
            match BREACHED[middle * BREACHED_BYTES..][..BREACHED_BYTES].cmp(&hash[..BREACHED_BYTES]) {
                std::cmp::Ordering::Equal => return true,
                std::cmp::Ordering::Less => from = middle + 1,
                std::cmp::Ordering::Greater => to = middle,
            }
        }
        false
    })
}

/// What is wrong with a new password, or nothing: its length in characters, and whether it is common, guessable or known
/// from a leak, with the words that an attacker would try first. No rules about kinds of characters (NIST SP 800-63B-4 §3.1.1.2).
///
/// # Errors
/// The sentence to show beside the field.
pub fn judge(password: &str, words: &[&str]) -> Result<(), &'static str> {
    let length = password.chars().count();
    if length == 0 {
        return Err("Enter a password");
    }
    if length < MIN {
        return Err("Use at least 15 characters. Three or four words that do not belong together do well");
    }
    if length > MAX {
        return Err("Use at most 200 characters");
    }
    let folded = password.to_lowercase();
    let left = words
        .iter()
        .flat_map(|word| std::iter::once(*word).chain(word.split(|c: char| !c.is_alphanumeric())))
        .filter(|word| word.chars().count() >= 3)
        .fold(folded.clone(), |rest, word| rest.replace(&word.to_lowercase(), ""));
    // Years and punctuation beside one's own name add little.
    if left != folded && left.chars().filter(|c| c.is_alphabetic()).count() < MIN / 2 {
        return Err("This password is made of your own name, your address or the portal's name, which are tried first. Choose other words");
    }
    let inputs: Vec<&str> = words.to_vec();
    if zxcvbn::zxcvbn(password, &inputs).score() < zxcvbn::Score::Three {
        return Err(
            "This password is easy to guess: it is common, repeats itself or follows a pattern. Choose words that do not belong together",
        );
    }
    if is_breached(password) {
        return Err("This password is known from a leak of another site, and such passwords are tried first. Choose another one");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_there_is_no_account_the_same_work_is_done() {
        let argon2 = argon2();
        let text = nobody(&argon2);
        let hash = PasswordHash::new(&text).expect("a hash");
        let mut memory = Vec::new();
        assert!(!verify(&argon2, &mut memory, b"anything", &hash));
        assert_eq!(memory.len(), argon2.params().block_count(), "it took the way of today's parameters");
        let real = argon2.hash_password(b"x").expect("a hash");
        assert_eq!(real.hash.expect("an output").as_ref().len(), hash.hash.expect("an output").as_ref().len());
    }

    #[test]
    fn long_unguessable_passwords_are_accepted() {
        for password in
            ["correct horse battery staple 9", "mallow drizzle 7 umbrella", "пароль из четырёх слов тут", "😀 smile tower window bread"]
        {
            assert_eq!(judge(password, &["ada@example.com", "Ada"]), Ok(()), "{password}");
        }
    }

    #[test]
    fn short_common_and_personal_passwords_are_refused_with_the_reason() {
        assert!(judge("", &[]).is_err());
        assert!(judge("Xk9#mQ2$vL7!pR", &[]).is_err_and(|e| e.contains("15 characters")));
        assert!(judge("aaaaaaaaaaaaaaaaaaaa", &[]).is_err_and(|e| e.contains("guess")));
        assert!(judge("passwordpassword", &[]).is_err_and(|e| e.contains("guess")));
        assert!(judge("123456789012345678", &[]).is_err_and(|e| e.contains("guess")));
        assert!(judge("Org Portal Org Portal", &["Org Portal"]).is_err_and(|e| e.contains("the portal's name")));
        assert!(judge("adalovelaceexample1", &["ada.lovelace@example.com", "Ada", "Lovelace"]).is_err());
        for own in ["ivy snow 1990 2026", "ivyivysnowsnow2026", "Snowflake2026snow"] {
            assert!(judge(own, &["ivy.snow@example.com", "Ivy", "Snow"]).is_err_and(|e| e.contains("your own name")), "{own}");
        }
        assert!(judge(&"x9 ".repeat(80), &[]).is_err());
    }

    /// These are long, and nothing about them but the leak that they are in says that they are tried.
    #[test]
    fn passwords_that_are_in_known_leaks_are_refused_with_the_reason() {
        for password in [
            "starwarsguigui.plante",
            "WEIFENBACH_schneschuhe",
            "8793562413eridan",
            "CYboPytaXOSu344",
            "slayerGonzo1970",
            "JakDatBoyYaCantFuckWit",
        ] {
            let zxcvbn = zxcvbn::zxcvbn(password, &[]).score();
            assert!(zxcvbn >= zxcvbn::Score::Three, "{password} is refused without the leaks: {zxcvbn:?}");
            assert!(judge(password, &[]).is_err_and(|e| e.contains("leak")), "{password}");
        }
        assert!(judge("Correct horse battery staple", &[]).is_err_and(|e| e.contains("leak")));
        assert!(is_breached("STARWARSGUIGUI.PLANTE") && !is_breached("starwarsguigui.plantee"));
        assert_eq!(BREACHED.len() % BREACHED_BYTES, 0);
        let all: Vec<&[u8]> = BREACHED.chunks_exact(BREACHED_BYTES).collect();
        assert!(all.len() > 300_000 && all.is_sorted(), "{}", all.len());
        for known in [all.first(), all.last(), all.get(all.len() / 2)].into_iter().flatten() {
            assert!(all.binary_search(known).is_ok());
        }
    }

    #[tokio::test]
    async fn a_hash_is_of_its_password_alone() {
        let hasher = Hasher::start(1);
        let hash = hasher.hash("correct horse battery staple").await.expect("hash");
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(hasher.verify("correct horse battery staple", Some(hash.clone())).await.expect("verify"));
        assert!(!hasher.verify("correct horse battery stapler", Some(hash)).await.expect("verify"));
        let composed = hasher.hash("caf\u{e9} caf\u{e9} caf\u{e9}").await.expect("hash");
        assert!(hasher.verify("cafe\u{301} cafe\u{301} cafe\u{301}", Some(composed)).await.expect("verify"));
        assert!(!hasher.verify("correct horse battery staple", None).await.expect("verify"));
    }
}
