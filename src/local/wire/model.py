#!/usr/bin/env python3
"""Writes model.json.gz: the operations, members and constraints of the services this cloud answers for.

The facts come from the service models that botocore ships (Apache-2.0, see src/local/README.md). Nothing but
the standard library is needed; botocore's wheel is fetched from PyPI and only read:

    python3 src/local/wire/model.py            # downloads botocore into target/botocore
    python3 src/local/wire/model.py some.whl   # reads this wheel

To serve one more operation, add its name to OPERATIONS, run this, and write its rule in services/.
"""

import glob
import gzip
import io
import json
import os
import re
import subprocess
import sys
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.normpath(os.path.join(HERE, "..", "..", ".."))

# Keyed by the name by which requests are signed; the second name is botocore's folder.
OPERATIONS = {
    ("ec2", "ec2"): """
        CreateVpc DescribeVpcs DeleteVpc DescribeVpcAttribute ModifyVpcAttribute ModifyVpcTenancy CreateDefaultVpc
        AssociateVpcCidrBlock DisassociateVpcCidrBlock
        CreateSubnet DescribeSubnets DeleteSubnet ModifySubnetAttribute
        CreateInternetGateway DescribeInternetGateways AttachInternetGateway DetachInternetGateway DeleteInternetGateway
        CreateNatGateway DescribeNatGateways DeleteNatGateway
        AllocateAddress DescribeAddresses ReleaseAddress AssociateAddress DisassociateAddress DescribeAddressesAttribute
        CreateRouteTable DescribeRouteTables DeleteRouteTable CreateRoute ReplaceRoute DeleteRoute
        AssociateRouteTable DisassociateRouteTable ReplaceRouteTableAssociation
        CreateVpcEndpoint DescribeVpcEndpoints ModifyVpcEndpoint DeleteVpcEndpoints DescribeVpcEndpointServices
        DescribePrefixLists DescribeManagedPrefixLists GetManagedPrefixListEntries
        CreateSecurityGroup DescribeSecurityGroups DeleteSecurityGroup
        AuthorizeSecurityGroupIngress AuthorizeSecurityGroupEgress RevokeSecurityGroupIngress RevokeSecurityGroupEgress
        DescribeSecurityGroupRules ModifySecurityGroupRules
        UpdateSecurityGroupRuleDescriptionsIngress UpdateSecurityGroupRuleDescriptionsEgress
        DescribeSecurityGroupReferences GetSecurityGroupsForVpc
        CreateNetworkInterface DescribeNetworkInterfaces DeleteNetworkInterface ModifyNetworkInterfaceAttribute
        DescribeNetworkInterfaceAttribute DetachNetworkInterface
        DescribeNetworkAcls DescribeDhcpOptions
        DescribeAvailabilityZones DescribeRegions DescribeAccountAttributes
        CreateTags DeleteTags DescribeTags
        DescribeInstances DescribeVpcPeeringConnections DescribeFlowLogs DescribeEgressOnlyInternetGateways
        DescribeVpnGateways DescribeTransitGatewayVpcAttachments DescribeInstanceTypes DescribeImages
    """,
    ("iam", "iam"): """
        CreateRole GetRole ListRoles DeleteRole UpdateRole UpdateRoleDescription UpdateAssumeRolePolicy
        PutRolePolicy GetRolePolicy ListRolePolicies DeleteRolePolicy
        AttachRolePolicy DetachRolePolicy ListAttachedRolePolicies
        TagRole UntagRole ListRoleTags PutRolePermissionsBoundary DeleteRolePermissionsBoundary
        CreatePolicy GetPolicy ListPolicies DeletePolicy CreatePolicyVersion GetPolicyVersion ListPolicyVersions
        DeletePolicyVersion SetDefaultPolicyVersion TagPolicy UntagPolicy ListPolicyTags ListEntitiesForPolicy
        SimulatePrincipalPolicy SimulateCustomPolicy GetContextKeysForPrincipalPolicy GetContextKeysForCustomPolicy
        GetAccountAuthorizationDetails GetAccountSummary ListAccountAliases
        CreateInstanceProfile GetInstanceProfile ListInstanceProfiles DeleteInstanceProfile
        ListInstanceProfilesForRole AddRoleToInstanceProfile RemoveRoleFromInstanceProfile
        CreateServiceLinkedRole DeleteServiceLinkedRole GetServiceLinkedRoleDeletionStatus
        GetUser ListUsers GetAccountPasswordPolicy ListOpenIDConnectProviders
    """,
    ("sts", "sts"): "GetCallerIdentity AssumeRole GetSessionToken GetAccessKeyInfo DecodeAuthorizationMessage",
    ("glue", "glue"): """
        CreateDatabase GetDatabase GetDatabases UpdateDatabase DeleteDatabase
        CreateTable GetTable GetTables UpdateTable DeleteTable BatchDeleteTable SearchTables
        GetTableVersion GetTableVersions DeleteTableVersion BatchDeleteTableVersion
        CreatePartition GetPartition GetPartitions UpdatePartition DeletePartition
        BatchCreatePartition BatchDeletePartition BatchGetPartition BatchUpdatePartition
        CreatePartitionIndex GetPartitionIndexes DeletePartitionIndex
        CreateClassifier GetClassifier GetClassifiers UpdateClassifier DeleteClassifier
        CreateCrawler GetCrawler GetCrawlers UpdateCrawler DeleteCrawler StartCrawler StopCrawler ListCrawlers
        BatchGetCrawlers GetCrawlerMetrics ListCrawls StartCrawlerSchedule StopCrawlerSchedule UpdateCrawlerSchedule
        CreateTrigger GetTrigger GetTriggers UpdateTrigger DeleteTrigger StartTrigger StopTrigger ListTriggers
        BatchGetTriggers
        TagResource UntagResource GetTags
        CreateConnection GetConnection GetConnections UpdateConnection DeleteConnection
        GetColumnStatisticsForTable UpdateColumnStatisticsForTable DeleteColumnStatisticsForTable
        GetUserDefinedFunctions GetResourcePolicy GetDataCatalogEncryptionSettings GetCatalogImportStatus
        GetSecurityConfiguration GetSecurityConfigurations GetJobs GetJob ListJobs GetWorkflow ListWorkflows
        CreateJob UpdateJob DeleteJob StartJobRun GetJobRun GetJobRuns
    """,
    ("redshift", "redshift"): """
        CreateCluster DescribeClusters ModifyCluster DeleteCluster RebootCluster PauseCluster ResumeCluster ResizeCluster
        CancelResize DescribeResize RotateEncryptionKey
        ModifyClusterIamRoles ModifyClusterMaintenance ModifyClusterSnapshotSchedule ModifyAquaConfiguration
        CreateClusterSubnetGroup DescribeClusterSubnetGroups ModifyClusterSubnetGroup DeleteClusterSubnetGroup
        CreateClusterParameterGroup DescribeClusterParameterGroups ModifyClusterParameterGroup
        DeleteClusterParameterGroup DescribeClusterParameters ResetClusterParameterGroup
        DescribeDefaultClusterParameters
        CreateClusterSnapshot DescribeClusterSnapshots DeleteClusterSnapshot ModifyClusterSnapshot CopyClusterSnapshot
        RestoreFromClusterSnapshot EnableSnapshotCopy DisableSnapshotCopy DescribeSnapshotSchedules
        GetClusterCredentials GetClusterCredentialsWithIAM
        EnableLogging DisableLogging DescribeLoggingStatus
        CreateTags DeleteTags DescribeTags
        DescribeOrderableClusterOptions DescribeClusterVersions DescribeClusterTracks DescribeNodeConfigurationOptions
        DescribeEvents DescribeEventCategories DescribeAccountAttributes DescribeStorage DescribeTableRestoreStatus
        DescribeUsageLimits DescribeEndpointAccess DescribeEndpointAuthorization DescribeScheduledActions
        DescribeClusterDbRevisions DescribeReservedNodes DescribeReservedNodeOfferings DescribeClusterSecurityGroups
        DescribeHsmConfigurations DescribeHsmClientCertificates GetResourcePolicy
        CreateUsageLimit ModifyUsageLimit DeleteUsageLimit
        CreateScheduledAction ModifyScheduledAction DeleteScheduledAction
        CreateSnapshotSchedule ModifySnapshotSchedule DeleteSnapshotSchedule
        CreateSnapshotCopyGrant DescribeSnapshotCopyGrants DeleteSnapshotCopyGrant
        CreateEventSubscription DescribeEventSubscriptions ModifyEventSubscription DeleteEventSubscription
    """,
    ("redshift-serverless", "redshift-serverless"): """
        CreateNamespace GetNamespace ListNamespaces UpdateNamespace DeleteNamespace
        CreateWorkgroup GetWorkgroup ListWorkgroups UpdateWorkgroup DeleteWorkgroup
        TagResource UntagResource ListTagsForResource GetCredentials
        CreateSnapshot GetSnapshot ListSnapshots DeleteSnapshot UpdateSnapshot RestoreFromSnapshot
        CreateUsageLimit GetUsageLimit ListUsageLimits UpdateUsageLimit DeleteUsageLimit
        CreateEndpointAccess GetEndpointAccess ListEndpointAccess UpdateEndpointAccess DeleteEndpointAccess
        GetResourcePolicy PutResourcePolicy DeleteResourcePolicy
        ListRecoveryPoints GetRecoveryPoint ListScheduledActions ListSnapshotCopyConfigurations
        ListTableRestoreStatus ListCustomDomainAssociations ListManagedWorkgroups
    """,
    ("redshift-data", "redshift-data"): """
        ExecuteStatement BatchExecuteStatement DescribeStatement GetStatementResult GetStatementResultV2
        CancelStatement ListStatements ListDatabases ListSchemas ListTables DescribeTable
    """,
    ("secretsmanager", "secretsmanager"): """
        CreateSecret DescribeSecret GetSecretValue BatchGetSecretValue PutSecretValue UpdateSecret DeleteSecret
        RestoreSecret ListSecrets ListSecretVersionIds UpdateSecretVersionStage TagResource UntagResource
        GetResourcePolicy PutResourcePolicy DeleteResourcePolicy ValidateResourcePolicy GetRandomPassword
        RotateSecret CancelRotateSecret
    """,
    ("logs", "logs"): """
        CreateLogGroup DescribeLogGroups DeleteLogGroup PutRetentionPolicy DeleteRetentionPolicy
        TagLogGroup UntagLogGroup ListTagsLogGroup TagResource UntagResource ListTagsForResource
        CreateLogStream DescribeLogStreams DeleteLogStream PutLogEvents GetLogEvents FilterLogEvents
        AssociateKmsKey DisassociateKmsKey ListLogGroups PutLogGroupDeletionProtection DescribeSubscriptionFilters
        DescribeMetricFilters DescribeResourcePolicies DescribeIndexPolicies GetLogGroupFields
    """,
    ("tagging", "resourcegroupstaggingapi"): "GetResources TagResources UntagResources GetTagKeys GetTagValues",
}

