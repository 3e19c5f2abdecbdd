use serde_json::{Value, json};

use crate::services::Service::{self, Ec2};
use crate::services::iam::testing::World;

/// A VPC of 10.0.0.0/16 and the shortest way to call EC2.
struct Network {
    world: World,
    vpc: String,
}

impl Network {
    fn new() -> Network {
        let world = World::open();
        let vpc = text(&world.ok(Ec2, "CreateVpc", json!({"CidrBlock": "10.0.0.0/16"}))["Vpc"]["VpcId"]);
        Network { world, vpc }
    }

    fn ok(&self, operation: &str, input: Value) -> Value {
        self.world.ok(Ec2, operation, input)
    }

    fn refusal(&self, operation: &str, input: Value) -> String {
        self.world.refusal(Ec2, operation, input)
    }

    fn subnet(&self, block: &str) -> String {
        let answer = self.ok("CreateSubnet", json!({"VpcId": self.vpc, "CidrBlock": block}));
        text(&answer["Subnet"]["SubnetId"])
    }

    fn gateway(&self) -> String {
        let id = text(&self.ok("CreateInternetGateway", json!({}))["InternetGateway"]["InternetGatewayId"]);
        self.ok(
            "AttachInternetGateway",
            json!({"InternetGatewayId": id, "VpcId": self.vpc}),
        );
        id
    }

    fn table(&self) -> String {
        text(&self.ok("CreateRouteTable", json!({"VpcId": self.vpc}))["RouteTable"]["RouteTableId"])
    }

    fn routes(&self, table: &str) -> Vec<String> {
        let answer = self.ok("DescribeRouteTables", json!({"RouteTableIds": [table]}));
        let routes = answer["RouteTables"][0]["Routes"].as_array().expect("routes").clone();
        let members = ["DestinationCidrBlock", "DestinationPrefixListId"];
        let line = |route: &Value| {
            let destination = members
                .iter()
                .find_map(|member| route[member].as_str())
                .expect("a destination");
            format!("{destination} {}", route["State"].as_str().expect("a state"))
        };
        routes.iter().map(line).collect()
    }

