#!/usr/bin/env python3
"""Writes the first inputs of every target, from what the tests already know: recorded requests, golden records,
configurations that people have. Needed when a target changes how it reads its input; what the fuzzer finds is added to them.

    script/fuzz/seeds.py FOLDER
"""

import base64
import json
import pathlib
import re
import sys

PROJECT = pathlib.Path(__file__).resolve().parents[2]
RECORDED = PROJECT / "src/api/tests/fixtures/botocore_requests.json"
GOLDEN = PROJECT / "src/model/src/tests/golden.txt"
CONFIG_TESTS = PROJECT / "src/garage/src/config/tests"
# In the order of KINDS in targets/records.rs; what is not there is read as the clock's.
KINDS = [16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 40, 41, 42, 43, 44, 45, 32, 33, 60, 61, 2, 34, 31, 36, 37, 38, 39, 47, 46]
# In the order of the cases in targets/body.rs.
MODES = {"STREAMING-UNSIGNED-PAYLOAD-TRAILER": 3, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD": 4,
         "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER": 5}


def text_request(request):
    target = request["path"] + ("?" + request["query"] if request["query"] else "")
    lines = [f"{request['method']} {target}"] + [f"{name}: {value}" for name, value in request["headers"]]
    return "\n".join(lines).encode()


def requests():
    for request in json.loads(RECORDED.read_text())["requests"]:
        yield request, text_request(request)


def signature():
    for _, text in requests():
        yield b"\0" + text
        plain = [line for line in text.split(b"\n") if not line.startswith((b"authorization", b"x-amz-date"))]
        if b"X-Amz-" not in plain[0]:
            yield b"\1" + b"\n".join(plain)
            yield b"\2" + b"\n".join(plain)


def request():
    heads = [
        "PUT /bucket/key?x-id=PutObject\nx-amz-meta-a: b\ncache-control: max-age=1\nif-none-match: *",
        "PUT /bucket/to\nx-amz-copy-source: /bucket/a%20b?versionId=null\nx-amz-metadata-directive: REPLACE",
        "GET /bucket/key?partNumber=1&response-expires=x\nrange: bytes=0-9\nif-modified-since: Sun, 06 Nov 1994 08:49:37 GMT",
        "GET /bucket?list-type=2&continuation-token=YWJj&max-keys=10&encoding-type=url\nrange: bytes=-5",
        "POST /bucket/key?uploadId=ab&partNumber=7\ncontent-md5: 1B2M2Y8AsgTpgAmY7PhCfg==",
        "GET /?prefix=a\nhost: bucket.s3.example.org:3900\nif-match: \"abc\", W/\"d\"",
        "GET /bucket?acl\nrange: bytes=5-", "GET /bucket/k?tagging", "DELETE /bucket/..//%2F%01?versionId=null",
        "PUT /bucket/k\nx-amz-checksum-sha256: 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\nx-amz-sdk-checksum-algorithm: SHA256",
        "PUT /bucket/k\nx-amz-trailer: x-amz-checksum-crc32\nx-amz-decoded-content-length: 5\ncontent-encoding: gzip,aws-chunked",
    ]
    yield from (head.encode() for head in heads)
    yield from (text for _, text in requests())


def chunked_body():
    for request, _ in requests():
        body = base64.b64decode(request["body"])
        mode = MODES.get(dict(request["headers"]).get("x-amz-content-sha256"))
        if mode:
            yield bytes([mode, 64, 0]) + body
    for mode in range(8):
        for length in (0, 5, 35, 70, 200):
            yield bytes([mode, length, 7]) + b"hello world, hello chunks"
    yield bytes([3, 5, 0]) + b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n"
    yield bytes([2, 5, 1]) + b"2\r\nhe\r\n3;a=b\r\nllo\r\n0\r\n\r\n"


def records():
    for line in GOLDEN.read_text().splitlines():
        value = bytes.fromhex(line.split()[3])
        if value and value[0] in KINDS:
            yield bytes([KINDS.index(value[0]), 0]) + value[10:]
            yield bytes([KINDS.index(value[0]), 1]) + value
        yield b"\0\2" + bytes.fromhex(line.split()[2])


