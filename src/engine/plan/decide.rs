//! What happens to one resource: its fields against what is live, and what the changes around it mean for it.

use super::{Action, Change, FieldChange, owned};
use crate::address::{Address, Reference};
use crate::cloud::Live;
use crate::journal::{Ledger, Record};
use crate::kind::Kind;
use crate::normalise;
use crate::schema::{Change as How, Compare, Disruption, Need};
use crate::stack::Resource;
use crate::value::{Fields, Value};
use std::collections::BTreeMap;

/// Decides about one resource. `planned` holds what was decided for all it needs.
pub(super) fn decide(
    resource: &Resource,
    live: Option<Live>,
    record: Option<&Record>,
    planned: &BTreeMap<Address, Change>,
    generation: &str,
    forced: bool,
) -> Change {
    let lookup = |reference: &Reference| known_output(reference, planned);
    let desired: Fields = resource
        .fields
        .iter()
        .map(|(name, value)| {
            (
                name.clone(),
                given_name(resource, record, name).unwrap_or_else(|| value.resolve(&lookup)),
            )
        })
        .collect();
    let data = resource.kind().is_data();
    let remade =
        |need: &Address, wanted: &[Action]| planned.get(need).is_some_and(|change| wanted.contains(&change.action));
    // Data in a place that is new are not there, whatever the last reading says.
    let is_new = |need: &Address| planned.get(need).is_some_and(Change::begins_anew);
    let new_place = anchors(resource).find(|need| data && is_new(need)).cloned();
    let live = live.filter(|_| new_place.is_none());
    let unsettled = live
        .as_ref()
        .filter(|_| record.is_some())
        .and_then(|live| unsettled(resource, live, planned, generation));
    let mut caused_by = None;
    let (action, because, fields) = match &live {
        None => {
            let because = match (record, &new_place) {
                (Some(_), Some(place)) => format!("`{place}` is new"),
                (Some(record), None) => format!("`{}` is gone", record.id),
                (None, _) => "it is new".to_owned(),
            };
            (Action::Create, because, Vec::new())
        }
        Some(live) if live.going => {
            let because = format!("`{}` is being deleted", live.id);
            (Action::Replace, because, Vec::new())
        }
        Some(live) => {
            let fields = differences(resource, &desired, live, record);
            caused_by = anchors(resource)
                .find(|need| remade(need, &[Action::Replace]))
                .or_else(|| moved_network(resource, planned))
                .cloned();
            let replaced = fields.iter().find(|field| field.replaces);
            match (forced, &caused_by, replaced, fields.first()) {
                (true, ..) => (Action::Replace, "it was asked for".to_owned(), fields),
                (_, Some(cause), ..) => (Action::Replace, format!("`{cause}` is replaced"), fields),
                (_, None, Some(field), _) => (
                    Action::Replace,
                    format!("`{}` cannot change in place", field.name),
                    fields,
                ),
                (_, None, None, Some(_)) => (Action::Update, "it differs from the file".to_owned(), fields),
                (_, None, None, None) => match &unsettled {
                    Some((because, _)) => (Action::Update, because.clone(), fields),
                    None => (Action::Keep, String::new(), fields),
                },
            }
        }
    };
    let disruption = match action {
        Action::Replace if !live.as_ref().is_some_and(|live| live.going) => replacing(resource.kind(), &desired),
        _ => fields
            .iter()
            .map(|field| field.disruption)
            .chain(unsettled.map(|(_, disruption)| disruption))
            .max()
            .unwrap_or(Disruption::Live),
    };
    Change {
        address: resource.address.clone(),
        action,
        because,
        fields,
        desired,
        live,
        needs: resource.needs.clone(),
        protect: resource.protect,
        disruption,
        caused_by,
    }
}

/// Parameters of a cluster were changed and are not in force yet.
pub const PENDING_REBOOT: &str = "pending-reboot";

/// A name that the file does not say is that of when the object was made, whatever its address is now.
fn given_name(resource: &Resource, record: Option<&Record>, field: &str) -> Option<Value> {
    let unsaid =
        resource.kind().schema().field(field)?.need == Need::StackName && !resource.field_spans.contains_key(field);
    record?.fields.get(field).filter(|_| unsaid).cloned()
}

