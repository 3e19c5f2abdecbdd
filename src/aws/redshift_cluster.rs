//! `redshift_cluster`. Creating sends everything at once; changes go in separate calls, each after the cluster has
//! become available again. The password is AWS's affair: it manages it in Secrets Manager and we never see it.

use crate::Aws;
use crate::connection::Pace;
use crate::ec2;
use crate::error::{Doing, Pages, Result, Says, accept, found};
use crate::glue;
use crate::looks::Wait;
use crate::provider::{
    self, answers, ask_created, ask_updated, changes, claim, keep, live, maybe, name_of, names, outputs, set_change,
    typed,
};
use crate::redshift;
use crate::tags::{self, Tags, sdk_tags};
use crate::wait::{Look, Patience, busy, hidden, retry, until};
use aws_sdk_redshift::types::{Cluster, Tag};
use lakeform_engine::cloud::{Ask, Create, Delete, Meaning, Progress, Report, Update};
use lakeform_engine::plan::PENDING_REBOOT;
use lakeform_engine::{CloudError, Live};
use serde::{Deserialize, Serialize};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::time::sleep;

const KIND: &str = "cluster";

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Wanted {
    identifier: String,
    #[serde(default = "dev")]
    database: String,
    #[serde(default = "admin")]
    user: String,
    #[serde(default = "smallest")]
    node_type: String,
    #[serde(default = "one")]
    nodes: i32,
    #[serde(default = "usual_port")]
    port: i32,
    subnet_group: String,
    #[serde(default)]
    security_groups: Vec<String>,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    default_role: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parameter_group: Option<String>,
    #[serde(default)]
    public: bool,
    #[serde(default = "yes")]
    enhanced_vpc_routing: bool,
    #[serde(default = "yes")]
    encrypted: bool,
    #[serde(default = "one")]
    snapshot_days: i32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    maintenance_window: Option<String>,
    #[serde(default = "yes")]
    version_upgrade: bool,
    #[serde(default)]
    tags: Tags,
}

fn dev() -> String {
    "dev".to_owned()
}

fn admin() -> String {
    "admin".to_owned()
}

fn smallest() -> String {
    "ra3.large".to_owned()
}

fn one() -> i32 {
    1
}

fn usual_port() -> i32 {
    5439
}

fn yes() -> bool {
    true
}

impl Wanted {
    fn cluster_type(&self) -> &'static str {
        if self.nodes == 1 { "single-node" } else { "multi-node" }
    }

    /// Redshift refuses a number of nodes for a single-node cluster.
    fn number_of_nodes(&self) -> Option<i32> {
        (self.nodes > 1).then_some(self.nodes)
    }
}

fn folded(ask: &Ask) -> Option<String> {
    name_of(ask, "identifier").map(|name| name.to_ascii_lowercase())
}

pub(crate) async fn read(aws: &Aws, asks: &[Ask]) -> Result<Vec<Option<Live>>> {
    let names = names(asks, "identifier");
    let clusters = match names.as_slice() {
        [] => return Ok(vec![None; asks.len()]),
        [name] => describe(aws, &name.to_ascii_lowercase()).await?.into_iter().collect(),
        _ => all(aws).await?,
    };
    let lives = clusters.into_iter().map(|cluster| {
        let id = cluster.cluster_identifier.clone();
        let ask = asks.iter().find(|ask| folded(ask) == id);
        to_live(cluster, ask)
    });
    let mut answers = answers(asks, lives, folded);
    ec2::hide_default_groups(aws, asks, &mut answers).await?;
    Ok(answers)
}

async fn all(aws: &Aws) -> Result<Vec<Cluster>> {
    aws.redshift
        .describe_clusters()
        .max_records(100)
        .into_paginator()
        .items()
        .send()
        .all("read Redshift clusters")
        .await
}

/// Begins to wait for a cluster.
fn wait(aws: &Aws, id: &str) -> Wait {
    aws.connection.looks.wait(KIND, id)
}

/// Looks at a cluster, together with all others that are waited for.
async fn look(aws: &Aws, wait: &Wait) -> Result<Option<Cluster>> {
    wait.look(aws.connection.fresh(), async |names| {
        let clusters = match names.as_slice() {
            [name] => describe(aws, name).await?.into_iter().collect(),
            _ => all(aws).await?,
        };
        let named = |cluster: Cluster| Some((cluster.cluster_identifier.clone()?, cluster));
        Ok(clusters.into_iter().filter_map(named).collect())
    })
    .await
}

