//! Managed policies: the customer's own with their versions, and those AWS publishes that this job's users attach
//! (`managed.json`: name, path, version, dates and document as AWS published them).

use std::sync::OnceLock;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::super::{Answer, Call, Fault};
use super::documents::{
    ManagedPolicy, POLICIES, PolicyVersion, Tags, check_name, conflict, encoded, invalid, limit, malformed, missing,
    paged, read_path, read_tags, remove_tags, shown_tags, text, unique_id, validation,
};
use super::policy::{Policy, Use};
use super::roles;

/// Characters without white space of one document.
const CHARACTERS: usize = 6144;
const VERSIONS: usize = 5;

/// A policy that AWS publishes.
#[derive(Debug, Deserialize)]
pub struct Published {
    pub name: String,
    pub path: String,
    pub version: String,
    pub created: f64,
    pub updated: f64,
    document: Value,
}

impl Published {
    pub fn arn(&self) -> String {
        format!("arn:aws:iam::aws:policy{}{}", self.path, self.name)
    }

    pub fn text(&self) -> String {
        self.document.to_string()
    }

    /// Published policies have the same id in every account; ours is made of the name.
    fn id(&self) -> String {
        const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
        let mut id = String::from("ANPA");
        for round in 0..17u8 {
            for byte in self.name.bytes().chain([round]) {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
            id.push(char::from(LETTERS[(hash >> 40) as usize % 32]));
        }
        id
    }
}

pub fn published() -> &'static [Published] {
    static POLICIES: OnceLock<Vec<Published>> = OnceLock::new();
    POLICIES.get_or_init(|| serde_json::from_str(include_str!("managed.json")).expect("the embedded table is valid"))
}

fn published_at(arn: &str) -> Option<&'static Published> {
    published().iter().find(|policy| policy.arn() == arn)
}

impl ManagedPolicy {
    pub fn arn(&self, cx: &Call) -> String {
        format!("arn:aws:iam::{}:policy{}{}", cx.account, self.path, self.name)
    }

    pub fn text(&self) -> &str {
        let default = self
            .versions
            .iter()
            .find(|version| version.number == self.default_version);
        default.map(|version| version.text.as_str()).unwrap_or_default()
    }
}

/// Returns the text of a policy's default version, or `None` when there is no such policy.
pub fn text_of(cx: &Call, arn: &str) -> Result<Option<String>, Fault> {
    if let Some(policy) = published_at(arn) {
        return Ok(Some(policy.text()));
    }
    Ok(own_at(cx, arn)?.map(|policy| policy.text().to_string()))
}

/// Returns the path part of a policy's ARN, with both slashes.
pub fn path_of(arn: &str) -> &str {
    let Some((_, resource)) = arn.split_once(":policy") else {
        return "/";
    };
    resource.rfind('/').map_or("/", |end| &resource[..=end])
}

/// Returns `PolicyArn` of a request when it has the form of an ARN.
pub fn checked_arn(input: &Value) -> Result<&str, Fault> {
    let arn = text(input, "PolicyArn");
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    match parts.as_slice() {
        ["arn", _, "iam", "", _, resource] if resource.starts_with("policy/") => Ok(arn),
        ["arn", ..] if parts.len() == 6 => Err(invalid(format!("ARN {arn} is not valid."))),
        _ => Err(validation("policyArn", "Member must be a valid ARN".into(), arn)),
    }
}

fn own_at(cx: &Call, arn: &str) -> Result<Option<ManagedPolicy>, Fault> {
    let name = arn.rsplit('/').next().unwrap_or_default();
    let found: Option<ManagedPolicy> = cx.get(POLICIES, &name.to_lowercase())?;
    Ok(found.filter(|policy| policy.arn(cx) == arn))
}

/// Returns the customer policy that the request may change.
fn own(cx: &Call, input: &Value) -> Result<ManagedPolicy, Fault> {
    let arn = checked_arn(input)?;
    if arn.starts_with("arn:aws:iam::aws:") {
        return Err(Fault::new(
            403,
            "AccessDenied",
            format!("User is not authorized to change the policy {arn}."),
        ));
    }
    own_at(cx, arn)?.ok_or_else(|| not_found(arn))
}

fn not_found(arn: &str) -> Fault {
    missing(format!("Policy {arn} was not found."))
}

