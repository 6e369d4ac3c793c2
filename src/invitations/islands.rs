//! What the room's islands and pages share.

use leptos::prelude::*;

use crate::{
    permissions::Role,
    ui::{Checked, SelectField, TextField},
    words::Email,
};

/// The fields of Invite Member, the same on the page and in the dialog.
#[component]
pub fn InviteFields(
    /// The form's refusal, if it was refused.
    checked: Checked,
    /// The roles that may be given.
    roles: &'static [Role],
) -> impl IntoView {
    view! {
        <TextField name="email" label="Corporate e-mail" kind="email" value=checked.value("email", "") error=checked.error("email") maxlength=Email::MAX/>
        <SelectField
            name="role"
            label="Role"
            hint="An Admin manages members and sees customer data."
            options=roles.iter().map(|role| role.name()).collect()
            value=checked.value("role", Role::TechnicalUser.name())
            error=checked.error("role")
        />
    }
}