def config():
    texts = [(PROJECT / "config.toml.example").read_text()]
    for file in sorted(CONFIG_TESTS.glob("*.rs")):
        texts += re.findall(r'r#"(.*?)"#', file.read_text(), re.DOTALL)
    environment = ("GARAGE_DATA_DIR=/d\nGARAGE_ADMIN_TOKEN_FILE=/secret\nGARAGE_DEFAULT_BUCKET=b\nA=1.5 GiB\nB=1d 12h\n"
                   "GARAGE_DEFAULT_ACCESS_KEY=k\nGARAGE_DEFAULT_SECRET_KEY=s\nGARAGE_LOG_TO_SYSLOG=true\nGARAGE_RPC_SECRT=x\n"
                   "GARAGE_ALLOW_WORLD_READABLE_SECRETS=true\nGARAGE_METRICS_TOKEN=t")
    for text in texts:
        yield text.encode()
        yield "\n===\n".join([text, environment, "secret"]).encode()
        # Without its comments: more room for changes.
        yield re.sub(r"(?m)^\s*#.*\n", "", text).encode()
    yield b'data_dir = [{ path = "/a", capacity = "1G" }, { path = "/b", read_only = true }]\nmetadata_fsync = false'
    yield b'metadata_dir = "a\\nb"\ndata_dir = "/d"\n"two\\nlines\\u001b" = 1\n[unknown]\n"\\r" = 1'
    yield b'unsafe_allow_data_loss = true\ndata_fsync = false\nconsistency_mode = "dangerous"\ncompression_level = "none"'


def xml_delete():
    yield (b'<?xml version="1.0" encoding="UTF-8"?>\n<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Quiet>true</Quiet>'
           b"<Object><Key>a&amp;b&#x1;</Key><VersionId>null</VersionId><ETag>&quot;abc&quot;</ETag></Object></Delete>")
    yield b"<Delete><Object><Key><![CDATA[a]]></Key></Object><!-- c --><Object><Key>\r\nb</Key></Object></Delete>"
    yield b"<s3:Delete xmlns:s3='x'><s3:Object><s3:Key>k</s3:Key><Size>1</Size></s3:Object></s3:Delete>"


def xml_complete():
    sums = "".join(f"<Checksum{name}>AAAA</Checksum{name}>" for name in (
        "CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256", "SHA512", "MD5", "XXHASH64", "XXHASH3", "XXHASH128"))
    yield (f'<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Part><ETag>"abc"</ETag>{sums}'
           "<PartNumber>1</PartNumber></Part><Part><PartNumber> 10000 </PartNumber><ETag>&#34;d&#34;</ETag></Part>"
           "</CompleteMultipartUpload>").encode()
    yield b"<CompleteMultipartUpload><Part><PartNumber>-1</PartNumber><ETag/></Part></CompleteMultipartUpload>"


def xml_create_bucket():
    yield (b'<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
           b"<LocationConstraint>garage</LocationConstraint></CreateBucketConfiguration>")
    yield b'\xef\xbb\xbf<?xml version="1.0" encoding="ascii"?><CreateBucketConfiguration><Tags/></CreateBucketConfiguration>'
    yield b"  \n"


