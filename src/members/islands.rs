//! The members' island: search, order, paging, edit, remove, invite, without a reload; the same by plain links and
//! forms where it does not run.

#![allow(missing_docs, reason = "the struct that the island macro makes cannot have any")]

use leptos::{ev::SubmitEvent, prelude::*, task::spawn_local};

use super::{MemberRow, MembersPage, RoleForm, Viewer, functions};
use crate::{
    form::{Drawn, FieldErrors, FormState, Notice, Refusal},
    invitations::{InvitationRow, InviteForm, Standing, functions as invitations, islands::InviteFields},
    list::ListQuery,
    permissions::{Permission, Role},
    ui::{Ago, Checked, Date, ErrorSummary, Hidden, Icon, SelectField, icons, localize},
};

/// What stands in the dialog.
#[derive(Clone, Debug, PartialEq)]
enum Asked {
    Invite,
    Edit(MemberRow),
    Remove(MemberRow),
    Revoke(InvitationRow),
}

/// What the island holds.
#[derive(Clone, Copy)]
struct Room {
    page: RwSignal<MembersPage>,
    query: RwSignal<ListQuery>,
    invitations: RwSignal<Vec<InvitationRow>>,
    total: RwSignal<i64>,
    asked: RwSignal<Option<Asked>>,
    state: RwSignal<Option<FormState>>,
    busy: RwSignal<bool>,
    said: RwSignal<Option<String>>,
    /// Counts what was asked for, so that an answer that was overtaken is dropped.
    turn: StoredValue<u32>,
    viewer: StoredValue<Viewer>,
    drawn: StoredValue<Drawn>,
}

impl Room {
    fn may(self, permission: Permission) -> bool {
        self.viewer.with_value(|viewer| viewer.role.may(permission))
    }

    /// What a call carries: a key of its own each time.
    fn drawn(self) -> Drawn {
        let mut drawn = self.drawn.get_value();
        drawn.key = fresh_key();
        drawn
    }

    /// Asks for a page of the list, and keeps the address in step.
    fn show(self, query: ListQuery) {
        self.query.set(query.clone());
        self.reload(Some(query.to_url()));
    }

    fn reload(self, address: Option<String>) {
        let turn = self.turn.get_value() + 1;
        self.turn.set_value(turn);
        let (query, drawn) = (self.query.get_untracked(), self.drawn());
        spawn_local(async move {
            let answer = functions::list_members(query, drawn).await;
            if self.turn.get_value() != turn {
                return;
            }
            match answer {
                Ok(page) => {
                    if let Some(address) = address {
                        replace_address(&address);
                    }
                    self.page.set(page);
                }
                Err(refusal) => self.fail(&refusal),
            }
        });
    }

    /// Shows a dialog, empty of earlier refusals.
    fn ask(self, asked: Asked) {
        self.state.set(None);
        self.said.set(None);
        self.asked.set(Some(asked));
    }

    /// What was done, said once; the dialog closes.
    fn done(self, notice: Notice) {
        self.busy.set(false);
        self.asked.set(None);
        self.said.set(Some(notice.text().to_owned()));
    }

    /// A refusal in the dialog, or, where none is open, as a notice. Who is signed out or was removed is shown out.
    fn refuse(self, function: &str, refusal: Refusal, values: Vec<(String, String)>) {
        self.busy.set(false);
        if self.asked.get_untracked().is_some() && !matches!(refusal, Refusal::Unauthenticated(_)) {
            self.state.set(Some(FormState { function: function.to_owned(), refusal, values }));
        } else {
            self.fail(&refusal);
        }
    }

    fn fail(self, refusal: &Refusal) {
        self.busy.set(false);
        if matches!(refusal, Refusal::Unauthenticated(_)) {
            let _ = window().location().reload();
        }
        self.said.set(Some(refusal.message()));
    }

    fn invite(self, form: InviteForm) {
        self.busy.set(true);
        let drawn = self.drawn();
        spawn_local(async move {
            let values = vec![("form[email]".to_owned(), form.email.clone()), ("form[role]".to_owned(), form.role.clone())];
            match invitations::invite_member(form, drawn).await {
                Ok(row) => {
                    self.invitations.update(|rows| {
                        rows.retain(|other| other.id != row.id && other.email != row.email);
                        rows.insert(0, row);
                    });
                    self.done(Notice::InvitationSent);
                }
                Err(refusal) => self.refuse("invite_member", refusal, values),
            }
        });
    }

