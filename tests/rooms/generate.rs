//! `org-portal generate`: people who do not exist, by the rules of those who do.

use org_portal::{
    cli::generate::{Generated, Plan, generate},
    words::DAY,
};

use crate::support::*;

const PLAN: Plan = Plan { organizations: 40, members: 1200, seed: 7 };

async fn filled(portal: &TestPortal, plan: Plan) -> Generated {
    generate(&portal.db, plan, portal.clock.now()).await.expect("generated")
}

/// Every row, without the one secret that is new each time.
async fn rows(portal: &TestPortal) -> std::collections::BTreeMap<String, Vec<Vec<String>>> {
    portal.snapshot(&["credentials"]).await
}

crate::on_both! {
    async fn what_is_generated_keeps_every_rule_and_its_admin_can_sign_in(portal) {
        let generated = filled(portal, PLAN).await;
        assert_eq!(portal.count("SELECT count(*) FROM organizations").await, 40);
        assert_eq!(portal.count("SELECT count(*) FROM accounts").await, i64::try_from(generated.accounts).unwrap());
        // The counters are the counts, and the organization points at an Admin of its own (the schema holds that one).
        for (counter, counted) in [("members_count", "members m WHERE m.organization_id = o.id"), ("invitations_count", "invitations i WHERE i.organization_id = o.id AND i.state = 'pending'")] {
            assert_eq!(portal.count(&format!("SELECT count(*) FROM organizations o WHERE o.{counter} <> (SELECT count(*) FROM {counted})")).await, 0, "{counter}");
        }
        assert_eq!(portal.count("SELECT max(members_count) FROM organizations").await, 1200);
        assert_eq!(portal.count("SELECT count(*) FROM organizations WHERE members_count NOT BETWEEN 1 AND 3").await, 1);
        let admins = portal.count("SELECT count(*) FROM members WHERE role = 'Admin'").await - 40;
        assert!((8..60).contains(&admins), "{admins} of 1,200");
        // Spread over two years, nothing in the future, nobody active before they joined.
        let now = portal.clock.now().0;
        assert_eq!(portal.count(&format!("SELECT count(*) FROM members WHERE joined_at > {now} OR last_active_at > {now} OR last_active_at < joined_at")).await, 0);
        let (first, last) = (portal.count("SELECT min(joined_at) FROM members").await, portal.count("SELECT max(joined_at) FROM members").await);
        assert!(last - first > 650 * DAY, "{}", (last - first) / DAY);
        assert!(portal.count(&format!("SELECT count(*) FROM invitations WHERE state = 'pending' AND expires_at > {now}")).await > 0);
        assert!(portal.count(&format!("SELECT count(*) FROM invitations WHERE state = 'pending' AND expires_at < {now}")).await > 0);
        assert_eq!(portal.count("SELECT count(*) FROM outbox").await, 0, "nobody gets a mail");
        // Several scripts.
        for (script, name) in [("Cyrillic", "%Шевченко%"), ("Greek", "%Παπαδοπούλου%"), ("Chinese", "%王%"), ("Arabic", "%حداد%"), ("accents", "%Gonçalves%")] {
            assert!(portal.count(&format!("SELECT count(*) FROM members WHERE name LIKE '{name}'")).await > 0, "{script}");
        }
        // The Admin signs in, finds the members, searches them and invites one more.
        let admin = portal.browser();
        portal.sign_in_to(&admin, &generated.email, &generated.password).await.leads_to("/getting-started");
        let page = admin.get("/organization/members").await.is(200);
        assert!(page.main().contains("1,200"), "{}", page.main());
        assert!(admin.get("/organization/members?q=goncalves").await.is(200).main().contains("Gonçalves"));
        portal.invite(&admin, "new@example.com", org_portal::permissions::Role::Admin).await.is(303);
    }

    async fn the_same_seed_gives_the_same_rows_and_another_one_does_not(portal) {
        filled(portal, PLAN).await;
        let first = rows(portal).await;
        for (seed, same) in [(7, true), (8, false)] {
            let other = TestPortal::start(portal.engine, Options::default()).await;
            filled(&other, Plan { seed, ..PLAN }).await;
            assert_eq!(rows(&other).await == first, same, "seed {seed}");
            other.close().await;
        }
    }

    async fn where_somebody_is_nothing_is_generated(portal) {
        portal.sign_up("ada").await;
        let before = portal.state().await;
        let refused = generate(&portal.db, PLAN, portal.clock.now()).await.expect_err("somebody is there");
        assert!(refused.contains("only fills an empty one"), "{refused}");
        assert_eq!(portal.state().await, before);
    }
}
