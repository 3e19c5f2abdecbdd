//! Facts of the region: availability zones, prefix lists and account attributes.

use serde_json::{Value, json};

use super::resource::{self, strings};
use crate::services::{Answer, Call, Fault};

/// Services reached by a gateway endpoint, with the blocks of their prefix lists (documentation ranges, not AWS's).
pub const GATEWAY_SERVICES: [(&str, &str); 2] = [("s3", "198.51.100.0/24"), ("dynamodb", "203.0.113.0/24")];

const REGIONS: [&str; 17] = [
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ca-central-1",
    "eu-central-1",
    "eu-north-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
];

/// Returns the names and ids of a region's zones, such as `eu-west-1a` and `euw1-az1`.
pub fn of(region: &str) -> Vec<(String, String)> {
    let letters = match region {
        "us-east-1" => "abcdef",
        "us-west-2" => "abcd",
        "us-west-1" => "ab",
        _ => "abc",
    };
    let short = short(region);
    let zone = |(at, letter): (usize, char)| (format!("{region}{letter}"), format!("{short}-az{}", at + 1));
    letters.chars().enumerate().map(zone).collect()
}

/// `ap-southeast-2` is `apse2`.
fn short(region: &str) -> String {
    let mut parts = region.split('-');
    let area = parts.next().unwrap_or_default();
    let rest: String = parts
        .map(|part| match part {
            "northeast" => "ne",
            "southeast" => "se",
            "northwest" => "nw",
            "southwest" => "sw",
            part => part.split_at_checked(1).map_or(part, |(first, _)| first),
        })
        .collect();
    area.to_owned() + &rest
}

pub fn describe_zones(cx: &Call, input: &Value) -> Answer {
    let mut zones: Vec<Value> = of(&cx.region)
        .into_iter()
        .map(|(name, id)| {
            json!({
                "ZoneName": name, "ZoneId": id, "State": "available", "RegionName": cx.region, "Messages": [],
                "GroupName": cx.region, "NetworkBorderGroup": cx.region, "OptInStatus": "opt-in-not-required",
                "ZoneType": "availability-zone",
            })
        })
        .collect();
    for (member, field) in [("ZoneNames", "ZoneName"), ("ZoneIds", "ZoneId")] {
        let wanted = strings(&input[member]);
        if let Some(unknown) = wanted
            .iter()
            .find(|wanted| zones.iter().all(|zone| zone[field] != **wanted))
        {
            return Err(Fault::bad(
                "InvalidParameterValue",
                format!("Invalid availability zone: [{unknown}]"),
            ));
        }
        if !wanted.is_empty() {
            zones.retain(|zone| wanted.iter().any(|wanted| zone[field] == *wanted));
        }
    }
    let filters = [
        ("zone-name", "ZoneName"),
        ("zone-id", "ZoneId"),
        ("state", "State"),
        ("region-name", "RegionName"),
        ("group-name", "GroupName"),
        ("zone-type", "ZoneType"),
        ("opt-in-status", "OptInStatus"),
        ("network-border-group", "NetworkBorderGroup"),
    ];
    Ok(json!({"AvailabilityZones": resource::filtered(input, zones, &filters, "Tags")?}))
}

pub fn describe_regions(input: &Value) -> Answer {
    let regions = REGIONS.iter().map(|region| {
        json!({
            "RegionName": region, "Endpoint": format!("ec2.{region}.amazonaws.com"),
            "OptInStatus": "opt-in-not-required",
        })
    });
    let wanted = strings(&input["RegionNames"]);
    if let Some(unknown) = wanted.iter().find(|wanted| !REGIONS.contains(wanted)) {
        return Err(Fault::bad(
            "InvalidParameterValue",
            format!("Invalid region: [{unknown}]"),
        ));
    }
    let regions =
        regions.filter(|region| wanted.is_empty() || wanted.iter().any(|wanted| region["RegionName"] == *wanted));
    let filters = [
        ("region-name", "RegionName"),
        ("endpoint", "Endpoint"),
        ("opt-in-status", "OptInStatus"),
    ];
    Ok(json!({"Regions": resource::filtered(input, regions.collect(), &filters, "Tags")?}))
}

