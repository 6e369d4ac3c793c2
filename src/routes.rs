//! THE table: every page, every server function, every call of `/v1` and every address of the identity system, who may call it, and what handles it. The router is made from it,
//! and the access-matrix test walks it.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{Method, StatusCode, header, request::Parts},
    response::{IntoResponse as _, Response},
    routing::{MethodFilter, MethodRouter, get},
};

use crate::{
    accounts, activity,
    actor::Caller,
    api::{
        self, Needs,
        model::{
            ActivateProfileRequest, AddressRequest, Company, ConnectRequest, ConnectedServer, Document, Entitlements, Events, Inventory,
            InviteRequest, InviteSeveralRequest, Members, NotInvited, Nothing, OneOrganization, OpenedSession, OrganizationRequest,
            OrganizationWithContacts, Organizations, Profile, ProfileRequest, Refreshed, RoleRequest, SearchEventsRequest,
            SearchMembersRequest, SignInRequest, SignUpRequest, StateToken, Tickets, ValidateTokenRequest,
        },
        openapi::Shape,
    },
    audit::Action,
    customers,
    db::Failure,
    dev_mail, factors,
    form::{Refusal, door},
    getting_started, guard, identities, invitations, live, members, oauth, operator, organizations,
    permissions::Permission,
    pmm,
    portal::Portal,
    scim, sessions, shell, tickets,
    visit::{Answer, Call, Called, Handler, Page, Visit, sign_in_required},
    words::DAY,
};

/// Who may call something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anyone.
    Anyone,
    /// Anyone, where everything is on loopback and mails are kept.
    Loopback,
    /// Who is signed in.
    SignedIn,
    /// Members of an organization whose role has the permission. On pages, others get what a stranger gets.
    Member(Permission),
    /// Operators. Everybody else, signed in or not, gets what there is at an address where nothing is.
    Operator,
}

/// A page.
#[derive(Clone, Copy)]
pub struct PageRoute {
    /// Its path, as axum reads it.
    pub path: &'static str,
    /// Who may see it.
    pub access: Access,
    /// What draws it.
    pub handler: Handler,
}

/// A server function.
#[derive(Clone, Copy)]
pub struct FunctionRoute {
    /// The end of its address, after `/do/`.
    pub endpoint: &'static str,
    /// Who may call it. The action decides again, in its transaction.
    pub access: Access,
    /// The page with its form.
    pub page: &'static str,
    /// What keeps the files that its form may bring; none where it brings none.
    pub files: Option<door::Keep>,
}

macro_rules! page {
    ($path:literal, $access:expr, $handler:path) => {
        PageRoute { path: $path, access: $access, handler: |visit| Box::pin($handler(visit)) }
    };
}
const fn function(endpoint: &'static str, access: Access, page: &'static str) -> FunctionRoute {
    FunctionRoute { endpoint, access, page, files: None }
}
const fn with_files(endpoint: &'static str, access: Access, page: &'static str, files: door::Keep) -> FunctionRoute {
    FunctionRoute { endpoint, access, page, files: Some(files) }
}

/// A call of `/v1`.
#[derive(Clone)]
pub struct ApiRoute {
    /// Its method.
    pub method: Method,
    /// Its path; what stands in braces is a place, and a colon is a colon.
    pub path: &'static str,
    /// Who may call it. What is written, the action decides again, in its transaction.
    pub access: Access,
    /// What it needs of the credential.
    pub needs: Needs,
    /// What answers it.
    pub handler: api::Handler,
    /// What is sent.
    pub input: fn() -> Shape,
    /// What is answered; none where it is always refused.
    pub output: Option<fn() -> Shape>,
    /// Under which heading the document has it.
    pub tag: &'static str,
    /// What it does.
    pub summary: &'static str,
}

macro_rules! call {
    (@of $method:ident $path:literal, $access:expr, $needs:expr, $call:ident($input:ty), $output:expr, $tag:literal, $summary:literal) => {
        ApiRoute {
            method: Method::$method,
            path: $path,
            access: $access,
            needs: $needs,
            handler: |call, sent| {
                Box::pin(async move { api::door::write(api::calls::$call(call, api::door::read::<$input>(sent)?).await) })
            },
            input: api::openapi::shape::<$input>,
            output: $output,
            tag: $tag,
            summary: $summary,
        }
    };
    ($method:ident $path:literal, $access:expr, $needs:expr, $call:ident($input:ty) -> !, $tag:literal, $summary:literal) => {
        call!(@of $method $path, $access, $needs, $call($input), None, $tag, $summary)
    };
    ($method:ident $path:literal, $access:expr, $needs:expr, $call:ident($input:ty) -> $output:ty, $tag:literal, $summary:literal) => {
        call!(@of $method $path, $access, $needs, $call($input), Some(api::openapi::shape::<$output>), $tag, $summary)
    };
}

