//! An authenticator app, as somebody has it on a phone.

use org_portal::{factors::totp, words::SECOND};

use super::{Answer, Browser, PASSWORD, TestPortal};

/// An app that has taken over a secret, and what came with it.
#[derive(Clone, Debug)]
pub struct App {
    secret: Vec<u8>,
    /// The recovery codes that were shown.
    pub codes: Vec<String>,
}

impl App {
    /// Takes over the key that a page shows.
    pub fn of(page: &Answer) -> Self {
        let key = page.text(".secret code").replace(' ', "");
        let (mut secret, mut held, mut bits) = (Vec::new(), 0_u32, 0);
        for c in key.bytes() {
            let value = if c.is_ascii_uppercase() { c - b'A' } else { c - b'2' + 26 };
            held = (held << 5) | u32::from(value);
            bits += 5;
            if bits >= 8 {
                bits -= 8;
                secret.push(u8::try_from((held >> bits) & 255).expect("a byte"));
            }
        }
        assert_eq!(secret.len(), totp::SECRET, "{key}");
        Self { secret, codes: Vec::new() }
    }

    /// The code that it shows now.
    pub fn code(&self, portal: &TestPortal) -> String {
        totp::code(&self.secret, portal.clock.now())
    }

    /// Waits for a code that was not shown before.
    pub fn next_code(&self, portal: &TestPortal) -> String {
        portal.clock.advance(30 * SECOND);
        self.code(portal)
    }
}

impl TestPortal {
    /// Sets up an app by its form, right after a sign-in.
    pub async fn set_up_app(&self, browser: &Browser, name: &str) -> App {
        let page = browser.get("/account/factors/app").await.is(200);
        let mut app = App::of(&page);
        let form = page.form("/do/add_app").with("name", name).with("code", &app.code(self));
        let answer = browser.submit(&form).await;
        if answer.status == 200 {
            app.codes = answer.texts(".codes code");
        } else {
            answer.leads_to("/account/factors");
        }
        app
    }

    /// Does the first step of a sign-in: the right password of an account with a second factor.
    pub async fn first_step(&self, browser: &Browser, name: &str) {
        let answer = self.sign_in_to(browser, &format!("{name}@example.com"), PASSWORD).await;
        answer.leads_to("/sign-in/code?to=%2Fgetting-started");
    }

    /// Does the second.
    pub async fn second_step(&self, browser: &Browser, code: &str) -> Answer {
        browser.fill("/sign-in/code?to=%2Fgetting-started", "/do/finish_sign_in", &[("code", code)]).await
    }
}
