//! Secrets at rest: sealed with the key file, which stands outside of the database (`DESIGN.md` 2.15).
//!
//! A sealed value is a version, the id of the key that sealed it, a random nonce, and what XChaCha20-Poly1305 makes of
//! the rest. It is bound to what it is for: sealed as one thing it does not open as another.

use std::{
    io::Write as _,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chacha20poly1305::{
    KeyInit as _, XChaCha20Poly1305, XNonce,
    aead::{Aead as _, Payload},
};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::{config::Config, db::Db, secrets::Random};

/// What every line with a key begins with.
const LINE: &str = "org-portal-key-1:";
/// The version of what is sealed.
const VERSION: u8 = 1;
const KEY_ID: usize = 4;
const NONCE: usize = 24;

/// What a value is sealed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose<'a> {
    /// A private key by which the portal signs, with its id.
    SigningKey(&'a str),
    /// A machine's access token.
    MachineToken,
    /// What an authenticator app shares with the portal, with the id of its account.
    Authenticator(&'a str),
    /// The same while it is being set up.
    SetUp(&'a str),
}

impl Purpose<'_> {
    fn bound(self) -> Vec<u8> {
        let (name, id) = match self {
            Self::SigningKey(kid) => ("signing key", kid),
            Self::MachineToken => ("machine token", ""),
            Self::Authenticator(account) => ("authenticator", account),
            Self::SetUp(account) => ("set up", account),
        };
        format!("org-portal\0{VERSION}\0{name}\0{id}").into_bytes()
    }
}

#[derive(Clone)]
struct Key {
    id: [u8; KEY_ID],
    cipher: XChaCha20Poly1305,
}

/// The keys of the key file, or none. The first one seals, each of them opens.
#[derive(Clone, Default)]
pub struct Seal(Arc<[Key]>);

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Seal({} keys)", self.0.len())
    }
}

/// Which file holds the keys: the one that is named, or the one beside SQLite's. With PostgreSQL it has to be named.
#[must_use]
pub fn path(config: &Config) -> Option<PathBuf> {
    config.key_file.clone().or_else(|| Some(Db::file(&config.database_url)?.with_extension("key")))
}

impl Seal {
    /// Reads the key file, where there is one.
    ///
    /// # Errors
    /// Where it cannot be read or holds no keys, or the one that is named is missing.
    pub fn open(config: &Config) -> Result<Self, String> {
        match path(config) {
            Some(path) if config.key_file.is_some() || path.exists() => Self::read(&path),
            _ => Ok(Self::default()),
        }
    }

    /// The same at the start of the server: the file beside SQLite's is made where it is missing.
    ///
    /// # Errors
    /// The same, and where the file cannot be made.
    pub fn prepare(config: &Config, random: Random) -> Result<Self, String> {
        if config.key_file.is_none()
            && let Some(path) = path(config)
            && !path.exists()
        {
            make(&path, random)?;
        }
        Self::open(config)
    }

    fn read(path: &Path) -> Result<Self, String> {
        let said = |what: String| format!("the key file {}: {what}", path.display());
        let text = Zeroizing::new(std::fs::read_to_string(path).map_err(|e| said(e.to_string()))?);
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let keys: Option<Vec<Key>> = lines.map(key).collect();
        match keys {
            Some(keys) if !keys.is_empty() => Ok(Self(keys.into())),
            _ => Err(said(format!("each of its lines is {LINE} and 32 random bytes in Base64 (RFC 4648 §5)"))),
        }
    }

    /// Whether there is a key.
    #[must_use]
    pub fn is_on(&self) -> bool {
        !self.0.is_empty()
    }

    /// Seals a value; nothing where there is no key.
    #[must_use]
    pub fn seal(&self, purpose: Purpose<'_>, plain: &[u8], random: Random) -> Option<Vec<u8>> {
        let key = self.0.first()?;
        let nonce: [u8; NONCE] = random.bytes();
        let sealed = key.cipher.encrypt(&XNonce::from(nonce), Payload { msg: plain, aad: &purpose.bound() }).ok()?;
        let mut whole = Vec::with_capacity(1 + KEY_ID + NONCE + sealed.len());
        whole.push(VERSION);
        whole.extend(key.id);
        whole.extend(nonce);
        whole.extend(sealed);
        Some(whole)
    }

    /// Opens what was sealed for the same purpose by one of the keys. It is overwritten in memory in the end.
    #[must_use]
    pub fn open_sealed(&self, purpose: Purpose<'_>, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (&version, rest) = sealed.split_first()?;
        let (id, rest) = rest.split_at_checked(KEY_ID)?;
        let (nonce, sealed) = rest.split_at_checked(NONCE)?;
        let nonce: [u8; NONCE] = nonce.try_into().ok()?;
        let key = self.0.iter().find(|key| version == VERSION && key.id == id)?;
        key.cipher.decrypt(&XNonce::from(nonce), Payload { msg: sealed, aad: &purpose.bound() }).ok().map(Zeroizing::new)
    }
}

