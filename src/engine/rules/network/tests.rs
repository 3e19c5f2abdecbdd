use crate::testing::problems;
use snapbox::{assert_data_eq, str};

#[test]
fn blocks_must_be_canonical_and_fit() {
    assert_data_eq!(
        problems(
            r#"[vpc.main]
cidr = "10.0.0.0/8"
[vpc.second]
cidr = "10.1.0.0/16"
[vpc.public]
cidr = "8.8.0.0/16"
[subnet.a]
vpc = "vpc.second"
cidr = "10.1.0.5/24"
zone = "a"
[subnet.b]
vpc = "vpc.second"
cidr = "10.2.0.0/24"
zone = "a"
[subnet.c]
vpc = "vpc.second"
cidr = "10.1.4.0/22"
zone = "a"
[subnet.d]
vpc = "vpc.second"
cidr = "10.1.6.0/24"
zone = "eu-west-1a"
"#
        ),
        str![[r#"
error[cidr-size] 4:8 AWS takes blocks from /16 to /28: this is a /8
warning[vpcs-overlap] 6:8 two VPCs overlap: overlaps `vpc.main`; they can never be peered
  4:8 the other block
warning[public-range] 8:8 the block is not for private networks: belongs to somebody on the internet
  hint: write a block inside 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16
error[cidr-host-bits] 11:8 bits are set behind the prefix: AWS would change this
  hint: write "10.1.0.0/24"
error[cidr-outside-vpc] 15:8 the subnet lies outside its VPC: not inside 10.1.0.0/16
  6:8 the VPC's block
error[cidr-overlap] 23:8 two subnets overlap: overlaps `subnet.c`
  19:8 the other block
error[zone-outside-region] 24:8 not a zone of the stack's region: the region is `us-east-1`
  hint: write the letter alone: zone = "a"

"#]]
    );
}

#[test]
fn dns_host_names_need_dns() {
    assert_data_eq!(
        problems(
            r#"[vpc.main]
cidr = "10.0.0.0/16"
dns_support = false
"#
        ),
        str![[r#"
error[dns-hostnames-need-support] 5:15 DNS host names need DNS support: switched off here
  hint: write dns_support = true, or dns_hostnames = false

"#]]
    );
}

#[test]
fn routes_must_lead_somewhere() {
    assert_data_eq!(
        problems(
            r#"[vpc.main]
cidr = "10.0.0.0/16"
[internet_gateway.main]
vpc = "vpc.main"
[internet_gateway.second]
vpc = "vpc.main"
[subnet.a]
vpc = "vpc.main"
cidr = "10.0.0.0/24"
zone = "a"
public_ips = true
[nat_gateway.main]
subnet = "subnet.a"
[route_table.one]
vpc = "vpc.main"
subnets = ["subnet.a"]
routes = [{ to = "10.0.4.0/24", via = "nat_gateway.main" }, { to = "0.0.0.0/0", via = "nat_gateway.main" }, { to = "0.0.0.0/0", via = "internet_gateway.main" }]
[route_table.two]
vpc = "vpc.main"
subnets = ["subnet.a"]
[vpc.other]
cidr = "10.9.0.0/16"
[subnet.other]
vpc = "vpc.other"
cidr = "10.9.0.0/24"
zone = "a"
[nat_gateway.other]
subnet = "subnet.other"
"#
        ),
        str![[r#"
error[second-internet-gateway] 8:7 a VPC has one internet gateway: `vpc.main` has `internet_gateway.main`
  5:19 the other one
error[public-subnet-without-internet] 13:14 public addresses lead nowhere: no route to an internet gateway
  hint: route_table: routes = [{ to = "0.0.0.0/0", via = "internet_gateway.…" }] with this subnet among its `subnets`
error[nat-in-private-subnet] 15:10 a NAT gateway stands in a public subnet: `subnet.a` has no route to an internet gateway
  hint: route_table: routes = [{ to = "0.0.0.0/0", via = "internet_gateway.…" }] with this subnet among its `subnets`
error[route-inside-vpc] 19:11 the route leads into the VPC itself: 10.0.0.0/16 is local already
error[duplicate-route] 19:109 two routes have one destination: `0.0.0.0/0` has a route already
error[subnet-in-two-route-tables] 22:11 a subnet uses one route table: `subnet.a` uses `route_table.one`
  18:11 the other table
error[nat-without-internet-gateway] 29:14 a NAT gateway needs an internet gateway: `vpc.other` has none
  hint: add [internet_gateway.other] with vpc = "vpc.other"
warning[unused-nat-gateway] 29:14 nothing uses the NAT gateway, and it is paid by the hour: no route leads to it
  hint: add a route to it, or remove it: S3 alone needs only a vpc_endpoint, which is free

"#]]
    );
}

#[test]
fn a_table_has_one_endpoint_of_its_own_vpc() {
    assert_data_eq!(
        problems(
            r#"[vpc.main]
cidr = "10.0.0.0/16"
[vpc.other]
cidr = "10.1.0.0/16"
[route_table.one]
vpc = "vpc.main"
[vpc_endpoint.a]
vpc = "vpc.main"
route_tables = ["route_table.one"]
[vpc_endpoint.b]
vpc = "vpc.other"
route_tables = ["route_table.one"]
[vpc_endpoint.c]
vpc = "vpc.main"
"#
        ),
        str![[r#"
error[other-vpc] 14:16 these are in different VPCs: `route_table.one` is in `vpc.main`, this is in `vpc.other`
  8:7 the other VPC
error[route-table-in-two-endpoints] 14:16 a route table has one endpoint per service: `route_table.one` has `vpc_endpoint.a`
  11:16 the other one
warning[endpoint-without-route-table] 15:15 the endpoint serves nobody: `route_tables` is empty

"#]]
    );
}

#[test]
fn redshift_must_reach_s3() {
    assert_data_eq!(
        problems(
            r#"[vpc.main]
cidr = "10.0.0.0/16"
[subnet.a]
vpc = "vpc.main"
cidr = "10.0.0.0/24"
zone = "a"
[route_table.one]
vpc = "vpc.main"
subnets = ["subnet.a"]
[redshift_subnet_group.main]
subnets = ["subnet.a"]
[redshift_cluster.main]
subnet_group = "redshift_subnet_group.main"
public = true
"#
        ),
        str![[r#"
warning[one-zone] 13:11 all subnets are in one zone: the cluster cannot move when the zone fails
  hint: add a subnet in another zone
error[redshift-without-s3] 14:19 Redshift cannot reach S3: COPY and Spectrum would hang: `subnet.a` has neither an S3 endpoint nor another way out
  hint: add "route_table.one" to the `route_tables` of a vpc_endpoint
error[public-warehouse-without-internet] 16:10 nobody outside will reach it: `subnet.a` has no route to an internet gateway
  hint: write public = false, or give its subnets such a route

"#]]
    );
}

#[test]
fn rules_of_security_groups_are_whole() {
    assert_data_eq!(
        problems(
            r#"[vpc.main]
cidr = "10.0.0.0/16"
[security_group.db]
vpc = "vpc.main"
name = "sg-db"
description = "für alle"
ingress = [
  { port = 5439, cidr = "0.0.0.0/0" },
  { port = 5439 },
  { port = 22, cidr = "10.0.0.0/16", itself = true },
  { protocol = "all", port = 1, cidr = "10.0.0.0/16" },
  { cidr = "10.0.0.0/16" },
  { ports = "90-80", cidr = "10.0.0.0/16" },
  { port = 80, ports = "80-90", cidr = "10.0.0.0/16" },
  { port = 443, cidr = "10.0.0.0/16", description = "a" },
  { port = 443, cidr = "10.0.0.0/16", description = "b" },
]
"#
        ),
        str![[r#"
warning[unused-security-group] 5:17 nothing uses this group: in nobody's `security_groups`
  hint: name it in `security_groups` of a cluster, or remove it
error[bad-name] 7:8 a security_group cannot have this name: `sg-` is reserved for ids
  hint: write name = "group-db"
error[bad-name] 8:15 a security_group cannot have this description: `ü` is not allowed
error[open-to-world] 10:3 the Redshift port is open to the whole internet: anybody may try passwords on port 5439
  hint: write your own addresses, such as cidr = "203.0.113.7/32"; or allow_public = true if you mean it
error[rule-peer] 11:3 a rule names exactly one other side: 0 are named
  hint: one of cidr = "10.0.0.0/16", cidr_ipv6, prefix_list, group = "security_group.…", itself = true
error[rule-peer] 12:3 a rule names exactly one other side: 2 are named
  hint: one of cidr = "10.0.0.0/16", cidr_ipv6, prefix_list, group = "security_group.…", itself = true
error[rule-ports] 13:3 the ports of the rule do not fit: `all` has no ports
  hint: port = 5439, or ports = "5431-5455"; none for `all` and `icmp`
error[rule-ports] 14:3 the ports of the rule do not fit: which ports of `tcp`?
  hint: port = 5439, or ports = "5431-5455"; none for `all` and `icmp`
error[rule-ports] 15:3 the ports of the rule do not fit: `ports` has the form "from-to", 0 to 65535
  hint: port = 5439, or ports = "5431-5455"; none for `all` and `icmp`
error[rule-ports] 16:3 the ports of the rule do not fit: `port` and `ports` exclude each other
  hint: port = 5439, or ports = "5431-5455"; none for `all` and `icmp`
error[duplicate-rule] 18:3 the rule stands here twice: AWS refuses the second one

"#]]
    );
}

#[test]
fn an_open_port_is_accepted_when_meant() {
    assert_data_eq!(
        problems(
            r#"[vpc.main]
cidr = "10.0.0.0/16"
[security_group.db]
vpc = "vpc.main"
allow_public = true
ingress = [{ port = 5439, cidr = "0.0.0.0/0" }]
"#
        ),
        str![[r#"
warning[unused-security-group] 5:17 nothing uses this group: in nobody's `security_groups`
  hint: name it in `security_groups` of a cluster, or remove it

"#]]
    );
}

#[test]
fn a_cluster_fits_into_its_subnets_and_reads_s3_the_cheap_way() {
    assert_data_eq!(
        problems(
            r#"[vpc.main]
cidr = "10.0.0.0/16"
dns_hostnames = false
[internet_gateway.main]
vpc = "vpc.main"
[subnet.public]
vpc = "vpc.main"
cidr = "10.0.0.0/24"
zone = "a"
[subnet.small]
vpc = "vpc.main"
cidr = "10.0.1.0/28"
zone = "a"
[route_table.public]
vpc = "vpc.main"
subnets = ["subnet.public"]
routes = [{ to = "0.0.0.0/0", via = "internet_gateway.main" }]
[nat_gateway.main]
subnet = "subnet.public"
[nat_gateway.idle]
subnet = "subnet.public"
[route_table.private]
vpc = "vpc.main"
subnets = ["subnet.small"]
routes = [{ to = "0.0.0.0/0", via = "nat_gateway.main" }]
[redshift_subnet_group.main]
subnets = ["subnet.small"]
[redshift_cluster.main]
subnet_group = "redshift_subnet_group.main"
nodes = 16
"#
        ),
        str![[r#"
error[subnet-too-small] 14:8 the cluster does not fit into the subnet: room for 11 addresses, `redshift_cluster.main` needs 17
  32:9 so many nodes
  hint: a /24 leaves room to grow
warning[unused-nat-gateway] 22:14 nothing uses the NAT gateway, and it is paid by the hour: no route leads to it
  hint: add a route to it, or remove it: S3 alone needs only a vpc_endpoint, which is free
warning[one-zone] 29:11 all subnets are in one zone: the cluster cannot move when the zone fails
  hint: add a subnet in another zone
warning[routing-needs-dns] 30:19 enhanced VPC routing needs the VPC's DNS: `vpc.main` has it switched off
  5:17 switched off here
  hint: write dns_hostnames = true in [vpc.main]
warning[s3-through-nat] 30:19 everything read from S3 is paid for twice: it goes through `nat_gateway.main`, by the gigabyte
  hint: add "route_table.private" to the `route_tables` of a vpc_endpoint, which is free

"#]]
    );
}

#[test]
fn a_tier_goes_out_one_way_and_blocks_of_ipv6_are_canonical() {
    assert_data_eq!(
        problems(
            r#"[vpc.main]
cidr = "10.0.0.0/16"
zones = ["a", "b"]
tiers = { public = { cidr = "10.0.0.0/20", internet = true, nat = true } }
[security_group.db]
vpc = "vpc.main"
ingress = [
  { port = 80, cidr_ipv6 = "2001:DB8::1/32" },
  { port = 81, cidr_ipv6 = "2001:db8::/129" },
  { port = 82, cidr_ipv6 = "10.0.0.0/8" },
  { port = 83, cidr_ipv6 = "2001:DB8:0::/48" },
]
[security_group.open]
vpc = "vpc.main"
ingress = [
  { port = 5439, cidr_ipv6 = "::/0" },
  { port = 84, cidr_ipv6 = "2001:db8::/32", prefix_list = "pl-1" },
]
"#
        ),
        str![[r#"
error[bad-value] 6:11 a tier has one way out: `internet` and `nat` are both on
  hint: take `nat` off: what is in this tier has public addresses and goes out by itself
warning[unused-security-group] 7:17 nothing uses this group: in nobody's `security_groups`
  hint: name it in `security_groups` of a cluster, or remove it
error[cidr-host-bits] 10:28 bits are set behind the prefix: AWS would change this
  hint: write "2001:db8::/32"
error[bad-cidr] 11:28 not an IPv6 block: such as "2001:db8::/32"
error[bad-cidr] 12:28 not an IPv6 block: such as "2001:db8::/32"
warning[unused-security-group] 15:17 nothing uses this group: in nobody's `security_groups`
  hint: name it in `security_groups` of a cluster, or remove it
error[open-to-world] 18:3 the Redshift port is open to the whole internet: anybody may try passwords on port 5439
  hint: write your own addresses, such as cidr = "203.0.113.7/32"; or allow_public = true if you mean it
error[rule-peer] 19:3 a rule names exactly one other side: 2 are named
  hint: one of cidr = "10.0.0.0/16", cidr_ipv6, prefix_list, group = "security_group.…", itself = true

"#]]
    );
}
