//! The page that shows the document of all calls.

use super::{openapi, pages};
use crate::{
    db::Failure,
    visit::{Answer, Page, Visit},
};

/// `GET /docs/api`
///
/// # Errors
/// None.
pub async fn reference(visit: &Visit) -> Result<Answer, Failure> {
    let base = visit.portal.config.base();
    Ok(Page::new("API", move || pages::reference(openapi::document(), &base)).into())
}
