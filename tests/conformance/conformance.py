"""Drives everything that the local cloud serves with clients that nobody here wrote, and writes down what was covered.

Arguments: the HTTP address, a folder for files, and where to write the table. Whatever is not as expected ends the script
with an error: an answer that botocore's models do not know, an operation that no client exercised.
"""

import sys

import cloud
import others
from scenarios import buckets, catalog, identity, network, secrets, warehouses

# How AWS itself departs from its models, and so does the local cloud.
AS_ON_AWS = (
    "unknown member return",  # EC2 says <return>true</return> where the model has no output.
    "State is 'available', which State does not have",  # of VPC endpoints; the model writes it with a capital.
    "State is 'available', which AttachmentStatus does not have",  # of internet gateways; the model says attached.
)
COLUMNS = ("boto3", "paginator", "waiter", "errors", "AWS CLI", "awswrangler", "pyarrow", "DuckDB httpfs")
WORDS = {
    "boto3": "boto3",
    "paginator": "its paginator",
    "waiter": "its waiters",
    "errors": "its errors",
}


def main():
    endpoint, folder, page = sys.argv[1:4]
    call = cloud.Cloud(endpoint)
    for scenario in (network, identity, buckets, catalog, warehouses, secrets):
        scenario.run(call)
    others.run(call, folder)
    isolation(call)
    known = lambda problem: any(problem.endswith(words) for words in AS_ON_AWS)
    problems = sorted({problem for problem in call.problems if not known(problem)})
    assert not problems, "\n".join(problems)
    served = cloud.served()
    missing = [
        f"{service}:{operation}"
        for service, operations in served.items()
        for operation in operations
        if not call.called.get((service, operation))
    ]
    assert not missing, f"served, but no client exercised them: {missing}"
    with open(page, "w") as out:
        out.write(table(served, call.called))
    print("ok")


def isolation(call):
    """Accounts and regions do not see each other, whichever service."""
    call("logs", "CreateLogGroup", logGroupName="/here")
    call("ec2", "CreateVpc", CidrBlock="10.77.0.0/16")
    for other in (cloud.Cloud(call.endpoint, account="111122223333"), cloud.Cloud(call.endpoint, region="eu-west-1")):
        assert not other("logs", "DescribeLogGroups", logGroupNamePrefix="/here")["logGroups"]
        vpcs = other("ec2", "DescribeVpcs")["Vpcs"]
        assert not [vpc for vpc in vpcs if vpc["CidrBlock"] == "10.77.0.0/16"], vpcs
    stranger = cloud.Cloud(call.endpoint, account="111122223333")
    assert stranger("sts", "GetCallerIdentity")["Account"] == "111122223333"
    call("s3", "CreateBucket", Bucket="conformance-ours")
    stranger.fails("AccessDenied", "s3", "ListObjectsV2", Bucket="conformance-ours")
    stranger.fails("BucketAlreadyExists", "s3", "CreateBucket", Bucket="conformance-ours")


def table(served, called):
    lines = [
        "# Which clients proved which operation",
        "",
        "Written by `tests/conformance/conformance.py`, which runs unmodified clients against `lakeform local serve` and",
        "compares every answer with botocore's models: no unknown member, no wrong type, nothing required missing, no value",
        "outside its enumeration. *Errors* are refusals with the code that AWS gives. An operation that is known and not",
        "implemented is refused by its name, `NotImplemented`; that is checked, too.",
        "",
    ]
    for service, operations in sorted(served.items()):
        done = [operation for operation in operations if called[(service, operation)] != {"refused"}]
        refused = [operation for operation in operations if called[(service, operation)] == {"refused"}]
        lines += [f"## {service}", ""]
        lines += ["| operation | " + " | ".join(WORDS.get(column, column) for column in COLUMNS) + " |"]
        lines += ["| --- |" + " :-: |" * len(COLUMNS)]
        for operation in done:
            marks = ["✓" if column in called[(service, operation)] else "" for column in COLUMNS]
            lines += [f"| {operation} | " + " | ".join(marks) + " |"]
        lines += [""]
        if refused:
            lines += ["Refused by name: " + ", ".join(refused) + ".", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