fn save(cx: &Call, policy: &ManagedPolicy) -> Result<(), Fault> {
    cx.put(POLICIES, &policy.name.to_lowercase(), policy)
}

pub fn all_own(cx: &Call) -> Result<Vec<ManagedPolicy>, Fault> {
    Ok(cx
        .list::<ManagedPolicy>(POLICIES, "")?
        .into_iter()
        .map(|(_, policy)| policy)
        .collect())
}

/// How often each policy is attached and used as a boundary.
pub struct Usage(Vec<(Vec<String>, Option<String>)>);

impl Usage {
    pub fn read(cx: &Call) -> Result<Usage, Fault> {
        Ok(Usage(
            roles::all(cx)?
                .into_iter()
                .map(|role| (role.attached, role.boundary))
                .collect(),
        ))
    }

    fn attachments(&self, arn: &str) -> usize {
        self.0
            .iter()
            .filter(|(attached, _)| attached.iter().any(|attached| attached == arn))
            .count()
    }

    fn boundaries(&self, arn: &str) -> usize {
        self.0
            .iter()
            .filter(|(_, boundary)| boundary.as_deref() == Some(arn))
            .count()
    }
}

pub fn shown_own(cx: &Call, policy: &ManagedPolicy, usage: &Usage) -> Map<String, Value> {
    let arn = policy.arn(cx);
    members(
        &policy.name,
        &policy.id,
        &policy.path,
        &format!("v{}", policy.default_version),
        policy.created,
        policy.updated,
        &arn,
        usage,
    )
}

pub fn shown_published(policy: &Published, usage: &Usage) -> Map<String, Value> {
    members(
        &policy.name,
        &policy.id(),
        &policy.path,
        &policy.version,
        policy.created,
        policy.updated,
        &policy.arn(),
        usage,
    )
}

#[expect(
    clippy::too_many_arguments,
    reason = "the members of one answer, from two kinds of policy"
)]
fn members(
    name: &str,
    id: &str,
    path: &str,
    version: &str,
    created: f64,
    updated: f64,
    arn: &str,
    usage: &Usage,
) -> Map<String, Value> {
    let shown = json!({
        "PolicyName": name,
        "PolicyId": id,
        "Arn": arn,
        "Path": path,
        "DefaultVersionId": version,
        "AttachmentCount": usage.attachments(arn),
        "PermissionsBoundaryUsageCount": usage.boundaries(arn),
        "IsAttachable": true,
        "CreateDate": created,
        "UpdateDate": updated,
    });
    shown.as_object().cloned().unwrap_or_default()
}

/// The policy as `GetPolicy` shows it: with description and tags, which lists omit.
fn shown_whole(cx: &Call, policy: &ManagedPolicy, usage: &Usage) -> Map<String, Value> {
    let mut shown = shown_own(cx, policy, usage);
    if let Some(description) = &policy.description {
        shown.insert("Description".into(), json!(description));
    }
    if !policy.tags.is_empty() {
        shown.insert("Tags".into(), shown_tags(&policy.tags));
    }
    shown
}

pub fn create(cx: &Call, input: &Value) -> Answer {
    let name = text(input, "PolicyName");
    check_name("policyName", name, 128)?;
    let path = read_path(input)?;
    let document = text(input, "PolicyDocument");
    check_document(document)?;
    let mut tags = Tags::new();
    read_tags(input, &mut tags)?;
    if cx.get::<ManagedPolicy>(POLICIES, &name.to_lowercase())?.is_some() {
        return Err(Fault::new(
            409,
            "EntityAlreadyExists",
            format!("A policy called {name} already exists. Duplicate names are not allowed."),
        ));
    }
    let policy = ManagedPolicy {
        name: name.to_string(),
        path,
        id: unique_id("ANPA"),
        created: cx.now.floor(),
        updated: cx.now.floor(),
        description: input["Description"].as_str().map(str::to_string),
        tags,
        versions: vec![PolicyVersion {
            number: 1,
            text: document.to_string(),
            created: cx.now.floor(),
        }],
        default_version: 1,
        next_version: 2,
    };
    save(cx, &policy)?;
    Ok(json!({ "Policy": shown_whole(cx, &policy, &Usage::read(cx)?) }))
}

