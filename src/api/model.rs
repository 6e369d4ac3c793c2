//! What is sent and answered. The documents are made of these types, and what their fields are is said here once.
//!
//! Every field that is sent may be missing, and unknown ones are passed over; what has to be there is refused by the use case
//! that needs it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Nothing.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Nothing {}

/// Sign-up. The link of the mail that follows leads to where the password is chosen.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
pub struct SignUpRequest {
    /// The address.
    #[schema(required)]
    #[serde(default)]
    pub email: String,
    /// The first name.
    #[schema(required)]
    #[serde(default)]
    pub first_name: String,
    /// The last name; may be empty.
    #[serde(default)]
    pub last_name: String,
}

/// Sign-in.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
pub struct SignInRequest {
    /// The address.
    #[schema(required)]
    #[serde(default)]
    pub email: String,
    /// The password.
    #[schema(required)]
    #[serde(default)]
    pub password: String,
}

/// A session that was opened.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct OpenedSession {
    /// Its id, as the list of one's sessions has it.
    pub session_id: String,
    /// When it ends if it is not used.
    #[schema(format = DateTime)]
    pub expire_time: String,
    /// How the token is sent: `Bearer`.
    pub token_type: &'static str,
    /// Seconds until it ends if it is not used.
    pub expires_in: i64,
    /// The token.
    pub access_token: String,
}

/// A session that goes on.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Refreshed {
    /// When it ends if it is not used again.
    #[schema(format = DateTime)]
    pub expire_time: String,
    /// The address of its account.
    pub email: String,
}

/// An address, to which a mail goes.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
pub struct AddressRequest {
    /// The address.
    #[schema(required)]
    #[serde(default)]
    pub email: String,
}

/// An account's names.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Profile {
    /// The address.
    pub email: String,
    /// The first name.
    pub first_name: String,
    /// The last name; may be empty.
    pub last_name: String,
    /// The portal asks nobody to accept terms: always false.
    pub tos: bool,
    /// The portal sends no advertising: always false.
    pub marketing: bool,
}

/// Names that are given to an account.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
pub struct ProfileRequest {
    /// The first name.
    #[schema(required)]
    #[serde(default)]
    pub first_name: String,
    /// The last name; may be empty.
    #[serde(default)]
    pub last_name: String,
}

/// The secret of a mail's link: of a sign-up, or to reset a password.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
pub struct ValidateTokenRequest {
    /// What stands in the link behind `token=`.
    #[schema(required)]
    #[serde(default)]
    pub activation_token: String,
}

/// The token with which the account is activated.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct StateToken {
    /// It works as long as the link does.
    pub state_token: String,
}

/// Activation: the password is chosen, by the link of a mail.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
pub struct ActivateProfileRequest {
    /// Other names than at the sign-up. A link that resets a password changes no name.
    #[serde(default)]
    pub profile: ProfileRequest,
    /// The password.
    #[schema(required)]
    #[serde(default)]
    pub password: String,
    /// The `state_token`.
    #[schema(required)]
    #[serde(default)]
    pub token: String,
}

/// An organization's name.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
pub struct OrganizationRequest {
    /// The name, 1 to 255 characters.
    #[schema(required)]
    #[serde(default)]
    pub name: String,
}

/// An organization.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Organization {
    /// Its id.
    #[schema(format = "uuid")]
    pub id: String,
    /// Its name.
    pub name: String,
    /// When it was created.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// The portal notes no later moment: as `created_at`.
    #[schema(format = DateTime)]
    pub updated_at: String,
    /// Always empty: what a customer bought is said by its entitlements.
    pub tier: String,
}

/// One organization.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct OneOrganization {
    /// It.
    pub org: Organization,
}

/// One organization, and who at the operator's looks after it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct OrganizationWithContacts {
    /// It.
    pub org: Organization,
    /// Empty texts where it is no customer, and for a Technical user.
    pub contacts: Contacts,
}

/// Whom a customer turns to.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct Contacts {
    /// Who looks after it.
    pub customer_success: Contact,
    /// Where a ticket is raised.
    pub new_ticket_url: String,
}

/// Somebody of the operator's.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct Contact {
    /// The name.
    pub name: String,
    /// The address.
    pub email: String,
}

/// The organizations of who calls: one, or none.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Organizations {
    /// They.
    pub orgs: Vec<Organization>,
}

/// The company that who calls belongs to by the operator's records.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Company {
    /// Its name.
    pub name: String,
}