use Access::{Anyone, Loopback, Member, Operator, SignedIn};
use Permission::{ChangeRole, ConnectPmmServer, InviteMembers, ManageMembers, RaiseTicket, ViewCustomerData, ViewMembers};

/// Every page.
pub const PAGES: &[PageRoute] = &[
    page!("/", Anyone, getting_started::web::start),
    page!("/sign-in", Anyone, sessions::web::sign_in),
    page!("/sign-in/provider", Anyone, identities::web::begin),
    page!("/sign-in/provider/callback", Anyone, identities::web::callback),
    page!("/sign-in/code", Anyone, factors::web::second_step),
    page!("/sign-up", Anyone, accounts::web::sign_up),
    page!("/check-your-mail", Anyone, accounts::web::check_your_mail),
    page!("/verify-email", Anyone, accounts::web::verify_email),
    page!("/forgot-password", Anyone, accounts::web::forgot_password),
    page!("/reset-password", Anyone, accounts::web::reset_password),
    page!("/invitation", Anyone, invitations::web::invitation),
    page!("/confirm-email", Anyone, accounts::web::confirm_email),
    page!("/undo", Anyone, accounts::web::undo),
    page!("/.well-known/change-password", Anyone, accounts::web::change_password_address),
    page!("/oauth2/authorize", Anyone, oauth::web::authorize),
    page!("/login/signout", Anyone, oauth::web::sign_out),
    page!("/roles", SignedIn, members::web::roles),
    page!("/getting-started", SignedIn, getting_started::web::getting_started),
    page!("/account", SignedIn, accounts::web::account),
    page!("/account/email", SignedIn, accounts::web::change_email),
    page!("/account/delete", SignedIn, accounts::web::delete),
    page!("/account/factors", SignedIn, factors::web::factors),
    page!("/account/factors/app", SignedIn, factors::web::app),
    page!("/account/factors/passkey", SignedIn, factors::web::passkey),
    page!("/account/factors/remove", SignedIn, factors::web::remove),
    page!("/account/factors/recovery-codes", SignedIn, factors::web::recovery_codes),
    page!("/organization/add", SignedIn, organizations::web::add),
    page!("/organization", Member(ViewMembers), organizations::web::details),
    page!("/organization/rename", Member(ManageMembers), organizations::web::rename),
    page!("/organization/delete", Member(ManageMembers), organizations::web::delete),
    page!("/organization/members", Member(ViewMembers), members::web::members),
    page!("/organization/members/invite", Member(InviteMembers), invitations::web::invite),
    page!("/organization/members/{member}/edit", Member(ChangeRole), members::web::edit),
    page!("/organization/members/{member}/remove", Member(ManageMembers), members::web::remove),
    page!("/organization/members/several", Member(ManageMembers), members::web::several),
    page!("/organization/members.csv", Member(ManageMembers), members::web::export),
    page!("/organization/leave", Member(ViewMembers), members::web::leave),
    page!("/organization/invitations", Member(ViewMembers), invitations::web::invitations),
    page!("/organization/invitations/{invitation}/role", Member(ManageMembers), invitations::web::role),
    page!("/organization/invitations/{invitation}/revoke", Member(InviteMembers), invitations::web::revoke),
    page!("/organization/servers", Member(ConnectPmmServer), pmm::web::servers),
    page!("/organization/servers/{server}/disconnect", Member(ConnectPmmServer), pmm::web::disconnect),
    page!("/organization/servers/tokens/new", Member(ConnectPmmServer), pmm::web::new_token),
    page!("/organization/servers/tokens/{token}/revoke", Member(ConnectPmmServer), pmm::web::revoke),
    page!("/profile", SignedIn, pmm::web::profile),
    page!("/login", Anyone, pmm::web::login),
    page!("/organization/tickets", Member(RaiseTicket), tickets::web::tickets),
    page!("/organization/tickets/new", Member(RaiseTicket), tickets::web::new),
    page!("/organization/tickets/{ticket}", Member(RaiseTicket), tickets::web::ticket),
    page!("/organization/tickets/{ticket}/files/{file}", Member(RaiseTicket), tickets::web::file),
    page!("/operator/tickets", Operator, tickets::web::desk),
    page!("/operator/tickets/{ticket}", Operator, tickets::web::desk_ticket),
    page!("/operator/tickets/{ticket}/files/{file}", Operator, tickets::web::desk_file),
    page!("/organization/entitlements", Member(ViewCustomerData), customers::web::entitlements),
    page!("/organization/contacts", Member(ViewCustomerData), customers::web::contacts),
    page!("/organization/activity", Member(ManageMembers), activity::web::activity),
    page!("/organization/activity.csv", Member(ManageMembers), activity::web::export),
    page!("/operator", Operator, operator::web::overview),
    page!("/operator/password", Operator, operator::web::password),
    page!("/operator/customers", Operator, operator::web::customers),
    page!("/operator/customers/{customer}", Operator, operator::web::customer),
    page!("/operator/organizations", Operator, operator::web::organizations),
    page!("/operator/organizations/{organization}", Operator, operator::web::organization),
    page!("/operator/organizations/{organization}/suspend", Operator, operator::web::suspend),
    page!("/operator/accounts", Operator, operator::web::accounts),
    page!("/operator/accounts/{account}", Operator, operator::web::account),
    page!("/operator/accounts/{account}/lock", Operator, operator::web::lock),
    page!("/operator/accounts/{account}/factors", Operator, operator::web::factors),
    page!("/operator/audit", Operator, operator::web::audit),
    page!("/operator/audit.csv", Operator, operator::web::export),
    page!("/operator/imports", Operator, operator::web::imports),
    page!("/operator/imports/{import}", Operator, operator::web::import),
    page!("/operator/outbox", Operator, operator::web::outbox),
    page!("/operator/outbox/{letter}", Operator, operator::web::letter),
    page!("/docs/api", Anyone, api::web::reference),
    page!("/dev/mail", Loopback, dev_mail::mailbox),
    page!("/dev/mail/{mail}", Loopback, dev_mail::mail),
    #[cfg(debug_assertions)]
    page!("/dev/gallery", SignedIn, crate::gallery::gallery),
];