fn check_document(document: &str) -> Result<(), Fault> {
    Policy::parse(document, Use::Identity).map_err(malformed)?;
    if document.chars().filter(|c| !c.is_whitespace()).count() > CHARACTERS {
        return Err(limit("PolicySize", CHARACTERS));
    }
    Ok(())
}

pub fn get(cx: &Call, input: &Value) -> Answer {
    let arn = checked_arn(input)?;
    let usage = Usage::read(cx)?;
    if let Some(policy) = published_at(arn) {
        return Ok(json!({ "Policy": shown_published(policy, &usage) }));
    }
    let policy = own_at(cx, arn)?.ok_or_else(|| not_found(arn))?;
    Ok(json!({ "Policy": shown_whole(cx, &policy, &usage) }))
}

pub fn list(cx: &Call, input: &Value) -> Answer {
    let scope = input["Scope"].as_str().unwrap_or("All");
    let prefix = input["PathPrefix"].as_str().unwrap_or("/");
    let usage = Usage::read(cx)?;
    let mut listed = Vec::new();
    if scope != "AWS" {
        listed.extend(all_own(cx)?.iter().map(|policy| shown_own(cx, policy, &usage)));
    }
    if scope != "Local" {
        listed.extend(published().iter().map(|policy| shown_published(policy, &usage)));
    }
    let only_attached = input["OnlyAttached"].as_bool().unwrap_or(false);
    let filter = input["PolicyUsageFilter"].as_str();
    let used = |policy: &Map<String, Value>| match (only_attached, filter) {
        (_, Some("PermissionsBoundary")) => policy["PermissionsBoundaryUsageCount"] != json!(0),
        (true, Some(_)) => policy["AttachmentCount"] != json!(0),
        (true, None) => policy["AttachmentCount"] != json!(0) || policy["PermissionsBoundaryUsageCount"] != json!(0),
        (false, _) => true,
    };
    listed.retain(|policy| policy["Path"].as_str().is_some_and(|path| path.starts_with(prefix)) && used(policy));
    paged(cx, "Policies", listed.into_iter().map(Value::Object).collect(), input)
}

pub fn delete(cx: &Call, input: &Value) -> Answer {
    let policy = own(cx, input)?;
    let usage = Usage::read(cx)?;
    let arn = policy.arn(cx);
    if usage.attachments(&arn) + usage.boundaries(&arn) > 0 {
        return Err(conflict("Cannot delete a policy attached to entities."));
    }
    if policy.versions.len() > 1 {
        return Err(conflict(
            "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.",
        ));
    }
    cx.delete(POLICIES, &policy.name.to_lowercase())?;
    Ok(json!({}))
}

fn shown_version(version: &PolicyVersion, default: u64, with_text: bool) -> Value {
    let mut shown = json!({
        "VersionId": format!("v{}", version.number),
        "IsDefaultVersion": version.number == default,
        "CreateDate": version.created,
    });
    if with_text {
        shown["Document"] = json!(encoded(&version.text));
    }
    shown
}

pub fn create_version(cx: &Call, input: &Value) -> Answer {
    let mut policy = own(cx, input)?;
    let document = text(input, "PolicyDocument");
    check_document(document)?;
    if policy.versions.len() >= VERSIONS {
        return Err(Fault::new(
            409,
            "LimitExceeded",
            "A managed policy can have up to 5 versions. Before you create a new version, you must delete an existing version.",
        ));
    }
    let version = PolicyVersion {
        number: policy.next_version,
        text: document.to_string(),
        created: cx.now.floor(),
    };
    policy.next_version += 1;
    policy.updated = cx.now.floor();
    if input["SetAsDefault"].as_bool().unwrap_or(false) {
        policy.default_version = version.number;
    }
    let shown = shown_version(&version, policy.default_version, false);
    policy.versions.push(version);
    save(cx, &policy)?;
    Ok(json!({ "PolicyVersion": shown }))
}

pub fn get_version(cx: &Call, input: &Value) -> Answer {
    let arn = checked_arn(input)?;
    let wanted = text(input, "VersionId");
    let no_version = || {
        missing(format!(
            "Policy {arn} version {wanted} does not exist or is not attachable."
        ))
    };
    if let Some(policy) = published_at(arn) {
        if policy.version != wanted {
            return Err(no_version());
        }
        return Ok(json!({ "PolicyVersion": {
            "Document": encoded(&policy.text()),
            "VersionId": policy.version,
            "IsDefaultVersion": true,
            "CreateDate": policy.updated,
        }}));
    }
    let policy = own_at(cx, arn)?.ok_or_else(|| not_found(arn))?;
    let version = policy
        .versions
        .iter()
        .find(|version| format!("v{}", version.number) == wanted);
    let version = version.ok_or_else(no_version)?;
    Ok(json!({ "PolicyVersion": shown_version(version, policy.default_version, true) }))
}