    fn change_role(self, form: RoleForm) {
        self.busy.set(true);
        let drawn = self.drawn();
        spawn_local(async move {
            let values = vec![("form[role]".to_owned(), form.role.clone())];
            match functions::change_role(form, drawn).await {
                Ok(row) => {
                    self.page.update(|page| {
                        if let Some(old) = page.rows.iter_mut().find(|old| old.id == row.id) {
                            *old = row;
                        }
                    });
                    self.done(Notice::RoleChanged);
                }
                Err(refusal) => self.refuse("change_role", refusal, values),
            }
        });
    }

    fn remove(self, form: RoleForm) {
        self.busy.set(true);
        let drawn = self.drawn();
        spawn_local(async move {
            match functions::remove_member(form, drawn).await {
                Ok(_) => {
                    self.total.update(|total| *total -= 1);
                    self.done(Notice::MemberRemoved);
                    self.reload(None);
                }
                Err(refusal) => self.refuse("remove_member", refusal, Vec::new()),
            }
        });
    }

    fn revoke(self, row: InvitationRow) {
        self.busy.set(true);
        let drawn = self.drawn();
        spawn_local(async move {
            match invitations::revoke_invitation(row.id, drawn).await {
                Ok(id) => {
                    self.invitations.update(|rows| rows.retain(|row| row.id != id));
                    self.done(Notice::InvitationRevoked);
                }
                Err(refusal) => self.refuse("revoke_invitation", refusal, Vec::new()),
            }
        });
    }

    fn resend(self, id: crate::words::InvitationId) {
        self.busy.set(true);
        let drawn = self.drawn();
        spawn_local(async move {
            match invitations::resend_invitation(id, drawn).await {
                Ok(row) => {
                    self.invitations.update(|rows| {
                        rows.retain(|other| other.id != row.id);
                        rows.insert(0, row);
                    });
                    self.done(Notice::InvitationResent);
                }
                Err(refusal) => self.fail(&refusal),
            }
        });
    }
}

/// Members and pending invitations of an organization.
#[island]
pub fn MembersRoom(
    /// The page of the list that is shown.
    page: MembersPage,
    /// What was asked for.
    query: ListQuery,
    /// The pending invitations.
    invitations: Vec<InvitationRow>,
    /// Who looks.
    viewer: Viewer,
    /// What the forms carry.
    drawn: Drawn,
    /// A form of this page that was refused.
    state: Option<FormState>,
    /// How many members there are without a filter.
    total: i64,
    /// The tabs.
    children: Children,
) -> impl IntoView {
    let organization_name = viewer.organization_name.clone();
    let refused = state.clone().map(|state| state.refusal);
    let room = Room {
        page: RwSignal::new(page),
        query: RwSignal::new(query),
        invitations: RwSignal::new(invitations),
        total: RwSignal::new(total),
        asked: RwSignal::new(None),
        state: RwSignal::new(None),
        busy: RwSignal::new(false),
        said: RwSignal::new(None),
        turn: StoredValue::new(0),
        viewer: StoredValue::new(viewer),
        drawn: StoredValue::new(drawn),
    };
    Effect::new(move |_| {
        room.page.track();
        room.invitations.track();
        request_animation_frame(localize);
    });
    Effect::new(move |_| listen_for_slash());
    view! {
        <header class="page-head">
            <div><p class="kicker">"Organization"</p><h1><bdi>{organization_name}</bdi></h1></div>
            {room.may(Permission::InviteMembers).then(|| view! {
                <div class="page-actions">
                    <a class="button primary" href="/organization/members/invite" on:click=move |event| if takes(&event) { room.ask(Asked::Invite) }>
                        <Icon inner=icons::USER_PLUS/>"Invite Member"
                    </a>
                </div>
            })}
        </header>
        {children()}
        <ErrorSummary refusal=refused/>
        {toolbar(room)}
        {move || table(room)}
        {move || pending(room)}
        {dialog(room)}
        <div role="status" aria-live="polite">
            {move || room.said.get().map(|text| view! {
                <div class="notice">
                    <Icon inner=icons::INFO large=true/>
                    <p>{text}</p>
                    <button class="icon-button" type="button" on:click=move |_| room.said.set(None)><Icon inner=icons::X/><span class="vh">"Dismiss"</span></button>
                </div>
            })}
        </div>
    }
}