# What a member or shape may carry besides its kind; everything else in the models is documentation.
MEMBER = {
    "locationName": "n",
    "queryName": "q",
    "flattened": "f",
}
SHAPE = {
    "min": "min",
    "max": "max",
    "timestampFormat": "time",
    "flattened": "flat",
    "sensitive": "sec",
}


def models(wheel):
    archive = zipfile.ZipFile(wheel)
    for (scope, folder), operations in OPERATIONS.items():
        paths = [p for p in archive.namelist() if re.match(rf"botocore/data/{folder}/[\d-]+/service-2\.json(\.gz)?$", p)]
        newest = sorted(paths)[-1]
        raw = archive.read(newest)
        if newest.endswith(".gz"):
            raw = gzip.GzipFile(fileobj=io.BytesIO(raw)).read()
        yield scope, json.loads(raw), operations.split()


def pattern(text):
    """Java's regular expressions in the dialect of Rust's regex crate, or none where that is not possible."""
    text = text.replace("\\uD800\\uDC00-\\uDBFF\\uDFFF", "\\x{10000}-\\x{10FFFF}")
    text = text.replace("\\u10000-\\u10FFFF", "\\x{10000}-\\x{10FFFF}")
    text = re.sub(r"\\u([0-9A-Fa-f]{4})", r"\\x{\1}", text)
    if re.search(r"\\x\{[dD][89a-fA-F]", text.replace("\\x{D7FF}", "")) or "(?!" in text or "(?=" in text or "(?<" in text:
        return None
    return text


