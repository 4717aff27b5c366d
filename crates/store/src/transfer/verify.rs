//! Comparing two databases from the first row to the last, and what they say of all time.

use std::collections::BTreeMap;

use aftercall_core::stats::Tally;
use aftercall_core::{QueueId, TenantId};

use crate::error::StoreError;
use crate::results::answer::Trust;
use crate::results::{Figures, Results};
use crate::transfer::side::Side;
use crate::transfer::tables::Table;
use crate::transfer::value::{Checksum, Row, Value, key_of, rises, shown};
use crate::transfer::{Progress, ROWS_AT_ONCE, Told, Verified};

/// Reads both from the first row to the last: what is the same is told with its checksum.
pub(super) async fn verified(
    source: &mut Side,
    destination: &mut Side,
    told: Told<'_>,
) -> Result<Vec<Verified>, StoreError> {
    let tenants = source.tenants().await?;
    let arrived = destination.tenants().await?;
    if tenants != arrived {
        let what = format!("it has the tenants {}, and not {}", arrived.join(", "), tenants.join(", "));
        return Err(StoreError::Differs { place: destination.place.clone(), what });
    }
    let mut all = Vec::new();
    for table in Table::moved() {
        for tenant in &tenants {
            let same = compared(source, destination, table, tenant, told).await?;
            if same.rows > 0 {
                all.push(same);
            }
        }
    }
    for tenant in tenants.iter().filter_map(|tenant| tenant.parse::<TenantId>().ok()) {
        figures(source, destination, &tenant).await?;
    }
    Ok(all)
}

/// Compares a tenant's rows of a table.
async fn compared(
    source: &mut Side,
    destination: &mut Side,
    table: &'static Table,
    tenant: &str,
    told: Told<'_>,
) -> Result<Verified, StoreError> {
    let mut sums = [Checksum::default(), Checksum::default()];
    let mut behind: Option<Vec<Value>> = None;
    let mut rows = 0;
    loop {
        let (here, there) = tokio::join!(
            source.page(table, tenant, behind.as_deref(), ROWS_AT_ONCE),
            destination.page(table, tenant, behind.as_deref(), ROWS_AT_ONCE)
        );
        let (here, there) = (here?, there?);
        if let Some(difference) = difference(table, &here, &there) {
            let counts = [source.count(table, tenant).await?, destination.count(table, tenant).await?];
            let [source, arrived] = counts;
            let what = format!(
                "table {}, tenant \"{tenant}\": {difference} ({source} rows where it comes from, {arrived} here)",
                table.name
            );
            return Err(StoreError::Differs { place: destination.place.clone(), what });
        }
        let Some(last) = here.last() else { break };
        behind = Some(key_of(table, last));
        for (sum, page) in sums.iter_mut().zip([&here, &there]) {
            page.iter().for_each(|row| sum.add(row));
        }
        rows += here.len() as u64;
        told(Progress::Compared(here.len()));
    }
    let [here, there] = sums.map(Checksum::shown);
    if here != there {
        let what = format!("table {}, tenant \"{tenant}\": its checksum is {there}, not {here}", table.name);
        return Err(StoreError::Differs { place: destination.place.clone(), what });
    }
    Ok(Verified { table: table.name, tenant: tenant.to_owned(), rows, checksum: there })
}

/// The first row that is not the same on both sides, in words: its key and the columns, not what is in them.
fn difference(table: &'static Table, here: &[Row], there: &[Row]) -> Option<String> {
    let longer = here.len().max(there.len());
    let place = (0..longer).find(|place| here.get(*place) != there.get(*place))?;
    let named = |row: &Row| match key_of(table, row) {
        key if key.is_empty() => "its row".to_owned(),
        key => format!("the row of {}", shown(table, &key)),
    };
    Some(match (here.get(place), there.get(place)) {
        (Some(here), Some(there)) if rises(&key_of(table, here), &key_of(table, there)) => {
            format!("{} is missing", named(here))
        }
        (Some(here), Some(there)) if key_of(table, here) == key_of(table, there) => {
            let cells = table.columns.iter().zip(here.iter().zip(there));
            let names: Vec<&str> =
                cells.filter(|(_, (a, b))| a != b).map(|(column, _)| column.name).collect();
            format!("{} differs in {}", named(here), names.join(", "))
        }
        (Some(here), None) => format!("{} is missing", named(here)),
        (_, there) => format!("{} is too many", there.map(named).unwrap_or_default()),
    })
}

/// All of a tenant's time comes to the same by the rows that were moved, and by what is counted of them.
async fn figures(source: &mut Side, destination: &mut Side, tenant: &TenantId) -> Result<(), StoreError> {
    let there = source.figures(tenant, Trust::Nothing).await?;
    let here = destination.figures(tenant, Trust::Kept).await?;
    let Some(what) = unlike(&there, &here) else { return Ok(()) };
    Err(StoreError::Differs {
        place: destination.place.clone(),
        what: format!("tenant \"{tenant}\": {what}"),
    })
}

/// The first queue or agent of which two results do not say the same.
fn unlike(there: &Results, here: &Results) -> Option<String> {
    let name = |queue: &Option<QueueId>| queue.as_ref().map(ToString::to_string).unwrap_or_default();
    let queues = |of: &Results| -> BTreeMap<String, Figures> {
        of.figures.iter().map(|of| (of.queue.as_ref().map(name).unwrap_or_default(), of.figures)).collect()
    };
    let agents = |of: &Results| -> BTreeMap<(String, String), Tally> {
        of.agents.iter().map(|of| ((name(&of.queue), of.agent.to_string()), of.tally)).collect()
    };
    if let Some(queue) = first_unlike(&queues(there), &queues(here)) {
        return Some(format!("the figures of queue \"{queue}\" are others"));
    }
    let (queue, agent) = first_unlike(&agents(there), &agents(here))?;
    Some(format!("the figures of agent \"{agent}\" in queue \"{queue}\" are others"))
}

/// The first key under which two maps do not hold the same.
fn first_unlike<K: Ord + Clone, V: PartialEq>(one: &BTreeMap<K, V>, other: &BTreeMap<K, V>) -> Option<K> {
    one.keys().chain(other.keys()).find(|key| one.get(key) != other.get(key)).cloned()
}