/// Every server function.
pub const FUNCTIONS: &[FunctionRoute] = &[
    function("sign_up", Anyone, "/sign-up"),
    function("verify_email", Anyone, "/verify-email"),
    function("forgot_password", Anyone, "/forgot-password"),
    function("reset_password", Anyone, "/reset-password"),
    function("change_password", SignedIn, "/account"),
    function("change_name", SignedIn, "/account"),
    function("change_email", SignedIn, "/account/email"),
    function("confirm_email", SignedIn, "/confirm-email"),
    function("undo_change", Anyone, "/undo"),
    function("delete_account", SignedIn, "/account/delete"),
    function("sign_in", Anyone, "/sign-in"),
    function("finish_sign_in", Anyone, "/sign-in/code"),
    function("sign_out", Anyone, "/sign-in"),
    function("add_app", SignedIn, "/account/factors/app"),
    function("begin_passkey", SignedIn, "/account/factors/passkey"),
    function("add_passkey", SignedIn, "/account/factors/passkey"),
    function("ask_passkey", Anyone, "/sign-in"),
    function("use_passkey", Anyone, "/sign-in"),
    function("remove_factor", SignedIn, "/account/factors/remove"),
    function("renew_recovery_codes", SignedIn, "/account/factors/recovery-codes"),
    function("end_session", SignedIn, "/account"),
    function("end_other_sessions", SignedIn, "/account"),
    function("unlink_identity", SignedIn, "/account"),
    function("allow_server", SignedIn, "/oauth2/authorize"),
    function("forget_server", SignedIn, "/account"),
    function("choose_theme", Anyone, "/"),
    function("add_organization", SignedIn, "/organization/add"),
    function("rename_organization", Member(ManageMembers), "/organization/rename"),
    function("delete_organization", Member(ManageMembers), "/organization/delete"),
    function("list_members", Member(ViewMembers), "/organization/members"),
    function("change_role", Member(ChangeRole), "/organization/members"),
    function("remove_member", Member(ManageMembers), "/organization/members"),
    function("change_roles", Member(ChangeRole), "/organization/members/several"),
    function("remove_members", Member(ManageMembers), "/organization/members/several"),
    function("leave_organization", Member(ViewMembers), "/organization/leave"),
    function("invite_member", Member(InviteMembers), "/organization/members/invite"),
    function("resend_invitation", Member(InviteMembers), "/organization/members"),
    function("change_invitation_role", Member(ManageMembers), "/organization/invitations"),
    function("revoke_invitation", Member(InviteMembers), "/organization/members"),
    function("accept_invitation", SignedIn, "/getting-started"),
    function("decline_invitation", SignedIn, "/getting-started"),
    function("remind_administrator", SignedIn, "/getting-started"),
    function("join_organization", SignedIn, "/getting-started"),
    function("make_token", Member(ConnectPmmServer), "/organization/servers/tokens/new"),
    function("revoke_token", Member(ConnectPmmServer), "/organization/servers"),
    function("disconnect_server", Member(ConnectPmmServer), "/organization/servers"),
    with_files("raise_ticket", Member(RaiseTicket), "/organization/tickets/new", |portal, caller, file| {
        Box::pin(tickets::actions::keep(portal, caller, file))
    }),
    with_files("reply_to_ticket", Member(RaiseTicket), "/organization/tickets", |portal, caller, file| {
        Box::pin(tickets::actions::keep(portal, caller, file))
    }),
    function("resolve_ticket", Member(RaiseTicket), "/organization/tickets"),
    with_files("answer_ticket", Operator, "/operator/tickets", |portal, caller, file| {
        Box::pin(tickets::actions::keep(portal, caller, file))
    }),
    function("change_ticket", Operator, "/operator/tickets"),
    function("note_ticket", Operator, "/operator/tickets"),
    function("lock_account", Operator, "/operator/accounts"),
    function("unlock_account", Operator, "/operator/accounts"),
    function("remove_factors", Operator, "/operator/accounts"),
    function("suspend_organization", Operator, "/operator/organizations"),
    function("resume_organization", Operator, "/operator/organizations"),
    function("retry_mail", Operator, "/operator/outbox"),
];

