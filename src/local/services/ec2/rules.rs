//! Security group rules: one document per rule, shown both as rules and, merged by protocol and ports, as the
//! permissions of their group.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::cidr::{Cidr, canonical_v6};
use super::group::{self, Group};
use super::resource::{self, Describe, Resource, strings, text};
use super::tags::{self, Tags};
use super::zones;
use crate::services::{Answer, Call, Fault};

const MAX_RULES: usize = 60;

/// What a rule lets through from or to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Peer {
    CidrIpv4(String),
    CidrIpv6(String),
    PrefixList(String),
    Group { id: String, owner: String },
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Rule {
    security_group_rule_id: String,
    pub group_id: String,
    group_owner_id: String,
    is_egress: bool,
    ip_protocol: String,
    from_port: i64,
    to_port: i64,
    description: Option<String>,
    security_group_rule_arn: String,
    #[serde(rename = "_peer")]
    pub peer: Peer,
}

impl Resource for Rule {
    const TABLE: &'static str = "ec2-sgrs";
    const KIND: &'static str = "security-group-rule";
    const NOT_FOUND: &'static str = "InvalidSecurityGroupRuleId.NotFound";
    const NOUN: &'static str = "security group rule ID";

    fn id(&self) -> &str {
        &self.security_group_rule_id
    }

    fn show(&self, cx: &Call, shown: &mut Map<String, Value>) -> Result<(), Fault> {
        match &self.peer {
            Peer::CidrIpv4(block) => shown.insert("CidrIpv4".into(), block.as_str().into()),
            Peer::CidrIpv6(block) => shown.insert("CidrIpv6".into(), block.as_str().into()),
            Peer::PrefixList(id) => shown.insert("PrefixListId".into(), id.as_str().into()),
            Peer::Group { id, owner } => {
                let group: Option<Group> = cx.get(Group::TABLE, id)?;
                let info = json!({"GroupId": id, "UserId": owner, "VpcId": group.map(|group| group.vpc_id)});
                shown.insert("ReferencedGroupInfo".into(), info)
            }
        };
        Ok(())
    }
}

impl Rule {
    pub fn new(cx: &Call, group: &str, egress: bool, protocol: &str, ports: (i64, i64), peer: Peer) -> Rule {
        let id = cx.new_id("sgr");
        Rule {
            security_group_rule_arn: cx.arn("ec2", &format!("security-group-rule/{id}")),
            security_group_rule_id: id,
            group_id: group.to_owned(),
            group_owner_id: cx.account.clone(),
            is_egress: egress,
            ip_protocol: protocol.to_owned(),
            from_port: ports.0,
            to_port: ports.1,
            description: None,
            peer,
        }
    }

    /// Two rules with the same meaning; the description is no part of it.
    fn same(&self, other: &Rule) -> bool {
        self.is_egress == other.is_egress
            && self.ip_protocol == other.ip_protocol
            && (self.from_port, self.to_port) == (other.from_port, other.to_port)
            && self.peer == other.peer
    }

    /// Describes the rule as the refusals do.
    fn words(&self) -> String {
        let peer = match &self.peer {
            Peer::CidrIpv4(text) | Peer::CidrIpv6(text) | Peer::PrefixList(text) => text,
            Peer::Group { id, .. } => id,
        };
        if self.ip_protocol == "-1" {
            return format!("peer: {peer}, ALL, ALLOW");
        }
        let protocol = self.ip_protocol.to_ascii_uppercase();
        format!(
            "peer: {peer}, {protocol}, from port: {}, to port: {}, ALLOW",
            self.from_port, self.to_port
        )
    }
}

// A rule is stored under its group, so that a group's rules are read together.
fn key(group: &str, rule: &str) -> String {
    format!("{group}/{rule}")
}

const BY_GROUP: &str = "ec2-sgrs-by-group";