/// A PMM server that connects.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
pub struct ConnectRequest {
    /// What the server calls itself.
    #[schema(required)]
    #[serde(default)]
    pub pmm_server_id: String,
    /// What people call it.
    #[schema(required)]
    #[serde(default)]
    pub pmm_server_name: String,
    /// Its address.
    #[schema(required)]
    #[serde(default)]
    pub pmm_server_url: String,
    /// Where people who sign in to it are sent back: on the host of its address.
    #[schema(required)]
    #[serde(default)]
    pub pmm_server_oauth_callback_url: String,
}

/// What a PMM server needs that is connected.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ConnectedServer {
    /// By what people sign in to it, and it itself.
    pub sso_details: SsoDetails,
    /// The organization that it is connected to.
    #[schema(format = "uuid")]
    pub org_id: String,
}

/// By what people sign in to a PMM server, and it itself.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SsoDetails {
    /// The client by which people sign in to it; without a secret.
    pub grafana_client_id: String,
    /// The client by which it signs in itself.
    pub pmm_managed_client_id: String,
    /// The secret of that one. It is shown here and nowhere else.
    pub pmm_managed_client_secret: String,
    /// The scope that it asks for.
    pub scope: &'static str,
    /// The OpenID provider's address.
    pub issuer_url: String,
}

/// PMM servers.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Inventory {
    /// The servers, the newest 1,000.
    pub inventory: Vec<InventoryItem>,
}

/// A PMM server that is connected.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct InventoryItem {
    /// What the server calls itself.
    pub pmm_server_id: String,
    /// What people call it.
    pub pmm_server_name: String,
    /// Its address.
    pub pmm_server_url: String,
}

/// Whom to invite.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
pub struct InviteRequest {
    /// The address.
    #[schema(required)]
    #[serde(default)]
    pub username: String,
    /// `Admin` or `Technical`.
    #[schema(required)]
    #[serde(default)]
    pub role: String,
}

/// Whom to invite: at most ten.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
pub struct InviteSeveralRequest {
    /// They.
    #[schema(required, min_items = 1, max_items = 10)]
    #[serde(default)]
    pub users: Vec<InviteRequest>,
}

/// Who could not be invited. The others are.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct NotInvited {
    /// They.
    pub errors: Vec<InviteError>,
}

/// Why somebody could not be invited.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct InviteError {
    /// The address.
    pub username: String,
    /// Why, in a sentence.
    pub error: String,
}

/// A role.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
pub struct RoleRequest {
    /// `Admin` or `Technical`.
    #[schema(required)]
    #[serde(default)]
    pub role: String,
}

/// Which members: all, or the one with an address.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
pub struct SearchMembersRequest {
    /// Who.
    #[serde(default)]
    pub user: UserRequest,
}

/// Somebody by their address.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
pub struct UserRequest {
    /// The address; empty for everybody.
    #[serde(default)]
    pub username: String,
}

/// The members, and those who are invited; the newest 1,000.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Members {
    /// They.
    pub members: Vec<Member>,
}

/// A member, or somebody who is invited.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Member {
    /// By which the member or the invitation is managed.
    #[schema(format = "uuid")]
    pub member_id: String,
    /// The address.
    pub username: String,
    /// Empty of who is invited.
    pub first_name: String,
    /// May be empty.
    pub last_name: String,
    /// `Admin` or `Technical`.
    pub role: &'static str,
    /// `ACTIVE`, or `PROVISIONED` of who is invited.
    pub status: &'static str,
}

/// The tickets, the newest 1,000: all for an Admin, one's own for a Technical user.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Tickets {
    /// They.
    pub tickets: Vec<Ticket>,
}

/// A ticket.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Ticket {
    /// Its number.
    pub number: String,
    /// The subject.
    pub short_description: String,
    /// In the desk's words.
    pub priority: String,
    /// In the desk's words.
    pub state: String,
    /// When it was raised.
    #[schema(format = DateTime)]
    pub create_time: String,
    /// May be empty.
    pub department: String,
    /// Who raised it; may be empty.
    pub requester: String,
    /// The same, as PMM reads it.
    pub requestor: String,
    /// The desk's own sorting; may be empty.
    pub task_type: String,
    /// Where it is read.
    pub url: String,
}

/// The entitlements, the 1,000 that end last; none where the organization is no customer.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Entitlements {
    /// They.
    pub entitlements: Vec<Entitlement>,
}

/// An entitlement.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Entitlement {
    /// Its number.
    pub number: String,
    /// Its name.
    pub name: String,
    /// What is used of it, in a sentence; empty where nothing is counted.
    pub summary: String,
    /// May be empty.
    pub tier: String,
    /// How many units were bought, in digits.
    pub total_units: String,
    /// Whether no units are counted.
    pub unlimited_units: bool,
    /// May be empty.
    pub support_level: String,
    /// The product families.
    pub software_families: Vec<String>,
    /// The first day.
    #[schema(format = DateTime)]
    pub start_date: String,
    /// The last day.
    #[schema(format = DateTime)]
    pub end_date: String,
    /// What it brings on PMM's side.
    pub platform: Platform,
}