def reference(member):
    """A member is the name of its shape, or a small object when it also has a name on the wire."""
    extra = {short: member[long] for long, short in MEMBER.items() if long in member}
    return {"s": member["shape"], **extra} if extra else member["shape"]


def trim(model, wanted):
    shapes, operations, faults = {}, {}, {}

    def keep(name):
        if name in shapes:
            return
        shape = model["shapes"][name]
        kind = shape["type"]
        kept = {"t": kind}
        kept.update({short: shape[long] for long, short in SHAPE.items() if long in shape})
        if "pattern" in shape:
            translated = pattern(shape["pattern"])
            if translated and translated not in (".*", "[\\s\\S]*"):
                kept["re"] = translated
        if "enum" in shape:
            kept["enum"] = shape["enum"]
        shapes[name] = kept
        if kind == "structure":
            kept["m"] = {member: reference(target) for member, target in shape["members"].items()}
            if shape.get("required"):
                kept["req"] = shape["required"]
            for target in shape["members"].values():
                keep(target["shape"])
        elif kind == "list":
            kept["e"] = reference(shape["member"])
            keep(shape["member"]["shape"])
        elif kind == "map":
            kept["k"] = reference(shape["key"])
            kept["v"] = reference(shape["value"])
            keep(shape["key"]["shape"])
            keep(shape["value"]["shape"])

    for name in wanted:
        operation = model["operations"].get(name)
        if operation is None:
            sys.exit(f"the model of {model['metadata']['serviceId']} has no operation {name}")
        kept = {}
        for side, short in (("input", "in"), ("output", "out")):
            if side in operation:
                keep(operation[side]["shape"])
                kept[short] = operation[side]["shape"]
                if "resultWrapper" in operation[side]:
                    kept["wrap"] = operation[side]["resultWrapper"]
        operations[name] = kept
    for name, shape in model["shapes"].items():
        if shape.get("exception"):
            error = shape.get("error", {})
            code, status = error.get("code", name), error.get("httpStatusCode", 400)
            if (code, status) != (name, 400):
                faults[name] = [code, status]
    metadata = model["metadata"]
    protocol = {"ec2": "ec2", "query": "query"}.get(metadata["protocol"], "json")
    trimmed = {"protocol": protocol, "version": metadata["apiVersion"]}
    if "xmlNamespace" in metadata:
        trimmed["xmlns"] = metadata["xmlNamespace"]
    if "targetPrefix" in metadata:
        trimmed["target"] = metadata["targetPrefix"]
    return {**trimmed, "operations": operations, "shapes": shapes, "faults": faults}


def fetch():
    folder = os.path.join(ROOT, "target", "botocore")
    os.makedirs(folder, exist_ok=True)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, "botocore"]
    subprocess.run(command, check=True)
    return sorted(glob.glob(os.path.join(folder, "botocore-*.whl")))[-1]


def main():
    wheel = sys.argv[1] if len(sys.argv) > 1 else fetch()
    source = re.match(r"botocore-([\d.]+)-", os.path.basename(wheel)).group(1)
    table = {"source": f"botocore {source}", "services": {}}
    count = 0
    for scope, model, wanted in models(wheel):
        table["services"][scope] = trim(model, wanted)
        count += len(set(wanted))
    text = json.dumps(table, separators=(",", ":"), sort_keys=False).encode()
    target = os.path.join(HERE, "model.json.gz")
    with open(target, "wb") as out:
        # No time stamp: the same models give the same bytes.
        with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=9, mtime=0, filename="") as packed:
            packed.write(text)
    print(f"{count} operations, {len(text) // 1024} KiB, {os.path.getsize(target) // 1024} KiB packed, from botocore {source}")


if __name__ == "__main__":
    main()
