"""Crawled tables as awswrangler's users see them: the catalog's functions, and data read by what the catalog says.

Arguments: the HTTP address. Whatever is not as expected ends the script with an error.
"""

import json
import sys
import time

import awswrangler as wr
import boto3

http = sys.argv[1]
session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1")
wr.config.glue_endpoint_url = http
wr.config.s3_endpoint_url = http
wr.config.sts_endpoint_url = http
glue = session.client("glue", endpoint_url=http)
s3 = session.client("s3", endpoint_url=http)
iam = session.client("iam", endpoint_url=http)


def crawl(name, path, **more):
    glue.create_crawler(
        Name=name, Role="crawl", DatabaseName="bronze", Targets={"S3Targets": [{"Path": path}]}, **more
    )
    recrawl(name)


def recrawl(name):
    glue.start_crawler(Name=name)
    for _ in range(600):
        crawler = glue.get_crawler(Name=name)["Crawler"]
        if crawler["State"] == "READY":
            break
        time.sleep(0.05)
    assert crawler["LastCrawl"]["Status"] == "SUCCEEDED", crawler


s3.create_bucket(Bucket="lake")
trust = {"Effect": "Allow", "Principal": {"Service": "glue.amazonaws.com"}, "Action": "sts:AssumeRole"}
allow = {"Effect": "Allow", "Action": ["s3:*", "glue:*", "logs:*"], "Resource": "*"}
iam.create_role(
    RoleName="crawl", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]})
)
iam.put_role_policy(
    RoleName="crawl", PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allow]})
)
wr.catalog.create_database("bronze", description="raw", boto3_session=session)
for month in ["01", "02"]:
    s3.put_object(
        Bucket="lake", Key=f"sales/year=2024/month={month}/a.csv", Body=b"id,name,amount\n1,x,1.5\n2,y,2.5\n"
    )
s3.put_object(Bucket="lake", Key="events/a.json", Body=b'{"id": 1, "who": {"name": "x", "tags": ["a"]}}\n')
crawl("sales", "s3://lake/sales/", TablePrefix="ext_")
combine = {"Version": 1.0, "Grouping": {"TableGroupingPolicy": "CombineCompatibleSchemas"}}
crawl("events", "s3://lake/events/", Configuration=json.dumps(combine))

at = {"database": "bronze", "boto3_session": session}

# Databases and tables, one by one and searched.
assert dict(wr.catalog.get_databases(boto3_session=session).__next__())["Name"] == "bronze"
assert list(wr.catalog.databases(boto3_session=session)["Database"]) == ["bronze"]
assert sorted(table["Name"] for table in wr.catalog.get_tables(**at)) == ["events", "ext_sales"]
assert [table["Name"] for table in wr.catalog.get_tables(**at, name_prefix="ext_")] == ["ext_sales"]
assert [table["Name"] for table in wr.catalog.get_tables(**at, name_suffix="ents")] == ["events"]
assert [table["Name"] for table in wr.catalog.search_tables("sales", boto3_session=session)] == ["ext_sales"]
assert wr.catalog.does_table_exist(table="ext_sales", **at)
assert not wr.catalog.does_table_exist(table="none", **at)
assert len(wr.catalog.tables(**at)) == 2

# Columns, keys, places, parameters.
types = wr.catalog.get_table_types(table="ext_sales", **at)
assert types == {"id": "bigint", "name": "string", "amount": "double", "year": "string", "month": "string"}, types
assert wr.catalog.get_table_types(table="events", **at) == {"id": "int", "who": "struct<name:string,tags:array<string>>"}
shown = wr.catalog.table(table="ext_sales", **at)
assert list(shown["Partition"]) == [False, False, False, True, True], shown
assert wr.catalog.get_table_location(table="ext_sales", **at) == "s3://lake/sales/"
parameters = wr.catalog.get_table_parameters(table="ext_sales", **at)
for name, value in {
    "classification": "csv",
    "delimiter": ",",
    "skip.header.line.count": "1",
    "compressionType": "none",
    "typeOfData": "file",
    "UPDATED_BY_CRAWLER": "sales",
    "objectCount": "2",
    "recordCount": "4",
    "sizeKey": "62",
    "averageRecordSize": "15",
    "CrawlerSchemaSerializerVersion": "1.0",
    "partition_filtering.enabled": "true",
}.items():
    assert parameters[name] == value, (name, parameters)

# Partitions, whole and filtered.
places = wr.catalog.get_partitions(table="ext_sales", **at)
assert places == {
    "s3://lake/sales/year=2024/month=01/": ["2024", "01"],
    "s3://lake/sales/year=2024/month=02/": ["2024", "02"],
}, places
assert len(wr.catalog.get_csv_partitions(table="ext_sales", **at)) == 2
assert list(wr.catalog.get_partitions(table="ext_sales", expression="month > '01'", **at).values()) == [["2024", "02"]]
indexes = glue.get_partition_indexes(DatabaseName="bronze", TableName="ext_sales")["PartitionIndexDescriptorList"]
assert [index["IndexName"] for index in indexes] == ["crawler_partition_index"], indexes

# A later crawl is another version; what people write survives until a crawler changes the table.
wr.catalog.upsert_table_parameters(parameters={"owner": "me"}, table="events", **at)
assert wr.catalog.get_table_number_of_versions(table="events", **at) >= 1
s3.put_object(Bucket="lake", Key="events/b.json", Body=b'{"id": 5000000000, "kind": "k", "who": {"name": "y"}}\n')
recrawl("events")
types = wr.catalog.get_table_types(table="events", **at)
assert types == {"id": "bigint", "who": "struct<name:string,tags:array<string>>", "kind": "string"}, types
assert "owner" not in wr.catalog.get_table_parameters(table="events", **at)

# The data where the catalog says they are.
frame = wr.s3.read_csv(wr.catalog.get_table_location(table="ext_sales", **at), dataset=True, boto3_session=session)
assert len(frame) == 4 and frame["amount"].sum() == 8.0, frame

assert wr.catalog.delete_table_if_exists(table="events", **at)
assert not wr.catalog.delete_table_if_exists(table="events", **at)
wr.catalog.delete_database("bronze", boto3_session=session)
print("ok")
