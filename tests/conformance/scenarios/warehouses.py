"""Redshift, Redshift Serverless and the Data API."""

from cloud import until

from . import identity, network


def run(call):
    vpc, subnets, group = network.small(call)
    provisioned(call, subnets, group)
    serverless(call, subnets, group)


def provisioned(call, subnets, group):
    def redshift(operation, **parameters):
        return call("redshift", operation, **parameters)

    redshift(
        "CreateClusterSubnetGroup",
        ClusterSubnetGroupName="Net",
        Description="net",
        SubnetIds=subnets[:2],
        Tags=[{"Key": "team", "Value": "data"}],
    )
    redshift("DescribeClusterSubnetGroups", ClusterSubnetGroupName="net")
    redshift("ModifyClusterSubnetGroup", ClusterSubnetGroupName="net", SubnetIds=subnets[:3])
    redshift(
        "CreateClusterParameterGroup", ParameterGroupName="tuned", ParameterGroupFamily="redshift-2.0", Description="t"
    )
    ssl = {"ParameterName": "require_ssl", "ParameterValue": "false", "ApplyType": "static"}
    redshift("ModifyClusterParameterGroup", ParameterGroupName="tuned", Parameters=[ssl])
    redshift("DescribeClusterParameters", ParameterGroupName="tuned", Source="user")
    redshift("ResetClusterParameterGroup", ParameterGroupName="tuned", Parameters=[ssl])
    redshift("DescribeClusterParameterGroups")
    redshift("DescribeDefaultClusterParameters", ParameterGroupFamily="redshift-2.0")
    role = identity.role(call, "spectrum", "redshift.amazonaws.com")
    call.fails(
        "ClusterSubnetGroupNotFoundFault",
        "redshift",
        "CreateCluster",
        ClusterIdentifier="dw",
        NodeType="ra3.large",
        MasterUsername="admin",
        MasterUserPassword="Secret-12",
        ClusterSubnetGroupName="none",
    )
    redshift(
        "CreateCluster",
        ClusterIdentifier="dw",
        ClusterType="single-node",
        NodeType="ra3.large",
        MasterUsername="admin",
        MasterUserPassword="Secret-12",
        DBName="dev",
        ClusterSubnetGroupName="net",
        ClusterParameterGroupName="tuned",
        VpcSecurityGroupIds=[group],
        IamRoles=[role],
        PubliclyAccessible=False,
        Encrypted=True,
    )
    call.wait("redshift", "cluster_available", ClusterIdentifier="dw")
    redshift("DescribeClusters")
    call.fails("InvalidClusterSubnetGroupStateFault", "redshift", "DeleteClusterSubnetGroup", ClusterSubnetGroupName="net")
    redshift("ModifyCluster", ClusterIdentifier="dw", AutomatedSnapshotRetentionPeriod=2)
    call.wait("redshift", "cluster_available", ClusterIdentifier="dw")
    redshift("ModifyClusterIamRoles", ClusterIdentifier="dw", RemoveIamRoles=[role])
    call.wait("redshift", "cluster_available", ClusterIdentifier="dw")
    redshift("RebootCluster", ClusterIdentifier="dw")
    call.wait("redshift", "cluster_available", ClusterIdentifier="dw")
    statements(call, {"ClusterIdentifier": "dw", "Database": "dev", "DbUser": "admin"})
    redshift("PauseCluster", ClusterIdentifier="dw")
    until(lambda: status(redshift) == "paused")
    redshift("ResumeCluster", ClusterIdentifier="dw")
    call.wait("redshift", "cluster_available", ClusterIdentifier="dw")
    redshift("ResizeCluster", ClusterIdentifier="dw", NodeType="ra3.xlplus", NumberOfNodes=2, Classic=False)
    redshift("DescribeResize", ClusterIdentifier="dw")
    call.wait("redshift", "cluster_available", ClusterIdentifier="dw")
    redshift("GetClusterCredentials", ClusterIdentifier="dw", DbUser="admin", DbName="dev")
    redshift("GetClusterCredentialsWithIAM", ClusterIdentifier="dw")
    call.fails("BucketNotFoundFault", "redshift", "EnableLogging", ClusterIdentifier="dw", BucketName="no-such-logs")
    call("s3", "CreateBucket", Bucket="conformance-logs")
    redshift("EnableLogging", ClusterIdentifier="dw", BucketName="conformance-logs")
    redshift("DescribeLoggingStatus", ClusterIdentifier="dw")
    redshift("DisableLogging", ClusterIdentifier="dw")
    arn = "arn:aws:redshift:us-east-1:123456789012:cluster:dw"
    redshift("CreateTags", ResourceName=arn, Tags=[{"Key": "env", "Value": "test"}])
    redshift("DescribeTags", ResourceName=arn)
    redshift("DeleteTags", ResourceName=arn, TagKeys=["env"])

    redshift("CreateClusterSnapshot", SnapshotIdentifier="snap", ClusterIdentifier="dw")
    call.wait("redshift", "snapshot_available", SnapshotIdentifier="snap")
    redshift("DescribeClusterSnapshots", ClusterIdentifier="dw")
    redshift("DeleteClusterSnapshot", SnapshotIdentifier="snap")
    for nothing in (
        "DescribeOrderableClusterOptions",
        "DescribeClusterVersions",
        "DescribeTableRestoreStatus",
        "DescribeUsageLimits",
        "DescribeEndpointAccess",
        "DescribeEndpointAuthorization",
        "DescribeScheduledActions",
        "DescribeReservedNodes",
        "DescribeClusterSecurityGroups",
        "DescribeHsmConfigurations",
        "DescribeHsmClientCertificates",
        "DescribeSnapshotSchedules",
        "DescribeSnapshotCopyGrants",
        "DescribeEventSubscriptions",
    ):
        redshift(nothing)
    refused(call)
    call.fails("InvalidParameterCombination", "redshift", "DeleteCluster", ClusterIdentifier="dw")
    redshift("DeleteCluster", ClusterIdentifier="dw", SkipFinalClusterSnapshot=True)
    call.wait("redshift", "cluster_deleted", ClusterIdentifier="dw")
    call.fails("ClusterNotFound", "redshift", "DescribeClusters", ClusterIdentifier="dw")
    redshift("DeleteClusterParameterGroup", ParameterGroupName="tuned")
    redshift("DeleteClusterSubnetGroup", ClusterSubnetGroupName="net")