fn toolbar(room: Room) -> impl IntoView {
    let query = room.query.get_untracked();
    let timer = StoredValue::new(None::<TimeoutHandle>);
    let search = move |text: String| {
        let search = text.trim().to_owned();
        if let Some(timer) = timer.get_value() {
            timer.clear();
        }
        let show = move || {
            let now = room.query.get_untracked();
            if now.q != search {
                room.show(ListQuery { q: search.clone(), after: String::new(), before: String::new(), ..now });
            }
        };
        timer.set_value(set_timeout_with_handle(show, std::time::Duration::from_millis(200)).ok());
    };
    view! {
        <div class="toolbar">
            <form class="search" role="search" method="get" action="/organization/members" on:submit=move |event: SubmitEvent| { event.prevent_default(); }>
                <Icon inner=icons::SEARCH/>
                <label class="vh" for="q">"Search members by name or e-mail"</label>
                <input
                    class="input"
                    id="q"
                    name="q"
                    type="search"
                    placeholder="Search by name or e-mail"
                    value=query.q
                    maxlength=crate::list::MAX_SEARCH.to_string()
                    autocomplete="off"
                    aria-keyshortcuts="/"
                    on:input=move |event| search(event_target_value(&event))
                />
                {(!query.sort.is_empty()).then(|| view! { <input type="hidden" name="sort" value=query.sort.clone()/> })}
                {query.descending.then(|| view! { <input type="hidden" name="order" value="desc"/> })}
                <kbd aria-hidden="true">"/"</kbd>
            </form>
        </div>
    }
}

const COLUMNS: [(&str, &str); 5] =
    [("name", "Name"), ("email", "E-mail"), ("role", "Role"), ("joined", "Joined"), ("active", "Last active")];

fn table(room: Room) -> AnyView {
    let page = room.page.get();
    let query = room.query.get_untracked();
    if page.rows.is_empty() {
        return view! {
            <div class="table-wrap">
                <div class="empty">
                    <Icon inner=icons::SEARCH large=true/>
                    <h2>"No members found"</h2>
                    <p>"Nobody's name or e-mail address holds what you searched for."</p>
                    <div class="actions"><a class="button" href="/organization/members">"Clear search"</a></div>
                </div>
            </div>
        }
        .into_any();
    }
    let head = COLUMNS.map(|(column, title)| {
        let sorted = page.sort == column;
        let next = query.sorted(column, &page.sort);
        let next = ListQuery { descending: sorted && !page.descending, ..next };
        let href = format!("/organization/members{}", next.to_url());
        let direction = if page.descending { "descending" } else { "ascending" };
        let icon = if sorted && page.descending { icons::SORT_DOWN } else { icons::SORT_UP };
        view! {
            <th scope="col" role="columnheader" aria-sort=sorted.then_some(direction)>
                <a class="sort" href=href on:click=move |event| if takes(&event) { room.show(next.clone()) }>{title}<Icon inner=icon/></a>
            </th>
        }
    });
    let (edits, removes) = (room.may(Permission::ChangeRole), room.may(Permission::ManageMembers));
    let place = |cursor: &Option<String>, after: bool| {
        cursor.clone().map(|cursor| {
            let (after, before) = if after { (cursor, String::new()) } else { (String::new(), cursor) };
            ListQuery { after, before, ..query.clone() }
        })
    };
    let (previous, next) = (place(&page.previous, false), place(&page.next, true));
    let range = page.range();
    view! {
        <div class="table-wrap">
            <table class="table" role="table">
                <caption class="vh">"Members"</caption>
                <thead role="rowgroup">
                    <tr role="row" data-label="Sort by">{head.collect_view()}<th scope="col" role="columnheader" class="actions-cell"><span class="vh">"Actions"</span></th></tr>
                </thead>
                <tbody role="rowgroup">{page.rows.into_iter().map(|row| member(room, row, edits, removes)).collect_view()}</tbody>
            </table>
        </div>
        <nav class="pager" aria-label="Pages of members">
            <p>{range}</p>
            <ul>
                <li>{step(room, previous, "Previous", "prev", icons::CHEVRON_LEFT)}</li>
                <li>{step(room, next, "Next", "next", icons::CHEVRON_RIGHT)}</li>
            </ul>
        </nav>
    }
    .into_any()
}

fn step(room: Room, query: Option<ListQuery>, words: &'static str, rel: &'static str, icon: &'static str) -> AnyView {
    let drawing = view! { <Icon inner=icon flip=true/> };
    match query {
        Some(query) => {
            let href = format!("/organization/members{}", query.to_url());
            view! { <a class="button small" rel=rel href=href on:click=move |event| if takes(&event) { room.show(query.clone()) }>{drawing}{words}</a> }.into_any()
        }
        None => view! { <span class="button small" aria-disabled="true">{drawing}{words}</span> }.into_any(),
    }
}

