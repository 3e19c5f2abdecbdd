//! The cluster: what is stored, how its states follow from the clock, and how it reads back.
//!
//! A cluster has settled properties and at most one activity with an end. Reading settles it: an activity whose end
//! has passed has taken effect. Nothing is written for that, so a crash at any time changes nothing.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::super::{Answer, Call, Fault};
use super::engines::Warehouse;
use super::network::Interface;
use super::tags::{Tags, matches_filter, shown_tags};
use super::{paged, parameters, text};

pub const CLUSTERS: &str = "redshift_cluster";

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cluster {
    pub id: String,
    pub namespace_id: String,
    pub node_type: String,
    pub nodes: u64,
    pub user: String,
    /// Absent when the password is in a managed secret.
    pub password: Option<String>,
    pub database: String,
    pub port: u64,
    pub created: f64,
    pub subnet_group: String,
    pub vpc_id: String,
    pub availability_zone: String,
    pub security_groups: Vec<String>,
    pub interfaces: Vec<Interface>,
    pub parameter_group: String,
    /// When the cluster last read its parameter group: static parameters changed since then wait for a reboot.
    pub parameters_read: f64,
    pub automated_retention_days: i64,
    pub manual_retention_days: i64,
    pub maintenance_window: String,
    pub track: String,
    pub allow_upgrade: bool,
    pub public: bool,
    pub kms_key: Option<String>,
    pub enhanced_routing: bool,
    pub relocation: bool,
    pub multi_az: bool,
    pub ip_address_type: String,
    pub extra_compute: bool,
    pub roles: Vec<AttachedRole>,
    pub default_role: Option<String>,
    pub secret_arn: Option<String>,
    pub secret_kms_key: Option<String>,
    pub elastic_ip: Option<String>,
    pub logging: Option<Logging>,
    pub tags: Tags,
    pub paused: bool,
    pub activity: Option<Activity>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AttachedRole {
    pub arn: String,
    /// Until then the role is being added.
    pub ready: f64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Logging {
    pub destination: String,
    pub bucket: Option<String>,
    pub prefix: Option<String>,
    pub exports: Vec<String>,
}

/// Something under way.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Activity {
    pub kind: Kind,
    pub started: f64,
    pub ends: f64,
    pub pending: Pending,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    Creating,
    Modifying,
    ElasticResize,
    ClassicResize,
    Rebooting,
    Pausing,
    Resuming,
    Renaming,
    FinalSnapshot,
    Deleting,
}

/// Values that take effect when the activity ends; AWS shows them as `PendingModifiedValues`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Pending {
    pub password: Option<String>,
    pub node_type: Option<String>,
    pub nodes: Option<u64>,
    pub automated_retention_days: Option<i64>,
    pub new_id: Option<String>,
    pub public: Option<bool>,
    pub enhanced_routing: Option<bool>,
    pub track: Option<String>,
}

/// How long a final snapshot takes before the deletion proper, as a part of the whole.
const FINAL_SNAPSHOT_PART: f64 = 0.4;

impl Cluster {
    pub fn arn(&self, cx: &Call) -> String {
        cx.arn("redshift", &format!("cluster:{}", self.id))
    }

    /// Lets everything take effect whose time has come. A deletion does not end here but in a write of its own.
    pub fn settle(&mut self, now: f64) {
        let over = self
            .activity
            .take_if(|activity| now >= activity.ends && !matches!(activity.kind, Kind::Deleting | Kind::FinalSnapshot));
        let Some(Activity {
            kind, pending, ends, ..
        }) = over
        else {
            return;
        };
        if let Some(password) = pending.password {
            self.password = Some(password);
        }
        if let Some(node_type) = pending.node_type {
            self.node_type = node_type;
        }
        if let Some(nodes) = pending.nodes {
            self.nodes = nodes;
        }
        if let Some(days) = pending.automated_retention_days {
            self.automated_retention_days = days;
        }
        if let Some(public) = pending.public {
            self.public = public;
        }
        if let Some(enhanced) = pending.enhanced_routing {
            self.enhanced_routing = enhanced;
        }
        if let Some(track) = pending.track {
            self.track = track;
        }
        match kind {
            Kind::Pausing => self.paused = true,
            Kind::Resuming => self.paused = false,
            // A classic resize makes a new cluster behind the endpoint, which reads its parameters anew.
            Kind::Rebooting | Kind::ClassicResize => self.parameters_read = ends,
            _ => {}
        }
    }

