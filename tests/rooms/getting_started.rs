//! Getting Started (`SPEC.md` §3.2).

use crate::{on_both, support::*};

on_both! {
    async fn it_is_the_first_page_after_sign_in_and_offers_add_organization(portal) {
        let ada = portal.sign_up("ada").await;
        let page = ada.open("/").await.is(200);
        assert_eq!(page.heading(), "Getting Started");
        assert!(page.has_link("/organization/add"), "{}", page.sketch());
        assert!(!page.has_link("/organization"), "{}", page.sketch());
    }
}
