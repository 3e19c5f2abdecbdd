"""One script of calls on the local cloud and on moto, and the same observable answers.

Argument: the HTTP address of the local cloud. What differs by nature (ids, times, hosts) is not compared; where moto is
known to be wrong, `GAPS` says how, and the step must still differ: a gap that is closed has to leave the list.
"""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request

import boto3
import botocore.config
import botocore.exceptions
from botocore import xform_name

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "glue.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
)
READ = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}
)
PORT = {"IpProtocol": "tcp", "FromPort": 5439, "ToPort": 5439, "IpRanges": [{"CidrIp": "10.0.0.0/16"}]}
TABLE = {
    "Name": "orders",
    "StorageDescriptor": {"Columns": [{"Name": "id", "Type": "bigint"}], "Location": "s3://diff-lake/orders/"},
    "PartitionKeys": [{"Name": "day", "Type": "string"}],
}

# Steps where moto is not to be believed.
GAPS = {
    "pages of subnets": "gives all of them, whatever MaxResults says",
    "a NAT gateway holds its subnet": "deletes the subnet",
    "an address in use": "releases it",
    "a dry run": "does it",
    "an unknown endpoint": "says nothing",
    "the default group": "deletes it",
    "a classifier": "is not implemented",
    "a malformed trust policy": "is accepted",
    "a policy in use": "is deleted",
    "a second subnet group": "is accepted",
    "a weak password": "is accepted",
    "a cluster with nothing said of a snapshot": "is deleted",
    "a malformed bucket policy": "is accepted",
}


class Side:
    """One endpoint. `self.ids` are what it called things."""

    def __init__(self, endpoint):
        self.endpoint, self.clients, self.ids = endpoint, {}, {}

    def __call__(self, service, operation, **parameters):
        if service not in self.clients:
            self.clients[service] = boto3.client(
                service,
                endpoint_url=self.endpoint,
                region_name="us-east-1",
                aws_access_key_id="test",
                aws_secret_access_key="test",
                config=botocore.config.Config(retries={"total_max_attempts": 1}),
            )
        try:
            answer = getattr(self.clients[service], xform_name(operation))(**parameters)
            answer.pop("ResponseMetadata")
            return answer
        except botocore.exceptions.ClientError as error:
            return {"refused": error.response["Error"]["Code"]}


