"""S3: buckets and their settings, objects, versions, multipart uploads."""

import hashlib
import base64
import json
import urllib.request


def run(call):
    def s3(operation, **parameters):
        return call("s3", operation, **parameters)

    bucket = "conformance-lake"
    s3("CreateBucket", Bucket=bucket)
    call.wait("s3", "bucket_exists", Bucket=bucket)
    call.wait("s3", "bucket_not_exists", Bucket="conformance-nowhere")
    s3("HeadBucket", Bucket=bucket)
    s3("ListBuckets")
    s3("GetBucketLocation", Bucket=bucket)
    call.fails("NoSuchBucket", "s3", "ListObjectsV2", Bucket="conformance-nowhere")
    settings(call, s3, bucket)
    objects(call, s3, bucket)
    presigned(call, bucket)
    virtual_host(call, bucket)
    versions(s3, bucket)
    multipart(call, s3, bucket)
    call.fails("BucketNotEmpty", "s3", "DeleteBucket", Bucket=bucket)
    for page in call.client("s3").get_paginator("list_object_versions").paginate(Bucket=bucket):
        for kind in ("Versions", "DeleteMarkers"):
            named = [{"Key": found["Key"], "VersionId": found["VersionId"]} for found in page.get(kind, [])]
            if named:
                s3("DeleteObjects", Bucket=bucket, Delete={"Objects": named})
    s3("DeleteBucket", Bucket=bucket)