pub fn save(cx: &Call, rule: &Rule, tags: &Tags) -> Result<(), Fault> {
    cx.put(BY_GROUP, &key(&rule.group_id, &rule.security_group_rule_id), &())?;
    resource::save(cx, rule)?;
    tags::write(cx, Rule::KIND, &rule.security_group_rule_id, tags)
}

fn remove(cx: &Call, rule: &Rule) -> Result<(), Fault> {
    cx.delete(BY_GROUP, &key(&rule.group_id, &rule.security_group_rule_id))?;
    resource::remove::<Rule>(cx, &rule.security_group_rule_id)
}

/// Returns the rules of one group.
pub fn of(cx: &Call, group: &str) -> Result<Vec<Rule>, Fault> {
    let keys: Vec<(String, ())> = cx.list(BY_GROUP, &key(group, ""))?;
    let mut rules = Vec::new();
    for (key, ()) in keys {
        let id = key.rsplit('/').next().unwrap_or_default();
        rules.extend(cx.get::<Rule>(Rule::TABLE, id)?);
    }
    Ok(rules)
}

pub fn all(cx: &Call) -> Result<Vec<Rule>, Fault> {
    resource::all(cx)
}

pub fn remove_all(cx: &Call, group: &str) -> Result<(), Fault> {
    for rule in of(cx, group)? {
        remove(cx, &rule)?;
    }
    Ok(())
}

/// Merges one direction's rules by protocol and ports, as a group shows them.
pub fn permissions(rules: &[Rule], egress: bool) -> Value {
    let mut rules: Vec<&Rule> = rules.iter().filter(|rule| rule.is_egress == egress).collect();
    // The store lists them by ids that mean nothing; the same rules are always shown alike.
    rules.sort_by(|a, b| {
        (&a.ip_protocol, a.from_port, a.to_port, &a.peer).cmp(&(&b.ip_protocol, b.from_port, b.to_port, &b.peer))
    });
    let mut merged: Vec<(String, i64, i64, Value)> = Vec::new();
    for rule in rules {
        let (from, to) = (rule.from_port, rule.to_port);
        let at = merged
            .iter()
            .position(|known| (known.0.as_str(), known.1, known.2) == (rule.ip_protocol.as_str(), from, to))
            .unwrap_or_else(|| {
                let mut permission = json!({
                    "IpProtocol": rule.ip_protocol, "UserIdGroupPairs": [], "IpRanges": [], "Ipv6Ranges": [],
                    "PrefixListIds": [],
                });
                if rule.ip_protocol != "-1" {
                    permission["FromPort"] = from.into();
                    permission["ToPort"] = to.into();
                }
                merged.push((rule.ip_protocol.clone(), from, to, permission));
                merged.len() - 1
            });
        let (list, mut entry) = match &rule.peer {
            Peer::CidrIpv4(block) => ("IpRanges", json!({"CidrIp": block})),
            Peer::CidrIpv6(block) => ("Ipv6Ranges", json!({"CidrIpv6": block})),
            Peer::PrefixList(id) => ("PrefixListIds", json!({"PrefixListId": id})),
            Peer::Group { id, owner } => ("UserIdGroupPairs", json!({"GroupId": id, "UserId": owner})),
        };
        if let Some(description) = &rule.description {
            entry["Description"] = description.as_str().into();
        }
        if let Some(list) = merged[at].3[list].as_array_mut() {
            list.push(entry);
        }
    }
    merged.into_iter().map(|(.., permission)| permission).collect()
}

/// Reads the protocol by name or number.
fn protocol(text: &str) -> Result<String, Fault> {
    Ok(match text.to_ascii_lowercase().as_str() {
        "6" | "tcp" => "tcp".into(),
        "17" | "udp" => "udp".into(),
        "1" | "icmp" => "icmp".into(),
        "58" | "icmpv6" => "icmpv6".into(),
        "-1" | "all" => "-1".into(),
        number if number.parse::<u8>().is_ok() => number.to_owned(),
        _ => {
            let message = format!("Invalid value '{text}' for IP protocol. Unknown protocol.");
            return Err(Fault::bad("InvalidParameterValue", message));
        }
    })
}

