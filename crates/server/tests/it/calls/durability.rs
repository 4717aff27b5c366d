//! What the API has shown is there, whatever happens then.

use super::caller::Caller;
use super::surveys;
use crate::server::eventually;

#[test]
fn a_rating_that_the_api_has_shown_outlives_the_death_of_the_server() {
    let site = surveys::site();
    let server = site.start();
    let mut call = Caller::new(&server, "brief", "csat-survey", "caller_stays").dial();
    for step in ["p", "2", "you_rated"] {
        call.step(step);
    }
    let shown = eventually("the rating", || server.rating("brief"));
    server.kill();

    let server = site.start();
    assert_eq!(server.rating("brief"), Some(shown));
    // The caller is gone, and may be asked again: the rating is not lost, doubled or changed by it.
    drop(call);
    Caller::new(&server, "brief", "csat-survey", "caller_stays").call("p 5");
    assert_eq!(server.select("SELECT cast(score AS TEXT) FROM cc_csat WHERE call_id = ?", "brief"), ["4"]);
    server.stop();
}
