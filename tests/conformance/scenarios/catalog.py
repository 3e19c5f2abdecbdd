"""Glue: the catalog, classifiers, a crawler that crawls, triggers."""

from cloud import until

from . import identity

CSV = "org.apache.hadoop.mapred.TextInputFormat"


def run(call):
    def glue(operation, **parameters):
        return call("glue", operation, **parameters)

    glue("CreateDatabase", DatabaseInput={"Name": "sales", "Description": "sold"}, Tags={"team": "data"})
    call.fails("AlreadyExistsException", "glue", "CreateDatabase", DatabaseInput={"Name": "sales"})
    call.fails("EntityNotFoundException", "glue", "GetDatabase", Name="none")
    glue("GetDatabase", Name="sales")
    glue("GetDatabases")
    glue("UpdateDatabase", Name="sales", DatabaseInput={"Name": "sales", "Description": "sold well"})
    tables(call, glue)
    partitions(call, glue)
    classifiers(glue)
    crawler(call, glue)
    others(call, glue)
    glue("DeleteDatabase", Name="sales")


def table(name, *more):
    columns = [{"Name": "id", "Type": "bigint"}, {"Name": "name", "Type": "string"}, *more]
    return {
        "Name": name,
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"classification": "csv"},
        "PartitionKeys": [{"Name": "day", "Type": "string"}],
        "StorageDescriptor": {
            "Columns": columns,
            "Location": f"s3://conformance-glue/{name}/",
            "InputFormat": CSV,
            "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
            "SerdeInfo": {
                "SerializationLibrary": "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe",
                "Parameters": {"field.delim": ","},
            },
        },
    }


def tables(call, glue):
    for name in ("orders", "items", "extra", "gone"):
        glue("CreateTable", DatabaseName="sales", TableInput=table(name))
    glue("GetTable", DatabaseName="sales", Name="orders")
    glue("GetTables", DatabaseName="sales", Expression="o.*")
    glue("UpdateTable", DatabaseName="sales", TableInput=table("orders", {"Name": "price", "Type": "double"}))
    versions = glue("GetTableVersions", DatabaseName="sales", TableName="orders")["TableVersions"]
    assert len(versions) == 2, versions
    glue("GetTableVersion", DatabaseName="sales", TableName="orders", VersionId="0")
    glue("DeleteTableVersion", DatabaseName="sales", TableName="orders", VersionId="0")
    glue("BatchDeleteTableVersion", DatabaseName="sales", TableName="orders", VersionIds=["0"])
    glue("SearchTables", SearchText="orders")
    glue("DeleteTable", DatabaseName="sales", Name="gone")
    glue("BatchDeleteTable", DatabaseName="sales", TablesToDelete=["extra", "none"])
    glue("GetUserDefinedFunctions", DatabaseName="sales", Pattern="*")
    where = {"DatabaseName": "sales", "TableName": "orders"}
    glue("GetColumnStatisticsForTable", **where, ColumnNames=["id"])
    call.refused("glue", "UpdateColumnStatisticsForTable", **where, ColumnStatisticsList=[])
    call.refused("glue", "DeleteColumnStatisticsForTable", **where, ColumnName="id")


def partitions(call, glue):
    where = {"DatabaseName": "sales", "TableName": "orders"}

    def day(value):
        storage = {**table("orders")["StorageDescriptor"], "Location": f"s3://conformance-glue/orders/{value}/"}
        return {"Values": [value], "StorageDescriptor": storage}

    glue("CreatePartition", **where, PartitionInput=day("1"))
    glue("BatchCreatePartition", **where, PartitionInputList=[day("2"), day("3"), day("4")])
    glue("GetPartition", **where, PartitionValues=["1"])
    found = glue("GetPartitions", **where, Expression="day >= '2'")["Partitions"]
    assert len(found) == 3, found
    glue("BatchGetPartition", **where, PartitionsToGet=[{"Values": ["1"]}, {"Values": ["9"]}])
    glue("UpdatePartition", **where, PartitionValueList=["1"], PartitionInput=day("1"))
    glue("BatchUpdatePartition", **where, Entries=[{"PartitionValueList": ["2"], "PartitionInput": day("2")}])
    index = {"Keys": ["day"], "IndexName": "by_day"}
    glue("CreatePartitionIndex", **where, PartitionIndex=index)
    call.fails("AlreadyExistsException", "glue", "CreatePartitionIndex", **where, PartitionIndex=index)
    glue("GetPartitionIndexes", **where)
    glue("DeletePartitionIndex", **where, IndexName="by_day")
    call.fails("EntityNotFoundException", "glue", "DeletePartitionIndex", **where, IndexName="by_day")
    glue("DeletePartition", **where, PartitionValues=["1"])
    glue("BatchDeletePartition", **where, PartitionsToDelete=[{"Values": ["2"]}, {"Values": ["9"]}])


def classifiers(glue):
    glue("CreateClassifier", CsvClassifier={"Name": "csv", "Delimiter": ";", "ContainsHeader": "PRESENT"})
    glue("CreateClassifier", JsonClassifier={"Name": "json", "JsonPath": "$[*]"})
    glue("CreateClassifier", GrokClassifier={"Name": "grok", "Classification": "log", "GrokPattern": "%{WORD:a}"})
    glue("GetClassifier", Name="csv")
    glue("GetClassifiers")
    glue("UpdateClassifier", CsvClassifier={"Name": "csv", "Delimiter": "|"})
    glue("DeleteClassifier", Name="grok")