def settings():
    name = b"http://s3.amazonaws.com/doc/2006-03-01/"
    yield (b'\0<CORSConfiguration xmlns="' + name + b'"><CORSRule><ID>one</ID><AllowedOrigin>https://*.example.org</AllowedOrigin>'
           b"<AllowedMethod>PUT</AllowedMethod><AllowedMethod>GET</AllowedMethod><AllowedHeader>*</AllowedHeader>"
           b"<ExposeHeader>ETag</ExposeHeader><MaxAgeSeconds>300</MaxAgeSeconds></CORSRule></CORSConfiguration>")
    yield (b"\1<Tagging><TagSet><Tag><Key>a b</Key><Value>c=d</Value></Tag><Tag><Key>x</Key><Value/></Tag></TagSet></Tagging>")
    yield (b'\2<AccessControlPolicy xmlns="' + name + b'"><Owner><ID>me</ID><DisplayName>Me</DisplayName></Owner>'
           b'<AccessControlList><Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="Group">'
           b"<URI>http://acs.amazonaws.com/groups/global/AllUsers</URI></Grantee><Permission>READ</Permission></Grant><Grant>"
           b'<Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser"><ID>you</ID></Grantee>'
           b"<Permission>FULL_CONTROL</Permission></Grant></AccessControlList></AccessControlPolicy>")
    yield (b"\3<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>false</IgnorePublicAcls>"
           b"<BlockPublicPolicy>TRUE</BlockPublicPolicy></PublicAccessBlockConfiguration>")
    yield b"\4<OwnershipControls><Rule><ObjectOwnership>BucketOwnerPreferred</ObjectOwnership></Rule></OwnershipControls>"
    yield b"\5<VersioningConfiguration><Status>Enabled</Status><MfaDelete>Disabled</MfaDelete></VersioningConfiguration>"
    yield (b"\6<LifecycleConfiguration><Rule><ID>a</ID><Status>Enabled</Status><Filter><And><Prefix>logs/</Prefix><Tag><Key>k</Key>"
           b"<Value>v</Value></Tag><ObjectSizeGreaterThan>500</ObjectSizeGreaterThan></And></Filter><Expiration><Days>30</Days>"
           b"</Expiration><NoncurrentVersionExpiration><NoncurrentDays>3</NoncurrentDays><NewerNoncurrentVersions>2"
           b"</NewerNoncurrentVersions></NoncurrentVersionExpiration><AbortIncompleteMultipartUpload><DaysAfterInitiation>7"
           b"</DaysAfterInitiation></AbortIncompleteMultipartUpload></Rule><Rule><Prefix/><Status>Disabled</Status><Expiration>"
           b"<Date>2030-01-01</Date></Expiration></Rule></LifecycleConfiguration>")
    yield (b"\7<WebsiteConfiguration><IndexDocument><Suffix>index.html</Suffix></IndexDocument><ErrorDocument><Key>404.html</Key>"
           b"</ErrorDocument><RoutingRules><RoutingRule><Condition><KeyPrefixEquals>old/</KeyPrefixEquals>"
           b"<HttpErrorCodeReturnedEquals>404</HttpErrorCodeReturnedEquals></Condition><Redirect><HostName>example.org</HostName>"
           b"<HttpRedirectCode>302</HttpRedirectCode><Protocol>https</Protocol><ReplaceKeyPrefixWith>new/</ReplaceKeyPrefixWith>"
           b"</Redirect></RoutingRule></RoutingRules></WebsiteConfiguration>")
    yield (b"\7<WebsiteConfiguration><RedirectAllRequestsTo><HostName>example.org</HostName><Protocol>https</Protocol>"
           b"</RedirectAllRequestsTo></WebsiteConfiguration>")
    yield (b"\x08<NotificationConfiguration><QueueConfiguration><Id>n</Id><Queue>arn:garage:sqs:::hook</Queue>"
           b"<Event>s3:ObjectCreated:*</Event><Filter><S3Key><FilterRule><Name>prefix</Name><Value>a/</Value></FilterRule></S3Key>"
           b"</Filter></QueueConfiguration><TopicConfiguration><Topic>t</Topic><Event>s3:ObjectRemoved:Delete</Event>"
           b"</TopicConfiguration><EventBridgeConfiguration/></NotificationConfiguration>")
    yield (b"\x09<BucketLoggingStatus><LoggingEnabled><TargetBucket>logs</TargetBucket><TargetPrefix>a/</TargetPrefix><TargetGrants>"
           b"<Grant><Grantee><ID>me</ID></Grantee><Permission>READ</Permission></Grant></TargetGrants></LoggingEnabled>"
           b"</BucketLoggingStatus>")
    yield (b"\x0a<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms</SSEAlgorithm>"
           b"<KMSMasterKeyID>photos</KMSMasterKeyID></ApplyServerSideEncryptionByDefault><BucketKeyEnabled>true</BucketKeyEnabled>"
           b"<BlockedEncryptionTypes><EncryptionType>SSE-C</EncryptionType></BlockedEncryptionTypes></Rule>"
           b"</ServerSideEncryptionConfiguration>")
    yield (b"\x0b<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention><Mode>GOVERNANCE</Mode>"
           b"<Days>3</Days></DefaultRetention></Rule></ObjectLockConfiguration>")
    yield b"\x0c<Retention><Mode>COMPLIANCE</Mode><RetainUntilDate>2030-01-01T00:00:00.000Z</RetainUntilDate></Retention>"
    yield b"\x0d<LegalHold><Status>ON</Status></LegalHold>"