    fn group(&self, name: &str) -> String {
        let input = json!({"GroupName": name, "Description": "d", "VpcId": self.vpc});
        text(&self.ok("CreateSecurityGroup", input)["GroupId"])
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

fn count(answer: &Value, list: &str) -> usize {
    answer[list].as_array().expect("a list").len()
}

#[test]
fn a_vpc_comes_with_its_defaults_and_takes_them_along() {
    let network = Network::new();
    let describes = [
        ("DescribeRouteTables", "RouteTables"),
        ("DescribeSecurityGroups", "SecurityGroups"),
        ("DescribeNetworkAcls", "NetworkAcls"),
    ];
    for (operation, list) in describes {
        assert_eq!(count(&network.ok(operation, json!({})), list), 1, "{operation}");
    }
    network.ok("DeleteVpc", json!({"VpcId": network.vpc}));
    for (operation, list) in describes {
        assert_eq!(count(&network.ok(operation, json!({})), list), 0, "{operation}");
    }
}

#[test]
fn a_vpc_is_pending_first() {
    let network = Network::new();
    let state = |network: &Network| text(&network.ok("DescribeVpcs", json!({}))["Vpcs"][0]["State"]);
    assert_eq!(state(&network), "pending");
    network.world.cloud.clock.advance(1.0);
    assert_eq!(state(&network), "available");
}

#[test]
fn subnets_lie_inside_their_vpc_and_beside_each_other() {
    let network = Network::new();
    network.subnet("10.0.0.0/24");
    let create = |block: &str| network.refusal("CreateSubnet", json!({"VpcId": network.vpc, "CidrBlock": block}));
    assert_eq!(create("10.0.0.128/25"), "InvalidSubnet.Conflict");
    assert_eq!(create("10.1.0.0/24"), "InvalidSubnet.Range");
    assert_eq!(create("10.0.0.0/8"), "InvalidSubnet.Range");
    assert_eq!(create("everything"), "InvalidParameterValue");
}

#[test]
fn a_second_block_makes_room_for_subnets() {
    let network = Network::new();
    let answer = network.ok(
        "AssociateVpcCidrBlock",
        json!({"VpcId": network.vpc, "CidrBlock": "10.1.0.0/16"}),
    );
    network.subnet("10.1.0.0/24");
    let id = &answer["CidrBlockAssociation"]["AssociationId"];
    assert_eq!(
        network.refusal("DisassociateVpcCidrBlock", json!({"AssociationId": id})),
        "DependencyViolation"
    );
}

#[test]
fn everything_in_a_vpc_holds_it() {
    let network = Network::new();
    let delete = json!({"VpcId": network.vpc});
    let subnet = network.subnet("10.0.0.0/24");
    assert_eq!(network.refusal("DeleteVpc", delete.clone()), "DependencyViolation");
    network.ok("DeleteSubnet", json!({"SubnetId": subnet}));
    let gateway = network.gateway();
    assert_eq!(network.refusal("DeleteVpc", delete.clone()), "DependencyViolation");
    network.ok(
        "DetachInternetGateway",
        json!({"InternetGatewayId": gateway, "VpcId": network.vpc}),
    );
    let group = network.group("g");
    assert_eq!(network.refusal("DeleteVpc", delete.clone()), "DependencyViolation");
    network.ok("DeleteSecurityGroup", json!({"GroupId": group}));
    let table = network.table();
    assert_eq!(network.refusal("DeleteVpc", delete.clone()), "DependencyViolation");
    network.ok("DeleteRouteTable", json!({"RouteTableId": table}));
    network.ok("DeleteVpc", delete);
}

#[test]
fn a_route_to_a_detached_gateway_is_a_blackhole() {
    let network = Network::new();
    let (gateway, table) = (network.gateway(), network.table());
    let route = json!({"RouteTableId": table, "DestinationCidrBlock": "0.0.0.0/0", "GatewayId": gateway});
    network.ok("CreateRoute", route.clone());
    assert_eq!(network.refusal("CreateRoute", route), "RouteAlreadyExists");
    assert_eq!(network.routes(&table), ["10.0.0.0/16 active", "0.0.0.0/0 active"]);
    network.ok(
        "DetachInternetGateway",
        json!({"InternetGatewayId": gateway, "VpcId": network.vpc}),
    );
    assert_eq!(network.routes(&table), ["10.0.0.0/16 active", "0.0.0.0/0 blackhole"]);
}

#[test]
fn a_subnet_has_one_route_table() {
    let network = Network::new();
    let (subnet, first, second) = (network.subnet("10.0.0.0/24"), network.table(), network.table());
    let associate = |table: &str| json!({"RouteTableId": table, "SubnetId": subnet});
    let id = text(&network.ok("AssociateRouteTable", associate(&first))["AssociationId"]);
    assert_eq!(
        network.refusal("AssociateRouteTable", associate(&second)),
        "Resource.AlreadyAssociated"
    );
    let moved = json!({"AssociationId": id, "RouteTableId": second});
    network.ok("ReplaceRouteTableAssociation", moved);
    network.ok("DeleteRouteTable", json!({"RouteTableId": first}));
    assert_eq!(
        network.refusal("DeleteRouteTable", json!({"RouteTableId": second})),
        "DependencyViolation"
    );
}

#[test]
fn a_gateway_endpoint_routes_its_prefix_list() {
    let network = Network::new();
    let table = network.table();
    let create = json!({"VpcId": network.vpc, "ServiceName": "com.amazonaws.eu-west-1.s3", "RouteTableIds": [table]});
    let id = text(&network.ok("CreateVpcEndpoint", create.clone())["VpcEndpoint"]["VpcEndpointId"]);
    assert_eq!(network.routes(&table).len(), 2);
    assert_eq!(network.refusal("CreateVpcEndpoint", create), "RouteAlreadyExists");
    assert_eq!(
        network.refusal("DeleteVpc", json!({"VpcId": network.vpc})),
        "DependencyViolation"
    );
    let answer = network.ok("DeleteVpcEndpoints", json!({"VpcEndpointIds": [id, "vpce-0123"]}));
    assert_eq!(
        answer["Unsuccessful"][0]["Error"]["Code"],
        "InvalidVpcEndpointId.NotFound"
    );
    assert_eq!(network.routes(&table).len(), 1);
}

#[test]
fn a_client_token_makes_one_object() {
    let network = Network::new();
    let create = json!({"VpcId": network.vpc, "ClientToken": "t-1"});
    let first = network.ok("CreateRouteTable", create.clone());
    let again = network.ok("CreateRouteTable", create);
    assert_eq!(first["RouteTable"]["RouteTableId"], again["RouteTable"]["RouteTableId"]);
    let other = json!({"VpcId": "vpc-0", "ClientToken": "t-1"});
    assert_eq!(
        network.refusal("CreateRouteTable", other),
        "IdempotentParameterMismatch"
    );
}

#[test]
fn a_nat_gateway_lives_through_its_states_and_holds_its_address() {
    let network = Network::new();
    let gateway = network.gateway();
    let subnet = network.subnet("10.0.0.0/24");
    let allocation = text(&network.ok("AllocateAddress", json!({"Domain": "vpc"}))["AllocationId"]);
    let create = json!({"SubnetId": subnet, "AllocationId": allocation});
    let nat = text(&network.ok("CreateNatGateway", create)["NatGateway"]["NatGatewayId"]);
    let state = || text(&network.ok("DescribeNatGateways", json!({"NatGatewayIds": [nat]}))["NatGateways"][0]["State"]);
    assert_eq!(state(), "pending");
    network.world.cloud.clock.advance(2.0);
    assert_eq!(state(), "available");
    let detach = json!({"InternetGatewayId": gateway, "VpcId": network.vpc});
    assert_eq!(
        network.refusal("DetachInternetGateway", detach.clone()),
        "DependencyViolation"
    );
    assert_eq!(
        network.refusal("ReleaseAddress", json!({"AllocationId": allocation})),
        "InvalidIPAddress.InUse"
    );
    assert_eq!(
        network.refusal("DeleteSubnet", json!({"SubnetId": subnet})),
        "DependencyViolation"
    );
    network.ok("DeleteNatGateway", json!({"NatGatewayId": nat}));
    assert_eq!(state(), "deleting");
    network.world.cloud.clock.advance(2.0);
    assert_eq!(state(), "deleted");
    network.ok("DetachInternetGateway", detach);
    network.ok("ReleaseAddress", json!({"AllocationId": allocation}));
    network.ok("DeleteSubnet", json!({"SubnetId": subnet}));
    network.world.cloud.clock.advance(3700.0);
    assert_eq!(
        network.refusal("DescribeNatGateways", json!({"NatGatewayIds": [nat]})),
        "NatGatewayNotFound"
    );
}

#[test]
fn a_nat_gateway_without_a_way_out_fails() {
    let network = Network::new();
    let subnet = network.subnet("10.0.0.0/24");
    let allocation = text(&network.ok("AllocateAddress", json!({}))["AllocationId"]);
    network.ok(
        "CreateNatGateway",
        json!({"SubnetId": subnet, "AllocationId": allocation}),
    );
    network.world.cloud.clock.advance(2.0);
    let nat = network.ok("DescribeNatGateways", json!({}))["NatGateways"][0].clone();
    assert_eq!(
        (nat["State"].as_str(), nat["FailureCode"].as_str()),
        (Some("failed"), Some("Gateway.NotAttached"))
    );
}

#[test]
fn rules_are_merged_when_shown_and_exploded_when_stored() {
    let network = Network::new();
    let group = network.group("g");
    let ranges = json!([{"CidrIp": "10.0.0.0/16"}, {"CidrIp": "10.9.0.0/16", "Description": "office"}]);
    let permission = json!({"IpProtocol": "6", "FromPort": 5439, "ToPort": 5439, "IpRanges": ranges});
    let authorize = json!({"GroupId": group, "IpPermissions": [permission]});
    let made = network.ok("AuthorizeSecurityGroupIngress", authorize.clone());
    assert_eq!(count(&made, "SecurityGroupRules"), 2);
    assert_eq!(
        network.refusal("AuthorizeSecurityGroupIngress", authorize.clone()),
        "InvalidPermission.Duplicate"
    );
    let shown = network.ok("DescribeSecurityGroups", json!({"GroupIds": [group]}))["SecurityGroups"][0].clone();
    assert_eq!(count(&shown, "IpPermissions"), 1);
    assert_eq!(shown["IpPermissions"][0]["IpRanges"], ranges);
    assert_eq!(shown["IpPermissions"][0]["IpProtocol"], "tcp");
    network.ok("RevokeSecurityGroupIngress", authorize.clone());
    assert_eq!(
        network.refusal("RevokeSecurityGroupIngress", authorize),
        "InvalidPermission.NotFound"
    );
}

#[test]
fn a_group_is_held_by_rules_and_interfaces() {
    let network = Network::new();
    let (group, other) = (network.group("a"), network.group("b"));
    let pair = json!([{"GroupId": group}]);
    let permission = json!([{"IpProtocol": "-1", "UserIdGroupPairs": pair}]);
    let rule = json!({"GroupId": other, "IpPermissions": permission});
    network.ok("AuthorizeSecurityGroupIngress", rule.clone());
    assert_eq!(
        network.refusal("DeleteSecurityGroup", json!({"GroupId": group})),
        "DependencyViolation"
    );
    network.ok("RevokeSecurityGroupIngress", rule);
    let subnet = network.subnet("10.0.0.0/24");
    let create = json!({"SubnetId": subnet, "Groups": [group]});
    let eni = text(&network.ok("CreateNetworkInterface", create)["NetworkInterface"]["NetworkInterfaceId"]);
    assert_eq!(
        network.refusal("DeleteSecurityGroup", json!({"GroupId": group})),
        "DependencyViolation"
    );
    network.ok("DeleteNetworkInterface", json!({"NetworkInterfaceId": eni}));
    network.ok("DeleteSecurityGroup", json!({"GroupId": group}));
    assert_eq!(
        network.refusal(
            "CreateSecurityGroup",
            json!({"GroupName": "B", "Description": "d", "VpcId": network.vpc})
        ),
        "InvalidGroup.Duplicate"
    );
}

#[test]
fn a_service_holds_its_subnet_until_it_lets_go() {
    let network = Network::new();
    let subnet = network.subnet("10.0.0.0/24");
    let cloud = network.world.cloud.clone();
    let (account, region) = (crate::services::ACCOUNT, "eu-west-1");
    let wanted = subnet.clone();
    let eni = cloud
        .write_blocking(Ec2, account, region, move |cx| {
            super::eni::attach(
                cx,
                &wanted,
                &[],
                super::eni::Owner::Redshift,
                "RedshiftNetworkInterface",
            )
        })
        .expect("attaches");
    let shown = network.ok("DescribeNetworkInterfaces", json!({}))["NetworkInterfaces"][0].clone();
    assert_eq!(shown["RequesterId"], "amazon-redshift");
    assert_eq!(shown["PrivateIpAddress"], "10.0.0.4");
    let free = network.ok("DescribeSubnets", json!({}))["Subnets"][0]["AvailableIpAddressCount"].clone();
    assert_eq!(free, 250);
    assert_eq!(
        network.refusal("DeleteSubnet", json!({"SubnetId": subnet})),
        "DependencyViolation"
    );
    assert_eq!(
        network.refusal("DeleteNetworkInterface", json!({"NetworkInterfaceId": eni.id})),
        "InvalidNetworkInterface.InUse"
    );
    cloud
        .write_blocking(Ec2, account, region, move |cx| super::eni::release(cx, &eni.id))
        .expect("releases");
    network.ok("DeleteSubnet", json!({"SubnetId": subnet}));
}

#[test]
fn tags_are_given_in_the_create_call_and_found_by_filters() {
    let network = Network::new();
    let specification = |kind: &str| json!([{"ResourceType": kind, "Tags": [{"Key": "stack", "Value": "dev"}]}]);
    let create = |kind: &str| json!({"VpcId": network.vpc, "CidrBlock": "10.0.0.0/24", "TagSpecifications": specification(kind)});
    assert_eq!(network.refusal("CreateSubnet", create("vpc")), "InvalidParameterValue");
    network.ok("CreateSubnet", create("subnet"));
    network.subnet("10.0.1.0/24");
    let found = |name: &str, value: &str| {
        let filters = json!({"Filters": [{"Name": name, "Values": [value]}]});
        count(&network.ok("DescribeSubnets", filters), "Subnets")
    };
    assert_eq!(
        (
            found("tag:stack", "dev"),
            found("tag:stack", "d*"),
            found("tag-key", "stack")
        ),
        (1, 1, 1)
    );
    assert_eq!(found("tag:stack", "prod"), 0);
    let unknown = json!({"Filters": [{"Name": "colour", "Values": ["red"]}]});
    assert_eq!(network.refusal("DescribeSubnets", unknown), "InvalidParameterValue");
}

#[test]
fn the_tagging_service_shows_no_ghosts() {
    let network = Network::new();
    network.ok(
        "CreateTags",
        json!({"Resources": [network.vpc], "Tags": [{"Key": "stack", "Value": "dev"}]}),
    );
    let resources = || {
        let filters = json!({"TagFilters": [{"Key": "stack", "Values": ["dev"]}]});
        count(
            &network.world.ok(Service::Tagging, "GetResources", filters),
            "ResourceTagMappingList",
        )
    };
    assert_eq!(resources(), 1);
    network.ok("DeleteVpc", json!({"VpcId": network.vpc}));
    assert_eq!(resources(), 0);
}

#[test]
fn a_parameter_without_effect_here_is_refused() {
    let network = Network::new();
    let input = json!({"VpcId": network.vpc, "Ipv6CidrBlock": "2001:db8::/64"});
    assert_eq!(network.refusal("CreateSubnet", input), "NotImplemented");
}

#[test]
fn listings_come_in_pages() {
    let network = Network::new();
    for at in 0..7 {
        network.subnet(&format!("10.0.{at}.0/24"));
    }
    let first = network.ok("DescribeSubnets", json!({"MaxResults": 5}));
    assert_eq!(count(&first, "Subnets"), 5);
    let second = network.ok(
        "DescribeSubnets",
        json!({"MaxResults": 5, "NextToken": first["NextToken"]}),
    );
    assert_eq!(count(&second, "Subnets"), 2);
    assert!(second.get("NextToken").is_none());
    assert_eq!(
        network.refusal("DescribeSubnets", json!({"NextToken": "nonsense"})),
        "InvalidNextToken"
    );
}
