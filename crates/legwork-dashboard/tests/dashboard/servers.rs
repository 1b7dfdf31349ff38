//! The servers.

use std::time::Duration;

use legwork_core::{Incarnation, Storage as _};

use crate::shop::Shop;

#[tokio::test]
async fn live_silent_and_gone_servers_are_told_apart() {
    let shop = Shop::new().await;
    shop.register(2, "worker-2/99").await;
    shop.register(3, "old/1").await;
    shop.mail().await;
    shop.claim().await;
    shop.store.retire(Incarnation::from_bits(3)).await.unwrap();
    shop.clock.advance(Duration::from_secs(31));
    shop.store.heartbeat(Incarnation::from_bits(crate::shop::SERVER)).await.unwrap();
    let page = shop.get("/jobs/servers").await;
    page.has(&[
        "<h2>web-1/4711</h2><span class=\"badge live\">live</span>",
        "<h2>worker-2/99</h2><span class=\"badge silent\">silent</span>",
        "<h2>old/1</h2><span class=\"badge gone\">gone</span>",
        "1 of 4 workers busy",
        "id=\"s-11112222333344445555666677778888\"",
        "href=\"/jobs/enqueued?queue=mail\"",
    ]);
}