async fn describe(aws: &Aws, id: &str) -> Result<Option<Cluster>> {
    let answer = aws
        .redshift
        .describe_clusters()
        .cluster_identifier(id)
        .send()
        .await
        .doing("read the Redshift cluster");
    Ok(found(answer)?.and_then(|answer| answer.clusters.unwrap_or_default().pop()))
}

fn to_live(cluster: Cluster, ask: Option<&Ask>) -> Live {
    let id = cluster.cluster_identifier.clone().unwrap_or_default();
    let (tags, owner) = tags::split(redshift::tag_pairs(cluster.tags()));
    let mut security_groups: Vec<String> = cluster
        .vpc_security_groups()
        .iter()
        .filter_map(|group| group.vpc_security_group_id.clone())
        .collect();
    security_groups.sort();
    let mut roles: Vec<String> = cluster
        .iam_roles()
        .iter()
        .filter(|role| role.apply_status.as_deref() != Some("removing"))
        .filter_map(|role| role.iam_role_arn.clone())
        .collect();
    roles.sort();
    let groups = cluster.cluster_parameter_groups();
    let parameter_group = groups.first().and_then(|group| group.parameter_group_name.clone());
    let endpoint = cluster.endpoint.as_ref();
    let host = endpoint.and_then(|endpoint| endpoint.address.clone());
    let port = endpoint.and_then(|endpoint| endpoint.port).unwrap_or_else(usual_port);
    let reboot = waits_for_reboot(&cluster);
    let mut extras = Vec::new();
    if let Some(pending) = &cluster.pending_modified_values {
        let changes = [
            pending.node_type.as_ref().map(|to| format!("node type {to}")),
            pending.number_of_nodes.map(|to| format!("{to} nodes")),
            pending.cluster_version.as_ref().map(|to| format!("version {to}")),
            pending.encryption_type.as_ref().map(|to| format!("encryption {to}")),
        ];
        extras.extend(
            changes
                .into_iter()
                .flatten()
                .map(|change| format!("a change under way to {change}")),
        );
    }
    let wanted = Wanted {
        identifier: id.clone(),
        database: cluster.db_name.clone().unwrap_or_else(dev),
        user: cluster.master_username.clone().unwrap_or_default(),
        node_type: cluster.node_type.clone().unwrap_or_default(),
        nodes: cluster.number_of_nodes.unwrap_or(1),
        port,
        subnet_group: cluster.cluster_subnet_group_name.clone().unwrap_or_default(),
        security_groups,
        roles,
        default_role: cluster.default_iam_role_arn.clone().filter(|arn| !arn.is_empty()),
        parameter_group: parameter_group.filter(|name| !name.starts_with("default.")),
        public: cluster.publicly_accessible.unwrap_or_default(),
        enhanced_vpc_routing: cluster.enhanced_vpc_routing.unwrap_or_default(),
        encrypted: cluster.encrypted.unwrap_or_default(),
        snapshot_days: cluster.automated_snapshot_retention_period.unwrap_or_default(),
        maintenance_window: cluster
            .preferred_maintenance_window
            .as_ref()
            .map(|window| window.to_ascii_lowercase()),
        version_upgrade: cluster.allow_version_upgrade.unwrap_or_default(),
        tags,
    };
    let outputs = outputs! {
        identifier: id.as_str(),
        arn: maybe(cluster.cluster_namespace_arn.as_deref()),
        endpoint: maybe(host.as_ref().map(|host| format!("{host}:{port}")).as_deref()),
        host: maybe(host.as_deref()),
        port: i64::from(port),
        database: wanted.database.as_str(),
        user: wanted.user.as_str(),
        secret: maybe(cluster.master_password_secret_arn.as_deref()),
        target: format!("cluster:{id}/{}/{}", wanted.database, wanted.user),
    };
    let mut live = live(&id, &wanted, outputs, owner);
    live.going = is_going(cluster.cluster_status.as_deref());
    live.status = cluster.cluster_status.filter(|status| status != "available");
    if reboot && live.status.is_none() {
        live.status = Some(PENDING_REBOOT.to_owned());
    }
    live.extras = extras;
    if let Some(ask) = ask {
        keep(&mut live, &ask.fields, &["final_snapshot"]);
    }
    live
}