/// The address that an object's tags give it, when that is another one: it was moved since.
fn misnamed<'a>(address: &Address, live: &'a Live, generation: &str) -> Option<&'a Address> {
    let owner = live.owner.as_ref().filter(|owner| owner.generation == generation)?;
    (owner.address != *address).then_some(&owner.address)
}

/// Why an object that is as the file says is not done with, and what its users notice of that.
fn unsettled(
    resource: &Resource,
    live: &Live,
    planned: &BTreeMap<Address, Change>,
    generation: &str,
) -> Option<(String, Disruption)> {
    if let Some(old) = misnamed(&resource.address, live, generation) {
        return Some((format!("its tags still say `{old}`"), Disruption::Live));
    }
    match live.status.as_deref() {
        Some(PENDING_REBOOT) => return Some(("its parameters wait for a reboot".to_owned(), Disruption::Reboot)),
        // Left by an interrupted run: whatever needs it must wait until it can be used.
        Some(status) if on_its_way(status) => return Some((format!("it is still `{status}`"), Disruption::Live)),
        _ => {}
    }
    let changed = |kind: Kind, fields: &[&str]| {
        resource.needs.iter().filter(|need| need.kind == kind).find(|need| {
            let change = planned.get(need).filter(|change| change.action == Action::Update);
            change.is_some_and(|change| change.fields.iter().any(|field| fields.contains(&field.name.as_str())))
        })
    };
    match resource.kind() {
        Kind::RedshiftCluster => {
            let group = changed(Kind::RedshiftParameterGroup, &["parameters"])?;
            let because = format!("a reboot puts the parameters of `{group}` in force");
            Some((because, Disruption::Reboot))
        }
        Kind::Crawl => {
            let crawler = changed(Kind::GlueCrawler, CATALOG)?;
            Some((format!("`{crawler}` writes other tables from now on"), Disruption::Live))
        }
        _ => None,
    }
}

/// The fields of a crawler that decide which tables it writes, and where.
const CATALOG: &[&str] = &[
    "classifiers",
    "combine_schemas",
    "database",
    "exclude",
    "table_level",
    "table_prefix",
    "targets",
];

/// What it means to those who use an object that another one takes its place.
fn replacing(kind: Kind, fields: &Fields) -> Disruption {
    match holds_data(kind, fields) {
        true => Disruption::DataLoss,
        false if kind.schema().takes.create_s >= 60 => Disruption::Reboot,
        false => Disruption::Brief,
    }
}

/// Whether deleting an object loses what nobody can make again. Generated data, what a crawler wrote and what SQL
/// made can be made again.
pub(super) fn holds_data(kind: Kind, fields: &Fields) -> bool {
    let on = |name: &str| fields.get(name) == Some(&Value::Bool(true));
    match kind {
        // AWS deletes no bucket with something in it, and only so lakeform empties it.
        Kind::Bucket => on("force_destroy"),
        Kind::RedshiftCluster => !on("final_snapshot"),
        Kind::RedshiftNamespace | Kind::LogGroup => true,
        // Otherwise it can be restored for a while.
        Kind::Secret => fields.get("recovery_days") == Some(&Value::Int(0)),
        _ => false,
    }
}

/// States that an object does not leave by itself, or in which it can be used.
const SETTLED: &[&str] = &[
    "active",
    "available",
    "blackhole",
    "complete",
    "deleted",
    "deleting",
    "expired",
    "failed",
    "final-snapshot",
    "hardware-failure",
    "incompatible",
    "incomplete",
    "invalid",
    "paused",
    "ready",
    "rejected",
    "running",
    "stopping",
    "storage-full",
    "unavailable",
];

/// Whether a cloud's word for a state means that the object will soon be usable by itself. AWS has more words than it
/// documents, so an unknown one means that.
pub fn on_its_way(status: &str) -> bool {
    let status = status.to_ascii_lowercase();
    !SETTLED.iter().any(|word| status.starts_with(word))
}

/// Returns the resources that the fields which cannot change in place refer to: when one of these is replaced, this
/// one cannot stay either, even if the name in the field is the same.
fn anchors(resource: &Resource) -> impl Iterator<Item = &Address> {
    let fields = resource
        .kind()
        .schema()
        .fields
        .iter()
        .filter(|field| field.change == How::Replace);
    fields
        .filter_map(|field| resource.fields.get(field.name))
        .flat_map(|value| {
            let mut found = Vec::new();
            value.each_reference(&mut |reference| found.push(&reference.address));
            found
        })
}