def status(redshift):
    return redshift("DescribeClusters", ClusterIdentifier="dw")["Clusters"][0]["ClusterStatus"]


def refused(call):
    """What the model knows and this cloud refuses by name."""
    day = {"ResumeCluster": {"ClusterIdentifier": "dw"}}
    for operation, parameters in {
        "CancelResize": {"ClusterIdentifier": "dw"},
        "ModifyAquaConfiguration": {"ClusterIdentifier": "dw"},
        "ModifyClusterMaintenance": {"ClusterIdentifier": "dw"},
        "RotateEncryptionKey": {"ClusterIdentifier": "dw"},
        "DescribeAccountAttributes": {},
        "DescribeClusterDbRevisions": {},
        "DescribeClusterTracks": {},
        "DescribeEventCategories": {},
        "DescribeEvents": {},
        "DescribeNodeConfigurationOptions": {"ActionType": "recommend-node-config"},
        "DescribeReservedNodeOfferings": {},
        "DescribeStorage": {},
        "CopyClusterSnapshot": {"SourceSnapshotIdentifier": "a", "TargetSnapshotIdentifier": "b"},
        "CreateEventSubscription": {"SubscriptionName": "s", "SnsTopicArn": "arn:aws:sns:us-east-1:123456789012:t"},
        "CreateScheduledAction": {
            "ScheduledActionName": "s",
            "TargetAction": day,
            "Schedule": "cron(0 3 * * ? *)",
            "IamRole": "r",
        },
        "CreateSnapshotCopyGrant": {"SnapshotCopyGrantName": "g"},
        "CreateSnapshotSchedule": {"ScheduleDefinitions": ["rate(12 hours)"], "ScheduleIdentifier": "s"},
        "CreateUsageLimit": {
            "ClusterIdentifier": "dw",
            "FeatureType": "spectrum",
            "LimitType": "data-scanned",
            "Amount": 1,
        },
        "DeleteEventSubscription": {"SubscriptionName": "s"},
        "DeleteScheduledAction": {"ScheduledActionName": "s"},
        "DeleteSnapshotCopyGrant": {"SnapshotCopyGrantName": "g"},
        "DeleteSnapshotSchedule": {"ScheduleIdentifier": "s"},
        "DeleteUsageLimit": {"UsageLimitId": "u"},
        "DisableSnapshotCopy": {"ClusterIdentifier": "dw"},
        "EnableSnapshotCopy": {"ClusterIdentifier": "dw", "DestinationRegion": "eu-west-1"},
        "GetResourcePolicy": {"ResourceArn": "arn:aws:redshift:us-east-1:123456789012:namespace:x"},
        "ModifyClusterSnapshot": {"SnapshotIdentifier": "snap", "ManualSnapshotRetentionPeriod": 5},
        "ModifyClusterSnapshotSchedule": {"ClusterIdentifier": "dw"},
        "ModifyEventSubscription": {"SubscriptionName": "s"},
        "ModifyScheduledAction": {"ScheduledActionName": "s"},
        "ModifySnapshotSchedule": {"ScheduleIdentifier": "s", "ScheduleDefinitions": ["rate(12 hours)"]},
        "ModifyUsageLimit": {"UsageLimitId": "u"},
        "RestoreFromClusterSnapshot": {"ClusterIdentifier": "dw2", "SnapshotIdentifier": "snap"},
    }.items():
        call.refused("redshift", operation, **parameters)