/// Every call of `/v1`. Of those that fit a path, the first is meant.
pub const API: &[ApiRoute] = &[
    call!(POST "/v1/auth/SignUp", Anyone, Needs::Nothing, sign_up(SignUpRequest) -> Nothing, "auth", "Signs up. A mail leads to where the password is chosen, or says that the address has an account; the answer is the same."),
    call!(POST "/v1/auth/SignIn", Anyone, Needs::Nothing, sign_in(SignInRequest) -> OpenedSession, "auth", "Signs in with address and password."),
    call!(POST "/v1/auth/SignOut", SignedIn, Needs::Session, sign_out(Nothing) -> Nothing, "auth", "Ends the session."),
    call!(POST "/v1/auth/RefreshSession", SignedIn, Needs::Session, refresh_session(Nothing) -> Refreshed, "auth", "Uses the session, so that it goes on."),
    call!(POST "/v1/auth/ResetPassword", Anyone, Needs::Nothing, reset_password(AddressRequest) -> Nothing, "auth", "Sends a link to choose another password. Whether the address has an account is not told."),
    call!(POST "/v1/auth/GetProfile", SignedIn, Needs::Reading, get_profile(Nothing) -> Profile, "auth", "Gives one's names."),
    call!(POST "/v1/auth/UpdateProfile", SignedIn, Needs::Writing(Action::ChangeName), update_profile(ProfileRequest) -> Nothing, "auth", "Changes one's names."),
    call!(POST "/v1/auth/ValidateToken", Anyone, Needs::Nothing, validate_token(ValidateTokenRequest) -> StateToken, "auth", "Says whether the link of a mail works, and by which token the account is activated."),
    call!(POST "/v1/auth/ActivateProfile", Anyone, Needs::Nothing, activate_profile(ActivateProfileRequest) -> Nothing, "auth", "Chooses the password by the link of a mail: makes the account, or resets its password."),
    call!(POST "/v1/orgs", SignedIn, Needs::Writing(Action::AddOrganization), add_organization(OrganizationRequest) -> OneOrganization, "orgs", "Adds an organization, whose Admin is who calls."),
    call!(POST "/v1/orgs:search", SignedIn, Needs::Reading, search_organizations(Nothing) -> Organizations, "orgs", "Lists the organizations of who calls."),
    call!(POST "/v1/orgs/company:search", SignedIn, Needs::Reading, search_company(Nothing) -> Company, "orgs", "Names the company that who calls belongs to by the operator's records."),
    call!(GET "/v1/orgs/{org_id}", Member(ViewMembers), Needs::Reading, get_organization(Nothing) -> OrganizationWithContacts, "orgs", "Gives the organization and, to an Admin, its contacts."),
    call!(PUT "/v1/orgs/{org_id}", Member(ManageMembers), Needs::Writing(Action::RenameOrganization), rename_organization(OrganizationRequest) -> OneOrganization, "orgs", "Gives the organization another name."),
    call!(DELETE "/v1/orgs/{org_id}", Member(ManageMembers), Needs::Writing(Action::DeleteOrganization), delete_organization(Nothing) -> Nothing, "orgs", "Deletes the organization for all its members."),
    call!(POST "/v1/orgs/{org_id}/members", Member(InviteMembers), Needs::Writing(Action::InviteMember), invite(InviteRequest) -> Nothing, "members", "Invites an address."),
    call!(POST "/v1/orgs/{org_id}/members:bulk", Member(InviteMembers), Needs::Writing(Action::InviteMember), invite_several(InviteSeveralRequest) -> NotInvited, "members", "Invites up to ten addresses; who cannot be invited is named, the others are."),
    call!(POST "/v1/orgs/{org_id}/members:search", Member(ViewMembers), Needs::Reading, search_members(SearchMembersRequest) -> Members, "members", "Lists the members and those who are invited."),
    call!(POST "/v1/orgs/{org_id}/members/{member_id}:reactivate", Member(InviteMembers), Needs::Writing(Action::ResendInvitation), reactivate_member(Nothing) -> Nothing, "members", "Sends an invitation again; its earlier link is dead."),
    call!(PUT "/v1/orgs/{org_id}/members/{member_id}", Member(ChangeRole), Needs::Writing(Action::ChangeRole), change_role(RoleRequest) -> Nothing, "members", "Changes the role of a member, or the one that an invitation offers."),
    call!(DELETE "/v1/orgs/{org_id}/members/{member_id}", Member(InviteMembers), Needs::Writing(Action::RemoveMember), remove_member(Nothing) -> Nothing, "members", "Removes a member, which is an Admin's, or revokes an invitation."),
    call!(POST "/v1/orgs/{org_id}/tickets:search", Member(RaiseTicket), Needs::Reading, search_tickets(Nothing) -> Tickets, "data", "Lists the tickets: all of them to an Admin, one's own to a Technical user."),
    call!(POST "/v1/orgs/{org_id}/entitlements:search", Member(ViewCustomerData), Needs::Reading, search_entitlements(Nothing) -> Entitlements, "data", "Lists the entitlements."),
    call!(POST "/v1/events:search", Member(ManageMembers), Needs::Reading, search_events(SearchEventsRequest) -> Events, "events", "Lists events of the organization's audit log."),
    call!(POST "/v1/orgs/inventory", SignedIn, Needs::Writing(Action::ConnectServer), connect_server(ConnectRequest) -> ConnectedServer, "inventory", "Connects a PMM server to the organization of who calls. One that is connected to it already gets new credentials, and the old ones are dead."),
    call!(POST "/v1/orgs/inventory:connect", SignedIn, Needs::Writing(Action::ConnectServer), connect_server(ConnectRequest) -> ConnectedServer, "inventory", "Connects a PMM server, as /v1/orgs/inventory does."),
    call!(POST "/v1/orgs/inventory/{pmm_server_id}:disconnect", SignedIn, Needs::Writing(Action::DisconnectServer), disconnect_server(Nothing) -> Nothing, "inventory", "Disconnects a PMM server, whose credentials are dead from then on."),
    call!(POST "/v1/orgs/{org_id}/inventory:search", Member(ViewMembers), Needs::Reading, search_inventory(Nothing) -> Inventory, "inventory", "Lists the PMM servers that are connected."),
    call!(POST "/v1/telemetry/GenericReport", Anyone, Needs::Nothing, report_telemetry(Nothing) -> Nothing, "pmm", "Takes a report of how PMM is used, and keeps nothing of it."),
    call!(POST "/v1/check/GetAllChecks", Anyone, Needs::Nothing, advisors(Nothing) -> !, "pmm", "Advisors are not served."),
    call!(POST "/v1/check/GetAllAdvisors", Anyone, Needs::Nothing, advisors(Nothing) -> !, "pmm", "Advisors are not served."),
    call!(POST "/v1/check/GetAllAlertRuleTemplates", Anyone, Needs::Nothing, advisors(Nothing) -> !, "pmm", "Advisors are not served."),
    call!(GET "/v1/check/advisors", Anyone, Needs::Nothing, advisors(Nothing) -> !, "pmm", "Advisors are not served."),
    call!(GET "/v1/openapi.json", Anyone, Needs::Nothing, document(Nothing) -> Document, "pmm", "Gives this document."),
];