def policy():
    yield (b'\0{"Version":"2012-10-17","Id":"x","Statement":[{"Sid":"a","Effect":"Allow","Principal":"*","Action":["s3:GetObject",'
           b'"s3:List*"],"Resource":["arn:aws:s3:::photos","arn:aws:s3:::photos/*"],"Condition":{"IpAddress":{"aws:SourceIp":'
           b'["192.0.2.0/24","::/0"]},"StringLike":{"s3:prefix":["a/*",""]},"NumericLessThan":{"s3:max-keys":"10"}}},'
           b'{"Effect":"Deny","NotPrincipal":{"AWS":["GK0123456789abcdef01234567"]},"NotAction":"s3:Put*","NotResource":'
           b'"arn:aws:s3:::photos/open/*","Condition":{"Bool":{"aws:SecureTransport":"false"},"DateGreaterThanIfExists":'
           b'{"aws:CurrentTime":"2020-01-01T00:00:00Z"},"ForAnyValue:StringEquals":{"s3:RequestObjectTag/a":["b"]},'
           b'"Null":{"s3:x-amz-acl":"true"}}}]}')
    yield b'\0{"Statement":{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"*","Resource":"*"}}'
    yield (b'\1{"expiration":"2030-01-01T00:00:00.000Z","conditions":[{"bucket":"photos"},["starts-with","$key","user/"],'
           b'{"acl":"private"},["content-length-range",1,1048576],["eq","$Content-Type","image/png"]]}')


def form():
    part = b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
    fields = part % (b"key", b"user/${filename}") + part % (b"Policy", b"e30=") + part % (b"x-amz-meta-a", b"")
    file = b'--b\r\nContent-Disposition: form-data; name="file"; filename="C:\\\\a\\b.png"\r\nContent-Type: image/png\r\n\r\n'
    yield b"\x02\0" + fields + file + b"\x89PNG\r\n--\r\n--bb\r\n--b--\r\n"
    yield b"\0\0preamble\r\n" + file + b"x\r\n--b--"
    yield b"\xff\1" + (fields + file + b"y\r\n--b--\r\n").replace(b"--b", b"------WebKitFormBoundary7MA4YWxkTrZu0gW")
    yield b"\x05\2" + (fields + file + b"z\r\n--b--\r\n").replace(b"--b", b"----")


def frames():
    """In the order of FORMS in net/src/fuzzing.rs."""
    for address in (b"", b"192.168.1.20:3901", b"[fe80::1%3]:3901"):
        yield b"\0" + b"\7" * 32 + b"\0" * 7 + b"\x09" + b"\0\1\0\3\0\2" + b"\1\0" + bytes([len(address)]) + address
    yield from (b"\1" + answer for answer in (b"\0hello", b"\1", b"\2", b"\3\0\1\0\2\0\3", b"\4", b"\5", b"\6", b"\7"))
    yield b"\2\1\0\1\0\1\0\0\x75\x30\0\x20\0\0\1\0\0\x10\0\0"
    yield b"\2\3\0\1\0\1\0\0\0\0\4\0\0\x40\0\0\xff\xff\xff\xff"
    yield from (b"\3" + bytes([0xa0 + len(word)]) + word for word in (b"unknown", b"malformed", b"busy", b"ahead"))


def state_files():
    """In the order of STATE in cluster/src/fuzzing.rs. Layouts and votes were written by clusters: `seed-recorded-…`."""
    yield b"\0" + b"01" * 32 + b" 1790000000000\n"
    yield b"\4" + b"02" * 32 + b" 10.0.0.7:3901 [fe80::1]:4000\n" + b"03" * 32 + b"\n"
    yield b"\5[]"
    yield b"\7" + b"00" * 32 + b"\n3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29\n"
    yield b"\x08" + b"2a" * 32 + b"\n"


