//! `security_group` with its rules. AWS merges rules that differ only in the other side; they are read one by one, so
//! that each can be compared with one line of the stack file.

use crate::Aws;
use crate::diagnosis;
use crate::ec2;
use crate::error::{Doing, Pages, Result, Says, accept, incomplete};
use crate::provider::{self, ask_created, ask_updated, changes, keep, live, outputs, typed};
use crate::tags::{self, Tags};
use crate::wait::retry;
use aws_sdk_ec2::types::{
    Filter, IpPermission, IpRange, Ipv6Range, PrefixListId, ResourceType, SecurityGroup, SecurityGroupRule,
    UserIdGroupPair,
};
use lakeform_engine::cloud::{Ask, Create, Delete, Meaning, Progress, Report, Update};
use lakeform_engine::{CloudError, Live};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Wanted {
    vpc: String,
    name: String,
    #[serde(default = "managed")]
    description: String,
    #[serde(default)]
    ingress: Vec<Rule>,
    /// Absent: AWS's own rule stays, which lets everything out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    egress: Option<Vec<Rule>>,
    #[serde(default)]
    tags: Tags,
}

fn managed() -> String {
    "Managed by lakeform".to_owned()
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Rule {
    #[serde(default = "tcp")]
    protocol: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    port: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ports: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cidr: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cidr_ipv6: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    prefix_list: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    group: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    itself: Option<bool>,
    #[serde(default)]
    description: String,
}

fn tcp() -> String {
    "tcp".to_owned()
}

impl Rule {
    /// The rule without its description, which AWS lets us change and which does not tell two rules apart.
    fn identity(&self) -> Rule {
        Rule {
            description: String::new(),
            ..self.clone()
        }
    }

    /// AWS's form; ports are `-1` where the protocol has none.
    fn permission(&self, own_id: &str) -> IpPermission {
        let (from, to) = match (&self.port, &self.ports) {
            (Some(port), _) => (*port, *port),
            (None, Some(ports)) => split_range(ports).unwrap_or((0, 65535)),
            (None, None) if matches!(self.protocol.as_str(), "tcp" | "udp") => (0, 65535),
            (None, None) => (-1, -1),
        };
        let permission =
            IpPermission::builder().ip_protocol(if self.protocol == "all" { "-1" } else { &self.protocol });
        let permission = match self.protocol.as_str() {
            "all" => permission,
            _ => permission.from_port(from).to_port(to),
        };
        let description = Some(self.description.clone()).filter(|text| !text.is_empty());
        let group = if self.itself == Some(true) {
            Some(own_id)
        } else {
            self.group.as_deref()
        };
        if let Some(cidr) = &self.cidr {
            let range = IpRange::builder().cidr_ip(cidr).set_description(description);
            permission.ip_ranges(range.build())
        } else if let Some(cidr) = &self.cidr_ipv6 {
            let range = Ipv6Range::builder().cidr_ipv6(cidr).set_description(description);
            permission.ipv6_ranges(range.build())
        } else if let Some(list) = &self.prefix_list {
            let list = PrefixListId::builder()
                .prefix_list_id(list)
                .set_description(description);
            permission.prefix_list_ids(list.build())
        } else if let Some(group) = group {
            let pair = UserIdGroupPair::builder().group_id(group).set_description(description);
            permission.user_id_group_pairs(pair.build())
        } else {
            permission
        }
        .build()
    }
}

fn split_range(ports: &str) -> Option<(i32, i32)> {
    let (from, to) = ports.split_once('-')?;
    Some((from.trim().parse().ok()?, to.trim().parse().ok()?))
}

/// Whether nothing was changed about what may go out: where there is IPv6, AWS's own rule has a twin.
fn lets_everything_out(live: &Live) -> Result<bool> {
    let Wanted { egress, .. } = typed(&live.fields)?;
    let mut rules = egress.unwrap_or_default();
    rules.retain(|rule| *rule != everything_out_v6());
    Ok(rules == [everything_out()])
}

fn everything_out_v6() -> Rule {
    Rule {
        cidr: None,
        cidr_ipv6: Some("::/0".to_owned()),
        ..everything_out()
    }
}

/// The rule that AWS gives every new group.
fn everything_out() -> Rule {
    Rule {
        protocol: "all".to_owned(),
        port: None,
        ports: None,
        cidr: Some("0.0.0.0/0".to_owned()),
        cidr_ipv6: None,
        prefix_list: None,
        group: None,
        itself: None,
        description: String::new(),
    }
}

pub(crate) async fn read(aws: &Aws, asks: &[Ask]) -> Result<Vec<Option<Live>>> {
    let mut answers = ec2::by_id(asks, async |ids| filtered(aws, ec2::filter("group-id", ids)).await).await?;
    for (ask, live) in asks.iter().zip(&mut answers) {
        let Some(live) = live else { continue };
        keep(live, &ask.fields, &["allow_public"]);
        if !ask.fields.contains_key("egress") && lets_everything_out(live)? {
            live.fields.remove("egress");
        }
    }
    Ok(answers)
}

pub(crate) async fn filtered(aws: &Aws, filter: Filter) -> Result<Vec<Live>> {
    lives(aws, describe(aws, filter).await?).await
}

async fn describe(aws: &Aws, filter: Filter) -> Result<Vec<SecurityGroup>> {
    aws.ec2
        .describe_security_groups()
        .filters(filter)
        .into_paginator()
        .page_size(1000)
        .items()
        .send()
        .all("read security groups")
        .await
}

async fn lives(aws: &Aws, groups: Vec<SecurityGroup>) -> Result<Vec<Live>> {
    if groups.is_empty() {
        return Ok(Vec::new());
    }
    let ids = groups.iter().filter_map(|group| group.group_id.clone());
    let pages = aws
        .ec2
        .describe_security_group_rules()
        .filters(ec2::filter("group-id", ids))
        .into_paginator()
        .page_size(1000)
        .items()
        .send();
    let mut rules: HashMap<String, Vec<SecurityGroupRule>> = HashMap::new();
    for rule in pages.all("read security group rules").await? {
        rules
            .entry(rule.group_id.clone().unwrap_or_default())
            .or_default()
            .push(rule);
    }
    groups
        .iter()
        .map(|group| {
            let id = group
                .group_id
                .as_deref()
                .ok_or_else(|| incomplete("read security groups", "groupId"))?;
            Ok(to_live(
                aws,
                id,
                group,
                rules.get(id).map(Vec::as_slice).unwrap_or_default(),
            ))
        })
        .collect()
}

fn to_live(aws: &Aws, id: &str, group: &SecurityGroup, rules: &[SecurityGroupRule]) -> Live {
    let (tags, owner) = tags::split(ec2::tag_pairs(group.tags()));
    let mut ingress = Vec::new();
    let mut egress = Vec::new();
    let mut extras = Vec::new();
    for rule in rules {
        let out = rule.is_egress == Some(true);
        match from_live(id, rule) {
            Ok(rule) if out => egress.push(rule),
            Ok(rule) => ingress.push(rule),
            Err(words) => extras.push(words),
        }
    }
    ingress.sort();
    egress.sort();
    let wanted = Wanted {
        vpc: group.vpc_id.clone().unwrap_or_default(),
        name: group.group_name.clone().unwrap_or_default(),
        description: group.description.clone().unwrap_or_default(),
        ingress,
        egress: Some(egress),
        tags,
    };
    let arn = group.security_group_arn.clone().unwrap_or_else(|| {
        let account = group.owner_id.as_deref().unwrap_or_default();
        format!("arn:aws:ec2:{}:{account}:security-group/{id}", aws.connection.region())
    });
    let outputs = outputs! { id: id, arn: arn, name: wanted.name.as_str() };
    let mut live = live(id, &wanted, outputs, owner);
    live.extras = extras;
    live
}

/// Returns a live rule in the words of a stack file, or says what it is when there are none.
fn from_live(own_id: &str, rule: &SecurityGroupRule) -> std::result::Result<Rule, String> {
    let protocol = match rule.ip_protocol.as_deref().unwrap_or("-1") {
        "-1" => "all",
        "6" | "tcp" => "tcp",
        "17" | "udp" => "udp",
        "1" | "icmp" => "icmp",
        other => return Err(format!("a rule for protocol {other}")),
    };
    let (port, ports) = match (protocol, rule.from_port, rule.to_port) {
        ("tcp" | "udp", Some(from), Some(to)) if from == to => (Some(from), None),
        ("tcp" | "udp", Some(from), Some(to)) => (None, Some(format!("{from}-{to}"))),
        _ => (None, None),
    };
    let peer = rule
        .referenced_group_info
        .as_ref()
        .and_then(|group| group.group_id.as_deref());
    let itself = peer == Some(own_id);
    Ok(Rule {
        protocol: protocol.to_owned(),
        port,
        ports,
        cidr: rule.cidr_ipv4.clone(),
        cidr_ipv6: rule.cidr_ipv6.clone(),
        prefix_list: rule.prefix_list_id.clone(),
        group: peer.filter(|_| !itself).map(str::to_owned),
        itself: itself.then_some(true),
        description: rule.description.clone().unwrap_or_default(),
    })
}

pub(crate) async fn create(aws: &Aws, create: &Create, report: Report<'_>) -> Result<Live> {
    let doing = "create the security group";
    let wanted: Wanted = typed(&create.fields)?;
    let made = async || {
        Ok(describe(aws, ec2::made_by([&create.owner.op]))
            .await?
            .pop()
            .and_then(|group| group.group_id))
    };
    let issue = async || {
        let answer = aws
            .ec2
            .create_security_group()
            .vpc_id(&wanted.vpc)
            .group_name(&wanted.name)
            .description(&wanted.description)
            .tag_specifications(ec2::tag_specification(
                ResourceType::SecurityGroup,
                &create.owner,
                &wanted.tags,
            ))
            .customize()
            .config_override(ec2::no_blind_retry())
            .send()
            .await
            .doing(doing)?;
        ec2::id(answer.group_id.as_deref(), doing, "groupId")
    };
    let issued = retry(ec2::lag(aws), report, ec2::not_visible, async || {
        ec2::once(aws, &made, issue).await
    })
    .await;
    let id = match issued {
        Ok(id) => id,
        Err(error) if error.is(Meaning::AlreadyExists) => ec2::shown(aws, made).await?.ok_or(error)?,
        Err(error) => return Err(error),
    };
    report(Progress::Made { id: id.clone() });
    allow(aws, &id, Way::In, &wanted.ingress, report).await?;
    if let Some(egress) = &wanted.egress {
        allow(aws, &id, Way::Out, egress, report).await?;
        let mut default = vec![everything_out(), everything_out_v6()];
        default.retain(|rule| !egress.iter().any(|wanted| wanted.identity() == *rule));
        forbid(aws, &id, Way::Out, &default).await?;
    }
    provider::visible(aws, doing, report, async || {
        read(aws, &[ask_created(create, &id)]).await
    })
    .await
}

#[derive(Clone, Copy, PartialEq)]
enum Way {
    In,
    Out,
}

/// Adds all rules in one call; if one of them is there already, AWS refuses them all, and they go one by one.
async fn allow(aws: &Aws, id: &str, way: Way, rules: &[Rule], report: Report<'_>) -> Result<()> {
    if rules.is_empty() {
        return Ok(());
    }
    let all: Vec<IpPermission> = rules.iter().map(|rule| rule.permission(id)).collect();
    let request = retry(ec2::lag(aws), report, ec2::not_visible, async || {
        authorize(aws, id, way, all.clone()).await
    });
    match request.await {
        Err(error) if error.is(Meaning::AlreadyExists) => {
            for permission in all {
                accept(authorize(aws, id, way, vec![permission]).await, Meaning::AlreadyExists)?;
            }
            Ok(())
        }
        other => other,
    }
}

async fn authorize(aws: &Aws, id: &str, way: Way, permissions: Vec<IpPermission>) -> Result<()> {
    let permissions = Some(permissions);
    let doing = "add rules to the security group";
    match way {
        Way::In => {
            let request = aws
                .ec2
                .authorize_security_group_ingress()
                .group_id(id)
                .set_ip_permissions(permissions);
            request.send().await.doing(doing)?;
        }
        Way::Out => {
            let request = aws
                .ec2
                .authorize_security_group_egress()
                .group_id(id)
                .set_ip_permissions(permissions);
            request.send().await.doing(doing)?;
        }
    }
    Ok(())
}

async fn forbid(aws: &Aws, id: &str, way: Way, rules: &[Rule]) -> Result<()> {
    for rule in rules {
        accept(revoke(aws, id, way, vec![rule.permission(id)]).await, Meaning::NotFound)?;
    }
    Ok(())
}

async fn revoke(aws: &Aws, id: &str, way: Way, permissions: Vec<IpPermission>) -> Result<()> {
    let permissions = Some(permissions);
    let doing = "remove rules from the security group";
    match way {
        Way::In => {
            let request = aws
                .ec2
                .revoke_security_group_ingress()
                .group_id(id)
                .set_ip_permissions(permissions);
            request.send().await.doing(doing)?;
        }
        Way::Out => {
            let request = aws
                .ec2
                .revoke_security_group_egress()
                .group_id(id)
                .set_ip_permissions(permissions);
            request.send().await.doing(doing)?;
        }
    }
    Ok(())
}

pub(crate) async fn update(aws: &Aws, update: &Update, report: Report<'_>) -> Result<Live> {
    let wanted: Wanted = typed(&update.fields)?;
    ec2::retag(aws, update, &update.id).await?;
    let ask = ask_updated(update);
    let present: Wanted = typed(
        &provider::one(
            read(aws, std::slice::from_ref(&ask)).await?,
            "change the security group",
        )?
        .fields,
    )?;
    if changes(update, &["ingress"]) {
        change_rules(aws, &update.id, Way::In, &present.ingress, &wanted.ingress, report).await?;
    }
    if changes(update, &["egress"]) {
        let egress = wanted.egress.unwrap_or_else(|| vec![everything_out()]);
        change_rules(
            aws,
            &update.id,
            Way::Out,
            &present.egress.unwrap_or_default(),
            &egress,
            report,
        )
        .await?;
    }
    provider::one(read(aws, &[ask]).await?, "change the security group")
}

/// New rules first, then the old ones go, so that nothing is cut off in between. A rule whose description changed
/// is the same rule to AWS and would be refused as a duplicate, so it is described anew.
async fn change_rules(
    aws: &Aws,
    id: &str,
    way: Way,
    present: &[Rule],
    wanted: &[Rule],
    report: Report<'_>,
) -> Result<()> {
    let known = |rule: &&Rule| present.iter().any(|old| old.identity() == rule.identity());
    let (kept, new): (Vec<&Rule>, Vec<&Rule>) = wanted.iter().partition(known);
    let new: Vec<Rule> = new.into_iter().cloned().collect();
    allow(aws, id, way, &new, report).await?;
    let described: Vec<IpPermission> = kept
        .into_iter()
        .filter(|rule| !present.contains(rule))
        .map(|rule| rule.permission(id))
        .collect();
    if !described.is_empty() {
        describe_rules(aws, id, way, described).await?;
    }
    let gone = |old: &&Rule| !wanted.iter().any(|rule| rule.identity() == old.identity());
    let gone: Vec<Rule> = present.iter().filter(gone).cloned().collect();
    forbid(aws, id, way, &gone).await
}

async fn describe_rules(aws: &Aws, id: &str, way: Way, permissions: Vec<IpPermission>) -> Result<()> {
    let permissions = Some(permissions);
    let doing = "describe rules of the security group";
    match way {
        Way::In => {
            let request = aws.ec2.update_security_group_rule_descriptions_ingress().group_id(id);
            request.set_ip_permissions(permissions).send().await.doing(doing)?;
        }
        Way::Out => {
            let request = aws.ec2.update_security_group_rule_descriptions_egress().group_id(id);
            request.set_ip_permissions(permissions).send().await.doing(doing)?;
        }
    }
    Ok(())
}

pub(crate) async fn delete(aws: &Aws, delete: &Delete, report: Report<'_>) -> Result<()> {
    let groups = describe(aws, ec2::filter("group-id", [&delete.id])).await?;
    let Some(group) = groups.into_iter().next() else {
        return Ok(());
    };
    // Groups that mention each other could never be deleted one after the other.
    for (way, permissions) in [(Way::In, group.ip_permissions), (Way::Out, group.ip_permissions_egress)] {
        let mentions: Vec<IpPermission> = permissions
            .unwrap_or_default()
            .into_iter()
            .filter(|permission| !permission.user_id_group_pairs().is_empty())
            .collect();
        if !mentions.is_empty() {
            let revoked: std::result::Result<(), CloudError> = revoke(aws, &delete.id, way, mentions).await;
            accept(revoked, Meaning::NotFound)?;
        }
    }
    diagnosis::delete_blocked(aws, diagnosis::Held::Group(&delete.id), report, async || {
        let request = aws.ec2.delete_security_group().group_id(&delete.id);
        accept(
            request.send().await.doing("delete the security group"),
            Meaning::NotFound,
        )
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_ec2::types::ReferencedSecurityGroup;

    fn rule(build: impl FnOnce(&mut Rule)) -> Rule {
        let mut rule = Rule {
            protocol: tcp(),
            cidr: None,
            ..everything_out()
        };
        build(&mut rule);
        rule
    }

    /// What AWS would tell of a permission with one peer.
    fn told(permission: &IpPermission) -> SecurityGroupRule {
        let range = permission.ip_ranges().first();
        let pair = permission.user_id_group_pairs().first();
        SecurityGroupRule::builder()
            .set_ip_protocol(permission.ip_protocol.clone())
            .set_from_port(permission.from_port.or(Some(-1)))
            .set_to_port(permission.to_port.or(Some(-1)))
            .set_cidr_ipv4(range.and_then(|range| range.cidr_ip.clone()))
            .set_referenced_group_info(pair.map(|pair| {
                ReferencedSecurityGroup::builder()
                    .set_group_id(pair.group_id.clone())
                    .build()
            }))
            .set_description(
                range
                    .and_then(|range| range.description.clone())
                    .or(pair.and_then(|pair| pair.description.clone())),
            )
            .build()
    }

    #[test]
    fn what_is_allowed_reads_back_as_it_was_written() {
        let rules = [
            everything_out(),
            rule(|r| (r.port, r.cidr) = (Some(5439), Some("10.0.0.0/8".to_owned()))),
            rule(|r| (r.ports, r.group) = (Some("8000-8080".to_owned()), Some("sg-2".to_owned()))),
            rule(|r| (r.port, r.itself, r.description) = (Some(443), Some(true), "own".to_owned())),
            rule(|r| (r.protocol, r.cidr) = ("icmp".to_owned(), Some("10.0.0.0/8".to_owned()))),
        ];
        for rule in rules {
            assert_eq!(from_live("sg-1", &told(&rule.permission("sg-1"))), Ok(rule));
        }
    }
}