pub(crate) async fn create(aws: &Aws, create: &Create, report: Report<'_>) -> Result<Live> {
    let doing = "create the Redshift cluster";
    let wanted: Wanted = typed(&create.fields)?;
    let id = wanted.identifier.to_ascii_lowercase();
    let ask = ask_created(create, &id);
    let tags = tags::join(&create.owner, &wanted.tags);
    let made = retry(glue::patience(aws), report, role_lag, async || {
        aws.redshift
            .create_cluster()
            .cluster_identifier(&id)
            .db_name(&wanted.database)
            .master_username(&wanted.user)
            .manage_master_password(true)
            .cluster_type(wanted.cluster_type())
            .node_type(&wanted.node_type)
            .set_number_of_nodes(wanted.number_of_nodes())
            .port(wanted.port)
            .cluster_subnet_group_name(&wanted.subnet_group)
            .set_vpc_security_group_ids(Some(wanted.security_groups.clone()).filter(|groups| !groups.is_empty()))
            .set_iam_roles(Some(wanted.roles.clone()).filter(|roles| !roles.is_empty()))
            .set_default_iam_role_arn(wanted.default_role.clone())
            .set_cluster_parameter_group_name(wanted.parameter_group.clone())
            .publicly_accessible(wanted.public)
            .enhanced_vpc_routing(wanted.enhanced_vpc_routing)
            .encrypted(wanted.encrypted)
            .automated_snapshot_retention_period(wanted.snapshot_days)
            .manual_snapshot_retention_period(-1)
            .set_preferred_maintenance_window(wanted.maintenance_window.clone())
            .allow_version_upgrade(wanted.version_upgrade)
            .set_tags(Some(sdk_tags!(tags, Tag)))
            .send()
            .await
            .doing(doing)
    })
    .await;
    let shown = async || read(aws, std::slice::from_ref(&ask)).await;
    claim(aws, made.map_err(with_capacity_hint), create, report, shown).await?;
    report(Progress::Made { id: id.clone() });
    available(aws, &id, doing, report).await?;
    provider::visible(aws, doing, report, shown).await
}

/// A role made a moment ago.
pub(crate) fn role_lag(error: &CloudError) -> Option<&'static str> {
    let role = error.message.contains("role") || error.message.contains("Role");
    let refused = error.message.contains("not valid")
        || error.message.contains("not authorized")
        || error.message.contains("does not exist");
    (error.is(Meaning::Invalid) && role && refused).then_some("the role is not yet visible to Redshift")
}

fn with_capacity_hint(error: CloudError) -> CloudError {
    match error.has_code(&["InsufficientClusterCapacity", "InsufficientClusterCapacityFault"]) {
        true => error.hint("another node type, or a subnet group in another zone, may have room"),
        false => error,
    }
}

/// Waits until the cluster is available and its roles are in place. Only the states that Redshift never leaves by
/// itself are failures; whatever else it says is on its way.
async fn available(aws: &Aws, id: &str, doing: &str, report: Report<'_>) -> Result<()> {
    let wait = wait(aws, id);
    until(patience(aws, 4500), doing, report, async || {
        let Some(cluster) = look(aws, &wait).await? else {
            return Ok(Look::Pending("not yet visible to Redshift".to_owned()));
        };
        let status = cluster.cluster_status.as_deref().unwrap_or_default();
        let availability = cluster.cluster_availability_status.as_deref().unwrap_or_default();
        if status.starts_with("incompatible-")
            || matches!(status, "hardware-failure" | "storage-full")
            || availability == "Failed"
        {
            return Err(CloudError::new(
                Meaning::Failed,
                doing,
                format!("the cluster is in the state `{status}`"),
            ));
        }
        let roles_settled = cluster
            .iam_roles()
            .iter()
            .all(|role| matches!(role.apply_status.as_deref(), Some("in-sync") | None));
        Ok(match status {
            "available" if !roles_settled => Look::Pending("its roles are being applied".to_owned()),
            "available" => Look::Done(()),
            "paused" => Look::Done(()),
            status => Look::Pending(status.to_owned()),
        })
    })
    .await
}

fn patience(aws: &Aws, limit_s: u64) -> Patience {
    match aws.connection.pace {
        Pace::Quick => Patience::new(Pace::Quick, 120),
        Pace::Aws => Patience::slow(Pace::Aws, limit_s),
    }
}