fn ports(protocol: &str, input: &Value) -> Result<(i64, i64), Fault> {
    let (from, to) = (input["FromPort"].as_i64(), input["ToPort"].as_i64());
    match protocol {
        "tcp" | "udp" => {
            let (Some(from), Some(to)) = (from, to) else {
                let message = "Invalid value 'null' for portRange. Must specify both from and to ports with TCP/UDP.";
                return Err(Fault::bad("InvalidParameterValue", message));
            };
            for port in [from, to] {
                if !(0..=65535).contains(&port) {
                    let message = format!("Invalid value '{port}' for port. Must be between 0 and 65535.");
                    return Err(Fault::bad("InvalidParameterValue", message));
                }
            }
            if from > to {
                let message = format!("Invalid TCP/UDP port range ({from}:{to})");
                return Err(Fault::bad("InvalidParameterValue", message));
            }
            Ok((from, to))
        }
        "icmp" | "icmpv6" => Ok((from.unwrap_or(-1), to.unwrap_or(-1))),
        _ => Ok((-1, -1)),
    }
}

fn block_v4(text: &str) -> Result<Peer, Fault> {
    let cidr = Cidr::parse(text)
        .ok_or_else(|| Fault::bad("InvalidParameterValue", format!("CIDR block {text} is malformed")))?;
    Ok(Peer::CidrIpv4(cidr.to_string()))
}

fn block_v6(text: &str) -> Result<Peer, Fault> {
    let block = canonical_v6(text)
        .ok_or_else(|| Fault::bad("InvalidParameterValue", format!("CIDR block {text} is malformed")))?;
    Ok(Peer::CidrIpv6(block))
}

fn prefix_list(cx: &Call, id: &str) -> Result<Peer, Fault> {
    let known = zones::GATEWAY_SERVICES
        .iter()
        .any(|(service, _)| zones::prefix_list(&cx.region, service) == id);
    if known {
        return Ok(Peer::PrefixList(id.to_owned()));
    }
    Err(Fault::bad(
        "InvalidPrefixListID.NotFound",
        format!("The prefix list ID '{id}' does not exist"),
    ))
}

fn peer_group(cx: &Call, id: &str) -> Result<Peer, Fault> {
    let peer: Group = resource::find(cx, id)?;
    Ok(Peer::Group {
        id: peer.group_id,
        owner: peer.owner_id,
    })
}

/// Explodes a request's permissions into rules, one per peer.
fn wanted(cx: &Call, group: &Group, input: &Value, egress: bool) -> Result<Vec<Rule>, Fault> {
    let mut permissions: Vec<Value> = input["IpPermissions"].as_array().cloned().unwrap_or_default();
    if permissions.is_empty() && !input["IpProtocol"].is_null() {
        // The old flat form holds one permission in the request itself.
        let mut flat = json!({
            "IpProtocol": input["IpProtocol"], "FromPort": input["FromPort"], "ToPort": input["ToPort"],
        });
        if let Some(block) = input["CidrIp"].as_str() {
            flat["IpRanges"] = json!([{"CidrIp": block}]);
        }
        permissions.push(flat);
    }
    if permissions.is_empty() {
        return Err(Fault::bad(
            "MissingParameter",
            "The request must contain the parameter ipPermissions",
        ));
    }
    let mut rules = Vec::new();
    for permission in &permissions {
        let Some(protocol) = permission["IpProtocol"].as_str().map(self::protocol).transpose()? else {
            return Err(Fault::bad(
                "MissingParameter",
                "The request must contain the parameter ipProtocol",
            ));
        };
        let ports = ports(&protocol, permission)?;
        let mut peers = Vec::new();
        let entries = |list: &str| permission[list].as_array().cloned().unwrap_or_default();
        for entry in entries("IpRanges") {
            peers.push((block_v4(text(&entry, "CidrIp"))?, entry));
        }
        for entry in entries("Ipv6Ranges") {
            peers.push((block_v6(text(&entry, "CidrIpv6"))?, entry));
        }
        for entry in entries("PrefixListIds") {
            peers.push((prefix_list(cx, text(&entry, "PrefixListId"))?, entry));
        }
        for entry in entries("UserIdGroupPairs") {
            peers.push((peer_group(cx, text(&entry, "GroupId"))?, entry));
        }
        if peers.is_empty() {
            let message = "Missing source specification: include source security group or CIDR information";
            return Err(Fault::bad("MissingParameter", message));
        }
        for (peer, entry) in peers {
            let mut rule = Rule::new(cx, &group.group_id, egress, &protocol, ports, peer);
            rule.description = entry["Description"].as_str().map(described).transpose()?;
            rules.push(rule);
        }
    }
    Ok(rules)
}