/// An address that programs call: no page, and no cookie means anything there.
#[derive(Clone, Copy)]
pub struct EndpointRoute {
    /// Its path.
    pub path: &'static str,
    /// By which methods.
    pub methods: &'static [Method],
    /// What answers.
    pub handler: Called,
}

macro_rules! endpoint {
    ($path:literal, $methods:expr, $handler:path) => {
        EndpointRoute { path: $path, methods: &$methods, handler: |portal, call| Box::pin($handler(portal, call)) }
    };
}

/// Every one of them. Who may call is in what they are shown: a client's secret, a token.
pub const ENDPOINTS: &[EndpointRoute] = &[
    endpoint!("/oauth2/.well-known/openid-configuration", [Method::GET], oauth::endpoints::discovery),
    endpoint!("/.well-known/oauth-authorization-server/oauth2", [Method::GET], oauth::endpoints::discovery),
    endpoint!("/oauth2/jwks", [Method::GET], oauth::endpoints::jwks),
    endpoint!("/oauth2/token", [Method::POST], oauth::endpoints::token),
    endpoint!("/oauth2/userinfo", [Method::GET, Method::POST], oauth::endpoints::userinfo),
    endpoint!("/oauth2/revoke", [Method::POST], oauth::endpoints::revoke),
];

/// Whether a path is an address that programs call.
#[must_use]
pub fn is_endpoint(path: &str) -> bool {
    ENDPOINTS.iter().any(|endpoint| endpoint.path == path)
}