pub(crate) async fn update(aws: &Aws, update: &Update, report: Report<'_>) -> Result<Live> {
    let doing = "change the Redshift cluster";
    let wanted: Wanted = typed(&update.fields)?;
    let id = &update.id;
    let ask = ask_updated(update);
    redshift::retag(aws, KIND, update).await?;
    let present = provider::one(read(aws, std::slice::from_ref(&ask)).await?, doing)?;
    if is_paused(present.status.as_deref()) && update.changed.iter().any(|field| field != "tags") {
        resume(aws, id, report).await?;
    }
    let present: Wanted = typed(&present.fields)?;
    modify(aws, update, &wanted, report).await?;
    if changes(update, &["node_type", "nodes"]) {
        resize(aws, id, &wanted, report).await?;
    }
    if changes(update, &["roles", "default_role"]) {
        let (add, remove) = set_change(&present.roles, &wanted.roles);
        step(aws, id, report, async || {
            aws.redshift
                .modify_cluster_iam_roles()
                .cluster_identifier(id)
                .set_add_iam_roles(Some(add.clone()).filter(|roles| !roles.is_empty()))
                .set_remove_iam_roles(Some(remove.clone()).filter(|roles| !roles.is_empty()))
                // Empty text takes the default away; leaving it out would keep it.
                .default_iam_role_arn(wanted.default_role.clone().unwrap_or_default())
                .send()
                .await
                .doing("change the cluster's roles")
        })
        .await?;
    }
    if changes(update, &["encrypted"]) {
        step(aws, id, report, async || {
            let request = aws
                .redshift
                .modify_cluster()
                .cluster_identifier(id)
                .encrypted(wanted.encrypted);
            request.send().await.doing("change the cluster's encryption")
        })
        .await?;
    }
    reboot_if_due(aws, update, wanted.parameter_group.as_deref(), report).await?;
    provider::one(read(aws, &[ask]).await?, doing)
}

/// Reboots the cluster if parameters wait for that. Redshift may not say so at once of those that were changed just now.
async fn reboot_if_due(aws: &Aws, update: &Update, group: Option<&str>, report: Report<'_>) -> Result<()> {
    let id = &update.id;
    let mut pauses = hidden(aws.connection.pace).take(3);
    loop {
        let due = match changes(update, &["parameter_group"]) {
            true => true,
            false => describe(aws, id).await?.as_ref().is_some_and(waits_for_reboot),
        };
        if due {
            let request = aws.redshift.reboot_cluster().cluster_identifier(id);
            return step(aws, id, report, async || {
                request.clone().send().await.doing("reboot the cluster")
            })
            .await;
        }
        match pauses.next().filter(|_| group.is_some() && update.changed.is_empty()) {
            Some(pause) => sleep(pause).await,
            None => return Ok(()),
        }
    }
}

fn waits_for_reboot(cluster: &Cluster) -> bool {
    let groups = cluster.cluster_parameter_groups().iter();
    let mut states = groups.filter_map(|group| group.parameter_apply_status.as_deref());
    states.any(|state| state == PENDING_REBOOT)
}

/// What `ModifyCluster` takes in one call.
async fn modify(aws: &Aws, update: &Update, wanted: &Wanted, report: Report<'_>) -> Result<()> {
    const GENERAL: &[&str] = &[
        "security_groups",
        "parameter_group",
        "public",
        "enhanced_vpc_routing",
        "snapshot_days",
        "maintenance_window",
        "version_upgrade",
        "port",
    ];
    if !changes(update, GENERAL) {
        return Ok(());
    }
    let when = |field: &str| changes(update, &[field]);
    let groups = match when("security_groups") {
        true => {
            let vpc = describe(aws, &update.id).await?.and_then(|cluster| cluster.vpc_id);
            Some(ec2::groups_or_default(aws, &wanted.security_groups, &vpc.unwrap_or_default()).await?)
        }
        false => None,
    };
    let request = aws
        .redshift
        .modify_cluster()
        .cluster_identifier(&update.id)
        .set_vpc_security_group_ids(groups)
        .set_cluster_parameter_group_name(when("parameter_group").then(|| {
            wanted
                .parameter_group
                .clone()
                .unwrap_or_else(|| "default.redshift-2.0".to_owned())
        }))
        .set_publicly_accessible(when("public").then_some(wanted.public))
        .set_enhanced_vpc_routing(when("enhanced_vpc_routing").then_some(wanted.enhanced_vpc_routing))
        .set_automated_snapshot_retention_period(when("snapshot_days").then_some(wanted.snapshot_days))
        .set_preferred_maintenance_window(wanted.maintenance_window.clone().filter(|_| when("maintenance_window")))
        .set_allow_version_upgrade(when("version_upgrade").then_some(wanted.version_upgrade))
        .set_port(when("port").then_some(wanted.port));
    step(aws, &update.id, report, async || {
        request.clone().send().await.doing("change the cluster")
    })
    .await
}