def block_file():
    for content in (b"", b"x", b"a line of text\n" * 8, bytes(range(256))):
        yield b"\0\0" + content
        yield b"\0\1" + content
    # What zstd makes of nothing, of a kibibyte of zeroes, and of lines of text.
    for file in ("KLUv/SQAAQAAmenYUQ==", "KLUv/WQAA00AABAAAAEA+yuABc2shfA=",
                 "KLUv/WTAArUAAHhhIGxpbmUgb2YgdGV4dAoBAK6lmnXBgow0"):
        yield b"\1\0" + base64.b64decode(file)


def admin_json():
    """In the order of BODIES in targets/admin_json.rs."""
    bodies = [
        ("AllowBucketKey", {"bucketId": "ab" * 32, "accessKeyId": "GK" + "1" * 24, "permissions": {"read": True, "write": True, "owner": False}}),
        ("AddBucketAlias", {"bucketId": "ab" * 32, "globalAlias": "photos"}),
        ("CreateBucket", {"globalAlias": "photos", "localAlias": {"accessKeyId": "GK1", "alias": "mine", "allow": {"read": True}}}),
        ("UpdateBucket", {"websiteAccess": {"enabled": True, "indexDocument": "index.html", "errorDocument": "404.html"},
                          "quotas": {"maxSize": 1 << 40, "maxObjects": None}, "corsRules": [{"allowedOrigins": ["*"], "allowedMethods": ["GET"]}],
                          "lifecycleRules": [{"id": "a", "status": "Enabled", "filter": {"prefix": "logs/"}, "expiration": {"days": 30}}]}),
        ("CleanupIncompleteUploads", {"bucketId": "ab" * 32, "olderThanSecs": 86400}),
        ("UpdateKey", {"name": "laptop", "allow": {"createBucket": True}, "deny": None, "neverExpires": True, "expiration": "2030-01-01T00:00:00Z"}),
        ("ImportKey", {"accessKeyId": "GK" + "1" * 24, "secretAccessKey": "2" * 64, "name": "old"}),
        ("UpdateClusterLayout", {"roles": [{"id": "01" * 32, "zone": "home", "capacity": 10 ** 12, "tags": ["nas"]}, {"id": "02" * 32, "remove": True}],
                                 "parameters": {"zoneRedundancy": {"atLeast": 2}}}),
        ("ApplyClusterLayout", {"version": 2}),
        ("ForgetNodes", {"nodes": ["01" * 32]}),
        ("CreateNodeInvitation", {"zone": "attic", "validForSecs": 3600}),
        ("PreviewNodeApproval", {"nodes": ["01" * 32]}),
        ("ApproveNodes", {"nodes": ["01" * 32], "version": 3}),
        ("NamedEncryptionKey", {"name": "main"}),
        ("ChangeEncryptionSecret", {"secret": "3" * 64}),
        ("LaunchRepair", {"repairType": {"scrub": "start"}}),
        ("ListWorkers", {"busyOnly": True, "errorOnly": False}),
        ("GetWorkerInfo", {"id": 7}),
        ("GetWorkerVariable", {"variable": "copy-rate"}),
        ("SetWorkerVariable", {"variable": "copy-rate", "value": "2M"}),
        ("CreateWebhook", {"name": "hook", "url": "https://example.org/hook"}),
        ("GetBlockInfo", {"blockHash": "cd" * 32}),
        ("RetryBlockResync", {"all": True}),
    ]
    for number, (_, body) in enumerate(bodies):
        for text in (json.dumps(body), "{}", "null"):
            yield bytes([number]) + text.encode()


TARGETS = [admin_json, block_file, frames, state_files, chunked_body, config, form, policy, records, request, settings, signature, xml_complete, xml_create_bucket, xml_delete]


def main():
    root = pathlib.Path(sys.argv[1])
    for target in TARGETS:
        folder = root / target.__name__
        folder.mkdir(parents=True, exist_ok=True)
        inputs = sorted(set(target()))
        for number, content in enumerate(inputs):
            (folder / f"seed-{number:03}").write_bytes(content)
        print(f"{target.__name__}: {len(inputs)} inputs")


if __name__ == "__main__":
    main()