/// Returns the id of the prefix list of a gateway service; the same in every account of the region.
pub fn prefix_list(region: &str, service: &str) -> String {
    // FNV-1a: the ids only have to be stable and distinct.
    let name = format!("{region}.{service}");
    let hash = name.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    format!("pl-{hash:08x}")
}

fn prefix_lists(cx: &Call) -> Vec<Value> {
    GATEWAY_SERVICES
        .iter()
        .map(|(service, block)| {
            json!({
                "PrefixListId": prefix_list(&cx.region, service),
                "PrefixListName": format!("com.amazonaws.{}.{service}", cx.region), "Cidrs": [block],
            })
        })
        .collect()
}

pub fn describe_prefix_lists(cx: &Call, input: &Value) -> Answer {
    let mut lists = prefix_lists(cx);
    let wanted = strings(&input["PrefixListIds"]);
    if let Some(unknown) = wanted
        .iter()
        .find(|wanted| lists.iter().all(|list| list["PrefixListId"] != **wanted))
    {
        let message = format!("The prefix list ID '{unknown}' does not exist");
        return Err(Fault::bad("InvalidPrefixListID.NotFound", message));
    }
    lists.retain(|list| wanted.is_empty() || wanted.iter().any(|wanted| list["PrefixListId"] == *wanted));
    let filters = [
        ("prefix-list-id", "PrefixListId"),
        ("prefix-list-name", "PrefixListName"),
    ];
    let lists = resource::filtered(input, lists, &filters, "Tags")?;
    resource::page(cx, input, lists, "PrefixLists", 1000)
}

pub fn describe_managed_prefix_lists(cx: &Call, input: &Value) -> Answer {
    let wanted = strings(&input["PrefixListIds"]);
    let lists = prefix_lists(cx)
        .into_iter()
        .filter(|list| wanted.is_empty() || wanted.iter().any(|wanted| list["PrefixListId"] == *wanted));
    let lists = lists.map(|list| {
        let id = list["PrefixListId"].as_str().unwrap_or_default();
        json!({
            "PrefixListId": id, "PrefixListName": list["PrefixListName"], "AddressFamily": "IPv4",
            "State": "create-complete", "OwnerId": "AWS", "Tags": [],
            "PrefixListArn": format!("arn:aws:ec2:{}:aws:prefix-list/{id}", cx.region),
        })
    });
    let filters = [
        ("prefix-list-id", "PrefixListId"),
        ("prefix-list-name", "PrefixListName"),
        ("owner-id", "OwnerId"),
    ];
    let lists = resource::filtered(input, lists.collect(), &filters, "Tags")?;
    resource::page(cx, input, lists, "PrefixLists", 100)
}

pub fn prefix_list_entries(cx: &Call, input: &Value) -> Answer {
    let id = resource::text(input, "PrefixListId");
    let list = prefix_lists(cx)
        .into_iter()
        .find(|list| list["PrefixListId"] == id)
        .ok_or_else(|| {
            Fault::bad(
                "InvalidPrefixListID.NotFound",
                format!("The prefix list ID '{id}' does not exist"),
            )
        })?;
    let entries = list["Cidrs"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|cidr| json!({"Cidr": cidr}))
        .collect();
    resource::page(cx, input, entries, "Entries", 100)
}

pub fn describe_account_attributes(input: &Value) -> Answer {
    let attributes = [
        ("supported-platforms", "VPC"),
        ("vpc-max-security-groups-per-interface", "5"),
        ("max-elastic-ips", "5"),
        ("vpc-max-elastic-ips", "5"),
        ("max-instances", "20"),
        ("default-vpc", "none"),
    ];
    let wanted = strings(&input["AttributeNames"]);
    let shown: Vec<Value> = attributes
        .iter()
        .filter(|(name, _)| wanted.is_empty() || wanted.contains(name))
        .map(|(name, value)| json!({"AttributeName": name, "AttributeValues": [{"AttributeValue": value}]}))
        .collect();
    Ok(json!({"AccountAttributes": shown}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zone_ids_are_shortened_as_aws_does() {
        assert_eq!(
            of("ap-southeast-2")[0],
            ("ap-southeast-2a".to_owned(), "apse2-az1".to_owned())
        );
        assert_eq!(of("eu-west-1")[2].1, "euw1-az3");
    }
}