fn member(room: Room, row: MemberRow, edits: bool, removes: bool) -> impl IntoView {
    let own = row.own;
    let actions = (!own && (edits || removes)).then(|| {
        let (id, menu, name) = (row.id, format!("member-{}", row.id), row.name.clone());
        let edit = edits.then(|| {
            let (row, name) = (row.clone(), name.clone());
            view! {
                <a class="icon-button" href=format!("/organization/members/{id}/edit") title="Edit" on:click=move |event| if takes(&event) { room.ask(Asked::Edit(row.clone())) }>
                    <Icon inner=icons::EDIT/><span class="label">"Edit " <bdi>{name}</bdi></span>
                </a>
            }
        });
        let remove = removes.then(|| {
            let (row, name) = (row.clone(), name.clone());
            view! {
                <a class="icon-button danger" href=format!("/organization/members/{id}/remove") title="Remove" on:click=move |event| if takes(&event) { room.ask(Asked::Remove(row.clone())) }>
                    <Icon inner=icons::REMOVE/><span class="label">"Remove " <bdi>{name}</bdi></span>
                </a>
            }
        });
        view! {
            <button class="icon-button row-menu" type="button" popovertarget=menu.clone()><Icon inner=icons::MORE large=true/><span class="vh">"Actions for " <bdi>{name}</bdi></span></button>
            <div class="row-actions" id=menu popover="auto">{edit}{remove}</div>
        }
    });
    view! {
        <tr role="row" class=own.then_some("own")>
            <th scope="row" role="rowheader"><bdi>{row.name}</bdi>{own.then(|| view! { " " <span class="badge accent">"You"</span> })}</th>
            <td role="cell" class="break"><bdi>{row.email}</bdi></td>
            <td role="cell" class="nowrap" data-label="Role">{row.role.name()}</td>
            <td role="cell" class="nowrap" data-label="Joined"><Date at=row.joined_at/></td>
            <td role="cell" class="nowrap" data-label="Last active"><Ago at=row.last_active_at/></td>
            <td role="cell" class="actions-cell">{actions}</td>
        </tr>
    }
}

fn pending(room: Room) -> AnyView {
    let rows = room.invitations.get();
    if rows.is_empty() {
        return ().into_any();
    }
    let count = rows.len();
    view! {
        <section class="section" aria-labelledby="pending">
            <div class="section-head"><div><h2 id="pending">"Invitations " <span class="count">{count}</span></h2><p>"A link is used once. Sending it again replaces the earlier one."</p></div></div>
            <div class="table-wrap">
                <table class="table" role="table">
                    <caption class="vh">"Invitations"</caption>
                    <thead role="rowgroup">
                        <tr role="row">
                            <th scope="col" role="columnheader">"E-mail"</th>
                            <th scope="col" role="columnheader">"State"</th>
                            <th scope="col" role="columnheader">"Role"</th>
                            <th scope="col" role="columnheader">"Invited by"</th>
                            <th scope="col" role="columnheader">"Valid until"</th>
                            <th scope="col" role="columnheader" class="actions-cell"><span class="vh">"Actions"</span></th>
                        </tr>
                    </thead>
                    <tbody role="rowgroup">{rows.into_iter().map(|row| invitation(room, row)).collect_view()}</tbody>
                </table>
            </div>
        </section>
    }
    .into_any()
}