    /// Returns the text of `ClusterStatus`.
    pub fn status(&self, now: f64) -> &'static str {
        match &self.activity {
            None if self.paused => "paused",
            None => "available",
            Some(activity) => match activity.kind {
                Kind::Creating => "creating",
                Kind::Modifying => "modifying",
                Kind::ElasticResize | Kind::ClassicResize => "resizing",
                Kind::Rebooting => "rebooting",
                Kind::Pausing => "pausing",
                Kind::Resuming => "resuming",
                Kind::Renaming => "renaming",
                Kind::FinalSnapshot => {
                    let snapshot_ends = activity.started + (activity.ends - activity.started) * FINAL_SNAPSHOT_PART;
                    if now < snapshot_ends {
                        "final-snapshot"
                    } else {
                        "deleting"
                    }
                }
                Kind::Deleting => "deleting",
            },
        }
    }

    /// Returns whether queries run. A cluster that is being modified still answers.
    pub fn answers_queries(&self, now: f64) -> bool {
        matches!(self.status(now), "available" | "modifying" | "renaming")
    }

    pub fn is_deleting(&self) -> bool {
        self.activity
            .as_ref()
            .is_some_and(|activity| matches!(activity.kind, Kind::Deleting | Kind::FinalSnapshot))
    }

    /// The cluster as SQL is run in it.
    pub fn warehouse(&self, cx: &Call) -> Warehouse {
        Warehouse {
            account: cx.account.clone(),
            region: cx.region.clone(),
            namespace_id: self.namespace_id.clone(),
            arn: self.arn(cx),
            name: self.id.clone(),
            database: self.database.clone(),
            admin: self.user.clone(),
        }
    }

    pub fn role_arns(&self) -> Vec<String> {
        self.roles.iter().map(|role| role.arn.clone()).collect()
    }

    /// Host name of the endpoint. The part after the name is the same for all clusters of an account and region.
    pub fn host(&self, cx: &Call) -> String {
        format!(
            "{}.{}.{}.redshift.amazonaws.com",
            self.id,
            account_label(&cx.account, &cx.region),
            cx.region
        )
    }

    /// The cluster as Redshift's answers show it.
    pub fn shown(&self, cx: &Call) -> Result<Value, Fault> {
        let status = self.status(cx.now);
        let creating = status == "creating";
        let availability = match status {
            "available" | "renaming" => "Available",
            "paused" | "pausing" => "Paused",
            "deleting" | "final-snapshot" => "Unavailable",
            _ => "Modifying",
        };
        let mut shown = Map::new();
        let mut set = |key: &str, value: Value| shown.insert(key.into(), value);
        set("ClusterIdentifier", json!(self.id));
        set("NodeType", json!(self.node_type));
        set("ClusterStatus", json!(status));
        set("ClusterAvailabilityStatus", json!(availability));
        set("MasterUsername", json!(self.user));
        set("DBName", json!(self.database));
        if !creating {
            set("Endpoint", json!({ "Address": self.host(cx), "Port": self.port }));
            set("ClusterCreateTime", json!(self.created));
            set("ClusterNodes", self.shown_nodes());
            set(
                "ClusterPublicKey",
                json!(format!(
                    "ssh-rsa {} Amazon-Redshift\n",
                    self.namespace_id.replace('-', "")
                )),
            );
            set("ClusterRevisionNumber", json!("100000"));
            set(
                "AvailabilityZoneRelocationStatus",
                json!(if self.relocation { "enabled" } else { "disabled" }),
            );
            set("ElasticResizeNumberOfNodeOptions", json!(self.elastic_options()));
        }
        set("AutomatedSnapshotRetentionPeriod", json!(self.automated_retention_days));
        set("ManualSnapshotRetentionPeriod", json!(self.manual_retention_days));
        set("ClusterSecurityGroups", json!([]));
        let groups = self
            .security_groups
            .iter()
            .map(|id| json!({ "VpcSecurityGroupId": id, "Status": "active" }));
        set("VpcSecurityGroups", groups.collect());
        set(
            "ClusterParameterGroups",
            json!([parameters::shown_for_cluster(cx, self)?]),
        );
        set("ClusterSubnetGroupName", json!(self.subnet_group));
        set("VpcId", json!(self.vpc_id));
        set("AvailabilityZone", json!(self.availability_zone));
        set("PreferredMaintenanceWindow", json!(self.maintenance_window));
        set("PendingModifiedValues", self.shown_pending(creating));
        set("ClusterVersion", json!("1.0"));
        set("AllowVersionUpgrade", json!(self.allow_upgrade));
        set("NumberOfNodes", json!(self.nodes));
        set("PubliclyAccessible", json!(self.public));
        set("Encrypted", json!(true));
        set(
            "KmsKeyId",
            json!(self.kms_key.as_deref().unwrap_or("AWS_OWNED_KMS_KEY")),
        );
        set("Tags", shown_tags(&self.tags));
        set("EnhancedVpcRouting", json!(self.enhanced_routing));
        let roles = self.roles.iter().map(|role| {
            let ready = !creating && cx.now >= role.ready;
            json!({ "IamRoleArn": role.arn, "ApplyStatus": if ready { "in-sync" } else { "adding" } })
        });
        set("IamRoles", roles.collect());
        if let Some(role) = &self.default_role {
            set("DefaultIamRoleArn", json!(role));
        }
        set("MaintenanceTrackName", json!(self.track));
        set("DeferredMaintenanceWindows", json!([]));
        set(
            "ClusterNamespaceArn",
            json!(cx.arn("redshift", &format!("namespace:{}", self.namespace_id))),
        );
        set(
            "AquaConfiguration",
            json!({ "AquaStatus": "disabled", "AquaConfigurationStatus": "auto" }),
        );
        set("IpAddressType", json!(self.ip_address_type));
        set("MultiAZ", json!(if self.multi_az { "Enabled" } else { "Disabled" }));
        set(
            "ExtraComputeForAutomaticOptimization",
            json!(if self.extra_compute { "enabled" } else { "disabled" }),
        );
        if let Some(arn) = &self.secret_arn {
            set("MasterPasswordSecretArn", json!(arn));
        }
        if let Some(key) = &self.secret_kms_key {
            set("MasterPasswordSecretKmsKeyId", json!(key));
        }
        if let Some(ip) = &self.elastic_ip {
            set("ElasticIpStatus", json!({ "ElasticIp": ip, "Status": "active" }));
        }
        if let Some(Activity {
            kind: kind @ (Kind::ElasticResize | Kind::ClassicResize),
            ..
        }) = &self.activity
        {
            let resize = if *kind == Kind::ElasticResize {
                "ElasticResize"
            } else {
                "ClassicResize"
            };
            set(
                "ResizeInfo",
                json!({ "ResizeType": resize, "AllowCancelResize": false }),
            );
        }
        Ok(shown.into())
    }

    fn shown_nodes(&self) -> Value {
        let node = |role: String, interface: Option<&Interface>| {
            let mut shown = json!({ "NodeRole": role });
            if let Some(interface) = interface {
                shown["PrivateIPAddress"] = json!(interface.private_ip);
                if let (true, Some(ip)) = (self.public, &self.elastic_ip) {
                    shown["PublicIPAddress"] = json!(ip);
                }
            }
            shown
        };
        if self.nodes == 1 {
            return json!([node("SHARED".into(), self.interfaces.first())]);
        }
        let compute = (0..self.nodes as usize).map(|at| node(format!("COMPUTE-{at}"), self.interfaces.get(at + 1)));
        std::iter::once(node("LEADER".into(), self.interfaces.first()))
            .chain(compute)
            .collect()
    }

    fn shown_pending(&self, creating: bool) -> Value {
        let mut shown = Map::new();
        // Redshift shows the password of a new cluster as a pending change until it is available.
        if creating && self.password.is_some() {
            shown.insert("MasterUserPassword".into(), json!("****"));
        }
        let Some(Activity { pending, .. }) = &self.activity else {
            return shown.into();
        };
        let mut set = |key: &str, value: Option<Value>| value.and_then(|value| shown.insert(key.into(), value));
        set("MasterUserPassword", pending.password.as_ref().map(|_| json!("****")));
        set("NodeType", pending.node_type.as_ref().map(|value| json!(value)));
        set("NumberOfNodes", pending.nodes.map(|value| json!(value)));
        let cluster_type = pending
            .nodes
            .map(|nodes| if nodes == 1 { "single-node" } else { "multi-node" });
        set("ClusterType", cluster_type.map(|value| json!(value)));
        set(
            "AutomatedSnapshotRetentionPeriod",
            pending.automated_retention_days.map(|value| json!(value)),
        );
        set("ClusterIdentifier", pending.new_id.as_ref().map(|value| json!(value)));
        set("PubliclyAccessible", pending.public.map(|value| json!(value)));
        set("EnhancedVpcRouting", pending.enhanced_routing.map(|value| json!(value)));
        set("MaintenanceTrackName", pending.track.as_ref().map(|value| json!(value)));
        shown.into()
    }

    /// Node counts that an elastic resize may choose, as Redshift lists them.
    pub fn elastic_options(&self) -> String {
        let counts = super::rules::elastic_counts(&self.node_type, self.nodes);
        format!("[{}]", counts.iter().map(u64::to_string).collect::<Vec<_>>().join(","))
    }
}

