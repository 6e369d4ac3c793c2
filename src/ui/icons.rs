//! The icons: one family, 1.5 px stroke, drawn inline. Each constant is the inside of an `<svg viewBox="0 0 20 20">`.

/// menu
pub const MENU: &str = r#"<path d="M3 5.5h14M3 10h14M3 14.5h14"/>"#;
/// check
pub const CHECK: &str = r#"<path d="m4.5 10.5 3.5 3.5 7.5-8"/>"#;
/// check circle
pub const CHECK_CIRCLE: &str = r#"<circle cx="10" cy="10" r="7.25"/><path d="m6.75 10.25 2.25 2.25 4.25-4.75"/>"#;
/// x
pub const X: &str = r#"<path d="m5 5 10 10M15 5 5 15"/>"#;
/// x circle
pub const X_CIRCLE: &str = r#"<circle cx="10" cy="10" r="7.25"/><path d="m7.5 7.5 5 5M12.5 7.5l-5 5"/>"#;
/// alert
pub const ALERT: &str = r#"<circle cx="10" cy="10" r="7.25"/><path d="M10 6.25v4.5M10 13.5v.01"/>"#;
/// warning
pub const WARNING: &str = r#"<path d="M10 3 18 16.5H2Z"/><path d="M10 8v4M10 14.25v.01"/>"#;
/// info
pub const INFO: &str = r#"<circle cx="10" cy="10" r="7.25"/><path d="M10 9.25v4.5M10 6.5v.01"/>"#;
/// minus
pub const MINUS: &str = r#"<path d="M5 10h10"/>"#;
/// plus
pub const PLUS: &str = r#"<path d="M10 4v12M4 10h12"/>"#;
/// search
pub const SEARCH: &str = r#"<circle cx="8.75" cy="8.75" r="5.25"/><path d="m12.75 12.75 4 4"/>"#;
/// edit
pub const EDIT: &str =
    r#"<path d="m4 16 .75-3.5L13.5 3.75a1.4 1.4 0 0 1 2 0l.75.75a1.4 1.4 0 0 1 0 2L7.5 15.25Z"/><path d="m12 5.25 2.75 2.75"/>"#;
/// remove
pub const REMOVE: &str = r#"<path d="M3.5 5.5h13M8 5.5V3.25h4V5.5M5.25 5.5l.75 11.25h8l.75-11.25M8.5 8.75v4.75M11.5 8.75v4.75"/>"#;
/// more
pub const MORE: &str = r#"<circle cx="4.5" cy="10" r=".6"/><circle cx="10" cy="10" r=".6"/><circle cx="15.5" cy="10" r=".6"/>"#;
/// chevron down
pub const CHEVRON_DOWN: &str = r#"<path d="m5.5 7.75 4.5 4.5 4.5-4.5"/>"#;
/// chevron left
pub const CHEVRON_LEFT: &str = r#"<path d="M12.25 5.5 7.75 10l4.5 4.5"/>"#;
/// chevron right
pub const CHEVRON_RIGHT: &str = r#"<path d="m7.75 5.5 4.5 4.5-4.5 4.5"/>"#;
/// sort up
pub const SORT_UP: &str = r#"<path d="M10 16V4.5M5.25 9 10 4.25 14.75 9"/>"#;
/// sort down
pub const SORT_DOWN: &str = r#"<path d="M10 4v11.5M5.25 11 10 15.75 14.75 11"/>"#;
/// mail
pub const MAIL: &str = r#"<rect x="2.75" y="4.25" width="14.5" height="11.5" rx="1.75"/><path d="m3.25 5.5 6.75 5.25 6.75-5.25"/>"#;
/// clock
pub const CLOCK: &str = r#"<circle cx="10" cy="10" r="7.25"/><path d="M10 5.75V10l2.75 2"/>"#;
/// lock
pub const LOCK: &str = r#"<rect x="4" y="8.75" width="12" height="8" rx="1.75"/><path d="M6.75 8.75V6.5a3.25 3.25 0 0 1 6.5 0v2.25"/>"#;
/// ban
pub const BAN: &str = r#"<circle cx="10" cy="10" r="7.25"/><path d="m5 15 10-10"/>"#;
/// organization
pub const ORGANIZATION: &str = r#"<path d="M3.75 16.75V4.5c0-.7.55-1.25 1.25-1.25h5.5c.7 0 1.25.55 1.25 1.25v12.25M11.75 8.25H15c.7 0 1.25.55 1.25 1.25v7.25M2.5 16.75h15M6.5 6.5h2.5M6.5 9.5h2.5M6.5 12.5h2.5"/>"#;
/// steps
pub const STEPS: &str = r#"<path d="m2.75 5 1.5 1.5L7 3.5M2.75 11.25l1.5 1.5 2.75-3M10 5.25h7.25M10 11.5h7.25M10 16.5h7.25M4 16.5h1.5"/>"#;
/// ticket
pub const TICKET: &str = r#"<path d="M2.75 6c0-.7.55-1.25 1.25-1.25h12c.7 0 1.25.55 1.25 1.25v2.25a1.75 1.75 0 0 0 0 3.5V14c0 .7-.55 1.25-1.25 1.25H4c-.7 0-1.25-.55-1.25-1.25v-2.25a1.75 1.75 0 0 0 0-3.5ZM12 5v1.5M12 9.25v1.5M12 13.5V15"/>"#;
/// server
pub const SERVER: &str = r#"<rect x="3" y="3.25" width="14" height="5.75" rx="1.5"/><rect x="3" y="11" width="14" height="5.75" rx="1.5"/><path d="M6 6.1v.01M6 13.9v.01M9 6.1h5M9 13.9h5"/>"#;
/// user
pub const USER: &str = r#"<circle cx="10" cy="6.75" r="3.25"/><path d="M3.75 16.75c.5-3.25 3-5 6.25-5s5.75 1.75 6.25 5"/>"#;
/// users
pub const USERS: &str = r#"<circle cx="7.5" cy="7" r="2.75"/><path d="M2.25 15.75c.4-2.75 2.4-4.25 5.25-4.25s4.85 1.5 5.25 4.25M12.75 4.5a2.75 2.75 0 0 1 0 5M14.75 11.9c1.75.6 2.75 1.95 3 3.85"/>"#;
/// user plus
pub const USER_PLUS: &str =
    r#"<circle cx="8" cy="6.75" r="3.25"/><path d="M2 16.5c.5-3.15 2.8-4.75 6-4.75s5.5 1.6 6 4.75M15.75 6.5v5M13.25 9h5"/>"#;
