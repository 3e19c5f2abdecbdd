"""The shipped lakehouse as its users' own clients see it: boto3 and a PostgreSQL driver, unmodified.

Arguments: the HTTP address, the SQL address, the cluster. Whatever is not as expected ends the script with an error.
"""

import sys

import boto3
import psycopg2

http, sql, cluster = sys.argv[1:4]


def client(service):
    return boto3.client(
        service,
        endpoint_url=http,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


account = client("sts").get_caller_identity()["Account"]
assert account == "123456789012", account

# S3: every table's folder holds its file, and a range of it reads.
s3 = client("s3")
bucket = next(bucket["Name"] for bucket in s3.list_buckets()["Buckets"])
pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="landing/", PaginationConfig={"PageSize": 3})
keys = [entry["Key"] for page in pages for entry in page["Contents"]]
assert len(keys) == 14, keys
accounts = next(key for key in keys if "/accounts/" in key)
start = s3.get_object(Bucket=bucket, Key=accounts, Range="bytes=0-9")["Body"].read()
assert start == b"account_id", start

# Glue: the crawler's tables, with their types.
tables = {
    table["Name"]: {column["Name"]: column["Type"] for column in table["StorageDescriptor"]["Columns"]}
    for page in client("glue").get_paginator("get_tables").paginate(DatabaseName="lake-dev")
    for table in page["TableList"]
}
assert len(tables) == 14, sorted(tables)
assert tables["ext_accounts"]["account_balance"] == "double", tables["ext_accounts"]
assert tables["ext_accounts"]["account_number"] == "bigint", tables["ext_accounts"]

# EC2 and IAM: private and tagged as ours.
subnets = client("ec2").describe_subnets(Filters=[{"Name": "tag:lakeform:stack", "Values": ["lake"]}])["Subnets"]
assert len({subnet["AvailabilityZone"] for subnet in subnets}) == 2, subnets
roles = client("iam").list_roles(PathPrefix="/lakeform/lake/")["Roles"]
assert len(roles) == 2, roles

# Redshift: private, encrypted, its password managed; temporary credentials log in on the SQL port.
redshift = client("redshift")
described = redshift.describe_clusters(ClusterIdentifier=cluster)["Clusters"][0]
assert described["Encrypted"] and not described["PubliclyAccessible"], described
assert described["MasterPasswordSecretArn"], described
login = redshift.get_cluster_credentials(ClusterIdentifier=cluster, DbUser="reader", AutoCreate=True, DbName="dev")
host, port = sql.rsplit(":", 1)
connection = psycopg2.connect(
    host=host, port=port, dbname="dev", user=login["DbUser"], password=login["DbPassword"], sslmode="disable"
)
with connection, connection.cursor() as cursor:
    cursor.execute("select count(*) from dev_bronze.ext_fact_transactions where transaction_amount > %s", (0,))
    assert cursor.fetchone() == (10_000,)
    cursor.execute("select current_user")
    print("logged in as", cursor.fetchone()[0])
connection.close()
print("ok")