fn invitation(room: Room, row: InvitationRow) -> impl IntoView {
    let badge = match row.standing {
        Standing::Pending => view! { <span class="badge warn"><Icon inner=icons::CLOCK/>"Pending"</span> },
        Standing::Expired => view! { <span class="badge"><Icon inner=icons::BAN/>"Expired"</span> },
    };
    let actions = row.manageable.then(|| {
        let (id, menu, email) = (row.id, format!("invitation-{}", row.id), row.email.clone());
        let asked = row.clone();
        let resend = move |event: SubmitEvent| {
            event.prevent_default();
            room.resend(id);
        };
        view! {
            <button class="icon-button row-menu" type="button" popovertarget=menu.clone()><Icon inner=icons::MORE large=true/><span class="vh">"Actions for " <bdi>{email.clone()}</bdi></span></button>
            <div class="row-actions" id=menu popover="auto">
                <form method="post" action="/do/resend_invitation" on:submit=resend>
                    <Hidden drawn=room.drawn.get_value()/>
                    <input type="hidden" name="invitation" value=id.to_string()/>
                    <button class="icon-button" title="Resend" disabled=move || room.busy.get()><Icon inner=icons::REFRESH/><span class="label">"Resend " <bdi>{email.clone()}</bdi></span></button>
                </form>
                <a class="icon-button danger" href=format!("/organization/invitations/{id}/revoke") title="Revoke" on:click=move |event| if takes(&event) { room.ask(Asked::Revoke(asked.clone())) }>
                    <Icon inner=icons::X_CIRCLE/><span class="label">"Revoke " <bdi>{email}</bdi></span>
                </a>
            </div>
        }
    });
    view! {
        <tr role="row">
            <th scope="row" role="rowheader" class="break"><bdi>{row.email}</bdi></th>
            <td role="cell" data-label="State">{badge}</td>
            <td role="cell" class="nowrap" data-label="Role">{row.role.name()}</td>
            <td role="cell" data-label="Invited by"><bdi>{row.inviter}</bdi></td>
            <td role="cell" class="nowrap" data-label="Valid until"><Date at=row.expires_at/></td>
            <td role="cell" class="actions-cell">{actions}</td>
        </tr>
    }
}

fn dialog(room: Room) -> impl IntoView {
    let node = NodeRef::<leptos::html::Dialog>::new();
    Effect::new(move |_| {
        let open = room.asked.get().is_some();
        if let Some(dialog) = node.get() {
            set_open(&dialog, open);
        }
    });
    view! {
        <dialog class="dialog" node_ref=node aria-labelledby="dialog-title" on:close=move |_| room.asked.set(None)>
            {move || room.asked.get().map(|asked| content(room, asked))}
        </dialog>
    }
}

fn content(room: Room, asked: Asked) -> AnyView {
    let title = match &asked {
        Asked::Invite => "Invite Member",
        Asked::Edit(_) => "Edit Member",
        Asked::Remove(_) => "Remove member",
        Asked::Revoke(_) => "Revoke invitation",
    };
    let submit = {
        let asked = asked.clone();
        move |event: SubmitEvent| {
            event.prevent_default();
            if room.busy.get_untracked() {
                return;
            }
            match &asked {
                Asked::Invite => {
                    let form = InviteForm { email: field(&event, "form[email]"), role: field(&event, "form[role]") };
                    match form.parse() {
                        Ok(_) => room.invite(form),
                        Err(errors) => invalid(room, form, errors),
                    }
                }
                Asked::Edit(row) => room.change_role(RoleForm { member: row.id.to_string(), role: field(&event, "form[role]") }),
                Asked::Remove(row) => room.remove(RoleForm { member: row.id.to_string(), role: String::new() }),
                Asked::Revoke(row) => room.revoke(row.clone()),
            }
        }
    };
    let (danger, words) = match &asked {
        Asked::Invite | Asked::Edit(_) => (false, view! { "Save" }.into_any()),
        Asked::Remove(row) => (true, view! { "Remove " <bdi>{row.name.clone()}</bdi> }.into_any()),
        Asked::Revoke(_) => (true, view! { "Revoke invitation" }.into_any()),
    };
    view! {
        <div class="dialog-head">
            <h2 id="dialog-title">{title}</h2>
            <button class="icon-button" type="button" on:click=move |_| room.asked.set(None)><Icon inner=icons::X large=true/><span class="vh">"Close"</span></button>
        </div>
        <form class="dialog-body" method="post" novalidate on:submit=submit>
            {move || fields(room, asked.clone())}
            <div class="actions">
                <button class="button" type="button" autofocus=danger on:click=move |_| room.asked.set(None)>"Cancel"</button>
                <button class=if danger { "button danger" } else { "button primary" } aria-busy=move || room.busy.get().then_some("true") disabled=move || room.busy.get()>{words}</button>
            </div>
        </form>
    }
    .into_any()
}

/// What was typed does not do, seen before anything is sent.
fn invalid(room: Room, form: InviteForm, errors: FieldErrors) {
    let values = vec![("form[email]".to_owned(), form.email), ("form[role]".to_owned(), form.role)];
    room.state.set(Some(FormState { function: "invite_member".to_owned(), refusal: Refusal::Invalid(errors), values }));
}