def script(side):
    """Yields what each step shows. Steps have names, so that a difference is found again."""
    ec2 = lambda operation, **parameters: side("ec2", operation, **parameters)
    ids = side.ids
    vpc = ids["vpc"] = ec2("CreateVpc", CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    here = [{"Name": "vpc-id", "Values": [vpc]}]
    until(lambda: ec2("DescribeVpcs", VpcIds=[vpc])["Vpcs"][0]["State"] == "available")
    shown = ec2("DescribeVpcs", VpcIds=[vpc])["Vpcs"][0]
    yield "a VPC", {key: shown[key] for key in ("CidrBlock", "State", "IsDefault", "InstanceTenancy")}
    yield "a VPC that is too big", ec2("CreateVpc", CidrBlock="10.0.0.0/8")
    yield "no such VPC", ec2("DescribeVpcs", VpcIds=["vpc-0123456789abcdef0"])
    yield "a dry run", ec2("CreateVpc", CidrBlock="10.9.0.0/16", DryRun=True).get("refused")
    subnets = []
    for number in range(3):
        made = ec2("CreateSubnet", VpcId=vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone="us-east-1a")["Subnet"]
        subnets.append(made["SubnetId"])
        yield f"subnet {number}", [made["CidrBlock"], made["AvailableIpAddressCount"]]
    yield "an overlapping subnet", ec2("CreateSubnet", VpcId=vpc, CidrBlock="10.0.0.128/25")
    yield "a subnet outside", ec2("CreateSubnet", VpcId=vpc, CidrBlock="10.3.0.0/24")
    yield "pages of subnets", len(ec2("DescribeSubnets", MaxResults=5, Filters=here)["Subnets"]) + len(
        ec2("DescribeSubnets", MaxResults=5)["Subnets"]
    ) <= 8
    attribute = ec2("DescribeVpcAttribute", VpcId=vpc, Attribute="enableDnsHostnames")
    yield "host names are off", attribute["EnableDnsHostnames"]
    tables = ec2("DescribeRouteTables", Filters=here)["RouteTables"]
    yield "the main route table", [[route["DestinationCidrBlock"], route["State"]] for route in tables[0]["Routes"]]
    groups = ec2("DescribeSecurityGroups", Filters=here)["SecurityGroups"]
    yield "the default group", ec2("DeleteSecurityGroup", GroupId=groups[0]["GroupId"]).get("refused")
    yield "its name", [groups[0]["GroupName"], groups[0]["Description"]]
    group = ec2("CreateSecurityGroup", GroupName="dw", Description="dw", VpcId=vpc)["GroupId"]
    yield "a group of the same name", ec2("CreateSecurityGroup", GroupName="dw", Description="dw", VpcId=vpc)
    yield "a rule", ec2("AuthorizeSecurityGroupIngress", GroupId=group, IpPermissions=[PORT])["Return"]
    yield "the same rule", ec2("AuthorizeSecurityGroupIngress", GroupId=group, IpPermissions=[PORT])
    found = ec2("DescribeSecurityGroups", GroupIds=[group])["SecurityGroups"][0]
    yield "the rules", [
        [rule.get("FromPort"), [block["CidrIp"] for block in rule["IpRanges"]]] for rule in found["IpPermissions"]
    ]
    gateway = ec2("CreateInternetGateway")["InternetGateway"]["InternetGatewayId"]
    ec2("AttachInternetGateway", InternetGatewayId=gateway, VpcId=vpc)
    yield "a gateway that is attached", ec2("DeleteInternetGateway", InternetGatewayId=gateway)
    yield "a second attachment", ec2("AttachInternetGateway", InternetGatewayId=gateway, VpcId=vpc)["refused"]
    table = ec2("CreateRouteTable", VpcId=vpc)["RouteTable"]["RouteTableId"]
    route = {"RouteTableId": table, "DestinationCidrBlock": "0.0.0.0/0", "GatewayId": gateway}
    yield "a route", ec2("CreateRoute", **route)
    yield "the same route", ec2("CreateRoute", **route)
    yield "no such route", ec2("DeleteRoute", RouteTableId=table, DestinationCidrBlock="10.50.0.0/16")
    address = ec2("AllocateAddress", Domain="vpc")["AllocationId"]
    nat = ec2("CreateNatGateway", SubnetId=subnets[0], AllocationId=address)["NatGateway"]["NatGatewayId"]
    until(lambda: ec2("DescribeNatGateways", NatGatewayIds=[nat])["NatGateways"][0]["State"] == "available")
    yield "an address in use", ec2("ReleaseAddress", AllocationId=address).get("refused")
    yield "a NAT gateway holds its subnet", ec2("DeleteSubnet", SubnetId=subnets[0]).get("refused")
    yield "an unknown endpoint", len(ec2("DeleteVpcEndpoints", VpcEndpointIds=["vpce-0123456789abcdef0"])["Unsuccessful"])
    yield "a VPC in use", ec2("DeleteVpc", VpcId=vpc)
    yield "an unused subnet", ec2("DeleteSubnet", SubnetId=subnets[2])
    yield "a subnet that is gone", ec2("DescribeSubnets", SubnetIds=[subnets[2]])
    ec2("CreateTags", Resources=[vpc], Tags=[{"Key": "team", "Value": "data"}])
    yield "tags", ec2("DescribeTags", Filters=[{"Name": "resource-id", "Values": [vpc]}])["Tags"][0]["Value"]

    iam = lambda operation, **parameters: side("iam", operation, **parameters)
    role = iam("CreateRole", RoleName="reader", Path="/x/", AssumeRolePolicyDocument=TRUST)["Role"]
    yield "a role", [role["Arn"], role["Path"], role["RoleName"]]
    yield "the role again", iam("CreateRole", RoleName="reader", AssumeRolePolicyDocument=TRUST)
    yield "a malformed trust policy", iam("CreateRole", RoleName="r2", AssumeRolePolicyDocument="{").get("refused")
    yield "no such role", iam("GetRole", RoleName="none")
    iam("PutRolePolicy", RoleName="reader", PolicyName="read", PolicyDocument=READ)
    yield "an inline policy", iam("GetRolePolicy", RoleName="reader", PolicyName="read")
    policy = iam("CreatePolicy", PolicyName="lake", PolicyDocument=READ)["Policy"]
    yield "a policy", [policy["Arn"], policy["DefaultVersionId"], policy["AttachmentCount"]]
    iam("AttachRolePolicy", RoleName="reader", PolicyArn=policy["Arn"])
    yield "attached", iam("ListAttachedRolePolicies", RoleName="reader")["AttachedPolicies"]
    yield "a role in use", iam("DeleteRole", RoleName="reader")
    yield "a policy in use", iam("DeletePolicy", PolicyArn=policy["Arn"])

    s3 = lambda operation, **parameters: side("s3", operation, **parameters)
    s3("CreateBucket", Bucket="diff-lake")
    yield "no such bucket", s3("ListObjectsV2", Bucket="diff-nowhere")
    put = s3("PutObject", Bucket="diff-lake", Key="a/b", Body=b"hello", Metadata={"k": "v"}, ContentType="text/x")
    yield "an ETag", put["ETag"]
    got = s3("GetObject", Bucket="diff-lake", Key="a/b", Range="bytes=1-3")
    yield "a range", [got["Body"].read().decode(), got["ContentRange"], got["ContentType"], got["Metadata"]]
    yield "a range beyond", s3("GetObject", Bucket="diff-lake", Key="a/b", Range="bytes=9-")
    yield "no such key", s3("GetObject", Bucket="diff-lake", Key="none")
    for key in ("a/c", "b/a", "c"):
        s3("PutObject", Bucket="diff-lake", Key=key, Body=b"")
    listed = s3("ListObjectsV2", Bucket="diff-lake", Delimiter="/")
    yield "folders", [[one["Prefix"] for one in listed["CommonPrefixes"]], [one["Key"] for one in listed["Contents"]]]
    page = s3("ListObjectsV2", Bucket="diff-lake", MaxKeys=2)
    yield "a page", [page["KeyCount"], page["IsTruncated"], [one["Key"] for one in page["Contents"]]]
    yield "only when new", s3("PutObject", Bucket="diff-lake", Key="c", Body=b"x", IfNoneMatch="*")
    s3("PutBucketVersioning", Bucket="diff-lake", VersioningConfiguration={"Status": "Enabled"})
    s3("PutObject", Bucket="diff-lake", Key="v", Body=b"1")
    s3("PutObject", Bucket="diff-lake", Key="v", Body=b"22")
    versions = s3("ListObjectVersions", Bucket="diff-lake", Prefix="v")["Versions"]
    yield "versions", [[one["Size"], one["IsLatest"]] for one in versions]
    yield "a delete marker", s3("DeleteObject", Bucket="diff-lake", Key="v")["DeleteMarker"]
    yield "a full bucket", s3("DeleteBucket", Bucket="diff-lake")
    yield "no tags", s3("GetBucketTagging", Bucket="diff-lake")
    s3("PutBucketTagging", Bucket="diff-lake", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    yield "bucket tags", s3("GetBucketTagging", Bucket="diff-lake")
    yield "a malformed bucket policy", s3("PutBucketPolicy", Bucket="diff-lake", Policy='{"Statement":[]}').get("refused")

    glue = lambda operation, **parameters: side("glue", operation, **parameters)
    glue("CreateDatabase", DatabaseInput={"Name": "sales"})
    yield "the database again", glue("CreateDatabase", DatabaseInput={"Name": "sales"})
    yield "no such database", glue("GetDatabase", Name="none")
    glue("CreateTable", DatabaseName="sales", TableInput=TABLE)
    table = glue("GetTable", DatabaseName="sales", Name="orders")["Table"]
    yield "a table", [table["StorageDescriptor"]["Columns"], table["PartitionKeys"], table["DatabaseName"]]
    yield "no such table", glue("GetTable", DatabaseName="sales", Name="none")
    days = [{"Values": [str(day)], "StorageDescriptor": TABLE["StorageDescriptor"]} for day in range(3)]
    glue("BatchCreatePartition", DatabaseName="sales", TableName="orders", PartitionInputList=days)
    where = {"DatabaseName": "sales", "TableName": "orders"}
    parts = glue("GetPartitions", **where, Expression="day > '0'")["Partitions"]
    yield "partitions", sorted(part["Values"] for part in parts)
    yield "a partition again", glue("CreatePartition", **where, PartitionInput=days[0])
    yield "a classifier", glue("CreateClassifier", CsvClassifier={"Name": "csv", "Delimiter": ";"}).get("refused")

    redshift = lambda operation, **parameters: side("redshift", operation, **parameters)
    net = {"ClusterSubnetGroupName": "net", "Description": "n", "SubnetIds": subnets[1:2]}
    made = redshift("CreateClusterSubnetGroup", **net)["ClusterSubnetGroup"]
    yield "a subnet group", [made["ClusterSubnetGroupName"], made["SubnetGroupStatus"], len(made["Subnets"])]
    yield "a second subnet group", redshift("CreateClusterSubnetGroup", **net).get("refused")
    cluster = {"ClusterIdentifier": "dw", "NodeType": "ra3.large", "MasterUsername": "admin", "DBName": "dev"}
    cluster["ClusterSubnetGroupName"] = "net"
    weak = redshift("CreateCluster", **cluster, MasterUserPassword="weak").get("refused")
    redshift("DeleteCluster", ClusterIdentifier="dw", SkipFinalClusterSnapshot=True)
    yield "a weak password", weak
    redshift("CreateCluster", **cluster, MasterUserPassword="Secret-123", ClusterType="single-node")
    until(
        lambda: redshift("DescribeClusters", ClusterIdentifier="dw")["Clusters"][0]["ClusterStatus"] == "available"
    )
    shown = redshift("DescribeClusters", ClusterIdentifier="dw")["Clusters"][0]
    yield "a cluster", [shown[key] for key in ("NodeType", "MasterUsername", "DBName", "NumberOfNodes")]
    yield "the cluster again", redshift("CreateCluster", **cluster, MasterUserPassword="Secret-123")
    yield "no such cluster", redshift("DescribeClusters", ClusterIdentifier="none")
    unsaid = redshift("DeleteCluster", ClusterIdentifier="dw").get("refused")
    yield "a cluster with nothing said of a snapshot", unsaid

    secret = lambda operation, **parameters: side("secretsmanager", operation, **parameters)
    secret("CreateSecret", Name="app", SecretString="one")
    yield "the secret again", secret("CreateSecret", Name="app", SecretString="two")
    secret("PutSecretValue", SecretId="app", SecretString="two")
    yield "its value", secret("GetSecretValue", SecretId="app")["SecretString"]
    yield "its last value", secret("GetSecretValue", SecretId="app", VersionStage="AWSPREVIOUS")["SecretString"]
    secret("DeleteSecret", SecretId="app")
    yield "a deleted secret", secret("GetSecretValue", SecretId="app")
    yield "no such secret", secret("GetSecretValue", SecretId="none")

    logs = lambda operation, **parameters: side("logs", operation, **parameters)
    logs("CreateLogGroup", logGroupName="/app")
    yield "the log group again", logs("CreateLogGroup", logGroupName="/app")
    logs("PutRetentionPolicy", logGroupName="/app", retentionInDays=7)
    group = logs("DescribeLogGroups", logGroupNamePrefix="/app")["logGroups"][0]
    yield "a log group", [group["logGroupName"], group["retentionInDays"], group["arn"]]


def until(what):
    end = time.monotonic() + 30
    while not what():
        assert time.monotonic() < end, "it does not come"
        time.sleep(0.1)


def moto():
    """moto's server on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program = os.path.join(os.path.dirname(sys.executable), "moto_server")
    environment = {**os.environ, "MOTO_IAM_LOAD_MANAGED_POLICIES": "false"}
    server = subprocess.Popen(
        [program, "-H", "127.0.0.1", "-p", str(port)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    endpoint = f"http://127.0.0.1:{port}"

    def answers():
        try:
            return urllib.request.urlopen(endpoint + "/moto-api/").status == 200
        except OSError:
            return False

    until(answers)
    return server, endpoint


def main():
    server, endpoint = moto()
    try:
        ours, theirs = list(script(Side(sys.argv[1]))), list(script(Side(endpoint)))
    finally:
        server.kill()
        server.wait()
    wrong = []
    for (name, our), (_, their) in zip(ours, theirs, strict=True):
        if (our == their) == (name in GAPS):
            verdict = "no longer differs: take it from the list of gaps" if name in GAPS else "differs"
            wrong.append(f"{name} {verdict}\n  here: {our}\n  moto: {their}")
    assert not wrong, "\n".join(wrong)
    print(f"ok: {len(ours)} steps, {len(GAPS)} of them with gaps in moto")


if __name__ == "__main__":
    main()