def statements(call, target):
    def data(operation, **parameters):
        return call("redshift-data", operation, **parameters)

    def finished(statement):
        over = ("FINISHED", "FAILED", "ABORTED")
        until(lambda: data("DescribeStatement", Id=statement)["Status"] in over)
        found = data("DescribeStatement", Id=statement)
        assert found["Status"] == "FINISHED", found

    made = data("ExecuteStatement", Sql="create table people (id int, name varchar(20))", **target)
    finished(made["Id"])
    many = data(
        "BatchExecuteStatement", Sqls=["insert into people values (1, 'a'), (2, null)", "select 1"], **target
    )
    finished(many["Id"])
    asked = data(
        "ExecuteStatement",
        Sql="select id, name, 1.5::float8, true from people where id >= :least order by 1",
        Parameters=[{"name": "least", "value": "1"}],
        **target,
    )
    finished(asked["Id"])
    rows = data("GetStatementResult", Id=asked["Id"])["Records"]
    assert rows[1][:2] == [{"longValue": 2}, {"isNull": True}], rows
    text = data("ExecuteStatement", Sql="select 1 as one", ResultFormat="CSV", **target)
    finished(text["Id"])
    data("GetStatementResultV2", Id=text["Id"])
    data("ListStatements", Status="ALL")
    data("ListDatabases", **target)
    data("ListSchemas", **target)
    data("ListTables", SchemaPattern="public", **target)
    data("DescribeTable", Schema="public", Table="people", **target)
    call.fails("ValidationException", "redshift-data", "CancelStatement", Id=asked["Id"])
    doubled = ["insert into people select id, name from people"] * 11
    finished(data("BatchExecuteStatement", Sqls=doubled, **target)["Id"])
    cube = "select count(*) from people a, people b, people c where a.id + b.id + c.id < 0"
    long = data("ExecuteStatement", Sql=cube, **target)
    assert data("CancelStatement", Id=long["Id"])["Status"]
    until(lambda: data("DescribeStatement", Id=long["Id"])["Status"] == "ABORTED")