pub fn list_versions(cx: &Call, input: &Value) -> Answer {
    let arn = checked_arn(input)?;
    if let Some(policy) = published_at(arn) {
        let only = json!({ "VersionId": policy.version, "IsDefaultVersion": true, "CreateDate": policy.updated });
        return paged(cx, "Versions", vec![only], input);
    }
    let policy = own_at(cx, arn)?.ok_or_else(|| not_found(arn))?;
    // The newest first.
    let versions = policy
        .versions
        .iter()
        .rev()
        .map(|version| shown_version(version, policy.default_version, false))
        .collect();
    paged(cx, "Versions", versions, input)
}

pub fn delete_version(cx: &Call, input: &Value) -> Answer {
    let (mut policy, number) = own_version(cx, input)?;
    if number == policy.default_version {
        return Err(conflict("Cannot delete the default version of a policy."));
    }
    policy.versions.retain(|version| version.number != number);
    policy.updated = cx.now.floor();
    save(cx, &policy)?;
    Ok(json!({}))
}

pub fn set_default_version(cx: &Call, input: &Value) -> Answer {
    let (mut policy, number) = own_version(cx, input)?;
    policy.default_version = number;
    policy.updated = cx.now.floor();
    save(cx, &policy)?;
    Ok(json!({}))
}

fn own_version(cx: &Call, input: &Value) -> Result<(ManagedPolicy, u64), Fault> {
    let policy = own(cx, input)?;
    let wanted = text(input, "VersionId");
    let number = wanted.strip_prefix('v').and_then(|number| number.parse::<u64>().ok());
    match number.filter(|number| policy.versions.iter().any(|version| version.number == *number)) {
        Some(number) => Ok((policy, number)),
        None => Err(missing(format!(
            "Policy {} version {wanted} does not exist or is not attachable.",
            policy.arn(cx)
        ))),
    }
}

pub fn list_entities(cx: &Call, input: &Value) -> Answer {
    let arn = checked_arn(input)?;
    if text_of(cx, arn)?.is_none() {
        return Err(not_found(arn));
    }
    let prefix = input["PathPrefix"].as_str().unwrap_or("/");
    let wanted = input["EntityFilter"].as_str().is_none_or(|filter| filter == "Role");
    let usage = input["PolicyUsageFilter"].as_str();
    let mut found = Vec::new();
    for role in roles::all(cx)? {
        let attached = role.attached.iter().any(|attached| attached == arn);
        let boundary = role.boundary.as_deref() == Some(arn);
        let uses = match usage {
            Some("PermissionsPolicy") => attached,
            Some(_) => boundary,
            None => attached || boundary,
        };
        if wanted && uses && role.path.starts_with(prefix) {
            found.push(json!({ "RoleName": role.name, "RoleId": role.id }));
        }
    }
    let mut answer = paged(cx, "PolicyRoles", found, input)?;
    answer["PolicyGroups"] = json!([]);
    answer["PolicyUsers"] = json!([]);
    Ok(answer)
}

pub fn tag(cx: &Call, input: &Value) -> Answer {
    let mut policy = own(cx, input)?;
    read_tags(input, &mut policy.tags)?;
    save(cx, &policy)?;
    Ok(json!({}))
}

pub fn untag(cx: &Call, input: &Value) -> Answer {
    let mut policy = own(cx, input)?;
    remove_tags(input, &mut policy.tags);
    save(cx, &policy)?;
    Ok(json!({}))
}

pub fn list_tags(cx: &Call, input: &Value) -> Answer {
    let arn = checked_arn(input)?;
    let tags = match published_at(arn) {
        Some(_) => Tags::new(),
        None => own_at(cx, arn)?.ok_or_else(|| not_found(arn))?.tags,
    };
    paged(
        cx,
        "Tags",
        shown_tags(&tags).as_array().cloned().unwrap_or_default(),
        input,
    )
}