fn described(text: &str) -> Result<String, Fault> {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || " ._-:/()#,@[]+=&;{}!$*".contains(letter);
    if text.len() > 255 || !text.chars().all(allowed) {
        let message = format!(
            "Invalid rule description. Valid descriptions are strings less than 256 characters from the following set:  a-zA-Z0-9. _-:/()#,@[]+=&;{{}}!$*, not '{text}'"
        );
        return Err(Fault::bad("InvalidParameterValue", message));
    }
    Ok(text.to_owned())
}

pub fn authorize(cx: &Call, input: &Value, egress: bool) -> Answer {
    let group = group::named(cx, input)?;
    let wanted = wanted(cx, &group, input, egress)?;
    let tags = tags::specified(input, Rule::KIND)?;
    let mut rules = of(cx, &group.group_id)?;
    let mut shown = Vec::new();
    for rule in wanted {
        if rules.iter().any(|known| known.same(&rule)) {
            let message = format!("the specified rule \"{}\" already exists", rule.words());
            return Err(Fault::bad("InvalidPermission.Duplicate", message));
        }
        if rules.iter().filter(|known| known.is_egress == egress).count() >= MAX_RULES {
            let message = "The maximum number of rules per security group has been reached.";
            return Err(Fault::bad("RulesPerSecurityGroupLimitExceeded", message));
        }
        save(cx, &rule, &tags)?;
        shown.push(resource::shown(cx, &rule)?);
        rules.push(rule);
    }
    Ok(json!({"Return": true, "SecurityGroupRules": shown}))
}

pub fn revoke(cx: &Call, input: &Value, egress: bool) -> Answer {
    let group = group::named(cx, input)?;
    let rules = of(cx, &group.group_id)?;
    let ids = strings(&input["SecurityGroupRuleIds"]);
    let mut doomed = Vec::new();
    for id in &ids {
        let found = rules
            .iter()
            .find(|rule| rule.security_group_rule_id == *id && rule.is_egress == egress);
        doomed.push(found.ok_or_else(|| resource::not_found::<Rule>(id))?);
    }
    if ids.is_empty() {
        for rule in wanted(cx, &group, input, egress)? {
            let found = rules.iter().find(|known| known.same(&rule));
            doomed.push(found.ok_or_else(|| {
                let message = "The specified rule does not exist in this security group.";
                Fault::bad("InvalidPermission.NotFound", message)
            })?);
        }
    }
    let mut revoked = Vec::new();
    for rule in doomed {
        let mut shown = resource::shown(cx, rule)?;
        if let Some(shown) = shown.as_object_mut() {
            let referenced = shown.shift_remove("ReferencedGroupInfo");
            if let Some(referenced) = referenced {
                shown.insert("ReferencedGroupId".into(), referenced["GroupId"].clone());
            }
            for member in ["GroupOwnerId", "SecurityGroupRuleArn", "Tags"] {
                shown.shift_remove(member);
            }
        }
        revoked.push(shown);
        remove(cx, rule)?;
    }
    Ok(json!({"Return": true, "RevokedSecurityGroupRules": revoked, "UnknownIpPermissions": []}))
}

