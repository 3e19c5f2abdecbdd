//! What somebody else made is taken over: the tables that declare it are written, and nothing is left to do.

use crate::http::{ec2, element};
use crate::sandbox::Sandbox;
use crate::served::Served;

/// A network that lakeform did not make. Returns the VPC's id.
fn by_hand(endpoint: &str) -> String {
    let tagged = |kind: &str, name: &str| {
        format!(
            "TagSpecification.1.ResourceType={kind}&TagSpecification.1.Tag.1.Key=Name&TagSpecification.1.Tag.1.Value={name}\
             &TagSpecification.1.Tag.2.Key=project&TagSpecification.1.Tag.2.Value=legacy"
        )
    };
    let make = |action: &str, kind: &str, name: &str| ec2(endpoint, &format!("{action}&{}", tagged(kind, name)));
    let vpc = element(&make("CreateVpc&CidrBlock=10.7.0.0/16", "vpc", "old-net"), "vpcId");
    let subnet = format!("CreateSubnet&VpcId={vpc}&CidrBlock=10.7.1.0/24&AvailabilityZone=us-east-1a");
    let subnet = element(&make(&subnet, "subnet", "old-subnet"), "subnetId");
    let gateway = element(
        &make("CreateInternetGateway", "internet-gateway", "old-door"),
        "internetGatewayId",
    );
    ec2(
        endpoint,
        &format!("AttachInternetGateway&InternetGatewayId={gateway}&VpcId={vpc}"),
    );
    let table = make(&format!("CreateRouteTable&VpcId={vpc}"), "route-table", "old-routes");
    let table = element(&table, "routeTableId");
    ec2(
        endpoint,
        &format!("CreateRoute&RouteTableId={table}&DestinationCidrBlock=0.0.0.0/0&GatewayId={gateway}"),
    );
    ec2(
        endpoint,
        &format!("AssociateRouteTable&RouteTableId={table}&SubnetId={subnet}"),
    );
    let group = format!("CreateSecurityGroup&VpcId={vpc}&GroupName=old-group&GroupDescription=by%20hand");
    let group = element(&make(&group, "security-group", "old-group"), "groupId");
    let rule = "IpPermissions.1.IpProtocol=tcp&IpPermissions.1.FromPort=5439&IpPermissions.1.ToPort=5439\
                &IpPermissions.1.IpRanges.1.CidrIp=10.7.0.0/16";
    ec2(
        endpoint,
        &format!("AuthorizeSecurityGroupIngress&GroupId={group}&{rule}"),
    );
    vpc
}

fn stack(endpoint: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    let text = format!(
        "# The old network.\n[stack]\nname = \"old\"\ncloud = \"aws\"\naccount = \"123456789012\"\nendpoint = \"{endpoint}\"\n"
    );
    std::fs::write(sandbox.path().join("stack.toml"), text).expect("written");
    sandbox
}

#[test]
fn a_vpc_and_all_in_it_becomes_a_stack_with_nothing_to_do() {
    let cloud = Sandbox::new();
    let served = Served::new(&cloud, &["--dir", "disk"]);
    let vpc = by_hand(&served.http);
    let sandbox = stack(&served.http);
    let before = std::fs::read_to_string(sandbox.path().join("stack.toml")).expect("a file");
    // Without consent it is only shown.
    let shown = sandbox.ok(&["import", "--vpc", &vpc]);
    assert!(shown.stdout.contains("vpc = \"vpc.net\""), "{}", shown.all);
    assert!(
        shown.stdout.contains("via = \"internet_gateway.door\""),
        "{}",
        shown.all
    );
    let file = || std::fs::read_to_string(sandbox.path().join("stack.toml")).expect("a file");
    assert_eq!(file(), before);
    assert_eq!(
        sandbox.run(&["import", "--vpc", &vpc, "--write"]).code,
        4,
        "nobody to ask"
    );
    assert_eq!(file(), before);
    sandbox.ok(&["import", "--vpc", &vpc, "--write", "--yes"]);
    assert!(file().starts_with("# The old network."));
    let plan = sandbox.run(&["plan", "--detailed-exitcode"]);
    assert_eq!(plan.code, 0, "{}{}", plan.all, file());
    let again = sandbox.ok(&["import", "--vpc", &vpc]);
    assert!(again.all.contains("nothing to take over"), "{}", again.all);
    // From now on it is like what lakeform made itself.
    sandbox.ok(&["destroy", "--yes"]);
}

#[test]
fn a_tag_or_an_id_names_what_is_taken_over() {
    let cloud = Sandbox::new();
    let served = Served::new(&cloud, &["--dir", "disk"]);
    let vpc = by_hand(&served.http);
    let sandbox = stack(&served.http);
    let shown = sandbox.ok(&["import", "vpc.mine", &vpc]);
    assert!(
        shown.stdout.starts_with("[vpc.mine]\ncidr = \"10.7.0.0/16\"\n"),
        "{}",
        shown.stdout
    );
    sandbox.ok(&["import", "vpc.mine", &vpc, "--write", "--yes"]);
    assert_eq!(sandbox.ok(&["plan", "--detailed-exitcode"]).code, 0);
    // The rest refers to what is there already.
    sandbox.ok(&["import", "--tag", "project=legacy", "--write", "--yes"]);
    let plan = sandbox.run(&["plan", "--detailed-exitcode"]);
    assert_eq!(plan.code, 0, "{}", plan.all);
    let listed = sandbox.ok(&["state", "list"]).stdout;
    assert!(listed.contains("security_group.group"), "{listed}");
    assert_eq!(sandbox.run(&["import", "--vpc", "vpc-00000000"]).code, 1);
    assert_eq!(sandbox.run(&["import", "vpc.other", "vpc-00000000"]).code, 1);
    assert_eq!(sandbox.run(&["import"]).code, 1);
}