/// An address of the operator's identity system. Its token alone opens it.
#[derive(Clone)]
pub struct ScimRoute {
    /// Its method.
    pub method: Method,
    /// Its path; what stands in braces at its end is a place.
    pub path: &'static str,
    /// What answers.
    pub handler: scim::Handler,
}

macro_rules! scim {
    ($method:ident $path:literal, $handler:ident) => {
        ScimRoute { method: Method::$method, path: $path, handler: |call| Box::pin(scim::door::$handler(call)) }
    };
}

/// Every one of them. Where the operator has given the identity system no token, there is nothing at any of them.
pub const SCIM: &[ScimRoute] = &[
    scim!(GET "/scim/v2/Users", users),
    scim!(POST "/scim/v2/Users", create),
    scim!(POST "/scim/v2/Users/.search", search),
    scim!(GET "/scim/v2/Users/{id}", user),
    scim!(PUT "/scim/v2/Users/{id}", replace),
    scim!(PATCH "/scim/v2/Users/{id}", modify),
    scim!(DELETE "/scim/v2/Users/{id}", delete),
    scim!(POST "/scim/v2/.search", search),
    scim!(GET "/scim/v2/ServiceProviderConfig", service_provider_config),
    scim!(GET "/scim/v2/ResourceTypes", resource_types),
    scim!(GET "/scim/v2/ResourceTypes/{name}", resource_type),
    scim!(GET "/scim/v2/Schemas", schemas),
    scim!(GET "/scim/v2/Schemas/{id}", schema),
    scim!(POST "/scim/v2/Bulk", not_implemented),
    scim!(GET "/scim/v2/Me", not_implemented),
];

/// The largest body that one takes, in bytes, and how long it may take to arrive.
const ENDPOINT_BODY: usize = 64 * 1024;
const ENDPOINT_TIMEOUT: Duration = Duration::from_secs(15);

async fn endpoint(route: EndpointRoute, portal: Portal, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    match tokio::time::timeout(ENDPOINT_TIMEOUT, axum::body::to_bytes(body, ENDPOINT_BODY)).await {
        Ok(Ok(body)) => (route.handler)(&portal, &Call { parts, body }).await,
        Ok(Err(_)) => (StatusCode::PAYLOAD_TOO_LARGE, "The body is too large.\n").into_response(),
        Err(_) => (StatusCode::REQUEST_TIMEOUT, "The body took too long to arrive.\n").into_response(),
    }
}

/// Whether a request to this path may bring files, and so may take longer to arrive.
#[must_use]
pub fn takes_files(path: &str) -> bool {
    path.strip_prefix("/do/").is_some_and(|endpoint| FUNCTIONS.iter().any(|f| f.endpoint == endpoint && f.files.is_some()))
}

/// The stream of what changes, and who may open it.
pub const LIVE: (&str, Access) = (live::PATH, SignedIn);

/// What is open to whoever has to set up a second factor first: that, and leaving. The last three are for everyone.
const WITHOUT_FACTOR: &[&str] = &[
    factors::SET_UP,
    "/do/add_app",
    factors::PASSKEY,
    "/do/begin_passkey",
    "/do/add_passkey",
    "/do/ask_passkey",
    "/do/use_passkey",
    "/do/sign_out",
    "/login/signout",
    "/sign-in",
    "/do/sign_in",
    factors::SECOND_STEP,
    "/do/finish_sign_in",
    "/do/choose_theme",
    "/docs/api",
    "/dev/mail",
];

/// Whether a path is open to whoever has to set up a second factor first.
#[must_use]
pub fn is_open_without_factor(path: &str) -> bool {
    WITHOUT_FACTOR.contains(&path) || path.starts_with("/dev/mail/")
}

/// Other addresses that answer: for machines, and the browser's files.
pub const OTHERS: &[&str] = &[
    "/healthz",
    "/readyz",
    "/brand.css",
    "/logo",
    "/speculation-rules.json",
    "/robots.txt",
    "/.well-known/security.txt",
    "/favicon.ico",
    "/assets/{*path}",
    "/pkg/{*path}",
];

/// The pages as a service of their own, so that the form door can draw one again.
#[derive(Clone)]
pub struct Routes {
    /// The portal.
    pub portal: Portal,
    pages: Arc<std::sync::OnceLock<Router>>,
}

