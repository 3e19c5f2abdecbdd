//! Defaults that AWS has changed, by the day from which each holds. The cloud's clock decides, so a test that freezes it
//! in another year meets that year's AWS.

/// What a request leaves unsaid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Default {
    /// A new bucket blocks all public access.
    BucketBlocksPublicAccess,
    /// A new cluster can be reached from the internet.
    ClusterIsPublic,
    /// A workgroup without a capacity gets a price-performance target.
    WorkgroupHasTarget,
}

/// What holds from the beginning, and what from later instants, in seconds since the epoch.
type Row = (Default, bool, &'static [(f64, bool)]);

const TABLE: [Row; 3] = [
    (Default::BucketBlocksPublicAccess, false, &[(APRIL_2023, true)]),
    (Default::ClusterIsPublic, true, &[(JANUARY_2025, false)]),
    (Default::WorkgroupHasTarget, false, &[(JULY_2026, true)]),
];

const APRIL_2023: f64 = 1_680_307_200.0;
/// The tenth.
const JANUARY_2025: f64 = 1_736_467_200.0;
const JULY_2026: f64 = 1_782_864_000.0;

/// Returns what holds at an instant.
pub fn holds(default: Default, now: f64) -> bool {
    let row = TABLE.iter().find(|(known, ..)| *known == default);
    let (_, first, changes) = row.expect("every default is in the table");
    let latest = changes.iter().rev().find(|(from, _)| now >= *from);
    latest.map_or(*first, |(_, value)| *value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Service;
    use super::super::iam::testing::World;
    use super::*;

    #[test]
    fn each_default_changes_on_its_day() {
        for (default, first, changes) in TABLE {
            assert_eq!(holds(default, 0.0), first);
            for (from, value) in changes {
                assert_eq!(holds(default, *from), *value);
                assert_eq!(holds(default, *from - 1.0), !value);
            }
        }
    }

    #[test]
    fn a_cluster_of_2024_is_public_unless_it_says_otherwise() {
        let made = |at: f64, said: Option<bool>| {
            let world = World::open();
            world.cloud.clock.freeze(Some(at));
            let ec2 = |operation: &str, input| world.ok(Service::Ec2, operation, input);
            let vpc = ec2("CreateVpc", json!({"CidrBlock": "10.0.0.0/16"}))["Vpc"]["VpcId"].clone();
            let gateway = ec2("CreateInternetGateway", json!({}))["InternetGateway"]["InternetGatewayId"].clone();
            ec2(
                "AttachInternetGateway",
                json!({"VpcId": vpc, "InternetGatewayId": gateway}),
            );
            let subnet = ec2("CreateSubnet", json!({"VpcId": vpc, "CidrBlock": "10.0.0.0/24"}));
            let group = json!({"ClusterSubnetGroupName": "g", "Description": "g",
                "SubnetIds": [subnet["Subnet"]["SubnetId"]]});
            world.ok(Service::Redshift, "CreateClusterSubnetGroup", group);
            let mut input = json!({"ClusterIdentifier": "dw", "NodeType": "ra3.large", "ClusterType": "single-node",
                "MasterUsername": "admin", "MasterUserPassword": "Secret-12", "ClusterSubnetGroupName": "g"});
            if let Some(public) = said {
                input["PubliclyAccessible"] = public.into();
            }
            world.ok(Service::Redshift, "CreateCluster", input)["Cluster"]["PubliclyAccessible"].clone()
        };
        assert_eq!(made(JANUARY_2025 - 1.0, None), true);
        assert_eq!(made(JANUARY_2025 - 1.0, Some(false)), false);
        assert_eq!(made(JANUARY_2025, None), false);
        assert_eq!(made(JANUARY_2025, Some(true)), true);
    }
}