def serverless(call, subnets, group):
    def rss(operation, **parameters):
        return call("redshift-serverless", operation, **parameters)

    rss("CreateNamespace", namespaceName="lake", adminUsername="admin", adminUserPassword="Secret-12", dbName="dev")
    until(lambda: rss("GetNamespace", namespaceName="lake")["namespace"]["status"] == "AVAILABLE")
    rss("ListNamespaces")
    rss("UpdateNamespace", namespaceName="lake", logExports=["userlog"])
    rss(
        "CreateWorkgroup",
        workgroupName="lake",
        namespaceName="lake",
        baseCapacity=8,
        subnetIds=subnets,
        securityGroupIds=[group],
        publiclyAccessible=False,
    )
    available = lambda: rss("GetWorkgroup", workgroupName="lake")["workgroup"]["status"] == "AVAILABLE"
    until(available)
    rss("ListWorkgroups")
    rss("UpdateWorkgroup", workgroupName="lake", baseCapacity=16)
    until(available)
    arn = rss("GetWorkgroup", workgroupName="lake")["workgroup"]["workgroupArn"]
    rss("TagResource", resourceArn=arn, tags=[{"key": "team", "value": "data"}])
    rss("ListTagsForResource", resourceArn=arn)
    rss("UntagResource", resourceArn=arn, tagKeys=["team"])
    rss("GetCredentials", workgroupName="lake", dbName="dev")
    statements(call, {"WorkgroupName": "lake", "Database": "dev"})
    for nothing in ("ListSnapshots", "ListUsageLimits", "ListEndpointAccess"):
        rss(nothing)
    for operation, parameters in {
        "CreateSnapshot": {"namespaceName": "lake", "snapshotName": "s"},
        "GetSnapshot": {"snapshotName": "s"},
        "DeleteSnapshot": {"snapshotName": "s"},
        "UpdateSnapshot": {"snapshotName": "s"},
        "RestoreFromSnapshot": {"namespaceName": "lake", "workgroupName": "lake", "snapshotName": "s"},
        "CreateUsageLimit": {"resourceArn": arn, "usageType": "serverless-compute", "amount": 1},
        "GetUsageLimit": {"usageLimitId": "u"},
        "UpdateUsageLimit": {"usageLimitId": "u"},
        "DeleteUsageLimit": {"usageLimitId": "u"},
        "CreateEndpointAccess": {"endpointName": "e", "subnetIds": subnets, "workgroupName": "lake"},
        "GetEndpointAccess": {"endpointName": "e"},
        "UpdateEndpointAccess": {"endpointName": "e"},
        "DeleteEndpointAccess": {"endpointName": "e"},
        "GetResourcePolicy": {"resourceArn": arn},
        "PutResourcePolicy": {"resourceArn": arn, "policy": "{}"},
        "DeleteResourcePolicy": {"resourceArn": arn},
        "GetRecoveryPoint": {"recoveryPointId": "r"},
        "ListRecoveryPoints": {},
        "ListScheduledActions": {},
        "ListSnapshotCopyConfigurations": {},
        "ListTableRestoreStatus": {},
        "ListCustomDomainAssociations": {},
        "ListManagedWorkgroups": {},
    }.items():
        call.refused("redshift-serverless", operation, **parameters)
    call.fails("ConflictException", "redshift-serverless", "DeleteNamespace", namespaceName="lake")
    rss("DeleteWorkgroup", workgroupName="lake")
    until(lambda: not rss("ListWorkgroups")["workgroups"])
    rss("DeleteNamespace", namespaceName="lake")
    until(lambda: not rss("ListNamespaces")["namespaces"])