/// Elastic first, which takes minutes; what it cannot do is done the classic way, which takes hours.
async fn resize(aws: &Aws, id: &str, wanted: &Wanted, report: Report<'_>) -> Result<()> {
    let request = aws
        .redshift
        .resize_cluster()
        .cluster_identifier(id)
        .cluster_type(wanted.cluster_type())
        .node_type(&wanted.node_type)
        .set_number_of_nodes(wanted.number_of_nodes());
    let elastic = step(aws, id, report, async || {
        request.clone().classic(false).send().await.doing("resize the cluster")
    })
    .await;
    match elastic {
        Err(error) if error.has_code(&["UnsupportedOptionFault", "UnsupportedOperation", "UnsupportedOption"]) => {
            report(Progress::State(
                "elastic resize is not possible, resizing the classic way".to_owned(),
            ));
            step(aws, id, report, async || {
                request.clone().classic(true).send().await.doing("resize the cluster")
            })
            .await
        }
        other => other,
    }
}

/// Issues one change when the cluster lets us, and waits until it is through.
async fn step<T>(aws: &Aws, id: &str, report: Report<'_>, issue: impl AsyncFnMut() -> Result<T>) -> Result<()> {
    retry(redshift::patience(aws), report, busy, issue).await?;
    available(aws, id, "change the Redshift cluster", report).await
}

/// What a cluster is called after its deletion was asked for.
fn is_going(status: Option<&str>) -> bool {
    matches!(status, Some("deleting" | "final-snapshot"))
}

/// A paused cluster can neither be changed nor deleted; one that is being paused can not even be resumed yet.
fn is_paused(status: Option<&str>) -> bool {
    matches!(status, Some("paused" | "pausing"))
}

async fn resume(aws: &Aws, id: &str, report: Report<'_>) -> Result<()> {
    let doing = "resume the paused cluster";
    let wait = wait(aws, id);
    let mut asked = false;
    until(patience(aws, 3600), doing, report, async || {
        let status = look(aws, &wait)
            .await?
            .and_then(|cluster| cluster.cluster_status)
            .unwrap_or_default();
        if status == "paused" && !asked {
            let resumed = aws.redshift.resume_cluster().cluster_identifier(id).send().await;
            match resumed.doing(doing) {
                // It was paused a moment ago and does not know yet.
                Err(error) if error.is(Meaning::Busy) => {}
                other => asked = other.map(|_| true)?,
            }
        }
        Ok(match status.as_str() {
            "available" => Look::Done(()),
            status => Look::Pending(status.to_owned()),
        })
    })
    .await
}

impl Aws {
    /// Resumes a paused cluster and waits until it is available.
    pub async fn resume(&self, cluster: &str, report: Report<'_>) -> Result<()> {
        resume(self, cluster, report).await
    }
}

#[derive(Deserialize)]
struct OnlyForDelete {
    #[serde(default)]
    final_snapshot: bool,
}

pub(crate) async fn delete(aws: &Aws, delete: &Delete, report: Report<'_>) -> Result<()> {
    let doing = "delete the Redshift cluster";
    let id = &delete.id;
    let wanted: OnlyForDelete = typed(&delete.fields)?;
    let Some(cluster) = describe(aws, id).await? else {
        return Ok(());
    };
    let status = cluster.cluster_status.unwrap_or_default();
    if is_paused(Some(&status)) {
        resume(aws, id, report).await?;
    }
    if !is_going(Some(&status)) {
        let snapshot = wanted.final_snapshot.then(|| snapshot_name(id));
        retry(redshift::patience(aws), report, busy, async || {
            let request = aws
                .redshift
                .delete_cluster()
                .cluster_identifier(id)
                .skip_final_cluster_snapshot(snapshot.is_none())
                .set_final_cluster_snapshot_identifier(snapshot.clone());
            accept(request.send().await.doing(doing), Meaning::NotFound)
        })
        .await?;
    }
    let wait = wait(aws, id);
    until(patience(aws, 2400), doing, report, async || {
        Ok(match look(aws, &wait).await? {
            None => Look::Done(()),
            Some(cluster) => Look::Pending(cluster.cluster_status.unwrap_or_else(|| "deleting".to_owned())),
        })
    })
    .await
}

/// A fixed name would make the second destroy fail.
fn snapshot_name(id: &str) -> String {
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map(|time| time.as_secs())
        .unwrap_or_default();
    format!("{id}-final-{seconds}")
}