impl Routes {
    /// Makes the router of the table.
    #[must_use]
    pub fn new(portal: Portal) -> Self {
        let routes = Self { portal, pages: Arc::default() };
        let mut pages = Router::new();
        for &route in PAGES {
            pages = pages.route(
                route.path,
                get(move |State(routes): State<Self>, request: Request| async move { routes.page(route, request).await }),
            );
        }
        let pages = pages
            .fallback(|State(routes): State<Self>, request: Request| async move { routes.error(request, Refusal::NotFound).await })
            .method_not_allowed_fallback(|State(routes): State<Self>, request: Request| async move {
                let mut response = routes.error(request, Refusal::NotFound).await;
                *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
                response
            })
            // A page needs the portal and no other page: holding the router itself would keep it alive for ever.
            .with_state(Self { portal: routes.portal.clone(), pages: Arc::default() });
        let _ = routes.pages.set(pages);
        routes
    }

    /// The pages, as a service.
    pub fn pages(&self) -> Router {
        self.pages.get().cloned().unwrap_or_default()
    }

    /// The whole: pages, the form door, the addresses for machines.
    pub fn router(&self) -> Router {
        let mut router = Router::new();
        for &route in ENDPOINTS {
            let mut methods = MethodRouter::new();
            for filter in route.methods.iter().filter_map(|method| MethodFilter::try_from(method.clone()).ok()) {
                let handler = move |State(routes): State<Self>, request: Request| endpoint(route, routes.portal, request);
                methods = methods.on(filter, handler);
            }
            router = router.route(route.path, methods);
        }
        let router = router
            .route("/do/{function}", axum::routing::any(door::handle))
            .route(LIVE.0, get(stream))
            .route("/healthz", get(|| async { "ok\n" }))
            .route("/readyz", get(ready))
            .route("/brand.css", get(brand))
            .route("/logo", get(logo))
            .route("/speculation-rules.json", get(speculation_rules))
            .route("/robots.txt", get(|| async { ROBOTS }))
            .route("/.well-known/security.txt", get(security_txt))
            .route("/favicon.ico", get(|| async { axum::response::Redirect::permanent(&crate::assets::address("favicon.svg")) }))
            .route("/assets/{*path}", get(crate::assets::serve))
            .route("/pkg/{*path}", get(crate::assets::serve))
            .with_state(self.clone());
        router.fallback_service(self.pages())
    }

    async fn page(&self, route: PageRoute, request: Request) -> Response {
        let (parts, _) = request.into_parts();
        let visit = match Visit::from_parts(self.portal.clone(), &parts).await {
            Ok(visit) => visit,
            Err(failure) => {
                let caller = parts.extensions.get::<Caller>().cloned().unwrap_or_else(Caller::system);
                let visit = Visit::plain(self.portal.clone(), &parts, caller, None);
                return shell::answer(visit, parts, Err(failure)).await;
            }
        };
        let outcome = match self.admit(route.access, &visit).await {
            Ok(None) => (route.handler)(&visit).await,
            Ok(Some(place)) => Ok(Answer::SeeOther(place)),
            Err(failure) => Err(failure),
        };
        shell::answer(visit, parts, outcome).await
    }

    /// The first look at who comes; the same table tells the browser what to hide.
    async fn admit(&self, access: Access, visit: &Visit) -> Result<Option<String>, Failure> {
        match access {
            Anyone => Ok(None),
            Loopback => {
                if dev_mail::allowed(visit) {
                    Ok(None)
                } else {
                    Err(Refusal::NotFound.into())
                }
            }
            SignedIn => visit.caller.actor.as_ref().map(|_| None).ok_or_else(|| sign_in_required().into()),
            Member(permission) => match (&visit.caller.actor, &visit.membership) {
                (None, _) => Err(sign_in_required().into()),
                (Some(_), None) if let Some((_, reason)) = &visit.suspended => Err(Refusal::Suspended(reason.clone()).into()),
                (Some(_), Some(membership)) if membership.role.may(permission) => Ok(None),
                (Some(_), _) => Err(Refusal::NotFound.into()),
            },
            Operator => {
                let Some(actor) = visit.caller.actor.as_ref().filter(|actor| actor.operator) else { return Err(Refusal::NotFound.into()) };
                let standing = guard::standing(&mut self.portal.read().await?, actor, self.portal.clock.now()).await?;
                let due = standing.ok_or(Refusal::NotFound)?.password_due;
                Ok((due && visit.path != operator::PASSWORD).then(|| operator::PASSWORD.to_owned()))
            }
        }
    }

    /// A page that is the answer to a form, as if it stood at the address in the head.
    pub async fn show(&self, parts: Parts, page: Page) -> Response {
        let visit = match Visit::from_parts(self.portal.clone(), &parts).await {
            Ok(visit) => visit,
            // What it shows is shown once: it is drawn with less around it.
            Err(_) => {
                let caller = parts.extensions.get::<Caller>().cloned().unwrap_or_else(Caller::system);
                Visit::plain(self.portal.clone(), &parts, caller, None)
            }
        };
        shell::answer(visit, parts, Ok(page.into())).await
    }