/// Advisors are not served by the portal: empty texts, which PMM reads as no.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct Platform {
    /// Always empty.
    pub security_advisor: String,
    /// Always empty.
    pub config_advisor: String,
}

/// Which events of the audit log.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
pub struct SearchEventsRequest {
    /// Filters, order and page.
    #[serde(default)]
    pub fsp: Fsp,
}

/// Filters, order and page.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
pub struct Fsp {
    /// All of them have to hold.
    #[serde(default)]
    pub filters: Vec<EventFilter>,
    /// The order.
    #[serde(default)]
    pub sorting_params: Sorting,
    /// The page.
    #[serde(default)]
    pub page_params: Paging,
}

/// A condition.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
pub struct EventFilter {
    /// What is compared, and with what.
    #[serde(default)]
    pub field: EventField,
    /// 0 equal, 1 unequal, 2 greater, 3 greater or equal, 4 less, 5 less or equal. A `timestamp` is compared in all six ways,
    /// the others in the first two.
    #[schema(minimum = 0, maximum = 5)]
    #[serde(default)]
    pub filter_type: u8,
}

/// A field with a value.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
pub struct EventField {
    /// `timestamp`, `action_type` or `okta_user_id`.
    #[serde(default)]
    pub name: String,
    /// A moment in RFC 3339, the code of an action, or the id of an account.
    #[serde(default)]
    pub value: String,
}

/// An order.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
pub struct Sorting {
    /// `timestamp` or `action_type`; where empty, the newest come first.
    #[serde(default)]
    pub field_name: String,
    /// 0 ascending, 1 descending.
    #[schema(minimum = 0, maximum = 1)]
    #[serde(default)]
    pub order: u8,
}

/// A page.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
pub struct Paging {
    /// How many events: 50 where it is 0, at most 1,000.
    #[serde(default)]
    pub page_size: u32,
    /// Which page, from 0.
    #[serde(default)]
    pub index: u32,
}

/// A page of the audit log.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Events {
    /// The events.
    pub events: Vec<Event>,
    /// How many there are.
    pub page_totals: PageTotals,
}

/// How many there are of what was asked for.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct PageTotals {
    /// Events.
    pub total_items: i64,
    /// Pages of the size that was asked for.
    pub total_pages: i64,
}

/// An event of the audit log.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Event {
    /// Its id.
    #[schema(format = "uuid")]
    pub id: String,
    /// The account that did it; empty where it was the operator, the portal or a stranger.
    pub okta_user_id: String,
    /// The request, as the answer's header `x-request-id` named it.
    pub request_id: String,
    /// From which address.
    pub user_ip_address: String,
    /// With which program.
    pub user_agent: String,
    /// Always empty: the log does not hold which role somebody had.
    pub user_role: String,
    /// In which organization.
    #[schema(format = "uuid")]
    pub organization_id: String,
    /// The code of the action, such as `member.remove`.
    pub action_type: String,
    /// When.
    #[schema(format = DateTime)]
    pub timestamp: String,
    /// What did it: `account`, `operator`, `system` or `anonymous`.
    pub event_source: String,
    /// What came of it.
    pub action_status: ActionStatus,
    /// What it is about.
    pub objects: Vec<EventObject>,
}

/// What came of an action.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ActionStatus {
    /// 1 done, 2 refused.
    pub code: u8,
    /// Why it was refused; else empty.
    pub message: String,
}

/// What an event is about.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct EventObject {
    /// Its id; may be empty.
    pub id: String,
    /// The name that it had.
    pub name: String,
    /// `organization`, `organization_member`, `inventory`, or another kind of thing.
    pub r#type: String,
    /// What changed, as it was; of the first object alone.
    #[schema(value_type = Object)]
    pub initial_state: serde_json::Value,
    /// What changed, as it is.
    #[schema(value_type = Object)]
    pub result_state: serde_json::Value,
}

/// The document of all calls.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = Object)]
pub struct Document(pub serde_json::Value);

/// Why a call came to nothing.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Error {
    /// The number of gRPC's code; never 0.
    #[schema(minimum = 1)]
    pub code: u32,
    /// A sentence for people.
    pub message: String,
    /// What is wrong with which field, as a `google.rpc.BadRequest`, where fields are.
    #[schema(value_type = Vec<Object>)]
    pub details: Vec<serde_json::Value>,
    /// The sentence again.
    pub error: String,
}