/// Returns the replaced VPC behind the subnets of a group: subnets change in place, but only inside one VPC.
fn moved_network<'a>(resource: &'a Resource, planned: &'a BTreeMap<Address, Change>) -> Option<&'a Address> {
    if !matches!(resource.kind(), Kind::RedshiftSubnetGroup | Kind::RedshiftWorkgroup) {
        return None;
    }
    let subnets = resource
        .needs
        .iter()
        .filter(|need| need.kind == Kind::Subnet)
        .filter_map(|need| planned.get(need));
    subnets
        .filter_map(|subnet| subnet.caused_by.as_ref())
        .find(|cause| cause.kind == Kind::Vpc)
}

/// Returns what an output will be, when that is certain before anything is done.
fn known_output(reference: &Reference, planned: &BTreeMap<Address, Change>) -> Option<Value> {
    let change = planned.get(&reference.address)?;
    let output = reference.address.kind.schema().output(&reference.output)?;
    if let Some(field) = output.field {
        return change.desired.get(field).filter(|value| value.is_known()).cloned();
    }
    let settled = match change.action {
        Action::Keep => true,
        // An update leaves the identity of an AWS object alone, but makes new data of data.
        Action::Update => !reference.address.kind.is_data(),
        Action::Create | Action::Replace | Action::Delete | Action::Forget => false,
    };
    settled.then(|| change.live.as_ref()?.outputs.get(&reference.output).cloned())?
}

fn differences(resource: &Resource, desired: &Fields, live: &Live, record: Option<&Record>) -> Vec<FieldChange> {
    let mut changes = Vec::new();
    let null = Value::Null;
    let mut compare = |name: &str, how: How, compare: Compare, secret: bool, after: &Value| {
        let before = match compare {
            // Write-only, and its value is stored nowhere.
            Compare::Fingerprint => return,
            // What nobody remembers cannot be said to differ; the ledger learns it with this plan.
            Compare::Ledger => match record.and_then(|record| record.fields.get(name)) {
                Some(before) => before,
                None => return,
            },
            _ => live.fields.get(name).unwrap_or(&null),
        };
        if normalise::same(compare, before, after) {
            return;
        }
        // A gateway that somebody detached can be attached again.
        let detached = resource.kind() == Kind::InternetGateway && *before == Value::Null;
        let disruption = match how {
            How::Replace if !detached => replacing(resource.kind(), desired),
            How::Replace => Disruption::Brief,
            How::InPlace(disruption) => disruption,
        };
        changes.push(FieldChange {
            name: name.to_owned(),
            before: before.clone(),
            after: after.clone(),
            span: resource.span_of(name),
            replaces: how == How::Replace && !detached,
            disruption,
            secret,
        });
    };
    for field in resource.kind().schema().fields {
        match (desired.get(field.name), field.need) {
            (Some(after), _) => compare(field.name, field.change, field.compare, field.secret, after),
            (None, Need::Optional) => compare(field.name, field.change, field.compare, field.secret, &Value::Null),
            (None, _) => {}
        }
    }
    if let Some(tags) = desired.get("tags") {
        compare("tags", How::InPlace(Disruption::Live), Compare::Exact, false, tags);
    }
    changes
}

/// Whose the object is, when it is not ours to change.
pub(super) fn foreign(change: &Change, record: Option<&Record>, ledger: &Ledger) -> Option<String> {
    let live = change.live.as_ref()?;
    if record.is_some() || owned(live, ledger) {
        return None;
    }
    if live.going {
        return Some(format!(
            "`{}` is being deleted, and was not made by this stack: try again when it is gone",
            live.id
        ));
    }
    Some(match &live.owner {
        Some(owner) => format!(
            "`{}` belongs to stack `{}` ({}); choose another name, or `lakeform recover` if that is this stack",
            live.id, owner.stack, owner.address
        ),
        None => format!(
            "`{}` exists and was not made by lakeform; choose another name, or `lakeform import {} {}`",
            live.id, change.address, live.id
        ),
    })
}