pub fn describe(cx: &Call, input: &Value) -> Answer {
    let filters = [
        ("group-id", "GroupId"),
        ("security-group-rule-id", "SecurityGroupRuleId"),
    ];
    let how = Describe {
        ids: "SecurityGroupRuleIds",
        list: "SecurityGroupRules",
        filters: &filters,
        limit: 1000,
    };
    resource::describe::<Rule>(cx, input, &how)
}

pub fn modify(cx: &Call, input: &Value) -> Answer {
    let group = group::named(cx, input)?;
    for update in input["SecurityGroupRules"].as_array().into_iter().flatten() {
        let id = text(update, "SecurityGroupRuleId");
        let rules = of(cx, &group.group_id)?;
        let old = rules.iter().find(|rule| rule.security_group_rule_id == id);
        let old = old.ok_or_else(|| resource::not_found::<Rule>(id))?;
        let change = &update["SecurityGroupRule"];
        let protocol = change["IpProtocol"].as_str().map(self::protocol).transpose()?;
        let mut rule = old.clone();
        if let Some(protocol) = protocol {
            (rule.from_port, rule.to_port) = ports(&protocol, change)?;
            rule.ip_protocol = protocol;
        }
        let peers: Vec<Peer> = [
            change["CidrIpv4"].as_str().map(block_v4),
            change["CidrIpv6"].as_str().map(block_v6),
            change["PrefixListId"].as_str().map(|id| prefix_list(cx, id)),
            change["ReferencedGroupId"].as_str().map(|id| peer_group(cx, id)),
        ]
        .into_iter()
        .flatten()
        .collect::<Result<_, _>>()?;
        match <[Peer; 1]>::try_from(peers) {
            Ok([peer]) => {
                if std::mem::discriminant(&peer) != std::mem::discriminant(&rule.peer) {
                    let message = format!("The kind of source of the security group rule '{id}' cannot be changed");
                    return Err(Fault::bad("InvalidParameterCombination", message));
                }
                rule.peer = peer;
            }
            Err(peers) if peers.is_empty() => {}
            Err(_) => {
                let message = "Only one source or destination of a security group rule may be specified";
                return Err(Fault::bad("InvalidParameterCombination", message));
            }
        }
        rule.description = change["Description"].as_str().map(described).transpose()?;
        if rules
            .iter()
            .any(|known| known.security_group_rule_id != id && known.same(&rule))
        {
            let message = format!("the specified rule \"{}\" already exists", rule.words());
            return Err(Fault::bad("InvalidPermission.Duplicate", message));
        }
        resource::save(cx, &rule)?;
    }
    Ok(json!({"Return": true}))
}

pub fn update_descriptions(cx: &Call, input: &Value, egress: bool) -> Answer {
    let group = group::named(cx, input)?;
    let rules = of(cx, &group.group_id)?;
    let mut changes: Vec<(Rule, Option<String>)> = Vec::new();
    for entry in input["SecurityGroupRuleDescriptions"].as_array().into_iter().flatten() {
        let id = text(entry, "SecurityGroupRuleId");
        let rule = rules.iter().find(|rule| rule.security_group_rule_id == id);
        let rule = rule.ok_or_else(|| resource::not_found::<Rule>(id))?;
        changes.push((rule.clone(), entry["Description"].as_str().map(described).transpose()?));
    }
    if !input["IpPermissions"].is_null() {
        for wanted in wanted(cx, &group, input, egress)? {
            let rule = rules.iter().find(|known| known.same(&wanted)).ok_or_else(|| {
                let message = "The specified rule does not exist in this security group.";
                Fault::bad("InvalidPermission.NotFound", message)
            })?;
            changes.push((rule.clone(), wanted.description));
        }
    }
    for (mut rule, description) in changes {
        rule.description = description;
        resource::save(cx, &rule)?;
    }
    Ok(json!({"Return": true}))
}