/// sign out
pub const SIGN_OUT: &str =
    r#"<path d="M11.5 3.25H5c-.7 0-1.25.55-1.25 1.25v11c0 .7.55 1.25 1.25 1.25h6.5M8.5 10h8.25M13.5 6.75 16.75 10l-3.25 3.25"/>"#;
/// sun
pub const SUN: &str = r#"<circle cx="10" cy="10" r="3.25"/><path d="M10 2.25v1.5M10 16.25v1.5M2.25 10h1.5M16.25 10h1.5M4.5 4.5l1 1M14.5 14.5l1 1M4.5 15.5l1-1M14.5 5.5l1-1"/>"#;
/// moon
pub const MOON: &str = r#"<path d="M16.5 11.75A6.75 6.75 0 0 1 8.25 3.5a6.75 6.75 0 1 0 8.25 8.25Z"/>"#;
/// monitor
pub const MONITOR: &str = r#"<rect x="2.75" y="3.75" width="14.5" height="9.5" rx="1.5"/><path d="M7 16.5h6M10 13.25v3.25"/>"#;
/// phone
pub const PHONE: &str = r#"<rect x="5.75" y="2.25" width="8.5" height="15.5" rx="1.75"/><path d="M9.25 15h1.5"/>"#;
/// download
pub const DOWNLOAD: &str = r#"<path d="M10 3.25v9M6.25 8.75 10 12.5l3.75-3.75M3.25 16.5h13.5"/>"#;
/// external
pub const EXTERNAL: &str = r#"<path d="M8 4.25H4.75c-.7 0-1.25.55-1.25 1.25v9.75c0 .7.55 1.25 1.25 1.25h9.75c.7 0 1.25-.55 1.25-1.25V12M11.5 3.5h5v5M16.25 3.75 9 11"/>"#;
/// copy
pub const COPY: &str = r#"<rect x="7" y="7" width="9.75" height="9.75" rx="1.5"/><path d="M13 4.25c0-.55-.45-1-1-1H4.5c-.7 0-1.25.55-1.25 1.25V12c0 .55.45 1 1 1"/>"#;
/// refresh
pub const REFRESH: &str =
    r#"<path d="M16.5 10a6.5 6.5 0 0 1-11.4 4.25M3.5 10a6.5 6.5 0 0 1 11.4-4.25M15.25 2.5v3.5h-3.5M4.75 17.5V14h3.5"/>"#;
/// shield
pub const SHIELD: &str = r#"<path d="M10 2.75 16 5v4.75c0 3.5-2.5 6.15-6 7.5-3.5-1.35-6-4-6-7.5V5Z"/><path d="m7.25 9.75 2 2 3.5-3.75"/>"#;
/// key
pub const KEY: &str = r#"<circle cx="6.75" cy="13.25" r="3.5"/><path d="m9.25 10.75 7-7M13 7l2.5 2.5M15 5l1.5 1.5"/>"#;
/// filter
pub const FILTER: &str = r#"<path d="M3.5 5.5h13M6 10h8M8.5 14.5h3"/>"#;
/// document
pub const DOCUMENT: &str = r#"<path d="M5 3.25h6.5L15.5 7v8.5c0 .7-.55 1.25-1.25 1.25H5.75c-.7 0-1.25-.55-1.25-1.25v-11c0-.7.55-1.25 1.25-1.25ZM11.25 3.5V7.25h4M7.25 10.5h5.5M7.25 13.5h3.5"/>"#;
/// activity
pub const ACTIVITY: &str = r#"<path d="M2.5 10.5h3l2.25-6 4.5 11.5 2.25-5.5h3"/>"#;
/// The portal's mark, in a view box of 24.
pub const BRAND: &str =
    r#"<path fill="currentColor" fill-rule="evenodd" d="M12 1.5 22.5 12 12 22.5 1.5 12ZM12 7.2 7.2 12l4.8 4.8 4.8-4.8Z"/>"#;