fn fields(room: Room, asked: Asked) -> AnyView {
    let checked = Checked(room.state.get());
    let whole = checked.refusal().filter(|refusal| refusal.of_field("email").is_none() && refusal.of_field("role").is_none());
    let summary = view! { <ErrorSummary refusal=whole/> };
    match asked {
        Asked::Invite => view! { {summary}<InviteFields checked roles=room.viewer.with_value(|viewer| viewer.role.may_give())/> }.into_any(),
        Asked::Edit(row) => view! {
            {summary}
            <p><strong><bdi>{row.name}</bdi></strong><br/><span class="quiet-text"><bdi>{row.email}</bdi></span></p>
            <SelectField
                name="role"
                label="Role"
                hint="An Admin manages members and sees customer data."
                options=Role::ALL.map(Role::name).to_vec()
                value=checked.value("role", row.role.name())
                error=checked.error("role")
            />
        }
        .into_any(),
        Asked::Remove(row) => view! {
            {summary}
            <p>"Remove " <strong><bdi>{row.name}</bdi></strong> " (" <bdi>{row.email}</bdi> ")? They lose access at once, in every session. To come back, they have to be invited again."</p>
        }
        .into_any(),
        Asked::Revoke(row) => view! {
            {summary}
            <p>"Revoke the invitation of " <strong><bdi>{row.email}</bdi></strong> "? Its link stops working at once. You can invite the address again."</p>
        }
        .into_any(),
    }
}

/// Whether a click is for the island; then it is kept from the browser. One that opens another tab is not.
fn takes(event: &leptos::ev::MouseEvent) -> bool {
    if event.ctrl_key() || event.meta_key() || event.shift_key() || event.alt_key() || event.button() != 0 {
        return false;
    }
    event.prevent_default();
    true
}

#[cfg(feature = "hydrate")]
mod browser {
    use leptos::prelude::*;
    use wasm_bindgen::{JsCast as _, JsValue};

    /// The value of a field of the form that is submitted.
    pub fn field(event: &leptos::ev::SubmitEvent, name: &str) -> String {
        let form = event.target().and_then(|target| target.dyn_into::<web_sys::HtmlFormElement>().ok());
        form.and_then(|form| web_sys::FormData::new_with_form(&form).ok()).and_then(|data| data.get(name).as_string()).unwrap_or_default()
    }

    /// Opens a dialog as a modal one, or closes it.
    pub fn set_open(dialog: &web_sys::HtmlDialogElement, open: bool) {
        if open && !dialog.open() {
            let _ = dialog.show_modal();
        } else if !open && dialog.open() {
            dialog.close();
        }
    }

    /// Puts the query of what is shown into the address.
    pub fn replace_address(query: &str) {
        if let Ok(history) = window().history() {
            let _ = history.replace_state_with_url(&JsValue::NULL, "", Some(&format!("/organization/members{query}")));
        }
    }

    /// A key that nobody else uses: 128 random bits.
    pub fn fresh_key() -> String {
        let random = || (js_sys::Math::random() * 4_294_967_296.0) as u32;
        format!("{:08x}{:08x}{:08x}{:08x}", random(), random(), random(), random())
    }

    /// `/` leads to the search, where nothing else is typed into.
    pub fn listen_for_slash() {
        let handle = window_event_listener(leptos::ev::keydown, |event| {
            let typing =
                document().active_element().is_some_and(|element| matches!(element.tag_name().as_str(), "INPUT" | "TEXTAREA" | "SELECT"));
            if event.key() == "/" && !typing && !event.ctrl_key() && !event.meta_key() {
                if let Some(search) = document().get_element_by_id("q").and_then(|element| element.dyn_into::<web_sys::HtmlElement>().ok())
                {
                    event.prevent_default();
                    let _ = search.focus();
                }
            }
        });
        on_cleanup(move || handle.remove());
    }
}
#[cfg(feature = "hydrate")]
use browser::{field, fresh_key, listen_for_slash, replace_address, set_open};

/// On the server nothing is pressed.
#[cfg(not(feature = "hydrate"))]
mod server {
    pub fn field(_: &leptos::ev::SubmitEvent, _: &str) -> String {
        String::new()
    }
    pub const fn set_open<T>(_: &T, _: bool) {}
    pub const fn replace_address(_: &str) {}
    pub const fn fresh_key() -> String {
        String::new()
    }
    pub const fn listen_for_slash() {}
}
#[cfg(not(feature = "hydrate"))]
use server::{field, fresh_key, listen_for_slash, replace_address, set_open};