/// Returns the 12 characters that tell an account's endpoints of one region from all others.
pub fn account_label(account: &str, region: &str) -> String {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in account.bytes().chain(region.bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    let letters = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let mut label = String::from("c");
    for _ in 0..11 {
        label.push(char::from(letters[(hash % 36) as usize]));
        hash /= 36;
    }
    label
}

/// Returns the cluster as it stands now.
pub fn find(cx: &Call, id: &str) -> Result<Option<Cluster>, Fault> {
    let mut cluster: Option<Cluster> = cx.get(CLUSTERS, &id.to_lowercase())?;
    if let Some(cluster) = &mut cluster {
        cluster.settle(cx.now);
    }
    Ok(cluster)
}

/// Returns the cluster that the request names.
pub fn named(cx: &Call, input: &Value) -> Result<Cluster, Fault> {
    let id = text(input, "ClusterIdentifier");
    find(cx, id)?.ok_or_else(|| not_found(id))
}

pub fn not_found(id: &str) -> Fault {
    Fault::new(
        404,
        "ClusterNotFound",
        format!("Cluster {} not found.", id.to_lowercase()),
    )
}

pub fn all(cx: &Call) -> Result<Vec<Cluster>, Fault> {
    let stored = cx.list::<Cluster>(CLUSTERS, "")?;
    Ok(stored
        .into_iter()
        .map(|(_, cluster)| cluster)
        .map(|mut cluster| {
            cluster.settle(cx.now);
            cluster
        })
        .collect())
}

pub fn save(cx: &Call, cluster: &Cluster) -> Result<(), Fault> {
    cx.put(CLUSTERS, &cluster.id, cluster)
}

pub fn describe(cx: &Call, input: &Value) -> Answer {
    let clusters = match input["ClusterIdentifier"].as_str() {
        Some(_) => vec![named(cx, input)?],
        None => all(cx)?,
    };
    let wanted = clusters.iter().filter(|cluster| matches_filter(input, &cluster.tags));
    let shown = wanted.map(|cluster| cluster.shown(cx)).collect::<Result<Vec<_>, _>>()?;
    paged(cx, "Clusters", shown, input)
}
