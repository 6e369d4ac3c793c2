//! A soft authenticator: makes passkeys and signs with them, as a device does (WebAuthn Level 3).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// A passkey that a device holds.
pub struct SoftPasskey {
    key: EcdsaKeyPair,
    id: Vec<u8>,
    user: Vec<u8>,
    counter: u32,
    /// What the device says of itself, to try what the portal makes of it: whether it looked at who holds it, at which
    /// page, and for which domain.
    pub verified: bool,
    pub origin: String,
    pub domain: String,
}

fn decoded(value: &Value) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(value.as_str().expect("a text")).expect("Base64")
}

fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// CBOR's head of a byte string.
fn bytes(value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).expect("short");
    let mut out = if length < 24 {
        vec![0x40 | u8::try_from(length).expect("short")]
    } else if length < 256 {
        vec![0x58, u8::try_from(length).expect("short")]
    } else {
        [&[0x59][..], &length.to_be_bytes()].concat()
    };
    out.extend(value);
    out
}

impl SoftPasskey {
    /// Makes one for what a page asks, and the answer to it.
    pub fn create(options: &str, origin: &str) -> (Self, String) {
        let options: Value = serde_json::from_str(options).expect("options");
        assert_eq!(options["authenticatorSelection"]["residentKey"], "preferred", "{options}");
        assert_eq!(options["authenticatorSelection"]["userVerification"], "required", "{options}");
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new()).expect("a key");
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, document.as_ref(), &SystemRandom::new()).expect("a key");
        let id = Sha256::digest(key.public_key().as_ref()).to_vec();
        let domain = options["rp"]["id"].as_str().expect("a domain").to_owned();
        let passkey =
            Self { key, id, user: decoded(&options["user"]["id"]), counter: 0, verified: true, origin: origin.to_owned(), domain };
        let client = passkey.client_data("webauthn.create", &options);
        // A COSE key: EC2, ES256, P-256, x, y.
        let point = passkey.key.public_key().as_ref();
        let cose = [&[0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21][..], &bytes(&point[1..33]), &[0x22], &bytes(&point[33..65])].concat();
        let length = u16::try_from(passkey.id.len()).expect("short").to_be_bytes();
        let data = [&passkey.data(0x40)[..], &[0; 16], &length, &passkey.id, &cose].concat();
        let attestation =
            [&[0xa3, 0x63][..], b"fmt", &[0x64], b"none", &[0x67], b"attStmt", &[0xa0, 0x68], b"authData", &bytes(&data)].concat();
        let answer = json!({
            "id": encoded(&passkey.id), "rawId": encoded(&passkey.id), "type": "public-key",
            "response": { "attestationObject": encoded(&attestation), "clientDataJSON": encoded(&client), "userHandle": null },
        });
        (passkey, answer.to_string())
    }

    fn client_data(&self, kind: &str, options: &Value) -> Vec<u8> {
        json!({ "type": kind, "challenge": options["challenge"], "origin": self.origin, "crossOrigin": false }).to_string().into_bytes()
    }

    /// The authenticator's data up to its counter: present, and verified where it is.
    fn data(&self, flags: u8) -> Vec<u8> {
        let flags = flags | 0x01 | if self.verified { 0x04 } else { 0 };
        [&Sha256::digest(self.domain.as_bytes())[..], &[flags], &self.counter.to_be_bytes()].concat()
    }

    /// Signs what a page asks.
    pub fn sign(&mut self, options: &str) -> String {
        self.counter += 1;
        let options: Value = serde_json::from_str(options).expect("options");
        assert_eq!(options["userVerification"], "required", "{options}");
        let allowed = options["allowCredentials"].as_array().expect("a list");
        assert!(allowed.is_empty() || allowed.iter().any(|one| decoded(&one["id"]) == self.id), "{options}");
        let (client, data) = (self.client_data("webauthn.get", &options), self.data(0));
        let signed = [&data[..], &Sha256::digest(&client)].concat();
        let signature = self.key.sign(&SystemRandom::new(), &signed).expect("signed");
        json!({
            "id": encoded(&self.id), "rawId": encoded(&self.id), "type": "public-key",
            "response": {
                "authenticatorData": encoded(&data), "clientDataJSON": encoded(&client), "signature": encoded(signature.as_ref()),
                "userHandle": encoded(&self.user), "attestationObject": null,
            },
        })
        .to_string()
    }

    /// Goes back by some uses, as a copy does that was made before.
    pub fn rewind(&mut self, uses: u32) {
        self.counter -= uses;
    }

    /// Says to be another account's.
    pub fn claim(&mut self, user: &[u8]) {
        self.user = user.to_vec();
    }
}