    /// A page that says why there is none.
    pub async fn error(&self, request: Request, refusal: Refusal) -> Response {
        let (parts, _) = request.into_parts();
        self.error_for(parts, refusal).await
    }

    /// The same, of the head of a request.
    pub async fn error_for(&self, parts: Parts, refusal: Refusal) -> Response {
        let caller = parts.extensions.get::<Caller>().cloned().unwrap_or_else(Caller::system);
        let visit = match Visit::from_parts(self.portal.clone(), &parts).await {
            Ok(visit) if refusal != Refusal::Unavailable => visit,
            _ => Visit::plain(self.portal.clone(), &parts, caller, None),
        };
        shell::refused(visit, parts, refusal).await
    }
}

/// What search engines stay away from: links with a secret, and what is no page. Pages behind a session lead them to the
/// page to sign in, the one that people look for (`docs/decisions/0020-what-search-engines-may-show.md`).
const ROBOTS: &str = "User-agent: *\nDisallow: /do/\nDisallow: /dev/\nDisallow: /live\nDisallow: /invitation\nDisallow: /verify-email\nDisallow: /reset-password\nDisallow: /confirm-email\nDisallow: /oauth2/\nDisallow: /login/signout\nDisallow: /sign-in?\nDisallow: /sign-in/\nDisallow: /sign-up?\n";

/// Which pages a browser may load ahead while the pointer rests on their link. Opening a page changes nothing; left out
/// is what is no page, what is saved as a file, and what holds the secret of a link.
const SPECULATION_RULES: &str = r#"{"prefetch":[{"source":"document","eagerness":"moderate","where":{"and":[{"href_matches":"/*"},{"not":{"href_matches":["/do/*","/dev/*","/assets/*","/oauth2/*","/login/*","/sign-in/*","/*.*","/*\\?*token=*","/*\\?*invitation=*"]}},{"not":{"selector_matches":"[download],[target],[data-list],[data-dialog],[data-close]"}}]}}]}"#;

async fn speculation_rules() -> Response {
    let headers = [(header::CONTENT_TYPE, "application/speculationrules+json"), (header::CACHE_CONTROL, "public, max-age=86400")];
    (headers, SPECULATION_RULES).into_response()
}

/// Whom to tell of a vulnerability (RFC 9116), where the operator has said so. It is good for half a year from the day
/// on which it is read.
async fn security_txt(State(routes): State<Routes>) -> Response {
    let Some(contact) = routes.portal.config.security_contact() else {
        return (StatusCode::NOT_FOUND, "No contact is configured.\n").into_response();
    };
    let expires = routes.portal.clock.now().plus(180 * DAY).iso_date();
    let text = format!(
        "Contact: {contact}\nExpires: {expires}T00:00:00Z\nPreferred-Languages: en\nCanonical: {}/.well-known/security.txt\n",
        routes.portal.config.base()
    );
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, "public, max-age=86400")], text).into_response()
}

/// The operator's logo.
async fn logo(State(routes): State<Routes>) -> Response {
    let Some(logo) = &routes.portal.config.logo else {
        return (StatusCode::NOT_FOUND, "There is no logo.\n").into_response();
    };
    let headers = [(header::CONTENT_TYPE, logo.kind), (header::CACHE_CONTROL, "public, max-age=86400")];
    (headers, Body::from(logo.bytes.to_vec())).into_response()
}

/// What changes, for who is signed in.
async fn stream(State(routes): State<Routes>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let asks = live::stream::Asks {
        who_is: |portal, actor| Box::pin(sessions::actions::still(portal, actor)),
        awaited: |portal, actor| Box::pin(customers::actions::awaited(portal, actor)),
    };
    live::stream::answer(&routes.portal, &parts, asks).await
}

/// Whether this process can serve: the database answers.
async fn ready(State(routes): State<Routes>) -> Response {
    let pending = routes.portal.db.pending().await;
    match pending {
        Ok(crate::db::Pending(0)) => "ready\n".into_response(),
        Ok(_) => (StatusCode::SERVICE_UNAVAILABLE, "the database's schema is older than the program\n").into_response(),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n").into_response(),
    }
}

/// The operator's colour, as a stylesheet of its own: the policy allows no styles in pages.
async fn brand(State(routes): State<Routes>) -> Response {
    let colour = &routes.portal.config.accent_colour;
    let css = if colour.is_empty() { String::new() } else { format!(":root{{--brand-accent:{colour}}}\n") };
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "public, max-age=300")], Body::from(css)).into_response()
}