def crawler(call, glue):
    call("s3", "CreateBucket", Bucket="conformance-glue")
    rows = b"id,price,day\n1,2.5,2024-01-02\n2,3.5,2024-01-03\n"
    for number in range(3):
        call("s3", "PutObject", Bucket="conformance-glue", Key=f"data/sold/{number}.csv", Body=rows)
    read = {
        "Effect": "Allow",
        "Action": ["s3:GetObject", "s3:ListBucket"],
        "Resource": ["arn:aws:s3:::conformance-glue", "arn:aws:s3:::conformance-glue/*"],
    }
    work = {"Effect": "Allow", "Action": ["glue:*", "logs:*"], "Resource": "*"}
    role = identity.role(call, "crawls", "glue.amazonaws.com", read, work)
    target = {"S3Targets": [{"Path": "s3://conformance-glue/data/sold/", "Exclusions": ["**.tmp"]}]}
    glue(
        "CreateCrawler",
        Name="sold",
        Role=role,
        DatabaseName="sales",
        Targets=target,
        TablePrefix="raw_",
        Tags={"team": "data"},
    )
    call.fails("EntityNotFoundException", "glue", "StartCrawler", Name="none")
    glue("GetCrawler", Name="sold")
    glue("StartCrawler", Name="sold")
    until(lambda: glue("GetCrawler", Name="sold")["Crawler"]["State"] == "READY")
    last = glue("GetCrawler", Name="sold")["Crawler"]["LastCrawl"]
    assert last["Status"] == "SUCCEEDED", last
    columns = glue("GetTable", DatabaseName="sales", Name="raw_sold")["Table"]["StorageDescriptor"]["Columns"]
    assert [column["Type"] for column in columns] == ["bigint", "double", "string"], columns
    glue("GetCrawlers")
    glue("ListCrawlers")
    glue("BatchGetCrawlers", CrawlerNames=["sold", "none"])
    glue("GetCrawlerMetrics", CrawlerNameList=["sold"])
    glue("ListCrawls", CrawlerName="sold")
    glue("UpdateCrawler", Name="sold", Description="again", Schedule="cron(0 3 * * ? *)")
    glue("StopCrawlerSchedule", CrawlerName="sold")
    glue("StartCrawlerSchedule", CrawlerName="sold")
    glue("UpdateCrawlerSchedule", CrawlerName="sold", Schedule="cron(0 4 * * ? *)")
    call.fails("CrawlerNotRunningException", "glue", "StopCrawler", Name="sold")
    ready = lambda: glue("GetCrawler", Name="sold")["Crawler"]["State"] == "READY"

    def stopped():
        """A crawl is soon over; it may be so before it can be stopped."""
        until(ready)
        glue("StartCrawler", Name="sold")
        try:
            return glue("StopCrawler", Name="sold")
        except call.client("glue").exceptions.CrawlerNotRunningException:
            return None

    until(stopped)
    until(ready)

    action = [{"CrawlerName": "sold"}]
    glue("CreateTrigger", Name="nightly", Type="SCHEDULED", Schedule="cron(0 2 * * ? *)", Actions=action)
    glue("CreateTrigger", Name="once", Type="ON_DEMAND", Actions=action)
    glue("GetTrigger", Name="nightly")
    glue("GetTriggers")
    glue("ListTriggers")
    glue("BatchGetTriggers", TriggerNames=["nightly", "none"])
    glue("StartTrigger", Name="nightly")
    until(lambda: glue("GetTrigger", Name="nightly")["Trigger"]["State"] == "ACTIVATED")
    glue("StopTrigger", Name="nightly")
    until(lambda: glue("GetTrigger", Name="nightly")["Trigger"]["State"] == "DEACTIVATED")
    glue("UpdateTrigger", Name="nightly", TriggerUpdate={"Schedule": "cron(0 1 * * ? *)", "Actions": action})
    for name in ("nightly", "once"):
        glue("DeleteTrigger", Name=name)
    arn = "arn:aws:glue:us-east-1:123456789012:crawler/sold"
    glue("TagResource", ResourceArn=arn, TagsToAdd={"env": "test"})
    assert glue("GetTags", ResourceArn=arn)["Tags"] == {"team": "data", "env": "test"}
    glue("UntagResource", ResourceArn=arn, TagsToRemove=["env"])
    glue("DeleteCrawler", Name="sold")


def others(call, glue):
    connection = {
        "Name": "db",
        "ConnectionType": "JDBC",
        "ConnectionProperties": {"JDBC_CONNECTION_URL": "jdbc:x", "USERNAME": "u", "PASSWORD": "p"},
    }
    call.refused("glue", "CreateConnection", ConnectionInput=connection)
    call.refused("glue", "UpdateConnection", Name="db", ConnectionInput=connection)
    call.refused("glue", "DeleteConnection", ConnectionName="db")
    for absent in ("GetConnection", "GetSecurityConfiguration"):
        call.fails("EntityNotFoundException", "glue", absent, Name="none")
    call.fails("EntityNotFoundException", "glue", "GetJob", JobName="none")
    call.fails("EntityNotFoundException", "glue", "GetResourcePolicy")
    call.fails("EntityNotFoundException", "glue", "GetWorkflow", Name="none")
    for nothing in (
        "GetConnections",
        "GetDataCatalogEncryptionSettings",
        "GetCatalogImportStatus",
        "GetSecurityConfigurations",
        "GetJobs",
        "ListJobs",
        "ListWorkflows",
    ):
        glue(nothing)
    command = {"Name": "glueetl", "ScriptLocation": "s3://x/y.py"}
    call.refused("glue", "CreateJob", Name="job", Role="r", Command=command)
    call.refused("glue", "UpdateJob", JobName="job", JobUpdate={"Command": command})
    call.refused("glue", "DeleteJob", JobName="job")
    call.refused("glue", "StartJobRun", JobName="job")
    call.refused("glue", "GetJobRun", JobName="job", RunId="1")
    call.refused("glue", "GetJobRuns", JobName="job")