def settings(call, s3, bucket):
    call.fails("NoSuchTagSet", "s3", "GetBucketTagging", Bucket=bucket)
    s3("PutBucketTagging", Bucket=bucket, Tagging={"TagSet": [{"Key": "team", "Value": "data"}]})
    s3("GetBucketTagging", Bucket=bucket)
    s3("DeleteBucketTagging", Bucket=bucket)
    closed = dict.fromkeys(
        ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True
    )
    s3("PutPublicAccessBlock", Bucket=bucket, PublicAccessBlockConfiguration=closed)
    s3("GetPublicAccessBlock", Bucket=bucket)
    s3("DeletePublicAccessBlock", Bucket=bucket)
    s3(
        "PutBucketOwnershipControls",
        Bucket=bucket,
        OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
    )
    s3("GetBucketOwnershipControls", Bucket=bucket)
    s3("DeleteBucketOwnershipControls", Bucket=bucket)
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": True}
    s3("PutBucketEncryption", Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
    s3("GetBucketEncryption", Bucket=bucket)
    s3("DeleteBucketEncryption", Bucket=bucket)
    old = {"ID": "old", "Status": "Enabled", "Filter": {"Prefix": "tmp/"}, "Expiration": {"Days": 7}}
    s3("PutBucketLifecycleConfiguration", Bucket=bucket, LifecycleConfiguration={"Rules": [old]})
    s3("GetBucketLifecycleConfiguration", Bucket=bucket)
    s3("DeleteBucketLifecycle", Bucket=bucket)
    call.fails("NoSuchLifecycleConfiguration", "s3", "GetBucketLifecycleConfiguration", Bucket=bucket)
    cors = {"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"], "MaxAgeSeconds": 60}]}
    s3("PutBucketCors", Bucket=bucket, CORSConfiguration=cors)
    s3("GetBucketCors", Bucket=bucket)
    s3("DeleteBucketCors", Bucket=bucket)
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{bucket}/secret/*",
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    s3("PutBucketPolicy", Bucket=bucket, Policy=policy)
    assert json.loads(s3("GetBucketPolicy", Bucket=bucket)["Policy"])["Statement"] == [statement]
    s3("GetBucketPolicyStatus", Bucket=bucket)
    s3("PutObject", Bucket=bucket, Key="secret/a", Body=b"x")
    call.fails("AccessDenied", "s3", "GetObject", Bucket=bucket, Key="secret/a")
    s3("DeleteBucketPolicy", Bucket=bucket)
    s3("GetObject", Bucket=bucket, Key="secret/a")
    call.fails("MalformedPolicy", "s3", "PutBucketPolicy", Bucket=bucket, Policy="{}")
    for fixed in (
        "GetBucketAcl",
        "GetBucketAccelerateConfiguration",
        "GetBucketLogging",
        "GetBucketNotificationConfiguration",
        "GetBucketRequestPayment",
    ):
        s3(fixed, Bucket=bucket)
    for code, absent in (
        ("ReplicationConfigurationNotFoundError", "GetBucketReplication"),
        ("NoSuchWebsiteConfiguration", "GetBucketWebsite"),
        ("ObjectLockConfigurationNotFoundError", "GetObjectLockConfiguration"),
    ):
        call.fails(code, "s3", absent, Bucket=bucket)


def objects(call, s3, bucket):
    put = s3(
        "PutObject",
        Bucket=bucket,
        Key="a/ä b+c.txt",
        Body=b"hello world",
        Metadata={"who": "me"},
        ContentType="text/plain",
        CacheControl="max-age=5",
        ChecksumAlgorithm="SHA256",
    )
    assert put["ChecksumSHA256"] == base64.b64encode(hashlib.sha256(b"hello world").digest()).decode()
    call.wait("s3", "object_exists", Bucket=bucket, Key="a/ä b+c.txt")
    call.wait("s3", "object_not_exists", Bucket=bucket, Key="a/none")
    got = s3("GetObject", Bucket=bucket, Key="a/ä b+c.txt", Range="bytes=6-")
    assert got["Body"].read() == b"world" and got["ContentRange"] == "bytes 6-10/11", got
    head = s3("HeadObject", Bucket=bucket, Key="a/ä b+c.txt", ChecksumMode="ENABLED")
    assert head["Metadata"] == {"who": "me"} and head["ContentLength"] == 11, head
    s3(
        "GetObjectAttributes",
        Bucket=bucket,
        Key="a/ä b+c.txt",
        ObjectAttributes=["ETag", "Checksum", "ObjectSize", "StorageClass"],
    )
    call.fails("PreconditionFailed", "s3", "PutObject", Bucket=bucket, Key="a/ä b+c.txt", Body=b"", IfNoneMatch="*")
    call.fails("NoSuchKey", "s3", "GetObject", Bucket=bucket, Key="a/none")
    call.fails("InvalidRange", "s3", "GetObject", Bucket=bucket, Key="a/ä b+c.txt", Range="bytes=99-")
    for algorithm in ("CRC32", "CRC32C", "SHA1", "CRC64NVME"):
        s3("PutObject", Bucket=bucket, Key=f"sums/{algorithm}", Body=b"12", ChecksumAlgorithm=algorithm)
    s3("PutObjectTagging", Bucket=bucket, Key="sums/SHA1", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    s3("GetObjectTagging", Bucket=bucket, Key="sums/SHA1")
    s3("DeleteObjectTagging", Bucket=bucket, Key="sums/SHA1")
    s3("GetObjectAcl", Bucket=bucket, Key="sums/SHA1")
    s3("CopyObject", Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "a/ä b+c.txt"})
    s3("ListObjects", Bucket=bucket)
    listed = s3("ListObjectsV2", Bucket=bucket, Delimiter="/", EncodingType="url")
    assert [prefix["Prefix"] for prefix in listed["CommonPrefixes"]] == ["a/", "secret/", "sums/"], listed
    s3("DeleteObject", Bucket=bucket, Key="copy")
    deleted = s3("DeleteObjects", Bucket=bucket, Delete={"Objects": [{"Key": "sums/SHA1"}, {"Key": "none"}]})
    assert len(deleted["Deleted"]) == 2, deleted


def virtual_host(call, bucket):
    """A bucket named by the host, as SDKs address it unless they are told otherwise."""
    port = call.endpoint.rsplit(":", 1)[1]
    where = urllib.request.Request(f"http://127.0.0.1:{port}/presigned", headers={"Host": f"{bucket}.s3.localhost"})
    scope = "Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
    where.add_header("Authorization", "AWS4-HMAC-SHA256 " + scope)
    with urllib.request.urlopen(where) as answer:
        assert answer.read() == b"by url"


def presigned(call, bucket):
    url = call.client("s3").generate_presigned_url(
        "put_object", Params={"Bucket": bucket, "Key": "presigned"}, ExpiresIn=60
    )
    with urllib.request.urlopen(urllib.request.Request(url, data=b"by url", method="PUT")) as answer:
        assert answer.status == 200
    url = call.client("s3").generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "presigned"})
    with urllib.request.urlopen(url) as answer:
        assert answer.read() == b"by url"


def versions(s3, bucket):
    s3("PutBucketVersioning", Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3("GetBucketVersioning", Bucket=bucket)
    first = s3("PutObject", Bucket=bucket, Key="v", Body=b"1")["VersionId"]
    s3("PutObject", Bucket=bucket, Key="v", Body=b"2")
    assert s3("GetObject", Bucket=bucket, Key="v", VersionId=first)["Body"].read() == b"1"
    assert s3("DeleteObject", Bucket=bucket, Key="v")["DeleteMarker"]
    s3("ListObjectVersions", Bucket=bucket, Prefix="v")


def multipart(call, s3, bucket):
    five = b"x" * (5 << 20)
    upload = s3("CreateMultipartUpload", Bucket=bucket, Key="big", ChecksumAlgorithm="CRC32")["UploadId"]
    where = {"Bucket": bucket, "Key": "big", "UploadId": upload}
    first = s3("UploadPart", **where, PartNumber=1, Body=five, ChecksumAlgorithm="CRC32")
    s3("PutObject", Bucket=bucket, Key="part", Body=b"end")
    second = s3("UploadPartCopy", **where, PartNumber=2, CopySource={"Bucket": bucket, "Key": "part"})
    s3("ListParts", **where)
    s3("ListMultipartUploads", Bucket=bucket)
    call.fails("NoSuchUpload", "s3", "ListParts", **{**where, "UploadId": "none"})
    done = s3(
        "CompleteMultipartUpload",
        **where,
        MultipartUpload={
            "Parts": [
                {"PartNumber": 1, "ETag": first["ETag"], "ChecksumCRC32": first["ChecksumCRC32"]},
                {
                    "PartNumber": 2,
                    "ETag": second["CopyPartResult"]["ETag"],
                    "ChecksumCRC32": second["CopyPartResult"]["ChecksumCRC32"],
                },
            ]
        },
    )
    assert done["ETag"].endswith('-2"'), done
    s3("GetObjectAttributes", Bucket=bucket, Key="big", ObjectAttributes=["ObjectParts", "Checksum"])
    assert s3("GetObject", Bucket=bucket, Key="big", PartNumber=2)["Body"].read() == b"end"
    upload = s3("CreateMultipartUpload", Bucket=bucket, Key="dropped")["UploadId"]
    s3("AbortMultipartUpload", Bucket=bucket, Key="dropped", UploadId=upload)