fn key(line: &str) -> Option<Key> {
    let decoded = Zeroizing::new(URL_SAFE_NO_PAD.decode(line.strip_prefix(LINE)?).ok()?);
    let bytes = Zeroizing::new(<[u8; 32]>::try_from(decoded.as_slice()).ok()?);
    let mut hash = Sha256::new();
    hash.update(b"org-portal key id\0");
    hash.update(*bytes);
    let hash = hash.finalize();
    let mut id = [0; KEY_ID];
    id.copy_from_slice(hash.get(..KEY_ID)?);
    Some(Key { id, cipher: XChaCha20Poly1305::new(&(*bytes).into()) })
}

/// Makes a key file, whole or not at all. One that another process has made meanwhile stays.
///
/// # Errors
/// Where it cannot be written.
pub fn make(path: &Path, random: Random) -> Result<(), String> {
    let unfinished = path.with_extension(format!("key.{}", random.opaque_id().simple()));
    let written = || -> std::io::Result<()> {
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
        writeln!(file, "# What Org Portal seals with. Keep a copy apart from the database's (docs/operating.md).")?;
        let key = Zeroizing::new(URL_SAFE_NO_PAD.encode(Zeroizing::new(random.bytes::<32>())));
        writeln!(file, "{LINE}{}", *key)?;
        file.sync_all()?;
        // A link to the whole file under its name: it fails where there is one already, and then that one is right.
        match std::fs::hard_link(&unfinished, path) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        if let Some(folder) = path.parent() {
            let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            std::fs::File::open(folder)?.sync_all()?;
        }
        Ok(())
    };
    let made = written().map_err(|e| format!("the key file {} cannot be made: {e}", path.display()));
    let _ = std::fs::remove_file(&unfinished);
    made
}

/// Whether others than its owner and its group may read a key file.
#[must_use]
pub fn is_open_to_all(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o007 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(lines: &[&str]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("portal.key");
        std::fs::write(&path, lines.join("\n")).expect("written");
        (folder, path)
    }

    #[test]
    fn what_is_sealed_opens_for_the_same_purpose_and_no_other() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("portal.key");
        make(&path, Random).expect("made");
        let seal = Seal::read(&path).expect("read");
        let sealed = seal.seal(Purpose::SigningKey("a"), b"secret", Random).expect("sealed");
        assert_eq!(seal.open_sealed(Purpose::SigningKey("a"), &sealed).as_ref().map(|plain| plain.as_slice()), Some(&b"secret"[..]));
        for other in
            [Purpose::SigningKey("b"), Purpose::SigningKey(""), Purpose::MachineToken, Purpose::Authenticator("a"), Purpose::SetUp("a")]
        {
            assert_eq!(seal.open_sealed(other, &sealed), None);
        }
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(seal.open_sealed(Purpose::SigningKey("a"), &changed), None, "byte {at}");
            assert_eq!(seal.open_sealed(Purpose::SigningKey("a"), &sealed[..at]), None, "the first {at} bytes");
        }
        assert_ne!(sealed, seal.seal(Purpose::SigningKey("a"), b"secret", Random).expect("sealed"), "each with a nonce of its own");
        assert!(!Seal::default().is_on() && Seal::default().seal(Purpose::MachineToken, b"", Random).is_none());
    }

    #[test]
    fn a_key_in_front_seals_from_then_on_and_the_old_one_still_opens() {
        let line = |n: u8| format!("{LINE}{}", URL_SAFE_NO_PAD.encode([n; 32]));
        let (_old_folder, old) = file(&[&line(1)]);
        let (_new_folder, new) = file(&["# two", "", &line(2), &line(1)]);
        let (old, new) = (Seal::read(&old).expect("read"), Seal::read(&new).expect("read"));
        let before = old.seal(Purpose::MachineToken, b"x", Random).expect("sealed");
        assert_eq!(new.open_sealed(Purpose::MachineToken, &before).as_ref().map(|plain| plain.as_slice()), Some(&b"x"[..]));
        let after = new.seal(Purpose::MachineToken, b"x", Random).expect("sealed");
        assert_eq!(old.open_sealed(Purpose::MachineToken, &after), None);
    }

    #[test]
    fn a_file_that_holds_no_key_is_refused() {
        for lines in [&[][..], &["# nothing"], &["org-portal-key-1:short"], &["x"], &["org-portal-key-2:AAAA"]] {
            let (_folder, path) = file(lines);
            assert!(Seal::read(&path).is_err(), "{lines:?}");
        }
    }

    #[test]
    fn it_is_made_once_for_its_owner_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("portal.key");
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| make(&path, Random).expect("made or there"));
            }
        });
        let first = std::fs::read_to_string(&path).expect("there");
        make(&path, Random).expect("there");
        assert_eq!(std::fs::read_to_string(&path).expect("there"), first);
        assert_eq!(std::fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1, "nothing is left over");
        assert!(!is_open_to_all(&path));
    }
}
